//! What is watched: objects that come, change and go, namespaces, and objects of a newer version that cannot be read.

use cluster::Cluster;
use serde_json::{Value, json};

use crate::harness::{Controller, Counts, Doc, Sim, TABLE, central, east, feed, network, ours, table_id, west};
use crate::replica::Kube;
use crate::see::stop;

fn is_in_sync(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|c| c["type"] == "Ready" && c["reason"] == "InSync")
}

#[test]
fn feeds_and_networks_count_from_when_they_come_until_they_go() {
    let kube = Kube::start();
    let replica = kube.replica("one", &[]);
    replica.wait_until("leading", || replica.log().contains("leads"));
    // A network without its feed waits, and says for what.
    kube.apply(&network(json!({})));
    replica.wait_until("the want of a feed", || kube.message("ml", "Ready").contains("FeedMissing"));
    assert_eq!(kube.condition("ml", "Stalled").0, "True");
    kube.apply(&feed(&kube.sim.page(), json!({})));
    replica.wait_until("the routes", || kube.sim.ours_now() == 7);
    kube.in_sync(&replica);
    // A changed spec.
    kube.patch("amlnetworks", "ml", &json!({"spec": {"pairedRegion": "westeurope"}}));
    replica.wait_until("approval of another region", || kube.condition("ml", "Blocked").1 == "ApprovalNeeded");
    assert!(!ours(&kube.sim.table()).contains(&west(1)), "not without a person");
    kube.patch("amlnetworks", "ml", &json!({"spec": {"pairedRegion": "Auto"}}));
    kube.in_sync(&replica);
    // The feed goes: what it said last is no longer known, and nothing is removed.
    kube.delete("servicetagfeeds", "public");
    replica.wait_until("the want of a feed", || kube.message("ml", "Ready").contains("FeedMissing"));
    assert_eq!(kube.sim.ours_now(), 7);
    kube.apply(&feed(&kube.sim.page(), json!({})));
    kube.in_sync(&replica);
    assert_eq!(kube.sim.ours_now(), 7);
}

#[test]
fn only_the_namespaces_that_are_watched_count() {
    let other = table_id("rt-2");
    let third = table_id("rt-3");
    let tables: Vec<(&str, Vec<Value>)> = vec![(TABLE, vec![]), (&other, vec![]), (&third, vec![])];
    let (kube, watched) = Kube::with(Sim::with_tables(&tables, json!({}))).beside();
    let unwatched = crate::replica::shared().namespace("t");
    let at = |id: &str| network(json!({"spec": {"routes": {"routeTables": [{"id": id}]}}}));
    kube.apply_in(&watched, &at(&other));
    kube.apply_in(&unwatched, &at(&third));
    // A feed counts in the controller's own namespace only.
    kube.apply_in(&watched, &feed("https://127.0.0.1:1/nowhere", json!({})));
    let replica = kube.running(json!({}), &["--watch-namespaces", &watched, "--allow-any-scope"]);
    replica.wait_until("the watched one", || is_in_sync(&kube.get_in(&watched, "amlnetworks", "ml")));
    assert_eq!(ours(&kube.sim.history(&other)).len(), 7);
    let unseen = kube.get_in(&unwatched, "amlnetworks", "ml")["status"].clone();
    assert_eq!((&unseen["installation"], &unseen["observedGeneration"]), (&json!(""), &json!(-1)));
    assert_eq!(Counts::of(&kube.sim.log(), &third).get_table, 0);
    let unseen = kube.get_in(&watched, "servicetagfeeds", "public")["status"].clone();
    assert_eq!((&unseen["current"], &unseen["observedGeneration"]), (&Value::Null, &json!(-1)));
    stop(replica);
}

/// A cluster of its own with all CRDs, the AmlNetwork's changed.
fn with_crds(change: impl Fn(&mut Value)) -> Kube {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start().unwrap()));
    let sim = Sim::start();
    cluster.apply(&crds(&sim, change));
    let namespace = cluster.namespace("t");
    Kube { cluster, namespace, sim }
}

