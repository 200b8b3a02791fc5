//! `docs/runbooks/`: every command of every page runs, with the objects as they usually are.

use std::path::Path;

use cluster::ADMIN;
use serde_json::json;

use crate::reader::{Reader, blocks, page};

/// The pages, without their index.
fn runbooks() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/runbooks");
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<String> = names
        .filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "md") && name != "README.md")
        .map(|name| format!("runbooks/{name}"))
        .collect();
    pages.sort();
    pages
}

/// One cluster for all of them, as each begins with the same objects. What a page changed is undone before the next one.
#[test]
fn their_commands_run() {
    let mut reader = Reader::installed("runbooks/README.md");
    reader.samples();
    let replica = reader.replica();
    replica.wait_until("a first look", || reader.is_ready_for("ChangesHeld"));
    reader.patch("amlnetworks", "workspace", &json!({"spec": {"mode": "UpsertOnly"}}));
    replica.wait_until("the routes", || reader.is_ready_for("InSync"));
    let (spec, feed) = (reader.network()["spec"].clone(), reader.get("servicetagfeeds", "public")["spec"].clone());

    reader.types(ADMIN, "export AMLNET_INSTALLATION_ID");
    assert!(reader.blocks.is_empty(), "{:?}", reader.blocks);
    let pages = runbooks();
    assert!(pages.len() > 10, "{pages:?}");
    for name in &pages {
        reader.blocks = blocks(&page(name), "sh");
        assert!(!reader.blocks.is_empty(), "{name} has no command that can be run here");
        while let Some(block) = reader.blocks.pop_front() {
            let ran = reader.runs(ADMIN, &block);
            assert_eq!(ran.code, 0, "{name}:\n{block}\n{}", ran.all());
            // A path that leads to no field prints an empty text and succeeds.
            assert!(!ran.all().trim().is_empty(), "{name}: this says nothing:\n{block}");
        }
        reader.patch("amlnetworks", "workspace", &json!({"spec": spec}));
        reader.patch("servicetagfeeds", "public", &json!({"spec": feed}));
        replica.wait_until("all as before", || reader.is_ready_for("InSync"));
    }
}
