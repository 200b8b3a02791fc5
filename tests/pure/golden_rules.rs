//! What a golden case says of a firewall policy or a security group: how it stands, and what its Networks ask for.
//!
//! Must not compare anything: `golden` does.

use std::collections::{BTreeMap, BTreeSet};

use amlnet::domain::desired::Wishes;
use amlnet::domain::intent::Intent;
use amlnet::domain::outbound::{
    Additional, FirewallPolicyIntent, Outbound, Port, Priorities, Protocol, Reach, RuleAddressing, SecurityGroupIntent,
};
use amlnet::domain::plan::{Observed, TargetInput};
use amlnet::domain::region::Regions;
use amlnet::domain::requirement::{Direction, Requirements};
use amlnet::domain::resolve::Unresolved;
use amlnet::domain::resource_id::ResourceId;
use amlnet::domain::rule;
use amlnet::domain::service_tags::Document;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::rules::{Azure, resource};

/// A target that holds rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct Scene {
    /// A security group in place of a firewall policy.
    security_group: bool,
    /// What stands of ours, as Azure shows it: the rules.
    ours: Vec<Value>,
    /// Rules of others in a security group, by name: priority, access, protocol, far side, port.
    others: BTreeMap<String, String>,
    /// Priorities of other groups of the policy, by name.
    groups: BTreeMap<String, u16>,
    /// A collection of somebody else in our group.
    stranger: bool,
    dns_proxy: bool,
}

impl Default for Scene {
    fn default() -> Self {
        let (ours, others, groups) = (vec![], BTreeMap::new(), BTreeMap::new());
        Self { security_group: false, ours, others, groups, stranger: false, dns_proxy: true }
    }
}

/// What a Network of such a case asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct Asks {
    sources: Vec<String>,
    profiles: BTreeSet<String>,
    exclude: BTreeSet<String>,
    /// Auto or Prefixes.
    addressing: String,
    /// Of the group in a policy; the first of the range in a security group.
    priority: u16,
    /// So many priorities.
    range: u16,
    directions: BTreeSet<String>,
    /// Hosts or one service tag with a region, by name: where to, protocol and port behind it.
    additional: BTreeMap<String, String>,
}

impl Default for Asks {
    fn default() -> Self {
        Self {
            sources: vec!["10.1.0.0/24".to_owned()],
            profiles: BTreeSet::new(),
            exclude: BTreeSet::new(),
            addressing: "Auto".to_owned(),
            priority: 1200,
            range: 100,
            directions: BTreeSet::from(["Outbound".to_owned()]),
            additional: BTreeMap::new(),
        }
    }
}

fn protocol(text: &str) -> Protocol {
    Protocol::ALL.into_iter().find(|known| known.to_string() == text).unwrap_or_else(|| panic!("protocol {text}"))
}

/// `github.com TCP 443`, `Storage TCP 445`.
fn additional(name: &str, text: &str) -> Additional {
    let [to, of, port] = text.split(' ').collect::<Vec<_>>()[..] else { panic!("additional {name}: {text}") };
    let is_tag = to.starts_with(|c: char| c.is_ascii_uppercase());
    let to = if is_tag {
        Reach::Tag { name: to.to_owned(), regional: true }
    } else {
        Reach::Hosts(to.split(',').map(|host| host.parse().unwrap()).collect())
    };
    Additional { name: name.to_owned(), to, ports: vec![Port { protocol: protocol(of), port: port.parse().unwrap() }] }
}

impl Scene {
    pub(crate) fn id(&self) -> ResourceId {
        if self.security_group { resource("networkSecurityGroups", "nsg") } else { resource("firewallPolicies", "p") }
    }