fn crds(sim: &Sim, change: impl Fn(&mut Value)) -> String {
    let mut list = sim.amlnet(&["crd", "-o", "json"]).exits(0).json();
    let items = list["items"].as_array_mut().unwrap();
    let network = items.iter_mut().find(|crd| crd["spec"]["names"]["kind"] == "AmlNetwork").unwrap();
    change(&mut network["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]);
    list.to_string()
}

fn healthy(replica: &Controller, path: &str) -> Option<(u16, String)> {
    use std::io::{Read as _, Write as _};
    let log = replica.log();
    let address = log
        .split("serves /healthz, /readyz, /metrics and /lists address=")
        .nth(1)?
        .split_whitespace()
        .next()?
        .to_owned();
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

#[test]
fn a_value_that_only_a_newer_version_knows_freezes_removals_and_stops_nothing_else() {
    // A newer CRD has one more mode, and one more field.
    let kube = with_crds(|schema| {
        let spec = &mut schema["spec"]["properties"];
        spec["mode"]["enum"].as_array_mut().unwrap().push(json!("Ask"));
        spec["windows"] = json!({"type": "array", "items": {"type": "string"}});
    });
    let other = table_id("rt-2");
    kube.sim.put(json!({"id": other, "location": "eastus2", "properties": {"routes": []}}));
    let second = |change: Value| {
        let mut object =
            network(json!({"metadata": {"name": "second"}, "spec": {"routes": {"routeTables": [{"id": other}]}}}));
        crate::harness::merge(&mut object, &change);
        object
    };
    kube.apply(&second(json!({"spec": {"deletionPolicy": "Delete"}})));
    let replica = kube.running(json!({}), &[]);
    replica.wait_until("the second", || is_in_sync(&kube.network("second")));
    let is_kept = || kube.network("second")["metadata"]["finalizers"] == json!(["amlnet.dev/cleanup"]);
    replica.wait_until("the finalizer", is_kept);

    kube.apply(&second(json!({"spec": {"mode": "Ask", "deletionPolicy": "Delete"}})));
    let invalid = || kube.condition("second", "Stalled") == ("True".into(), "InvalidSpec".into());
    replica.wait_until("the report", invalid);
    let message = kube.message("second", "Ready");
    assert!(message.contains("spec.mode") && message.contains("Ask"), "{message}");
    let object = kube.network("second");
    assert_eq!(object["status"]["observedGeneration"], object["metadata"]["generation"], "kstatus would wait for ever");

    // The other goes on: additions yes, removals no, and why is said.
    kube.publish(&replica, 102, &Doc::week(2).regions(1..6, 0..3));
    replica.wait_until("what is new", || kube.sim.ours_now() == 9);
    replica.wait_until("why", || kube.message("ml", "Ready").contains("an object cannot be read"));
    assert!(ours(&kube.sim.table()).contains(&east(0)));
    // Its own table still gets what its last readable text needs, and loses nothing.
    assert!(ours(&kube.sim.history(&other)).contains(&east(0)));

    // After a restart nobody knows any readable text of it.
    stop(replica);
    let replica = kube.replica("two", &["--resync", "1s"]);
    let looks = Counts::of(&kube.sim.log(), TABLE).get_table;
    replica.wait_until("more looks", || Counts::of(&kube.sim.log(), TABLE).get_table >= looks + 3);
    assert!(invalid(), "{}", kube.network("second"));
    assert!(is_kept(), "nobody knows that it is to be given up");
    assert!(ours(&kube.sim.table()).contains(&east(0)));
    assert!(ours(&kube.sim.history(&other)).contains(&east(0)));

    // Repaired, everything goes on.
    kube.apply(&second(json!({})));
    let wanted = || (1..6).map(east).chain((0..3).map(central)).collect();
    replica.wait_until("the removals", || ours(&kube.sim.table()) == wanted());
    replica.wait_until("those of the second", || ours(&kube.sim.history(&other)) == wanted());
    replica.wait_until("the second", || is_in_sync(&kube.network("second")));

    // A field that it does not know is no less unreadable than a value.
    kube.apply(&second(json!({"spec": {"windows": ["always"]}})));
    replica.wait_until("the report", || kube.message("second", "Ready").contains("windows"));
    stop(replica);
    kube.cluster.stop_api_server(); // the other tests need its share
}

#[test]
fn crds_that_are_missing_or_older_are_said_until_they_are_there() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start().unwrap()));
    let kube = Kube { cluster, namespace: cluster.namespace("t"), sim: Sim::start() };
    let replica = kube.replica("one", &[]);
    let says = |text: &str| healthy(&replica, "/readyz").is_some_and(|(code, body)| code == 503 && body.contains(text));
    replica.wait_until("not ready", || says("is not installed: apply the output of `amlnet crd`"));
    assert_eq!(healthy(&replica, "/healthz").unwrap().0, 200);
    assert!(replica.log().contains("is not installed: apply the output of `amlnet crd`"));
    // Then one that is too old.
    cluster.apply(&crds(&kube.sim, |schema| {
        schema["spec"]["properties"].as_object_mut().unwrap().remove("growth");
    }));
    replica.wait_until("older", || says("is older than this amlnet: it does not know spec.growth"));
    // And the right one: it goes on by itself.
    cluster.apply(&crds(&kube.sim, |_| {}));
    replica.wait_until("ready", || healthy(&replica, "/readyz").is_some_and(|(code, _)| code == 200));
    kube.usual(json!({}));
    kube.in_sync(&replica);
    stop(replica);
    cluster.stop_api_server(); // the other tests need its share
}
