//! The rules in CEL of a schema. A rule is compiled when an object first has the part that it is about, and when its text
//! does not show already that the object keeps it: to compile all of them would be half of a command's start, and most
//! objects have few of the parts.
//!
//! Must not know what a rule is for, nor what the schema says beside its rules and patterns.

use kube::core::cel::{CompilationResult, CompiledSchema, ValidationError, Validator, apply_defaults, compile_schema};
use serde_json::{Value, json};

use super::rules;

/// The keyword under which the API server, and the library, look for rules.
const RULES: &str = "x-kubernetes-validations";

pub(super) struct Rules {
    schema: Value,
    compiled: CompiledSchema,
    validator: Validator,
}

impl Rules {
    pub(super) fn of(schema: Value) -> Self {
        let mut bare = schema.clone();
        strip(&mut bare);
        Self { schema, compiled: compile_schema(&bare), validator: Validator::new() }
    }

    /// The rules that an object breaks. It has the types that the schema asks for; `fits`: and all its texts fit their
    /// patterns, as defaults do.
    pub(super) fn broken(&mut self, object: &Value, fits: bool) -> Vec<ValidationError> {
        // Rules are asked about what is left out, too.
        compile(&mut self.compiled, &self.schema, &apply_defaults(&self.schema, object), fits);
        let broken = self.validator.validate_compiled(&self.compiled, object, None);
        broken.err().into_iter().flatten().collect()
    }
}

/// Takes the rules out of the parts that [`compile`] finds.
fn strip(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    schema.remove(RULES);
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(strip);
    }
    for one in ["items", "additionalProperties"] {
        if let Some(part) = schema.get_mut(one) {
            strip(part);
        }
    }
}

/// Whether the text of a rule shows that this value keeps it.
fn is_kept(rule: &str, schema: &Value, value: &Value, fits: bool) -> bool {
    // `!has(self.field) || …` about a value without the field. A `?` could take the whole of it for its condition.
    let absent = rule.strip_prefix("!has(self.").and_then(|rest| rest.split_once(") || "));
    let is_idle = |(field, rest): (&str, &str)| {
        field.bytes().all(|c| c.is_ascii_alphanumeric()) && !rest.contains('?') && value.get(field).is_none()
    };
    // The pattern of the schema, said a second time for its sentence.
    let repeats = |pattern: &str| !pattern.contains('\\') && rule == rules::matches(pattern);
    absent.is_some_and(is_idle) || fits && schema["pattern"].as_str().is_some_and(repeats)
}

fn text(rule: &Value) -> &str {
    rule["rule"].as_str().unwrap_or_default()
}

