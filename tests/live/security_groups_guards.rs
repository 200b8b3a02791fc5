//! What keeps rules and their prefixes in a network security group: holds, budgets, people, modes, and how a Network
//! leaves.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Value, json};

use crate::harness::security::{assert_rules_clean, assert_rules_kept, nsg, one_rule, rules_week};
use crate::harness::{Sim, east, merge};
use crate::holds::{at, held};

fn of_ml(range: Range<usize>) -> BTreeSet<String> {
    range.map(east).collect()
}

fn ask(sim: &Sim, spec: Value) {
    sim.ask_nsg(one_rule(json!({"spec": spec})));
}

/// One rule with four prefixes, on 5 January.
fn with(spec: Value) -> Sim {
    let sim = Sim::with_nsg(&[]);
    ask(&sim, spec);
    at(&sim, "2026-01-05T12:00:00Z", 0);
    sim
}

#[test]
fn security_groups_guards_hold_a_prefix_until_its_time() {
    let sim = with(json!({"removal": {"holdFor": "42d"}}));
    sim.publish_rules(&rules_week(3, 1..6));
    let until = "2026-02-17T12:00:00Z";
    for now in ["2026-01-06T12:00:00Z", "2026-02-17T11:59:59Z"] {
        let target = at(&sim, now, 0);
        assert_eq!(held(&target), [("Hold".to_owned(), until.to_owned())], "{now}");
        assert_eq!(sim.far(), of_ml(0..6), "what is new comes, what is old stays");
    }
    let retiring = format!("amlnet.prod.out.additional.ml-region.eastus2.tcp-ip with {}", east(0));
    assert_eq!(sim.status("ml")["retiring"][0]["prefix"], retiring);
    at(&sim, until, 0);
    assert_eq!(sim.far(), of_ml(1..6));
    assert_rules_clean(&sim.security_states(&nsg()));
}

#[test]
fn security_groups_guards_hold_what_comes_back_silently() {
    let sim = with(json!({"removal": {"holdFor": "42d"}}));
    sim.publish_rules(&rules_week(3, 1..4));
    at(&sim, "2026-01-06T12:00:00Z", 0);
    sim.publish_rules(&rules_week(4, 0..4));
    let (target, cost) = sim.nsg_cost("nsg-ml", || at(&sim, "2026-01-13T12:00:00Z", 0));
    assert_eq!((held(&target).len(), cost.writes(), sim.far()), (0, 0, of_ml(0..4)));
}

#[test]
fn security_groups_guards_count_a_budget_by_prefix() {
    let sim = with(json!({"removal": {"budget": {"max": 1, "percent": 100}}}));
    sim.publish_rules(&rules_week(3, 2..4));
    let target = at(&sim, "2026-01-06T12:00:00Z", 2);
    assert_eq!(held(&target), [("Budget".to_owned(), "2026-01-13T12:00:00Z".to_owned())]);
    assert_eq!(sim.far().len(), 3);
    at(&sim, "2026-01-13T12:00:00Z", 0);
    assert_eq!(sim.far(), of_ml(2..4));
}

#[test]
fn security_groups_guards_wait_for_a_person_who_names_the_hash() {
    let sim = with(json!({"removal": {"approval": "Always"}}));
    sim.publish_rules(&rules_week(3, 2..6));
    sim.once(&[]).exits(3).says(&["held, Approval", "amlnet approve default/ml"]);
    assert_eq!(sim.far(), of_ml(0..6), "what is new does not wait for the person");
    let hash = sim.waiting().remove(0);
    sim.approve("ml", &hash);
    let (_, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]).exits(0));
    assert_eq!((cost.writes(), sim.far()), (1, of_ml(2..6)));
    let lines = crate::harness::told::lines(&sim);
    assert_eq!(lines.last().unwrap()["approvals"].as_array().unwrap().len(), 1, "{lines:?}");
}

