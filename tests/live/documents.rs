//! Documents that must not come into force, from a local file: the table's history says that nothing happened, the
//! feed's status says why, and the next good document is followed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{
    Controller, Doc, Sim, assert_clean, central, east, file_feed, gzip, network, ours, route, table_id,
};

/// Result and reason that a feed's status must name, words of its message, and the bytes.
pub(crate) type Row = (&'static str, &'static str, &'static str, &'static str, Vec<u8>);

/// Everything that can be wrong with a document, after week 2.
pub(crate) fn bad_documents() -> Vec<Row> {
    let good = || Doc::week(3);
    let text = || good().bytes();
    let damaged = |change: &dyn Fn(&mut Value)| {
        let mut value = good().value();
        change(&mut value);
        value.to_string().into_bytes()
    };
    let regional = |prefix: &str| {
        good().lists((0..4).map(east).chain([prefix.to_owned()]).collect(), (0..3).map(central).collect()).bytes()
    };
    let mut not_utf8 = text();
    not_utf8.splice(20..20, [b'"', 0xff, 0xfe]);
    let mut padded = text();
    padded.resize((32 << 20) + 1, b' ');
    let bomb = gzip(&vec![b' '; 200 << 20]);
    assert!(bomb.len() < 2 << 20, "a bomb is small");
    vec![
        ("html", "Failed", "Html", "HTML page", b"<!DOCTYPE html><html><body>Sorry</body></html>".to_vec()),
        ("truncated", "Failed", "Truncated", "ends too early", text()[..text().len() / 2].to_vec()),
        ("empty", "Failed", "Truncated", "ends too early", Vec::new()),
        ("cut-gzip", "Failed", "Truncated", "ends too early", {
            let whole = gzip(&text());
            whole[..whole.len() / 2].to_vec()
        }),
        ("oversized", "Failed", "TooLarge", "more than 32 MiB", padded),
        ("bomb", "Failed", "TooLarge", "more than 32 MiB", bomb),
        ("not-utf8", "Failed", "NotUtf8", "not UTF-8", not_utf8),
        ("other-json", "Failed", "NotJson", "not a Service Tags document", b"{\"message\": \"Not found\"}".to_vec()),
        ("duplicate-tag", "Failed", "Invalid", "tag azuremachinelearning stands twice", {
            damaged(&|value| {
                let tags = value["values"].as_array_mut().unwrap();
                let mut twin = tags.iter().find(|tag| tag["name"] == "AzureMachineLearning").unwrap().clone();
                twin["name"] = "azuremachinelearning".into();
                tags.push(twin);
            })
        }),
        ("bad-tag-name", "Failed", "Invalid", "is not made of letters", {
            damaged(&|value| value["values"][0]["name"] = "../../etc".into())
        }),
        ("host-bits", "Failed", "Invalid", "has host bits set", regional("20.1.77.1/26")),
        ("half-the-world", "Failed", "Invalid", "not a global unicast prefix", regional("0.0.0.0/1")),
        ("private", "Failed", "Invalid", "not a global unicast prefix", regional("10.0.0.0/26")),
        ("too-wide", "Rejected", "MaskTooShort", "wider than a prefix of this service", regional("20.1.64.0/18")),
        ("outside", "Rejected", "OutsideRegion", "lies in no prefix of AzureCloud", regional("20.9.0.0/26")),
        ("other-cloud", "Rejected", "WrongCloud", "cloud China", good().of_cloud("China").bytes()),
        ("unknown-cloud", "Failed", "Invalid", "known are Public", good().of_cloud("Mars").bytes()),
        ("older", "Rejected", "Older", "older", Doc::week(1).regions(0..1, 0..1).bytes()),
        (
            "no-service",
            "Rejected",
            "MissingTag",
            "no tag AzureMachineLearning",
            good().without("AzureMachineLearning").bytes(),
        ),
        ("shrunk", "Held", "Shrunk", "more than 20 %", good().without("Storage").bytes()),
    ]
}

#[test]
fn a_bad_document_changes_nothing_and_the_next_good_one_is_followed() {
    let rows = bad_documents();
    let tables: Vec<String> = rows.iter().map(|row| table_id(&format!("rt-{}", row.0))).collect();
    let foreign = || vec![route("default", "0.0.0.0/0", "VirtualAppliance 10.0.1.4")];
    let worlds: Vec<(&str, Vec<Value>)> = tables.iter().map(|id| (id.as_str(), foreign())).collect();
    let sim = Sim::with_tables(&worlds, json!({}));
    let document = |name: &str, bytes: &[u8]| sim.write(&format!("documents/{name}.json"), bytes);
    std::fs::create_dir(sim.path("documents")).unwrap();
    for ((name, ..), id) in rows.iter().zip(&tables) {
        document(name, &Doc::week(2).bytes());
        let spec = json!({"metadata": {"name": name},
            "spec": {"feedRef": name, "routes": {"routeTables": [{"id": id}]}}});
        let feed = file_feed(name, &format!("../documents/{name}.json"));
        sim.objects(&format!("{name}.yaml"), &[feed, network(spec)]);
    }
    let controller = sim.controller(&["--resync", "3s"]);
    let needed: BTreeSet<String> = (0..4).map(east).chain((0..3).map(central)).collect();
    let all = |wanted: &BTreeSet<String>| tables.iter().all(|id| ours(&sim.history(id)) == *wanted);
    controller.wait_until("the good documents", || all(&needed));
    let before: Vec<_> = tables.iter().map(|id| sim.history(id)).collect();

    for (name, .., bytes) in &rows {
        document(name, bytes);
    }
    for (name, result, reason, message, _) in &rows {
        refused(&sim, &controller, name, result, reason, message);
        assert_eq!(sim.in_force(name), 102, "{name}: the last accepted document stays in force");
    }
    assert_eq!(tables.iter().map(|id| sim.history(id)).collect::<Vec<_>>(), before);

    for (name, ..) in &rows {
        document(name, &Doc::week(4).regions(0..5, 0..3).bytes());
    }
    let now: BTreeSet<String> = needed.iter().cloned().chain([east(4)]).collect();
    controller.wait_until("the next good documents", || all(&now));
    for id in &tables {
        let history = sim.history(id);
        assert_clean(&history, now.clone());
        // One more state for the write, and one for its end: nothing came of what lay between.
        assert_eq!(history.len(), before[0].len() + 2, "{id}");
    }
}

