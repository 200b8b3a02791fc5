//! A target in figures: what of its last outcome is counted, for those who watch many.
//!
//! A pure value without addresses or messages. Must not know how figures are exported.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::desired::Address;
use super::intent::ObjectKey;
use super::outcome::{End, Outcome};
use super::plan::{Action, BlockedReason, HeldReason, Plan};
use super::project;

/// Microsoft names new addresses in the file so long before they are used (docs/facts.md).
pub const NOTICE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is counted of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// As in a status: `Pending`, `InSync`, …
    pub state: &'static str,
    /// Everything that counts against the limit.
    pub entries: usize,
    pub limit: usize,
    /// Steps that are not done, held ones included.
    pub pending: BTreeMap<Action, usize>,
    /// Those of them that a guard holds.
    pub held: BTreeMap<(Action, HeldReason), usize>,
    pub conflicts: usize,
    pub warnings: BTreeMap<&'static str, usize>,
    pub blocked: Option<BlockedReason>,
    /// The file date of the oldest document of which additions are missing.
    pub awaited_since: Option<Date>,
}

impl Figures {
    /// The figures after a look, `before` being those after the one before. Where it was not seen what stands in the
    /// target, what was counted before still counts.
    pub fn after(outcome: &Outcome, before: Option<&Self>) -> Self {
        let (state, blocked) = (state(outcome), blocked(outcome));
        let awaited_since = outcome.memory.awaited.values().min().copied();
        match before {
            Some(before) if !came_to_a_plan(outcome) => Self { state, blocked, awaited_since, ..before.clone() },
            _ => Self { state, blocked, awaited_since, ..Self::of(&outcome.plan) },
        }
    }

    fn of(plan: &Plan) -> Self {
        // What may be removed and hurts nobody is pending for nobody.
        let waits = plan.held.iter().filter(|held| !held.is_offer);
        let mut pending: BTreeMap<Action, usize> = Action::ALL.map(|action| (action, 0)).into();
        let (mut held, mut warnings) = (BTreeMap::new(), BTreeMap::new());
        for step in plan.steps.iter().chain(waits.clone().map(|held| &held.step)) {
            *pending.entry(step.action).or_default() += 1;
        }
        for waiting in waits {
            *held.entry((waiting.step.action, waiting.reason)).or_default() += 1;
        }
        for note in &plan.warnings {
            *warnings.entry(note.code).or_default() += 1;
        }
        Self {
            state: "Pending",
            entries: plan.entries_now,
            limit: plan.limits.entries,
            pending,
            held,
            conflicts: plan.conflicts.len(),
            warnings,
            blocked: None,
            awaited_since: None,
        }
    }

    /// When the notice ends of the oldest document whose additions are awaited.
    pub fn additions_deadline(&self) -> Option<Timestamp> {
        self.awaited_since?.to_zoned(TimeZone::UTC).ok()?.timestamp().checked_add(NOTICE).ok()
    }
}

fn state(outcome: &Outcome) -> &'static str {
    if blocked(outcome).is_some() { "Blocked" } else { project::state_of(outcome) }
}

/// Why nothing at all is done to it. That the needs of one of several Networks are unknown keeps nothing from the others.
fn blocked(outcome: &Outcome) -> Option<BlockedReason> {
    let of_azure = match &outcome.end {
        End::Blocked { reason, .. } => Some(*reason),
        _ => None,
    };
    let of_plan = outcome.plan.blocked.as_ref().map(|blocked| blocked.reason);
    let unresolved = &outcome.plan.unresolved;
    let unknown =
        (!unresolved.is_empty() && unresolved.len() >= outcome.seen.len()).then_some(BlockedReason::Unresolved);
    of_azure.or(of_plan).or(unknown)
}

/// Whether it was seen what stands in the target.
fn came_to_a_plan(outcome: &Outcome) -> bool {
    let Outcome { plan, applied, end, .. } = outcome;
    matches!(end, End::Planned | End::Applied)
        || plan.entries_now > 0
        || plan.all_steps().next().is_some()
        || !applied.is_empty()
}

/// What is to be remembered of additions that are missing after a look; `file_date` is that of a Network's document.
/// Each keeps the date of the document that asked for it first: a newer document gives no new notice.
pub fn awaited(outcome: &Outcome, file_date: impl Fn(&ObjectKey) -> Option<Date>) -> BTreeMap<Address, Date> {
    let (plan, before) = (&outcome.plan, &outcome.memory.awaited);
    if !came_to_a_plan(outcome) {
        return before.clone();
    }
    let held = plan.held.iter().filter(|held| held.reason != HeldReason::Mode).map(|held| &held.step);
    let additions = plan.steps.iter().chain(held).filter(|step| step.action == Action::Add);
    let dated = additions.filter_map(|step| {
        let date = before.get(&step.address).copied().or_else(|| step.wanted_by.iter().filter_map(&file_date).min())?;
        Some((step.address.clone(), date))
    });
    dated.collect()
}

#[cfg(test)]
#[path = "figures_tests.rs"]
mod tests;
