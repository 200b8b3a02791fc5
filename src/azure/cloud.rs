//! The endpoints of the three clouds, and the HTTP client that reaches them.

use std::path::Path;
use std::time::Duration;

use url::Url;

use crate::domain::service_tags::Cloud;

/// Where ARM and Entra ID answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    pub arm: Url,
    pub authority: Url,
    /// What a token is asked for.
    pub scope: String,
}

/// Why the endpoints or the certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    #[error("{flag}: {url} is not an https address")]
    NotHttps { flag: &'static str, url: Url },
    #[error("--ca-file {path}: {what}")]
    Certificate { path: String, what: String },
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
}

impl Endpoints {
    /// The well-known endpoints of a cloud, with either replaced.
    pub fn of(cloud: Cloud, arm: Option<Url>, authority: Option<Url>) -> Result<Self, EndpointError> {
        let (known_arm, known_authority) = match cloud {
            Cloud::Public => ("https://management.azure.com/", "https://login.microsoftonline.com/"),
            Cloud::AzureGovernment => ("https://management.usgovcloudapi.net/", "https://login.microsoftonline.us/"),
            Cloud::China => ("https://management.chinacloudapi.cn/", "https://login.chinacloudapi.cn/"),
        };
        let known = |text: &str| Url::parse(text).expect("the well-known endpoints are URLs");
        let https = |flag, url: Url| {
            if url.scheme() == "https" { Ok(url) } else { Err(EndpointError::NotHttps { flag, url }) }
        };
        Ok(Self {
            arm: https("--arm-endpoint", arm.unwrap_or_else(|| known(known_arm)))?,
            authority: https("--authority-host", authority.unwrap_or_else(|| known(known_authority)))?,
            scope: format!("{known_arm}.default"),
        })
    }
}

/// Longer than ARM takes to accept anything; a long operation is polled, not waited for.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Chooses the one TLS provider. Two are linked through dependencies at times, and then the first use would panic.
pub fn install_tls_provider() {
    // An error means that it was installed before, by another test of the same process.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client for ARM and Entra ID: keeps connections, follows no redirect, trusts `ca_file` too.
pub fn http_client(ca_file: Option<&Path>) -> Result<reqwest::Client, EndpointError> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("amlnet/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .min_tls_version(reqwest::tls::Version::TLS_1_2);
    trust(builder, ca_file)?.build().map_err(|error| EndpointError::Client(error.to_string()))
}

/// Adds the certificates of a PEM file to those that a client trusts.
pub fn trust(
    mut builder: reqwest::ClientBuilder,
    ca_file: Option<&Path>,
) -> Result<reqwest::ClientBuilder, EndpointError> {
    let Some(path) = ca_file else { return Ok(builder) };
    let refuse = |what: String| EndpointError::Certificate { path: path.display().to_string(), what };
    let pem = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
    let certificates =
        reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| refuse(format!("not a PEM file: {error}")))?;
    if certificates.is_empty() {
        return Err(refuse("it holds no certificate".to_owned()));
    }
    for certificate in certificates {
        builder = builder.add_root_certificate(certificate);
    }
    Ok(builder)
}