#[test]
fn security_groups_guards_wait_for_a_person_before_a_rule_goes() {
    let sim = with(json!({"removal": {"approval": "Always"}}));
    let renamed = |name: &str| {
        json!({"removal": {"approval": "Always"}, "outbound": {"additional": [{"name": name,
        "serviceTag": "Storage", "ports": [{"protocol": "TCP", "port": 443}]}]}})
    };
    ask(&sim, renamed("other"));
    sim.once(&[]).exits(3).says(&["held, Approval"]);
    assert_eq!(sim.our_rules("nsg-ml").len(), 2, "the new one stands, the old one too");
    let hash = sim.waiting().remove(0);
    sim.approve("ml", &hash);
    sim.once(&[]).exits(0);
    assert_eq!(sim.our_rules("nsg-ml").into_keys().collect::<Vec<_>>(), ["amlnet.prod.out.additional.other.tcp"]);
    sim.assert_nothing_to_do("afterwards");
}

#[test]
fn security_groups_guards_let_modes_write_what_they_may() {
    for (what, change, flags, members, writes) in [
        ("UpsertOnly", json!({"mode": "UpsertOnly"}), &[][..], of_ml(0..6), 1),
        ("Observe", json!({"mode": "Observe"}), &[][..], of_ml(0..4), 0),
        ("suspended", json!({"suspend": true}), &[][..], of_ml(0..4), 0),
        ("read-only", json!({}), &["--read-only"][..], of_ml(0..4), 0),
    ] {
        let sim = with(json!({}));
        ask(&sim, change);
        sim.publish_rules(&rules_week(3, 1..6));
        let (ran, cost) = sim.nsg_cost("nsg-ml", || sim.once(flags).exits(2));
        ran.says(&["held, Mode"]);
        assert_eq!((sim.far(), cost.writes()), (members, writes), "{what}");
        ask(&sim, json!({}));
        sim.once(&[]).exits(0);
        assert_eq!(sim.far(), of_ml(1..6), "{what}: and afterwards");
        assert_rules_clean(&sim.security_states(&nsg()));
    }
}

#[test]
fn security_groups_guards_in_observe_show_what_would_stand() {
    let sim = Sim::with_nsg(&[]);
    sim.ask_nsg(json!({"spec": {"mode": "Observe"}}));
    let plan = sim.once(&["-o", "json"]).exits(2).json();
    assert!(plan["summary"]["held"].as_u64().unwrap() >= 36, "{plan}");
    assert_eq!(sim.security_states(&nsg()).len(), 1);
    // A range that has no room is told before anybody turns it on.
    let narrow = crate::harness::security::asked("nsg-ml", json!({"priorityRange": {"from": 2000, "to": 2003}}));
    sim.ask_nsgs(&[narrow], json!({"spec": {"mode": "Observe"}}));
    sim.once(&[]).exits(3).says(&["12 outbound rules do not fit into the priorities 2000 to 2003"]);
}

#[test]
fn security_groups_guards_without_memory_remove_nothing() {
    let sim = with(json!({}));
    sim.publish_rules(&rules_week(3, 1..6));
    sim.apply(&[]).exits(0).says(&["held, Hold"]);
    assert_eq!(sim.far(), of_ml(0..6));
    std::fs::remove_dir_all(sim.state()).unwrap();
    ask(&sim, json!({"removal": {"holdFor": "42d", "approval": "Always"}}));
    sim.once(&[]).says(&["held, Hold"]);
    assert_eq!(sim.far(), of_ml(0..6));
}

#[test]
fn security_groups_guards_freeze_removals_while_an_object_cannot_be_read() {
    let sim = with(json!({}));
    let broken = "apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nmetadata: {name: x}\nspec: {mode: never}\n";
    sim.write("dir/broken.yaml", broken);
    sim.publish_rules(&rules_week(3, 1..6));
    sim.once(&[]).exits(3).says(&["held, Hold"]);
    assert_eq!(sim.far(), of_ml(0..6));
    std::fs::remove_file(sim.path("dir/broken.yaml")).unwrap();
    sim.once(&[]).exits(0);
    assert_eq!(sim.far(), of_ml(1..6));
}

#[test]
fn security_groups_guards_only_warn_of_growth() {
    let sim = with(json!({"growth": {"perService": 1, "total": 1}}));
    sim.publish_rules(&rules_week(3, 0..9));
    sim.once(&[]).exits(0).says(&["GrowthHigh", "5 prefixes that the last applied document did not need"]);
    assert_eq!(sim.far(), of_ml(0..9));
}

