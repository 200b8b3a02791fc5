//! Host names as firewalls take them: a name, `*.` and a name, or `*` right before a name.
//!
//! Must not resolve or look up anything.

use std::fmt;
use std::str::FromStr;

/// A host name, or a pattern for host names. In lower case, as names of hosts are compared without case.
///
/// `*.example.org` matches every name below `example.org`, but not `example.org`. `*example.org` is what one row of the
/// documentation writes; it matches `example.org`, and every other name with that ending, `notexample.org` too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

impl Host {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches every name that the other one matches.
    pub fn covers(&self, other: &Self) -> bool {
        self == other || self.0.strip_prefix('*').is_some_and(|end| other.0.ends_with(end))
    }

    /// Whether the pattern matches names that only end alike, which belong to anybody.
    pub fn matches_strangers(&self) -> bool {
        self.0.starts_with('*') && !self.0.starts_with("*.")
    }
}

/// What is wrong with a text that is no host. `Display` says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a host: {what}; write a name such as github.com, or *.github.com for all names below it")]
pub struct HostError {
    text: String,
    what: &'static str,
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        match wrong(text) {
            None => Ok(Self(text.to_ascii_lowercase())),
            Some(what) => Err(HostError { text: text.chars().take(300).collect(), what }),
        }
    }
}

fn wrong(text: &str) -> Option<&'static str> {
    let name = text.strip_prefix("*.").or_else(|| text.strip_prefix('*')).unwrap_or(text);
    if text.contains("://") {
        return Some("it has a scheme");
    }
    if text.contains(['/', '?', '#']) {
        return Some("it has a path");
    }
    if text.contains('@') {
        return Some("it has a user");
    }
    if text.contains(':') {
        return Some("it has a port, which belongs under ports");
    }
    if name.contains('*') {
        return Some("a * stands at the beginning or nowhere");
    }
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Some("it is an address");
    }
    if text.len() > 253 {
        return Some("it is longer than 253 characters");
    }
    if text.ends_with('.') {
        return Some("it ends with a dot");
    }
    if !name.contains('.') {
        return Some("it has no dot, so it would be a whole top-level domain or a name of the own network");
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
    };
    if !name.split('.').all(is_label) {
        return Some("its labels have 1 to 63 letters, digits, '-' and '_', and neither begin nor end with '-'");
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    (!last.starts_with(|c: char| c.is_ascii_alphabetic())).then_some("its last label is no top-level domain")
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

by_text!(Host);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns_are_taken_in_any_case() {
        for good in
            ["github.com", "*.github.com", "*pytorch.org", "GHCR.io", "a_b.example.org", "xn--bcher-kva.example"]
        {
            assert_eq!(good.parse::<Host>().unwrap().as_str(), good.to_ascii_lowercase());
        }
        assert!("*pytorch.org".parse::<Host>().unwrap().matches_strangers());
        assert!(!"*.pytorch.org".parse::<Host>().unwrap().matches_strangers());
    }

    #[test]
    fn a_pattern_covers_what_lies_below_it() {
        let covers = |wide: &str, narrow: &str| wide.parse::<Host>().unwrap().covers(&narrow.parse().unwrap());
        for narrow in ["*.github.com", "api.github.com", "*.api.github.com", "API.github.com"] {
            assert!(covers("*.github.com", narrow), "{narrow}");
        }
        for other in ["github.com", "*github.com", "notgithub.com", "github.com.example.org"] {
            assert!(!covers("*.github.com", other), "{other}");
        }
        assert!(covers("*pytorch.org", "pytorch.org") && covers("*pytorch.org", "*.pytorch.org"));
        assert!(!covers("api.github.com", "*.github.com"));
    }

    #[test]
    fn what_is_no_host_is_refused_with_what_is_wrong() {
        for (bad, what) in [
            ("https://github.com", "it has a scheme"),
            ("github.com/path", "it has a path"),
            ("github.com?x=1", "it has a path"),
            ("me@github.com", "it has a user"),
            ("github.com:443", "it has a port"),
            ("*.git*.com", "a * stands at the beginning"),
            ("git*.com", "a * stands at the beginning"),
            ("**.github.com", "a * stands at the beginning"),
            ("github.com.", "it ends with a dot"),
            ("localhost", "it has no dot"),
            ("*.com", "it has no dot"),
            ("*", "it has no dot"),
            ("", "it has no dot"),
            ("10.0.0.1", "it is an address"),
            ("a..b", "its labels"),
            ("-a.b", "its labels"),
            ("git hub.com", "its labels"),
            ("gith\u{fc}b.com", "its labels"),
            ("1.2.3", "its last label"),
        ] {
            let error = bad.parse::<Host>().unwrap_err().to_string();
            assert!(error.contains(what), "{bad}: {error}");
        }
    }
}
