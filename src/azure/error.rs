//! What a refusal or failure of ARM means: one table, one test.
//!
//! Rows and their origin: docs/facts.md, "Refusals". Must not retry or wait: `arm` does what the class says.

use std::time::Duration;

use super::credential;
use crate::domain::outcome::Failure;
use crate::domain::plan::BlockedReason;
use crate::telemetry::reach;

/// What ARM answered when it did not do what was asked, or why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{method} {path}: {}{code}: {message}", .status.map(|s| format!("{s} ")).unwrap_or_default())]
pub struct Refusal {
    pub method: String,
    /// Without the query: an operation's URL is signed.
    pub path: String,
    /// `None`: there was no answer.
    pub status: Option<u16>,
    pub code: String,
    /// The codes in `error.details`: they tell a lock from throttling.
    pub details: Vec<String>,
    pub message: String,
    pub retry_after: Option<Duration>,
    pub correlation_id: Option<String>,
    /// Whether an earlier try of the same request may have come about.
    pub tried_before: bool,
}

/// What is to be done about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Another operation holds the resource: wait and try again. Not throttling.
    Busy,
    /// Too many requests: slow down the whole subscription.
    Throttled,
    /// May pass by itself: try again soon.
    Transient,
    /// The token was not taken: get a new one, once.
    Unauthenticated,
    /// The world is not as the plan assumed: read again and plan anew.
    Stale,
    NotFound,
    /// A person has to act.
    Blocked(BlockedReason),
    /// The request is wrong. It is reported, not repeated.
    Refused,
}

impl Class {
    /// In one word; of what blocks, the reason.
    pub fn name(self) -> &'static str {
        match self {
            Self::Busy => "Busy",
            Self::Throttled => "Throttled",
            Self::Transient => "Transient",
            Self::Unauthenticated => "Unauthenticated",
            Self::Stale => "Stale",
            Self::NotFound => "NotFound",
            Self::Blocked(reason) => reason.name(),
            Self::Refused => "Refused",
        }
    }
}

/// A row: status, the end or whole of the code (or of a code in the details; empty = any), the class, what to do.
struct Row {
    status: u16,
    code: &'static str,
    class: Class,
    advice: &'static str,
}

const fn row(status: u16, code: &'static str, class: Class, advice: &'static str) -> Row {
    Row { status, code, class, advice }
}

const SLOW: &str = "amlnet slows down by itself; other programs use the same subscription's budget";
const GRANT: &str = "grant amlnet's identity the role for this resource, then wait a few minutes";

/// The first row that fits counts. Codes are compared without case, `*` stands for any text.
const TABLE: &[Row] = &[
    row(
        429,
        "RetryableErrorDueToAnotherOperation",
        Class::Busy,
        "another operation holds the resource; it is tried again",
    ),
    row(
        429,
        "ReferencedResourceNotProvisioned",
        Class::Busy,
        "a resource that it refers to is being updated; it is tried again",
    ),
    row(409, "AnotherOperationInProgress", Class::Busy, "another operation holds the resource; it is tried again"),
    row(409, "*UpdateNotAllowedWhenUpdatingOrDeleting", Class::Busy, "its parent is being updated; it is tried again"),
    row(400, "*UpdateNotAllowedWhenUpdatingOrDeleting", Class::Busy, "its parent is being updated; it is tried again"),
    row(
        400,
        "ReferencedResourceNotProvisioned",
        Class::Busy,
        "a resource that it refers to is being updated; it is tried again",
    ),
    row(429, "", Class::Throttled, SLOW),
    row(401, "", Class::Unauthenticated, "Azure does not take the login; check its variables, see docs/azure.md"),
    row(
        403,
        "RequestDisallowedByPolicy",
        Class::Blocked(BlockedReason::Forbidden),
        "an Azure Policy forbids it; have the assignment changed or exempt the resource",
    ),
    row(403, "LinkedAuthorizationFailed", Class::Blocked(BlockedReason::Forbidden), GRANT),
    row(403, "AuthorizationFailed", Class::Blocked(BlockedReason::Forbidden), GRANT),
    row(403, "", Class::Blocked(BlockedReason::Forbidden), GRANT),
    row(409, "ScopeLocked", Class::Blocked(BlockedReason::Locked), "remove the lock, or wait until its owner does"),
    row(412, "", Class::Stale, "somebody else changed it meanwhile; it is read again"),
    row(400, "RouteConflict", Class::Stale, "somebody else added a route for the prefix; it is read again"),
    row(
        400,
        "SecurityRuleConflict",
        Class::Stale,
        "somebody else has a rule of this priority by now; it is read again, and another priority is taken",
    ),
    row(
        400,
        "AzureFirewallRuleInvalidIpAddressOrRangeFormat",
        Class::Refused,
        "the firewall does not know the service tag or the address; write addressing: Prefixes for the policy, or leave the \
         requirement out with exclude",
    ),
    row(
        400,
        "SecurityRuleInvalidAddressPrefix",
        Class::Refused,
        "security groups do not know the service tag here; leave the requirement out with exclude until they do",
    ),
    row(
        400,
        "InvalidResourceReference",
        Class::Refused,
        "what a rule names does not exist, or is in another region; check the ids in the spec",
    ),
    row(404, "", Class::NotFound, "check the id in the spec, and that the resource exists"),
    row(
        400,
        "*LimitReached",
        Class::Blocked(BlockedReason::Capacity),
        "remove entries of others, or have the limit raised",
    ),
    row(
        400,
        "*LimitExceeded",
        Class::Blocked(BlockedReason::Capacity),
        "remove entries of others, or have the limit raised",
    ),
    row(
        400,
        "QuotaExceeded",
        Class::Blocked(BlockedReason::Capacity),
        "remove entries of others, or have the limit raised",
    ),
    row(409, "", Class::Stale, "it is read again"),
    row(408, "", Class::Transient, "it is tried again"),
    row(500, "", Class::Transient, "it is tried again"),
    row(502, "", Class::Transient, "it is tried again"),
    row(503, "", Class::Transient, "it is tried again"),
    row(504, "", Class::Transient, "it is tried again"),
];

