//! `GET /subscriptions/{s}/locations`: the regions with their pairs, and the check whether a location exists.

use super::{
    error::{self, ApiError},
    http::ApiResponse,
    world::World,
};
use crate::regions::{Cloud, REGIONS};
use serde::{Deserialize, Serialize};

/// A location of the world file, in place of the built-in table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Location {
    pub name: String,
    pub display_name: Option<String>,
    pub paired_region: Option<String>,
    #[serde(default = "default_geography")]
    pub geography_group: String,
}

fn default_geography() -> String {
    "US".to_owned()
}

#[derive(Serialize)]
struct LocationList {
    value: Vec<LocationView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LocationView {
    id: String,
    name: String,
    display_name: String,
    regional_display_name: String,
    metadata: Metadata,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    region_type: &'static str,
    region_category: &'static str,
    geography_group: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    paired_region: Option<[PairedRegion; 1]>,
}

#[derive(Serialize)]
struct PairedRegion {
    name: String,
    id: String,
}

/// ARM takes `East US 2` for `eastus2`.
pub(super) fn normalised(location: &str) -> String {
    location.replace(' ', "").to_ascii_lowercase()
}

pub(super) fn built_in() -> Vec<Location> {
    let listed = REGIONS.iter().filter(|region| region.cloud == Cloud::Public);
    listed
        .map(|region| Location {
            name: region.name(),
            display_name: Some(region.display_name.to_owned()),
            paired_region: region.pair.map(str::to_owned),
            geography_group: region.geography.to_owned(),
        })
        .collect()
}

impl World {
    pub(super) fn list_locations(&self, subscription: &str) -> ApiResponse {
        let id = |name: &str| format!("/subscriptions/{subscription}/locations/{name}");
        let view = |location: &Location| {
            let Location { name, display_name, paired_region, geography_group } = location;
            let display_name = display_name.clone().unwrap_or_else(|| name.clone());
            LocationView {
                id: id(name),
                name: name.clone(),
                regional_display_name: format!("({geography_group}) {display_name}"),
                display_name,
                metadata: Metadata {
                    region_type: "Physical",
                    region_category: "Recommended",
                    geography_group: geography_group.clone(),
                    paired_region: paired_region
                        .as_ref()
                        .map(|pair| [PairedRegion { name: pair.clone(), id: id(pair) }]),
                },
            }
        };
        ApiResponse::json(200, &LocationList { value: self.locations.iter().map(view).collect() })
    }

    /// A location of any cloud is taken: the simulator stands for each of them.
    pub(super) fn check_location(&self, location: &str, kind: &str) -> Result<(), ApiError> {
        let is_listed = self.locations.iter().any(|known| known.name == location);
        if is_listed || REGIONS.iter().any(|region| region.name() == location) {
            return Ok(());
        }
        Err(error::unknown_location(location, kind))
    }
}
