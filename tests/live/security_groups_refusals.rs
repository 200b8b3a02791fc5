//! Network security groups that take nothing, or not everything: too full, missing, locked, failed, forbidden; and one
//! rule that Azure dislikes. Nothing is half done, and it is said what helps.

use serde_json::{Value, json};

use crate::harness::security::{
    NsgCounts, asked, assert_rules_clean, by_prefixes, group, nsg, nsg_id, of_others, one_rule, rules_week,
};
use crate::harness::{Sim, east};
use crate::role::{role, subscription};

/// So many rules of others, each with an address on either side.
fn many(count: u16) -> Vec<Value> {
    (0..count).map(|n| of_others(&format!("theirs-{n}"), 2100 + n, json!({}))).collect()
}

/// One rule of others that counts so many destinations.
fn wide(addresses: usize) -> Value {
    let list: Vec<String> = (0..addresses).map(|n| format!("10.{}.{}.0/28", 64 + n / 256, n % 256)).collect();
    of_others("wide", 300, json!({"destinationAddressPrefix": null, "destinationAddressPrefixes": list}))
}

#[test]
fn security_groups_refusals_of_more_rules_than_the_limit_count_those_of_others() {
    let sim = Sim::with_nsg(&many(989));
    sim.ask_nsg(json!({}));
    for ran in [sim.plan(&[]), sim.once(&[])] {
        ran.exits(3).says(&[
            "blocked, Capacity",
            "the rules of the network security group would be 1001, the limit is 1000",
            "nothing is written. Remove rules of others",
        ]);
    }
    assert_eq!(sim.security_states(&nsg()).len(), 1, "nothing is half written");
    sim.delete(&format!("{}/securityRules/theirs-0", nsg()));
    sim.once(&[])
        .exits(0)
        .says(&["CapacityHigh", "the rules of the network security group will be 1000 of at most 1000"]);
    assert_eq!(sim.our_rules("nsg-ml").len(), 12);
    assert_rules_clean(&sim.security_states(&nsg()));
}

/// What goes is there until what comes stands: Azure would refuse it in between.
#[test]
fn security_groups_refusals_count_what_stands_between_two_writes() {
    let limits = json!({"usages": {"SecurityRulesPerNetworkSecurityGroup": 2,
        "SecurityRuleAddressesOrPortsPerNetworkSecurityGroup": 9}});
    let sim = Sim::with_nsgs(vec![group("nsg-ml", &[])], limits);
    let named = |name: &str, rest: Value| {
        let mut one = by_prefixes();
        one["name"] = json!(name);
        let mut all = vec![one];
        all.extend(rest.as_array().unwrap().clone());
        one_rule(json!({"spec": {"outbound": {"additional": all}}}))
    };
    let tag = json!([{"name": "t", "serviceTag": "Storage", "ports": [{"protocol": "TCP", "port": 443}]}]);
    sim.ask_nsg(named("a", tag.clone()));
    sim.once(&[]).exits(0);
    let before = sim.shown_rules();
    sim.ask_nsg(named("b", tag));
    sim.once(&[])
        .exits(3)
        .says(&["blocked, Capacity", "the rules of the network security group would be 3, the limit is 2"]);
    assert_eq!(sim.shown_rules(), before);
    // With room for a rule, the addresses do not fit.
    sim.ask_nsg(named("a", json!([])));
    sim.once(&[]).exits(0);
    sim.publish_rules(&rules_week(3, 0..5));
    sim.once(&[]).exits(0);
    sim.ask_nsg(named("b", json!([])));
    sim.once(&[]).exits(3).says(&["the destination addresses of its rules would be 10, the limit is 9"]);
    sim.publish_rules(&rules_week(4, 1..5));
    sim.once(&[]).exits(0);
    assert_eq!(
        sim.our_rules("nsg-ml").into_keys().collect::<Vec<_>>(),
        ["amlnet.prod.out.additional.b.eastus2.tcp-ip"]
    );
    assert_rules_clean(&sim.security_states(&nsg()));
}

