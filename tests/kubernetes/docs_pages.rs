//! The other pages with commands: each is typed from its first to its last, on a cluster of its own.

use cluster::ADMIN;
use serde_json::json;

use crate::harness::{Doc, wait_until};
use crate::reader::{Reader, TABLE};

#[test]
fn without_internet() {
    let mut reader = Reader::installed("air-gapped.md");
    let replica = reader.replica();
    reader.sim.write("ServiceTags_Public_20251103.json", Doc::week(2).bytes());
    let told = reader.types(ADMIN, "amlnet tags check");
    assert!(told.contains("acceptable"), "{told}");
    reader.types(ADMIN, "create configmap");
    reader.types(ADMIN, "status.current.source");
    let current = |field: &str| reader.get("servicetagfeeds", "public")["status"]["current"][field].clone();
    assert_eq!((current("changeNumber"), current("fileDate")), (json!(102), json!("2025-11-03")));
    reader.sim.write("ServiceTags_Public_20251110.json", Doc::week(3).bytes());
    reader.types(ADMIN, "create configmap service-tags-20251110");
    let current = |field: &str| reader.get("servicetagfeeds", "public")["status"]["current"][field].clone();
    assert_eq!((current("changeNumber"), current("fileDate")), (json!(103), json!("2025-11-10")));
    assert!(reader.blocks.is_empty(), "{:?}", reader.blocks);
    drop(replica);
}

#[test]
fn troubleshooting() {
    let mut reader = Reader::installed("troubleshooting.md");
    reader.samples();
    let replica = reader.replica();
    replica.wait_until("a first look", || reader.is_ready_for("ChangesHeld"));
    reader.types(ADMIN, "export AMLNET_INSTALLATION_ID");
    let told = reader.types(ADMIN, "describe amln workspace");
    for part in ["held: Mode", "ChangesHeld", "one\n", "7 held"] {
        assert!(told.contains(part), "{part:?} is missing:\n{told}");
    }
    reader.types_the_rest(ADMIN);
    for file in ["amlnet-objects.yaml", "amlnet-plan.json"] {
        assert!(std::fs::metadata(reader.sim.path(file)).unwrap().len() > 1000, "{file}");
    }
}

