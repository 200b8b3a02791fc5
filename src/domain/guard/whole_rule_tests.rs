use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::desired::{Ask, Contribution, Purpose, RuleHead, Wish};
use crate::intent::{Approval, Budget, Mode, NextHop, Removal};
use crate::plan::rules::{Around, PolicyAround, Rules, StandingRule};
use crate::plan::{Limits, Observed, ObservedEntry, TargetInput};
use crate::requirement::Direction;
use crate::resource_id::ResourceId;
use crate::rule::{Rule, RulePart};
use crate::testing::{Scene, contribution, guarded, installation, marked, table_id, unresolved};

fn id(kind: &str) -> ResourceId {
    table_id("t").to_string().replace("routeTables", kind).parse().unwrap()
}

fn policy(contributions: Vec<Contribution>) -> TargetInput {
    TargetInput::new(id("firewallPolicies"), installation(), contributions)
}

/// A Network that asks for these parts of rules.
fn asking(name: &str, parts: &[&str]) -> Contribution {
    let contribution = contribution(name, &[]);
    let mut wishes = (**contribution.outcome.as_ref().unwrap()).clone();
    for text in parts {
        let address: Address = text.parse().unwrap();
        let rule = address.part().unwrap().rule.clone();
        let purpose = Purpose::Rule { requirement: "r".to_owned() };
        wishes.asks.insert(Ask::of(&purpose, &address));
        wishes.entries.insert(address, Wish { next_hop: NextHop::Member, purposes: BTreeSet::from([purpose]) });
        let (requirement, description) = ("r".to_owned(), String::new());
        let head = RuleHead { name: rule.clone(), requirement, direction: Direction::Outbound, description };
        wishes.rules.insert(rule.to_ascii_lowercase(), head);
    }
    Contribution { outcome: Ok(Arc::new(wishes)), ..contribution }
}

fn observed(parts: &[&str]) -> Observed {
    let mut rules = Rules { around: Around::Policy(PolicyAround::default()), ..Rules::default() };
    let mut entries = Vec::new();
    for text in parts {
        let address: Address = text.parse().unwrap();
        let RulePart { rule: name, part } = address.part().unwrap().clone();
        let new = || StandingRule {
            of: name.clone(),
            priority: 0,
            direction: Direction::Outbound,
            description: String::new(),
            rule: Rule::default(),
            is_as_written: true,
            name: name.clone(),
        };
        rules.ours.entry(name.to_ascii_lowercase()).or_insert_with(new).rule.insert(&part);
        let name = (*text).to_owned();
        entries.push(ObservedEntry { name, address, next_hop: NextHop::Member, failed: false });
    }
    let whole = Some(marked("prod"));
    Observed { location: "eastus2".to_owned(), entries, subnets: 0, updating: false, whole, rules: Some(rules) }
}

fn scene(parts: &[&str]) -> Scene {
    Scene { observed: observed(parts), ..Scene::empty() }
}

fn taken(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{:?} {}", step.action, step.address)).collect()
}

fn held(plan: &Plan) -> Vec<String> {
    plan.held.iter().map(|held| format!("{:?} {:?} {}", held.reason, held.step.action, held.step.address)).collect()
}

const WHOLE: [&str; 3] = ["amlnet.prod.r at 10.1.0.0/24", "amlnet.prod.r with Storage", "amlnet.prod.r on TCP 443"];

#[test]
fn a_new_rule_of_a_network_that_may_not_write_waits_as_a_whole() {
    let observe = Contribution { mode: Mode::Observe, ..asking("a", &WHOLE) };
    // The other one asks for the same for itself: nothing is missing of it.
    let mut own = WHOLE;
    own[0] = "amlnet.prod.r at 10.2.0.0/24";
    let plan =
        guarded(&policy(vec![observe.clone(), asking("b", &own)]), &observed(&[]), Limits::RULE_COLLECTION_GROUP);
    assert_eq!(held(&plan), ["Mode Add amlnet.prod.r at 10.1.0.0/24"]);
    assert_eq!(taken(&plan).len(), 3, "{plan}");
    // What one of them lacks keeps the rest back, with the same reason.
    let without_source = asking("b", &WHOLE[1..]);
    let plan = guarded(&policy(vec![observe, without_source]), &observed(&[]), Limits::RULE_COLLECTION_GROUP);
    assert_eq!(taken(&plan), Vec::<String>::new());
    assert_eq!(plan.held.len(), 3);
    assert!(plan.held.iter().all(|held| held.reason == HeldReason::Mode), "{plan}");
}