#[test]
fn security_groups_refusals_of_a_tag_that_the_document_lacks_leave_all_as_it_is() {
    let sim = Sim::with_nsg(&[]);
    sim.ask_nsg(json!({}));
    sim.once(&[]).exits(0);
    let before = sim.shown_rules();
    sim.publish_rules(&rules_week(3, 0..4).without("AzureMonitor"));
    for ran in [sim.plan(&["--state", "state"]), sim.once(&[])] {
        ran.exits(3).says(&["AzureMonitor", "exclude: [AzureMonitor] leaves it out"]);
    }
    assert_eq!(sim.shown_rules(), before);
    sim.publish_rules(&rules_week(4, 0..4));
    sim.assert_nothing_to_do("it came back");
}

#[test]
fn security_groups_refusals_of_more_addresses_than_the_limit_count_those_of_others() {
    let sim = Sim::with_nsg(&[wide(3997)]);
    sim.ask_nsg(one_rule(json!({})));
    let ran = sim.once(&[]).exits(3);
    ran.says(&["blocked, Capacity", "the destination addresses of its rules would be 4001, the limit is 4000"]);
    assert_eq!(sim.security_states(&nsg()).len(), 1);
    sim.publish_rules(&rules_week(3, 0..3));
    sim.once(&[])
        .exits(0)
        .says(&["CapacityHigh", "the destination addresses of its rules will be 4000 of at most 4000"]);
    // Where a prefix goes and another comes, the rule is as long as before.
    sim.publish_rules(&rules_week(4, 1..4));
    sim.once(&[]).exits(0);
    assert_eq!(sim.far(), (1..4).map(east).collect());
}

#[test]
fn security_groups_refusals_go_by_the_live_limits() {
    let limits = json!({"usages": {"SecurityRulesPerNetworkSecurityGroup": 10,
        "SecurityRuleAddressesOrPortsPerNetworkSecurityGroup": 40}});
    let sim = Sim::with_nsgs(vec![group("nsg-ml", &[])], limits);
    sim.ask_nsg(json!({}));
    sim.once(&[]).exits(3).says(&["would be 12, the limit is 10"]);
    sim.ask_nsg(one_rule(json!({})));
    sim.publish_rules(&rules_week(3, 0..41));
    sim.once(&[]).exits(3).says(&["the destination addresses of its rules would be 41, the limit is 40"]);
    assert_eq!(sim.security_states(&nsg()).len(), 1);
    for (addresses, is_said) in [(31, false), (32, true), (40, true)] {
        sim.publish_rules(&rules_week(4 + addresses as u64, 0..addresses));
        let ran = sim.once(&[]).exits(0);
        let said = format!("the destination addresses of its rules will be {addresses} of at most 40");
        assert_eq!(ran.all().contains(&said) && ran.all().contains("CapacityHigh"), is_said, "{}", ran.all());
    }
    // Who may not ask for the limits goes by the documented ones.
    let body = json!({"error": {"code": "AuthorizationFailed", "message": "may not"}});
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/usages"}, "times": 0,
        "effect": {"status": {"code": 403, "body": body}}}));
    sim.once(&[]).exits(0).says(&["LimitsUnknown", "1000 rules a group are assumed"]);
}

#[test]
fn security_groups_refusals_of_what_is_not_there() {
    for (id, said) in [
        (nsg_id("missing"), "ResourceNotFound"),
        (nsg().replace("rg-ml", "rg-missing"), "ResourceGroupNotFound"),
        (nsg().replace("0b1f6471", "11111111"), "SubscriptionNotFound"),
    ] {
        let sim = Sim::with_nsg(&[]);
        let missing = json!({"id": id, "priorityRange": {"from": 2000, "to": 2099}});
        sim.ask_nsgs(&[missing, asked("nsg-ml", json!({}))], json!({}));
        for ran in [sim.plan(&[]), sim.once(&[])] {
            let ran = ran.exits(3);
            assert!(ran.all().contains("blocked, NotFound") && ran.all().contains(said), "{}", ran.all());
        }
        assert_eq!(sim.our_rules("nsg-ml").len(), 12, "the other group is not kept waiting");
        assert!(sim.resource(&id).is_null() || sim.resource(&id)["id"].is_null(), "none is created");
    }
}

