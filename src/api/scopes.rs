//! The scopes file: its shape, strictly. A mistake names the line, the field, and what to write instead.
//!
//! What a scope allows is `domain::scope`'s matter.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use serde_yaml::Spanned;

use crate::domain::scope::{Allowed, NamespacePattern, Scope, Scopes};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scopes: Vec<Entry>,
}

type List = Vec<Spanned<String>>;

/// A list that is not there allows nothing, so that a field of a later version never opens anything by itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    namespaces: List,
    resource_ids: List,
    #[serde(default, deserialize_with = "given")]
    service_tags: Option<List>,
    #[serde(default, deserialize_with = "given")]
    next_hops: Option<List>,
    #[serde(default, deserialize_with = "given")]
    hosts: Option<List>,
    #[serde(default, deserialize_with = "given")]
    source_ranges: Option<List>,
}

/// A field with nothing after it is an empty list, and not a field that was left out.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<List>, D::Error> {
    Option::<List>::deserialize(deserializer).map(|list| Some(list.unwrap_or_default()))
}

/// Why a scopes file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopesError {
    #[error("not a scopes file: {0}")]
    Syntax(String),
    #[error("{}{path}: {what}", .line.map(|line| format!("line {line}: ")).unwrap_or_default())]
    Field { line: Option<u64>, path: String, what: String },
}

fn refuse(line: Option<u64>, path: impl Into<String>, what: impl Into<String>) -> ScopesError {
    ScopesError::Field { line, path: path.into(), what: what.into() }
}

/// Reads a scopes file.
///
/// # Errors
/// The first mistake.
pub fn parse(text: &str) -> Result<Scopes, ScopesError> {
    let options = serde_yaml::options! { strict_booleans: true };
    let file: File =
        serde_yaml::from_str_with_options(text, options).map_err(|error| ScopesError::Syntax(error.to_string()))?;
    if file.scopes.is_empty() {
        let what = "it is empty, which would allow nothing to nobody; write an entry with namespaces and resourceIds";
        return Err(refuse(None, "scopes", what));
    }
    let scopes = file.scopes.iter().enumerate().map(|(index, entry)| scope(entry, &format!("scopes[{index}]")));
    scopes.collect::<Result<_, _>>().map(Scopes::only)
}

fn scope(entry: &Entry, path: &str) -> Result<Scope, ScopesError> {
    let at = |field: &str| format!("{path}.{field}");
    let mut namespaces: Vec<NamespacePattern> = Vec::new();
    each(&entry.namespaces, &at("namespaces"), |text| {
        namespaces.push(text.parse()?);
        Ok(())
    })?;
    let scope = Scope {
        namespaces,
        resource_ids: allowed(Some(&entry.resource_ids), &at("resourceIds"))?,
        service_tags: allowed(entry.service_tags.as_ref(), &at("serviceTags"))?,
        next_hops: allowed(entry.next_hops.as_ref(), &at("nextHops"))?,
        hosts: allowed(entry.hosts.as_ref(), &at("hosts"))?,
        source_ranges: allowed(entry.source_ranges.as_ref(), &at("sourceRanges"))?,
    };
    let others = [&entry.service_tags, &entry.next_hops, &entry.hosts, &entry.source_ranges];
    if others.into_iter().all(Option::is_none) {
        let what = "it allows nothing: a list that is not there allows nothing; add serviceTags and nextHops, \
                    or nextHops alone where only default routes are wanted";
        let line = entry.namespaces.first().map(line);
        return Err(refuse(line, path, what));
    }
    Ok(scope)
}

fn allowed<T: FromStr<Err: fmt::Display>>(list: Option<&List>, path: &str) -> Result<Allowed<T>, ScopesError> {
    let mut allowed = Allowed::NOTHING;
    if let Some(list) = list {
        each(list, path, |text| allowed.add(text))?;
    }
    Ok(allowed)
}

/// Takes in each text of a list that is there.
fn each(list: &List, path: &str, mut take: impl FnMut(&str) -> Result<(), String>) -> Result<(), ScopesError> {
    if list.is_empty() {
        let what = "it is empty; write what is allowed, \"*\" for anything, or leave the field out where nothing is";
        return Err(refuse(None, path, what));
    }
    let mut seen = BTreeSet::new();
    for (index, text) in list.iter().enumerate() {
        let refuse = |what: String| refuse(Some(line(text)), format!("{path}[{index}]"), what);
        take(&text.value).map_err(refuse)?;
        if !seen.insert(text.value.to_ascii_lowercase()) {
            return Err(refuse(format!("{:?} stands twice; write it once", text.value)));
        }
    }
    Ok(())
}

fn line<T>(text: &Spanned<T>) -> u64 {
    text.referenced.line()
}

#[cfg(test)]
#[path = "scopes_tests.rs"]
mod tests;
