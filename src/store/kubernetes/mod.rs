//! The store of a cluster: objects by watches, statuses into the objects, memory and documents in ConfigMaps.
//!
//! One file a job; `ClusterStore` puts them together. Must not plan, and must not talk to Azure.

pub mod approve;
pub mod archive;
mod compact;
pub mod connect;
pub mod events;
pub mod labels;
pub mod lease;
pub mod lifecycle;
pub mod lists;
pub mod memory;
mod memory_map;
pub mod objects;
mod packed;
mod renewals;
pub mod schema;
pub mod source;
pub mod status;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use kube::Client;
use kube::core::DynamicObject;
use serde::Serialize;
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::Instant;

use self::archive::ClusterArchive;
use self::events::Events;
use self::lifecycle::Lifecycle;
use self::lists::Lists;
use self::memory::Memories;
use self::objects::{Kind, Objects};
use self::source::ConfigMapDocument;
use self::status::Statuses;
use self::watch::{Namespaces, Progress, Shared};
use super::audit::AuditLine;
use super::{Published, Store, StoreError, World};
use crate::api::feed::ServiceTagFeedStatus;
use crate::api::status::AmlNetworkStatus;
use crate::domain::approval::Approval;
use crate::domain::intent::{Installation, ObjectKey};
use crate::domain::list::{List, ListKey};
use crate::domain::memory::TargetMemory;
use crate::domain::resource_id::ResourceId;
use crate::metrics::Metrics;

/// Statuses that are still to be written when the leader stops get so long.
const FLUSH_FOR: Duration = Duration::from_secs(1);
/// A command that a person waits for takes longer rather than to leave statuses unwritten.
const FINISH_FOR: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What a command found in the cluster.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Whether all namespaces could be listed.
    pub is_whole: bool,
    /// Networks of the watched namespaces that no installation handles yet.
    pub unclaimed: BTreeSet<ObjectKey>,
}

/// The objects of a cluster, and what amlnet keeps there.
pub struct ClusterStore {
    client: Client,
    namespace: String,
    namespaces: Namespaces,
    installation: String,
    objects: Shared,
    worlds: Sender<Arc<World>>,
    progress: Sender<Progress>,
    memories: Arc<Memories>,
    lists: Lists,
    statuses: Statuses,
    lifecycle: Lifecycle,
    /// A command's standard output is for its result.
    is_command: bool,
}

