//! The CRDs on a real API server: it takes them without a warning, and its answers to good and bad objects are golden
//! (`tests/objects/answers.txt`), with the same verdicts as those of the reader of files.
//!
//! `AMLNET_UPDATE_GOLDEN=1 cargo test --test kubernetes crds` writes the answers anew; read the diff before you commit it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use amlnet::api::{crd, read};
use cluster::{ADMIN, Cluster};
use serde_json::Value;

use crate::harness::wait_until;
use crate::objects::{self, Answer, Object};

/// A cluster that has the CRDs.
fn with_crds() -> &'static Cluster {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let cluster = Cluster::shared();
    let mut installed = INSTALLED.lock().unwrap();
    if !*installed {
        cluster.apply(&all_crds());
        *installed = true;
    }
    cluster
}

fn all_crds() -> String {
    crd::all().iter().map(|crd| crd::yaml(crd).unwrap()).collect()
}

#[test]
fn the_api_server_takes_the_crds_without_a_warning() {
    let cluster = with_crds();
    let again = cluster.kubectl_stdin(ADMIN, &["apply", "--server-side", "--dry-run=server", "-f", "-"], &all_crds());
    assert_eq!((again.status, again.stderr.as_str()), (0, ""), "{}", again.stdout);
    for crd in crd::all() {
        let name = crd.metadata.name.unwrap();
        let version = format!("jsonpath={{.metadata.annotations.{}}}", crd::VERSION_ANNOTATION.replace('.', "\\."));
        assert_eq!(cluster.kubectl(ADMIN, &["get", "crd", &name, "-o", &version]).ok(), crd::VERSION.to_string());
        // A schema that is not structural is taken too, and then checks nothing.
        let conditions =
            cluster.kubectl(ADMIN, &["get", "crd", &name, "-o", "jsonpath={.status.conditions[*].type}"]).ok();
        assert!(!conditions.contains("NonStructuralSchema"), "{name}: {conditions}");
    }
}

/// What kubectl says to an object.
fn ask(cluster: &Cluster, namespace: &str, object: &str, real: bool) -> Answer {
    let mut arguments = vec!["apply", "-n", namespace, "--validate=strict", "-f", "-"];
    if !real {
        arguments.push("--dry-run=server");
    }
    let output = cluster.kubectl_stdin(ADMIN, &arguments, object);
    Answer { accepted: output.status == 0, text: output.stdout + &output.stderr }
}

/// Where kubectl would post an object; `None` for what it refuses, or is not sure of, before it asks the API server.
fn place(object: &str) -> Option<String> {
    let object: Value = serde_yaml::from_str(object).ok()?;
    let plural = match (object["apiVersion"].as_str()?, object["kind"].as_str()?) {
        ("amlnet.dev/v1alpha1", kind @ ("AmlNetwork" | "ServiceTagFeed" | "PlanApproval")) => kind.to_lowercase() + "s",
        _ => return None,
    };
    let metadata = object["metadata"].as_object()?;
    let texts = |of: &Value| of.is_null() || of.as_object().is_some_and(|map| map.values().all(Value::is_string));
    let is_plain = metadata.get("name")?.as_str().is_some_and(|name| !name.is_empty())
        && !metadata.contains_key("namespace")
        && ["labels", "annotations"].iter().all(|map| texts(&object["metadata"][map]));
    is_plain.then(|| format!("/apis/amlnet.dev/v1alpha1/namespaces/default/{plural}?dryRun=All&fieldValidation=Strict"))
}

/// The same without kubectl, which would take most of the time, in kubectl's words.
fn ask_server(cluster: &Cluster, place: &str, object: &str) -> Answer {
    let answer = cluster.post_yaml(ADMIN, place, object).unwrap();
    let said = answer.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (accepted, text) = match text(&said["reason"]).as_str() {
        "" if answer.status == 201 => {
            let kind = text(&said["kind"]).to_lowercase();
            (true, format!("{kind}.amlnet.dev/{} created (server dry run)\n", text(&said["metadata"]["name"])))
        }
        "Invalid" => {
            let mut causes: Vec<String> = Vec::new();
            for cause in said["details"]["causes"].as_array().unwrap() {
                let cause = format!("{}: {}", text(&cause["field"]), text(&cause["message"]));
                if !causes.contains(&cause) {
                    causes.push(cause);
                }
            }
            let causes = match &causes[..] {
                [one] => format!(" {one}"),
                more => format!("\n* {}", more.join("\n* ")),
            };
            let details = &said["details"];
            (false, format!("The {} {} is invalid:{causes}\n", text(&details["kind"]), details["name"]))
        }
        reason => {
            let message = text(&said["message"]);
            (false, format!("Error from server ({reason}): error when creating \"STDIN\": {message}\n"))
        }
    };
    let warnings = answer.warnings.iter().map(|warning| format!("Warning: {warning}\n"));
    Answer { accepted, text: text + &warnings.collect::<Vec<_>>().concat() }
}

