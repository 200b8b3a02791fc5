//! Hold: a prefix that left its document stays for `holdFor`. What a changed spec no longer asks for does not wait.
//!
//! The newest clock of several contributors and the longest hold count. Without a clock the hold never ends.

use jiff::{SignedDuration, Timestamp};

use super::Situation;
use crate::intent::span;
use crate::memory::Explanation;
use crate::plan::{Action, HeldReason, Plan, Step};

pub(super) fn guard(plan: Plan, situation: Situation<'_>) -> Plan {
    let seconds = situation.input.removal().hold_seconds;
    plan.hold_until(|step: &Step| {
        if step.action != Action::Remove {
            return None;
        }
        let explanation = situation.memory.explain(&step.address);
        let Some(since) = explanation.since else {
            return if is_somebodys_decision(&explanation) {
                None
            } else {
                let why = "it is not known why nobody needs it any more, so the hold has not begun".to_owned();
                Some((HeldReason::Hold, why, None))
            };
        };
        let until = end(since, seconds);
        if until.is_some_and(|until| until <= situation.now) {
            return None;
        }
        let what = if explanation.left_the_document {
            "it left the document"
        } else {
            "nobody needs it, which was first seen"
        };
        Some((HeldReason::Hold, format!("{what} on {}, and removal.holdFor is {}", day(since), span(seconds)), until))
    })
}

fn is_somebodys_decision(explanation: &Explanation<'_>) -> bool {
    explanation.released.is_some() || explanation.orphaned_by.is_some() || explanation.deleted_with.is_some()
}

fn end(since: Timestamp, seconds: u64) -> Option<Timestamp> {
    since.checked_add(SignedDuration::from_secs(i64::try_from(seconds).ok()?)).ok()
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
#[path = "hold_tests.rs"]
mod tests;
