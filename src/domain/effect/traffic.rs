//! Whether a rule is the first that takes packets which a rule of ours lets through.
//!
//! A rule holds packets in three dimensions: the computes' side, the far side, the ports. What earlier rules take is
//! cut out, so a denial behind an earlier allowance is no finding. Must not know policies or security groups.

use std::collections::BTreeSet;
use std::fmt;

use super::element::{Element, Known};
use super::set::{Piece, Set, Side};
use crate::outbound::{Port, Protocol};
use crate::rule::{Place, Rule};

/// Cuts per question. More than real policies need; beyond, a finding is kept that might be taken by earlier rules.
const CUTS: usize = 20_000;

/// A protocol as rules of others name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    Tcp,
    Udp,
    Any,
    /// What application rules look at.
    Http,
    Https,
    /// One that no rule of ours has, such as ICMP.
    Other,
}

/// Ports from the first to the last one, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    pub transport: Transport,
    pub first: u16,
    pub last: u16,
}

impl PortRange {
    /// Reads `*`, `443` or `1024-65535`.
    pub fn parse(transport: Transport, text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "*" || text.eq_ignore_ascii_case("any") {
            return Some(Self { transport, first: 0, last: u16::MAX });
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last).then_some(Self { transport, first, last })
    }

    fn holds(self, kind: Kind) -> bool {
        match self.transport {
            Transport::Tcp => !matches!(kind, Kind::Udp),
            Transport::Udp => matches!(kind, Kind::Udp),
            Transport::Any => true,
            Transport::Http => matches!(kind, Kind::Http),
            Transport::Https => matches!(kind, Kind::Https),
            Transport::Other => false,
        }
    }
}

/// What a packet is, as far as rules tell. HTTP and HTTPS are TCP too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Tcp,
    Udp,
    Http,
    Https,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ports {
    kind: Kind,
    first: u16,
    last: u16,
}

impl Ports {
    fn of(port: Port) -> Vec<Self> {
        let kinds: &[Kind] = match port.protocol {
            Protocol::Tcp => &[Kind::Tcp],
            Protocol::Udp => &[Kind::Udp],
            Protocol::Any => &[Kind::Tcp, Kind::Udp],
            Protocol::Http => &[Kind::Http],
            Protocol::Https => &[Kind::Https],
        };
        kinds.iter().map(|&kind| Self { kind, first: port.port, last: port.port }).collect()
    }

    /// The parts that are in the set, and those that are not.
    fn split(self, set: &[PortRange]) -> (Vec<Self>, Vec<Self>) {
        let (mut inside, mut outside) = (Vec::new(), vec![self]);
        for range in set.iter().filter(|range| range.holds(self.kind)) {
            for part in std::mem::take(&mut outside) {
                let (first, last) = (part.first.max(range.first), part.last.min(range.last));
                if first > last {
                    outside.push(part);
                    continue;
                }
                inside.push(Self { first, last, ..part });
                if part.first < first {
                    outside.push(Self { last: first - 1, ..part });
                }
                if last < part.last {
                    outside.push(Self { first: last + 1, ..part });
                }
            }
        }
        (inside, outside)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.kind {
            Kind::Tcp => Protocol::Tcp,
            Kind::Udp => Protocol::Udp,
            Kind::Http => Protocol::Http,
            Kind::Https => Protocol::Https,
        };
        write!(f, "{protocol} {}", self.first)?;
        if self.first == self.last { Ok(()) } else { write!(f, "-{}", self.last) }
    }
}

/// A rule, of others or of ours, as the packets that it takes.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) near: Set,
    pub(super) far: Set,
    pub(super) ports: Vec<PortRange>,
    /// It looks at more than the three dimensions, so it takes only some of the packets in them.
    pub(super) is_partial: bool,
}

impl Filter {
    /// A rule of ours.
    pub(super) fn of_rule(rule: &Rule, known: &Known<'_>) -> Self {
        let set = |places: &BTreeSet<Place>| Set::of(&places.iter().map(Element::from).collect::<Vec<_>>(), known);
        let ports = rule.ports.iter().map(|port| PortRange {
            transport: match port.protocol {
                Protocol::Tcp => Transport::Tcp,
                Protocol::Udp => Transport::Udp,
                Protocol::Any => Transport::Any,
                Protocol::Http => Transport::Http,
                Protocol::Https => Transport::Https,
            },
            first: port.port,
            last: port.port,
        });
        let far = set(&rule.far).with_hosts(rule.hosts.iter().map(crate::host::Host::as_str));
        Self { near: set(&rule.near), far, ports: ports.collect(), is_partial: false }
    }
}

/// What a rule of ours lets through.
#[derive(Debug)]
pub(super) struct Traffic {
    near: Vec<Piece>,
    far: Vec<Piece>,
    ports: Vec<Ports>,
}

/// How a rule of others takes part of our traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Extent {
    Whole,
    Part,
    /// Something in the rule is not known.
    Maybe,
}

