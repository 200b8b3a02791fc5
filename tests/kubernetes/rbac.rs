//! The permissions of `deploy/rbac`: what the controller asks of the API server is recorded, in a run that goes through
//! everything, and compared with what its roles allow, both ways.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{ADMIN, Cluster, Request};
use serde_json::{Value, json};

use crate::harness::{Controller, Doc, Sim, TABLE, east, feed, network, ours, table_id};
use crate::manifests::{self, ALICE, BOB, Permission, QUICK, allowed, bind, manifest};
use crate::replica::Kube;

const CONTROLLER: &str = "rbac/controller.yaml";
const WATCHED: &str = "rbac/watched-namespace.yaml";
const ALL: &str = "rbac/all-namespaces.yaml";

/// What the requests needed, by namespace; empty for all namespaces.
fn used(requests: &[Request]) -> BTreeMap<String, BTreeSet<Permission>> {
    let mut used: BTreeMap<String, BTreeSet<Permission>> = BTreeMap::new();
    for request in requests.iter().filter(|request| !request.resource.is_empty()) {
        let resource = match request.subresource.as_str() {
            "" => request.resource.clone(),
            sub => format!("{}/{sub}", request.resource),
        };
        let permission = (request.group.clone(), resource, request.verb.clone());
        used.entry(request.namespace.clone()).or_default().insert(permission);
    }
    used
}

#[track_caller]
fn assert_nothing_refused(requests: &[Request]) {
    let refused: Vec<_> = requests.iter().filter(|request| request.code == 403 || request.code == 401).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[track_caller]
fn assert_same(role: &str, allowed: &BTreeSet<Permission>, used: &BTreeSet<Permission>) {
    let unused: Vec<_> = allowed.difference(used).collect();
    let lacking: Vec<_> = used.difference(allowed).collect();
    assert!(unused.is_empty() && lacking.is_empty(), "{role}: never used {unused:?}, lacking {lacking:?}");
}

/// Where a controller runs, and as whom.
#[derive(Clone, Copy)]
struct Ground<'a> {
    kube: &'a Kube,
    user: &'a str,
}

impl<'a> Ground<'a> {
    fn place<'b>(self, namespace: &'b str, table: &'b str, replica: &'b Controller) -> Place<'b>
    where
        'a: 'b,
    {
        Place { kube: self.kube, namespace, table, replica, user: self.user }
    }
}

/// The Network `ml` of one namespace, and who works for it.
struct Place<'a> {
    kube: &'a Kube,
    namespace: &'a str,
    table: &'a str,
    replica: &'a Controller,
    user: &'a str,
}

