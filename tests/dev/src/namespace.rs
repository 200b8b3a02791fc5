//! The namespace of the installation: its kubeconfig, the CRDs, and the objects in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use cluster::{ADMIN, Cluster};
use serde_json::Value;

pub(crate) const NAME: &str = "amlnet";

/// The namespace in which amlnet and the sample network are.
#[derive(Debug)]
pub(crate) struct Namespace<'a> {
    cluster: &'a Cluster,
    /// For the user and for amlnet. It names the namespace, so nobody has to.
    pub(crate) kubeconfig: PathBuf,
}

impl<'a> Namespace<'a> {
    /// Makes it, and installs the CRDs of this amlnet as a user would.
    pub(crate) fn make(cluster: &'a Cluster, amlnet: &Path, folder: &Path) -> Result<Self, String> {
        let kubeconfig = folder.join("kubeconfig");
        let text = std::fs::read_to_string(cluster.kubeconfig(ADMIN)).map_err(|error| error.to_string())?;
        let mut config: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        config["contexts"][0]["context"]["namespace"] = NAME.into();
        std::fs::write(&kubeconfig, config.to_string())
            .map_err(|error| format!("{}: {error}", kubeconfig.display()))?;
        let namespace = Self { cluster, kubeconfig };
        let crds = Command::new(amlnet).arg("crd").output().map_err(|error| format!("`amlnet crd`: {error}"))?;
        namespace.kubectl(&["apply", "-f", "-"], &String::from_utf8_lossy(&crds.stdout))?;
        let names = ["amlnetworks", "planapprovals", "servicetagfeeds"].map(|name| format!("crd/{name}.amlnet.dev"));
        let wait = ["wait", "--for=condition=Established", "--timeout=60s", &names[0], &names[1], &names[2]];
        namespace.kubectl(&wait, "")?;
        namespace.kubectl(&["create", "namespace", NAME], "")?;
        Ok(namespace)
    }

    pub(crate) fn apply(&self, objects: &str) -> Result<(), String> {
        self.kubectl(&["apply", "-n", NAME, "-f", "-"], objects)
    }

    fn kubectl(&self, arguments: &[&str], stdin: &str) -> Result<(), String> {
        let output = self.cluster.kubectl_stdin(ADMIN, arguments, stdin);
        if output.status == 0 {
            return Ok(());
        }
        Err(format!("`kubectl {}`: {}", arguments.join(" "), output.stderr.trim()))
    }

    fn status(&self, network: &str) -> Value {
        let path = format!("/apis/amlnet.dev/v1alpha1/namespaces/{NAME}/amlnetworks/{network}");
        let answer = self.cluster.ask(ADMIN, "GET", &path, None).ok().filter(|answer| answer.status == 200);
        answer.map(|answer| answer.json()["status"].take()).unwrap_or_default()
    }

    /// The status of a network, once it is Ready.
    pub(crate) fn ready(&self, network: &str) -> Option<Value> {
        let status = self.status(network);
        let is_ready = condition(&status).is_some_and(|ready| ready["status"] == "True");
        is_ready.then_some(status)
    }

    /// What the network says about being ready.
    pub(crate) fn told(&self, network: &str) -> String {
        let status = self.status(network);
        let text = |ready: &Value| format!("{} {}", ready["reason"], ready["message"]);
        condition(&status).map_or_else(|| "it has no condition Ready".to_owned(), text)
    }
}

fn condition(status: &Value) -> Option<&Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == "Ready")
}
