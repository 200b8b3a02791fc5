//! Which prefixes the rows that a Network means have in a document.
//!
//! A global tag stays global, a regional one is that of the primary region; inbound rows may ask for the secondary too.
//! Nothing found is an error, never an empty answer. Must not know targets; both address families come out.

use std::collections::BTreeSet;

use super::{Destination, PrefixesOf, Requirements, Selected, nearest, suggestion};
use crate::outbound::Outbound;
use crate::prefix::Prefix;
use crate::region::{Region, RegionName};
use crate::resolve::{Note, RegionPair, Unresolved, regional};
use crate::service_tags::{Document, Tag};

/// A service tag with its prefixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedTag {
    /// Without region, as the document spells it: `Storage`.
    pub service: String,
    /// The document's own tag, by which a firewall may know it: `Storage.EastUS2`. `None` where the prefixes are put
    /// together from several tags.
    pub name: Option<String>,
    /// `None` for a global tag.
    pub region: Option<RegionName>,
    /// Sorted. Never empty.
    pub prefixes: Vec<Prefix>,
}

/// A row with what its tag comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedRow {
    pub selected: Selected,
    /// Empty for hosts and for tags of the platform; two for an inbound row with a secondary region.
    pub tags: Vec<ResolvedTag>,
}

impl ResolvedRow {
    /// Of all its tags, sorted.
    pub fn prefixes(&self) -> Vec<Prefix> {
        let all: BTreeSet<Prefix> = self.tags.iter().flat_map(|tag| tag.prefixes.iter().copied()).collect();
        all.into_iter().collect()
    }
}

/// What a Network needs, in the order of the documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub rows: Vec<ResolvedRow>,
    pub notes: BTreeSet<Note>,
}

/// Resolves what a Network says under `outbound`.
///
/// # Errors
/// What the spec says wrong, or a tag that the document lacks.
pub fn resolve(
    outbound: &Outbound,
    requirements: &Requirements,
    pair: &RegionPair,
    document: &Document,
) -> Result<Resolved, Unresolved> {
    let selection = requirements
        .select(outbound, document.cloud, &pair.primary.name)
        .map_err(|error| Unresolved::Outbound(error.to_string()))?;
    let mut notes = selection.notes;
    let mut rows = Vec::new();
    for selected in selection.rows {
        let tags = tags(&selected, pair, document, &mut notes)?;
        rows.push(ResolvedRow { selected, tags });
    }
    Ok(Resolved { rows, notes })
}

/// The tags of one row. Hosts and tags of the platform have none.
///
/// # Errors
/// The document lacks a tag, or has no prefixes for it.
pub fn tags<H>(
    row: &Selected<H>,
    pair: &RegionPair,
    document: &Document,
    notes: &mut BTreeSet<Note>,
) -> Result<Vec<ResolvedTag>, Unresolved> {
    let Destination::Tag { name, regional } = &row.destination else {
        return Ok(Vec::new());
    };
    let regions: Vec<&Region> = match (row.prefixes_of, regional) {
        (Some(PrefixesOf::PrimaryAndSecondary), _) => pair.regions().collect(),
        (None, true) => vec![&pair.primary],
        (None, false) => return Ok(vec![global(row, name, document)?]),
    };
    regions.into_iter().map(|region| of_region(row, name, region, document, notes)).collect()
}

/// A global tag, for which no region is needed.
///
/// # Errors
/// The document lacks it, or has no prefixes for it.
pub fn global<H>(row: &Selected<H>, name: &str, document: &Document) -> Result<ResolvedTag, Unresolved> {
    let tag = document.tag(name).ok_or_else(|| missing(row, name, document))?;
    if tag.prefixes.is_empty() {
        let why = format!("service tag {} has no prefixes in change number {}", tag.name, document.change_number);
        return Err(Unresolved::Requirement { requirement: row.id.clone(), why });
    }
    Ok(ResolvedTag {
        service: tag.name.to_string(),
        name: Some(tag.name.to_string()),
        region: None,
        prefixes: tag.prefixes.to_vec(),
    })
}

fn of_region<H>(
    row: &Selected<H>,
    service: &str,
    region: &Region,
    document: &Document,
    notes: &mut BTreeSet<Note>,
) -> Result<ResolvedTag, Unresolved> {
    let tag = document.tag(service);
    let mut of_region = document.children(service).filter(|tag| tag.suffix().is_some_and(|s| region.is_named(s)));
    let own = of_region.next().filter(|_| of_region.next().is_none());
    if tag.is_none() && document.children(service).next().is_none() {
        return Err(missing(row, service, document));
    }
    let prefixes = regional(service, region, document, notes)
        .map_err(|why| Unresolved::Requirement { requirement: row.id.clone(), why: why.to_string() })?;
    // A region's tag that is put together, or that a service without regions does not have, is known to no firewall.
    let whole = |tag: &&Tag| tag.prefixes.iter().eq(&prefixes);
    let name = own.filter(whole).or_else(|| tag.filter(whole)).map(|tag| tag.name.to_string());
    let service = tag.map_or(service, |tag| &tag.name).to_owned();
    Ok(ResolvedTag { service, name, region: Some(region.name.clone()), prefixes })
}

fn missing<H>(row: &Selected<H>, service: &str, document: &Document) -> Unresolved {
    let advice = if row.profile.is_some() {
        format!("exclude: [{}] leaves it out", row.id)
    } else {
        let known = document.tags().iter().map(|tag| &*tag.name);
        format!("write another under additional{}", suggestion(&nearest(service, known)))
    };
    Unresolved::NoTagForRequirement {
        requirement: row.id.clone(),
        service: service.to_owned(),
        change_number: document.change_number,
        cloud: document.cloud.to_string(),
        advice,
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
