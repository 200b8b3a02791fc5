//! What the API server was asked, read from its audit log.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// One line for each request, two for a watch (begun, ended). The server's own requests would only hide the others.
pub(crate) const POLICY: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
"rules": [{"level": "None", "users": ["system:apiserver"]}, {"level": "Metadata"}]}
"#;

/// One request, in the words in which RBAC permits it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// Empty for the core group.
    pub group: String,
    /// Empty where the path names no resource (`/version`, `/apis`).
    pub resource: String,
    pub subresource: String,
    /// Empty for what is not in a namespace, and for a list of all.
    pub namespace: String,
    pub name: String,
    /// Of the answer; 0 when none was sent.
    pub code: u16,
    /// The path with its query.
    pub uri: String,
    pub agent: String,
    /// False for a watch that goes on.
    pub ended: bool,
}

/// Of one user, in order. The line is written just after the answer: a test waits for the one that it needs.
#[track_caller]
pub(crate) fn read(log: &Path, user: &str) -> Vec<Request> {
    let text = std::fs::read_to_string(log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
    let mut order = Vec::new();
    let mut requests = BTreeMap::new();
    // What follows the last line end is still being written.
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("audit log: {error} in {line}"));
        if event["user"]["username"] != user {
            continue;
        }
        let id = event["auditID"].as_str().unwrap_or_default().to_owned();
        if requests.insert(id.clone(), request(&event)).is_none() {
            order.push(id);
        }
    }
    order.iter().filter_map(|id| requests.remove(id)).collect()
}

fn request(event: &Value) -> Request {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &event["objectRef"];
    let code = event["responseStatus"]["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    Request {
        verb: text(&event["verb"]),
        group: text(&object["apiGroup"]),
        resource: text(&object["resource"]),
        subresource: text(&object["subresource"]),
        namespace: text(&object["namespace"]),
        name: text(&object["name"]),
        code: code.unwrap_or(0),
        uri: text(&event["requestURI"]),
        agent: text(&event["userAgent"]),
        ended: event["stage"] != "ResponseStarted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"{"auditID":"1","stage":"ResponseStarted","verb":"watch","user":{"username":"a"},"objectRef":{"resource":"leases","apiGroup":"coordination.k8s.io","namespace":"n"},"responseStatus":{"code":200},"requestURI":"/w","userAgent":"x"}
{"auditID":"2","stage":"ResponseComplete","verb":"create","user":{"username":"b"},"objectRef":{"resource":"pods","namespace":"n"},"responseStatus":{"code":201}}
{"auditID":"3","stage":"ResponseComplete","verb":"patch","user":{"username":"a"},"objectRef":{"resource":"pods","subresource":"status","namespace":"n","name":"p"},"responseStatus":{"code":403},"requestURI":"/p","userAgent":"x"}
{"auditID":"1","stage":"ResponseComplete","verb":"watch","user":{"username":"a"},"objectRef":{"resource":"leases","apiGroup":"coordination.k8s.io","namespace":"n"},"responseStatus":{"code":200},"requestURI":"/w","userAgent":"x"}
{"auditID":"4","stage":"Resp"#;

    #[test]
    fn a_watch_is_one_request_and_a_line_that_is_still_written_is_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, LINES).unwrap();
        let requests = read(file.path(), "a");
        let short: Vec<_> =
            requests.iter().map(|request| (request.verb.as_str(), request.code, request.ended)).collect();
        assert_eq!(short, [("watch", 200, true), ("patch", 403, true)]);
        assert_eq!((requests[1].subresource.as_str(), requests[1].group.as_str()), ("status", ""));
    }
}
