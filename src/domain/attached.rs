//! Firewalls and firewall policies that use a target: amlnet reads them, and never writes them.
//!
//! Must accept only characters that need no escaping, as `resource_id` does.

use std::fmt;

use super::resource_id::{PROVIDER, ResourceId};

/// What uses a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttachedKind {
    FirewallPolicy,
    Firewall,
}

impl AttachedKind {
    const ALL: [Self; 2] = [Self::FirewallPolicy, Self::Firewall];

    fn resource_type(self) -> &'static str {
        match self {
            Self::FirewallPolicy => "firewallPolicies",
            Self::Firewall => "azureFirewalls",
        }
    }
}

impl fmt::Display for AttachedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirewallPolicy => "firewall policy",
            Self::Firewall => "firewall",
        })
    }
}

/// A firewall or a firewall policy. Its parts are in lower case, as ARM compares them without.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attached {
    pub kind: AttachedKind,
    pub subscription: String,
    pub resource_group: String,
    pub name: String,
}

impl Attached {
    /// Reads an id as Azure writes it. `None`: it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        AttachedKind::ALL.into_iter().find_map(|kind| {
            let (subscription, resource_group, name) = ResourceId::segments(&text, kind.resource_type()).ok()?;
            Some(Self { kind, subscription, resource_group, name })
        })
    }
}

impl fmt::Display for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, subscription, resource_group, name } = self;
        let of_type = kind.resource_type();
        write!(f, "/subscriptions/{subscription}/resourceGroups/{resource_group}/providers/{PROVIDER}/{of_type}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_firewalls_and_policies_are_attached() {
        let base = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network";
        let policy = Attached::parse(&format!("{base}/FirewallPolicies/P")).unwrap();
        assert_eq!((policy.kind, policy.name.as_str()), (AttachedKind::FirewallPolicy, "p"));
        assert_eq!(Attached::parse(&policy.to_string()), Some(policy));
        assert_eq!(Attached::parse(&format!("{base}/azureFirewalls/f")).unwrap().kind, AttachedKind::Firewall);
        for other in ["routeTables/r", "azureFirewalls/..", "azureFirewalls/f/x", "azureFirewalls/f%2f"] {
            assert_eq!(Attached::parse(&format!("{base}/{other}")), None, "{other}");
        }
    }
}
