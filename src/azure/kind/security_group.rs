//! Network security groups: read as a whole, written one child rule at a time.
//!
//! Must never write the group itself: a PUT of the parent replaces other people's rules (docs/facts.md).

use std::collections::{BTreeMap, BTreeSet};

use azure_mgmt_network::package_2024_03::models;
use models::security_rule_properties_format::Protocol as RuleProtocol;
use models::{SecurityRuleAccess, SecurityRuleDirection};
use serde_json::Value;

use super::{Kind, Request, UnreadableResource, Write};
use crate::domain::desired::Address;
use crate::domain::effect::element::Element;
use crate::domain::effect::security_group::Other;
use crate::domain::effect::traffic::{PortRange, Transport};
use crate::domain::intent::{Installation, NextHop};
use crate::domain::outbound::{Port, Protocol};
use crate::domain::plan::layout::{layout, rule_of};
use crate::domain::plan::rules::{Around, GroupAround, Rules, StandingRule};
use crate::domain::plan::{Observed, ObservedEntry, Step, TargetInput};
use crate::domain::requirement::Direction;
use crate::domain::resource_id::ResourceId;
use crate::domain::rule::{self, Part, Place, Rule, RulePart};

#[derive(Debug)]
pub struct SecurityGroup;

impl Kind for SecurityGroup {
    /// `{"installation", "group": the group as ARM answers it}`.
    fn observe(&self, id: &ResourceId, body: &Value) -> Result<Observed, UnreadableResource> {
        let refuse = |what: &str| UnreadableResource { id: id.clone(), what: what.to_owned() };
        let installation = body["installation"].as_str().and_then(|text| text.parse::<Installation>().ok());
        let installation = installation.ok_or_else(|| refuse("no installation was given"))?;
        let group = &body["group"];
        let properties = group["properties"].as_object().ok_or_else(|| refuse("it has no properties"))?;
        // A list is always there. No list is an answer that we do not understand.
        let list = properties
            .get("securityRules")
            .and_then(Value::as_array)
            .ok_or_else(|| refuse("it has no securityRules"))?;
        let location = group["location"].as_str().ok_or_else(|| refuse("it has no location"))?;
        let state = |value: &Value| value["properties"]["provisioningState"].as_str().unwrap_or_default().to_owned();
        let moves = |value: &Value| ["Updating", "Deleting"].iter().any(|word| state(value).eq_ignore_ascii_case(word));
        let (mut rules, mut around) = (Rules::default(), GroupAround::default());
        for value in list {
            let rule = standing(value).ok_or_else(|| refuse("a rule has no name, priority or direction"))?;
            let prefix = installation.entry_prefix();
            if !rule.name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(&prefix)) {
                around.others.push(other(value, &rule));
                around.sources += addresses(value, "source");
                around.destinations += addresses(value, "destination");
                around.taken.insert((rule.direction, rule.priority), rule.name);
                continue;
            }
            let failed = !rule.is_as_written || state(value).eq_ignore_ascii_case("Failed");
            rules.ours.insert(rule.name.to_ascii_lowercase(), StandingRule { is_as_written: !failed, ..rule });
        }
        let entries = entries(&mut rules.ours);
        rules.around = Around::Group(around);
        let entry = |(address, failed): (Address, bool)| ObservedEntry {
            name: address.to_string(),
            address,
            next_hop: NextHop::Member,
            failed,
        };
        Ok(Observed {
            location: location.to_owned(),
            entries: entries.into_values().map(entry).collect(),
            subnets: properties.get("subnets").and_then(Value::as_array).map_or(0, Vec::len)
                + properties.get("networkInterfaces").and_then(Value::as_array).map_or(0, Vec::len),
            updating: moves(group) || list.iter().any(moves),
            whole: None,
            rules: Some(rules),
        })
    }

    fn requests(&self, input: &TargetInput, steps: &[Step], observed: &Observed) -> Option<Vec<Request>> {
        let layout = layout(input, observed, steps).ok()?;
        let request = |write: crate::domain::plan::layout::RuleWrite| {
            let (group, name) = (input.id.clone(), write.name);
            let send = match &write.after {
                Some(after) => Write::PutSecurityRule { group, name, rule: Box::new(body(after)) },
                None => Write::DeleteSecurityRule { group, name },
            };
            Request { steps: write.steps, write: send }
        };
        Some(layout.writes.into_iter().map(request).collect())
    }
}

