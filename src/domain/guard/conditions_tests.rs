//! Hold, budget, growth, approval and deletion over time: what waits, until when, and what then goes.

use std::sync::Arc;

use std::collections::BTreeMap;

use crate::approval::{Approval as Word, State, Subject, word};
use crate::desired::Contribution;
use crate::intent::{Approval, Budget, DeletionPolicy, Growth, Mode, NextHop, ObjectKey, Removal};
use crate::memory::TargetMemory;
use crate::plan::{Action, Departure, Former, HeldReason, Plan, Standing, TargetInput};
use crate::testing::{AT_ONCE, Scene, hop, input, key, noon, observed, wanting};

const DAY: u64 = 86400;

fn held(plan: &Plan) -> BTreeMap<HeldReason, usize> {
    let mut reasons = BTreeMap::new();
    for held in &plan.held {
        *reasons.entry(held.reason).or_default() += 1;
    }
    reasons
}

fn only(reason: HeldReason, times: usize) -> BTreeMap<HeldReason, usize> {
    BTreeMap::from([(reason, times)])
}

fn ml(removal: Removal, numbers: impl IntoIterator<Item = usize>) -> Contribution {
    Contribution { removal, ..wanting("ml", "eastus2", numbers) }
}

/// A table that holds what `ml` asked for.
fn holding(contributions: Vec<Contribution>) -> Scene {
    let mut scene = Scene::empty();
    assert_eq!(scene.apply(&input(contributions)).steps, []);
    scene
}

const HELD: Removal = Removal { hold_seconds: 42 * DAY, ..AT_ONCE };
const ASKED: Removal = Removal { approval: Approval::Always, ..AT_ONCE };

#[test]
fn a_hold_ends_to_the_second() {
    let mut scene = holding(vec![ml(HELD, 0..4)]);
    let less = input(vec![ml(HELD, 1..4)]);
    let plan = scene.wait(1).decide(&less);
    let until = noon() + jiff::SignedDuration::from_hours(43 * 24);
    assert_eq!((held(&plan), plan.held[0].until), (only(HeldReason::Hold, 1), Some(until)));
    scene.now = until - jiff::SignedDuration::from_secs(1);
    assert_eq!(held(&scene.decide(&less)), only(HeldReason::Hold, 1));
    scene.now = until;
    assert_eq!(scene.decide(&less).steps.len(), 1);
}

#[test]
fn the_longest_hold_and_the_newest_clock_of_several_count() {
    let both = |a: std::ops::Range<usize>, b: std::ops::Range<usize>| {
        let second =
            Contribution { removal: Removal { hold_seconds: 7 * DAY, ..AT_ONCE }, ..wanting("b", "eastus2", b) };
        input(vec![ml(Removal { hold_seconds: 3 * DAY, ..AT_ONCE }, a), second])
    };
    let mut scene = Scene::empty();
    scene.apply(&both(0..4, 0..4));
    scene.wait(1).decide(&both(1..4, 0..4));
    let plan = scene.wait(1).decide(&both(1..4, 1..4));
    assert_eq!(plan.held[0].until, Some(noon() + jiff::SignedDuration::from_hours(9 * 24)));
}

#[test]
fn what_comes_back_and_leaves_again_is_held_anew() {
    let mut scene = holding(vec![ml(HELD, 0..4)]);
    let (less, all) = (input(vec![ml(HELD, 1..4)]), input(vec![ml(HELD, 0..4)]));
    scene.wait(1).decide(&less);
    assert_eq!(scene.wait(30).decide(&all).all_steps().count(), 0, "it is there, so nothing is written");
    let plan = scene.wait(20).decide(&less);
    assert_eq!(plan.held[0].until, Some(scene.now + jiff::SignedDuration::from_hours(42 * 24)));
}

#[test]
fn a_source_that_lags_starts_no_clock() {
    let mut scene = holding(vec![ml(HELD, 0..4)]);
    let lagging = Contribution { clocks_may_start: false, ..ml(HELD, 1..4) };
    let less = TargetInput { no_memory: Some("it lags".to_owned()), ..input(vec![lagging]) };
    assert_eq!(scene.wait(1).decide(&less).held[0].why, "it lags");
    let plan = scene.wait(60).decide(&input(vec![ml(HELD, 1..4)]));
    assert_eq!(plan.held[0].until, Some(scene.now + jiff::SignedDuration::from_hours(42 * 24)));
}

