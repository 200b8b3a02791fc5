use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::effect::traffic::Transport;
use crate::prefix::Prefix;
use crate::rule::RulePart;

fn other(name: &str, priority: u16, direction: Direction, allow: bool, from: &str, to: &str, ports: &str) -> Other {
    let elements = |text: &str| text.split(", ").map(Element::parse).collect();
    Other {
        name: name.to_owned(),
        priority,
        direction,
        allow,
        sources: elements(from),
        destinations: elements(to),
        ports: vec![PortRange::parse(Transport::Tcp, ports).unwrap()],
        has_source_ports: false,
    }
}

fn deny(priority: u16, from: &str, to: &str, ports: &str) -> Other {
    other("deny", priority, Direction::Outbound, false, from, to, ports)
}

fn own(name: &str, priority: u16, direction: Direction, parts: &[&str]) -> Ours {
    let mut rule = Rule::default();
    for text in parts {
        rule.insert(&format!("r {text}").parse::<RulePart>().unwrap().part);
    }
    Ours { name: name.to_owned(), priority, direction, rule }
}

fn storage() -> Ours {
    own("st", 2000, Direction::Outbound, &["at 10.1.0.0/24", "with Storage.EastUS2", "on TCP 443"])
}

fn inbound() -> Ours {
    own("aml", 2000, Direction::Inbound, &["at 10.1.0.0/24", "with AzureMachineLearning", "on TCP 44224"])
}

fn notes(ours: &[Ours], others: &[Other]) -> Vec<String> {
    let (tags, groups) = (BTreeMap::new(), BTreeMap::new());
    let notes = shadows(ours, others, &Known { tags: &tags, groups: &groups });
    notes.into_iter().map(|note| format!("{}: {}", note.code, note.message)).collect()
}

#[test]
fn a_denial_with_a_lower_number_comes_first_and_a_later_one_does_not() {
    assert_eq!(
        notes(&[storage()], &[deny(150, "VirtualNetwork", "Internet", "*")]),
        [
            r#"Shadowed: Outbound rule "deny" with priority 150 denies what "st" allows, for example 10.1.0.0/24 to Storage.EastUS2 on TCP 443"#
        ]
    );
    for priority in [2000, 2001, 4096, 65500] {
        assert_eq!(notes(&[storage()], &[deny(priority, "*", "*", "*")]), Vec::<String>::new(), "{priority}");
    }
}

#[test]
fn directions_do_not_mix() {
    let into = |name, from| other(name, 100, Direction::Inbound, false, from, "*", "*");
    assert_eq!(notes(&[storage()], &[into("in", "*")]), Vec::<String>::new());
    assert_eq!(
        notes(&[inbound(), storage()], &[into("in", "Internet")]),
        [
            r#"Shadowed: Inbound rule "in" with priority 100 denies what "aml" allows, for example AzureMachineLearning to 10.1.0.0/24 on TCP 44224"#
        ]
    );
    assert_eq!(notes(&[inbound()], &[into("in", "VirtualNetwork")]), Vec::<String>::new());
    assert_eq!(notes(&[inbound()], &[into("in", "10.0.0.0/8")]), Vec::<String>::new());
}

#[test]
fn an_earlier_allowance_takes_the_traffic() {
    let allow = |ports| other("ok", 100, Direction::Outbound, true, "*", "AzureCloud", ports);
    assert_eq!(notes(&[storage()], &[allow("443"), deny(150, "*", "*", "*")]), Vec::<String>::new());
    assert_eq!(notes(&[storage()], &[allow("80"), deny(150, "*", "*", "*")]).len(), 1);
    // One that looks at source ports lets only some of it through.
    let picky = Other { has_source_ports: true, ..allow("443") };
    assert_eq!(notes(&[storage()], &[picky, deny(150, "*", "*", "*")]).len(), 1);
    let picky = Other { has_source_ports: true, ..deny(150, "*", "*", "*") };
    assert!(notes(&[storage()], &[picky])[0].contains("denies part of what"));
}

#[test]
fn application_security_groups_may_hold_the_computes_and_never_the_services() {
    let members = || vec![Element::Members("asg-ml".to_owned())];
    let from = Other { sources: members(), ..deny(150, "*", "*", "*") };
    assert!(
        notes(&[storage()], &[from])[0].starts_with("ShadowUnknown: Outbound rule \"deny\" with priority 150 may deny")
    );
    let to = Other { destinations: members(), ..deny(150, "*", "*", "*") };
    assert_eq!(notes(&[storage()], std::slice::from_ref(&to)), Vec::<String>::new());
    let inside = own("net", 2000, Direction::Outbound, &["at 10.1.0.0/24", "with VirtualNetwork", "on TCP 443"]);
    assert!(notes(&[inside], &[to])[0].starts_with("ShadowUnknown: "));
}

#[test]
fn the_virtual_network_holds_the_computes_and_perhaps_other_private_addresses() {
    let inside = own("net", 2000, Direction::Outbound, &["at 10.1.0.0/24", "with VirtualNetwork", "on TCP 443"]);
    assert!(notes(std::slice::from_ref(&inside), &[deny(150, "*", "VirtualNetwork", "*")])[0].contains("denies what"));
    assert!(notes(std::slice::from_ref(&inside), &[deny(150, "*", "10.0.0.0/8", "*")])[0].contains("may deny"));
    assert_eq!(notes(&[inside], &[deny(150, "*", "Internet", "*")]), Vec::<String>::new());
    assert_eq!(notes(&[storage()], &[deny(150, "*", "VirtualNetwork", "*")]), Vec::<String>::new());
}

