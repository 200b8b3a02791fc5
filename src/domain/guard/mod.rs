//! The guard chain: pure filters over a plan. Each may hold steps or block the plan, with a reason.
//!
//! A guard never adds a step and never takes one out of `held`: it can only make a plan do less.
//! To change one rule, change one file here; the two lists here are the whole order.

mod approval;
mod budget;
mod default_route;
mod empty;
mod growth;
mod hold;
mod mode;
mod next_hop;
mod region;
mod removal;
mod served;
mod whole_rule;

use std::collections::BTreeSet;

pub use growth::GROWTH_HIGH;
use jiff::Timestamp;

use super::approval::Approval;
use super::memory::TargetMemory;
use super::plan::{Held, HeldReason, Observed, Plan, Step, TargetInput, entries};

/// What a guard may look at.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    pub input: &'a TargetInput,
    pub observed: &'a Observed,
    /// After it took in `input` and `observed`.
    pub memory: &'a TargetMemory,
    pub approvals: &'a [Approval],
    pub now: Timestamp,
}

type Guard = fn(Plan, Situation<'_>) -> Plan;

/// In order: what the mode forbids, and what has to wait anyway, is not asked about; a person is asked about what could
/// be done now; what stays for the sake of what is held takes no room of the budget.
const BEFORE_THE_BUDGET: [Guard; 6] =
    [growth::warn, mode::guard, removal::guard, hold::guard, approval::guard, served::guard];
/// Capacity comes last of all, when it is known what is left.
const AFTER_THE_BUDGET: [Guard; 3] = [default_route::guard, empty::guard, whole_rule::guard];
/// So many sides of rules may have to wait for each other before the rest of the budget is left for another day.
const ROUNDS: usize = 16;

/// Runs the whole chain.
pub fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    if plan.blocked.is_some() {
        return plan;
    }
    let all = |guards: &[Guard], plan: Plan| guards.iter().fold(plan, |plan, guard| guard(plan, situation));
    let plan = within_the_budget(all(&BEFORE_THE_BUDGET, plan), situation, |plan| all(&AFTER_THE_BUDGET, plan));
    capacity(plan, situation)
}

/// What the budget lets go and another guard holds gives its room to those in whose way it would stand for ever: what it
/// waits for may itself wait for a removal that found no room.
fn within_the_budget(plan: Plan, situation: Situation<'_>, rest: impl Fn(Plan) -> Plan) -> Plan {
    let mut last_in_line = BTreeSet::new();
    // Most plans take nothing away, and need no second copy.
    if !plan.steps.iter().any(|step| budget::counts(step, situation)) {
        return rest(plan);
    }
    for _ in 1..ROUNDS {
        let guarded = rest(budget::guard(plan.clone(), situation, &last_in_line));
        let is_over = |held: &Held| held.reason == HeldReason::Budget;
        if !guarded.held.iter().any(is_over) {
            return guarded;
        }
        let held = guarded.held.iter().filter(|held| !is_over(held)).map(|held| &held.step.entry);
        let held: BTreeSet<&String> = held.collect();
        let kept = plan.steps.iter().filter(|step| budget::counts(step, situation) && held.contains(&step.entry));
        let kept: Vec<&Step> = kept.filter(|step| !last_in_line.contains(&step.entry)).collect();
        let sides: BTreeSet<(String, u8)> = kept.iter().filter_map(|step| whole_rule::place(&step.address)).collect();
        let is_beside = |step: &&Step| whole_rule::place(&step.address).is_some_and(|place| sides.contains(&place));
        let more = plan.steps.iter().filter(is_beside).chain(kept).map(|step| step.entry.clone());
        let known = last_in_line.len();
        last_in_line.extend(more);
        if last_in_line.len() == known {
            return guarded;
        }
    }
    rest(budget::guard(plan, situation, &last_in_line))
}

fn capacity(plan: Plan, situation: Situation<'_>) -> Plan {
    entries::check_capacity(plan, situation.input, situation.observed)
}

#[cfg(test)]
#[path = "conditions_tests.rs"]
mod conditions_tests;
#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