#[test]
fn a_changed_spec_needs_no_hold_and_an_unknown_entry_does() {
    let mut scene = holding(vec![ml(HELD, 0..4), wanting("b", "westeurope", 10..12)]);
    // The region is still that of the Network, so it is not another one; but nothing is asked there any more.
    let nothing = {
        let mut none = wanting("b", "westeurope", []);
        Arc::make_mut(none.outcome.as_mut().unwrap()).asks.clear();
        none.removal = HELD;
        none
    };
    let plan = scene.wait(1).decide(&input(vec![ml(HELD, 0..4), nothing.clone()]));
    assert_eq!((plan.steps.len(), plan.held.len()), (2, 0));
    let mut more = scene.observed.entries.clone();
    more.extend(observed(&[("amlnet.prod.strange", "10.9.0.0/16", "None")]).entries);
    scene.observed.entries = more;
    let plan = scene.wait(1).decide(&input(vec![ml(HELD, 0..4), nothing]));
    let strange = plan.held.iter().find(|held| held.step.entry.contains("strange")).unwrap();
    assert!(strange.why.starts_with("nobody needs it, which was first seen on 2026-01-07"), "{}", strange.why);
}

#[test]
fn without_a_known_reason_a_hold_never_ends() {
    let mut scene = Scene::empty();
    scene.observed = observed(&[("amlnet.prod.strange", "10.9.0.0/16", "None")]);
    let unknown = TargetInput { removals_frozen: Some("it cannot be read".to_owned()), ..input(vec![ml(HELD, 0..1)]) };
    scene.decide(&unknown);
    assert!(scene.memory.unexplained.is_empty(), "no clock starts while somebody may need it");
}

#[test]
fn a_budget_is_the_lower_of_both_and_at_least_one() {
    for (max, percent, room) in [(10, 30, 3), (2, 100, 2), (1000, 100, 10), (10, 1, 1), (1, 1, 1)] {
        let removal = Removal { budget: Budget { max, percent }, ..AT_ONCE };
        let mut scene = holding(vec![ml(removal, 0..10)]);
        let plan = scene.wait(1).decide(&input(vec![ml(removal, [])]));
        assert_eq!(plan.steps.len(), room, "{max} {percent}");
        let over = (10 > room).then_some((HeldReason::Budget, 10 - room));
        assert_eq!(held(&plan), over.into_iter().collect(), "{max} {percent}");
    }
}

#[test]
fn a_budget_counts_over_exactly_seven_days_and_says_when_it_is_free_again() {
    let removal = Removal { budget: Budget { max: 2, percent: 100 }, ..AT_ONCE };
    let mut scene = holding(vec![ml(removal, 0..5)]);
    let none = input(vec![ml(removal, [])]);
    let left = scene.apply(&none);
    let week = |times: i64| noon() + jiff::SignedDuration::from_hours(7 * 24 * times);
    let until: Vec<_> = left.held.iter().map(|held| held.until).collect();
    assert_eq!(until, [Some(week(1)), Some(week(1)), Some(week(2))]);
    scene.now = week(1) - jiff::SignedDuration::from_secs(1);
    assert_eq!(scene.decide(&none).steps, []);
    scene.now = week(1);
    assert_eq!(scene.apply(&none).held.len(), 1);
    assert_eq!(scene.stands().len(), 1);
}

#[test]
fn removals_by_policy_delete_neither_wait_nor_count() {
    let strict = Removal { hold_seconds: 42 * DAY, budget: Budget { max: 1, percent: 1 }, approval: Approval::Always };
    let deletes = |numbers| Contribution {
        deletion_policy: DeletionPolicy::Delete,
        removal: strict,
        ..wanting("b", "eastus2", numbers)
    };
    let mut scene = holding(vec![ml(strict, 0..4), deletes(2..8)]);
    let mut gone = input(vec![ml(strict, 0..4)]);
    gone.departed.insert(key("b"), Departure::Deleted);
    let left = scene.wait(1).apply(&gone);
    assert_eq!((left.all_steps().count(), scene.stands().len(), scene.memory.removals.len()), (0, 4, 0));
}

