//! Rules of the guards: what each mode and each condition for removals lets through.

use super::*;
use crate::desired::Contribution;
use crate::intent::{Approval, Mode, Removal};
use crate::plan::{HeldReason, Limits, Standing};
use crate::testing::{self, AT_ONCE, contribution, input, observed, unresolved};

const A: &str = "20.1.0.0/26";
const B: &str = "20.2.0.0/26";
const C: &str = "20.3.0.0/26";
const NET: &str = "Internet";

fn network(name: &str, mode: Mode, wanted: &[&str]) -> Contribution {
    let wanted: Vec<(&str, &str)> = wanted.iter().map(|at| (*at, NET)).collect();
    Contribution { mode, ..contribution(name, &wanted) }
}

/// A table with A right, B wrong, C no longer wanted; nothing for the rest.
fn table() -> Observed {
    observed(&[
        ("amlnet.prod.20.1.0.0_26", A, NET),
        ("amlnet.prod.20.2.0.0_26", B, "None"),
        ("amlnet.prod.20.3.0.0_26", C, NET),
    ])
}

fn guarded_input(input: &TargetInput) -> Plan {
    let observed = table();
    testing::guarded(input, &observed, Limits::DEFAULT)
}

fn guarded(contributions: Vec<Contribution>) -> Plan {
    guarded_input(&input(contributions))
}

/// What is taken, then what is held and why.
fn summary(plan: &Plan) -> (Vec<String>, Vec<String>) {
    (
        plan.steps.iter().map(|step| format!("{:?} {}", step.action, step.address)).collect(),
        plan.held.iter().map(|h| format!("{:?} {} {}", h.step.action, h.step.address, h.reason.name())).collect(),
    )
}

#[track_caller]
fn check(contributions: Vec<Contribution>, taken: &[&str], held: &[&str]) {
    let plan = guarded(contributions);
    let expected = (taken.iter().map(ToString::to_string).collect(), held.iter().map(ToString::to_string).collect());
    assert_eq!(summary(&plan), expected);
}

const NEW: &str = "20.0.0.0/26";
const ADD: &str = "Add 20.0.0.0/26";
const CHANGE: &str = "Change 20.2.0.0/26";
const REMOVE: &str = "Remove 20.3.0.0/26";

#[test]
fn each_mode_goes_as_far_as_it_says() {
    let of = |mode| vec![network("ml", mode, &[NEW, A, B])];
    check(of(Mode::Sync), &[ADD, CHANGE, REMOVE], &[]);
    check(of(Mode::UpsertOnly), &[ADD, CHANGE], &["Remove 20.3.0.0/26 Mode"]);
    check(of(Mode::Observe), &[], &["Add 20.0.0.0/26 Mode", "Change 20.2.0.0/26 Mode", "Remove 20.3.0.0/26 Mode"]);
}

#[test]
fn an_addition_needs_one_that_wants_and_may_and_a_removal_needs_all() {
    use Mode::{Observe, Sync, UpsertOnly};
    check(
        vec![network("a", Observe, &[NEW]), network("b", Sync, &[NEW, A, B])],
        &[ADD, CHANGE],
        &["Remove 20.3.0.0/26 Mode"],
    );
    check(
        vec![network("a", Observe, &[NEW]), network("b", Sync, &[A, B])],
        &[CHANGE],
        &["Add 20.0.0.0/26 Mode", "Remove 20.3.0.0/26 Mode"],
    );
    check(
        vec![network("a", UpsertOnly, &[NEW]), network("b", Sync, &[A, B])],
        &[ADD, CHANGE],
        &["Remove 20.3.0.0/26 Mode"],
    );
    check(vec![network("a", Sync, &[NEW]), network("b", Sync, &[A, B])], &[ADD, CHANGE, REMOVE], &[]);
}

#[test]
fn a_hold_by_mode_says_whose() {
    let plan = guarded(vec![network("a", Mode::Observe, &[A, B]), network("b", Mode::Sync, &[A, B])]);
    assert_eq!(plan.held[0].why, "ns/a is in mode Observe");
    let plan = guarded(vec![network("a", Mode::UpsertOnly, &[A, B])]);
    assert_eq!(plan.held[0].why, "ns/a is in mode UpsertOnly, which removes nothing");
}

#[test]
fn removals_pass_only_without_hold_and_without_approval() {
    for (hold_seconds, approval, reason, standing) in [
        (0, Approval::Never, None, Standing::Changes),
        (0, Approval::Always, Some(HeldReason::Approval), Standing::NeedsPerson),
        (1, Approval::Never, Some(HeldReason::Hold), Standing::Done),
        (42 * 86400, Approval::Always, Some(HeldReason::Hold), Standing::Done),
    ] {
        let strict = Removal { hold_seconds, approval, ..AT_ONCE };
        let mut contributions = vec![network("a", Mode::Sync, &[A]), network("b", Mode::Sync, &[A])];
        contributions[1].removal = strict;
        contributions[1].outcome = contributions[0].outcome.clone();
        let observed = observed(&[("amlnet.prod.20.1.0.0_26", A, NET), ("amlnet.prod.20.3.0.0_26", C, NET)]);
        let input = input(contributions);
        let plan = testing::guarded(&input, &observed, Limits::DEFAULT);
        assert_eq!(plan.held.first().map(|held| held.reason), reason, "{strict:?}");
        assert_eq!((plan.steps.len(), plan.standing()), (usize::from(reason.is_none()), standing), "{strict:?}");
    }
}

