//! Findings are compared with single packets that are sent through the rules one by one, over a small world.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::effect::traffic::Transport;
use crate::outbound::{Port, Protocol};
use crate::prefix::Prefix;
use crate::rule::Place;

const GROUP: &str =
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourcegroups/rg/providers/microsoft.network/ipgroups/g";
const TAGS: [(&str, &[&str]); 4] = [
    ("storage", &["20.0.0.0/30"]),
    ("storage.eastus2", &["20.0.0.0/31"]),
    ("storage.westus", &["20.0.0.2/32"]),
    ("azurecloud", &["20.0.0.0/29"]),
];
/// Under each ending that rules of this world name there is a name that none of them tells alone.
const NAMES: [&str; 5] = ["x.org", "a.x.org", "b.x.org", "ax.org", "y.org"];
/// Where names may lead to: no narrow range of this world holds one of these.
const ANYWHERE: [&str; 2] = ["50.0.0.1", "150.0.0.1"];

/// One packet.
#[derive(Debug, Clone, Copy)]
struct Packet {
    near: IpAddr,
    far: IpAddr,
    host: Option<&'static str>,
    protocol: Protocol,
    port: u16,
}

fn world() -> Vec<Packet> {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let near: Vec<IpAddr> = (0..8).map(|i| address(&format!("10.1.0.{i}"))).collect();
    let mut far: Vec<(IpAddr, Option<&str>)> = (0..8).map(|i| (address(&format!("20.0.0.{i}")), None)).collect();
    far.extend(
        ["50.0.0.1", "150.0.0.1", "10.9.0.1", "192.168.0.1", "2603::1", "fd00::1"].map(|text| (address(text), None)),
    );
    far.extend(NAMES.iter().flat_map(|name| ANYWHERE.map(|to| (address(to), Some(*name)))));
    let mut packets = Vec::new();
    for &near in &near {
        for &(far, host) in &far {
            for port in 441..=444 {
                for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Http, Protocol::Https] {
                    packets.push(Packet { near, far, host, protocol, port });
                }
            }
        }
    }
    packets
}

/// The numbers of the addresses that a text stands for.
fn is_in(address: IpAddr, text: &str) -> bool {
    let number = |text: &str| text.parse::<std::net::Ipv4Addr>().ok().map(u32::from);
    let IpAddr::V4(v4) = address else {
        let is_public = address.to_string().starts_with('2');
        return text == "*" || (text == "Internet" && is_public);
    };
    let v4 = u32::from(v4);
    if let Some((first, last)) = text.split_once('-').filter(|_| !text.starts_with('/')) {
        return number(first).unwrap() <= v4 && v4 <= number(last).unwrap();
    }
    if let Some((network, length)) = text.split_once('/').filter(|_| !text.starts_with('/')) {
        let shift = 32 - length.parse::<u32>().unwrap();
        return u64::from(v4) >> shift == u64::from(number(network).unwrap()) >> shift;
    }
    match text {
        "*" => true,
        // This world has private addresses of two kinds.
        "Internet" => v4 >> 24 != 10 && v4 >> 16 != 0xc0a8,
        GROUP => is_in(address, "20.0.0.4/31"),
        text => match number(text) {
            Some(alone) => alone == v4,
            None => {
                let (_, prefixes) = TAGS.iter().find(|(tag, _)| text.eq_ignore_ascii_case(tag)).unwrap();
                prefixes.iter().any(|prefix| is_in(address, prefix))
            }
        },
    }
}

fn is_named(host: &str, pattern: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(ending) => host.ends_with(ending),
        None => host == pattern,
    }
}

/// A rule as texts, of others or of ours.
#[derive(Debug, Clone)]
struct Written {
    near: Vec<&'static str>,
    far: Vec<&'static str>,
    hosts: Vec<&'static str>,
    ports: Vec<(Transport, u16, u16)>,
}

impl Written {
    fn takes(&self, packet: &Packet, is_application: bool) -> bool {
        let is_tcp = packet.protocol != Protocol::Udp;
        let port = self.ports.iter().any(|&(transport, first, last)| {
            let protocol = match transport {
                Transport::Tcp => is_tcp,
                Transport::Udp => !is_tcp,
                Transport::Any => true,
                Transport::Http => packet.protocol == Protocol::Http,
                Transport::Https => packet.protocol == Protocol::Https,
                Transport::Other => false,
            };
            protocol && (first..=last).contains(&packet.port)
        });
        if !port {
            return false;
        }
        let near = self.near.iter().any(|text| is_in(packet.near, text));
        let by_host = packet.host.is_some_and(|host| self.hosts.iter().any(|pattern| is_named(host, pattern)));
        let by_address = !is_application && self.far.iter().any(|text| is_in(packet.far, text));
        near && (by_host || by_address)
    }

