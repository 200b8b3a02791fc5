//! Security rules on a bad day: every fault at every write of a plan, a crash at every answer, other writers between
//! two. The group ends right, nothing that is needed was ever missing, nothing foreign changed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::campaign::{side_by_side, subscription};
use crate::campaign_each::{At, faults};
use crate::harness::security::{
    asked, assert_rules_clean, by_prefixes, group, nsg, of_nsgs, of_others, one_rule, rules_week, told,
};
use crate::harness::{Sim, east, feed, merge, wait_until};

/// Five rules are written, the last of which also loses something; then two go.
const PUTS: usize = 5;
const WRITES: usize = PUTS + 2;
/// As many groups as amlnet works on at the same time.
const AT_ONCE: usize = 8;

/// A group in a subscription of its own, so that what is asked about it can be told from the rest.
fn group_of(number: usize) -> String {
    nsg().replace("/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590", &subscription(number))
}

fn tag(name: &str, tag: &str, ports: &[u16]) -> Value {
    let ports: Vec<Value> = ports.iter().map(|port| json!({"protocol": "TCP", "port": port})).collect();
    json!({"name": name, "serviceTag": tag, "ports": ports})
}

fn spec(groups: usize, additional: &[Value]) -> Value {
    let asked: Vec<Value> = (0..groups).map(|n| asked("", json!({"id": group_of(n)}))).collect();
    of_nsgs(&asked, one_rule(json!({"spec": {"outbound": {"additional": additional}}})))
}

/// Groups in which seven writes are to be done: two rules come, one gets another port, one was made to deny, one gets
/// prefixes and loses others, two go.
fn seven_writes(groups: usize) -> Sim {
    let resource = |number: usize| {
        let mut group = group("nsg-ml", &[of_others("theirs", 2001, json!({})), of_others("ssh", 100, json!({}))]);
        group["id"] = json!(group_of(number));
        group
    };
    let sim = Sim::with_nsgs((0..groups).map(resource).collect(), json!({}));
    sim.objects("feed.yaml", &[feed(&sim.page(), json!({}))]);
    let (a, z) = (tag("a", "Storage", &[443]), tag("z", "AzureMonitor", &[443]));
    let before = [a, by_prefixes(), tag("old-1", "Storage", &[80]), tag("old-2", "AzureMonitor", &[80]), z.clone()];
    sim.objects("ml.yaml", &[spec(groups, &before)]);
    sim.once(&[]).exits(0);
    for number in 0..groups {
        let id = group_of(number);
        let rules = sim.resource(&id)["properties"]["securityRules"].clone();
        let is_z = |rule: &&Value| rule["name"] == "amlnet.prod.out.additional.z.tcp";
        let mut rule = rules.as_array().unwrap().iter().find(is_z).unwrap().clone();
        merge(&mut rule, &json!({"properties": {"access": "Deny"}}));
        sim.put(rule);
    }
    let after = [
        tag("a", "Storage", &[443, 445]),
        by_prefixes(),
        tag("new-1", "Storage", &[8080]),
        tag("new-2", "AzureMonitor", &[8080]),
        z,
    ];
    sim.objects("ml.yaml", &[spec(groups, &after)]);
    sim.publish_rules(&rules_week(3, 1..6));
    sim
}

/// What stands after the seven writes, theirs too.
fn expected() -> BTreeMap<String, String> {
    let ours = |name: &str, to: &str| {
        (format!("amlnet.prod.out.additional.{name}"), format!("Outbound Allow Tcp 10.1.0.0/24 -> {to}"))
    };
    let ml: Vec<String> = (1..6).map(east).collect();
    let theirs = |name: &str| (name.to_owned(), "Outbound Allow Tcp 10.7.0.0/24 -> 10.8.0.0/24:22".to_owned());
    BTreeMap::from([
        ours("a.tcp", "Storage:443,445"),
        ours("ml-region.eastus2.tcp-ip", &format!("{}:443", ml.join(","))),
        ours("new-1.tcp", "Storage:8080"),
        ours("new-2.tcp", "AzureMonitor:8080"),
        ours("z.tcp", "AzureMonitor:443"),
        theirs("theirs"),
        theirs("ssh"),
    ])
}

