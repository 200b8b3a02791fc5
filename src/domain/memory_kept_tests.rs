//! What is kept and when it is forgotten: plans that wait, approvals that were used, and all of it in writing.

use proptest::prelude::*;

use super::tests::{A, AML, B, C, D, DAY, carry_out, departed, looked_at, settled, wait};
use super::*;
use crate::desired::Ask;
use crate::plan::Former;
use crate::testing::{
    self, AT_ONCE, address, ask, by_document, contribution, hop, input, key, needing, noon, regional, taken, unresolved,
};

/// A Network whose removals wait for a person, by the document of this number.
fn strict(number: u64, prefixes: &[&str]) -> Contribution {
    let removal = crate::intent::Removal { approval: crate::intent::Approval::Always, ..AT_ONCE };
    by_document(number, Contribution { removal, ..needing("a", prefixes) })
}

#[test]
fn at_most_ten_plans_that_wait_are_remembered_and_the_newest_stay() {
    let mut scene = settled(vec![strict(1, &[A, B])], &[A, B]);
    let mut last = Vec::new();
    for number in 2..14 {
        let plan = scene.decide(&input(vec![strict(number, &[A])]));
        last.push(plan.pending.unwrap().hash.to_string());
    }
    let waiting: Vec<&String> = scene.memory.waiting.iter().map(|waiting| &waiting.hash).collect();
    assert_eq!(waiting, last[2..].iter().collect::<Vec<_>>());
}

#[test]
fn the_same_plan_waits_once() {
    let mut scene = settled(vec![strict(1, &[A, B])], &[A, B]);
    for _ in 0..3 {
        scene.decide(&input(vec![strict(1, &[A])]));
    }
    assert_eq!(scene.memory.waiting.len(), 1);
}

#[test]
fn an_approval_is_used_when_nothing_of_what_it_allowed_is_left() {
    let mut scene = settled(vec![strict(1, &[A, B, C])], &[A, B, C]);
    let plan = scene.decide(&input(vec![strict(1, &[A])]));
    scene.approve(&plan, "a", 7);
    let plan = scene.decide(&input(vec![strict(1, &[A])]));
    assert_eq!(plan.steps.len(), 2);
    assert_eq!(scene.memory.used.len(), 0);
    scene.observed.entries.retain(|entry| entry.address != address(B));
    scene.decide(&input(vec![strict(1, &[A])]));
    assert_eq!(scene.memory.used.len(), 0, "one of two is left");
    scene.apply(&input(vec![strict(1, &[A])]));
    assert_eq!(
        scene.memory.used,
        BTreeMap::from([("approval-0".to_owned(), noon() + SignedDuration::from_hours(168))])
    );
}

#[test]
fn an_approval_is_not_used_while_a_part_of_what_it_allowed_waits_for_something_else() {
    let mut scene = settled(vec![strict(1, &[A, B]), contribution("b", &[(D, "Internet")])], &[A, B, D]);
    // Two things wait: the removal of B, and another next hop of D.
    let both = |mode| {
        let hops = Contribution { mode, ..contribution("b", &[(D, "10.0.0.4")]) };
        let hops = by_document(1, hops);
        input(vec![strict(1, &[A]), hops])
    };
    let plan = scene.decide(&both(Mode::Sync));
    assert_eq!(plan.held.len(), 2, "{plan:?}");
    scene.approve(&plan, "a", 7);
    let plan = carry_out(&mut scene, &both(Mode::UpsertOnly));
    assert_eq!(taken(&plan), ["Change 20.4.0.0/26"]);
    assert_eq!(scene.memory.used.len(), 0);
    assert_eq!(taken(&carry_out(&mut scene, &both(Mode::Sync))), ["Remove 20.2.0.0/26"]);
    assert_eq!(scene.memory.used.len(), 1);
}

#[test]
fn a_used_approval_is_forgotten_when_it_has_expired() {
    let mut scene = settled(vec![needing("a", &[A])], &[A]);
    scene.memory.used.insert("ok".to_owned(), noon() + SignedDuration::from_secs(10));
    wait(&mut scene, 9);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(scene.memory.used.len(), 1);
    wait(&mut scene, 1);
    scene.decide(&input(vec![needing("a", &[A])]));
    assert_eq!(scene.memory.used.len(), 0);
}

