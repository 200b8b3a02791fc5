//! Sets of places: what a rule's sources or destinations hold, and cutting our places by them.
//!
//! Exact where the contents of all names are known. Else "inside" is what is known to be inside, and what cannot be cut
//! out also stays outside, so that nothing is taken to be covered that may not be. Must not know ports, or the order of
//! rules.

use std::fmt;
use std::sync::Arc;

use super::element::{Element, Known};
use super::pattern::Pattern;
use super::range::{Range, Ranges};
use super::tags::{Relation, is_internet, is_platform, is_virtual_network, relation};
use crate::host::Host;

/// Which end of the traffic, seen from the computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Near,
    Far,
}

/// A part of what one element of a rule of ours stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Addresses; `of`: of this tag.
    Range { range: Range, of: Option<Arc<str>> },
    /// A tag whose addresses are not known.
    Tag(Arc<str>),
    /// An IP group whose members are not known.
    Group(Arc<str>),
    /// A name that leads to some address of a range: to which one is not known.
    Host { name: Pattern, range: Range },
}

impl Piece {
    pub(super) fn of_element(element: &Element, known: &Known<'_>) -> Vec<Self> {
        let ranges = |ranges: &mut dyn Iterator<Item = Range>, of: Option<&str>| {
            let of: Option<Arc<str>> = of.map(Arc::from);
            ranges.map(|range| Self::Range { range, of: of.clone() }).collect()
        };
        match element {
            Element::Any => ranges(&mut Range::ALL.into_iter(), None),
            Element::Range(range) => ranges(&mut [*range].into_iter(), None),
            Element::Tag(tag) if is_internet(tag) => ranges(&mut Ranges::public().iter().copied(), Some(tag)),
            Element::Tag(tag) => match known.tag(tag) {
                Some(mut known) => ranges(&mut known, Some(tag)),
                None => vec![Self::Tag(tag.as_str().into())],
            },
            Element::IpGroup(id) => match known.group(id) {
                Some(mut known) => ranges(&mut known, None),
                None => vec![Self::Group(id.as_str().into())],
            },
            Element::Members(name) | Element::Unknown(name) => vec![Self::Group(name.as_str().into())],
        }
    }

    pub(super) fn of_host(host: &Host) -> Option<Self> {
        Pattern::parse(host.as_str()).map(|name| Self::Host { name, range: Range::ALL[0] })
    }

    /// The tag that it is, or is of.
    fn tag(&self) -> Option<&Arc<str>> {
        match self {
            Self::Range { of, .. } => of.as_ref(),
            Self::Tag(tag) => Some(tag),
            Self::Group(_) | Self::Host { .. } => None,
        }
    }

    /// Whether addresses of the virtual network may be among it.
    fn may_be_private(&self) -> bool {
        match self {
            Self::Range { range, .. } => !Ranges::private().split(range).0.is_empty(),
            Self::Tag(tag) => is_platform(tag),
            Self::Group(_) => true,
            Self::Host { .. } => false,
        }
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { range, of: None } => range.fmt(f),
            Self::Range { range, of: Some(tag) } => write!(f, "{range} of {tag}"),
            Self::Tag(name) => f.write_str(name),
            Self::Group(id) => f.write_str(id.rsplit('/').next().unwrap_or(id)),
            Self::Host { name, .. } => name.fmt(f),
        }
    }
}

#[derive(Debug, Clone)]
struct Tag {
    name: Arc<str>,
    /// Its addresses stand among the ranges too.
    known: bool,
}

/// What a rule's sources or destinations hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Set {
    all: bool,
    ranges: Ranges,
    tags: Vec<Tag>,
    /// IP groups whose members are not known.
    groups: Vec<String>,
    hosts: Vec<Pattern>,
    /// Names that it may hold.
    maybe: Vec<Pattern>,
    members: bool,
    unknown: bool,
}

