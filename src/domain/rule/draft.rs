//! Collects what a Network asks of rules: names, parts, and what stands behind each part.
//!
//! Must not choose what is asked: `firewall` and `security` do.

use std::collections::{BTreeMap, BTreeSet};

use super::{Part, Place, RulePart};
use crate::desired::{Address, Ask, DocumentId, Purpose, RuleHead, Wish, Wishes};
use crate::intent::{Installation, Intent, NextHop};
use crate::outbound::{Port, Protocol};
use crate::prefix::{Family, Prefix};
use crate::region::RegionName;
use crate::requirement::{Destination, ResolvedTag, Selected};
use crate::resolve::{Note, PairedRegion, RegionPair};
use crate::resource_id::ResourceId;
use crate::service_tags::{Digest, Document};

/// The network provider's longest name is 80; a rule that is spread over several gets a number behind its name.
const LONGEST_NAME: usize = 74;
/// The longest description of a security rule (docs/facts.md, "Limits").
const LONGEST_DESCRIPTION: usize = 140;

/// What rules are put apart by, besides their requirement: what cannot stand in one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Tcp,
    Udp,
    Any,
}

impl Class {
    pub(super) fn of(port: Port) -> Self {
        match port.protocol {
            Protocol::Tcp | Protocol::Http | Protocol::Https => Self::Tcp,
            Protocol::Udp => Self::Udp,
            Protocol::Any => Self::Any,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Any => "any",
        }
    }

    fn protocol(self) -> Protocol {
        match self {
            Self::Tcp => Protocol::Tcp,
            Self::Udp => Protocol::Udp,
            Self::Any => Protocol::Any,
        }
    }

    /// Ports by class, in the words of network rules.
    pub(super) fn apart(ports: &[Port]) -> BTreeMap<Self, BTreeSet<Port>> {
        let mut apart: BTreeMap<Self, BTreeSet<Port>> = BTreeMap::new();
        for port in ports {
            let class = Self::of(*port);
            apart.entry(class).or_default().insert(Port { protocol: class.protocol(), port: port.port });
        }
        apart
    }

    /// What the name of a rule ends with.
    pub(super) fn ending(self, how: &str) -> String {
        format!("{}{how}", self.name())
    }
}

/// The protocol that a rule of this name has, where its name says one.
pub fn protocol_of(rule: &str) -> Option<Protocol> {
    let ending = rule.rsplit('.').next()?.to_ascii_lowercase();
    let word = ending.split('-').next()?.trim_end_matches('6');
    [Class::Tcp, Class::Udp, Class::Any].into_iter().find(|class| class.name() == word).map(Class::protocol)
}

/// What is collected.
pub(super) struct Drafts<'a> {
    installation: &'a Installation,
    /// What stands in every name behind the installation: the direction, where there are two.
    side: &'static str,
    asks: BTreeSet<Ask>,
    entries: BTreeMap<Address, Wish>,
    rules: BTreeMap<String, RuleHead>,
    reach: BTreeMap<String, Vec<Prefix>>,
    pub(super) notes: BTreeSet<Note>,
}

/// A rule that is being collected.
#[derive(Debug, Clone)]
pub(super) struct Draft<'r> {
    name: String,
    row: &'r Selected,
}

impl<'a> Drafts<'a> {
    pub(super) fn new(installation: &'a Installation, notes: BTreeSet<Note>) -> Self {
        Self {
            installation,
            side: "",
            asks: BTreeSet::new(),
            entries: BTreeMap::new(),
            rules: BTreeMap::new(),
            reach: BTreeMap::new(),
            notes,
        }
    }

