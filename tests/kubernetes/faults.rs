//! An API server that is busy, broken, silent or forgetful, and rights that are missing.

use cluster::ADMIN;
use serde_json::{Value, json};

use crate::harness::{Controller, Counts, Doc, TABLE, central, east, ours};
use crate::injector::{Effect, Injector};
use crate::replica::Kube;
use crate::see::{rights, stop};

fn broken() -> Effect {
    Effect::Answer(
        500,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500,
        "reason": "InternalError", "message": "etcd is away"}),
    )
}

/// A watch that is told that what it knows is too old.
fn expired() -> Effect {
    Effect::Answer(
        200,
        json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": 410, "reason": "Expired", "message": "too old resource version"}}),
    )
}

fn in_step(kube: &Kube, replica: &Controller, east_has: std::ops::Range<usize>) {
    let wanted = || east_has.clone().map(east).chain((0..3).map(central)).collect();
    replica.wait_until("the routes", || ours(&kube.sim.table()) == wanted());
    kube.in_sync(replica);
}

#[test]
fn a_busy_or_broken_api_server_delays_and_loses_nothing() {
    for effect in [broken(), Effect::Later(429), Effect::Later(503)] {
        let kube = Kube::start();
        kube.usual(json!({}));
        let injector = Injector::before(&kube, ADMIN);
        for part in [
            "/openapi/",
            "amlnetworks?",
            "servicetagfeeds?",
            "planapprovals?",
            "/configmaps",
            "/ml/status",
            "/public/status",
            "/events",
        ] {
            injector.inject("", part, 2, effect.clone());
        }
        let replica = kube.replica_of(&injector.kubeconfig, &[]);
        in_step(&kube, &replica, 0..4);
        replica.wait_until("all of it", || injector.left() == 0);
        kube.publish(&replica, 102, &Doc::week(2).regions(1..5, 0..3));
        in_step(&kube, &replica, 1..5);
        stop(replica);
    }
}

#[test]
fn stored_documents_that_cannot_be_read_at_once_are_not_lost() {
    let kube = Kube::start();
    stop(kube.running(json!({}), &[]));
    let injector = Injector::before(&kube, ADMIN);
    injector.inject("GET", "/configmaps/amlnet-prod-feed-", 8, broken());
    let replica = kube.replica_of(&injector.kubeconfig, &[]);
    replica.wait_until("what is stored", || replica.log().contains("taken from what is stored"));
    assert_eq!(injector.left(), 0);
    kube.publish(&replica, 102, &Doc::week(2).regions(1..4, 0..3));
    // Removals go on.
    in_step(&kube, &replica, 1..4);
}

#[test]
fn requests_that_are_never_answered_are_given_up_and_sent_again() {
    let kube = Kube::start();
    kube.usual(json!({}));
    let injector = Injector::before(&kube, ADMIN);
    for (method, part) in [("GET", "/configmaps?"), ("PUT", "/ml/status"), ("POST", "/configmaps")] {
        injector.inject(method, part, 1, Effect::Hang);
    }
    let replica = kube.replica_of(&injector.kubeconfig, &[]);
    in_step(&kube, &replica, 0..4);
    assert_eq!(injector.left(), 0);
}

