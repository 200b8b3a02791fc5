//! Elements of rules of others: what stands in a list of sources or destinations.
//!
//! Must not fail: an element that is not understood is kept as such, and what it may hold is said to be unknown.

use std::collections::BTreeMap;

pub use super::range::Range;
use crate::prefix::Prefix;
use crate::rule::Place;

/// One element of a rule's sources or destinations.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// `*`
    Any,
    Range(Range),
    /// A service tag or a tag of the platform.
    Tag(String),
    /// The id of an IP group, in lower case.
    IpGroup(String),
    /// Network interfaces of the virtual network, such as an application security group: which addresses is unknown.
    Members(String),
    /// Something else: it may hold any address.
    Unknown(String),
}

impl Element {
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if text == "*" || text.eq_ignore_ascii_case("any") {
            return Self::Any;
        }
        if let Some(range) = Range::parse(text) {
            return Self::Range(range);
        }
        if text.starts_with('/') {
            return Self::IpGroup(text.to_ascii_lowercase());
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_name) {
            Self::Tag(text.to_owned())
        } else {
            Self::Unknown(text.to_owned())
        }
    }
}

impl From<&Place> for Element {
    fn from(place: &Place) -> Self {
        match place {
            Place::Prefix(prefix) => Self::Range(prefix.into()),
            Place::Tag(tag) if tag == "*" => Self::Any,
            Place::Tag(tag) => Self::Tag(tag.clone()),
            Place::IpGroup(id) => Self::IpGroup(id.to_string().to_ascii_lowercase()),
        }
    }
}

/// What is known of names that stand for addresses. Keys are in lower case.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// IPv4 prefixes of service tags.
    pub tags: &'a BTreeMap<String, Vec<Prefix>>,
    /// Members of IP groups, by id.
    pub groups: &'a BTreeMap<String, Vec<Prefix>>,
}

impl Known<'_> {
    pub(super) fn tag(&self, name: &str) -> Option<impl Iterator<Item = Range> + use<'_>> {
        Some(self.tags.get(&name.to_ascii_lowercase())?.iter().map(Range::from))
    }

    pub(super) fn group(&self, id: &str) -> Option<impl Iterator<Item = Range> + use<'_>> {
        Some(self.groups.get(&id.to_ascii_lowercase())?.iter().map(Range::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_in_every_way_that_rules_know() {
        let range = |text| Element::Range(Range::parse(text).unwrap());
        for (text, expected) in [
            ("*", Element::Any),
            ("Any", Element::Any),
            ("10.0.0.1", range("10.0.0.1/32")),
            ("10.0.0.0/24", range("10.0.0.0-10.0.0.255")),
            ("10.0.0.1-10.0.0.9", range("10.0.0.1-10.0.0.9")),
            ("Storage.EastUS2", Element::Tag("Storage.EastUS2".to_owned())),
            ("/subscriptions/S/ipGroups/G", Element::IpGroup("/subscriptions/s/ipgroups/g".to_owned())),
            ("10.0.0.0/99", Element::Unknown("10.0.0.0/99".to_owned())),
        ] {
            assert_eq!(Element::parse(text), expected);
        }
    }
}
