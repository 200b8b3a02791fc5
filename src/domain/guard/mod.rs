//! The guard chain: pure filters over a plan. Each may hold steps or block the plan, with a reason.
//!
//! A guard never adds a step and never takes one out of `held`: it can only make a plan do less.
//! To change one rule, change one file here; `CHAIN` is the whole order.

mod default_route;
mod mode;
mod removal;

use super::plan::{Observed, Plan, TargetInput, entries};

/// What a guard may look at.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    pub input: &'a TargetInput,
    pub observed: &'a Observed,
}

type Guard = fn(Plan, Situation<'_>) -> Plan;

/// In order: what the mode forbids is not asked about further; capacity comes last, when it is known what is left.
const CHAIN: [Guard; 4] = [mode::guard, removal::guard, default_route::guard, capacity];

/// Runs the whole chain.
pub fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    if plan.blocked.is_some() {
        return plan;
    }
    CHAIN.iter().fold(plan, |plan, guard| guard(plan, situation))
}

fn capacity(plan: Plan, situation: Situation<'_>) -> Plan {
    entries::check_capacity(plan, situation.observed)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
