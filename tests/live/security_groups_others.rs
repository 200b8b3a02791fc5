//! Rules of other people beside ours in a network security group: left as they are, gone round, and told of where they
//! come first; and people who change our rules.

use serde_json::{Value, json};

use crate::harness::Sim;
use crate::harness::security::{
    State, all_rows, asked, assert_rules_clean, by_prefixes, group, nsg, of_others, one_rule, rules_week,
};

const ML_RULE: &str = "amlnet.prod.out.additional.ml-region.eastus2.tcp-ip";

fn rule_id(name: &str) -> String {
    format!("{}/securityRules/{name}", nsg())
}

/// An application security group.
fn application() -> String {
    nsg().replace("networkSecurityGroups/nsg-ml", "applicationSecurityGroups/asg-1")
}

fn priorities(sim: &Sim) -> Vec<i64> {
    let mut all: Vec<i64> = sim.our_rules("nsg-ml").into_values().map(|rule| rule.priority).collect();
    all.sort_unstable();
    all
}

/// The rules of others as a GET shows them, without what changes with any write of the group.
fn foreign(sim: &Sim) -> Vec<Value> {
    let group = sim.resource(&nsg());
    let rules = group["properties"]["securityRules"].as_array().unwrap().clone();
    let theirs = rules.into_iter().filter(|rule| !rule["name"].as_str().unwrap().starts_with("amlnet.prod."));
    theirs.map(|rule| json!([rule["name"], rule["properties"]])).collect()
}

fn various() -> Vec<Value> {
    let asg = application();
    vec![
        of_others("ssh", 100, json!({"direction": "Inbound", "description": "of the network team"})),
        of_others("amlnet.other.out.Storage", 2000, json!({"protocol": "*"})),
        of_others("amlnet.produce", 2002, json!({"access": "Deny", "protocol": "Icmp", "destinationPortRange": "*"})),
        of_others(
            "of-applications",
            2004,
            json!({"sourceAddressPrefix": null, "destinationAddressPrefix": null,
            "sourceApplicationSecurityGroups": [{"id": asg}], "destinationApplicationSecurityGroups": [{"id": asg}]}),
        ),
        of_others(
            "many",
            2006,
            json!({"sourceAddressPrefix": null, "sourceAddressPrefixes": ["10.3.0.0/24", "10.4.0.0/24"],
            "destinationPortRange": null, "destinationPortRanges": ["80", "8000-8100"]}),
        ),
    ]
}

#[test]
fn security_groups_others_keep_their_rules_whatever_happens_to_ours() {
    let sim = Sim::with_nsg(&various());
    let before = foreign(&sim);
    sim.ask_nsg(json!({"spec": {"outbound": {"additional": [by_prefixes()]}}}));
    sim.once(&[]).exits(0);
    let taken = [2000, 2002, 2004, 2006];
    assert!(priorities(&sim).iter().all(|priority| !taken.contains(priority)), "{:?}", priorities(&sim));
    assert_eq!((priorities(&sim).len(), foreign(&sim)), (13, before.clone()));
    sim.publish_rules(&rules_week(3, 2..9));
    sim.once(&[]).exits(0);
    sim.ask_nsgs(&[asked("nsg-ml", json!({"priorityRange": {"from": 2001, "to": 2050}}))], one_rule(json!({})));
    sim.once(&[]).exits(0);
    std::fs::remove_file(sim.path("dir/ml.yaml")).unwrap();
    sim.once(&[]).exits(0);
    assert_eq!(foreign(&sim), before);
    assert_rules_clean(&sim.security_states(&nsg()));
}

