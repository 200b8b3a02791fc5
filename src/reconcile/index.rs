//! Pure: all objects and all documents in, one input per target out.
//!
//! The unit of work is a target, not an AmlNetwork: several Networks may name one table.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;

use crate::domain::approval::Word;
use crate::domain::demand;
use crate::domain::desired::{self, Contribution, Wishes};
use crate::domain::intent::{Asked, Installation, Intent, ObjectKey, RouteTableIntent};
use crate::domain::members;
use crate::domain::memory::TargetMemory;
use crate::domain::outbound::{
    FirewallPolicyIntent, IpGroupIntent, Outbound, Priorities, RuleAddressing, SecurityGroupIntent,
};
use crate::domain::plan::{Departure, Former, TargetInput};
use crate::domain::region::Regions;
use crate::domain::requirement::Tables;
use crate::domain::resolve::Unresolved;
use crate::domain::resource_id::ResourceId;
use crate::domain::rule;
use crate::domain::scope::{OutOfScope, Scopes};
use crate::domain::service_tags::Document;
use crate::store::{Held, World};

/// The document in force for each feed, or why there is none.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    pub by_feed: BTreeMap<String, Result<Arc<Document>, String>>,
    /// Feeds whose document may lack what the last one had, and why. Their targets lose nothing.
    pub no_removals: BTreeMap<String, String>,
    /// Of the files in force.
    pub file_dates: BTreeMap<String, Date>,
    /// One document for every feed: `--tags FILE`.
    pub instead: Option<Arc<Document>>,
    /// What is to be said about approvals of documents.
    pub words: Vec<Word>,
    /// What was resolved with them: most Networks of a region ask for the same.
    pub resolved: Resolved,
}

/// Wishes by what they follow from. A memory and nothing else: with it or without, the same comes out.
#[derive(Debug, Default)]
pub struct Resolved(Mutex<BTreeMap<String, Result<Arc<Wishes>, Unresolved>>>);

impl Clone for Resolved {
    /// A copy of `Documents` is made to be changed.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Resolved {
    fn wishes(
        &self,
        intent: &Intent,
        asked: Asked<'_>,
        document: &Document,
        setting: &Setting,
    ) -> Result<Arc<Wishes>, Unresolved> {
        let Intent { region, paired_region, families, services, .. } = intent;
        let rows = |outbound: &Outbound| {
            let Outbound { edition, profiles, parameters, exclude, additional, .. } = outbound;
            format!("{edition:?} {profiles:?} {parameters:?} {exclude:?} {additional:?}")
        };
        let asks = match asked {
            Asked::Table(RouteTableIntent { next_hop, addressing, default_route, .. }) => {
                format!("{services:?} {next_hop:?} {addressing:?} {default_route:?}")
            }
            Asked::Group(outbound, IpGroupIntent { requirement, .. }) => {
                format!("{requirement:?} {}", rows(outbound))
            }
            Asked::Policy(outbound, FirewallPolicyIntent { addressing, .. }) => {
                let by_groups = (*addressing == RuleAddressing::IpGroups).then_some(&outbound.ip_groups);
                format!("policy {addressing:?} {:?} {by_groups:?} {}", outbound.sources, rows(outbound))
            }
            Asked::SecurityGroup(outbound, SecurityGroupIntent { directions, .. }) => {
                format!("security {directions:?} {:?} {}", outbound.sources, rows(outbound))
            }
        };
        let Document { digest, change_number, .. } = document;
        let key = format!("{digest} {change_number} {region:?} {paired_region:?} {families:?} {asks}");
        let Setting { regions, requirements, installation, .. } = setting;
        let resolve = || match asked {
            Asked::Table(table) => desired::wishes(intent, table, document, regions),
            Asked::Group(outbound, group) => members::wishes(intent, outbound, group, document, regions, requirements),
            Asked::Policy(outbound, policy) => {
                rule::firewall::wishes(intent, outbound, policy, installation, document, regions, requirements)
            }
            Asked::SecurityGroup(outbound, group) => {
                rule::security::wishes(intent, outbound, group, installation, document, regions, requirements)
            }
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(key).or_insert_with(|| resolve().map(Arc::new)).clone()
    }
}

impl Documents {
    pub(super) fn of(&self, feed: &str) -> Result<&Document, Unresolved> {
        if let Some(document) = &self.instead {
            return Ok(document);
        }
        match self.by_feed.get(feed) {
            Some(Ok(document)) => Ok(document),
            Some(Err(why)) => Err(Unresolved::NoDocument { feed: feed.to_owned(), why: why.clone() }),
            None => Err(Unresolved::NoDocument {
                feed: feed.to_owned(),
                why: "there is no ServiceTagFeed of this name (FeedMissing)".to_owned(),
            }),
        }
    }
}

/// What stays the same while amlnet runs.
#[derive(Debug, Clone)]
pub struct Setting {
    pub installation: Installation,
    pub regions: Arc<Regions>,
    pub requirements: Tables,
    /// Why nothing is ever removed, if so: `plan` and `apply` without `--state` have no memory.
    pub no_memory: Option<&'static str>,
    /// What it means that a Network which is remembered is not there.
    pub absent: Absent,
    /// Why nothing is written to Azure, if so.
    pub read_only: Option<&'static str>,
    /// What the Networks of each namespace may name.
    pub scopes: Arc<Scopes>,
}

/// What it means that a Network is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// All Networks were to be given, so it was deleted.
    Deleted,
    /// Only some Networks were given.
    NotGiven,
    /// It went without asking for anything: who wants its entries removed has a finalizer, and is seen to leave.
    Retained,
}

