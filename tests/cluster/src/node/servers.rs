//! The programs of a node that runs, in the order in which they need each other.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::configuration as text;
use super::{Node, TOKENS};
use crate::node::space::Machine;
use crate::process::{self, Server};
use crate::{Error, image};

/// A node is ready within five seconds on an idle machine, and tests run when it is not.
const PATIENCE: Duration = Duration::from_secs(180);

/// Dropped, the programs end one by one, and then the machine with all that the containers left.
#[derive(Debug)]
pub(super) struct Running {
    servers: Vec<Server>,
    machine: Machine,
}

impl Running {
    pub(super) fn start(node: &Node) -> Result<Self, Error> {
        let folder = node.folder.path();
        let programs = &node.programs;
        let machine = Machine::start(&node.network, folder)?;
        let mut running = Self { servers: Vec::new(), machine };

        running.server("etcd", &programs.etcd, &text::etcd_arguments(folder), folder, || {
            node.network.within(|| TcpStream::connect(text::etcd()).is_ok()).unwrap_or(false)
        })?;
        let arguments = text::api_server_arguments(folder, TOKENS);
        running.server("kube-apiserver", &programs.api_server, &arguments, folder, || {
            node.ask("GET", "/readyz", None).is_ok_and(|answer| answer.status == 200)
        })?;
        let kubeconfig = node.kubeconfig_within();
        let arguments = text::controller_manager_arguments(folder, &kubeconfig);
        running.server("kube-controller-manager", &programs.controller_manager, &arguments, folder, || true)?;
        let arguments = text::scheduler_arguments(&kubeconfig);
        running.server("kube-scheduler", &programs.scheduler, &arguments, folder, || true)?;

        running.containerd(node)?;
        let pause = folder.join("pause.tar");
        image::pause(text::PAUSE, folder)?.save(&pause)?;
        running.load(&programs.ctr, &pause)?;
        running.kubelet(node, &kubeconfig)?;
        Ok(running)
    }

    fn server(
        &mut self,
        name: &'static str,
        program: &Path,
        arguments: &[String],
        folder: &Path,
        ready: impl FnMut() -> bool,
    ) -> Result<(), Error> {
        let mut command = self.machine.command(program);
        command.args(arguments);
        self.add(name, &command, folder, ready)
    }

    fn add(
        &mut self,
        name: &'static str,
        command: &Command,
        folder: &Path,
        ready: impl FnMut() -> bool,
    ) -> Result<(), Error> {
        let mut server = Server::start(name, command, folder)?;
        server.wait_until(PATIENCE, ready)?;
        self.servers.push(server);
        Ok(())
    }

    fn containerd(&mut self, node: &Node) -> Result<(), Error> {
        let (folder, programs) = (node.folder.path(), &node.programs);
        let cni = folder.join("cni");
        std::fs::create_dir_all(&cni).map_err(Error::file("cannot make", &cni))?;
        let file = folder.join("containerd.toml");
        write(&cni.join("10-pods.conflist"), &text::cni())?;
        write(&file, &text::containerd(&programs.cni_plugins, &cni))?;
        let mut command = self.machine.command(&programs.containerd);
        command.arg("--config").arg(file);
        // It looks for them by name.
        let theirs = std::env::var_os("PATH").unwrap_or_default();
        let ours = [&programs.containerd_shim, &programs.runc, &programs.ip];
        let folders = ours.iter().filter_map(|program| program.parent().map(Path::to_owned));
        let path = std::env::join_paths(folders.chain(std::env::split_paths(&theirs)));
        command.env("PATH", path.unwrap_or(theirs));
        let socket = self.machine.path(text::CONTAINERD_SOCKET);
        let ready = || std::os::unix::net::UnixStream::connect(&socket).is_ok();
        self.add("containerd", &command, folder, ready)
    }

    fn kubelet(&mut self, node: &Node, kubeconfig: &Path) -> Result<(), Error> {
        let (folder, programs) = (node.folder.path(), &node.programs);
        let file = folder.join("kubelet.json");
        write(&file, &text::kubelet(&node.cgroups.path()))?;
        let heartbeat = || {
            let object = node.get(&format!("/api/v1/nodes/{}", text::NAME));
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default()
        };
        // After a restart the node is still called ready, by what stood there before.
        let before = heartbeat()["lastHeartbeatTime"].clone();
        let arguments = text::kubelet_arguments(&file, kubeconfig);
        self.server("kubelet", &programs.kubelet, &arguments, folder, || {
            let now = heartbeat();
            now["status"] == "True" && now["lastHeartbeatTime"] != before
        })
    }

    pub(super) fn load(&self, ctr: &Path, archive: &Path) -> Result<(), Error> {
        let mut command = self.machine.command(ctr);
        command.args(["--namespace", "k8s.io", "images", "import"]).arg(archive);
        let failed = |why: String| Error::Command { command: format!("ctr images import {}", archive.display()), why };
        match process::run(&mut command, None, PATIENCE) {
            Err(error) => Err(failed(error.to_string())),
            Ok(ran) if !ran.status.success() => Err(failed(ran.stderr.trim().to_owned())),
            Ok(_) => Ok(()),
        }
    }

    /// Everything at once, with no time to say goodbye.
    pub(super) fn cut(self) {
        self.machine.end();
        drop(self.servers);
    }
}

fn write(path: &Path, content: &str) -> Result<(), Error> {
    std::fs::write(path, content).map_err(Error::file("cannot write", path))
}
