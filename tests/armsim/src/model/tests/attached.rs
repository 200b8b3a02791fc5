//! IP groups that firewalls use: who is shown, who is held and for how long, and what a failure leaves.

use super::{Azure, GROUP, code, header, message};
use crate::model::{ApiResponse, World, faults::Fault};
use serde_json::{Value, json};
use std::path::Path;

const SUBSCRIPTION: &str = super::SUBSCRIPTION;

fn id(rest: &str) -> String {
    format!("{GROUP}/providers/Microsoft.Network/{rest}")
}

fn rules(group: &str) -> Value {
    let rule = json!({"ruleType": "NetworkRule", "name": "r", "destinationIpGroups": [id(group).to_uppercase()]});
    let collection = json!({"ruleCollectionType": "FirewallPolicyFilterRuleCollection", "name": "c", "rules": [rule]});
    json!({"priority": 200, "ruleCollections": [collection]})
}

/// `a` and `b` are used by a policy, whose child has a live firewall; `classic` by the rules of another firewall;
/// `free` by nobody.
fn azure(yaml: &str) -> Azure {
    let classic_rule = json!({"name": "r", "sourceIpGroups": [id("ipGroups/classic")]});
    let mut resources = vec![
        json!({"id": id("firewallPolicies/p"), "location": "eastus2"}),
        json!({"id": id("firewallPolicies/p/ruleCollectionGroups/a"), "properties": rules("ipGroups/a")}),
        json!({"id": id("firewallPolicies/p/ruleCollectionGroups/b"), "properties": rules("ipGroups/b")}),
        json!({"id": id("firewallPolicies/child"), "location": "eastus2", "properties": {"basePolicy": {"id": id("firewallPolicies/P")}}}),
        json!({"id": id("azureFirewalls/f"), "location": "eastus2", "properties": {"firewallPolicy": {"id": id("firewallPolicies/child")}}}),
        json!({"id": id("azureFirewalls/old"), "location": "eastus2", "properties": {"networkRuleCollections": [{"name": "c", "properties": {"rules": [classic_rule]}}]}}),
    ];
    for name in ["a", "b", "classic", "free"] {
        let addresses = json!({"ipAddresses": ["20.1.0.0/16"]});
        resources.push(json!({"id": id(&format!("ipGroups/{name}")), "location": "eastus2", "properties": addresses}));
    }
    let yaml = format!("resources: {}\n{yaml}", json!(resources));
    Azure::new(World::from_yaml(&yaml, Path::new(".")).unwrap())
}

fn put(azure: &mut Azure, name: &str) -> ApiResponse {
    let body = json!({"location": "eastus2", "properties": {"ipAddresses": ["20.1.0.0/16", "20.2.0.0/16"]}});
    azure.put(&id(&format!("ipGroups/{name}")), &body)
}

fn state(azure: &mut Azure, resource: &str) -> String {
    let shown = azure.get(&id(resource));
    assert_eq!(shown.status, 200, "{}", shown.text());
    shown.value()["properties"]["provisioningState"].as_str().unwrap().to_owned()
}

fn states(azure: &mut Azure) -> [String; 4] {
    ["firewallPolicies/p", "firewallPolicies/child", "azureFirewalls/f", "azureFirewalls/old"]
        .map(|resource| state(azure, resource))
}

fn assert_in_progress(refused: &ApiResponse, accepted: &ApiResponse) {
    assert_eq!((refused.status, code(refused).as_str()), (409, "AnotherOperationInProgress"));
    assert_eq!(refused.header("retry-after"), None);
    assert_eq!(refused.value()["error"]["details"], json!([]));
    let url = header(accepted, "azure-asyncoperation");
    let guid = url.split("/nfvOperations/").last().unwrap().split('?').next().unwrap();
    let uri = format!(
        "https://management.azure.com/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/locations/eastus2/operations/{guid}?api-version=2020-05-01"
    );
    let expected = format!(
        "Another operation on this or dependent resource is in progress. To retrieve status of the operation use uri: {uri}."
    );
    assert_eq!(message(refused), expected);
}

