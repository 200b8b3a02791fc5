//! What must hold of every plan of an IP group, and of the one body that it is written as: never empty, nothing needed
//! missing, nothing foreign touched, nothing in it that nobody asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use amlnet::azure::kind::{Kind as _, Request, Write, ip_group};
use amlnet::domain::decision::{Basis, decide};
use amlnet::domain::desired::{self, Contribution, Desired, Purpose, Wish, Wishes};
use amlnet::domain::intent::{Approval, Budget, DeletionPolicy, Growth, Mode, NextHop, ObjectKey, Removal};
use amlnet::domain::memory::TargetMemory;
use amlnet::domain::plan::{Limits, Observed, Plan, TargetInput};
use amlnet::domain::resolve::Unresolved;
use amlnet::domain::resource_id::ResourceId;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use crate::support::{AT_ONCE, BASE, REGIONS, address, executable, intent, table};

static NO_WISHES: LazyLock<Wishes> =
    LazyLock::new(|| desired::wishes(&intent(&[], AT_ONCE), &table(), &BASE, &REGIONS).unwrap());

/// What Networks ask for.
const WANTED: [&str; 5] = ["20.1.0.0/26", "20.1.0.64/26", "20.2.0.0/24", "20.3.0.7/32", "20.4.0.0/16"];
/// What people write into a group: a range, one address, and prefixes that are or are not asked for.
const STANDING: [&str; 7] =
    ["20.1.0.0/26", "20.1.0.64/26", "20.2.0.0/24", "20.3.0.7", "10.0.0.1-10.0.0.9", "10.1.0.1", "10.2.0.0/16"];
const STATES: [&str; 3] = ["Succeeded", "Succeeded", "Failed"];
const START: &str = "2026-01-05T12:00:00Z";
const CAREFUL: Removal =
    Removal { hold_seconds: 86400, budget: Budget { max: 1, percent: 100 }, approval: Approval::Never };

fn id() -> ResourceId {
    let text = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network";
    format!("{text}/ipGroups/g").parse().unwrap()
}

/// A group as ARM shows it, or that there is none.
#[derive(Debug, Clone, PartialEq)]
struct Group(Option<Value>);

impl Group {
    fn observed(&self) -> Observed {
        let Some(body) = &self.0 else { return ip_group::absent("eastus2") };
        ip_group::IpGroup.observe(&id(), body).unwrap()
    }

    /// The text of every address, with one address as the prefix that it is.
    fn addresses(&self) -> BTreeSet<String> {
        self.observed().entries.iter().map(|entry| entry.address.to_string()).collect()
    }

    /// What Azure has after a write.
    fn written(body: &Value) -> Self {
        let mut body = body.clone();
        body["properties"]["provisioningState"] = json!("Succeeded");
        Self(Some(body))
    }

    fn is_ours(&self) -> bool {
        self.0.as_ref().is_some_and(|body| body["tags"]["amlnet-installation"] == "prod")
    }
}

/// The one write of a plan, if there is anything to write.
fn write(plan: &Plan, input: &TargetInput, group: &Group) -> Option<Value> {
    let steps = executable(plan);
    if steps.is_empty() {
        return None;
    }
    let requests = ip_group::IpGroup.requests(input, steps, &group.observed()).unwrap();
    match &requests[..] {
        [Request { write: Write::PutIpGroup { group, .. }, .. }] => Some(serde_json::to_value(&**group).unwrap()),
        other => panic!("{plan}\n{other:?}"),
    }
}

fn decided(input: &TargetInput, group: &Group, remembered: &TargetMemory, now: &str) -> (Plan, TargetMemory) {
    let now: Timestamp = now.parse().unwrap();
    decide(input, &group.observed(), Limits::IP_GROUP, &[], Basis { remembered, approvals: &[], now })
}

