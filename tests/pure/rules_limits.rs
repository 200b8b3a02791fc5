//! What Azure cannot hold, or cannot carry out, is refused as a whole before anything is written, with what to do; what is
//! close to a limit is said.

use amlnet::domain::outbound::{Additional, Port, Priorities, Protocol, Reach, RuleAddressing};
use amlnet::domain::plan::{BlockedReason, Plan};
use serde_json::{Value, json};

use crate::rules::{Azure, World, key, resource};
use crate::rules_shared::{FIRST, Net, batch, code, document, shown, vault, world};

fn notes(plan: &Plan, code: &str) -> Vec<String> {
    plan.warnings.iter().filter(|note| note.code == code).map(|note| note.message.clone()).collect()
}

/// Decides about one Network and carries out what may be; the plan, and what it said if it was blocked.
fn tried(azure: Azure, net: &Net, prefixes: &[String]) -> (World, Plan, String) {
    let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
    let contribution = net.on(&azure, &document(3, &prefixes));
    let mut world = World::new(azure, vec![contribution]);
    let plan = world.apply().plan;
    let message = plan.blocked.as_ref().map(|blocked| {
        assert_eq!(blocked.reason, BlockedReason::Capacity, "{}", blocked.message);
        blocked.message.clone()
    });
    (world, plan, message.unwrap_or_default())
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("20.{}.{}.0/28", 10 + number / 250, number % 250)).collect()
}

fn only_batch(sources: Vec<&'static str>) -> Net {
    Net { sources, additional: vec![batch()], ..Net::default() }
}

/// A group of somebody else with so many pairs in a network rule, and IP groups.
fn other_group(pairs: usize, ip_groups: usize, priority: u16) -> Value {
    let addresses: Vec<String> = (0..pairs).map(|n| format!("172.16.{}.{}", n / 250, n % 250)).collect();
    let groups: Vec<String> = (0..ip_groups).map(|n| resource("ipGroups", &format!("g{n}")).to_string()).collect();
    let rule = |name: &str, sources: &Value, addresses: &Value, groups: &Value| {
        json!({"ruleType": "NetworkRule", "name": name, "ipProtocols": ["TCP"], "destinationPorts": ["9"],
            "sourceAddresses": sources, "destinationAddresses": addresses, "destinationIpGroups": groups})
    };
    let one = json!(["10.200.0.0/24"]);
    let rules =
        json!([rule("r", &one, &json!(addresses), &json!([])), rule("g", &json!([]), &json!([]), &json!(groups))]);
    json!({"name": "other", "properties": {"priority": priority, "provisioningState": "Succeeded", "ruleCollections": [
        {"ruleCollectionType": "FirewallPolicyFilterRuleCollection", "name": "c", "priority": 100,
            "action": {"type": "Allow"}, "rules": rules}]}})
}

fn policy_beside(others: Vec<Value>) -> Azure {
    Azure::Policy { ours: None, others, dns_proxy: true }
}

#[test]
fn pairs_of_the_whole_policy_are_counted() {
    let net = only_batch(vec!["10.1.0.0/24", "10.2.0.0/24"]);
    let (world, plan, message) = tried(policy_beside(vec![other_group(19_000, 0, 500)]), &net, &numbered(501));
    assert!(message.contains("would be 20002, the limit is 20000; nothing is written"), "{message}");
    assert!(message.contains("IpGroups") && message.contains("wider sourceAddresses"), "{message}");
    assert!(world.azure.ours().is_empty() && plan.counts().blocked == 1);
    let (world, plan, message) = tried(policy_beside(vec![other_group(19_000, 0, 500)]), &net, &numbered(500));
    assert_eq!((message.as_str(), world.azure.permissions().len()), ("", 1000));
    assert!(notes(&plan, "CapacityHigh")[0].contains("will be 20000 of at most 20000"), "{plan}");
    let (_, plan, _) = tried(Azure::policy(), &net, &numbered(500));
    assert!(notes(&plan, "CapacityHigh").is_empty(), "{plan}");
}

#[test]
fn ip_groups_hosts_in_network_rules_and_groups_of_the_policy_are_counted() {
    let ip_group = amlnet::domain::outbound::IpGroupIntent {
        id: resource("ipGroups", "ours"),
        requirement: "batch".to_owned(),
        create: None,
    };
    let net =
        Net { addressing: RuleAddressing::IpGroups, ip_groups: vec![ip_group], ..only_batch(vec!["10.1.0.0/24"]) };
    let (_, _, message) = tried(policy_beside(vec![other_group(1, 200, 500)]), &net, &numbered(1));
    assert!(message.contains("IP groups") && message.contains("would be 201, the limit is 200"), "{message}");
    let hosts: Vec<_> = (0..1001).map(|n| format!("h{n}.example.com").parse().unwrap()).collect();
    let ports = vec![Port { protocol: Protocol::Tcp, port: 22 }];
    let many = Additional { name: "ssh".to_owned(), to: Reach::Hosts(hosts), ports };
    let (_, _, message) = tried(Azure::policy(), &Net { additional: vec![many], ..Net::default() }, &numbered(1));
    assert!(message.contains("hosts in network rules would be 1001, the limit is 1000"), "{message}");
    let others =
        (0..90).map(|n| json!({"name": format!("g{n}"), "properties": {"priority": 2000 + n, "ruleCollections": []}}));
    let (_, _, message) = tried(policy_beside(others.collect()), &only_batch(vec!["10.1.0.0/24"]), &numbered(1));
    assert!(message.contains("would be 91, the limit is 90"), "{message}");
}

