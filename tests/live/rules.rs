//! Rules in firewall policies: made, changed and removed as documents and specs change; what that costs, and that nothing
//! of anybody else changes.

use std::collections::BTreeSet;

use armsim::model::log::Server;
use serde_json::{Value, json};

use crate::harness::groups::{batch, policy_id, storage};
use crate::harness::rules::{
    Cost, NO_OP, OURS, SOURCE, asked_policy, assert_rules_clean, group_in, of_policies, rules_week, texts, usual_policy,
};
use crate::harness::{Sim, assert_schema};
use crate::holds::{at, held};

const BATCH: &str = "amlnet.prod.BatchNodeManagement.eastus2.tcp-ip";
const STORAGE: &str = "amlnet.prod.Storage.eastus2.tcp-ip";

fn of_batch(range: std::ops::Range<usize>) -> BTreeSet<String> {
    range.map(batch).collect()
}

fn names(sim: &Sim) -> BTreeSet<String> {
    sim.rules("p").into_keys().collect()
}

/// What others have: the policy itself but for what is computed, its firewall, and their group.
fn of_others(sim: &Sim) -> Vec<Value> {
    let mut all = sim.foreign(&[policy_id("p"), group_in(&policy_id("p"), "theirs")]);
    for computed in ["size", "ruleCollectionGroups", "provisioningState"] {
        all[0]["properties"].as_object_mut().unwrap().remove(computed);
    }
    all
}

fn with(change: Value) -> Sim {
    let sim = Sim::with_policies(usual_policy("p"), json!({}));
    sim.ask_policies(&[asked_policy("p", json!({}))], json!({"spec": change}));
    sim
}

#[test]
fn rules_are_made_in_one_write_and_a_second_run_writes_nothing() {
    let sim = with(json!({}));
    let before = of_others(&sim);
    let plan = sim.plan(&["-o", "json"]).exits(2).json();
    assert_schema("plan", &plan);
    let target = &plan["targets"][0];
    assert_eq!((&target["kind"], &target["limit"]), (&json!("RuleCollectionGroup"), &json!(20_000)));
    let steps = target["steps"].as_array().unwrap();
    let of = |field: &str| -> BTreeSet<String> {
        let of_batch = steps.iter().filter(|step| step["rule"] == BATCH);
        of_batch.flat_map(|step| texts(&step[field])).collect()
    };
    assert_eq!(of("addresses"), of_batch(0..4));
    assert_eq!(of("sources"), BTreeSet::from([SOURCE.to_owned()]));
    assert_eq!(of("ports"), BTreeSet::from(["TCP 443".to_owned()]));
    assert!(steps.iter().all(|step| step["nextHop"].is_null() && step["wantedBy"] == json!(["default/ml"])));
    sim.plan(&[]).exits(2).says(&["rule collection group", BATCH, &batch(3), "0 to change, 0 to remove"]);
    assert!(sim.our_group("p").is_null(), "a plan writes nothing");

    let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
    assert_eq!((cost.put, cost.delete, cost.other_writes), (1, 0, 0));
    assert_eq!(
        (sim.destinations("p", BATCH), sim.our_group("p")["properties"]["priority"].clone()),
        (of_batch(0..4), json!(1200))
    );
    let rules = sim.rules("p");
    assert_eq!(rules.len(), 10, "{:?}", rules.keys());
    for (name, rule) in &rules {
        assert_eq!(texts(&rule["sourceAddresses"]), BTreeSet::from([SOURCE.to_owned()]), "{name}");
        assert!(rule["description"].as_str().unwrap().starts_with("amlnet prod: "), "{rule}");
    }
    for ran in [sim.policy_cost("p", || sim.once(&[])), sim.policy_cost("p", || sim.plan(&["--state", "state"]))] {
        ran.0.exits(0).says(&["nothing to do"]);
        assert_eq!(ran.1, NO_OP, "one look");
    }
    assert_eq!(of_others(&sim), before);
    assert_eq!(sim.policy_status("ml", "p")["state"], "InSync");
}

