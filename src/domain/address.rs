//! What an entry of a target is for: a prefix, a service tag, an element of a rule. Also as text, for memories and plans.
//!
//! Must not know what is asked for, or where it stands.

use super::prefix::Prefix;
use super::rule::RulePart;

/// What an entry is for: prefixes, and tags where a tag may stand for its prefixes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    Prefix(Prefix),
    /// A service tag as somebody spelt it.
    Tag(String),
    /// An element of a rule.
    Part(RulePart),
    /// The priority of a whole body.
    Priority(u16),
}

impl Address {
    /// The address as Azure compares it: tags without case.
    #[must_use]
    pub fn folded(&self) -> Self {
        match self {
            Self::Prefix(prefix) => Self::Prefix(*prefix),
            Self::Tag(tag) => Self::Tag(tag.to_ascii_lowercase()),
            Self::Part(part) => Self::Part(part.folded()),
            Self::Priority(priority) => Self::Priority(*priority),
        }
    }

    /// What is taken away where this is: a source or a port that goes from many rules is one thing.
    pub fn subject(&self) -> String {
        match self {
            Self::Part(part) if !part.part.is_far() => {
                RulePart { rule: String::new(), part: part.part.clone() }.folded().to_string()
            }
            address => address.folded().to_string(),
        }
    }

    /// The element of a rule, if it is one.
    pub fn part(&self) -> Option<&RulePart> {
        match self {
            Self::Part(part) => Some(part),
            _ => None,
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Prefix(prefix) => prefix.fmt(f),
            Self::Tag(tag) => f.write_str(tag),
            Self::Part(part) => part.fmt(f),
            Self::Priority(priority) => write!(f, "{PRIORITY}{priority}"),
        }
    }
}

/// What the text of a priority begins with.
const PRIORITY: &str = "priority ";

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(prefix) => Ok(Self::Prefix(prefix)),
            Err(_) if text.is_empty() => Err("an address is empty".to_owned()),
            Err(_) if text.contains(' ') => match text.strip_prefix(PRIORITY).map(str::parse) {
                Some(Ok(priority)) => Ok(Self::Priority(priority)),
                _ => Ok(text.parse().map_or_else(|_| Self::Tag(text.to_owned()), Self::Part)),
            },
            // Also what looks like a prefix: people may have written it into a group, and it must be remembered.
            Err(_) => Ok(Self::Tag(text.to_owned())),
        }
    }
}

by_text!(Address);
