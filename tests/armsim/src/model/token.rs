//! The login service (Entra ID): `OpenID` discovery and tokens; and the check of a token at ARM. Who gets one is in `login`. Tokens
//! look like real ones but are worth nothing outside this process.

use super::{
    encoding,
    error::{self, ApiError},
    http::{ApiRequest, ApiResponse},
    random::Random,
    time::Time,
    world::World,
};
use serde::{Deserialize, Serialize};

/// What a client logs in with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Credentials {
    pub tenant_id: String,
    pub client_id: String,
    pub client_secret: String,
    /// Whose tokens are taken in place of the secret (workload identity); none: anybody's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub federated: Vec<Federated>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Federated {
    pub issuer: String,
    pub subject: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            tenant_id: "11111111-1111-4111-8111-111111111111".to_owned(),
            client_id: "22222222-2222-4222-8222-222222222222".to_owned(),
            client_secret: "armsim-secret".to_owned(),
            federated: vec![],
        }
    }
}

/// Who a request comes from, as its token says.
#[derive(Clone, Debug)]
pub struct Identity {
    pub client: String,
    pub object: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    appid: String,
    idtyp: String,
    oid: String,
    sub: String,
    tid: String,
    ver: String,
}

#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
    error_description: String,
    error_codes: [u64; 1],
    timestamp: String,
    trace_id: String,
    correlation_id: String,
    error_uri: String,
}

impl World {
    pub(super) fn answer_login(&mut self, now: Time, request: &ApiRequest) -> ApiResponse {
        let segments: Vec<&str> = request.path().trim_matches('/').split('/').collect();
        match (request.method.as_str(), segments.as_slice()) {
            ("GET", ["common", "discovery", "instance"]) => self.instance_discovery(request),
            (
                "GET",
                [tenant, "v2.0", ".well-known", "openid-configuration"]
                | [tenant, ".well-known", "openid-configuration"],
            ) => self.openid_configuration(tenant),
            // Signatures are no real ones, so there is no key to check them with.
            ("GET", [_, "discovery", "v2.0", "keys"] | [_, "discovery", "keys"]) => {
                ApiResponse::json(200, &serde_json::json!({"keys": []}))
            }
            ("POST", [tenant, "oauth2", "v2.0", "token"] | [tenant, "oauth2", "token"]) => {
                self.issue_token(now, tenant, request)
            }
            _ => ApiResponse::empty(404),
        }
    }

    fn openid_configuration(&self, tenant: &str) -> ApiResponse {
        let login = &self.endpoints.login;
        let body = serde_json::json!({
            "token_endpoint": format!("{login}/{tenant}/oauth2/v2.0/token"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": format!("{login}/{tenant}/discovery/v2.0/keys"),
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": format!("{login}/{tenant}/v2.0"),
            "authorization_endpoint": format!("{login}/{tenant}/oauth2/v2.0/authorize"),
            "device_authorization_endpoint": format!("{login}/{tenant}/oauth2/v2.0/devicecode"),
            "tenant_region_scope": "EU",
            "cloud_instance_name": "microsoftonline.com",
        });
        ApiResponse::json(200, &body)
    }

    fn instance_discovery(&self, request: &ApiRequest) -> ApiResponse {
        let login = &self.endpoints.login;
        let host = login.split("://").last().unwrap_or_default();
        let tenant = request
            .query("authorization_endpoint")
            .and_then(|endpoint| url::Url::parse(&endpoint).ok())
            .and_then(|endpoint| endpoint.path_segments().and_then(|mut segments| segments.next().map(str::to_owned)))
            .unwrap_or_else(|| "common".to_owned());
        let body = serde_json::json!({
            "tenant_discovery_endpoint": format!("{login}/{tenant}/v2.0/.well-known/openid-configuration"),
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        });
        ApiResponse::json(200, &body)
    }

    pub(super) fn token(&self, now: Time, tenant: &str, client: &str, audience: &str, lifetime: u64) -> String {
        let object = self.principal_of(client);
        let claims = Claims {
            aud: audience.to_owned(),
            iss: format!("https://sts.windows.net/{tenant}/"),
            iat: now.seconds(),
            nbf: now.seconds(),
            exp: now.seconds() + lifetime,
            appid: client.to_owned(),
            idtyp: "app".to_owned(),
            oid: object.clone(),
            sub: object,
            tid: tenant.to_owned(),
            ver: "1.0".to_owned(),
        };
        let header = encoding::base64url(br#"{"typ":"JWT","alg":"RS256","x5t":"armsim","kid":"armsim"}"#);
        let payload = serde_json::to_vec(&claims).expect("claims are strings and numbers");
        let signed = format!("{header}.{}", encoding::base64url(&payload));
        let signature = encoding::signature(self.key, &signed, 342);
        format!("{signed}.{signature}")
    }

    /// ASSUMPTION of this part: the audience is not checked.
    pub(super) fn identify(&self, now: Time, authorization: Option<&str>) -> Result<Identity, ApiError> {
        let authority = self.authority();
        let token = authorization.ok_or_else(|| error::missing_token(&authority))?;
        let claims = self.claims(token).ok_or_else(|| error::invalid_token(&authority))?;
        if claims.exp <= now.seconds() {
            return Err(error::expired_token(&authority, Time::from_millis(claims.exp * 1000), now));
        }
        Ok(Identity { client: claims.appid, object: claims.oid })
    }

    fn claims(&self, authorization: &str) -> Option<Claims> {
        let (scheme, token) = authorization.split_once(' ')?;
        let (signed, signature) = token.trim().rsplit_once('.')?;
        if !scheme.eq_ignore_ascii_case("bearer") || signature != encoding::signature(self.key, signed, 342) {
            return None;
        }
        let (_, payload) = signed.split_once('.')?;
        serde_json::from_slice(&encoding::from_base64url(payload)?).ok()
    }

    fn authority(&self) -> String {
        let tenant = self.credentials.first().map(|known| known.tenant_id.as_str()).unwrap_or_default();
        format!("{}/{tenant}", self.endpoints.login)
    }
}

pub(super) fn refusal(
    status: u16,
    (error, code): (&str, u64),
    message: &str,
    now: Time,
    correlation: Option<&str>,
    random: &mut Random,
) -> ApiResponse {
    let trace_id = random.uuid();
    let correlation_id = correlation.map_or_else(|| random.uuid(), str::to_owned);
    let timestamp = format!("{}Z", now.rfc3339()[..19].replace('T', " "));
    let body = Refusal {
        error,
        error_description: format!(
            "AADSTS{code}: {message} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {timestamp}"
        ),
        error_codes: [code],
        timestamp,
        trace_id,
        correlation_id,
        error_uri: format!("https://login.microsoftonline.com/error?code={code}"),
    };
    ApiResponse::json(status, &body)
}
