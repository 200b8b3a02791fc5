//! Requests about route tables and routes: one resource with one etag, written by one operation at a time. The rules for
//! one body are in `route_request`.

use super::{
    arm_id::ResourceId,
    error::{self, ApiError},
    http::ApiResponse,
    locations::normalised,
    operation::{Accept, Place, Work},
    route_request::{self, Prefix, RouteBody, TableBody},
    route_table::{Change, List, ProvisioningState, Route, RouteTable, Shape},
    settings::Span,
    time::Time,
    world::{Call, World},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

impl World {
    pub(super) fn table(&self, id: &ResourceId) -> Result<&RouteTable, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        self.route_tables.get(&id.key()).ok_or_else(|| error::resource_not_found(id))
    }

    pub(super) fn get_route_table(&self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        let table = self.table(id)?;
        Ok(ApiResponse::json(200, &table.view(Shape::at(&call.api_version)))
            .with_header("etag", format!("W/\"{}\"", table.etag)))
    }

    pub(super) fn list_route_tables(
        &self,
        call: &Call<'_>,
        subscription: &str,
        group: Option<&str>,
    ) -> Result<ApiResponse, ApiError> {
        if let Some(group) = group {
            self.require_group(subscription, group)?;
        }
        let is_listed = |table: &&RouteTable| {
            table.id.subscription.eq_ignore_ascii_case(subscription)
                && group.is_none_or(|group| table.id.group.eq_ignore_ascii_case(group))
        };
        let tables = self.route_tables.values().filter(is_listed);
        Ok(ApiResponse::json(
            200,
            &List { value: tables.map(|table| table.view(Shape::at(&call.api_version))).collect() },
        ))
    }

    pub(super) fn list_routes(&self, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        let table = self.table(id)?;
        Ok(ApiResponse::json(200, &List { value: table.routes.iter().map(|route| table.route_view(route)).collect() }))
    }

    pub(super) fn get_route(&self, id: &ResourceId, name: &str) -> Result<ApiResponse, ApiError> {
        let table = self.table(id)?;
        let route = table.route(name).ok_or_else(|| error::child_not_found(&format!("{id}/routes/{name}")))?;
        Ok(ApiResponse::json(200, &table.route_view(route)).with_header("etag", format!("W/\"{}\"", table.etag)))
    }

    pub(super) fn put_route_table(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        route_request::check_name(&id.name)?;
        let body: TableBody = route_request::read(&call.request.body)?;
        let wanted = self.wanted_table(id, body)?;
        let present = self.route_tables.get(&id.key()).cloned();
        check_if_match(call, id, present.as_ref())?;
        self.check_idle(present.as_ref())?;
        self.check_limits(&wanted.routes)?;
        if let Some(present) = present.as_ref().filter(|present| present.location != wanted.location) {
            let (name, group) = (&id.name, &id.group);
            return Err(error::other_location(name, group, &present.location, &wanted.location));
        }
        self.write_table(call, present, wanted)
    }

    /// PATCH: the tags and nothing else. ASSUMPTION: answered as a PUT that changes tags only; none was recorded.
    pub(super) fn patch_route_table(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        let present = self.table(id)?.clone();
        let body: TableBody = route_request::read(&call.request.body)?;
        check_if_match(call, id, Some(&present))?;
        self.check_idle(Some(&present))?;
        let wanted = RouteTable { tags: body.tags, ..present.clone() };
        self.write_table(call, Some(present), wanted)
    }

    /// The table as it will be, built from a body; omitted routes are routes to be removed.
    pub(super) fn wanted_table(&mut self, id: &ResourceId, body: TableBody) -> Result<RouteTable, ApiError> {
        let location = normalised(&body.location.ok_or_else(error::location_required)?);
        self.check_location(&location, "Microsoft.Network/routeTables")?;
        let properties = body.properties.unwrap_or_default();
        let mut routes: Vec<Arc<Route>> = Vec::new();
        for route in properties.routes.unwrap_or_default() {
            let name = route.name.clone().ok_or_else(|| error::missing_property("name"))?;
            let route = route.route(id, &name)?;
            check_conflict(&route, &routes)?;
            routes.push(Arc::new(route));
        }
        let present = self.route_tables.get(&id.key());
        Ok(RouteTable {
            id: present.map_or_else(|| id.clone(), |present| present.id.clone()),
            location,
            tags: body.tags,
            etag: present.map(|present| present.etag.clone()).unwrap_or_default(),
            state: ProvisioningState::Updating,
            routes,
            disable_bgp_route_propagation: properties.disable_bgp_route_propagation.unwrap_or(false),
            disable_peering_route: properties.disable_peering_route.unwrap_or_else(|| "None".to_owned()),
            subnets: present.map(|present| present.subnets.clone()).unwrap_or_default(),
            operation: None,
            resource_guid: match present {
                Some(present) => present.resource_guid.clone(),
                None => self.random.uuid(),
            },
        })
    }

    fn write_table(
        &mut self,
        call: &Call<'_>,
        present: Option<RouteTable>,
        mut wanted: RouteTable,
    ) -> Result<ApiResponse, ApiError> {
        let id = wanted.id.clone();
        if let Some(present) = &present {
            keep_unchanged_routes(&mut wanted.routes, &present.routes);
            let same_routes = wanted.routes == present.routes;
            let same = same_routes
                && wanted.disable_bgp_route_propagation == present.disable_bgp_route_propagation
                && wanted.disable_peering_route == present.disable_peering_route;
            if same {
                return Ok(self.write_tags_only(call, &id, wanted.tags));
            }
        }
        let status = if present.is_some() { 200 } else { 201 };
        wanted.etag = self.random.uuid();
        self.history.record(call.now, &call.client, &id, &wanted.routes);
        self.route_tables.insert(id.key(), wanted);
        let operation = self.begin(call, &id, Change::PutTable { previous: present.map(Box::new) });
        let mut response = ApiResponse::json(status, &self.table(&id)?.view(Shape::at(&call.api_version)));
        self.tell_operation(&mut response, &operation, false);
        self.set_retry_after(&mut response, self.settings.behaviour.operation_retry_after);
        Ok(response)
    }

    /// Nothing to provision: answered `Succeeded`, with an operation that is already over and no Retry-After.
    fn write_tags_only(
        &mut self,
        call: &Call<'_>,
        id: &ResourceId,
        tags: Option<BTreeMap<String, String>>,
    ) -> ApiResponse {
        let etag = self.random.uuid();
        let operation = self.accept_nothing(call, id, "PutRouteTableOperation");
        let shape = Shape::at(&call.api_version);
        let table = self.route_tables.get_mut(&id.key()).expect("the caller found the table");
        if table.tags != tags {
            table.tags = tags;
            table.etag = etag;
        }
        let mut response = ApiResponse::json(200, &table.view(shape));
        self.tell_operation(&mut response, &operation, false);
        response
    }

    pub(super) fn delete_route_table(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        let Some(present) = self.route_tables.get(&id.key()) else {
            return Ok(ApiResponse::empty(204));
        };
        check_if_match(call, id, Some(present))?;
        self.check_idle(Some(present))?;
        if let Some(subnet) = present.subnets.first() {
            return Err(error::table_in_use(id, subnet));
        }
        let etag = self.random.uuid();
        let table = self.route_tables.get_mut(&id.key()).expect("found above");
        table.state = ProvisioningState::Deleting;
        table.etag = etag;
        let operation = self.begin(call, id, Change::DeleteTable);
        Ok(self.accepted_deletion(&operation))
    }

    pub(super) fn put_route(&mut self, call: &Call<'_>, id: &ResourceId, name: &str) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        let Some(table) = self.route_tables.get(&id.key()) else {
            return Err(error::parent_not_found(id, "routes"));
        };
        let body: RouteBody = route_request::read(&call.request.body)?;
        let present = table.route(name).cloned();
        let spelled = present.as_ref().map_or(name, |present| present.name.as_str());
        let wanted = body.route(&table.id, spelled)?;
        self.check_idle(Some(table))?;
        let others: Vec<Arc<Route>> =
            table.routes.iter().filter(|other| !other.name.eq_ignore_ascii_case(name)).cloned().collect();
        check_conflict(&wanted, &others)?;
        if let Some(present) = present.as_ref().filter(|present| present.asks_for_the_same(&wanted)) {
            // ASSUMPTION: as for a table; no PUT of an unchanged route was recorded.
            let mut response = ApiResponse::json(200, &table.route_view(present));
            let operation = self.accept_nothing(call, id, "PutRouteOperation");
            self.tell_operation(&mut response, &operation, false);
            return Ok(response);
        }
        let all: Vec<Arc<Route>> = others.into_iter().chain([Arc::new(wanted.clone())]).collect();
        self.check_limits(&all)?;
        let status = if present.is_some() { 200 } else { 201 };
        let spelled = wanted.name.clone();
        self.write(call, id, |table| table.set_route(Arc::new(wanted)));
        let operation = self.begin(call, id, Change::PutRoute { name: spelled.clone(), previous: present });
        let table = self.table(id)?;
        let route = table.route(&spelled).expect("written above");
        let mut response = ApiResponse::json(status, &table.route_view(route));
        self.tell_operation(&mut response, &operation, false);
        self.set_retry_after(&mut response, self.settings.behaviour.operation_retry_after);
        Ok(response)
    }

    pub(super) fn delete_route(
        &mut self,
        call: &Call<'_>,
        id: &ResourceId,
        name: &str,
    ) -> Result<ApiResponse, ApiError> {
        let table = self.table(id)?;
        if table.route(name).is_none() {
            return Ok(ApiResponse::empty(204));
        }
        self.check_idle(Some(table))?;
        // ASSUMPTION: a route that is being deleted is shown, as `Deleting`, until the operation ends.
        self.write(call, id, |table| table.set_state(name, ProvisioningState::Deleting));
        let operation = self.begin(call, id, Change::DeleteRoute { name: name.to_owned() });
        Ok(self.accepted_deletion(&operation))
    }

    fn accepted_deletion(&self, operation: &str) -> ApiResponse {
        let mut response = ApiResponse::empty(202);
        self.tell_operation(&mut response, operation, true);
        self.set_retry_after(&mut response, self.settings.behaviour.operation_retry_after);
        response
    }

    /// The first half of a write: the table changes at once, with a new etag.
    fn write(&mut self, call: &Call<'_>, id: &ResourceId, change: impl FnOnce(&mut RouteTable)) {
        let etag = self.random.uuid();
        let table = self.route_tables.get_mut(&id.key()).expect("the caller found the table");
        change(table);
        table.etag = etag;
        // ASSUMPTION: the table is `Updating` as long as one of its routes is.
        table.state = ProvisioningState::Updating;
        self.history.record(call.now, &call.client, id, &table.routes);
    }

    fn begin(&mut self, call: &Call<'_>, id: &ResourceId, change: Change) -> String {
        let name = change.operation_name();
        let takes = match change {
            Change::PutTable { .. } | Change::DeleteTable => self.settings.latencies.route_table,
            Change::PutRoute { .. } | Change::DeleteRoute { .. } => self.settings.latencies.route,
        };
        let operation = self.accept_work(call, id, name, takes, Work::RouteTable(id.clone(), change));
        if let Some(table) = self.route_tables.get_mut(&id.key()) {
            table.operation = Some(operation.clone());
        }
        operation
    }

    /// Nothing changes but the etag, and nobody else can write until the operation is over.
    pub(super) fn hold_route_table(&mut self, call: &Call<'_>, id: &ResourceId, name: &str) -> Option<String> {
        let previous = self.route_tables.get(&id.key()).filter(|table| table.operation.is_none())?;
        let change = Change::PutTable { previous: Some(Box::new(previous.clone())) };
        let known =
            ["PutRouteOperation", "DeleteRouteOperation", "PutRouteTableOperation", "DeleteRouteTableOperation"];
        let name = known.into_iter().find(|known| *known == name).unwrap_or("PutRouteTableOperation");
        let takes = self.settings.latencies.route;
        let operation = self.accept_work(call, id, name, takes, Work::RouteTable(id.clone(), change));
        self.route_tables.get_mut(&id.key())?.operation = Some(operation.clone());
        Some(operation)
    }

    fn accept_nothing(&mut self, call: &Call<'_>, id: &ResourceId, name: &'static str) -> String {
        self.accept_work(call, id, name, Span::default(), Work::Nothing)
    }

    fn accept_work(&mut self, call: &Call<'_>, id: &ResourceId, name: &'static str, takes: Span, work: Work) -> String {
        let location = self.route_tables.get(&id.key()).map(|table| table.location.clone()).unwrap_or_default();
        let subscription = id.subscription.clone();
        self.accept(call, Accept { name, place: Place::Network(location), subscription, takes: takes.0, work })
    }

    /// The second half of a write, at the end of its operation: it holds, or it is undone.
    pub(super) fn finish_route_table(
        &mut self,
        now: Time,
        client: &str,
        operation: &str,
        id: &ResourceId,
        change: Change,
        succeeded: bool,
    ) {
        let etag = self.random.uuid();
        let Some(table) = self.route_tables.get_mut(&id.key()) else {
            return;
        };
        if table.operation.as_deref() != Some(operation) {
            // The control interface replaced the table in the meantime: nothing is left to finish.
            return;
        }
        match (change, succeeded) {
            (Change::DeleteTable, true) | (Change::PutTable { previous: None }, false) => {
                self.route_tables.remove(&id.key());
                self.history.record(now, client, id, &[]);
                return;
            }
            (Change::PutTable { previous: Some(previous) }, false) => {
                let subnets = std::mem::take(&mut table.subnets);
                *table = RouteTable { subnets, ..*previous };
            }
            (Change::PutTable { .. }, true) => table.settle(),
            (Change::PutRoute { name, .. }, true) | (Change::DeleteRoute { name }, false) => {
                table.set_state(&name, ProvisioningState::Succeeded);
            }
            (Change::PutRoute { name, previous: None }, false) | (Change::DeleteRoute { name }, true) => {
                table.remove_route(&name);
            }
            (Change::PutRoute { previous: Some(previous), .. }, false) => table.set_route(previous),
            (Change::DeleteTable, false) => {}
        }
        table.etag = etag;
        table.state = ProvisioningState::Succeeded;
        table.operation = None;
        self.history.record(now, client, id, &table.routes);
    }

    fn check_idle(&self, table: Option<&RouteTable>) -> Result<(), ApiError> {
        match table.and_then(|table| Some((table, table.operation.as_ref()?))) {
            Some((table, operation)) => Err(self.locked_by(operation, &table.id)),
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

    fn check_limits(&self, routes: &[Arc<Route>]) -> Result<(), ApiError> {
        let count = |routes: usize| u64::try_from(routes).unwrap_or(u64::MAX);
        let limits = &self.settings.limits;
        let limit = limits.routes_per_route_table.unwrap_or_else(|| self.usage_limit("RoutesPerRouteTable"));
        if count(routes.len()) > limit {
            return Err(error::route_limit(limit));
        }
        let limit = limits
            .routes_with_service_tag_per_route_table
            .unwrap_or_else(|| self.usage_limit("RoutesWithServiceTagPerRouteTable"));
        let tags = routes.iter().filter(|route| matches!(route.prefix, Prefix::ServiceTag(_))).count();
        if count(tags) > limit { Err(error::service_tag_route_limit(limit)) } else { Ok(()) }
    }
}

/// Routes that a PUT of the whole table repeats keep their place in time: they are not `Updating`.
fn keep_unchanged_routes(wanted: &mut [Arc<Route>], present: &[Arc<Route>]) {
    for route in wanted {
        let same = present.iter().find(|other| other.name == route.name && other.asks_for_the_same(route));
        if let Some(same) = same {
            *route = Arc::clone(same);
        }
    }
}

pub(super) fn check_conflict(route: &Route, others: &[Arc<Route>]) -> Result<(), ApiError> {
    let mut names = BTreeSet::from([route.name.to_ascii_lowercase()]);
    for other in others {
        if other.prefix == route.prefix || !names.insert(other.name.to_ascii_lowercase()) {
            return Err(error::route_conflict(&route.name, &other.name));
        }
    }
    Ok(())
}

fn check_if_match(call: &Call<'_>, id: &ResourceId, present: Option<&RouteTable>) -> Result<(), ApiError> {
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
