//! `ServiceTagFeed`: where a cloud's Service Tags documents come from.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a cloud's documents come from.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "amlnet.dev",
    version = "v1alpha1",
    kind = "ServiceTagFeed",
    plural = "servicetagfeeds",
    shortname = "stf",
    category = "amlnet",
    namespaced
)]
#[serde(rename_all = "camelCase")]
pub struct ServiceTagFeedSpec {
    /// Public, AzureGovernment or China.
    pub cloud: FeedCloud,
    /// In order; the first that yields an acceptable document wins.
    #[schemars(length(min = 1, max = 8))]
    pub sources: Vec<FeedSource>,
    /// How often the sources are asked: 15m to 24h.
    #[serde(default = "default_interval")]
    #[schemars(regex(pattern = r"^[0-9]{1,9}(s|m|h|d)$"))]
    pub interval: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FeedCloud {
    Public,
    AzureGovernment,
    China,
}

/// One source: exactly one of download, discovery and file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeedSource {
    /// Microsoft's download page, or a mirror.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download: Option<Download>,
    /// Azure's Service Tag Discovery API. It lags behind the files, so it may add and never starts a removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
    /// A file, plain or gzip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSource>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Download {
    /// A mirror of the download page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000), regex(pattern = r"^https://"))]
    pub page_url: Option<String>,
    /// The document itself; no page is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000), regex(pattern = r"^https://"))]
    pub file_url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    /// A subscription that amlnet's identity may read.
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"))]
    pub subscription_id: String,
    /// Which copy of the API is asked, as ARM name. It does not filter.
    #[schemars(regex(pattern = r"^[a-z0-9]{2,60}$"))]
    pub location: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileSource {
    /// Relative to the file that holds this feed.
    #[schemars(length(min = 1, max = 4000))]
    pub path: String,
}

fn default_interval() -> String {
    "6h".to_owned()
}

/// What a feed found and what is in force.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceTagFeedStatus {
    /// The document in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<StoredDocument>,
    /// All documents that are kept, newest first.
    #[serde(default)]
    pub stored: Vec<StoredDocument>,
    /// How each source fared in the last poll.
    #[serde(default)]
    pub sources: Vec<SourceStatus>,
    /// The document that waits for approval, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldDocument>,
    /// Why the document in force is not stored, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_stored: Option<String>,
    /// Why the latest text of the object is not used, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
}

/// A document that lost more than a document may without a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldDocument {
    pub change_number: u64,
    /// Approve this, and the document comes into force.
    pub digest: String,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredDocument {
    pub change_number: u64,
    /// YYYY-MM-DD: the date in the published name, else the day of acceptance.
    pub file_date: String,
    pub digest: String,
    /// RFC 3339.
    pub accepted_at: String,
    pub source: String,
    /// How the source found it.
    pub strategy: String,
    pub tags: usize,
    pub prefixes: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    pub source: String,
    /// Accepted, Unchanged, Held, Rejected or Failed.
    pub result: String,
    /// A constant, for Held, Rejected and Failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub message: String,
}
