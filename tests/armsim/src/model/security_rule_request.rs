//! Bodies of requests about security rules: read, and refused where the network provider refuses them. Looks at one rule
//! only; what depends on the other rules of a group is in `security_group`.

use super::{
    error::{self, ApiError},
    parent::{ChildBody, ProvisioningState, Spot},
    route_request::{check_name, is_service_tag},
    security_error as refusal,
    security_rule::{Asked, SecurityRule, Side},
};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};

const PROTOCOLS: [&str; 6] = ["*", "Tcp", "Udp", "Icmp", "Esp", "Ah"];
/// Names that every group knows, whatever is published.
const OWN_NAMES: [&str; 3] = ["VirtualNetwork", "Internet", "AzureLoadBalancer"];
const PRIORITIES: std::ops::RangeInclusive<i64> = 100..=4096;
/// As documented.
const DESCRIPTION_LENGTH: usize = 140;

/// What a PUT of a rule may say. A singular that is empty says nothing, as does an empty plural.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleProperties {
    description: Option<String>,
    protocol: Option<String>,
    access: Option<String>,
    direction: Option<String>,
    priority: Option<i64>,
    source_address_prefix: Option<String>,
    source_address_prefixes: Option<Vec<String>>,
    source_application_security_groups: Option<Vec<Value>>,
    source_port_range: Option<String>,
    source_port_ranges: Option<Vec<String>>,
    destination_address_prefix: Option<String>,
    destination_address_prefixes: Option<Vec<String>>,
    destination_application_security_groups: Option<Vec<Value>>,
    destination_port_range: Option<String>,
    destination_port_ranges: Option<Vec<String>>,
}

