//! Requests about rule collection groups, in the manner of the network provider's second back end: each write is an
//! operation of the whole policy and its firewalls, which `policy_operation` knows.

use super::{
    arm_id::ResourceId,
    error::{self, ApiError},
    firewall_error,
    firewall_policy::{FirewallPolicy, group_key},
    firewall_rules::{Around, check_rules, pairs},
    http::ApiResponse,
    ip_group_attached::{groups_as_named, named_groups},
    policy_operation::PolicyChange,
    route_request,
    route_table::ProvisioningState,
    rule_collection_group::{RuleCollectionGroup, megabytes, shown, size_of_group},
    world::{Call, World},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Debug, Deserialize)]
pub(super) struct GroupBody {
    #[serde(default)]
    pub(super) properties: Map<String, Value>,
}

/// A firewall knows no tag whose list does not say so.
fn is_for_firewalls(features: Option<&[String]>) -> bool {
    features.is_some_and(|features| features.iter().any(|feature| feature == "FW"))
}

impl World {
    pub(super) fn put_rule_collection_group(
        &mut self,
        call: &Call<'_>,
        id: &ResourceId,
        name: &str,
    ) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        route_request::check_name(name)?;
        let body: GroupBody = route_request::read(&call.request.body)?;
        let policy =
            self.firewall_policies.get(&id.key()).ok_or_else(|| error::parent_not_found(id, "ruleCollectionGroups"))?;
        let present = policy.group(name);
        let key = group_key(id, name);
        self.check_policy_etag(call, &key, present.map(|present| present.etag.as_str()))?;
        let properties = shown(body.properties, &call.api_version);
        self.check_rule_collection_group(policy, name, &properties)?;
        let touched = self.touched_by_policy(&policy.id);
        self.check_policy_free(&policy.id, Some(name), &touched)?;
        self.check_groups_at_rest(&properties)?;
        let without_rules = || {
            let mut empty = properties.clone();
            empty.insert("ruleCollections".to_owned(), json!([]));
            empty
        };
        let before = present.map_or_else(without_rules, |present| present.properties.clone());
        let status = if present.is_some() { 200 } else { 201 };
        let group = RuleCollectionGroup {
            name: present.map_or_else(|| name.to_owned(), |present| present.name.clone()),
            etag: String::new(),
            state: ProvisioningState::Updating,
            size: Some(megabytes(size_of_group(&properties))),
            properties,
            draft: present.and_then(|present| present.draft.clone()),
            operation: None,
        };
        let (id, name) = (policy.id.clone(), group.name.clone());
        let group = RuleCollectionGroup { etag: self.random.uuid(), ..group };
        self.history.record_rules(call.now, &call.client, key, group.entries());
        if let Some(policy) = self.firewall_policies.get_mut(&id.key()) {
            policy.set_group(group);
        }
        let operation = self.begin_policy_work(call, &id, PolicyChange::PutGroup(name.clone(), before), &touched);
        let mut response = self.shown_group(&id, &name, status)?;
        self.tell_policy_work(&mut response, &operation, false);
        Ok(response)
    }

    /// The answer has the whole group, in the state that it had, with a new etag; as recorded. ASSUMPTION: 204 for one
    /// that is not there.
    pub(super) fn delete_rule_collection_group(
        &mut self,
        call: &Call<'_>,
        id: &ResourceId,
        name: &str,
    ) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        let policy = self.firewall_policies.get(&id.key()).filter(|policy| policy.group(name).is_some());
        let Some(policy) = policy else {
            return Ok(ApiResponse::empty(204));
        };
        self.check_policy_etag(call, &group_key(id, name), policy.group(name).map(|group| group.etag.as_str()))?;
        let id = policy.id.clone();
        let touched = self.touched_by_policy(&id);
        self.check_policy_free(&id, Some(name), &touched)?;
        let etag = self.random.uuid();
        if let Some(group) = self.firewall_policies.get_mut(&id.key()).and_then(|policy| policy.group_mut(name)) {
            group.etag = etag;
        }
        let mut response = self.shown_group(&id, name, 202)?;
        if let Some(group) = self.firewall_policies.get_mut(&id.key()).and_then(|policy| policy.group_mut(name)) {
            group.state = ProvisioningState::Deleting;
        }
        let operation = self.begin_policy_work(call, &id, PolicyChange::DeleteGroup(name.to_owned()), &touched);
        self.tell_policy_work(&mut response, &operation, true);
        Ok(response)
    }

    /// As a GET shows it, without the header that only a GET has.
    fn shown_group(&self, id: &ResourceId, name: &str, status: u16) -> Result<ApiResponse, ApiError> {
        let policy = self.firewall_policy(id)?;
        let group = policy.group(name).ok_or_else(|| error::child_not_found(&group_key(id, name)))?;
        Ok(ApiResponse::pretty(status, &policy.group_view(group)))
    }

    /// Whether the service would take the group into the policy.
    pub(super) fn check_rule_collection_group(
        &self,
        policy: &FirewallPolicy,
        name: &str,
        properties: &Map<String, Value>,
    ) -> Result<(), ApiError> {
        let id = format!("{}/ruleCollectionGroups/{name}", policy.id);
        let knows = |tag: &str| self.is_tag(&policy.location, tag, is_for_firewalls);
        let has_dns_proxy = self.has_dns_proxy(policy);
        check_rules(properties, &Around { group: &id, knows: &knows, has_dns_proxy })?;
        let others = || policy.groups.iter().filter(|other| !other.name.eq_ignore_ascii_case(name));
        let priority = properties.get("priority").and_then(Value::as_u64).unwrap_or_default();
        let has_it =
            |other: &&RuleCollectionGroup| other.properties.get("priority").and_then(Value::as_u64) == Some(priority);
        if let Some(other) = others().find(has_it) {
            return Err(firewall_error::group_priority_taken(&id, priority, &other.name));
        }
        self.check_groups_exist(&id, properties)?;
        let limits = &self.settings.limits;
        if u64::try_from(others().count()).is_ok_and(|count| count >= limits.rule_collection_groups_per_policy) {
            return Err(firewall_error::group_count_limit(&policy.id, limits.rule_collection_groups_per_policy));
        }
        let size = size_of_group(properties);
        if u64::try_from(size).is_ok_and(|size| size > limits.rule_collection_group_size) {
            return Err(firewall_error::group_size_limit(&id, size, limits.rule_collection_group_size));
        }
        self.check_pairs(policy, name, properties)?;
        self.check_groups_named_by(policy, name, properties)
    }

    /// Of the policy and of those that are based on it, each with what it is based on.
    fn check_pairs(
        &self,
        policy: &FirewallPolicy,
        name: &str,
        properties: &Map<String, Value>,
    ) -> Result<(), ApiError> {
        let limit = self.settings.limits.rule_pairs_per_policy;
        let changed = group_key(&policy.id, name);
        for id in self.touched_by_policy(&policy.id).policies {
            let Some(touched) = self.firewall_policies.get(&id.to_ascii_lowercase()) else { continue };
            let mut sum = pairs(properties);
            for each in self.bases(touched).into_iter().chain([touched]) {
                let others = each.groups.iter().filter(|group| group_key(&each.id, &group.name) != changed);
                sum += others.map(|group| pairs(&group.properties)).sum::<u64>();
            }
            if sum > limit {
                return Err(firewall_error::rule_pairs_limit(&touched.id, sum, limit));
            }
        }
        Ok(())
    }

    fn check_groups_exist(&self, id: &str, properties: &Map<String, Value>) -> Result<(), ApiError> {
        let is_missing = |named: &&String| !self.ip_groups.contains_key(&named.to_ascii_lowercase());
        match groups_as_named(properties).iter().find(is_missing) {
            Some(named) => Err(error::invalid_reference(named, id)),
            None => Ok(()),
        }
    }

    /// ASSUMPTION: an IP group that is being written is met in the words of firewalls that are.
    fn check_groups_at_rest(&self, properties: &Map<String, Value>) -> Result<(), ApiError> {
        let named = named_groups(properties);
        match named.iter().find_map(|named| self.ip_groups.get(named)?.operation.as_ref()) {
            Some(operation) => Err(self.another_operation(operation)),
            None => Ok(()),
        }
    }

    /// The policies that a policy is based on, nearest first.
    fn bases(&self, policy: &FirewallPolicy) -> Vec<&FirewallPolicy> {
        let mut found: Vec<&FirewallPolicy> = vec![];
        let mut next = policy.base();
        while let Some(base) = next.and_then(|base| self.firewall_policies.get(&base.to_ascii_lowercase())) {
            // What is placed behind everybody's back may go in circles.
            if base.id == policy.id || found.iter().any(|known| known.id == base.id) {
                break;
            }
            found.push(base);
            next = base.base();
        }
        found
    }

    /// ASSUMPTION: a policy that says nothing has the settings of the one that it is based on.
    fn has_dns_proxy(&self, policy: &FirewallPolicy) -> bool {
        let settings = |policy: &FirewallPolicy| policy.properties.get("dnsSettings").cloned();
        let bases = self.bases(policy);
        let nearest = settings(policy).or_else(|| bases.into_iter().find_map(settings));
        nearest.is_some_and(|settings| settings["enableProxy"] == true)
    }
}
