//! Long operations, the lock of a table, what a failed operation leaves behind, and the history.

use super::{Azure, TABLE, code, header, message};
use crate::model::{
    Delivery,
    faults::Fault,
    history::{HistoryEntry, HistoryState},
};
use serde_json::json;
use std::task::Waker;

fn fault(azure: &mut Azure, effect: &serde_json::Value) {
    let fault: Fault =
        serde_json::from_value(json!({"effect": effect, "match": {"pathContains": "/routes/"}})).unwrap();
    azure.world.add_fault(fault);
}

#[test]
fn a_second_write_waits_for_the_first() {
    let mut azure = Azure::with_table();
    let first = azure.put_route("a", "20.1.0.0/16");
    let operation = header(&first, "azure-asyncoperation");
    let guid = operation.split("/operations/").last().unwrap().split('?').next().unwrap().to_owned();
    for _ in 0..3 {
        let refused = azure.put_route("b", "20.2.0.0/16");
        assert_eq!((refused.status, code(&refused).as_str()), (429, "RetryableError"));
        let detail = refused.value()["error"]["details"][0].clone();
        assert_eq!(detail["code"], "RetryableErrorDueToAnotherOperation");
        let seconds: u64 = header(&refused, "retry-after").parse().unwrap();
        assert!((11..=14).contains(&seconds));
        let text = format!(
            "Operation PutRouteOperation ({guid}) is updating resource {TABLE}. The call can be retried in {seconds} seconds."
        );
        assert_eq!(detail["message"], text);
        assert_eq!(azure.delete(&format!("{TABLE}/routes/default")).status, 429);
        assert_eq!(azure.delete(TABLE).status, 429);
        assert_eq!(azure.put(TABLE, &json!({"location": "eastus2"})).status, 429);
    }
    azure.pass(1_999);
    assert_eq!(azure.put_route("b", "20.2.0.0/16").status, 429);
    azure.pass(1);
    assert_eq!(azure.put_route("b", "20.2.0.0/16").status, 201);
}

#[test]
fn another_table_is_not_locked() {
    let mut azure = Azure::with_table();
    let other = TABLE.replace("rt-ml", "other");
    azure.put_route("a", "20.1.0.0/16");
    assert_eq!(azure.put(&other, &json!({"location": "eastus2"})).status, 201);
}

#[test]
fn the_status_is_told_to_who_presents_the_url_as_it_was() {
    let mut azure = Azure::with_table();
    let accepted = azure.put_route("a", "20.1.0.0/16");
    let url = header(&accepted, "azure-asyncoperation");
    assert!((4_500..5_200).contains(&url.len()), "{}", url.len());
    let running = azure.get(&url);
    assert_eq!(
        (running.text().as_str(), header(&running, "retry-after").as_str()),
        ("{\"status\":\"InProgress\"}", "2")
    );
    let rebuilt = url.split("&t=").next().unwrap();
    assert_eq!(code(&azure.get(rebuilt)), "InvalidOperationUrl");
    assert_eq!(code(&azure.get(&url[..url.len() - 1])), "InvalidOperationUrl");
    azure.pass(2_000);
    assert_eq!(azure.get(&url).text(), "{\"status\":\"Succeeded\"}");
    assert_eq!(azure.table()["properties"]["provisioningState"], "Succeeded");
}

#[test]
fn a_deletion_is_202_and_its_result_204() {
    let mut azure = Azure::with_table();
    azure.settle_route("a", "20.1.0.0/16");
    let deleted = azure.delete(&format!("{TABLE}/routes/A"));
    assert_eq!((deleted.status, deleted.text().as_str(), header(&deleted, "retry-after").as_str()), (202, "", "2"));
    let result = header(&deleted, "location");
    assert!(result.contains("/operationResults/"));
    assert_eq!(azure.get(&result).status, 202);
    assert_eq!(azure.get(&format!("{TABLE}/routes/a")).value()["properties"]["provisioningState"], "Deleting");
    azure.pass(2_000);
    assert_eq!(azure.get(&result).status, 204);
    assert_eq!(azure.route_names(), ["default"]);
    assert_eq!(azure.delete(&format!("{TABLE}/routes/a")).status, 204);

    let deleted = azure.delete(TABLE);
    assert_eq!(deleted.status, 202);
    azure.pass(2_000);
    assert_eq!(azure.get(&header(&deleted, "azure-asyncoperation")).value()["status"], "Succeeded");
    assert_eq!(code(&azure.get(TABLE)), "ResourceNotFound");
    assert_eq!(azure.delete(TABLE).status, 204);
}

