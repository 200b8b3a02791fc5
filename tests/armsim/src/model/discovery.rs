//! The Service Tag Discovery API of Microsoft.Network: the published document in another shape, with its own numbers,
//! some documents late, and without the regional tags of Azure Machine Learning. Made from the files of the download
//! page, or from a document that was given.

use super::{error::ApiError, http::ApiResponse, locations::normalised, route_table::List, world::World};
use crate::regions::{Cloud, REGIONS};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Added to the place of a document in the order of publication: the API counts apart from the weekly files.
const FIRST_NUMBER: usize = 104;
/// The discovery API has never shown tags below this one (2022 to 2025); the weekly file has.
const WITHOUT_REGIONS: &str = "AzureMachineLearning.";

const ALIASES: [(&str, &str); 6] = [
    ("servicesAzure", "/services/Azure"),
    ("servicesAzureBatch", "/services/Azure/Batch"),
    ("servicesAzureDataFactory", "/services/Azure/DataFactory"),
    ("servicesAzureMachineLearning", "/services/Azure/MachineLearning"),
    ("servicesAzureManagedInstance", "/services/Azure/ManagedInstance"),
    ("servicesAzureWebPI", "/services/Azure/WebPI"),
];

/// What the API tells in one cloud.
#[derive(Clone, Debug, Default)]
pub struct DiscoveryDocument {
    pub number: String,
    pub cloud: String,
    pub tags: Vec<DiscoveryTag>,
    /// The link to the next page, which is always empty; older answers have none.
    pub next_link: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoveryTag {
    pub name: String,
    /// The number of the whole document; older answers do not repeat it.
    #[serde(default)]
    pub service_tag_change_number: Option<String>,
    pub properties: DiscoveryProperties,
}

/// As in the weekly file, where numbers are numbers and `networkFeatures` may be missing.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoveryProperties {
    #[serde(default)]
    pub change_number: Value,
    #[serde(default)]
    pub region: String,
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    pub network_features: Option<Vec<String>>,
    #[serde(default)]
    pub system_service: Option<String>,
    #[serde(default)]
    pub address_prefixes: Vec<String>,
}

#[derive(Deserialize)]
struct WeeklyFile {
    cloud: String,
    values: Vec<DiscoveryTag>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DocumentView<'a> {
    name: &'a str,
    id: String,
    r#type: &'static str,
    change_number: &'a str,
    cloud: &'a str,
    values: Vec<TagView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_link: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TagView<'a> {
    name: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tag_change_number: Option<&'a str>,
    properties: PropertiesView<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PropertiesView<'a> {
    change_number: String,
    region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_features: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_service: Option<&'a str>,
    address_prefixes: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AliasView {
    name: &'static str,
    id: String,
    r#type: &'static str,
    resource_name: &'static str,
}

impl DiscoveryTag {
    fn view(&self) -> TagView<'_> {
        let DiscoveryProperties { change_number, region, state, network_features, system_service, address_prefixes } =
            &self.properties;
        TagView {
            name: &self.name,
            id: &self.name,
            service_tag_change_number: self.service_tag_change_number.as_deref(),
            properties: PropertiesView {
                change_number: change_number.as_str().map_or_else(|| change_number.to_string(), str::to_owned),
                region,
                state: state.as_deref(),
                network_features: network_features.as_deref(),
                system_service: system_service.as_deref(),
                address_prefixes,
            },
        }
    }

    /// A tag of the weekly file with what the file does not say.
    fn completed(mut self, number: &str) -> Self {
        self.service_tag_change_number = Some(number.to_owned());
        self.properties.state.get_or_insert_with(|| "GA".to_owned());
        self.properties.system_service.get_or_insert_default();
        // ASSUMPTION: what the weekly file leaves open is what all tags have.
        self.properties.network_features.get_or_insert_with(|| ["API", "NSG"].map(str::to_owned).to_vec());
        self
    }
}

/// As the download page calls the cloud of a location.
pub(super) fn cloud_of(location: &str) -> &'static str {
    let location = normalised(location);
    let region = REGIONS.iter().find(|region| region.name() == location);
    match region.map(|region| region.cloud) {
        Some(Cloud::China) => "China",
        Some(Cloud::AzureGovernment) => "AzureGovernment",
        _ => "Public",
    }
}

impl World {
    /// What the API tells from now on, in place of what the download page publishes.
    pub fn set_discovery(&mut self, document: DiscoveryDocument) {
        self.discovery = Some(document);
    }

    pub(super) fn list_service_tags(&self, subscription: &str, location: &str) -> ApiResponse {
        let made;
        let document = match &self.discovery {
            Some(given) => given,
            None => {
                made = self.discovered(location);
                &made
            }
        };
        let tags = document.tags.iter().filter(|_| !self.settings.discovery.empty);
        let view = DocumentView {
            name: &document.cloud,
            id: format!("/subscriptions/{subscription}/providers/Microsoft.Network/serviceTags/{}", document.cloud),
            r#type: "Microsoft.Network/serviceTags",
            change_number: &document.number,
            cloud: &document.cloud,
            values: tags.map(DiscoveryTag::view).collect(),
            next_link: document.next_link.as_deref(),
        };
        ApiResponse::json(200, &view)
    }

    /// The document of the location's cloud, late by the lag that is set. Nothing published: no tags.
    fn discovered(&self, location: &str) -> DiscoveryDocument {
        let cloud = cloud_of(location);
        let (place, bytes) = self.download_page.behind(cloud, self.settings.discovery.lag);
        let file =
            serde_json::from_slice(&bytes).unwrap_or_else(|_| WeeklyFile { cloud: cloud.to_owned(), values: vec![] });
        let number = (FIRST_NUMBER + place).to_string();
        let shown = file.values.into_iter().filter(|tag| !tag.name.starts_with(WITHOUT_REGIONS));
        DiscoveryDocument {
            tags: shown.map(|tag| tag.completed(&number)).collect(),
            number,
            cloud: file.cloud,
            next_link: Some(String::new()),
        }
    }

    pub(super) fn list_service_aliases(
        &self,
        subscription: &str,
        group: Option<&str>,
    ) -> Result<ApiResponse, ApiError> {
        let scope = match group {
            Some(group) => {
                self.require_group(subscription, group)?;
                // Without the `s`, as recorded.
                format!("/subscriptions/{subscription}/resourceGroup/{group}")
            }
            None => format!("/subscriptions/{subscription}"),
        };
        let view = |(name, resource_name): &(&'static str, &'static str)| AliasView {
            name,
            id: format!("{scope}/providers/Microsoft.Network/AvailableServiceAliases/{name}"),
            r#type: "Microsoft.Network/AvailableServiceAliases",
            resource_name,
        };
        let value = ALIASES.iter().map(view).collect();
        Ok(ApiResponse::json(200, &List { value }))
    }
}
