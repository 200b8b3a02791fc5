//! Firewall policies and their rule collection groups as far as IP groups meet them: placed by the world file or the
//! control interface, and read in the manner of the network provider's second back end. No client can write one yet.

use super::{
    arm_id::ResourceId,
    error::{self, ApiError},
    firewall::PlacedBody,
    http::ApiResponse,
    ip_group::reference_views,
    ip_group_attached::named_groups,
    locations::normalised,
    route_request,
    route_table::{List, ProvisioningState},
    world::World,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// ASSUMPTION: of every policy and rule collection group; the real service computes it.
const SIZE: &str = "0.001173019 MB";

#[derive(Clone, Debug)]
pub(super) struct FirewallPolicy {
    pub(super) id: ResourceId,
    pub(super) location: String,
    tags: Option<BTreeMap<String, String>>,
    etag: String,
    /// Where no operation holds it.
    pub(super) state: ProvisioningState,
    properties: Map<String, Value>,
    /// Firewalls that were named when it was placed, whether or not the world has them.
    pub(super) given_firewalls: Vec<String>,
    pub(super) groups: Vec<RuleCollectionGroup>,
}

#[derive(Clone, Debug)]
pub(super) struct RuleCollectionGroup {
    name: String,
    etag: String,
    state: ProvisioningState,
    pub(super) properties: Map<String, Value>,
}

/// The order of the fields is that of the recordings.
#[derive(Serialize)]
struct View<'a> {
    properties: Map<String, Value>,
    id: String,
    name: &'a str,
    r#type: &'static str,
    etag: &'a str,
    location: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a BTreeMap<String, String>>,
}

impl FirewallPolicy {
    /// The policy that this one is based on.
    pub(super) fn base(&self) -> Option<&str> {
        self.properties.get("basePolicy")?.get("id")?.as_str()
    }

    fn group_view<'a>(&'a self, group: &'a RuleCollectionGroup) -> View<'a> {
        let mut properties = group.properties.clone();
        properties.entry("size").or_insert_with(|| json!(SIZE));
        properties.entry("ruleCollections").or_insert_with(|| json!([]));
        properties.insert("provisioningState".to_owned(), json!(group.state.to_string()));
        View {
            properties,
            id: format!("{}/ruleCollectionGroups/{}", self.id, group.name),
            name: &group.name,
            r#type: "Microsoft.Network/FirewallPolicies/RuleCollectionGroups",
            etag: &group.etag,
            location: &self.location,
            tags: None,
        }
    }
}

