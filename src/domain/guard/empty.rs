//! A body that is written as a whole is never written empty: rules that use an empty IP group are skipped, so what they
//! allow would stop.

use std::collections::BTreeSet;

use super::Situation;
use crate::desired::Address;
use crate::plan::{Action, HeldReason, Plan, Step};
use crate::resource_id::TargetKind;

pub(super) fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    let is_group = situation.input.id.kind == TargetKind::IpGroup;
    let count = |action: Action| plan.steps.iter().filter(|step| step.action == action).count();
    let distinct: BTreeSet<Address> = situation.observed.entries.iter().map(|entry| entry.address.folded()).collect();
    let (now, more, less) = (distinct.len(), count(Action::Add), count(Action::Remove));
    if !is_group || less == 0 || now + more > less {
        return plan;
    }
    let why = "nothing would be left, and an empty group is never written: rules that use it would be skipped. \
               Take the group out of the rules and delete it";
    plan.hold(|step: &Step| (step.action == Action::Remove).then(|| (HeldReason::Hold, why.to_owned())))
}

#[cfg(test)]
#[path = "empty_tests.rs"]
mod tests;
