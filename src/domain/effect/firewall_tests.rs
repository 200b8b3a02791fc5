use std::collections::BTreeMap;

use super::*;
use crate::effect::traffic::Transport;
use crate::prefix::Prefix;
use crate::rule::RulePart;

const GROUP: &str =
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/ipGroups/g";

fn rule(name: &str, near: &str, far: &str, ports: &[(Transport, &str)]) -> ForeignRule {
    let elements = |text: &str| text.split(", ").map(Element::parse).collect();
    ForeignRule {
        name: name.to_owned(),
        sources: elements(near),
        destinations: elements(far),
        ports: ports.iter().map(|(transport, text)| PortRange::parse(*transport, text).unwrap()).collect(),
        ..ForeignRule::default()
    }
}

fn web(name: &str, hosts: &[&str]) -> ForeignRule {
    let ports = [(Transport::Https, "443"), (Transport::Http, "80")];
    let hosts = hosts.iter().map(ToString::to_string).collect();
    ForeignRule { hosts, destinations: Vec::new(), ..rule(name, "*", "*", &ports) }
}

fn deny_all(name: &str) -> ForeignRule {
    rule(name, "*", "*", &[(Transport::Any, "*")])
}

fn collection(kind: CollectionKind, action: Action, rules: Vec<ForeignRule>) -> Collection {
    Collection { name: "c".to_owned(), priority: 100, kind, action, rules }
}

fn denying(rules: Vec<ForeignRule>) -> Collection {
    collection(CollectionKind::Network, Action::Deny, rules)
}

fn group(name: &str, priority: u16, collections: Vec<Collection>) -> Group {
    Group { name: name.to_owned(), priority, collections }
}

fn policy(name: &str, groups: Vec<Group>) -> Policy {
    Policy { name: name.to_owned(), groups }
}

fn ours(parts: &[&str]) -> OurGroup {
    let mut rules: BTreeMap<String, Rule> = BTreeMap::new();
    for text in parts {
        let part: RulePart = text.parse().unwrap();
        rules.entry(part.rule).or_default().insert(&part.part);
    }
    OurGroup { name: "amlnet-prod".to_owned(), priority: 1200, rules }
}

fn storage() -> OurGroup {
    ours(&["st at 10.1.0.0/24", "st with Storage.EastUS2", "st on TCP 443"])
}

fn github() -> OurGroup {
    ours(&["git at 10.1.0.0/24", "git host github.com", "git on Https 443"])
}

fn notes_knowing(
    ours: &OurGroup,
    chain: &[Policy],
    tags: &[(&str, &[&str])],
    groups: &[(&str, &[&str])],
) -> Vec<String> {
    let read = |list: &[(&str, &[&str])]| -> BTreeMap<String, Vec<Prefix>> {
        let prefixes = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        list.iter().map(|(name, texts)| (name.to_ascii_lowercase(), prefixes(texts))).collect()
    };
    let (tags, groups) = (read(tags), read(groups));
    let notes = shadows(ours, Ok(chain), &Known { tags: &tags, groups: &groups });
    notes.into_iter().map(|note| format!("{}: {}", note.code, note.message)).collect()
}

fn notes(ours: &OurGroup, chain: &[Policy]) -> Vec<String> {
    notes_knowing(ours, chain, &[], &[])
}

#[test]
fn a_lower_number_comes_first_and_a_higher_one_does_not() {
    let chain = |priority| vec![policy("own", vec![group("corp", priority, vec![denying(vec![deny_all("all")])])])];
    assert_eq!(
        notes(&storage(), &chain(300)),
        [
            r#"Shadowed: rule own/corp/c/all denies what "st" allows, for example 10.1.0.0/24 to Storage.EastUS2 on TCP 443"#
        ]
    );
    assert_eq!(notes(&storage(), &chain(1300)), Vec::<String>::new());
}

