//! Every state that a route table, an IP group or a rule collection group went through, so that a test can assert what was never missing. Only ever appended.

use super::{arm_id::ResourceId, route_table::Route, time::Time};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

#[derive(Clone, Debug)]
struct State<T> {
    at: Time,
    client: String,
    entries: T,
}

/// One state as the control interface shows it. The entries of an IP group are its addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryState<E = HistoryEntry> {
    pub at: String,
    pub client: String,
    pub entries: Vec<E>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    pub name: String,
    pub address_prefix: String,
    pub next_hop_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_hop_ip_address: Option<String>,
    pub provisioning_state: String,
}

/// One rule of a rule collection group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleEntry {
    /// `<collection>/<rule>`
    pub name: String,
    pub rule_type: String,
    /// Of the collection, as are the priorities: of the group and of the collection in it.
    pub action: String,
    pub priorities: (u64, u64),
    pub protocols: Vec<String>,
    /// Addresses and IP groups.
    pub sources: Vec<String>,
    /// Addresses, tags, IP groups, names of hosts, URLs, FQDN tags and web categories.
    pub destinations: Vec<String>,
    pub ports: Vec<String>,
}

impl RuleEntry {
    pub(super) fn new(group: &Value, collection: &Value, rule: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let texts = |names: &[&str]| -> Vec<String> {
            let lists = names.iter().filter_map(|name| rule[name].as_array()).flatten();
            lists.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let protocols = rule["protocols"].as_array().into_iter().flatten();
        let protocols = protocols.map(|protocol| format!("{}:{}", text(&protocol["protocolType"]), protocol["port"]));
        Self {
            name: format!("{}/{}", text(&collection["name"]), text(&rule["name"])),
            rule_type: text(&rule["ruleType"]),
            action: text(&collection["action"]["type"]),
            priorities: (group.as_u64().unwrap_or_default(), collection["priority"].as_u64().unwrap_or_default()),
            protocols: texts(&["ipProtocols"]).into_iter().chain(protocols).collect(),
            sources: texts(&["sourceAddresses", "sourceIpGroups"]),
            destinations: texts(&[
                "destinationAddresses",
                "destinationIpGroups",
                "destinationFqdns",
                "targetFqdns",
                "targetUrls",
                "fqdnTags",
                "webCategories",
            ]),
            ports: texts(&["destinationPorts"]),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct History {
    tables: BTreeMap<String, Vec<State<Vec<Arc<Route>>>>>,
    ip_groups: BTreeMap<String, Vec<State<Arc<Vec<String>>>>>,
    rules: BTreeMap<String, Vec<State<Vec<RuleEntry>>>>,
}

impl History {
    pub(super) fn record(&mut self, at: Time, client: &str, id: &ResourceId, routes: &[Arc<Route>]) {
        let state = State { at, client: client.to_owned(), entries: routes.to_vec() };
        self.tables.entry(id.key()).or_default().push(state);
    }

    pub(super) fn record_addresses(&mut self, at: Time, client: &str, id: &ResourceId, addresses: &Arc<Vec<String>>) {
        let state = State { at, client: client.to_owned(), entries: Arc::clone(addresses) };
        self.ip_groups.entry(id.key()).or_default().push(state);
    }

    pub(super) fn record_rules(&mut self, at: Time, client: &str, key: String, rules: Vec<RuleEntry>) {
        self.rules.entry(key).or_default().push(State { at, client: client.to_owned(), entries: rules });
    }

    /// Dates what was there from the beginning.
    pub(super) fn begin(&mut self, now: Time) {
        let dates = self.tables.values_mut().flatten().map(|state| &mut state.at);
        let dates = dates.chain(self.ip_groups.values_mut().flatten().map(|state| &mut state.at));
        let dates = dates.chain(self.rules.values_mut().flatten().map(|state| &mut state.at));
        for at in dates.filter(|at| **at == Time::default()) {
            *at = now;
        }
    }

    /// Oldest first; empty for a table that never was.
    pub(super) fn of(&self, key: &str) -> Vec<HistoryState> {
        self.tables.get(key).map(|states| states.iter().map(HistoryState::from).collect()).unwrap_or_default()
    }

    pub(super) fn of_rules(&self, key: &str) -> Vec<HistoryState<RuleEntry>> {
        let shown = |state: &State<Vec<RuleEntry>>| HistoryState {
            at: state.at.rfc3339(),
            client: state.client.clone(),
            entries: state.entries.clone(),
        };
        self.rules.get(key).map(|states| states.iter().map(shown).collect()).unwrap_or_default()
    }

    pub(super) fn of_addresses(&self, key: &str) -> Vec<HistoryState<String>> {
        let shown = |state: &State<Arc<Vec<String>>>| HistoryState {
            at: state.at.rfc3339(),
            client: state.client.clone(),
            entries: state.entries.to_vec(),
        };
        self.ip_groups.get(key).map(|states| states.iter().map(shown).collect()).unwrap_or_default()
    }
}

impl From<&State<Vec<Arc<Route>>>> for HistoryState {
    fn from(state: &State<Vec<Arc<Route>>>) -> Self {
        let entries = state.entries.iter().map(|route| HistoryEntry::from(route.as_ref())).collect();
        Self { at: state.at.rfc3339(), client: state.client.clone(), entries }
    }
}

impl From<&Route> for HistoryEntry {
    fn from(route: &Route) -> Self {
        Self {
            name: route.name.clone(),
            address_prefix: route.address_prefix.clone(),
            next_hop_type: route.next_hop_type.clone(),
            next_hop_ip_address: route.next_hop_ip_address.clone(),
            provisioning_state: route.state.to_string(),
        }
    }
}