#[test]
fn a_failed_operation_is_undone() {
    let mut azure = Azure::with_table();
    azure.settle_route("a", "20.1.0.0/16");
    let failure = json!({"failOperation": {"code": "InternalServerError", "message": "An error occurred."}});
    fault(&mut azure, &failure);
    let accepted = azure.put_route("b", "20.2.0.0/16");
    assert_eq!(accepted.status, 201);
    assert_eq!(azure.route_names(), ["default", "a", "b"]);
    azure.pass(2_000);
    let status = azure.get(&header(&accepted, "azure-asyncoperation"));
    assert_eq!(
        status.value(),
        json!({"status": "Failed", "error": {"code": "InternalServerError", "message": "An error occurred.", "details": []}})
    );
    assert_eq!(azure.route_names(), ["default", "a"]);

    fault(&mut azure, &failure);
    azure.put(
        &format!("{TABLE}/routes/a"),
        &json!({"properties": {"addressPrefix": "20.1.0.0/16", "nextHopType": "None"}}),
    );
    azure.pass(2_000);
    assert_eq!(azure.get(&format!("{TABLE}/routes/a")).value()["properties"]["nextHopType"], "Internet");

    fault(&mut azure, &failure);
    azure.delete(&format!("{TABLE}/routes/a"));
    azure.pass(2_000);
    assert_eq!(azure.get(&format!("{TABLE}/routes/a")).value()["properties"]["provisioningState"], "Succeeded");
}

#[test]
fn a_lost_operation_was_carried_out() {
    let mut azure = Azure::with_table();
    fault(&mut azure, &json!("lostOperation"));
    let accepted = azure.put_route("b", "20.2.0.0/16");
    assert_eq!(azure.get(&header(&accepted, "azure-asyncoperation")).status, 404);
    azure.pass(2_000);
    assert_eq!(azure.get(&format!("{TABLE}/routes/b")).value()["properties"]["provisioningState"], "Succeeded");
}

#[test]
fn faults_answer_in_place_of_arm_or_keep_its_answer() {
    let mut azure = Azure::with_table();
    fault(
        &mut azure,
        &json!({"status": {"code": 500, "body": {"error": {"code": "InternalServerError"}}, "headers": {"retry-after": "1"}}}),
    );
    let answer = azure.put_route("a", "20.1.0.0/16");
    assert_eq!(
        (answer.status, code(&answer).as_str(), header(&answer, "retry-after").as_str()),
        (500, "InternalServerError", "1")
    );
    fault(&mut azure, &json!("html503"));
    let answer = azure.put_route("a", "20.1.0.0/16");
    assert!(answer.status == 503 && answer.text().starts_with("<!DOCTYPE html"));
    fault(&mut azure, &json!({"throttle": {"retryAfter": 10}}));
    let answer = azure.put_route("a", "20.1.0.0/16");
    assert_eq!(
        (answer.status, code(&answer).as_str(), header(&answer, "retry-after").as_str()),
        (429, "SubscriptionRequestsThrottled", "10")
    );
    assert!(message(&answer).starts_with("Number of 'write' requests for subscription "));
    fault(&mut azure, &json!("dropBefore"));
    assert_eq!(azure.put_route("a", "20.1.0.0/16").delivery, Delivery::Drop);
    assert_eq!(azure.route_names(), ["default"]);
    fault(&mut azure, &json!("withhold"));
    assert_eq!(azure.put_route("a", "20.1.0.0/16").delivery, Delivery::Withhold);
    assert_eq!(azure.route_names(), ["default", "a"]);
    let statuses: Vec<u16> =
        azure.world.log().iter().filter(|entry| entry.method == "PUT").map(|entry| entry.status).collect();
    assert_eq!(statuses, [500, 503, 429, 0, 201]);
}

#[test]
fn a_held_answer_is_the_real_one_and_is_due_when_its_key_is_released() {
    let mut azure = Azure::with_table();
    fault(&mut azure, &json!({"hold": {"key": "k"}}));
    let answer = azure.put_route("a", "20.1.0.0/16");
    assert_eq!((answer.status, &answer.delivery), (201, &Delivery::Held("k".to_owned())));
    assert_eq!(azure.route_names(), ["default", "a"], "it was carried out");
    azure.world.clear_faults();
    assert!(azure.world.poll_released("k", Waker::noop()).is_pending());
    azure.world.release_answers("k");
    assert!(azure.world.poll_released("k", Waker::noop()).is_ready());
}

#[test]
fn the_history_has_every_state() {
    let mut azure = Azure::with_table();
    azure.settle_route("a", "20.1.0.0/16");
    azure.world.put_resource(azure.now, &json!({"id": format!("{TABLE}/routes/foreign"), "properties": {"addressPrefix": "10.9.0.0/16", "nextHopType": "None"}})).unwrap();
    azure.delete(&format!("{TABLE}/routes/a"));
    azure.pass(5_000);
    azure.table();
    let entry = |entry: &HistoryEntry| format!("{}:{}", entry.name, entry.provisioning_state);
    let state = |state: &HistoryState| state.entries.iter().map(entry).collect::<Vec<_>>().join(" ");
    let states: Vec<String> = azure.world.history(&TABLE.to_uppercase()).iter().map(state).collect();
    assert_eq!(
        states,
        [
            "default:Succeeded",
            "default:Succeeded a:Updating",
            "default:Succeeded a:Succeeded",
            "default:Succeeded a:Succeeded foreign:Succeeded",
            "default:Succeeded a:Deleting foreign:Succeeded",
            "default:Succeeded foreign:Succeeded",
        ]
    );
    let last = azure.world.history(TABLE).pop().unwrap();
    assert_eq!(last.at, "2024-11-08T01:11:28.394Z", "the time when the operation ended, not when somebody looked");
}
