//! Policies whose firewalls take minutes: polled as Azure asks, one writer at a time, whatever ends in between.

use armsim::model::log::LogEntry;
use serde_json::{Value, json};

use crate::harness::groups::{firewall_id, policy_id};
use crate::harness::rules::{
    OURS, asked_policy, assert_rules_clean, bare_policy, firewall_of, foreign_group, group_in, rules_week, usual_policy,
};
use crate::harness::{Sim, TABLE, ours};

/// So many seconds of Azure for each write of a policy.
fn slow(seconds: u64) -> Value {
    let takes = format!("{seconds}s");
    json!({"latencies": {"attachedFirewall": [takes, takes]}})
}

fn with(world: Value) -> Sim {
    let sim = Sim::with_policies(usual_policy("p"), world);
    sim.ask_policies(&[asked_policy("p", json!({}))], json!({}));
    sim
}

fn path(entry: &LogEntry) -> String {
    entry.url.split('?').next().unwrap_or_default().to_lowercase()
}

/// Writes of our group that were sent.
fn puts(sim: &Sim) -> usize {
    let ours = group_in(&policy_id("p"), OURS).to_lowercase();
    sim.log()
        .iter()
        .filter(|entry| entry.method == "PUT" && path(entry) == ours && !entry.client.ends_with("others"))
        .count()
}

fn state(sim: &Sim, id: &str) -> Value {
    sim.resource(id)["properties"]["provisioningState"].clone()
}

#[test]
fn a_firewall_of_200_seconds_is_polled_as_it_asks() {
    let sim = with(slow(200));
    sim.once(&[]).exits(0);
    let log = sim.log();
    let put = log.iter().position(|entry| entry.method == "PUT").unwrap();
    let polls: Vec<usize> = (0..log.len()).filter(|at| path(&log[*at]).contains("/nfvoperations/")).collect();
    // Every ten seconds, and not at once: twenty of them. A machine that is slow itself asks less often.
    assert!((2..=21).contains(&polls.len()), "{} polls", polls.len());
    assert_eq!(polls, (put + 1..=put + polls.len()).collect::<Vec<_>>(), "nothing else is asked meanwhile");
    // Then the policy and its firewall are looked at, and what was written.
    let after: Vec<String> = log[put + polls.len() + 1..].iter().map(path).collect();
    for id in [policy_id("p"), firewall_id("fw-p"), group_in(&policy_id("p"), OURS)] {
        assert!(after.contains(&id.to_lowercase()), "{id} is not looked at: {after:?}");
    }
}

#[test]
fn while_somebody_else_writes_the_policy_nothing_is_written() {
    let sim = with(slow(500));
    assert_eq!(sim.others_put(&foreign_group("p", "theirs", 450)), 200);
    let ran = sim.once(&[]).exits(0);
    let log = sim.log();
    let refused = log.iter().filter(|entry| entry.status == 409 || entry.status == 400).count();
    assert_eq!((puts(&sim), refused), (1, 0), "{}", ran.all());
    assert_eq!(sim.resource(&group_in(&policy_id("p"), "theirs"))["properties"]["priority"], 450);
    assert_eq!(sim.rules("p").len(), 10);
}

#[test]
fn a_firewall_that_is_being_updated_keeps_the_policy_waiting_and_nothing_else() {
    let table = json!({"id": TABLE, "location": "eastus2", "properties": {"routes": []}});
    let sim = Sim::with_policies([vec![table], usual_policy("p"), usual_policy("q")].concat(), json!({}));
    sim.usual(json!({}));
    let policies = [asked_policy("p", json!({})), asked_policy("q", json!({}))];
    let routes = json!({"spec": {"routes": {"routeTables": [{"id": TABLE}]}}});
    sim.objects("ml.yaml", &[crate::harness::rules::of_policies(&policies, routes)]);
    let updating = firewall_of("p", json!({"properties": {"provisioningState": "Updating"}}));
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/azureFirewalls/fw-p"}, "times": 0,
        "effect": {"status": {"code": 200, "body": updating}}}));
    let running = sim.controller(&[]);
    running.wait_until("that it says so", || running.log().contains("the firewall fw-p is being updated"));
    running.wait_until("the other policy", || !sim.our_group("q").is_null());
    running.wait_until("the table", || ours(&sim.history_now(TABLE)).len() == 7);
    assert!(sim.our_group("p").is_null());
    sim.clear_faults();
    running.wait_until("the end of the wait", || !sim.our_group("p").is_null());
}

