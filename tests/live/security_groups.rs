//! Network security groups: what stands in them, under which names and priorities, and what a week costs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::{Value, json};

use crate::harness::security::{
    NsgCounts, all_rows, asked, assert_rules_clean, assert_rules_kept, by_prefixes, far, nsg, of_others, one_rule,
    rules_week, with_features,
};
use crate::harness::{Sim, central, east};

const ML_RULE: &str = "amlnet.prod.out.additional.ml-region.eastus2.tcp-ip";

fn of_ml(range: Range<usize>) -> BTreeSet<String> {
    range.map(east).collect()
}

/// One rule of prefixes, and two that stand before and after it in the order of names.
fn with_neighbours() -> Value {
    let tag =
        |name: &str, tag: &str| json!({"name": name, "serviceTag": tag, "ports": [{"protocol": "TCP", "port": 443}]});
    let additional = json!([tag("a", "Storage"), by_prefixes(), tag("z", "AzureMonitor")]);
    one_rule(json!({"spec": {"outbound": {"additional": additional}}}))
}

fn both_ways() -> [Value; 1] {
    [asked("nsg-ml", json!({"directions": ["Outbound", "Inbound"]}))]
}

fn shown(rules: &[(&str, i64, &str)]) -> BTreeMap<String, (i64, String)> {
    rules
        .iter()
        .map(|(name, priority, rule)| (format!("amlnet.prod.{name}"), (*priority, (*rule).to_owned())))
        .collect()
}

/// One inbound rule, and outbound ones of the whole network with one priority after the other.
fn by_tag(inbound: &str, outbound: &[(&str, &str)]) -> BTreeMap<String, (i64, String)> {
    let (name, rest) = inbound.split_once(' ').unwrap();
    let (priority, rule) = rest.split_once(' ').unwrap();
    let mut all = shown(&[(name, priority.parse().unwrap(), rule)]);
    for (priority, (name, to)) in (2000..).zip(outbound) {
        let protocol = if name.ends_with("udp") { "Udp" } else { "Tcp" };
        let rule = format!("Outbound Allow {protocol} VirtualNetwork -> {to}");
        all.extend(shown(&[(&format!("out.{name}-vnet"), priority, &rule)]));
    }
    all
}

#[test]
fn security_groups_get_the_documentation_by_tag_in_both_directions() {
    let sim = Sim::with_nsg(&[of_others("theirs", 300, json!({}))]);
    sim.ask_nsgs(&both_ways(), json!({}));
    let plan = sim.plan(&["-o", "json"]).exits(2).json();
    let target = &plan["targets"][0];
    let counts = ["entriesNow", "entriesAfter", "limit"].map(|field| target[field].clone());
    assert_eq!((&target["kind"], counts), (&json!("SecurityGroup"), [json!(1), json!(14), json!(1000)]));
    assert_eq!(sim.security_states(&nsg()).len(), 1, "a plan writes nothing");

    let (_, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]).exits(0));
    // Read for the plan, after the first write, and at the end.
    assert_eq!(cost, NsgCounts { group: 3, put: 13, ..NsgCounts::default() });
    assert_eq!(
        sim.shown_rules(),
        by_tag(
            "in.AzureMachineLearning.Inbound.tcp 2000 Inbound Allow Tcp AzureMachineLearning -> VirtualNetwork:44224",
            &[
                ("AzureActiveDirectory.tcp", "AzureActiveDirectory:80,443"),
                ("AzureFrontDoor.FirstParty.tcp", "AzureFrontDoor.FirstParty:443"),
                ("AzureFrontDoor.FrontEnd.tcp", "AzureFrontDoor.Frontend:443"),
                ("AzureMachineLearning.tcp", "AzureMachineLearning:443,8787,18881"),
                ("AzureMachineLearning.udp", "AzureMachineLearning:5831"),
                ("AzureMonitor.tcp", "AzureMonitor:443"),
                ("AzureResourceManager.tcp", "AzureResourceManager:443"),
                ("BatchNodeManagement.eastus2.tcp", "BatchNodeManagement.EastUS2:443"),
                ("MicrosoftContainerRegistry.tcp", "MicrosoftContainerRegistry:443"),
                ("Storage.eastus2.tcp", "Storage.EastUS2:443"),
                ("TrainingAndDeployment.AzureFrontDoor.FirstParty.tcp", "AzureFrontDoor.FirstParty:443"),
                ("TrainingAndDeployment.MicrosoftContainerRegistry.tcp", "MicrosoftContainerRegistry:443"),
            ]
        )
    );
    let group = sim.resource(&nsg());
    assert_eq!(group["tags"], json!({"owner": "network team"}));
    let rules = group["properties"]["securityRules"].as_array().unwrap();
    let one = rules.iter().find(|rule| rule["name"] == "amlnet.prod.out.Storage.eastus2.tcp-vnet").unwrap();
    let description = one["properties"]["description"].as_str().unwrap();
    assert!(description.contains("prod") && description.contains("Storage"), "{description}");
    sim.assert_nothing_to_do("the second run");
    let (ran, cost) = sim.nsg_cost("nsg-ml", || sim.plan(&["--state", "state"]).exits(0));
    ran.says(&["nothing to do"]);
    assert_eq!(cost, NsgCounts { group: 1, ..NsgCounts::default() });
    assert_rules_clean(&sim.security_states(&nsg()));
}

