//! The real weekly documents in IP groups, compared with what a reader of the file alone would calculate.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::Sim;
use crate::harness::groups::{asked, assert_group_clean, group_counts};

/// A real document by its change number, uncompressed.
fn document(number: &str) -> Option<Vec<u8>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/service-tags");
    let folder = std::env::var_os("SERVICE_TAGS_DIR").map_or(beside, PathBuf::from).join("public");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        let why = format!("skipped: no folder {}; set SERVICE_TAGS_DIR to the real files\n", folder.display());
        std::io::Write::write_all(&mut std::io::stderr(), why.as_bytes()).unwrap();
        return None;
    };
    let mut paths = entries.map(|entry| entry.unwrap().path());
    let path = paths.find(|path| path.to_str().unwrap().ends_with(&format!("_change{number}.json.gz"))).unwrap();
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()), &mut text)
        .unwrap();
    Some(text)
}

/// The IPv4 prefixes of a tag, straight from the file.
fn of_tag(text: &[u8], name: &str) -> BTreeSet<String> {
    let json: Value = serde_json::from_slice(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)).unwrap();
    let tag = json["values"].as_array().unwrap().iter().find(|tag| tag["name"] == name).unwrap();
    let all = tag["properties"]["addressPrefixes"].as_array().unwrap();
    all.iter().map(|prefix| prefix.as_str().unwrap().to_owned()).filter(|prefix| !prefix.contains(':')).collect()
}

#[test]
fn groups_follow_the_real_documents() {
    let (Some(first), Some(second)) = (document("370"), document("376")) else { return };
    // Group, requirement, and the tag that the documentation means for East US 2.
    let rows = [
        ("storage", "Storage", "Storage.EastUS2"),
        ("batch", "BatchNodeManagement", "BatchNodeManagement.EastUS2"),
        ("monitor", "AzureMonitor", "AzureMonitor"),
        ("aml", "AzureMachineLearning", "AzureMachineLearning"),
        ("entra", "AzureActiveDirectory", "AzureActiveDirectory"),
    ];
    let sim = Sim::with_groups(vec![]);
    let groups: Vec<Value> = rows.iter().map(|(group, requirement, _)| asked(group, requirement)).collect();
    sim.ask_groups(&groups, json!({}));
    sim.publish_bytes("20260601", &first);
    sim.once(&[]).exits(0);
    for (group, _, tag) in rows {
        assert_eq!(sim.members(group), of_tag(&first, tag), "{group} of change 370");
    }
    sim.publish_bytes("20260608", &second);
    let from = sim.log().len();
    sim.once(&[]).exits(0);
    let log = sim.log();
    let mut touched = 0;
    for (group, _, tag) in rows {
        let (before, after) = (of_tag(&first, tag), of_tag(&second, tag));
        let changed = usize::from(before != after);
        touched += changed;
        assert_eq!(sim.members(group), after, "{group} of change 376");
        assert_eq!(group_counts(&log[from..], group).1, changed, "{group}: one write, or none");
        assert_eq!(group_counts(&log[from..], group).2, 0, "nothing else");
        assert_group_clean(&sim.group_states(group), before.intersection(&after).cloned(), &[]);
    }
    assert!((2..rows.len()).contains(&touched), "{touched} groups changed: some, and not all");
    let from = sim.log().len();
    sim.once(&[]).exits(0);
    for (group, ..) in rows {
        assert_eq!(group_counts(&sim.log()[from..], group), (1, 0, 0), "{group}: nothing to do is one look");
    }
}
