use std::fmt::Write as _;

use super::*;
use crate::desired::Address;
use crate::intent::NextHop;
use crate::plan::rules::Rules;
use crate::plan::{Observed, ObservedEntry};
use crate::resource_id::ResourceId;
use crate::rule::RulePart;
use crate::testing::{installation, key, table_id};

fn group_id() -> ResourceId {
    table_id("nsg").to_string().replace("routeTables", "networkSecurityGroups").parse().unwrap()
}

fn input(from: u16, to: u16) -> TargetInput {
    let mut input = TargetInput::new(group_id(), installation(), Vec::new());
    input.priorities.insert(key("ml"), Priorities { from, to });
    input
}

/// Names of rules with their priorities and far sides. All have the same source and port.
type Standing<'a> = &'a [(&'a str, u16, &'a [&'a str])];

fn rule(far: &[&str]) -> Rule {
    let mut rule = Rule::default();
    for text in ["r at 10.0.0.0/24", "r on TCP 443"] {
        rule.insert(&text.parse::<RulePart>().unwrap().part);
    }
    for text in far {
        rule.insert(&Part::Far(text.parse().unwrap()));
    }
    rule
}

fn observed(standing: Standing<'_>, foreign: &[u16]) -> Observed {
    let mut rules = Rules::default();
    let mut entries = Vec::new();
    for (name, priority, far) in standing {
        let standing = StandingRule {
            name: (*name).to_owned(),
            of: rule_of(name).to_owned(),
            priority: *priority,
            direction: Direction::Outbound,
            description: String::new(),
            rule: rule(far),
            is_as_written: true,
        };
        for part in standing.rule.parts() {
            let address = Address::Part(RulePart { rule: standing.of.clone(), part });
            entries.push(ObservedEntry {
                name: address.to_string(),
                address,
                next_hop: NextHop::Member,
                failed: false,
            });
        }
        rules.ours.insert(name.to_ascii_lowercase(), standing);
    }
    let mut around = GroupAround::default();
    for priority in foreign {
        around.taken.insert((Direction::Outbound, *priority), format!("foreign-{priority}"));
    }
    rules.around = Around::Group(around);
    let location = "eastus2".to_owned();
    Observed { location, entries, subnets: 1, updating: false, whole: None, rules: Some(rules) }
}

fn step(text: &str) -> Step {
    let (sign, address) = text.split_once(' ').unwrap();
    let action = if sign == "-" { Action::Remove } else { Action::Add };
    Step {
        action,
        entry: address.to_owned(),
        address: address.parse().unwrap(),
        next_hop: (action == Action::Add).then_some(NextHop::Member),
        before: None,
        purposes: BTreeSet::new(),
        wanted_by: BTreeSet::new(),
    }
}

/// The steps that make a rule anew.
fn new_rule(name: &str, far: &[&str]) -> Vec<Step> {
    let rule = rule(far);
    let parts = rule.parts().map(|part| RulePart { rule: name.to_owned(), part });
    parts.map(|part| step(&format!("+ {part}"))).collect()
}

fn steps(texts: &[&str]) -> Vec<Step> {
    texts.iter().map(|text| step(text)).collect()
}

/// Each write: the rule, its priority and its far side.
fn writes(input: &TargetInput, observed: &Observed, steps: &[Step]) -> Vec<String> {
    // A rule that nobody asks for by name is laid out by what stands; a new one needs its head.
    let mut input = input.clone();
    input.contributions = vec![asking(steps)];
    let layout = layout(&input, observed, steps).unwrap();
    let each = layout.writes.iter().map(|write| {
        let mut text = write.name.clone();
        if let Some(after) = &write.after {
            let far: Vec<String> = after.rule.far.iter().map(ToString::to_string).collect();
            write!(text, " {} {}", after.priority, far.join(" ")).unwrap();
        }
        text
    });
    each.collect()
}

fn asking(steps: &[Step]) -> crate::desired::Contribution {
    let contribution = crate::testing::contribution("ml", &[]);
    let mut wishes = (**contribution.outcome.as_ref().unwrap()).clone();
    for part in steps.iter().filter_map(|step| step.address.part()) {
        let head = crate::desired::RuleHead {
            name: part.rule.clone(),
            requirement: "r".to_owned(),
            direction: Direction::Outbound,
            description: String::new(),
        };
        wishes.rules.insert(part.rule.to_ascii_lowercase(), head);
    }
    crate::desired::Contribution { outcome: Ok(std::sync::Arc::new(wishes)), ..contribution }
}

/// `20.0.<number>.0/24` and so on.
fn numbered(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| format!("20.{}.{}.0/24", n / 200, n % 200)).collect()
}

fn refs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

#[test]
fn a_new_rule_takes_the_first_free_priority_and_one_rule_holds_a_hundred() {
    let prefixes = numbered(0..201);
    let steps = new_rule("amlnet.prod.x", &refs(&prefixes));
    let found = writes(&input(2000, 2099), &observed(&[], &[2001]), &steps);
    let heads: Vec<(String, usize)> = found
        .iter()
        .map(|text| (text.split(' ').take(2).collect::<Vec<_>>().join(" "), text.split(' ').count() - 2))
        .collect();
    let expected = [("amlnet.prod.x 2000", 100), ("amlnet.prod.x.2 2002", 100), ("amlnet.prod.x.3 2003", 1)];
    assert_eq!(heads, expected.map(|(head, count)| (head.to_owned(), count)));
}

#[test]
fn one_prefix_more_or_less_is_one_write_and_nothing_shifts() {
    let standing: Standing<'_> = &[
        ("amlnet.prod.x", 2005, &["20.0.0.0/24", "20.0.1.0/24"]),
        ("amlnet.prod.x.2", 2001, &["20.0.2.0/24"]),
        ("amlnet.prod.y", 2003, &["20.0.3.0/24"]),
    ];
    let observed = observed(standing, &[]);
    let one = |text: &str| writes(&input(2000, 2099), &observed, &steps(&[text]));
    assert_eq!(one("+ amlnet.prod.x with 20.0.9.0/24"), ["amlnet.prod.x 2005 20.0.0.0/24 20.0.1.0/24 20.0.9.0/24"]);
    assert_eq!(one("- amlnet.prod.x with 20.0.1.0/24"), ["amlnet.prod.x 2005 20.0.0.0/24"]);
    // The last of a chunk takes its rule along, and the others keep their numbers.
    assert_eq!(one("- amlnet.prod.x with 20.0.2.0/24"), ["amlnet.prod.x.2"]);
    let first = steps(&["- amlnet.prod.x with 20.0.0.0/24", "- amlnet.prod.x with 20.0.1.0/24"]);
    assert_eq!(writes(&input(2000, 2099), &observed, &first), ["amlnet.prod.x"]);
    // Another port is a matter of each chunk.
    assert_eq!(one("+ amlnet.prod.x on TCP 8787").len(), 2);
}

#[test]
fn a_rule_outside_of_its_range_moves_and_the_others_stay() {
    let mut observed = observed(&[("amlnet.prod.x", 3000, &["A"]), ("amlnet.prod.y", 2000, &["B"])], &[]);
    observed.rules.as_mut().unwrap().ours.get_mut("amlnet.prod.x").unwrap().is_as_written = false;
    let again = new_rule("amlnet.prod.x", &["A"]);
    assert_eq!(writes(&input(2000, 2099), &observed, &again), ["amlnet.prod.x 2001 A"]);
}

#[test]
fn nobody_gets_the_priority_of_a_rule_before_it_is_gone() {
    let observed = observed(&[("amlnet.prod.x", 2000, &["A"])], &[]);
    let mut all = new_rule("amlnet.prod.y", &["A"]);
    all.push(step("- amlnet.prod.x with A"));
    assert_eq!(writes(&input(2000, 2099), &observed, &all), ["amlnet.prod.y 2001 A", "amlnet.prod.x"]);
    let mut input = input(2000, 2000);
    input.contributions = vec![asking(&all)];
    let full = layout(&input, &observed, &all).unwrap_err().to_string();
    assert!(full.starts_with("1 outbound rules do not fit into the priorities 2000, beside 1 that go"), "{full}");
}

#[test]
fn a_full_range_says_how_many_rules_and_who_is_in_the_way() {
    let observed = observed(&[("amlnet.prod.a", 2000, &["A"])], &[2001]);
    let all = [new_rule("amlnet.prod.x", &["A"]), new_rule("amlnet.prod.y", &["A"])].concat();
    let mut input = input(2000, 2002);
    input.contributions = vec![asking(&all)];
    // The rule that stands is not touched, and counts.
    let full = layout(&input, &observed, &all).unwrap_err().to_string();
    assert!(full.starts_with("3 outbound rules do not fit into the priorities 2000 to 2002, 1 of which"), "{full}");
    assert!(full.contains("foreign-2001") && full.contains("priorityRange"), "{full}");
}

#[test]
fn what_is_split_or_merged_stays_allowed_between_the_writes() {
    let many = numbered(1..100);
    let mut first = refs(&many);
    first.push("30.0.0.0/24");
    let second: Vec<String> = numbered(200..300);
    let mut standing: Vec<(&str, u16, &[&str])> = vec![("amlnet.prod.x", 2000, &first)];
    let second = refs(&second);
    standing.push(("amlnet.prod.x.2", 2001, &second));
    let observed = observed(&standing, &[]);
    let split =
        ["- amlnet.prod.x with 30.0.0.0/24", "+ amlnet.prod.x with 30.0.0.0/25", "+ amlnet.prod.x with 30.0.0.128/25"];
    let found = writes(&input(2000, 2099), &observed, &steps(&split));
    let names: Vec<&str> = found.iter().map(|text| text.split(' ').next().unwrap()).collect();
    // The half for which the full rule has no room comes first, in a rule of its own.
    assert_eq!(names, ["amlnet.prod.x.3", "amlnet.prod.x"]);
    assert!(found[0].ends_with("30.0.0.128/25") && found[1].ends_with("30.0.0.0/25"), "{found:?}");
    // The other way: the wider one takes the place of what it covers.
    let merged = writes(&input(2000, 2099), &observed, &steps(&["+ amlnet.prod.x with 30.0.0.0/23"]));
    assert!(
        merged.len() == 1 && merged[0].ends_with("30.0.0.0/23") && !merged[0].contains("30.0.0.0/24"),
        "{merged:?}"
    );
}

#[test]
fn rules_that_give_are_written_before_rules_that_take_away() {
    let (first, second, third) = ("30.0.0.0/24", "30.0.2.0/24", "30.0.4.0/24");
    let observed = observed(&[("amlnet.prod.a", 2000, &[first, second]), ("amlnet.prod.b", 2001, &[third])], &[]);
    let all = steps(&["- amlnet.prod.a with 30.0.0.0/24", "+ amlnet.prod.b with 30.0.0.0/24"]);
    assert_eq!(
        writes(&input(2000, 2099), &observed, &all),
        ["amlnet.prod.b 2001 30.0.0.0/24 30.0.4.0/24", "amlnet.prod.a 2000 30.0.2.0/24"]
    );
}

#[test]
fn each_write_carries_the_steps_that_it_is_about() {
    let observed =
        observed(&[("amlnet.prod.a", 2000, &["20.0.0.0/24"]), ("amlnet.prod.a.2", 2001, &["20.0.1.0/24"])], &[]);
    let all = steps(&["- amlnet.prod.a with 20.0.1.0/24", "+ amlnet.prod.a at 10.9.0.0/24"]);
    let layout = layout(&input(2000, 2099), &observed, &all).unwrap();
    let each: Vec<(String, usize)> =
        layout.writes.iter().map(|write| (write.name.clone(), write.steps.len())).collect();
    assert_eq!(each, [("amlnet.prod.a".to_owned(), 1), ("amlnet.prod.a.2".to_owned(), 2)]);
}

#[test]
fn a_rule_is_found_by_the_name_of_its_chunks() {
    for (name, of) in [("amlnet.prod.x", "amlnet.prod.x"), ("amlnet.prod.x.2", "amlnet.prod.x"), ("a.12", "a")] {
        assert_eq!(rule_of(name), of);
    }
    assert_eq!((number("A.b", "a.B"), number("a.b", "a.b.7"), number("a.b", "a.bc")), (Some(1), Some(7), None));
}

#[test]
fn one_tag_and_one_family_stand_in_a_rule() {
    let empty = observed(&[], &[]);
    let found = writes(&input(2000, 2099), &empty, &new_rule("amlnet.prod.x", &["A", "B"]));
    assert_eq!(found, ["amlnet.prod.x 2000 A", "amlnet.prod.x.2 2001 B"]);
    let found = writes(&input(2000, 2099), &empty, &new_rule("amlnet.prod.x", &["20.0.0.0/24", "2001:db8::/32"]));
    assert_eq!(found.len(), 2, "{found:?}");
    // What replaces a tag while that is held stands beside it.
    let standing = observed(&[("amlnet.prod.x", 2000, &["A"])], &[]);
    assert_eq!(writes(&input(2000, 2099), &standing, &steps(&["+ amlnet.prod.x with B"])), ["amlnet.prod.x.2 2001 B"]);
}

#[test]
fn a_wider_source_takes_the_place_of_those_that_lie_in_it() {
    let standing = observed(&[("amlnet.prod.x", 2000, &["A"])], &[]);
    let more = steps(&["+ amlnet.prod.x at 10.0.0.0/16"]);
    let layout = layout(&input(2000, 2099), &standing, &more).unwrap();
    let near: Vec<String> = layout.standing["amlnet.prod.x"].rule.near.iter().map(ToString::to_string).collect();
    assert_eq!(near, ["10.0.0.0/16"]);
}

#[test]
fn where_nobody_asks_any_more_what_is_left_keeps_its_priority() {
    let standing = observed(&[("amlnet.prod.x", 2000, &["20.0.0.0/24", "20.0.1.0/24"])], &[]);
    let left = TargetInput::new(group_id(), installation(), Vec::new());
    let layout = layout(&left, &standing, &steps(&["- amlnet.prod.x with 20.0.0.0/24"])).unwrap();
    assert_eq!(layout.standing["amlnet.prod.x"].priority, 2000);
}
