//! `docs/kubernetes.md`: its commands are run in their order, on a cluster of its own, with the permissions that it gives.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Command;

use cluster::{ADMIN, Binaries, Cluster, Settings};
use serde_json::{Value, json};

use crate::harness::{Doc, Ran, Sim, feed, ours, wait_until};
use crate::manifests::{ALICE, QUICK};

/// The table that `config/samples/network.yaml` names.
const TABLE: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ml/providers/Microsoft.Network/routeTables/rt-ml";
const HOME: &str = "amlnet";

/// Its blocks of one language, in order.
fn blocks(language: &str) -> VecDeque<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kubernetes.md")).unwrap();
    let parts = text.split("\n```").skip(1).step_by(2);
    parts.filter_map(|part| part.strip_prefix(language)?.strip_prefix('\n').map(str::to_owned)).collect()
}

/// A reader who types what stands there.
struct Reader {
    cluster: Cluster,
    sim: Sim,
    blocks: VecDeque<String>,
}

impl Reader {
    fn new() -> Self {
        let cluster = Settings::default().user(ALICE, &[]).start().unwrap();
        let sim = Sim::with_tables(&[(TABLE, Vec::new())], json!({}));
        // The commands are typed at the root of the clone.
        for folder in ["config", "deploy"] {
            std::os::unix::fs::symlink(format!("{}/{folder}", env!("CARGO_MANIFEST_DIR")), sim.path(folder)).unwrap();
        }
        Self { cluster, sim, blocks: blocks("sh") }
    }

    /// Runs the next block, which has to hold this text, and returns what it says.
    #[track_caller]
    fn types(&mut self, user: &str, with: &str) -> String {
        let block = self.blocks.pop_front().unwrap_or_else(|| panic!("there is no further block; {with} is missing"));
        assert!(block.contains(with), "the next block is another one than that with {with:?}:\n{block}");
        let ran = self.runs(user, &block);
        assert_eq!(ran.code, 0, "{block}\n{}", ran.all());
        ran.stdout
    }

