//! Pure: all objects and all documents in, one input per target out.
//!
//! The unit of work is a target, not an AmlNetwork: several Networks may name one table.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::desired::{self, Contribution};
use crate::domain::intent::{Installation, RouteTableIntent};
use crate::domain::plan::TargetInput;
use crate::domain::region::Regions;
use crate::domain::resolve::Unresolved;
use crate::domain::resource_id::ResourceId;
use crate::domain::service_tags::Document;
use crate::store::{Held, World};

/// The document in force for each feed, or why there is none.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    pub by_feed: BTreeMap<String, Result<Arc<Document>, String>>,
    /// Feeds whose document may lack what the last one had, and why. Their targets lose nothing.
    pub no_removals: BTreeMap<String, String>,
    /// One document for every feed: `--tags FILE`.
    pub instead: Option<Arc<Document>>,
}

impl Documents {
    fn of(&self, feed: &str) -> Result<&Document, Unresolved> {
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
    /// Why nothing is ever removed, if so: `plan` and `apply` without `--state` have no memory.
    pub no_memory: Option<&'static str>,
}

/// Targets of Networks that are gone, and what to say about it. What such a Network needed is retained.
pub type Retained = BTreeMap<ResourceId, String>;

/// The input of every target that some Network names.
pub fn index(
    world: &World,
    documents: &Documents,
    retained: &Retained,
    setting: &Setting,
) -> BTreeMap<ResourceId, TargetInput> {
    let unreadable = world.undecodable.first();
    let unreadable = unreadable.map(|first| format!("an object cannot be read, and might need it ({first})"));
    let mut targets: BTreeMap<ResourceId, TargetInput> = BTreeMap::new();
    for held in world.networks.values() {
        for table in &held.object.intent.route_tables {
            let input = targets.entry(table.id.clone()).or_insert_with(|| TargetInput {
                id: table.id.clone(),
                installation: setting.installation.clone(),
                contributions: Vec::new(),
                removals_frozen: unreadable.clone().or_else(|| retained.get(&table.id).cloned()),
                no_memory: setting.no_memory.map(str::to_owned),
            });
            if let Some(why) = documents.no_removals.get(&held.object.intent.feed) {
                input.no_memory.get_or_insert_with(|| why.clone());
            }
            input.contributions.push(contribution(held, table, documents, &setting.regions));
        }
    }
    targets
}

/// What one Network asks of one table.
pub fn contribution(
    held: &Held<crate::api::read::Network>,
    table: &RouteTableIntent,
    documents: &Documents,
    regions: &Regions,
) -> Contribution {
    let network = &held.object;
    let outcome = documents
        .of(&network.intent.feed)
        .and_then(|document| desired::wishes(&network.intent, table, document, regions));
    Contribution {
        network: network.key.clone(),
        generation: network.generation,
        mode: network.intent.mode,
        removal: network.intent.removal,
        outcome,
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