/// The rule that a body asks for, in state `Updating`.
pub(super) fn rule(spot: Spot<'_>, name: &str, body: ChildBody<RuleProperties>) -> Result<SecurityRule, ApiError> {
    check_name(name)?;
    let properties = body.properties.ok_or_else(|| error::missing_property("properties"))?;
    let id = format!("{}/securityRules/{name}", spot.parent);
    one_of("protocol", properties.protocol.as_deref(), &PROTOCOLS)?;
    let protocol = properties.protocol.unwrap_or_default();
    let access = one_of("access", properties.access.as_deref(), &["Allow", "Deny"])?;
    let direction = one_of("direction", properties.direction.as_deref(), &["Inbound", "Outbound"])?;
    let priority = properties.priority.ok_or_else(|| error::missing_property("priority"))?;
    if !PRIORITIES.contains(&priority) {
        return Err(refusal::priority(priority));
    }
    let description = properties.description.filter(|description| !description.is_empty());
    if description.as_ref().is_some_and(|description| description.chars().count() > DESCRIPTION_LENGTH) {
        return Err(refusal::description(&id, DESCRIPTION_LENGTH));
    }
    let source = Side {
        address: given(properties.source_address_prefix),
        addresses: properties.source_address_prefixes.unwrap_or_default(),
        groups: properties.source_application_security_groups.unwrap_or_default(),
        port: given(properties.source_port_range),
        ports: properties.source_port_ranges.unwrap_or_default(),
    };
    let destination = Side {
        address: given(properties.destination_address_prefix),
        addresses: properties.destination_address_prefixes.unwrap_or_default(),
        groups: properties.destination_application_security_groups.unwrap_or_default(),
        port: given(properties.destination_port_range),
        ports: properties.destination_port_ranges.unwrap_or_default(),
    };
    let mut nets = vec![];
    for (side, which) in [(&source, "Source"), (&destination, "Destination")] {
        check_once(side, which, &id)?;
        check_ports(side, which, &id)?;
        nets.extend(checked_addresses(spot, side, which, &id)?);
    }
    let v6 = nets.iter().filter(|net| matches!(net, IpNet::V6(_))).count();
    if v6 != 0 && v6 != nets.len() {
        return Err(refusal::families(name));
    }
    let asked = Asked { description, protocol, access, direction, priority, source, destination };
    Ok(SecurityRule { name: name.to_owned(), asked, state: ProvisioningState::Updating })
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn one_of(property: &str, given: Option<&str>, known: &[&'static str]) -> Result<&'static str, ApiError> {
    let given = given.ok_or_else(|| error::missing_property(property))?;
    let found = known.iter().find(|known| known.eq_ignore_ascii_case(given));
    found.copied().ok_or_else(|| error::invalid_value(property, given))
}

/// Either the singular or the plural. ASSUMPTION: application security groups count as a third way to say addresses.
fn check_once(side: &Side, which: &str, id: &str) -> Result<(), ApiError> {
    let addresses = [side.address.is_some(), !side.addresses.is_empty(), !side.groups.is_empty()];
    if addresses.into_iter().filter(|is_given| *is_given).count() != 1 {
        return Err(refusal::said_once(id, &format!("{which}AddressPrefix")));
    }
    if side.port.is_some() != side.ports.is_empty() {
        return Err(refusal::said_once(id, &format!("{which}PortRange")));
    }
    Ok(())
}

/// ASSUMPTION: overlapping ranges of ports are refused as overlapping prefixes are.
fn check_ports(side: &Side, which: &str, id: &str) -> Result<(), ApiError> {
    if let Some(port) = side.port.as_deref().filter(|port| *port != "*") {
        port_range(port).ok_or_else(|| refusal::port_range(port))?;
    }
    let ranges: Result<Vec<_>, ApiError> = side
        .ports
        .iter()
        .map(|port| Ok((port_range(port).ok_or_else(|| refusal::port_range(port))?, port.as_str())))
        .collect();
    let mut ranges = ranges?;
    ranges.sort_unstable();
    match ranges.windows(2).find(|pair| pair[1].0.0 <= pair[0].0.1) {
        Some(pair) => Err(refusal::overlapping_ports(id, &format!("{which}PortRange"), [pair[0].1, pair[1].1])),
        None => Ok(()),
    }
}

fn port_range(text: &str) -> Option<(u16, u16)> {
    let port = |text: &str| {
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some((first, last))
}

/// The addresses that are prefixes. Refusals of host bits, of unknown names and of overlapping prefixes were reported.
fn checked_addresses(spot: Spot<'_>, side: &Side, which: &str, id: &str) -> Result<Vec<IpNet>, ApiError> {
    let parameter = format!("{which}AddressPrefix");
    let is_known = |text: &str| {
        OWN_NAMES.iter().any(|known| known.eq_ignore_ascii_case(text))
            || (is_service_tag(text) && spot.world.is_security_tag(spot.location, text))
    };
    if let Some(address) = &side.address {
        if address == "*" || is_known(address) {
            return Ok(vec![]);
        }
        return Ok(vec![net(address).ok_or_else(|| refusal::address(id, address))?]);
    }
    let mut nets = Vec::with_capacity(side.addresses.len());
    for address in &side.addresses {
        let Some(net) = net(address) else {
            let is_name = address == "*" || is_known(address);
            return Err(if is_name {
                refusal::unsupported_value(&parameter, id, address)
            } else {
                refusal::address(id, address)
            });
        };
        nets.push(net);
    }
    // Sorted by first address and then by length, a prefix that lies in another one stands next to one that it lies in.
    nets.sort_unstable();
    match nets.windows(2).find(|pair| pair[0].contains(&pair[1])) {
        Some(pair) => Err(refusal::overlapping_prefixes(id, &parameter, [&pair[0].to_string(), &pair[1].to_string()])),
        None => Ok(nets),
    }
}

/// An address or a prefix without host bits. An address may be one number, as recorded.
fn net(text: &str) -> Option<IpNet> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(number) = is_number.then(|| text.parse::<u32>().ok()).flatten() {
        return Some(IpNet::from(IpAddr::from(Ipv4Addr::from(number))));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(IpNet::from(address));
    }
    text.parse::<IpNet>().ok().filter(|net| net.trunc() == *net)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_ports_are_read() {
        assert_eq!(port_range("443"), Some((443, 443)));
        assert_eq!(port_range("0-65535"), Some((0, 65_535)));
        for wrong in ["", "-", "80-", "-80", "90-80", "65536", "80,443", "+80", "any", "*", "80-90-100"] {
            assert_eq!(port_range(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn prefixes_have_no_host_bits() {
        assert_eq!(net("1234"), net("0.0.4.210/32"));
        assert!(net("20.1.0.0/16").is_some() && net("20.1.0.1").is_some() && net("2603:1030::/40").is_some());
        for wrong in
            ["50.206.209.68/27", "20.1.0.0/33", "20.1.0.0-20.1.0.9", "", "4294967296", "10.0.0.5,10.0.0.6", "Storage"]
        {
            assert!(net(wrong).is_none(), "{wrong}");
        }
    }
}
