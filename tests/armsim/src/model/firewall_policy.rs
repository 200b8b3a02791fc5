//! Firewall policies: what they hold, how they and their rule collection groups are read, in the manner of the network
//! provider's second back end, and how the world file and the control interface place them at once. What clients write
//! is in `firewall_policy_write` and `rule_collection_group_write`.

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
    rule_collection_group::{Draft, RuleCollectionGroup, megabytes, shown, size_of_group},
    time::Time,
    world::World,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What the service adds to the properties of a policy when it says how large it is. ASSUMPTION: about as much as
/// recorded.
const SIZE_OF_POLICY: usize = 1_230;
/// What `IANAPrivateRanges` stands for, as it is answered.
const PRIVATE_RANGES: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"];
/// What is placed is not written with an old api-version.
const NEWEST: &str = "9999";
/// Answered, and not what a request can say.
const READ_ONLY: [&str; 5] = ["provisioningState", "size", "childPolicies", "ruleCollectionGroups", "firewalls"];

#[derive(Clone, Debug)]
pub(super) struct FirewallPolicy {
    pub(super) id: ResourceId,
    pub(super) location: String,
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) identity: Option<Value>,
    pub(super) etag: String,
    /// Where no operation holds it.
    pub(super) state: ProvisioningState,
    /// Without those that are computed.
    pub(super) properties: Map<String, Value>,
    pub(super) draft: Option<Draft>,
    /// Firewalls that were named when it was placed, whether or not the world has them.
    pub(super) given_firewalls: Vec<String>,
    pub(super) groups: Vec<RuleCollectionGroup>,
}

/// The order of the fields is that of the recordings.
#[derive(Serialize)]
pub(super) struct View<'a> {
    pub(super) properties: Map<String, Value>,
    pub(super) id: String,
    pub(super) name: &'a str,
    pub(super) r#type: &'static str,
    pub(super) etag: &'a str,
    pub(super) location: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tags: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) identity: Option<&'a Value>,
}

impl FirewallPolicy {
    /// The policy that this one is based on.
    pub(super) fn base(&self) -> Option<&str> {
        self.properties.get("basePolicy")?.get("id")?.as_str()
    }

    pub(super) fn group_view<'a>(&'a self, group: &'a RuleCollectionGroup) -> View<'a> {
        group.view(&self.id.to_string(), &self.location)
    }

