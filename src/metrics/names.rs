//! Every metric that amlnet exports: name, type, labels and meaning. docs/metrics.md is made from this table.
//!
//! Must not hold values. A label's values are words of a short list, or names of objects that a person made: never an
//! address, a message or an id of a conversation.

/// How a value moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// All series of one name.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    /// Whether a replica exports it that does not lead.
    pub on_standby: bool,
    pub help: &'static str,
}

const fn family(name: &'static str, kind: Kind, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind, labels, on_standby: false, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    family(name, Kind::Gauge, labels, help)
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    family(name, Kind::Counter, labels, help)
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    family(name, Kind::Histogram, labels, help)
}

impl Family {
    const fn on_standby(self) -> Self {
        Self { on_standby: true, ..self }
    }
}

pub static BUILD_INFO: Family =
    gauge("amlnet_build_info", &["version", "commit"], "1: which amlnet this is.").on_standby();
pub static INSTALLATION_INFO: Family = gauge(
    "amlnet_installation_info",
    &["installation", "cloud", "store", "read_only"],
    "1: whose entries this process writes, and how it was started. store is kubernetes or files.",
)
.on_standby();
pub static LEADER: Family =
    gauge("amlnet_leader", &[], "1 while this process works: it holds the lease, or runs with --dir.").on_standby();
pub static LEASE_RENEWALS: Family = counter(
    "amlnet_lease_renewals_total",
    &["result"],
    "Requests by which this process took or renewed the lease: Renewed or Failed.",
)
.on_standby();
pub static LEASE_LAST_RENEWAL: Family = gauge(
    "amlnet_lease_last_renewal_timestamp_seconds",
    &[],
    "When the leader renewed the lease last; absent on a standby.",
)
.on_standby();

pub static FEED_LAST_ATTEMPT: Family =
    gauge("amlnet_feed_last_attempt_timestamp_seconds", &["feed"], "When the feed's sources were asked last.");
pub static FEED_LAST_SUCCESS: Family = gauge(
    "amlnet_feed_last_success_timestamp_seconds",
    &["feed"],
    "When a source last had an acceptable document, or the one in force; after a start, when that was accepted.",
);
pub static FEED_DOCUMENT_DATE: Family = gauge(
    "amlnet_feed_document_timestamp_seconds",
    &["feed"],
    "The file date of the document in force, 00:00 UTC; the day of its acceptance where its name has no date.",
);
pub static FEED_DOCUMENT_ACCEPTED: Family =
    gauge("amlnet_feed_document_accepted_timestamp_seconds", &["feed"], "When the document in force was accepted.");
pub static FEED_DOCUMENT_CHANGE_NUMBER: Family =
    gauge("amlnet_feed_document_change_number", &["feed"], "The change number of the document in force.");
pub static FEED_DOCUMENT_PREFIXES: Family =
    gauge("amlnet_feed_document_prefixes", &["feed"], "How many prefixes the document in force has.");
pub static FEED_DOCUMENT_TAGS: Family =
    gauge("amlnet_feed_document_tags", &["feed"], "How many service tags the document in force has.");
pub static FEED_DOCUMENT_INFO: Family = gauge(
    "amlnet_feed_document_info",
    &["feed", "source", "strategy"],
    "1: from which source the document in force came, and how it was found there.",
);
pub static FEED_DOCUMENT_HELD: Family =
    gauge("amlnet_feed_document_held", &["feed"], "1 while a document waits for approval.");
pub static FEED_RESULTS: Family = counter(
    "amlnet_feed_results_total",
    &["feed", "source", "result", "reason"],
    "Answers of sources: Accepted, Unchanged, Held, Rejected or Failed; the reason is empty for the first two.",
);
pub static FEED_SOURCE_RESULT: Family = gauge(
    "amlnet_feed_source_result",
    &["feed", "position", "source", "result", "reason"],
    "1: the last answer of each source that was asked, by its position in the feed, from 0.",
);

pub static NETWORKS: Family = gauge(
    "amlnet_networks",
    &["mode", "condition", "status", "reason"],
    "AmlNetworks by mode and by each condition of their status; mode is Unknown where the object cannot be read.",
);
pub static NETWORK_CONDITION: Family = gauge(
    "amlnet_network_condition",
    &["network_namespace", "network", "condition", "reason"],
    "1 where the condition (Ready, Reconciling, Stalled or Blocked) of an AmlNetwork is true, else 0.",
);
pub static OBJECTS_UNREADABLE: Family = gauge(
    "amlnet_objects_unreadable",
    &["resource"],
    "Objects that cannot be decoded, by resource; File: a file of --dir that is no YAML.",
);

