//! Every fault at every step of a plan of twenty steps, and a crash at every answer.
//!
//! One table a step, each in a subscription of its own, so that one run meets a fault at all twenty steps; `run --once`
//! is repeated as a user's scheduler would. A bound on extra writes is a number of writes beyond the twenty.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Mutex;

use armsim::model::log::{LogEntry, Server};
use serde_json::{Value, json};

use crate::campaign::{
    ADDITIONS, DEFAULT, PUTS, STEPS, after_twenty_steps, assert_ended, own_name, side_by_side, subscription, table,
    twenty_steps,
};
use crate::harness::{Counts, Sim, central, east, route, wait_until};

/// Where a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The write of a step.
    Write,
    /// The first look at the operation that it started.
    Poll,
}

/// A fault and what it may cost: extra writes where it strikes an addition or a change, and where it strikes a removal.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) at: At,
    pub(crate) effect: Value,
    pub(crate) put: RangeInclusive<usize>,
    pub(crate) delete: RangeInclusive<usize>,
    /// How many runs it takes until all is done.
    pub(crate) runs: usize,
}

const ONE: RangeInclusive<usize> = 1..=1;
const NONE: RangeInclusive<usize> = 0..=0;

fn status(code: u16, name: &str) -> Value {
    let body = json!({"error": {"code": name, "message": "not now"}});
    json!({"status": {"code": code, "body": body, "headers": {"x-ms-retry-after-ms": "20"}}})
}

fn fails(code: &str) -> Value {
    json!({"failOperation": {"code": code, "message": "it broke"}})
}

/// What amlnet repeats within the run: one write more for an addition. A removal is never repeated blindly: the table is
/// read again first, which a failure leaves to the next run.
fn repeated(name: &'static str, effect: Value, runs: usize) -> Fault {
    Fault { name, at: At::Write, effect, put: ONE, delete: ONE, runs }
}

pub(crate) fn faults() -> Vec<Fault> {
    let lock = json!({"code": "RetryableErrorDueToAnotherOperation", "message": "Retry in 14 seconds."});
    let busy = json!({"status": {"code": 429, "headers": {"x-ms-retry-after-ms": "20"},
        "body": {"error": {"code": "RetryableError", "message": "A retryable error occurred.", "details": [lock]}}}});
    let page = json!({"status": {"code": 502, "body": "<html>a proxy</html>", "headers": {"retry-after-ms": "20"}}});
    let throttle = json!({"throttle": {"retryAfter": 10}});
    let on_poll = |name, effect, runs| Fault { name, at: At::Poll, effect, put: NONE, delete: NONE, runs };
    let on_write = |name, effect, put, delete, runs| Fault { name, at: At::Write, effect, put, delete, runs };
    vec![
        repeated("429 another operation", busy.clone(), 1),
        repeated("429 throttled", throttle.clone(), 1),
        repeated("409 another operation", status(409, "AnotherOperationInProgress"), 1),
        repeated("500", status(500, "InternalServerError"), 2),
        repeated("502 with a page of a proxy", page, 2),
        repeated("503 with a page of Azure", json!("html503"), 2),
        repeated("504", status(504, "GatewayTimeout"), 2),
        repeated("401", status(401, "ExpiredAuthenticationToken"), 1),
        repeated("403", status(403, "AuthorizationFailed"), 2),
        repeated("409 locked", status(409, "ScopeLocked"), 2),
        repeated("409 of a kind nobody knows", status(409, "Conflict"), 1),
        repeated("412", status(412, "PreconditionFailed"), 1),
        repeated("400 conflict", status(400, "RouteConflict"), 1),
        repeated("400 of a kind nobody knows", status(400, "Strange"), 2),
        repeated("dropped before", json!("dropBefore"), 2),
        on_write("dropped after commit", json!("dropAfterCommit"), ONE, NONE, 2),
        on_write("slow", json!({"slow": {"ms": 100}}), NONE, NONE, 1),
        repeated("failed operation", fails("InternalServerError"), 2),
        repeated("superseded operation", fails("CanceledAndSupersededDueToAnotherOperation"), 1),
        on_write("lost operation", json!("lostOperation"), NONE, NONE, 1),
        on_poll("poll throttled", throttle, 1),
        on_poll("poll refused for another operation", busy, 1),
        on_poll("poll with a page of Azure", json!("html503"), 1),
        on_poll("poll 401", status(401, "ExpiredAuthenticationToken"), 1),
        on_poll("poll 403", status(403, "AuthorizationFailed"), 2),
        on_poll("poll dropped", json!("dropBefore"), 1),
        on_poll(
            "poll 200 without a status",
            json!({"status": {"code": 200, "body": {"x": 1}, "headers": {"retry-after-ms": "5"}}}),
            1,
        ),
    ]
}

/// The write of step number `step`, from 0.
fn write_of(step: usize, table_id: &str) -> Value {
    let (method, nth) = if step < PUTS { ("PUT", step + 1) } else { ("DELETE", step - PUTS + 1) };
    json!({"method": method, "pathContains": format!("{table_id}/routes/"), "nth": nth})
}