#[track_caller]
fn assert_all_ended(sim: &Sim, groups: usize, more: &BTreeMap<String, String>) {
    for number in 0..groups {
        let states = sim.security_states(&group_of(number));
        let last = states.last().unwrap().entries.iter().map(|rule| (rule.name.clone(), told(rule)));
        let all: BTreeMap<String, String> = expected().into_iter().chain(more.clone()).collect();
        assert_eq!(last.collect::<BTreeMap<_, _>>(), all, "group {number}");
        assert_rules_clean(&states);
    }
}

/// Writes of rules so far, by group. Only rules are ever written.
fn writes(sim: &Sim, groups: usize) -> Vec<usize> {
    let log = sim.log();
    let written: Vec<_> =
        log.iter().filter(|entry| ["PUT", "DELETE", "PATCH", "POST"].contains(&&*entry.method)).collect();
    let arm: Vec<_> = written.iter().filter(|entry| entry.url.starts_with("/subscriptions/")).collect();
    assert!(arm.iter().all(|entry| entry.url.contains("/securityRules/")), "something else was written");
    (0..groups).map(|n| arm.iter().filter(|entry| entry.url.starts_with(&subscription(n))).count()).collect()
}

/// Runs until a run has nothing left to do; at most `most` runs do something.
#[track_caller]
fn run_until_done(what: &str, sim: &Sim, groups: usize, most: usize) {
    for run in 0..=most {
        let before = writes(sim, groups);
        let ran = sim.once(&[]);
        if ran.code == 0 && writes(sim, groups) == before {
            return;
        }
        assert!(run < most, "{what}: it is not done after {most} runs:\n{}", ran.all());
    }
}

#[test]
fn security_groups_faults_of_every_kind_at_every_write() {
    side_by_side(&faults(), |fault| {
        let sim = seven_writes(WRITES);
        let before = writes(&sim, WRITES);
        for step in 0..WRITES {
            let (method, nth) = if step < PUTS { ("PUT", step + 1) } else { ("DELETE", step - PUTS + 1) };
            let matching = match fault.at {
                At::Write => {
                    json!({"method": method, "pathContains": format!("{}/securityRules/", group_of(step)), "nth": nth})
                }
                At::Poll => json!({"method": "GET", "nth": step + 1,
                    "pathContains": format!("{}/providers/Microsoft.Network/locations/eastus2/operations/", subscription(step))}),
            };
            sim.fault(json!({"match": matching, "effect": fault.effect}));
        }
        run_until_done(fault.name, &sim, WRITES, fault.runs);
        assert_all_ended(&sim, WRITES, &BTreeMap::new());
        for (step, all) in writes(&sim, WRITES).into_iter().enumerate() {
            let bound = if step < PUTS { &fault.put } else { &fault.delete };
            let done = all - before[step];
            let extra = done.checked_sub(WRITES).unwrap_or_else(|| panic!("step {step}: only {done} writes"));
            assert!(bound.contains(&extra), "step {step}: {extra} extra writes, {bound:?} are allowed");
        }
    });
}

