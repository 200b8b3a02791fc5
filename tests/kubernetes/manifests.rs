//! The files of `deploy/`, and a cluster where those that count for all namespaces are applied.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::OnceLock;

use cluster::{ADMIN, Cluster, Settings};
use serde_json::{Value, json};

use crate::harness::{Sim, wait_until};
use crate::replica::Kube;

/// Who approves, in the name of nobody else.
pub(crate) const ALICE: &str = "alice";
/// Who writes Networks.
pub(crate) const BOB: &str = "bob";

/// Group, resource with its subresource, verb.
pub(crate) type Permission = (String, String, String);

/// A file below `deploy/` as somebody writes it for these namespaces.
pub(crate) fn manifest(file: &str, own: &str, watched: &str) -> String {
    let path = format!("{}/deploy/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let lines = text.lines().map(|line| match line.trim_start() {
        "namespace: amlnet" => line.replace("amlnet", own),
        "namespace: team-a" => line.replace("team-a", watched),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The objects of a kind in a file below `deploy/`.
pub(crate) fn objects(file: &str, kind: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_yaml::from_multiple(&manifest(file, "amlnet", "team-a")).unwrap();
    objects.into_iter().filter(|object| object["kind"] == kind).collect()
}

/// What a Role or ClusterRole of a file allows.
pub(crate) fn allowed(file: &str, kind: &str) -> BTreeSet<Permission> {
    let roles = objects(file, kind);
    assert_eq!(roles.len(), 1, "{file} has not one {kind}");
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut allowed = BTreeSet::new();
    for rule in roles[0]["rules"].as_array().unwrap() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                allowed.extend(texts(&rule["verbs"]).into_iter().map(|verb| (group.clone(), resource.clone(), verb)));
            }
        }
    }
    allowed
}

pub(crate) fn install_crds(cluster: &Cluster) {
    let crds = Command::new(env!("CARGO_BIN_EXE_amlnet")).arg("crd").output().unwrap();
    cluster.apply(&String::from_utf8(crds.stdout).unwrap());
}

/// With the CRDs, the roles for people and the admission policy. Not the shared one: the policy counts for the whole
/// cluster, and other tests approve in other names.
pub(crate) fn guarded() -> &'static Cluster {
    static GUARDED: OnceLock<Cluster> = OnceLock::new();
    GUARDED.get_or_init(|| {
        let cluster = Settings::default().user(ALICE, &[]).user(BOB, &[]).start().unwrap();
        install_crds(&cluster);
        cluster.apply(&manifest("rbac/people.yaml", "amlnet", "team-a"));
        cluster.apply(&manifest("approvals/approved-by.yaml", "amlnet", "team-a"));
        // The API server takes a moment to notice the policy.
        let probe = approval("probe", Some("nobody"));
        wait_until("the policy", || {
            let path = "/apis/amlnet.dev/v1alpha1/namespaces/default/planapprovals?dryRun=All";
            cluster.ask(ADMIN, "POST", path, Some(&probe)).unwrap().status == 422
        });
        cluster
    })
}

/// A namespace there.
pub(crate) fn guarded_kube(sim: Sim) -> Kube {
    let cluster = guarded();
    Kube { cluster, namespace: cluster.namespace("t"), sim }
}

/// An approval of nothing that waits.
pub(crate) fn approval(name: &str, by: Option<&str>) -> Value {
    let hash = format!("sha256:{}", "0".repeat(64));
    let mut object = json!({"apiVersion": "amlnet.dev/v1alpha1", "kind": "PlanApproval",
        "metadata": {"name": name}, "spec": {"network": "ml", "hash": hash}});
    if let Some(by) = by {
        object["spec"]["approvedBy"] = json!(by);
    }
    object
}

/// Binds a ClusterRole of `rbac/people.yaml`, or the Role `amlnet`, to a user in one namespace.
pub(crate) fn bind(cluster: &Cluster, namespace: &str, role: &str, user: &str) {
    let kind = if role == "amlnet" { "Role" } else { "ClusterRole" };
    let group = "rbac.authorization.k8s.io";
    let subject = match user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':')) {
        Some((namespace, name)) => json!({"kind": "ServiceAccount", "namespace": namespace, "name": name}),
        None => json!({"kind": "User", "apiGroup": group, "name": user}),
    };
    let binding = json!({"metadata": {"generateName": "test-"}, "subjects": [subject],
        "roleRef": {"apiGroup": group, "kind": kind, "name": role}});
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace}});
    let rules = || {
        let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
        let answer = cluster.ask(user, "POST", path, Some(&review)).unwrap().json();
        answer["status"]["resourceRules"].as_array().unwrap().len()
    };
    let before = rules();
    let path = format!("/apis/{group}/v1/namespaces/{namespace}/rolebindings");
    let answer = cluster.ask(ADMIN, "POST", &path, Some(&binding)).unwrap();
    assert_eq!(answer.status, 201, "{}", answer.body);
    // The authorizer hears of it a moment later.
    wait_until("the role counts", || rules() > before);
}

/// The times of a lease that nobody waits long for.
pub(crate) const QUICK: [&str; 3] = ["--lease-duration=6s", "--lease-renew-deadline=4s", "--lease-retry-period=1s"];
