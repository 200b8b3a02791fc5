//! `make image`: what it asks of a builder, and what it says where there is none. The builders here only say what they
//! were asked.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use crate::project;

/// What the script itself uses.
const TOOLS: [&str; 7] = ["sh", "dirname", "sed", "git", "tail", "cat", "env"];

/// Runs the script where `builders`, and the tools above, are all that is on PATH.
fn build(builders: &[(&str, &str)], arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    for tool in TOOLS {
        let path =
            std::env::split_paths(&std::env::var_os("PATH").unwrap()).map(|at| at.join(tool)).find(|at| at.is_file());
        if let Some(path) = path {
            symlink(path, folder.path().join(tool)).unwrap();
        }
    }
    for (name, script) in builders {
        program(&folder.path().join(name), script);
    }
    Command::new("sh").arg(project("deploy/image.sh")).args(arguments).env("PATH", folder.path()).output().unwrap()
}

fn program(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

const SAYS: &str = r#"[ "$1" = version ] && exit 0; printf '%s\n' "$@""#;
const DEAD: &str = "echo 'Cannot connect to the daemon' >&2; exit 1";

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_builder_is_told_version_commit_and_time() {
    let said = out(&build(&[("docker", SAYS)], &[]));
    let version = env!("CARGO_PKG_VERSION");
    assert!(said.starts_with(&format!("build\n--build-arg\nVERSION={version}\n--build-arg\nREVISION=")), "{said}");
    assert!(said.contains(&format!("\n--tag\namlnet:{version}\n--file\nDockerfile\n.\n")), "{said}");
    let of = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    let git = Command::new("git").args(["log", "-1", "--format=%H %ct"]).current_dir(project("")).output();
    match git.ok().filter(|git| git.status.success()).map(|git| String::from_utf8(git.stdout).unwrap()) {
        Some(git) => {
            let (commit, time) = git.trim().split_once(' ').unwrap();
            assert!(of("REVISION=").starts_with(commit), "{said}");
            assert_eq!(of("SOURCE_DATE_EPOCH="), time);
        }
        None => assert_eq!((of("REVISION="), of("SOURCE_DATE_EPOCH=")), ("unknown".to_owned(), "0".to_owned())),
    }
}

#[test]
fn name_and_options_are_passed_on() {
    let said =
        out(&build(&[("docker", SAYS)], &["registry.example.com/net/amlnet:7", "--build-arg", "RUST_IMAGE=a b"]));
    assert!(said.contains("\n--tag\nregistry.example.com/net/amlnet:7\n"), "{said}");
    assert!(said.ends_with("\n--build-arg\nRUST_IMAGE=a b\n.\n"), "{said}");
}

#[test]
fn a_builder_that_does_not_answer_is_passed_over() {
    let said = out(&build(&[("docker", DEAD), ("podman", SAYS), ("buildah", SAYS)], &[]));
    assert!(said.starts_with("build\n--timestamp\n"), "{said}");
}

#[test]
fn without_a_builder_it_says_what_each_lacks_and_what_to_do() {
    let output = build(&[("docker", DEAD)], &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in
        ["docker: Cannot connect to the daemon", "podman: not installed", "buildah: not installed", "Install docker"]
    {
        assert!(said.contains(part), "{part:?} is missing: {said}");
    }
}
