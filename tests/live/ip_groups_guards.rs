//! What keeps addresses in an IP group: holds, budgets, people, modes and what is not known.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::groups::{
    asked, assert_group_clean, batch, group_id, group_writes, groups_week, marked, of_groups, storage,
};
use crate::harness::{Sim, merge};
use crate::holds::{at, held};

fn of_batch(range: std::ops::Range<usize>) -> BTreeSet<String> {
    range.map(batch).collect()
}

/// One group with week 1 in it, on 5 January.
fn with(spec: Value) -> Sim {
    let sim = Sim::with_groups(vec![]);
    ask(&sim, spec);
    at(&sim, "2026-01-05T12:00:00Z", 0);
    sim
}

fn ask(sim: &Sim, spec: Value) {
    sim.ask_groups(&[asked("batch", "BatchNodeManagement")], json!({"spec": spec}));
}

#[test]
fn an_address_goes_when_its_hold_is_over_and_comes_with_others() {
    let sim = with(json!({"removal": {"holdFor": "42d"}}));
    sim.publish(&groups_week(2, 1..6, 0..3));
    let until = "2026-02-17T12:00:00Z";
    for now in ["2026-01-06T12:00:00Z", "2026-02-17T11:59:59Z"] {
        let target = at(&sim, now, 0);
        assert_eq!(held(&target), [("Hold".to_owned(), until.to_owned())], "{now}");
        assert_eq!(sim.members("batch"), of_batch(0..6), "what is new comes, what is old stays");
    }
    assert_eq!(sim.status("ml")["retiring"][0]["prefix"], batch(0));
    at(&sim, until, 0);
    assert_eq!(sim.members("batch"), of_batch(1..6));
    assert_group_clean(&sim.group_states("batch"), of_batch(1..4), &[]);
}

#[test]
fn the_budget_is_counted_by_address_not_by_write() {
    let sim = with(json!({"removal": {"budget": {"max": 1, "percent": 100}}}));
    sim.publish(&groups_week(2, 2..4, 0..3));
    let target = at(&sim, "2026-01-06T12:00:00Z", 2);
    assert_eq!(held(&target), [("Budget".to_owned(), "2026-01-13T12:00:00Z".to_owned())]);
    assert_eq!(sim.members("batch").len(), 3);
    at(&sim, "2026-01-13T12:00:00Z", 0);
    assert_eq!(sim.members("batch"), of_batch(2..4));
}

#[test]
fn a_person_approves_by_hash_what_one_write_then_does() {
    let sim = with(json!({"removal": {"approval": "Always"}}));
    sim.publish(&groups_week(2, 2..6, 0..3));
    sim.once(&[]).exits(3).says(&["held, Approval", "amlnet approve default/ml"]);
    assert_eq!(sim.members("batch"), of_batch(0..6), "what is new does not wait for the person");
    let hash = sim.waiting().remove(0);
    sim.approve("ml", &hash);
    let (_, cost) = sim.group_cost("batch", || sim.once(&[]).exits(0));
    assert_eq!((cost.1, sim.members("batch")), (1, of_batch(2..6)));
    let lines = crate::harness::told::lines(&sim);
    assert_eq!(lines.last().unwrap()["approvals"].as_array().unwrap().len(), 1, "{lines:?}");
}

#[test]
fn modes_suspension_and_read_only_write_what_they_may() {
    for (what, change, flags, members, code) in [
        ("UpsertOnly", json!({"mode": "UpsertOnly"}), &[][..], of_batch(0..6), 2),
        ("Observe", json!({"mode": "Observe"}), &[][..], of_batch(0..4), 2),
        ("suspended", json!({"suspend": true}), &[][..], of_batch(0..4), 2),
        ("read-only", json!({}), &["--read-only"][..], of_batch(0..4), 2),
    ] {
        let sim = with(json!({}));
        ask(&sim, change);
        sim.publish(&groups_week(2, 1..6, 0..3));
        let before = group_writes(&sim.log());
        let ran = sim.once(flags).exits(code);
        ran.says(&["held, Mode"]);
        assert_eq!(sim.members("batch"), members, "{what}");
        assert_eq!(group_writes(&sim.log()) - before, usize::from(what == "UpsertOnly"), "{what}");
        ask(&sim, json!({}));
        sim.once(&[]).exits(0);
        assert_eq!(sim.members("batch"), of_batch(1..6), "{what}: and afterwards");
    }
}

#[test]
fn in_mode_observe_nothing_is_created_or_taken_over() {
    let sim = Sim::with_groups(vec![crate::harness::groups::group("storage", &[], json!({}))]);
    let groups = [asked("batch", "BatchNodeManagement"), asked("storage", "Storage")];
    sim.ask_groups(&groups, json!({"spec": {"mode": "Observe"}}));
    let plan = sim.once(&["-o", "json"]).exits(2).json();
    assert_eq!(plan["summary"]["held"], 7, "{plan}");
    assert_eq!(group_writes(&sim.log()), 0);
    assert!(sim.resource(&group_id("batch")).is_null());
    assert!(sim.resource(&group_id("storage"))["tags"].is_null(), "it bears no mark yet");
}

