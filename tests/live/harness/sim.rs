//! A simulator with its folders, and the commands that are run against it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use armsim::model::download_page::Publish;
use armsim::model::history::HistoryState;
use armsim::model::http::ApiRequest;
use armsim::model::log::{LogEntry, Server};
use armsim::model::rule_collection_group::RuleEntry;
use armsim::model::security_rule::SecurityRuleEntry;
use armsim::model::token::Credentials;
use armsim::model::{Time, World};
use armsim::server::{Options, Running};
use serde_json::{Value, json};

use super::process::{self, Controller, Ran};
use super::{Counts, Doc, feed, merge, network, route, wait_until};

pub(crate) const TABLE: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-ml/providers/Microsoft.Network/routeTables/rt-ml";
const SUBNET: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-ml/providers/Microsoft.Network/virtualNetworks/vnet-ml/subnets/ml";
/// Two seconds of Azure are four milliseconds here.
const TIME_SCALE: f64 = 0.002;

/// A simulator, `dir` with the objects, `state`, and everything else that a test writes.
#[derive(Debug)]
pub(crate) struct Sim {
    running: Running,
    folder: tempfile::TempDir,
    published: AtomicUsize,
}

/// Routes of other people, one of them another installation of amlnet.
fn foreign_routes() -> Vec<Value> {
    vec![
        route("default", "0.0.0.0/0", "VirtualAppliance 10.0.1.4"),
        route("on-premises", "10.20.0.0/16", "VirtualNetworkGateway"),
        route("amlnet.other.20.3.0.0_26", "20.3.0.0/26", "Internet"),
    ]
}

impl Sim {
    /// `TABLE` with routes of others, and week 1 published.
    pub(crate) fn start() -> Self {
        Self::with(json!({}))
    }

    /// `TABLE` with these routes.
    pub(crate) fn with_routes(routes: Vec<Value>) -> Self {
        Self::with_tables(&[(TABLE, routes)], json!({}))
    }

    /// `TABLE` as in `start`, and more for the world file.
    pub(crate) fn with(world: Value) -> Self {
        Self::with_tables(&[(TABLE, foreign_routes())], world)
    }

    /// Tables with their routes, and more for the world file; week 1 is published.
    pub(crate) fn with_tables(tables: &[(&str, Vec<Value>)], world: Value) -> Self {
        Self::listening(Options::default(), TIME_SCALE, tables, world)
    }

    /// The same elsewhere than on loopback, for who is in a network where that may be, and with a time of its own.
    pub(crate) fn listening(options: Options, time_scale: f64, tables: &[(&str, Vec<Value>)], world: Value) -> Self {
        let resource = |(id, routes): &(&str, Vec<Value>)| {
            json!({"id": id, "location": "eastus2", "tags": {"owner": "network team"},
                "properties": {"disableBgpRoutePropagation": true, "routes": routes, "subnets": [{"id": SUBNET}]}})
        };
        let mut all = json!({"resources": tables.iter().map(resource).collect::<Vec<_>>()});
        merge(&mut all, &world);
        let folder = tempfile::tempdir().unwrap();
        let world = World::from_yaml(&all.to_string(), folder.path()).unwrap().with_time_scale(time_scale);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let running = runtime.block_on(armsim::server::start(world, options)).unwrap();
        std::fs::create_dir(folder.path().join("dir")).unwrap();
        let sim = Self { running, folder, published: AtomicUsize::new(0) };
        sim.publish(&Doc::week(1));
        sim
    }

    pub(crate) fn page(&self) -> String {
        self.running.endpoints.download_page.clone()
    }

    /// The page of another cloud.
    pub(crate) fn page_of(&self, cloud: &str) -> String {
        let id = match cloud {
            "AzureGovernment" => "57063",
            "China" => "57062",
            _ => "56519",
        };
        self.page().replace("56519", id)
    }

    pub(crate) fn arm(&self) -> String {
        self.running.endpoints.arm.clone()
    }

    /// Where managed identities are.
    pub(crate) fn metadata(&self) -> String {
        self.running.endpoints.metadata.clone()
    }

