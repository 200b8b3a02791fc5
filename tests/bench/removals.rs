//! What the guards cost: one decision about a target of a thousand entries, and whole histories of real files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use amlnet::domain::approval::{Approval, Subject};
use amlnet::domain::decision::{Basis, decide};
use amlnet::domain::intent::{Approval as When, Budget, Intent, Mode, NextHop, Removal};
use amlnet::domain::memory::TargetMemory;
use amlnet::domain::plan::{Limits, Observed, ObservedEntry, TargetInput};
use amlnet::domain::region::Regions;
use amlnet::domain::scope::Scopes;
use amlnet::domain::service_tags::Document;
use amlnet::reconcile::index::{Absent, Documents, Memories, Setting, index};
use amlnet::store::{Held, World};
use serde_json::json;

use crate::replay::{Stage, play};

const ENTRIES: u32 = 1000;
const DECISIONS: usize = 300;
const HISTORIES: u64 = 60;
const LIMITS: Limits = Limits { entries: 4000, tag_entries: 25, addresses: 0 };

pub(crate) fn measure() {
    one_target();
    histories();
}

/// Prefixes of Azure Machine Learning in eastus2, by number.
fn document(change_number: u64, numbers: impl Iterator<Item = u32>) -> Arc<Document> {
    let prefixes: Vec<String> = numbers.map(|number| format!("20.{}.{}.0/26", number / 250, number % 250)).collect();
    let tag = |name: &str, region: &str, prefixes: &[String]| {
        json!({"name": name, "id": name, "properties": {"changeNumber": 1, "region": region, "regionId": 0,
            "platform": "Azure", "systemService": "", "addressPrefixes": prefixes, "networkFeatures": ["API", "UDR"]}})
    };
    let values = [
        tag("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8".to_owned()]),
        tag("AzureMachineLearning", "", &prefixes),
        tag("AzureMachineLearning.EastUS2", "eastus2", &prefixes),
    ];
    let text = json!({"changeNumber": change_number, "cloud": "Public", "values": values}).to_string();
    Arc::new(Document::parse(text.as_bytes()).expect("a document"))
}

fn intent(text: &str) -> (World, Intent) {
    let object = amlnet::api::read::read(text).expect("YAML").remove(0).expect("a Network");
    let amlnet::api::read::Object::Network(mut network) = object else { unreachable!("a Network") };
    network.intent.mode = Mode::Sync;
    network.intent.removal =
        Removal { hold_seconds: 86400, budget: Budget { max: 100, percent: 50 }, approval: When::Always };
    let intent = network.intent.clone();
    let held = Held { object: *network, origin: PathBuf::new(), broken: None };
    (World { networks: BTreeMap::from([(held.object.key.clone(), held)]), ..World::default() }, intent)
}

fn basis<'a>(remembered: &'a TargetMemory, approvals: &'a [Approval], now: jiff::Timestamp) -> Basis<'a> {
    Basis { remembered, approvals, now }
}

/// A third of a thousand entries left the document, as many new ones come, an approval and a memory are there: every
/// guard has something to say.
fn one_target() {
    let (world, intent) = intent(
        "apiVersion: amlnet.dev/v1alpha1
kind: AmlNetwork
metadata: {name: ml}
spec:
  region: eastus2
  pairedRegion: none
  mode: Observe
  routes:
    routeTables:
    - id: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/routeTables/rt
",
    );
    let setting = Setting {
        installation: "prod".parse().expect("an installation"),
        regions: Arc::new(Regions::built_in()),
        requirements: amlnet::domain::requirement::Tables::BuiltIn,
        no_memory: None,
        absent: Absent::Deleted,
        read_only: None,
        scopes: Arc::new(Scopes::any()),
    };
    let input = |document: Arc<Document>, memories: &Memories| -> TargetInput {
        let by_feed = BTreeMap::from([(intent.feed.clone(), Ok(document))]);
        let documents = Documents { by_feed, ..Documents::default() };
        index(&world, &documents, memories, &setting).pop_first().expect("the target").1
    };
    let first = input(document(1, 0..ENTRIES), &Memories::new());
    let wishes = first.contributions[0].outcome.as_ref().expect("wishes");
    let entries = wishes.entries.keys().map(|address| ObservedEntry {
        name: amlnet::domain::intent::entry_name(&first.installation, &address.to_string()),
        address: address.clone(),
        next_hop: NextHop::Internet,
        failed: false,
    });
    let observed = Observed {
        location: "eastus2".to_owned(),
        entries: entries.collect(),
        subnets: 1,
        updating: false,
        whole: None,
        rules: None,
    };
    let start = "2026-01-05T12:00:00Z".parse::<jiff::Timestamp>().expect("a time");
    let (_, memory) = decide(&first, &observed, LIMITS, &[], basis(&TargetMemory::default(), &[], start));
    let memories = BTreeMap::from([(first.id.clone(), memory.clone())]);
    let second = input(document(2, ENTRIES / 3..ENTRIES * 4 / 3), &memories);
    let (_, memory) = decide(&second, &observed, LIMITS, &[], basis(&memory, &[], start));
    let later = start + jiff::SignedDuration::from_hours(48);
    let (plan, memory) = decide(&second, &observed, LIMITS, &[], basis(&memory, &[], later));
    let approval = Approval {
        id: "one".to_owned(),
        subject: Subject::Network(second.contributions[0].network.clone()),
        hash: plan.hash().to_string(),
        approved_by: None,
        expires_at: later + jiff::SignedDuration::from_hours(48),
    };
    let approvals = [approval];
    let mut took: Vec<Duration> = (0..DECISIONS)
        .map(|_| {
            let started = Instant::now();
            let (plan, _) = decide(&second, &observed, LIMITS, &[], basis(&memory, &approvals, later));
            assert!(!plan.steps.is_empty() && !plan.held.is_empty());
            started.elapsed()
        })
        .collect();
    took.sort_unstable();
    let milliseconds = took[DECISIONS / 2].as_secs_f64() * 1000.0;
    println!(
        "a decision about a target of {ENTRIES} entries, all guards: {milliseconds:.2} ms (at most 5 ms); ratio {:.2}",
        milliseconds / 5.0
    );
}

fn histories() {
    let stage = match Stage::open() {
        Ok(stage) => stage,
        Err(why) => return println!("histories: {why}"),
    };
    let next = AtomicU64::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= HISTORIES {
                        break;
                    }
                    play(&stage, seed);
                }
            });
        }
    });
    let per_minute = HISTORIES as f64 / started.elapsed().as_secs_f64() * 60.0;
    println!("histories of 19 files: {per_minute:.0} a minute (at least 200); ratio {:.2}", 200.0 / per_minute);
}
