//! The HTTP client in the form that `azure_identity` takes it.
//!
//! Its own client stays switched off: it would bring another HTTP and TLS stack.

use std::time::Duration;

use async_trait::async_trait;
use azure_core_1::http::headers::Headers;
use azure_core_1::http::{AsyncRawResponse, HttpClient, Request};

use crate::telemetry::chain;

/// A login answers at once or not at all.
const TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct IdentityHttp(pub(super) reqwest::Client);

#[async_trait]
impl HttpClient for IdentityHttp {
    async fn execute_request(&self, request: &Request) -> azure_core_1::Result<AsyncRawResponse> {
        let io = |error: reqwest::Error| {
            azure_core_1::Error::with_message(azure_core_1::error::ErrorKind::Io, chain(&error))
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
        let answer = outgoing.timeout(TIMEOUT).send().await.map_err(io)?;
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