/// What form an answer has: the API server's reason, and whether there are several causes.
fn form(answer: &Answer) -> (String, bool) {
    let begin = match answer.text.strip_prefix("The ") {
        Some(_) => "Invalid",
        None => answer.text.split_once(')').map_or("", |(reason, _)| reason),
    };
    (if answer.accepted { "accepted".to_owned() } else { begin.to_owned() }, answer.text.contains("\n* "))
}

/// Every so many of those that kubectl need not be asked for are asked by both, and the first of each form.
const BY_BOTH: usize = 25;

fn answers(cluster: &Cluster, objects: &[Object]) -> BTreeMap<String, Answer> {
    let (mut answers, mut for_kubectl, mut forms) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
    for (index, object) in objects.iter().enumerate() {
        let answer = place(&object.yaml).map(|place| ask_server(cluster, &place, &object.yaml));
        if answer.as_ref().is_none_or(|answer| forms.insert(form(answer)) || index % BY_BOTH == 0) {
            for_kubectl.push(object);
        }
        answers.extend(answer.map(|answer| (object.name.clone(), answer)));
    }
    assert!(forms.len() >= 4, "{forms:?}");
    let answers = Mutex::new(answers);
    let (each, answers_of) = (for_kubectl.len().div_ceil(4), &answers);
    std::thread::scope(|scope| {
        for part in for_kubectl.chunks(each) {
            scope.spawn(move || {
                for object in part {
                    let said = ask(cluster, "default", &object.yaml, false);
                    let shown = |answer: Answer| objects::to_text(&BTreeMap::from([(object.name.clone(), answer)]));
                    let before = answers_of.lock().unwrap().insert(object.name.clone(), said.clone());
                    if let Some(before) = before {
                        assert_eq!(shown(before), shown(said), "without kubectl, and by kubectl");
                    }
                }
            });
        }
    });
    answers.into_inner().unwrap()
}

/// An object as it is, and as somebody changes it: `good-01-name.before.yaml` and `good-01-name.after.yaml`.
fn answers_to_updates(cluster: &Cluster) -> BTreeMap<String, Answer> {
    let mut answers = BTreeMap::new();
    let all = objects::all("updates");
    for after in &all {
        let Some(name) = after.name.strip_suffix(".after") else { continue };
        let before = all.iter().find(|object| object.name.strip_suffix(".before") == Some(name)).unwrap();
        let namespace = cluster.namespace("update");
        let made = ask(cluster, &namespace, &before.yaml, true);
        assert!(made.accepted, "{name}: {}", made.text);
        let mut answer = ask(cluster, &namespace, &after.yaml, false);
        // The one thing that differs from run to run.
        answer.text = answer.text.replace(&namespace, "NAMESPACE");
        assert_eq!(answer.accepted, name.starts_with("updates/good"), "{name}: {}", answer.text);
        answers.insert(name.to_owned(), answer);
    }
    assert!(answers.len() >= 11, "{} updates", answers.len());
    answers
}

fn version(cluster: &Cluster) -> String {
    let said = cluster.kubectl(ADMIN, &["version", "-o", "json"]).ok();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let part = |of: &str| said[of]["gitVersion"].as_str().unwrap().to_owned();
    format!("# kube-apiserver {}, kubectl {}", part("serverVersion"), part("clientVersion"))
}

