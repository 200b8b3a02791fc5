//! What the loop knows, as samples: each target with its figures, each Network with its conditions.
//!
//! What is gone is in no sample; what is looked at anew keeps its figures until the look is over. Must not decide anything.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;

use super::look::Look;
use crate::domain::figures::Figures;
use crate::domain::intent::ObjectKey;
use crate::domain::outcome::{End, Outcome};
use crate::domain::plan::TargetInput;
use crate::domain::project::NetworkStatus;
use crate::domain::queue::Queue;
use crate::domain::resource_id::ResourceId;
use crate::metrics::{Metrics, Samples, names};
use crate::store::World;

/// Samples of a large installation are made less often: at most this share of the time goes into them.
const SHARE: u32 = 20;

/// What is shown of a target besides its last outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// `None` before the first look.
    pub figures: Option<Figures>,
    /// The last look that ended well.
    pub last_success: Option<Timestamp>,
    /// What was put back since this process leads.
    pub restored: u64,
}

/// What the loop remembers in order to show it.
#[derive(Debug, Default)]
pub struct Watched {
    standings: BTreeMap<ResourceId, Standing>,
    /// Conditions that a leader before this one wrote, of Networks that are still to be looked at.
    found: BTreeMap<ObjectKey, NetworkStatus>,
    has_changed: bool,
    not_before: Option<Instant>,
}

/// All that samples are made from.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    pub world: &'a World,
    pub inputs: &'a BTreeMap<ResourceId, TargetInput>,
    pub outcomes: &'a BTreeMap<ResourceId, Outcome>,
    pub statuses: &'a BTreeMap<ObjectKey, NetworkStatus>,
    pub unreadable_approvals: usize,
}

impl Watched {
    /// Something that is shown is not as it was.
    pub fn changed(&mut self) {
        self.has_changed = true;
    }

    /// A status that stands there, and is shown until there is a new one.
    pub fn found(&mut self, network: &ObjectKey, status: Option<&NetworkStatus>) {
        if let Some(status) = status {
            self.found.entry(network.clone()).or_insert_with(|| status.clone());
            self.has_changed = true;
        }
    }

    /// A look at a target has ended. `is_current`: what it looked for is still what is asked for.
    pub fn looked(&mut self, outcome: &Outcome, look: Look, is_current: bool) {
        let standing = self.standings.entry(outcome.plan.id.clone()).or_default();
        standing.restored += u64::try_from(look.restored).unwrap_or_default();
        if is_current {
            standing.figures = Some(Figures::after(outcome, standing.figures.as_ref()));
            if result(outcome) == "Done" {
                standing.last_success = Some(look.ended_at);
            }
        }
        self.has_changed = true;
    }

    /// Shows what has changed, unless that was done a moment ago.
    pub fn show(&mut self, metrics: &Metrics, queue: &Queue<ResourceId>, seen: Seen<'_>) {
        let (due, oldest) = queue.overdue(Timestamp::now());
        metrics.show_queue(due, queue.running(), oldest);
        let started = Instant::now();
        if !self.has_changed || self.not_before.is_some_and(|not_before| started < not_before) {
            return;
        }
        self.standings.retain(|id, _| seen.inputs.contains_key(id));
        self.found.retain(|key, _| seen.world.networks.contains_key(key) && !seen.statuses.contains_key(key));
        metrics.show_state(&samples(seen, &self.standings, &self.found));
        self.has_changed = false;
        self.not_before = Some(Instant::now() + started.elapsed() * SHARE);
    }
}

/// How a look ended, in one word.
pub fn result(outcome: &Outcome) -> &'static str {
    match outcome.end {
        End::Planned | End::Applied if outcome.plan.blocked.is_some() => "Blocked",
        End::Planned | End::Applied => "Done",
        End::Waiting { .. } => "Waiting",
        End::Blocked { .. } => "Blocked",
        End::Failed(_) => "Failed",
    }
}

