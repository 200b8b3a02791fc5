//! Policies into which nothing is written: each says why, and what to write instead, and nothing of anybody changes.

use serde_json::{Value, json};

use crate::harness::Sim;
use crate::harness::groups::policy_id;
use crate::harness::rules::{
    OURS, asked_policy, bare_policy, filter, foreign_group, group_in, group_with, network_rule, of_policies,
    rules_week, usual_policy,
};

fn with(more: Vec<Value>, world: Value, change: Value) -> Sim {
    let sim = Sim::with_policies([usual_policy("p"), more].concat(), world);
    sim.ask_policies(&[asked_policy("p", json!({}))], change);
    sim
}

fn writes(sim: &Sim) -> usize {
    let log = sim.log();
    log.iter().filter(|entry| entry.server == armsim::model::log::Server::Arm && entry.method != "GET").count()
}

/// Plan and run say this and end with 3, nothing is written, and the status says it too.
#[track_caller]
fn refused(sim: &Sim, reason: &str, said: &[&str]) {
    let ids = [policy_id("p"), group_in(&policy_id("p"), "theirs"), group_in(&policy_id("p"), OURS)];
    let before = (sim.foreign(&ids), writes(sim));
    let blocked = format!("blocked, {reason}");
    for ran in [sim.plan(&["--state", "state"]), sim.once(&[])] {
        ran.exits(3).says(&[&[blocked.as_str()], said].concat());
    }
    assert_eq!((sim.foreign(&ids), writes(sim)), before, "{said:?}");
    let status = sim.policy_status("ml", "p");
    assert_eq!(status["state"], "Blocked", "{status}");
    assert!(said.iter().all(|text| status["message"].as_str().unwrap().contains(text)), "{said:?}: {status}");
}

#[test]
fn a_missing_policy_is_said_and_not_made() {
    let sim = Sim::with_policies(vec![], json!({}));
    sim.ask_policies(&[asked_policy("p", json!({}))], json!({}));
    refused(&sim, "NotFound", &["check the id in the spec"]);
    assert!(sim.resource(&policy_id("p")).is_null());
}

#[test]
fn a_policy_that_goes_while_amlnet_keeps_it_is_said_and_not_made_again() {
    let sim = with(vec![], json!({}), json!({}));
    sim.once(&[]).exits(0);
    sim.delete(&policy_id("p"));
    refused(&sim, "NotFound", &["check the id in the spec"]);
    assert!(sim.resource(&policy_id("p")).is_null());
    for resource in usual_policy("p") {
        sim.put(resource);
    }
    sim.once(&[]).exits(0);
    assert_eq!(sim.rules("p").len(), 10);
}

#[test]
fn a_lock_keeps_what_it_is_for_and_nothing_else() {
    // ReadOnly: nothing is written. CanNotDelete: all but the end.
    for (level, code, rules) in [("ReadOnly", 3, 0), ("CanNotDelete", 0, 10)] {
        let locks = json!([{"scope": policy_id("p"), "level": level, "name": "keep"}]);
        let sim = with(vec![], json!({"locks": locks}), json!({"spec": {"deletionPolicy": "Delete"}}));
        let ran = sim.once(&[]).exits(code);
        if code == 3 {
            ran.says(&["blocked, Locked", "ScopeLocked", "remove the lock, or wait until its owner does"]);
            assert_eq!(sim.policy_status("ml", "p")["state"], "Blocked");
        }
        assert_eq!(sim.rules("p").len(), rules, "{level}");
        if code == 0 {
            std::fs::remove_file(sim.path("dir/ml.yaml")).unwrap();
            sim.once(&[]).exits(3).says(&["blocked, Locked", "ScopeLocked"]);
            assert_eq!(sim.rules("p").len(), 10, "{level}");
            sim.delete(&format!("{}/providers/Microsoft.Authorization/locks/keep", policy_id("p")));
            sim.once(&[]).exits(0);
            assert!(sim.our_group("p").is_null());
        }
    }
}

#[test]
fn a_policy_that_is_failed_is_warned_of_and_a_write_repairs_it() {
    let failed = bare_policy("p", json!({"properties": {"provisioningState": "Failed"}}));
    let sim = with(vec![failed], json!({}), json!({}));
    sim.plan(&[]).exits(2).says(&["PolicyFailed", "a write of any of its groups may repair it"]);
    sim.once(&[]).exits(0);
    assert_eq!(sim.resource(&policy_id("p"))["properties"]["provisioningState"], "Succeeded");
    assert_eq!(sim.rules("p").len(), 10);
    // Where nothing is to be written nobody repairs it, and it is said.
    sim.put(bare_policy("p", json!({"properties": {"provisioningState": "Failed"}})));
    let before = writes(&sim);
    sim.once(&[]).says(&["PolicyFailed"]);
    assert_eq!(writes(&sim), before);
}

