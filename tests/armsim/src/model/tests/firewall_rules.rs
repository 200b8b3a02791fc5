//! What the service refuses in firewall policies and their rules, and the limits that it keeps to.

use super::{
    Azure, GROUP, code,
    firewall_policies::{azure, group_id, id, ok, rules},
    message,
};
use crate::model::World;
use serde_json::{Value, json};
use std::path::Path;

/// The body of a group with a valid rule that `change` made something of.
fn with_rule(kind: &str, change: &Value) -> Value {
    let mut rule = match kind {
        "NetworkRule" => json!({
            "ipProtocols": ["TCP"], "sourceAddresses": ["10.0.0.0/16"], "destinationAddresses": ["20.1.0.0/16"],
            "destinationPorts": ["443"],
        }),
        "NatRule" => json!({
            "ipProtocols": ["TCP"], "sourceAddresses": ["*"], "destinationAddresses": ["20.1.0.1"],
            "destinationPorts": ["443"], "translatedAddress": "10.0.0.4", "translatedPort": "443",
        }),
        _ => json!({
            "sourceAddresses": ["10.0.0.0/16"], "targetFqdns": ["*.azureml.ms"],
            "protocols": [{"protocolType": "Https", "port": 443}],
        }),
    };
    rule["ruleType"] = json!(kind);
    rule["name"] = json!("r");
    rule.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let mut body = rules(300, "20.1.0.0/16");
    let collection = &mut body["properties"]["ruleCollections"][0];
    if kind == "NatRule" {
        collection["ruleCollectionType"] = json!("FirewallPolicyNatRuleCollection");
        collection["action"]["type"] = json!("DNAT");
    }
    collection["rules"] = json!([rule]);
    body
}

fn put(azure: &mut Azure, body: &Value) -> (u16, String) {
    let response = azure.put(&group_id("b"), body);
    (response.status, code(&response))
}

#[test]
fn rules_that_azure_would_not_take_are_refused_and_change_nothing() {
    let invalid_address = "AzureFirewallRuleInvalidIpAddressOrRangeFormat";
    for (kind, change, expected) in [
        ("NetworkRule", json!({"destinationAddresses": []}), "FirewallPolicyRuleInvalidDestination"),
        ("NetworkRule", json!({"destinationFqdns": ["a.b"]}), "FirewallPolicyRuleInvalidDestination"),
        ("NetworkRule", json!({"sourceAddresses": []}), "FirewallPolicyRuleInvalidSource"),
        ("NetworkRule", json!({"sourceAddresses": ["Storage"]}), invalid_address),
        ("NetworkRule", json!({"destinationAddresses": ["20.1.0.1/16"]}), invalid_address),
        ("NetworkRule", json!({"destinationAddresses": ["2603:1030::/48"]}), invalid_address),
        ("NetworkRule", json!({"destinationAddresses": ["AzureCloud."]}), invalid_address),
        (
            "NetworkRule",
            json!({"destinationAddresses": ["Storage", "20.1.0.0/16"]}),
            "FirewallPolicyRuleMixedServiceTagsAndAddresses",
        ),
        (
            "NetworkRule",
            json!({"destinationAddresses": [], "destinationFqdns": ["a.b"]}),
            "FirewallPolicyNetworkRuleFqdnsNeedDnsProxy",
        ),
        ("NetworkRule", json!({"destinationPorts": []}), "FirewallPolicyRuleInvalidPort"),
        ("NetworkRule", json!({"destinationPorts": ["443-80"]}), "FirewallPolicyRuleInvalidPort"),
        ("NetworkRule", json!({"ipProtocols": ["HTTP"]}), "FirewallPolicyRuleInvalidProtocol"),
        (
            "NetworkRule",
            json!({"destinationAddresses": [], "destinationIpGroups": [id("ipGroups/none")]}),
            "InvalidResourceReference",
        ),
        ("ApplicationRule", json!({"targetFqdns": []}), "FirewallPolicyRuleInvalidDestination"),
        ("ApplicationRule", json!({"targetFqdns": ["https://a.b"]}), "FirewallPolicyRuleInvalidFqdn"),
        ("ApplicationRule", json!({"destinationAddresses": ["Storage"]}), invalid_address),
        ("ApplicationRule", json!({"protocols": []}), "FirewallPolicyRuleInvalidProtocol"),
        (
            "ApplicationRule",
            json!({"protocols": [{"protocolType": "Ftp", "port": 21}]}),
            "FirewallPolicyRuleInvalidProtocol",
        ),
        (
            "ApplicationRule",
            json!({"protocols": [{"protocolType": "Https", "port": 65535}]}),
            "FirewallPolicyRuleInvalidProtocol",
        ),
        ("NatRule", json!({"translatedAddress": null}), "FirewallPolicyRuleInvalidTranslation"),
        ("NatRule", json!({"destinationAddresses": ["Storage"]}), invalid_address),
        ("NetworkRule", json!({"ruleType": "NatRule"}), "InvalidRequestFormat"),
        ("NetworkRule", json!({"name": ""}), "InvalidRequestFormat"),
    ] {
        let mut azure = azure("");
        assert_eq!(put(&mut azure, &with_rule(kind, &change)), (400, expected.to_owned()), "{kind} {change}");
        assert_eq!(azure.get(&group_id("b")).status, 404, "{change}");
        assert_eq!(put(&mut azure, &with_rule(kind, &json!({}))).0, 201, "{kind}");
    }
}

