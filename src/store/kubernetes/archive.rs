//! Accepted documents in ConfigMaps: the newest and two predecessors of each feed, gzip, in parts.
//!
//! The index is the commit point: a document counts once the index names it, with all its parts written before. What it
//! does not name is left over from a crash, and is taken away later. Must not judge documents.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Api, Client};

use super::labels;
use super::memory::Memories;
use crate::domain::service_tags::{Digest, Document};
use crate::feed::{Accepted, Archive, ArchiveError, KEPT, Record, decode};

/// The API server takes 1 MiB an object.
const PART_BYTES: usize = 900 << 10;
const INDEX: &str = "index.json";
const FEED: &str = "feed";
const PART: &str = "part";
/// Stands in the first part too, in case the index is lost.
const RECORD: &str = "record.json";
const ADDITIONS: &str = "additions";

/// An API server that does not answer is asked again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// How long an answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    Once,
    /// What cannot be read now is not lost, and nothing is decided before it was.
    UntilAnswered,
}

/// The archive of one feed.
pub struct ClusterArchive {
    api: Api<ConfigMap>,
    installation: String,
    feed: String,
    /// They know whether this process still leads.
    memories: Arc<Memories>,
}

impl std::fmt::Debug for ClusterArchive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterArchive").field("feed", &self.feed).finish_non_exhaustive()
    }
}

impl ClusterArchive {
    pub fn new(client: Client, namespace: &str, installation: &str, feed: &str, memories: &Arc<Memories>) -> Self {
        let api = Api::namespaced(client, namespace);
        let (installation, feed) = (installation.to_owned(), feed.to_owned());
        Self { api, installation, feed, memories: memories.clone() }
    }

    /// What a leader that was frozen began is not finished when another one leads.
    async fn still_leads(&self) -> Result<(), ArchiveError> {
        if self.memories.leads().await {
            Ok(())
        } else {
            Err(self.error("another replica leads, and stores by itself"))
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "so that map_err takes it as it is")]
    fn error(&self, what: impl ToString) -> ArchiveError {
        ArchiveError { place: format!("the stored documents of feed {}", self.feed), what: what.to_string() }
    }

    fn refused(&self, error: &kube::Error) -> ArchiveError {
        self.error(super::explain(error))
    }

    /// The beginning of every name; a feed's own may be too long for one.
    fn stem(&self) -> String {
        format!("amlnet-{}-feed-{}", self.installation, Digest::of(self.feed.as_bytes()).short())
    }

    fn holds(&self) -> String {
        format!("documents-{}", Digest::of(self.feed.as_bytes()).short())
    }

    /// Named by its content, so that a part never belongs to two documents.
    fn part_name(&self, record: &Record, part: usize) -> String {
        format!("{}-{}-{part}", self.stem(), record.content_name())
    }

    fn map(&self, name: String) -> ConfigMap {
        let metadata = ObjectMeta {
            name: Some(name),
            labels: Some(labels::of(&self.installation, &self.holds())),
            ..ObjectMeta::default()
        };
        ConfigMap {
            metadata,
            data: Some(BTreeMap::from([(FEED.to_owned(), self.feed.clone())])),
            ..ConfigMap::default()
        }
    }

