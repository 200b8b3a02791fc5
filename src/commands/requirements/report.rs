//! What `requirements` prints, as one value: its JSON is a contract, and the other forms are made from it.
//!
//! Must not read files or print.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::app::AppError;
use crate::commands::output::{Document, WarningOutput};
use crate::domain::desired::DocumentId;
use crate::domain::outbound::{Outbound, Port};
use crate::domain::prefix::Prefix;
use crate::domain::region::RegionName;
use crate::domain::requirement::{
    Destination, Direction, OpenHost, PrefixesOf, Requirements, ResolvedTag, Route, RouteTo, Selected, global, tags,
};
use crate::domain::resolve::{Note, RegionPair, regional};
use crate::domain::service_tags::{self, Cloud};

/// What `requirements` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Of the documentation.
    pub edition: String,
    pub cloud: String,
    /// The ARM name; null where none was given.
    pub region: Option<String>,
    /// The secondary region; null where there is none.
    pub paired_region: Option<String>,
    /// Where the prefixes come from; null without --tags.
    pub document: Option<Document>,
    /// In the order of the documentation, then what the AmlNetwork adds.
    pub requirements: Vec<RequirementOutput>,
    pub routes: Vec<RouteOutput>,
    pub notes: Vec<WarningOutput>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequirementOutput {
    pub id: String,
    /// Outbound or Inbound, seen from the computes.
    pub direction: String,
    /// As the documentation spells it, without region. Where inbound traffic comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tag: Option<String>,
    /// Whether only the region's part of the tag is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regional: Option<bool>,
    /// The region of a regional tag, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The tag by which a firewall knows it: as the document spells it, else the tag and the region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// A tag that Azure itself resolves; it stands in no document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform_tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Vec<String>>,
    /// The platform's tag that inbound traffic goes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    pub ports: Vec<PortOutput>,
    pub purpose: String,
    /// Null for what the AmlNetwork adds.
    pub profile: Option<String>,
    pub clouds: Vec<String>,
    pub editions: Vec<String>,
    /// When it is needed; null: always.
    pub condition: Option<String>,
    pub notes: Option<String>,
    pub warnings: Vec<String>,
    /// The section of the documentation.
    pub source: String,
    /// The name that the documentation gives the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What its hosts still lack.
    pub missing_parameters: Vec<String>,
    /// With --tags: sorted, IPv4 first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<Vec<String>>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct PortOutput {
    /// TCP, UDP, Any, Http or Https.
    pub protocol: String,
    pub port: u16,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteOutput {
    pub id: String,
    /// PublicIp or NoPublicIp: the computes that it is for.
    pub compute: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tag: Option<String>,
    /// Prefixes or ServiceTag, for a service tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addressing: Option<String>,
    /// With addressing Prefixes: the regions, the primary one first, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    pub next_hop: String,
    pub purpose: String,
    pub clouds: Vec<String>,
    pub editions: Vec<String>,
    pub notes: Option<String>,
    pub source: String,
    /// With --tags and a region, and addressing Prefixes: sorted, IPv4 first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<Vec<String>>,
}

/// What is asked, with everything read.
pub(super) struct Question<'a> {
    pub(super) requirements: &'a Requirements,
    pub(super) outbound: &'a Outbound,
    pub(super) cloud: Cloud,
    pub(super) region: Option<RegionName>,
    pub(super) secondary: Option<RegionName>,
    /// With a document: the same regions in all their spellings.
    pub(super) pair: Option<&'a RegionPair>,
}