#[test]
fn security_groups_refusals_by_locks() {
    for (level, changes, code, rules, said) in [
        ("ReadOnly", json!({}), 3, 12, "blocked, Locked"),
        // Deletions are what this lock is about; what is new comes.
        ("CanNotDelete", json!({"exclude": ["Storage"]}), 3, 12, "blocked, Locked"),
    ] {
        let sim = Sim::with_nsg(&[of_others("theirs", 300, json!({}))]);
        sim.ask_nsg(json!({}));
        sim.once(&[]).exits(0);
        let lock = format!("{}/providers/Microsoft.Authorization/locks/keep", nsg());
        sim.put(json!({"id": lock, "properties": {"level": level}}));
        let more = json!([{"name": "more", "serviceTag": "Storage", "ports": [{"protocol": "TCP", "port": 444}]}]);
        let mut outbound = json!({"additional": more});
        crate::harness::merge(&mut outbound, &changes);
        sim.ask_nsg(json!({"spec": {"outbound": outbound}}));
        let ran = sim.once(&[]);
        assert_eq!(ran.code, code, "{level}: {}", ran.all());
        ran.says(&[said, "ScopeLocked", "remove the lock"]);
        let expected = if level == "CanNotDelete" { rules + 1 } else { rules };
        assert_eq!(sim.our_rules("nsg-ml").len(), expected, "{level}");
        sim.delete(&lock);
        sim.once(&[]).exits(0);
        let expected = if level == "CanNotDelete" { 12 } else { 13 };
        assert_eq!(sim.our_rules("nsg-ml").len(), expected, "{level}: and afterwards");
        assert_rules_clean(&sim.security_states(&nsg()));
    }
}

#[test]
fn security_groups_refusals_by_roles_and_policies() {
    let all = ["Microsoft.Network/networkSecurityGroups/read"];
    let roles = json!({"roles": [role(subscription(), &all)]});
    let sim = Sim::with_nsgs(vec![group("nsg-ml", &[])], roles);
    sim.ask_nsg(one_rule(json!({})));
    sim.plan(&[]).exits(2);
    let (ran, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]).exits(3));
    ran.says(&[
        "blocked, Forbidden: AuthorizationFailed",
        "networkSecurityGroups/securityRules/write",
        "grant amlnet's identity",
    ]);
    assert_eq!((cost.put, sim.security_states(&nsg()).len()), (1, 1));

    let policy = json!({"policies": [{"name": "no rules by programs", "scope": subscription(),
        "types": ["Microsoft.Network/networkSecurityGroups/securityRules"]}]});
    let sim = Sim::with_nsgs(vec![group("nsg-ml", &[])], policy);
    sim.ask_nsg(json!({}));
    let (ran, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]).exits(3));
    ran.says(&["blocked, Forbidden: RequestDisallowedByPolicy", "exempt the resource"]);
    assert_eq!((cost.put, sim.security_states(&nsg()).len()), (1, 1), "it is not tried twelve times");
}

#[test]
fn security_groups_refusals_while_it_is_updated_wait() {
    let sim = Sim::with_nsg(&[]);
    sim.ask_nsg(one_rule(json!({})));
    let mut updating = group("nsg-ml", &[]);
    updating["properties"]["provisioningState"] = json!("Updating");
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/networkSecurityGroups/nsg-ml"}, "times": 0,
        "effect": {"status": {"code": 200, "body": updating}}}));
    let running = sim.controller(&[]);
    running.wait_until("that it says so", || running.log().contains("another operation on the target is under way"));
    assert_eq!(NsgCounts::of(&sim.log(), "nsg-ml").put, 0);
    sim.clear_faults();
    running.wait_until("the rule", || sim.our_rules("nsg-ml").len() == 1);
}

#[test]
fn security_groups_refusals_of_a_failed_group_are_none() {
    let mut failed = group("nsg-ml", &[of_others("theirs", 300, json!({}))]);
    failed["properties"]["provisioningState"] = json!("Failed");
    let sim = Sim::with_nsgs(vec![failed], json!({}));
    sim.ask_nsg(one_rule(json!({})));
    sim.once(&[]).exits(0);
    assert_eq!(sim.our_rules("nsg-ml").len(), 1, "a write repairs it");
    sim.assert_nothing_to_do("afterwards");
}

