//! What is remembered of each target: one ConfigMap a target in the controller's own namespace, under a seal.
//!
//! Not in the statuses: a target is shared by Networks of several namespaces, whose people could then shorten each
//! other's holds; and what is remembered has to outlive a Network that is made anew. The statuses show it.
//! What was edited or is gone counts as lost. Must not decide anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, PostParams, Preconditions};
use kube::{Api, Client};

use super::labels;
use super::memory_map::{self, Found, HOLDS, Remembered};
use crate::domain::approval::Approval;
use crate::domain::memory::TargetMemory;
use crate::domain::resource_id::ResourceId;
use crate::store::StoreError;
use crate::store::audit::AuditLine;

/// So many ConfigMaps are written at the same time.
const AT_ONCE: usize = 8;

/// What is kept of one target.
#[derive(Debug, Clone, Default)]
struct Kept {
    memory: TargetMemory,
    /// A write of which it is not known how it ended.
    open: Option<AuditLine>,
    /// Of the ConfigMap as it was written or read last.
    resource_version: Option<String>,
    /// Counts the changes; `written` is the one that stands in the ConfigMap.
    changes: u64,
    written: u64,
    /// One writer at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The memory of all targets, and its ConfigMaps.
pub struct Memories {
    api: Api<ConfigMap>,
    installation: String,
    kept: Mutex<BTreeMap<ResourceId, Kept>>,
    /// Who knows whether this process still leads.
    word: Mutex<Option<Word>>,
}

/// Says whether this process still leads.
pub type Word = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

impl std::fmt::Debug for Memories {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memories").field("installation", &self.installation).finish_non_exhaustive()
    }
}

impl Memories {
    pub fn new(client: Client, namespace: &str, installation: &str) -> Self {
        let api = Api::namespaced(client, namespace);
        Self { api, installation: installation.to_owned(), kept: Mutex::default(), word: Mutex::default() }
    }

    /// From now on nothing that somebody else wrote is written over unless this says that it may be.
    pub fn guard(&self, word: Word) {
        *self.word.lock().unwrap_or_else(PoisonError::into_inner) = Some(word);
    }

