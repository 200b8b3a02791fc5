//! What happened when a plan was applied, or that it was only made.
//!
//! A value like the plan itself: status, reports and exit codes are made from it. Must not hold secrets: messages of
//! ARM are carried with their code and correlation id, nothing else of the conversation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::approval::{self, Approval, Word};
use super::intent::ObjectKey;
use super::memory::TargetMemory;
use super::plan::{BlockedReason, Counts, Plan, Standing, Step};
use super::resource_id::TargetKind;

/// A refusal or failure of Azure, as a user is told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// ARM's code, or a word of ours where there is none (`NoAnswer`, `UnreadableAnswer`).
    pub code: String,
    pub message: String,
    /// What to do about it.
    pub advice: &'static str,
    pub correlation_id: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if !self.advice.is_empty() {
            write!(f, "; {}", self.advice)?;
        }
        if let Some(id) = &self.correlation_id {
            write!(f, " (correlation id {id})")?;
        }
        Ok(())
    }
}

/// A step that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub step: Step,
    pub correlation_id: Option<String>,
}

/// How the reconcile of one target ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Nothing was to be written, or nothing was asked to be.
    Planned,
    /// Every step was taken and read back.
    Applied,
    /// Somebody else's operation is under way, or we were asked to stop: the rest later.
    Waiting { why: String, seconds: Option<u64> },
    /// Azure refuses until a person does something.
    Blocked { reason: BlockedReason, failure: Failure },
    /// Something went wrong that may pass by itself.
    Failed(Failure),
}

impl End {
    /// The same but for what differs each time: correlation ids and the seconds that Azure names.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Waiting { .. }, Self::Waiting { .. }) => true,
            (Self::Failed(a), Self::Failed(b)) => a.code == b.code,
            (Self::Blocked { reason: a, failure: x }, Self::Blocked { reason: b, failure: y }) => {
                a == b && x.code == y.code
            }
            (a, b) => a == b,
        }
    }
}

/// The result for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What was left to do when it ended: after a complete application, an empty plan.
    pub plan: Plan,
    pub applied: Vec<Applied>,
    pub end: End,
    /// The generation of each contributor that this run has seen.
    pub seen: BTreeMap<ObjectKey, i64>,
    /// What is remembered of the target now.
    pub memory: TargetMemory,
}

impl Outcome {
    /// What is left in short; a target that Azure blocks counts as one.
    pub fn counts(&self) -> Counts {
        let counts = self.plan.counts();
        if matches!(self.end, End::Blocked { .. }) { Counts { blocked: 1, ..counts } } else { counts }
    }

    /// How many writes were sent for what was applied: one a step, or one for all steps of a body or a rule.
    pub fn writes(&self) -> usize {
        if self.plan.id.kind == TargetKind::RouteTable {
            return self.applied.len();
        }
        self.applied.iter().map(|applied| &applied.correlation_id).collect::<BTreeSet<_>>().len()
    }

    /// What is left, as an exit code says it. A failure of our own or Azure's is not among these.
    pub fn standing(&self) -> Standing {
        match self.end {
            End::Blocked { .. } => Standing::NeedsPerson,
            // Whatever made it stop, it is not known that nothing is left.
            End::Waiting { .. } => self.plan.standing().max(Standing::Changes),
            End::Planned | End::Applied | End::Failed(_) => self.plan.standing(),
        }
    }

    /// Whether the target was as it should be.
    pub fn found_nothing_to_do(&self) -> bool {
        let ended_well = matches!(self.end, End::Planned | End::Applied);
        ended_well && self.plan.blocked.is_none() && self.plan.steps.is_empty()
    }

    /// Whether it is not known what is left: it failed, or it never came to a plan.
    pub fn failed(&self) -> bool {
        match self.end {
            End::Failed(_) => true,
            End::Waiting { .. } => self.plan.steps.is_empty() && self.applied.is_empty(),
            End::Planned | End::Applied | End::Blocked { .. } => false,
        }
    }
}

/// What is to be said about the approvals of Networks, from all that was looked at.
pub fn words<'a>(
    approvals: &[Approval],
    networks: &BTreeSet<ObjectKey>,
    outcomes: impl IntoIterator<Item = &'a Outcome>,
    now: jiff::Timestamp,
) -> Vec<Word> {
    let seen: Vec<approval::Seen<'_>> =
        outcomes.into_iter().map(|outcome| approval::Seen { plan: &outcome.plan, memory: &outcome.memory }).collect();
    let is_forgotten = |approval: &&Approval| {
        approval.expires_at.checked_add(approval::FORGOTTEN_AFTER).is_ok_and(|forgotten| forgotten <= now)
    };
    let approvals = approvals.iter().filter(|approval| !is_forgotten(approval));
    approvals.filter_map(|approval| approval::word(approval, networks, &seen, now)).collect()
}
