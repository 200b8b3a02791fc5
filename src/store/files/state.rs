//! `--state DIR`: statuses, documents and the lock that keeps a second writer out.
//!
//! `status/<namespace>.<name>.yaml`, `status/feeds/<name>.yaml`, `documents/<feed>/`, `clocks.json`, `audit.jsonl`,
//! `approvals/`, `lists/`, `lock`. Must not be written by `plan`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use super::approvals::Approvals;
use super::archive::FileArchive;
use super::clocks::Clocks;
use super::journal::Journal;
use super::lists::Lists;
use crate::api::API_VERSION;
use crate::api::feed::ServiceTagFeedStatus;
use crate::api::status::AmlNetworkStatus;
use crate::domain::approval::Approval;
use crate::domain::intent::{Installation, ObjectKey};
use crate::domain::list::{List, ListKey};
use crate::domain::memory::TargetMemory;
use crate::domain::resource_id::ResourceId;
use crate::store::audit::AuditLine;
use crate::store::{Published, Store, StoreError, World};

/// A state folder.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    clocks: Clocks,
    journal: Journal,
    approvals: Approvals,
    lists: Lists,
    /// Held as long as this value lives; `None` for readers.
    _lock: Option<File>,
}

impl State {
    /// Opens the folder for writing, makes what is missing, and keeps other writers out.
    /// `now` is the clock of the guards.
    pub fn open(folder: &Path, installation: &Installation, now: Timestamp) -> Result<Self, StoreError> {
        let refuse = |path: &Path, what: String| StoreError { place: path.display().to_string(), what };
        for sub in ["status/feeds", "documents", "approvals", "lists"] {
            let path = folder.join(sub);
            std::fs::create_dir_all(&path).map_err(|error| refuse(&path, super::explain(&error)))?;
        }
        let path = folder.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| refuse(&path, super::explain(&error)))?;
        lock.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => {
                refuse(&path, "another amlnet works with this state folder; stop it, or use another --state".to_owned())
            }
            std::fs::TryLockError::Error(error) => refuse(&path, super::explain(&error)),
        })?;
        let state = Self::at(folder, installation, now, Some(lock));
        if let Err(error) = state.clocks.write() {
            // A full disk must not keep new addresses from the network.
            tracing::error!(%error, "what is to be remembered cannot be written");
        }
        Ok(state)
    }

    /// For commands that only read. The folder need not exist.
    pub fn read_only(folder: &Path, installation: &Installation, now: Timestamp) -> Self {
        Self::at(folder, installation, now, None)
    }

    fn at(folder: &Path, installation: &Installation, now: Timestamp, lock: Option<File>) -> Self {
        // Whoever wrote a status wrote clocks too.
        let has_worked = !known_networks(folder).is_empty();
        let approvals = Approvals::new(folder.join("approvals"));
        let clocks = Clocks::load(folder, has_worked, now).of(installation.as_str(), &approvals.load().0, now);
        let lists = Lists::load(folder.join("lists"));
        Self { folder: folder.to_owned(), clocks, journal: Journal::new(folder), approvals, lists, _lock: lock }
    }

    /// What is remembered of all targets.
    pub fn memories(&self) -> BTreeMap<ResourceId, TargetMemory> {
        self.clocks.memories()
    }

    /// The lists that are served.
    pub fn published_lists(&self) -> watch::Receiver<Published> {
        self.lists.published()
    }

    /// The approvals that were given, and those that cannot be read.
    pub fn approvals(&self) -> (Vec<Approval>, Vec<StoreError>) {
        self.approvals.load()
    }

    /// Where the documents of a feed are kept.
    pub fn archive(&self, feed: &str) -> FileArchive {
        FileArchive::new(self.folder.join("documents").join(feed))
    }

    /// Writes the status of a feed if it differs; true if it was written.
    pub fn write_feed_status<T: Serialize>(&self, feed: &str, status: &T) -> Result<bool, StoreError> {
        write(&self.folder.join("status/feeds").join(format!("{feed}.yaml")), "ServiceTagFeed", feed, None, status)
    }

    /// The status of a feed as it stands.
    pub fn feed_status(&self, feed: &str) -> Option<ServiceTagFeedStatus> {
        let path = self.folder.join("status/feeds").join(format!("{feed}.yaml"));
        let text = std::fs::read_to_string(path).ok()?;
        serde_yaml::from_str::<StatusFile<ServiceTagFeedStatus>>(&text).ok().map(|file| file.status)
    }

    /// The edition of the documentation that a Network followed last.
    pub fn edition(&self, network: &ObjectKey) -> Option<String> {
        self.read_status(network)?.edition
    }

    fn read_status(&self, network: &ObjectKey) -> Option<AmlNetworkStatus> {
        let text = std::fs::read_to_string(self.status_path(network)).ok()?;
        serde_yaml::from_str::<StatusFile<AmlNetworkStatus>>(&text).ok().map(|file| file.status)
    }

    fn status_path(&self, network: &ObjectKey) -> PathBuf {
        self.folder.join("status").join(format!("{}.{}.yaml", network.namespace, network.name))
    }
}

