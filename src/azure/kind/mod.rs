//! One file a kind of target. Each is pure: an ARM object in, an observation out; a step in, a write out.
//!
//! Must not send anything.

pub mod ip_group;
pub mod policy_rules;
pub mod route_table;

use azure_mgmt_network::package_2024_03::models;
use serde_json::Value;

use crate::domain::plan::{Observed, Step, TargetInput};
use crate::domain::resource_id::{ResourceId, TargetKind};

/// A request that changes exactly one thing that is wholly ours.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    PutRoute { table: ResourceId, name: String, route: Box<models::Route> },
    DeleteRoute { table: ResourceId, name: String },
    PutIpGroup { id: ResourceId, group: Box<models::IpGroup> },
}

impl Write {
    pub fn takes_away(&self) -> bool {
        matches!(self, Self::DeleteRoute { .. })
    }

    /// The top-level resource that it changes.
    pub fn target(&self) -> &ResourceId {
        match self {
            Self::PutRoute { table, .. } | Self::DeleteRoute { table, .. } => table,
            Self::PutIpGroup { id, .. } => id,
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
    /// The request that carries steps out. `observed` is what stood there before them. A kind that is written one entry
    /// at a time is asked with one step, a kind that is written as a whole with all of them.
    fn request(&self, input: &TargetInput, steps: &[Step], observed: &Observed) -> Option<Write>;
}

/// The file that knows a kind.
pub fn of(kind: TargetKind) -> &'static dyn Kind {
    match kind {
        TargetKind::RouteTable => &route_table::RouteTable,
        TargetKind::IpGroup => &ip_group::IpGroup,
    }
}
