//! The rules of a firewall policy as Azure tells them, for what is only looked at: groups of others, and counts.
//!
//! Kinds of rules and fields that are not known never fail: what a newer Azure says is kept as not known. Must not
//! decide what a rule means for ours; `domain/effect` does.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::domain::effect::element::Element;
use crate::domain::effect::firewall::{Action, Collection, CollectionKind, ForeignRule, Group};
use crate::domain::effect::traffic::{PortRange, Transport};

/// The groups in the body of `GET …/firewallPolicies/{policy}/ruleCollectionGroups`, a page of it, or several together.
pub fn groups(list: &Value) -> Result<Vec<Group>, String> {
    let groups = list["value"].as_array().ok_or("the list of rule collection groups has no value")?;
    groups.iter().map(group).collect()
}

/// One rule collection group.
pub fn group(body: &Value) -> Result<Group, String> {
    let name = body["name"].as_str().ok_or("a rule collection group has no name")?;
    let properties = &body["properties"];
    let priority = priority(properties).ok_or_else(|| format!("rule collection group {name:?} has no priority"))?;
    let collections = list(properties, "ruleCollections").iter().flat_map(collections);
    Ok(Group { name: name.to_owned(), priority, collections: collections.collect() })
}

/// What of a group counts against Azure's limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    pub rules: usize,
    /// Sources times destinations, over all network rules. An IP group and a tag count as one.
    pub pairs: usize,
    /// Ids of the IP groups that its rules name, in lower case.
    pub ip_groups: BTreeSet<String>,
    /// In bytes, as Azure counts them. `None`: it does not tell.
    pub size: Option<u64>,
}

/// Counts one rule collection group.
pub fn counts(body: &Value) -> Counts {
    let properties = &body["properties"];
    let mut counts = Counts { size: properties["size"].as_str().and_then(bytes), ..Counts::default() };
    for rule in list(properties, "ruleCollections").iter().flat_map(|collection| list(collection, "rules")) {
        counts.rules += 1;
        let groups = |key| texts(rule, key).map(str::to_ascii_lowercase);
        counts.ip_groups.extend(groups("sourceIpGroups").chain(groups("destinationIpGroups")));
        if rule["ruleType"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("NetworkRule")) {
            let count = |keys: &[&str]| {
                let all = keys.iter().flat_map(|key| texts(rule, key));
                all.map(str::to_ascii_lowercase).collect::<BTreeSet<_>>().len()
            };
            let sources = count(&["sourceAddresses", "sourceIpGroups"]);
            counts.pairs += sources * count(&["destinationAddresses", "destinationIpGroups", "destinationFqdns"]);
        }
    }
    counts
}

/// `0.001376152 MB` in bytes, rounded up. The decimal megabyte is read digit by digit, as floats would round.
fn bytes(size: &str) -> Option<u64> {
    let (number, unit) = size.trim().split_once(' ')?;
    let decimals = match unit.trim().to_ascii_uppercase().as_str() {
        "B" => 0,
        "KB" => 3,
        "MB" => 6,
        "GB" => 9,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    if number.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let kept: String = fraction.chars().chain(std::iter::repeat('0')).take(decimals).collect();
    let rest = fraction.bytes().skip(decimals).any(|c| c != b'0');
    format!("{whole}{kept}").parse::<u64>().ok()?.checked_add(u64::from(rest))
}

fn priority(body: &Value) -> Option<u16> {
    body["priority"].as_u64()?.try_into().ok()
}

/// A list, or an empty one where there is none.
fn list<'a>(body: &'a Value, key: &str) -> &'a [Value] {
    body[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn texts<'a>(body: &'a Value, key: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    list(body, key).iter().filter_map(Value::as_str)
}

/// The collections that one is, by the kinds of its rules: Azure wants one kind in each, and does not say which.
fn collections(body: &Value) -> Vec<Collection> {
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let action = body["action"]["type"].as_str().unwrap_or_default();
    let known = match action.to_ascii_lowercase().as_str() {
        "allow" => Some(Action::Allow),
        "deny" => Some(Action::Deny),
        "dnat" => Some(Action::Dnat),
        _ => None,
    };
    let mut found: Vec<Collection> = Vec::new();
    for rule in list(body, "rules") {
        let rule_type = rule["ruleType"].as_str().unwrap_or_default();
        let ports = ports(rule);
        let kind = match (rule_type.to_ascii_lowercase().as_str(), known) {
            _ if ports.is_none() => CollectionKind::Unknown(format!("{rule_type} with ports that cannot be read")),
            ("natrule", Some(Action::Dnat)) => CollectionKind::Nat,
            ("networkrule", Some(Action::Allow | Action::Deny)) => CollectionKind::Network,
            ("applicationrule", Some(Action::Allow | Action::Deny)) => CollectionKind::Application,
            _ => CollectionKind::Unknown(format!("{rule_type} {action}").trim().to_owned()),
        };
        let rule = foreign_rule(rule, ports.unwrap_or_default());
        match found.last_mut().filter(|last| last.kind == kind) {
            Some(last) => last.rules.push(rule),
            None => found.push(Collection {
                name: text("name"),
                // Where it is missing the collection is taken to be looked at first, which hides no finding.
                priority: priority(body).unwrap_or_default(),
                kind,
                action: known.unwrap_or(Action::Deny),
                rules: vec![rule],
            }),
        }
    }
    found
}

fn foreign_rule(body: &Value, ports: Vec<PortRange>) -> ForeignRule {
    let elements = |keys: [&'static str; 2]| -> Vec<Element> {
        let [addresses, groups] = keys.map(|key| texts(body, key).map(Element::parse));
        addresses.chain(groups).collect()
    };
    let own = |key| texts(body, key).map(str::to_owned);
    ForeignRule {
        name: body["name"].as_str().unwrap_or_default().to_owned(),
        sources: elements(["sourceAddresses", "sourceIpGroups"]),
        destinations: elements(["destinationAddresses", "destinationIpGroups"]),
        hosts: own("targetFqdns").chain(own("destinationFqdns")).collect(),
        url_hosts: texts(body, "targetUrls").map(|url| host_of(url).to_owned()).collect(),
        opaque: own("fqdnTags").chain(own("webCategories")).collect(),
        ports,
    }
}

/// The host of `www.example.org/path`, with a scheme or without.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or(rest);
    host.split(':').next().unwrap_or(host)
}

/// Of every kind of rule: application rules have `protocols`, the others protocols and ports apart.
fn ports(body: &Value) -> Option<Vec<PortRange>> {
    let transport = |text: &str| match text.to_ascii_lowercase().as_str() {
        "tcp" => Transport::Tcp,
        "udp" => Transport::Udp,
        "any" => Transport::Any,
        "http" => Transport::Http,
        "https" => Transport::Https,
        _ => Transport::Other,
    };
    let pairs = texts(body, "ipProtocols").flat_map(|protocol| {
        texts(body, "destinationPorts").map(move |ports| PortRange::parse(transport(protocol), ports))
    });
    let named = list(body, "protocols").iter().map(|protocol| {
        let transport = transport(protocol["protocolType"].as_str().unwrap_or_default());
        // Where the port is missing it is that of the protocol.
        let usual = if transport == Transport::Http { 80 } else { 443 };
        let port = protocol["port"].as_u64().map_or(Some(usual), |port| u16::try_from(port).ok())?;
        Some(PortRange { transport, first: port, last: port })
    });
    pairs.chain(named).collect()
}

#[cfg(test)]
#[path = "policy_rules_tests.rs"]
mod tests;