#[test]
fn a_slow_firewall_blocks_only_its_own_lock() {
    let sim = Sim::with_policies([usual_policy("p"), usual_policy("q")].concat(), json!({}));
    let policies = [asked_policy("p", json!({})), asked_policy("q", json!({}))];
    let spec = json!({"spec": {"routes": {"routeTables": [{"id": TABLE}]}}});
    sim.ask_policies(&policies, spec);
    // No firewall is done before everything else has begun, however long that takes.
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/nfvOperations/"}, "times": 0, "effect": {"status":
        {"code": 200, "body": {"status": "InProgress"}, "headers": {"x-ms-retry-after-ms": "100"}}}}));
    let running = sim.controller(&["--once"]);
    running.wait_until("all writes", || {
        let has_both = ["p", "q"].iter().all(|policy| !sim.our_group(policy).is_null());
        has_both && ours(&sim.history_now(TABLE)).len() == 7
    });
    sim.clear_faults();
    let (code, said) = running.end();
    assert_eq!(code, 0, "{said}");
    let log = sim.log();
    let first = |part: &str| log.iter().position(|entry| entry.method == "PUT" && path(entry).contains(part)).unwrap();
    let ended = |policy: &str| {
        let ours = group_in(&policy_id(policy), OURS).to_lowercase();
        log.iter().rposition(|entry| entry.method == "GET" && path(entry) == ours).unwrap()
    };
    let (p, q) = (first("/firewallpolicies/p/"), first("/firewallpolicies/q/"));
    assert!(q < ended("p") && p < ended("q"), "one waits for the other");
    let last_route = log.iter().rposition(|entry| entry.method == "PUT" && path(entry).contains("/routes/")).unwrap();
    assert!(last_route < ended("p").min(ended("q")), "the table waits for a policy");
}

#[test]
fn a_parent_and_its_child_have_one_writer() {
    let child = bare_policy("child", json!({"properties": {"basePolicy": {"id": policy_id("p")}}}));
    let resources = [usual_policy("p"), vec![child, firewall_of("child", json!({}))]].concat();
    let sim = Sim::with_policies(resources, json!({}));
    sim.ask_policies(&[asked_policy("p", json!({})), asked_policy("child", json!({}))], json!({}));
    sim.once(&[]).exits(0);
    let refused = sim.log().iter().filter(|entry| entry.status == 409 || entry.status == 400).count();
    assert_eq!((sim.rules("p").len(), sim.rules("child").len(), refused), (10, 10, 0));
}

#[test]
fn who_is_refused_because_a_sibling_is_being_written_tries_again() {
    let code = "FirewallPolicyRuleCollectionGroupUpdateNotAllowedWhenUpdatingOrDeleting";
    let others = [(409, code), (400, code), (409, "AnotherOperationInProgress")];
    for (status, code) in others {
        let sim = with(json!({}));
        let body = json!({"error": {"code": code, "message": "by operation ID : 1"}});
        sim.fault(json!({"match": {"method": "PUT", "pathContains": OURS}, "times": 3,
            "effect": {"status": {"code": status, "body": body, "headers": {"x-ms-retry-after-ms": "20"}}}}));
        let before = sim.foreign(&[group_in(&policy_id("p"), "theirs")]);
        sim.once(&[]).exits(0);
        assert_eq!((puts(&sim), sim.rules("p").len()), (4, 10), "{status} {code}");
        assert_eq!(sim.foreign(&[group_in(&policy_id("p"), "theirs")]), before, "{status} {code}");
    }
}

#[test]
fn a_sibling_that_is_written_right_before_us_is_waited_for_and_stays() {
    std::thread::scope(|scope| {
        for status in [409, 400] {
            scope.spawn(move || {
                let mut world = slow(3000);
                world["behaviour"] = json!({"policyUpdateRefusal": status});
                let sim = with(world);
                // The last look before the write is answered after the others began, who are not seen in it.
                sim.fault(json!({"match": {"method": "GET", "pathContains": "/ruleCollectionGroups?", "nth": 2},
                    "effect": {"hold": {"key": "the last look"}}}));
                let running = sim.controller(&["--once"]);
                let lists = || sim.log().iter().filter(|entry| path(entry).ends_with("/rulecollectiongroups")).count();
                running.wait_until("the last look", || lists() == 2);
                assert_eq!(sim.others_put(&foreign_group("p", "theirs", 450)), 200);
                sim.release("the last look");
                running.wait_until("the refusal", || sim.log().iter().any(|entry| entry.status == status));
                let (code, log) = running.end();
                assert_eq!((code, puts(&sim)), (0, 2), "{log}");
                assert_eq!(sim.rules("p").len(), 10);
                let theirs = sim.resource(&group_in(&policy_id("p"), "theirs"));
                assert_eq!(theirs["properties"]["priority"], 450);
            });
        }
    });
}

