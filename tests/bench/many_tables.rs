//! A thousand route tables: what an idle round costs, and how near a busy one comes to what the latencies allow.

use std::path::Path;

use armsim::server::Running;

use crate::round::{self, Ran};

const TABLES: usize = 1000;
const SUBSCRIPTIONS: usize = 100;
const PREFIXES: usize = 10;
/// A write takes 2 s in a region near by; here a twentieth of it, so that the machine is not what is measured.
const TIME_SCALE: f64 = 0.05;
const WRITE_SECONDS: f64 = 2.0 * TIME_SCALE;

/// A small document with this many prefixes for East US 2.
fn document(change_number: u64, prefixes: usize) -> String {
    let list: Vec<String> = (0..prefixes).map(|n| format!("\"20.1.{n}.0/26\"")).collect();
    let list = list.join(",");
    let tag = |name: &str, region: &str, prefixes: &str| {
        format!(
            r#"{{"name":"{name}","id":"{name}","properties":{{"changeNumber":1,"region":"{region}","regionId":0,
            "platform":"Azure","systemService":"","addressPrefixes":[{prefixes}],"networkFeatures":["UDR"]}}}}"#
        )
    };
    format!(
        r#"{{"changeNumber":{change_number},"cloud":"Public","values":[{},{},{}]}}"#,
        tag("AzureCloud.eastus2", "eastus2", "\"20.0.0.0/8\""),
        tag("AzureMachineLearning", "", &list),
        tag("AzureMachineLearning.EastUS2", "eastus2", &list)
    )
}

fn table(n: usize) -> String {
    let subscription = format!("00000000-0000-0000-0000-{:012}", n % SUBSCRIPTIONS);
    format!("/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Network/routeTables/rt-{n}")
}

pub(crate) fn measure(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut world = armsim::model::World::default().with_time_scale(TIME_SCALE);
    for n in 0..TABLES {
        world = world.with_route_table(&table(n), "eastus2", &[]);
    }
    let simulator = runtime.block_on(armsim::server::start(world, armsim::server::Options::default())).expect("armsim");
    let (objects, state) = (folder.join("many"), folder.join("many-state"));
    std::fs::create_dir_all(&objects).expect("the temporary folder");
    let tables: Vec<String> = (0..TABLES).map(|n| format!("    - id: {}\n", table(n))).collect();
    let networks: Vec<String> = tables.chunks(TABLES / SUBSCRIPTIONS).enumerate().map(network).collect();
    let feed = "apiVersion: amlnet.dev/v1alpha1\nkind: ServiceTagFeed\nmetadata: {name: public}\n\
                spec: {cloud: Public, sources: [{file: {path: tags.json}}]}\n";
    std::fs::write(objects.join("all.yaml"), format!("{feed}---\n{}", networks.join("---\n"))).expect("a file");

    std::fs::write(objects.join("tags.json"), document(1, PREFIXES)).expect("a file");
    let busy = once(&simulator, &objects, &state);
    let bound = (TABLES * PREFIXES) as f64 * WRITE_SECONDS / WORKERS as f64;
    println!(
        "{TABLES} tables in {SUBSCRIPTIONS} subscriptions, {PREFIXES} new prefixes each, {WORKERS} tables at a time: \
         {} writes in {:.1} s, bound {bound:.1} s; ratio {:.2} (at most 1.25); {} throttled",
        busy.writes,
        busy.seconds,
        busy.seconds / bound,
        busy.throttled
    );
    println!("connections to ARM: {} for {} requests", busy.connections, busy.requests);

    let idle = once(&simulator, &objects, &state);
    println!(
        "{TABLES} tables, nothing changed: {} reads of tables, {} writes; {:.2} s of CPU, ratio {:.2} of 1 s; \
         peak {:.1} MiB, ratio {:.2} of 100 MiB",
        idle.table_reads,
        idle.writes,
        idle.cpu_seconds,
        idle.cpu_seconds,
        crate::mib(idle.peak_kib),
        crate::mib(idle.peak_kib) / 100.0
    );
}

const WORKERS: usize = amlnet::reconcile::once::WORKERS;

fn network((n, tables): (usize, &[String])) -> String {
    format!(
        "apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nmetadata: {{name: n{n}}}\nspec:\n  region: eastus2\n  \
         pairedRegion: None\n  mode: UpsertOnly\n  routes:\n    routeTables:\n{}",
        tables.concat()
    )
}

struct Round {
    seconds: f64,
    cpu_seconds: f64,
    peak_kib: u64,
    writes: usize,
    table_reads: usize,
    requests: usize,
    throttled: usize,
    connections: usize,
}

/// One `run --once`, and what the simulator saw of it.
fn once(simulator: &Running, objects: &Path, state: &Path) -> Round {
    let Ran { seconds, cpu_seconds, peak_kib, seen } = round::once(simulator, objects, state);
    let world = simulator.world();
    let log = &world.log()[seen..];
    let is_arm = |url: &str| url.starts_with("/subscriptions/");
    let count = |wanted: &dyn Fn(&str, &str, u16) -> bool| {
        log.iter().filter(|entry| is_arm(&entry.url) && wanted(&entry.method, &entry.url, entry.status)).count()
    };
    Round {
        seconds,
        cpu_seconds,
        peak_kib,
        writes: count(&|method, _, status| method == "PUT" && status < 300),
        table_reads: count(&|method, url, _| method == "GET" && url.contains("/routeTables/")),
        requests: count(&|_, _, _| true),
        throttled: count(&|_, _, status| status == 429),
        connections: connections(&simulator.endpoints.arm),
    }
}

/// Connections to a port of this machine, those that ended a short while ago among them.
fn connections(endpoint: &str) -> usize {
    let port: u16 =
        endpoint.rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse().ok()).expect("a port");
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table of connections");
    let suffix = format!(":{port:04X}");
    let remote = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(2));
    remote.filter(|address| address.ends_with(&suffix)).count()
}
