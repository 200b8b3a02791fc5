//! Builders of small values for tests of the pure part. Compiled for tests only.

use super::service_tags::Document;

/// A Public document with these tags: name, region, prefixes. Global tags (without a dot) may stand in routes.
pub(crate) fn document(tags: &[(&str, &str, &[&str])]) -> Document {
    document_numbered(100, tags)
}

/// The same with a change number of its own.
pub(crate) fn document_numbered(change_number: u64, tags: &[(&str, &str, &[&str])]) -> Document {
    Document::parse(json(change_number, tags).as_bytes()).unwrap()
}

/// The JSON text of such a document.
pub(crate) fn json(change_number: u64, tags: &[(&str, &str, &[&str])]) -> String {
    let values: Vec<serde_json::Value> = tags
        .iter()
        .map(|(name, region, prefixes)| {
            let features = (!name.contains('.')).then_some(["API", "NSG", "UDR", "FW"]);
            serde_json::json!({"name": name, "id": name, "properties": {"changeNumber": 1, "region": region,
                "regionId": 0, "platform": "Azure", "systemService": "", "addressPrefixes": prefixes,
                "networkFeatures": features}})
        })
        .collect();
    serde_json::json!({"changeNumber": change_number, "cloud": "Public", "values": values}).to_string()
}
