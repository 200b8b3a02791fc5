//! The CRDs as they are installed: what the derives make, with the version by which a controller tells whether the
//! cluster's CRD is older or newer than itself.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt as _;
use serde_json::Value;

use super::approval::PlanApproval;
use super::feed::ServiceTagFeed;
use super::network::AmlNetwork;

/// The annotation with the version.
pub const VERSION_ANNOTATION: &str = "amlnet.dev/crd-version";
/// One more with each change of a schema, of rules or of columns.
pub const VERSION: u32 = 3;

/// All CRDs, in the order in which a reader meets them.
pub fn all() -> [CustomResourceDefinition; 3] {
    [ServiceTagFeed::crd(), AmlNetwork::crd(), PlanApproval::crd()].map(complete)
}

/// The schemas of the kinds as they are stored, which a test compares with [`all`].
const SCHEMAS: [(&str, &str); 3] = [
    ("ServiceTagFeed", include_str!("schemas/servicetagfeeds.json")),
    ("AmlNetwork", include_str!("schemas/amlnetworks.json")),
    ("PlanApproval", include_str!("schemas/planapprovals.json")),
];

/// The schema of a kind, for those who want it at every start: the derives take twenty times as long to make it as its
/// text takes to be read.
///
/// # Panics
/// Where it is none of our kinds.
pub fn schema(kind: &str) -> Value {
    let (_, text) = SCHEMAS.into_iter().find(|(name, _)| *name == kind).expect("it is one of our kinds");
    serde_json::from_str(text).expect("a test compares it with the types")
}

fn complete(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let annotations = crd.metadata.annotations.get_or_insert_with(BTreeMap::new);
    annotations.insert(VERSION_ANNOTATION.to_owned(), VERSION.to_string());
    for version in &mut crd.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            tidy(schema);
            begin_unseen(schema);
        }
    }
    crd
}

/// An object that no controller has seen has a generation that it has not seen: otherwise tools that read
/// `observedGeneration`, as kstatus does, take it for done.
fn begin_unseen(schema: &mut JSONSchemaProps) {
    let status = schema.properties.as_mut().and_then(|properties| properties.get_mut("status"));
    let is_observed = |status: &&mut JSONSchemaProps| {
        status.properties.as_ref().is_some_and(|properties| properties.contains_key("observedGeneration"))
    };
    if let Some(status) = status.filter(is_observed) {
        status.default = Some(JSON(serde_json::json!({"observedGeneration": -1})));
    }
}

/// Kubernetes knows no unsigned numbers and warns of their formats; `minimum` says what they mean. And a description is
/// no source text: `kubectl explain` breaks its lines by itself.
fn tidy(schema: &mut JSONSchemaProps) {
    if schema.format.as_deref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = None;
    }
    if let Some(description) = &mut schema.description {
        *description = description.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    schema.properties.iter_mut().flatten().for_each(|(_, property)| tidy(property));
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => tidy(items),
        Some(JSONSchemaPropsOrArray::Schemas(list)) => list.iter_mut().for_each(tidy),
        None => {}
    }
}

/// One document of YAML, to be followed by others.
///
/// # Errors
/// Where the CRD cannot be written as YAML.
pub fn yaml(crd: &CustomResourceDefinition) -> Result<String, serde_yaml::ser::Error> {
    Ok(format!("---\n{}", serde_yaml::to_string(crd)?))
}
