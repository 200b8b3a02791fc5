//! The guards on rules: an element of a rule waits as a route does, and nothing is written by halves.

use std::collections::BTreeSet;

use amlnet::azure::kind::Write;
use amlnet::domain::intent::{Approval, Budget, DeletionPolicy, Mode, Removal};
use amlnet::domain::plan::{Action, BlockedReason, Departure, HeldReason, Plan};
use serde_json::{Value, json};

use crate::rules::{Azure, World, key};
use crate::rules_shared::{FIRST, Net, b, batch, code, document, shown, vault, world};
use crate::support::{AT_ONCE, executable};

const HOLD: Removal = Removal { hold_seconds: 42 * 86400, ..AT_ONCE };
const BATCH: &str = "additional.batch.eastus2.tcp-ip";

fn kinds() -> [Azure; 2] {
    [Azure::policy(), Azure::group()]
}

fn held(plan: &Plan) -> BTreeSet<(HeldReason, String)> {
    plan.held.iter().map(|held| (held.reason, held.step.address.to_string())).collect()
}

/// The rule for Batch, whatever the kind.
fn of_batch(world: &World) -> String {
    shown(&world.azure).into_iter().find(|(name, _)| name.ends_with(BATCH)).map(|(_, text)| text).unwrap_or_default()
}

#[test]
fn a_prefix_that_left_the_document_stays_for_the_hold_and_then_goes_with_one_write() {
    for azure in kinds() {
        let net = Net { removal: HOLD, ..Net::default() };
        let mut world = world(azure, &[net.clone()]);
        let second = document(2, &["20.2.0.0/28", "20.2.9.0/28"]);
        let contribution = net.on(&world.azure, &second);
        world.wait(7).ask(vec![contribution]);
        let applied = world.apply();
        assert_eq!(applied.writes.len(), 1);
        assert_eq!(of_batch(&world), "10.1.0.0/24 -> 20.2.0.0/28 20.2.1.0/28 20.2.9.0/28");
        let [only] = &applied.plan.held[..] else { panic!("{}", applied.plan) };
        assert_eq!((only.reason, only.step.action), (HeldReason::Hold, Action::Remove));
        assert_eq!(only.until, Some("2026-02-23T12:00:00Z".parse().unwrap()));
        assert!(world.wait(41).apply().writes.is_empty());
        assert_eq!(world.wait(1).apply().writes.len(), 1);
        assert_eq!(of_batch(&world), "10.1.0.0/24 -> 20.2.0.0/28 20.2.9.0/28");
    }
}

#[test]
fn a_prefix_that_comes_back_is_no_change() {
    let net = Net { removal: HOLD, ..Net::default() };
    let mut world = world(Azure::policy(), &[net.clone()]);
    for (days, prefixes) in [(7, &["20.2.0.0/28"][..]), (40, &["20.2.0.0/28", "20.2.1.0/28"]), (60, &["20.2.0.0/28"])] {
        let contribution = net.on(&world.azure, &document(days, prefixes));
        world.wait(i64::try_from(days).unwrap()).ask(vec![contribution]);
        assert!(world.apply().writes.is_empty(), "the clock began anew");
    }
}

#[test]
fn a_source_that_many_rules_lose_counts_once() {
    for azure in kinds() {
        let budget = Budget { max: 1, percent: 100 };
        let with = |sources| Net { sources, removal: Removal { budget, ..AT_ONCE }, ..Net::default() };
        let mut world = world(azure, &[with(vec!["10.1.0.0/24", "10.2.0.0/24", "10.3.0.0/24"])]);
        let less = with(vec!["10.1.0.0/24"]).on(&world.azure, &FIRST);
        world.ask(vec![less]);
        let applied = world.apply();
        let removed: BTreeSet<String> = applied.plan.steps.iter().map(|step| step.address.subject()).collect();
        assert_eq!((applied.plan.steps.len(), removed.len()), (2, 1), "{}", applied.plan);
        assert!(held(&applied.plan).iter().all(|(reason, _)| *reason == HeldReason::Budget));
        assert!(of_batch(&world).starts_with("10.1.0.0/24 10.3.0.0/24 ->"), "{}", of_batch(&world));
        assert!(world.wait(6).apply().writes.is_empty());
        assert!(!world.wait(1).apply().writes.is_empty());
        assert!(of_batch(&world).starts_with("10.1.0.0/24 ->"));
        assert!(shown(&world.azure).values().all(|text| text.starts_with("10.1.0.0/24 ->")));
    }
}