#[test]
fn an_object_that_cannot_be_read_freezes_removals() {
    let sim = with(json!({}));
    sim.write(
        "dir/broken.yaml",
        "apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nmetadata: {name: x}\nspec: {mode: never}\n",
    );
    sim.publish(&groups_week(2, 1..6, 0..3));
    sim.once(&[]).exits(3).says(&["held, Hold"]);
    assert_eq!(sim.members("batch"), of_batch(0..6));
    std::fs::remove_file(sim.path("dir/broken.yaml")).unwrap();
    sim.once(&[]).exits(0);
    assert_eq!(sim.members("batch"), of_batch(1..6));
}

#[test]
fn without_memory_nothing_is_removed() {
    let sim = with(json!({}));
    sim.publish(&groups_week(2, 1..6, 0..3));
    sim.apply(&[]).exits(0).says(&["held, Hold"]);
    assert_eq!(sim.members("batch"), of_batch(0..6));
    // Lost: what stands there and nobody needs has no reason that is known.
    std::fs::remove_dir_all(sim.state()).unwrap();
    ask(&sim, json!({"removal": {"holdFor": "42d", "approval": "Always"}}));
    sim.once(&[]).says(&["held, Hold"]);
    assert_eq!(sim.members("batch"), of_batch(0..6));
}

#[test]
fn growth_is_only_warned_of() {
    let sim = with(json!({"growth": {"perService": 1, "total": 1}}));
    sim.publish(&groups_week(2, 0..9, 0..3));
    sim.once(&[]).exits(0).says(&["GrowthHigh", "5 prefixes that the last applied document did not need"]);
    assert_eq!(sim.members("batch"), of_batch(0..9));
}

#[test]
fn a_deleted_network_leaves_the_group_as_its_policy_says_and_never_empty() {
    for policy in ["Retain", "Delete"] {
        let sim = with(json!({"deletionPolicy": policy}));
        let second = json!({"metadata": {"name": "second"}, "spec": {"deletionPolicy": policy}});
        let second = sim.objects("second.yaml", &[of_groups(&[asked("batch", "Storage")], second)]);
        sim.once(&[]).exits(0);
        assert_eq!(sim.members("batch").len(), 7);
        std::fs::remove_file(second).unwrap();
        let ran = sim.once(&[]);
        if policy == "Delete" {
            assert_eq!(sim.members("batch"), of_batch(0..4), "{}", ran.all());
        } else {
            assert_eq!(sim.members("batch").len(), 7, "{}", ran.all());
            ran.says(&["default/second left it behind"]);
        }
        let before = sim.members("batch");
        // The last one goes.
        std::fs::remove_file(sim.path("dir/ml.yaml")).unwrap();
        let ran = sim.once(&[]);
        assert_eq!(sim.members("batch"), before, "{policy}: {}", ran.all());
        if policy == "Delete" {
            ran.says(&["an empty group is never written", "Take the group out of the rules and delete it"]);
        }
        assert_group_clean(&sim.group_states("batch"), of_batch(0..4), &[]);
    }
}

#[test]
fn what_nobody_needs_any_more_and_would_leave_nothing_stays() {
    let sim = Sim::with_groups(vec![]);
    sim.ask_groups(&[asked("shared", "BatchNodeManagement")], json!({}));
    sim.once(&[]).exits(0);
    // Another requirement for the same group: what is new comes in the write that takes the old away.
    sim.ask_groups(&[asked("shared", "Storage")], json!({}));
    sim.once(&[]);
    let all: BTreeSet<String> = (0..3).map(storage).collect();
    assert!(sim.members("shared").is_superset(&all));
    assert_group_clean(&sim.group_states("shared"), [] as [&str; 0], &[]);
}

#[test]
fn addresses_that_people_add_are_held_and_those_they_take_come_back() {
    let sim = with(json!({"removal": {"holdFor": "42d"}}));
    let (one, two) = (batch(1), batch(2));
    // One is missing; a single address, a range and a prefix are not ours to need.
    sim.put(marked("batch", &[&batch(0), &one, &two, "10.1.2.3", "10.9.0.1-10.9.0.9", "10.8.0.0/16"]));
    let target = at(&sim, "2026-01-06T12:00:00Z", 0);
    let reasons: Vec<String> = held(&target).into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(reasons, ["Hold"; 3], "{target}");
    let mut members = sim.members("batch");
    for by_hand in ["10.9.0.1-10.9.0.9", "10.8.0.0/16"] {
        assert!(members.remove(by_hand), "{by_hand}: {members:?}");
    }
    assert!(members.remove("10.1.2.3") || members.remove("10.1.2.3/32"), "{members:?}");
    assert_eq!(members, of_batch(0..4), "what was taken out came back");
    let (_, cost) = sim.group_cost("batch", || at(&sim, "2026-01-07T12:00:00Z", 0));
    assert_eq!(cost, (1, 0, 0), "and then there is nothing to do");
    at(&sim, "2026-02-17T12:00:00Z", 0);
    assert_eq!(sim.members("batch"), of_batch(0..4), "their hold is over");
}