#[test]
fn the_first_hour() {
    let mut reader = Reader::of("first-hour.md");
    reader.types(ADMIN, "export AMLNET_INSTALLATION_ID");
    let told = reader.types(ADMIN, "helm install amlnet charts/amlnet");
    assert!(told.contains("STATUS: deployed"), "{told}");
    reader.feed_from_the_page();
    let replica = reader.replica_as_deployed();
    reader.types(ADMIN, "--for=condition=Ready stf/public");

    let told = reader.types(ADMIN, "config/samples/network.yaml");
    assert!(told.contains("held: Mode") && reader.routes() == 0, "{told}");
    let told = reader.types(ADMIN, "amlnet plan --cluster");
    for part in ["held, Mode", "(paired)", "+ 20.1.0.0/26", "7 held"] {
        assert!(told.contains(part), "{part:?} is missing:\n{told}");
    }
    reader.types(ADMIN, "UpsertOnly");
    assert_eq!(reader.routes(), 7);
    // As somebody does who follows the page: one route goes, and comes back.
    let mut table = reader.sim.resource(TABLE);
    table["properties"]["routes"].as_array_mut().unwrap().pop();
    reader.sim.put(table);
    assert_eq!(reader.routes(), 6);
    reader.types(ADMIN, "amlnet.dev/reconcile-at");
    replica.wait_until("the route that was deleted", || reader.routes() == 7);
    let told = reader.types(ADMIN, r#""mode": "Sync""#);
    assert!(told.contains("0 to add, 0 to change, 0 to remove; 0 held"), "{told}");
    reader.types(ADMIN, "--clusterrole=amlnet-approver");
    assert!(reader.blocks.is_empty(), "{:?}", reader.blocks);
    let (code, _, log) = replica.terminate();
    assert_eq!(code, 0, "{log}");
}

#[test]
fn install() {
    let mut reader = Reader::of("install.md");
    reader.types(ADMIN, "helm install amlnet charts/amlnet");
    reader.types(ADMIN, "azure.auth=clientSecret");
    let rendered = std::fs::read_to_string(reader.sim.path("with-secret.yaml")).unwrap();
    assert!(rendered.contains("name: AZURE_CLIENT_SECRET") && !rendered.contains("not-a-real-one"), "{rendered}");
    let told = reader.types(ADMIN, "helm get manifest");
    for part in ["deployment.apps/amlnet", "role.rbac.authorization.k8s.io/amlnet", "servicetagfeed.amlnet.dev/public"]
    {
        assert!(told.contains(part), "{part:?} is missing:\n{told}");
    }
    reader.types(ADMIN, "pod-security");
    let told = reader.types(ADMIN, "watchNamespaces: [team-a]");
    assert!(told.contains("amlnet.amlnet-watched"), "{told}");
    reader.types(ADMIN, "helm install amlnet-test");
    let told = reader.types(ADMIN, "--dry-run=server");
    assert!(told.contains("deployment.apps/amlnet"), "{told}");
    reader.types(ADMIN, "delete amln --all");
    let told = reader.types(ADMIN, "helm uninstall amlnet");
    assert!(told.contains("amlnetworks.amlnet.dev"), "the CRDs stay: {told}");
    assert_eq!(reader.get("servicetagfeeds", "public")["spec"]["cloud"], "Public", "the feed stays");
    reader.types_the_rest(ADMIN);
    wait_until("the end of the CRDs", || reader.runs(ADMIN, "kubectl get amln").code != 0);
}

#[test]
fn upgrade() {
    let mut reader = Reader::of("upgrade.md");
    let install = format!(
        "helm install amlnet charts/amlnet --namespace amlnet --create-namespace --set installationId=prod1 \
         --set azure.clientId=11111111-1111-1111-1111-111111111111 \
         --set-json 'feeds.public.sources=[{{\"download\": {{\"pageUrl\": \"{}\"}}}}]'
         kubectl -n amlnet apply -f config/samples/network.yaml",
        reader.sim.page()
    );
    reader.does(&install);
    let replica = reader.replica_as_deployed();
    replica.wait_until("a first look", || reader.is_ready_for("ChangesHeld"));
    reader.types(ADMIN, "export AMLNET_INSTALLATION_ID");
    reader.types(ADMIN, "amlnet version");
    let told = reader.types(ADMIN, "helm upgrade amlnet charts/amlnet");
    assert!(told.contains("servicetagfeeds.amlnet.dev"), "{told}");
    assert_eq!(reader.network()["spec"]["region"], "eastus2", "the objects stay");
    reader.types(ADMIN, "amlnet crd");
    let told = reader.types(ADMIN, "helm history");
    assert!(told.contains("superseded") && told.contains("deployed"), "{told}");
    let told = reader.types(ADMIN, "amlnet plan --cluster");
    assert!(told.contains("7 held"), "{told}");
    assert!(reader.blocks.is_empty(), "{:?}", reader.blocks);

    // The two ways out that install.md has for a feed that was changed by hand.
    let upgrade = "helm upgrade amlnet charts/amlnet --namespace amlnet --reset-then-reuse-values";
    reader.does("kubectl -n amlnet patch stf public --type merge -p '{\"spec\": {\"interval\": \"12h\"}}'");
    let ran = reader.runs(ADMIN, upgrade);
    assert!(ran.code != 0 && ran.all().contains("Apply failed with 1 conflict"), "{}", ran.all());
    let values =
        "{installationId: prod1, azure: {clientId: 11111111-1111-1111-1111-111111111111}, feeds: {public: null}}";
    reader.sim.write("values.yaml", values);
    reader.does("helm upgrade amlnet charts/amlnet --namespace amlnet --reset-values -f values.yaml");
    assert_eq!(reader.get("servicetagfeeds", "public")["spec"]["interval"], "12h");
    reader.does(&format!("{upgrade} --set feeds.public.interval=8h --force-conflicts"));
    assert_eq!(reader.get("servicetagfeeds", "public")["spec"]["interval"], "8h");
}
