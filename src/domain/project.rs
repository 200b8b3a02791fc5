//! A Network's status as a pure projection of the outcomes of its targets.
//!
//! The clock appears only as the time since which a condition holds, and moves only when the condition turns.
//! Must not know the API types: `api` converts.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::approval::Word;
use super::desired::{Address, Contribution, DocumentId};
use super::intent::{Installation, ObjectKey};
use super::outcome::{End, Outcome};
use super::plan::{BlockedReason, Held, HeldReason, Plan, Standing, Step};
use super::resolve::Note;
use super::resource_id::ResourceId;
use super::scope::OutOfScope;

/// Lists in a status are cut at this many, with a count of the rest.
pub const LIST_CAP: usize = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    Ready,
    Reconciling,
    Stalled,
    Blocked,
}

impl ConditionType {
    pub const ALL: [Self; 4] = [Self::Ready, Self::Reconciling, Self::Stalled, Self::Blocked];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Blocked => "Blocked",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub kind: ConditionType,
    pub status: bool,
    pub reason: String,
    pub message: String,
    pub observed_generation: i64,
    pub since: Timestamp,
}

/// How a target of a Network stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetStatus {
    pub id: ResourceId,
    /// `Pending`, `InSync`, `Changes`, `Held`, `Waiting`, `NeedsPerson`, `Blocked` or `Failed`.
    pub state: &'static str,
    pub message: String,
    pub entries: usize,
    pub limit: usize,
    pub add: usize,
    pub remove: usize,
    pub held: usize,
    /// Removals that count against the budget.
    pub removed: usize,
    pub conflicts: Vec<String>,
    pub conflicts_not_listed: usize,
    pub warnings: Vec<Note>,
    pub pending_hash: Option<String>,
    /// What the person is needed for, where one is: the reason of the condition.
    pub needs: Option<&'static str>,
    pub is_looked_at: bool,
}

/// How a list of a Network stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListStatus {
    pub name: String,
    /// Where it is served, without an ending.
    pub path: String,
    /// `Served`, `Stands` or `Waiting`.
    pub state: String,
    pub message: String,
    pub ipv4: usize,
    pub ipv6: usize,
    pub hosts: usize,
    /// How many of the addresses are only there because their hold is not over.
    pub retiring: usize,
    pub changed_at: Option<Timestamp>,
}

impl ListStatus {
    pub fn new(name: String, path: String, state: &str, message: String) -> Self {
        let state = state.to_owned();
        Self { name, path, state, message, ipv4: 0, ipv6: 0, hosts: 0, retiring: 0, changed_at: None }
    }

    /// Whether there is anything to serve.
    pub fn is_there(&self) -> bool {
        self.state != "Waiting"
    }

