//! Several Networks and requirements in one IP group: the union, and what each still needs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::Sim;
use crate::harness::groups::{
    asked, assert_group_clean, batch, group_id, group_writes, groups_week, of_groups, storage,
};

fn second(sim: &Sim, groups: &[Value], spec: Value) -> std::path::PathBuf {
    sim.objects("second.yaml", &[of_groups(groups, json!({"metadata": {"name": "second"}, "spec": spec}))])
}

fn union(of_batch: std::ops::Range<usize>, of_storage: std::ops::Range<usize>) -> BTreeSet<String> {
    of_batch.map(batch).chain(of_storage.map(storage)).collect()
}

#[test]
fn a_group_holds_the_union_and_loses_only_what_nobody_needs() {
    let sim = Sim::with_groups(vec![]);
    sim.ask_groups(&[asked("shared", "BatchNodeManagement")], json!({}));
    second(&sim, &[asked("shared", "Storage")], json!({}));
    let (ran, cost) = sim.group_cost("shared", || sim.once(&["-o", "json"]).exits(0).json());
    assert_eq!(ran["targets"].as_array().unwrap().len(), 1, "one target, two networks");
    assert_eq!((cost.1, sim.members("shared")), (1, union(0..4, 0..3)));
    sim.publish(&groups_week(2, 1..5, 1..4));
    let (_, cost) = sim.group_cost("shared", || sim.once(&[]).exits(0));
    assert_eq!((cost.1, sim.members("shared")), (1, union(1..5, 1..4)));
    // Both need the same: while one does, it stays.
    second(&sim, &[asked("shared", "BatchNodeManagement")], json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(sim.members("shared"), union(1..5, 0..0), "a changed spec gives its own up");
    let before = group_writes(&sim.log());
    second(&sim, &[asked("elsewhere", "Storage")], json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(sim.members("shared"), union(1..5, 0..0), "the other one needs it still");
    assert_eq!(group_writes(&sim.log()) - before, 1, "only the new group");
    assert_group_clean(&sim.group_states("shared"), (1..4).map(batch), &[]);
}

#[test]
fn who_disagrees_about_the_location_creates_nothing() {
    let at =
        |location: &str| json!({"id": group_id("shared"), "requirement": "Storage", "create": {"location": location}});
    let sim = Sim::with_groups(vec![]);
    sim.ask_groups(&[at("eastus2")], json!({}));
    second(&sim, &[at("centralus")], json!({}));
    for ran in [sim.plan(&[]), sim.once(&[])] {
        ran.exits(3).says(&[
            "blocked, Conflict",
            "default/ml wants eastus2, default/second wants centralus",
            "make them agree about create.location",
        ]);
    }
    assert_eq!(group_writes(&sim.log()), 0);
    // Once it is there, its location is a fact.
    sim.put(crate::harness::groups::group("shared", &[], json!({"location": "westeurope"})));
    sim.once(&[]).exits(0);
    assert_eq!(sim.members("shared"), union(0..0, 0..3));
    assert_eq!(sim.resource(&group_id("shared"))["location"], "westeurope");
}

#[test]
fn one_location_of_two_is_enough() {
    let sim = Sim::with_groups(vec![]);
    sim.ask_groups(&[asked("shared", "BatchNodeManagement")], json!({}));
    second(&sim, &[json!({"id": group_id("shared"), "requirement": "Storage"})], json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(sim.members("shared"), union(0..4, 0..3));
}

#[test]
fn the_strictest_of_several_decides_about_removals() {
    for (spec, said) in [
        (json!({"removal": {"holdFor": "42d"}}), "held, Hold"),
        (json!({"mode": "UpsertOnly"}), "default/second is in mode UpsertOnly"),
        (json!({"suspend": true}), "default/second is suspended"),
        (json!({"region": "nowhere"}), "it is not known what default/second needs"),
    ] {
        let sim = Sim::with_groups(vec![]);
        sim.ask_groups(&[asked("shared", "BatchNodeManagement")], json!({}));
        second(&sim, &[asked("shared", "BatchNodeManagement")], json!({}));
        sim.once(&[]).exits(0);
        second(&sim, &[asked("shared", "BatchNodeManagement")], spec);
        sim.publish(&groups_week(2, 1..6, 0..3));
        sim.once(&[]).says(&[said]);
        assert_eq!(sim.members("shared"), union(0..6, 0..0), "{said}");
    }
}

#[test]
fn two_installations_do_not_share_a_group() {
    let sim = Sim::with_groups(vec![]);
    sim.ask_groups(&[asked("batch", "BatchNodeManagement")], json!({}));
    sim.once(&[]).exits(0);
    let ran = sim.amlnet(&["run", "--dir", "dir", "--state", "other", "--once", "--installation-id", "test"]);
    ran.exits(3).says(&["blocked, Conflict", "belongs to installation prod"]);
    assert_eq!(sim.members("batch"), union(0..4, 0..0));
}
