//! `plan`, `apply` and `approve` on a cluster, beside a controller and without one.

use std::io::Write as _;
use std::process::{Command, Stdio};

use cluster::{ADMIN, Cluster};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::{
    Controller, Doc, Ran, Sim, TABLE, assert_schema, east, feed, network, ours, table_id, wait_until,
};
use crate::manifests::{ALICE, QUICK, bind, guarded_kube, install_crds, manifest};
use crate::replica::Kube;

const READS: [&str; 2] = ["get", "list"];

/// A command as a user.
fn command(kube: &Kube, user: &str, arguments: &[&str]) -> Command {
    let mut command = kube.sim.command(arguments);
    command.env("KUBECONFIG", kube.cluster.kubeconfig(user));
    command
}

#[track_caller]
fn amlnet(kube: &Kube, user: &str, arguments: &[&str]) -> Ran {
    kube.sim.ran(command(kube, user, arguments))
}

/// `plan` or `apply --yes` in the namespace of the test.
#[track_caller]
fn on_cluster(kube: &Kube, user: &str, what: &str, more: &[&str]) -> Ran {
    let yes: &[&str] = if what == "apply" { &["--yes"] } else { &[] };
    amlnet(kube, user, &[&[what, "--cluster", "-n", &kube.namespace], yes, more].concat())
}

fn start(kube: &Kube, name: &str) -> Controller {
    kube.replica(name, &QUICK)
}

fn wait_for(kube: &Kube, controller: &Controller, name: &str, reason: &str) {
    controller.wait_until(&format!("{reason} of {name}"), || {
        let object = kube.network(name);
        let is_seen = object["status"]["observedGeneration"] == object["metadata"]["generation"];
        is_seen && kube.condition(name, "Ready").1 == reason
    });
}

fn publish(kube: &Kube, doc: &Doc) {
    kube.sim.publish(doc);
    let at = json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": doc.date}}});
    kube.patch("servicetagfeeds", "public", &at);
}

/// All objects of a kind in the namespace, without what the API server writes by itself.
fn stands(kube: &Kube, kinds: &str) -> Value {
    let list: Value = serde_json::from_str(&kube.kubectl(&["get", kinds, "-o", "json"])).unwrap();
    list["items"].clone()
}

#[track_caller]
fn stop(controller: Controller) {
    let (code, _, log) = controller.terminate();
    assert_eq!(code, 0, "{log}");
}

/// Who may only read one namespace.
fn reader(kube: &Kube) -> String {
    let user = kube.cluster.service_account(&kube.namespace, "reader");
    bind(kube.cluster, &kube.namespace, "amlnet-viewer", &user);
    user
}

#[test]
fn plan_shows_what_the_controller_would_do_and_writes_nothing_for_whoever_reads_one_namespace() {
    let kube = guarded_kube(Sim::start());
    let reader = reader(&kube);
    let approvals = json!({"spec": {"removal": {"holdFor": "0s", "approval": "Always"}}});
    kube.usual(approvals);
    let controller = start(&kube, "one");
    wait_for(&kube, &controller, "ml", "InSync");
    let plan = |more: &[&str]| {
        let (ran, cost) = kube.sim.cost(TABLE, || on_cluster(&kube, &reader, "plan", more));
        assert_eq!(cost.writes(), 0);
        ran
    };
    plan(&[]).exits(0).says(&["1 target: 0 to add, 0 to change, 0 to remove"]);

    publish(&kube, &Doc::week(2).regions(1..4, 0..3));
    wait_for(&kube, &controller, "ml", "ApprovalNeeded");
    let answer = plan(&["-o", "json"]).exits(3).json();
    assert_schema("plan", &answer);
    let target = &answer["targets"][0];
    assert_eq!(target["id"], TABLE);
    let hash = kube.network("ml")["status"]["targets"][0]["pendingHash"].as_str().unwrap().to_owned();
    assert_eq!(target["hash"], hash, "{answer:#}");
    assert_eq!((&target["held"][0]["reason"], &target["held"][0]["prefix"]), (&json!("Approval"), &json!(east(0))));
    assert_eq!(answer["document"]["changeNumber"], 102);
    plan(&["ml"]).exits(3).says(&["to approve: amlnet approve", &hash]);

    kube.patch("amlnetworks", "ml", &json!({"spec": {"removal": {"holdFor": "42d"}}}));
    wait_for(&kube, &controller, "ml", "RemovalsHeld");
    let answer = plan(&["-o", "json"]).exits(0).json();
    let since: Timestamp = kube.network("ml")["status"]["retiring"][0]["since"].as_str().unwrap().parse().unwrap();
    let held = &answer["targets"][0]["held"][0];
    assert_eq!(held["reason"], "Hold");
    let until: Timestamp = held["until"].as_str().unwrap().parse().unwrap();
    assert_eq!(until.duration_since(since).as_hours(), 42 * 24, "the clock is the controller's");

    kube.patch("amlnetworks", "ml", &json!({"spec": {"mode": "Observe"}}));
    wait_for(&kube, &controller, "ml", "ChangesHeld");
    let answer = plan(&["-o", "json"]).exits(2).json();
    assert_eq!(answer["targets"][0]["held"][0]["reason"], "Mode");

    let requests = kube.cluster.requests_of(&reader);
    let wrote: Vec<_> = requests
        .iter()
        .filter(|request| !READS.contains(&request.verb.as_str()) && !request.resource.starts_with("selfsubject"))
        .collect();
    assert!(wrote.is_empty() && !requests.is_empty(), "{wrote:#?}");
    let refused = |request: &&cluster::Request| request.code == 403 && !request.namespace.is_empty();
    assert_eq!(requests.iter().filter(refused).count(), 0, "only all namespaces at once are refused");
    stop(controller);
}

