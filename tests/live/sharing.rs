//! Several networks on one table: the union, and what each still needs.

use serde_json::json;

use crate::harness::{Doc, Sim, TABLE, assert_clean, central, east, network, ours, west};

#[test]
fn a_table_holds_the_union_and_what_a_network_left_behind_stays_until_that_is_approved() {
    let sim = Sim::with_routes(vec![]);
    sim.usual(json!({"spec": {"pairedRegion": "None"}}));
    let second = json!({"metadata": {"name": "second"}, "spec": {"region": "centralus"}});
    let second = sim.objects("second.yaml", &[network(second)]);
    let third = json!({"metadata": {"name": "third"}, "spec": {"region": "westeurope", "pairedRegion": "None"}});
    let third = sim.objects("third.yaml", &[network(third)]);
    let plan = sim.once(&["-o", "json"]).exits(0).json();
    assert_eq!(plan["targets"].as_array().unwrap().len(), 1, "one target, three networks");
    let applied = &plan["targets"][0]["result"]["applied"];
    assert_eq!(applied[0]["wantedBy"], json!(["default/ml", "default/second"]));
    let of_east = || (0..4).map(east);
    let of_central = || (0..3).map(central);
    assert_eq!(ours(&sim.history(TABLE)), of_east().chain(of_central()).chain((0..2).map(west)).collect());

    // What it leaves behind stays until a person says so.
    let all = ours(&sim.history(TABLE));
    std::fs::remove_file(third).unwrap();
    sim.once(&[]).exits(0).says(&["held, Approval", "default/third left it behind"]);
    assert_eq!(ours(&sim.history(TABLE)), all);
    sim.approve("third", &sim.waiting()[0]);
    sim.once(&[]).exits(0);
    assert_eq!(ours(&sim.history(TABLE)), of_east().chain(of_central()).collect());
    std::fs::remove_file(second).unwrap();
    sim.once(&[]).exits(0);
    sim.approve("ml", &sim.waiting()[0]);
    sim.once(&[]).exits(0);
    let history = sim.history(TABLE);
    assert_eq!(ours(&history), of_east().collect(), "what the other needs stays");
    assert_clean(&history, of_east());
}

#[test]
fn the_last_network_that_goes_leaves_its_routes() {
    let sim = Sim::start();
    let (_, path) = sim.usual(json!({}));
    sim.once(&[]).exits(0);
    let history = sim.history(TABLE);
    std::fs::remove_file(path).unwrap();
    sim.once(&[]).exits(0);
    assert_eq!(sim.history(TABLE), history);
}

#[test]
fn a_contributor_that_cannot_be_read_or_resolved_freezes_removals() {
    for (what, broken, code) in [
        ("unresolved", json!({"spec": {"region": "atlantis"}}), 3),
        ("of a missing feed", json!({"spec": {"feedRef": "none"}}), 3),
        ("unreadable", json!({"spec": {"mode": "sometimes"}}), 3),
    ] {
        let sim = Sim::with_routes(vec![]);
        sim.usual(json!({}));
        sim.once(&[]).exits(0);
        let mut second = network(json!({"metadata": {"name": "second"}}));
        crate::harness::merge(&mut second, &broken);
        sim.objects("second.yaml", &[second]);
        sim.publish(&Doc::week(2).regions(1..5, 0..3));
        sim.once(&[]).exits(code).says(&["held, Hold"]);
        let history = sim.history(TABLE);
        assert!(ours(&history).contains(&east(0)), "{what}: nothing is removed");
        assert!(ours(&history).contains(&east(4)), "{what}: what is new comes");
        assert_clean(&history, (0..4).map(east).chain((0..3).map(central)));
    }
}

#[test]
fn the_strictest_contributor_decides_about_removals() {
    let sim = Sim::with_routes(vec![]);
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    sim.publish(&Doc::week(2).regions(1..4, 0..3));
    let with = |spec: serde_json::Value| {
        let mut second = network(json!({"metadata": {"name": "second"}}));
        crate::harness::merge(&mut second, &json!({"spec": spec}));
        sim.objects("second.yaml", &[second]);
    };
    for (spec, code, said) in [
        (json!({"removal": {"holdFor": "42d"}}), 0, "held, Hold"),
        (json!({"removal": {"approval": "Always"}}), 3, "held, Approval"),
        (json!({"mode": "UpsertOnly"}), 2, "held, Mode: default/second is in mode UpsertOnly"),
        (json!({"mode": "Observe"}), 2, "held, Mode: default/second is in mode Observe"),
    ] {
        with(spec);
        sim.once(&[]).exits(code).says(&[said]);
        assert!(ours(&sim.history(TABLE)).contains(&east(0)), "{said}");
    }
    with(json!({}));
    sim.once(&[]).exits(0);
    assert!(!ours(&sim.history(TABLE)).contains(&east(0)));
}

#[test]
fn namespaces_keep_networks_of_one_name_apart() {
    let sim = Sim::with_routes(vec![]);
    sim.usual(json!({"spec": {"pairedRegion": "None"}}));
    let other = json!({"metadata": {"namespace": "team"}, "spec": {"region": "westeurope", "pairedRegion": "None"}});
    sim.objects("team.yaml", &[network(other)]);
    sim.once(&[]).exits(0);
    assert_eq!(ours(&sim.history(TABLE)), (0..4).map(east).chain((0..2).map(west)).collect());
    for name in ["default.ml.yaml", "team.ml.yaml"] {
        assert!(sim.state().join("status").join(name).exists(), "{name}");
    }
    // Two of one name in one namespace: the first counts, and nothing is removed while the second stands there.
    sim.objects("twice.yaml", &[network(json!({"spec": {"region": "centralus", "pairedRegion": "None"}}))]);
    let before = sim.history(TABLE);
    sim.plan(&[]).exits(1).says(&["twice.yaml", "default/ml stands also in", "ml.yaml"]);
    sim.once(&[]).exits(3);
    assert_eq!(sim.history(TABLE), before);
}
