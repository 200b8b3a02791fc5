//! AmlNetwork and ServiceTagFeed objects as JSON, which is YAML, and routes as ARM shows them.

use serde_json::{Value, json};

use super::TABLE;

/// The id of another table beside `TABLE`.
pub(crate) fn table_id(name: &str) -> String {
    format!("{}/{name}", TABLE.rsplit_once('/').unwrap().0)
}

/// A route of a table in the world.
pub(crate) fn route(name: &str, prefix: &str, hop: &str) -> Value {
    let properties = match hop.split_once(' ') {
        Some((kind, address)) => {
            json!({"addressPrefix": prefix, "nextHopType": kind, "nextHopIpAddress": address})
        }
        None => json!({"addressPrefix": prefix, "nextHopType": hop}),
    };
    json!({"name": name, "properties": properties})
}

/// A network that may do everything at once, so that whatever is done wrongly is done: `ml` in East US 2 on `TABLE`,
/// in mode Sync without hold, budget and approval. `change` is merged over it.
pub(crate) fn network(change: Value) -> Value {
    let mut object = json!({
        "apiVersion": "amlnet.dev/v1alpha1",
        "kind": "AmlNetwork",
        "metadata": {"name": "ml"},
        "spec": {
            "region": "eastus2",
            "mode": "Sync",
            "removal": {"holdFor": "0s", "budget": {"max": 1000, "percent": 100}, "approval": "Never"},
            "routes": {"routeTables": [{"id": TABLE}]},
        },
    });
    merge(&mut object, &change);
    object
}

/// The feed `public` from a download page.
pub(crate) fn feed(page_url: &str, change: Value) -> Value {
    let mut object = json!({
        "apiVersion": "amlnet.dev/v1alpha1",
        "kind": "ServiceTagFeed",
        "metadata": {"name": "public"},
        "spec": {"cloud": "Public", "sources": [{"download": {"pageUrl": page_url}}]},
    });
    merge(&mut object, &change);
    object
}

/// A feed from a file beside it.
pub(crate) fn file_feed(name: &str, path: &str) -> Value {
    feed("", json!({"metadata": {"name": name}, "spec": {"sources": [{"file": {"path": path}}]}}))
}

/// Puts `change` over `into`; null takes a field away.
pub(crate) fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                if value.is_null() {
                    into.remove(key);
                } else {
                    merge(into.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (into, change) => *into = change.clone(),
    }
}
