//! What a Network asks of a firewall policy: the rows of the documentation, and its own, as rules of Azure Firewall.
//!
//! Tags are network rules; hosts on 80 and 443 are application rules, which read names in the traffic; hosts on other ports
//! are network rules, for which the firewall resolves names. Must not look at what the policy holds.

use std::collections::BTreeSet;

use super::draft::{Class, Draft, Drafts, place};
use super::{Part, Place};
use crate::desired::Wishes;
use crate::host::Host;
use crate::intent::{Installation, Intent};
use crate::outbound::{FirewallPolicyIntent, Outbound, Port, Protocol, RuleAddressing};
use crate::prefix::Family;
use crate::region::{RegionName, Regions};
use crate::requirement::{self, Destination, Direction, Requirements, ResolvedTag, Selected};
use crate::resolve::{self, Note, Unresolved};
use crate::resource_id::ResourceId;
use crate::service_tags::Document;

/// Azure Firewall filters IPv4.
const FAMILY: Family = Family::V4;

/// Resolves what `intent` asks of the rules in `policy`.
///
/// # Errors
/// The spec or the document lacks something that a row needs, or no row can be written into a policy.
pub fn wishes(
    intent: &Intent,
    outbound: &Outbound,
    policy: &FirewallPolicyIntent,
    installation: &Installation,
    document: &Document,
    regions: &Regions,
    requirements: &Requirements,
) -> Result<Wishes, Unresolved> {
    let mut notes = BTreeSet::new();
    let pair = resolve::region_pair(&intent.region, &intent.paired_region, regions, document, &mut notes)?;
    let selection = requirements
        .select(outbound, document.cloud, &pair.primary.name)
        .map_err(|error| Unresolved::Outbound(error.to_string()))?;
    notes.extend(selection.notes);
    let sources: Vec<Place> =
        outbound.sources.iter().filter(|source| source.family() == FAMILY).copied().map(Place::Prefix).collect();
    if sources.is_empty() {
        let why = "sourceAddresses has no IPv4 range, and Azure Firewall filters IPv4; write the computes' subnets";
        return Err(Unresolved::Outbound(why.to_owned()));
    }
    let mut drafts = Drafts::new(installation, notes);
    for row in selection.rows.iter().filter(|row| row.direction == Direction::Outbound) {
        match &row.destination {
            Destination::Tag { .. } => {
                let mut notes = std::mem::take(&mut drafts.notes);
                let tags = requirement::tags(row, &pair, document, &mut notes)?;
                drafts.notes = notes;
                let groups = groups(outbound, policy, &selection.rows, row);
                for tag in &tags {
                    tag_rules(&mut drafts, row, tag, policy.addressing, &groups, document, &sources)?;
                }
            }
            Destination::Platform(tag) => {
                let message = format!("requirement {}: firewalls do not know {tag}, security groups do", row.id);
                drafts.notes.insert(Note { code: "NotOnFirewalls", message });
            }
            Destination::Hosts(hosts) => host_rules(&mut drafts, row, hosts, &sources, &pair.primary.name),
        }
    }
    if drafts.is_empty() {
        let why = "nothing of it can be written into a firewall policy; choose profiles, or write additional ones";
        return Err(Unresolved::Outbound(why.to_owned()));
    }
    if intent.families.contains(&Family::V6) {
        let message = "Azure Firewall filters IPv4 only; the IPv6 addresses are left out".to_owned();
        drafts.notes.insert(Note { code: "FirewallWithoutIPv6", message });
    }
    Ok(drafts.into_wishes(intent, pair, document))
}

/// The IP groups of the Network that hold a row's addresses, where rules are to go through them.
fn groups(
    outbound: &Outbound,
    policy: &FirewallPolicyIntent,
    rows: &[Selected],
    row: &Selected,
) -> BTreeSet<ResourceId> {
    if policy.addressing != RuleAddressing::IpGroups {
        return BTreeSet::new();
    }
    let holds = |name: &str| requirement::meant(rows.iter(), name).iter().any(|meant| meant.id == row.id);
    outbound.ip_groups.iter().filter(|group| holds(&group.requirement)).map(|group| group.id.clone()).collect()
}