fn expected(tables: usize) -> Vec<BTreeMap<String, (String, String)>> {
    vec![after_twenty_steps(); tables]
}

/// Runs until a run has nothing left to do, which it says with `code`; at most `most` runs do something.
#[track_caller]
fn run_until_done(what: &str, sim: &Sim, tables: usize, most: usize, code: i32) {
    for run in 0..=most {
        let before = writes(sim, tables);
        let ran = sim.once(&[]);
        if ran.code == code && writes(sim, tables) == before {
            return;
        }
        assert!(run < most, "{what}: it is not done after {most} runs:\n{}", ran.all());
    }
}

/// Writes so far, by table. Only routes of the tables are ever written.
fn writes(sim: &Sim, tables: usize) -> Vec<usize> {
    let log: Vec<LogEntry> = sim.log_of(Server::Arm).into_iter().filter(|entry| entry.method != "GET").collect();
    let counts: Vec<Counts> = (0..tables).map(|n| Counts::of(&log, &table(n))).collect();
    assert!(counts.iter().all(|counts| counts.other == 0), "{counts:?}");
    counts.into_iter().map(Counts::writes).collect()
}

#[track_caller]
fn assert_all_ended(sim: &Sim, expected: &[BTreeMap<String, (String, String)>]) {
    for (n, expected) in expected.iter().enumerate() {
        assert_ended(sim, &table(n), expected);
    }
}

#[test]
fn campaign_of_every_fault_at_every_step() {
    side_by_side(&faults(), |fault| {
        let sim = twenty_steps(STEPS);
        for step in 0..STEPS {
            let matching = match fault.at {
                At::Write => write_of(step, &table(step)),
                At::Poll => json!({"method": "GET", "nth": step + 1,
                    "pathContains": format!("{}/providers/Microsoft.Network/locations/eastus2/operations/", subscription(step))}),
            };
            sim.fault(json!({"match": matching, "effect": fault.effect}));
        }
        run_until_done(fault.name, &sim, STEPS, fault.runs, 0);
        assert_all_ended(&sim, &expected(STEPS));
        for (step, writes) in writes(&sim, STEPS).into_iter().enumerate() {
            let bound = if step < PUTS { &fault.put } else { &fault.delete };
            let extra = writes.checked_sub(STEPS).unwrap_or_else(|| panic!("step {step}: only {writes} writes"));
            assert!(bound.contains(&extra), "step {step}: {extra} extra writes, {bound:?} are allowed");
        }
    });
}

/// Requests about one table when nothing goes wrong: the table, its limits and the pairs; twenty writes with a look at
/// each; the canary, the look before the default route, a look before each removal, and the last look.
const ANSWERS: usize = 3 + 2 * STEPS + 2 + (STEPS - PUTS) + 1;
/// As many tables as amlnet works on at the same time.
const AT_ONCE: usize = 8;

#[test]
fn campaign_of_a_crash_at_every_answer() {
    let answers: Vec<usize> = (1..=ANSWERS).collect();
    let jobs: Vec<&[usize]> = answers.chunks(AT_ONCE).collect();
    side_by_side(&jobs, |answers| {
        let sim = twenty_steps(answers.len());
        for (n, nth) in answers.iter().enumerate() {
            let matching = json!({"pathContains": subscription(n), "nth": nth});
            sim.fault(json!({"match": matching, "effect": "withhold"}));
        }
        let crashing = sim.controller(&["--once"]);
        wait_until("all answers that are withheld", || {
            let asked = requests(&sim.log(), answers.len());
            asked.iter().zip(*answers).all(|(asked, nth)| asked >= nth)
        });
        assert_eq!(requests(&sim.log(), answers.len()), *answers, "nothing is sent while an answer is awaited");
        // SIGKILL.
        drop(crashing);
        // What was done is seen: a crash costs no write.
        run_until_done("a crash", &sim, answers.len(), 1, 0);
        assert_all_ended(&sim, &expected(answers.len()));
        assert_eq!(writes(&sim, answers.len()), vec![STEPS; answers.len()]);
    });
}

/// Requests of all methods, by table.
fn requests(log: &[LogEntry], tables: usize) -> Vec<usize> {
    let of = |n| log.iter().filter(|entry| entry.url.starts_with(&subscription(n))).count();
    (0..tables).map(of).collect()
}

#[test]
fn campaign_of_a_crash_before_anything_is_read() {
    let answers = [
        ("login", Server::Login, 1),
        ("downloadPage", Server::DownloadPage, 1),
        ("downloadPage", Server::DownloadPage, 2),
    ];
    side_by_side(&answers, |(name, server, nth)| {
        let sim = twenty_steps(1);
        sim.fault(json!({"match": {"server": name, "nth": nth}, "effect": "withhold"}));
        let crashing = sim.controller(&["--once"]);
        wait_until("the answer that is withheld", || sim.log_of(*server).len() == *nth);
        drop(crashing);
        run_until_done("a crash", &sim, 1, 1, 0);
        assert_all_ended(&sim, &expected(1));
        assert_eq!(writes(&sim, 1), [STEPS]);
    });
}

