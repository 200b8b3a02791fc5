//! The clock of holds: Azure's, where this machine's differs from it.

use serde_json::{Value, json};

use crate::harness::{Doc, Sim, TABLE, east};

/// What Azure answers, with another time in its `Date`.
fn answers_at(sim: &Sim, date: &str) {
    let routes: Vec<Value> = (0..4)
        .map(|n| {
            json!({"name": format!("amlnet.prod.{}", east(n).replace('/', "_")),
                "properties": {"addressPrefix": east(n), "nextHopType": "Internet", "provisioningState": "Succeeded"}})
        })
        .collect();
    let table = json!({"id": TABLE, "location": "eastus2",
        "properties": {"provisioningState": "Succeeded", "subnets": [{"id": "x"}], "routes": routes}});
    sim.clear_faults();
    for (path, body) in [("/routeTables/", table), ("/usages", json!({"value": []}))] {
        sim.fault(json!({"match": {"method": "GET", "pathContains": path}, "times": 0,
            "effect": {"status": {"code": 200, "body": body, "headers": {"date": date}}}}));
    }
}

#[test]
fn a_clock_that_differs_from_azures_does_not_count() {
    let sim = Sim::start();
    sim.usual(json!({"spec": {"pairedRegion": "None", "removal": null}}));
    sim.once(&[]).exits(0);
    sim.publish(&Doc::week(2).regions(1..4, 0..3));
    answers_at(&sim, "Mon, 05 Jan 2037 12:00:00 GMT");
    let target = sim.once(&["-o", "json"]).exits(0).json()["targets"][0].clone();
    assert!(target["held"][0]["until"].as_str().unwrap().starts_with("2037-02-16T1"), "{target}");
    let warning = &target["warnings"][0];
    assert_eq!(warning["code"], "ClockDiffers");
    assert!(warning["message"].as_str().unwrap().contains("behind Azure's, which counts"), "{warning}");

    // Azure is believed again when it says another time: that clock was started in a future that never was.
    answers_at(&sim, "Tue, 06 Jan 2032 12:00:00 GMT");
    let target = sim.once(&["-o", "json"]).exits(0).json()["targets"][0].clone();
    assert!(target["held"][0]["until"].as_str().unwrap().starts_with("2032-02-17T1"), "{target}");
    let codes: Vec<&Value> = target["warnings"].as_array().unwrap().iter().map(|warning| &warning["code"]).collect();
    assert!(codes.contains(&&json!("ClockWentBack")), "{codes:?}");

    // --now stands still, whatever Azure says.
    let target = sim.once(&["-o", "json", "--now", "2033-01-01T00:00:00Z"]).json()["targets"][0].clone();
    assert!(target["warnings"].as_array().unwrap().iter().all(|warning| warning["code"] != "ClockDiffers"), "{target}");
}
