//! What a target holds now, as it was read.
//!
//! Must not know what it should hold.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::Rules;
use crate::attached::Attached;
use crate::desired::Address;
use crate::intent::{Installation, NextHop};
use crate::memory::TargetMemory;

/// What a target holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The resource's location, for its limits.
    pub location: String,
    pub entries: Vec<ObservedEntry>,
    /// How many subnets use the table.
    pub subnets: usize,
    /// True while an operation of somebody is under way: nothing is planned on a moving target.
    pub updating: bool,
    /// Of a kind whose body is written as a whole.
    pub whole: Option<Whole>,
    /// Of a kind that holds rules.
    pub rules: Option<Rules>,
}

/// What is known of a target whose body is written as a whole, besides its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    pub exists: bool,
    /// Azure failed to put it into effect; of such a group it shows no addresses.
    pub failed: bool,
    /// The installation whose mark it bears, if it bears one.
    pub owner: Option<String>,
    /// What else people have written on it; kept as it is.
    pub tags: BTreeMap<String, String>,
    /// The firewalls and policies whose rules name it.
    pub users: BTreeSet<Attached>,
}

impl Observed {
    /// Whether an entry is ours: by its name, compared without case as Azure does, or by the mark of the whole body.
    pub fn owns(&self, entry: &ObservedEntry, installation: &Installation) -> bool {
        match (&self.whole, &self.rules) {
            (Some(whole), _) => whole.is_marked(installation),
            // Rules of others have no entries.
            (None, Some(_)) => true,
            (None, None) => entry.is_ours(installation),
        }
    }

    /// The entries that are ours.
    pub fn ours(&self, installation: &Installation) -> impl Iterator<Item = &ObservedEntry> {
        self.entries.iter().filter(move |entry| self.owns(entry, installation))
    }
}

impl Observed {
    /// Azure empties a group whose update failed. What was remembered to stand in ours still does for the guards, so that
    /// its repair does not take away what is held.
    #[must_use]
    pub fn with_what_a_failure_took(mut self, memory: &TargetMemory, installation: &Installation) -> Self {
        let is_emptied = |whole: &Whole| whole.failed && whole.is_marked(installation);
        if self.entries.is_empty() && self.whole.as_ref().is_some_and(is_emptied) {
            let entry = |address: &Address| ObservedEntry {
                name: address.to_string(),
                address: address.clone(),
                next_hop: NextHop::Member,
                failed: true,
            };
            // Also what is needed by those who cannot say so now.
            let needed = memory.contributors.values().flat_map(|known| known.needs.values()).flatten();
            let stood: BTreeSet<&Address> = memory.not_needed().into_iter().chain(needed).collect();
            self.entries = stood.into_iter().map(entry).collect();
        }
        self
    }
}

impl Whole {
    pub fn is_marked(&self, installation: &Installation) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.eq_ignore_ascii_case(installation.as_str()))
    }
}

/// One route as it stands in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedEntry {
    pub name: String,
    pub address: Address,
    pub next_hop: NextHop,
    /// A route that Azure failed to put into effect is written again.
    pub failed: bool,
}

impl ObservedEntry {
    fn is_ours(&self, installation: &Installation) -> bool {
        let prefix = installation.entry_prefix();
        self.name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(&prefix))
    }
}
