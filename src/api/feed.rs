//! `ServiceTagFeed`: where a cloud's Service Tags documents come from.

#![allow(unreachable_pub, reason = "KubeSchema repeats each type inside a function")]
#![allow(clippy::duplicated_attributes, reason = "each printcolumn repeats its keys; clippy takes them for one list")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::rules;

/// Where a cloud's documents come from.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "amlnet.dev",
    version = "v1alpha1",
    kind = "ServiceTagFeed",
    plural = "servicetagfeeds",
    shortname = "stf",
    category = "amlnet",
    doc = "Where the Service Tags documents of one cloud come from, and which of them is in force. Only feeds in the controller's own namespace count.",
    namespaced,
    status = "ServiceTagFeedStatus",
    validation = Rule::new(rules::FEED_NAME).message(rules::FEED_NAME_SAYS),
    printcolumn(name = "Cloud", type_ = "string", json_path = ".spec.cloud"),
    printcolumn(
        name = "Document",
        type_ = "integer",
        json_path = ".status.current.changeNumber",
        description = "The change number of the document in force."
    ),
    printcolumn(
        name = "File date",
        type_ = "string",
        json_path = ".status.current.fileDate",
        description = "The date in the published name of the document in force."
    ),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Source", type_ = "string", json_path = ".status.current.source", priority = 1),
    printcolumn(
        name = "Held",
        type_ = "integer",
        json_path = ".status.held.changeNumber",
        priority = 1,
        description = "The change number of the document that waits for approval."
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ServiceTagFeedSpec {
    /// Public, AzureGovernment or China. A document of another cloud is refused.
    pub cloud: FeedCloud,
    /// In order; the first that yields an acceptable document wins. Each is exactly one of download, discovery,
    /// configMap and file.
    #[schemars(length(min = 1, max = 8), extend("example" = json!([{"download": {}}])))]
    pub sources: Vec<FeedSource>,
    /// How often the sources are asked, with some jitter: a number and s, m, h or d, from 15m to 24h.
    #[serde(default = "default_interval")]
    #[schemars(regex(pattern = rules::DURATION), length(max = 40), extend("example" = "12h"))]
    #[x_kube(validation = Rule::new(rules::matches(rules::DURATION)).message(rules::DURATION_SAYS))]
    #[x_kube(validation = Rule::new(rules::INTERVAL).message(rules::INTERVAL_SAYS))]
    pub interval: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FeedCloud {
    Public,
    AzureGovernment,
    China,
}

/// One source: exactly one of download, discovery, configMap and file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(rules::ONE_SOURCE).message(rules::ONE_SOURCE_SAYS))]
pub struct FeedSource {
    /// Microsoft's download page for the cloud, as download: {}, or a mirror.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download: Option<Download>,
    /// Azure's Service Tag Discovery API. It lags behind the files, so it may add and never starts a removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
    /// A document in a ConfigMap, for clusters without internet. Only in Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,
    /// A file, plain or gzip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSource>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(rules::PAGE_OR_FILE).message(rules::PAGE_OR_FILE_SAYS))]
pub struct Download {
    /// A mirror of the download page: the newest ServiceTags file that it links to is taken. https only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000), extend("example" = "https://mirror.example.com/service-tags.html"))]
    #[x_kube(validation = Rule::new(rules::URL).message(rules::URL_SAYS))]
    pub page_url: Option<String>,
    /// The document itself, plain or gzip; no page is read. https only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000), extend("example" = "https://mirror.example.com/ServiceTags_Public.json"))]
    #[x_kube(validation = Rule::new(rules::URL).message(rules::URL_SAYS))]
    pub file_url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    /// The id of a subscription that amlnet's identity may read.
    #[schemars(regex(pattern = rules::SUBSCRIPTION), length(max = 100), extend("example" = "00000000-0000-0000-0000-000000000000"))]
    #[x_kube(validation = Rule::new(rules::matches(rules::SUBSCRIPTION)).message(rules::SUBSCRIPTION_SAYS))]
    pub subscription_id: String,
    /// Which copy of the API is asked, as ARM name. It does not filter.
    #[schemars(regex(pattern = rules::LOCATION), length(max = 60), extend("example" = "eastus2"))]
    #[x_kube(validation = Rule::new(rules::matches(rules::LOCATION)).message(rules::LOCATION_SAYS))]
    pub location: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapSource {
    /// The namespace of the ConfigMap. Default: the feed's own. Another one needs a Role there that lets the controller
    /// read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::NAMESPACE), length(max = 63), extend("example" = "amlnet"))]
    #[x_kube(validation = Rule::new(rules::matches(rules::NAMESPACE)).message(rules::NAMESPACE_SAYS))]
    pub namespace: Option<String>,
    /// The name of the ConfigMap.
    #[schemars(regex(pattern = rules::NAME), length(max = 253), extend("example" = "service-tags"))]
    #[x_kube(validation = Rule::new(rules::matches(rules::NAME)).message(rules::NAME_SAYS))]
    pub name: String,
    /// The key that holds the document: gzip or plain under binaryData, or plain under data. A ConfigMap holds at most
    /// 1 MiB, so a whole document fits only as gzip. Where the key is the published name, its date is the document's.
    #[schemars(regex(pattern = rules::CONFIG_MAP_KEY), length(max = 253), extend("example" = "ServiceTags_Public_20251103.json.gz"))]
    #[x_kube(validation = Rule::new(rules::matches(rules::CONFIG_MAP_KEY)).message(rules::CONFIG_MAP_KEY_SAYS))]
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileSource {
    /// The path of the file. Without Kubernetes it is relative to the file that holds this feed; in Kubernetes it is a
    /// path in the controller's pod, such as that of a mounted volume.
    #[schemars(length(min = 1, max = 4000), extend("example" = "/documents/ServiceTags_Public_20251103.json"))]
    pub path: String,
}

fn default_interval() -> String {
    "6h".to_owned()
}

/// What a feed found and what is in force.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceTagFeedStatus {
    /// The generation that was polled last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
    /// Ready, Reconciling and Stalled as kstatus knows them, and Blocked: something waits for a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The value of the annotation amlnet.dev/reconcile-at that was obeyed last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_handled_reconcile_at: String,
    /// The document in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<StoredDocument>,
    /// The document that was in force before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<StoredDocument>,
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// A document that lost more than a document may without a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldDocument {
    /// The number that Microsoft counts up.
    pub change_number: u64,
    /// Approve this, and the document comes into force.
    pub digest: String,
    /// Why it waits.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredDocument {
    /// The number that Microsoft counts up.
    pub change_number: u64,
    /// YYYY-MM-DD: the date in the published name, else the day of acceptance.
    pub file_date: String,
    /// Over the sorted names, network features and prefixes.
    pub digest: String,
    /// RFC 3339.
    pub accepted_at: String,
    /// The kind of source that it came from.
    pub source: String,
    /// How the source found it.
    pub strategy: String,
    /// How many service tags it has.
    pub tags: usize,
    /// How many prefixes it has, counted per tag.
    pub prefixes: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// The kind of source.
    pub source: String,
    /// Accepted, Unchanged, Held, Rejected or Failed.
    pub result: String,
    /// A constant, for Held, Rejected and Failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was found, or what was wrong.
    pub message: String,
}