#[test]
fn scopes_hold_for_groups() {
    const SUBSCRIPTION: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590";
    for (what, entry, said) in [
        ("a group", json!({"resourceIds": [group_id("other")]}), "spec.outbound.ipGroups[0].id"),
        ("a tag", json!({"serviceTags": ["Storage"]}), "BatchNodeManagement is outside"),
        ("a source", json!({"sourceRanges": ["10.2.0.0/16"]}), "spec.outbound.sourceAddresses[0]"),
    ] {
        let sim = Sim::with_groups(vec![]);
        let mut scope = json!({"namespaces": ["default"], "resourceIds": [SUBSCRIPTION],
            "serviceTags": ["BatchNodeManagement"], "sourceRanges": ["10.1.0.0/16"]});
        sim.ask_groups(
            &[asked("batch", "BatchNodeManagement")],
            json!({"spec": {"outbound": {"sourceAddresses": ["10.1.4.0/24"]}}}),
        );
        let flags = ["--scopes", "scopes.yaml"];
        let arm = |sim: &Sim| sim.log_of(armsim::model::log::Server::Arm).len();
        merge(&mut scope, &entry);
        sim.write("scopes.yaml", json!({"scopes": [scope]}).to_string());
        for ran in [sim.plan(&flags), sim.once(&flags)] {
            let ran = ran.exits(3);
            assert!(ran.all().contains(said) && ran.all().contains("OutOfScope"), "{what}: {}", ran.all());
        }
        assert_eq!(arm(&sim), 0, "{what}");
    }
    let sim = Sim::with_groups(vec![]);
    sim.write(
        "scopes.yaml",
        json!({"scopes": [{"namespaces": ["default"], "resourceIds": [group_id("batch")],
            "serviceTags": ["BatchNodeManagement"], "sourceRanges": ["10.1.0.0/16"]}]})
        .to_string(),
    );
    let sources = json!({"spec": {"outbound": {"sourceAddresses": ["10.1.4.0/24"]}}});
    sim.ask_groups(&[asked("batch", "BatchNodeManagement")], sources);
    sim.once(&["--scopes", "scopes.yaml"]).exits(0);
    assert_eq!(sim.members("batch"), of_batch(0..4));
}

#[test]
fn a_group_that_is_deleted_after_its_network_is_over() {
    for policy in ["Retain", "Delete"] {
        let sim = with(json!({"deletionPolicy": policy}));
        std::fs::remove_file(sim.path("dir/ml.yaml")).unwrap();
        sim.once(&[]);
        sim.delete(&group_id("batch"));
        sim.once(&[]).exits(0);
        let (_, cost) = sim.group_cost("batch", || sim.once(&[]).exits(0));
        assert_eq!(cost.1, 0, "{policy}: it is not made again");
        assert!(sim.resource(&group_id("batch")).is_null());
    }
}

#[test]
fn a_group_that_somebody_deletes_is_made_again_where_the_spec_says_so() {
    let sim = with(json!({}));
    sim.delete(&group_id("batch"));
    sim.once(&[]).exits(0);
    assert_eq!(sim.members("batch"), of_batch(0..4));
    sim.ask_groups(&[json!({"id": group_id("batch"), "requirement": "BatchNodeManagement"})], json!({}));
    sim.delete(&group_id("batch"));
    sim.once(&[]).exits(3).says(&["blocked, NotFound", "create: {location: …}"]);
    assert!(sim.resource(&group_id("batch")).is_null());
}

#[test]
fn a_group_that_is_taken_out_of_a_spec_keeps_its_addresses() {
    let sim = with(json!({}));
    sim.ask_groups(&[asked("storage", "Storage")], json!({}));
    let (ran, cost) = sim.group_cost("batch", || sim.once(&[]));
    assert_eq!((cost.1, sim.members("batch")), (0, of_batch(0..4)), "{}", ran.all());
    assert_eq!(sim.members("storage").len(), 3);
}

#[test]
fn an_address_that_is_no_prefix_is_remembered_as_it_is_written() {
    let sim = with(json!({"removal": {"holdFor": "42d"}}));
    // Host bits beyond the length: no prefix, and whether Azure refuses it in a group nobody has recorded.
    let all: Vec<String> = of_batch(0..4).into_iter().chain(["10.7.1.4/16".to_owned()]).collect();
    let mut group = marked("batch", &all.iter().map(String::as_str).collect::<Vec<_>>());
    group["properties"]["provisioningState"] = json!("Succeeded");
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/ipGroups/batch"}, "times": 0,
        "effect": {"status": {"code": 200, "body": group}}}));
    for day in ["2026-01-06", "2026-01-07"] {
        let ran = sim.once(&["--now", &format!("{day}T12:00:00Z"), "-o", "json"]).exits(0);
        assert!(!ran.stderr.contains("lost") && !ran.stderr.contains("ERROR"), "{}", ran.stderr);
        let target = ran.json()["targets"][0].clone();
        assert_eq!(held(&target), [("Hold".to_owned(), "2026-02-17T12:00:00Z".to_owned())], "{day}: {target}");
    }
}
