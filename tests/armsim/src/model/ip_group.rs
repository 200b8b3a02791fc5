//! IP groups: what they hold, and how they are answered. Values only: what requests do to them is in `ip_group_write`,
//! and who uses one is in `ip_group_attached`.

use super::{arm_id::ResourceId, route_table::ProvisioningState};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

#[derive(Clone, Debug)]
pub struct IpGroup {
    pub id: ResourceId,
    pub location: String,
    pub tags: Option<BTreeMap<String, String>>,
    /// Without quotes, as this back end writes it in bodies.
    pub etag: String,
    pub state: ProvisioningState,
    /// As they were written.
    pub addresses: Arc<Vec<String>>,
    /// Users that the world file or the control interface named, whether or not the world has them.
    pub(super) given: References,
    /// The running operation.
    pub(super) operation: Option<String>,
}

/// Ids of firewalls and policies, each in the spelling that it was found with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct References {
    pub(super) firewalls: Vec<String>,
    pub(super) policies: Vec<String>,
}

impl References {
    pub(super) fn all(&self) -> impl Iterator<Item = &String> {
        self.firewalls.iter().chain(&self.policies)
    }
}

/// Adds an id that is not there yet in any case of letters; whether it was added.
pub(super) fn add(ids: &mut Vec<String>, id: &str) -> bool {
    let is_new = !ids.iter().any(|known| known.eq_ignore_ascii_case(id));
    if is_new {
        ids.push(id.to_owned());
    }
    is_new
}

/// The order of the fields is that of the recordings. ASSUMPTION: `tags` stand last; no group with tags was recorded.
#[derive(Serialize)]
struct GroupView<'a> {
    properties: PropertiesView<'a>,
    id: String,
    name: &'a str,
    r#type: &'static str,
    etag: &'a str,
    location: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a BTreeMap<String, String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PropertiesView<'a> {
    firewalls: Vec<ReferenceView>,
    firewall_policies: Vec<ReferenceView>,
    ip_addresses: &'a [String],
    provisioning_state: String,
}

#[derive(Serialize)]
pub(super) struct ReferenceView {
    id: String,
}

pub(super) fn reference_views(ids: Vec<String>) -> Vec<ReferenceView> {
    ids.into_iter().map(|id| ReferenceView { id }).collect()
}

impl IpGroup {
    pub(super) fn view(&self, users: References) -> impl Serialize + use<'_> {
        GroupView {
            properties: PropertiesView {
                firewalls: reference_views(users.firewalls),
                firewall_policies: reference_views(users.policies),
                ip_addresses: &self.addresses,
                provisioning_state: self.state.to_string(),
            },
            id: self.id.to_string(),
            name: &self.id.name,
            r#type: "Microsoft.Network/IpGroups",
            etag: &self.etag,
            location: &self.location,
            tags: self.tags.as_ref(),
        }
    }
}