#[test]
fn security_groups_others_who_fill_the_range_block_with_a_sentence() {
    let theirs: Vec<Value> = (0..3).map(|n| of_others(&format!("theirs-{n}"), 2000 + n, json!({}))).collect();
    let sim = Sim::with_nsg(&theirs);
    let three = json!([by_prefixes(),
        {"name": "a", "serviceTag": "Storage", "ports": [{"protocol": "TCP", "port": 443}]},
        {"name": "b", "serviceTag": "Storage", "ports": [{"protocol": "UDP", "port": 443}]}]);
    let spec = one_rule(json!({"spec": {"outbound": {"additional": three}}}));
    let range = |from: u16, to: u16| [asked("nsg-ml", json!({"priorityRange": {"from": from, "to": to}}))];
    sim.ask_nsgs(&range(2000, 2004), spec.clone());
    for ran in [sim.plan(&[]), sim.once(&[])] {
        ran.exits(3).says(&[
            "blocked, Capacity",
            "3 -> 3 of at most 1000 rules",
            "3 outbound rules do not fit into the priorities 2000 to 2004",
            "3 of which rules of others have (theirs-0, theirs-1, theirs-2)",
            "Write a wider priorityRange",
        ]);
    }
    assert_eq!(sim.security_states(&nsg()).len(), 1, "nothing is half written");
    sim.ask_nsgs(&range(2000, 2005), spec.clone());
    sim.once(&[]).exits(0);
    assert_eq!(priorities(&sim), [2003, 2004, 2005]);
    // A rule that takes the place of another needs one of its own first.
    let mut other = spec;
    other["spec"]["outbound"]["additional"][1]["name"] = json!("c");
    sim.ask_nsgs(&range(2000, 2005), other.clone());
    sim.once(&[]).exits(3).says(&["3 outbound rules do not fit", "beside 1 that go when these are there"]);
    assert_eq!(priorities(&sim), [2003, 2004, 2005]);
    sim.ask_nsgs(&range(2000, 2006), other);
    sim.once(&[]).exits(0);
    assert_eq!(priorities(&sim).len(), 3);
    assert_rules_clean(&sim.security_states(&nsg()));
}

#[test]
fn security_groups_others_who_take_a_priority_meanwhile_are_gone_round() {
    let sim = Sim::with_nsg(&[]);
    sim.ask_nsg(json!({"spec": {"outbound": {"exclude": all_rows().as_array().unwrap()[3..].to_vec()}}}));
    // While the first write is on its way, the priority of the second is taken.
    sim.fault(
        json!({"match": {"method": "PUT", "pathContains": "/securityRules/"}, "effect": {"hold": {"key": "first"}}}),
    );
    let running = sim.controller(&["--once"]);
    running.wait_until("the first write", || sim.log().iter().any(|entry| entry.method == "PUT"));
    let mut theirs = of_others("theirs", 2001, json!({}));
    theirs["id"] = json!(rule_id("theirs"));
    sim.put(theirs);
    sim.release("first");
    running.wait_until("the others", || sim.our_rules("nsg-ml").len() > 3);
    drop(running);
    sim.once(&[]).exits(0);
    let all = priorities(&sim);
    assert!(!all.contains(&2001) && all[0] == 2000, "{all:?}");
    sim.assert_nothing_to_do("afterwards");
    assert_rules_clean(&sim.security_states(&nsg()));
}

#[test]
fn security_groups_others_who_deny_first_are_named() {
    let deny = |priority: u16, change: Value| {
        let mut properties = json!({"access": "Deny", "sourceAddressPrefix": "*", "protocol": "*",
            "destinationAddressPrefix": "Internet", "destinationPortRange": "*"});
        crate::harness::merge(&mut properties, &change);
        of_others("deny-all", priority, properties)
    };
    for (what, rule, said) in [
        ("first", deny(1000, json!({})), true),
        ("last", deny(4000, json!({})), false),
        ("another direction", deny(1000, json!({"direction": "Inbound"})), false),
        ("another port", deny(1000, json!({"protocol": "Tcp", "destinationPortRange": "22"})), false),
        ("a prefix of ours", deny(1000, json!({"destinationAddressPrefix": "20.1.0.64/26"})), true),
        ("elsewhere", deny(1000, json!({"destinationAddressPrefix": "20.3.0.0/16"})), false),
        ("another source", deny(1000, json!({"sourceAddressPrefix": "10.9.0.0/16"})), false),
    ] {
        let sim = Sim::with_nsg(&[rule]);
        sim.ask_nsg(one_rule(json!({})));
        for ran in [sim.plan(&[]).exits(2), sim.once(&[]).exits(0), sim.once(&[]).exits(0)] {
            let is_said =
                ran.all().contains("Shadowed") && ran.all().contains("\"deny-all\" with priority 1000 denies");
            assert_eq!(is_said, said, "{what}: {}", ran.all());
        }
        let warnings = sim.status("ml")["targets"][0]["warnings"].to_string();
        assert_eq!(warnings.contains("deny-all"), said, "{what}: {warnings}");
        assert_eq!(sim.our_rules("nsg-ml").len(), 1, "{what}: it is only a warning");
    }
}