#[test]
fn what_the_command_approves_is_what_the_controller_then_does() {
    let kube = guarded_kube(Sim::start());
    bind(kube.cluster, &kube.namespace, "amlnet-approver", ALICE);
    kube.usual(json!({"spec": {"removal": {"approval": "Always"}}}));
    let controller = start(&kube, "one");
    wait_for(&kube, &controller, "ml", "InSync");
    publish(&kube, &Doc::week(2).regions(1..4, 0..3));
    wait_for(&kube, &controller, "ml", "ApprovalNeeded");
    let said = on_cluster(&kube, &reader(&kube), "plan", &[]).exits(3).all();
    // What the plan says to type is enough, in the name of whoever types it.
    let line = said.lines().find_map(|line| line.trim().strip_prefix("to approve: amlnet ")).unwrap();
    amlnet(&kube, ALICE, &line.split(' ').collect::<Vec<_>>()).exits(0);
    controller.wait_until("the removal", || !ours(&kube.sim.history(TABLE)).contains(&east(0)));
    wait_for(&kube, &controller, "ml", "InSync");
    assert_eq!(kube.network("ml")["status"]["approvals"][0]["state"], "Used");
    assert_eq!(stands(&kube, "plana")[0]["spec"]["approvedBy"], ALICE);
    stop(controller);
}

#[test]
fn what_is_not_there_is_named() {
    let kube = guarded_kube(Sim::start());
    let reader = reader(&kube);
    on_cluster(&kube, ADMIN, "plan", &[]).exits(1).says(&["there is no AmlNetwork", &kube.namespace, "-n"]);
    kube.usual(json!({}));
    let missing = format!("{}/elsewhere: there is no such AmlNetwork", kube.namespace);
    on_cluster(&kube, ADMIN, "plan", &["ml", "elsewhere"]).exits(1).says(&[&missing]);
    for what in ["plan", "apply"] {
        let yes: &[&str] = if what == "apply" { &["--yes"] } else { &[] };
        let other = amlnet(&kube, ADMIN, &[&[what, "--cluster", "-n", "no-such"], yes].concat()).exits(1);
        other.says(&["there is no AmlNetwork", "namespace no-such"]);
    }
    // Whoever may not read is told what and where, and by which role.
    let other = kube.cluster.namespace("closed");
    let refused = amlnet(&kube, &reader, &["plan", "--cluster", "-n", &other]).exits(1);
    refused.says(&["cannot list", &other, "amlnet-viewer"]);
    assert!(!refused.all().contains("the service account may"), "a person asks: {}", refused.all());
    // No document was stored yet: nothing can be said about what is needed.
    on_cluster(&kube, &reader, "plan", &[]).exits(3).says(&["has not stored a document of the feed public yet"]);
    let home = tempfile::tempdir().unwrap();
    let mut command = kube.sim.command(&["plan", "--cluster"]);
    command.env("HOME", home.path());
    kube.sim.ran(command).exits(1).says(&["error: Kubernetes", "KUBECONFIG"]);
    let mut command = kube.sim.command(&["plan", "--cluster"]);
    command.env("KUBECONFIG", home.path().join("missing"));
    kube.sim.ran(command).exits(1).says(&["error: Kubernetes", "missing"]);
    assert_eq!(kube.network("ml")["status"]["installation"].as_str().unwrap_or_default(), "", "it is nobody's yet");
}