impl Question<'_> {
    pub(super) fn report(
        &self,
        document: Option<&service_tags::Document>,
        mut notes: BTreeSet<Note>,
    ) -> Result<Report, AppError> {
        let selection =
            self.requirements.list(self.outbound, self.cloud, self.region.as_ref()).map_err(AppError::new)?;
        notes.extend(selection.notes);
        let mut requirements = Vec::new();
        for row in selection.rows {
            let found = match document {
                Some(document) => self.tags(&row, document, &mut notes)?,
                None => None,
            };
            requirements.push(self.requirement(row, found.as_deref()));
        }
        let mut routes = Vec::new();
        for route in self.requirements.routes(&self.outbound.edition, self.cloud) {
            routes.push(self.route(route, document, &mut notes)?);
        }
        Ok(Report {
            edition: self.outbound.edition.clone(),
            cloud: self.cloud.to_string(),
            region: self.region.as_ref().map(ToString::to_string),
            paired_region: self.secondary.as_ref().map(ToString::to_string),
            document: document.map(|document| (&DocumentId::from(document)).into()),
            requirements,
            routes,
            notes: notes.into_iter().map(|n| WarningOutput { code: n.code.to_owned(), message: n.message }).collect(),
        })
    }

    /// `None` where nothing can be looked up: hosts, tags of the platform, a region's tags without a region.
    fn tags(
        &self,
        row: &Selected<OpenHost>,
        document: &service_tags::Document,
        notes: &mut BTreeSet<Note>,
    ) -> Result<Option<Vec<ResolvedTag>>, AppError> {
        let Destination::Tag { name, regional } = &row.destination else {
            return Ok(None);
        };
        if let Some(pair) = self.pair {
            return tags(row, pair, document, notes).map(Some).map_err(AppError::new);
        }
        if *regional || row.prefixes_of.is_some() {
            return Ok(None);
        }
        let tag = global(row, name, document).map_err(AppError::new)?;
        Ok(Some(vec![tag]))
    }

    fn requirement(&self, row: Selected<OpenHost>, found: Option<&[ResolvedTag]>) -> RequirementOutput {
        let (mut service_tag, mut regional, mut platform_tag, mut hosts) = (None, None, None, None);
        let mut missing = BTreeSet::new();
        let prefixes = found.map(|tags| {
            let all: BTreeSet<Prefix> = tags.iter().flat_map(|tag| tag.prefixes.iter().copied()).collect();
            texts(&all)
        });
        match row.destination {
            Destination::Tag { name, regional: only } => (service_tag, regional) = (Some(name), Some(only)),
            Destination::Platform(name) => platform_tag = Some(name),
            Destination::Hosts(open) => {
                missing.extend(open.iter().flat_map(|host| host.missing.iter().cloned()));
                hosts = Some(open.into_iter().map(|host| host.text).collect());
            }
        }
        // A region is asked for by --region, and is no parameter.
        missing.remove(crate::domain::requirement::REGION);
        let region = self.region.as_ref().filter(|_| regional == Some(true));
        let tag = match found {
            Some([tag]) => tag.name.clone(),
            Some(_) => service_tag.clone(),
            None => service_tag.as_ref().map(|tag| match (regional, region) {
                (Some(true), Some(region)) => format!("{tag}.{region}"),
                (Some(true), None) => format!("{tag}.<region>"),
                _ => tag.clone(),
            }),
        };
        RequirementOutput {
            id: row.id,
            direction: row.direction.to_string(),
            region: region.map(ToString::to_string),
            service_tag,
            regional,
            tag,
            platform_tag,
            hosts,
            to: row.to,
            ports: row.ports.iter().map(PortOutput::from).collect(),
            purpose: row.purpose,
            profile: row.profile,
            clouds: row.clouds.iter().map(ToString::to_string).collect(),
            editions: row.editions,
            condition: row.condition,
            notes: row.notes,
            warnings: row.warnings,
            source: row.source,
            rule: row.rule,
            missing_parameters: missing.into_iter().collect(),
            prefixes,
        }
    }

    fn route(
        &self,
        route: &Route,
        document: Option<&service_tags::Document>,
        notes: &mut BTreeSet<Note>,
    ) -> Result<RouteOutput, AppError> {
        let (mut service_tag, mut addressing, mut regions, mut prefix, mut prefixes) = (None, None, None, None, None);
        match &route.to {
            RouteTo::Prefixes { service_tag: tag, of: PrefixesOf::PrimaryAndSecondary } => {
                (service_tag, addressing) = (Some(tag.clone()), Some("Prefixes".to_owned()));
                let both = self.region.iter().chain(&self.secondary).map(ToString::to_string);
                regions = self.region.is_some().then(|| both.collect());
                if let (Some(pair), Some(document)) = (self.pair, document) {
                    let mut all = BTreeSet::new();
                    for region in pair.regions() {
                        all.extend(regional(tag, region, document, notes).map_err(AppError::new)?);
                    }
                    prefixes = Some(texts(&all));
                }
            }
            RouteTo::ServiceTag(tag) => {
                (service_tag, addressing) = (Some(tag.clone()), Some("ServiceTag".to_owned()));
            }
            RouteTo::Prefix(text) => prefix = Some(text.clone()),
        }
        Ok(RouteOutput {
            id: route.id.clone(),
            compute: format!("{:?}", route.compute),
            service_tag,
            addressing,
            regions,
            prefix,
            next_hop: route.next_hop.clone(),
            purpose: route.purpose.clone(),
            clouds: route.clouds.iter().map(ToString::to_string).collect(),
            editions: route.editions.iter().cloned().collect(),
            notes: route.notes.clone(),
            source: route.source.clone(),
            prefixes,
        })
    }
}

fn texts(prefixes: &BTreeSet<Prefix>) -> Vec<String> {
    prefixes.iter().map(ToString::to_string).collect()
}

impl From<&Port> for PortOutput {
    fn from(port: &Port) -> Self {
        Self { protocol: port.protocol.to_string(), port: port.port }
    }
}

impl RequirementOutput {
    pub(super) fn is_inbound(&self) -> bool {
        self.direction == Direction::Inbound.to_string()
    }

    /// What it reaches, or for inbound ones what reaches us: a tag, or hosts.
    pub(super) fn destinations(&self) -> Vec<&str> {
        match &self.hosts {
            Some(hosts) => hosts.iter().map(String::as_str).collect(),
            None => {
                let service = self.service_tag.as_ref().or(self.platform_tag.as_ref());
                self.tag.as_ref().or(service).map(String::as_str).into_iter().collect()
            }
        }
    }
}

/// `TCP 443, 8787; UDP 5831`.
pub(super) fn ports(ports: &[PortOutput]) -> String {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for port in ports {
        match groups.iter_mut().find(|(protocol, _)| *protocol == port.protocol) {
            Some((_, numbers)) => numbers.push(port.port.to_string()),
            None => groups.push((&port.protocol, vec![port.port.to_string()])),
        }
    }
    let texts: Vec<String> =
        groups.iter().map(|(protocol, numbers)| format!("{protocol} {}", numbers.join(", "))).collect();
    texts.join("; ")
}
