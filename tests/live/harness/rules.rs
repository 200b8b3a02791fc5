//! Firewall policies: objects that ask for rules in them, what stands in our rule collection group, and proofs over
//! every state that it went through.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use armsim::model::history::HistoryState;
use armsim::model::log::{LogEntry, Server};
use armsim::model::rule_collection_group::RuleEntry;
use serde_json::{Value, json};

use super::groups::{firewall_id, groups_week, policy_id};
use super::{Doc, Sim, TABLE, merge, network, wait_until};

pub(crate) const OURS: &str = "amlnet-prod";
pub(crate) const SOURCE: &str = "10.1.0.0/24";

/// A rule collection group of a policy.
pub(crate) fn group_in(policy: &str, name: &str) -> String {
    format!("{policy}/ruleCollectionGroups/{name}")
}

/// The document of a week with so many prefixes of Batch node management and of Storage in East US 2, in which every tag
/// of the profiles of every workspace stands: those without a region by name too.
pub(crate) fn rules_week(week: u64, of_batch: Range<usize>, of_storage: Range<usize>) -> Doc {
    let single = [
        "AzureActiveDirectory",
        "AzureResourceManager",
        "AzureFrontDoor.FrontEnd",
        "AzureFrontDoor.FirstParty",
        "MicrosoftContainerRegistry",
        "AzureMonitor",
        "AzureKeyVault",
    ];
    let tags = single.into_iter().enumerate();
    let doc = tags
        .fold(groups_week(week, of_batch, of_storage), |doc, (n, name)| doc.tag(name, "", [format!("20.50.{n}.0/28")]));
    doc.tag("AzureKeyVault.EastUS2", "eastus2", ["20.50.6.0/28"])
        .tag("BatchNodeManagement.WestEurope", "westeurope", ["20.3.250.0/27"])
        .tag("Storage.WestEurope", "westeurope", ["20.3.251.0/24"])
}

/// A policy whose firewalls resolve names.
pub(crate) fn bare_policy(name: &str, change: Value) -> Value {
    let mut policy = json!({"id": policy_id(name), "location": "eastus2",
        "properties": {"dnsSettings": {"enableProxy": true}}});
    merge(&mut policy, &change);
    policy
}

/// A firewall that follows a policy.
pub(crate) fn firewall_of(policy: &str, change: Value) -> Value {
    let mut firewall = json!({"id": firewall_id(&format!("fw-{policy}")), "location": "eastus2",
        "properties": {"firewallPolicy": {"id": policy_id(policy)}}});
    merge(&mut firewall, &change);
    firewall
}

/// A group of somebody else that allows something which no rule of ours is about.
pub(crate) fn foreign_group(policy: &str, name: &str, priority: u16) -> Value {
    let rule = json!({"name": "theirs", "ruleType": "NetworkRule", "ipProtocols": ["TCP"], "sourceAddresses": ["10.9.0.0/24"],
        "destinationAddresses": ["192.0.2.0/24"], "destinationPorts": ["22"]});
    group_with(policy, name, priority, filter("theirs", 100, "Allow", vec![rule]))
}

/// A group of somebody else with one collection.
pub(crate) fn group_with(policy: &str, name: &str, priority: u16, collection: Value) -> Value {
    json!({"id": group_in(&policy_id(policy), name),
        "properties": {"priority": priority, "ruleCollections": [collection]}})
}

/// A collection of rules that allow or deny.
pub(crate) fn filter(name: &str, priority: u16, action: &str, rules: Vec<Value>) -> Value {
    json!({"name": name, "priority": priority, "ruleCollectionType": "FirewallPolicyFilterRuleCollection",
        "action": {"type": action}, "rules": rules})
}

/// A network rule from everywhere in `10.0.0.0/8` to one destination.
pub(crate) fn network_rule(name: &str, to: &str, port: &str) -> Value {
    json!({"name": name, "ruleType": "NetworkRule", "ipProtocols": ["TCP"], "sourceAddresses": ["10.0.0.0/8"],
        "destinationAddresses": [to], "destinationPorts": [port]})
}

