//! What other rules of a firewall policy, and of the policies above it, do to the traffic that our rules allow.
//!
//! The order is Azure's: all DNAT rules, then all network rules, then all application rules; within each kind the
//! policies from the topmost ancestor down, then groups by priority, then collections by priority; the first match ends
//! it (learn.microsoft.com/azure/firewall/rule-processing, "Rule processing using Firewall Policy", where the rules of
//! the parent come before those of the child whatever their numbers). Classic rules of a firewall do not mix with a
//! policy. Threat intelligence and the built-in infrastructure rules, which come before and after all these, are not
//! looked at. Must not change a plan.

use std::collections::{BTreeMap, BTreeSet};

use super::element::{Element, Known};
use super::set::Set;
use super::traffic::{Extent, Filter, Hit, PortRange, Traffic};
use super::{LISTED, Note, listed};
use crate::rule::Rule;

/// A policy as far as its rules go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub name: String,
    pub groups: Vec<Group>,
}

/// A rule collection group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub priority: u16,
    pub collections: Vec<Collection>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    pub name: String,
    pub priority: u16,
    pub kind: CollectionKind,
    pub action: Action,
    pub rules: Vec<ForeignRule>,
}

/// In the order in which the kinds are looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CollectionKind {
    Nat,
    Network,
    Application,
    /// As Azure names it.
    Unknown(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    Allow,
    Deny,
    Dnat,
}

/// A rule of somebody else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForeignRule {
    pub name: String,
    pub sources: Vec<Element>,
    pub destinations: Vec<Element>,
    /// Names of hosts, with a leading `*` or without.
    pub hosts: Vec<String>,
    /// Hosts of URLs: which paths are meant is not looked at.
    pub url_hosts: Vec<String>,
    /// FQDN tags and web categories: which hosts they hold is not known.
    pub opaque: Vec<String>,
    pub ports: Vec<PortRange>,
}

/// Our rule collection group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OurGroup {
    pub name: String,
    pub priority: u16,
    pub rules: BTreeMap<String, Rule>,
}

/// One rule in the order in which the firewall looks at them.
#[derive(Debug)]
enum Owner<'a> {
    Ours(&'a str),
    Foreign { path: String, action: Action },
}

/// The policies in `chain` are the ancestors, topmost first, and last the one that holds our group, which may be among
/// its groups. An `Err` says why they could not be read.
pub fn shadows(ours: &OurGroup, chain: Result<&[Policy], &str>, known: &Known<'_>) -> BTreeSet<Note> {
    let chain = match chain {
        Ok(chain) => chain,
        Err(why) => return BTreeSet::from([not_read(why)]),
    };
    let mut sentences: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for Finding { path, action, is_maybe, hits } in findings(ours, chain, known) {
        let (code, does, may_do) = match action {
            Action::Dnat => ("Redirected", "redirects", "may redirect"),
            Action::Allow | Action::Deny => ("Shadowed", "denies", "may deny"),
        };
        let (code, does) = if is_maybe { ("ShadowUnknown", may_do) } else { (code, does) };
        sentences.entry(code).or_default().push(sentence(&path, does, is_maybe, &hits));
    }
    let mut notes: BTreeSet<Note> = sentences.into_iter().flat_map(|(code, all)| capped(code, all)).collect();
    notes.extend(not_looked_at(ours, chain));
    notes
}

/// What one rule of others does to ours.
#[derive(Debug)]
struct Finding<'a> {
    path: String,
    action: Action,
    is_maybe: bool,
    hits: Vec<(&'a str, Hit)>,
}

/// In the order in which the firewall looks at the rules.
fn findings<'a>(ours: &'a OurGroup, chain: &[Policy], known: &Known<'_>) -> Vec<Finding<'a>> {
    let (owners, filters) = in_order(ours, chain, known);
    let filters: Vec<&Filter> = filters.iter().collect();
    let mut found: BTreeMap<(usize, bool), Vec<(&str, Hit)>> = BTreeMap::new();
    for (at, owner) in owners.iter().enumerate() {
        let Owner::Ours(name) = owner else { continue };
        let traffic = Traffic::of_rule(&ours.rules[*name], known);
        for (index, owner) in owners[..at].iter().enumerate() {
            let Owner::Foreign { action: Action::Deny | Action::Dnat, .. } = owner else { continue };
            if let Some(hit) = traffic.taken_by(filters[index], &filters[..index]) {
                found.entry((index, hit.extent == Extent::Maybe)).or_default().push((name, hit));
            }
        }
    }
    let finding = |((index, is_maybe), hits): ((usize, bool), _)| match &owners[index] {
        Owner::Foreign { path, action } => Some(Finding { path: path.clone(), action: *action, is_maybe, hits }),
        Owner::Ours(_) => None,
    };
    found.into_iter().filter_map(finding).collect()
}

fn not_read(why: &str) -> Note {
    Note {
        code: "ShadowUnknown",
        message: format!(
            "whether other rules come before ours is not known: {why}; give the identity \
             Microsoft.Network/firewallPolicies/ruleCollectionGroups/read and \
             Microsoft.Network/firewallPolicies/read on the policy and on the policies that it inherits from"
        ),
    }
}

fn is_ours(ours: &OurGroup, group: &Group) -> bool {
    group.name.eq_ignore_ascii_case(&ours.name)
}

