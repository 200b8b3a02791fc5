//! What the control interface and builders do to a world: place and remove resources behind everyone's back. No rule of
//! ARM about who may do so is applied; the rules about the form of resources are.

use super::{
    arm_id::ArmPath,
    error::{self, ApiError},
    http::ApiResponse,
    resource_group::GroupBody,
    route_request::{self, RouteBody, TableBody},
    time::Time,
    world::World,
};
use serde_json::{Value, json};

/// Under which name such changes stand in a history.
const CLIENT: &str = "control";
/// The newest shape of a resource.
const API_VERSION: &str = "2025-05-01";

impl World {
    /// Replaces or creates the resource that `resource.id` names, at once. A resource group that is missing is made.
    pub fn put_resource(&mut self, now: Time, resource: &Value) -> Result<(), ApiError> {
        self.advance(now);
        self.place(now, CLIENT, resource)
    }

    pub(super) fn place(&mut self, now: Time, client: &str, resource: &Value) -> Result<(), ApiError> {
        let id = resource.get("id").and_then(Value::as_str).ok_or_else(|| error::missing_property("id"))?;
        let body = resource.to_string();
        match ArmPath::parse(id) {
            ArmPath::Subscription { subscription } => {
                self.place_subscription(&subscription);
                Ok(())
            }
            ArmPath::ResourceGroup { subscription, group } => {
                let body: GroupBody = route_request::read(body.as_bytes())?;
                self.place_group(&subscription, &group, "eastus");
                self.set_group_tags(&subscription, &group, body);
                Ok(())
            }
            ArmPath::RouteTable(id) => {
                let body: TableBody = route_request::read(body.as_bytes())?;
                self.place_route_table(now, client, &id, body)
            }
            ArmPath::Route(id, name) => {
                let body: RouteBody = route_request::read(body.as_bytes())?;
                self.place_route(now, client, &id, &name, body)
            }
            _ => Err(error::unknown_path(id)),
        }
    }

    /// Removes a table or a route at once; whether there was one.
    pub fn delete_resource(&mut self, now: Time, id: &str) -> bool {
        self.advance(now);
        match Self::table_id(id) {
            Some((id, route)) => self.displace(now, CLIENT, &id, route.as_deref()),
            None => false,
        }
    }

    /// A resource as a GET would answer it, without a token, a lock or an entry in the log.
    pub fn get_resource(&mut self, now: Time, id: &str) -> Result<ApiResponse, ApiError> {
        self.advance(now);
        match ArmPath::parse(id) {
            ArmPath::ResourceGroup { subscription, group } => self.get_group(&subscription, &group),
            ArmPath::RouteTable(id) => Ok(ApiResponse::json(200, &self.table(&id)?.view(API_VERSION))),
            ArmPath::Route(id, name) => self.get_route(&id, &name),
            _ => Err(error::unknown_path(id)),
        }
    }

    /// For tests: a resource group, and its subscription.
    #[must_use]
    pub fn with_resource_group(mut self, subscription: &str, group: &str, location: &str) -> Self {
        self.place_group(subscription, group, location);
        self
    }

    /// For tests: a table with routes as `(name, prefix, next hop type, next hop address)`.
    ///
    /// # Panics
    /// If Azure could not hold such a table.
    #[must_use]
    pub fn with_route_table(mut self, id: &str, location: &str, routes: &[(&str, &str, &str, Option<&str>)]) -> Self {
        let route = |(name, prefix, hop, address): &(&str, &str, &str, Option<&str>)| json!({"name": name, "properties": {"addressPrefix": prefix, "nextHopType": hop, "nextHopIpAddress": address}});
        let routes: Vec<Value> = routes.iter().map(route).collect();
        let table = json!({"id": id, "location": location, "properties": {"routes": routes}});
        if let Err(error) = self.place(Time::default(), "world", &table) {
            panic!("the table {id} cannot be placed: {error:?}");
        }
        self
    }
}