#[test]
fn a_firewall_that_ends_failed_is_said_and_repaired_by_the_next_run() {
    for (fails_attached, takes_content) in [(false, true), (true, true), (true, false)] {
        let sim = with(json!({"behaviour": {"failedPolicyTakesContent": takes_content}}));
        sim.once(&[]).exits(0);
        sim.publish(&rules_week(2, 0..6, 0..3));
        sim.fault(json!({"match": {"method": "PUT", "pathContains": OURS},
            "effect": {"firewallPolicyUpdateFailed": {"failsAttached": fails_attached}}}));
        let ran = sim.once(&[]).exits(1);
        ran.says(&["FirewallPolicyUpdateFailed"]);
        assert_eq!(sim.policy_status("ml", "p")["state"], "Failed", "{}", sim.status("ml"));
        let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
        assert_eq!(cost.put, 1, "{fails_attached} {takes_content}");
        for id in [policy_id("p"), firewall_id("fw-p"), group_in(&policy_id("p"), OURS)] {
            assert_eq!(state(&sim, &id), "Succeeded", "{id}");
        }
        let batch = sim.destinations("p", "amlnet.prod.BatchNodeManagement.eastus2.tcp-ip");
        assert_eq!(batch.len(), 6);
        assert_rules_clean(&sim.rule_states("p"), (0..4).map(crate::harness::groups::batch), &[]);
        let results: Vec<Value> =
            crate::harness::told::lines(&sim).into_iter().map(|line| line["result"].clone()).collect();
        assert_eq!(results, ["Succeeded", "Failed", "Succeeded"]);
    }
}

#[test]
fn a_firewall_that_failed_while_nothing_is_to_be_written_is_said_until_it_is_in_order() {
    let sim = with(json!({}));
    // The write is done, and the look at the firewall after it finds it failed.
    let failed = firewall_of("p", json!({"properties": {"provisioningState": "Failed"}}));
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/azureFirewalls/fw-p", "nth": 2},
        "effect": {"status": {"code": 200, "body": failed}}}));
    sim.once(&[]).says(&["AttachedFailed", "the firewall fw-p", "Failed after the write"]);
    sim.put(failed);
    for _ in 0..2 {
        sim.once(&[]).says(&["AttachedFailed", "fw-p"]);
    }
    assert_eq!((puts(&sim), sim.policy_status("ml", "p")["state"].clone()), (1, json!("Failed")));
    sim.put(firewall_of("p", json!({})));
    sim.once(&[]).exits(0);
    assert_eq!((puts(&sim), sim.policy_status("ml", "p")["state"].clone()), (1, json!("InSync")));
}

/// Runs with a write under way, when the write was accepted.
fn in_the_middle(sim: &Sim) -> crate::harness::Controller {
    let running = sim.controller(&["--once"]);
    running.wait_until("the write", || state(sim, &group_in(&policy_id("p"), OURS)) == "Updating");
    running.wait_until("a poll", || sim.log().iter().any(|entry| path(entry).contains("/nfvoperations/")));
    running
}

#[test]
fn a_kill_while_the_firewall_is_being_updated_writes_nothing_twice() {
    let sim = with(slow(3000));
    in_the_middle(&sim).kill();
    let again = sim.once(&[]).exits(0);
    // It waited for the end of what the other process began.
    assert_eq!(state(&sim, &policy_id("p")), "Succeeded", "{}", again.all());
    assert_eq!((puts(&sim), sim.rules("p").len()), (1, 10), "{}", again.all());
    let results: Vec<Value> =
        crate::harness::told::lines(&sim).into_iter().map(|line| line["result"].clone()).collect();
    assert_eq!(results, ["Found"]);
    let expected = with(json!({}));
    expected.once(&[]).exits(0);
    assert_eq!(sim.rules("p"), expected.rules("p"));
}

#[test]
fn a_sigterm_ends_the_wait_at_once_and_the_next_run_goes_on() {
    // Twelve seconds here.
    let sim = with(slow(6000));
    let (_, took, log) = in_the_middle(&sim).terminate();
    assert!(took < std::time::Duration::from_secs(9), "it waits for the firewall: {took:?}\n{log}");
    assert_eq!(state(&sim, &policy_id("p")), "Updating");
    sim.once(&[]).exits(0);
    assert_eq!(state(&sim, &policy_id("p")), "Succeeded");
    assert_eq!((puts(&sim), sim.rules("p").len()), (1, 10));
}
