//! One file a kind of target. Each is pure: an ARM object in, an observation out; a step in, a write out.
//!
//! Must not send anything.

pub mod ip_group;
pub mod policy_rules;
pub mod route_table;
pub mod rule_collection_group;
pub mod security_group;

use azure_mgmt_network::package_2024_03::models;
use serde_json::Value;

use crate::domain::plan::{Observed, Step, TargetInput};
use crate::domain::resource_id::{ResourceId, TargetKind};
use crate::domain::rule::Place;

/// A request that changes exactly one thing that is wholly ours.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    PutRoute {
        table: ResourceId,
        name: String,
        route: Box<models::Route>,
    },
    DeleteRoute {
        table: ResourceId,
        name: String,
    },
    PutIpGroup {
        id: ResourceId,
        group: Box<models::IpGroup>,
    },
    /// In a firewall policy, whose id stands for it.
    PutRuleCollectionGroup {
        policy: ResourceId,
        name: String,
        group: Box<models::FirewallPolicyRuleCollectionGroup>,
    },
    DeleteRuleCollectionGroup {
        policy: ResourceId,
        name: String,
    },
    PutSecurityRule {
        group: ResourceId,
        name: String,
        rule: Box<models::SecurityRule>,
    },
    DeleteSecurityRule {
        group: ResourceId,
        name: String,
    },
}

/// A write, and the steps that it carries out.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub steps: Vec<Step>,
    pub write: Write,
}

impl Write {
    pub fn takes_away(&self) -> bool {
        matches!(
            self,
            Self::DeleteRoute { .. } | Self::DeleteRuleCollectionGroup { .. } | Self::DeleteSecurityRule { .. }
        )
    }

    /// The top-level resource that it changes.
    pub fn target(&self) -> &ResourceId {
        match self {
            Self::PutRoute { table, .. } | Self::DeleteRoute { table, .. } => table,
            Self::PutIpGroup { id, .. } => id,
            Self::PutRuleCollectionGroup { policy, .. } | Self::DeleteRuleCollectionGroup { policy, .. } => policy,
            Self::PutSecurityRule { group, .. } | Self::DeleteSecurityRule { group, .. } => group,
        }
    }

    /// The child that it writes, by its name; of a body that is written as a whole, the target's name.
    pub fn entry(&self) -> &str {
        match self {
            Self::PutRoute { name, .. }
            | Self::DeleteRoute { name, .. }
            | Self::PutRuleCollectionGroup { name, .. }
            | Self::DeleteRuleCollectionGroup { name, .. }
            | Self::PutSecurityRule { name, .. }
            | Self::DeleteSecurityRule { name, .. } => name,
            Self::PutIpGroup { id, .. } => &id.name,
        }
    }
}

/// An ARM object that is not what its kind looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Azure's answer for {id} cannot be read: {what}")]
pub struct UnreadableResource {
    pub id: ResourceId,
    pub what: String,
}

/// What has to be known about a kind of target.
pub trait Kind: Send + Sync {
    /// Reads a GET's body.
    fn observe(&self, id: &ResourceId, body: &Value) -> Result<Observed, UnreadableResource>;
    /// The requests that carry steps out, in their order: one an entry, one a rule, or one for a whole body. `observed` is
    /// what stood there before them. `None`: no such body is written.
    fn requests(&self, input: &TargetInput, steps: &[Step], observed: &Observed) -> Option<Vec<Request>>;
}

/// The file that knows a kind.
pub fn of(kind: TargetKind) -> &'static dyn Kind {
    match kind {
        TargetKind::RouteTable => &route_table::RouteTable,
        TargetKind::IpGroup => &ip_group::IpGroup,
        TargetKind::RuleCollectionGroup => &rule_collection_group::RuleCollectionGroup,
        TargetKind::SecurityGroup => &security_group::SecurityGroup,
    }
}

/// A place in a rule: a prefix, one address, a tag or an IP group. `None`: a range, or nothing that amlnet writes.
fn place(text: &str) -> Option<Place> {
    let alone = text.parse::<std::net::IpAddr>().ok().map(|alone| if alone.is_ipv4() { 32 } else { 128 });
    match alone {
        Some(length) => format!("{text}/{length}").parse().ok().map(Place::Prefix),
        None if text.contains('-') && text.starts_with(|c: char| c.is_ascii_digit()) => None,
        None => text.parse().ok(),
    }
}
