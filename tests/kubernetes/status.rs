//! What the status of a Network tells people and machines, and how seldom it is written.

use std::collections::BTreeMap;

use cluster::ADMIN;
use serde_json::{Value, json};

use crate::harness::{Counts, Doc, TABLE, east, route, table_id};
use crate::replica::Kube;
use crate::see::rights;

/// What the health checks of GitOps tools take an object for, by the published rules of kstatus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Current,
    InProgress,
    Failed,
    Terminating,
}

fn health(object: &Value) -> Health {
    if object["metadata"]["deletionTimestamp"].is_string() {
        return Health::Terminating;
    }
    let (generation, observed) = (&object["metadata"]["generation"], &object["status"]["observedGeneration"]);
    if !observed.is_null() && observed != generation {
        return Health::InProgress;
    }
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    for condition in conditions.iter().filter(|condition| condition["status"] == "True") {
        if condition["type"] == "Reconciling" {
            return Health::InProgress;
        }
        if condition["type"] == "Stalled" {
            return Health::Failed;
        }
    }
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    if ready.is_none_or(|ready| ready["status"] == "True") { Health::Current } else { Health::InProgress }
}

/// Since when each condition is as it is.
fn times(object: &Value) -> BTreeMap<String, (String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let line = |c: &Value| (text(&c["type"]), (text(&c["status"]), text(&c["lastTransitionTime"])));
    object["status"]["conditions"].as_array().unwrap().iter().map(line).collect()
}

/// Writes of statuses of a user.
fn status_writes(kube: &Kube, user: &str) -> usize {
    let requests = kube.cluster.requests_of(user);
    requests.iter().filter(|request| request.subresource == "status" && request.verb == "update").count()
}

#[test]
fn nothing_is_written_while_nothing_changes_and_over_a_restart() {
    let kube = Kube::start();
    let user = kube.cluster.service_account(&kube.namespace, "amlnet");
    kube.allow(&user, &rights());
    let config = kube.cluster.kubeconfig(&user);
    kube.usual(json!({}));
    let replica = kube.replica_of(&config, &["--resync", "1s"]);
    kube.in_sync(&replica);
    let looks = || Counts::of(&kube.sim.log(), TABLE).get_table;
    let quiet_since = looks();
    replica.wait_until("some looks", || looks() >= quiet_since + 2);
    let writes = |verbs: &[&str]| -> usize {
        let requests = kube.cluster.requests_of(&user);
        let counts = |r: &&cluster::Request| verbs.contains(&r.verb.as_str()) && r.resource != "leases";
        requests.iter().filter(counts).count()
    };
    let all = ["create", "update", "patch", "delete"];
    let (before, object, events) = (writes(&all), kube.network("ml"), kube.events("ml"));
    let from = looks();
    replica.wait_until("more looks", || looks() >= from + 5);
    assert_eq!(writes(&all), before, "nothing changed");
    let (code, _, log) = replica.terminate();
    assert_eq!(code, 0, "{log}");

    // The next one finds everything as it is, and says nothing.
    let from = looks();
    let replica = kube.replica_of(&config, &["--resync", "1s"]);
    replica.wait_until("more looks", || looks() >= from + 3);
    assert_eq!(kube.network("ml")["metadata"]["resourceVersion"], object["metadata"]["resourceVersion"]);
    assert_eq!(kube.events("ml"), events);

    // A new document: it is ready again, and what did not turn keeps its time.
    let since = times(&kube.network("ml"));
    kube.publish(&replica, 102, &Doc::week(2).regions(0..5, 0..3));
    replica.wait_until("the new route", || kube.sim.ours_now() == 8);
    kube.in_sync(&replica);
    let now = times(&kube.network("ml"));
    for still in ["Stalled", "Blocked"] {
        assert_eq!(now[still], since[still], "{still}");
    }
    let (code, _, log) = replica.terminate();
    assert_eq!(code, 0, "{log}");
}

