//! The controller follows documents, files and the table, without a restart.

use serde_json::json;

use crate::harness::{
    Counts, Doc, Sim, TABLE, assert_clean, central, east, file_feed, final_routes, network, ours, table_id,
};

#[test]
fn a_new_document_is_followed_when_asked_for() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let controller = sim.controller(&[]);
    controller.wait_until("the first document", || ours(&sim.history(TABLE)).len() == 7);
    controller.wait_until("the status", || sim.status("ml")["targets"][0]["state"] == "InSync");
    assert_eq!(sim.feed_status("public")["sources"][0]["result"], "Accepted");

    sim.publish(&Doc::week(2).regions(1..6, 0..3));
    let from = sim.log().len();
    sim.ask_feed();
    controller.wait_until("the second document", || {
        let ours = ours(&sim.history(TABLE));
        ours.contains(&east(5)) && !ours.contains(&east(0))
    });
    controller.wait_until("the status", || sim.status("ml")["document"]["changeNumber"] == 102);
    let cost = Counts::of(&sim.log()[from..], TABLE);
    assert_eq!((cost.put_route, cost.delete_route, cost.get_route, cost.other), (2, 1, 1, 0));
    let stored = sim.feed_status("public")["stored"].as_array().unwrap().len();
    assert_eq!((sim.in_force("public"), stored), (102, 2));
    assert_clean(&sim.history(TABLE), (1..4).map(east).chain((0..3).map(central)));

    // A feed that can no longer be read says so, and goes on by what was read last: its sources are asked once more.
    sim.publish(&Doc::week(3).regions(1..6, 0..3));
    sim.write("dir/feed.yaml", "apiVersion: amlnet.dev/v1alpha1\nkind: ServiceTagFeed\nspec: [");
    controller.wait_until("the report", || controller.log().contains("feed.yaml"));
    controller.wait_until("the status", || {
        let conditions = sim.feed_status("public")["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|condition| condition["type"] == "Stalled" && condition["status"] == "True")
    });
    controller.wait_until("the third document", || sim.in_force("public") == 103);

    // Without its feed a network is blocked and its routes stay.
    let before = sim.history(TABLE);
    std::fs::remove_file(sim.path("dir/feed.yaml")).unwrap();
    controller.wait_until("the block", || sim.status("ml")["targets"][0]["state"] == "Blocked");
    sim.ask_feed();
    controller.wait_until("its end", || sim.status("ml")["targets"][0]["state"] == "InSync");
    assert_eq!(sim.history(TABLE), before);
}

#[test]
fn files_that_change_appear_and_go_are_followed_each_for_itself() {
    let names = ["changed", "added", "removed", "broken", "beside"];
    let tables: Vec<String> = names.iter().map(|name| table_id(&format!("rt-{name}"))).collect();
    let empty: Vec<(&str, Vec<_>)> = tables.iter().map(|id| (id.as_str(), vec![])).collect();
    let sim = Sim::with_tables(&empty, json!({}));
    sim.write("dir/tags.json", Doc::week(1).bytes());
    sim.objects("feed.yaml", &[file_feed("public", "tags.json")]);
    let on = |index: usize, change: serde_json::Value| {
        let mut object = network(json!({"metadata": {"name": names[index]},
            "spec": {"pairedRegion": "None", "routes": {"routeTables": [{"id": tables[index]}]}}}));
        crate::harness::merge(&mut object, &change);
        sim.objects(&format!("{}.yaml", names[index]), &[object])
    };
    for index in [0, 2, 3, 4] {
        on(index, json!({}));
    }
    let controller = sim.controller(&[]);
    let held = |index: usize| ours(&sim.history(&tables[index]));
    let all: std::collections::BTreeSet<String> = (0..4).map(east).collect();
    controller.wait_until("all tables", || [0, 2, 3, 4].iter().all(|index| held(*index) == all));

    // One file more, one fewer, one other, one that is no YAML any more, all at once.
    on(0, json!({"spec": {"pairedRegion": "centralus"}}));
    on(1, json!({}));
    std::fs::remove_file(sim.path("dir/removed.yaml")).unwrap();
    let broken = sim.write("dir/broken.yaml", "apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nspec: [");
    let was = sim.history(&tables[2]);
    controller.wait_until("the added file", || held(1) == all);
    // Another pair is a person's decision.
    let waits = || sim.status("changed")["conditions"][3]["reason"] == "ApprovalNeeded";
    controller.wait_until("what the changed file waits for", waits);
    let hash = sim.status("changed")["targets"][0]["pendingHash"].as_str().unwrap().to_owned();
    sim.approve("changed", &hash);
    controller.wait_until("the changed file", || held(0).len() == 7);
    controller
        .wait_until("the report of the broken file", || sim.status("broken")["conditions"][0]["status"] == "False");
    let ready = sim.status("broken")["conditions"][0].clone();
    for text in [broken.file_name().unwrap().to_str().unwrap(), "line 3"] {
        assert!(ready["message"].as_str().unwrap().contains(text), "{text:?} is missing in {ready}");
    }
    assert_eq!(sim.history(&tables[2]), was, "a network that goes leaves its routes");

    // While one file cannot be read nothing is removed anywhere; additions go on, also for the broken one.
    sim.write("dir/tags.json", Doc::week(2).regions(1..5, 0..3).bytes());
    controller.wait_until("the local document", || [0, 1, 3, 4].iter().all(|index| held(*index).contains(&east(4))));
    controller.wait_until("what is held", || sim.status("beside")["targets"][0]["held"] == 1);
    assert!([0, 1, 3, 4].iter().all(|index| held(*index).contains(&east(0))));

    on(3, json!({}));
    controller
        .wait_until("removals after the repair", || [0, 1, 3, 4].iter().all(|index| !held(*index).contains(&east(0))));
    controller.wait_until("the status", || sim.status("broken")["conditions"][0]["status"] == "True");
    for (index, id) in tables.iter().enumerate() {
        assert_clean(&sim.history(id), (1..4).map(east));
        assert_eq!(Counts::of(&sim.log(), id).other, 0, "{}", names[index]);
    }
    assert!(controller.log().contains("broken.yaml"), "{}", controller.log());
}

#[test]
fn drift_is_repaired_at_the_next_resync() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let controller = sim.controller(&["--resync", "2s"]);
    controller.wait_until("the first document", || ours(&sim.history(TABLE)).len() == 7);
    let healthy = final_routes(&sim.history(TABLE));
    let child = |name: &str| format!("{TABLE}/routes/{name}");
    sim.delete(&child("amlnet.prod.20.1.0.0_26"));
    sim.put(json!({"id": child("amlnet.prod.20.1.0.64_26"),
        "properties": {"addressPrefix": east(1), "nextHopType": "None"}}));
    sim.put(json!({"id": child("amlnet.prod.20.9.0.0_26"),
        "properties": {"addressPrefix": "20.9.0.0/26", "nextHopType": "Internet"}}));
    sim.put(json!({"id": child("somebody"),
        "properties": {"addressPrefix": "10.99.0.0/16", "nextHopType": "None"}}));
    let mut wanted = healthy;
    let theirs = final_routes(&sim.history(TABLE))["10.99.0.0/16"].clone();
    wanted.insert("10.99.0.0/16".to_owned(), theirs);
    controller.wait_until("the repair", || final_routes(&sim.history(TABLE)) == wanted);
    assert_clean(&sim.history(TABLE), (0..4).map(east).chain((0..3).map(central)));
}
