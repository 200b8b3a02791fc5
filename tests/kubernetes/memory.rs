//! What is remembered of a target: holds, budgets and approvals over restarts, and ConfigMaps that people touch.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::harness::{Controller, Counts, Doc, TABLE, central, east, ours};
use crate::replica::Kube;

/// Holds for six weeks, and a person has a say in everything.
fn careful() -> Value {
    json!({"holdFor": "42d", "approval": "Always", "budget": {"max": 10, "percent": 30}})
}

fn retiring(kube: &Kube) -> Value {
    kube.network("ml")["status"]["retiring"].clone()
}

fn name(map: &Value) -> String {
    map["metadata"]["name"].as_str().unwrap().to_owned()
}

/// What stands in it, as a person reads it.
fn text(map: &Value) -> String {
    let bytes = BASE64.decode(map["binaryData"]["memory.json.gz"].as_str().unwrap()).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
    text
}

/// What puts another text in its place.
fn in_its_place(text: &str) -> Value {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    json!({"binaryData": {"memory.json.gz": BASE64.encode(packed.finish().unwrap())}})
}

/// A look at the table that began after now.
#[track_caller]
fn look(kube: &Kube, replica: &Controller, value: &str) {
    let ask = json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": value}}});
    kube.patch("amlnetworks", "ml", &ask);
    replica.wait_until("the look", || kube.network("ml")["status"]["lastHandledReconcileAt"] == value);
}

/// A network in whose table one prefix waits for the end of its hold.
fn holding(kube: &Kube) -> Controller {
    let replica = kube.running(json!({"spec": {"removal": careful()}}), &[]);
    kube.publish(&replica, 102, &Doc::week(2).regions(1..4, 0..3));
    replica.wait_until("the hold", || retiring(kube)[0]["prefix"] == east(0));
    // What is remembered reaches the cluster within a second or two.
    replica.wait_until("the memory", || kube.memory().is_some_and(|map| text(&map).contains("retiring\":{\"")));
    replica
}

#[test]
fn a_hold_goes_on_over_a_stop_and_over_a_crash() {
    let kube = Kube::start();
    let replica = holding(&kube);
    let since = retiring(&kube);
    let (code, _, log) = replica.terminate();
    assert_eq!(code, 0, "{log}");
    let replica = kube.replica("two", &[]);
    look(&kube, &replica, "after the stop");
    assert_eq!(retiring(&kube), since);
    drop(replica);
    // The lease of one that was killed has to run out first.
    let replica = kube.replica("three", &[]);
    replica.wait_until("the lease", || replica.log().contains("leads"));
    look(&kube, &replica, "after the crash");
    assert_eq!(retiring(&kube), since);
    assert_eq!(kube.sim.ours_now(), 7);
}

#[test]
fn a_budget_is_counted_over_restarts() {
    let kube = Kube::start();
    // Two of seven in seven days.
    let removal = json!({"holdFor": "0s", "approval": "Never", "budget": {"max": 10, "percent": 30}});
    let replica = kube.running(json!({"spec": {"removal": removal}}), &[]);
    kube.publish(&replica, 102, &Doc::week(2).regions(3..4, 0..3));
    replica.wait_until("what the budget allows", || kube.sim.ours_now() == 5);
    replica.wait_until("the rest", || kube.condition("ml", "Ready").1 == "ChangesHeld");
    let (code, _, log) = replica.terminate();
    assert_eq!(code, 0, "{log}");
    let replica = kube.replica("two", &[]);
    look(&kube, &replica, "1");
    assert_eq!(kube.sim.ours_now(), 5);
    assert!(kube.message("ml", "Ready").contains("Budget"), "{}", kube.message("ml", "Ready"));
    drop(replica);
}

#[test]
fn memory_that_is_lost_damaged_or_edited_while_nobody_runs_removes_nothing_and_is_said() {
    for (what, said) in [
        ("deleted", "is gone"),
        ("edited", "is not what was written"),
        ("cut", "cannot be decompressed"),
        ("renamed", "does not say"),
    ] {
        let kube = Kube::start();
        let (code, _, log) = holding(&kube).terminate();
        assert_eq!(code, 0, "{log}");
        let map = kube.memory().unwrap();
        match what {
            "deleted" => kube.delete_config_map(&name(&map)),
            // Somebody shortens the hold.
            "edited" => {
                let memory = text(&map).replace("20261", "20251").replace("2026-", "2020-");
                assert_ne!(memory, text(&map));
                kube.patch_config_map(&name(&map), &in_its_place(&memory));
            }
            "cut" => kube.patch_config_map(&name(&map), &json!({"binaryData": {"memory.json.gz": "H4sIAAAAAAAA"}})),
            _ => kube.patch_config_map(&name(&map), &json!({"data": {"target": null}})),
        }
        let replica = kube.replica("two", &[]);
        replica.wait_until("the loss", || replica.log().contains("what was remembered is lost"));
        let log = replica.log();
        assert!(log.contains(said), "{what}: {log}");
        look(&kube, &replica, "1");
        assert_eq!(kube.sim.ours_now(), 7, "{what}");
        // Needed prefixes go on being written, and what is remembered now is kept anew.
        kube.publish(&replica, 103, &Doc::week(3).regions(1..6, 0..3));
        replica.wait_until("the new routes", || kube.sim.ours_now() == 9);
        assert!(ours(&kube.sim.table()).contains(&east(0)), "{what}");
        let whole =
            || kube.memory().is_some_and(|map| map["data"]["target"] == TABLE && map["data"]["seal"].is_string());
        replica.wait_until("the new memory", whole);
        let (code, _, log) = replica.terminate();
        assert_eq!(code, 0, "{what}: {log}");
        let replica = kube.replica("three", &[]);
        look(&kube, &replica, "2");
        assert!(!replica.log().contains("is lost"), "{what}: {}", replica.log());
    }
}

