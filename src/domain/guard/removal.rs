//! Nothing is taken away while a contributor's wishes are unknown, and nothing is removed without memory.

use super::Situation;
use crate::domain::plan::{Action, HeldReason, Plan, Step};

pub(super) fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    let unknown = unknown_needs(&plan, situation);
    let no_memory = situation.input.no_memory.clone().map(|why| (HeldReason::Hold, why));
    plan.hold(|step: &Step| match step.action {
        Action::Remove => unknown.clone().or_else(|| no_memory.clone()),
        // What somebody unknown may need would be taken away: another address, or another next hop.
        Action::Change if takes_something_away(step) => unknown.clone(),
        Action::Add | Action::Change => None,
    })
}

fn takes_something_away(step: &Step) -> bool {
    step.moves() || step.before.as_ref().is_some_and(|(address, _)| address.folded() != step.address.folded())
}

fn unknown_needs(plan: &Plan, situation: Situation<'_>) -> Option<(HeldReason, String)> {
    if let Some(why) = &situation.input.removals_frozen {
        return Some((HeldReason::Hold, why.clone()));
    }
    let (network, _) = plan.unresolved.first()?;
    Some((HeldReason::Hold, format!("it is not known what {network} needs, so nothing is taken away")))
}
