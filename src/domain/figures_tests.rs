//! Rules of figures: what is counted, what still counts while the target cannot be seen, when a notice ends.

use super::super::intent::Mode;
use super::super::memory::TargetMemory;
use super::super::outcome::Failure;
use super::super::plan::{Conflict, Held, Limits};
use super::super::testing::{address, contribution, guarded, input, key, observed, unresolved};
use super::*;

const FIRST: &str = "20.1.0.0/26";
const SECOND: &str = "20.2.0.0/26";
const OURS: (&str, &str, &str) = ("amlnet.prod.20.1.0.0_26", FIRST, "Internet");
const FOREIGN: (&str, &str, &str) = ("theirs", SECOND, "None");

fn outcome(mode: Mode, wanted: &[&str], routes: &[(&str, &str, &str)], end: End) -> Outcome {
    let wanted: Vec<(&str, &str)> = wanted.iter().map(|prefix| (*prefix, "Internet")).collect();
    let mut wants = contribution("ml", &wanted);
    wants.mode = mode;
    let input = input(vec![wants]);
    let plan = guarded(&input, &observed(routes), Limits::DEFAULT);
    Outcome { plan, applied: Vec::new(), end, seen: [(key("ml"), 1)].into(), memory: TargetMemory::default() }
}

fn failed() -> End {
    End::Failed(Failure { code: "Boom".into(), message: "it broke".into(), advice: "", correlation_id: None })
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn figures(outcome: &Outcome, before: Option<&Figures>) -> Figures {
    Figures::after(outcome, before)
}

/// After a look, with the document of this date.
fn dated(mut outcome: Outcome, before: Option<&Outcome>, date: &str) -> Outcome {
    outcome.memory.awaited = before.map(|before| before.memory.awaited.clone()).unwrap_or_default();
    outcome.memory.awaited = awaited(&outcome, |network| (*network == key("ml")).then(|| day(date)));
    outcome
}

#[test]
fn steps_are_counted_by_action_and_by_what_holds_them() {
    let now = figures(&outcome(Mode::UpsertOnly, &[FIRST, SECOND], &[OURS], failed()), None);
    assert_eq!((now.state, now.entries, now.limit), ("Failed", 1, 400));
    assert_eq!(now.pending, [(Action::Add, 1), (Action::Change, 0), (Action::Remove, 0)].into());
    assert_eq!((now.held.len(), now.conflicts), (0, 0));
    let observe = figures(&outcome(Mode::Observe, &[FIRST, SECOND], &[OURS], End::Planned), None);
    assert_eq!((observe.state, observe.pending[&Action::Add]), ("Changes", 1));
    assert_eq!(observe.held, [((Action::Add, HeldReason::Mode), 1)].into());
    let conflict = figures(&outcome(Mode::UpsertOnly, &[FIRST, SECOND], &[OURS, FOREIGN], End::Planned), None);
    assert_eq!((conflict.state, conflict.entries, conflict.conflicts), ("NeedsPerson", 2, 1));
    assert_eq!(conflict.pending.values().sum::<usize>(), 0);
}

#[test]
fn what_nobody_waits_for_is_not_pending() {
    let mut outcome = outcome(Mode::UpsertOnly, &[FIRST], &[], End::Planned);
    let step = outcome.plan.steps.pop().unwrap();
    let held =
        |is_offer| Held { step: step.clone(), reason: HeldReason::Approval, why: String::new(), until: None, is_offer };
    outcome.plan.held = vec![held(true), held(false)];
    let now = figures(&outcome, None);
    assert_eq!((now.pending[&Action::Add], now.held[&(Action::Add, HeldReason::Approval)]), (1, 1));
}

#[test]
fn a_notice_ends_seven_days_after_the_first_document_that_asked() {
    let end = |outcome: &Outcome| figures(outcome, None).additions_deadline().map(|at| at.to_string());
    let second = ("amlnet.prod.20.2.0.0_26", SECOND, "Internet");
    let late = || outcome(Mode::UpsertOnly, &[FIRST, SECOND], &[OURS], failed());
    let first = dated(late(), None, "2026-05-04");
    assert_eq!(end(&first).as_deref(), Some("2026-05-11T00:00:00Z"));
    let next_week = dated(late(), Some(&first), "2026-05-11");
    assert_eq!(end(&next_week).as_deref(), Some("2026-05-11T00:00:00Z"), "a newer document gives no new notice");
    let both = dated(outcome(Mode::UpsertOnly, &[FIRST, SECOND], &[], failed()), Some(&next_week), "2026-05-18");
    assert_eq!(both.memory.awaited.values().copied().collect::<Vec<_>>(), [day("2026-05-18"), day("2026-05-04")]);
    let done = outcome(Mode::UpsertOnly, &[FIRST, SECOND], &[OURS, second], End::Applied);
    let done = dated(done, Some(&both), "2026-05-18");
    assert_eq!((figures(&done, None).state, end(&done)), ("InSync", None));
    let observe = dated(outcome(Mode::Observe, &[FIRST], &[], End::Planned), None, "2026-05-04");
    assert_eq!(end(&observe), None, "nobody waits for what the mode holds");
    let mut undated = late();
    undated.memory.awaited = awaited(&undated, |_| None);
    assert_eq!(end(&undated), None);
}

#[test]
fn while_a_target_cannot_be_seen_what_was_counted_still_counts() {
    let seen = dated(outcome(Mode::UpsertOnly, &[FIRST, SECOND], &[OURS], failed()), None, "2026-05-04");
    let before = figures(&seen, None);
    assert!(before.additions_deadline().is_some());
    let mut unseen = outcome(Mode::UpsertOnly, &[], &[], failed());
    unseen.plan = Plan::unknown(&input(vec![contribution("ml", &[])]));
    let reason = BlockedReason::Forbidden;
    let End::Failed(failure) = failed() else { unreachable!() };
    unseen.end = End::Blocked { reason, failure };
    let unseen = dated(unseen, Some(&seen), "2026-05-11");
    let now = figures(&unseen, Some(&before));
    assert_eq!(now, Figures { state: "Blocked", blocked: Some(reason), ..before });
    assert_eq!(figures(&unseen, None).entries, 0);
}

#[test]
fn a_target_is_blocked_when_the_needs_of_all_are_unknown() {
    let of = |contributions: Vec<_>| {
        let seen = contributions.iter().map(|c: &super::super::desired::Contribution| (c.network.clone(), 1)).collect();
        let plan = guarded(&input(contributions), &observed(&[OURS]), Limits::DEFAULT);
        let memory = TargetMemory::default();
        figures(&Outcome { plan, applied: Vec::new(), end: End::Planned, seen, memory }, None)
    };
    let all = of(vec![unresolved("a")]);
    assert_eq!((all.state, all.blocked), ("Blocked", Some(BlockedReason::Unresolved)));
    let one = of(vec![unresolved("a"), contribution("b", &[(FIRST, "Internet")])]);
    assert_eq!((one.state, one.blocked), ("NeedsPerson", None));
}

#[test]
fn conflicts_and_warnings_are_counted() {
    let mut outcome = outcome(Mode::Sync, &[FIRST], &[OURS], End::Planned);
    let conflict = |at: &str| Conflict { address: address(at), foreign_entry: None, why: String::new() };
    outcome.plan.conflicts = vec![conflict(FIRST), conflict(SECOND)];
    let note = |message: &str| super::super::resolve::Note { code: "X", message: message.to_owned() };
    outcome.plan.warnings = [note("a"), note("b")].into();
    let now = figures(&outcome, None);
    assert_eq!((now.conflicts, now.warnings), (2, [("X", 2)].into()));
}