/// The parts of our rules. What not all rules that hold one of ours agree about does not stand: those that have it are
/// written again.
fn entries(rules: &mut BTreeMap<String, StandingRule>) -> BTreeMap<Address, (Address, bool)> {
    let mut common: BTreeMap<String, BTreeSet<Part>> = BTreeMap::new();
    let sides = |rule: &Rule| rule.parts().filter(|part| !part.is_far()).collect::<BTreeSet<_>>();
    for rule in rules.values() {
        let known = common.entry(rule.of.to_ascii_lowercase()).or_insert_with(|| sides(&rule.rule));
        *known = known.intersection(&sides(&rule.rule)).cloned().collect();
    }
    // A part that stands in several rules of one has failed where it failed in one of them.
    let mut entries: BTreeMap<Address, (Address, bool)> = BTreeMap::new();
    for rule in rules.values_mut() {
        let shared = &common[&rule.of.to_ascii_lowercase()];
        rule.is_as_written &= sides(&rule.rule) == *shared;
        for part in rule.rule.parts().filter(|part| part.is_far() || shared.contains(part)) {
            let address = Address::Part(RulePart { rule: rule.of.clone(), part });
            entries.entry(address.folded()).or_insert_with(|| (address, false)).1 |= !rule.is_as_written;
        }
    }
    entries
}

/// A rule of somebody else, as far as its effect on ours goes.
fn other(value: &Value, rule: &StandingRule) -> Other {
    let properties = &value["properties"];
    let elements = |side: &str| {
        let applications = properties[format!("{side}ApplicationSecurityGroups")].as_array().into_iter().flatten();
        let applications = applications.filter_map(|group| group["id"].as_str()).map(Element::parse);
        let texts = both(properties, &format!("{side}AddressPrefix"), &format!("{side}AddressPrefixes"));
        texts.map(Element::parse).chain(applications).collect()
    };
    let transport = match properties["protocol"].as_str().unwrap_or_default() {
        text if text.eq_ignore_ascii_case("Tcp") => Transport::Tcp,
        text if text.eq_ignore_ascii_case("Udp") => Transport::Udp,
        "*" => Transport::Any,
        _ => Transport::Other,
    };
    let ports = both(properties, "destinationPortRange", "destinationPortRanges");
    Other {
        name: rule.name.clone(),
        priority: rule.priority,
        direction: rule.direction,
        allow: properties["access"].as_str().is_some_and(|text| text.eq_ignore_ascii_case("Allow")),
        sources: elements("source"),
        destinations: elements("destination"),
        ports: ports.filter_map(|text| PortRange::parse(transport, text)).collect(),
        has_source_ports: !both(properties, "sourcePortRange", "sourcePortRanges").eq(["*"]),
    }
}

fn addresses(value: &Value, side: &str) -> usize {
    let properties = &value["properties"];
    let one = properties[format!("{side}AddressPrefix")].as_str().is_some_and(|text| !text.is_empty());
    let many = properties[format!("{side}AddressPrefixes")].as_array().map_or(0, Vec::len);
    usize::from(one) + many
}

/// A rule as it stands. `None`: it is none that can be understood.
fn standing(value: &Value) -> Option<StandingRule> {
    let properties = &value["properties"];
    let name = value["name"].as_str()?.to_owned();
    let direction = match properties["direction"].as_str()? {
        text if text.eq_ignore_ascii_case("Outbound") => Direction::Outbound,
        text if text.eq_ignore_ascii_case("Inbound") => Direction::Inbound,
        _ => return None,
    };
    let priority = u16::try_from(properties["priority"].as_u64()?).ok()?;
    let (rule, is_whole) = parts(properties, direction, rule::protocol_of(rule_of(&name)));
    let allows = properties["access"].as_str().is_some_and(|text| text.eq_ignore_ascii_case("Allow"));
    Some(StandingRule {
        of: rule_of(&name).to_owned(),
        name,
        priority,
        direction,
        description: properties["description"].as_str().unwrap_or_default().to_owned(),
        rule,
        is_as_written: is_whole && allows,
    })
}

