//! Writes that Azure refuses: which are repeated, which are not, and what is done and told besides. And the limits that
//! a plan rests on.

use std::time::{Duration, Instant};

use armsim::model::log::{LogEntry, Server};
use serde_json::{Value, json};

use crate::harness::{Counts, Doc, Sim, TABLE, assert_clean, assert_schema, central, east, ours, route};

/// The first prefix of East US 2, which week 2 lacks.
const GOING: &str = "/routes/amlnet.prod.20.1.0.0_26";

fn after_week_1() -> Sim {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    sim.publish(&Doc::week(2).regions(1..4, 0..3));
    sim
}

fn busy() -> Value {
    json!({"status": {"code": 429, "headers": {"retry-after": "2"},
        "body": {"error": {"code": "RetryableErrorDueToAnotherOperation", "message": "not now"}}}})
}

fn deletes(log: &[LogEntry]) -> Vec<usize> {
    let is_delete = |entry: &LogEntry| entry.method == "DELETE";
    log.iter().enumerate().filter(|(_, entry)| is_delete(entry)).map(|(index, _)| index).collect()
}

#[test]
fn a_refused_removal_is_not_repeated_before_its_route_was_read_again() {
    let days = [
        ("another operation", busy()),
        ("throttled", json!({"throttle": {"retryAfter": 2}})),
        ("html", json!("html503")),
        ("dropped", json!("dropBefore")),
        (
            "409",
            json!({"status": {"code": 409, "headers": {"retry-after": "2"},
            "body": {"error": {"code": "AnotherOperationInProgress", "message": "not now"}}}}),
        ),
    ];
    std::thread::scope(|scope| {
        for part in days.chunks(2) {
            scope.spawn(move || part.iter().for_each(|(what, effect)| refused_removal(what, effect)));
        }
    });
}

fn refused_removal(what: &str, effect: &Value) {
    let sim = after_week_1();
    sim.fault(json!({"match": {"method": "DELETE"}, "effect": effect}));
    let controller = sim.controller(&[]);
    let arm = || sim.log_of(Server::Arm);
    controller.wait_until("the refusal", || deletes(&arm()).len() == 1);
    // Now it is another route under the same name. Nobody needs it either.
    sim.put(json!({"id": format!("{TABLE}{GOING}"), "properties": {"addressPrefix": east(0), "nextHopType": "None"}}));
    controller.wait_until("the removal", || !ours(&sim.history(TABLE)).contains(&east(0)));
    let log = arm();
    let deletes = deletes(&log);
    assert_eq!(deletes.len(), 2, "{what}");
    for &index in &deletes {
        let before = &log[index - 1];
        let path = |entry: &LogEntry| entry.url.split('?').next().unwrap().to_owned();
        assert_eq!((before.method.as_str(), path(before)), ("GET", path(&log[index])), "{what}");
        assert_eq!(before.status, 200, "{what}");
    }
    let between = Counts::of(&log[deletes[0]..deletes[1]], TABLE);
    assert!(between.get_table >= 1, "{what}: it was planned anew");
    assert_clean(&sim.history(TABLE), (1..4).map(east).chain((0..3).map(central)));
}

#[test]
fn a_refused_removal_is_forgotten_when_its_route_is_needed_again() {
    let sim = after_week_1();
    sim.fault(json!({"match": {"method": "DELETE"}, "times": 0, "effect": busy()}));
    let controller = sim.controller(&[]);
    controller.wait_until("the refusal", || Counts::of(&sim.log(), TABLE).delete_route >= 1);
    sim.publish(&Doc::week(3).regions(0..4, 0..3));
    sim.ask_feed();
    controller.wait_until("the document", || sim.in_force("public") == 103);
    sim.clear_faults();
    controller.wait_until("the end", || {
        let status = sim.status("ml");
        status["document"]["changeNumber"] == 103 && status["targets"][0]["state"] == "InSync"
    });
    assert!(sim.log().iter().all(|entry| entry.method != "DELETE" || entry.status == 429));
    assert_clean(&sim.history(TABLE), (0..4).map(east).chain((0..3).map(central)));
}

