//! Route tables, network security groups and their children that appear and vanish at once, without an operation: from
//! the world file, and through the control interface behind everyone's back.

use super::{
    arm_id::ResourceId,
    error::{self, ApiError},
    parent::{Child, ChildBody, ParentBody, ProvisioningState, Spot, Written},
    route_request,
    time::Time,
    world::World,
};
use std::sync::Arc;

impl World {
    /// Replaces or creates a parent at once and behind everyone's back.
    pub(super) fn place_parent<K: Written>(
        &mut self,
        now: Time,
        client: &str,
        id: &ResourceId,
        body: ParentBody<K::Properties>,
    ) -> Result<(), ApiError> {
        route_request::check_name(&id.name)?;
        let (mut parent, said) = self.wanted_parent::<K>(id, body)?;
        parent.users = said.users;
        if let Some(subnets) = said.subnets {
            parent.subnets = subnets.into_iter().map(|subnet| subnet.id).collect();
        }
        parent.etag = self.random.uuid();
        parent.state = ProvisioningState::Succeeded;
        parent.settle(ProvisioningState::Succeeded);
        self.place_group(&id.subscription, &id.group, &parent.location);
        self.history.record::<K>(now, client, id, &parent.children);
        K::all_mut(self).insert(id.key(), parent);
        Ok(())
    }

    pub(super) fn place_child<K: Written>(
        &mut self,
        now: Time,
        client: &str,
        id: &ResourceId,
        name: &str,
        body: ChildBody<K::ChildProperties>,
    ) -> Result<(), ApiError> {
        let etag = self.random.uuid();
        let parent = K::all(self).get(&id.key()).ok_or_else(|| error::resource_not_found(id))?;
        let spot = Spot { world: self, parent: id, location: &parent.location };
        let mut child = K::child(spot, name, body)?;
        child.set_state(ProvisioningState::Succeeded);
        K::check_conflict(&child, &parent.others(name))?;
        let parent = K::all_mut(self).get_mut(&id.key()).ok_or_else(|| error::resource_not_found(id))?;
        parent.set_child(Arc::new(child));
        parent.etag = etag;
        let children = parent.children.clone();
        self.history.record::<K>(now, client, id, &children);
        Ok(())
    }

    /// Removes a parent, or one of its children, at once and behind everyone's back; whether there was one.
    pub(super) fn displace<K: Written>(
        &mut self,
        now: Time,
        client: &str,
        id: &ResourceId,
        child: Option<&str>,
    ) -> bool {
        let etag = self.random.uuid();
        let Some(parent) = K::all_mut(self).get_mut(&id.key()) else {
            return false;
        };
        let Some(child) = child else {
            K::all_mut(self).remove(&id.key());
            self.history.record::<K>(now, client, id, &[]);
            return true;
        };
        if parent.child(child).is_none() {
            return false;
        }
        parent.remove_child(child);
        parent.etag = etag;
        let children = parent.children.clone();
        self.history.record::<K>(now, client, id, &children);
        true
    }

    /// All of a kind in a resource group.
    pub(super) fn displace_group<K: Written>(&mut self, now: Time, client: &str, group: &str) {
        let all = K::all(self).values().filter(|parent| parent.id.group_key() == group);
        let ids: Vec<ResourceId> = all.map(|parent| parent.id.clone()).collect();
        for id in ids {
            self.displace::<K>(now, client, &id, None);
        }
    }
}
