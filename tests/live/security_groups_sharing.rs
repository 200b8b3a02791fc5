//! Several Networks on one network security group: their sources together, their priorities agreed, and nobody's
//! mode or mistake opening more than was asked for.

use serde_json::{Value, json};

use crate::harness::Sim;
use crate::harness::security::{asked, assert_rules_clean, by_prefixes, nsg, of_nsgs, one_rule, rules_week};

const ML_RULE: &str = "amlnet.prod.out.additional.ml-region.eastus2.tcp-ip";

/// Writes a network with one rule of prefixes for this source.
fn ask(sim: &Sim, name: &str, source: &str, change: Value) {
    let groups = [asked("nsg-ml", json!({}))];
    let of_source = json!({"metadata": {"name": name}, "spec": {"outbound": {"sourceAddresses": [source]}}});
    let mut network = of_nsgs(&groups, one_rule(of_source));
    crate::harness::merge(&mut network, &change);
    sim.objects(&format!("{name}.yaml"), &[network]);
}

fn two() -> Sim {
    let sim = Sim::with_nsg(&[]);
    sim.usual(json!({}));
    ask(&sim, "ml", "10.1.0.0/24", json!({}));
    ask(&sim, "second", "10.2.0.0/24", json!({}));
    sim
}

fn sources(sim: &Sim) -> Vec<String> {
    sim.our_rules("nsg-ml").remove(ML_RULE).map(|rule| rule.source_addresses).unwrap_or_default()
}

#[test]
fn security_groups_sharing_unites_the_sources() {
    let sim = two();
    sim.once(&[]).exits(0);
    assert_eq!((sim.our_rules("nsg-ml").len(), sources(&sim)), (1, vec!["10.1.0.0/24".into(), "10.2.0.0/24".into()]));
    sim.assert_nothing_to_do("afterwards");
    for name in ["ml", "second"] {
        assert_eq!(sim.status(name)["targets"][0]["state"], "InSync", "{name}");
    }
    // One takes the group out of its spec: what is its own stays until a person decides, as everywhere.
    let lists = json!([{"name": "all", "format": "Plain"}]);
    let gone = json!({"spec": {"networkSecurityGroups": null, "outbound": {"lists": lists}}});
    ask(&sim, "second", "10.2.0.0/24", gone);
    let (ran, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]).exits(0));
    assert_eq!((sources(&sim).len(), cost.writes()), (2, 0), "{}", ran.all());
    assert_eq!(sim.status("second")["orphanedTargets"][0]["entries"], 1, "{}", sim.status("second"));
    sim.publish_rules(&rules_week(3, 1..6));
    sim.once(&[]).exits(0);
    assert_eq!((sources(&sim).len(), sim.far().len()), (2, 5));
    sim.approve("second", &sim.waiting()[0]);
    sim.once(&[]).exits(0);
    assert_eq!(sources(&sim), ["10.1.0.0/24"]);
    sim.assert_nothing_to_do("at the end");
    assert_rules_clean(&sim.security_states(&nsg()));
}

