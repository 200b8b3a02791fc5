//! Who may write firewall policies, and what hits such writes: roles, locks, Azure Policy, throttling, faults.

use super::{
    Azure, GROUP, SUBSCRIPTION, code,
    firewall_policies::{azure, group_id, id, ok, rules, state, status},
    header, message,
};
use crate::model::{ApiRequest, Delivery, faults::Fault};
use serde_json::{Value, json};

const CLIENT: &str = "22222222-2222-4222-8222-222222222222";

fn with_roles(actions: &[&str]) -> Azure {
    azure(&format!("roles: [{{client: {CLIENT}, scope: /subscriptions/{SUBSCRIPTION}, actions: {}}}]", json!(actions)))
}

fn put_refused(azure: &mut Azure, target: &str, body: &Value) -> (u16, String, String) {
    let refused = azure.put(target, body);
    (refused.status, code(&refused), message(&refused))
}

#[test]
fn each_kind_has_its_actions() {
    let group = "Microsoft.Network/firewallPolicies/ruleCollectionGroups";
    let mut azure = with_roles(&["*/read"]);
    let refused = put_refused(&mut azure, &group_id("b"), &rules(300, "20.1.0.0/16"));
    assert_eq!((refused.0, refused.1.as_str()), (403, "AuthorizationFailed"));
    assert!(refused.2.contains(&format!("'{group}/write'")), "{}", refused.2);
    for (method, target, action) in [
        ("DELETE", group_id("a"), format!("{group}/delete")),
        ("PUT", id("firewallPolicies/p"), "Microsoft.Network/firewallPolicies/write".to_owned()),
        ("DELETE", id("firewallPolicies/p"), "Microsoft.Network/firewallPolicies/delete".to_owned()),
        ("PUT", id("azureFirewalls/f"), "Microsoft.Network/azureFirewalls/write".to_owned()),
        ("DELETE", id("azureFirewalls/f"), "Microsoft.Network/azureFirewalls/delete".to_owned()),
        ("POST", id("firewallPolicies/p/deploy"), "Microsoft.Network/firewallPolicies/deploy/action".to_owned()),
        (
            "PUT",
            format!("{}/ruleCollectionGroupDrafts/default", group_id("a")),
            format!("{group}/ruleCollectionGroupDrafts/write"),
        ),
    ] {
        let request = azure.request(method, &target).with_json(&json!({"location": "eastus2"}));
        let refused = ok(azure.send(&request), 403);
        assert!(message(&refused).contains(&format!("'{action}'")), "{}", message(&refused));
    }
    let mut azure = with_roles(&["*/read", &format!("{group}/*")]);
    ok(azure.put(&group_id("b"), &rules(300, "20.1.0.0/16")), 201);
    let mut blind = with_roles(&["Microsoft.Network/firewallPolicies/ruleCollectionGroups/write"]);
    assert_eq!(blind.get(&group_id("a")).status, 403);
}

#[test]
fn what_rules_and_policies_refer_to_must_be_joinable() {
    let mut azure = with_roles(&["Microsoft.Network/firewallPolicies/*", "Microsoft.Network/azureFirewalls/write"]);
    let mut body = rules(300, "20.1.0.0/16");
    let rule = &mut body["properties"]["ruleCollections"][0]["rules"][0];
    rule["destinationAddresses"] = json!([]);
    rule["destinationIpGroups"] = json!([id("ipGroups/g")]);
    let refused = put_refused(&mut azure, &group_id("b"), &body);
    assert_eq!((refused.0, refused.1.as_str()), (403, "LinkedAuthorizationFailed"));
    assert!(
        refused.2.contains("'Microsoft.Network/ipGroups/join/action'") && refused.2.contains(&id("ipGroups/g")),
        "{}",
        refused.2
    );
    let child = json!({"location": "eastus2", "properties": {"basePolicy": {"id": id("firewallPolicies/p")}, "firewalls": [{"id": id("azureFirewalls/f")}]}});
    ok(azure.put(&id("firewallPolicies/child"), &child), 200);
    let mut azure = with_roles(&["Microsoft.Network/azureFirewalls/write"]);
    let firewall = json!({"location": "eastus2", "properties": {"firewallPolicy": {"id": id("firewallPolicies/p")}}});
    let refused = put_refused(&mut azure, &id("azureFirewalls/f"), &firewall);
    assert!(refused.2.contains("'Microsoft.Network/firewallPolicies/join/action'"), "{}", refused.2);
}

#[test]
fn locks_and_policies_are_kept() {
    let scope = id("firewallPolicies/p");
    let mut azure = azure(&format!("locks: [{{scope: {scope}, level: CanNotDelete}}]"));
    assert_eq!(code(&azure.delete(&group_id("a"))), "ScopeLocked");
    assert_eq!(code(&azure.delete(&scope)), "ScopeLocked");
    ok(azure.put(&group_id("a"), &rules(200, "20.1.0.0/16")), 200);
    let mut azure = super::firewall_policies::azure(&format!("locks: [{{scope: {GROUP}, level: ReadOnly}}]"));
    let request = azure.request("POST", &format!("{scope}/deploy"));
    for refused in [
        azure.put(&group_id("a"), &rules(200, "20.1.0.0/16")),
        azure.send(&request),
        azure.put(&id("azureFirewalls/f"), &json!({})),
    ] {
        assert_eq!((refused.status, code(&refused).as_str()), (409, "ScopeLocked"));
    }
    let types = "Microsoft.Network/firewallPolicies/ruleCollectionGroups";
    let mut azure =
        super::firewall_policies::azure(&format!("policies: [{{name: frozen, scope: {GROUP}, types: [{types}]}}]"));
    let refused = put_refused(&mut azure, &group_id("a"), &rules(200, "20.1.0.0/16"));
    assert_eq!((refused.0, refused.1.as_str()), (403, "RequestDisallowedByPolicy"));
    ok(azure.put(&id("firewallPolicies/p"), &json!({"location": "eastus2"})), 200);
}