/// The Networks that have a status here.
fn known_networks(folder: &Path) -> Vec<ObjectKey> {
    let Ok(entries) = std::fs::read_dir(folder.join("status")) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let keys = names.filter_map(|name| {
        // A namespace has no dot, a name may.
        let (namespace, name) = name.strip_suffix(".yaml")?.split_once('.')?;
        let is_ours = !namespace.is_empty() && !name.is_empty();
        is_ours.then(|| ObjectKey { namespace: namespace.to_owned(), name: name.to_owned() })
    });
    let mut keys: Vec<ObjectKey> = keys.collect();
    keys.sort();
    keys
}

#[derive(Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusFile<T> {
    api_version: String,
    kind: String,
    metadata: Metadata,
    status: T,
}

#[derive(Serialize, serde::Deserialize)]
struct Metadata {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
}

/// The store of the file mode: objects from a folder, statuses into the state folder if there is one.
#[derive(Debug)]
pub struct FileStore {
    pub world: watch::Receiver<Arc<World>>,
    pub state: Option<Arc<State>>,
}

#[async_trait]
impl Store for FileStore {
    fn world(&self) -> watch::Receiver<Arc<World>> {
        self.world.clone()
    }

    fn memory(&self, target: &ResourceId) -> TargetMemory {
        self.state.as_ref().map(|state| state.clocks.memory(target)).unwrap_or_default()
    }

    fn memories(&self) -> BTreeMap<ResourceId, TargetMemory> {
        self.state.as_ref().map(|state| state.memories()).unwrap_or_default()
    }

    async fn remember(&self, target: &ResourceId, memory: TargetMemory, for_good: bool) -> Result<(), StoreError> {
        let Some(state) = &self.state else { return Ok(()) };
        state.clocks.remember(target, memory, for_good)
    }

    async fn save(&self) -> Result<(), StoreError> {
        let Some(state) = &self.state else { return Ok(()) };
        // What the one cannot write must not keep the other from the disk.
        let (clocks, lists) = (state.clocks.write(), state.lists.write());
        clocks.and(lists)
    }

    fn lists(&self) -> BTreeMap<ListKey, Arc<List>> {
        self.state.as_ref().map(|state| state.lists.all()).unwrap_or_default()
    }

    fn remember_list(&self, key: &ListKey, list: Option<List>) {
        if let Some(state) = &self.state {
            state.lists.remember(key, list);
        }
    }

    fn approvals(&self) -> (Vec<Approval>, Vec<StoreError>) {
        self.state.as_ref().map(|state| state.approvals()).unwrap_or_default()
    }

    async fn audit_begin(&self, target: &ResourceId, line: &AuditLine) -> Result<(), StoreError> {
        self.state.as_ref().map_or(Ok(()), |state| state.journal.begin(target, line))
    }

    async fn audit_end(&self, target: &ResourceId, line: &AuditLine) -> Result<(), StoreError> {
        self.state.as_ref().map_or(Ok(()), |state| state.journal.end(target, line))
    }

    fn audit_open(&self, target: &ResourceId) -> Option<AuditLine> {
        self.state.as_ref()?.journal.open(target)
    }

    fn forget_statuses(&self, world: &World) {
        let Some(state) = &self.state else { return };
        let memories = state.memories();
        let remembered: BTreeSet<&ObjectKey> =
            memories.values().flat_map(|memory| memory.contributors.keys().chain(memory.owners())).collect();
        let is_known = |key: &ObjectKey| world.networks.contains_key(key) || remembered.contains(key);
        for key in known_networks(&state.folder).iter().filter(|key| !is_known(key)) {
            let path = state.status_path(key);
            match std::fs::remove_file(&path) {
                Ok(()) => tracing::info!(network = %key, "an AmlNetwork is let go of"),
                Err(error) => tracing::warn!(file = %path.display(), %error, "the status cannot be taken away"),
            }
        }
    }

    /// A file that is gone waits for nobody.
    fn release(&self, _: &ObjectKey) {}

    fn read_status(&self, network: &ObjectKey) -> Option<AmlNetworkStatus> {
        self.state.as_ref()?.read_status(network)
    }

    fn write_status(&self, network: &ObjectKey, status: &AmlNetworkStatus) -> Result<bool, StoreError> {
        let Some(state) = &self.state else { return Ok(false) };
        let mut status = status.clone();
        let is_invalid = status.conditions.iter().any(|condition| condition.reason == "InvalidSpec");
        if is_invalid && status.targets.is_empty() {
            // What it needed is retained when it goes; a text that cannot be read does not change that.
            status.targets = state.read_status(network).map(|old| old.targets).unwrap_or_default();
        }
        let status = &status;
        write(&state.status_path(network), "AmlNetwork", &network.name, Some(&network.namespace), status)
    }
}

/// Writes an object that has only a status, if it differs from what stands there; true if it was written.
fn write<T: Serialize>(
    path: &Path,
    kind: &'static str,
    name: &str,
    namespace: Option<&str>,
    status: &T,
) -> Result<bool, StoreError> {
    let object = StatusFile {
        api_version: API_VERSION.to_owned(),
        kind: kind.to_owned(),
        metadata: Metadata { name: name.to_owned(), namespace: namespace.map(str::to_owned) },
        status,
    };
    let text = serde_yaml::to_string(&object)
        .map_err(|error| StoreError { place: path.display().to_string(), what: error.to_string() })?;
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    super::replace(path, text.as_bytes()).map(|()| true)
}
