//! Another next hop is somebody's decision, or somebody's mistake.

use super::*;
use crate::desired::Contribution;
use crate::memory::TargetMemory;
use crate::plan::{Plan, TargetInput};
use crate::testing::{Scene, contribution, hop, input, ours, taken};

const A: &str = "20.1.0.0/26";
const B: &str = "20.2.0.0/26";
const NET: &str = "Internet";
const FIREWALL: &str = "10.0.0.4";

fn to(next_hop: &str) -> Contribution {
    contribution("a", &[(A, next_hop), (B, next_hop)])
}

fn after(input: &TargetInput) -> Scene {
    let mut scene = Scene::empty();
    assert_eq!(scene.apply(input).all_steps().count(), 0);
    scene
}

fn waiting(plan: &Plan) -> usize {
    plan.held.iter().filter(|held| held.reason == HeldReason::Approval).count()
}

#[test]
fn another_next_hop_waits_at_every_look() {
    let mut scene = after(&input(vec![to(NET)]));
    for _ in 0..3 {
        let plan = scene.wait(1).decide(&input(vec![to(FIREWALL)]));
        assert_eq!((plan.steps.len(), waiting(&plan)), (0, 2));
    }
}

#[test]
fn a_next_hop_that_was_approved_in_part_waits_for_nobody_else() {
    let mut scene = after(&input(vec![to(NET)]));
    let plan = scene.decide(&input(vec![to(FIREWALL)]));
    scene.approve(&plan, "a", 7);
    // One of the two was written before the process died.
    scene.observed.entries[0].next_hop = hop(FIREWALL);
    assert_eq!(scene.decide(&input(vec![to(FIREWALL)])).steps.len(), 1);
}

#[test]
fn a_next_hop_that_somebody_else_changed_is_put_back_without_asking() {
    let mut scene = after(&input(vec![to(NET)]));
    scene.observed.entries[0].next_hop = hop("None");
    assert_eq!(taken(&scene.decide(&input(vec![to(NET)]))), ["Change 20.1.0.0/26"]);
}

#[test]
fn drift_towards_what_is_asked_for_newly_is_taken_for_right() {
    let mut scene = after(&input(vec![to(NET)]));
    scene.observed.entries[0].next_hop = hop(FIREWALL);
    let plan = scene.decide(&input(vec![to(FIREWALL)]));
    assert_eq!((plan.steps.len(), waiting(&plan)), (0, 1));
    scene.observed.entries[0].next_hop = hop("None");
    assert_eq!(taken(&scene.decide(&input(vec![to(FIREWALL)]))), ["Change 20.1.0.0/26"]);
}

#[test]
fn a_change_of_mind_before_the_approval_needs_nobody() {
    let mut scene = after(&input(vec![to(NET)]));
    scene.decide(&input(vec![to(FIREWALL)]));
    let plan = scene.decide(&input(vec![to(NET)]));
    assert_eq!(plan.all_steps().count(), 0);
    scene.observed.entries[0].next_hop = hop("None");
    assert_eq!(scene.decide(&input(vec![to(NET)])).steps.len(), 1);
}

#[test]
fn after_a_loss_every_change_of_next_hop_waits_also_drift() {
    let mut scene = after(&input(vec![to(NET)]));
    scene.memory = TargetMemory::lost();
    scene.observed.entries[0].next_hop = hop("None");
    for _ in 0..3 {
        let plan = scene.wait(1).decide(&input(vec![to(NET)]));
        assert_eq!((plan.steps.len(), waiting(&plan)), (0, 1));
    }
}

#[test]
fn on_a_target_that_is_new_the_spec_counts() {
    let mut scene = Scene::empty();
    scene.observed.entries.push(ours(A, "None"));
    let plan = scene.decide(&input(vec![to(NET)]));
    assert_eq!((taken(&plan).len(), waiting(&plan)), (2, 0));
}

#[test]
fn a_route_that_is_written_again_as_it_was_waits_for_nobody() {
    let mut scene = after(&input(vec![to(NET)]));
    scene.observed.entries[0].failed = true;
    assert_eq!(taken(&scene.decide(&input(vec![to(NET)]))), ["Change 20.1.0.0/26"]);
}

#[test]
fn a_route_that_somebody_gave_another_address_is_put_back_without_asking() {
    let mut scene = after(&input(vec![to(NET)]));
    scene.observed.entries[0].address = crate::testing::address("20.9.0.0/26");
    scene.observed.entries[0].next_hop = hop(FIREWALL);
    let plan = scene.decide(&input(vec![to(NET)]));
    assert_eq!((taken(&plan), waiting(&plan)), (vec!["Change 20.1.0.0/26".to_owned()], 0));
}

#[test]
fn another_firewall_for_the_default_route_waits() {
    let default = |next_hop| contribution("a", &[(A, NET), ("0.0.0.0/0", next_hop)]);
    let mut scene = after(&input(vec![default(FIREWALL)]));
    let plan = scene.decide(&input(vec![default("10.0.0.5")]));
    assert_eq!((plan.steps.len(), waiting(&plan)), (0, 1));
}

#[test]
fn what_is_new_is_added_while_another_next_hop_waits() {
    let mut scene = after(&input(vec![to(NET)]));
    let more = contribution("a", &[(A, FIREWALL), (B, FIREWALL), ("20.3.0.0/26", FIREWALL)]);
    let plan = scene.decide(&input(vec![more]));
    assert_eq!((taken(&plan), waiting(&plan)), (vec!["Add 20.3.0.0/26".to_owned()], 2));
}

#[test]
fn the_reason_names_both_next_hops() {
    let mut scene = after(&input(vec![to(NET)]));
    let plan = scene.decide(&input(vec![to(FIREWALL)]));
    assert_eq!(
        plan.held[0].why,
        "its next hop would be VirtualAppliance 10.0.0.4 instead of Internet, which is new for this route"
    );
}
