//! What belongs to a firewall or a policy, read from bodies as Azure writes them.

use super::*;
use serde_json::json;

const BASE: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network";

fn id(rest: &str) -> serde_json::Value {
    json!({"id": format!("{BASE}/{rest}")})
}

#[test]
fn a_policy_comes_with_its_firewalls_its_children_and_its_parent() {
    let body = json!({"properties": {"provisioningState": "Succeeded", "firewalls": [id("azureFirewalls/f")],
        "childPolicies": [id("firewallPolicies/child")], "basePolicy": id("firewallPolicies/parent")}});
    let names: Vec<String> = belongings(&body).into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["f", "child", "parent"]);
    assert_eq!(belongings(&json!({"properties": {}})), []);
}

#[test]
fn states_are_told_apart() {
    for (text, wanted) in [
        ("Succeeded", State::AtRest),
        ("Updating", State::Moving),
        ("Deleting", State::Moving),
        ("Failed", State::Failed),
    ] {
        assert_eq!(state(&json!({"properties": {"provisioningState": text}})), wanted, "{text}");
    }
}

#[test]
fn groups_of_a_classic_firewall_count_once() {
    let rules = json!([{"sourceIpGroups": ["/a", "/b"], "destinationIpGroups": ["/A"]}, {"sourceAddresses": ["*"]}]);
    let body = json!({"properties": {"networkRuleCollections": [{"properties": {"rules": rules}}],
        "applicationRuleCollections": [{"properties": {"rules": [{"sourceIpGroups": ["/c"]}]}}]}});
    assert_eq!(groups_of(&body), 3);
}
