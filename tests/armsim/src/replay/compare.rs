//! One answer against the recorded one: status, the headers that clients act on, body. Order inside lists of things
//! with an id is nobody's promise and not compared. Of how a body is laid out only the second back end's is: it was
//! always the same.

use super::{
    forms::{Names, differ, short},
    recording::{Interaction, last_segment, path_of, query},
};
use crate::model::ApiResponse;
use serde_json::Value;
use std::collections::BTreeMap;

/// One thing that is not as recorded: `status`, `header.<name>` or `body.<path>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub field: String,
    pub text: String,
}

/// What of a recording can be compared at all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    pub(super) retry_after: bool,
}

pub(super) fn compare(
    recorded: &Interaction,
    simulated: &ApiResponse,
    scope: Scope,
    names: &mut Names,
) -> Vec<Difference> {
    let mut comparison = Comparison { names, found: vec![] };
    if recorded.status != simulated.status {
        comparison.add("status", format!("recorded {}, simulated {}", recorded.status, simulated.status));
    }
    comparison.headers(recorded, simulated, scope);
    match (&recorded.response_body, simulated.body.is_empty()) {
        (Value::Null, true) => {}
        (Value::String(text), true) if text.is_empty() => {}
        // A page of HTML is compared as such: by its content type.
        (Value::String(_), false) if simulated.value() == Value::Null => {}
        (body, _) => comparison.value("body", body, &simulated.value()),
    }
    comparison.layout(recorded, simulated);
    comparison.found
}

struct Comparison<'a> {
    names: &'a mut Names,
    found: Vec<Difference>,
}

impl Comparison<'_> {
    fn add(&mut self, field: &str, text: String) {
        self.found.push(Difference { field: field.to_owned(), text });
    }

    fn headers(&mut self, recorded: &Interaction, simulated: &ApiResponse, scope: Scope) {
        for name in ["azure-asyncnotification", "content-type", "x-ms-failure-cause"] {
            self.header(name, recorded.header(name), simulated.header(name), |_, recorded, simulated| {
                (!recorded.eq_ignore_ascii_case(simulated)).then(|| differ(recorded, simulated))
            });
        }
        for name in ["azure-asyncoperation", "location"] {
            self.header(name, recorded.header(name), simulated.header(name), Self::url);
        }
        self.header("etag", recorded.header("etag"), simulated.header("etag"), |names, recorded, simulated| {
            names.compare(recorded, simulated)
        });
        if scope.retry_after {
            let (recorded_wait, simulated_wait) = (recorded.header("retry-after"), simulated.header("retry-after"));
            // How long a lock will be held and a running operation will take is the service's guess.
            let is_guess = recorded.status == 429 || recorded.is_poll();
            self.header("retry-after", recorded_wait, simulated_wait, |_, recorded, simulated| {
                let same = recorded == simulated || (is_guess && simulated.parse::<u64>().is_ok());
                (!same).then(|| differ(recorded, simulated))
            });
        }
    }

    /// A recording has no layout but the length that it gives the body.
    fn layout(&mut self, recorded: &Interaction, simulated: &ApiResponse) {
        let length = recorded.header("content-length").and_then(|length| length.parse::<usize>().ok());
        let Some(length) = length.filter(|_| recorded.is_of_second_back_end() && recorded.status < 300) else { return };
        let (compact, pretty) = (recorded.response_body.to_string(), ApiResponse::pretty(200, &recorded.response_body));
        let was_pretty = length == pretty.body.len();
        let is_pretty = simulated.text().contains("\r\n");
        // Recorders that mask names change the length.
        if (was_pretty || length == compact.len()) && was_pretty != is_pretty && compact.len() != pretty.body.len() {
            let name = |pretty| if pretty { "indented" } else { "compact" };
            self.add("layout", differ(name(was_pretty), name(is_pretty)));
        }
    }

    fn header(
        &mut self,
        name: &str,
        recorded: Option<&str>,
        simulated: Option<&str>,
        compare: impl FnOnce(&mut Names, &str, &str) -> Option<String>,
    ) {
        let text = match (recorded, simulated) {
            (None, None) => None,
            (Some(recorded), None) => Some(format!("recorded {}, simulated none", short(recorded))),
            (None, Some(simulated)) => Some(format!("recorded none, simulated {}", short(simulated))),
            (Some(recorded), Some(simulated)) => compare(self.names, recorded, simulated),
        };
        if let Some(text) = text {
            self.add(&format!("header.{name}"), text);
        }
    }

    /// URLs of operations: path, api-version, and whether they are signed; a signature and a job's id are generated.
    fn url(names: &mut Names, recorded: &str, simulated: &str) -> Option<String> {
        let split = |url: &str| {
            let path = path_of(url).to_owned();
            let id = last_segment(&path);
            let is_job = path.to_ascii_lowercase().contains("/operationresults/") && id.len() > 36;
            if is_job { path[..path.len() - id.len()].to_owned() } else { path }
        };
        let same = query(recorded, "api-version") == query(simulated, "api-version")
            && query(recorded, "s").is_some() == query(simulated, "s").is_some();
        if !same {
            return Some(differ(recorded, simulated));
        }
        names.compare(&split(recorded), &split(simulated))
    }

    fn value(&mut self, field: &str, recorded: &Value, simulated: &Value) {
        match (recorded, simulated) {
            (Value::Object(recorded), Value::Object(simulated)) => {
                for (key, value) in recorded {
                    let field = format!("{field}.{key}");
                    match simulated.get(key) {
                        Some(simulated) => self.value(&field, value, simulated),
                        None => self.add(&field, format!("recorded {}, simulated none", short(&value.to_string()))),
                    }
                }
                for (key, value) in simulated.iter().filter(|(key, _)| !recorded.contains_key(*key)) {
                    self.add(
                        &format!("{field}.{key}"),
                        format!("recorded none, simulated {}", short(&value.to_string())),
                    );
                }
            }
            (Value::Array(recorded), Value::Array(simulated)) => match (by_id(recorded), by_id(simulated)) {
                (Some(recorded), Some(simulated)) => self.set(field, &recorded, &simulated),
                _ => self.list(field, recorded, simulated),
            },
            (Value::String(recorded), Value::String(simulated)) => {
                if let Some(text) = self.names.compare(recorded, simulated) {
                    self.add(field, text);
                }
            }
            (recorded, simulated) if recorded == simulated => {}
            (recorded, simulated) => self.add(field, differ(&recorded.to_string(), &simulated.to_string())),
        }
    }

    fn set(&mut self, field: &str, recorded: &BTreeMap<String, &Value>, simulated: &BTreeMap<String, &Value>) {
        for (id, value) in recorded {
            let field = format!("{field}[{}]", last_segment(id));
            match simulated.get(id) {
                Some(simulated) => self.value(&field, value, simulated),
                None => self.add(&field, format!("recorded {id}, simulated none")),
            }
        }
        for id in simulated.keys().filter(|id| !recorded.contains_key(*id)) {
            self.add(&format!("{field}[{}]", last_segment(id)), format!("recorded none, simulated {id}"));
        }
    }

    fn list(&mut self, field: &str, recorded: &[Value], simulated: &[Value]) {
        if recorded.len() != simulated.len() {
            self.add(field, format!("recorded {} elements, simulated {}", recorded.len(), simulated.len()));
        }
        for (i, (recorded, simulated)) in recorded.iter().zip(simulated).enumerate() {
            self.value(&format!("{field}[{i}]"), recorded, simulated);
        }
    }
}

