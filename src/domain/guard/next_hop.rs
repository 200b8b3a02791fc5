//! Another next hop waits for a person; one that somebody else changed is put back without asking.

use std::collections::BTreeMap;

use super::Situation;
use crate::domain::plan::{Action, HeldReason, Step};

/// Why each of these changes needs a person, if it does.
pub(super) fn needs(steps: &[Step], situation: Situation<'_>) -> BTreeMap<String, (HeldReason, String)> {
    let mut needs = BTreeMap::new();
    if situation.input.no_memory.is_some() && situation.memory.contributors.values().all(|c| c.next_hops.is_empty()) {
        // Without a state there is nothing to compare with: what the spec says counts.
        return needs;
    }
    for step in steps.iter().filter(|step| step.action == Action::Change && step.moves()) {
        let Some(next_hop) = &step.next_hop else { continue };
        let is_known = situation.memory.contributors.iter().any(|(network, known)| {
            let hops = if step.is_default_route() { &known.default_next_hops } else { &known.next_hops };
            step.wanted_by.contains(network) && hops.contains(next_hop)
        });
        if !is_known {
            let before = step.before.as_ref().map(|(_, hop)| hop.to_string()).unwrap_or_default();
            let why = format!("its next hop would be {next_hop} instead of {before}, which is new for this table");
            needs.insert(step.line(), (HeldReason::Approval, why));
        }
    }
    needs
}
