//! A leader that ends, and the standby that goes on.

use std::time::{Duration, Instant};

use cluster::ADMIN;
use serde_json::json;

use crate::harness::{Counts, TABLE};
use crate::leader::{ONE, PATIENT, Pair, SHORT, SLOW, TWO, answer, ready};

#[test]
fn standbys_are_ready_and_write_nothing() {
    let pair = Pair::start(&json!({}));
    let kube = &pair.kube;
    let standby = kube.cluster.service_account(&kube.namespace, "standby");
    let account = format!("--serviceaccount={}:standby", kube.namespace);
    kube.kubectl(&["create", "rolebinding", "standby", "--clusterrole=cluster-admin", &account]);
    let one = pair.replica(ONE, &SHORT);
    one.wait_until("that the first leads", || pair.holder() == "one");
    let two = pair.replica_with(TWO, &kube.cluster.kubeconfig(&standby), &SHORT);
    two.wait_until("that the second is ready", || ready(&two).0 == 200);
    assert_eq!((answer(&two, "/healthz").0, ready(&one).0), (200, 200));
    pair.converges(&one);
    one.wait_until("Ready", || kube.condition("ml", "Ready").0 == "True");
    // It has looked at the lease again since, so it was not just about to write.
    let looks = || kube.cluster.requests_of(&standby).iter().filter(|request| request.resource == "leases").count();
    let before = looks();
    two.wait_until("two more looks at the lease", || looks() >= before + 2);
    assert_eq!((pair.requests_of(TWO), ready(&two).0), (0, 200));
    let mut changes = kube.cluster.requests_of(&standby);
    // Whether it might take the lease is only asked.
    changes.retain(|request| {
        !["get", "list", "watch"].contains(&request.verb.as_str()) && !request.uri.contains("dryRun=All")
    });
    assert!(changes.is_empty(), "{changes:?}");
    pair.assert_wrote_in_turn(&[ONE]);
    // A standby that is asked to stop ends too, and the lease stays where it is.
    let (code, took, log) = two.terminate();
    assert_eq!(code, 0, "{log}");
    assert!(took < Duration::from_secs(9), "{took:?}");
    assert_eq!(pair.holder(), "one");
}

#[test]
fn a_leader_that_is_killed_is_followed_in_the_middle_of_its_plan() {
    let pair = Pair::start(&json!({"latencies": {"route": SLOW}}));
    let (one, two) = pair.both(&pair.kube.cluster.kubeconfig(ADMIN), &SHORT);
    one.wait_until("ten writes", || pair.writes_of(ONE) >= 10);
    let renewed = pair.renewed();
    one.kill();
    two.wait_until("that the second goes on", || pair.writes_of(TWO) > 0);
    // It cannot know that nobody leads before the lease has run out.
    let waited = jiff::Timestamp::now().duration_since(renewed);
    assert!(waited >= jiff::SignedDuration::from_secs(6), "{waited:?}");
    pair.converges(&two);
    pair.assert_wrote_in_turn(&[ONE, TWO]);
}

#[test]
fn a_leader_that_is_asked_to_stop_hands_over_in_the_middle_of_an_operation() {
    // Fourteen seconds here: longer than it takes to stop and to be followed, and a lease that nobody gives back is
    // kept for a minute.
    let pair = Pair::start(&json!({"latencies": {"route": "7000s"}}));
    let (one, two) = pair.both(&pair.kube.cluster.kubeconfig(ADMIN), &PATIENT);
    let operations = || pair.kube.sim.log().iter().filter(|entry| entry.url.contains("/operations/")).count();
    one.wait_until("polls of the first write", || pair.writes_of(ONE) == 1 && operations() > 0);
    pair.kube.sim.set(json!({"latencies": {"route": "2s"}}));
    let (code, took, log) = one.terminate();
    let asked = pair.requests_of(ONE);
    assert_eq!(code, 0, "{log}");
    assert!(took < Duration::from_secs(9), "{took:?}: {log}");
    let ended = Instant::now();
    two.wait_until("that the second leads", || pair.holder() == "two");
    assert!(ended.elapsed() < Duration::from_secs(20), "the lease was not given back: {:?}", ended.elapsed());
    two.wait_until("that it sees the operation", || two.log().contains("another operation on the target is under way"));
    assert_eq!(pair.writers(), [ONE]);
    pair.converges(&two);
    assert_eq!(pair.requests_of(ONE), asked);
    pair.assert_wrote_in_turn(&[ONE, TWO]);
    assert_eq!(Counts::of(&pair.kube.sim.log(), TABLE).put_route, crate::leader::ROUTES, "the first one's was done");
    let (code, _, log) = two.terminate();
    assert_eq!((code, pair.holder().as_str()), (0, ""), "{log}");
}