fn contribution(name: String) -> impl Strategy<Value = Contribution> {
    let wanted = subsequence(&WANTED[..], 0..=WANTED.len()).prop_map(|wanted| {
        let wish = |at: &&str| {
            let purpose = Purpose::Requirement { name: "R".to_owned(), service: "S".to_owned(), region: None };
            (address(at), Wish { next_hop: NextHop::Member, purposes: BTreeSet::from([purpose]) })
        };
        Wishes { entries: wanted.iter().map(wish).collect(), ..NO_WISHES.clone() }
    });
    let outcome = prop_oneof![
        6 => wanted.prop_map(Ok),
        1 => Just(Err(Unresolved::UnknownRegion("?".to_owned()))),
    ];
    let mode = prop_oneof![4 => Just(Mode::Sync), 1 => Just(Mode::UpsertOnly), 1 => Just(Mode::Observe)];
    let removal = prop_oneof![
        4 => Just(AT_ONCE),
        1 => Just(Removal { approval: Approval::Always, ..AT_ONCE }),
        2 => Just(CAREFUL),
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

fn input() -> impl Strategy<Value = TargetInput> {
    let contributions =
        (1_usize..4).prop_flat_map(|count| (0..count).map(|n| contribution(format!("n{n}"))).collect::<Vec<_>>());
    let frozen = prop::option::weighted(0.1, Just("an object cannot be read".to_owned()));
    (contributions, frozen).prop_map(|(contributions, removals_frozen)| TargetInput {
        removals_frozen,
        ..TargetInput::new(id(), "prod".parse().unwrap(), contributions)
    })
}

fn group() -> impl Strategy<Value = Group> {
    let owner = select(&["prod", "prod", "prod", "prod", "test", ""][..]);
    let there = prop_oneof![
        4 => subsequence(&STANDING[..], 0..=STANDING.len()),
        1 => Just(vec![]),
    ];
    let present = (owner, there, select(&STATES[..])).prop_map(|(owner, there, state)| {
        let mut tags = BTreeMap::from([("owner", "network")]);
        if !owner.is_empty() {
            tags.insert("amlnet-installation", owner);
        }
        Group(Some(json!({"location": "eastus2", "tags": tags,
            "properties": {"ipAddresses": there, "provisioningState": state}})))
    });
    prop_oneof![9 => present, 1 => Just(Group(None))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_write_leaves_nothing_to_do(input in input(), group in group()) {
        let (plan, memory) = decided(&input, &group, &TargetMemory::default(), START);
        let Some(body) = write(&plan, &input, &group) else { return Ok(()) };
        let (again, _) = decided(&input, &Group::written(&body), &memory, START);
        prop_assert!(executable(&again).is_empty(), "{plan}\n{again}");
    }

    #[test]
    fn a_body_is_never_empty_and_lacks_nothing_that_is_needed_and_was_there(input in input(), group in group()) {
        let (plan, _) = decided(&input, &group, &TargetMemory::default(), START);
        let Some(body) = write(&plan, &input, &group) else { return Ok(()) };
        let after = Group::written(&body).addresses();
        prop_assert!(!after.is_empty(), "{plan}");
        let before = group.addresses();
        for needed in Desired::union(&input.contributions).entries.keys().map(ToString::to_string) {
            prop_assert!(after.contains(&needed) || !before.contains(&needed), "{needed}\n{plan}");
        }
    }

    #[test]
    fn a_body_holds_what_is_wanted_what_is_held_and_what_was_there(input in input(), group in group()) {
        let (plan, _) = decided(&input, &group, &TargetMemory::default(), START);
        let Some(body) = write(&plan, &input, &group) else { return Ok(()) };
        let (before, after) = (group.addresses(), Group::written(&body).addresses());
        let wanted: BTreeSet<String> =
            Desired::union(&input.contributions).entries.keys().map(ToString::to_string).collect();
        for address in &after {
            prop_assert!(wanted.contains(address) || before.contains(address), "{address}\n{plan}");
        }
        // What is not there any more was removed by a step, and what is held stays.
        let removed: BTreeSet<String> =
            plan.steps.iter().filter(|step| step.next_hop.is_none()).map(|step| step.address.to_string()).collect();
        prop_assert_eq!(before.difference(&after).cloned().collect::<BTreeSet<_>>(), removed, "{}", plan);
        for held in plan.held.iter().filter(|held| held.step.next_hop.is_none()) {
            prop_assert!(after.contains(&held.step.address.to_string()), "{plan}");
        }
    }

    #[test]
    fn a_group_that_is_not_ours_is_written_only_where_it_is_empty(input in input(), group in group()) {
        let (plan, _) = decided(&input, &group, &TargetMemory::default(), START);
        let body = write(&plan, &input, &group);
        let is_unmarked = group.0.as_ref().is_none_or(|body| body["tags"]["amlnet-installation"].is_null());
        let may = group.is_ours() || (is_unmarked && group.addresses().is_empty());
        prop_assert!(may || body.is_none(), "{plan}");
        if let (Some(before), Some(after)) = (&group.0, &body) {
            prop_assert_eq!(&after["tags"]["owner"], &before["tags"]["owner"]);
            prop_assert_eq!(&after["tags"]["amlnet-installation"], "prod");
            prop_assert_eq!(&after["location"], &before["location"]);
        }
    }

    #[test]
    fn modes_and_what_is_not_known_keep_every_address(input in input(), group in group()) {
        let (plan, _) = decided(&input, &group, &TargetMemory::default(), START);
        let Some(body) = write(&plan, &input, &group) else { return Ok(()) };
        let removes = input.removals_frozen.is_none()
            && input.contributions.iter().all(|c| c.mode == Mode::Sync && c.outcome.is_ok());
        if !removes {
            prop_assert!(Group::written(&body).addresses().is_superset(&group.addresses()), "{plan}");
        }
        prop_assert!(input.contributions.iter().any(|c| c.mode != Mode::Observe), "{plan}");
    }

    /// Weeks of changed wishes and of people who write into the group, with one memory.
    #[test]
    fn over_many_weeks_nothing_needed_goes_and_nothing_is_written_twice(
        weeks in proptest::collection::vec((input(), subsequence(&STANDING[..], 0..=STANDING.len()), any::<bool>()), 2..7),
    ) {
        let mut group = Group(None);
        let mut memory = TargetMemory::default();
        for (week, (input, by_hand, meddles)) in weeks.iter().enumerate() {
            if let (Some(body), true) = (&mut group.0, *meddles) {
                body["properties"]["ipAddresses"] = json!(by_hand);
            }
            let now = format!("2026-02-{:02}T12:00:00Z", 1 + week * 3);
            let (plan, after) = decided(input, &group, &memory, &now);
            memory = after;
            let Some(body) = write(&plan, input, &group) else { continue };
            let removals: Vec<_> = plan.steps.iter().filter(|step| step.next_hop.is_none()).collect();
            memory.count_removals(&removals, now.parse().unwrap());
            let before = group.addresses();
            group = Group::written(&body);
            let stands = group.addresses();
            prop_assert!(!stands.is_empty(), "{plan}");
            for needed in Desired::union(&input.contributions).entries.keys().map(ToString::to_string) {
                prop_assert!(stands.contains(&needed) || !before.contains(&needed), "{needed}\n{plan}");
            }
            let (again, after) = decided(input, &group, &memory, &now);
            memory = after;
            prop_assert!(executable(&again).is_empty(), "week {week}: {plan}\n{again}");
        }
    }
}