pub static TARGET_STATE: Family = gauge(
    "amlnet_target_state",
    &["kind", "target", "state"],
    "1: Pending, InSync, Changes, Held, Waiting, NeedsPerson, Blocked or Failed, as in the status.",
);
pub static TARGET_ENTRIES: Family = gauge(
    "amlnet_target_entries",
    &["kind", "target"],
    "What stands in the target and counts against its limit, whoever put it there.",
);
pub static TARGET_ENTRIES_LIMIT: Family =
    gauge("amlnet_target_entries_limit", &["kind", "target"], "How many entries the target can hold.");
pub static TARGET_PENDING: Family = gauge(
    "amlnet_target_pending",
    &["kind", "target", "action"],
    "Steps (Add, Change, Remove) that are not done, held ones included; not removals that nobody waits for.",
);
pub static TARGET_HELD: Family = gauge(
    "amlnet_target_held",
    &["kind", "target", "action", "reason"],
    "Those of the pending steps that a guard holds: Mode, Growth, Hold, Budget or Approval. Only above 0.",
);
pub static TARGET_CONFLICTS: Family = gauge(
    "amlnet_target_conflicts",
    &["kind", "target"],
    "Wanted addresses that are left alone because somebody else's entry, or another AmlNetwork, has them otherwise.",
);
pub static TARGET_WARNINGS: Family =
    gauge("amlnet_target_warnings", &["kind", "target", "code"], "Warnings of the plan by their code. Only above 0.");
pub static TARGET_BLOCKED: Family = gauge(
    "amlnet_target_blocked",
    &["kind", "target", "reason"],
    "1 while nothing can be done: Unresolved, Capacity, Conflict, NotFound, Locked, Forbidden or Refused.",
);
pub static TARGET_ADDITIONS_DEADLINE: Family = gauge(
    "amlnet_target_additions_deadline_timestamp_seconds",
    &["kind", "target"],
    "When the notice ends that Microsoft gives: the file date of the oldest document whose additions are still missing, \
     and 7 days. Absent where no addition is pending, or Mode holds all of them.",
);
pub static TARGET_LAST_SUCCESS: Family = gauge(
    "amlnet_target_last_success_timestamp_seconds",
    &["kind", "target"],
    "When the target was last looked at and all that may be done was done; absent before the first time.",
);
pub static TARGET_RESTORED: Family = counter(
    "amlnet_target_restored_total",
    &["kind", "target"],
    "Entries of amlnet's that somebody else changed or removed, and that were put back.",
);

pub static ENTRIES_WRITTEN: Family =
    counter("amlnet_entries_written_total", &["kind", "action"], "Steps that were carried out: Add, Change or Remove.");
pub static RECONCILE_DURATION: Family = histogram(
    "amlnet_reconcile_duration_seconds",
    &["kind", "result"],
    "How long one look at a target took, with what was written, by its end: Done, Waiting, Blocked or Failed.",
);

pub static ARM_REQUESTS: Family = counter(
    "amlnet_arm_requests_total",
    &["method", "kind", "code", "reason"],
    "Requests to Azure Resource Manager. code is 2xx, 3xx, 4xx, 429, 5xx or none; reason is Ok, Busy, Throttled, \
     Transient, Unauthenticated, Stale, NotFound, Refused, or what blocks: Forbidden, Locked, Capacity.",
);
pub static ARM_REQUEST_DURATION: Family = histogram(
    "amlnet_arm_request_duration_seconds",
    &["method", "kind"],
    "How long Azure Resource Manager took to answer.",
);
pub static ARM_THROTTLED: Family = counter(
    "amlnet_arm_throttled_seconds_total",
    &[],
    "How long requests waited so that no budget of the subscription is used up, or because one was.",
);
pub static ARM_LOCK_WAIT: Family = counter(
    "amlnet_arm_lock_wait_seconds_total",
    &["kind"],
    "How long was waited because another operation held the resource.",
);
pub static ARM_OPERATIONS: Family =
    gauge("amlnet_arm_operations_in_flight", &["kind"], "Writes that Azure has accepted and whose end is waited for.");
