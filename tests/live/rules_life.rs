//! Rules in firewall policies in each mode, and when a Network goes; policies of every tier, and in other places.

use serde_json::{Value, json};

use crate::harness::Sim;
use crate::harness::groups::{batch, policy_id};
use crate::harness::rules::{
    NO_OP, OURS, asked_policy, assert_rules_clean, bare_policy, firewall_of, foreign_group, group_in, rules_week,
    usual_policy,
};

const BATCH: &str = "amlnet.prod.BatchNodeManagement.eastus2.tcp-ip";

fn ask(sim: &Sim, change: Value) {
    sim.ask_policies(&[asked_policy("p", json!({}))], change);
}

fn with(change: Value) -> Sim {
    let sim = Sim::with_policies(usual_policy("p"), json!({}));
    ask(&sim, change);
    sim
}

fn of_batch(range: std::ops::Range<usize>) -> std::collections::BTreeSet<String> {
    range.map(batch).collect()
}

#[test]
fn observe_shows_everything_and_writes_nothing() {
    let sim = with(json!({"spec": {"mode": "Observe"}}));
    for _ in 0..2 {
        let (ran, cost) = sim.policy_cost("p", || sim.once(&["-o", "json"]).exits(2).json());
        let held = ran["targets"][0]["held"].as_array().unwrap();
        assert!(held.len() == 54 && held.iter().all(|held| held["reason"] == "Mode"), "{}", held.len());
        assert_eq!((cost.put, cost.other_writes), (0, 0));
    }
    assert!(sim.our_group("p").is_null());
    assert_eq!(sim.policy_status("ml", "p")["held"], 54);
}

#[test]
fn upsert_only_adds_and_never_removes() {
    let sim = with(json!({"spec": {"mode": "UpsertOnly"}}));
    sim.once(&[]).exits(0);
    sim.publish(&rules_week(2, 1..6, 0..3));
    sim.once(&[]).exits(2).says(&["held, Mode"]);
    assert_eq!(sim.destinations("p", BATCH), of_batch(0..6));
}

#[test]
fn suspended_nothing_is_written_and_then_all_at_once() {
    let sim = with(json!({}));
    sim.once(&[]).exits(0);
    sim.publish(&rules_week(2, 1..6, 0..3));
    ask(&sim, json!({"spec": {"suspend": true}}));
    let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(2));
    assert_eq!((cost.put, sim.destinations("p", BATCH)), (0, of_batch(0..4)));
    ask(&sim, json!({}));
    let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
    assert_eq!((cost.put, sim.destinations("p", BATCH)), (1, of_batch(1..6)));
}

#[test]
fn who_retains_leaves_the_group_and_who_deletes_takes_it_whole() {
    for (policy, is_left) in [("Retain", true), ("Delete", false)] {
        let sim = with(json!({"spec": {"deletionPolicy": policy}}));
        sim.once(&[]).exits(0);
        let theirs = [group_in(&policy_id("p"), "theirs")];
        let before = sim.foreign(&theirs);
        std::fs::remove_file(sim.path("dir/ml.yaml")).unwrap();
        let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
        assert_eq!((cost.put, cost.delete, cost.other_writes), (0, usize::from(!is_left), 0), "{policy}");
        crate::harness::wait_until("the end of the operation", || sim.our_group("p").is_null() != is_left);
        assert_eq!(sim.foreign(&theirs), before, "{policy}");
        let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
        assert_eq!((cost.put, cost.delete, cost.other_writes), (0, 0, 0), "{policy}: nothing is left to do");
    }
}

#[test]
fn who_deletes_on_a_shared_policy_takes_its_own_along() {
    let sim = with(json!({}));
    let spec = json!({"deletionPolicy": "Delete", "outbound": {"profiles": ["RStudio"]}});
    let second = crate::harness::rules::of_policies(
        &[asked_policy("p", json!({}))],
        json!({"metadata": {"name": "second"}, "spec": spec}),
    );
    sim.objects("second.yaml", &[second]);
    sim.once(&[]).exits(0);
    assert_eq!(sim.rules("p").len(), 11);
    std::fs::remove_file(sim.path("dir/second.yaml")).unwrap();
    let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
    assert_eq!((cost.put, cost.delete), (1, 0));
    assert!(sim.rules("p").len() == 10 && !sim.rules("p").contains_key("AllowRStudioInstall"));
    assert_rules_clean(&sim.rule_states("p"), of_batch(0..4), &[]);
}

#[test]
fn a_spec_that_names_another_policy_fills_it_and_leaves_the_first_to_a_person() {
    let resources = [usual_policy("p"), usual_policy("q")].concat();
    let sim = Sim::with_policies(resources, json!({}));
    ask(&sim, json!({}));
    sim.once(&[]).exits(0);
    sim.ask_policies(&[asked_policy("q", json!({}))], json!({}));
    sim.once(&[]).exits(0).says(&["held, Approval", "default/ml left it behind"]);
    assert_eq!((sim.rules("p").len(), sim.rules("q").len()), (10, 10), "what goes waits, what comes does not");
    let hashes = sim.waiting();
    assert_eq!(hashes.len(), 1);
    sim.approve("ml", &hashes[0]);
    sim.once(&[]).exits(0);
    assert!(sim.our_group("p").is_null(), "nobody needs any of it");
    assert_eq!(sim.rules("q").len(), 10);
}

#[test]
fn every_tier_and_every_place_takes_the_rules() {
    let elsewhere = |id: String| {
        id.replace("0b1f6471-1bf0-4dda-aec3-cb9272f09590", "22222222-2222-4222-8222-222222222222")
            .replace("rg-ml", "rg-hub")
    };
    for tier in ["Basic", "Standard", "Premium"] {
        let mut policy = bare_policy("p", json!({"properties": {"sku": {"tier": tier}}, "location": "westeurope"}));
        let mut firewall = firewall_of("p", json!({"properties": {"sku": {"tier": tier}}, "location": "westeurope"}));
        let mut theirs = foreign_group("p", "theirs", 400);
        let id = elsewhere(policy_id("p"));
        policy["id"] = json!(id);
        theirs["id"] = json!(elsewhere(group_in(&policy_id("p"), "theirs")));
        firewall["properties"]["firewallPolicy"]["id"] = json!(id);
        let sim = Sim::with_policies(vec![policy, firewall, theirs], json!({}));
        let asked = json!({"id": id.to_uppercase().replace("/SUBSCRIPTIONS/", "/subscriptions/"), "priority": 1200, "addressing": "Auto"});
        // The id as somebody typed it: Azure compares without case.
        let asked = if tier == "Premium" { asked } else { json!({"id": id, "priority": 1200}) };
        sim.ask_policies(&[asked], json!({"spec": {"outbound": {"profiles": ["Base", "RStudio"]}}}));
        sim.once(&[]).exits(0);
        let group = sim.resource(&group_in(&id, OURS));
        let collections = group["properties"]["ruleCollections"].as_array().unwrap();
        let count = |at: usize| collections[at]["rules"].as_array().unwrap().len();
        assert_eq!((count(0), count(1)), (10, 1), "{tier}: {group}");
        let from = sim.log().len();
        sim.once(&[]).exits(0);
        let cost = crate::harness::rules::Cost::of(&sim.log()[from..], &id);
        assert_eq!(cost, NO_OP, "{tier}");
    }
}