#[test]
fn rules_of_the_parent_come_first_whatever_their_numbers() {
    let denies = || vec![group("corp", 65000, vec![denying(vec![deny_all("all")])])];
    let chain = [policy("base", denies()), policy("own", vec![])];
    assert!(notes(&storage(), &chain)[0].starts_with("Shadowed: rule base/corp/c/all denies"));
    // A policy below the parent is not looked at before its own groups of lower numbers.
    let allows = collection(CollectionKind::Network, Action::Allow, vec![deny_all("all")]);
    let chain = [policy("base", vec![group("ok", 65000, vec![allows])]), policy("own", denies())];
    assert_eq!(notes(&storage(), &chain), Vec::<String>::new());
}

#[test]
fn an_earlier_allowance_takes_the_traffic_before_a_denial() {
    let allow = collection(
        CollectionKind::Network,
        Action::Allow,
        vec![rule("ok", "10.0.0.0/8", "Storage", &[(Transport::Tcp, "443")])],
    );
    let chain = |priority| {
        vec![policy(
            "own",
            vec![group("a", priority, vec![allow.clone()]), group("d", 200, vec![denying(vec![deny_all("x")])])],
        )]
    };
    assert_eq!(notes(&storage(), &chain(100)), Vec::<String>::new());
    assert_eq!(notes(&storage(), &chain(300)).len(), 1);
}

#[test]
fn two_allowances_that_cover_it_together_take_it_too() {
    let half = |name, far| rule(name, "*", far, &[(Transport::Any, "*")]);
    let allow = |rules| collection(CollectionKind::Network, Action::Allow, rules);
    let chain = |rules| vec![policy("own", vec![group("a", 100, vec![allow(rules), denying(vec![deny_all("x")])])])];
    let own = ours(&["r at 10.1.0.0/24", "r with 20.0.0.0/24", "r on TCP 443"]);
    let both = vec![half("low", "20.0.0.0/25"), half("high", "20.0.0.128-20.0.0.255")];
    assert_eq!(notes(&own, &chain(both)), Vec::<String>::new());
    assert_eq!(
        notes(&own, &chain(vec![half("low", "20.0.0.0/25")])),
        [
            r#"Shadowed: rule own/a/c/x denies part of what "r" allows, for example 10.1.0.0/24 to 20.0.0.128/25 on TCP 443"#
        ]
    );
}

#[test]
fn only_what_meets_in_all_three_dimensions_counts() {
    for (near, far, transport, ports, found) in [
        ("10.1.0.0/16", "Storage", Transport::Tcp, "443", "what"),
        ("10.1.0.7", "Storage", Transport::Tcp, "443", "part of what"),
        ("10.2.0.0/16", "Storage", Transport::Tcp, "443", ""),
        ("10.1.0.0/16", "AzureMonitor", Transport::Tcp, "443", ""),
        ("10.1.0.0/16", "Storage.WestUS", Transport::Tcp, "443", ""),
        ("10.1.0.0/16", "AzureCloud.eastus2", Transport::Any, "400-500", "what"),
        ("10.1.0.0/16", "Internet", Transport::Tcp, "*", "what"),
        ("10.1.0.0/16", "Storage", Transport::Udp, "443", ""),
        ("10.1.0.0/16", "Storage", Transport::Other, "*", ""),
        ("10.1.0.0/16", "Storage", Transport::Tcp, "80", ""),
    ] {
        let denies = denying(vec![rule("x", near, far, &[(transport, ports)])]);
        let found_notes = notes(&storage(), &[policy("own", vec![group("corp", 200, vec![denies])])]);
        let expected = format!("denies {found} \"st\"");
        assert_eq!(found_notes.len(), usize::from(!found.is_empty()), "{near} {far} {ports}: {found_notes:?}");
        assert!(found_notes.iter().all(|note| note.contains(&expected)), "{found_notes:?}");
    }
}

#[test]
fn tags_that_names_do_not_relate_are_compared_by_what_they_hold() {
    let chain = [policy(
        "own",
        vec![group("corp", 200, vec![denying(vec![rule("x", "*", "20.1.0.0/16", &[(Transport::Tcp, "*")])])])],
    )];
    let known: &[(&str, &[&str])] = &[("Storage.EastUS2", &["20.1.5.0/24", "20.9.0.0/24"])];
    assert_eq!(
        notes_knowing(&storage(), &chain, known, &[]),
        [
            r#"Shadowed: rule own/corp/c/x denies part of what "st" allows, for example 10.1.0.0/24 to 20.1.5.0/24 of Storage.EastUS2 on TCP 443"#
        ]
    );
    // Not knowing what the tag holds is no warning.
    assert_eq!(notes(&storage(), &chain), Vec::<String>::new());
}

