//! The shape of a Service Tags document: the fields and their order as in Microsoft's file.

use ipnet::IpNet;
use serde::Serialize;

pub(super) type Features = Option<&'static [&'static str]>;

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) change_number: u32,
    pub(super) cloud: &'static str,
    pub(super) values: Vec<Tag>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) properties: Properties,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Properties {
    pub(super) change_number: u32,
    pub(super) region: String,
    pub(super) region_id: u32,
    pub(super) platform: &'static str,
    pub(super) system_service: &'static str,
    pub(super) address_prefixes: Vec<IpNet>,
    pub(super) network_features: Features,
}

impl Document {
    pub(super) fn tag(&self, name: &str) -> Option<&Tag> {
        let at = self.values.binary_search_by(|tag| order(&tag.name).cmp(&order(name))).ok()?;
        self.values.get(at)
    }
}

/// The order of tags in a document.
pub(super) fn order(name: &str) -> String {
    name.to_ascii_lowercase()
}
