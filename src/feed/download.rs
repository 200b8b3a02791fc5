//! The source `download`: Microsoft's page (or a mirror of it) and the file that it links to, or a file by its URL.
//!
//! Every request and every redirect is checked against `address`; sizes and times are limited; an unchanged file is
//! not downloaded again. Must not judge the document.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header;
use url::Url;

use super::address::Allowed;
use super::{Candidate, Fetched, Source, SourceError, Validators, decode, page};
use crate::domain::service_tags::{Cloud, Digest, DocumentError, MAX_DOCUMENT_BYTES};
use crate::telemetry::{chain, reach};

/// Requests without a browser's name were refused in 2025 (docs/facts.md).
const USER_AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
const MAX_REDIRECTS: usize = 5;
const MAX_PAGE_BYTES: usize = 8 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// A page that links to the file.
    Page(Url),
    File(Url),
}

/// A download over HTTPS.
#[derive(Debug)]
pub struct Download {
    cloud: Cloud,
    start: Start,
    allowed: Allowed,
    client: reqwest::Client,
}

impl Download {
    /// `mirror`: whether `start` was set by the user, so that its host is trusted. `proxies`: from the environment.
    pub fn new(
        cloud: Cloud,
        start: Start,
        mirror: bool,
        proxies: &[String],
        trust: impl FnOnce(reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, String>,
    ) -> Result<Self, String> {
        let url = match &start {
            Start::Page(url) | Start::File(url) => url,
        };
        let allowed = Allowed::new(mirror.then_some(url), proxies);
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Arc::new(allowed.clone()))
            .https_only(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            // Asked a few times a day: a kept connection would only be found dead.
            .pool_max_idle_per_host(0);
        let client = trust(builder)?.build().map_err(|error| error.to_string())?;
        Ok(Self { cloud, start, allowed, client })
    }

    /// Finds the file's address by way of the page, and says how.
    async fn locate(&self, page_url: &Url) -> Result<(Url, String), SourceError> {
        let mut url = page_url.clone();
        let mut strategy = "page".to_owned();
        // The page, its confirmation page, and what that refreshes to.
        for _ in 0..3 {
            let body = self.get(&url, MAX_PAGE_BYTES, None).await?;
            let html = String::from_utf8_lossy(&body.bytes);
            if let Some(link) = page::newest_link(&html, &body.url, self.cloud) {
                return Ok((link.url, format!("{strategy}, {}", link.found.name())));
            }
            let Some((next, how)) = page::next_page(&html, &body.url) else {
                break;
            };
            strategy = format!("{strategy}, {how}");
            if decode::published_date(next.path()).is_some() {
                return Ok((next, strategy));
            }
            url = next;
        }
        Err(SourceError::NoLink { place: shown(page_url), cloud: self.cloud.to_string() })
    }

    /// GETs a URL, following redirects by hand so that each is checked.
    async fn get(&self, url: &Url, limit: usize, known: Option<&Validators>) -> Result<Body, SourceError> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let forbidden = |what| SourceError::Forbidden { place: shown(&url), what };
            let unreachable = |what: String| {
                let advice = reach::advice(&what).map(|advice| format!("; {advice}"));
                SourceError::Unreachable { place: shown(&url), what: what + &advice.unwrap_or_default() }
            };
            self.allowed.check(&url).map_err(forbidden)?;
            let mut request = self.client.get(url.clone());
            for (name, value) in conditions(known, &url) {
                request = request.header(name, value);
            }
            let mut answer = request.send().await.map_err(|error| unreachable(chain(&error.without_url())))?;
            let status = answer.status();
            let text =
                |name: header::HeaderName| answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
            if status == reqwest::StatusCode::NOT_MODIFIED {
                return Ok(Body { url, bytes: Vec::new(), not_modified: true, validators: None });
            }
            if status.is_redirection() {
                let target = text(header::LOCATION).ok_or_else(|| unreachable(format!("{status} without Location")))?;
                let target =
                    url.join(&target).map_err(|error| unreachable(format!("{status} to what is no URL: {error}")))?;
                url = target;
                continue;
            }
            if !status.is_success() {
                return Err(unreachable(format!("the server answered {status}")));
            }
            let validators = Validators {
                url: fingerprint(&url),
                etag: text(header::ETAG),
                last_modified: text(header::LAST_MODIFIED),
            };
            let mut bytes = Vec::new();
            while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(chain(&error.without_url())))? {
                if bytes.len() + chunk.len() > limit {
                    return Err(SourceError::Document { place: shown(&url), error: DocumentError::TooLarge });
                }
                bytes.extend_from_slice(&chunk);
            }
            return Ok(Body { url, bytes, not_modified: false, validators: Some(validators) });
        }
        Err(SourceError::Forbidden { place: shown(&url), what: format!("more than {MAX_REDIRECTS} redirects") })
    }
}

struct Body {
    url: Url,
    bytes: Vec<u8>,
    not_modified: bool,
    validators: Option<Validators>,
}

/// Headers that make the server answer 304 for what is known already.
fn conditions(known: Option<&Validators>, url: &Url) -> Vec<(header::HeaderName, String)> {
    let Some(known) = known.filter(|known| known.url == fingerprint(url)) else {
        return Vec::new();
    };
    let etag = known.etag.clone().map(|value| (header::IF_NONE_MATCH, value));
    let date = known.last_modified.clone().map(|value| (header::IF_MODIFIED_SINCE, value));
    etag.into_iter().chain(date).collect()
}

/// A URL as it may be told: without user, password and query, where a mirror's signature may stand.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only for URLs that have neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

/// Tells whether two URLs are the same without keeping one.
fn fingerprint(url: &Url) -> String {
    Digest::of(url.as_str().as_bytes()).to_string()
}

#[async_trait]
impl Source for Download {
    fn name(&self) -> &'static str {
        "download"
    }

    async fn fetch(&self, known: Option<&Validators>) -> Result<Fetched, SourceError> {
        let (url, strategy) = match &self.start {
            Start::Page(page) => self.locate(page).await?,
            Start::File(url) => (url.clone(), "url".to_owned()),
        };
        let body = self.get(&url, MAX_DOCUMENT_BYTES, known).await?;
        if body.not_modified {
            return Ok(Fetched::NotModified);
        }
        let published =
            url.path_segments().and_then(|mut segments| segments.next_back()).and_then(decode::published_date);
        let (document, text) =
            decode::document(body.bytes).map_err(|error| SourceError::Document { place: shown(&url), error })?;
        Ok(Fetched::Document(Box::new(Candidate { document, text, published, strategy, validators: body.validators })))
    }
}