#[test]
fn a_running_controller_reads_two_things_again_and_lists_the_others_once() {
    let sim = with(json!({}));
    sim.once(&[]).exits(0);
    let running = sim.controller(&["--resync", "1s"]);
    let cost = || Cost::of(&sim.log(), &policy_id("p"));
    let before = cost();
    running.wait_until("several looks", || cost().get_group >= before.get_group + 4);
    running.terminate();
    let (after, lists) = (cost(), cost().list - before.list);
    assert_eq!((lists, after.put, after.other_gets), (1, before.put, before.other_gets));
    let looks = (after.get_policy - before.get_policy, after.get_group - before.get_group);
    assert!(looks.0.abs_diff(looks.1) <= 1, "{looks:?}");
}

#[test]
fn k_changed_prefixes_of_several_rules_are_one_write() {
    let sim = with(json!({}));
    sim.once(&[]).exits(0);
    let before = of_others(&sim);
    for (week, in_batch, in_storage, puts) in
        [(2, 0..10, 0..3, 1), (3, 0..10, 0..3, 0), (4, 2..11, 1..9, 1), (5, 5..6, 2..3, 1)]
    {
        sim.publish(&rules_week(week, in_batch.clone(), in_storage.clone()));
        let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
        assert_eq!((cost.put, cost.delete, cost.other_writes), (puts, 0, 0), "week {week}");
        if puts == 0 {
            assert_eq!(cost, NO_OP, "week {week}");
        }
        assert_eq!(sim.destinations("p", BATCH), of_batch(in_batch), "week {week}");
        assert_eq!(sim.destinations("p", STORAGE), in_storage.map(storage).collect(), "week {week}");
    }
    assert_rules_clean(&sim.rule_states("p"), [batch(5), storage(2)], &[]);
    assert_eq!(of_others(&sim), before);
}

#[test]
fn what_left_the_document_is_held_and_then_waits_for_approval() {
    let sim = with(json!({"removal": {"holdFor": "42d", "approval": "Always"}}));
    at(&sim, "2026-01-05T12:00:00Z", 0);
    sim.publish(&rules_week(2, 1..4, 0..3));
    let until = "2026-02-17T12:00:00Z".to_owned();
    for now in ["2026-01-06T12:00:00Z", "2026-02-17T11:59:59Z"] {
        assert_eq!(held(&at(&sim, now, 0)), [("Hold".to_owned(), until.clone())], "{now}");
    }
    assert_eq!(sim.destinations("p", BATCH), of_batch(0..4));
    let target = at(&sim, &until, 3);
    assert_eq!(held(&target).iter().map(|held| held.0.as_str()).collect::<Vec<_>>(), ["Approval"]);
    assert_eq!(target["held"][0]["rule"], BATCH);
    let hash = target["hash"].as_str().unwrap();
    sim.amlnet(&["approve", "ml", "--hash", hash, "--state", "state", "--now", &until]).exits(0);
    let (_, cost) = sim.policy_cost("p", || at(&sim, "2026-02-17T13:00:00Z", 0));
    assert_eq!((cost.put, sim.destinations("p", BATCH)), (1, of_batch(1..4)));
    // An addition goes in at once, whatever waits.
    sim.publish(&rules_week(3, 2..6, 0..3));
    at(&sim, "2026-02-18T12:00:00Z", 0);
    assert_eq!(sim.destinations("p", BATCH), of_batch(1..6));
    assert_rules_clean(&sim.rule_states("p"), (2..4).map(batch), &[]);
}

#[test]
fn without_a_state_nothing_is_removed() {
    let sim = with(json!({}));
    sim.once(&[]).exits(0);
    sim.publish(&rules_week(2, 1..5, 0..3));
    sim.apply(&[]);
    assert_eq!(sim.destinations("p", BATCH), of_batch(0..5));
}

#[test]
fn the_rule_of_the_documentation_is_written_exactly() {
    let sim = with(json!({"outbound": {"profiles": ["RStudio"]}}));
    sim.once(&[]).exits(0);
    let rules = sim.rules("p");
    assert_eq!(rules.keys().collect::<Vec<_>>(), ["AllowRStudioInstall"]);
    let rule = &rules["AllowRStudioInstall"];
    assert_eq!(
        (&rule["ruleType"], &rule["sourceAddresses"], &rule["protocols"]),
        (&json!("ApplicationRule"), &json!([SOURCE]), &json!([{"protocolType": "Https", "port": 443}]))
    );
    let hosts = ["ghcr.io", "pkg-containers.githubusercontent.com"];
    assert_eq!(texts(&rule["targetFqdns"]), hosts.map(str::to_owned).into());
    let collections = &sim.our_group("p")["properties"]["ruleCollections"];
    assert_eq!(collections.as_array().unwrap().len(), 1, "an empty collection is not written");
    assert_eq!(
        (&collections[0]["name"], &collections[0]["action"]["type"]),
        (&json!("amlnet-application"), &json!("Allow"))
    );
    let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
    assert_eq!(cost, NO_OP);
}

