//! IP groups: what a new document costs where Storage and Batch change, and what an idle round costs.

use std::path::Path;

use armsim::server::Running;

use crate::round::{self, Ran};

/// So many groups of Batch node management, of Storage and of Azure Monitor each.
const EACH: usize = 30;
const TIME_SCALE: f64 = 0.05;
const REQUIREMENTS: [&str; 3] = ["BatchNodeManagement", "Storage", "AzureMonitor"];
/// A group may hold 5,000.
const MOST: usize = 4000;

/// A small document with so many prefixes of Batch node management and of Storage.
fn document(change_number: u64, of_batch: usize, of_storage: usize) -> String {
    let list = |count: usize, of: usize| {
        let prefixes = (0..count).map(|n| format!("\"20.{}.{}.{}/28\"", of + n / 4096, n / 16 % 256, n % 16 * 16));
        prefixes.collect::<Vec<_>>().join(",")
    };
    let tag = |name: &str, region: &str, prefixes: &str| {
        format!(
            r#"{{"name":"{name}","id":"{name}","properties":{{"changeNumber":1,"region":"{region}","regionId":0,
            "platform":"Azure","systemService":"","addressPrefixes":[{prefixes}],"networkFeatures":["UDR"]}}}}"#
        )
    };
    let (batch, storage, monitor) = (list(of_batch, 1), list(of_storage, 16), list(10, 32));
    let tags = [
        tag("AzureCloud.eastus2", "eastus2", "\"20.0.0.0/8\""),
        tag("AzureMachineLearning", "", "\"20.64.0.0/26\""),
        tag("AzureMachineLearning.EastUS2", "eastus2", "\"20.64.0.0/26\""),
        tag("BatchNodeManagement", "", &batch),
        tag("BatchNodeManagement.EastUS2", "eastus2", &batch),
        tag("Storage.EastUS2", "eastus2", &storage),
        tag("AzureMonitor", "", &monitor),
    ];
    format!(r#"{{"changeNumber":{change_number},"cloud":"Public","values":[{}]}}"#, tags.join(","))
}

fn group(requirement: &str, n: usize) -> String {
    format!(
        "/subscriptions/00000000-0000-0000-0000-{n:012}/resourceGroups/rg/providers/Microsoft.Network/ipGroups/{}-{n}",
        requirement.to_lowercase()
    )
}

pub(crate) fn measure(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut world = armsim::model::World::default().with_time_scale(TIME_SCALE);
    for n in 0..EACH {
        // Resource groups come with what is placed in them.
        let table = group("x", n).replace("ipGroups", "routeTables");
        world = world.with_route_table(&table, "eastus2", &[]);
    }
    let simulator = runtime.block_on(armsim::server::start(world, armsim::server::Options::default())).expect("armsim");
    let (objects, state) = (folder.join("groups"), folder.join("groups-state"));
    std::fs::create_dir_all(&objects).expect("the temporary folder");
    let networks: Vec<String> = (0..EACH).map(network).collect();
    let feed = "apiVersion: amlnet.dev/v1alpha1\nkind: ServiceTagFeed\nmetadata: {name: public}\n\
                spec: {cloud: Public, sources: [{file: {path: tags.json}}]}\n";
    std::fs::write(objects.join("all.yaml"), format!("{feed}---\n{}", networks.join("---\n"))).expect("a file");
    let publish = |document: String| std::fs::write(objects.join("tags.json"), document).expect("a file");
    let all = REQUIREMENTS.len() * EACH;

    publish(document(1, 40, MOST));
    let first = once(&simulator, &objects, &state);
    println!(
        "{all} IP groups made: {} writes, ratio {:.2} of one each; {:.1} s",
        first.writes,
        ratio(first.writes, all),
        first.seconds
    );

    publish(document(2, 60, MOST + 200));
    let changed = once(&simulator, &objects, &state);
    let touched = 2 * EACH;
    println!(
        "a document with 220 new prefixes in Storage and Batch: {} writes of {touched} groups that it touches, ratio {:.2} \
         (at most 1); {} writes elsewhere (at most 0); {:.1} s",
        changed.writes,
        ratio(changed.writes, touched),
        changed.elsewhere,
        changed.seconds
    );

    let idle = once(&simulator, &objects, &state);
    println!(
        "{all} IP groups, nothing changed: {} reads of groups, ratio {:.2} of one each (at most 1); {} writes; {:.2} s of CPU",
        idle.reads,
        ratio(idle.reads, all),
        idle.writes + idle.elsewhere,
        idle.cpu_seconds
    );
}

fn ratio(count: usize, of: usize) -> f64 {
    count as f64 / of as f64
}

fn network(n: usize) -> String {
    let group = |requirement: &&str| {
        let id = group(requirement, n);
        format!("    - {{id: {id}, requirement: {requirement}, create: {{location: eastus2}}}}\n")
    };
    format!(
        "apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nmetadata: {{name: n{n}}}\nspec:\n  region: eastus2\n  \
         pairedRegion: None\n  mode: Sync\n  outbound:\n    edition: \"2026-03\"\n    ipGroups:\n{}",
        REQUIREMENTS.iter().map(group).collect::<String>()
    )
}

struct Round {
    seconds: f64,
    cpu_seconds: f64,
    /// Of groups of Storage and Batch; in the first round of all.
    writes: usize,
    /// Of anything else.
    elsewhere: usize,
    reads: usize,
}

/// One `run --once`, and what the simulator saw of it.
fn once(simulator: &Running, objects: &Path, state: &Path) -> Round {
    let Ran { seconds, cpu_seconds, seen, .. } = round::once(simulator, objects, state);
    let world = simulator.world();
    let first = seen == 0;
    let log = world.log()[seen..].iter().filter(|entry| entry.url.starts_with("/subscriptions/"));
    let mut round = Round { seconds, cpu_seconds, writes: 0, elsewhere: 0, reads: 0 };
    for entry in log {
        let is_group = entry.url.contains("/ipGroups/");
        let is_touched = is_group && (first || !entry.url.contains("/azuremonitor-"));
        match entry.method.as_str() {
            "GET" => round.reads += usize::from(is_group),
            _ if is_touched => round.writes += 1,
            _ => round.elsewhere += 1,
        }
    }
    round
}
