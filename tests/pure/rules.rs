//! What tests of rules need: Azure's part in a firewall policy and in a security group, and what their rules let through.
//!
//! What Azure would refuse fails the test. Nothing here calls what draws rules up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use amlnet::azure::kind::{self, Write};
use amlnet::domain::approval::{Approval as Approved, Subject};
use amlnet::domain::decision::{Basis, decide};
use amlnet::domain::desired::{Contribution, Wishes};
use amlnet::domain::intent::{DeletionPolicy, Growth, Mode, ObjectKey, Removal};
use amlnet::domain::memory::TargetMemory;
use amlnet::domain::outbound::Priorities;
use amlnet::domain::plan::{Action, Limits, Observed, Plan, TargetInput};
use amlnet::domain::resolve::Unresolved;
use amlnet::domain::resource_id::ResourceId;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::executable;

/// The priorities of our rules in security groups.
pub(crate) const RANGE: Priorities = Priorities { from: 2000, to: 2099 };
/// The priority of our group in policies.
pub(crate) const PRIORITY: Priorities = Priorities { from: 1200, to: 1200 };

pub(crate) fn resource(kind: &str, name: &str) -> ResourceId {
    let text = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network";
    format!("{text}/{kind}/{name}").parse().unwrap()
}

pub(crate) fn policy_id() -> ResourceId {
    resource("firewallPolicies", "p")
}

pub(crate) fn nsg_id() -> ResourceId {
    resource("networkSecurityGroups", "nsg")
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey { namespace: "team".to_owned(), name: name.to_owned() }
}

pub(crate) fn contribution(name: &str, removal: Removal, outcome: Result<Wishes, Unresolved>) -> Contribution {
    Contribution {
        network: key(name),
        generation: 1,
        mode: Mode::Sync,
        suspended: false,
        deletion_policy: DeletionPolicy::Retain,
        removal,
        growth: Growth { per_service: 40, total: 100 },
        clocks_may_start: true,
        outcome: outcome.map(Arc::new),
    }
}

/// One thing that a rule lets through, in the texts of the rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Permission {
    pub(crate) inbound: bool,
    pub(crate) source: String,
    pub(crate) destination: String,
    pub(crate) protocol: String,
    pub(crate) port: u16,
}