#[test]
fn a_network_that_only_observed_deletes_nothing_by_going() {
    let observing = |numbers| Contribution {
        deletion_policy: DeletionPolicy::Delete,
        mode: Mode::Observe,
        ..wanting("b", "eastus2", numbers)
    };
    let mut scene = holding(vec![ml(AT_ONCE, 0..4), wanting("b", "eastus2", 2..8)]);
    scene.decide(&input(vec![ml(AT_ONCE, 0..4), observing(2..8)]));
    let mut gone = input(vec![ml(AT_ONCE, 0..4)]);
    gone.departed.insert(key("b"), Departure::Deleted);
    let plan = scene.wait(1).decide(&gone);
    assert_eq!((held(&plan), plan.standing()), (only(HeldReason::Approval, 4), Standing::Done));
    assert!(plan.held.iter().all(|held| held.is_offer && held.why == "ns/b left it behind"));
}

#[test]
fn who_left_a_table_has_a_say_about_what_it_left() {
    let b: ObjectKey = "other/b".parse().unwrap();
    let second = Contribution { network: b.clone(), ..wanting("b", "eastus2", 2..8) };
    let mut scene = holding(vec![ml(AT_ONCE, 0..4), second]);
    let mut gone = input(vec![ml(AT_ONCE, 0..4)]);
    gone.departed.insert(b.clone(), Departure::TakenOut);
    gone.former.insert(b.clone(), Former { mode: Mode::Sync, suspended: false, removal: AT_ONCE });
    let plan = scene.wait(1).decide(&gone);
    assert_eq!(held(&plan), only(HeldReason::Approval, 4));
    scene.approve(&plan, "ml", 7);
    let again = scene.decide(&gone);
    assert_eq!(again.steps, [], "its own namespace has to approve too");
    assert_eq!(state(&scene, &again, &scene.approvals[0]), Some(State::OthersMissing));
    scene.approve(&plan, "other/b", 7);
    assert_eq!(scene.decide(&gone).steps.len(), 4);
    // Suspended, it keeps what it left.
    gone.former.get_mut(&b).unwrap().suspended = true;
    assert_eq!(held(&scene.decide(&gone)), only(HeldReason::Mode, 4));
}

#[test]
fn whoever_leaves_last_speaks_for_the_rest() {
    let mut scene = holding(vec![ml(ASKED, 0..4)]);
    scene.wait(1).decide(&input(vec![ml(ASKED, 1..4)]));
    let mut gone = input(vec![]);
    gone.departed.insert(key("ml"), Departure::Deleted);
    let plan = scene.wait(60).decide(&gone);
    assert_eq!(plan.pending.as_ref().map(|pending| pending.approvers.len()), Some(1));
    scene.approve(&plan, "ml", 60);
    // 30 % of 4 entries a week, as nobody is left to say otherwise.
    for _ in 0..4 {
        scene.apply(&input(vec![]));
        scene.wait(7);
    }
    assert!(scene.stands().is_empty() && !scene.memory.is_over(), "the approval must not count again");
    scene.wait(60);
    scene.memory.forget_old(scene.now);
    assert!(scene.memory.is_over());
}

#[test]
fn growth_is_what_the_last_applied_document_did_not_need() {
    let with = |growth, numbers: std::ops::Range<usize>| {
        input(vec![Contribution { growth, ..wanting("ml", "eastus2", numbers) }])
    };
    let limits = |per_service, total| Growth { per_service, total };
    for (growth, more, waits) in
        [(limits(3, 100), 7, 0), (limits(3, 100), 8, 4), (limits(40, 3), 8, 4), (limits(40, 4), 8, 0)]
    {
        let mut scene = Scene::empty();
        assert_eq!(scene.apply(&with(growth, 0..4)).all_steps().count(), 0, "a first plan is no growth");
        let plan = scene.wait(7).decide(&with(growth, 0..more));
        assert_eq!(plan.held.len(), waits, "{growth:?} {more}");
        assert!(plan.held.iter().all(|held| held.reason == HeldReason::Growth));
        if waits > 0 {
            assert_eq!(plan.standing(), Standing::NeedsPerson);
            scene.approve(&plan, "ml", 7);
            assert_eq!(scene.apply(&with(growth, 0..more)).all_steps().count(), 0);
            assert_eq!(scene.decide(&with(growth, 0..more + 3)).held.len(), 0, "measured from there on");
        }
    }
}

