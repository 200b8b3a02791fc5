//! What /metrics answers, read as a Prometheus does, and compared with the table of names.

use std::collections::{BTreeMap, BTreeSet};

use amlnet::metrics::names::{self, Family};

/// One series: its labels, and its value.
type Series = (BTreeMap<String, String>, f64);

/// What a scrape said, by name.
#[derive(Debug, Default)]
pub(crate) struct Scrape(BTreeMap<String, Vec<Series>>);

impl Scrape {
    /// Reads it, and checks that every family is one of the table, with its type and its labels, and stands once.
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let table: BTreeMap<&str, &Family> =
            names::ALL.into_iter().chain(&names::PROCESS).map(|family| (family.name, family)).collect();
        let (mut scrape, mut seen, mut now) = (Self::default(), BTreeSet::new(), "");
        for line in text.lines() {
            if let Some(head) = line.strip_prefix("# TYPE ") {
                let (name, kind) = head.split_once(' ').unwrap();
                let family = table.get(name).unwrap_or_else(|| panic!("{name} is not in the table"));
                assert_eq!(kind, family.kind.name(), "{name}");
                assert!(seen.insert(name), "{name} stands twice");
                now = name;
            } else if !line.starts_with('#') {
                let (name, labels, value) = series(line);
                let plain = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
                let family = plain.filter(|plain| *plain == now).unwrap_or(name);
                assert_eq!(family, now, "{line} stands under another head");
                let of_table: BTreeSet<&str> = table[family].labels.iter().copied().collect();
                let found: BTreeSet<&str> = labels.keys().map(String::as_str).filter(|label| *label != "le").collect();
                assert_eq!(found, of_table, "{line}");
                let all = scrape.0.entry(name.to_owned()).or_default();
                assert!(all.iter().all(|(others, _)| *others != labels), "{line} stands twice");
                all.push((labels, value));
            }
        }
        scrape
    }

    /// The values of all series with these labels, together; `None` where there is none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let is_one = |of: &BTreeMap<String, String>| {
            labels.iter().all(|(label, value)| of.get(*label).is_some_and(|found| found == value))
        };
        let found: Vec<f64> =
            self.0.get(name).into_iter().flatten().filter(|(of, _)| is_one(of)).map(|(_, value)| *value).collect();
        (!found.is_empty()).then(|| found.iter().sum())
    }

    pub(crate) fn families(&self) -> BTreeSet<&str> {
        let base = |name: &&str| names::ALL.iter().any(|family| family.name == *name);
        let histogram = |name: &str| name.strip_suffix("_count").map(str::to_owned);
        let plain = self.0.keys().map(String::as_str).filter(base);
        let of_histograms = names::ALL
            .iter()
            .map(|family| family.name)
            .filter(|name| self.0.keys().any(|found| histogram(found).as_deref() == Some(name)));
        plain.chain(of_histograms).collect()
    }
}

fn series(line: &str) -> (&str, BTreeMap<String, String>, f64) {
    let (start, value) = line.rsplit_once(' ').unwrap();
    let value = value.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
    let Some((name, labels)) = start.split_once('{') else { return (start, BTreeMap::new(), value) };
    let labels = labels.strip_suffix('}').unwrap();
    let mut all = BTreeMap::new();
    for pair in labels.split("\",").filter(|pair| !pair.is_empty()) {
        let (label, text) = pair.split_once("=\"").unwrap();
        all.insert(label.to_owned(), text.trim_end_matches('"').to_owned());
    }
    (name, all, value)
}
