//! Releases on a real API server: install, upgrade with objects in place, uninstall that keeps them, and two side by side.
//! No pod runs there.

use std::time::{Duration, Instant};

use cluster::{ADMIN, Cluster, Helm, Output};
use serde_json::{Value, json};

use crate::tools::{MINIMAL, chart, copy_chart, helm_3, helm_4, helms, install_monitoring};

const FEED: &str = "/apis/amlnet.dev/v1alpha1/namespaces/amlnet/servicetagfeeds/public";
const NETWORK: &str = "/apis/amlnet.dev/v1alpha1/namespaces/amlnet/amlnetworks/workspace";
const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
const CRDS: [&str; 3] = ["amlnetworks.amlnet.dev", "planapprovals.amlnet.dev", "servicetagfeeds.amlnet.dev"];

struct Site {
    cluster: Cluster,
    helm: &'static Helm,
}

impl Site {
    fn new(helm: &'static Helm) -> Self {
        Self { cluster: Cluster::start().unwrap(), helm }
    }

    #[track_caller]
    fn helm(&self, arguments: &[&str]) -> Output {
        self.helm.run_in(&self.cluster.kubeconfig(ADMIN), arguments)
    }

    /// `install` or `upgrade`, with the minimal values and these.
    #[track_caller]
    fn release(&self, verb: &str, name: &str, values: &[&str]) -> Output {
        let chart = chart();
        let mut arguments = vec![verb, name, &chart, "--namespace", name];
        if verb == "install" {
            arguments.push("--create-namespace");
        }
        arguments.extend(MINIMAL);
        for value in values {
            arguments.extend(["--set", value]);
        }
        self.helm(&arguments)
    }

    fn get(&self, path: &str) -> Value {
        self.cluster.ask(ADMIN, "GET", path, None).unwrap().json()
    }

    fn uid(&self, path: &str) -> String {
        self.get(path)["metadata"]["uid"].as_str().unwrap_or_else(|| panic!("there is no {path}")).to_owned()
    }

    fn uids(&self) -> Vec<String> {
        let crds = CRDS.map(|name| format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"));
        crds.iter().map(String::as_str).chain([FEED, NETWORK]).map(|path| self.uid(path)).collect()
    }

    fn observe(&self) {
        let network = json!({"apiVersion": "amlnet.dev/v1alpha1", "kind": "AmlNetwork",
            "metadata": {"name": "workspace", "namespace": "amlnet"},
            "spec": {"region": "eastus2", "mode": "Observe", "routes": {"routeTables": [{"id":
                "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ml/providers/Microsoft.Network/routeTables/rt-ml"}]}}});
        let path = NETWORK.strip_suffix("/workspace").unwrap();
        let answer = self.cluster.ask(ADMIN, "POST", path, Some(&network)).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.body);
    }

    fn interval(&self) -> Value {
        self.get(FEED)["spec"]["interval"].clone()
    }
}

