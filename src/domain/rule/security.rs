//! What a Network asks of a network security group: the rows of the documentation, and its own, as security rules.
//!
//! Security groups know service tags and addresses, one family a rule, and no hosts. Must not look at what the group holds,
//! and must not choose priorities: `plan` does.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Class, Drafts, place};
use super::{Part, Place};
use crate::desired::Wishes;
use crate::intent::{Installation, Intent};
use crate::outbound::{Outbound, SecurityGroupIntent};
use crate::prefix::Family;
use crate::region::Regions;
use crate::requirement::{self, Destination, Direction, Requirements, ResolvedTag, Selected};
use crate::resolve::{self, Note, Unresolved};
use crate::service_tags::{Document, Tag};

/// The own network, in the words of the platform.
const NETWORK: &str = "VirtualNetwork";

/// Resolves what `intent` asks of the rules in `group`.
///
/// # Errors
/// The spec or the document lacks something that a row needs, or no row can be written into a security group.
pub fn wishes(
    intent: &Intent,
    outbound: &Outbound,
    group: &SecurityGroupIntent,
    installation: &Installation,
    document: &Document,
    regions: &Regions,
    requirements: &Requirements,
) -> Result<Wishes, Unresolved> {
    let mut notes = BTreeSet::new();
    let pair = resolve::region_pair(&intent.region, &intent.paired_region, regions, document, &mut notes)?;
    let selection = requirements
        .select(outbound, document.cloud, &pair.primary.name)
        .map_err(|error| Unresolved::Outbound(error.to_string()))?;
    notes.extend(selection.notes);
    let sides = Sides { sources: sources(outbound, &intent.families), families: &intent.families };
    if sides.sources.is_empty() && !outbound.sources.is_empty() {
        let families: Vec<String> = intent.families.iter().map(Family::to_string).collect();
        let why = format!(
            "no range of sourceAddresses is in ipFamilies ({}); write one, or add the family of those that are written",
            families.join(", ")
        );
        return Err(Unresolved::Outbound(why));
    }
    let mut drafts = Drafts::new(installation, notes);
    let mut by_host = Vec::new();
    for row in selection.rows.iter().filter(|row| group.directions.contains(&row.direction)) {
        drafts.set_side(if row.direction == Direction::Outbound { "out" } else { "in" });
        match &row.destination {
            Destination::Tag { name, regional } => {
                let by_name = known(name, *regional, row, document)?;
                if let Some(tag) = by_name {
                    let name = tag.name.clone().unwrap_or_default();
                    sides.tag_rules(&mut drafts, row, Some(&tag), &name);
                    continue;
                }
                let mut notes = std::mem::take(&mut drafts.notes);
                let tags = requirement::tags(row, &pair, document, &mut notes)?;
                drafts.notes = notes;
                for tag in &tags {
                    let known = tag.name.as_deref().filter(|name| is_known(document.tag(name)));
                    match known {
                        Some(name) => sides.tag_rules(&mut drafts, row, Some(tag), name),
                        None => sides.prefix_rules(&mut drafts, row, tag, document)?,
                    }
                }
            }
            Destination::Platform(tag) => sides.tag_rules(&mut drafts, row, None, tag),
            Destination::Hosts(_) => by_host.push(row.id.as_str()),
        }
    }
    if drafts.is_empty() {
        let directions: Vec<String> = group.directions.iter().map(ToString::to_string).collect();
        let why = format!(
            "nothing of it can be written into a security group ({}): they know service tags and addresses, no hosts; choose \
             profiles with service tags",
            directions.join(", ")
        );
        return Err(Unresolved::Outbound(why));
    }
    if !by_host.is_empty() {
        let message = format!("security groups know no hosts; left to the firewall: {}", by_host.join(", "));
        drafts.notes.insert(Note { code: "HostsNotInGroup", message });
    }
    Ok(drafts.into_wishes(intent, pair, document))
}

fn is_known(tag: Option<&Tag>) -> bool {
    tag.is_some_and(Tag::is_known_to_security_groups)
}

