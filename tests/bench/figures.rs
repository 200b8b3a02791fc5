//! Figures, each printed as a ratio to its bound: what `make bench` shows. Nothing here is a test.
//!
//! Whole processes are measured, because whole processes are what a user starts.

#![allow(clippy::unwrap_used, reason = "a figure that panics says where")]
#![allow(clippy::needless_pass_by_value, reason = "so that calls of the shared harness stay short")]
#![expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "figures for whoever typed make bench")]

mod budgets;
mod groups;
#[path = "../live/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests")]
mod harness;
mod leader;
mod lists;
mod many_tables;
mod metrics;
mod networks;
mod node;
#[path = "../node/release.rs"]
#[allow(dead_code, reason = "shared with the tests on a node")]
mod release;
mod removals;
#[path = "../histories/replay/mod.rs"]
mod replay;
mod round;
mod rules;

// Where the harness of the tests looks for it.
use replay::dice;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use wait4::Wait4 as _;

const RUNS: usize = 40;

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--bare-parse") {
        return bare_parse(Path::new(&arguments.next().expect("a file")));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let document = full_size_document(folder.path());
    // `make bench ONLY=networks` measures one of them.
    let only = std::env::var("ONLY").unwrap_or_default();
    let wanted = |name: &str| only.is_empty() || only == name;
    if wanted("documents") {
        tags_check(&document);
        idle_memory(folder.path(), &document);
    }
    if wanted("budgets") {
        budgets::measure();
    }
    if wanted("removals") {
        removals::measure();
    }
    if wanted("tables") {
        many_tables::measure(folder.path());
    }
    if wanted("groups") {
        groups::measure(folder.path());
    }
    if wanted("rules") {
        rules::measure(folder.path());
    }
    if wanted("networks") {
        networks::measure(folder.path(), &document);
    }
    if wanted("lists") {
        lists::measure(folder.path(), &document);
    }
    if wanted("metrics") {
        metrics::measure(folder.path(), &document);
    }
    if wanted("node") {
        node::measure(&document);
    }
    if wanted("leader") {
        leader::measure(&document);
    }
}

/// The yardstick: serde_json into borrowed structs, and ipnet for every prefix.
fn bare_parse(path: &Path) {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        values: Vec<Tag<'a>>,
    }
    #[derive(Deserialize)]
    struct Tag<'a> {
        #[serde(borrow)]
        properties: Properties<'a>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Properties<'a> {
        #[serde(borrow)]
        address_prefixes: Vec<Text<'a>>,
    }
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    let text = std::fs::read(path).expect("the file");
    let document: Document<'_> = serde_json::from_slice(&text).expect("JSON");
    let prefixes = document.values.iter().flat_map(|tag| &tag.properties.address_prefixes);
    let nets: Vec<ipnet::IpNet> = prefixes.map(|text| text.0.parse().expect("a prefix")).collect();
    assert!(!nets.is_empty());
}

/// The newest real document where there is one, else a made-up one of full size; uncompressed.
fn full_size_document(folder: &Path) -> PathBuf {
    let real =
        std::env::var_os("SERVICE_TAGS_DIR").map_or_else(|| PathBuf::from("../shared/service-tags"), PathBuf::from);
    let newest = std::fs::read_dir(real.join("public")).ok().and_then(|entries| {
        entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "gz"))
            .max()
    });
    let path = folder.join("ServiceTags_Public_20260504.json");
    let text = match newest {
        Some(path) => {
            println!("document: {}", path.file_name().unwrap_or_default().to_string_lossy());
            let mut text = Vec::new();
            let file = std::fs::File::open(path).expect("the real file");
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(file), &mut text).expect("gzip");
            text
        }
        None => {
            println!("document: made up by armsim tags");
            let made = armsim::tags::write(1, 1, folder).expect("a made-up document");
            std::fs::read(&made[0]).expect("the made-up document")
        }
    };
    std::fs::write(&path, text).expect("the temporary folder");
    path
}

struct Measured {
    wall: Duration,
    peak_kib: u64,
}

