//! What must hold of every plan, whatever the table holds and whoever asks (ARCHITECTURE.md, "Invariants").

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::LazyLock;

use amlnet::domain::desired::{self, Address, Contribution, Desired, Purpose, Wish, Wishes};
use amlnet::domain::intent::{Approval, DeletionPolicy, Growth, Mode, ObjectKey, Removal, entry_name};
use amlnet::domain::plan::{Action, Limits, Observed, ObservedEntry, Plan, Step, TargetInput, entries};
use amlnet::domain::prefix::Prefix;
use amlnet::domain::resolve::Unresolved;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::support::{
    self, AT_ONCE, BASE, CAREFUL, REGIONS, address, apply, executable, guarded, hop, intent, states, table,
};

static NO_WISHES: LazyLock<Wishes> =
    LazyLock::new(|| desired::wishes(&intent(&[], AT_ONCE), &table(), &BASE, &REGIONS).unwrap());

/// Few addresses, so that everything meets.
const ADDRESSES: [&str; 9] = [
    "20.1.0.0/26",
    "20.1.0.64/26",
    "20.2.0.0/24",
    "20.2.0.0/28",
    "40.1.0.0/26",
    "2603:1030:1::/122",
    "0.0.0.0/0",
    "AzureMachineLearning",
    "Storage",
];
const HOPS: [&str; 3] = ["Internet", "10.0.1.4", "VnetLocal"];

#[derive(Debug, Clone)]
struct World {
    input: TargetInput,
    observed: Observed,
    limits: Limits,
}

impl World {
    fn plan(&self) -> Plan {
        guarded(&self.input, &self.observed, self.limits)
    }

    fn raw_plan(&self) -> Plan {
        entries::plan(&self.input, &self.observed, self.limits)
    }
}

fn wishes(entries: Vec<(&str, &str)>) -> Wishes {
    let wish = |(at, to): (&str, &str)| {
        let purpose = match at {
            "0.0.0.0/0" => Purpose::DefaultRoute,
            _ => Purpose::Service { service: "S".to_owned(), region: None, paired: false },
        };
        (address(at), Wish { next_hop: hop(to), purposes: BTreeSet::from([purpose]) })
    };
    Wishes { entries: entries.into_iter().map(wish).collect(), ..NO_WISHES.clone() }
}

fn contribution(name: String) -> impl Strategy<Value = Contribution> {
    let wanted = proptest::collection::vec((select(&ADDRESSES[..]), select(&HOPS[..2])), 0..6);
    let outcome = prop_oneof![
        5 => wanted.prop_map(|wanted| Ok(wishes(wanted))),
        1 => Just(Err(Unresolved::UnknownRegion("?".to_owned()))),
    ];
    let mode = prop_oneof![4 => Just(Mode::Sync), 1 => Just(Mode::UpsertOnly), 1 => Just(Mode::Observe)];
    let removal = prop_oneof![
        4 => Just(AT_ONCE),
        1 => Just(Removal { approval: Approval::Always, ..AT_ONCE }),
        1 => Just(CAREFUL),
    ];
    (outcome, mode, removal).prop_map(move |(outcome, mode, removal)| Contribution {
        network: ObjectKey { namespace: "ns".to_owned(), name: name.clone() },
        generation: 1,
        mode,
        suspended: false,
        deletion_policy: DeletionPolicy::Retain,
        removal,
        growth: Growth { per_service: 40, total: 100 },
        clocks_may_start: true,
        outcome: outcome.map(Arc::new),
    })
}

fn contributions() -> impl Strategy<Value = Vec<Contribution>> {
    (1_usize..4).prop_flat_map(|count| (0..count).map(|n| contribution(format!("n{n}"))).collect::<Vec<_>>())
}

