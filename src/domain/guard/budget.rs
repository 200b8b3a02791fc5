//! Budget: at most so many removals a target in any 7 days, the lower of a number and a share, at least one.
//!
//! With approval OverBudget a person may allow more. Removals by deletionPolicy Delete neither count nor wait.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Situation;
use crate::domain::intent::{Approval, Budget};
use crate::domain::memory::BUDGET_WINDOW;
use crate::domain::plan::{Action, HeldReason, Plan, Step};

pub(super) fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    let over_is_allowed = situation.input.removal().approval == Approval::OverBudget;
    let approved = plan.pending.clone().filter(|pending| pending.is_approved && over_is_allowed);
    let within = within(&plan, situation);
    let Budget { max, percent } = situation.input.removal().budget;
    let mut over = 0;
    plan.hold_until(|step: &Step| {
        let line = step.line();
        let is_free = !counts(step, situation) || within.contains(&line);
        if is_free || approved.as_ref().is_some_and(|pending| pending.steps.contains_key(&line)) {
            return None;
        }
        over += 1;
        let (why, until) = match lost(situation) {
            Some(until) => ("it is not known how many were removed in the last 7 days".to_owned(), Some(until)),
            None => (
                format!("removal.budget allows {max} removals or {percent} % in 7 days, whichever is less"),
                free_again(situation, within.len(), over),
            ),
        };
        Some((HeldReason::Budget, why, until))
    })
}

fn counts(step: &Step, situation: Situation<'_>) -> bool {
    step.action == Action::Remove && !situation.memory.explain(&step.address).is_deletion()
}

/// The removals, by line, that the budget lets through now: the first ones.
pub(super) fn within(plan: &Plan, situation: Situation<'_>) -> BTreeSet<String> {
    let room = if lost(situation).is_some() { 0 } else { room(plan.owned_now, situation) };
    plan.steps.iter().filter(|step| counts(step, situation)).take(room).map(Step::line).collect()
}

fn room(owned_now: usize, situation: Situation<'_>) -> usize {
    let Budget { max, percent } = situation.input.removal().budget;
    let recent = situation.memory.removals.len();
    let share = (owned_now + recent) * percent as usize / 100;
    share.min(max as usize).max(1).saturating_sub(recent)
}

/// Until when it is not known what was removed before the memory was lost.
fn lost(situation: Situation<'_>) -> Option<Timestamp> {
    let end = situation.memory.lost_at?.checked_add(BUDGET_WINDOW).ok()?;
    (end > situation.now).then_some(end)
}

/// When the n-th removal over the budget will be within it, if those that may go now go now.
fn free_again(situation: Situation<'_>, going: usize, nth: usize) -> Option<Timestamp> {
    let now = situation.now;
    let mut removals: Vec<Timestamp> = situation.memory.removals.iter().map(|removal| removal.counts_from()).collect();
    removals.extend(std::iter::repeat_n(now, going));
    removals.sort_unstable();
    let place = removals.get((nth - 1) % removals.len().max(1)).copied()?;
    let rounds = i32::try_from((nth - 1) / removals.len() + 1).ok()?;
    place.checked_add(BUDGET_WINDOW.checked_mul(rounds)?).ok()
}
