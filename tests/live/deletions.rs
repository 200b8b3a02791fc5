//! Networks that are deleted, tables that are taken out of a spec, and neighbours that may not lose anything.

use serde_json::{Value, json};

use crate::harness::{Doc, Sim, TABLE, central, east, network, ours};

/// `ml` in East US 2 and `second` in Central US, on one table.
fn two(change_of_second: Value) -> (Sim, std::path::PathBuf) {
    let sim = Sim::start();
    sim.usual(json!({"spec": {"pairedRegion": "None"}}));
    let mut second = json!({"metadata": {"name": "second"}, "spec": {"region": "centralus", "pairedRegion": "None",
        "removal": {"holdFor": "42d", "approval": "Always", "budget": {"max": 1, "percent": 1}}}});
    crate::harness::merge(&mut second, &change_of_second);
    let file = sim.objects("second.yaml", &[network(second)]);
    sim.once(&[]).exits(0);
    (sim, file)
}

fn all() -> std::collections::BTreeSet<String> {
    (0..4).map(east).chain((0..3).map(central)).collect()
}

#[test]
fn with_policy_delete_its_own_entries_go_at_once() {
    let (sim, file) = two(json!({"spec": {"deletionPolicy": "Delete"}}));
    std::fs::remove_file(file).unwrap();
    sim.once(&[]).exits(0);
    assert_eq!(ours(&sim.history(TABLE)), (0..4).map(east).collect());
}

#[test]
fn with_policy_delete_what_a_neighbour_needs_stays() {
    let (sim, file) = two(json!({"spec": {"deletionPolicy": "Delete", "pairedRegion": "eastus2"}}));
    std::fs::remove_file(file).unwrap();
    sim.once(&[]).exits(0);
    assert_eq!(ours(&sim.history(TABLE)), (0..4).map(east).collect());
}

#[test]
fn a_network_in_mode_observe_deletes_nothing_by_going() {
    let (sim, file) = two(json!({"spec": {"deletionPolicy": "Delete"}}));
    let observing = json!({"metadata": {"name": "second"}, "spec": {"region": "centralus", "pairedRegion": "None",
        "mode": "Observe", "deletionPolicy": "Delete"}});
    sim.objects("second.yaml", &[network(observing)]);
    sim.once(&[]);
    std::fs::remove_file(file).unwrap();
    sim.once(&[]).exits(0).says(&["default/second left it behind"]);
    assert_eq!(ours(&sim.history(TABLE)), all());
}

#[test]
fn a_neighbour_that_is_suspended_broken_or_not_in_sync_stops_every_removal() {
    for (ml, said) in [
        (json!({"suspend": true}), "default/ml is suspended"),
        (json!({"mode": "UpsertOnly"}), "default/ml is in mode UpsertOnly"),
        (json!({"region": "nowhere"}), "region \"nowhere\" is not known"),
    ] {
        let (sim, file) = two(json!({"spec": {"deletionPolicy": "Delete"}}));
        let mut spec = json!({"pairedRegion": "None"});
        crate::harness::merge(&mut spec, &ml);
        sim.usual(json!({"spec": spec}));
        std::fs::remove_file(file).unwrap();
        sim.once(&[]).says(&[said]);
        assert_eq!(ours(&sim.history(TABLE)), all(), "{said}");
    }
}

