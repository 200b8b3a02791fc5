//! How long something stays that nobody needs, and what is said about it.

use std::collections::BTreeMap;

use super::*;
use crate::desired::Contribution;
use crate::intent::{Budget, Mode, Removal};
use crate::plan::{Departure, Former, Held, Standing, TargetInput};
use crate::testing::{AT_ONCE, Scene, input, key, needing, noon, ours, regional};

const A: &str = "20.1.0.0/26";
const B: &str = "20.2.0.0/26";
const DAY: i64 = 86400;

fn held_for(days: u64) -> Removal {
    Removal { hold_seconds: days * 86400, ..AT_ONCE }
}

fn holding(name: &str, days: u64, prefixes: &[&str]) -> Contribution {
    Contribution { removal: held_for(days), ..needing(name, prefixes) }
}

fn after(input: &TargetInput) -> Scene {
    let mut scene = Scene::empty();
    assert_eq!(scene.apply(input).all_steps().count(), 0);
    scene
}

fn later(days: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(days * DAY)
}

fn holds(plan: &Plan) -> Vec<&Held> {
    plan.held.iter().filter(|held| held.reason == HeldReason::Hold).collect()
}

/// Looks a second before, when it is held, and in that second, when it goes.
#[track_caller]
fn goes_at(scene: &mut Scene, input: &TargetInput, at: Timestamp) {
    scene.now = at - SignedDuration::from_secs(1);
    assert_eq!(holds(&scene.decide(input)).len(), 1, "a second before {at}");
    scene.now = at;
    assert_eq!(scene.decide(input).steps.len(), 1, "at {at}");
}

#[test]
fn a_hold_of_nothing_is_over_at_once() {
    let mut scene = after(&input(vec![holding("a", 0, &[A, B])]));
    assert_eq!(scene.decide(&input(vec![holding("a", 0, &[A])])).steps.len(), 1);
}

#[test]
fn a_hold_that_is_changed_counts_from_the_same_day() {
    let mut scene = after(&input(vec![holding("a", 42, &[A, B])]));
    assert_eq!(holds(&scene.decide(&input(vec![holding("a", 42, &[A])])))[0].until, Some(later(42)));
    scene.wait(3);
    assert_eq!(holds(&scene.decide(&input(vec![holding("a", 5, &[A])])))[0].until, Some(later(5)));
    goes_at(&mut scene, &input(vec![holding("a", 5, &[A])]), later(5));
}

#[test]
fn a_hold_longer_than_time_itself_never_ends() {
    let endless = |prefixes| {
        let removal = Removal { hold_seconds: u64::MAX, ..AT_ONCE };
        input(vec![Contribution { removal, ..needing("a", prefixes) }])
    };
    let mut scene = after(&endless(&[A, B]));
    let plan = scene.wait(10000).decide(&endless(&[A]));
    assert_eq!(holds(&plan)[0].until, None);
}

#[test]
fn the_hold_of_whoever_left_counts_too() {
    let both = |a: &[&str], b: &[&str]| input(vec![holding("a", 1, a), holding("b", 9, b)]);
    let mut scene = after(&both(&[A, B], &[A]));
    scene.decide(&both(&[A], &[A]));
    let former = Former { mode: Mode::Sync, suspended: false, removal: held_for(9) };
    let alone = || input(vec![holding("a", 1, &[A])]);
    let mut left = TargetInput { former: BTreeMap::from([(key("b"), former)]), ..alone() };
    left.departed.insert(key("b"), Departure::TakenOut);
    goes_at(&mut scene, &left, later(9));
}

#[test]
fn a_hold_that_is_left_behind_still_has_to_end() {
    let both = |b: &[&str]| input(vec![holding("a", 5, &[A]), holding("b", 5, b)]);
    let mut scene = after(&both(&[A, B]));
    scene.decide(&both(&[A]));
    let mut gone = input(vec![holding("a", 5, &[A])]);
    gone.departed.insert(key("b"), Departure::Deleted);
    let plan = scene.wait(2).decide(&gone);
    assert_eq!(holds(&plan)[0].until, Some(later(5)));
    scene.now = later(5);
    let plan = scene.decide(&gone);
    assert_eq!((plan.held[0].reason, plan.held[0].is_offer), (HeldReason::Approval, true));
}

#[test]
fn what_was_left_behind_is_an_offer_that_nobody_waits_for() {
    let mut scene = after(&input(vec![needing("a", &[A]), needing("b", &[B])]));
    let mut gone = input(vec![needing("a", &[A])]);
    gone.departed.insert(key("b"), Departure::TakenOut);
    let plan = scene.decide(&gone);
    assert_eq!((plan.held[0].is_offer, plan.standing()), (true, Standing::Done));
    assert_eq!(plan.held[0].why, "ns/b left it behind");
}

#[test]
fn a_removal_that_a_person_is_asked_about_is_no_offer() {
    let strict = |prefixes| {
        let removal = Removal { approval: crate::intent::Approval::Always, ..AT_ONCE };
        input(vec![Contribution { removal, ..needing("a", prefixes) }])
    };
    let mut scene = after(&strict(&[A, B]));
    let plan = scene.decide(&strict(&[A]));
    assert_eq!((plan.held[0].is_offer, plan.standing()), (false, Standing::NeedsPerson));
}

#[test]
fn a_hold_says_since_when_and_how_long() {
    let mut scene = after(&input(vec![holding("a", 42, &[A, B])]));
    let plan = scene.decide(&input(vec![holding("a", 42, &[A])]));
    assert_eq!(holds(&plan)[0].why, "it left the document on 2026-01-05, and removal.holdFor is 42d");
    scene.observed.entries.push(ours("20.9.0.0/26", "Internet"));
    let plan = scene.wait(1).decide(&input(vec![holding("a", 42, &[A, B])]));
    assert_eq!(holds(&plan)[0].why, "nobody needs it, which was first seen on 2026-01-06, and removal.holdFor is 42d");
}

#[test]
fn a_lost_memory_starts_the_hold_anew() {
    let mut scene = after(&input(vec![holding("a", 5, &[A, B])]));
    let less = || input(vec![holding("a", 5, &[A])]);
    scene.decide(&less());
    scene.memory = crate::memory::TargetMemory::lost();
    scene.now = later(4);
    assert_eq!(holds(&scene.decide(&less()))[0].until, Some(later(9)));
}

#[test]
fn a_service_that_was_taken_out_does_not_wait_for_a_hold_but_for_the_budget() {
    let one_a_week = Removal { budget: Budget { max: 1, percent: 100 }, ..held_for(42) };
    let asked =
        |rows: &[crate::testing::Asked<'_>]| input(vec![Contribution { removal: one_a_week, ..regional("a", rows) }]);
    let aml = ("eastus2", "AzureMachineLearning", &[A][..]);
    let mut scene = after(&asked(&[aml, ("eastus2", "Storage", &[B, "20.2.1.0/26"])]));
    let plan = scene.decide(&asked(&[aml]));
    assert_eq!((plan.steps.len(), holds(&plan).len(), plan.held[0].reason), (1, 0, HeldReason::Budget));
}

#[test]
fn additions_and_changes_are_never_on_hold() {
    let mut scene = after(&input(vec![holding("a", 42, &[A])]));
    scene.observed.entries[0].next_hop = crate::testing::hop("None");
    assert_eq!(scene.decide(&input(vec![holding("a", 42, &[A, B])])).steps.len(), 2);
}
