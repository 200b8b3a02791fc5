//! /metrics of the binary in file mode, over everything that can happen to one table: what is told, what vanishes, and
//! that all of it stands in the table of names.

#![allow(clippy::cast_precision_loss, reason = "seconds since 1970 have room in a float")]

use std::collections::BTreeSet;

use amlnet::metrics::names;
use serde_json::{Value, json};

use crate::harness::{Controller, Doc, Scrape, Sim, TABLE, address, central, east, file_feed, get, request, route};

const LISTEN: [&str; 4] = ["--http-listen", "127.0.0.1:0", "--resync", "2s"];
const TARGET: [(&str, &str); 2] = [("kind", "RouteTable"), ("target", TABLE)];
/// Of a lease, which there is none of in file mode.
const IN_KUBERNETES: [&str; 1] = ["amlnet_lease_last_renewal_timestamp_seconds"];
/// There while a target is due that nobody works on. With one table that is for a moment.
const BY_CHANCE: &str = "amlnet_queue_oldest_due_timestamp_seconds";
const DAY: f64 = 86400.0;

/// A name, the labels that its series have, and their sum; `None`: there are none.
type Wanted<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<f64>);

struct Watched<'a> {
    controller: &'a Controller,
    seen: BTreeSet<String>,
}

impl Watched<'_> {
    fn scrape(&mut self) -> Scrape {
        let answer = get(address(self.controller), "/metrics");
        assert_eq!(answer.status, 200);
        let scrape = Scrape::parse(answer.text());
        self.seen.extend(scrape.families().into_iter().map(str::to_owned));
        scrape
    }

    /// Scrapes until all of these hold of one scrape, and returns it.
    #[track_caller]
    fn until(&mut self, what: &str, wanted: &[Wanted<'_>]) -> Scrape {
        let mut last = Scrape::default();
        let controller = self.controller;
        controller.wait_until(&format!("{what}: {wanted:?}"), || {
            last = self.scrape();
            wanted.iter().all(|(name, labels, value)| last.sum(name, labels) == *value)
        });
        last
    }
}

/// Of the table, with more labels.
fn target<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&TARGET[..], more].concat()
}

/// 00:00 UTC of a day, in seconds.
fn day(text: &str) -> f64 {
    let at: jiff::Timestamp = format!("{text}T00:00:00Z").parse().unwrap();
    at.as_second() as f64
}

fn put(effect: Value, times: u64) -> Value {
    json!({"match": {"method": "PUT", "pathContains": "/routes/"}, "times": times, "effect": effect})
}

fn error(code: u16, name: &str) -> Value {
    let headers = json!({"x-ms-retry-after-ms": "50"});
    json!({"status": {"code": code, "body": {"error": {"code": name, "message": "no"}}, "headers": headers}})
}

#[test]
fn a_table_is_told_of_from_the_first_document_to_its_end() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let controller = sim.controller(&LISTEN);
    let mut watched = Watched { controller: &controller, seen: BTreeSet::new() };
    in_sync(&sim, &mut watched);
    drift(&sim, &mut watched);
    bad_weather(&sim, &mut watched);
    conflict(&sim, &mut watched);
    late(&sim, &mut watched);
    documents(&sim, &mut watched);
    gone(&sim, &mut watched);
    let unseen = |name: &&str| *name != BY_CHANCE && !watched.seen.contains(*name);
    let never: Vec<&str> = names::ALL.iter().map(|family| family.name).filter(unseen).collect();
    assert_eq!(never, IN_KUBERNETES, "every other name of the table is exported somewhere here");
}