/// What somebody else does to a table while a write of amlnet is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    AddsHisOwn,
    ChangesHisOwn,
    /// Another next hop for the route that amlnet wrote last.
    ChangesOurs,
    RemovesOurs,
    /// A route of his own for the prefix that comes next, as amlnet would have it.
    TakesTheNext,
    /// The same with another next hop: a conflict.
    TakesTheNextElsewhere,
}

/// The prefix of a step, from 0, among those that add or change.
fn prefix_of(step: usize) -> String {
    match step {
        0..6 => east(4 + step),
        6..ADDITIONS => central(step - 6),
        ADDITIONS..16 => east(step - ADDITIONS),
        _ => DEFAULT.to_owned(),
    }
}

impl Deed {
    const ALL: [Self; 6] = [
        Self::AddsHisOwn,
        Self::ChangesHisOwn,
        Self::ChangesOurs,
        Self::RemovesOurs,
        Self::TakesTheNext,
        Self::TakesTheNextElsewhere,
    ];

    /// Does it on table `step` while the write of that step is on its way; says what becomes of `expected`.
    fn on(self, sim: &Sim, step: usize, expected: &mut BTreeMap<String, (String, String)>) {
        let put = |name: &str, prefix: &str, hop: &str| {
            let mut resource = route(name, prefix, hop);
            resource["id"] = json!(format!("{}/routes/{name}", table(step)));
            sim.put(resource);
        };
        let mut theirs = |name: &str, prefix: &str, hop: &str| {
            put(name, prefix, hop);
            expected.insert(prefix.to_owned(), (name.to_owned(), hop.to_owned()));
        };
        let last = prefix_of(step.saturating_sub(1).min(PUTS - 2));
        let next = step + 1;
        // What is changed or removed cannot be taken.
        let can_be_taken = next < ADDITIONS || next == PUTS - 1;
        match self {
            Self::AddsHisOwn => theirs("new", "10.40.0.0/16", "VnetLocal"),
            Self::ChangesHisOwn => theirs("proxy", "10.30.0.0/16", "VirtualAppliance 10.0.1.99"),
            Self::ChangesOurs => put(&own_name(&last), &last, "VirtualAppliance 10.0.6.6"),
            Self::RemovesOurs => sim.delete(&format!("{}/routes/{}", table(step), own_name(&last))),
            Self::TakesTheNext | Self::TakesTheNextElsewhere if can_be_taken => {
                let prefix = prefix_of(next);
                let as_wanted = if next < ADDITIONS { "Internet" } else { "VirtualAppliance 10.0.1.4" };
                let hop = if self == Self::TakesTheNext { as_wanted } else { "None" };
                theirs("mine", &prefix, hop);
            }
            Self::TakesTheNext | Self::TakesTheNextElsewhere => {}
        }
    }

    /// How many writes more than twenty it may cost: what he undid is done again, once. What he did before amlnet came
    /// to it costs nothing, or spares a write.
    fn bound(self) -> RangeInclusive<usize> {
        match self {
            Self::AddsHisOwn | Self::ChangesHisOwn => STEPS..=STEPS,
            Self::ChangesOurs | Self::RemovesOurs => STEPS..=STEPS + 1,
            Self::TakesTheNext | Self::TakesTheNextElsewhere => STEPS - 1..=STEPS,
        }
    }

    fn code(self) -> i32 {
        if self == Self::TakesTheNextElsewhere { 3 } else { 0 }
    }
}

#[test]
fn campaign_of_another_writer_between_two_steps() {
    side_by_side(&Deed::ALL, |deed| {
        let sim = twenty_steps(STEPS);
        for step in 0..STEPS {
            sim.fault(json!({"match": write_of(step, &table(step)), "effect": {"hold": {"key": table(step)}}}));
        }
        let expected = Mutex::new(expected(STEPS));
        std::thread::scope(|scope| {
            let run = scope.spawn(|| sim.once(&[]));
            let mut done = [false; STEPS];
            wait_until("all deeds", || {
                let reached = writes(&sim, STEPS);
                for step in (0..STEPS).filter(|step| reached[*step] > *step) {
                    if !std::mem::replace(&mut done[step], true) {
                        deed.on(&sim, step, &mut expected.lock().unwrap()[step]);
                        sim.release(&table(step));
                    }
                }
                done.iter().all(|done| *done)
            });
            run.join().unwrap();
        });
        run_until_done("another writer", &sim, STEPS, 1, deed.code());
        assert_all_ended(&sim, &expected.into_inner().unwrap());
        for (step, writes) in writes(&sim, STEPS).into_iter().enumerate() {
            assert!(deed.bound().contains(&writes), "step {step}: {writes} writes, {:?} are allowed", deed.bound());
        }
    });
}