    pub fn entries(&self) -> usize {
        self.ipv4 + self.ipv6 + self.hosts
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkStatus {
    pub installation: Installation,
    pub observed_generation: i64,
    pub conditions: Vec<Condition>,
    pub paired_region: Option<(String, String)>,
    pub document: Option<DocumentId>,
    /// The edition of the documentation that it follows, if it does.
    pub edition: Option<String>,
    pub targets: Vec<TargetStatus>,
    /// Prefixes that left the document and stay until their hold is over, and since when; cut at `LIST_CAP`.
    pub retiring: Vec<(Address, Timestamp)>,
    pub retiring_not_listed: usize,
    /// Targets that it no longer names and where entries of its own still stand.
    pub orphaned: Vec<Orphaned>,
    /// What became of the approvals for it.
    pub approvals: Vec<Word>,
    pub lists: Vec<ListStatus>,
    /// The last value of `amlnet.dev/reconcile-at` with which all its targets were looked at.
    pub handled: Option<String>,
}

impl NetworkStatus {
    /// The generation of the spec that it speaks of.
    pub fn generation(&self) -> Option<i64> {
        self.conditions.first().map(|condition| condition.observed_generation)
    }

    /// With its lists. A Network that asks for a list which does not follow its document is not ready; who suspends it
    /// means a list that stands so.
    #[must_use]
    pub fn with_lists(mut self, lists: Vec<ListStatus>, suspended: bool, old: Option<&Self>, now: Timestamp) -> Self {
        let is_meant = |list: &ListStatus| list.state == "Served" || suspended && list.state == "Stands";
        let unserved = lists.iter().find(|list| !is_meant(list));
        let count = lists.len();
        if let Some(ready) = self.conditions.iter_mut().find(|condition| condition.kind == ConditionType::Ready)
            && ready.status
            && count > 0
        {
            match unserved {
                Some(list) => {
                    let before = old.and_then(|old| old.conditions.iter().find(|c| c.kind == ready.kind && !c.status));
                    ready.since = before.map_or(now, |condition| condition.since);
                    ready.status = false;
                    ready.reason = format!("List{}", list.state);
                    ready.message = format!("list {}: {}", list.name, list.message);
                }
                None if self.targets.is_empty() => {
                    "Served".clone_into(&mut ready.reason);
                    ready.message = format!("{count} of {count} lists hold what is needed");
                }
                None => {}
            }
        }
        self.lists = lists;
        self
    }

    /// Whether all its targets were looked at.
    pub fn is_complete(&self) -> bool {
        self.targets.iter().all(|target| target.is_looked_at)
    }
}

/// A target that a Network left with entries in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphaned {
    pub id: ResourceId,
    pub entries: usize,
    /// What to approve so that they are removed.
    pub pending_hash: Option<String>,
}

/// What `network` left behind in the target of `outcome`, if anything.
pub fn orphaned(outcome: &Outcome, network: &ObjectKey) -> Option<Orphaned> {
    let entries = outcome.memory.orphaned.values().filter(|owners| owners.contains(network)).count();
    // Something else may wait under the hash, and what was left behind after it.
    let pending = outcome.plan.pending.as_ref().filter(|pending| {
        let waits = outcome.plan.all_steps().filter(|step| pending.steps.contains_key(&step.line()));
        let owners = |step: &Step| outcome.memory.explain(&step.address).orphaned_by;
        waits.filter_map(owners).any(|owners| owners.contains(network))
    });
    let pending_hash = pending.map(|pending| pending.hash.to_string());
    (entries > 0).then(|| Orphaned { id: outcome.plan.id.clone(), entries, pending_hash })
}

/// Of all targets together, the newest time of each.
fn retiring(targets: &[(ResourceId, Contribution, Option<Outcome>)], network: &ObjectKey) -> Vec<(Address, Timestamp)> {
    let memories = targets.iter().filter_map(|(_, _, outcome)| outcome.as_ref().map(|outcome| &outcome.memory));
    let mut all = BTreeMap::new();
    for (address, since) in memories.filter_map(|memory| memory.contributors.get(network)).flat_map(|c| &c.retiring) {
        let newest = all.entry(address.clone()).or_insert(since.since);
        *newest = (*newest).max(since.since);
    }
    all.into_iter().collect()
}

/// One Network as the index knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Its contribution to each of its targets, with the last outcome there, if there is one.
    Valid(Vec<(ResourceId, Contribution, Option<Outcome>)>),
    /// Why its latest text cannot be used.
    Invalid(String),
    /// It is being deleted: where entries of its own still stand, with the last outcome there.
    Leaving(Vec<(ResourceId, Option<Outcome>)>),
    /// It names something outside its scope: no target was looked at for it.
    OutOfScope(OutOfScope),
}

/// What a Network's status should say.
pub fn project(
    installation: &Installation,
    network: &ObjectKey,
    generation: i64,
    subject: &Subject,
    old: Option<&NetworkStatus>,
    now: Timestamp,
) -> NetworkStatus {
    let targets: &[_] = match subject {
        Subject::Valid(targets) => targets,
        Subject::Invalid(_) | Subject::Leaving(_) | Subject::OutOfScope(_) => &[],
    };
    let wishes = targets.iter().find_map(|(_, contribution, _)| contribution.outcome.as_ref().ok());
    let statuses: Vec<TargetStatus> = match subject {
        Subject::Leaving(left) => left.iter().map(|(id, outcome)| target(id, outcome.as_ref(), network)).collect(),
        _ => targets.iter().map(|(id, _, outcome)| target(id, outcome.as_ref(), network)).collect(),
    };
    // It moves only when all targets have seen this generation; until then the old one stays.
    let has_seen = |outcome: &Outcome| outcome.seen.get(network) == Some(&generation);
    let seen_by_all = targets.iter().all(|(_, _, outcome)| outcome.as_ref().is_some_and(has_seen));
    let observed_generation = if seen_by_all { generation } else { old.map_or(0, |old| old.observed_generation) };
    let verdict = verdict(subject, &statuses);
    let conditions = verdict
        .into_iter()
        .map(|(kind, status, reason, message)| {
            let before = old.and_then(|old| old.conditions.iter().find(|c| c.kind == kind && c.status == status));
            let since = before.map_or(now, |condition| condition.since);
            Condition { kind, status, reason, message, observed_generation: generation, since }
        })
        .collect();
    let mut retiring = retiring(targets, network);
    let retiring_not_listed = retiring.len().saturating_sub(LIST_CAP);
    retiring.truncate(LIST_CAP);
    NetworkStatus {
        installation: installation.clone(),
        observed_generation,
        conditions,
        paired_region: wishes
            .and_then(|wishes| wishes.pair.as_ref())
            .map(|(name, source)| (name.to_string(), source.to_string())),
        document: wishes.map(|wishes| wishes.document),
        edition: None,
        targets: statuses,
        retiring,
        retiring_not_listed,
        orphaned: Vec::new(),
        approvals: Vec::new(),
        lists: Vec::new(),
        handled: old.and_then(|old| old.handled.clone()),
    }
}