    /// A token of the first client, as `az` would have it from its own login.
    pub(crate) fn token(&self) -> String {
        let Credentials { tenant_id, client_id, client_secret, .. } = self.running.endpoints.credentials.clone();
        let mut request = ApiRequest::new("POST", &format!("/{tenant_id}/oauth2/token"));
        let resource = "https://management.azure.com";
        request.body = format!(
            "grant_type=client_credentials&client_id={client_id}&client_secret={client_secret}&resource={resource}"
        )
        .into_bytes();
        let answer = self.running.world().handle_login(now(), &request);
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn login(&self) -> String {
        self.running.endpoints.login.clone()
    }

    #[allow(dead_code, reason = "for the tests of files")]
    pub(crate) fn credentials(&self) -> Credentials {
        self.running.endpoints.credentials.clone()
    }

    #[allow(dead_code, reason = "for the tests of files")]
    /// The certificate of the authority that signed those of all its servers.
    pub(crate) fn ca_pem(&self) -> String {
        std::fs::read_to_string(&self.running.endpoints.ca_file).unwrap()
    }

    pub(crate) fn secret(&self) -> String {
        self.running.endpoints.credentials.client_secret.clone()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Writes a file below the test's folder, so that a reader sees either the old or the new one.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        let part = path.with_file_name(format!(".{}.part", path.file_name().unwrap().to_string_lossy()));
        std::fs::write(&part, content).unwrap();
        std::fs::rename(&part, &path).unwrap();
        path
    }

    /// Writes objects into a file of `dir`.
    pub(crate) fn objects(&self, name: &str, objects: &[Value]) -> PathBuf {
        let text: Vec<String> = objects.iter().map(Value::to_string).collect();
        self.write(&format!("dir/{name}"), text.join("\n---\n"))
    }

    /// Writes the feed of the download page and the usual network, changed by `change`, into `dir`.
    pub(crate) fn usual(&self, change: Value) -> (PathBuf, PathBuf) {
        let feed = self.objects("feed.yaml", &[feed(&self.page(), json!({}))]);
        (feed, self.objects("ml.yaml", &[network(change)]))
    }

    /// Makes the controller ask the feed now.
    pub(crate) fn ask_feed(&self) {
        let at = self.published.fetch_add(1, Ordering::Relaxed).to_string();
        let change = json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": at}}});
        self.objects("feed.yaml", &[feed(&self.page(), change)]);
    }

    /// Publishes a document on the page of the Public cloud.
    pub(crate) fn publish(&self, doc: &Doc) {
        self.publish_bytes(&doc.date, &doc.bytes());
    }

    /// Publishes a document on the page of a cloud.
    pub(crate) fn publish_of(&self, cloud: &str, doc: &Doc) {
        self.publish_file(cloud, &doc.date, &doc.bytes());
    }

    /// Publishes whatever this is.
    pub(crate) fn publish_bytes(&self, date: &str, bytes: &[u8]) {
        self.publish_file("Public", date, bytes);
    }

    fn publish_file(&self, cloud: &str, date: &str, bytes: &[u8]) {
        let number = self.published.fetch_add(1, Ordering::Relaxed);
        let folder = self.path(&format!("published-{number}"));
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join(format!("ServiceTags_{cloud}_{date}.json"));
        std::fs::write(&file, bytes).unwrap();
        let ask = Publish { file: Some(file), cloud: Some(cloud.to_owned()), ..Publish::default() };
        self.running.world().publish(now(), &ask).unwrap();
    }

    /// Adds a fault, written as in a world file.
    pub(crate) fn fault(&self, fault: Value) {
        self.running.world().add_fault(serde_json::from_value(fault).unwrap());
    }

    pub(crate) fn clear_faults(&self) {
        self.running.world().clear_faults();
    }

    /// Lets the answers go that a fault holds under this key.
    pub(crate) fn release(&self, key: &str) {
        self.running.world().release_answers(key);
    }

    /// Changes settings of the running simulator.
    pub(crate) fn set(&self, change: Value) {
        let mut world = self.running.world();
        let settings = world.settings().changed(&change).unwrap();
        world.set_settings(settings);
    }

    /// Replaces a table or a route behind everyone's back.
    pub(crate) fn put(&self, resource: Value) {
        self.running.world().put_resource(now(), &resource).unwrap();
    }

    pub(crate) fn delete(&self, id: &str) {
        assert!(self.running.world().delete_resource(now(), id), "{id}");
    }

    /// Every state of a table, once no operation on it is under way.
    pub(crate) fn history(&self, id: &str) -> Vec<HistoryState> {
        let mut history = Vec::new();
        wait_until("the end of the operation on the table", || {
            history = self.history_now(id);
            let settled = |state: &HistoryState| state.entries.iter().all(|e| e.provisioning_state == "Succeeded");
            history.last().is_none_or(settled)
        });
        history
    }

    /// Every state of a table so far.
    pub(crate) fn history_now(&self, id: &str) -> Vec<HistoryState> {
        let mut world = self.running.world();
        // Lets operations that are due end; a table that never was is a test's own matter.
        let _ = world.get_resource(now(), id);
        world.history(id)
    }

    /// Every state of an IP group, once no operation on it is under way.
    pub(crate) fn group_states(&self, name: &str) -> Vec<HistoryState<String>> {
        let id = super::groups::group_id(name);
        wait_until("the end of the operation on the group", || {
            self.resource(&id)["properties"]["provisioningState"] != "Updating"
        });
        self.running.world().address_history(&id)
    }

    /// A PUT of this resource by somebody else, who waits for nothing; the status of the answer.
    pub(crate) fn others_put(&self, resource: &Value) -> u16 {
        let target = format!("{}?api-version=2024-03-01", resource["id"].as_str().unwrap());
        let request = ApiRequest::new("PUT", &target).with_json(resource).with_header("x-armsim-client", "others");
        let request = request.with_header("authorization", &format!("Bearer {}", self.token()));
        self.running.world().handle(now(), &request).status
    }

    /// Every state of a rule collection group so far.
    pub(crate) fn rule_history(&self, id: &str) -> Vec<HistoryState<RuleEntry>> {
        self.running.world().rule_history(id)
    }

    /// Every state of a network security group, once no operation on it is under way.
    pub(crate) fn security_states(&self, id: &str) -> Vec<HistoryState<SecurityRuleEntry>> {
        let mut states = Vec::new();
        wait_until("the end of the operation on the security group", || {
            // Lets operations that are due end.
            let _ = self.resource(id);
            states = self.running.world().security_history(id);
            let is_moving = |rule: &SecurityRuleEntry| ["Updating", "Deleting"].contains(&&*rule.provisioning_state);
            !states.last().is_some_and(|state| state.entries.iter().any(is_moving))
        });
        states
    }

    /// A resource as a GET shows it; null where there is none.
    pub(crate) fn resource(&self, id: &str) -> Value {
        let answer = self.running.world().get_resource(now(), id);
        answer.map_or(Value::Null, |answer| serde_json::from_slice(&answer.body).unwrap())
    }

    /// The simulated world, in which operations that are due have ended.
    pub(crate) fn world(&self) -> impl std::ops::DerefMut<Target = World> + '_ {
        let mut world = self.running.world();
        let _ = world.get_resource(now(), TABLE);
        world
    }

