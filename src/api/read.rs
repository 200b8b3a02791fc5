//! Reads our objects from YAML, strictly: the schema of the CRD, no unknown field, no duplicate key, and the rules of
//! `convert`. One file may hold several documents; each stands or falls alone.

use std::sync::LazyLock;

use jiff::Timestamp;
use kube::CustomResourceExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::approval::PlanApproval;
use super::convert::{self, FeedIntent, FieldError};
use super::feed::ServiceTagFeed;
use super::network::AmlNetwork;
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
}

#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    pub key: ObjectKey,
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

fn misplaced(what: &str) -> ObjectError {
    ObjectError { key: None, problems: vec![FieldError::new("kind", what)] }
}

fn read_all(text: &str) -> Result<Vec<Result<Any, ObjectError>>, String> {
    let options = serde_yaml::options! { strict_booleans: true };
    let documents: Vec<Value> =
        serde_yaml::from_multiple_with_options(text, options).map_err(|error| error.to_string())?;
    if documents.len() > MAX_OBJECTS {
        return Err(format!("{} documents in one file; at most {MAX_OBJECTS} are read", documents.len()));
    }
    Ok(documents.into_iter().filter(|value| !value.is_null()).map(|value| object(&value)).collect())
}

/// Reads one object. What a newer amlnet wrote and this one does not know is an error too.
pub fn object(value: &Value) -> Result<Any, ObjectError> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    let nameless = |path: &str, what: String| ObjectError { key: None, problems: vec![FieldError::new(path, what)] };
    if api_version.as_deref() != Some(API_VERSION) {
        let found = api_version.map_or("nothing".to_owned(), |text| format!("{text:?}"));
        return Err(nameless("apiVersion", format!("{found} stands where {API_VERSION} belongs")));
    }
    let kind = kind.unwrap_or_default();
    let name = text("/metadata/name").unwrap_or_default();
    let namespace = text("/metadata/namespace").unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
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
            let network: AmlNetwork = decode(value, &NETWORK_SCHEMA).map_err(refuse)?;
            let intent = convert::intent(&network.spec).map_err(|error| refuse(vec![error]))?;
            Ok(Any::Object(Object::Network(Box::new(Network { key, generation, reconcile_at, intent }))))
        }
        "ServiceTagFeed" => {
            let feed: ServiceTagFeed = decode(value, &FEED_SCHEMA).map_err(refuse)?;
            let intent = convert::feed(&feed.spec).map_err(|error| refuse(vec![error]))?;
            Ok(Any::Object(Object::Feed(Feed { key, reconcile_at, intent })))
        }
        "PlanApproval" => {
            let approval: PlanApproval = decode(value, &APPROVAL_SCHEMA).map_err(refuse)?;
            convert::approval(&key, &approval.spec).map(Any::Approval).map_err(|error| refuse(vec![error]))
        }
        other => Err(nameless("kind", format!("{other:?} is not one of AmlNetwork and ServiceTagFeed"))),
    }
}

/// RFC 1123 subdomain: what Kubernetes takes for a name.
fn is_dns_name(text: &str) -> bool {
    let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (1..=253).contains(&text.len())
        && edge(text.bytes().next())
        && edge(text.bytes().last())
        && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'.')
        && !text.contains("..")
}

static NETWORK_SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of(&AmlNetwork::crd()));
static APPROVAL_SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of(&PlanApproval::crd()));
static FEED_SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of(&ServiceTagFeed::crd()));

struct Schema {
    text: Value,
    validator: jsonschema::Validator,
}

type Crd = k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

impl Schema {
    /// The schema of a CRD, made strict: the API server refuses unknown fields by its own means, a file is checked here.
    fn of(crd: &Crd) -> Self {
        let schema = crd.spec.versions[0].schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
        let mut text = serde_json::to_value(schema).expect("a schema is JSON");
        // Metadata belongs to Kubernetes; apiVersion and kind were looked at before.
        text["properties"]["metadata"] = serde_json::json!({"type": "object"});
        text["properties"]["apiVersion"] = serde_json::json!({"type": "string"});
        text["properties"]["kind"] = serde_json::json!({"type": "string"});
        make_strict(&mut text);
        let validator = jsonschema::validator_for(&text).expect("a test compiles the schemas");
        Self { text, validator }
    }
}

