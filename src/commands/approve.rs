//! `amlnet approve`: a person's word for what waits under one hash, written where a state folder keeps approvals.
//!
//! It needs no lock: a controller that works with the folder sees the file. Must not decide whether the hash waits.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::output::ApproveOutput;
use super::{Exit, Format, print, print_json};
use crate::api::{API_VERSION, DEFAULT_NAMESPACE, read};
use crate::app::AppError;
use crate::domain::approval::Subject;
use crate::domain::intent::ObjectKey;
use crate::store::files::approvals;

/// What is approved, by whom, and for how long.
#[derive(Debug, Clone)]
pub struct Approve {
    pub subject: Subject,
    pub hash: String,
    pub approved_by: Option<String>,
    pub expires: SignedDuration,
    pub state: PathBuf,
    pub now: Timestamp,
}

/// `name` or `namespace/name`.
pub fn network(text: &str) -> Result<ObjectKey, String> {
    if text.contains('/') {
        text.parse()
    } else {
        Ok(ObjectKey { namespace: DEFAULT_NAMESPACE.to_owned(), name: text.to_owned() })
    }
}

pub fn approve(approve: &Approve, format: Format) -> Result<Exit, AppError> {
    let Approve { subject, hash, approved_by, expires, state, now } = approve;
    if !state.is_dir() {
        return Err(AppError(format!("--state {}: there is no such folder", state.display())));
    }
    let expires_at = now.checked_add(*expires).map_err(|_| AppError("--expires: that time never comes".to_owned()))?;
    let (namespace, kind, of) = match subject {
        Subject::Network(key) => (key.namespace.as_str(), "network", key.name.as_str()),
        Subject::Feed(name) => (DEFAULT_NAMESPACE, "feed", name.as_str()),
    };
    // Two approvals of one plan are two: the second counts when the first was used.
    let number = uuid::Uuid::new_v4().simple().to_string();
    let name = format!("{}-{}", of.chars().take(200).collect::<String>(), &number[..12]);
    let object = json!({"apiVersion": API_VERSION, "kind": "PlanApproval",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {kind: of, "hash": hash, "approvedBy": approved_by, "expiresAt": expires_at.to_string()}});
    let text = serde_yaml::to_string(&object).map_err(AppError::new)?;
    // What would not count is not written.
    for object in read::read_approvals(&text).map_err(AppError)? {
        object.map_err(AppError::new)?;
    }
    let file =
        approvals::write(&state.join("approvals"), &format!("{namespace}.{name}"), &text).map_err(AppError::new)?;
    match format {
        Format::Json => print_json(&ApproveOutput {
            file: file.display().to_string(),
            subject: subject.to_string(),
            hash: hash.clone(),
            approved_by: approved_by.clone(),
            expires_at: expires_at.to_string(),
        })?,
        Format::Text => print(&format!("{subject}: {hash} is approved until {expires_at} ({})\n", file.display()))?,
    }
    Ok(Exit::Done)
}
