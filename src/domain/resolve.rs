//! Which prefixes a service has in a region, and which region is the secondary.
//!
//! Nothing found is an error, never an empty answer: an empty answer would read as "remove everything".
//! Must not know targets or entries. Rules: docs/route-tables.md, "Which prefixes".

use std::collections::BTreeSet;
use std::fmt;

use super::accept::{cloud_prefixes, obeys_identity};
use super::cover::Cover;
use super::prefix::Prefix;
use super::region::{Pair, Region, Regions, UnknownRegion};
use super::service_tags::{Document, Tag};

/// What a Network asks for as its secondary region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PairedRegion {
    Auto,
    None,
    Named(String),
}

/// Where the secondary region came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairSource {
    Documentation,
    Spec,
}

impl fmt::Display for PairSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Documentation => "Documentation",
            Self::Spec => "Spec",
        })
    }
}

/// The primary region of a Network and its secondary, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionPair {
    pub primary: Region,
    pub secondary: Option<(Region, PairSource)>,
}

impl RegionPair {
    /// Primary first.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        std::iter::once(&self.primary).chain(self.secondary.as_ref().map(|(region, _)| region))
    }
}

/// Something worth telling that stops nothing. `code` is a constant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Note {
    pub code: &'static str,
    pub message: String,
}

/// Why a Network's wishes cannot be turned into prefixes. It freezes what it would have written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Unresolved {
    #[error("region: {0}")]
    UnknownRegion(String),
    #[error("pairedRegion: {0}")]
    UnknownPair(String),
    #[error(
        "service tag {service} has no prefixes for region {region} in change number {change_number}; \
         nothing is changed until it has, or until the spec no longer asks for it"
    )]
    NothingFound { service: String, region: String, change_number: u64 },
    #[error("there is no service tag {service} in change number {change_number} for cloud {cloud}")]
    NoSuchTag { service: String, change_number: u64, cloud: String },
    #[error("service tag {service} cannot stand in a route (its networkFeatures lack UDR); use addressing: Prefixes")]
    NotRoutable { service: String },
    #[error("no Service Tags document is in force for feed {feed}: {why}")]
    NoDocument { feed: String, why: String },
    #[error("outbound: {0}")]
    Outbound(String),
    #[error("list {list}: {why}")]
    List { list: String, why: String },
    #[error("requirement {requirement}: {why}")]
    Requirement { requirement: String, why: String },
    #[error(
        "requirement {requirement}: there is no service tag {service} in change number {change_number} for cloud {cloud}; \
         {advice}"
    )]
    NoTagForRequirement { requirement: String, service: String, change_number: u64, cloud: String, advice: String },
}

impl From<UnknownRegion> for Unresolved {
    fn from(error: UnknownRegion) -> Self {
        Self::UnknownRegion(error.to_string())
    }
}

/// Finds both regions of a Network.
pub fn region_pair(
    region: &str,
    paired: &PairedRegion,
    regions: &Regions,
    document: &Document,
    notes: &mut BTreeSet<Note>,
) -> Result<RegionPair, Unresolved> {
    let primary = regions.find(region, document)?;
    if !primary.documented {
        notes.insert(Note {
            code: "RegionNotDocumented",
            message: format!("region {} is known to the document only, not to regions.yaml", primary.name),
        });
    }
    let find = |text: &str| regions.find(text, document).map_err(|error| Unresolved::UnknownPair(error.to_string()));
    let secondary = match paired {
        PairedRegion::None => None,
        PairedRegion::Named(text) => Some((find(text)?, PairSource::Spec)),
        PairedRegion::Auto => match regions.pair(&primary.name) {
            Pair::Documented(name) => Some((find(name.as_str())?, PairSource::Documentation)),
            Pair::DocumentedAsNone => None,
            Pair::Unknown => {
                notes.insert(Note {
                    code: "NoPairDocumented",
                    message: format!(
                        "the documentation names no secondary region for {}; none is used. \
                         Set pairedRegion to a region, or to None to say so yourself",
                        primary.name
                    ),
                });
                None
            }
        },
    };
    let secondary = secondary.filter(|(region, _)| region.name != primary.name);
    Ok(RegionPair { primary, secondary })
}

