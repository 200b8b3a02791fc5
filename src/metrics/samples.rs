//! Values of one moment as text, by family: what is put together here is shown as a whole or not at all.
//!
//! Must not keep anything: whoever makes samples anew leaves out what is gone.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use jiff::Timestamp;

use super::names::Family;

/// Lines in the text format of Prometheus, without heads.
#[derive(Debug, Default, Clone)]
pub struct Samples(BTreeMap<&'static str, (&'static Family, String)>);

impl Samples {
    /// How many there are of something.
    pub fn count(&mut self, family: &'static Family, labels: &[&str], count: usize) {
        self.line(family, labels, count);
    }

    /// A counter that its owner keeps.
    pub fn total(&mut self, family: &'static Family, labels: &[&str], total: u64) {
        self.line(family, labels, total);
    }

    pub fn flag(&mut self, family: &'static Family, labels: &[&str], is_so: bool) {
        self.line(family, labels, u8::from(is_so));
    }

    /// A fact that is told by its labels.
    pub fn fact(&mut self, family: &'static Family, labels: &[&str]) {
        self.line(family, labels, 1);
    }

    /// A point in time, in seconds with three decimals at most.
    pub fn time(&mut self, family: &'static Family, labels: &[&str], at: Timestamp) {
        let (seconds, millis) = (at.as_millisecond().div_euclid(1000), at.as_millisecond().rem_euclid(1000));
        if millis == 0 {
            self.line(family, labels, seconds);
        } else {
            self.line(family, labels, format_args!("{seconds}.{millis:03}"));
        }
    }

    fn line(&mut self, family: &'static Family, labels: &[&str], value: impl Display) {
        debug_assert_eq!(family.labels.len(), labels.len(), "{}", family.name);
        let (_, text) = self.0.entry(family.name).or_insert_with(|| (family, String::new()));
        text.push_str(family.name);
        for (number, (name, value)) in family.labels.iter().zip(labels).enumerate() {
            text.push(if number == 0 { '{' } else { ',' });
            text.push_str(name);
            text.push_str("=\"");
            escape(value, text);
            text.push('"');
        }
        let end = if family.labels.is_empty() { " " } else { "} " };
        text.push_str(end);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{value}");
    }

    /// Takes in those of somebody else: the lines of a family stand together.
    pub fn extend(&mut self, other: &Self) {
        for (name, (family, lines)) in &other.0 {
            self.0.entry(name).or_insert_with(|| (family, String::new())).1.push_str(lines);
        }
    }

    /// The text, each family under its head.
    pub fn text(&self) -> String {
        let length = self.0.values().map(|(family, lines)| lines.len() + family.help.len() + 256).sum();
        let mut text = String::with_capacity(length);
        for (family, lines) in self.0.values() {
            let _ = writeln!(text, "# HELP {} {}", family.name, family.help);
            let _ = writeln!(text, "# TYPE {} {}", family.name, family.kind.name());
            text.push_str(lines);
        }
        text
    }
}

fn escape(value: &str, text: &mut String) {
    if !value.contains(['\\', '"', '\n']) {
        text.push_str(value);
        return;
    }
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;

    #[test]
    fn lines_stand_under_the_head_of_their_family_and_labels_are_escaped() {
        let mut one = Samples::default();
        one.count(&names::FEED_DOCUMENT_TAGS, &["a\"b\\c\nd"], 3);
        one.time(&names::FEED_LAST_ATTEMPT, &["a"], Timestamp::from_millisecond(1_700_000_000_050).unwrap());
        let mut other = Samples::default();
        other.count(&names::FEED_DOCUMENT_TAGS, &["z"], 4);
        other.time(&names::QUEUE_OLDEST_DUE, &[], Timestamp::from_second(7).unwrap());
        one.extend(&other);
        let text = one.text();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("# HELP")).collect();
        assert_eq!(
            lines,
            [
                "# TYPE amlnet_feed_document_tags gauge",
                "amlnet_feed_document_tags{feed=\"a\\\"b\\\\c\\nd\"} 3",
                "amlnet_feed_document_tags{feed=\"z\"} 4",
                "# TYPE amlnet_feed_last_attempt_timestamp_seconds gauge",
                "amlnet_feed_last_attempt_timestamp_seconds{feed=\"a\"} 1700000000.050",
                "# TYPE amlnet_queue_oldest_due_timestamp_seconds gauge",
                "amlnet_queue_oldest_due_timestamp_seconds 7",
            ]
        );
        assert_eq!(text.lines().filter(|line| line.starts_with("# HELP")).count(), 3);
    }
}