    pub(super) fn group(&self, name: &str) -> Option<&RuleCollectionGroup> {
        self.groups.iter().find(|group| group.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn group_mut(&mut self, name: &str) -> Option<&mut RuleCollectionGroup> {
        self.groups.iter_mut().find(|group| group.name.eq_ignore_ascii_case(name))
    }

    /// Replaces the group of that name, in its place, or adds it.
    pub(super) fn set_group(&mut self, group: RuleCollectionGroup) {
        match self.group_mut(&group.name) {
            Some(present) => *present = group,
            None => self.groups.push(group),
        }
    }
}

/// What is answered for the properties of a request.
pub(super) fn shown_policy(mut properties: Map<String, Value>) -> Map<String, Value> {
    properties.retain(|name, value| !value.is_null() && !READ_ONLY.contains(&name.as_str()));
    properties.entry("sku").or_insert_with(|| json!({"tier": "Standard"}));
    properties.entry("threatIntelMode").or_insert_with(|| json!("Alert"));
    if let Some(dns) = properties.get_mut("dnsSettings").and_then(Value::as_object_mut) {
        dns.retain(|name, value| !(name == "enableProxy" && *value == json!(false)));
    }
    if let Some(ranges) = properties.get_mut("snat").and_then(|snat| snat.get_mut("privateRanges")) {
        let given = ranges.as_array().cloned().unwrap_or_default();
        let expanded = given.into_iter().flat_map(|range| match range.as_str() {
            Some(name) if name.eq_ignore_ascii_case("IANAPrivateRanges") => PRIVATE_RANGES.map(Value::from).to_vec(),
            _ => vec![range],
        });
        *ranges = expanded.collect();
    }
    properties
}

impl World {
    pub(super) fn firewall_policy(&self, id: &ResourceId) -> Result<&FirewallPolicy, ApiError> {
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
        let group =
            policy.group(name).ok_or_else(|| error::child_not_found(&format!("{id}/ruleCollectionGroups/{name}")))?;
        Ok(ApiResponse::pretty(200, &policy.group_view(group)).with_header("etag", format!("\"{}\"", group.etag)))
    }

    pub(super) fn list_rule_collection_groups(&self, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        let policy = self.firewall_policy(id)?;
        let value = policy.groups.iter().map(|group| policy.group_view(group)).collect();
        Ok(ApiResponse::pretty(200, &List { value }))
    }

    pub(super) fn firewall_policy_view<'a>(&self, policy: &'a FirewallPolicy) -> View<'a> {
        let id = policy.id.to_string();
        let is_child = |other: &&FirewallPolicy| other.base().is_some_and(|base| base.eq_ignore_ascii_case(&id));
        let children = self.firewall_policies.values().filter(is_child).map(|child| child.id.to_string()).collect();
        let groups = policy.groups.iter().map(|group| format!("{id}/ruleCollectionGroups/{}", group.name)).collect();
        let state = if self.is_held(&policy.id.key()) { ProvisioningState::Updating } else { policy.state };
        let mut properties = policy.properties.clone();
        let size = serde_json::to_vec(&properties).map_or(0, |body| body.len()) + SIZE_OF_POLICY;
        properties.insert("size".to_owned(), json!(megabytes(size)));
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
            identity: policy.identity.as_ref(),
        }
    }

    /// A policy from the world file or the control interface, at once. Its rule collection groups stay, and those that
    /// are written out in the body are placed as well.
    pub(super) fn place_firewall_policy(
        &mut self,
        now: Time,
        client: &str,
        id: &ResourceId,
        mut body: PlacedBody,
    ) -> Result<(), ApiError> {
        route_request::check_name(&id.name)?;
        let location = normalised(body.location.as_ref().ok_or_else(error::location_required)?);
        self.check_location(&location, "Microsoft.Network/firewallPolicies")?;
        let state = body.take_state()?;
        let etag = self.random.uuid();
        self.place_group(&id.subscription, &id.group, &location);
        let PlacedBody { tags, identity, mut properties, .. } = body;
        let firewalls = properties.remove("firewalls").unwrap_or_default();
        let ids = firewalls.as_array().into_iter().flatten().filter_map(|firewall| firewall["id"].as_str());
        let given_firewalls = ids.map(str::to_owned).collect();
        let inside = properties.remove("ruleCollectionGroups").unwrap_or_default();
        let present = self.firewall_policies.remove(&id.key());
        let (groups, draft) = present.map(|present| (present.groups, present.draft)).unwrap_or_default();
        let (id, properties) = (id.clone(), shown_policy(properties));
        let policy =
            FirewallPolicy { id, location, tags, identity, etag, state, properties, draft, given_firewalls, groups };
        let id = policy.id.clone();
        self.firewall_policies.insert(id.key(), policy);
        // As a GET shows them they are references and nothing else.
        for group in inside.as_array().into_iter().flatten().filter(|group| group.get("properties").is_some()) {
            let name = group["name"].as_str().ok_or_else(|| error::missing_property("name"))?;
            let body: PlacedBody = route_request::read(group.to_string().as_bytes())?;
            self.place_rule_collection_group(now, client, &id, name, body)?;
        }
        Ok(())
    }

    pub(super) fn place_rule_collection_group(
        &mut self,
        now: Time,
        client: &str,
        id: &ResourceId,
        name: &str,
        mut body: PlacedBody,
    ) -> Result<(), ApiError> {
        route_request::check_name(name)?;
        let state = body.take_state()?;
        let policy = self.firewall_policies.get(&id.key()).ok_or_else(|| error::resource_not_found(id))?;
        self.check_groups_named_by(policy, name, &body.properties)?;
        let given = body.properties.get("size").and_then(Value::as_str).map(str::to_owned);
        let draft = policy.group(name).and_then(|present| present.draft.clone());
        let properties = shown(body.properties, NEWEST);
        let group = RuleCollectionGroup {
            name: name.to_owned(),
            etag: self.random.uuid(),
            state,
            size: Some(given.unwrap_or_else(|| megabytes(size_of_group(&properties)))),
            properties,
            draft,
            operation: None,
        };
        self.history.record_rules(now, client, group_key(id, name), group.entries());
        let policy = self.firewall_policies.get_mut(&id.key()).ok_or_else(|| error::resource_not_found(id))?;
        policy.set_group(group);
        Ok(())
    }

    /// The IP groups that a policy names when a group in it has these properties are not too many.
    pub(super) fn check_groups_named_by(
        &self,
        policy: &FirewallPolicy,
        name: &str,
        properties: &Map<String, Value>,
    ) -> Result<(), ApiError> {
        let others = policy.groups.iter().filter(|other| !other.name.eq_ignore_ascii_case(name));
        let named: BTreeSet<String> =
            others.map(|other| &other.properties).chain([properties]).flat_map(named_groups).collect();
        self.check_named_groups(&policy.id.to_string(), named.len())
    }

    /// Removes a policy with all that is in it; whether there was one.
    pub(super) fn displace_firewall_policy(&mut self, now: Time, client: &str, id: &ResourceId) -> bool {
        let Some(policy) = self.firewall_policies.remove(&id.key()) else { return false };
        for group in &policy.groups {
            self.history.record_rules(now, client, group_key(id, &group.name), vec![]);
        }
        true
    }

    /// Removes a rule collection group; whether there was one.
    pub(super) fn displace_rule_collection_group(
        &mut self,
        now: Time,
        client: &str,
        id: &ResourceId,
        name: &str,
    ) -> bool {
        let Some(policy) = self.firewall_policies.get_mut(&id.key()) else { return false };
        let before = policy.groups.len();
        policy.groups.retain(|group| !group.name.eq_ignore_ascii_case(name));
        let existed = policy.groups.len() < before;
        if existed {
            self.history.record_rules(now, client, group_key(id, name), vec![]);
        }
        existed
    }
}

/// The form that the id of a rule collection group is compared in.
pub(super) fn group_key(policy: &ResourceId, name: &str) -> String {
    format!("{policy}/ruleCollectionGroups/{name}").to_ascii_lowercase()
}
