//! Every fault at the first writes of an IP group, a rule collection group and a security rule, and a crash at every
//! answer; `run --once` is repeated as a user's scheduler would.

use armsim::model::log::Server;
use serde_json::{Value, json};

use crate::campaign::side_by_side;
use crate::campaign_each::{At, faults};
use crate::campaign_rules::{Seat, Week, all_writes, assert_ended, rules_world};
use crate::harness::{Sim, wait_until};

/// Of each place when nothing goes wrong: one body each, two rules and the one that is taken away.
const WRITES: [usize; 3] = [1, 1, 3];

fn first() -> Week {
    Week::new(0..4, 0..3)
}

/// Runs until a run has nothing left to do; at most `most` runs do something.
#[track_caller]
fn run_until_done(what: &str, sim: &Sim, most: usize) {
    for run in 0..=most {
        let before = all_writes(sim);
        let ran = sim.once(&[]);
        if ran.code == 0 && all_writes(sim) == before {
            return;
        }
        assert!(run < most, "{what}: it is not done after {most} runs:\n{}", ran.all());
    }
}

/// Where a fault strikes in a place.
fn strikes(at: At, seat: Seat) -> Vec<Value> {
    match (at, seat) {
        (At::Write, Seat::Security) => vec![
            json!({"method": "PUT", "pathContains": seat.path(), "nth": 1}),
            json!({"method": "DELETE", "pathContains": seat.path(), "nth": 1}),
        ],
        (At::Write, _) => vec![json!({"method": "PUT", "pathContains": seat.path(), "nth": 1})],
        (At::Poll, Seat::Security) => vec![json!({"method": "GET", "pathContains": "/operations/", "nth": 1})],
        // Both are of the second back end: one is met at its first look, the other at a later one.
        (At::Poll, Seat::Group) => vec![json!({"method": "GET", "pathContains": "/nfvOperations/", "nth": 1})],
        (At::Poll, Seat::Policy) => vec![json!({"method": "GET", "pathContains": "/nfvOperations/", "nth": 4})],
    }
}

#[test]
fn campaign_of_every_fault_at_every_kind_of_rules() {
    let mut all: Vec<(String, At, Value, usize)> =
        faults().into_iter().map(|fault| (fault.name.to_owned(), fault.at, fault.effect, *fault.put.end())).collect();
    for fails_attached in [false, true] {
        for (name, effect) in [
            ("a group that fails", json!({"ipGroupsUpdateFailed": {"failsAttached": fails_attached}})),
            ("a policy that fails", json!({"firewallPolicyUpdateFailed": {"failsAttached": fails_attached}})),
        ] {
            all.push((format!("{name}, {fails_attached}"), At::Write, effect, 1));
        }
    }
    side_by_side(&all, |(name, at, effect, extra)| {
        let sim = rules_world(&first());
        for seat in Seat::ALL {
            let is_meant = match name.split(',').next() {
                Some("a group that fails") => seat == Seat::Group,
                Some("a policy that fails") => seat == Seat::Policy,
                _ => true,
            };
            for matching in strikes(*at, seat).into_iter().filter(|_| is_meant) {
                sim.fault(json!({"match": matching, "effect": effect}));
            }
        }
        run_until_done(name, &sim, 3);
        assert_ended(&sim, &first(), &[]);
        for ((seat, writes), usual) in Seat::ALL.into_iter().zip(all_writes(&sim)).zip(WRITES) {
            let struck = strikes(*at, seat).len();
            let bound = usual..=usual + extra * struck;
            assert!(bound.contains(&writes), "{name}, {seat:?}: {writes} writes, {bound:?} are allowed");
        }
    });
}

#[test]
fn campaign_of_a_crash_at_every_answer_about_rules() {
    let calm = rules_world(&first());
    calm.once(&[]).exits(0);
    let answers: Vec<usize> = (1..=calm.log_of(Server::Arm).len()).collect();
    assert!(answers.len() > 20 && all_writes(&calm) == WRITES, "{} answers", answers.len());
    side_by_side(&answers, |nth| {
        let sim = rules_world(&first());
        sim.fault(json!({"match": {"server": "arm", "nth": nth}, "effect": "withhold"}));
        let crashing = sim.controller(&["--once"]);
        let arm = || sim.log_of(Server::Arm).len();
        wait_until("the answer that is withheld, or the end", || arm() >= *nth || crashing.log().contains(" to add, "));
        // SIGKILL.
        drop(crashing);
        // A calm run may look at its operations less often.
        sim.clear_faults();
        run_until_done("a crash", &sim, 2);
        assert_ended(&sim, &first(), &[]);
        // What was done is seen: a crash costs no write.
        assert_eq!(all_writes(&sim), WRITES);
    });
}
