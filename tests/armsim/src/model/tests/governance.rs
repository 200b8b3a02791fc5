//! Locks as resources, permissions for what a body refers to, policies, subnets of other regions, etags while updating.

use super::{Azure, GROUP, SUBSCRIPTION, TABLE, code, header, message};
use crate::model::World;
use serde_json::{Value, json};
use std::path::Path;

const NETWORK: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-ml/providers/Microsoft.Network/virtualNetworks/vnet";

fn azure(yaml: &str) -> Azure {
    let resources = format!(
        "resources:\n- {{id: {TABLE}, location: eastus2}}\n- {{id: {NETWORK}, location: eastus2, properties: {{addressSpace: {{addressPrefixes: [10.0.0.0/16]}}}}}}\n"
    );
    Azure::new(World::from_yaml(&format!("{resources}{yaml}"), Path::new(".")).unwrap())
}

fn subnet(table: &str) -> Value {
    json!({"properties": {"addressPrefix": "10.0.1.0/24", "routeTable": {"id": table}}})
}

#[test]
fn locks_are_resources_at_any_scope() {
    let mut azure = Azure::with_table();
    for scope in [format!("/subscriptions/{SUBSCRIPTION}"), GROUP.to_owned(), TABLE.to_owned()] {
        let lock = format!("{scope}/providers/Microsoft.Authorization/locks/keep");
        let body = json!({"properties": {"level": "CanNotDelete", "notes": "kept"}});
        let answer = azure.put(&lock, &body);
        assert_eq!((answer.status, answer.value()["id"].as_str()), (201, Some(lock.as_str())));
        assert_eq!(azure.put(&lock, &body).status, 200);
        assert_eq!(azure.get(&lock).value()["properties"], body["properties"]);
        let refused = azure.delete(&format!("{TABLE}/routes/default"));
        assert_eq!((refused.status, code(&refused).as_str()), (409, "ScopeLocked"), "{scope}");
        assert_eq!(code(&azure.delete(GROUP)), "ScopeLocked", "nothing goes whose parts may not");
        let list = azure.get(&format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/locks"));
        assert_eq!(list.value()["value"].as_array().unwrap().len(), 1);
        assert_eq!(azure.delete(&lock).status, 200);
        assert_eq!(azure.delete(&lock).status, 204);
        assert_eq!((azure.get(&lock).status, code(&azure.get(&lock)).as_str()), (404, "LockNotFound"));
    }
    assert_eq!(azure.delete(&format!("{TABLE}/routes/default")).status, 202);
}

#[test]
fn a_lock_is_refused_where_nothing_is() {
    let mut azure = Azure::with_table();
    let body = json!({"properties": {"level": "ReadOnly"}});
    let lock = |scope: &str| format!("{scope}/providers/Microsoft.Authorization/locks/l");
    assert_eq!(code(&azure.put(&lock(&TABLE.replace("rt-ml", "none")), &body)), "ResourceNotFound");
    assert_eq!(azure.put(&lock(TABLE), &json!({"properties": {"level": "Perhaps"}})).status, 400);
    assert_eq!(azure.put(&lock(TABLE), &body).status, 201);
    assert_eq!(code(&azure.put_route("a", "20.1.0.0/16")), "ScopeLocked");
    assert_eq!(azure.get(TABLE).status, 200);
}

#[test]
fn a_subnet_needs_permission_to_join_its_table() {
    let role = |actions: &str| {
        format!(
            "roles:\n- client: 22222222-2222-4222-8222-222222222222\n  scope: /subscriptions/{SUBSCRIPTION}\n  actions: [{actions}]\n"
        )
    };
    let mut without = azure(&role("'*/read', '*/write'"));
    let refused = without.put(&format!("{NETWORK}/subnets/ml"), &subnet(TABLE));
    assert_eq!((refused.status, code(&refused).as_str()), (403, "LinkedAuthorizationFailed"));
    let text = message(&refused);
    assert!(text.contains("'Microsoft.Network/virtualNetworks/subnets/write'"), "{text}");
    let join = format!("'Microsoft.Network/routeTables/join/action' on the linked scope(s) '{TABLE}'");
    assert!(text.contains(&join), "{text}");
    // A route's own id is no link.
    let route = json!({"name": "a", "id": format!("{TABLE}/routes/a"), "properties": {"addressPrefix": "20.1.0.0/16", "nextHopType": "None"}});
    assert_eq!(without.put(TABLE, &json!({"location": "eastus2", "properties": {"routes": [route]}})).status, 200);

    let mut with = azure(&role("'*/read', '*/write', 'Microsoft.Network/routeTables/join/action'"));
    assert_eq!(with.put(&format!("{NETWORK}/subnets/ml"), &subnet(TABLE)).status, 201);
    let shown = with.table()["properties"]["subnets"].clone();
    assert_eq!(shown, json!([{"id": format!("{NETWORK}/subnets/ml")}]));
}

#[test]
fn not_actions_take_away() {
    let mut azure = azure(&format!(
        "roles:\n- client: 22222222-2222-4222-8222-222222222222\n  scope: /subscriptions/{SUBSCRIPTION}\n  actions: ['*']\n  notActions: ['*/delete']\n"
    ));
    azure.settle_route("a", "20.1.0.0/16");
    assert_eq!(code(&azure.delete(&format!("{TABLE}/routes/a"))), "AuthorizationFailed");
}

#[test]
fn a_table_of_another_region_is_not_found_by_a_subnet() {
    let mut azure = azure("");
    let elsewhere = TABLE.replace("rt-ml", "elsewhere");
    assert_eq!(azure.put(&elsewhere, &json!({"location": "westeurope"})).status, 201);
    for table in [elsewhere.as_str(), &TABLE.replace("rt-ml", "none")] {
        let refused = azure.put(&format!("{NETWORK}/subnets/ml"), &subnet(table));
        assert_eq!((refused.status, code(&refused).as_str()), (400, "InvalidResourceReference"));
        assert!(message(&refused).ends_with("and that both resources are in the same region."));
    }
    assert_eq!(azure.get(&format!("{NETWORK}/subnets/ml")).status, 404);
}

#[test]
fn a_table_in_use_is_not_deleted() {
    let mut azure = azure("");
    assert_eq!(azure.put(&format!("{NETWORK}/subnets/ml"), &subnet(TABLE)).status, 201);
    assert_eq!(code(&azure.delete(TABLE)), "InUseRouteTableCannotBeDeleted");
    azure.pass(2000);
    assert_eq!(azure.delete(&format!("{NETWORK}/subnets/ml")).status, 202);
    azure.pass(2000);
    assert!(azure.table()["properties"].get("subnets").is_none());
    assert_eq!(azure.delete(TABLE).status, 202);
}

#[test]
fn networks_and_subnets_are_written_like_tables() {
    let mut azure = azure("");
    let answer = azure.put(NETWORK, &json!({"location": "eastus2", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": [{"name": "a", "properties": {"addressPrefix": "10.0.0.0/24"}}]}}));
    assert_eq!((answer.status, header(&answer, "retry-after").as_str()), (200, "3"));
    assert_eq!(
        code(&azure.put(&format!("{NETWORK}/subnets/b"), &json!({"properties": {"addressPrefix": "10.0.1.0/24"}}))),
        "RetryableError"
    );
    azure.pass(2000);
    let subnets = azure.get(&format!("{NETWORK}/subnets")).value();
    assert_eq!(subnets["value"][0]["properties"]["provisioningState"], "Succeeded");
    assert_eq!(azure.delete(NETWORK).status, 202);
    azure.pass(2000);
    assert_eq!(code(&azure.get(NETWORK)), "ResourceNotFound");
}

#[test]
fn a_policy_denies_what_meets_its_conditions() {
    let mut azure = azure(&format!(
        "policies:\n- {{name: through-the-firewall, scope: /subscriptions/{SUBSCRIPTION}, deniedNextHopTypes: [Internet]}}\n- {{name: tagged, scope: {GROUP}, types: [Microsoft.Network/routeTables], requiredTags: [owner], allowedLocations: [eastus2]}}\n"
    ));
    let refused = azure.put_route("a", "20.1.0.0/16");
    assert_eq!((refused.status, code(&refused).as_str()), (403, "RequestDisallowedByPolicy"));
    let error = refused.value()["error"].clone();
    assert_eq!(
        (error["target"].as_str(), error["additionalInfo"][0]["type"].as_str()),
        (Some("a"), Some("PolicyViolation"))
    );
    assert!(
        message(&refused)
            .starts_with("Resource 'a' was disallowed by policy. Policy identifiers: '[{\"policyAssignment\":")
    );
    let none = json!({"properties": {"addressPrefix": "20.1.0.0/16", "nextHopType": "None"}});
    assert_eq!(azure.put(&format!("{TABLE}/routes/a"), &none).status, 201);
    azure.pass(2000);
    let table = |location: &str, tags: Value| json!({"location": location, "tags": tags});
    let other = TABLE.replace("rt-ml", "other");
    assert_eq!(azure.put(&other, &table("eastus2", json!({}))).status, 403);
    assert_eq!(azure.put(&other, &table("westus", json!({"owner": "x"}))).status, 403);
    assert_eq!(azure.put(&other, &table("eastus2", json!({"owner": "x"}))).status, 201);
}

#[test]
fn the_etag_of_an_accepted_write_is_stale_when_it_is_done() {
    let mut azure = Azure::with_table();
    let accepted = azure.put_route("a", "20.1.0.0/16").value()["etag"].as_str().unwrap().to_owned();
    azure.pass(2000);
    let body = json!({"location": "eastus2"});
    let request = azure.request("PUT", TABLE).with_json(&body).with_header("if-match", &accepted);
    let refused = azure.send(&request);
    assert_eq!((refused.status, code(&refused).as_str()), (412, "PreconditionFailed"));
    let current = azure.table()["etag"].as_str().unwrap().to_owned();
    let request = azure.request("PUT", TABLE).with_json(&body).with_header("if-match", &current);
    assert_eq!(azure.send(&request).status, 200);
}
