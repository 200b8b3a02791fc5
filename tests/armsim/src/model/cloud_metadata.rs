//! `GET /metadata/endpoints` of ARM: where a cloud's services are. What `az cloud register` asks before it logs in; no
//! token is needed.

use super::{
    http::{ApiRequest, ApiResponse},
    world::World,
};
use serde_json::{Value, json};

/// From this api-version on the answer is the one cloud, before it a list of clouds. ASSUMPTION: the exact version.
const ONE_CLOUD: &str = "2020-06-01";
const OLDEST: &str = "2015-01-01";

impl World {
    /// None: the request is about something else.
    pub(super) fn cloud_metadata(&self, request: &ApiRequest) -> Option<ApiResponse> {
        let path = request.path().trim_end_matches('/');
        if request.method != "GET" || !path.eq_ignore_ascii_case("/metadata/endpoints") {
            return None;
        }
        let version = request.query("api-version").unwrap_or_else(|| OLDEST.to_owned());
        let body = match version.as_str() {
            OLDEST => self.old_endpoints(),
            version if version >= ONE_CLOUD => self.cloud(),
            _ => json!([self.cloud()]),
        };
        Some(ApiResponse::json(200, &body))
    }

    fn old_endpoints(&self) -> Value {
        json!({
            "galleryEndpoint": self.endpoints.arm,
            "graphEndpoint": self.endpoints.login,
            "portalEndpoint": self.endpoints.login,
            "authentication": {
                "loginEndpoint": self.endpoints.login,
                "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            },
        })
    }

    /// Names of services that are not simulated are reserved ones that lead nowhere.
    fn cloud(&self) -> Value {
        let nowhere = "https://armsim.invalid/";
        json!({
            "name": "armsim",
            "portal": nowhere,
            "authentication": {
                "loginEndpoint": self.endpoints.login,
                "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
                "tenant": "common",
                "identityProvider": "AAD",
            },
            "media": nowhere,
            "graphAudience": nowhere,
            "graph": nowhere,
            "batch": nowhere,
            "gallery": nowhere,
            "sqlManagement": nowhere,
            "vmImageAliasDoc": nowhere,
            "activeDirectoryDataLake": nowhere,
            "microsoftGraphResourceId": nowhere,
            "logAnalyticsResourceId": nowhere,
            "appInsightsResourceId": nowhere,
            "appInsightsTelemetryChannelResourceId": nowhere,
            "synapseAnalyticsResourceId": nowhere,
            "ossrdbmsResourceId": nowhere,
            "attestationResourceId": nowhere,
            "resourceManager": self.endpoints.arm,
            "suffixes": {
                "storage": "storage.armsim.invalid",
                "keyVaultDns": "vault.armsim.invalid",
                "sqlServerHostname": "database.armsim.invalid",
                "acrLoginServer": "registry.armsim.invalid",
                "mhsmDns": "mhsm.armsim.invalid",
                "azureDataLakeStoreFileSystem": "datalake.armsim.invalid",
                "azureDataLakeAnalyticsCatalogAndJob": "datalakeanalytics.armsim.invalid",
                "azureFrontDoorEndpointSuffix": "frontdoor.armsim.invalid",
                "storageSyncEndpointSuffix": "storagesync.armsim.invalid",
                "mysqlServerEndpoint": "mysql.armsim.invalid",
                "postgresqlServerEndpoint": "postgres.armsim.invalid",
                "mariadbServerEndpoint": "mariadb.armsim.invalid",
                "synapseAnalytics": "synapse.armsim.invalid",
                "attestationEndpoint": "attest.armsim.invalid",
            },
        })
    }
}
