//! ARM on a bad day: the table ends right, its history is clean, and little is written twice.

use armsim::model::log::Server;
use serde_json::{Value, json};

use crate::harness::{Sim, TABLE, assert_clean, central, east, ours};

fn needed() -> Vec<String> {
    (0..4).map(east).chain((0..3).map(central)).collect()
}

fn error(code: u16, name: &str, headers: Value) -> Value {
    json!({"status": {"code": code, "body": {"error": {"code": name, "message": "not now"}}, "headers": headers}})
}

/// What goes wrong, when, a status that must stand in the log then, and how many writes more than seven it costs.
fn bad_days() -> Vec<(&'static str, Value, u16, usize)> {
    let put = |nth: u64, effect: Value| json!({"match": {"method": "PUT", "pathContains": "/routes/", "nth": nth}, "effect": effect});
    let poll = |effect: Value| json!({"match": {"method": "GET", "pathContains": "/operations/"}, "times": 2, "effect": effect});
    let soon = json!({"x-ms-retry-after-ms": "20"});
    let superseded = json!({"code": "CanceledAndSupersededDueToAnotherOperation", "message": "m"});
    vec![
        ("another operation", put(2, error(429, "RetryableErrorDueToAnotherOperation", soon.clone())), 429, 1),
        ("in progress", put(2, error(409, "AnotherOperationInProgress", soon.clone())), 409, 1),
        ("throttled", put(3, json!({"throttle": {"retryAfter": 10}})), 429, 1),
        ("throttled reads", json!({"match": {"method": "GET"}, "effect": {"throttle": {"retryAfter": 10}}}), 429, 0),
        ("html on a poll", poll(json!("html503")), 503, 0),
        (
            "a page with 203 on a poll",
            poll(json!({"status": {"code": 203, "body": "<html>", "headers": soon}})),
            203,
            0,
        ),
        ("html on a write", put(1, json!("html503")), 503, 1),
        ("500 on a write", put(4, error(500, "InternalServerError", soon.clone())), 500, 1),
        ("dropped before", put(2, json!("dropBefore")), 0, 1),
        ("dropped after commit", put(2, json!("dropAfterCommit")), 201, 1),
        ("dropped poll", poll(json!("dropBefore")), 0, 0),
        (
            "dropped read",
            json!({"match": {"method": "GET", "pathContains": "/routeTables/"}, "effect": "dropBefore"}),
            0,
            0,
        ),
        ("operation lost", put(3, json!("lostOperation")), 404, 0),
        ("superseded", put(3, json!({"failOperation": superseded})), 201, 1),
        ("412", put(2, error(412, "PreconditionFailed", json!({}))), 412, 1),
        ("409 of a kind nobody knows", put(2, error(409, "Conflict", json!({}))), 409, 1),
        ("a conflict in between", put(2, error(400, "RouteConflict", json!({}))), 400, 1),
        ("slow", put(2, json!({"slow": {"ms": 300}})), 201, 0),
    ]
}

#[test]
fn a_fault_that_passes_costs_little_and_harms_nothing() {
    let days = bad_days();
    std::thread::scope(|scope| {
        // They mostly wait; four at a time.
        for part in days.chunks(days.len().div_ceil(4)) {
            scope.spawn(move || part.iter().for_each(one_day));
        }
    });
}

fn one_day((what, fault, evidence, extra): &(&str, Value, u16, usize)) {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.fault(fault.clone());
    let (ran, cost) = sim.cost(TABLE, || sim.once(&[]));
    assert_eq!(ran.code, 0, "{what}: {}", ran.all());
    assert!(sim.log_of(Server::Arm).iter().any(|entry| entry.status == *evidence), "{what}: it did not happen");
    let history = sim.history(TABLE);
    assert_eq!(ours(&history), needed().into_iter().collect(), "{what}");
    assert_clean(&history, needed());
    assert_eq!((cost.put_route, cost.delete_route, cost.other), (7 + extra, 0, 0), "{what}");
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
    assert_eq!((cost.get_table, cost.writes()), (1, 0), "{what}: then there is nothing to do");
}

