//! Pure: what the watches have told, and the `World` and the approvals that follow from it.
//!
//! An object that cannot be read keeps its last good text, is reported, and stops no other. Must not talk to anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Timestamp;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::compact::Compact;
use crate::api::RECONCILE_AT;
use crate::api::read::{self, Any, Approved, Object};
use crate::domain::approval::{Approval, DEFAULT_EXPIRY, Subject};
use crate::domain::intent::{DeletionPolicy, Mode, ObjectKey};
use crate::store::{Held, Leaving, StoreError, Undecodable, World};

/// Keeps a Network until what its deletionPolicy asks for is done.
pub const FINALIZER: &str = "amlnet.dev/cleanup";

/// The kinds that are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Network,
    Feed,
    Approval,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Network, Self::Feed, Self::Approval];

    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "AmlNetwork",
            Self::Feed => "ServiceTagFeed",
            Self::Approval => "PlanApproval",
        }
    }

    pub fn plural(self) -> &'static str {
        match self {
            Self::Network => "amlnetworks",
            Self::Feed => "servicetagfeeds",
            Self::Approval => "planapprovals",
        }
    }
}

/// What is kept of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub uid: String,
    pub resource_version: String,
    pub generation: i64,
    pub is_leaving: bool,
    pub finalizers: Vec<String>,
    pub status: Compact,
    installation: String,
    created: Option<Timestamp>,
    /// What `content` follows from.
    says: Compact,
    content: Result<Any, String>,
    /// The last content that could be read, where the latest cannot.
    last_good: Option<Any>,
}

impl Seen {
    /// Reads an object. `before` is what was seen of the same one.
    pub fn of(kind: Kind, object: &DynamicObject, before: Option<&Self>) -> Self {
        let metadata = &object.metadata;
        let mut value = serde_json::to_value(object).unwrap_or_default();
        // A status is our own, or a newer amlnet's, and says nothing about what is wanted.
        let status = value.as_object_mut().and_then(|object| object.remove("status")).unwrap_or_default();
        let uid = metadata.uid.clone().unwrap_or_default();
        let before = before.filter(|before| before.uid == uid);
        let reconcile_at = metadata.annotations.as_ref().and_then(|annotations| annotations.get(RECONCILE_AT));
        let says = Compact::of(&json!([value["spec"], metadata.generation, reconcile_at]));
        // Nearly every change that is told is one of a status, of our own writing.
        let (content, last_good) = match before.filter(|before| before.says == says) {
            Some(same) => (same.content.clone(), same.last_good.clone()),
            None => {
                let content = content(kind, &value);
                let last_good = || before?.content.clone().ok().or_else(|| before?.last_good.clone());
                let last_good = if content.is_err() { last_good() } else { None };
                (content, last_good)
            }
        };
        Self {
            uid,
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            is_leaving: metadata.deletion_timestamp.is_some(),
            finalizers: metadata.finalizers.clone().unwrap_or_default(),
            installation: status["installation"].as_str().unwrap_or_default().to_owned(),
            status: Compact::of(&status),
            created: metadata.creation_timestamp.as_ref().map(|time| time.0),
            says,
            content,
            last_good,
        }
    }

    /// Resource versions of one object are numbers that grow, with etcd behind the API server.
    fn is_newer_than(&self, object: &DynamicObject) -> bool {
        let version = |text: &str| text.parse::<u64>().ok();
        let other = object.metadata.resource_version.as_deref().and_then(version);
        object.metadata.uid.as_ref() == Some(&self.uid)
            && version(&self.resource_version).zip(other).is_some_and(|(known, other)| known > other)
    }

    /// The installation that handles it; empty where none does yet.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// Whether its latest content can be read.
    pub fn is_readable(&self) -> bool {
        self.content.is_ok()
    }

