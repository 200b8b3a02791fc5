//! Wiring: from options to the parts that do the work.
//!
//! Reads the environment and the clock so that nothing below has to. Must not decide anything about networks.

pub mod cluster;
mod feed_figures;
pub mod feeds;
pub mod lists;
pub mod metrics;
pub mod scopes;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::api::convert::{FeedIntent, SourceIntent};
use crate::azure::arm::Arm;
use crate::azure::cloud::{self, Endpoints};
use crate::azure::credential::{CachingCredential, Login};
use crate::azure::discovery::Discovery;
use crate::azure::limiter::Figures;
use crate::domain::accept;
use crate::domain::approval::{self, Approval, Subject, Word};
use crate::domain::intent::Installation;
use crate::domain::region::Regions;
use crate::domain::requirement::{Requirements, Tables};
use crate::domain::scope::Scopes;
use crate::domain::service_tags::{Cloud, Document};
use crate::feed::download::{Download, Start};
use crate::feed::file::{self, File};
use crate::feed::poll::{Judge, Report, State as FeedState};
use crate::feed::status::{self, Asked};
use crate::feed::{Archive, Fetched, Source, SourceError, Validators, page, said};
use crate::metrics::Metrics;
use crate::reconcile::index::{Absent, Documents, Setting};
use crate::store::World;
use crate::store::files::folder;
use crate::store::files::state::State;
use crate::store::kubernetes::ClusterStore;

/// What can go wrong before any target is looked at. `Display` is for the user.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct AppError(pub String);

impl AppError {
    #[expect(clippy::needless_pass_by_value, reason = "so that map_err takes it as it is")]
    pub fn new(what: impl ToString) -> Self {
        Self(what.to_string())
    }
}

/// How Azure is reached.
#[derive(Debug, Clone)]
pub struct AzureOptions {
    pub cloud: Cloud,
    pub arm_endpoint: Option<url::Url>,
    pub authority_host: Option<url::Url>,
    pub ca_file: Option<PathBuf>,
}

/// Connects to ARM; no request is sent yet.
pub fn arm(options: &AzureOptions, metrics: &Metrics) -> Result<Arm, AppError> {
    cloud::install_tls_provider();
    let endpoints = Endpoints::of(options.cloud, options.arm_endpoint.clone(), options.authority_host.clone())
        .map_err(AppError::new)?;
    let http = cloud::http_client(options.ca_file.as_deref()).map_err(AppError::new)?;
    let login = Login::from_variables(|name| std::env::var(name).ok()).map_err(AppError::new)?;
    tracing::info!(login = ?login, arm = %endpoints.arm, authority = %endpoints.authority, "Azure is asked");
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
        && let Some(doubt) = login.doubt_in_pod()
    {
        tracing::warn!(login = ?login, doubt, "the login is likely to fail");
    }
    let figures = if options.cloud == Cloud::China { Figures::CHINA } else { Figures::AZURE };
    let credential = CachingCredential::new(&login, &endpoints, http.clone(), metrics).map_err(AppError::new)?;
    Arm::new(&endpoints, Arc::new(credential), http, figures, metrics.clone()).map_err(AppError::new)
}

/// The table of regions: a file's, or the one that is compiled in.
pub fn regions(path: Option<&Path>) -> Result<Arc<Regions>, AppError> {
    let Some(path) = path else {
        return Ok(Arc::new(Regions::built_in()));
    };
    let text =
        std::fs::read_to_string(path).map_err(|error| AppError(format!("--regions {}: {error}", path.display())))?;
    let regions = Regions::parse(&text).map_err(|error| AppError(format!("--regions {}: {error}", path.display())))?;
    Ok(Arc::new(regions))
}