#[test]
fn a_status_is_written_at_most_once_a_second_while_much_changes() {
    let kube = Kube::start();
    let user = kube.cluster.service_account(&kube.namespace, "amlnet");
    kube.allow(&user, &rights());
    kube.usual(json!({}));
    let replica = kube.replica_of(&kube.cluster.kubeconfig(&user), &[]);
    kube.in_sync(&replica);
    let (started, before) = (std::time::Instant::now(), status_writes(&kube, &user));
    // Each changes what is observed; the loop waits for two seconds of quiet, at most ten.
    for hold in 1..=40 {
        kube.patch("amlnetworks", "ml", &json!({"spec": {"removal": {"holdFor": format!("{hold}d")}}}));
    }
    replica.wait_until("the last change", || {
        let object = kube.network("ml");
        object["status"]["observedGeneration"] == object["metadata"]["generation"]
    });
    kube.in_sync(&replica);
    let (seconds, written) = (started.elapsed().as_secs(), status_writes(&kube, &user) - before);
    let limit = usize::try_from(seconds).unwrap() + 2;
    // A conflict is a write that did not come about, and is not repeated at once.
    assert!((1..=2 * limit).contains(&written), "{written} writes in {seconds} s");
    let done = kube.cluster.requests_of(&user);
    let done =
        done.iter().filter(|r| r.subresource == "status" && r.resource == "amlnetworks" && r.code == 200).count();
    assert!(done <= limit + 4, "{done} writes in {seconds} s and at the start");
}

#[test]
fn what_somebody_writes_into_the_status_is_written_over() {
    let kube = Kube::start();
    let replica = kube.running(json!({}), &[]);
    let truth = kube.network("ml")["status"].clone();
    kube.patch_status("ml", &json!({"pending": 99, "conditions": [], "targets": [], "document": null}));
    replica.wait_until("the truth", || kube.network("ml")["status"] == truth);
    // Also while the spec is changed by somebody else all the time.
    for round in 0..5 {
        kube.patch_status("ml", &json!({"pending": 100 + round}));
        kube.patch("amlnetworks", "ml", &json!({"spec": {"growth": {"total": 200 + round}}}));
    }
    replica.wait_until("the truth again", || {
        let object = kube.network("ml");
        object["status"]["pending"] == 0 && object["status"]["observedGeneration"] == object["metadata"]["generation"]
    });
    kube.in_sync(&replica);
}