    /// Requests of all servers so far.
    pub(crate) fn log(&self) -> Vec<LogEntry> {
        self.running.world().log().to_vec()
    }

    /// Requests to one server.
    pub(crate) fn log_of(&self, server: Server) -> Vec<LogEntry> {
        self.log().into_iter().filter(|entry| entry.server == server).collect()
    }

    /// What `action` costs at a table.
    pub(crate) fn cost<T>(&self, table: &str, action: impl FnOnce() -> T) -> (T, Counts) {
        let from = self.log().len();
        let result = action();
        (result, Counts::of(&self.log()[from..], table))
    }

    /// `status/<namespace>.<name>.yaml`, null where there is none.
    pub(crate) fn status(&self, name: &str) -> Value {
        self.read_status(&format!("default.{name}.yaml"))
    }

    pub(crate) fn feed_status(&self, name: &str) -> Value {
        self.read_status(&format!("feeds/{name}.yaml"))
    }

    fn read_status(&self, name: &str) -> Value {
        let Ok(text) = std::fs::read_to_string(self.state().join("status").join(name)) else {
            return Value::Null;
        };
        let object: Value = serde_yaml::from_str(&text).unwrap();
        object["status"].clone()
    }

    /// The change number that a feed has in force, 0 for none.
    pub(crate) fn in_force(&self, feed: &str) -> u64 {
        self.feed_status(feed)["current"]["changeNumber"].as_u64().unwrap_or(0)
    }

