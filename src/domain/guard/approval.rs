//! Approval: what needs a person is held until everybody who has a say has approved its hash.
//!
//! Which steps those are, the other files say; here it is decided once for all of them, so that one hash names them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Situation, budget, growth, next_hop, region};
use crate::approval;
use crate::intent::{Approval, ObjectKey};
use crate::memory::{Explanation, Released};
use crate::plan::{Action, HeldReason, Plan, Step};

pub(super) fn guard(mut plan: Plan, situation: Situation<'_>) -> Plan {
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
    // What was left behind is decided about by itself: what is needed must not wait for whoever left it.
    let is_offer = |step: &Step| step.action == Action::Remove && explain(step, situation).orphaned_by.is_some();
    let offers: BTreeSet<String> = plan.steps.iter().filter(|step| is_offer(step)).map(Step::line).collect();
    let something_else_waits = needs.keys().any(|line| !offers.contains(line));
    if something_else_waits {
        plan = plan.hold(|step: &Step| if is_offer(step) { needs.get(&step.line()).cloned() } else { None });
        needs.retain(|line, _| !offers.contains(line));
    }
    let approvers = approvers(&plan, situation);
    let Situation { approvals, memory, now, .. } = situation;
    let pending = approval::pending(&plan, needs, approvers, approvals, memory, now);
    let mut plan = Plan { pending, ..plan };
    if let Some(pending) = plan.pending.clone().filter(|pending| !pending.is_approved) {
        plan = plan.hold(|step: &Step| pending.steps.get(&step.line()).cloned());
    }
    for held in plan.held.iter_mut().filter(|held| held.reason == HeldReason::Approval) {
        // What was left behind may stay for good.
        held.is_offer = is_offer(&held.step);
    }
    plan
}

/// The removals that need a person, as the strictest contributor says.
fn removals(plan: &Plan, situation: Situation<'_>) -> BTreeMap<String, (HeldReason, String)> {
    // Those that need a person in any case take no room from the others.
    let within = budget::within(plan, situation, &BTreeSet::new(), |step| {
        let explanation = explain(step, situation);
        explanation.orphaned_by.is_none() && explanation.released != Some(Released::Region)
    });
    let setting = situation.input.removal().approval;
    let reason = |step: &Step| {
        let explanation = situation.memory.explain(&step.address);
        if let Some(owners) = explanation.orphaned_by {
            let owners: Vec<String> = owners.iter().map(ToString::to_string).collect();
            return Some(format!("{} left it behind", owners.join(", ")));
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
    let owners = left.filter_map(|step| explain(step, situation).orphaned_by).flatten().cloned();
    present.chain(owners).collect()
}

fn explain<'a>(step: &Step, situation: Situation<'a>) -> Explanation<'a> {
    situation.memory.explain(&step.address)
}