    /// Whether it lets the packet through: what a rule of ours is about, not what happens to be in its way.
    fn allows(&self, packet: &Packet, is_application: bool) -> bool {
        let is_web = matches!(packet.protocol, Protocol::Http | Protocol::Https);
        let by_far = packet.host.is_none() && self.far.iter().any(|text| is_in(packet.far, text));
        let by_host = packet.host.is_some_and(|host| self.hosts.iter().any(|pattern| is_named(host, pattern)));
        is_web == is_application && (by_far || by_host) && self.takes(packet, is_application)
    }
}

#[derive(Debug, Clone)]
struct WrittenCollection {
    priority: u16,
    kind: CollectionKind,
    action: Action,
    rules: Vec<Written>,
}

/// Policies, groups with priority, collections.
type Chain = Vec<Vec<(u16, Vec<WrittenCollection>)>>;

fn policies(chain: &Chain) -> Vec<Policy> {
    let rule = |index: usize, rule: &Written| ForeignRule {
        name: format!("r{index}"),
        sources: rule.near.iter().map(|text| Element::parse(text)).collect(),
        destinations: rule.far.iter().map(|text| Element::parse(text)).collect(),
        hosts: rule.hosts.iter().map(ToString::to_string).collect(),
        ports: rule.ports.iter().map(|&(transport, first, last)| PortRange { transport, first, last }).collect(),
        ..ForeignRule::default()
    };
    let collection = |index: usize, written: &WrittenCollection| Collection {
        name: format!("c{index}"),
        priority: written.priority,
        kind: written.kind.clone(),
        action: written.action,
        rules: written.rules.iter().enumerate().map(|(index, written)| rule(index, written)).collect(),
    };
    let group = |index: usize, (priority, collections): &(u16, Vec<WrittenCollection>)| Group {
        name: format!("g{index}"),
        priority: *priority,
        collections: collections.iter().enumerate().map(|(index, written)| collection(index, written)).collect(),
    };
    let policy = |(index, groups): (usize, &Vec<_>)| Policy {
        name: format!("p{index}"),
        groups: groups.iter().enumerate().map(|(index, written)| group(index, written)).collect(),
    };
    chain.iter().enumerate().map(policy).collect()
}

fn our_group(rules: &[(Written, bool)]) -> OurGroup {
    let rule = |written: &Written| Rule {
        near: written.near.iter().map(|text| text.parse().unwrap()).collect(),
        far: written.far.iter().map(|text| text.parse::<Place>().unwrap()).collect(),
        hosts: written.hosts.iter().map(|text| text.parse().unwrap()).collect(),
        ports: written
            .ports
            .iter()
            .map(|&(transport, port, _)| Port {
                protocol: match transport {
                    Transport::Tcp => Protocol::Tcp,
                    Transport::Udp => Protocol::Udp,
                    Transport::Http => Protocol::Http,
                    Transport::Https => Protocol::Https,
                    Transport::Any | Transport::Other => Protocol::Any,
                },
                port,
            })
            .collect(),
    };
    let rules = rules.iter().enumerate().map(|(index, (written, _))| (format!("o{index}"), rule(written)));
    OurGroup { name: "ours".to_owned(), priority: 200, rules: rules.collect() }
}

/// Kind, policy, priority of the group, whether it is ours, group, priority of the collection, collection, rule.
type InOrder = (CollectionKind, usize, u16, bool, usize, u16, usize, usize);

/// What takes a packet first: a rule of others by its path and what it does, or nothing that counts.
fn first_match(packet: &Packet, chain: &Chain, ours: &[(Written, bool)]) -> Option<(String, Action)> {
    let mut best: Option<(InOrder, Option<(String, Action)>)> = None;
    let mut offer = |key, what| {
        if best.as_ref().is_none_or(|(other, _)| key < *other) {
            best = Some((key, what));
        }
    };
    for (p, groups) in chain.iter().enumerate() {
        for (g, (priority, collections)) in groups.iter().enumerate() {
            for (c, collection) in collections.iter().enumerate() {
                for (r, rule) in collection.rules.iter().enumerate() {
                    if rule.takes(packet, collection.kind == CollectionKind::Application) {
                        let key = (collection.kind.clone(), p, *priority, false, g, collection.priority, c, r);
                        offer(key, Some((format!("p{p}/g{g}/c{c}/r{r}"), collection.action)));
                    }
                }
            }
        }
    }
    for (written, is_application) in ours {
        if written.takes(packet, *is_application) {
            let kind = if *is_application { CollectionKind::Application } else { CollectionKind::Network };
            offer((kind, chain.len() - 1, 200, true, 0, 0, 0, 0), None);
        }
    }
    best.and_then(|(_, what)| what).filter(|(_, action)| *action != Action::Allow)
}