#[test]
fn security_groups_guards_leave_what_a_deleted_network_says() {
    for (policy, mode, left) in
        [("Retain", "Sync", 13), ("Delete", "Sync", 0), ("Delete", "UpsertOnly", 0), ("Delete", "Observe", 13)]
    {
        let sim = Sim::with_nsg(&[crate::harness::security::of_others("theirs", 2005, json!({}))]);
        let groups = [crate::harness::security::asked("nsg-ml", json!({"directions": ["Outbound", "Inbound"]}))];
        let mut spec = json!({"spec": {"deletionPolicy": policy}});
        sim.ask_nsgs(&groups, spec.clone());
        sim.once(&[]).exits(0);
        merge(&mut spec, &json!({"spec": {"mode": mode}}));
        sim.ask_nsgs(&groups, spec);
        sim.once(&[]).exits(0);
        std::fs::remove_file(sim.path("dir/ml.yaml")).unwrap();
        let ran = sim.once(&[]).exits(0);
        assert_eq!(sim.our_rules("nsg-ml").len(), left, "{policy}, {mode}: {}", ran.all());
        sim.once(&[]).exits(0);
        assert_eq!(sim.our_rules("nsg-ml").len(), left, "{policy}, {mode}");
        let last = sim.security_states(&nsg()).pop().unwrap();
        assert!(last.entries.iter().any(|rule| rule.name == "theirs"));
        assert_rules_kept(&sim.security_states(&nsg()), &BTreeSet::new());
    }
}

#[test]
fn security_groups_guards_leave_what_others_still_need_of_a_deleted_network() {
    let sim = with(json!({}));
    let second = |change: Value| {
        let mut all = one_rule(json!({"metadata": {"name": "second"}, "spec": {"deletionPolicy": "Delete",
            "outbound": {"sourceAddresses": ["10.2.0.0/24"]}}}));
        merge(&mut all, &change);
        crate::harness::security::of_nsgs(&[crate::harness::security::asked("nsg-ml", json!({}))], all)
    };
    let path = sim.objects("second.yaml", &[second(json!({}))]);
    sim.once(&[]).exits(0);
    let sources = |sim: &Sim| sim.our_rules("nsg-ml").into_values().next().unwrap().source_addresses;
    assert_eq!(sources(&sim), ["10.1.0.0/24", "10.2.0.0/24"]);
    std::fs::remove_file(path).unwrap();
    sim.once(&[]).exits(0);
    assert_eq!((sources(&sim), sim.far()), (vec!["10.1.0.0/24".to_owned()], of_ml(0..4)));
    assert_rules_clean(&sim.security_states(&nsg()));
}

#[test]
fn security_groups_guards_hold_scopes_for_groups_tags_and_sources() {
    const SUBSCRIPTION: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590";
    let other = crate::harness::security::nsg_id("other");
    for (what, entry, said) in [
        ("a group", json!({"resourceIds": [other]}), "spec.networkSecurityGroups[0].id"),
        ("a tag", json!({"serviceTags": ["Storage"]}), "AzureMachineLearning"),
        ("a source", json!({"sourceRanges": ["10.2.0.0/16"]}), "spec.outbound.sourceAddresses[0]"),
    ] {
        let sim = Sim::with_nsg(&[]);
        let mut scope = json!({"namespaces": ["default"], "resourceIds": [SUBSCRIPTION],
            "serviceTags": ["AzureMachineLearning"], "sourceRanges": ["10.1.0.0/16"]});
        ask(&sim, json!({}));
        let flags = ["--scopes", "scopes.yaml"];
        sim.write("scopes.yaml", json!({"scopes": [scope.clone()]}).to_string());
        sim.plan(&flags).exits(2);
        let asked = sim.log_of(armsim::model::log::Server::Arm).len();
        merge(&mut scope, &entry);
        sim.write("scopes.yaml", json!({"scopes": [scope]}).to_string());
        for ran in [sim.plan(&flags), sim.once(&flags)] {
            let ran = ran.exits(3);
            assert!(ran.all().contains(said) && ran.all().contains("OutOfScope"), "{what}: {}", ran.all());
        }
        assert_eq!(sim.log_of(armsim::model::log::Server::Arm).len(), asked, "{what}: refused before any call");
    }
}
