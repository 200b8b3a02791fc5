//! `amlnet plan`: what would change, like a diff. Writes nothing anywhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::output::PlanOutput;
use super::{Common, Exit, Format, block_on, colour, print, print_json};
use crate::app::cluster::{self, Opened, Selection};
use crate::app::{self, AppError, Kept};
use crate::azure::arm::Arm;
use crate::azure::fence::Fence;
use crate::domain::approval::{self, Subject, Word};
use crate::domain::intent::ObjectKey;
use crate::domain::outcome::{self, End, Outcome};
use crate::domain::plan::TargetInput;
use crate::domain::render::{Printed, total};
use crate::domain::resource_id::ResourceId;
use crate::domain::scope::OutOfScope;
use crate::metrics::Metrics;
use crate::reconcile::index::{self, Absent, Documents, Setting};
use crate::reconcile::once;
use crate::reconcile::target::{Bench, Halt};
use crate::store::files::folder;
use crate::store::files::state::{FileStore, State};
use crate::store::{Store, StoreError, World};

/// Where `plan` and `apply` take their objects and their document from.
#[derive(Debug, Clone)]
pub struct Inputs {
    pub files: Vec<PathBuf>,
    pub tags: Option<PathBuf>,
    pub state: Option<PathBuf>,
    /// Instead of files and state: a cluster.
    pub cluster: Option<Selection>,
}

/// Where objects and what is remembered are.
pub(super) enum Place {
    Files(FileStore),
    Cluster(Box<Opened>),
}

impl Place {
    pub(super) fn store(&self) -> &dyn Store {
        match self {
            Self::Files(store) => store,
            Self::Cluster(opened) => &*opened.store,
        }
    }

    /// For `apply` a state folder is locked; a cluster has its lease.
    pub(super) async fn open(common: &Common, inputs: &Inputs, write: bool) -> Result<Self, AppError> {
        if let Some(selection) = &inputs.cluster {
            let opened = cluster::open(selection, &common.installation, common.now()).await?;
            return Ok(Self::Cluster(Box::new(opened)));
        }
        let open = |folder: &PathBuf| {
            if write {
                return State::open(folder, &common.installation, common.now()).map(Arc::new);
            }
            Ok(Arc::new(State::read_only(folder, &common.installation, common.now())))
        };
        let state = inputs.state.as_ref().map(open).transpose().map_err(AppError::new)?;
        Ok(Self::Files(FileStore { world: watch::channel(Arc::default()).1, state }))
    }
}

pub fn plan(common: &Common, inputs: &Inputs) -> Result<Exit, AppError> {
    block_on(async {
        let place = Place::open(common, inputs, false).await?;
        let Prepared { arm, targets, world, documents, refused, .. } = prepare(common, inputs, &place, false).await?;
        let (_switch, fence) = Fence::new();
        let store = place.store();
        let halt = Halt::default();
        let bench = Bench { arm: &arm, store, fence: &fence, halt: &halt, place: None, clock: common.clock() };
        let outcomes = once::plan(&targets, bench).await;
        let approvals = Approvals::new(store, &world, &documents, &outcomes, common.now());
        report(&outcomes, &approvals, &refused, common.format, false)?;
        Ok(Exit::of(outcomes.values()).or_needs_person(!refused.is_empty()))
    })
}

/// What there is to work on.
pub(super) struct Prepared {
    pub(super) arm: Arc<Arm>,
    pub(super) world: World,
    pub(super) documents: Documents,
    pub(super) setting: Setting,
    pub(super) targets: BTreeMap<ResourceId, TargetInput>,
    pub(super) refused: Refused,
}

/// Networks that are left alone because of what they name.
pub(super) type Refused = BTreeMap<ObjectKey, OutOfScope>;

/// The targets of the files, or of a cluster, with the documents in force.
pub(super) async fn prepare(
    common: &Common,
    inputs: &Inputs,
    place: &Place,
    write: bool,
) -> Result<Prepared, AppError> {
    match place {
        Place::Files(store) => prepare_files(common, inputs, store.state.as_deref(), write).await,
        Place::Cluster(opened) => prepare_cluster(common, inputs, opened).await,
    }
}

async fn prepare_cluster(common: &Common, inputs: &Inputs, opened: &Opened) -> Result<Prepared, AppError> {
    let regions = app::regions(common.regions.as_deref())?;
    let requirements = app::requirements(common.requirements.as_deref())?;
    let scopes = common.scopes.read()?;
    let arm = Arc::new(app::arm(&common.azure, &Metrics::default())?);
    let documents = opened.documents(inputs.tags.as_deref(), common.azure.cloud, &regions).await?;
    let memories = opened.store.memories();
    let setting = app::setting(
        common.installation.clone(),
        (regions, requirements),
        true,
        opened.absent,
        common.read_only,
        scopes,
    );
    let mut targets = index::index(&opened.world, &documents, &memories, &setting);
    targets.retain(|id, input| opened.concerns(id, input, &memories));
    let mut refused = index::out_of_scope(&opened.world, &setting);
    refused.retain(|key, _| opened.chosen.contains(key));
    for problem in &opened.world.undecodable {
        tracing::error!(%problem, "an object cannot be read; nothing is removed until it can");
    }
    Ok(Prepared { arm, world: opened.world.clone(), documents, setting, targets, refused })
}