#[test]
fn groups_and_collections_have_names_and_priorities_of_their_own() {
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut body = rules(300, "20.1.0.0/16");
        let second = body["properties"]["ruleCollections"][0].clone();
        body["properties"]["ruleCollections"].as_array_mut().unwrap().push(second);
        body["properties"]["ruleCollections"][1]["name"] = json!("d");
        body["properties"]["ruleCollections"][1]["priority"] = json!(200);
        change(&mut body["properties"]);
        body
    };
    let rule =
        with_rule("ApplicationRule", &json!({"name": "x"}))["properties"]["ruleCollections"][0]["rules"][0].clone();
    let mut azure = azure("");
    for (body, expected) in [
        (changed(&|group| group["priority"] = json!(99)), "FirewallPolicyRuleCollectionGroupInvalidPriorityValue"),
        (changed(&|group| group["priority"] = json!(65_001)), "FirewallPolicyRuleCollectionGroupInvalidPriorityValue"),
        (changed(&|group| group["priority"] = json!(200)), "FirewallPolicyRuleCollectionGroupPrioritiesNotUnique"),
        (changed(&|group| group["priority"] = Value::Null), "InvalidRequestFormat"),
        (
            changed(&|group| group["ruleCollections"][1]["priority"] = json!(70_000)),
            "FirewallPolicyRuleCollectionInvalidPriorityValue",
        ),
        (
            changed(&|group| group["ruleCollections"][1]["priority"] = json!(100)),
            "FirewallPolicyRuleCollectionPrioritiesNotUnique",
        ),
        (
            changed(&|group| group["ruleCollections"][1]["name"] = json!("C")),
            "FirewallPolicyRuleCollectionNamesNotUnique",
        ),
        (changed(&|group| group["ruleCollections"][1]["action"]["type"] = json!("Dnat")), "InvalidRequestFormat"),
        (changed(&|group| group["ruleCollections"][1]["ruleCollectionType"] = json!("x")), "InvalidRequestFormat"),
        (
            changed(&|group| {
                let rules = group["ruleCollections"][0]["rules"].as_array_mut().unwrap();
                rules.push(rules[0].clone());
            }),
            "FirewallPolicyRuleNamesNotUnique",
        ),
        (
            changed(&|group| group["ruleCollections"][0]["rules"].as_array_mut().unwrap().push(rule.clone())),
            "FirewallPolicyRuleCollectionMixedRuleTypes",
        ),
    ] {
        let refused = put(&mut azure, &body);
        assert_eq!(refused.0, 400, "{body}");
        assert_eq!(refused.1, expected, "{body}");
    }
    assert_eq!(put(&mut azure, &changed(&|_| {})).0, 201);
}

