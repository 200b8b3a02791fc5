//! Reads our objects from YAML, strictly: the schema of the CRD, no unknown field, no duplicate key, and the rules of
//! `convert`. One file may hold several documents; each stands or falls alone.

use std::sync::LazyLock;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::approval::PlanApproval;
use super::convert::{self, FeedIntent, FieldError};
use super::feed::ServiceTagFeed;
use super::network::AmlNetwork;
use super::schema::{Checked, Schema};
use super::{API_VERSION, DEFAULT_NAMESPACE, RECONCILE_AT};
use crate::domain::approval::Subject;
use crate::domain::intent::{Intent, ObjectKey};

/// A file with more objects than this is refused.
const MAX_OBJECTS: usize = 2000;

/// An object of ours that is fit for use.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    Network(Box<Network>),
    Feed(Feed),
}

/// Whatever a document of a file, or an object of a cluster, may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Any {
    Object(Object),
    Approval(Approved),
}

/// An approval as it was written down.
#[derive(Debug, Clone, PartialEq)]
pub struct Approved {
    pub name: String,
    pub subject: Subject,
    pub hash: String,
    pub approved_by: Option<String>,
    /// `None`: 7 days after it was made.
    pub expires_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub key: ObjectKey,
    pub generation: i64,
    pub reconcile_at: Option<String>,
    pub intent: Intent,
    /// Whether its text says which edition of the documentation it follows, where it follows one.
    pub says_edition: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    pub key: ObjectKey,
    pub generation: i64,
    pub reconcile_at: Option<String>,
    pub intent: FeedIntent,
}

/// A document of a file that is not an object of ours. `key` is known where its metadata could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", .key.as_ref().map(|(kind, key)| format!("{kind} {key}: ")).unwrap_or_default(), join(.problems))]
pub struct ObjectError {
    pub key: Option<(String, ObjectKey)>,
    pub problems: Vec<FieldError>,
}

