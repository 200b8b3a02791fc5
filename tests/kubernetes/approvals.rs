//! Who may approve, and in whose name: RBAC, the admission policy of `deploy/approvals`, and `amlnet approve` between.

use cluster::ADMIN;
use serde_json::json;

use crate::harness::{Ran, Sim, assert_schema};
use crate::manifests::{ALICE, BOB, approval, bind, guarded_kube};
use crate::replica::Kube;

const HASH: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// Alice approves, Bob writes Networks.
fn office() -> Kube {
    let kube = guarded_kube(Sim::start());
    for (role, user) in [("amlnet-approver", ALICE), ("amlnet-editor", BOB)] {
        bind(kube.cluster, &kube.namespace, role, user);
    }
    kube
}

fn create(kube: &Kube, user: &str, name: &str, by: Option<&str>) -> cluster::Output {
    let arguments = ["create", "-n", &kube.namespace, "-f", "-"];
    kube.cluster.kubectl_stdin(user, &arguments, &approval(name, by).to_string())
}

fn approve(kube: &Kube, user: &str, more: &[&str]) -> Ran {
    let arguments = [&["approve", "ml", "--hash", HASH, "-n", &kube.namespace], more].concat();
    let mut command = kube.sim.command(&arguments);
    command.env("KUBECONFIG", kube.cluster.kubeconfig(user));
    kube.sim.ran(command)
}

#[test]
fn an_approval_names_whoever_makes_it() {
    let kube = office();
    create(&kube, ALICE, "own", Some(ALICE)).ok();
    for (name, by) in [("of-bob", Some(BOB)), ("of-nobody", None)] {
        let refused = create(&kube, ALICE, name, by);
        assert_ne!(refused.status, 0, "{name}: {}", refused.stdout);
        let sentence = "has to be the name of whoever makes the approval: write approvedBy: \"alice\"";
        assert!(refused.stderr.contains(sentence), "{name}: {}", refused.stderr);
        assert!(kube.get("planapprovals", name).is_null());
    }
    // Not even who may do everything approves for Alice.
    assert_ne!(create(&kube, ADMIN, "of-admin", Some(ALICE)).status, 0);
    let forbidden = create(&kube, BOB, "by-bob", Some(BOB));
    assert!(forbidden.stderr.contains("is forbidden"), "{}", forbidden.stderr);
    // What was approved stays what it was, for whoever may patch it too; a label is no part of it.
    let patch = |body: &str| {
        kube.cluster.kubectl(ADMIN, &["patch", "plana", "own", "-n", &kube.namespace, "--type=merge", "-p", body])
    };
    let refused = patch(r#"{"spec": {"approvedBy": "bob"}}"#);
    assert_ne!(refused.status, 0, "{}", refused.stdout);
    patch(r#"{"metadata": {"labels": {"ticket": "17"}}}"#).ok();
    assert_eq!(kube.get("planapprovals", "own")["spec"]["approvedBy"], ALICE);
}

#[test]
fn the_command_approves_in_the_name_of_whoever_asks() {
    let kube = office();
    let answer = approve(&kube, ALICE, &["-o", "json"]).exits(0).json();
    assert_schema("approve", &answer);
    assert_eq!(answer["approvedBy"], ALICE);
    let name = answer["object"].as_str().unwrap().split_once('/').unwrap().1.to_owned();
    let made = kube.get("planapprovals", &name);
    assert_eq!(made["spec"]["approvedBy"], ALICE);
    assert_eq!(made["spec"]["expiresAt"], answer["expiresAt"]);
    approve(&kube, ALICE, &["--expires", "1h"]).exits(0).says(&["is approved until", &kube.namespace]);
}

#[test]
fn the_command_cannot_approve_for_somebody_else_nor_for_who_may_not() {
    let kube = office();
    let refused = approve(&kube, ALICE, &["--approved-by", "somebody-else"]).exits(1);
    refused.says(&["write approvedBy: \"alice\"", &kube.namespace, "denied request"]);
    approve(&kube, BOB, &[]).exits(1).says(&["planapprovals.amlnet.dev is forbidden", "\"bob\"", "deploy/rbac"]);
    let mut command = kube.sim.command(&["approve", "ml", "--hash", HASH, "-n", "no-such-namespace"]);
    command.env("KUBECONFIG", kube.cluster.kubeconfig(ADMIN));
    kube.sim.ran(command).exits(1).says(&["no-such-namespace", "not found"]);
    let made = kube.kubectl(&["get", "plana", "-o", "name"]);
    assert_eq!(made, "", "{}", json!(made));
}
