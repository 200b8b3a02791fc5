//! The proof of the policy must be able to fail: each check on a history that is right, and on one that is wrong in one way.

use super::*;
use crate::rows::{Opening, Openings};
use crate::rules::{NETWORK, Rule, RuleState};
use crate::scene::SOURCES;
use serde_json::json;

const POLICY: &str = "/x/firewallPolicies/fwp";
const ID: &str = "/x/firewallPolicies/fwp/ruleCollectionGroups/amlnet-demo";
const FIREWALL: &str = "/x/azureFirewalls/fw";
const OTHERS: &str = "/x/firewallPolicies/fwp/ruleCollectionGroups/company";
const FIRST: [&str; 2] = ["20.0.1.0/28", "20.0.2.0/28"];
const SECOND: [&str; 2] = ["20.0.1.0/28", "20.0.3.0/28"];
const BOTH: [&str; 3] = ["20.0.1.0/28", "20.0.2.0/28", "20.0.3.0/28"];

fn rule(name: &str, to: &[&str]) -> Rule {
    let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
    Rule {
        name: format!("amlnet-network/{name}"),
        priorities: vec![PRIORITY, 100],
        kind: NETWORK.to_owned(),
        protocols: texts(&["TCP"]),
        ports: texts(&["443"]),
        from: texts(&[SOURCES]),
        to: texts(to),
        in_effect: true,
    }
}

