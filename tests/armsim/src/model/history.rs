//! Every state that a route table, a network security group, an IP group or a rule collection group went through, so
//! that a test can assert what was never missing. Only ever appended.

use super::{
    arm_id::ResourceId,
    parent::Written,
    route_table::Route,
    rule_collection_group::RuleEntry,
    security_rule::{SecurityRule, SecurityRuleEntry},
    time::Time,
};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

#[derive(Clone, Debug)]
pub(super) struct State<T> {
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

/// The states of all parents of a kind, by the key of the parent.
pub(super) type States<C> = BTreeMap<String, Vec<State<Vec<Arc<C>>>>>;

#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pub(super) tables: States<Route>,
    pub(super) security_groups: States<SecurityRule>,
    ip_groups: BTreeMap<String, Vec<State<Arc<Vec<String>>>>>,
    rules: BTreeMap<String, Vec<State<Vec<RuleEntry>>>>,
}

impl History {
    pub(super) fn record<K: Written>(&mut self, at: Time, client: &str, id: &ResourceId, children: &[Arc<K::Child>]) {
        let state = State { at, client: client.to_owned(), entries: children.to_vec() };
        K::states(self).entry(id.key()).or_default().push(state);
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
        let dates = dates.chain(self.security_groups.values_mut().flatten().map(|state| &mut state.at));
        let dates = dates.chain(self.ip_groups.values_mut().flatten().map(|state| &mut state.at));
        let dates = dates.chain(self.rules.values_mut().flatten().map(|state| &mut state.at));
        for at in dates.filter(|at| **at == Time::default()) {
            *at = now;
        }
    }

    /// Oldest first; empty for a table that never was.
    pub(super) fn of(&self, key: &str) -> Vec<HistoryState> {
        shown(&self.tables, key)
    }

    pub(super) fn of_security_rules(&self, key: &str) -> Vec<HistoryState<SecurityRuleEntry>> {
        shown(&self.security_groups, key)
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

fn shown<C, E: for<'a> From<&'a C>>(states: &States<C>, key: &str) -> Vec<HistoryState<E>> {
    let entries = |state: &State<Vec<Arc<C>>>| state.entries.iter().map(|child| E::from(child)).collect();
    let shown = |state: &State<Vec<Arc<C>>>| HistoryState {
        at: state.at.rfc3339(),
        client: state.client.clone(),
        entries: entries(state),
    };
    states.get(key).into_iter().flatten().map(shown).collect()
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
