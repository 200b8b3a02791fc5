//! The simulator of ARM, Entra ID and the download page as a child process, and its control interface.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use crate::record::{self, GroupState, Request, State};
use crate::rules::{self, RuleState};

const START_WITHIN: Duration = Duration::from_secs(10);
const STOP_WITHIN: Duration = Duration::from_secs(3);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Operations that take seconds in Azure take hundredths here.
const TIME_SCALE: &str = "0.01";

/// A running simulator. It ends when this is dropped: its standard input closes, and it is killed.
#[derive(Debug)]
pub(crate) struct Simulator {
    /// What it was started with.
    pub(crate) arguments: Vec<String>,
    child: Child,
    input: ChildStdin,
    endpoints: Value,
    http: reqwest::Client,
}

impl Simulator {
    /// Starts it on a world, with its files in `folder`.
    pub(crate) async fn start(program: &Path, folder: &Path, world: &Value) -> Result<Self, String> {
        let file = folder.join("world.yaml");
        // JSON is YAML.
        std::fs::write(&file, world.to_string()).map_err(|error| format!("{}: {error}", file.display()))?;
        let world = file.to_string_lossy().into_owned();
        let arguments =
            ["serve", "--time-scale", TIME_SCALE, "--until-stdin-closes", "--world", &world].map(str::to_owned);
        let mut child = Command::new(program)
            .args(&arguments)
            .env("TMPDIR", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("armsim has no standard input or output".to_owned());
        };
        let mut line = String::new();
        let mut output = BufReader::new(output);
        timeout(START_WITHIN, output.read_line(&mut line))
            .await
            .map_err(|_| format!("armsim was not ready within {} s", START_WITHIN.as_secs()))?
            .map_err(|error| format!("armsim's standard output: {error}"))?;
        let endpoints = serde_json::from_str(&line)
            .map_err(|error| format!("armsim ended before it was ready, or said something else ({error}): {line}"))?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER_WITHIN)
            .build()
            .map_err(|error| format!("there is no HTTP client: {error}"))?;
        Ok(Self { arguments: arguments.to_vec(), child, input, endpoints, http })
    }

    /// A value of the line that the simulator prints when it is ready, such as `/arm` or `/credentials/clientId`.
    pub(crate) fn endpoint(&self, pointer: &str) -> Result<&str, String> {
        let found = self.endpoints.pointer(pointer).and_then(Value::as_str);
        found.ok_or_else(|| format!("armsim did not say {pointer}"))
    }

    /// Every request so far, to any of its servers.
    pub(crate) async fn requests(&self) -> Result<Vec<Request>, String> {
        record::requests(&self.get("log", &[("server", "all")]).await?)
    }

    /// Every state of a table so far.
    pub(crate) async fn history(&self, id: &str) -> Result<Vec<State>, String> {
        let states = record::states(&self.get("history", &[("id", id)]).await?)?;
        if states.is_empty() {
            return Err(format!("the simulator has no table {id}"));
        }
        Ok(states)
    }

    /// Every state of an IP group so far.
    pub(crate) async fn group_history(&self, id: &str) -> Result<Vec<GroupState>, String> {
        let states = record::group_states(&self.get("history", &[("id", id)]).await?)?;
        if states.is_empty() {
            return Err(format!("the simulator has no IP group {id}"));
        }
        Ok(states)
    }

    /// Every state of a rule collection group so far: none before it exists.
    pub(crate) async fn policy_history(&self, id: &str) -> Result<Vec<RuleState>, String> {
        rules::of_policy(&self.get("history", &[("id", id)]).await?)
    }

    /// Every state of a network security group so far.
    pub(crate) async fn security_history(&self, id: &str) -> Result<Vec<RuleState>, String> {
        let states = rules::of_security_group(&self.get("history", &[("id", id)]).await?)?;
        if states.is_empty() {
            return Err(format!("the simulator has no network security group {id}"));
        }
        Ok(states)
    }

    /// A resource as ARM would show it now.
    pub(crate) async fn resource(&self, id: &str) -> Result<Value, String> {
        self.get("resource", &[("id", id)]).await
    }

    /// Puts the next document on the download page; its published name.
    pub(crate) async fn publish(&self) -> Result<String, String> {
        let url = format!("{}/publish", self.endpoint("/control")?);
        let answer = self.answer(self.http.post(url)).await?;
        Ok(answer["name"].as_str().unwrap_or("a document without a name").to_owned())
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let url = format!("{}/{path}", self.endpoint("/control")?);
        self.answer(self.http.get(url).query(query)).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Value, String> {
        let failed = |error: reqwest::Error| format!("the simulator's control interface: {error}");
        let response = request.send().await.map_err(failed)?.error_for_status().map_err(failed)?;
        response.json().await.map_err(failed)
    }

    /// Lets it end by itself, so that it removes its files.
    pub(crate) async fn stop(self) {
        let Self { mut child, input, .. } = self;
        drop(input);
        // Not ending in time is no failure of what is shown; it is killed then.
        let _ = timeout(STOP_WITHIN, child.wait()).await;
    }
}
