//! Rules of a Network's status: conditions, when times move, when a generation counts as seen, what is cut.

use super::super::intent::Mode;
use super::super::memory::TargetMemory;
use super::super::outcome::Failure;
use super::super::plan::{BlockedReason, Conflict, Limits, Observed};
use super::super::scope::Scopes;
use super::super::testing::{address, contribution, guarded, input, installation, key, observed, table_id, unresolved};
use super::*;

const WANTED: [(&str, &str); 1] = [("20.1.0.0/26", "Internet")];
const OURS: (&str, &str, &str) = ("amlnet.prod.20.1.0.0_26", "20.1.0.0/26", "Internet");
const OLD: (&str, &str, &str) = ("amlnet.prod.20.9.0.0_26", "20.9.0.0/26", "Internet");
const FOREIGN: (&str, &str, &str) = ("theirs", "20.1.0.0/26", "None");

fn wants() -> Contribution {
    contribution("ml", &WANTED)
}

fn outcome(contributions: Vec<Contribution>, observed: &Observed, end: End) -> Outcome {
    let input = input(contributions);
    let seen = input.contributions.iter().map(|c| (c.network.clone(), c.generation)).collect();
    let plan = guarded(&input, observed, Limits::DEFAULT);
    Outcome { plan, applied: Vec::new(), end, seen, memory: TargetMemory::default() }
}

fn in_sync() -> Outcome {
    outcome(vec![wants()], &observed(&[OURS]), End::Applied)
}

fn failure() -> Failure {
    Failure { code: "Boom".into(), message: "it broke".into(), advice: "mend it", correlation_id: None }
}

