//! A list for firewalls that fetch what they let through: what it holds, what of it left the document, since when.
//!
//! What a document newly wants comes in at once; what left it stays until its hold is over; what a changed spec no
//! longer asks for goes at once. A list is never empty. Must not know where it is kept, or how it is fetched.

mod render;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::desired::{Ask, DocumentId};
use super::host::Host;
use super::intent::{Mode, ObjectKey};
use super::memory::Clock;
use super::outbound::ListFormat;
use super::prefix::Prefix;
use super::service_tags::Cloud;

pub use wanted::wanted;

/// One list among all: the Network's name, and its own among those of the Network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListKey {
    pub network: ObjectKey,
    pub name: String,
}

impl ListKey {
    /// Where it is served, without an ending.
    pub fn path(&self) -> String {
        format!("/lists/{self}")
    }
}

impl fmt::Display for ListKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.name)
    }
}

impl std::str::FromStr for ListKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("{text:?} is not namespace/network/list");
        let (network, name) = text.rsplit_once('/').filter(|(_, name)| !name.is_empty()).ok_or_else(refuse)?;
        Ok(Self { network: network.parse().map_err(|_| refuse())?, name: name.to_owned() })
    }
}

by_text!(ListKey);

/// What a list should hold, by the document and the spec as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub document: DocumentId,
    /// Every ask is there, if only with nothing.
    pub asks: BTreeMap<Ask, BTreeSet<Prefix>>,
    /// No document holds hosts: they come and go with the spec.
    pub hosts: BTreeSet<Host>,
}

impl Wanted {
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.asks.values().all(BTreeSet::is_empty)
    }
}

/// What counts for a list besides what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Seconds that a prefix stays after it left the document.
    pub hold_seconds: u64,
    pub mode: Mode,
    pub suspended: bool,
    /// Whether what the document lacks has left it: not while a source that lags is used.
    pub clocks_may_start: bool,
}

/// The document that a list follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Followed {
    pub cloud: Cloud,
    pub change_number: u64,
    pub digest: String,
}

impl From<DocumentId> for Followed {
    fn from(id: DocumentId) -> Self {
        Self { cloud: id.cloud, change_number: id.change_number, digest: id.digest.to_string() }
    }
}

/// What one ask came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Kept {
    pub wanted: BTreeSet<Prefix>,
    /// What left the document, and since when.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub retiring: BTreeMap<Prefix, Clock>,
}

impl Kept {
    fn followed(&self, wanted: &BTreeSet<Prefix>, terms: &Terms, now: Timestamp) -> Self {
        let mut next = Self { wanted: wanted.clone(), retiring: self.retiring.clone() };
        let left = self.wanted.difference(wanted).copied();
        if terms.clocks_may_start {
            for prefix in left {
                next.retiring.entry(prefix).or_insert(Clock::start(now));
            }
        } else {
            next.wanted.extend(left);
        }
        next.retiring.retain(|prefix, _| !next.wanted.contains(prefix));
        if terms.clocks_may_start && terms.mode != Mode::UpsertOnly {
            next.retiring.retain(|_, clock| ends(*clock, terms.hold_seconds).is_none_or(|end| end > now));
        }
        next
    }
}

/// When a hold is over; `None` where that is beyond all time.
fn ends(clock: Clock, hold_seconds: u64) -> Option<Timestamp> {
    let hold = SignedDuration::from_secs(i64::try_from(hold_seconds).ok()?);
    clock.counts_from().checked_add(hold).ok()
}

/// A list as it stands and as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListState {
    pub document: Followed,
    /// Since when it follows that document.
    pub followed_since: Timestamp,
    /// When the entries changed last, in whole seconds as HTTP says it.
    pub changed_at: Timestamp,
    pub asks: BTreeMap<Ask, Kept>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub hosts: BTreeSet<Host>,
}

