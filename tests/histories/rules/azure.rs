//! Azure's part: an IP group, a firewall policy with its groups and a security group, as bodies that the kinds read and
//! write; and what they let through, read without amlnet.
//!
//! Refuses what Azure refuses. Must not know who needs what.

use std::collections::{BTreeMap, BTreeSet};

use amlnet::azure::kind::{self, Write};
use amlnet::domain::intent::Installation;
use amlnet::domain::plan::Observed;
use amlnet::domain::resource_id::ResourceId;
use ipnet::Ipv4Net;
use serde_json::{Value, json};

/// Where rules are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Seat {
    Group,
    Policy,
    Security,
}

/// What a write comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Succeeds,
    Fails,
}

/// One rule of ours: everything on one side may talk with everything on the other. An IP group is a rule without a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sides {
    pub(crate) near: BTreeSet<String>,
    pub(crate) far: BTreeSet<String>,
    pub(crate) ports: BTreeSet<String>,
}

/// Our rules by name in lower case; what is spread over several is put together.
pub(crate) type Allowed = BTreeMap<String, Sides>;

#[derive(Debug, Clone)]
pub(crate) struct Azure {
    group: Value,
    /// The groups of the policy by name.
    groups: BTreeMap<String, Value>,
    rules: Vec<Value>,
}

const OURS: &str = "amlnet.prod.";
const OUR_GROUP: &str = "amlnet-prod";
const PROVIDER: &str =
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network";

impl Seat {
    pub(crate) const ALL: [Self; 3] = [Self::Group, Self::Policy, Self::Security];

    pub(crate) fn id(self) -> ResourceId {
        let place = match self {
            Self::Group => "ipGroups/ipg",
            Self::Policy => "firewallPolicies/afwp",
            Self::Security => "networkSecurityGroups/nsg",
        };
        format!("{PROVIDER}/{place}").parse().unwrap()
    }
}

fn is_ours(rule: &Value) -> bool {
    rule["name"].as_str().unwrap().to_ascii_lowercase().starts_with(OURS)
}

fn texts(of: &Value) -> impl Iterator<Item = String> + '_ {
    of.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_ascii_lowercase())
}

/// A field that Azure has as one and as a list.
fn both(properties: &Value, one: &str, many: &str) -> BTreeSet<String> {
    let one: Vec<String> = properties[one].as_str().map(str::to_ascii_lowercase).into_iter().collect();
    let many: Vec<String> = texts(&properties[many]).collect();
    assert!(one.is_empty() != many.is_empty(), "Azure wants one of {properties}");
    one.into_iter().chain(many).collect()
}

/// Without the number of a rule that is one of several.
fn whole_name(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.rsplit_once('.') {
        Some((whole, number)) if number.parse::<usize>().is_ok() => whole.to_owned(),
        _ => name,
    }
}

impl Azure {
    pub(crate) fn new() -> Self {
        let group = json!({"location": "westeurope", "tags": {"owner": "network team"},
            "properties": {"provisioningState": "Succeeded", "ipAddresses": [],
                "firewallPolicies": [{"id": Seat::Policy.id().to_string()}]}});
        Self { group, groups: BTreeMap::new(), rules: Vec::new() }
    }

    pub(crate) fn observed(&self, seat: Seat, installation: &Installation) -> Observed {
        let firewall = format!("{PROVIDER}/azureFirewalls/afw");
        let body = match seat {
            Seat::Group => self.group.clone(),
            Seat::Policy => {
                let policy = json!({"id": seat.id().to_string(), "name": "afwp", "location": "westeurope",
                    "properties": {"provisioningState": "Succeeded", "firewalls": [{"id": firewall}]}});
                json!({"installation": installation.as_str(), "policy": policy, "bases": [],
                    "group": self.groups.get(OUR_GROUP), "groups": self.groups.values().collect::<Vec<_>>()})
            }
            Seat::Security => json!({"installation": installation.as_str(), "group": {"location": "westeurope",
                "properties": {"provisioningState": "Succeeded", "securityRules": self.rules, "subnets": [{"id": "/x"}]}}}),
        };
        kind::of(seat.id().kind).observe(&seat.id(), &body).unwrap()
    }

    /// What is not ours.
    pub(crate) fn others(&self, seat: Seat) -> Value {
        match seat {
            Seat::Group => {
                let mut rest = self.group.clone();
                rest["properties"] = rest["properties"]["firewallPolicies"].clone();
                rest["tags"].as_object_mut().unwrap().remove("amlnet-installation");
                rest
            }
            Seat::Policy => {
                let own = self.groups.get(OUR_GROUP).map(network_rules).unwrap_or_default();
                let strange: Vec<&Value> = own.into_iter().filter(|rule| !is_ours(rule)).collect();
                let others: Vec<&Value> =
                    self.groups.iter().filter(|(name, _)| *name != OUR_GROUP).map(|g| g.1).collect();
                json!([strange, others])
            }
            Seat::Security => json!(self.rules.iter().filter(|rule| !is_ours(rule)).collect::<Vec<_>>()),
        }
    }

