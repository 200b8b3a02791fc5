//! Firewall policies and their rule collection groups as clients write them: forms, times, who is refused meanwhile,
//! what a failure leaves.

use super::{Azure, GROUP, code, header, message};
use crate::model::{ApiResponse, World, faults::Fault};
use serde_json::{Value, json};
use std::path::Path;

pub(super) fn id(rest: &str) -> String {
    format!("{GROUP}/providers/Microsoft.Network/{rest}")
}

pub(super) fn group_id(name: &str) -> String {
    id(&format!("firewallPolicies/p/ruleCollectionGroups/{name}"))
}

pub(super) fn rules(priority: u64, destination: &str) -> Value {
    let rule = json!({
        "ruleType": "NetworkRule", "name": "r", "ipProtocols": ["TCP"], "sourceAddresses": ["10.0.0.0/16"],
        "destinationAddresses": [destination], "destinationPorts": ["443"],
    });
    let collection = json!({
        "ruleCollectionType": "FirewallPolicyFilterRuleCollection", "name": "c", "priority": 100,
        "action": {"type": "Allow"}, "rules": [rule],
    });
    json!({"properties": {"priority": priority, "ruleCollections": [collection]}})
}

/// The policy `p` with the group `a`; `child` is based on it and has the firewall `f`; `free` has none.
pub(super) fn azure(yaml: &str) -> Azure {
    let policy = |name: &str, properties: Value| json!({"id": id(&format!("firewallPolicies/{name}")), "location": "eastus2", "properties": properties});
    let mut group = rules(200, "20.1.0.0/16");
    group["id"] = json!(group_id("a"));
    let resources = json!([
        policy("p", json!({})),
        group,
        policy("child", json!({"basePolicy": {"id": id("firewallPolicies/P")}})),
        policy("free", json!({})),
        {"id": id("azureFirewalls/f"), "location": "eastus2", "properties": {"firewallPolicy": {"id": id("firewallPolicies/child")}}},
    ]);
    let yaml = format!("resources: {resources}\n{yaml}");
    Azure::new(World::from_yaml(&yaml, Path::new(".")).unwrap())
}

pub(super) fn state(azure: &mut Azure, resource: &str) -> String {
    let shown = azure.get(resource);
    assert_eq!(shown.status, 200, "{}", shown.text());
    shown.value()["properties"]["provisioningState"].as_str().unwrap().to_owned()
}

/// Of the group `a`, its policy, the one that is based on it, and the firewall.
fn states(azure: &mut Azure) -> [String; 4] {
    [group_id("a"), id("firewallPolicies/p"), id("firewallPolicies/child"), id("azureFirewalls/f")]
        .map(|resource| state(azure, &resource))
}

pub(super) fn status(azure: &mut Azure, accepted: &ApiResponse) -> Value {
    azure.get(&header(accepted, "azure-asyncoperation")).value()
}

pub(super) fn ok(response: ApiResponse, expected: u16) -> ApiResponse {
    assert_eq!(response.status, expected, "{}", response.text());
    response
}

#[test]
fn a_group_is_written_polled_and_deleted_in_the_manner_of_the_second_back_end() {
    let mut azure = azure("");
    let target = id("firewallPolicies/free/ruleCollectionGroups/g");
    let created = ok(azure.put(&target, &rules(300, "20.1.0.0/16")), 201);
    assert!(header(&created, "azure-asyncoperation").contains("/nfvOperations/"));
    assert_eq!((header(&created, "retry-after").as_str(), created.header("location")), ("10", None));
    assert!(created.header("etag").is_none() && created.header("azure-asyncnotification").is_none());
    assert!(created.text().starts_with("{\r\n  \"properties\": {\r\n"), "{}", created.text());
    let shown = created.value();
    assert_eq!(shown["type"], "Microsoft.Network/FirewallPolicies/RuleCollectionGroups");
    assert_eq!(shown["properties"]["provisioningState"], "Updating");
    let rule = &shown["properties"]["ruleCollections"][0]["rules"][0];
    assert_eq!((&rule["ipv6Rule"], &rule["destinationFqdns"]), (&json!(false), &json!([])));
    assert!(shown["properties"]["size"].as_str().unwrap().ends_with(" MB"));

    azure.pass(999);
    let running = azure.get(&header(&created, "azure-asyncoperation"));
    assert_eq!((running.value(), header(&running, "retry-after").as_str()), (json!({"status": "InProgress"}), "10"));
    azure.pass(10_001);
    assert_eq!(status(&mut azure, &created), json!({"status": "Succeeded"}));
    let read = ok(azure.get(&target), 200);
    let etag = read.value()["etag"].as_str().unwrap().to_owned();
    assert_eq!(header(&read, "etag"), format!("\"{etag}\""));
    assert_ne!(shown["etag"], etag.as_str(), "the end of the operation changes it");
    assert_eq!(read.value()["properties"]["provisioningState"], "Succeeded");

    let same = ok(azure.put(&target, &rules(300, "20.1.0.0/16")), 200);
    assert_eq!(same.value()["properties"]["provisioningState"], "Updating", "although nothing changed");
    azure.pass(11_000);
    let deleted = ok(azure.delete(&target), 202);
    assert_eq!(deleted.value()["properties"]["provisioningState"], "Succeeded");
    assert_eq!(deleted.value()["properties"]["ruleCollections"][0]["name"], "c");
    assert_eq!(state(&mut azure, &target), "Deleting");
    let result = header(&deleted, "location");
    assert!(result.contains("/nfvOperationResults/"), "{result}");
    assert_eq!(ok(azure.get(&result), 202).body, b"");
    azure.pass(11_000);
    assert_eq!(status(&mut azure, &deleted)["status"], "Succeeded");
    assert_eq!(ok(azure.get(&result), 200).text(), "null");
    assert_eq!(code(&ok(azure.get(&target), 404)), "NotFound");
    assert_eq!(azure.delete(&target).status, 204);
}

