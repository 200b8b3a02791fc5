//! IP groups by themselves: shapes, validation, limits, permissions, locks, faults, history.

use super::{Azure, GROUP, SUBSCRIPTION, code, header, message};
use crate::model::{ApiResponse, Delivery, World, faults::Fault};
use serde_json::{Value, json};
use std::path::Path;

const IP_GROUP: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-ml/providers/Microsoft.Network/ipGroups/amlnet";

fn azure(yaml: &str) -> Azure {
    let yaml = format!("resources:\n- {{id: {GROUP}, location: eastus2}}\n{yaml}");
    Azure::new(World::from_yaml(&yaml, Path::new(".")).unwrap())
}

fn body(addresses: &[&str]) -> Value {
    json!({"location": "eastus2", "properties": {"ipAddresses": addresses}})
}

fn put(azure: &mut Azure, addresses: &[&str]) -> ApiResponse {
    azure.put(IP_GROUP, &body(addresses))
}

/// A group that is written to the end.
fn settle(azure: &mut Azure, addresses: &[&str]) {
    let accepted = put(azure, addresses);
    assert!(accepted.status < 300, "{}", accepted.text());
    azure.pass(5_000);
    assert_eq!(azure.get(IP_GROUP).value()["properties"]["provisioningState"], "Succeeded");
}

fn fault(azure: &mut Azure, effect: &Value) {
    let fault: Fault =
        serde_json::from_value(json!({"effect": effect, "match": {"pathContains": "/ipGroups/"}})).unwrap();
    azure.world.add_fault(fault);
}

