//! Growth: more prefixes than `growth` allows that the last applied document did not need wait for a person.
//!
//! A first plan is no growth, and neither is what a changed spec asks for. Other limits guard against losing routes;
//! this one against a document that opens the network to the world.

use std::collections::{BTreeMap, BTreeSet};

use super::Situation;
use crate::desired::{Address, Ask, least_growth};
use crate::plan::{Action, HeldReason, Plan, Step};
use crate::prefix::Prefix;
use crate::resolve::Note;
use crate::resource_id::TargetKind;
use crate::rule::{self, Part, RulePart};

/// The code of the warning where growth does not wait.
pub const GROWTH_HIGH: &str = "GrowthHigh";

/// Service and region: both families count together.
type Place<'a> = (&'a str, &'a str);

/// Why each of these additions needs a person, if it does. `steps` are those of the plan.
pub(super) fn needs(steps: &[Step], situation: Situation<'_>) -> BTreeMap<String, (HeldReason, String)> {
    if situation.input.id.kind == TargetKind::RouteTable { too_many(steps, situation) } else { BTreeMap::new() }
}

/// What is more than `growth` allows is only said of other targets than route tables: a firewall that does not know a new
/// address stops jobs, and its rules name ports and sources besides.
pub(super) fn warn(mut plan: Plan, situation: Situation<'_>) -> Plan {
    if situation.input.id.kind != TargetKind::RouteTable {
        let said: BTreeSet<String> = too_many(&plan.steps, situation).into_values().map(|(_, why)| why).collect();
        plan.warnings.extend(said.into_iter().map(|message| Note { code: GROWTH_HIGH, message }));
    }
    plan
}

fn too_many(steps: &[Step], situation: Situation<'_>) -> BTreeMap<String, (HeldReason, String)> {
    let new = new_by_place(situation);
    let limits = least_growth(&situation.input.contributions);
    let all: BTreeSet<&Address> = new.values().flatten().copied().collect();
    let in_total = prefixes(&all) > limits.total as usize;
    let mut needs = BTreeMap::new();
    for step in steps.iter().filter(|step| step.action == Action::Add) {
        let address = step.address.folded();
        let place = new
            .iter()
            .find(|(_, addresses)| prefixes(addresses) > limits.per_service as usize && addresses.contains(&address));
        let why = match place {
            Some(((service, region), addresses)) => format!(
                "{service} in {region} needs {} prefixes that the last applied document did not need, growth.perService is {}",
                prefixes(addresses),
                limits.per_service
            ),
            None if in_total && all.contains(&address) => format!(
                "the target needs {} prefixes that the last applied document did not need, growth.total is {}",
                prefixes(&all),
                limits.total
            ),
            None => continue,
        };
        needs.insert(step.line(), (HeldReason::Growth, why));
    }
    needs
}

/// How many prefixes these are: one that stands in several rules is one.
fn prefixes(addresses: &BTreeSet<&Address>) -> usize {
    addresses.iter().filter_map(|address| prefix(address)).collect::<BTreeSet<_>>().len()
}

fn prefix(address: &Address) -> Option<Prefix> {
    match address {
        Address::Prefix(prefix) | Address::Part(RulePart { part: Part::Far(rule::Place::Prefix(prefix)), .. }) => {
            Some(*prefix)
        }
        _ => None,
    }
}

/// What is needed now and was not when everything needed had last been written.
fn new_by_place(situation: Situation<'_>) -> BTreeMap<Place<'_>, BTreeSet<&Address>> {
    let memory = situation.memory;
    let mut new: BTreeMap<Place<'_>, BTreeSet<&Address>> = BTreeMap::new();
    // Where the memory is lost, what stands is all that is known to have been needed.
    let standing: Option<BTreeSet<Address>> = memory.lost_at.map(|_| {
        let ours = situation.observed.ours(&situation.input.installation);
        ours.map(|entry| entry.address.folded()).collect()
    });
    let asked = memory.contributors.values().flat_map(|contributor| &contributor.needs);
    for (ask, addresses) in asked {
        let (Ask::Prefixes { service, region, .. } | Ask::InRule { service, region, .. }) = ask else { continue };
        let region = region.as_deref().unwrap_or("all regions");
        let Some(before) = memory.applied.get(ask).or(standing.as_ref()) else { continue };
        let more = addresses.iter().filter(|address| prefix(address).is_some() && !before.contains(*address));
        new.entry((service, region)).or_default().extend(more);
    }
    new
}

#[cfg(test)]
#[path = "growth_tests.rs"]
mod tests;
