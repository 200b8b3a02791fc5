//! The other pages with commands: each is typed from its first to its last, on a cluster of its own.

use cluster::ADMIN;
use serde_json::json;

use crate::harness::Doc;
use crate::reader::Reader;

#[test]
fn without_internet() {
    let mut reader = Reader::installed("air-gapped.md");
    let replica = reader.replica();
    reader.sim.write("ServiceTags_Public_20251103.json", Doc::week(2).bytes());
    let told = reader.types(ADMIN, "amlnet tags check");
    assert!(told.contains("acceptable"), "{told}");
    reader.types(ADMIN, "create configmap");
    reader.types(ADMIN, "status.current.source");
    let current = |field: &str| reader.get("servicetagfeeds", "public")["status"]["current"][field].clone();
    assert_eq!((current("changeNumber"), current("fileDate")), (json!(102), json!("2025-11-03")));
    reader.sim.write("ServiceTags_Public_20251110.json", Doc::week(3).bytes());
    reader.types(ADMIN, "replace -f -");
    let current = |field: &str| reader.get("servicetagfeeds", "public")["status"]["current"][field].clone();
    assert_eq!((current("changeNumber"), current("fileDate")), (json!(103), json!("2025-11-10")));
    assert!(reader.blocks.is_empty(), "{:?}", reader.blocks);
    drop(replica);
}

#[test]
fn troubleshooting() {
    let mut reader = Reader::installed("troubleshooting.md");
    reader.samples();
    let replica = reader.replica();
    replica.wait_until("a first look", || reader.is_ready_for("ChangesHeld"));
    let told = reader.types(ADMIN, "describe amln workspace");
    for part in ["held: Mode", "ChangesHeld", "one\n", "7 held"] {
        assert!(told.contains(part), "{part:?} is missing:\n{told}");
    }
    reader.types_the_rest(ADMIN);
    for file in ["amlnet-objects.yaml", "amlnet-plan.json"] {
        assert!(std::fs::metadata(reader.sim.path(file)).unwrap().len() > 1000, "{file}");
    }
}
