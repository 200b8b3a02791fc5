//! `amlnet run --dir DIR --state DIR [--once]`: the controller on a folder of YAML files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::plan::{Approvals, report};
use super::{Common, Exit, block_on};
use crate::app::feeds::{Feeds, Shelf};
use crate::app::{self, AppError, Kept};
use crate::azure::fence::Fence;
use crate::domain::intent::ObjectKey;
use crate::domain::plan::Step;
use crate::domain::resource_id::ResourceId;
use crate::http::{self, Contents, Patience, Readiness};
use crate::metrics::Metrics;
use crate::reconcile::controller::Controller;
use crate::reconcile::index::{self, Absent, Documents};
use crate::reconcile::lists::Lists;
use crate::reconcile::target::{Bench, Halt, Progress};
use crate::reconcile::{once, status};
use crate::store::files::folder;
use crate::store::files::state::{FileStore, State};
use crate::store::{Store as _, World};

/// The folders of the file mode.
#[derive(Debug, Clone)]
pub struct Folders {
    pub dir: PathBuf,
    pub state: PathBuf,
}

pub fn run(
    common: &Common,
    folders: &Folders,
    http: Option<&http::Options>,
    resync: Duration,
) -> Result<Exit, AppError> {
    block_on(async {
        let state = Arc::new(State::open(&folders.state, &common.installation, common.now()).map_err(AppError::new)?);
        let regions = app::regions(common.regions.as_deref())?;
        let requirements = app::requirements(common.requirements.as_deref())?;
        let scopes = common.scopes.read()?;
        let metrics = common.metrics("files");
        let _leading = metrics.lead();
        let arm = Arc::new(app::arm(&common.azure, &metrics)?);
        let installation = common.installation.clone();
        let setting = app::setting(
            installation,
            (regions.clone(), requirements),
            true,
            Absent::Deleted,
            common.read_only,
            scopes.clone(),
        );
        let (scopes_sender, scopes) = watch::channel(scopes);
        let (switch, fence) = Fence::new();
        app::stop_on_signal(switch).map_err(AppError::new)?;
        let (world_sender, world) = watch::channel(Arc::new(read_folder(&folders.dir, &state)?));
        let (documents_sender, documents) = watch::channel(Arc::new(Documents::default()));
        tracing::info!(installation = %setting.installation, version = env!("CARGO_PKG_VERSION"), "amlnet starts");
        let known = state.clone();
        let edition = move |network: &ObjectKey| known.edition(network);
        let folder = tokio::spawn(folder::watch(folders.dir.clone(), world_sender, edition));
        let feeds = Feeds {
            shelf: Shelf::Files(state.clone()),
            regions,
            ca_file: common.azure.ca_file.clone(),
            arm: arm.clone(),
            documents: documents_sender,
        };
        let feeds = tokio::spawn(feeds.run(world.clone()));
        let watched = tokio::spawn(app::scopes::watch(common.scopes.file.clone(), scopes_sender));
        let serving = serve(http, &state, &world, metrics).await?;
        let store = Arc::new(FileStore { world, state: Some(state) });
        let controller = Controller { store, documents, scopes, arm, setting, resync };
        tokio::select! {
            () = controller.run(fence) => {}
            ended = folder => return Err(AppError(format!("the folder is no longer watched: {ended:?}"))),
            ended = feeds => return Err(AppError(format!("the feeds are no longer polled: {ended:?}"))),
            () = serving => return Err(AppError("the lists are no longer served".to_owned())),
            ended = watched => return Err(AppError(format!("the scopes are no longer watched: {ended:?}"))),
        }
        tracing::info!("stopped");
        Ok(Exit::Done)
    })
}

/// Serves lists and metrics, where it is said at which address.
async fn serve(
    http: Option<&http::Options>,
    state: &State,
    world: &watch::Receiver<Arc<World>>,
    metrics: Metrics,
) -> Result<impl Future<Output = ()> + use<>, AppError> {
    let server = match http {
        Some(options) => Some(app::lists::bind(options).await?),
        None => None,
    };
    let shelf = Arc::new(app::lists::Shelf::new(state.published_lists(), world.clone(), || true));
    // Its folder was read, which is all that it would wait for.
    let (readiness, ready) = watch::channel(Readiness::Ok(()));
    let contents = Contents { readiness: ready, lists: shelf, figures: Arc::new(metrics) };
    let serving = server.map(|server| tokio::spawn(server.serve(contents, Patience::DEFAULT)));
    Ok(async move {
        let _kept = readiness;
        match serving {
            Some(serving) => drop(serving.await),
            None => std::future::pending().await,
        }
    })
}

/// Everything once, for a scheduler.
pub fn run_once(common: &Common, folders: &Folders) -> Result<Exit, AppError> {
    block_on(async {
        let state = Arc::new(State::open(&folders.state, &common.installation, common.now()).map_err(AppError::new)?);
        let regions = app::regions(common.regions.as_deref())?;
        let requirements = app::requirements(common.requirements.as_deref())?;
        let scopes = common.scopes.read()?;
        let world = read_folder(&folders.dir, &state)?;
        for problem in &world.undecodable {
            tracing::error!(%problem, "an object cannot be read; nothing is removed until it can");
        }
        let arm = Arc::new(app::arm(&common.azure, &Metrics::default())?);
        let (switch, fence) = Fence::new();
        app::stop_on_signal(switch).map_err(AppError::new)?;
        let ca_file = common.azure.ca_file.as_deref();
        let kept = Kept { state: Some(&state), write: true };
        let poll = app::poll_once(&world, kept, None, ca_file, &arm, &regions, common.now());
        let documents = tokio::select! {
            documents = poll => documents?,
            () = fence.fallen() => return Err(AppError("stopped before anything was done".to_owned())),
        };
        let installation = common.installation.clone();
        let setting =
            app::setting(installation, (regions, requirements), true, Absent::Deleted, common.read_only, scopes);
        let inputs = index::index(&world, &documents, &state.memories(), &setting);
        let store = FileStore { world: watch::channel(Arc::new(World::default())).1, state: Some(state) };
        let mut lists = Lists::default();
        lists.look(&store, &world, &documents, &setting, common.now());
        let halt = Halt::default();
        let bench = Bench { arm: &arm, store: &store, fence: &fence, halt: &halt, place: None, clock: common.clock() };
        let outcomes = once::apply(&inputs, bench, &Silent, None).await;
        let undecodable = !world.undecodable.is_empty();
        let now = common.now();
        let approvals = Approvals::new(&store, &world, &documents, &outcomes, now);
        let seen = status::Seen {
            world: &world,
            documents: &documents,
            outcomes: &outcomes,
            words: &approvals.words,
            lists: Some(lists.standings()),
        };
        let written = status::write_all(&store, seen, &setting, now);
        store.forget_statuses(&world);
        let refused = index::out_of_scope(&world, &setting);
        report(&outcomes, &approvals, &refused, common.format, true)?;
        written.map_err(AppError::new)?;
        Ok(Exit::of(outcomes.values()).or_needs_person(undecodable || !refused.is_empty()))
    })
}

fn read_folder(dir: &Path, state: &State) -> Result<World, AppError> {
    let files = folder::scan(dir).map_err(|error| AppError(format!("--dir {}: {error}", dir.display())))?;
    let mut world = folder::assemble(&files, &World::default());
    folder::keep_editions(&mut world, |network| state.edition(network));
    Ok(world)
}

#[derive(Debug)]
struct Silent;

impl Progress for Silent {
    fn started(&self, _: &ResourceId, _: usize) {}
    fn taken(&self, _: &ResourceId, _: &Step) {}
}
