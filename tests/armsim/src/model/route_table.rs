//! Route tables and their routes: what they hold, and how they are answered. Values only: what requests do to them is
//! in `route_write`.

use super::{arm_id::ResourceId, route_request::Prefix};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// The first api-version whose tables show `disablePeeringRoute`. ASSUMPTION: so do all later ones (recorded for 2025-03-01
/// in 2026; an older recording of 2025-05-01 does not have it yet, see `Behaviour`).
const SHOWS_PEERING_ROUTE: &str = "2025-03-01";

/// Which of the properties that came later are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) peering_route: bool,
}

impl Shape {
    pub(super) fn at(api_version: &str) -> Self {
        Self { peering_route: api_version >= SHOWS_PEERING_ROUTE }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProvisioningState {
    Succeeded,
    Updating,
    Deleting,
    Failed,
}

impl fmt::Display for ProvisioningState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub name: String,
    /// As it was written.
    pub address_prefix: String,
    pub prefix: Prefix,
    pub next_hop_type: String,
    pub next_hop_ip_address: Option<String>,
    pub state: ProvisioningState,
}

impl Route {
    pub(super) fn asks_for_the_same(&self, other: &Self) -> bool {
        self.address_prefix == other.address_prefix
            && self.next_hop_type == other.next_hop_type
            && self.next_hop_ip_address == other.next_hop_ip_address
    }
}

#[derive(Clone, Debug)]
pub struct RouteTable {
    pub id: ResourceId,
    pub location: String,
    pub tags: Option<BTreeMap<String, String>>,
    pub etag: String,
    pub state: ProvisioningState,
    pub routes: Vec<Arc<Route>>,
    pub(super) resource_guid: String,
    pub(super) disable_bgp_route_propagation: bool,
    pub(super) disable_peering_route: String,
    pub(super) subnets: Vec<String>,
    /// The running operation.
    pub(super) operation: Option<String>,
}

/// What an operation does to a table when it ends, and what to return to when it fails.
#[derive(Clone, Debug)]
pub(super) enum Change {
    PutTable { previous: Option<Box<RouteTable>> },
    DeleteTable,
    PutRoute { name: String, previous: Option<Arc<Route>> },
    DeleteRoute { name: String },
}

impl Change {
    /// As recorded for routes. ASSUMPTION: those of the table follow the same pattern.
    pub(super) fn operation_name(&self) -> &'static str {
        match self {
            Self::PutTable { .. } => "PutRouteTableOperation",
            Self::DeleteTable => "DeleteRouteTableOperation",
            Self::PutRoute { .. } => "PutRouteOperation",
            Self::DeleteRoute { .. } => "DeleteRouteOperation",
        }
    }
}

impl RouteTable {
    pub(super) fn position(&self, route: &str) -> Option<usize> {
        self.routes.iter().position(|present| present.name.eq_ignore_ascii_case(route))
    }

    pub(super) fn route(&self, name: &str) -> Option<&Arc<Route>> {
        self.position(name).map(|at| &self.routes[at])
    }

    pub(super) fn set_route(&mut self, route: Arc<Route>) {
        match self.position(&route.name) {
            Some(at) => self.routes[at] = route,
            None => self.routes.push(route),
        }
    }

    pub(super) fn remove_route(&mut self, name: &str) {
        self.routes.retain(|route| !route.name.eq_ignore_ascii_case(name));
    }

    pub(super) fn set_state(&mut self, name: &str, state: ProvisioningState) {
        if let Some(at) = self.position(name) {
            Arc::make_mut(&mut self.routes[at]).state = state;
        }
    }

    pub(super) fn settle(&mut self) {
        for route in self.routes.iter_mut().filter(|route| route.state != ProvisioningState::Succeeded) {
            Arc::make_mut(route).state = ProvisioningState::Succeeded;
        }
    }
}

#[derive(Serialize)]
pub(super) struct List<T> {
    pub(super) value: Vec<T>,
}

/// A table as it is answered. The order of the fields is that of the recordings.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TableView<'a> {
    name: &'a str,
    id: String,
    etag: String,
    r#type: &'static str,
    location: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a BTreeMap<String, String>>,
    properties: TablePropertiesView<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TablePropertiesView<'a> {
    provisioning_state: String,
    resource_guid: &'a str,
    disable_bgp_route_propagation: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_peering_route: Option<&'a str>,
    routes: Vec<RouteView<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subnets: Vec<SubnetView<'a>>,
}

#[derive(Serialize)]
struct SubnetView<'a> {
    id: &'a str,
}

#[derive(Serialize)]
pub(super) struct RouteView<'a> {
    name: &'a str,
    id: String,
    etag: String,
    properties: RoutePropertiesView<'a>,
    r#type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoutePropertiesView<'a> {
    provisioning_state: String,
    address_prefix: &'a str,
    next_hop_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_hop_ip_address: Option<&'a str>,
    has_bgp_override: bool,
}

impl RouteTable {
    pub(super) fn view(&self, shape: Shape) -> impl Serialize + use<'_> {
        TableView {
            name: &self.id.name,
            id: self.id.to_string(),
            etag: format!("W/\"{}\"", self.etag),
            r#type: "Microsoft.Network/routeTables",
            location: &self.location,
            tags: self.tags.as_ref(),
            properties: TablePropertiesView {
                provisioning_state: self.state.to_string(),
                resource_guid: &self.resource_guid,
                disable_bgp_route_propagation: self.disable_bgp_route_propagation,
                disable_peering_route: shape.peering_route.then_some(self.disable_peering_route.as_str()),
                routes: self.routes.iter().map(|route| self.route_view(route)).collect(),
                subnets: self.subnets.iter().map(|id| SubnetView { id }).collect(),
            },
        }
    }

    pub(super) fn route_view<'a>(&self, route: &'a Route) -> RouteView<'a> {
        RouteView {
            name: &route.name,
            id: format!("{}/routes/{}", self.id, route.name),
            etag: format!("W/\"{}\"", self.etag),
            properties: RoutePropertiesView {
                provisioning_state: route.state.to_string(),
                address_prefix: &route.address_prefix,
                next_hop_type: &route.next_hop_type,
                next_hop_ip_address: route.next_hop_ip_address.as_deref(),
                has_bgp_override: false,
            },
            r#type: "Microsoft.Network/routeTables/routes",
        }
    }
}