impl ListState {
    fn new(wanted: &Wanted, now: Timestamp) -> Self {
        let asks = wanted
            .asks
            .iter()
            .map(|(ask, prefixes)| (ask.clone(), Kept { wanted: prefixes.clone(), retiring: BTreeMap::new() }));
        Self {
            document: wanted.document.into(),
            followed_since: whole_seconds(now),
            changed_at: whole_seconds(now),
            asks: asks.collect(),
            hosts: wanted.hosts.clone(),
        }
    }

    /// All prefixes, sorted: IPv4 first.
    pub fn prefixes(&self) -> BTreeSet<Prefix> {
        self.asks.values().flat_map(|kept| kept.wanted.iter().chain(kept.retiring.keys())).copied().collect()
    }

    /// How many prefixes are only there because their hold is not over.
    pub fn retiring(&self) -> usize {
        let wanted: BTreeSet<&Prefix> = self.asks.values().flat_map(|kept| &kept.wanted).collect();
        let retiring: BTreeSet<&Prefix> = self.asks.values().flat_map(|kept| kept.retiring.keys()).collect();
        retiring.difference(&wanted).count()
    }

    /// When the next hold is over.
    pub fn due(&self, hold_seconds: u64) -> Option<Timestamp> {
        let clocks = self.asks.values().flat_map(|kept| kept.retiring.values());
        clocks.filter_map(|clock| ends(*clock, hold_seconds)).min()
    }

    /// Takes the time into every clock.
    fn observe(&mut self, now: Timestamp) {
        for clock in self.asks.values_mut().flat_map(|kept| kept.retiring.values_mut()) {
            clock.observe(now);
        }
    }

    fn followed(&self, wanted: &Wanted, terms: &Terms, now: Timestamp) -> Self {
        let mut next = Self { asks: BTreeMap::new(), hosts: wanted.hosts.clone(), ..self.clone() };
        let none = Kept::default();
        for (ask, prefixes) in &wanted.asks {
            let kept = self.asks.get(ask).unwrap_or(&none);
            next.asks.insert(ask.clone(), kept.followed(prefixes, terms, now));
        }
        if terms.mode == Mode::UpsertOnly {
            // What the spec gave up goes when the mode allows it.
            for (ask, kept) in &self.asks {
                next.asks.entry(ask.clone()).or_insert_with(|| kept.clone());
            }
            next.hosts.extend(self.hosts.iter().cloned());
        }
        let document = wanted.document.into();
        if next.document != document {
            next.document = document;
            next.followed_since = after(self.followed_since, now);
        }
        if next.hosts != self.hosts || next.prefixes() != self.prefixes() {
            next.changed_at = after(self.changed_at, now);
        }
        next
    }
}

/// The time of a change that follows another: HTTP counts in seconds, and both have to differ there.
fn after(last: Timestamp, now: Timestamp) -> Timestamp {
    let this = whole_seconds(now);
    // A time that lies in the future was set by a clock that had jumped.
    let is_near = last >= this && last <= now.checked_add(SignedDuration::from_secs(60)).unwrap_or(now);
    if is_near { last.checked_add(SignedDuration::from_secs(1)).unwrap_or(this) } else { this }
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// What a list holds from `now` on; `None`: there is nothing to serve yet. Where it is not known what is wanted, or
/// nothing would be left, the last list stands.
pub fn next(old: Option<&ListState>, wanted: Option<&Wanted>, terms: &Terms, now: Timestamp) -> Option<ListState> {
    let mut old = old.cloned();
    if let Some(old) = &mut old {
        old.observe(now);
    }
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty() && !terms.suspended) else { return old };
    Some(match old {
        Some(old) => old.followed(wanted, terms, now),
        None => ListState::new(wanted, now),
    })
}

/// A list with the form in which it is served where nothing else is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct List {
    pub format: ListFormat,
    pub state: ListState,
}

impl List {
    /// When what is served in this form changed last.
    pub fn changed_at(&self, format: ListFormat) -> Timestamp {
        match format {
            ListFormat::Plain => self.state.changed_at,
            // It names the document.
            ListFormat::Json => self.state.changed_at.max(self.state.followed_since),
        }
    }
}

#[cfg(test)]
mod tests;
