//! What amlnet tells a Prometheus: one value, passed to whoever has something to tell, and read by whoever serves it.
//!
//! Gauges of state are shown by whoever knows the state, all of one moment, and vanish with what they are about.
//! Counters are told what happened. Must not look at anything by itself.

mod counters;
pub mod names;
mod samples;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use prometheus::{Registry, TextEncoder};

pub use self::samples::Samples;

use self::counters::{Counters, observe};

/// All metrics of a process. Clones are the same metrics.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    counters: Counters,
    shown: Mutex<Shown>,
}

/// What stands there until something else is shown.
#[derive(Default)]
struct Shown {
    /// Who this is.
    process: Bytes,
    is_leading: bool,
    renewed_at: Option<Timestamp>,
    feeds: BTreeMap<String, Samples>,
    feeds_text: Bytes,
    /// Of Networks and targets: long, and copied at a scrape.
    state: Bytes,
    queue: Bytes,
}

impl Default for Metrics {
    fn default() -> Self {
        Self(Arc::new(Inner { counters: Counters::new(), shown: Mutex::default() }))
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// What this process is.
#[derive(Debug, Clone, Copy)]
pub struct Process<'a> {
    pub version: &'a str,
    pub commit: &'a str,
    pub installation: &'a str,
    pub cloud: &'a str,
    /// `kubernetes` or `files`.
    pub store: &'a str,
    pub read_only: bool,
}

/// As long as it lives, this process exports what a leader does.
#[derive(Debug)]
#[must_use]
pub struct Leading(Metrics);

impl Drop for Leading {
    fn drop(&mut self) {
        let mut shown = self.0.shown();
        // What the next leader knows, this process does not.
        *shown = Shown { process: std::mem::take(&mut shown.process), ..Shown::default() };
    }
}

/// A write whose end is waited for.
#[derive(Debug)]
#[must_use]
pub struct InFlight(Metrics, &'static str);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.counters.operations.with_label_values(&[self.1]).dec();
    }
}

impl Metrics {
    /// A panic while it is held has ended the work that it was for.
    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn show_process(&self, process: Process<'_>) {
        let Process { version, commit, installation, cloud, store, read_only } = process;
        let mut samples = Samples::default();
        samples.fact(&names::BUILD_INFO, &[version, commit]);
        let read_only = if read_only { "true" } else { "false" };
        samples.fact(&names::INSTALLATION_INFO, &[installation, cloud, store, read_only]);
        self.shown().process = samples.text().into();
    }

    /// This process is the one that works.
    pub fn lead(&self) -> Leading {
        self.shown().is_leading = true;
        Leading(self.clone())
    }

    pub fn is_leading(&self) -> bool {
        self.shown().is_leading
    }

    /// A feed as it stands; `None`: it is gone.
    pub fn show_feed(&self, feed: &str, samples: Option<Samples>) {
        let mut shown = self.shown();
        match samples {
            Some(samples) => drop(shown.feeds.insert(feed.to_owned(), samples)),
            None => drop(shown.feeds.remove(feed)),
        }
        let mut all = Samples::default();
        shown.feeds.values().for_each(|samples| all.extend(samples));
        shown.feeds_text = all.text().into();
    }

    /// All Networks and targets as they stand.
    pub fn show_state(&self, samples: &Samples) {
        let text = samples.text().into();
        self.shown().state = text;
    }

    /// The queue: how many are due, how many are worked on, and since when the oldest is due.
    pub fn show_queue(&self, due: usize, running: usize, oldest: Option<Timestamp>) {
        let mut samples = Samples::default();
        samples.count(&names::QUEUE_DEPTH, &[], due);
        samples.count(&names::QUEUE_RUNNING, &[], running);
        if let Some(oldest) = oldest {
            samples.time(&names::QUEUE_OLDEST_DUE, &[], oldest);
        }
        self.shown().queue = samples.text().into();
    }

    /// A request that took or renewed the lease.
    pub fn lease_renewed(&self, succeeded: bool, now: Timestamp) {
        self.0.counters.renewals.with_label_values(&[if succeeded { "Renewed" } else { "Failed" }]).inc();
        if succeeded {
            self.shown().renewed_at = Some(now);
        }
    }

    /// A step that was carried out.
    pub fn wrote(&self, kind: &str, action: &str) {
        self.0.counters.written.with_label_values(&[kind, action]).inc();
    }

    /// A look at a target has ended.
    pub fn reconciled(&self, kind: &str, result: &str, took: Duration) {
        observe(&self.0.counters.reconciles, &[kind, result], took);
    }

    /// It is queued again because it failed or waits.
    pub fn retried(&self) {
        self.0.counters.retries.inc();
    }

    /// ARM answered, or did not.
    pub fn asked_arm(&self, [method, kind, code, reason]: [&str; 4], took: Duration) {
        self.0.counters.requests.with_label_values(&[method, kind, code, reason]).inc();
        observe(&self.0.counters.durations, &[method, kind], took);
    }

    /// A request waited because of a budget.
    pub fn throttled(&self, waited: Duration) {
        self.0.counters.throttled.inc_by(waited.as_secs_f64());
    }

    /// Somebody waited because another operation held a resource of this kind.
    pub fn waited_for_lock(&self, kind: &str, waited: Duration) {
        self.0.counters.lock_wait.with_label_values(&[kind]).inc_by(waited.as_secs_f64());
    }

