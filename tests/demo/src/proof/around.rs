//! What must be true of everything around a body that amlnet writes as a whole: who uses it was at rest and is again, and
//! what is not amlnet's is what it was. Pure; knows nothing of amlnet but its marks.

use serde_json::Value;

use super::ordinal;
use crate::record::Request;
use crate::scene::last;

/// The tag by which amlnet knows a group of its own, and its value here.
const MARK: (&str, &str) = ("amlnet-installation", "demo");
/// The rule collection group that is amlnet's own.
const OWN_GROUP: &str = "amlnet-demo";

/// Whoever uses a body is locked while it is written: nothing is written into their work, and nothing is done before
/// they are at rest. `users` are their places in `around`.
pub(super) fn users_asked(
    what: &str,
    id: &str,
    users: [usize; 2],
    around: &[Value],
    requests: &[Vec<Request>; 3],
) -> Result<String, String> {
    let found: Vec<&str> = users.iter().filter_map(|at| around.get(*at)?["id"].as_str()).collect();
    if found.len() != users.len() {
        return Err(format!("the policy and the firewall that use {what} are not known"));
    }
    let mut writes = 0;
    for (phase, requests) in requests.iter().enumerate().skip(1) {
        for (at, _) in requests.iter().enumerate().filter(|(_, one)| one.is_write() && one.is_on(id)) {
            writes += 1;
            let (before, after) = requests.split_at(at);
            for (when, requests) in [("before", before), ("after", after)] {
                let is_asked = |id: &&&str| requests.iter().any(|one| one.method == "GET" && one.is_on(id));
                if let Some(id) = found.iter().find(|id| !is_asked(id)) {
                    let (name, which) = (last(id), ordinal(phase - 1));
                    return Err(format!("the {which} document: {name} was not looked at {when} {what} was written"));
                }
            }
        }
    }
    let names: Vec<&str> = found.into_iter().map(last).collect();
    Ok(format!("{} were looked at before and after each of {writes} writes of {what}", names.join(" and ")))
}

/// A resource without what changes by itself, and without what is amlnet's.
fn foreign(resource: &Value) -> Value {
    let mut rest = resource.clone();
    forget_states(&mut rest);
    if let Some(properties) = rest["properties"].as_object_mut() {
        properties.remove("ipAddresses");
        if let Some(groups) = properties.get_mut("ruleCollectionGroups").and_then(Value::as_array_mut) {
            groups.retain(|group| name(group) != OWN_GROUP);
        }
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

/// The names of what was compared: before anything was done, and at the end.
pub(super) fn untouched(what: &str, around: &[Vec<Value>; 2]) -> Result<Vec<String>, String> {
    let [before, after] = around;
    if before.len() != after.len() {
        return Err(format!("of {} resources around {what} {} are left", before.len(), after.len()));
    }
    for (before, after) in before.iter().zip(after) {
        if foreign(before) != foreign(after) {
            return Err(format!("{} is not what it was: {} became {}", name(before), foreign(before), foreign(after)));
        }
    }
    Ok(before.iter().map(name).map(str::to_owned).collect())
}

pub(super) fn at_rest<'a>(resources: impl IntoIterator<Item = &'a Value>) -> Result<(), String> {
    for resource in resources {
        let state = resource["properties"]["provisioningState"].as_str().unwrap_or("unknown");
        if state != "Succeeded" {
            return Err(format!("in the end {} is {state}, not Succeeded", name(resource)));
        }
    }
    Ok(())
}
