//! Which rules the service takes into a rule collection group: looks at one body and at what is known around it, and
//! refuses the first thing that is wrong. ASSUMPTION: nearly all codes and texts; the rules are documented or follow
//! from what other programs check before they ask.

use super::{
    error::{self, ApiError},
    firewall_error::{bad_address, bad_rule},
    rule_collection_group::collections,
};
use ipnet::Ipv4Net;
use serde_json::{Map, Value};
use std::{collections::BTreeSet, net::Ipv4Addr, ops::RangeInclusive};

const PRIORITIES: RangeInclusive<u64> = 100..=65_000;
/// Documented for application rules.
const LAST_PORT: u64 = 64_000;

/// What is known where the rules are to stand.
pub(super) struct Around<'a> {
    /// The id of the group.
    pub(super) group: &'a str,
    /// Whether a firewall knows a tag by name.
    pub(super) knows: &'a dyn Fn(&str) -> bool,
    pub(super) has_dns_proxy: bool,
}

/// One rule, and where it stands.
struct Place<'a> {
    around: &'a Around<'a>,
    collection: &'a str,
    name: &'a str,
    rule: &'a Value,
}

pub(super) fn check_rules(properties: &Map<String, Value>, around: &Around<'_>) -> Result<(), ApiError> {
    let group = around.group;
    check_priority(properties.get("priority"), "RuleCollectionGroup", group)?;
    let (mut names, mut priorities) = (BTreeSet::new(), BTreeSet::new());
    for collection in collections(properties) {
        let name = text(collection, "name").ok_or_else(|| error::missing_property("ruleCollections.name"))?;
        let priority = check_priority(collection.get("priority"), "RuleCollection", &format!("{group}.{name}"))?;
        if !names.insert(name.to_ascii_lowercase()) {
            let why = format!("there is more than one rule collection '{name}'");
            return Err(bad_rule("FirewallPolicyRuleCollectionNamesNotUnique", group, &why));
        }
        if !priorities.insert(priority) {
            let why = format!("more than one rule collection has the priority {priority}");
            return Err(bad_rule("FirewallPolicyRuleCollectionPrioritiesNotUnique", group, &why));
        }
        check_collection(collection, name, around)?;
    }
    Ok(())
}

fn check_priority(given: Option<&Value>, kind: &str, id: &str) -> Result<u64, ApiError> {
    let given = given.ok_or_else(|| error::missing_property("priority"))?;
    match given.as_u64().filter(|priority| PRIORITIES.contains(priority)) {
        Some(priority) => Ok(priority),
        None => {
            let why = format!("the priority {given} is not between {} and {}", PRIORITIES.start(), PRIORITIES.end());
            Err(bad_rule(&format!("FirewallPolicy{kind}InvalidPriorityValue"), id, &why))
        }
    }
}

fn check_collection(collection: &Value, name: &str, around: &Around<'_>) -> Result<(), ApiError> {
    let id = format!("{}.{name}", around.group);
    let kind = text(collection, "ruleCollectionType").unwrap_or_default();
    let action = collection["action"]["type"].as_str().unwrap_or_default();
    let (actions, rule_types): (&[&str], &[&str]) = match kind {
        "FirewallPolicyNatRuleCollection" => (&["Dnat"], &["NatRule"]),
        "FirewallPolicyFilterRuleCollection" => (&["Allow", "Deny"], &["NetworkRule", "ApplicationRule"]),
        other => return Err(error::invalid_value("ruleCollectionType", other)),
    };
    if !actions.iter().any(|known| known.eq_ignore_ascii_case(action)) {
        return Err(error::invalid_value("action.type", action));
    }
    let (mut names, mut types) = (BTreeSet::new(), BTreeSet::new());
    for rule in collection["rules"].as_array().into_iter().flatten() {
        let name_of_rule = text(rule, "name").ok_or_else(|| error::missing_property("rules.name"))?;
        let rule_type = text(rule, "ruleType").ok_or_else(|| error::missing_property("rules.ruleType"))?;
        if !rule_types.contains(&rule_type) {
            return Err(error::invalid_value("ruleType", rule_type));
        }
        if !names.insert(name_of_rule.to_ascii_lowercase()) {
            let why = format!("there is more than one rule '{name_of_rule}'");
            return Err(bad_rule("FirewallPolicyRuleNamesNotUnique", &id, &why));
        }
        types.insert(rule_type);
        if types.len() > 1 {
            let why = "network rules and application rules need rule collections of their own";
            return Err(bad_rule("FirewallPolicyRuleCollectionMixedRuleTypes", &id, why));
        }
        let place = Place { around, collection: name, name: name_of_rule, rule };
        match rule_type {
            "NetworkRule" => place.check_network_rule()?,
            "ApplicationRule" => place.check_application_rule()?,
            _ => place.check_nat_rule()?,
        }
    }
    Ok(())
}

