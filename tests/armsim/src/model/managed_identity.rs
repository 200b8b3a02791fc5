//! Managed identities: the instance metadata service of virtual machines and the endpoint of App Service, with what
//! each refuses.

use super::{
    http::{ApiRequest, ApiResponse},
    time::Time,
    world::World,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The path behind `IDENTITY_ENDPOINT`, and the value of `IDENTITY_HEADER`.
pub const APP_SERVICE_PATH: &str = "/msi/token";
pub const APP_SERVICE_HEADER: &str = "armsim-identity-header";

/// An identity that Azure gives to the machine, as the world file says it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManagedIdentity {
    pub client_id: String,
    #[serde(default)]
    pub kind: IdentityKind,
    /// Of a user-assigned identity.
    #[serde(default)]
    pub resource_id: Option<String>,
    #[serde(default)]
    pub object_id: Option<String>,
    /// The first tenant of the world where it is not given.
    #[serde(default)]
    pub tenant_id: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IdentityKind {
    #[default]
    SystemAssigned,
    UserAssigned,
}

/// Which identity is asked for.
#[derive(Clone, Copy, Debug)]
enum Choice {
    One(usize),
    NoneFound,
    Ambiguous,
}

impl World {
    pub(super) fn answer_metadata(&mut self, now: Time, request: &ApiRequest) -> ApiResponse {
        match (request.method.as_str(), request.path()) {
            ("GET", "/metadata/versions") if is_local(request) => {
                ApiResponse::json(200, &json!({"apiVersions": ["2018-02-01", "2019-08-01", "2021-02-01"]}))
            }
            ("GET", "/metadata/versions") => {
                ApiResponse::json(400, &json!({"error": "Bad request. Required metadata header not specified"}))
            }
            ("GET", "/metadata/identity/oauth2/token") => self.machine_token(now, request),
            ("GET", APP_SERVICE_PATH) => self.app_service_token(now, request),
            _ => ApiResponse::json(404, &json!({"error": "Not found"})),
        }
    }

    fn machine_token(&self, now: Time, request: &ApiRequest) -> ApiResponse {
        let refuse = |why: &str| ApiResponse::json(400, &json!({"error": "invalid_request", "error_description": why}));
        if !is_local(request) {
            return refuse("Required metadata header not specified");
        }
        if request.query("api-version").is_none() {
            return refuse("Required query variable 'api-version' is missing");
        }
        let Some(resource) = request.query("resource").filter(|resource| !resource.is_empty()) else {
            return refuse("Required audience parameter not specified");
        };
        match self.chosen(request) {
            Choice::NoneFound => refuse("Identity not found"),
            Choice::Ambiguous => refuse(
                "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in \
                 the token request",
            ),
            Choice::One(at) => {
                let (token, lifetime) = self.identity_token(now, &self.managed_identities[at], &resource);
                // Numbers are texts, as in the real service.
                let body = json!({
                    "access_token": token,
                    "client_id": self.managed_identities[at].client_id,
                    "expires_in": lifetime.to_string(),
                    "expires_on": (now.seconds() + lifetime).to_string(),
                    "ext_expires_in": lifetime.to_string(),
                    "not_before": now.seconds().to_string(),
                    "resource": resource,
                    "token_type": "Bearer",
                });
                ApiResponse::json(200, &body)
            }
        }
    }

    fn app_service_token(&self, now: Time, request: &ApiRequest) -> ApiResponse {
        let refuse = |status: u16, why: &str| ApiResponse::json(status, &json!({"statusCode": status, "message": why}));
        // ASSUMPTION: the texts of the first two; users report them as empty or vague.
        if request.header("x-identity-header") != Some(APP_SERVICE_HEADER) {
            return refuse(401, "The X-IDENTITY-HEADER is missing or wrong.");
        }
        let Some(resource) = request.query("resource").filter(|resource| !resource.is_empty()) else {
            return refuse(400, "The resource parameter is required.");
        };
        match self.chosen(request) {
            Choice::NoneFound | Choice::Ambiguous => refuse(
                400,
                "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
            ),
            Choice::One(at) => {
                let (token, lifetime) = self.identity_token(now, &self.managed_identities[at], &resource);
                let body = json!({
                    "access_token": token,
                    "client_id": self.managed_identities[at].client_id,
                    "expires_on": (now.seconds() + lifetime).to_string(),
                    "resource": resource,
                    "token_type": "Bearer",
                });
                ApiResponse::json(200, &body)
            }
        }
    }

    fn identity_token(&self, now: Time, identity: &ManagedIdentity, resource: &str) -> (String, u64) {
        let lifetime = self.settings.limits.token_lifetime.0.as_secs();
        let first = self.credentials.first().map(|known| known.tenant_id.as_str()).unwrap_or_default();
        let tenant = identity.tenant_id.as_deref().unwrap_or(first);
        (self.token(now, tenant, &identity.client_id, resource, lifetime), lifetime)
    }

    /// The named one; else the system-assigned; else the only user-assigned.
    fn chosen(&self, request: &ApiRequest) -> Choice {
        let all = &self.managed_identities;
        let asked = |names: &[&str]| names.iter().find_map(|name| request.query(name));
        let found = if let Some(client) = asked(&["client_id"]) {
            all.iter().position(|identity| identity.client_id.eq_ignore_ascii_case(&client))
        } else if let Some(resource) = asked(&["mi_res_id", "msi_res_id"]) {
            let is_it = |id: &String| id.eq_ignore_ascii_case(&resource);
            all.iter().position(|identity| identity.resource_id.as_ref().is_some_and(is_it))
        } else if let Some(object) = asked(&["object_id", "principal_id"]) {
            let is_it = |id: &String| id.eq_ignore_ascii_case(&object);
            all.iter().position(|identity| identity.object_id.as_ref().is_some_and(is_it))
        } else {
            let system = all.iter().position(|identity| identity.kind == IdentityKind::SystemAssigned);
            match (system, all.len()) {
                (None, 2..) => return Choice::Ambiguous,
                (None, 1) => Some(0),
                (system, _) => system,
            }
        };
        found.map_or(Choice::NoneFound, Choice::One)
    }
}

/// The header that a page in a browser cannot set, and nothing that a proxy adds.
fn is_local(request: &ApiRequest) -> bool {
    let is_set = request.header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    is_set && request.header("x-forwarded-for").is_none()
}