/// Everything as it stands.
pub fn samples(
    seen: Seen<'_>,
    standings: &BTreeMap<ResourceId, Standing>,
    found: &BTreeMap<ObjectKey, NetworkStatus>,
) -> Samples {
    let mut samples = Samples::default();
    let unknown = Standing::default();
    for id in seen.inputs.keys() {
        let is_known = seen.outcomes.contains_key(id);
        target(&mut samples, id, standings.get(id).unwrap_or(&unknown), is_known);
    }
    networks(&mut samples, seen, found);
    unreadable(&mut samples, seen);
    samples
}

fn target(samples: &mut Samples, id: &ResourceId, standing: &Standing, is_known: bool) {
    let (kind, target) = (id.kind.name(), &*id.to_string());
    samples.total(&names::TARGET_RESTORED, &[kind, target], standing.restored);
    if let Some(at) = standing.last_success {
        samples.time(&names::TARGET_LAST_SUCCESS, &[kind, target], at);
    }
    let state = standing.figures.as_ref().filter(|_| is_known).map_or("Pending", |figures| figures.state);
    samples.fact(&names::TARGET_STATE, &[kind, target, state]);
    let Some(figures) = &standing.figures else { return };
    samples.count(&names::TARGET_ENTRIES, &[kind, target], figures.entries);
    samples.count(&names::TARGET_ENTRIES_LIMIT, &[kind, target], figures.limit);
    for (action, count) in &figures.pending {
        samples.count(&names::TARGET_PENDING, &[kind, target, action.name()], *count);
    }
    for ((action, reason), count) in &figures.held {
        samples.count(&names::TARGET_HELD, &[kind, target, action.name(), reason.name()], *count);
    }
    samples.count(&names::TARGET_CONFLICTS, &[kind, target], figures.conflicts);
    for (code, count) in &figures.warnings {
        samples.count(&names::TARGET_WARNINGS, &[kind, target, code], *count);
    }
    if let Some(reason) = figures.blocked {
        samples.fact(&names::TARGET_BLOCKED, &[kind, target, reason.name()]);
    }
    if let Some(deadline) = figures.additions_deadline() {
        samples.time(&names::TARGET_ADDITIONS_DEADLINE, &[kind, target], deadline);
    }
}

fn networks(samples: &mut Samples, seen: Seen<'_>, found: &BTreeMap<ObjectKey, NetworkStatus>) {
    let mut counts: BTreeMap<[&str; 4], usize> = BTreeMap::new();
    for (key, status) in seen.statuses.iter().chain(found.iter().filter(|(key, _)| !seen.statuses.contains_key(*key))) {
        let mode = seen.world.networks.get(key).map_or("Unknown", |held| held.object.intent.mode.name());
        for condition in &status.conditions {
            let (kind, reason) = (condition.kind.name(), &*condition.reason);
            samples.flag(&names::NETWORK_CONDITION, &[&key.namespace, &key.name, kind, reason], condition.status);
            *counts.entry([mode, kind, if condition.status { "True" } else { "False" }, reason]).or_default() += 1;
        }
    }
    for (labels, count) in counts {
        samples.count(&names::NETWORKS, &labels, count);
    }
}

fn unreadable(samples: &mut Samples, Seen { world, unreadable_approvals, .. }: Seen<'_>) {
    let broken_networks = world.networks.values().filter(|held| held.broken.is_some()).count();
    let broken_feeds = world.feeds.values().filter(|held| held.broken.is_some()).count();
    let (mut networks, mut feeds, mut files) = (broken_networks, broken_feeds, 0);
    // One that was readable before is both held and undecodable.
    let is_held = |key: &ObjectKey| world.networks.contains_key(key);
    for object in &world.undecodable {
        match &object.network {
            Some(key) if is_held(key) => {}
            Some(_) => networks += 1,
            None if object.place.starts_with("ServiceTagFeed ") => {
                let name = object.place.rsplit('/').next().unwrap_or_default();
                feeds += usize::from(!world.feeds.contains_key(name));
            }
            None => files += 1,
        }
    }
    let all =
        [("AmlNetwork", networks), ("ServiceTagFeed", feeds), ("PlanApproval", unreadable_approvals), ("File", files)];
    for (resource, count) in all {
        samples.count(&names::OBJECTS_UNREADABLE, &[resource], count);
    }
}

#[cfg(test)]
#[path = "watched_tests.rs"]
mod tests;
