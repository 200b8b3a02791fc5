//! Every metric, label and value that a rule names is one that amlnet exports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::expression::{self, Expression};
use crate::rules::{self, text};

type Labels = BTreeSet<String>;

/// What the scrape adds, and `cluster`, which those add who need it.
const OF_THE_SCRAPE: [&str; 4] = ["cluster", "namespace", "job", "instance"];
/// What the recording rules take from `amlnet_installation_info`.
const ADDED: &str = "installation";

/// Every metric with its labels: the table of docs/metrics.md, which is made from the names in the code.
fn exported() -> BTreeMap<String, Labels> {
    let page = text("docs/metrics.md");
    let mut columns: Option<(usize, usize)> = None;
    let mut metrics = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let column = |title: &str| cells.iter().position(|cell| *cell == title);
        if let (Some(name), Some(labels)) = (column("name").or(column("metric")), column("labels")) {
            columns = Some((name, labels));
        } else if let Some((name, labels)) = columns
            && let Some(metric) = cells[name].strip_prefix('`').and_then(|rest| rest.split('`').next())
        {
            let word = |char: char| !(char.is_ascii_alphanumeric() || char == '_');
            let labels = cells[labels].split(word).filter(|label| !label.is_empty()).map(str::to_owned).collect();
            metrics.insert(metric.to_owned(), labels);
        }
    }
    assert!(metrics.contains_key("amlnet_build_info"), "docs/metrics.md has no table of name and labels");
    metrics
}

/// The labels that a metric or a recorded series has in a rule.
fn labels_of(metric: &str, exported: &BTreeMap<String, Labels>, recorded: &BTreeMap<String, Labels>) -> Labels {
    let found = exported.get(metric).or_else(|| recorded.get(metric));
    let mut labels =
        found.unwrap_or_else(|| panic!("amlnet exports no {metric}, and no rule before records it")).clone();
    labels.extend(OF_THE_SCRAPE.map(str::to_owned));
    labels
}

#[test]
fn every_metric_and_label_of_a_rule_is_exported() {
    let exported = exported();
    let mut recorded = BTreeMap::new();
    for rule in rules::all() {
        let name = rule.record.clone().or(rule.alert.clone()).unwrap();
        let Expression { selectors, grouping } = expression::read(&rule.expression);
        assert!(!selectors.is_empty(), "{name} names no metric");
        let mut known: Labels = [ADDED.to_owned()].into();
        for selector in selectors {
            let labels = labels_of(&selector.metric, &exported, &recorded);
            for (label, _) in &selector.matchers {
                assert!(labels.contains(label), "{name}: {} has no label {label}", selector.metric);
            }
            known.extend(labels);
        }
        let unknown: Vec<&String> = grouping.difference(&known).collect();
        assert!(unknown.is_empty(), "{name} groups by {unknown:?}, and nothing in it has such labels");
        if let Some(record) = rule.record {
            recorded.insert(record, grouping);
        }
    }
}

/// A recorded series is named after what it is made of.
#[test]
fn every_recorded_series_is_used_and_says_what_it_is() {
    let rules = rules::all();
    let used: BTreeSet<String> = rules
        .iter()
        .flat_map(|rule| expression::read(&rule.expression).selectors)
        .map(|selector| selector.metric)
        .collect();
    for (record, expression) in rules.iter().filter_map(|rule| Some((rule.record.as_ref()?, &rule.expression))) {
        let [level, metric, operation] = <[&str; 3]>::try_from(record.split(':').collect::<Vec<_>>()).unwrap();
        let wanted = if expression.contains("timestamp(") { "timestamp_seconds" } else { "last" };
        assert!(["instance", ADDED].contains(&level) && operation == wanted, "{record}");
        assert!(used.contains(record), "no rule uses {record}");
        assert!(used.contains(metric) || metric == "amlnet_target_observed", "{record} is not made of {metric}");
    }
}

fn sources(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

/// A word that nothing exports would make an alert that never fires.
#[test]
fn every_value_that_a_rule_asks_for_is_a_word_of_the_program() {
    let mut code = String::new();
    sources(Path::new(&rules::path("src")), &mut code);
    for rule in rules::alerts() {
        for selector in expression::read(&rule.expression).selectors {
            for (label, values) in selector.matchers {
                for value in values {
                    let is_there = code.contains(&format!("\"{value}\"")) || code.contains(&format!("    {value},\n"));
                    assert!(is_there, "{:?} asks {} for {label}={value:?}", rule.alert, selector.metric);
                }
            }
        }
    }
}

/// What is wrong with a file makes DocumentRejected, what is wrong with the way to it FeedFailing. A new word for one of
/// the first kind has to be named in both.
#[test]
fn what_a_file_can_be_refused_for_is_named_in_the_alerts() {
    let code = text("src/domain/service_tags.rs");
    let (_, categories) =
        code.split_once("impl DocumentError").and_then(|(_, rest)| rest.split_once("fn category")).unwrap();
    let (categories, _) = categories.split_once("\n    }\n").unwrap();
    let words: BTreeSet<&str> = categories.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(words.contains("Truncated"), "{words:?}");
    for alert in ["AmlnetFeedFailing", "AmlnetDocumentRejected"] {
        let rule = rules::alerts().into_iter().find(|rule| rule.alert.as_deref() == Some(alert)).unwrap();
        let selectors = expression::read(&rule.expression).selectors;
        let failed = |matchers: &[(String, Vec<String>)]| matchers[0].1 == ["Failed"] && matchers.len() == 2;
        let selector = selectors.iter().find(|selector| matches!(&selector.matchers, m if failed(m))).unwrap();
        let named: BTreeSet<&str> = selector.matchers[1].1.iter().map(String::as_str).collect();
        assert_eq!(named, words, "{alert}");
    }
}
