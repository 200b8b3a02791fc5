//! The tables that are built in are what `config/` says: as JSON beside the code, since YAML takes ten times as long to
//! read, and every start reads them.
//!
//! `AMLNET_UPDATE_GOLDEN=1 cargo test --test pure built_in` writes them anew, and a second run compiles what it wrote.

use amlnet::domain::region::{self, Regions};
use amlnet::domain::requirement::{self, Requirements};
use serde_json::Value;

use crate::objects::update;
use crate::support::is_as_written;

fn is_json_of(name: &str, yaml: &str) {
    let value: Value = serde_yaml::from_str(yaml).unwrap();
    let text = serde_json::to_string_pretty(&value).unwrap() + "\n";
    is_as_written(&format!("src/domain/built_in/{name}.json"), &text, &format!("what config/{name}.yaml says"));
}

#[test]
fn the_built_in_tables_are_those_in_config() {
    is_json_of("regions", region::BUILT_IN);
    assert!(update() || Regions::parse(region::BUILT_IN).unwrap() == Regions::built_in());
    is_json_of("requirements", requirement::BUILT_IN);
    assert!(update() || Requirements::parse(requirement::BUILT_IN).unwrap() == Requirements::built_in());
}
