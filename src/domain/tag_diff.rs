//! Two documents compared tag by tag, on content alone.

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
    let (mut old, mut new) = (old.tags(), new.tags());
    let mut found = Vec::new();
    // Both are sorted by name without case, and have each name once.
    while let Some(first) = old.first().into_iter().chain(new.first()).min_by_key(|tag| tag.name.to_ascii_lowercase()) {
        let pair = [&mut old, &mut new].map(|tags| {
            let tag = tags.first().filter(|tag| tag.name.eq_ignore_ascii_case(&first.name));
            *tags = &tags[usize::from(tag.is_some())..];
            tag
        });
        found.extend(diff_tag(pair[0], pair[1]));
    }
    found
}

fn prefixes(tag: Option<&Tag>) -> &[Prefix] {
    tag.map(|tag| &*tag.prefixes).unwrap_or_default()
}

/// What is in `list` and not in `other`. Both are sorted, so one walk through them is enough.
fn only_in(list: &[Prefix], other: &[Prefix]) -> Vec<Prefix> {
    let mut other = other.iter().peekable();
    let is_alone = |prefix: &&Prefix| {
        while other.next_if(|next| next < prefix).is_some() {}
        other.peek() != Some(prefix)
    };
    list.iter().filter(is_alone).copied().collect()
}

fn diff_tag(old: Option<&Tag>, new: Option<&Tag>) -> Option<TagDiff> {
    let features = |tag: &Tag| tag.network_features.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (before, after) = (prefixes(old), prefixes(new));
    let change = match (old, new) {
        (None, _) => TagChange::Added,
        (_, None) => TagChange::Removed,
        (Some(old), Some(new)) if before == after && old.network_features == new.network_features => return None,
        _ => TagChange::Changed,
    };
    Some(TagDiff {
        name: new.or(old).map(|tag| tag.name.to_string()).unwrap_or_default(),
        change,
        added: only_in(after, before),
        removed: only_in(before, after),
        features: old
            .zip(new)
            .filter(|(o, n)| o.network_features != n.network_features)
            .map(|(o, n)| (features(o), features(n))),
    })
}