fn some(of: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(of, 1..=2)
}

fn far_of_others(is_known: bool) -> &'static [&'static str] {
    if is_known {
        &[
            "*",
            "0.0.0.0/0",
            "0.0.0.0/1",
            "128.0.0.0/1",
            "20.0.0.0/29",
            "20.0.0.0/30",
            "20.0.0.2-20.0.0.5",
            "20.0.0.7",
            "Storage",
            "Storage.EastUS2",
            "storage.westus",
            "AzureCloud",
            "Internet",
            GROUP,
        ]
    } else {
        &["*", "0.0.0.0/0", "Storage", "Storage.EastUS2", "storage.westus", "AzureCloud", "Internet"]
    }
}

fn far_of_ours(is_known: bool) -> &'static [&'static str] {
    if is_known {
        &["20.0.0.0/30", "20.0.0.4/31", "Storage", "Storage.EastUS2", "AzureCloud", "*", GROUP]
    } else {
        &["Storage", "Storage.EastUS2", "AzureCloud", "*"]
    }
}

const NEAR: &[&str] =
    &["*", "10.1.0.0/29", "10.1.0.0/30", "10.1.0.4/31", "10.1.0.2", "10.1.0.1-10.1.0.5", "10.0.0.0/8"];
const HOSTS: &[&str] = &["*", "*.x.org", "x.org", "a.x.org", "*x.org", "y.org"];
const RANGES: &[(u16, u16)] = &[(0, 65535), (441, 441), (442, 443), (444, 444), (443, 444)];

fn rule_of_others(kind: &CollectionKind, is_known: bool) -> BoxedStrategy<Written> {
    let ports = |transports: &'static [Transport]| {
        let range = (select(transports), select(RANGES));
        proptest::collection::vec(range.prop_map(|(transport, (first, last))| (transport, first, last)), 1..=2)
    };
    let written = |(near, far, hosts, ports)| Written { near, far, hosts, ports };
    if *kind == CollectionKind::Application {
        let ports = ports(&[Transport::Http, Transport::Https]);
        (some(NEAR), Just(vec![]), some(HOSTS), ports).prop_map(written).boxed()
    } else {
        // Names in network rules go with lists of addresses in other rules.
        let by_address = (some(far_of_others(is_known)), Just(vec![]));
        let by_name = (Just(vec![]), some(&HOSTS[1..]));
        let far = prop_oneof![4 => by_address, 1 => by_name];
        let ports = ports(&[Transport::Tcp, Transport::Udp, Transport::Any, Transport::Other]);
        let join = |(near, (far, hosts), ports)| Written { near, far, hosts, ports };
        (some(NEAR), far, ports).prop_map(join).boxed()
    }
}

fn collection(is_known: bool) -> impl Strategy<Value = WrittenCollection> {
    let kinds = prop_oneof![
        1 => Just((CollectionKind::Nat, Action::Dnat)),
        3 => Just((CollectionKind::Network, Action::Deny)),
        3 => Just((CollectionKind::Network, Action::Allow)),
        2 => Just((CollectionKind::Application, Action::Deny)),
        2 => Just((CollectionKind::Application, Action::Allow)),
    ];
    (kinds, select(&[100, 200, 300][..])).prop_flat_map(move |((kind, action), priority)| {
        proptest::collection::vec(rule_of_others(&kind, is_known), 1..=2).prop_map(move |rules| WrittenCollection {
            priority,
            kind: kind.clone(),
            action,
            rules,
        })
    })
}

fn rule_of_ours(is_known: bool) -> impl Strategy<Value = (Written, bool)> {
    let near = || some(&NEAR[1..4]);
    let ports = |transports: &'static [Transport]| {
        let port = (select(transports), 441..=444_u16).prop_map(|(transport, port)| (transport, port, port));
        proptest::collection::vec(port, 1..=2)
    };
    let network = &[Transport::Tcp, Transport::Udp, Transport::Any];
    let by_far = (near(), some(far_of_ours(is_known)), Just(vec![]), ports(network), Just(false));
    let by_name = (near(), Just(vec![]), some(&HOSTS[1..]), ports(network), Just(false));
    let web = (near(), Just(vec![]), some(&HOSTS[1..]), ports(&[Transport::Http, Transport::Https]), Just(true));
    prop_oneof![3 => by_far, 1 => by_name, 2 => web]
        .prop_map(|(near, far, hosts, ports, is_application)| (Written { near, far, hosts, ports }, is_application))
}

