//! Whether the CRDs of the cluster know every field that this amlnet works with.
//!
//! Reads what the API server publishes for everybody (OpenAPI), so it needs no permission of its own. A CRD that is
//! newer is fine: its further fields are refused on the objects that use them.

use kube::Client;
use serde_json::Value;

use super::explain;
use crate::api::crd;

/// What is wrong with the CRDs of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    #[error("the CRD of {0} is not installed: apply the output of `amlnet crd` (or the chart with its CRDs)")]
    Missing(&'static str),
    #[error("the CRD of {kind} is older than this amlnet: it does not know {}; apply the output of `amlnet crd`", .lacks.join(", "))]
    Older { kind: &'static str, lacks: Vec<String> },
    #[error("the CRDs cannot be looked at: {0}")]
    Unknown(String),
}

/// Compares the CRDs of the cluster with those of this amlnet.
pub async fn check(client: &Client) -> Result<(), SchemaError> {
    let request = http::Request::get("/openapi/v3/apis/amlnet.dev/v1alpha1").body(Vec::new());
    let request = request.map_err(|error| SchemaError::Unknown(error.to_string()))?;
    let published: Value = match client.request(request).await {
        Ok(published) => published,
        Err(kube::Error::Api(status)) if status.code == 404 => return Err(SchemaError::Missing("AmlNetwork")),
        Err(error) => return Err(SchemaError::Unknown(explain(&error))),
    };
    for kind in ["AmlNetwork", "ServiceTagFeed", "PlanApproval"] {
        let found = &published["components"]["schemas"][format!("dev.amlnet.v1alpha1.{kind}")];
        if found.is_null() {
            return Err(SchemaError::Missing(kind));
        }
        let lacks = lacking(&crd::schema(kind), found);
        if !lacks.is_empty() {
            return Err(SchemaError::Older { kind, lacks });
        }
    }
    Ok(())
}

/// The fields of `ours` that `found` does not have; the first ten.
fn lacking(ours: &Value, found: &Value) -> Vec<String> {
    let mut lacks = Vec::new();
    for part in ["spec", "status"] {
        compare(&ours["properties"][part], &found["properties"][part], part, &mut lacks);
    }
    lacks.truncate(10);
    lacks
}

fn compare(ours: &Value, found: &Value, path: &str, lacks: &mut Vec<String>) {
    // The API server wraps a part that has a description or a default of its own.
    let found = found["allOf"].get(0).unwrap_or(found);
    for (name, field) in ours["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match found["properties"].get(name) {
            Some(other) => compare(field, other, &path, lacks),
            None => lacks.push(path),
        }
    }
    if ours["items"].is_object() {
        compare(&ours["items"], &found["items"], path, lacks);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_that_the_cluster_lacks_is_named_wherever_it_stands() {
        let ours = crd::schema("AmlNetwork");
        assert!(lacking(&ours, &ours).is_empty());
        let mut older = ours.clone();
        let spec = &mut older["properties"]["spec"]["properties"];
        spec.as_object_mut().unwrap().remove("removal");
        let table = &mut spec["routes"]["properties"]["routeTables"]["items"]["properties"];
        table.as_object_mut().unwrap().remove("nextHop");
        let lacks = lacking(&ours, &older);
        assert!(lacks.contains(&"spec.removal".to_owned()), "{lacks:?}");
        assert!(lacks.contains(&"spec.routes.routeTables.nextHop".to_owned()), "{lacks:?}");
        let mut newer = ours.clone();
        newer["properties"]["spec"]["properties"]["windows"] = json!({"type": "array"});
        assert!(lacking(&ours, &newer).is_empty(), "a newer one is fine");
    }
}
