//! Budget: at most so many removals a target in any 7 days, the lower of a number and a share, at least one.
//!
//! With approval OverBudget a person may allow more. Removals by deletionPolicy Delete neither count nor wait.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use super::Situation;
use crate::intent::{Approval, Budget};
use crate::memory::BUDGET_WINDOW;
use crate::plan::{Action, HeldReason, Plan, Step};

/// `last_in_line`, by entry: removals that take what room the others leave.
pub(super) fn guard(plan: Plan, situation: Situation<'_>, last_in_line: &BTreeSet<String>) -> Plan {
    let over_is_allowed = situation.input.removal().approval == Approval::OverBudget;
    let approved = plan.pending.clone().filter(|pending| pending.is_approved && over_is_allowed);
    let within = within(&plan, situation, last_in_line, |_| true);
    let Budget { max, percent } = situation.input.removal().budget;
    let mut schedule = Schedule::new(plan.owned_now, within.len(), situation);
    plan.hold_until(|step: &Step| {
        let is_free = !counts(step, situation) || within.contains(&step.entry);
        if is_free || approved.as_ref().is_some_and(|pending| pending.steps.contains_key(&step.line())) {
            return None;
        }
        let (why, until) = match lost(situation) {
            Some(until) => ("it is not known how many were removed in the last 7 days".to_owned(), Some(until)),
            None => (
                format!("removal.budget allows {max} removals or {percent} % in 7 days, whichever is less"),
                schedule.next(),
            ),
        };
        Some((HeldReason::Budget, why, until))
    })
}

pub(super) fn counts(step: &Step, situation: Situation<'_>) -> bool {
    step.action == Action::Remove && !situation.memory.explain(&step.address).is_deletion()
}

/// The removals, by entry, that the budget lets through now: the first ones, and of `last_in_line` if there is room left.
pub(super) fn within(
    plan: &Plan,
    situation: Situation<'_>,
    last_in_line: &BTreeSet<String>,
    may: impl Fn(&Step) -> bool,
) -> BTreeSet<String> {
    let room = if lost(situation).is_some() { 0 } else { room(plan.owned_now, situation) };
    let mut taken = BTreeSet::new();
    let counted = plan.steps.iter().filter(|step| counts(step, situation) && may(step));
    let (last, first): (Vec<&Step>, Vec<&Step>) = counted.partition(|step| last_in_line.contains(&step.entry));
    let fits = first.into_iter().chain(last).filter(|step| {
        let subject = step.address.subject();
        let fits = taken.contains(&subject) || taken.len() < room;
        if fits {
            taken.insert(subject);
        }
        fits
    });
    fits.map(|step| step.entry.clone()).collect()
}

fn room(owned_now: usize, situation: Situation<'_>) -> usize {
    let recent = situation.memory.removals.len();
    limit(owned_now, recent, situation).saturating_sub(recent)
}

/// How many may go in 7 days, where so many stand and so many went.
fn limit(owned: usize, recent: usize, situation: Situation<'_>) -> usize {
    let Budget { max, percent } = situation.input.removal().budget;
    let share = (owned + recent) * percent as usize / 100;
    share.min(max as usize).max(1)
}

/// Until when it is not known what was removed before the memory was lost.
fn lost(situation: Situation<'_>) -> Option<Timestamp> {
    let end = situation.memory.lost_at?.checked_add(BUDGET_WINDOW).ok()?;
    (end > situation.now).then_some(end)
}

/// When removals over the budget will be within it, one after the other, if each goes as soon as it may.
struct Schedule<'a> {
    situation: Situation<'a>,
    /// Those of the last 7 days, oldest first.
    recent: VecDeque<Timestamp>,
    owned: usize,
    at: Timestamp,
}

impl<'a> Schedule<'a> {
    /// After `going` removals that may go now.
    fn new(owned_now: usize, going: usize, situation: Situation<'a>) -> Self {
        let mut recent: Vec<Timestamp> = situation.memory.removals.iter().map(|one| one.counts_from()).collect();
        recent.extend(std::iter::repeat_n(situation.now, going));
        recent.sort_unstable();
        Self { situation, recent: recent.into(), owned: owned_now.saturating_sub(going), at: situation.now }
    }
}

impl Iterator for Schedule<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        loop {
            let leaves = |removal: &Timestamp| removal.checked_add(BUDGET_WINDOW).ok();
            while self.recent.front().and_then(leaves).is_some_and(|leaves| leaves <= self.at) {
                self.recent.pop_front();
            }
            if limit(self.owned, self.recent.len(), self.situation) > self.recent.len() {
                self.recent.push_back(self.at);
                self.owned = self.owned.saturating_sub(1);
                return Some(self.at);
            }
            self.at = self.recent.front().and_then(leaves)?;
        }
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