    pub fn is_kept(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == FINALIZER)
    }

    fn usable(&self) -> Option<&Any> {
        self.content.as_ref().ok().or(self.last_good.as_ref())
    }

    fn network(&self) -> Option<&read::Network> {
        match self.usable() {
            Some(Any::Object(Object::Network(network))) => Some(network),
            _ => None,
        }
    }

    /// Whether its entries are to go with it, as its spec is now.
    pub fn wants_deletion(&self) -> bool {
        let intent = self.network().map(|network| &network.intent);
        intent.is_some_and(|intent| intent.deletion_policy == DeletionPolicy::Delete)
    }

    fn deletes(&self) -> bool {
        let may_write = self.network().is_some_and(|n| n.intent.mode != Mode::Observe && !n.intent.suspended);
        self.wants_deletion() && may_write && self.content.is_ok()
    }

    /// Whether somebody who looks at the world would see a difference.
    fn differs(&self, other: &Self) -> bool {
        let part = |seen: &Self| (seen.is_leaving, seen.is_kept(), seen.installation().to_owned(), seen.generation);
        part(self) != part(other) || self.content != other.content || self.uid != other.uid
    }
}

fn content(kind: Kind, value: &Value) -> Result<Any, String> {
    let any = read::stored(value)
        .map_err(|error| error.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    match (kind, &any) {
        (Kind::Network, Any::Object(Object::Network(_)))
        | (Kind::Feed, Any::Object(Object::Feed(_)))
        | (Kind::Approval, Any::Approval(_)) => Ok(any),
        _ => Err(format!("it is not of kind {}", kind.name())),
    }
}

/// All objects that are watched, as they were told last.
#[derive(Debug)]
pub struct Objects {
    installation: String,
    /// The controller's own: feeds and approvals of feeds count only here.
    namespace: String,
    seen: BTreeMap<(Kind, ObjectKey), Seen>,
    /// Whether the world differs from when it was asked for last.
    differs: bool,
}

impl Objects {
    pub fn new(installation: &str, namespace: &str) -> Self {
        Self {
            installation: installation.to_owned(),
            namespace: namespace.to_owned(),
            seen: BTreeMap::new(),
            differs: false,
        }
    }

    pub fn get(&self, kind: Kind, key: &ObjectKey) -> Option<&Seen> {
        self.seen.get(&(kind, key.clone()))
    }

    pub fn networks(&self) -> impl Iterator<Item = (&ObjectKey, &Seen)> {
        self.seen.iter().filter(|((kind, _), _)| *kind == Kind::Network).map(|((_, key), seen)| (key, seen))
    }

    /// Takes in one object. What is older than what is known, as a watch may tell it, changes nothing.
    pub fn apply(&mut self, kind: Kind, object: &DynamicObject) {
        let id = (kind, key(object));
        let before = self.seen.get(&id);
        if before.is_some_and(|before| before.is_newer_than(object)) {
            return;
        }
        let seen = Seen::of(kind, object, before);
        self.differs |= before.is_none_or(|before| before.differs(&seen));
        self.seen.insert(id, seen);
    }

    /// Takes in what the API server answered to a write. The watch may have told meanwhile that the object is gone, or is
    /// another of the same name: then the answer is about the past.
    pub fn answered(&mut self, kind: Kind, object: &DynamicObject) {
        let known = self.get(kind, &key(object));
        if known.is_some_and(|known| object.metadata.uid.as_ref() == Some(&known.uid)) {
            self.apply(kind, object);
        }
    }

    /// Takes in that an object is gone.
    pub fn delete(&mut self, kind: Kind, key: &ObjectKey) {
        self.differs |= self.seen.remove(&(kind, key.clone())).is_some();
    }

    /// Takes in a complete list of a namespace, or of all.
    pub fn replace(&mut self, kind: Kind, namespace: Option<&str>, objects: &[DynamicObject]) {
        let listed: BTreeSet<ObjectKey> = objects.iter().map(key).collect();
        let is_listed = |key: &ObjectKey| namespace.is_none_or(|namespace| key.namespace == namespace);
        let known = self.seen.keys().filter(|(of, key)| *of == kind && is_listed(key));
        let gone: Vec<ObjectKey> = known.map(|(_, key)| key.clone()).filter(|key| !listed.contains(key)).collect();
        for key in gone {
            self.delete(kind, &key);
        }
        for object in objects {
            self.apply(kind, object);
        }
    }

    /// Whether the world differs from when this was asked last.
    pub fn take_difference(&mut self) -> bool {
        std::mem::take(&mut self.differs)
    }

    /// Everything at this moment.
    pub fn world(&self) -> World {
        let mut world = World::default();
        for ((kind, key), seen) in &self.seen {
            match kind {
                Kind::Network => self.add_network(&mut world, key, seen),
                Kind::Feed if key.namespace == self.namespace => add_feed(&mut world, key, seen),
                Kind::Feed | Kind::Approval => {}
            }
        }
        world
    }

    fn add_network(&self, world: &mut World, key: &ObjectKey, seen: &Seen) {
        let handled_by = seen.installation();
        if !handled_by.is_empty() && handled_by != self.installation {
            world.foreign.insert(key.clone(), handled_by.to_owned());
            return;
        }
        if seen.is_leaving {
            if seen.is_kept() {
                let leaving = Leaving { generation: seen.generation, deletes: seen.deletes() };
                world.leaving.insert(key.clone(), leaving);
            }
            return;
        }
        let place = format!("{} {key}", Kind::Network.name());
        if let Err(why) = &seen.content {
            let (place, message, generation) = (place.clone(), why.clone(), seen.generation);
            world.undecodable.push(Undecodable { place, network: Some(key.clone()), generation, message });
        }
        if handled_by.is_empty() {
            let named = seen.network().into_iter().flat_map(|network| network.intent.asked());
            let named = named.map(|asked| asked.id().clone());
            let named = named.collect();
            world.unclaimed.insert(key.clone(), named);
            return;
        }
        if let Some(network) = seen.network() {
            let broken = seen.content.as_ref().err().cloned();
            // Of a broken one the last good content counts, and still it is this generation of which it is told.
            let object = read::Network { generation: seen.generation, ..network.clone() };
            let held = Held { object, origin: PathBuf::from(place), broken };
            world.networks.insert(key.clone(), held);
        }
    }

    /// The approvals that were given, and those that cannot be read or stand where they approve nothing.
    pub fn approvals(&self) -> (Vec<Approval>, Vec<StoreError>) {
        let (mut approvals, mut problems) = (Vec::new(), Vec::new());
        for ((kind, key), seen) in &self.seen {
            if *kind != Kind::Approval || seen.is_leaving {
                continue;
            }
            let refused = |what: String| StoreError { place: format!("{} {key}", kind.name()), what };
            match &seen.content {
                Ok(Any::Approval(approved)) => match &approved.subject {
                    Subject::Feed(_) if key.namespace != self.namespace => problems.push(refused(format!(
                        "the approval of a feed's document counts only in the controller's namespace, {}",
                        self.namespace
                    ))),
                    _ => approvals.push(approval(approved, seen)),
                },
                Ok(Any::Object(_)) => {}
                Err(why) => problems.push(refused(why.clone())),
            }
        }
        approvals.sort();
        (approvals, problems)
    }
}

/// The name, and the uid: an object of the same name that was made anew is another approval.
fn approval(approved: &Approved, seen: &Seen) -> Approval {
    let expires_at = approved.expires_at.or_else(|| seen.created?.checked_add(DEFAULT_EXPIRY).ok());
    Approval {
        id: format!("{} {}", approved.name, seen.uid),
        subject: approved.subject.clone(),
        hash: approved.hash.clone(),
        approved_by: approved.approved_by.clone(),
        expires_at: expires_at.unwrap_or(Timestamp::UNIX_EPOCH),
    }
}

fn add_feed(world: &mut World, key: &ObjectKey, seen: &Seen) {
    if seen.is_leaving {
        return;
    }
    let place = format!("{} {key}", Kind::Feed.name());
    if let Err(why) = &seen.content {
        let (message, generation) = (why.clone(), seen.generation);
        world.undecodable.push(Undecodable { place, network: None, generation, message });
    }
    if let Some(Any::Object(Object::Feed(feed))) = seen.usable() {
        let broken = seen.content.as_ref().err().cloned();
        // What a file source names without a root is looked for at the root.
        let held = Held { object: feed.clone(), origin: PathBuf::from("/").join(&key.name), broken };
        world.feeds.insert(key.name.clone(), held);
    }
}

/// Takes a Network that no installation handles yet for this one's. Whether it was such a one.
pub fn claim(object: &mut DynamicObject, installation: &str) -> bool {
    let status = &mut object.data["status"];
    let is_unclaimed = status["installation"].as_str().unwrap_or_default().is_empty();
    if is_unclaimed {
        status["installation"] = installation.into();
    }
    is_unclaimed
}

/// Where an object stands.
pub fn key(object: &DynamicObject) -> ObjectKey {
    ObjectKey {
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        name: object.metadata.name.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
#[path = "objects_tests.rs"]
mod tests;
