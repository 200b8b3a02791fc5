//! The world file, seeds, and time that runs faster.

use super::{Azure, SUBSCRIPTION, TABLE, header};
use crate::model::{World, WorldFileError};
use serde_json::json;
use std::path::Path;

fn world(yaml: &str) -> Result<World, WorldFileError> {
    World::from_yaml(yaml, Path::new("."))
}

#[test]
fn every_key_has_a_default_and_others_are_refused() {
    assert!(world("").is_ok() && world("{}").is_ok());
    for (yaml, part) in [
        ("resource: []", "resource"),
        ("latencies: {routes: 1s}", "routes"),
        ("latencies: {route: fast}", "fast"),
        ("faults: [{effect: boom}]", "boom"),
        ("resources: [{id: /subscriptions/s/x}]", "/subscriptions/s/x"),
        ("serviceTagFiles: [missing.json]", "missing.json"),
    ] {
        let error = world(yaml).unwrap_err().to_string();
        assert!(error.contains(part), "{yaml}: {error}");
    }
}

#[test]
fn all_keys_are_understood() {
    let yaml = format!(
        "resources:
- id: {TABLE}
  location: eastus2
  tags: {{a: b}}
  properties:
    disableBgpRoutePropagation: true
    routes:
    - {{name: default, properties: {{addressPrefix: 0.0.0.0/0, nextHopType: VirtualAppliance, nextHopIpAddress: 10.0.1.4}}}}
    subnets:
    - {{id: /subscriptions/{SUBSCRIPTION}/resourceGroups/rg-ml/providers/Microsoft.Network/virtualNetworks/v/subnets/s}}
usages: {{RoutesPerRouteTable: 600}}
locations: [{{name: eastus2, displayName: East US 2, pairedRegion: centralus}}]
locks: []
latencies: {{route: 1s, routeTable: 3s, resourceGroup: 20s, answer: 5ms}}
limits: {{tokenLifetime: 1h, lockRetryAfter: [11, 14]}}
faults: [{{match: {{method: PUT, pathContains: /routes/, nth: 3, client: x, server: arm}}, times: 2, effect: {{slow: {{ms: 5}}}}}}]
pageStyle: html-error
credentials: [{{tenantId: t, clientId: c, clientSecret: s}}]
"
    );
    let mut azure = Azure::new(world(&yaml).unwrap());
    let table = azure.table();
    assert_eq!(table["properties"]["subnets"].as_array().unwrap().len(), 1);
    assert_eq!(table["properties"]["disableBgpRoutePropagation"], true);
    assert_eq!(table["tags"], json!({"a": "b"}));
    // A write of a client does not take the table off its subnets.
    azure.put(TABLE, &json!({"location": "eastus2"}));
    azure.pass(3_000);
    assert_eq!(azure.table()["properties"]["subnets"].as_array().unwrap().len(), 1);
}

#[test]
fn one_seed_gives_one_conversation() {
    let conversation = |seed: u64| {
        let mut azure = Azure::new(World::default().with_route_table(TABLE, "eastus2", &[]).with_seed(seed));
        let answers = [azure.put_route("a", "20.1.0.0/16"), azure.put_route("b", "20.2.0.0/16"), azure.get(TABLE)];
        answers.map(|answer| format!("{:?} {}", answer.headers, answer.text()))
    };
    assert_eq!(conversation(3), conversation(3));
    assert_ne!(conversation(3), conversation(4));
}

#[test]
fn faster_time_asks_for_shorter_waits() {
    let mut azure = Azure::new(World::default().with_route_table(TABLE, "eastus2", &[]).with_time_scale(0.01));
    let accepted = azure.put_route("a", "20.1.0.0/16");
    for name in ["x-ms-retry-after-ms", "retry-after-ms"] {
        assert_eq!(header(&accepted, name), "20");
    }
    assert_eq!(header(&accepted, "retry-after"), "0");
    azure.pass(19);
    let refused = azure.put_route("b", "20.2.0.0/16");
    assert_eq!(refused.status, 429);
    assert!((110..=140).contains(&header(&refused, "x-ms-retry-after-ms").parse::<u64>().unwrap()));
    azure.pass(1);
    assert_eq!(azure.put_route("b", "20.2.0.0/16").status, 201);
}

#[test]
fn a_resource_placed_during_an_operation_stays() {
    let mut azure = Azure::with_table();
    azure.put_route("a", "20.1.0.0/16");
    azure
        .world
        .put_resource(azure.now, &json!({"id": TABLE, "location": "eastus2", "properties": {"routes": []}}))
        .unwrap();
    azure.pass(2_000);
    assert!(azure.route_names().is_empty());
    assert_eq!(azure.put_route("a", "20.1.0.0/16").status, 201, "the operation's lock went with the old table");
    assert!(azure.world.delete_resource(azure.now, TABLE));
    assert!(!azure.world.delete_resource(azure.now, TABLE));
}
