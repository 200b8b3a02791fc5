//! What the network provider refuses of security rules, with which code.

use super::{
    Azure, GROUP, code, message,
    security_groups::{azure, rule},
};
use crate::model::World;
use serde_json::{Value, json};
use std::{fs, path::Path};

const SECURITY: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-ml/providers/Microsoft.Network/networkSecurityGroups/nsg-ml";

fn path(name: &str) -> String {
    format!("{SECURITY}/securityRules/{name}")
}

/// A good rule with some of its properties changed; null takes one away.
fn with(changes: &Value) -> Value {
    let mut body = rule(200, "Storage");
    for (name, value) in changes.as_object().unwrap() {
        body["properties"][name] = value.clone();
    }
    body
}

fn refusal(azure: &mut Azure, changes: &Value) -> (String, String) {
    let answer = azure.put(&path("r"), &with(changes));
    assert!(answer.status == 400 || answer.status == 201, "{}", answer.text());
    if answer.status == 201 {
        azure.pass(1_000);
        azure.delete(&path("r"));
        azure.pass(1_000);
    }
    (code(&answer), message(&answer))
}

#[test]
fn one_rule_is_refused_for_what_it_says() {
    let mut azure = azure();
    let v4 = json!(["20.1.0.0/16", "20.2.0.0/16"]);
    for (changes, wanted) in [
        (json!({"priority": 99}), "SecurityRuleInvalidPriority"),
        (json!({"priority": 4097}), "SecurityRuleInvalidPriority"),
        (json!({"priority": null}), "InvalidRequestFormat"),
        (json!({"protocol": null}), "InvalidRequestFormat"),
        (json!({"access": null}), "InvalidRequestFormat"),
        (json!({"direction": null}), "InvalidRequestFormat"),
        (json!({"access": "Permit"}), "InvalidRequestFormat"),
        (json!({"priority": 4000}), "SecurityRuleConflict"),
        (json!({"description": "x".repeat(141)}), "SecurityRuleInvalidDescription"),
        (json!({"destinationPortRange": "65536"}), "SecurityRuleInvalidPortRange"),
        (json!({"destinationPortRange": "443-80"}), "SecurityRuleInvalidPortRange"),
        (json!({"destinationPortRange": "80,443"}), "SecurityRuleInvalidPortRange"),
        (json!({"destinationPortRange": null, "destinationPortRanges": ["80", "*"]}), "SecurityRuleInvalidPortRange"),
        (
            json!({"destinationPortRange": null, "destinationPortRanges": ["80", "80"]}),
            "OverlappingPortsNotPermittedInSecurityRule",
        ),
        (json!({"destinationPortRange": null}), "SecurityRuleParameterMustBeSpecifiedOnce"),
        (json!({"destinationPortRanges": ["80"]}), "SecurityRuleParameterMustBeSpecifiedOnce"),
        (json!({"destinationAddressPrefixes": v4}), "SecurityRuleParameterMustBeSpecifiedOnce"),
        (json!({"destinationAddressPrefix": null}), "SecurityRuleParameterMustBeSpecifiedOnce"),
        (
            json!({"destinationAddressPrefix": "", "destinationAddressPrefixes": []}),
            "SecurityRuleParameterMustBeSpecifiedOnce",
        ),
        (json!({"destinationAddressPrefix": "20.1.0.0/33"}), "SecurityRuleInvalidAddressPrefix"),
        (json!({"destinationAddressPrefix": "20.1.0.1/16"}), "SecurityRuleInvalidAddressPrefix"),
        (json!({"destinationAddressPrefix": "20.1.0.0-20.1.0.9"}), "SecurityRuleInvalidAddressPrefix"),
        (
            json!({"destinationAddressPrefix": null, "destinationAddressPrefixes": ["20.1.0.0/16", "Storage"]}),
            "SecurityRuleParameterContainsUnsupportedValue",
        ),
        (
            json!({"destinationAddressPrefix": null, "destinationAddressPrefixes": ["VirtualNetwork"]}),
            "SecurityRuleParameterContainsUnsupportedValue",
        ),
        (
            json!({"sourceAddressPrefix": null, "sourceAddressPrefixes": ["*"]}),
            "SecurityRuleParameterContainsUnsupportedValue",
        ),
        (
            json!({"destinationAddressPrefix": null, "destinationAddressPrefixes": ["20.1.0.0/16", "2603:1030::/40"]}),
            "ResourceCannotContainAddressPrefixesFromDifferentAddressFamilies",
        ),
        (
            json!({"sourceAddressPrefix": "10.0.0.0/24", "destinationAddressPrefix": "2603:1030::/40"}),
            "ResourceCannotContainAddressPrefixesFromDifferentAddressFamilies",
        ),
        (
            json!({"destinationAddressPrefix": null, "destinationAddressPrefixes": ["20.1.0.0/16", "20.3.0.0/16", "20.1.9.0/24"]}),
            "OverlappingSubnetsNotPermittedInSecurityRule",
        ),
        (
            json!({"destinationAddressPrefix": null, "destinationAddressPrefixes": ["20.1.0.0/16", "20.1.0.0/16"]}),
            "OverlappingSubnetsNotPermittedInSecurityRule",
        ),
    ] {
        assert_eq!(refusal(&mut azure, &changes).0, wanted, "{changes}");
    }
    for changes in [
        json!({"destinationAddressPrefix": null, "destinationAddressPrefixes": v4}),
        json!({"destinationAddressPrefix": "", "destinationAddressPrefixes": ["20.1.0.5", "20.2.0.0/16"]}),
        json!({"priority": 100, "destinationPortRange": "0-65535"}),
        json!({"priority": 4000, "direction": "Inbound"}),
        json!({"destinationAddressPrefix": "2603:1030::/40", "destinationPortRanges": []}),
        json!({"destinationAddressPrefix": null, "destinationApplicationSecurityGroups": [{"id": format!("{GROUP}/providers/Microsoft.Network/applicationSecurityGroups/a")}]}),
    ] {
        assert_eq!(refusal(&mut azure, &changes).0, "", "{changes}");
    }
}

