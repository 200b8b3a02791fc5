//! The simulator of ARM, Entra ID and the download page, beside this process.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cluster::Server;
use serde_json::Value;

use crate::sample;

const START_WITHIN: Duration = Duration::from_secs(30);
/// Operations that take seconds in Azure take hundredths here.
const TIME_SCALE: &str = "0.01";

/// A running simulator; it goes when this is dropped, or with this process.
#[derive(Debug)]
pub(crate) struct Simulator {
    _server: Server,
    endpoints: Value,
}

impl Simulator {
    /// Starts it on the sample world, with its files in `folder`.
    pub(crate) fn start(program: &Path, folder: &Path) -> Result<Self, String> {
        let documents = sample::documents(program, folder)?;
        let world = folder.join("world.yaml");
        // JSON is YAML.
        std::fs::write(&world, sample::world(&documents).to_string())
            .map_err(|error| format!("{}: {error}", world.display()))?;
        let mut command = Command::new(program);
        command.args(["serve", "--time-scale", TIME_SCALE, "--world"]).arg(&world).env("TMPDIR", folder);
        let mut server = Server::start("armsim", &command, folder).map_err(|error| error.to_string())?;
        let log = server.log().to_owned();
        let mut endpoints = None;
        let ready = || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            endpoints = text.lines().find_map(|line| serde_json::from_str(line).ok());
            endpoints.is_some()
        };
        server.wait_until(START_WITHIN, ready).map_err(|error| error.to_string())?;
        let endpoints = endpoints.unwrap_or_default();
        Ok(Self { _server: server, endpoints })
    }

    /// A value of the line that the simulator prints when it is ready; a dot leads into it.
    pub(crate) fn endpoint(&self, name: &str) -> Result<&str, String> {
        let found = self.endpoints.pointer(&format!("/{}", name.replace('.', "/"))).and_then(Value::as_str);
        found.ok_or_else(|| format!("armsim did not say {name}"))
    }
}
