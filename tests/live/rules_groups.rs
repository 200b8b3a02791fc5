//! Rules that go through IP groups which amlnet also keeps: the group holds something before a rule names it.

use std::collections::BTreeSet;

use armsim::model::log::LogEntry;
use armsim::model::rule_collection_group::RuleEntry;
use serde_json::{Value, json};

use crate::harness::Sim;
use crate::harness::groups::{asked, batch, group, group_id, marked};
use crate::harness::rules::{Cost, NO_OP, asked_policy, rules_week, texts, usual_policy};

const RULE: &str = "amlnet.prod.BatchNodeManagement.eastus2.tcp-group";

fn world(resources: Vec<Value>) -> Sim {
    Sim::with_policies([resources, usual_policy("p")].concat(), json!({}))
}

fn ask(sim: &Sim, groups: &[Value], change: Value) {
    let mut all = json!({"spec": {"outbound": {"ipGroups": groups}}});
    crate::harness::merge(&mut all, &change);
    sim.ask_policies(&[asked_policy("p", json!({"addressing": "IpGroups"}))], all);
}

fn named(sim: &Sim) -> BTreeSet<String> {
    let rules = sim.rules("p");
    let rule = rules.get(RULE).unwrap_or_else(|| panic!("there is no {RULE} among {:?}", rules.keys()));
    assert_eq!(rule["destinationAddresses"], json!([]), "{rule}");
    texts(&rule["destinationIpGroups"]).into_iter().map(|id| id.to_ascii_lowercase()).collect()
}

fn only(name: &str) -> BTreeSet<String> {
    BTreeSet::from([group_id(name).to_ascii_lowercase()])
}

/// When the group held all its addresses, and when the rule named it; the rules that name no group may be there before.
fn filled_and_named(sim: &Sim, group: &str) -> (String, String) {
    let filled = sim.group_states(group).into_iter().find(|state| state.entries.len() == 4).expect("the addresses");
    let is_named_by = |rule: &RuleEntry| rule.destinations.iter().any(|to| to.eq_ignore_ascii_case(&group_id(group)));
    let named = sim.rule_states("p").into_iter().find(|state| state.entries.iter().any(is_named_by)).expect("the rule");
    (filled.at, named.at)
}

#[test]
fn one_apply_writes_the_group_and_then_the_rule_that_names_it() {
    for command in ["apply", "once"] {
        let sim = world(vec![]);
        ask(&sim, &[asked("batch", "BatchNodeManagement")], json!({}));
        let ran = if command == "apply" { sim.apply(&[]) } else { sim.once(&[]) };
        ran.exits(0);
        assert_eq!((sim.members("batch").len(), named(&sim)), (4, only("batch")), "{command}");
        let (filled, named) = filled_and_named(&sim, "batch");
        assert!(filled <= named, "{command}: the group was filled at {filled}, and named at {named}");
        // The other rows have no group, and are written as they would be without.
        assert!(sim.rules("p").contains_key("amlnet.prod.AzureMonitor.tcp"), "{command}");
        let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
        assert_eq!(cost, Cost { other_gets: 1, ..NO_OP }, "{command}: one look at the group, too");
    }
}

#[test]
fn a_running_controller_does_the_same() {
    let sim = world(vec![]);
    ask(&sim, &[asked("batch", "BatchNodeManagement")], json!({}));
    let running = sim.controller(&[]);
    // The rules that name no group may be there first.
    running.wait_until("the rules", || {
        sim.our_group("p")["properties"]["provisioningState"] == "Succeeded" && sim.rules("p").contains_key(RULE)
    });
    assert_eq!((sim.members("batch").len(), named(&sim)), (4, only("batch")));
    // A document that changes the group alone leaves the rules as they are.
    let before = sim.our_group("p");
    sim.publish(&rules_week(2, 0..7, 0..3).tag(
        "Storage.EastUS2",
        "eastus2",
        (0..3).map(crate::harness::groups::storage),
    ));
    sim.ask_feed();
    running.wait_until("the new addresses", || sim.members("batch").len() == 7);
    let (code, ..) = running.terminate();
    assert_eq!((code, sim.our_group("p")), (0, before));
}

