//! When the budget is free again, and what it leaves to others.

use jiff::SignedDuration;

use super::*;
use crate::intent::Removal;
use crate::memory::Clock;
use crate::plan::{Departure, Held, TargetInput};
use crate::testing::{AT_ONCE, Scene, input, key, needing, noon, regional};

const AML: &str = "AzureMachineLearning";
const ENTRIES: [&str; 4] = ["20.1.0.0/26", "20.1.1.0/26", "20.1.2.0/26", "20.1.3.0/26"];

fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

/// A Network that needs these, and removes at most `max` within 7 days.
fn spending(max: u32, prefixes: &[&str]) -> TargetInput {
    let removal = Removal { budget: Budget { max, percent: 100 }, ..AT_ONCE };
    input(vec![crate::desired::Contribution { removal, ..needing("a", prefixes) }])
}

/// Four entries, of which so many were removed, one an hour, the last of them just now.
fn after_removals(count: i64) -> Scene {
    let mut scene = Scene::empty();
    scene.apply(&spending(1000, &ENTRIES));
    scene.memory.removals = (0..count).rev().map(|ago| Clock::start(noon() - hours(ago))).collect();
    scene
}

/// When each removal that the budget holds may go.
fn until(plan: &Plan) -> Vec<Option<Timestamp>> {
    let by_budget = plan.held.iter().filter(|held| held.reason == HeldReason::Budget);
    by_budget.map(|held: &Held| held.until).collect()
}

#[test]
fn a_removal_waits_until_so_many_have_left_the_window_that_there_is_room() {
    // Five were removed while ten were allowed. With two allowed, four of them have to leave the window first.
    let mut scene = after_removals(5);
    let plan = scene.decide(&spending(2, &ENTRIES[1..]));
    let first = until(&plan)[0].unwrap();
    assert_eq!(first, noon() - hours(1) + BUDGET_WINDOW);
    scene.now = first - SignedDuration::from_secs(1);
    assert_eq!(scene.decide(&spending(2, &ENTRIES[1..])).steps.len(), 0);
    scene.now = first;
    assert_eq!(scene.decide(&spending(2, &ENTRIES[1..])).steps.len(), 1, "and then it goes");
}

#[test]
fn each_removal_over_the_budget_goes_in_the_second_that_was_said() {
    for max in 1..5 {
        let mut scene = after_removals(3);
        let none = spending(max, &[]);
        let plan = scene.decide(&none);
        let said: Vec<Timestamp> = until(&plan).into_iter().flatten().collect();
        assert_eq!(plan.steps.len() + said.len(), ENTRIES.len());
        scene.apply(&none);
        for time in &said {
            let left_at = |at: Timestamp| said.iter().filter(|said| **said > at).count();
            for now in [*time - SignedDuration::from_secs(1), *time] {
                scene.now = now;
                scene.apply(&none);
                assert_eq!(scene.stands().len(), left_at(now), "max {max}, at {now}, said {said:?}");
            }
        }
    }
}

#[test]
fn a_percentage_counts_what_was_there_before_the_removals_of_these_days() {
    let share = |prefixes: &[&str]| {
        let removal = Removal { budget: Budget { max: 1000, percent: 50 }, ..AT_ONCE };
        input(vec![crate::desired::Contribution { removal, ..needing("a", prefixes) }])
    };
    let mut scene = Scene::empty();
    scene.apply(&share(&ENTRIES));
    scene.apply(&share(&[]));
    assert_eq!(scene.stands().len(), 2, "half of four");
    scene.apply(&share(&[]));
    assert_eq!(scene.stands().len(), 2, "not half of two once more");
}

#[test]
fn a_deletion_takes_nothing_from_what_others_may_remove() {
    let leaving = crate::desired::Contribution {
        deletion_policy: crate::intent::DeletionPolicy::Delete,
        ..needing("b", &ENTRIES[2..])
    };
    let with = |prefixes: &[&str]| spending(1, prefixes).contributions.remove(0);
    let mut scene = Scene::empty();
    scene.apply(&input(vec![with(&ENTRIES[..2]), leaving]));
    let mut gone = spending(1, &ENTRIES[..1]);
    gone.departed.insert(key("b"), Departure::Deleted);
    let plan = scene.decide(&gone);
    assert_eq!((plan.steps.len(), plan.held.len()), (3, 0));
}

#[test]
fn with_a_lost_memory_removals_wait_for_the_end_of_the_seven_days() {
    let mut scene = after_removals(0);
    scene.memory.lost_at = Some(noon());
    scene.now = noon() + hours(1);
    let plan = scene.decide(&spending(1000, &ENTRIES[2..]));
    assert_eq!(until(&plan), [Some(noon() + BUDGET_WINDOW); 2]);
    assert!(plan.held[0].why.contains("not known how many"), "{}", plan.held[0].why);
}

#[test]
fn a_budget_does_not_hold_additions_and_changes() {
    let mut scene = after_removals(4);
    scene.observed.entries[0].next_hop = crate::testing::hop("None");
    let plan = scene.decide(&spending(1, &["20.1.0.0/26", "20.1.1.0/26", "20.1.2.0/26", "20.9.0.0/26"]));
    assert_eq!((plan.steps.len(), until(&plan).len()), (2, 1));
}

#[test]
fn with_approval_over_budget_the_first_ones_go_and_the_rest_is_asked_about() {
    let of = |asked: &[&str]| {
        let removal = Removal { budget: Budget { max: 1, percent: 100 }, approval: Approval::OverBudget, ..AT_ONCE };
        let contribution = regional("a", &[("eastus2", AML, asked)]);
        input(vec![crate::desired::Contribution { removal, ..contribution }])
    };
    let mut scene = Scene::empty();
    scene.apply(&of(&ENTRIES));
    let plan = scene.decide(&of(&ENTRIES[3..]));
    assert_eq!(plan.steps.len(), 1);
    assert!(plan.held.iter().all(|held| held.reason == HeldReason::Approval && held.until.is_none()));
    scene.approve(&plan, "a", 7);
    assert_eq!(scene.decide(&of(&ENTRIES[3..])).steps.len(), 3);
}