/// Rules of somebody else in a security group, with so many destinations each.
fn other_rules(count: usize, destinations: usize, from: usize) -> Vec<Value> {
    let far: Vec<String> = (0..destinations).map(|n| format!("172.16.{}.{}/32", n / 250, n % 250)).collect();
    let rule = |n: usize| {
        json!({"name": format!("other-{n}"), "properties": {"provisioningState": "Succeeded", "protocol": "Tcp",
            "sourcePortRange": "*", "destinationPortRange": "9", "sourceAddressPrefix": "10.200.0.0/24",
            "destinationAddressPrefixes": far, "access": "Allow", "priority": from + n, "direction": "Outbound"}})
    };
    (0..count).map(rule).collect()
}

#[test]
fn rules_and_addresses_of_a_security_group_are_counted_with_those_of_others() {
    let net = only_batch(vec!["10.1.0.0/24"]);
    let group = |rules, destinations| Azure::Group(other_rules(rules, destinations, 2100));
    let (world, _, message) = tried(group(1000, 1), &net, &numbered(1));
    assert!(message.contains("rules of the network security group would be 1001, the limit is 1000"), "{message}");
    assert_eq!(world.azure, group(1000, 1));
    assert_eq!(tried(group(999, 1), &net, &numbered(1)).2, "");
    let (_, _, message) = tried(group(39, 100), &net, &numbered(101));
    assert!(message.contains("destination addresses of its rules would be 4001, the limit is 4000"), "{message}");
    let (_, plan, message) = tried(group(39, 100), &net, &numbered(100));
    assert_eq!(message, "");
    assert!(notes(&plan, "CapacityHigh")[0].contains("4000 of at most 4000"), "{plan}");
}

#[test]
fn a_range_that_others_fill_blocks_all_and_names_them() {
    let mut world = World::new(Azure::Group(other_rules(2, 1, 2000)), vec![Net::default().on(&Azure::group(), &FIRST)]);
    world.input.priorities.insert(key("a"), Priorities { from: 2000, to: 2002 });
    let applied = world.apply();
    let blocked = applied.plan.blocked.unwrap();
    assert_eq!((blocked.reason, applied.writes.len()), (BlockedReason::Capacity, 0));
    for says in ["2 outbound rules", "2000 to 2002", "other-0, other-1", "wider priorityRange"] {
        assert!(blocked.message.contains(says), "{}", blocked.message);
    }
    world.input.priorities.insert(key("a"), Priorities { from: 2000, to: 2003 });
    assert_eq!(world.apply().writes.len(), 2);
}

#[test]
fn a_priority_that_another_group_has_blocks_all_and_names_it() {
    let azure = policy_beside(vec![other_group(1, 0, 1200)]);
    let mut world = World::new(azure.clone(), vec![Net::default().on(&azure, &FIRST)]);
    let applied = world.apply();
    let blocked = applied.plan.blocked.unwrap();
    assert_eq!((blocked.reason, applied.writes.len()), (BlockedReason::Conflict, 0));
    assert!(
        blocked.message.starts_with("priority 1200 is taken by the rule collection group other"),
        "{}",
        blocked.message
    );
    // Another one is free.
    world.input.priorities.insert(key("a"), Priorities { from: 1201, to: 1201 });
    assert_eq!(world.apply().writes.len(), 1);
}

#[test]
fn another_priority_is_one_write() {
    for (azure, other) in
        [(Azure::policy(), Priorities { from: 1300, to: 1300 }), (Azure::group(), Priorities { from: 2001, to: 2002 })]
    {
        let mut world = world(azure, &[Net::default()]);
        let before = shown(&world.azure);
        world.input.priorities.insert(key("a"), other);
        let applied = world.apply();
        assert_eq!((applied.writes.len(), shown(&world.azure)), (1, before), "{}", applied.plan);
        assert!(world.apply().writes.is_empty());
    }
}

#[test]
fn hosts_on_other_ports_need_the_dns_proxy_and_nothing_else_waits_for_it() {
    let ssh = |port| Additional {
        ports: vec![Port { protocol: Protocol::Tcp, port }],
        name: "ssh".to_owned(),
        ..code(&["github.com"])
    };
    let net = Net { additional: vec![vault(), ssh(22)], ..Net::default() };
    let without = Azure::Policy { ours: None, others: vec![], dns_proxy: false };
    let mut refused = World::new(without.clone(), vec![net.on(&without, &FIRST)]);
    let plan = refused.settle();
    let [conflict] = &plan.conflicts[..] else { panic!("{plan}") };
    assert!(conflict.why.contains("enableProxy") && conflict.why.contains("exclude: [ssh]"), "{}", conflict.why);
    assert_eq!(shown(&refused.azure).into_keys().collect::<Vec<_>>(), ["amlnet.prod.additional.vault.tcp"]);
    // 443 needs none.
    let https = Net { additional: vec![ssh(443)], ..Net::default() };
    assert!(World::new(without.clone(), vec![https.on(&without, &FIRST)]).settle().conflicts.is_empty());
    // What stands when the proxy is turned off stays.
    let mut stands = world(Azure::policy(), &[net]);
    let before = stands.azure.permissions();
    let Azure::Policy { dns_proxy, .. } = &mut stands.azure else { panic!("no policy") };
    *dns_proxy = false;
    assert!(stands.settle().conflicts.is_empty());
    assert_eq!(stands.azure.permissions(), before);
}
