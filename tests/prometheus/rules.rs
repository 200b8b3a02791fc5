//! The rules as values, and what holds of each by itself.

use serde_json::Value;

/// One rule: a recording rule has a record, an alert has an alert.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) record: Option<String>,
    pub(crate) alert: Option<String>,
    pub(crate) expression: String,
    pub(crate) wait: Option<String>,
    pub(crate) severity: Option<String>,
    annotations: Value,
}

impl Rule {
    pub(crate) fn annotation(&self, name: &str) -> &str {
        self.annotations[name].as_str().unwrap_or_default()
    }

    /// What tells it from the others: some alerts exist in two severities.
    pub(crate) fn alert_and_severity(&self) -> Option<(String, String)> {
        Some((self.alert.clone()?, self.severity.clone().unwrap_or_default()))
    }
}

pub(crate) fn path(name: &str) -> String {
    format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) fn yaml(name: &str) -> Value {
    serde_yaml::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All rules, in their order.
pub(crate) fn all() -> Vec<Rule> {
    let file = yaml("deploy/prometheus/alerts.yaml");
    let groups = file["groups"].as_array().unwrap().clone();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    let word = |value: &Value| value.as_str().map(str::to_owned);
    rules
        .map(|rule| Rule {
            record: word(&rule["record"]),
            alert: word(&rule["alert"]),
            expression: word(&rule["expr"]).unwrap(),
            wait: word(&rule["for"]),
            severity: word(&rule["labels"]["severity"]),
            annotations: rule["annotations"].clone(),
        })
        .collect()
}

pub(crate) fn alerts() -> Vec<Rule> {
    all().into_iter().filter(|rule| rule.alert.is_some()).collect()
}

/// `15m`, `1h`: as minutes.
fn minutes(duration: &str) -> u32 {
    let (number, unit) = duration.split_at(duration.len() - 1);
    let number: u32 = number.parse().unwrap_or_else(|_| panic!("{duration} is no duration that is known here"));
    match unit {
        "m" => number,
        "h" => number * 60,
        _ => panic!("{duration} is no duration that is known here"),
    }
}

#[test]
fn the_chart_has_the_same_rules() {
    let same = text("deploy/prometheus/alerts.yaml") == text("charts/amlnet/files/alerts.yaml");
    assert!(same, "change charts/amlnet/files/alerts.yaml, and copy it to deploy/prometheus/alerts.yaml");
}

#[test]
fn every_alert_tells_how_bad_it_is_and_how_much_in_figures() {
    let alerts = alerts();
    assert!(alerts.len() >= 14, "{}", alerts.len());
    for rule in &alerts {
        let (name, severity) = rule.alert_and_severity().unwrap();
        assert!(name.starts_with("Amlnet"), "{name}");
        assert!(["warning", "critical"].contains(&severity.as_str()), "{name}: severity {severity:?}");
        let (summary, description) = (rule.annotation("summary"), rule.annotation("description"));
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{name}: {summary}");
        assert!(summary.contains("{{ $labels."), "{name}: the summary says of what it speaks");
        assert!(description.contains("{{ $value"), "{name}: the description has no figure");
    }
}

/// What was scraped once counts for the window of the recording rules. An alert of such series that waits less would
/// fire because of a single scrape.
#[test]
fn every_alert_waits_longer_than_a_scrape_counts() {
    let rules = all();
    let windows: Vec<u32> = rules
        .iter()
        .filter(|rule| rule.record.is_some())
        .filter_map(|rule| Some(minutes(rule.expression.split_once('[')?.1.split_once(']')?.0)))
        .collect();
    assert!(windows.len() > 10 && windows.iter().all(|window| *window == windows[0]), "{windows:?}");
    for rule in rules.iter().filter(|rule| rule.alert.is_some()) {
        let (name, wait) = (rule.alert.as_ref().unwrap(), minutes(rule.wait.as_ref().unwrap()));
        let lasting = rule.expression.contains("installation:");
        assert!(!lasting || wait > windows[0], "{name} waits {wait} minutes, and a scrape counts for {}", windows[0]);
        assert!(wait >= 10, "{name}: a start may take some minutes");
    }
}