/// A cluster of its own.
fn alone() -> &'static Cluster {
    Box::leak(Box::new(Cluster::start().unwrap()))
}

#[test]
fn a_cluster_without_the_crds_is_told_what_to_apply() {
    let cluster = alone();
    let kube = Kube { cluster, namespace: cluster.namespace("t"), sim: Sim::start() };
    for what in ["plan", "apply"] {
        on_cluster(&kube, ADMIN, what, &[]).exits(1).says(&["the CRD is not installed", "amlnet crd"]);
    }
    let hash = format!("sha256:{}", "0".repeat(64));
    let arguments = ["approve", "ml", "--hash", &hash, "-n", &kube.namespace];
    amlnet(&kube, ADMIN, &arguments).exits(1).says(&["the CRD is not installed", "amlnet crd"]);
    cluster.stop_api_server(); // the other tests need its share
}

#[test]
fn apply_works_where_no_controller_leads_and_leaves_nothing_for_the_next() {
    let kube = guarded_kube(Sim::start());
    // Whoever applies has the rights of the controller, in its namespace.
    kube.cluster.apply(&manifest("rbac/controller.yaml", &kube.namespace, ""));
    let person = kube.cluster.service_account(&kube.namespace, "person");
    bind(kube.cluster, &kube.namespace, "amlnet", &person);
    kube.usual(json!({"spec": {"removal": {"holdFor": "42d"}}}));
    let controller = start(&kube, "one");
    wait_for(&kube, &controller, "ml", "InSync");
    publish(&kube, &Doc::week(2).regions(1..4, 0..3));
    wait_for(&kube, &controller, "ml", "RemovalsHeld");
    let (ran, cost) = kube.sim.cost(TABLE, || on_cluster(&kube, &person, "apply", &[]));
    ran.exits(1).says(&["one leads", "amlnet approve", "stop the controller"]);
    assert_eq!(cost.writes(), 0);
    stop(controller);

    let since = kube.network("ml")["status"]["retiring"].clone();
    assert_eq!(since[0]["prefix"], east(0));
    let holds = |answer: &Value| answer["targets"][0]["held"].clone();
    let before = holds(&on_cluster(&kube, &person, "plan", &["-o", "json"]).exits(0).json());
    kube.sim.delete(&format!("{TABLE}/routes/amlnet.prod.20.1.0.64_26"));
    kube.patch("amlnetworks", "ml", &json!({"spec": {"growth": {"perService": 41}}}));
    let answer = on_cluster(&kube, &person, "apply", &["-o", "json"]).exits(0).json();
    assert_schema("plan", &answer);
    assert_eq!(answer["targets"][0]["result"]["state"], "Applied");
    assert_eq!(holds(&answer), before);
    assert_eq!(ours(&kube.sim.history(TABLE)).len(), 7, "what is held stays, what was missing is back");
    let object = kube.network("ml");
    assert_eq!(object["status"]["observedGeneration"], object["metadata"]["generation"]);
    assert_eq!(object["status"]["retiring"], since);
    assert_eq!(kube.condition("ml", "Ready"), ("True".into(), "RemovalsHeld".into()));
    let leases = stands(&kube, "lease");
    assert_eq!(leases[0]["spec"]["holderIdentity"].as_str().unwrap_or_default(), "", "given up: {leases}");
    let refused: Vec<_> = kube.cluster.requests_of(&person).into_iter().filter(|r| r.code == 403).collect();
    assert!(refused.iter().all(|request| request.namespace.is_empty()), "{refused:#?}");

    let stood = (object["status"].clone(), stands(&kube, "cm"));
    let (controller, cost) = kube.sim.cost(TABLE, || {
        let controller = start(&kube, "two");
        controller.wait_until("a look at the table", || controller.log().contains("nothing to write"));
        controller
    });
    assert_eq!(cost.writes(), 0);
    stop(controller);
    assert_eq!((kube.network("ml")["status"].clone(), stands(&kube, "cm")), stood, "nothing was left to do");
}

