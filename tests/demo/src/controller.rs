//! The program `amlnet` as a user runs it: its environment, single commands, and `amlnet run` as a child process.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::show::{listing, say};
use crate::simulator::Simulator;

const COMMAND_WITHIN: Duration = Duration::from_secs(20);
const SERVE_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// How many lines of the log a failure shows.
const TAIL: usize = 15;

/// The program and what is exported for it.
#[derive(Debug)]
pub(crate) struct Amlnet {
    program: PathBuf,
    variables: Vec<(&'static str, String)>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) output: String,
    pub(crate) code: Option<i32>,
}

impl Amlnet {
    pub(crate) fn new(program: PathBuf, simulator: &Simulator) -> Result<Self, String> {
        let mut variables = vec![("AMLNET_INSTALLATION_ID", "demo".to_owned())];
        for (name, pointer) in [
            ("AMLNET_ARM_ENDPOINT", "/arm"),
            ("AMLNET_AUTHORITY_HOST", "/login"),
            ("AMLNET_CA_FILE", "/caFile"),
            ("AZURE_TENANT_ID", "/credentials/tenantId"),
            ("AZURE_CLIENT_ID", "/credentials/clientId"),
            ("AZURE_CLIENT_SECRET", "/credentials/clientSecret"),
        ] {
            variables.push((name, simulator.endpoint(pointer)?.to_owned()));
        }
        Ok(Self { program, variables })
    }

    /// The environment as a user would set it. Secrets are not shown, not even those of a simulator.
    pub(crate) fn exports(&self) -> String {
        self.variables.iter().fold(String::new(), |mut text, (name, value)| {
            let value = if name.contains("SECRET") { "***" } else { value };
            let _ = writeln!(text, "$ export {name}={value}");
            text
        })
    }

    /// A command that knows nothing of the caller's Azure, amlnet or proxy settings.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_ascii_uppercase();
            if text.starts_with("AMLNET_") || text.starts_with("AZURE_") || text.ends_with("_PROXY") {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end. Only `expected` exit codes are accepted.
    pub(crate) async fn print(&self, arguments: &[&OsStr], expected: &[i32]) -> Result<Printed, String> {
        let name = || Path::new(arguments.first().unwrap_or(&OsStr::new(""))).display().to_string();
        let output = timeout(COMMAND_WITHIN, self.command().args(arguments).output())
            .await
            .map_err(|_| format!("`amlnet {}` took more than {} s", name(), COMMAND_WITHIN.as_secs()))?
            .map_err(|error| format!("{} cannot be started: {error}", self.program.display()))?;
        let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let code = output.status.code();
        if !code.is_some_and(|code| expected.contains(&code)) {
            let ended = output.status;
            return Err(format!("`amlnet {}` ended with {ended}, not {expected:?}:\n{said}{complaint}", name()));
        }
        Ok(Printed { output: format!("{complaint}{said}"), code })
    }

    /// Starts the controller, with everything that it says in a file.
    pub(crate) fn run(&self, folder: &Path, state: &Path, log: &Path) -> Result<Controller, String> {
        let named = |error: std::io::Error| format!("{}: {error}", log.display());
        let file = File::create(log).map_err(named)?;
        let child = self
            .command()
            .args([
                OsStr::new("run"),
                OsStr::new("--dir"),
                folder.as_os_str(),
                OsStr::new("--state"),
                state.as_os_str(),
                OsStr::new("--http-listen"),
                OsStr::new("127.0.0.1:0"),
            ])
            .stdout(file.try_clone().map_err(named)?)
            .stderr(file)
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", self.program.display()))?;
        let log = log.to_owned();
        Ok(Controller { child, log })
    }
}

/// `amlnet run`, killed when dropped.
#[derive(Debug)]
pub(crate) struct Controller {
    child: Child,
    log: PathBuf,
}

impl Controller {
    /// An error once it has ended by itself.
    pub(crate) fn still_runs(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.failed(&format!("`amlnet run` ended by itself with {status}"))),
            Err(error) => Err(format!("`amlnet run` cannot be watched: {error}")),
        }
    }

    /// Where it serves lists, as its log says: the port is the one that was free.
    pub(crate) async fn address(&mut self) -> Result<SocketAddr, String> {
        let deadline = Instant::now() + SERVE_WITHIN;
        loop {
            self.still_runs()?;
            if let Some(address) = served_at(&self.log()) {
                return Ok(address);
            }
            if Instant::now() > deadline {
                let within = SERVE_WITHIN.as_secs();
                return Err(self.failed(&format!("amlnet has not said within {within} s where it serves lists")));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Its process id, while it runs.
    pub(crate) fn pid(&self) -> Result<u32, String> {
        self.child.id().ok_or_else(|| self.failed("`amlnet run` has already ended"))
    }

    /// Asks it to stop, as Kubernetes and systemd do; an error unless it then exits with 0.
    pub(crate) async fn stop(&mut self, pid: u32) -> Result<(), String> {
        // The shell's own `kill`: not every machine has one as a program.
        let sent = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &pid.to_string()])
            .status()
            .await
            .map_err(|error| format!("SIGTERM cannot be sent: {error}"))?;
        if !sent.success() {
            return Err(format!("SIGTERM cannot be sent to process {pid}"));
        }
        let status = timeout(STOP_WITHIN, self.child.wait())
            .await
            .map_err(|_| self.failed(&format!("`amlnet run` did not stop within {} s", STOP_WITHIN.as_secs())))?
            .map_err(|error| format!("`amlnet run` cannot be watched: {error}"))?;
        if status.code() == Some(0) {
            Ok(())
        } else {
            Err(self.failed(&format!("`amlnet run` ended with {status} when asked to stop")))
        }
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read(&self.log).map_or_else(
            |error| format!("{}: {error}", self.log.display()),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    /// Shows the end of the log, and hands the failure on.
    pub(crate) fn failed(&self, what: &str) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        say("\n  The end of amlnet's log:");
        listing(&lines[lines.len().saturating_sub(TAIL)..].join("\n"), TAIL);
        what.to_owned()
    }
}

/// The address in the line that names `/lists`. A line that is only half written has no end yet.
fn served_at(log: &str) -> Option<SocketAddr> {
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let line = whole.lines().find(|line| line.contains("/lists") && line.contains("address="))?;
    line.split_whitespace().find_map(|word| word.strip_prefix("address=")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_a_whole_line() {
        let line = "t INFO amlnet::app::lists: serves /healthz, /readyz, /metrics and /lists address=127.0.0.1:4352";
        assert_eq!(served_at(line), None);
        let log = format!("amlnet starts address=1.2.3.4:5\n{line}9 scheme=\"http\"\nx");
        assert_eq!(served_at(&log), Some("127.0.0.1:43529".parse().unwrap()));
    }
}