/// A policy, its firewall, and a group of somebody else in it.
pub(crate) fn usual_policy(name: &str) -> Vec<Value> {
    vec![bare_policy(name, json!({})), firewall_of(name, json!({})), foreign_group(name, "theirs", 400)]
}

/// A policy of a spec, by prefixes where no change says otherwise: then the document decides what is written.
pub(crate) fn asked_policy(name: &str, change: Value) -> Value {
    let mut asked = json!({"id": policy_id(name), "priority": 1200, "addressing": "Prefixes"});
    merge(&mut asked, &change);
    asked
}

/// The usual network with these policies in place of route tables, changed by `change`.
pub(crate) fn of_policies(policies: &[Value], change: Value) -> Value {
    let mut all = json!({"spec": {"routes": null, "outbound": {"edition": "2026-03", "profiles": ["Base"],
        "sourceAddresses": [SOURCE], "firewallPolicies": policies}}});
    merge(&mut all, &change);
    network(all)
}

/// Requests about one policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) get_policy: usize,
    pub(crate) get_group: usize,
    pub(crate) list: usize,
    pub(crate) put: usize,
    pub(crate) delete: usize,
    /// Of firewalls, of groups of others, of other policies.
    pub(crate) other_gets: usize,
    /// Any other write anywhere.
    pub(crate) other_writes: usize,
}

/// What a run costs that finds nothing to do.
pub(crate) const NO_OP: Cost =
    Cost { get_policy: 1, get_group: 1, list: 1, put: 0, delete: 0, other_gets: 0, other_writes: 0 };

impl Cost {
    pub(crate) fn of(log: &[LogEntry], policy: &str) -> Self {
        let policy = policy.to_ascii_lowercase();
        let (groups, ours) = (format!("{policy}/rulecollectiongroups"), group_in(&policy, OURS).to_ascii_lowercase());
        let mut cost = Self::default();
        for entry in log.iter().filter(|entry| entry.server == Server::Arm) {
            let url = entry.url.to_ascii_lowercase();
            let path = url.split('?').next().unwrap_or_default();
            let count = match (entry.method.as_str(), path) {
                ("GET", path) if path == policy => &mut cost.get_policy,
                ("GET", path) if path == groups => &mut cost.list,
                ("GET", path) if path == ours => &mut cost.get_group,
                ("GET", path) if path.contains("perations/") => continue,
                ("GET", _) => &mut cost.other_gets,
                ("PUT", path) if path == ours => &mut cost.put,
                ("DELETE", path) if path == ours => &mut cost.delete,
                _ => &mut cost.other_writes,
            };
            *count += 1;
        }
        cost
    }
}

impl Sim {
    /// These resources, and week 1 with four prefixes of Batch node management and three of Storage.
    pub(crate) fn with_policies(resources: Vec<Value>, mut world: Value) -> Self {
        let home = json!({"id": TABLE, "location": "eastus2", "properties": {"routes": []}});
        world["resources"] = std::iter::once(home).chain(resources).collect();
        let sim = Self::with_tables(&[], world);
        sim.publish(&rules_week(1, 0..4, 0..3));
        sim
    }

    /// Writes the feed and the network `ml` with these policies into `dir`.
    pub(crate) fn ask_policies(&self, policies: &[Value], change: Value) -> std::path::PathBuf {
        self.usual(json!({}));
        self.objects("ml.yaml", &[of_policies(policies, change)])
    }

    /// Our group in the policy as a GET shows it; null where there is none.
    pub(crate) fn our_group(&self, policy: &str) -> Value {
        self.resource(&group_in(&policy_id(policy), OURS))
    }

