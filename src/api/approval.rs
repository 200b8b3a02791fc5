//! `PlanApproval`: a person's word for a plan, or for a held document. A resource of its own, so that approving has its
//! own permissions.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Allows what waits under one hash, until it expires or was used.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "amlnet.dev",
    version = "v1alpha1",
    kind = "PlanApproval",
    plural = "planapprovals",
    shortname = "plana",
    category = "amlnet",
    namespaced
)]
#[serde(rename_all = "camelCase")]
pub struct PlanApprovalSpec {
    /// The AmlNetwork of this namespace whose plan is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub network: Option<String>,
    /// The ServiceTagFeed whose held document is approved. Instead of network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub feed: Option<String>,
    /// What is approved: the hash that plan and status show, or the digest of a held document.
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub hash: String,
    /// Who approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub approved_by: Option<String>,
    /// RFC 3339; 7 days after it was made where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 60))]
    pub expires_at: Option<String>,
}
