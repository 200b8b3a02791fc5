//! The ways to log in at Entra ID: a client secret, an assertion that a client signed itself, a federated token of
//! another issuer (workload identity). Signatures are never checked: that would need keys, and only what a client
//! sends is of interest here.

use super::{
    encoding,
    http::{ApiRequest, ApiResponse},
    settings::Span,
    time::Time,
    token::{Credentials, Federated, refusal},
    world::World,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// What a federated token must be meant for.
const EXCHANGE: &str = "api://AzureADTokenExchange";

#[derive(Serialize)]
struct TokenAnswer {
    token_type: &'static str,
    expires_in: u64,
    ext_expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_in: Option<u64>,
    access_token: String,
}

/// Why no token is given: status, error, number of the AADSTS code, text.
struct NoToken(u16, &'static str, u64, String);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Assertion {
    iss: String,
    sub: String,
    aud: Value,
    exp: Option<u64>,
    nbf: Option<u64>,
}

impl World {
    pub(super) fn issue_token(&mut self, now: Time, tenant: &str, request: &ApiRequest) -> ApiResponse {
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        match self.token_for(now, tenant, &form) {
            Ok(answer) => ApiResponse::json(200, &answer)
                .with_header("cache-control", "no-store, no-cache")
                .with_header("pragma", "no-cache"),
            Err(NoToken(status, error, code, message)) => {
                let correlation = request.header("client-request-id");
                refusal(status, (error, code), &message, now, correlation, &mut self.random)
            }
        }
    }

    fn token_for(&self, now: Time, tenant: &str, form: &BTreeMap<String, String>) -> Result<TokenAnswer, NoToken> {
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if field("grant_type") != "client_credentials" {
            let message = "The given grant type is not one that this login service knows.".to_owned();
            return Err(NoToken(400, "unsupported_grant_type", 70003, message));
        }
        if !self.credentials.iter().any(|known| known.tenant_id == tenant) {
            let message = format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.");
            return Err(NoToken(400, "invalid_request", 90002, message));
        }
        let client = field("client_id");
        let known = self.credentials.iter().find(|known| known.tenant_id == tenant && known.client_id == client);
        let made = self.login_of_identity(tenant, client, EXCHANGE);
        let is_made = made.is_some();
        let known = known.cloned().or(made).ok_or_else(|| {
            let message = format!("Application with identifier '{client}' was not found in the directory '{tenant}'.");
            NoToken(400, "unauthorized_client", 700_016, message)
        })?;
        if form.contains_key("client_assertion") {
            if is_made && known.federated.is_empty() {
                let message = "No matching federated identity record found for presented assertion.".to_owned();
                return Err(NoToken(400, "invalid_request", 70021, message));
            }
            check_assertion(now, &known, field("client_assertion_type"), field("client_assertion"))?;
        } else if is_made || field("client_secret") != known.client_secret {
            let message = format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret \
                 value, not the client secret ID, for a secret added to app '{client}'."
            );
            return Err(NoToken(401, "invalid_client", 7_000_215, message));
        }
        // The first version of the endpoint has a resource in place of a scope.
        let audience = match (form.get("scope"), form.get("resource")) {
            // Some clients ask for `openid offline_access profile` as well.
            (Some(scope), _) => scope.split_whitespace().find_map(|scope| scope.strip_suffix("/.default")),
            (None, resource) => resource.map(String::as_str),
        };
        let audience = audience.ok_or_else(|| {
            let message = format!("The provided value for scope {} is not valid.", field("scope"));
            NoToken(400, "invalid_scope", 70011, message)
        })?;
        let limits = &self.settings.limits;
        let lifetime = limits.token_lifetime.0.as_secs();
        Ok(TokenAnswer {
            token_type: "Bearer",
            expires_in: lifetime,
            ext_expires_in: lifetime,
            refresh_in: limits.token_refresh_in.map(|Span(after)| after.as_secs()),
            access_token: self.token(now, tenant, client, audience, lifetime),
        })
    }
}

/// ASSUMPTION: the texts; the codes are those that users of workload identity meet.
fn check_assertion(now: Time, known: &Credentials, kind: &str, token: &str) -> Result<(), NoToken> {
    let invalid = |code, message: String| Err(NoToken(401, "invalid_client", code, message));
    let assertion = read(token).filter(|_| kind == ASSERTION_TYPE);
    let Some(assertion) = assertion else {
        return invalid(50027, "JWT token is invalid or malformed.".to_owned());
    };
    let Assertion { iss, sub, aud, exp, nbf } = &assertion;
    let is_current = exp.is_some_and(|exp| exp > now.seconds()) && nbf.is_none_or(|nbf| nbf <= now.seconds() + 300);
    if !is_current {
        return invalid(700_024, "Client assertion is not within its valid time range.".to_owned());
    }
    // A client that names itself signs with its certificate.
    if *iss == known.client_id && *sub == known.client_id {
        return Ok(());
    }
    let mismatch = |code, what: &str, value: &str| {
        let message = format!("No matching federated identity record found for presented assertion {what} '{value}'.");
        Err(NoToken(400, "invalid_request", code, message))
    };
    let is_for_exchange = match aud {
        Value::Array(all) => all.iter().any(|aud| aud == EXCHANGE),
        aud => aud == EXCHANGE,
    };
    if !is_for_exchange {
        return mismatch(700_212, "audience", aud.as_str().unwrap_or_default());
    }
    let trusted = &known.federated;
    let is_trusted = |what: &Federated| what.issuer == *iss && what.subject == *sub;
    if trusted.is_empty() || trusted.iter().any(is_trusted) {
        return Ok(());
    }
    if trusted.iter().any(|what| what.issuer == *iss) {
        mismatch(700_213, "subject", sub)
    } else {
        mismatch(700_211, "issuer", iss)
    }
}

fn read(token: &str) -> Option<Assertion> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    serde_json::from_slice(&encoding::from_base64url(payload.trim_end_matches('='))?).ok()
}
