//! What every test here starts with: a simulator, documents that the test writes itself, objects, and the binary.

mod documents;
pub(crate) mod groups;
mod history;
mod http;
mod objects;
mod process;
mod proxy;
pub(crate) mod rules;
mod scrape;
pub(crate) mod security;
mod sim;
pub(crate) mod told;

pub(crate) use documents::{Doc, central, east, gzip, west};
pub(crate) use history::{Counts, assert_clean, final_routes, ours};
pub(crate) use http::{Answer, address, get, request};
pub(crate) use objects::{feed, file_feed, merge, network, route, table_id};
pub(crate) use process::{Controller, Ran, wait_until};
pub(crate) use proxy::Proxy;
pub(crate) use scrape::Scrape;
pub(crate) use sim::{Sim, TABLE};

/// Checks a value against `docs/schemas/<name>.schema.json`.
#[track_caller]
pub(crate) fn assert_schema(name: &str, value: &serde_json::Value) {
    let path = format!("{}/docs/schemas/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let validator = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
    let problems: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{path}: {problems:?}");
}
