//! A rule is written when all of its sides are there, and never loses one of them while somebody wants it.
//!
//! Where a part of a new rule is held, the rest of it waits too. Where a rule would lose its last source, say, what stands
//! is kept until something takes its place.

use std::collections::{BTreeMap, BTreeSet};

use super::Situation;
use crate::domain::desired::Address;
use crate::domain::plan::{Action, HeldReason, Plan, Step, rules};
use crate::domain::resource_id::TargetKind;

pub(super) fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    if situation.observed.rules.is_none() {
        return plan;
    }
    let after = rules::after(situation.observed, &plan.steps);
    let wishes = situation.input.contributions.iter().filter_map(|contribution| contribution.outcome.as_ref().ok());
    let wanted: BTreeSet<&str> = wishes.flat_map(|wishes| wishes.rules.keys()).map(String::as_str).collect();
    let why_held: BTreeMap<String, (HeldReason, String)> = plan
        .held
        .iter()
        .filter_map(|held| Some((rule(&held.step.address)?, (held.reason, held.why.clone()))))
        .collect();
    let plan = if situation.input.id.kind == TargetKind::SecurityGroup {
        // It comes when what is wider goes: Azure takes no list that overlaps.
        let why = "a wider prefix of the rule, which is about to go, covers it".to_owned();
        let is_covered = |step: &Step| step.action == Action::Add && rules::is_covered(&step.address, &after);
        plan.hold(|step: &Step| is_covered(step).then(|| (HeldReason::Hold, why.clone())))
    } else {
        plan
    };
    plan.hold(|step: &Step| {
        let rule = rule(&step.address).filter(|rule| !after.contains_key(rule))?;
        let held = why_held.get(&rule).cloned();
        match step.action {
            Action::Remove if !wanted.contains(rule.as_str()) => None,
            Action::Remove => {
                let why = "nothing would be left of the rule, which is still asked for".to_owned();
                Some(held.unwrap_or((HeldReason::Hold, why)))
            }
            Action::Add | Action::Change => {
                let why = "a part without which the rule lets nothing through is not there".to_owned();
                Some(held.unwrap_or((HeldReason::Hold, why)))
            }
        }
    })
}

fn rule(address: &Address) -> Option<String> {
    address.part().map(|part| part.rule.to_ascii_lowercase())
}

#[cfg(test)]
#[path = "whole_rule_tests.rs"]
mod tests;