#[test]
fn security_groups_have_sources_of_their_own_family_beside_tags() {
    let sim = Sim::with_nsg(&[]);
    let sources = json!(["10.1.0.0/24", "10.2.0.0/24", "fd00:1::/64"]);
    let v6 = "2603:1030:40c:1::2c0/122";
    sim.publish_rules(&rules_week(3, 0..0).lists((0..2).map(east).chain([v6.to_owned()]).collect(), vec![central(0)]));
    let outbound = json!({"additional": [by_prefixes()], "sourceAddresses": sources,
        "exclude": all_rows().as_array().unwrap()[1..].to_vec()});
    let spec = json!({"spec": {"ipFamilies": ["IPv4", "IPv6"], "outbound": outbound}});
    sim.ask_nsg(spec);
    sim.once(&[]).exits(0);
    let near = "10.1.0.0/24,10.2.0.0/24";
    let (directory, ml) = ("AzureActiveDirectory:80,443", format!("{},{}:443", east(0), east(1)));
    assert_eq!(
        sim.shown_rules(),
        shown(&[
            ("out.AzureActiveDirectory.tcp", 2002, &format!("Outbound Allow Tcp {near} -> {directory}")),
            ("out.AzureActiveDirectory.tcp6", 2003, &format!("Outbound Allow Tcp fd00:1::/64 -> {directory}")),
            ("out.additional.ml-region.eastus2.tcp-ip", 2000, &format!("Outbound Allow Tcp {near} -> {ml}")),
            ("out.additional.ml-region.eastus2.tcp-ip6", 2001, &format!("Outbound Allow Tcp fd00:1::/64 -> {v6}:443")),
        ])
    );
    sim.assert_nothing_to_do("an IPv6 prefix is recognised when it is read again");
    // Opting out takes the rules of that family away, and leaves the others where they are.
    let mut v4 = json!({"spec": {"outbound": outbound}});
    v4["spec"]["outbound"]["sourceAddresses"] = json!(["10.1.0.0/24", "10.2.0.0/24"]);
    sim.ask_nsg(v4);
    let (_, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]).exits(0));
    assert_eq!((cost.put, cost.delete), (0, 2));
    let left: Vec<i64> = sim.shown_rules().into_values().map(|(priority, _)| priority).collect();
    assert_eq!(left, [2002, 2000]);
    assert_rules_clean(&sim.security_states(&nsg()));
}

#[test]
fn security_groups_without_a_tag_that_they_know_get_prefixes() {
    let sim = Sim::with_nsg(&[]);
    sim.ask_nsg(one_rule(json!({})));
    sim.once(&[]).exits(0);
    let rule = &sim.our_rules("nsg-ml")[ML_RULE];
    assert_eq!(
        (far(rule), &rule.source_addresses),
        (&(0..4).map(east).collect::<Vec<_>>()[..], &vec!["10.1.0.0/24".to_owned()])
    );
    // Without sources it is a rule of the whole network, with a name of its own.
    sim.ask_nsg(one_rule(json!({"spec": {"outbound": {"sourceAddresses": null}}})));
    sim.once(&[]).exits(0);
    let names: Vec<String> = sim.our_rules("nsg-ml").into_keys().collect();
    assert_eq!(names, [format!("{ML_RULE}-vnet")]);
    assert_eq!(sim.our_rules("nsg-ml").into_values().next().unwrap().source_addresses, ["VirtualNetwork"]);
}

