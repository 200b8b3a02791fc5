//! What is asked of a policy wrongly, or with too little: refused or kept, with what to write instead.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::Sim;
use crate::harness::groups::{batch, storage};
use crate::harness::rules::{asked_policy, of_policies, rules_week, usual_policy};

const BATCH: &str = "amlnet.prod.BatchNodeManagement.eastus2.tcp-ip";
const STORAGE: &str = "amlnet.prod.Storage.eastus2.tcp-ip";

fn of_batch(range: std::ops::Range<usize>) -> BTreeSet<String> {
    range.map(batch).collect()
}

fn with(policy: Value, change: Value) -> Sim {
    let sim = Sim::with_policies(usual_policy("p"), json!({}));
    sim.ask_policies(&[asked_policy("p", policy)], change);
    sim
}

#[test]
fn a_spec_of_the_wrong_form_is_refused_with_what_to_write() {
    let outbound = |change: Value| json!({"spec": {"outbound": change}});
    let table = crate::harness::TABLE;
    for (policy, change, said) in [
        (json!({}), outbound(json!({"sourceAddresses": []})), "or leave firewallPolicies out"),
        (json!({}), outbound(json!({"sourceAddresses": ["20.1.0.0/24"]})), "write the range of the computes' subnet"),
        (json!({"priority": 99}), json!({}), "write at least 100"),
        (json!({"priority": null}), json!({}), "priority is missing"),
        (json!({"id": table}), json!({}), "is not the id of a firewall policy"),
        (json!({"addressing": "Tags"}), json!({}), "is not one of Auto, IpGroups, Prefixes"),
    ] {
        let sim = with(policy, change);
        for ran in [sim.plan(&[]), sim.apply(&[])] {
            let ran = ran.exits(1);
            assert!(ran.all().contains(said), "{said}: {}", ran.all());
        }
        assert!(sim.our_group("p").is_null(), "{said}");
    }
}

#[test]
fn what_the_documentation_and_the_document_do_not_have_is_said_and_nothing_is_written() {
    for (change, said) in [
        (json!({"profiles": ["Bse"]}), "did you mean Base?"),
        (json!({"edition": "2031-07"}), "there are 2023-01 and 2026-03"),
        (json!({"exclude": ["Strage"]}), "did you mean Storage"),
        (json!({"profiles": []}), "nothing of it can be written into a firewall policy"),
        (json!({"profiles": ["Hosts"]}), "write parameters: {storageAccount:"),
    ] {
        let sim = with(json!({}), json!({"spec": {"outbound": change}}));
        for ran in [sim.plan(&[]), sim.once(&[])] {
            let ran = ran.exits(3);
            assert!(ran.all().contains("blocked, Unresolved") && ran.all().contains(said), "{said}: {}", ran.all());
        }
        assert!(sim.our_group("p").is_null(), "{said}");
    }
}

#[test]
fn a_tag_that_left_the_document_keeps_its_rule_and_says_so() {
    let sim = with(json!({}), json!({}));
    sim.once(&[]).exits(0);
    sim.publish(&rules_week(2, 0..5, 0..3).without("Storage.EastUS2"));
    sim.once(&[]).exits(3).says(&["blocked, Unresolved", "Storage"]);
    assert_eq!(sim.destinations("p", STORAGE), (0..3).map(storage).collect());
    sim.publish(&rules_week(3, 0..5, 0..3).tag("Storage.EastUS2", "eastus2", ["2603:1030:40c:1::/64"]));
    sim.once(&[]).exits(3).says(&["blocked, Unresolved", "no IPv4 addresses"]);
    assert_eq!(sim.destinations("p", STORAGE), (0..3).map(storage).collect());
    sim.publish(&rules_week(4, 1..5, 1..3));
    sim.once(&[]).exits(0);
    assert_eq!((sim.destinations("p", BATCH), sim.destinations("p", STORAGE).len()), (of_batch(1..5), 2));
}

#[test]
fn ipv6_is_left_out_with_a_note() {
    let sim = with(json!({}), json!({"spec": {"ipFamilies": ["IPv4", "IPv6"]}}));
    let mixed = (0..3).map(storage).chain(["2603:1030:40c:1::/64".to_owned()]);
    sim.publish(&rules_week(2, 0..4, 0..3).tag("Storage.EastUS2", "eastus2", mixed));
    sim.once(&[]).exits(0).says(&["FirewallWithoutIPv6"]);
    assert_eq!(sim.destinations("p", STORAGE), (0..3).map(storage).collect());
}

#[test]
fn the_strictest_of_several_networks_decides_about_removals() {
    for (spec, said) in [
        (json!({"removal": {"holdFor": "42d"}}), "held, Hold"),
        (json!({"mode": "UpsertOnly"}), "default/second is in mode UpsertOnly"),
        (json!({"suspend": true}), "default/second is suspended"),
        (json!({"region": "nowhere"}), "it is not known what default/second needs"),
    ] {
        let sim = with(json!({}), json!({}));
        let second = |spec: Value| {
            let network = json!({"metadata": {"name": "second"}, "spec": spec});
            sim.objects("second.yaml", &[of_policies(&[asked_policy("p", json!({}))], network)])
        };
        second(json!({}));
        sim.once(&[]).exits(0);
        second(spec);
        sim.publish(&rules_week(2, 1..6, 0..3));
        sim.once(&[]).says(&[said]);
        assert_eq!(sim.destinations("p", BATCH), of_batch(0..6), "{said}");
    }
}

#[test]
fn a_budget_of_removals_is_spent_prefix_by_prefix() {
    let removal = json!({"removal": {"budget": {"max": 2, "percent": 100}}});
    let sim = with(json!({}), json!({"spec": removal}));
    crate::holds::at(&sim, "2026-01-05T12:00:00Z", 0);
    sim.publish(&rules_week(2, 3..5, 0..3));
    let target = crate::holds::at(&sim, "2026-01-06T12:00:00Z", 2);
    assert_eq!(crate::holds::held(&target), [("Budget".to_owned(), "2026-01-13T12:00:00Z".to_owned())]);
    assert_eq!(sim.destinations("p", BATCH), of_batch(2..5));
    crate::holds::at(&sim, "2026-01-13T12:00:00Z", 0);
    assert_eq!(sim.destinations("p", BATCH), of_batch(3..5));
}

#[test]
fn read_only_writes_nothing() {
    let sim = with(json!({}), json!({}));
    sim.once(&["--read-only"]).exits(2);
    assert!(sim.our_group("p").is_null());
    sim.once(&[]).exits(0);
    assert_eq!(sim.rules("p").len(), 10);
}
