//! `GET …/locations/{location}/usages`: the quotas of Microsoft.Network, with the limits that the world file sets.

use super::{arm_id::ResourceId, http::ApiResponse, locations::normalised, world::World};
use serde::Serialize;

/// Name, text, limit, and whether it can be raised. All that were recorded in 2023, in their order.
const QUOTAS: &[(&str, &str, u64, bool)] = &[
    ("VirtualNetworks", "Virtual Networks", 1_000, true),
    ("StaticPublicIPAddresses", "Static Public IP Addresses", 1_000, true),
    ("NetworkSecurityGroups", "Network Security Groups", 5_000, true),
    ("PublicIPAddresses", "Public IP Addresses", 1_000, true),
    ("CustomIpPrefixes", "Custom Ip Prefixes", 5, true),
    ("PublicIpPrefixes", "Public Ip Prefixes", 2_147_483_647, true),
    ("NatGateways", "Nat Gateways", 1_000, true),
    ("NetworkInterfaces", "Network Interfaces", 65_536, true),
    ("PrivateEndpoints", "Private Endpoints", 65_536, true),
    ("PrivateEndpointRedirectMaps", "Private Endpoint Redirect Maps", 2_147_483_647, true),
    ("LoadBalancers", "Load Balancers", 1_000, true),
    ("PrivateLinkServices", "Private Link Services", 800, true),
    ("ApplicationGateways", "Application Gateways", 1_000, true),
    ("RouteTables", "Route Tables", 200, true),
    ("RouteFilters", "Route Filters", 1_000, true),
    ("NetworkWatchers", "Network Watchers", 1, false),
    ("PacketCaptures", "Packet Captures", 10_000, true),
    ("ApplicationSecurityGroups", "Application Security Groups.", 3_000, true),
    ("DdosProtectionPlans", "DDoS Protection Plans.", 1, true),
    ("DdosCustomPolicies", "DDoS customized policies", 200, true),
    ("ServiceEndpointPolicies", "Service Endpoint Policies", 500, true),
    ("NetworkIntentPolicies", "Network Intent Policies", 200, true),
    ("StandardSkuLoadBalancers", "Standard Sku Load Balancers", 1_000, true),
    ("StandardSkuPublicIpAddresses", "Public IP Addresses - Standard", 1_000, true),
    ("AuxiliaryModeEnabledNetworkInterfaces", "Auxiliary Mode Enabled Network Interfaces", 2, true),
    ("DnsServersPerVirtualNetwork", "DNS servers per Virtual Network", 20, true),
    ("CustomDnsServersPerP2SVpnGateway", "Custom DNS servers per P2SVpnGateway", 5, true),
    ("SubnetsPerVirtualNetwork", "Subnets per Virtual Network", 3_000, true),
    ("IPConfigurationsPerVirtualNetwork", "IP Configurations per Virtual Network", 65_536, true),
    ("PeeringsPerVirtualNetwork", "Peerings per Virtual Network", 500, true),
    ("SecurityRulesPerNetworkSecurityGroup", "Security rules per Network Security Group", 1_000, true),
    ("SecurityRulesPerNetworkIntentPolicy", "Security rules per Network Intent Policy", 100, true),
    ("RoutesPerNetworkIntentPolicy", "Routes per Network Intent Policy", 200, true),
    (
        "SecurityRuleAddressesOrPortsPerNetworkSecurityGroup",
        "Security rules addresses or ports per Network Security Group",
        4_000,
        true,
    ),
    ("InboundRulesPerLoadBalancer", "Inbound Rules per Load Balancer", 250, true),
    ("FrontendIPConfigurationPerLoadBalancer", "Frontend IP Configurations per Load Balancer", 200, true),
    ("OutboundRulesPerLoadBalancer", "Outbound Rules per Load Balancer", 5, true),
    ("RoutesPerRouteTable", "Routes per Route Table", 400, true),
    ("RoutesWithServiceTagPerRouteTable", "Routes with service tag per Route Table", 25, true),
    ("SecondaryIPConfigurationsPerNetworkInterface", "Secondary IP Configurations per Network Interface", 256, true),
    (
        "SecondaryIPConfigurationsPerPrivateEndpointNetworkInterface",
        "Secondary IP Configurations per PrivateEndpoint Network Interface",
        500,
        true,
    ),
    ("InboundNatOrLbRulesPerNetworkInterface", "Inbound rules per Network Interface", 300, true),
    ("RouteFilterRulesPerRouteFilter", "Route filter rules per Route Filter", 1, true),
    ("RouteFiltersPerExpressRouteBgpPeering", "Route filters per Express route BGP Peering", 1, true),
    ("MinPublicIpInterNetworkPrefixLength", "Public IPv4 Prefix Length", 28, true),
];

