//! Every state that a route table went through, so that a test can assert what was never missing. Only ever appended.

use super::{arm_id::ResourceId, route_table::Route, time::Time};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

#[derive(Clone, Debug)]
struct State {
    at: Time,
    client: String,
    routes: Vec<Arc<Route>>,
}

/// One state as the control interface shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryState {
    pub at: String,
    pub client: String,
    pub entries: Vec<HistoryEntry>,
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

#[derive(Clone, Debug, Default)]
pub(super) struct History(BTreeMap<String, Vec<State>>);

impl History {
    pub(super) fn record(&mut self, at: Time, client: &str, id: &ResourceId, routes: &[Arc<Route>]) {
        let state = State { at, client: client.to_owned(), routes: routes.to_vec() };
        self.0.entry(id.key()).or_default().push(state);
    }

    /// Dates what was there from the beginning.
    pub(super) fn begin(&mut self, now: Time) {
        for state in self.0.values_mut().flatten().filter(|state| state.at == Time::default()) {
            state.at = now;
        }
    }

    /// Oldest first; empty for a table that never was.
    pub(super) fn of(&self, key: &str) -> Vec<HistoryState> {
        self.0.get(key).map(|states| states.iter().map(HistoryState::from).collect()).unwrap_or_default()
    }
}

impl From<&State> for HistoryState {
    fn from(state: &State) -> Self {
        let entries = state.routes.iter().map(|route| HistoryEntry::from(route.as_ref())).collect();
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
