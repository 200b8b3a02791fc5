//! The lists for other makers' firewalls: looked at by the leader, remembered by the store, served by every replica.
//!
//! A list is not a write, so mode, budget and approval do not hold it back: whether to fetch it is the firewall's
//! decision. Must not forget a list as long as it is not certain that nobody names it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::index::{self, Documents, Setting};
use crate::domain::intent::{Intent, ObjectKey};
use crate::domain::list::{self, List, ListKey, Terms, Wanted};
use crate::domain::outbound::{ListIntent, Outbound};
use crate::domain::prefix::Family;
use crate::domain::project::ListStatus;
use crate::store::{Store, World};

/// How the lists of each Network stand.
pub type Standings = BTreeMap<ObjectKey, Vec<ListStatus>>;

/// What was looked at.
#[derive(Debug, Default)]
pub struct Lists {
    seen: BTreeMap<ListKey, Seen>,
    standings: Standings,
    last: Option<Timestamp>,
}

/// How a list was found. Looked at again, the same comes out until `due`.
#[derive(Debug)]
struct Seen {
    asks: String,
    terms: Terms,
    due: Option<Timestamp>,
    status: ListStatus,
}

impl Lists {
    pub fn standings(&self) -> &Standings {
        &self.standings
    }

    /// Whether a hold is over, or the clock went back.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.last.is_some_and(|last| now < last)
            || self.seen.values().any(|seen| seen.due.is_some_and(|due| due <= now))
    }

    /// Brings every list up to date.
    pub fn look(&mut self, store: &dyn Store, world: &World, documents: &Documents, setting: &Setting, now: Timestamp) {
        if self.last.replace(now).is_some_and(|last| now < last) {
            self.seen.clear();
        }
        let refused = index::out_of_scope(world, setting);
        let mut remembered = store.lists();
        // Most Networks of a region ask for the same.
        let mut resolved: BTreeMap<String, Result<Wanted, String>> = BTreeMap::new();
        let (mut seen, mut standings) = (BTreeMap::new(), Standings::new());
        for held in world.networks.values() {
            let (network, intent) = (&held.object.key, &held.object.intent);
            let Some(outbound) = &intent.outbound else { continue };
            for list in &outbound.lists {
                let key = ListKey { network: network.clone(), name: list.name.clone() };
                let old = remembered.remove(&key);
                let terms = terms(intent, documents);
                let out_of_scope = refused.get(network).map(ToString::to_string);
                let asks = asks(intent, outbound, list, documents, out_of_scope.as_deref());
                let is_known = |seen: &Seen| {
                    let is_over = seen.due.is_some_and(|due| due <= now);
                    seen.asks == asks && seen.terms == terms && !is_over && (old.is_some() == seen.status.is_there())
                };
                let found = match self.seen.remove(&key).filter(is_known) {
                    Some(seen) => seen,
                    None => {
                        let wanted = resolved.entry(asks.clone()).or_insert_with(|| match out_of_scope {
                            Some(why) => Err(why),
                            None => wanted(intent, outbound, list, documents, setting),
                        });
                        let (new, status) = look_at(&key, list, old.as_deref(), wanted, &terms, now);
                        let due = new.as_ref().and_then(|new| new.state.due(terms.hold_seconds));
                        // What stays in spite of its time is not looked at all the time.
                        let due = due.filter(|due| *due > now);
                        if new.as_ref() != old.as_deref()
                            && let Some(new) = new
                        {
                            tracing::info!(list = %key, entries = status.entries(), "the list changed");
                            store.remember_list(&key, Some(new));
                        }
                        Seen { asks, terms, due, status }
                    }
                };
                standings.entry(network.clone()).or_default().push(found.status.clone());
                seen.insert(key, found);
            }
        }
        for key in remembered.keys().filter(|key| is_nobodys(key, world)) {
            tracing::info!(list = %key, "no AmlNetwork names the list any more");
            store.remember_list(key, None);
        }
        (self.seen, self.standings) = (seen, standings);
    }
}

/// Whether it is certain that no Network names a list that `world` does not show.
fn is_nobodys(key: &ListKey, world: &World) -> bool {
    // Nothing found never means delete: an empty folder is rather one that was not mounted.
    if !world.undecodable.is_empty() || world.networks.is_empty() && world.feeds.is_empty() {
        return false;
    }
    match world.networks.get(&key.network) {
        // Its last good text counts until the new one can be read.
        Some(held) => held.broken.is_none(),
        None => !world.leaving.contains_key(&key.network) && !world.unclaimed.contains_key(&key.network),
    }
}

fn terms(intent: &Intent, documents: &Documents) -> Terms {
    Terms {
        hold_seconds: intent.removal.hold_seconds,
        mode: intent.mode,
        suspended: intent.suspended,
        clocks_may_start: !documents.no_removals.contains_key(&intent.feed),
    }
}

/// All that what a list should hold follows from, as a text.
fn asks(
    intent: &Intent,
    outbound: &Outbound,
    list: &ListIntent,
    documents: &Documents,
    out_of_scope: Option<&str>,
) -> String {
    let Intent { region, paired_region, families, .. } = intent;
    let Outbound { edition, profiles, parameters, exclude, additional, .. } = outbound;
    let document = match documents.of(&intent.feed) {
        Ok(document) => format!("{} {}", document.digest, document.change_number),
        Err(why) => why.to_string(),
    };
    format!(
        "{out_of_scope:?} {document} {region:?} {paired_region:?} {families:?} {edition:?} {profiles:?} {parameters:?} \
         {exclude:?} {additional:?} {list:?}"
    )
}

fn wanted(
    intent: &Intent,
    outbound: &Outbound,
    list: &ListIntent,
    documents: &Documents,
    setting: &Setting,
) -> Result<Wanted, String> {
    let Setting { regions, requirements, .. } = setting;
    let document = documents.of(&intent.feed);
    let wanted = document.and_then(|document| list::wanted(intent, outbound, list, document, regions, requirements));
    wanted.map_err(|why| why.to_string())
}

fn look_at(
    key: &ListKey,
    intent: &ListIntent,
    old: Option<&List>,
    wanted: &Result<Wanted, String>,
    terms: &Terms,
    now: Timestamp,
) -> (Option<List>, ListStatus) {
    let state = list::next(old.map(|old| &old.state), wanted.as_ref().ok(), terms, now);
    let why = match wanted {
        _ if terms.suspended => Some("the AmlNetwork is suspended"),
        Ok(_) => None,
        Err(why) => Some(why.as_str()),
    };
    let new = state.map(|state| List { format: intent.format, state });
    let (state, message) = match (&new, why) {
        (Some(_), None) => ("Served", "it holds what is needed".to_owned()),
        (Some(_), Some(why)) => ("Stands", format!("the last list stands: {why}")),
        (None, why) => ("Waiting", format!("nothing to serve yet: {}", why.unwrap_or("it is looked at"))),
    };
    let mut status = ListStatus::new(intent.name.clone(), key.path(), state, message);
    if let Some(List { state, .. }) = &new {
        let prefixes = state.prefixes();
        status.ipv4 = prefixes.iter().filter(|prefix| prefix.family() == Family::V4).count();
        status.ipv6 = prefixes.len() - status.ipv4;
        status.hosts = state.hosts.len();
        status.retiring = state.retiring();
        status.changed_at = Some(state.changed_at);
    }
    (new, status)
}

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;
