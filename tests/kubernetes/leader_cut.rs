//! A leader that no longer reaches the API server, and an API server that is gone for a while.

use std::process::Command;

use cluster::{ADMIN, Cluster, Proxy};
use serde_json::json;

use crate::harness::{Doc, TABLE, ours};
use crate::leader::{LONG, ONE, PATIENT, Pair, ROUTES, SHORT, SLOW, TWO, ready};

/// The old leader stops before the new one starts, leaves, and comes back as a standby.
#[track_caller]
fn cut_by(cut: impl Fn(&Proxy), heals_before_its_end: bool) {
    let pair = Pair::start(&json!({"latencies": {"route": SLOW}}));
    let proxy = pair.kube.cluster.proxy().unwrap();
    let kubeconfig = pair.kube.cluster.kubeconfig_via(ADMIN, &proxy);
    let (one, two) = pair.both(&kubeconfig, &SHORT);
    one.wait_until("five writes", || pair.writes_of(ONE) >= 5);
    cut(&proxy);
    if heals_before_its_end {
        two.wait_until("that the second writes", || pair.writes_of(TWO) >= 1);
        proxy.heal();
    }
    let (code, log) = one.end();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("the lease is lost"), "{log}");
    two.wait_until("that the second writes", || pair.writes_of(TWO) >= 3);
    proxy.heal();
    let again = pair.replica_with(ONE, &kubeconfig, &SHORT);
    again.wait_until("that it is ready again", || ready(&again).0 == 200);
    pair.converges(&two);
    assert_eq!(pair.holder(), "two");
    pair.assert_wrote_in_turn(&[ONE, TWO]);
}

#[test]
fn cut_off_without_a_word() {
    cut_by(Proxy::cut, false);
}

#[test]
fn cut_off_and_everything_arrives_later() {
    cut_by(Proxy::hold, true);
}

#[test]
fn cut_off_by_refusals() {
    cut_by(Proxy::refuse, false);
}

#[test]
fn a_partition_that_is_shorter_than_the_renew_deadline_changes_nothing() {
    for cut in [Proxy::cut, Proxy::hold, Proxy::refuse] {
        let pair = Pair::start(&json!({"latencies": {"route": SLOW}}));
        let proxy = pair.kube.cluster.proxy().unwrap();
        let (one, _two) = pair.both(&pair.kube.cluster.kubeconfig_via(ADMIN, &proxy), &PATIENT);
        one.wait_until("five writes", || pair.writes_of(ONE) >= 5);
        let said = |one: &crate::harness::Controller| one.log().matches("the lease cannot be looked at").count();
        cut(&proxy);
        one.wait_until("that it notices", || said(&one) > 0);
        proxy.heal();
        pair.converges(&one);
        assert_eq!((pair.holder().as_str(), pair.transitions()), ("one", 0));
        pair.assert_wrote_in_turn(&[ONE]);
    }
}

fn with_crds() -> &'static Cluster {
    // It ends with the process.
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start().unwrap()));
    let crds = Command::new(env!("CARGO_BIN_EXE_amlnet")).arg("crd").output().unwrap();
    cluster.apply(&String::from_utf8(crds.stdout).unwrap());
    cluster
}

#[test]
fn an_api_server_that_is_gone_for_a_while() {
    let cluster = with_crds();
    let patient = Pair::on(cluster, &json!({"latencies": {"route": SLOW}}));
    let hasty = Pair::on(cluster, &json!({"latencies": {"route": SLOW}}));
    let kubeconfig = cluster.kubeconfig(ADMIN);
    let (patient_one, patient_two) = patient.both(&kubeconfig, &LONG);
    let (hasty_one, hasty_two) = hasty.both(&kubeconfig, &SHORT);
    hasty_one.wait_until("writes of both leaders", || patient.writes_of(ONE) >= 3 && hasty.writes_of(ONE) >= 3);
    cluster.stop_api_server();
    // One that has given up, and one that has the time to wait.
    let (code, log) = hasty_one.end();
    assert_eq!(code, 1, "{log}");
    let written = hasty.writers().len();
    let again = hasty.replica(ONE, &SHORT);
    again.wait_until("that it says what it waits for", || ready(&again).0 == 503);
    assert_eq!(ready(&hasty_two).0, 200, "a standby stays ready");
    assert_eq!(hasty.writers().len(), written, "nobody leads, and nobody writes");
    cluster.start_api_server().unwrap();
    patient.converges(&patient_one);
    assert_eq!((patient.holder().as_str(), patient.transitions()), ("one", 0));
    patient.assert_wrote_in_turn(&[ONE]);
    hasty_two.wait_until("that one of them leads", || !hasty.holder().is_empty());
    hasty.converges(&hasty_two);
    let mut turns = hasty.writers();
    turns.dedup();
    assert!(turns == [ONE] || turns == [ONE, TWO], "{turns:?}");
    // The document of next week arrives as on any other day.
    patient.kube.sim.publish(&Doc::week(3).regions(0..41, 0..20));
    let now = json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": "now"}}});
    patient.kube.patch("servicetagfeeds", "public", &now);
    patient_one.wait_until("the new route", || ours(&patient.kube.sim.history_now(TABLE)).len() == ROUTES + 1);
    assert_eq!(ready(&patient_two).0, 200);
    cluster.stop_api_server(); // the other tests need its share
}