fn case(is_known: bool) -> impl Strategy<Value = (Chain, Vec<(Written, bool)>)> {
    let group = (select(&[100, 200, 300][..]), proptest::collection::vec(collection(is_known), 1..=3));
    let chain = proptest::collection::vec(proptest::collection::vec(group, 0..=2), 1..=3);
    (chain, proptest::collection::vec(rule_of_ours(is_known), 1..=3))
}

fn prefixes(texts: &[&str]) -> Vec<Prefix> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn known_tags() -> BTreeMap<String, Vec<Prefix>> {
    TAGS.iter().map(|(tag, texts)| ((*tag).to_owned(), prefixes(texts))).collect()
}

fn known_groups() -> BTreeMap<String, Vec<Prefix>> {
    BTreeMap::from([(GROUP.to_owned(), prefixes(&["20.0.0.4/31"]))])
}

fn check(chain: &Chain, ours: &[(Written, bool)], is_known: bool) -> Result<(), TestCaseError> {
    let tags = if is_known { known_tags() } else { BTreeMap::new() };
    let groups = known_groups();
    let known = Known { tags: &tags, groups: &groups };
    let group = our_group(ours);
    let mut expected: BTreeSet<(String, String, Action)> = BTreeSet::new();
    // Of each rule of ours: how many packets it lets through, and how many of them each rule of others takes.
    let (mut through, mut taken) = (BTreeMap::<String, usize>::new(), BTreeMap::<(String, String), usize>::new());
    for packet in world() {
        let allows = |(_, (written, is_web)): &(usize, &(Written, bool))| written.allows(&packet, *is_web);
        let allowing: Vec<String> =
            ours.iter().enumerate().filter(allows).map(|(index, _)| format!("o{index}")).collect();
        // Most packets are nothing of ours, and need not be sent.
        let first = if allowing.is_empty() { None } else { first_match(&packet, chain, ours) };
        for name in allowing {
            *through.entry(name.clone()).or_default() += 1;
            if let Some((path, action)) = first.clone() {
                *taken.entry((name.clone(), path.clone())).or_default() += 1;
                expected.insert((name, path, action));
            }
        }
    }
    let mut found = BTreeSet::new();
    for finding in findings(&group, &policies(chain), &known) {
        prop_assert!(!finding.is_maybe, "everything is known: {finding:?}");
        for (name, hit) in finding.hits {
            if hit.extent == Extent::Whole {
                let key = (name.to_owned(), finding.path.clone());
                prop_assert_eq!(taken.get(&key), through.get(name), "{} is not wholly taken by {}", name, finding.path);
            }
            found.insert((name.to_owned(), finding.path.clone(), finding.action));
        }
    }
    prop_assert_eq!(found, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_finding_is_a_packet_that_is_taken_first((chain, ours) in case(true)) {
        check(&chain, &ours, true)?;
    }

    #[test]
    fn not_knowing_what_a_group_holds_hides_nothing((chain, ours) in case(true)) {
        let tags = known_tags();
        let (some, none) = (known_groups(), BTreeMap::new());
        let (group, chain) = (our_group(&ours), policies(&chain));
        let pairs = |groups| -> BTreeSet<(String, String)> {
            let all = findings(&group, &chain, &Known { tags: &tags, groups }).into_iter();
            all.flat_map(|finding| finding.hits.into_iter().map(move |(name, _)| (name.to_owned(), finding.path.clone())))
                .collect()
        };
        let (knowing, not_knowing) = (pairs(&some), pairs(&none));
        prop_assert!(knowing.is_subset(&not_knowing), "{:?}", knowing.difference(&not_knowing));
    }

    #[test]
    fn names_of_tags_alone_tell_the_same((chain, ours) in case(false)) {
        check(&chain, &ours, false)?;
    }
}

#[test]
fn the_world_holds_findings_of_every_kind() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    // Were all cases without findings, the properties would prove nothing.
    let mut runner = TestRunner::deterministic();
    let (mut kinds, mut none) = (BTreeSet::new(), 0);
    for _ in 0..100 {
        let (chain, ours) = case(true).new_tree(&mut runner).unwrap().current();
        let (tags, groups) = (BTreeMap::new(), BTreeMap::new());
        let group = our_group(&ours);
        let found = findings(&group, &policies(&chain), &Known { tags: &tags, groups: &groups });
        none += usize::from(found.is_empty());
        kinds.extend(found.iter().flat_map(|finding| finding.hits.iter().map(|(_, hit)| (finding.action, hit.extent))));
    }
    for extent in [Extent::Whole, Extent::Part] {
        assert!(kinds.contains(&(Action::Deny, extent)) && kinds.contains(&(Action::Dnat, extent)), "{kinds:?}");
    }
    assert!((5..95).contains(&none), "{none}");
}
