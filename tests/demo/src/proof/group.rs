//! What must be true of the IP group: which addresses it had at every moment, how often it was written, and that nothing
//! around it changed. Pure; knows nothing of amlnet.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;
use serde_json::Value;

use super::{around, join, ordinal, stay};
use crate::record::{GroupState, Request, net};

/// What the checks are about.
const WHAT: &str = "the group";
/// Where the policy and the firewall stand in `Evidence::around`.
const USERS: [usize; 2] = [1, 3];

/// Everything that the checks rest on.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    pub(crate) id: String,
    /// What the first and the second document say.
    pub(crate) needed: [BTreeSet<Ipv4Net>; 2],
    /// Every state of the group, from before anything was done.
    pub(crate) history: Vec<GroupState>,
    /// The index of the state in which the first document was in force.
    pub(crate) converged: usize,
    /// The requests while planning, for the first document, and for the second.
    pub(crate) requests: [Vec<Request>; 3],
    /// The group, the policy, its rules and the firewall, as ARM shows them: at the beginning, and at the end.
    pub(crate) around: [Vec<Value>; 2],
}

pub(super) fn checks(evidence: &Evidence) -> Vec<Result<String, String>> {
    let end = evidence.history.len().saturating_sub(1);
    vec![
        holds(evidence, 0, evidence.converged),
        holds(evidence, 1, end),
        only_grows(evidence),
        one_write(evidence, 0),
        one_write(evidence, 1),
        around::users_asked(WHAT, &evidence.id, USERS, &evidence.around[0], &evidence.requests),
        rest_untouched(evidence),
        around::at_rest(&evidence.around[1])
            .map(|()| "in the end the group, the policy and the firewall are Succeeded".to_owned()),
    ]
}

impl Evidence {
    /// Nothing leaves it here: what the first document needed stays.
    fn wanted(&self, phase: usize) -> BTreeSet<Ipv4Net> {
        self.needed[..=phase].iter().flatten().copied().collect()
    }
}

fn holds(evidence: &Evidence, phase: usize, index: usize) -> Result<String, String> {
    let which = ordinal(phase);
    let Some(state) = evidence.history.get(index) else {
        return Err(format!("after the {which} document the group has no state"));
    };
    let (wanted, now) = (evidence.wanted(phase), state.nets());
    let missing: Vec<Ipv4Net> = wanted.difference(&now).copied().collect();
    if !missing.is_empty() {
        return Err(format!("after the {which} document the group lacks {}", join(&missing)));
    }
    let needless = state.addresses.iter().find(|text| !net(text).is_some_and(|net| wanted.contains(&net)));
    if let Some(needless) = needless {
        return Err(format!("after the {which} document the group holds {needless}, which no document asks for"));
    }
    let gone = wanted.difference(&evidence.needed[phase]).count();
    let stay = stay(phase, gone);
    Ok(format!("after the {which} document the group holds the {} addresses that it should{stay}", wanted.len()))
}

/// No state lacks an address of the one before it, so none is ever empty again, and nothing needed is ever missing.
fn only_grows(evidence: &Evidence) -> Result<String, String> {
    let all = evidence.wanted(1);
    let mut before = BTreeSet::new();
    for (index, state) in evidence.history.iter().enumerate() {
        let now = state.nets();
        let at = &state.at;
        if now.is_empty() && !before.is_empty() {
            return Err(format!("the group was empty in state {index}, at {at}"));
        }
        if let Some(missing) = before.difference(&now).next() {
            return Err(format!("{missing} was missing from the group in state {index}, at {at}"));
        }
        let is_known = |text: &String| net(text).is_some_and(|net| all.contains(&net));
        if let Some(foreign) = state.addresses.iter().find(|text| !is_known(text)) {
            return Err(format!("the group held {foreign}, which no document asks for, in state {index}, at {at}"));
        }
        before = now;
    }
    Ok(format!(
        "once filled, the group was never empty and lost no address, and it held nothing else, in any of all {} states",
        evidence.history.len()
    ))
}

fn one_write(evidence: &Evidence, phase: usize) -> Result<String, String> {
    let which = ordinal(phase);
    let before = evidence.history.get(if phase == 0 { 0 } else { evidence.converged });
    let before = before.map(GroupState::nets).unwrap_or_default();
    let new = evidence.wanted(phase).difference(&before).count();
    let writes: Vec<&Request> = evidence.requests[phase + 1]
        .iter()
        .filter(|request| request.is_write() && request.is_on(&evidence.id))
        .collect();
    let is_accepted = |request: &Request| request.method == "PUT" && matches!(request.status, 200 | 201);
    match (new, writes.as_slice()) {
        (0, []) => Ok(format!("the {which} document: no address was new to the group, and it was not written")),
        (1.., [one]) if is_accepted(one) => {
            Ok(format!("the {which} document: {new} new addresses cost the group one PUT"))
        }
        _ => {
            let all: Vec<String> = writes.iter().map(|write| format!("{} {}", write.method, write.status)).collect();
            Err(format!(
                "the {which} document: {new} new addresses of the group cost {} writes: {}",
                all.len(),
                all.join(", ")
            ))
        }
    }
}

fn rest_untouched(evidence: &Evidence) -> Result<String, String> {
    let names = around::untouched(WHAT, &evidence.around)?;
    Ok(format!("the group's other tags, and {} that refer to it, are what they were", names[1..].join(", ")))
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