/// What is remembered, by target.
pub type Memories = BTreeMap<ResourceId, TargetMemory>;

/// The Networks that name something outside their scope, and why. Nothing is done for them.
pub fn out_of_scope(world: &World, setting: &Setting) -> BTreeMap<ObjectKey, OutOfScope> {
    let checked = world.networks.iter().filter_map(|(key, held)| {
        let why = check_scope(key, &held.object.intent, world, setting).err()?;
        Some((key.clone(), why))
    });
    checked.collect()
}

/// Whether a Network may name what it names.
pub(super) fn check_scope(
    key: &ObjectKey,
    intent: &Intent,
    world: &World,
    setting: &Setting,
) -> Result<(), OutOfScope> {
    if setting.scopes.is_any() {
        return Ok(());
    }
    let cloud = world.feeds.get(&intent.feed).map(|feed| feed.object.intent.cloud);
    setting.scopes.check(&key.namespace, &demand::demands(intent, &setting.requirements, &setting.regions, cloud))
}

/// The input of every target that some Network names within its scope, or where one that named it left something.
pub fn index(
    world: &World,
    documents: &Documents,
    memories: &Memories,
    setting: &Setting,
) -> BTreeMap<ResourceId, TargetInput> {
    let unreadable = world.undecodable.first();
    let unreadable = unreadable.map(|first| format!("an object cannot be read, and might need it ({first})"));
    let new = |id: &ResourceId| TargetInput {
        removals_frozen: unreadable.clone(),
        no_memory: setting.no_memory.map(str::to_owned),
        read_only: setting.read_only.map(str::to_owned),
        ..TargetInput::new(id.clone(), setting.installation.clone(), Vec::new())
    };
    let refused = out_of_scope(world, setting);
    let mut targets: BTreeMap<ResourceId, TargetInput> = BTreeMap::new();
    for held in world.networks.values().filter(|held| !refused.contains_key(&held.object.key)) {
        for asked in held.object.intent.asked() {
            let input = targets.entry(asked.id().clone()).or_insert_with(|| new(asked.id()));
            if let Some(why) = documents.no_removals.get(&held.object.intent.feed) {
                input.no_memory.get_or_insert_with(|| why.clone());
            }
            let key = || held.object.key.clone();
            match asked {
                Asked::Group(_, IpGroupIntent { create: Some(location), .. }) => {
                    input.create.insert(key(), location.clone());
                }
                Asked::Policy(_, FirewallPolicyIntent { priority, .. }) => {
                    input.priorities.insert(key(), Priorities { from: *priority, to: *priority });
                }
                Asked::SecurityGroup(_, SecurityGroupIntent { priorities, .. }) => {
                    input.priorities.insert(key(), *priorities);
                }
                Asked::Table(_) | Asked::Group(..) => {}
            }
            input.contributions.push(contribution(held, asked, documents, setting));
        }
    }
    for (id, memory) in memories {
        let is_named = targets.contains_key(id);
        let mut input = targets.remove(id).unwrap_or_else(|| new(id));
        let is_outside = |key: &ObjectKey| refused.contains_key(key) || !setting.scopes.reaches(&key.namespace, id);
        add_those_who_left(&mut input, memory, world, setting, &is_outside);
        if is_named || !input.departed.is_empty() || is_left_to(memory, world, setting, &is_outside) {
            targets.insert(id.clone(), input);
        }
    }
    targets
}