impl Place<'_> {
    fn path(&self, plural: &str, name: &str) -> String {
        format!("/apis/amlnet.dev/v1alpha1/namespaces/{}/{plural}/{name}", self.namespace)
    }

    fn apply(&self, object: &Value) {
        self.kube.apply_in(self.namespace, object);
    }

    fn get(&self, name: &str) -> Value {
        let answer = self.kube.cluster.ask(ADMIN, "GET", &self.path("amlnetworks", name), None).unwrap();
        if answer.status == 404 { Value::Null } else { answer.json() }
    }

    fn patch(&self, plural: &str, name: &str, patch: &Value) {
        let answer = self.kube.cluster.ask(ADMIN, "PATCH", &self.path(plural, name), Some(patch)).unwrap();
        assert!(answer.status < 300, "{}", answer.body);
    }

    fn change(&self, spec: &Value) {
        self.patch("amlnetworks", "ml", &json!({"spec": spec}));
    }

    fn delete(&self, name: &str) {
        let answer = self.kube.cluster.ask(ADMIN, "DELETE", &self.path("amlnetworks", name), None).unwrap();
        assert!(answer.status < 300, "{}", answer.body);
        self.replica.wait_until("the object goes", || self.get(name).is_null());
    }

    /// Waits until the spec as it is now has this reason for how ready it is.
    fn wait_for(&self, name: &str, reason: &str) {
        self.replica.wait_until(&format!("{reason} in {}", self.namespace), || {
            let object = self.get(name);
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default();
            ready["reason"] == reason && ready["observedGeneration"] == object["metadata"]["generation"]
        });
    }

    fn is_used(&self, group: &str, resource: &str, verb: &str) -> bool {
        let permission = (group.to_owned(), resource.to_owned(), verb.to_owned());
        let used = used(&self.kube.cluster.requests_of(self.user));
        used.get(self.namespace).is_some_and(|used| used.contains(&permission))
    }

    /// Changes an object for so long that a status meets a version that it does not know.
    fn disturb(&self, plural: &str, name: &str) {
        let mut count = 0;
        self.replica.wait_until(&format!("a conflict on {plural} in {}", self.namespace), || {
            for _ in 0..20 {
                count += 1;
                let annotations = json!({"amlnet.dev/reconcile-at": format!("{count}")});
                self.patch(plural, name, &json!({"metadata": {"annotations": annotations}}));
            }
            self.is_used("amlnet.dev", plural, "get")
        });
    }

    /// Converges, and says the same twice.
    fn begin(&self) {
        self.apply(&network(json!({"spec": {
            "removal": {"approval": "Always"}, "routes": {"routeTables": [{"id": self.table}]}}})));
        self.wait_for("ml", "InSync");
        assert_eq!(ours(&self.kube.sim.history(self.table)).len(), 7);
        self.change(&json!({"region": "nowhere"}));
        self.wait_for("ml", "Unresolved");
        self.change(&json!({"region": "eastus2"}));
        self.wait_for("ml", "InSync");
    }

    /// What waits for a person is approved by one.
    fn approve(&self) {
        self.wait_for("ml", "ApprovalNeeded");
        let hash = self.get("ml")["status"]["targets"][0]["pendingHash"].as_str().unwrap().to_owned();
        let mut command = self.kube.sim.command(&["approve", "ml", "--hash", &hash, "-n", self.namespace]);
        command.env("KUBECONFIG", self.kube.cluster.kubeconfig(ADMIN));
        self.kube.sim.ran(command).exits(0);
        self.replica
            .wait_until("the approved removal", || !ours(&self.kube.sim.history(self.table)).contains(&east(0)));
        self.wait_for("ml", "InSync");
    }

    /// Statuses meet conflicts, finalizers come and go, memory is forgotten, and the Network with its entries goes.
    fn end(&self) {
        self.disturb("amlnetworks", "ml");
        let has_finalizer = || !self.get("ml")["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty);
        self.change(&json!({"deletionPolicy": "Delete"}));
        self.replica.wait_until("the finalizer", has_finalizer);
        self.change(&json!({"deletionPolicy": "Retain"}));
        self.replica.wait_until("no finalizer", || !has_finalizer());
        self.change(&json!({"deletionPolicy": "Delete"}));
        self.replica.wait_until("the finalizer again", has_finalizer);
        self.delete("ml");
        let left = ours(&self.kube.sim.history(self.table));
        assert!(left.is_empty(), "{left:?} {}", self.replica.log());
    }
}

/// Two places at the same time: most of it is waiting.
fn both<'a>(places: [Place<'a>; 2], part: impl Fn(&Place<'a>) + Sync) {
    std::thread::scope(|scope| {
        for place in &places {
            scope.spawn(|| part(place));
        }
    });
}

#[test]
fn the_roles_of_the_controller_are_what_it_uses_neither_more_nor_less() {
    let (second, looked_at) = (table_id("rt-second"), table_id("rt-looked-at"));
    let tables = [(TABLE, vec![]), (&second, vec![]), (&looked_at, vec![])];
    let kube = manifests::guarded_kube(Sim::with_tables(&tables, json!({})));
    let (cluster, own, other) = (kube.cluster, kube.namespace.as_str(), kube.cluster.namespace("watched"));
    cluster.apply(&manifest(CONTROLLER, own, &other));
    cluster.apply(&manifest(WATCHED, own, &other));
    let user = cluster.service_account(own, "amlnet");
    let kubeconfig = cluster.kubeconfig(&user);
    let more = [&["--watch-namespaces", &other, "--allow-any-scope"], &QUICK[..]].concat();
    let start = |name: &str| kube.sim.background(kube.command(name, &kubeconfig, &more));
    let first = start("first");
    kube.apply(&feed(&kube.sim.page(), json!({})));
    let run = Ground { kube: &kube, user: &user };
    both([run.place(own, TABLE, &first), run.place(&other, &second, &first)], Place::begin);
    // Nothing is left of a table that was only looked at, so that its memory goes with the Network.
    let observed = run.place(own, TABLE, &first);
    let change = json!({"metadata": {"name": "observed"}, "spec": {
        "mode": "Observe", "routes": {"routeTables": [{"id": looked_at}]}}});
    observed.apply(&network(change));
    observed.wait_for("observed", "ChangesHeld");
    observed.delete("observed");
    first.wait_until("memory that goes", || observed.is_used("", "configmaps", "delete"));
    kube.sim.publish(&Doc::week(2).regions(1..4, 0..3));
    observed.disturb("servicetagfeeds", "public");
    both([run.place(own, TABLE, &first), run.place(&other, &second, &first)], Place::approve);
    let standby = start("second");
    standby.wait_until("the standby", || standby.log().contains(" ready"));
    first.kill();
    standby.wait_until("the take-over", || standby.log().contains("leads"));
    both([run.place(own, TABLE, &standby), run.place(&other, &second, &standby)], Place::end);
    let (code, _, log) = standby.terminate();
    assert_eq!(code, 0, "{log}");
    let requests = cluster.requests_of(&user);
    assert_nothing_refused(&requests);
    let by_place = used(&requests);
    assert_eq!(by_place.keys().collect::<BTreeSet<_>>(), BTreeSet::from([&own.to_owned(), &other]));
    assert_same(CONTROLLER, &allowed(CONTROLLER, "Role"), &by_place[own]);
    assert_same(WATCHED, &allowed(WATCHED, "Role"), &by_place[&other]);
}

