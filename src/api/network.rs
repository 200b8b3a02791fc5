//! `AmlNetwork`: one Azure Machine Learning network and its targets.

#![allow(unreachable_pub, reason = "KubeSchema repeats each type inside a function")]
#![allow(clippy::duplicated_attributes, reason = "each printcolumn repeats its keys; clippy takes them for one list")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::outbound::Outbound;
use super::rules;
use super::security_group::NetworkSecurityGroup;
use super::status::AmlNetworkStatus;

/// What one Azure Machine Learning network needs, and where it is to be written.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "amlnet.dev",
    version = "v1alpha1",
    kind = "AmlNetwork",
    plural = "amlnetworks",
    shortname = "amln",
    category = "amlnet",
    doc = "One Azure Machine Learning network: what it needs, and the resources in Azure that are kept in step with it.",
    namespaced,
    status = "AmlNetworkStatus",
    printcolumn(name = "Region", type_ = "string", json_path = ".spec.region"),
    printcolumn(
        name = "Pair",
        type_ = "string",
        json_path = ".status.pairedRegion.name",
        description = "The secondary region in use."
    ),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(
        name = "Document",
        type_ = "integer",
        json_path = ".status.document.changeNumber",
        description = "The change number of the Service Tags document that is followed."
    ),
    printcolumn(
        name = "Pending",
        type_ = "integer",
        json_path = ".status.pending",
        description = "How many steps are not done yet, held ones included."
    ),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Feed", type_ = "string", json_path = ".spec.feedRef", priority = 1),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend", priority = 1),
    printcolumn(
        name = "Blocked",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Blocked\")].status",
        priority = 1,
        description = "Whether something waits for a person."
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
#[x_kube(validation = Rule::new(rules::FAMILIES).message(rules::FAMILIES_SAYS))]
#[x_kube(validation = Rule::new(rules::outbound::HAS_TARGET).message(rules::outbound::HAS_TARGET_SAYS).field_path(".outbound"))]
#[x_kube(validation = Rule::new(rules::security_group::OUTBOUND).message(rules::security_group::OUTBOUND_SAYS).field_path(".networkSecurityGroups"))]
#[x_kube(validation = Rule::new(rules::outbound::POLICIES_V4).message(rules::outbound::POLICIES_V4_SAYS).field_path(".ipFamilies"))]
#[x_kube(validation = Rule::new(rules::outbound::GROUPS_V4).message(rules::outbound::GROUPS_V4_SAYS).field_path(".ipFamilies"))]
#[x_kube(validation = Rule::new(rules::PAIR_DIFFERS).message(rules::PAIR_DIFFERS_SAYS).field_path(".pairedRegion"))]
pub struct AmlNetworkSpec {
    /// The name of the ServiceTagFeed whose documents count. Feeds live in the controller's own namespace. Where there
    /// is no such feed, nothing is written and Ready says FeedMissing.
    #[serde(default = "default_feed")]
    #[schemars(regex(pattern = rules::NAME), length(max = 63))]
    #[x_kube(validation = Rule::new(rules::matches(rules::NAME)).message(rules::NAME_SAYS))]
    pub feed_ref: String,
    /// The workspace's region, as ARM name, display name or tag spelling: eastus2, East US 2, EastUS2.
    #[schemars(length(max = 60), extend("example" = "eastus2"))]
    #[x_kube(validation = Rule::new(rules::REGION).message(rules::REGION_SAYS))]
    pub region: String,
    /// The secondary region, whose addresses need routes as well: Auto (the pair that Microsoft documents), None, or a
    /// region in any spelling.
    #[serde(default = "default_pair")]
    #[schemars(length(max = 60), extend("example" = "centralus"))]
    #[x_kube(validation = Rule::new(rules::REGION).message(rules::PAIR_SAYS))]
    pub paired_region: String,
    /// How far amlnet may go: Observe (plan and report only), UpsertOnly (add and change, never remove) or Sync (also
    /// remove, within what removal allows). There is no default: start with Observe and look at the plan.
    pub mode: Mode,
    /// Nothing is written for this AmlNetwork while it is true, and nothing is removed from its targets. A step in
    /// flight is finished.
    #[serde(default)]
    pub suspend: bool,
    /// What becomes of its entries in Azure when this AmlNetwork is deleted: Retain (they stay until a person approves
    /// their removal) or Delete (they are removed first; never in mode Observe).
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// The address families that are written. IPv6 is opt-in.
    #[serde(default = "default_families")]
    #[schemars(length(min = 1, max = 2), extend("example" = ["IPv4", "IPv6"]))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub ip_families: Vec<IpFamily>,
    /// Routes by which replies to the services bypass the firewall, for computes with a public IP. Leave it out where no
    /// compute has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Routes>,
    /// What the firewall must let through: the rows of Microsoft's documentation and what is added to them, kept in
    /// firewall policies, IP groups, lists and network security groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound: Option<Outbound>,
    /// Network security groups that let through what outbound says, and where computes have a public IP what reaches
    /// them from Azure Machine Learning. They need outbound; {} is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    #[x_kube(validation = Rule::new(rules::security_group::ONCE).message(rules::security_group::ONCE_SAYS))]
    pub network_security_groups: Vec<NetworkSecurityGroup>,
    /// When an entry may go. Where several AmlNetworks name one target, the strictest of them counts.
    #[serde(default)]
    pub removal: Removal,
    /// How many new prefixes are written without a person. More than that, compared with the document that was applied
    /// last, wait for approval. A first plan is no growth.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum IpFamily {
    IPv4,
    IPv6,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(rules::SOMETHING_TO_WRITE).message(rules::SOMETHING_TO_WRITE_SAYS).field_path(".services"))]