/// The global tag of a row, where security groups know it by its name.
fn known(name: &str, regional: bool, row: &Selected, document: &Document) -> Result<Option<ResolvedTag>, Unresolved> {
    if regional || !is_known(document.tag(name)) {
        return Ok(None);
    }
    requirement::global(row, name, document).map(Some)
}

/// The computes' side by family.
fn sources(outbound: &Outbound, families: &BTreeSet<Family>) -> BTreeMap<Family, Vec<Place>> {
    let mut sources: BTreeMap<Family, Vec<Place>> = BTreeMap::new();
    for source in outbound.sources.iter().filter(|source| families.contains(&source.family())) {
        sources.entry(source.family()).or_default().push(Place::Prefix(*source));
    }
    sources
}

struct Sides<'a> {
    /// Empty: the whole own network.
    sources: BTreeMap<Family, Vec<Place>>,
    families: &'a BTreeSet<Family>,
}

impl Sides<'_> {
    /// The computes' side of a row in one family, `None` where there is none.
    fn near(&self, row: &Selected, family: Family) -> Option<Vec<Place>> {
        match (&row.to, self.sources.get(&family)) {
            (Some(to), _) => Some(vec![Place::Tag(to.clone())]),
            (None, Some(sources)) => Some(sources.clone()),
            (None, None) if self.sources.is_empty() => Some(vec![Place::Tag(NETWORK.to_owned())]),
            (None, None) => None,
        }
    }

    /// A tag cannot stand beside addresses: what is for the whole network is no rule of those with sources.
    fn ending(&self, row: &Selected) -> &'static str {
        if row.to.is_none() && self.sources.is_empty() { "-vnet" } else { "" }
    }

    /// A tag covers both families: a rule is needed for each in which there are addresses of the computes.
    fn tag_rules(&self, drafts: &mut Drafts<'_>, row: &Selected, tag: Option<&ResolvedTag>, name: &str) {
        let by_platform = row.to.is_some() || self.sources.is_empty();
        let families: Vec<(&str, Family)> = if by_platform {
            vec![(self.ending(row), Family::V4)]
        } else {
            self.sources.keys().map(|family| (if *family == Family::V4 { "" } else { "6" }, *family)).collect()
        };
        for (ending, family) in families {
            for (class, ports) in Class::apart(&row.ports) {
                let rule = drafts.rule(row, &place(row, tag), &class.ending(ending));
                match tag {
                    Some(tag) => drafts.tag(&rule, tag, name),
                    None => drafts.named_far(&rule, Part::Far(Place::Tag(name.to_owned())), None),
                }
                drafts.near(&rule, self.near(row, family).unwrap_or_default());
                drafts.ports(&rule, ports);
            }
        }
    }

    fn prefix_rules(
        &self,
        drafts: &mut Drafts<'_>,
        row: &Selected,
        tag: &ResolvedTag,
        document: &Document,
    ) -> Result<(), Unresolved> {
        let mut written = false;
        for family in self.families {
            let Some(near) = self.near(row, *family) else { continue };
            let has_addresses = tag.prefixes.iter().any(|prefix| prefix.family() == *family);
            for (class, ports) in Class::apart(&row.ports).into_iter().filter(|_| has_addresses) {
                let how = if *family == Family::V4 { "-ip" } else { "-ip6" };
                let rule =
                    drafts.rule(row, &place(row, Some(tag)), &class.ending(&format!("{how}{}", self.ending(row))));
                drafts.prefixes(&rule, tag, *family);
                drafts.near(&rule, near.clone());
                drafts.ports(&rule, ports);
                written = true;
            }
        }
        if written {
            return Ok(());
        }
        let families: Vec<String> = self.families.iter().map(Family::to_string).collect();
        let why = format!(
            "it has no addresses in change number {} in a family of both ipFamilies ({}) and sourceAddresses",
            document.change_number,
            families.join(", ")
        );
        Err(Unresolved::Requirement { requirement: row.id.clone(), why })
    }
}

#[cfg(test)]
#[path = "security_tests.rs"]
mod tests;