#[test]
fn all_namespaces_need_the_same_as_a_cluster_role_and_nothing_else() {
    assert_eq!(allowed(ALL, "ClusterRole"), allowed(WATCHED, "Role"));
    // The controller would claim what other tests made.
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start().unwrap()));
    manifests::install_crds(cluster);
    let kube = Kube { cluster, namespace: cluster.namespace("t"), sim: Sim::start() };
    let elsewhere = cluster.namespace("elsewhere");
    cluster.apply(&manifest(CONTROLLER, &kube.namespace, ""));
    cluster.apply(&manifest(ALL, &kube.namespace, ""));
    let user = cluster.service_account(&kube.namespace, "amlnet");
    kube.apply(&feed(&kube.sim.page(), json!({})));
    let more = ["--watch-namespaces", "*", "--allow-any-scope"];
    let replica = kube.sim.background(kube.command("one", &cluster.kubeconfig(&user), &more));
    let place = Ground { kube: &kube, user: &user }.place(&elsewhere, TABLE, &replica);
    place.begin();
    place.end();
    let (code, _, log) = replica.terminate();
    assert_eq!(code, 0, "{log}");
    let requests = cluster.requests_of(&user);
    assert_nothing_refused(&requests);
    let by_place = used(&requests);
    let everywhere = &by_place[""];
    let permission = |resource: &str, verb: &str| ("amlnet.dev".to_owned(), resource.to_owned(), verb.to_owned());
    let lists = ["amlnetworks", "planapprovals"].into_iter();
    let lists = lists.flat_map(|kind| ["list", "watch"].map(|verb| permission(kind, verb)));
    assert_eq!(*everywhere, lists.collect::<BTreeSet<_>>());
    let all: BTreeSet<Permission> = everywhere.union(&by_place[&elsewhere]).cloned().collect();
    assert_same(ALL, &allowed(ALL, "ClusterRole"), &all);
    let unlike: Vec<_> = by_place[&kube.namespace].difference(&allowed(CONTROLLER, "Role")).cloned().collect();
    assert!(unlike.is_empty(), "{unlike:?}");
    cluster.stop_api_server(); // the other tests need its share
}

#[test]
fn each_role_for_people_allows_its_own_part() {
    let kube = manifests::guarded_kube(Sim::start());
    let viewer = kube.cluster.service_account(&kube.namespace, "viewer");
    for (role, user) in [("amlnet-approver", ALICE), ("amlnet-editor", BOB), ("amlnet-viewer", viewer.as_str())] {
        bind(kube.cluster, &kube.namespace, role, user);
    }
    let may = |user: &str, verb: &str, resource: &str| {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let subresource = format!("--subresource={subresource}");
        let asked = kube.cluster.kubectl(user, &["auth", "can-i", verb, resource, &subresource, "-n", &kube.namespace]);
        asked.stdout.trim() == "yes"
    };
    let kinds = ["amlnetworks.amlnet.dev", "servicetagfeeds.amlnet.dev", "planapprovals.amlnet.dev"];
    for (user, verb, expected) in [
        (ALICE, "create", [false, false, true]),
        (ALICE, "delete", [false, false, true]),
        (ALICE, "update", [false, false, false]),
        (BOB, "create", [true, true, false]),
        (BOB, "patch", [true, true, false]),
        (BOB, "delete", [true, true, false]),
        (&viewer, "list", [true, true, true]),
        (&viewer, "create", [false, false, false]),
    ] {
        assert_eq!(kinds.map(|kind| may(user, verb, kind)), expected, "{user} {verb}");
    }
    // Whoever writes a status could give a Network to another installation; memory could be shortened.
    for user in [ALICE, BOB, &viewer] {
        assert!(!may(user, "update", "amlnetworks.amlnet.dev/status"), "{user}");
        assert!(!may(user, "update", "configmaps"), "{user}");
        assert!(!may(user, "update", "leases.coordination.k8s.io"), "{user}");
    }
    assert!(may(&viewer, "get", "configmaps") && may(&viewer, "list", "events"));
}