#[test]
fn a_group_is_made_polled_read_listed_and_deleted() {
    let mut azure = azure("");
    assert_eq!(code(&azure.get(IP_GROUP)), "ResourceNotFound");
    let created = put(&mut azure, &["20.42.0.0/17", "10.0.0.1", "10.0.0.4-10.0.0.9"]);
    assert_eq!((created.status, header(&created, "retry-after").as_str()), (201, "10"));
    for absent in ["etag", "location", "azure-asyncnotification"] {
        assert_eq!(created.header(absent), None, "{absent}");
    }
    let etag = created.value()["etag"].as_str().unwrap().to_owned();
    let expected = format!(
        "{{\r\n  \"properties\": {{\r\n    \"firewalls\": [],\r\n    \"firewallPolicies\": [],\r\n    \"ipAddresses\": [\r\n      \
         \"20.42.0.0/17\",\r\n      \"10.0.0.1\",\r\n      \"10.0.0.4-10.0.0.9\"\r\n    ],\r\n    \"provisioningState\": \
         \"Updating\"\r\n  }},\r\n  \"id\": \"{IP_GROUP}\",\r\n  \"name\": \"amlnet\",\r\n  \"type\": \
         \"Microsoft.Network/IpGroups\",\r\n  \"etag\": \"{etag}\",\r\n  \"location\": \"eastus2\"\r\n}}"
    );
    assert_eq!(created.text(), expected);

    let url = header(&created, "azure-asyncoperation");
    assert!(url.contains("/locations/eastus2/nfvOperations/") && (4_500..5_200).contains(&url.len()), "{url}");
    let running = azure.get(&url);
    assert_eq!(running.text(), "{\r\n  \"status\": \"InProgress\"\r\n}");
    assert_eq!(header(&running, "retry-after"), "10");
    assert_eq!(code(&azure.get(&url.replace("nfvOperations", "operations"))), "InvalidOperationUrl");
    azure.pass(4_999);
    assert_eq!(azure.get(IP_GROUP).value()["properties"]["provisioningState"], "Updating");
    azure.pass(1);
    let done = azure.get(&url);
    assert_eq!((done.text().as_str(), done.header("retry-after")), ("{\r\n  \"status\": \"Succeeded\"\r\n}", None));

    let read = azure.get(&IP_GROUP.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions"));
    assert_eq!(read.text(), expected.replace("Updating", "Succeeded"), "nothing but the state changed");
    assert_eq!(header(&read, "etag"), format!("\"{etag}\""), "the etag of the PUT is kept");
    for scope in [GROUP.to_owned(), format!("/subscriptions/{SUBSCRIPTION}")] {
        let list = azure.get(&format!("{scope}/providers/Microsoft.Network/ipGroups"));
        assert_eq!(list.value()["value"], json!([read.value()]));
        assert!(list.header("etag").is_none() && list.text().starts_with("{\r\n  \"value\": [\r\n    {\r\n"));
    }
    let elsewhere = GROUP.replace("rg-ml", "rg-none");
    assert_eq!(code(&azure.get(&format!("{elsewhere}/providers/Microsoft.Network/ipGroups"))), "ResourceGroupNotFound");

    let deleted = azure.delete(IP_GROUP);
    assert_eq!((deleted.status, deleted.text().as_str()), (200, ""));
    assert!(deleted.header("azure-asyncoperation").is_none() && deleted.header("location").is_none());
    assert_eq!(code(&azure.get(IP_GROUP)), "ResourceNotFound");
    assert_eq!(azure.delete(IP_GROUP).status, 204);
}

#[test]
fn a_put_replaces_everything_and_is_always_an_operation() {
    let mut azure = azure("");
    let mut first = body(&["20.1.0.0/16", "20.2.0.0/16"]);
    first["tags"] = json!({"amlnet": "prod"});
    assert_eq!(azure.put(IP_GROUP, &first).value()["tags"], first["tags"]);
    azure.pass(5_000);
    let before = azure.get(IP_GROUP).value();
    let same = azure.put(IP_GROUP, &first);
    assert_eq!((same.status, same.value()["properties"]["provisioningState"].as_str()), (200, Some("Updating")));
    assert_ne!(same.value()["etag"], before["etag"]);
    azure.pass(5_000);
    let other = put(&mut azure, &["20.3.0.0/16"]);
    assert_eq!(other.status, 200);
    azure.pass(5_000);
    let now = azure.get(IP_GROUP).value();
    assert_eq!(now["properties"]["ipAddresses"], json!(["20.3.0.0/16"]));
    assert!(now.get("tags").is_none());
}

#[test]
fn a_patch_writes_tags_only() {
    let mut azure = azure("");
    settle(&mut azure, &["20.1.0.0/16"]);
    let request = azure.request("PATCH", IP_GROUP).with_json(&json!({"tags": {"a": "b"}}));
    let patched = azure.send(&request);
    assert_eq!((patched.status, patched.header("azure-asyncoperation")), (200, None));
    let now = azure.get(IP_GROUP).value();
    assert_eq!((&now["tags"], &now["properties"]["ipAddresses"]), (&json!({"a": "b"}), &json!(["20.1.0.0/16"])));
}

#[test]
fn what_is_no_address_is_refused_and_changes_nothing() {
    let mut azure = azure("");
    settle(&mut azure, &["20.1.0.0/16"]);
    let before = azure.get(IP_GROUP).text();
    for (address, expected) in [
        ("AzureCloud", "IPGroupsInvalidIPAddressOrRangeFormat"),
        ("10.0.0.0/33", "IPGroupsInvalidIPAddressOrRangeFormat"),
        ("10.0.0.300", "IPGroupsInvalidIPAddressOrRangeFormat"),
        ("10.0.0.9-10.0.0.4", "IPGroupsInvalidIPAddressOrRangeFormat"),
        ("10.0.0.4-", "IPGroupsInvalidIPAddressOrRangeFormat"),
        ("", "IPGroupsInvalidIPAddressOrRangeFormat"),
        ("2603:1030::/32", "IPGroupsInvalidIPAddressOrRangeFormat"),
        ("2603:1030::1", "IPGroupsInvalidIPAddressOrRangeFormat"),
        ("10.1.2.3/16", "InvalidCIDRNotation"),
    ] {
        let refused = put(&mut azure, &["20.2.0.0/16", address]);
        assert_eq!((refused.status, code(&refused).as_str()), (400, expected), "{address}");
        assert!(message(&refused).contains(IP_GROUP), "{}", message(&refused));
        assert_eq!(header(&refused, "x-ms-failure-cause"), "service");
    }
    let mut elsewhere = body(&["20.2.0.0/16"]);
    elsewhere["location"] = json!("westus2");
    let refused = azure.put(IP_GROUP, &elsewhere);
    assert_eq!((refused.status, code(&refused).as_str()), (409, "InvalidResourceLocation"));
    let refused = azure.put(IP_GROUP, &json!({"properties": {"ipAddresses": []}}));
    assert_eq!((refused.status, code(&refused).as_str()), (400, "LocationRequired"));
    let refused = azure.put(&IP_GROUP.replace("amlnet", "-amlnet"), &body(&[]));
    assert_eq!(code(&refused), "InvalidResourceName");
    assert_eq!(azure.get(IP_GROUP).text(), before);
}

#[test]
fn five_thousand_addresses_and_no_more() {
    let mut azure = azure("");
    let address = |i: usize| format!("20.{}.{}.{}", i / 65_536, i / 256 % 256, i % 256);
    let addresses: Vec<String> = (0..5_001).map(address).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let refused = put(&mut azure, &addresses);
    assert_eq!((refused.status, code(&refused).as_str()), (400, "IPGroupsIPAddressCountLimitReached"));
    assert_eq!(azure.get(IP_GROUP).status, 404);
    settle(&mut azure, &addresses[..5_000]);
    assert_eq!(azure.get(IP_GROUP).value()["properties"]["ipAddresses"].as_array().unwrap().len(), 5_000);
    let settings = azure.world.settings().changed(&json!({"limits": {"ipAddressesPerIpGroup": 1}})).unwrap();
    azure.world.set_settings(settings);
    assert_eq!(code(&put(&mut azure, &addresses[..2])), "IPGroupsIPAddressCountLimitReached");
}

#[test]
fn regions_differ_about_empty_groups() {
    let mut taken = azure("");
    settle(&mut taken, &[]);
    let mut refused = azure("behaviour: {emptyIpGroups: false}");
    assert_eq!(code(&put(&mut refused, &[])), "IPGroupsIPAddressCountZero");
}

#[test]
fn if_match_counts_only_where_the_world_says_so() {
    for (yaml, expected) in [("", 200), ("behaviour: {ipGroupIfMatch: true}", 412)] {
        let mut azure = azure(yaml);
        settle(&mut azure, &["20.1.0.0/16"]);
        let request =
            azure.request("PUT", IP_GROUP).with_header("if-match", "\"stale\"").with_json(&body(&["20.2.0.0/16"]));
        assert_eq!(azure.send(&request).status, expected, "{yaml}");
        azure.pass(5_000);
        let etag = header(&azure.get(IP_GROUP), "etag");
        let request = azure.request("PUT", IP_GROUP).with_header("if-match", &etag).with_json(&body(&["20.2.0.0/16"]));
        assert_eq!(azure.send(&request).status, 200, "{yaml}");
    }
}

#[test]
fn permissions_are_asked_for_by_name() {
    let client = World::default().credentials()[0].client_id.clone();
    let mut azure = azure(&format!(
        "roles: [{{client: {client}, scope: {GROUP}, actions: [Microsoft.Network/ipGroups/read, Microsoft.Network/ipGroups/write]}}]"
    ));
    settle(&mut azure, &["20.1.0.0/16"]);
    let mut repeated = body(&["20.1.0.0/16"]);
    repeated["properties"]["firewalls"] =
        json!([{"id": format!("{GROUP}/providers/Microsoft.Network/azureFirewalls/f")}]);
    assert_eq!(azure.put(IP_GROUP, &repeated).status, 200, "what is read-only needs no permission");
    azure.pass(5_000);
    assert_eq!(azure.get(IP_GROUP).value()["properties"]["firewalls"], json!([]));
    let refused = azure.delete(IP_GROUP);
    assert_eq!((refused.status, code(&refused).as_str()), (403, "AuthorizationFailed"));
    assert!(message(&refused).contains("'Microsoft.Network/ipGroups/delete'"), "{}", message(&refused));
    for (kind, action) in [
        ("azureFirewalls/f", "Microsoft.Network/azureFirewalls/read"),
        ("firewallPolicies/p", "Microsoft.Network/firewallPolicies/read"),
        ("firewallPolicies/p/ruleCollectionGroups/g", "Microsoft.Network/firewallPolicies/ruleCollectionGroups/read"),
    ] {
        let refused = azure.get(&format!("{GROUP}/providers/Microsoft.Network/{kind}"));
        assert!(message(&refused).contains(&format!("'{action}'")), "{}", message(&refused));
    }
}

#[test]
fn locks_and_policies_hold() {
    let mut azure = azure(&format!("locks: [{{scope: {GROUP}, level: CanNotDelete}}]"));
    settle(&mut azure, &["20.1.0.0/16"]);
    assert_eq!(code(&azure.delete(IP_GROUP)), "ScopeLocked");
    let lock = format!("{IP_GROUP}/providers/Microsoft.Authorization/locks/frozen");
    assert_eq!(azure.put(&lock, &json!({"properties": {"level": "ReadOnly"}})).status, 201);
    let refused = put(&mut azure, &["20.2.0.0/16"]);
    assert_eq!((refused.status, code(&refused).as_str()), (409, "ScopeLocked"));

    let mut azure = self::azure(&format!(
        "policies: [{{name: tagged, scope: {GROUP}, types: [Microsoft.Network/ipGroups], requiredTags: [owner]}}]"
    ));
    let refused = put(&mut azure, &["20.1.0.0/16"]);
    assert_eq!((refused.status, code(&refused).as_str()), (403, "RequestDisallowedByPolicy"));
}

#[test]
fn the_provider_counts_its_requests() {
    let mut azure = azure("limits: {enforce: true, provider: {reads: 2, writes: 9, window: 5m}}");
    settle(&mut azure, &["20.1.0.0/16"]);
    assert_eq!(azure.get(IP_GROUP).status, 200);
    let refused = azure.get(IP_GROUP);
    assert_eq!((refused.status, code(&refused).as_str()), (429, "TooManyRequests"));
}

#[test]
fn faults_hit_groups_as_they_hit_tables() {
    let mut azure = azure("");
    for (effect, status) in [
        (json!({"status": {"code": 500, "body": {"error": {"code": "InternalServerError"}}}}), 500),
        (json!("html503"), 503),
        (json!({"throttle": {"retryAfter": 10}}), 429),
    ] {
        fault(&mut azure, &effect);
        assert_eq!(put(&mut azure, &["20.1.0.0/16"]).status, status);
    }
    fault(&mut azure, &json!("dropBefore"));
    assert_eq!(put(&mut azure, &["20.1.0.0/16"]).delivery, Delivery::Drop);
    assert_eq!(azure.get(IP_GROUP).status, 404);
    fault(&mut azure, &json!("dropAfterCommit"));
    assert_eq!(put(&mut azure, &["20.1.0.0/16"]).delivery, Delivery::Drop);
    azure.pass(5_000);
    assert_eq!(azure.get(IP_GROUP).value()["properties"]["ipAddresses"], json!(["20.1.0.0/16"]));
    fault(&mut azure, &json!("lostOperation"));
    let lost = put(&mut azure, &["20.2.0.0/16"]);
    azure.pass(5_000);
    assert_eq!(azure.get(&header(&lost, "azure-asyncoperation")).status, 404);
    assert_eq!(azure.get(IP_GROUP).value()["properties"]["ipAddresses"], json!(["20.2.0.0/16"]));
}

#[test]
fn a_failed_write_leaves_a_failed_group_without_addresses() {
    let mut azure = azure("");
    settle(&mut azure, &["20.1.0.0/16"]);
    fault(&mut azure, &json!({"ipGroupsUpdateFailed": {}}));
    let accepted = put(&mut azure, &["20.1.0.0/16", "20.2.0.0/16"]);
    azure.pass(5_000);
    let status = azure.get(&header(&accepted, "azure-asyncoperation")).value();
    assert_eq!((&status["status"], &status["error"]["code"]), (&json!("Failed"), &json!("IpGroupsUpdateFailed")));
    assert_eq!(status["error"]["message"], "Put on IP Groups amlnet Failed with 1 faulted referenced firewalls");
    let properties = azure.get(IP_GROUP).value()["properties"].clone();
    assert_eq!((&properties["provisioningState"], &properties["ipAddresses"]), (&json!("Failed"), &json!([])));
    settle(&mut azure, &["20.1.0.0/16", "20.2.0.0/16"]);
    let entries = |azure: &Azure| -> Vec<usize> {
        azure.world.address_history(IP_GROUP).iter().map(|state| state.entries.len()).collect()
    };
    assert_eq!(entries(&azure), [1, 1, 2, 0, 2, 2]);

    fault(&mut azure, &json!({"failOperation": {"code": "InternalServerError", "message": "m"}}));
    put(&mut azure, &["20.1.0.0/16"]);
    azure.pass(5_000);
    assert_eq!(azure.get(IP_GROUP).value()["properties"]["provisioningState"], "Failed");
}

#[test]
fn a_world_may_begin_with_a_failed_group() {
    let mut azure = azure(&format!(
        "- {{id: {IP_GROUP}, location: eastus2, properties: {{ipAddresses: [], provisioningState: Failed}}}}\n"
    ));
    let shown = azure.get(IP_GROUP).value();
    assert_eq!(shown["properties"]["provisioningState"], "Failed");
    settle(&mut azure, &["20.1.0.0/16"]);
    let updating = json!({"id": IP_GROUP, "location": "eastus2", "properties": {"provisioningState": "Updating"}});
    assert!(azure.world.put_resource(azure.now, &updating).is_err(), "nothing would ever end it");
}

#[test]
fn the_control_interface_places_and_removes_groups() {
    let mut azure = azure("");
    put(&mut azure, &["20.1.0.0/16"]);
    let foreign = json!({"id": IP_GROUP, "location": "eastus2", "properties": {"ipAddresses": ["20.9.0.0/16"]}});
    azure.world.put_resource(azure.now, &foreign).unwrap();
    azure.pass(5_000);
    let shown = azure.world.get_resource(azure.now, IP_GROUP).unwrap().value();
    assert_eq!(shown["properties"]["ipAddresses"], json!(["20.9.0.0/16"]), "the operation left it alone");
    assert_eq!(put(&mut azure, &["20.1.0.0/16"]).status, 200);
    azure.pass(5_000);
    assert!(azure.world.delete_resource(azure.now, IP_GROUP));
    assert!(!azure.world.delete_resource(azure.now, IP_GROUP));
    let history = azure.world.address_history(&IP_GROUP.to_uppercase());
    let shown: Vec<(bool, String)> =
        history.iter().map(|state| (state.client == "control", state.entries.join(" "))).collect();
    let state = |by_control, entries: &str| (by_control, entries.to_owned());
    assert_eq!(
        shown,
        [
            state(false, "20.1.0.0/16"),
            state(true, "20.9.0.0/16"),
            state(false, "20.1.0.0/16"),
            state(false, "20.1.0.0/16"),
            state(true, ""),
        ]
    );
    assert_eq!(history[3].at, "2024-11-08T01:11:34.394Z", "the time when the operation ended");
}

#[test]
fn a_resource_group_takes_its_ip_groups_with_it() {
    let mut azure = azure("");
    settle(&mut azure, &["20.1.0.0/16"]);
    assert_eq!(azure.delete(GROUP).status, 202);
    azure.pass(15_000);
    assert_eq!(code(&azure.get(IP_GROUP)), "ResourceGroupNotFound");
    assert!(azure.world.address_history(IP_GROUP).last().unwrap().entries.is_empty());
}

#[test]
fn usages_do_not_know_of_ip_groups() {
    let mut azure = azure("");
    settle(&mut azure, &["20.1.0.0/16"]);
    let usages =
        azure.get(&format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/locations/eastus2/usages"));
    assert!(usages.status == 200 && !usages.text().to_lowercase().contains("ipgroup"));
}
