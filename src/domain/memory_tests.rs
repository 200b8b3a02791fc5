//! Rules of what is remembered of a target: when a clock starts, counts and ends, and what a loss leaves.

use super::*;
use crate::desired::Ask;
use crate::testing::{
    Scene, address, ask, contribution, hop, input, key, needing, noon, observed, ours, regional, taken, unresolved,
};

pub(super) const A: &str = "20.1.0.0/26";
pub(super) const B: &str = "20.2.0.0/26";
pub(super) const C: &str = "20.3.0.0/26";
pub(super) const D: &str = "20.4.0.0/26";
pub(super) const AML: &str = "AzureMachineLearning";
pub(super) const DAY: i64 = 86400;

/// A target of which nothing is remembered, with these entries of ours to Internet.
pub(super) fn looked_at(entries: &[&str]) -> Scene {
    let mut scene = Scene::empty();
    scene.observed.entries.extend(entries.iter().map(|at| ours(at, "Internet")));
    scene
}

pub(super) fn wait(scene: &mut Scene, seconds: i64) {
    scene.now += SignedDuration::from_secs(seconds);
}

/// The plan that was carried out.
pub(super) fn carry_out(scene: &mut Scene, input: &TargetInput) -> Plan {
    let plan = scene.decide(input);
    let _ = scene.apply(input);
    plan
}

/// A table that holds what one Network needs, all of it looked at once.
pub(super) fn settled(contributions: Vec<Contribution>, entries: &[&str]) -> Scene {
    let mut scene = looked_at(entries);
    scene.decide(&input(contributions));
    scene
}

fn since(scene: &Scene, at: &str) -> Option<Timestamp> {
    scene.memory.explain(&address(at)).since
}

