//! An ARM resource id, parsed strictly before it can reach a URL.
//!
//! Must accept only characters that need no escaping: a `/`, `?`, `%` or `..` in a name would change the request
//! (the request builders of the Azure client paste names into paths).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// What a target is. One more kind is one more variant here and one file in `azure/kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum TargetKind {
    RouteTable,
    IpGroup,
    /// The rule collection group of the installation in a firewall policy. Its id is the policy's.
    RuleCollectionGroup,
    SecurityGroup,
}

impl TargetKind {
    pub const ALL: [Self; 4] = [Self::RouteTable, Self::IpGroup, Self::RuleCollectionGroup, Self::SecurityGroup];

    /// Whether the target is wholly ours and written as one body, not one entry at a time.
    pub fn is_whole(self) -> bool {
        match self {
            Self::RouteTable | Self::SecurityGroup => false,
            Self::IpGroup | Self::RuleCollectionGroup => true,
        }
    }

    /// In one word, as in the JSON of a plan.
    pub fn name(self) -> &'static str {
        match self {
            Self::RouteTable => "RouteTable",
            Self::IpGroup => "IpGroup",
            Self::RuleCollectionGroup => "RuleCollectionGroup",
            Self::SecurityGroup => "SecurityGroup",
        }
    }

    /// What it holds, as people count it.
    pub fn entries(self) -> &'static str {
        match self {
            Self::RouteTable => "routes",
            Self::IpGroup => "addresses",
            Self::RuleCollectionGroup => "pairs of a source and a destination",
            Self::SecurityGroup => "rules",
        }
    }

    /// In a sentence.
    fn with_article(self) -> &'static str {
        match self {
            Self::RouteTable => "a route table",
            Self::IpGroup => "an IP group",
            Self::RuleCollectionGroup => "a firewall policy",
            Self::SecurityGroup => "a network security group",
        }
    }

    /// The resource type below the provider, as ARM spells it.
    pub(super) fn resource_type(self) -> &'static str {
        match self {
            Self::RouteTable => "routeTables",
            Self::IpGroup => "ipGroups",
            Self::RuleCollectionGroup => "firewallPolicies",
            Self::SecurityGroup => "networkSecurityGroups",
        }
    }
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RouteTable => "route table",
            Self::IpGroup => "IP group",
            Self::RuleCollectionGroup => "rule collection group",
            Self::SecurityGroup => "network security group",
        })
    }
}

pub(super) const PROVIDER: &str = "Microsoft.Network";

/// The id of a top-level network resource. Compared, ordered and hashed without case, as ARM does.
#[derive(Debug, Clone)]
pub struct ResourceId {
    pub subscription: String,
    pub resource_group: String,
    pub kind: TargetKind,
    pub name: String,
}

/// Why a text is not the id of a target. `Display` says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not the id of {}: {what}; write \
         /subscriptions/<subscription id>/resourceGroups/<group>/providers/{PROVIDER}/{}/<name>", .kind.with_article(), .kind.resource_type())]
pub struct ResourceIdError {
    text: String,
    kind: TargetKind,
    what: String,
}

impl ResourceId {
    /// Reads an id of this kind.
    pub fn parse(text: &str, kind: TargetKind) -> Result<Self, ResourceIdError> {
        let refuse = |what: String| ResourceIdError { text: text.chars().take(300).collect(), kind, what };
        let (subscription, resource_group, name) = Self::segments(text, kind.resource_type()).map_err(refuse)?;
        Ok(Self { subscription, resource_group, kind, name })
    }

