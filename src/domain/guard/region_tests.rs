//! Another region waits for a person, as long as nobody has followed it.

use super::*;
use crate::desired::Contribution;
use crate::intent::Mode;
use crate::plan::{Plan, TargetInput};
use crate::testing::{Asked, Scene, input, regional, taken};

const AML: &str = "AzureMachineLearning";
const EAST: Asked<'static> = ("eastus2", AML, &["20.1.0.0/26"]);
const CENTRAL: Asked<'static> = ("centralus", AML, &["20.2.0.0/26", "20.2.1.0/26"]);
const WEST: Asked<'static> = ("westeurope", AML, &["20.3.0.0/26"]);

fn asked(rows: &[Asked<'_>]) -> TargetInput {
    input(vec![regional("a", rows)])
}

fn after(input: &TargetInput) -> Scene {
    let mut scene = Scene::empty();
    assert_eq!(scene.apply(input).all_steps().count(), 0);
    scene
}

fn waiting(plan: &Plan) -> Vec<String> {
    let steps = plan.held.iter().filter(|held| held.reason == HeldReason::Approval);
    steps.map(|held| format!("{:?} {}", held.step.action, held.step.address)).collect()
}

#[test]
fn a_first_plan_needs_nobody_for_its_regions() {
    let plan = Scene::empty().decide(&asked(&[EAST, CENTRAL]));
    assert_eq!((plan.steps.len(), waiting(&plan).len()), (3, 0));
}

#[test]
fn another_region_waits_at_every_look_until_somebody_approves() {
    let mut scene = after(&asked(&[EAST]));
    for look in 1..5 {
        let plan = scene.wait(1).decide(&asked(&[WEST]));
        assert_eq!(waiting(&plan), ["Add 20.3.0.0/26", "Remove 20.1.0.0/26"], "look {look}");
    }
}

#[test]
fn a_pair_that_is_new_waits_and_one_that_is_gone_too() {
    let mut scene = after(&asked(&[EAST]));
    for _ in 0..3 {
        let plan = scene.decide(&asked(&[EAST, CENTRAL]));
        assert_eq!(waiting(&plan), ["Add 20.2.0.0/26", "Add 20.2.1.0/26"]);
    }
    let mut scene = after(&asked(&[EAST, CENTRAL]));
    for _ in 0..3 {
        let plan = scene.decide(&asked(&[EAST]));
        assert_eq!(waiting(&plan), ["Remove 20.2.0.0/26", "Remove 20.2.1.0/26"]);
    }
}

#[test]
fn a_swap_of_region_and_pair_changes_nothing() {
    let mut scene = after(&asked(&[EAST, CENTRAL]));
    assert_eq!(scene.decide(&asked(&[CENTRAL, EAST])).all_steps().count(), 0);
}

#[test]
fn what_the_old_region_needs_newly_does_not_wait_for_the_new_one() {
    let mut scene = after(&asked(&[EAST]));
    let more = ("eastus2", AML, &["20.1.0.0/26", "20.1.1.0/26"][..]);
    let plan = scene.decide(&asked(&[more, CENTRAL]));
    assert_eq!(taken(&plan), ["Add 20.1.1.0/26"]);
    assert_eq!(waiting(&plan).len(), 2);
}

#[test]
fn a_prefix_that_both_regions_need_does_not_wait() {
    let mut scene = after(&asked(&[EAST]));
    let shared = ("eastus2", AML, &["20.1.0.0/26", "20.2.0.0/26"][..]);
    let plan = scene.decide(&asked(&[shared, CENTRAL]));
    assert_eq!(taken(&plan), ["Add 20.2.0.0/26"]);
    assert_eq!(waiting(&plan), ["Add 20.2.1.0/26"]);
}

#[test]
fn a_prefix_that_somebody_else_has_always_followed_does_not_wait() {
    let mut scene = after(&input(vec![regional("a", &[EAST]), regional("b", &[("centralus", AML, &["20.2.0.0/26"])])]));
    let plan = scene.decide(&input(vec![regional("a", &[EAST, CENTRAL]), regional("b", &[CENTRAL])]));
    assert_eq!((taken(&plan), waiting(&plan).len()), (vec!["Add 20.2.1.0/26".to_owned()], 0));
}

#[test]
fn a_region_waits_anew_when_it_was_given_up_in_between() {
    let mut scene = after(&asked(&[EAST, CENTRAL]));
    let plan = scene.decide(&asked(&[EAST]));
    scene.approve(&plan, "a", 7);
    assert_eq!(scene.apply(&asked(&[EAST])).all_steps().count(), 0);
    let plan = scene.decide(&asked(&[EAST, CENTRAL]));
    assert_eq!(waiting(&plan).len(), 2);
}

#[test]
fn a_drop_back_to_the_old_region_needs_nobody() {
    let mut scene = after(&asked(&[EAST]));
    scene.decide(&asked(&[WEST]));
    let plan = scene.decide(&asked(&[EAST]));
    assert_eq!(plan.all_steps().count(), 0);
}

#[test]
fn once_a_region_is_followed_its_new_prefixes_do_not_wait() {
    let mut scene = after(&asked(&[EAST]));
    let plan = scene.decide(&asked(&[EAST, CENTRAL]));
    scene.approve(&plan, "a", 7);
    assert_eq!(scene.apply(&asked(&[EAST, CENTRAL])).all_steps().count(), 0);
    let more = ("centralus", AML, &["20.2.0.0/26", "20.2.1.0/26", "20.2.2.0/26"][..]);
    assert_eq!(taken(&scene.decide(&asked(&[EAST, more]))), ["Add 20.2.2.0/26"]);
}

#[test]
fn another_service_in_the_same_regions_does_not_wait() {
    let mut scene = after(&asked(&[EAST, CENTRAL]));
    let storage = ("eastus2", "Storage", &["20.5.0.0/26"][..]);
    let plan = scene.decide(&asked(&[EAST, CENTRAL, storage]));
    assert_eq!((taken(&plan), waiting(&plan).len()), (vec!["Add 20.5.0.0/26".to_owned()], 0));
}

#[test]
fn a_region_that_was_only_observed_needs_nobody_when_it_changes_before_the_first_write() {
    let watching = |rows: &[Asked<'_>]| input(vec![Contribution { mode: Mode::Observe, ..regional("a", rows) }]);
    let mut scene = Scene::empty();
    scene.decide(&watching(&[EAST]));
    scene.decide(&watching(&[WEST]));
    assert_eq!(taken(&scene.decide(&asked(&[WEST]))), ["Add 20.3.0.0/26"]);
}
