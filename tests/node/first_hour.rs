//! From an empty cluster to a table that is kept, and what is lost when pods, leader and node go: nothing.

use std::collections::BTreeSet;

use cluster::{NoNode, Node};
use serde_json::json;

use crate::harness::{Doc, TABLE, assert_clean, central, east};
use crate::release::{Release, load_images, name_of};

fn routes(in_east: std::ops::Range<usize>, in_central: std::ops::Range<usize>) -> BTreeSet<String> {
    in_east.map(east).chain(in_central.map(central)).collect()
}

/// A node of its own: it begins without CRDs, and its power is cut.
#[test]
fn from_an_empty_cluster_through_the_loss_of_leader_and_node() {
    let node: &'static Node = match Node::start() {
        Ok(node) => Box::leak(Box::new(node)),
        // The tests of the shared node say why.
        Err(NoNode::Skip(_)) if Node::shared().is_none() => return,
        Err(why) => panic!("{why}"),
    };
    load_images(node);

    // Too early: somebody else is to bring the CRDs, and has not.
    let early = Release::prepare(node, "early", json!({}));
    early.helm("install", json!({}), &[]).ok();
    let says = "is not installed: apply the output of `amlnet crd`";
    early.wait("pods that say what is missing", || {
        let pods = early.pods();
        pods.len() == 2
            && pods.iter().all(|pod| {
                let ready = early.ask_pod(pod, "/readyz");
                ready.is_some_and(|(code, body)| code == 503 && body.contains(says))
            })
    });
    assert!(early.logs().contains(says), "{}", early.logs());
    assert!(early.ready_pods().is_empty());

    // As a user installs it: with the CRDs.
    let release = Release::prepare(node, "amlnet", json!({}));
    let took = release.installed(json!({"crds": {"install": true}, "peopleRoles": {"create": true}}));
    eprintln!("helm install to ready: {:.1} s", took.as_secs_f32());
    assert_eq!(release.ready_pods().len(), 2, "{}", node.describe("amlnet"));
    early.wait("the one that was too early goes on by itself", || early.ready_pods().len() == 2);
    node.kubectl(&["delete", "namespace", "early", "--wait=false"]).ok();

    release.apply_network(json!({}));
    release.in_sync();
    assert_eq!(release.ours(), routes(0..4, 0..3));
    assert_eq!(release.counts().put_route, 7);

    // The leader's pod is deleted: the other takes over, and a new document is followed.
    let first = release.leader();
    assert!(release.ready_pods().contains(&first), "{first}");
    release.kubectl(&["delete", "pod", &first, "--wait=false"]);
    release.wait("another leader", || !["", first.as_str()].contains(&release.leader().as_str()));
    release.publish(&Doc::week(2).regions(0..5, 0..3));
    release.wait("the new route", || release.ours() == routes(0..5, 0..3));
    release.in_sync();
    release.wait("two pods again", || release.ready_pods().len() == 2 && release.pods().len() == 2);

    // The power of the node is cut.
    let (writes, before) = (release.counts().writes(), release.network());
    let containers: Vec<_> =
        release.pods().iter().map(|pod| pod["status"]["containerStatuses"][0]["containerID"].clone()).collect();
    node.restart().unwrap();
    release.wait("both pods, started again", || {
        let pods = release.pods();
        let is_new =
            |pod: &serde_json::Value| !containers.contains(&pod["status"]["containerStatuses"][0]["containerID"]);
        release.ready_pods().len() == 2 && pods.iter().all(is_new)
    });
    release.wait("a leader that is there", || release.pods().iter().any(|pod| name_of(pod) == release.leader()));
    let after = release.network();
    for field in ["document", "targets", "pairedRegion", "installation"] {
        assert_eq!(after["status"][field], before["status"][field], "{field}");
    }
    release.publish(&Doc::week(3).regions(1..6, 0..3));
    release.wait("what the next document needs", || release.ours() == routes(1..6, 0..3));
    release.in_sync();
    assert_eq!(release.counts().writes(), writes + 2, "one route came, one went, and nothing was done twice");
    assert_clean(&release.sim.history(TABLE), routes(1..4, 0..3));
}
