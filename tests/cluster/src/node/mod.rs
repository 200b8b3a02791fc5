//! A whole node: etcd, API server, controller manager, scheduler, containerd and kubelet, with a network, processes and
//! mounts of their own. Pods run, and reach what listens on [`Node::outside`].
//!
//! All of it ends with the value, or with the process, also one that is killed. Nothing of the computer is changed but
//! below the temporary folder and in a control group of its own. There is no kube-proxy and no DNS: of service addresses
//! only the API server's works, pods are reached by their own. No plugin enforces a NetworkPolicy.

mod cgroups;
mod configuration;
mod needs;
mod servers;
mod space;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::binaries::say;
use crate::debian::Skip;
use crate::folder::Folder;
use crate::http::{Answer, Client};
use crate::users::{ADMIN, Users};
use crate::{Error, Output, Proxy, certificates, kubectl, process};
use cgroups::Cgroups;
use needs::Programs;
use servers::Running;
use space::Network;

const TOKENS: &str = "tokens.csv";
/// Set to anything but nothing, a node that cannot be is a failure: `make test-node` promises one.
const REQUIRED: &str = "AMLNET_NODE_REQUIRED";

/// Why there is no node.
#[derive(Debug, thiserror::Error)]
pub enum NoNode {
    /// Not on this computer, for a reason that is not ours.
    #[error(transparent)]
    Skip(Skip),
    #[error(transparent)]
    Broken(Error),
}

/// A node that is ready.
#[derive(Debug)]
pub struct Node {
    // In the order in which they have to go.
    running: Mutex<Option<Running>>,
    way: Proxy,
    network: Network,
    cgroups: Cgroups,
    folder: Folder,
    programs: Programs,
    client: Client,
    users: Users,
}

impl Node {
    pub fn start() -> Result<Self, NoNode> {
        let programs = needs::programs()?;
        cgroups::sweep();
        let folder = Folder::make(&cgroups::folder_prefix())?;
        let path = folder.path();
        for hidden in ["/run", "/var/lib", "/var/log"] {
            let used = [path, &programs.kubelet, &programs.runc, &programs.containerd_shim];
            if let Some(path) = used.iter().find(|path| path.starts_with(hidden)) {
                let why = format!("{} lies below {hidden}, where a node has folders of its own", path.display());
                return Err(Skip(why).into());
            }
        }
        let authority = certificates::write(path)?;
        let users = Users::write(&[], &path.join(TOKENS))?;
        let home = path.join("home");
        std::fs::create_dir(&home).map_err(Error::file("cannot make", home))?;
        let api_server = configuration::api_server();
        let client = Client::new(api_server, authority.der.clone())
            .map_err(Error::file("cannot use", path.join(certificates::AUTHORITY)))?;
        let cgroups = Cgroups::make()?;
        let network = Network::start(&programs.ip, &[configuration::ADDRESS, configuration::OUTSIDE])?;
        let way = way(&network, api_server).map_err(Error::Port)?;
        let node = Self { running: Mutex::new(None), way, network, cgroups, folder, programs, client, users };
        node.boot()?;
        Ok(node)
    }