pub(super) fn departed(contributions: Vec<Contribution>, name: &str, how: Departure) -> TargetInput {
    TargetInput { departed: BTreeMap::from([(key(name), how)]), ..input(contributions) }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_prefix_that_left_the_document_starts_a_clock_at_the_look_that_first_saw_it() {
    let mut scene = settled(vec![needing("a", &[A, B])], &[A, B]);
    assert_eq!(since(&scene, B), None);
    wait(&mut scene, DAY);
    scene.decide(&input(vec![needing("a", &[A])]));
    let seen = scene.now;
    wait(&mut scene, DAY);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(since(&scene, B), Some(seen));
    assert!(scene.memory.explain(&address(B)).left_the_document);
    assert_eq!(since(&scene, A), None);
}

#[test]
fn a_prefix_that_returns_loses_its_clock_without_a_write() {
    let mut scene = settled(vec![needing("a", &[A, B])], &[A, B]);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert!(since(&scene, B).is_some());
    let plan = scene.decide(&input(vec![needing("a", &[A, B])]));
    assert_eq!((taken(&plan), plan.held.len()), (vec![], 0));
    assert_eq!(since(&scene, B), None);
    assert!(scene.memory.contributors[&key("a")].retiring.is_empty());
}

#[test]
fn a_prefix_that_leaves_a_second_time_starts_anew() {
    let mut scene = settled(vec![needing("a", &[A, B])], &[A, B]);
    scene.decide(&input(vec![needing("a", &[A])]));
    scene.decide(&input(vec![needing("a", &[A, B])]));
    wait(&mut scene, DAY);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(since(&scene, B), Some(scene.now));
}

#[test]
fn a_source_that_lags_starts_no_clock_and_the_need_stays() {
    let lagging = Contribution { clocks_may_start: false, ..needing("a", &[A]) };
    let mut scene = settled(vec![needing("a", &[A, B])], &[A, B]);
    scene.decide(&input(vec![lagging.clone()]));
    scene.decide(&input(vec![lagging]));
    assert_eq!(since(&scene, B), None);
    assert!(scene.memory.contributors[&key("a")].needs[&ask("eastus2", AML)].contains(&address(B)));
    wait(&mut scene, DAY);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(since(&scene, B), Some(scene.now), "the clock starts once a document without lag lacks it too");
}

#[test]
fn a_need_that_is_unknown_for_a_while_is_remembered() {
    let mut scene = settled(vec![needing("a", &[A, B])], &[A, B]);
    let before = scene.memory.contributors.clone();
    scene.decide(&input(vec![unresolved("a")]));
    assert_eq!(scene.memory.contributors, before);
    wait(&mut scene, DAY);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(since(&scene, B), Some(scene.now));
}

#[test]
fn the_newest_clock_of_several_contributors_counts() {
    let mut scene = settled(vec![needing("a", &[A, B]), needing("b", &[A, B])], &[A, B]);
    scene.decide(&input(vec![needing("a", &[A]), needing("b", &[A, B])]));
    assert_eq!(scene.memory.contributors[&key("a")].retiring.len(), 1);
    wait(&mut scene, DAY);
    scene.decide(&input(vec![needing("a", &[A]), needing("b", &[A])]));
    assert_eq!(since(&scene, B), Some(scene.now));
}

#[test]
fn a_clock_of_what_stands_no_longer_is_forgotten() {
    let mut scene = settled(vec![needing("a", &[A, B])], &[A, B]);
    scene.decide(&input(vec![needing("a", &[A])]));
    scene.observed.entries.pop();
    scene.decide(&input(vec![needing("a", &[A])]));
    assert!(scene.memory.contributors[&key("a")].retiring.is_empty());
}

#[test]
fn a_service_that_is_taken_out_of_the_spec_releases_its_entries_without_a_clock() {
    let both = regional("a", &[("eastus2", AML, &[A]), ("eastus2", "Storage", &[B])]);
    let mut scene = settled(vec![both], &[A, B]);
    scene.decide(&input(vec![needing("a", &[A])]));
    let explanation = scene.memory.explain(&address(B));
    assert_eq!((explanation.released, explanation.since), (Some(Released::Spec), None));
}

#[test]
fn another_region_or_no_pair_releases_the_entries_of_the_old_one_as_region() {
    let pair = regional("a", &[("eastus2", AML, &[A]), ("centralus", AML, &[B])]);
    for (next, released) in
        [(needing("a", &[A]), B), (regional("a", &[("westeurope", AML, &[C]), ("centralus", AML, &[B])]), A)]
    {
        let mut scene = settled(vec![pair.clone()], &[A, B]);
        scene.decide(&input(vec![next]));
        let explanation = scene.memory.explain(&address(released));
        assert_eq!((explanation.released, explanation.since), (Some(Released::Region), None), "{released}");
    }
}

#[test]
fn a_spec_change_does_not_end_the_hold_of_what_left_the_document_before() {
    let both = |storage| regional("a", &[("eastus2", AML, &[A]), ("eastus2", "Storage", storage)]);
    let mut scene = settled(vec![both(&[B, C])], &[A, B, C]);
    scene.decide(&input(vec![both(&[B])]));
    let left = scene.now;
    wait(&mut scene, DAY);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(since(&scene, C), Some(left));
    assert_eq!(since(&scene, B), None);
}

#[test]
fn what_a_changed_spec_asks_for_again_is_released_no_longer() {
    let both = regional("a", &[("eastus2", AML, &[A]), ("eastus2", "Storage", &[B])]);
    let mut scene = settled(vec![both.clone()], &[A, B]);
    scene.decide(&input(vec![needing("a", &[A])]));
    scene.decide(&input(vec![both]));
    assert!(scene.memory.released.is_empty());
}

#[test]
fn a_network_that_takes_the_table_out_of_its_spec_leaves_its_entries_orphaned() {
    let mut scene = settled(vec![needing("a", &[A]), needing("b", &[B])], &[A, B]);
    scene.decide(&departed(vec![needing("a", &[A])], "b", Departure::TakenOut));
    assert_eq!(scene.memory.orphaned, BTreeMap::from([(address(B), BTreeSet::from([key("b")]))]));
    assert!(!scene.memory.contributors.contains_key(&key("b")));
}

#[test]
fn a_deleted_network_leaves_its_entries_as_its_policy_and_mode_say() {
    use DeletionPolicy::{Delete, Retain};
    for (policy, mode, is_deleted) in [
        (Retain, Mode::Sync, false),
        (Delete, Mode::Sync, true),
        (Delete, Mode::UpsertOnly, true),
        (Delete, Mode::Observe, false),
    ] {
        let leaving = Contribution { deletion_policy: policy, mode, ..needing("b", &[B]) };
        let mut scene = settled(vec![needing("a", &[A]), leaving], &[A, B]);
        scene.decide(&departed(vec![needing("a", &[A])], "b", Departure::Deleted));
        let explanation = scene.memory.explain(&address(B));
        assert_eq!(explanation.deleted_with.is_some(), is_deleted, "{policy:?} {mode:?}");
        assert_eq!(explanation.orphaned_by.is_some(), !is_deleted, "{policy:?} {mode:?}");
        assert_eq!(explanation.is_deletion(), is_deleted, "{policy:?} {mode:?}");
    }
}

/// The policy was changed, or the network left Observe, and it was deleted before anybody looked again.
#[test]
fn a_network_whose_last_spec_asks_for_it_takes_its_entries_along_whatever_is_remembered() {
    for (policy, mode) in [(DeletionPolicy::Retain, Mode::Sync), (DeletionPolicy::Delete, Mode::Observe)] {
        let leaving = Contribution { deletion_policy: policy, mode, ..needing("b", &[B]) };
        let mut scene = settled(vec![needing("a", &[A]), leaving], &[A, B]);
        scene.decide(&departed(vec![needing("a", &[A])], "b", Departure::DeletedWithEntries));
        assert!(scene.memory.explain(&address(B)).is_deletion(), "{policy:?} {mode:?}");
    }
}

#[test]
fn policy_delete_counts_only_where_the_network_was_deleted() {
    let leaving = Contribution { deletion_policy: DeletionPolicy::Delete, ..needing("b", &[B]) };
    let mut scene = settled(vec![needing("a", &[A]), leaving], &[A, B]);
    scene.decide(&departed(vec![needing("a", &[A])], "b", Departure::TakenOut));
    assert_eq!(scene.memory.explain(&address(B)).orphaned_by, Some(&BTreeSet::from([key("b")])));
}

#[test]
fn a_deletion_policy_that_changed_last_counts_also_while_the_need_is_unknown() {
    let mut scene = settled(vec![needing("a", &[A]), needing("b", &[B])], &[A, B]);
    let last = Contribution { deletion_policy: DeletionPolicy::Delete, ..unresolved("b") };
    scene.decide(&input(vec![needing("a", &[A]), last]));
    scene.decide(&departed(vec![needing("a", &[A])], "b", Departure::Deleted));
    assert!(scene.memory.explain(&address(B)).is_deletion());
}

#[test]
fn what_somebody_else_still_needs_is_neither_orphaned_nor_deleted() {
    for policy in [DeletionPolicy::Retain, DeletionPolicy::Delete] {
        let leaving = Contribution { deletion_policy: policy, ..needing("b", &[A, B]) };
        let mut scene = settled(vec![needing("a", &[A]), leaving], &[A, B]);
        scene.decide(&departed(vec![needing("a", &[A])], "b", Departure::Deleted));
        assert_eq!(scene.memory.orphaned.len() + scene.memory.deleting.len(), 1, "{policy:?}");
        assert_eq!(scene.memory.explain(&address(A)).deleted_with, None);
    }
}

#[test]
fn what_somebody_elses_document_lacks_is_not_deleted_with_a_network() {
    let leaving = Contribution { deletion_policy: DeletionPolicy::Delete, ..needing("b", &[A, B]) };
    let mut scene = settled(vec![needing("a", &[A, B]), leaving.clone()], &[A, B]);
    scene.decide(&input(vec![needing("a", &[A]), leaving]));
    let left = scene.now;
    wait(&mut scene, DAY);
    scene.decide(&departed(vec![needing("a", &[A])], "b", Departure::Deleted));
    let explanation = scene.memory.explain(&address(B));
    assert_eq!((explanation.since, explanation.is_deletion()), (Some(left), false));
}

#[test]
fn being_left_behind_does_not_shorten_a_hold() {
    let mut scene = settled(vec![needing("a", &[A]), needing("b", &[B, C])], &[A, B, C]);
    scene.decide(&input(vec![needing("a", &[A]), needing("b", &[B])]));
    let left = scene.now;
    wait(&mut scene, DAY);
    scene.decide(&departed(vec![needing("a", &[A])], "b", Departure::TakenOut));
    assert_eq!(since(&scene, C), Some(left));
    assert_eq!(scene.memory.explain(&address(C)).orphaned_by, Some(&BTreeSet::from([key("b")])));
}

#[test]
fn whoever_leaves_last_speaks_for_the_rest() {
    let both = regional("b", &[("eastus2", AML, &[A]), ("eastus2", "Storage", &[B])]);
    for (policy, deletes) in [(DeletionPolicy::Retain, false), (DeletionPolicy::Delete, true)] {
        let policy = |contribution| Contribution { deletion_policy: policy, ..contribution };
        let mut scene = settled(vec![policy(both.clone())], &[A, B, C]);
        scene.decide(&input(vec![policy(needing("b", &[A]))]));
        assert_eq!(scene.memory.explain(&address(B)).released, Some(Released::Spec));
        assert!(since(&scene, C).is_some());
        scene.decide(&departed(vec![], "b", Departure::Deleted));
        assert_eq!(scene.memory.explain(&address(B)).is_deletion(), deletes);
        // Nobody knows whose C was.
        assert_eq!(scene.memory.explain(&address(C)).orphaned_by, Some(&BTreeSet::from([key("b")])));
        assert_eq!(scene.memory.owners(), BTreeSet::from([&key("b")]));
    }
}

#[test]
fn an_entry_that_nobody_ever_needed_gets_a_clock_when_it_is_first_seen() {
    let scene = settled(vec![needing("a", &[A])], &[A, B]);
    let explanation = scene.memory.explain(&address(B));
    assert_eq!((explanation.since, explanation.left_the_document), (Some(noon()), false));
}

#[test]
fn nothing_is_unexplained_while_anything_is_unknown() {
    let known = || input(vec![needing("a", &[A])]);
    let why = || Some("unknown".to_owned());
    let lagging = Contribution { clocks_may_start: false, ..needing("a", &[A]) };
    for input in [
        TargetInput { no_memory: why(), ..known() },
        TargetInput { removals_frozen: why(), ..known() },
        input(vec![needing("a", &[A]), unresolved("b")]),
        input(vec![lagging]),
        input(vec![]),
    ] {
        let mut scene = looked_at(&[A, B]);
        scene.decide(&input);
        assert!(scene.memory.unexplained.is_empty(), "{input:?}");
    }
}

#[test]
fn an_entry_of_others_is_never_remembered() {
    let mut scene = looked_at(&[A]);
    scene.observed.entries.push(observed(&[("amlnet.other.20.2.0.0_26", B, "Internet")]).entries.remove(0));
    scene.decide(&input(vec![needing("a", &[A])]));
    assert!(scene.memory.unexplained.is_empty());
    assert!(!scene.memory.next_hops.contains_key(&address(B)));
}

#[test]
fn a_clock_of_the_future_counts_from_when_that_was_noticed() {
    let mut scene = settled(vec![needing("a", &[A, B])], &[A, B]);
    let real = scene.now;
    wait(&mut scene, 100 * DAY);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(since(&scene, B), Some(scene.now), "the clock jumped ahead, unnoticed");
    scene.now = real;
    let plan = scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(since(&scene, B), Some(real));
    assert!(plan.warnings.iter().any(|note| note.code == "ClockWentBack"));
    wait(&mut scene, 3 * DAY);
    scene.decide(&input(vec![needing("a", &[A])]));
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(since(&scene, B), Some(real), "further looks do not move it");
    wait(&mut scene, 200 * DAY);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(since(&scene, B), Some(real + SignedDuration::from_hours(100 * 24)), "the time reached it");
}

#[test]
fn a_jump_back_and_back_again_does_not_end_a_hold() {
    let mut scene = settled(vec![needing("a", &[A, B])], &[A, B]);
    scene.decide(&input(vec![needing("a", &[A])]));
    let real = scene.now;
    scene.now = at("2001-01-01T00:00:00Z");
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(since(&scene, B), Some(scene.now), "nothing has passed by this clock");
    scene.now = real + SignedDuration::from_secs(DAY);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(since(&scene, B), Some(real));
}

#[test]
fn removals_of_the_future_count_from_when_that_was_noticed() {
    let mut scene = settled(vec![needing("a", &[A, B])], &[A, B]);
    scene.memory.removals = vec![Clock::start(noon() + SignedDuration::from_hours(30 * 24))];
    scene.decide(&input(vec![needing("a", &[A, B])]));
    wait(&mut scene, 7 * DAY - 1);
    scene.decide(&input(vec![needing("a", &[A, B])]));
    assert_eq!(scene.memory.removals.len(), 1);
    wait(&mut scene, 1);
    scene.decide(&input(vec![needing("a", &[A, B])]));
    assert_eq!(scene.memory.removals.len(), 0);
}

#[test]
fn a_removal_is_counted_for_exactly_seven_days() {
    let mut scene = settled(vec![needing("a", &[A])], &[A]);
    scene.memory.removals = vec![Clock::start(noon())];
    wait(&mut scene, 7 * DAY - 1);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(scene.memory.removals.len(), 1);
    wait(&mut scene, 1);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(scene.memory.removals.len(), 0);
}

#[test]
fn a_removal_that_did_not_come_about_is_not_counted() {
    let mut scene = settled(vec![needing("a", &[A, B])], &[A, B]);
    wait(&mut scene, 1);
    let plan = scene.decide(&input(vec![needing("a", &[A])]));
    let step = &plan.steps[0];
    scene.memory.count_removals(&[step], scene.now);
    assert_eq!(scene.memory.removals, [Clock::start(scene.now)]);
    scene.memory.uncount_removals(&[step]);
    assert_eq!(scene.memory.removals, []);
}

#[test]
fn a_removal_by_policy_delete_is_not_counted() {
    let leaving = Contribution { deletion_policy: DeletionPolicy::Delete, ..needing("b", &[B]) };
    let mut scene = settled(vec![needing("a", &[A]), leaving], &[A, B]);
    let plan = carry_out(&mut scene, &departed(vec![needing("a", &[A])], "b", Departure::Deleted));
    assert_eq!(taken(&plan), ["Remove 20.2.0.0/26"]);
    assert_eq!(scene.memory.removals, []);
}

/// A memory that was lost, of a table that stands as it should.
fn lost(contributions: Vec<Contribution>, entries: &[&str]) -> Scene {
    let mut scene = looked_at(entries);
    scene.memory = TargetMemory::lost();
    scene.decide(&input(contributions));
    scene
}

#[test]
fn a_loss_counts_from_the_first_look() {
    let scene = lost(vec![needing("a", &[A])], &[A]);
    assert_eq!(scene.memory.lost_at, Some(noon()));
}

#[test]
fn a_loss_is_over_after_seven_days() {
    let mut scene = lost(vec![needing("a", &[A])], &[A]);
    wait(&mut scene, 7 * DAY - 1);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert!(scene.memory.lost_at.is_some());
    wait(&mut scene, 1);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(scene.memory.lost_at, None);
}

#[test]
fn a_loss_is_not_over_before_everything_needed_was_once_there() {
    // Nothing of B can be written: a foreign table is in Observe.
    let watching = || Contribution { mode: Mode::Observe, ..needing("a", &[A, B]) };
    let mut scene = lost(vec![watching()], &[A]);
    wait(&mut scene, 30 * DAY);
    scene.decide(&input(vec![watching()]));
    assert!(scene.memory.lost_at.is_some());
    scene.apply(&input(vec![needing("a", &[A, B])]));
    scene.decide(&input(vec![needing("a", &[A, B])]));
    assert_eq!(scene.memory.lost_at, None);
}

#[test]
fn a_lost_memory_starts_every_hold_anew() {
    let scene = lost(vec![needing("a", &[A])], &[A, B]);
    assert_eq!(since(&scene, B), Some(noon()));
}

#[test]
fn needs_are_applied_only_when_nothing_of_an_ask_is_missing() {
    let mut scene = looked_at(&[A]);
    let watching = Contribution {
        mode: Mode::Observe,
        ..regional("a", &[("eastus2", AML, &[A, B]), ("eastus2", "Storage", &[A])])
    };
    scene.decide(&input(vec![watching]));
    let applied: Vec<&Ask> = scene.memory.applied.keys().collect();
    assert_eq!(applied, [&ask("eastus2", "Storage")]);
}

#[test]
fn what_was_applied_stays_while_something_new_is_missing() {
    let mut scene = settled(vec![needing("a", &[A])], &[A]);
    let watching = || Contribution { mode: Mode::Observe, ..needing("a", &[A, B]) };
    scene.decide(&input(vec![watching()]));
    assert_eq!(scene.memory.applied[&ask("eastus2", AML)], BTreeSet::from([address(A)]));
    scene.observed.entries.push(ours(B, "Internet"));
    scene.decide(&input(vec![watching()]));
    assert_eq!(scene.memory.applied[&ask("eastus2", AML)].len(), 2);
}

#[test]
fn a_blocked_plan_changes_nothing_of_what_was_applied() {
    let scene = settled(vec![needing("a", &[A])], &[A]);
    let of = input(vec![needing("a", &[A, B])]);
    let (memory, _) = scene.memory.look(&of, &scene.observed, scene.now);
    let plan = Plan::blocked(&of, crate::plan::BlockedReason::Capacity, String::new());
    assert_eq!(memory.clone().after(&plan, &of), memory);
}

#[test]
fn an_ask_that_is_dropped_is_applied_no_longer() {
    let both = regional("a", &[("eastus2", AML, &[A]), ("eastus2", "Storage", &[B])]);
    let mut scene = settled(vec![both], &[A, B]);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert!(!scene.memory.applied.contains_key(&ask("eastus2", "Storage")));
}

#[test]
fn a_new_region_is_followed_only_when_all_of_it_is_there() {
    let pair = || regional("a", &[("eastus2", AML, &[A]), ("centralus", AML, &[B, C])]);
    let regions =
        |scene: &Scene| -> Vec<String> { scene.memory.contributors[&key("a")].regions.iter().cloned().collect() };
    let mut scene = settled(vec![needing("a", &[A])], &[A]);
    scene.decide(&input(vec![pair()]));
    assert_eq!(regions(&scene), ["eastus2"]);
    scene.observed.entries.push(ours(B, "Internet"));
    scene.decide(&input(vec![pair()]));
    assert_eq!(regions(&scene), ["eastus2"]);
    scene.observed.entries.push(ours(C, "Internet"));
    scene.decide(&input(vec![pair()]));
    assert_eq!(regions(&scene), ["centralus", "eastus2"]);
}

#[test]
fn a_region_that_is_dropped_is_followed_no_longer() {
    let pair = regional("a", &[("eastus2", AML, &[A]), ("centralus", AML, &[B])]);
    let mut scene = settled(vec![pair], &[A, B]);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(scene.memory.contributors[&key("a")].regions, BTreeSet::from(["eastus2".to_owned()]));
}

#[test]
fn a_spec_of_which_nothing_was_written_yet_may_change_its_region_freely() {
    let watching = |region| Contribution { mode: Mode::Observe, ..regional("a", &[(region, AML, &[A])]) };
    let mut scene = settled(vec![watching("eastus2")], &[]);
    scene.decide(&input(vec![watching("westeurope")]));
    assert_eq!(scene.memory.contributors[&key("a")].regions, BTreeSet::from(["westeurope".to_owned()]));
}

#[test]
fn another_region_is_not_taken_for_a_new_spec_at_a_later_look() {
    let moved = || Contribution { mode: Mode::Observe, ..regional("a", &[("westeurope", AML, &[B])]) };
    let mut scene = settled(vec![needing("a", &[A])], &[A]);
    for _ in 0..3 {
        scene.decide(&input(vec![moved()]));
        assert_eq!(scene.memory.contributors[&key("a")].regions, BTreeSet::new());
    }
}

#[test]
fn a_next_hop_is_remembered_only_when_it_is_as_asked_for() {
    let via = |to| contribution("a", &[(A, to)]);
    let mut scene = settled(vec![via("Internet")], &[A]);
    scene.decide(&input(vec![via("10.0.0.4")]));
    assert_eq!(scene.memory.next_hops[&address(A)], NextHop::Internet);
    scene.observed.entries = vec![ours(A, "10.0.0.4")];
    scene.decide(&input(vec![via("10.0.0.4")]));
    assert_eq!(scene.memory.next_hops[&address(A)], hop("10.0.0.4"));
}

#[test]
fn on_a_target_that_is_new_the_spec_says_which_next_hop_is_right() {
    let mut scene = looked_at(&[]);
    scene.observed.entries = vec![ours(A, "10.0.0.4")];
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(scene.memory.next_hops[&address(A)], NextHop::Internet);
}

#[test]
fn after_a_loss_no_next_hop_is_known_that_is_not_as_asked_for() {
    let mut scene = looked_at(&[B]);
    scene.observed.entries.push(ours(A, "10.0.0.4"));
    scene.memory = TargetMemory::lost();
    scene.decide(&input(vec![needing("a", &[A, B])]));
    assert!(scene.memory.next_hops.keys().eq([&address(B)]));
}

#[test]
fn what_was_written_is_known_by_its_next_hop_at_once() {
    let mut scene = settled(vec![needing("a", &[A])], &[A]);
    let plan = scene.decide(&input(vec![needing("a", &[A, B])]));
    scene.memory.wrote(&plan.steps[0]);
    assert_eq!(scene.memory.next_hops[&address(B)], NextHop::Internet);
}