fn in_sync(sim: &Sim, watched: &mut Watched<'_>) {
    let first = watched.until("in sync", &[("amlnet_target_state", &target(&[("state", "InSync")]), Some(1.0))]);
    for (name, labels, value) in [
        ("amlnet_leader", vec![], 1.0),
        ("amlnet_build_info", vec![("version", env!("CARGO_PKG_VERSION"))], 1.0),
        (
            "amlnet_installation_info",
            vec![("installation", "prod"), ("cloud", "Public"), ("store", "files"), ("read_only", "false")],
            1.0,
        ),
        ("amlnet_feed_document_change_number", vec![("feed", "public")], 101.0),
        ("amlnet_feed_document_timestamp_seconds", vec![("feed", "public")], day("2025-01-08")),
        ("amlnet_feed_document_info", vec![("feed", "public"), ("source", "download")], 1.0),
        ("amlnet_feed_results_total", vec![("result", "Accepted"), ("reason", "")], 1.0),
        ("amlnet_feed_source_result", vec![("position", "0"), ("result", "Accepted")], 1.0),
        (
            "amlnet_networks",
            vec![("mode", "Sync"), ("condition", "Ready"), ("status", "True"), ("reason", "InSync")],
            1.0,
        ),
        (
            "amlnet_network_condition",
            vec![("network_namespace", "default"), ("network", "ml"), ("condition", "Ready")],
            1.0,
        ),
        ("amlnet_network_condition", vec![("network", "ml"), ("condition", "Blocked")], 0.0),
        ("amlnet_objects_unreadable", vec![], 0.0),
        ("amlnet_target_state", TARGET.to_vec(), 1.0),
        ("amlnet_target_entries", TARGET.to_vec(), 10.0),
        ("amlnet_target_entries_limit", TARGET.to_vec(), 400.0),
        ("amlnet_target_pending", TARGET.to_vec(), 0.0),
        ("amlnet_target_conflicts", TARGET.to_vec(), 0.0),
        ("amlnet_target_restored_total", TARGET.to_vec(), 0.0),
        ("amlnet_entries_written_total", vec![("kind", "RouteTable"), ("action", "Add")], 7.0),
        (
            "amlnet_arm_requests_total",
            vec![("method", "PUT"), ("kind", "route"), ("code", "2xx"), ("reason", "Ok")],
            7.0,
        ),
        ("amlnet_arm_request_duration_seconds_count", vec![("method", "PUT"), ("kind", "route")], 7.0),
        ("amlnet_arm_operations_in_flight", vec![("kind", "route")], 0.0),
        ("amlnet_login_total", vec![("result", "Failed")], 0.0),
        ("amlnet_login_total", vec![("result", "Ok")], 1.0),
        ("amlnet_state_write_failures_total", vec![], 0.0),
        ("amlnet_queue_running", vec![], 0.0),
    ] {
        assert_eq!(first.sum(name, &labels), Some(value), "{name} {labels:?}");
    }
    let now = jiff::Timestamp::now().as_second() as f64;
    for name in [
        "amlnet_target_last_success_timestamp_seconds",
        "amlnet_feed_last_success_timestamp_seconds",
        "amlnet_feed_last_attempt_timestamp_seconds",
        "amlnet_feed_document_accepted_timestamp_seconds",
    ] {
        let age = now - first.sum(name, &[]).unwrap();
        assert!((-2.0..120.0).contains(&age), "{name}: {age}");
    }
    for name in [
        "amlnet_feed_document_prefixes",
        "amlnet_feed_document_tags",
        "amlnet_status_writes_total",
        "process_resident_memory_bytes",
    ] {
        assert!(first.sum(name, &[]).unwrap() > 0.0, "{name}");
    }
    for absent in ["additions_deadline_timestamp_seconds", "held", "blocked", "warnings"] {
        assert_eq!(first.sum(&format!("amlnet_target_{absent}"), &[]), None, "{absent}");
    }
    let head = request(address(watched.controller), "HEAD", "/metrics", &[]);
    assert_eq!(head.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(head.body.is_empty());
    assert_eq!(sim.history(TABLE).last().unwrap().entries.len(), 10);
}

fn drift(sim: &Sim, watched: &mut Watched<'_>) {
    let id = |prefix: &str| format!("{TABLE}/routes/amlnet.prod.{}", prefix.replace('/', "_"));
    sim.delete(&id(&east(0)));
    watched.until("put back", &[("amlnet_target_restored_total", &TARGET, Some(1.0))]);
    sim.put(json!({"id": id(&central(1)), "properties": {"addressPrefix": central(1), "nextHopType": "None"}}));
    let after = watched.until(
        "bent back",
        &[("amlnet_target_restored_total", &TARGET, Some(2.0)), ("amlnet_target_pending", &TARGET, Some(0.0))],
    );
    assert_eq!(after.sum("amlnet_entries_written_total", &[("action", "Add")]), Some(8.0));
    assert_eq!(after.sum("amlnet_entries_written_total", &[("action", "Change")]), Some(1.0));
}

fn bad_weather(sim: &Sim, watched: &mut Watched<'_>) {
    sim.fault(put(error(429, "RetryableErrorDueToAnotherOperation"), 1));
    sim.fault(json!({"match": {"method": "PUT", "pathContains": "/routes/", "nth": 3}, "effect": {"throttle": {"retryAfter": 10}}}));
    sim.publish(&Doc::week(2).regions(0..6, 0..3));
    sim.ask_feed();
    let after = watched.until(
        "the second document",
        &[
            ("amlnet_feed_document_change_number", &[("feed", "public")], Some(102.0)),
            ("amlnet_target_entries", &TARGET, Some(12.0)),
            ("amlnet_target_pending", &TARGET, Some(0.0)),
            ("amlnet_target_state", &target(&[("state", "InSync")]), Some(1.0)),
        ],
    );
    let refused = |reason| after.sum("amlnet_arm_requests_total", &[("code", "429"), ("reason", reason)]);
    assert_eq!((refused("Busy"), refused("Throttled")), (Some(1.0), Some(1.0)));
    assert!(after.sum("amlnet_arm_lock_wait_seconds_total", &[("kind", "route")]).unwrap() >= 0.05);
    assert!(after.sum("amlnet_arm_throttled_seconds_total", &[]).unwrap() > 0.0);
    assert_eq!(after.sum("amlnet_target_restored_total", &TARGET), Some(2.0), "a new document is no drift");
    assert_eq!(after.sum("amlnet_feed_results_total", &[("result", "Accepted")]), Some(2.0));
}

fn conflict(sim: &Sim, watched: &mut Watched<'_>) {
    let mut theirs = route("theirs", &east(6), "None");
    theirs["id"] = json!(format!("{TABLE}/routes/theirs"));
    sim.put(theirs);
    sim.publish(&Doc::week(3).regions(0..7, 0..3));
    sim.ask_feed();
    watched.until(
        "the conflict",
        &[
            ("amlnet_target_conflicts", &TARGET, Some(1.0)),
            ("amlnet_target_state", &target(&[("state", "NeedsPerson")]), Some(1.0)),
            ("amlnet_target_pending", &TARGET, Some(0.0)),
            ("amlnet_network_condition", &[("condition", "Blocked"), ("reason", "Conflict")], Some(1.0)),
            ("amlnet_network_condition", &[("condition", "Ready"), ("reason", "Conflict")], Some(0.0)),
        ],
    );
    sim.delete(&format!("{TABLE}/routes/theirs"));
    let after = watched.until(
        "its end",
        &[
            ("amlnet_target_conflicts", &TARGET, Some(0.0)),
            ("amlnet_target_state", &target(&[("state", "InSync")]), Some(1.0)),
        ],
    );
    assert_eq!(after.sum("amlnet_target_restored_total", &TARGET), Some(2.0), "the end of a conflict is no drift");
}

/// Additions that Azure does not let in, over two documents.
fn late(sim: &Sim, watched: &mut Watched<'_>) {
    sim.fault(put(error(403, "AuthorizationFailed"), 0));
    let blocked = target(&[("reason", "Forbidden")]);
    let deadline = "amlnet_target_additions_deadline_timestamp_seconds";
    let wanted = |change_number, pending| {
        vec![
            ("amlnet_feed_document_change_number", vec![("feed", "public")], Some(change_number)),
            ("amlnet_target_blocked", blocked.clone(), Some(1.0)),
            ("amlnet_target_state", target(&[("state", "Blocked")]), Some(1.0)),
            ("amlnet_target_pending", target(&[("action", "Add")]), Some(pending)),
            (deadline, TARGET.to_vec(), Some(day("2025-02-01") + 7.0 * DAY)),
        ]
    };
    for (week, last, change_number, pending) in [(4, 8, 104.0, 1.0), (5, 9, 105.0, 2.0)] {
        sim.publish(&Doc::week(week).regions(0..last, 0..3));
        sim.ask_feed();
        let wanted = wanted(change_number, pending);
        let wanted: Vec<Wanted<'_>> =
            wanted.iter().map(|(name, labels, value)| (*name, labels.as_slice(), *value)).collect();
        watched.until("late", &wanted);
    }
    let refused = watched.scrape().sum("amlnet_arm_requests_total", &[("code", "4xx"), ("reason", "Forbidden")]);
    assert!(refused.unwrap() >= 2.0);
    let ended = |scrape: &Scrape, result| {
        scrape.sum("amlnet_reconcile_duration_seconds_count", &[("result", result)]).unwrap_or_default()
    };
    assert!(ended(&watched.scrape(), "Blocked") >= 2.0);
    // One is counted after the other.
    let controller = watched.controller;
    controller.wait_until("that failures and waits are retries, and what is blocked is none", || {
        let scrape = watched.scrape();
        let again = ended(&scrape, "Waiting") + ended(&scrape, "Failed");
        scrape.sum("amlnet_queue_retries_total", &[]) == Some(again)
    });
    sim.clear_faults();
}

/// What a feed does not take.
fn documents(sim: &Sim, watched: &mut Watched<'_>) {
    let answers = "amlnet_feed_results_total";
    sim.publish_bytes("20250215", b"{\"changeNumber\": ");
    sim.ask_feed();
    watched.until(
        "rejected or failed",
        &[("amlnet_feed_source_result", &[("feed", "public"), ("result", "Failed")], Some(1.0))],
    );
    sim.publish(&Doc::week(7).regions(0..9, 0..3).without("Storage"));
    sim.ask_feed();
    let held = watched.until("held", &[("amlnet_feed_document_held", &[("feed", "public")], Some(1.0))]);
    assert_eq!(held.sum(answers, &[("result", "Held"), ("reason", "Shrunk")]), Some(1.0));
    sim.publish(&Doc::week(8).of_cloud("China"));
    sim.ask_feed();
    watched.until(
        "rejected",
        &[
            (answers, &[("result", "Rejected"), ("reason", "WrongCloud")], Some(1.0)),
            ("amlnet_feed_document_held", &[], None),
        ],
    );
    // The document in force stays.
    assert_eq!(watched.scrape().sum("amlnet_feed_document_change_number", &[]), Some(105.0));
    sim.objects("other.yaml", &[file_feed("other", "none.json")]);
    watched.until(
        "the other feed",
        &[(answers, &[("feed", "other"), ("source", "file"), ("result", "Failed")], Some(1.0))],
    );
    std::fs::remove_file(sim.path("dir/other.yaml")).unwrap();
    watched.until(
        "its end",
        &[
            (answers, &[("feed", "other")], None),
            ("amlnet_feed_last_attempt_timestamp_seconds", &[("feed", "other")], None),
        ],
    );
}

fn gone(sim: &Sim, watched: &mut Watched<'_>) {
    sim.usual(json!({"spec": {"mode": "Observe"}}));
    sim.publish(&Doc::week(9).regions(0..10, 0..3));
    sim.ask_feed();
    let held = target(&[("action", "Add"), ("reason", "Mode")]);
    watched.until(
        "held by the mode",
        &[
            ("amlnet_feed_document_change_number", &[("feed", "public")], Some(109.0)),
            ("amlnet_target_held", &held, Some(3.0)),
            ("amlnet_target_additions_deadline_timestamp_seconds", &[], None),
            ("amlnet_target_blocked", &[], None),
        ],
    );
    let nowhere = json!({"addressPrefix": "0.0.0.0/0", "nextHopType": "None"});
    sim.put(json!({"id": format!("{TABLE}/routes/default"), "properties": nowhere}));
    watched
        .until("the warning", &[("amlnet_target_warnings", &target(&[("code", "DefaultRouteToNowhere")]), Some(1.0))]);
    sim.write("dir/broken.yaml", "kind: [");
    watched.until("what cannot be read", &[("amlnet_objects_unreadable", &[("resource", "File")], Some(1.0))]);
    std::fs::remove_file(sim.path("dir/broken.yaml")).unwrap();
    std::fs::remove_file(sim.path("dir/ml.yaml")).unwrap();
    watched.until(
        "without the AmlNetwork",
        &[
            ("amlnet_network_condition", &[], None),
            ("amlnet_networks", &[], None),
            ("amlnet_objects_unreadable", &[], Some(0.0)),
        ],
    );
}

#[test]
fn a_restart_gives_no_new_notice() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let controller = sim.controller(&LISTEN);
    let mut watched = Watched { controller: &controller, seen: BTreeSet::new() };
    watched.until("in sync", &[("amlnet_target_state", &target(&[("state", "InSync")]), Some(1.0))]);
    sim.fault(put(error(403, "AuthorizationFailed"), 0));
    sim.publish(&Doc::week(2).regions(0..5, 0..3));
    sim.ask_feed();
    let deadline = "amlnet_target_additions_deadline_timestamp_seconds";
    let ends = Some(day("2025-01-15") + 7.0 * DAY);
    watched.until("the deadline", &[(deadline, &TARGET, ends)]);
    controller.terminate();

    sim.publish(&Doc::week(3).regions(0..6, 0..3));
    let controller = sim.controller(&LISTEN);
    let mut watched = Watched { controller: &controller, seen: BTreeSet::new() };
    let pending = target(&[("action", "Add")]);
    watched.until("both additions", &[("amlnet_target_pending", &pending, Some(2.0)), (deadline, &TARGET, ends)]);
    sim.clear_faults();
    let asked = json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": "now"}}});
    sim.usual(asked);
    watched.until("the end of it", &[("amlnet_target_pending", &pending, Some(0.0)), (deadline, &TARGET, None)]);
}
