//! Tokens for ARM: `azure_identity` behind an adapter that caches, because it speaks another generation of
//! `azure_core` than the network client does.
//!
//! Must never let a token or a secret into `Debug`, an error or a log.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::auth::{AccessToken, TokenCredential};
use azure_core::error::{Error, ErrorKind};
use azure_core_1::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core_1::credentials::{Secret, TokenCredential as NewTokenCredential};
use azure_core_1::http::headers::Headers;
use azure_core_1::http::{AsyncRawResponse, ClientOptions, HttpClient, Request, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use tokio::sync::Mutex;

use super::cloud::Endpoints;

/// A token is renewed when it has less than this left, in seconds.
const RENEW_BEFORE: i64 = 300;

/// How amlnet logs in, read from the standard `AZURE_*` variables by whoever starts it.
#[derive(Clone)]
pub enum Login {
    ClientSecret { tenant: String, client: String, secret: String },
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::ClientSecret { tenant, client, .. } = self;
        write!(f, "ClientSecret {{ tenant: {tenant}, client: {client} }}")
    }
}

/// Why no login is possible.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error(
        "no Azure credential: set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (missing: {0}). \
         Workload identity, managed identity and az login are not supported yet"
    )]
    Missing(String),
    #[error("the Azure credential cannot be used: {0}")]
    Unusable(String),
}

impl Login {
    /// Picks a way to log in from the environment, which is an argument.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, LoginError> {
        let names = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"];
        let values = names.map(|name| variable(name).filter(|value| !value.is_empty()));
        match values {
            [Some(tenant), Some(client), Some(secret)] => Ok(Self::ClientSecret { tenant, client, secret }),
            values => {
                let missing: Vec<&str> =
                    names.iter().zip(&values).filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
                Err(LoginError::Missing(missing.join(", ")))
            }
        }
    }
}

/// A credential for the network client.
pub struct CachingCredential {
    login: Login,
    authority: url::Url,
    scope: String,
    http: reqwest::Client,
    current: Mutex<Current>,
}

/// The credential in use and the token that it gave last.
struct Current {
    source: Arc<dyn NewTokenCredential>,
    token: Option<AccessToken>,
}

impl std::fmt::Debug for CachingCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CachingCredential").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl CachingCredential {
    /// Prepares a login; no request is sent before the first token is needed.
    pub fn new(login: &Login, endpoints: &Endpoints, http: reqwest::Client) -> Result<Self, LoginError> {
        let source = source(login, &endpoints.authority, &http)?;
        Ok(Self {
            login: login.clone(),
            authority: endpoints.authority.clone(),
            scope: endpoints.scope.clone(),
            http,
            current: Mutex::new(Current { source, token: None }),
        })
    }
}

fn source(
    login: &Login,
    authority: &url::Url,
    http: &reqwest::Client,
) -> Result<Arc<dyn NewTokenCredential>, LoginError> {
    let mut configuration = CustomConfiguration::default();
    configuration.authority_host = authority.to_string();
    let client_options = ClientOptions {
        transport: Some(Transport::new(Arc::new(IdentityHttp(http.clone())))),
        cloud: Some(Arc::new(CloudConfiguration::Custom(configuration))),
        ..Default::default()
    };
    let Login::ClientSecret { tenant, client, secret } = login;
    let options = ClientSecretCredentialOptions { client_options };
    let credential = ClientSecretCredential::new(tenant, client.clone(), Secret::from(secret.clone()), Some(options));
    Ok(credential.map_err(|error| LoginError::Unusable(error.to_string()))?)
}

#[async_trait]
impl TokenCredential for CachingCredential {
    /// The scopes of the network client are ignored: they are derived from the endpoint, which may be a simulator's.
    async fn get_token(&self, _: &[&str]) -> azure_core::Result<AccessToken> {
        let mut current = self.current.lock().await;
        let now = jiff::Timestamp::now().as_second();
        if let Some(token) =
            current.token.as_ref().filter(|token| token.expires_on.unix_timestamp() - now > RENEW_BEFORE)
        {
            return Ok(token.clone());
        }
        let fresh = current
            .source
            .get_token(&[&self.scope], None)
            .await
            .map_err(|error| Error::with_message(ErrorKind::Credential, || one_line(&error.to_string())))?;
        // The two generations have time types of their own; a text is what both read.
        let expires_on = jiff::Timestamp::from_second(fresh.expires_on.unix_timestamp()).unwrap_or_default();
        let expires_on = azure_core::date::parse_rfc3339(&expires_on.to_string())?;
        let token = AccessToken::new(fresh.token.secret().to_owned(), expires_on);
        current.token = Some(token.clone());
        Ok(token)
    }

    async fn clear_cache(&self) -> azure_core::Result<()> {
        // azure_identity keeps tokens too, and cannot be told to forget them: a new credential has none.
        let source = source(&self.login, &self.authority, &self.http)
            .map_err(|error| Error::with_message(ErrorKind::Credential, || error.to_string()))?;
        *self.current.lock().await = Current { source, token: None };
        Ok(())
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The HTTP client in the form that `azure_identity` takes it.
#[derive(Debug)]
struct IdentityHttp(reqwest::Client);

#[async_trait]
impl HttpClient for IdentityHttp {
    async fn execute_request(&self, request: &Request) -> azure_core_1::Result<AsyncRawResponse> {
        let io = |error: reqwest::Error| {
            azure_core_1::Error::with_message(azure_core_1::error::ErrorKind::Io, super::transport::chain(&error))
        };
        let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes())
            .map_err(|e| azure_core_1::Error::new(azure_core_1::error::ErrorKind::Other, e))?;
        let mut outgoing = self.0.request(method, request.url().clone());
        for (name, value) in request.headers().iter() {
            outgoing = outgoing.header(name.as_str(), value.as_str());
        }
        if let azure_core_1::http::Body::Bytes(bytes) = request.body() {
            outgoing = outgoing.body(bytes.clone());
        }
        let answer = outgoing.send().await.map_err(io)?;
        let status = answer.status().as_u16();
        let mut headers = Headers::new();
        for (name, value) in answer.headers() {
            if let Ok(value) = value.to_str() {
                headers.insert(name.as_str().to_owned(), value.to_owned());
            }
        }
        let body = answer.bytes().await.map_err(io)?;
        Ok(AsyncRawResponse::from_bytes(status.into(), headers, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_is_named() {
        let error = Login::from_variables(|name| (name != "AZURE_CLIENT_SECRET").then(|| "x".to_owned())).unwrap_err();
        assert!(error.to_string().contains("(missing: AZURE_CLIENT_SECRET)"), "{error}");
    }

    #[test]
    fn debug_shows_no_secret() {
        let login = Login::from_variables(|name| Some(format!("value-of-{name}"))).unwrap();
        assert!(!format!("{login:?}").contains("SECRET"), "{login:?}");
    }
}
