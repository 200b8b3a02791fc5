//! Network security groups: objects that ask for rules, the documents that these rest on, what stands in a group, and
//! proofs over every state that one went through.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use armsim::model::history::HistoryState;
use armsim::model::log::{LogEntry, Server};
use armsim::model::security_rule::SecurityRuleEntry;
use serde_json::{Value, json};

use super::{Doc, Ran, Sim, TABLE, merge, network};

pub(crate) type State = HistoryState<SecurityRuleEntry>;

/// What the rules of installation `prod` start with.
const OWN: &str = "amlnet.prod.";

fn resource(path: &str) -> String {
    format!("{}/{path}", TABLE.rsplit_once("/routeTables/").unwrap().0)
}

pub(crate) fn nsg_id(name: &str) -> String {
    resource(&format!("networkSecurityGroups/{name}"))
}

/// The group that most tests have.
pub(crate) fn nsg() -> String {
    nsg_id("nsg-ml")
}

/// A document in which tags have the features of the real ones: of Azure Machine Learning only the global tag can be
/// named, of the others those of the region too. `in_ml`: which prefixes Azure Machine Learning has in East US 2.
pub(crate) fn rules_week(week: u64, in_ml: Range<usize>) -> Doc {
    Doc::week(week)
        .regions(in_ml, 0..3)
        .tag("AzureActiveDirectory", "", ["20.190.128.0/18"])
        .tag("AzureResourceManager", "", ["20.17.0.0/24"])
        .tag("AzureFrontDoor.Frontend", "", ["20.18.0.0/24"])
        .tag("AzureFrontDoor.FirstParty", "", ["20.18.1.0/24"])
        .tag("MicrosoftContainerRegistry", "", ["20.18.2.0/24"])
        .tag("AzureMonitor", "", ["20.18.3.0/24"])
        .tag("Storage.EastUS2", "eastus2", ["20.12.0.0/24"])
}

/// The document's text; tags with `hidden` in front of a dot can be named nowhere.
pub(crate) fn with_features(doc: &Doc, hidden: &[&str]) -> Vec<u8> {
    let mut value = doc.value();
    for tag in value["values"].as_array_mut().unwrap() {
        let name = tag["name"].as_str().unwrap().to_owned();
        let is_hidden = hidden.iter().any(|hidden| name.starts_with(&format!("{hidden}.")));
        let features = if is_hidden { Value::Null } else { json!(["API", "NSG", "UDR", "FW"]) };
        tag["properties"]["networkFeatures"] = features;
    }
    serde_json::to_vec_pretty(&value).unwrap()
}

/// A rule of somebody else, by its name and priority; it lets the own network through to itself unless `change` says
/// otherwise.
pub(crate) fn of_others(name: &str, priority: u16, change: Value) -> Value {
    let mut rule = json!({"name": name, "properties": {"priority": priority, "direction": "Outbound",
        "access": "Allow", "protocol": "Tcp", "sourceAddressPrefix": "10.7.0.0/24", "sourcePortRange": "*",
        "destinationAddressPrefix": "10.8.0.0/24", "destinationPortRange": "22"}});
    merge(&mut rule["properties"], &change);
    rule
}

/// As it stands in the world; it is associated with a subnet.
pub(crate) fn group(name: &str, rules: &[Value]) -> Value {
    json!({"id": nsg_id(name), "location": "eastus2", "tags": {"owner": "network team"},
        "properties": {"securityRules": rules, "subnets": [{"id": resource("virtualNetworks/vnet-ml/subnets/ml")}]}})
}

/// A group of a spec: outbound, priorities 2000 to 2099.
pub(crate) fn asked(name: &str, change: Value) -> Value {
    let mut asked = json!({"id": nsg_id(name), "priorityRange": {"from": 2000, "to": 2099}});
    merge(&mut asked, &change);
    asked
}

/// An addition that goes by prefixes, because no group knows the tag of one region of Azure Machine Learning.
pub(crate) fn by_prefixes() -> Value {
    json!({"name": "ml-region", "serviceTag": "AzureMachineLearning", "regional": true,
        "ports": [{"protocol": "TCP", "port": 443}]})
}

/// The rows of the documentation that are left out where a test needs only its additions.
pub(crate) fn all_rows() -> Value {
    json!([
        "AzureActiveDirectory",
        "AzureMachineLearning",
        "BatchNodeManagement",
        "AzureResourceManager",
        "Storage",
        "AzureFrontDoor.FrontEnd",
        "MicrosoftContainerRegistry",
        "AzureFrontDoor.FirstParty",
        "AzureMonitor",
        "AzureMachineLearning.Inbound"
    ])
}

