//! Removals: held unless everything says yes, and then one at a time after another look.

use serde_json::json;

use crate::harness::{Doc, Sim, TABLE, assert_clean, central, east, network, ours};

/// A table with week 1, and week 2 published, which lacks the first prefix.
fn after_week_1(spec: serde_json::Value) -> Sim {
    let sim = Sim::start();
    sim.usual(json!({"spec": spec}));
    sim.once(&[]).exits(0);
    sim.publish(&Doc::week(2).regions(1..4, 0..3));
    sim
}

#[test]
fn a_removal_is_held_unless_hold_and_approval_and_mode_let_it_pass() {
    for (spec, code, said) in [
        (json!({"removal": null}), 0, "held, Hold"),
        (json!({"removal": {"holdFor": "1s", "approval": "Never"}}), 0, "held, Hold"),
        (json!({"removal": {"holdFor": "0s", "approval": "Always"}}), 3, "held, Approval"),
        (json!({"mode": "UpsertOnly"}), 2, "held, Mode"),
    ] {
        let sim = after_week_1(spec);
        let history = sim.history(TABLE);
        let ((), cost) = sim.cost(TABLE, || sim.once(&[]).exits(code).says(&[said]));
        assert_eq!(cost.writes(), 0, "{said}");
        assert_eq!(sim.history(TABLE), history, "{said}");
    }
}

#[test]
fn a_removal_reads_its_route_again_and_deletes_it_once() {
    let sim = after_week_1(json!({}));
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
    assert_eq!((cost.get_route, cost.delete_route, cost.put_route), (1, 1, 0));
    let about: Vec<(String, String)> = sim
        .log()
        .into_iter()
        .filter(|entry| entry.url.contains("amlnet.prod.20.1.0.0_26"))
        .map(|entry| (entry.method, entry.status.to_string()))
        .collect();
    let tail: Vec<(&str, &str)> = about[about.len() - 2..].iter().map(|(m, s)| (&**m, &**s)).collect();
    assert_eq!(tail, [("GET", "200"), ("DELETE", "202")]);
    let history = sim.history(TABLE);
    assert!(!ours(&history).contains(&east(0)));
    assert_clean(&history, (1..4).map(east).chain((0..3).map(central)));
}

#[test]
fn a_route_that_somebody_changes_before_its_removal_stays() {
    let sim = after_week_1(json!({}));
    // The answer to the second look is another next hop: nobody knows why, so it is planned anew.
    let changed = json!({"name": "amlnet.prod.20.1.0.0_26",
        "properties": {"addressPrefix": east(0), "nextHopType": "None", "provisioningState": "Succeeded"}});
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/routes/amlnet.prod.20.1.0.0_26"}, "times": 2,
        "effect": {"status": {"code": 200, "body": changed}}}));
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
    assert_eq!((cost.get_route, cost.delete_route), (3, 1), "twice another, then as planned");
    assert_clean(&sim.history(TABLE), (1..4).map(east));
}

#[test]
fn a_route_that_is_gone_before_its_removal_is_no_failure() {
    let sim = after_week_1(json!({}));
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/routes/amlnet.prod.20.1.0.0_26"},
        "effect": {"status": {"code": 404, "body": {"error": {"code": "NotFound", "message": "gone"}}}}}));
    sim.once(&[]).exits(0);
    assert!(!ours(&sim.history(TABLE)).contains(&east(0)));
}

#[test]
fn without_state_nothing_is_ever_removed() {
    let sim = after_week_1(json!({}));
    let history = sim.history(TABLE);
    for ran in [sim.plan(&[]), sim.apply(&[])] {
        ran.exits(0).says(&["held, Hold", "without --state nothing is removed"]);
    }
    assert_eq!(sim.history(TABLE), history);
    sim.plan(&["--state", "state"]).exits(2).says(&["1 to remove"]);
    sim.apply(&["--state", "state"]).exits(0);
    assert!(!ours(&sim.history(TABLE)).contains(&east(0)));
}

#[test]
fn a_prefix_that_comes_back_is_simply_there() {
    let sim = after_week_1(json!({"removal": null}));
    sim.once(&[]).exits(0).says(&["held, Hold"]);
    sim.publish(&Doc::week(3));
    let history = sim.history(TABLE);
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
    assert_eq!(cost.writes(), 0);
    assert_eq!(sim.history(TABLE), history);
    assert_clean(&history, (0..4).map(east).chain((0..3).map(central)));
}

#[test]
fn additions_come_before_removals() {
    let sim = after_week_1(json!({}));
    sim.publish(&Doc::week(3).regions(2..7, 0..3));
    sim.once(&[]).exits(0);
    let methods: Vec<String> = sim
        .log()
        .into_iter()
        .filter(|entry| entry.url.contains("/routes/") && entry.method != "GET")
        .map(|entry| entry.method)
        .collect();
    assert_eq!(methods[7..], ["PUT", "PUT", "PUT", "DELETE", "DELETE"]);
}

#[test]
fn apply_removes_nothing_when_it_is_given_only_some_of_the_known_networks() {
    let sim = Sim::with_routes(vec![]);
    sim.usual(json!({"spec": {"pairedRegion": "None"}}));
    let second = json!({"metadata": {"name": "second"}, "spec": {"region": "centralus", "pairedRegion": "None"}});
    let second = sim.objects("second.yaml", &[network(second)]);
    sim.once(&[]).exits(0);
    let history = sim.history(TABLE);
    let one = ["-f", "dir/feed.yaml", "-f", "dir/ml.yaml", "--state", "state"];
    for command in [&["plan"][..], &["apply", "--yes"]] {
        sim.amlnet(&[command, &one].concat()).exits(0).says(&["held, Hold", "default/second"]);
    }
    assert_eq!(sim.history(TABLE), history);
    // Deleted: what it left behind goes when a person says so.
    std::fs::remove_file(second).unwrap();
    sim.once(&[]).exits(0).says(&["held, Approval", "default/second left it behind"]);
    assert_eq!(sim.history(TABLE), history);
    let hash = &sim.waiting()[0];
    sim.approve("second", hash);
    sim.approve("ml", hash);
    sim.once(&[]).exits(0);
    assert_eq!(ours(&sim.history(TABLE)), (0..4).map(east).collect());
}