/// A network as two numbers, first and last address.
pub(crate) fn span(text: &str) -> Option<(bool, u128, u128)> {
    let (address, length) = text.split_once('/')?;
    let length: u32 = length.parse().ok()?;
    let (v6, first, bits) = match address.parse().ok()? {
        IpAddr::V4(address) => (false, u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (true, u128::from(address), 128),
    };
    let size = 1_u128.checked_shl(bits - length).map_or(u128::MAX, |size| size - 1);
    Some((v6, first, first.saturating_add(size)))
}

/// Whether all of `narrow` lies in `wide`.
pub(crate) fn within(narrow: &str, wide: &str) -> bool {
    if narrow.eq_ignore_ascii_case(wide) {
        return true;
    }
    let (Some(narrow), Some(wide)) = (span(narrow), span(wide)) else { return false };
    narrow.0 == wide.0 && narrow.1 >= wide.1 && narrow.2 <= wide.2
}

/// Whether the permissions let this one through, by itself or as a part of a wider one.
pub(crate) fn allow(all: &BTreeSet<Permission>, one: &Permission) -> bool {
    let same =
        |other: &Permission| (other.inbound, &other.protocol, other.port) == (one.inbound, &one.protocol, one.port);
    all.contains(one)
        || all.iter().any(|other| {
            same(other) && within(&one.source, &other.source) && within(&one.destination, &other.destination)
        })
}

/// A target as Azure has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Azure {
    /// A firewall policy: our group in it, and those of others.
    Policy { ours: Option<Value>, others: Vec<Value>, dns_proxy: bool },
    /// The rules of a security group.
    Group(Vec<Value>),
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// One value, or a list of them.
fn one_or_many(properties: &Value, one: &str, many: &str) -> Vec<String> {
    let alone = properties[one].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let list = texts(&properties[many]);
    assert!(alone.is_none() || list.is_empty(), "{one} beside {many}: {properties}");
    alone.into_iter().chain(list).collect()
}

impl Azure {
    pub(crate) fn policy() -> Self {
        Self::Policy { ours: None, others: Vec::new(), dns_proxy: true }
    }

    pub(crate) fn group() -> Self {
        Self::Group(Vec::new())
    }

    pub(crate) fn id(&self) -> ResourceId {
        if matches!(self, Self::Policy { .. }) { policy_id() } else { nsg_id() }
    }

    pub(crate) fn priorities(&self) -> Priorities {
        if matches!(self, Self::Policy { .. }) { PRIORITY } else { RANGE }
    }

    pub(crate) fn body(&self) -> Value {
        match self {
            Self::Policy { ours, others, dns_proxy } => {
                let policy = json!({"id": policy_id().to_string(), "name": "p", "location": "eastus2", "properties": {
                    "provisioningState": "Succeeded", "dnsSettings": {"enableProxy": dns_proxy}, "childPolicies": [],
                    "firewalls": [{"id": policy_id().to_string().replace("firewallPolicies/p", "azureFirewalls/fw")}]}});
                let groups: Vec<&Value> = others.iter().chain(ours).collect();
                json!({"installation": "prod", "group": ours, "policy": policy, "groups": groups, "bases": []})
            }
            Self::Group(rules) => json!({"installation": "prod", "group": {"id": nsg_id().to_string(),
                "location": "eastus2", "properties": {"provisioningState": "Succeeded", "securityRules": rules,
                    "subnets": [{"id": "/a/subnet"}]}}}),
        }
    }

    pub(crate) fn observed(&self) -> Observed {
        let id = self.id();
        kind::of(id.kind).observe(&id, &self.body()).unwrap()
    }

    /// What Azure does with a write. Fails on what it would refuse.
    pub(crate) fn take(&mut self, write: &Write) {
        match (self, write) {
            (Self::Policy { ours, .. }, Write::PutRuleCollectionGroup { policy, name, group }) => {
                assert_eq!((policy, name.as_str()), (&policy_id(), "amlnet-prod"));
                *ours = Some(completed_group(serde_json::to_value(&**group).unwrap()));
            }
            (Self::Policy { ours, .. }, Write::DeleteRuleCollectionGroup { policy, name }) => {
                assert_eq!((policy, name.as_str()), (&policy_id(), "amlnet-prod"));
                assert!(ours.take().is_some(), "nothing is there to be deleted");
            }
            (Self::Group(rules), Write::PutSecurityRule { group, name, rule }) => {
                assert_eq!(group, &nsg_id());
                let rule = completed_rule(serde_json::to_value(&**rule).unwrap());
                assert_eq!(rule["name"], name.as_str());
                let place = position(rules, name);
                let of =
                    |rule: &Value| (rule["properties"]["direction"].clone(), rule["properties"]["priority"].clone());
                let mut others = rules.iter().enumerate().filter(|(at, _)| Some(*at) != place);
                assert!(!others.any(|(_, other)| of(other) == of(&rule)), "priority taken: {rule}");
                match place {
                    Some(at) => rules[at] = rule,
                    None => rules.push(rule),
                }
            }
            (Self::Group(rules), Write::DeleteSecurityRule { group, name }) => {
                assert_eq!(group, &nsg_id());
                let at = position(rules, name).unwrap_or_else(|| panic!("{name} is not there"));
                rules.remove(at);
            }
            (_, other) => panic!("no write for this target: {other:?}"),
        }
    }

    /// Our rules, by name.
    pub(crate) fn ours(&self) -> BTreeMap<String, &Value> {
        let rules: Vec<&Value> = match self {
            Self::Policy { ours, .. } => {
                let collections =
                    ours.iter().flat_map(|group| group["properties"]["ruleCollections"].as_array().unwrap());
                collections.flat_map(|collection| collection["rules"].as_array().unwrap()).collect()
            }
            Self::Group(rules) => rules.iter().filter(|rule| is_ours(rule)).collect(),
        };
        rules.into_iter().map(|rule| (rule["name"].as_str().unwrap().to_owned(), rule)).collect()
    }

    /// The rules of others.
    pub(crate) fn foreign(&self) -> Vec<Value> {
        match self {
            Self::Policy { others, .. } => others.clone(),
            Self::Group(rules) => rules.iter().filter(|rule| !is_ours(rule)).cloned().collect(),
        }
    }

    /// What our rules let through.
    pub(crate) fn permissions(&self) -> BTreeSet<Permission> {
        self.ours().into_values().flat_map(|rule| self.permissions_of(rule)).collect()
    }

    pub(crate) fn permissions_of(&self, rule: &Value) -> Vec<Permission> {
        if let Self::Policy { .. } = self { of_firewall(rule) } else { of_security_group(rule) }
    }
}

fn is_ours(rule: &Value) -> bool {
    rule["name"].as_str().unwrap().to_ascii_lowercase().starts_with("amlnet.prod.")
}

fn position(rules: &[Value], name: &str) -> Option<usize> {
    rules.iter().position(|rule| rule["name"].as_str().unwrap().eq_ignore_ascii_case(name))
}

fn of_firewall(rule: &Value) -> Vec<Permission> {
    let sources = [texts(&rule["sourceAddresses"]), texts(&rule["sourceIpGroups"])].concat();
    let (destinations, ports) = if rule["ruleType"] == "NetworkRule" {
        let lists = ["destinationAddresses", "destinationIpGroups", "destinationFqdns"];
        let ports = texts(&rule["destinationPorts"]);
        let by = |protocol: String| ports.iter().map(move |port| (protocol.clone(), port.parse().unwrap()));
        let ports: Vec<(String, u16)> = texts(&rule["ipProtocols"]).into_iter().flat_map(by).collect();
        (lists.map(|list| texts(&rule[list])).concat(), ports)
    } else {
        let port = |protocol: &Value| {
            let number = protocol["port"].as_u64().and_then(|port| u16::try_from(port).ok());
            (protocol["protocolType"].as_str().unwrap().to_owned(), number.unwrap())
        };
        (texts(&rule["targetFqdns"]), rule["protocols"].as_array().unwrap().iter().map(port).collect())
    };
    product(false, &sources, &destinations, &ports)
}

fn of_security_group(rule: &Value) -> Vec<Permission> {
    let properties = &rule["properties"];
    assert_eq!((&properties["access"], &properties["sourcePortRange"]), (&json!("Allow"), &json!("*")), "{rule}");
    let protocol = properties["protocol"].as_str().unwrap().to_owned();
    let ports = one_or_many(properties, "destinationPortRange", "destinationPortRanges");
    product(
        properties["direction"] == "Inbound",
        &one_or_many(properties, "sourceAddressPrefix", "sourceAddressPrefixes"),
        &one_or_many(properties, "destinationAddressPrefix", "destinationAddressPrefixes"),
        &ports.iter().map(|port| (protocol.clone(), port.parse().unwrap())).collect::<Vec<_>>(),
    )
}

pub(crate) fn product(
    inbound: bool,
    sources: &[String],
    destinations: &[String],
    ports: &[(String, u16)],
) -> Vec<Permission> {
    let mut all = Vec::new();
    for source in sources {
        for destination in destinations {
            all.extend(ports.iter().map(|(protocol, port)| Permission {
                inbound,
                source: source.clone(),
                destination: destination.clone(),
                protocol: protocol.clone(),
                port: *port,
            }));
        }
    }
    all
}

/// A group as a later GET shows it: every list is there, and what Azure adds.
fn completed_group(mut body: Value) -> Value {
    let network =
        ["sourceAddresses", "sourceIpGroups", "destinationAddresses", "destinationIpGroups", "destinationFqdns"];
    let application = ["sourceAddresses", "sourceIpGroups", "destinationAddresses", "fqdnTags", "webCategories"];
    let properties = &mut body["properties"];
    properties["provisioningState"] = json!("Succeeded");
    properties["size"] = json!("0.003230095 MB");
    let (mut names, mut priorities) = (BTreeSet::new(), BTreeSet::new());
    for collection in properties["ruleCollections"].as_array_mut().unwrap() {
        assert_eq!(collection["action"]["type"], "Allow");
        assert_eq!(collection["ruleCollectionType"], "FirewallPolicyFilterRuleCollection");
        assert!(priorities.insert(collection["priority"].as_u64().unwrap()));
        let rules = collection["rules"].as_array_mut().unwrap();
        assert!(!rules.is_empty(), "an empty collection");
        for rule in rules {
            assert!(!of_firewall(rule).is_empty(), "a rule without one of its sides: {rule}");
            let name = rule["name"].as_str().unwrap();
            assert!(name.len() <= 80 && names.insert(name.to_ascii_lowercase()), "{name}");
            let lists = if rule["ruleType"] == "NetworkRule" {
                &network[..]
            } else {
                assert_eq!(rule["ruleType"], "ApplicationRule");
                rule["terminateTLS"] = json!(false);
                rule["targetUrls"] = json!([]);
                rule["httpHeadersToInsert"] = json!([]);
                &application[..]
            };
            for list in lists {
                if rule[*list].is_null() {
                    rule[*list] = json!([]);
                }
            }
        }
    }
    assert!(!priorities.is_empty(), "an empty group");
    for (field, value) in [("name", "amlnet-prod"), ("etag", "1"), ("location", "eastus2")] {
        body[field] = json!(value);
    }
    body
}

/// A rule as a later GET shows it.
fn completed_rule(mut rule: Value) -> Value {
    let properties = &mut rule["properties"];
    properties["provisioningState"] = json!("Succeeded");
    for side in ["source", "destination"] {
        let list = one_or_many(properties, &format!("{side}AddressPrefix"), &format!("{side}AddressPrefixes"));
        assert!(!list.is_empty() && list.len() <= 100, "{} on a side: {properties}", list.len());
        assert!(list.len() == 1 || list.iter().all(|text| span(text).is_some()), "a tag in a list: {list:?}");
        for (at, one) in list.iter().enumerate() {
            assert!(
                !list.iter().enumerate().any(|(other, wide)| other != at && within(one, wide)),
                "overlap: {list:?}"
            );
        }
        for range in ["AddressPrefixes", "PortRanges"] {
            if properties[format!("{side}{range}")].is_null() {
                properties[format!("{side}{range}")] = json!([]);
            }
        }
    }
    let families: BTreeSet<bool> = of_security_group(&rule)
        .iter()
        .flat_map(|one| [span(&one.source), span(&one.destination)])
        .flatten()
        .map(|(v6, ..)| v6)
        .collect();
    assert!(families.len() < 2, "two families: {rule}");
    let name = rule["name"].as_str().unwrap();
    assert!(name.len() <= 80 && (100..=4096).contains(&rule["properties"]["priority"].as_u64().unwrap()), "{rule}");
    assert!(rule["properties"]["description"].as_str().is_none_or(|text| text.chars().count() <= 140), "{rule}");
    rule["etag"] = json!("W/\"1\"");
    rule
}

/// A target with its Networks, over time.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) azure: Azure,
    pub(crate) input: TargetInput,
    pub(crate) memory: TargetMemory,
    pub(crate) approvals: Vec<Approved>,
    pub(crate) now: Timestamp,
}