const ROUTE_TABLES: &str = "RouteTables";
const SECURITY_GROUPS: &str = "NetworkSecurityGroups";
const NETWORKS: &str = "VirtualNetworks";

/// One quota of the network provider.
#[derive(Clone, Debug)]
pub struct Quota {
    pub name: String,
    pub text: String,
    pub limit: u64,
    /// Older answers do not say it.
    pub is_adjustable: Option<bool>,
}

pub(super) fn built_in() -> Vec<Quota> {
    QUOTAS
        .iter()
        .map(|(name, text, limit, is_adjustable)| Quota {
            name: (*name).to_owned(),
            text: (*text).to_owned(),
            limit: *limit,
            is_adjustable: Some(*is_adjustable),
        })
        .collect()
}

#[derive(Serialize)]
struct UsageList<'a> {
    value: Vec<Usage<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Usage<'a> {
    /// Below 0 as well: the real service miscounts.
    current_value: i64,
    id: String,
    limit: u64,
    name: UsageName<'a>,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_adjustable: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageName<'a> {
    localized_value: &'a str,
    value: &'a str,
}

impl World {
    /// The quotas that there are, in their order, in place of those of 2023.
    pub fn set_quotas(&mut self, quotas: Vec<Quota>) {
        self.quotas = quotas;
    }

    pub(super) fn list_usages(&self, subscription: &str, location: &str) -> ApiResponse {
        let location = normalised(location);
        let is_here =
            |id: &ResourceId, place: &str| place == location && id.subscription.eq_ignore_ascii_case(subscription);
        let tables = || self.route_tables.values().filter(|table| is_here(&table.id, &table.location)).count();
        let groups = || self.security_groups.values().filter(|group| is_here(&group.id, &group.location)).count();
        let networks = || self.networks.values().filter(|network| is_here(&network.id, &network.location)).count();
        // Of limits inside one parent the real service says 0 as well.
        let current = |name: &str| match (self.settings.usage_counts.get(name), name) {
            (Some(given), _) => *given,
            (None, ROUTE_TABLES) => i64::try_from(tables()).unwrap_or(i64::MAX),
            (None, SECURITY_GROUPS) => i64::try_from(groups()).unwrap_or(i64::MAX),
            (None, NETWORKS) => i64::try_from(networks()).unwrap_or(i64::MAX),
            _ => 0,
        };
        let usage = |name, text, limit, is_adjustable| Usage {
            current_value: current(name),
            id: format!("/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}/usages/{name}"),
            limit,
            name: UsageName { localized_value: text, value: name },
            unit: "Count",
            is_adjustable,
        };
        let known = self
            .quotas
            .iter()
            .map(|quota| usage(&quota.name, &quota.text, self.usage_limit(&quota.name), quota.is_adjustable));
        let added =
            self.settings.usages.iter().filter(|(name, _)| !self.quotas.iter().any(|quota| quota.name == **name));
        let value = known.chain(added.map(|(name, limit)| usage(name, name, *limit, Some(true)))).collect();
        ApiResponse::json(200, &UsageList { value })
    }

    pub(super) fn usage_limit(&self, name: &str) -> u64 {
        let built_in = || self.quotas.iter().find(|quota| quota.name == name).map_or(u64::MAX, |quota| quota.limit);
        self.settings.usages.get(name).copied().unwrap_or_else(built_in)
    }
}
