//! Arguments. Everything else is in the library.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use amlnet::api::convert;
use amlnet::app::{AppError, AzureOptions};
use amlnet::commands::approve::Approve;
use amlnet::commands::output::VersionOutput;
use amlnet::commands::plan::Inputs;
use amlnet::commands::run::Folders;
use amlnet::commands::{self, Common, Exit, Format, ScopeOptions};
use amlnet::domain::approval::Subject;
use amlnet::domain::intent::{Installation, ObjectKey};
use amlnet::domain::service_tags::Cloud;
use amlnet::telemetry;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::{SignedDuration, Timestamp};
use tracing_subscriber::filter::LevelFilter;

/// Keeps routes around Azure Machine Learning correct while Microsoft's addresses change.
#[derive(Parser)]
#[command(name = "amlnet", version, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How results are printed.
    #[arg(short, long, global = true, default_value = "text", env = "AMLNET_OUTPUT")]
    output: Format,
    /// How logs are written (to standard error).
    #[arg(long, global = true, default_value = "text", env = "AMLNET_LOG_FORMAT")]
    log_format: LogFormat,
    /// How much is logged: off, error, warn, info, debug or trace.
    #[arg(long, global = true, env = "AMLNET_LOG")]
    log: Option<LevelFilter>,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// The controller on a folder of YAML files.
    Run {
        #[command(flatten)]
        common: CommonArgs,
        /// The folder with AmlNetwork and ServiceTagFeed objects, one or more a file (*.yaml).
        #[arg(long, env = "AMLNET_DIR")]
        dir: PathBuf,
        /// The folder for documents and statuses.
        #[arg(long, env = "AMLNET_STATE")]
        state: PathBuf,
        /// Do everything once and say what is left, as `apply` does.
        #[arg(long, env = "AMLNET_ONCE")]
        once: bool,
        /// How often every target is read although nothing changed: a number and s, m, h or d.
        #[arg(long, default_value = "10m", value_parser = resync, env = "AMLNET_RESYNC")]
        resync: Duration,
    },
    /// What would change, like a diff. Exit code 0: nothing; 2: changes; 3: a person is needed; 1: error.
    Plan {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        inputs: InputArgs,
    },
    /// Plan, ask, apply, and say what is left. Exit codes as for plan.
    Apply {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        inputs: InputArgs,
        /// Do not ask.
        #[arg(long, env = "AMLNET_YES")]
        yes: bool,
    },
    /// Approves what waits under a hash, as plan and status show it. Exit code 0, or 1: error.
    Approve {
        /// The AmlNetwork, as namespace/name or name.
        #[arg(value_parser = commands::approve::network, required_unless_present = "feed")]
        network: Option<ObjectKey>,
        /// Instead: the ServiceTagFeed whose held document is approved; the hash is its digest.
        #[arg(long, conflicts_with = "network")]
        feed: Option<String>,
        /// What is approved: sha256:…
        #[arg(long)]
        hash: String,
        /// How long the approval stands: a number and s, m, h or d.
        #[arg(long, default_value = "7d", value_parser = convert::duration)]
        expires: Duration,
        /// Who approves.
        #[arg(long, env = "USER")]
        approved_by: Option<String>,
        /// The state folder of the installation.
        #[arg(long, env = "AMLNET_STATE")]
        state: PathBuf,
        /// The clock from which the approval expires, instead of the real one.
        #[arg(long, value_name = "RFC3339", env = "AMLNET_NOW")]
        now: Option<Timestamp>,
    },
    /// Service Tags documents.
    #[command(subcommand)]
    Tags(Tags),
    /// Prints a completion script.
    Completions { shell: Shell },
    /// Prints version and commit.
    Version,
}

#[derive(Subcommand)]
enum Tags {
    /// Whether a file would be accepted. Exit code 0: yes; 1: no.
    Check {
        file: PathBuf,
        /// Replaces the table of regions.
        #[arg(long, env = "AMLNET_REGIONS")]
        regions: Option<PathBuf>,
    },
    /// What a file says about some tags.
    Show {
        file: PathBuf,
        #[arg(required = true, value_name = "TAG")]
        tags: Vec<String>,
    },
    /// What changed between two files, tag by tag. Exit code 0: nothing; 2: something.
    Diff { old: PathBuf, new: PathBuf },
}

#[derive(Args)]
struct InputArgs {
    /// A file with AmlNetwork and ServiceTagFeed objects; `-` is standard input. May be repeated.
    #[arg(short, required = true, value_name = "FILE", num_args = 1..)]
    files: Vec<PathBuf>,
    /// A Service Tags file instead of the feed.
    #[arg(long, value_name = "FILE", env = "AMLNET_TAGS")]
    tags: Option<PathBuf>,
    /// The folder for documents and statuses. Without it nothing is ever removed.
    #[arg(long, env = "AMLNET_STATE")]
    state: Option<PathBuf>,
}