#[test]
fn a_used_approval_whose_file_was_touched_does_not_count_again() {
    // Without expiresAt it stands for 7 days from the time of its file, and is the same approval all the same.
    let (more, less) = (input(vec![strict(1, &[A, B])]), input(vec![strict(1, &[A])]));
    let mut scene = settled(vec![strict(1, &[A, B])], &[A, B]);
    let plan = scene.decide(&less);
    scene.approve(&plan, "a", 7);
    scene.apply(&less);
    assert_eq!(scene.memory.used.len(), 1);
    scene.approvals[0].expires_at += SignedDuration::from_hours(6 * 24);
    scene.apply(&more);
    wait(&mut scene, 8 * DAY);
    let plan = scene.decide(&less);
    assert_eq!((taken(&plan), plan.held.len()), (vec![], 1));
}

#[test]
fn a_memory_is_over_when_nobody_is_left_and_nothing_was_left_behind() {
    let mut scene = settled(vec![needing("a", &[A])], &[A]);
    assert!(!scene.memory.is_over());
    scene.decide(&departed(vec![], "a", Departure::TakenOut));
    assert!(!scene.memory.is_over());
    scene.observed.entries.clear();
    scene.decide(&input(vec![]));
    assert!(scene.memory.is_over());
}

#[test]
fn what_was_removed_and_approved_a_moment_ago_is_not_over_with_the_last_entry() {
    let mut scene = settled(vec![needing("a", &[A])], &[A]);
    let left = TargetInput {
        former: BTreeMap::from([(key("a"), Former { mode: Mode::Sync, suspended: false, removal: AT_ONCE })]),
        ..input(vec![])
    };
    let plan = scene.decide(&departed(vec![], "a", Departure::TakenOut));
    scene.approve(&plan, "a", 7);
    let plan = carry_out(&mut scene, &left);
    assert_eq!(taken(&plan), ["Remove 20.1.0.0/26"]);
    assert_eq!((scene.memory.used.len(), scene.memory.removals.len()), (1, 1));
    // The store forgets what is over: the approval would count again, and the budget would be whole.
    assert!(!scene.memory.is_over());
}

/// A memory in which every field holds something.
fn full() -> TargetMemory {
    let address_of = |text: &str| address(text);
    let clock = Clock { since: noon(), noticed: Some(noon() - SignedDuration::from_secs(5)) };
    let needs: Needs = [
        (ask("eastus2", AML), BTreeSet::from([address_of(A), address_of(B)])),
        (Ask::Tag { service: "storage".to_owned() }, BTreeSet::from([address_of("storage")])),
        (Ask::DefaultRoute, BTreeSet::from([address_of("0.0.0.0/0")])),
    ]
    .into();
    let contributor = ContributorMemory {
        is_established: true,
        suspended: true,
        mode: Mode::UpsertOnly,
        deletion_policy: DeletionPolicy::Delete,
        needs: needs.clone(),
        retiring: BTreeMap::from([(address_of("2603:1030:40c:1::2c0/122"), clock)]),
        regions: BTreeSet::from(["eastus2".to_owned()]),
    };
    TargetMemory {
        contributors: BTreeMap::from([(key("a"), contributor)]),
        applied: needs,
        next_hops: BTreeMap::from([
            (address_of(A), NextHop::Internet),
            (address_of(B), hop("10.0.0.4")),
            (address_of("storage"), hop("None")),
        ]),
        unexplained: BTreeMap::from([(address_of(C), Clock::start(noon()))]),
        released: BTreeMap::from([(address_of(C), Released::Region), (address_of(D), Released::Spec)]),
        orphaned: BTreeMap::from([(address_of(C), BTreeSet::from([key("b")]))]),
        deleting: BTreeMap::from([(address_of(D), key("c"))]),
        removals: vec![clock, Clock::start(noon())],
        awaited: BTreeMap::from([(address_of(A), "2026-05-04".parse().unwrap())]),
        waiting: vec![Waiting {
            hash: "sha256:0".to_owned(),
            steps: BTreeSet::from(["a line".to_owned()]),
            approved_by: BTreeMap::from([("ok".to_owned(), noon())]),
        }],
        used: BTreeMap::from([("ok".to_owned(), noon())]),
        unsettled: false,
        lost_at: Some(noon()),
    }
}

#[test]
fn a_full_memory_and_an_empty_one_are_read_as_they_were_written() {
    for memory in [full(), TargetMemory::default(), TargetMemory::lost()] {
        let text = serde_json::to_string(&memory).unwrap();
        assert_eq!(serde_json::from_str::<TargetMemory>(&text).unwrap(), memory, "{text}");
    }
}