#[test]
fn a_stranger_in_our_group_is_named_and_nothing_is_written_until_he_is_gone() {
    let alien = |collection: Value| {
        let sim = with(vec![], json!({}), json!({}));
        sim.once(&[]).exits(0);
        let mut group = sim.our_group("p");
        let written = group["properties"]["ruleCollections"].clone();
        group["properties"]["ruleCollections"] = collection;
        (sim, group, written)
    };
    let (sim, mut group, written) = alien(json!([]));
    let of_others = filter("mine", 300, "Deny", vec![network_rule("r", "192.0.2.0/24", "443")]);
    for (change, said) in [
        (json!([written[0], of_others]), "rule collection mine"),
        (
            {
                let mut with_rule = written.clone();
                with_rule[0]["rules"].as_array_mut().unwrap().push(network_rule("extra", "192.0.2.0/24", "443"));
                with_rule
            },
            "rule extra in collection amlnet-network",
        ),
    ] {
        group["properties"]["ruleCollections"] = change;
        sim.put(group.clone());
        sim.publish(&rules_week(2, 0..7, 0..3));
        refused(
            &sim,
            "Conflict",
            &["amlnet-prod is amlnet's alone", "move what is not amlnet's to another group", said],
        );
    }
    group["properties"]["ruleCollections"] = written;
    sim.put(group);
    sim.once(&[]).exits(0);
    assert_eq!(sim.destinations("p", "amlnet.prod.BatchNodeManagement.eastus2.tcp-ip").len(), 7);
}

#[test]
fn a_priority_that_another_group_has_is_said_with_its_name() {
    let sim = with(vec![foreign_group("p", "platform", 1200)], json!({}), json!({}));
    refused(
        &sim,
        "Conflict",
        &[
            "priority 1200 is taken by the rule collection group platform",
            "choose another under outbound.firewallPolicies",
        ],
    );
    sim.ask_policies(&[asked_policy("p", json!({"priority": 1201}))], json!({}));
    sim.once(&[]).exits(0);
    // Somebody places his group there while amlnet knows the others from before.
    let running = sim.controller(&[]);
    running.wait_until("a look", || running.log().contains("nothing to write"));
    sim.put(foreign_group("p", "late", 1300));
    sim.ask_policies(&[asked_policy("p", json!({"priority": 1300}))], json!({}));
    running.wait_until("that it says so", || {
        sim.policy_status("ml", "p")["message"]
            .as_str()
            .unwrap_or_default()
            .contains("is taken by the rule collection group late")
    });
    running.terminate();
    assert_eq!(sim.our_group("p")["properties"]["priority"], 1201);
}

#[test]
fn two_networks_with_two_priorities_are_asked_to_agree() {
    let sim = with(vec![], json!({}), json!({}));
    let second = |priority: u16| {
        let asked = asked_policy("p", json!({"priority": priority}));
        sim.objects("second.yaml", &[of_policies(&[asked], json!({"metadata": {"name": "second"}}))])
    };
    second(1300);
    refused(&sim, "Conflict", &["default/ml wants 1200, default/second wants 1300", "make them agree about priority"]);
    second(1200);
    sim.once(&[]).exits(0);
    assert_eq!(sim.rules("p").len(), 10);
}

#[test]
fn additional_rows_of_one_name_and_two_contents_are_written_by_nobody() {
    let row = |port: u16| {
        json!({"profiles": ["Base"], "additional": [{"name": "github", "hosts": ["github.com"],
        "ports": [{"protocol": "Https", "port": port}]}]})
    };
    let sim = with(vec![], json!({}), json!({"spec": {"outbound": row(443)}}));
    let second = json!({"metadata": {"name": "second"}, "spec": {"outbound": row(8443)}});
    sim.objects("second.yaml", &[of_policies(&[asked_policy("p", json!({}))], second)]);
    for ran in [sim.plan(&["--state", "state"]), sim.once(&[])] {
        ran.exits(3).says(&[
            "left alone",
            "default/ml and default/second ask for the rule with different",
            "names of their own",
        ]);
    }
    let rules = sim.rules("p");
    assert!(!rules.contains_key("amlnet.prod.additional.github.http"), "{:?}", rules.keys());
    assert_eq!(rules.len(), 10, "what is agreed on is written");
}

