//! Drift: what somebody else changed or removed, and amlnet put back.
//!
//! A pure function of what was remembered and what was done. Must not count what the document, a spec or a person asked
//! for, nor what Azure failed to put into effect.

use std::collections::BTreeSet;

use super::desired::Address;
use super::memory::TargetMemory;
use super::outcome::Outcome;
use super::plan::{Action, Step};
use super::resource_id::TargetKind;

/// How many of the steps that a reconcile carried out put something back. `before` is what was remembered when it
/// began; `stood` says that the look before it, at the same input, found nothing to do.
///
/// An entry was in place if it was needed before and was found, or written, when everything that was needed stood. It is
/// amlnet's own if its next hop is remembered; members and rules have none, and nobody else's are counted there.
pub fn restored(before: &TargetMemory, outcome: &Outcome, stood: bool) -> usize {
    let needed: BTreeSet<&Address> =
        before.contributors.values().flat_map(|contributor| contributor.needs.values().flatten()).collect();
    let in_place: BTreeSet<&Address> = before.applied.values().flatten().filter(|at| needed.contains(at)).collect();
    let was_ours = |step: &Step| {
        let address = step.address.folded();
        in_place.contains(&address) && (step.is_member() || before.next_hops.get(&address) == step.next_hop.as_ref())
    };
    let has_rules = matches!(outcome.plan.id.kind, TargetKind::SecurityGroup | TargetKind::RuleCollectionGroup);
    let is_put_back = |step: &Step| match step.action {
        // Of a rule, something else than the part may differ, such as its ports. What the spec asks for changes then
        // comes with another input.
        Action::Change if is_the_same(step) => has_rules && stood && was_ours(step),
        Action::Add | Action::Change => was_ours(step),
        Action::Remove => false,
    };
    outcome.applied.iter().filter(|applied| is_put_back(&applied.step)).count()
}

/// Whether the entry was there with the same content: Azure failed to put it into effect, say.
fn is_the_same(step: &Step) -> bool {
    step.before.as_ref().is_some_and(|(address, next_hop)| {
        address.folded() == step.address.folded() && Some(next_hop) == step.next_hop.as_ref()
    })
}

#[cfg(test)]
#[path = "restored_tests.rs"]
mod tests;
