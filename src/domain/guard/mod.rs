//! The guard chain: pure filters over a plan. Each may hold steps or block the plan, with a reason.
//!
//! A guard never adds a step and never takes one out of `held`: it can only make a plan do less.
//! To change one rule, change one file here; `CHAIN` is the whole order.

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

pub use growth::GROWTH_HIGH;
use jiff::Timestamp;

use super::approval::Approval;
use super::memory::TargetMemory;
use super::plan::{Observed, Plan, TargetInput, entries};

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
/// be done now; what stays for the sake of what is held takes no room of the budget; capacity comes last, when it is known
/// what is left.
const CHAIN: [Guard; 11] = [
    growth::warn,
    mode::guard,
    removal::guard,
    hold::guard,
    approval::guard,
    served::guard,
    budget::guard,
    default_route::guard,
    empty::guard,
    whole_rule::guard,
    capacity,
];

/// Runs the whole chain.
pub fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    if plan.blocked.is_some() {
        return plan;
    }
    CHAIN.iter().fold(plan, |plan, guard| guard(plan, situation))
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
