//! `GET /subscriptions/{s}/locations`: the regions with their pairs, and the check whether a location exists.

use super::{
    error::{self, ApiError},
    http::ApiResponse,
    world::World,
};
use crate::regions::{Cloud, REGIONS};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A location of the world file, in place of the built-in table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Location {
    pub name: String,
    pub display_name: Option<String>,
    /// Empty where ARM says that there is none.
    pub paired_region: Option<String>,
    /// None for such as `global` and `europe`.
    #[serde(default)]
    pub geography_group: Option<String>,
    #[serde(default)]
    pub regional_display_name: Option<String>,
    /// `Physical` or `Logical`.
    #[serde(default)]
    pub region_type: Option<String>,
    /// `Recommended` or `Other`.
    #[serde(default)]
    pub region_category: Option<String>,
    /// Shown at newer api-versions only, as is `type`.
    #[serde(default)]
    pub geography: Option<String>,
    #[serde(default)]
    pub longitude: Option<String>,
    #[serde(default)]
    pub latitude: Option<String>,
    #[serde(default)]
    pub physical_location: Option<String>,
    /// Shown at newer api-versions only.
    #[serde(default)]
    pub availability_zone_mappings: Option<Value>,
}

#[derive(Serialize)]
struct LocationList<'a> {
    value: Vec<LocationView<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LocationView<'a> {
    id: String,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    display_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    regional_display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    availability_zone_mappings: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longitude: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latitude: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    region_type: &'a str,
    region_category: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    geography: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    geography_group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longitude: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latitude: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    physical_location: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paired_region: Option<Vec<PairedRegion<'a>>>,
}

#[derive(Serialize)]
struct PairedRegion<'a> {
    name: &'a str,
    id: String,
}

/// ASSUMPTION: the first api-version whose locations have a type and a geography; 2019-11-01 has none.
const SHOWS_TYPE: &str = "2022-12-01";
/// ASSUMPTION: before this one a location is its names and its place.
const SHOWS_METADATA: &str = "2019-10-01";

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
            geography_group: Some(region.geography.to_owned()),
            regional_display_name: None,
            region_type: None,
            region_category: None,
            geography: None,
            longitude: None,
            latitude: None,
            physical_location: None,
            availability_zone_mappings: None,
        })
        .collect()
}

impl Location {
    fn view(&self, api_version: &str, id: &dyn Fn(&str) -> String) -> LocationView<'_> {
        let is_new = api_version >= SHOWS_TYPE;
        let display_name = self.display_name.as_deref().unwrap_or(&self.name);
        let regional_display_name = match (&self.regional_display_name, &self.geography_group) {
            (Some(given), _) => given.clone(),
            (None, Some(group)) => format!("({group}) {display_name}"),
            (None, None) => display_name.to_owned(),
        };
        let pair = |pair: &'_ String| match pair.as_str() {
            "" => vec![],
            pair => vec![id(pair)],
        };
        let paired = self.paired_region.as_ref().map(|name| (name, pair(name)));
        let metadata = || Metadata {
            region_type: self.region_type.as_deref().unwrap_or("Physical"),
            region_category: self.region_category.as_deref().unwrap_or("Recommended"),
            geography: self.geography.as_deref().filter(|_| is_new),
            geography_group: self.geography_group.as_deref(),
            longitude: self.longitude.as_deref(),
            latitude: self.latitude.as_deref(),
            physical_location: self.physical_location.as_deref(),
            paired_region: paired.map(|(name, ids)| ids.into_iter().map(|id| PairedRegion { name, id }).collect()),
        };
        let is_flat = api_version < SHOWS_METADATA;
        LocationView {
            id: id(&self.name),
            name: &self.name,
            r#type: is_new.then_some("Region"),
            display_name,
            regional_display_name: (!is_flat).then_some(regional_display_name),
            metadata: (!is_flat).then(metadata),
            availability_zone_mappings: self.availability_zone_mappings.as_ref().filter(|_| is_new),
            longitude: self.longitude.as_deref().filter(|_| is_flat),
            latitude: self.latitude.as_deref().filter(|_| is_flat),
        }
    }
}

impl World {
    pub(super) fn list_locations(&self, subscription: &str, api_version: &str) -> ApiResponse {
        let id = |name: &str| format!("/subscriptions/{subscription}/locations/{name}");
        let value = self.locations.iter().map(|location| location.view(api_version, &id)).collect();
        ApiResponse::json(200, &LocationList { value })
    }

    /// The locations that there are, in place of the built-in or the world file's.
    pub fn set_locations(&mut self, locations: Vec<Location>) {
        self.locations = locations;
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