#[test]
fn security_groups_refusals_of_an_answer_that_is_none() {
    for body in
        [json!({}), json!({"properties": {}}), json!({"location": "eastus2", "properties": {"securityRules": null}})]
    {
        let sim = Sim::with_nsg(&[]);
        sim.ask_nsg(one_rule(json!({})));
        sim.once(&[]).exits(0);
        sim.fault(json!({"match": {"method": "GET", "pathContains": "/networkSecurityGroups/nsg-ml"}, "times": 1,
            "effect": {"status": {"code": 200, "body": body}}}));
        let (ran, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]));
        assert_ne!(ran.code, 0, "{body}: {}", ran.all());
        ran.says(&["UnreadableAnswer", "nothing was changed"]);
        assert_eq!(cost.writes(), 0, "{body}");
        sim.once(&[]).exits(0);
    }
}

/// One rule that Azure does not take, as for a tag that the group's region does not know yet.
#[test]
fn security_groups_refusals_of_one_rule_keep_no_other_out() {
    let refuse = |sim: &Sim, name: &str| {
        let message = format!("Security rule {name} has invalid Address prefix. Value provided: AzureMonitor");
        let body = json!({"error": {"code": "SecurityRuleInvalidAddressPrefix", "message": message}});
        sim.fault(json!({"match": {"method": "PUT", "pathContains": name}, "times": 0,
            "effect": {"status": {"code": 400, "body": body}}}));
    };
    // The first one, one in the middle, and the last: the canary is none of the reasons to stop.
    for name in [
        "amlnet.prod.out.AzureActiveDirectory.tcp-vnet",
        "amlnet.prod.out.AzureMonitor.tcp-vnet",
        "amlnet.prod.out.TrainingAndDeployment.MicrosoftContainerRegistry.tcp-vnet",
    ] {
        let sim = Sim::with_nsg(&[]);
        refuse(&sim, &format!("/securityRules/{name}?"));
        sim.ask_nsg(json!({}));
        for _ in 0..2 {
            sim.once(&[]).exits(3).says(&["blocked, Refused: SecurityRuleInvalidAddressPrefix", name]);
            let ours = sim.our_rules("nsg-ml");
            assert_eq!((ours.len(), ours.contains_key(name)), (11, false), "{name}");
        }
        sim.clear_faults();
        sim.once(&[]).exits(0);
        assert_eq!(sim.our_rules("nsg-ml").len(), 12, "{name}");
        assert_rules_clean(&sim.security_states(&nsg()));
    }
}

/// Where one is refused nothing is taken away, and what is new in other rules comes all the same.
#[test]
fn security_groups_refusals_of_one_rule_take_nothing_away() {
    let tag =
        |name: &str, tag: &str| json!({"name": name, "serviceTag": tag, "ports": [{"protocol": "TCP", "port": 443}]});
    let with = |additional: Value| one_rule(json!({"spec": {"outbound": {"additional": additional}}}));
    let sim = Sim::with_nsg(&[]);
    sim.ask_nsg(with(json!([tag("old", "Storage"), by_prefixes()])));
    sim.once(&[]).exits(0);
    let body = json!({"error": {"code": "SecurityRuleInvalidAddressPrefix", "message": "no"}});
    sim.fault(json!({"match": {"method": "PUT", "pathContains": "additional.first.tcp"}, "times": 0,
        "effect": {"status": {"code": 400, "body": body}}}));
    sim.ask_nsg(with(json!([tag("first", "AzureMonitor"), by_prefixes(), tag("zz", "AzureMonitor")])));
    sim.publish_rules(&rules_week(3, 1..6));
    sim.once(&[]).exits(3).says(&["blocked, Refused"]);
    let ours = sim.our_rules("nsg-ml");
    let short: Vec<&str> = ours.keys().map(|name| name.trim_start_matches("amlnet.prod.out.additional.")).collect();
    assert_eq!(short, ["ml-region.eastus2.tcp-ip", "old.tcp", "zz.tcp"]);
    assert!(sim.far().is_superset(&(1..6).map(east).collect()), "{:?}", sim.far());
    sim.clear_faults();
    sim.once(&[]).exits(0);
    assert_eq!(sim.our_rules("nsg-ml").len(), 3);
    assert_rules_clean(&sim.security_states(&nsg()));
}