/// What is held while somebody unknown may need what the table holds: B's next hop may be somebody's wish.
const HELD: [&str; 2] = ["Change 20.2.0.0/26 Hold", "Remove 20.3.0.0/26 Hold"];

#[test]
fn nothing_is_taken_away_while_a_need_is_unknown() {
    let plan = guarded(vec![network("a", Mode::Sync, &[NEW, A, B]), unresolved("z")]);
    assert_eq!(summary(&plan), (vec![ADD.to_owned()], HELD.map(str::to_owned).to_vec()));
    assert_eq!(plan.held[1].why, "it is not known what ns/z needs, so nothing is taken away");
    assert_eq!(plan.standing(), Standing::NeedsPerson);
}

#[test]
fn nothing_is_taken_away_while_an_object_cannot_be_read() {
    let frozen = "ns/broken cannot be read".to_owned();
    let contributions = vec![network("a", Mode::Sync, &[NEW, A, B])];
    let plan = guarded_input(&TargetInput { removals_frozen: Some(frozen.clone()), ..input(contributions) });
    assert_eq!(summary(&plan), (vec![ADD.to_owned()], HELD.map(str::to_owned).to_vec()));
    assert_eq!(plan.held[1].why, frozen);
}

#[test]
fn without_memory_nothing_is_removed_but_what_is_known_is_put_right() {
    let contributions = vec![network("a", Mode::Sync, &[A, B])];
    let plan = guarded_input(&TargetInput { no_memory: Some("no state".to_owned()), ..input(contributions) });
    assert_eq!(summary(&plan), (vec![CHANGE.to_owned()], vec!["Remove 20.3.0.0/26 Hold".to_owned()]));
}

#[test]
fn the_default_route_waits_until_every_needed_prefix_is_known_and_written() {
    let default = ("0.0.0.0/0", "10.0.1.4");
    let with_default = |mode| Contribution { mode, ..contribution("fw", &[(A, NET), default]) };
    let taken = |contributions| summary(&guarded(contributions)).0;
    assert_eq!(taken(vec![with_default(Mode::UpsertOnly)]), ["Add 0.0.0.0/0"]);
    assert_eq!(taken(vec![with_default(Mode::UpsertOnly), unresolved("z")]), Vec::<String>::new());
    let observing = network("watch", Mode::Observe, &[NEW]);
    assert_eq!(taken(vec![with_default(Mode::UpsertOnly), observing]), Vec::<String>::new());
    let writing = network("write", Mode::UpsertOnly, &[NEW]);
    assert_eq!(taken(vec![with_default(Mode::UpsertOnly), writing]), [ADD, "Add 0.0.0.0/0"]);
}

#[test]
fn an_address_that_an_unknown_need_may_have_is_not_taken_away_by_a_change() {
    // Our route for A holds B, which nobody known wants: changing it back would remove B.
    let observed = observed(&[("amlnet.prod.20.1.0.0_26", B, NET)]);
    let resolved = network("a", Mode::Sync, &[A]);
    let frozen = Some("ns/broken cannot be read".to_owned());
    for input in [
        input(vec![resolved.clone(), unresolved("z")]),
        TargetInput { removals_frozen: frozen, ..input(vec![resolved]) },
    ] {
        let plan = testing::guarded(&input, &observed, Limits::DEFAULT);
        assert_eq!(summary(&plan), (vec![], vec!["Change 20.1.0.0/26 Hold".to_owned()]));
    }
}

#[test]
fn a_full_table_is_blocked_as_a_whole_also_when_additions_are_only_observed() {
    for mode in [Mode::Sync, Mode::Observe] {
        let input = input(vec![network("a", mode, &[NEW, A, B])]);
        let (observed, limits) = (table(), Limits { entries: 3, tag_entries: 0, addresses: 0 });
        let plan = testing::guarded(&input, &observed, limits);
        assert_eq!(plan.blocked.as_ref().map(|blocked| blocked.reason.name()), Some("Capacity"));
        assert_eq!(plan.standing(), Standing::NeedsPerson);
    }
}

#[test]
fn a_blocked_plan_passes_unchanged() {
    let input = input(vec![unresolved("a")]);
    let observed = table();
    let blocked = entries::plan(&input, &observed, Limits::DEFAULT);
    assert_eq!(testing::guarded(&input, &observed, Limits::DEFAULT), blocked);
}