/// The values of a field that ARM has as one and as a list.
fn both<'a>(properties: &'a Value, one: &str, many: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let one = properties[one].as_str().filter(|text| !text.is_empty());
    one.into_iter().chain(properties[many].as_array().into_iter().flatten().filter_map(Value::as_str))
}

/// `written`: the protocol that amlnet writes, as the rule's name says it.
fn parts(properties: &Value, direction: Direction, written: Option<Protocol>) -> (Rule, bool) {
    let (mut rule, mut is_whole) = (Rule::default(), true);
    let mut take = |part: Option<Part>| match part {
        Some(part) => rule.insert(&part),
        None => is_whole = false,
    };
    let sources = both(properties, "sourceAddressPrefix", "sourceAddressPrefixes");
    let destinations = both(properties, "destinationAddressPrefix", "destinationAddressPrefixes");
    let (near, far): (Vec<&str>, Vec<&str>) = match direction {
        Direction::Outbound => (sources.collect(), destinations.collect()),
        Direction::Inbound => (destinations.collect(), sources.collect()),
    };
    for text in near {
        take(super::place(text).map(Part::Near));
    }
    for text in far {
        take(super::place(text).map(Part::Far));
    }
    let protocol = match properties["protocol"].as_str().unwrap_or_default() {
        text if text.eq_ignore_ascii_case("Tcp") => Some(Protocol::Tcp),
        text if text.eq_ignore_ascii_case("Udp") => Some(Protocol::Udp),
        "*" => Some(Protocol::Any),
        _ => None,
    };
    let protocol = protocol.filter(|protocol| written.is_none_or(|written| written == *protocol));
    for port in both(properties, "destinationPortRange", "destinationPortRanges") {
        take(protocol.zip(port.parse().ok()).map(|(protocol, port)| Part::Port(Port { protocol, port })));
    }
    let from_anywhere = both(properties, "sourcePortRange", "sourcePortRanges").eq(["*"]);
    let of_applications = ["sourceApplicationSecurityGroups", "destinationApplicationSecurityGroups"]
        .iter()
        .any(|list| properties[*list].as_array().is_some_and(|list| !list.is_empty()));
    (rule, is_whole && from_anywhere && !of_applications)
}

/// One value stands alone, several in a list: a tag may only stand alone (docs/facts.md, "Where service tags are allowed").
fn apart(values: Vec<String>) -> (Option<String>, Vec<String>) {
    match <[String; 1]>::try_from(values) {
        Ok([one]) => (Some(one), Vec::new()),
        Err(many) => (None, many),
    }
}

fn body(after: &StandingRule) -> models::SecurityRule {
    let texts = |places: &BTreeSet<Place>| places.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (near, far) = (texts(&after.rule.near), texts(&after.rule.far));
    let (sources, destinations, direction) = match after.direction {
        Direction::Outbound => (near, far, SecurityRuleDirection::Outbound),
        Direction::Inbound => (far, near, SecurityRuleDirection::Inbound),
    };
    let protocols: BTreeSet<Protocol> = after.rule.ports.iter().map(|port| port.protocol).collect();
    let protocol = match protocols.first() {
        Some(Protocol::Tcp) if protocols.len() == 1 => RuleProtocol::Tcp,
        Some(Protocol::Udp) if protocols.len() == 1 => RuleProtocol::Udp,
        _ => RuleProtocol::U2a,
    };
    let ports: BTreeSet<u16> = after.rule.ports.iter().map(|port| port.port).collect();
    let (source, sources) = apart(sources);
    let (destination, destinations) = apart(destinations);
    let (port, ports) = apart(ports.iter().map(ToString::to_string).collect());
    let properties = models::SecurityRulePropertiesFormat {
        description: Some(after.description.clone()).filter(|text| !text.is_empty()),
        source_port_range: Some("*".to_owned()),
        destination_port_range: port,
        destination_port_ranges: ports,
        source_address_prefix: source,
        source_address_prefixes: sources,
        destination_address_prefix: destination,
        destination_address_prefixes: destinations,
        ..models::SecurityRulePropertiesFormat::new(
            protocol,
            SecurityRuleAccess::Allow,
            i32::from(after.priority),
            direction,
        )
    };
    models::SecurityRule { name: Some(after.name.clone()), properties: Some(properties), ..Default::default() }
}

#[cfg(test)]
#[path = "security_group_tests.rs"]
mod tests;
