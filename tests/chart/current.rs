//! What stands in two places is the same in both: CRDs, permissions, the admission policy, alerts, versions, and the
//! plain manifests of `deploy/`. With AMLNET_UPDATE_GOLDEN set, what is made from the chart is written anew.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::tools::{helm_4, objects, of_kind, read, root, template, value_files};

type Permission = (String, String, String);

/// The file has to be this text; or it is written.
#[track_caller]
pub(crate) fn golden(path: &str, text: &str) {
    let file = root().join(path);
    if std::env::var_os("AMLNET_UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let stored = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        stored == text,
        "{path} is not what the chart gives: AMLNET_UPDATE_GOLDEN=1 cargo test --test chart current"
    );
}

fn allowed(role: &Value) -> BTreeSet<Permission> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut allowed = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        assert!(rule.as_object().unwrap().len() == 3, "a rule of another form: {rule}");
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                allowed.extend(texts(&rule["verbs"]).into_iter().map(|verb| (group.clone(), resource.clone(), verb)));
            }
        }
    }
    allowed
}

fn rendered(name: &str) -> Vec<Value> {
    let (_, file) = value_files().into_iter().find(|(found, _)| found == name).unwrap();
    objects(&template(helm_4(), "amlnet", &["-f", file.to_str().unwrap()]))
}

/// The one object of a kind, and of a name that ends so.
#[track_caller]
fn one<'a>(objects: &'a [Value], kind: &str, end: &str, namespace: &Value) -> &'a Value {
    let found: Vec<_> = of_kind(objects, kind)
        .into_iter()
        .filter(|object| object["metadata"]["name"].as_str().unwrap().ends_with(end))
        .filter(|object| &object["metadata"]["namespace"] == namespace)
        .collect();
    assert_eq!(found.len(), 1, "{kind} {end}");
    found[0]
}

#[test]
fn the_permissions_are_those_of_deploy_rbac() {
    let watched = rendered("watched-namespaces");
    let everywhere = rendered("all-namespaces");
    let none = Value::Null;
    let file = |name: &str| objects(&read(&format!("deploy/rbac/{name}.yaml")));
    let (own, one_more, all, people) =
        (file("controller"), file("watched-namespace"), file("all-namespaces"), file("people"));
    for rendering in [&watched, &everywhere] {
        let role = one(rendering, "Role", "amlnet", &json!("amlnet"));
        assert_eq!(allowed(role), allowed(of_kind(&own, "Role")[0]));
    }
    for team in ["team-a", "team-b"] {
        let role = one(&watched, "Role", "-watched", &json!(team));
        assert_eq!(allowed(role), allowed(of_kind(&one_more, "Role")[0]));
        let binding = one(&watched, "RoleBinding", "-watched", &json!(team));
        assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
        assert_eq!(binding["subjects"], of_kind(&one_more, "RoleBinding")[0]["subjects"]);
    }
    let role = one(&everywhere, "ClusterRole", "-watched", &none);
    assert_eq!(allowed(role), allowed(of_kind(&all, "ClusterRole")[0]));
    for name in ["amlnet-viewer", "amlnet-editor", "amlnet-approver"] {
        assert_eq!(
            allowed(one(&watched, "ClusterRole", name, &none)),
            allowed(one(&people, "ClusterRole", name, &none))
        );
    }
    assert_eq!(of_kind(&everywhere, "Role").len(), 1);
    assert_eq!(of_kind(&watched, "ClusterRole").len(), 3);
}

#[test]
fn the_policy_for_approvals_is_that_of_deploy() {
    let plain = objects(&read("deploy/approvals/approved-by.yaml"));
    let chart = rendered("minimal");
    let kind = "ValidatingAdmissionPolicy";
    assert_eq!(of_kind(&chart, kind)[0]["spec"], of_kind(&plain, kind)[0]["spec"]);
}

