//! Mode: `Observe` writes nothing, `UpsertOnly` removes nothing, a suspended Network neither, and with `--read-only`
//! nobody does.
//!
//! An addition needs one contributor that wants the entry and may write it. A removal needs all of them: the entry
//! may have been any contributor's.

use super::Situation;
use crate::intent::{Mode, ObjectKey};
use crate::plan::{Action, HeldReason, Plan, Step};

/// Somebody who has a say: who, in which mode, and whether suspended.
type Voice<'a> = (&'a ObjectKey, Mode, bool);

pub(super) fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    let input = situation.input;
    let voices: Vec<Voice<'_>> = input.contributions.iter().map(|c| (&c.network, c.mode, c.suspended)).collect();
    let former: Vec<Voice<'_>> = input.former.iter().map(|(key, f)| (key, f.mode, f.suspended)).collect();
    plan.hold(|step: &Step| {
        if let Some(why) = &input.read_only {
            return Some((HeldReason::Mode, why.clone()));
        }
        let least = if step.action == Action::Remove { Mode::Sync } else { Mode::UpsertOnly };
        let may = |(_, mode, suspended): &Voice<'_>| *mode >= least && !suspended;
        let holder = match step.action {
            Action::Add | Action::Change => {
                let wanting: Vec<&Voice<'_>> =
                    voices.iter().filter(|(network, ..)| step.wanted_by.contains(*network)).collect();
                if wanting.iter().any(|voice| may(voice)) { None } else { wanting.first().copied() }
            }
            Action::Remove => voices.iter().chain(&former).find(|voice| !may(voice)),
        }?;
        Some((HeldReason::Mode, why(holder)))
    })
}

fn why((network, mode, suspended): &Voice<'_>) -> String {
    match mode {
        _ if *suspended => format!("{network} is suspended"),
        Mode::Observe => format!("{network} is in mode Observe"),
        _ => format!("{network} is in mode UpsertOnly, which removes nothing"),
    }
}

#[cfg(test)]
#[path = "mode_tests.rs"]
mod tests;
