//! From the API types to `domain`.
//!
//! The schema and `rules` say what a person may write, and an object from Kubernetes has been through them. What is
//! checked here again is what `domain` relies on: a CRD in the cluster may be older than this program.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::approval::PlanApprovalSpec;
use super::feed::{FeedCloud, ServiceTagFeedSpec};
use super::network::{self as api, AmlNetworkSpec};
use super::read::Approved;
use super::rules;
use crate::domain::approval::Subject;
use crate::domain::intent::{
    Addressing, Approval, Budget, DeletionPolicy, Growth, Intent, Mode, NextHop, ObjectKey, Removal, RouteTableIntent,
};
use crate::domain::outbound::{Outbound, SecurityGroupIntent};
use crate::domain::prefix::Family;
use crate::domain::resolve::PairedRegion;
use crate::domain::resource_id::{ResourceId, TargetKind};
use crate::domain::service_tags::Cloud;

/// A field of a spec that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct FieldError {
    pub path: String,
    pub what: String,
}

impl FieldError {
    pub fn new(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { path: path.into(), what: what.into() }
    }
}

/// A length of time as specs and flags write it.
///
/// # Errors
/// What to write instead.
pub fn duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("{text:?} is not a length of time; write a number and s, m, h or d, such as 42d");
    let unit = text.chars().last().ok_or_else(refuse)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86400,
        _ => return Err(refuse()),
    };
    let number = &text[..text.len() - 1];
    if number.is_empty() || number.len() > 9 || !number.bytes().all(|c| c.is_ascii_digit()) {
        return Err(refuse());
    }
    let number: u64 = number.parse().map_err(|_| refuse())?;
    Ok(Duration::from_secs(number * seconds))
}

/// Validates a Network's spec.
pub fn intent(spec: &AmlNetworkSpec) -> Result<Intent, FieldError> {
    let hold = duration(&spec.removal.hold_for).map_err(|what| FieldError::new("spec.removal.holdFor", what))?;
    let (services, route_tables) = match &spec.routes {
        Some(routes) => (services(routes)?, route_tables(routes)?),
        None => (Vec::new(), Vec::new()),
    };
    if spec.ip_families.iter().collect::<BTreeSet<_>>().len() < spec.ip_families.len() {
        return Err(FieldError::new("spec.ipFamilies", "a family stands twice; write it once"));
    }
    let families: BTreeSet<Family> = spec
        .ip_families
        .iter()
        .map(|family| match family {
            api::IpFamily::IPv4 => Family::V4,
            api::IpFamily::IPv6 => Family::V6,
        })
        .collect();
    check_families(&families, &route_tables)?;
    let outbound = spec.outbound.as_ref().map(|outbound| super::convert_outbound::outbound(outbound, &families));
    let outbound = outbound.transpose()?;
    let security_groups = super::convert_security_group::security_groups(&spec.network_security_groups)?;
    check_targets(outbound.as_ref(), &security_groups)?;
    Ok(Intent {
        feed: spec.feed_ref.clone(),
        region: spec.region.clone(),
        paired_region: match spec.paired_region.as_str() {
            text if text.eq_ignore_ascii_case("auto") => PairedRegion::Auto,
            text if text.eq_ignore_ascii_case("none") => PairedRegion::None,
            text => PairedRegion::Named(text.to_owned()),
        },
        mode: match spec.mode {
            api::Mode::Observe => Mode::Observe,
            api::Mode::UpsertOnly => Mode::UpsertOnly,
            api::Mode::Sync => Mode::Sync,
        },
        suspended: spec.suspend,
        deletion_policy: match spec.deletion_policy {
            api::DeletionPolicy::Retain => DeletionPolicy::Retain,
            api::DeletionPolicy::Delete => DeletionPolicy::Delete,
        },
        families,
        removal: Removal {
            hold_seconds: hold.as_secs(),
            budget: Budget { max: spec.removal.budget.max, percent: spec.removal.budget.percent },
            approval: match spec.removal.approval {
                api::Approval::Always => Approval::Always,
                api::Approval::OverBudget => Approval::OverBudget,
                api::Approval::Never => Approval::Never,
            },
        },
        growth: Growth { per_service: spec.growth.per_service, total: spec.growth.total },
        services,
        route_tables,
        outbound,
        security_groups,
    })
}

