//! A thousand AmlNetworks in a real API server: memory, lists and watches, needless writes, how soon a document is told.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use armsim::server::Running;
use cluster::{ADMIN, Cluster, Settings};
use serde_json::{Value, json};

const NETWORKS: usize = 1000;
const SUBSCRIPTIONS: usize = 100;
const USER: &str = "controller";
/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Two of these are watched for needless writes.
const RESYNC: Duration = Duration::from_secs(10);

fn table(n: usize) -> String {
    let subscription = format!("00000000-0000-0000-0000-{:012}", n % SUBSCRIPTIONS);
    format!("/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Network/routeTables/rt-{n}")
}

/// The full-size document with another prefix for East US 2 and another change number.
fn next_document(document: &Path) -> (u64, Vec<u8>) {
    let mut next: Value = serde_json::from_slice(&std::fs::read(document).expect("the document")).expect("JSON");
    let number = next["changeNumber"].as_u64().unwrap_or_default() + 1;
    next["changeNumber"] = json!(number);
    let values = next["values"].as_array_mut().expect("tags");
    let cloud = values.iter().find(|tag| tag["name"] == "AzureCloud.eastus2").expect("the cloud of the region");
    let prefixes = cloud["properties"]["addressPrefixes"].as_array().expect("prefixes").iter();
    let added = prefixes.filter_map(Value::as_str).find(|text| text.ends_with("/25")).expect("a prefix").to_owned();
    for tag in values.iter_mut() {
        if tag["name"] == "AzureMachineLearning.EastUS2" || tag["name"] == "AzureMachineLearning" {
            tag["properties"]["addressPrefixes"].as_array_mut().expect("prefixes").push(json!(added));
        }
    }
    (number, serde_json::to_vec(&next).expect("JSON"))
}

/// A controller that ends with this value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn measure(folder: &Path, document: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut world = armsim::model::World::default().with_time_scale(0.002);
    for n in 0..NETWORKS {
        world = world.with_route_table(&table(n), "eastus2", &[]);
    }
    let simulator = runtime.block_on(armsim::server::start(world, armsim::server::Options::default())).expect("armsim");
    let cluster = Settings::default().user(USER, &["system:masters"]).start().expect("an API server");
    let crds = Command::new(env!("CARGO_BIN_EXE_amlnet")).arg("crd").output().expect("amlnet crd");
    cluster.apply(&String::from_utf8(crds.stdout).expect("UTF-8"));
    let namespace = cluster.namespace("bench");
    let base = format!("/apis/amlnet.dev/v1alpha1/namespaces/{namespace}");
    let tags = folder.join("kube-tags.json");
    std::fs::copy(document, &tags).expect("the temporary folder");
    let create = |plural: &str, object: Value| {
        let answer = cluster.ask(ADMIN, "POST", &format!("{base}/{plural}"), Some(&object)).expect("an answer");
        assert!(answer.status < 300, "{}", answer.body);
    };
    let api = "amlnet.dev/v1alpha1";
    create(
        "servicetagfeeds",
        json!({"apiVersion": api, "kind": "ServiceTagFeed", "metadata": {"name": "public"},
            "spec": {"cloud": "Public", "sources": [{"file": {"path": tags}}]}}),
    );
    for n in 0..NETWORKS {
        let spec = json!({"region": "eastus2", "mode": "Observe", "routes": {"routeTables": [{"id": table(n)}]}});
        let metadata = json!({"name": format!("n{n}")});
        create("amlnetworks", json!({"apiVersion": api, "kind": "AmlNetwork", "metadata": metadata, "spec": spec}));
    }

    let first = start(&cluster, &simulator, &namespace, folder, "first");
    let started = Instant::now();
    let number = |text: &[u8]| serde_json::from_slice::<Value>(text).expect("JSON")["changeNumber"].as_u64();
    let before = number(&std::fs::read(document).expect("the document")).unwrap_or_default();
    wait_for(&cluster, &base, before, &folder.join("first.log"));
    println!(
        "{NETWORKS} AmlNetworks in Observe: all looked at for the first time in {:.1} s",
        started.elapsed().as_secs_f64()
    );

    let (after, text) = next_document(document);
    let next = folder.join("kube-tags.next");
    std::fs::write(&next, text).expect("the temporary folder");
    std::fs::rename(&next, &tags).expect("the temporary folder");
    let published = Instant::now();
    wait_for(&cluster, &base, after, &folder.join("first.log"));
    let seconds = published.elapsed().as_secs_f64();
    println!(
        "a new document until the last of {NETWORKS} statuses: {seconds:.1} s; ratio {:.2} of 10 s",
        seconds / 10.0
    );

    // What the statuses still say a second later is written; then nothing may be.
    std::thread::sleep(Duration::from_secs(3));
    let writes = || cluster.requests_of(USER).iter().filter(|r| r.subresource == "status").count();
    let quiet = writes();
    std::thread::sleep(RESYNC * 2);
    let peak = peak_kib(first.0.id());
    let count = |verb: &str, plural: &str| {
        cluster.requests_of(USER).iter().filter(|r| r.verb == verb && r.resource == plural).count()
    };
    println!(
        "while nothing changed for two resyncs: {} status writes (0 allowed); lists of AmlNetworks {}, of feeds {}, of approvals {} (1 each)",
        writes() - quiet,
        count("list", "amlnetworks"),
        count("list", "servicetagfeeds"),
        count("list", "planapprovals"),
    );
    println!("peak {:.1} MiB, ratio {:.2} of 150 MiB", crate::mib(peak), crate::mib(peak) / 150.0);
    drop(first);

    let begun = Instant::now();
    let second = start(&cluster, &simulator, &namespace, folder, "second");
    let log = folder.join("second.log");
    let address = wait(|| {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.lines().find_map(|line| Some(line.split_once("address=")?.1.split_whitespace().next()?.to_owned()))
    });
    wait(|| {
        let answer = std::net::TcpStream::connect(&address).ok()?;
        is_ready(answer).then_some(())
    });
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "start to ready with {NETWORKS} AmlNetworks and stored documents: {seconds:.2} s; ratio {seconds:.2} of 1 s"
    );
    drop(second);
}

