//! Bodies of requests about route tables and routes: read, and refused where the network provider refuses them. Looks
//! at one body only; what depends on the present state of a table is in `route_table`.

use super::{
    arm_id::{ResourceId, is_valid_name},
    error::{self, ApiError},
    parent::{ChildBody, SubnetBody},
    route_table::{ProvisioningState, Route},
};
use ipnet::IpNet;
use serde::{Deserialize, de::DeserializeOwned};
use std::net::IpAddr;

const NEXT_HOP_TYPES: [&str; 5] = ["VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance", "None"];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TableProperties {
    pub(super) disable_bgp_route_propagation: Option<bool>,
    pub(super) disable_peering_route: Option<String>,
    pub(super) routes: Option<Vec<ChildBody<RouteProperties>>>,
    /// Read-only in ARM; the world file and the control interface give them.
    pub(super) subnets: Option<Vec<SubnetBody>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RouteProperties {
    address_prefix: Option<String>,
    next_hop_type: Option<String>,
    next_hop_ip_address: Option<String>,
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| error::invalid_content(&error.to_string()))
}

pub(super) fn check_name(name: &str) -> Result<(), ApiError> {
    if is_valid_name(name) { Ok(()) } else { Err(error::invalid_name(name)) }
}

/// The route that a body asks for, in state `Updating`.
pub(super) fn route(table: &ResourceId, name: &str, body: ChildBody<RouteProperties>) -> Result<Route, ApiError> {
    check_name(name)?;
    let properties = body.properties.ok_or_else(|| error::missing_property("properties"))?;
    let address_prefix = properties.address_prefix.ok_or_else(|| error::missing_property("addressPrefix"))?;
    let given = properties.next_hop_type.ok_or_else(|| error::missing_property("nextHopType"))?;
    let next_hop_type = NEXT_HOP_TYPES
        .iter()
        .find(|known| known.eq_ignore_ascii_case(&given))
        .ok_or_else(|| error::invalid_value("nextHopType", &given))?;
    let next_hop_ip_address = properties.next_hop_ip_address.filter(|address| !address.is_empty());
    match &next_hop_ip_address {
        Some(address) if address.parse::<IpAddr>().is_err() => {
            return Err(error::invalid_value("nextHopIpAddress", address));
        }
        None if *next_hop_type == "VirtualAppliance" => return Err(error::missing_next_hop_address(name)),
        _ => {}
    }
    let prefix = Prefix::parse(&address_prefix, &format!("{table}/routes/{name}"))?;
    Ok(Route {
        name: name.to_owned(),
        address_prefix,
        prefix,
        next_hop_type: (*next_hop_type).to_owned(),
        next_hop_ip_address,
        state: ProvisioningState::Updating,
    })
}

/// An address prefix in the form in which two are compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prefix {
    Net(IpNet),
    /// In lower case.
    ServiceTag(String),
}

impl Prefix {
    fn parse(text: &str, id: &str) -> Result<Self, ApiError> {
        if is_service_tag(text) {
            return Ok(Self::ServiceTag(text.to_ascii_lowercase()));
        }
        let net: IpNet = text.parse().map_err(|_| error::invalid_prefix_format(text, id))?;
        if net.trunc() != net {
            return Err(error::host_bits(text, id, &net.trunc().to_string()));
        }
        Ok(Self::Net(net))
    }
}

/// ASSUMPTION: every well-formed tag name is taken; the real provider knows the list of its region.
pub(super) fn is_service_tag(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
        && !text.ends_with('.')
}
