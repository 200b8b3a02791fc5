//! Rule collection groups over HTTPS, with a live firewall and the control interface.

use super::{Server, TABLE, json_of};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn a_rule_collection_group_is_written_while_its_firewall_keeps_others_away() {
    let id = |rest: &str| format!("{}{rest}", TABLE.trim_end_matches("routeTables/rt-ml"));
    let (policy, firewall) = (id("firewallPolicies/p"), id("azureFirewalls/f"));
    let (group, sibling) = (format!("{policy}/ruleCollectionGroups/g"), format!("{policy}/ruleCollectionGroups/h"));
    let attached = json!({"id": firewall, "location": "eastus2", "properties": {"firewallPolicy": {"id": policy}}});
    let resources = json!([{"id": policy, "location": "eastus2"}, attached]);
    let server = Server::start(&format!("resources: {resources}")).await;
    let body = |priority: u64, destination: &str| {
        let rule = json!({
            "ruleType": "NetworkRule", "name": "r", "ipProtocols": ["TCP"], "sourceAddresses": ["10.0.0.0/16"],
            "destinationAddresses": [destination], "destinationPorts": ["443"],
        });
        let collection = json!({
            "ruleCollectionType": "FirewallPolicyFilterRuleCollection", "name": "c", "priority": 100,
            "action": {"type": "Allow"}, "rules": [rule],
        });
        json!({"properties": {"priority": priority, "ruleCollections": [collection]}})
    };
    let put = async |id: &str, body: &Value| server.request(Method::PUT, id).json(body).send().await.unwrap();
    let accepted = put(&group, &body(200, "20.1.0.0/16")).await;
    assert_eq!(
        (accepted.status(), &accepted.headers()["x-ms-retry-after-ms"]),
        (StatusCode::CREATED, &"100".parse().unwrap())
    );
    for held in [&group, &policy, &firewall] {
        assert_eq!(json_of(server.get(held).await).await["properties"]["provisioningState"], "Updating", "{held}");
    }
    let refused = put(&sibling, &body(300, "20.1.0.0/16")).await;
    assert_eq!(refused.status(), 409);
    let refused = json_of(refused).await["error"]["code"].clone();
    assert_eq!(refused, "FirewallPolicyRuleCollectionGroupUpdateNotAllowedWhenUpdatingOrDeleting");
    let refused = put(&firewall, &json!({"location": "eastus2"})).await;
    assert_eq!(json_of(refused).await["error"]["code"], "AnotherOperationInProgress");
    assert_eq!(server.settled(&accepted).await, json!({"status": "Succeeded"}));
    for held in [&group, &policy, &firewall] {
        assert_eq!(json_of(server.get(held).await).await["properties"]["provisioningState"], "Succeeded", "{held}");
    }

    let placed = json!({"id": sibling, "properties": body(300, "20.2.0.0/16")["properties"]});
    assert_eq!(server.control(Method::PUT, "/resource", Some(placed)).await.status(), 200);
    let shown = json_of(server.control(Method::GET, &format!("/resource?id={sibling}"), None).await).await;
    assert_eq!(shown["properties"]["priority"], 300);
    assert_eq!(server.control(Method::DELETE, &format!("/resource?id={sibling}"), None).await.status(), 204);
    let deleted = server.request(Method::DELETE, &group).send().await.unwrap();
    assert_eq!(deleted.status(), 202);
    assert_eq!(server.settled(&deleted).await["status"], "Succeeded");
    assert_eq!(server.get(&group).await.status(), 404);
    let history = json_of(server.control(Method::GET, &format!("/history?id={group}"), None).await).await;
    let destinations = |state: &Value| -> Vec<String> {
        let rules = state["entries"].as_array().unwrap().iter();
        rules.map(|rule| format!("{} {}", rule["name"].as_str().unwrap(), rule["destinations"])).collect()
    };
    let rule = vec!["c/r [\"20.1.0.0/16\"]".to_owned()];
    let states: Vec<Vec<String>> = history.as_array().unwrap().iter().map(destinations).collect();
    assert_eq!(states, [rule.clone(), rule, vec![]]);
}
