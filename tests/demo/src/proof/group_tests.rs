//! The proof of the group must be able to fail: each check on a history that is right, and on one that is wrong in one way.

use super::super::examples::only;
use super::*;
use serde_json::json;

const ID: &str = "/x/ipGroups/ipg";
const POLICY: &str = "/x/firewallPolicies/fwp";
const FIREWALL: &str = "/x/azureFirewalls/fw";
const FIRST: [&str; 2] = ["20.0.1.0/28", "20.0.2.0/28"];
const BOTH: [&str; 3] = ["20.0.1.0/28", "20.0.2.0/28", "20.0.3.0/28"];

fn state(addresses: &[&str]) -> GroupState {
    let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
    GroupState { at: "2026-01-01T00:00:00Z".to_owned(), addresses }
}

fn request(method: &str, path: &str) -> Request {
    Request { server: "arm".to_owned(), method: method.to_owned(), path: path.to_owned(), status: 200 }
}

fn write() -> Vec<Request> {
    [("GET", ID), ("GET", POLICY), ("GET", FIREWALL), ("PUT", ID), ("GET", POLICY), ("GET", FIREWALL)]
        .map(|(method, path)| request(method, path))
        .into()
}

fn around(addresses: &[&str], tags: &Value) -> Vec<Value> {
    let settled =
        |id: &str| json!({"id": id, "etag": tags.to_string(), "properties": {"provisioningState": "Succeeded"}});
    let rules = json!({"id": format!("{POLICY}/ruleCollectionGroups/r"), "properties": {"priority": 100, "provisioningState": "Succeeded"}});
    let group = json!({"id": ID, "location": "eastus2", "tags": tags, "properties": {"ipAddresses": addresses, "provisioningState": "Succeeded"}});
    vec![group, settled(POLICY), rules, settled(FIREWALL)]
}

fn nets(prefixes: &[&str]) -> BTreeSet<Ipv4Net> {
    prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect()
}

/// A history in which everything is right. 20.0.2.0/28 leaves the document.
fn right() -> Evidence {
    Evidence {
        id: ID.to_owned(),
        needed: [nets(&FIRST), nets(&["20.0.1.0/28", "20.0.3.0/28"])],
        history: vec![state(&[]), state(&FIRST), state(&FIRST), state(&BOTH)],
        converged: 2,
        requests: [vec![request("GET", ID)], write(), write()],
        around: [
            around(&[], &json!({"costCentre": "1"})),
            around(&BOTH, &json!({"amlnet-installation": "demo", "costCentre": "1"})),
        ],
    }
}

/// What fails after a change to the right history.
fn failures(change: impl FnOnce(&mut Evidence)) -> Vec<String> {
    let mut evidence = right();
    change(&mut evidence);
    checks(&evidence).into_iter().filter_map(Result::err).collect()
}

#[test]
fn a_right_history_holds_and_says_what_stayed() {
    assert_eq!(failures(|_| ()), Vec::<String>::new());
    let said: Vec<String> = checks(&right()).into_iter().filter_map(Result::ok).collect();
    assert!(said[1].ends_with("the 3 addresses that it should; 1 of them left the document and stay"), "{}", said[1]);
    assert!(said[3].ends_with("2 new addresses cost the group one PUT"), "{}", said[3]);
    assert!(said[5].starts_with("fwp and fw were looked at before and after each of 2 writes"), "{}", said[5]);
}

#[test]
fn an_address_that_the_first_document_needs_is_not_there() {
    let found = failures(|evidence| evidence.history[2] = state(&FIRST[..1]));
    assert_eq!(found[0], "after the first document the group lacks 20.0.2.0/28");
    assert!(found[1].starts_with("20.0.2.0/28 was missing from the group in state 2"), "{found:#?}");
}

#[test]
fn an_address_that_the_second_document_needs_is_not_there() {
    only(
        &failures(|evidence| evidence.history[3] = state(&FIRST)),
        "after the second document the group lacks 20.0.3.0/28",
    );
}

#[test]
fn an_address_that_left_the_document_was_removed() {
    let found = failures(|evidence| evidence.history[3] = state(&["20.0.1.0/28", "20.0.3.0/28"]));
    assert_eq!(found[0], "after the second document the group lacks 20.0.2.0/28");
    assert!(found[1].starts_with("20.0.2.0/28 was missing from the group in state 3"), "{found:#?}");
}

#[test]
fn a_group_that_was_empty_for_one_moment() {
    only(&failures(|evidence| evidence.history.insert(3, state(&[]))), "the group was empty in state 3");
}

#[test]
fn an_address_that_was_missing_for_one_moment() {
    only(
        &failures(|evidence| evidence.history.insert(3, state(&FIRST[1..]))),
        "20.0.1.0/28 was missing from the group in state 3",
    );
}

#[test]
fn an_address_that_nothing_needs() {
    for needless in ["20.0.9.0/28", "20.0.1.0-20.0.1.9", "2603:1030::/64"] {
        let found = failures(|evidence| evidence.history[3].addresses.push(needless.to_owned()));
        assert!(found[0].contains(&format!("the group holds {needless}, which no document asks for")), "{found:#?}");
        assert!(found[1].contains(&format!("the group held {needless}")), "{found:#?}");
    }
}

#[test]
fn an_address_that_came_before_its_document() {
    let found = failures(|evidence| evidence.history[2] = state(&BOTH));
    assert!(found[0].contains("after the first document the group holds 20.0.3.0/28"), "{found:#?}");
}

#[test]
fn a_write_too_many_or_too_few() {
    only(
        &failures(|evidence| evidence.requests[2].extend(write())),
        "the second document: 1 new addresses of the group cost 2 writes: PUT 200, PUT 200",
    );
    only(
        &failures(|evidence| evidence.requests[1].retain(|request| !request.is_write())),
        "the first document: 2 new addresses of the group cost 0 writes",
    );
    only(&failures(|evidence| evidence.requests[2][3].status = 409), "cost 1 writes: PUT 409");
    only(&failures(|evidence| evidence.requests[2][3].method = "PATCH".to_owned()), "cost 1 writes: PATCH 200");
    let unchanged = failures(|evidence| {
        evidence.needed[1] = nets(&FIRST);
        evidence.history.pop();
    });
    only(&unchanged, "the second document: 0 new addresses of the group cost 1 writes");
}

#[test]
fn users_that_nobody_looked_at() {
    only(
        &failures(|evidence| drop(evidence.requests[1].remove(1))),
        "the first document: fwp was not looked at before the group was written",
    );
    only(
        &failures(|evidence| drop(evidence.requests[2].remove(5))),
        "the second document: fw was not looked at after the group was written",
    );
    let found = failures(|evidence| {
        evidence.around[0].truncate(1);
        evidence.around[1].truncate(1);
    });
    only(&found, "are not known");
}

#[test]
fn something_foreign_that_was_changed() {
    for (index, pointer) in [
        (0, "/location"),
        (0, "/tags/costCentre"),
        (0, "/tags/amlnet-installation"),
        (1, "/id"),
        (2, "/properties/priority"),
    ] {
        only(
            &failures(|evidence| *evidence.around[1][index].pointer_mut(pointer).unwrap() = json!("changed")),
            "is not what it was",
        );
    }
    only(&failures(|evidence| drop(evidence.around[1].pop())), "of 4 resources around the group 3 are left");
}

#[test]
fn a_firewall_that_is_not_at_rest() {
    only(
        &failures(|evidence| evidence.around[1][3]["properties"]["provisioningState"] = json!("Failed")),
        "in the end fw is Failed, not Succeeded",
    );
}
