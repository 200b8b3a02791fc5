//! Mode: `Observe` writes nothing, `UpsertOnly` removes nothing.
//!
//! An addition needs one contributor that wants the entry and may write it. A removal needs all of them: the entry
//! may have been any contributor's.

use super::Situation;
use crate::domain::intent::Mode;
use crate::domain::plan::{Action, HeldReason, Plan, Step};

pub(super) fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    let contributions = &situation.input.contributions;
    plan.hold(|step: &Step| {
        let holder = match step.action {
            Action::Add | Action::Change => {
                let mut wanting = contributions.iter().filter(|c| step.wanted_by.contains(&c.network));
                let first = wanting.clone().next();
                if wanting.any(|c| c.mode >= Mode::UpsertOnly) { None } else { first }
            }
            Action::Remove => contributions.iter().find(|c| c.mode < Mode::Sync),
        }?;
        let why = match holder.mode {
            Mode::Observe => format!("{} is in mode Observe", holder.network),
            _ => format!("{} is in mode UpsertOnly, which removes nothing", holder.network),
        };
        Some((HeldReason::Mode, why))
    })
}
