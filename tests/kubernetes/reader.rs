//! A reader of the documentation who types what stands there, at the root of a clone, on a cluster of his own with a
//! simulated Azure. Must not know what is right: the tests of the pages say that.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Command;

use cluster::{ADMIN, Binaries, Cluster, HELM, Settings};
use serde_json::{Value, json};

use crate::harness::{Controller, Ran, Sim, feed};
use crate::manifests::{ALICE, QUICK, install_crds, manifest};

/// The table that `config/samples/network.yaml` names.
pub(crate) const TABLE: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ml/providers/Microsoft.Network/routeTables/rt-ml";
/// The namespace of all pages, and their installation id.
pub(crate) const HOME: &str = "amlnet";
pub(crate) const INSTALLATION: &str = "prod1";

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The text of a page below `docs/`.
pub(crate) fn page(name: &str) -> String {
    let path = format!("{ROOT}/docs/{name}");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Its blocks of one language, in order.
pub(crate) fn blocks(page: &str, language: &str) -> VecDeque<String> {
    let parts = page.split("\n```").skip(1).step_by(2);
    parts.filter_map(|part| part.strip_prefix(language)?.strip_prefix('\n').map(str::to_owned)).collect()
}

pub(crate) struct Reader {
    pub(crate) cluster: Cluster,
    pub(crate) sim: Sim,
    pub(crate) blocks: VecDeque<String>,
    /// The `export` lines that were typed so far: a shell keeps them.
    exports: String,
}

impl Reader {
    /// With nothing installed.
    pub(crate) fn of(name: &str) -> Self {
        let cluster = Settings::default().user(ALICE, &[]).start().unwrap();
        let sim = Sim::with_tables(&[(TABLE, Vec::new())], json!({}));
        for folder in ["charts", "config", "deploy"] {
            let there = PathBuf::from(ROOT).join(folder);
            if there.exists() {
                std::os::unix::fs::symlink(there, sim.path(folder)).unwrap();
            }
        }
        Self { cluster, sim, blocks: blocks(&page(name), "sh"), exports: String::new() }
    }

    /// With amlnet installed from the plain manifests, and no object of a user.
    pub(crate) fn installed(name: &str) -> Self {
        let reader = Self::of(name);
        install_crds(&reader.cluster);
        reader.cluster.kubectl(ADMIN, &["create", "namespace", HOME]).ok();
        for file in ["rbac/controller.yaml", "rbac/people.yaml", "approvals/approved-by.yaml"] {
            reader.cluster.apply(&manifest(file, HOME, "team-a"));
        }
        reader
    }

    /// Runs the next block, which has to hold this text, and returns what it says.
    #[track_caller]
    pub(crate) fn types(&mut self, user: &str, with: &str) -> String {
        let block = self.blocks.pop_front().unwrap_or_else(|| panic!("there is no further block; {with} is missing"));
        assert!(block.contains(with), "the next block is another one than that with {with:?}:\n{block}");
        let ran = self.runs(user, &block);
        assert_eq!(ran.code, 0, "{block}\n{}", ran.all());
        for line in block.lines().filter(|line| line.starts_with("export ")) {
            self.exports += line;
            self.exports.push('\n');
        }
        ran.stdout
    }

    /// Whatever comes, to the end of the page.
    #[track_caller]
    pub(crate) fn types_the_rest(&mut self, user: &str) {
        while !self.blocks.is_empty() {
            self.types(user, "");
        }
    }

    pub(crate) fn runs(&self, user: &str, block: &str) -> Ran {
        let programs =
            [PathBuf::from(env!("CARGO_BIN_EXE_amlnet")), Binaries::find().unwrap().kubectl, HELM.find().unwrap()];
        let mut folders: Vec<PathBuf> = programs.iter().map(|file| file.parent().unwrap().to_owned()).collect();
        folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let mut command = Command::new("sh");
        let amlnet = self.sim.command(&[]);
        for (name, value) in amlnet.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            command.env(name, value);
        }
        // The page has to say it.
        command.env_remove("AMLNET_INSTALLATION_ID");
        command
            .args(["-euc", &format!("{}{block}", self.exports)])
            .current_dir(self.sim.path(""))
            .env("PATH", std::env::join_paths(folders).unwrap())
            .env("HOME", self.sim.path(""))
            .env("KUBECONFIG", self.cluster.kubeconfig(user));
        self.sim.ran(command)
    }

    /// Something that a page asks for in other words.
    #[track_caller]
    pub(crate) fn does(&self, block: &str) {
        let ran = self.runs(ADMIN, block);
        assert_eq!(ran.code, 0, "{block}\n{}", ran.all());
    }

    /// A replica with the rights of the service account. There is no node, so a process stands for the pod.
    pub(crate) fn replica(&self) -> Controller {
        let account = self.cluster.service_account(HOME, "amlnet");
        let mut run =
            self.sim.command(&["run", "--namespace", HOME, "--identity", "one", "--http-listen", "127.0.0.1:0"]);
        run.args(QUICK)
            .env("AMLNET_INSTALLATION_ID", INSTALLATION)
            .env("KUBECONFIG", self.cluster.kubeconfig(&account));
        self.sim.background(run)
    }

    /// What the Deployment of a chart says to its container, for all that a process needs not do otherwise: it has no
    /// volumes, another login and a port of its own.
    pub(crate) fn replica_as_deployed(&self) -> Controller {
        let path = format!("/apis/apps/v1/namespaces/{HOME}/deployments/amlnet");
        let deployment = self.cluster.ask(ADMIN, "GET", &path, None).unwrap().json();
        let pod = &deployment["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let texts = |list: &Value| -> Vec<String> {
            list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let arguments = texts(&container["args"]);
        let mut run = self.sim.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let account = self.cluster.service_account(HOME, pod["serviceAccountName"].as_str().unwrap());
        for variable in container["env"].as_array().unwrap() {
            let name = variable["name"].as_str().unwrap();
            if name.starts_with("AMLNET_")
                && let Some(value) = variable["value"].as_str()
            {
                run.env(name, value);
            }
        }
        run.args(["--namespace", HOME, "--identity", "one", "--http-listen", "127.0.0.1:0"])
            .env("KUBECONFIG", self.cluster.kubeconfig(&account));
        self.sim.background(run)
    }

    pub(crate) fn get(&self, plural: &str, name: &str) -> Value {
        let path = format!("/apis/amlnet.dev/v1alpha1/namespaces/{HOME}/{plural}/{name}");
        self.cluster.ask(ADMIN, "GET", &path, None).unwrap().json()
    }

    pub(crate) fn network(&self) -> Value {
        self.get("amlnetworks", "workspace")
    }

    pub(crate) fn is_ready_for(&self, reason: &str) -> bool {
        let network = self.network();
        let conditions = network["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|condition| condition["type"] == "Ready" && condition["reason"] == reason)
    }

    pub(crate) fn patch(&self, plural: &str, name: &str, change: &Value) {
        let path = format!("/apis/amlnet.dev/v1alpha1/namespaces/{HOME}/{plural}/{name}");
        let answer = self.cluster.ask(ADMIN, "PATCH", &path, Some(change)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// The samples as they are in the folder.
    pub(crate) fn samples(&self) {
        let ran =
            self.runs(ADMIN, "kubectl -n amlnet apply -f config/samples/feed.yaml -f config/samples/network.yaml");
        assert_eq!(ran.code, 0, "{}", ran.all());
        self.feed_from_the_page();
    }

    /// The download page is the simulator's.
    pub(crate) fn feed_from_the_page(&self) {
        let feed = feed(&self.sim.page(), json!({"metadata": {"namespace": HOME}}));
        self.patch("servicetagfeeds", "public", &feed);
    }

    pub(crate) fn routes(&self) -> usize {
        let own = format!("amlnet.{INSTALLATION}.");
        let history = self.sim.history(TABLE);
        history.last().unwrap().entries.iter().filter(|entry| entry.name.starts_with(&own)).count()
    }
}