#[test]
fn many_denials_are_a_few_sentences() {
    let denials: Vec<Other> =
        (0..8).map(|i| Other { name: format!("d{i}"), ..deny(100 + i, &format!("10.1.0.{i}"), "*", "*") }).collect();
    let found = notes(&[storage()], &denials);
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(found.iter().any(|note| note.contains("3 more Outbound rules of others")), "{found:?}");
}

#[test]
fn rules_of_others_in_the_range_are_said() {
    let others = [deny(2000, "*", "*", "*"), deny(2100, "*", "*", "*")];
    let range = |from, to| Priorities { from, to };
    let outbound = BTreeSet::from([Direction::Outbound]);
    let note = in_range(range(2000, 2099), &outbound, &others).unwrap();
    assert!(
        note.message.contains(r#"the range 2000 to 2099, which is to be amlnet's: Outbound rule "deny" (2000);"#),
        "{note:?}"
    );
    assert_eq!(in_range(range(2001, 2099), &outbound, &others), None);
    assert_eq!(in_range(range(2000, 2099), &BTreeSet::from([Direction::Inbound]), &others), None);
}

/// Addresses that a text of the small world stands for; the tag is known to hold the first two of the far ones.
fn is_in(last: u8, text: &str) -> bool {
    let (first, end) = match text {
        "*" | "Internet" | "VirtualNetwork" => (0, 7),
        "Storage" => (0, 1),
        "20.0.0.0/30" | "10.1.0.0/30" => (0, 3),
        "20.0.0.4/30" | "10.1.0.4/30" => (4, 7),
        "20.0.0.1-20.0.0.6" | "10.1.0.1-10.1.0.6" => (1, 6),
        _ => (2, 2),
    };
    (first..=end).contains(&last)
}

type Written = (u16, bool, Vec<&'static str>, Vec<&'static str>, (Transport, u16, u16));

fn takes(rule: &Written, (near, far, is_udp, port): (u8, u8, bool, u16)) -> bool {
    let (_, _, nears, fars, (transport, first, last)) = rule;
    let protocol = *transport == Transport::Any || (*transport == Transport::Udp) == is_udp;
    let port = protocol && (*first..=*last).contains(&port);
    port && nears.iter().any(|text| is_in(near, text)) && fars.iter().any(|text| is_in(far, text))
}

fn written() -> impl Strategy<Value = Written> {
    let near = &["*", "VirtualNetwork", "10.1.0.0/30", "10.1.0.4/30", "10.1.0.1-10.1.0.6", "10.1.0.2"][..];
    let far = &["*", "Internet", "Storage", "20.0.0.0/30", "20.0.0.4/30", "20.0.0.1-20.0.0.6", "20.0.0.2"][..];
    let ports = (
        select(&[Transport::Tcp, Transport::Udp, Transport::Any][..]),
        select(&[(0, 65535), (442, 443), (443, 443)][..]),
    );
    let ports = ports.prop_map(|(transport, (first, last))| (transport, first, last));
    (100..110_u16, any::<bool>(), subsequence(near, 1..=2), subsequence(far, 1..=2), ports)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_finding_is_a_packet_that_is_denied_first(
        list in proptest::collection::vec(written(), 0..6),
        (priority, near, far, is_udp) in (
            100..110_u16,
            select(&["10.1.0.0/30", "10.1.0.4/30"][..]),
            select(&["Storage", "20.0.0.0/30", "20.0.0.4/30"][..]),
            any::<bool>(),
        ),
        is_inbound in any::<bool>(),
    ) {
        // Priorities are unique in Azure, ours among them.
        let mut taken = BTreeSet::from([priority]);
        let list: Vec<Written> = list.into_iter().filter(|rule| taken.insert(rule.0)).collect();
        let direction = if is_inbound { Direction::Inbound } else { Direction::Outbound };
        let others: Vec<Other> = list.iter().map(|(priority, allow, near, far, (transport, first, last))| {
            let elements = |texts: &[&str]| texts.iter().map(|text| Element::parse(text)).collect::<Vec<_>>();
            let (near, far) = (elements(near), elements(far));
            let (sources, destinations) = if is_inbound { (far, near) } else { (near, far) };
            let ports = vec![PortRange { transport: *transport, first: *first, last: *last }];
            let (name, allow) = (format!("d{priority}"), *allow);
            Other { name, priority: *priority, direction, allow, sources, destinations, ports, has_source_ports: false }
        }).collect();
        let port = if is_udp { "on UDP 443" } else { "on TCP 443" };
        let ours = own("o", priority, direction, &[&format!("at {near}"), &format!("with {far}"), port]);
        let tags = BTreeMap::from([("storage".to_owned(), vec!["20.0.0.0/31".parse::<Prefix>().unwrap()])]);
        let groups = BTreeMap::new();
        let found: BTreeSet<u16> = shadows(&[ours], &others, &Known { tags: &tags, groups: &groups })
            .into_iter()
            .map(|note| note.message.split("priority ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap())
            .collect();

        let mut expected = BTreeSet::new();
        for a in (0..8).filter(|a| is_in(*a, near)) {
            for b in (0..8).filter(|b| is_in(*b, far)) {
                let earlier = list.iter().filter(|rule| rule.0 < priority && takes(rule, (a, b, is_udp, 443)));
                let first = earlier.min_by_key(|rule| rule.0);
                expected.extend(first.filter(|rule| !rule.1).map(|rule| rule.0));
            }
        }
        prop_assert_eq!(found, expected);
    }
}
