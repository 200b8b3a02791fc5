//! JSON as its text: of a thousand statuses as trees of values nobody looks at one for hours. Pure.

use std::sync::Arc;

use serde_json::Value;

/// A JSON value as its canonical text. Shared, not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compact(Arc<str>);

impl Compact {
    /// Maps are sorted by key, so equal values have equal texts.
    pub fn of(value: &Value) -> Self {
        Self(value.to_string().into())
    }

    pub fn value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl Default for Compact {
    fn default() -> Self {
        Self::of(&Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_are_equal_in_whatever_order_they_were_written() {
        let one: Value = serde_json::from_str(r#"{"b": [1, 2.5], "a": {"d": null, "c": "ü\n"}}"#).unwrap();
        let other = json!({"a": {"c": "ü\n", "d": null}, "b": [1, 2.5]});
        assert_eq!(Compact::of(&one), Compact::of(&other));
        assert_eq!(Compact::of(&one).value(), other);
        assert_ne!(Compact::of(&one), Compact::of(&json!({})));
    }
}
