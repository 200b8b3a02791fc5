//! The programs, the chart, and what it renders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use cluster::{Cluster, HELM, HELM_3, Helm};
use serde_json::Value;

/// Values with which the chart can be installed.
pub(crate) const MINIMAL: [&str; 2] =
    ["--set", "installationId=prod1,azure.clientId=11111111-0000-0000-0000-000000000000"];

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn chart() -> String {
    root().join("charts/amlnet").display().to_string()
}

/// The chart in another folder, to be changed there.
pub(crate) fn copy_chart(folder: &Path) -> String {
    let copied = std::process::Command::new("cp").args(["-r", &chart()]).arg(folder).status().unwrap();
    assert!(copied.success());
    folder.join("amlnet").display().to_string()
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn helm_4() -> &'static Helm {
    static FOUND: OnceLock<Helm> = OnceLock::new();
    FOUND.get_or_init(|| Helm::find(&HELM).unwrap_or_else(|error| panic!("{error}")))
}

pub(crate) fn helm_3() -> &'static Helm {
    static FOUND: OnceLock<Helm> = OnceLock::new();
    FOUND.get_or_init(|| Helm::find(&HELM_3).unwrap_or_else(|error| panic!("{error}")))
}

/// Both generations, by name.
pub(crate) fn helms() -> [(&'static str, &'static Helm); 2] {
    [("Helm 4", helm_4()), ("Helm 3", helm_3())]
}

/// The sets of values in `values/`, by name.
pub(crate) fn value_files() -> Vec<(String, PathBuf)> {
    let folder = root().join("tests/chart/values");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect();
    files.sort();
    files
}

/// The text that `helm template` gives. Several tests look at the same one, and the chart stays as it is.
#[track_caller]
pub(crate) fn template(helm: &Helm, namespace: &str, arguments: &[&str]) -> String {
    static RENDERED: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let chart = chart();
    let mut all = vec!["template", "amlnet", &chart, "--namespace", namespace];
    all.extend(arguments);
    let key = format!("{helm:?} {all:?}");
    if let Some(text) = RENDERED.lock().unwrap().get(&key) {
        return text.clone();
    }
    let text = helm.run(&all).ok();
    RENDERED.lock().unwrap().insert(key, text.clone());
    text
}

/// The objects in a text of several documents.
#[track_caller]
pub(crate) fn objects(text: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_yaml::from_multiple(text).unwrap();
    objects.into_iter().filter(|object| !object.is_null()).collect()
}

pub(crate) fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// `KIND/NAMESPACE/NAME`.
pub(crate) fn key(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!(
        "{}/{}/{}",
        text(&object["kind"]),
        text(&object["metadata"]["namespace"]),
        text(&object["metadata"]["name"])
    )
}

/// The two kinds of the Prometheus operator, of any form.
pub(crate) fn install_monitoring(cluster: &Cluster) {
    for (kind, plural) in [("ServiceMonitor", "servicemonitors"), ("PrometheusRule", "prometheusrules")] {
        cluster.apply(&format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
             metadata: {{name: {plural}.monitoring.coreos.com}}\n\
             spec:\n  group: monitoring.coreos.com\n  scope: Namespaced\n  \
             names: {{kind: {kind}, plural: {plural}, singular: {singular}}}\n  versions:\n  \
             - name: v1\n    served: true\n    storage: true\n    schema:\n      openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}\n",
            singular = kind.to_lowercase(),
        ));
    }
}