/// All rules in the order in which the firewall looks at them, and what each takes.
fn in_order<'a>(ours: &'a OurGroup, chain: &[Policy], known: &Known<'_>) -> (Vec<Owner<'a>>, Vec<Filter>) {
    let mut order = (Vec::new(), Vec::new());
    for kind in [CollectionKind::Nat, CollectionKind::Network, CollectionKind::Application] {
        for (index, policy) in chain.iter().enumerate() {
            let is_last = index + 1 == chain.len();
            let mut groups: Vec<&Group> =
                policy.groups.iter().filter(|group| !(is_last && is_ours(ours, group))).collect();
            groups.sort_by_key(|group| group.priority);
            // A group of the same priority cannot stand beside ours for long; until then it may come first.
            let before = if is_last { groups.partition_point(|group| group.priority <= ours.priority) } else { 0 };
            let (earlier, later) = groups.split_at(before);
            add_foreign(&mut order, earlier, &kind, &policy.name, known);
            if is_last {
                let rules = ours.rules.iter().filter(|(_, rule)| rule.is_complete());
                for (name, rule) in rules.filter(|(_, rule)| kind == kind_of(rule)) {
                    order.0.push(Owner::Ours(name));
                    order.1.push(Filter::of_rule(rule, known));
                }
            }
            add_foreign(&mut order, later, &kind, &policy.name, known);
        }
    }
    order
}

fn kind_of(rule: &Rule) -> CollectionKind {
    if rule.is_application() { CollectionKind::Application } else { CollectionKind::Network }
}

fn add_foreign(
    order: &mut (Vec<Owner<'_>>, Vec<Filter>),
    groups: &[&Group],
    kind: &CollectionKind,
    policy: &str,
    known: &Known<'_>,
) {
    for group in groups {
        let mut collections: Vec<&Collection> = group.collections.iter().filter(|c| c.kind == *kind).collect();
        collections.sort_by_key(|collection| collection.priority);
        for collection in collections {
            for rule in &collection.rules {
                let path = format!("{policy}/{}/{}/{}", group.name, collection.name, rule.name);
                order.0.push(Owner::Foreign { path, action: collection.action });
                order.1.push(filter(rule, kind, known));
            }
        }
    }
}

fn filter(rule: &ForeignRule, kind: &CollectionKind, known: &Known<'_>) -> Filter {
    let near = Set::of(&rule.sources, known);
    let hosts = rule.hosts.iter().map(String::as_str);
    let mut is_partial = false;
    let far = if *kind == CollectionKind::Application {
        let urls = Set::default().with_hosts(rule.url_hosts.iter().map(String::as_str));
        let addresses = Set::of(&rule.destinations, known);
        // Addresses besides names narrow the rule down, and where the names lead to is not known.
        is_partial = !rule.destinations.is_empty() && !addresses.is_everything();
        let opaque = !rule.opaque.is_empty();
        let far = Set::default().with_hosts(hosts).or_unknown(opaque).or_maybe(&urls);
        if is_partial { Set::default().or_maybe(&far) } else { far }
    } else {
        Set::of(&rule.destinations, known).with_hosts(hosts)
    };
    Filter { near, far, ports: rule.ports.clone(), is_partial }
}

fn sentence(path: &str, does: &str, is_maybe: bool, hits: &[(&str, Hit)]) -> String {
    let names: Vec<String> = hits.iter().map(|(name, _)| format!("{name:?}")).collect();
    let part = if hits.iter().all(|(_, hit)| hit.extent == Extent::Whole) || is_maybe { "" } else { "part of " };
    let verb = if hits.len() == 1 { "allows" } else { "allow" };
    let example = hits.first().map(|(_, hit)| format!("{} to {} on {}", hit.near, hit.far, hit.ports()));
    let why = if is_maybe { "; what it names is not known well enough to tell" } else { "" };
    format!(
        "rule {path} {does} {part}what {} {verb}, for example {}{why}",
        listed(names, ", "),
        example.unwrap_or_default()
    )
}

/// A note a rule, and one for those that are too many.
fn capped(code: &'static str, mut sentences: Vec<String>) -> Vec<Note> {
    let more = sentences.len().saturating_sub(LISTED);
    sentences.truncate(LISTED);
    if more > 0 {
        sentences.push(format!("{more} more rules of others do the same to what our rules allow"));
    }
    sentences.into_iter().map(|message| Note { code, message }).collect()
}

fn not_looked_at(ours: &OurGroup, chain: &[Policy]) -> Option<Note> {
    let mut found = Vec::new();
    for (index, policy) in chain.iter().enumerate() {
        for group in policy.groups.iter().filter(|group| index + 1 < chain.len() || !is_ours(ours, group)) {
            for collection in &group.collections {
                if let CollectionKind::Unknown(kind) = &collection.kind {
                    found.push(format!("{}/{}/{} ({kind})", policy.name, group.name, collection.name));
                }
            }
        }
    }
    found.sort();
    (!found.is_empty()).then(|| Note {
        code: "ShadowUnknown",
        message: format!(
            "rule collections of a kind that is not known were not looked at: {}; \
             look whether they deny what ours allow",
            listed(found, "; ")
        ),
    })
}

#[cfg(test)]
#[path = "firewall_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "firewall_packets_tests.rs"]
mod packets;
