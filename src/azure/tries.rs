//! How often a request is repeated, and after how long: pure, by the class of its refusals.

use std::time::Duration;

use super::error::{Class, Refusal};

/// A wait that ARM names is kept, but not one longer than this.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Where a throttled subscription names no wait.
pub(super) const THROTTLED_WAIT: Duration = Duration::from_secs(10);
/// Where a busy resource names no wait.
const BUSY_WAIT: Duration = Duration::from_secs(30);

/// How often each class was met for one request.
#[derive(Debug, Default)]
pub(super) struct Tries {
    busy: u32,
    throttled: u32,
    transient: u32,
    unauthenticated: u32,
}

impl Tries {
    /// Only the login is repeated: for a removal, because what was read before it says nothing any more after a wait,
    /// and for reads that can be done without.
    pub(super) fn once() -> Self {
        Self { busy: u32::MAX, throttled: u32::MAX, transient: u32::MAX, unauthenticated: 0 }
    }

    /// How long to wait before the next try; `None`: give up.
    pub(super) fn next(&mut self, refusal: &Refusal) -> Option<Duration> {
        if refusal.class() == Class::Unauthenticated && refusal.status.is_none() {
            // No token could be had: the same question would get the same answer.
            return None;
        }
        let (count, most, default) = match refusal.class() {
            Class::Busy => (&mut self.busy, 20, BUSY_WAIT),
            Class::Throttled => (&mut self.throttled, 10, THROTTLED_WAIT),
            Class::Transient => (&mut self.transient, 4, Duration::from_secs(1)),
            Class::Unauthenticated => (&mut self.unauthenticated, 1, Duration::ZERO),
            Class::Stale | Class::NotFound | Class::Blocked(_) | Class::Refused => return None,
        };
        if *count >= most {
            return None;
        }
        let own = if refusal.class() == Class::Transient { default * 2_u32.pow(*count) } else { default };
        *count += 1;
        Some(refusal.retry_after.unwrap_or(own).min(LONGEST_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, code: &str, retry_after: Option<u64>) -> Refusal {
        Refusal {
            status: Some(status),
            code: code.into(),
            retry_after: retry_after.map(Duration::from_secs),
            method: "PUT".into(),
            path: "/x".into(),
            details: Vec::new(),
            message: String::new(),
            correlation_id: None,
            tried_before: false,
        }
    }

    #[test]
    fn waits_are_as_arm_names_them_and_end() {
        let mut tries = Tries::default();
        let busy = refusal(429, "RetryableErrorDueToAnotherOperation", Some(14));
        assert_eq!(tries.next(&busy), Some(Duration::from_secs(14)));
        assert_eq!(tries.next(&refusal(409, "AnotherOperationInProgress", None)), Some(BUSY_WAIT));
        let transient = refusal(503, "", None);
        let waits: Vec<Option<u64>> = (0..5).map(|_| tries.next(&transient).map(|wait| wait.as_secs())).collect();
        assert_eq!(waits, [Some(1), Some(2), Some(4), Some(8), None]);
        assert_eq!(tries.next(&refusal(429, "", Some(100_000))), Some(LONGEST_WAIT));
        let unauthenticated = refusal(401, "", None);
        assert_eq!([tries.next(&unauthenticated), tries.next(&unauthenticated)], [Some(Duration::ZERO), None]);
        assert_eq!(tries.next(&refusal(403, "AuthorizationFailed", None)), None);
        assert_eq!(tries.next(&refusal(412, "", None)), None);
    }
}
