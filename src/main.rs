//! Arguments. Everything else is in the library.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use amlnet::api::convert;
use amlnet::app::cluster::Selection;
use amlnet::app::{AppError, AzureOptions};
use amlnet::commands::approve::{Approve, Named, Place};
use amlnet::commands::cluster::ClusterOptions;
use amlnet::commands::output::VersionOutput;
use amlnet::commands::plan::Inputs;
use amlnet::commands::run::Folders;
use amlnet::commands::{self, Common, Exit, Format, Output, ScopeOptions};
use amlnet::domain::intent::Installation;
use amlnet::domain::service_tags::Cloud;
use amlnet::http;
use amlnet::store::kubernetes::lease::Times;
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
    output: Output,
    /// How logs are written (to standard error).
    #[arg(long, global = true, default_value = "text", env = "AMLNET_LOG_FORMAT")]
    log_format: LogFormat,
    /// How much is logged: off, error, warn, info, debug or trace; for one module of amlnet MODULE=LEVEL, with commas.
    #[arg(long, global = true, value_name = "LEVELS", env = "AMLNET_LOG")]
    log: Option<telemetry::Levels>,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// The controller: in Kubernetes, or with --dir on a folder of YAML files.
    Run {
        #[command(flatten)]
        common: CommonArgs,
        /// Instead of Kubernetes: the folder with AmlNetwork and ServiceTagFeed objects, one or more a file (*.yaml).
        #[arg(long, requires = "state", env = "AMLNET_DIR")]
        dir: Option<PathBuf>,
        /// With --dir: the folder for documents and statuses.
        #[arg(long, requires = "dir", env = "AMLNET_STATE")]
        state: Option<PathBuf>,
        /// With --dir: do everything once and say what is left, as `apply` does.
        #[arg(long, requires = "dir", env = "AMLNET_ONCE")]
        once: bool,
        #[command(flatten)]
        cluster: Box<ClusterArgs>,
        #[command(flatten)]
        http: Box<HttpArgs>,
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
        network: Option<Named>,
        /// Instead: the ServiceTagFeed whose held document is approved; the hash is its digest.
        #[arg(long, conflicts_with = "network")]
        feed: Option<String>,
        /// What is approved: sha256:…
        #[arg(long)]
        hash: String,
        /// How long the approval stands: a number and s, m, h or d.
        #[arg(long, default_value = "7d", value_parser = convert::duration)]
        expires: Duration,
        /// Who approves. In a cluster: who asks, as the API server knows it; with --state: $USER.
        #[arg(long)]
        approved_by: Option<String>,
        /// The state folder of the installation; without it the approval goes into the cluster that KUBECONFIG names.
        #[arg(long, env = "AMLNET_STATE")]
        state: Option<PathBuf>,
        /// In a cluster: the namespace, where the AmlNetwork is not written with its own; the kubeconfig's otherwise.
        #[arg(short, long, conflicts_with = "state")]
        namespace: Option<String>,
        /// The clock from which the approval expires, instead of the real one.
        #[arg(long, value_name = "RFC3339", env = "AMLNET_NOW")]
        now: Option<Timestamp>,
    },
    /// Service Tags documents.
    #[command(subcommand)]
    Tags(Tags),
    /// What the documentation says that Azure Machine Learning needs, for a region, a cloud, an edition and profiles.
    Requirements(Box<commands::requirements::Options>),
    /// Prints the custom resource definitions, for `kubectl apply -f -`.
    Crd {
        /// Instead: the reference of all fields, as Markdown.
        #[arg(long, hide = true)]
        markdown: bool,
    },
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
    #[arg(short, required_unless_present = "cluster", value_name = "FILE", num_args = 1..)]
    files: Vec<PathBuf>,
    /// A Service Tags file instead of the feed.
    #[arg(long, value_name = "FILE", env = "AMLNET_TAGS")]
    tags: Option<PathBuf>,
    /// The folder for documents and statuses. Without it nothing is ever removed.
    #[arg(long, env = "AMLNET_STATE")]
    state: Option<PathBuf>,
    /// Instead of files: the objects, and what the controller remembers, of the cluster that KUBECONFIG names.
    #[arg(long, conflicts_with_all = ["files", "state"])]
    cluster: bool,
    /// With --cluster: the namespace of the AmlNetworks; the kubeconfig's where nothing is said.
    #[arg(short, long, requires = "cluster")]
    namespace: Option<String>,
    /// With --cluster: the namespace of the controller; that of the AmlNetworks where nothing is said.
    #[arg(long, requires = "cluster", value_name = "NAMESPACE")]
    controller_namespace: Option<String>,
    /// With --cluster: the controller's Lease, which apply holds while it works [default: amlnet-<installation id>].
    #[arg(long, value_name = "NAME", env = "AMLNET_LEASE_NAME")]
    lease_name: Option<String>,
    /// With --cluster: the AmlNetworks; all of the namespace where none is named.
    #[arg(requires = "cluster", value_name = "NAME")]
    names: Vec<String>,
}

