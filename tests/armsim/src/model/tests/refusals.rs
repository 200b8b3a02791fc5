//! Requests that are refused: code, status and text.

use super::{Azure, GROUP, SUBSCRIPTION, TABLE, code, header, message};
use crate::model::ApiRequest;
use serde_json::{Value, json};

#[test]
fn not_found_has_three_forms_and_a_fourth() {
    let mut azure = Azure::with_table();
    let answer = azure.get(&TABLE.replace("rt-ml", "none"));
    assert_eq!((answer.status, header(&answer, "x-ms-failure-cause").as_str()), (404, "gateway"));
    let text = "{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"The Resource 'Microsoft.Network/routeTables/none' under resource group 'rg-ml' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix\"}}";
    assert_eq!(answer.text(), text);
    let child_of_none = azure.get(&format!("{}/routes/r", TABLE.replace("rt-ml", "none")));
    assert_eq!(child_of_none.text(), text, "a missing parent is named instead of its child");

    let answer = azure.get(&format!("{TABLE}/routes/none"));
    assert_eq!(answer.status, 404);
    assert_eq!(header(&answer, "x-ms-failure-cause"), "service");
    assert_eq!(
        answer.text(),
        format!(
            "{{\"error\":{{\"code\":\"NotFound\",\"message\":\"Resource {TABLE}/routes/none not found.\",\"details\":[]}}}}"
        )
    );

    for (method, path) in [
        ("GET", GROUP.replace("rg-ml", "no")),
        ("DELETE", TABLE.replace("rg-ml", "no")),
        ("GET", TABLE.replace("rg-ml", "no")),
    ] {
        let request = azure.request(method, &path);
        let answer = azure.send(&request);
        assert_eq!((answer.status, header(&answer, "x-ms-failure-cause").as_str()), (404, "gateway"));
        assert_eq!(
            answer.text(),
            "{\"error\":{\"code\":\"ResourceGroupNotFound\",\"message\":\"Resource group 'no' could not be found.\"}}"
        );
    }
    let answer = azure.get(&TABLE.replace(SUBSCRIPTION, "11111111-2222-3333-4444-555555555555"));
    assert_eq!((answer.status, code(&answer).as_str()), (404, "SubscriptionNotFound"));
    assert!(answer.header("x-ms-ratelimit-remaining-subscription-global-reads").is_none());
}

#[test]
fn one_prefix_is_one_route() {
    let mut azure = Azure::with_table();
    azure.settle_route("a", "2603:1030:8::/48");
    let refused = azure.put_route("b", "2603:1030:0008:0000::/48");
    assert_eq!((refused.status, code(&refused).as_str()), (400, "RouteConflict"));
    assert_eq!(message(&refused), "Route: b conflicts with Route: a. Routes cannot have the same AddressPrefix.");
    azure.settle_route("tag", "Storage.EastUS");
    assert_eq!(code(&azure.put_route("b", "storage.eastus")), "RouteConflict");
    let route =
        |name: &str| json!({"name": name, "properties": {"addressPrefix": "20.1.0.0/16", "nextHopType": "Internet"}});
    let both = json!({"location": "eastus2", "properties": {"routes": [route("x"), route("y")]}});
    assert_eq!(code(&azure.put(TABLE, &both)), "RouteConflict");
    assert_eq!(azure.route_names(), ["default", "a", "tag"]);
    // The route itself may keep its prefix.
    assert_eq!(azure.put_route("A", "2603:1030:8::/48").status, 200);
}

#[test]
fn bad_prefixes_names_and_hops_are_refused() {
    let mut azure = Azure::with_table();
    for (prefix, expected) in [
        ("10.0.0.0/160", "InvalidAddressPrefixFormat"),
        ("10.0.0.1", "InvalidAddressPrefixFormat"),
        ("", "InvalidAddressPrefixFormat"),
        ("10.1.2.3/16", "InvalidCIDRNotation"),
        ("2603::1/64", "InvalidCIDRNotation"),
    ] {
        let refused = azure.put_route("a", prefix);
        assert_eq!((refused.status, code(&refused).as_str()), (400, expected), "{prefix}");
    }
    let refused = azure.put_route("a", "10.1.2.3/16");
    assert_eq!(
        message(&refused),
        format!(
            "The address prefix 10.1.2.3/16 in resource {TABLE}/routes/a has an invalid CIDR notation. For the given prefix length, the address prefix should be 10.1.0.0/16."
        )
    );
    for name in ["-a", "a-", "a%2fb", "..", "a%20b", &"a".repeat(81)] {
        assert_eq!(code(&azure.put_route(name, "20.1.0.0/16")), "InvalidResourceName", "{name}");
    }
    assert_eq!(azure.put_route(&"a".repeat(80), "20.1.0.0/16").status, 201);
    azure.pass(2_000);
    for (properties, expected) in [
        (json!({"addressPrefix": "20.2.0.0/16", "nextHopType": "Moon"}), "InvalidRequestFormat"),
        (json!({"addressPrefix": "20.2.0.0/16"}), "InvalidRequestFormat"),
        (json!({"nextHopType": "Internet"}), "InvalidRequestFormat"),
        (json!({"addressPrefix": "20.2.0.0/16", "nextHopType": "VirtualAppliance"}), "RouteNextHopIpAddressRequired"),
        (
            json!({"addressPrefix": "20.2.0.0/16", "nextHopType": "VirtualAppliance", "nextHopIpAddress": "x"}),
            "InvalidRequestFormat",
        ),
        (json!({"addressPrefix": 7}), "InvalidRequestContent"),
    ] {
        let refused = azure.put(&format!("{TABLE}/routes/a"), &json!({"properties": properties}));
        assert_eq!((refused.status, code(&refused).as_str()), (400, expected), "{properties}");
    }
}

