//! One target from what it is to what it should be: gather → plan → guard → apply → read back.
//!
//! All I/O is in the calls on `arm`. A crash between any two of them leaves a state that the next run finishes.

use std::collections::BTreeMap;

use crate::azure::arm::{Arm, ArmError};
use crate::azure::error::{Class, Refusal};
use crate::azure::fence::Fence;
use crate::azure::kind::{self, Kind};
use crate::domain::effect;
use crate::domain::guard::{self, Situation};
use crate::domain::intent::ObjectKey;
use crate::domain::outcome::{Applied, End, Failure, Outcome};
use crate::domain::plan::{Action, BlockedReason, Limits, Observed, Plan, Step, TargetInput, entries};
use crate::domain::resolve::Note;
use crate::domain::resource_id::ResourceId;

/// Told of each step that was taken, for whoever shows progress.
pub trait Progress: Send + Sync + std::fmt::Debug {
    fn started(&self, id: &ResourceId, steps: usize);
    fn taken(&self, id: &ResourceId, step: &Step);
}

/// Whether a reconcile writes.
#[derive(Debug, Clone, Copy)]
pub enum Intention<'a> {
    Plan,
    Apply {
        progress: &'a dyn Progress,
        /// Where a person said yes to a plan: the steps that were shown. Others are not taken.
        shown: Option<&'a [Step]>,
    },
}

/// Brings one target into its desired state, as far as the guards allow.
pub async fn reconcile(input: &TargetInput, arm: &Arm, fence: &Fence, intention: Intention<'_>) -> Outcome {
    let kind = kind::of(input.id.kind);
    let gathered = match gather(input, arm, fence, kind).await {
        Ok(gathered) => gathered,
        Err(error) => return stopped_at_once(input, error),
    };
    let plan = decide(input, &gathered);
    let planned = Outcome { plan, applied: Vec::new(), end: End::Planned, seen: seen(input) };
    let Intention::Apply { progress, shown } = intention else {
        return planned;
    };
    if planned.plan.blocked.is_some() || planned.plan.steps.is_empty() {
        return planned;
    }
    if shown.is_some_and(|shown| planned.plan.steps.iter().any(|step| !shown.contains(step))) {
        let why = "the table or the document changed since the plan was shown; look at it again".to_owned();
        return Outcome { end: End::Waiting { why, seconds: None }, ..planned };
    }
    if gathered.observed.updating {
        let why = "another operation on the target is under way".to_owned();
        return Outcome { end: End::Waiting { why, seconds: Some(10) }, ..planned };
    }
    progress.started(&input.id, planned.plan.steps.len());
    let mut applied = Vec::new();
    let taken = take_steps(&planned.plan, input, arm, fence, kind, progress, &mut applied).await;
    if let Err(stop) = taken {
        let is_taken = |step: &Step| applied.iter().any(|applied| applied.step == *step);
        let steps = planned.plan.steps.iter().filter(|step| !is_taken(step)).cloned().collect();
        return Outcome { plan: Plan { steps, ..planned.plan }, applied, end: stop.into(), seen: seen(input) };
    }
    read_back(input, arm, fence, kind, applied, planned.plan).await
}

/// What is known about a target before anything is decided.
struct Gathered {
    observed: Observed,
    limits: Limits,
    notes: Vec<Note>,
}

async fn gather(input: &TargetInput, arm: &Arm, fence: &Fence, kind: &dyn Kind) -> Result<Gathered, Stop> {
    let observed = observe(input, arm, fence, kind).await?;
    tokio::select! {
        (limits, notes) = surroundings(input, arm, &observed) => Ok(Gathered { observed, limits, notes }),
        () = fence.fallen() => Err(ArmError::Stopped.into()),
    }
}

