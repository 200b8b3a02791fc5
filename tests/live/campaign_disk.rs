//! A disk that is full, at any size of file, and a state folder that cannot be written.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use armsim::model::log::Server;
use serde_json::{Value, json};

use crate::campaign::side_by_side;
use crate::campaign_rules::{Seat, Week, assert_ended, rules_world, standing};
use crate::harness::{Doc, Sim, TABLE, assert_clean, central, east, ours};

const ONCE: [&str; 5] = ["run", "--dir", "dir", "--state", "state"];

/// `run --once` where no file can have more than so many half kilobytes. Its output goes through pipes.
fn once_on_a_small_disk(sim: &Sim, blocks: usize) -> Output {
    let command = sim.command(&[&ONCE[..], &["--once"]].concat());
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).arg(command.get_program()).args(command.get_args());
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(command.get_current_dir().unwrap()).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Every file below `state` that is not a leftover can be read as what it is.
#[track_caller]
fn assert_whole(sim: &Sim) {
    for (path, content) in sim.state_files() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!name.starts_with(".amlnet-"), "a leftover: {}", path.display());
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("yaml") => drop(serde_yaml::from_slice::<Value>(&content).unwrap()),
            Some("json") => drop(serde_json::from_slice::<Value>(&content).unwrap()),
            Some("gz") => {
                let mut text = String::new();
                std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*content), &mut text).unwrap();
            }
            Some("jsonl" | "log") => {
                for line in String::from_utf8(content).unwrap().lines() {
                    serde_json::from_str::<Value>(line).unwrap();
                }
            }
            // The seal of the last line, or none yet.
            Some("last") => assert!(content.is_empty() || content.starts_with(b"sha256:"), "{}", path.display()),
            _ => assert!(content.is_empty(), "{}", path.display()),
        }
    }
}

#[test]
fn campaign_of_full_disks() {
    // With a first week on the disk, and with nothing.
    let jobs: Vec<(usize, bool)> = [0, 1, 2, 3, 4, 8, 16].into_iter().flat_map(|n| [(n, true), (n, false)]).collect();
    side_by_side(&jobs, |(blocks, known)| {
        let sim = Sim::start();
        sim.usual(json!({}));
        if *known {
            sim.once(&[]).exits(0);
        }
        // Two more in East US 2, one less in Central US.
        sim.publish(&Doc::week(2).regions(0..6, 0..2));
        for _ in 0..2 {
            let output = once_on_a_small_disk(&sim, *blocks);
            assert!(output.status.code().is_some(), "it was killed: {}", said(&output));
            assert_whole(&sim);
        }
        let needed: BTreeSet<String> = (0..6).map(east).chain((0..2).map(central)).collect();
        let there = ours(&sim.history(TABLE));
        assert!(there.is_superset(&needed), "a full disk keeps addresses away: {there:?}");
        // There is room again.
        sim.once(&[]).exits(0);
        assert_whole(&sim);
        let history = sim.history(TABLE);
        assert_eq!(ours(&history), needed);
        assert_clean(&history, &needed);
        assert_eq!(sim.in_force("public"), 102);
        assert_eq!(sim.feed_status("public")["notStored"], Value::Null);
        assert_eq!(sim.status("ml")["targets"][0]["state"], "InSync");
    });
}

#[test]
fn campaign_of_full_disks_with_rules() {
    let jobs: Vec<(usize, bool)> = [0, 1, 4, 16].into_iter().flat_map(|n| [(n, true), (n, false)]).collect();
    side_by_side(&jobs, |(blocks, known)| {
        // Two more and one less of each service.
        let (first, second) = (Week::new(0..4, 0..3), Week::new(1..6, 1..5));
        let sim = rules_world(&first);
        if *known {
            sim.once(&[]).exits(0);
        }
        sim.publish(&second.doc(2));
        let mut last = String::new();
        for _ in 0..2 {
            let output = once_on_a_small_disk(&sim, *blocks);
            last = said(&output);
            assert!(output.status.code().is_some(), "it was killed: {}", said(&output));
            assert_whole(&sim);
        }
        for seat in Seat::ALL {
            let there = standing(&sim, seat);
            assert!(
                there.is_superset(&second.needs(seat)),
                "a full disk keeps addresses away, {seat:?}: {there:?}\n{last}"
            );
        }
        // There is room again.
        sim.once(&[]).exits(0);
        assert_whole(&sim);
        assert_ended(&sim, &second, &[]);
    });
}

#[test]
fn campaign_of_a_full_disk_that_is_noticed() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    sim.publish(&Doc::week(2).regions(0..6, 0..2));
    let output = once_on_a_small_disk(&sim, 0);
    assert_eq!(output.status.code(), Some(1), "what could not be kept is an error: {}", said(&output));
    for text in ["state/status/default.ml.yaml", "File too large", "the documents cannot be stored"] {
        assert!(said(&output).contains(text), "{text:?} is missing in:\n{}", said(&output));
    }
    assert!(said(&output).contains("writes done"), "the report comes all the same: {}", said(&output));
}

/// Nothing is asked of Azure where nothing can be remembered: without the lock another amlnet may be at work.
#[test]
fn campaign_of_states_that_cannot_be_written() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let file = sim.write("a-file", b"");
    let read_only = sim.path("read-only");
    std::fs::create_dir(&read_only).unwrap();
    std::fs::set_permissions(&read_only, std::fs::Permissions::from_mode(0o555)).unwrap();
    let mut states = vec!["/proc/amlnet-state".to_owned(), file.display().to_string()];
    if std::fs::write(read_only.join("probe"), b"").is_err() {
        states.push(read_only.display().to_string());
    } else {
        #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
        let () = eprintln!("skipped: a folder without permission to write, which means nothing to root");
    }
    for state in &states {
        let arguments = ["run", "--dir", "dir", "--state", state, "--once"];
        sim.amlnet(&arguments).exits(1).says(&[state]);
        let files = ["-f", "dir/feed.yaml", "-f", "dir/ml.yaml", "--state", state];
        sim.amlnet(&[&["apply", "--yes"], &files[..]].concat()).exits(1).says(&[state]);
        // A plan writes nothing anywhere.
        sim.amlnet(&[&["plan"], &files[..]].concat()).exits(2);
    }
    assert!(sim.log_of(Server::Arm).iter().all(|entry| entry.method == "GET"));
    assert_eq!(sim.history(TABLE).len(), 1);
}

/// The folder of documents alone stands on a disk that cannot be written.
#[test]
fn campaign_of_documents_that_cannot_be_stored() {
    let sim = Sim::start();
    sim.usual(json!({}));
    std::fs::create_dir(sim.state()).unwrap();
    std::os::unix::fs::symlink("/proc/self", sim.path("state/documents")).unwrap();
    for _ in 0..2 {
        sim.once(&[]).exits(0).says(&["the documents cannot be stored"]);
    }
    assert_eq!(ours(&sim.history(TABLE)), (0..4).map(east).chain((0..3).map(central)).collect());
    assert!(sim.feed_status("public")["notStored"].is_string());
    // Nothing that was needed is known the next time: without a source there is no document, and nothing changes.
    sim.fault(json!({"match": {"server": "downloadPage"}, "times": 0, "effect": {"status": {"code": 503}}}));
    let before = sim.history(TABLE);
    sim.once(&[]).exits(3);
    assert_eq!(sim.history(TABLE), before);
}
