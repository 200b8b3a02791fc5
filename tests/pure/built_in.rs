//! The tables that are built in are what `config/` says. They lie beside the code as JSON, since YAML takes ten times as
//! long to read.
//!
//! `AMLNET_UPDATE_GOLDEN=1 cargo test --test pure built_in` writes them anew, and a second run compiles what it wrote.

use amlnet::domain::region::Regions;
use amlnet::domain::requirement::Requirements;
use serde_json::Value;

use crate::objects::update;
use crate::support::{is_as_written, manifest_dir};

/// The YAML, which the JSON says too.
fn written(name: &str) -> String {
    let yaml = std::fs::read_to_string(manifest_dir().join(format!("config/{name}.yaml"))).unwrap();
    let value: Value = serde_yaml::from_str(&yaml).unwrap();
    let text = serde_json::to_string_pretty(&value).unwrap() + "\n";
    is_as_written(&format!("src/domain/built_in/{name}.json"), &text, &format!("what config/{name}.yaml says"));
    yaml
}

#[test]
fn the_built_in_tables_are_those_in_config() {
    let (regions, requirements) = (written("regions"), written("requirements"));
    assert!(update() || Regions::parse(&regions).unwrap() == Regions::built_in());
    assert!(update() || Requirements::parse(&requirements).unwrap() == Requirements::built_in());
}
