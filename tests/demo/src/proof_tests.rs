//! The proof must be able to fail: each check on a history that is right, and on one that is wrong in one way.

use super::*;

const CONFLICT: &str = "20.0.0.0/28";
const FIRST: [&str; 3] = [CONFLICT, "20.0.1.0/28", "20.0.2.0/28"];
const GROUP: &str = "/x/ipGroups/ipg";
const SECOND: [&str; 3] = [CONFLICT, "20.0.1.0/28", "20.0.3.0/28"];

fn route(name: &str, prefix: &str, next_hop: &str, ip: Option<&str>) -> Entry {
    Entry {
        name: name.to_owned(),
        prefix: prefix.to_owned(),
        next_hop: next_hop.to_owned(),
        next_hop_ip: ip.map(str::to_owned),
        in_effect: true,
    }
}

fn ours(prefix: &str) -> Entry {
    route(&name(prefix), prefix, "Internet", None)
}

fn name(prefix: &str) -> String {
    format!("amlnet.demo.{}", prefix.replace('/', "_"))
}

fn state(prefixes: &[&str]) -> State {
    let mut entries = vec![
        route("to-firewall", "0.0.0.0/0", "VirtualAppliance", Some("10.0.1.4")),
        route("theirs", CONFLICT, "VirtualAppliance", Some("10.0.1.4")),
    ];
    entries.extend(prefixes.iter().map(|prefix| ours(prefix)));
    State { at: "2026-01-01T00:00:00Z".to_owned(), entries }
}

fn request(method: &str, last: &str) -> Request {
    Request {
        server: "arm".to_owned(),
        method: method.to_owned(),
        path: format!("/x/routeTables/rt/routes/{last}"),
        status: 201,
    }
}

fn write_of(path: &str) -> Request {
    Request { path: path.to_owned(), ..request("PUT", "") }
}

fn put(prefix: &str) -> Request {
    request("PUT", &name(prefix))
}

fn nets(prefixes: [&str; 3]) -> BTreeSet<Ipv4Net> {
    prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect()
}

/// A history in which everything is right.
fn right() -> Evidence {
    Evidence {
        needed: [nets(FIRST), nets(SECOND)],
        conflict: CONFLICT.parse().unwrap(),
        history: vec![
            state(&[]),
            state(&["20.0.1.0/28"]),
            state(&["20.0.1.0/28", "20.0.2.0/28"]),
            state(&["20.0.1.0/28", "20.0.2.0/28", "20.0.3.0/28"]),
        ],
        converged: 2,
        requests: [
            vec![request("GET", "rt")],
            vec![request("GET", "rt"), put("20.0.1.0/28"), put("20.0.2.0/28")],
            vec![put("20.0.3.0/28"), write_of(GROUP), request("GET", "rt")],
        ],
        others: vec![GROUP.to_owned()],
    }
}

/// What fails after a change to the right history.
fn failures(change: impl FnOnce(&mut Evidence)) -> Vec<String> {
    let mut evidence = right();
    change(&mut evidence);
    checks(&evidence).into_iter().filter_map(|check| check.result.err()).collect()
}

#[track_caller]
fn only(failures: &[String], part: &str) {
    assert!(matches!(failures, [one] if one.contains(part)), "{failures:#?}");
}

#[test]
fn a_right_history_holds() {
    assert_eq!(failures(|_| ()), Vec::<String>::new());
}

#[test]
fn a_needed_prefix_that_is_missing_at_the_end() {
    let found = failures(|evidence| {
        evidence.needed[1].insert("20.0.9.0/28".parse().unwrap());
    });
    assert!(
        found[0].contains("after the second document these needed prefixes have no route")
            && found[0].contains("20.0.9.0/28")
    );
    assert!(found[1].contains("the new prefix 20.0.9.0/28 cost 0 PUTs"), "{found:#?}");
}