#[test]
fn the_api_server_and_the_reader_of_files_give_the_same_verdicts() {
    let cluster = with_crds();
    let all = objects::good_and_bad();
    let mut found = answers(cluster, &all);
    let mut wrong = Vec::new();
    for object in &all {
        let server = &found[&object.name];
        let offline = read::read_any(&object.yaml).err();
        if server.accepted != object.is_good() || offline.is_none() != object.is_good() {
            let offline = offline.as_deref().unwrap_or("accepted");
            wrong.push(format!("{}\n  API server: {}\n  file: {offline}", object.name, server.text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    found.extend(answers_to_updates(cluster));
    let path = objects::folder().join("answers.txt");
    let text = format!("{}\n{}", version(cluster), objects::to_text(&found));
    if objects::update() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    if golden.lines().next() == text.lines().next() {
        for (name, answer) in objects::from_text(&text) {
            let recorded = objects::from_text(&golden).remove(&name);
            assert_eq!(Some(answer), recorded, "{name}; AMLNET_UPDATE_GOLDEN=1 writes it anew");
        }
        assert_eq!(text, golden, "AMLNET_UPDATE_GOLDEN=1 writes it anew");
    } else {
        // Other versions use other words.
        let verdicts = |text: &str| {
            objects::from_text(text).into_iter().map(|(name, answer)| (name, answer.accepted)).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(&text), verdicts(&golden));
    }
}

#[test]
fn ten_lines_get_sensible_defaults() {
    let cluster = with_crds();
    let namespace = cluster.namespace("defaults");
    let sample = std::fs::read_to_string(objects::folder().join("../../config/samples/network.yaml")).unwrap();
    cluster.kubectl_stdin(ADMIN, &["create", "-n", &namespace, "-f", "-"], &sample).ok();
    let spec = cluster.kubectl(ADMIN, &["get", "amln", "-n", &namespace, "workspace", "-o", "jsonpath={.spec}"]).ok();
    let spec: serde_json::Value = serde_json::from_str(&spec).unwrap();
    let id = &spec["routes"]["routeTables"][0]["id"];
    assert_eq!(
        spec,
        serde_json::json!({
            "feedRef": "public", "region": "eastus2", "pairedRegion": "Auto", "mode": "Observe", "suspend": false,
            "deletionPolicy": "Retain", "ipFamilies": ["IPv4"],
            "routes": {
                "services": ["AzureMachineLearning"],
                "routeTables": [{"id": id, "nextHop": {"type": "Internet"}, "addressing": "Prefixes"}],
            },
            "removal": {"holdFor": "42d", "budget": {"max": 10, "percent": 30}, "approval": "Always"},
            "growth": {"perService": 40, "total": 100},
        })
    );
}

#[test]
fn the_samples_are_accepted() {
    let cluster = with_crds();
    for namespace in ["team-a", "team-b"] {
        cluster.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}"));
    }
    let folder = objects::folder().join("../../config/samples");
    let folder = folder.to_str().unwrap();
    let said = cluster.kubectl(ADMIN, &["apply", "--dry-run=server", "--validate=strict", "-f", folder]).ok();
    assert!(said.lines().count() >= 9, "{said}");
}

/// Whoever leaves `mode` out, or looks for what a field means, is told by kubectl alone.
#[test]
fn kubectl_explains_fields() {
    let explain = || with_crds().kubectl(ADMIN, &["explain", "amln.spec.mode"]);
    // The server publishes a new kind some moments after it has taken it.
    wait_until("kubectl to find the kind", || explain().status == 0);
    let said = explain().ok();
    assert!(said.contains("UpsertOnly") && said.contains("start with Observe"), "{said}");
}

#[test]
fn columns_and_short_names_are_there() {
    let cluster = with_crds();
    let namespace = cluster.namespace("columns");
    for (sample, name) in [("ten-lines", "amln"), ("feed-download", "stf"), ("approval-of-a-network", "plana")] {
        let object = objects::all("good").into_iter().find(|object| object.name.ends_with(sample)).unwrap();
        cluster.kubectl_stdin(ADMIN, &["create", "-n", &namespace, "-f", "-"], &object.yaml).ok();
        let columns = |wide: &[&str]| {
            let table = cluster.kubectl(ADMIN, &[&["get", name, "-n", &namespace], wide].concat()).ok();
            let head = table.lines().next().unwrap_or_default();
            head.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect::<Vec<_>>().join(" | ")
        };
        let (narrow, wide) = match name {
            "amln" => (
                "NAME | REGION | PAIR | MODE | DOCUMENT | PENDING | READY | AGE",
                " | FEED | SUSPENDED | BLOCKED | REASON | MESSAGE",
            ),
            "stf" => ("NAME | CLOUD | DOCUMENT | FILE DATE | READY | AGE", " | SOURCE | HELD | REASON | MESSAGE"),
            _ => ("NAME | NETWORK | FEED | APPROVED BY | EXPIRES | AGE", " | HASH"),
        };
        assert_eq!(columns(&[]).replace(" | NAME", "NAME"), narrow, "{name}");
        assert_eq!(columns(&["-o", "wide"]), format!("{narrow}{wide}"), "{name}");
    }
    let all = cluster.kubectl(ADMIN, &["get", "amlnet", "-n", &namespace, "-o", "name"]).ok();
    assert_eq!(all.lines().count(), 3, "the category names all kinds: {all}");
}

/// A status as the controller makes it, written through the status subresource of a CRD that is as strict as it gets.
#[test]
fn statuses_fit_the_schema() {
    let cluster = with_crds();
    let namespace = cluster.namespace("status");
    let condition = serde_json::json!({
        "type": "Ready", "status": "False", "reason": "A", "message": "", "observedGeneration": 1,
        "lastTransitionTime": "2026-01-05T12:00:00Z",
    });
    let document = serde_json::json!({
        "changeNumber": 18_446_744_073_709u64, "fileDate": "2026-01-05", "digest": "sha256:a",
        "acceptedAt": "2026-01-05T12:00:00Z", "source": "download", "strategy": "page", "tags": 1, "prefixes": 2,
    });
    for (sample, plural, name, status) in [
        (
            "ten-lines",
            "amlnetworks",
            "workspace",
            serde_json::json!({
                "installation": "a1", "observedGeneration": 1, "conditions": [condition], "pending": 3,
                "lastHandledReconcileAt": "1", "pairedRegion": {"name": "centralus", "source": "Documentation"},
                "document": {"cloud": "Public", "changeNumber": 374, "digest": "sha256:a"},
                "targets": [{
                    "id": "/a", "state": "ANewStateOfALaterVersion", "message": "", "entries": 1, "capacity": 400,
                    "add": 1, "remove": 0, "held": 2, "removedIn7Days": 1, "conflicts": [], "conflictsNotListed": 0,
                    "warnings": [{"code": "A", "message": ""}], "pendingHash": "sha256:a",
                }],
                "retiring": [{"prefix": "1.2.3.0/24", "since": "2026-01-05T12:00:00Z"}], "retiringNotListed": 1,
                "orphanedTargets": [{"id": "/b", "entries": 2}],
                "approvals": [{"hash": "sha256:a", "state": "Used", "message": ""}],
            }),
        ),
        (
            "feed-download",
            "servicetagfeeds",
            "public",
            serde_json::json!({
                "observedGeneration": 1, "conditions": [condition], "lastHandledReconcileAt": "1",
                "current": document, "previous": document, "stored": [document], "notStored": "a", "invalid": "b",
                "sources": [{"source": "download", "result": "Failed", "reason": "A", "message": "b"}],
                "held": {"changeNumber": 1, "digest": "sha256:b", "reason": "c"},
            }),
        ),
    ] {
        let object = objects::all("good").into_iter().find(|object| object.name.ends_with(sample)).unwrap();
        cluster.kubectl_stdin(ADMIN, &["create", "-n", &namespace, "-f", "-"], &object.yaml).ok();
        let path =
            format!("/apis/amlnet.dev/v1alpha1/namespaces/{namespace}/{plural}/{name}/status?fieldValidation=Strict");
        let body = serde_json::json!({"status": status});
        let answer = cluster.ask(ADMIN, "PATCH", &path, Some(&body)).unwrap().json();
        assert_eq!(answer["status"], status, "{answer}");
        // Conditions are a map by type, so two writers cannot make two of one.
        let twice = serde_json::json!({"status": {"conditions": [condition, condition]}});
        let answer = cluster.ask(ADMIN, "PATCH", &path, Some(&twice)).unwrap().json();
        assert_eq!(answer["reason"], "Invalid", "{answer}");
    }
}
