//! The main job, and what it costs: k changes are k writes, nothing to do is one read.

use serde_json::json;

use crate::harness::{Counts, Doc, Sim, TABLE, assert_clean, central, east, final_routes, ours};

const NOTHING: Counts = Counts { get_table: 1, get_route: 0, put_route: 0, delete_route: 0, other: 0 };

fn needed(in_east: usize, in_central: usize) -> std::collections::BTreeSet<String> {
    (0..in_east).map(east).chain((0..in_central).map(central)).collect()
}

#[test]
fn plan_apply_plan_ends_with_nothing_to_do() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let before = sim.history(TABLE);

    let (plan, cost) = sim.cost(TABLE, || sim.plan(&[]).exits(2));
    plan.says(&["7 to add, 0 to change, 0 to remove", "AzureMachineLearning eastus2"]);
    assert_eq!((cost, sim.history(TABLE)), (NOTHING, before), "a plan writes nothing");

    let (applied, cost) = sim.cost(TABLE, || sim.apply(&[]).exits(0));
    applied.says(&["7 writes done", "0 to add"]);
    assert_eq!((cost.writes(), cost.put_route), (7, 7));

    let history = sim.history(TABLE);
    assert_eq!(ours(&history), needed(4, 3));
    assert_clean(&history, needed(4, 3));
    let route = &final_routes(&history)[&east(2)];
    assert_eq!((&*route.name, &*route.hop), ("amlnet.prod.20.1.0.128_26", "Internet"));

    let ((), cost) = sim.cost(TABLE, || sim.plan(&[]).exits(0).says(&["nothing to do"]));
    assert_eq!(cost, NOTHING);
    let (_, cost) = sim.cost(TABLE, || sim.apply(&[]).exits(0));
    assert_eq!(cost, NOTHING);
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
    assert_eq!(cost, NOTHING);
    assert_eq!(sim.history(TABLE), history, "nothing to do changes nothing");
}

#[test]
fn k_changed_prefixes_cost_k_writes() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    let all = |in_east: std::ops::Range<usize>, in_central: std::ops::Range<usize>| {
        in_east.map(east).chain(in_central.map(central)).collect::<Vec<_>>()
    };
    // What is there, then the new document, the additions, the removals; each removal looks at its route again.
    for (week, in_east, in_central, added, removed) in
        [(2, 0..10, 0..7, 10, 0), (3, 0..10, 0..7, 0, 0), (4, 1..11, 0..7, 1, 1), (5, 3..11, 0..6, 0, 3)]
    {
        sim.publish(&Doc::week(week).regions(in_east.clone(), in_central.clone()));
        let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
        assert_eq!((cost.put_route, cost.delete_route, cost.other), (added, removed, 0), "week {week}");
        assert_eq!(cost.get_route, removed, "week {week}");
        let needed = all(in_east, in_central);
        assert_eq!(ours(&sim.history(TABLE)), needed.iter().cloned().collect(), "week {week}");
    }
    // What was needed all the time was never missing.
    assert_clean(&sim.history(TABLE), all(3..4, 0..3));
}

#[test]
fn a_changed_next_hop_is_changed_in_place() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    let hop = json!({"type": "VirtualAppliance", "ipAddress": "10.0.1.9"});
    sim.usual(json!({"spec": {"routes": {"routeTables": [{"id": TABLE, "nextHop": hop}]}}}));
    // Another next hop is a person's decision.
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(3));
    assert_eq!(cost.writes(), 0);
    sim.approve("ml", &sim.waiting()[0]);
    sim.plan(&["--state", "state"]).exits(2).says(&["7 to change", "(was 20.1.0.0/26 -> Internet)"]);
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
    assert_eq!((cost.put_route, cost.delete_route), (7, 0));
    let history = sim.history(TABLE);
    assert_clean(&history, needed(4, 3));
    let routes = final_routes(&history);
    for prefix in needed(4, 3) {
        assert_eq!(routes[&prefix].hop, "VirtualAppliance 10.0.1.9");
    }
}

#[test]
fn once_stores_the_document_and_writes_the_status() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    let status = sim.status("ml");
    assert_eq!(status["document"]["changeNumber"], 101);
    assert_eq!(status["pairedRegion"], json!({"name": "centralus", "source": "Documentation"}));
    assert_eq!(status["targets"][0]["state"], "InSync");
    assert_eq!(status["targets"][0]["entries"], 7);
    assert_eq!(status["conditions"][0]["type"], "Ready");
    assert_eq!(status["conditions"][0]["status"], "True");
    assert!(sim.state().join("documents/public/index.json").exists());
    // The page is gone: the stored document serves, and nothing is said to Azure.
    sim.set(json!({"pageStyle": "html-error"}));
    let history = sim.history(TABLE);
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
    assert_eq!((cost, sim.history(TABLE)), (NOTHING, history));
}

#[test]
fn once_writes_the_status_of_the_feed() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(sim.in_force("public"), 101);
    assert_eq!(sim.feed_status("public")["sources"][0]["result"], "Accepted");
}