#[test]
fn only_tags_that_a_firewall_knows_by_name_are_taken_once_a_document_says() {
    let folder = tempfile::tempdir().unwrap();
    let tag = |name: &str, features: &[&str]| json!({"name": name, "id": name, "properties": {"networkFeatures": features, "addressPrefixes": ["20.0.0.0/16"]}});
    let document = json!({"changeNumber": 1, "cloud": "Public", "values": [
        tag("Storage.EastUS2", &["API", "NSG", "UDR", "FW"]), tag("BatchNodeManagement.EastUS2", &["API", "NSG"]),
        {"name": "AzureMachineLearning", "properties": {}},
    ]});
    std::fs::write(folder.path().join("one.json"), document.to_string()).unwrap();
    std::fs::write(folder.path().join("broken.json"), "{").unwrap();
    let resources = json!([{"id": id("firewallPolicies/p"), "location": "eastus2"}]);
    let yaml = format!("resources: {resources}\nserviceTagFiles: [one.json, broken.json]");
    let mut azure = Azure::new(World::from_yaml(&yaml, folder.path()).unwrap());
    let put = |azure: &mut Azure, tag: &str| {
        let answer = azure.put(&group_id("b"), &with_rule("NetworkRule", &json!({"destinationAddresses": [tag]})));
        azure.pass(11_000);
        (answer.status, message(&answer))
    };
    assert_eq!(put(&mut azure, "Storage.EastUS2").0, 201);
    assert_eq!(put(&mut azure, "storage.eastus2").0, 200, "case does not count");
    for unknown in ["BatchNodeManagement.EastUS2", "AzureMachineLearning", "Nothing"] {
        let (status, why) = put(&mut azure, unknown);
        assert_eq!(status, 400);
        assert!(why.ends_with(&format!("Invalid IP address value or range or Service Tag {unknown}.")), "{why}");
    }
    azure.world.publish(azure.now, &crate::model::download_page::Publish::default()).unwrap();
    assert_eq!(put(&mut azure, "Nothing").0, 400, "a broken document changes nothing in Azure");
    let mut without = super::firewall_policies::azure("");
    assert_eq!(put(&mut without, "Anything.AtAll").0, 201, "no document: nobody says");
}

#[test]
fn names_in_network_rules_need_the_policys_dns_proxy() {
    let body = with_rule("NetworkRule", &json!({"destinationAddresses": [], "destinationFqdns": ["a.azureml.ms"]}));
    let mut azure = azure("");
    let policy = json!({"location": "eastus2", "properties": {"dnsSettings": {"enableProxy": true}}});
    ok(azure.put(&id("firewallPolicies/p"), &policy), 200);
    azure.pass(254_000);
    ok(azure.put(&group_id("b"), &body), 201);
    azure.pass(254_000);
    ok(azure.put(&id("firewallPolicies/child/ruleCollectionGroups/c"), &body), 201);
    azure.pass(254_000);
    let off =
        json!({"location": "eastus2", "properties": {"dnsSettings": {"enableProxy": false, "servers": ["10.0.0.4"]}}});
    let shown = ok(azure.put(&id("firewallPolicies/p"), &off), 200).value();
    assert_eq!(shown["properties"]["dnsSettings"], json!({"servers": ["10.0.0.4"]}));
    azure.pass(254_000);
    assert_eq!(put(&mut azure, &body).1, "FirewallPolicyNetworkRuleFqdnsNeedDnsProxy");
}