    /// The binary with everything that it needs in its environment, and nothing else.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let endpoints = &self.running.endpoints;
        let mut command = Command::new(process::binary());
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        // Coverage and sanitizers of whoever runs the tests, and nothing of his Azure.
        let kept = |name: &str| ["PATH", "HOME", "TMPDIR"].contains(&name) || name.starts_with("LLVM_");
        command.envs(std::env::vars().filter(|(name, _)| kept(name)));
        command
            .env("AZURE_TENANT_ID", &endpoints.credentials.tenant_id)
            .env("AZURE_CLIENT_ID", &endpoints.credentials.client_id)
            .env("AZURE_CLIENT_SECRET", &endpoints.credentials.client_secret)
            .env("AMLNET_ARM_ENDPOINT", &endpoints.arm)
            .env("AMLNET_AUTHORITY_HOST", &endpoints.login)
            .env("AMLNET_CA_FILE", &endpoints.ca_file)
            .env("AMLNET_INSTALLATION_ID", "prod")
            .env("NO_COLOR", "1");
        command
    }

    #[track_caller]
    pub(crate) fn amlnet(&self, arguments: &[&str]) -> Ran {
        process::run(self.command(arguments), self.folder.path(), None)
    }

    #[track_caller]
    pub(crate) fn amlnet_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        process::run(self.command(arguments), self.folder.path(), Some(input))
    }

    /// A command that the test has changed, to its end.
    #[track_caller]
    pub(crate) fn ran(&self, command: Command) -> Ran {
        process::run(command, self.folder.path(), None)
    }

    /// A command that the test has changed, until the test ends.
    pub(crate) fn background(&self, command: Command) -> Controller {
        Controller::start(command, self.folder.path())
    }

    /// `plan` or `apply --yes` of the files in `dir`, without `--state`.
    #[track_caller]
    pub(crate) fn plan(&self, more: &[&str]) -> Ran {
        self.of_files("plan", more)
    }

    #[track_caller]
    pub(crate) fn apply(&self, more: &[&str]) -> Ran {
        self.of_files("apply", &[&["--yes"], more].concat())
    }

    #[track_caller]
    fn of_files(&self, command: &str, more: &[&str]) -> Ran {
        let mut files: Vec<String> = std::fs::read_dir(self.path("dir"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .map(|path| path.display().to_string())
            .collect();
        files.sort();
        let mut arguments = vec![command];
        for file in &files {
            arguments.extend(["-f", file]);
        }
        arguments.extend(more);
        self.amlnet(&arguments)
    }

    /// What waits for a person on each table, as `plan` tells it.
    pub(crate) fn waiting(&self) -> Vec<String> {
        let plan = self.of_files("plan", &["--state", "state", "-o", "json"]).json();
        let waits = |target: &&Value| {
            let held = target["held"].as_array().unwrap();
            held.iter().any(|held| held["reason"] == "Approval" || held["reason"] == "Growth")
        };
        let targets = plan["targets"].as_array().unwrap();
        targets.iter().filter(waits).map(|target| target["hash"].as_str().unwrap().to_owned()).collect()
    }

    /// Approves a hash for a network.
    pub(crate) fn approve(&self, network: &str, hash: &str) -> Ran {
        self.amlnet(&["approve", network, "--hash", hash, "--state", "state"]).exits(0)
    }

    /// `run --once`, or with `more` whatever else.
    #[track_caller]
    pub(crate) fn once(&self, more: &[&str]) -> Ran {
        self.amlnet(&[&["run", "--dir", "dir", "--state", "state", "--once"], more].concat())
    }

    /// `run`, until the test ends.
    pub(crate) fn controller(&self, more: &[&str]) -> Controller {
        let arguments = [&["run", "--dir", "dir", "--state", "state"], more].concat();
        Controller::start(self.command(&arguments), self.folder.path())
    }

    /// Every file below `state`, with its content.
    pub(crate) fn state_files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.state()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push((path.clone(), std::fs::read(&path).unwrap()));
                }
            }
        }
        found
    }
}

fn now() -> Time {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Time::from_millis(u64::try_from(elapsed.as_millis()).unwrap())
}