    fn runs(&self, user: &str, block: &str) -> Ran {
        let programs = [PathBuf::from(env!("CARGO_BIN_EXE_amlnet")), Binaries::find().unwrap().kubectl];
        let mut folders: Vec<PathBuf> = programs.iter().map(|file| file.parent().unwrap().to_owned()).collect();
        folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let mut command = Command::new("sh");
        let amlnet = self.sim.command(&[]);
        for (name, value) in amlnet.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            command.env(name, value);
        }
        command
            .args(["-euc", block])
            .current_dir(self.sim.path(""))
            .env("PATH", std::env::join_paths(folders).unwrap())
            .env("HOME", self.sim.path(""))
            .env("KUBECONFIG", self.cluster.kubeconfig(user));
        self.sim.ran(command)
    }

    fn get(&self, plural: &str, name: &str) -> Value {
        let path = format!("/apis/amlnet.dev/v1alpha1/namespaces/{HOME}/{plural}/{name}");
        self.cluster.ask(ADMIN, "GET", &path, None).unwrap().json()
    }

    fn network(&self) -> Value {
        self.get("amlnetworks", "workspace")
    }

    fn is_ready_for(&self, reason: &str) -> bool {
        let network = self.network();
        let conditions = network["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|condition| condition["type"] == "Ready" && condition["reason"] == reason)
    }

    fn patch(&self, plural: &str, name: &str, change: &Value) {
        let path = format!("/apis/amlnet.dev/v1alpha1/namespaces/{HOME}/{plural}/{name}");
        let answer = self.cluster.ask(ADMIN, "PATCH", &path, Some(change)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// The download page is the simulator's.
    fn feed_from_the_page(&self) {
        let feed = feed(&self.sim.page(), json!({"metadata": {"namespace": HOME}}));
        self.patch("servicetagfeeds", "public", &feed);
    }

    fn routes(&self) -> usize {
        ours(&self.sim.history(TABLE)).len()
    }
}

#[test]
fn its_commands_do_what_it_says() {
    let mut reader = Reader::new();
    reader.types(ADMIN, "kubectl create namespace amlnet");
    let [deployment] = <[String; 1]>::try_from(Vec::from(blocks("yaml"))).unwrap();
    let arguments = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
    reader.cluster.kubectl_stdin(ADMIN, &arguments, &deployment).ok();

    reader.types(ADMIN, "config/samples/feed.yaml");
    reader.feed_from_the_page();
    let account = reader.cluster.service_account(HOME, "amlnet");
    let mut run =
        reader.sim.command(&["run", "--namespace", HOME, "--identity", "one", "--http-listen", "127.0.0.1:0"]);
    run.args(QUICK).env("KUBECONFIG", reader.cluster.kubeconfig(&account));
    let replica = reader.sim.background(run);
    replica.wait_until("a first look", || reader.is_ready_for("ChangesHeld"));
    let told = reader.types(ADMIN, "--for=condition=Ready");
    assert!(told.contains("held: Mode") && reader.routes() == 0, "{told}");
    reader.types(ADMIN, "UpsertOnly");
    assert_eq!(reader.routes(), 7);
    reader.types(ADMIN, "deploy/rbac/watched-namespace.yaml");

    reader.sim.write("ServiceTags_Public_20251103.json", Doc::week(2).bytes());
    reader.types(ADMIN, "gzip -k");
    let current = |field: &str| reader.get("servicetagfeeds", "public")["status"]["current"][field].clone();
    replica.wait_until("the document of the ConfigMap", || current("changeNumber") == 102);
    assert_eq!((current("source"), current("fileDate")), (json!("configMap"), json!("2025-11-03")));

    let told = reader.types(ADMIN, "amlnet.dev/reconcile-at");
    assert!(told.contains("condition met"), "{told}");
    reader.types(ADMIN, r#""suspend": true"#);
    assert_eq!(reader.network()["spec"]["suspend"], false);

    reader.types(ADMIN, "create rolebinding");
    reader.feed_from_the_page();
    reader.sim.publish(&Doc::week(3).regions(0..3, 0..3));
    reader.patch("amlnetworks", "workspace", &json!({"spec": {"mode": "Sync", "removal": {"holdFor": "0s"}}}));
    replica.wait_until("a removal that waits", || reader.is_ready_for("ApprovalNeeded"));
    let told = reader.types(ALICE, "amlnet approve");
    assert!(told.lines().any(|line| line.contains("workspace-") && line.contains(ALICE)), "{told}");
    replica.wait_until("the removal", || reader.routes() == 6);

    reader.types(ADMIN, r#""deletionPolicy": "Retain""#);
    reader.types(ADMIN, "--subresource=status");
    replica.wait_until("the claim", || reader.network()["status"]["installation"] == "prod");
    let told = reader.types(ADMIN, "get configmaps");
    assert!(told.contains("amlnet-prod-target-") && told.contains("amlnet-prod-feed-"), "{told}");
    replica.wait_until("all done", || reader.is_ready_for("InSync"));
    let told = reader.types(ADMIN, "gunzip");
    assert!(told.contains(TABLE) && told.contains(r#""contributors":{"amlnet/workspace":"#), "{told}");
    let told = reader.types(ADMIN, "amlnet plan --cluster");
    assert!(told.contains("0 to add, 0 to change, 0 to remove"), "{told}");
    reader.types(ADMIN, "kubectl apply");

    let (code, _, log) = replica.terminate();
    assert_eq!(code, 0, "{log}");
    reader.types(ADMIN, "kubectl -n amlnet delete amln");
    wait_until("the end of the CRDs", || reader.runs(ADMIN, "kubectl get amln").code != 0);
    assert_eq!(reader.routes(), 6, "what was written stays");
    assert!(reader.blocks.is_empty(), "{:?}", reader.blocks);
}

/// The variables that it names are those that there are, and the files too.
#[test]
fn what_it_names_is_there() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kubernetes.md")).unwrap();
    let sim = Sim::start();
    let help = sim.amlnet(&["run", "--help"]).exits(0).stdout;
    let word = |char: char| !(char.is_ascii_uppercase() || char == '_');
    let variables: Vec<&str> = text.split(word).filter(|name| name.starts_with("AMLNET_")).collect();
    assert!(variables.len() > 10, "{variables:?}");
    for name in variables {
        assert!(help.contains(&format!("[env: {name}=")), "{name} is no variable of `amlnet run`");
    }
    let path = |char: char| !(char.is_ascii_alphanumeric() || "/.-_".contains(char));
    for name in text.split(path).filter(|name| name.starts_with("deploy/") || name.starts_with("config/")) {
        let file = format!("{}/{}", env!("CARGO_MANIFEST_DIR"), name.trim_end_matches('.'));
        assert!(std::path::Path::new(&file).exists(), "{name} is not there");
    }
}