/// What is read once an hour: limits and ARM's own word about pairs.
async fn surroundings(input: &TargetInput, arm: &Arm, observed: &Observed) -> (Limits, Vec<Note>) {
    let (limits, refusal) = arm.limits(&input.id.subscription, &observed.location).await;
    let mut notes: Vec<Note> = refusal.into_iter().map(|refusal| limits_unknown(&refusal, limits)).collect();
    for wishes in input.contributions.iter().filter_map(|c| c.outcome.as_ref().ok()).filter(|w| w.pair_is_automatic) {
        if let Some(by_arm) = arm.paired_region(&input.id.subscription, wishes.region.as_str()).await {
            notes.extend(effect::pair_differs(wishes, &by_arm));
        }
    }
    (limits, notes)
}

fn limits_unknown(refusal: &Refusal, limits: Limits) -> Note {
    let code = refusal.failure().code;
    let message = format!("the limits cannot be read ({code}), so {} routes a table are assumed", limits.entries);
    Note { code: "LimitsUnknown", message }
}

async fn observe(input: &TargetInput, arm: &Arm, fence: &Fence, kind: &dyn Kind) -> Result<Observed, Stop> {
    let body = arm.read(&input.id, fence).await?;
    kind.observe(&input.id, &body).map_err(|error| Stop::Unreadable(error.to_string()))
}

/// The guarded plan. Pure.
fn decide(input: &TargetInput, gathered: &Gathered) -> Plan {
    let mut plan = entries::plan(input, &gathered.observed, gathered.limits);
    plan.warnings.extend(gathered.notes.iter().cloned());
    guard::guard(plan, Situation { input, observed: &gathered.observed })
}