fn make_strict(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.get("nullable") == Some(&Value::Bool(true)) {
        // OpenAPI's nullable is not JSON Schema's: `key:` with nothing after it means "not given" in Kubernetes too.
        if let Some(kind) = object.get("type").cloned() {
            object.insert("type".into(), serde_json::json!([kind, "null"]));
        }
        if let Some(Value::Array(options)) = object.get_mut("enum") {
            options.push(Value::Null);
        }
    }
    if object.contains_key("properties") && !object.contains_key("additionalProperties") {
        object.insert("additionalProperties".into(), Value::Bool(false));
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(make_strict);
    }
    if let Some(items) = object.get_mut("items") {
        make_strict(items);
    }
}

fn decode<T: DeserializeOwned>(value: &Value, schema: &Schema) -> Result<T, Vec<FieldError>> {
    let problems: Vec<FieldError> =
        schema.validator.iter_errors(value).map(|error| explain(&error, &schema.text)).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    serde_json::from_value(value.clone()).map_err(|error| vec![FieldError::new("spec", error.to_string())])
}

/// A schema error in a user's words: the field, what was wrong, what to write instead.
fn explain(error: &jsonschema::ValidationError<'_>, schema: &Value) -> FieldError {
    use jsonschema::error::ValidationErrorKind as Kind;
    let path = dotted(&error.instance_path().to_string());
    // `/properties/spec/…/pattern`: the node that was violated is its parent.
    let location = error.schema_path().to_string();
    let node = location.rsplit_once('/').and_then(|(node, _)| schema.pointer(node));
    let meaning =
        node.and_then(|node| node["description"].as_str()).map(|text| format!("; {text}")).unwrap_or_default();
    let what = match error.kind() {
        Kind::AdditionalProperties { unexpected } => {
            let known: Vec<&str> = node
                .and_then(|node| node["properties"].as_object())
                .map(|properties| properties.keys().map(String::as_str).collect())
                .unwrap_or_default();
            let nearest = |name: &str| {
                let near = known.iter().map(|k| (strsim::jaro_winkler(k, name), *k)).max_by(|a, b| a.0.total_cmp(&b.0));
                near.filter(|(score, _)| *score > 0.8).map(|(_, k)| format!(" (did you mean {k}?)")).unwrap_or_default()
            };
            let names: Vec<String> = unexpected.iter().map(|name| format!("{name}{}", nearest(name))).collect();
            format!("unknown field {}; known here: {}", names.join(", "), known.join(", "))
        }
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let meaning = node.and_then(|node| node["properties"][name]["description"].as_str());
            format!("{name} is missing{}", meaning.map(|text| format!("; {text}")).unwrap_or_default())
        }
        Kind::Enum { options } => {
            let options: Vec<String> =
                options.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
            format!("{} is not one of {}", error.instance(), options.join(", "))
        }
        Kind::Type { .. } => format!("{} is of the wrong type: {}{meaning}", shown(error.instance()), error.masked()),
        Kind::Pattern { .. }
        | Kind::MaxLength { .. }
        | Kind::MinLength { .. }
        | Kind::MinItems { .. }
        | Kind::MaxItems { .. } => {
            format!("{} cannot be used ({}){meaning}", shown(error.instance()), error.masked())
        }
        _ => format!("{error}{meaning}"),
    };
    FieldError::new(path, what)
}

/// An address may hold a password or a signature, so it is not repeated.
fn shown(value: &Value) -> String {
    if value.as_str().is_some_and(|text| text.contains("://")) {
        return "the address".to_owned();
    }
    value.to_string().chars().take(80).collect()
}

/// `/spec/routes/routeTables/0/id` becomes `spec.routes.routeTables[0].id`.
fn dotted(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        if part.bytes().all(|c| c.is_ascii_digit()) {
            path.extend(["[", part, "]"]);
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path += part;
        }
    }
    if path.is_empty() { "(object)".to_owned() } else { path }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
