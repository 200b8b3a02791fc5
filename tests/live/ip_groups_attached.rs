//! The firewalls and policies that use an IP group: one writer at a time, at rest before, in order afterwards.

use std::collections::{BTreeMap, BTreeSet};

use armsim::model::log::LogEntry;
use serde_json::{Value, json};

use crate::harness::groups::{
    asked, batch, classic, firewall_id, group_counts, group_id, group_writes, groups_week, marked, policy, policy_id,
    storage,
};
use crate::harness::{Sim, TABLE};

/// Groups `batch` and `storage`, both ours, and the resources that use them.
fn with(users: Vec<Value>, world: Value) -> Sim {
    let groups = vec![marked("batch", &[&batch(0)]), marked("storage", &[&storage(0)])];
    let sim = Sim::with_groups_in(groups.into_iter().chain(users).collect(), world);
    sim.ask_groups(&[asked("batch", "BatchNodeManagement"), asked("storage", "Storage")], json!({}));
    sim
}

/// When each group was being written, in milliseconds: from its PUT to the end of its operation, as the log tells.
fn writes(log: &[LogEntry], name: &str) -> (usize, usize) {
    let url = |entry: &LogEntry| entry.url.to_lowercase();
    let is_put = |entry: &LogEntry| {
        entry.method == "PUT" && url(entry).contains(&group_id(name).to_lowercase()) && entry.status < 300
    };
    let first = log.iter().position(is_put).unwrap_or_else(|| panic!("{name} was not written"));
    // What was read back afterwards marks the end as amlnet saw it.
    let is_get = |entry: &LogEntry| {
        entry.method == "GET" && url(entry).split('?').next().unwrap() == group_id(name).to_lowercase()
    };
    let last = log[first..].iter().position(is_get).unwrap_or_else(|| panic!("{name} was not read back")) + first;
    (first, last)
}

fn refused(log: &[LogEntry]) -> usize {
    log.iter().filter(|entry| entry.status == 409).count()
}

#[test]
fn two_groups_of_one_policy_are_written_one_after_the_other() {
    let sim = with(policy("p", &["batch", "storage"]), json!({}));
    sim.once(&[]).exits(0);
    let log = sim.log();
    let mut spans = [writes(&log, "batch"), writes(&log, "storage")];
    spans.sort_unstable();
    assert!(spans[0].1 < spans[1].0, "they overlap: {spans:?}");
    assert_eq!((group_writes(&log), refused(&log)), (2, 0), "neither was refused");
    assert_eq!((sim.members("batch").len(), sim.members("storage").len()), (4, 3));
    // The running controller does the same.
    let running = sim.controller(&[]);
    sim.publish(&groups_week(2, 0..7, 0..9));
    sim.ask_feed();
    running.wait_until("both groups", || sim.members("batch").len() == 7 && sim.members("storage").len() == 9);
    running.terminate();
    assert_eq!((group_writes(&sim.log()), refused(&sim.log())), (4, 0));
}

#[test]
fn more_groups_of_one_policy_than_are_looked_at_together_wait_for_their_turn() {
    let names: Vec<String> = (0..40).map(|n| format!("g{n}")).collect();
    let groups: Vec<Value> = names.iter().map(|name| marked(name, &[])).collect();
    let of_policy = policy("p", &names.iter().map(String::as_str).collect::<Vec<_>>());
    let latencies = json!({"latencies": {"attachedFirewall": ["20s", "30s"]}});
    let sim = Sim::with_groups_in(groups.into_iter().chain(of_policy).collect(), latencies);
    sim.ask_groups(&names.iter().map(|name| asked(name, "Storage")).collect::<Vec<_>>(), json!({}));
    sim.once(&[]).exits(0);
    let log = sim.log();
    assert_eq!((group_writes(&log), refused(&log)), (40, 0));
    for name in &names {
        assert_eq!(sim.members(name).len(), 3, "{name}");
        // Planned, looked at before the write, read back: whoever waits does not begin anew.
        assert_eq!(group_counts(&log, name).0, 3, "{name}");
    }
}

#[test]
fn groups_that_nothing_connects_are_written_side_by_side() {
    let users = policy("p", &["batch"]).into_iter().chain(policy("q", &["storage"])).collect();
    let sim = with(users, json!({}));
    sim.once(&[]).exits(0);
    let log = sim.log();
    let mut spans = [writes(&log, "batch"), writes(&log, "storage")];
    spans.sort_unstable();
    assert!(spans[0].1 > spans[1].0, "one waits for the other: {spans:?}");
}

