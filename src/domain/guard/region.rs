//! Another region, or another secondary region, waits for a person: its additions and the removals of the old one.

use std::collections::BTreeMap;

use super::Situation;
use crate::memory::Released;
use crate::plan::{Action, HeldReason, Step};

/// Why each of these steps needs a person, if it does.
pub(super) fn needs(steps: &[Step], situation: Situation<'_>) -> BTreeMap<String, (HeldReason, String)> {
    let reason = |step: &Step| match step.action {
        Action::Add => new_region(step, situation),
        Action::Remove => {
            let explanation = situation.memory.explain(&step.address);
            let is_given_up = explanation.released == Some(Released::Region) && !explanation.is_deletion();
            is_given_up.then(|| "its region is no longer asked for".to_owned())
        }
        Action::Change => None,
    };
    steps.iter().filter_map(|step| Some((step.line(), (HeldReason::Approval, reason(step)?)))).collect()
}

/// The region that is new for everybody who wants the step, if all of them want it for a new region.
fn new_region(step: &Step, situation: Situation<'_>) -> Option<String> {
    let address = step.address.folded();
    let mut first = None;
    for (network, known) in situation.memory.contributors.iter().filter(|(key, _)| step.wanted_by.contains(*key)) {
        for (ask, _) in known.needs.iter().filter(|(_, addresses)| addresses.contains(&address)) {
            match ask.region() {
                Some(region) if !known.regions.contains(region) => {
                    first.get_or_insert_with(|| format!("{network} did not follow region {region} before"));
                }
                _ => return None,
            }
        }
    }
    first
}

#[cfg(test)]
#[path = "region_tests.rs"]
mod tests;