/// A route at an address: under the right name of an installation, under that of another address (edited by hand),
/// in other letter case, or somebody else's.
fn route(at: &'static str) -> impl Strategy<Value = Option<ObservedEntry>> {
    let owner = select(&["prod", "prod", "prod", "prod", "test", ""][..]);
    let named_for = prop_oneof![3 => Just(at), 1 => select(&ADDRESSES[..])];
    let shape = (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    (owner, named_for, select(&HOPS[..]), shape).prop_map(
        move |(owner, named_for, to, (there, upper, upper_tag, failed))| {
            let name = match owner {
                "" => format!("theirs-{}", at.replace(['/', ':'], "-")),
                owner => entry_name(&owner.parse().unwrap(), named_for),
            };
            let at = if upper_tag && !at.contains('/') { at.to_uppercase() } else { at.to_owned() };
            there.then(|| ObservedEntry {
                name: if upper { name.to_uppercase() } else { name },
                address: address(&at),
                next_hop: hop(to),
                failed,
            })
        },
    )
}

fn observed() -> impl Strategy<Value = Observed> {
    ADDRESSES.map(route).prop_map(|routes| {
        // Azure holds one route per name.
        let mut names = BTreeSet::new();
        let entries = routes.into_iter().flatten().filter(|entry| names.insert(entry.name.to_lowercase())).collect();
        Observed { location: "eastus2".to_owned(), entries, subnets: 1, updating: false, whole: None, rules: None }
    })
}

fn world() -> impl Strategy<Value = World> {
    let limits =
        prop_oneof![3 => Just(Limits::DEFAULT), 1 => Just(Limits { entries: 6, tag_entries: 1, addresses: 0 })];
    let frozen = prop::option::weighted(0.1, Just("an object cannot be read".to_owned()));
    (contributions(), observed(), limits, frozen).prop_map(|(contributions, observed, limits, removals_frozen)| World {
        input: TargetInput {
            removals_frozen,
            ..TargetInput::new(support::table_id("rt"), "prod".parse().unwrap(), contributions)
        },
        observed,
        limits,
    })
}

fn at<'a>(observed: &'a Observed, address: &Address) -> Option<&'a ObservedEntry> {
    let text = address.to_string();
    observed.entries.iter().find(|entry| entry.address.to_string().eq_ignore_ascii_case(&text))
}

