//! Rules in firewall policies on a bad day: each fault at each request, and a crash at each answer. The end is right,
//! nothing needed was missing at any moment, and nothing of anybody else changes.

use std::collections::BTreeSet;

use armsim::model::log::{LogEntry, Server};
use serde_json::{Value, json};

use crate::harness::Sim;
use crate::harness::groups::{batch, firewall_id, policy_id};
use crate::harness::rules::{OURS, asked_policy, assert_rules_clean, group_in, rules_week, usual_policy};

const BATCH: &str = "amlnet.prod.BatchNodeManagement.eastus2.tcp-ip";

fn of_batch(range: std::ops::Range<usize>) -> BTreeSet<String> {
    range.map(batch).collect()
}

/// A policy in which no write has been done; writes are quick.
fn empty() -> Sim {
    let sim = Sim::with_policies(usual_policy("p"), json!({"latencies": {"attachedFirewall": ["10s", "10s"]}}));
    sim.ask_policies(&[asked_policy("p", json!({}))], json!({"spec": {"deletionPolicy": "Delete"}}));
    sim
}

/// The same with week 1 in it.
fn filled() -> Sim {
    let sim = empty();
    sim.once(&[]).exits(0);
    sim
}

fn answer(code: u16, name: &str) -> Value {
    let body = json!({"error": {"code": name, "message": "not now"}});
    json!({"status": {"code": code, "body": body, "headers": {"x-ms-retry-after-ms": "20"}}})
}

fn fails(code: &str) -> Value {
    json!({"failOperation": {"code": code, "message": "it broke"}})
}

/// What may happen to any request.
fn to_any() -> Vec<(&'static str, Value)> {
    let page = json!({"status": {"code": 502, "body": "<html>a proxy</html>", "headers": {"retry-after-ms": "20"}}});
    vec![
        ("dropped before", json!("dropBefore")),
        ("throttled", json!({"throttle": {"retryAfter": 10}})),
        ("500", answer(500, "InternalServerError")),
        ("502 with a page of a proxy", page),
        ("503 with a page of Azure", json!("html503")),
        ("504", answer(504, "GatewayTimeout")),
        ("401", answer(401, "ExpiredAuthenticationToken")),
        ("403", answer(403, "AuthorizationFailed")),
        ("slow", json!({"slow": {"ms": 200}})),
    ]
}

/// What may happen to a write.
fn to_a_write() -> Vec<(&'static str, Value)> {
    let mut all = to_any();
    all.extend([
        ("dropped after commit", json!("dropAfterCommit")),
        ("429 another operation", answer(429, "RetryableErrorDueToAnotherOperation")),
        ("409 another operation", answer(409, "AnotherOperationInProgress")),
        ("409 locked", answer(409, "ScopeLocked")),
        ("409 of a kind nobody knows", answer(409, "Conflict")),
        ("412", answer(412, "PreconditionFailed")),
        ("400 of a kind nobody knows", answer(400, "Strange")),
        ("failed operation", fails("InternalServerError")),
        ("superseded operation", fails("CanceledAndSupersededDueToAnotherOperation")),
        ("failed firewall", json!({"firewallPolicyUpdateFailed": {}})),
        ("failed firewall and policies", json!({"firewallPolicyUpdateFailed": {"failsAttached": true}})),
        ("lost operation", json!("lostOperation")),
    ]);
    all
}

/// Runs the jobs four at a time.
fn side_by_side<T: Sync>(jobs: &[T], job: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        for part in jobs.chunks(jobs.len().div_ceil(4)) {
            scope.spawn(|| part.iter().for_each(&job));
        }
    });
}

fn writes(log: &[LogEntry], method: &str) -> usize {
    log.iter().filter(|entry| entry.server == Server::Arm && entry.method == method).count()
}

/// Runs until a run ends with nothing left, at most three times.
#[track_caller]
fn run_until_done(what: &str, sim: &Sim) {
    let mut said = String::new();
    for _ in 0..3 {
        let ran = sim.once(&[]);
        if ran.code == 0 {
            return;
        }
        said = ran.all();
    }
    panic!("{what}: it is not done after three runs:\n{said}");
}

/// One more run finds nothing to write.
#[track_caller]
fn assert_nothing_left(what: &str, sim: &Sim) {
    let from = sim.log().len();
    let ran = sim.once(&[]).exits(0);
    assert_eq!(writes(&sim.log()[from..], "PUT") + writes(&sim.log()[from..], "DELETE"), 0, "{what}: {}", ran.all());
}

