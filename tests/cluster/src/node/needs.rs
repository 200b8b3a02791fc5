//! What a node needs of this computer: rights, a kernel that does its part, and programs. What is missing is a reason to
//! skip; only a program that cannot be built is an error, as it is for a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::debian::{self, Skip};
use crate::{
    API_SERVER, CONTAINERD, CONTAINERD_SHIM, CONTROLLER_MANAGER, CTR, ETCD, Error, KUBECTL, KUBELET, NoNode, SCHEDULER,
    process,
};

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Programs {
    pub(super) etcd: PathBuf,
    pub(super) api_server: PathBuf,
    pub(super) controller_manager: PathBuf,
    pub(super) scheduler: PathBuf,
    pub(super) kubelet: PathBuf,
    pub(super) kubectl: PathBuf,
    pub(super) containerd: PathBuf,
    pub(super) containerd_shim: PathBuf,
    pub(super) ctr: PathBuf,
    pub(super) runc: PathBuf,
    pub(super) cni_plugins: PathBuf,
    pub(super) ip: PathBuf,
}

/// First what takes no time: nothing is built for a node that cannot be.
pub(super) fn programs() -> Result<Programs, NoNode> {
    kernel()?;
    let ip = debian::program("iproute2", "ip")?;
    let runc = debian::program("runc", "runc")?;
    // `bridge` itself is also the name of a program of iproute2.
    let plugin = debian::program("containernetworking-plugins", "host-local")?;
    for program in [&ip, &runc] {
        let version = if program == &ip { "-V" } else { "--version" };
        runs(Command::new(program).arg(version)).map_err(|why| Skip(format!("{} {why}", program.display())))?;
    }
    Ok(Programs {
        etcd: ETCD.find()?,
        api_server: API_SERVER.find()?,
        controller_manager: CONTROLLER_MANAGER.find()?,
        scheduler: SCHEDULER.find()?,
        kubelet: KUBELET.find()?,
        kubectl: KUBECTL.find()?,
        containerd: CONTAINERD.find()?,
        containerd_shim: CONTAINERD_SHIM.find()?,
        ctr: CTR.find()?,
        cni_plugins: plugin.parent().map_or_else(PathBuf::new, Path::to_owned),
        runc,
        ip,
    })
}

fn kernel() -> Result<(), Skip> {
    let skip = |why: &str| Err(Skip(format!("a node cannot be started here: {why}")));
    if !cfg!(target_os = "linux") {
        return skip("it needs Linux");
    }
    // Of its user namespace, which may still be refused what follows.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:")).and_then(|ids| ids.split_whitespace().nth(1));
    if user != Some("0") {
        return skip("it needs root");
    }
    let spaces = ["--net", "--pid", "--mount", "--fork", "--mount-proc", "--", "mount", "-t", "tmpfs", "tmpfs", "/run"];
    if let Err(why) = runs(Command::new("unshare").args(spaces)) {
        return skip(&format!("namespaces cannot be made: `unshare` {why}"));
    }
    for program in ["nsenter", "setpriv"] {
        if let Err(why) = runs(Command::new(program).arg("--version")) {
            return skip(&format!("`{program}` {why} (Debian: util-linux)"));
        }
    }
    if !Path::new("/dev/kmsg").exists() {
        return skip("there is no /dev/kmsg, which the kubelet reads");
    }
    let root = Path::new("/sys/fs/cgroup");
    let first = if root.join("cgroup.controllers").exists() { root.to_owned() } else { root.join("memory") };
    probe(&first).or_else(|why| skip(&format!("control groups cannot be made: {why}")))
}

/// One control group is made and removed where the containers will be. Two nodes may start side by side.
fn probe(parent: &Path) -> Result<(), String> {
    static PROBES: AtomicU32 = AtomicU32::new(0);
    let number = PROBES.fetch_add(1, Ordering::Relaxed);
    let group = parent.join(format!("amlnet-probe-{}-{number}", std::process::id()));
    let made = std::fs::create_dir(&group).and_then(|()| std::fs::remove_dir(&group));
    made.map_err(|error| format!("{}: {error}", group.display()))
}

fn runs(command: &mut Command) -> Result<(), String> {
    match process::run(command, None, PATIENCE) {
        Err(error) => Err(format!("does not run: {error}")),
        Ok(ran) if !ran.status.success() => Err(format!("says: {}", ran.stderr.trim())),
        Ok(_) => Ok(()),
    }
}

impl From<Error> for NoNode {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

impl From<Skip> for NoNode {
    fn from(skip: Skip) -> Self {
        Self::Skip(skip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_nodes_may_ask_for_a_control_group_at_the_same_time() {
        let parent = tempfile::tempdir().unwrap();
        let ask = || (0..500).try_for_each(|_| probe(parent.path()));
        let answers = std::thread::scope(|scope| [scope.spawn(ask), scope.spawn(ask)].map(|asks| asks.join().unwrap()));
        assert_eq!(answers, [Ok(()), Ok(())]);
        let missing = parent.path().join("missing");
        assert!(probe(&missing).unwrap_err().contains("missing/amlnet-probe-"));
    }
}
