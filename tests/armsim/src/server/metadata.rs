//! The instance metadata service, as far as this part goes: it tells its versions and has no managed identity to offer.

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

pub(super) fn router() -> Router {
    Router::new().route("/metadata/versions", get(versions)).fallback(not_found)
}

async fn versions(headers: HeaderMap) -> Response {
    if headers.get("metadata").is_none_or(|value| !value.as_bytes().eq_ignore_ascii_case(b"true")) {
        let body = json!({"error": "Bad request. Required metadata header not specified"});
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    }
    Json(json!({"apiVersions": ["2018-02-01", "2019-08-01", "2021-02-01"]})).into_response()
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"error": "Not found"}))).into_response()
}