/// The elements by their ids, where each has one of its own.
fn by_id(list: &[Value]) -> Option<BTreeMap<String, &Value>> {
    let all: BTreeMap<String, &Value> = list
        .iter()
        .map(|element| Some((element.get("id")?.as_str()?.to_ascii_lowercase(), element)))
        .collect::<Option<_>>()?;
    (all.len() == list.len()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn recorded(body: &Value) -> Interaction {
        let line = json!({
            "method": "GET", "url": "https://management.azure.com/x?api-version=1", "status": 200,
            "response_headers": {"content-type": "application/json; charset=utf-8"}, "response_body": body,
        });
        serde_json::from_value(line).unwrap()
    }

    fn fields(body: &Value, simulated: &Value) -> Vec<String> {
        let scope = Scope { retry_after: true };
        let answer = ApiResponse::json(200, simulated);
        let found = compare(&recorded(body), &answer, scope, &mut Names::default());
        found.into_iter().map(|difference| difference.field).collect()
    }

    #[test]
    fn lists_of_resources_have_no_order_and_others_do() {
        let (a, b) = (json!({"id": "/a", "x": 1}), json!({"id": "/B", "x": 2}));
        assert!(fields(&json!({"value": [a, b]}), &json!({"value": [b, a]})).is_empty());
        assert_eq!(fields(&json!(["a", "b"]), &json!(["b", "a"])), ["body[0]", "body[1]"]);
        assert_eq!(fields(&json!({"value": [a, b]}), &json!({"value": [a]})), ["body.value[b]"]);
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_named() {
        assert_eq!(fields(&json!({"a": 1, "b": 2}), &json!({"b": 3, "c": 4})), ["body.a", "body.b", "body.c"]);
    }

    #[test]
    fn the_second_back_end_indents() {
        let body = json!({"status": "Succeeded"});
        let recorded = |name: &str, length: usize| -> Interaction {
            serde_json::from_value(json!({
                "method": "GET", "url": format!("https://management.azure.com/locations/l/{name}/x?api-version=1"), "status": 200,
                "response_headers": {"content-type": "application/json; charset=utf-8", "content-length": length.to_string()},
                "response_body": body,
            }))
            .unwrap()
        };
        let found = |recorded: &Interaction, answer: &ApiResponse| {
            compare(recorded, answer, Scope { retry_after: true }, &mut Names::default())
        };
        let (compact, pretty) = (ApiResponse::json(200, &body), ApiResponse::pretty(200, &body));
        assert!(found(&recorded("nfvOperations", 29), &pretty).is_empty());
        let differences = found(&recorded("nfvOperations", 29), &compact);
        assert_eq!((differences.len(), differences[0].field.as_str()), (1, "layout"));
        assert_eq!(differences[0].text, "recorded indented, simulated compact");
        assert_eq!(found(&recorded("nfvOperations", 22), &pretty).len(), 1);
        assert!(found(&recorded("nfvOperations", 40), &compact).is_empty(), "the length says nothing");
        assert!(found(&recorded("operations", 29), &compact).is_empty(), "the core was indented until 2023");
    }

    #[test]
    fn status_and_headers_are_compared() {
        let found = compare(
            &recorded(&json!({})),
            &ApiResponse::json(404, &json!({}))
                .with_header("retry-after", "2")
                .with_header("x-ms-failure-cause", "gateway"),
            Scope { retry_after: true },
            &mut Names::default(),
        );
        let fields: Vec<&str> = found.iter().map(|difference| difference.field.as_str()).collect();
        assert_eq!(fields, ["status", "header.x-ms-failure-cause", "header.retry-after"]);
    }
}