    /// One for all tests of this process, started by the first that asks. Nothing, and a line on standard error that
    /// says why, where this computer cannot run one.
    #[track_caller]
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Result<Node, NoNode>> = OnceLock::new();
        let begun = Instant::now();
        let shared = SHARED.get_or_init(|| {
            let node = Self::start();
            match &node {
                Ok(_) => say(&format!("the node is ready after {:.1} s", begun.elapsed().as_secs_f32())),
                Err(NoNode::Skip(why)) => say(&format!("skipped, all that needs a node: {why}")),
                Err(NoNode::Broken(_)) => {}
            }
            node
        });
        match shared {
            Ok(node) => Some(node),
            Err(NoNode::Skip(_)) if std::env::var_os(REQUIRED).is_none_or(|value| value.is_empty()) => None,
            Err(why) => panic!("there is no node: {why}"),
        }
    }

    /// A power cut, and everything comes up again: the same disk, the same network, nothing of the memory.
    pub fn restart(&self) -> Result<(), Error> {
        if let Some(running) = self.running().take() {
            running.cut();
        }
        // The bridge is the kernel's, and would not have outlived it either. There is none before the first pod.
        let mut command = self.network.command(&self.programs.ip);
        command.args(["link", "delete", configuration::BRIDGE]);
        let _ = process::run(&mut command, None, Duration::from_secs(30));
        self.boot()
    }

    fn boot(&self) -> Result<(), Error> {
        let running = Running::start(self)?;
        *self.running() = Some(running);
        Ok(())
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        // They are there or not, whoever panicked.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address for servers that pods are to reach: it belongs to the node's loopback. Start them with
    /// [`Self::within`] or by [`Self::command`].
    pub fn outside(&self) -> Ipv4Addr {
        configuration::OUTSIDE
    }

    /// Runs it on a thread in the node's network. Threads and sockets that it makes stay there.
    #[track_caller]
    pub fn within<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        self.network.within(action).unwrap_or_else(|error| panic!("the node's network cannot be entered: {error}"))
    }

    /// A program in the node's network; otherwise it is like any other of this computer.
    pub fn command(&self, program: &Path) -> Command {
        self.network.command(program)
    }

    /// A port of this computer's loopback that leads to an address in the node's network.
    #[track_caller]
    pub fn way_to(&self, address: SocketAddr) -> Proxy {
        way(&self.network, address).unwrap_or_else(|error| panic!("no way to {address}: {error}"))
    }

    /// A docker-archive; its tags become names that a pod may use.
    #[track_caller]
    pub fn load_image(&self, archive: &Path) {
        let running = self.running();
        let running = running.as_ref().expect("the node was started, and is not being restarted");
        running.load(&self.programs.ctr, archive).unwrap_or_else(|error| panic!("{error}"));
    }

    /// For helm and others that run outside of the node's network.
    #[track_caller]
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_to(self.way.address())
    }

    /// For programs in the node's network.
    #[track_caller]
    pub fn kubeconfig_within(&self) -> PathBuf {
        self.kubeconfig_to(configuration::api_server())
    }

    #[track_caller]
    fn kubeconfig_to(&self, api_server: SocketAddr) -> PathBuf {
        let path = self.folder.path();
        self.users.kubeconfig(ADMIN, api_server, path, &path.join(certificates::AUTHORITY))
    }

    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        self.run_kubectl(arguments, None)
    }

    /// With `stdin`, for `-f -`.
    #[track_caller]
    pub fn kubectl_stdin(&self, arguments: &[&str], stdin: &str) -> Output {
        self.run_kubectl(arguments, Some(stdin))
    }

    #[track_caller]
    fn run_kubectl(&self, arguments: &[&str], stdin: Option<&str>) -> Output {
        let home = self.folder.path().join("home");
        kubectl::run(&self.programs.kubectl, &home, &self.kubeconfig(), arguments, stdin)
    }

    /// One request without kubectl: `path` with its query, a JSON body or none. A PATCH is a merge patch.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<Answer> {
        self.network.within(|| self.client.send(method, path, &self.users.token(ADMIN), body))?
    }

    /// The object at a path; null where there is none, or nobody answers.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, None).ok().filter(|answer| answer.status == 200);
        answer.map(|answer| answer.json()).unwrap_or_default()
    }

    /// Logs and files of the node; removed at the end.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All that is known about the pods of a namespace, for whoever reads why a test failed.
    pub fn describe(&self, namespace: &str) -> String {
        let mut commands: Vec<Vec<String>> = [
            &["get", "pods,replicasets", "-o", "wide"][..],
            &["describe", "pods"],
            &["get", "events", "--sort-by=.lastTimestamp"],
        ]
        .map(|arguments| arguments.iter().map(ToString::to_string).collect())
        .into();
        let pods = self.get(&format!("/api/v1/namespaces/{namespace}/pods"));
        for name in pods["items"].as_array().into_iter().flatten().filter_map(|pod| pod["metadata"]["name"].as_str()) {
            for previous in ["--previous=true", "--previous=false"] {
                let logs = ["logs", "--all-containers", "--tail=60", previous, name];
                commands.push(logs.map(str::to_owned).into());
            }
        }
        let said = commands.iter().map(|arguments| {
            let arguments: Vec<&str> =
                ["-n", namespace].into_iter().chain(arguments.iter().map(String::as_str)).collect();
            let output = self.kubectl(&arguments);
            format!("$ kubectl {}\n{}{}\n", arguments.join(" "), output.stdout, output.stderr)
        });
        let kubelet = process::end_of(&self.folder.path().join("kubelet.log"));
        said.chain([format!("the kubelet says:\n{kubelet}")]).collect::<Vec<_>>().concat()
    }
}

/// The listener is of this network, and what it passes on goes out in the other.
fn way(network: &Network, to: SocketAddr) -> std::io::Result<Proxy> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    network.within(|| Proxy::between(listener, to))?
}
