//! Who may keep whom from writing: those who left, those who are suspended, and `--read-only`.

use std::collections::BTreeMap;

use super::*;
use crate::desired::Contribution;
use crate::intent::DeletionPolicy;
use crate::plan::{Departure, Former, TargetInput};
use crate::testing::{AT_ONCE, Scene, input, key, needing, taken};

const A: &str = "20.1.0.0/26";
const B: &str = "20.2.0.0/26";
const REMOVE_B: &str = "Remove 20.2.0.0/26";

fn after(input: &TargetInput) -> Scene {
    let mut scene = Scene::empty();
    assert_eq!(scene.apply(input).all_steps().count(), 0);
    scene
}

fn by_mode(plan: &Plan) -> Vec<String> {
    let held = plan.held.iter().filter(|held| held.reason == HeldReason::Mode);
    held.map(|held| format!("{:?} {}: {}", held.step.action, held.step.address, held.why)).collect()
}

/// A table of `a` that `b` took out of its spec, `b` being now as said.
fn left_by(mode: Mode, suspended: bool) -> TargetInput {
    let former = Former { mode, suspended, removal: AT_ONCE };
    let mut left = input(vec![needing("a", &[A])]);
    left.former = BTreeMap::from([(key("b"), former)]);
    left.departed.insert(key("b"), Departure::TakenOut);
    left
}

#[test]
fn what_a_network_left_stays_while_it_may_not_remove() {
    for (mode, suspended, why) in [
        (Mode::Observe, false, "ns/b is in mode Observe"),
        (Mode::UpsertOnly, false, "ns/b is in mode UpsertOnly, which removes nothing"),
        (Mode::Sync, true, "ns/b is suspended"),
    ] {
        let mut scene = after(&input(vec![needing("a", &[A]), needing("b", &[B])]));
        let plan = scene.decide(&left_by(mode, suspended));
        assert_eq!(by_mode(&plan), [format!("{REMOVE_B}: {why}")]);
        assert!(plan.pending.is_none(), "what cannot be done now is not asked about");
    }
}

#[test]
fn what_a_network_left_is_asked_about_when_everybody_may_remove() {
    let mut scene = after(&input(vec![needing("a", &[A]), needing("b", &[B])]));
    let plan = scene.decide(&left_by(Mode::Sync, false));
    assert_eq!(by_mode(&plan).len(), 0);
    scene.approve(&plan, "b", 7);
    assert_eq!(taken(&scene.decide(&left_by(Mode::Sync, false))), [REMOVE_B]);
}

#[test]
fn whoever_left_keeps_nobody_from_adding() {
    let mut scene = after(&input(vec![needing("a", &[A]), needing("b", &[B])]));
    let mut left = left_by(Mode::Observe, true);
    left.contributions = vec![needing("a", &[A, "20.3.0.0/26"])];
    assert_eq!(taken(&scene.decide(&left)), ["Add 20.3.0.0/26"]);
}

#[test]
fn a_suspended_network_keeps_its_own_wishes_from_being_written_and_not_those_of_others() {
    let suspended = Contribution { suspended: true, ..needing("b", &[B]) };
    let plan = Scene::empty().decide(&input(vec![needing("a", &[A]), suspended.clone()]));
    assert_eq!(taken(&plan), ["Add 20.1.0.0/26"]);
    assert_eq!(by_mode(&plan), ["Add 20.2.0.0/26: ns/b is suspended"]);
    let both = vec![needing("a", &[B]), suspended];
    assert_eq!(taken(&Scene::empty().decide(&input(both))), ["Add 20.2.0.0/26"]);
}

#[test]
fn being_suspended_counts_more_than_the_mode() {
    let contribution = Contribution { suspended: true, mode: Mode::Observe, ..needing("a", &[A]) };
    let plan = Scene::empty().decide(&input(vec![contribution]));
    assert_eq!(by_mode(&plan), ["Add 20.1.0.0/26: ns/a is suspended"]);
}

#[test]
fn a_suspended_networks_needs_are_still_known() {
    let of = |suspended, prefixes| input(vec![Contribution { suspended, ..needing("a", prefixes) }]);
    let mut scene = after(&of(false, &[A, B]));
    let plan = scene.decide(&of(true, &[A]));
    assert_eq!(by_mode(&plan), [format!("{REMOVE_B}: ns/a is suspended")]);
    assert!(scene.memory.explain(&crate::testing::address(B)).left_the_document, "its clock runs");
    assert_eq!(taken(&scene.decide(&of(false, &[A]))), [REMOVE_B]);
}

#[test]
fn read_only_holds_what_nobody_else_would() {
    let read_only = |input: TargetInput| TargetInput { read_only: Some("--read-only".to_owned()), ..input };
    let leaving = Contribution { deletion_policy: DeletionPolicy::Delete, ..needing("b", &[B]) };
    let mut scene = after(&input(vec![needing("a", &[A]), leaving]));
    let mut gone = read_only(input(vec![needing("a", &[A])]));
    gone.departed.insert(key("b"), Departure::Deleted);
    let plan = scene.decide(&gone);
    assert_eq!((plan.steps.len(), by_mode(&plan)), (0, vec![format!("{REMOVE_B}: --read-only")]));
    assert_eq!(taken(&scene.decide(&TargetInput { read_only: None, ..gone })), [REMOVE_B]);
}

#[test]
fn a_deletion_waits_for_others_who_may_not_remove() {
    let leaving = Contribution { deletion_policy: DeletionPolicy::Delete, ..needing("b", &[B]) };
    let observing = Contribution { mode: Mode::UpsertOnly, ..needing("a", &[A]) };
    let mut scene = after(&input(vec![observing.clone(), leaving]));
    let mut gone = input(vec![observing]);
    gone.departed.insert(key("b"), Departure::Deleted);
    assert_eq!(by_mode(&scene.decide(&gone)).len(), 1);
}

#[test]
fn a_deletion_waits_while_anything_is_unknown() {
    let leaving = Contribution { deletion_policy: DeletionPolicy::Delete, ..needing("b", &[B]) };
    let mut gone = input(vec![needing("a", &[A])]);
    gone.departed.insert(key("b"), Departure::Deleted);
    for gone in [
        TargetInput { removals_frozen: Some("an object cannot be read".to_owned()), ..gone.clone() },
        TargetInput { no_memory: Some("no state".to_owned()), ..gone },
    ] {
        let mut scene = after(&input(vec![needing("a", &[A]), leaving.clone()]));
        let plan = scene.decide(&gone);
        assert_eq!((plan.steps.len(), plan.held[0].reason), (0, HeldReason::Hold));
    }
}

#[test]
fn the_last_network_that_goes_with_policy_delete_takes_everything_along() {
    let leaving = Contribution { deletion_policy: DeletionPolicy::Delete, ..needing("b", &[A, B]) };
    let mut scene = after(&input(vec![leaving]));
    let mut gone = input(vec![]);
    gone.departed.insert(key("b"), Departure::Deleted);
    scene.apply(&gone);
    assert_eq!(scene.stands().len(), 0);
    assert!(scene.memory.is_over());
}