fn foreign(world: &World, observed: &Observed) -> Vec<ObservedEntry> {
    observed.entries.iter().filter(|entry| !observed.owns(entry, &world.input.installation)).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_that_was_applied_leaves_nothing_to_do(world in world()) {
        let plan = world.plan();
        let observed = states(executable(&plan), &world.observed)?.pop().unwrap();
        let again = World { observed, ..world }.plan();
        prop_assert!(executable(&again).is_empty(), "{plan}\n{again}");
    }

    #[test]
    fn after_an_unguarded_plan_the_table_holds_what_is_wanted(world in world()) {
        let plan = world.raw_plan();
        if plan.blocked.is_some() {
            return Ok(());
        }
        let last = states(&plan.steps, &world.observed)?.pop().unwrap();
        for (address, entry) in Desired::union(&world.input.contributions).entries {
            let holds = at(&last, &address).is_some_and(|found| found.next_hop == entry.next_hop);
            prop_assert!(holds || plan.conflicts.iter().any(|conflict| conflict.address == address), "{address}\n{plan}");
        }
        prop_assert_eq!(World { observed: last, ..world }.raw_plan().steps, vec![]);
    }

    #[test]
    fn no_needed_address_is_missing_at_any_moment(world in world()) {
        let plan = world.plan();
        let needed = Desired::union(&world.input.contributions).entries;
        for state in states(executable(&plan), &world.observed)? {
            for (address, entry) in &needed {
                let right = |observed| at(observed, address).is_some_and(|found| found.next_hop == entry.next_hop);
                prop_assert!(right(&state) || !right(&world.observed), "{address}\n{plan}");
                let there = |observed| at(observed, address).is_some();
                prop_assert!(there(&state) || !there(&world.observed), "{address}\n{plan}");
            }
        }
    }

    #[test]
    fn an_address_in_contradiction_stays_as_it_is(world in world()) {
        let plan = world.plan();
        let frozen = Desired::union(&world.input.contributions).contradictions;
        for state in states(executable(&plan), &world.observed)? {
            for address in frozen.keys() {
                prop_assert_eq!(at(&state, address), at(&world.observed, address), "{}\n{}", address, plan);
            }
        }
    }

    #[test]
    fn while_a_need_is_unknown_no_address_leaves_the_table(world in world()) {
        let mut world = world;
        if world.input.contributions.iter().all(|contribution| contribution.outcome.is_ok()) {
            world.input.removals_frozen = Some("an object cannot be read".to_owned());
        }
        let plan = world.plan();
        let last = states(executable(&plan), &world.observed)?.pop().unwrap();
        for entry in &world.observed.entries {
            prop_assert!(at(&last, &entry.address).is_some(), "{}\n{plan}", entry.address);
        }
    }

    #[test]
    fn no_step_touches_what_is_not_ours(world in world()) {
        let plan = world.raw_plan();
        for step in &plan.steps {
            prop_assert!(step.entry.to_lowercase().starts_with("amlnet.prod."), "{step:?}");
        }
        let last = states(&plan.steps, &world.observed)?.pop().unwrap();
        prop_assert_eq!(foreign(&world, &last), foreign(&world, &world.observed));
    }

    #[test]
    fn guards_only_hold_and_block(world in world()) {
        let (raw, plan) = (world.raw_plan(), world.plan());
        let mut left = raw.steps.iter();
        for step in &plan.steps {
            prop_assert!(left.any(|candidate| candidate == step), "added or moved: {step:?}");
        }
        let text = |step: &Step| format!("{step:?}");
        let mut before: Vec<String> = raw.steps.iter().map(text).collect();
        let mut after: Vec<String> = plan.steps.iter().chain(plan.held.iter().map(|h| &h.step)).map(text).collect();
        before.sort();
        after.sort();
        prop_assert_eq!(before, after);
        prop_assert!(raw.warnings.is_subset(&plan.warnings) && (raw.blocked.is_none() || plan.blocked == raw.blocked));
        prop_assert_eq!((&raw.conflicts, &raw.unresolved), (&plan.conflicts, &plan.unresolved));
    }

    #[test]
    fn a_guarded_plan_never_does_more_than_its_modes_allow(world in world()) {
        let contributors = &world.input.contributions;
        let removal = desired::strictest(contributors.iter().map(|c| c.removal));
        for step in executable(&world.plan()) {
            let mut wanting = contributors.iter().filter(|c| step.wanted_by.contains(&c.network));
            if step.action == Action::Remove {
                prop_assert!(contributors.iter().all(|c| c.mode == Mode::Sync && c.outcome.is_ok()));
                prop_assert!(removal == AT_ONCE && world.input.removals_frozen.is_none());
            } else {
                prop_assert!(wanting.any(|c| c.mode != Mode::Observe), "{step:?}");
            }
        }
    }

    #[test]
    fn steps_go_additions_changes_default_route_removals(world in world()) {
        let rank = |step: &Step| match step.action {
            Action::Remove => 3,
            _ if step.is_default_route() => 2,
            Action::Change => 1,
            Action::Add => 0,
        };
        let order: Vec<(i32, Address)> = world.raw_plan().steps.iter().map(|s| (rank(s), s.address.clone())).collect();
        prop_assert!(order.is_sorted(), "{order:?}");
    }

    #[test]
    fn two_installations_never_touch_each_other_and_come_to_rest(ours in world(), theirs in contributions()) {
        let of = |id: &str, input: TargetInput| TargetInput { installation: id.parse().unwrap(), ..input };
        let inputs = [of("prod", ours.input.clone()), of("test", TargetInput { contributions: theirs, ..ours.input.clone() })];
        let mut table = ours.observed;
        for round in 0..3 {
            for input in &inputs {
                let plan = entries::plan(input, &table, Limits::DEFAULT);
                prop_assert!(round < 2 || plan.steps.is_empty(), "no rest: {plan}");
                for step in &plan.steps {
                    prop_assert!(step.entry.to_lowercase().starts_with(&input.installation.entry_prefix()));
                    apply(step, &mut table)?;
                }
            }
        }
    }

    #[test]
    fn the_union_does_not_depend_on_the_order_of_contributors(list in contributions(), by in any::<Index>()) {
        let mut other = list.clone();
        other.rotate_left(by.index(list.len()));
        other.reverse();
        prop_assert_eq!(Desired::union(&list), Desired::union(&other));
        prop_assert_eq!(desired::strictest(list.iter().map(|c| c.removal)), desired::strictest(other.iter().map(|c| c.removal)));
        other.extend(list.clone());
        prop_assert_eq!(Desired::union(&list), Desired::union(&other));
    }

    #[test]
    fn the_same_world_gives_the_same_plan_hash_and_text(world in world()) {
        let (a, b) = (world.plan(), world.plan());
        prop_assert_eq!((a.hash(), a.to_string()), (b.hash(), b.to_string()));
    }

    #[test]
    fn a_prefix_reads_what_it_prints(v4 in any::<u32>(), v6 in any::<u128>(), length in 0_u8..=128) {
        let l4 = u32::from(length.min(32));
        let v4 = std::net::Ipv4Addr::from(v4 & u32::MAX.checked_shl(32 - l4).unwrap_or(0));
        let v6 = std::net::Ipv6Addr::from(v6 & u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0));
        for text in [format!("{v4}/{l4}"), format!("{v6}/{length}")] {
            let prefix: Prefix = text.parse().unwrap();
            prop_assert_eq!(prefix.to_string(), text);
            prop_assert_eq!(prefix.to_string().parse::<Prefix>().unwrap(), prefix);
        }
    }
}