impl Set {
    pub(super) fn of<'a>(elements: impl IntoIterator<Item = &'a Element>, known: &Known<'_>) -> Self {
        let mut set = Self::default();
        let mut ranges = Vec::new();
        for element in elements {
            match element {
                Element::Any => set.all = true,
                Element::Range(range) => ranges.push(*range),
                Element::Tag(tag) => {
                    let before = ranges.len();
                    if is_internet(tag) {
                        ranges.extend(Ranges::public().iter().copied());
                    }
                    ranges.extend(known.tag(tag).into_iter().flatten());
                    set.tags.push(Tag { name: tag.as_str().into(), known: ranges.len() > before });
                }
                Element::IpGroup(id) => match known.group(id) {
                    Some(members) => ranges.extend(members),
                    None => set.groups.push(id.clone()),
                },
                Element::Members(_) => set.members = true,
                Element::Unknown(_) => set.unknown = true,
            }
        }
        set.ranges = Ranges::of(ranges);
        set
    }

    /// Adds names of hosts. A form of a pattern that is not known may match any name.
    pub(super) fn with_hosts<'a>(mut self, hosts: impl IntoIterator<Item = &'a str>) -> Self {
        for host in hosts {
            match Pattern::parse(host) {
                Some(pattern) => self.hosts.push(pattern),
                None => self.unknown = true,
            }
        }
        self
    }

    /// Says that it may hold more than is known.
    pub(super) fn or_unknown(mut self, unknown: bool) -> Self {
        self.unknown |= unknown;
        self
    }

    /// Says that it may hold names of the other one.
    pub(super) fn or_maybe(mut self, other: &Self) -> Self {
        self.maybe.extend(other.hosts.iter().chain(&other.maybe).cloned());
        self.unknown |= other.unknown;
        self
    }

    /// Whether every place is in it.
    pub(super) fn is_everything(&self) -> bool {
        self.all || self.ranges.iter().any(Range::is_all_v4)
    }

    /// The parts of a piece that are in the set, and those that are not.
    pub(super) fn split(&self, piece: &Piece, side: Side) -> (Vec<Piece>, Vec<Piece>) {
        if self.all || self.covers_by_name(piece, side) {
            return (vec![piece.clone()], Vec::new());
        }
        match piece {
            Piece::Range { range, of } => {
                let (inside, outside) = self.ranges.split(range);
                let pieces =
                    |ranges: Vec<Range>| ranges.into_iter().map(|range| Piece::Range { range, of: of.clone() });
                let mut inside: Vec<Piece> = pieces(inside).collect();
                // Of tags whose addresses are not known it is known only that they are among ours.
                let held = |tag: &&Tag| match of {
                    Some(of) => relation(of, &tag.name) == Relation::Holds,
                    None => range.is_all_v4(),
                };
                let tags = self.tags.iter().filter(|tag| !tag.known).filter(held);
                inside.extend(tags.map(|tag| Piece::Tag(tag.name.clone())));
                (inside, pieces(outside).collect())
            }
            Piece::Tag(_) | Piece::Group(_) if self.ranges.iter().any(Range::is_all_v4) => {
                (vec![piece.clone()], Vec::new())
            }
            Piece::Tag(name) => {
                let held = self.tags.iter().filter(|tag| relation(name, &tag.name) == Relation::Holds);
                (held.map(|tag| Piece::Tag(tag.name.clone())).collect(), vec![piece.clone()])
            }
            Piece::Group(_) => (Vec::new(), vec![piece.clone()]),
            Piece::Host { name, range } => {
                // Only ranges that hold almost everything count: the address may be any.
                let (inside, outside) = self.ranges.split(range);
                let pieces = |ranges: Vec<Range>| {
                    let wide = ranges.into_iter().filter(Range::is_wide);
                    wide.map(|range| Piece::Host { name: name.clone(), range })
                };
                let common = self.hosts.iter().filter_map(|pattern| pattern.common(name));
                let common = common.map(|name| Piece::Host { name: name.clone(), range: *range });
                (pieces(inside).chain(common).collect(), pieces(outside).collect())
            }
        }
    }

    fn covers_by_name(&self, piece: &Piece, side: Side) -> bool {
        // The computes are in the virtual network.
        if side == Side::Near && self.tags.iter().any(|tag| is_virtual_network(&tag.name)) {
            return true;
        }
        let by_tag = |name: &str| self.tags.iter().any(|tag| relation(name, &tag.name) == Relation::Within);
        match piece {
            Piece::Host { name, .. } => self.hosts.iter().any(|pattern| pattern.covers(name)),
            Piece::Group(id) => self.groups.iter().any(|group| **group == **id),
            piece => piece.tag().is_some_and(|tag| by_tag(tag)),
        }
    }

    /// Whether the piece may be in the set, in part or wholly, for all that is known. A tag whose addresses are not
    /// known says nothing: warnings about every such tag would hide the others.
    pub(super) fn may_hold(&self, piece: &Piece, side: Side) -> bool {
        let is_private = || self.ranges.iter().any(|range| !Ranges::private().split(range).0.is_empty());
        let network = || self.tags.iter().any(|tag| is_virtual_network(&tag.name));
        self.unknown
            || (self.members && piece.may_be_private())
            || match piece {
                Piece::Range { .. } => {
                    !self.groups.is_empty() || (side == Side::Far && network() && piece.may_be_private())
                }
                Piece::Tag(tag) => !self.groups.is_empty() || (is_virtual_network(tag) && is_private()),
                Piece::Group(_) => {
                    !self.groups.is_empty() || !self.tags.is_empty() || self.ranges.iter().next().is_some()
                }
                // Groups of addresses do not count: each would be a finding for every name.
                Piece::Host { name, .. } => self.maybe.iter().any(|pattern| pattern.common(name).is_some()),
            }
    }
}
