//! Nothing goes that serves what is needed while the entry for that is held: the wider prefix in whose place narrower
//! ones come, the narrower ones in whose place a wider one comes, and names of hosts likewise.
//!
//! Must not look at default routes, which have a guard of their own.

use std::collections::{BTreeMap, BTreeSet};

use super::Situation;
use crate::cover::Cover;
use crate::desired::Address;
use crate::host::Host;
use crate::intent::NextHop;
use crate::plan::{Action, HeldReason, Plan, Step};
use crate::prefix::Prefix;
use crate::rule::{Part, Place};

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
    let held: Vec<&Step> = plan.held.iter().map(|held| &held.step).filter(is_held_addition).collect();
    if held.is_empty() {
        return plan;
    }
    let waiting = Standing::of(held.iter().filter_map(|step| Some((&step.address, step.next_hop.as_ref()?))));
    let gone = plan.steps.iter().filter_map(|step| step.before.as_ref()).map(|(address, _)| address);
    let gone: BTreeSet<&Address> = gone.collect();
    let stands = situation.observed.entries.iter().filter(|entry| !gone.contains(&entry.address));
    let comes = plan.steps.iter().filter_map(|step| Some((&step.address, step.next_hop.as_ref()?)));
    let after = Standing::of(stands.map(|entry| (&entry.address, &entry.next_hop)).chain(comes));
    plan.hold(|step: &Step| {
        let (address, next_hop) = step.before.as_ref().filter(|_| step.action == Action::Remove)?;
        let needed = waiting.served_by(address, next_hop, &after)?;
        // Whoever deletes its Network takes its own along, whatever the others wait for.
        let is_deletion = situation.memory.explain(&step.address).is_deletion();
        let why = || format!("{needed} is needed and held itself; this serves it until it is there");
        (!is_deletion).then(|| (HeldReason::Hold, why()))
    })
}

/// What stands, or is to stand, by place.
#[derive(Default)]
struct Standing {
    prefixes: BTreeMap<Among, Vec<Prefix>>,
    covers: BTreeMap<Among, Cover>,
    /// By rule.
    hosts: BTreeMap<String, BTreeSet<Host>>,
}

impl Standing {
    fn of<'a>(all: impl Iterator<Item = (&'a Address, &'a NextHop)>) -> Self {
        let mut standing = Self::default();
        for (address, next_hop) in all {
            if let Some((place, prefix)) = among(address, next_hop) {
                standing.prefixes.entry(place).or_default().push(prefix);
            } else if let Some((rule, host)) = host(address) {
                standing.hosts.entry(rule).or_default().insert(host.clone());
            }
        }
        for (place, prefixes) in &mut standing.prefixes {
            prefixes.sort_unstable();
            standing.covers.insert(place.clone(), prefixes.iter().copied().collect());
        }
        standing
    }

    /// Which of these the entry serves, as far as nothing of `after` does.
    fn served_by(&self, address: &Address, next_hop: &NextHop, after: &Self) -> Option<String> {
        if let Some((rule, host)) = host(address) {
            let is_served =
                |both: &Host| after.hosts.get(&rule).is_some_and(|all| all.iter().any(|one| one.covers(both)));
            let mut needed = self.hosts.get(&rule)?.iter();
            let found = needed.find(|needed| {
                (host.covers(needed) && !is_served(needed)) || (needed.covers(host) && !is_served(host))
            });
            return found.map(ToString::to_string);
        }
        let (place, prefix) = among(address, next_hop)?;
        // A default route, whoever gives it up.
        let is_everything = matches!(place, Among::Routes(_)) && prefix.length() == 0;
        let cover = after.covers.get(&place);
        let is_served = |both: &Prefix| cover.is_some_and(|cover| cover.contains(both));
        let all = self.prefixes.get(&place).filter(|_| !is_everything)?;
        // In order, a prefix comes right before what it contains.
        let inside = all[all.partition_point(|other| *other < prefix)..].iter();
        let inside = inside.take_while(|other| prefix.contains(other)).find(|needed| !is_served(needed));
        let around = || self.covers[&place].of(&prefix).filter(|_| !is_served(&prefix));
        inside.or_else(around).map(ToString::to_string)
    }
}

fn host(address: &Address) -> Option<(String, &Host)> {
    let part = address.part()?;
    match &part.part {
        Part::Host(host) => Some((part.rule.to_ascii_lowercase(), host)),
        _ => None,
    }
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

#[cfg(test)]
#[path = "served_tests.rs"]
mod tests;