#[test]
fn a_full_table_takes_no_more() {
    let mut azure = Azure::with_table();
    let settings = azure
        .world
        .settings()
        .changed(&json!({"usages": {"RoutesPerRouteTable": 3, "RoutesWithServiceTagPerRouteTable": 1}}))
        .unwrap();
    azure.world.set_settings(settings);
    azure.settle_route("tag", "Storage");
    assert_eq!(code(&azure.put_route("tag2", "Sql")), "RouteWithServiceTagCountLimitReached");
    azure.settle_route("a", "20.1.0.0/16");
    assert_eq!(code(&azure.put_route("b", "20.2.0.0/16")), "RouteCountLimitReached");
    assert_eq!(azure.put_route("a", "20.3.0.0/16").status, 200, "a change needs no room");
    azure.pass(2_000);
    // What is enforced may differ from what is told.
    let settings = azure.world.settings().changed(&json!({"limits": {"routesPerRouteTable": 4}})).unwrap();
    azure.world.set_settings(settings);
    assert_eq!(azure.put_route("b", "20.2.0.0/16").status, 201);
}

#[test]
fn an_old_etag_is_refused() {
    let mut azure = Azure::with_table();
    let etag = azure.table()["etag"].as_str().unwrap().to_owned();
    let put = |azure: &Azure, etag: &str| {
        azure.request("PUT", TABLE).with_header("if-match", etag).with_json(&json!({"location": "eastus2"}))
    };
    let request = put(&azure, "invalid");
    let refused = azure.send(&request);
    assert_eq!(refused.status, 412);
    let text = format!(
        "Etag provided in if-match header W/\"invalid\" does not match etag {etag} of resource {TABLE} in NRP data store."
    );
    assert_eq!(
        refused.value()["error"],
        json!({"code": "PreconditionFailed", "message": "Precondition failed.", "details": [{"code": "PreconditionFailedEtagMismatch", "message": text}]})
    );
    let request = put(&azure, &etag);
    assert_eq!(azure.send(&request).status, 200);
    azure.pass(2_000);
    assert_eq!(azure.send(&request).status, 412, "the completed write made a new etag");
}

#[test]
fn front_door_refusals() {
    let mut azure = Azure::with_table();
    let mut refused = |target: &str, body: Option<Value>| {
        let request = azure.request(if body.is_some() { "PUT" } else { "GET" }, target);
        code(&azure.send(&match body {
            Some(body) => request.with_json(&body),
            None => request,
        }))
    };
    assert_eq!(refused(&format!("{TABLE}?x=y"), None), "MissingApiVersionParameter");
    assert_eq!(refused(&format!("{TABLE}?api-version=new"), None), "InvalidApiVersionParameter");
    assert_eq!(refused(&TABLE.replace("routeTables", "routeChairs"), None), "InvalidResourceType");
    assert_eq!(refused("/nothing", None), "NotFound");
    assert_eq!(refused(TABLE, Some(json!({}))), "LocationRequired");
    assert_eq!(refused(TABLE, Some(json!({"location": "moon"}))), "LocationNotAvailableForResourceType");
    assert_eq!(refused(TABLE, Some(json!({"location": "westus"}))), "InvalidResourceLocation");
    assert_eq!(
        refused(&format!("{}/routes/r", TABLE.replace("rt-ml", "none")), Some(json!({}))),
        "ParentResourceNotFound"
    );
    let request = azure.request("POST", TABLE);
    assert_eq!(azure.send(&request).status, 405);
}

#[test]
fn correlation_ids_are_echoed_or_made() {
    let mut azure = Azure::with_table();
    let request = azure.request("GET", TABLE).with_header("x-ms-correlation-request-id", "given");
    assert_eq!(header(&azure.send(&request), "x-ms-correlation-request-id"), "given");
    assert_eq!(azure.world.log().last().unwrap().correlation_id, "given");
    let answer = azure.get(TABLE);
    let made = header(&answer, "x-ms-correlation-request-id");
    assert_eq!((made.len(), &made), (36, &azure.world.log().last().unwrap().correlation_id));
    let unsigned = ApiRequest::new("GET", &format!("{TABLE}?api-version=2024-03-01"));
    assert_eq!(azure.send(&unsigned).status, 401);
    assert_eq!(azure.world.log().last().unwrap().client, "anonymous");
}
