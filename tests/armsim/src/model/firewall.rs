//! Azure firewalls as far as IP groups and policies meet them: placed by the world file or the control interface, read
//! in the manner of the network provider's core, and `Updating` while an operation holds them. No client can write one.

use super::{
    arm_id::ResourceId,
    error::{self, ApiError},
    http::ApiResponse,
    ip_group_attached::named_groups,
    ip_group_place::placed_state,
    locations::normalised,
    route_request,
    route_table::{List, ProvisioningState},
    world::World,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) struct Firewall {
    pub(super) id: ResourceId,
    pub(super) location: String,
    tags: Option<BTreeMap<String, String>>,
    etag: String,
    /// Where no operation holds it.
    pub(super) state: ProvisioningState,
    /// As they were placed.
    pub(super) properties: Map<String, Value>,
}

/// A firewall, a policy or a rule collection group as it is placed.
#[derive(Debug, Deserialize)]
pub(super) struct PlacedBody {
    pub(super) location: Option<String>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) properties: Map<String, Value>,
}

impl PlacedBody {
    /// Takes the state out of the properties.
    pub(super) fn take_state(&mut self) -> Result<ProvisioningState, ApiError> {
        let given = self.properties.remove("provisioningState");
        placed_state(given.as_ref().and_then(Value::as_str))
    }
}

impl Firewall {
    /// The policy that it follows.
    pub(super) fn policy(&self) -> Option<&str> {
        self.properties.get("firewallPolicy")?.get("id")?.as_str()
    }

    /// ASSUMPTION: what a classic firewall shows of its rules is what was placed; the real one adds an id and an etag to
    /// each collection.
    fn view(&self, state: ProvisioningState) -> Value {
        let mut properties = self.properties.clone();
        for (name, value) in [
            ("sku", json!({"name": "AZFW_VNet", "tier": "Standard"})),
            ("threatIntelMode", json!("Alert")),
            ("additionalProperties", json!({})),
            ("ipConfigurations", json!([])),
            ("networkRuleCollections", json!([])),
            ("applicationRuleCollections", json!([])),
            ("natRuleCollections", json!([])),
        ] {
            properties.entry(name).or_insert(value);
        }
        properties.insert("provisioningState".to_owned(), json!(state.to_string()));
        let mut view = json!({
            "name": self.id.name,
            "id": self.id.to_string(),
            "etag": format!("W/\"{}\"", self.etag),
            "type": "Microsoft.Network/azureFirewalls",
            "location": self.location,
            "properties": properties,
        });
        if let Some(tags) = &self.tags {
            view["tags"] = json!(tags);
        }
        view
    }
}

impl World {
    pub(super) fn get_firewall(&self, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        let firewall = self.firewalls.get(&id.key()).ok_or_else(|| error::resource_not_found(id))?;
        let response = ApiResponse::json(200, &firewall.view(self.firewall_state(firewall)));
        Ok(response.with_header("etag", format!("W/\"{}\"", firewall.etag)))
    }

    pub(super) fn list_firewalls(&self, subscription: &str, group: Option<&str>) -> Result<ApiResponse, ApiError> {
        if let Some(group) = group {
            self.require_group(subscription, group)?;
        }
        let listed = self.firewalls.values().filter(|firewall| firewall.id.is_in(subscription, group));
        let value = listed.map(|firewall| firewall.view(self.firewall_state(firewall))).collect();
        Ok(ApiResponse::json(200, &List { value }))
    }

    fn firewall_state(&self, firewall: &Firewall) -> ProvisioningState {
        if self.is_held(&firewall.id.key()) { ProvisioningState::Updating } else { firewall.state }
    }

    /// A firewall from the world file or the control interface, at once.
    pub(super) fn place_firewall(&mut self, id: &ResourceId, mut body: PlacedBody) -> Result<(), ApiError> {
        route_request::check_name(&id.name)?;
        let location = normalised(body.location.as_ref().ok_or_else(error::location_required)?);
        self.check_location(&location, "Microsoft.Network/azureFirewalls")?;
        let state = body.take_state()?;
        self.check_named_groups(&id.to_string(), named_groups(&body.properties).len())?;
        let etag = self.random.uuid();
        self.place_group(&id.subscription, &id.group, &location);
        let PlacedBody { tags, properties, .. } = body;
        self.firewalls.insert(id.key(), Firewall { id: id.clone(), location, tags, etag, state, properties });
        Ok(())
    }

    /// The documented limit of IP groups of one firewall or policy.
    pub(super) fn check_named_groups(&self, id: &str, count: usize) -> Result<(), ApiError> {
        let limit = self.settings.limits.ip_groups_per_firewall;
        let is_within = u64::try_from(count).is_ok_and(|count| count <= limit);
        if is_within { Ok(()) } else { Err(error::ip_group_limit(id, limit)) }
    }
}
