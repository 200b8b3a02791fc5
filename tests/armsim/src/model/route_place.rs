//! Route tables and routes that appear and vanish at once, without an operation: from the world file, and through the
//! control interface behind everyone's back.

use super::{
    arm_id::ResourceId,
    error::{self, ApiError},
    route_request::{self, RouteBody, TableBody},
    route_table::{ProvisioningState, Route},
    route_write::check_conflict,
    time::Time,
    world::World,
};
use std::sync::Arc;

impl World {
    /// Replaces or creates a table at once and behind everyone's back.
    pub(super) fn place_route_table(
        &mut self,
        now: Time,
        client: &str,
        id: &ResourceId,
        body: TableBody,
    ) -> Result<(), ApiError> {
        route_request::check_name(&id.name)?;
        let subnets = body.properties.as_ref().and_then(|properties| properties.subnets.as_ref());
        let subnets = subnets.map(|subnets| subnets.iter().map(|subnet| subnet.id.clone()).collect());
        let mut table = self.wanted_table(id, body)?;
        table.subnets = subnets.unwrap_or(table.subnets);
        table.etag = self.random.uuid();
        table.state = ProvisioningState::Succeeded;
        table.settle();
        self.place_group(&id.subscription, &id.group, &table.location);
        self.history.record(now, client, id, &table.routes);
        self.route_tables.insert(id.key(), table);
        Ok(())
    }

    pub(super) fn place_route(
        &mut self,
        now: Time,
        client: &str,
        id: &ResourceId,
        name: &str,
        body: RouteBody,
    ) -> Result<(), ApiError> {
        let route = Route { state: ProvisioningState::Succeeded, ..body.route(id, name)? };
        let etag = self.random.uuid();
        let table = self.route_tables.get_mut(&id.key()).ok_or_else(|| error::resource_not_found(id))?;
        let others: Vec<_> =
            table.routes.iter().filter(|other| !other.name.eq_ignore_ascii_case(name)).cloned().collect();
        check_conflict(&route, &others)?;
        table.set_route(Arc::new(route));
        table.etag = etag;
        self.history.record(now, client, id, &table.routes);
        Ok(())
    }

    /// Removes a table, or one of its routes, at once and behind everyone's back; whether there was one.
    pub(super) fn displace(&mut self, now: Time, client: &str, id: &ResourceId, route: Option<&str>) -> bool {
        let etag = self.random.uuid();
        let Some(table) = self.route_tables.get_mut(&id.key()) else {
            return false;
        };
        let Some(route) = route else {
            self.route_tables.remove(&id.key());
            self.history.record(now, client, id, &[]);
            return true;
        };
        if table.route(route).is_none() {
            return false;
        }
        table.remove_route(route);
        table.etag = etag;
        self.history.record(now, client, id, &table.routes);
        true
    }
}
