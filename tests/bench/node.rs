//! The release binary on a real node, installed by the chart: time from `helm install` to ready, and what an idle replica
//! takes of memory and processor, with the document of full size in force.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::mib;
use crate::release::{Release, shared};

const INSTALLS: u64 = 3;
const IDLE: Duration = Duration::from_secs(60);
/// What /proc counts in, on every Linux that there is.
const TICKS_A_SECOND: f64 = 100.0;

pub(crate) fn measure(document: &Path) {
    let Some(node) = shared() else {
        return println!("node: not measured, see above");
    };
    let text = std::fs::read(document).expect("the document");
    let mut slowest = Duration::ZERO;
    for install in 1..=INSTALLS {
        let release = Release::prepare(node, &format!("bench-{install}"), json!({}));
        release.sim.publish_bytes("20260504", &text);
        let took = release.installed(json!({}));
        println!("helm install to ready, two replicas: {:.1} s", took.as_secs_f64());
        slowest = slowest.max(took);
        if install == INSTALLS {
            idle(&release);
        }
        node.kubectl(&["delete", "namespace", &release.namespace, "--wait=false"]).ok();
    }
    let seconds = slowest.as_secs_f64();
    println!("the slowest of them: {seconds:.1} s; ratio {:.2} of 15 s", seconds / 15.0);
}

fn idle(release: &Release) {
    release.apply_network(json!({}));
    release.in_sync();
    let replicas: Vec<(String, u32)> = release
        .pods()
        .iter()
        .map(|pod| {
            let name = crate::release::name_of(pod);
            let role = if name == release.leader() { "leader" } else { "standby" };
            (role.to_owned(), process_of(pod).expect("the pod has a process"))
        })
        .collect();
    let begun = Instant::now();
    let before: Vec<f64> = replicas.iter().map(|(_, process)| processor_seconds(*process)).collect();
    std::thread::sleep(IDLE);
    for ((role, process), before) in replicas.iter().zip(before) {
        let share = (processor_seconds(*process) - before) / begun.elapsed().as_secs_f64();
        let memory = mib(resident_kib(*process));
        println!(
            "{role}, idle with a document of full size: {memory:.1} MiB; ratio {:.2} of 40 MiB; {:.2} % of a core; ratio {:.2} of 1 %",
            memory / 40.0,
            share * 100.0,
            share * 100.0
        );
    }
}

/// The process of the pod's container, as this computer numbers it: its control group has the name of the container.
fn process_of(pod: &Value) -> Option<u32> {
    let container = pod["status"]["containerStatuses"][0]["containerID"].as_str()?.strip_prefix("containerd://")?;
    let processes = std::fs::read_dir("/proc").ok()?;
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).find(|process: &u32| {
        std::fs::read_to_string(format!("/proc/{process}/cgroup")).is_ok_and(|groups| groups.contains(container))
    })
}

fn resident_kib(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).expect("its memory");
    let line = text.lines().find(|line| line.starts_with("VmRSS")).expect("the line");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

/// In its own code and in the kernel: fields 14 and 15, counted from behind the name, which may hold anything.
fn processor_seconds(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("its times");
    let (_, rest) = text.rsplit_once(") ").expect("the name in brackets");
    let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_A_SECOND
}
