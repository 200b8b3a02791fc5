//! Nothing survives: no process, no folder, however the test ends. Read from /proc, so on Linux only.
#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use cluster::{ADMIN, Binaries, Cluster};

/// The command lines of all processes that name the folder.
pub(crate) fn processes(folder: &Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        // One that ended meanwhile has none.
        let line = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    processes.filter(|line| line.contains(folder.to_str().unwrap())).collect()
}

#[track_caller]
pub(crate) fn nothing_is_left(folder: &Path) {
    crate::wait_until("all processes are gone", || processes(folder).is_empty());
    crate::wait_until("the folder is gone", || !folder.exists());
}

#[track_caller]
fn all_run(folder: &Path) {
    let lines = processes(folder);
    for name in ["/etcd ", "/kube-apiserver "] {
        assert!(lines.iter().any(|line| line.contains(name)), "{name} is missing in {lines:#?}");
    }
}

#[test]
fn a_cluster_ends_with_its_value() {
    let begun = Instant::now();
    let cluster = Cluster::start().unwrap();
    eprintln!("a cluster was ready after {:.1} s", begun.elapsed().as_secs_f32());
    let folder = cluster.folder().to_owned();
    all_run(&folder);
    let begun = Instant::now();
    drop(cluster);
    eprintln!("and gone after {:.2} s more", begun.elapsed().as_secs_f32());
    // Not "soon": dropping it waits.
    assert_eq!(processes(&folder), [""; 0]);
    assert!(!folder.exists());
}

#[test]
fn a_cluster_ends_with_a_test_that_panics() {
    let folder = std::sync::Mutex::new(PathBuf::new());
    let panicked = std::panic::catch_unwind(|| {
        let cluster = Cluster::start().unwrap();
        *folder.lock().unwrap() = cluster.folder().to_owned();
        // Nobody has this name, which is what a mistaken test would do.
        cluster.token("nobody")
    });
    assert!(panicked.is_err());
    let folder = folder.into_inner().unwrap();
    assert_eq!(processes(&folder), [""; 0]);
    assert!(!folder.exists());
}

/// `cluster serve` as a person starts it, and the line that it prints.
fn serve(configure: impl FnOnce(&mut Command)) -> (Child, serde_json::Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
    command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped());
    configure(&mut command);
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (child, serde_json::from_str(&line).unwrap())
}

fn folder_of(line: &serde_json::Value) -> PathBuf {
    Path::new(line["kubeconfig"].as_str().unwrap()).parent().unwrap().to_owned()
}

#[test]
fn a_cluster_ends_with_a_process_that_is_killed() {
    let (mut child, line) = serve(|_| {});
    let folder = folder_of(&line);
    all_run(&folder);
    child.kill().unwrap();
    child.wait().unwrap();
    nothing_is_left(&folder);
}

#[test]
fn a_cluster_ends_with_a_process_that_is_terminated() {
    let (mut child, line) = serve(|_| {});
    let folder = folder_of(&line);
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    child.wait().unwrap();
    nothing_is_left(&folder);
}

#[test]
fn serving_ends_with_its_input_and_touches_nothing_of_the_users() {
    let home = tempfile::tempdir().unwrap();
    let theirs = home.path().join("config");
    std::fs::write(&theirs, "theirs").unwrap();
    let found = Binaries::find().unwrap();
    let folders = [&found.kube_apiserver, &found.etcd, &found.kubectl].map(|binary| binary.parent().unwrap());
    let assets = std::env::join_paths(folders).unwrap();
    let (mut child, line) = serve(|command| {
        command.env("HOME", home.path()).env("KUBECONFIG", &theirs).env("KUBEBUILDER_ASSETS", assets);
    });
    let folder = folder_of(&line);
    let output = Command::new(line["kubectl"].as_str().unwrap())
        .args(["--kubeconfig", line["kubeconfig"].as_str().unwrap(), "--cache-dir"])
        .args([folder.join("cache").to_str().unwrap(), "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), ADMIN);
    assert!(line["url"].as_str().unwrap().starts_with("https://127.0.0.1:"), "{line}");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    nothing_is_left(&folder);
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "theirs");
    let names: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["config"]);
}

const FOLDER_GOES_TO: &str = "CLUSTER_TEST_FOLDER_GOES_TO";

#[test]
#[ignore = "the other half of the next test, which runs it in a process of its own"]
fn uses_the_shared_cluster() {
    let folder = Cluster::shared().folder();
    all_run(folder);
    std::fs::write(std::env::var_os(FOLDER_GOES_TO).unwrap(), folder.to_str().unwrap()).unwrap();
}

/// The test runner ends without dropping what is static.
#[test]
fn the_shared_cluster_ends_with_the_process_of_the_tests() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "ends::uses_the_shared_cluster"])
        .env(FOLDER_GOES_TO, file.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let folder = PathBuf::from(std::fs::read_to_string(file.path()).unwrap());
    assert!(folder.is_absolute(), "{}", folder.display());
    nothing_is_left(&folder);
}
