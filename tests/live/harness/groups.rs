//! IP groups: objects that ask for them, what stands in them, and proofs over every state that one went through.

use std::collections::BTreeSet;
use std::ops::Range;

use armsim::model::history::HistoryState;
use armsim::model::log::{LogEntry, Server};
use serde_json::{Value, json};

use super::{Doc, Sim, TABLE, merge, network};

fn resource(of_type: &str, name: &str) -> String {
    let provider = TABLE.rsplit_once("/routeTables/").unwrap().0;
    format!("{provider}/{of_type}/{name}")
}

pub(crate) fn group_id(name: &str) -> String {
    resource("ipGroups", name)
}

/// Prefix number `index` of Batch node management in East US 2.
pub(crate) fn batch(index: usize) -> String {
    format!("20.11.{}.{}/26", index / 4, index % 4 * 64)
}

/// The same of Storage.
pub(crate) fn storage(index: usize) -> String {
    format!("20.12.{index}.0/24")
}

/// The document of a week with so many prefixes of Batch node management and of Storage in East US 2.
pub(crate) fn groups_week(week: u64, of_batch: Range<usize>, of_storage: Range<usize>) -> Doc {
    let in_east: Vec<String> = of_batch.map(batch).collect();
    let all = in_east.iter().cloned().chain(["20.2.250.0/27".to_owned()]).collect::<Vec<_>>();
    let date = format!("2026{:02}{:02}", 1 + week / 4, 1 + week % 4 * 7);
    Doc::week(week)
        .tag("BatchNodeManagement.EastUS2", "eastus2", in_east)
        .tag("BatchNodeManagement", "", all)
        .tag("Storage.EastUS2", "eastus2", of_storage.map(storage))
        .tag("Storage.CentralUS", "centralus", ["20.2.251.0/24"])
        .numbered(200 + week, &date)
}

/// A group as it stands in the world.
pub(crate) fn group(name: &str, addresses: &[&str], change: Value) -> Value {
    let mut group = json!({"id": group_id(name), "location": "eastus2", "properties": {"ipAddresses": addresses}});
    merge(&mut group, &change);
    group
}

/// A group that bears the mark of installation `prod`.
pub(crate) fn marked(name: &str, addresses: &[&str]) -> Value {
    group(name, addresses, json!({"tags": {"amlnet-installation": "prod"}}))
}

/// A policy whose rules name these groups, and a firewall that follows it. Place the groups first.
pub(crate) fn policy(name: &str, groups: &[&str]) -> Vec<Value> {
    let policy = resource("firewallPolicies", name);
    let ids: Vec<String> = groups.iter().map(|group| group_id(group)).collect();
    let rule = json!({"name": "r", "ruleType": "NetworkRule", "destinationIpGroups": ids});
    let collection = json!({"name": "c", "rules": [rule]});
    vec![
        json!({"id": policy, "location": "eastus2"}),
        json!({"id": format!("{policy}/ruleCollectionGroups/outbound"), "properties": {"ruleCollections": [collection]}}),
        json!({"id": resource("azureFirewalls", &format!("fw-{name}")), "location": "eastus2",
            "properties": {"firewallPolicy": {"id": policy}}}),
    ]
}

/// A classic firewall whose rules name these groups.
pub(crate) fn classic(name: &str, groups: &[String], change: Value) -> Value {
    let rule = json!({"name": "r", "destinationIpGroups": groups});
    let collections = json!([{"name": "c", "properties": {"rules": [rule]}}]);
    let mut firewall = json!({"id": resource("azureFirewalls", name), "location": "eastus2",
        "properties": {"networkRuleCollections": collections}});
    merge(&mut firewall, &change);
    firewall
}

pub(crate) fn policy_id(name: &str) -> String {
    resource("firewallPolicies", name)
}

pub(crate) fn firewall_id(name: &str) -> String {
    resource("azureFirewalls", name)
}

/// A group of a spec; a missing one is created.
pub(crate) fn asked(name: &str, requirement: &str) -> Value {
    json!({"id": group_id(name), "requirement": requirement, "create": {"location": "eastus2"}})
}

