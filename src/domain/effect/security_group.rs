//! What other rules of a network security group do to the traffic that our rules allow.
//!
//! Rules of a direction are looked at in the order of their priorities, the lowest number first, and the first match
//! ends it (learn.microsoft.com/azure/virtual-network/network-security-groups-overview). Azure's default rules, from
//! 65000 on, come after every other rule. Must not change a plan.

use std::collections::{BTreeMap, BTreeSet};

use super::element::{Element, Known};
use super::set::Set;
use super::traffic::{Extent, Filter, Hit, PortRange, Traffic};
use super::{LISTED, Note, listed};
use crate::outbound::Priorities;
use crate::requirement::Direction;
use crate::rule::Rule;

/// A rule of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    pub name: String,
    pub priority: u16,
    pub direction: Direction,
    pub allow: bool,
    pub sources: Vec<Element>,
    pub destinations: Vec<Element>,
    pub ports: Vec<PortRange>,
    /// Whether it looks at the port where the traffic comes from.
    pub has_source_ports: bool,
}

/// A rule of ours. Its near side are the computes, whatever the direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    pub name: String,
    pub priority: u16,
    pub direction: Direction,
    pub rule: Rule,
}

/// Foreign rules that deny what ours allow, and come first.
pub fn shadows(ours: &[Ours], others: &[Other], known: &Known<'_>) -> BTreeSet<Note> {
    let mut notes = BTreeSet::new();
    for direction in [Direction::Outbound, Direction::Inbound] {
        notes.extend(of_direction(ours, others, direction, known));
    }
    notes
}

fn of_direction(ours: &[Ours], others: &[Other], direction: Direction, known: &Known<'_>) -> Vec<Note> {
    let mut others: Vec<&Other> = others.iter().filter(|other| other.direction == direction).collect();
    others.sort_by_key(|other| (other.priority, &other.name));
    let mut ours: Vec<&Ours> = ours.iter().filter(|own| own.direction == direction && own.rule.is_complete()).collect();
    ours.sort_by_key(|own| (own.priority, &own.name));
    let foreign = others.iter().map(|other| (other.priority, Some(*other), filter(other, known)));
    let own = ours.iter().map(|own| (own.priority, None, Filter::of_rule(&own.rule, known)));
    let mut order: Vec<(u16, Option<&Other>, Filter)> = foreign.chain(own).collect();
    order.sort_by_key(|(priority, ..)| *priority);
    let filters: Vec<&Filter> = order.iter().map(|(_, _, filter)| filter).collect();
    let mut findings: BTreeMap<(usize, bool), Vec<(&Ours, Hit)>> = BTreeMap::new();
    for own in &ours {
        let traffic = Traffic::of_rule(&own.rule, known);
        for (index, (priority, other, _)) in order.iter().enumerate() {
            if *priority >= own.priority || other.is_none_or(|other| other.allow) {
                continue;
            }
            if let Some(hit) = traffic.taken_by(filters[index], &filters[..index]) {
                findings.entry((index, hit.extent == Extent::Maybe)).or_default().push((own, hit));
            }
        }
    }
    let mut sentences: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for ((index, is_maybe), hits) in &findings {
        let Some(other) = order[*index].1 else { continue };
        let code = if *is_maybe { "ShadowUnknown" } else { "Shadowed" };
        sentences.entry(code).or_default().push(sentence(other, *is_maybe, hits));
    }
    let capped = |(code, mut all): (_, Vec<String>)| {
        let more = all.len().saturating_sub(LISTED);
        all.truncate(LISTED);
        if more > 0 {
            all.push(format!("{more} more {direction} rules of others do the same to what our rules allow"));
        }
        all.into_iter().map(move |message| Note { code, message })
    };
    sentences.into_iter().flat_map(capped).collect()
}

fn filter(other: &Other, known: &Known<'_>) -> Filter {
    let (near, far) = match other.direction {
        Direction::Outbound => (&other.sources, &other.destinations),
        Direction::Inbound => (&other.destinations, &other.sources),
    };
    Filter {
        near: Set::of(near, known),
        far: Set::of(far, known),
        ports: other.ports.clone(),
        is_partial: other.has_source_ports,
    }
}

fn sentence(other: &Other, is_maybe: bool, hits: &[(&Ours, Hit)]) -> String {
    let names: Vec<String> = hits.iter().map(|(own, _)| format!("{:?}", own.name)).collect();
    let part = if hits.iter().all(|(_, hit)| hit.extent == Extent::Whole) || is_maybe { "" } else { "part of " };
    let verb = if hits.len() == 1 { "allows" } else { "allow" };
    let example = hits.first().map(|(own, hit)| match own.direction {
        Direction::Outbound => format!("{} to {} on {}", hit.near, hit.far, hit.ports()),
        Direction::Inbound => format!("{} to {} on {}", hit.far, hit.near, hit.ports()),
    });
    let does = if is_maybe { "may deny" } else { "denies" };
    let why = if is_maybe { "; what it names is not known well enough to tell" } else { "" };
    format!(
        "{} rule {:?} with priority {} {does} {part}what {} {verb}, for example {}{why}",
        other.direction,
        other.name,
        other.priority,
        listed(names, ", "),
        example.unwrap_or_default()
    )
}

/// Foreign rules whose priorities lie in the range of ours: Azure allows one rule a priority and direction.
pub fn in_range(range: Priorities, directions: &BTreeSet<Direction>, others: &[Other]) -> Option<Note> {
    let within = others.iter().filter(|other| directions.contains(&other.direction) && range.contains(other.priority));
    let names: Vec<String> =
        within.map(|other| format!("{} rule {:?} ({})", other.direction, other.name, other.priority)).collect();
    (!names.is_empty()).then(|| Note {
        code: "PriorityTaken",
        message: format!(
            "rules of others have priorities in the range {range}, which is to be amlnet's: {}; amlnet's rules take the \
             others, so what comes first is not told by the range. Move those rules, or write another priorityRange",
            listed(names, ", ")
        ),
    })
}

#[cfg(test)]
#[path = "security_group_tests.rs"]
mod tests;
