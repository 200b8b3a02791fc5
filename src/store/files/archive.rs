//! Accepted documents on disk: the newest and two predecessors of each feed.
//!
//! `index.json` is the commit point: a document counts once the index names it, and files that it does not name are
//! left-overs of a crash. Nothing is deleted before the new index stands.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::replace;
use crate::domain::service_tags::Document;
use crate::feed::{Accepted, Archive, ArchiveError, KEPT, REBUILT, Record, decode};

/// Names the documents that count, newest first.
const INDEX: &str = "index.json";

/// The archive of one feed.
#[derive(Debug, Clone)]
pub struct FileArchive {
    folder: PathBuf,
}

impl FileArchive {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    #[expect(clippy::needless_pass_by_value, reason = "so that map_err takes it as it is")]
    fn error(&self, what: impl ToString) -> ArchiveError {
        ArchiveError { place: self.folder.display().to_string(), what: what.to_string() }
    }

    fn index(&self) -> Result<Vec<Record>, ArchiveError> {
        let what = match std::fs::read(self.folder.join(INDEX)) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(records) => return Ok(records),
                Err(error) => format!("{INDEX} is damaged ({error})"),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !self.has_documents() => {
                return Ok(Vec::new());
            }
            Err(error) => format!("{INDEX} cannot be read ({error})"),
        };
        let records = self.rebuilt();
        if records.is_empty() {
            return Err(self.error(format!(
                "{what} and no stored document can be read; nothing is removed and nothing is stored until this folder \
                 is moved away"
            )));
        }
        tracing::error!(place = %self.folder.display(), what, "the list of documents is rebuilt from the documents");
        Ok(records)
    }

    fn has_documents(&self) -> bool {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).any(|name| unreadable(&name.to_string_lossy()).is_some())
    }

    /// The records that the documents themselves tell, newest first. Dates and sources are lost with the index.
    fn rebuilt(&self) -> Vec<Record> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let documents = paths.filter_map(|path| {
            let read = std::fs::read(&path).ok().and_then(|bytes| decode::document(bytes).ok());
            let Some((document, _)) = read else {
                return unreadable(path.file_name()?.to_str()?);
            };
            let record = Record {
                change_number: document.change_number,
                file_date: jiff::civil::Date::MIN,
                date_is_published: false,
                digest: document.digest.to_string(),
                accepted_at: jiff::Timestamp::UNIX_EPOCH,
                source: REBUILT.to_owned(),
                strategy: REBUILT.to_owned(),
                tags: document.tags().len(),
                prefixes: document.prefix_count(),
                validators: None,
            };
            // A file under another's name was put there by somebody.
            (path.file_name()? == file_name(&record).as_str()).then_some(record)
        });
        let mut records: Vec<Record> = documents.collect();
        if records.iter().all(|record| record.tags == 0) {
            return Vec::new();
        }
        records.sort_by(|a, b| b.change_number.cmp(&a.change_number).then_with(|| a.digest.cmp(&b.digest)));
        records
    }

    fn read(&self, record: &Record) -> Result<Accepted, ArchiveError> {
        let name = file_name(record);
        let bytes = std::fs::read(self.folder.join(&name)).map_err(|error| self.error(format!("{name}: {error}")))?;
        let (document, _) = decode::document(bytes).map_err(|error| self.error(format!("{name}: {error}")))?;
        if document.digest.to_string() != record.digest {
            return Err(self.error(format!("{name}: its content is not what was stored")));
        }
        Ok(Accepted { document: Arc::new(document), record: record.clone() })
    }
}

/// Named by its content, so that two documents with one change number are two files.
fn file_name(record: &Record) -> String {
    format!("{}-{}.json.gz", record.change_number, record.content_name())
}

/// The record of a document of which only the name is left: it is missed, not forgotten.
fn unreadable(name: &str) -> Option<Record> {
    let (number, digest) = name.strip_suffix(".json.gz")?.split_once('-')?;
    Some(Record {
        change_number: number.parse().ok()?,
        file_date: jiff::civil::Date::MIN,
        date_is_published: false,
        digest: format!("sha256:{digest}"),
        accepted_at: jiff::Timestamp::UNIX_EPOCH,
        source: REBUILT.to_owned(),
        strategy: REBUILT.to_owned(),
        tags: 0,
        prefixes: 0,
        validators: None,
    })
}

/// What a source that lags had more.
const ADDITIONS: &str = "discovery.json.gz";

#[async_trait]
impl Archive for FileArchive {
    async fn additions(&self) -> Result<Option<Document>, ArchiveError> {
        match std::fs::read(self.folder.join(ADDITIONS)) {
            Ok(bytes) => {
                let text = decode::text(bytes).map_err(|error| self.error(format!("{ADDITIONS}: {error}")))?;
                let document = Document::parse_discovery(&text);
                document.map(Some).map_err(|error| self.error(format!("{ADDITIONS}: {error}")))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error(format!("{ADDITIONS}: {error}"))),
        }
    }

    async fn store_additions(&self, text: Option<&[u8]>) -> Result<(), ArchiveError> {
        let path = self.folder.join(ADDITIONS);
        let Some(text) = text else {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.error(error)),
                _ => Ok(()),
            };
        };
        std::fs::create_dir_all(&self.folder).map_err(|error| self.error(error))?;
        let bytes = decode::gzip(text).map_err(|error| self.error(error))?;
        replace(&path, &bytes).map_err(|error| self.error(error))
    }

    async fn load(&self) -> Result<(Option<Accepted>, Vec<Record>), ArchiveError> {
        let records = self.index()?;
        for record in &records {
            match self.read(record) {
                Ok(accepted) => return Ok((Some(accepted), records)),
                Err(error) => tracing::error!(%error, "a stored document cannot be read; an older one is tried"),
            }
        }
        Ok((None, records))
    }

    async fn store(&self, record: &Record, text: &[u8]) -> Result<Vec<Record>, ArchiveError> {
        std::fs::create_dir_all(&self.folder).map_err(|error| self.error(error))?;
        let older = self.index()?;
        let bytes = decode::gzip(text).map_err(|error| self.error(error))?;
        let mut records = vec![record.clone()];
        records.extend(older.into_iter().filter(|old| old.digest != record.digest));
        if let Err(error) = replace(&self.folder.join(file_name(record)), &bytes) {
            // Its name is small: a restart then knows that the newest is missing, and removes nothing for its predecessor.
            if let Ok(index) = serde_json::to_vec_pretty(&records) {
                let _ = replace(&self.folder.join(INDEX), &index);
            }
            return Err(self.error(error));
        }
        let dropped = records.split_off(records.len().min(KEPT));
        let index = serde_json::to_vec_pretty(&records).map_err(|error| self.error(error))?;
        replace(&self.folder.join(INDEX), &index).map_err(|error| self.error(error))?;
        for old in &dropped {
            if !records.iter().any(|record| file_name(record) == file_name(old)) {
                // A file that stays is a few hundred kilobytes too many, and nothing else.
                let _ = std::fs::remove_file(self.folder.join(file_name(old)));
            }
        }
        Ok(records)
    }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