#[test]
fn firewalls_and_policies_are_read_in_the_manner_of_their_back_ends() {
    let mut azure = azure("");
    let firewall = azure.get(&id("azureFirewalls/f"));
    assert!(header(&firewall, "etag").starts_with("W/\"") && !firewall.text().contains("\r\n"));
    assert_eq!(firewall.value()["type"], "Microsoft.Network/azureFirewalls");
    assert_eq!(firewall.value()["etag"], header(&firewall, "etag"));

    let policy = azure.get(&id("firewallPolicies/p"));
    assert_eq!(header(&policy, "etag"), format!("\"{}\"", policy.value()["etag"].as_str().unwrap()));
    assert!(policy.text().starts_with("{\r\n  \"properties\": {\r\n"), "{}", policy.text());
    let shown = policy.value();
    assert_eq!(shown["type"], "Microsoft.Network/FirewallPolicies");
    let properties = &shown["properties"];
    assert_eq!(properties["childPolicies"], json!([{"id": id("firewallPolicies/child")}]));
    assert_eq!(properties["firewalls"], json!([]));
    assert_eq!(properties["ruleCollectionGroups"].as_array().unwrap().len(), 2);
    let child = azure.get(&id("firewallPolicies/child")).value();
    assert_eq!(child["properties"]["firewalls"], json!([{"id": id("azureFirewalls/f")}]));

    let rules = azure.get(&id("firewallPolicies/p/ruleCollectionGroups/a")).value();
    assert_eq!(rules["type"], "Microsoft.Network/FirewallPolicies/RuleCollectionGroups");
    assert_eq!(azure.get(&id("firewallPolicies/p/ruleCollectionGroups")).value()["value"].as_array().unwrap().len(), 2);
    assert_eq!(code(&azure.get(&id("firewallPolicies/p/ruleCollectionGroups/none"))), "NotFound");
    assert_eq!(code(&azure.get(&id("firewallPolicies/none"))), "ResourceNotFound");
    assert_eq!(azure.get(&id("firewallPolicies")).value()["value"].as_array().unwrap().len(), 2);
    assert_eq!(azure.get(&id("azureFirewalls")).value()["value"].as_array().unwrap().len(), 2);
}

#[test]
fn a_group_shows_who_names_it() {
    let mut azure = azure("");
    let users = |azure: &mut Azure, name: &str| {
        let properties = azure.get(&id(&format!("ipGroups/{name}"))).value()["properties"].clone();
        (properties["firewalls"].clone(), properties["firewallPolicies"].clone())
    };
    assert_eq!(users(&mut azure, "a"), (json!([]), json!([{"id": id("firewallPolicies/p")}])));
    assert_eq!(users(&mut azure, "classic"), (json!([{"id": id("azureFirewalls/old")}]), json!([])));
    assert_eq!(users(&mut azure, "free"), (json!([]), json!([])));

    let elsewhere = "/subscriptions/x/resourceGroups/hub/providers/Microsoft.Network/azureFirewalls/hub";
    let seeded = json!({"id": id("ipGroups/free"), "location": "eastus2", "properties": {"ipAddresses": ["20.1.0.0/16"], "firewalls": [{"id": elsewhere}]}});
    azure.world.put_resource(azure.now, &seeded).unwrap();
    assert_eq!(users(&mut azure, "free").0, json!([{"id": elsewhere}]));
    assert_eq!(
        put(&mut azure, "free").value()["properties"]["firewalls"],
        json!([{"id": elsewhere}]),
        "a PUT keeps them"
    );
    azure.pass(189_000);
    assert_eq!(state(&mut azure, "ipGroups/free"), "Updating", "it is somebody's live firewall");
}

