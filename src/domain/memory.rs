//! What is remembered of a target between runs: what was needed, since when it is not, what was removed, what waits.
//!
//! A pure value with two steps: `look` before a plan, `after` when it is known what is left. What is forgotten or
//! edited must only ever make amlnet do less. Must not know where it is kept.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::desired::{Address, Contribution, Needs, Wishes};
use super::intent::{DeletionPolicy, Mode, NextHop, ObjectKey};
use super::plan::{Action, Departure, Observed, Plan, Step, TargetInput};
use super::resolve::Note;

/// Removals are counted over this time.
pub const BUDGET_WINDOW: SignedDuration = SignedDuration::from_hours(7 * 24);
/// So many plans that wait are remembered by their steps.
const WAITING_CAP: usize = 10;

/// What is remembered of one target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TargetMemory {
    pub contributors: BTreeMap<ObjectKey, ContributorMemory>,
    /// What was needed when everything needed had last been written, by what asked for it.
    pub applied: Needs,
    /// The next hop that each entry of ours had when it was last as asked for. One that differs from it was changed by
    /// somebody else, and is put back; another one that is asked for waits for a person.
    pub next_hops: BTreeMap<Address, NextHop>,
    /// Entries of ours that nobody needs, for a reason that is not known, and since when that was seen.
    pub unexplained: BTreeMap<Address, Clock>,
    /// Entries of ours that a changed spec no longer asks for.
    pub released: BTreeMap<Address, Released>,
    /// Entries that a Network left behind: it took the target out of its spec, or was deleted with policy Retain.
    pub orphaned: BTreeMap<Address, BTreeSet<ObjectKey>>,
    /// Entries of a Network that was deleted with policy Delete.
    pub deleting: BTreeMap<Address, ObjectKey>,
    /// When the last removals were sent.
    pub removals: Vec<Clock>,
    /// Plans that waited for a person, newest last.
    pub waiting: Vec<Waiting>,
    /// Approvals that were used, until they expire.
    pub used: BTreeMap<String, Timestamp>,
    /// Whether it is still to be seen that the firewalls and policies that use the target are in order after a write.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unsettled: bool,
    /// Additions that are still missing, each with the file date of the first document that asked for it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub awaited: BTreeMap<Address, Date>,
    /// When the memory of this target was found to be lost, if it ever was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_at: Option<Timestamp>,
}

/// When something began.
///
/// A time that lies in the future is not believed, as the clock must have jumped: it counts from when that was noticed,
/// until the time reaches it. So neither a jump there nor the jump back makes a hold shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Clock {
    pub since: Timestamp,
    /// When it was noticed that it lies in the future, while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noticed: Option<Timestamp>,
}

impl Clock {
    pub fn start(now: Timestamp) -> Self {
        Self { since: now, noticed: None }
    }

    /// From when it counts.
    pub fn counts_from(self) -> Timestamp {
        self.noticed.unwrap_or(self.since)
    }

    /// Takes in the time; true if it was found to lie in the future.
    pub(super) fn observe(&mut self, now: Timestamp) -> bool {
        let before = self.noticed;
        self.noticed = (self.since > now).then(|| before.map_or(now, |noticed| noticed.min(now)));
        before.is_none() && self.noticed.is_some()
    }
}

/// What is remembered of one contributor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContributorMemory {
    pub mode: Mode,
    pub suspended: bool,
    pub deletion_policy: DeletionPolicy,
    /// What it needed when it was last known.
    pub needs: Needs,
    /// Addresses that left its document, and since when.
    pub retiring: BTreeMap<Address, Clock>,
    /// Whether something that it asked for was ever in effect.
    pub is_established: bool,
    /// The regions that it follows. Another one waits for a person before it is among them.
    pub regions: BTreeSet<String>,
}

/// What of a spec changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Released {
    /// The region or the pair.
    Region,
    Spec,
}

/// The steps of a plan that waited for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Waiting {
    pub hash: String,
    /// By `Step::line`.
    pub steps: BTreeSet<String>,
    /// The approvals by which it was allowed.
    #[serde(default)]
    pub approved_by: BTreeMap<String, Timestamp>,
}

impl ContributorMemory {
    fn new(contribution: &Contribution, wishes: &Wishes) -> Self {
        Self {
            mode: contribution.mode,
            suspended: contribution.suspended,
            deletion_policy: contribution.deletion_policy,
            regions: regions(wishes),
            needs: wishes.needs(),
            retiring: BTreeMap::new(),
            is_established: false,
        }
    }