#[test]
fn a_rule_that_somebody_wants_never_loses_its_last_source() {
    let mut scene = scene(&WHOLE);
    scene.decide(&policy(vec![asking("a", &WHOLE), asking("b", &["amlnet.prod.s at 10.1.0.0/24"])]));
    // Another source takes its place: one goes when the other has come, in one write.
    let mut moved = WHOLE;
    moved[0] = "amlnet.prod.r at 10.9.0.0/24";
    let plan = scene.decide(&policy(vec![asking("a", &moved)]));
    assert_eq!(taken(&plan), ["Add amlnet.prod.r at 10.9.0.0/24", "Remove amlnet.prod.r at 10.1.0.0/24"]);
    // Where the other may not come, what stands is kept.
    let observe = Contribution { mode: Mode::Observe, ..asking("b", &moved) };
    let rest = asking("a", &WHOLE[1..]);
    let plan = scene.decide(&policy(vec![rest, observe]));
    assert_eq!(taken(&plan), Vec::<String>::new());
    assert!(held(&plan).iter().any(|text| text.ends_with("Remove amlnet.prod.r at 10.1.0.0/24")), "{plan}");
}

/// With room for so many removals.
fn within(max: u32, contribution: Contribution) -> Contribution {
    let removal = Removal { budget: Budget { max, percent: 100 }, ..contribution.removal };
    Contribution { removal, ..contribution }
}

#[test]
fn a_new_prefix_comes_at_once_beside_a_source_that_is_kept_as_the_last() {
    let before = ["amlnet.prod.r at 10.1.0.0/24", "amlnet.prod.r with 20.0.0.0/24", "amlnet.prod.r on TCP 443"];
    let after = ["amlnet.prod.r at 10.9.0.0/24", "amlnet.prod.r with 20.0.9.0/24", "amlnet.prod.r on TCP 443"];
    for max in 0..3 {
        let mut scene = scene(&before);
        scene.decide(&policy(vec![asking("a", &before), asking("b", &after[1..])]));
        let now = within(max, asking("a", &after));
        let now = Contribution { removal: Removal { hold_seconds: 86400, ..now.removal }, ..now };
        let again = scene.apply(&policy(vec![now]));
        assert_eq!(taken(&again), Vec::<String>::new(), "budget {max}: no rest\n{again}");
    }
}

#[test]
fn what_is_kept_for_what_is_held_is_given_up_and_stays_alone() {
    let before = ["amlnet.prod.r at 10.1.0.0/16", "amlnet.prod.r with Storage", "amlnet.prod.r on TCP 443"];
    let after = ["amlnet.prod.r at 10.1.0.0/24", "amlnet.prod.r with Sql", "amlnet.prod.r on TCP 443"];
    let mut scene = scene(&before);
    scene.decide(&policy(vec![asking("a", &before)]));
    let plan = scene.decide(&policy(vec![within(1, asking("a", &after))]));
    // Nobody asks for Sql from 10.1.0.0/16.
    assert_eq!(taken(&plan), Vec::<String>::new(), "{plan}");
}

