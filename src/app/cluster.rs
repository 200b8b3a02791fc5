//! A cluster as one-time commands see it: everything listed once, what is remembered and the stored documents read.
//!
//! Must not write anything by itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::{AppError, document_of_file, in_force};
use crate::azure::fence::{Fence, Word};
use crate::domain::intent::{Installation, ObjectKey};
use crate::domain::plan::TargetInput;
use crate::domain::region::Regions;
use crate::domain::resource_id::ResourceId;
use crate::domain::service_tags::Cloud;
use crate::feed::poll::State as FeedState;
use crate::reconcile::index::{Absent, Documents, Memories};
use crate::store::kubernetes::ClusterStore;
use crate::store::kubernetes::connect::connect;
use crate::store::kubernetes::lease::{Candidate, Times};
use crate::store::kubernetes::watch::Namespaces;
use crate::store::{Store as _, World};

/// Which Networks of a cluster are meant.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Theirs; the kubeconfig's where nothing is said.
    pub namespace: Option<String>,
    /// The controller's, with its feeds and what it remembers; theirs where nothing is said.
    pub controller_namespace: Option<String>,
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
    pub candidate: Candidate,
}

/// Lists and reads everything.
pub async fn open(selection: &Selection, installation: &Installation, now: Timestamp) -> Result<Opened, AppError> {
    let connection = connect(None, Times::DEFAULT).await.map_err(AppError::new)?;
    let namespace = selection.namespace.clone().unwrap_or_else(|| connection.namespace.clone());
    let own = selection.controller_namespace.clone().unwrap_or_else(|| namespace.clone());
    let identity = format!("amlnet-apply-{}", uuid::Uuid::new_v4());
    let namespaces = Namespaces::These(BTreeSet::from([namespace.clone(), own.clone()]));
    let store = Arc::new(ClusterStore::new(&connection.client, &own, namespaces, installation, &identity));
    let is_whole = store.list().await.map_err(AppError::new)?;
    store.take_over(now).await.map_err(AppError::new)?;
    let world = World::clone(&store.world().borrow());
    for (key, other) in world.foreign.iter().filter(|(key, _)| key.namespace == namespace) {
        tracing::warn!(network = %key, "installation {other} handles it, so it is left alone");
    }
    let chosen = chosen(&world, &namespace, &selection.names)?;
    let name = format!("amlnet-{installation}");
    let candidate = Candidate { client: connection.leasing, namespace: own, name, identity, times: Times::DEFAULT };
    let absent = if is_whole { Absent::Retained } else { Absent::NotGiven };
    Ok(Opened { store, world, absent, chosen, candidate })
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
            let found = in_force(&state)
                .map_err(|_| format!("the controller has not stored a document of the feed {name} yet; --tags FILE"));
            documents.by_feed.insert(name.clone(), found);
            documents.no_removals.extend(state.no_removals.clone().map(|why| (name.clone(), why)));
        }
        Ok(documents)
    }

    /// Whether a target concerns one of the Networks that are meant.
    pub fn concerns(&self, id: &ResourceId, input: &TargetInput, memories: &Memories) -> bool {
        let is_left_by = memories.get(id).is_some_and(|memory| {
            memory.owners().into_iter().chain(memory.contributors.keys()).any(|key| self.chosen.contains(key))
        });
        is_left_by || input.contributions.iter().any(|contribution| self.chosen.contains(&contribution.network))
    }
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
