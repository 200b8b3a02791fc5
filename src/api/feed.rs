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

/// One source: exactly one of download and file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeedSource {
    /// Microsoft's download page, or a mirror.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download: Option<Download>,
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
pub struct FileSource {
    /// Relative to the file that holds this feed.
    #[schemars(length(min = 1, max = 4000))]
    pub path: String,
}

fn default_interval() -> String {
    "6h".to_owned()
}
