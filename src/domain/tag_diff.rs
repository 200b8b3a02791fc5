//! Two documents compared tag by tag, on content alone.

use std::collections::BTreeSet;

use super::prefix::Prefix;
use super::service_tags::{Document, Tag};

/// What became of one tag between two documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagDiff {
    pub name: String,
    pub change: TagChange,
    pub added: Vec<Prefix>,
    pub removed: Vec<Prefix>,
    /// The old and the new network features, where they differ.
    pub features: Option<(Vec<String>, Vec<String>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagChange {
    Added,
    Removed,
    Changed,
}

/// Compares content tag by tag; `changeNumber`s are not looked at. Sorted by name without case.
pub fn diff(old: &Document, new: &Document) -> Vec<TagDiff> {
    let names: BTreeSet<String> =
        old.tags().iter().chain(new.tags()).map(|tag| tag.name.to_ascii_lowercase()).collect();
    names.iter().filter_map(|name| diff_tag(old.tag(name), new.tag(name))).collect()
}

fn diff_tag(old: Option<&Tag>, new: Option<&Tag>) -> Option<TagDiff> {
    let prefixes = |tag: Option<&Tag>| tag.map(|tag| tag.prefixes.to_vec()).unwrap_or_default();
    let features = |tag: &Tag| tag.network_features.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (before, after) = (prefixes(old), prefixes(new));
    let only_in = |list: &[Prefix], other: &[Prefix]| -> Vec<Prefix> {
        list.iter().filter(|prefix| other.binary_search(prefix).is_err()).copied().collect()
    };
    let change = match (old, new) {
        (None, _) => TagChange::Added,
        (_, None) => TagChange::Removed,
        (Some(old), Some(new)) if before == after && old.network_features == new.network_features => return None,
        _ => TagChange::Changed,
    };
    Some(TagDiff {
        name: new.or(old).map(|tag| tag.name.to_string()).unwrap_or_default(),
        change,
        added: only_in(&after, &before),
        removed: only_in(&before, &after),
        features: old
            .zip(new)
            .filter(|(o, n)| o.network_features != n.network_features)
            .map(|(o, n)| (features(o), features(n))),
    })
}