#[derive(Args)]
struct CommonArgs {
    /// The owner part of every entry's name: 2 to 12 lower-case letters and digits. Choose once, keep for ever.
    #[arg(long, env = "AMLNET_INSTALLATION_ID")]
    installation_id: Installation,
    /// Public, AzureGovernment or China.
    #[arg(long, default_value = "Public", env = "AMLNET_CLOUD")]
    cloud: Cloud,
    /// Replaces the cloud's ARM endpoint.
    #[arg(long, value_name = "URL", env = "AMLNET_ARM_ENDPOINT")]
    arm_endpoint: Option<url::Url>,
    /// Replaces the cloud's login endpoint.
    #[arg(long, value_name = "URL", env = "AMLNET_AUTHORITY_HOST")]
    authority_host: Option<url::Url>,
    /// Certificates to trust besides the well-known ones.
    #[arg(long, value_name = "PEM", env = "AMLNET_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// Replaces the table of regions and pairs.
    #[arg(long, value_name = "FILE", env = "AMLNET_REGIONS")]
    regions: Option<PathBuf>,
    /// The clock for accepting documents and for guards, instead of the real one.
    #[arg(long, value_name = "RFC3339", env = "AMLNET_NOW")]
    now: Option<Timestamp>,
    /// Write nothing to Azure; plan and report only.
    #[arg(long, env = "AMLNET_READ_ONLY")]
    read_only: bool,
    #[command(flatten)]
    scopes: ScopeOptions,
}

fn resync(text: &str) -> Result<Duration, String> {
    let resync = convert::duration(text)?;
    if resync < Duration::from_secs(1) { Err("write at least 1s".to_owned()) } else { Ok(resync) }
}

impl CommonArgs {
    fn common(self, format: Format) -> Common {
        Common {
            installation: self.installation_id,
            azure: AzureOptions {
                cloud: self.cloud,
                arm_endpoint: self.arm_endpoint,
                authority_host: self.authority_host,
                ca_file: self.ca_file,
            },
            regions: self.regions,
            format,
            now: self.now,
            read_only: self.read_only,
            scopes: self.scopes,
        }
    }
}

impl From<InputArgs> for Inputs {
    fn from(args: InputArgs) -> Self {
        Self { files: args.files, tags: args.tags, state: args.state }
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; wrong usage is 1, because 2 means "changes".
            let wrong = error.use_stderr();
            let _ = error.print();
            return ExitCode::from(if wrong { Exit::Error as u8 } else { Exit::Done as u8 });
        }
    };
    let default =
        if matches!(cli.command, Command::Run { once: false, .. }) { LevelFilter::INFO } else { LevelFilter::WARN };
    let format = match cli.log_format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    };
    // Where `apply` draws progress bars the lines would break them, and the correlation ids stand in its JSON.
    let bars = commands::shows_progress();
    let audit = !(bars && matches!(cli.command, Command::Apply { .. }));
    telemetry::start(format, cli.log.unwrap_or(default), audit, bars);
    match execute(cli) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            // Nothing is left to tell it to when standard error is gone.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(Exit::Error as u8)
        }
    }
}

fn execute(cli: Cli) -> Result<Exit, AppError> {
    let format = cli.output;
    match cli.command {
        Command::Run { common, dir, state, once, resync } => {
            if common.now.is_some() && !once {
                return Err(AppError("--now stands still, so it needs --once".to_owned()));
            }
            let (common, folders) = (common.common(format), Folders { dir, state });
            if once {
                commands::run::run_once(&common, &folders)
            } else {
                commands::run::run(&common, &folders, resync)
            }
        }
        Command::Plan { common, inputs } => commands::plan::plan(&common.common(format), &inputs.into()),
        Command::Apply { common, inputs, yes } => commands::apply::apply(&common.common(format), &inputs.into(), yes),
        Command::Approve { network, feed, hash, expires, approved_by, state, now } => {
            let subject = match (network, feed) {
                (Some(key), _) => Subject::Network(key),
                (None, Some(name)) => Subject::Feed(name),
                (None, None) => return Err(AppError("name an AmlNetwork, or a feed with --feed".to_owned())),
            };
            let expires = SignedDuration::try_from(expires).map_err(AppError::new)?;
            let now = now.unwrap_or_else(Timestamp::now);
            let approve = Approve { subject, hash, approved_by, expires, state, now };
            commands::approve::approve(&approve, format)
        }
        Command::Tags(Tags::Check { file, regions }) => commands::tags::check(&file, regions.as_deref(), format),
        Command::Tags(Tags::Show { file, tags }) => commands::tags::show(&file, &tags, format),
        Command::Tags(Tags::Diff { old, new }) => commands::tags::diff(&old, &new, format, commands::colour()),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "amlnet", &mut script);
            commands::print(&String::from_utf8_lossy(&script))?;
            Ok(Exit::Done)
        }
        Command::Version => {
            let version = VersionOutput {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                commit: option_env!("AMLNET_COMMIT").unwrap_or("unknown").to_owned(),
            };
            match format {
                Format::Json => commands::print_json(&version)?,
                Format::Text => commands::print(&format!("amlnet {} ({})\n", version.version, version.commit))?,
            }
            Ok(Exit::Done)
        }
    }
}