#[test]
fn tags_that_the_firewall_knows_stand_by_name_and_survive_every_document() {
    let sim = with(json!({}));
    sim.ask_policies(&[asked_policy("p", json!({"addressing": "Auto"}))], json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(sim.destinations("p", "amlnet.prod.AzureMonitor.tcp"), BTreeSet::from(["AzureMonitor".to_owned()]));
    // The firewall does not know the tag of a region of this one.
    assert_eq!(sim.destinations("p", BATCH), of_batch(0..4));
    sim.publish(&rules_week(2, 0..4, 0..3).tag("AzureMonitor", "", ["20.60.0.0/24", "20.61.0.0/24"]));
    let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
    assert_eq!(cost.put, 0, "what stands behind a tag is Azure's matter");
}

#[test]
fn an_excluded_requirement_goes_and_comes_back() {
    let sim = with(json!({}));
    sim.once(&[]).exits(0);
    let all = names(&sim);
    sim.ask_policies(
        &[asked_policy("p", json!({}))],
        json!({"spec": {"outbound": {"exclude": ["Storage", "AzureMonitor"]}}}),
    );
    let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
    let gone: BTreeSet<String> = all.difference(&names(&sim)).cloned().collect();
    assert_eq!((cost.put, gone), (1, [STORAGE, "amlnet.prod.AzureMonitor.tcp-ip"].map(str::to_owned).into()));
    sim.ask_policies(&[asked_policy("p", json!({}))], json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(names(&sim), all);
    assert_rules_clean(&sim.rule_states("p"), of_batch(0..4), &[]);
}

#[test]
fn additional_hosts_and_tags_become_rules_of_their_kind() {
    let additional = json!([
        {"name": "github", "hosts": ["github.com", "*.github.com"], "ports": [{"protocol": "Https", "port": 443}]},
        {"name": "ntp", "hosts": ["time.example.org"], "ports": [{"protocol": "UDP", "port": 123}]},
        {"name": "keyvault", "serviceTag": "AzureKeyVault", "regional": true, "ports": [{"protocol": "TCP", "port": 443}]},
    ]);
    let sim = with(json!({"outbound": {"profiles": [], "additional": additional}}));
    sim.once(&[]).exits(0);
    let rules = sim.rules("p");
    let all =
        ["github.http", "keyvault.eastus2.tcp-ip", "ntp.udp-fqdn"].map(|end| format!("amlnet.prod.additional.{end}"));
    assert_eq!(rules.keys().cloned().collect::<Vec<_>>(), all);
    let of = |name: &str| &rules[&format!("amlnet.prod.additional.{name}")];
    assert_eq!(texts(&of("github.http")["targetFqdns"]), ["*.github.com", "github.com"].map(str::to_owned).into());
    let ntp = of("ntp.udp-fqdn");
    assert_eq!((&ntp["ipProtocols"], &ntp["destinationPorts"]), (&json!(["UDP"]), &json!(["123"])));
    assert_eq!(ntp["destinationFqdns"], json!(["time.example.org"]));
    assert_eq!(of("keyvault.eastus2.tcp-ip")["destinationAddresses"], json!(["20.50.6.0/28"]));
}

#[test]
fn another_priority_moves_the_group_in_one_write() {
    let sim = with(json!({}));
    sim.once(&[]).exits(0);
    let before = sim.rules("p");
    sim.ask_policies(&[asked_policy("p", json!({"priority": 350}))], json!({}));
    sim.plan(&["--state", "state"]).exits(2).says(&["priority 1200", "priority 350", "1 to change"]);
    let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
    assert_eq!((cost.put, sim.our_group("p")["properties"]["priority"].clone()), (1, json!(350)));
    assert_eq!(sim.rules("p"), before);
    let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
    assert_eq!(cost, NO_OP);
}

#[test]
fn two_networks_of_two_regions_share_one_group_and_lose_only_their_own() {
    let sim = with(json!({}));
    let second = |change: Value| {
        let mut spec = json!({"region": "westeurope", "outbound": {"sourceAddresses": ["10.2.0.0/24"]}});
        crate::harness::merge(&mut spec, &change);
        let network =
            of_policies(&[asked_policy("p", json!({}))], json!({"metadata": {"name": "second"}, "spec": spec}));
        sim.objects("second.yaml", &[network])
    };
    second(json!({}));
    let (ran, cost) = sim.policy_cost("p", || sim.once(&["-o", "json"]).exits(0).json());
    assert_eq!((ran["targets"].as_array().unwrap().len(), cost.put), (1, 1), "one target, two networks");
    assert_eq!(sim.destinations("p", BATCH), of_batch(0..4));
    let west = "amlnet.prod.BatchNodeManagement.westeurope.tcp-ip";
    assert_eq!(sim.destinations("p", west), BTreeSet::from(["20.3.250.0/27".to_owned()]));
    let sources = |name: &str| texts(&sim.rules("p")[name]["sourceAddresses"]);
    let only = |source: &str| BTreeSet::from([source.to_owned()]);
    assert_eq!((sources(BATCH), sources(west)), (only(SOURCE), only("10.2.0.0/24")));
    assert_eq!(sources("amlnet.prod.AzureMonitor.tcp-ip"), [SOURCE, "10.2.0.0/24"].map(str::to_owned).into());
    // Whoever names the policy no longer leaves its own behind; a person says that it may go, and nothing else goes.
    second(json!({"outbound": {"firewallPolicies": [], "lists": [{"name": "all"}]}}));
    let (ran, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
    ran.says(&["held, Approval", "default/second left it behind"]);
    assert_eq!(cost, NO_OP);
    sim.approve("second", &sim.waiting()[0]);
    let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
    assert_eq!(cost.put, 1);
    assert!(!names(&sim).contains(west));
    assert_eq!(sources("amlnet.prod.AzureMonitor.tcp-ip"), only(SOURCE));
    assert_rules_clean(&sim.rule_states("p"), of_batch(0..4), &[]);
}

#[test]
fn what_somebody_changed_in_our_group_is_put_back() {
    let sim = with(json!({}));
    sim.once(&[]).exits(0);
    let as_written = sim.our_group("p")["properties"]["ruleCollections"].clone();
    let id = group_in(&policy_id("p"), OURS);
    let edit = |pointer: &str, value: Value| {
        let mut changed = as_written.clone();
        *changed.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        json!({"id": id, "properties": {"priority": 1200, "ruleCollections": changed}})
    };
    for (what, edited) in [
        ("an action", edit("/0/action/type", json!("Deny"))),
        ("a priority", edit("/0/priority", json!(101))),
        ("a port", edit("/0/rules/3/destinationPorts", json!(["443"]))),
        ("a source", edit("/0/rules/3/sourceAddresses", json!(["10.7.0.0/24"]))),
        ("an address", edit("/0/rules/7/destinationAddresses/0", json!("192.0.2.0/24"))),
        ("a source group", edit("/0/rules/7/sourceIpGroups", json!([crate::harness::groups::group_id("x")]))),
    ] {
        sim.put(edited);
        // What nobody asked for goes only where its removal may be decided: here at once.
        sim.once(&[]).exits(0);
        assert_eq!(sim.our_group("p")["properties"]["ruleCollections"], as_written, "{what}");
    }
    sim.delete(&id);
    let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
    assert_eq!((cost.put, &sim.our_group("p")["properties"]["ruleCollections"]), (1, &as_written));
}

#[test]
fn the_audit_tells_a_write_by_its_rules() {
    let sim = with(json!({}));
    sim.once(&[]).exits(0);
    sim.publish(&rules_week(2, 1..5, 0..3));
    sim.once(&[]).exits(0);
    let lines = crate::harness::told::lines(&sim);
    assert_eq!(lines.len(), 2);
    let last = &lines[1];
    assert_eq!((&last["entry"], &last["result"]), (&json!(OURS), &json!("Succeeded")), "{last}");
    let told = |field: &str| last[field].to_string();
    assert!(told("added").contains(&batch(4)) && told("removed").contains(&batch(0)), "{last}");
    assert!(told("added").contains(BATCH) && last["contributors"] == json!(["default/ml"]), "{last}");
    let id = last["correlationId"].as_str().unwrap();
    let log = sim.log_of(Server::Arm);
    assert!(log.iter().any(|entry| entry.method == "PUT" && entry.correlation_id == id), "{last}");
}
