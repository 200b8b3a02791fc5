//! `PlanApproval`: a person's word for a plan, or for a held document. A resource of its own, so that approving has its
//! own permissions.

#![allow(unreachable_pub, reason = "KubeSchema repeats each type inside a function")]
#![allow(clippy::duplicated_attributes, reason = "each printcolumn repeats its keys; clippy takes them for one list")]

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::rules;

/// Allows what waits under one hash, until it expires or was used.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "amlnet.dev",
    version = "v1alpha1",
    kind = "PlanApproval",
    plural = "planapprovals",
    shortname = "plana",
    category = "amlnet",
    doc = "A person's word for what waits under a hash: steps of an AmlNetwork's plan, or a held document of a ServiceTagFeed. It cannot be changed, only deleted.",
    namespaced,
    validation = Rule::new(rules::APPROVAL_STANDS).message(rules::APPROVAL_STANDS_SAYS).field_path(".spec"),
    printcolumn(name = "Network", type_ = "string", json_path = ".spec.network"),
    printcolumn(name = "Feed", type_ = "string", json_path = ".spec.feed"),
    printcolumn(name = "Approved by", type_ = "string", json_path = ".spec.approvedBy"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".spec.expiresAt"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Hash", type_ = "string", json_path = ".spec.hash", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(rules::NETWORK_OR_FEED).message(rules::NETWORK_OR_FEED_SAYS))]
pub struct PlanApprovalSpec {
    /// The AmlNetwork of this namespace whose plan is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::NAME), length(max = 253), extend("example" = "workspace"))]
    #[x_kube(validation = Rule::new(rules::matches(rules::NAME)).message(rules::NAME_SAYS))]
    pub network: Option<String>,
    /// The ServiceTagFeed whose held document is approved, instead of network. Such an approval counts in the
    /// controller's own namespace only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::NAME), length(max = 63), extend("example" = "public"))]
    #[x_kube(validation = Rule::new(rules::matches(rules::NAME)).message(rules::NAME_SAYS))]
    pub feed: Option<String>,
    /// What is approved: the hash that plan and status show, or the digest of a held document.
    #[schemars(regex(pattern = rules::HASH), length(max = 200), extend("example" = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"))]
    #[x_kube(validation = Rule::new(rules::matches(rules::HASH)).message(rules::HASH_SAYS))]
    pub hash: String,
    /// Who approved. The cluster can be told to demand the name of the user who makes this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), extend("example" = "somebody@example.com"))]
    pub approved_by: Option<String>,
    /// Until when it counts, as a time with offset (RFC 3339). Default: 7 days after it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), extend("example" = "2026-12-31T12:00:00Z"))]
    #[x_kube(validation = Rule::new(rules::TIME).message(rules::TIME_SAYS))]
    pub expires_at: Option<String>,
}