#[test]
fn memory_that_an_older_version_wrote_as_plain_text_is_kept_and_written_compressed() {
    let kube = Kube::start();
    let replica = holding(&kube);
    let since = retiring(&kube);
    let (code, _, log) = replica.terminate();
    assert_eq!(code, 0, "{log}");
    let map = kube.memory().unwrap();
    kube.patch_config_map(&name(&map), &json!({"data": {"memory.json": text(&map)}, "binaryData": null}));
    assert!(kube.memory().unwrap()["binaryData"].is_null());
    let replica = kube.replica("two", &[]);
    look(&kube, &replica, "1");
    assert_eq!(retiring(&kube), since);
    kube.publish(&replica, 103, &Doc::week(3).regions(1..5, 0..3));
    replica.wait_until("the new route", || kube.sim.ours_now() == 8);
    let is_packed = |map: Value| map["data"]["memory.json"].is_null() && text(&map).contains(&east(4));
    let written = || kube.memory().filter(|map| !map["binaryData"].is_null()).is_some_and(is_packed);
    replica.wait_until("it is written compressed", written);
    assert_eq!(retiring(&kube), since);
    assert!(!replica.log().contains("is lost"), "{}", replica.log());
}

#[test]
fn memory_that_is_touched_while_it_runs_is_made_whole_and_removes_nothing() {
    let kube = Kube::start();
    let replica = holding(&kube);
    let since = retiring(&kube);
    let map = kube.memory().unwrap();
    kube.delete_config_map(&name(&map));
    kube.publish(&replica, 103, &Doc::week(3).regions(1..5, 0..3));
    replica.wait_until("the new route", || kube.sim.ours_now() == 8);
    replica.wait_until("it is made anew", || kube.memory().is_some());
    assert!(replica.log().contains("was deleted, and is made anew"), "{}", replica.log());
    assert_eq!(retiring(&kube), since);

    let forged = text(&map).replace("2026-", "2020-");
    let mut patch = in_its_place(&forged);
    patch["metadata"] = json!({"labels": {"x": "y"}});
    kube.patch_config_map(&name(&map), &patch);
    kube.publish(&replica, 104, &Doc::week(4).regions(1..6, 0..3));
    replica.wait_until("the new route", || kube.sim.ours_now() == 9);
    let is_over = || kube.memory().is_some_and(|map| !text(&map).contains("2020-"));
    replica.wait_until("it is written over", is_over);
    assert!(replica.log().contains("it is written over"), "{}", replica.log());
    assert_eq!(retiring(&kube), since);
    let (code, _, log) = replica.terminate();
    assert_eq!(code, 0, "{log}");
    let replica = kube.replica("two", &[]);
    look(&kube, &replica, "1");
    assert_eq!(retiring(&kube), since);
    assert!(!replica.log().contains("is lost"), "{}", replica.log());
}

#[test]
fn memory_that_somebody_labelled_is_forgotten_all_the_same() {
    let kube = Kube::start();
    let replica = kube.running(json!({"spec": {"deletionPolicy": "Delete"}}), &[]);
    replica.wait_until("the memory", || kube.memory().is_some());
    let map = kube.memory().unwrap();
    replica.wait_until("the finalizer", || kube.network("ml")["metadata"]["finalizers"].is_array());
    kube.patch_config_map(&name(&map), &json!({"metadata": {"annotations": {"seen": "by a person"}}}));
    kube.delete("amlnetworks", "ml");
    replica.wait_until("the end", || kube.network("ml").is_null());
    replica.wait_until("nothing is remembered", || kube.memory().is_none());
    assert!(!replica.log().contains("cannot be written"), "{}", replica.log());
}

/// What an approval looks like.
fn approval(name: &str, hash: &str, change: Value) -> Value {
    let mut object = json!({"apiVersion": "amlnet.dev/v1alpha1", "kind": "PlanApproval", "metadata": {"name": name},
        "spec": {"network": "ml", "hash": hash, "approvedBy": "alice"}});
    crate::harness::merge(&mut object, &change);
    object
}

/// The hash in the message that tells what to do.
fn hash(kube: &Kube) -> String {
    let message = kube.message("ml", "Ready");
    message.rsplit_once("--hash ").map_or_else(String::new, |(_, hash)| hash.trim().to_owned())
}

