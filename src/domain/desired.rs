//! What a route table should hold: the union of what its contributors ask for.
//!
//! Must not look at what the table holds now, and must not decide what may be written: `plan` and `guard` do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use super::address::Address;
pub use super::ask::{Ask, Needs};
use super::intent::{
    Addressing, Approval, Budget, DeletionPolicy, Growth, Intent, Mode, NextHop, ObjectKey, Removal, RouteTableIntent,
};
use super::prefix::{Family, Prefix};
use super::region::{RegionName, Regions};
use super::requirement::Direction;
use super::resolve::{self, Note, PairSource, RegionPair, Unresolved};
use super::rule::Part;
use super::service_tags::{Cloud, Digest, Document};

/// Why an entry is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// A service in a region (no region: the global tag). `paired`: the region is wanted as somebody's secondary.
    Service { service: String, region: Option<RegionName>, paired: bool },
    /// A requirement of the documentation or of the user, by its name, with the service tag that it is met by.
    Requirement { name: String, service: String, region: Option<RegionName> },
    /// An element of a rule for a requirement, by its name, that no service tag stands behind.
    Rule { requirement: String },
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
    pub suspended: bool,
    pub deletion_policy: DeletionPolicy,
    pub removal: Removal,
    pub growth: Growth,
    /// Whether a prefix that the document lacks has left it: not while a source that lags is used.
    pub clocks_may_start: bool,
    /// Shared: most Networks of a region ask for the same.
    pub outcome: Result<Arc<Wishes>, Unresolved>,
}

/// A resolved Network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    pub document: DocumentId,
    pub region: RegionName,
    pub pair: Option<(RegionName, PairSource)>,
    /// Whether the pair was looked up, so that a different word of ARM is worth a warning.
    pub pair_is_automatic: bool,
    /// What is asked for, also where nothing is found in one of the families.
    pub asks: BTreeSet<Ask>,
    pub entries: BTreeMap<Address, Wish>,
    pub notes: BTreeSet<Note>,
    /// What is to be known of rules besides their parts, by their names in lower case.
    pub rules: BTreeMap<String, RuleHead>,
    /// The prefixes of the service tags that rules name, by tag in lower case.
    pub reach: BTreeMap<String, Vec<Prefix>>,
}

/// What is to be known of a rule besides its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleHead {
    /// As it is written.
    pub name: String,
    pub requirement: String,
    pub direction: Direction,
    pub description: String,
}

impl Wishes {
    /// The addresses by what asks for them. Every ask is there, if only with nothing.
    pub fn needs(&self) -> Needs {
        let mut needs: Needs = self.asks.iter().map(|ask| (ask.clone(), BTreeSet::new())).collect();
        for (address, wish) in &self.entries {
            for purpose in &wish.purposes {
                needs.entry(Ask::of(purpose, address)).or_default().insert(address.folded());
            }
        }
        needs
    }
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
    let (mut entries, mut asks) = (BTreeMap::new(), BTreeSet::new());
    for service in &intent.services {
        match table.addressing {
            Addressing::Prefixes => {
                for (region, family) in pair.regions().flat_map(|r| intent.families.iter().map(move |f| (r, *f))) {
                    asks.insert(Ask::prefixes(service, Some(&region.name), family));
                }
                add_prefixes(intent, table, service, &pair, document, &mut entries, &mut notes)?;
            }
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
        asks,
        entries,
        notes,
        rules: BTreeMap::new(),
        reach: BTreeMap::new(),
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
    /// Rules about which contributors do not agree. Frozen.
    pub disputes: Vec<Dispute>,
    /// What is wanted and cannot be written as things stand. What stands of it stays.
    pub frozen: BTreeSet<Address>,
}

/// A rule that several Networks ask for, each with other content: together they would let through more than each asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    pub rule: String,
    pub parts: BTreeSet<Address>,
    pub networks: BTreeSet<ObjectKey>,
}

impl Desired {
    /// Every address that some contributor wants, also where nothing is done to it.
    pub fn all(&self) -> impl Iterator<Item = &Address> {
        let disputed = self.disputes.iter().flat_map(|dispute| &dispute.parts);
        self.entries.keys().chain(self.contradictions.keys()).chain(disputed).chain(&self.frozen)
    }

    pub fn union(contributions: &[Contribution]) -> Self {
        let mut wanted: BTreeMap<&Address, Vec<(&ObjectKey, &Wish)>> = BTreeMap::new();
        for contribution in contributions {
            for (address, wish) in contribution.outcome.iter().flat_map(|wishes| &wishes.entries) {
                wanted.entry(address).or_default().push((&contribution.network, wish));
            }
        }
        let mut desired = Self { disputes: disputes(contributions), ..Self::default() };
        let disputed: BTreeSet<&str> = desired.disputes.iter().map(|dispute| dispute.rule.as_str()).collect();
        wanted.retain(|address, _| {
            !address.part().is_some_and(|part| disputed.contains(&*part.rule.to_ascii_lowercase()))
        });
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

/// Rules that are asked for with different far sides or ports. Whom a rule is for may differ: that is united. So may the
/// prefixes of one service, where documents differ.
fn disputes(contributions: &[Contribution]) -> Vec<Dispute> {
    type Asked<'a> = BTreeMap<String, BTreeMap<&'a ObjectKey, BTreeSet<Ask>>>;
    let (mut asked, mut parts): (Asked<'_>, BTreeMap<String, BTreeSet<Address>>) = Default::default();
    for contribution in contributions {
        let entries = contribution.outcome.iter().flat_map(|wishes| &wishes.entries);
        for (address, part, wish) in entries.filter_map(|(address, wish)| Some((address, address.part()?, wish))) {
            let rule = part.rule.to_ascii_lowercase();
            parts.entry(rule.clone()).or_default().insert(address.clone());
            if !matches!(part.part, Part::Near(_)) {
                let asks = wish.purposes.iter().map(|purpose| Ask::of(purpose, address));
                asked.entry(rule).or_default().entry(&contribution.network).or_default().extend(asks);
            }
        }
    }
    let differ = asked.into_iter().filter(|(_, by)| by.values().collect::<BTreeSet<_>>().len() > 1);
    let dispute = |(rule, by): (String, BTreeMap<&ObjectKey, _>)| Dispute {
        parts: parts.remove(&rule).unwrap_or_default(),
        networks: by.into_keys().cloned().collect(),
        rule,
    };
    differ.map(dispute).collect()
}

/// What counts where nobody is left to say otherwise: the defaults of a spec.
const CAREFUL: Removal =
    Removal { hold_seconds: 42 * 86400, budget: Budget { max: 10, percent: 30 }, approval: Approval::Always };

/// The strictest of several conditions for removals.
pub fn strictest(removals: impl IntoIterator<Item = Removal>) -> Removal {
    let both = |a: Removal, b: Removal| Removal {
        hold_seconds: a.hold_seconds.max(b.hold_seconds),
        budget: Budget { max: a.budget.max.min(b.budget.max), percent: a.budget.percent.min(b.budget.percent) },
        approval: a.approval.max(b.approval),
    };
    removals.into_iter().reduce(both).unwrap_or(CAREFUL)
}

/// The least growth that a contributor allows.
pub fn least_growth(contributions: &[Contribution]) -> Growth {
    let none = Growth { per_service: 0, total: 0 };
    let both =
        |a: Growth, b: Growth| Growth { per_service: a.per_service.min(b.per_service), total: a.total.min(b.total) };
    contributions.iter().map(|c| c.growth).reduce(both).unwrap_or(none)
}

#[cfg(test)]
#[path = "desired_tests.rs"]
mod tests;