fn join(problems: &[FieldError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Splits a YAML text into its objects.
///
/// # Errors
/// Where the text itself is not YAML: the position and what is wrong there.
pub fn read(text: &str) -> Result<Vec<Result<Object, ObjectError>>, String> {
    let objects = read_all(text)?.into_iter().map(|object| match object {
        Ok(Any::Object(object)) => Ok(object),
        Ok(Any::Approval(_)) => {
            Err(misplaced("a PlanApproval approves nothing here; it belongs into approvals/ of the state folder"))
        }
        Err(error) => Err(error),
    });
    Ok(objects.collect())
}

/// Splits a YAML text into approvals.
///
/// # Errors
/// As `read`.
pub fn read_approvals(text: &str) -> Result<Vec<Result<Approved, ObjectError>>, String> {
    let objects = read_all(text)?.into_iter().map(|object| match object? {
        Any::Approval(approved) => Ok(approved),
        Any::Object(_) => Err(misplaced("only a PlanApproval approves; this belongs among the objects")),
    });
    Ok(objects.collect())
}

/// Whether a YAML text is one object or approval that is fit for use, wherever it belongs.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_any(text: &str) -> Result<(), String> {
    let mut objects = read_all(text)?;
    match (objects.pop(), objects.is_empty()) {
        (Some(object), true) => object.map(|_| ()).map_err(|error| error.to_string()),
        (found, _) => Err(format!("{} objects instead of one", objects.len() + usize::from(found.is_some()))),
    }
}

fn misplaced(what: &str) -> ObjectError {
    ObjectError { key: None, problems: vec![FieldError::new("kind", what)] }
}

fn read_all(text: &str) -> Result<Vec<Result<Any, ObjectError>>, String> {
    // As kubectl reads YAML: an unquoted `no` or `on` is no text there, and a text in its place is a mistake here too.
    let options = serde_yaml::options! { strict_booleans: false, legacy_octal_numbers: true };
    let documents: Vec<Value> =
        serde_yaml::from_multiple_with_options(text, options).map_err(|error| error.to_string())?;
    if documents.len() > MAX_OBJECTS {
        return Err(format!("{} documents in one file; at most {MAX_OBJECTS} are read", documents.len()));
    }
    Ok(documents.into_iter().filter(|value| !value.is_null()).map(|value| object(&value)).collect())
}

/// Reads one object. What a newer amlnet wrote and this one does not know is an error too.
pub fn object(value: &Value) -> Result<Any, ObjectError> {
    read_object(value, true)
}

/// Reads an object that an API server keeps: it has asked the rules of the CRD already.
pub fn stored(value: &Value) -> Result<Any, ObjectError> {
    read_object(value, false)
}

fn read_object(value: &Value, asks_rules: bool) -> Result<Any, ObjectError> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    let nameless = |path: &str, what: String| ObjectError { key: None, problems: vec![FieldError::new(path, what)] };
    if api_version.as_deref() != Some(API_VERSION) {
        let found = api_version.map_or("nothing".to_owned(), |text| format!("{text:?}"));
        return Err(nameless("apiVersion", format!("{found} stands where {API_VERSION} belongs")));
    }
    let kind = kind.unwrap_or_default();
    let name = text("/metadata/name").unwrap_or_default();
    let namespace = text("/metadata/namespace").filter(|text| !text.is_empty());
    let namespace = namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    if !is_dns_name(&name) {
        let what = format!("{name:?} is not a name; write lower-case letters, digits, '-' and '.', at most 253");
        return Err(nameless("metadata.name", what));
    }
    if !is_dns_name(&namespace) || namespace.contains('.') || namespace.len() > 63 {
        let what = format!("{namespace:?} is not a namespace; write lower-case letters, digits and '-', at most 63");
        return Err(nameless("metadata.namespace", what));
    }
    let key = ObjectKey { namespace, name };
    let refuse = |problems| ObjectError { key: Some((kind.clone(), key.clone())), problems };
    let generation = value.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(1);
    let reconcile_at = value.pointer("/metadata/annotations").and_then(|a| a.get(RECONCILE_AT)).and_then(Value::as_str);
    let reconcile_at = reconcile_at.map(str::to_owned);
    match kind.as_str() {
        "AmlNetwork" => {
            let intent =
                decode(value, &NETWORK_SCHEMA, asks_rules, |network: &AmlNetwork| convert::intent(&network.spec));
            let intent = intent.map_err(refuse)?;
            let says_edition = value.pointer("/spec/outbound/edition").is_some_and(|edition| !edition.is_null());
            let network = Network { key, generation, reconcile_at, intent, says_edition };
            Ok(Any::Object(Object::Network(Box::new(network))))
        }
        "ServiceTagFeed" => {
            let intent = decode(value, &FEED_SCHEMA, asks_rules, |feed: &ServiceTagFeed| convert::feed(&feed.spec));
            let intent = intent.map_err(refuse)?;
            Ok(Any::Object(Object::Feed(Feed { key, generation, reconcile_at, intent })))
        }
        "PlanApproval" => {
            let approved = decode(value, &APPROVAL_SCHEMA, asks_rules, |approval: &PlanApproval| {
                convert::approval(&key, &approval.spec)
            });
            approved.map(Any::Approval).map_err(refuse)
        }
        other => Err(nameless("kind", format!("{other:?} is not one of AmlNetwork and ServiceTagFeed"))),
    }
}

/// RFC 1123 subdomain: what Kubernetes takes for a name.
fn is_dns_name(text: &str) -> bool {
    let alphanumeric = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let is_label = |label: &str| {
        alphanumeric(label.bytes().next())
            && alphanumeric(label.bytes().last())
            && label.bytes().all(|c| alphanumeric(Some(c)) || c == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

static NETWORK_SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of("AmlNetwork"));
static APPROVAL_SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of("PlanApproval"));
static FEED_SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of("ServiceTagFeed"));

fn decode<T: DeserializeOwned, R>(
    value: &Value,
    schema: &Schema,
    asks_rules: bool,
    convert: impl Fn(&T) -> Result<R, FieldError>,
) -> Result<R, Vec<FieldError>> {
    let Checked { value, mut rules, others } = schema.check(value, asks_rules);
    let object = serde_json::from_value(value).map_err(|error| FieldError::new("(object)", error.to_string()));
    let converted = object.and_then(|object| convert(&object));
    if rules.is_empty() && others.is_empty() {
        return converted.map_err(|error| vec![error]);
    }
    // A rule speaks of a list or an object; `convert` names the very part and its value.
    if let Err(error) = converted {
        let speaks_of_it = |problem: &&mut FieldError| {
            error.path.strip_prefix(&problem.path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if let Some(problem) = rules.iter_mut().filter(speaks_of_it).max_by_key(|problem| problem.path.len()) {
            *problem = error;
        }
    }
    rules.extend(others);
    Err(rules)
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