#[test]
fn only_the_right_approval_releases_what_waits() {
    let (kube, other) = Kube::start().beside();
    let removal = json!({"holdFor": "0s", "approval": "Always", "budget": {"max": 10, "percent": 100}});
    let replica =
        kube.running(json!({"spec": {"removal": removal}}), &["--watch-namespaces", &other, "--allow-any-scope"]);
    kube.publish(&replica, 102, &Doc::week(2).regions(1..4, 0..3));
    replica.wait_until("the need", || kube.condition("ml", "Blocked") == ("True".into(), "ApprovalNeeded".into()));
    let needed = hash(&kube);
    assert!(needed.starts_with("sha256:") && needed.len() == 71, "{}", kube.message("ml", "Ready"));

    let wrong = format!("sha256:{}", "0".repeat(64));
    kube.apply(&approval("wrong", &wrong, json!({})));
    // Those that are over for long are not worth a word.
    let minute_ago = (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(1)).to_string();
    kube.apply(&approval("expired", &needed, json!({"spec": {"expiresAt": minute_ago}})));
    kube.apply(&approval("long-expired", &needed, json!({"spec": {"expiresAt": "2020-01-01T00:00:00Z"}})));
    kube.apply_in(&other, &approval("elsewhere", &needed, json!({})));
    let states = || -> Vec<(String, String)> {
        let list = kube.network("ml")["status"]["approvals"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut states: Vec<_> = list.iter().map(|word| (text(&word["hash"]), text(&word["state"]))).collect();
        states.sort();
        states
    };
    let idle = [(wrong.clone(), "OtherPlan".to_owned()), (needed.clone(), "Expired".to_owned())];
    replica.wait_until("what became of them", || states() == idle);
    look(&kube, &replica, "1");
    assert_eq!(kube.sim.ours_now(), 7);

    kube.apply(&approval("right", &needed, json!({})));
    replica.wait_until("the removal", || kube.sim.ours_now() == 6);
    assert!(!ours(&kube.sim.table()).contains(&east(0)));
    kube.in_sync(&replica);
    // It was for this and nothing else; an audit line names it and who gave it.
    assert!(replica.log().contains("right"), "the audit names the approval");
    // It comes back by a route that somebody puts there, and leaves again: another removal needs another word.
    kube.publish(&replica, 103, &Doc::week(3).regions(0..4, 0..3));
    replica.wait_until("it is back", || kube.sim.ours_now() == 7);
    kube.in_sync(&replica);
    kube.publish(&replica, 104, &Doc::week(4).regions(1..4, 0..3));
    replica.wait_until("the need", || kube.condition("ml", "Blocked") == ("True".into(), "ApprovalNeeded".into()));
    let looks = Counts::of(&kube.sim.log(), TABLE).get_table;
    look(&kube, &replica, "2");
    assert!(Counts::of(&kube.sim.log(), TABLE).get_table > looks);
    assert_eq!(kube.sim.ours_now(), 7);
    // Deleted and made again for what waits now, it is another approval.
    let again = hash(&kube);
    kube.delete("planapprovals", "right");
    kube.apply(&approval("right", &again, json!({})));
    replica.wait_until("the removal", || kube.sim.ours_now() == 6);
    assert_eq!(ours(&kube.sim.table()), (1..4).map(east).chain((0..3).map(central)).collect());
}

#[test]
fn an_approval_that_was_used_is_used_after_a_restart_too() {
    let kube = Kube::start();
    let removal = json!({"holdFor": "0s", "approval": "Always", "budget": {"max": 10, "percent": 100}});
    let replica = kube.running(json!({"spec": {"removal": removal}}), &[]);
    kube.publish(&replica, 102, &Doc::week(2).regions(1..4, 0..3));
    replica.wait_until("the need", || kube.condition("ml", "Blocked") == ("True".into(), "ApprovalNeeded".into()));
    let needed = hash(&kube);
    kube.apply(&approval("one", &needed, json!({})));
    replica.wait_until("the removal", || kube.sim.ours_now() == 6);
    kube.in_sync(&replica);
    replica.wait_until("it is used", || kube.network("ml")["status"]["approvals"][0]["state"] == "Used");
    let (code, _, log) = replica.terminate();
    assert_eq!(code, 0, "{log}");
    // Somebody puts the very same route back; the same plan has the same hash.
    kube.sim.put(json!({"id": format!("{TABLE}/routes/amlnet.prod.20.1.0.0_26"), "name": "amlnet.prod.20.1.0.0_26",
        "properties": {"addressPrefix": east(0), "nextHopType": "Internet"}}));
    let replica = kube.replica("two", &[]);
    look(&kube, &replica, "1");
    assert_eq!(kube.sim.ours_now(), 7, "{}", kube.message("ml", "Ready"));
    // The same name made anew is another word.
    kube.delete("planapprovals", "one");
    replica.wait_until("the need", || !hash(&kube).is_empty());
    kube.apply(&approval("one", &hash(&kube), json!({})));
    replica.wait_until("the removal", || kube.sim.ours_now() == 6);
}
