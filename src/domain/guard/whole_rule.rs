//! A rule is written when all of its sides are there, and never loses one of them while somebody wants it.
//!
//! Where a part of a new rule is held, the rest of it waits too. Where a rule would lose its last source, say, what stands
//! is kept until something takes its place. And where somebody gave up a part that still stands, what is new does not come
//! beside it: all sides of a rule go with all others, so more would be let through than anybody asks for.

use std::collections::{BTreeMap, BTreeSet};

use super::{Situation, served};
use crate::domain::desired::Address;
use crate::domain::plan::{Action, HeldReason, Plan, Step, rules};
use crate::domain::resource_id::TargetKind;
use crate::domain::rule::{Part, Place, RulePart, assemble};

pub(super) fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    if situation.observed.rules.is_none() {
        return plan;
    }
    let waits =
        |step: &Step| rules::not_ready(&step.address, situation.observed).filter(|_| step.action == Action::Add);
    let plan = plan.hold(|step: &Step| waits(step).map(|why| (HeldReason::Hold, why.to_owned())));
    // What is held here may need what was about to go.
    let plan = served::guard(without_products(plan, situation), situation);
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

/// Holds what would meet something that was given up.
fn without_products(plan: Plan, situation: Situation<'_>) -> Plan {
    let removed: BTreeSet<Address> = of(&plan, Action::Remove).map(|step| step.address.folded()).collect();
    let wishes = situation.input.contributions.iter().filter_map(|contribution| contribution.outcome.as_ref().ok());
    let wanted: BTreeSet<Address> = wishes.flat_map(|wishes| wishes.entries.keys()).map(Address::folded).collect();
    let wanted_rules = assemble(&wanted);
    let memory = situation.memory;
    let is_given_up = |address: &Address| {
        let explanation = memory.explain(address);
        let by_spec =
            explanation.released.is_some() || explanation.orphaned_by.is_some() || explanation.deleted_with.is_some();
        // Also what somebody needs whose wishes are not known now.
        let by_nobody_known =
            memory.contributors.values().flat_map(|known| known.needs.values()).any(|needed| needed.contains(address));
        !explanation.left_the_document && (by_spec || by_nobody_known)
    };
    let mut given_up: BTreeMap<String, Vec<&RulePart>> = BTreeMap::new();
    for entry in situation.observed.ours(&situation.input.installation) {
        let address = entry.address.folded();
        // What lies in something wanted lets nothing more through.
        let is_wanted = wanted.contains(&address) || rules::is_covered(&address, &wanted_rules);
        if let Some(part) =
            entry.address.part().filter(|_| !is_wanted && !removed.contains(&address) && is_given_up(&address))
        {
            given_up.entry(part.rule.to_ascii_lowercase()).or_default().push(part);
        }
    }
    plan.hold(|step: &Step| {
        let part = step.address.part().filter(|_| step.action == Action::Add)?;
        let beside = given_up.get(&part.rule.to_ascii_lowercase())?;
        let meets = beside.iter().find(|old| {
            // New addresses of a service must not wait for somebody's word about an old source.
            let is_new_prefix = matches!(part.part, Part::Far(Place::Prefix(_))) && matches!(old.part, Part::Near(_));
            side(&old.part) != side(&part.part) && !is_new_prefix
        })?;
        let why = format!(
            "the rule still has {}, which is given up; beside it more would be let through than is asked for, so this comes \
             when that is gone",
            meets.element()
        );
        Some((HeldReason::Hold, why))
    })
}

fn of(plan: &Plan, action: Action) -> impl Iterator<Item = &Step> {
    plan.steps.iter().filter(move |step| step.action == action)
}

fn side(part: &Part) -> u8 {
    match part {
        Part::Near(_) => 0,
        Part::Far(_) | Part::Host(_) => 1,
        Part::Port(_) => 2,
    }
}

fn rule(address: &Address) -> Option<String> {
    address.part().map(|part| part.rule.to_ascii_lowercase())
}

#[cfg(test)]
#[path = "whole_rule_tests.rs"]
mod tests;
