//! Rules of drift: what counts as put back, and what only looks like it.

use super::super::outcome::{Applied, End};
use super::super::plan::{Plan, TargetInput};
use super::super::testing::{Scene, address, contribution, hop, input};
use super::*;

const FIRST: &str = "20.1.0.0/26";
const SECOND: &str = "20.2.0.0/26";

fn wanting(wanted: &[(&str, &str)]) -> TargetInput {
    input(vec![contribution("ml", wanted)])
}

fn both() -> TargetInput {
    wanting(&[(FIRST, "Internet"), (SECOND, "Internet")])
}

/// In place, and looked at.
fn in_place() -> Scene {
    let mut scene = Scene::empty();
    assert!(scene.apply(&both()).steps.is_empty());
    scene
}

/// How much the next reconcile puts back: of all steps that it takes.
fn put_back(scene: &mut Scene, input: &TargetInput, stood: bool) -> (usize, usize) {
    let before = scene.memory.clone();
    let plan = scene.decide(input);
    let applied: Vec<Applied> =
        plan.steps.iter().map(|step| Applied { step: step.clone(), correlation_id: None }).collect();
    let count = applied.len();
    let outcome = Outcome {
        plan: Plan { steps: Vec::new(), ..plan },
        applied,
        end: End::Applied,
        seen: [].into(),
        memory: scene.memory.clone(),
    };
    (restored(&before, &outcome, stood), count)
}

#[test]
fn what_somebody_removed_or_bent_is_put_back() {
    let mut scene = in_place();
    scene.observed.entries.retain(|entry| entry.address != address(FIRST));
    assert_eq!(put_back(&mut scene, &both(), true), (1, 1));
    let mut scene = in_place();
    scene.observed.entries[0].next_hop = hop("10.0.0.9");
    assert_eq!(put_back(&mut scene, &both(), true), (1, 1));
    let mut scene = in_place();
    scene.observed.entries[0].address = address("20.3.0.0/26");
    assert_eq!(put_back(&mut scene, &both(), true), (1, 1));
}

#[test]
fn it_counts_also_where_an_attempt_to_put_it_back_failed_before() {
    let mut scene = in_place();
    scene.observed.entries.clear();
    let _failed = scene.decide(&both());
    assert_eq!(put_back(&mut scene, &both(), false), (2, 2));
}

#[test]
fn the_first_time_and_what_is_newly_asked_for_is_no_drift() {
    assert_eq!(put_back(&mut Scene::empty(), &both(), false), (0, 2));
    let mut scene = Scene::empty();
    scene.apply(&wanting(&[(FIRST, "Internet")]));
    assert_eq!(put_back(&mut scene, &both(), false), (0, 1), "a new document");
    let mut scene = Scene::empty();
    let _failed = scene.decide(&both());
    assert_eq!(put_back(&mut scene, &both(), false), (0, 2), "it never was in place");
}

#[test]
fn what_left_the_document_and_came_back_is_no_drift() {
    let mut scene = in_place();
    scene.apply(&wanting(&[(FIRST, "Internet")]));
    scene.observed.entries.retain(|entry| entry.address != address(SECOND));
    scene.apply(&wanting(&[(FIRST, "Internet")]));
    assert_eq!(put_back(&mut scene, &both(), false), (0, 1));
}

#[test]
fn what_others_had_in_place_was_not_ours() {
    let mut scene = Scene::empty();
    scene.observed = super::super::testing::observed(&[("theirs", FIRST, "Internet")]);
    assert!(scene.apply(&both()).steps.is_empty());
    scene.observed.entries.retain(|entry| entry.name != "theirs");
    assert_eq!(put_back(&mut scene, &both(), true), (0, 1));
}

#[test]
fn what_azure_failed_to_put_into_effect_is_no_drift() {
    let mut scene = in_place();
    scene.observed.entries[0].failed = true;
    assert_eq!(put_back(&mut scene, &both(), true), (0, 1));
}

#[test]
fn another_next_hop_of_the_spec_is_no_drift() {
    let mut scene = in_place();
    let before = scene.memory.clone();
    let moved = wanting(&[(FIRST, "10.0.1.4"), (SECOND, "Internet")]);
    let plan = scene.decide(&moved);
    let steps = plan.all_steps().filter(|step| step.action == Action::Change).cloned();
    let applied: Vec<Applied> = steps.map(|step| Applied { step, correlation_id: None }).collect();
    assert_eq!(applied.len(), 1);
    let outcome = Outcome { plan, applied, end: End::Applied, seen: [].into(), memory: scene.memory.clone() };
    assert_eq!(restored(&before, &outcome, true), 0);
}
