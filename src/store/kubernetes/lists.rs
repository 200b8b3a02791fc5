//! The lists that are served: one ConfigMap a list in the controller's own namespace, compressed and under a seal.
//!
//! The leader writes them; every replica, the leader too, serves what stands there, so that all give the same bytes.
//! What was edited or is gone counts as lost, and is written anew. Must not decide what stands in a list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use tokio::sync::watch;

use super::memory::Memories;
use super::{labels, packed};
use crate::domain::list::{List, ListKey};
use crate::domain::service_tags::Digest;
use crate::store::{Published, StoreError};

const HOLDS: &str = "list";
const KEY: &str = "list";
const CONTENT: &str = "list.json.gz";
const SEAL: &str = "seal";
/// So many ConfigMaps are written at the same time.
const AT_ONCE: usize = 8;

/// What the leader knows of one list.
#[derive(Debug, Clone, Default)]
struct Kept {
    /// `None`: it is to be forgotten.
    list: Option<Arc<List>>,
    /// Of the ConfigMap as it was written or read last.
    resource_version: Option<String>,
    /// Counts the changes; `written` is the one that stands in the ConfigMap.
    changes: u64,
    written: u64,
}

/// All lists, and their ConfigMaps.
pub struct Lists {
    api: Api<ConfigMap>,
    installation: String,
    namespace: String,
    /// They know whether this process still leads.
    memories: Arc<Memories>,
    kept: Mutex<BTreeMap<ListKey, Kept>>,
    published: watch::Sender<Published>,
    /// One round of writing at a time.
    turn: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Lists {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lists").field("installation", &self.installation).finish_non_exhaustive()
    }
}

impl Lists {
    pub fn new(client: Client, namespace: &str, installation: &str, memories: &Arc<Memories>) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            installation: installation.to_owned(),
            namespace: namespace.to_owned(),
            memories: memories.clone(),
            kept: Mutex::default(),
            published: watch::Sender::new(None),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ListKey, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lists that are served.
    pub fn published(&self) -> watch::Receiver<Published> {
        self.published.subscribe()
    }

    /// The lists as the leader remembers them.
    pub fn all(&self) -> BTreeMap<ListKey, Arc<List>> {
        self.lock().iter().filter_map(|(key, kept)| Some((key.clone(), kept.list.clone()?))).collect()
    }

    pub fn remember(&self, key: &ListKey, list: Option<List>) {
        let mut all = self.lock();
        let kept = all.entry(key.clone()).or_default();
        kept.list = list.map(Arc::new);
        kept.changes += 1;
    }

    /// Reads everything anew; on becoming the leader.
    pub async fn load(&self) -> Result<(), StoreError> {
        let params = ListParams::default().labels(&labels::selector(&self.installation, HOLDS));
        let list = self.api.list(&params).await.map_err(|error| self.refused(&error))?;
        let mut kept = BTreeMap::new();
        for map in list.items {
            let resource_version = map.metadata.resource_version.clone();
            match self.read(&map) {
                Ok((key, list)) => {
                    kept.insert(key, Kept { list: Some(Arc::new(list)), resource_version, ..Kept::default() });
                }
                Err((key, why)) => {
                    tracing::error!(why, "what is remembered of a list is lost, and it is made anew");
                    kept.extend(key.map(|key| (key, Kept { resource_version, ..Kept::default() })));
                }
            }
        }
        *self.lock() = kept;
        Ok(())
    }

    /// What a ConfigMap holds, or why it is of no use, with the list that it is of where that is known.
    fn read(&self, map: &ConfigMap) -> Result<(ListKey, List), (Option<ListKey>, String)> {
        let name = map.metadata.name.as_deref().unwrap_or_default();
        let text = |key: &str| map.data.as_ref().and_then(|data| data.get(key)).map(String::as_str).unwrap_or_default();
        let key = text(KEY).parse::<ListKey>().ok().filter(|key| self.name(key) == name);
        let Some(key) = key else { return Err((None, format!("{name} does not say of which list it is"))) };
        let bytes = map.binary_data.as_ref().and_then(|data| data.get(CONTENT)).map(|bytes| &*bytes.0);
        let refuse = |why: String| (Some(key.clone()), format!("{name}: {why}"));
        let json = packed::unpack(bytes.unwrap_or_default()).map_err(refuse)?;
        if text(SEAL) != self.seal(&key, &json) {
            return Err(refuse("it is not what was written".to_owned()));
        }
        let list = serde_json::from_slice(&json).map_err(|error| refuse(error.to_string()))?;
        Ok((key, list))
    }