/// What counts in Kubernetes only.
#[derive(Args)]
#[command(next_help_heading = "In Kubernetes")]
struct ClusterArgs {
    /// The controller's own namespace, with its feeds, its lease and what it remembers. The service account's, or the
    /// kubeconfig's, where nothing is said.
    #[arg(long, conflicts_with = "dir", env = "AMLNET_NAMESPACE")]
    namespace: Option<String>,
    /// Further namespaces whose AmlNetworks count; '*' is all of them.
    #[arg(
        long,
        value_name = "NAMESPACE",
        value_delimiter = ',',
        conflicts_with = "dir",
        env = "AMLNET_WATCH_NAMESPACES"
    )]
    watch_namespaces: Vec<String>,
    /// The Lease that makes one replica the leader [default: amlnet-<installation id>].
    #[arg(long, conflicts_with = "dir", env = "AMLNET_LEASE_NAME")]
    lease_name: Option<String>,
    /// How long a leader that says nothing is waited for.
    #[arg(long, default_value = "15s", value_parser = resync, env = "AMLNET_LEASE_DURATION")]
    lease_duration: Duration,
    /// After so long without a renewal the leader gives up.
    #[arg(long, default_value = "10s", value_parser = resync, env = "AMLNET_LEASE_RENEW_DEADLINE")]
    lease_renew_deadline: Duration,
    /// How often the lease is renewed, or looked at.
    #[arg(long, default_value = "2s", value_parser = resync, env = "AMLNET_LEASE_RETRY_PERIOD")]
    lease_retry_period: Duration,
    /// This replica's name among the others, such as the pod's [default: the host's with something unique].
    #[arg(long, conflicts_with = "dir", env = "AMLNET_IDENTITY")]
    identity: Option<String>,
}

/// What is served over HTTP.
#[derive(Args)]
#[command(next_help_heading = "Over HTTP")]
struct HttpArgs {
    /// Where /healthz, /readyz, /metrics and /lists are served. In Kubernetes 0.0.0.0:8080 where nothing is said; with --dir
    /// nothing is served then.
    #[arg(long = "http-listen", value_name = "ADDRESS", env = "AMLNET_HTTP_LISTEN")]
    listen: Option<SocketAddr>,
    /// The certificate of the server, with what leads to its root: everything is served over HTTPS then. The file may be
    /// replaced at any time.
    #[arg(long = "http-certificate", value_name = "PEM", requires = "key", env = "AMLNET_HTTP_CERTIFICATE")]
    certificate: Option<PathBuf>,
    /// The key of the certificate, without password.
    #[arg(long = "http-key", value_name = "PEM", requires = "certificate", env = "AMLNET_HTTP_KEY")]
    key: Option<PathBuf>,
    /// Who may fetch lists: lines of `bearer <token>` or `basic <user>:<password>`. Without it, everybody may.
    #[arg(long = "http-credentials", value_name = "FILE", env = "AMLNET_HTTP_CREDENTIALS")]
    credentials: Option<PathBuf>,
}

impl HttpArgs {
    fn at(self, listen: SocketAddr) -> http::Options {
        let Self { certificate, key, credentials, .. } = self;
        http::Options { listen, certificate, key, credentials }
    }

