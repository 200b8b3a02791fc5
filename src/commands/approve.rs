//! `amlnet approve`: a person's word for what waits under one hash, as a PlanApproval in the cluster, or as a file where
//! a state folder keeps approvals.
//!
//! It needs no lock: a controller sees it. Must not decide whether the hash waits.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::output::ApproveOutput;
use super::{Exit, Format, block_on, print, print_json};
use crate::api::{API_VERSION, DEFAULT_NAMESPACE, read};
use crate::app::AppError;
use crate::metrics::Metrics;
use crate::store::files::approvals;
use crate::store::kubernetes::approve as cluster;
use crate::store::kubernetes::connect::connect;
use crate::store::kubernetes::lease::Times;

/// What is approved, by whom, and for how long.
#[derive(Debug, Clone)]
pub struct Approve {
    pub subject: Named,
    pub hash: String,
    /// In a cluster: who asks, as the API server knows it, where nothing is said.
    pub approved_by: Option<String>,
    pub expires: SignedDuration,
    pub place: Place,
    pub now: Timestamp,
}

/// Whose plan or document it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    Network { namespace: Option<String>, name: String },
    Feed(String),
}

/// Where the approval goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    State(PathBuf),
    /// With the namespace, where it is not the kubeconfig's.
    Cluster(Option<String>),
}

/// `name` or `namespace/name`.
pub fn network(text: &str) -> Result<Named, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(Named::Network { namespace: Some(namespace.to_owned()), name: name.to_owned() })
        }
        Some(_) => Err(format!("{text:?} is not namespace/name")),
        None => Ok(Named::Network { namespace: None, name: text.to_owned() }),
    }
}

pub fn approve(approve: &Approve, format: Format) -> Result<Exit, AppError> {
    match &approve.place {
        Place::State(folder) => approve_in_folder(approve, folder, format),
        Place::Cluster(namespace) => block_on(approve_in_cluster(approve, namespace.as_deref(), format)),
    }
}

fn approve_in_folder(approve: &Approve, state: &Path, format: Format) -> Result<Exit, AppError> {
    if !state.is_dir() {
        return Err(AppError(format!("--state {}: there is no such folder", state.display())));
    }
    let (namespace, name, object) = object(approve, DEFAULT_NAMESPACE, approve.approved_by.as_deref())?;
    let text = serde_yaml::to_string(&object).map_err(AppError::new)?;
    let folder = state.join("approvals");
    let file = approvals::write(&folder, &format!("{namespace}.{name}"), &text).map_err(AppError::new)?;
    say(approve, &namespace, &object, Some(file.display().to_string()), format)
}

async fn approve_in_cluster(approve: &Approve, namespace: Option<&str>, format: Format) -> Result<Exit, AppError> {
    let connection = connect(None, Times::DEFAULT, &Metrics::default()).await.map_err(AppError::new)?;
    let by = match &approve.approved_by {
        Some(by) => Some(by.clone()),
        None => cluster::who_asks(&connection.client).await.map_err(AppError::new)?,
    };
    let default = namespace.unwrap_or(&connection.namespace);
    let (namespace, _, object) = object(approve, default, by.as_deref())?;
    cluster::create(&connection.client, &namespace, &object).await.map_err(AppError::new)?;
    say(approve, &namespace, &object, None, format)
}

/// The approval with its namespace and name; what would not count is refused.
fn object(approve: &Approve, default: &str, by: Option<&str>) -> Result<(String, String, Value), AppError> {
    let expires_at = approve
        .now
        .checked_add(approve.expires)
        .map_err(|_| AppError("--expires: that time never comes".to_owned()))?;
    let (namespace, kind, of) = match &approve.subject {
        Named::Network { namespace, name } => (namespace.as_deref().unwrap_or(default), "network", name.as_str()),
        Named::Feed(name) => (default, "feed", name.as_str()),
    };
    // Two approvals of one plan are two: the second counts when the first was used.
    let number = uuid::Uuid::new_v4().simple().to_string();
    let name = format!("{}-{}", of.chars().take(200).collect::<String>(), &number[..12]);
    let object = json!({"apiVersion": API_VERSION, "kind": "PlanApproval",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {kind: of, "hash": approve.hash, "approvedBy": by, "expiresAt": expires_at.to_string()}});
    let text = serde_yaml::to_string(&object).map_err(AppError::new)?;
    for object in read::read_approvals(&text).map_err(AppError)? {
        object.map_err(AppError::new)?;
    }
    Ok((namespace.to_owned(), name, object))
}

fn say(
    approve: &Approve,
    namespace: &str,
    object: &Value,
    file: Option<String>,
    format: Format,
) -> Result<Exit, AppError> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let subject = match &approve.subject {
        Named::Network { name, .. } => format!("AmlNetwork {namespace}/{name}"),
        Named::Feed(name) => format!("ServiceTagFeed {name}"),
    };
    let (name, expires_at, hash) = (text("/metadata/name"), text("/spec/expiresAt"), &approve.hash);
    match format {
        Format::Json => print_json(&ApproveOutput {
            object: format!("{namespace}/{name}"),
            file,
            subject,
            hash: hash.clone(),
            approved_by: Some(text("/spec/approvedBy")).filter(|by| !by.is_empty()),
            expires_at,
        })?,
        Format::Text => {
            let place = file.unwrap_or_else(|| format!("PlanApproval {namespace}/{name}"));
            print(&format!("{subject}: {hash} is approved until {expires_at} ({place})\n"))?;
        }
    }
    Ok(Exit::Done)
}