    /// Azure has accepted a write of this kind. To be dropped when its end is known.
    pub fn operation(&self, kind: &'static str) -> InFlight {
        self.0.counters.operations.with_label_values(&[kind]).inc();
        InFlight(self.clone(), kind)
    }

    /// A token was asked for.
    pub fn logged_in(&self, succeeded: bool) {
        self.0.counters.logins.with_label_values(&[ok_or_failed(succeeded)]).inc();
    }

    /// The status of an object of this resource was written, or could not be.
    pub fn status_written(&self, resource: &str, succeeded: bool) {
        self.0.counters.statuses.with_label_values(&[resource, ok_or_failed(succeeded)]).inc();
        if !succeeded {
            self.not_kept("Status");
        }
    }

    /// Something could not be kept: `Memory`, `Document`, `Status` or `Audit`.
    pub fn not_kept(&self, what: &str) {
        self.0.counters.failures.with_label_values(&[what]).inc();
    }

    /// A request over HTTP was answered.
    pub fn answered(&self, path: &str, code: u16) {
        self.0.counters.answers.with_label_values(&[path, &code.to_string()]).inc();
    }

    /// Everything, in the text format of Prometheus.
    pub fn text(&self) -> Bytes {
        let mut text = String::new();
        gathered(&self.0.counters.always, &mut text);
        let leading = {
            let shown = self.shown();
            let mut own = Samples::default();
            own.flag(&names::LEADER, &[], shown.is_leading);
            if let Some(at) = shown.renewed_at.filter(|_| shown.is_leading) {
                own.time(&names::LEASE_LAST_RENEWAL, &[], at);
            }
            text.push_str(&own.text());
            let parts = [&shown.process, &shown.feeds_text, &shown.state, &shown.queue];
            parts.map(Bytes::clone).into_iter().take(if shown.is_leading { 4 } else { 1 }).collect::<Vec<_>>()
        };
        if leading.len() > 1 {
            gathered(&self.0.counters.leading, &mut text);
        }
        let mut whole = Vec::with_capacity(text.len() + leading.iter().map(Bytes::len).sum::<usize>());
        for part in &leading {
            whole.extend_from_slice(part);
        }
        whole.extend_from_slice(text.as_bytes());
        whole.into()
    }
}

fn ok_or_failed(succeeded: bool) -> &'static str {
    if succeeded { "Ok" } else { "Failed" }
}

fn gathered(registry: &Registry, text: &mut String) {
    // It fails for families without a series, which a registry leaves out.
    let _ = TextEncoder::new().encode_utf8(&registry.gather(), text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scraped(metrics: &Metrics) -> String {
        String::from_utf8(metrics.text().to_vec()).unwrap()
    }

    #[test]
    fn only_a_leader_shows_state_and_takes_it_away_when_it_stops() {
        let metrics = Metrics::default();
        let process = Process {
            version: "1",
            commit: "c",
            installation: "prod",
            cloud: "Public",
            store: "files",
            read_only: false,
        };
        metrics.show_process(process);
        metrics.throttled(Duration::from_secs(1));
        let standby = scraped(&metrics);
        assert!(
            standby.contains("amlnet_leader 0") && standby.contains("amlnet_build_info{version=\"1\""),
            "{standby}"
        );
        assert!(!standby.contains("throttled") && !standby.contains("login"), "{standby}");

        let leading = metrics.lead();
        metrics.lease_renewed(true, Timestamp::from_second(5).unwrap());
        metrics.show_queue(2, 1, Some(Timestamp::from_second(7).unwrap()));
        let mut feed = Samples::default();
        feed.count(&names::FEED_DOCUMENT_TAGS, &["public"], 3);
        metrics.show_feed("public", Some(feed.clone()));
        metrics.show_feed("gone", Some(feed));
        metrics.show_feed("gone", None);
        let leader = scraped(&metrics);
        for line in [
            "amlnet_leader 1",
            "amlnet_lease_last_renewal_timestamp_seconds 5",
            "amlnet_queue_depth 2",
            "amlnet_queue_oldest_due_timestamp_seconds 7",
            "amlnet_feed_document_tags{feed=\"public\"} 3",
            "amlnet_arm_throttled_seconds_total 1",
            "amlnet_login_total{result=\"Failed\"} 0",
        ] {
            assert_eq!(leader.lines().filter(|found| *found == line).count(), 1, "{line} in {leader}");
        }

        metrics.show_queue(0, 1, None);
        let idle = scraped(&metrics);
        assert!(idle.contains("amlnet_queue_depth 0") && !idle.contains("oldest_due"), "{idle}");

        drop(leading);
        let after = scraped(&metrics);
        assert!(after.contains("amlnet_leader 0") && after.contains("amlnet_build_info"), "{after}");
        for gone in ["last_renewal", "queue", "feed", "throttled"] {
            assert!(!after.contains(gone), "{gone} in {after}");
        }
        assert!(after.contains("amlnet_lease_renewals_total{result=\"Renewed\"} 1"), "{after}");
    }

    #[test]
    fn an_operation_is_in_flight_until_its_end_is_known() {
        let metrics = Metrics::default();
        let _leading = metrics.lead();
        let operations = [metrics.operation("route"), metrics.operation("route")];
        assert!(scraped(&metrics).contains("amlnet_arm_operations_in_flight{kind=\"route\"} 2"));
        drop(operations);
        assert!(scraped(&metrics).contains("amlnet_arm_operations_in_flight{kind=\"route\"} 0"));
    }
}
