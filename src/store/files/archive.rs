//! Accepted documents on disk: the newest and two predecessors of each feed.
//!
//! `index.json` is the commit point: a document counts once the index names it, and files that it does not name are
//! left-overs of a crash. Nothing is deleted before the new index stands.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::replace;
use crate::domain::service_tags::Document;
use crate::feed::{Accepted, Archive, ArchiveError, Record, decode};

/// How many documents are kept.
const KEPT: usize = 3;

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
        match std::fs::read(self.folder.join("index.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| self.error(format!("index.json: {error}"))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.error(format!("index.json: {error}"))),
        }
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
    let digest: String =
        record.digest.trim_start_matches("sha256:").chars().filter(char::is_ascii_hexdigit).take(16).collect();
    format!("{}-{digest}.json.gz", record.change_number)
}

/// What a source that lags had more.
const ADDITIONS: &str = "discovery.json.gz";

fn gzip(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text)?;
    encoder.finish()
}

impl Archive for FileArchive {
    fn additions(&self) -> Result<Option<Document>, ArchiveError> {
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

    fn store_additions(&self, text: Option<&[u8]>) -> Result<(), ArchiveError> {
        let path = self.folder.join(ADDITIONS);
        let Some(text) = text else {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.error(error)),
                _ => Ok(()),
            };
        };
        std::fs::create_dir_all(&self.folder).map_err(|error| self.error(error))?;
        let bytes = gzip(text).map_err(|error| self.error(error))?;
        replace(&path, &bytes).map_err(|error| self.error(error))
    }

    fn load(&self) -> Result<(Option<Accepted>, Vec<Record>), ArchiveError> {
        let records = self.index()?;
        for record in &records {
            match self.read(record) {
                Ok(accepted) => return Ok((Some(accepted), records)),
                Err(error) => tracing::error!(%error, "a stored document cannot be read; an older one is tried"),
            }
        }
        Ok((None, records))
    }

    fn store(&self, record: &Record, text: &[u8]) -> Result<Vec<Record>, ArchiveError> {
        std::fs::create_dir_all(&self.folder).map_err(|error| self.error(error))?;
        let bytes = gzip(text).map_err(|error| self.error(error))?;
        replace(&self.folder.join(file_name(record)), &bytes).map_err(|error| self.error(error))?;
        // A damaged index is replaced: the document in force is worth more than the list of its predecessors.
        let older = self.index().unwrap_or_default();
        let mut records = vec![record.clone()];
        records.extend(older.into_iter().filter(|old| old.digest != record.digest));
        let dropped = records.split_off(records.len().min(KEPT));
        let index = serde_json::to_vec_pretty(&records).map_err(|error| self.error(error))?;
        replace(&self.folder.join("index.json"), &index).map_err(|error| self.error(error))?;
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