/// The tables of requirements: a file's, or those that are compiled in.
pub fn requirements(path: Option<&Path>) -> Result<Tables, AppError> {
    let Some(path) = path else {
        return Ok(Tables::BuiltIn);
    };
    let refuse = |error: &dyn std::fmt::Display| AppError(format!("--requirements {}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| refuse(&error))?;
    Ok(Tables::Read(Arc::new(Requirements::parse(&text).map_err(|error| refuse(&error))?)))
}

/// What stays the same for a run.
pub fn setting(
    installation: Installation,
    (regions, requirements): (Arc<Regions>, Tables),
    has_state: bool,
    absent: Absent,
    read_only: bool,
    scopes: Arc<Scopes>,
) -> Setting {
    let no_memory =
        (!has_state).then_some("without --state nothing is removed: there is no memory of what was needed before");
    let read_only = read_only.then_some("amlnet runs with --read-only");
    Setting { installation, regions, requirements, no_memory, absent, read_only, scopes }
}

/// The objects of some files (`-` is standard input). Any that cannot be read is an error: a person is waiting.
pub fn world_of_files(paths: &[PathBuf]) -> Result<World, AppError> {
    let mut files = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let text = std::io::read_to_string(std::io::stdin()).map_err(|error| error.to_string());
            files.push(folder::FileText { path: PathBuf::from("standard input"), text });
        } else {
            files.push(folder::read_file(path));
        }
    }
    complete(folder::assemble(&files, &World::default()))
}

/// A world in which every object could be read.
pub fn complete(world: World) -> Result<World, AppError> {
    if world.undecodable.is_empty() {
        return Ok(world);
    }
    let problems: Vec<String> = world.undecodable.iter().map(ToString::to_string).collect();
    Err(AppError(problems.join("\n")))
}

/// The sources of a feed, in order. `origin` is the file that holds the feed: paths are relative to it.
pub fn sources(
    intent: &FeedIntent,
    origin: &Path,
    ca_file: Option<&Path>,
    arm: &Arc<Arm>,
    cluster: Option<&ClusterStore>,
) -> Result<Vec<Box<dyn Source>>, AppError> {
    let variables = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let proxies: Vec<String> = variables.iter().filter_map(|name| std::env::var(name).ok()).collect();
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    for source in &intent.sources {
        let (start, mirror) = match source {
            SourceIntent::File { path } => {
                let folder = origin.parent().unwrap_or_else(|| Path::new("."));
                sources.push(Box::new(File(folder.join(path))));
                continue;
            }
            SourceIntent::ConfigMap { namespace, name, key } => {
                sources.push(match cluster {
                    Some(store) => Box::new(store.config_map(namespace.as_deref(), name, key)),
                    None => Box::new(OnlyInKubernetes),
                });
                continue;
            }
            SourceIntent::Discovery { subscription, location } => {
                let (arm, subscription, location) = (arm.clone(), subscription.clone(), location.clone());
                sources.push(Box::new(Discovery { arm, subscription, location }));
                continue;
            }
            SourceIntent::Page { url: None } => (Start::Page(page::page_url(intent.cloud)), false),
            SourceIntent::Page { url: Some(url) } => (Start::Page(url.clone()), true),
            SourceIntent::Url { url } => (Start::File(url.clone()), true),
        };
        let trust = |builder| cloud::trust(builder, ca_file).map_err(|error| error.to_string());
        let download = Download::new(intent.cloud, start, mirror, &proxies, trust).map_err(AppError)?;
        sources.push(Box::new(download));
    }
    Ok(sources)
}

/// Stands for a `configMap` source where there is no Kubernetes: the other sources of the feed still count.
struct OnlyInKubernetes;

#[async_trait::async_trait]
impl Source for OnlyInKubernetes {
    fn name(&self) -> &'static str {
        "configMap"
    }

    async fn fetch(&self, _: Option<&Validators>) -> Result<Fetched, SourceError> {
        let what = "a configMap source works only in Kubernetes; write file: {path: …}".to_owned();
        Err(SourceError::Unreachable { place: "configMap".to_owned(), what })
    }
}

/// Where the documents of a one-time command are kept.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    pub state: Option<&'a State>,
    /// Whether accepted documents and the statuses of feeds are written there; `plan` writes nothing.
    pub write: bool,
}

