//! Bodies of requests about IP groups: read, and refused where the network provider refuses them. Looks at one body
//! only; what depends on the present state of a group is in `ip_group_write`.

use super::{
    arm_id::ResourceId,
    error::{self, ApiError},
    settings::Settings,
};
use ipnet::Ipv4Net;
use serde::Deserialize;
use std::{collections::BTreeMap, net::Ipv4Addr};

/// What a PUT may say. Everything else (id, etag …) is read-only and ignored, as ARM does.
#[derive(Debug, Default, Deserialize)]
pub(super) struct IpGroupBody {
    pub(super) location: Option<String>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) properties: Option<IpGroupProperties>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IpGroupProperties {
    pub(super) ip_addresses: Option<Vec<String>>,
    /// Read-only in ARM, as are the following; the world file and the control interface give them.
    pub(super) firewalls: Option<Vec<Reference>>,
    pub(super) firewall_policies: Option<Vec<Reference>>,
    pub(super) provisioning_state: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Reference {
    pub(super) id: String,
}

pub(super) fn check_addresses(addresses: &[String], id: &ResourceId, settings: &Settings) -> Result<(), ApiError> {
    if addresses.is_empty() && !settings.behaviour.empty_ip_groups {
        return Err(error::no_addresses(id));
    }
    let limit = settings.limits.ip_addresses_per_ip_group;
    if u64::try_from(addresses.len()).unwrap_or(u64::MAX) > limit {
        return Err(error::address_limit(id, limit));
    }
    addresses.iter().try_for_each(|address| check_address(address, id))
}

/// An address, a prefix or a range, IPv4 only as documented. ASSUMPTION: host bits are refused as in virtual networks,
/// and a range must not run backwards; neither was recorded.
fn check_address(text: &str, id: &ResourceId) -> Result<(), ApiError> {
    let malformed = || error::invalid_address(text, id);
    if let Some((first, last)) = text.split_once('-') {
        let (first, last): (Ipv4Addr, Ipv4Addr) =
            (first.trim().parse().map_err(|_| malformed())?, last.trim().parse().map_err(|_| malformed())?);
        return if first <= last { Ok(()) } else { Err(malformed()) };
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return Ok(());
    }
    let net: Ipv4Net = text.parse().map_err(|_| malformed())?;
    if net.trunc() == net { Ok(()) } else { Err(error::host_bits(text, &id.to_string(), &net.trunc().to_string())) }
}
