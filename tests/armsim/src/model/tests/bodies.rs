//! Status, headers and bodies of answers that go well, as they were recorded.

use super::{Azure, GROUP, SUBSCRIPTION, TABLE, code, header};
use crate::model::World;
use serde_json::json;

#[test]
fn a_new_table_is_answered_as_recorded() {
    let mut azure = Azure::new(World::default().with_resource_group(SUBSCRIPTION, "rg-ml", "eastus2"));
    let created = azure.put(TABLE, &json!({"location": "East US 2", "name": "rt-ml", "tags": {"a": "b"}}));
    assert_eq!(created.status, 201);
    let (etag, guid) = (created.value()["etag"].clone(), created.value()["properties"]["resourceGuid"].clone());
    let expected = format!(
        "{{\"name\":\"rt-ml\",\"id\":\"{TABLE}\",\"etag\":{etag},\"type\":\"Microsoft.Network/routeTables\",\
         \"location\":\"eastus2\",\"tags\":{{\"a\":\"b\"}},\"properties\":{{\"provisioningState\":\"Updating\",\
         \"resourceGuid\":{guid},\"disableBgpRoutePropagation\":false,\"routes\":[]}}}}"
    );
    assert_eq!(created.text(), expected);
    assert_eq!(header(&created, "retry-after"), "2");
    assert_eq!(header(&created, "azure-asyncnotification"), "Enabled");
    assert_eq!(header(&created, "cache-control"), "no-cache");
    assert_eq!(header(&created, "x-ms-ratelimit-remaining-subscription-global-writes"), "11999");
    assert!(created.header("etag").is_none() && created.header("location").is_none());
    let newer = azure.get(&format!("{TABLE}?api-version=2025-03-01"));
    assert_eq!(newer.value()["properties"]["disablePeeringRoute"], "None");
}

#[test]
fn a_route_is_answered_as_recorded() {
    let mut azure = Azure::with_table();
    let id = format!("{TABLE}/routes/r");
    let body = json!({"name": "r", "properties": {"addressPrefix": "cab:cab::/96", "nextHopIpAddress": "ace:cab:deca:f00d::1", "nextHopType": "VirtualAppliance"}});
    let created = azure.put(&id, &body);
    assert_eq!(created.status, 201);
    let etag = created.value()["etag"].clone();
    let expected = format!(
        "{{\"name\":\"r\",\"id\":\"{id}\",\"etag\":{etag},\"properties\":{{\"provisioningState\":\"Updating\",\
         \"addressPrefix\":\"cab:cab::/96\",\"nextHopType\":\"VirtualAppliance\",\"nextHopIpAddress\":\
         \"ace:cab:deca:f00d::1\",\"hasBgpOverride\":false}},\"type\":\"Microsoft.Network/routeTables/routes\"}}"
    );
    assert_eq!(created.text(), expected);
    azure.pass(2_000);
    let changed = azure.put(&id, &json!({"properties": {"addressPrefix": "cab:cab::/96", "nextHopType": "None"}}));
    assert_eq!((changed.status, header(&changed, "retry-after").as_str()), (200, "2"));
    azure.pass(2_000);
    let routes = azure.get(&format!("{TABLE}/routes"));
    assert_eq!(routes.value()["value"].as_array().unwrap().len(), 2);
    assert!(routes.header("etag").is_none());
    // What azure-cli sends back is taken as well.
    let read = azure.get(&id);
    assert_eq!(azure.put(&id, &read.value()).status, 200);
}

#[test]
fn every_route_has_the_etag_of_the_table_and_each_write_makes_two_new_ones() {
    let mut azure = Azure::with_table();
    let before = azure.get(TABLE);
    assert_eq!(before.value()["etag"], header(&before, "etag"));
    let accepted = azure.put_route("a", "20.1.0.0/16").value()["etag"].clone();
    let during = azure.table();
    azure.pass(2_000);
    let after = azure.table();
    let etags = [&before.value()["etag"], &accepted, &after["etag"]].map(Clone::clone);
    assert!(etags[0] != etags[1] && etags[1] != etags[2], "{etags:?}");
    assert_eq!(during["etag"], accepted);
    for route in after["properties"]["routes"].as_array().unwrap() {
        assert_eq!(route["etag"], after["etag"]);
    }
}