async fn prepare_files(
    common: &Common,
    inputs: &Inputs,
    state: Option<&State>,
    store: bool,
) -> Result<Prepared, AppError> {
    let regions = app::regions(common.regions.as_deref())?;
    let requirements = app::requirements(common.requirements.as_deref())?;
    let scopes = common.scopes.read()?;
    let mut world = app::world_of_files(&inputs.files)?;
    folder::keep_editions(&mut world, |network| state?.edition(network));
    if world.networks.is_empty() {
        return Err(AppError("the files hold no AmlNetwork; see config/samples for one".to_owned()));
    }
    let arm = Arc::new(app::arm(&common.azure, &Metrics::default())?);
    let ca_file = common.azure.ca_file.as_deref();
    let kept = Kept { state, write: store };
    let documents = match &inputs.tags {
        Some(path) if state.is_none() || world.feeds.is_empty() => {
            app::document_of_file(path, common.azure.cloud, &regions)?
        }
        instead => app::poll_once(&world, kept, instead.as_deref(), ca_file, &arm, &regions, common.now()).await?,
    };
    let memories = state.map(State::memories).unwrap_or_default();
    let (installation, has_state) = (common.installation.clone(), state.is_some());
    let setting =
        app::setting(installation, (regions, requirements), has_state, Absent::NotGiven, common.read_only, scopes);
    let targets = index::index(&world, &documents, &memories, &setting);
    let refused = index::out_of_scope(&world, &setting);
    Ok(Prepared { arm, world, documents, setting, targets, refused })
}

/// Prints what was planned, or what came of it.
pub(super) fn report(
    outcomes: &BTreeMap<ResourceId, Outcome>,
    approvals: &Approvals,
    refused: &Refused,
    format: Format,
    applied: bool,
) -> Result<(), AppError> {
    match format {
        Format::Json => print_json(&PlanOutput::new(outcomes.values(), approvals, refused, applied)),
        Format::Text => print(&(text(outcomes, applied) + &left_alone(refused) + &approvals.text())),
    }
}

fn left_alone(refused: &Refused) -> String {
    let mut text = String::new();
    for (network, why) in refused {
        let _ = writeln!(text, "AmlNetwork {network} is left alone, OutOfScope: {why}");
    }
    text
}

/// What is to be said about approvals.
#[derive(Debug, Default)]
pub struct Approvals {
    pub words: Vec<Word>,
    pub unreadable: Vec<StoreError>,
}

impl Approvals {
    pub(super) fn new(
        store: &dyn Store,
        world: &World,
        documents: &Documents,
        outcomes: &BTreeMap<ResourceId, Outcome>,
        now: Timestamp,
    ) -> Self {
        let (approvals, unreadable) = store.approvals();
        let networks = world.networks.keys().cloned().collect();
        let mut words = outcome::words(&approvals, &networks, outcomes.values(), now);
        words.extend(documents.words.iter().cloned());
        let feeds = approvals.iter().filter_map(|approval| match &approval.subject {
            Subject::Feed(name) if !world.feeds.contains_key(name) => Some((approval, name)),
            Subject::Feed(_) | Subject::Network(_) => None,
        });
        words.extend(feeds.map(|(approval, name)| Word {
            approval: approval.clone(),
            state: approval::State::NoSuchSubject,
            message: format!("there is no ServiceTagFeed {name}"),
        }));
        Self { words, unreadable }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for word in &self.words {
            let Word { approval, state, message } = word;
            let _ = writeln!(text, "approval for {}: {}: {message}", approval.subject, state.name());
        }
        for problem in &self.unreadable {
            let _ = writeln!(text, "approval that cannot be read: {problem}");
        }
        text
    }
}

pub(super) fn text(outcomes: &BTreeMap<ResourceId, Outcome>, applied: bool) -> String {
    let mut text = String::new();
    for outcome in outcomes.values() {
        let failed = !matches!(outcome.end, End::Planned | End::Applied);
        if failed && !applied {
            // There is no plan to show where the target could not be read.
            let _ = writeln!(text, "{} {}", outcome.plan.id.kind, outcome.plan.id);
        } else {
            let _ = write!(text, "{}", Printed { plan: &outcome.plan, colour: colour() });
        }
        if applied && !outcome.applied.is_empty() {
            let _ = writeln!(text, "  {} writes done", outcome.writes());
        }
        match &outcome.end {
            End::Planned | End::Applied => {}
            // Said above, where it is the whole plan.
            End::Blocked { .. } if applied && outcome.plan.blocked.is_some() => {}
            End::Waiting { why, .. } => {
                let _ = writeln!(text, "  waits: {why}");
            }
            End::Blocked { reason, failure } => {
                let _ = writeln!(text, "  blocked, {}: {failure}", reason.name());
            }
            End::Failed(failure) => {
                let _ = writeln!(text, "  failed: {failure}");
            }
        }
        text.push('\n');
    }
    let targets = if outcomes.len() == 1 { "1 target".to_owned() } else { format!("{} targets", outcomes.len()) };
    let left = if applied { ", left to do" } else { "" };
    let person = if Exit::of(outcomes.values()) == Exit::NeedsPerson { "; a person is needed" } else { "" };
    let counts = total(outcomes.values().map(Outcome::counts));
    let _ = writeln!(text, "{targets}{left}: {counts}{person}");
    text
}
