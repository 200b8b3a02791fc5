//! The metadata service on plain HTTP, as on a virtual machine. What it answers is the model's.

use super::{Shared, listener::Connection, simulated};
use crate::model::World;
use axum::{Router, extract::Request};
use std::sync::Arc;

/// A fault that cuts a connection is an empty answer here: there is no TLS under which it could be cut.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(move |request: Request| {
        let shared = Arc::clone(&shared);
        async move { simulated::handle(&shared, World::handle_metadata, &Connection::default(), request).await }
    })
}