/// The usual network with these groups in place of route tables, changed by `change`.
pub(crate) fn of_nsgs(groups: &[Value], change: Value) -> Value {
    let mut all =
        json!({"spec": {"routes": null, "outbound": {"edition": "2026-03"}, "networkSecurityGroups": groups}});
    merge(&mut all, &change);
    network(all)
}

/// `change` of a spec with nothing but prefixes of Azure Machine Learning in one rule.
pub(crate) fn one_rule(change: Value) -> Value {
    let mut all = json!({"spec": {"outbound": {"exclude": all_rows(), "additional": [by_prefixes()],
        "sourceAddresses": ["10.1.0.0/24"]}}});
    merge(&mut all, &change);
    all
}

impl Sim {
    /// No table; group `nsg-ml` with these rules, and week 1 with four prefixes of Azure Machine Learning in East US 2.
    pub(crate) fn with_nsg(rules: &[Value]) -> Self {
        Self::with_nsgs(vec![group("nsg-ml", rules)], json!({}))
    }

    /// These resources, and more for the world file.
    pub(crate) fn with_nsgs(resources: Vec<Value>, mut world: Value) -> Self {
        let home = json!({"id": TABLE, "location": "eastus2", "properties": {"routes": []}});
        world["resources"] = json!([vec![home], resources].concat());
        let sim = Self::with_tables(&[], world);
        sim.publish_rules(&rules_week(2, 0..4));
        sim
    }

    /// Publishes it with the features that real tags have.
    pub(crate) fn publish_rules(&self, doc: &Doc) {
        self.publish_bytes(&doc.date, &with_features(doc, &["AzureMachineLearning"]));
    }

    /// Writes the feed and the network `ml` with these groups into `dir`.
    pub(crate) fn ask_nsgs(&self, groups: &[Value], change: Value) -> std::path::PathBuf {
        self.usual(json!({}));
        self.objects("ml.yaml", &[of_nsgs(groups, change)])
    }

    /// The same for `nsg-ml` alone.
    pub(crate) fn ask_nsg(&self, change: Value) -> std::path::PathBuf {
        self.ask_nsgs(&[asked("nsg-ml", json!({}))], change)
    }

    /// Our rules of a group in their last state, by name.
    #[track_caller]
    pub(crate) fn our_rules(&self, name: &str) -> BTreeMap<String, SecurityRuleEntry> {
        let states = self.security_states(&nsg_id(name));
        let last = states.last().unwrap_or_else(|| panic!("{name} never was"));
        let ours = last.entries.iter().filter(|rule| is_ours(rule));
        ours.map(|rule| (rule.name.clone(), rule.clone())).collect()
    }

    /// Our rules of `nsg-ml` by name: priority, and what they allow.
    #[track_caller]
    pub(crate) fn shown_rules(&self) -> BTreeMap<String, (i64, String)> {
        let shown = |(name, rule): (String, SecurityRuleEntry)| (name, (rule.priority, told(&rule)));
        self.our_rules("nsg-ml").into_iter().map(shown).collect()
    }

    /// The far addresses of all our rules of `nsg-ml`.
    #[track_caller]
    pub(crate) fn far(&self) -> BTreeSet<String> {
        self.our_rules("nsg-ml").into_values().flat_map(|rule| far(&rule).to_vec()).collect()
    }

    /// What `action` costs at group `name`.
    pub(crate) fn nsg_cost<T>(&self, name: &str, action: impl FnOnce() -> T) -> (T, NsgCounts) {
        let from = self.log().len();
        let result = action();
        (result, NsgCounts::of(&self.log()[from..], name))
    }

    /// Two runs: the first has nothing left to do, and says so with one read.
    #[track_caller]
    pub(crate) fn assert_nothing_to_do(&self, what: &str) {
        let (_, cost): (Ran, _) = self.nsg_cost("nsg-ml", || self.once(&[]).exits(0));
        assert_eq!(cost, NsgCounts { group: 1, ..NsgCounts::default() }, "{what}");
    }
}

fn is_ours(rule: &SecurityRuleEntry) -> bool {
    rule.name.to_ascii_lowercase().starts_with(OWN)
}