#[test]
fn security_groups_faults_of_reads_cost_no_write() {
    let names = ["dropped", "page", "500", "429", "not JSON"];
    side_by_side(&names, |name| {
        let status = |code: u16, body: Value| json!({"status": {"code": code, "body": body}});
        let error = json!({"error": {"code": "TooManyRequests", "message": "not now"}});
        let effect = match *name {
            "dropped" => json!("dropBefore"),
            "page" => json!("html503"),
            "500" => status(500, json!({"error": {"code": "InternalServerError", "message": "not now"}})),
            "429" => json!({"status": {"code": 429, "body": error, "headers": {"retry-after-ms": "20"}}}),
            _ => status(200, json!("<html>a proxy</html>")),
        };
        // The look for the plan, that after the first write, those before the removals, and the last.
        let sim = seven_writes(5);
        let before = writes(&sim, 5);
        for number in 0..5 {
            let path = format!(
                "{}/resourceGroups/rg-ml/providers/Microsoft.Network/networkSecurityGroups/nsg-ml?",
                subscription(number)
            );
            sim.fault(json!({"match": {"method": "GET", "pathContains": path, "nth": number + 1}, "effect": effect}));
        }
        run_until_done(name, &sim, 5, 2);
        assert_all_ended(&sim, 5, &BTreeMap::new());
        let done: Vec<usize> = writes(&sim, 5).iter().zip(before).map(|(now, before)| now - before).collect();
        assert_eq!(done, [WRITES; 5], "{name}");
    });
}

/// Requests of all methods, by group.
fn requests(sim: &Sim, groups: usize) -> Vec<usize> {
    let log = sim.log();
    (0..groups).map(|n| log.iter().filter(|entry| entry.url.starts_with(&subscription(n))).count()).collect()
}

#[test]
fn security_groups_faults_that_kill_at_every_answer() {
    let sim = seven_writes(1);
    let before = requests(&sim, 1)[0];
    sim.once(&[]).exits(0);
    let all: Vec<usize> = (1..=requests(&sim, 1)[0] - before).collect();
    assert!(all.len() >= 2 * WRITES + 4, "{}", all.len());
    let jobs: Vec<&[usize]> = all.chunks(AT_ONCE).collect();
    side_by_side(&jobs, |answers| {
        let groups = answers.len();
        let sim = seven_writes(groups);
        let (before, written) = (requests(&sim, groups), writes(&sim, groups));
        for (number, nth) in answers.iter().enumerate() {
            let matching = json!({"pathContains": subscription(number), "nth": nth});
            sim.fault(json!({"match": matching, "effect": "withhold"}));
        }
        let crashing = sim.controller(&["--once"]);
        wait_until("all answers that are withheld", || {
            let now = requests(&sim, groups);
            (0..groups).all(|number| now[number] - before[number] >= answers[number])
        });
        // SIGKILL.
        crashing.kill();
        run_until_done("a crash", &sim, groups, 1);
        assert_all_ended(&sim, groups, &BTreeMap::new());
        let done: Vec<usize> = writes(&sim, groups).iter().zip(written).map(|(now, before)| now - before).collect();
        assert_eq!(done, vec![WRITES; groups], "what was done is seen: a crash costs no write");
    });
}

/// What somebody else does to a group while a write of amlnet is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    AddsHisOwn,
    /// At the priority that the next new rule of ours would get.
    TakesThePriority,
    DeniesOurs,
    RemovesOurs,
    /// The rule that is to be removed last has another prefix.
    ChangesWhatGoes,
}

const DEEDS: [Deed; 5] =
    [Deed::AddsHisOwn, Deed::TakesThePriority, Deed::DeniesOurs, Deed::RemovesOurs, Deed::ChangesWhatGoes];

impl Deed {
    fn on(self, sim: &Sim, number: usize, more: &mut BTreeMap<String, String>) {
        let rule_id = |name: &str| format!("{}/securityRules/{name}", group_of(number));
        let mut theirs = |priority: u16| {
            let mut rule = of_others("new", priority, json!({}));
            rule["id"] = json!(rule_id("new"));
            sim.put(rule);
            more.insert("new".to_owned(), "Outbound Allow Tcp 10.7.0.0/24 -> 10.8.0.0/24:22".to_owned());
        };
        let change = |name: &str, change: Value| {
            let group = sim.resource(&group_of(number));
            let rules = group["properties"]["securityRules"].as_array().unwrap();
            // It may be gone by now.
            if let Some(rule) = rules.iter().find(|rule| rule["name"] == name) {
                let mut rule = rule.clone();
                merge(&mut rule["properties"], &change);
                sim.put(rule);
            }
        };
        match self {
            Self::AddsHisOwn => theirs(4000),
            Self::TakesThePriority => {
                let group = sim.resource(&group_of(number));
                let rules = group["properties"]["securityRules"].as_array().unwrap();
                let is_free = |priority: &u16| rules.iter().all(|rule| rule["properties"]["priority"] != *priority);
                theirs((2000..2099).find(is_free).unwrap());
            }
            Self::DeniesOurs => change("amlnet.prod.out.additional.a.tcp", json!({"access": "Deny"})),
            Self::RemovesOurs => sim.delete(&rule_id("amlnet.prod.out.additional.a.tcp")),
            Self::ChangesWhatGoes => {
                change("amlnet.prod.out.additional.old-2.tcp", json!({"destinationPortRange": "81"}));
            }
        }
    }
}