fn tag_rules(
    drafts: &mut Drafts<'_>,
    row: &Selected,
    tag: &ResolvedTag,
    addressing: RuleAddressing,
    groups: &BTreeSet<ResourceId>,
    document: &Document,
    sources: &[Place],
) -> Result<(), Unresolved> {
    let place = place(row, Some(tag));
    let known = tag
        .name
        .as_deref()
        .filter(|name| document.tag(name).is_some_and(crate::service_tags::Tag::is_known_to_firewalls));
    for (class, ports) in Class::apart(&row.ports) {
        let rule = match known {
            _ if !groups.is_empty() => {
                let rule = drafts.rule(row, &place, &class.ending("-group"));
                for group in groups {
                    drafts.group(&rule, tag, group.clone());
                }
                rule
            }
            Some(name) if addressing != RuleAddressing::Prefixes => {
                let rule = drafts.rule(row, &place, &class.ending(""));
                drafts.tag(&rule, tag, name);
                rule
            }
            _ => {
                if !tag.prefixes.iter().any(|prefix| prefix.family() == FAMILY) {
                    let why = format!("it has no {FAMILY} addresses in change number {}", document.change_number);
                    return Err(Unresolved::Requirement { requirement: row.id.clone(), why });
                }
                let rule = drafts.rule(row, &place, &class.ending("-ip"));
                drafts.prefixes(&rule, tag, FAMILY);
                rule
            }
        };
        drafts.near(&rule, sources.iter().cloned());
        drafts.ports(&rule, ports);
    }
    Ok(())
}

/// How one port of one host is let through.
enum Way {
    Application(Port),
    /// An application rule for a pattern on another port: network rules know no patterns.
    Wide(Port),
    Network(Port),
    None,
}

fn way(host: &Host, port: Port) -> Way {
    let https = Port { protocol: Protocol::Https, port: port.port };
    let is_pattern = host.as_str().starts_with('*');
    match (port.protocol, port.port) {
        (Protocol::Http | Protocol::Https, _) => Way::Application(port),
        (Protocol::Tcp | Protocol::Any, 80) => Way::Application(Port { protocol: Protocol::Http, port: 80 }),
        (Protocol::Tcp | Protocol::Any, 443) => Way::Application(https),
        (Protocol::Tcp | Protocol::Any, _) if is_pattern => Way::Wide(https),
        (Protocol::Udp, _) if is_pattern => Way::None,
        _ => Way::Network(port),
    }
}

fn host_rules(drafts: &mut Drafts<'_>, row: &Selected, hosts: &[Host], sources: &[Place], primary: &RegionName) {
    let region = row.filled.contains_key(requirement::REGION).then_some(primary);
    let place = place(row, None);
    for host in hosts {
        for port in &row.ports {
            let (rule, port) = match way(host, *port) {
                Way::Application(port) => (application(drafts, row, &place), port),
                Way::Wide(port) => {
                    let message = format!(
                        "requirement {}: {host} on port {} is an application rule for HTTPS, as network rules know no \
                         patterns",
                        row.id, port.port
                    );
                    drafts.notes.insert(Note { code: "PatternAsHttps", message });
                    (drafts.rule(row, &place, "https-wide"), port)
                }
                Way::Network(port) => (drafts.rule(row, &place, &Class::of(port).ending("-fqdn")), port),
                Way::None => {
                    let message = format!(
                        "requirement {}: {host} on {port} is not let through, as no rule of Azure Firewall knows patterns \
                         for it; the service tag of the requirement may cover it",
                        row.id
                    );
                    drafts.notes.insert(Note { code: "NotOnFirewalls", message });
                    continue;
                }
            };
            drafts.named_far(&rule, Part::Host(host.clone()), region);
            drafts.near(&rule, sources.iter().cloned());
            drafts.ports(&rule, [port]);
        }
    }
}

/// The application rule of a row: with the name that the documentation gives it, if it does.
fn application<'r>(drafts: &mut Drafts<'_>, row: &'r Selected, place: &[&str]) -> Draft<'r> {
    match &row.rule {
        Some(name) => drafts.named(row, name.clone()),
        None => drafts.rule(row, place, "http"),
    }
}

#[cfg(test)]
#[path = "firewall_tests.rs"]
mod tests;