fn state(to: &[&str]) -> RuleState {
    let rules = vec![rule("amlnet.demo.Batch.tcp-ip", to), rule("amlnet.demo.Storage.tcp", &["Storage"])];
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

fn request(method: &str, path: &str) -> Request {
    Request { server: "arm".to_owned(), method: method.to_owned(), path: path.to_owned(), status: 201 }
}

fn write() -> Vec<Request> {
    [("GET", POLICY), ("GET", FIREWALL), ("PUT", ID), ("GET", POLICY), ("GET", FIREWALL)]
        .map(|(method, path)| request(method, path))
        .into()
}

fn around(groups: &[&str]) -> Vec<Value> {
    let settled = |id: &str| json!({"id": id, "etag": groups.len(), "properties": {"provisioningState": "Succeeded"}});
    let mut policy = settled(POLICY);
    policy["properties"]["ruleCollectionGroups"] = groups.iter().map(|id| json!({"id": id})).collect();
    let mut others = settled(OTHERS);
    others["properties"]["priority"] = json!(1000);
    vec![policy, settled(FIREWALL), others]
}

/// A history in which everything is right. 20.0.2.0/28 leaves the document.
fn right() -> (Evidence, Surroundings) {
    let evidence = Evidence {
        what: "the policy",
        id: ID.to_owned(),
        asked: [asked(&FIRST), asked(&SECOND)],
        may_overlap: true,
        begin: Vec::new(),
        history: vec![state(&FIRST), state(&FIRST), state(&BOTH)],
        converged: 1,
        requests: [vec![request("GET", POLICY)], write(), write()],
    };
    let own = json!({"id": ID, "properties": {"provisioningState": "Succeeded"}});
    (evidence, Surroundings { around: [around(&[OTHERS]), around(&[OTHERS, ID])], own })
}

/// What fails after a change to the right history.
fn failures(change: impl FnOnce(&mut Evidence, &mut Surroundings)) -> Vec<String> {
    let (mut evidence, mut surroundings) = right();
    change(&mut evidence, &mut surroundings);
    checks(&evidence, &surroundings).into_iter().filter_map(Result::err).collect()
}

#[track_caller]
fn only(failures: &[String], part: &str) {
    assert!(matches!(failures, [one] if one.contains(part)), "{failures:#?}");
}

#[test]
fn a_right_history_holds_and_says_what_stayed() {
    assert_eq!(failures(|_, _| ()), Vec::<String>::new());
    let (evidence, surroundings) = right();
    let said: Vec<String> = checks(&evidence, &surroundings).into_iter().filter_map(Result::ok).collect();
    assert!(said[0].ends_with("2 rules of ours with 3 destinations, 2 of which are prefixes"), "{}", said[0]);
    assert!(said[1].ends_with("3 of which are prefixes; 1 of them left the document and stay"), "{}", said[1]);
    assert!(said[6].ends_with("1 new ways out cost the policy one PUT, of amlnet-demo"), "{}", said[6]);
}

#[test]
fn a_prefix_that_is_not_there() {
    let found = failures(|evidence, _| evidence.history[1] = state(&FIRST[..1]));
    assert_eq!(found[0], "after the first document the policy lacks 10.1.0.0/24 to 20.0.2.0/28 on TCP 443");
    assert!(found[1].contains("20.0.2.0/28 on TCP 443 was missing from the policy in state 1"), "{found:#?}");
    only(
        &failures(|evidence, _| evidence.history[2] = state(&FIRST)),
        "after the second document the policy lacks 10.1.0.0/24 to 20.0.3.0/28",
    );
}

#[test]
fn a_prefix_that_left_the_document_and_was_removed() {
    let found = failures(|evidence, _| evidence.history[2] = state(&SECOND));
    assert!(found[0].contains("after the second document the policy lacks 10.1.0.0/24 to 20.0.2.0/28"), "{found:#?}");
    assert!(found[1].contains("20.0.2.0/28 on TCP 443 was missing from the policy in state 2"), "{found:#?}");
}

#[test]
fn a_prefix_that_was_missing_for_one_moment() {
    only(
        &failures(|evidence, _| evidence.history.insert(2, state(&FIRST[1..]))),
        "20.0.1.0/28 on TCP 443 was missing from the policy in state 2",
    );
}

#[test]
fn something_that_no_document_asks_for() {
    let found = failures(|evidence, _| evidence.history[2].rules[0].to.extend(["20.0.9.0/28".to_owned()]));
    assert!(found[0].contains("lets through 10.1.0.0/24 to 20.0.9.0/28 on TCP 443, which no document"), "{found:#?}");
    assert!(found[1].contains("let through 10.1.0.0/24 to 20.0.9.0/28 on TCP 443, which no document"), "{found:#?}");
    for part in ["from", "ports"] {
        let found = failures(|evidence, _| {
            let rule = &mut evidence.history[2].rules[1];
            if part == "from" {
                rule.from.insert("*".to_owned())
            } else {
                rule.ports.insert("22".to_owned())
            };
        });
        assert!(found[0].starts_with("after the second document the policy "), "{part}: {found:#?}");
    }
}

#[test]
fn a_rule_that_denies() {
    let found = failures(|evidence, _| evidence.history[2].rules[1].kind = "NetworkRule Deny".to_owned());
    assert!(found[0].contains("the policy lacks 10.1.0.0/24 to Storage on TCP 443"), "{found:#?}");
    only(
        &failures(|evidence, _| {
            let deny = Rule { kind: "NetworkRule Deny".to_owned(), ..rule("amlnet.demo.x", &["Sql"]) };
            evidence.history[2].rules.push(deny);
        }),
        "our rule amlnet-network/amlnet.demo.x lets nothing through: NetworkRule Deny",
    );
}

#[test]
fn a_name_or_a_priority_that_changes() {
    only(
        &failures(|evidence, _| evidence.history[2].rules[0].name += ".2"),
        "our rule amlnet-network/amlnet.demo.Batch.tcp-ip of the policy is gone after the second document",
    );
    only(
        &failures(|evidence, _| evidence.history[2].rules[0].priorities[1] = 200),
        "the priority of our rule amlnet-network/amlnet.demo.Batch.tcp-ip went from [1200, 100] to [1200, 200]",
    );
    let found = failures(|evidence, _| {
        for rule in evidence.history.iter_mut().flat_map(|state| &mut state.rules) {
            rule.priorities[0] = 300;
        }
    });
    only(&found, "has the priorities [300, 100], not 1200, in state 0");
}

#[test]
fn a_rule_of_somebody_else_in_our_group() {
    only(
        &failures(|evidence, _| evidence.history[2].rules.push(rule("theirs", &["Sql"]))),
        "amlnet-network/theirs of other people was changed, removed or added in the policy, state 2",
    );
}

#[test]
fn a_write_too_many_or_too_few() {
    only(
        &failures(|evidence, _| evidence.requests[2].extend(write())),
        "the second document: 1 new ways out cost the policy 2 writes: PUT 201, PUT 201",
    );
    only(
        &failures(|evidence, _| evidence.requests[1].retain(|request| !request.is_write())),
        "the first document: 3 new ways out cost the policy 0 writes",
    );
    only(&failures(|evidence, _| evidence.requests[2][2].status = 409), "cost the policy 1 writes: PUT 409");
    let unchanged = failures(|evidence, _| {
        evidence.asked[1] = asked(&FIRST);
        evidence.history.pop();
    });
    only(&unchanged, "the second document: 0 new ways out cost the policy 1 writes");
}

#[test]
fn a_policy_and_a_firewall_that_nobody_looked_at() {
    only(
        &failures(|evidence, _| drop(evidence.requests[1].remove(0))),
        "the first document: fwp was not looked at before our rule collection group was written",
    );
    only(
        &failures(|evidence, _| drop(evidence.requests[2].remove(4))),
        "the second document: fw was not looked at after our rule collection group was written",
    );
}

#[test]
fn something_foreign_that_was_changed_and_something_that_is_not_at_rest() {
    for (index, pointer) in [(0, "/properties/ruleCollectionGroups/0/id"), (1, "/id"), (2, "/properties/priority")] {
        only(
            &failures(|_, around| *around.around[1][index].pointer_mut(pointer).unwrap() = json!("changed")),
            "is not what it was",
        );
    }
    only(
        &failures(|_, around| around.around[1].truncate(2)),
        "of 3 resources around our rule collection group 2 are left",
    );
    for index in [0, 1] {
        let found = failures(|_, around| around.around[1][index]["properties"]["provisioningState"] = json!("Failed"));
        only(&found, "is Failed, not Succeeded");
    }
    only(
        &failures(|_, around| around.own["properties"]["provisioningState"] = json!("Updating")),
        "in the end amlnet-demo is Updating, not Succeeded",
    );
}