/// The side that is not the computes'.
pub(crate) fn far(rule: &SecurityRuleEntry) -> &[String] {
    if rule.direction == "Outbound" { &rule.destination_addresses } else { &rule.source_addresses }
}

/// A rule in one line, without its name and priority.
pub(crate) fn told(rule: &SecurityRuleEntry) -> String {
    let SecurityRuleEntry { direction, access, protocol, .. } = rule;
    let of = |list: &[String]| list.join(",");
    format!(
        "{direction} {access} {protocol} {} -> {}:{}",
        of(&rule.source_addresses),
        of(&rule.destination_addresses),
        of(&rule.destination_ports)
    )
}

/// Each pair of addresses and port that a rule lets through.
fn permissions(rule: &SecurityRuleEntry) -> BTreeSet<String> {
    let SecurityRuleEntry { direction, protocol, .. } = rule;
    let mut all = BTreeSet::new();
    for source in &rule.source_addresses {
        for destination in &rule.destination_addresses {
            let to = |port: &String| format!("{direction} {protocol} {source} -> {destination}:{port}");
            all.extend(rule.destination_ports.iter().map(to));
        }
    }
    all
}

/// In no state did amlnet change, remove or add a foreign rule; and what our rules let through at the end was never
/// lost once it was let through.
#[track_caller]
pub(crate) fn assert_rules_clean(states: &[State]) {
    let last = states.last().expect("the group never was");
    let needed: BTreeSet<String> = last.entries.iter().filter(|rule| is_ours(rule)).flat_map(permissions).collect();
    assert_rules_kept(states, &needed);
}

/// The same where `needed` is needed all the time.
#[track_caller]
pub(crate) fn assert_rules_kept(states: &[State], needed: &BTreeSet<String>) {
    for (index, pair) in states.windows(2).enumerate() {
        let (before, after) = (&pair[0], &pair[1]);
        if after.client == "control" {
            continue;
        }
        let foreign = |state: &State| -> Vec<SecurityRuleEntry> {
            state.entries.iter().filter(|rule| !is_ours(rule)).cloned().collect()
        };
        assert_eq!(foreign(before), foreign(after), "state {} changed a foreign rule", index + 1);
        // A rule in the making may fail and vanish again; one that Azure put into effect may not.
        let there = |state: &State, settled: bool| -> BTreeSet<String> {
            let counts = |rule: &&SecurityRuleEntry| match rule.provisioning_state.as_str() {
                "Succeeded" => true,
                "Deleting" => false,
                _ => !settled,
            };
            let ours = state.entries.iter().filter(|rule| is_ours(rule) && rule.access == "Allow");
            ours.filter(counts).flat_map(permissions).collect()
        };
        let (had, has) = (there(before, true), there(after, false));
        let lost: Vec<&String> = had.difference(&has).filter(|permission| needed.contains(*permission)).collect();
        assert!(lost.is_empty(), "state {} has lost {lost:?}", index + 1);
    }
}

/// Requests to ARM about one group. Polls of operations and limits are not among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct NsgCounts {
    /// Reads of the group.
    pub(crate) group: usize,
    /// Reads of one rule.
    pub(crate) rule: usize,
    pub(crate) put: usize,
    pub(crate) delete: usize,
    /// Anything else that writes: must never be.
    pub(crate) other: usize,
}

impl NsgCounts {
    pub(crate) fn of(log: &[LogEntry], name: &str) -> Self {
        let id = nsg_id(name).to_ascii_lowercase();
        let mut counts = Self::default();
        for entry in log.iter().filter(|entry| entry.server == Server::Arm) {
            let url = entry.url.to_ascii_lowercase();
            let path = url.split('?').next().unwrap_or_default();
            let rest = path.strip_prefix(&id).filter(|rest| rest.is_empty() || rest.starts_with("/securityrules/"));
            let count = match (entry.method.as_str(), rest) {
                ("GET", Some("")) => &mut counts.group,
                ("GET", Some(_)) => &mut counts.rule,
                ("PUT", Some(rest)) if !rest.is_empty() => &mut counts.put,
                ("DELETE", Some(rest)) if !rest.is_empty() => &mut counts.delete,
                ("GET", None) => continue,
                // Rules of other groups are counted with those.
                (_, None) if path.contains("/securityrules/") => continue,
                _ => &mut counts.other,
            };
            *count += 1;
        }
        counts
    }

    pub(crate) fn writes(self) -> usize {
        self.put + self.delete + self.other
    }
}
