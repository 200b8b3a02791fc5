//! Where the programs come from: KUBEBUILDER_ASSETS, PATH, or the cache, which fills itself.

mod build;
mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::Error;
use version::Version;

/// A program that a Go module in `go/` has.
#[derive(Debug)]
pub struct Program {
    /// How errors and the cache call it.
    name: &'static str,
    /// What it may be called in a folder of PATH.
    files: &'static [&'static str],
    /// Prints the version, with the exit code 0.
    version: &'static [&'static str],
    /// The oldest that will do. None for a program that has no command to say its version.
    oldest: Option<Version>,
    /// The oldest that is too new.
    below: Option<Version>,
    /// The folder below `go/`, and the package in it.
    module: &'static str,
    package: &'static str,
    /// Build tags, with commas.
    tags: &'static str,
    /// Variables that are set when it is linked, and which part of which module's version each gets.
    linked: &'static [Linked],
}

/// A variable, a module in go.mod, and the part of its version.
type Linked = (&'static str, &'static str, fn(&str) -> Option<String>);

/// The oldest Kubernetes that amlnet supports.
const KUBERNETES: Option<Version> = Some(Version { major: 1, minor: 33 });
/// Without the version that Kubernetes' own scripts set, the server calls itself v0.0.0, and version checks fail.
const KUBERNETES_LINKED: &[Linked] = &[
    ("k8s.io/component-base/version.gitVersion", "k8s.io/kubernetes", |version| Some(format!("v{version}"))),
    ("k8s.io/component-base/version.gitMajor", "k8s.io/kubernetes", |version| part(version, 0)),
    ("k8s.io/component-base/version.gitMinor", "k8s.io/kubernetes", |version| part(version, 1)),
];

pub static API_SERVER: Program = Program {
    name: "kube-apiserver",
    files: &["kube-apiserver"],
    version: &["--version"],
    oldest: KUBERNETES,
    below: None,
    module: "kubernetes",
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    tags: "",
    linked: KUBERNETES_LINKED,
};
pub static ETCD: Program = Program {
    name: "etcd",
    files: &["etcd"],
    version: &["--version"],
    oldest: Some(Version { major: 3, minor: 5 }),
    below: None,
    module: "etcd",
    package: "go.etcd.io/etcd/server/v3",
    tags: "",
    linked: &[],
};
pub static KUBECTL: Program = Program {
    name: "kubectl",
    files: &["kubectl"],
    version: &["version", "--client"],
    oldest: KUBERNETES,
    below: None,
    module: "kubernetes",
    package: "k8s.io/kubernetes/cmd/kubectl",
    tags: "",
    linked: KUBERNETES_LINKED,
};
pub static HELM: Program = Program {
    name: "helm",
    files: &["helm", "helm4"],
    version: &["version", "--short"],
    oldest: Some(Version { major: 4, minor: 0 }),
    below: None,
    module: "helm",
    package: "helm.sh/helm/v4/cmd/helm",
    tags: "",
    linked: &[],
};
/// The one before, which many still use.
pub static HELM_3: Program = Program {
    name: "helm3",
    files: &["helm3", "helm"],
    version: &["version", "--short"],
    oldest: Some(Version { major: 3, minor: 18 }),
    below: Some(Version { major: 4, minor: 0 }),
    module: "helm",
    package: "helm.sh/helm/v3/cmd/helm",
    tags: "",
    // Without them it renders for Kubernetes 1.20 where it has no cluster, as its own scripts know.
    linked: &[
        ("helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor", "k8s.io/client-go", |_| Some("1".to_owned())),
        ("helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor", "k8s.io/client-go", |version| part(version, 1)),
        ("helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor", "k8s.io/client-go", |_| Some("1".to_owned())),
        ("helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor", "k8s.io/client-go", |version| part(version, 1)),
    ],
};
pub static HELM_UNITTEST: Program = Program {
    name: "helm-unittest",
    files: &["helm-unittest"],
    version: &["--help"],
    oldest: None,
    below: None,
    module: "helm",
    package: "github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
    tags: "",
    linked: &[],
};
pub static CONTROLLER_MANAGER: Program = Program {
    name: "kube-controller-manager",
    files: &["kube-controller-manager"],
    version: &["--version"],
    oldest: KUBERNETES,
    below: None,
    module: "kubernetes",
    package: "k8s.io/kubernetes/cmd/kube-controller-manager",
    tags: "",
    linked: KUBERNETES_LINKED,
};
pub static SCHEDULER: Program = Program {
    name: "kube-scheduler",
    files: &["kube-scheduler"],
    version: &["--version"],
    oldest: KUBERNETES,
    below: None,
    module: "kubernetes",
    package: "k8s.io/kubernetes/cmd/kube-scheduler",
    tags: "",
    linked: KUBERNETES_LINKED,
};
pub static KUBELET: Program = Program {
    name: "kubelet",
    files: &["kubelet"],
    version: &["--version"],
    oldest: KUBERNETES,
    below: None,
    module: "kubernetes",
    package: "k8s.io/kubernetes/cmd/kubelet",
    tags: "",
    linked: KUBERNETES_LINKED,
};
/// The oldest whose configuration file has the form that a node writes.
const CONTAINERD_OLDEST: Option<Version> = Some(Version { major: 2, minor: 0 });
/// Their libraries would be needed to build it, and a node uses none of them.
const CONTAINERD_TAGS: &str = "no_btrfs,no_devmapper,no_zfs";
pub static CONTAINERD: Program = Program {
    name: "containerd",
    files: &["containerd"],
    version: &["--version"],
    oldest: CONTAINERD_OLDEST,
    below: None,
    module: "containerd",
    package: "github.com/containerd/containerd/v2/cmd/containerd",
    tags: CONTAINERD_TAGS,
    linked: &[],
};
pub static CONTAINERD_SHIM: Program = Program {
    name: "containerd-shim-runc-v2",
    files: &["containerd-shim-runc-v2"],
    version: &["-v"],
    oldest: CONTAINERD_OLDEST,
    below: None,
    module: "containerd",
    package: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
    tags: CONTAINERD_TAGS,
    linked: &[],
};
pub static CTR: Program = Program {
    name: "ctr",
    files: &["ctr"],
    version: &["--version"],
    oldest: CONTAINERD_OLDEST,
    below: None,
    module: "containerd",
    package: "github.com/containerd/containerd/v2/cmd/ctr",
    tags: CONTAINERD_TAGS,
    linked: &[],
};

