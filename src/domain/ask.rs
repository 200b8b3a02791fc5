//! What a Network asks for, as it is remembered: so that what left a document is told from what a spec gave up.
//!
//! Must not know documents.

use std::collections::{BTreeMap, BTreeSet};

use super::address::Address;
use super::desired::Purpose;
use super::prefix::Family;
use super::region::RegionName;
use super::rule::{Part, Place, RulePart};

/// Stands for the region in what is asked of a global tag.
const EVERYWHERE: &str = "*";

/// What a Network asks of a document, as it is remembered: a service in a region, in one family.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    /// In lower case, as services are compared without case. No region: the prefixes of the global tag.
    Prefixes {
        service: String,
        region: Option<String>,
        family: Family,
    },
    /// The tag itself.
    Tag {
        service: String,
    },
    DefaultRoute,
    /// The prefixes of a service in one rule, its tag by name, or hosts of a requirement.
    InRule {
        /// In lower case.
        rule: String,
        service: String,
        region: Option<String>,
        family: Family,
    },
    /// An element of a rule that no document can change: a port, whom it is for.
    Given(RulePart),
}

impl Ask {
    /// The region that is asked for, where prefixes are.
    pub fn region(&self) -> Option<&str> {
        match self {
            Self::Prefixes { region, .. } | Self::InRule { region, .. } => region.as_deref(),
            Self::Tag { .. } | Self::DefaultRoute | Self::Given(_) => None,
        }
    }

    pub(super) fn of(purpose: &Purpose, address: &Address) -> Self {
        match (purpose, address) {
            (Purpose::DefaultRoute, _) => Self::DefaultRoute,
            (Purpose::Requirement { service, region, .. }, Address::Part(part)) => {
                let family = match &part.part {
                    Part::Far(Place::Prefix(prefix)) => prefix.family(),
                    _ => Family::V4,
                };
                Self::in_rule(&part.rule, service, region.as_ref(), family)
            }
            (Purpose::Rule { .. } | Purpose::Service { .. }, Address::Part(part)) => {
                let RulePart { rule, part } = part.folded();
                Self::Given(RulePart { rule: whatever_stands_for_it(&rule).to_owned(), part })
            }
            (Purpose::Service { service, region: Some(region), .. }, Address::Prefix(prefix)) => {
                Self::prefixes(service, Some(region), prefix.family())
            }
            (Purpose::Requirement { service, region, .. }, Address::Prefix(prefix)) => {
                Self::prefixes(service, region.as_ref(), prefix.family())
            }
            (Purpose::Service { service, .. } | Purpose::Requirement { service, .. }, _) => {
                Self::Tag { service: service.to_ascii_lowercase() }
            }
            (Purpose::Rule { requirement }, _) => Self::Tag { service: requirement.to_ascii_lowercase() },
        }
    }

    pub(super) fn prefixes(service: &str, region: Option<&RegionName>, family: Family) -> Self {
        Self::Prefixes { service: service.to_ascii_lowercase(), region: region.map(ToString::to_string), family }
    }

    pub(super) fn in_rule(rule: &str, service: &str, region: Option<&RegionName>, family: Family) -> Self {
        let rule = rule.to_ascii_lowercase();
        let (rule, service) = (whatever_stands_for_it(&rule).to_owned(), service.to_ascii_lowercase());
        Self::InRule { rule, service, region: region.map(ToString::to_string), family }
    }
}

impl std::fmt::Display for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Prefixes { service, region, family } => {
                write!(f, "{service}/{}/{family}", region.as_deref().unwrap_or(EVERYWHERE))
            }
            Self::Tag { service } => write!(f, "tag/{service}"),
            Self::DefaultRoute => f.write_str("defaultRoute"),
            Self::InRule { rule, service, region, family } => {
                write!(f, "rule/{rule}/{service}/{}/{family}", region.as_deref().unwrap_or(EVERYWHERE))
            }
            Self::Given(part) => write!(f, "{GIVEN}{part}"),
        }
    }
}

/// A rule's name without what tells whether its tag is written by name or by prefixes: the document decides that, and what
/// it decides otherwise is not given up by anybody.
fn whatever_stands_for_it(rule: &str) -> &str {
    rule.strip_suffix("-ip6").or_else(|| rule.strip_suffix("-ip")).unwrap_or(rule)
}

/// What the text of a given part begins with.
const GIVEN: &str = "given/";

impl std::str::FromStr for Ask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("{text:?} is not what a Network asks for");
        let family = |text: &str| [Family::V4, Family::V6].into_iter().find(|known| known.to_string() == text);
        let somewhere = |region: &str| (region != EVERYWHERE).then(|| region.to_owned());
        if let Some(part) = text.strip_prefix(GIVEN) {
            return part.parse().map(Self::Given).map_err(|_| refuse());
        }
        match text.split('/').collect::<Vec<_>>()[..] {
            ["defaultRoute"] => Ok(Self::DefaultRoute),
            ["tag", service] => Ok(Self::Tag { service: service.to_owned() }),
            ["rule", rule, service, region, of] => {
                let (rule, service) = (rule.to_owned(), service.to_owned());
                Ok(Self::InRule { rule, service, region: somewhere(region), family: family(of).ok_or_else(refuse)? })
            }
            [service, region, of] => {
                let (service, region) = (service.to_owned(), somewhere(region));
                Ok(Self::Prefixes { service, region, family: family(of).ok_or_else(refuse)? })
            }
            _ => Err(refuse()),
        }
    }
}

by_text!(Ask);

/// The addresses that are asked for, by what asks for them.
pub type Needs = BTreeMap<Ask, BTreeSet<Address>>;

#[cfg(test)]
mod tests {
    use super::*;

    /// A document that decides otherwise about the form of a tag must not look like a spec that gave it up.
    #[test]
    fn a_tag_and_its_prefixes_are_asked_for_alike() {
        let of = |text: &str| {
            let (name, service) = ("Storage".to_owned(), "Storage".to_owned());
            Ask::of(&Purpose::Requirement { name, service, region: None }, &text.parse().unwrap())
        };
        assert_eq!(of("amlnet.prod.Storage.tcp with Storage"), of("amlnet.prod.Storage.tcp-ip with 20.0.0.0/24"));
        let given = |text: &str| Ask::of(&Purpose::Rule { requirement: "Storage".to_owned() }, &text.parse().unwrap());
        assert_eq!(given("amlnet.prod.Storage.tcp on TCP 443"), given("amlnet.prod.Storage.tcp-ip on TCP 443"));
        assert_ne!(given("amlnet.prod.Storage.tcp on TCP 443"), given("amlnet.prod.Storage.udp on TCP 443"));
    }

    #[test]
    fn what_is_asked_is_read_as_it_is_written() {
        let group = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/ipGroups/g";
        for ask in [
            "rule/amlnet.prod.x.tcp/storage/eastus2/IPv6".parse().unwrap(),
            Ask::in_rule("AllowRStudioInstall", "RStudio.Images", None, Family::V4),
            Ask::Given(format!("amlnet.prod.x.tcp with {group}").parse().unwrap()),
            Ask::Given("amlnet.prod.x.tcp at 2001:db8::/32".parse().unwrap()),
            Ask::Given("amlnet.prod.x.http host *.example.org".parse().unwrap()),
        ] {
            let text = ask.to_string();
            assert_eq!(text.parse::<Ask>().as_ref(), Ok(&ask), "{text}");
        }
    }
}
