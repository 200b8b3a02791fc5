//! Azure firewalls: what they hold, how they are read in the manner of the network provider's core, `Updating` while an
//! operation holds them, and how the world file and the control interface place them at once. What clients write is in
//! `firewall_write`.

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
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) zones: Option<Value>,
    pub(super) etag: String,
    /// Where no operation holds it.
    pub(super) state: ProvisioningState,
    /// As they were written.
    pub(super) properties: Map<String, Value>,
    /// In its subnet, once it was made.
    pub(super) private_address: Option<String>,
}

/// A firewall, a policy or a rule collection group as it is placed.
#[derive(Debug, Deserialize)]
pub(super) struct PlacedBody {
    pub(super) location: Option<String>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) identity: Option<Value>,
    pub(super) zones: Option<Value>,
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

    /// The subnet of its first address.
    pub(super) fn subnet(&self) -> Option<&str> {
        let configurations = self.properties.get("ipConfigurations")?.as_array()?;
        configurations.iter().find_map(|configuration| configuration["properties"]["subnet"]["id"].as_str())
    }

    /// One of the things that are written inside a firewall: with an id, an etag and a state of its own.
    fn part(&self, kind: &str, given: &Value) -> Value {
        let mut part = given.clone();
        let Some(name) = given["name"].as_str() else { return part };
        part["id"] = json!(format!("{}/{kind}/{name}", self.id));
        part["etag"] = json!(format!("W/\"{}\"", self.etag));
        part["type"] = json!(format!("Microsoft.Network/azureFirewalls/{kind}"));
        part["properties"]["provisioningState"] = json!("Succeeded");
        if kind == "azureFirewallIpConfigurations" {
            part["properties"]["privateIPAllocationMethod"] = json!("Dynamic");
            let has_subnet = part["properties"]["subnet"].is_object();
            if let Some(address) = self.private_address.as_ref().filter(|_| has_subnet) {
                part["properties"]["privateIPAddress"] = json!(address);
            }
        }
        if kind == "networkRuleCollections" {
            for rule in
                part["properties"]["rules"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut)
            {
                for list in ["sourceIpGroups", "destinationIpGroups", "destinationFqdns"] {
                    rule.entry(list).or_insert_with(|| json!([]));
                }
            }
        }
        part
    }

    pub(super) fn view(&self, state: ProvisioningState) -> Value {
        let mut properties = self.properties.clone();
        for (list, kind) in [
            ("ipConfigurations", "azureFirewallIpConfigurations"),
            ("networkRuleCollections", "networkRuleCollections"),
            ("applicationRuleCollections", "applicationRuleCollections"),
            ("natRuleCollections", "natRuleCollections"),
        ] {
            if let Some(parts) = properties.get_mut(list).and_then(Value::as_array_mut) {
                *parts = parts.iter().map(|given| self.part(kind, given)).collect();
            }
        }
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
        if let Some(zones) = &self.zones {
            view["zones"] = zones.clone();
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
        let PlacedBody { tags, properties, zones, .. } = body;
        let shown = |configuration: &Value| configuration["properties"]["privateIPAddress"].as_str().map(str::to_owned);
        let configurations = properties.get("ipConfigurations").and_then(Value::as_array);
        let private_address = configurations.into_iter().flatten().find_map(shown);
        let firewall = Firewall { id: id.clone(), location, tags, zones, etag, state, properties, private_address };
        self.firewalls.insert(id.key(), firewall);
        Ok(())
    }

    /// The documented limit of IP groups of one firewall or policy.
    pub(super) fn check_named_groups(&self, id: &str, count: usize) -> Result<(), ApiError> {
        let limit = self.settings.limits.ip_groups_per_firewall;
        let is_within = u64::try_from(count).is_ok_and(|count| count <= limit);
        if is_within { Ok(()) } else { Err(error::ip_group_limit(id, limit)) }
    }
}
