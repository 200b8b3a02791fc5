//! Why an application ended before its end, and what follows from that.
//!
//! Must not call Azure.

use std::collections::{BTreeMap, BTreeSet};

use crate::azure::arm::ArmError;
use crate::azure::error::{Class, Refusal};
use crate::domain::attached::Attached;
use crate::domain::intent::{Mode, ObjectKey};
use crate::domain::outcome::{End, Failure};
use crate::domain::plan::{BlockedReason, TargetInput};
use crate::store::StoreError;

/// Why an application ended before its end.
pub(super) enum Stop {
    Arm(ArmError),
    Unreadable(String),
    /// A step was accepted, but what it wrote is not there.
    NotInEffect(String),
    /// What was done made more possible: the budget is a share of what stands, say.
    MoreToDo,
    /// Somebody changed the entry between the plan and its removal.
    Changed(String),
    /// What must be remembered before a removal cannot be.
    Forgetful(StoreError),
    /// What was asked for changed meanwhile.
    Halted,
    /// Something that changes together with the target is being changed.
    Busy(String),
    /// What has to be there first is not.
    NotYet(String),
    /// What uses the target is out of order after the write.
    AttachedFailed(Attached),
    TooManyGroups {
        firewall: String,
        groups: usize,
        most: usize,
    },
    /// It does not exist, and is not to be created as things stand.
    Missing {
        reason: BlockedReason,
        failure: Box<Failure>,
    },
}

impl Stop {
    /// Whether Azure has said that the write was not done.
    pub(super) fn says_that_nothing_came_about(&self) -> bool {
        match self {
            Self::Arm(ArmError::Refused(refusal)) => !refusal.leaves_it_open(),
            // What cannot be made into a request was not sent.
            Self::Forgetful(_) | Self::Unreadable(_) => true,
            _ => false,
        }
    }
}

impl From<ArmError> for Stop {
    fn from(error: ArmError) -> Self {
        Self::Arm(error)
    }
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Arm(ArmError::Stopped) => Self::Waiting {
                why: "amlnet was asked to stop, or leads no more; whoever runs next goes on from here".to_owned(),
                seconds: None,
            },
            Stop::Arm(ArmError::Refused(refusal)) => end_of(&refusal),
            Stop::Unreadable(message) => Self::Failed(Failure {
                code: "UnreadableAnswer".to_owned(),
                message,
                advice: "nothing was changed; it is tried again",
                correlation_id: None,
            }),
            Stop::NotInEffect(entry) => Self::Waiting {
                why: format!("{entry} was written but is not there; somebody else may write the same target"),
                seconds: Some(10),
            },
            Stop::Forgetful(error) => Self::Failed(Failure {
                code: "StateNotWritable".to_owned(),
                message: format!("nothing is removed that could not be remembered: {error}"),
                advice: "make room, or make the folder writable; it is tried again",
                correlation_id: None,
            }),
            Stop::MoreToDo => {
                Self::Waiting { why: "what was done made more possible; it goes on".to_owned(), seconds: Some(1) }
            }
            Stop::Halted => Self::Waiting {
                why: "what is asked for changed meanwhile; it is planned anew".to_owned(),
                seconds: Some(1),
            },
            Stop::Busy(why) => Self::Waiting { why, seconds: Some(10) },
            Stop::NotYet(why) => Self::Waiting { why, seconds: Some(5) },
            Stop::AttachedFailed(Attached { kind, name, .. }) => Self::Failed(Failure {
                code: "AttachedFailed".to_owned(),
                message: format!("the {kind} {name} changes with the target and is in state Failed after the write"),
                advice: "look at its activity log in Azure; writing it again unchanged often repairs it",
                correlation_id: None,
            }),
            Stop::TooManyGroups { firewall, groups, most } => Self::Blocked {
                reason: BlockedReason::Capacity,
                failure: Failure {
                    code: "TooManyIpGroups".to_owned(),
                    message: format!("the rules of firewall {firewall} name {groups} IP groups, {most} are supported"),
                    advice: "nothing is written; take groups out of its rules",
                    correlation_id: None,
                },
            },
            Stop::Missing { reason, failure } => Self::Blocked { reason, failure: *failure },
            Stop::Changed(entry) => Self::Waiting {
                why: format!("somebody changed {entry} meanwhile; it is planned anew"),
                seconds: Some(1),
            },
        }
    }
}

fn end_of(refusal: &Refusal) -> End {
    let failure = refusal.failure();
    let wait = refusal.retry_after.map(|wait| wait.as_secs().max(1));
    match refusal.class() {
        Class::Blocked(reason) => End::Blocked { reason, failure },
        Class::NotFound => End::Blocked { reason: BlockedReason::NotFound, failure },
        Class::Refused => End::Blocked { reason: BlockedReason::Refused, failure },
        Class::Busy => End::Waiting { why: failure.to_string(), seconds: wait.or(Some(30)) },
        Class::Throttled => End::Waiting { why: failure.to_string(), seconds: wait.or(Some(60)) },
        Class::Stale => End::Waiting { why: failure.to_string(), seconds: Some(2) },
        Class::Transient | Class::Unauthenticated => End::Failed(failure),
    }
}

/// A target that does not exist: where it may be created, or why it is not. Where nobody asks for it any more, there is
/// nothing left of it.
pub(super) fn missing(input: &TargetInput, refusal: &Refusal) -> Result<String, Stop> {
    let mut failure = Box::new(refusal.failure());
    // Whoever may not write has no say, unless nobody may.
    let may_write = |network: &ObjectKey| {
        input.contributions.iter().any(|c| c.network == *network && c.mode > Mode::Observe && !c.suspended)
    };
    let somebody_may = input.contributions.iter().any(|c| may_write(&c.network));
    let create: BTreeMap<&ObjectKey, &String> =
        input.create.iter().filter(|(network, _)| !somebody_may || may_write(network)).collect();
    let locations: BTreeSet<&String> = create.values().copied().collect();
    let mut locations = locations.into_iter();
    match (locations.next(), locations.next()) {
        // Without its resource group it cannot be created either.
        _ if !refusal.code.eq_ignore_ascii_case("ResourceNotFound") => {
            Err(Stop::Arm(ArmError::Refused(Box::new(refusal.clone()))))
        }
        (Some(location), None) => Ok(location.clone()),
        (None, _) if input.contributions.is_empty() => Ok(String::new()),
        (None, _) => {
            failure.advice = "create it, or let amlnet create it: write create: {location: …} beside its id";
            Err(Stop::Missing { reason: BlockedReason::NotFound, failure })
        }
        (Some(_), Some(_)) => {
            let wanted = create.iter().map(|(network, location)| format!("{network} wants {location}"));
            failure.message = format!("it does not exist, and {}", wanted.collect::<Vec<_>>().join(", "));
            failure.advice = "make them agree about create.location";
            Err(Stop::Missing { reason: BlockedReason::Conflict, failure })
        }
    }
}

/// Whether something is there that amlnet may not read, or is not there any more.
pub(super) fn is_hidden(error: &ArmError) -> bool {
    matches!(error, ArmError::Refused(refusal)
        if matches!(refusal.class(), Class::NotFound | Class::Blocked(BlockedReason::Forbidden)))
}

/// Whether a refusal says nothing about the other steps.
pub(super) fn is_about_one_entry(refusal: &Refusal) -> bool {
    let is_taken = ["RouteConflict", "SecurityRuleConflict"].iter().any(|code| refusal.code.eq_ignore_ascii_case(code));
    refusal.class() == Class::Refused || is_taken
}
