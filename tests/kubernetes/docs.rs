//! `docs/kubernetes.md`: its commands are run in their order, on a cluster of its own, with the permissions that `deploy/`
//! gives.

use cluster::ADMIN;
use serde_json::json;

use crate::harness::{Doc, Sim};
use crate::manifests::ALICE;
use crate::reader::{Reader, TABLE, page};

#[test]
fn its_commands_do_what_it_says() {
    let mut reader = Reader::installed("kubernetes.md");
    reader.types(ADMIN, "config/samples/feed.yaml");
    reader.feed_from_the_page();
    let replica = reader.replica();
    replica.wait_until("a first look", || reader.is_ready_for("ChangesHeld"));
    let told = reader.types(ADMIN, "--for=condition=Ready");
    assert!(told.contains("held: Mode") && reader.routes() == 0, "{told}");
    reader.types(ADMIN, "UpsertOnly");
    assert_eq!(reader.routes(), 7);
    reader.types(ADMIN, "deploy/rbac/watched-namespace.yaml");

    reader.sim.publish(&Doc::week(2).regions(0..3, 0..3));
    let told = reader.types(ADMIN, "amlnet.dev/reconcile-at");
    assert!(told.contains("condition met"), "{told}");
    reader.types(ADMIN, r#""suspend": true"#);
    assert_eq!(reader.network()["spec"]["suspend"], false);

    reader.types(ADMIN, "create rolebinding");
    reader.patch("amlnetworks", "workspace", &json!({"spec": {"mode": "Sync", "removal": {"holdFor": "0s"}}}));
    replica.wait_until("a removal that waits", || reader.is_ready_for("ApprovalNeeded"));
    let told = reader.types(ALICE, "amlnet approve");
    assert!(told.lines().any(|line| line.contains("workspace-") && line.contains(ALICE)), "{told}");
    replica.wait_until("the removal", || reader.routes() == 6);

    reader.types(ADMIN, r#""deletionPolicy": "Retain""#);
    reader.types(ADMIN, "--subresource=status");
    replica.wait_until("the claim", || reader.network()["status"]["installation"] == "prod1");
    let told = reader.types(ADMIN, "get configmaps");
    assert!(told.contains("amlnet-prod1-target-") && told.contains("amlnet-prod1-feed-"), "{told}");
    replica.wait_until("all done", || reader.is_ready_for("InSync"));
    let told = reader.types(ADMIN, "gunzip");
    assert!(told.contains(TABLE) && told.contains(r#""contributors":{"amlnet/workspace":"#), "{told}");
    let told = reader.types(ADMIN, "amlnet plan --cluster");
    assert!(told.contains("0 to add, 0 to change, 0 to remove"), "{told}");
    let (code, _, log) = replica.terminate();
    assert_eq!(code, 0, "{log}");
    assert!(reader.blocks.is_empty(), "{:?}", reader.blocks);
}

/// The variables that it names are those that there are, and the files too.
#[test]
fn what_it_names_is_there() {
    let text = page("kubernetes.md");
    let sim = Sim::start();
    let help = sim.amlnet(&["run", "--help"]).exits(0).stdout;
    let word = |char: char| !(char.is_ascii_uppercase() || char == '_');
    let variables: Vec<&str> = text.split(word).filter(|name| name.starts_with("AMLNET_")).collect();
    assert!(variables.len() > 10, "{variables:?}");
    for name in variables {
        assert!(help.contains(&format!("[env: {name}=")), "{name} is no variable of `amlnet run`");
    }
    let path = |char: char| !(char.is_ascii_alphanumeric() || "/.-_".contains(char));
    for name in text.split(path).filter(|name| name.starts_with("deploy/") || name.starts_with("config/")) {
        let file = format!("{}/{}", env!("CARGO_MANIFEST_DIR"), name.trim_end_matches('.'));
        assert!(std::path::Path::new(&file).exists(), "{name} is not there");
    }
}
