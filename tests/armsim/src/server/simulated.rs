//! From HTTP to the model and back, the same for ARM, the login service and the download page; and the faults of a
//! connection, which only a server can commit.

use super::{Shared, listener::Connection, now};
use crate::model::{ApiRequest, ApiResponse, Delivery, Time, World};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request},
    http::{HeaderName, HeaderValue, StatusCode},
    response::Response,
};
use std::{future::poll_fn, sync::Arc};

pub(super) type Answer = fn(&mut World, Time, &ApiRequest) -> ApiResponse;

/// ARM takes at most 4 MiB.
const LARGEST_BODY: usize = 4 * 1024 * 1024;

pub(super) fn router(shared: Arc<Shared>, answer: Answer) -> Router {
    Router::new().fallback(move |ConnectInfo(connection): ConnectInfo<Connection>, request: Request| {
        let shared = Arc::clone(&shared);
        async move { handle(&shared, answer, &connection, request).await }
    })
}

pub(super) async fn handle(shared: &Shared, answer: Answer, connection: &Connection, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        let mut response = Response::new(Body::from("The request is too large."));
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return response;
    };
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let headers = parts.headers.iter();
    let request = ApiRequest {
        method: parts.method.to_string(),
        target: target.to_owned(),
        headers: headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: body.to_vec(),
    };
    let answered = {
        let mut world = shared.world();
        let logged = world.log().len();
        let answered = answer(&mut world, now(), &request);
        shared.write_log(&world, logged);
        answered
    };
    match &answered.delivery {
        Delivery::Answer => {}
        Delivery::After(latency) => tokio::time::sleep(*latency).await,
        Delivery::Drop => {
            connection.cut();
            return Response::new(Body::empty());
        }
        // The server drops this future when the client closes the connection.
        Delivery::Withhold => std::future::pending().await,
        Delivery::Held(key) => poll_fn(|context| shared.world().poll_released(key, context.waker())).await,
    }
    response(answered)
}

fn response(answered: ApiResponse) -> Response {
    let mut response = Response::new(Body::from(answered.body));
    *response.status_mut() = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answered.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
