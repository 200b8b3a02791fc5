//! Recordings: one JSON object a line, packed or not, and what one interaction says by itself: path, operation, moment.

use crate::model::Time;
use flate2::read::MultiGzDecoder;
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

/// The ticks of .NET at 1970-01-01.
const EPOCH_TICKS: u64 = 621_355_968_000_000_000;
pub(super) const NIL: &str = "00000000-0000-0000-0000-000000000000";

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Interaction {
    pub(super) method: String,
    pub(super) url: String,
    #[serde(default)]
    pub(super) request_headers: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) request_body: Value,
    pub(super) status: u16,
    #[serde(default)]
    response_headers: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) response_body: Value,
}

/// All interactions of a file, in its order.
pub(super) fn read(path: &Path) -> Result<Vec<Interaction>, String> {
    let mut text = String::new();
    let file = BufReader::new(File::open(path).map_err(|error| error.to_string())?);
    let is_packed = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    let mut reader: Box<dyn Read> = if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    reader.read_to_string(&mut text).map_err(|error| error.to_string())?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1)))
        .collect()
}

impl Interaction {
    /// The first value of a header of the answer.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let value = self.response_headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?.1;
        value.as_str().or_else(|| value.get(0)?.as_str())
    }

    /// Scheme and host.
    pub(super) fn origin(&self) -> &str {
        let start = self.url.find("://").map_or(0, |at| at + 3);
        let end = self.url[start..].find('/').map_or(self.url.len(), |at| start + at);
        &self.url[..end]
    }

    /// Path and query.
    pub(super) fn target(&self) -> &str {
        match &self.url[self.origin().len()..] {
            "" => "/",
            target => target,
        }
    }

    pub(super) fn path(&self) -> &str {
        path_of(&self.url)
    }

    pub(super) fn is_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// A write that was taken.
    pub(super) fn is_accepted(&self) -> bool {
        self.is_write() && (200..300).contains(&self.status)
    }

    /// The URLs at which the status of the accepted operation is told.
    pub(super) fn status_urls(&self) -> impl Iterator<Item = &str> {
        let headers = ["azure-asyncoperation", "location"].into_iter();
        headers.filter_map(|name| self.header(name)).filter(|_| self.is_accepted())
    }

    /// Asks for the status of an operation.
    pub(super) fn is_poll(&self) -> bool {
        let path = self.path().to_ascii_lowercase();
        self.method == "GET"
            && ["/operations/", "/nfvoperations/", "/operationresults/", "/nfvoperationresults/"]
                .iter()
                .any(|part| path.contains(part))
    }

    /// About what the network provider's second back end has: IP groups, firewall policies, and its operations.
    pub(super) fn is_of_second_back_end(&self) -> bool {
        let path = self.path().to_ascii_lowercase();
        ["/ipgroups", "/firewallpolicies", "/nfvoperations/"].iter().any(|part| path.contains(part))
    }

    pub(super) fn error_code(&self) -> &str {
        self.response_body["error"]["code"].as_str().unwrap_or_default()
    }

    /// The operation that a refusal names as the one that is in the way: its name and id.
    pub(super) fn named_operation(&self) -> Option<(&str, &str)> {
        let detail = self.response_body["error"]["details"].get(0)?;
        if detail["code"].as_str()? != "RetryableErrorDueToAnotherOperation" {
            return None;
        }
        let (name, rest) = detail["message"].as_str()?.strip_prefix("Operation ")?.split_once(" (")?;
        Some((name, rest.split_once(')')?.0))
    }

    /// When it was answered, as far as the answer says it: the ticks of an operation URL, the edge's note or the date.
    pub(super) fn moment(&self) -> Option<Time> {
        let ticks = self.status_urls().find_map(|url| query(url, "t")?.parse::<u64>().ok());
        if let Some(ticks) = ticks.filter(|ticks| *ticks > EPOCH_TICKS) {
            return Some(Time::from_millis((ticks - EPOCH_TICKS) / 10_000));
        }
        let edge = || self.header("x-msedge-ref")?.rsplit("Ref C: ").next()?.trim().parse::<Timestamp>().ok();
        let date = || {
            let date = self.header("date")?;
            DateTimeParser::new().parse_timestamp(date.as_bytes()).ok()
        };
        let stamp = edge().or_else(date)?;
        u64::try_from(stamp.as_millisecond()).ok().map(Time::from_millis)
    }
}

pub(super) fn path_of(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let path = url[start..].find('/').map_or("", |at| &url[start + at..]);
    path.split_once('?').map_or(path, |(path, _)| path)
}

pub(super) fn query<'a>(url: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = url.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

pub(super) fn last_segment(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// The id, in lower case, of the top-level resource or the resource group that a path leads into.
pub(super) fn top_level(path: &str) -> String {
    let lower = path.trim_end_matches('/').to_ascii_lowercase();
    let segments: Vec<&str> = lower.split('/').collect();
    let length = match segments.as_slice() {
        ["", "subscriptions", _, "resourcegroups", _, "providers", _, _, _, ..] => 9,
        ["", "subscriptions", _, "resourcegroups", _, ..] => 5,
        other => other.len(),
    };
    segments[..length].join("/")
}
