//! The schema of a CRD, applied to an object of a file: what the API server checks, with the server's own verdict.
//!
//! Types, lengths and patterns are checked by a JSON Schema library, rules in CEL by kube's evaluation. Must not know
//! what an object means: that is `convert`.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::convert::FieldError;
use super::crd;
use super::schema_rules::Rules;

pub(super) struct Schema {
    text: Value,
    asked: Mutex<Asked>,
    rules: Mutex<Rules>,
}

/// The schema with those parts that objects had so far; any value fits the others. Most objects have few of the parts,
/// and to compile all of them was an eighth of a command's start.
struct Asked {
    text: Value,
    validator: Option<Arc<jsonschema::Validator>>,
}

/// What came out of a check.
pub(super) struct Checked {
    /// The object as the API server would see it.
    pub(super) value: Value,
    /// The rules that it breaks.
    pub(super) rules: Vec<FieldError>,
    /// Whatever else is wrong with it.
    pub(super) others: Vec<FieldError>,
}

impl Schema {
    /// The schema of a kind of ours, made strict: the API server refuses unknown fields by its own means.
    pub(super) fn of(kind: &str) -> Self {
        let mut text = crd::schema(kind);
        let rules = Mutex::new(Rules::of(text.clone()));
        text["properties"]["metadata"] = metadata();
        // Looked at before.
        text["properties"]["apiVersion"] = json!({"type": "string"});
        text["properties"]["kind"] = json!({"type": "string"});
        make_strict(&mut text);
        let asked = Mutex::new(Asked { text: Value::Bool(true), validator: None });
        Self { text, asked, rules }
    }

    /// One that says of this object what the whole schema says.
    fn validator(&self, value: &Value) -> Arc<jsonschema::Validator> {
        // What is asked for is never less than it was, and what was compiled from less is gone, whoever panicked.
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let Asked { text, validator } = &mut *asked;
        let before = validator.take();
        if !widen(text, &self.text, value) {
            *validator = before;
        }
        // Its words mean the same since draft 6. The schemas of newer drafts, with which each schema is checked, are of
        // many parts, and to compile those took four times as long as to compile ours. Formats are not checked, as the
        // newer ones do not: only statuses have them.
        let compile = || {
            let options = jsonschema::options().with_draft(jsonschema::Draft::Draft7).should_validate_formats(false);
            Arc::new(options.build(text).expect("a test compiles the schemas"))
        };
        Arc::clone(validator.get_or_insert_with(compile))
    }

    pub(super) fn check(&self, value: &Value, asks_rules: bool) -> Checked {
        let mut value = value.clone();
        as_received(&mut value, &self.text);
        let validator = self.validator(&value);
        let errors: Vec<_> = validator.iter_errors(&value).collect();
        // A rule can be asked only about values of the right type. A pattern has a rule with a better sentence beside it.
        let can_ask = asks_rules && errors.iter().all(is_pattern);
        let rules = if can_ask { self.broken_rules(&value, errors.is_empty()) } else { Vec::new() };
        let mut others: Vec<FieldError> = errors.iter().map(|error| explain(error, &self.text)).collect();
        others.retain(|other| rules.iter().all(|known| known.path != other.path));
        drop(errors);
        Checked { value, rules, others }
    }

    fn broken_rules(&self, value: &Value, fits: bool) -> Vec<FieldError> {
        // A rule is compiled or not, whoever panicked.
        let broken = self.rules.lock().unwrap_or_else(PoisonError::into_inner).broken(value, fits);
        let explain = |error: kube::core::cel::ValidationError| {
            // A text is what the rule is about; of an object the rule names the field itself.
            let text = at(value, &error.field_path).filter(|found| found.is_string());
            let what = match text {
                Some(text) => format!("{} cannot be used; {}", shown(text), error.message),
                None => error.message,
            };
            let path = if error.field_path.is_empty() { "(object)".to_owned() } else { error.field_path };
            FieldError::new(path, what)
        };
        broken.into_iter().map(explain).collect()
    }
}

fn is_pattern(error: &jsonschema::ValidationError<'_>) -> bool {
    matches!(error.kind(), jsonschema::error::ValidationErrorKind::Pattern { .. })
}

