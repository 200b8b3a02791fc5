//! The transport below the network client: connections are kept, nothing is retried, and a refusal keeps its status,
//! headers and body, which azure_core's own error loses.
//!
//! Must not send anything to another host than ARM's: every request carries a token. Must not log headers or queries.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::headers::Headers;
use azure_core::{Body, HttpClient, Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::error::{NO_ANSWER, Refusal, UNREADABLE};
use super::limiter::Remaining;
use super::measure;
use crate::metrics::Metrics;
use crate::telemetry::chain;

/// An answer of ARM is never larger (a route table with 1,000 routes has 0.5 MB, the Discovery API's answer 2 MB).
const MAX_ANSWER_BYTES: usize = 32 << 20;

tokio::task_local! {
    /// What the last answer to the task's request said is left of the subscription's budgets. Set here, because nothing
    /// above sees the headers of both successes and refusals.
    pub(super) static REMAINING: Cell<Remaining>;
}

/// Sends requests to one ARM endpoint.
#[derive(Debug, Clone)]
pub struct ArmHttp {
    client: reqwest::Client,
    origin: url::Origin,
    /// How many seconds Azure's clock is ahead of this machine's, by its last answer.
    ahead: Arc<AtomicI64>,
    metrics: Metrics,
}

/// A successful answer, read completely.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: bytes::Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl ArmHttp {
    pub fn new(client: reqwest::Client, endpoint: &url::Url, metrics: Metrics) -> Self {
        Self { client, origin: endpoint.origin(), ahead: Arc::default(), metrics }
    }

    /// How far Azure's clock is ahead of this machine's, by the last answer that said the time.
    pub fn ahead(&self) -> SignedDuration {
        SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed))
    }

    fn compare_clocks(&self, headers: &reqwest::header::HeaderMap) {
        let date = headers.get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        if let Some(date) = date {
            let ahead = date.timestamp().duration_since(Timestamp::now());
            self.ahead.store(ahead.as_secs(), Ordering::Relaxed);
        }
    }

    /// Sends one request with a correlation id of its own.
    pub async fn send(&self, request: reqwest::Request) -> Result<Answer, Refusal> {
        let correlation_id = uuid::Uuid::new_v4().to_string();
        let refusal = Refusal {
            method: request.method().to_string(),
            path: request.url().path().to_owned(),
            status: None,
            code: NO_ANSWER.to_owned(),
            details: Vec::new(),
            message: String::new(),
            retry_after: None,
            correlation_id: Some(correlation_id.clone()),
            tried_before: false,
        };
        if request.url().origin() != self.origin {
            let message = "the address is not ARM's, so no token is sent there".to_owned();
            return Err(Refusal { code: UNREADABLE.to_owned(), message, ..refusal });
        }
        let mut request = request;
        if let Ok(value) = correlation_id.parse() {
            request.headers_mut().insert("x-ms-correlation-request-id", value);
        }
        let (method, kind) = (measure::method_of(&refusal.method), measure::kind_of(&refusal.path));
        let started = std::time::Instant::now();
        let outcome = self.exchange(request, refusal).await;
        trace(&outcome, started.elapsed(), &correlation_id);
        let (code, reason) = measure::result_of(&outcome);
        self.metrics.asked_arm([method, kind, code, reason], started.elapsed());
        outcome
    }

    async fn exchange(&self, request: reqwest::Request, refusal: Refusal) -> Result<Answer, Refusal> {
        // The host tells where it was looked for; the rest of the address may be signed.
        let host = shown_host(request.url());
        let no_answer = |error: reqwest::Error| Refusal {
            message: format!("{host}: {}", chain(&error.without_url())),
            ..refusal.clone()
        };
        let mut answer = self.client.execute(request).await.map_err(no_answer)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        self.compare_clocks(&headers);
        let remaining = Remaining::read(|name| headers.get(name).and_then(|value| value.to_str().ok()));
        // Outside of such a task nobody wants to know.
        let _ = REMAINING.try_with(|cell| cell.set(remaining));
        let mut body = bytes::BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                let message = format!("the answer has more than {} MiB", MAX_ANSWER_BYTES >> 20);
                return Err(Refusal { code: UNREADABLE.to_owned(), message, ..refusal });
            }
            body.extend_from_slice(&chunk);
        }
        let answer = Answer { status: status.as_u16(), headers, body: body.freeze() };
        if status.is_success() { Ok(answer) } else { Err(read_refusal(&answer, refusal)) }
    }
}

