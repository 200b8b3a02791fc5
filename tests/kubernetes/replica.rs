//! A simulator, a namespace of the cluster, and replicas of the controller there.

use std::path::Path;
use std::process::Command;

use cluster::{ADMIN, Cluster};
use serde_json::{Value, json};

use crate::harness::{Controller, Sim, feed, network};

/// One installation in a namespace of its own.
pub(crate) struct Kube {
    pub(crate) cluster: &'static Cluster,
    pub(crate) namespace: String,
    pub(crate) sim: Sim,
}

impl Kube {
    /// On the cluster that all tests share, with the CRDs.
    pub(crate) fn with(sim: Sim) -> Self {
        let cluster = shared();
        Self { cluster, namespace: cluster.namespace("t"), sim }
    }

    pub(crate) fn start() -> Self {
        Self::with(Sim::start())
    }

    /// The command of one replica, with whose eyes it sees the API server.
    pub(crate) fn command(&self, name: &str, kubeconfig: &Path, more: &[&str]) -> Command {
        let mut command = self.sim.command(&["run"]);
        command
            .args(["--namespace", &self.namespace, "--identity", name, "--http-listen", "127.0.0.1:0"])
            .args(more)
            .env("KUBECONFIG", kubeconfig);
        command
    }

    pub(crate) fn replica(&self, name: &str, more: &[&str]) -> Controller {
        self.sim.background(self.command(name, &self.cluster.kubeconfig(ADMIN), more))
    }

    /// Puts an object of this namespace, as a person with kubectl would.
    #[track_caller]
    pub(crate) fn apply(&self, object: &Value) {
        self.apply_in(&self.namespace, object);
    }

    /// The feed of the download page, and the usual network, changed.
    pub(crate) fn usual(&self, change: Value) {
        self.apply(&feed(&self.sim.page(), json!({})));
        self.apply(&network(change));
    }

    pub(crate) fn path(&self, plural: &str, name: &str) -> String {
        format!("/apis/amlnet.dev/v1alpha1/namespaces/{}/{plural}/{name}", self.namespace)
    }

    /// An object as it stands; null where there is none.
    pub(crate) fn get(&self, plural: &str, name: &str) -> Value {
        let answer = self.cluster.ask(ADMIN, "GET", &self.path(plural, name), None);
        answer.ok().filter(|answer| answer.status == 200).map(|answer| answer.json()).unwrap_or_default()
    }

    pub(crate) fn network(&self, name: &str) -> Value {
        self.get("amlnetworks", name)
    }

    /// The reason of a condition and whether it is true.
    pub(crate) fn condition(&self, name: &str, kind: &str) -> (String, String) {
        let object = self.network(name);
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let condition = conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default();
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"))
    }

    /// A merge patch.
    pub(crate) fn patch(&self, plural: &str, name: &str, patch: &Value) {
        let answer = self.cluster.ask(ADMIN, "PATCH", &self.path(plural, name), Some(patch)).unwrap();
        assert!(answer.status < 300, "{}", answer.body);
    }

    pub(crate) fn delete(&self, plural: &str, name: &str) {
        let answer = self.cluster.ask(ADMIN, "DELETE", &self.path(plural, name), None).unwrap();
        assert!(answer.status < 300, "{}", answer.body);
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.cluster.kubectl(ADMIN, &[&["-n", &self.namespace], arguments].concat()).ok()
    }
}

/// The cluster that all tests share, with the CRDs.
pub(crate) fn shared() -> &'static Cluster {
    static READY: std::sync::Once = std::sync::Once::new();
    let cluster = Cluster::shared();
    READY.call_once(|| {
        let crds = Command::new(env!("CARGO_BIN_EXE_amlnet")).arg("crd").output().unwrap();
        cluster.apply(&String::from_utf8(crds.stdout).unwrap());
    });
    cluster
}
