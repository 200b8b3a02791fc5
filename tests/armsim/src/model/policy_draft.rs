//! Drafts of a firewall policy and of its rule collection groups: written and read at once, and put into force by a
//! deployment. A draft has no state and no size.

use super::{
    arm_id::ResourceId,
    error::{self, ApiError},
    firewall_error,
    firewall_policy::{FirewallPolicy, View, group_key, shown_policy},
    http::ApiResponse,
    policy_operation::PolicyChange,
    route_request,
    rule_collection_group::{Draft, shown},
    rule_collection_group_write::GroupBody,
    world::{Call, World},
};
use serde_json::Value;

/// Where the draft of a policy, or of a group in it, is kept.
fn place<'a>(
    policy: &'a mut FirewallPolicy,
    id: &ResourceId,
    group: Option<&str>,
) -> Result<&'a mut Option<Draft>, ApiError> {
    match group {
        None => Ok(&mut policy.draft),
        Some(name) => {
            let group = policy.group_mut(name).ok_or_else(|| error::child_not_found(&group_key(id, name)))?;
            Ok(&mut group.draft)
        }
    }
}

impl FirewallPolicy {
    fn draft_view<'a>(&'a self, group: Option<&'a str>) -> Result<View<'a>, ApiError> {
        let (id, name, draft, r#type) = match group {
            None => (
                format!("{}/firewallPolicyDrafts/default", self.id),
                self.id.name.as_str(),
                self.draft.as_ref(),
                "Microsoft.Network/FirewallPolicies/FirewallPolicyDrafts",
            ),
            Some(name) => {
                let missing = || error::child_not_found(&group_key(&self.id, name));
                let group = self.group(name).ok_or_else(missing)?;
                (
                    format!("{}/ruleCollectionGroups/{}/ruleCollectionGroupDrafts/default", self.id, group.name),
                    group.name.as_str(),
                    group.draft.as_ref(),
                    "Microsoft.Network/FirewallPolicies/RuleCollectionGroups/RuleCollectionGroupDrafts",
                )
            }
        };
        let draft = draft.ok_or_else(|| error::child_not_found(&id))?;
        let (properties, etag) = (draft.properties.clone(), &draft.etag);
        Ok(View { properties, id, name, r#type, etag, location: &self.location, tags: None, identity: None })
    }
}

impl World {
    pub(super) fn get_policy_draft(&self, id: &ResourceId, group: Option<&str>) -> Result<ApiResponse, ApiError> {
        let view = self.firewall_policy(id)?.draft_view(group)?;
        Ok(ApiResponse::pretty(200, &view).with_header("etag", format!("\"{}\"", view.etag)))
    }

    pub(super) fn put_policy_draft(
        &mut self,
        call: &Call<'_>,
        id: &ResourceId,
        group: Option<&str>,
    ) -> Result<ApiResponse, ApiError> {
        let policy = self.firewall_policy(id)?;
        let GroupBody { properties } = route_request::read(&call.request.body)?;
        let properties = match group {
            Some(name) => {
                let properties = shown(properties, &call.api_version);
                self.check_rule_collection_group(policy, name, &properties)?;
                properties
            }
            // What a draft leaves out is not filled in, as recorded.
            None => {
                shown_policy(properties.clone()).into_iter().filter(|(name, _)| properties.contains_key(name)).collect()
            }
        };
        let etag = self.random.uuid();
        let policy = self.firewall_policies.get_mut(&id.key()).ok_or_else(|| error::resource_not_found(id))?;
        let before = place(policy, id, group)?.replace(Draft { etag, properties });
        let status = if before.is_some() { 200 } else { 201 };
        Ok(ApiResponse::pretty(status, &policy.draft_view(group)?))
    }

    /// ASSUMPTION: 200, and 204 where there is none; none was recorded.
    pub(super) fn delete_policy_draft(
        &mut self,
        id: &ResourceId,
        group: Option<&str>,
    ) -> Result<ApiResponse, ApiError> {
        self.firewall_policy(id)?;
        let policy = self.firewall_policies.get_mut(&id.key()).ok_or_else(|| error::resource_not_found(id))?;
        let before = place(policy, id, group)?.take();
        Ok(ApiResponse::empty(if before.is_some() { 200 } else { 204 }))
    }

    /// Both headers name the same URL, and the body is `null`, as recorded. ASSUMPTION: the drafts are taken in when
    /// the operation ends, and without any draft there is nothing to deploy.
    pub(super) fn deploy_policy_drafts(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        let policy = self.firewall_policy(id)?;
        if policy.draft.is_none() && policy.groups.iter().all(|group| group.draft.is_none()) {
            return Err(firewall_error::nothing_to_deploy(id));
        }
        let id = policy.id.clone();
        let touched = self.touched_by_policy(&id);
        self.check_policy_free(&id, None, &touched)?;
        let operation = self.begin_policy_work(call, &id, PolicyChange::Deploy, &touched);
        let mut response = ApiResponse::pretty(202, &Value::Null);
        self.tell_policy_work(&mut response, &operation, false);
        if let Some(url) = response.header("azure-asyncoperation").map(str::to_owned) {
            response.set_header("location", url);
        }
        Ok(response)
    }
}
