//! Lists for other makers' firewalls in a cluster: every replica serves what is stored, and the same.

use serde_json::{Value, json};

use crate::harness::{Answer, Controller, Doc, address, feed, get, network};
use crate::replica::Kube;

const V4: &str = "palo-alto";

/// A Network without targets that has one list.
fn with_list(change: Value) -> Value {
    let vault = json!({"name": "vault", "serviceTag": "AzureKeyVault", "ports": [{"protocol": "TCP", "port": 443}]});
    let mut object = network(json!({"spec": {"routes": null, "removal": {"holdFor": "42d"},
        "outbound": {"edition": "2026-03", "profiles": [], "additional": [vault],
            "lists": [{"name": V4, "content": "IPv4"}]}}}));
    crate::harness::merge(&mut object, &change);
    object
}

fn doc(week: u64, vault: &[&str]) -> Doc {
    Doc::week(week).tag("AzureKeyVault", "", vault.iter().copied())
}

impl Kube {
    fn fetch(&self, replica: &Controller, name: &str) -> Answer {
        get(address(replica), &format!("/lists/{}/ml/{name}", self.namespace))
    }

    /// Waits until a replica serves these lines.
    #[track_caller]
    fn serves(&self, replica: &Controller, lines: &[&str]) -> Answer {
        let wanted = lines.join("\n") + "\n";
        replica.wait_until(&format!("the list {lines:?}"), || self.fetch(replica, V4).body == wanted.as_bytes());
        self.fetch(replica, V4)
    }
}

fn stamps(answer: &Answer) -> (String, String, Vec<u8>) {
    (answer.header("etag").to_owned(), answer.header("last-modified").to_owned(), answer.body.clone())
}

#[test]
fn all_replicas_serve_the_same_before_and_after_the_leader_is_gone() {
    let kube = Kube::start();
    kube.apply(&with_list(json!({})));
    let (one, two) = (kube.replica("one", &[]), kube.replica("two", &[]));
    for replica in [&one, &two] {
        replica.wait_until("the objects", || get(address(replica), "/readyz").status == 200);
        replica.wait_until("the list is known", || kube.fetch(replica, V4).status == 503);
        replica.wait_until("it is claimed", || kube.fetch(replica, "other").status == 404);
    }
    kube.sim.publish(&doc(2, &["20.60.0.0/24", "20.60.1.0/24"]));
    kube.apply(&feed(&kube.sim.page(), json!({})));
    let first = kube.serves(&one, &["20.60.0.0/24", "20.60.1.0/24"]);
    assert_eq!(stamps(&kube.serves(&two, &["20.60.0.0/24", "20.60.1.0/24"])), stamps(&first));
    one.wait_until("the status", || kube.network("ml")["status"]["lists"][0]["state"] == "Served");
    assert_eq!(kube.condition("ml", "Ready"), ("True".to_owned(), "Served".to_owned()));

    // Whoever leads now knows what was to stay.
    let (leader, other) = if one.log().contains("leads") { (one, two) } else { (two, one) };
    kube.sim.publish(&doc(3, &["20.60.1.0/24", "20.60.2.0/24"]));
    kube.patch("servicetagfeeds", "public", &json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": "1"}}}));
    let three = ["20.60.0.0/24", "20.60.1.0/24", "20.60.2.0/24"];
    let second = stamps(&kube.serves(&leader, &three));
    assert_eq!(stamps(&kube.serves(&other, &three)), second);
    leader.kill();
    assert_eq!(stamps(&kube.fetch(&other, V4)), second);
    other.wait_until("the lease", || other.log().contains("leads"));
    other.wait_until("its look", || other.log().contains("taken from what is stored"));
    let late = kube.replica("late", &[]);
    late.wait_until("the list", || kube.fetch(&late, V4).status == 200);
    for replica in [&other, &late] {
        assert_eq!(stamps(&kube.fetch(replica, V4)), second);
    }
    assert_eq!(kube.network("ml")["status"]["lists"][0]["retiring"], 1);

    kube.delete("amlnetworks", "ml");
    for replica in [&other, &late] {
        replica.wait_until("the end", || kube.fetch(replica, V4).status == 404);
    }
    other.wait_until("its ConfigMap", || kube.config_maps("-list-").is_empty());
}

#[test]
fn a_list_that_people_touch_is_written_anew_and_never_served_damaged() {
    let kube = Kube::start();
    kube.apply(&with_list(json!({})));
    kube.sim.publish(&doc(2, &["20.60.0.0/24", "20.60.1.0/24"]));
    kube.apply(&feed(&kube.sim.page(), json!({})));
    let replica = kube.replica("one", &[]);
    let served = stamps(&kube.serves(&replica, &["20.60.0.0/24", "20.60.1.0/24"]));
    let map = || kube.config_maps("-list-").into_iter().next();
    let before = map().unwrap();
    let name = before["metadata"]["name"].as_str().unwrap();
    for (what, patch) in [
        ("the seal", json!({"data": {"seal": "sha256:0"}})),
        ("the content", json!({"binaryData": {"list.json.gz": "AAAA"}})),
        ("nothing left", json!({"binaryData": null})),
    ] {
        kube.patch_config_map(name, &patch);
        replica.wait_until(what, || {
            assert_eq!(stamps(&kube.fetch(&replica, V4)), served, "{what}");
            map().is_some_and(|map| map["binaryData"] == before["binaryData"] && map["data"] == before["data"])
        });
    }
    kube.delete_config_map(name);
    replica.wait_until("another one", || map().is_some_and(|map| map["data"] == before["data"]));
    replica.wait_until("the list", || kube.fetch(&replica, V4).status == 200);
    assert_eq!(stamps(&kube.fetch(&replica, V4)), served);

    // Damaged while nobody runs it is lost, and made anew from what is needed now.
    crate::see::stop(replica);
    kube.patch_config_map(name, &json!({"data": {"seal": "sha256:0"}}));
    let replica = kube.replica("two", &[]);
    kube.serves(&replica, &["20.60.0.0/24", "20.60.1.0/24"]);
    assert!(replica.log().contains("what is remembered of a list is lost"), "{}", replica.log());
}
