//! The rules in CEL of a schema. A rule is compiled when an object first has the part that it is about: to compile all of
//! them would be a quarter of a command's start, and most objects have few of the parts.
//!
//! Must not know what a rule says, nor what the schema says beside its rules.

use kube::core::cel::{CompiledSchema, ValidationError, Validator, apply_defaults, compile_schema};
use serde_json::{Value, json};

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

    /// The rules that an object breaks. It has the types that the schema asks for.
    pub(super) fn broken(&mut self, object: &Value) -> Vec<ValidationError> {
        // Rules are asked about what is left out, too.
        compile(&mut self.compiled, &self.schema, &apply_defaults(&self.schema, object));
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

fn compile(part: &mut CompiledSchema, schema: &Value, value: &Value) {
    if let Some(rules) = schema.get(RULES)
        && part.validations.is_empty()
    {
        part.validations = compile_schema(&json!({ RULES: rules })).validations;
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if let Some(property) = part.properties.get_mut(name) {
                    compile(property, &schema["properties"][name], field);
                } else if let Some(entry) = &mut part.additional_properties {
                    compile(entry, &schema["additionalProperties"], field);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item) = &mut part.items {
                for value in items {
                    compile(item, &schema["items"], value);
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
            let broken = rules.broken(&object);
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
}