#[test]
fn security_groups_change_one_rule_for_a_changed_prefix_and_priorities_stay() {
    let sim = Sim::with_nsg(&[of_others("theirs", 2001, json!({}))]);
    sim.ask_nsg(with_neighbours());
    sim.once(&[]).exits(0);
    let places = |sim: &Sim| -> Vec<(String, i64)> {
        sim.our_rules("nsg-ml").into_iter().map(|(name, rule)| (name, rule.priority)).collect()
    };
    let at_first = places(&sim);
    assert_eq!(at_first.iter().map(|(_, priority)| *priority).collect::<Vec<_>>(), [2000, 2002, 2003]);
    for (week, in_ml, puts) in
        [(3, 0..5, 1), (4, 0..5, 0), (5, 2..7, 1), (6, 2..3, 1), (7, 2..30, 1), (8, 0..30, 1), (9, 0..30, 0)]
    {
        sim.publish_rules(&rules_week(week, in_ml.clone()));
        let (_, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]).exits(0));
        assert_eq!((cost.put, cost.delete, cost.other), (puts, 0, 0), "week {week}");
        if puts == 0 {
            assert_eq!((cost.group, cost.rule), (1, 0), "week {week}: no-op");
        }
        assert_eq!(
            far(&sim.our_rules("nsg-ml")[ML_RULE]).iter().cloned().collect::<BTreeSet<_>>(),
            of_ml(in_ml),
            "week {week}"
        );
        assert_eq!(places(&sim), at_first, "week {week}");
    }
    let always = format!("Outbound Tcp 10.1.0.0/24 -> {}:443", east(2));
    assert_rules_kept(&sim.security_states(&nsg()), &BTreeSet::from([always]));
}

#[test]
fn security_groups_spread_many_prefixes_over_rules_that_keep_what_they_hold() {
    let sim = Sim::with_nsg(&[]);
    sim.ask_nsg(with_neighbours());
    sim.publish_rules(&rules_week(3, 0..250));
    sim.once(&[]).exits(0);
    let chunks = |sim: &Sim| -> BTreeMap<String, (i64, BTreeSet<String>)> {
        let ours = sim.our_rules("nsg-ml").into_iter().filter(|(name, _)| name.starts_with(ML_RULE));
        ours.map(|(name, rule)| {
            (name[ML_RULE.len()..].to_owned(), (rule.priority, far(&rule).iter().cloned().collect()))
        })
        .collect()
    };
    let sizes = |sim: &Sim| -> Vec<(String, usize)> {
        chunks(sim).into_iter().map(|(name, (_, far))| (name, far.len())).collect()
    };
    assert_eq!(sizes(&sim), [(String::new(), 100), (".2".to_owned(), 100), (".3".to_owned(), 50)]);
    sim.assert_nothing_to_do("chunks are recognised");
    let before = chunks(&sim);
    let held: Vec<String> = before[".2"].1.iter().cloned().collect();
    // One goes from the middle, and two come: one fills its place, the other goes where there is room.
    let without = |sim: &Sim, week: u64, gone: &[String], more: Range<usize>| {
        let list = (0..250).chain(more).map(east).filter(|prefix| !gone.contains(prefix)).collect();
        sim.publish_rules(&rules_week(week, 0..0).lists(list, vec![central(0)]));
    };
    without(&sim, 4, &held[..1], 250..250);
    let (_, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]).exits(0));
    assert_eq!((cost.put, cost.delete), (1, 0));
    assert_eq!(sizes(&sim)[1].1, 99);
    without(&sim, 5, &held[..1], 250..252);
    let (_, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]).exits(0));
    assert_eq!((cost.put, cost.delete), (2, 0));
    assert_eq!(sizes(&sim).into_iter().map(|(_, size)| size).collect::<Vec<_>>(), [100, 100, 51]);
    // All of the middle one go, in two weeks: its rule goes, and the others keep their names, priorities and prefixes.
    let middle: Vec<String> = chunks(&sim)[".2"].1.iter().cloned().collect();
    let rest = chunks(&sim);
    for (week, gone, cost_of) in [(6, 50, (1, 0)), (7, middle.len(), (0, 1))] {
        without(&sim, week, &[&middle[..gone], &held[..1]].concat(), 250..252);
        let (_, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]).exits(0));
        assert_eq!((cost.put, cost.delete), cost_of, "week {week}");
    }
    let left = chunks(&sim);
    assert_eq!(left.keys().map(String::as_str).collect::<Vec<_>>(), ["", ".3"]);
    assert!(left.iter().all(|(name, chunk)| rest[name] == *chunk), "{left:?}");
    sim.assert_nothing_to_do("a number may be missing");
    // What comes back fills what has room first, and takes the free number.
    without(&sim, 8, &held[..1], 250..252);
    sim.once(&[]).exits(0);
    let sum: usize = sizes(&sim).into_iter().map(|(_, size)| size).sum();
    assert_eq!((sizes(&sim).len(), sum), (3, 251));
    let kept = rest.iter().filter(|(name, _)| *name != ".2").flat_map(|(_, (_, far))| far);
    let kept = kept.map(|prefix| format!("Outbound Tcp 10.1.0.0/24 -> {prefix}:443")).collect();
    assert_rules_kept(&sim.security_states(&nsg()), &kept);
}

