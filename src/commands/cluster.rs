//! `amlnet run` in Kubernetes: every replica watches and serves; the one with the lease works.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::{Common, Exit, block_on};
use crate::app::feeds::{Feeds, Shelf};
use crate::app::{self, AppError};
use crate::azure::arm::Arm;
use crate::azure::fence::Fence;
use crate::domain::region::Regions;
use crate::domain::scope::Scopes;
use crate::http::{self, Contents, Patience, Readiness};
use crate::reconcile::controller::Controller;
use crate::reconcile::index::{Absent, Documents, Setting};
use crate::store::Store as _;
use crate::store::kubernetes::ClusterStore;
use crate::store::kubernetes::connect::{Connection, connect};
use crate::store::kubernetes::lease::{Candidate, Times};
use crate::store::kubernetes::schema::{self, SchemaError};
use crate::store::kubernetes::watch::{Namespaces, Progress};
use crate::telemetry;

/// What could not be done yet is tried again after this.
const AGAIN: Duration = Duration::from_secs(2);

/// Stored documents are waited for so long before targets are looked at.
const DOCUMENTS_WITHIN: Duration = Duration::from_secs(5);

/// What only the Kubernetes mode needs.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// The controller's own; that of the service account or the kubeconfig where nothing is said.
    pub namespace: Option<String>,
    /// Further namespaces whose Networks count; `*` is all of them.
    pub watch_namespaces: BTreeSet<String>,
    pub lease_name: Option<String>,
    pub times: Times,
    /// This replica's name among the others.
    pub identity: Option<String>,
    pub http: http::Options,
    pub resync: Duration,
}

impl ClusterOptions {
    fn namespaces(&self, own: &str) -> Namespaces {
        if self.watch_namespaces.contains("*") {
            return Namespaces::All;
        }
        let mut names = self.watch_namespaces.clone();
        names.insert(own.to_owned());
        Namespaces::These(names)
    }
}

pub fn run(common: &Common, options: &ClusterOptions) -> Result<Exit, AppError> {
    block_on(replica(common, options))
}

async fn replica(common: &Common, options: &ClusterOptions) -> Result<Exit, AppError> {
    crate::azure::cloud::install_tls_provider();
    let times = options.times.check().map_err(AppError)?;
    let metrics = common.metrics("kubernetes");
    let connection = connect(None, times, &metrics).await.map_err(AppError::new)?;
    let namespace = options.namespace.clone().unwrap_or_else(|| connection.namespace.clone());
    let identity = options.identity.clone().unwrap_or_else(unique_name);
    let namespaces = options.namespaces(&namespace);
    let regions = app::regions(common.regions.as_deref())?;
    let requirements = app::requirements(common.requirements.as_deref())?;
    let scopes = common.scopes.read()?;
    let watches_others = namespaces != Namespaces::These(BTreeSet::from([namespace.clone()]));
    if watches_others && scopes.is_any() && !common.scopes.allow_any_scope {
        return Err(AppError(
            "whoever may create an AmlNetwork in the namespaces that are watched directs this controller's Azure \
             identity: say with --scopes FILE what each may name, or accept it with --allow-any-scope"
                .to_owned(),
        ));
    }
    let arm = Arc::new(app::arm(&common.azure, &metrics)?);
    let (switch, fence) = Fence::new();
    app::stop_on_signal(switch).map_err(AppError::new)?;
    tracing::info!(
        installation = %common.installation, namespace, namespaces = ?namespaces, identity,
        version = env!("CARGO_PKG_VERSION"), "amlnet starts"
    );
    let server = app::lists::bind(&options.http).await?;
    let (readiness, ready) = watch::channel(Readiness::Err("starting".to_owned()));
    let store = ClusterStore::new(&connection.client, &namespace, namespaces, &common.installation, &identity);
    let store = Arc::new(store.told(metrics.clone()));
    let name = options.lease_name.clone().unwrap_or_else(|| format!("amlnet-{}", common.installation));
    let candidate = Candidate { client: connection.leasing.clone(), namespace, name, identity, times };
    let watching = { (store.clone(), connection.watching.clone()) };
    let mut watching = tokio::spawn(async move { watching.0.watch(watching.1).await });
    let shelf = app::lists::Shelf::new(store.published_lists(), store.world(), {
        let progress = store.progress();
        move || *progress.borrow() == Progress::Complete
    });
    let contents = Contents { readiness: ready, lists: Arc::new(shelf), figures: Arc::new(metrics) };
    let mut serving = tokio::spawn(server.serve(contents, Patience::DEFAULT));
    let setting = app::setting(
        common.installation.clone(),
        (regions.clone(), requirements),
        true,
        Absent::Retained,
        common.read_only,
        scopes.clone(),
    );
    let (scopes_sender, scopes) = watch::channel(scopes);
    let mut looking = tokio::spawn(app::scopes::watch(common.scopes.file.clone(), scopes_sender));
    let leader = Leader {
        store,
        connection,
        arm,
        regions,
        setting,
        scopes,
        common: common.clone(),
        resync: options.resync,
        is_leading: AtomicBool::new(false),
    };
    let work = async {
        leader.wait_for_objects(&readiness).await;
        // The lease is asked for by whoever could do the work.
        tokio::select! {
            ended = candidate.lead(leader.lead(&candidate, fence.clone())) => ended,
            never = leader.stay_ready(&candidate, &readiness) => match never {},
        }
    };
    let stopped = async {
        fence.fallen().await;
        if leader.is_leading.load(Ordering::SeqCst) {
            // The leader ends by itself.
            std::future::pending::<()>().await;
        }
    };
    let ended = tokio::select! {
        ended = work => ended,
        () = stopped => Some(Ok(())),
        ended = &mut watching => Some(Err(AppError(format!("the cluster is no longer watched: {ended:?}")))),
        ended = &mut looking => Some(Err(AppError(format!("the scopes are no longer watched: {ended:?}")))),
        ended = &mut serving => Some(Err(AppError(format!("/healthz and the lists are no longer served: {ended:?}")))),
    };
    let led = leader.is_leading.load(Ordering::SeqCst);
    let Some(result) = ended else {
        tracing::warn!(reason = "LeaseLost", "leads no more");
        // It is not there to be given up, and the API server may be out of reach.
        return Err(AppError("the lease is lost, and another replica may lead; this one starts anew".to_owned()));
    };
    candidate.release().await;
    if led {
        tracing::info!(reason = "Stopped", "leads no more");
    }
    tracing::info!("stopped");
    result.map(|()| Exit::Done)
}

