//! Hosts with placeholders, such as `<storage>.blob.core.windows.net`, and what may stand for them.
//!
//! Must not know rows or Networks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Parameter, REGION, nearest, suggestion};
use crate::host::Host;

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub(super) enum Form {
    StorageAccountName,
    ContainerRegistryName,
    Guid,
}

impl Form {
    pub(super) fn check(self, value: &str) -> Result<(), &'static str> {
        let length = value.len();
        let (fits, what) = match self {
            Self::StorageAccountName => (
                (3..=24).contains(&length) && value.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
                "3 to 24 lower-case letters and digits",
            ),
            Self::ContainerRegistryName => (
                (5..=50).contains(&length) && value.bytes().all(|c| c.is_ascii_alphanumeric()),
                "5 to 50 letters and digits",
            ),
            Self::Guid => (is_guid(value), "a GUID such as 01234567-89ab-cdef-0123-456789abcdef"),
        };
        if fits { Ok(()) } else { Err(what) }
    }

    /// A value of this form.
    fn sample(self) -> &'static str {
        match self {
            Self::StorageAccountName | Self::ContainerRegistryName => "sample",
            Self::Guid => "01234567-89ab-cdef-0123-456789abcdef",
        }
    }
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|c| c.is_ascii_hexdigit()))
}

/// A host in which placeholders may stand. Filled with values of their forms it is a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct HostTemplate(String);

/// A template in which everything that was given has been filled in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Filled {
    pub(super) text: String,
    /// The placeholders that still stand in it.
    pub(super) missing: BTreeSet<String>,
}

impl HostTemplate {
    pub(super) fn parse(text: &str, parameters: &[Parameter]) -> Result<Self, String> {
        let template = Self(text.to_owned());
        let mut values = BTreeMap::from([(REGION, "sample")]);
        values.extend(parameters.iter().map(|parameter| (parameter.placeholder.as_str(), parameter.form.sample())));
        let filled = template.fill(|placeholder| values.get(placeholder).map(|value| (*value).to_owned()));
        if let Some(unknown) = filled.missing.first() {
            let near = suggestion(&nearest(unknown, values.keys().copied()));
            return Err(format!("host {text:?}: no parameter has the placeholder <{unknown}>{near}"));
        }
        filled.text.parse::<Host>().map_err(|why| format!("host {text:?}: {why}"))?;
        Ok(template)
    }

    pub(super) fn fill(&self, value: impl Fn(&str) -> Option<String>) -> Filled {
        let mut filled = Filled { text: String::new(), missing: BTreeSet::new() };
        let mut rest = self.0.as_str();
        while let Some((before, placeholder, behind)) = next_placeholder(rest) {
            filled.text.push_str(before);
            match value(placeholder) {
                Some(value) => filled.text.push_str(&value.to_ascii_lowercase()),
                None => {
                    filled.text.push_str(&rest[before.len()..rest.len() - behind.len()]);
                    filled.missing.insert(placeholder.to_owned());
                }
            }
            rest = behind;
        }
        filled.text.push_str(rest);
        filled
    }

    pub(super) fn placeholders(&self) -> BTreeSet<String> {
        self.fill(|_| None).missing
    }
}

fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('<')?;
    let (placeholder, behind) = rest.split_once('>')?;
    Some((before, placeholder, behind))
}

impl fmt::Display for HostTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
