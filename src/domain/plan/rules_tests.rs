use super::super::measure::check_capacity;
use super::*;
use crate::plan::{Limits, Plan};
use crate::resource_id::ResourceId;
use crate::testing::{installation, table_id};

fn id() -> ResourceId {
    table_id("p").to_string().replace("routeTables", "firewallPolicies").parse().unwrap()
}

fn input() -> TargetInput {
    TargetInput::new(id(), installation(), Vec::new())
}

fn entry(text: &str) -> ObservedEntry {
    ObservedEntry { name: text.to_owned(), address: text.parse().unwrap(), next_hop: NextHop::Member, failed: false }
}

fn observed(parts: &[&str], policy: PolicyAround) -> Observed {
    let rules = Rules { around: Around::Policy(policy), ..Rules::default() };
    let entries = parts.iter().map(|text| entry(text)).collect();
    Observed { location: "l".to_owned(), entries, subnets: 0, updating: false, whole: None, rules: Some(rules) }
}

fn step(action: Action, text: &str) -> Step {
    let next_hop = (action != Action::Remove).then_some(NextHop::Member);
    let (purposes, wanted_by) = (BTreeSet::new(), BTreeSet::new());
    let address = text.parse().unwrap();
    Step { action, entry: text.to_owned(), address, next_hop, before: None, purposes, wanted_by }
}

/// What the capacity check makes of these steps.
fn checked(observed: &Observed, steps: Vec<Step>) -> Plan {
    let plan = Plan { steps, limits: Limits::RULE_COLLECTION_GROUP, ..Plan::unknown(&input()) };
    check_capacity(plan, &input(), observed)
}

fn hosts(count: usize) -> Vec<String> {
    let label = "x".repeat(60);
    (0..count).map(|n| format!("r host {label}.{label}.{label}.h{n}.example.com")).collect()
}

#[test]
fn the_bytes_of_our_group_are_counted_before_it_is_written() {
    let rule = ["r at 10.0.0.0/24", "r on Https 443"];
    let adding = |count: usize| -> Vec<Step> {
        let all = rule.iter().map(ToString::to_string).chain(hosts(count));
        all.map(|text| step(Action::Add, &text)).collect()
    };
    let fits = checked(&observed(&[], PolicyAround::default()), adding(9000));
    assert_eq!(fits.blocked, None);
    assert!(fits.warnings.iter().any(|note| note.code == "CapacityHigh" && note.message.starts_with("the bytes")));
    let blocked = checked(&observed(&[], PolicyAround::default()), adding(10_500)).blocked.unwrap();
    assert_eq!(blocked.reason, BlockedReason::Capacity);
    assert!(blocked.message.contains("the limit is 2000000") && blocked.message.contains("addressing: Auto"));
    // What is too large already may become smaller.
    let hosts = hosts(10_500);
    let standing: Vec<&str> = rule.into_iter().chain(hosts.iter().map(String::as_str)).collect();
    let plan = checked(&observed(&standing, PolicyAround::default()), vec![step(Action::Remove, &hosts[0])]);
    assert_eq!(plan.blocked, None);
}

#[test]
fn what_one_write_takes_away_makes_room_and_parts_that_let_nothing_through_do_not_count() {
    let other = OtherGroup { pairs: 19_999, ..OtherGroup::default() };
    let around = || PolicyAround { groups: Some(vec![other.clone()]), ..PolicyAround::default() };
    let standing = ["r at 10.0.0.0/24", "r with 20.0.0.0/24", "r on TCP 443"];
    let swap = vec![step(Action::Add, "r with 20.0.1.0/24"), step(Action::Remove, "r with 20.0.0.0/24")];
    let plan = checked(&observed(&standing, around()), swap);
    assert_eq!((plan.blocked.is_none(), plan.entries_now, plan.then), (true, 20_000, Some(20_000)));
    let more = checked(&observed(&standing, around()), vec![step(Action::Add, "r with 20.0.1.0/24")]);
    assert!(more.blocked.unwrap().message.contains("20001"));
    let half = checked(&observed(&standing, around()), vec![step(Action::Add, "s with 20.0.1.0/24")]);
    assert_eq!(half.blocked, None);
}

#[test]
fn rules_afterwards_are_whole_and_compared_without_case() {
    let standing =
        observed(&["R at 10.0.0.0/24", "R with storage", "R on TCP 443", "s at 10.0.0.0/24"], PolicyAround::default());
    assert_eq!(after(&standing, []).keys().collect::<Vec<_>>(), ["r"]);
    let steps = [step(Action::Remove, "r with Storage"), step(Action::Add, "r with AzureMonitor")];
    let rules = after(&standing, &steps);
    assert_eq!(rules["r"].far, [Place::Tag("AzureMonitor".to_owned())].into());
    assert!(after(&standing, &steps[..1]).is_empty(), "a rule without a far side is none");
}

#[test]
fn a_prefix_is_covered_by_a_wider_one_of_its_own_rule_only() {
    let rules =
        assemble(&["r with 20.0.0.0/16", "s with 20.1.0.0/24", "r with Storage"].map(|text| text.parse().unwrap()));
    for (text, covered) in [
        ("r with 20.0.1.0/24", true),
        ("R with 20.0.0.0/17", true),
        ("r with 20.0.0.0/16", false),
        ("r with 20.1.0.0/24", false),
        ("s with 20.0.1.0/24", false),
        ("r with Storage", false),
        ("r at 20.0.1.0/24", false),
        ("20.0.1.0/24", false),
    ] {
        assert_eq!(is_covered(&text.parse().unwrap(), &rules), covered, "{text}");
    }
}

#[test]
fn of_a_rule_that_nobody_wants_only_the_far_side_is_named() {
    let names = |list: &[&str]| list.iter().map(ToString::to_string).collect::<BTreeSet<String>>();
    let implied = |text: &str, wanted: &[&str], far: &[&str]| is_implied(&entry(text), &names(wanted), &names(far));
    assert!(implied("R at 10.0.0.0/24", &[], &["r"]) && implied("r on TCP 443", &[], &["r"]));
    assert!(!implied("r with Storage", &[], &["r"]));
    assert!(!implied("r at 10.0.0.0/24", &["r"], &["r"]), "a source of a rule that stays is a removal of its own");
    assert!(!implied("r at 10.0.0.0/24", &[], &[]), "and so is one that has lost its far side");
}

#[test]
fn a_policy_that_nobody_uses_or_that_failed_is_said() {
    let codes = |policy: PolicyAround| -> Vec<&str> { of_the_policy(&policy).iter().map(|note| note.code).collect() };
    assert_eq!(codes(PolicyAround { is_used: true, ..PolicyAround::default() }), Vec::<&str>::new());
    assert_eq!(codes(PolicyAround { failed: true, ..PolicyAround::default() }), ["PolicyFailed", "NotUsed"]);
}