/// A person takes longer than the lease may go without a renewal, and the steps are taken all the same.
#[test]
fn the_lease_is_kept_while_a_person_thinks() {
    let kube = guarded_kube(Sim::start());
    kube.cluster.apply(&manifest("rbac/controller.yaml", &kube.namespace, ""));
    let person = kube.cluster.service_account(&kube.namespace, "person");
    bind(kube.cluster, &kube.namespace, "amlnet", &person);
    kube.usual(json!({"spec": {"mode": "Observe"}}));
    let controller = kube.replica("one", &[&QUICK[..], &["--lease-name", "another"]].concat());
    wait_for(&kube, &controller, "ml", "ChangesHeld");
    let arguments = ["--lease-name", "another"];
    on_cluster(&kube, &person, "apply", &arguments).exits(1).says(&["one leads"]);
    stop(controller);
    kube.patch("amlnetworks", "ml", &json!({"spec": {"mode": "Sync"}}));
    // util-linux gives it a terminal.
    let text = format!("{} apply --cluster -n {}", env!("CARGO_BIN_EXE_amlnet"), kube.namespace);
    let plain = command(&kube, &person, &[]);
    let mut script = Command::new("script");
    script.args(["-qefc", &text, "/dev/null"]).env_clear();
    script.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    script.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut asks = script.spawn().unwrap();
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/amlnet-prod", kube.namespace);
    let lease = || kube.cluster.ask(ADMIN, "GET", &path, None).unwrap().json()["spec"].clone();
    let time = |name: &str| lease()[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    wait_until("renewals beyond the deadline", || {
        let held = time("acquireTime").zip(time("renewTime"));
        held.is_some_and(|(acquired, renewed)| renewed.duration_since(acquired).as_secs() >= 12)
    });
    asks.stdin.take().unwrap().write_all(b"yes\n").unwrap();
    let output = asks.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("Only yes is a yes"), "{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(ours(&kube.sim.history(TABLE)).len(), 7);
}

#[test]
fn apply_of_one_network_leaves_the_others_and_claims_before_it_writes() {
    let second = table_id("rt-second");
    // Who sees all namespaces would see the Networks of other tests, too.
    let cluster = alone();
    install_crds(cluster);
    let sim = Sim::with_tables(&[(TABLE, vec![]), (&second, vec![])], json!({}));
    let kube = Kube { cluster, namespace: cluster.namespace("t"), sim };
    kube.apply(&feed(&kube.sim.page(), json!({})));
    let other = json!({"metadata": {"name": "other"}, "spec": {"routes": {"routeTables": [{"id": second}]}}});
    kube.apply(&network(other));
    let controller = start(&kube, "one");
    wait_for(&kube, &controller, "other", "InSync");
    stop(controller);
    let stood = kube.network("other");
    // New, and to be cleaned up after: the finalizer has to be there before the first route.
    kube.apply(&network(json!({"spec": {"deletionPolicy": "Delete"}})));
    let elsewhere = kube.cluster.namespace("elsewhere");
    let mut stranger = network(json!({"metadata": {"name": "stranger", "namespace": elsewhere}}));
    stranger["spec"]["routes"]["routeTables"][0]["id"] = json!(second);
    kube.cluster.kubectl_stdin(ADMIN, &["apply", "-f", "-"], &stranger.to_string()).ok();
    on_cluster(&kube, ADMIN, "apply", &["ml"]).exits(0).says(&["7 writes done"]);
    assert_eq!(ours(&kube.sim.history(TABLE)).len(), 7);
    let made = kube.network("ml");
    assert_eq!(made["status"]["installation"], "prod");
    assert_eq!(made["metadata"]["finalizers"], json!(["amlnet.dev/cleanup"]));
    assert_eq!(kube.condition("ml", "Ready"), ("True".into(), "InSync".into()));
    assert_eq!(kube.network("other"), stood, "it was not meant");
    let path = format!("/apis/amlnet.dev/v1alpha1/namespaces/{elsewhere}/amlnetworks/stranger");
    let stranger = kube.cluster.ask(ADMIN, "GET", &path, None).unwrap().json();
    assert_eq!(stranger["status"]["installation"].as_str().unwrap_or_default(), "", "nobody's, and not meant");
    // Its table is no part of what another plan sees.
    let answer = on_cluster(&kube, ADMIN, "plan", &["other", "-o", "json"]).exits(0).json();
    assert!(!answer.to_string().contains("stranger"), "{answer}");
    cluster.stop_api_server(); // the other tests need its share
}
