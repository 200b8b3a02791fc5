//! Debian's Prometheus on the node: it scrapes the pods that the chart's ServiceMonitor selects, evaluates the rules that
//! the chart has, and an alert fires on a real fault, alone, and ends with it. (It is built without discovery in
//! Kubernetes, so the test does what the Prometheus operator would.)
//!
//! So that nobody waits for a quarter of an hour, the waiting times of the rules are rewritten to seconds here, and
//! nothing else of them. The times themselves are tested with promtool, which needs no clock.

use std::path::Path;

use cluster::{HELM, Helm, Server, debian};
use serde_json::{Value, json};

use crate::harness::{Doc, TABLE};
use crate::release::{PATIENCE, Release, name_of, shared};

const RULES: &str = include_str!("../../charts/amlnet/files/alerts.yaml");
const PORT: u16 = 9090;

/// `for:` of all alerts, and for how long a series counts after it was last seen.
fn hurried(rules: &str) -> String {
    let line = |line: &str| match line.split_once("for: ") {
        Some((indent, _)) if indent.trim().is_empty() => format!("{indent}for: 3s\n"),
        _ => format!("{}\n", line.replace("[10m]", "[15s]")),
    };
    rules.lines().map(line).collect()
}

/// The chart's ServiceMonitor, as it would stand in a cluster that knows the kind.
fn monitor(release: &Release) -> Value {
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/amlnet");
    let rendered = Helm::find(&HELM).unwrap().run(&[
        "template",
        "amlnet",
        chart,
        "--namespace",
        &release.namespace,
        "--show-only=templates/monitoring.yaml",
        "--api-versions=monitoring.coreos.com/v1",
        "--set=installationId=prod,azure.clientId=x,serviceMonitor.enabled=true",
    ]);
    let text = rendered.ok();
    let monitor: Value = serde_yaml::from_str(text.trim_start_matches("---")).unwrap();
    assert_eq!(monitor["kind"], "ServiceMonitor", "{text}");
    monitor
}

/// What the operator makes of it: the addresses behind the services that it selects, at the port that it names, with the
/// labels that the operator gives them.
fn scrape(release: &Release) -> Value {
    let monitor = monitor(release);
    let endpoint = &monitor["spec"]["endpoints"][0];
    assert_eq!(monitor["spec"]["namespaceSelector"]["matchNames"], json!([release.namespace]));
    let labels = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap();
    let selector: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
    let found = release.kubectl(&["get", "endpoints", "--selector", &selector.join(","), "-o", "json"]);
    let found: Value = serde_json::from_str(&found).unwrap();
    let mut targets = Vec::new();
    for service in found["items"].as_array().unwrap() {
        let subset = &service["subsets"][0];
        let ports = subset["ports"].as_array().unwrap();
        let port = &ports.iter().find(|port| port["name"] == endpoint["port"]).expect("the port of the name")["port"];
        for address in subset["addresses"].as_array().unwrap() {
            let labels = json!({
                "namespace": release.namespace, "job": name_of(service), "service": name_of(service),
                "pod": address["targetRef"]["name"], "endpoint": endpoint["port"],
            });
            targets.push(json!({"targets": [format!("{}:{port}", address["ip"].as_str().unwrap())], "labels": labels}));
        }
    }
    json!({"job_name": "serviceMonitor", "metrics_path": endpoint["path"], "static_configs": targets})
}

/// A Prometheus that looks every second.
struct Prometheus<'a> {
    release: &'a Release,
    _server: Server,
}

impl<'a> Prometheus<'a> {
    fn start(release: &'a Release, program: &Path) -> Self {
        let rules = release.sim.write("rules.yaml", hurried(RULES));
        let config = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [scrape(release)],
        });
        let config = release.sim.write("prometheus.yaml", config.to_string());
        let mut command = release.node.command(program);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", release.sim.path("prometheus").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{PORT}"));
        let mut server = Server::start("prometheus", &command, &release.sim.path("")).unwrap();
        let ready = || release.get_within(PORT, "/-/ready").is_some_and(|(code, _)| code == 200);
        server.wait_until(PATIENCE, ready).unwrap();
        Self { release, _server: server }
    }

    fn ask(&self, path: &str) -> Value {
        let answer = self.release.get_within(PORT, &format!("/api/v1/{path}"));
        answer.and_then(|(_, body)| serde_json::from_str(&body).ok()).unwrap_or_default()
    }

    /// The value of an expression that gives one; nothing while it gives none.
    fn value(&self, expression: &str) -> Option<f64> {
        let answer = self.ask(&format!("query?query={expression}"));
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }

    fn alerts(&self) -> Vec<Value> {
        let answer = self.ask("alerts");
        let alerts = answer["data"]["alerts"].as_array().cloned().unwrap_or_default();
        alerts.into_iter().filter(|alert| alert["state"] == "firing").collect()
    }
}

fn names(alerts: &[Value]) -> Vec<&str> {
    alerts.iter().filter_map(|alert| alert["labels"]["alertname"].as_str()).collect()
}

#[test]
fn prometheus_finds_the_pods_and_an_alert_fires_when_azure_takes_a_right_away() {
    let Some(node) = shared() else { return };
    let program = match debian::program("prometheus", "prometheus") {
        Ok(program) => program,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let release = Release::prepare(node, "watched", json!({}));
    // Today's, so that no rule finds it old.
    let mut document = Doc::week(2);
    document.date = jiff::Zoned::now().strftime("%Y%m%d").to_string();
    release.sim.publish(&document);
    release.installed(json!({}));
    release.apply_network(json!({}));
    release.in_sync();

    release.wait("two pods that are ready", || release.ready_pods().len() == 2);
    let prometheus = Prometheus::start(&release, &program);
    release.wait("both pods among the targets", || prometheus.value("sum(up)") == Some(2.0));
    assert_eq!(prometheus.value("sum(amlnet_leader)"), Some(1.0));
    release.wait("the rules", || prometheus.value("installation:amlnet_target_entries:last") == Some(8.0));
    // Longer than any of the hurried alerts waits.
    release.wait("a while", || prometheus.value("min(count_over_time(up[10s]))").is_some_and(|count| count >= 9.0));
    assert_eq!(names(&prometheus.alerts()), [""; 0], "nothing is wrong");

    let forbidden =
        json!({"error": {"code": "AuthorizationFailed", "message": "The client does not have authorization."}});
    release.sim.fault(json!({"match": {"server": "arm", "pathContains": "/routeTables/"}, "times": 0,
        "effect": {"status": {"code": 403, "body": forbidden}}}));
    release.look_now("forbidden");
    release.wait("the alert", || !prometheus.alerts().is_empty());
    let alerts = prometheus.alerts();
    assert_eq!(names(&alerts), ["AmlnetArmForbidden"], "{alerts:#?}");
    let (labels, notes) = (&alerts[0]["labels"], &alerts[0]["annotations"]);
    assert_eq!((&labels["installation"], &labels["severity"]), (&json!("prod"), &json!("warning")));
    assert!(labels["target"].as_str().unwrap().eq_ignore_ascii_case(TABLE), "{labels}");
    assert!(notes["description"].as_str().unwrap().contains("may not read or write"), "{notes}");
    assert!(notes["runbook_url"].as_str().unwrap().ends_with("/AmlnetArmForbidden.md"), "{notes}");
    let (_, reason, _) = release.condition("Stalled");
    assert_eq!(reason, "Forbidden", "the alert and the status say the same");

    release.sim.clear_faults();
    release.look_now("allowed");
    release.in_sync();
    release.wait("the end of the alert", || prometheus.alerts().is_empty());
}