fn all(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// Plays weeks, with a removal budget, until nothing is left to do: what stands then.
fn in_the_end(before: &[&str], after: &[&str], max: u32) -> Vec<String> {
    let mut scene = scene(before);
    scene.decide(&policy(vec![asking("a", before)]));
    let input = policy(vec![within(max, asking("a", after))]);
    for week in 0..=before.len() {
        let again = scene.apply(&input);
        assert_eq!(taken(&again), Vec::<String>::new(), "budget {max}, week {week}: no rest\n{again}");
        if again.held.is_empty() {
            break;
        }
        scene.wait(8);
    }
    scene.stands().into_iter().collect()
}

#[test]
fn what_waits_for_a_removal_without_room_leaves_it_its_own() {
    let wide = "amlnet.prod.r at 10.0.0.0/16";
    let narrow: Vec<String> = (1..8).map(|number| format!("amlnet.prod.r at 10.0.{number}.0/24")).collect();
    let rest = ["amlnet.prod.r on TCP 443", "amlnet.prod.r with Sql"];
    let before: Vec<&str> =
        narrow.iter().map(String::as_str).chain(rest).chain(["amlnet.prod.r with Storage"]).collect();
    let elsewhere = "amlnet.prod.r at 10.9.0.0/24";
    for max in 1..5 {
        for source in [wide, elsewhere] {
            let after = [&[source][..], &rest].concat();
            assert_eq!(in_the_end(&before, &after, max), after, "budget {max}");
        }
    }
}

#[test]
fn hosts_stay_for_a_pattern_that_is_held() {
    let of = |parts: &[&str]| parts.iter().map(|part| format!("amlnet.prod.h {part}")).collect::<Vec<_>>();
    let both = of(&["at 10.1.0.0/24", "host a.example.org", "host b.example.org", "on Https 443"]);
    let own = of(&["at 10.2.0.0/24", "host b.example.org", "on Https 443"]);
    let mut scene = scene(&all(&[both.clone(), own.clone()].concat()));
    scene.decide(&policy(vec![asking("a", &all(&both)), asking("b", &all(&own))]));
    // The source of `b` is left behind and stays, and the new pattern does not come beside it.
    let wide = of(&["at 10.1.0.0/24", "host *.example.org", "on Https 443"]);
    let mut input = policy(vec![asking("a", &all(&wide))]);
    input.departed.insert(crate::testing::key("b"), crate::plan::Departure::Deleted);
    let plan = scene.decide(&input);
    assert_eq!(taken(&plan), Vec::<String>::new(), "{plan}");
    let kept: Vec<String> = held(&plan).into_iter().filter(|text| text.starts_with("Hold")).collect();
    let hosts = ["Add amlnet.prod.h host *.example.org", "Remove amlnet.prod.h host a.example.org"];
    assert!(hosts.iter().all(|text| kept.contains(&format!("Hold {text}"))), "{plan}");
}

/// A source goes from two rules, which is one removal of the budget the first time, and would be another one at the next
/// look if it had stayed in one of them.
#[test]
fn the_last_of_a_side_is_the_same_whatever_the_budget_lets_go() {
    let (r, s) = ("amlnet.prod.r", "amlnet.prod.s");
    let of = |rule: &str, parts: &[&str]| parts.iter().map(|part| format!("{rule} {part}")).collect::<Vec<_>>();
    let old = of(r, &["at 10.1.0.0/24", "at 10.2.0.0/24", "with Storage", "on TCP 443"]);
    let new = of(r, &["at 10.9.0.0/24", "with Sql", "on TCP 444"]);
    let beside = of(s, &["at 10.5.0.0/24", "with A", "on TCP 1"]);
    let before = [old, beside.clone(), of(s, &["at 10.1.0.0/24"])].concat();
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    let after = [new, beside].concat();
    let after: Vec<&str> = after.iter().map(String::as_str).collect();
    for max in 0..5 {
        let mut scene = scene(&before);
        scene.decide(&policy(vec![asking("a", &before)]));
        let again = scene.apply(&policy(vec![within(max, asking("a", &after))]));
        assert_eq!(taken(&again), Vec::<String>::new(), "budget {max}: no rest\n{again}");
    }
}

#[test]
fn a_rule_that_nobody_wants_goes_with_its_far_side() {
    let mut scene = scene(
        &[&WHOLE[..], &["amlnet.prod.s at 10.1.0.0/24", "amlnet.prod.s with A", "amlnet.prod.s on TCP 1"]].concat(),
    );
    let both =
        [&WHOLE[..], &["amlnet.prod.s at 10.1.0.0/24", "amlnet.prod.s with A", "amlnet.prod.s on TCP 1"]].concat();
    assert!(scene.decide(&policy(vec![asking("a", &both)])).steps.is_empty());
    let plan = scene.decide(&policy(vec![asking("a", &WHOLE)]));
    assert_eq!(taken(&plan), ["Remove amlnet.prod.s with A"]);
    assert!(scene.observed.rules.is_some());
}

#[test]
fn what_a_dispute_is_about_stays_and_the_rest_is_done() {
    let other = ["amlnet.prod.r at 10.2.0.0/24", "amlnet.prod.r with Storage", "amlnet.prod.r on TCP 444"];
    let beside = ["amlnet.prod.s at 10.2.0.0/24", "amlnet.prod.s with A", "amlnet.prod.s on TCP 1"];
    let plan = guarded(
        &policy(vec![asking("a", &WHOLE), asking("b", &[other, beside].concat())]),
        &observed(&WHOLE),
        Limits::RULE_COLLECTION_GROUP,
    );
    assert_eq!(plan.conflicts.len(), 1, "{plan}");
    assert!(plan.conflicts[0].why.contains("ns/a and ns/b"), "{plan}");
    assert!(taken(&plan).iter().all(|text| text.contains("amlnet.prod.s")) && plan.steps.len() == 3, "{plan}");
}

#[test]
fn unknown_needs_take_nothing_away_and_keep_nothing_back() {
    let mut scene = scene(&WHOLE);
    scene.decide(&policy(vec![asking("a", &WHOLE)]));
    let more = [&WHOLE[1..], &["amlnet.prod.r at 10.7.0.0/24"]].concat();
    let plan = scene.decide(&policy(vec![asking("a", &more), unresolved("b")]));
    assert_eq!(taken(&plan), ["Add amlnet.prod.r at 10.7.0.0/24"]);
    assert_eq!(held(&plan), ["Hold Remove amlnet.prod.r at 10.1.0.0/24"]);
}

#[test]
fn other_kinds_pass() {
    let input =
        TargetInput::new(table_id("rt"), installation(), vec![contribution("a", &[("20.0.0.0/24", "Internet")])]);
    let plan = guarded(&input, &crate::testing::observed(&[]), Limits::DEFAULT);
    assert_eq!((plan.steps.len(), plan.held.len()), (1, 0));
}

fn careful(contribution: Contribution) -> Contribution {
    let removal = Removal { approval: Approval::Always, ..contribution.removal };
    Contribution { removal, ..contribution }
}

#[test]
fn what_takes_the_place_of_something_given_up_comes_when_that_is_gone() {
    let other = ["amlnet.prod.r at 10.1.0.0/24", "amlnet.prod.r with Sql", "amlnet.prod.r on TCP 1433"];
    let mut scene = scene(&WHOLE);
    scene.decide(&policy(vec![asking("a", &WHOLE)]));
    let plan = scene.decide(&policy(vec![careful(asking("a", &other))]));
    // Sql on 443 and Storage on 1433 are asked for by nobody.
    assert_eq!(taken(&plan), Vec::<String>::new(), "{plan}");
    let waits: Vec<String> = held(&plan).into_iter().filter(|text| text.starts_with("Hold Add")).collect();
    assert_eq!(waits, ["Hold Add amlnet.prod.r with Sql", "Hold Add amlnet.prod.r on TCP 1433"], "{plan}");
    // Where nobody has to be asked, the one goes and the other comes in one write.
    let plan = scene.decide(&policy(vec![asking("a", &other)]));
    assert_eq!(plan.steps.len(), 4, "{plan}");
}

#[test]
fn what_lies_in_something_wanted_keeps_nothing_back() {
    let first = ["amlnet.prod.q at 10.1.0.0/24", "amlnet.prod.q with 20.0.0.64/26", "amlnet.prod.q on TCP 443"];
    let mut scene = scene(&first);
    scene.decide(&policy(vec![asking("a", &first)]));
    let asked = |far: &'static str| {
        policy(vec![careful(asking("a", &["amlnet.prod.q at 10.2.0.0/24", far, "amlnet.prod.q on TCP 443"]))])
    };
    let plan = scene.clone().decide(&asked("amlnet.prod.q with 20.0.0.0/25"));
    assert_eq!(taken(&plan), ["Add amlnet.prod.q at 10.2.0.0/24", "Add amlnet.prod.q with 20.0.0.0/25"], "{plan}");
    // A prefix that is as good as another one.
    let plan = scene.decide(&asked("amlnet.prod.q with 20.0.0.0/26"));
    assert_eq!(taken(&plan), ["Add amlnet.prod.q with 20.0.0.0/26"], "{plan}");
    assert!(held(&plan).contains(&"Hold Add amlnet.prod.q at 10.2.0.0/24".to_owned()), "{plan}");
}

#[test]
fn a_new_prefix_of_a_service_waits_for_nobodys_word_about_an_old_source() {
    let first = ["amlnet.prod.q at 10.1.0.0/24", "amlnet.prod.q with 20.0.0.0/24", "amlnet.prod.q on TCP 443"];
    let mut scene = scene(&first);
    scene.decide(&policy(vec![asking("a", &first)]));
    let second = [
        "amlnet.prod.q at 10.2.0.0/24",
        "amlnet.prod.q with 20.0.0.0/24",
        "amlnet.prod.q with 20.0.1.0/24",
        "amlnet.prod.q on TCP 443",
    ];
    let plan = scene.decide(&policy(vec![careful(asking("a", &second))]));
    assert_eq!(taken(&plan), ["Add amlnet.prod.q at 10.2.0.0/24", "Add amlnet.prod.q with 20.0.1.0/24"]);
}