/// How many writes had begun when the first firewall was looked at after the write that changed it.
fn begun_before_one_ended(log: &[LogEntry]) -> usize {
    let is_look_back = |entry: &LogEntry| entry.method == "GET" && entry.url.contains("/azureFirewalls/");
    let first_write = log.iter().position(|entry| entry.method == "PUT").expect("a write");
    let mut written = BTreeSet::new();
    for entry in &log[first_write..] {
        let url = entry.url.split('?').next().unwrap_or_default();
        let number = url.rsplit('-').next().unwrap_or_default().to_owned();
        if entry.method == "PUT" {
            written.insert(number);
        } else if is_look_back(entry) && written.contains(&number) {
            break;
        }
    }
    written.len()
}

/// The same in another subscription, whose budget of requests is its own: what waits here asks five hundred times as often
/// as it would.
fn in_subscription(n: usize, value: &Value) -> Value {
    let own = TABLE.split('/').nth(2).unwrap();
    serde_json::from_str(&value.to_string().replace(own, &format!("00000000-0000-0000-0000-{n:012}"))).unwrap()
}

#[test]
fn who_only_waits_for_firewalls_keeps_nobody_from_starting() {
    let resources = (0..40).flat_map(|n| {
        let (name, firewall) = (format!("g-{n}"), format!("fw-{n}"));
        [marked(&name, &[]), classic(&firewall, &[group_id(&name)], json!({}))].map(|value| in_subscription(n, &value))
    });
    let sim = Sim::with_groups_in(resources.collect(), json!({}));
    let wanted = (0..40).map(|n| in_subscription(n, &asked(&format!("g-{n}"), "Storage")));
    sim.ask_groups(&wanted.collect::<Vec<_>>(), json!({}));
    // No firewall is done before all of them have begun, however long that takes.
    let under_way = json!({"match": {"method": "GET", "pathContains": "perations/"}, "times": 0, "effect": {"status":
        {"code": 200, "body": {"status": "InProgress"}, "headers": {"x-ms-retry-after-ms": "500"}}}});
    sim.fault(under_way.clone());
    let running = sim.controller(&["--once"]);
    running.wait_until("all writes", || group_writes(&sim.log()) == 40);
    assert_eq!(begun_before_one_ended(&sim.log()), 40);
    sim.clear_faults();
    let (code, said) = running.end();
    assert_eq!(code, 0, "{said}");
    // The running controller does the same.
    let log = sim.log();
    sim.fault(under_way);
    let running = sim.controller(&[]);
    sim.publish(&groups_week(2, 0..4, 0..9));
    sim.ask_feed();
    running.wait_until("all writes", || group_writes(&sim.log()) == 80);
    assert_eq!(begun_before_one_ended(&sim.log()[log.len()..]), 40);
}

#[test]
fn policies_that_belong_together_have_one_writer() {
    let mut child = policy("child", &["storage"]);
    child[0]["properties"] = json!({"basePolicy": {"id": policy_id("base")}});
    let users = policy("base", &["batch"]).into_iter().chain(child).collect();
    let sim = with(users, json!({}));
    sim.once(&[]).exits(0);
    let log = sim.log();
    let mut spans = [writes(&log, "batch"), writes(&log, "storage")];
    spans.sort_unstable();
    assert!(spans[0].1 < spans[1].0, "they overlap: {spans:?}");
    assert_eq!(refused(&log), 0);
}

#[test]
fn a_firewall_that_failed_after_the_write_is_told_until_it_is_in_order() {
    let sim = with(vec![classic("fw-1", &[group_id("batch")], json!({}))], json!({}));
    sim.once(&[]).exits(0);
    // At rest before the write, and failed after it.
    let failed = classic("fw-1", &[group_id("batch")], json!({"properties": {"provisioningState": "Failed"}}));
    sim.publish(&groups_week(3, 0..7, 0..3));
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/azureFirewalls/fw-1", "nth": 2}, "times": 1,
        "effect": {"status": {"code": 200, "body": failed}}}));
    let ran = sim.once(&[]);
    ran.says(&["fw-1", "AttachedFailed", "is in state Failed after the write"]);
    assert_eq!(sim.members("batch").len(), 7, "the write itself was done");
    // A restart asks again, and so does each run while it is out of order.
    sim.put(failed);
    for _ in 0..2 {
        let (ran, cost) = sim.group_cost("batch", || sim.once(&[]));
        ran.says(&["fw-1", "AttachedFailed"]);
        assert_eq!(cost.1, 0, "nothing is written for it");
    }
    let state = sim.status("ml");
    let target = state["targets"].as_array().unwrap().iter().find(|t| t["id"] == group_id("batch")).unwrap().clone();
    assert_eq!(target["state"], "Failed", "{target}");
    sim.put(classic("fw-1", &[group_id("batch")], json!({})));
    sim.once(&[]).exits(0);
    let from = sim.log().len();
    sim.once(&[]).exits(0);
    let asked = sim.log()[from..].iter().filter(|entry| entry.url.contains("azureFirewalls")).count();
    assert_eq!(asked, 0, "what is in order is not asked about");
}

