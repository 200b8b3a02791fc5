//! `make dev`: an API server, the simulator of Azure, and `amlnet run` with a sample network; prints what to type next and
//! stays until it is interrupted.
//!
//! Everything that is started goes with this process, however it ends. Nothing of the user's is read or written: no
//! KUBECONFIG, no login to Azure, no folder. Must not link amlnet: it is run as a user runs it.

mod controller;
mod namespace;
mod sample;
mod simulator;
mod stop;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cluster::{Binaries, Cluster};

use crate::controller::Amlnet;
use crate::namespace::Namespace;
use crate::simulator::Simulator;
use crate::stop::Stop;
use crate::text::say;

const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How the story ended, where nothing went wrong.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Stopped,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let with_input = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--until-stdin-closes"] => true,
        _ => {
            say("usage: amlnet-dev [--until-stdin-closes]");
            return ExitCode::from(2);
        }
    };
    match stop::watch(with_input).and_then(|stop| stay(&stop)) {
        Ok(End::Stopped) => {
            say("\nStopped; nothing is left.");
            ExitCode::SUCCESS
        }
        Err(why) => {
            say(&format!("\n`make dev` failed: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// Starts everything, says what to type, and stays.
fn stay(stop: &Stop) -> Result<End, String> {
    let [amlnet, armsim] = ["amlnet", "armsim"].map(beside);
    let (amlnet, armsim) = (amlnet?, armsim?);
    // First of all: where Go is missing, that is said before anything is started.
    let binaries = Binaries::find().map_err(|error| error.to_string())?;
    say("An API server is started …");
    let cluster = Cluster::start().map_err(|error| error.to_string())?;
    let folder = cluster.folder().join("dev");
    std::fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    say("A simulator of Azure is started …");
    let simulator = Simulator::start(&armsim, &folder)?;
    let namespace = Namespace::make(&cluster, &amlnet, &folder)?;
    say("amlnet is started …");
    let amlnet = Amlnet::new(&amlnet, &namespace, &simulator, &folder)?;
    let mut controller = amlnet.run()?;
    namespace.apply(&sample::objects(simulator.endpoint("downloadPage")?))?;
    let deadline = Instant::now() + READY_WITHIN;
    let status = loop {
        if stop.within(LOOK_EVERY) {
            return Ok(End::Stopped);
        }
        controller.check().map_err(|error| error.to_string())?;
        if let Some(status) = namespace.ready(sample::NETWORK) {
            break status;
        }
        if Instant::now() > deadline {
            let (log, within) = (controller.log().display(), READY_WITHIN.as_secs());
            let why = namespace.told(sample::NETWORK);
            return Err(format!("the network was not Ready within {within} s: {why}; amlnet's log is {log}"));
        }
    };
    let kubectl = Some(binaries.kubectl.as_path()).filter(|kubectl| is_hidden(kubectl));
    text::next(&status, kubectl, &namespace, &amlnet, &simulator, controller.log())?;
    loop {
        if stop.within(LOOK_EVERY) {
            return Ok(End::Stopped);
        }
        // As Kubernetes would: a leader that lost its lease ends, and its pod starts anew.
        if let Err(error) = controller.check() {
            let why = error.to_string().lines().last().unwrap_or_default().to_owned();
            say(&format!("amlnet ended, and is started again: {why}"));
            if stop.within(Duration::from_secs(2)) {
                return Ok(End::Stopped);
            }
            controller = amlnet.run()?;
        }
    }
}

/// A program of this workspace.
fn beside(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("where this program lies is unknown: {error}"))?;
    let path = own.with_file_name(name);
    if path.is_file() { Ok(path) } else { Err(format!("{} is missing; `make dev` builds it", path.display())) }
}

/// Whether the shell would find another one.
fn is_hidden(kubectl: &Path) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let first = std::env::split_paths(&path).map(|folder| folder.join("kubectl")).find(|file| file.is_file());
    first.and_then(|first| Some(first.canonicalize().ok()? == kubectl.canonicalize().ok()?)) != Some(true)
}