/// What carrying out a plan came to.
pub(crate) struct Applied {
    pub(crate) plan: Plan,
    pub(crate) writes: Vec<Write>,
    /// Before the first write, and after each.
    pub(crate) states: Vec<Azure>,
}

impl World {
    pub(crate) fn new(azure: Azure, contributions: Vec<Contribution>) -> Self {
        let input = TargetInput::new(azure.id(), "prod".parse().unwrap(), Vec::new());
        let now = "2026-01-05T12:00:00Z".parse().unwrap();
        let mut world = Self { azure, input, memory: TargetMemory::default(), approvals: Vec::new(), now };
        world.ask(contributions);
        world
    }

    /// The Networks from now on.
    pub(crate) fn ask(&mut self, contributions: Vec<Contribution>) -> &mut Self {
        let priorities = self.azure.priorities();
        self.input.priorities = contributions.iter().map(|c| (c.network.clone(), priorities)).collect();
        self.input.contributions = contributions;
        self.input.contributions.sort_by(|a, b| a.network.cmp(&b.network));
        self
    }

    pub(crate) fn wait(&mut self, days: i64) -> &mut Self {
        self.now += SignedDuration::from_hours(24 * days);
        self
    }

    /// Decides, and remembers.
    pub(crate) fn decide(&mut self) -> Plan {
        let observed = self.azure.observed();
        let limits = Limits::of(self.input.id.kind);
        let basis = Basis { remembered: &self.memory, approvals: &self.approvals, now: self.now };
        let (plan, memory) = decide(&self.input, &observed, limits, &[], basis);
        self.memory = memory;
        plan
    }