#[test]
fn a_group_that_is_missing_or_somebody_elses_keeps_its_rule_waiting_and_says_so() {
    let foreign = group("batch", &["10.0.0.0/24"], json!({}));
    let without_create = json!({"id": group_id("batch"), "requirement": "BatchNodeManagement"});
    for (there, asked, said) in [
        (vec![], without_create, "does not exist yet"),
        (vec![foreign], asked("batch", "BatchNodeManagement"), "is not amlnet's"),
    ] {
        let sim = world(there);
        ask(&sim, &[asked], json!({}));
        let running = sim.controller(&[]);
        let said = format!("the IP group batch {said}, and rule {RULE} is to name it");
        running.wait_until("that it says so", || running.log().contains(&said));
        running.terminate();
        assert!(!sim.rules("p").contains_key(RULE), "{said}");
        assert!(sim.policy_status("ml", "p")["message"].as_str().unwrap().contains(&said), "{}", sim.status("ml"));
    }
}

#[test]
fn an_empty_group_that_nobody_fills_keeps_its_rule_waiting() {
    let sim = world(vec![marked("batch", &[])]);
    ask(&sim, &[asked("batch", "BatchNodeManagement")], json!({}));
    // The group is ours, and cannot be written.
    sim.fault(json!({"match": {"method": "PUT", "pathContains": "/ipGroups/batch"}, "times": 0, "effect":
        {"status": {"code": 403, "body": {"error": {"code": "RequestDisallowedByPolicy", "message": "no"}}}}}));
    let running = sim.controller(&[]);
    running.wait_until("that it says so", || running.log().contains("the IP group batch holds nothing yet, and rule"));
    assert!(!sim.rules("p").contains_key(RULE));
    sim.clear_faults();
    ask(
        &sim,
        &[asked("batch", "BatchNodeManagement")],
        json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": "1"}}}),
    );
    running.wait_until("the rules", || sim.rules("p").contains_key(RULE));
    assert_eq!((sim.members("batch").len(), named(&sim)), (4, only("batch")));
}

#[test]
fn a_policy_and_the_groups_that_it_names_have_one_writer() {
    let sim = world(vec![]);
    let groups = [asked("batch", "BatchNodeManagement"), asked("storage", "Storage")];
    ask(&sim, &groups, json!({}));
    sim.once(&[]).exits(0);
    // Both groups and the rules change at once.
    sim.publish(&rules_week(2, 1..9, 1..9).regions(0..7, 0..2));
    let from = sim.log().len();
    sim.once(&[]).exits(0);
    let log = &sim.log()[from..];
    let writes: Vec<&LogEntry> = log.iter().filter(|entry| entry.method == "PUT").collect();
    let refused = log.iter().filter(|entry| entry.status >= 400 && entry.status != 404).count();
    assert_eq!((writes.len(), refused), (2, 0), "no write met another one: {writes:?}");
    assert_eq!((sim.members("batch").len(), sim.members("storage").len()), (8, 8));
    sim.ask_policies(
        &[asked_policy("p", json!({"addressing": "IpGroups"}))],
        json!({"spec": {"outbound": {"ipGroups": groups, "exclude": ["AzureMonitor"]}}}),
    );
    sim.publish(&rules_week(3, 2..4, 2..4));
    let from = sim.log().len();
    sim.once(&[]).exits(0);
    let log = &sim.log()[from..];
    let refused = log.iter().filter(|entry| entry.status >= 400 && entry.status != 404).count();
    assert_eq!((log.iter().filter(|entry| entry.method == "PUT").count(), refused), (3, 0));
    assert!(!sim.rules("p").contains_key("amlnet.prod.AzureMonitor.tcp"));
}

#[test]
fn from_prefixes_to_groups_and_back_nothing_is_missing_in_between() {
    let sim = world(vec![]);
    let prefixes = |sim: &Sim| sim.ask_policies(&[asked_policy("p", json!({}))], json!({}));
    prefixes(&sim);
    sim.once(&[]).exits(0);
    let old = "amlnet.prod.BatchNodeManagement.eastus2.tcp-ip";
    assert_eq!(sim.destinations("p", old).len(), 4);
    ask(&sim, &[asked("batch", "BatchNodeManagement")], json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(named(&sim), only("batch"));
    assert!(!sim.rules("p").contains_key(old), "{:?}", sim.rules("p").keys());
    for state in sim.rule_states("p") {
        let lets_through = |destination: &str| {
            state
                .entries
                .iter()
                .any(|entry| entry.destinations.iter().any(|other| other.eq_ignore_ascii_case(destination)))
        };
        assert!(lets_through(&batch(0)) || lets_through(&group_id("batch")), "{state:?}");
    }
    prefixes(&sim);
    sim.once(&[]).exits(0);
    assert_eq!(sim.destinations("p", old).len(), 4);
    assert!(!sim.rules("p").contains_key(RULE));
}
