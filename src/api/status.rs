//! `AmlNetwork.status`, and its making from the domain's status value.
//!
//! Must not decide anything: `domain::project` did.

#![allow(unreachable_pub, reason = "KubeSchema repeats each type inside a function")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::project;

/// What was found and done, as of observedGeneration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AmlNetworkStatus {
    /// The installation that handles this object.
    #[serde(default)]
    pub installation: String,
    /// The generation that all targets have seen.
    #[serde(default)]
    pub observed_generation: i64,
    /// Ready, Reconciling and Stalled as kstatus knows them, and Blocked: something waits for a person.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The value of the annotation amlnet.dev/reconcile-at that was obeyed last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_handled_reconcile_at: String,
    /// The secondary region and where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired_region: Option<PairedRegionStatus>,
    /// The document that the targets follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentStatus>,
    /// The edition of the documentation whose rows are followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<String>,
    /// How many steps are not done yet in all targets, held ones included.
    #[serde(default)]
    pub pending: usize,
    /// How each target stands.
    #[serde(default)]
    pub targets: Vec<TargetStatus>,
    /// Prefixes that left the document and stay until their hold is over. At most 50; retiringNotListed counts the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retiring: Vec<Retiring>,
    /// How many more are retiring than retiring lists.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retiring_not_listed: usize,
    /// Targets that this Network no longer names and where entries of its own still stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphaned_targets: Vec<OrphanedTarget>,
    /// The lists for firewalls of other makers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<ListStatus>,
    /// What became of the approvals for this Network. At most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalStatus>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retiring {
    /// In CIDR notation.
    pub prefix: String,
    /// When the document without it was accepted and seen.
    pub since: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrphanedTarget {
    /// Its ARM id.
    pub id: String,
    /// How many of its own entries still stand there.
    pub entries: usize,
    /// Approve this, and they are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_hash: Option<String>,
}

/// How one list stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListStatus {
    /// Its name in the spec.
    pub name: String,
    /// Where every replica serves it; .txt and .json choose the form.
    pub path: String,
    /// Served, Stands (the last list is served, as what is needed is not known) or Waiting (nothing to serve yet).
    pub state: String,
    /// What that means here, and what to do.
    pub message: String,
    /// How many IPv4 prefixes it holds.
    pub ipv4: usize,
    /// How many IPv6 prefixes it holds.
    pub ipv6: usize,
    /// How many hosts it holds.
    pub hosts: usize,
    /// How many of the prefixes left the document and stay until their hold is over.
    pub retiring: usize,
    /// When its entries changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Time>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalStatus {
    /// What was approved.
    pub hash: String,
    /// InForce, OthersMissing, Used, Expired, OtherPlan, Outgrown or NoSuchSubject.
    pub state: String,
    /// What that means, and what to do.
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairedRegionStatus {
    /// Its ARM name.
    pub name: String,
    /// Documentation or Spec.
    pub source: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DocumentStatus {
    /// Public, AzureGovernment or China.
    pub cloud: String,
    /// The number that Microsoft counts up.
    pub change_number: u64,
    /// Over the sorted names, network features and prefixes.
    pub digest: String,
}

/// How one target stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// Its ARM id.
    pub id: String,
    /// Pending, InSync, Changes, Held, Waiting, NeedsPerson, Blocked or Failed.
    pub state: String,
    /// What that means here, and what to do.
    pub message: String,
    /// How many entries of the target are ours.
    pub entries: usize,
    /// How many entries the target can hold in all.
    pub capacity: usize,
    /// How many entries are to be added.
    pub add: usize,
    /// How many entries are to be removed.
    pub remove: usize,
    /// How many steps are held, and for what the message says.
    pub held: usize,
    /// Removals in the last 7 days, which count against removal.budget.
    #[serde(default, rename = "removedIn7Days")]
    pub removed: usize,
    /// Entries that are not ours and stand in the way. At most 50; conflictsNotListed counts the rest.
    pub conflicts: Vec<String>,
    /// How many more conflicts there are than conflicts lists.
    #[serde(default)]
    pub conflicts_not_listed: usize,
    /// What is in force but may not do what is meant.
    pub warnings: Vec<Warning>,
    /// Identifies what is pending, for an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_hash: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// A constant.
    pub code: String,
    /// What was found.
    pub message: String,
}

impl From<&project::NetworkStatus> for AmlNetworkStatus {
    fn from(status: &project::NetworkStatus) -> Self {
        Self {
            installation: status.installation.to_string(),
            observed_generation: status.observed_generation,
            conditions: status.conditions.iter().map(condition).collect(),
            paired_region: status
                .paired_region
                .as_ref()
                .map(|(name, source)| PairedRegionStatus { name: name.clone(), source: source.clone() }),
            document: status.document.as_ref().map(|document| DocumentStatus {
                cloud: document.cloud.to_string(),
                change_number: document.change_number,
                digest: document.digest.to_string(),
            }),
            edition: status.edition.clone(),
            pending: status.targets.iter().map(|target| target.add + target.remove + target.held).sum(),
            targets: status.targets.iter().map(target).collect(),
            retiring: status
                .retiring
                .iter()
                .map(|(address, since)| Retiring { prefix: address.to_string(), since: Time(*since) })
                .collect(),
            retiring_not_listed: status.retiring_not_listed,
            orphaned_targets: status
                .orphaned
                .iter()
                .map(|orphaned| OrphanedTarget {
                    id: orphaned.id.to_string(),
                    entries: orphaned.entries,
                    pending_hash: orphaned.pending_hash.clone(),
                })
                .collect(),
            lists: status.lists.iter().map(list).collect(),
            approvals: status
                .approvals
                .iter()
                .map(|word| ApprovalStatus {
                    hash: word.approval.hash.clone(),
                    state: word.state.name().to_owned(),
                    message: word.message.clone(),
                })
                .collect(),
            last_handled_reconcile_at: status.handled.clone().unwrap_or_default(),
        }
    }
}

fn list(list: &project::ListStatus) -> ListStatus {
    let project::ListStatus { name, path, state, message, ipv4, ipv6, hosts, retiring, changed_at } = list.clone();
    ListStatus { name, path, state, message, ipv4, ipv6, hosts, retiring, changed_at: changed_at.map(Time) }
}

impl From<ListStatus> for project::ListStatus {
    fn from(list: ListStatus) -> Self {
        let ListStatus { name, path, state, message, ipv4, ipv6, hosts, retiring, changed_at } = list;
        Self { name, path, state, message, ipv4, ipv6, hosts, retiring, changed_at: changed_at.map(|at| at.0) }
    }
}

fn condition(condition: &project::Condition) -> Condition {
    Condition {
        type_: condition.kind.name().to_owned(),
        status: if condition.status { "True" } else { "False" }.to_owned(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        observed_generation: Some(condition.observed_generation),
        last_transition_time: Time(condition.since),
    }
}

fn target(target: &project::TargetStatus) -> TargetStatus {
    TargetStatus {
        id: target.id.to_string(),
        state: target.state.to_owned(),
        message: target.message.clone(),
        entries: target.entries,
        capacity: target.limit,
        add: target.add,
        remove: target.remove,
        held: target.held,
        removed: target.removed,
        conflicts: target.conflicts.clone(),
        conflicts_not_listed: target.conflicts_not_listed,
        warnings: target
            .warnings
            .iter()
            .map(|note| Warning { code: note.code.to_owned(), message: note.message.clone() })
            .collect(),
        pending_hash: target.pending_hash.clone(),
    }
}