#[test]
fn security_groups_leave_out_what_is_excluded() {
    let sim = Sim::with_nsg(&[]);
    sim.ask_nsg(json!({}));
    sim.once(&[]).exits(0);
    let before = sim.shown_rules();
    sim.ask_nsg(json!({"spec": {"outbound": {"exclude": ["Storage", "AzureMonitor"]}}}));
    let (_, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]).exits(0));
    assert_eq!((cost.put, cost.delete), (0, 2));
    let kept: BTreeMap<_, _> = before
        .into_iter()
        .filter(|(name, _)| !name.contains(".Storage.") && !name.contains(".AzureMonitor."))
        .collect();
    assert_eq!(sim.shown_rules(), kept);
    sim.ask_nsg(json!({"spec": {"outbound": {"exclude": all_rows()}}}));
    sim.once(&[])
        .exits(3)
        .says(&["nothing of it can be written into a security group", "choose profiles with service tags"]);
    assert_eq!(sim.shown_rules(), kept, "nothing asked for is not \"remove everything\"");
}

#[test]
fn security_groups_rules_that_come_and_go_in_one_run_never_share_a_priority() {
    let sim = Sim::with_nsg(&[]);
    sim.ask_nsg(with_neighbours());
    sim.once(&[]).exits(0);
    let mut other = with_neighbours();
    for (index, name) in ["b", "ml-second", "y"].iter().enumerate() {
        other["spec"]["outbound"]["additional"][index]["name"] = json!(name);
    }
    sim.ask_nsg(other);
    let (ran, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]));
    assert_eq!((cost.put, cost.delete, sim.our_rules("nsg-ml").len()), (3, 3, 3), "{}", ran.all());
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_rules_clean(&sim.security_states(&nsg()));
    sim.assert_nothing_to_do("afterwards");
}

#[test]
fn security_groups_rules_move_to_another_range_without_a_gap() {
    for (from, to) in [(3000, 3002), (2001, 2099), (100, 2000), (1000, 4096)] {
        let sim = Sim::with_nsg(&[]);
        sim.ask_nsg(with_neighbours());
        sim.once(&[]).exits(0);
        let before = sim.shown_rules();
        sim.ask_nsgs(&[asked("nsg-ml", json!({"priorityRange": {"from": from, "to": to}}))], with_neighbours());
        let outside = before.values().filter(|(priority, _)| !(from..=to).contains(priority)).count();
        let (_, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]).exits(0));
        assert_eq!((cost.put, cost.delete), (outside, 0), "{from}-{to}");
        let after = sim.shown_rules();
        assert!(after.values().all(|(priority, _)| (from..=to).contains(priority)), "{from}-{to}: {after:?}");
        let rules = |all: &BTreeMap<String, (i64, String)>| {
            all.iter().map(|(name, (_, rule))| (name.clone(), rule.clone())).collect::<Vec<_>>()
        };
        assert_eq!(rules(&before), rules(&after), "{from}-{to}");
        assert_rules_clean(&sim.security_states(&nsg()));
        sim.assert_nothing_to_do("afterwards");
    }
}

