//! `suspend` and `--read-only`: the step in flight is finished, and nothing is started.

use serde_json::json;

use crate::harness::{Controller, Counts, Doc, Sim, TABLE, assert_clean, east, network, ours, table_id};

/// Lets the answer of the third write go when what stands in the folder is known. A network of another table shows that:
/// whoever tells of it has read what was written before it.
#[track_caller]
fn let_the_third_go(sim: &Sim, controller: &Controller) {
    let spec = json!({"mode": "Observe", "routes": {"routeTables": [{"id": table_id("rt-witness")}]}});
    let witness = sim.objects("witness.yaml", &[network(json!({"metadata": {"name": "witness"}, "spec": spec}))]);
    controller.wait_until("that the change is known", || !sim.status("witness").is_null());
    std::fs::remove_file(witness).unwrap();
    sim.release("third");
}

#[test]
fn a_network_that_is_suspended_under_way_finishes_its_step() {
    for change in [json!({"suspend": true}), json!({"mode": "Observe"})] {
        let sim = Sim::start();
        sim.usual(json!({}));
        let third = json!({"method": "PUT", "pathContains": "/routes/", "nth": 3});
        sim.fault(json!({"match": third, "effect": {"hold": {"key": "third"}}}));
        let controller = sim.controller(&[]);
        controller.wait_until("the third write", || Counts::of(&sim.log(), TABLE).put_route == 3);
        sim.usual(json!({"spec": change}));
        let_the_third_go(&sim, &controller);
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
    let ((), cost) = sim.cost(TABLE, || sim.once(&[]).exits(2).says(&["held, Mode", "default/ml is suspended"]));
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

#[test]
fn a_neighbour_that_is_suspended_under_way_ends_the_removals_after_the_one_in_flight() {
    let sim = Sim::start();
    sim.usual(json!({"spec": {"pairedRegion": "None"}}));
    let second = |suspend: bool| {
        let spec = json!({"region": "centralus", "pairedRegion": "None", "suspend": suspend});
        sim.objects("second.yaml", &[network(json!({"metadata": {"name": "second"}, "spec": spec}))]);
    };
    second(false);
    sim.publish(&Doc::week(2).regions(0..10, 0..3));
    sim.once(&[]).exits(0);
    sim.publish(&Doc::week(3).regions(9..10, 0..3));
    let third = json!({"method": "DELETE", "pathContains": "/routes/", "nth": 3});
    sim.fault(json!({"match": third, "effect": {"hold": {"key": "third"}}}));
    let controller = sim.controller(&[]);
    controller.wait_until("the third removal", || Counts::of(&sim.log(), TABLE).delete_route == 3);
    second(true);
    let_the_third_go(&sim, &controller);
    controller.wait_until("the status", || sim.status("ml").to_string().contains("default/second is suspended"));
    controller.terminate();
    assert_eq!((Counts::of(&sim.log(), TABLE).delete_route, ours(&sim.history(TABLE)).len()), (3, 10));
    second(false);
    sim.once(&[]).exits(0);
    assert!((0..9).map(east).all(|gone| !ours(&sim.history(TABLE)).contains(&gone)));
}

#[test]
fn read_only_is_also_a_variable_and_plan_knows_it() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let mut command = sim.command(&["run", "--dir", "dir", "--state", "state", "--once"]);
    command.env("AMLNET_READ_ONLY", "true");
    sim.ran(command).exits(2).says(&["held, Mode", "--read-only"]);
    sim.plan(&["--read-only"]).exits(2).says(&["held, Mode", "--read-only"]);
    assert_eq!(Counts::of(&sim.log(), TABLE).writes(), 0);
    assert!(!sim.path("state/audit.jsonl").exists(), "nothing was written, so there is nothing to tell");
}

#[test]
fn what_waits_and_was_approved_is_not_done_with_read_only() {
    let sim = Sim::start();
    sim.usual(json!({"spec": {"removal": {"approval": "Always"}}}));
    sim.once(&[]).exits(0);
    sim.publish(&Doc::week(2).regions(1..4, 0..3));
    sim.once(&[]).exits(3);
    sim.approve("ml", &sim.waiting()[0]);
    let (_, cost) = sim.cost(TABLE, || sim.once(&["--read-only"]));
    assert_eq!(cost.writes(), 0);
    // It was not used up by that.
    sim.once(&[]).exits(0);
    assert_eq!(ours(&sim.history(TABLE)).len(), 6);
}
