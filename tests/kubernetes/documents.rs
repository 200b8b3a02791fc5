//! Documents in ConfigMaps: a restart without internet, parts that are gone or damaged, real files.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Controller, Doc, Sim, TABLE, central, east, ours};
use crate::replica::Kube;
use crate::see::stop;

fn offline(sim: &Sim) {
    sim.fault(json!({"match": {"server": "downloadPage"}, "times": 0, "effect": "dropBefore"}));
}

fn name(map: &Value) -> String {
    map["metadata"]["name"].as_str().unwrap().to_owned()
}

/// The list of documents of the feed, and their parts.
fn index_and_parts(kube: &Kube) -> (Value, Vec<Value>) {
    let all = kube.config_maps("-feed-");
    let (index, parts): (Vec<Value>, Vec<Value>) =
        all.into_iter().partition(|map| map["data"]["index.json"].is_string());
    (index.into_iter().next().unwrap_or_default(), parts)
}

fn part_of(kube: &Kube, number: u64) -> String {
    let (_, parts) = index_and_parts(kube);
    let is_it = |map: &&Value| {
        map["data"]["record.json"].as_str().is_some_and(|text| text.contains(&format!("\"changeNumber\":{number},")))
    };
    name(parts.iter().find(is_it).unwrap())
}

/// Weeks 1 and 2 are stored, the table holds week 2, nobody runs, and one of its routes is gone.
fn stopped() -> Kube {
    let kube = Kube::start();
    let replica = kube.running(json!({}), &[]);
    kube.publish(&replica, 102, &Doc::week(2).regions(0..5, 0..3));
    replica.wait_until("week 2", || kube.sim.ours_now() == 8);
    replica.wait_until("it is stored", || index_and_parts(&kube).0.to_string().contains("102"));
    kube.in_sync(&replica);
    stop(replica);
    kube.sim.delete(&format!("{TABLE}/routes/amlnet.prod.20.1.0.0_26"));
    offline(&kube.sim);
    kube
}

fn restarted(kube: &Kube) -> Controller {
    let replica = kube.replica("two", &[]);
    replica.wait_until("the missing route", || ours(&kube.sim.table()).contains(&east(0)));
    replica
}

#[test]
fn a_restart_without_internet_takes_the_stored_document_and_converges() {
    let kube = stopped();
    let replica = restarted(&kube);
    replica.wait_until("the report", || {
        kube.get("servicetagfeeds", "public")["status"]["sources"][0]["result"] == "Failed"
    });
    let feed = kube.get("servicetagfeeds", "public");
    assert_eq!(feed["status"]["current"]["changeNumber"], 102, "{feed}");
    assert_eq!(kube.sim.ours_now(), 8);
    // Back on the internet a newer one removes again.
    kube.sim.clear_faults();
    kube.publish(&replica, 103, &Doc::week(3).regions(0..3, 0..3));
    replica.wait_until("the removals", || kube.sim.ours_now() == 6);
}

#[test]
fn a_part_that_is_gone_or_damaged_is_said_and_an_older_document_removes_nothing() {
    for damage in ["deleted", "damaged", "emptied"] {
        let kube = stopped();
        let part = part_of(&kube, 102);
        match damage {
            "deleted" => kube.delete_config_map(&part),
            "damaged" => kube.patch_config_map(&part, &json!({"binaryData": {"part": "AAAA"}})),
            _ => kube.patch_config_map(&part, &json!({"binaryData": null})),
        }
        // Week 1 does not know the fifth prefix: it stays.
        let replica = restarted(&kube);
        replica.wait_until("it is said", || replica.log().contains("a stored document cannot be read"));
        replica.wait_until("a look", || kube.message("ml", "Ready").contains("the newest stored document"));
        assert_eq!(ours(&kube.sim.table()), (0..5).map(east).chain((0..3).map(central)).collect(), "{damage}");
        // The page is back with the very same document: it is stored anew, and all is as before.
        kube.sim.clear_faults();
        let ask = json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": "again"}}});
        kube.patch("servicetagfeeds", "public", &ask);
        let whole = || index_and_parts(&kube).1.iter().any(|map| name(map) == part && map["data"]["last"] == "true");
        replica.wait_until("it is stored anew", || {
            whole() && kube.get("servicetagfeeds", "public")["status"]["current"]["changeNumber"] == 102
        });
        stop(replica);
        offline(&kube.sim);
        let replica = kube.replica("three", &[]);
        replica.wait_until("what is stored", || replica.log().contains("taken from what is stored"));
        assert!(!replica.log().contains("cannot be read"), "{damage}: {}", replica.log());
    }
}

#[test]
fn a_list_that_is_gone_or_damaged_is_rebuilt_from_the_documents() {
    for damage in ["deleted", "damaged"] {
        let kube = stopped();
        let (index, _) = index_and_parts(&kube);
        match damage {
            "deleted" => kube.delete_config_map(&name(&index)),
            _ => kube.patch_config_map(&name(&index), &json!({"data": {"index.json": "[{"}})),
        }
        let replica = restarted(&kube);
        assert!(replica.log().contains("the list of documents is rebuilt"), "{damage}: {}", replica.log());
        kube.in_sync(&replica);
        assert_eq!(ours(&kube.sim.table()), (0..5).map(east).chain((0..3).map(central)).collect(), "{damage}");
        // The next document writes the list anew.
        kube.sim.clear_faults();
        kube.publish(&replica, 103, &Doc::week(3).regions(0..6, 0..3));
        replica.wait_until("the list", || index_and_parts(&kube).0["data"]["index.json"].to_string().contains("103"));
        stop(replica);
    }
}