fn compile(part: &mut CompiledSchema, schema: &Value, value: &Value, fits: bool) {
    if let Some(Value::Array(rules)) = schema.get(RULES) {
        let is_compiled = |rule: &Value| part.validations.iter().flatten().any(|done| done.rule.rule == text(rule));
        let asked = |rule: &&Value| !is_compiled(rule) && !is_kept(text(rule), schema, value, fits);
        let missing: Vec<&Value> = rules.iter().filter(asked).collect();
        if !missing.is_empty() {
            part.validations.extend(compile_schema(&json!({ RULES: missing })).validations);
            // What is said does not depend on the objects before.
            let place = |done: &CompilationResult| rules.iter().position(|rule| text(rule) == done.rule.rule);
            part.validations.sort_by_key(|done| done.as_ref().ok().and_then(place));
        }
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if let Some(property) = part.properties.get_mut(name) {
                    compile(property, &schema["properties"][name], field, fits);
                } else if let Some(entry) = &mut part.additional_properties {
                    compile(entry, &schema["additionalProperties"], field, fits);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item) = &mut part.items {
                for value in items {
                    compile(item, &schema["items"], value, fits);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::crd;
    use super::*;

    /// The rules of a part and of the parts in it, and those that cannot be compiled.
    fn count(part: &CompiledSchema) -> (usize, Vec<String>) {
        let inner = part.properties.values().chain(part.items.as_deref()).chain(part.additional_properties.as_deref());
        let own = part.compilation_errors().iter().map(ToString::to_string).collect();
        inner.map(count).fold((part.validations.len(), own), |(rules, mut errors), (more, others)| {
            errors.extend(others);
            (rules + more, errors)
        })
    }

    #[test]
    fn every_rule_of_ours_compiles() {
        for schema in ["AmlNetwork", "PlanApproval", "ServiceTagFeed"].map(crd::schema) {
            let (rules, errors) = count(&compile_schema(&schema));
            assert!(rules > 3 && errors.is_empty(), "{rules}: {errors:?}");
            let text = schema.to_string();
            assert_eq!(text.matches("\"rule\":").count(), rules, "each stands where the library looks");
        }
    }

    #[test]
    fn what_an_object_does_not_have_is_not_compiled_until_one_has_it() {
        let schema = json!({"type": "object", "x-kubernetes-validations": [{"rule": "has(self.a)", "message": "no a"}],
        "properties": {
            "a": {"type": "string", "x-kubernetes-validations": [{"rule": "self != 'x'", "message": "x"}]},
            "b": {"type": "array", "items": {
                "type": "string", "x-kubernetes-validations": [{"rule": "self != 'y'", "message": "y"}]}},
            "c": {"type": "object", "additionalProperties": {
                "type": "string", "x-kubernetes-validations": [{"rule": "self != 'z'", "message": "z"}]}},
            "d": {"type": "string", "default": "v",
                "x-kubernetes-validations": [{"rule": "self != 'v'", "message": "v"}]},
        }});
        let mut rules = Rules::of(schema);
        assert_eq!(count(&rules.compiled).0, 0);
        let mut said = |object: Value| {
            let broken = rules.broken(&object, true);
            let mut messages: Vec<String> = broken.into_iter().map(|error| error.message).collect();
            messages.sort();
            (messages.join(" "), count(&rules.compiled).0)
        };
        assert_eq!(said(json!({"d": "w"})), ("no a".into(), 2));
        assert_eq!(said(json!({"a": "x", "d": "w"})), ("x".into(), 3));
        assert_eq!(said(json!({"a": "a", "b": ["y", "n", "y"], "d": "w"})), ("y y".into(), 4));
        assert_eq!(said(json!({"a": "x", "c": {"k": "z", "l": "n"}, "d": "w"})), ("x z".into(), 5));
        assert_eq!(said(json!({"a": "a"})), ("v".into(), 5), "a default is asked about as if it were written");
    }

    #[test]
    fn what_shows_that_a_value_keeps_it_is_not_compiled() {
        let rules = |rules: &[&str]| -> Vec<Value> {
            rules.iter().map(|rule| json!({"rule": rule, "message": rule.split(' ').next_back()})).collect()
        };
        let schema = json!({
            "type": "object",
            "x-kubernetes-validations": rules(&[
                "!has(self.a) || self.a == 'a' || self.a == 'one'",
                "!has(self.a) || !has(self.b) || self.b == 'two'",
                "!has(self.b) || true ? has(self.c) : has(self.c) || 'three' == 'x'",
            ]),
            "properties": {
                "a": {"type": "string", "pattern": "^[a-z]+$", "x-kubernetes-validations": rules(&["self.matches('^[a-z]+$')"])},
                "b": {"type": "string"},
                "c": {"type": "string"},
            },
        });
        let mut first = Rules::of(schema.clone());
        let mut said = |object: Value, fits: bool| {
            let messages = |rules: &mut Rules| -> Vec<String> {
                rules.broken(&object, fits).into_iter().map(|error| error.message).collect()
            };
            let alone = messages(&mut Rules::of(schema.clone()));
            assert_eq!(messages(&mut first), alone, "{object}: the same after other objects");
            (alone.join(" "), count(&first.compiled).0)
        };
        assert_eq!(said(json!({"c": ""}), true), (String::new(), 1), "the whole of the third is asked by its ?");
        assert_eq!(said(json!({}), true), ("'x'".into(), 1));
        assert_eq!(said(json!({"a": "a", "c": ""}), true), (String::new(), 3));
        assert_eq!(said(json!({"a": "b", "b": "c", "c": ""}), true), ("'one' 'two'".into(), 3));
        assert_eq!(said(json!({"a": "A", "c": ""}), false), ("'one' self.matches('^[a-z]+$')".into(), 4));
    }
}
