use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;

/// Bodies of recorded answers to GETs whose URL ends so, before the `?`. Empty where there are no recordings.
fn recorded(file: &str, ending: &str) -> Vec<Value> {
    let folder = std::env::var_os("ARM_RECORDINGS_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/arm-recordings"), PathBuf::from);
    let path = folder.join(file);
    let Ok(file) = std::fs::File::open(&path) else {
        // Not captured, unlike what `eprintln!` writes.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: no file {}; set ARM_RECORDINGS_DIR to the recordings",
            path.display()
        );
        return Vec::new();
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let is_wanted = |line: &Value| {
        let url = line["url"].as_str().unwrap().split('?').next().unwrap().to_owned();
        line["method"] == "GET" && line["status"] == 200 && url.ends_with(ending)
    };
    lines.filter(is_wanted).map(|mut line| line["response_body"].take()).collect()
}

fn ports(list: &[(Transport, u16)]) -> Vec<PortRange> {
    list.iter().map(|&(transport, port)| PortRange { transport, first: port, last: port }).collect()
}

#[test]
fn a_recorded_list_of_groups_is_read() {
    let bodies = recorded("policy-rules-with-ip-groups-2025.jsonl.gz", "/ruleCollectionGroups");
    for body in &bodies {
        let groups = groups(body).unwrap();
        assert_eq!(groups.len(), body["value"].as_array().unwrap().len());
        assert!(groups.iter().all(|group| group.name == "myclirulecollectiongroup" && group.priority == 10000));
    }
}

#[test]
fn recorded_groups_are_read_with_every_rule() {
    let bodies = recorded("policy-rules-with-ip-groups-2025.jsonl.gz", "/myclirulecollectiongroup");
    for body in &bodies {
        let group = group(body).unwrap();
        let read: usize = group.collections.iter().map(|collection| collection.rules.len()).sum();
        assert_eq!(read, counts(body).rules);
        assert!(group.collections.iter().all(|c| !matches!(c.kind, CollectionKind::Unknown(_))), "{group:?}");
        assert!(counts(body).size.is_some_and(|size| size > 0), "{body}");
    }
    let Some(body) = bodies.iter().max_by_key(|body| counts(body).rules) else { return };
    let group = group(body).unwrap();
    let kinds: Vec<_> =
        group.collections.iter().map(|c| (c.kind.clone(), c.action, c.priority, c.rules.len())).collect();
    assert_eq!(
        kinds,
        [
            (CollectionKind::Nat, Action::Dnat, 10005, 2),
            (CollectionKind::Network, Action::Allow, 13000, 2),
            (CollectionKind::Application, Action::Allow, 14000, 2),
        ]
    );
    let counts = counts(body);
    assert_eq!((counts.rules, counts.pairs, counts.size, counts.ip_groups.len()), (6, 2, Some(5056), 2));
    let [network, _] = &group.collections[1].rules[..] else { panic!("{group:?}") };
    assert_eq!(network.ports, ports(&[(Transport::Any, 12003), (Transport::Other, 12003)]));
    assert!(matches!(&network.sources[..], [Element::IpGroup(id)] if id.ends_with("/ipgroups/sourceipgroup")));
    let [web, names] = &group.collections[2].rules[..] else { panic!("{group:?}") };
    assert_eq!(web.ports, ports(&[(Transport::Http, 12800), (Transport::Https, 12801)]));
    assert_eq!(web.opaque, ["AzureBackup", "HDInsight", "Hacking"]);
    assert_eq!(names.hosts, ["www.google0.com", "www.google1.com", "www.google2.com"]);
}

#[test]
fn a_recorded_group_without_rules_has_a_size() {
    let bodies =
        recorded("firewall-policy-rcg-live-firewall-2025-03-01.jsonl.gz", "/asotest-rulecollectiongroup-wiyqxh");
    let sizes: BTreeSet<u64> = bodies.iter().filter_map(|body| counts(body).size).collect();
    // Another priority, another size.
    assert!(bodies.is_empty() || sizes == BTreeSet::from([1377, 1381]), "{sizes:?}");
    for body in &bodies {
        assert_eq!(Counts { size: None, ..counts(body) }, Counts::default());
        assert_eq!(group(body).unwrap().priority, if counts(body).size == Some(1377) { 300 } else { 200 });
    }
}

#[test]
fn recorded_urls_are_read_by_their_hosts() {
    let bodies = recorded("policy-rcg-draft-deploy-2025.jsonl.gz", "/ruleCollectionGroupDrafts/default");
    let urls = bodies.iter().flat_map(|body| group(body).unwrap().collections).flat_map(|collection| collection.rules);
    let hosts: BTreeSet<String> = urls.flat_map(|rule| rule.url_hosts).collect();
    assert!(bodies.is_empty() || hosts.contains("www.google.com"), "{hosts:?}");
}

