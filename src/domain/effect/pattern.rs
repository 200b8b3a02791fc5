//! Patterns for names of hosts, as rules of others write them, and which of them match the same names.
//!
//! Must not look anything up.

use std::fmt;

/// All names with an ending, or one name. In lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern {
    ending: String,
    /// `*` stands before the ending, for anything and for nothing.
    open: bool,
}

impl Pattern {
    /// `None`: a pattern of a form that is not known, with a `*` elsewhere.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (ending, open) = match text.strip_prefix('*') {
            Some(ending) => (ending.to_owned(), true),
            None => (text, false),
        };
        (!ending.contains('*') && (open || !ending.is_empty())).then_some(Self { ending, open })
    }

    /// Whether it matches every name that the other one matches.
    pub(super) fn covers(&self, other: &Self) -> bool {
        if self.open { other.ending.ends_with(&self.ending) } else { self == other }
    }

    /// The pattern for the names that both match. Of two patterns that share a name, one covers the other.
    pub(super) fn common<'a>(&'a self, other: &'a Self) -> Option<&'a Self> {
        if self.covers(other) { Some(other) } else { other.covers(self).then_some(self) }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.open { "*" } else { "" }, self.ending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn patterns_share_names_when_one_covers_the_other() {
        for (one, two, common) in [
            ("*", "github.com", Some("github.com")),
            ("*", "*.github.com", Some("*.github.com")),
            ("*.github.com", "api.GitHub.com", Some("api.github.com")),
            ("*.github.com", "github.com", None),
            ("*github.com", "github.com", Some("github.com")),
            ("*github.com", "*.github.com", Some("*.github.com")),
            ("*.a.github.com", "*.github.com", Some("*.a.github.com")),
            ("*.a.github.com", "*.b.github.com", None),
            ("github.com", "github.com", Some("github.com")),
            ("github.com", "github.org", None),
        ] {
            let (one, two) = (pattern(one), pattern(two));
            assert_eq!(one.common(&two).map(ToString::to_string).as_deref(), common, "{one} {two}");
            assert_eq!(two.common(&one).map(ToString::to_string).as_deref(), common, "{two} {one}");
        }
        for text in ["", "a.*.b", "**"] {
            assert_eq!(Pattern::parse(text), None, "{text}");
        }
    }
}
