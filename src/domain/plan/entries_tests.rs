//! Rules of the plan for a table of routes: what is added, changed, removed, left alone, and in which order.

use super::*;
use crate::desired::Contribution;
use crate::plan::BlockedReason;
use crate::testing::{contribution, input, installation, observed, table_id, unguarded, unresolved};

const A: &str = "20.1.0.0/26";
const B: &str = "20.2.0.0/26";
const OURS_A: &str = "amlnet.prod.20.1.0.0_26";
const OURS_B: &str = "amlnet.prod.20.2.0.0_26";
const NET: &str = "Internet";

type Route<'a> = (&'a str, &'a str, &'a str);

fn wants(list: &[(&str, &str)]) -> Vec<Contribution> {
    vec![contribution("ml", list)]
}

/// Everything that a plan says about addresses, one a line.
fn findings(plan: &Plan) -> Vec<String> {
    let hop = |step: &Step| step.next_hop.as_ref().map(|hop| format!(" -> {hop}")).unwrap_or_default();
    let steps = plan.steps.iter().map(|s| format!("{:?} {} {}{}", s.action, s.entry, s.address, hop(s)));
    let conflicts = plan.conflicts.iter().map(|c| format!("conflict {}", c.address));
    let satisfied = plan.satisfied_by_others.iter().map(|(address, name)| format!("satisfied {address} by {name}"));
    steps.chain(conflicts).chain(satisfied).collect()
}

