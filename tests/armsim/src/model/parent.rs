//! What route tables and network security groups have in common: one resource of the network provider's first back end
//! with children that can be written one by one, one etag for all of it, one operation at a time. Values, and what a
//! kind must tell about itself; what requests do is in `parent_write`.

use super::{
    arm_id::ResourceId,
    error::ApiError,
    history::{History, States},
    operation::Work,
    settings::{Behaviour, Latencies, Span},
    world::World,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, sync::Arc};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProvisioningState {
    Succeeded,
    Updating,
    Deleting,
    Failed,
}

impl fmt::Display for ProvisioningState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A route or a security rule.
pub trait Child: Clone + fmt::Debug + PartialEq {
    fn name(&self) -> &str;
    fn state(&self) -> ProvisioningState;
    fn set_state(&mut self, state: ProvisioningState);
    /// Whether a PUT of the one leaves the other as it is.
    fn asks_for_the_same(&self, other: &Self) -> bool;
}

/// What a parent has of its own.
pub trait Kind: Clone + fmt::Debug + PartialEq + 'static {
    type Child: Child;
}

#[derive(Clone, Debug)]
pub struct Parent<K: Kind> {
    pub id: ResourceId,
    pub location: String,
    pub tags: Option<BTreeMap<String, String>>,
    pub etag: String,
    pub state: ProvisioningState,
    pub children: Vec<Arc<K::Child>>,
    pub own: K,
    pub(super) resource_guid: String,
    pub(super) subnets: Vec<String>,
    /// Lists of others that refer to it, by the name of the property.
    pub(super) users: BTreeMap<&'static str, Vec<Value>>,
    /// The running operation.
    pub(super) operation: Option<String>,
}

/// What an operation does to a parent when it ends, and what to return to when it fails.
#[derive(Clone, Debug)]
pub(super) enum Change<K: Kind> {
    Put { previous: Option<Box<Parent<K>>> },
    Delete,
    PutChild { name: String, previous: Option<Arc<K::Child>> },
    DeleteChild { name: String },
}

/// How the end of an operation leaves what it wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    Undone,
    /// Written, but `Failed`.
    LeftFailed,
}

pub(super) struct Names {
    /// `Microsoft.Network/routeTables`
    pub(super) kind: &'static str,
    /// `routes`
    pub(super) children: &'static str,
    pub(super) put: &'static str,
    pub(super) delete: &'static str,
    pub(super) put_child: &'static str,
    pub(super) delete_child: &'static str,
}

impl Names {
    pub(super) fn operation<K: Kind>(&self, change: &Change<K>) -> &'static str {
        match change {
            Change::Put { .. } => self.put,
            Change::Delete => self.delete,
            Change::PutChild { .. } => self.put_child,
            Change::DeleteChild { .. } => self.delete_child,
        }
    }

    pub(super) fn operations(&self) -> [&'static str; 4] {
        [self.put, self.delete, self.put_child, self.delete_child]
    }
}

/// What a PUT of a parent may say. Everything else (id, etag, provisioningState …) is read-only and ignored, as ARM does.
#[derive(Debug, Deserialize)]
pub(super) struct ParentBody<P> {
    pub(super) location: Option<String>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) properties: Option<P>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ChildBody<P> {
    pub(super) name: Option<String>,
    pub(super) properties: Option<P>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SubnetBody {
    pub(super) id: String,
}

/// The properties of a body, taken apart.
pub(super) struct Parts<K: Written> {
    pub(super) own: K,
    pub(super) children: Vec<ChildBody<K::ChildProperties>>,
    /// Read-only in ARM; the world file and the control interface give them.
    pub(super) subnets: Option<Vec<SubnetBody>>,
    /// The same.
    pub(super) users: BTreeMap<&'static str, Vec<Value>>,
}

/// Where a child stands that a body asks for.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) world: &'a World,
    pub(super) parent: &'a ResourceId,
    pub(super) location: &'a str,
}

/// What requests need to know of a kind.
pub(super) trait Written: Kind {
    type Properties: DeserializeOwned + Default;
    type ChildProperties: DeserializeOwned;
    const NAMES: Names;

    fn all(world: &World) -> &BTreeMap<String, Parent<Self>>;
    fn all_mut(world: &mut World) -> &mut BTreeMap<String, Parent<Self>>;
    fn states(history: &mut History) -> &mut States<Self::Child>;
    fn work(id: ResourceId, change: Change<Self>) -> Work;
    /// Of the whole and of a child.
    fn latencies(latencies: &Latencies) -> (Span, Span);
    /// The seconds that an accepted write asks to wait.
    fn retry_after(behaviour: &Behaviour) -> u64;
    fn parts(properties: Self::Properties) -> Parts<Self>;
    /// The child that a body asks for, in state `Updating`.
    fn child(spot: Spot<'_>, name: &str, body: ChildBody<Self::ChildProperties>) -> Result<Self::Child, ApiError>;
    fn check_conflict(child: &Self::Child, others: &[Arc<Self::Child>]) -> Result<(), ApiError>;
    fn check_limits(world: &World, id: &ResourceId, children: &[Arc<Self::Child>]) -> Result<(), ApiError>;
    fn check_unused(parent: &Parent<Self>) -> Result<(), ApiError>;
    fn view(parent: &Parent<Self>, api_version: &str) -> impl Serialize;
    fn child_view(parent: &Parent<Self>, child: &Self::Child) -> impl Serialize;
}

impl<K: Kind> Parent<K> {
    /// As headers and bodies show it.
    pub(super) fn weak_etag(&self) -> String {
        format!("W/\"{}\"", self.etag)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.children.iter().position(|present| present.name().eq_ignore_ascii_case(name))
    }

    pub(super) fn child(&self, name: &str) -> Option<&Arc<K::Child>> {
        self.position(name).map(|at| &self.children[at])
    }

    pub(super) fn others(&self, name: &str) -> Vec<Arc<K::Child>> {
        self.children.iter().filter(|other| !other.name().eq_ignore_ascii_case(name)).cloned().collect()
    }

    pub(super) fn set_child(&mut self, child: Arc<K::Child>) {
        match self.position(child.name()) {
            Some(at) => self.children[at] = child,
            None => self.children.push(child),
        }
    }

    pub(super) fn remove_child(&mut self, name: &str) {
        self.children.retain(|child| !child.name().eq_ignore_ascii_case(name));
    }

    pub(super) fn set_child_state(&mut self, name: &str, state: ProvisioningState) {
        if let Some(at) = self.position(name) {
            Arc::make_mut(&mut self.children[at]).set_state(state);
        }
    }

    pub(super) fn settle(&mut self, state: ProvisioningState) {
        for child in self.children.iter_mut().filter(|child| child.state() != ProvisioningState::Succeeded) {
            Arc::make_mut(child).set_state(state);
        }
    }

    pub(super) fn has_failed_child(&self) -> bool {
        self.children.iter().any(|child| child.state() == ProvisioningState::Failed)
    }
}

#[derive(Serialize)]
pub(super) struct SubnetView<'a> {
    id: &'a str,
}

impl<'a> SubnetView<'a> {
    pub(super) fn all(ids: &'a [String]) -> Vec<Self> {
        ids.iter().map(|id| Self { id }).collect()
    }
}