#[test]
fn ip_groups_are_looked_into_and_unknown_ones_may_deny() {
    let chain =
        [policy("own", vec![group("corp", 200, vec![denying(vec![rule("x", GROUP, "*", &[(Transport::Any, "*")])])])])];
    assert_eq!(
        notes(&storage(), &chain),
        [
            r#"ShadowUnknown: rule own/corp/c/x may deny what "st" allows, for example 10.1.0.0/24 to Storage.EastUS2 on TCP 443; what it names is not known well enough to tell"#
        ]
    );
    assert_eq!(notes_knowing(&storage(), &chain, &[], &[(GROUP, &["10.9.0.0/16"])]), Vec::<String>::new());
    assert!(notes_knowing(&storage(), &chain, &[], &[(GROUP, &["10.1.0.0/28"])])[0].starts_with("Shadowed: "));
    // Nothing else of it meets ours, so what the group holds does not matter.
    let udp =
        [policy("own", vec![group("corp", 200, vec![denying(vec![rule("x", GROUP, "*", &[(Transport::Udp, "*")])])])])];
    assert_eq!(notes(&storage(), &udp), Vec::<String>::new());
}

#[test]
fn a_group_of_ours_that_the_other_rule_names_too_is_denied_whatever_it_holds() {
    let far = format!("b with {GROUP}");
    let own = ours(&["b at 10.1.0.0/24", &far, "b on TCP 443"]);
    let denies = denying(vec![rule("x", "*", GROUP, &[(Transport::Tcp, "443")])]);
    let found = notes(&own, &[policy("own", vec![group("corp", 200, vec![denies])])]);
    assert_eq!(
        found,
        [r#"Shadowed: rule own/corp/c/x denies what "b" allows, for example 10.1.0.0/24 to g on TCP 443"#]
    );
}

#[test]
fn network_rules_of_all_groups_come_before_application_rules() {
    let chain = |far| {
        let denies = denying(vec![rule("x", "*", far, &[(Transport::Tcp, "443")])]);
        vec![policy("own", vec![group("late", 65000, vec![denies])])]
    };
    for far in ["*", "0.0.0.0/0", "Internet", "0.0.0.0/1"] {
        let found = notes(&github(), &chain(far));
        assert!(found.len() == 1 && found[0].contains("own/late/c/x denies"), "{far}: {found:?}");
        assert_eq!(found[0].contains("part of"), far == "0.0.0.0/1", "{found:?}");
    }
    for far in ["20.0.0.0/8", "Storage", "AzureCloud", "10.0.0.0/8"] {
        assert_eq!(notes(&github(), &chain(far)), Vec::<String>::new(), "{far}");
    }
}

#[test]
fn application_rules_deny_by_names_and_only_in_groups_before_ours() {
    let chain = |priority, host| {
        let denies = collection(CollectionKind::Application, Action::Deny, vec![web("x", &[host])]);
        vec![policy("own", vec![group("corp", priority, vec![denies])])]
    };
    let own = ours(&["git at 10.1.0.0/24", "git host github.com", "git host *.github.com", "git on Https 443"]);
    for (host, found) in [
        ("*", "denies what"),
        ("*github.com", "denies what"),
        ("*.github.com", "denies part of what"),
        ("api.github.com", "denies part of what"),
        ("*.gitlab.com", ""),
    ] {
        let found_notes = notes(&own, &chain(300, host));
        assert_eq!(found_notes.len(), usize::from(!found.is_empty()), "{host}");
        assert!(found_notes.iter().all(|note| note.contains(found)), "{found_notes:?}");
        assert_eq!(notes(&own, &chain(1300, host)), Vec::<String>::new(), "{host}");
    }
}

#[test]
fn application_rules_do_not_touch_network_rules_of_ours() {
    let denies = collection(CollectionKind::Application, Action::Deny, vec![web("x", &["*"])]);
    assert_eq!(notes(&storage(), &[policy("own", vec![group("corp", 100, vec![denies])])]), Vec::<String>::new());
}

#[test]
fn tags_of_names_categories_and_urls_may_deny() {
    let chain = |rule| {
        let denies = collection(CollectionKind::Application, Action::Deny, vec![rule]);
        vec![policy("own", vec![group("corp", 100, vec![denies])])]
    };
    let opaque = ForeignRule { opaque: vec!["Hacking".to_owned()], ..web("x", &[]) };
    assert!(
        notes(&github(), &chain(opaque))[0]
            .starts_with("ShadowUnknown: rule own/corp/c/x may deny what \"git\" allows")
    );
    let url = |host: &str| ForeignRule { url_hosts: vec![host.to_owned()], ..web("x", &[]) };
    assert!(notes(&github(), &chain(url("*.github.com"))).is_empty());
    assert!(notes(&github(), &chain(url("github.com")))[0].starts_with("ShadowUnknown: "));
    let narrowed = ForeignRule { destinations: vec![Element::parse("20.0.0.1")], ..web("x", &["github.com"]) };
    assert!(notes(&github(), &chain(narrowed))[0].starts_with("ShadowUnknown: "));
}

#[test]
fn network_rules_by_name_deny_network_rules_of_ours_by_name() {
    let own = ours(&["ssh at 10.1.0.0/24", "ssh host github.com", "ssh on TCP 22"]);
    let named = |host: &str| ForeignRule {
        destinations: Vec::new(),
        hosts: vec![host.to_owned()],
        ..rule("x", "*", "*", &[(Transport::Tcp, "22")])
    };
    let found = |host| notes(&own, &[policy("own", vec![group("corp", 100, vec![denying(vec![named(host)])])])]).len();
    assert_eq!((found("github.com"), found("gitlab.com")), (1, 0));
}

#[test]
fn dnat_redirects_what_goes_to_its_address() {
    let dnat = collection(
        CollectionKind::Nat,
        Action::Dnat,
        vec![
            rule("nat", "*", "20.0.0.7", &[(Transport::Tcp, "443")]),
            rule("other", "*", "20.0.1.7", &[(Transport::Tcp, "443")]),
        ],
    );
    let own = ours(&["r at 10.1.0.0/24", "r with 20.0.0.0/24", "r on TCP 443"]);
    // Whatever its number: DNAT comes before network rules.
    assert_eq!(
        notes(&own, &[policy("own", vec![group("in", 65000, vec![dnat])])]),
        [
            r#"Redirected: rule own/in/c/nat redirects part of what "r" allows, for example 10.1.0.0/24 to 20.0.0.7 on TCP 443"#
        ]
    );
}

#[test]
fn our_own_group_is_not_foreign_but_one_of_its_name_in_a_parent_is() {
    let group = |name| group(name, 100, vec![denying(vec![deny_all("all")])]);
    assert_eq!(notes(&storage(), &[policy("own", vec![group("AMLNET-prod")])]), Vec::<String>::new());
    assert_eq!(notes(&storage(), &[policy("base", vec![group("AMLNET-prod")]), policy("own", vec![])]).len(), 1);
}

#[test]
fn what_another_rule_of_ours_lets_through_is_not_denied_later() {
    // A network rule of ours lets HTTPS through before the late denial is asked.
    let own = ours(&[
        "all at 10.1.0.0/24",
        "all with *",
        "all on TCP 443",
        "git at 10.1.0.0/24",
        "git host github.com",
        "git on Https 443",
    ]);
    let chain = [policy("own", vec![group("late", 65000, vec![denying(vec![deny_all("x")])])])];
    assert_eq!(notes(&own, &chain), Vec::<String>::new());
    assert_eq!(notes(&github(), &chain).len(), 1);
}

#[test]
fn rules_that_let_nothing_through_are_not_denied() {
    let chain = [policy("own", vec![group("corp", 100, vec![denying(vec![deny_all("x")])])])];
    assert_eq!(notes(&ours(&["st at 10.1.0.0/24", "st on TCP 443"]), &chain), Vec::<String>::new());
}

#[test]
fn many_findings_are_a_few_sentences() {
    // Each denies an address of its own, so that none is behind another.
    let denials =
        |count| (0..count).map(|i| rule(&format!("x{i}"), "*", &format!("20.0.0.{i}"), &[(Transport::Tcp, "443")]));
    let parts: Vec<String> = (0..7)
        .flat_map(|i| [format!("r{i} at 10.1.{i}.0/24"), format!("r{i} with 20.0.0.0/24"), format!("r{i} on TCP 443")])
        .collect();
    let own = ours(&parts.iter().map(String::as_str).collect::<Vec<_>>());
    let chain = |count| vec![policy("own", vec![group("corp", 100, vec![denying(denials(count).collect())])])];
    let found = notes(&own, &chain(9));
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(found.contains(&"Shadowed: 4 more rules of others do the same to what our rules allow".to_owned()));
    assert!(found.iter().any(|note| note.contains(r#""r0", "r1", "r2", "r3", "r4" and 2 more allow, for example"#)));
    assert_eq!(notes(&own, &chain(5)).len(), 5);
}

#[test]
fn a_chain_that_cannot_be_read_is_said() {
    let (tags, groups) = (BTreeMap::new(), BTreeMap::new());
    let known = Known { tags: &tags, groups: &groups };
    let notes = shadows(&storage(), Err("policy base: 403 AuthorizationFailed"), &known);
    let note = notes.first().unwrap();
    assert_eq!((notes.len(), note.code), (1, "ShadowUnknown"));
    assert!(note.message.contains("is not known: policy base: 403 AuthorizationFailed; give the identity"));
    assert!(note.message.contains("Microsoft.Network/firewallPolicies/ruleCollectionGroups/read"));
}

#[test]
fn kinds_that_are_not_known_are_said_not_to_be_looked_at() {
    let strange = collection(CollectionKind::Unknown("NewRule Allow".to_owned()), Action::Deny, vec![deny_all("x")]);
    let chain =
        [policy("own", vec![group("corp", 100, vec![strange.clone()]), group("amlnet-prod", 1200, vec![strange])])];
    assert_eq!(
        notes(&storage(), &chain),
        [
            "ShadowUnknown: rule collections of a kind that is not known were not looked at: own/corp/c (NewRule Allow); look whether they deny what ours allow"
        ]
    );
}

#[test]
fn a_policy_of_a_thousand_rules_is_looked_at_in_a_moment() {
    let prefix = |i: usize| format!("20.{}.{}.0/24", i / 256, i % 256);
    let allows =
        (0..1500).map(|i| rule(&format!("a{i}"), "10.0.0.0/8", &prefix(i), &[(Transport::Tcp, "443")])).collect();
    let allow = collection(CollectionKind::Network, Action::Allow, allows);
    let denies = (0..50).map(|i| rule(&format!("d{i}"), "10.0.0.0/8", &prefix(i), &[(Transport::Any, "*")])).collect();
    let chain = [policy("own", vec![group("corp", 100, vec![allow, denying(denies), denying(vec![deny_all("x")])])])];
    let parts: Vec<String> = (0..40)
        .flat_map(|i| {
            [format!("r{i} at 10.1.{i}.0/24"), format!("r{i} with {}", prefix(i)), format!("r{i} on TCP 443")]
        })
        .chain((0..300).map(|i| format!("wide with {}", prefix(i))))
        .chain(["wide at 10.1.0.0/16".to_owned(), "wide on TCP 443".to_owned(), "wide on TCP 445".to_owned()])
        .collect();
    let found = notes(&ours(&parts.iter().map(String::as_str).collect::<Vec<_>>()), &chain);
    // Port 443 is allowed before; 445 is denied one by one, and what is left of it at the end.
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(found.iter().all(|note| note.contains("TCP 445") || note.contains("46 more rules")), "{found:?}");
}
