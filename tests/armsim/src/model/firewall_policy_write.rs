//! Requests about firewall policies themselves, in the manner of the network provider's second back end. A policy that
//! is written keeps what is in it: rule collection groups are resources of their own.

use super::{
    arm_id::{ArmPath, ResourceId},
    error::{self, ApiError},
    firewall_error,
    firewall_policy::{FirewallPolicy, shown_policy},
    http::ApiResponse,
    locations::normalised,
    policy_operation::PolicyChange,
    route_request,
    route_table::ProvisioningState,
    world::{Call, World},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const TIERS: [&str; 3] = ["Basic", "Standard", "Premium"];

#[derive(Debug, Deserialize)]
struct PolicyBody {
    location: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    identity: Option<Value>,
    #[serde(default)]
    properties: Map<String, Value>,
}

impl World {
    pub(super) fn put_firewall_policy(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        route_request::check_name(&id.name)?;
        let body: PolicyBody = route_request::read(&call.request.body)?;
        let location = normalised(&body.location.ok_or_else(error::location_required)?);
        self.check_location(&location, "Microsoft.Network/firewallPolicies")?;
        let present = self.firewall_policies.get(&id.key());
        self.check_policy_etag(call, &id.to_string(), present.map(|present| present.etag.as_str()))?;
        if let Some(present) = present.filter(|present| present.location != location) {
            return Err(error::other_location(&id.name, &id.group, &present.location, &location));
        }
        let properties = shown_policy(body.properties);
        let wanted = FirewallPolicy {
            id: present.map_or_else(|| id.clone(), |present| present.id.clone()),
            location,
            tags: body.tags,
            identity: body.identity,
            etag: String::new(),
            state: ProvisioningState::Updating,
            properties,
            draft: present.and_then(|present| present.draft.clone()),
            given_firewalls: present.map(|present| present.given_firewalls.clone()).unwrap_or_default(),
            groups: present.map(|present| present.groups.clone()).unwrap_or_default(),
        };
        self.check_base(&wanted)?;
        let before = present.map(|present| present.properties.clone());
        let status = if present.is_some() { 200 } else { 201 };
        let touched = self.touched_by_policy(&wanted.id);
        self.check_policy_free(&wanted.id, None, &touched)?;
        let id = wanted.id.clone();
        let etag = self.random.uuid();
        self.firewall_policies.insert(id.key(), FirewallPolicy { etag, ..wanted });
        let operation = self.begin_policy_work(call, &id, PolicyChange::Put(before), &touched);
        let mut response = ApiResponse::pretty(status, &self.firewall_policy_view(self.firewall_policy(&id)?));
        self.tell_policy_work(&mut response, &operation, false);
        Ok(response)
    }

    /// PATCH: the tags and nothing else. ASSUMPTION: done at once and with a new etag; none was recorded.
    pub(super) fn patch_firewall_policy(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        let present = self.firewall_policy(id)?;
        let body: PolicyBody = route_request::read(&call.request.body)?;
        self.check_policy_etag(call, &id.to_string(), Some(&present.etag))?;
        self.check_policy_free(id, None, &self.touched_by_policy(&present.id))?;
        let etag = self.random.uuid();
        if let Some(policy) = self.firewall_policies.get_mut(&id.key()) {
            policy.tags = body.tags;
            policy.etag = etag;
        }
        Ok(ApiResponse::pretty(200, &self.firewall_policy_view(self.firewall_policy(id)?)))
    }

    /// Done at once, with all groups that are in it, as recorded. ASSUMPTION: 204 for one that is not there, and a
    /// refusal for one that a firewall or another policy uses.
    pub(super) fn delete_firewall_policy(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        let Some(present) = self.firewall_policies.get(&id.key()) else {
            return Ok(ApiResponse::empty(204));
        };
        self.check_policy_etag(call, &id.to_string(), Some(&present.etag))?;
        let touched = self.touched_by_policy(&present.id);
        self.check_policy_free(id, None, &touched)?;
        let user = touched.firewalls.first().or_else(|| touched.policies.get(1));
        if let Some(user) = user {
            return Err(firewall_error::policy_in_use(id, user));
        }
        self.displace_firewall_policy(call.now, &call.client, id);
        Ok(ApiResponse::empty(200))
    }

    /// What the policy is based on exists, in its own region, and is not of a higher tier. ASSUMPTION: the codes; the
    /// rules are documented.
    fn check_base(&self, policy: &FirewallPolicy) -> Result<(), ApiError> {
        let tier = tier_of(policy)?;
        let Some(base) = policy.base() else { return Ok(()) };
        let found = match ArmPath::parse(base) {
            ArmPath::FirewallPolicy(id) => self.firewall_policies.get(&id.key()),
            _ => None,
        };
        let found = found.filter(|found| found.location == policy.location);
        let found = found.ok_or_else(|| error::invalid_reference(base, &policy.id.to_string()))?;
        let is_below = self.touched_by_policy(&policy.id).policies.iter().any(|id| id.eq_ignore_ascii_case(base));
        if is_below {
            return Err(firewall_error::circular_base(&policy.id, base));
        }
        if tier_of(found)? > tier { Err(firewall_error::base_of_higher_tier(&policy.id, base)) } else { Ok(()) }
    }
}

/// The place of its tier among the tiers.
fn tier_of(policy: &FirewallPolicy) -> Result<usize, ApiError> {
    let tier = policy.properties.get("sku").and_then(|sku| sku["tier"].as_str()).unwrap_or("Standard");
    let place = TIERS.iter().position(|known| known.eq_ignore_ascii_case(tier));
    place.ok_or_else(|| error::invalid_value("tier", tier))
}