impl<'a> Place<'a> {
    fn list(&self, name: &str) -> Vec<&'a str> {
        let rule = self.rule;
        rule[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    fn id(&self) -> String {
        format!("{}.{}.{}", self.around.group, self.collection, self.name)
    }

    fn refuse(&self, code: &str, why: &str) -> Result<(), ApiError> {
        Err(bad_rule(code, &self.id(), why))
    }

    fn check_network_rule(&self) -> Result<(), ApiError> {
        self.check_sources()?;
        self.check_protocols()?;
        self.check_ports()?;
        let addresses = self.list("destinationAddresses");
        let hosts = self.list("destinationFqdns");
        let kinds = [!addresses.is_empty(), !self.list("destinationIpGroups").is_empty(), !hosts.is_empty()];
        if kinds.iter().filter(|is_there| **is_there).count() != 1 {
            let why = "a network rule needs destinationAddresses, destinationIpGroups or destinationFqdns, and only one \
                       of them";
            return self.refuse("FirewallPolicyRuleInvalidDestination", why);
        }
        let mut tags = 0;
        for address in &addresses {
            if !is_address(address) {
                self.check_tag(address)?;
                tags += 1;
            }
        }
        if tags > 0 && tags < addresses.len() {
            let why = "service tags and addresses cannot stand in the same rule";
            return self.refuse("FirewallPolicyRuleMixedServiceTagsAndAddresses", why);
        }
        if !hosts.is_empty() && !self.around.has_dns_proxy {
            let why = "FQDNs in network rules need dnsSettings.enableProxy on the policy";
            return self.refuse("FirewallPolicyNetworkRuleFqdnsNeedDnsProxy", why);
        }
        self.check_hosts(&hosts, false)
    }

    fn check_application_rule(&self) -> Result<(), ApiError> {
        self.check_sources()?;
        self.check_addresses("destinationAddresses")?;
        let targets = ["targetFqdns", "fqdnTags", "targetUrls", "webCategories"];
        if targets.iter().all(|list| self.list(list).is_empty()) {
            let why = "an application rule needs targetFqdns, fqdnTags, targetUrls or webCategories";
            return self.refuse("FirewallPolicyRuleInvalidDestination", why);
        }
        let protocols = self.rule["protocols"].as_array().map_or(&[][..], Vec::as_slice);
        if protocols.is_empty() && self.list("fqdnTags").is_empty() {
            return self.refuse("FirewallPolicyRuleInvalidProtocol", "an application rule needs protocols");
        }
        for protocol in protocols {
            let kind = text(protocol, "protocolType").unwrap_or_default();
            let is_known = ["Http", "Https", "Mssql"].iter().any(|known| known.eq_ignore_ascii_case(kind));
            let has_port = protocol["port"].as_u64().is_some_and(|port| (1..=LAST_PORT).contains(&port));
            if !is_known || !has_port {
                let why = format!("{protocol} is no protocol: Http, Https or Mssql, with a port of 1 to {LAST_PORT}");
                return self.refuse("FirewallPolicyRuleInvalidProtocol", &why);
            }
        }
        self.check_hosts(&self.list("targetFqdns"), true)
    }

    fn check_nat_rule(&self) -> Result<(), ApiError> {
        self.check_sources()?;
        self.check_protocols()?;
        self.check_ports()?;
        self.check_addresses("destinationAddresses")?;
        if text(self.rule, "translatedAddress").or_else(|| text(self.rule, "translatedFqdn")).is_none() {
            let why = "a NAT rule needs translatedAddress or translatedFqdn";
            return self.refuse("FirewallPolicyRuleInvalidTranslation", why);
        }
        Ok(())
    }

    fn check_sources(&self) -> Result<(), ApiError> {
        if self.list("sourceAddresses").is_empty() && self.list("sourceIpGroups").is_empty() {
            return self.refuse("FirewallPolicyRuleInvalidSource", "a rule needs sourceAddresses or sourceIpGroups");
        }
        self.check_addresses("sourceAddresses")
    }

    /// Without service tags: those are for destinations of network rules.
    fn check_addresses(&self, list: &str) -> Result<(), ApiError> {
        match self.list(list).into_iter().find(|address| !is_address(address)) {
            Some(address) => Err(bad_address(&self.id(), address)),
            None => Ok(()),
        }
    }

    fn check_tag(&self, tag: &str) -> Result<(), ApiError> {
        let is_name = tag.starts_with(|first: char| first.is_ascii_alphabetic())
            && tag.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if is_name && (self.around.knows)(tag) { Ok(()) } else { Err(bad_address(&self.id(), tag)) }
    }

    fn check_protocols(&self) -> Result<(), ApiError> {
        let protocols = self.list("ipProtocols");
        let is_known =
            |given: &&str| ["TCP", "UDP", "ICMP", "Any"].iter().any(|known| known.eq_ignore_ascii_case(given));
        if protocols.is_empty() || !protocols.iter().all(is_known) {
            let why = "ipProtocols are TCP, UDP, ICMP or Any, at least one of them";
            return self.refuse("FirewallPolicyRuleInvalidProtocol", why);
        }
        Ok(())
    }

    fn check_ports(&self) -> Result<(), ApiError> {
        let ports = self.list("destinationPorts");
        match ports.iter().find(|port| !is_port_or_range(port)) {
            Some(port) => self.refuse("FirewallPolicyRuleInvalidPort", &format!("'{port}' is no port and no range")),
            None if ports.is_empty() => self.refuse("FirewallPolicyRuleInvalidPort", "a rule needs destinationPorts"),
            None => Ok(()),
        }
    }

    fn check_hosts(&self, hosts: &[&str], wildcards: bool) -> Result<(), ApiError> {
        match hosts.iter().find(|host| !is_host(host, wildcards)) {
            Some(host) => self.refuse("FirewallPolicyRuleInvalidFqdn", &format!("'{host}' is no FQDN")),
            None => Ok(()),
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value[name].as_str().filter(|text| !text.is_empty())
}

/// IPv4 only. ASSUMPTION: host bits are refused, as for IP groups.
fn is_address(given: &str) -> bool {
    if let Some((first, last)) = given.split_once('-') {
        let range: Option<(Ipv4Addr, Ipv4Addr)> = first.trim().parse().ok().zip(last.trim().parse().ok());
        return range.is_some_and(|(first, last)| first <= last);
    }
    let is_net = || given.parse::<Ipv4Net>().is_ok_and(|net| net.trunc() == net);
    given == "*" || given.parse::<Ipv4Addr>().is_ok() || is_net()
}

fn is_port_or_range(given: &str) -> bool {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    match given.split_once('-') {
        Some((first, last)) => port(first).zip(port(last)).is_some_and(|(first, last)| first <= last),
        None => given == "*" || port(given).is_some(),
    }
}

fn is_host(given: &str, wildcards: bool) -> bool {
    let host = if wildcards {
        given.strip_prefix('*').map_or(given, |rest| rest.strip_prefix('.').unwrap_or(rest))
    } else {
        given
    };
    if wildcards && given == "*" {
        return true;
    }
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.len() <= 63 && label.bytes().all(allowed) && !label.starts_with('-')
    };
    host.len() <= 253 && host.contains('.') && host.split('.').all(is_label) && host.parse::<Ipv4Addr>().is_err()
}

/// Sources × destinations of the network rules; an IP group counts as one.
pub(super) fn pairs(properties: &Map<String, Value>) -> u64 {
    let rules = collections(properties).iter().filter_map(|collection| collection["rules"].as_array()).flatten();
    let unique = |rule: &Value, lists: &[&str]| {
        let all = lists.iter().filter_map(|list| rule[*list].as_array()).flatten().filter_map(Value::as_str);
        u64::try_from(all.collect::<BTreeSet<_>>().len()).unwrap_or(u64::MAX)
    };
    let of = |rule: &Value| {
        let sources = unique(rule, &["sourceAddresses", "sourceIpGroups"]);
        sources.saturating_mul(unique(rule, &["destinationAddresses", "destinationIpGroups", "destinationFqdns"]))
    };
    rules.filter(|rule| rule["ruleType"] == "NetworkRule").map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_ports_and_hosts_have_their_forms() {
        for good in ["*", "10.0.0.1", "10.0.0.0/8", "10.0.0.1-10.0.0.9"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "10.0.0.1/8", "10.0.0.9-10.0.0.1", "2603:1030::/48", "Storage", "10.0.0.0/33"] {
            assert!(!is_address(bad), "{bad}");
        }
        for (port, is_good) in
            [("443", true), ("1-65535", true), ("*", true), ("0", false), ("9-8", false), ("a", false)]
        {
            assert_eq!(is_port_or_range(port), is_good, "{port}");
        }
        for host in ["a.b", "login.microsoftonline.com", "_x.y-z.net"] {
            assert!(is_host(host, false), "{host}");
        }
        for host in ["", "localhost", "*.a.b", "https://a.b", "a..b", "10.0.0.1"] {
            assert!(!is_host(host, false), "{host}");
        }
        assert!(is_host("*.a.b", true) && is_host("*", true) && !is_host("a.*.b", true));
    }
}