#[track_caller]
fn check(contributions: Vec<Contribution>, routes: &[Route<'_>], expected: &[&str]) {
    assert_eq!(findings(&unguarded(contributions, &observed(routes))), expected);
}

#[test]
fn every_row_of_the_table_above_compare() {
    let cases: [(&[Route<'_>], &[&str]); 12] = [
        (&[(OURS_A, A, NET)], &[]),
        (&[(OURS_A, A, "10.0.0.4")], &["Change amlnet.prod.20.1.0.0_26 20.1.0.0/26 -> Internet"]),
        (&[(OURS_A, A, "None")], &["Change amlnet.prod.20.1.0.0_26 20.1.0.0/26 -> Internet"]),
        (&[("theirs", A, NET)], &["satisfied 20.1.0.0/26 by theirs"]),
        (&[("theirs", A, "10.0.0.4")], &["conflict 20.1.0.0/26"]),
        (&[], &["Add amlnet.prod.20.1.0.0_26 20.1.0.0/26 -> Internet"]),
        (&[("theirs", B, "None")], &["Add amlnet.prod.20.1.0.0_26 20.1.0.0/26 -> Internet"]),
        (&[(OURS_A, B, NET)], &["Change amlnet.prod.20.1.0.0_26 20.1.0.0/26 -> Internet"]),
        (&[("amlnet.prod.whatever", A, NET)], &[]),
        (&[("amlnet.test.20.1.0.0_26", A, NET)], &["satisfied 20.1.0.0/26 by amlnet.test.20.1.0.0_26"]),
        (&[("amlnet.test.20.1.0.0_26", A, "None")], &["conflict 20.1.0.0/26"]),
        (&[("amlnet.prod2.20.1.0.0_26", B, NET)], &["Add amlnet.prod.20.1.0.0_26 20.1.0.0/26 -> Internet"]),
    ];
    for (routes, expected) in cases {
        check(wants(&[(A, NET)]), routes, expected);
    }
}

#[test]
fn a_failed_route_of_ours_is_written_again_and_a_foreign_one_is_not() {
    let mut table = observed(&[(OURS_A, A, NET), ("theirs", B, NET)]);
    table.entries.iter_mut().for_each(|entry| entry.failed = true);
    let plan = unguarded(wants(&[(A, NET), (B, NET)]), &table);
    assert_eq!(
        findings(&plan),
        ["Change amlnet.prod.20.1.0.0_26 20.1.0.0/26 -> Internet", "satisfied 20.2.0.0/26 by theirs",]
    );
}

#[test]
fn names_are_compared_without_case_and_written_as_they_stand() {
    check(wants(&[(A, NET)]), &[("AMLNET.Prod.20.1.0.0_26", A, NET)], &[]);
    check(
        wants(&[(A, NET)]),
        &[("AMLNET.Prod.20.1.0.0_26", A, "None")],
        &["Change AMLNET.Prod.20.1.0.0_26 20.1.0.0/26 -> Internet"],
    );
    check(
        wants(&[(A, NET)]),
        &[("AMLNET.Prod.20.1.0.0_26", B, NET)],
        &["Change AMLNET.Prod.20.1.0.0_26 20.1.0.0/26 -> Internet"],
    );
    check(wants(&[]), &[("AMLNET.Prod.20.1.0.0_26", A, NET)], &["Remove AMLNET.Prod.20.1.0.0_26 20.1.0.0/26"]);
}

#[test]
fn only_what_bears_our_name_is_removed() {
    check(
        wants(&[]),
        &[
            (OURS_A, A, NET),
            ("theirs", B, NET),
            ("amlnet.prodx.1", "20.3.0.0/26", NET),
            ("amlnet.", "20.4.0.0/26", NET),
        ],
        &["Remove amlnet.prod.20.1.0.0_26 20.1.0.0/26"],
    );
}

#[test]
fn tags_are_one_address_whatever_their_letter_case() {
    let tag = "AzureMachineLearning";
    check(wants(&[(tag, NET)]), &[("amlnet.prod.AzureMachineLearning", "azuremachinelearning", NET)], &[]);
    check(
        wants(&[(tag, NET)]),
        &[("theirs", "AZUREMACHINELEARNING", NET)],
        &["satisfied AzureMachineLearning by theirs"],
    );
    check(wants(&[(tag, NET)]), &[], &["Add amlnet.prod.AzureMachineLearning AzureMachineLearning -> Internet"]);
}

#[test]
fn an_address_given_to_the_wrong_route_is_left_where_it_is_needed() {
    // Somebody gave our route for A the address B.
    check(wants(&[(A, NET), (B, NET)]), &[(OURS_A, B, NET)], &["conflict 20.1.0.0/26"]);
    check(wants(&[(A, NET), (B, NET)]), &[(OURS_A, B, NET), (OURS_B, A, NET)], &[]);
    check(
        wants(&[(A, NET), (B, NET)]),
        &[(OURS_A, B, NET), (OURS_B, "20.3.0.0/26", NET)],
        &["Remove amlnet.prod.20.2.0.0_26 20.3.0.0/26", "conflict 20.1.0.0/26"],
    );
}

#[test]
fn a_needed_tag_is_not_taken_away_because_it_is_spelt_in_other_letter_case() {
    let moved: &[Route<'_>] = &[(OURS_A, "azuremachinelearning", NET)];
    check(wants(&[(A, NET), ("AzureMachineLearning", NET)]), moved, &["conflict 20.1.0.0/26"]);
}

#[test]
fn an_address_in_contradiction_is_not_taken_away_by_a_change() {
    let contributors = vec![contribution("a", &[(A, NET), (B, NET)]), contribution("b", &[(B, "10.0.0.4")])];
    check(contributors, &[(OURS_A, B, NET)], &["conflict 20.1.0.0/26", "conflict 20.2.0.0/26"]);
}

#[test]
fn two_networks_that_disagree_freeze_the_entry_as_it_stands() {
    let contributors = || vec![contribution("a", &[(A, NET)]), contribution("b", &[(A, "10.0.0.4")])];
    for routes in [&[][..], &[(OURS_A, A, NET)], &[(OURS_A, A, "None")]] {
        check(contributors(), routes, &["conflict 20.1.0.0/26"]);
    }
    let plan = unguarded(contributors(), &observed(&[]));
    assert_eq!(
        plan.conflicts[0].why,
        "ns/a wants Internet, ns/b wants VirtualAppliance 10.0.0.4; a prefix can have one next hop, so nothing is done to \
         it. Make them agree"
    );
}

#[test]
fn steps_go_additions_changes_default_route_removals_and_are_sorted_within() {
    let wanted: &[(&str, &str)] = &[
        ("0.0.0.0/0", "10.0.0.4"),
        ("9.0.0.0/26", NET),
        ("100.0.0.0/26", NET),
        (A, NET),
        (B, NET),
        ("2603::/64", NET),
    ];
    check(
        wants(wanted),
        &[
            (OURS_B, B, "None"),
            (OURS_A, A, "None"),
            ("amlnet.prod.z", "4.0.0.0/26", NET),
            ("amlnet.prod.y", "3.0.0.0/26", NET),
        ],
        &[
            "Add amlnet.prod.9.0.0.0_26 9.0.0.0/26 -> Internet",
            "Add amlnet.prod.100.0.0.0_26 100.0.0.0/26 -> Internet",
            "Add amlnet.prod.2603--_64 2603::/64 -> Internet",
            "Change amlnet.prod.20.1.0.0_26 20.1.0.0/26 -> Internet",
            "Change amlnet.prod.20.2.0.0_26 20.2.0.0/26 -> Internet",
            "Add amlnet.prod.0.0.0.0_0 0.0.0.0/0 -> VirtualAppliance 10.0.0.4",
            "Remove amlnet.prod.y 3.0.0.0/26",
            "Remove amlnet.prod.z 4.0.0.0/26",
        ],
    );
}

#[test]
fn a_changed_default_route_waits_for_the_additions_too() {
    check(
        wants(&[("0.0.0.0/0", "10.0.0.5"), (A, NET)]),
        &[("amlnet.prod.0.0.0.0_0", "0.0.0.0/0", "10.0.0.4")],
        &[
            "Add amlnet.prod.20.1.0.0_26 20.1.0.0/26 -> Internet",
            "Change amlnet.prod.0.0.0.0_0 0.0.0.0/0 -> VirtualAppliance 10.0.0.5",
        ],
    );
}

#[test]
fn a_step_says_what_was_before_and_who_wants_it() {
    let contributors = vec![contribution("a", &[(A, NET)]), contribution("b", &[(A, NET)])];
    let plan = unguarded(contributors, &observed(&[(OURS_A, A, "10.0.0.4")]));
    let step = &plan.steps[0];
    assert_eq!(
        step.before.as_ref().map(|(at, hop)| format!("{at} {hop}")).unwrap(),
        "20.1.0.0/26 VirtualAppliance 10.0.0.4"
    );
    assert_eq!(step.wanted_by.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ns/a", "ns/b"]);
}

#[test]
fn nothing_is_planned_when_no_contributor_is_resolved() {
    for contributions in [vec![unresolved("a")], vec![unresolved("a"), unresolved("b")]] {
        let plan = unguarded(contributions.clone(), &observed(&[(OURS_A, A, NET), ("theirs", B, NET)]));
        assert_eq!(plan.blocked.as_ref().map(|blocked| blocked.reason), Some(BlockedReason::Unresolved));
        assert_eq!((plan.steps.len(), plan.entries_now, plan.owned_now), (0, 2, 1));
        assert_eq!(plan.unresolved.len(), contributions.len());
    }
}

#[test]
fn where_nobody_contributes_any_more_all_that_is_ours_is_left_over() {
    let plan = unguarded(vec![], &observed(&[(OURS_A, A, NET), ("theirs", B, NET)]));
    assert_eq!(plan.blocked, None);
    let steps: Vec<_> = plan.steps.iter().map(|step| (step.action, step.entry.as_str())).collect();
    assert_eq!(steps, [(Action::Remove, OURS_A)]);
}

#[test]
fn the_hash_is_of_target_documents_and_steps() {
    let routes = observed(&[(OURS_A, A, "None")]);
    let hash = unguarded(wants(&[(A, NET), (B, NET)]), &routes).hash();
    assert_eq!(unguarded(wants(&[(B, NET), (A, NET)]), &routes).hash(), hash);
    let renamed = crate::plan::TargetInput { id: table_id("RT"), ..input(wants(&[(A, NET), (B, NET)])) };
    assert_eq!(plan(&renamed, &routes, Limits::DEFAULT).hash(), hash, "ids are compared without case");
    for (contributions, routes) in [
        (wants(&[(A, NET)]), routes.clone()),
        (wants(&[(A, NET), (B, "10.0.0.4")]), routes.clone()),
        (wants(&[(A, NET), (B, NET)]), observed(&[(OURS_A, A, "10.0.0.4")])),
        (wants(&[(A, NET), (B, NET)]), observed(&[])),
    ] {
        assert_ne!(unguarded(contributions, &routes).hash(), hash);
    }
    let other = crate::plan::TargetInput { id: table_id("rt2"), ..input(wants(&[(A, NET), (B, NET)])) };
    assert_ne!(plan(&other, &routes, Limits::DEFAULT).hash(), hash);
}

#[test]
fn capacity_is_the_peak_of_what_stands_and_all_additions() {
    // 8 foreign routes, 2 of them by tag.
    let texts: Vec<(String, String)> = (0..8)
        .map(|n| (format!("theirs{n}"), if n < 2 { format!("Tag{n}") } else { format!("30.0.{n}.0/24") }))
        .collect();
    let routes: Vec<Route<'_>> = texts.iter().map(|(name, at)| (name.as_str(), at.as_str(), NET)).collect();
    let table = observed(&routes);
    let two: &[(&str, &str)] = &[(A, NET), (B, NET)];
    for (wanted, entries, tag_entries, blocked, warned) in [
        (two, 10, 25, false, true),
        (two, 9, 25, true, false),
        (two, 12, 25, false, true),
        (two, 13, 25, false, false),
        (&[], 8, 25, false, true),
        (&[], 7, 25, false, true),
        (&[("AzureMachineLearning", NET)], 100, 3, false, true),
        (&[("AzureMachineLearning", NET)], 100, 2, true, false),
        (two, 100, 2, false, true),
    ] {
        let plan = plan(&input(wants(wanted)), &table, Limits { entries, tag_entries, addresses: 0 });
        let plan = check_capacity(plan, &input(wants(wanted)), &table);
        let high = plan.warnings.iter().any(|note| note.code == "CapacityHigh");
        assert_eq!((plan.blocked.is_some(), high), (blocked, warned), "{wanted:?} {entries} {tag_entries}");
        assert!(plan.blocked.is_none_or(|blocked| blocked.reason == BlockedReason::Capacity));
    }
}

#[test]
fn four_fifths_are_warned_of() {
    let wanted: Vec<String> = (0..8).map(|n| format!("20.1.{n}.0/24")).collect();
    let wanted: Vec<(&str, &str)> = wanted.iter().map(|at| (at.as_str(), NET)).collect();
    let plan = |count: usize| {
        let plan = plan(
            &input(wants(&wanted[..count])),
            &observed(&[]),
            Limits { entries: 10, tag_entries: 10, addresses: 0 },
        );
        check_capacity(plan, &input(wants(&wanted[..count])), &observed(&[]))
    };
    assert!(plan(7).warnings.iter().all(|note| note.code != "CapacityHigh"));
    assert!(plan(8).warnings.iter().any(|note| note.message == "the route table will hold 8 routes of at most 10"));
}

#[test]
fn ownership_needs_the_whole_prefix_of_the_name() {
    for (name, ours) in [
        ("amlnet.prod.x", true),
        ("AMLNET.PROD.X", true),
        ("amlnet.prod.", true),
        ("amlnet.prod", false),
        ("amlnet.prod2.x", false),
        ("amlnet.pro.x", false),
        ("xamlnet.prod.x", false),
        ("", false),
        ("amlnet.pro\u{e4}.x", false),
        ("amlnet.proé", false),
    ] {
        assert_eq!(observed(&[(name, A, NET)]).ours(&installation()).count() == 1, ours, "{name}");
    }
}
