//! What a list should hold by the spec and the document: the outbound requirements of its Network, or one of them.
//!
//! Nothing found is an error, never an empty answer. Must not look at what the list holds now.

use std::collections::{BTreeMap, BTreeSet};

use super::Wanted;
use crate::desired::Ask;
use crate::intent::Intent;
use crate::outbound::{ListContent, ListIntent, Outbound};
use crate::prefix::Family;
use crate::region::Regions;
use crate::requirement::{self, Destination, Direction, Requirements, Selected};
use crate::resolve::{self, Unresolved};
use crate::service_tags::Document;

/// Resolves what `intent` asks of `list`.
///
/// # Errors
/// The requirement is not known or not chosen, a tag is missing, or the list would hold nothing.
pub fn wanted(
    intent: &Intent,
    outbound: &Outbound,
    list: &ListIntent,
    document: &Document,
    regions: &Regions,
    requirements: &Requirements,
) -> Result<Wanted, Unresolved> {
    let mut notes = BTreeSet::new();
    let families = families(intent, list)?;
    let pair = resolve::region_pair(&intent.region, &intent.paired_region, regions, document, &mut notes)?;
    let resolved = requirement::resolve(outbound, requirements, &pair, document)?;
    let selected = resolved.rows.iter().map(|row| &row.selected);
    let named: Option<BTreeSet<&str>> = list
        .requirement
        .as_ref()
        .map(|name| requirement::meant(selected, name).into_iter().map(|row| row.id.as_str()).collect());
    let is_meant = |row: &Selected| {
        row.direction == Direction::Outbound && named.as_ref().is_none_or(|ids| ids.contains(row.id.as_str()))
    };
    let mut rows = resolved.rows.iter().filter(|row| is_meant(&row.selected)).peekable();
    if rows.peek().is_none() {
        return Err(refuse(list, not_chosen(outbound, list, document, requirements)));
    }
    let mut wanted = Wanted { document: document.into(), asks: BTreeMap::new(), hosts: BTreeSet::new() };
    for row in rows {
        for tag in &row.tags {
            for family in &families {
                let found = tag.prefixes.iter().filter(|prefix| prefix.family() == *family);
                let ask = Ask::prefixes(&tag.service, tag.region.as_ref(), *family);
                wanted.asks.entry(ask).or_default().extend(found);
            }
        }
        if let (Destination::Hosts(hosts), ListContent::All | ListContent::Hosts) =
            (&row.selected.destination, list.content)
        {
            wanted.hosts.extend(hosts.iter().cloned());
        }
    }
    if wanted.is_empty() {
        let what = match list.content {
            ListContent::Hosts => "hosts; the requirements that are chosen consist of service tags".to_owned(),
            _ => {
                let families: Vec<String> = families.iter().map(Family::to_string).collect();
                format!("{} addresses in change number {}", families.join(" or "), document.change_number)
            }
        };
        return Err(refuse(list, format!("it would hold nothing: there are no {what}")));
    }
    Ok(wanted)
}

/// The families that the list holds: those of its content which the Network asks for.
fn families(intent: &Intent, list: &ListIntent) -> Result<BTreeSet<Family>, Unresolved> {
    let of_content: &[Family] = match list.content {
        ListContent::All | ListContent::Addresses => &[Family::V4, Family::V6],
        ListContent::IPv4 => &[Family::V4],
        ListContent::IPv6 => &[Family::V6],
        ListContent::Hosts => return Ok(BTreeSet::new()),
    };
    let families: BTreeSet<Family> = of_content.iter().filter(|f| intent.families.contains(f)).copied().collect();
    if families.is_empty() {
        let missing = of_content.first().map(Family::to_string).unwrap_or_default();
        return Err(refuse(list, format!("its content is {missing}, and ipFamilies has no {missing}; add it there")));
    }
    Ok(families)
}

fn not_chosen(outbound: &Outbound, list: &ListIntent, document: &Document, requirements: &Requirements) -> String {
    let Some(name) = &list.requirement else {
        return "no requirement is chosen: profiles and additional name none, or exclude leaves all of them out"
            .to_owned();
    };
    match requirements.check_name(&outbound.edition, name) {
        Ok(()) => format!(
            "the profiles that are chosen do not hold the requirement {name} in cloud {}, or exclude leaves it out; add \
             its profile, or give the list another requirement",
            document.cloud
        ),
        Err(error) => error.to_string(),
    }
}

fn refuse(list: &ListIntent, why: String) -> Unresolved {
    Unresolved::List { list: list.name.clone(), why }
}
