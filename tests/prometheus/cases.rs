//! promtool's test cases: that each alert is seen to fire, and to stay silent.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::rules::{self, yaml};

pub(crate) const FOLDER: &str = "deploy/prometheus/tests";

/// The files, as paths below the root. There is nothing else in the folder.
pub(crate) fn files() -> Vec<String> {
    let folder = std::fs::read_dir(rules::path(FOLDER)).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = names.map(|name| format!("{FOLDER}/{name}")).collect();
    files.sort();
    files
}

/// The cases of single alerts in one file.
fn cases(file: &str) -> Vec<Value> {
    let tests = yaml(file)["tests"].as_array().unwrap().clone();
    tests.iter().flat_map(|test| test["alert_rule_test"].as_array().cloned().unwrap_or_default()).collect()
}

fn fires(case: &Value) -> bool {
    !case["exp_alerts"].as_array().unwrap().is_empty()
}

#[test]
fn every_alert_is_seen_to_fire_and_to_stay_silent() {
    let (mut fired, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for case in files().iter().flat_map(|file| cases(file)) {
        let name = case["alertname"].as_str().unwrap().to_owned();
        if !fires(&case) {
            silent.insert(name.clone());
        }
        for alert in case["exp_alerts"].as_array().unwrap() {
            fired.insert((name.clone(), alert["exp_labels"]["severity"].as_str().unwrap().to_owned()));
        }
    }
    let alerts: BTreeSet<_> = rules::alerts().iter().filter_map(rules::Rule::alert_and_severity).collect();
    assert_eq!(fired, alerts, "each alert in each severity fires in a case of {FOLDER}");
    assert_eq!(
        silent,
        alerts.into_iter().map(|(name, _)| name).collect(),
        "each alert is silent in a case of {FOLDER}"
    );
}

/// The first minutes after a start, and a change of leader, are looked at for every alert.
#[test]
fn no_alert_fires_in_the_first_minutes_or_with_a_change_of_leader() {
    let alerts: BTreeSet<String> = rules::alerts().into_iter().filter_map(|rule| rule.alert).collect();
    for file in ["start.yaml", "leader.yaml"] {
        let cases = cases(&format!("{FOLDER}/{file}"));
        let firing: Vec<&Value> = cases.iter().filter(|case| fires(case)).collect();
        assert!(firing.is_empty(), "{file}: {firing:?}");
        let looked_at = cases.iter().map(|case| case["alertname"].as_str().unwrap().to_owned()).collect();
        assert_eq!(alerts, looked_at, "{file}");
    }
}
