//! What a route table should hold: the union of what its contributors ask for.
//!
//! Must not look at what the table holds now, and must not decide what may be written: `plan` and `guard` do.

use std::collections::{BTreeMap, BTreeSet};

use super::intent::{Addressing, Approval, Intent, Mode, NextHop, ObjectKey, Removal, RouteTableIntent};
use super::prefix::{Family, Prefix};
use super::region::{RegionName, Regions};
use super::resolve::{self, Note, PairSource, RegionPair, Unresolved};
use super::service_tags::{Cloud, Digest, Document};

/// What an entry is for: prefixes, and tags where a tag may stand for its prefixes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    Prefix(Prefix),
    /// A service tag as somebody spelt it.
    Tag(String),
}

impl Address {
    /// The address as Azure compares it: tags without case.
    #[must_use]
    pub fn folded(&self) -> Self {
        match self {
            Self::Prefix(prefix) => Self::Prefix(*prefix),
            Self::Tag(tag) => Self::Tag(tag.to_ascii_lowercase()),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Prefix(prefix) => prefix.fmt(f),
            Self::Tag(tag) => f.write_str(tag),
        }
    }
}

/// Why an entry is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// A service in a region (no region: the global tag). `paired`: the region is wanted as somebody's secondary.
    Service { service: String, region: Option<RegionName>, paired: bool },
    /// The route to the firewall. Written after everything else was read back.
    DefaultRoute,
}

/// Identifies the document that a plan rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId {
    pub cloud: Cloud,
    pub change_number: u64,
    pub digest: Digest,
}

impl From<&Document> for DocumentId {
    fn from(document: &Document) -> Self {
        Self { cloud: document.cloud, change_number: document.change_number, digest: document.digest }
    }
}

/// What one Network asks of one route table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    pub network: ObjectKey,
    pub generation: i64,
    pub mode: Mode,
    pub removal: Removal,
    pub outcome: Result<Wishes, Unresolved>,
}

/// A resolved Network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    pub document: DocumentId,
    pub region: RegionName,
    pub pair: Option<(RegionName, PairSource)>,
    /// Whether the pair was looked up, so that a different word of ARM is worth a warning.
    pub pair_is_automatic: bool,
    pub entries: BTreeMap<Address, Wish>,
    pub notes: BTreeSet<Note>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub next_hop: NextHop,
    pub purposes: BTreeSet<Purpose>,
}

/// Resolves what `intent` asks of `table`. Nothing found is an error, never an empty wish.
pub fn wishes(
    intent: &Intent,
    table: &RouteTableIntent,
    document: &Document,
    regions: &Regions,
) -> Result<Wishes, Unresolved> {
    let mut notes = BTreeSet::new();
    let pair = resolve::region_pair(&intent.region, &intent.paired_region, regions, document, &mut notes)?;
    let mut entries = BTreeMap::new();
    for service in &intent.services {
        match table.addressing {
            Addressing::Prefixes => add_prefixes(intent, table, service, &pair, document, &mut entries, &mut notes)?,
            Addressing::ServiceTag => {
                let tag = resolve::routable_tag(service, document)?;
                let purpose = Purpose::Service { service: tag.name.to_string(), region: None, paired: false };
                add(&mut entries, Address::Tag(tag.name.to_string()), table.next_hop.clone(), purpose);
            }
        }
    }
    if let Some(firewall) = table.default_route {
        let address = Address::Prefix(Prefix::DEFAULT_V4);
        add(&mut entries, address, NextHop::VirtualAppliance(firewall), Purpose::DefaultRoute);
    }
    Ok(Wishes {
        document: document.into(),
        region: pair.primary.name,
        pair: pair.secondary.map(|(region, source)| (region.name, source)),
        pair_is_automatic: intent.paired_region == resolve::PairedRegion::Auto,
        entries,
        notes,
    })
}

fn add_prefixes(
    intent: &Intent,
    table: &RouteTableIntent,
    service: &str,
    pair: &RegionPair,
    document: &Document,
    entries: &mut BTreeMap<Address, Wish>,
    notes: &mut BTreeSet<Note>,
) -> Result<(), Unresolved> {
    for region in pair.regions() {
        let prefixes = resolve::regional(service, region, document, notes)?;
        if !prefixes.iter().any(|prefix| intent.families.contains(&prefix.family())) {
            let families: Vec<String> = intent.families.iter().map(Family::to_string).collect();
            return Err(Unresolved::NothingFound {
                service: format!("{service} ({})", families.join(", ")),
                region: region.name.to_string(),
                change_number: document.change_number,
            });
        }
        for prefix in prefixes.into_iter().filter(|prefix| intent.families.contains(&prefix.family())) {
            let paired = region.name != pair.primary.name;
            let purpose = Purpose::Service { service: service.to_owned(), region: Some(region.name.clone()), paired };
            add(entries, Address::Prefix(prefix), table.next_hop.clone(), purpose);
        }
    }
    Ok(())
}

fn add(entries: &mut BTreeMap<Address, Wish>, address: Address, next_hop: NextHop, purpose: Purpose) {
    entries.entry(address).or_insert_with(|| Wish { next_hop, purposes: BTreeSet::new() }).purposes.insert(purpose);
}

/// One entry of the union.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredEntry {
    pub next_hop: NextHop,
    pub purposes: BTreeSet<Purpose>,
    pub wanted_by: BTreeSet<ObjectKey>,
}

impl DesiredEntry {
    pub fn is_default_route(&self) -> bool {
        self.purposes.contains(&Purpose::DefaultRoute)
    }
}

/// The union over all contributors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    pub entries: BTreeMap<Address, DesiredEntry>,
    /// Addresses for which contributors want different next hops, with what each wants. Frozen.
    pub contradictions: BTreeMap<Address, BTreeSet<(NextHop, ObjectKey)>>,
}

impl Desired {
    pub fn union(contributions: &[Contribution]) -> Self {
        let mut wanted: BTreeMap<&Address, Vec<(&ObjectKey, &Wish)>> = BTreeMap::new();
        for contribution in contributions {
            for (address, wish) in contribution.outcome.iter().flat_map(|wishes| &wishes.entries) {
                wanted.entry(address).or_default().push((&contribution.network, wish));
            }
        }
        let mut desired = Self::default();
        for (address, wishes) in wanted {
            let hops: BTreeSet<&NextHop> = wishes.iter().map(|(_, wish)| &wish.next_hop).collect();
            if hops.len() > 1 {
                let contradiction = wishes.iter().map(|(key, wish)| (wish.next_hop.clone(), (*key).clone())).collect();
                desired.contradictions.insert(address.clone(), contradiction);
                continue;
            }
            desired.entries.insert(
                address.clone(),
                DesiredEntry {
                    next_hop: wishes[0].1.next_hop.clone(),
                    purposes: wishes.iter().flat_map(|(_, wish)| wish.purposes.iter().cloned()).collect(),
                    wanted_by: wishes.iter().map(|(key, _)| (*key).clone()).collect(),
                },
            );
        }
        desired
    }
}

/// The strictest of the contributors' conditions for removals.
pub fn strictest(contributions: &[Contribution]) -> Removal {
    Removal {
        hold_seconds: contributions.iter().map(|c| c.removal.hold_seconds).max().unwrap_or(u64::MAX),
        approval: contributions.iter().map(|c| c.removal.approval).max().unwrap_or(Approval::Always),
    }
}

#[cfg(test)]
#[path = "desired_tests.rs"]
mod tests;