/// Azure dislikes the second prefix of East US 2, for ever.
const DISLIKED: &str = "/routes/amlnet.prod.20.1.0.64_26";

/// A table with a route to remove, and a network with a default route, and the refusal.
fn with_a_refusal(code: &str) -> Sim {
    let sim = Sim::with_routes(vec![route("amlnet.prod.20.9.0.0_26", "20.9.0.0/26", "Internet")]);
    let table = json!([{"id": TABLE, "defaultRoute": {"ipAddress": "10.0.1.4"}}]);
    sim.usual(json!({"spec": {"routes": {"routeTables": table}}}));
    sim.fault(json!({"match": {"method": "PUT", "pathContains": DISLIKED}, "times": 0,
        "effect": {"status": {"code": 400, "body": {"error": {"code": code, "message": "Azure dislikes it."}}}}}));
    sim
}

#[track_caller]
fn assert_all_but_the_refused(sim: &Sim) {
    let history = sim.history(TABLE);
    let others = [0, 2, 3].into_iter().map(east).chain((0..3).map(central)).chain(["20.9.0.0/26".to_owned()]);
    assert_eq!(ours(&history), others.collect());
    assert_clean(&history, (0..4).map(east).chain((0..3).map(central)).chain(["20.9.0.0/26".to_owned()]));
    assert_eq!(Counts::of(&sim.log(), TABLE).delete_route, 0);
}

#[test]
fn one_refused_prefix_keeps_the_default_route_and_removals_back_and_nothing_else() {
    for (code, exit, said) in [
        ("InvalidCIDRNotation", 3, "blocked, Refused: InvalidCIDRNotation"),
        ("RouteConflict", 2, "waits: RouteConflict"),
    ] {
        let sim = with_a_refusal(code);
        sim.once(&[]).exits(exit).says(&[said, "Azure dislikes it.", DISLIKED]);
        assert_all_but_the_refused(&sim);
        let target = sim.status("ml")["targets"][0].clone();
        assert!(target["message"].as_str().unwrap().contains(code), "{target}");
        assert!(["Blocked", "Waiting"].contains(&target["state"].as_str().unwrap()), "{target}");
        // When Azure takes it, the rest follows.
        sim.clear_faults();
        sim.once(&[]).exits(0);
        let history = sim.history(TABLE);
        let all = (0..4).map(east).chain((0..3).map(central)).chain(["0.0.0.0/0".to_owned()]);
        assert_eq!(ours(&history), all.collect(), "{code}");
    }
}

#[test]
fn the_controller_does_not_hammer_a_prefix_that_azure_refuses() {
    const WATCHED: Duration = Duration::from_secs(12);
    std::thread::scope(|scope| {
        for code in ["InvalidCIDRNotation", "RouteConflict"] {
            scope.spawn(move || {
                let sim = with_a_refusal(code);
                let controller = sim.controller(&["--resync", "1s"]);
                let tries = || {
                    let log = sim.log();
                    log.iter().filter(|entry| entry.method == "PUT" && entry.url.contains(DISLIKED)).count()
                };
                controller.wait_until("the first try", || tries() > 0);
                let started = Instant::now();
                controller.wait_until("the time", || started.elapsed() >= WATCHED);
                assert!(tries() <= 8, "{code}: {} tries", tries());
                assert_all_but_the_refused(&sim);
                assert!(controller.log().contains(code), "{}", controller.log());
            });
        }
    });
}

#[test]
fn a_conflict_that_is_left_needs_a_person() {
    let sim = Sim::with_routes(vec![route("theirs", &east(1), "VirtualAppliance 10.0.1.4")]);
    sim.usual(json!({}));
    for writes in [6, 0] {
        let applied = sim.apply(&["-o", "json"]).exits(3).json();
        assert_schema("plan", &applied);
        let result = &applied["targets"][0]["result"];
        assert_eq!(result["state"], "NeedsPerson");
        assert_eq!(result["applied"].as_array().unwrap().len(), writes);
    }
    sim.delete(&format!("{TABLE}/routes/theirs"));
    let applied = sim.apply(&["-o", "json"]).exits(0).json();
    assert_eq!(applied["targets"][0]["result"]["state"], "Applied");
}