#[test]
fn a_live_firewall_makes_it_minutes_and_keeps_everybody_else_away() {
    let mut azure = azure("");
    let accepted = ok(azure.put(&group_id("a"), &rules(200, "20.2.0.0/16")), 200);
    assert_eq!(states(&mut azure), ["Updating"; 4]);
    let guid = header(&accepted, "azure-asyncoperation");
    let guid = guid.split("/nfvOperations/").last().unwrap().split('?').next().unwrap().to_owned();
    let policy = |name: &str| json!({"location": "eastus2", "properties": {"basePolicy": if name == "p" { Value::Null } else { json!({"id": id("firewallPolicies/p")}) }}});
    for (target, body, expected) in [
        (group_id("a"), rules(200, "20.3.0.0/16"), "FirewallPolicyRuleCollectionGroup"),
        (group_id("b"), rules(300, "20.3.0.0/16"), "FirewallPolicyRuleCollectionGroup"),
        (
            id("firewallPolicies/child/ruleCollectionGroups/c"),
            rules(300, "20.3.0.0/16"),
            "FirewallPolicyRuleCollectionGroup",
        ),
        (id("firewallPolicies/p"), policy("p"), "FirewallPolicy"),
        (id("firewallPolicies/child"), policy("child"), "FirewallPolicy"),
    ] {
        let refused = ok(azure.put(&target, &body), 409);
        assert_eq!(code(&refused), format!("{expected}UpdateNotAllowedWhenUpdatingOrDeleting"), "{target}");
        assert!(message(&refused).ends_with(&format!("operation ID : {guid}")), "{}", message(&refused));
        assert_eq!(refused.header("retry-after"), None);
    }
    assert_eq!(
        code(&azure.delete(&group_id("a"))),
        "FirewallPolicyRuleCollectionGroupUpdateNotAllowedWhenUpdatingOrDeleting"
    );
    let firewall = json!({"location": "eastus2", "properties": {"firewallPolicy": {"id": id("firewallPolicies/child")}, "threatIntelMode": "Deny"}});
    let refused = ok(azure.put(&id("azureFirewalls/f"), &firewall), 409);
    assert_eq!((code(&refused).as_str(), refused.header("retry-after")), ("AnotherOperationInProgress", None));
    assert!(!message(&refused).contains(&guid), "the update of the firewall has an id of its own");
    let again = ok(azure.delete(&id("azureFirewalls/f")), 409);
    assert_eq!(message(&refused), message(&again));

    ok(azure.put(&id("firewallPolicies/free/ruleCollectionGroups/g"), &rules(200, "20.1.0.0/16")), 201);
    azure.pass(189_999);
    assert_eq!(states(&mut azure), ["Updating"; 4]);
    let running = azure.get(&header(&accepted, "azure-asyncoperation"));
    assert_eq!(
        (running.value()["status"].as_str(), header(&running, "retry-after").as_str()),
        (Some("InProgress"), "10")
    );
    azure.pass(254_000 - 189_999);
    assert_eq!(states(&mut azure), ["Succeeded"; 4]);
    ok(azure.put(&group_id("b"), &rules(300, "20.3.0.0/16")), 201);
}

#[test]
fn the_parent_is_kept_away_while_a_child_is_written() {
    let mut azure = azure("behaviour: {policyUpdateRefusal: 400}");
    ok(azure.put(&id("firewallPolicies/child/ruleCollectionGroups/c"), &rules(300, "20.3.0.0/16")), 201);
    assert_eq!(states(&mut azure), ["Succeeded", "Succeeded", "Updating", "Updating"]);
    let refused = ok(azure.put(&group_id("a"), &rules(200, "20.3.0.0/16")), 400);
    assert_eq!(code(&refused), "FirewallPolicyRuleCollectionGroupUpdateNotAllowedWhenUpdatingOrDeleting");
}

