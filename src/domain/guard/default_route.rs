//! The default route sends everything without a route of its own to the firewall. So it waits until every prefix that
//! some contributor needs has its route: none may be unknown, and none may be held.

use super::Situation;
use crate::desired::Address;
use crate::plan::{Action, HeldReason, Plan, Step};

pub(super) fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    let unknown = plan.unresolved.first().map(|(network, _)| format!("it is not known what {network} needs"));
    let frozen = situation.input.removals_frozen.clone();
    let is_missing = |step: &Step| step.action == Action::Add && !step.is_default_route();
    let missing = plan.held.iter().find(|held| is_missing(&held.step));
    let missing = missing.map(|held| format!("the route for {} is held", held.step.address));
    let has_route =
        |address: &Address| situation.observed.entries.iter().any(|entry| entry.address.folded() == address.folded());
    let disputed = plan.conflicts.iter().find(|conflict| !has_route(&conflict.address));
    let disputed = disputed.map(|conflict| format!("{} is in conflict and has no route", conflict.address));
    let why = unknown.or(frozen).or(missing).or(disputed);
    plan.hold(|step: &Step| if step.is_default_route() { Some((HeldReason::Hold, why.clone()?)) } else { None })
}