#[derive(Debug)]
pub(super) struct Hit {
    pub(super) extent: Extent,
    pub(super) near: Piece,
    pub(super) far: Piece,
    ports: Ports,
}

impl Hit {
    pub(super) fn ports(&self) -> String {
        self.ports.to_string()
    }
}

/// Packets: one piece in each dimension.
type Cell = (Piece, Piece, Ports);

impl Traffic {
    pub(super) fn of_rule(rule: &Rule, known: &Known<'_>) -> Self {
        let pieces = |places: &BTreeSet<Place>| -> Vec<Piece> {
            places.iter().flat_map(|place| Piece::of_element(&place.into(), known)).collect()
        };
        let hosts = rule.hosts.iter().filter_map(Piece::of_host);
        Self {
            near: pieces(&rule.near),
            far: pieces(&rule.far).into_iter().chain(hosts).collect(),
            ports: rule.ports.iter().copied().flat_map(Ports::of).collect(),
        }
    }

    /// Whether `filter` takes some of it, where the filters `before` have had their part.
    pub(super) fn taken_by(&self, filter: &Filter, before: &[&Filter]) -> Option<Hit> {
        let (ports, other_ports) = cut(&self.ports, |ports| ports.split(&filter.ports));
        if ports.is_empty() {
            return None;
        }
        let (near, other_near) = cut(&self.near, |piece| filter.near.split(piece, Side::Near));
        let (far, other_far) = cut(&self.far, |piece| filter.far.split(piece, Side::Far));
        let mut all = Traffic { near, far, ports };
        let mut cuts = CUTS;
        if let Some((near, far, ports)) = all.left_by(before, &mut cuts) {
            let is_whole = other_near.is_empty() && other_far.is_empty() && other_ports.is_empty();
            let alone = before.iter().all(|earlier| !self.meets(earlier));
            let extent = if is_whole && alone && !filter.is_partial { Extent::Whole } else { Extent::Part };
            return Some(Hit { extent, near, far, ports });
        }
        all.near.extend(self.near.iter().filter(|piece| filter.near.may_hold(piece, Side::Near)).cloned());
        all.far.extend(self.far.iter().filter(|piece| filter.far.may_hold(piece, Side::Far)).cloned());
        let (near, far, ports) = all.left_by(before, &mut cuts)?;
        Some(Hit { extent: Extent::Maybe, near, far, ports })
    }

    fn meets(&self, filter: &Filter) -> bool {
        self.near.iter().any(|piece| !filter.near.split(piece, Side::Near).0.is_empty())
            && self.far.iter().any(|piece| !filter.far.split(piece, Side::Far).0.is_empty())
            && self.ports.iter().any(|ports| !ports.split(&filter.ports).0.is_empty())
    }

    /// Some of it that none of the filters takes.
    fn left_by(&self, filters: &[&Filter], cuts: &mut usize) -> Option<Cell> {
        let relevant: Vec<&Filter> =
            filters.iter().copied().filter(|filter| !filter.is_partial && self.meets(filter)).collect();
        self.near.iter().find_map(|near| {
            self.far.iter().find_map(|far| {
                let ports = &mut self.ports.iter();
                ports.find_map(|ports| left((near.clone(), far.clone(), *ports), &relevant, cuts))
            })
        })
    }
}

fn cut<T>(pieces: &[T], split: impl Fn(&T) -> (Vec<T>, Vec<T>)) -> (Vec<T>, Vec<T>) {
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for piece in pieces {
        let (more_inside, more_outside) = split(piece);
        inside.extend(more_inside);
        outside.extend(more_outside);
    }
    (inside, outside)
}

/// Some of the cell that none of the filters takes.
fn left(cell: Cell, filters: &[&Filter], cuts: &mut usize) -> Option<Cell> {
    for (index, filter) in filters.iter().enumerate() {
        if *cuts == 0 {
            break;
        }
        *cuts -= 1;
        let (near, other_near) = filter.near.split(&cell.0, Side::Near);
        let (far, other_far) = filter.far.split(&cell.1, Side::Far);
        let (ports, other_ports) = cell.2.split(&filter.ports);
        if near.is_empty() || far.is_empty() || ports.is_empty() {
            continue;
        }
        // What is outside in one dimension, then what is inside there and outside in the next: no packet twice.
        let (_, all_far, all_ports) = &cell;
        let beside = other_near.into_iter().map(|near| (near, all_far.clone(), *all_ports));
        let within = near.iter().flat_map(|near| {
            let by_far = other_far.iter().map(|far| (near.clone(), far.clone(), *all_ports));
            let by_port =
                far.iter().flat_map(|far| other_ports.iter().map(|ports| (near.clone(), far.clone(), *ports)));
            by_far.chain(by_port)
        });
        return beside.chain(within).find_map(|cell| left(cell, &filters[index + 1..], cuts));
    }
    Some(cell)
}
