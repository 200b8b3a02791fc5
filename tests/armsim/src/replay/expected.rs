//! Differences that are known and why they stay: a YAML list of file, interaction, field and reason. An entry that is
//! about a replayed file and matches nothing is a failure: it would hide the next difference at that place.

use super::compare::Difference;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The recording's file name, without folders.
    pub file: String,
    /// Counted from 0, as in the output.
    pub interaction: usize,
    /// `status`, `header.<name>`, `body.<path>`; a field stands for all below it, `all` for everything.
    pub field: String,
    pub reason: String,
}

#[derive(Clone, Debug, Default)]
pub struct Expected(Vec<(Entry, bool)>);

impl Expected {
    pub fn from_yaml(yaml: &str) -> Result<Self, String> {
        let is_empty = yaml.lines().all(|line| line.trim().is_empty() || line.starts_with('#'));
        let entries: Vec<Entry> =
            if is_empty { vec![] } else { serde_yaml::from_str(yaml).map_err(|error| error.to_string())? };
        match entries.iter().find(|entry| entry.reason.trim().is_empty()) {
            Some(entry) => Err(format!("{} #{} {} has no reason", entry.file, entry.interaction, entry.field)),
            None => Ok(Self(entries.into_iter().map(|entry| (entry, false)).collect())),
        }
    }

    /// The reason why a difference is expected. All entries that match it are used.
    pub(super) fn reason(&mut self, file: &str, interaction: usize, difference: &Difference) -> Option<String> {
        let mut reason = None;
        for (entry, used) in &mut self.0 {
            if entry.file == file && entry.interaction == interaction && covers(&entry.field, &difference.field) {
                *used = true;
                reason.get_or_insert_with(|| entry.reason.clone());
            }
        }
        reason
    }

    /// Entries about one of the files that matched nothing.
    pub(super) fn unused<'a>(&'a self, files: &'a [String]) -> impl Iterator<Item = &'a Entry> {
        self.0.iter().filter(|(entry, used)| !used && files.contains(&entry.file)).map(|(entry, _)| entry)
    }
}

fn covers(entry: &str, field: &str) -> bool {
    entry == "all" || field.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_covers_what_is_below_it() {
        assert!(covers("body", "body.value[a].x") && covers("body.value", "body.value[a]") && covers("all", "status"));
        assert!(!covers("body.val", "body.value") && !covers("status", "header.etag"));
    }

    #[test]
    fn every_entry_has_a_reason_and_a_use() {
        let yaml = "- {file: a.jsonl, interaction: 1, field: status, reason: because}\n";
        let mut expected = Expected::from_yaml(yaml).unwrap();
        let difference = Difference { field: "status".to_owned(), text: String::new() };
        let files = ["a.jsonl".to_owned()];
        assert_eq!(expected.reason("a.jsonl", 0, &difference), None);
        assert_eq!(expected.unused(&files).count(), 1);
        assert_eq!(expected.unused(&[]).count(), 0);
        assert_eq!(expected.reason("a.jsonl", 1, &difference).as_deref(), Some("because"));
        assert_eq!(expected.unused(&files).count(), 0);
        assert!(Expected::from_yaml(&yaml.replace("because", "' '")).is_err());
        assert!(Expected::from_yaml("# nothing\n").unwrap().0.is_empty());
    }
}