#[test]
fn the_crds_are_those_of_config_and_stay() {
    let objects = rendered("minimal");
    let crds = of_kind(&objects, "CustomResourceDefinition");
    assert_eq!(crds.len(), std::fs::read_dir(root().join("config/crd")).unwrap().count());
    for crd in crds {
        let plural = crd["spec"]["names"]["plural"].as_str().unwrap();
        golden(&format!("charts/amlnet/files/crds/{plural}.yaml"), &read(&format!("config/crd/{plural}.yaml")));
        let plain: Value = serde_yaml::from_str(&read(&format!("config/crd/{plural}.yaml"))).unwrap();
        assert_eq!(crd["spec"], plain["spec"]);
        assert_eq!(crd["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
        for (name, value) in plain["metadata"]["annotations"].as_object().unwrap() {
            assert_eq!(&crd["metadata"]["annotations"][name], value);
        }
    }
}

#[test]
fn the_alerts_are_those_of_deploy() {
    assert_eq!(read("charts/amlnet/files/alerts.yaml"), read("deploy/prometheus/alerts.yaml"));
    let (_, file) = value_files().into_iter().find(|(name, _)| name == "monitored").unwrap();
    let arguments = ["-f", file.to_str().unwrap(), "--api-versions", "monitoring.coreos.com/v1"];
    let objects = objects(&template(helm_4(), "amlnet", &arguments));
    let alerts: Value = serde_yaml::from_str(&read("deploy/prometheus/alerts.yaml")).unwrap();
    assert_eq!(of_kind(&objects, "PrometheusRule")[0]["spec"], alerts);
}

#[test]
fn the_version_is_the_programs() {
    let chart: Value = serde_yaml::from_str(&read("charts/amlnet/Chart.yaml")).unwrap();
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

/// The program refuses what is put in place of the two ids, so that nobody starts it without having chosen.
const INSTALLATION: &str = "YOUR-INSTALLATION-ID";
const CLIENT: &str = "YOUR-CLIENT-ID";
/// No name of an image has capital letters, so no node looks for it anywhere.
const IMAGE: &str = "YOUR-IMAGE";
const HEAD: &str = concat!(
    "\
# amlnet without Helm, for the namespace amlnet: what the chart in charts/amlnet renders. Put your own ids and
# image in, then apply it after the CRDs, and a feed after both:
#   amlnet crd | kubectl apply -f -
#   sed -e 's/YOUR-INSTALLATION-ID/prod1/' -e 's/YOUR-CLIENT-ID/00000000-0000-0000-0000-000000000000/' \\
#     -e 's|YOUR-IMAGE|registry.example.com/amlnet:",
    env!("CARGO_PKG_VERSION"),
    "|' deploy/install.yaml | kubectl apply -f -
#   kubectl -n amlnet apply -f config/samples/feed.yaml
# The installation id is a lower-case letter and 1 to 11 lower-case letters or digits, chosen once and kept for ever.
---
apiVersion: v1
kind: Namespace
metadata:
  name: amlnet
  labels:
    pod-security.kubernetes.io/enforce: restricted
"
);

fn plain() -> String {
    let values = "installationId=placeholder,azure.clientId=placeholder-client,crds.install=false,feeds.public=null";
    let text = template(helm_4(), "amlnet", &["--set", values]);
    let image = concat!("ghcr.io/amlnet/amlnet:", env!("CARGO_PKG_VERSION"));
    let text = text.replace("placeholder-client", CLIENT).replace("placeholder", INSTALLATION).replace(image, IMAGE);
    let helms = ["# Source: ", "app.kubernetes.io/managed-by: Helm", "helm.sh/chart: "];
    let lines: Vec<&str> =
        text.lines().filter(|line| !helms.iter().any(|mark| line.trim_start().starts_with(mark))).collect();
    let mut documents: Vec<String> =
        lines.join("\n").split("\n---").map(|document| document.trim_start_matches("---").trim().to_owned()).collect();
    documents.retain(|document| !document.is_empty());
    format!("{HEAD}---\n{}\n", documents.join("\n---\n"))
}

#[test]
fn the_plain_manifests_are_what_the_chart_renders() {
    let text = plain();
    golden("deploy/install.yaml", &text);
    assert!(text.contains(&format!("image: \"{IMAGE}\"")), "an image that somebody else could publish");
    assert!(
        !text.contains("helm"),
        "a trace of Helm: {:?}",
        text.lines().filter(|l| l.contains("helm")).collect::<Vec<_>>()
    );
    let chosen = text.replace(INSTALLATION, "prod1").replace(CLIENT, "id");
    let mut known = objects(&template(
        helm_4(),
        "amlnet",
        &["--set", "installationId=prod1,azure.clientId=id,crds.install=false,feeds.public=null"],
    ));
    known.push(json!({"kind": "Namespace"}));
    assert_eq!(objects(&chosen).len(), known.len());
}

#[test]
fn the_plain_manifests_start_nothing_before_an_id_is_chosen() {
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_amlnet"))
        .args(["run", "--installation-id", INSTALLATION])
        .env("KUBECONFIG", "/nowhere")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(!run.status.success() && said.contains(INSTALLATION), "{said}");
}
