//! What one Network asks of firewalls, validated: which rows of the documentation, what besides, and where it goes.
//!
//! Must not know the documentation: whether an edition, a profile or a requirement exists is `requirement`'s question.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::host::Host;
use super::prefix::Prefix;
use super::requirement::Direction;
use super::resource_id::ResourceId;

/// The outbound part of a spec.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Outbound {
    /// Of the documentation: `2026-03`.
    pub edition: String,
    /// Parts of the documentation, as written.
    pub profiles: BTreeSet<String>,
    /// What stands for `<storage>` and the like.
    pub parameters: BTreeMap<String, String>,
    /// Names of requirements that are left out.
    pub exclude: BTreeSet<String>,
    /// Where the computes are.
    pub sources: Vec<Prefix>,
    pub additional: Vec<Additional>,
    pub ip_groups: Vec<IpGroupIntent>,
    pub firewall_policies: Vec<FirewallPolicyIntent>,
    pub lists: Vec<ListIntent>,
}

/// A requirement of the user's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Additional {
    pub name: String,
    pub to: Reach,
    pub ports: Vec<Port>,
}

/// What a requirement of the user's own reaches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reach {
    /// A service tag without region; `regional`: only its part of the Network's region.
    Tag {
        name: String,
        regional: bool,
    },
    Hosts(Vec<Host>),
}

/// A port of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    pub protocol: Protocol,
    pub port: u16,
}

/// What a rule lets through. `Http` and `Https` are what application rules know, and go with hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
    Any,
    Http,
    Https,
}

impl Protocol {
    pub const ALL: [Self; 5] = [Self::Tcp, Self::Udp, Self::Any, Self::Http, Self::Https];
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Any => "Any",
            Self::Http => "Http",
            Self::Https => "Https",
        })
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, self.port)
    }
}

/// One IP group of a Network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IpGroupIntent {
    pub id: ResourceId,
    /// The requirement whose addresses it holds.
    pub requirement: String,
    /// Where it is created if it does not exist; `None`: it is not.
    pub create: Option<String>,
}

/// One firewall policy of a Network: its rules stand in a rule collection group of the installation's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FirewallPolicyIntent {
    /// Of the policy.
    pub id: ResourceId,
    /// Of the rule collection group, 100 to 65000; the lowest is looked at first.
    pub priority: u16,
    pub addressing: RuleAddressing,
}

/// How the addresses of a requirement are written into a firewall policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleAddressing {
    /// The service tag where the firewall knows it, else its prefixes.
    Auto,
    /// Through the Network's IP groups where it has one for the requirement, else as `Auto`.
    IpGroups,
    Prefixes,
}

/// One network security group of a Network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecurityGroupIntent {
    pub id: ResourceId,
    pub directions: BTreeSet<Direction>,
    pub priorities: Priorities,
}

/// The priorities that rules of ours may have in a security group, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priorities {
    pub from: u16,
    pub to: u16,
}

impl Priorities {
    pub fn contains(self, priority: u16) -> bool {
        (self.from..=self.to).contains(&priority)
    }
}

impl fmt::Display for Priorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to { write!(f, "{}", self.from) } else { write!(f, "{} to {}", self.from, self.to) }
    }
}

/// One list of a Network, for firewalls that fetch it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListIntent {
    pub name: String,
    pub format: ListFormat,
    pub content: ListContent,
    /// The one requirement that it serves; `None`: all of them.
    pub requirement: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum ListFormat {
    /// One a line.
    Plain,
    Json,
}

/// What of the requirements stands in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListContent {
    All,
    /// IPv4 and IPv6.
    Addresses,
    IPv4,
    IPv6,
    Hosts,
}
