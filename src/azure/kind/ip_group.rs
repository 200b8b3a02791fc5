//! IP groups: read and written as a whole.
//!
//! A group is ours when it bears our mark, a tag. Must never make a body without addresses: rules that use an empty group
//! are skipped, so what they allow would stop (docs/facts.md).

use std::collections::{BTreeMap, BTreeSet};

use azure_mgmt_network::package_2024_03::models;
use serde_json::Value;

use super::{Kind, Request, UnreadableResource, Write};
use crate::domain::attached::Attached;
use crate::domain::desired::Address;
use crate::domain::intent::NextHop;
use crate::domain::plan::{Action, Observed, ObservedEntry, Step, TargetInput, Whole};
use crate::domain::resource_id::ResourceId;

/// The tag that says whose a group is. Its value is an installation id.
pub const MARK: &str = "amlnet-installation";

#[derive(Debug)]
pub struct IpGroup;

impl Kind for IpGroup {
    fn observe(&self, id: &ResourceId, body: &Value) -> Result<Observed, UnreadableResource> {
        let refuse = |what: &str| UnreadableResource { id: id.clone(), what: what.to_owned() };
        let properties = body["properties"].as_object().ok_or_else(|| refuse("it has no properties"))?;
        let addresses = properties.get("ipAddresses").and_then(Value::as_array);
        // A list is always there, also an empty one. No list is an answer that we do not understand.
        let addresses = addresses.ok_or_else(|| refuse("it has no ipAddresses"))?;
        let location = body["location"].as_str().ok_or_else(|| refuse("it has no location"))?;
        let state = properties.get("provisioningState").and_then(Value::as_str).unwrap_or_default();
        let failed = state.eq_ignore_ascii_case("Failed");
        let entry = |text: &Value| text.as_str().map(|text| entry(text, failed)).ok_or(());
        let entries = addresses.iter().map(entry).collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(|()| refuse("an address is no text"))?;
        let mut tags = tags(body).ok_or_else(|| refuse("a tag is no text"))?;
        // Azure keeps the case of a tag's name, and compares without it.
        let mark = tags.keys().find(|name| name.eq_ignore_ascii_case(MARK)).cloned();
        let owner = mark.and_then(|name| tags.remove(&name));
        let users = ["firewalls", "firewallPolicies"].into_iter().flat_map(|list| {
            let of_list = properties.get(list).and_then(Value::as_array).into_iter().flatten();
            of_list.filter_map(|user| Attached::parse(user["id"].as_str()?))
        });
        Ok(Observed {
            location: location.to_owned(),
            entries,
            subnets: 0,
            updating: ["Updating", "Deleting"].iter().any(|moving| state.eq_ignore_ascii_case(moving)),
            whole: Some(Whole { exists: true, failed, owner, tags, users: users.collect() }),
            rules: None,
        })
    }

    fn requests(&self, input: &TargetInput, steps: &[Step], observed: &Observed) -> Option<Vec<Request>> {
        let whole = observed.whole.as_ref()?;
        let removed: BTreeSet<Address> =
            steps.iter().filter(|step| step.action == Action::Remove).map(|step| step.address.folded()).collect();
        let stay = observed.entries.iter().map(|entry| entry.address.folded());
        let more = steps.iter().filter(|step| step.action != Action::Remove).map(|step| step.address.folded());
        let addresses: BTreeSet<Address> = stay.chain(more).filter(|address| !removed.contains(address)).collect();
        if addresses.is_empty() {
            return None;
        }
        let mark = (MARK.to_owned(), input.installation.to_string());
        let tags: BTreeMap<&String, &String> = whole.tags.iter().chain([(&mark.0, &mark.1)]).collect();
        let properties = models::IpGroupPropertiesFormat {
            ip_addresses: addresses.iter().map(ToString::to_string).collect(),
            ..Default::default()
        };
        let resource = models::Resource {
            location: Some(observed.location.clone()),
            tags: serde_json::to_value(tags).ok(),
            ..Default::default()
        };
        let group = models::IpGroup { resource, properties: Some(properties), etag: None };
        let write = Write::PutIpGroup { id: input.id.clone(), group: Box::new(group) };
        Some(vec![Request { steps: steps.to_vec(), write }])
    }
}

/// A group that does not exist, where it may be created.
pub fn absent(location: &str) -> Observed {
    let whole = Whole { exists: false, failed: false, owner: None, tags: BTreeMap::new(), users: BTreeSet::new() };
    Observed {
        location: location.to_owned(),
        entries: Vec::new(),
        subnets: 0,
        updating: false,
        whole: Some(whole),
        rules: None,
    }
}

fn tags(body: &Value) -> Option<BTreeMap<String, String>> {
    let tags = body["tags"].as_object().into_iter().flatten();
    tags.map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// A member: a prefix, one address, or a range, which stands as it is written.
fn entry(text: &str, failed: bool) -> ObservedEntry {
    let alone = text.parse::<std::net::IpAddr>().ok().map(|alone| if alone.is_ipv4() { 32 } else { 128 });
    let prefix = alone.map_or_else(|| text.to_owned(), |length| format!("{text}/{length}"));
    let address = prefix.parse().map_or_else(|_| Address::Tag(text.to_owned()), Address::Prefix);
    ObservedEntry { name: text.to_owned(), address, next_hop: NextHop::Member, failed }
}

#[cfg(test)]
#[path = "ip_group_tests.rs"]
mod tests;