#[test]
fn growth_does_not_creep_past_its_limit_in_steps_that_wait() {
    let growth = Growth { per_service: 3, total: 100 };
    let with =
        |numbers: std::ops::Range<usize>| input(vec![Contribution { growth, ..wanting("ml", "eastus2", numbers) }]);
    let mut scene = Scene::empty();
    scene.apply(&with(0..4));
    for more in 8..12 {
        assert_eq!(scene.apply(&with(0..more)).held.len(), more - 4, "all that is new waits");
    }
}

#[test]
fn what_a_changed_spec_asks_for_is_no_growth() {
    let growth = Growth { per_service: 1, total: 1 };
    let mut scene = Scene::empty();
    scene.apply(&input(vec![Contribution { growth, ..wanting("ml", "eastus2", 0..4) }]));
    let second = Contribution { growth, ..wanting("b", "westeurope", 10..20) };
    let both = input(vec![Contribution { growth, ..wanting("ml", "eastus2", 0..4) }, second]);
    assert_eq!(scene.decide(&both).held.len(), 0);
}

#[test]
fn the_least_growth_of_several_counts() {
    let limit = |name, numbers, per_service| Contribution {
        growth: Growth { per_service, total: 100 },
        ..wanting(name, "eastus2", numbers)
    };
    let both = |numbers: std::ops::Range<usize>| input(vec![limit("a", numbers.clone(), 40), limit("b", numbers, 2)]);
    let mut scene = Scene::empty();
    scene.apply(&both(0..4));
    assert_eq!(scene.decide(&both(0..7)).held.len(), 3);
}

#[test]
fn with_lost_memory_growth_is_measured_against_what_stands() {
    let growth = Growth { per_service: 3, total: 100 };
    let with =
        |numbers: std::ops::Range<usize>| input(vec![Contribution { growth, ..wanting("ml", "eastus2", numbers) }]);
    let mut scene = Scene::empty();
    scene.apply(&with(0..4));
    scene.memory = TargetMemory::lost();
    assert_eq!(scene.clone().decide(&with(0..7)).held.len(), 0);
    assert_eq!(held(&scene.decide(&with(0..8))), only(HeldReason::Growth, 4));
}

#[test]
fn with_lost_memory_nothing_is_removed_for_seven_days() {
    let mut scene = holding(vec![ml(AT_ONCE, 0..4)]);
    scene.memory = TargetMemory::lost();
    let less = input(vec![ml(AT_ONCE, 1..4)]);
    let plan = scene.wait(1).decide(&less);
    let until = scene.now + jiff::SignedDuration::from_hours(7 * 24);
    assert_eq!((held(&plan), plan.held[0].until), (only(HeldReason::Budget, 1), Some(until)));
    scene.now = until;
    assert_eq!(scene.decide(&less).steps.len(), 1);
}

#[test]
fn another_next_hop_waits_and_drift_does_not() {
    let to = |target: &str| {
        let mut changed = wanting("ml", "eastus2", 0..2);
        for wish in Arc::make_mut(changed.outcome.as_mut().unwrap()).entries.values_mut() {
            wish.next_hop = hop(target);
        }
        input(vec![changed])
    };
    let mut scene = Scene::empty();
    scene.apply(&to("Internet"));
    scene.observed.entries[0].next_hop = NextHop::Other("None".to_owned());
    assert_eq!(scene.decide(&to("Internet")).steps.len(), 1, "drift is put back");
    scene.apply(&to("Internet"));
    let plan = scene.decide(&to("10.0.0.4"));
    assert_eq!(held(&plan), only(HeldReason::Approval, 2));
    scene.approve(&plan, "ml", 7);
    assert_eq!(scene.apply(&to("10.0.0.4")).all_steps().count(), 0);
    scene.observed.entries[0].next_hop = NextHop::Internet;
    assert_eq!(scene.decide(&to("10.0.0.4")).steps.len(), 1, "what was there before is drift now");
}