/// What is let through stands somewhere, and whatever lets something through says what.
fn check_targets(outbound: Option<&Outbound>, security_groups: &[SecurityGroupIntent]) -> Result<(), FieldError> {
    match outbound {
        None if !security_groups.is_empty() => {
            Err(FieldError::new("spec.networkSecurityGroups", rules::security_group::OUTBOUND_SAYS))
        }
        Some(Outbound { firewall_policies, ip_groups, lists, .. })
            if firewall_policies.is_empty()
                && ip_groups.is_empty()
                && lists.is_empty()
                && security_groups.is_empty() =>
        {
            Err(FieldError::new("spec.outbound", rules::outbound::HAS_TARGET_SAYS))
        }
        _ => Ok(()),
    }
}

/// Azure routes a family to a next hop of the same family.
fn check_families(families: &BTreeSet<Family>, tables: &[RouteTableIntent]) -> Result<(), FieldError> {
    for (index, table) in tables.iter().enumerate() {
        let NextHop::VirtualAppliance(address) = table.next_hop else { continue };
        let of_address = if address.is_ipv4() { Family::V4 } else { Family::V6 };
        if let Some(other) = families.iter().find(|family| **family != of_address) {
            let path = format!("spec.routes.routeTables[{index}].nextHop.ipAddress");
            let what = format!(
                "{address} cannot be the next hop of {other} routes; leave {other} out of ipFamilies, \
                 or keep those in a table of their own"
            );
            return Err(FieldError::new(path, what));
        }
    }
    Ok(())
}

fn services(routes: &api::Routes) -> Result<Vec<String>, FieldError> {
    let mut seen = BTreeSet::new();
    for (index, service) in routes.services.iter().enumerate() {
        if !seen.insert(service.0.to_ascii_lowercase()) {
            let path = format!("spec.routes.services[{index}]");
            return Err(FieldError::new(path, format!("{} stands twice; write it once", service.0)));
        }
    }
    if routes.services.is_empty() && routes.route_tables.iter().any(|table| table.default_route.is_none()) {
        let what = "there is nothing to write: name a service, or give every route table a defaultRoute";
        return Err(FieldError::new("spec.routes.services", what));
    }
    Ok(routes.services.iter().map(|service| service.0.clone()).collect())
}

fn route_tables(routes: &api::Routes) -> Result<Vec<RouteTableIntent>, FieldError> {
    let mut seen = BTreeSet::new();
    let mut tables = Vec::new();
    for (index, table) in routes.route_tables.iter().enumerate() {
        let at = |field: &str| format!("spec.routes.routeTables[{index}].{field}");
        let id = ResourceId::parse(&table.id, TargetKind::RouteTable)
            .map_err(|error| FieldError::new(at("id"), error.to_string()))?;
        if !seen.insert(id.clone()) {
            return Err(FieldError::new(at("id"), "this route table stands twice; write it once"));
        }
        let default_route = match &table.default_route {
            Some(route) => Some(default_route(&route.ip_address, &at("defaultRoute.ipAddress"))?),
            None => None,
        };
        tables.push(RouteTableIntent {
            id,
            next_hop: next_hop(&table.next_hop, &at("nextHop"))?,
            addressing: match table.addressing {
                api::Addressing::Prefixes => Addressing::Prefixes,
                api::Addressing::ServiceTag => Addressing::ServiceTag,
            },
            default_route,
        });
    }
    Ok(tables)
}

fn next_hop(hop: &api::NextHop, path: &str) -> Result<NextHop, FieldError> {
    match (hop.kind, &hop.ip_address) {
        (api::NextHopType::Internet, None) => Ok(NextHop::Internet),
        (api::NextHopType::Internet, Some(_)) => {
            Err(FieldError::new(format!("{path}.ipAddress"), "leave it out, or write type: VirtualAppliance"))
        }
        (api::NextHopType::VirtualAppliance, Some(text)) => {
            Ok(NextHop::VirtualAppliance(appliance_address(text, &format!("{path}.ipAddress"))?))
        }
        (api::NextHopType::VirtualAppliance, None) => {
            Err(FieldError::new(format!("{path}.ipAddress"), "type VirtualAppliance needs the appliance's address"))
        }
    }
}

/// 0.0.0.0/0 needs a next hop of its own family.
fn default_route(text: &str, path: &str) -> Result<IpAddr, FieldError> {
    let address = appliance_address(text, path)?;
    if address.is_ipv4() { Ok(address) } else { Err(FieldError::new(path, "0.0.0.0/0 needs an IPv4 address")) }
}

/// An address that a virtual appliance can have: any unicast address but loopback, link-local and 0.0.0.0.
fn appliance_address(text: &str, path: &str) -> Result<IpAddr, FieldError> {
    let address: IpAddr = text
        .parse()
        .map_err(|_| FieldError::new(path, format!("{text:?} is not an IP address; write one such as 10.0.1.4")))?;
    let unusable = address.is_loopback()
        || address.is_multicast()
        || address.is_unspecified()
        || match address {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.to_ipv4_mapped().is_some(),
        };
    if unusable {
        return Err(FieldError::new(
            path,
            format!("{text} cannot be a next hop; write the appliance's private address"),
        ));
    }
    Ok(address)
}

