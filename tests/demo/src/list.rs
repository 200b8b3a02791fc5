//! The list as a firewall of another maker fetches it: over HTTP, with the ETag of the last one, again and again.
//!
//! Keeps every answer, because the proof looks at all of them.

use std::collections::BTreeSet;
use std::time::Duration;

use ipnet::Ipv4Net;

const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// One answer of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The ETag that was sent with `If-None-Match`.
    pub(crate) asked_with: Option<String>,
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    pub(crate) modified: Option<String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn lines(&self) -> usize {
        self.body.lines().count()
    }

    /// Every line that is an address.
    pub(crate) fn addresses(&self) -> BTreeSet<Ipv4Net> {
        self.body.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

/// Who fetches a list.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) url: String,
    pub(crate) answers: Vec<Answer>,
    http: reqwest::Client,
}

impl Reader {
    pub(crate) fn new(url: String) -> Result<Self, String> {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build();
        let http = http.map_err(|error| format!("there is no HTTP client: {error}"))?;
        Ok(Self { url, answers: Vec::new(), http })
    }

    /// The last list that came.
    pub(crate) fn list(&self) -> Option<&Answer> {
        self.answers.iter().rfind(|answer| answer.status == 200)
    }

    /// Asks for it, unless it is the one that came last.
    pub(crate) async fn again(&mut self) -> Result<&Answer, String> {
        let etag = self.list().and_then(|answer| answer.etag.clone());
        self.fetch(etag).await
    }

    /// Asks for it, unless it is the one with this ETag.
    pub(crate) async fn fetch(&mut self, asked_with: Option<String>) -> Result<&Answer, String> {
        let failed = |error: reqwest::Error| format!("the list cannot be fetched: {error}");
        let mut request = self.http.get(&self.url);
        if let Some(etag) = &asked_with {
            request = request.header("if-none-match", etag);
        }
        let response = request.send().await.map_err(failed)?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (etag, modified) = (header("etag"), header("last-modified"));
        let status = response.status().as_u16();
        let body = response.text().await.map_err(failed)?;
        self.answers.push(Answer { asked_with, status, etag, modified, body });
        self.answers.last().ok_or_else(|| "there is no answer".to_owned())
    }
}