    /// A leader that was frozen must not write over what its successor keeps.
    pub async fn leads(&self) -> bool {
        let word = self.word.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match word {
            Some(word) => word().await,
            None => true,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ResourceId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads everything anew. `expected` are the targets of which the statuses tell that they were looked at: where
    /// nothing is remembered of them, it was lost. `approvals` are those that are there now: after a loss they count no
    /// more, as some of them may have been used.
    pub async fn load(
        &self,
        expected: &BTreeSet<ResourceId>,
        approvals: &[Approval],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let params = ListParams::default().labels(&labels::selector(&self.installation, HOLDS));
        let list = self.api.list(&params).await.map_err(|error| self.refused(&error))?;
        let mut kept = BTreeMap::new();
        let start_anew = |why: &str| {
            let mut memory = TargetMemory::lost();
            memory.used = approvals.iter().map(|approval| (approval.id.clone(), approval.expires_at)).collect();
            tracing::error!(why, "what was remembered is lost; holds start anew and nothing is removed by a budget");
            Kept { memory, changes: 1, ..Kept::default() }
        };
        for map in list.items {
            let found = memory_map::read(&self.installation, &map);
            let resource_version = map.metadata.resource_version;
            match found {
                Found::Whole(id, remembered) => {
                    let Remembered { mut memory, open } = *remembered;
                    memory.forget_old(now);
                    kept.insert(id, Kept { memory, open, resource_version, ..Kept::default() });
                }
                Found::Damaged(id, why) => {
                    kept.insert(id, Kept { resource_version, ..start_anew(&why) });
                }
                Found::Nameless(why) => tracing::error!(why, "a ConfigMap of amlnet's cannot be used"),
            }
        }
        for id in expected {
            kept.entry(id.clone()).or_insert_with(|| start_anew(&format!("the ConfigMap {} is gone", self.name(id))));
        }
        *self.lock() = kept;
        Ok(())
    }

    fn name(&self, id: &ResourceId) -> String {
        memory_map::name(&self.installation, id)
    }

    pub fn memory(&self, id: &ResourceId) -> TargetMemory {
        self.lock().get(id).map(|kept| kept.memory.clone()).unwrap_or_default()
    }

    pub fn memories(&self) -> BTreeMap<ResourceId, TargetMemory> {
        self.lock().iter().map(|(id, kept)| (id.clone(), kept.memory.clone())).collect()
    }

    pub fn open(&self, id: &ResourceId) -> Option<AuditLine> {
        self.lock().get(id)?.open.clone()
    }

    /// Remembers; with `for_good` it stands in the cluster when this returns.
    pub async fn remember(&self, id: &ResourceId, memory: TargetMemory, for_good: bool) -> Result<(), StoreError> {
        self.change(id, |kept| kept.memory = memory);
        if for_good { self.write(id).await } else { Ok(()) }
    }

    /// Notes a write that is about to be sent.
    pub async fn begin(&self, id: &ResourceId, line: AuditLine) -> Result<(), StoreError> {
        self.change(id, |kept| kept.open = Some(line));
        self.write(id).await
    }

    /// Notes that it is known how the write ended.
    pub fn end(&self, id: &ResourceId) {
        self.change(id, |kept| kept.open = None);
    }

    fn change(&self, id: &ResourceId, change: impl FnOnce(&mut Kept)) {
        let mut all = self.lock();
        let kept = all.entry(id.clone()).or_default();
        let before = (kept.memory.clone(), kept.open.clone());
        change(kept);
        if before != (kept.memory.clone(), kept.open.clone()) {
            kept.changes += 1;
        }
    }

    /// Writes all that differs from what stands in the cluster.
    pub async fn save(&self) -> Result<(), StoreError> {
        let is_due = |kept: &Kept| kept.changes != kept.written;
        let due: Vec<ResourceId> =
            self.lock().iter().filter(|(_, kept)| is_due(kept)).map(|(id, _)| id.clone()).collect();
        let writes = futures::stream::iter(due).map(async |id| self.write(&id).await).buffer_unordered(AT_ONCE);
        let results: Vec<Result<(), StoreError>> = writes.collect().await;
        results.into_iter().collect()
    }

    async fn write(&self, id: &ResourceId) -> Result<(), StoreError> {
        let Some(turn) = self.lock().get(id).map(|kept| kept.turn.clone()) else { return Ok(()) };
        let _turn = turn.lock().await;
        let Some(kept) = self.lock().get(id).cloned().filter(|kept| kept.changes != kept.written) else {
            return Ok(());
        };
        if kept.memory.is_over() && kept.open.is_none() {
            return self.forget(id, &kept).await;
        }
        let mut map = memory_map::write(&self.installation, id, &kept.memory, kept.open.as_ref())?;
        map.metadata.resource_version.clone_from(&kept.resource_version);
        let params = PostParams::default();
        let mut result = match &kept.resource_version {
            Some(_) => self.api.replace(&self.name(id), &params, &map).await,
            None => self.api.create(&params, &map).await,
        };
        if let Err(kube::Error::Api(status)) = &result {
            if [404, 409].contains(&status.code) && !self.leads().await {
                let what = "another replica leads, and remembers by itself".to_owned();
                return Err(StoreError { place: self.name(id), what });
            }
            // Somebody touched it: what this process knows is newer, as long as it is the leader, which the fence says.
            if status.code == 404 && kept.resource_version.is_some() {
                tracing::warn!(target_id = %id, "the ConfigMap of a target was deleted, and is made anew");
                let mut map = map.clone();
                map.metadata.resource_version = None;
                result = self.api.create(&params, &map).await;
            } else if status.code == 409 {
                let stands = self.api.get_opt(&self.name(id)).await.map_err(|error| self.refused(&error))?;
                let mut map = map.clone();
                map.metadata.resource_version = stands.and_then(|stands| stands.metadata.resource_version);
                tracing::warn!(target_id = %id, "somebody changed the ConfigMap of a target, and it is written over");
                result = match map.metadata.resource_version {
                    Some(_) => self.api.replace(&self.name(id), &params, &map).await,
                    None => self.api.create(&params, &map).await,
                };
            }
        }
        let written = result.map_err(|error| self.refused(&error))?;
        if let Some(now) = self.lock().get_mut(id) {
            now.resource_version = written.metadata.resource_version;
            now.written = kept.changes;
        }
        Ok(())
    }

    /// Nothing is left that anybody would have to know.
    async fn forget(&self, id: &ResourceId, kept: &Kept) -> Result<(), StoreError> {
        if kept.resource_version.is_some() {
            let preconditions = Preconditions { resource_version: kept.resource_version.clone(), uid: None };
            let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            match self.api.delete(&self.name(id), &params).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(kube::Error::Api(status)) if status.code == 409 && self.leads().await => {
                    // A person touched it; the next try knows the version.
                    let stands = self.api.get_opt(&self.name(id)).await.map_err(|error| self.refused(&error))?;
                    if let Some(now) = self.lock().get_mut(id) {
                        now.resource_version = stands.and_then(|stands| stands.metadata.resource_version);
                    }
                    return Ok(());
                }
                Err(error) => return Err(self.refused(&error)),
                Ok(_) => {}
            }
        }
        let mut all = self.lock();
        if all.get(id).is_some_and(|now| now.changes == kept.changes) {
            all.remove(id);
        } else if let Some(now) = all.get_mut(id) {
            now.resource_version = None;
        }
        Ok(())
    }

    fn refused(&self, error: &kube::Error) -> StoreError {
        let place = format!("the ConfigMaps of installation {}", self.installation);
        StoreError { place, what: super::explain(error) }
    }
}
