//! IP groups on a bad day: failed and emptied ones, lost answers, refusals, kills. The group ends right and is never
//! written empty.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::Sim;
use crate::harness::groups::{
    asked, assert_group_clean, batch, group, group_counts, group_id, groups_week, marked, policy,
};
use crate::holds::{at, held};

fn of_batch(range: std::ops::Range<usize>) -> BTreeSet<String> {
    range.map(batch).collect()
}

fn put(effect: Value) -> Value {
    json!({"match": {"method": "PUT", "pathContains": "/ipGroups/batch"}, "effect": effect})
}

fn failed(change: Value) -> Value {
    let mut failed = json!({"properties": {"provisioningState": "Failed"}});
    crate::harness::merge(&mut failed, &change);
    failed
}

fn state(sim: &Sim) -> Value {
    sim.resource(&group_id("batch"))["properties"]["provisioningState"].clone()
}

/// A group of ours with week 1 in it.
fn with() -> Sim {
    let sim = Sim::with_groups(vec![]);
    sim.ask_groups(&[asked("batch", "BatchNodeManagement")], json!({}));
    sim.once(&[]).exits(0);
    sim
}

#[test]
fn a_failed_group_is_written_again_empty_or_not() {
    let mark = json!({"tags": {"amlnet-installation": "prod"}});
    let members: Vec<String> = of_batch(0..4).into_iter().collect();
    let all: Vec<&str> = members.iter().map(String::as_str).collect();
    for (what, there) in [
        ("empty, ours", group("batch", &[], failed(mark.clone()))),
        ("empty, nobody's", group("batch", &[], failed(json!({})))),
        ("with all addresses", group("batch", &all, failed(mark.clone()))),
        ("with some addresses", group("batch", &all[..2], failed(mark))),
    ] {
        let sim = Sim::with_groups(vec![there]);
        sim.ask_groups(&[asked("batch", "BatchNodeManagement")], json!({}));
        let (_, cost) = sim.group_cost("batch", || sim.once(&[]).exits(0));
        assert_eq!(cost.1, 1, "{what}");
        assert_eq!((sim.members("batch"), state(&sim)), (of_batch(0..4), json!("Succeeded")), "{what}");
        let (_, cost) = sim.group_cost("batch", || sim.once(&[]).exits(0));
        assert_eq!(cost, (1, 0, 0), "{what}: once is enough");
    }
}

#[test]
fn a_failed_group_with_addresses_of_others_is_not_touched() {
    let sim = Sim::with_groups(vec![group("batch", &["10.0.0.0/24"], failed(json!({})))]);
    sim.ask_groups(&[asked("batch", "BatchNodeManagement")], json!({}));
    let (_, cost) = sim.group_cost("batch", || sim.once(&[]).exits(3));
    assert_eq!((cost.1, state(&sim)), (0, json!("Failed")));
}

#[test]
fn a_write_that_azure_lets_fail_is_repaired() {
    for fails_attached in [false, true] {
        let sim = with();
        for user in policy("p", &["batch"]) {
            sim.put(user);
        }
        sim.publish(&groups_week(2, 0..6, 0..3));
        sim.fault(put(json!({"ipGroupsUpdateFailed": {"failsAttached": fails_attached}})));
        let ran = sim.once(&[]);
        assert_ne!(ran.code, 0, "{}", ran.all());
        assert_eq!((sim.members("batch"), state(&sim)), (BTreeSet::new(), json!("Failed")), "as recorded");
        let target = &sim.status("ml")["targets"][0];
        assert_ne!(target["state"], "InSync", "{target}");
        sim.once(&[]).exits(0);
        assert_eq!((sim.members("batch"), state(&sim)), (of_batch(0..6), json!("Succeeded")));
        let lines = crate::harness::told::lines(&sim);
        let results: Vec<&str> = lines.iter().map(|line| line["result"].as_str().unwrap()).collect();
        assert_eq!(results, ["Succeeded", "Failed", "Succeeded"]);
    }
}

#[test]
fn what_azure_emptied_comes_back_with_all_that_is_needed_and_what_was_held() {
    let sim = Sim::with_groups(vec![]);
    sim.ask_groups(&[asked("batch", "BatchNodeManagement")], json!({"spec": {"removal": {"holdFor": "42d"}}}));
    at(&sim, "2026-01-05T12:00:00Z", 0);
    sim.publish(&groups_week(2, 1..4, 0..3));
    let target = at(&sim, "2026-01-06T12:00:00Z", 0);
    assert_eq!(held(&target).len(), 1);
    sim.put(group("batch", &[], failed(json!({"tags": {"amlnet-installation": "prod"}}))));
    let target = at(&sim, "2026-01-07T12:00:00Z", 0);
    assert_eq!((sim.members("batch"), held(&target).len()), (of_batch(0..4), 1));
    // Its clock went on: it goes when the hold is over.
    at(&sim, "2026-02-18T12:00:00Z", 0);
    assert_eq!(sim.members("batch"), of_batch(1..4));
}

#[test]
fn a_group_that_is_being_updated_is_waited_for() {
    let sim = Sim::with_groups(vec![marked("batch", &[&batch(0)])]);
    sim.ask_groups(&[asked("batch", "BatchNodeManagement")], json!({}));
    let mut updating = marked("batch", &[&batch(0)]);
    updating["properties"]["provisioningState"] = json!("Updating");
    updating["properties"]["firewalls"] = json!([]);
    updating["properties"]["firewallPolicies"] = json!([]);
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/ipGroups/batch"}, "times": 0,
        "effect": {"status": {"code": 200, "body": updating}}}));
    let running = sim.controller(&[]);
    running.wait_until("that it says so", || running.log().contains("another operation on the target is under way"));
    assert_eq!(group_counts(&sim.log(), "batch").1, 0);
    sim.clear_faults();
    running.wait_until("the write", || sim.members("batch").len() == 4);
}

