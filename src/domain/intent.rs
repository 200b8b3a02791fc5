//! What one Network asks for, validated: the form in which a spec reaches the pure part.
//!
//! Must not know YAML, Kubernetes or the document: whether a region or a tag exists is `resolve`'s question.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use super::outbound::{FirewallPolicyIntent, IpGroupIntent, Outbound, SecurityGroupIntent};
use super::prefix::Family;
use super::resolve::PairedRegion;
use super::resource_id::{ResourceId, is_network_name};

/// `namespace/name` of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    pub namespace: String,
    pub name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl std::str::FromStr for ObjectKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(format!("{text:?} is not namespace/name")),
        }
    }
}

by_text!(ObjectKey);

/// The owner part of every entry's name: short, permanent, chosen by the user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Installation(String);

impl Installation {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the names of all our entries start with.
    pub fn entry_prefix(&self) -> String {
        format!("amlnet.{}.", self.0)
    }
}

impl fmt::Display for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Installation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let well_formed = (2..=12).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "{text:?} is not an installation id; write 2 to 12 lower-case letters and digits, the first a letter, \
                 and keep it: it is the owner part of every entry's name in Azure"
            ))
        }
    }
}

/// How far amlnet may go for a Network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Mode {
    /// Plan and report only.
    Observe,
    /// Add and change, never remove.
    UpsertOnly,
    /// Also remove, within the guards.
    Sync,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Observe => "Observe",
            Self::UpsertOnly => "UpsertOnly",
            Self::Sync => "Sync",
        }
    }
}

/// When a removal needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Approval {
    Never,
    /// Only what goes beyond the budget.
    OverBudget,
    Always,
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Budget { max, percent } = self.budget;
        let (hold, approval) = (span(self.hold_seconds), self.approval);
        write!(f, "holdFor {hold}, budget {max} or {percent} %, approval {approval:?}")
    }
}

/// A length of time in the largest unit that says it exactly, as specs write it.
pub fn span(seconds: u64) -> String {
    let units = [(86400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')];
    let unit = units.into_iter().find(|(length, _)| seconds >= *length && seconds.is_multiple_of(*length));
    unit.map_or_else(|| "0s".to_owned(), |(length, name)| format!("{}{name}", seconds / length))
}

/// How many removals a target may see in any 7 days: the lower of both, and at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    pub max: u32,
    /// Of our entries in the target, rounded down.
    pub percent: u32,
}

/// How many prefixes that the last applied document did not need may be added without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Growth {
    /// For one service in one region.
    pub per_service: u32,
    /// For a whole target.
    pub total: u32,
}

/// What becomes of a Network's entries when the Network is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum DeletionPolicy {
    Retain,
    Delete,
}

/// The conditions for removals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Removal {
    /// Seconds that a prefix stays after it left the document.
    pub hold_seconds: u64,
    pub budget: Budget,
    pub approval: Approval,
}

/// Where a route sends its packets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum NextHop {
    Internet,
    VirtualAppliance(IpAddr),
    /// Any other that was observed: its type and address as Azure spells them. Never desired.
    Other(String),
    /// Nowhere: the address is not a route, but a member of an IP group.
    Member,
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet => f.write_str("Internet"),
            Self::VirtualAppliance(address) => write!(f, "VirtualAppliance {address}"),
            Self::Other(text) => f.write_str(text),
            Self::Member => f.write_str("member"),
        }
    }
}

/// How a service is written into a route table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Addressing {
    Prefixes,
    ServiceTag,
}

/// One route table of a Network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RouteTableIntent {
    pub id: ResourceId,
    pub next_hop: NextHop,
    pub addressing: Addressing,
    /// The firewall's private address, where amlnet keeps 0.0.0.0/0 too.
    pub default_route: Option<IpAddr>,
}

/// A validated spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    pub feed: String,
    pub region: String,
    pub paired_region: PairedRegion,
    pub mode: Mode,
    pub suspended: bool,
    pub deletion_policy: DeletionPolicy,
    pub families: BTreeSet<Family>,
    pub removal: Removal,
    pub growth: Growth,
    /// Service tags without region, as written.
    pub services: Vec<String>,
    pub route_tables: Vec<RouteTableIntent>,
    pub outbound: Option<Outbound>,
    /// They hold rows of `outbound`, which is there where one of these is.
    pub security_groups: Vec<SecurityGroupIntent>,
}

/// One target of a Network, and what is asked of it.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    Table(&'a RouteTableIntent),
    Group(&'a Outbound, &'a IpGroupIntent),
    Policy(&'a Outbound, &'a FirewallPolicyIntent),
    SecurityGroup(&'a Outbound, &'a SecurityGroupIntent),
}

impl<'a> Asked<'a> {
    pub fn id(self) -> &'a ResourceId {
        match self {
            Self::Table(table) => &table.id,
            Self::Group(_, group) => &group.id,
            Self::Policy(_, policy) => &policy.id,
            Self::SecurityGroup(_, group) => &group.id,
        }
    }
}

impl Intent {
    /// All targets in Azure that a Network names.
    pub fn asked(&self) -> impl Iterator<Item = Asked<'_>> {
        let groups = self
            .outbound
            .iter()
            .flat_map(|outbound| outbound.ip_groups.iter().map(move |group| Asked::Group(outbound, group)));
        let policies = self
            .outbound
            .iter()
            .flat_map(|outbound| outbound.firewall_policies.iter().map(move |policy| Asked::Policy(outbound, policy)));
        let security_groups = self
            .outbound
            .iter()
            .flat_map(|outbound| self.security_groups.iter().map(move |group| Asked::SecurityGroup(outbound, group)));
        self.route_tables.iter().map(Asked::Table).chain(groups).chain(policies).chain(security_groups)
    }
}

/// The name of our entry for an address: `amlnet.<installation>.<prefix>`, `/` written `_` and `:` written `-`.
/// It holds no Kubernetes name, so renaming or moving a Network changes nothing in Azure.
pub fn entry_name(installation: &Installation, address: &str) -> String {
    // A prefix may end with `::/32`; what follows `_` is always a digit, so the last character is allowed.
    let name = format!("{}{}", installation.entry_prefix(), address.replace('/', "_").replace(':', "-"));
    debug_assert!(is_network_name(&name), "{name}");
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_names_are_allowed_by_azure() {
        let installation: Installation = "prod00000001".parse().unwrap();
        for address in [
            "13.66.87.128/26",
            "2603:1030:40c:1::2c0/122",
            "2603::/16",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
            "AzureMachineLearning",
        ] {
            assert!(is_network_name(&entry_name(&installation, address)), "{address}");
        }
        assert_eq!(entry_name(&installation, "13.66.87.128/26"), "amlnet.prod00000001.13.66.87.128_26");
    }

    #[test]
    fn installation_ids_are_short_and_plain() {
        for good in ["ab", "prod1", "abcdefghijkl"] {
            assert!(good.parse::<Installation>().is_ok(), "{good}");
        }
        for bad in ["", "a", "1a", "Prod", "a-b", "a.b", "abcdefghijklm", "\u{e4}b"] {
            assert!(bad.parse::<Installation>().is_err(), "{bad}");
        }
    }
}