    /// Our rules in the policy, by name, once no operation on it is under way.
    #[track_caller]
    pub(crate) fn rules(&self, policy: &str) -> BTreeMap<String, Value> {
        self.at_rest(policy);
        let group = self.our_group(policy);
        let collections = group["properties"]["ruleCollections"].as_array().cloned().unwrap_or_default();
        let rules =
            collections.iter().flat_map(|collection| collection["rules"].as_array().cloned().unwrap_or_default());
        rules.map(|rule| (rule["name"].as_str().unwrap().to_owned(), rule)).collect()
    }

    /// Destination addresses of one of our rules.
    #[track_caller]
    pub(crate) fn destinations(&self, policy: &str, rule: &str) -> BTreeSet<String> {
        let rules = self.rules(policy);
        let found = rules.get(rule).unwrap_or_else(|| panic!("there is no {rule} among {:?}", rules.keys()));
        texts(&found["destinationAddresses"])
    }

    fn at_rest(&self, policy: &str) {
        wait_until("the end of the operation on the policy", || {
            self.resource(&policy_id(policy))["properties"]["provisioningState"] != "Updating"
        });
    }

    /// Every state of our group in a policy, once no operation on it is under way.
    pub(crate) fn rule_states(&self, policy: &str) -> Vec<HistoryState<RuleEntry>> {
        self.at_rest(policy);
        self.rule_history(&group_in(&policy_id(policy), OURS))
    }

    /// What it costs at a policy.
    pub(crate) fn policy_cost<T>(&self, policy: &str, action: impl FnOnce() -> T) -> (T, Cost) {
        let from = self.log().len();
        let result = action();
        (result, Cost::of(&self.log()[from..], &policy_id(policy)))
    }

    /// What is not amlnet's, in a form that says whether somebody wrote it.
    pub(crate) fn foreign(&self, ids: &[String]) -> Vec<Value> {
        ids.iter().map(|id| self.resource(id)).collect()
    }

    /// The target of a policy in the status of a network.
    #[track_caller]
    pub(crate) fn policy_status(&self, network: &str, policy: &str) -> Value {
        let status = self.status(network);
        let targets = status["targets"].as_array().cloned().unwrap_or_default();
        let is_it =
            |target: &&Value| target["id"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(&policy_id(policy)));
        targets.iter().find(is_it).unwrap_or_else(|| panic!("{policy} is not in {status}")).clone()
    }
}

/// A list of texts as a set.
pub(crate) fn texts(list: &Value) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Everything that a state lets through, piece by piece.
fn pieces(state: &HistoryState<RuleEntry>) -> BTreeSet<(String, String, String)> {
    let mut all = BTreeSet::new();
    for entry in state.entries.iter().filter(|entry| entry.action == "Allow") {
        let ports = entry.ports.iter().flat_map(|port| entry.protocols.iter().map(move |of| format!("{of} {port}")));
        let ports: Vec<String> = if entry.ports.is_empty() { entry.protocols.clone() } else { ports.collect() };
        for source in &entry.sources {
            for destination in &entry.destinations {
                all.extend(ports.iter().map(|port| (source.clone(), destination.clone(), port.clone())));
            }
        }
    }
    all
}

/// amlnet never wrote the group empty, and what was let through to one of these destinations stayed so, once it was.
/// States that Azure made itself, when it let an operation fail, are named by their number.
#[track_caller]
pub(crate) fn assert_rules_clean(
    history: &[HistoryState<RuleEntry>],
    needed: impl IntoIterator<Item = impl Into<String>>,
    by_azure: &[usize],
) {
    assert!(!history.is_empty(), "the group never was");
    let needed: BTreeSet<String> = needed.into_iter().map(Into::into).collect();
    let mut had = BTreeSet::new();
    for (index, state) in history.iter().enumerate() {
        if state.client == "control" || index == 0 || by_azure.contains(&index) {
            had = pieces(state);
            continue;
        }
        assert!(!state.entries.is_empty(), "state {index} is empty");
        let has = pieces(state);
        let lost: Vec<_> = had.difference(&has).filter(|piece| needed.contains(&piece.1)).collect();
        assert!(lost.is_empty(), "state {index} has lost {lost:?}");
        had = has;
    }
}
