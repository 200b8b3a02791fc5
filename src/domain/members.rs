//! What an IP group should hold: the addresses of one requirement.
//!
//! Nothing found is an error, never an empty group. Must not look at what the group holds now.

use std::collections::{BTreeMap, BTreeSet};

use super::desired::{Address, Ask, Purpose, Wish, Wishes};
use super::intent::{Intent, NextHop};
use super::outbound::{IpGroupIntent, Outbound};
use super::prefix::Family;
use super::region::Regions;
use super::requirement::{self, Requirements};
use super::resolve::{self, Note, PairedRegion, Unresolved};
use super::service_tags::Document;

/// Azure documents IP groups for IPv4 only.
const FAMILY: Family = Family::V4;

/// Resolves what `intent` asks of `group`.
///
/// # Errors
/// The requirement is not known, not chosen, consists of hosts, or has no addresses in the document.
pub fn wishes(
    intent: &Intent,
    outbound: &Outbound,
    group: &IpGroupIntent,
    document: &Document,
    regions: &Regions,
    requirements: &Requirements,
) -> Result<Wishes, Unresolved> {
    let mut notes = BTreeSet::new();
    let pair = resolve::region_pair(&intent.region, &intent.paired_region, regions, document, &mut notes)?;
    let refuse = |why: String| Unresolved::Requirement { requirement: group.requirement.clone(), why };
    let selection = requirements.select(outbound, document.cloud, &pair.primary.name);
    let selection = selection.map_err(|error| Unresolved::Outbound(error.to_string()))?;
    let rows = requirement::meant(selection.rows.iter(), &group.requirement);
    if rows.is_empty() {
        return Err(refuse(match requirements.check_name(&outbound.edition, &group.requirement) {
            Ok(()) => format!(
                "the profiles that are chosen do not hold it in cloud {}, or exclude leaves it out; add its profile, or \
                 give the group another requirement",
                document.cloud
            ),
            Err(error) => error.to_string(),
        }));
    }
    let (mut asks, mut entries) = (BTreeSet::new(), BTreeMap::new());
    for row in rows {
        for tag in requirement::tags(row, &pair, document, &mut notes)? {
            let (service, region) = (tag.service.clone(), tag.region.clone());
            let purpose = Purpose::Requirement { name: row.id.clone(), service, region };
            asks.insert(Ask::prefixes(&tag.service, tag.region.as_ref(), FAMILY));
            for prefix in tag.prefixes.into_iter().filter(|prefix| prefix.family() == FAMILY) {
                let wish = Wish { next_hop: NextHop::Member, purposes: BTreeSet::new() };
                entries.entry(Address::Prefix(prefix)).or_insert(wish).purposes.insert(purpose.clone());
            }
        }
    }
    if asks.is_empty() {
        return Err(refuse(
            "it has no service tag, and an IP group holds addresses only; hosts belong into a list".to_owned(),
        ));
    }
    if entries.is_empty() {
        return Err(refuse(format!("it has no {FAMILY} addresses in change number {}", document.change_number)));
    }
    if intent.families.contains(&Family::V6) {
        let message = "IP groups hold IPv4 only; the IPv6 addresses of the requirement are left out".to_owned();
        notes.insert(Note { code: "GroupWithoutIPv6", message });
    }
    notes.extend(selection.notes);
    Ok(Wishes {
        document: document.into(),
        region: pair.primary.name,
        pair: pair.secondary.map(|(region, source)| (region.name, source)),
        pair_is_automatic: intent.paired_region == PairedRegion::Auto,
        asks,
        entries,
        notes,
        rules: BTreeMap::new(),
        reach: BTreeMap::new(),
    })
}

#[cfg(test)]
#[path = "members_tests.rs"]
mod tests;