impl World {
    fn firewall_policy(&self, id: &ResourceId) -> Result<&FirewallPolicy, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        self.firewall_policies.get(&id.key()).ok_or_else(|| error::resource_not_found(id))
    }

    pub(super) fn get_firewall_policy(&self, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        let policy = self.firewall_policy(id)?;
        let response = ApiResponse::pretty(200, &self.firewall_policy_view(policy));
        Ok(response.with_header("etag", format!("\"{}\"", policy.etag)))
    }

    pub(super) fn list_firewall_policies(
        &self,
        subscription: &str,
        group: Option<&str>,
    ) -> Result<ApiResponse, ApiError> {
        if let Some(group) = group {
            self.require_group(subscription, group)?;
        }
        let listed = self.firewall_policies.values().filter(|policy| policy.id.is_in(subscription, group));
        let value = listed.map(|policy| self.firewall_policy_view(policy)).collect();
        Ok(ApiResponse::pretty(200, &List { value }))
    }

    pub(super) fn get_rule_collection_group(&self, id: &ResourceId, name: &str) -> Result<ApiResponse, ApiError> {
        let policy = self.firewall_policy(id)?;
        let found = policy.groups.iter().find(|group| group.name.eq_ignore_ascii_case(name));
        let group = found.ok_or_else(|| error::child_not_found(&format!("{id}/ruleCollectionGroups/{name}")))?;
        Ok(ApiResponse::pretty(200, &policy.group_view(group)).with_header("etag", format!("\"{}\"", group.etag)))
    }

    pub(super) fn list_rule_collection_groups(&self, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        let policy = self.firewall_policy(id)?;
        let value = policy.groups.iter().map(|group| policy.group_view(group)).collect();
        Ok(ApiResponse::pretty(200, &List { value }))
    }

    fn firewall_policy_view<'a>(&self, policy: &'a FirewallPolicy) -> View<'a> {
        let id = policy.id.to_string();
        let is_child = |other: &&FirewallPolicy| other.base().is_some_and(|base| base.eq_ignore_ascii_case(&id));
        let children = self.firewall_policies.values().filter(is_child).map(|child| child.id.to_string()).collect();
        let groups = policy.groups.iter().map(|group| format!("{id}/ruleCollectionGroups/{}", group.name)).collect();
        let state = if self.is_held(&policy.id.key()) { ProvisioningState::Updating } else { policy.state };
        let mut properties = policy.properties.clone();
        properties.entry("size").or_insert_with(|| json!(SIZE));
        properties.entry("sku").or_insert_with(|| json!({"tier": "Standard"}));
        properties.entry("threatIntelMode").or_insert_with(|| json!("Alert"));
        for (name, ids) in [
            ("childPolicies", children),
            ("ruleCollectionGroups", groups),
            ("firewalls", self.firewalls_of_policy(&id)),
        ] {
            properties.insert(name.to_owned(), json!(reference_views(ids)));
        }
        properties.insert("provisioningState".to_owned(), json!(state.to_string()));
        View {
            properties,
            id,
            name: &policy.id.name,
            r#type: "Microsoft.Network/FirewallPolicies",
            etag: &policy.etag,
            location: &policy.location,
            tags: policy.tags.as_ref(),
        }
    }

    /// A policy from the world file or the control interface, at once. Its rule collection groups stay, and those that are
    /// written out in the body are placed as well.
    pub(super) fn place_firewall_policy(&mut self, id: &ResourceId, mut body: PlacedBody) -> Result<(), ApiError> {
        route_request::check_name(&id.name)?;
        let location = normalised(body.location.as_ref().ok_or_else(error::location_required)?);
        self.check_location(&location, "Microsoft.Network/firewallPolicies")?;
        let state = body.take_state()?;
        let etag = self.random.uuid();
        self.place_group(&id.subscription, &id.group, &location);
        let PlacedBody { tags, mut properties, .. } = body;
        let firewalls = properties.remove("firewalls").unwrap_or_default();
        let ids = firewalls.as_array().into_iter().flatten().filter_map(|firewall| firewall["id"].as_str());
        let given_firewalls = ids.map(str::to_owned).collect();
        let inside = properties.remove("ruleCollectionGroups").unwrap_or_default();
        let groups = self.firewall_policies.remove(&id.key()).map(|present| present.groups).unwrap_or_default();
        let id = id.clone();
        let policy = FirewallPolicy { id, location, tags, etag, state, properties, given_firewalls, groups };
        let id = policy.id.clone();
        self.firewall_policies.insert(id.key(), policy);
        // As a GET shows them they are references and nothing else.
        for group in inside.as_array().into_iter().flatten().filter(|group| group.get("properties").is_some()) {
            let name = group["name"].as_str().ok_or_else(|| error::missing_property("name"))?;
            let body: PlacedBody = route_request::read(group.to_string().as_bytes())?;
            self.place_rule_collection_group(&id, name, body)?;
        }
        Ok(())
    }

    pub(super) fn place_rule_collection_group(
        &mut self,
        id: &ResourceId,
        name: &str,
        mut body: PlacedBody,
    ) -> Result<(), ApiError> {
        route_request::check_name(name)?;
        let state = body.take_state()?;
        let policy = self.firewall_policies.get(&id.key()).ok_or_else(|| error::resource_not_found(id))?;
        let others = policy.groups.iter().filter(|other| !other.name.eq_ignore_ascii_case(name));
        let named: BTreeSet<String> =
            others.map(|other| &other.properties).chain([&body.properties]).flat_map(named_groups).collect();
        self.check_named_groups(&id.to_string(), named.len())?;
        let group =
            RuleCollectionGroup { name: name.to_owned(), etag: self.random.uuid(), state, properties: body.properties };
        let policy = self.firewall_policies.get_mut(&id.key()).ok_or_else(|| error::resource_not_found(id))?;
        policy.groups.retain(|other| !other.name.eq_ignore_ascii_case(name));
        policy.groups.push(group);
        Ok(())
    }
}
