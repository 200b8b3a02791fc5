//! A cluster as one-time commands see it: everything listed once, what is remembered and the stored documents read.
//!
//! Must not write anything before `begin`, which makes Networks this installation's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use super::{AppError, document_of_file, in_force};
use crate::azure::fence::{Fence, Word};
use crate::domain::intent::{Installation, ObjectKey};
use crate::domain::plan::TargetInput;
use crate::domain::region::Regions;
use crate::domain::resource_id::ResourceId;
use crate::domain::service_tags::Cloud;
use crate::feed::poll::State as FeedState;
use crate::metrics::Metrics;
use crate::reconcile::index::{Absent, Documents, Memories};
use crate::store::kubernetes::ClusterStore;
use crate::store::kubernetes::connect::connect;
use crate::store::kubernetes::lease::{Candidate, Times};
use crate::store::kubernetes::watch::Namespaces;
use crate::store::{Store as _, World};

/// A lease that its holder left without a word is free after 15 seconds.
const PATIENCE: Duration = Duration::from_secs(40);

/// Which Networks of a cluster are meant.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Theirs; the kubeconfig's where nothing is said.
    pub namespace: Option<String>,
    /// The controller's, with its feeds and what it remembers; theirs where nothing is said.
    pub controller_namespace: Option<String>,
    /// The controller's, where it is not the one that follows from the installation.
    pub lease_name: Option<String>,
    /// All of the namespace where none is named.
    pub names: Vec<String>,
}

/// What was found in a cluster.
#[derive(Debug)]
pub struct Opened {
    pub store: Arc<ClusterStore>,
    pub world: World,
    /// What it means that a Network which is remembered was not listed.
    pub absent: Absent,
    /// The Networks that are meant.
    pub chosen: BTreeSet<ObjectKey>,
    /// Networks that no installation handles yet.
    pub unclaimed: BTreeSet<ObjectKey>,
    pub candidate: Candidate,
}

/// Lists and reads everything.
pub async fn open(selection: &Selection, installation: &Installation, now: Timestamp) -> Result<Opened, AppError> {
    let connection = connect(None, Times::DEFAULT, &Metrics::default()).await.map_err(AppError::new)?;
    let namespace = selection.namespace.clone().unwrap_or_else(|| connection.namespace.clone());
    let own = selection.controller_namespace.clone().unwrap_or_else(|| namespace.clone());
    let identity = format!("amlnet-apply-{}", uuid::Uuid::new_v4());
    let namespaces = Namespaces::These(BTreeSet::from([namespace.clone(), own.clone()]));
    let store = ClusterStore::new(&connection.client, &own, namespaces, installation, &identity);
    let store = Arc::new(store.of_command());
    let listed = store.list().await.map_err(AppError::new)?;
    store.take_over(now).await.map_err(AppError::new)?;
    let world = World::clone(&store.world().borrow());
    for (key, other) in world.foreign.iter().filter(|(key, _)| key.namespace == namespace) {
        tracing::warn!(network = %key, reason = "OtherInstallation", other, "left alone: another installation handles it");
    }
    let chosen = chosen(&world, &namespace, &selection.names)?;
    let name = selection.lease_name.clone().unwrap_or_else(|| format!("amlnet-{installation}"));
    let candidate = Candidate { client: connection.leasing, namespace: own, name, identity, times: Times::DEFAULT };
    let absent = if listed.is_whole { Absent::Retained } else { Absent::NotGiven };
    Ok(Opened { store, world, absent, chosen, unclaimed: listed.unclaimed, candidate })
}

fn chosen(world: &World, namespace: &str, names: &[String]) -> Result<BTreeSet<ObjectKey>, AppError> {
    let of_namespace = world.networks.keys().filter(|key| key.namespace == namespace);
    let present: BTreeSet<ObjectKey> = of_namespace.cloned().collect();
    if names.is_empty() {
        if present.is_empty() {
            let what =
                format!("there is no AmlNetwork of this installation in namespace {namespace}; -n names another");
            return Err(AppError(what));
        }
        return Ok(present);
    }
    let key = |name: &String| ObjectKey { namespace: namespace.to_owned(), name: name.clone() };
    let chosen: BTreeSet<ObjectKey> = names.iter().map(key).collect();
    match chosen.iter().find(|key| !present.contains(*key)) {
        Some(missing) => {
            let unreadable = world.undecodable.iter().find(|object| object.network.as_ref() == Some(missing));
            let why = unreadable.map_or_else(|| "there is no such AmlNetwork".to_owned(), ToString::to_string);
            Err(AppError(format!("{missing}: {why}")))
        }
        None => Ok(chosen),
    }
}