/// What may stand under `metadata`: what people write, and what `kubectl get -o yaml` prints.
fn metadata() -> Value {
    let quoted = "a value is a text; put numbers, true and false in quotes";
    let key = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
    let mut fields: Map<String, Value> = [
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    ]
    .into_iter()
    .map(|field| (field.to_owned(), json!({})))
    .collect();
    fields.insert("name".into(), json!({"type": "string"}));
    fields.insert("namespace".into(), json!({"type": "string", "nullable": true}));
    fields.insert(
        "annotations".into(),
        json!({
            "type": "object", "nullable": true, "propertyNames": {"pattern": key},
            "additionalProperties": {"type": "string", "description": quoted},
        }),
    );
    fields.insert(
        "labels".into(),
        json!({
            "type": "object", "nullable": true, "propertyNames": {"pattern": key},
            "additionalProperties": {
                "type": "string", "description": quoted, "maxLength": 63,
                "pattern": "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
            },
        }),
    );
    json!({"type": "object", "properties": fields})
}

fn make_strict(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    // JSON Schema's name for it. The keys of a map are compared by a rule.
    if object.get("x-kubernetes-list-type").is_some_and(|kind| kind == "set") {
        object.insert("uniqueItems".into(), Value::Bool(true));
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

/// Adds the parts of a schema that an object has; whether there were any to add.
fn widen(asked: &mut Value, schema: &Value, value: &Value) -> bool {
    let mut grew = false;
    if *asked == Value::Bool(true) && *schema != Value::Bool(true) {
        *asked = without_parts(schema);
        grew = true;
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if let Some(property) = schema["properties"].get(name) {
                    grew |= widen(&mut asked["properties"][name], property, field);
                } else if schema["additionalProperties"].is_object() {
                    grew |= widen(&mut asked["additionalProperties"], &schema["additionalProperties"], field);
                }
            }
        }
        Value::Array(items) if schema["items"].is_object() => {
            for item in items {
                grew |= widen(&mut asked["items"], &schema["items"], item);
            }
        }
        _ => {}
    }
    grew
}

/// With any value for each part that [`widen`] adds.
fn without_parts(schema: &Value) -> Value {
    let Some(keywords) = schema.as_object() else { return schema.clone() };
    let bare = |(keyword, content): (&String, &Value)| {
        let content = match (keyword.as_str(), content) {
            ("properties", Value::Object(parts)) => {
                Value::Object(parts.keys().map(|name| (name.clone(), Value::Bool(true))).collect())
            }
            ("items" | "additionalProperties", Value::Object(_)) => Value::Bool(true),
            _ => content.clone(),
        };
        (keyword.clone(), content)
    };
    Value::Object(keywords.iter().map(bare).collect())
}

/// What Kubernetes makes of an object before it looks at it: `key:` with nothing after it means "not given" where that
/// is allowed, and 10.0 is the integer 10.
fn as_received(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => {
            let Some(properties) = schema["properties"].as_object() else { return };
            let may_be_left_out = |property: &Value| property["nullable"] == true || property.get("default").is_some();
            fields.retain(|name, field| !field.is_null() || !properties.get(name).is_some_and(may_be_left_out));
            for (name, field) in fields {
                if let Some(property) = properties.get(name) {
                    as_received(field, property);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| as_received(item, &schema["items"])),
        Value::Number(number) if schema["type"] == "integer" && number.is_f64() => {
            // The text of a whole number below 2^53 ends with `.0`.
            let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15);
            if let Some(whole) = whole.and_then(|n| format!("{n:.0}").parse::<i64>().ok()) {
                *value = whole.into();
            }
        }
        _ => {}
    }
}

/// The value at `spec.routes.routeTables[0].id`.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut found = value;
    for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
        found = match part.strip_suffix(']') {
            Some(index) => found.get(index.parse::<usize>().ok()?)?,
            None => found.get(part)?,
        };
    }
    Some(found)
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
        Kind::UniqueItems => format!("an item stands twice; write it once{meaning}"),
        Kind::Minimum { limit } => {
            format!("{} is too small; write at least {}{meaning}", error.instance(), whole(limit))
        }
        Kind::Maximum { limit } => {
            format!("{} is too large; write at most {}{meaning}", error.instance(), whole(limit))
        }
        _ => format!("{error}{meaning}"),
    };
    FieldError::new(path, what)
}

/// Schemas of Kubernetes write all bounds as 1.0.
fn whole(limit: &Value) -> String {
    limit.as_f64().map_or_else(|| limit.to_string(), |limit| limit.to_string())
}

/// An address may hold a password or a signature, so it is not repeated.
fn shown(value: &Value) -> String {
    if value.as_str().is_some_and(|text| text.contains("://")) {
        return "the address".to_owned();
    }
    value.to_string().chars().take(200).collect()
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
#[path = "schema_tests.rs"]
mod tests;
