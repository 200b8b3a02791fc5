//! A group keeps what it has when nothing else would be left.

use crate::plan::Limits;
use crate::plan::{Action, BlockedReason, HeldReason, Whole};
use crate::testing::{self, contribution, group, group_input, guarded};

const A: &str = "20.1.0.0/26";
const B: &str = "20.2.0.0/26";
const C: &str = "20.3.0.0/26";

fn plan(wanted: &[&str], stands: &[&str], whole: Whole) -> crate::plan::Plan {
    let wanted: Vec<(&str, &str)> = wanted.iter().map(|at| (*at, "member")).collect();
    guarded(&group_input(vec![contribution("a", &wanted)]), &group(stands, whole), Limits::IP_GROUP)
}

fn taken(plan: &crate::plan::Plan) -> Vec<(Action, String)> {
    plan.steps.iter().map(|step| (step.action, step.address.to_string())).collect()
}

#[test]
fn all_that_changed_is_one_plan_and_a_group_that_would_be_empty_is_left() {
    let ours = testing::marked("prod");
    let wanted = [(Action::Add, A.to_owned()), (Action::Remove, C.to_owned())];
    assert_eq!(taken(&plan(&[A, B], &[B, C], ours.clone())), wanted);
    let nothing = plan(&[], &[B, C], ours);
    assert_eq!(taken(&nothing), []);
    assert!(nothing.held.iter().all(|held| held.reason == HeldReason::Hold && held.why.contains("never written")));
    assert_eq!(nothing.held.len(), 2);
}

#[test]
fn a_group_of_somebody_else_is_left_alone_and_an_empty_one_is_taken_over() {
    for (whole, stands, blocked) in [
        (testing::marked("prod"), &[B][..], false),
        (testing::marked("PROD"), &[B], false),
        (testing::unmarked(), &[], false),
        (testing::unmarked(), &[B], true),
        (testing::marked("test"), &[B], true),
        (testing::marked("test"), &[], true),
    ] {
        let plan = plan(&[A, B], stands, whole.clone());
        let is_blocked = plan.blocked.as_ref().is_some_and(|why| why.reason == BlockedReason::Conflict);
        assert_eq!(is_blocked, blocked, "{whole:?} {stands:?}");
        assert_eq!(plan.steps.is_empty(), blocked);
    }
}

#[test]
fn a_failed_group_that_others_have_marked_is_not_taken_for_an_empty_one() {
    let failed = || Whole { failed: true, ..testing::unmarked() };
    let tagged = Whole { tags: [("owner".to_owned(), "payroll".to_owned())].into(), ..failed() };
    assert_eq!(plan(&[A], &[], tagged).blocked.unwrap().reason, BlockedReason::Conflict);
    assert_eq!(taken(&plan(&[A], &[], failed())), [(Action::Add, A.to_owned())]);
}

#[test]
fn one_address_in_two_spellings_is_one() {
    let mut twice = group(&[B], testing::marked("prod"));
    twice.entries.push(twice.entries[0].clone());
    let nothing = guarded(&group_input(vec![contribution("a", &[])]), &twice, Limits::IP_GROUP);
    assert_eq!(taken(&nothing), []);
}

#[test]
fn what_azure_took_with_a_failure_still_stands_for_the_guards() {
    use crate::memory::{Clock, TargetMemory};
    let ours = testing::installation();
    let clock = Clock::start(jiff::Timestamp::UNIX_EPOCH);
    let memory = TargetMemory { unexplained: [(B.parse().unwrap(), clock)].into(), ..TargetMemory::default() };
    let emptied = group(&[], Whole { failed: true, ..testing::marked("prod") });
    let restored = emptied.clone().with_what_a_failure_took(&memory, &ours);
    assert_eq!(restored.entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), [B]);
    let in_order = group(&[], testing::marked("prod"));
    assert_eq!(in_order.clone().with_what_a_failure_took(&memory, &ours), in_order, "somebody emptied it");
}

#[test]
fn a_failed_group_is_written_again() {
    let mut failed = group(&[A, B], testing::marked("prod"));
    failed.entries.iter_mut().for_each(|entry| entry.failed = true);
    let input = group_input(vec![contribution("a", &[(A, "member"), (B, "member")])]);
    let plan = guarded(&input, &failed, Limits::IP_GROUP);
    assert_eq!(taken(&plan), [(Action::Change, A.to_owned()), (Action::Change, B.to_owned())]);
}

#[test]
fn limits_are_looked_at_first_and_growth_is_only_said() {
    let many: Vec<String> = (0..300).map(|n| format!("20.{}.{}.0/26", n / 250, n % 250)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let over = guarded(
        &group_input(vec![contribution("a", &many.iter().map(|at| (*at, "member")).collect::<Vec<_>>())]),
        &group(&[], testing::marked("prod")),
        Limits { entries: 299, tag_entries: 0, addresses: 0 },
    );
    assert_eq!(over.blocked.unwrap().reason, BlockedReason::Capacity);
    let plan = plan(&many, &[], testing::marked("prod"));
    assert_eq!(plan.steps.len(), 300);
}

#[test]
fn what_one_write_takes_away_makes_room_and_what_is_held_does_not() {
    let plan = |hold_seconds: u64| {
        let mut contribution = contribution("a", &[(A, "member"), (B, "member")]);
        contribution.removal.hold_seconds = hold_seconds;
        let limits = Limits { entries: 2, ..Limits::IP_GROUP };
        guarded(&group_input(vec![contribution]), &group(&[B, C], testing::marked("prod")), limits)
    };
    assert_eq!((plan(0).blocked, taken(&plan(0)).len()), (None, 2));
    let full = plan(3600).blocked.unwrap();
    assert_eq!(full.reason, BlockedReason::Capacity);
    assert!(full.message.contains("would hold 3 addresses, its limit is 2"), "{}", full.message);
}
