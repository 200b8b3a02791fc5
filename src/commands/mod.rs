//! One file a command: parse nothing, decide nothing, print what came out. Exit codes are a contract.

pub mod apply;
pub mod approve;
pub mod cluster;
pub mod crd;
pub mod output;
pub mod plan;
pub mod requirements;
pub mod run;
pub mod tags;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use crate::app::{self, AppError, AzureOptions};
use crate::domain::intent::Installation;
use crate::domain::outcome::Outcome;
use crate::domain::plan::Standing;
use crate::domain::scope::Scopes;
use crate::metrics::Metrics;
use crate::reconcile::target::Clock;

/// How most results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// What `--output` takes. Tables are what `requirements` alone can print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    Text,
    Json,
    /// Only `requirements`.
    Csv,
    /// Only `requirements`.
    Markdown,
}

impl Output {
    /// For the commands that print no tables.
    pub fn format(self) -> Result<Format, AppError> {
        match self {
            Self::Text => Ok(Format::Text),
            Self::Json => Ok(Format::Json),
            Self::Csv | Self::Markdown => {
                Err(AppError("--output csv and markdown are for requirements; write text or json".to_owned()))
            }
        }
    }
}

/// What an exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Nothing to do, or only steps that wait for their time.
    Done = 0,
    /// An error, or wrong usage.
    Error = 1,
    /// Changes, or changes held by mode; documents that differ.
    Changes = 2,
    /// Something waits for a person: an approval, a conflict, a blocked target.
    NeedsPerson = 3,
}

impl Exit {
    /// The same where somebody else needs a person too: an error says that nothing is known, so it wins.
    #[must_use]
    pub fn or_needs_person(self, needs: bool) -> Self {
        if needs && self != Self::Error { Self::NeedsPerson } else { self }
    }

    /// Of several targets the most urgent counts; a failure says that nothing is known, so it wins.
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut exit = Self::Done;
        for outcome in outcomes {
            if outcome.failed() {
                return Self::Error;
            }
            exit = exit.max(match outcome.standing() {
                Standing::Done => Self::Done,
                Standing::Changes => Self::Changes,
                Standing::NeedsPerson => Self::NeedsPerson,
            });
        }
        exit
    }
}

/// How what Networks may name is limited.
#[derive(Debug, Clone, clap::Args)]
pub struct ScopeOptions {
    /// What the AmlNetworks of each namespace may name in Azure. Without it everything is allowed.
    #[arg(long = "scopes", value_name = "FILE", env = "AMLNET_SCOPES")]
    pub file: Option<PathBuf>,
    /// Let all namespaces name anything, knowingly. Not together with --scopes.
    #[arg(long, env = "AMLNET_ALLOW_ANY_SCOPE")]
    pub allow_any_scope: bool,
}

impl ScopeOptions {
    /// What they come to.
    pub fn read(&self) -> Result<Arc<Scopes>, AppError> {
        if self.allow_any_scope && self.file.is_some() {
            return Err(AppError("--scopes limits what --allow-any-scope allows; leave one of them out".to_owned()));
        }
        app::scopes::read(self.file.as_deref())
    }
}

/// What `plan`, `apply` and `run` have in common.
#[derive(Debug, Clone)]
pub struct Common {
    pub installation: Installation,
    pub azure: AzureOptions,
    pub regions: Option<PathBuf>,
    pub requirements: Option<PathBuf>,
    pub format: Format,
    pub now: Option<Timestamp>,
    /// Nothing is written to Azure.
    pub read_only: bool,
    pub scopes: ScopeOptions,
}

impl Common {
    /// The clock of acceptance and guards.
    pub fn clock(&self) -> Clock {
        Clock(self.now)
    }

    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// Metrics of a controller whose objects are in such a store.
    fn metrics(&self, store: &str) -> Metrics {
        app::metrics::of_process(&self.installation, self.azure.cloud, store, self.read_only)
    }
}

/// Whether colour is wanted on standard output.
pub fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Whether progress bars are drawn: on a terminal, unless NO_COLOR asks for plain output.
pub fn shows_progress() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Writes to standard output. A reader that went away (`| head`) is no error.
pub fn print(text: &str) -> Result<(), AppError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(AppError(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes one JSON value to standard output.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), AppError> {
    let text = serde_json::to_string_pretty(value).map_err(AppError::new)?;
    print(&(text + "\n"))
}

/// Runs the asynchronous part of a command, and stops it when asked to.
pub fn block_on<T>(work: impl Future<Output = Result<T, AppError>>) -> Result<T, AppError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| AppError(format!("the runtime cannot start: {error}")))?;
    let result = runtime.block_on(work);
    // A read of a pipe or a dead network file system never ends, and would keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}
