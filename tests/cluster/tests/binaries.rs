//! The cache of built programs, with a `go` that only pretends: the real one takes minutes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Answers `go env`, notes each `go build`, and writes `$PROGRAM` as the program.
const GO: &str = r#"#!/bin/sh
if [ "$1" = env ]; then printf 'go1.99\nlinux\namd64\n'; exit; fi
while [ $# -gt 0 ]; do
  if [ "$1" = -o ]; then out=$2; fi
  last=$1
  shift
done
echo "$last" >> "$BUILDS"
printf '%s' "$PROGRAM" > "$out"
chmod +x "$out"
exit "$CODE"
"#;
const GOOD: &str = "#!/bin/sh\necho v9.9.9\n";

/// `cluster build` with this `go` and a cache of its own, in `folder`.
fn build(folder: &Path, program: &str, code: u8) -> Command {
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let go = bin.join("go");
    // Written once: a process that was started before may be running it.
    if !go.exists() {
        std::fs::write(&go, GO).unwrap();
        std::fs::set_permissions(&go, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
    command
        .args(["build", "kube-apiserver", "etcd", "kubectl"])
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    command.env("XDG_CACHE_HOME", folder.join("cache")).env("BUILDS", folder.join("builds"));
    command.env("PROGRAM", program).env("CODE", code.to_string()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn builds(folder: &Path) -> Vec<String> {
    let mut lines: Vec<String> =
        std::fs::read_to_string(folder.join("builds")).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn processes_that_need_the_same_programs_build_them_once() {
    let folder = folder();
    let running = [(); 4].map(|()| build(folder.path(), GOOD, 0).spawn().unwrap());
    let outputs = running.map(|child| child.wait_with_output().unwrap());
    let said_paths = String::from_utf8_lossy(&outputs[0].stdout).into_owned();
    for output in &outputs {
        assert!(output.status.success(), "{}", said(output));
        assert_eq!(String::from_utf8_lossy(&output.stdout), said_paths);
    }
    assert_eq!(
        builds(folder.path()),
        ["go.etcd.io/etcd/server/v3", "k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kubectl",]
    );
    let cached: Vec<&Path> = said_paths.lines().map(Path::new).collect();
    for (path, name) in cached.iter().zip(["kube-apiserver", "etcd", "kubectl"]) {
        assert!(path.starts_with(folder.path().join("cache").join("amlnet").join("cluster")), "{said_paths}");
        assert!(path.ends_with(name) && path.is_file(), "{said_paths}");
    }
    assert_eq!(cached.len(), 3);
}

#[test]
fn what_fails_or_does_not_run_never_gets_into_the_cache() {
    for (program, code, why) in [
        (GOOD, 1, "`go build` ended with exit status: 1"),
        ("#!/bin/sh\nexit 3\n", 0, "asked for its version it ended with exit status: 3"),
        ("#!/bin/sh\necho v1.2.3\n", 0, "it is 1.2, and 1.33 or newer is needed"),
    ] {
        let folder = folder();
        let output = build(folder.path(), program, code).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(why), "{}", said(&output));
        // The next one builds again, and is not disturbed by what the first left.
        let output = build(folder.path(), GOOD, 0).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(builds(folder.path()).len(), 4);
    }
}

#[test]
fn without_go_it_is_said_what_to_install() {
    let folder = folder();
    let output = build(folder.path(), GOOD, 0).env("PATH", folder.path().join("nothing")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("Install Go"), "{}", said(&output));
    assert!(said(&output).contains(folder.path().join("cache").to_str().unwrap()), "{}", said(&output));
}

#[test]
fn a_name_that_is_none_of_them_is_refused_before_anything_is_built() {
    let folder = folder();
    let output = build(folder.path(), GOOD, 0).arg("kubeadm").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("there is no program \"kubeadm\""), "{}", said(&output));
    assert!(!folder.path().join("builds").exists());
}