async fn take_steps(
    plan: &Plan,
    input: &TargetInput,
    arm: &Arm,
    fence: &Fence,
    kind: &dyn Kind,
    progress: &dyn Progress,
    applied: &mut Vec<Applied>,
) -> Result<(), Stop> {
    let hash = plan.hash().to_string();
    let mut refused = None;
    for step in &plan.steps {
        if refused.is_some() && (step.is_default_route() || step.action == Action::Remove) {
            break;
        }
        if step.is_default_route() {
            everything_else_stands(input, arm, fence, kind, plan.limits).await?;
        }
        if step.action == Action::Remove {
            still_as_planned(step, input, arm, fence, kind).await?;
        }
        let operation = match arm.send(&kind.request(&input.id, step), fence).await {
            Ok(operation) => operation,
            // Azure dislikes this one; the other prefixes are needed all the same.
            Err(ArmError::Refused(refusal)) if is_about_one_entry(&refusal) => {
                refused.get_or_insert(Stop::Arm(ArmError::Refused(refusal)));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        audit(plan, input, step, &hash, operation.correlation_id.as_deref());
        arm.settle(&operation, fence).await?;
        progress.taken(&input.id, step);
        applied.push(Applied { step: step.clone(), correlation_id: operation.correlation_id });
        if applied.len() == 1 && plan.steps.len() > 1 {
            // The canary: what the first step did not do, the others will not do either.
            verify(&[step], input, arm, fence, kind).await?;
        }
    }
    refused.map_or(Ok(()), Err)
}

/// Whether a refusal says nothing about the other steps.
fn is_about_one_entry(refusal: &Refusal) -> bool {
    refusal.class() == Class::Refused || refusal.code.eq_ignore_ascii_case("RouteConflict")
}

/// Reads the target before the default route is written: whatever else is needed must stand, also what stood before and
/// somebody else took away meanwhile.
async fn everything_else_stands(
    input: &TargetInput,
    arm: &Arm,
    fence: &Fence,
    kind: &dyn Kind,
    limits: Limits,
) -> Result<(), Stop> {
    let observed = observe(input, arm, fence, kind).await?;
    let plan = decide(input, &Gathered { observed, limits, notes: Vec::new() });
    let is_needed = |step: &&Step| step.action != Action::Remove && !step.is_default_route();
    match plan.steps.iter().find(is_needed) {
        Some(step) => Err(Stop::NotInEffect(step.entry.clone())),
        None => Ok(()),
    }
}

/// Reads the target and checks that these steps are in effect.
async fn verify(steps: &[&Step], input: &TargetInput, arm: &Arm, fence: &Fence, kind: &dyn Kind) -> Result<(), Stop> {
    if steps.is_empty() {
        return Ok(());
    }
    let observed = observe(input, arm, fence, kind).await?;
    match steps.iter().find(|step| !in_effect(step, &observed)) {
        Some(step) => Err(Stop::NotInEffect(step.entry.clone())),
        None => Ok(()),
    }
}

fn in_effect(step: &Step, observed: &Observed) -> bool {
    let entry = observed.entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(&step.entry));
    match (&step.next_hop, entry) {
        (Some(hop), Some(entry)) => entry.address == step.address && entry.next_hop == *hop && !entry.failed,
        (None, None) => true,
        _ => false,
    }
}

/// Reads an entry again before it is removed: it must be what the plan saw.
async fn still_as_planned(
    step: &Step,
    input: &TargetInput,
    arm: &Arm,
    fence: &Fence,
    kind: &dyn Kind,
) -> Result<(), Stop> {
    let Some(route) = arm.read_route(&input.id, &step.entry, fence).await? else {
        return Ok(());
    };
    // A child route has the shape of an element of its table's list.
    let table = serde_json::json!({"location": "", "properties": {"routes": [route]}});
    let observed = kind.observe(&input.id, &table).map_err(|error| Stop::Unreadable(error.to_string()))?;
    let now = observed.entries.first().map(|entry| (entry.address.clone(), entry.next_hop.clone()));
    if now == step.before { Ok(()) } else { Err(Stop::Changed(step.entry.clone())) }
}

/// Reads the target once more: what is left to do is what counts, not what was sent.
async fn read_back(
    input: &TargetInput,
    arm: &Arm,
    fence: &Fence,
    kind: &dyn Kind,
    applied: Vec<Applied>,
    before: Plan,
) -> Outcome {
    match gather(input, arm, fence, kind).await {
        Ok(gathered) => {
            let plan = decide(input, &gathered);
            let end = match plan.steps.first() {
                None => End::Applied,
                Some(step) => Stop::NotInEffect(step.entry.clone()).into(),
            };
            Outcome { plan, applied, end, seen: seen(input) }
        }
        Err(stop) => {
            Outcome { plan: Plan { steps: Vec::new(), ..before }, applied, end: stop.into(), seen: seen(input) }
        }
    }
}

/// One line a write, as soon as Azure has accepted it: enough to undo it by hand.
fn audit(plan: &Plan, input: &TargetInput, step: &Step, hash: &str, correlation_id: Option<&str>) {
    let list = |items: Vec<String>| items.join(",");
    tracing::info!(
        target: "amlnet::audit",
        target_id = %input.id,
        action = ?step.action,
        entry = step.entry,
        address = %step.address,
        before = step.before.as_ref().map(|(address, hop)| format!("{address} -> {hop}")),
        after = step.next_hop.as_ref().map(|hop| format!("{} -> {hop}", step.address)),
        contributors = list(input.contributions.iter().map(|c| c.network.to_string()).collect()),
        documents = list(plan.documents.iter().map(|document| document.digest.to_string()).collect()),
        plan = hash,
        correlation_id,
        "wrote"
    );
}

/// Why an application ended before its end.
enum Stop {
    Arm(ArmError),
    Unreadable(String),
    /// A step was accepted, but what it wrote is not there.
    NotInEffect(String),
    /// Somebody changed the entry between the plan and its removal.
    Changed(String),
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
                why: "amlnet was asked to stop; the next run goes on from here".to_owned(),
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
                why: format!("{entry} was written but is not there; somebody else may write the same table"),
                seconds: Some(10),
            },
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

/// The target could not be looked at.
fn stopped_at_once(input: &TargetInput, stop: Stop) -> Outcome {
    let end: End = stop.into();
    let plan = match &end {
        End::Blocked { reason, failure } => Plan::blocked(input, *reason, failure.to_string()),
        _ => Plan::unknown(input),
    };
    Outcome { plan, applied: Vec::new(), end, seen: seen(input) }
}

fn seen(input: &TargetInput) -> BTreeMap<ObjectKey, i64> {
    input.contributions.iter().map(|contribution| (contribution.network.clone(), contribution.generation)).collect()
}