    /// Whether somebody wrote a rule of his own into our rule collection group.
    pub(crate) fn has_stranger(&self) -> bool {
        self.groups.get(OUR_GROUP).is_some_and(|group| network_rules(group).into_iter().any(|rule| !is_ours(rule)))
    }

    pub(crate) fn allowed(&self, seat: Seat) -> Allowed {
        let mut allowed = Allowed::new();
        match seat {
            Seat::Group => {
                let far = texts(&self.group["properties"]["ipAddresses"]).collect();
                let none = || BTreeSet::from([String::new()]);
                allowed.insert(String::new(), Sides { near: none(), far, ports: none() });
            }
            Seat::Policy => {
                for rule in self.groups.get(OUR_GROUP).map(network_rules).unwrap_or_default() {
                    let sides = Sides {
                        near: texts(&rule["sourceAddresses"]).collect(),
                        far: texts(&rule["destinationAddresses"]).collect(),
                        ports: texts(&rule["destinationPorts"]).collect(),
                    };
                    allowed.insert(rule["name"].as_str().unwrap().to_ascii_lowercase(), sides);
                }
            }
            Seat::Security => {
                for rule in self.rules.iter().filter(|rule| is_ours(rule)) {
                    let properties = &rule["properties"];
                    let sides = allowed.entry(whole_name(rule["name"].as_str().unwrap())).or_default();
                    sides.near.extend(both(properties, "sourceAddressPrefix", "sourceAddressPrefixes"));
                    sides.far.extend(both(properties, "destinationAddressPrefix", "destinationAddressPrefixes"));
                    sides.ports.extend(both(properties, "destinationPortRange", "destinationPortRanges"));
                }
            }
        }
        allowed
    }

    /// The priority of each security rule of ours.
    pub(crate) fn priorities(&self) -> BTreeMap<String, u64> {
        let ours = self.rules.iter().filter(|rule| is_ours(rule));
        ours.map(|rule| (rule["name"].to_string(), rule["properties"]["priority"].as_u64().unwrap())).collect()
    }

    /// Carries a write out; false where Azure refuses it.
    pub(crate) fn carry_out(&mut self, write: &Write, end: End) -> bool {
        let state = if end == End::Succeeds { "Succeeded" } else { "Failed" };
        match write {
            Write::PutIpGroup { group, .. } => {
                let asked = serde_json::to_value(group).unwrap();
                let addresses =
                    if end == End::Succeeds { asked["properties"]["ipAddresses"].clone() } else { json!([]) };
                self.group["tags"] = asked["tags"].clone();
                self.group["properties"]["ipAddresses"] = addresses;
                self.group["properties"]["provisioningState"] = json!(state);
            }
            Write::PutRuleCollectionGroup { name, group, .. } => {
                assert_eq!(name, OUR_GROUP);
                let mut group = serde_json::to_value(group).unwrap();
                group["name"] = json!(name);
                group["properties"]["provisioningState"] = json!(state);
                let rules = network_rules(&group);
                let names: BTreeSet<String> =
                    rules.iter().map(|rule| rule["name"].to_string().to_lowercase()).collect();
                assert_eq!(names.len(), rules.len(), "Azure takes a name once");
                self.groups.insert(name.clone(), group);
            }
            Write::DeleteRuleCollectionGroup { name, .. } => {
                assert_eq!(name, OUR_GROUP);
                self.groups.remove(name);
            }
            Write::PutSecurityRule { name, rule, .. } => {
                let mut rule = serde_json::to_value(rule).unwrap();
                assert!(is_ours(&rule), "{rule}");
                rule["properties"]["provisioningState"] = json!(state);
                assert_apart(&both(&rule["properties"], "destinationAddressPrefix", "destinationAddressPrefixes"));
                let key =
                    |rule: &Value| [rule["properties"]["priority"].clone(), rule["properties"]["direction"].clone()];
                let is_same = |other: &Value| other["name"].as_str().unwrap().eq_ignore_ascii_case(name);
                if self.rules.iter().any(|other| !is_same(other) && key(other) == key(&rule)) {
                    return false;
                }
                self.rules.retain(|other| !is_same(other));
                self.rules.push(rule);
            }
            Write::DeleteSecurityRule { name, .. } => {
                self.rules.retain(|other| !other["name"].as_str().unwrap().eq_ignore_ascii_case(name));
            }
            Write::PutRoute { .. } | Write::DeleteRoute { .. } => panic!("a route: {write:?}"),
        }
        true
    }

