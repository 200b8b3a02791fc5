//! `spec.outbound`, from the API types to `domain::outbound`.
//!
//! What the schema and its rules say is checked again as far as `domain` relies on it.

use std::collections::BTreeSet;

use super::convert::FieldError;
use super::outbound::{self as api, Outbound};
use super::rules::outbound as rules;
use crate::domain::host::Host;
use crate::domain::outbound::{
    self as domain, Additional, FirewallPolicyIntent, IpGroupIntent, ListContent, ListFormat, ListIntent, Reach,
    RuleAddressing,
};
use crate::domain::prefix::{Family, Prefix};
use crate::domain::resource_id::{ResourceId, TargetKind};

/// What Azure takes for a priority of a rule collection group.
const PRIORITIES: std::ops::RangeInclusive<u16> = 100..=65000;

/// Validates the outbound part of a spec.
pub(super) fn outbound(spec: &Outbound, families: &BTreeSet<Family>) -> Result<domain::Outbound, FieldError> {
    let sources = sources(&spec.source_addresses)?;
    if !spec.firewall_policies.is_empty() {
        if !families.contains(&Family::V4) {
            return Err(FieldError::new("spec.ipFamilies", rules::POLICIES_V4_SAYS));
        }
        if !sources.iter().any(|source| source.family() == Family::V4) {
            return Err(FieldError::new("spec.outbound.sourceAddresses", rules::POLICIES_SOURCES_SAYS));
        }
    }
    if !spec.ip_groups.is_empty() && !families.contains(&Family::V4) {
        return Err(FieldError::new("spec.ipFamilies", rules::GROUPS_V4_SAYS));
    }
    Ok(domain::Outbound {
        edition: spec.edition.clone(),
        profiles: spec.profiles.iter().map(|profile| profile.0.clone()).collect(),
        parameters: spec.parameters.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect(),
        exclude: spec.exclude.iter().map(|name| name.0.clone()).collect(),
        sources,
        additional: additional(&spec.additional)?,
        ip_groups: ip_groups(&spec.ip_groups)?,
        firewall_policies: firewall_policies(&spec.firewall_policies)?,
        lists: lists(&spec.lists)?,
    })
}

fn sources(ranges: &[api::SourceRange]) -> Result<Vec<Prefix>, FieldError> {
    let mut known: Vec<Prefix> = Vec::new();
    for (index, range) in ranges.iter().enumerate() {
        let refuse = |what: String| FieldError::new(format!("spec.outbound.sourceAddresses[{index}]"), what);
        let prefix: Prefix = range.0.parse().map_err(|error| refuse(format!("{error}; {}", rules::RANGE_SAYS)))?;
        if known.iter().any(|other| other.contains(&prefix) || prefix.contains(other)) {
            return Err(refuse(rules::SOURCES_APART_SAYS.to_owned()));
        }
        known.push(prefix);
    }
    Ok(known)
}

fn additional(all: &[api::Additional]) -> Result<Vec<Additional>, FieldError> {
    let mut seen = BTreeSet::new();
    let one = |(index, one): (usize, &api::Additional)| {
        let at = |field: &str| format!("spec.outbound.additional[{index}]{field}");
        if !seen.insert(one.name.to_ascii_lowercase()) {
            return Err(FieldError::new(at(".name"), rules::NAMES_ONCE_SAYS));
        }
        let to = match (&one.hosts, &one.service_tag) {
            (Some(hosts), None) if !one.regional => Reach::Hosts(self::hosts(hosts, &at(".hosts"))?),
            (None, Some(tag)) => Reach::Tag { name: tag.0.clone(), regional: one.regional },
            (Some(_), None) => return Err(FieldError::new(at(".regional"), rules::REGIONAL_TAG_SAYS)),
            _ => return Err(FieldError::new(at(""), rules::TAG_OR_HOSTS_SAYS)),
        };
        let ports = one.ports.iter().copied().map(port).collect();
        Ok(Additional { name: one.name.clone(), to, ports })
    };
    all.iter().enumerate().map(one).collect()
}