#[test]
fn a_watch_that_ends_or_is_too_old_misses_nothing() {
    let kube = Kube::start();
    kube.usual(json!({}));
    let injector = Injector::before(&kube, ADMIN);
    let replica = kube.replica_of(&injector.kubeconfig, &[]);
    in_step(&kube, &replica, 0..4);
    // They end again and again, and things change meanwhile.
    for total in 20..25 {
        injector.drop_watches();
        kube.patch("amlnetworks", "ml", &json!({"spec": {"growth": {"total": total}}}));
    }
    let seen = || {
        let object = kube.network("ml");
        object["status"]["observedGeneration"] == object["metadata"]["generation"]
    };
    replica.wait_until("the last change", seen);

    // Too old; the list that is then needed is refused, breaks off and is nonsense, before it comes.
    let writes = kube.sim.writes();
    injector.inject("GET", "watch=true", 4, expired());
    injector.inject("GET", "amlnetworks?&limit", 1, broken());
    injector.inject("GET", "amlnetworks?&limit", 1, Effect::Cut);
    injector.inject("GET", "amlnetworks?&limit", 1, Effect::Answer(200, json!("<html>")));
    injector.drop_watches();
    kube.patch("amlnetworks", "ml", &json!({"spec": {"growth": {"total": 30}}}));
    replica.wait_until("the next change", || seen() && injector.left() == 0);
    kube.in_sync(&replica);
    assert_eq!(kube.sim.writes(), writes);
    // What went while nobody watched is seen to be gone.
    injector.inject("GET", "watch=true", 4, expired());
    injector.drop_watches();
    let looks = Counts::of(&kube.sim.log(), TABLE).get_table;
    kube.delete("amlnetworks", "ml");
    replica.wait_until("a look", || Counts::of(&kube.sim.log(), TABLE).get_table > looks);
    assert_eq!(kube.sim.ours_now(), 7);
}

#[test]
fn rights_that_are_missing_are_said_and_when_they_come_it_goes_on() {
    let without = |resources: &[&str]| -> Vec<Value> {
        rights().into_iter().filter(|rule| !resources.iter().any(|name| rule["resources"][0] == *name)).collect()
    };
    // A rule is known by its first resource.
    for (missing, said) in [
        (without(&["configmaps"]), "configmaps is forbidden"),
        (without(&["amlnetworks/status"]), "cannot update resource \"amlnetworks/status\""),
        (without(&["amlnetworks"]), "the service account may not list and watch it"),
    ] {
        let kube = Kube::start();
        let user = kube.cluster.service_account(&kube.namespace, "amlnet");
        kube.allow(&user, &missing);
        kube.usual(json!({}));
        let replica = kube.replica_of(&kube.cluster.kubeconfig(&user), &[]);
        let log = || replica.log().replace("\\\"", "\"");
        replica.wait_until("what is missing", || log().contains(said));
        assert_eq!(kube.sim.writes(), 0, "{said}");
        kube.allow(&user, &rights());
        in_step(&kube, &replica, 0..4);
        let times = log().matches(said).count();
        assert!(times < 25, "{said}: {times} times");
    }
}

#[test]
fn a_token_that_is_replaced_is_used_without_a_restart() {
    let kube = Kube::start();
    let users = ["amlnet", "amlnet-2"].map(|name| kube.cluster.service_account(&kube.namespace, name));
    kube.allow(&users[0], &rights());
    let token = kube.sim.write("token", kube.cluster.token(&users[0]));
    let mut config: Value =
        serde_json::from_str(&std::fs::read_to_string(kube.cluster.kubeconfig(&users[0])).unwrap()).unwrap();
    config["users"][0]["user"] = json!({"tokenFile": token});
    let config = kube.sim.write("rotated.kubeconfig", config.to_string());
    kube.usual(json!({}));
    let replica = kube.replica_of(&config, &["--resync", "1s"]);
    in_step(&kube, &replica, 0..4);
    // Both are good for a while, as when a kubelet replaces one.
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "second"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "controller"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": users[1]}]});
    kube.apply(&binding);
    kube.sim.write("token", kube.cluster.token(&users[1]));
    let renews = |request: &cluster::Request| request.resource == "leases" && request.verb == "update";
    let used = || kube.cluster.requests_of(&users[1]).iter().any(renews);
    // A client reads the file again once a minute.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while !used() {
        assert!(std::time::Instant::now() < deadline, "the new token is not used:\n{}", replica.log());
        let renewals = || kube.cluster.requests_of(&users[0]).into_iter().filter(renews).count();
        let before = renewals();
        replica.wait_until("a renewal of the lease", || used() || renewals() > before);
    }
    // The old one is of no use any more.
    kube.kubectl(&["delete", "rolebinding", "controller"]);
    kube.publish(&replica, 102, &Doc::week(2).regions(1..5, 0..3));
    in_step(&kube, &replica, 1..5);
    stop(replica);
}