#[test]
fn refusals_say_what_real_ones_say() {
    let mut azure = azure();
    let id = path("r");
    let text = |azure: &mut Azure, changes: &Value| refusal(azure, changes).1;
    assert_eq!(
        text(&mut azure, &json!({"priority": 50})),
        "Security rule has invalid Priority. Value provided: 50 Allowed range 100-4096."
    );
    assert_eq!(
        text(&mut azure, &json!({"priority": 4000})),
        "Security rule r conflicts with rule theirs. Rules cannot have the same Priority and Direction."
    );
    assert_eq!(
        text(&mut azure, &json!({"destinationAddressPrefix": "50.206.209.68/27"})),
        format!("Security rule {id} has invalid Address prefix. Value provided: 50.206.209.68/27")
    );
    assert_eq!(
        text(&mut azure, &json!({"destinationPortRanges": ["80"]})),
        format!(
            "Security rule with Id {id} must specify a non-empty value for either DestinationPortRange or \
             DestinationPortRanges, but not both."
        )
    );
    assert_eq!(
        text(
            &mut azure,
            &json!({"sourceAddressPrefix": null, "sourceAddressPrefixes": ["149.173.8.27/32", "149.173.0.0/16"]})
        ),
        format!(
            "Security rule parameter SourceAddressPrefix for rule with Id {id} contains overlapping subnets \
             [149.173.0.0/16, 149.173.8.27/32], which is not permitted."
        )
    );
    assert_eq!(code(&azure.put(&path("ends-"), &rule(200, "Storage"))), "InvalidResourceName");
}

#[test]
fn a_whole_group_is_refused_for_two_of_its_rules() {
    let mut azure = azure();
    let named =
        |name: &str, priority: i64| json!({"name": name, "properties": rule(priority, "Storage")["properties"]});
    for rules in [[named("a", 200), named("b", 200)], [named("a", 200), named("A", 201)]] {
        let refused = azure.put(SECURITY, &json!({"location": "eastus2", "properties": {"securityRules": rules}}));
        assert_eq!((refused.status, code(&refused).as_str()), (400, "SecurityRuleConflict"));
    }
    let unnamed = json!([{"properties": rule(200, "Storage")["properties"]}]);
    let refused = azure.put(SECURITY, &json!({"location": "eastus2", "properties": {"securityRules": unnamed}}));
    assert_eq!(code(&refused), "InvalidRequestFormat");
    assert_eq!(azure.world.security_history(SECURITY).len(), 1, "nothing was touched");
}

#[test]
fn rules_and_addresses_have_limits() {
    let mut azure = azure();
    let usages = json!({"usages": {"SecurityRulesPerNetworkSecurityGroup": 3}});
    azure.world.set_settings(azure.world.settings().changed(&usages).unwrap());
    for (name, priority) in [("a", 200), ("b", 201)] {
        assert_eq!(azure.put(&path(name), &rule(priority, "Storage")).status, 201);
        azure.pass(1_000);
    }
    let refused = azure.put(&path("c"), &rule(202, "Storage"));
    assert_eq!(
        (code(&refused).as_str(), message(&refused).as_str()),
        ("SecurityRuleCountLimitReached", "A security group cannot have more than 3 security rules.")
    );
    assert_eq!(azure.put(&path("b"), &rule(201, "Sql")).status, 200, "replacing one is not adding one");
}