    fn seal(&self, key: &ListKey, json: &[u8]) -> String {
        let head = format!("{}\n{key}\n", self.installation);
        Digest::of(&[head.as_bytes(), json].concat()).to_string()
    }

    fn name(&self, key: &ListKey) -> String {
        let digest = Digest::of(key.to_string().as_bytes()).to_string();
        format!("amlnet-{}-list-{}", self.installation, &digest["sha256:".len()..][..20])
    }

    /// Writes all that differs from what stands in the cluster.
    pub async fn save(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let is_due = |kept: &Kept| kept.changes != kept.written;
        let due: Vec<(ListKey, Kept)> = {
            let all = self.lock();
            all.iter().filter(|(_, kept)| is_due(kept)).map(|(key, kept)| (key.clone(), kept.clone())).collect()
        };
        if due.is_empty() {
            return Ok(());
        }
        if !self.memories.leads().await {
            let what = "another replica leads, and writes them by itself".to_owned();
            return Err(StoreError { place: "the lists".to_owned(), what });
        }
        let writes = futures::stream::iter(due).map(async |(key, kept)| self.write(&key, kept).await);
        let results: Vec<Result<(), StoreError>> = writes.buffer_unordered(AT_ONCE).collect().await;
        results.into_iter().collect()
    }

    async fn write(&self, key: &ListKey, kept: Kept) -> Result<(), StoreError> {
        let name = self.name(key);
        let Some(list) = &kept.list else { return self.forget(key, &name, &kept).await };
        let mut map = self.map(key, &name, list)?;
        let params = PostParams::default();
        map.metadata.resource_version.clone_from(&kept.resource_version);
        let mut result = match &kept.resource_version {
            Some(_) => self.api.replace(&name, &params, &map).await,
            None => self.api.create(&params, &map).await,
        };
        // Somebody touched it; what the leader knows is newer.
        if matches!(&result, Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409) {
            if !self.memories.leads().await {
                let what = "another replica leads, and writes them by itself".to_owned();
                return Err(StoreError { place: "the lists".to_owned(), what });
            }
            let stands = self.api.get_opt(&name).await.map_err(|error| self.refused(&error))?;
            map.metadata.resource_version = stands.and_then(|stands| stands.metadata.resource_version);
            result = match &map.metadata.resource_version {
                Some(_) => self.api.replace(&name, &params, &map).await,
                None => self.api.create(&params, &map).await,
            };
        }
        let written = result.map_err(|error| self.refused(&error))?;
        if let Some(now) = self.lock().get_mut(key) {
            now.resource_version = written.metadata.resource_version;
            now.written = kept.changes;
        }
        Ok(())
    }

    async fn forget(&self, key: &ListKey, name: &str, kept: &Kept) -> Result<(), StoreError> {
        match self.api.delete(name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(self.refused(&error)),
            Ok(_) => {}
        }
        let mut all = self.lock();
        if all.get(key).is_some_and(|now| now.changes == kept.changes) {
            all.remove(key);
        } else if let Some(now) = all.get_mut(key) {
            now.resource_version = None;
        }
        Ok(())
    }