/// What ends the waiting where Azure cannot be reached, or the table is somebody else's now.
const WAY_OUT: &str = "to leave them where they are, set deletionPolicy: Retain";

type Verdict = (ConditionType, bool, String, String);

fn verdict(subject: &Subject, targets: &[TargetStatus]) -> Vec<Verdict> {
    let worst = |state: &str| targets.iter().find(|target| target.state == state);
    let (ready, reconciling, stalled, blocked, reason, message) = match subject {
        Subject::Invalid(why) => (false, false, true, true, "InvalidSpec", why.clone()),
        Subject::Leaving(_) => {
            let is_stuck = |target: &&TargetStatus| ["Blocked", "Failed", "NeedsPerson"].contains(&target.state);
            let stuck = targets.iter().find(is_stuck);
            let message = match (stuck, targets.first()) {
                (Some(target), _) => {
                    format!("{} still has entries of its own: {}; {WAY_OUT}", target.id, target.message)
                }
                (None, Some(target)) => format!("{} still has entries of its own, which are removed", target.id),
                (None, None) => format!("what is left of it is looked at; {WAY_OUT}"),
            };
            (false, stuck.is_none(), false, stuck.is_some(), "Deleting", message)
        }
        Subject::OutOfScope(why) => (false, false, true, true, "OutOfScope", why.to_string()),
        Subject::Valid(_) if targets.is_empty() => {
            (true, false, false, false, "NoTarget", "no target is named".to_owned())
        }
        Subject::Valid(_) => {
            let with = |target: &TargetStatus| format!("{}: {}", target.id, target.message);
            if let Some(target) = worst("Blocked") {
                (false, false, true, true, target.needs.unwrap_or("Blocked"), with(target))
            } else if let Some(target) = worst("Failed") {
                (false, true, false, false, "Failed", with(target))
            } else if let Some(target) = worst("Waiting") {
                (false, true, false, false, "Waiting", with(target))
            } else if let Some(target) = worst("Pending") {
                (false, true, false, false, "Pending", with(target))
            } else if let Some(target) = worst("NeedsPerson") {
                (false, false, false, true, target.needs.unwrap_or("NeedsPerson"), with(target))
            } else if let Some(target) = worst("Changes") {
                (true, false, false, false, "ChangesHeld", with(target))
            } else if let Some(target) = worst("Held") {
                (true, false, false, false, "RemovalsHeld", with(target))
            } else {
                let count = targets.len();
                (true, false, false, false, "InSync", format!("{count} of {count} targets hold what they need"))
            }
        }
    };
    // The explanation stands once where nothing is wrong with a condition, and wherever something is.
    let line = |kind, status, says_why: bool| {
        if says_why {
            (kind, status, reason.to_owned(), message.clone())
        } else {
            (kind, status, "AsExpected".to_owned(), String::new())
        }
    };
    vec![
        line(ConditionType::Ready, ready, true),
        line(ConditionType::Reconciling, reconciling, reconciling),
        line(ConditionType::Stalled, stalled, stalled),
        line(ConditionType::Blocked, blocked, blocked),
    ]
}

fn target(id: &ResourceId, outcome: Option<&Outcome>, network: &ObjectKey) -> TargetStatus {
    let Some(outcome) = outcome else {
        return TargetStatus {
            id: id.clone(),
            state: "Pending",
            message: "something changed; it is looked at in a moment".to_owned(),
            entries: 0,
            limit: 0,
            add: 0,
            remove: 0,
            held: 0,
            removed: 0,
            conflicts: Vec::new(),
            conflicts_not_listed: 0,
            warnings: Vec::new(),
            pending_hash: None,
            needs: None,
            is_looked_at: false,
        };
    };
    let plan = &outcome.plan;
    let counts = plan.counts();
    let (state, message) = state(outcome, network);
    let conflicts = plan.conflicts.iter().take(LIST_CAP).map(|c| format!("{}: {}", c.address, c.why)).collect();
    TargetStatus {
        id: id.clone(),
        state,
        message,
        // Of rules it is counted what the limit is about.
        entries: if plan.then.is_some() { plan.entries_now } else { plan.owned_now },
        limit: plan.limits.entries,
        add: counts.add,
        remove: counts.remove,
        held: counts.held,
        removed: outcome.memory.removals.len(),
        conflicts,
        conflicts_not_listed: plan.conflicts.len().saturating_sub(LIST_CAP),
        warnings: plan.warnings.iter().take(LIST_CAP).cloned().collect(),
        pending_hash: (!plan.held.is_empty() || !plan.steps.is_empty()).then(|| plan.hash().to_string()),
        needs: blocked_by(outcome, network).or(needs(plan)),
        is_looked_at: true,
    }
}

