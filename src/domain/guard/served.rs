//! Nothing goes that serves what is needed while the entry for that is held: the wider prefix in whose place narrower
//! ones come, the narrower ones in whose place a wider one comes.
//!
//! Default routes have a guard of their own.

use std::collections::{BTreeMap, BTreeSet};

use super::Situation;
use crate::domain::cover::Cover;
use crate::domain::desired::Address;
use crate::domain::intent::NextHop;
use crate::domain::plan::{Action, HeldReason, Plan, Step};
use crate::domain::prefix::Prefix;
use crate::domain::rule::{Part, Place};

/// Where a prefix stands: one prefix serves another in the same place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Among {
    Routes(NextHop),
    /// By the name of the rule.
    Sources(String),
    Destinations(String),
}

pub(super) fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    let is_held_addition = |step: &&Step| step.action == Action::Add && !step.is_default_route();
    let held = plan.held.iter().map(|held| &held.step).filter(is_held_addition);
    let waiting = sorted(held.filter_map(|step| among(&step.address, step.next_hop.as_ref()?)));
    if waiting.is_empty() {
        return plan;
    }
    let removed = plan.steps.iter().filter(|step| step.action == Action::Remove);
    let removed: BTreeSet<&Address> = removed.map(|step| &step.address).collect();
    let stands = situation.observed.entries.iter().filter(|entry| !removed.contains(&entry.address));
    let stands = stands.filter_map(|entry| among(&entry.address, &entry.next_hop));
    let comes = plan.steps.iter().filter_map(|step| among(&step.address, step.next_hop.as_ref()?));
    let after = sorted(stands.chain(comes));
    let after: BTreeMap<Among, Cover> =
        after.into_iter().map(|(place, prefixes)| (place, prefixes.into_iter().collect())).collect();
    plan.hold(|step: &Step| {
        let (_, next_hop) = step.before.as_ref().filter(|_| step.action == Action::Remove)?;
        let (place, prefix) = among(&step.address, next_hop)?;
        let is_served = |needed: &Prefix| {
            let both = if prefix.contains(needed) { needed } else { &prefix };
            after.get(&place).is_some_and(|cover| cover.contains(both))
        };
        let needed = overlapping(waiting.get(&place)?, &prefix).find(|needed| !is_served(needed))?;
        Some((HeldReason::Hold, format!("{needed} is needed and held itself; this serves it until it is there")))
    })
}

fn among(address: &Address, next_hop: &NextHop) -> Option<(Among, Prefix)> {
    match address {
        Address::Prefix(prefix) => Some((Among::Routes(next_hop.clone()), *prefix)),
        Address::Part(part) => {
            let rule = part.rule.to_ascii_lowercase();
            match &part.part {
                Part::Near(Place::Prefix(prefix)) => Some((Among::Sources(rule), *prefix)),
                Part::Far(Place::Prefix(prefix)) => Some((Among::Destinations(rule), *prefix)),
                _ => None,
            }
        }
        Address::Tag(_) | Address::Priority(_) => None,
    }
}

fn sorted(all: impl Iterator<Item = (Among, Prefix)>) -> BTreeMap<Among, Vec<Prefix>> {
    let mut by_place: BTreeMap<Among, Vec<Prefix>> = BTreeMap::new();
    for (place, prefix) in all {
        by_place.entry(place).or_default().push(prefix);
    }
    for prefixes in by_place.values_mut() {
        prefixes.sort_unstable();
    }
    by_place
}

/// Those that contain the prefix, and those that it contains. `all` is in order: a prefix comes before what it contains.
fn overlapping<'a>(all: &'a [Prefix], prefix: &'a Prefix) -> impl Iterator<Item = &'a Prefix> {
    let (before, after) = all.split_at(all.partition_point(|other| other < prefix));
    let inside = after.iter().take_while(|other| prefix.contains(other));
    inside.chain(before.iter().filter(|other| other.contains(prefix)))
}

#[cfg(test)]
#[path = "served_tests.rs"]
mod tests;