/// The usual network with these groups in place of route tables, changed by `change`.
pub(crate) fn of_groups(groups: &[Value], change: Value) -> Value {
    let mut all = json!({"spec": {"routes": null, "outbound": {"edition": "2026-03", "ipGroups": groups}}});
    merge(&mut all, &change);
    network(all)
}

impl Sim {
    /// No table; these resources, and week 1 with four prefixes of Batch node management and three of Storage.
    pub(crate) fn with_groups(resources: Vec<Value>) -> Self {
        Self::with_groups_in(resources, json!({}))
    }

    /// As `with_groups`, and more for the world file.
    pub(crate) fn with_groups_in(resources: Vec<Value>, mut world: Value) -> Self {
        let home = json!([{"id": TABLE, "location": "eastus2", "properties": {"routes": []}}]);
        let all = home.as_array().unwrap().iter().cloned().chain(resources).collect::<Vec<_>>();
        world["resources"] = json!(all);
        let sim = Self::with_tables(&[], world);
        sim.publish(&groups_week(1, 0..4, 0..3));
        sim
    }

    /// Writes the feed and the network `ml` with these groups into `dir`.
    pub(crate) fn ask_groups(&self, groups: &[Value], change: Value) -> std::path::PathBuf {
        self.usual(json!({}));
        self.objects("ml.yaml", &[of_groups(groups, change)])
    }

    /// What a group holds in its last state.
    #[track_caller]
    pub(crate) fn members(&self, name: &str) -> BTreeSet<String> {
        let states = self.group_states(name);
        states.last().unwrap_or_else(|| panic!("{name} never was")).entries.iter().cloned().collect()
    }

    /// What it costs at a group: GETs, PUTs, and any other write anywhere.
    pub(crate) fn group_cost<T>(&self, name: &str, action: impl FnOnce() -> T) -> (T, (usize, usize, usize)) {
        let from = self.log().len();
        let result = action();
        (result, group_counts(&self.log()[from..], name))
    }
}

/// Requests about one group: GETs, PUTs, and writes of anything but groups.
pub(crate) fn group_counts(log: &[LogEntry], name: &str) -> (usize, usize, usize) {
    let id = group_id(name).to_ascii_lowercase();
    let mut counts = (0, 0, 0);
    for entry in log.iter().filter(|entry| entry.server == Server::Arm) {
        let url = entry.url.to_ascii_lowercase();
        let path = url.split('?').next().unwrap_or_default();
        match entry.method.as_str() {
            "GET" if path == id => counts.0 += 1,
            "PUT" if path == id => counts.1 += 1,
            "PUT" if path.contains("/ipgroups/") => {}
            "GET" => {}
            _ => counts.2 += 1,
        }
    }
    counts
}

/// How often any group was written.
pub(crate) fn group_writes(log: &[LogEntry]) -> usize {
    log.iter().filter(|entry| entry.server == Server::Arm && entry.method != "GET").count()
}

/// amlnet never wrote the group empty, and none of these addresses went once it was there. An operation that Azure let
/// fail may leave it empty: such a state is named by its number.
#[track_caller]
pub(crate) fn assert_group_clean(
    history: &[HistoryState<String>],
    needed: impl IntoIterator<Item = impl Into<String>>,
    emptied_by_azure: &[usize],
) {
    assert!(!history.is_empty(), "the group never was");
    let needed: BTreeSet<String> = needed.into_iter().map(Into::into).collect();
    let mut had: BTreeSet<&String> = BTreeSet::new();
    for (index, state) in history.iter().enumerate() {
        if state.client == "control" || index == 0 || emptied_by_azure.contains(&index) {
            had = state.entries.iter().collect();
            continue;
        }
        assert!(!state.entries.is_empty(), "state {index} is empty");
        let has: BTreeSet<&String> = state.entries.iter().collect();
        let lost: Vec<_> = had.difference(&has).filter(|address| needed.contains(**address)).collect();
        assert!(lost.is_empty(), "state {index} has lost {lost:?}");
        had = has;
    }
}