fn hosts(hosts: &[api::HostName], path: &str) -> Result<Vec<Host>, FieldError> {
    let one = |(index, host): (usize, &api::HostName)| {
        host.0.parse().map_err(|error: crate::domain::host::HostError| {
            FieldError::new(format!("{path}[{index}]"), error.to_string())
        })
    };
    hosts.iter().enumerate().map(one).collect()
}

fn port(port: api::Port) -> domain::Port {
    let protocol = match port.protocol {
        api::Protocol::Tcp => domain::Protocol::Tcp,
        api::Protocol::Udp => domain::Protocol::Udp,
        api::Protocol::Any => domain::Protocol::Any,
        api::Protocol::Http => domain::Protocol::Http,
        api::Protocol::Https => domain::Protocol::Https,
    };
    domain::Port { protocol, port: port.port }
}

fn firewall_policies(policies: &[api::FirewallPolicy]) -> Result<Vec<FirewallPolicyIntent>, FieldError> {
    let mut seen = BTreeSet::new();
    let one = |(index, policy): (usize, &api::FirewallPolicy)| {
        let at = |field: &str| format!("spec.outbound.firewallPolicies[{index}].{field}");
        let id = ResourceId::parse(&policy.id, TargetKind::RuleCollectionGroup)
            .map_err(|error| FieldError::new(at("id"), error.to_string()))?;
        if !seen.insert(id.clone()) {
            return Err(FieldError::new(at("id"), rules::POLICIES_ONCE_SAYS));
        }
        let priority = policy.priority;
        if !PRIORITIES.contains(&priority) {
            let what = format!("{priority} is not a priority; write one from 100 to 65000");
            return Err(FieldError::new(at("priority"), what));
        }
        let addressing = match policy.addressing {
            api::RuleAddressing::Auto => RuleAddressing::Auto,
            api::RuleAddressing::IpGroups => RuleAddressing::IpGroups,
            api::RuleAddressing::Prefixes => RuleAddressing::Prefixes,
        };
        Ok(FirewallPolicyIntent { id, priority, addressing })
    };
    policies.iter().enumerate().map(one).collect()
}

fn ip_groups(groups: &[api::IpGroup]) -> Result<Vec<IpGroupIntent>, FieldError> {
    let mut seen = BTreeSet::new();
    let one = |(index, group): (usize, &api::IpGroup)| {
        let path = format!("spec.outbound.ipGroups[{index}].id");
        let id = ResourceId::parse(&group.id, TargetKind::IpGroup)
            .map_err(|error| FieldError::new(&path, error.to_string()))?;
        if !seen.insert(id.clone()) {
            return Err(FieldError::new(path, rules::GROUPS_ONCE_SAYS));
        }
        let create = group.create.as_ref().map(|create| create.location.clone());
        Ok(IpGroupIntent { id, requirement: group.requirement.0.clone(), create })
    };
    groups.iter().enumerate().map(one).collect()
}

fn lists(lists: &[api::List]) -> Result<Vec<ListIntent>, FieldError> {
    let mut seen = BTreeSet::new();
    let one = |(index, list): (usize, &api::List)| {
        if !seen.insert(list.name.clone()) {
            return Err(FieldError::new(format!("spec.outbound.lists[{index}].name"), rules::LISTS_ONCE_SAYS));
        }
        Ok(ListIntent {
            name: list.name.clone(),
            format: match list.format {
                api::ListFormat::Plain => ListFormat::Plain,
                api::ListFormat::Json => ListFormat::Json,
            },
            content: match list.content {
                api::ListContent::All => ListContent::All,
                api::ListContent::Addresses => ListContent::Addresses,
                api::ListContent::IPv4 => ListContent::IPv4,
                api::ListContent::IPv6 => ListContent::IPv6,
                api::ListContent::Hosts => ListContent::Hosts,
            },
            requirement: list.requirement.as_ref().map(|name| name.0.clone()),
        })
    };
    lists.iter().enumerate().map(one).collect()
}