#[test]
fn nothing_to_do_succeeds_at_once() {
    let mut azure = Azure::with_table();
    let table = azure.table();
    for body in
        [table.clone(), json!({"location": "eastus2", "tags": {"new": "tag"}, "properties": table["properties"]})]
    {
        let answer = azure.put(TABLE, &body);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.value()["properties"]["provisioningState"], "Succeeded");
        assert!(answer.header("retry-after").is_none());
        let status = azure.get(&header(&answer, "azure-asyncoperation"));
        assert_eq!(status.text(), "{\"status\":\"Succeeded\"}");
        assert_eq!(azure.table()["etag"], answer.value()["etag"]);
    }
    assert_eq!(azure.world.history(TABLE).len(), 1, "no route was touched");
    let patch = azure.request("PATCH", TABLE).with_json(&json!({"tags": {"other": "tag"}}));
    assert_eq!(azure.send(&patch).value()["tags"], json!({"other": "tag"}));
    assert_eq!(azure.route_names(), ["default"]);
}

#[test]
fn a_put_of_the_table_replaces_its_routes() {
    let mut azure = Azure::with_table();
    azure.settle_route("a", "20.1.0.0/16");
    let answer = azure.put(TABLE, &json!({"location": "eastus2"}));
    assert_eq!(answer.status, 200);
    azure.pass(2_000);
    assert!(azure.route_names().is_empty());
}

#[test]
fn resource_groups_are_made_listed_and_deleted_with_all_inside() {
    let mut azure = Azure::with_table();
    let created = azure.put(
        &format!("/subscriptions/{SUBSCRIPTION}/resourcegroups/rg2"),
        &json!({"location": "eastus", "tags": {"x": "y"}}),
    );
    let expected = format!(
        "{{\"id\":\"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg2\",\"name\":\"rg2\",\"type\":\
         \"Microsoft.Resources/resourceGroups\",\"location\":\"eastus\",\"tags\":{{\"x\":\"y\"}},\"properties\":\
         {{\"provisioningState\":\"Succeeded\"}}}}"
    );
    assert_eq!((created.status, created.text()), (201, expected));
    let listed = azure.get(&format!("/subscriptions/{SUBSCRIPTION}/resourcegroups"));
    assert_eq!(listed.value()["value"].as_array().unwrap().len(), 2);

    let deleted = azure.delete(GROUP);
    assert_eq!((deleted.status, header(&deleted, "retry-after").as_str()), (202, "15"));
    let job = header(&deleted, "location");
    assert_eq!(azure.get(&job).status, 202);
    azure.pass(15_000);
    assert_eq!(azure.get(&job).status, 200);
    assert_eq!(code(&azure.get(TABLE)), "ResourceGroupNotFound");
    assert_eq!(azure.world.history(TABLE).last().unwrap().entries, []);
}

#[test]
fn locations_tell_the_pairs_of_arm() {
    let mut azure = Azure::with_table();
    let answer = azure.get(&format!("/subscriptions/{SUBSCRIPTION}/locations"));
    let pair = |name: &str| {
        let locations = answer.value();
        let location =
            locations["value"].as_array().unwrap().iter().find(|location| location["name"] == name).cloned().unwrap();
        location["metadata"]["pairedRegion"][0]["name"].as_str().map(str::to_owned)
    };
    assert_eq!(pair("eastus2").as_deref(), Some("centralus"));
    assert_eq!(pair("australiacentral").as_deref(), Some("australiacentral"));
    assert_eq!(pair("qatarcentral").as_deref(), Some("westeurope"));
    assert_eq!(pair("polandcentral"), None);
}

#[test]
fn usages_tell_limits_and_count_tables() {
    let mut azure = Azure::with_table();
    let answer =
        azure.get(&format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/locations/eastus2/usages"));
    let usage = |name: &str| {
        let usages = answer.value();
        let found =
            usages["value"].as_array().unwrap().iter().find(|usage| usage["name"]["value"] == name).cloned().unwrap();
        (found["limit"].as_u64().unwrap(), found["currentValue"].as_u64().unwrap())
    };
    assert_eq!(usage("RoutesPerRouteTable"), (400, 0));
    assert_eq!(usage("RoutesWithServiceTagPerRouteTable"), (25, 0));
    assert_eq!(usage("RouteTables"), (200, 1));
}

#[test]
fn tables_are_listed_by_group_and_by_subscription() {
    let other =
        format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-2/providers/Microsoft.Network/routeTables/two");
    let mut azure =
        Azure::new(World::default().with_route_table(TABLE, "eastus2", &[]).with_route_table(&other, "westus", &[]));
    let count = |azure: &mut Azure, path: &str| azure.get(path).value()["value"].as_array().unwrap().len();
    assert_eq!(count(&mut azure, &format!("{GROUP}/providers/Microsoft.Network/routeTables")), 1);
    assert_eq!(count(&mut azure, &format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/routeTables")), 2);
    assert_eq!(azure.get(&format!("/subscriptions/{SUBSCRIPTION}")).value()["state"], "Enabled");
}
