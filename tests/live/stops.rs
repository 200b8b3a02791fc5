//! `suspend` and `--read-only`: the step in flight is finished, and nothing is started.

use serde_json::json;

use crate::harness::{Counts, Sim, TABLE, assert_clean, ours};

#[test]
fn a_network_that_is_suspended_under_way_finishes_its_step() {
    for change in [json!({"suspend": true}), json!({"mode": "Observe"})] {
        let sim = Sim::start();
        sim.usual(json!({}));
        let third = json!({"method": "PUT", "pathContains": "/routes/", "nth": 3});
        sim.fault(json!({"match": third, "effect": {"slow": {"ms": 4000}}}));
        let controller = sim.controller(&[]);
        controller.wait_until("the third write", || Counts::of(&sim.log(), TABLE).put_route == 3);
        sim.usual(json!({"spec": change}));
        controller.wait_until("the status", || {
            let status = sim.status("ml").to_string();
            status.contains("is suspended") || status.contains("is in mode Observe")
        });
        controller.terminate();
        assert_eq!((Counts::of(&sim.log(), TABLE).put_route, ours(&sim.history(TABLE)).len()), (3, 3), "{change}");
        // Resumed, it goes on.
        sim.usual(json!({}));
        sim.once(&[]).exits(0);
        assert_eq!(ours(&sim.history(TABLE)).len(), 7);
    }
}

#[test]
fn a_suspended_network_is_planned_and_nothing_is_written() {
    let sim = Sim::start();
    sim.usual(json!({"spec": {"suspend": true}}));
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(2).says(&["held, Mode", "default/ml is suspended"]));
    assert_eq!(cost.writes(), 0);
}

#[test]
fn read_only_writes_nothing_whatever_is_asked_for() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let start = sim.history(TABLE);
    sim.once(&["--read-only"]).exits(2).says(&["--read-only"]);
    sim.apply(&["--read-only"]).exits(2).says(&["--read-only"]);
    let controller = sim.controller(&["--read-only"]);
    controller.wait_until("a status", || sim.status("ml").to_string().contains("--read-only"));
    controller.terminate();
    assert_eq!(sim.history(TABLE), start);
    assert_eq!(Counts::of(&sim.log(), TABLE).writes(), 0);
    sim.once(&[]).exits(0);
    assert_clean(&sim.history(TABLE), Vec::<String>::new());
}