    /// The lists of far addresses of ours, for people who edit them.
    pub(crate) fn lists(&mut self, seat: Seat) -> Vec<&mut Value> {
        match seat {
            Seat::Group => vec![&mut self.group["properties"]["ipAddresses"]],
            Seat::Policy => {
                let collections = self.groups.get_mut(OUR_GROUP);
                let collections = collections.map(|group| &mut group["properties"]["ruleCollections"]);
                let collections = collections.into_iter().flat_map(|all| all.as_array_mut().unwrap());
                let rules = collections.flat_map(|collection| collection["rules"].as_array_mut().unwrap());
                rules.filter(|rule| is_ours(rule)).map(|rule| &mut rule["destinationAddresses"]).collect()
            }
            Seat::Security => {
                let rules = self.rules.iter_mut().filter(|rule| is_ours(rule));
                rules.map(|rule| &mut rule["properties"]["destinationAddressPrefixes"]).collect()
            }
        }
    }

    /// Somebody takes a rule of ours, or our whole group, away.
    pub(crate) fn lose(&mut self, seat: Seat, number: usize) {
        match seat {
            Seat::Group => {}
            Seat::Policy => drop(self.groups.remove(OUR_GROUP)),
            Seat::Security => {
                let ours: Vec<usize> = (0..self.rules.len()).filter(|at| is_ours(&self.rules[*at])).collect();
                if !ours.is_empty() {
                    self.rules.remove(ours[number % ours.len()]);
                }
            }
        }
    }

    /// Somebody has, or gives up, something of his own.
    pub(crate) fn others_change(&mut self, seat: Seat, number: usize) {
        let name = format!("theirs-{}", number % 4);
        match seat {
            Seat::Group => self.group["tags"]["cost"] = json!(number.to_string()),
            Seat::Policy if self.groups.remove(&name).is_none() => {
                let rule = json!({"ruleType": "NetworkRule", "name": "r", "sourceAddresses": ["*"], "ipProtocols": ["TCP"],
                    "destinationAddresses": [format!("10.{}.0.0/16", number % 200)], "destinationPorts": ["22"]});
                self.groups.insert(name.clone(), their_group(&name, 500 + number, &[rule]));
            }
            Seat::Policy => {}
            Seat::Security => {
                let had = self.rules.len();
                self.rules.retain(|rule| rule["name"] != name.as_str());
                // In the range that amlnet's rules may have, too.
                let priority = json!(1990 + number % 40);
                let is_free = !self.rules.iter().any(|rule| rule["properties"]["priority"] == priority);
                if self.rules.len() == had && is_free {
                    self.rules.push(json!({"name": name, "properties": {"priority": priority, "direction": "Outbound",
                        "access": "Allow", "protocol": "Tcp", "sourceAddressPrefix": "*", "sourcePortRange": "*",
                        "destinationAddressPrefix": "10.9.0.0/16", "destinationPortRange": "22",
                        "provisioningState": "Succeeded"}}));
                }
            }
        }
    }

    /// Somebody writes a rule of his own into our rule collection group, or takes it out again.
    pub(crate) fn stranger(&mut self, comes: bool) {
        let Some(group) = self.groups.get_mut(OUR_GROUP) else { return };
        let rules = group["properties"]["ruleCollections"][0]["rules"].as_array_mut().unwrap();
        rules.retain(is_ours);
        if comes {
            rules.push(json!({"ruleType": "NetworkRule", "name": "by-hand", "sourceAddresses": ["10.1.0.0/24"],
                "ipProtocols": ["TCP"], "destinationAddresses": ["10.7.0.0/16"], "destinationPorts": ["443"]}));
        }
    }
}

fn their_group(name: &str, priority: usize, rules: &[Value]) -> Value {
    json!({"name": name, "properties": {"priority": priority, "provisioningState": "Succeeded", "ruleCollections": [
        {"ruleCollectionType": "FirewallPolicyFilterRuleCollection", "name": "c", "priority": 100,
            "action": {"type": "Allow"}, "rules": rules}]}})
}

fn network_rules(group: &Value) -> Vec<&Value> {
    let collections = group["properties"]["ruleCollections"].as_array().into_iter().flatten();
    collections.flat_map(|collection| collection["rules"].as_array().into_iter().flatten()).collect()
}

/// Azure takes no list of prefixes in which one lies in another, and no tag beside a prefix.
fn assert_apart(far: &BTreeSet<String>) {
    let mut nets: Vec<Ipv4Net> = far.iter().filter_map(|text| text.parse().ok()).collect();
    assert!(nets.len() == far.len() || far.len() == 1, "a tag beside others: {far:?}");
    nets.sort_unstable();
    for pair in nets.windows(2) {
        assert!(!pair[0].contains(&pair[1]), "{} lies in {}", pair[1], pair[0]);
    }
}