#[test]
fn a_failure_leaves_the_group_and_the_policy_failed_and_the_next_write_heals() {
    for (takes, fails_attached) in [(true, false), (false, true)] {
        let mut azure = azure(&format!("behaviour: {{failedPolicyTakesContent: {takes}}}"));
        let effect = json!({"firewallPolicyUpdateFailed": {"failsAttached": fails_attached}});
        let fault: Fault = serde_json::from_value(json!({"match": {"method": "PUT"}, "effect": effect})).unwrap();
        azure.world.add_fault(fault);
        let accepted = ok(azure.put(&group_id("a"), &rules(200, "20.2.0.0/16")), 200);
        azure.pass(254_000);
        let error = status(&mut azure, &accepted)["error"].clone();
        assert_eq!(error["code"], "FirewallPolicyUpdateFailed");
        assert_eq!(error["message"], "Put on Firewall Policy p Failed with 1 faulted referenced firewalls");
        let attached = if fails_attached { "Failed" } else { "Succeeded" };
        assert_eq!(states(&mut azure), ["Failed", "Failed", attached, attached]);
        let destination = if takes { "20.2.0.0/16" } else { "20.1.0.0/16" };
        let rule = azure.get(&group_id("a")).value()["properties"]["ruleCollections"][0]["rules"][0].clone();
        assert_eq!(rule["destinationAddresses"], json!([destination]));
        let history = azure.world.rule_history(&group_id("a"));
        assert_eq!(history.last().unwrap().entries[0].destinations, [destination]);
        ok(azure.put(&group_id("a"), &rules(200, "20.2.0.0/16")), 200);
        azure.pass(254_000);
        assert_eq!(states(&mut azure), ["Succeeded"; 4]);
    }
}

fn fail_next(azure: &mut Azure, method: &str) {
    let fault = json!({"match": {"method": method}, "effect": {"firewallPolicyUpdateFailed": {}}});
    azure.world.add_fault(serde_json::from_value(fault).unwrap());
}

#[test]
fn what_failed_is_there_and_failed_whether_it_was_to_be_made_or_deleted() {
    let mut azure = azure("behaviour: {failedPolicyTakesContent: false}");
    fail_next(&mut azure, "PUT");
    ok(azure.put(&group_id("b"), &rules(300, "20.2.0.0/16")), 201);
    azure.pass(254_000);
    let made = azure.get(&group_id("b")).value();
    assert_eq!(
        (&made["properties"]["provisioningState"], &made["properties"]["ruleCollections"]),
        (&json!("Failed"), &json!([]))
    );
    fail_next(&mut azure, "DELETE");
    let accepted = ok(azure.delete(&group_id("a")), 202);
    azure.pass(254_000);
    assert_eq!(status(&mut azure, &accepted)["error"]["code"], "FirewallPolicyUpdateFailed");
    assert_eq!(states(&mut azure), ["Failed", "Failed", "Succeeded", "Succeeded"]);
    fail_next(&mut azure, "PUT");
    let policy = json!({"location": "eastus2", "properties": {"threatIntelMode": "Deny"}});
    ok(azure.put(&id("firewallPolicies/p"), &policy), 200);
    azure.pass(254_000);
    let shown = azure.get(&id("firewallPolicies/p")).value();
    assert_eq!(shown["properties"]["threatIntelMode"], "Alert", "what it asked for is not there");
    ok(azure.delete(&group_id("a")), 202);
    azure.pass(254_000);
    assert_eq!(azure.get(&group_id("a")).status, 404);
    assert_eq!(state(&mut azure, &id("firewallPolicies/p")), "Succeeded");
}

#[test]
fn what_the_control_interface_puts_there_meanwhile_stays() {
    let mut azure = azure("");
    ok(azure.put(&group_id("a"), &rules(200, "20.2.0.0/16")), 200);
    let mut other = rules(200, "20.9.0.0/16");
    other["id"] = json!(group_id("a"));
    azure.world.put_resource(azure.now, &other).unwrap();
    let etag = azure.get(&group_id("a")).value()["etag"].clone();
    azure.pass(254_000);
    let shown = azure.get(&group_id("a")).value();
    assert_eq!(shown["etag"], etag);
    assert_eq!(shown["properties"]["ruleCollections"][0]["rules"][0]["destinationAddresses"], json!(["20.9.0.0/16"]));
    assert_eq!(states(&mut azure), ["Succeeded"; 4]);
    ok(azure.delete(&group_id("a")), 202);
    azure.world.put_resource(azure.now, &other).unwrap();
    azure.pass(254_000);
    assert_eq!(azure.get(&group_id("a")).status, 200);
}

#[test]
fn latencies_and_the_time_scale_shorten_it() {
    let mut azure = azure("latencies: {attachedFirewall: [3s, 3s], firewallPolicy: [1s, 1s]}");
    azure.world = azure.world.clone().with_time_scale(0.01);
    let accepted = ok(azure.put(&group_id("a"), &rules(200, "20.2.0.0/16")), 200);
    assert_eq!(header(&accepted, "x-ms-retry-after-ms"), "100");
    let free = id("firewallPolicies/free/ruleCollectionGroups/g");
    ok(azure.put(&free, &rules(200, "20.2.0.0/16")), 201);
    azure.pass(9);
    assert_eq!(state(&mut azure, &free), "Updating");
    azure.pass(1);
    assert_eq!((state(&mut azure, &free), state(&mut azure, &group_id("a"))), ("Succeeded".into(), "Updating".into()));
    azure.pass(20);
    assert_eq!(states(&mut azure), ["Succeeded"; 4]);
}
