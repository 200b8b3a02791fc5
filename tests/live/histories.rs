//! All real files in order of date with the real binary and `--now`: what the pure histories assume of it is true.
//!
//! Mode Sync with the defaults but for approvals, which come from a person. Sources by name as they were published.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::json;

use crate::campaign_world::Dice;
use crate::harness::{Counts, Sim, TABLE, assert_clean, file_feed, network, ours};

/// The files of the public cloud by date, uncompressed.
pub(crate) fn files() -> Vec<(String, Vec<u8>)> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/service-tags");
    let folder = std::env::var_os("SERVICE_TAGS_DIR").map_or(beside, PathBuf::from).join("public");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        let why = format!("skipped: no folder {}; set SERVICE_TAGS_DIR to the real files\n", folder.display());
        std::io::Write::write_all(&mut std::io::stderr(), why.as_bytes()).unwrap();
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let mut text = Vec::new();
        let file = std::fs::File::open(&path).unwrap();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(file), &mut text).unwrap();
        (path.file_name().unwrap().to_str().unwrap()[..10].to_owned(), text)
    };
    paths.into_iter().map(read).collect()
}

/// What both services need in a region, straight from the file.
fn needed(text: &[u8], region: &str) -> BTreeSet<String> {
    let json: serde_json::Value = serde_json::from_slice(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)).unwrap();
    let of = |tag: &serde_json::Value| -> Vec<String> {
        let all = tag["properties"]["addressPrefixes"].as_array().unwrap();
        all.iter().map(|prefix| prefix.as_str().unwrap().to_owned()).filter(|prefix| !prefix.contains(':')).collect()
    };
    let names = ["AzureMachineLearning", "BatchNodeManagement", "Storage"].map(|service| format!("{service}.{region}"));
    let tags = json["values"].as_array().unwrap().iter();
    tags.filter(|tag| names.iter().any(|name| tag["name"].as_str().unwrap().eq_ignore_ascii_case(name)))
        .flat_map(of)
        .collect()
}

#[test]
fn histories_with_the_real_binary() {
    let files = files();
    for seed in 0..if files.is_empty() { 0 } else { 3 } {
        let mut dice = Dice::new(seed);
        let region = *dice.one(&["WestCentralUS", "NorwayEast", "JioIndiaWest", "PolandCentral"]);
        let spec = |more: serde_json::Value| {
            let mut spec = json!({"region": region.to_lowercase(), "pairedRegion": "None",
                "removal": {"holdFor": "42d", "budget": {"max": 10, "percent": 30}, "approval": "Never"},
                "routes": {"services": ["AzureMachineLearning", "BatchNodeManagement", "Storage"]}});
            crate::harness::merge(&mut spec, &more);
            json!({"spec": spec})
        };
        let sim = Sim::with_routes(vec![]);
        sim.objects("ml.yaml", &[network(spec(json!({})))]);
        let mut stood: BTreeSet<String> = BTreeSet::new();
        for (date, text) in &files {
            // Week 1, which every simulator publishes, is not on this way.
            let name = format!("ServiceTags_Public_{}.json", date.replace('-', ""));
            sim.write(&format!("dir/{name}"), text);
            sim.objects("feed.yaml", &[file_feed("public", &name)]);
            let now = format!("{date}T12:00:00Z");
            if dice.percent(40) {
                let method = *dice.one(&["PUT", "DELETE", "GET"]);
                let effect = dice
                    .one(&[json!("dropAfterCommit"), json!("lostOperation"), json!({"status": {"code": 503}})])
                    .clone();
                sim.fault(json!({"match": {"method": method, "pathContains": "/routes/", "nth": dice.between(1, 4)}, "effect": effect}));
                sim.once(&["--now", &now]);
                sim.clear_faults();
            }
            if dice.percent(20) {
                sim.objects("ml.yaml", &[network(spec(json!({"suspend": true})))]);
                let before = Counts::of(&sim.log(), TABLE).writes();
                sim.once(&["--now", &now]);
                assert_eq!(Counts::of(&sim.log(), TABLE).writes(), before, "seed {seed}, {date}: suspended");
                sim.objects("ml.yaml", &[network(spec(json!({})))]);
            }
            let ran = sim.once(&["--now", &now]);
            let (needed, stands) = (needed(text, region), ours(&sim.history(TABLE)));
            let missing: Vec<_> = needed.difference(&stands).collect();
            assert!(missing.is_empty(), "seed {seed}, {date}: {missing:?}\n{}", ran.all());
            // What the last file had and this one lacks is held.
            let kept: Vec<_> = stood.difference(&needed).filter(|prefix| !stands.contains(*prefix)).collect();
            assert!(kept.is_empty(), "seed {seed}, {date}: {kept:?} went without a hold");
            stood = needed;
        }
        for (month, day) in (6..=9).flat_map(|month| [(month, 20), (month, 28)]) {
            sim.once(&["--now", &format!("2026-{month:02}-{day}T12:00:00Z")]);
            if ours(&sim.history(TABLE)) == stood {
                break;
            }
        }
        sim.once(&["--now", "2026-10-01T12:00:00Z"]).exits(0);
        assert_eq!(ours(&sim.history(TABLE)), stood, "seed {seed}: in the end the table is what the last file says");
        assert_clean(&sim.history(TABLE), Vec::<String>::new());
    }
}
