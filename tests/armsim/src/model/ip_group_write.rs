//! Requests about IP groups, in the manner of the network provider's second back end: every PUT is an operation, and
//! the firewalls and policies that use the group are part of it. The rules for one body are in `ip_group_request`.

use super::{
    arm_id::ResourceId,
    error::{self, ApiError},
    http::ApiResponse,
    ip_group::{IpGroup, References},
    ip_group_request::{IpGroupBody, check_addresses},
    locations::normalised,
    operation::{Accept, Place, Work},
    route_request,
    route_table::{List, ProvisioningState},
    settings::Span,
    time::Time,
    world::{Call, World},
};
use std::{sync::Arc, time::Duration};

/// What the second back end asks to wait, whatever the operation.
pub(super) const RETRY_AFTER: u64 = 10;
pub(super) const PUT_IP_GROUP: &str = "PutIpGroupOperation";

/// How an operation of a group ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Succeeded,
    Failed,
    /// The firewalls and policies are left failed as well.
    FailedWithAttached,
}

impl World {
    fn ip_group(&self, id: &ResourceId) -> Result<&IpGroup, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        self.ip_groups.get(&id.key()).ok_or_else(|| error::resource_not_found(id))
    }

    pub(super) fn get_ip_group(&self, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        let group = self.ip_group(id)?;
        let response = ApiResponse::pretty(200, &group.view(self.users(group)));
        Ok(response.with_header("etag", format!("\"{}\"", group.etag)))
    }

    pub(super) fn list_ip_groups(&self, subscription: &str, group: Option<&str>) -> Result<ApiResponse, ApiError> {
        if let Some(group) = group {
            self.require_group(subscription, group)?;
        }
        let listed = self.ip_groups.values().filter(|present| present.id.is_in(subscription, group));
        let value: Vec<_> = listed.map(|group| group.view(self.users(group))).collect();
        Ok(ApiResponse::pretty(200, &List { value }))
    }

    pub(super) fn put_ip_group(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        let body: IpGroupBody = route_request::read(&call.request.body)?;
        let mut wanted = self.wanted_ip_group(id, body)?;
        let present = self.ip_groups.get(&id.key());
        self.check_ip_group_etag(call, id, present)?;
        if let Some(present) = present.filter(|present| present.location != wanted.location) {
            return Err(error::other_location(&id.name, &id.group, &present.location, &wanted.location));
        }
        let status = if present.is_some() { 200 } else { 201 };
        let touched = self.attached(&wanted);
        self.check_ip_group_free(&id.key(), &touched)?;
        wanted.etag = self.random.uuid();
        wanted.state = ProvisioningState::Updating;
        let id = wanted.id.clone();
        self.history.record_addresses(call.now, &call.client, &id, &wanted.addresses);
        let location = wanted.location.clone();
        self.ip_groups.insert(id.key(), wanted);
        let operation = self.accept(
            call,
            Accept {
                name: PUT_IP_GROUP,
                place: Place::SecondBackEnd(location),
                subscription: id.subscription.clone(),
                takes: self.attached_write_takes(&touched, self.settings.latencies.ip_group.0),
                work: Work::IpGroup(id.clone(), touched.clone()),
            },
        );
        self.hold(&operation, std::iter::once(&id.to_string()).chain(touched.all()));
        let group = self.ip_groups.get_mut(&id.key()).expect("inserted above");
        group.operation = Some(operation.clone());
        let group = self.ip_group(&id)?;
        let mut response = ApiResponse::pretty(status, &group.view(self.users(group)));
        self.tell_operation(&mut response, &operation, false);
        self.set_retry_after(&mut response, RETRY_AFTER);
        Ok(response)
    }

    /// PATCH: the tags and nothing else. ASSUMPTION: done at once and with a new etag; none was recorded.
    pub(super) fn patch_ip_group(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        let present = self.ip_group(id)?;
        let body: IpGroupBody = route_request::read(&call.request.body)?;
        self.check_ip_group_etag(call, id, Some(present))?;
        self.check_ip_group_free(&id.key(), &References::default())?;
        let etag = self.random.uuid();
        let group = self.ip_groups.get_mut(&id.key()).expect("found above");
        group.tags = body.tags;
        group.etag = etag;
        let group = self.ip_group(id)?;
        Ok(ApiResponse::pretty(200, &group.view(self.users(group))))
    }

    /// ASSUMPTION: 204 for one that is not there, and a refusal for one that is used; neither was recorded.
    pub(super) fn delete_ip_group(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        let Some(present) = self.ip_groups.get(&id.key()) else {
            return Ok(ApiResponse::empty(204));
        };
        self.check_ip_group_etag(call, id, Some(present))?;
        self.check_ip_group_free(&id.key(), &References::default())?;
        if let Some(user) = self.users(present).all().next() {
            return Err(error::ip_group_in_use(id, user));
        }
        self.displace_ip_group(call.now, &call.client, id);
        Ok(ApiResponse::empty(200))
    }

    /// The group as a body asks for it; what the body leaves out becomes empty.
    pub(super) fn wanted_ip_group(&self, id: &ResourceId, body: IpGroupBody) -> Result<IpGroup, ApiError> {
        route_request::check_name(&id.name)?;
        let location = normalised(&body.location.ok_or_else(error::location_required)?);
        self.check_location(&location, "Microsoft.Network/ipGroups")?;
        let addresses = body.properties.unwrap_or_default().ip_addresses.unwrap_or_default();
        check_addresses(&addresses, id, &self.settings)?;
        let present = self.ip_groups.get(&id.key());
        Ok(IpGroup {
            id: present.map_or_else(|| id.clone(), |present| present.id.clone()),
            location,
            tags: body.tags,
            etag: String::new(),
            state: ProvisioningState::Succeeded,
            addresses: Arc::new(addresses),
            given: present.map(|present| present.given.clone()).unwrap_or_default(),
            operation: None,
        })
    }

    /// With a live firewall minutes, else seconds. ASSUMPTION: as long as writes of a rule collection group were
    /// recorded to take; none of an attached IP group was recorded.
    pub(super) fn attached_write_takes(&self, touched: &References, free: Duration) -> Duration {
        if touched.firewalls.is_empty() {
            return free;
        }
        self.drawn_span("attachedFirewall", self.settings.latencies.attached_firewall)
    }

    /// A duration between two.
    pub(super) fn drawn_span(&self, name: &str, (first, last): (Span, Span)) -> Duration {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.drawn(name, self.log.len(), millis(first.0), millis(last.0)))
    }

    /// The second half of a write. A group that failed has no addresses left, as recorded.
    pub(super) fn finish_ip_group(
        &mut self,
        now: Time,
        client: &str,
        operation: &str,
        id: &ResourceId,
        touched: &References,
        end: End,
    ) {
        self.release(operation);
        // ASSUMPTION: the next success also heals firewalls and policies that an earlier failure left.
        match end {
            End::Succeeded => self.set_attached(touched, ProvisioningState::Succeeded),
            End::FailedWithAttached => self.set_attached(touched, ProvisioningState::Failed),
            End::Failed => {}
        }
        let Some(group) = self.ip_groups.get_mut(&id.key()) else { return };
        if group.operation.as_deref() != Some(operation) {
            // The control interface replaced the group in the meantime: nothing is left to finish.
            return;
        }
        group.operation = None;
        if end == End::Succeeded {
            group.state = ProvisioningState::Succeeded;
        } else {
            group.state = ProvisioningState::Failed;
            group.addresses = Arc::default();
        }
        self.history.record_addresses(now, client, id, &group.addresses);
    }

    pub(super) fn set_attached(&mut self, touched: &References, state: ProvisioningState) {
        for id in &touched.firewalls {
            if let Some(firewall) = self.firewalls.get_mut(&id.to_ascii_lowercase()) {
                firewall.state = state;
            }
        }
        for id in &touched.policies {
            if let Some(policy) = self.firewall_policies.get_mut(&id.to_ascii_lowercase()) {
                policy.state = state;
            }
        }
    }

    /// ASSUMPTION: whether the second back end looks at `If-Match` is not known; it does only where the world says so.
    fn check_ip_group_etag(&self, call: &Call<'_>, id: &ResourceId, present: Option<&IpGroup>) -> Result<(), ApiError> {
        let given = call.request.header("if-match").filter(|given| *given != "*");
        let Some(given) = given.filter(|_| self.settings.behaviour.ip_group_if_match) else {
            return Ok(());
        };
        let bare = given.trim_start_matches("W/").trim_matches('"');
        match present {
            Some(present) if present.etag == bare => Ok(()),
            _ => Err(error::etag_mismatch(given, present.map_or("", |present| &present.etag), &id.to_string())),
        }
    }
}
