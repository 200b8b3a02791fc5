//! Requests and responses as plain values, so that the model needs no HTTP library.

use serde::Serialize;
use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub struct ApiRequest {
    pub method: String,
    /// Path and query exactly as they were received.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl ApiRequest {
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), ..Self::default() }
    }

    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn with_json(mut self, body: &serde_json::Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.with_header("content-type", "application/json")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// A query parameter; ARM compares their names without case.
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.into_owned())
    }
}

/// What becomes of the answer on its way to the client; anything but `Answer` is an injected fault or a latency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    #[default]
    Answer,
    After(Duration),
    /// The connection is cut without an answer.
    Drop,
    /// Nothing is ever answered; the client has to give up.
    Withhold,
    /// Answered once this key is released.
    Held(String),
}

#[derive(Clone, Debug, Default)]
pub struct ApiResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub delivery: Delivery,
}

impl ApiResponse {
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// The fields stand in the order of the type's declaration, which is why bodies are types and not maps.
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("the bodies have string keys only and no failing serializer");
        Self { body, ..Self::empty(status) }.with_header("content-type", "application/json; charset=utf-8")
    }

    /// As the second back end of the network provider writes: indented, with the line ends of Windows.
    pub fn pretty(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_string_pretty(body).expect("as for compact ones");
        // Line ends inside strings are escaped.
        Self { body: body.replace('\n', "\r\n").into_bytes(), ..Self::empty(status) }
            .with_header("content-type", "application/json; charset=utf-8")
    }

    pub fn html(status: u16, body: String) -> Self {
        Self { body: body.into_bytes(), ..Self::empty(status) }.with_header("content-type", "text/html; charset=utf-8")
    }

    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set_header(name, value);
        self
    }

    pub fn set_header(&mut self, name: &str, value: impl Into<String>) {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.to_ascii_lowercase(), value.into()));
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON, `Null` where it is none.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Takes properties out of a JSON body, at whatever depth they stand.
    pub(super) fn hide(&mut self, names: &[String]) {
        if names.is_empty() || self.body.is_empty() {
            return;
        }
        let mut body = self.value();
        remove(&mut body, names);
        self.body = body.to_string().into_bytes();
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn remove(value: &mut serde_json::Value, names: &[String]) {
    match value {
        serde_json::Value::Object(fields) => {
            for name in names {
                fields.remove(name);
            }
            fields.values_mut().for_each(|field| remove(field, names));
        }
        serde_json::Value::Array(elements) => elements.iter_mut().for_each(|element| remove(element, names)),
        _ => {}
    }
}
