//! Service Tags documents: sources in order, acceptance, publication.
//!
//! Owns the traits `Source` and `Archive`. Must not know networks or Azure's resources.

pub mod address;
pub mod decode;
pub mod download;
pub mod file;
pub mod page;
pub mod poll;
pub mod said;
pub mod status;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::domain::service_tags::{Document, DocumentError};

/// What a source has.
#[derive(Debug)]
pub enum Fetched {
    /// The same as what `Known` described.
    NotModified,
    Document(Box<Candidate>),
}

/// A document that was fetched and parsed, but not judged.
#[derive(Debug)]
pub struct Candidate {
    pub document: Document,
    /// The JSON text, uncompressed, for the archive.
    pub text: Vec<u8>,
    /// The date in the published name.
    pub published: Option<Date>,
    /// How it was found, such as `page, embedded`.
    pub strategy: String,
    /// For the next conditional request.
    pub validators: Option<Validators>,
}

/// What an HTTP server said about the version that it served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Validators {
    /// A digest of the URL: a mirror's may hold a signature.
    pub url: String,
    #[serde(default)]
    pub etag: Option<String>,
    #[serde(default)]
    pub last_modified: Option<String>,
}

/// Where documents come from.
#[async_trait]
pub trait Source: Send + Sync {
    /// For status, log and metric: `download`, `file`.
    fn name(&self) -> &'static str;
    /// Gets the newest document, unless it is the one that `known` describes.
    async fn fetch(&self, known: Option<&Validators>) -> Result<Fetched, SourceError>;
    /// Whether its documents lag, so that they may only add.
    fn only_adds(&self) -> bool {
        false
    }
    /// Changes when the source has something new that can be seen without asking it; for local files.
    async fn stamp(&self) -> Option<String> {
        None
    }
}

/// Why a source has no document to offer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceError {
    #[error("{place}: {what}")]
    Unreachable { place: String, what: String },
    #[error("{place}: {what}")]
    Forbidden { place: String, what: String },
    #[error(
        "{place}: no link to a ServiceTags_{cloud}_*.json file was found; the page may have changed. Set fileUrl, or use a file source"
    )]
    NoLink { place: String, cloud: String },
    #[error("{place}: {error}")]
    Document { place: String, error: DocumentError },
}

impl SourceError {
    /// A short constant for metrics, events and status.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "Unreachable",
            Self::Forbidden { .. } => "Forbidden",
            Self::NoLink { .. } => "NoLink",
            Self::Document { error, .. } => error.category(),
        }
    }
}

/// An accepted document with its history.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub document: Arc<Document>,
    pub record: Record,
}

/// What is remembered of an accepted document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    pub change_number: u64,
    pub file_date: Date,
    /// Whether `file_date` stood in the published name; else it is the day of acceptance and says nothing about age.
    #[serde(default)]
    pub date_is_published: bool,
    pub digest: String,
    pub accepted_at: Timestamp,
    pub source: String,
    pub strategy: String,
    pub tags: usize,
    pub prefixes: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validators: Option<Validators>,
}

impl Record {
    /// What a stored document is named by: its content, so that two with one change number are two.
    pub fn content_name(&self) -> String {
        self.digest.trim_start_matches("sha256:").chars().filter(char::is_ascii_hexdigit).take(16).collect()
    }
}

/// How many documents of a feed an archive keeps.
pub const KEPT: usize = 3;

/// The source of a record whose own was lost with the index.
pub const REBUILT: &str = "index rebuilt";

/// Keeps accepted documents across restarts: the newest and its predecessors.
#[async_trait]
pub trait Archive: Send + Sync {
    /// The newest document that can still be read, and the records of all that are kept, newest first.
    async fn load(&self) -> Result<(Option<Accepted>, Vec<Record>), ArchiveError>;
    /// The additions of a source that lags, if they are kept.
    async fn additions(&self) -> Result<Option<Document>, ArchiveError>;
    /// Keeps the answer of a source that lags, or forgets it.
    async fn store_additions(&self, text: Option<&[u8]>) -> Result<(), ArchiveError>;
    /// Makes a document the newest. Where it cannot be stored, what was stored stays readable, and at best it is
    /// remembered that a newer one is missing.
    async fn store(&self, record: &Record, text: &[u8]) -> Result<Vec<Record>, ArchiveError>;
}

/// Why documents cannot be kept or read back.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ArchiveError {
    pub place: String,
    pub what: String,
}