#[test]
fn security_groups_take_another_document_apart_into_the_same_rules() {
    // What was a tag's own becomes prefixes when the tag can be named no more, and the other way round.
    let sim = Sim::with_nsg(&[]);
    sim.ask_nsg(one_rule(json!({})));
    sim.once(&[]).exits(0);
    let doc = rules_week(3, 0..4);
    sim.publish_bytes(&doc.date, &with_features(&doc, &[]));
    sim.once(&[]).exits(0);
    assert_eq!(sim.far(), BTreeSet::from(["AzureMachineLearning.EastUS2".to_owned()]));
    sim.publish_rules(&rules_week(4, 0..4));
    sim.once(&[]).exits(0);
    assert_eq!(sim.far(), of_ml(0..4));
    // There was never a moment with neither.
    for state in sim.security_states(&nsg()).into_iter().skip(1) {
        let there = state.entries.iter().any(|rule| rule.provisioning_state != "Deleting");
        assert!(there, "{state:?}");
    }
}

/// A prefix becomes two, and two become one, among more prefixes than one rule holds.
#[test]
fn security_groups_split_and_merge_prefixes_without_a_gap() {
    let sim = Sim::with_nsg(&[]);
    sim.ask_nsg(one_rule(json!({})));
    let week = |week: u64, special: &[&str], more: Range<usize>| {
        let list = (1..100).chain(more).map(east).chain(special.iter().map(|prefix| (*prefix).to_owned())).collect();
        sim.publish_rules(&rules_week(week, 0..0).lists(list, vec![central(0)]));
        sim.once(&[]).exits(0);
    };
    // The first of a hundred: there is no room beside it for another.
    let (whole, halves) = ("20.1.0.0/26", ["20.1.0.0/27", "20.1.0.32/27"]);
    week(3, &[whole], 100..150);
    week(4, &halves, 100..150);
    week(5, &[whole], 100..155);
    // Both halves and what they are halves of lie in one rule of the group: at no moment was an address without.
    let holds = |addresses: &[String], half: &str| addresses.iter().any(|one| one == whole || one == half);
    for (index, state) in sim
        .security_states(&nsg())
        .iter()
        .enumerate()
        .skip(1)
        .skip_while(|(_, state)| !state.entries.iter().any(|rule| far(rule).contains(&whole.to_owned())))
    {
        for half in halves {
            assert!(state.entries.iter().any(|rule| holds(far(rule), half)), "state {index}: {half} is missing");
        }
    }
    sim.assert_nothing_to_do("at the end");
}

/// Where not even the global tag can be named, the documentation's prefixes are those of both regions.
#[test]
fn security_groups_let_the_service_in_by_the_prefixes_of_both_regions() {
    let sim = Sim::with_nsg(&[]);
    let publish = |week: u64, in_ml: Range<usize>| {
        let doc = rules_week(week, in_ml);
        let mut value: Value = serde_json::from_slice(&with_features(&doc, &["AzureMachineLearning"])).unwrap();
        let mut tags = value["values"].as_array_mut().unwrap().iter_mut();
        tags.find(|tag| tag["name"] == "AzureMachineLearning").unwrap()["properties"]["networkFeatures"] = Value::Null;
        sim.publish_bytes(&doc.date, value.to_string().as_bytes());
    };
    publish(3, 0..4);
    sim.ask_nsgs(&[asked("nsg-ml", json!({"directions": ["Inbound"]}))], json!({}));
    sim.once(&[]).exits(0);
    let rule = |prefixes: Vec<String>| format!("Inbound Allow Tcp {} -> VirtualNetwork:44224", prefixes.join(","));
    let name = |region: &str| format!("in.AzureMachineLearning.Inbound.{region}.tcp-ip");
    let (central_name, east_name) = (name("centralus"), name("eastus2"));
    let in_central = rule((0..3).map(central).collect());
    let both = |in_east: Range<usize>| {
        shown(&[(&central_name, 2000, &in_central), (&east_name, 2001, &rule(in_east.map(east).collect()))])
    };
    assert_eq!(sim.shown_rules(), both(0..4));
    publish(4, 1..6);
    let (_, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]).exits(0));
    assert_eq!((cost.writes(), sim.shown_rules()), (1, both(1..6)));
    sim.assert_nothing_to_do("afterwards");
    assert_rules_clean(&sim.security_states(&nsg()));
}
