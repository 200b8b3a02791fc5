//! The life of a Network: suspended, asked about, deleted with and without its routes, renamed, moved, made anew.

use cluster::ADMIN;
use serde_json::{Value, json};

use crate::harness::{Counts, Doc, TABLE, assert_clean, central, east, final_routes, network, ours};
use crate::replica::Kube;

fn all() -> Vec<String> {
    (0..4).map(east).chain((0..3).map(central)).collect()
}

fn finalizers(object: &Value) -> Vec<&str> {
    let list = object["metadata"]["finalizers"].as_array();
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn a_suspended_network_writes_nothing_until_it_goes_on() {
    let kube = Kube::start();
    let replica = kube.running(json!({}), &[]);
    kube.patch("amlnetworks", "ml", &json!({"spec": {"suspend": true}}));
    let observed = || kube.network("ml")["status"]["observedGeneration"] == 2;
    replica.wait_until("the suspension is seen", observed);
    let writes = kube.sim.writes();
    kube.publish(&replica, 102, &Doc::week(2).regions(1..6, 0..3));
    replica.wait_until("what is held", || kube.network("ml")["status"]["pending"] == 3);
    let said = kube.kubectl(&["describe", "amln", "ml"]);
    assert!(said.contains("is suspended"), "{said}");
    assert_eq!(kube.sim.writes(), writes);
    kube.patch("amlnetworks", "ml", &json!({"spec": {"suspend": false}}));
    replica.wait_until("what was held", || ours(&kube.sim.table()).contains(&east(5)));
    kube.in_sync(&replica);
    assert_clean(&kube.sim.table(), (1..4).map(east).chain((0..3).map(central)));
}

#[test]
fn whoever_asks_gets_a_look_at_once_and_is_told_that_it_was_taken() {
    let kube = Kube::start();
    let replica = kube.running(json!({}), &[]);
    for value in ["2026-01-01T00:00:00Z", "once more"] {
        let before = Counts::of(&kube.sim.log(), TABLE);
        let ask = json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": value}}});
        kube.patch("amlnetworks", "ml", &ask);
        replica.wait_until("the answer", || kube.network("ml")["status"]["lastHandledReconcileAt"] == value);
        let after = Counts::of(&kube.sim.log(), TABLE);
        assert!(after.get_table > before.get_table, "{value}: the table was not looked at");
        assert_eq!(after.writes(), before.writes());
    }
    // After a restart the same value is no new question.
    drop(replica);
    let version = kube.network("ml")["metadata"]["resourceVersion"].clone();
    let looks = Counts::of(&kube.sim.log(), TABLE).get_table;
    let replica = kube.replica("two", &["--resync", "1s"]);
    replica.wait_until("three looks", || Counts::of(&kube.sim.log(), TABLE).get_table >= looks + 3);
    assert_eq!(kube.network("ml")["metadata"]["resourceVersion"], version, "{}", kube.network("ml"));
}

#[test]
fn with_policy_delete_its_routes_go_first_and_then_the_network() {
    for mode in ["Sync", "UpsertOnly"] {
        let kube = Kube::start();
        // The strictest rules about removals count for none of this.
        let spec = json!({"mode": mode, "deletionPolicy": "Delete", "removal": null});
        let replica = kube.running(json!({"spec": spec}), &[]);
        replica.wait_until("the finalizer", || finalizers(&kube.network("ml")) == ["amlnet.dev/cleanup"]);
        kube.delete("amlnetworks", "ml");
        replica.wait_until("the end of the network", || kube.network("ml").is_null());
        let history = kube.sim.table();
        assert_eq!(ours(&history).len(), 0, "{mode}");
        assert_eq!(final_routes(&history).len(), 3, "those of others stay");
        assert_clean(&history, Vec::<String>::new());
        replica.wait_until("nothing is remembered", || kube.memory().is_none());
    }
}

#[test]
fn with_policy_delete_in_mode_observe_nothing_is_written_and_it_goes() {
    let kube = Kube::start();
    let replica = kube.running(json!({"spec": {"deletionPolicy": "Delete"}}), &[]);
    kube.patch("amlnetworks", "ml", &json!({"spec": {"mode": "Observe"}}));
    replica.wait_until("the mode", || kube.network("ml")["status"]["observedGeneration"] == 2);
    let writes = kube.sim.writes();
    kube.delete("amlnetworks", "ml");
    replica.wait_until("the end of the network", || kube.network("ml").is_null());
    assert_eq!(kube.sim.writes(), writes);
    assert_eq!(ours(&kube.sim.table()).len(), 7);
}

#[test]
fn with_policy_retain_it_goes_at_once_and_coming_back_is_no_news_for_azure() {
    let (kube, other) = Kube::start().beside();
    let replica = kube.running(json!({}), &["--watch-namespaces", &other, "--allow-any-scope"]);
    assert_eq!(finalizers(&kube.network("ml")), Vec::<&str>::new());
    let (history, writes) = (kube.sim.table(), kube.sim.writes());

    // Deleted and made anew.
    kube.delete("amlnetworks", "ml");
    assert!(kube.network("ml").is_null());
    kube.apply(&network(json!({})));
    kube.in_sync(&replica);
    // Renamed: the new one comes, the old one goes.
    let renamed = network(json!({"metadata": {"name": "renamed"}}));
    kube.apply(&renamed);
    kube.delete("amlnetworks", "ml");
    let in_sync = |object: &Value| {
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|c| c["type"] == "Ready" && c["reason"] == "InSync")
    };
    replica.wait_until("the renamed one", || in_sync(&kube.network("renamed")));
    // Moved to another namespace: gone here, and then there.
    kube.delete("amlnetworks", "renamed");
    kube.apply_in(&other, &renamed);
    replica.wait_until("the moved one", || in_sync(&kube.get_in(&other, "amlnetworks", "renamed")));
    // Gone for good, with nobody left: what stands there stays.
    let looks = Counts::of(&kube.sim.log(), TABLE).get_table;
    let path = format!("/apis/amlnet.dev/v1alpha1/namespaces/{other}/amlnetworks/renamed");
    assert_eq!(kube.cluster.ask(ADMIN, "DELETE", &path, None).unwrap().status, 200);
    replica.wait_until("a look", || Counts::of(&kube.sim.log(), TABLE).get_table > looks);
    assert_eq!(kube.sim.writes(), writes);
    assert_eq!(kube.sim.table(), history);
    assert_clean(&history, all());
}