/// All of them, in the order in which they are built.
static PROGRAMS: [&Program; 12] = [
    &API_SERVER,
    &ETCD,
    &KUBECTL,
    &HELM,
    &HELM_3,
    &HELM_UNITTEST,
    &CONTROLLER_MANAGER,
    &SCHEDULER,
    &KUBELET,
    &CONTAINERD,
    &CONTAINERD_SHIM,
    &CTR,
];

fn part(version: &str, position: usize) -> Option<String> {
    version.split('.').nth(position).map(str::to_owned)
}

impl Program {
    /// Looks once in a process; what is nowhere is built, which takes minutes the first time.
    pub fn find(&'static self) -> Result<PathBuf, Error> {
        static FOUND: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
        // A panic while looking leaves nothing behind that could be wrong.
        let mut found = FOUND.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(path) = found.get(self.name) {
            return Ok(path.clone());
        }
        let path = locate(self)?;
        Ok(found.entry(self.name).or_insert(path).clone())
    }

    /// Builds it into the cache, whatever is on PATH, unless it is there.
    pub fn build(&'static self) -> Result<PathBuf, Error> {
        build::cached(self)
    }

    /// By their names; all of them for no name. The error is the name of none.
    pub fn named(names: &[&str]) -> Result<Vec<&'static Self>, String> {
        let known = |name: &&str| PROGRAMS.iter().copied().find(|program| program.name == *name);
        match names {
            [] => Ok(PROGRAMS.to_vec()),
            names => names.iter().map(|name| known(name).ok_or_else(|| (*name).to_owned())).collect(),
        }
    }
}

/// What a cluster needs: programs that were found to run and to be new enough.
#[derive(Debug, Clone)]
pub struct Binaries {
    pub kube_apiserver: PathBuf,
    pub etcd: PathBuf,
    pub kubectl: PathBuf,
}

impl Binaries {
    pub fn find() -> Result<Self, Error> {
        Ok(Self { kube_apiserver: API_SERVER.find()?, etcd: ETCD.find()?, kubectl: KUBECTL.find()? })
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
    let places = folders.iter().flat_map(|folder| program.files.iter().map(|file| folder.join(file)));
    places.filter(|binary| binary.is_file()).find(|binary| match version::check(program, binary) {
        Ok(()) => true,
        Err(why) => {
            say(&format!("{} is not used: {why}", binary.display()));
            false
        }
    })
}

/// Past the capturing of test output: a build of minutes that says nothing looks like a hang.
pub(crate) fn say(text: &str) {
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

    #[test]
    fn a_helm_of_the_other_generation_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let [three, four] = ["three", "four"].map(|name| folder.path().join(name));
        let old = script(&three, "helm", "echo v3.22.0+gabcdef");
        let new = script(&four, "helm", "echo v4.3.1");
        for folders in [[three.clone(), four.clone()], [four, three]] {
            assert_eq!(first_fit(&HELM, &folders).as_ref(), Some(&new));
            assert_eq!(first_fit(&HELM_3, &folders).as_ref(), Some(&old));
        }
    }
}
