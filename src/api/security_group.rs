//! `AmlNetwork.spec.networkSecurityGroups`: network security groups that let through what `spec.outbound` says.
//!
//! Must not know which rules come of it: that is `domain`.

#![allow(unreachable_pub, reason = "KubeSchema repeats each type inside a function")]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::rules::security_group as rules;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkSecurityGroup {
    /// The ARM id: /subscriptions/<subscription id>/resourceGroups/<group>/providers/Microsoft.Network/networkSecurityGroups/<name>.
    /// It has to exist. Rules that are not amlnet's own stay as they are, and are never changed. Case does not count.
    #[schemars(
        length(max = 400),
        extend("example" = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ml/providers/Microsoft.Network/networkSecurityGroups/nsg-ml")
    )]
    #[x_kube(validation = Rule::new(rules::ID).message(rules::ID_SAYS))]
    pub id: String,
    /// Outbound (from the computes to what spec.outbound names; hosts are left out, as Azure knows only addresses here),
    /// Inbound (AzureMachineLearning to the computes, port 44224: only for computes with a public IP), or both.
    #[serde(default = "default_directions")]
    #[schemars(length(min = 1, max = 2), extend("example" = ["Outbound", "Inbound"]))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub directions: Vec<Direction>,
    /// The priorities that amlnet's rules may have, both ends included, in each direction. The lowest is looked at first,
    /// so they stand below those of rules that deny. A rule of somebody else within it keeps its priority. Each service
    /// tag and address family needs at least one.
    #[schemars(extend("example" = json!({"from": 2000, "to": 2099})))]
    pub priority_range: PriorityRange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Direction {
    Outbound,
    Inbound,
}

/// Both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new(rules::RANGE).message(rules::RANGE_SAYS))]
pub struct PriorityRange {
    /// The lowest, 100 to 4096.
    #[schemars(range(min = 100, max = 4096))]
    pub from: u16,
    /// The highest, 100 to 4096.
    #[schemars(range(min = 100, max = 4096))]
    pub to: u16,
}

fn default_directions() -> Vec<Direction> {
    vec![Direction::Outbound]
}