#[test]
fn security_groups_sharing_with_different_ranges_blocks() {
    let sim = two();
    sim.once(&[]).exits(0);
    let before = sim.shown_rules();
    let other = [asked("nsg-ml", json!({"priorityRange": {"from": 3000, "to": 3099}}))];
    ask(&sim, "second", "10.2.0.0/24", json!({"spec": {"networkSecurityGroups": other}}));
    sim.publish_rules(&rules_week(3, 0..9));
    for ran in [sim.plan(&["--state", "state"]), sim.once(&[])] {
        ran.exits(3).says(&[
            "blocked, Conflict",
            "default/ml wants 2000 to 2099",
            "default/second wants 3000 to 3099",
            "make them agree about priorityRange",
        ]);
    }
    assert_eq!(sim.shown_rules(), before);
    ask(&sim, "second", "10.2.0.0/24", json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(sim.far().len(), 9);
}

#[test]
fn security_groups_sharing_with_a_network_in_observe_gives_it_nothing() {
    let sim = two();
    ask(&sim, "second", "10.2.0.0/24", json!({"spec": {"mode": "Observe"}}));
    sim.once(&[]).exits(2).says(&["held, Mode", "10.2.0.0/24"]);
    assert_eq!(sources(&sim), ["10.1.0.0/24"]);
    // What both want comes all the same.
    sim.publish_rules(&rules_week(3, 0..6));
    sim.once(&[]).exits(2);
    assert_eq!((sim.far().len(), sources(&sim)), (6, vec!["10.1.0.0/24".to_owned()]));
    ask(&sim, "second", "10.2.0.0/24", json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(sources(&sim).len(), 2);
    // Back in Observe it keeps what it has.
    ask(&sim, "second", "10.2.0.0/24", json!({"spec": {"mode": "Observe"}}));
    sim.once(&[]).exits(0);
    assert_eq!(sources(&sim).len(), 2);
    assert_rules_clean(&sim.security_states(&nsg()));
}

#[test]
fn security_groups_sharing_with_a_network_in_observe_whose_rule_nobody_else_wants() {
    let sim = two();
    let mut own = by_prefixes();
    own["name"] = json!("own");
    let additional = json!({"spec": {"mode": "Observe", "outbound": {"additional": [own]}}});
    ask(&sim, "second", "10.2.0.0/24", additional);
    sim.once(&[]).exits(2).says(&["held, Mode"]);
    assert_eq!(sim.shown_rules().into_keys().collect::<Vec<_>>(), [ML_RULE]);
}

#[test]
fn security_groups_sharing_that_asks_for_one_rule_with_different_ports_is_a_conflict() {
    let sim = two();
    let mut other = by_prefixes();
    other["ports"] = json!([{"protocol": "TCP", "port": 8443}]);
    ask(&sim, "second", "10.2.0.0/24", json!({"spec": {"outbound": {"additional": [other]}}}));
    let ran = sim.once(&[]).exits(3);
    ran.says(&["default/ml and default/second ask for the rule with different", "names of their own"]);
    assert_eq!(sim.our_rules("nsg-ml").len(), 0, "together they would open more than each asks for");
    ask(&sim, "second", "10.2.0.0/24", json!({}));
    sim.once(&[]).exits(0);
    ask(
        &sim,
        "second",
        "10.2.0.0/24",
        json!({"spec": {"outbound": {"additional": [by_prefixes(), {
        "name": "more", "serviceTag": "Storage", "ports": [{"protocol": "TCP", "port": 443}]}]}}}),
    );
    sim.once(&[]).exits(0);
    let rules = sim.our_rules("nsg-ml");
    assert_eq!(rules["amlnet.prod.out.additional.more.tcp"].source_addresses, ["10.2.0.0/24"], "not the other's");
}

#[test]
fn security_groups_sharing_with_one_that_cannot_be_resolved_removes_nothing() {
    let sim = two();
    sim.once(&[]).exits(0);
    ask(&sim, "second", "10.2.0.0/24", json!({"spec": {"outbound": {"edition": "1999-01"}}}));
    sim.publish_rules(&rules_week(3, 2..6));
    let ran = sim.once(&[]).exits(3);
    ran.says(&["1999-01"]);
    assert_eq!((sim.far().len(), sources(&sim).len()), (6, 2), "what is new comes, what is old stays");
    ask(&sim, "second", "10.2.0.0/24", json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(sim.far().len(), 4);
}

#[test]
fn security_groups_sharing_with_and_without_sources_are_two_rules() {
    let sim = two();
    ask(&sim, "second", "10.2.0.0/24", json!({"spec": {"outbound": {"sourceAddresses": null}}}));
    sim.once(&[]).exits(0);
    let near: Vec<Vec<String>> = sim.our_rules("nsg-ml").into_values().map(|rule| rule.source_addresses).collect();
    assert_eq!(near, [["10.1.0.0/24"], ["VirtualNetwork"]]);
}
