//! Requests about route tables and routes, about network security groups and their rules: one resource with one etag,
//! written by one operation at a time. What a kind allows is said by the kind.

use super::{
    arm_id::ResourceId,
    error::{self, ApiError},
    http::ApiResponse,
    locations::normalised,
    operation::{Accept, Place, Work},
    parent::{Change, Child, ChildBody, Ending, Parent, ParentBody, ProvisioningState, Spot, SubnetBody, Written},
    route_request,
    route_table::List,
    settings::Span,
    time::Time,
    world::{Call, World},
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// What a body says that clients cannot set.
pub(super) struct Said {
    pub(super) subnets: Option<Vec<SubnetBody>>,
    pub(super) users: BTreeMap<&'static str, Vec<Value>>,
}

impl World {
    pub(super) fn parent<K: Written>(&self, id: &ResourceId) -> Result<&Parent<K>, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        K::all(self).get(&id.key()).ok_or_else(|| error::resource_not_found(id))
    }

    pub(super) fn get_parent<K: Written>(&self, api_version: &str, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        let parent = self.parent::<K>(id)?;
        Ok(ApiResponse::json(200, &K::view(parent, api_version)).with_header("etag", parent.weak_etag()))
    }

    pub(super) fn list_parents<K: Written>(
        &self,
        call: &Call<'_>,
        subscription: &str,
        group: Option<&str>,
    ) -> Result<ApiResponse, ApiError> {
        if let Some(group) = group {
            self.require_group(subscription, group)?;
        }
        let listed = K::all(self).values().filter(|parent| parent.id.is_in(subscription, group));
        Ok(ApiResponse::json(200, &List { value: listed.map(|parent| K::view(parent, &call.api_version)).collect() }))
    }

    pub(super) fn list_children<K: Written>(&self, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        let parent = self.parent::<K>(id)?;
        let value = parent.children.iter().map(|child| K::child_view(parent, child)).collect();
        Ok(ApiResponse::json(200, &List { value }))
    }

    pub(super) fn get_child<K: Written>(&self, id: &ResourceId, name: &str) -> Result<ApiResponse, ApiError> {
        let parent = self.parent::<K>(id)?;
        let missing = || error::child_not_found(&format!("{id}/{}/{name}", K::NAMES.children));
        let child = parent.child(name).ok_or_else(missing)?;
        Ok(ApiResponse::json(200, &K::child_view(parent, child)).with_header("etag", parent.weak_etag()))
    }

    pub(super) fn put_parent<K: Written>(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        route_request::check_name(&id.name)?;
        let body: ParentBody<K::Properties> = route_request::read(&call.request.body)?;
        let (wanted, _) = self.wanted_parent::<K>(id, body)?;
        let present = K::all(self).get(&id.key()).cloned();
        check_if_match(call, id, present.as_ref())?;
        self.check_idle(present.as_ref())?;
        K::check_limits(self, id, &wanted.children)?;
        if let Some(present) = present.as_ref().filter(|present| present.location != wanted.location) {
            let (name, group) = (&id.name, &id.group);
            return Err(error::other_location(name, group, &present.location, &wanted.location));
        }
        self.write_parent(call, present, wanted)
    }

    /// PATCH: the tags and nothing else. ASSUMPTION: answered as a PUT that changes tags only; none was recorded.
    pub(super) fn patch_parent<K: Written>(
        &mut self,
        call: &Call<'_>,
        id: &ResourceId,
    ) -> Result<ApiResponse, ApiError> {
        let present = self.parent::<K>(id)?.clone();
        let body: ParentBody<K::Properties> = route_request::read(&call.request.body)?;
        check_if_match(call, id, Some(&present))?;
        self.check_idle(Some(&present))?;
        Ok(self.write_tags_only::<K>(call, &present.id, body.tags))
    }

    /// The parent as it will be, built from a body, and what else the body says; omitted children are children to be
    /// removed.
    pub(super) fn wanted_parent<K: Written>(
        &mut self,
        id: &ResourceId,
        body: ParentBody<K::Properties>,
    ) -> Result<(Parent<K>, Said), ApiError> {
        let location = normalised(&body.location.ok_or_else(error::location_required)?);
        self.check_location(&location, K::NAMES.kind)?;
        let parts = K::parts(body.properties.unwrap_or_default());
        let mut children: Vec<Arc<K::Child>> = Vec::new();
        for child in parts.children {
            let name = child.name.clone().ok_or_else(|| error::missing_property("name"))?;
            let child = K::child(Spot { world: self, parent: id, location: &location }, &name, child)?;
            K::check_conflict(&child, &children)?;
            children.push(Arc::new(child));
        }
        let made = self.random.uuid();
        let present = K::all(self).get(&id.key());
        let parent = Parent {
            id: present.map_or_else(|| id.clone(), |present| present.id.clone()),
            location,
            tags: body.tags,
            etag: present.map(|present| present.etag.clone()).unwrap_or_default(),
            state: ProvisioningState::Updating,
            children,
            own: parts.own,
            subnets: present.map(|present| present.subnets.clone()).unwrap_or_default(),
            users: present.map(|present| present.users.clone()).unwrap_or_default(),
            operation: None,
            resource_guid: present.map_or(made, |present| present.resource_guid.clone()),
        };
        Ok((parent, Said { subnets: parts.subnets, users: parts.users }))
    }

    fn write_parent<K: Written>(
        &mut self,
        call: &Call<'_>,
        present: Option<Parent<K>>,
        mut wanted: Parent<K>,
    ) -> Result<ApiResponse, ApiError> {
        let id = wanted.id.clone();
        if let Some(present) = &present {
            keep_unchanged(&mut wanted.children, &present.children);
            let is_settled = present.state == ProvisioningState::Succeeded;
            if is_settled && wanted.children == present.children && wanted.own == present.own {
                return Ok(self.write_tags_only::<K>(call, &id, wanted.tags));
            }
        }
        let status = if present.is_some() { 200 } else { 201 };
        wanted.etag = self.random.uuid();
        self.history.record::<K>(call.now, &call.client, &id, &wanted.children);
        K::all_mut(self).insert(id.key(), wanted);
        let operation = self.begin::<K>(call, &id, Change::Put { previous: present.map(Box::new) });
        let mut response = ApiResponse::json(status, &K::view(self.parent::<K>(&id)?, &call.api_version));
        self.tell_operation(&mut response, &operation, false);
        self.set_retry_after(&mut response, K::retry_after(&self.settings.behaviour));
        Ok(response)
    }

    /// Nothing to provision: answered at once, with an operation that is already over and no Retry-After.
    fn write_tags_only<K: Written>(
        &mut self,
        call: &Call<'_>,
        id: &ResourceId,
        tags: Option<BTreeMap<String, String>>,
    ) -> ApiResponse {
        let etag = self.random.uuid();
        let operation = self.accept_nothing::<K>(call, id, K::NAMES.put);
        let parent = K::all_mut(self).get_mut(&id.key()).expect("the caller found it");
        if parent.tags != tags {
            parent.tags = tags;
            parent.etag = etag;
        }
        let mut response = ApiResponse::json(200, &K::view(parent, &call.api_version));
        self.tell_operation(&mut response, &operation, false);
        response
    }

    pub(super) fn delete_parent<K: Written>(
        &mut self,
        call: &Call<'_>,
        id: &ResourceId,
    ) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        let Some(present) = K::all(self).get(&id.key()) else {
            return Ok(ApiResponse::empty(204));
        };
        check_if_match(call, id, Some(present))?;
        self.check_idle(Some(present))?;
        K::check_unused(present)?;
        let etag = self.random.uuid();
        let parent = K::all_mut(self).get_mut(&id.key()).expect("found above");
        parent.state = ProvisioningState::Deleting;
        parent.etag = etag;
        let operation = self.begin::<K>(call, id, Change::Delete);
        Ok(self.accepted_deletion::<K>(&operation))
    }

    pub(super) fn put_child<K: Written>(
        &mut self,
        call: &Call<'_>,
        id: &ResourceId,
        name: &str,
    ) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        let Some(parent) = K::all(self).get(&id.key()) else {
            return Err(error::parent_not_found(id, K::NAMES.children));
        };
        let body: ChildBody<K::ChildProperties> = route_request::read(&call.request.body)?;
        let present = parent.child(name).cloned();
        let spelled = present.as_ref().map_or(name, |present| present.name());
        let wanted = K::child(Spot { world: self, parent: &parent.id, location: &parent.location }, spelled, body)?;
        self.check_idle(Some(parent))?;
        let others = parent.others(name);
        K::check_conflict(&wanted, &others)?;
        let is_as_wanted = |present: &&Arc<K::Child>| {
            present.state() == ProvisioningState::Succeeded && present.asks_for_the_same(&wanted)
        };
        if let Some(present) = present.as_ref().filter(is_as_wanted) {
            // ASSUMPTION: as for the whole; no PUT of an unchanged child was recorded.
            let mut response = ApiResponse::json(200, &K::child_view(parent, present));
            let operation = self.accept_nothing::<K>(call, id, K::NAMES.put_child);
            self.tell_operation(&mut response, &operation, false);
            return Ok(response);
        }
        let all: Vec<Arc<K::Child>> = others.into_iter().chain([Arc::new(wanted.clone())]).collect();
        K::check_limits(self, id, &all)?;
        let status = if present.is_some() { 200 } else { 201 };
        let spelled = wanted.name().to_owned();
        self.write::<K>(call, id, |parent| parent.set_child(Arc::new(wanted)));
        let operation = self.begin::<K>(call, id, Change::PutChild { name: spelled.clone(), previous: present });
        let parent = self.parent::<K>(id)?;
        let child = parent.child(&spelled).expect("written above");
        let mut response = ApiResponse::json(status, &K::child_view(parent, child));
        self.tell_operation(&mut response, &operation, false);
        self.set_retry_after(&mut response, K::retry_after(&self.settings.behaviour));
        Ok(response)
    }

    pub(super) fn delete_child<K: Written>(
        &mut self,
        call: &Call<'_>,
        id: &ResourceId,
        name: &str,
    ) -> Result<ApiResponse, ApiError> {
        let parent = self.parent::<K>(id)?;
        if parent.child(name).is_none() {
            return Ok(ApiResponse::empty(204));
        }
        self.check_idle(Some(parent))?;
        // ASSUMPTION: a child that is being deleted is shown, as `Deleting`, until the operation ends.
        self.write::<K>(call, id, |parent| parent.set_child_state(name, ProvisioningState::Deleting));
        let operation = self.begin::<K>(call, id, Change::DeleteChild { name: name.to_owned() });
        Ok(self.accepted_deletion::<K>(&operation))
    }

    fn accepted_deletion<K: Written>(&self, operation: &str) -> ApiResponse {
        let mut response = ApiResponse::empty(202);
        self.tell_operation(&mut response, operation, true);
        self.set_retry_after(&mut response, K::retry_after(&self.settings.behaviour));
        response
    }

    /// The first half of a write: the parent changes at once, with a new etag.
    fn write<K: Written>(&mut self, call: &Call<'_>, id: &ResourceId, change: impl FnOnce(&mut Parent<K>)) {
        let etag = self.random.uuid();
        let parent = K::all_mut(self).get_mut(&id.key()).expect("the caller found it");
        change(parent);
        parent.etag = etag;
        // ASSUMPTION: the parent is `Updating` as long as one of its children is.
        parent.state = ProvisioningState::Updating;
        let children = parent.children.clone();
        self.history.record::<K>(call.now, &call.client, id, &children);
    }

    fn begin<K: Written>(&mut self, call: &Call<'_>, id: &ResourceId, change: Change<K>) -> String {
        let name = K::NAMES.operation(&change);
        let (whole, one) = K::latencies(&self.settings.latencies);
        let takes = match change {
            Change::Put { .. } | Change::Delete => whole,
            Change::PutChild { .. } | Change::DeleteChild { .. } => one,
        };
        let operation = self.accept_work::<K>(call, id, name, takes, K::work(id.clone(), change));
        if let Some(parent) = K::all_mut(self).get_mut(&id.key()) {
            parent.operation = Some(operation.clone());
        }
        operation
    }

    /// Nothing changes but the etag, and nobody else can write until the operation is over.
    pub(super) fn hold_parent<K: Written>(&mut self, call: &Call<'_>, id: &ResourceId, name: &str) -> Option<String> {
        let previous = K::all(self).get(&id.key()).filter(|parent| parent.operation.is_none())?;
        let change = Change::Put { previous: Some(Box::new(previous.clone())) };
        let name = K::NAMES.operations().into_iter().find(|known| *known == name).unwrap_or(K::NAMES.put);
        let (_, takes) = K::latencies(&self.settings.latencies);
        let operation = self.accept_work::<K>(call, id, name, takes, K::work(id.clone(), change));
        K::all_mut(self).get_mut(&id.key())?.operation = Some(operation.clone());
        Some(operation)
    }

    fn accept_nothing<K: Written>(&mut self, call: &Call<'_>, id: &ResourceId, name: &'static str) -> String {
        self.accept_work::<K>(call, id, name, Span::default(), Work::Nothing)
    }

    fn accept_work<K: Written>(
        &mut self,
        call: &Call<'_>,
        id: &ResourceId,
        name: &'static str,
        takes: Span,
        work: Work,
    ) -> String {
        let location = K::all(self).get(&id.key()).map(|parent| parent.location.clone()).unwrap_or_default();
        let subscription = id.subscription.clone();
        self.accept(call, Accept { name, place: Place::Network(location), subscription, takes: takes.0, work })
    }

    /// The second half of a write, at the end of its operation.
    pub(super) fn finish_parent<K: Written>(
        &mut self,
        (now, client, operation): (Time, &str, &str),
        id: &ResourceId,
        change: Change<K>,
        ending: Ending,
    ) {
        let etag = self.random.uuid();
        let Some(parent) = K::all_mut(self).get_mut(&id.key()) else {
            return;
        };
        if parent.operation.as_deref() != Some(operation) {
            // The control interface replaced it in the meantime: nothing is left to finish.
            return;
        }
        match (change, ending) {
            (Change::Delete, Ending::Done) | (Change::Put { previous: None }, Ending::Undone) => {
                K::all_mut(self).remove(&id.key());
                self.history.record::<K>(now, client, id, &[]);
                return;
            }
            (Change::Put { previous: Some(previous) }, Ending::Undone) => {
                let subnets = std::mem::take(&mut parent.subnets);
                *parent = Parent { subnets, ..*previous };
            }
            (Change::Put { .. }, Ending::Done) => parent.settle(ProvisioningState::Succeeded),
            (Change::Put { .. }, Ending::LeftFailed) => parent.settle(ProvisioningState::Failed),
            (Change::PutChild { name, .. }, Ending::Done) | (Change::DeleteChild { name }, Ending::Undone) => {
                parent.set_child_state(&name, ProvisioningState::Succeeded);
            }
            (Change::PutChild { name, previous: None }, Ending::Undone)
            | (Change::DeleteChild { name }, Ending::Done) => parent.remove_child(&name),
            (Change::PutChild { previous: Some(previous), .. }, Ending::Undone) => parent.set_child(previous),
            (Change::PutChild { name, .. } | Change::DeleteChild { name }, Ending::LeftFailed) => {
                parent.set_child_state(&name, ProvisioningState::Failed);
            }
            (Change::Delete, Ending::Undone | Ending::LeftFailed) => {}
        }
        parent.etag = etag;
        // ASSUMPTION: a parent is `Failed` as long as one of its children is.
        let is_failed = ending == Ending::LeftFailed || parent.has_failed_child();
        parent.state = if is_failed { ProvisioningState::Failed } else { ProvisioningState::Succeeded };
        parent.operation = None;
        let children = parent.children.clone();
        self.history.record::<K>(now, client, id, &children);
    }

    fn check_idle<K: Written>(&self, parent: Option<&Parent<K>>) -> Result<(), ApiError> {
        match parent.and_then(|parent| Some((parent, parent.operation.as_ref()?))) {
            Some((parent, operation)) => Err(self.locked_by(operation, &parent.id)),
            None => Ok(()),
        }
    }

    pub(super) fn locked_by(&self, operation: &str, id: &ResourceId) -> ApiError {
        let name = self.operations.get(&operation.to_ascii_lowercase()).map(|running| running.name).unwrap_or_default();
        // Drawn from the operation and not from the sequence, so that a refusal does not disturb what follows.
        let (first, last) = self.settings.limits.lock_retry_after;
        let seconds = self.drawn(operation, self.log.len(), first, last);
        error::locked_by_operation(name, operation, id, seconds)
    }
}

/// Children that a PUT of the whole repeats keep their place in time: they are not `Updating`.
fn keep_unchanged<C: Child>(wanted: &mut [Arc<C>], present: &[Arc<C>]) {
    for child in wanted {
        let same = present.iter().find(|other| other.name() == child.name() && other.asks_for_the_same(child));
        if let Some(same) = same {
            *child = Arc::clone(same);
        }
    }
}

fn check_if_match<K: Written>(call: &Call<'_>, id: &ResourceId, present: Option<&Parent<K>>) -> Result<(), ApiError> {
    let Some(given) = call.request.header("if-match").filter(|given| *given != "*") else {
        return Ok(());
    };
    // Compared weakly; the recorded refusal quotes even `invalid` as a weak etag.
    let bare = given.trim_start_matches("W/").trim_matches('"');
    let etag = present.map(|present| present.etag.as_str()).unwrap_or_default();
    if bare == etag && present.is_some() {
        return Ok(());
    }
    Err(error::etag_mismatch(&format!("W/\"{bare}\""), &format!("W/\"{etag}\""), &id.to_string()))
}