fn is_ready(mut stream: std::net::TcpStream) -> bool {
    use std::io::{Read as _, Write as _};
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

fn start(cluster: &Cluster, simulator: &Running, namespace: &str, folder: &Path, name: &str) -> Process {
    let child = Command::new(env!("CARGO_BIN_EXE_amlnet"))
        .args(["run", "--installation-id", "bench", "--namespace", namespace, "--identity", name])
        .args(["--http-listen", "127.0.0.1:0", "--resync", &format!("{}s", RESYNC.as_secs())])
        .args(["--arm-endpoint", &simulator.endpoints.arm, "--authority-host", &simulator.endpoints.login, "--ca-file"])
        .arg(&simulator.endpoints.ca_file)
        .env("KUBECONFIG", cluster.kubeconfig(USER))
        .env("AZURE_TENANT_ID", &simulator.endpoints.credentials.tenant_id)
        .env("AZURE_CLIENT_ID", &simulator.endpoints.credentials.client_id)
        .env("AZURE_CLIENT_SECRET", &simulator.endpoints.credentials.client_secret)
        .stdout(Stdio::null())
        .stderr(File::create(folder.join(format!("{name}.log"))).expect("a file"))
        .spawn()
        .expect("amlnet");
    Process(child)
}

/// Waits until every Network's targets have followed this document.
fn wait_for(cluster: &Cluster, base: &str, change_number: u64, log: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while let Some(unfinished) = unfinished(cluster, base, change_number) {
        if Instant::now() > deadline {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            let last: Vec<&str> = text.lines().rev().take(20).collect();
            panic!("not in time:\n{unfinished:#}\n{}", last.join("\n"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// One of those that do not follow the document yet; null where they could not be listed.
fn unfinished(cluster: &Cluster, base: &str, change_number: u64) -> Option<Value> {
    let answer = cluster.ask(ADMIN, "GET", &format!("{base}/amlnetworks"), None);
    let list: Value = answer.map(|answer| answer.json()).unwrap_or_default();
    let is_done = |object: &Value| {
        let status = &object["status"];
        status["document"]["changeNumber"] == change_number
            && status["targets"][0]["state"] == "Changes"
            && status["observedGeneration"] == object["metadata"]["generation"]
    };
    match list["items"].as_array() {
        Some(items) if items.len() == NETWORKS => items.iter().find(|object| !is_done(object)).cloned(),
        _ => Some(Value::Null),
    }
}

fn wait<T>(mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "not in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}