    /// Writes a ConfigMap, whatever stands there: only the leader stores.
    async fn put(&self, map: ConfigMap) -> Result<(), ArchiveError> {
        let name = map.metadata.name.clone().unwrap_or_default();
        let params = PostParams::default();
        match self.api.create(&params, &map).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(self.refused(&error)),
        }
        let stands = self.api.get(&name).await.map_err(|error| self.refused(&error))?;
        if stands.data == map.data && stands.binary_data == map.binary_data {
            return Ok(());
        }
        self.still_leads().await?;
        let mut map = map;
        map.metadata.resource_version = stands.metadata.resource_version;
        self.api.replace(&name, &params, &map).await.map(drop).map_err(|error| self.refused(&error))
    }

    /// Asks, and with patience again while nobody answers or the server is busy or broken.
    async fn ask<T, F>(&self, patience: Patience, ask: impl Fn() -> F) -> Result<T, ArchiveError>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let mut is_said = false;
        loop {
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let is_final = matches!(&error, kube::Error::Api(status) if status.code < 500 && status.code != 429);
            if is_final || patience == Patience::Once {
                return Err(self.refused(&error));
            }
            if !std::mem::replace(&mut is_said, true) {
                let why = super::explain(&error);
                tracing::warn!(feed = self.feed, why, "the stored documents cannot be read yet; tried until they can");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn get(&self, name: &str, patience: Patience) -> Result<Option<ConfigMap>, ArchiveError> {
        self.ask(patience, || self.api.get_opt(name)).await
    }

    async fn index(&self, patience: Patience) -> Result<Vec<Record>, ArchiveError> {
        let name = self.stem();
        let what = match self.get(&name, patience).await? {
            Some(map) => {
                let text = map.data.unwrap_or_default().remove(INDEX).unwrap_or_default();
                match serde_json::from_str(&text) {
                    Ok(records) => return Ok(records),
                    Err(error) => format!("the ConfigMap {name} is damaged ({error})"),
                }
            }
            None if self.parts(patience).await?.is_empty() => return Ok(Vec::new()),
            None => format!("the ConfigMap {name} is gone though documents are stored"),
        };
        let records = self.rebuilt(patience).await?;
        if records.is_empty() {
            return Err(self.error(format!(
                "{what} and no stored document can be read; nothing is removed and nothing is stored until the \
                 ConfigMaps with the label {} are deleted",
                labels::selector(&self.installation, &self.holds())
            )));
        }
        tracing::error!(feed = self.feed, what, "the list of documents is rebuilt from the documents");
        Ok(records)
    }

    /// The records that the first parts tell, newest first.
    async fn rebuilt(&self, patience: Patience) -> Result<Vec<Record>, ArchiveError> {
        let params = ListParams::default().labels(&labels::selector(&self.installation, &self.holds()));
        let list = self.ask(patience, || self.api.list(&params)).await?;
        let texts = list.items.into_iter().filter_map(|map| map.data?.remove(RECORD));
        let mut records: Vec<Record> = texts.filter_map(|text| serde_json::from_str(&text).ok()).collect();
        records.sort_by_key(|record| std::cmp::Reverse((record.change_number, record.accepted_at)));
        Ok(records)
    }

    /// The names of all parts that stand there.
    async fn parts(&self, patience: Patience) -> Result<Vec<String>, ArchiveError> {
        let params = ListParams::default().labels(&labels::selector(&self.installation, &self.holds()));
        let list = self.ask(patience, || self.api.list_metadata(&params)).await?;
        let stem = format!("{}-", self.stem());
        let names = list.items.into_iter().filter_map(|map| map.metadata.name);
        Ok(names.filter(|name| name.starts_with(&stem) && !name.ends_with(ADDITIONS)).collect())
    }

    async fn read(&self, record: &Record) -> Result<Accepted, ArchiveError> {
        let mut bytes = Vec::new();
        let mut part = 0;
        loop {
            let name = self.part_name(record, part);
            let map = self
                .get(&name, Patience::UntilAnswered)
                .await?
                .ok_or_else(|| self.error(format!("the ConfigMap {name} is gone")))?;
            let data = map.binary_data.unwrap_or_default().remove(PART);
            let Some(ByteString(mut data)) = data else {
                return Err(self.error(format!("the ConfigMap {name} holds no part of a document")));
            };
            let is_last = map.data.is_some_and(|data| data.contains_key("last"));
            bytes.append(&mut data);
            part += 1;
            if is_last {
                break;
            }
        }
        let (document, _) = decode::document(bytes).map_err(|error| self.error(error))?;
        if document.digest.to_string() != record.digest {
            return Err(
                self.error(format!("change number {}: its content is not what was stored", record.change_number))
            );
        }
        Ok(Accepted { document: Arc::new(document), record: record.clone() })
    }

    async fn store_index(&self, records: &[Record]) -> Result<(), ArchiveError> {
        let mut map = self.map(self.stem());
        let index = serde_json::to_string_pretty(records).map_err(|error| self.error(error))?;
        map.data.get_or_insert_default().insert(INDEX.to_owned(), index);
        self.put(map).await
    }

    async fn store_parts(&self, record: &Record, text: &[u8]) -> Result<(), ArchiveError> {
        let bytes = decode::gzip(text).map_err(|error| self.error(error))?;
        let parts: Vec<&[u8]> = bytes.chunks(PART_BYTES).collect();
        for (number, part) in parts.iter().enumerate() {
            let mut map = self.map(self.part_name(record, number));
            if number == 0 {
                let text = serde_json::to_string(record).map_err(|error| self.error(error))?;
                map.data.get_or_insert_default().insert(RECORD.to_owned(), text);
            }
            if number + 1 == parts.len() {
                map.data.get_or_insert_default().insert("last".to_owned(), "true".to_owned());
            }
            map.binary_data = Some(BTreeMap::from([(PART.to_owned(), ByteString(part.to_vec()))]));
            self.put(map).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Archive for ClusterArchive {
    async fn load(&self) -> Result<(Option<Accepted>, Vec<Record>), ArchiveError> {
        let records = self.index(Patience::UntilAnswered).await?;
        for record in &records {
            match self.read(record).await {
                Ok(accepted) => return Ok((Some(accepted), records)),
                Err(error) => tracing::error!(%error, "a stored document cannot be read; an older one is tried"),
            }
        }
        Ok((None, records))
    }

    async fn additions(&self) -> Result<Option<Document>, ArchiveError> {
        let name = format!("{}-{ADDITIONS}", self.stem());
        let Some(map) = self.get(&name, Patience::UntilAnswered).await? else { return Ok(None) };
        let Some(ByteString(bytes)) = map.binary_data.unwrap_or_default().remove(PART) else { return Ok(None) };
        let text = decode::text(bytes).map_err(|error| self.error(error))?;
        Document::parse_discovery(&text).map(Some).map_err(|error| self.error(error))
    }

    async fn store_additions(&self, text: Option<&[u8]>) -> Result<(), ArchiveError> {
        let name = format!("{}-{ADDITIONS}", self.stem());
        let Some(text) = text else {
            return match self.api.delete(&name, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                Err(error) => Err(self.refused(&error)),
                Ok(_) => Ok(()),
            };
        };
        let mut map = self.map(name);
        let bytes = decode::gzip(text).map_err(|error| self.error(error))?;
        map.binary_data = Some(BTreeMap::from([(PART.to_owned(), ByteString(bytes))]));
        self.put(map).await
    }

    async fn store(&self, record: &Record, text: &[u8]) -> Result<Vec<Record>, ArchiveError> {
        let older = self.index(Patience::Once).await?;
        let mut records = vec![record.clone()];
        records.extend(older.into_iter().filter(|old| old.digest != record.digest));
        records.truncate(KEPT);
        if let Err(error) = self.store_parts(record, text).await {
            // A restart then knows that the newest is missing, and removes nothing for its predecessor.
            let _ = self.store_index(&records).await;
            return Err(error);
        }
        self.store_index(&records).await?;
        let is_named = |name: &String| {
            let stems = records.iter().map(|record| self.part_name(record, 0));
            stems.map(|first| first.trim_end_matches('0').to_owned()).any(|stem| name.starts_with(&stem))
        };
        self.still_leads().await?;
        for name in self.parts(Patience::Once).await?.iter().filter(|name| !is_named(name)) {
            // What stays is a few hundred kilobytes too many, and is tried again with the next document.
            let _ = self.api.delete(name, &DeleteParams::default()).await;
        }
        Ok(records)
    }
}
