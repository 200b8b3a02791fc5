//! The headers that every answer of ARM has, and how waiting times are told. Adds headers only.

use super::{http::ApiResponse, time::Time, world::World};
use std::{collections::BTreeMap, time::Duration};

/// What the global buckets of a subscription hold, as seen in 2025 and 2026.
const READS: u64 = 16_500;
const WRITES: u64 = 12_000;
/// ASSUMPTION: how fast they fill; 15 times what a principal's bucket gets, raised as the sizes were.
const READS_A_SECOND: u64 = 1_650;
const WRITES_A_SECOND: u64 = 600;

/// What is left of a subscription's requests. Counts and tells; nothing is refused yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Buckets(BTreeMap<(String, &'static str), (u64, Time)>);

impl Buckets {
    fn take(&mut self, now: Time, subscription: &str, kind: &'static str) -> u64 {
        let (size, rate) = if kind == "reads" { (READS, READS_A_SECOND) } else { (WRITES, WRITES_A_SECOND) };
        let (left, since) = self.0.entry((subscription.to_ascii_lowercase(), kind)).or_insert((size, now));
        let elapsed = now.millis().saturating_sub(since.millis());
        let filled = (*left + elapsed * rate / 1000).min(size);
        if filled > *left {
            *since = now;
        }
        *left = filled.saturating_sub(1);
        *left
    }
}

impl World {
    pub(super) fn add_standard_headers(
        &mut self,
        now: Time,
        method: &str,
        subscription: Option<&str>,
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
        let is_counted = response.header("x-ms-failure-cause") != Some("gateway");
        if let Some(subscription) = subscription.filter(|_| is_counted) {
            let kind = match method {
                "GET" | "HEAD" => "reads",
                "DELETE" => "deletes",
                _ => "writes",
            };
            let left = self.buckets.take(now, subscription, kind);
            response.set_header(&format!("x-ms-ratelimit-remaining-subscription-global-{kind}"), left.to_string());
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
