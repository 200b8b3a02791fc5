//! The small HTTP server of every replica: is it alive, is it ready. Must not decide either, and changes nothing.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Whether this replica is ready, or what it still waits for.
pub type Readiness = Result<(), String>;

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, readiness: watch::Receiver<Readiness>) -> std::io::Result<()> {
    let router =
        Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(ready)).with_state(readiness);
    axum::serve(listener, router).await
}

async fn ready(State(readiness): State<watch::Receiver<Readiness>>) -> (StatusCode, String) {
    match &*readiness.borrow() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