/// What the one with the lease works with.
struct Leader {
    store: Arc<ClusterStore>,
    connection: Connection,
    arm: Arc<Arm>,
    regions: Arc<Regions>,
    setting: Setting,
    scopes: watch::Receiver<Arc<Scopes>>,
    common: Common,
    resync: Duration,
    is_leading: AtomicBool,
}

impl Leader {
    /// Returns when the CRDs are there and everything was listed. Says what it waits for.
    async fn wait_for_objects(&self, readiness: &watch::Sender<Readiness>) {
        let mut said = None;
        let mut say = |why: String| {
            if said.as_ref() != Some(&why) {
                tracing::error!(why, "not ready");
            }
            let _ = readiness.send_replace(Err(why.clone()));
            said = Some(why);
        };
        while let Err(error) = schema::check(&self.connection.client).await {
            if let SchemaError::Unknown(_) = error
                && *self.store.progress().borrow() == Progress::Complete
            {
                tracing::warn!(%error, "what could be listed is used");
                break;
            }
            say(error.to_string());
            tokio::time::sleep(AGAIN).await;
        }
        let mut progress = self.store.progress();
        loop {
            let failed = match &*progress.borrow_and_update() {
                Progress::Complete => break,
                Progress::Listing(open) => {
                    open.iter().find_map(|(what, why)| Some(format!("{what}: {}", why.as_ref()?)))
                }
            };
            match failed {
                Some(failed) => say(failed),
                None => drop(readiness.send_replace(Err("the objects are being listed".to_owned()))),
            }
            if progress.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whoever could never lead is not ready, and says what it lacks. An API server that is gone for a while is no such
    /// reason.
    async fn stay_ready(&self, candidate: &Candidate, readiness: &watch::Sender<Readiness>) -> Infallible {
        loop {
            let new = candidate.obstacle().await.map_or(Ok(()), Err);
            let wait = if new.is_ok() { candidate.times.lease } else { AGAIN };
            let old = readiness.send_replace(new.clone());
            match new {
                Ok(()) if old.is_err() => tracing::info!("ready"),
                Err(why) if old.as_ref() != Err(&why) => tracing::error!(why, "not ready"),
                _ => {}
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Whether it was looked what is stored for each feed.
    fn knows_all(&self, documents: &Documents) -> bool {
        self.store.world().borrow().feeds.keys().all(|feed| documents.by_feed.contains_key(feed))
    }

    /// Works until the fence falls. Whoever drops it stops everything that it does.
    async fn lead(&self, candidate: &Candidate, fence: Fence) -> Result<(), AppError> {
        let fence = app::cluster::guarded(candidate, &self.store, fence);
        self.is_leading.store(true, Ordering::SeqCst);
        let _leading = self.arm.metrics().lead();
        tracing::info!(identity = candidate.identity, "leads");
        while let Err(error) = self.store.take_over(Timestamp::now()).await {
            if telemetry::is_news("take-over", &"", &error) {
                tracing::error!(%error, "what is remembered cannot be read; nothing is done before it can");
            }
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                () = fence.fallen() => return Ok(()),
            }
        }
        let documents_sender = watch::Sender::new(Arc::new(Documents::default()));
        let documents = documents_sender.subscribe();
        let mut known = documents_sender.subscribe();
        let feeds = Feeds {
            shelf: Shelf::Cluster(self.store.clone()),
            regions: self.regions.clone(),
            ca_file: self.common.azure.ca_file.clone(),
            arm: self.arm.clone(),
            documents: documents_sender,
        };
        let (store, arm, setting) = (self.store.clone(), self.arm.clone(), self.setting.clone());
        let mut scopes = self.scopes.clone();
        scopes.mark_changed();
        let controller = Controller { store, documents, scopes, arm, setting, resync: self.resync };
        let work = async {
            // A target that is looked at before its document was read would seem to be without one.
            let _ = tokio::time::timeout(DOCUMENTS_WITHIN, known.wait_for(|documents| self.knows_all(documents))).await;
            controller.run(fence).await;
        };
        tokio::select! {
            () = work => {}
            () = feeds.run(self.store.world()) => {}
            () = self.store.lead() => {}
        }
        self.store.flush().await;
        Ok(())
    }
}

/// A name that no other replica has.
fn unique_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}-{}", host.trim(), uuid::Uuid::new_v4())
}