#[test]
fn security_groups_faults_by_other_writers_between_two_writes() {
    side_by_side(&DEEDS, |deed| {
        // One group a write, but the last: after it there is nothing to disturb.
        let groups = WRITES - 1;
        let sim = seven_writes(groups);
        let before = writes(&sim, groups);
        for step in 0..groups {
            let (method, nth) = if step < PUTS { ("PUT", step + 1) } else { ("DELETE", step - PUTS + 1) };
            let matching =
                json!({"method": method, "pathContains": format!("{}/securityRules/", group_of(step)), "nth": nth});
            sim.fault(json!({"match": matching, "effect": {"hold": {"key": group_of(step)}}}));
        }
        let mut more = vec![BTreeMap::new(); groups];
        std::thread::scope(|scope| {
            let run = scope.spawn(|| sim.once(&[]));
            let mut done = vec![false; groups];
            wait_until("all deeds", || {
                let reached = writes(&sim, groups);
                for step in (0..groups).filter(|step| reached[*step] - before[*step] > *step) {
                    if !std::mem::replace(&mut done[step], true) {
                        deed.on(&sim, step, &mut more[step]);
                        sim.release(&group_of(step));
                    }
                }
                done.iter().all(|done| *done)
            });
            run.join().unwrap();
        });
        run_until_done("another writer", &sim, groups, 2);
        for (number, more) in more.iter().enumerate() {
            let states = sim.security_states(&group_of(number));
            let last = states.last().unwrap().entries.iter().map(|rule| (rule.name.clone(), told(rule)));
            let all: BTreeMap<String, String> = expected().into_iter().chain(more.clone()).collect();
            assert_eq!(last.collect::<BTreeMap<_, _>>(), all, "group {number}");
            if !matches!(deed, Deed::DeniesOurs | Deed::RemovesOurs) {
                assert_rules_clean(&states);
            }
        }
    });
}

/// Two installations at one group: Azure lets one write at a time. Whoever comes second waits, and both end.
#[test]
fn security_groups_faults_of_two_installations_at_one_group() {
    // Two seconds a write, so that the second comes while the first is at work.
    let sim = Sim::with_nsgs(vec![group("nsg-ml", &[])], json!({"latencies": {"securityRule": "1000s"}}));
    let three = [tag("a", "Storage", &[443]), by_prefixes(), tag("z", "AzureMonitor", &[443])];
    sim.ask_nsg(one_rule(json!({"spec": {"outbound": {"additional": three}}})));
    let first = sim.controller(&["--once"]);
    first.wait_until("its first write", || sim.log().iter().any(|entry| entry.url.contains("/securityRules/")));
    let mut other = sim.command(&["run", "--dir", "dir", "--state", "other", "--once"]);
    other.env("AMLNET_INSTALLATION_ID", "second");
    sim.ran(other).exits(0);
    let of = |id: &str| {
        let states = sim.security_states(&nsg());
        let ours = format!("amlnet.{id}.");
        states.last().unwrap().entries.iter().filter(|rule| rule.name.starts_with(&ours)).count()
    };
    first.wait_until("all of both", || (of("prod"), of("second")) == (3, 3));
    drop(first);
    sim.once(&[]).exits(0);
    sim.assert_nothing_to_do("at the end");
}