fn subject(outcomes: &[Option<Outcome>]) -> Subject {
    let row = |(n, outcome): (usize, &Option<Outcome>)| (table_id(&format!("rt{n}")), wants(), outcome.clone());
    Subject::Valid(outcomes.iter().enumerate().map(row).collect())
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn projected(subject: &Subject, generation: i64, old: Option<&NetworkStatus>, now: i64) -> NetworkStatus {
    project(&installation(), &key("ml"), generation, subject, old, at(now))
}

/// The conditions that are true, and the reason that they and Ready give. A false one but Ready says nothing more.
fn summary(status: &NetworkStatus) -> (Vec<&'static str>, String) {
    assert_eq!(status.conditions.iter().map(|c| c.kind).collect::<Vec<_>>(), ConditionType::ALL);
    let reason = status.conditions[0].reason.clone();
    for c in &status.conditions {
        let explains = c.status || c.kind == ConditionType::Ready;
        let expected =
            if explains { (reason.as_str(), status.conditions[0].message.as_str()) } else { ("AsExpected", "") };
        assert_eq!((c.reason.as_str(), c.message.as_str()), expected, "{}", c.kind.name());
    }
    (status.conditions.iter().filter(|c| c.status).map(|c| c.kind.name()).collect(), reason)
}

fn held(mode: Mode) -> Outcome {
    outcome(vec![Contribution { mode, ..wants() }], &observed(&[]), End::Planned)
}

fn retired() -> Outcome {
    let removal = super::super::intent::Removal { hold_seconds: 1, ..wants().removal };
    outcome(vec![Contribution { removal, ..wants() }], &observed(&[OURS, OLD]), End::Applied)
}

#[test]
fn conditions_follow_the_worst_target() {
    let wait = |seconds| End::Waiting { why: "somebody else writes".into(), seconds };
    let blocked = End::Blocked { reason: BlockedReason::Locked, failure: failure() };
    let conflict = || outcome(vec![wants()], &observed(&[FOREIGN]), End::Applied);
    let unknown = || outcome(vec![unresolved("ml")], &observed(&[]), End::Planned);
    let ready: &[&str] = &["Ready"];
    let working: &[&str] = &["Reconciling"];
    for (outcomes, holding, reason) in [
        (vec![], ready, "NoTarget"),
        (vec![Some(in_sync())], ready, "InSync"),
        (vec![Some(retired())], ready, "RemovalsHeld"),
        (vec![Some(held(Mode::Observe))], ready, "ChangesHeld"),
        (vec![None], working, "Pending"),
        (vec![Some(in_sync()), None], working, "Pending"),
        (vec![Some(held(Mode::Sync))], working, "Pending"),
        (vec![Some(outcome(vec![wants()], &observed(&[]), wait(Some(30))))], working, "Waiting"),
        (vec![Some(outcome(vec![wants()], &observed(&[]), End::Failed(failure())))], working, "Failed"),
        (vec![Some(conflict())], &["Blocked"], "Conflict"),
        (vec![Some(in_sync()), Some(conflict())], &["Blocked"], "Conflict"),
        (vec![Some(conflict()), None], working, "Pending"),
        (vec![Some(unknown())], &["Stalled", "Blocked"], "Unresolved"),
        (vec![None, Some(outcome(vec![wants()], &observed(&[]), blocked))], &["Stalled", "Blocked"], "Locked"),
    ] {
        let found = summary(&projected(&subject(&outcomes), 1, None, 0));
        assert_eq!(found, (holding.to_vec(), reason.to_owned()));
    }
    let invalid = projected(&Subject::Invalid("region: missing".into()), 1, None, 0);
    assert_eq!(summary(&invalid), (vec!["Stalled", "Blocked"], "InvalidSpec".to_owned()));
    assert_eq!(invalid.conditions[0].message, "region: missing");
}

#[test]
fn every_target_has_a_state_and_says_why() {
    let table = |end| outcome(vec![wants()], &observed(&[]), end);
    let shared = || outcome(vec![wants(), unresolved("other")], &observed(&[OURS]), End::Applied);
    for (outcome, state, says) in [
        (None, "Pending", "something changed; it is looked at in a moment"),
        (Some(in_sync()), "InSync", "it holds what is needed"),
        (Some(held(Mode::Sync)), "Pending", "1 steps are to be taken"),
        (Some(held(Mode::Observe)), "Changes", "1 steps are held: Mode (ns/ml is in mode Observe)"),
        (
            Some(retired()),
            "Held",
            "1 steps are held: Hold (nobody needs it, which was first seen on 2026-01-05, and removal.holdFor is 1s)",
        ),
        (Some(table(End::Waiting { why: "locked by another".into(), seconds: None })), "Waiting", "locked by another"),
        (Some(table(End::Failed(failure()))), "Failed", "Boom: it broke; mend it"),
        (
            Some(table(End::Blocked { reason: BlockedReason::Forbidden, failure: failure() })),
            "Blocked",
            "Boom: it broke",
        ),
        (
            Some(outcome(vec![wants()], &observed(&[FOREIGN]), End::Applied)),
            "NeedsPerson",
            "1 in conflict; 20.1.0.0/26: ",
        ),
        (Some(outcome(vec![unresolved("ml")], &observed(&[]), End::Planned)), "Blocked", "Unresolved: ns/ml: region: "),
        (Some(shared()), "NeedsPerson", "the target is shared with ns/other, whose needs are unknown"),
    ] {
        let status = projected(&subject(&[outcome]), 1, None, 0);
        let target = &status.targets[0];
        assert_eq!(target.state, state, "{}", target.message);
        assert!(target.message.starts_with(says), "{}", target.message);
    }
}

#[test]
fn an_unresolved_network_is_blocked_although_the_table_is_served_for_others() {
    let outcome = outcome(vec![contribution("other", &WANTED), unresolved("ml")], &observed(&[OURS]), End::Applied);
    let status = projected(&subject(&[Some(outcome)]), 1, None, 0);
    assert_eq!(status.targets[0].state, "Blocked");
    assert!(status.targets[0].message.starts_with("Unresolved: region: "), "{}", status.targets[0].message);
}

#[test]
fn since_moves_only_when_its_condition_turns() {
    let (good, bad) = (subject(&[Some(in_sync())]), subject(&[None]));
    let times = |status: &NetworkStatus| status.conditions.iter().map(|c| c.since.as_second()).collect::<Vec<_>>();
    let first = projected(&good, 1, None, 10);
    assert_eq!(times(&first), [10; 4]);
    let second = projected(&good, 2, Some(&first), 20);
    assert_eq!(times(&second), [10; 4], "another generation is no turn");
    let third = projected(&bad, 2, Some(&second), 30);
    assert_eq!(times(&third), [30, 30, 10, 10], "Ready and Reconciling turned");
    let message_only = projected(&subject(&[None, None]), 2, Some(&third), 40);
    assert_eq!(times(&message_only), [30, 30, 10, 10], "another message is no turn");
}

#[test]
fn the_same_again_gives_the_same_status() {
    let good = subject(&[Some(in_sync()), Some(held(Mode::Observe))]);
    let first = projected(&good, 1, None, 10);
    assert_eq!(projected(&good, 1, Some(&first), 99), first);
}

#[test]
fn a_generation_counts_as_observed_when_every_target_saw_it() {
    let old = projected(&subject(&[Some(in_sync())]), 1, None, 0);
    let saw = |generation: i64| {
        let mut outcome = in_sync();
        outcome.seen.values_mut().for_each(|seen| *seen = generation);
        Some(outcome)
    };
    for (outcomes, generation, expected) in [
        (vec![saw(2)], 2, 2),
        (vec![saw(2), saw(2)], 2, 2),
        (vec![saw(2), saw(1)], 2, 1),
        (vec![saw(2), None], 2, 1),
        (vec![None], 2, 1),
        (vec![], 2, 2),
    ] {
        assert_eq!(projected(&subject(&outcomes), generation, Some(&old), 1).observed_generation, expected);
    }
    assert_eq!(projected(&subject(&[None]), 7, None, 1).observed_generation, 0);
    let invalid = projected(&Subject::Invalid("no".into()), 3, Some(&old), 1);
    assert_eq!(invalid.observed_generation, 3, "a refused spec was seen");
    assert!(invalid.conditions.iter().all(|c| c.observed_generation == 3));
}

#[test]
fn the_status_names_the_document_the_pair_and_the_counts() {
    let status = projected(&subject(&[Some(retired())]), 1, None, 0);
    let target = &status.targets[0];
    assert_eq!((target.entries, target.limit, target.add, target.remove, target.held), (2, 400, 0, 0, 1));
    assert!(status.document.is_some() && status.paired_region.is_none());
    assert!(target.pending_hash.as_ref().is_some_and(|hash| hash.starts_with("sha256:")));
    assert!(projected(&subject(&[Some(in_sync())]), 1, None, 0).targets[0].pending_hash.is_none());
}

#[test]
fn long_lists_are_cut_and_counted() {
    let mut long = in_sync();
    long.plan.conflicts = (0..120)
        .map(|n| Conflict { address: address(&format!("20.1.{n}.0/24")), foreign_entry: None, why: "taken".into() })
        .collect();
    long.plan.warnings = (0..120).map(|n| Note { code: "X", message: format!("{n:03}") }).collect();
    let status = projected(&subject(&[Some(long)]), 1, None, 0);
    let target = &status.targets[0];
    assert_eq!((target.conflicts.len(), target.conflicts_not_listed, target.warnings.len()), (50, 70, 50));
    assert_eq!(target.conflicts[0], "20.1.0.0/24: taken");
}

#[test]
fn what_is_out_of_scope_is_blocked_seen_and_not_looked_at() {
    let intent = super::super::testing::intent();
    let demands = crate::demand::demands(
        &intent,
        &crate::requirement::Requirements::default(),
        &crate::region::Regions::built_in(),
        None,
    );
    let why = Scopes::only(Vec::new()).check("default", &demands).unwrap_err();
    let old = projected(&subject(&[Some(in_sync())]), 1, None, 0);
    let status = projected(&Subject::OutOfScope(why), 2, Some(&old), 10);
    assert_eq!(summary(&status), (vec!["Stalled", "Blocked"], "OutOfScope".to_owned()));
    let message = &status.conditions[0].message;
    assert!(message.contains("routeTables[0].id: no scope is for the namespace default"), "{message}");
    assert_eq!((status.observed_generation, status.targets.len(), status.document), (2, 0, None));
    let again = projected(&subject(&[Some(in_sync())]), 2, Some(&status), 20);
    assert_eq!(summary(&again), (vec!["Ready"], "InSync".to_owned()));
}
