//! One `amlnet run --once` against the simulator: what it takes, and where its requests begin in the simulator's log.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use armsim::server::Running;
use wait4::Wait4 as _;

pub(crate) struct Ran {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_kib: u64,
    /// How many requests the simulator had seen before.
    pub(crate) seen: usize,
}

pub(crate) fn once(simulator: &Running, objects: &Path, state: &Path) -> Ran {
    let seen = simulator.world().log().len();
    let output = state.with_extension("out");
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_amlnet"))
        .args(["run", "--once", "--installation-id", "bench", "--log", "off", "--dir"])
        .arg(objects)
        .arg("--state")
        .arg(state)
        .args(["--arm-endpoint", &simulator.endpoints.arm, "--authority-host", &simulator.endpoints.login, "--ca-file"])
        .arg(&simulator.endpoints.ca_file)
        .env("AZURE_TENANT_ID", &simulator.endpoints.credentials.tenant_id)
        .env("AZURE_CLIENT_ID", &simulator.endpoints.credentials.client_id)
        .env("AZURE_CLIENT_SECRET", &simulator.endpoints.credentials.client_secret)
        .stdout(Stdio::from(File::create(&output).expect("a file")))
        .spawn()
        .expect("amlnet");
    let ended = child.wait4().expect("its end");
    let seconds = started.elapsed().as_secs_f64();
    if !ended.status.success() {
        let said = std::fs::read_to_string(&output).unwrap_or_default();
        let why = said.lines().filter(|line| ["blocked", "wait", "fail"].iter().any(|word| line.contains(word)));
        panic!("amlnet: {:?}\n{}", ended.status, why.take(20).collect::<Vec<_>>().join("\n"));
    }
    let cpu_seconds = (ended.rusage.utime + ended.rusage.stime).as_secs_f64();
    Ran { seconds, cpu_seconds, peak_kib: ended.rusage.maxrss / 1024, seen }
}
