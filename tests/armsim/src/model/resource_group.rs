//! Resource groups: made at once, deleted by a long operation of ARM itself that takes everything inside with it.

use super::{
    arm_id::group_key,
    error::{self, ApiError},
    http::{ApiRequest, ApiResponse},
    locations::normalised,
    operation::{Accept, Place, Work},
    route_request,
    route_table::TableKind,
    security_group::GroupKind,
    time::Time,
    world::{Call, World},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) struct ResourceGroup {
    subscription: String,
    name: String,
    location: String,
    tags: Option<BTreeMap<String, String>>,
    /// The resource that a managed group belongs to.
    managed_by: Option<String>,
    deleting: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupBody {
    location: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    managed_by: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupView<'a> {
    id: String,
    name: &'a str,
    r#type: &'static str,
    location: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    managed_by: Option<&'a str>,
    properties: GroupProperties,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupProperties {
    provisioning_state: &'static str,
}

#[derive(Serialize)]
struct GroupList<'a> {
    value: Vec<GroupView<'a>>,
}

impl ResourceGroup {
    pub(super) fn view(&self) -> impl Serialize + use<'_> {
        self.group_view()
    }

    fn group_view(&self) -> GroupView<'_> {
        GroupView {
            id: format!("/subscriptions/{}/resourceGroups/{}", self.subscription, self.name),
            name: &self.name,
            r#type: "Microsoft.Resources/resourceGroups",
            location: &self.location,
            tags: self.tags.as_ref(),
            managed_by: self.managed_by.as_deref(),
            properties: GroupProperties { provisioning_state: if self.deleting { "Deleting" } else { "Succeeded" } },
        }
    }
}

impl World {
    pub(super) fn require_group(&self, subscription: &str, group: &str) -> Result<&ResourceGroup, ApiError> {
        let key = group_key(subscription, group);
        self.groups.get(&key).ok_or_else(|| error::resource_group_not_found(group))
    }

    pub(super) fn get_group(&self, subscription: &str, group: &str) -> Result<ApiResponse, ApiError> {
        Ok(ApiResponse::json(200, &self.require_group(subscription, group)?.view()))
    }

    pub(super) fn list_groups(&self, subscription: &str) -> ApiResponse {
        let groups = self.groups.values().filter(|group| group.subscription.eq_ignore_ascii_case(subscription));
        ApiResponse::json(200, &GroupList { value: groups.map(ResourceGroup::group_view).collect() })
    }

    pub(super) fn put_group(
        &mut self,
        call: &Call<'_>,
        subscription: &str,
        group: &str,
    ) -> Result<ApiResponse, ApiError> {
        let body: GroupBody = route_request::read(&call.request.body)?;
        let location = normalised(&body.location.ok_or_else(error::location_required)?);
        self.check_location(&location, "Microsoft.Resources/resourceGroups")?;
        let key = group_key(subscription, group);
        let status = match self.groups.get_mut(&key) {
            Some(present) if present.location != location => {
                return Err(error::other_location(group, group, &present.location, &location));
            }
            Some(present) => {
                present.tags = body.tags;
                200
            }
            None => {
                self.place_group(subscription, group, &location);
                self.groups.get_mut(&key).expect("placed above").tags = body.tags;
                201
            }
        };
        Ok(ApiResponse::json(status, &self.require_group(subscription, group)?.view()))
    }

    /// Makes the group, and the subscription, where they are missing.
    pub(super) fn place_group(&mut self, subscription: &str, group: &str, location: &str) {
        self.place_subscription(subscription);
        self.groups.entry(group_key(subscription, group)).or_insert_with(|| ResourceGroup {
            subscription: subscription.to_owned(),
            name: group.to_owned(),
            location: location.to_owned(),
            tags: None,
            managed_by: None,
            deleting: false,
        });
    }

    /// A front end that still knows a deleted group: it is there for one request. The answer is what to remove after
    /// it.
    pub(super) fn recall_group(&mut self, request: &ApiRequest) -> Option<String> {
        let segments: Vec<&str> = request.path().split('/').collect();
        let [_, _, subscription, _, group, _, _, ..] = segments.as_slice() else { return None };
        let key = group_key(subscription, group);
        let is_stale = ["GET", "DELETE"].contains(&request.method.as_str()) && !self.groups.contains_key(&key);
        if is_stale {
            self.place_group(subscription, group, "");
        }
        is_stale.then_some(key)
    }

    pub(super) fn set_group_tags(&mut self, subscription: &str, group: &str, body: GroupBody) {
        if let Some(present) = self.groups.get_mut(&group_key(subscription, group)) {
            present.tags = body.tags;
            present.managed_by = body.managed_by;
            if let Some(location) = body.location {
                present.location = normalised(&location);
            }
        }
    }

    pub(super) fn delete_group(
        &mut self,
        call: &Call<'_>,
        subscription: &str,
        group: &str,
    ) -> Result<ApiResponse, ApiError> {
        self.require_group(subscription, group)?;
        let key = group_key(subscription, group);
        if let Some(present) = self.groups.get_mut(&key) {
            present.deleting = true;
        }
        let operation = self.accept(
            call,
            Accept {
                name: "RESOURCEGROUPDELETIONJOB",
                place: Place::Arm,
                subscription: subscription.to_owned(),
                takes: self.settings.latencies.resource_group.0,
                work: Work::DeleteGroup(key),
            },
        );
        let mut response = ApiResponse::empty(202);
        self.tell_operation(&mut response, &operation, true);
        self.set_retry_after(&mut response, 15);
        Ok(response)
    }

    pub(super) fn finish_group_deletion(&mut self, now: Time, client: &str, key: &str, succeeded: bool) {
        if !succeeded {
            if let Some(group) = self.groups.get_mut(key) {
                group.deleting = false;
            }
            return;
        }
        self.groups.remove(key);
        self.remove_networks_of(key);
        self.remove_identities_of(key);
        self.remove_assignments_within(key);
        self.locks.remove_within(key);
        self.firewalls.retain(|_, firewall| firewall.id.group_key() != key);
        self.public_addresses.retain(|_, address| address.id.group_key() != key);
        let groups: Vec<_> =
            self.ip_groups.values().filter(|group| group.id.group_key() == key).map(|group| group.id.clone()).collect();
        for id in groups {
            self.displace_ip_group(now, client, &id);
        }
        let policies = self.firewall_policies.values().filter(|policy| policy.id.group_key() == key);
        for id in policies.map(|policy| policy.id.clone()).collect::<Vec<_>>() {
            self.displace_firewall_policy(now, client, &id);
        }
        self.displace_group::<TableKind>(now, client, key);
        self.displace_group::<GroupKind>(now, client, key);
    }
}
