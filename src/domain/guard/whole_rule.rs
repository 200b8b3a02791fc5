//! A rule is written when all of its sides are there, and never loses one of them while somebody wants it.
//!
//! Where a part of a new rule is held, the rest of it waits too. The last source of a rule, say, is kept until something
//! takes its place. And where somebody gave up a part that still stands, what is new does not come beside it: all sides of
//! a rule go with all others, so more would be let through than anybody asks for.

use std::collections::{BTreeMap, BTreeSet};

use super::{Situation, served};
use crate::cover::Cover;
use crate::desired::Address;
use crate::plan::{Action, HeldReason, Plan, Step, rules};
use crate::prefix::Prefix;
use crate::resource_id::TargetKind;
use crate::rule::{Part, Place, RulePart};

pub(super) fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    if situation.observed.rules.is_none() {
        return plan;
    }
    let waits =
        |step: &Step| rules::not_ready(&step.address, situation.observed).filter(|_| step.action == Action::Add);
    let plan = plan.hold(|step: &Step| waits(step).map(|why| (HeldReason::Hold, why.to_owned())));
    let plan = without_losses(plan, situation);
    let after = rules::after(situation.observed, &plan.steps);
    let plan = if situation.input.id.kind == TargetKind::SecurityGroup {
        // It comes when what is wider goes: Azure takes no list that overlaps.
        let why = "a wider prefix of the rule, which is about to go, covers it".to_owned();
        let is_covered = |step: &Step| step.action == Action::Add && rules::is_covered(&step.address, &after);
        plan.hold(|step: &Step| is_covered(step).then(|| (HeldReason::Hold, why.clone())))
    } else {
        plan
    };
    let why_held = why_held(&plan);
    plan.hold(|step: &Step| {
        let rule = rule(&step.address).filter(|rule| step.action != Action::Remove && !after.contains_key(rule))?;
        let why = "a part without which the rule lets nothing through is not there".to_owned();
        Some(why_held.get(&rule).cloned().unwrap_or((HeldReason::Hold, why)))
    })
}

/// Holds what would take the last part of a side from a rule that is asked for, and what must not come beside a part that
/// is left.
fn without_losses(mut plan: Plan, situation: Situation<'_>) -> Plan {
    let wishes = situation.input.contributions.iter().filter_map(|contribution| contribution.outcome.as_ref().ok());
    let wanted: BTreeSet<&str> = wishes.flat_map(|wishes| wishes.rules.keys()).map(String::as_str).collect();
    let asked_for = AskedFor::by(situation);
    loop {
        // What is held may need what was about to go, and what is kept may have to stay alone: each round holds more.
        let steps = plan.steps.len();
        plan = served::guard(without_products(plan, situation, &asked_for), situation);
        let after = rules::after(situation.observed, &plan.steps);
        let (last, why_held) = (last_of_their_sides(&plan, situation), why_held(&plan));
        plan = plan.hold(|step: &Step| {
            let rule = rule(&step.address).filter(|_| step.action == Action::Remove && last.contains(&step.address))?;
            let is_needed = wanted.contains(rule.as_str()) && !after.contains_key(&rule);
            let why = "nothing would be left of the rule, which is still asked for".to_owned();
            is_needed.then(|| why_held.get(&rule).cloned().unwrap_or((HeldReason::Hold, why)))
        });
        if plan.steps.len() == steps {
            return plan;
        }
    }
}

/// By rule: why something new of it is held.
fn why_held(plan: &Plan) -> BTreeMap<String, (HeldReason, String)> {
    let mut by_rule = BTreeMap::new();
    for held in plan.held.iter().filter(|held| held.step.action == Action::Add) {
        if let Some(rule) = rule(&held.step.address) {
            by_rule.entry(rule).or_insert_with(|| (held.reason, held.why.clone()));
        }
    }
    by_rule
}

/// Of each side of a rule that the plan would empty, the last that goes: it is enough to keep the rule, and the same one
/// at every look, however many of the others went before.
fn last_of_their_sides(plan: &Plan, situation: Situation<'_>) -> BTreeSet<Address> {
    let stands = situation.observed.entries.iter().map(|entry| &entry.address);
    let comes = of(plan, Action::Add).map(|step| &step.address);
    let mut left: BTreeMap<(String, u8), BTreeSet<Address>> = BTreeMap::new();
    for address in stands.chain(comes) {
        if let Some(place) = place(address) {
            left.entry(place).or_default().insert(address.folded());
        }
    }
    let mut last = BTreeSet::new();
    // Whoever is deleted takes its own along, as long as something of others is left.
    let is_deletion = |step: &&Step| situation.memory.explain(&step.address).is_deletion();
    let (deletions, others): (Vec<&Step>, Vec<&Step>) = of(plan, Action::Remove).partition(is_deletion);
    for step in deletions.into_iter().chain(others) {
        let Some(left) = place(&step.address).and_then(|place| left.get_mut(&place)) else { continue };
        left.remove(&step.address.folded());
        if left.is_empty() {
            last.insert(step.address.clone());
        }
    }
    last
}

/// What the Networks ask for together.
struct AskedFor {
    parts: BTreeSet<Address>,
    /// By rule and side.
    covers: BTreeMap<(String, u8), Cover>,
}

impl AskedFor {
    fn by(situation: Situation<'_>) -> Self {
        let wishes = situation.input.contributions.iter().filter_map(|contribution| contribution.outcome.as_ref().ok());
        let parts: BTreeSet<Address> = wishes.flat_map(|wishes| wishes.entries.keys()).map(Address::folded).collect();
        let mut prefixes: BTreeMap<(String, u8), Vec<Prefix>> = BTreeMap::new();
        for part in &parts {
            if let Some((place, prefix)) = place(part).zip(prefix(part)) {
                prefixes.entry(place).or_default().push(prefix);
            }
        }
        let covers = prefixes.into_iter().map(|(place, prefixes)| (place, prefixes.into_iter().collect())).collect();
        Self { parts, covers }
    }

    /// Also what lies in something that is asked for: it lets nothing more through.
    fn contains(&self, address: &Address) -> bool {
        let lies_in = |(place, prefix)| self.covers.get(&place).is_some_and(|cover: &Cover| cover.contains(&prefix));
        self.parts.contains(address) || place(address).zip(prefix(address)).is_some_and(lies_in)
    }
}

/// Holds what would meet something that was given up.
fn without_products(plan: Plan, situation: Situation<'_>, asked_for: &AskedFor) -> Plan {
    let removed: BTreeSet<Address> = of(&plan, Action::Remove).map(|step| step.address.folded()).collect();
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
        let is_left = !removed.contains(&address) && !asked_for.contains(&address);
        if let Some(part) = entry.address.part().filter(|_| is_left && is_given_up(&address)) {
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

/// The side of a rule that an element is on.
pub(super) fn place(address: &Address) -> Option<(String, u8)> {
    let part = address.part()?;
    Some((part.rule.to_ascii_lowercase(), side(&part.part)))
}

fn prefix(address: &Address) -> Option<Prefix> {
    match &address.part()?.part {
        Part::Near(Place::Prefix(prefix)) | Part::Far(Place::Prefix(prefix)) => Some(*prefix),
        _ => None,
    }
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
