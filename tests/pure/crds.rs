//! The CRDs, the reference of their fields, and the verdicts of the reader of files on `tests/objects`.
//!
//! `AMLNET_UPDATE_GOLDEN=1 cargo test --test pure crds` writes the files anew; read the diff before you commit it.

use std::collections::BTreeMap;

use amlnet::api::{crd, read, reference};

use crate::objects::{self, Answer};
use crate::support::{self, manifest_dir};

/// What is made of the types.
fn is_as_written(path: &str, text: &str) {
    support::is_as_written(path, text, "what src/api makes");
}

#[test]
fn the_crds_in_config_are_those_of_the_types() {
    for crd in crd::all() {
        is_as_written(&format!("config/crd/{}.yaml", crd.spec.names.plural), &crd::yaml(&crd).unwrap());
    }
    let files = std::fs::read_dir(manifest_dir().join("config/crd")).unwrap().count();
    assert_eq!(files, crd::all().len(), "each file belongs to a CRD");
}

#[test]
fn the_schemas_that_are_read_at_every_start_are_those_of_the_types() {
    for crd in crd::all() {
        let mut whole = serde_json::to_value(&crd).unwrap();
        let schema = whole["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take();
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        is_as_written(&format!("src/api/schemas/{}.json", crd.spec.names.plural), &text);
        assert!(objects::update() || crd::schema(&crd.spec.names.kind) == schema, "{}", crd.spec.names.kind);
    }
}

#[test]
fn the_reference_is_that_of_the_types() {
    is_as_written("docs/custom-resources.md", &reference::markdown());
}

#[test]
fn every_field_is_described_and_every_rule_has_a_sentence() {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrArray};
    fn look(path: &str, schema: &JSONSchemaProps, seen: &mut usize) {
        *seen += 1;
        for rule in schema.x_kubernetes_validations.iter().flatten() {
            assert!(rule.message.as_ref().is_some_and(|message| message.len() > 15), "{path}: {rule:?}");
        }
        // Enum values that a later version writes must not make a status unwritable.
        assert!(!path.contains(".status") || schema.enum_.is_none() || path.contains(".conditions"), "{path}");
        assert!(!schema.format.as_deref().is_some_and(|format| format.starts_with("uint")), "{path}");
        for (name, field) in schema.properties.iter().flatten() {
            let path = format!("{path}.{name}");
            let is_type = ["apiVersion", "kind", "metadata"].contains(&name.as_str());
            assert!(is_type || field.description.as_ref().is_some_and(|text| text.len() > 8), "{path} says nothing");
            look(&path, field, seen);
        }
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
            look(&format!("{path}[]"), items, seen);
        }
    }
    let mut seen = 0;
    for crd in crd::all() {
        let schema =
            crd.spec.versions[0].schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref()).unwrap();
        look(&crd.spec.names.kind, schema, &mut seen);
    }
    assert!(seen > 100, "{seen} nodes");
}

/// Without a cluster: against what the API server was recorded to say. `tests/kubernetes` asks both at once.
#[test]
fn the_reader_of_files_gives_the_verdicts_of_the_api_server() {
    let recorded = objects::from_text(&std::fs::read_to_string(objects::folder().join("answers.txt")).unwrap());
    let mut answers = BTreeMap::new();
    let mut wrong = Vec::new();
    for object in objects::good_and_bad() {
        let answer = match read::read_any(&object.yaml) {
            Ok(()) => Answer { accepted: true, text: String::new() },
            Err(text) => Answer { accepted: false, text },
        };
        let server = recorded.get(&object.name);
        if answer.accepted != object.is_good() || server.map(|server| server.accepted) != Some(object.is_good()) {
            wrong.push(format!("{}: file: {answer:?}; API server: {server:?}", object.name));
        }
        answers.insert(object.name.clone(), answer);
    }
    is_as_written("tests/objects/answers-offline.txt", &objects::to_text(&answers));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
