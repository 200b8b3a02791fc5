//! Others who write the same policy or our group while amlnet is at it: nothing of theirs is lost, nothing of ours missing.

use armsim::model::log::LogEntry;
use serde_json::{Value, json};

use crate::harness::groups::policy_id;
use crate::harness::rules::{
    OURS, asked_policy, assert_rules_clean, filter, group_in, network_rule, rules_week, usual_policy,
};
use crate::harness::{Controller, Sim};

const BATCH: &str = "amlnet.prod.BatchNodeManagement.eastus2.tcp-ip";

const LAST_LOOK: &str = "the last look";

/// Week 1 is in the policy, and the last look before the next write is answered when `LAST_LOOK` is released.
fn about_to_write(seconds: u64) -> (Sim, Controller) {
    let takes = format!("{seconds}s");
    let sim = Sim::with_policies(usual_policy("p"), json!({"latencies": {"attachedFirewall": [takes, takes]}}));
    sim.ask_policies(&[asked_policy("p", json!({}))], json!({}));
    sim.once(&[]).exits(0);
    sim.publish(&rules_week(2, 1..6, 0..3));
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/ruleCollectionGroups?", "nth": 2},
        "effect": {"hold": {"key": LAST_LOOK}}}));
    let lists = || sim.log().iter().filter(|entry| path(entry).ends_with("/rulecollectiongroups")).count();
    let before = lists();
    let running = sim.controller(&["--once"]);
    running.wait_until(LAST_LOOK, || lists() == before + 2);
    (sim, running)
}

fn path(entry: &LogEntry) -> String {
    entry.url.split('?').next().unwrap_or_default().to_lowercase()
}

fn writes(sim: &Sim, method: &str, name: &str) -> usize {
    let group = group_in(&policy_id("p"), name).to_lowercase();
    sim.log().iter().filter(|entry| entry.method == method && path(entry) == group && entry.status < 300).count()
}

#[test]
fn a_rule_that_somebody_adds_to_our_group_right_before_the_write_is_not_lost() {
    let (sim, running) = about_to_write(10);
    let mut group = sim.our_group("p");
    let theirs = filter("mine", 300, "Deny", vec![network_rule("r", "192.0.2.0/24", "443")]);
    group["properties"]["ruleCollections"].as_array_mut().unwrap().push(theirs);
    sim.put(group);
    let before = sim.our_group("p");
    sim.release(LAST_LOOK);
    let (code, log) = running.end();
    assert_eq!((code, sim.our_group("p")), (3, before), "{log}");
    assert!(log.contains("rule collection mine"), "{log}");
}

#[test]
fn a_group_that_somebody_removes_right_before_the_write_is_whole_again() {
    let (sim, running) = about_to_write(10);
    sim.delete(&group_in(&policy_id("p"), OURS));
    sim.release(LAST_LOOK);
    let (code, log) = running.end();
    assert_eq!((code, sim.rules("p").len()), (0, 10), "{log}");
    assert_eq!(sim.destinations("p", BATCH), (1..6).map(crate::harness::groups::batch).collect());
}

#[test]
fn two_installations_write_one_policy_at_the_same_time_and_both_are_done() {
    let sim = Sim::with_policies(usual_policy("p"), json!({"latencies": {"attachedFirewall": ["500s", "500s"]}}));
    let of = |installation: &str, priority: u16| {
        sim.ask_policies(&[asked_policy("p", json!({"priority": priority}))], json!({}));
        let dir = sim.path(&format!("dir-{installation}"));
        std::fs::create_dir(&dir).unwrap();
        for file in ["feed.yaml", "ml.yaml"] {
            std::fs::copy(sim.path("dir").join(file), dir.join(file)).unwrap();
        }
        let state = format!("state-{installation}");
        let dir = dir.display().to_string();
        let arguments = ["run", "--once", "--dir", &dir, "--state", &state, "--installation-id", installation];
        sim.background(sim.command(&arguments))
    };
    let (first, second) = (of("prod", 1200), of("test", 1300));
    for running in [first, second] {
        let (code, log) = running.end();
        assert_eq!(code, 0, "{log}");
    }
    assert_eq!((writes(&sim, "PUT", OURS), writes(&sim, "PUT", "amlnet-test")), (1, 1));
    let of_test = sim.resource(&group_in(&policy_id("p"), "amlnet-test"));
    let rules = of_test["properties"]["ruleCollections"][0]["rules"].as_array().unwrap();
    assert_eq!((sim.rules("p").len(), rules.len()), (10, 10));
}

#[test]
fn a_kill_while_our_group_is_being_deleted_deletes_nothing_twice() {
    let sim = Sim::with_policies(usual_policy("p"), json!({"latencies": {"attachedFirewall": ["10s", "10s"]}}));
    sim.ask_policies(&[asked_policy("p", json!({}))], json!({"spec": {"deletionPolicy": "Delete"}}));
    sim.once(&[]).exits(0);
    sim.set(json!({"latencies": {"attachedFirewall": ["3000s", "3000s"]}}));
    std::fs::remove_file(sim.path("dir/ml.yaml")).unwrap();
    let state = |sim: &Sim| sim.our_group("p")["properties"]["provisioningState"].clone();
    let running = sim.controller(&["--once"]);
    running.wait_until("the deletion", || state(&sim) == "Deleting");
    running.kill();
    sim.once(&[]).exits(0);
    assert_eq!((sim.our_group("p"), writes(&sim, "DELETE", OURS)), (Value::Null, 1));
    let results: Vec<Value> =
        crate::harness::told::lines(&sim).into_iter().map(|line| line["result"].clone()).collect();
    assert_eq!(results, ["Succeeded", "Found"]);
    sim.once(&[]).exits(0);
    assert_eq!(writes(&sim, "DELETE", OURS), 1);
}

#[test]
fn a_week_that_comes_while_the_last_one_is_being_written_is_written_after_it() {
    let sim = Sim::with_policies(usual_policy("p"), json!({"latencies": {"attachedFirewall": ["1000s", "1000s"]}}));
    sim.ask_policies(&[asked_policy("p", json!({}))], json!({}));
    let running = sim.controller(&[]);
    running.wait_until("the first write", || writes(&sim, "PUT", OURS) == 1);
    sim.publish(&rules_week(2, 1..6, 0..3));
    sim.ask_feed();
    let week_2 = || sim.our_group("p").to_string().contains(&crate::harness::groups::batch(5));
    running.wait_until("the second write", week_2);
    running.wait_until("its end", || sim.policy_status("ml", "p")["state"] == "InSync");
    running.terminate();
    assert_eq!(writes(&sim, "PUT", OURS), 2);
    let refused = sim.log().iter().filter(|entry| entry.status == 409 || entry.status == 400).count();
    assert_eq!(refused, 0, "nobody met a write under way");
    assert_rules_clean(&sim.rule_states("p"), (1..4).map(crate::harness::groups::batch), &[]);
}
