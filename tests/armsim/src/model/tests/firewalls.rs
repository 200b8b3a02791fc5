//! Azure firewalls as clients write them.

use super::{
    Azure, code,
    firewall_policies::{azure, id, ok, state, status},
    header, message,
};
use crate::model::faults::Fault;
use serde_json::{Value, json};

/// With a network, a public address and a policy.
fn with_network() -> Azure {
    let mut azure = azure("latencies: {firewall: [300s, 300s]}");
    let subnets = json!([{"name": "AzureFirewallSubnet", "properties": {"addressPrefix": "10.0.1.0/26"}}]);
    let network = json!({"location": "eastus2", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": subnets}});
    ok(azure.put(&id("virtualNetworks/v"), &network), 201);
    let address =
        json!({"id": id("publicIPAddresses/a"), "location": "eastus2", "properties": {"ipAddress": "198.51.100.7"}});
    azure.world.put_resource(azure.now, &address).unwrap();
    assert_eq!(azure.get(&id("publicIPAddresses/a")).value()["properties"]["ipAddress"], "198.51.100.7");
    azure.pass(5_000);
    azure
}

fn body(policy: &str) -> Value {
    let configuration = json!({
        "subnet": {"id": id("virtualNetworks/v/subnets/AzureFirewallSubnet")}, "publicIPAddress": {"id": id("publicIPAddresses/a")},
    });
    json!({"location": "eastus2", "properties": {
        "firewallPolicy": {"id": id(&format!("firewallPolicies/{policy}"))},
        "ipConfigurations": [{"name": "c", "properties": configuration}],
    }})
}

#[test]
fn a_firewall_is_written_in_the_manner_of_the_first_back_end() {
    let mut azure = with_network();
    let target = id("azureFirewalls/new");
    let created = ok(azure.put(&target, &body("free")), 201);
    assert!(header(&created, "azure-asyncoperation").contains("/operations/"));
    assert_eq!(
        (header(&created, "retry-after").as_str(), header(&created, "azure-asyncnotification").as_str()),
        ("10", "Enabled")
    );
    assert!(!created.text().contains("\r\n"));
    let etag = created.value()["etag"].clone();
    let mut waits = vec![];
    for millis in [10_000, 10_000, 20_000, 20_000, 40_000, 40_000, 80_000] {
        azure.pass(millis);
        let poll = azure.get(&header(&created, "azure-asyncoperation"));
        assert_eq!(poll.value(), json!({"status": "InProgress"}));
        waits.push(header(&poll, "retry-after"));
    }
    assert_eq!(waits, ["10", "20", "20", "40", "40", "80", "160"]);
    assert_eq!(code(&azure.put(&target, &body("free"))), "AnotherOperationInProgress");
    let subnet = json!({"properties": {"addressPrefix": "10.0.1.0/26"}});
    let refused = azure.put(&id("virtualNetworks/v/subnets/azurefirewallsubnet"), &subnet);
    assert_eq!((refused.status, code(&refused).as_str()), (409, "AnotherOperationInProgress"));
    azure.pass(80_000);
    assert_eq!(status(&mut azure, &created), json!({"status": "Succeeded"}));
    let shown = azure.get(&target).value();
    assert_ne!(shown["etag"], etag);
    let configuration = &shown["properties"]["ipConfigurations"][0];
    assert_eq!(configuration["properties"]["privateIPAddress"], "10.0.1.4");
    assert_eq!(
        (&configuration["id"], &configuration["etag"]),
        (&json!(format!("{target}/azureFirewallIpConfigurations/c")), &shown["etag"])
    );
    let policy = azure.get(&id("firewallPolicies/free")).value();
    assert_eq!(policy["properties"]["firewalls"], json!([{"id": target}]));

    let same = ok(azure.put(&target, &body("free")), 200);
    assert_eq!(
        (same.value()["properties"]["provisioningState"].as_str(), same.header("retry-after")),
        (Some("Succeeded"), None)
    );
    assert_eq!(status(&mut azure, &same)["status"], "Succeeded");

    let deleted = ok(azure.delete(&target), 202);
    assert_eq!((deleted.body.len(), header(&deleted, "retry-after").as_str()), (0, "10"));
    assert!(header(&deleted, "location").contains("/operationResults/"));
    azure.pass(300_000);
    assert_eq!(azure.get(&header(&deleted, "location")).status, 204);
    assert_eq!((azure.get(&target).status, azure.delete(&target).status), (404, 204));
}

#[test]
fn what_a_firewall_refers_to_exists() {
    let mut azure = with_network();
    let mut refuse = |change: &dyn Fn(&mut Value)| {
        let mut wanted = body("free");
        change(&mut wanted["properties"]);
        let refused = ok(azure.put(&id("azureFirewalls/new"), &wanted), 400);
        assert_eq!(code(&refused), "InvalidResourceReference");
        message(&refused)
    };
    let gone = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/x/gone";
    let place = |group: &mut Value, name: &str| group["ipConfigurations"][0]["properties"][name]["id"] = json!(gone);
    for message in [
        refuse(&|firewall| place(firewall, "subnet")),
        refuse(&|firewall| place(firewall, "publicIPAddress")),
        refuse(&|firewall| firewall["firewallPolicy"]["id"] = json!(gone)),
        refuse(&|firewall| {
            firewall["networkRuleCollections"] =
                json!([{"name": "c", "properties": {"rules": [{"sourceIpGroups": [gone]}]}}]);
        }),
    ] {
        assert!(message.starts_with(&format!("Resource {gone} referenced by resource ")), "{message}");
    }
}

#[test]
fn a_policy_waits_for_its_firewall_and_a_failed_firewall_is_written_again() {
    let mut azure = with_network();
    let fault: Fault = serde_json::from_value(json!({"match": {"method": "PUT"}, "effect": {"failOperation": {"code": "InternalServerError", "message": "m"}}})).unwrap();
    ok(azure.put(&id("azureFirewalls/new"), &body("free")), 201);
    let group = id("firewallPolicies/free/ruleCollectionGroups/g");
    let refused = azure.put(&group, &json!({"properties": {"priority": 200}}));
    assert_eq!((refused.status, code(&refused).as_str()), (409, "AnotherOperationInProgress"));
    azure.pass(300_000);
    azure.world.add_fault(fault);
    let mut changed = body("free");
    changed["properties"]["threatIntelMode"] = json!("Deny");
    let accepted = ok(azure.put(&id("azureFirewalls/new"), &changed), 200);
    azure.pass(300_000);
    assert_eq!(status(&mut azure, &accepted)["error"]["code"], "InternalServerError");
    assert_eq!(state(&mut azure, &id("azureFirewalls/new")), "Failed");
    let again = ok(azure.put(&id("azureFirewalls/new"), &changed), 200);
    assert_eq!(
        again.value()["properties"]["provisioningState"],
        "Updating",
        "a failed one is never as it was asked for"
    );
    azure.pass(300_000);
    assert_eq!(state(&mut azure, &id("azureFirewalls/new")), "Succeeded");
}

#[test]
fn classic_rules_are_shown_with_an_id_and_an_etag() {
    let mut azure = with_network();
    let rule = json!({"name": "r", "protocols": ["TCP"], "sourceAddresses": ["*"], "destinationAddresses": ["Storage"], "destinationPorts": ["443"]});
    let mut classic = body("free");
    classic["properties"].as_object_mut().unwrap().remove("firewallPolicy");
    classic["properties"]["networkRuleCollections"] =
        json!([{"name": "c", "properties": {"priority": 100, "action": {"type": "Allow"}, "rules": [rule]}}]);
    let shown = ok(azure.put(&id("azureFirewalls/classic"), &classic), 201).value();
    let collection = &shown["properties"]["networkRuleCollections"][0];
    assert_eq!(collection["id"], id("azureFirewalls/classic/networkRuleCollections/c"));
    assert_eq!(
        (&collection["etag"], &collection["properties"]["provisioningState"]),
        (&shown["etag"], &json!("Succeeded"))
    );
    assert_eq!(collection["properties"]["rules"][0]["destinationIpGroups"], json!([]));
}