    fn map(&self, key: &ListKey, name: &str, list: &List) -> Result<ConfigMap, StoreError> {
        let refuse = |what: String| StoreError { place: name.to_owned(), what };
        let json = serde_json::to_vec(list).map_err(|error| refuse(error.to_string()))?;
        let packed = packed::pack(&json).map_err(refuse)?;
        if packed.len() > packed::LARGEST {
            return Err(refuse(format!("{} bytes are too many for a ConfigMap", packed.len())));
        }
        let data = BTreeMap::from([(SEAL.to_owned(), self.seal(key, &json)), (KEY.to_owned(), key.to_string())]);
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels::of(&self.installation, HOLDS)),
            ..ObjectMeta::default()
        };
        let binary_data = Some(BTreeMap::from([(CONTENT.to_owned(), ByteString(packed))]));
        Ok(ConfigMap { metadata, data: Some(data), binary_data, ..ConfigMap::default() })
    }

    /// Serves what stands in the cluster as it changes. On every replica; never ends.
    pub async fn watch(&self, client: Client) {
        let api: Api<ConfigMap> = Api::namespaced(client, &self.namespace);
        let config = watcher::Config::default().labels(&labels::selector(&self.installation, HOLDS));
        let mut events = watcher(api, config).default_backoff().boxed();
        let mut said = None;
        let mut listed = BTreeMap::new();
        // What there was before the list began anew, and is not in it, was deleted meanwhile.
        let mut unlisted = BTreeSet::new();
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    let why = error.to_string();
                    if said.as_ref() != Some(&why) {
                        tracing::warn!(
                            why,
                            "the lists cannot be watched, which is tried again; what is known is served"
                        );
                    }
                    said = Some(why);
                    continue;
                }
            };
            said = None;
            match event {
                watcher::Event::Init => {
                    listed.clear();
                    unlisted = self.published.borrow().iter().flat_map(|lists| lists.keys().cloned()).collect();
                }
                watcher::Event::InitApply(map) => {
                    if let Some((key, list)) = self.seen(&map) {
                        unlisted.remove(&key);
                        listed.insert(key, list);
                    }
                }
                watcher::Event::InitDone => {
                    for key in std::mem::take(&mut unlisted) {
                        self.lost(&key, "its ConfigMap is gone");
                    }
                    let all = std::mem::take(&mut listed);
                    self.published.send_replace(Some(Arc::new(all)));
                }
                watcher::Event::Apply(map) => {
                    if let Some((key, list)) = self.seen(&map) {
                        self.publish(|lists| drop(lists.insert(key, list)));
                    }
                }
                watcher::Event::Delete(map) => {
                    let key = map.data.as_ref().and_then(|data| data.get(KEY)?.parse::<ListKey>().ok());
                    if let Some(key) = key.filter(|key| Some(self.name(key)) == map.metadata.name) {
                        self.publish(|lists| drop(lists.remove(&key)));
                        self.lost(&key, "its ConfigMap was deleted");
                    }
                }
            }
        }
    }

    fn publish(&self, change: impl FnOnce(&mut BTreeMap<ListKey, Arc<List>>)) {
        self.published.send_modify(|published| {
            if let Some(lists) = published {
                change(Arc::make_mut(lists));
            }
        });
    }

    /// What is served from a ConfigMap: where it is damaged, what was read from it before.
    fn seen(&self, map: &ConfigMap) -> Option<(ListKey, Arc<List>)> {
        match self.read(map) {
            Ok((key, list)) => {
                let version = &map.metadata.resource_version;
                let is_old = |kept: &Kept| {
                    kept.changes == kept.written
                        && kept.resource_version != *version
                        && kept.list.as_deref() != Some(&list)
                };
                if self.lock().get(&key).is_some_and(is_old) {
                    self.lost(&key, "its ConfigMap holds another list than was written");
                }
                // One copy is enough for whoever leads.
                let own = self.lock().get(&key).and_then(|kept| kept.list.clone()).filter(|own| **own == list);
                Some((key, own.unwrap_or_else(|| Arc::new(list))))
            }
            Err((Some(key), why)) => {
                self.lost(&key, &why);
                let last = self.published.borrow().as_ref().and_then(|lists| lists.get(&key).cloned());
                last.map(|last| (key, last))
            }
            Err((None, why)) => {
                tracing::error!(why, "a ConfigMap of amlnet's cannot be used");
                None
            }
        }
    }

    /// The leader writes it anew; nobody else remembers it.
    fn lost(&self, key: &ListKey, why: &str) {
        if let Some(kept) = self.lock().get_mut(key).filter(|kept| kept.list.is_some()) {
            tracing::warn!(list = %key, why, "the list is written anew");
            kept.changes += 1;
        }
    }

    fn refused(&self, error: &kube::Error) -> StoreError {
        let place = format!("the lists of installation {}", self.installation);
        StoreError { place, what: super::explain(error) }
    }
}