    /// Decides, and carries out what may be done.
    pub(crate) fn apply(&mut self) -> Applied {
        let plan = self.decide();
        let mut states = vec![self.azure.clone()];
        if executable(&plan).is_empty() {
            return Applied { plan, writes: Vec::new(), states };
        }
        let requests = kind::of(self.input.id.kind).requests(&self.input, &plan.steps, &self.azure.observed()).unwrap();
        let removals: Vec<_> = plan.steps.iter().filter(|step| step.action == Action::Remove).collect();
        self.memory.count_removals(&removals, self.now);
        let mut writes = Vec::new();
        for request in requests {
            self.azure.take(&request.write);
            states.push(self.azure.clone());
            writes.push(request.write);
        }
        for step in &plan.steps {
            self.memory.wrote(step);
        }
        Applied { plan, writes, states }
    }

    /// Carries out what may be done, and decides once more: what is left. Nothing may be.
    pub(crate) fn settle(&mut self) -> Plan {
        let first = self.apply();
        let again = self.decide();
        assert!(executable(&again).is_empty(), "no rest after\n{}\n{again}", first.plan);
        again
    }

    /// A person approves what waits.
    pub(crate) fn approve(&mut self, plan: &Plan, network: &str) {
        self.approvals.push(Approved {
            id: format!("approval-{}", self.approvals.len()),
            subject: Subject::Network(key(network)),
            hash: plan.hash().to_string(),
            approved_by: None,
            expires_at: self.now + SignedDuration::from_hours(24 * 7),
        });
    }
}
