//! The log of reconciling: one line for each decision about a target, with its reasons as fields, and none while nothing
//! changes.
//!
//! Must not decide anything. What is said here is said to whoever reads logs; statuses are made elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::approval::{State, Word};
use crate::domain::intent::ObjectKey;
use crate::domain::outcome::{End, Failure, Outcome};
use crate::domain::plan::{HeldReason, Plan, Standing};
use crate::domain::resource_id::ResourceId;
use crate::store::World;
use crate::telemetry;

/// What a run came to, in the words of the log.
struct Line<'a> {
    message: &'static str,
    is_warning: bool,
    /// The short word for it, and the rest.
    reason: Option<&'a str>,
    why: Option<String>,
    correlation_id: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        let of_failure = |message, reason: &'a str, failure: &'a Failure| {
            let why = if reason == failure.code {
                format!("{}; {}", failure.message, failure.advice)
            } else {
                format!("{}: {}; {}", failure.code, failure.message, failure.advice)
            };
            let correlation_id = failure.correlation_id.as_deref();
            Self { message, is_warning: true, reason: Some(reason), why: Some(why), correlation_id }
        };
        match &outcome.end {
            End::Failed(failure) => of_failure("failed, will be tried again", &failure.code, failure),
            End::Blocked { reason, failure } => of_failure("blocked", reason.name(), failure),
            End::Waiting { why, .. } => {
                Self { message: "waits", is_warning: false, reason: None, why: Some(why.clone()), correlation_id: None }
            }
            End::Planned | End::Applied => Self::of_plan(&outcome.plan, !outcome.applied.is_empty()),
        }
    }

    fn of_plan(plan: &'a Plan, has_written: bool) -> Self {
        if let Some(blocked) = &plan.blocked {
            let (reason, why) = (Some(blocked.reason.name()), Some(blocked.message.clone()));
            return Self { message: "blocked", is_warning: true, reason, why, correlation_id: None };
        }
        let reason = needs_a_person(plan);
        Self {
            message: if has_written { "reconciled" } else { "nothing to write" },
            is_warning: plan.standing() == Standing::NeedsPerson,
            reason: reason.as_ref().map(|(reason, _)| *reason),
            why: reason.map(|(_, why)| why),
            correlation_id: None,
        }
    }
}

/// What of a plan needs a person, in the words of `BlockedReason` and `HeldReason`.
fn needs_a_person(plan: &Plan) -> Option<(&'static str, String)> {
    if let Some((network, why)) = plan.unresolved.first() {
        return Some(("Unresolved", format!("{network}: {why}")));
    }
    if let Some(conflict) = plan.conflicts.first() {
        return Some(("Conflict", format!("{}: {}", conflict.address, conflict.why)));
    }
    let waits = |reason: HeldReason| plan.held.iter().find(|held| held.reason == reason && !held.is_offer);
    let held = waits(HeldReason::Approval).or_else(|| waits(HeldReason::Growth))?;
    Some((held.reason.name(), held.why.clone()))
}

/// One line for a run that did something or ended otherwise than the last.
pub(super) fn decision(id: &ResourceId, outcome: &Outcome, before: Option<&Outcome>, restored: usize) {
    // That nothing is left after a write was said with the write.
    let is_done = |end: &End| matches!(end, End::Planned | End::Applied);
    let is_like = |before: &Outcome| {
        let ends_alike = before.end.is_like(&outcome.end) || (is_done(&before.end) && is_done(&outcome.end));
        ends_alike && before.plan == outcome.plan
    };
    if outcome.applied.is_empty() && before.is_some_and(is_like) {
        return;
    }
    let Line { message, is_warning, reason, why, correlation_id } = Line::of(outcome);
    let plan = &outcome.plan;
    let counts = plan.counts();
    let some = |count: usize| (count > 0).then_some(count);
    let texts = |texts: BTreeSet<String>| (!texts.is_empty()).then(|| texts.into_iter().collect::<Vec<_>>().join(","));
    macro_rules! say {
        ($level:ident) => {
            tracing::$level!(
                target_id = %id,
                reason,
                why,
                writes = some(outcome.writes()),
                restored = some(restored),
                add = some(counts.add),
                change = some(counts.change),
                remove = some(counts.remove),
                held = held(plan),
                until = plan.held.iter().filter_map(|held| held.until).min().map(|until| until.to_string()),
                conflicts = some(counts.conflicts),
                hash = plan.pending.as_ref().filter(|pending| !pending.is_approved).map(|p| p.hash.to_string()),
                approvals = texts(plan.pending.iter().flat_map(|pending| pending.approved_by.clone()).collect()),
                warnings = texts(plan.warnings.iter().map(|note| note.code.to_owned()).collect()),
                documents = texts(plan.documents.iter().map(|document| document.digest.to_string()).collect()),
                entries = some(plan.entries_now),
                limit = some(plan.entries_now).map(|_| plan.limits.entries),
                correlation_id,
                "{message}"
            )
        };
    }
    if is_warning { say!(warn) } else { say!(info) }
}

/// How many steps each guard holds, such as `Approval:2,Mode:7`.
fn held(plan: &Plan) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for held in &plan.held {
        *counts.entry(held.reason.name()).or_default() += 1;
    }
    let parts: Vec<String> = counts.into_iter().map(|(reason, count)| format!("{reason}:{count}")).collect();
    (!parts.is_empty()).then(|| parts.join(","))
}

/// Networks that went.
pub(super) fn networks(before: &World, now: &World) {
    for network in before.networks.keys().filter(|key| !now.networks.contains_key(*key)) {
        if !now.leaving.contains_key(network) {
            tracing::info!(%network, "an AmlNetwork is gone");
        }
    }
}

/// Networks that are left alone because of what they name.
pub(super) fn out_of_scope(network: &ObjectKey, why: &dyn std::fmt::Display) {
    tracing::warn!(%network, reason = "OutOfScope", %why, "left alone: it names something outside its scope");
}

/// What became of an approval.
pub(super) fn approval(word: &Word) {
    let (approval, state, why) = (&word.approval.id, word.state.name(), &word.message);
    let (subject, hash) = (&word.approval.subject, &word.approval.hash);
    match word.state {
        State::InForce => tracing::info!(%subject, approval, hash, state, why, "approved"),
        State::Used => tracing::info!(%subject, approval, hash, state, "an approval was used"),
        _ => tracing::warn!(%subject, approval, hash, state, why, "an approval changes nothing"),
    }
}

/// A write goes on without its line in the audit; the log has one.
pub(super) fn not_audited(id: &ResourceId, error: &dyn std::fmt::Display) {
    if telemetry::is_news("audit", id, &error) {
        tracing::error!(target_id = %id, %error, "the audit cannot be written");
    }
}

/// What could not be kept, once until it can or fails otherwise.
pub(super) fn kept(whom: &dyn ToString, error: Option<&dyn std::fmt::Display>) {
    const WHAT: &str = "memory";
    match error {
        None => {
            if telemetry::is_over(WHAT, whom) {
                tracing::info!(whom = whom.to_string(), "what is to be remembered is written again");
            }
        }
        Some(error) => {
            if telemetry::is_news(WHAT, whom, &error) {
                tracing::error!(whom = whom.to_string(), %error, "what is to be remembered cannot be written");
            }
        }
    }
}