/// The median wall time and the highest peak of several runs.
fn measure(command: impl Fn() -> Command) -> Measured {
    let mut walls = Vec::new();
    let mut peak_kib = 0;
    for _ in 0..RUNS {
        let started = Instant::now();
        let mut child = command().stdout(Stdio::null()).spawn().expect("a process");
        let ended = child.wait4().expect("its end");
        walls.push(started.elapsed());
        assert!(ended.status.success());
        peak_kib = peak_kib.max(ended.rusage.maxrss / 1024);
    }
    walls.sort();
    Measured { wall: walls[RUNS / 2], peak_kib }
}

fn tags_check(document: &Path) {
    let own = std::env::current_exe().expect("this program");
    let bare = measure(|| {
        let mut command = Command::new(&own);
        command.arg("--bare-parse").arg(document);
        command
    });
    let check = measure(|| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amlnet"));
        command.args(["tags", "check"]).arg(document);
        command
    });
    let ratio = check.wall.as_secs_f64() / bare.wall.as_secs_f64();
    println!(
        "tags check, whole process: {:.1} ms; bare parse: {:.1} ms; ratio {ratio:.2} (at most 3)",
        ms(check.wall),
        ms(bare.wall)
    );
    println!(
        "tags check, peak memory: {:.1} MiB; ratio {:.2} of 40 MiB",
        mib(check.peak_kib),
        mib(check.peak_kib) / 40.0
    );
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

pub(crate) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Stops its process when dropped.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const TABLE: &str =
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/routeTables/rt";

/// The controller on a folder of objects, against the simulator; not started yet.
fn controller(objects: &Path, state: &Path, simulator: &armsim::server::Endpoints) -> Command {
    let credentials = &simulator.credentials;
    let mut command = Command::new(env!("CARGO_BIN_EXE_amlnet"));
    command.args(["run", "--installation-id", "bench", "--log", "off", "--dir"]).arg(objects).arg("--state").arg(state);
    command.args(["--arm-endpoint", &simulator.arm, "--authority-host", &simulator.login, "--ca-file"]);
    command.arg(&simulator.ca_file);
    command.env("AZURE_TENANT_ID", &credentials.tenant_id).env("AZURE_CLIENT_ID", &credentials.client_id);
    command.env("AZURE_CLIENT_SECRET", &credentials.client_secret);
    command
}

fn idle_memory(folder: &Path, document: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let world = armsim::model::World::default().with_time_scale(0.001).with_route_table(TABLE, "eastus2", &[]);
    let simulator = runtime.block_on(armsim::server::start(world, armsim::server::Options::default())).expect("armsim");
    let published = format!(r#"{{"file": "{}"}}"#, document.display());
    let response = runtime.block_on(async {
        let url = format!("{}/publish", simulator.endpoints.control);
        reqwest::Client::new().post(url).header("content-type", "application/json").body(published).send().await
    });
    assert!(response.expect("the control interface").status().is_success());
    let (objects, state) = (folder.join("objects"), folder.join("state"));
    std::fs::create_dir_all(&objects).expect("the temporary folder");
    let yaml = format!(
        "apiVersion: amlnet.dev/v1alpha1\nkind: ServiceTagFeed\nmetadata: {{name: public}}\n\
         spec: {{cloud: Public, sources: [{{download: {{pageUrl: \"{}\"}}}}]}}\n---\n\
         apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nmetadata: {{name: ml}}\n\
         spec: {{region: eastus2, mode: UpsertOnly, routes: {{routeTables: [{{id: \"{TABLE}\"}}]}}}}\n",
        simulator.endpoints.download_page
    );
    std::fs::write(objects.join("ml.yaml"), yaml).expect("the temporary folder");
    let child = controller(&objects, &state, &simulator.endpoints).spawn().expect("amlnet");
    let child = Stopped(child);
    let deadline = Instant::now() + Duration::from_secs(60);
    let status = state.join("status/default.ml.yaml");
    while !std::fs::read_to_string(&status).is_ok_and(|text| text.contains("state: InSync")) {
        assert!(Instant::now() < deadline, "amlnet did not converge");
        std::thread::sleep(Duration::from_millis(50));
    }
    let memory = |name: &str| -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", child.0.id())).expect("its memory");
        let line = text.lines().find(|line| line.starts_with(name)).expect("the line");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    };
    let (now, peak) = (memory("VmRSS"), memory("VmHWM"));
    println!(
        "run --dir, idle memory: {:.1} MiB (peak {:.1}); ratio {:.2} of 40 MiB",
        mib(now),
        mib(peak),
        mib(now) / 40.0
    );
}