#[test]
fn no_token_is_sent_to_where_arm_points_outside_itself() {
    let sim = Sim::start();
    sim.usual(json!({}));
    // An operation and a redirect to another origin: the simulator's login service, which logs what it is asked.
    let elsewhere = format!("{}/stolen", sim.login());
    for (effect, code) in [
        (json!({"status": {"code": 307, "headers": {"location": elsewhere}}}), 3),
        (
            json!({"status": {"code": 201, "body": {"properties": {"provisioningState": "Updating"}},
            "headers": {"azure-asyncoperation": elsewhere, "x-ms-retry-after-ms": "5"}}}),
            1,
        ),
    ] {
        sim.clear_faults();
        sim.fault(json!({"match": {"method": "PUT"}, "times": 0, "effect": effect}));
        sim.once(&[]).exits(code);
    }
    assert!(sim.log().iter().all(|entry| !entry.url.contains("stolen")));
    assert_eq!(sim.history(TABLE).len(), 1);
}

#[test]
fn a_failed_operation_is_reported_and_the_next_run_goes_on() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.fault(json!({"match": {"method": "PUT", "pathContains": "/routes/", "nth": 3},
        "effect": {"failOperation": {"code": "InternalServerError", "message": "it broke"}}}));
    sim.once(&[]).exits(1).says(&["InternalServerError", "it broke", "correlation id"]);
    let history = sim.history(TABLE);
    assert_eq!(ours(&history).len(), 2, "nothing was tried after it");
    assert_clean(&history, needed());
    assert_eq!(sim.status("ml")["targets"][0]["state"], "Failed");
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
    assert_eq!(cost.put_route, 5, "only what was left");
    assert_clean(&sim.history(TABLE), needed());
}

#[test]
fn the_controller_tries_a_failed_operation_again() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.fault(json!({"match": {"method": "PUT", "pathContains": "/routes/", "nth": 1},
        "effect": {"failOperation": {"code": "InternalServerError", "message": "it broke"}}}));
    let controller = sim.controller(&[]);
    controller.wait_until("the failure", || sim.status("ml")["targets"][0]["state"] == "Failed");
    controller.wait_until("the second try", || sim.status("ml")["targets"][0]["state"] == "InSync");
    assert_eq!(ours(&sim.history(TABLE)).len(), 7);
    assert_clean(&sim.history(TABLE), needed());
}

#[test]
fn a_token_that_arm_no_longer_takes_is_renewed_once() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.fault(json!({"match": {"method": "PUT", "pathContains": "/routes/", "nth": 3},
        "effect": error(401, "ExpiredAuthenticationToken", json!({}))}));
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
    assert_eq!(cost.put_route, 8);
    let tokens = sim.log_of(Server::Login).iter().filter(|entry| entry.method == "POST").count();
    assert_eq!(tokens, 2, "the one at the start, and a new one after the refusal");
    assert_clean(&sim.history(TABLE), needed());
}

#[test]
fn tokens_that_expire_while_work_goes_on_are_renewed() {
    // Shorter than the time before its end at which a token is renewed: every request may need another. Seven seconds
    // of writes outlast one.
    let sim = Sim::with(json!({"limits": {"tokenLifetime": "5s"}, "latencies": {"route": "500s"}}));
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(ours(&sim.history(TABLE)).len(), 7);
    let refused = sim.log().iter().filter(|entry| entry.status == 401).count();
    assert_eq!(refused, 0);
}

#[test]
fn a_login_that_is_refused_is_said_without_the_secret() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let mut command = sim.command(&["run", "--dir", "dir", "--state", "state", "--once", "--log", "trace"]);
    let output = command.env("AZURE_CLIENT_SECRET", "wrong-secret-of-a-test").output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("AADSTS7000215"), "{said}");
    assert!(!said.contains("wrong-secret-of-a-test"), "{said}");
    assert_eq!(sim.history(TABLE).len(), 1);
}

#[test]
fn what_a_person_must_mend_is_3_and_is_not_tried_again_and_again() {
    let group = TABLE.split("/providers").next().unwrap();
    let allow = |actions: Value| json!([{"client": "22222222-2222-4222-8222-222222222222", "scope": group, "actions": actions}]);
    for (what, world, said) in [
        ("a lock", json!({"locks": [{"scope": group, "level": "ReadOnly"}]}), ["blocked, Locked", "ScopeLocked"]),
        ("no role", json!({"roles": []}), ["blocked, Forbidden", "AuthorizationFailed"]),
        (
            "a role that reads",
            json!({"roles": allow(json!(["*/read"]))}),
            ["blocked, Forbidden", "grant amlnet's identity"],
        ),
    ] {
        let sim = Sim::with(world);
        sim.usual(json!({}));
        let (ran, cost) = sim.cost(TABLE, || sim.once(&[]).exits(3));
        ran.says(&said);
        ran.says(&["correlation id"]);
        assert!(cost.writes() <= 1, "{what}: {cost:?}");
        assert_eq!(sim.history(TABLE).len(), 1, "{what}");
    }
}
