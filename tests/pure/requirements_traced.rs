//! The tables of the facts, read for themselves, traced to rules: each row is let through by as many rules as there are
//! rows that ask for it, and nothing is let through that no row asks for.
//!
//! They lie in `../shared/facts/requirements.md` beside this repository; where they do not, these tests say so and pass.

use std::collections::{BTreeMap, BTreeSet};

use amlnet::domain::outbound::RuleAddressing;

use crate::requirements::{Fact, shared};
use crate::requirements_facts::{EDITIONS, Page};
use crate::requirements_rules::{
    CASES, Case, SOURCE, VALUES, firewall, knows, rows_of, security_group, v4, widest, written,
};
use crate::rules::{Azure, Permission};

/// Destination, protocol, port.
type Asked = (String, String, u16);

fn filled(what: &str, case: &Case) -> String {
    let mut host = what.replace("<region>", case.region);
    for (placeholder, _, value) in VALUES {
        host = host.replace(placeholder, &value.to_lowercase());
    }
    host
}

fn is_host(fact: &Fact) -> bool {
    !fact.what.starts_with(|c: char| c.is_ascii_uppercase())
}

/// What a firewall has to let through for a row; nothing where none can.
fn of_firewall(fact: &Fact, case: &Case) -> Vec<Asked> {
    let what = filled(&fact.what, case);
    if !is_host(fact) {
        let is_for_firewalls = fact.direction == "Outbound" && what != "VirtualNetwork";
        return if is_for_firewalls { of_tag(&what, fact, case, "FW", Vec::from) } else { Vec::new() };
    }
    let is_pattern = what.starts_with('*');
    let protocol = match (fact.protocol.as_str(), fact.port) {
        ("Https", _) | ("TCP" | "Any", 443) => "Https",
        ("Http", _) | ("TCP" | "Any", 80) => "Http",
        ("UDP", _) if is_pattern => return Vec::new(),
        _ if is_pattern => "Https",
        (protocol, _) => protocol,
    };
    vec![(what, protocol.to_owned(), fact.port)]
}

/// The same of a security group, which knows no hosts.
fn of_security_group(fact: &Fact, case: &Case) -> Vec<Asked> {
    if is_host(fact) {
        return Vec::new();
    }
    let what = filled(&fact.what, case);
    // Inbound by prefixes: those of the region.
    let by_region = fact.direction == "Inbound" && !case.tag(&what).is_some_and(|tag| knows(tag, "NSG"));
    let what = if by_region { format!("{what}.{}", case.region) } else { what };
    of_tag(&what, fact, case, "NSG", widest)
}

/// The tag where `who` knows it by its name, else its addresses.
fn of_tag(
    what: &str,
    fact: &Fact,
    case: &Case,
    who: &str,
    addresses: impl Fn(Vec<String>) -> Vec<String>,
) -> Vec<Asked> {
    let far = match case.tag(what) {
        Some(tag) if !knows(tag, who) => addresses(v4(tag)),
        Some(_) => vec![what.to_lowercase()],
        None if what == "VirtualNetwork" => vec![what.to_lowercase()],
        None => panic!("{} has no {what}", case.cloud),
    };
    far.into_iter().map(|far| (far, fact.protocol.clone(), fact.port)).collect()
}

/// The other end of what a rule lets through.
fn other_end(one: &Permission) -> Asked {
    let (near, far) = if one.inbound { (&one.destination, &one.source) } else { (&one.source, &one.destination) };
    assert_eq!(near == SOURCE, !one.inbound, "{one:?}");
    let protocol = match one.protocol.as_str() {
        "Tcp" => "TCP",
        "Udp" => "UDP",
        other => other,
    };
    (far.to_lowercase(), protocol.to_owned(), one.port)
}

fn count<T: Ord>(all: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counted = BTreeMap::new();
    all.for_each(|one| *counted.entry(one).or_default() += 1);
    counted
}

fn assert_same(what: &str, asked: &BTreeMap<Asked, usize>, written: &BTreeMap<Asked, usize>) {
    for one in asked.keys().chain(written.keys()) {
        assert_eq!(written.get(one), asked.get(one), "{what}: {one:?} is let through, and asked for, so often");
    }
}

fn rows(azure: &Azure) -> BTreeMap<Asked, usize> {
    let each = azure.ours().into_values().flat_map(|rule| {
        let ends: BTreeSet<Asked> = azure.permissions_of(rule).iter().map(other_end).collect();
        ends
    });
    count(each.collect::<Vec<_>>().into_iter())
}

#[test]
fn each_row_of_the_facts_is_let_through_and_nothing_else_is() {
    let Some(text) = shared("facts/requirements.md") else { return };
    let page = Page::read(&text);
    for case in CASES.iter() {
        for edition in EDITIONS {
            let facts = page.all(edition, case.cloud);
            let every = rows_of(edition, case.cloud, None);
            let what = format!("{edition} {} {}", case.cloud, case.document.change_number);
            let wishes = firewall(case, edition, &every, RuleAddressing::Auto).unwrap();
            let asked = count(facts.iter().flat_map(|fact| of_firewall(fact, case)));
            assert!(asked.len() > 20);
            assert_same(&format!("firewall {what}"), &asked, &rows(&written(Azure::policy(), wishes)));
            let wishes = security_group(case, edition, &every).unwrap();
            let asked = count(facts.iter().flat_map(|fact| of_security_group(fact, case)));
            assert_same(&format!("security group {what}"), &asked, &rows(&written(Azure::group(), wishes)));
        }
    }
}