    /// What its object says whatever it needs.
    fn take_over(&mut self, contribution: &Contribution) {
        self.mode = contribution.mode;
        self.suspended = contribution.suspended;
        self.deletion_policy = contribution.deletion_policy;
    }
}

/// Both regions of a Network, whatever it asks for there.
fn regions(wishes: &Wishes) -> BTreeSet<String> {
    std::iter::once(&wishes.region).chain(wishes.pair.as_ref().map(|(name, _)| name)).map(ToString::to_string).collect()
}

/// Why an entry of ours is needed no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation<'a> {
    /// Since when a document lacks it, or since when it is seen that nobody needs it; the newest counts.
    pub since: Option<Timestamp>,
    pub left_the_document: bool,
    pub released: Option<Released>,
    pub orphaned_by: Option<&'a BTreeSet<ObjectKey>>,
    pub deleted_with: Option<&'a ObjectKey>,
}

impl Explanation<'_> {
    /// Whether the entry goes because its Network was deleted with policy Delete, and for no other reason.
    pub fn is_deletion(&self) -> bool {
        self.deleted_with.is_some() && self.orphaned_by.is_none() && self.since.is_none()
    }
}

impl TargetMemory {
    /// A memory that starts anew because the last one is lost: what it may have forbidden stays forbidden. The loss
    /// counts from the first look on.
    pub fn lost() -> Self {
        Self { lost_at: Some(Timestamp::MAX), ..Self::default() }
    }

    /// Whether nothing is left that anybody would have to know.
    pub fn is_over(&self) -> bool {
        let entries = self.unexplained.len() + self.released.len() + self.orphaned.len() + self.deleting.len();
        let spent = self.removals.len() + self.used.len();
        // A loss that no look has dated yet is not over: the target could not be read since.
        self.contributors.is_empty() && entries + spent == 0 && self.lost_at != Some(Timestamp::MAX)
    }

    /// Forgets what time has made meaningless: for targets that nobody looks at any more.
    pub fn forget_old(&mut self, now: Timestamp) {
        let window_start = now.checked_sub(BUDGET_WINDOW).unwrap_or(Timestamp::MIN);
        self.removals.retain(|removal| removal.counts_from() > window_start);
        self.used.retain(|_, expires_at| *expires_at > now);
    }

    /// Forgets used approvals that are neither there any more nor could count.
    pub fn forget_approvals(&mut self, approvals: &[super::approval::Approval], now: Timestamp) {
        let is_there = |id: &String| approvals.iter().any(|approval| approval.id == *id);
        self.used.retain(|id, expires_at| *expires_at > now || is_there(id));
    }

    /// What stood in the target though nobody needs it: held, or waiting for somebody's word.
    pub fn not_needed(&self) -> BTreeSet<&Address> {
        let retiring = self.contributors.values().flat_map(|contributor| contributor.retiring.keys());
        let others = self.unexplained.keys().chain(self.released.keys()).chain(self.orphaned.keys());
        retiring.chain(others).chain(self.deleting.keys()).collect()
    }

    /// Networks that left entries behind.
    pub fn owners(&self) -> BTreeSet<&ObjectKey> {
        self.orphaned.values().flatten().chain(self.deleting.values()).collect()
    }

