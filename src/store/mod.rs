//! Where objects come from and where status goes: one trait, and a folder of YAML files behind it.
//!
//! Must not plan, and must not talk to Azure.

pub mod audit;
pub mod files;
pub mod kubernetes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use self::audit::AuditLine;
use crate::api::read::{Feed, Network};
use crate::api::status::AmlNetworkStatus;
use crate::domain::approval::Approval;
use crate::domain::intent::ObjectKey;
use crate::domain::list::{List, ListKey};
use crate::domain::memory::TargetMemory;
use crate::domain::resource_id::ResourceId;

/// All objects at one moment, complete. Immutable.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct World {
    pub networks: BTreeMap<ObjectKey, Held<Network>>,
    /// By name: the feeds of a controller are its own, whatever namespace a file gives them.
    pub feeds: BTreeMap<String, Held<Feed>>,
    /// Objects that cannot be read now. While there is one, nothing is removed anywhere: it might be a contributor.
    pub undecodable: Vec<Undecodable>,
    /// Networks that are being deleted and wait for what their deletionPolicy asks for. They are none of `networks`.
    pub leaving: BTreeMap<ObjectKey, Leaving>,
    /// Networks that another installation handles, and which.
    pub foreign: BTreeMap<ObjectKey, String>,
    /// Networks that no installation handles yet, with the targets that they name: nothing is done for them before they
    /// are claimed, and nothing is taken away that they may need.
    pub unclaimed: BTreeMap<ObjectKey, BTreeSet<ResourceId>>,
}

/// A Network that is being deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    pub generation: i64,
    /// Whether its entries are to be removed, by its spec as it is now.
    pub deletes: bool,
}

impl World {
    /// Why nothing can be said about a Network that is neither among `networks` nor leaving, though its object exists.
    pub fn unusable(&self, key: &ObjectKey) -> Option<String> {
        if let Some(other) = self.foreign.get(key) {
            return Some(format!("installation {other} handles the AmlNetwork {key}"));
        }
        self.unclaimed.contains_key(key).then(|| format!("the AmlNetwork {key} is not claimed yet"))
    }
}

/// An object as it was last readable.
#[derive(Debug, Clone, PartialEq)]
pub struct Held<T> {
    pub object: T,
    pub origin: PathBuf,
    /// Why its latest text cannot be used, if so; the last good one still counts.
    pub broken: Option<String>,
}

/// An object, or a whole file, that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    pub place: String,
    pub network: Option<ObjectKey>,
    /// Of the object as it cannot be read.
    pub generation: i64,
    pub message: String,
}

impl std::fmt::Display for Undecodable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// What the controller needs from the place where its objects live.
#[async_trait]
pub trait Store: Send + Sync {
    /// The objects now. The receiver wakes when they change.
    fn world(&self) -> tokio::sync::watch::Receiver<std::sync::Arc<World>>;
    /// What is remembered of a target.
    fn memory(&self, target: &ResourceId) -> TargetMemory;
    /// All targets of which something is remembered.
    fn memories(&self) -> BTreeMap<ResourceId, TargetMemory>;
    /// Remembers. With `for_good` it has reached the disk when this returns; otherwise it may be lost in a crash.
    async fn remember(&self, target: &ResourceId, memory: TargetMemory, for_good: bool) -> Result<(), StoreError>;
    /// Brings to the disk what was remembered.
    async fn save(&self) -> Result<(), StoreError>;
    /// The lists as they are remembered.
    fn lists(&self) -> BTreeMap<ListKey, Arc<List>>;
    /// Remembers a list, or with `None` forgets it. `save` brings it to where it is kept and served from.
    fn remember_list(&self, key: &ListKey, list: Option<List>);
    /// The approvals that were given, and those that cannot be read.
    fn approvals(&self) -> (Vec<Approval>, Vec<StoreError>);
    /// Notes a write that is about to be sent.
    async fn audit_begin(&self, target: &ResourceId, line: &AuditLine) -> Result<(), StoreError>;
    /// Writes the line of a write that has ended.
    async fn audit_end(&self, target: &ResourceId, line: &AuditLine) -> Result<(), StoreError>;
    /// A write to the target of which it was never seen how it ended.
    fn audit_open(&self, target: &ResourceId) -> Option<AuditLine>;
    /// The status that was written last, also before a restart.
    fn read_status(&self, network: &ObjectKey) -> Option<AmlNetworkStatus>;
    /// Writes a status if it differs from what stands there; true if it was written. A store that writes it later counts
    /// by itself.
    fn write_status(&self, network: &ObjectKey, status: &AmlNetworkStatus) -> Result<bool, StoreError>;
    /// Takes away the statuses of Networks that are neither in `world` nor remembered by any target.
    fn forget_statuses(&self, world: &World);
    /// Lets go of a Network that is leaving: nothing of it is left to do.
    fn release(&self, network: &ObjectKey);
}

/// The lists that are served; `None` before it is known what is kept.
pub type Published = Option<Arc<BTreeMap<ListKey, Arc<List>>>>;

/// Why something could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct StoreError {
    pub place: String,
    pub what: String,
}
