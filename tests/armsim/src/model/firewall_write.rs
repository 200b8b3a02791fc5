//! Requests about Azure firewalls, in the manner of the network provider's core: the whole firewall in one PUT, minutes
//! long. While its policy or an IP group that it uses is being written, others are refused.

use super::{
    arm_id::{ArmPath, ResourceId},
    error::{self, ApiError},
    firewall::{Firewall, PlacedBody},
    http::ApiResponse,
    ip_group_attached::{groups_as_named, named_groups},
    locations::normalised,
    operation::{Accept, Place, Work},
    route_request,
    route_table::ProvisioningState,
    time::Time,
    world::{Call, World},
};
use serde_json::{Map, Value};
use std::time::Duration;

const RETRY_AFTER: u64 = 10;
/// What a poll is told to wait, by the seconds after which the next one begins: recorded as 10, 20, 20, 40, 40, 80,
/// 160, 100.
const LADDER: [(u64, u64); 5] = [(20, 10), (60, 20), (140, 40), (220, 80), (380, 160)];
const LAST: u64 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirewallChange {
    Put,
    Delete,
}

impl World {
    pub(super) fn put_firewall(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        route_request::check_name(&id.name)?;
        let mut body: PlacedBody = route_request::read(&call.request.body)?;
        body.properties.retain(|name, value| name != "provisioningState" && !value.is_null());
        let location = normalised(body.location.as_ref().ok_or_else(error::location_required)?);
        self.check_location(&location, "Microsoft.Network/azureFirewalls")?;
        let present = self.firewalls.get(&id.key());
        if let Some(present) = present.filter(|present| present.location != location) {
            return Err(error::other_location(&id.name, &id.group, &present.location, &location));
        }
        self.check_named_groups(&id.to_string(), named_groups(&body.properties).len())?;
        self.check_firewall_references(id, &body.properties)?;
        self.check_firewall_free(id)?;
        let status = if present.is_some() { 200 } else { 201 };
        let id = present.map_or_else(|| id.clone(), |present| present.id.clone());
        let address = present.and_then(|present| present.private_address.clone());
        let PlacedBody { tags, properties, zones, .. } = body;
        let state = ProvisioningState::Succeeded;
        let mut wanted = Firewall {
            id: id.clone(),
            location,
            tags,
            zones,
            etag: present.map(|present| present.etag.clone()).unwrap_or_default(),
            state,
            properties,
            private_address: address,
        };
        // Read-only fields and those that were left out make no difference.
        let is_same = present.is_some_and(|present| {
            present.state == state && present.view(state)["properties"] == wanted.view(state)["properties"]
        });
        let state = if is_same { state } else { ProvisioningState::Updating };
        wanted.state = state;
        wanted.etag = self.random.uuid();
        self.firewalls.insert(id.key(), wanted);
        let operation = self.begin_firewall(call, &id, (!is_same).then_some(FirewallChange::Put));
        let firewall = self.firewalls.get(&id.key()).ok_or_else(|| error::resource_not_found(&id))?;
        let mut response = ApiResponse::json(status, &firewall.view(state));
        self.tell_operation(&mut response, &operation, false);
        if !is_same {
            self.set_retry_after(&mut response, RETRY_AFTER);
        }
        Ok(response)
    }

    /// ASSUMPTION: 204 for one that is not there.
    pub(super) fn delete_firewall(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        if !self.firewalls.contains_key(&id.key()) {
            return Ok(ApiResponse::empty(204));
        }
        self.check_firewall_free(id)?;
        let operation = self.begin_firewall(call, id, Some(FirewallChange::Delete));
        let mut response = ApiResponse::empty(202);
        self.tell_operation(&mut response, &operation, true);
        self.set_retry_after(&mut response, RETRY_AFTER);
        Ok(response)
    }

    fn begin_firewall(&mut self, call: &Call<'_>, id: &ResourceId, change: Option<FirewallChange>) -> String {
        let location = self.firewalls.get(&id.key()).map(|firewall| firewall.location.clone()).unwrap_or_default();
        let is_running = change.is_some();
        let operation = self.accept(
            call,
            Accept {
                name: match change {
                    Some(FirewallChange::Delete) => "DeleteAzureFirewallOperation",
                    _ => "PutAzureFirewallOperation",
                },
                place: Place::Network(location),
                subscription: id.subscription.clone(),
                takes: self.drawn_span("firewall", self.settings.latencies.firewall),
                work: change.map_or(Work::Nothing, |change| Work::Firewall(id.clone(), change)),
            },
        );
        if is_running {
            self.hold(&operation, std::iter::once(&id.to_string()));
        }
        operation
    }

