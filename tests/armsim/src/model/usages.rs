//! `GET …/locations/{location}/usages`: the quotas of Microsoft.Network, with the limits that the world file sets.

use super::{http::ApiResponse, locations::normalised, world::World};
use serde::Serialize;

/// Name, text, limit, and whether it can be raised. The values of 2023, as recorded.
const QUOTAS: &[(&str, &str, u64, bool)] = &[
    ("VirtualNetworks", "Virtual Networks", 1000, true),
    ("StaticPublicIPAddresses", "Static Public IP Addresses", 1000, true),
    ("NetworkSecurityGroups", "Network Security Groups", 5000, true),
    ("PublicIPAddresses", "Public IP Addresses", 1000, true),
    ("NatGateways", "Nat Gateways", 1000, true),
    ("NetworkInterfaces", "Network Interfaces", 65536, true),
    ("PrivateEndpoints", "Private Endpoints", 65536, true),
    ("LoadBalancers", "Load Balancers", 1000, true),
    ("ApplicationGateways", "Application Gateways", 1000, true),
    (ROUTE_TABLES, "Route Tables", 200, true),
    ("RouteFilters", "Route Filters", 1000, true),
    ("NetworkWatchers", "Network Watchers", 1, false),
    ("SubnetsPerVirtualNetwork", "Subnets per Virtual Network", 3000, true),
    ("SecurityRulesPerNetworkSecurityGroup", "Security rules per Network Security Group", 1000, true),
    (
        "SecurityRuleAddressesOrPortsPerNetworkSecurityGroup",
        "Security rules addresses or ports per Network Security Group",
        4000,
        true,
    ),
    ("RoutesPerRouteTable", "Routes per Route Table", 400, true),
    ("RoutesWithServiceTagPerRouteTable", "Routes with service tag per Route Table", 25, true),
];

const ROUTE_TABLES: &str = "RouteTables";

#[derive(Serialize)]
struct UsageList<'a> {
    value: Vec<Usage<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Usage<'a> {
    current_value: usize,
    id: String,
    limit: u64,
    name: UsageName<'a>,
    unit: &'static str,
    is_adjustable: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageName<'a> {
    localized_value: &'a str,
    value: &'a str,
}

impl World {
    pub(super) fn list_usages(&self, subscription: &str, location: &str) -> ApiResponse {
        let location = normalised(location);
        let tables = self
            .route_tables
            .values()
            .filter(|table| table.location == location && table.id.subscription.eq_ignore_ascii_case(subscription));
        // Of limits inside one parent the real service says 0 as well.
        let current = |name: &str| {
            if name == ROUTE_TABLES { tables.clone().count() } else { 0 }
        };
        let usage = |name, text, limit, is_adjustable| Usage {
            current_value: current(name),
            id: format!("/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}/usages/{name}"),
            limit,
            name: UsageName { localized_value: text, value: name },
            unit: "Count",
            is_adjustable,
        };
        let known =
            QUOTAS.iter().map(|(name, text, _, adjustable)| usage(name, text, self.usage_limit(name), *adjustable));
        let added =
            self.settings.usages.iter().filter(|(name, _)| !QUOTAS.iter().any(|quota| quota.0 == name.as_str()));
        let value = known.chain(added.map(|(name, limit)| usage(name, name, *limit, true))).collect();
        ApiResponse::json(200, &UsageList { value })
    }

    pub(super) fn usage_limit(&self, name: &str) -> u64 {
        let built_in = || QUOTAS.iter().find(|quota| quota.0 == name).map_or(u64::MAX, |quota| quota.2);
        self.settings.usages.get(name).copied().unwrap_or_else(built_in)
    }
}