/// What is known of Networks that contributed once and do no longer.
///
/// Whoever is outside the scope now has not left: what it needed when it was allowed stays, and nobody takes it away.
fn add_those_who_left(
    input: &mut TargetInput,
    memory: &TargetMemory,
    world: &World,
    setting: &Setting,
    is_outside: &dyn Fn(&ObjectKey) -> bool,
) {
    let is_present = |key: &ObjectKey| input.contributions.iter().any(|c| c.network == *key);
    let gone: Vec<&ObjectKey> = memory.contributors.keys().filter(|key| !is_present(key)).collect();
    let owners = memory.owners().into_iter().filter(|key| !is_present(key));
    for held in owners.chain(gone.iter().copied()).filter_map(|key| world.networks.get(key)) {
        let intent = &held.object.intent;
        let former = Former { mode: intent.mode, suspended: intent.suspended, removal: intent.removal };
        input.former.insert(held.object.key.clone(), former);
    }
    if setting.absent == Absent::Retained {
        let still_deletes = |key: &&ObjectKey| world.leaving.get(*key).is_some_and(|leaving| leaving.deletes);
        input.retained = memory.deleting.values().filter(|key| !still_deletes(key)).cloned().collect();
    }
    if let Some((key, _)) = world.unclaimed.iter().find(|(_, named)| named.contains(&input.id)) {
        let why = format!("the AmlNetwork {key}, which is not claimed yet, names it too");
        input.removals_frozen.get_or_insert(why);
        return;
    }
    // An object that cannot be read may be the one that seems to be gone.
    if !world.undecodable.is_empty() {
        return;
    }
    for key in gone {
        if is_outside(key) {
            let why = format!(
                "the scope of the AmlNetwork {key} allows this target no longer, and what it needed is kept; to give \
                 it up, allow the target to the namespace {} until the AmlNetwork has left it",
                key.namespace
            );
            input.removals_frozen.get_or_insert(why);
            continue;
        }
        let departure = match world.networks.get(key) {
            // Its last good text counts until the new one can be read.
            Some(held) if held.broken.is_some() => None,
            Some(_) => Some(Departure::TakenOut),
            None if world.leaving.contains_key(key) => {
                let deletes = world.leaving[key].deletes;
                Some(if deletes { Departure::DeletedWithEntries } else { Departure::TakenOut })
            }
            None if world.unusable(key).is_some() => None,
            None if setting.absent == Absent::Retained => Some(Departure::TakenOut),
            // Nothing found never means delete: an empty folder is rather one that was not mounted.
            None if setting.absent == Absent::Deleted && !(world.networks.is_empty() && world.feeds.is_empty()) => {
                Some(Departure::Deleted)
            }
            None => None,
        };
        if let Some(departure) = departure {
            input.departed.insert(key.clone(), departure);
        } else {
            let why = world.unusable(key).map_or_else(
                || format!("the AmlNetwork {key} is not among what was given, and what it needs is kept"),
                |why| format!("{why}, and what it needs is kept"),
            );
            input.removals_frozen.get_or_insert(why);
        }
    }
}

/// Whether a target that nobody names is looked at: somebody left entries there. Where only some Networks were given,
/// theirs count. It is not where all who could be meant are outside their scope.
fn is_left_to(
    memory: &TargetMemory,
    world: &World,
    setting: &Setting,
    is_outside: &dyn Fn(&ObjectKey) -> bool,
) -> bool {
    let owners = memory.owners();
    let mut all = memory.contributors.keys().chain(owners.iter().copied()).peekable();
    if all.peek().is_some() && all.all(is_outside) {
        return false;
    }
    let everybody = setting.absent != Absent::NotGiven;
    let has_leftovers = memory.unexplained.len() + memory.released.len() > 0 || !owners.is_empty();
    let is_given = owners.iter().any(|key| world.networks.contains_key(key));
    if everybody { has_leftovers || !memory.contributors.is_empty() } else { is_given }
}

/// What one Network asks of one target.
pub fn contribution(
    held: &Held<crate::api::read::Network>,
    asked: Asked<'_>,
    documents: &Documents,
    setting: &Setting,
) -> Contribution {
    let network = &held.object;
    let outcome = documents
        .of(&network.intent.feed)
        .and_then(|document| documents.resolved.wishes(&network.intent, asked, document, setting));
    Contribution {
        network: network.key.clone(),
        generation: network.generation,
        mode: network.intent.mode,
        suspended: network.intent.suspended,
        deletion_policy: network.intent.deletion_policy,
        removal: network.intent.removal,
        growth: network.intent.growth,
        clocks_may_start: !documents.no_removals.contains_key(&network.intent.feed),
        outcome,
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
