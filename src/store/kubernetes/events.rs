//! Events for what turned: which ones follow from two statuses, pure, and their sending.
//!
//! An event that cannot be sent is said once, and stops nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use serde_json::Value;

use super::objects::Kind;
use crate::api::API_VERSION;
use crate::domain::intent::ObjectKey;

/// The API server takes notes up to this many bytes.
const LONGEST_NOTE: usize = 1000;

/// What is told of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub is_warning: bool,
    pub reason: String,
    pub note: String,
}

impl Told {
    pub fn new(is_warning: bool, reason: &str, note: &str) -> Self {
        let mut note = note.to_owned();
        while note.len() > LONGEST_NOTE {
            note.pop();
        }
        Self { is_warning, reason: reason.to_owned(), note }
    }
}

/// The events that a change of status calls for.
pub fn of(kind: Kind, before: &Value, after: &Value) -> Vec<Told> {
    match kind {
        Kind::Network => of_network(before, after),
        Kind::Feed => of_feed(before, after),
        Kind::Approval => Vec::new(),
    }
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// `Ready` tells all there is to tell; what passes by itself is told by none.
fn of_network(before: &Value, after: &Value) -> Vec<Told> {
    let Some(ready) = condition(after, "Ready") else { return Vec::new() };
    let passes = |reason: &Value| ["Pending", "Waiting"].iter().any(|name| reason == name);
    let says = |condition: &Value| (condition["status"].clone(), condition["reason"].clone());
    let was = condition(before, "Ready");
    if passes(&ready["reason"]) || was.map(says) == Some(says(ready)) {
        return Vec::new();
    }
    let text = |field: &str| ready[field].as_str().unwrap_or_default();
    let is_blocked = condition(after, "Blocked").is_some_and(|condition| condition["status"] == "True");
    let is_warning = is_blocked || text("reason") == "Failed";
    vec![Told::new(is_warning, text("reason"), text("message"))]
}

/// A new document, and each source that now fares otherwise than before.
fn of_feed(before: &Value, after: &Value) -> Vec<Told> {
    let mut told = Vec::new();
    let current = &after["current"];
    if current.is_object() && current["digest"] != before["current"]["digest"] {
        let note = format!("change number {} of {} is in force", current["changeNumber"], text(&current["fileDate"]));
        told.push(Told::new(false, "DocumentAccepted", &note));
    }
    for line in after["sources"].as_array().into_iter().flatten() {
        let is_same = |other: &&Value| other["source"] == line["source"];
        let was = before["sources"].as_array().and_then(|lines| lines.iter().find(is_same));
        let says = |line: &Value| (line["result"].clone(), line["reason"].clone());
        let result = text(&line["result"]);
        let is_bad = ["Held", "Rejected", "Failed"].contains(&result);
        if is_bad && was.map(says) != Some(says(line)) {
            let note = format!("{}: {}", text(&line["source"]), text(&line["message"]));
            told.push(Told::new(true, &format!("Document{result}"), &note));
        }
    }
    told
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Sends events.
pub struct Events {
    client: Client,
    reporter: Reporter,
    is_refused: AtomicBool,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    pub fn new(client: Client, identity: &str) -> Self {
        let reporter = Reporter { controller: "amlnet.dev/controller".to_owned(), instance: Some(identity.to_owned()) };
        Self { client, reporter, is_refused: AtomicBool::new(false) }
    }

    pub async fn publish(&self, kind: Kind, key: &ObjectKey, uid: &str, told: Told) {
        let reference = ObjectReference {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some(kind.name().to_owned()),
            namespace: Some(key.namespace.clone()),
            name: Some(key.name.clone()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        };
        let event = Event {
            type_: if told.is_warning { EventType::Warning } else { EventType::Normal },
            reason: told.reason,
            note: Some(told.note),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        // A recorder that knows the last event of the same reason would only count it up, and keep its text.
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        match recorder.publish(&event, &reference).await {
            Ok(()) => self.is_refused.store(false, Ordering::Relaxed),
            Err(error) => {
                if !self.is_refused.swap(true, Ordering::Relaxed) {
                    tracing::warn!(why = super::explain(&error), "events cannot be sent; the statuses say the same");
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
