//! `/lists/<namespace>/<AmlNetwork>/<list>[.txt|.json]`: which list is meant, and what of it a client needs.
//!
//! Must not change anything, and must not answer with a part of a list.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::page::{Coded, Form, Page, Representation};
use super::said;

/// No address of a list is longer: two names of 253 letters at most, and one of 63.
const LONGEST_PATH: usize = 600;
/// In seconds: a document comes once a week, but the first one within moments.
const TRY_AGAIN_IN: &str = "30";

/// Where lists are looked up.
pub trait Lists: Send + Sync {
    fn find(&self, namespace: &str, network: &str, list: &str) -> Answer;
}

/// What is known of a list.
#[derive(Debug, Clone)]
pub enum Answer {
    /// No AmlNetwork names it.
    Unknown,
    /// It is named, and there is nothing to serve yet, for this reason.
    Waiting(String),
    Found(Arc<Page>),
}

/// The answer to a GET or a HEAD.
pub(super) fn answer<B>(request: &Request<B>, lists: &dyn Lists) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let (namespace, network, name) = match parts(path) {
        Ok(parts) => parts,
        Err((status, what)) => return said(status, what),
    };
    let (stem, form) = match name.rsplit_once('.') {
        Some((stem, "txt")) => (stem, Some(Form::Plain)),
        Some((stem, "json")) => (stem, Some(Form::Json)),
        _ => (name, None),
    };
    match lists.find(namespace, network, stem) {
        Answer::Unknown => said(StatusCode::NOT_FOUND, "no AmlNetwork names such a list under outbound.lists"),
        Answer::Waiting(why) => {
            let mut response = said(StatusCode::SERVICE_UNAVAILABLE, &format!("nothing to serve yet: {why}"));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(TRY_AGAIN_IN));
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Answer::Found(page) => {
            let form = form.unwrap_or(page.form);
            serve(request.headers(), form, page.representation(form), Timestamp::now())
        }
    }
}

/// Namespace, AmlNetwork and list. Names are spelt as they are: nothing is decoded, and no part may be left out.
fn parts(path: &str) -> Result<(&str, &str, &str), (StatusCode, &'static str)> {
    if path.len() > LONGEST_PATH {
        return Err((StatusCode::NOT_FOUND, "no list has so long an address"));
    }
    let segments: Vec<&str> = path.split('/').collect();
    let ["", "lists", namespace, network, name] = segments[..] else {
        return Err((StatusCode::NOT_FOUND, "lists are at /lists/<namespace>/<AmlNetwork>/<list>"));
    };
    for segment in [namespace, network, name] {
        let is_plain = segment.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'));
        if !is_plain || segment.is_empty() || segment.starts_with('.') || segment.contains("..") {
            let what = "an address is made of the names as they are: lower-case letters, digits, '.' and '-'";
            return Err((StatusCode::BAD_REQUEST, what));
        }
    }
    Ok((namespace, network, name))
}

fn serve(headers: &HeaderMap, form: Form, page: &Representation, now: Timestamp) -> Response<Full<Bytes>> {
    let (coded, is_gzip) = match &page.gzip {
        Some(gzip) if accepts_gzip(headers) => (gzip, true),
        _ => (&page.identity, false),
    };
    // A time that is still to come would make a client believe that it has the newest.
    let modified = page.last_modified.as_ref().filter(|_| page.changed_at <= now);
    let fresh = has_it(headers, coded, modified.map(|_| page.changed_at), now);
    let mut response = Response::new(Full::new(if fresh { Bytes::new() } else { coded.bytes.clone() }));
    let own = response.headers_mut();
    own.insert(ETAG, coded.etag.clone());
    own.extend(modified.map(|modified| (LAST_MODIFIED, modified.clone())));
    own.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    own.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    own.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !fresh {
        own.insert(CONTENT_TYPE, form.content_type());
        if is_gzip {
            own.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    if fresh {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    response
}

/// Whether the client has these bytes already. The ETag wins where both are sent.
fn has_it(headers: &HeaderMap, coded: &Coded, changed_at: Option<Timestamp>, now: Timestamp) -> bool {
    let mut tags = headers.get_all(IF_NONE_MATCH).iter().peekable();
    if tags.peek().is_some() {
        let is_it = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == coded.etag.as_bytes();
        return tags.filter_map(|tags| tags.to_str().ok()).any(|tags| tags.split(',').any(|tag| is_it(tag.trim())));
    }
    let since = headers.get(IF_MODIFIED_SINCE).and_then(|since| since.to_str().ok());
    let since = since.and_then(|text| DateTimeParser::new().parse_timestamp(text.trim()).ok());
    // A time ahead of the clock was given out when the clock was wrong.
    matches!((since, changed_at), (Some(since), Some(changed_at)) if changed_at <= since && since <= now)
}

/// Whether a client takes gzip, and not less gladly than anything else.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut wildcard = false;
    for value in headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()) {
        for coding in value.split(',') {
            let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
            let quality = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |text| text.parse::<f32>().ok());
            let is_taken = quality.is_some_and(|quality| quality > 0.0);
            match name.trim() {
                name if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => return is_taken,
                "*" => wildcard = is_taken,
                _ => {}
            }
        }
    }
    wildcard
}

#[cfg(test)]
mod tests;