#[test]
fn a_route_that_comes_back_with_another_next_hop_is_no_drift() {
    let to = |target: &str, numbers: std::ops::Range<usize>| {
        let mut changed = wanting("ml", "eastus2", numbers);
        changed.removal = HELD;
        for wish in Arc::make_mut(changed.outcome.as_mut().unwrap()).entries.values_mut() {
            wish.next_hop = hop(target);
        }
        input(vec![changed])
    };
    let mut scene = Scene::empty();
    scene.apply(&to("Internet", 0..2));
    scene.wait(1).decide(&to("Internet", 1..2));
    let plan = scene.wait(1).decide(&to("10.0.0.4", 1..2));
    scene.approve(&plan, "ml", 7);
    scene.apply(&to("10.0.0.4", 1..2));
    let plan = scene.wait(1).decide(&to("10.0.0.4", 0..2));
    assert_eq!(held(&plan), only(HeldReason::Approval, 1), "it still leads to the Internet");
}

#[test]
fn another_region_waits_with_all_that_it_brings_and_takes() {
    let mut scene = holding(vec![ml(HELD, 0..4)]);
    let moved = input(vec![Contribution { removal: HELD, ..wanting("ml", "westeurope", 10..12) }]);
    let plan = scene.wait(1).decide(&moved);
    assert_eq!((held(&plan), plan.steps.len()), (only(HeldReason::Approval, 6), 0));
    scene.approve(&plan, "ml", 7);
    let plan = scene.decide(&moved);
    let order: Vec<Action> = plan.steps.iter().map(|step| step.action).collect();
    assert_eq!(order, [Action::Add, Action::Add, Action::Remove, Action::Remove, Action::Remove, Action::Remove]);
    assert_eq!(scene.apply(&moved).all_steps().count(), 0);
    // From now on it is its region.
    let more = input(vec![Contribution { removal: HELD, ..wanting("ml", "westeurope", 10..14) }]);
    assert_eq!(scene.decide(&more).steps.len(), 2);
}

#[test]
fn a_spec_that_changes_before_anything_was_written_waits_for_nobody() {
    let mut scene = Scene::empty();
    let observing = Contribution { mode: Mode::Observe, ..wanting("ml", "eastus2", 0..4) };
    scene.decide(&input(vec![observing]));
    assert_eq!(scene.decide(&input(vec![wanting("ml", "westeurope", 10..12)])).steps.len(), 2);
}

fn state(scene: &Scene, plan: &Plan, approval: &Word) -> Option<State> {
    let networks = [key("ml")].into();
    let seen = [crate::approval::Seen { plan, memory: &scene.memory }];
    word(approval, &networks, &seen, scene.now).map(|word| word.state)
}

#[test]
fn an_approval_counts_once_until_it_expires_and_for_its_plan_only() {
    let less = input(vec![ml(ASKED, 1..4)]);
    let waiting = || {
        let mut scene = holding(vec![ml(ASKED, 0..4)]);
        let plan = scene.wait(1).decide(&less);
        assert_eq!(held(&plan), only(HeldReason::Approval, 1));
        (scene, plan)
    };
    let (mut scene, plan) = waiting();
    scene.approve(&plan, "ml", 7);
    let after = scene.apply(&less);
    assert_eq!((scene.stands().len(), state(&scene, &after, &scene.approvals[0])), (3, Some(State::Used)));
    // The same removal again: the approval was used.
    scene.apply(&input(vec![ml(ASKED, 0..4)]));
    assert_eq!(held(&scene.decide(&less)), only(HeldReason::Approval, 1));

    let (mut scene, plan) = waiting();
    scene.approve(&plan, "ml", 7);
    let expired = scene.wait(7).decide(&less);
    assert_eq!(held(&expired), only(HeldReason::Approval, 1));
    assert_eq!(state(&scene, &expired, &scene.approvals[0]), Some(State::Expired));

    for (change, expected) in [
        ((|approval| approval.hash = "sha256:0".to_owned()) as fn(&mut Word), State::OtherPlan),
        (|approval| approval.subject = Subject::Network(key("nobody")), State::NoSuchSubject),
    ] {
        let (mut scene, plan) = waiting();
        scene.approve(&plan, "ml", 7);
        change(&mut scene.approvals[0]);
        let after = scene.decide(&less);
        assert_eq!(
            (held(&after), state(&scene, &after, &scene.approvals[0])),
            (only(HeldReason::Approval, 1), Some(expected))
        );
    }
    let (mut scene, plan) = waiting();
    scene.approve(&plan, "ml", 7);
    scene.approvals[0].subject = Subject::Feed("ml".to_owned());
    assert_eq!(scene.decide(&less).steps, []);
}