#[test]
fn rule_collection_groups_may_stand_inside_their_policy() {
    let mut azure = azure("");
    let groups = json!([{"name": "inside", "properties": rules("ipGroups/free")}, {"id": id("firewallPolicies/q/ruleCollectionGroups/x")}]);
    let policy = json!({"id": id("firewallPolicies/q"), "location": "eastus2", "properties": {"ruleCollectionGroups": groups, "firewalls": [{"id": "/elsewhere/f"}]}});
    azure.world.put_resource(azure.now, &policy).unwrap();
    let shown = azure.get(&id("firewallPolicies/q")).value()["properties"].clone();
    assert_eq!(shown["ruleCollectionGroups"], json!([{"id": id("firewallPolicies/q/ruleCollectionGroups/inside")}]));
    assert_eq!(shown["firewalls"], json!([{"id": "/elsewhere/f"}]));
    put(&mut azure, "free");
    azure.pass(189_000);
    assert_eq!(state(&mut azure, "firewallPolicies/q"), "Updating", "its firewall is live, wherever it is");
    azure.pass(65_000);
    assert_eq!(state(&mut azure, "firewallPolicies/q"), "Succeeded");
}

#[test]
fn a_write_holds_everything_that_uses_the_group() {
    let mut azure = azure("");
    let accepted = put(&mut azure, "a");
    assert_eq!(accepted.status, 200);
    assert_eq!(states(&mut azure), ["Updating", "Updating", "Updating", "Succeeded"]);
    assert_in_progress(&put(&mut azure, "a"), &accepted);
    assert_in_progress(&put(&mut azure, "b"), &accepted);
    assert_in_progress(&azure.delete(&id("ipGroups/a")), &accepted);
    let other = put(&mut azure, "classic");
    assert_eq!((other.status, put(&mut azure, "free").status), (200, 200), "they share no firewall");
    assert_eq!(state(&mut azure, "azureFirewalls/old"), "Updating");
    azure.pass(5_000);
    assert_eq!(state(&mut azure, "ipGroups/free"), "Succeeded", "no firewall: seconds");

    azure.pass(184_999);
    assert_eq!(states(&mut azure), ["Updating"; 4]);
    assert_in_progress(&put(&mut azure, "b"), &accepted);
    azure.pass(254_000 - 189_999);
    assert_eq!(states(&mut azure), ["Succeeded"; 4]);
    assert_eq!(azure.get(&header(&accepted, "azure-asyncoperation")).value()["status"], "Succeeded");
    assert_eq!(put(&mut azure, "b").status, 200);
}

#[test]
fn policies_of_policies_are_held_in_whatever_order_they_stand() {
    let mut azure = azure("");
    let grandchild = json!({"id": id("firewallPolicies/aa"), "location": "eastus2", "properties": {"basePolicy": {"id": id("firewallPolicies/child")}}});
    azure.world.put_resource(azure.now, &grandchild).unwrap();
    let firewall = json!({"id": id("azureFirewalls/far"), "location": "eastus2", "properties": {"firewallPolicy": {"id": id("firewallPolicies/aa")}}});
    azure.world.put_resource(azure.now, &firewall).unwrap();
    put(&mut azure, "a");
    assert_eq!(state(&mut azure, "firewallPolicies/aa"), "Updating");
    assert_eq!(state(&mut azure, "azureFirewalls/far"), "Updating");
}

#[test]
fn latencies_and_the_time_scale_shorten_it() {
    let mut azure = azure("latencies: {attachedFirewall: [3s, 3s], ipGroup: 1s}");
    azure.world = azure.world.clone().with_time_scale(0.01);
    let accepted = put(&mut azure, "a");
    assert_eq!(header(&accepted, "x-ms-retry-after-ms"), "100");
    azure.pass(29);
    assert_eq!(state(&mut azure, "azureFirewalls/f"), "Updating");
    azure.pass(1);
    assert_eq!(states(&mut azure), ["Succeeded"; 4]);
    put(&mut azure, "free");
    azure.pass(10);
    assert_eq!(state(&mut azure, "ipGroups/free"), "Succeeded");
}