#[test]
fn while_azure_is_gone_a_deletion_waits_and_names_the_way_out_which_works() {
    let gone = json!({"match": {"server": "arm"}, "times": 0, "effect": "dropBefore"});
    let refuses = json!({"match": {"server": "arm", "pathContains": "routetables"}, "times": 0,
        "effect": {"status": {"code": 403, "body": {"error": {"code": "AuthorizationFailed", "message": "no"}}}}});
    for fault in [Some(gone), Some(refuses), None] {
        let kube = Kube::start();
        let replica = kube.running(json!({"spec": {"deletionPolicy": "Delete"}}), &[]);
        replica.wait_until("the finalizer", || !finalizers(&kube.network("ml")).is_empty());
        match &fault {
            Some(fault) => kube.sim.fault(fault.clone()),
            None => kube.sim.delete(TABLE),
        }
        kube.delete("amlnetworks", "ml");
        replica.wait_until("the way out", || kube.message("ml", "Ready").contains("set deletionPolicy: Retain"));
        let object = kube.network("ml");
        assert!(object["metadata"]["deletionTimestamp"].is_string(), "{object}");
        assert_eq!(kube.condition("ml", "Ready"), ("False".into(), "Deleting".into()));
        kube.patch("amlnetworks", "ml", &json!({"spec": {"deletionPolicy": "Retain"}}));
        replica.wait_until("the end of the network", || kube.network("ml").is_null());
        if fault.is_some() {
            kube.sim.clear_faults();
            assert_eq!(ours(&kube.sim.table()).len(), 7, "what it left stays");
        }
    }
}

#[test]
fn a_policy_that_is_changed_to_retain_takes_the_finalizer_away() {
    let kube = Kube::start();
    let replica = kube.running(json!({"spec": {"deletionPolicy": "Delete"}}), &[]);
    // Whatever else keeps the object is none of our business.
    replica.wait_until("the finalizer", || !finalizers(&kube.network("ml")).is_empty());
    let both = json!({"metadata": {"finalizers": ["amlnet.dev/cleanup", "example.com/other"]}});
    kube.patch("amlnetworks", "ml", &both);
    kube.patch("amlnetworks", "ml", &json!({"spec": {"deletionPolicy": "Retain"}}));
    replica.wait_until("the finalizer goes", || finalizers(&kube.network("ml")) == ["example.com/other"]);
    let writes = kube.sim.writes();
    kube.delete("amlnetworks", "ml");
    kube.patch("amlnetworks", "ml", &json!({"metadata": {"finalizers": null}}));
    assert!(kube.network("ml").is_null());
    assert_eq!((kube.sim.writes(), kube.sim.ours_now()), (writes, 7));
}