/// Codes of operations that were accepted and then failed.
const SUPERSEDED: &str = "CanceledAndSupersededDueToAnotherOperation";

/// Our own words where ARM gave no code.
pub const NO_ANSWER: &str = "NoAnswer";
pub const UNREADABLE: &str = "UnreadableAnswer";
pub const NO_TOKEN: &str = "NoToken";
pub const OPERATION_LOST: &str = "OperationLost";
pub const OPERATION_FAILED: &str = "OperationFailed";

impl Refusal {
    /// An operation that was accepted and then failed has no status: its code alone decides.
    fn row(&self) -> Option<&'static Row> {
        TABLE.iter().find(|row| match self.status {
            Some(status) => row.status == status && (row.code.is_empty() || self.has_code(row.code)),
            None => !row.code.is_empty() && self.has_code(row.code),
        })
    }

    fn has_code(&self, pattern: &str) -> bool {
        std::iter::once(&self.code).chain(&self.details).any(|code| match pattern.strip_prefix('*') {
            Some(end) => code.to_ascii_lowercase().ends_with(&end.to_ascii_lowercase()),
            None => code.eq_ignore_ascii_case(pattern),
        })
    }

    /// Whether what was asked for may have come about all the same.
    pub fn leaves_it_open(&self) -> bool {
        let is_open = match self.status {
            None => matches!(self.code.as_str(), NO_ANSWER | UNREADABLE | OPERATION_LOST),
            Some(status) => status == 408 || status >= 500 || self.code == UNREADABLE,
        };
        is_open || self.tried_before
    }

    pub fn class(&self) -> Class {
        match (self.row(), self.status, self.code.as_str()) {
            (Some(row), ..) => row.class,
            (None, None, NO_TOKEN) => Class::Unauthenticated,
            (None, None, OPERATION_LOST | SUPERSEDED) => Class::Stale,
            // Also an operation that failed with a code of its own, which the table does not know.
            (None, None | Some(500..), _) => Class::Transient,
            (None, Some(_), _) => Class::Refused,
        }
    }

    /// As a user is told it.
    pub fn failure(&self) -> Failure {
        let advice = self.row().map_or("", |row| row.advice);
        let advice = match (advice, self.code.as_str()) {
            ("", NO_ANSWER) => reach::advice(&self.message)
                .unwrap_or("check the network, the proxy and --arm-endpoint; it is tried again"),
            ("", NO_TOKEN) => credential::advice(&self.message)
                .or_else(|| reach::advice(&self.message))
                .unwrap_or("set the variables of a login, or log in with az; see docs/azure.md"),
            ("", UNREADABLE) => "something between amlnet and Azure answered instead; it is tried again",
            ("", OPERATION_LOST | SUPERSEDED) => "it is read again",
            ("", _) if self.class() == Class::Refused => {
                "amlnet asked for something that Azure does not take; please report it"
            }
            ("", _) => "it is tried again",
            (advice, _) => advice,
        };
        Failure {
            code: if self.code.is_empty() {
                self.status.map_or(NO_ANSWER.into(), |s| format!("HTTP {s}"))
            } else {
                self.code.clone()
            },
            message: format!("{} {}: {}", self.method, self.path, self.message),
            advice,
            correlation_id: self.correlation_id.clone(),
        }
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