#[test]
fn a_bad_day_costs_little_and_harms_nothing() {
    let error = |code: u16, name: &str, headers: Value| json!({"status": {"code": code, "body": {"error": {"code": name, "message": "not now"}}, "headers": headers}});
    let soon = json!({"x-ms-retry-after-ms": "20"});
    let superseded = json!({"code": "CanceledAndSupersededDueToAnotherOperation", "message": "m"});
    let poll =
        |effect: Value| json!({"match": {"method": "GET", "pathContains": "perations/"}, "times": 2, "effect": effect});
    let days = vec![
        ("dropped before", put(json!("dropBefore")), 0),
        ("dropped after commit", put(json!("dropAfterCommit")), 200),
        ("throttled", put(json!({"throttle": {"retryAfter": 10}})), 429),
        ("another operation", put(error(429, "RetryableErrorDueToAnotherOperation", soon.clone())), 429),
        ("a retryable error", put(error(429, "RetryableError", soon.clone())), 429),
        ("in progress", put(error(409, "AnotherOperationInProgress", soon.clone())), 409),
        ("500", put(error(500, "InternalServerError", soon.clone())), 500),
        ("html", put(json!("html503")), 503),
        ("html on a poll", poll(json!("html503")), 503),
        ("dropped poll", poll(json!("dropBefore")), 0),
        ("operation lost", put(json!("lostOperation")), 404),
        ("superseded", put(json!({"failOperation": superseded})), 200),
        ("412", put(error(412, "PreconditionFailed", json!({}))), 412),
        ("slow", put(json!({"slow": {"ms": 300}})), 200),
    ];
    std::thread::scope(|scope| {
        for part in days.chunks(days.len().div_ceil(4)) {
            scope.spawn(move || {
                for (what, fault, status) in part {
                    let sim = with();
                    sim.publish(&groups_week(2, 1..6, 0..3));
                    sim.fault(fault.clone());
                    let from = sim.log().len();
                    for _ in 0..3 {
                        if sim.once(&[]).code == 0 {
                            break;
                        }
                    }
                    sim.once(&[]).exits(0).says(&["nothing to do"]);
                    assert_eq!(sim.members("batch"), of_batch(1..6), "{what}");
                    let log = sim.log();
                    assert!(log[from..].iter().any(|entry| entry.status == *status), "{what}: it did not happen");
                    let writes = group_counts(&log[from..], "batch").1;
                    assert!((1..=3).contains(&writes), "{what}: {writes} writes");
                    let history = sim.group_states("batch");
                    let emptied: Vec<usize> = (1..history.len())
                        .filter(|at| *what == "superseded" && history[*at].entries.is_empty())
                        .collect();
                    assert_group_clean(&history, of_batch(1..4), &emptied);
                }
            });
        }
    });
}

#[test]
fn a_write_that_is_refused_removes_nothing_and_counts_nothing() {
    let sim = with();
    let refused = json!({"status": {"code": 400, "body": {"error": {"code": "Strange", "message": "no"}}}});
    sim.publish(&groups_week(2, 1..6, 0..3));
    sim.fault(put(refused));
    sim.once(&[]).exits(3).says(&["Strange"]);
    assert_eq!(sim.members("batch"), of_batch(0..4));
    // A budget of one is not spent by what did not come about.
    let budget = json!({"removal": {"budget": {"max": 1, "percent": 100}}});
    sim.ask_groups(&[asked("batch", "BatchNodeManagement")], json!({"spec": budget}));
    sim.once(&[]).exits(0);
    assert_eq!(sim.members("batch"), of_batch(1..6));
}

#[test]
fn a_kill_during_the_write_counts_removals_once_and_is_found_in_the_audit() {
    // The write that was cut off came about in the first case, and did not in the second: what may have been removed
    // counts, so two of three are spent in both.
    for (effect, found, left, next_week, code) in
        [("withhold", "Found", 2..4, 3..4, 0), ("dropBefore", "NotFound", 0..4, 2..4, 2)]
    {
        let sim = Sim::with_groups(vec![]);
        let spec = json!({"spec": {"removal": {"budget": {"max": 2, "percent": 100}}}});
        sim.ask_groups(&[asked("batch", "BatchNodeManagement")], spec);
        at(&sim, "2026-01-05T12:00:00Z", 0);
        sim.publish(&groups_week(2, 3..4, 0..3));
        let mut fault = put(json!(effect));
        fault["times"] = json!(0);
        sim.fault(fault);
        let from = sim.log().len();
        let running = sim.controller(&["--once", "--now", "2026-01-06T12:00:00Z"]);
        running.wait_until("the write", || group_counts(&sim.log()[from..], "batch").1 > 0);
        running.kill();
        sim.clear_faults();
        let target = at(&sim, "2026-01-06T12:00:00Z", 2);
        let lines = crate::harness::told::lines(&sim);
        let results: Vec<&str> = lines.iter().map(|line| line["result"].as_str().unwrap()).collect();
        assert_eq!(results, ["Succeeded", found], "{effect}");
        assert!(held(&target).iter().all(|(reason, _)| reason == "Budget"), "{effect}: {target}");
        assert_eq!(sim.members("batch"), of_batch(left), "{effect}");
        at(&sim, "2026-01-13T12:00:00Z", code);
        assert_eq!(sim.members("batch"), of_batch(next_week), "{effect}");
        assert_group_clean(&sim.group_states("batch"), [batch(3)], &[]);
    }
}
