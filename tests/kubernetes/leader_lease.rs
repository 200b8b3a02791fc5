//! A Lease that somebody touched, and one that may not be touched.

use cluster::ADMIN;
use serde_json::json;

use crate::leader::{ONE, Pair, SHORT, SLOW, TWO, ready};

#[test]
fn a_lease_that_is_deleted_ends_the_leader_and_somebody_leads_again() {
    let pair = Pair::start(&json!({"latencies": {"route": SLOW}}));
    let (one, two) = pair.both(&pair.kube.cluster.kubeconfig(ADMIN), &SHORT);
    one.wait_until("five writes", || pair.writes_of(ONE) >= 5);
    pair.kube.kubectl(&["delete", "lease", "amlnet-prod", "--wait=false"]);
    let (code, log) = one.end();
    assert_eq!(code, 1, "{log}");
    two.wait_until("that the second leads", || pair.holder() == "two");
    pair.converges(&two);
    pair.assert_wrote_in_turn(&[ONE, TWO]);
}

#[test]
fn a_lease_that_a_person_gave_to_somebody_else_is_waited_for() {
    let pair = Pair::start(&json!({"latencies": {"route": SLOW}}));
    let (one, two) = pair.both(&pair.kube.cluster.kubeconfig(ADMIN), &SHORT);
    one.wait_until("five writes", || pair.writes_of(ONE) >= 5);
    let person = r#"{"spec": {"holderIdentity": "a person"}}"#;
    pair.kube.kubectl(&["patch", "lease", "amlnet-prod", "--type=merge", "-p", person]);
    let (code, log) = one.end();
    assert_eq!(code, 1, "{log}");
    assert_eq!((pair.holder().as_str(), pair.writes_of(TWO)), ("a person", 0));
    two.wait_until("that the second leads", || pair.holder() == "two");
    pair.converges(&two);
    pair.assert_wrote_in_turn(&[ONE, TWO]);
}

#[test]
fn without_the_right_to_leases_it_says_so_and_writes_nothing_until_it_has_it() {
    let pair = Pair::start(&json!({}));
    let kube = &pair.kube;
    let user = kube.cluster.service_account(&kube.namespace, "amlnet");
    let account = format!("--serviceaccount={}:amlnet", kube.namespace);
    let everything = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "work"},
        "rules": [{"apiGroups": ["amlnet.dev", "", "events.k8s.io"], "resources": ["*"], "verbs": ["*"]}]});
    kube.apply(&everything);
    kube.kubectl(&["create", "rolebinding", "work", "--role=work", &account]);
    let replica = pair.replica_with(ONE, &kube.cluster.kubeconfig(&user), &SHORT);
    // First nothing, then only to look: what a Role most often lacks.
    for verb in ["get", "create"] {
        let lacks = format!("cannot {verb} resource");
        replica.wait_until("that it says what it lacks", || {
            let (code, text) = ready(&replica);
            code == 503 && text.contains(&lacks) && text.contains("leases") && text.contains("deploy/rbac")
        });
        assert!(replica.log().contains(&lacks), "{}", replica.log());
        assert_eq!((pair.requests_of(ONE), pair.holder().as_str()), (0, ""));
        if verb == "get" {
            kube.kubectl(&["create", "role", "look", "--resource=leases.coordination.k8s.io", "--verb=get"]);
            kube.kubectl(&["create", "rolebinding", "look", "--role=look", &account]);
        }
    }
    let said = |text: &str| replica.log().matches(text).count();
    assert_eq!((said("cannot get resource"), said("cannot create resource")), (1, 1), "{}", replica.log());
    kube.kubectl(&[
        "create",
        "role",
        "lead",
        "--resource=leases.coordination.k8s.io",
        "--verb=create",
        "--verb=update",
    ]);
    kube.kubectl(&["create", "rolebinding", "lead", "--role=lead", &account]);
    replica.wait_until("that it is ready", || ready(&replica).0 == 200);
    replica.wait_until("that it leads", || pair.holder() == "one");
    pair.converges(&replica);
}