#[test]
fn an_empty_folder_deletes_nothing() {
    let (sim, _) = two(json!({"spec": {"deletionPolicy": "Delete"}}));
    let history = sim.history(TABLE);
    for entry in std::fs::read_dir(sim.path("dir")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    sim.once(&[]);
    assert_eq!(sim.history(TABLE), history);
}

#[test]
fn a_table_that_is_taken_out_of_a_spec_keeps_its_entries_as_an_offer() {
    let other = crate::harness::table_id("rt-2");
    let sim = Sim::with_tables(&[(TABLE, vec![]), (&other, vec![])], json!({}));
    let tables = json!([{"id": TABLE}, {"id": other}]);
    sim.usual(json!({"spec": {"routes": {"routeTables": tables}}}));
    sim.once(&[]).exits(0);
    sim.usual(json!({}));
    let answer = sim.once(&["-o", "json"]).exits(0).json();
    let held: Vec<usize> =
        answer["targets"].as_array().unwrap().iter().map(|target| target["held"].as_array().unwrap().len()).collect();
    assert_eq!(held.iter().max(), Some(&7), "{answer}");
    let orphaned = sim.status("ml")["orphanedTargets"].clone();
    assert_eq!(orphaned.as_array().map(Vec::len), Some(1), "{orphaned}");
    assert_eq!(ours(&sim.history(&other)), all());
    // A month of documents changes nothing about it.
    sim.publish(&Doc::week(5).regions(2..6, 0..3));
    sim.once(&[]).exits(0);
    assert_eq!(ours(&sim.history(&other)), all());
    sim.approve("ml", &sim.waiting()[0]);
    sim.once(&[]).exits(0);
    assert!(ours(&sim.history(&other)).is_empty());
    assert_eq!(sim.status("ml")["orphanedTargets"], json!(null));
    let asked = sim.log().len();
    sim.once(&[]).exits(0);
    assert!(!sim.log()[asked..].iter().any(|entry| entry.url.contains("rt-2")), "it is nobody's concern any more");
}

#[test]
fn the_last_network_of_a_table_takes_its_own_with_it_and_nothing_else() {
    let sim = Sim::start();
    let (_, file) = sim.usual(json!({"spec": {"deletionPolicy": "Delete",
        "removal": {"holdFor": "42d", "approval": "Always", "budget": {"max": 1, "percent": 1}}}}));
    let foreign: Vec<String> = sim.history(TABLE)[0].entries.iter().map(|entry| entry.name.clone()).collect();
    sim.once(&[]).exits(0);
    assert_eq!(ours(&sim.history(TABLE)), all());
    std::fs::remove_file(file).unwrap();
    sim.once(&[]).exits(0);
    let left: Vec<String> = sim.history(TABLE).last().unwrap().entries.iter().map(|entry| entry.name.clone()).collect();
    assert_eq!(left, foreign);
    let asked = sim.log().len();
    sim.once(&[]).exits(0);
    assert!(!sim.log()[asked..].iter().any(|entry| entry.url.contains("routeTables")), "nobody looks any more");
}

#[test]
fn what_the_last_network_leaves_with_policy_retain_stays_until_a_person_says_otherwise() {
    let sim = Sim::start();
    let (_, file) = sim.usual(json!({}));
    sim.once(&[]).exits(0);
    std::fs::remove_file(file).unwrap();
    for now in ["2031-01-01T00:00:00Z", "2031-06-01T00:00:00Z"] {
        let ran = sim.once(&["--now", now]).exits(0);
        ran.says(&["held, Approval", "default/ml left it behind"]);
        assert_eq!(ours(&sim.history(TABLE)), all());
    }
    // `plan -f` knows only what it was given; `run --once` shows the hash.
    let hash = sim.once(&["-o", "json"]).json()["targets"][0]["hash"].as_str().unwrap().to_owned();
    let approve = ["approve", "ml", "--hash", &hash, "--state", "state", "--expires", "90d"];
    sim.amlnet(&[&approve, &["--now", "2031-06-01T00:00:00Z"][..]].concat()).exits(0);
    // Nobody is left whose budget could count, so the default does: 30 % of what stands, at least one.
    let left: Vec<usize> = ["06-01", "06-08", "06-15", "06-22", "06-29", "07-06"]
        .iter()
        .map(|day| {
            sim.once(&["--now", &format!("2031-{day}T00:00:00Z")]);
            ours(&sim.history(TABLE)).len()
        })
        .collect();
    assert_eq!(left, [5, 4, 3, 2, 1, 0]);
}

#[test]
fn a_deletion_waits_for_a_suspended_neighbour_and_goes_on_when_it_is_resumed() {
    let (sim, file) = two(json!({"spec": {"deletionPolicy": "Delete"}}));
    sim.usual(json!({"spec": {"pairedRegion": "None", "suspend": true}}));
    std::fs::remove_file(file).unwrap();
    for _ in 0..2 {
        sim.once(&[]).says(&["default/ml is suspended"]);
        assert_eq!(ours(&sim.history(TABLE)), all());
    }
    sim.usual(json!({"spec": {"pairedRegion": "None"}}));
    sim.once(&[]).exits(0);
    assert_eq!(ours(&sim.history(TABLE)), (0..4).map(east).collect());
}

#[test]
fn a_network_that_is_deleted_and_comes_back_keeps_what_still_stands() {
    let (sim, file) = two(json!({}));
    let object = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    sim.once(&[]).exits(0).says(&["default/second left it behind"]);
    let hash = sim.once(&["-o", "json"]).json()["targets"][0]["hash"].as_str().unwrap().to_owned();
    std::fs::write(&file, object).unwrap();
    let before = sim.history(TABLE);
    // An approval for what was left behind says nothing about what is needed again.
    for name in ["ml", "second"] {
        sim.approve(name, &hash);
    }
    sim.once(&[]).exits(0);
    assert_eq!(sim.history(TABLE), before);
}