pub static LOGINS: Family = counter(
    "amlnet_login_total",
    &["result"],
    "Tokens that were asked for, those that were kept not counted: Ok or Failed.",
);

pub static QUEUE_DEPTH: Family = gauge("amlnet_queue_depth", &[], "Targets that are due and not worked on.");
pub static QUEUE_RUNNING: Family = gauge("amlnet_queue_running", &[], "Targets that are worked on.");
pub static QUEUE_OLDEST_DUE: Family = gauge(
    "amlnet_queue_oldest_due_timestamp_seconds",
    &[],
    "Since when the target is due that waits longest; absent where none is.",
);
pub static QUEUE_RETRIES: Family = counter(
    "amlnet_queue_retries_total",
    &[],
    "Targets that were queued again because a look at them failed or had to wait; not the blocked ones.",
);

pub static STATUS_WRITES: Family = counter(
    "amlnet_status_writes_total",
    &["resource", "result"],
    "Statuses written, of AmlNetwork and ServiceTagFeed: Ok or Failed.",
);
pub static STATE_WRITE_FAILURES: Family = counter(
    "amlnet_state_write_failures_total",
    &["what"],
    "What could not be kept: Memory, Document, Status or Audit. The volume is full or read-only, or the API server \
     refused it.",
);
pub static HTTP_REQUESTS: Family = counter(
    "amlnet_http_requests_total",
    &["path", "code"],
    "Requests that this process answered, by path (healthz, readyz, metrics, lists or other) and status.",
)
.on_standby();

/// In the order of the table, without those of the process itself.
pub static ALL: [&Family; 45] = [
    &BUILD_INFO,
    &INSTALLATION_INFO,
    &LEADER,
    &LEASE_RENEWALS,
    &LEASE_LAST_RENEWAL,
    &FEED_LAST_ATTEMPT,
    &FEED_LAST_SUCCESS,
    &FEED_DOCUMENT_DATE,
    &FEED_DOCUMENT_ACCEPTED,
    &FEED_DOCUMENT_CHANGE_NUMBER,
    &FEED_DOCUMENT_PREFIXES,
    &FEED_DOCUMENT_TAGS,
    &FEED_DOCUMENT_INFO,
    &FEED_DOCUMENT_HELD,
    &FEED_RESULTS,
    &FEED_SOURCE_RESULT,
    &NETWORKS,
    &NETWORK_CONDITION,
    &OBJECTS_UNREADABLE,
    &TARGET_STATE,
    &TARGET_ENTRIES,
    &TARGET_ENTRIES_LIMIT,
    &TARGET_PENDING,
    &TARGET_HELD,
    &TARGET_CONFLICTS,
    &TARGET_WARNINGS,
    &TARGET_BLOCKED,
    &TARGET_ADDITIONS_DEADLINE,
    &TARGET_LAST_SUCCESS,
    &TARGET_RESTORED,
    &ENTRIES_WRITTEN,
    &RECONCILE_DURATION,
    &ARM_REQUESTS,
    &ARM_REQUEST_DURATION,
    &ARM_THROTTLED,
    &ARM_LOCK_WAIT,
    &ARM_OPERATIONS,
    &LOGINS,
    &QUEUE_DEPTH,
    &QUEUE_RUNNING,
    &QUEUE_OLDEST_DUE,
    &QUEUE_RETRIES,
    &STATUS_WRITES,
    &STATE_WRITE_FAILURES,
    &HTTP_REQUESTS,
];

/// Of the `prometheus` crate's collector, on Linux. In the order in which it has them.
pub static PROCESS: [Family; 7] = [
    counter("process_cpu_seconds_total", &[], "Processor time that the process used.").on_standby(),
    gauge("process_open_fds", &[], "Open file descriptors.").on_standby(),
    gauge("process_max_fds", &[], "How many file descriptors may be open.").on_standby(),
    gauge("process_virtual_memory_bytes", &[], "Address space of the process.").on_standby(),
    gauge("process_resident_memory_bytes", &[], "Memory that the process holds.").on_standby(),
    gauge("process_start_time_seconds", &[], "When the process was started.").on_standby(),
    gauge("process_threads", &[], "Threads of the process.").on_standby(),
];