/// The life of a release, to its second one.
fn lives(helm: &'static Helm) -> Site {
    let site = Site::new(helm);
    let said = site.release("install", "amlnet", &[]).ok();
    for words in [
        "system:serviceaccount:amlnet:amlnet",
        "kubectl -n amlnet create --edit -f config/samples/network.yaml",
        "describe amln workspace",
        "nobody publishes this image",
        "nothing watches this installation",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(site.get(FEED)["spec"], json!({"cloud": "Public", "sources": [{"download": {}}], "interval": "6h"}));
    site.observe();
    let now = json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": "noon"}}});
    assert_eq!(site.cluster.ask(ADMIN, "PATCH", FEED, Some(&now)).unwrap().status, 200);
    let uids = site.uids();

    // An upgrade takes the feed over and leaves what people wrote; the next one may change it.
    site.release("upgrade", "amlnet", &["replicas=3"]).ok();
    site.release("upgrade", "amlnet", &["feeds.public.interval=12h"]).ok();
    assert_eq!(site.interval(), "12h");
    assert_eq!(site.get(FEED)["metadata"]["annotations"]["amlnet.dev/reconcile-at"], "noon");
    assert_eq!(site.uids(), uids);

    // Without the CRDs among its objects they stay, and belong to it when they come back.
    site.release("upgrade", "amlnet", &["crds.install=false", "feeds.public.interval=12h"]).ok();
    site.release("upgrade", "amlnet", &["feeds.public.interval=12h"]).ok();
    assert_eq!(site.uids(), uids);

    // Back to the first revision, which had the feed in its hook, and forth.
    site.helm(&["rollback", "amlnet", "1", "--namespace", "amlnet"]).ok();
    assert_eq!(site.get("/apis/apps/v1/namespaces/amlnet/deployments/amlnet")["spec"]["replicas"], 2);
    assert_eq!(site.uids(), uids);
    site.release("upgrade", "amlnet", &["feeds.public.interval=12h"]).ok();
    assert_eq!(site.uids(), uids);

    // The id stays.
    let said = site.release("upgrade", "amlnet", &["installationId=other"]);
    assert!(
        said.status != 0 && said.stderr.contains("installationId was prod1 and would become other"),
        "{}",
        said.stderr
    );

    let said = site.helm(&["uninstall", "amlnet", "--namespace", "amlnet"]).ok();
    assert!(said.contains("[CustomResourceDefinition] amlnetworks.amlnet.dev"), "{said}");
    assert_eq!(site.uids(), uids, "the objects are not those from before");
    assert_eq!(site.get("/apis/apps/v1/namespaces/amlnet/deployments")["items"], json!([]));
    assert_eq!(site.get(POLICIES)["items"], json!([]));
    // Installed again, they are its own again.
    site.release("install", "amlnet", &["feeds.public.interval=12h"]).ok();
    assert_eq!(site.uids(), uids);
    site
}

#[test]
fn a_release_of_helm_4_keeps_what_people_made() {
    let site = lives(helm_4());
    side_by_side(&site);
}

#[test]
fn a_release_of_helm_3_keeps_what_people_made() {
    let site = lives(helm_3());
    side_by_side(&site);
}

/// A second release: it is told what to leave alone, and stands beside the first.
fn side_by_side(site: &Site) {
    let said = site.release("install", "second", &["installationId=second"]);
    let owned = "belongs to the release amlnet in the namespace amlnet. Write ";
    assert!(said.status != 0 && said.stderr.contains(owned), "{}", said.stderr);
    let values = [
        "installationId=second",
        "crds.install=false",
        "peopleRoles.create=false",
        "watchNamespaces={amlnet}",
        "allowAnyScope=true",
    ];
    site.release("install", "second", &values).ok();
    let names = site.get(POLICIES);
    assert_eq!(names["items"].as_array().unwrap().len(), 2, "{names}");
    let roles = site.get("/apis/rbac.authorization.k8s.io/v1/namespaces/amlnet/roles");
    let roles: Vec<_> =
        roles["items"].as_array().unwrap().iter().map(|role| role["metadata"]["name"].clone()).collect();
    assert_eq!(roles, ["amlnet", "second.second-amlnet-watched"]);
    // In the same namespace it has to leave the feed alone too.
    let values = "installationId=third,crds.install=false,peopleRoles.create=false";
    let chart = chart();
    let third = |more: &[&str]| {
        let same = ["install", "third", &chart, "--namespace", "amlnet"];
        site.helm(&[same.as_slice(), &MINIMAL, &["--set", values], more].concat())
    };
    let said = third(&[]);
    assert!(said.stderr.contains("Write feeds.public: null to leave it alone"), "{}", said.stderr);
    third(&["--set", "feeds.public=null"]).ok();
    site.helm(&["uninstall", "amlnet", "--namespace", "amlnet"]).ok();
    site.uid("/apis/apps/v1/namespaces/amlnet/deployments/third-amlnet");
    site.uid("/apis/apps/v1/namespaces/second/deployments/second-amlnet");
    site.uid("/apis/amlnet.dev/v1alpha1/namespaces/second/servicetagfeeds/public");
}

#[test]
fn the_first_upgrade_changes_a_feed_or_says_how_to() {
    for (generation, helm) in helms() {
        let site = Site::new(helm);
        let change = ["feeds.public.interval=12h"];
        site.release("install", "amlnet", &[]).ok();
        let mut said = site.release("upgrade", "amlnet", &change);
        if generation == "Helm 3" {
            // It does not change what it adopts, and would say nothing.
            assert!(said.status != 0 && said.stderr.contains("cannot change it in the same step"), "{}", said.stderr);
            assert_eq!(site.interval(), "6h");
            let command = said.stderr.lines().find_map(|line| line.trim().strip_prefix("kubectl ")).unwrap().to_owned();
            let (words, patch) = command.split_once('\'').unwrap();
            let words: Vec<&str> = words.split_whitespace().chain([patch.trim_end_matches('\'')]).collect();
            site.cluster.kubectl(ADMIN, &words).ok();
            said = site.release("upgrade", "amlnet", &change);
        }
        said.ok();
        assert_eq!(site.interval(), "12h", "{generation}");
        site.release("upgrade", "amlnet", &["feeds.public.interval=9h"]).ok();
        assert_eq!(site.interval(), "9h", "{generation}");
    }
}

/// A chart of the same version with an older CRD, as before an upgrade.
#[test]
fn an_upgrade_brings_the_crds_up_to_date() {
    for (generation, helm) in helms() {
        let site = Site::new(helm);
        let older = tempfile::tempdir().unwrap();
        let folder = copy_chart(older.path());
        let crd = format!("{folder}/files/crds/amlnetworks.yaml");
        let text = std::fs::read_to_string(&crd).unwrap();
        let marked = text.replace("amlnet.dev/crd-version: \"", "amlnet.dev/crd-version: \"0");
        let without = marked.replace("    - amln\n", "");
        assert!(marked != text && without != marked);
        std::fs::write(&crd, without).unwrap();
        let mut arguments = vec!["install", "amlnet", &folder, "--namespace", "amlnet", "--create-namespace"];
        arguments.extend(MINIMAL);
        site.helm(&arguments).ok();
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{}", CRDS[0]);
        let (uid, old) = (site.uid(&path), site.get(&path));
        assert!(old["spec"]["names"]["shortNames"].is_null(), "{generation}: {}", old["spec"]["names"]);
        site.observe();
        site.release("upgrade", "amlnet", &[]).ok();
        let new = site.get(&path);
        assert_eq!(new["spec"]["names"]["shortNames"], json!(["amln"]), "{generation}");
        assert!(!new["metadata"]["annotations"]["amlnet.dev/crd-version"].as_str().unwrap().starts_with('0'));
        assert_eq!(site.uid(&path), uid, "{generation}");
        site.uid(NETWORK);
    }
}

#[test]
fn without_the_crds_the_notes_say_what_to_do() {
    for (generation, helm) in helms() {
        let site = Site::new(helm);
        let said = site.release("install", "amlnet", &["crds.install=false"]).ok();
        assert!(
            said.contains("crds.install is false and the CRDs of amlnet are not in this cluster"),
            "{generation}: {said}"
        );
        let crds = crate::tools::template(
            helm,
            "amlnet",
            &[MINIMAL.as_slice(), &["--show-only", "templates/definitions.yaml"]].concat(),
        );
        site.cluster.apply(&crds);
        let said = site.release("upgrade", "amlnet", &["crds.install=false"]).ok();
        assert!(!said.contains("are not in this cluster"), "{generation}: {said}");
        site.uid(FEED);
        // CRDs that somebody else applied are not taken over silently.
        let said = site.release("upgrade", "amlnet", &[]);
        assert!(
            said.stderr.contains("was not installed by Helm. Write crds.install: false"),
            "{generation}: {}",
            said.stderr
        );
    }
}

#[test]
fn monitoring_is_installed_where_the_operator_is() {
    for (generation, helm) in helms() {
        let site = Site::new(helm);
        let image = "image.repository=registry.example.com/amlnet";
        let values = ["serviceMonitor.enabled=true", "prometheusRule.enabled=true", image];
        let said = site.release("install", "amlnet", &values);
        assert!(said.stderr.contains("install the operator first"), "{generation}: {}", said.stderr);
        install_monitoring(&site.cluster);
        let said = site.release("install", "amlnet", &values).ok();
        assert!(!said.contains("WARNING"), "{generation}: {said}");
        let rule = site.get("/apis/monitoring.coreos.com/v1/namespaces/amlnet/prometheusrules/amlnet");
        assert!(rule["spec"]["groups"].as_array().is_some_and(|groups| !groups.is_empty()), "{generation}: {rule}");
    }
}

#[test]
fn approvals_are_guarded_in_the_namespaces_of_a_release_and_in_no_others() {
    let site = Site::new(helm_4());
    for name in ["team-a", "team-b"] {
        site.cluster.kubectl(ADMIN, &["create", "namespace", name]).ok();
    }
    let robot = site.cluster.service_account("team-b", "gitops");
    let bind =
        ["create", "clusterrolebinding", "gitops", "--clusterrole=cluster-admin", "--serviceaccount=team-b:gitops"];
    site.cluster.kubectl(ADMIN, &bind).ok();
    let exempt = format!("approvals.exemptUsers={{{robot}}}");
    site.release("install", "amlnet", &["watchNamespaces={team-a}", "allowAnyScope=true", &exempt]).ok();
    let approve = |user: &str, namespace: &str, by: &str| {
        let approval = json!({"apiVersion": "amlnet.dev/v1alpha1", "kind": "PlanApproval", "metadata": {"name": "one"},
            "spec": {"network": "workspace", "approvedBy": by, "expiresAt": "2099-01-01T00:00:00Z",
                     "hash": format!("sha256:{}", "0".repeat(64))}});
        let path = format!("/apis/amlnet.dev/v1alpha1/namespaces/{namespace}/planapprovals?dryRun=All");
        site.cluster.ask(user, "POST", &path, Some(&approval)).unwrap()
    };
    // The API server takes a moment to notice a policy.
    let deadline = Instant::now() + Duration::from_secs(60);
    while approve(ADMIN, "team-a", "alice").status != 422 {
        assert!(Instant::now() < deadline, "the policy does not count");
    }
    let refused = approve(ADMIN, "amlnet", "alice");
    assert!(refused.body.contains("write approvedBy: \\\"admin\\\""), "{}", refused.body);
    assert_eq!(approve(ADMIN, "team-a", ADMIN).status, 201);
    assert_eq!(approve(&robot, "team-a", "alice").status, 201, "exempt");
    assert_eq!(approve(ADMIN, "team-b", "alice").status, 201, "not a namespace of the release");
}
