//! From the outcomes of targets to the status of each Network, and into the store.
//!
//! The projection itself is pure (`domain::project`); the writing is what one-time commands do after their work.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::index::{Documents, Setting, check_scope, contribution};
use super::lists::Standings;
use crate::api::read::Network;
use crate::api::status::AmlNetworkStatus;
use crate::domain::approval::{self, Word};
use crate::domain::intent::ObjectKey;
use crate::domain::outcome::Outcome;
use crate::domain::project::{self, NetworkStatus, Subject};
use crate::domain::resource_id::ResourceId;
use crate::store::{Held, Store, StoreError, World};

/// What statuses are made from.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    pub world: &'a World,
    pub documents: &'a Documents,
    pub outcomes: &'a BTreeMap<ResourceId, Outcome>,
    /// What is to be said about approvals.
    pub words: &'a [Word],
    /// How the lists stand; `None` where it was not looked at them, and what was said before is still true.
    pub lists: Option<&'a Standings>,
}

/// The status of one Network. `None` if it is not in the world.
pub fn of_network(
    key: &ObjectKey,
    seen: Seen<'_>,
    setting: &Setting,
    old: Option<&NetworkStatus>,
    now: Timestamp,
) -> Option<NetworkStatus> {
    let Seen { world, documents, outcomes, words, lists } = seen;
    let (generation, subject) = match world.networks.get(key) {
        Some(held) => {
            let scope = check_scope(key, &held.object.intent, world, setting);
            let subject = match (&held.broken, scope) {
                (Some(why), _) => Subject::Invalid(why.clone()),
                (None, Err(why)) => Subject::OutOfScope(why),
                (None, Ok(())) => Subject::Valid(
                    held.object
                        .intent
                        .asked()
                        .map(|asked| {
                            let contribution = contribution(held, asked, documents, setting);
                            (asked.id().clone(), contribution, outcomes.get(asked.id()).cloned())
                        })
                        .collect(),
                ),
            };
            (held.object.generation, subject)
        }
        None if world.leaving.contains_key(key) => {
            let names = |outcome: &Outcome| {
                outcome.memory.contributors.contains_key(key)
                    || outcome.memory.deleting.values().any(|owner| owner == key)
            };
            let left = outcomes.iter().filter(|(_, outcome)| names(outcome));
            let left = left.map(|(id, outcome)| (id.clone(), Some(outcome.clone()))).collect();
            (world.leaving[key].generation, Subject::Leaving(left))
        }
        None => {
            let broken = world.undecodable.iter().find(|object| object.network.as_ref() == Some(key))?;
            (broken.generation, Subject::Invalid(broken.to_string()))
        }
    };
    let mut status = project::project(&setting.installation, key, generation, &subject, old, now);
    let outbound = world.networks.get(key).and_then(|held| held.object.intent.outbound.as_ref());
    // What cannot be read now keeps the edition too.
    let before = old.filter(|_| !world.networks.contains_key(key)).and_then(|old| old.edition.clone());
    status.edition = outbound.map(|outbound| outbound.edition.clone()).or(before);
    status.orphaned = outcomes.values().filter_map(|outcome| project::orphaned(outcome, key)).collect();
    let is_its_own = |word: &&Word| word.approval.subject == approval::Subject::Network(key.clone());
    status.approvals = words.iter().filter(is_its_own).take(project::LIST_CAP).cloned().collect();
    let names_lists = |held: &Held<Network>| held.object.intent.outbound.as_ref().is_some_and(|o| !o.lists.is_empty());
    if !world.networks.get(key).is_some_and(names_lists) {
        return Some(status);
    }
    let lists = match lists {
        Some(lists) => lists.get(key).cloned(),
        None => old.map(|old| old.lists.clone()),
    };
    let suspended = world.networks.get(key).is_some_and(|held| held.object.intent.suspended);
    Some(status.with_lists(lists.unwrap_or_default(), suspended, old, now))
}

/// The Networks of a world, also those that cannot be read.
pub fn networks(world: &World) -> Vec<ObjectKey> {
    let mut keys: Vec<ObjectKey> = world.networks.keys().cloned().collect();
    keys.extend(world.leaving.keys().cloned());
    keys.extend(world.undecodable.iter().filter_map(|object| object.network.clone()));
    keys.sort();
    keys.dedup();
    keys
}

/// What of a written status the next projection rests on: the times of its conditions.
pub fn restore(setting: &Setting, written: &AmlNetworkStatus) -> NetworkStatus {
    let conditions = written.conditions.iter().filter_map(|condition| {
        let kind = project::ConditionType::ALL.into_iter().find(|kind| kind.name() == condition.type_)?;
        Some(project::Condition {
            kind,
            status: condition.status == "True",
            reason: condition.reason.clone(),
            message: condition.message.clone(),
            observed_generation: condition.observed_generation.unwrap_or_default(),
            since: condition.last_transition_time.0,
        })
    });
    NetworkStatus {
        installation: setting.installation.clone(),
        observed_generation: written.observed_generation,
        conditions: conditions.collect(),
        paired_region: None,
        document: None,
        edition: written.edition.clone(),
        targets: Vec::new(),
        retiring: Vec::new(),
        retiring_not_listed: 0,
        orphaned: Vec::new(),
        approvals: Vec::new(),
        lists: written.lists.iter().cloned().map(Into::into).collect(),
        handled: Some(written.last_handled_reconcile_at.clone()).filter(|value| !value.is_empty()),
    }
}

/// Writes the status of every Network of a world. For one-time commands.
pub fn write_all(store: &dyn Store, seen: Seen<'_>, setting: &Setting, now: Timestamp) -> Result<(), StoreError> {
    write_some(store, networks(seen.world).iter(), seen, setting, now)
}

/// Writes the statuses of these Networks.
pub fn write_some<'a>(
    store: &dyn Store,
    networks: impl IntoIterator<Item = &'a ObjectKey>,
    seen: Seen<'_>,
    setting: &Setting,
    now: Timestamp,
) -> Result<(), StoreError> {
    for key in networks {
        let old = store.read_status(key).map(|written| restore(setting, &written));
        if let Some(new) = of_network(key, seen, setting, old.as_ref(), now) {
            store.write_status(key, &(&new).into())?;
        }
    }
    Ok(())
}
