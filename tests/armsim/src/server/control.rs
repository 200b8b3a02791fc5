//! The control interface of tests and the demonstration: plain HTTP and JSON. Changes the world behind everyone's back;
//! must never be reachable from beyond loopback.

use super::{Shared, now};
use crate::model::{
    arm_id::ArmPath,
    faults::Fault,
    log::{LogEntry, Server},
    settings::Settings,
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::sync::Arc;

type World = State<Arc<Shared>>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/publish", post(publish))
        .route("/faults", post(add_faults).delete(clear_faults))
        .route("/release", post(release))
        .route("/resource", get(get_resource).put(put_resource).delete(delete_resource))
        .route("/settings", get(get_settings).put(put_settings))
        .route("/log", get(log))
        .route("/history", get(history))
        .with_state(shared)
}

/// Why a request of a test was not carried out.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

fn bad(why: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, why.into())
}

/// A body that may be empty and need not be declared as JSON.
fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    let bytes: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))
}

async fn publish(State(shared): World, body: Bytes) -> Result<Response, Refusal> {
    let ask = read(&body)?;
    match shared.world().publish(now(), &ask) {
        Ok(published) => Ok(Json(published).into_response()),
        Err(why) => Err(Refusal(StatusCode::CONFLICT, why)),
    }
}

async fn add_faults(State(shared): World, body: Bytes) -> Result<Response, Refusal> {
    let faults: Vec<Fault> = match read::<Value>(&body)? {
        Value::Array(faults) => faults.into_iter().map(serde_json::from_value).collect(),
        fault => serde_json::from_value(fault).map(|fault| vec![fault]),
    }
    .map_err(|error| bad(error.to_string()))?;
    let added = faults.len();
    let mut world = shared.world();
    for fault in faults {
        world.add_fault(fault);
    }
    Ok(Json(json!({"added": added})).into_response())
}

async fn clear_faults(State(shared): World) -> StatusCode {
    shared.world().clear_faults();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    key: String,
}

async fn release(State(shared): World, body: Bytes) -> Result<StatusCode, Refusal> {
    let Release { key } = read(&body)?;
    shared.world().release_answers(&key);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct ById {
    id: String,
}

async fn get_resource(State(shared): World, Query(ById { id }): Query<ById>) -> Response {
    resource(&shared, &id)
}

fn resource(shared: &Shared, id: &str) -> Response {
    let answered = shared.world().get_resource(now(), id).unwrap_or_else(|error| error.response());
    let status = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, "application/json")], answered.body).into_response()
}

async fn put_resource(State(shared): World, body: Bytes) -> Result<Response, Refusal> {
    let value: Value = read(&body)?;
    let placed = shared.world().put_resource(now(), &value);
    if let Err(error) = placed {
        return Err(bad(error.response().text()));
    }
    Ok(resource(&shared, value.get("id").and_then(Value::as_str).unwrap_or_default()))
}

async fn delete_resource(State(shared): World, Query(ById { id }): Query<ById>) -> Response {
    if shared.world().delete_resource(now(), &id) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        Refusal(
            StatusCode::NOT_FOUND,
            "there is no such route table, route, security group, rule, IP group, firewall, policy, rule collection group or \
             lock"
                .to_owned(),
        )
        .into_response()
    }
}

async fn get_settings(State(shared): World) -> Json<Settings> {
    Json(shared.world().settings().clone())
}

async fn put_settings(State(shared): World, body: Bytes) -> Result<Json<Settings>, Refusal> {
    let change: Value = read(&body)?;
    let mut world = shared.world();
    let settings = world.settings().changed(&change).map_err(|error| bad(error.to_string()))?;
    world.set_settings(settings.clone());
    Ok(Json(settings))
}

#[derive(Deserialize)]
struct OfServer {
    server: Option<String>,
}

/// ARM's requests, unless `server` says `login`, `downloadPage`, `metadata` or `all`.
async fn log(
    State(shared): World,
    Query(OfServer { server }): Query<OfServer>,
) -> Result<Json<Vec<LogEntry>>, Refusal> {
    let wanted = match server.as_deref() {
        None | Some("arm") => Some(Server::Arm),
        Some("login") => Some(Server::Login),
        Some("downloadPage") => Some(Server::DownloadPage),
        Some("metadata") => Some(Server::Metadata),
        Some("all") => None,
        Some(other) => {
            return Err(bad(format!("there is no server '{other}'")));
        }
    };
    let world = shared.world();
    let is_wanted = |entry: &&LogEntry| wanted.is_none_or(|wanted| entry.server == wanted);
    Ok(Json(world.log().iter().filter(is_wanted).cloned().collect()))
}

async fn history(State(shared): World, Query(ById { id }): Query<ById>) -> Response {
    let mut world = shared.world();
    world.advance(now());
    if matches!(ArmPath::parse(&id), ArmPath::IpGroup(_)) {
        return Json(world.address_history(&id)).into_response();
    }
    if matches!(ArmPath::parse(&id), ArmPath::RuleCollectionGroup(..)) {
        return Json(world.rule_history(&id)).into_response();
    }
    if matches!(ArmPath::parse(&id), ArmPath::SecurityGroup(_)) {
        return Json(world.security_history(&id)).into_response();
    }
    Json(world.history(&id)).into_response()
}
