//! Metrics as the HTTP server asks for them, and who this process is.
//!
//! Must not measure anything by itself.

use bytes::Bytes;

use crate::domain::intent::Installation;
use crate::domain::service_tags::Cloud;
use crate::http;
use crate::metrics::{Metrics, Process};

/// Metrics of this process, which say who it is. `store` is `kubernetes` or `files`.
pub fn of_process(installation: &Installation, cloud: Cloud, store: &str, read_only: bool) -> Metrics {
    let metrics = Metrics::default();
    metrics.show_process(Process {
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("AMLNET_COMMIT").unwrap_or("unknown"),
        installation: installation.as_str(),
        cloud: &cloud.to_string(),
        store,
        read_only,
    });
    metrics
}

impl http::Figures for Metrics {
    fn text(&self) -> Bytes {
        Metrics::text(self)
    }

    fn answered(&self, path: &'static str, code: u16) {
        Metrics::answered(self, path, code);
    }
}
