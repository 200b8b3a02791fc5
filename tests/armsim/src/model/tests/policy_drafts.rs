//! Drafts: written at once, seen by nobody else, and put into force together.

use super::{
    Azure, code,
    firewall_policies::{azure, group_id, id, ok, rules, state, status},
    header,
};
use serde_json::{Value, json};

fn destinations(azure: &mut Azure) -> Value {
    let rule = &azure.get(&group_id("a")).value()["properties"]["ruleCollections"][0]["rules"][0];
    rule["destinationAddresses"].clone()
}

#[test]
fn drafts_are_written_at_once_and_deployed_together() {
    let mut azure = azure("");
    let (of_policy, of_group) = (
        id("firewallPolicies/p/firewallPolicyDrafts/default"),
        format!("{}/ruleCollectionGroupDrafts/default", group_id("a")),
    );
    let deploy = azure.request("POST", &id("firewallPolicies/p/deploy"));
    assert_eq!(code(&azure.send(&deploy)), "FirewallPolicyDraftNotFound");
    assert_eq!(azure.get(&of_group).status, 404);

    let written = ok(azure.put(&of_group, &rules(210, "20.9.0.0/16")), 201);
    assert_eq!((written.header("azure-asyncoperation"), written.header("retry-after")), (None, None));
    let shown = written.value();
    assert_eq!(shown["type"], "Microsoft.Network/FirewallPolicies/RuleCollectionGroups/RuleCollectionGroupDrafts");
    assert_eq!((&shown["id"], &shown["name"]), (&json!(of_group), &json!("a")));
    assert!(shown["properties"].get("provisioningState").is_none() && shown["properties"].get("size").is_none());
    ok(azure.put(&of_group, &rules(210, "20.8.0.0/16")), 200);
    let refused = azure.put(&of_group, &rules(99, "20.8.0.0/16"));
    assert_eq!(code(&refused), "FirewallPolicyRuleCollectionGroupInvalidPriorityValue");
    ok(azure.put(&of_policy, &json!({"properties": {"threatIntelMode": "Deny"}})), 201);
    let read = ok(azure.get(&of_policy), 200);
    assert_eq!(read.value()["properties"], json!({"threatIntelMode": "Deny"}));
    assert_eq!(header(&read, "etag"), format!("\"{}\"", read.value()["etag"].as_str().unwrap()));
    assert_eq!(destinations(&mut azure), json!(["20.1.0.0/16"]), "a draft changes nothing");

    let accepted = ok(azure.send(&deploy), 202);
    assert_eq!(
        (accepted.text().as_str(), header(&accepted, "location")),
        ("null", header(&accepted, "azure-asyncoperation"))
    );
    assert_eq!(state(&mut azure, &id("azureFirewalls/f")), "Updating");
    let refused = azure.put(&group_id("a"), &rules(200, "20.1.0.0/16"));
    assert_eq!(code(&refused), "FirewallPolicyRuleCollectionGroupUpdateNotAllowedWhenUpdatingOrDeleting");
    azure.pass(254_000);
    assert_eq!(status(&mut azure, &accepted)["status"], "Succeeded");
    assert_eq!(destinations(&mut azure), json!(["20.8.0.0/16"]));
    assert_eq!(azure.get(&id("firewallPolicies/p")).value()["properties"]["threatIntelMode"], "Deny");
    assert_eq!(azure.get(&of_group).status, 404, "it is no draft any more");
    let history = azure.world.rule_history(&group_id("a"));
    assert_eq!(history.last().unwrap().entries[0].destinations, ["20.8.0.0/16"]);
}

#[test]
fn a_draft_can_be_dropped() {
    let mut azure = azure("");
    let draft = format!("{}/ruleCollectionGroupDrafts/default", group_id("a"));
    ok(azure.put(&draft, &rules(210, "20.9.0.0/16")), 201);
    ok(azure.delete(&draft), 200);
    assert_eq!(azure.delete(&draft).status, 204);
    let lost = format!("{}/ruleCollectionGroupDrafts/default", group_id("none"));
    assert_eq!(azure.put(&lost, &rules(210, "20.9.0.0/16")).status, 404);
}
