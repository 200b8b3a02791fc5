//! One release of the chart on a node, in a namespace that admits only restricted pods, with a simulated Azure of its own.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use armsim::server::Options;
use cluster::{HELM, Helm, Node, Output};
use serde_json::{Value, json};

use crate::harness::{Counts, Doc, Sim, TABLE, merge, network, ours, route};

/// A pod that starts on a machine whose cores are busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(100);
pub(crate) const REPOSITORY: &str = "ghcr.io/amlnet/amlnet";
/// Two tags of the same program, so that an upgrade has another image.
pub(crate) const TAGS: [&str; 2] = ["tested", "tested-next"];
/// Two seconds of Azure are four milliseconds here.
const TIME_SCALE: f64 = 0.002;
const TENANT: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const CLIENT: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

pub(crate) struct Release {
    pub(crate) node: &'static Node,
    pub(crate) sim: Sim,
    pub(crate) namespace: String,
    helm: Helm,
}

/// The node of all tests that may share one, with the CRDs. Nothing where there cannot be one.
#[track_caller]
pub(crate) fn shared() -> Option<&'static Node> {
    static READY: std::sync::Once = std::sync::Once::new();
    let node = Node::shared()?;
    READY.call_once(|| {
        load_images(node);
        let crds = std::process::Command::new(env!("CARGO_BIN_EXE_amlnet")).arg("crd").output().unwrap();
        let crds = String::from_utf8(crds.stdout).unwrap();
        node.kubectl_stdin(&["apply", "--server-side", "-f", "-"], &crds).ok();
        node.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).ok();
    });
    Some(node)
}

/// The image as the Dockerfile describes it, around the binary under test.
pub(crate) fn load_images(node: &Node) {
    static ARCHIVES: OnceLock<(tempfile::TempDir, [PathBuf; 2])> = OnceLock::new();
    let (_, archives) = ARCHIVES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let archives = TAGS.map(|tag| {
            let archive = folder.path().join(format!("{tag}.tar"));
            let name = format!("{REPOSITORY}:{tag}");
            cluster::image::amlnet(&name, Path::new(env!("CARGO_BIN_EXE_amlnet"))).unwrap().save(&archive).unwrap();
            archive
        });
        (folder, archives)
    });
    for archive in archives {
        node.load_image(archive);
    }
}