    /// With --dir, where nothing is served unless it is said where.
    fn of_folder(self) -> Result<Option<http::Options>, AppError> {
        match self.listen {
            Some(listen) => Ok(Some(self.at(listen))),
            None if self.certificate.is_some() || self.credentials.is_some() => {
                Err(AppError("with --dir nothing is served unless --http-listen says where".to_owned()))
            }
            None => Ok(None),
        }
    }
}

impl ClusterArgs {
    fn options(self, http: http::Options, resync: Duration) -> ClusterOptions {
        ClusterOptions {
            namespace: self.namespace,
            watch_namespaces: self.watch_namespaces.into_iter().collect(),
            lease_name: self.lease_name,
            times: Times {
                lease: self.lease_duration,
                renew: self.lease_renew_deadline,
                retry: self.lease_retry_period,
            },
            identity: self.identity,
            http,
            resync,
        }
    }
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
    /// Replaces the documentation's tables, or with extends: true adds to them.
    #[arg(long, value_name = "FILE", env = "AMLNET_REQUIREMENTS")]
    requirements: Option<PathBuf>,
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
            requirements: self.requirements,
            format,
            now: self.now,
            read_only: self.read_only,
            scopes: self.scopes,
        }
    }
}

impl From<InputArgs> for Inputs {
    fn from(args: InputArgs) -> Self {
        let InputArgs { files, tags, state, cluster, namespace, controller_namespace, lease_name, names } = args;
        let cluster = cluster.then_some(Selection { namespace, controller_namespace, lease_name, names });
        Self { files, tags, state, cluster }
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
    telemetry::start(format, cli.log.clone().unwrap_or_default().or(default), audit, bars);
    match execute(cli) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            telemetry::last_word(format, &error);
            ExitCode::from(Exit::Error as u8)
        }
    }
}

fn execute(cli: Cli) -> Result<Exit, AppError> {
    // Only `requirements` prints tables.
    let format = match &cli.command {
        Command::Requirements(_) => Format::Text,
        _ => cli.output.format()?,
    };
    match cli.command {
        Command::Run { common, dir, state, once, cluster, http, resync } => {
            if common.now.is_some() && !once {
                return Err(AppError("--now stands still, so it needs --once".to_owned()));
            }
            let common = common.common(format);
            let (Some(dir), Some(state)) = (dir, state) else {
                let listen = http.listen.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 8080)));
                return commands::cluster::run(&common, &cluster.options(http.at(listen), resync));
            };
            let folders = Folders { dir, state };
            if once {
                commands::run::run_once(&common, &folders)
            } else {
                commands::run::run(&common, &folders, http.of_folder()?.as_ref(), resync)
            }
        }
        Command::Plan { common, inputs } => commands::plan::plan(&common.common(format), &inputs.into()),
        Command::Apply { common, inputs, yes } => commands::apply::apply(&common.common(format), &inputs.into(), yes),
        Command::Approve { network, feed, hash, expires, approved_by, state, namespace, now } => {
            let subject = match (network, feed) {
                (Some(named), _) => named,
                (None, Some(name)) => Named::Feed(name),
                (None, None) => return Err(AppError("name an AmlNetwork, or a feed with --feed".to_owned())),
            };
            let expires = SignedDuration::try_from(expires).map_err(AppError::new)?;
            let now = now.unwrap_or_else(Timestamp::now);
            let user = || std::env::var("USER").ok();
            let (approved_by, place) = match state {
                Some(folder) => (approved_by.or_else(user), Place::State(folder)),
                None => (approved_by, Place::Cluster(namespace)),
            };
            let approve = Approve { subject, hash, approved_by, expires, place, now };
            commands::approve::approve(&approve, format)
        }
        Command::Tags(Tags::Check { file, regions }) => commands::tags::check(&file, regions.as_deref(), format),
        Command::Tags(Tags::Show { file, tags }) => commands::tags::show(&file, &tags, format),
        Command::Tags(Tags::Diff { old, new }) => commands::tags::diff(&old, &new, format, commands::colour()),
        Command::Requirements(options) => commands::requirements::requirements(&options, cli.output),
        Command::Crd { markdown: true } => commands::crd::markdown(),
        Command::Crd { markdown: false } => commands::crd::crd(format),
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