#[test]
fn a_firewall_that_failed_while_amlnet_was_killed_is_told_by_the_next_run() {
    let sim = with(vec![classic("fw-1", &[group_id("batch")], json!({}))], json!({}));
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/azureFirewalls/fw-1", "nth": 2}, "times": 0,
        "effect": "withhold"}));
    let running = sim.controller(&["--once"]);
    let firewall = |entry: &LogEntry| entry.method == "GET" && entry.url.contains("/azureFirewalls/fw-1");
    running.wait_until("the look after the write", || sim.log().iter().filter(|entry| firewall(entry)).count() == 2);
    running.kill();
    sim.clear_faults();
    sim.put(classic("fw-1", &[group_id("batch")], json!({"properties": {"provisioningState": "Failed"}})));
    let (ran, cost) = sim.group_cost("batch", || sim.once(&[]));
    assert_eq!((cost.1, sim.members("batch").len()), (0, 4), "the write was done before");
    ran.says(&["fw-1", "AttachedFailed"]);
    sim.put(classic("fw-1", &[group_id("batch")], json!({})));
    sim.once(&[]).exits(0);
}

#[test]
fn a_group_that_azure_failed_to_write_takes_its_firewall_along_and_both_come_back() {
    let sim = with(policy("p", &["batch"]), json!({}));
    sim.once(&[]).exits(0);
    sim.publish(&groups_week(2, 0..6, 0..3));
    sim.fault(json!({"match": {"method": "PUT", "pathContains": "/ipGroups/batch"},
        "effect": {"ipGroupsUpdateFailed": {"failsAttached": true}}}));
    let first = sim.once(&[]);
    assert_ne!(first.code, 0, "{}", first.all());
    sim.once(&[]).exits(0);
    assert_eq!(sim.members("batch").len(), 6);
    for id in [policy_id("p"), firewall_id("fw-p"), group_id("batch")] {
        assert_eq!(sim.resource(&id)["properties"]["provisioningState"], "Succeeded", "{id}");
    }
}

#[test]
fn while_a_firewall_is_updating_nothing_is_written() {
    let sim = with(vec![classic("fw-1", &[group_id("batch")], json!({}))], json!({}));
    let updating = classic("fw-1", &[group_id("batch")], json!({"properties": {"provisioningState": "Updating"}}));
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/azureFirewalls/fw-1"}, "times": 0,
        "effect": {"status": {"code": 200, "body": updating}}}));
    let running = sim.controller(&[]);
    running.wait_until("the other group", || sim.members("storage").len() == 3);
    running.wait_until("that it says so", || running.log().contains("fw-1 is being updated"));
    assert_eq!(sim.members("batch").len(), 1);
    sim.clear_faults();
    running.wait_until("the end of the wait", || sim.members("batch").len() == 4);
}

#[test]
fn a_firewall_that_may_not_be_read_is_warned_of() {
    let sim = with(policy("p", &["batch"]), json!({}));
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/azureFirewalls/"}, "times": 0,
        "effect": {"status": {"code": 403, "body": {"error": {"code": "AuthorizationFailed", "message": "may not"}}}}}));
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/firewallPolicies/"}, "times": 0,
        "effect": {"status": {"code": 403, "body": {"error": {"code": "AuthorizationFailed", "message": "may not"}}}}}));
    let ran = sim.once(&[]).exits(0);
    ran.says(&["whether it is in order after a write is not known", "WARN"]);
    assert_eq!(sim.members("batch").len(), 4);
}

#[test]
fn more_groups_than_a_classic_firewall_supports_block() {
    let names: Vec<String> = (0..200).map(|n| group_id(&format!("other-{n}"))).chain([group_id("batch")]).collect();
    let sim = with(vec![], json!({"limits": {"ipGroupsPerFirewall": 500}}));
    sim.put(classic("fw-1", &names, json!({})));
    sim.once(&[]).exits(3).says(&["blocked, Capacity", "firewall fw-1 name 201 IP groups, 200 are supported"]);
    assert_eq!((sim.members("batch").len(), sim.members("storage").len()), (1, 3));
    sim.put(classic("fw-1", &names[1..], json!({})));
    sim.once(&[]).exits(0);
    assert_eq!(sim.members("batch").len(), 4);
}

#[test]
fn what_uses_a_group_is_asked_only_when_it_is_written() {
    let sim = with(policy("p", &["batch", "storage"]), json!({}));
    sim.once(&[]).exits(0).says(&["nothing to do"]);
    let from = sim.log().len();
    let ran = sim.once(&[]).exits(0);
    assert!(!ran.all().contains("NotUsed"), "{}", ran.all());
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for entry in &sim.log()[from..] {
        if entry.server == armsim::model::log::Server::Arm {
            *asked.entry(format!("{} {}", entry.method, entry.url.split('?').next().unwrap())).or_default() += 1;
        }
    }
    assert_eq!(asked.len(), 2, "one look at each group: {asked:?}");
}