#[test]
fn describe_alone_tells_what_is_pending_held_and_until_when_and_what_to_do() {
    let kube = Kube::start();
    // A prefix that left, more than the budget allows, and somebody's route in the way.
    kube.sim.put(json!({"id": format!("{TABLE}/routes/theirs"), "name": "theirs",
        "properties": {"addressPrefix": east(0), "nextHopType": "VirtualAppliance", "nextHopIpAddress": "10.9.9.9"}}));
    let removal = json!({"holdFor": "42d", "approval": "Always", "budget": {"max": 10, "percent": 30}});
    kube.usual(json!({"spec": {"removal": removal}}));
    let replica = kube.replica("one", &[]);
    replica.wait_until("the conflict", || kube.condition("ml", "Blocked") == ("True".into(), "Conflict".into()));
    let describe = || {
        let text = kube.kubectl(&["describe", "amln", "ml"]);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let said = describe();
    for text in ["Change Number: 101", "in conflict", &east(0), "theirs", "10.9.9.9"] {
        assert!(said.contains(text), "{text:?} is missing in\n{said}");
    }
    kube.sim.delete(&format!("{TABLE}/routes/theirs"));
    let ask = json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": "1"}}});
    kube.patch("amlnetworks", "ml", &ask);
    kube.in_sync(&replica);

    kube.publish(&replica, 102, &Doc::week(2).regions(1..4, 0..3));
    replica.wait_until("the hold", || kube.condition("ml", "Ready") == ("True".into(), "RemovalsHeld".into()));
    let since = kube.network("ml")["status"]["retiring"][0]["since"].as_str().unwrap().to_owned();
    let until: jiff::Timestamp = since.parse().unwrap();
    let until = (until + jiff::SignedDuration::from_hours(42 * 24)).to_string();
    let said = describe();
    let until = format!("the first until {until}");
    for text in ["Change Number: 102", "1 steps are held", &until, &east(0), &since, "Pending: 1"] {
        assert!(said.contains(text), "{text:?} is missing in\n{said}");
    }

    // Another next hop needs a person: the command stands there, with the hash.
    let hop = json!([{"id": TABLE, "nextHop": {"type": "VirtualAppliance", "ipAddress": "10.0.1.4"}}]);
    kube.patch("amlnetworks", "ml", &json!({"spec": {"routes": {"routeTables": hop}}}));
    replica.wait_until("the need", || kube.condition("ml", "Blocked") == ("True".into(), "ApprovalNeeded".into()));
    let said = describe();
    let command = format!("amlnet approve {}/ml --hash sha256:", kube.namespace);
    for text in [command.as_str(), "Pending Hash:", "ApprovalNeeded"] {
        assert!(said.contains(text), "{text:?} is missing in\n{said}");
    }
}

#[test]
fn kubectl_get_shows_the_columns_and_wait_works() {
    let kube = Kube::start();
    let _replica = kube.running(json!({}), &[]);
    let lines = |arguments: &[&str]| -> Vec<Vec<String>> {
        let text = kube.kubectl(arguments);
        text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let short = lines(&["get", "amln"]);
    assert_eq!(short[0], ["NAME", "REGION", "PAIR", "MODE", "DOCUMENT", "PENDING", "READY", "AGE"]);
    assert_eq!(short[1][..7], ["ml", "eastus2", "centralus", "Sync", "101", "0", "True"]);
    let wide = kube.kubectl(&["get", "amln", "-o", "wide"]);
    for text in ["FEED", "SUSPENDED", "BLOCKED", "REASON", "MESSAGE", "public", "InSync", "1 of 1 targets hold"] {
        assert!(wide.contains(text), "{text:?} is missing in\n{wide}");
    }
    kube.kubectl(&["wait", "--for=condition=Ready", "amln/ml", "--timeout=30s"]);
    kube.kubectl(&["wait", "--for=condition=Blocked=False", "amln/ml", "--timeout=30s"]);
    kube.kubectl(&["get", "amlnet"]);
}

#[test]
fn gitops_tools_see_each_situation_as_what_it_is() {
    let kube = Kube::start();
    kube.usual(json!({"spec": {"deletionPolicy": "Delete"}}));
    let config = kube.cluster.kubeconfig(ADMIN);
    let replica = kube.replica_of(&config, &[]);
    // From the claim on it is in progress until it is in step, and never current before.
    let mut seen = Vec::new();
    replica.wait_until("Current", || {
        let object = kube.network("ml");
        if object["status"]["installation"] == "prod" {
            seen.push((health(&object), kube.sim.ours_now()));
        }
        seen.last().is_some_and(|(health, _)| *health == Health::Current)
    });
    assert_eq!(seen.pop().unwrap().1, 7);
    assert!(!seen.is_empty() && seen.iter().all(|(health, _)| *health == Health::InProgress), "{seen:?}");

    // Another spec is in progress from the moment at which it stands there.
    kube.patch("amlnetworks", "ml", &json!({"spec": {"growth": {"total": 7}}}));
    assert_eq!(health(&kube.network("ml")), Health::InProgress);
    replica.wait_until("Current", || health(&kube.network("ml")) == Health::Current);

    // Azure does not answer: it may pass by itself.
    let gone = json!({"match": {"server": "arm", "pathContains": "routetables"}, "times": 0, "effect": "dropBefore"});
    kube.sim.fault(gone);
    kube.patch("amlnetworks", "ml", &json!({"spec": {"growth": {"total": 8}}}));
    replica.wait_until("the failure", || kube.condition("ml", "Ready").1 == "Failed");
    assert_eq!(health(&kube.network("ml")), Health::InProgress);
    kube.sim.clear_faults();

    // Refused: a person has to do something.
    kube.sim.fault(json!({"match": {"server": "arm", "pathContains": "routetables"}, "times": 0,
        "effect": {"status": {"code": 403, "body": {"error": {"code": "AuthorizationFailed", "message": "no"}}}}}));
    kube.patch("amlnetworks", "ml", &json!({"spec": {"growth": {"total": 9}}}));
    replica.wait_until("Failed", || health(&kube.network("ml")) == Health::Failed);

    kube.delete("amlnetworks", "ml");
    replica.wait_until("Terminating", || health(&kube.network("ml")) == Health::Terminating);
    kube.sim.clear_faults();
    kube.patch("amlnetworks", "ml", &json!({"spec": {"deletionPolicy": "Retain"}}));
    replica.wait_until("the end", || kube.network("ml").is_null());
}

#[test]
fn long_lists_are_capped_and_counted() {
    let kube = Kube::start();
    // 60 routes of somebody else stand where ours should, and 60 prefixes leave afterwards.
    let other = table_id("rt-2");
    kube.sim.put(json!({"id": other, "location": "eastus2", "properties": {
        "routes": (0..60).map(|i| route(&format!("theirs-{i}"), &east(i), "None")).collect::<Vec<_>>()}}));
    let doc = |week| {
        let many = (0..1000).map(|i| format!("41.{}.{}.0/24", i / 250, i % 250));
        Doc::week(week).tag("Sql", "", many)
    };
    kube.sim.publish(&doc(2).regions(0..70, 0..3));
    let tables = json!([{"id": TABLE}, {"id": other}]);
    let replica = {
        kube.usual(json!({"spec": {"routes": {"routeTables": tables}, "removal": {"holdFor": "42d"}}}));
        kube.replica("one", &[])
    };
    replica.wait_until("the conflicts", || kube.condition("ml", "Blocked") == ("True".into(), "Conflict".into()));
    replica.wait_until("the other table", || kube.sim.ours_now() == 73);
    let targets = || -> Vec<Value> { kube.network("ml")["status"]["targets"].as_array().unwrap().clone() };
    let conflicts = targets().into_iter().find(|target| target["state"] == "NeedsPerson").unwrap();
    assert_eq!((conflicts["conflicts"].as_array().unwrap().len(), &conflicts["conflictsNotListed"]), (50, &json!(10)));
    kube.publish(&replica, 103, &doc(3).regions(60..70, 0..3));
    replica.wait_until("what retires", || kube.network("ml")["status"]["retiringNotListed"] == 10);
    assert_eq!(kube.network("ml")["status"]["retiring"].as_array().unwrap().len(), 50);
}

#[test]
fn events_tell_of_transitions_only_and_are_missed_by_nothing() {
    let kube = Kube::start();
    let replica = kube.running(json!({}), &["--resync", "1s"]);
    replica.wait_until("the events", || !kube.events("ml").is_empty() && !kube.events("public").is_empty());
    let said = kube.kubectl(&["get", "events", "-o", "custom-columns=:.reason,:.message", "--no-headers"]);
    for text in ["InSync", "1 of 1 targets hold what they need", "DocumentAccepted", "change number 101"] {
        assert!(said.contains(text), "{text:?} is missing in\n{said}");
    }
    let looks = || Counts::of(&kube.sim.log(), TABLE).get_table;
    let (from, before) = (looks(), kube.events("ml"));
    replica.wait_until("more looks", || looks() >= from + 4);
    assert_eq!(kube.events("ml"), before);
    // What Azure refuses is told once, however often it is tried.
    kube.sim.fault(json!({"match": {"server": "arm", "pathContains": "routetables"}, "times": 0,
        "effect": {"status": {"code": 403, "body": {"error": {"code": "AuthorizationFailed", "message": "no"}}}}}));
    replica.wait_until("the warning", || kube.events("ml").len() > before.len());
    let (reason, note) = kube.events("ml").pop().unwrap();
    assert_eq!(reason, "Forbidden");
    assert!(note.contains("AuthorizationFailed"), "{note}");
    for (value, count) in [("a", 1), ("b", 1)] {
        let ask = json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": value}}});
        kube.patch("amlnetworks", "ml", &ask);
        replica.wait_until("the answer", || kube.network("ml")["status"]["lastHandledReconcileAt"] == value);
        assert_eq!(kube.events("ml").len(), before.len() + count, "{:?}", kube.events("ml"));
    }
}

#[test]
fn where_events_are_forbidden_it_works_on_and_says_so_once() {
    let kube = Kube::start();
    let user = kube.cluster.service_account(&kube.namespace, "amlnet");
    let but_events: Vec<Value> = rights().into_iter().filter(|rule| rule["apiGroups"][0] != "events.k8s.io").collect();
    kube.allow(&user, &but_events);
    kube.usual(json!({}));
    let replica = kube.replica_of(&kube.cluster.kubeconfig(&user), &[]);
    kube.in_sync(&replica);
    kube.publish(&replica, 102, &Doc::week(2).regions(0..6, 0..3));
    replica.wait_until("the routes", || kube.sim.ours_now() == 9);
    kube.in_sync(&replica);
    let refused = || {
        let requests = kube.cluster.requests_of(&user);
        requests.iter().filter(|request| request.resource == "events" && request.code == 403).count()
    };
    replica.wait_until("several events", || refused() >= 3);
    let log = replica.log();
    assert_eq!(log.matches("events cannot be sent").count(), 1, "{log}");
    assert_eq!(kube.events("ml"), []);
}