impl Release {
    /// Nothing is installed yet. The simulator has the usual table, and `world` besides.
    pub(crate) fn prepare(node: &'static Node, namespace: &str, world: Value) -> Self {
        let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}});
        node.kubectl_stdin(&["create", "-f", "-"], &object.to_string()).ok();
        // What a real federated credential compares.
        let subject = format!("system:serviceaccount:{namespace}:amlnet");
        let federated = json!([{"issuer": "https://kubernetes.default.svc", "subject": subject}]);
        let credentials =
            json!([{"tenantId": TENANT, "clientId": CLIENT, "clientSecret": "s", "federated": federated}]);
        let mut all = json!({"credentials": credentials});
        merge(&mut all, &world);
        let foreign = vec![route("default", "0.0.0.0/0", "VirtualAppliance 10.0.1.4")];
        let options = Options { listen: SocketAddr::from((node.outside(), 0)), log: None };
        let sim = node.within(|| Sim::listening(options, TIME_SCALE, &[(TABLE, foreign)], all));
        Self { node, sim, namespace: namespace.to_owned(), helm: Helm::find(&HELM).unwrap() }
    }

    /// What a user writes who has no webhook for workload identity and a proxy that inspects TLS: the simulator is where
    /// Azure is, and its certificate is one that only a bundle of one's own vouches for.
    pub(crate) fn values(&self) -> Value {
        json!({
            "installationId": "prod",
            "image": {"tag": TAGS[0], "pullPolicy": "Never"},
            "azure": {
                "clientId": CLIENT, "tenantId": TENANT, "webhook": false,
                "armEndpoint": self.sim.arm(), "authorityHost": self.sim.login(),
            },
            "caBundle": {"pem": self.sim.ca_pem()},
            "feeds": {"public": {"sources": [{"download": {"pageUrl": self.sim.page()}}]}},
            "log": {"format": "text"},
            // The shared node has them, and the first of its releases has the roles of people.
            "crds": {"install": false},
            "peopleRoles": {"create": false},
        })
    }

    /// `helm install` or `helm upgrade` of the chart with the usual values, changed.
    #[track_caller]
    pub(crate) fn helm(&self, command: &str, change: Value, more: &[&str]) -> Output {
        let mut values = self.values();
        merge(&mut values, &change);
        let file = self.sim.write("values.json", values.to_string());
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/amlnet");
        let usual = [command, "amlnet", chart, "--namespace", &self.namespace, "--values", file.to_str().unwrap()];
        self.helm.run_in(&self.node.kubeconfig(), &[&usual, more].concat())
    }

    /// Installs it and waits for it, and says how long that took.
    #[track_caller]
    pub(crate) fn installed(&self, change: Value) -> Duration {
        let begun = Instant::now();
        let output = self.helm("install", change, &["--wait", "--timeout=180s"]);
        assert_eq!(output.status, 0, "{}{}\n{}", output.stdout, output.stderr, self.node.describe(&self.namespace));
        begun.elapsed()
    }

    #[track_caller]
    pub(crate) fn wait(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            if Instant::now() > deadline {
                let network = self.network();
                panic!("not in time: {what}\n{network:#}\n{}", self.node.describe(&self.namespace));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    #[track_caller]
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.node.kubectl(&[&["-n", &self.namespace], arguments].concat()).ok()
    }

    /// Puts the usual network, changed, as a person with kubectl would.
    #[track_caller]
    pub(crate) fn apply_network(&self, change: Value) {
        let mut object = network(json!({"metadata": {"namespace": self.namespace}}));
        merge(&mut object, &change);
        self.node.kubectl_stdin(&["apply", "-f", "-"], &object.to_string()).ok();
    }

    pub(crate) fn network(&self) -> Value {
        self.node.get(&format!("/apis/amlnet.dev/v1alpha1/namespaces/{}/amlnetworks/ml", self.namespace))
    }

    /// Status, reason and message of a condition of the network.
    pub(crate) fn condition(&self, kind: &str) -> (String, String, String) {
        let object = self.network();
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let condition = conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default();
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"), text("message"))
    }

    /// The generation that stands is the one that was reconciled, and nothing is left to do.
    pub(crate) fn is_in_sync(&self) -> bool {
        let object = self.network();
        let (status, reason, _) = self.condition("Ready");
        let seen = object["status"]["observedGeneration"] == object["metadata"]["generation"];
        seen && status == "True" && reason == "InSync"
    }

    #[track_caller]
    pub(crate) fn in_sync(&self) {
        self.wait("a network that is in sync", || self.is_in_sync());
    }

    /// A new document on the download page, and the feed is asked to look.
    #[track_caller]
    pub(crate) fn publish(&self, doc: &Doc) {
        self.sim.publish(doc);
        let now = format!("amlnet.dev/reconcile-at={}", doc.date);
        self.kubectl(&["annotate", "servicetagfeed", "public", &now, "--overwrite"]);
    }

    pub(crate) fn pods(&self) -> Vec<Value> {
        let selector = "labelSelector=app.kubernetes.io/name%3Damlnet";
        let list = self.node.get(&format!("/api/v1/namespaces/{}/pods?{selector}", self.namespace));
        list["items"].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn ready_pods(&self) -> Vec<String> {
        let is_ready = |pod: &Value| {
            let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
                && pod["metadata"]["deletionTimestamp"].is_null()
        };
        self.pods().iter().filter(|pod| is_ready(pod)).map(name_of).collect()
    }

    /// Who holds the lease; empty while nobody does.
    pub(crate) fn leader(&self) -> String {
        let list = self.node.get(&format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace));
        list["items"][0]["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    }

    /// The log of all pods that there are.
    pub(crate) fn logs(&self) -> String {
        let log = |pod: &Value| self.node.kubectl(&["-n", &self.namespace, "logs", &name_of(pod)]).stdout;
        self.pods().iter().map(log).collect()
    }

    /// What a pod answers to a GET, as the kubelet asks it; nothing while it does not answer.
    pub(crate) fn ask_pod(&self, pod: &Value, path: &str) -> Option<(u16, String)> {
        self.ask(format!("{}:8080", pod["status"]["podIP"].as_str()?).parse().ok()?, path)
    }

    /// The same of a server on the node's loopback.
    pub(crate) fn get_within(&self, port: u16, path: &str) -> Option<(u16, String)> {
        self.ask(SocketAddr::from(([127, 0, 0, 1], port)), path)
    }

    fn ask(&self, address: SocketAddr, path: &str) -> Option<(u16, String)> {
        use std::io::{Read as _, Write as _};
        self.node.within(|| {
            let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
            write!(stream, "GET {path} HTTP/1.0\r\nHost: amlnet\r\n\r\n").ok()?;
            let mut text = String::new();
            stream.read_to_string(&mut text).ok()?;
            let (head, body) = text.split_once("\r\n\r\n")?;
            Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
        })
    }

    /// The network's tables are read now; any new word will do.
    #[track_caller]
    pub(crate) fn look_now(&self, word: &str) {
        let at = format!("amlnet.dev/reconcile-at={word}");
        self.kubectl(&["annotate", "amlnetwork", "ml", &at, "--overwrite"]);
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts::of(&self.sim.log(), TABLE)
    }

    pub(crate) fn ours(&self) -> std::collections::BTreeSet<String> {
        ours(&self.sim.history_now(TABLE))
    }
}

pub(crate) fn name_of(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}