/// Asks every feed once, starting from what is kept. With `instead`, that file stands for every source (it must be of
/// the feed's cloud), and what is wrong with it is an error.
pub async fn poll_once(
    world: &World,
    kept: Kept<'_>,
    instead: Option<&Path>,
    ca_file: Option<&Path>,
    arm: &Arc<Arm>,
    regions: &Regions,
    now: Timestamp,
) -> Result<Documents, AppError> {
    cloud::install_tls_provider();
    let mut documents = Documents::default();
    // A file stands for the feeds of its own cloud; the others keep what they have.
    let cloud_of_file = match instead {
        Some(path) => Some(file::read(path).map_err(|error| AppError(format!("--tags {error}")))?.document.cloud),
        None => None,
    };
    for (name, held) in &world.feeds {
        let cloud = held.object.intent.cloud;
        let archive = kept.state.map(|state| state.archive(name));
        let archive = archive.as_ref().map(|archive| archive as &dyn Archive);
        let sources = match instead {
            Some(path) if cloud_of_file == Some(cloud) => vec![Box::new(File(path.to_owned())) as Box<dyn Source>],
            Some(_) => Vec::new(),
            None => sources(&held.object.intent, &held.origin, ca_file, arm, None)?,
        };
        let before = FeedState::restore(archive, cloud).await;
        let approvals = kept.state.map(|state| state.approvals().0).unwrap_or_default();
        let approved = approved_documents(&approvals, name, now);
        let judge = Judge { cloud, regions, now, approved: &approved };
        let after = before.poll(&sources, archive.filter(|_| kept.write), judge).await;
        let concerned = approvals.iter().filter(|approval| approval.subject == Subject::Feed(name.clone()));
        documents.words.extend(concerned.map(|approval| word_about_document(approval, &after, now)));
        let bad = after.report.lines.iter().find(|line| !line.result.is_good());
        if let (Some(path), Some(line)) = (instead, bad) {
            return Err(AppError(format!("--tags {}: {}", path.display(), line.message)));
        }
        said::polled(name, &Report::default(), &after);
        if let (Some(state), true) = (kept.state, kept.write) {
            let asked = Asked {
                generation: held.object.generation,
                reconcile_at: held.object.reconcile_at.clone(),
                invalid: held.broken.clone(),
            };
            let status = status::of(&after, &asked, state.feed_status(name).as_ref(), now);
            if let Err(error) = state.write_feed_status(name, &status) {
                // A full disk must not keep new addresses from the network.
                tracing::error!(feed = name, %error, "the status cannot be written");
            }
        }
        documents.no_removals.extend(after.no_removals.clone().map(|why| (name.clone(), why)));
        documents.by_feed.insert(name.clone(), in_force(&after));
    }
    Ok(documents)
}

/// The digests of documents that somebody has approved for a feed.
pub fn approved_documents(approvals: &[Approval], feed: &str, now: Timestamp) -> BTreeSet<String> {
    let of_feed =
        |approval: &&Approval| approval.subject == Subject::Feed(feed.to_owned()) && !approval.is_expired(now);
    approvals.iter().filter(of_feed).map(|approval| approval.hash.clone()).collect()
}

/// What became of the approval of a document.
pub fn word_about_document(approval: &Approval, feed: &FeedState, now: Timestamp) -> Word {
    let held = feed.report.held.as_ref().map(|held| held.digest.as_str());
    let current = feed.current.as_ref().map(|current| current.record.digest.as_str());
    approval::word_about_document(approval, current, held, now)
}

/// `--tags FILE` without memory: judged by itself, it stands for every feed.
pub fn document_of_file(path: &Path, cloud: Cloud, regions: &Regions) -> Result<Documents, AppError> {
    let document = file::read(path).map_err(|error| AppError(format!("--tags {error}")))?.document;
    accept::check(&document, cloud, regions)
        .map_err(|error| AppError(format!("--tags {}: {error}", path.display())))?;
    Ok(Documents { instead: Some(Arc::new(document)), ..Documents::default() })
}

/// The document of a feed, or why there is none.
pub fn in_force(state: &FeedState) -> Result<Arc<Document>, String> {
    match state.in_force() {
        Some(document) => Ok(document.clone()),
        None => Err(match state.report.lines.as_slice() {
            [] => "no source was asked yet".to_owned(),
            lines => {
                lines.iter().map(|line| format!("{}: {}", line.source, line.message)).collect::<Vec<_>>().join("; ")
            }
        }),
    }
}

/// Becomes true when the process is asked to stop (SIGTERM, or Ctrl-C).
pub fn stop_on_signal(switch: watch::Sender<bool>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop: no further step is started");
        switch.send_replace(false);
        // A second signal is for those who cannot wait.
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::warn!("asked to stop again: leaving at once; the next run finishes what is left");
        std::process::exit(1);
    });
    Ok(())
}