#[test]
fn what_another_installation_handles_is_left_alone_and_said() {
    let kube = Kube::start();
    let other = network(json!({"metadata": {"name": "theirs"}}));
    kube.apply(&other);
    kube.patch_status("theirs", &json!({"installation": "blue"}));
    let replica = kube.running(json!({}), &[]);
    replica.wait_until("an event", || !kube.events("theirs").is_empty());
    let (reason, note) = kube.events("theirs").remove(0);
    assert_eq!(reason, "OtherInstallation");
    assert!(note.contains("installation blue handles this object") && note.contains("status.installation"), "{note}");
    assert_eq!(kube.network("theirs")["status"]["installation"], "blue");
    assert_eq!(kube.network("theirs")["status"]["conditions"].as_array().map_or(0, Vec::len), 0);

    // Handed over while it is worked for: it is let go at once, and what it needs stays.
    kube.patch_status("ml", &json!({"installation": "blue", "pending": 77}));
    replica.wait_until("an event", || kube.events("ml").iter().any(|(reason, _)| reason == "OtherInstallation"));
    // And back: cleared, it is claimed again.
    kube.patch_status("theirs", &json!({"installation": ""}));
    replica.wait_until("the claim", || kube.network("theirs")["status"]["installation"] == "prod");
    let ready = || kube.condition("theirs", "Ready") == ("True".into(), "InSync".into());
    replica.wait_until("it is worked for", ready);
    // Statuses that somebody changed are looked for every few seconds; those of others are none of them.
    kube.patch_status("theirs", &json!({"pending": 88}));
    replica.wait_until("its status", || kube.network("theirs")["status"]["pending"] == 0);
    let status = kube.network("ml")["status"].clone();
    assert_eq!((&status["installation"], &status["pending"]), (&json!("blue"), &json!(77)));
    assert_clean(&kube.sim.table(), all());
    assert_eq!(kube.sim.ours_now(), 7);
}

#[test]
fn two_installations_in_two_namespaces_share_a_table_in_peace() {
    let (mut kube, other) = Kube::start().beside();
    let replica = kube.running(json!({"spec": {"deletionPolicy": "Delete"}}), &[]);
    let own = std::mem::replace(&mut kube.namespace, other.clone());
    kube.usual(json!({"spec": {"region": "westeurope", "pairedRegion": "eastus2"}}));
    let mut command = kube.command("blue", &kube.cluster.kubeconfig(ADMIN), &[]);
    kube.namespace = own;
    command.env("AMLNET_INSTALLATION_ID", "blue");
    let blue = kube.sim.background(command);
    let ready = || {
        let object = kube.get_in(&other, "amlnetworks", "ml");
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|c| c["type"] == "Ready" && c["reason"] == "InSync")
    };
    blue.wait_until("the other one", ready);
    let names = |history: &[_]| -> Vec<String> {
        final_routes(history).into_values().map(|route| route.name).filter(|name| name.contains(".blue.")).collect()
    };
    // What the first, and somebody else, have there already is enough; the second adds the rest.
    assert_eq!(names(&kube.sim.table()).len(), 1, "{:?}", final_routes(&kube.sim.table()));
    assert_eq!(kube.sim.ours_now(), 7);
    // The first goes with its routes; the second puts back what it needs, and nothing else.
    kube.delete("amlnetworks", "ml");
    replica.wait_until("the end", || kube.network("ml").is_null());
    let ask = json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": "now"}}});
    let path = format!("/apis/amlnet.dev/v1alpha1/namespaces/{other}/amlnetworks/ml");
    kube.cluster.ask(ADMIN, "PATCH", &path, Some(&ask)).unwrap();
    blue.wait_until("what it needs", || names(&kube.sim.table()).len() == 5);
    assert_eq!(kube.sim.ours_now(), 0);
}