    /// What the names of the rules that follow begin with.
    pub(super) fn set_side(&mut self, side: &'static str) {
        self.side = side;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// A rule for a row; `place` is the region or what else sets it apart from the same row of another Network.
    pub(super) fn rule<'r>(&mut self, row: &'r Selected, place: &[&str], ending: &str) -> Draft<'r> {
        let id = if row.profile.is_some() { row.id.clone() } else { format!("additional.{}", row.id) };
        let words: Vec<&str> = [self.side, &id].into_iter().chain(place.iter().copied()).chain([ending]).collect();
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        self.named(row, shortened(&format!("{}{}", self.installation.entry_prefix(), words.join("."))))
    }

    /// A rule whose name the documentation gives.
    pub(super) fn named<'r>(&mut self, row: &'r Selected, name: String) -> Draft<'r> {
        let head = RuleHead {
            name: name.clone(),
            requirement: row.id.clone(),
            direction: row.direction,
            description: description(self.installation, row),
        };
        self.rules.insert(name.to_ascii_lowercase(), head);
        Draft { name, row }
    }

    pub(super) fn near(&mut self, rule: &Draft<'_>, places: impl IntoIterator<Item = Place>) {
        for place in places {
            self.given(rule, Part::Near(place));
        }
    }

    pub(super) fn given(&mut self, rule: &Draft<'_>, part: Part) {
        let purpose = Purpose::Rule { requirement: rule.row.id.clone() };
        self.add(rule, part, purpose);
    }

    /// A far side that the row itself names: hosts, a tag of the platform.
    pub(super) fn named_far(&mut self, rule: &Draft<'_>, part: Part, region: Option<&RegionName>) {
        let service = rule.row.tag().unwrap_or(&rule.row.id).to_owned();
        let purpose = Purpose::Requirement { name: rule.row.id.clone(), service, region: region.cloned() };
        self.add(rule, part, purpose);
    }

    /// A far side that stands for a tag's addresses.
    pub(super) fn group(&mut self, rule: &Draft<'_>, tag: &ResolvedTag, group: ResourceId) {
        self.add(rule, Part::Far(Place::IpGroup(group)), of_tag(rule.row, tag));
    }

    pub(super) fn ports(&mut self, rule: &Draft<'_>, ports: impl IntoIterator<Item = Port>) {
        for port in ports {
            self.given(rule, Part::Port(port));
        }
    }

    /// The tag by its name, which stands for these prefixes.
    pub(super) fn tag(&mut self, rule: &Draft<'_>, tag: &ResolvedTag, name: &str) {
        self.reaches(name, tag);
        self.add(rule, Part::Far(Place::Tag(name.to_owned())), of_tag(rule.row, tag));
    }

    /// The tag's prefixes of one family.
    pub(super) fn prefixes(&mut self, rule: &Draft<'_>, tag: &ResolvedTag, family: Family) {
        self.asks.insert(Ask::in_rule(&rule.name, &tag.service, tag.region.as_ref(), family));
        // Others may name the tag, or the whole service.
        for name in tag.name.iter().chain([&tag.service]) {
            self.reaches(name, tag);
        }
        for prefix in tag.prefixes.iter().filter(|prefix| prefix.family() == family) {
            self.add(rule, Part::Far(Place::Prefix(*prefix)), of_tag(rule.row, tag));
        }
    }

    /// What a tag holds at least.
    fn reaches(&mut self, name: &str, tag: &ResolvedTag) {
        let known = self.reach.entry(name.to_ascii_lowercase()).or_default();
        let more = tag.prefixes.iter().copied().filter(|prefix| prefix.family() == Family::V4);
        let all: BTreeSet<Prefix> = known.iter().copied().chain(more).collect();
        *known = all.into_iter().collect();
    }

    fn add(&mut self, rule: &Draft<'_>, part: Part, purpose: Purpose) {
        let address = Address::Part(RulePart { rule: rule.name.clone(), part });
        self.asks.insert(Ask::of(&purpose, &address));
        let wish = Wish { next_hop: NextHop::Member, purposes: BTreeSet::new() };
        self.entries.entry(address).or_insert(wish).purposes.insert(purpose);
    }

    pub(super) fn into_wishes(self, intent: &Intent, pair: RegionPair, document: &Document) -> Wishes {
        Wishes {
            document: DocumentId::from(document),
            region: pair.primary.name,
            pair: pair.secondary.map(|(region, source)| (region.name, source)),
            pair_is_automatic: intent.paired_region == PairedRegion::Auto,
            asks: self.asks,
            entries: self.entries,
            notes: self.notes,
            rules: self.rules,
            reach: self.reach,
        }
    }
}

fn of_tag(row: &Selected, tag: &ResolvedTag) -> Purpose {
    Purpose::Requirement { name: row.id.clone(), service: tag.service.clone(), region: tag.region.clone() }
}

/// What sets a row of one Network apart from the same row of another: the region of its tag, or what was filled into its
/// hosts.
pub(super) fn place<'r>(row: &'r Selected, tag: Option<&'r ResolvedTag>) -> Vec<&'r str> {
    match &row.destination {
        Destination::Tag { .. } => {
            tag.and_then(|tag| tag.region.as_ref()).map(RegionName::as_str).into_iter().collect()
        }
        Destination::Platform(_) => Vec::new(),
        Destination::Hosts(_) => row.filled.values().map(String::as_str).collect(),
    }
}

/// What the description of every rule of an installation begins with: whose a rule is whose name the documentation gives.
pub fn mark(installation: &Installation) -> String {
    format!("amlnet {installation}: ")
}

fn description(installation: &Installation, row: &Selected) -> String {
    let mut text = format!("{}{}: {}", mark(installation), row.id, row.purpose.trim_end_matches('.'));
    text.retain(|c| !c.is_control());
    if text.chars().count() > LONGEST_DESCRIPTION {
        text = text.chars().take(LONGEST_DESCRIPTION - 3).collect::<String>() + "...";
    }
    text
}

/// A name that Azure takes: what is too long ends with a digest instead.
fn shortened(name: &str) -> String {
    if name.len() <= LONGEST_NAME {
        return name.to_owned();
    }
    let digest = Digest::of(name.to_ascii_lowercase().as_bytes()).short();
    let kept = name[..LONGEST_NAME - digest.len() - 2].trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    format!("{kept}.x{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stay_names_and_stay_apart() {
        let long = |end: &str| shortened(&format!("amlnet.prod.{}.{end}", "TrainingAndDeployment.x".repeat(4)));
        assert!(long("tcp").len() <= LONGEST_NAME && long("tcp") != long("udp"));
        assert!(crate::resource_id::is_network_name(&long("tcp")));
        assert_eq!(shortened("amlnet.prod.Storage.tcp"), "amlnet.prod.Storage.tcp");
    }
}