/// What others have, in a form that says whether somebody wrote it; the states of what changes with our group apart.
fn of_others(sim: &Sim) -> Vec<Value> {
    let mut all = sim.foreign(&[policy_id("p"), firewall_id("fw-p"), group_in(&policy_id("p"), "theirs")]);
    for computed in ["size", "ruleCollectionGroups"] {
        all[0]["properties"].as_object_mut().unwrap().remove(computed);
    }
    all
}

/// The prefixes of a week: one goes and one comes with each.
fn of_week(week: usize) -> std::ops::Range<usize> {
    week..week + 30
}

/// Those that every week has.
fn needed() -> BTreeSet<String> {
    of_batch(25..30)
}

fn status_of(effect: &Value) -> Option<u16> {
    match effect.as_str() {
        Some("dropBefore") => Some(0),
        Some("html503") => Some(503),
        _ if effect["throttle"].is_object() => Some(429),
        _ => effect["status"]["code"].as_u64().and_then(|code| u16::try_from(code).ok()),
    }
}

/// A fault, where it strikes, and how many writes the week in which it does may cost.
type Job = (String, Value, Value, std::ops::RangeInclusive<usize>);

/// One week for each fault.
#[track_caller]
fn meets(jobs: &[Job]) {
    assert!(jobs.len() < 25, "the weeks have nothing in common");
    let sim = empty();
    sim.publish(&rules_week(2, of_week(0), 0..3));
    sim.once(&[]).exits(0);
    let before = of_others(&sim);
    for (number, (what, matching, effect, bound)) in jobs.iter().enumerate() {
        let week = of_week(number + 1);
        sim.publish(&rules_week(3 + number as u64, week.clone(), 0..3));
        let from = sim.log().len();
        sim.fault(json!({"match": matching, "effect": effect}));
        run_until_done(what, &sim);
        let log = &sim.log()[from..];
        let struck = status_of(effect).is_none_or(|status| log.iter().any(|entry| entry.status == status));
        assert!(struck, "{what}: it did not happen");
        assert_eq!(sim.destinations("p", BATCH), of_batch(week), "{what}");
        let puts = writes(log, "PUT");
        assert!(bound.contains(&puts), "{what}: {puts} writes, {bound:?} are allowed");
        sim.clear_faults();
    }
    assert_nothing_left("all of them", &sim);
    assert_eq!(of_others(&sim), before);
    assert_rules_clean(&sim.rule_states("p"), needed(), &[]);
}

#[test]
fn each_fault_at_the_write_costs_at_most_one_more() {
    let job = |(what, effect): (&'static str, Value)| {
        let bound = match what {
            // Azure does it though nobody hears of it; a repeated write is the same.
            "dropped after commit" => 1..=2,
            "slow" | "lost operation" => 1..=1,
            _ => 2..=2,
        };
        (what.to_owned(), json!({"method": "PUT", "pathContains": OURS}), effect, bound)
    };
    let jobs: Vec<Job> = to_a_write().into_iter().map(job).collect();
    let parts: Vec<&[Job]> = jobs.chunks(jobs.len().div_ceil(4)).collect();
    side_by_side(&parts, |part| meets(part));
}

#[test]
fn each_fault_at_a_read_costs_no_write() {
    let policy = policy_id("p");
    let (of_policy, of_group) = (format!("{policy}?"), format!("{policy}/ruleCollectionGroups/{OURS}?"));
    // The first look, and one right before the write.
    let reads = [
        (of_policy.clone(), 1),
        (of_policy, 3),
        (of_group.clone(), 1),
        (of_group, 2),
        (format!("{policy}/ruleCollectionGroups?"), 1),
        ("/azureFirewalls/fw-p?".to_owned(), 1),
        ("/azureFirewalls/fw-p?".to_owned(), 2),
        ("/nfvOperations/".to_owned(), 1),
    ];
    side_by_side(&reads, |(path, nth)| {
        let job = |(what, effect): (&'static str, Value)| {
            let matching = json!({"method": "GET", "pathContains": path, "nth": nth});
            (format!("{what}, {nth}. look at {path}"), matching, effect, 1..=1)
        };
        meets(&to_any().into_iter().map(job).collect::<Vec<Job>>());
    });
}

