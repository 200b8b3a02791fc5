//! Tokens for ARM: `azure_identity` behind an adapter that caches, because it speaks another generation of
//! `azure_core` than the network client does.
//!
//! Must never let a token or a secret into `Debug`, an error or a log.

mod certificate;
mod http;
mod login;
mod refused;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::auth::{AccessToken, TokenCredential};
use azure_core::error::{Error, ErrorKind};
use azure_core_1::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core_1::credentials::{Secret, TokenCredential as NewTokenCredential};
use azure_core_1::http::{ClientOptions, RetryOptions, Transport};
use azure_identity::{
    ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use tokio::sync::Mutex;

use self::certificate::Certificate;
use self::http::IdentityHttp;
pub use self::login::{Login, LoginError};
pub use self::refused::advice;
use super::cloud::Endpoints;
use crate::metrics::Metrics;

/// A token is renewed when it has less than this left, in seconds.
const RENEW_BEFORE: i64 = 300;
/// The endpoint of a managed identity answers at once or not at all.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A credential for the network client.
pub struct CachingCredential {
    login: Login,
    authority: url::Url,
    scope: String,
    http: reqwest::Client,
    current: Mutex<Current>,
    metrics: Metrics,
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
    pub fn new(
        login: &Login,
        endpoints: &Endpoints,
        http: reqwest::Client,
        metrics: &Metrics,
    ) -> Result<Self, LoginError> {
        let source = source(login, &endpoints.authority, &http)?;
        Ok(Self {
            login: login.clone(),
            authority: endpoints.authority.clone(),
            scope: endpoints.scope.clone(),
            http,
            current: Mutex::new(Current { source, token: None }),
            metrics: metrics.clone(),
        })
    }
}

fn source(
    login: &Login,
    authority: &url::Url,
    http: &reqwest::Client,
) -> Result<Arc<dyn NewTokenCredential>, LoginError> {
    let unusable = |error: azure_core_1::Error| LoginError::Unusable(one_line(&error.to_string()));
    let mut configuration = CustomConfiguration::default();
    configuration.authority_host = authority.to_string();
    let options = |http: reqwest::Client| ClientOptions {
        transport: Some(Transport::new(Arc::new(IdentityHttp(http)))),
        cloud: Some(Arc::new(CloudConfiguration::Custom(configuration.clone()))),
        // Ours repeats what is worth it, and says sooner what is wrong.
        retry: RetryOptions::none(),
        ..Default::default()
    };
    Ok(match login {
        Login::ClientSecret { tenant, client, secret } => {
            let options = ClientSecretCredentialOptions { client_options: options(http.clone()) };
            let secret = Secret::from(secret.clone());
            ClientSecretCredential::new(tenant, client.clone(), secret, Some(options)).map_err(unusable)?
        }
        Login::ClientCertificate { tenant, client, path } => {
            let options = ClientAssertionCredentialOptions { client_options: options(http.clone()) };
            let certificate = Certificate::read(path, client, tenant, authority)?;
            ClientAssertionCredential::new(tenant.clone(), client.clone(), certificate, Some(options))
                .map_err(unusable)?
        }
        Login::WorkloadIdentity { tenant, client, token_file } => {
            let credential_options = ClientAssertionCredentialOptions { client_options: options(http.clone()) };
            let options = WorkloadIdentityCredentialOptions {
                credential_options,
                client_id: Some(client.clone()),
                tenant_id: Some(tenant.clone()),
                token_file_path: Some(token_file.into()),
            };
            WorkloadIdentityCredential::new(Some(options)).map_err(unusable)?
        }
        Login::ManagedIdentity { client } => {
            // The endpoint is on the machine itself: no proxy can reach it.
            let direct = reqwest::Client::builder().no_proxy().timeout(LOCAL_TIMEOUT).build();
            let direct = direct.map_err(|error| LoginError::Unusable(error.to_string()))?;
            let options = ManagedIdentityCredentialOptions {
                user_assigned_id: client.clone().map(UserAssignedId::ClientId),
                client_options: options(direct),
            };
            ManagedIdentityCredential::new(Some(options)).map_err(unusable)?
        }
        Login::DeveloperTools => DeveloperToolsCredential::new(None).map_err(unusable)?,
    })
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
        let asked = current.source.get_token(&[&self.scope], None).await;
        self.metrics.logged_in(asked.is_ok());
        let fresh =
            asked.map_err(|error| Error::with_message(ErrorKind::Credential, || one_line(&error.to_string())))?;
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
