//! Route tables and their routes: what they hold, what they must not hold, and how they are answered. What requests do
//! to them is in `parent_write`, what is wrong with one body in `route_request`.

use super::{
    arm_id::ResourceId,
    error::{self, ApiError},
    history::{History, States},
    operation::Work,
    parent::{Change, Child, ChildBody, Kind, Names, Parent, Parts, Spot, SubnetView, Written},
    route_request::{self, Prefix, RouteProperties, TableProperties},
    settings::{Behaviour, Latencies, Span},
    world::World,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use super::parent::ProvisioningState;

/// The first api-version whose tables show `disablePeeringRoute`. ASSUMPTION: so do all later ones (recorded for 2025-03-01
/// in 2026; an older recording of 2025-05-01 does not have it yet, see `Behaviour`).
const SHOWS_PEERING_ROUTE: &str = "2025-03-01";

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

impl Child for Route {
    fn name(&self) -> &str {
        &self.name
    }

    fn state(&self) -> ProvisioningState {
        self.state
    }

    fn set_state(&mut self, state: ProvisioningState) {
        self.state = state;
    }

    fn asks_for_the_same(&self, other: &Self) -> bool {
        self.address_prefix == other.address_prefix
            && self.next_hop_type == other.next_hop_type
            && self.next_hop_ip_address == other.next_hop_ip_address
    }
}

pub type RouteTable = Parent<TableKind>;

/// What a route table has of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableKind {
    pub(super) disable_bgp_route_propagation: bool,
    pub(super) disable_peering_route: String,
}

impl Kind for TableKind {
    type Child = Route;
}

impl Written for TableKind {
    type Properties = TableProperties;
    type ChildProperties = RouteProperties;
    /// The names of the operations of routes were recorded. ASSUMPTION: those of the table follow the same pattern.
    const NAMES: Names = Names {
        kind: "Microsoft.Network/routeTables",
        children: "routes",
        put: "PutRouteTableOperation",
        delete: "DeleteRouteTableOperation",
        put_child: "PutRouteOperation",
        delete_child: "DeleteRouteOperation",
    };

    fn all(world: &World) -> &BTreeMap<String, RouteTable> {
        &world.route_tables
    }

    fn all_mut(world: &mut World) -> &mut BTreeMap<String, RouteTable> {
        &mut world.route_tables
    }

    fn states(history: &mut History) -> &mut States<Route> {
        &mut history.tables
    }

    fn work(id: ResourceId, change: Change<Self>) -> Work {
        Work::RouteTable(id, change)
    }

    fn latencies(latencies: &Latencies) -> (Span, Span) {
        (latencies.route_table, latencies.route)
    }

    fn retry_after(behaviour: &Behaviour) -> u64 {
        behaviour.operation_retry_after
    }

    fn parts(properties: TableProperties) -> Parts<Self> {
        let own = Self {
            disable_bgp_route_propagation: properties.disable_bgp_route_propagation.unwrap_or(false),
            disable_peering_route: properties.disable_peering_route.unwrap_or_else(|| "None".to_owned()),
        };
        let children = properties.routes.unwrap_or_default();
        Parts { own, children, subnets: properties.subnets, users: BTreeMap::new() }
    }

    fn child(spot: Spot<'_>, name: &str, body: ChildBody<RouteProperties>) -> Result<Route, ApiError> {
        route_request::route(spot.parent, name, body)
    }

    fn check_conflict(route: &Route, others: &[Arc<Route>]) -> Result<(), ApiError> {
        let mut names = BTreeSet::from([route.name.to_ascii_lowercase()]);
        for other in others {
            if other.prefix == route.prefix || !names.insert(other.name.to_ascii_lowercase()) {
                return Err(error::route_conflict(&route.name, &other.name));
            }
        }
        Ok(())
    }

    fn check_limits(world: &World, _: &ResourceId, routes: &[Arc<Route>]) -> Result<(), ApiError> {
        let count = |routes: usize| u64::try_from(routes).unwrap_or(u64::MAX);
        let limits = &world.settings.limits;
        let limit = limits.routes_per_route_table.unwrap_or_else(|| world.usage_limit("RoutesPerRouteTable"));
        if count(routes.len()) > limit {
            return Err(error::route_limit(limit));
        }
        let limit = limits
            .routes_with_service_tag_per_route_table
            .unwrap_or_else(|| world.usage_limit("RoutesWithServiceTagPerRouteTable"));
        let tags = routes.iter().filter(|route| matches!(route.prefix, Prefix::ServiceTag(_))).count();
        if count(tags) > limit { Err(error::service_tag_route_limit(limit)) } else { Ok(()) }
    }

    fn check_unused(table: &RouteTable) -> Result<(), ApiError> {
        match table.subnets.first() {
            Some(subnet) => Err(error::table_in_use(&table.id, subnet)),
            None => Ok(()),
        }
    }

    fn view(table: &RouteTable, api_version: &str) -> impl Serialize {
        let shows_peering_route = api_version >= SHOWS_PEERING_ROUTE;
        TableView {
            name: &table.id.name,
            id: table.id.to_string(),
            etag: table.weak_etag(),
            r#type: Self::NAMES.kind,
            location: &table.location,
            tags: table.tags.as_ref(),
            properties: TablePropertiesView {
                provisioning_state: table.state.to_string(),
                resource_guid: &table.resource_guid,
                disable_bgp_route_propagation: table.own.disable_bgp_route_propagation,
                disable_peering_route: shows_peering_route.then_some(table.own.disable_peering_route.as_str()),
                routes: table.children.iter().map(|route| RouteView::new(table, route)).collect(),
                subnets: SubnetView::all(&table.subnets),
            },
        }
    }

    fn child_view(table: &RouteTable, route: &Route) -> impl Serialize {
        RouteView::new(table, route)
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
struct RouteView<'a> {
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

impl<'a> RouteView<'a> {
    fn new(table: &RouteTable, route: &'a Route) -> Self {
        Self {
            name: &route.name,
            id: format!("{}/routes/{}", table.id, route.name),
            etag: table.weak_etag(),
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