#[test]
fn a_needed_prefix_that_is_missing_after_the_first_document() {
    only(
        &failures(|evidence| {
            evidence.history[2] = state(&["20.0.1.0/28"]);
        }),
        "after the first document these needed prefixes have no route to the internet: 20.0.2.0/28",
    );
}

#[test]
fn a_needed_prefix_that_was_missing_for_one_moment() {
    only(
        &failures(|evidence| evidence.history.insert(3, state(&["20.0.2.0/28"]))),
        "20.0.1.0/28, needed before and after, was missing in state 3",
    );
}

#[test]
fn a_needed_prefix_that_led_elsewhere_for_one_moment() {
    let found = failures(|evidence| {
        let mut wrong = state(&["20.0.2.0/28"]);
        wrong.entries.push(route(&name("20.0.1.0/28"), "20.0.1.0/28", "None", None));
        evidence.history.insert(3, wrong);
    });
    assert!(found.iter().any(|failure| failure.contains("was missing in state 3")), "{found:#?}");
    assert!(found.iter().any(|failure| failure.contains("to None, which nothing needs")), "{found:#?}");
}

#[test]
fn a_prefix_that_vanished_before_convergence() {
    only(
        &failures(|evidence| {
            evidence.history.insert(2, state(&[]));
            evidence.converged = 3;
        }),
        "20.0.1.0/28, needed before and after, was missing in state 2",
    );
}

#[test]
fn a_foreign_route_that_was_changed() {
    for change in [
        |entry: &mut Entry| entry.next_hop_ip = Some("10.0.1.5".to_owned()),
        |entry: &mut Entry| entry.next_hop = "Internet".to_owned(),
        |entry: &mut Entry| entry.prefix = "0.0.0.0/1".to_owned(),
        |entry: &mut Entry| entry.name = "To-Firewall".to_owned(),
    ] {
        only(
            &failures(|evidence| change(&mut evidence.history[2].entries[0])),
            "other people's route to-firewall for 0.0.0.0/0 was changed or removed in state 2",
        );
    }
}

#[test]
fn a_foreign_route_that_was_removed_or_added() {
    only(
        &failures(|evidence| drop(evidence.history[1].entries.remove(1))),
        "other people's route theirs for 20.0.0.0/28 was changed or removed in state 1",
    );
    only(
        &failures(|evidence| {
            evidence.history[3].entries.push(route("amlnet.other.x", "20.0.8.0/28", "Internet", None));
        }),
        "a route amlnet.other.x for 20.0.8.0/28 that is not ours was added in state 3",
    );
}

#[test]
fn a_route_of_ours_that_nothing_needs() {
    for prefix in ["20.0.7.0/28", CONFLICT] {
        only(&failures(|evidence| evidence.history[3].entries.push(ours(prefix))), "which nothing needs");
    }
}

#[test]
fn a_write_too_many() {
    only(
        &failures(|evidence| evidence.requests[2].push(put("20.0.3.0/28"))),
        "the new prefix 20.0.3.0/28 cost 2 PUTs, not 1",
    );
    only(
        &failures(|evidence| evidence.requests[2].push(put("20.0.1.0/28"))),
        "a write that no new prefix explains: PUT",
    );
    only(
        &failures(|evidence| evidence.requests[2].push(request("DELETE", &name("20.0.2.0/28")))),
        "a write that no new prefix explains: DELETE",
    );
    only(
        &failures(|evidence| evidence.requests[1].push(request("PUT", "rt"))),
        "a write that no new prefix explains: PUT",
    );
}

#[test]
fn a_write_of_something_else() {
    only(
        &failures(|evidence| evidence.requests[2].push(write_of("/x/firewallPolicies/p"))),
        "a write that no new prefix explains: PUT /x/firewallPolicies/p",
    );
}

#[test]
fn a_plan_that_writes() {
    only(&failures(|evidence| evidence.requests[0].push(put("20.0.1.0/28"))), "`amlnet plan` wrote 1 times");
    only(&failures(|evidence| evidence.requests[0].push(write_of(GROUP))), "`amlnet plan` wrote 1 times");
}