pub struct Routes {
    /// The services whose addresses get routes: service tags without region. BatchNodeManagement or any other tag of
    /// the document may be added. Write [] where only a defaultRoute is wanted.
    #[serde(default = "default_services")]
    #[schemars(length(max = 20), extend("example" = ["AzureMachineLearning", "BatchNodeManagement"]))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[x_kube(validation = Rule::new(rules::SERVICES_ONCE).message(rules::SERVICES_ONCE_SAYS))]
    pub services: Vec<ServiceTagName>,
    /// The route tables that get the routes. Other AmlNetworks may name the same tables: a table holds what all of them
    /// need. Routes that are not amlnet's own stay as they are.
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    #[x_kube(validation = Rule::new(rules::TABLES_ONCE).message(rules::TABLES_ONCE_SAYS))]
    pub route_tables: Vec<RouteTable>,
}

/// A service tag: letters, digits, '.', '-' and '_'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
#[schemars(extend("x-kubernetes-validations" = [{"rule": rules::matches(rules::SERVICE), "message": rules::SERVICE_SAYS}]))]
pub struct ServiceTagName(#[schemars(regex(pattern = rules::SERVICE), length(max = 100))] pub String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteTable {
    /// The ARM id: /subscriptions/<subscription id>/resourceGroups/<group>/providers/Microsoft.Network/routeTables/<name>.
    /// The portal shows it as Resource ID. Case does not count.
    #[schemars(
        length(max = 400),
        extend("example" = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ml/providers/Microsoft.Network/routeTables/rt-ml")
    )]
    #[x_kube(validation = Rule::new(rules::ROUTE_TABLE_ID).message(rules::ROUTE_TABLE_ID_SAYS))]
    pub id: String,
    /// Where the routes send their packets. Another next hop for entries that stand needs approval.
    #[serde(default)]
    #[schemars(extend("example" = json!({"type": "VirtualAppliance", "ipAddress": "10.0.2.4"})))]
    pub next_hop: NextHop,
    /// Prefixes (one route for each address range), or ServiceTag (one route for each service, by the name of its global
    /// tag: few routes, but for the service's addresses in all regions, and only for tags that Azure takes in routes).
    #[serde(default)]
    pub addressing: Addressing,
    /// Also keep 0.0.0.0/0 to the firewall. It is written after all other routes were read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_route: Option<DefaultRoute>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(rules::HOP_NEEDS_ADDRESS).message(rules::HOP_NEEDS_ADDRESS_SAYS))]
#[x_kube(validation = Rule::new(rules::HOP_HAS_ADDRESS).message(rules::HOP_HAS_ADDRESS_SAYS).field_path(".ipAddress"))]
pub struct NextHop {
    /// Internet, or VirtualAppliance with an ipAddress.
    #[serde(rename = "type")]
    pub kind: NextHopType,
    /// The appliance's private address; only with type VirtualAppliance. It must be of the family of the routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), extend("example" = "10.0.2.4"))]
    #[x_kube(validation = Rule::new(rules::ADDRESS).message(rules::ADDRESS_SAYS))]
    #[x_kube(validation = Rule::new(rules::ADDRESS_IS_UNICAST).message(rules::ADDRESS_IS_UNICAST_SAYS))]
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

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefaultRoute {
    /// The firewall's private IPv4 address.
    #[schemars(length(max = 100), extend("example" = "10.0.1.4"))]
    #[x_kube(validation = Rule::new(rules::ADDRESS).message(rules::ADDRESS_SAYS))]
    #[x_kube(validation = Rule::new(rules::ADDRESS_IS_UNICAST).message(rules::ADDRESS_IS_UNICAST_SAYS))]
    #[x_kube(validation = Rule::new(rules::ADDRESS_IS_V4).message(rules::ADDRESS_IS_V4_SAYS))]
    pub ip_address: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Removal {
    /// How long a prefix stays after it left the document: a number and s, m, h or d. One that comes back in that time
    /// was never gone.
    #[serde(default = "default_hold")]
    #[schemars(regex(pattern = rules::DURATION), length(max = 40), extend("example" = "14d"))]
    #[x_kube(validation = Rule::new(rules::matches(rules::DURATION)).message(rules::DURATION_SAYS))]
    pub hold_for: String,
    /// How many removals a target may see in any 7 days: the lower of both counts, and always one.
    #[serde(default)]
    pub budget: Budget,
    /// Whether a removal needs a PlanApproval: Always, OverBudget (only what the budget does not allow) or Never.
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
    /// This share of amlnet's own entries in the target, in percent, rounded down.
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
    /// For one service in one region. 0: every new prefix waits.
    #[serde(default = "default_growth_per_service")]
    #[schemars(range(min = 0, max = 10000))]
    pub per_service: u32,
    /// For a whole target. 0: every new prefix waits.
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