/// Validates an approval, which stands for an object of its own namespace.
pub fn approval(key: &ObjectKey, spec: &PlanApprovalSpec) -> Result<Approved, FieldError> {
    let subject = match (&spec.network, &spec.feed) {
        (Some(name), None) => Subject::Network(ObjectKey { namespace: key.namespace.clone(), name: name.clone() }),
        (None, Some(name)) => Subject::Feed(name.clone()),
        _ => return Err(FieldError::new("spec", rules::NETWORK_OR_FEED_SAYS)),
    };
    let expires_at = spec.expires_at.as_ref().map(|text| {
        text.parse().map_err(|_| {
            let what = format!("{text:?} is not a time; write one such as 2026-12-31T12:00:00Z");
            FieldError::new("spec.expiresAt", what)
        })
    });
    Ok(Approved {
        name: key.name.clone(),
        subject,
        hash: spec.hash.clone(),
        approved_by: spec.approved_by.clone(),
        expires_at: expires_at.transpose()?,
    })
}

/// A validated feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedIntent {
    pub cloud: Cloud,
    pub sources: Vec<SourceIntent>,
    pub interval: Duration,
}

/// One source of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceIntent {
    /// A page and the file that it links to; no URL means Microsoft's page for the cloud.
    Page {
        url: Option<url::Url>,
    },
    /// The document itself.
    Url {
        url: url::Url,
    },
    File {
        path: String,
    },
    /// A key of a ConfigMap; no namespace means the feed's own.
    ConfigMap {
        namespace: Option<String>,
        name: String,
        key: String,
    },
    /// The Service Tag Discovery API.
    Discovery {
        subscription: String,
        location: String,
    },
}

const SHORTEST_INTERVAL: Duration = Duration::from_secs(15 * 60);
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Validates a feed's spec.
pub fn feed(spec: &ServiceTagFeedSpec) -> Result<FeedIntent, FieldError> {
    let interval = duration(&spec.interval).map_err(|what| FieldError::new("spec.interval", what))?;
    if !(SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&interval) {
        return Err(FieldError::new("spec.interval", format!("{} is not between 15m and 24h", spec.interval)));
    }
    let mut sources = Vec::new();
    for (index, source) in spec.sources.iter().enumerate() {
        let path = format!("spec.sources[{index}]");
        sources.push(match (&source.download, &source.discovery, &source.config_map, &source.file) {
            (Some(download), None, None, None) => download_source(download, &path)?,
            (None, Some(discovery), None, None) => SourceIntent::Discovery {
                subscription: discovery.subscription_id.clone(),
                location: discovery.location.clone(),
            },
            (None, None, Some(config_map), None) => SourceIntent::ConfigMap {
                namespace: config_map.namespace.clone(),
                name: config_map.name.clone(),
                key: config_map.key.clone(),
            },
            (None, None, None, Some(file)) => SourceIntent::File { path: file.path.clone() },
            _ => return Err(FieldError::new(path, rules::ONE_SOURCE_SAYS)),
        });
    }
    let cloud = match spec.cloud {
        FeedCloud::Public => Cloud::Public,
        FeedCloud::AzureGovernment => Cloud::AzureGovernment,
        FeedCloud::China => Cloud::China,
    };
    Ok(FeedIntent { cloud, sources, interval })
}

fn download_source(download: &super::feed::Download, path: &str) -> Result<SourceIntent, FieldError> {
    let parse = |text: &str, field: &str| {
        let url = url::Url::parse(text).map_err(|error| error.to_string());
        url.and_then(|url| if url.scheme() == "https" { Ok(url) } else { Err("not https".to_owned()) })
            .map_err(|what| format!("it cannot be used ({what}); {}", rules::URL_SAYS))
            .map_err(|what| FieldError::new(format!("{path}.download.{field}"), what))
    };
    match (&download.page_url, &download.file_url) {
        (Some(_), Some(_)) => Err(FieldError::new(format!("{path}.download"), "write pageUrl or fileUrl, not both")),
        (None, Some(url)) => Ok(SourceIntent::Url { url: parse(url, "fileUrl")? }),
        (Some(url), None) => Ok(SourceIntent::Page { url: Some(parse(url, "pageUrl")?) }),
        (None, None) => Ok(SourceIntent::Page { url: None }),
    }
}
