//! Removals: none while a contributor's wishes are unknown, none before the hold has passed, none without approval.
//!
//! The strictest contributor counts. There is no clock for the hold yet, so every hold but `0s` holds for good.

use super::Situation;
use crate::domain::desired::strictest;
use crate::domain::intent::Approval;
use crate::domain::plan::{Action, HeldReason, Plan, Step};

pub(super) fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    let unknown = unknown_needs(&plan, situation);
    let no_memory = situation.input.no_memory.clone().map(|why| (HeldReason::Hold, why));
    let conditions = conditions(situation);
    plan.hold(|step: &Step| match step.action {
        Action::Remove => unknown.clone().or_else(|| no_memory.clone()).or_else(|| conditions.clone()),
        // What somebody unknown may need would be taken away: another address, or another next hop.
        Action::Change if takes_something_away(step) => unknown.clone(),
        Action::Add | Action::Change => None,
    })
}

fn takes_something_away(step: &Step) -> bool {
    step.before.as_ref().is_some_and(|(address, next_hop)| {
        address.folded() != step.address.folded() || Some(next_hop) != step.next_hop.as_ref()
    })
}

fn unknown_needs(plan: &Plan, situation: Situation<'_>) -> Option<(HeldReason, String)> {
    if let Some(why) = &situation.input.removals_frozen {
        return Some((HeldReason::Hold, why.clone()));
    }
    let (network, _) = plan.unresolved.first()?;
    Some((HeldReason::Hold, format!("it is not known what {network} needs, so nothing is taken away")))
}

fn conditions(situation: Situation<'_>) -> Option<(HeldReason, String)> {
    let conditions = strictest(&situation.input.contributions);
    if conditions.hold_seconds > 0 {
        return Some((HeldReason::Hold, "removal.holdFor is not 0s".to_owned()));
    }
    match conditions.approval {
        Approval::Always => Some((HeldReason::Approval, "removal.approval is Always".to_owned())),
        Approval::Never => None,
    }
}