fn made(rule: &Value, action: &str) -> Value {
    let collection = json!({
        "ruleCollectionType": "FirewallPolicyFilterRuleCollection", "name": "c", "priority": 100,
        "action": {"type": action}, "rules": [rule], "newField": 1,
    });
    json!({"name": "g", "properties": {"priority": 300, "ruleCollections": [collection]}})
}

fn kind_of(body: &Value) -> CollectionKind {
    group(body).unwrap().collections.remove(0).kind
}

#[test]
fn kinds_that_are_not_known_never_fail_and_are_kept() {
    let network = |more: Value| {
        let mut rule = json!({
            "ruleType": "NetworkRule", "name": "r", "ipProtocols": ["TCP"], "sourceAddresses": ["*"],
            "destinationAddresses": ["Storage"], "destinationPorts": ["443"],
        });
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule
    };
    assert_eq!(kind_of(&made(&network(json!({"newField": {}})), "Deny")), CollectionKind::Network);
    for (more, action, expected) in [
        (json!({"ruleType": "PacketRule"}), "Deny", "PacketRule Deny"),
        (json!({}), "Alert", "NetworkRule Alert"),
        (json!({"destinationPorts": ["https"]}), "Deny", "NetworkRule with ports that cannot be read"),
        (json!({"ruleType": null}), "", ""),
    ] {
        assert_eq!(kind_of(&made(&network(more), action)), CollectionKind::Unknown(expected.to_owned()));
    }
    assert_eq!(group(&json!({"name": "g", "properties": {"priority": 1}})).unwrap().collections, []);
}

#[test]
fn a_collection_of_several_kinds_is_several() {
    let rule = |kind: &str| json!({"ruleType": kind, "name": kind});
    let rules = ["NetworkRule", "NetworkRule", "ApplicationRule"].map(rule);
    let collection = json!({"name": "c", "priority": 100, "action": {"type": "Deny"}, "rules": rules});
    let body = json!({"name": "g", "properties": {"priority": 300, "ruleCollections": [collection]}});
    let found: Vec<_> = group(&body).unwrap().collections.into_iter().map(|c| (c.kind, c.rules.len())).collect();
    assert_eq!(found, [(CollectionKind::Network, 2), (CollectionKind::Application, 1)]);
}

#[test]
fn what_is_no_list_of_groups_is_refused_with_what_is_missing() {
    for (body, what) in [
        (json!({}), "the list of rule collection groups has no value"),
        (json!({"value": [{}]}), "a rule collection group has no name"),
        (json!({"value": [{"name": "g"}]}), "rule collection group \"g\" has no priority"),
        (
            json!({"value": [{"name": "g", "properties": {"priority": 70000}}]}),
            "rule collection group \"g\" has no priority",
        ),
    ] {
        assert_eq!(groups(&body).unwrap_err(), what);
    }
    assert_eq!(groups(&json!({"value": []})).unwrap(), []);
}

#[test]
fn pairs_are_sources_times_destinations_of_each_network_rule() {
    let rule = |kind: &str, sources: &[&str], destinations: &[&str]| {
        json!({
            "ruleType": kind, "sourceAddresses": sources, "sourceIpGroups": ["/a/G"], "destinationAddresses": destinations,
            "destinationFqdns": ["github.com"],
        })
    };
    let rules = [
        rule("NetworkRule", &["10.0.0.0/8", "10.1.0.0/16"], &["Storage", "storage", "AzureMonitor"]),
        rule("NetworkRule", &[], &["*"]),
        rule("ApplicationRule", &["10.0.0.0/8"], &["*"]),
    ];
    let body = json!({"properties": {"ruleCollections": [{"rules": rules}]}});
    let expected = Counts { rules: 3, pairs: 3 * 3 + 2, ip_groups: BTreeSet::from(["/a/g".to_owned()]), size: None };
    assert_eq!(counts(&body), expected);
}

#[test]
fn sizes_are_read_without_rounding_down() {
    for (text, expected) in [
        ("0.001376152 MB", Some(1377)),
        ("1.5 MB", Some(1_500_000)),
        ("2 MB", Some(2_000_000)),
        ("12 KB", Some(12_000)),
        ("7 B", Some(7)),
        ("MB", None),
        ("-1 MB", None),
        ("1.2.3 MB", None),
        ("1 parsec", None),
        ("", None),
    ] {
        assert_eq!(bytes(text), expected, "{text}");
    }
}