#[test]
fn every_accepted_write_leaves_its_line_also_when_its_end_is_not_seen() {
    for (command, killed) in [("run", false), ("run", true), ("apply", false), ("apply", true)] {
        let sim = Sim::start();
        let (feed, network) = sim.usual(json!({}));
        let files = ["-f", feed.to_str().unwrap(), "-f", network.to_str().unwrap(), "--yes"];
        let arguments = match command {
            "run" => ["run", "--dir", "dir", "--state", "state"].to_vec(),
            _ => [&["apply"], &files[..]].concat(),
        };
        let third = json!({"method": "PUT", "pathContains": "/routes/", "nth": 3});
        sim.fault(json!({"match": third, "effect": {"hold": {"key": "third"}}}));
        let process = sim.background(sim.command(&[&arguments[..], &["--log-format", "json"]].concat()));
        process.wait_until("the third write", || Counts::of(&sim.log(), TABLE).put_route == 3);
        // From here on a write takes minutes.
        sim.set(json!({"latencies": {"route": "100000s"}}));
        sim.release("third");
        let is_slow =
            || sim.history_now(TABLE).last().unwrap().entries.iter().any(|e| e.provisioning_state != "Succeeded");
        // The third was decided before that, and the fourth comes after its end.
        process.wait_until("a slow write", || Counts::of(&sim.log(), TABLE).put_route == 4 && is_slow());
        let accepted = || sim.log().iter().filter(|entry| entry.method == "PUT").count();
        let lines =
            |log: &str| log.lines().filter(|line| line.contains("\"wrote\"")).map(str::to_owned).collect::<Vec<_>>();
        process.wait_until("its line", || lines(&process.log()).len() == accepted());
        let log = if killed { process.kill() } else { process.terminate().2 };
        assert!(is_slow(), "its end was not seen");
        let lines = lines(&log);
        assert_eq!(lines.len(), accepted(), "{command}: {log}");
        let last: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
        let id = last["correlation_id"].as_str().unwrap();
        assert!(sim.log().iter().any(|entry| entry.method == "PUT" && entry.correlation_id == id), "{last}");
    }
}

#[test]
fn unknown_limits_are_said_and_read_by_the_next_run() {
    let sim = Sim::with(json!({"usages": {"RoutesPerRouteTable": 600}}));
    sim.usual(json!({}));
    let none =
        json!({"match": {"method": "GET", "pathContains": "/usages"}, "times": 0, "effect": {"status": {"code": 503}}});
    sim.fault(none.clone());
    let target = sim.plan(&["-o", "json"]).exits(2).json()["targets"][0].clone();
    assert_eq!(target["limit"], 400);
    assert_eq!(target["steps"].as_array().unwrap().len(), 7, "the plan goes on");
    let codes =
        |target: &Value| target["warnings"].as_array().unwrap().iter().map(|w| w["code"].clone()).collect::<Vec<_>>();
    assert_eq!(codes(&target), ["LimitsUnknown"]);
    sim.plan(&[]).exits(2).says(&["LimitsUnknown", "400"]);

    sim.clear_faults();
    let target = sim.plan(&["-o", "json"]).exits(2).json()["targets"][0].clone();
    assert_eq!((&target["limit"], codes(&target)), (&json!(600), vec![]));

    // The controller writes with the defaults, and looks at the limits again at its next look at the table.
    sim.fault(none);
    let controller = sim.controller(&["--resync", "1s"]);
    controller.wait_until("the routes", || ours(&sim.history(TABLE)).len() == 7);
    controller.wait_until("the warning", || sim.status("ml")["targets"][0]["warnings"][0]["code"] == "LimitsUnknown");
    sim.clear_faults();
    controller.wait_until("the limit", || sim.status("ml")["targets"][0]["capacity"] == 600);
}
