//! Claims Networks for this installation, and keeps or drops the finalizer that their deletionPolicy asks for.
//!
//! A Network is claimed before anything is done for it, so that two installations never work for the same one. Must not
//! decide when a Network may go: whoever calls `release` did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use kube::Client;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::sync::{Notify, watch};

use super::events::{Events, Told};
use super::objects::{FINALIZER, Kind, Seen};
use super::status;
use super::watch::{Shared, api};
use crate::domain::intent::ObjectKey;
use crate::store::{StoreError, World};

/// So many objects are written at the same time.
const AT_ONCE: usize = 16;
/// What failed is tried again after this.
const AGAIN: Duration = Duration::from_secs(2);

/// What is to be done with one Network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Claim,
    Keep,
    LetGo,
}

/// The beginning and the end of Networks.
pub struct Lifecycle {
    client: Client,
    objects: Shared,
    installation: String,
    /// Networks of which nothing is left.
    released: Mutex<BTreeSet<ObjectKey>>,
    /// What was said about Networks that could not be written.
    failing: Mutex<BTreeMap<ObjectKey, String>>,
    wake: Notify,
    events: Arc<Events>,
}

impl std::fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lifecycle").field("installation", &self.installation).finish_non_exhaustive()
    }
}

impl Lifecycle {
    pub fn new(client: Client, objects: Shared, installation: &str, events: Arc<Events>) -> Self {
        Self {
            client,
            objects,
            installation: installation.to_owned(),
            released: Mutex::default(),
            failing: Mutex::default(),
            wake: Notify::new(),
            events,
        }
    }

    /// Nothing of this Network is left to do.
    pub fn release(&self, key: &ObjectKey) {
        let is_new = self.released.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        if is_new {
            self.wake.notify_one();
        }
    }

    /// Works until it is dropped.
    pub async fn run(&self, mut worlds: watch::Receiver<Arc<World>>) {
        let mut foreign: BTreeMap<ObjectKey, String> = BTreeMap::new();
        loop {
            let world = worlds.borrow_and_update().clone();
            let due = self.due();
            let is_done = due.is_empty();
            let changes = futures::stream::iter(due).map(async |(key, seen, change)| {
                self.change(&key, &seen, change).await;
            });
            changes.buffer_unordered(AT_ONCE).collect::<()>().await;
            self.say_what_is_foreign(&world, &mut foreign).await;
            tokio::select! {
                told = worlds.changed() => if told.is_err() { return },
                () = self.wake.notified() => {}
                () = tokio::time::sleep(AGAIN), if !is_done => {}
            }
        }
    }

    fn due(&self) -> Vec<(ObjectKey, Seen, Change)> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
        released.retain(|key| objects.get(Kind::Network, key).is_some_and(|seen| seen.is_leaving));
        let change = |key: &ObjectKey, seen: &Seen| {
            if seen.installation().is_empty() && !seen.is_leaving {
                Some(Change::Claim)
            } else if seen.installation() != self.installation {
                None
            } else if seen.is_leaving {
                (seen.is_kept() && released.contains(key)).then_some(Change::LetGo)
            } else if !seen.is_readable() {
                // Nobody knows which policy it has now.
                None
            } else {
                match (seen.wants_deletion(), seen.is_kept()) {
                    (true, false) => Some(Change::Keep),
                    (false, true) => Some(Change::LetGo),
                    _ => None,
                }
            }
        };
        objects.networks().filter_map(|(key, seen)| Some((key.clone(), seen.clone(), change(key, seen)?))).collect()
    }

    /// Claims a Network if `is_unclaimed`, and puts its finalizer where its deletionPolicy asks for one, before a command
    /// does anything for it. An error where somebody changed it meanwhile.
    pub async fn begin(&self, key: &ObjectKey, is_unclaimed: bool) -> Result<(), StoreError> {
        let seen = || {
            let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
            objects.get(Kind::Network, key).cloned()
        };
        let send = async |seen: &Seen, change| {
            self.send(key, seen, change).await.map_err(|error| {
                let what = match &error {
                    kube::Error::Api(status) if [404, 409].contains(&status.code) => {
                        "it was changed in the meantime, so nothing was done; do it again".to_owned()
                    }
                    _ => super::explain(&error),
                };
                StoreError { place: format!("{} {key}", Kind::Network.name()), what }
            })
        };
        if let Some(seen) = seen().filter(|_| is_unclaimed) {
            send(&seen, Change::Claim).await?;
        }
        if let Some(seen) = seen().filter(|seen| seen.wants_deletion() && !seen.is_kept()) {
            send(&seen, Change::Keep).await?;
        }
        Ok(())
    }

    async fn change(&self, key: &ObjectKey, seen: &Seen, change: Change) {
        match self.send(key, seen, change).await {
            Ok(()) => {
                self.failing.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
                match change {
                    Change::Claim => tracing::info!(network = %key, "an AmlNetwork is taken"),
                    Change::Keep => tracing::info!(network = %key, "an AmlNetwork gets the finalizer"),
                    Change::LetGo => tracing::info!(network = %key, "an AmlNetwork loses the finalizer"),
                }
            }
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => {}
            Err(error) => {
                let why = format!("{change:?}: {}", super::explain(&error));
                let said = self.failing.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), why.clone());
                if said.as_ref() != Some(&why) {
                    tracing::error!(network = %key, why, "the object cannot be written; tried again until it can");
                }
            }
        }
    }

    async fn send(&self, key: &ObjectKey, seen: &Seen, change: Change) -> Result<(), kube::Error> {
        let api = api(self.client.clone(), Kind::Network, Some(&key.namespace));
        let metadata = json!({"uid": seen.uid, "resourceVersion": seen.resource_version});
        let mut finalizers = seen.finalizers.clone();
        let written = match change {
            Change::Claim => {
                let mut status = Some(seen.status.value()).filter(serde_json::Value::is_object).unwrap_or(json!({}));
                status["installation"] = json!(self.installation);
                status::replace(&api, Kind::Network, key, seen, &status).await?
            }
            Change::Keep | Change::LetGo => {
                finalizers.retain(|finalizer| finalizer != FINALIZER);
                if change == Change::Keep {
                    finalizers.push(FINALIZER.to_owned());
                }
                let mut patch = json!({"metadata": metadata});
                patch["metadata"]["finalizers"] = json!(finalizers);
                api.patch(&key.name, &PatchParams::default(), &Patch::Merge(&patch)).await?
            }
        };
        // The watch tells it again; until then nothing is tried twice.
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).answered(Kind::Network, &written);
        Ok(())
    }

    async fn say_what_is_foreign(&self, world: &World, said: &mut BTreeMap<ObjectKey, String>) {
        for (key, other) in &world.foreign {
            if said.get(key) == Some(other) {
                continue;
            }
            let uid = {
                let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
                objects.get(Kind::Network, key).map(|seen| seen.uid.clone()).unwrap_or_default()
            };
            let note = format!(
                "installation {other} handles this object, so installation {} leaves it alone; to hand it over, stop the \
                 other one and clear status.installation",
                self.installation
            );
            tracing::warn!(network = %key, reason = "OtherInstallation", why = note, "left alone: another installation handles it");
            self.events.publish(Kind::Network, key, &uid, Told::new(false, "OtherInstallation", &note)).await;
        }
        said.clone_from(&world.foreign);
    }
}