#[test]
fn a_document_that_was_stored_by_half_is_never_taken() {
    let kube = stopped();
    // As after a crash: a part, and no list that names it. It is newer, and would be taken if anything looked at it.
    let part = part_of(&kube, 102);
    let mut half = index_and_parts(&kube).1.into_iter().find(|map| name(map) == part).unwrap();
    let record = half["data"]["record.json"].as_str().unwrap().replace("\"changeNumber\":102", "\"changeNumber\":999");
    let stem = part.rsplitn(3, '-').last().unwrap();
    half["metadata"] = json!({"name": format!("{stem}-0123456789abcdef-0"), "labels": half["metadata"]["labels"]});
    half["data"]["record.json"] = json!(record);
    half["data"].as_object_mut().unwrap().remove("last");
    crate::harness::merge(&mut half, &json!({"apiVersion": "v1", "kind": "ConfigMap"}));
    kube.apply(&half);
    let replica = restarted(&kube);
    kube.in_sync(&replica);
    assert_eq!(kube.network("ml")["status"]["document"]["changeNumber"], 102);
    assert!(!replica.log().contains("cannot be read"), "{}", replica.log());
    // With the next document it is swept away.
    kube.sim.clear_faults();
    kube.publish(&replica, 103, &Doc::week(3).regions(0..6, 0..3));
    replica.wait_until("it is gone", || kube.config_maps("0123456789abcdef").is_empty());
    assert_eq!(index_and_parts(&kube).1.len(), 3, "the newest and two predecessors");
}

#[test]
fn where_no_stored_document_is_left_nothing_is_removed() {
    let kube = stopped();
    for part in index_and_parts(&kube).1 {
        kube.patch_config_map(&name(&part), &json!({"binaryData": null, "data": {"record.json": null}}));
    }
    kube.delete_config_map(&name(&index_and_parts(&kube).0));
    kube.sim.clear_faults();
    kube.sim.publish(&Doc::week(3).regions(0..3, 0..3));
    let replica = kube.replica("two", &[]);
    replica.wait_until("what is needed", || ours(&kube.sim.table()).contains(&east(0)));
    let told = || kube.get("servicetagfeeds", "public")["status"]["notStored"].as_str().unwrap_or_default().to_owned();
    replica.wait_until("it is said", || told().contains("are deleted"));
    let wants = (0..5).map(east).chain((0..3).map(central)).collect();
    replica.wait_until("the rest", || ours(&kube.sim.table()) == wants);
}

/// The largest real file of the public cloud.
fn real() -> Option<Vec<u8>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/service-tags");
    let folder = std::env::var_os("SERVICE_TAGS_DIR").map_or(beside, PathBuf::from).join("public");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        let why = format!("skipped: no folder {}; set SERVICE_TAGS_DIR to the real files\n", folder.display());
        std::io::Write::write_all(&mut std::io::stderr(), why.as_bytes()).unwrap();
        return None;
    };
    let largest = entries.map(|entry| entry.unwrap()).max_by_key(|entry| entry.metadata().unwrap().len())?;
    let mut text = Vec::new();
    let file = std::fs::File::open(largest.path()).unwrap();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(file), &mut text).unwrap();
    Some(text)
}

/// Made of what gzip cannot shorten, so that it takes several parts.
fn made_up() -> Vec<u8> {
    let mut dice = crate::dice::Dice::new(7);
    let mut noise = std::collections::BTreeSet::new();
    while noise.len() < 320_000 {
        let [a, b, c] = [dice.between(60, 90), dice.between(0, 255), dice.between(0, 255)];
        let (d, length) = (dice.between(0, 255), dice.between(24, 32));
        let mask = u32::MAX << (32 - length);
        let bits = u32::from_be_bytes([a, b, c, d].map(|n| u8::try_from(n).unwrap())) & mask;
        noise.insert(format!("{}/{length}", std::net::Ipv4Addr::from(bits)));
    }
    Doc::week(2).tag("Noise", "", noise).bytes()
}

#[test]
fn full_size_documents_are_stored_in_parts_below_the_limit_and_read_back() {
    for (what, bytes, at_least) in [("real", real(), 1), ("made up", Some(made_up()), 2)] {
        let Some(bytes) = bytes else { continue };
        let kube = Kube::start();
        kube.sim.publish_bytes("20270101", &bytes);
        kube.usual(json!({"spec": {"mode": "Observe"}}));
        let replica = kube.replica("one", &[]);
        let current = || kube.get("servicetagfeeds", "public")["status"]["current"]["changeNumber"].is_u64();
        replica.wait_until("the document", || current() && index_and_parts(&kube).0.is_object());
        let number = kube.get("servicetagfeeds", "public")["status"]["current"]["changeNumber"].clone();
        let (_, parts) = index_and_parts(&kube);
        assert!(parts.len() >= at_least, "{what}: {}", parts.len());
        for part in &parts {
            let size = part.to_string().len();
            // As base64, a third more than what counts for the API server.
            assert!(size < (1 << 20) / 3 * 4, "{what}: {size}");
        }
        stop(replica);
        offline(&kube.sim);
        let replica = kube.replica("two", &[]);
        replica.wait_until("what is stored", || replica.log().contains("taken from what is stored"));
        assert!(replica.log().contains(&format!("change_number={number}")), "{what}: {}", replica.log());
    }
}