impl Opened {
    /// The documents that the controller follows, or a file that stands for all of them.
    pub async fn documents(
        &self,
        instead: Option<&Path>,
        cloud: Cloud,
        regions: &Regions,
    ) -> Result<Documents, AppError> {
        if let Some(path) = instead {
            return document_of_file(path, cloud, regions);
        }
        let mut documents = Documents::default();
        for (name, held) in &self.world.feeds {
            let archive = self.store.archive(name);
            let state = FeedState::restore(Some(&archive), held.object.intent.cloud).await;
            let found = in_force(&state).map_err(|_| {
                format!(
                    "the controller has not stored a document of the feed {name} yet; plan takes one with --tags FILE"
                )
            });
            documents.by_feed.insert(name.clone(), found);
            documents.no_removals.extend(state.no_removals.clone().map(|why| (name.clone(), why)));
        }
        Ok(documents)
    }

    /// Makes the Networks of these targets this installation's, before anything is done for them.
    pub async fn begin(&self, targets: &BTreeMap<ResourceId, TargetInput>) -> Result<(), AppError> {
        let contributions = targets.values().flat_map(|input| &input.contributions);
        let networks: BTreeSet<&ObjectKey> = contributions.map(|contribution| &contribution.network).collect();
        for network in networks {
            self.store.begin(network, self.unclaimed.contains(network)).await.map_err(AppError::new)?;
        }
        Ok(())
    }

    /// Works as the leader. An error where somebody else holds the lease, or it was lost.
    pub async fn lead<T>(&self, work: impl Future<Output = Result<T, AppError>>) -> Result<T, AppError> {
        // One writer: the lease is the controller's as long as it runs.
        if let Some(holder) = self.candidate.holder().await.map_err(AppError::new)? {
            return Err(leads(&holder));
        }
        let memories = self.store.memories();
        if !memories.is_empty() && memories.values().all(|memory| memory.lost_at == Some(Timestamp::MAX)) {
            return Err(AppError(format!(
                "nothing is remembered in namespace {} of tables that were looked at: name the controller's with \
                 --controller-namespace. If what it remembered was deleted, let the controller look at them first",
                self.candidate.namespace
            )));
        }
        let begun = Notify::new();
        let work = async {
            begun.notify_one();
            work.await
        };
        // The clock of this machine may call a lease over that is renewed all the same.
        let patience = async {
            if tokio::time::timeout(PATIENCE, begun.notified()).await.is_ok() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            done = self.candidate.lead(work) => done.unwrap_or_else(|| {
                Err(AppError("the lease was lost; look at what is left with `amlnet plan`".to_owned()))
            }),
            () = patience => Err(leads("somebody else")),
        }
    }

    /// Whether what was read is still what stands there: a person may have thought for an hour.
    pub async fn is_unchanged(&self) -> Result<(), AppError> {
        let before = self.store.approvals().0;
        self.store.list().await.map_err(AppError::new)?;
        if *self.store.world().borrow().as_ref() != self.world || self.store.approvals().0 != before {
            return Err(AppError(
                "objects or approvals changed since they were read; look at the plan again".to_owned(),
            ));
        }
        Ok(())
    }

    /// Whether a target concerns one of the Networks that are meant.
    pub fn concerns(&self, id: &ResourceId, input: &TargetInput, memories: &Memories) -> bool {
        let is_left_by = memories.get(id).is_some_and(|memory| {
            memory.owners().into_iter().chain(memory.contributors.keys()).any(|key| self.chosen.contains(key))
        });
        is_left_by || input.contributions.iter().any(|contribution| self.chosen.contains(&contribution.network))
    }
}

fn leads(holder: &str) -> AppError {
    AppError(format!(
        "{holder} leads and applies by itself; what waits for a person needs `amlnet approve`. To apply by hand, stop \
         the controller first"
    ))
}

/// A fence that also asks whether the lease is still held, as the store does from now on. To be made as the first thing
/// that a leader does.
pub fn guarded(candidate: &Candidate, store: &ClusterStore, fence: Fence) -> Fence {
    let word = Arc::new(candidate.word());
    let word: Word = Arc::new(move || {
        let word = word.clone();
        Box::pin(async move { word.is_leader().await })
    });
    store.guard(word.clone());
    fence.with_word(word)
}