#[test]
fn networks_whose_sources_differ_on_a_shared_rule_are_told_that_all_are_in_it() {
    let sim = with(vec![], json!({}), json!({}));
    let second = json!({"metadata": {"name": "second"}, "spec": {"outbound": {"sourceAddresses": ["10.2.0.0/24"]}}});
    sim.objects("second.yaml", &[of_policies(&[asked_policy("p", json!({}))], second)]);
    sim.once(&[]).exits(0);
    let sources = crate::harness::rules::texts(&sim.rules("p")["amlnet.prod.AzureMonitor.tcp-ip"]["sourceAddresses"]);
    assert_eq!(sources, ["10.1.0.0/24", "10.2.0.0/24"].map(str::to_owned).into());
}

#[test]
fn hosts_on_other_ports_wait_for_the_dns_proxy_of_the_policy_or_of_its_parent() {
    let ntp = json!({"spec": {"outbound": {"additional": [{"name": "ntp", "hosts": ["time.example.org"],
        "ports": [{"protocol": "UDP", "port": 123}]}]}}});
    let rule = "amlnet.prod.additional.ntp.udp-fqdn";
    let off = || bare_policy("p", json!({"properties": {"dnsSettings": null}}));
    let sim = with(vec![off()], json!({}), ntp);
    for ran in [sim.plan(&["--state", "state"]), sim.once(&[])] {
        ran.exits(3).says(&["the policy's DNS proxy, which is off", "dnsSettings.enableProxy", "exclude", "ntp"]);
    }
    assert_eq!(sim.rules("p").len(), 10, "the others are written");
    // A parent has it on.
    let mut child = off();
    child["properties"]["basePolicy"] = json!({"id": policy_id("parent")});
    sim.put(bare_policy("parent", json!({})));
    sim.put(child.clone());
    sim.once(&[]).exits(0);
    assert!(sim.rules("p").contains_key(rule));
    // Settings of its own count, whatever the parent has.
    sim.delete(&group_in(&policy_id("p"), OURS));
    child["properties"]["dnsSettings"] = json!({"servers": ["10.0.0.4"]});
    sim.put(child);
    sim.once(&[]).exits(3).says(&["the policy's DNS proxy, which is off"]);
    assert!(!sim.rules("p").contains_key(rule));
}

#[test]
fn a_tag_that_nobody_knows_is_said_and_writes_nothing() {
    let row = |tag: &str| {
        json!({"spec": {"outbound": {"additional": [{"name": "x", "serviceTag": tag,
        "ports": [{"protocol": "TCP", "port": 443}]}]}}})
    };
    let sim = with(vec![], json!({}), row("AzureKeyVualt"));
    refused(&sim, "Unresolved", &["there is no service tag AzureKeyVualt"]);
    // In the document, and not known to the firewall of this place.
    let sim = with(vec![], json!({}), row("AzureNew"));
    sim.ask_policies(&[asked_policy("p", json!({"addressing": "Auto"}))], row("AzureNew"));
    let doc = rules_week(2, 0..4, 0..3).tag("AzureNew", "", ["20.70.0.0/24"]);
    let file = sim.write("new.json", doc.bytes());
    let before = writes(&sim);
    let ran = sim.apply(&["--tags", file.to_str().unwrap()]).exits(3);
    ran.says(&[
        "blocked, Refused",
        "AzureFirewallRuleInvalidIpAddressOrRangeFormat",
        "AzureNew",
        "addressing: Prefixes",
    ]);
    assert_eq!(writes(&sim), before + 1);
    assert!(sim.our_group("p").is_null());
    sim.ask_policies(&[asked_policy("p", json!({}))], row("AzureNew"));
    sim.apply(&["--tags", file.to_str().unwrap()]).exits(0);
    assert!(sim.rules("p").contains_key("amlnet.prod.additional.x.tcp-ip"));
}