/// What a person does to a rule of ours, and whether it is written again or anew.
#[test]
fn security_groups_others_who_change_our_rules_are_put_right() {
    let full = |change: Value| {
        let mut properties = json!({"priority": 2000, "direction": "Outbound", "access": "Allow", "protocol": "Tcp",
            "sourceAddressPrefix": "10.1.0.0/24", "sourcePortRange": "*", "destinationPortRange": "443",
            "destinationAddressPrefixes": ["20.1.0.0/26", "20.1.0.64/26", "20.1.0.128/26", "20.1.0.192/26"]});
        crate::harness::merge(&mut properties, &change);
        json!({"id": rule_id(ML_RULE), "name": ML_RULE, "properties": properties})
    };
    let asg = application();
    for (what, change) in [
        ("denied", json!({"access": "Deny"})),
        ("another port", json!({"destinationPortRange": "22"})),
        ("all ports", json!({"destinationPortRange": "*"})),
        ("one port more", json!({"destinationPortRange": null, "destinationPortRanges": ["443", "444"]})),
        ("a range of ports", json!({"destinationPortRange": "443-450"})),
        ("from one port", json!({"sourcePortRange": "1024-65535"})),
        ("another protocol", json!({"protocol": "Udp"})),
        ("all protocols", json!({"protocol": "*"})),
        ("outside the range", json!({"priority": 300})),
        ("another direction", json!({"direction": "Inbound"})),
        ("everywhere", json!({"destinationAddressPrefixes": null, "destinationAddressPrefix": "*"})),
        ("from everywhere", json!({"sourceAddressPrefix": "*"})),
        ("a prefix more", json!({"destinationAddressPrefixes": ["20.1.0.0/24", "20.9.0.0/24"]})),
        ("a prefix less", json!({"destinationAddressPrefixes": ["20.1.0.0/26", "20.1.0.64/26"]})),
        ("of an application", json!({"sourceAddressPrefix": null, "sourceApplicationSecurityGroups": [{"id": asg}]})),
    ] {
        let sim = Sim::with_nsg(&[]);
        sim.ask_nsg(one_rule(json!({})));
        sim.once(&[]).exits(0);
        let before = sim.shown_rules();
        sim.put(full(change));
        let (ran, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]));
        assert_eq!(ran.code, 0, "{what}: {}", ran.all());
        assert_eq!(sim.shown_rules(), before, "{what}: {}", ran.all());
        assert_eq!(cost.writes(), 1, "{what}");
        sim.assert_nothing_to_do(what);
    }
}

#[test]
fn security_groups_others_who_delete_our_rules_get_them_back_as_they_were() {
    let sim = Sim::with_nsg(&[]);
    sim.ask_nsg(json!({}));
    sim.once(&[]).exits(0);
    let before = sim.shown_rules();
    for name in ["amlnet.prod.out.AzureMonitor.tcp-vnet", "amlnet.prod.out.AzureActiveDirectory.tcp-vnet"] {
        sim.delete(&rule_id(name));
    }
    let (_, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]).exits(0));
    assert_eq!((cost.put, cost.writes(), sim.shown_rules()), (2, 2, before.clone()));
    // All of them, with the group: there is nothing to write to.
    sim.delete(&nsg());
    sim.once(&[]).exits(3).says(&["blocked, NotFound"]);
    sim.put(group("nsg-ml", &[]));
    sim.once(&[]).exits(0);
    assert_eq!(sim.shown_rules(), before);
}

#[test]
fn security_groups_others_who_rename_a_rule_of_ours_have_one_that_nobody_wants() {
    let sim = Sim::with_nsg(&[]);
    sim.ask_nsg(one_rule(json!({})));
    sim.once(&[]).exits(0);
    let mut mine = of_others("amlnet.prod.mine", 2050, json!({}));
    mine["id"] = json!(rule_id("amlnet.prod.mine"));
    sim.put(mine);
    let mut odd = of_others("AMLNET.PROD.odd.7", 2051, json!({"protocol": "Icmp", "destinationPortRange": "*"}));
    odd["id"] = json!(rule_id("AMLNET.PROD.odd.7"));
    sim.put(odd);
    let ran = sim.once(&[]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let states: Vec<State> = sim.security_states(&nsg());
    let names: Vec<&String> = states.last().unwrap().entries.iter().map(|rule| &rule.name).collect();
    assert_eq!(names, [ML_RULE], "what bears our name is ours");
    sim.assert_nothing_to_do("afterwards");
}
