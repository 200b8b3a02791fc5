//! The source `file`: a document on disk, plain or gzip.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{Candidate, Fetched, Source, SourceError, Validators, decode};
use crate::domain::service_tags::{DocumentError, MAX_DOCUMENT_BYTES};

#[derive(Debug)]
pub struct File(pub PathBuf);

/// Reads a document from a path.
pub fn read(path: &Path) -> Result<Candidate, SourceError> {
    let place = path.display().to_string();
    let unreachable =
        |error: std::io::Error| SourceError::Unreachable { place: place.clone(), what: error.to_string() };
    let mut bytes = Vec::new();
    // Not by its length: a device or a pipe has none.
    let limit = MAX_DOCUMENT_BYTES as u64 + 1;
    std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreachable)?;
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(SourceError::Document { place, error: DocumentError::TooLarge });
    }
    let (document, text) =
        decode::document(bytes).map_err(|error| SourceError::Document { place: place.clone(), error })?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let published = decode::published_date(&name);
    Ok(Candidate { document, text, published, strategy: "file".to_owned(), validators: None })
}

#[async_trait]
impl Source for File {
    fn name(&self) -> &'static str {
        "file"
    }

    async fn fetch(&self, _: Option<&Validators>) -> Result<Fetched, SourceError> {
        let path = self.0.clone();
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        let candidate = read.map_err(|error| SourceError::Unreachable {
            place: self.0.display().to_string(),
            what: error.to_string(),
        })??;
        Ok(Fetched::Document(Box::new(candidate)))
    }

    async fn stamp(&self) -> Option<String> {
        let metadata = tokio::fs::metadata(&self.0).await.ok()?;
        Some(format!("{} {:?}", metadata.len(), metadata.modified().ok()?))
    }
}
