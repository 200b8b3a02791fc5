//! `AmlNetwork`: one Azure Machine Learning network and its targets.

#![allow(clippy::duplicated_attributes, reason = "each printcolumn repeats its keys; clippy takes them for one list")]

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::AmlNetworkStatus;

/// What one Azure Machine Learning network needs, and where it is to be written.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "amlnet.dev",
    version = "v1alpha1",
    kind = "AmlNetwork",
    plural = "amlnetworks",
    shortname = "amln",
    category = "amlnet",
    namespaced,
    status = "AmlNetworkStatus",
    printcolumn(name = "Region", type_ = "string", json_path = ".spec.region"),
    printcolumn(name = "Pair", type_ = "string", json_path = ".status.pairedRegion.name"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "Document", type_ = "integer", json_path = ".status.document.changeNumber"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct AmlNetworkSpec {
    /// The name of the ServiceTagFeed whose documents count.
    #[serde(default = "default_feed")]
    #[schemars(length(min = 1, max = 63))]
    pub feed_ref: String,
    /// The workspace's region, as ARM name, display name or tag spelling: eastus2, East US 2, EastUS2.
    #[schemars(length(min = 1, max = 60))]
    pub region: String,
    /// The secondary region: Auto (the documented pair), None, or a region.
    #[serde(default = "default_pair")]
    #[schemars(length(min = 1, max = 60))]
    pub paired_region: String,
    /// How far amlnet may go: Observe (plan only), UpsertOnly (never remove) or Sync.
    pub mode: Mode,
    /// Nothing is written for this Network while it is true, and nothing is removed from its targets. A step in flight
    /// is finished.
    #[serde(default)]
    pub suspend: bool,
    /// What becomes of its entries when this Network is deleted: Retain or Delete.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// The address families that are written. IPv6 is opt-in.
    #[serde(default = "default_families")]
    #[schemars(length(min = 1, max = 2))]
    pub ip_families: Vec<IpFamily>,
    /// Routes by which replies to the services bypass the firewall, for computes with a public IP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Routes>,
    /// The conditions for removals.
    #[serde(default)]
    pub removal: Removal,
    /// How many new prefixes are written without a person.
    #[serde(default)]
    pub growth: Growth,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    #[default]
    Retain,
    Delete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    Observe,
    UpsertOnly,
    Sync,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IpFamily {
    IPv4,
    IPv6,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Routes {
    /// Service tags without region. Write [] where only a defaultRoute is wanted.
    #[serde(default = "default_services")]
    #[schemars(length(max = 20))]
    pub services: Vec<ServiceTagName>,
    /// The route tables that get the routes.
    #[schemars(length(min = 1, max = 100))]
    pub route_tables: Vec<RouteTable>,
}

/// A service tag: letters, digits, '.', '-' and '_'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
pub struct ServiceTagName(#[schemars(regex(pattern = r"^[A-Za-z][A-Za-z0-9._-]{0,99}$"))] pub String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteTable {
    /// The ARM id: /subscriptions/<subscription id>/resourceGroups/<group>/providers/Microsoft.Network/routeTables/<name>.
    #[schemars(length(min = 1, max = 400))]
    pub id: String,
    /// Where the routes send their packets.
    #[serde(default)]
    pub next_hop: NextHop,
    /// Prefixes, or ServiceTag: one route per service by its global tag.
    #[serde(default)]
    pub addressing: Addressing,
    /// Also keep 0.0.0.0/0 to the firewall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_route: Option<DefaultRoute>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextHop {
    /// Internet, or VirtualAppliance with an ipAddress.
    #[serde(rename = "type")]
    pub kind: NextHopType,
    /// The appliance's address; only with type VirtualAppliance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 45))]
    pub ip_address: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NextHopType {
    #[default]
    Internet,
    VirtualAppliance,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Addressing {
    #[default]
    Prefixes,
    ServiceTag,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefaultRoute {
    /// The firewall's private address.
    #[schemars(length(min = 2, max = 45))]
    pub ip_address: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Removal {
    /// How long a prefix stays after it left the document: a number and s, m, h or d.
    #[serde(default = "default_hold")]
    #[schemars(regex(pattern = r"^[0-9]{1,9}(s|m|h|d)$"))]
    pub hold_for: String,
    /// How many removals a target may see in any 7 days.
    #[serde(default)]
    pub budget: Budget,
    /// Whether a removal needs a person: Always, OverBudget or Never.
    #[serde(default)]
    pub approval: Approval,
}

impl Default for Removal {
    fn default() -> Self {
        Self { hold_for: default_hold(), budget: Budget::default(), approval: Approval::default() }
    }
}

/// The lower of both counts; one removal is always within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// This many.
    #[serde(default = "default_budget_max")]
    #[schemars(range(min = 1, max = 10000))]
    pub max: u32,
    /// This share of our entries in the target, rounded down.
    #[serde(default = "default_budget_percent")]
    #[schemars(range(min = 1, max = 100))]
    pub percent: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { max: default_budget_max(), percent: default_budget_percent() }
    }
}

/// More prefixes than this that the last applied document did not need wait for approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Growth {
    /// For one service in one region.
    #[serde(default = "default_growth_per_service")]
    #[schemars(range(min = 0, max = 10000))]
    pub per_service: u32,
    /// For a whole target.
    #[serde(default = "default_growth_total")]
    #[schemars(range(min = 0, max = 10000))]
    pub total: u32,
}

impl Default for Growth {
    fn default() -> Self {
        Self { per_service: default_growth_per_service(), total: default_growth_total() }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Approval {
    #[default]
    Always,
    OverBudget,
    Never,
}

fn default_feed() -> String {
    "public".to_owned()
}

fn default_pair() -> String {
    "Auto".to_owned()
}

fn default_families() -> Vec<IpFamily> {
    vec![IpFamily::IPv4]
}

fn default_services() -> Vec<ServiceTagName> {
    vec![ServiceTagName("AzureMachineLearning".to_owned())]
}

/// 85 of 106 prefixes that were removed and came back did so within 42 days (docs/facts.md, "How it changes").
fn default_hold() -> String {
    "42d".to_owned()
}

fn default_budget_max() -> u32 {
    10
}

fn default_budget_percent() -> u32 {
    30
}

/// A region of one service gained at most 15 prefixes in half a year (docs/facts.md, "How it changes").
fn default_growth_per_service() -> u32 {
    40
}

fn default_growth_total() -> u32 {
    100
}