/// The prefixes of a service in a region, sorted. Never empty.
pub fn regional(
    service: &str,
    region: &Region,
    document: &Document,
    notes: &mut BTreeSet<Note>,
) -> Result<Vec<Prefix>, Unresolved> {
    let tags: Vec<&Tag> =
        document.children(service).filter(|tag| tag.suffix().is_some_and(|suffix| region.is_named(suffix))).collect();
    let mut found: BTreeSet<Prefix> = tags.iter().flat_map(|tag| tag.prefixes.iter().copied()).collect();
    if obeys_identity(service) {
        widen_by_identity(service, region, document, !tags.is_empty(), &mut found, notes);
    }
    if found.is_empty() && document.children(service).next().is_none() {
        found = without_regions(service, document, notes)?;
    }
    if found.is_empty() {
        return Err(Unresolved::NothingFound {
            service: service.to_owned(),
            region: region.name.to_string(),
            change_number: document.change_number,
        });
    }
    Ok(found.into_iter().collect())
}

/// Adds the global tag ∩ `AzureCloud.<region>`: the same set in every real file, so a difference is worth a note.
fn widen_by_identity(
    service: &str,
    region: &Region,
    document: &Document,
    tag_exists: bool,
    found: &mut BTreeSet<Prefix>,
    notes: &mut BTreeSet<Note>,
) {
    let cloud: Cover = cloud_prefixes(document, region).into_iter().collect();
    let global = document.tag(service).map(|tag| &*tag.prefixes).unwrap_or_default();
    let by_identity: BTreeSet<Prefix> = global.iter().filter(|prefix| cloud.contains(prefix)).copied().collect();
    if by_identity == *found {
        return;
    }
    let message = if tag_exists {
        format!(
            "{service} for {}: the regional tag has {} prefixes, the global tag within AzureCloud has {}; both are used",
            region.name,
            found.len(),
            by_identity.len()
        )
    } else {
        format!(
            "{service} for {}: the document has no regional tag; the global tag within AzureCloud is used ({} prefixes)",
            region.name,
            by_identity.len()
        )
    };
    notes.insert(Note { code: if tag_exists { "RegionalTagDiffers" } else { "RegionalTagMissing" }, message });
    found.extend(by_identity);
}

/// For a tag that no region has (`AzureResourceManager`, `Storage.EastUS` written out): its own prefixes.
fn without_regions(
    service: &str,
    document: &Document,
    notes: &mut BTreeSet<Note>,
) -> Result<BTreeSet<Prefix>, Unresolved> {
    let tag = find_tag(service, document)?;
    if !obeys_identity(service) {
        notes.insert(Note {
            code: "TagWithoutRegions",
            message: format!("{} has no regional tags; all its {} prefixes are used", tag.name, tag.prefixes.len()),
        });
        return Ok(tag.prefixes.iter().copied().collect());
    }
    Ok(BTreeSet::new())
}

/// The global tag of a service, where Azure lets it stand in a route by name.
pub fn routable_tag<'a>(service: &str, document: &'a Document) -> Result<&'a Tag, Unresolved> {
    let tag = find_tag(service, document)?;
    if tag.is_routable() { Ok(tag) } else { Err(Unresolved::NotRoutable { service: tag.name.to_string() }) }
}

fn find_tag<'a>(service: &str, document: &'a Document) -> Result<&'a Tag, Unresolved> {
    document.tag(service).ok_or_else(|| Unresolved::NoSuchTag {
        service: service.to_owned(),
        change_number: document.change_number,
        cloud: document.cloud.to_string(),
    })
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