#[test]
fn a_removal_waits_for_its_approval_and_additions_do_not() {
    for azure in kinds() {
        let with =
            |sources| Net { sources, removal: Removal { approval: Approval::Always, ..AT_ONCE }, ..Net::default() };
        let mut world = world(azure, &[with(vec!["10.1.0.0/24"])]);
        let other = with(vec!["10.2.0.0/24"]).on(&world.azure, &FIRST);
        world.ask(vec![other]);
        let plan = world.apply().plan;
        assert!(of_batch(&world).starts_with("10.1.0.0/24 10.2.0.0/24 ->"));
        assert!(
            held(&plan)
                .iter()
                .all(|(reason, address)| *reason == HeldReason::Approval && address.ends_with("10.1.0.0/24"))
        );
        let waits = world.decide();
        world.approve(&waits, "a");
        assert!(!world.apply().writes.is_empty());
        assert!(of_batch(&world).starts_with("10.2.0.0/24 ->"));
    }
}

#[test]
fn modes_and_unknown_needs_keep_what_stands() {
    for azure in kinds() {
        let mut world = world(azure, &[Net::default(), b(Net::default())]);
        let stands = shown(&world.azure);
        let less = Net { additional: vec![vault()], ..b(Net::default()) };
        let a = |net: Net| Net { additional: vec![vault()], ..net };
        for (first, reason) in [
            (a(Net { mode: Mode::UpsertOnly, ..Net::default() }), HeldReason::Mode),
            (a(Net { mode: Mode::Observe, ..Net::default() }), HeldReason::Mode),
            (Net { unresolved: true, ..Net::default() }, HeldReason::Hold),
        ] {
            let contributions = [first, less.clone()].map(|net| net.on(&world.azure, &FIRST));
            world.ask(contributions.to_vec());
            let plan = world.apply().plan;
            assert_eq!(shown(&world.azure), stands, "{plan}");
            assert!(!plan.held.is_empty() && held(&plan).iter().all(|(found, _)| *found == reason), "{plan}");
        }
        // When both may, it goes.
        let contributions = [a(Net::default()), less.clone()].map(|net| net.on(&world.azure, &FIRST));
        world.ask(contributions.to_vec()).apply();
        assert_eq!(of_batch(&world), "");
    }
}

#[test]
fn all_unknown_blocks_and_nothing_is_written() {
    for azure in kinds() {
        let mut world = world(azure, &[Net::default()]);
        let lost = Net { unresolved: true, ..Net::default() }.on(&world.azure, &FIRST);
        world.ask(vec![lost]);
        let applied = world.apply();
        assert_eq!(applied.plan.blocked.unwrap().reason, BlockedReason::Unresolved);
        assert!(applied.writes.is_empty());
    }
}

#[test]
fn an_observing_network_writes_nothing_at_all() {
    for azure in kinds() {
        let mut world = world(azure.clone(), &[Net { mode: Mode::Observe, ..Net::default() }]);
        assert_eq!(world.azure, azure);
        let plan = world.decide();
        assert!(plan.steps.is_empty() && held(&plan).iter().all(|(reason, _)| *reason == HeldReason::Mode));
        assert_eq!(plan.held.len(), 7, "a source, a port and the far side of two rules: {plan}");
    }
}

/// A rule of somebody else.
fn foreign() -> Value {
    json!({"name": "mine", "properties": {"provisioningState": "Succeeded", "protocol": "Tcp", "sourcePortRange": "*",
        "destinationPortRange": "22", "sourceAddressPrefix": "*", "destinationAddressPrefix": "*", "access": "Allow",
        "priority": 2000, "direction": "Outbound"}})
}

