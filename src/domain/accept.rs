//! Whether a parsed document may come into force.
//!
//! Rejected means never; held means not without a person. Both leave the last accepted document in force.
//! Must not look at networks or Azure: a document is judged by itself and by its predecessor alone.
//! Rules: ARCHITECTURE.md, "Accepting a document"; figures behind them: docs/facts.md.

use jiff::civil::Date;

use super::cover::Cover;
use super::prefix::{Family, Prefix};
use super::region::Regions;
use super::service_tags::{Cloud, Document, Tag};
use super::tag_diff::diff;

/// The two services whose regional tags are exactly the global tag within `AzureCloud.<region>`, in every real file.
/// For no other service does that hold, so the rules that rest on it name these two.
pub const IDENTITY_SERVICES: [&str; 2] = ["AzureMachineLearning", "BatchNodeManagement"];

/// Shortest masks that those services may have. Real files: /26 and /122.
const SHORTEST_V4: u8 = 24;
const SHORTEST_V6: u8 = 112;

/// A document that loses more than this share of all prefixes waits for a person.
const SHRINK_PERCENT: usize = 20;

/// Whether a tag belongs to one of `IDENTITY_SERVICES`.
pub fn obeys_identity(service: &str) -> bool {
    IDENTITY_SERVICES.iter().any(|name| name.eq_ignore_ascii_case(service))
}

/// The document that is in force, as far as the next one is compared with it.
#[derive(Debug, Clone, Copy)]
pub struct InForce<'a> {
    pub document: &'a Document,
    pub file_date: Date,
}

/// What is to be done with a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    /// The content that is in force already.
    Unchanged,
    Held(HeldReason),
    Rejected(Rejection),
}

/// Why a document waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeldReason {
    #[error("{gone} of {before} prefixes are gone, more than {SHRINK_PERCENT} %; it waits for a person to approve it")]
    Shrunk { before: usize, gone: usize },
}

/// Why a document never comes into force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("it is for cloud {found}, but {expected} is wanted")]
    WrongCloud { found: Cloud, expected: Cloud },
    #[error("it has no tag {0}")]
    MissingTag(&'static str),
    #[error("tag {tag}: {prefix} is wider than a prefix of this service can be (/{shortest} at the widest)")]
    MaskTooShort { tag: String, prefix: Prefix, shortest: u8 },
    #[error("tag {tag}: {prefix} lies in no prefix of AzureCloud for region {region}")]
    OutsideRegion { tag: String, prefix: Prefix, region: String },
    #[error(
        "it is older (change number {number}, {date}) than the one in force (change number {in_force_number}, {in_force_date})"
    )]
    Older { number: u64, date: Date, in_force_number: u64, in_force_date: Date },
}

impl Rejection {
    /// A short constant for metrics, events and status.
    pub fn category(&self) -> &'static str {
        match self {
            Self::WrongCloud { .. } => "WrongCloud",
            Self::MissingTag(_) => "MissingTag",
            Self::MaskTooShort { .. } => "MaskTooShort",
            Self::OutsideRegion { .. } => "OutsideRegion",
            Self::Older { .. } => "Older",
        }
    }
}

/// Judges a candidate published on `file_date` for a feed of `cloud`.
pub fn judge(
    candidate: &Document,
    file_date: Date,
    cloud: Cloud,
    in_force: Option<InForce<'_>>,
    regions: &Regions,
) -> Verdict {
    if let Err(rejection) = check(candidate, cloud, regions) {
        return Verdict::Rejected(rejection);
    }
    let Some(in_force) = in_force else {
        return Verdict::Accepted;
    };
    let before = in_force.document;
    let newer = (candidate.change_number, file_date) > (before.change_number, in_force.file_date);
    if candidate.digest == before.digest && !newer {
        return Verdict::Unchanged;
    }
    if (candidate.change_number, file_date) < (before.change_number, in_force.file_date) {
        return Verdict::Rejected(Rejection::Older {
            number: candidate.change_number,
            date: file_date,
            in_force_number: before.change_number,
            in_force_date: in_force.file_date,
        });
    }
    let (before, gone) = (before.prefix_count(), prefixes_gone(before, candidate));
    if gone * 100 > before * SHRINK_PERCENT {
        return Verdict::Held(HeldReason::Shrunk { before, gone });
    }
    Verdict::Accepted
}

/// How many prefixes left their tag: what came new elsewhere does not make up for them.
fn prefixes_gone(old: &Document, new: &Document) -> usize {
    diff(old, new).iter().map(|tag| tag.removed.len()).sum()
}

/// What must hold of every document, whatever was there before.
pub fn check(document: &Document, cloud: Cloud, regions: &Regions) -> Result<(), Rejection> {
    if document.cloud != cloud {
        return Err(Rejection::WrongCloud { found: document.cloud, expected: cloud });
    }
    let machine_learning = IDENTITY_SERVICES[0];
    if document.tag(machine_learning).is_none() {
        return Err(Rejection::MissingTag(machine_learning));
    }
    if document.children("AzureCloud").next().is_none() {
        return Err(Rejection::MissingTag("AzureCloud.<region>"));
    }
    for service in IDENTITY_SERVICES {
        for tag in document.tag(service).into_iter().chain(document.children(service)) {
            check_masks(tag)?;
        }
        for tag in document.children(service) {
            check_containment(tag, document, regions)?;
        }
    }
    Ok(())
}

fn check_masks(tag: &Tag) -> Result<(), Rejection> {
    for &prefix in &tag.prefixes {
        let shortest = match prefix.family() {
            Family::V4 => SHORTEST_V4,
            Family::V6 => SHORTEST_V6,
        };
        if prefix.length() < shortest {
            return Err(Rejection::MaskTooShort { tag: tag.name.to_string(), prefix, shortest });
        }
    }
    Ok(())
}

/// The region is the one that the tag's *name* says, because resolving goes by the name.
fn check_containment(tag: &Tag, document: &Document, regions: &Regions) -> Result<(), Rejection> {
    let suffix = tag.suffix().unwrap_or_default();
    let region = regions.find(suffix, document).ok();
    let cloud: Cover = region.iter().flat_map(|region| cloud_prefixes(document, region)).collect();
    match tag.prefixes.iter().find(|prefix| !cloud.contains(prefix)) {
        Some(prefix) => Err(Rejection::OutsideRegion {
            tag: tag.name.to_string(),
            prefix: *prefix,
            region: region.map_or_else(|| suffix.to_owned(), |region| region.name.to_string()),
        }),
        None => Ok(()),
    }
}

/// All prefixes of `AzureCloud.<region>`, matched by the tags' `region` (their names use short forms).
pub fn cloud_prefixes(document: &Document, region: &super::region::Region) -> Vec<Prefix> {
    let tags = document.children("AzureCloud").filter(|tag| region.is_named(&tag.region));
    tags.flat_map(|tag| tag.prefixes.iter().copied()).collect()
}

#[cfg(test)]
#[path = "accept_tests.rs"]
mod tests;
