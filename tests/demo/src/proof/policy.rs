//! What must be true of our rules in a firewall policy besides what `rules` looks at: one write a document, at the priority
//! that was asked for, with the policy and its firewall at rest. Pure.

use serde_json::Value;

use super::rules::{self, Evidence};
use super::{around, ordinal};
use crate::record::Request;
use crate::rules::openings;
use crate::scene::{PRIORITY, last};

/// What is written.
const WHAT: &str = "our rule collection group";
/// Where the policy and its firewall stand in `Surroundings::around`.
const USERS: [usize; 2] = [0, 1];

/// What stands around our rules.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// The policy, its firewall and the rules of others there, as ARM shows them: at the beginning, and at the end.
    pub(crate) around: [Vec<Value>; 2],
    /// Our rule collection group, at the end.
    pub(crate) own: Value,
}

pub(super) fn checks(evidence: &Evidence, surroundings: &Surroundings) -> Vec<Result<String, String>> {
    let Surroundings { around, own } = surroundings;
    let mut checks = rules::checks(evidence);
    checks.extend([
        one_write(evidence, 0),
        one_write(evidence, 1),
        priority(evidence),
        around::users_asked(WHAT, &evidence.id, USERS, &around[0], &evidence.requests),
        around::untouched(WHAT, around).map(|names| format!("{} are what they were", names.join(", "))),
        around::at_rest(around[1].iter().chain([own]))
            .map(|()| "in the end our rules, their policy and its firewall are Succeeded".to_owned()),
    ]);
    checks
}

fn one_write(evidence: &Evidence, phase: usize) -> Result<String, String> {
    let (which, what) = (ordinal(phase), evidence.what);
    let new = evidence.wanted(phase).difference(&openings(evidence.before(phase))).count();
    let is_ours = |one: &&Request| one.is_write() && (one.is_on(&evidence.id) || one.is_below(&evidence.id));
    let writes: Vec<&Request> = evidence.requests[phase + 1].iter().filter(is_ours).collect();
    let is_accepted = |request: &Request| request.method == "PUT" && matches!(request.status, 200..=202);
    match (new, writes.as_slice()) {
        (0, []) => Ok(format!("the {which} document: nothing was new to {what}, and it was not written")),
        (1.., [one]) if is_accepted(one) => {
            Ok(format!("the {which} document: {new} new ways out cost {what} one PUT, of {}", last(&evidence.id)))
        }
        _ => {
            let all: Vec<String> = writes.iter().map(|write| format!("{} {}", write.method, write.status)).collect();
            let (count, all) = (all.len(), all.join(", "));
            Err(format!("the {which} document: {new} new ways out cost {what} {count} writes: {all}"))
        }
    }
}

fn priority(evidence: &Evidence) -> Result<String, String> {
    for (index, state) in evidence.history.iter().enumerate() {
        if let Some(rule) = state.rules.iter().find(|rule| rule.priorities.first() != Some(&PRIORITY)) {
            let (name, at) = (&rule.name, &state.at);
            let found = &rule.priorities;
            return Err(format!("{name} has the priorities {found:?}, not {PRIORITY}, in state {index}, at {at}"));
        }
    }
    Ok(format!("our rule collection group always had the priority {PRIORITY}"))
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