#[test]
fn each_fault_at_the_end_of_the_group_leaves_nothing_of_ours_and_all_of_others() {
    side_by_side(&to_a_write(), |(what, effect)| {
        let sim = filled();
        let before = of_others(&sim);
        std::fs::remove_file(sim.path("dir/ml.yaml")).unwrap();
        sim.fault(json!({"match": {"method": "DELETE", "pathContains": OURS}, "effect": effect}));
        run_until_done(what, &sim);
        assert_nothing_left(what, &sim);
        assert!(sim.our_group("p").is_null(), "{what}");
        assert_eq!(of_others(&sim), before, "{what}");
        let deletes = writes(&sim.log(), "DELETE");
        assert!((1..=2).contains(&deletes) && writes(&sim.log(), "PUT") == 1, "{what}: {deletes} deletions");
    });
}

#[test]
fn a_first_write_that_fails_is_done_by_the_next_run() {
    for (takes_content, effect) in
        [(true, json!({"firewallPolicyUpdateFailed": {}})), (false, fails("InternalServerError"))]
    {
        let sim = empty();
        sim.set(json!({"behaviour": {"failedPolicyTakesContent": takes_content}}));
        sim.fault(json!({"match": {"method": "PUT", "pathContains": OURS}, "effect": effect}));
        assert_ne!(sim.once(&[]).code, 0);
        run_until_done("the first write", &sim);
        assert_nothing_left("the first write", &sim);
        assert_eq!((sim.rules("p").len(), writes(&sim.log(), "PUT")), (10, 2));
    }
}

/// Requests to ARM when nothing goes wrong: the plan, the looks before the write, the write, a poll, the looks after it.
const ANSWERS: usize = 3 + 2 + 3 + 1 + 1 + 2 + 2;

#[test]
fn a_crash_at_each_answer_costs_no_write() {
    let answers: Vec<usize> = (1..=ANSWERS).collect();
    side_by_side(&answers, |nth| {
        let what = format!("answer {nth}");
        let sim = filled();
        let before = of_others(&sim);
        sim.publish(&rules_week(2, 1..6, 0..3));
        let from = sim.log_of(Server::Arm).len();
        sim.fault(json!({"match": {"pathContains": "/subscriptions/", "nth": nth}, "effect": "withhold"}));
        let crashing = sim.controller(&["--once"]);
        crashing.wait_until("the answer that is withheld", || sim.log_of(Server::Arm).len() - from >= *nth);
        // SIGKILL.
        crashing.kill();
        sim.clear_faults();
        run_until_done(&what, &sim);
        assert_nothing_left(&what, &sim);
        assert_eq!(sim.destinations("p", BATCH), of_batch(1..6), "{what}");
        assert_eq!((of_others(&sim), writes(&sim.log(), "PUT")), (before, 2), "{what}");
        assert_rules_clean(&sim.rule_states("p"), of_batch(1..4), &[]);
        let lines = crate::harness::told::lines(&sim);
        assert_eq!(lines.len(), 2, "{what}: one line a write: {lines:?}");
    });
}

#[test]
fn a_write_that_is_refused_removes_nothing_and_counts_nothing() {
    let sim = filled();
    sim.publish(&rules_week(2, 1..6, 0..3));
    sim.fault(json!({"match": {"method": "PUT", "pathContains": OURS}, "effect": answer(400, "Strange")}));
    sim.once(&[]).exits(3).says(&["Strange"]);
    assert_eq!(sim.destinations("p", BATCH), of_batch(0..4));
    // A budget of one is not spent by what did not come about.
    let budget = json!({"removal": {"budget": {"max": 1, "percent": 100}}});
    sim.ask_policies(&[asked_policy("p", json!({}))], json!({"spec": budget}));
    sim.once(&[]).exits(0);
    assert_eq!(sim.destinations("p", BATCH), of_batch(1..6));
}

#[test]
fn a_policy_that_is_being_updated_is_waited_for() {
    let sim = empty();
    let mut updating = sim.resource(&policy_id("p"));
    updating["properties"]["provisioningState"] = json!("Updating");
    sim.fault(json!({"match": {"method": "GET", "pathContains": format!("{}?", policy_id("p"))}, "times": 0,
        "effect": {"status": {"code": 200, "body": updating}}}));
    let running = sim.controller(&[]);
    running.wait_until("that it says so", || running.log().contains("another operation on the target is under way"));
    assert!(sim.our_group("p").is_null());
    sim.clear_faults();
    running.wait_until("the write", || !sim.our_group("p").is_null());
}