impl std::fmt::Debug for ClusterStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterStore").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl ClusterStore {
    /// `identity` is this process among the replicas.
    pub fn new(client: &Client, namespace: &str, namespaces: Namespaces, of: &Installation, identity: &str) -> Self {
        let installation = of.as_str();
        let objects: Shared = Arc::new(Mutex::new(Objects::new(installation, namespace)));
        let events = Arc::new(Events::new(client.clone(), identity));
        let memories = Arc::new(Memories::new(client.clone(), namespace, installation));
        Self {
            client: client.clone(),
            namespace: namespace.to_owned(),
            namespaces,
            installation: installation.to_owned(),
            worlds: Sender::new(Arc::default()),
            progress: Sender::new(Progress::Listing(BTreeMap::new())),
            lists: Lists::new(client.clone(), namespace, installation, &memories),
            memories,
            statuses: Statuses::new(client.clone(), objects.clone(), events.clone(), installation),
            lifecycle: Lifecycle::new(client.clone(), objects.clone(), installation, events),
            objects,
            is_command: false,
        }
    }

    /// The same, which tells of its writes.
    #[must_use]
    pub fn told(self, metrics: Metrics) -> Self {
        Self { statuses: self.statuses.told(metrics), ..self }
    }

    /// The same for a command that a person waits for.
    #[must_use]
    pub fn of_command(self) -> Self {
        Self { is_command: true, ..self }
    }

    /// How far the first lists are.
    pub fn progress(&self) -> Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Watches, on every replica. Never ends. `client` is one without a limit for how long an answer may take.
    pub async fn watch(&self, client: Client) {
        let objects = watch::watch(
            client.clone(),
            &self.namespace,
            &self.namespaces,
            &self.objects,
            &self.worlds,
            &self.progress,
        );
        tokio::join!(objects, self.lists.watch(client));
    }

    /// The lists that are served.
    pub fn published_lists(&self) -> Receiver<Published> {
        self.lists.published()
    }

    /// Lists everything once, for a command that a person waits for. True if all namespaces could be listed; otherwise
    /// those that are watched were. Networks there that no installation handles yet are taken for this one's, as a
    /// controller that watches these namespaces would claim them; those elsewhere stay nobody's.
    pub async fn list(&self) -> Result<Listed, StoreError> {
        let mut listed = Listed { is_whole: true, unclaimed: BTreeSet::new() };
        for kind in Kind::ALL {
            let own = [Some(self.namespace.clone())];
            let lists = if kind == Kind::Feed { None } else { watch::list(&self.client, kind, None).await.transpose() };
            let found = match lists {
                Some(Ok(found)) => vec![(None, found)],
                refused => {
                    listed.is_whole &= refused.is_none();
                    let some = match &self.namespaces {
                        Namespaces::These(names) if kind != Kind::Feed => names.iter().cloned().map(Some).collect(),
                        _ => own.to_vec(),
                    };
                    let mut found = Vec::new();
                    for namespace in some {
                        let list = watch::list(&self.client, kind, namespace.as_deref()).await?;
                        found.push((namespace, list.unwrap_or_default()));
                    }
                    found
                }
            };
            let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
            for (namespace, mut list) in found {
                for object in list.iter_mut().filter(|object| kind == Kind::Network && self.watches(object)) {
                    if objects::claim(object, &self.installation) {
                        listed.unclaimed.insert(objects::key(object));
                    }
                }
                objects.replace(kind, namespace.as_deref(), &list);
            }
        }
        let world = self.objects.lock().unwrap_or_else(PoisonError::into_inner).world();
        self.worlds.send_replace(Arc::new(world));
        Ok(listed)
    }

    fn watches(&self, object: &DynamicObject) -> bool {
        match &self.namespaces {
            Namespaces::All => true,
            Namespaces::These(names) => object.metadata.namespace.as_ref().is_some_and(|name| names.contains(name)),
        }
    }

    /// Makes a Network this installation's, before a command does anything for it.
    pub async fn begin(&self, network: &ObjectKey, is_unclaimed: bool) -> Result<(), StoreError> {
        self.lifecycle.begin(network, is_unclaimed).await
    }

    /// Reads what is remembered; on becoming the leader.
    pub async fn take_over(&self, now: Timestamp) -> Result<(), StoreError> {
        self.statuses.clear();
        let mut expected = BTreeSet::new();
        let approvals = {
            let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
            for (_, seen) in objects.networks().filter(|(_, seen)| seen.installation() == self.installation) {
                let status = seen.status.value();
                let targets = status["targets"].as_array().into_iter().flatten();
                // Of what was never looked at nothing is remembered.
                let looked_at = targets.filter(|target| target["capacity"].as_u64().unwrap_or_default() > 0);
                expected.extend(looked_at.filter_map(|target| target["id"].as_str()?.parse::<ResourceId>().ok()));
            }
            objects.approvals().0
        };
        self.lists.load().await?;
        self.memories.load(&expected, &approvals, now).await
    }

    /// What is remembered is written over only while this says that the lease is held.
    pub fn guard(&self, word: memory::Word) {
        self.memories.guard(word);
    }

    /// What only the leader does beside reconciling. Never ends.
    pub async fn lead(&self) {
        tokio::join!(self.statuses.run(false), self.lifecycle.run(self.worlds.subscribe()));
    }

    /// Writes what can still be written before the lease goes to somebody else.
    pub async fn flush(&self) {
        if tokio::time::timeout(FLUSH_FOR, self.statuses.run(true)).await.is_err() {
            tracing::warn!("not every status could be written before the end; the next leader writes them");
        }
    }

    /// Writes every status that is still to be written, for a command that ends with it: no next leader does.
    pub async fn finish(&self) -> Result<(), StoreError> {
        let all = async {
            while self.statuses.are_open() {
                self.statuses.run(true).await;
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(FINISH_FOR, all).await.map_err(|_| StoreError {
            place: "the statuses".to_owned(),
            what: "not every one could be written; the next controller writes them".to_owned(),
        })
    }

    /// Where the documents of a feed are kept.
    pub fn archive(&self, feed: &str) -> ClusterArchive {
        ClusterArchive::new(self.client.clone(), &self.namespace, &self.installation, feed, &self.memories)
    }

    /// A document in a ConfigMap; no namespace means the controller's own.
    pub fn config_map(&self, namespace: Option<&str>, name: &str, key: &str) -> ConfigMapDocument {
        ConfigMapDocument::new(self.client.clone(), namespace.unwrap_or(&self.namespace), name, key)
    }

    /// The status of a feed as it stands.
    pub fn feed_status(&self, feed: &str) -> Option<ServiceTagFeedStatus> {
        let key = ObjectKey { namespace: self.namespace.clone(), name: feed.to_owned() };
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::from_value(objects.get(Kind::Feed, &key)?.status.value()).ok()
    }

    /// Writes the status of a feed if it differs, later.
    pub fn write_feed_status<T: Serialize>(&self, feed: &str, status: &T) -> Result<bool, StoreError> {
        let key = ObjectKey { namespace: self.namespace.clone(), name: feed.to_owned() };
        self.set(Kind::Feed, key, status).map(|()| false)
    }

    fn set<T: Serialize>(&self, kind: Kind, key: ObjectKey, status: &T) -> Result<(), StoreError> {
        let place = format!("{} {key}", kind.name());
        let status = serde_json::to_value(status).map_err(|error| StoreError { place, what: error.to_string() })?;
        self.statuses.set((kind, key), &status);
        Ok(())
    }
}

#[async_trait]
impl Store for ClusterStore {
    fn world(&self) -> Receiver<Arc<World>> {
        self.worlds.subscribe()
    }

    fn memory(&self, target: &ResourceId) -> TargetMemory {
        self.memories.memory(target)
    }

    fn memories(&self) -> BTreeMap<ResourceId, TargetMemory> {
        self.memories.memories()
    }

    async fn remember(&self, target: &ResourceId, memory: TargetMemory, for_good: bool) -> Result<(), StoreError> {
        self.memories.remember(target, memory, for_good).await
    }

    async fn save(&self) -> Result<(), StoreError> {
        let (memories, lists) = tokio::join!(self.memories.save(), self.lists.save());
        memories.and(lists)
    }

    fn lists(&self) -> BTreeMap<ListKey, Arc<List>> {
        self.lists.all()
    }

    fn remember_list(&self, key: &ListKey, list: Option<List>) {
        self.lists.remember(key, list);
    }

    fn approvals(&self) -> (Vec<Approval>, Vec<StoreError>) {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).approvals()
    }

    async fn audit_begin(&self, target: &ResourceId, line: &AuditLine) -> Result<(), StoreError> {
        self.memories.begin(target, line.clone()).await
    }

    /// To standard output, where whoever collects the logs finds it; a command's go to standard error.
    async fn audit_end(&self, target: &ResourceId, line: &AuditLine) -> Result<(), StoreError> {
        use std::io::Write as _;
        let place = if self.is_command { "standard error" } else { "standard output" };
        let refuse = |error: &dyn ToString| StoreError { place: place.to_owned(), what: error.to_string() };
        let text = serde_json::to_string(line).map_err(|error| refuse(&error))?;
        let written = if self.is_command {
            writeln!(std::io::stderr().lock(), "{text}")
        } else {
            writeln!(std::io::stdout().lock(), "{text}")
        };
        written.map_err(|error| refuse(&error))?;
        self.memories.end(target);
        Ok(())
    }

    fn audit_open(&self, target: &ResourceId) -> Option<AuditLine> {
        self.memories.open(target)
    }

    fn read_status(&self, network: &ObjectKey) -> Option<AmlNetworkStatus> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::from_value(objects.get(Kind::Network, network)?.status.value()).ok()
    }

    fn write_status(&self, network: &ObjectKey, status: &AmlNetworkStatus) -> Result<bool, StoreError> {
        self.set(Kind::Network, network.clone(), status).map(|()| false)
    }

    /// They go with their objects.
    fn forget_statuses(&self, _: &World) {}

    fn release(&self, network: &ObjectKey) {
        self.lifecycle.release(network);
    }
}

/// A refusal of the API server in a user's words: what it was, and what to do where that is known.
pub fn explain(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 403 && status.message.contains("exceeded quota") => {
            format!("{}; raise the namespace's ResourceQuota, or make room in it", status.message)
        }
        kube::Error::Api(status) if status.code == 403 => {
            format!("{}; the Role of the service account lacks it, see deploy/rbac", status.message)
        }
        kube::Error::Api(status) if status.code == 401 => {
            format!("the API server does not know who is asking ({}); is the token mounted?", status.message)
        }
        kube::Error::Api(status) => format!("{} ({} {})", status.message, status.code, status.reason),
        other => {
            let what = crate::telemetry::chain(other);
            match crate::telemetry::reach::advice(&what) {
                Some(advice) => format!("{what}; {advice}"),
                None => what,
            }
        }
    }
}

/// Sleeps until then, or for ever.
async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
