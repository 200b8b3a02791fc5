//! An answer that is held: the write is done, others are answered, and the client waits until a test releases it.

use super::{Server, TABLE, world};
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_held_answer_comes_when_its_key_is_released_and_no_sooner() {
    let server = Server::start(&world()).await;
    let fault = |key: &str| json!({"match": {"method": "PUT"}, "effect": {"hold": {"key": key}}});
    let release = |key: &str| server.control(Method::POST, "/release", Some(json!({"key": key})));
    assert_eq!(server.control(Method::POST, "/faults", Some(fault("one"))).await.status(), 200);
    let body = json!({"properties": {"addressPrefix": "20.1.0.0/16", "nextHopType": "Internet"}});
    let held = tokio::spawn(server.request(Method::PUT, &format!("{TABLE}/routes/a")).json(&body).send());
    let deadline = Instant::now() + Duration::from_secs(30);
    while server.get(&format!("{TABLE}/routes/a")).await.status() != StatusCode::OK {
        assert!(Instant::now() < deadline, "the write was not carried out");
    }
    assert_eq!(server.control(Method::DELETE, "/faults", None).await.status(), 204);
    assert_eq!(release("another").await.status(), 204);
    for _ in 0..50 {
        assert_eq!(server.get(TABLE).await.status(), StatusCode::OK, "others are answered");
    }
    assert!(!held.is_finished(), "{:?}", held.await);
    assert_eq!(release("one").await.status(), 204);
    let answer = held.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(server.settled(&answer).await["status"], "Succeeded");

    for key in ["another", "one"] {
        server.control(Method::POST, "/faults", Some(fault(key))).await;
        let answer = server.put_route("b", "20.2.0.0/16").await.unwrap();
        assert!(answer.status().is_success(), "{key} was released before");
        server.settled(&answer).await;
    }
    assert_eq!(server.control(Method::POST, "/release", Some(json!({"keys": []}))).await.status(), 400);
}