#[test]
fn an_approval_covers_a_part_of_its_plan_and_no_more() {
    let mut scene = holding(vec![ml(ASKED, 0..6)]);
    let plan = scene.wait(1).decide(&input(vec![ml(ASKED, 3..6)]));
    scene.approve(&plan, "ml", 7);
    let more = scene.clone().decide(&input(vec![ml(ASKED, 4..6)]));
    assert_eq!((more.steps.len(), held(&more)), (0, only(HeldReason::Approval, 4)));
    assert_eq!(state(&scene, &more, &scene.approvals[0]), Some(State::Outgrown));
    assert_eq!(scene.decide(&input(vec![ml(ASKED, 2..6)])).steps.len(), 2);
}

#[test]
fn an_approval_of_another_documents_plan_counts_only_as_far_as_its_steps_go() {
    // The hash is over the documents too; the steps are what was shown.
    let mut scene = holding(vec![ml(ASKED, 0..4)]);
    let plan = scene.wait(1).decide(&input(vec![ml(ASKED, 1..4)]));
    scene.approve(&plan, "ml", 7);
    assert_eq!(scene.decide(&input(vec![ml(ASKED, 1..5)])).steps.len(), 2, "an addition needs nobody");
}

#[test]
fn over_the_budget_only_what_was_approved_goes() {
    let removal = Removal { budget: Budget { max: 2, percent: 100 }, approval: Approval::OverBudget, ..AT_ONCE };
    let mut scene = holding(vec![ml(removal, 0..6)]);
    let none = input(vec![ml(removal, [])]);
    let plan = scene.wait(1).decide(&none);
    assert_eq!((plan.steps.len(), held(&plan)), (2, only(HeldReason::Approval, 4)));
    scene.approve(&plan, "ml", 7);
    assert_eq!(scene.decide(&none).steps.len(), 6);
}

#[test]
fn with_approval_always_the_budget_holds_all_the_same() {
    let removal = Removal { budget: Budget { max: 2, percent: 100 }, ..ASKED };
    let mut scene = holding(vec![ml(removal, 0..6)]);
    let none = input(vec![ml(removal, [])]);
    let plan = scene.wait(1).decide(&none);
    scene.approve(&plan, "ml", 30);
    let plan = scene.apply(&none);
    assert_eq!((scene.stands().len(), held(&plan)), (4, only(HeldReason::Budget, 4)));
    scene.wait(7).apply(&none);
    assert_eq!(scene.stands().len(), 2, "the approval goes on for what is left of its plan");
}

#[test]
fn read_only_holds_everything_and_says_why() {
    let mut scene = holding(vec![ml(AT_ONCE, 0..4)]);
    let input =
        TargetInput { read_only: Some("started with --read-only".to_owned()), ..input(vec![ml(AT_ONCE, 1..6)]) };
    let plan = scene.wait(1).decide(&input);
    assert_eq!((plan.steps.len(), held(&plan)), (0, only(HeldReason::Mode, 3)));
    assert!(plan.held.iter().all(|held| held.why == "started with --read-only"));
}

#[test]
fn a_suspended_network_writes_nothing_and_keeps_others_from_removing() {
    let mut scene = holding(vec![ml(AT_ONCE, 0..4), wanting("b", "westeurope", 10..12)]);
    let suspended = Contribution { suspended: true, ..wanting("b", "westeurope", 10..14) };
    let plan = scene.wait(1).decide(&input(vec![ml(AT_ONCE, 1..6), suspended]));
    assert_eq!(plan.steps.len(), 2, "what the other one needs is added");
    assert_eq!(held(&plan), only(HeldReason::Mode, 3));
    assert!(plan.held.iter().all(|held| held.why == "ns/b is suspended"));
}
