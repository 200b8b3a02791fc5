use serde_json::json;

use super::*;

fn network(status: &str, reason: &str, blocked: &str) -> Value {
    json!({"conditions": [
        {"type": "Ready", "status": status, "reason": reason, "message": format!("it is {reason}")},
        {"type": "Blocked", "status": blocked, "reason": "AsExpected", "message": ""}]})
}

fn reasons(before: &Value, after: &Value) -> Vec<(bool, String)> {
    of(Kind::Network, before, after).into_iter().map(|told| (told.is_warning, told.reason)).collect()
}

#[test]
fn a_turn_is_told_once_and_what_passes_by_itself_is_not() {
    let (new, in_sync) = (json!({"installation": "prod"}), network("True", "InSync", "False"));
    let blocked = network("False", "ApprovalNeeded", "True");
    assert_eq!(reasons(&new, &in_sync), [(false, "InSync".to_owned())]);
    assert_eq!(reasons(&in_sync, &in_sync), []);
    assert_eq!(reasons(&in_sync, &blocked), [(true, "ApprovalNeeded".to_owned())]);
    for passing in ["Pending", "Waiting"] {
        assert_eq!(reasons(&in_sync, &network("False", passing, "False")), []);
    }
    assert_eq!(reasons(&blocked, &network("False", "Failed", "False")), [(true, "Failed".to_owned())]);
    let mut other_words = in_sync.clone();
    other_words["conditions"][0]["message"] = json!("2 of 2");
    assert_eq!(reasons(&in_sync, &other_words), [], "the same turn in other words");
    assert_eq!(reasons(&in_sync, &Value::Null), []);
}

#[test]
fn a_feed_tells_of_documents_and_of_sources_that_turn() {
    let feed = |digest: &str, result: &str, reason: Value| {
        json!({"current": {"digest": digest, "changeNumber": 7, "fileDate": "2026-01-01"},
            "sources": [{"source": "download", "result": result, "reason": reason, "message": "what it said"}]})
    };
    let told = |before: &Value, after: &Value| -> Vec<String> {
        of(Kind::Feed, before, after).into_iter().map(|told| format!("{}: {}", told.reason, told.note)).collect()
    };
    let (good, away) = (feed("a", "Accepted", Value::Null), feed("a", "Failed", json!("Unreachable")));
    assert_eq!(told(&Value::Null, &good), ["DocumentAccepted: change number 7 of 2026-01-01 is in force"]);
    assert_eq!(told(&good, &away), ["DocumentFailed: download: what it said"]);
    assert_eq!(told(&away, &away), Vec::<String>::new());
    assert_eq!(told(&away, &feed("a", "Failed", json!("NoLink"))).len(), 1, "another failure");
    assert_eq!(told(&away, &feed("b", "Accepted", Value::Null)).len(), 1);
}

#[test]
fn a_note_is_cut_where_the_api_server_would_refuse_it_and_never_within_a_letter() {
    let note = Told::new(true, "Blocked", &"ä".repeat(900)).note;
    assert_eq!((note.len(), note.chars().count()), (1000, 500));
}
