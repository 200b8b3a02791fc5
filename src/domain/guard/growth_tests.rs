//! What counts as growth, and what does not.

use super::*;
use crate::desired::Contribution;
use crate::intent::{Growth, Mode};
use crate::plan::TargetInput;
use crate::testing::{Asked, Scene, input, ours, regional};

const AML: &str = "AzureMachineLearning";
const V4: [&str; 4] = ["20.1.0.0/26", "20.1.1.0/26", "20.1.2.0/26", "20.1.3.0/26"];
const V6: [&str; 3] = ["2603:1030:1::/122", "2603:1030:2::/122", "2603:1030:3::/122"];
const OTHER: [&str; 4] = ["20.2.0.0/26", "20.2.1.0/26", "20.2.2.0/26", "20.2.3.0/26"];

fn asked(per_service: u32, total: u32, rows: &[Asked<'_>]) -> TargetInput {
    input(vec![Contribution { growth: Growth { per_service, total }, ..regional("a", rows) }])
}

/// How many additions go, and how many wait for a person.
fn counted(scene: &mut Scene, input: &TargetInput) -> (usize, usize) {
    let plan = scene.decide(input);
    assert!(plan.held.iter().all(|held| held.reason == HeldReason::Growth), "{plan:?}");
    (plan.steps.len(), plan.held.len())
}

fn after(input: &TargetInput) -> Scene {
    let mut scene = Scene::empty();
    assert_eq!(scene.apply(input).all_steps().count(), 0);
    scene
}

#[test]
fn both_families_of_a_service_count_together() {
    let of = |v4: usize, v6: usize| {
        let prefixes: Vec<&str> = V4[..v4].iter().chain(&V6[..v6]).copied().collect();
        asked(2, 100, &[("eastus2", AML, &prefixes)])
    };
    for (v4, v6, expected) in [(2, 2, (2, 0)), (3, 2, (0, 3)), (1, 3, (2, 0)), (4, 1, (0, 3))] {
        let mut scene = after(&of(1, 1));
        assert_eq!(counted(&mut scene, &of(v4, v6)), expected, "{v4} {v6}");
    }
}

#[test]
fn a_family_that_is_asked_for_newly_is_no_growth() {
    let mut scene = after(&asked(1, 1, &[("eastus2", AML, &V4)]));
    let both: Vec<&str> = V4.iter().chain(&V6).copied().collect();
    assert_eq!(counted(&mut scene, &asked(1, 1, &[("eastus2", AML, &both)])), (3, 0));
}

#[test]
fn each_service_and_each_region_is_counted_for_itself() {
    let of = |aml: usize, storage: usize, pair: usize| {
        let rows = [
            ("eastus2", AML, &V4[..aml]),
            ("eastus2", "Storage", &OTHER[..storage]),
            ("centralus", AML, &["20.3.0.0/26", "20.3.1.0/26", "20.3.2.0/26", "20.3.3.0/26"][..pair]),
        ];
        asked(2, 100, &rows)
    };
    let mut scene = after(&of(1, 1, 1));
    assert_eq!(counted(&mut scene, &of(3, 3, 3)), (6, 0));
    assert_eq!(counted(&mut scene, &of(4, 3, 3)), (4, 3), "one of them has grown too much");
}

#[test]
fn the_total_counts_a_prefix_of_two_services_once() {
    let rows = |aml: usize, storage: usize| [("eastus2", AML, &V4[..aml]), ("eastus2", "Storage", &V4[..storage])];
    let mut scene = after(&asked(100, 2, &rows(1, 1)));
    assert_eq!(counted(&mut scene, &asked(100, 2, &rows(3, 3))), (2, 0));
    assert_eq!(counted(&mut scene, &asked(100, 2, &rows(4, 1))), (0, 3));
}

#[test]
fn another_region_of_the_spec_is_no_growth_but_a_matter_of_its_own() {
    let growth = Growth { per_service: 1, total: 1 };
    let mut scene = after(&asked(1, 1, &[("eastus2", AML, &V4[..2])]));
    let with_pair = regional("a", &[("eastus2", AML, &V4[..2]), ("centralus", AML, &OTHER)]);
    let plan = scene.decide(&input(vec![Contribution { growth, ..with_pair }]));
    assert!(plan.held.iter().all(|held| held.reason == HeldReason::Approval));
    assert_eq!(plan.held.len(), 4);
}

#[test]
fn a_limit_of_zero_lets_no_new_prefix_through_and_the_first_plan_whole() {
    let mut scene = after(&asked(0, 0, &[("eastus2", AML, &V4[..2])]));
    assert_eq!(counted(&mut scene, &asked(0, 0, &[("eastus2", AML, &V4[..3])])), (0, 1));
}

#[test]
fn the_limit_of_somebody_who_only_observes_counts_too() {
    let of = |prefixes| {
        let strict = Contribution {
            mode: Mode::Observe,
            growth: Growth { per_service: 0, total: 0 },
            ..regional("b", &[("eastus2", AML, &V4[..1])])
        };
        input(vec![regional("a", &[("eastus2", AML, prefixes)]), strict])
    };
    let mut scene = after(&of(&V4[..1]));
    assert_eq!(counted(&mut scene, &of(&V4[..2])), (0, 1));
}

#[test]
fn a_route_that_somebody_took_away_comes_back_whatever_the_limit_is() {
    let of = asked(0, 0, &[("eastus2", AML, &V4)]);
    let mut scene = after(&of);
    scene.observed.entries.clear();
    assert_eq!(counted(&mut scene, &of), (4, 0));
}

#[test]
fn growth_in_parts_below_the_limit_is_counted_until_all_of_it_stands() {
    let of = |count: usize| asked(2, 100, &[("eastus2", AML, &V4[..count])]);
    let mut scene = after(&of(1));
    // Two more are within the limit; before they are written, the next document brings one more.
    assert_eq!(counted(&mut scene, &of(3)), (2, 0));
    assert_eq!(counted(&mut scene, &of(4)), (0, 3));
}

#[test]
fn what_stands_already_is_no_growth_when_the_memory_is_lost() {
    let of = |count: usize| asked(1, 100, &[("eastus2", AML, &V4[..count])]);
    let mut scene = Scene::empty();
    scene.memory = crate::memory::TargetMemory::lost();
    scene.observed.entries.extend(V4[..2].iter().map(|at| ours(at, "Internet")));
    assert_eq!(counted(&mut scene, &of(3)), (1, 0));
    assert_eq!(counted(&mut scene, &of(4)), (0, 2));
}

#[test]
fn an_entry_of_somebody_else_does_not_count_as_ours_when_the_memory_is_lost() {
    let mut scene = Scene::empty();
    scene.memory = crate::memory::TargetMemory::lost();
    let mut foreign = ours(V4[0], "Internet");
    foreign.name = "theirs".to_owned();
    scene.observed.entries.push(foreign);
    assert_eq!(counted(&mut scene, &asked(1, 100, &[("eastus2", AML, &V4[..2])])), (0, 1));
}

#[test]
fn what_the_growth_is_stands_in_the_reason() {
    let mut scene = after(&asked(1, 100, &[("eastus2", AML, &V4[..1])]));
    let plan = scene.decide(&asked(1, 100, &[("eastus2", AML, &V4)]));
    assert_eq!(
        plan.held[0].why,
        "azuremachinelearning in eastus2 needs 3 prefixes that the last applied document did not need, \
         growth.perService is 1"
    );
}