    fn check_firewall_free(&self, id: &ResourceId) -> Result<(), ApiError> {
        match self.holds.get(&id.key()).and_then(|operations| operations.first()) {
            Some(operation) => Err(self.another_operation(operation)),
            None => Ok(()),
        }
    }

    /// No firewall in the subnet is being updated; writes of such a subnet were recorded to be refused as the
    /// firewall's.
    pub(super) fn check_subnet_free(&self, subnet: &str) -> Result<(), ApiError> {
        let is_inside = |firewall: &&Firewall| firewall.subnet().is_some_and(|own| own.eq_ignore_ascii_case(subnet));
        self.firewalls.values().filter(is_inside).try_for_each(|firewall| self.check_firewall_free(&firewall.id))
    }

    /// Subnets, public addresses and the policy exist. ASSUMPTION: IP groups of classic rules too; a policy may be in
    /// another region, as is documented.
    fn check_firewall_references(&self, id: &ResourceId, properties: &Map<String, Value>) -> Result<(), ApiError> {
        let by = id.to_string();
        let missing = |id: &str| Err(error::invalid_reference(id, &by));
        let configurations = properties.get("ipConfigurations").and_then(Value::as_array).into_iter().flatten();
        for configuration in configurations.map(|configuration| &configuration["properties"]) {
            if let Some(subnet) = configuration["subnet"]["id"].as_str().filter(|subnet| !self.has_subnet(subnet)) {
                return missing(subnet);
            }
            if let Some(address) = configuration["publicIPAddress"]["id"].as_str() {
                let is_there = match ArmPath::parse(address) {
                    ArmPath::PublicAddress(id) => self.public_addresses.contains_key(&id.key()),
                    _ => false,
                };
                if !is_there {
                    return missing(address);
                }
            }
        }
        let policy = properties.get("firewallPolicy").and_then(|policy| policy["id"].as_str());
        let is_missing = |policy: &&str| !self.firewall_policies.contains_key(&policy.to_ascii_lowercase());
        if let Some(policy) = policy.filter(is_missing) {
            return missing(policy);
        }
        match groups_as_named(properties).iter().find(|group| !self.ip_groups.contains_key(&group.to_ascii_lowercase()))
        {
            Some(group) => missing(group),
            None => Ok(()),
        }
    }

    /// The second half of a write. ASSUMPTION: what failed is there as it was asked for, `Failed`.
    pub(super) fn finish_firewall(
        &mut self,
        operation: &str,
        id: &ResourceId,
        change: FirewallChange,
        succeeded: bool,
    ) {
        self.release(operation);
        if change == FirewallChange::Delete && succeeded {
            self.firewalls.remove(&id.key());
            return;
        }
        let etag = self.random.uuid();
        let subnet = self.firewalls.get(&id.key()).and_then(Firewall::subnet).map(str::to_owned);
        let made_up = subnet.and_then(|subnet| self.subnet_prefix(&subnet)).and_then(|net| net.hosts().nth(3));
        let foreseen = self.foreseen_addresses.get(&id.key()).cloned();
        let address = foreseen.or_else(|| made_up.map(|address| address.to_string()));
        let Some(firewall) = self.firewalls.get_mut(&id.key()) else { return };
        firewall.etag = etag;
        firewall.state = if succeeded { ProvisioningState::Succeeded } else { ProvisioningState::Failed };
        if succeeded {
            firewall.private_address = address;
        }
    }

    /// What the status of a firewall's operation asks to wait: ever longer.
    pub(super) fn long_wait(&self, accepted: Time, now: Time) -> u64 {
        let passed = Duration::from_millis(now.millis().saturating_sub(accepted.millis()));
        let rung = LADDER.iter().find(|(until, _)| passed < self.scaled(Duration::from_secs(*until)));
        rung.map_or(LAST, |(_, wait)| *wait)
    }
}