#[test]
fn addresses_are_counted_over_all_rules_and_each_side_alone() {
    let mut azure = azure();
    let addresses = |first: u32, count: u32| -> Vec<String> {
        (first..first + count).map(|i| format!("20.{}.{}.0/24", i / 256, i % 256)).collect()
    };
    let many = |priority: i64, first: u32, count: u32| {
        with(
            &json!({"priority": priority, "destinationAddressPrefix": null, "destinationAddressPrefixes": addresses(first, count)}),
        )
    };
    // One destination is the rule's that was there before.
    assert_eq!(azure.put(&path("a"), &many(200, 0, 3_000)).status, 201);
    azure.pass(1_000);
    let refused = azure.put(&path("b"), &many(201, 3_000, 1_000));
    assert_eq!(code(&refused), "SecurityRuleAddressesOrPortsPerSecurityGroupLimitReached");
    assert_eq!(
        message(&refused),
        format!(
            "Network security group {SECURITY} has 4001 DestinationAddressPrefixes. A security group cannot have more than \
             4000 DestinationAddressPrefixes as per the limit MaxSecurityRuleAddressesOrPortsPerSecurityGroup."
        )
    );
    assert_eq!(azure.put(&path("b"), &many(201, 3_000, 999)).status, 201);
    azure.pass(1_000);
    let source = with(
        &json!({"priority": 202, "direction": "Inbound", "sourceAddressPrefix": null, "sourceAddressPrefixes": addresses(0, 3_997)}),
    );
    assert_eq!(code(&azure.put(&path("c"), &source)), "SecurityRuleAddressesOrPortsPerSecurityGroupLimitReached");
}

/// The document of a week, with a tag for rules, one that is not for them and one that can be named nowhere.
#[test]
fn tags_are_those_of_the_published_document() {
    let folder = tempfile::tempdir().unwrap();
    let tag = |name: &str, features: &Value| json!({"name": name, "properties": {"networkFeatures": features, "addressPrefixes": []}});
    let publish = |name: &str, tags: &[Value]| {
        let file = folder.path().join(name);
        fs::write(&file, json!({"changeNumber": 1, "cloud": "Public", "values": tags}).to_string()).unwrap();
    };
    let both = json!(["API", "NSG", "UDR", "FW"]);
    publish("one.json", &[tag("Storage", &both), tag("Hidden", &json!(["API", "UDR"])), tag("Silent", &Value::Null)]);
    publish("two.json", &[tag("Storage", &both), tag("Storage.EastUS2", &json!(["API", "NSG"]))]);
    fs::write(folder.path().join("broken.json"), "{\"values\": [").unwrap();
    let yaml = format!(
        "resources: [{{id: {SECURITY}, location: eastus2}}]\nserviceTagFiles: [one.json, two.json, broken.json]\n"
    );
    let mut azure = Azure::new(World::from_yaml(&yaml, folder.path()).unwrap());
    let check = |azure: &mut Azure, tag: &str| refusal(azure, &json!({"destinationAddressPrefix": tag})).0;
    for known in ["Storage", "storage", "VirtualNetwork", "Internet", "AzureLoadBalancer", "*"] {
        assert_eq!(check(&mut azure, known), "", "{known}");
    }
    for unknown in ["Storage.EastUS2", "Hidden", "Silent", "Nothing"] {
        assert_eq!(check(&mut azure, unknown), "SecurityRuleInvalidAddressPrefix", "{unknown}");
    }
    let plural = json!({"destinationAddressPrefix": null, "destinationAddressPrefixes": ["Storage"]});
    assert_eq!(refusal(&mut azure, &plural).0, "SecurityRuleParameterContainsUnsupportedValue");

    let next = crate::model::download_page::Publish::default();
    azure.world.publish(azure.now, &next).unwrap();
    assert_eq!(check(&mut azure, "Storage.EastUS2"), "");
    // A document that nobody can read changes nothing; without any the simulator has no list of its own.
    azure.world.publish(azure.now, &next).unwrap();
    assert_eq!(check(&mut azure, "Storage.EastUS2"), "");
    assert_eq!(check(&mut azure, "Nothing"), "SecurityRuleInvalidAddressPrefix");
    let yaml = format!("resources: [{{id: {SECURITY}, location: eastus2}}]\n");
    let mut without = Azure::new(World::from_yaml(&yaml, Path::new(".")).unwrap());
    assert_eq!(check(&mut without, "Nothing"), "");
    assert_eq!(check(&mut without, "no-tag"), "SecurityRuleInvalidAddressPrefix");
}