    /// Subscription, resource group and name of the id of a resource of this type, or what is wrong with it.
    pub(super) fn segments(text: &str, resource_type: &str) -> Result<(String, String, String), String> {
        let parts: Vec<&str> = text.split('/').collect();
        let ["", subscriptions, subscription, groups, group, providers, provider, of_type, name] = parts[..] else {
            return Err(format!("it has {} parts instead of 8", parts.len().saturating_sub(1)));
        };
        let words = [
            (subscriptions, "subscriptions"),
            (groups, "resourceGroups"),
            (providers, "providers"),
            (provider, PROVIDER),
            (of_type, resource_type),
        ];
        if let Some((found, wanted)) = words.into_iter().find(|(found, wanted)| !found.eq_ignore_ascii_case(wanted)) {
            return Err(format!("{found:?} stands where {wanted:?} belongs"));
        }
        if !is_guid(subscription) {
            return Err(format!("{subscription:?} is not a subscription id"));
        }
        if !is_group_name(group) {
            return Err(format!("{group:?} is not the name of a resource group"));
        }
        if !is_network_name(name) {
            return Err(format!("{name:?} is not the name of a resource"));
        }
        Ok((subscription.to_owned(), group.to_owned(), name.to_owned()))
    }

    fn key(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }
}

pub(super) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, c)| match i {
            8 | 13 | 18 | 23 => c == b'-',
            _ => c.is_ascii_hexdigit(),
        })
}

/// At most 90 letters, digits, `-`, `_`, `.`, `(`, `)`, not ending with a dot (ARM's rule, ASCII only).
pub(super) fn is_group_name(text: &str) -> bool {
    (1..=90).contains(&text.len())
        && !text.ends_with('.')
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.()".contains(&c))
}

/// At most 80 letters, digits, `.`, `-`, `_`; the first alphanumeric, the last alphanumeric or `_` (the network
/// provider's rule, which holds for its children too).
pub fn is_network_name(text: &str) -> bool {
    let (Some(first), Some(last)) = (text.bytes().next(), text.bytes().last()) else {
        return false;
    };
    text.len() <= 80
        && first.is_ascii_alphanumeric()
        && (last.is_ascii_alphanumeric() || last == b'_')
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c))
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "/subscriptions/{}/resourceGroups/{}/providers/{PROVIDER}/{}/{}",
            self.subscription,
            self.resource_group,
            self.kind.resource_type(),
            self.name
        )
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ResourceId {}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hash for ResourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl serde::Serialize for ResourceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for ResourceId {
    type Err = ResourceIdError;

    /// The id of a target of any kind.
    fn from_str(text: &str) -> Result<Self, ResourceIdError> {
        let of_type = text.split('/').nth(7).unwrap_or_default();
        let kind = TargetKind::ALL.into_iter().find(|kind| kind.resource_type().eq_ignore_ascii_case(of_type));
        Self::parse(text, kind.unwrap_or(TargetKind::RouteTable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-ml/providers/Microsoft.Network/routeTables/rt-ml";

    #[test]
    fn ids_are_equal_without_case_and_keep_their_spelling() {
        let id: ResourceId = GOOD.parse().unwrap();
        assert_eq!(id.to_string(), GOOD);
        assert_eq!(id, GOOD.to_uppercase().parse().unwrap());
    }

    #[test]
    fn whatever_could_change_a_request_is_refused() {
        for (from, to) in [
            ("rt-ml", ".."),
            ("rt-ml", "rt%2fml"),
            ("rt-ml", "rt?x=1"),
            ("rt-ml", "rt#x"),
            ("rt-ml", "rt-ml/routes/x"),
            ("rt-ml", ""),
            ("rt-ml", "rt-ml."),
            ("rt-ml", "rt ml"),
            ("rt-ml", "-rt"),
            ("rg-ml", ".."),
            ("rg-ml", "rg%2e%2e"),
            ("rg-ml", "rg."),
            ("rt-ml", "rt\u{e4}"),
            ("00000001", "0000000g"),
            ("routeTables", "virtualNetworks"),
            ("Microsoft.Network", "Microsoft.Compute"),
            ("/subscriptions", "subscriptions"),
            ("rt-ml", "rt-ml/"),
            ("/subscriptions", "https://management.azure.com/subscriptions"),
            ("rt-ml", "rt\\ml"),
            ("rt-ml", "rt\nml"),
        ] {
            let text = GOOD.replace(from, to);
            assert!(text.parse::<ResourceId>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_error_says_what_to_write() {
        let error = GOOD.replace("rt-ml", "rt%2fml").parse::<ResourceId>().unwrap_err().to_string();
        assert!(error.contains(r#""rt%2fml" is not the name of a resource; write /subscriptions/"#), "{error}");
    }
}
