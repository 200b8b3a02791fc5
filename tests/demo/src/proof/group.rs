//! What must be true of the IP group: which addresses it had at every moment, how often it was written, and that nothing
//! around it changed. Pure; knows nothing of amlnet but its mark.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;
use serde_json::Value;

use super::{join, ordinal, stay};
use crate::record::{GroupState, Request, net};
use crate::scene::last;

/// The tag by which amlnet knows a group of its own, and its value here.
const MARK: (&str, &str) = ("amlnet-installation", "demo");

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
        users_asked(evidence),
        rest_untouched(evidence),
        at_rest(evidence),
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

/// Whoever uses the group is locked while it is written: nothing is written into their work, and nothing is done before
/// they are at rest.
fn users_asked(evidence: &Evidence) -> Result<String, String> {
    let users: Vec<&str> = USERS.iter().filter_map(|at| evidence.around[0].get(*at)?["id"].as_str()).collect();
    if users.len() != USERS.len() {
        return Err("the policy and the firewall that use the group are not known".to_owned());
    }
    let mut writes = 0;
    for (phase, requests) in evidence.requests.iter().enumerate().skip(1) {
        for (at, _) in requests.iter().enumerate().filter(|(_, one)| one.is_write() && one.is_on(&evidence.id)) {
            writes += 1;
            let (before, after) = requests.split_at(at);
            for (when, requests) in [("before", before), ("after", after)] {
                let is_asked = |id: &&&str| requests.iter().any(|one| one.method == "GET" && one.is_on(id));
                if let Some(id) = users.iter().find(|id| !is_asked(id)) {
                    let (name, which) = (last(id), ordinal(phase - 1));
                    return Err(format!("the {which} document: {name} was not looked at {when} the group was written"));
                }
            }
        }
    }
    let names: Vec<&str> = users.into_iter().map(last).collect();
    Ok(format!("{} were looked at before and after each of {writes} writes of the group", names.join(" and ")))
}

/// A resource without what changes by itself, and without what is amlnet's.
fn foreign(resource: &Value) -> Value {
    let mut rest = resource.clone();
    forget_states(&mut rest);
    if let Some(properties) = rest["properties"].as_object_mut() {
        properties.remove("ipAddresses");
    }
    if let Some(tags) = rest.get_mut("tags").and_then(Value::as_object_mut) {
        tags.retain(|name, value| (name.as_str(), value.as_str()) != (MARK.0, Some(MARK.1)));
    }
    rest
}

fn forget_states(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(forget_states),
        Value::Object(fields) => {
            fields.retain(|name, _| name != "etag" && name != "provisioningState");
            fields.values_mut().for_each(forget_states);
        }
        _ => {}
    }
}

fn name(resource: &Value) -> &str {
    last(resource["id"].as_str().unwrap_or("a resource without an id"))
}

fn rest_untouched(evidence: &Evidence) -> Result<String, String> {
    let [before, after] = &evidence.around;
    if before.len() != after.len() {
        return Err(format!("of {} resources around the group {} are left", before.len(), after.len()));
    }
    for (before, after) in before.iter().zip(after) {
        if foreign(before) != foreign(after) {
            return Err(format!("{} is not what it was: {} became {}", name(before), foreign(before), foreign(after)));
        }
    }
    let names: Vec<&str> = before.iter().skip(1).map(name).collect();
    Ok(format!("the group's other tags, and {} that refer to it, are what they were", names.join(", ")))
}

fn at_rest(evidence: &Evidence) -> Result<String, String> {
    for resource in &evidence.around[1] {
        let state = resource["properties"]["provisioningState"].as_str().unwrap_or("unknown");
        if state != "Succeeded" {
            return Err(format!("in the end {} is {state}, not Succeeded", name(resource)));
        }
    }
    Ok("in the end the group, the policy and the firewall are Succeeded".to_owned())
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