    pub(crate) fn observed(&self) -> Observed {
        if self.security_group {
            let other = |(name, text): (&String, &String)| {
                let [priority, access, protocol, far, port] = text.split(' ').collect::<Vec<_>>()[..] else {
                    panic!("rule {name}: {text}")
                };
                json!({"name": name, "properties": {"provisioningState": "Succeeded", "protocol": protocol,
                    "sourcePortRange": "*", "destinationPortRange": port, "sourceAddressPrefix": "*",
                    "destinationAddressPrefix": far, "access": access, "priority": priority.parse::<u16>().unwrap(),
                    "direction": "Outbound"}})
            };
            let others = self.others.iter().map(other);
            return Azure::Group(self.ours.iter().cloned().chain(others).collect()).observed();
        }
        let mut collections = Vec::new();
        for (name, priority, kind) in
            [("amlnet-network", 100, "NetworkRule"), ("amlnet-application", 200, "ApplicationRule")]
        {
            let rules: Vec<&Value> = self.ours.iter().filter(|rule| rule["ruleType"] == kind).collect();
            if !rules.is_empty() {
                collections.push(json!({"ruleCollectionType": "FirewallPolicyFilterRuleCollection", "name": name,
                    "priority": priority, "action": {"type": "Allow"}, "rules": rules}));
            }
        }
        if self.stranger {
            collections.push(json!({"ruleCollectionType": "FirewallPolicyNatRuleCollection", "name": "nat",
                "priority": 300, "action": {"type": "Dnat"}, "rules": []}));
        }
        let group = |name: &str, priority: u16, collections: &[Value]| {
            json!({"name": name, "properties": {"provisioningState": "Succeeded", "priority": priority,
                "ruleCollections": collections}})
        };
        let ours = (!collections.is_empty()).then(|| group("amlnet-prod", 1200, &collections));
        let others = self.groups.iter().map(|(name, priority)| group(name, *priority, &[])).collect();
        Azure::Policy { ours, others, dns_proxy: self.dns_proxy }.observed()
    }

    pub(crate) fn wishes(&self, intent: &Intent, asks: &Asks, document: &Document) -> Result<Wishes, Unresolved> {
        let outbound = Outbound {
            edition: "2026-03".to_owned(),
            profiles: asks.profiles.clone(),
            exclude: asks.exclude.clone(),
            sources: asks.sources.iter().map(|text| text.parse().unwrap()).collect(),
            additional: asks.additional.iter().map(|(name, text)| additional(name, text)).collect(),
            ..Outbound::default()
        };
        let (prod, regions, requirements) = ("prod".parse().unwrap(), Regions::built_in(), Requirements::built_in());
        if self.security_group {
            let known = [Direction::Outbound, Direction::Inbound];
            let directions = known.into_iter().filter(|known| asks.directions.contains(&known.to_string())).collect();
            let group = SecurityGroupIntent { id: self.id(), directions, priorities: asks.priorities(true) };
            return rule::security::wishes(intent, &outbound, &group, &prod, document, &regions, &requirements);
        }
        let addressing = match asks.addressing.as_str() {
            "Auto" => RuleAddressing::Auto,
            "Prefixes" => RuleAddressing::Prefixes,
            other => panic!("addressing {other}"),
        };
        let policy = FirewallPolicyIntent { id: self.id(), priority: asks.priority, addressing };
        rule::firewall::wishes(intent, &outbound, &policy, &prod, document, &regions, &requirements)
    }

    /// The priorities that each of the Networks asks for, in the order of its contributors.
    pub(crate) fn add_priorities<'a>(&self, input: &mut TargetInput, asks: impl Iterator<Item = (&'a str, &'a Asks)>) {
        for (name, asks) in asks {
            let key = input.contributions.iter().map(|c| &c.network).find(|key| key.name == name).unwrap();
            input.priorities.insert(key.clone(), asks.priorities(self.security_group));
        }
    }
}

impl Asks {
    fn priorities(&self, is_range: bool) -> Priorities {
        let to = if is_range { self.priority + self.range - 1 } else { self.priority };
        Priorities { from: self.priority, to }
    }
}