#[test]
fn limits_are_kept() {
    let many = |count: usize| (0..count).map(|i| json!(format!("20.{}.{}.0/24", i / 256, i % 256))).collect::<Vec<_>>();
    let body = |sources: usize, destinations: usize| {
        with_rule("NetworkRule", &json!({"sourceAddresses": many(sources), "destinationAddresses": many(destinations)}))
    };
    let mut azure = azure("limits: {rulePairsPerPolicy: 101}");
    assert_eq!(put(&mut azure, &body(10, 10)).0, 201, "one pair is in the group that is there");
    azure.pass(254_000);
    assert_eq!(put(&mut azure, &body(10, 11)).1, "FirewallPolicyNetworkRuleCombinationsLimitReached");
    let child = azure.put(&id("firewallPolicies/child/ruleCollectionGroups/c"), &body(1, 1));
    assert_eq!(code(&child), "FirewallPolicyNetworkRuleCombinationsLimitReached", "those of the base count");
    let policy = id("firewallPolicies/free");
    let mut based =
        json!({"id": policy, "location": "eastus2", "properties": {"basePolicy": {"id": id("firewallPolicies/p")}}});
    based["properties"]["ruleCollectionGroups"] = json!([{"name": "g", "properties": body(1, 1)["properties"]}]);
    azure.world.put_resource(azure.now, &based).unwrap();
    let refused = azure.put(&group_id("b"), &body(10, 10));
    assert!(message(&refused).starts_with(&format!("Firewall Policy {policy} has 102 ")), "{}", message(&refused));
    azure.world.delete_resource(azure.now, &policy);
    let mut twice = body(10, 10);
    twice["properties"]["ruleCollections"][0]["rules"][0]["sourceAddresses"] = json!(vec!["10.0.0.1"; 500]);
    assert_eq!(put(&mut azure, &twice).0, 200, "the same source counts once");

    let mut azure =
        super::firewall_policies::azure("limits: {ruleCollectionGroupsPerPolicy: 1, ruleCollectionGroupSize: 5000}");
    assert_eq!(put(&mut azure, &body(1, 1)).1, "FirewallPolicyRuleCollectionGroupCountLimitReached");
    let mut large = body(1, 300);
    large["properties"]["priority"] = json!(200);
    let refused = azure.put(&group_id("a"), &large);
    assert_eq!(code(&refused), "FirewallPolicyRuleCollectionGroupSizeLimitReached");
    assert!(message(&refused).ends_with("It cannot have more than 5000 bytes."), "{}", message(&refused));
}

#[test]
fn ip_groups_of_rules_exist_are_shown_and_are_not_too_many() {
    let mut azure = azure("limits: {ipGroupsPerFirewall: 1}");
    let group = |name: &str| id(&format!("ipGroups/{name}"));
    for name in ["one", "two"] {
        let placed = json!({"id": group(name), "location": "eastus2", "properties": {"ipAddresses": ["20.1.0.0/16"]}});
        azure.world.put_resource(azure.now, &placed).unwrap();
    }
    let body = |names: &[&str]| {
        let ids: Vec<String> = names.iter().map(|name| group(name)).collect();
        with_rule("NetworkRule", &json!({"destinationAddresses": [], "destinationIpGroups": ids}))
    };
    assert_eq!(put(&mut azure, &body(&["one", "two"])).1, "IPGroupsCountLimitReached");
    let missing = azure.put(&group_id("b"), &body(&["Gone"]));
    assert!(
        message(&missing).starts_with(&format!("Resource {} referenced by resource ", group("Gone"))),
        "{}",
        message(&missing)
    );
    let write = json!({"location": "eastus2", "properties": {"ipAddresses": ["20.2.0.0/16"]}});
    ok(azure.put(&group("one"), &write), 200);
    assert_eq!(put(&mut azure, &body(&["one"])), (409, "AnotherOperationInProgress".to_owned()), "it is being written");
    azure.pass(5_000);
    assert_eq!(put(&mut azure, &body(&["one"])).0, 201);
    let shown = azure.get(&group("one")).value();
    assert_eq!(shown["properties"]["firewallPolicies"], json!([{"id": id("firewallPolicies/p")}]));
    assert_eq!(code(&azure.put(&group("one"), &write)), "AnotherOperationInProgress", "its firewall is being updated");
    azure.pass(254_000);
    ok(azure.put(&group("one"), &write), 200);
    let refused = put(&mut azure, &body(&["one"]));
    assert_eq!(refused, (409, "FirewallPolicyRuleCollectionGroupUpdateNotAllowedWhenUpdatingOrDeleting".to_owned()));
}

