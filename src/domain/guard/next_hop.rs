//! Another next hop waits for a person; one that somebody else changed is put back without asking.

use std::collections::BTreeMap;

use super::Situation;
use crate::plan::{Action, HeldReason, Step};

/// Why each of these changes needs a person, if it does.
pub(super) fn needs(steps: &[Step], situation: Situation<'_>) -> BTreeMap<String, (HeldReason, String)> {
    let known = &situation.memory.next_hops;
    if situation.input.no_memory.is_some() && known.is_empty() {
        // Without a state there is nothing to compare with: what the spec says counts.
        return BTreeMap::new();
    }
    let needs = steps.iter().filter(|step| step.action == Action::Change && step.moves()).filter_map(|step| {
        let ((address, before), after) = (step.before.as_ref()?, step.next_hop.as_ref()?);
        let is_put_back = known.get(&step.address.folded()) == Some(after);
        // A route that somebody gave another address is as good as gone: what it was for is missing.
        if is_put_back || address.folded() != step.address.folded() {
            return None;
        }
        let why = format!("its next hop would be {after} instead of {before}, which is new for this route");
        Some((step.line(), (HeldReason::Approval, why)))
    });
    needs.collect()
}

#[cfg(test)]
#[path = "next_hop_tests.rs"]
mod tests;
