//! The headers that every answer of ARM has, and how waiting times are told. Adds headers only.

use super::{
    http::ApiResponse,
    throttle::{Kind, Left},
    time::Time,
    world::World,
};
use std::time::Duration;

impl World {
    pub(super) fn add_standard_headers(
        &mut self,
        now: Time,
        left: Option<(Kind, Left)>,
        correlation: &str,
        response: &mut ApiResponse,
    ) {
        let request_id = self.random.uuid();
        for (name, value) in [
            ("cache-control", "no-cache"),
            ("pragma", "no-cache"),
            ("expires", "-1"),
            ("strict-transport-security", "max-age=31536000; includeSubDomains"),
            ("x-content-type-options", "nosniff"),
            ("x-cache", "CONFIG_NOCACHE"),
            ("x-ms-request-id", &request_id),
            ("x-ms-correlation-request-id", correlation),
            ("x-ms-routing-request-id", &format!("ARMSIM:{}:{request_id}", now.rfc3339())),
        ] {
            if response.header(name).is_none() {
                response.set_header(name, value);
            }
        }
        // Requests that the front end refuses do not count.
        if let Some((kind, left)) = left.filter(|_| response.header("x-ms-failure-cause") != Some("gateway")) {
            let kind = kind.name();
            response
                .set_header(&format!("x-ms-ratelimit-remaining-subscription-global-{kind}s"), left.global.to_string());
            if let Some(principal) = left.principal {
                response.set_header(&format!("x-ms-ratelimit-remaining-subscription-{kind}s"), principal.to_string());
            }
        }
    }

    /// In seconds where time runs as it does in Azure, else also in the milliseconds that clients of Azure obey.
    pub(super) fn set_retry_after(&self, response: &mut ApiResponse, seconds: u64) {
        let wait = self.scaled(Duration::from_secs(seconds));
        if wait == Duration::from_secs(seconds) {
            response.set_header("retry-after", seconds.to_string());
            return;
        }
        let millis = wait.as_millis().to_string();
        response.set_header("retry-after", ((wait.as_millis() + 500) / 1000).to_string());
        response.set_header("x-ms-retry-after-ms", millis.as_str());
        response.set_header("retry-after-ms", millis);
    }

    pub(super) fn scaled(&self, duration: Duration) -> Duration {
        duration.mul_f64(self.time_scale)
    }
}