    /// Why nobody needs this address.
    pub fn explain(&self, address: &Address) -> Explanation<'_> {
        let address = address.folded();
        let from = |clock: &Clock| clock.counts_from();
        let left = self.contributors.values().filter_map(|contributor| contributor.retiring.get(&address));
        let retiring = left.map(from).max();
        Explanation {
            since: retiring.max(self.unexplained.get(&address).map(from)),
            left_the_document: retiring.is_some(),
            released: self.released.get(&address).copied(),
            orphaned_by: self.orphaned.get(&address),
            deleted_with: self.deleting.get(&address),
        }
    }

    /// Takes in what is asked for and what stands in the target at `now`.
    #[must_use]
    pub fn look(&self, input: &TargetInput, observed: &Observed, now: Timestamp) -> (Self, BTreeSet<Note>) {
        let (mut memory, mut notes) = (self.clone(), BTreeSet::new());
        if memory.observe_clocks(now) {
            let message = "the time is before times that are remembered; what began then counts from now".to_owned();
            notes.insert(Note { code: "ClockWentBack", message });
        }
        let window_start = now.checked_sub(BUDGET_WINDOW).unwrap_or(Timestamp::MIN);
        memory.removals.retain(|removal| removal.counts_from() > window_start);
        let is_whole = |lost: &Timestamp| {
            let mut asks = memory.contributors.values().flat_map(|contributor| contributor.needs.keys());
            *lost <= window_start && asks.all(|ask| memory.applied.contains_key(ask))
        };
        if memory.lost_at.as_ref().is_some_and(is_whole) {
            memory.lost_at = None;
        }
        let needed_before = memory.needed_or_left_behind();
        for (key, departure) in &input.departed {
            memory.depart(key, *departure);
        }
        memory.retain_what_was_to_go(&input.retained);
        for contribution in &input.contributions {
            memory.take_in(contribution, now);
        }
        memory.see_next_hops(input, observed, needed_before.as_ref());
        let ours: BTreeSet<Address> = observed.ours(&input.installation).map(|entry| entry.address.folded()).collect();
        memory.explain_all(&ours, input, now);
        (memory, notes)
    }

    /// Takes the time into every clock; true if one of them lies in the future.
    fn observe_clocks(&mut self, now: Timestamp) -> bool {
        // A loss that no look has dated yet counts from now.
        self.lost_at = self.lost_at.map(|at| if at == Timestamp::MAX { now } else { at });
        let retiring = self.contributors.values_mut().flat_map(|contributor| contributor.retiring.values_mut());
        let clocks = retiring.chain(self.unexplained.values_mut()).chain(&mut self.removals);
        let mut lies_ahead = false;
        for clock in clocks {
            lies_ahead |= clock.observe(now);
        }
        lies_ahead
    }

    fn depart(&mut self, key: &ObjectKey, departure: Departure) {
        let Some(gone) = self.contributors.remove(key) else { return };
        let deletes = match departure {
            Departure::TakenOut => false,
            Departure::Deleted => {
                gone.deletion_policy == DeletionPolicy::Delete && gone.mode != Mode::Observe && !gone.suspended
            }
            Departure::DeletedWithEntries => true,
        };
        for address in gone.needs.values().flatten().chain(gone.retiring.keys()) {
            if !deletes {
                self.orphaned.entry(address.clone()).or_default().insert(key.clone());
            } else if self.contributors.is_empty() || !self.released.contains_key(address) {
                // What a neighbour gave up goes by the neighbour's rules.
                self.deleting.insert(address.clone(), key.clone());
            }
        }
        if self.contributors.is_empty() {
            // Somebody has to be able to speak for the rest: whoever left last.
            let mut rest: Vec<&Address> = self.unexplained.keys().collect();
            let given_up = self.released.keys().filter(|address| !self.orphaned.contains_key(*address));
            if deletes {
                self.deleting.extend(given_up.map(|address| (address.clone(), key.clone())));
            } else {
                rest.extend(given_up);
            }
            for address in rest {
                self.orphaned.entry(address.clone()).or_insert_with(|| BTreeSet::from([key.clone()]));
            }
        }
        if !deletes {
            // Being left behind does not shorten a hold.
            for (address, since) in gone.retiring {
                let known = self.unexplained.entry(address).or_insert(since);
                *known = since.max(*known);
            }
        }
    }

    /// Who is not deleted with its entries any more leaves them behind.
    fn retain_what_was_to_go(&mut self, retained: &BTreeSet<ObjectKey>) {
        let (stay, go) = std::mem::take(&mut self.deleting).into_iter().partition(|(_, key)| retained.contains(key));
        self.deleting = go;
        let stay: BTreeMap<Address, ObjectKey> = stay;
        for (address, key) in stay {
            self.orphaned.entry(address).or_default().insert(key);
        }
    }

    /// What somebody's packets may have gone by; `None` where that is not known.
    fn needed_or_left_behind(&self) -> Option<BTreeSet<Address>> {
        let needs = self.contributors.values().flat_map(|contributor| contributor.needs.values().flatten());
        let retiring = self.contributors.values().flat_map(|contributor| contributor.retiring.keys());
        let left_behind = self.orphaned.keys().chain(self.released.keys());
        self.lost_at.is_none().then(|| needs.chain(retiring).chain(left_behind).cloned().collect())
    }

    fn see_next_hops(&mut self, input: &TargetInput, observed: &Observed, needed_before: Option<&BTreeSet<Address>>) {
        // `None` where Networks want different ones.
        let mut desired: BTreeMap<Address, Option<&NextHop>> = BTreeMap::new();
        for (address, wish) in
            input.contributions.iter().filter_map(|c| c.outcome.as_ref().ok()).flat_map(|w| &w.entries)
        {
            let wanted = desired.entry(address.folded()).or_insert(Some(&wish.next_hop));
            *wanted = wanted.filter(|hop| **hop == wish.next_hop);
        }
        let mut seen = std::mem::take(&mut self.next_hops);
        for entry in observed.ours(&input.installation) {
            let address = entry.address.folded();
            // What nobody needed until now is as good as added: what the spec says counts.
            let is_new = needed_before.is_some_and(|before| !before.contains(&address));
            if entry.next_hop == NextHop::Member {
                continue;
            }
            let known = match desired.get(&address).copied().flatten() {
                Some(wanted) if is_new || *wanted == entry.next_hop => Some(wanted.clone()),
                _ => seen.remove(&address),
            };
            if let Some(known) = known {
                self.next_hops.insert(address, known);
            }
        }
    }

    fn take_in(&mut self, contribution: &Contribution, now: Timestamp) {
        let known = self.contributors.get_mut(&contribution.network);
        let Ok(wishes) = &contribution.outcome else {
            if let Some(known) = known {
                known.take_over(contribution);
            }
            return;
        };
        let Some(known) = known else {
            let new = ContributorMemory::new(contribution, wishes);
            self.contributors.insert(contribution.network.clone(), new);
            return;
        };
        known.take_over(contribution);
        let mut needs = wishes.needs();
        let now_needed: BTreeSet<Address> = wishes.entries.keys().map(Address::folded).collect();
        let is_needed = |address: &Address| now_needed.contains(address);
        let asked_regions = regions(wishes);
        let (mut left, mut carried, mut released) = (BTreeSet::new(), Vec::new(), Vec::new());
        for (ask, addresses) in &known.needs {
            for address in addresses.iter().filter(|address| !is_needed(address)) {
                if !needs.contains_key(ask) {
                    let dropped = ask.region().is_some_and(|region| !asked_regions.contains(region));
                    let what = if dropped { Released::Region } else { Released::Spec };
                    released.push((address.clone(), what));
                } else if contribution.clocks_may_start {
                    left.insert(address.clone());
                } else {
                    carried.push((ask.clone(), address.clone()));
                }
            }
        }
        let stays = |address: &Address| carried.iter().any(|(_, kept)| kept == address);
        for (address, what) in released.into_iter().filter(|(address, _)| !left.contains(address) && !stays(address)) {
            self.deleting.remove(&address);
            self.released.insert(address, what);
        }
        known.retiring.retain(|address, _| !is_needed(address));
        for address in left {
            known.retiring.entry(address).or_insert(Clock::start(now));
        }
        for (ask, address) in carried {
            needs.entry(ask).or_default().insert(address);
        }
        known.needs = needs;
        known.regions.retain(|region| asked_regions.contains(region));
        if !known.is_established && self.lost_at.is_none() {
            // Nothing rests on the spec that it had before.
            known.regions = asked_regions;
        }
    }

    /// Forgets what is explained by nothing that stands, and starts a clock for what nothing explains.
    fn explain_all(&mut self, ours: &BTreeSet<Address>, input: &TargetInput, now: Timestamp) {
        let wanted: BTreeSet<Address> =
            self.contributors.values().flat_map(|contributor| contributor.needs.values().flatten().cloned()).collect();
        let counts = |address: &Address| ours.contains(address) && !wanted.contains(address);
        self.unexplained.retain(|address, _| counts(address));
        self.released.retain(|address, _| counts(address));
        self.orphaned.retain(|address, _| counts(address));
        self.deleting.retain(|address, _| counts(address));
        for contributor in self.contributors.values_mut() {
            contributor.retiring.retain(|address, _| ours.contains(address));
        }
        // Where nobody is left, nobody could decide about what somebody else puts there.
        let known = !input.contributions.is_empty()
            && input.no_memory.is_none()
            && input.removals_frozen.is_none()
            && input.contributions.iter().all(|c| c.outcome.is_ok() && c.clocks_may_start);
        if !known {
            return;
        }
        for address in ours.iter().filter(|address| !wanted.contains(*address)) {
            let Explanation { since, released, orphaned_by, deleted_with, .. } = self.explain(address);
            if since.is_none() && released.is_none() && orphaned_by.is_none() && deleted_with.is_none() {
                self.unexplained.insert(address.clone(), Clock::start(now));
            }
        }
    }

    /// Counts a removal that is about to be sent, and takes it back where it is certain that nothing came about.
    /// Removals that only deletionPolicy Delete asks for do not count.
    /// One source or one port that many rules lose counts once.
    pub fn count_removals(&mut self, steps: &[&Step], now: Timestamp) {
        let counted = self.subjects(steps);
        self.removals.extend(std::iter::repeat_n(Clock::start(now), counted));
    }

    pub fn uncount_removals(&mut self, steps: &[&Step]) {
        let counted = self.subjects(steps);
        self.removals.truncate(self.removals.len().saturating_sub(counted));
    }

    fn subjects(&self, steps: &[&Step]) -> usize {
        let count = steps.iter().filter(|step| !self.explain(&step.address).is_deletion());
        count.map(|step| step.address.subject()).collect::<BTreeSet<_>>().len()
    }

    /// Takes in that a step was carried out.
    pub fn wrote(&mut self, step: &Step) {
        if let Some(next_hop) = step.next_hop.as_ref().filter(|next_hop| **next_hop != NextHop::Member) {
            self.next_hops.insert(step.address.folded(), next_hop.clone());
        }
    }

    /// Remembers what waits for a person, with whose word it may be done.
    pub fn remember_waiting(&mut self, plan: &Plan, approvals: &[super::approval::Approval]) {
        let Some(pending) = &plan.pending else { return };
        let hash = pending.hash.to_string();
        let position = self.waiting.iter().position(|waiting| waiting.hash == hash);
        let mut waiting = position.map_or_else(
            || Waiting { hash, steps: pending.steps.keys().cloned().collect(), approved_by: BTreeMap::new() },
            |position| self.waiting.remove(position),
        );
        let by = approvals.iter().filter(|approval| pending.is_approved && pending.approved_by.contains(&approval.id));
        for approval in by {
            // It is used when nothing of all that it was given for is left.
            let given_for = self.waiting.iter_mut().find(|waiting| waiting.hash == approval.hash);
            let used = (approval.id.clone(), approval.expires_at);
            given_for.unwrap_or(&mut waiting).approved_by.extend([used]);
        }
        self.waiting.push(waiting);
        // What somebody has approved is remembered as long as the approval is there.
        let is_named = |waiting: &Waiting| approvals.iter().any(|approval| approval.hash == waiting.hash);
        while self.waiting.len() > WAITING_CAP {
            let Some(oldest) = self.waiting.iter().position(|waiting| !is_named(waiting)) else { break };
            self.waiting.remove(oldest);
        }
    }

    /// Takes in what a plan leaves. Not for a blocked plan: it says nothing about what is left.
    #[must_use]
    pub fn after(mut self, plan: &Plan, input: &TargetInput) -> Self {
        if plan.blocked.is_some() {
            return self;
        }
        let left = |action: Action| plan.all_steps().filter(move |step| step.action == action);
        let missing: BTreeSet<Address> = left(Action::Add).map(|step| step.address.folded()).collect();
        let mut wanted = Needs::new();
        for (ask, addresses) in self.contributors.values().flat_map(|contributor| &contributor.needs) {
            wanted.entry(ask.clone()).or_default().extend(addresses.iter().cloned());
        }
        self.applied.retain(|ask, _| wanted.contains_key(ask));
        for (ask, addresses) in wanted {
            if addresses.is_disjoint(&missing) {
                self.applied.insert(ask, addresses);
            }
        }
        for contribution in &input.contributions {
            let (Ok(wishes), Some(known)) = (&contribution.outcome, self.contributors.get_mut(&contribution.network))
            else {
                continue;
            };
            let asked = regions(wishes);
            let is_reached = |region: &String| {
                let mut of_region =
                    known.needs.iter().filter(|(ask, _)| ask.region() == Some(region.as_str())).peekable();
                of_region.peek().is_some() && of_region.all(|(_, addresses)| addresses.is_disjoint(&missing))
            };
            let reached: Vec<String> = asked.into_iter().filter(is_reached).collect();
            known.regions.extend(reached);
            known.is_established |= known.needs.keys().any(|ask| self.applied.contains_key(ask));
        }
        // Before they are sent: after a crash nobody else would know that it was amlnet's own next hop.
        let is_new =
            |step: &&Step| step.before.as_ref().is_none_or(|(before, _)| before.folded() != step.address.folded());
        for step in plan.steps.iter().filter(is_new) {
            self.wrote(step);
        }
        self.use_approvals(plan);
        self
    }

    /// An approval is used when nothing of what it allowed is left to do.
    fn use_approvals(&mut self, plan: &Plan) {
        if self.waiting.iter().all(|waiting| waiting.approved_by.is_empty()) {
            return;
        }
        let lines: BTreeSet<String> = plan.all_steps().map(Step::line).collect();
        for waiting in &mut self.waiting {
            if !waiting.approved_by.is_empty() && waiting.steps.is_disjoint(&lines) {
                self.used.append(&mut waiting.approved_by);
            }
        }
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "memory_kept_tests.rs"]
mod kept_tests;
