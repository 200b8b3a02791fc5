//! docs/custom-resources.md, from the descriptions, defaults and rules of the schemas. Must say nothing that the CRDs
//! do not say.

use std::fmt::Write as _;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use serde_json::Value;

use super::crd;

const INTRODUCTION: &str = "# Custom resources

<!-- Made by `amlnet crd --markdown` from the schemas; a test compares it. Change the descriptions in src/api. -->

All fields of amlnet's objects, group `amlnet.dev`, version `v1alpha1`. The schemas are in the CRDs (`amlnet crd` prints
them), and every rule below is enforced by the API server when an object is written, and by `plan`, `apply` and `run` on
files, with the same verdict. `kubectl explain amlnetwork.spec.routes` shows the same texts. Unknown fields are refused by
`kubectl apply --validate=strict` (its default) and in files. Files are read as kubectl reads them (YAML 1.1: an unquoted
`no` is false), but for one thing: a key that stands twice is refused, where kubectl takes the last one. Samples are in
[config/samples](../config/samples).

What depends on data, such as whether a region or a service tag exists, is not asked when an object is written: it is
reported in `status.conditions`.

Annotation `amlnet.dev/reconcile-at` on an AmlNetwork or a ServiceTagFeed: set it to another value, and the object is
looked at without waiting. `status.lastHandledReconcileAt` says which value was obeyed last.
";

/// The whole page.
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    for crd in crd::all() {
        one(&mut page, &crd);
    }
    page
}

fn one(page: &mut String, crd: &CustomResourceDefinition) {
    let version = &crd.spec.versions[0];
    let Some(schema) = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref()) else { return };
    let names = &crd.spec.names;
    let short = names.short_names.iter().flatten().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let description = schema.description.as_deref().unwrap_or_default();
    let columns = |wide: bool| {
        let columns = version.additional_printer_columns.iter().flatten();
        let names = columns.filter(|column| (column.priority.unwrap_or(0) > 0) == wide);
        names.map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let _ = write!(
        page,
        "\n## {}\n\n{description}\n\nShort name: {short}. Columns of `kubectl get`: {}; with `-o wide` also {}.\n",
        names.kind,
        columns(false),
        columns(true)
    );
    rules(page, schema);
    for part in ["spec", "status"] {
        let Some(schema) = schema.properties.as_ref().and_then(|properties| properties.get(part)) else { continue };
        let _ = write!(page, "\n### {} {part}\n", names.kind);
        if part == "status" {
            let _ = write!(page, "\nWritten by amlnet.\n");
        }
        rules(page, schema);
        let (head, line) = if part == "spec" {
            ("| field | type | default | meaning |", "|---|---|---|---|")
        } else {
            ("| field | type | meaning |", "|---|---|---|")
        };
        let _ = write!(page, "\n{head}\n{line}\n");
        rows(page, schema, part, part == "spec");
    }
}

/// The rules about a whole object; those about one field stand in its row.
fn rules(page: &mut String, schema: &JSONSchemaProps) {
    for rule in schema.x_kubernetes_validations.iter().flatten() {
        let _ = write!(
            page,
            "
Else refused: {}.
",
            text(rule.message.as_deref().unwrap_or_default())
        );
    }
}

fn rows(page: &mut String, schema: &JSONSchemaProps, path: &str, with_default: bool) {
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        let inner = match &field.items {
            Some(JSONSchemaPropsOrArray::Schema(items)) => items,
            _ => field,
        };
        let required = schema.required.iter().flatten().any(|required| required == name);
        let mut cells = vec![format!("`{path}`"), kind(field)];
        if with_default {
            cells.push(match (&field.default, required) {
                (Some(default), _) => format!("`{}`", compact(&default.0)),
                (None, true) => "required".to_owned(),
                (None, false) => String::new(),
            });
        }
        cells.push(meaning(field, inner));
        let _ = writeln!(page, "| {} |", cells.join(" | "));
        let list = if std::ptr::eq(inner, field) { "" } else { "[]" };
        rows(page, inner, &format!("{path}{list}"), with_default);
    }
}

fn kind(field: &JSONSchemaProps) -> String {
    let kind = field.type_.clone().unwrap_or_default();
    match &field.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => format!("list of {}", items.type_.clone().unwrap_or_default()),
        _ => kind,
    }
}

/// The description, what is allowed, the sentences of the rules, and an example.
fn meaning(field: &JSONSchemaProps, inner: &JSONSchemaProps) -> String {
    let mut parts = vec![text(field.description.as_deref().unwrap_or_default())];
    let choices: Vec<String> = inner.enum_.iter().flatten().map(|choice| format!("`{}`", compact(&choice.0))).collect();
    if !choices.is_empty() {
        parts.push(format!("One of {}.", choices.join(", ")));
    }
    // `{64}` in a pattern says it better.
    let is_counted = field.pattern.as_ref().is_some_and(|pattern| pattern.contains('{'));
    let bounds = [
        (field.minimum.map(|n| n.to_string()), "at least", ""),
        (field.maximum.map(|n| n.to_string()), "at most", ""),
        (field.max_length.filter(|_| !is_counted).map(|n| n.to_string()), "at most", " characters"),
        (field.min_items.map(|n| n.to_string()), "at least", " in the list"),
        (field.max_items.map(|n| n.to_string()), "at most", " in the list"),
    ];
    let bounds: Vec<String> = bounds
        .into_iter()
        .filter_map(|(bound, word, of)| bound.map(|bound| format!("{word} {bound}{of}")))
        .filter(|bound| bound != "at least 0")
        .collect();
    if !bounds.is_empty() {
        parts.push(format!("Allowed: {}.", bounds.join(", ")));
    }
    let mut rules: Vec<&str> = Vec::new();
    let listed = if std::ptr::eq(inner, field) { None } else { inner.x_kubernetes_validations.as_ref() };
    for rule in field.x_kubernetes_validations.iter().chain(listed).flatten() {
        rules.extend(rule.message.as_deref());
    }
    for rule in rules {
        parts.push(format!("Else refused: {}.", text(rule)));
    }
    if let Some(example) = &field.example {
        parts.push(format!("Example: `{}`.", compact(&example.0)));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

/// One line of a table: angle brackets are no tags, and a bar ends no cell.
fn text(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('<', "&lt;").replace('|', "\\|")
}

/// As one writes it in a line of YAML.
fn compact(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(compact).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}: {}", compact(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}
