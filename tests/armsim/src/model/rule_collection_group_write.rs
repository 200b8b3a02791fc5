//! Requests about rule collection groups, in the manner of the network provider's second back end: each write is an
//! operation of the whole policy and its firewalls, which `policy_operation` knows.

use super::{
    arm_id::ResourceId,
    error::{self, ApiError},
    firewall_policy::{FirewallPolicy, group_key},
    http::ApiResponse,
    policy_operation::PolicyChange,
    route_request,
    route_table::ProvisioningState,
    rule_collection_group::{RuleCollectionGroup, megabytes, shown, size_of_group},
    world::{Call, World},
};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
pub(super) struct GroupBody {
    #[serde(default)]
    pub(super) properties: Map<String, Value>,
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
        let without_rules = || {
            shown(
                properties
                    .iter()
                    .filter(|(name, _)| *name == "priority")
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
                &call.api_version,
            )
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

    /// The answer has the whole group, in the state that it had, with a new etag; as recorded. ASSUMPTION: 204 for one that
    /// is not there.
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
        self.check_groups_named_by(policy, name, properties)
    }
}