fn shown_host(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Reads an error body: ARM's JSON, or whatever a proxy sent instead.
fn read_refusal(answer: &Answer, refusal: Refusal) -> Refusal {
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let error = &json["error"];
    let message = match error["message"].as_str() {
        Some(message) => message.to_owned(),
        None => first_words(&answer.body),
    };
    Refusal {
        status: Some(answer.status),
        code: text(&error["code"]),
        details: error["details"].as_array().into_iter().flatten().map(|detail| text(&detail["code"])).collect(),
        message: match error["details"].as_array().and_then(|list| list.first()).and_then(|d| d["message"].as_str()) {
            Some(detail) => format!("{message} {detail}"),
            None => message,
        },
        retry_after: retry_after(|name| answer.header(name)),
        correlation_id: answer.header("x-ms-correlation-request-id").map(str::to_owned).or(refusal.correlation_id),
        ..refusal
    }
}

/// `x-ms-retry-after-ms` and `retry-after-ms` in milliseconds, else `Retry-After` in seconds, as clients of Azure do.
/// `header` looks one up by its name in lower case.
pub fn retry_after<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Option<Duration> {
    let number = |name: &'static str| header(name).and_then(|text| text.trim().parse::<u64>().ok());
    let milliseconds = number("x-ms-retry-after-ms").or_else(|| number("retry-after-ms"));
    milliseconds.map(Duration::from_millis).or_else(|| number("retry-after").map(Duration::from_secs))
}

fn first_words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(400)]);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { "the answer has no body".to_owned() } else { text.chars().take(160).collect() }
}

fn trace(outcome: &Result<Answer, Refusal>, took: Duration, correlation_id: &str) {
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match outcome {
        Ok(answer) => tracing::trace!(status = answer.status, milliseconds, correlation_id, "ARM answered"),
        Err(refusal) => tracing::debug!(
            status = refusal.status,
            code = refusal.code,
            method = refusal.method,
            path = refusal.path,
            milliseconds,
            correlation_id,
            "ARM did not do it"
        ),
    }
}

/// The form in which the network client takes a transport.
#[async_trait]
impl HttpClient for ArmHttp {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<Response> {
        let other = |error: Box<dyn std::error::Error + Send + Sync>| Error::new(ErrorKind::Other, error);
        let method: reqwest::Method = request.method().as_ref().parse().map_err(|e| Error::new(ErrorKind::Other, e))?;
        let Body::Bytes(body) = request.body().clone() else {
            return Err(Error::message(ErrorKind::Other, "streams are not sent"));
        };
        let mut outgoing = self.client.request(method, request.url().clone()).body(body);
        for (name, value) in request.headers().iter() {
            outgoing = outgoing.header(name.as_str(), value.as_str());
        }
        let outgoing = outgoing.build().map_err(|error| other(error.into()))?;
        let answer = self.send(outgoing).await.map_err(|refusal| other(refusal.into()))?;
        let mut headers = Headers::new();
        for (name, value) in &answer.headers {
            headers.insert(name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned());
        }
        let status = StatusCode::try_from(answer.status)
            .map_err(|_| Error::with_message(ErrorKind::Other, || format!("status {} is unknown", answer.status)))?;
        let body = answer.body;
        Ok(Response::new(status, headers, Box::pin(futures::stream::once(async move { Ok(body) }))))
    }
}
