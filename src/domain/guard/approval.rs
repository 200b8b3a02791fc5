//! Approval: what needs a person is held until everybody who has a say has approved its hash.
//!
//! Which steps those are, the other files say; here it is decided once for all of them, so that one hash names them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Situation, budget, growth, next_hop, region};
use crate::domain::approval;
use crate::domain::intent::{Approval, ObjectKey};
use crate::domain::plan::{Action, HeldReason, Plan, Step};

pub(super) fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    let mut needs = removals(&plan, situation);
    for more in [
        region::needs(&plan.steps, situation),
        next_hop::needs(&plan.steps, situation),
        growth::needs(&plan.steps, situation),
    ] {
        // The first reason stands: it is the most particular one.
        for (line, why) in more {
            needs.entry(line).or_insert(why);
        }
    }
    let approvers = approvers(&plan, situation);
    let Situation { approvals, memory, now, .. } = situation;
    let pending = approval::pending(&plan, needs, approvers, approvals, memory, now);
    let mut plan = Plan { pending, ..plan };
    let Some(pending) = plan.pending.clone().filter(|pending| !pending.is_approved) else { return plan };
    plan = plan.hold(|step: &Step| pending.steps.get(&step.line()).cloned());
    for held in plan.held.iter_mut().filter(|held| held.reason == HeldReason::Approval) {
        // What was left behind may stay for good.
        held.is_offer = memory.explain(&held.step.address).orphaned_by.is_some();
    }
    plan
}

/// The removals that need a person, as the strictest contributor says.
fn removals(plan: &Plan, situation: Situation<'_>) -> BTreeMap<String, (HeldReason, String)> {
    let within = budget::within(plan, situation);
    let setting = situation.input.removal().approval;
    let reason = |step: &Step| {
        let explanation = situation.memory.explain(&step.address);
        if let Some(owner) = explanation.orphaned_by {
            return Some(format!("{owner} left it behind"));
        }
        if explanation.is_deletion() {
            return None;
        }
        match setting {
            Approval::Always => Some("removal.approval is Always".to_owned()),
            Approval::OverBudget if !within.contains(&step.entry) => {
                Some("removal.approval is OverBudget, and the budget is used up".to_owned())
            }
            Approval::OverBudget | Approval::Never => None,
        }
    };
    let removals = plan.steps.iter().filter(|step| step.action == Action::Remove);
    removals.filter_map(|step| Some((step.line(), (HeldReason::Approval, reason(step)?)))).collect()
}

/// Everybody on the target, and whoever left entries there.
fn approvers(plan: &Plan, situation: Situation<'_>) -> BTreeSet<ObjectKey> {
    let present = situation.input.contributions.iter().map(|c| c.network.clone());
    let left = plan.steps.iter().filter(|step| step.action == Action::Remove);
    let owners = left.filter_map(|step| situation.memory.explain(&step.address).orphaned_by.cloned());
    present.chain(owners).collect()
}