#[test]
fn groups_can_be_written_side_by_side_where_the_world_says_so() {
    let mut azure = azure("limits: {ipGroupsAtOnce: 2}\nlatencies: {attachedFirewall: [200s, 200s]}");
    let first = put(&mut azure, "a");
    assert_in_progress(&put(&mut azure, "a"), &first);
    azure.pass(100_000);
    assert_eq!(put(&mut azure, "b").status, 200);
    azure.pass(100_000);
    assert_eq!(states(&mut azure), ["Updating", "Updating", "Updating", "Succeeded"], "the second is not over");
    assert_eq!(put(&mut azure, "a").status, 200);
    azure.pass(200_000);
    assert_eq!(states(&mut azure), ["Succeeded"; 4]);
    let third = id("firewallPolicies/p/ruleCollectionGroups/c");
    azure.world.put_resource(azure.now, &json!({"id": third, "properties": rules("ipGroups/free")})).unwrap();
    assert_eq!(
        (put(&mut azure, "a").status, put(&mut azure, "b").status, put(&mut azure, "free").status),
        (200, 200, 409)
    );
}

#[test]
fn a_policy_without_a_firewall_is_held_for_seconds() {
    let mut azure = azure("");
    assert!(azure.world.delete_resource(azure.now, &id("azureFirewalls/f")));
    put(&mut azure, "a");
    assert_eq!(state(&mut azure, "firewallPolicies/p"), "Updating");
    azure.pass(5_000);
    assert_eq!(state(&mut azure, "firewallPolicies/p"), "Succeeded");
}

#[test]
fn a_failure_may_leave_the_firewalls_failed_too() {
    let mut azure = azure("");
    for (effect, expected) in [(json!({}), "Succeeded"), (json!({"failsAttached": true}), "Failed")] {
        let fault: Fault =
            serde_json::from_value(json!({"match": {"method": "PUT"}, "effect": {"ipGroupsUpdateFailed": effect}}))
                .unwrap();
        azure.world.add_fault(fault);
        let accepted = put(&mut azure, "a");
        azure.pass(254_000);
        let status = azure.get(&header(&accepted, "azure-asyncoperation")).value();
        assert_eq!(status["error"]["message"], "Put on IP Groups a Failed with 1 faulted referenced firewalls");
        assert_eq!(azure.get(&id("ipGroups/a")).value()["properties"]["ipAddresses"], json!([]));
        assert_eq!(states(&mut azure), [expected, expected, expected, "Succeeded"]);
    }
    put(&mut azure, "a");
    azure.pass(254_000);
    assert_eq!(states(&mut azure), ["Succeeded"; 4]);
}

#[test]
fn a_group_in_use_is_not_deleted() {
    let mut azure = azure("");
    for name in ["a", "classic"] {
        let refused = azure.delete(&id(&format!("ipGroups/{name}")));
        assert_eq!((refused.status, code(&refused).as_str()), (400, "InUseIpGroupsCannotBeDeleted"));
    }
    assert_eq!(azure.delete(&id("ipGroups/free")).status, 200);
}

#[test]
fn a_firewall_may_be_failed_from_the_beginning_and_names_only_so_many_groups() {
    let mut azure = azure("limits: {ipGroupsPerFirewall: 2}");
    let failed =
        json!({"id": id("azureFirewalls/f"), "location": "eastus2", "properties": {"provisioningState": "Failed"}});
    azure.world.put_resource(azure.now, &failed).unwrap();
    assert_eq!(state(&mut azure, "azureFirewalls/f"), "Failed");
    let third = json!({"id": id("firewallPolicies/p/ruleCollectionGroups/c"), "properties": rules("ipGroups/free")});
    let refused = azure.world.put_resource(azure.now, &third).unwrap_err();
    assert_eq!(refused.code(), "IPGroupsCountLimitReached");
}
