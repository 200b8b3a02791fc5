//! The proof of the security group must be able to fail: each check on a history that is right, and on one that is wrong in
//! one way. What it shares with the policy is tested there, but for prefixes that lie in others.

use super::*;
use crate::record::Request;
use crate::rows::{Opening, Openings};
use crate::rules::{RuleState, SECURITY};
use crate::scene::SOURCES;

const ID: &str = "/x/networkSecurityGroups/nsg";
const IP: &str = "amlnet.demo.out.Batch.tcp-ip";
const TAG: &str = "amlnet.demo.out.Storage.tcp";
const FIRST: [&str; 2] = ["20.0.1.0/28", "20.0.2.0/28"];
/// The first prefix of the first document lies in the first one of the second.
const SECOND: [&str; 2] = ["20.0.1.0/27", "20.0.3.0/28"];
const BOTH: [&str; 3] = ["20.0.1.0/27", "20.0.2.0/28", "20.0.3.0/28"];

fn rule(name: &str, priority: u64, to: &[&str]) -> Rule {
    let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
    Rule {
        name: name.to_owned(),
        priorities: vec![priority],
        kind: SECURITY.to_owned(),
        protocols: texts(&["Tcp"]),
        ports: texts(&["443"]),
        from: texts(&[SOURCES]),
        to: texts(to),
        in_effect: true,
    }
}

fn theirs() -> Rule {
    Rule { kind: "Outbound Deny from port *".to_owned(), ..rule("deny", 4000, &["*"]) }
}

fn state(to: &[&str]) -> RuleState {
    let rules = vec![theirs(), rule(IP, 2000, to), rule(TAG, 2001, &["Storage"])];
    RuleState { at: "2026-01-01T00:00:00Z".to_owned(), rules }
}

fn asked(to: &[&str]) -> Openings {
    let opening = |to: &&str| Opening {
        protocol: "TCP".to_owned(),
        ports: [443].into(),
        from: SOURCES.to_owned(),
        to: (*to).to_owned(),
    };
    to.iter().chain(&["Storage"]).map(opening).collect()
}

fn put(name: &str) -> Request {
    let path = format!("{ID}/securityRules/{name}");
    Request { server: "arm".to_owned(), method: "PUT".to_owned(), path, status: 201 }
}

/// A history in which everything is right.
fn right() -> Evidence {
    Evidence {
        what: "the security group",
        id: ID.to_owned(),
        asked: [asked(&FIRST), asked(&SECOND)],
        may_overlap: false,
        begin: vec![theirs()],
        history: vec![
            RuleState { at: String::new(), rules: vec![theirs()] },
            RuleState { at: String::new(), rules: vec![theirs(), rule(IP, 2000, &FIRST)] },
            state(&FIRST),
            state(&BOTH),
        ],
        converged: 2,
        requests: [Vec::new(), vec![put(IP), put(TAG)], vec![put(IP)]],
    }
}

/// What fails after a change to the right history.
fn failures(change: impl FnOnce(&mut Evidence)) -> Vec<String> {
    let mut evidence = right();
    change(&mut evidence);
    checks(&evidence).into_iter().filter_map(Result::err).collect()
}

#[track_caller]
fn only(failures: &[String], part: &str) {
    assert!(matches!(failures, [one] if one.contains(part)), "{failures:#?}");
}

#[test]
fn a_right_history_holds() {
    assert_eq!(failures(|_| ()), Vec::<String>::new());
    let said: Vec<String> = checks(&right()).into_iter().filter_map(Result::ok).collect();
    assert!(said[5].ends_with("2 new or changed rules of the security group cost 2 PUTs, one each"), "{}", said[5]);
    assert!(said[6].ends_with("one new or changed rule of the security group cost one PUT"), "{}", said[6]);
}

#[test]
fn a_prefix_beside_one_that_it_lies_in() {
    let found = failures(|evidence| {
        evidence.history[3].rules[1].to.insert("20.0.1.0/28".to_owned());
    });
    only(&found, "lets through 10.1.0.0/24 to 20.0.1.0/28 on TCP 443, which no document asks for");
}

#[test]
fn a_prefix_that_was_missing_for_one_moment() {
    let found = failures(|evidence| evidence.history.insert(3, state(&["20.0.2.0/28"])));
    only(&found, "20.0.1.0/28 on TCP 443 was missing from the security group in state 3");
}

#[test]
fn a_rule_of_others_that_was_touched() {
    only(
        &failures(|evidence| evidence.history[1].rules[0].priorities[0] = 100),
        "deny of other people was changed, removed or added in the security group, state 1",
    );
    only(
        &failures(|evidence| drop(evidence.history[1].rules.remove(0))),
        "deny of other people was changed, removed or added in the security group, state 1",
    );
    // Not in effect for a moment is no change: Azure says it of all rules of a group that is written.
    assert_eq!(failures(|evidence| evidence.history[1].rules[0].in_effect = false), Vec::<String>::new());
}

#[test]
fn a_write_too_many_or_too_few() {
    let cost = |count: usize| format!("the changed rule {IP} cost {count} PUTs, not 1");
    only(&failures(|evidence| evidence.requests[1].push(put(IP))), &cost(2));
    only(&failures(|evidence| evidence.requests[2].clear()), &cost(0));
    for extra in [put(TAG), put("deny"), Request { method: "DELETE".to_owned(), ..put(IP) }] {
        let found = failures(|evidence| evidence.requests[2].push(extra));
        only(&found, "a write that no changed rule explains");
    }
    let whole = Request { path: ID.to_owned(), ..put(IP) };
    only(&failures(|evidence| evidence.requests[1].push(whole)), "a write that no changed rule explains: PUT /x/netw");
}

#[test]
fn a_priority_that_is_not_ours_to_take() {
    for (priority, part) in [(1999, "has a priority outside 2000 to 2099: [1999]"), (2001, "shares its priority")] {
        let found = failures(|evidence| {
            for rule in evidence.history.iter_mut().flat_map(|state| &mut state.rules).filter(|rule| rule.name == IP) {
                rule.priorities = vec![priority];
            }
        });
        only(&found, part);
    }
    let moved = failures(|evidence| evidence.history[3].rules[1].priorities = vec![2050]);
    only(&moved, &format!("the priority of our rule {IP} went from [2000] to [2050]"));
}

#[test]
fn a_rule_in_a_form_that_azure_does_not_take() {
    let found = failures(|evidence| {
        evidence.history[3].rules[1].to.insert("Storage".to_owned());
    });
    only(&found, "holds a tag beside something else in state 3");
    let many: Vec<String> = (0..=MOST).map(|number| format!("20.1.{number}.0/24")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let found = failures(|evidence| {
        evidence.asked[1] = asked(&many);
        evidence.history[3].rules[1].to.extend(many.iter().map(|net| (*net).to_owned()));
    });
    assert!(found.iter().any(|one| one.contains("prefixes, more than 100 in state 3")), "{found:#?}");
}

#[test]
fn a_rule_that_is_not_in_effect() {
    only(
        &failures(|evidence| evidence.history[3].rules[2].in_effect = false),
        &format!("in the end the rule {TAG} is not in effect"),
    );
}