#[test]
fn a_memory_with_an_unknown_field_is_not_read() {
    let mut value = serde_json::to_value(full()).unwrap();
    value["more"] = serde_json::json!(1);
    assert!(serde_json::from_value::<TargetMemory>(value).is_err());
}

/// What may happen between two looks.
#[derive(Debug, Clone)]
struct Event {
    /// May be negative: a clock that goes back.
    seconds: i64,
    /// Which of the prefixes each of two Networks needs; `None`: it is not known.
    needs: [Option<[bool; 4]>; 2],
    lags: bool,
    storage: bool,
    departed: Option<Departure>,
    is_applied: bool,
}

const ALL: [&str; 4] = [A, B, C, D];

fn event() -> impl Strategy<Value = Event> {
    let needs = || proptest::option::weighted(0.9, any::<[bool; 4]>());
    let departed = prop_oneof![
        8 => Just(None),
        1 => Just(Some(Departure::TakenOut)),
        1 => Just(Some(Departure::Deleted)),
    ];
    let seconds = prop_oneof![3 => 0..10 * DAY, 1 => -40 * DAY..40 * DAY];
    (seconds, [needs(), needs()], any::<bool>(), any::<bool>(), departed, any::<bool>()).prop_map(
        |(seconds, needs, lags, storage, departed, is_applied)| Event {
            seconds,
            needs,
            lags,
            storage,
            departed,
            is_applied,
        },
    )
}

impl Event {
    fn input(&self) -> TargetInput {
        let names = ["a", "b"];
        let contributions = self.needs.iter().zip(names).filter(|(_, name)| self.departed.is_none() || *name == "a");
        let contributions = contributions.map(|(needs, name)| {
            let contribution = needs.map_or_else(
                || unresolved(name),
                |needs| {
                    let needed: Vec<&str> =
                        ALL.into_iter().zip(needs).filter_map(|(at, is)| is.then_some(at)).collect();
                    let storage: &[&str] = &[A, "20.5.0.0/26"];
                    let asked = [("eastus2", AML, &needed[..]), ("eastus2", "Storage", storage)];
                    regional(name, if self.storage { &asked } else { &asked[..1] })
                },
            );
            Contribution { clocks_may_start: !self.lags, ..contribution }
        });
        let input = testing::input(contributions.collect());
        TargetInput { departed: self.departed.iter().map(|how| (key("b"), *how)).collect(), ..input }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_second_look_at_the_same_time_changes_nothing(events in proptest::collection::vec(event(), 1..8)) {
        let mut scene = looked_at(&ALL);
        for event in events {
            wait(&mut scene, event.seconds);
            let input = event.input();
            let (once, _) = scene.memory.look(&input, &scene.observed, scene.now);
            let (twice, _) = once.look(&input, &scene.observed, scene.now);
            prop_assert_eq!(&once, &twice);
            if event.is_applied { scene.apply(&input); } else { scene.decide(&input); }
        }
    }

    #[test]
    fn no_look_makes_the_time_longer_that_a_clock_has_run(
        lost in any::<bool>(), events in proptest::collection::vec(event(), 1..10),
    ) {
        let mut scene = looked_at(&ALL);
        scene.memory = if lost { TargetMemory::lost() } else { TargetMemory::default() };
        for event in events {
            wait(&mut scene, event.seconds);
            let before = scene.memory.clone();
            scene.decide(&event.input());
            let wanted: BTreeSet<Address> = scene.memory.contributors.values().flat_map(|c| c.needs.values().flatten().cloned()).collect();
            for address in ALL.map(address).into_iter().filter(|address| !wanted.contains(address)) {
                let (old, new) = (before.explain(&address).since, scene.memory.explain(&address).since);
                if let Some(new) = new {
                    // What had no clock starts at nothing; what had one runs on, if it is not put back.
                    let allowed = old.map_or(scene.now, |old| old.min(scene.now));
                    prop_assert!(new >= allowed, "{address}: {old:?} became {new} at {}", scene.now);
                }
            }
        }
    }

    #[test]
    fn whatever_is_remembered_is_read_as_it_was_written(events in proptest::collection::vec(event(), 1..8)) {
        let mut scene = looked_at(&ALL);
        for event in events {
            wait(&mut scene, event.seconds);
            scene.apply(&event.input());
            let text = serde_json::to_string(&scene.memory).unwrap();
            prop_assert_eq!(&serde_json::from_str::<TargetMemory>(&text).unwrap(), &scene.memory);
        }
    }
}