#[test]
fn what_does_not_fit_is_said_before_anything_is_written() {
    let many = |count: usize| (0..count).map(|i| format!("20.{}.{}.0/24", 64 + i / 256, i % 256)).collect::<Vec<_>>();
    let sim = with(vec![], json!({}), json!({}));
    sim.publish(&rules_week(2, 0..4, 0..3).tag("Storage.EastUS2", "eastus2", many(20_000)));
    refused(
        &sim,
        "Capacity",
        &["the pairs of a source and a destination", "the limit is 20000", "addressing: Auto or IpGroups"],
    );
    sim.publish(&rules_week(3, 0..4, 0..3).tag("Storage.EastUS2", "eastus2", many(17_000)));
    sim.once(&[]).exits(0).says(&["CapacityHigh", "of at most 20000"]);
    // Others count as well.
    let theirs = many(4_000).into_iter().map(|prefix| prefix.replacen("20.", "172.", 1)).collect::<Vec<_>>();
    let mut rule = network_rule("r", "*", "443");
    rule["destinationAddresses"] = json!(theirs);
    sim.put(group_with("p", "large", 500, filter("c", 100, "Allow", vec![rule])));
    sim.publish(&rules_week(4, 0..5, 0..3).tag("Storage.EastUS2", "eastus2", many(17_000)));
    refused(&sim, "Capacity", &["the limit is 20000"]);
}

#[test]
fn too_many_ip_groups_of_a_policy_are_said() {
    let groups: Vec<String> = (0..200).map(|n| crate::harness::groups::group_id(&format!("g{n}"))).collect();
    let mut rule = network_rule("r", "*", "443");
    rule["destinationAddresses"] = json!([]);
    rule["destinationIpGroups"] = json!(groups);
    let theirs = group_with("p", "large", 500, filter("c", 100, "Allow", vec![rule]));
    let sim = with(vec![theirs], json!({}), json!({}));
    let change =
        json!({"spec": {"outbound": {"ipGroups": [crate::harness::groups::asked("batch", "BatchNodeManagement")]}}});
    sim.ask_policies(&[asked_policy("p", json!({"addressing": "IpGroups"}))], change);
    let before = sim.our_group("p");
    sim.once(&[])
        .exits(3)
        .says(&["blocked, Capacity", "the IP groups that the policy's rules name would be 201, the limit is 200"]);
    assert_eq!(sim.our_group("p"), before);
    assert_eq!(sim.members("batch").len(), 4, "the group itself is kept");
}

#[test]
fn a_limit_that_azure_alone_knows_is_blocked_and_said() {
    let sim = with(vec![], json!({"limits": {"ruleCollectionGroupSize": 3000}}), json!({}));
    let ran = sim.once(&[]).exits(3);
    ran.says(&[
        "blocked, Capacity",
        "FirewallPolicyRuleCollectionGroupSizeLimitReached",
        "cannot have more than 3000 bytes",
    ]);
    assert!(sim.our_group("p").is_null());
    sim.set(json!({"limits": {"ruleCollectionGroupSize": 2_097_152}}));
    sim.once(&[]).exits(0);
}

#[test]
fn another_installations_group_is_left_alone() {
    let sim = with(vec![], json!({}), json!({}));
    sim.once(&[]).exits(0);
    let before = sim.our_group("p");
    let other = |state: &str| {
        ["run", "--dir", "dir", "--state", state, "--once", "--installation-id", "test"].map(str::to_owned)
    };
    let arguments = other("other");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // The same priority cannot be had twice.
    sim.amlnet(&arguments).exits(3).says(&["priority 1200 is taken by the rule collection group amlnet-prod"]);
    sim.ask_policies(&[asked_policy("p", json!({"priority": 1250}))], json!({}));
    sim.amlnet(&arguments).exits(0);
    assert_eq!(sim.our_group("p"), before);
    let theirs = sim.resource(&group_in(&policy_id("p"), "amlnet-test"));
    assert_eq!(
        theirs["properties"]["ruleCollections"][0]["rules"][0]["name"],
        "amlnet.test.AzureActiveDirectory.tcp-ip"
    );
}

#[test]
fn an_azure_policy_that_denies_is_said_and_the_table_goes_on() {
    let policies = json!([{"name": "no-rules", "scope": policy_id("p"),
        "types": ["Microsoft.Network/firewallPolicies/ruleCollectionGroups"]}]);
    let routes = json!({"spec": {"routes": {"routeTables": [{"id": crate::harness::TABLE}]}}});
    let sim = with(vec![], json!({"policies": policies}), routes);
    sim.once(&[]).exits(3).says(&["blocked, Forbidden", "RequestDisallowedByPolicy", "have the assignment changed"]);
    assert!(sim.our_group("p").is_null());
    assert_eq!(crate::harness::ours(&sim.history(crate::harness::TABLE)).len(), 7);
}
