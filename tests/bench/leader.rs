//! The figures of the Kubernetes mode: whole processes against a real API server and the simulator.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ::cluster::{ADMIN, Cluster};
use armsim::model::World;
use armsim::server::{Options, Running};

use crate::{Stopped, TABLE};

const PATIENCE: Duration = Duration::from_secs(60);
/// The worst of so many counts.
const TAKE_OVERS: usize = 3;

pub(crate) fn measure(document: &Path) {
    let cluster = match Cluster::start() {
        Ok(cluster) => cluster,
        Err(why) => return println!("in Kubernetes: {why}"),
    };
    let crds = Command::new(env!("CARGO_BIN_EXE_amlnet")).arg("crd").output().expect("the CRDs");
    cluster.apply(std::str::from_utf8(&crds.stdout).expect("text"));
    take_over(&cluster, document, "SIGTERM", "polite", 4);
    take_over(&cluster, document, "SIGKILL", "killed", 22);
}

/// An installation in a namespace of its own, with one network.
struct Stage<'a> {
    cluster: &'a Cluster,
    namespace: String,
    simulator: Running,
    _runtime: tokio::runtime::Runtime,
}

impl<'a> Stage<'a> {
    fn new(cluster: &'a Cluster, document: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let world = World::default().with_time_scale(0.001).with_route_table(TABLE, "eastus2", &[]);
        let simulator = runtime.block_on(armsim::server::start(world, Options::default())).expect("armsim");
        let published = format!(r#"{{"file": "{}"}}"#, document.display());
        let url = format!("{}/publish", simulator.endpoints.control);
        let asked = reqwest::Client::new().post(url).header("content-type", "application/json").body(published);
        let answer = runtime.block_on(asked.send()).expect("the control interface");
        assert!(answer.status().is_success());
        let namespace = cluster.namespace("bench");
        let page = &simulator.endpoints.download_page;
        cluster.apply(&format!(
            "apiVersion: amlnet.dev/v1alpha1\nkind: ServiceTagFeed\nmetadata: {{name: public, namespace: {namespace}}}\n\
             spec: {{cloud: Public, sources: [{{download: {{pageUrl: \"{page}\"}}}}]}}\n---\n\
             apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nmetadata: {{name: ml, namespace: {namespace}}}\n\
             spec: {{region: eastus2, mode: UpsertOnly, routes: {{routeTables: [{{id: \"{TABLE}\"}}]}}}}\n"
        ));
        Self { cluster, namespace, simulator, _runtime: runtime }
    }

    /// A replica with the default times, once it is ready.
    fn replica(&self, name: &str) -> Stopped {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number");
        let endpoints = &self.simulator.endpoints;
        let child = Command::new(env!("CARGO_BIN_EXE_amlnet"))
            .args(["run", "--installation-id", "bench", "--log", "off", "--namespace", &self.namespace])
            .args(["--identity", name, "--http-listen", &free.to_string()])
            .args(["--arm-endpoint", &endpoints.arm, "--authority-host", &endpoints.login, "--ca-file"])
            .arg(&endpoints.ca_file)
            .env("KUBECONFIG", self.cluster.kubeconfig(ADMIN))
            .env("AZURE_TENANT_ID", &endpoints.credentials.tenant_id)
            .env("AZURE_CLIENT_ID", &endpoints.credentials.client_id)
            .env("AZURE_CLIENT_SECRET", &endpoints.credentials.client_secret)
            .stdout(Stdio::null())
            .spawn()
            .expect("amlnet");
        let child = Stopped(child);
        wait("a replica that is ready", || is_ready(free));
        child
    }

    fn requests(&self) -> usize {
        self.simulator.world().log().len()
    }
}

fn wait(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_ready(address: SocketAddr) -> bool {
    let mut text = String::new();
    let asked = TcpStream::connect(address).and_then(|mut stream| {
        write!(stream, "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
        stream.read_to_string(&mut text)
    });
    asked.is_ok() && text.starts_with("HTTP/1.1 200")
}

/// From the signal to the first thing that the standby asks of Azure.
fn take_over(cluster: &Cluster, document: &Path, signal: &str, how: &str, limit: u64) {
    let stage = Stage::new(cluster, document);
    let mut leader = stage.replica("0");
    let ready = ["wait", "-n", &stage.namespace, "--for=condition=Ready", "amln/ml", "--timeout=60s"];
    cluster.kubectl(ADMIN, &ready).ok();
    let mut worst = Duration::ZERO;
    for number in 1..=TAKE_OVERS {
        let standby = stage.replica(&number.to_string());
        let pid = leader.0.id().to_string();
        let before = stage.requests();
        let asked = Instant::now();
        assert!(Command::new("kill").args(["-s", &signal["SIG".len()..], &pid]).status().expect("kill").success());
        leader.0.wait().expect("its end");
        wait("the next leader", || stage.requests() > before);
        worst = worst.max(asked.elapsed());
        leader = standby;
    }
    let seconds = worst.as_secs_f64();
    println!(
        "take-over in Kubernetes, {how} ({signal}), the worst of {TAKE_OVERS}: {seconds:.1} s (at most {limit} s); ratio {:.2}",
        seconds / Duration::from_secs(limit).as_secs_f64()
    );
}
