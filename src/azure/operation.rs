//! Long operations: what a write returns, and how its end is read.
//!
//! The network client's own poller drops error bodies, polls at once and fails on any answer that is not JSON, so we
//! poll ourselves. Must follow an operation's URL verbatim: it is signed (4.8 kB).

use std::time::Duration;

use serde_json::Value;

use super::error::{OPERATION_FAILED, Refusal, UNREADABLE};

/// A write that was accepted.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Where its state can be read; `None`: it is complete already.
    pub url: Option<url::Url>,
    /// How long to wait before the first look.
    pub first_wait: Option<Duration>,
    pub correlation_id: Option<String>,
    pub method: String,
    pub path: String,
    /// Whose budget of requests its polls count against.
    pub subscription: String,
    pub region: String,
}

/// What a poll says.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    Running,
    Succeeded,
    Failed(Refusal),
}

impl Operation {
    /// Reads the body of a poll. An answer that is no JSON is not a verdict: ARM once answered with a 503 page.
    pub fn progress(&self, body: &[u8]) -> Result<Progress, Refusal> {
        let json: Value = serde_json::from_slice(body).map_err(|error| self.refusal(UNREADABLE, error.to_string()))?;
        let Some(status) = json["status"].as_str() else {
            return Err(self.refusal(UNREADABLE, "the operation's answer has no status".to_owned()));
        };
        Ok(match status {
            "Succeeded" => Progress::Succeeded,
            "Failed" | "Canceled" => {
                let error = &json["error"];
                let code = error["code"].as_str().unwrap_or(OPERATION_FAILED);
                let message = error["message"].as_str().unwrap_or("the operation failed without a reason");
                let mut refusal = self.refusal(code, message.to_owned());
                refusal.details = error["details"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|detail| detail["code"].as_str().map(str::to_owned))
                    .collect();
                Progress::Failed(refusal)
            }
            _ => Progress::Running,
        })
    }

    pub(super) fn refusal(&self, code: &str, message: String) -> Refusal {
        Refusal {
            method: self.method.clone(),
            path: self.path.clone(),
            status: None,
            code: code.to_owned(),
            details: Vec::new(),
            message,
            retry_after: None,
            correlation_id: self.correlation_id.clone(),
            tried_before: false,
        }
    }
}

/// The wait before poll number `attempt` (from 0) where ARM names none: what its own back-off looks like.
pub fn default_wait(attempt: u32) -> Duration {
    Duration::from_secs([2, 5, 10, 20, 20, 40][attempt.min(5) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation() -> Operation {
        Operation {
            url: None,
            first_wait: None,
            correlation_id: Some("c".into()),
            method: "PUT".into(),
            path: "/routes/r".into(),
            subscription: "s".into(),
            region: "r".into(),
        }
    }

    #[test]
    fn a_poll_says_running_succeeded_or_why_it_failed() {
        let progress = |text: &str| operation().progress(text.as_bytes());
        assert_eq!(progress(r#"{"status":"InProgress"}"#).unwrap(), Progress::Running);
        assert_eq!(progress(r#"{"status":"Succeeded"}"#).unwrap(), Progress::Succeeded);
        let failed = progress(r#"{"status":"Failed","error":{"code":"RouteConflict","message":"no"}}"#).unwrap();
        let Progress::Failed(refusal) = failed else { panic!("not failed") };
        assert_eq!((refusal.code.as_str(), refusal.correlation_id.as_deref()), ("RouteConflict", Some("c")));
    }

    #[test]
    fn a_page_instead_of_json_is_no_verdict() {
        assert!(operation().progress(b"<!DOCTYPE html>").is_err());
        assert!(operation().progress(b"{}").is_err());
    }
}