#[test]
fn deletion_takes_all_of_ours_and_nothing_else() {
    let other = json!({"name": "other", "properties": {"priority": 500, "ruleCollections": []}});
    let policy = Azure::Policy { ours: None, others: vec![other], dns_proxy: true };
    for azure in [policy, Azure::Group(vec![foreign()])] {
        for (deletion_policy, goes) in [(DeletionPolicy::Delete, true), (DeletionPolicy::Retain, false)] {
            let careful = Removal { approval: Approval::Always, ..HOLD };
            let mut world = world(azure.clone(), &[Net { deletion_policy, removal: careful, ..Net::default() }]);
            let written = world.azure.clone();
            world.ask(Vec::new());
            world.input.departed.insert(key("a"), Departure::Deleted);
            let applied = world.apply();
            if goes {
                assert_eq!(world.azure, azure);
                assert!(applied.writes.iter().all(Write::takes_away), "{:?}", applied.writes);
            } else {
                assert_eq!((world.azure.clone(), applied.writes.len()), (written, 0));
            }
        }
    }
}

#[test]
fn another_region_waits_and_the_old_one_stays_meanwhile() {
    for azure in kinds() {
        let mut world = world(azure, &[Net::default()]);
        let moved = Net { region: "westus3", ..Net::default() };
        let contribution = moved.on(&world.azure, &FIRST);
        let before = shown(&world.azure);
        world.ask(vec![contribution]);
        let plan = world.apply().plan;
        assert_eq!(shown(&world.azure), before, "a new rule is not written by halves: {plan}");
        assert!(
            !plan.held.is_empty() && held(&plan).iter().all(|(reason, _)| *reason == HeldReason::Approval),
            "{plan}"
        );
        let waits = world.decide();
        world.approve(&waits, "a");
        world.settle();
        let names: Vec<String> = shown(&world.azure).into_keys().filter(|name| name.contains("batch")).collect();
        assert!(matches!(&names[..], [only] if only.ends_with("batch.westus3.tcp-ip")), "{names:?}");
    }
}

#[test]
fn a_prefix_that_a_wider_one_covers_waits_in_a_security_group_until_that_goes() {
    let net = Net { removal: HOLD, ..Net::default() };
    let mut world = world(Azure::group(), &[net.clone()]);
    let week = |world: &mut World, days: i64, number: u64, prefixes: &[&str]| {
        let contribution = net.on(&world.azure, &document(number, prefixes));
        world.wait(days).ask(vec![contribution]);
        world.settle();
        of_batch(world)
    };
    // Azure takes no list that overlaps: the wider one stands alone, and the narrower ones are in it.
    assert_eq!(week(&mut world, 7, 2, &["20.2.0.0/16"]), "10.1.0.0/24 -> 20.2.0.0/16");
    assert_eq!(week(&mut world, 7, 3, &["20.2.0.0/16", "20.2.5.0/28"]), "10.1.0.0/24 -> 20.2.0.0/16");
    // The wider one left the document and is held: what is needed of it stays in it, and takes its place at the end.
    assert_eq!(week(&mut world, 7, 4, &["20.2.5.0/28"]), "10.1.0.0/24 -> 20.2.0.0/16");
    assert_eq!(week(&mut world, 42, 4, &["20.2.5.0/28"]), "10.1.0.0/24 -> 20.2.5.0/28");
}

#[test]
fn a_host_that_is_taken_out_goes_and_the_rule_stays() {
    let with = |hosts: &[&str]| Net { additional: vec![batch(), code(hosts)], ..Net::default() };
    let mut world = world(Azure::policy(), &[with(&["github.com", "gitlab.com"])]);
    let less = with(&["github.com"]).on(&world.azure, &FIRST);
    world.ask(vec![less]);
    assert_eq!(world.apply().writes.len(), 1);
    assert_eq!(shown(&world.azure)["amlnet.prod.additional.code.http"], "10.1.0.0/24 -> github.com");
    assert!(executable(&world.decide()).is_empty());
}
