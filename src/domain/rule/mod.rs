//! Rules of firewalls and security groups as a value: who may talk with whom on which ports.
//!
//! A rule is three sets: the computes' side, the far side, the ports. Each element is an entry of a target, with a clock and
//! guards of its own, as a route is. Must not know how Azure writes a rule, or what is asked for.

mod draft;
pub mod firewall;
pub mod security;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::desired::Address;
use super::host::Host;
use super::outbound::{Port, Protocol};
use super::prefix::Prefix;
use super::resource_id::{ResourceId, TargetKind};
pub use draft::{mark, protocol_of};

/// One element of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RulePart {
    /// The rule's name in Azure; where a rule is spread over several, what their names begin with.
    pub rule: String,
    pub part: Part,
}

/// What an element of a rule says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The computes' side.
    Near(Place),
    Far(Place),
    /// The far side, by name.
    Host(Host),
    Port(Port),
}

/// Addresses, written in one of the ways that rules know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    Prefix(Prefix),
    /// A service tag or a tag of the platform. `*` is all addresses.
    Tag(String),
    IpGroup(ResourceId),
}

impl Part {
    /// Whether it is the far side of a rule: what a rule is about.
    pub fn is_far(&self) -> bool {
        matches!(self, Self::Far(_) | Self::Host(_))
    }

    /// The part as Azure compares it: without case.
    #[must_use]
    fn folded(&self) -> Self {
        match self {
            Self::Near(Place::Tag(tag)) => Self::Near(Place::Tag(tag.to_ascii_lowercase())),
            Self::Far(Place::Tag(tag)) => Self::Far(Place::Tag(tag.to_ascii_lowercase())),
            part => part.clone(),
        }
    }
}

impl RulePart {
    /// Without the rule: `at 10.1.0.0/24`, `with Storage.EastUS2`, `host ghcr.io`, `on TCP 443`.
    pub fn element(&self) -> String {
        let word = match &self.part {
            Part::Near(_) => "at",
            Part::Far(_) => "with",
            Part::Host(_) => "host",
            Part::Port(_) => "on",
        };
        format!("{word} {}", self.part)
    }

    /// The part as Azure compares it: without case.
    #[must_use]
    pub fn folded(&self) -> Self {
        Self { rule: self.rule.to_ascii_lowercase(), part: self.part.folded() }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Near(place) | Self::Far(place) => place.fmt(f),
            Self::Host(host) => host.fmt(f),
            Self::Port(port) => port.fmt(f),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => prefix.fmt(f),
            Self::Tag(tag) => f.write_str(tag),
            Self::IpGroup(id) => id.fmt(f),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(format!("{text:?} is no place"));
        }
        if let Ok(prefix) = text.parse() {
            return Ok(Self::Prefix(prefix));
        }
        if text.starts_with('/') {
            return ResourceId::parse(text, TargetKind::IpGroup).map(Self::IpGroup).map_err(|error| error.to_string());
        }
        Ok(Self::Tag(text.to_owned()))
    }
}

/// `<rule> at <place>`, `<rule> with <place>`, `<rule> host <host>`, `<rule> on <protocol> <port>`.
impl fmt::Display for RulePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rule, self.element())
    }
}

impl FromStr for RulePart {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let part = match text.split(' ').collect::<Vec<_>>()[..] {
            [rule, "at", place] => (rule, Part::Near(place.parse()?)),
            [rule, "with", place] => (rule, Part::Far(place.parse()?)),
            [rule, "host", host] => (rule, Part::Host(host.parse().map_err(|_| format!("{host:?} is no host"))?)),
            [rule, "on", protocol, port] => (rule, Part::Port(port_of(protocol, port)?)),
            _ => return Err(format!("{text:?} is no part of a rule")),
        };
        Ok(Self { rule: part.0.to_owned(), part: part.1 })
    }
}

fn port_of(protocol: &str, port: &str) -> Result<Port, String> {
    let protocol = Protocol::ALL.into_iter().find(|known| known.to_string() == protocol);
    let number = port.parse().ok();
    let (protocol, port) = protocol.zip(number).ok_or_else(|| format!("{port:?} is no port"))?;
    Ok(Port { protocol, port })
}

/// A rule as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    pub near: BTreeSet<Place>,
    pub far: BTreeSet<Place>,
    pub hosts: BTreeSet<Host>,
    pub ports: BTreeSet<Port>,
}

impl Rule {
    /// Whether it lets anything through.
    pub fn is_complete(&self) -> bool {
        let has_far = !self.far.is_empty() || !self.hosts.is_empty();
        has_far && !self.near.is_empty() && !self.ports.is_empty()
    }

    /// Whether it is one of those that look at names of hosts.
    pub fn is_application(&self) -> bool {
        self.ports.iter().any(|port| matches!(port.protocol, Protocol::Http | Protocol::Https))
    }

    pub fn insert(&mut self, element: &Part) {
        match element {
            Part::Near(place) => self.near.insert(place.clone()),
            Part::Far(place) => self.far.insert(place.clone()),
            Part::Host(host) => self.hosts.insert(host.clone()),
            Part::Port(port) => self.ports.insert(*port),
        };
    }

    pub fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        let near = self.near.iter().cloned().map(Part::Near);
        let far = self.far.iter().cloned().map(Part::Far).chain(self.hosts.iter().cloned().map(Part::Host));
        near.chain(far).chain(self.ports.iter().copied().map(Part::Port))
    }
}

/// Rules by their names, compared without case, put together from their parts.
pub fn assemble<'a>(addresses: impl IntoIterator<Item = &'a Address>) -> BTreeMap<String, Rule> {
    let mut rules: BTreeMap<String, Rule> = BTreeMap::new();
    for part in addresses.into_iter().filter_map(Address::part) {
        rules.entry(part.rule.to_ascii_lowercase()).or_default().insert(&part.part);
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_they_are_written() {
        for text in [
            "amlnet.prod.Storage.eastus2.tcp at 10.1.0.0/24",
            "amlnet.prod.Storage.eastus2.tcp with Storage.EastUS2",
            "amlnet.prod.x with 20.1.0.0/26",
            "amlnet.prod.x with /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/ipGroups/g",
            "AllowRStudioInstall host ghcr.io",
            "AllowRStudioInstall on Https 443",
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.part().unwrap().to_string(), text);
            assert_eq!(address.to_string(), text);
        }
        for text in ["a b c", "a on TCP x", "a with ", "20.1.0.0/26", "Storage"] {
            assert_eq!(text.parse::<RulePart>().ok(), None, "{text}");
        }
    }

    #[test]
    fn a_rule_lets_something_through_when_it_has_all_three_sides() {
        let mut rule = Rule::default();
        for part in ["r at 10.0.0.0/8", "r with *", "r on TCP 443"] {
            assert!(!rule.is_complete());
            rule.insert(&part.parse::<RulePart>().unwrap().part);
        }
        assert!(rule.is_complete() && !rule.is_application());
        assert_eq!(rule.parts().count(), 3);
    }
}