fn refused(sim: &Sim, controller: &Controller, name: &str, result: &str, reason: &str, message: &str) {
    let mut last = Value::Null;
    controller.wait_until(&format!("{name} is {result} for {reason}"), || {
        last = sim.feed_status(name)["sources"][0].clone();
        last["result"] == result && last["reason"] == reason
    });
    let said = last["message"].as_str().unwrap();
    assert!(said.contains(message), "{name}: {said}");
}

/// Bad documents that stand at the start, with nothing to fall back on.
#[test]
fn a_bad_first_document_blocks_and_says_why() {
    let sim = Sim::start();
    let before = sim.history(crate::harness::TABLE);
    sim.objects("ml.yaml", &[network(json!({})), file_feed("public", "../first.json")]);
    for (name, _, _, message, bytes) in bad_documents() {
        if ["older", "shrunk"].contains(&name) {
            continue;
        }
        let path = sim.write("first.json", bytes);
        sim.once(&[]).exits(3).says(&["Unresolved", message]);
        let path = path.to_str().unwrap();
        let plan = ["plan", "-f", "dir/ml.yaml", "--tags", path];
        sim.amlnet(&plan).exits(1).says(&[message, path]);
    }
    assert_eq!(sim.history(crate::harness::TABLE), before);
}

#[test]
fn what_a_document_lacks_for_a_region_is_made_up_for_or_blocks() {
    let needed: Vec<String> = (0..4).map(east).chain((0..3).map(central)).collect();
    let nothing: Vec<String> = Vec::new();
    let west_only = [crate::harness::west(0), crate::harness::west(1)];
    for (what, doc, code, said) in [
        ("gone", Doc::week(2).without("AzureMachineLearning.EastUS2"), 0, &["RegionalTagMissing", "eastus2"][..]),
        (
            "empty",
            Doc::week(2).tag("AzureMachineLearning.EastUS2", "eastus2", nothing.clone()),
            0,
            &["RegionalTagDiffers", "eastus2"],
        ),
        (
            "smaller",
            Doc::week(2).tag("AzureMachineLearning.EastUS2", "eastus2", [east(0)]),
            0,
            &["RegionalTagDiffers", "both are used"],
        ),
        (
            "no region at all",
            Doc::week(2).without("AzureMachineLearning.EastUS2").tag(
                "AzureMachineLearning",
                "",
                (0..3).map(central).chain(west_only.clone()),
            ),
            3,
            &["Unresolved", "AzureMachineLearning has no prefixes for region eastus2"],
        ),
        (
            "no secondary region",
            Doc::week(2).without("AzureMachineLearning.CentralUS").tag(
                "AzureMachineLearning",
                "",
                (0..4).map(east).chain(west_only),
            ),
            3,
            &["Unresolved", "AzureMachineLearning has no prefixes for region centralus"],
        ),
        (
            "no cloud tag",
            Doc::week(2)
                .without("AzureMachineLearning.EastUS2")
                .without("AzureCloud.eastus2")
                .without("BatchNodeManagement.EastUS2"),
            3,
            &["Unresolved", "eastus2"],
        ),
    ] {
        let sim = Sim::start();
        sim.usual(json!({}));
        sim.once(&[]).exits(0);
        let before = sim.history(crate::harness::TABLE);
        sim.publish(&doc);
        sim.once(&[]).exits(code).says(said);
        assert_eq!(sim.history(crate::harness::TABLE), before, "{what}");
        let status = sim.status("ml");
        if code == 0 {
            assert_eq!(status["targets"][0]["warnings"][0]["code"], said[0], "{what}");
            assert_eq!(status["document"]["changeNumber"], 102, "{what}: it is accepted");
        } else {
            assert_eq!(status["targets"][0]["state"], "Blocked", "{what}");
        }
        sim.publish(&Doc::week(3).regions(0..5, 0..3));
        sim.once(&[]).exits(0);
        let history = sim.history(crate::harness::TABLE);
        assert!(ours(&history).contains(&east(4)), "{what}");
        assert_clean(&history, needed.clone());
    }
}
