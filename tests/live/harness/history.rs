//! Proofs over every state that a table went through, and counts of what it cost.

use std::collections::{BTreeMap, BTreeSet};

use armsim::model::history::{HistoryEntry, HistoryState};
use armsim::model::log::{LogEntry, Server};

/// Name and next hop of a route; its prefix is the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) hop: String,
}

/// What the entries of installation `prod` start with.
const OWN: &str = "amlnet.prod.";
/// What the control interface does behind everyone's back stands in a history under this name.
const CONTROL: &str = "control";

fn is_ours(entry: &HistoryEntry) -> bool {
    entry.name.to_ascii_lowercase().starts_with(OWN)
}

fn hop(entry: &HistoryEntry) -> String {
    let address = entry.next_hop_ip_address.as_deref().unwrap_or_default();
    format!("{} {address}", entry.next_hop_type).trim().to_owned()
}

fn by_prefix<'a>(entries: impl Iterator<Item = &'a HistoryEntry>) -> BTreeMap<String, Route> {
    let route = |entry: &HistoryEntry| {
        let route = Route { name: entry.name.clone(), hop: hop(entry) };
        (entry.address_prefix.clone(), route)
    };
    entries.map(route).collect()
}

/// All routes in the last state, by prefix.
pub(crate) fn final_routes(history: &[HistoryState]) -> BTreeMap<String, Route> {
    by_prefix(history.last().unwrap().entries.iter())
}

/// The prefixes of our routes in the last state.
pub(crate) fn ours(history: &[HistoryState]) -> BTreeSet<String> {
    let entries = &history.last().unwrap().entries;
    entries.iter().filter(|entry| is_ours(entry)).map(|entry| entry.address_prefix.clone()).collect()
}

/// In no state did amlnet change, remove or add a foreign route; and none took a needed prefix away once it was there.
#[track_caller]
pub(crate) fn assert_clean(history: &[HistoryState], needed: impl IntoIterator<Item = impl Into<String>>) {
    let needed: BTreeSet<String> = needed.into_iter().map(Into::into).collect();
    assert!(!history.is_empty(), "the table never was");
    for (index, pair) in history.windows(2).enumerate() {
        let (before, after) = (&pair[0], &pair[1]);
        if after.client == CONTROL {
            continue;
        }
        let foreign = |state: &HistoryState| by_prefix(state.entries.iter().filter(|entry| !is_ours(entry)));
        assert_eq!(foreign(before), foreign(after), "state {} changed a foreign route", index + 1);
        // A route in the making may fail and vanish again; one that Azure put into effect may not.
        let there = |state: &HistoryState, settled: bool| -> BTreeSet<String> {
            let counts = |entry: &&HistoryEntry| match entry.provisioning_state.as_str() {
                "Succeeded" => true,
                "Deleting" => false,
                _ => !settled,
            };
            state.entries.iter().filter(counts).map(|entry| entry.address_prefix.clone()).collect()
        };
        let (had, has) = (there(before, true), there(after, false));
        let lost: Vec<&String> = had.difference(&has).filter(|prefix| needed.contains(*prefix)).collect();
        assert!(lost.is_empty(), "state {} has lost {lost:?}", index + 1);
    }
}

fn is_route(path: &str) -> bool {
    path.contains("/routetables/") && path.contains("/routes/")
}

/// Requests to ARM about one table. Polls of operations, limits and locations are not among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) get_table: usize,
    pub(crate) get_route: usize,
    pub(crate) put_route: usize,
    pub(crate) delete_route: usize,
    /// Anything else that writes: must never be.
    pub(crate) other: usize,
}

impl Counts {
    pub(crate) fn of(log: &[LogEntry], table: &str) -> Self {
        let table = table.to_ascii_lowercase();
        let mut counts = Self::default();
        for entry in log.iter().filter(|entry| entry.server == Server::Arm) {
            let url = entry.url.to_ascii_lowercase();
            let path = url.split('?').next().unwrap_or_default();
            let below = path.strip_prefix(&table).filter(|rest| rest.is_empty() || rest.starts_with('/'));
            let Some(rest) = below else {
                // Routes of other tables are counted with those.
                counts.other += usize::from(entry.method != "GET" && !is_route(path));
                continue;
            };
            let count = match (entry.method.as_str(), rest) {
                ("GET", "") => &mut counts.get_table,
                ("GET", _) if rest.starts_with("/routes/") => &mut counts.get_route,
                ("PUT", _) if rest.starts_with("/routes/") => &mut counts.put_route,
                ("DELETE", _) if rest.starts_with("/routes/") => &mut counts.delete_route,
                _ => &mut counts.other,
            };
            *count += 1;
        }
        counts
    }

    pub(crate) fn writes(self) -> usize {
        self.put_route + self.delete_route + self.other
    }
}
