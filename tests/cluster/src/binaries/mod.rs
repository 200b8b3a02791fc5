//! Where kube-apiserver, etcd and kubectl come from: KUBEBUILDER_ASSETS, PATH, or the cache, which fills itself.

mod build;
mod version;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::Error;
pub use build::build;
use version::Version;

/// One of the three programs.
#[derive(Debug)]
struct Program {
    name: &'static str,
    /// Prints the version, with the exit code 0.
    version: &'static [&'static str],
    oldest: Version,
    /// The folder below `go/`, and the package in it.
    module: &'static str,
    package: &'static str,
}

/// The oldest Kubernetes that amlnet supports.
const KUBERNETES: Version = Version { major: 1, minor: 33 };

static API_SERVER: Program = Program {
    name: "kube-apiserver",
    version: &["--version"],
    oldest: KUBERNETES,
    module: "kubernetes",
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
};
static ETCD: Program = Program {
    name: "etcd",
    version: &["--version"],
    oldest: Version { major: 3, minor: 5 },
    module: "etcd",
    package: "go.etcd.io/etcd/server/v3",
};
static KUBECTL: Program = Program {
    name: "kubectl",
    version: &["version", "--client"],
    oldest: KUBERNETES,
    module: "kubernetes",
    package: "k8s.io/kubernetes/cmd/kubectl",
};

/// Programs that were found to run and to be new enough.
#[derive(Debug, Clone)]
pub struct Binaries {
    pub kube_apiserver: PathBuf,
    pub etcd: PathBuf,
    pub kubectl: PathBuf,
}

impl Binaries {
    /// Looks once in a process; what is nowhere is built, which takes minutes the first time.
    pub fn find() -> Result<Self, Error> {
        static FOUND: Mutex<Option<Binaries>> = Mutex::new(None);
        // A panic while looking leaves nothing behind that could be wrong.
        let mut found = FOUND.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(found) = &*found {
            return Ok(found.clone());
        }
        let binaries = Self { kube_apiserver: locate(&API_SERVER)?, etcd: locate(&ETCD)?, kubectl: locate(&KUBECTL)? };
        Ok(found.insert(binaries).clone())
    }
}

fn locate(program: &'static Program) -> Result<PathBuf, Error> {
    let folders = std::env::var_os("KUBEBUILDER_ASSETS").into_iter().chain(std::env::var_os("PATH"));
    let folders: Vec<PathBuf> = folders.flat_map(|list| std::env::split_paths(&list).collect::<Vec<_>>()).collect();
    match first_fit(program, &distinct(folders)) {
        Some(binary) => Ok(binary),
        None => build::cached(program),
    }
}

/// `/bin` is often `/usr/bin`, and a program that is passed over is named once.
fn distinct(folders: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    folders.into_iter().filter(|folder| seen.insert(folder.canonicalize().unwrap_or_else(|_| folder.clone()))).collect()
}

/// The first that runs and is new enough. One that is passed over is named: whoever put it there expects it to be used.
fn first_fit(program: &Program, folders: &[PathBuf]) -> Option<PathBuf> {
    folders.iter().map(|folder| folder.join(program.name)).filter(|binary| binary.is_file()).find(|binary| {
        match version::check(program, binary) {
            Ok(()) => true,
            Err(why) => {
                say(&format!("{} is not used: {why}", binary.display()));
                false
            }
        }
    })
}

/// Past the capturing of test output: a build of minutes that says nothing looks like a hang.
fn say(text: &str) {
    // Nobody is there to hear it.
    let _ = writeln!(std::io::stderr(), "cluster: {text}");
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
        std::fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn the_first_binary_that_runs_and_is_new_enough_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let [empty, old, broken, new, newer] =
            ["empty", "old", "broken", "new", "newer"].map(|name| folder.path().join(name));
        script(&old, "kubectl", "echo 'Client Version: v1.32.4-dispatcher'");
        script(&broken, "kubectl", "echo 'Client Version: v1.36.0'; exit 1");
        let expected = script(&new, "kubectl", "echo 'Client Version: v1.33.0'");
        script(&newer, "kubectl", "echo 'Client Version: v1.36.3'");
        let found = first_fit(&KUBECTL, &[empty.clone(), old.clone(), broken, new, newer]);
        assert_eq!(found, Some(expected));
        assert_eq!(first_fit(&KUBECTL, &[empty, old]), None);
    }
}