fn state(outcome: &Outcome, network: &ObjectKey) -> (&'static str, String) {
    let plan = &outcome.plan;
    match &outcome.end {
        End::Blocked { failure, .. } => return ("Blocked", failure.to_string()),
        End::Failed(failure) => return ("Failed", failure.to_string()),
        End::Waiting { why, .. } => return ("Waiting", why.clone()),
        End::Planned | End::Applied => {}
    }
    if let Some(blocked) = &plan.blocked {
        return ("Blocked", format!("{}: {}", blocked.reason.name(), blocked.message));
    }
    if let Some((_, why)) = plan.unresolved.iter().find(|(key, _)| key == network) {
        return ("Blocked", format!("Unresolved: {why}"));
    }
    let message = match outcome.standing() {
        Standing::Done if plan.held.is_empty() => "it holds what is needed".to_owned(),
        Standing::Changes if !plan.steps.is_empty() => format!("{} steps are to be taken", plan.steps.len()),
        Standing::Done | Standing::Changes => held(plan),
        Standing::NeedsPerson => waits_for_person(plan, network),
    };
    (state_of(outcome), message)
}

/// The state of a target, but for what is wrong with one of its Networks.
pub(super) fn state_of(outcome: &Outcome) -> &'static str {
    let plan = &outcome.plan;
    match &outcome.end {
        End::Blocked { .. } => "Blocked",
        End::Failed(_) => "Failed",
        End::Waiting { .. } => "Waiting",
        End::Planned | End::Applied if plan.blocked.is_some() => "Blocked",
        End::Planned | End::Applied => match outcome.standing() {
            Standing::Done if plan.held.is_empty() => "InSync",
            Standing::Done => "Held",
            Standing::Changes if plan.steps.is_empty() => "Changes",
            Standing::Changes => "Pending",
            Standing::NeedsPerson => "NeedsPerson",
        },
    }
}

/// What a plan needs a person for.
/// Why nothing at all is done to it, if so.
fn blocked_by(outcome: &Outcome, network: &ObjectKey) -> Option<&'static str> {
    let of_azure = match &outcome.end {
        End::Blocked { reason, .. } => Some(*reason),
        _ => None,
    };
    let of_plan = outcome.plan.blocked.as_ref().map(|blocked| blocked.reason);
    let unknown = outcome.plan.unresolved.iter().any(|(key, _)| key == network).then_some(BlockedReason::Unresolved);
    of_azure.or(of_plan).or(unknown).map(BlockedReason::name)
}

fn needs(plan: &Plan) -> Option<&'static str> {
    let waits =
        plan.held.iter().any(|held| matches!(held.reason, HeldReason::Approval | HeldReason::Growth) && !held.is_offer);
    if !plan.conflicts.is_empty() {
        Some("Conflict")
    } else if !plan.unresolved.is_empty() {
        None
    } else {
        waits.then_some("ApprovalNeeded")
    }
}

fn held(plan: &Plan) -> String {
    let says = |held: &Held| format!("{} ({})", held.reason.name(), held.why);
    let count = plan.held.len();
    // What waits for a person is said first.
    let waits = |held: &&Held| matches!(held.reason, HeldReason::Approval | HeldReason::Growth);
    if let Some(held) = plan.held.iter().find(waits) {
        return format!("{count} steps are held: {}", says(held));
    }
    let first = plan.held.first().map(says).unwrap_or_default();
    let until = plan.held.iter().filter_map(|held| held.until).min();
    // Nobody reads further than the second.
    let until = until.and_then(|until| Timestamp::from_second(until.as_second()).ok());
    let until = until.map(|until| format!("; the first until {until}")).unwrap_or_default();
    format!("{count} steps are held: {first}{until}")
}

fn waits_for_person(plan: &Plan, network: &ObjectKey) -> String {
    match (plan.conflicts.first(), plan.unresolved.first()) {
        (Some(conflict), _) => {
            format!("{} in conflict; {}: {}", plan.conflicts.len(), conflict.address, conflict.why)
        }
        (None, Some((key, why))) => format!("the target is shared with {key}, whose needs are unknown: {why}"),
        (None, None) => match &plan.pending {
            Some(pending) if !pending.is_approved => {
                format!("{}; to allow what waits: amlnet approve {network} --hash {}", held(plan), pending.hash)
            }
            _ => held(plan),
        },
    }
}

#[cfg(test)]
#[path = "project_tests.rs"]
mod tests;