#[test]
fn what_a_policy_is_based_on_is_checked() {
    let mut azure = azure("");
    let put = |azure: &mut Azure, name: &str, location: &str, properties: Value| {
        let answer = azure
            .put(&id(&format!("firewallPolicies/{name}")), &json!({"location": location, "properties": properties}));
        (answer.status, code(&answer))
    };
    let base = |name: &str| json!({"basePolicy": {"id": id(&format!("firewallPolicies/{name}"))}});
    let with_tier = |tier: &str, mut properties: Value| {
        properties["sku"] = json!({"tier": tier});
        properties
    };
    assert_eq!(put(&mut azure, "x", "eastus2", base("none")).1, "InvalidResourceReference");
    assert_eq!(put(&mut azure, "x", "westus2", base("p")).1, "InvalidResourceReference", "another region");
    assert_eq!(put(&mut azure, "x", "eastus2", with_tier("Basic", base("p"))).1, "FirewallPolicyInvalidBasePolicyTier");
    assert_eq!(put(&mut azure, "x", "eastus2", with_tier("Gold", json!({}))).1, "InvalidRequestFormat");
    assert_eq!(put(&mut azure, "p", "eastus2", base("child")).1, "FirewallPolicyCircularBasePolicy");
    assert_eq!(put(&mut azure, "p", "westus2", json!({})), (409, "InvalidResourceLocation".to_owned()));
    assert_eq!(put(&mut azure, "x", "eastus2", with_tier("Premium", base("p"))).0, 201);
    azure.pass(254_000);
    assert_eq!(code(&azure.delete(&id("firewallPolicies/p"))), "InUseFirewallPolicyCannotBeDeleted");
    ok(azure.delete(&id("firewallPolicies/x")), 200);
    assert_eq!(azure.delete(&id("firewallPolicies/x")).status, 204);
    let elsewhere = GROUP.replace("rg-ml", "hub");
    azure.world = azure.world.clone().with_resource_group(super::SUBSCRIPTION, "hub", "eastus2");
    let child = azure.put(
        &format!("{elsewhere}/providers/Microsoft.Network/firewallPolicies/y"),
        &json!({"location": "eastus2", "properties": base("p")}),
    );
    assert_eq!(child.status, 201, "a base may be in another resource group");
    let lost = azure.put(&id("firewallPolicies/none/ruleCollectionGroups/g"), &rules(200, "20.1.0.0/16"));
    assert_eq!((lost.status, code(&lost).as_str()), (404, "ParentResourceNotFound"));
    assert!(World::from_yaml("limits: {rulePairs: 1}", Path::new(".")).is_err());
}

#[test]
fn policies_are_shown_as_recorded() {
    let mut azure = azure("");
    let properties = json!({
        "snat": {"privateRanges": ["IANAPrivateRanges", "203.0.113.0/24"]}, "intrusionDetection": null,
        "firewalls": [{"id": "x"}], "ruleCollectionGroups": [], "threatIntelMode": "Deny",
    });
    let body = json!({"location": "East US 2", "tags": {"a": "b"}, "properties": properties});
    let shown = ok(azure.put(&id("firewallPolicies/p"), &body), 200).value();
    let ranges = json!(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "203.0.113.0/24"]);
    assert_eq!(shown["properties"]["snat"]["privateRanges"], ranges);
    assert_eq!(shown["properties"]["ruleCollectionGroups"], json!([{"id": group_id("a")}]), "they are not in the body");
    assert_eq!(shown["properties"]["childPolicies"], json!([{"id": id("firewallPolicies/child")}]));
    assert_eq!((&shown["properties"]["firewalls"], &shown["tags"]), (&json!([]), &json!({"a": "b"})));
    assert_eq!((&shown["properties"]["sku"]["tier"], &shown["location"]), (&json!("Standard"), &json!("eastus2")));
    assert!(shown["properties"].get("intrusionDetection").is_none());
    azure.pass(254_000);
    let read = azure.get(&id("firewallPolicies/p")).value();
    assert_eq!(read["etag"], shown["etag"], "the end of the operation does not change it");

    let patch = azure.request("PATCH", &id("firewallPolicies/p")).with_json(&json!({"tags": {"c": "d"}}));
    let patched = ok(azure.send(&patch), 200);
    assert_eq!((&patched.value()["tags"], patched.header("azure-asyncoperation")), (&json!({"c": "d"}), None));
    assert_eq!(patched.value()["properties"]["threatIntelMode"], "Deny");
    assert_eq!(azure.get(&group_id("a")).status, 200);
    azure.pass(1);
    let old = format!("{}?api-version=2020-05-01", group_id("b"));
    let described = with_rule("NetworkRule", &json!({"description": "mine"}));
    let dropped = ok(azure.put(&old, &described), 201).value();
    assert!(dropped["properties"]["ruleCollections"][0]["rules"][0].get("description").is_none());
    azure.pass(254_000);
    let kept = ok(azure.put(&group_id("b"), &described), 200).value();
    assert_eq!(kept["properties"]["ruleCollections"][0]["rules"][0]["description"], "mine");
}
