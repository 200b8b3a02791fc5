//! Nothing is taken away while a contributor's wishes are unknown, and nothing is removed without memory.

use super::Situation;
use crate::intent::ObjectKey;
use crate::plan::{Action, HeldReason, Plan, Step};

pub(super) fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    let unknown = unknown_needs(&plan, situation);
    let no_memory = situation.input.no_memory.clone().map(|why| (HeldReason::Hold, why));
    let unresolved: Vec<ObjectKey> = plan.unresolved.iter().map(|(network, _)| network.clone()).collect();
    plan.hold(|step: &Step| match step.action {
        Action::Remove => unknown.clone().or_else(|| no_memory.clone()),
        // What somebody unknown may need would be taken away: another address, or another next hop.
        Action::Change if may_take_away(step, &unresolved, situation) => unknown.clone(),
        Action::Add | Action::Change => None,
    })
}

/// Whether a change takes away a next hop or, where somebody gave our route another address, an address that may be
/// needed: what is remembered of the Networks tells.
fn may_take_away(step: &Step, unresolved: &[ObjectKey], situation: Situation<'_>) -> bool {
    let Some((before, _)) = &step.before else { return false };
    let (before, memory) = (before.folded(), situation.memory);
    if before == step.address.folded() {
        return step.moves();
    }
    let is_unknown = memory.lost_at.is_some()
        || memory.applied.is_empty()
        || situation.input.no_memory.is_some()
        || unresolved.iter().any(|network| !memory.contributors.contains_key(network));
    let needs = memory.contributors.values().flat_map(|contributor| contributor.needs.values());
    is_unknown || needs.flatten().any(|needed| *needed == before)
}

fn unknown_needs(plan: &Plan, situation: Situation<'_>) -> Option<(HeldReason, String)> {
    if let Some(why) = &situation.input.removals_frozen {
        return Some((HeldReason::Hold, why.clone()));
    }
    let (network, _) = plan.unresolved.first()?;
    Some((HeldReason::Hold, format!("it is not known what {network} needs, so nothing is taken away")))
}
