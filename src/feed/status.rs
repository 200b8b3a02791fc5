//! A feed's state as its status, pure.
//!
//! `Ready` says whether a document is in force; that the sources fail is said in its reason, as what is in force stays.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::Record;
use super::poll::{Line, LineResult, State};
use crate::api::feed::{HeldDocument, ServiceTagFeedStatus, SourceStatus, StoredDocument};

/// What of the object a status answers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    pub generation: i64,
    /// The annotation `amlnet.dev/reconcile-at` as it was before the poll.
    pub reconcile_at: Option<String>,
    /// Why its latest text cannot be used.
    pub invalid: Option<String>,
}

/// The status after a poll. `old` is what stands there: a condition keeps its time until it turns.
pub fn of(state: &State, asked: &Asked, old: Option<&ServiceTagFeedStatus>, now: Timestamp) -> ServiceTagFeedStatus {
    let known = state.current.as_ref().map(|current| current.record.digest.as_str());
    ServiceTagFeedStatus {
        observed_generation: asked.generation,
        conditions: conditions(state, asked, old, now),
        last_handled_reconcile_at: asked.reconcile_at.clone().unwrap_or_default(),
        current: state.current.as_ref().map(|current| document(&current.record)),
        previous: state.stored.iter().find(|record| known.is_some_and(|known| record.digest != known)).map(document),
        stored: state.stored.iter().map(document).collect(),
        sources: state.report.lines.iter().map(source).collect(),
        held: state.report.held.as_ref().map(|held| HeldDocument {
            change_number: held.change_number,
            digest: held.digest.clone(),
            reason: held.reason.clone(),
        }),
        not_stored: state.report.not_stored.clone(),
        invalid: asked.invalid.clone(),
    }
}

fn conditions(state: &State, asked: &Asked, old: Option<&ServiceTagFeedStatus>, now: Timestamp) -> Vec<Condition> {
    let is_good = state.report.lines.iter().any(|line| line.result.is_good());
    let bad = state.report.lines.iter().filter(|line| !line.result.is_good());
    let bad: Vec<String> = bad.map(|line| format!("{}: {}", line.source, line.message)).collect();
    let in_force = state.current.as_ref().map(|current| {
        let Record { change_number, file_date, .. } = current.record;
        format!("change number {change_number} of {file_date} is in force")
    });
    let in_force = in_force.or_else(|| state.in_force().map(|_| "what the Discovery API knows is in force".to_owned()));
    let (ready, reason, message) = match (&in_force, is_good) {
        (Some(which), true) => (true, "InForce", which.clone()),
        (Some(which), false) if bad.is_empty() => (true, "InForce", which.clone()),
        (Some(which), false) => (true, "SourcesFailed", format!("{which} and stays; {}", bad.join("; "))),
        (None, _) if bad.is_empty() => (false, "NotAsked", "no source was asked yet".to_owned()),
        (None, _) => (false, "NoDocument", format!("no source has an acceptable document; {}", bad.join("; "))),
    };
    let (is_invalid, is_held) = (asked.invalid.is_some(), state.report.held.is_some());
    let held = state.report.held.as_ref().map(|held| {
        let number = held.change_number;
        format!("change number {number} waits: {}. To accept it, approve {} for this feed", held.reason, held.digest)
    });
    let why_blocked = asked.invalid.clone().or(held).unwrap_or_default();
    let blocked = if is_invalid { "InvalidSpec" } else { "ApprovalNeeded" };
    let lines = [
        ("Ready", ready, reason, message.clone()),
        ("Reconciling", !ready && !is_invalid, reason, message),
        ("Stalled", is_invalid, "InvalidSpec", asked.invalid.clone().unwrap_or_default()),
        ("Blocked", is_invalid || is_held, blocked, why_blocked),
    ];
    let condition = |(kind, status, reason, message): (&str, bool, &str, String)| {
        let status_text = if status { "True" } else { "False" };
        let is_same = |condition: &&Condition| condition.type_ == kind && condition.status == status_text;
        let before = old.and_then(|old| old.conditions.iter().find(is_same));
        let says_why = status || kind == "Ready";
        Condition {
            type_: kind.to_owned(),
            status: status_text.to_owned(),
            reason: if says_why { reason } else { "AsExpected" }.to_owned(),
            message: if says_why { message } else { String::new() },
            observed_generation: Some(asked.generation),
            last_transition_time: before.map_or(Time(now), |before| before.last_transition_time.clone()),
        }
    };
    lines.into_iter().map(condition).collect()
}

fn document(record: &Record) -> StoredDocument {
    StoredDocument {
        change_number: record.change_number,
        file_date: record.file_date.to_string(),
        digest: record.digest.clone(),
        accepted_at: record.accepted_at.to_string(),
        source: record.source.clone(),
        strategy: record.strategy.clone(),
        tags: record.tags,
        prefixes: record.prefixes,
    }
}

fn source(line: &Line) -> SourceStatus {
    let (result, reason) = match line.result {
        LineResult::Accepted => ("Accepted", None),
        LineResult::Unchanged => ("Unchanged", None),
        LineResult::Held(reason) => ("Held", Some(reason)),
        LineResult::Rejected(reason) => ("Rejected", Some(reason)),
        LineResult::Failed(reason) => ("Failed", Some(reason)),
    };
    SourceStatus {
        source: line.source.to_owned(),
        result: result.to_owned(),
        reason: reason.map(str::to_owned),
        message: line.message.clone(),
    }
}