#[test]
fn writes_count_and_are_hit_by_faults() {
    let mut limited = azure("limits: {enforce: true, provider: {writes: 1}}");
    ok(limited.put(&id("firewallPolicies/free/ruleCollectionGroups/g"), &rules(200, "20.1.0.0/16")), 201);
    assert_eq!(limited.put(&group_id("a"), &rules(200, "20.1.0.0/16")).status, 429);

    let mut azure = azure("");
    let mut hit = |effect: Value, priority: u64| {
        let fault: Fault = serde_json::from_value(
            json!({"match": {"method": "PUT", "pathContains": "/ruleCollectionGroups/"}, "effect": effect}),
        )
        .unwrap();
        azure.world.add_fault(fault);
        let answer = azure.put(&group_id("b"), &rules(300, &format!("20.{priority}.0.0/16")));
        azure.pass(254_000);
        let shown = azure.get(&group_id("b")).value();
        let lost = answer.header("azure-asyncoperation").map(|url| azure.get(url).status);
        (answer, shown["properties"]["ruleCollections"][0]["rules"][0]["destinationAddresses"][0].clone(), lost)
    };
    assert_eq!(hit(json!("dropBefore"), 1).1, Value::Null);
    let (answer, destination, _) = hit(json!("dropAfterCommit"), 2);
    assert_eq!((answer.delivery, destination), (Delivery::Drop, json!("20.2.0.0/16")));
    assert_eq!(hit(json!("html503"), 3).0.status, 503);
    assert_eq!(hit(json!({"throttle": {"retryAfter": 7}}), 3).0.status, 429);
    assert_eq!(hit(json!({"status": {"code": 500}}), 3).1, "20.2.0.0/16");
    assert_eq!(hit(json!("lostOperation"), 4).2, Some(404));
    let failed = hit(json!({"failOperation": {"code": "InternalServerError", "message": "m"}}), 5).0;
    assert_eq!(status(&mut azure, &failed)["error"]["code"], "InternalServerError");
    assert_eq!(state(&mut azure, &id("firewallPolicies/p")), "Failed");
    let entry = azure.world.log().iter().rev().find(|entry| entry.method == "PUT").unwrap().clone();
    assert!(entry.url.contains("/ruleCollectionGroups/b") && entry.status == 201 || entry.status == 200);
}

#[test]
fn if_match_counts_only_where_the_world_says_so() {
    let send = |azure: &mut Azure, etag: &str| {
        let request: ApiRequest = azure.request("PUT", &group_id("a")).with_json(&rules(200, "20.1.0.0/16"));
        let answer = azure.send(&request.with_header("if-match", etag));
        azure.pass(254_000);
        answer
    };
    ok(send(&mut azure(""), "\"other\""), 200);
    let mut strict = azure("behaviour: {firewallPolicyIfMatch: true}");
    assert_eq!(code(&ok(send(&mut strict, "\"other\""), 412)), "PreconditionFailed");
    let etag = header(&strict.get(&group_id("a")), "etag");
    ok(send(&mut strict, &etag), 200);
    assert_eq!(send(&mut strict, &etag).status, 412, "the write changed it");
}

#[test]
fn what_a_world_begins_with_may_be_failed_and_is_in_the_history() {
    let mut azure = azure("");
    let mut failed = rules(200, "20.1.0.0/16");
    failed["id"] = json!(group_id("a"));
    failed["properties"]["provisioningState"] = json!("Failed");
    azure.world.put_resource(azure.now, &failed).unwrap();
    azure.world.put_resource(azure.now, &json!({"id": id("firewallPolicies/p"), "location": "eastus2", "properties": {"provisioningState": "Failed"}})).unwrap();
    assert_eq!(
        (state(&mut azure, &group_id("a")), state(&mut azure, &id("firewallPolicies/p"))),
        ("Failed".into(), "Failed".into())
    );
    ok(azure.put(&group_id("a"), &rules(200, "20.2.0.0/16")), 200);
    azure.pass(254_000);
    assert_eq!(
        (state(&mut azure, &group_id("a")), state(&mut azure, &id("firewallPolicies/p"))),
        ("Succeeded".into(), "Succeeded".into())
    );
    let history = serde_json::to_value(azure.world.rule_history(&group_id("a"))).unwrap();
    let clients: Vec<&Value> = history.as_array().unwrap().iter().map(|state| &state["client"]).collect();
    assert_eq!(clients, ["world", "control", CLIENT, CLIENT]);
    let entry = json!({
        "name": "c/r", "ruleType": "NetworkRule", "action": "Allow", "priorities": [200, 100], "protocols": ["TCP"],
        "sources": ["10.0.0.0/16"], "destinations": ["20.2.0.0/16"], "ports": ["443"],
    });
    assert_eq!(history[3]["entries"], json!([entry]));
    assert!(azure.world.delete_resource(azure.now, &group_id("a")));
    assert_eq!(azure.world.rule_history(&group_id("a")).last().unwrap().entries, []);
    let deleted = azure.delete(GROUP);
    assert_eq!(deleted.status, 202);
    azure.pass(15_000);
    assert_eq!(azure.get(&id("firewallPolicies/p")).status, 404);
}
