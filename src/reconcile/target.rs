//! One target from what it is to what it should be: gather → plan → guard → apply → read back.
//!
//! All I/O is in the calls on `arm`. A crash between any two of them leaves a state that the next run finishes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::gather::{Gathered, Surroundings, gather, observe};
use super::places::Place;
use super::remember::remember;
use super::stop::{Stop, is_about_one_entry};
use super::whole;
use super::write::{find_open_write, write};
use crate::azure::arm::{Arm, ArmError};
use crate::azure::fence::Fence;
use crate::azure::{kind, measure};
use crate::domain::decision::{Basis, decide};
use crate::domain::guard::GROWTH_HIGH;
use crate::domain::intent::{ObjectKey, span};
use crate::domain::memory::TargetMemory;
use crate::domain::outcome::{Applied, End, Outcome};
use crate::domain::plan::{Action, HeldReason, Limits, Observed, Plan, Step, TargetInput, rules};
use crate::domain::resolve::Note;
use crate::domain::resource_id::{ResourceId, TargetKind};
use crate::store::Store;

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

/// The time that guards and audit go by: the machine's, or one that stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock(pub Option<Timestamp>);

/// A clock that differs from Azure's by more than this does not count.
const CLOCKS_AGREE: SignedDuration = SignedDuration::from_mins(5);

impl Clock {
    pub fn now(self) -> Timestamp {
        self.0.unwrap_or_else(Timestamp::now)
    }

    /// The time where Azure's clock is `ahead` of this machine's: a clock that jumps must not end a hold, or begin one
    /// in the past.
    fn now_by(self, ahead: SignedDuration) -> (Timestamp, Option<Note>) {
        let now = self.now();
        if self.0.is_some() || ahead.abs() <= CLOCKS_AGREE {
            return (now, None);
        }
        let by_azure = now.checked_add(ahead).unwrap_or(now);
        let (minutes, where_to) = (ahead.abs().as_mins(), if ahead.is_positive() { "behind" } else { "ahead of" });
        // In steps, so that the same difference gives the same words.
        let minutes = if minutes < 2880 { minutes / 10 * 10 } else { minutes / 1440 * 1440 };
        let about = span(u64::try_from(minutes * 60).unwrap_or_default());
        let message = format!("this machine's clock is about {about} {where_to} Azure's, which counts; set it right");
        (by_azure, Some(Note { code: "ClockDiffers", message }))
    }
}

impl Bench<'_> {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now_by(self.arm.ahead()).0
    }

    /// Waits for something that may take long. After `patience` other targets are worked on meanwhile.
    pub(super) async fn leave_for<T>(&self, patience: Duration, what: impl Future<Output = T>) -> T {
        match self.place {
            Some(place) => place.leave_for(patience, what).await,
            None => what.await,
        }
    }
}

/// Ends an application after the step in flight: what was asked for has changed.
#[derive(Debug, Clone, Default)]
pub struct Halt(Arc<watch::Sender<bool>>);

impl Halt {
    pub fn pull(&self) {
        self.0.send_replace(true);
    }

    pub(super) fn is_pulled(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is pulled.
    pub(super) async fn pulled(&self) {
        // There is an end only when it is pulled: this is one of those who could.
        let _ = self.0.subscribe().wait_for(|pulled| *pulled).await;
    }
}

/// What a reconcile works with.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    pub arm: &'a Arm,
    pub store: &'a dyn Store,
    pub fence: &'a Fence,
    pub halt: &'a Halt,
    /// Taken while it works, and left to others while it only waits; `None` where nobody else waits for one.
    pub place: Option<&'a Place>,
    pub clock: Clock,
}

impl std::fmt::Debug for Bench<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// Brings one target into its desired state, as far as the guards allow.
pub async fn reconcile(input: &TargetInput, bench: Bench<'_>, intention: Intention<'_>) -> Outcome {
    let Bench { store, clock, arm, .. } = bench;
    let remembered = store.memory(&input.id);
    let mut gathered = match Box::pin(gather_at_rest(input, bench)).await {
        Ok(gathered) => gathered,
        Err(error) => {
            if matches!(intention, Intention::Apply { .. }) && remembered.lost_at.is_some() {
                // Whatever was lost is lost until the target was looked at.
                remember(bench, input, &remembered, false).await;
            }
            return stopped_at_once(input, remembered, error);
        }
    };
    let (now, differs) = clock.now_by(arm.ahead());
    gathered.notes.extend(differs);
    let (approvals, _) = store.approvals();
    let basis = Basis { remembered: &remembered, approvals: &approvals, now };
    let (mut plan, mut memory) = decided(input, &gathered, basis);
    if plan.blocked.is_some() && input.id.kind == TargetKind::RuleCollectionGroup {
        // What others have in the policy may be known from an hour ago.
        if let Ok(anew) = Box::pin(gather(input, bench, Surroundings::Anew)).await {
            gathered = Gathered { notes: gathered.notes, ..anew };
            (plan, memory) = decided(input, &gathered, basis);
        }
    }
    let outcome = |plan, applied, end, memory| Outcome { plan, applied, end, seen: seen(input), memory };
    let Intention::Apply { progress, shown } = intention else {
        return outcome(plan, Vec::new(), End::Planned, memory);
    };
    find_open_write(input, &gathered.observed, bench).await;
    // Whoever is forgotten in a crash after a write would be nobody whose entries have to stay.
    remember(bench, input, &memory, memory != remembered && !plan.steps.is_empty()).await;
    if memory.unsettled && plan.steps.is_empty() {
        if let Err(stop) = whole::settle(&gathered.observed, bench, &mut memory).await {
            return outcome(plan, Vec::new(), stop.into(), memory);
        }
        remember(bench, input, &memory, false).await;
        if gathered.observed.updating {
            let why = "a write of an earlier run has ended meanwhile; what came of it is looked at".to_owned();
            return outcome(plan, Vec::new(), End::Waiting { why, seconds: Some(1) }, memory);
        }
    }
    if plan.blocked.is_some() || plan.steps.is_empty() {
        let end = awaited(&plan, &gathered.observed).map_or(End::Planned, End::from);
        return outcome(plan, Vec::new(), end, memory);
    }
    if shown.is_some_and(|shown| plan.steps.iter().any(|step| !shown.contains(step))) {
        let why = "the target or the document changed since the plan was shown; look at it again".to_owned();
        return outcome(plan, Vec::new(), End::Waiting { why, seconds: None }, memory);
    }
    if gathered.observed.updating {
        let why = "another operation on the target is under way".to_owned();
        return outcome(plan, Vec::new(), End::Waiting { why, seconds: Some(10) }, memory);
    }
    progress.started(&input.id, plan.steps.len());
    let mut applied = Vec::new();
    let course = Course { observed: &gathered.observed, progress, applied: &mut applied, memory: &mut memory };
    let taken = if input.id.kind.is_whole() {
        Box::pin(whole::take_all(&plan, input, bench, course)).await
    } else {
        match Box::pin(take_steps(&plan, input, bench, basis, course)).await {
            Err(Stop::Forgetful(error)) if input.id.kind == TargetKind::SecurityGroup => {
                let (applied, memory) = (&mut applied, &mut memory);
                let course = Course { observed: &gathered.observed, progress, applied, memory };
                let taken = Box::pin(take_what_comes(input, bench, basis, plan.limits, course)).await;
                taken.and(Err(Stop::Forgetful(error)))
            }
            taken => taken,
        }
    };
    remember(bench, input, &memory, false).await;
    if let Err(stop) = taken {
        let is_taken = |step: &Step| applied.iter().any(|applied: &Applied| applied.step == *step);
        let steps = plan.steps.iter().filter(|step| !is_taken(step)).cloned().collect();
        return outcome(Plan { steps, ..plan }, applied, stop.into(), memory);
    }
    read_back(input, bench, applied, plan, memory).await
}

/// What an application goes by, and what comes of it.
pub(super) struct Course<'a> {
    /// What stood in the target when the plan was made.
    pub(super) observed: &'a Observed,
    pub(super) progress: &'a dyn Progress,
    pub(super) applied: &'a mut Vec<Applied>,
    pub(super) memory: &'a mut TargetMemory,
}

/// Gathers; where the target changes with a write of this process, again after its end.
async fn gather_at_rest(input: &TargetInput, bench: Bench<'_>) -> Result<Gathered, Stop> {
    let key = input.id.to_string();
    loop {
        let gathered = gather(input, bench, Surroundings::Known).await?;
        if !gathered.observed.updating {
            return Ok(gathered);
        }
        let end = async {
            tokio::select! {
                was_held = bench.arm.locks().wait_while_held(&key) => Ok(was_held),
                () = bench.halt.pulled() => Err(Stop::Halted),
                () = bench.fence.fallen() => Err(ArmError::Stopped.into()),
            }
        };
        let started = Instant::now();
        let was_held = bench.leave_for(Duration::ZERO, end).await?;
        if !was_held {
            return Ok(gathered);
        }
        bench.arm.metrics().waited_for_lock(measure::kind_of_target(input.id.kind), started.elapsed());
    }
}

/// Of a security rule, what comes and what goes is one write. Where removals cannot be counted nothing is taken away; what
/// is needed comes all the same.
async fn take_what_comes(
    input: &TargetInput,
    bench: Bench<'_>,
    basis: Basis<'_>,
    limits: Limits,
    Course { progress, applied, memory, .. }: Course<'_>,
) -> Result<(), Stop> {
    let observed = observe(input, bench, Surroundings::Known).await?;
    let (plan, _) = decide(input, &observed, limits, &[], basis);
    let course = Course { observed: &observed, progress, applied, memory };
    take_steps(&without_removals(&plan), input, bench, basis, course).await
}

/// What of a plan only adds and changes.
pub(super) fn without_removals(plan: &Plan) -> Plan {
    let steps = plan.steps.iter().filter(|step| step.action != Action::Remove).cloned().collect();
    Plan { steps, ..plan.clone() }
}

fn decided(input: &TargetInput, gathered: &Gathered, basis: Basis<'_>) -> (Plan, TargetMemory) {
    decide(input, &gathered.observed, gathered.limits, &gathered.notes, basis)
}

async fn take_steps(
    plan: &Plan,
    input: &TargetInput,
    bench: Bench<'_>,
    basis: Basis<'_>,
    course: Course<'_>,
) -> Result<(), Stop> {
    let Course { observed, progress, applied, memory } = course;
    let (mut refused, mut refused_rules) = (None, BTreeSet::new());
    let requests = requests(plan, input, observed)?;
    let several = requests.len() > 1;
    let mut counted: BTreeSet<String> = BTreeSet::new();
    for (number, request) in requests.iter().enumerate() {
        let is_default_route = request.steps.iter().any(Step::is_default_route);
        let removals: Vec<&Step> = request.steps.iter().filter(|step| step.action == Action::Remove).collect();
        if refused.is_some() && (is_default_route || needs_the_refused(request, &refused_rules)) {
            continue;
        }
        if bench.halt.is_pulled() {
            return Err(Stop::Halted);
        }
        if is_default_route {
            everything_else_stands(input, bench, basis, plan.limits).await?;
        }
        if !removals.is_empty() {
            still_as_planned(request, input, observed, bench).await?;
            if bench.halt.is_pulled() {
                return Err(Stop::Halted);
            }
        }
        // What is taken from several rules is counted with the first of them.
        let is_new = |step: &&&Step| !counted.contains(&step.address.subject());
        let spent: Vec<&Step> = removals.iter().filter(is_new).copied().collect();
        if !spent.is_empty() {
            spend(&spent, input, bench, memory).await?;
            counted.extend(spent.iter().map(|step| step.address.subject()));
        }
        if bench.halt.is_pulled() && is_default_route {
            return Err(Stop::Halted);
        }
        let operation = match write(plan, input, request, bench).await {
            Ok(operation) => operation,
            Err(stop) => {
                if stop.says_that_nothing_came_about() {
                    memory.uncount_removals(&spent);
                }
                match stop {
                    // Azure dislikes this one; the other prefixes are needed all the same.
                    // But where an earlier try may have gone through, the target is looked at first.
                    Stop::Arm(ArmError::Refused(refusal))
                        if is_about_one_entry(&refusal) && !refusal.leaves_it_open() =>
                    {
                        refused.get_or_insert(Stop::Arm(ArmError::Refused(refusal)));
                        refused_rules.extend(rules(request));
                        continue;
                    }
                    stop => return Err(stop),
                }
            }
        };
        let is_last = |step: &Step| !requests[number + 1..].iter().any(|later| later.steps.contains(step));
        let mut taken = Vec::new();
        for step in request.steps.iter().filter(|step| is_last(step)) {
            memory.wrote(step);
            progress.taken(&input.id, step);
            applied.push(Applied { step: step.clone(), correlation_id: operation.clone() });
            taken.push(step);
        }
        if number == 0 && several {
            // The canary: what the first step did not do, the others will not do either.
            verify(&taken, input, bench).await?;
        }
    }
    refused.map_or(Ok(()), Err)
}

/// Whether a request takes something away that may have to stay where another one was refused. What a rule loses while
/// it gains something is another matter, unless part of the same rule was refused.
fn needs_the_refused(request: &kind::Request, refused_rules: &BTreeSet<String>) -> bool {
    let takes = |step: &Step| step.action == Action::Remove;
    request.steps.iter().any(takes)
        && (request.steps.iter().all(takes) || rules(request).any(|rule| refused_rules.contains(&rule)))
}

/// The rules that a request is about, in lower case.
fn rules(request: &kind::Request) -> impl Iterator<Item = String> + '_ {
    request.steps.iter().filter_map(|step| Some(step.address.part()?.rule.to_ascii_lowercase()))
}

/// What is to be sent for a plan's steps.
pub(super) fn requests(plan: &Plan, input: &TargetInput, observed: &Observed) -> Result<Vec<kind::Request>, Stop> {
    let requests = kind::of(input.id.kind).requests(input, &plan.steps, observed);
    requests.ok_or_else(|| Stop::Unreadable(format!("no such body of this {} is written", input.id.kind)))
}

/// Counts removals before they are sent: what a crash keeps from being counted would be allowed twice.
async fn spend(steps: &[&Step], input: &TargetInput, bench: Bench<'_>, memory: &mut TargetMemory) -> Result<(), Stop> {
    memory.count_removals(steps, bench.now());
    bench.store.remember(&input.id, memory.clone(), true).await.map_err(|error| {
        bench.arm.metrics().not_kept("Memory");
        memory.uncount_removals(steps);
        Stop::Forgetful(error)
    })
}

/// Reads the target before the default route is written: whatever else is needed must stand, also what stood before and
/// somebody else took away meanwhile.
async fn everything_else_stands(
    input: &TargetInput,
    bench: Bench<'_>,
    basis: Basis<'_>,
    limits: Limits,
) -> Result<(), Stop> {
    let observed = observe(input, bench, Surroundings::Known).await?;
    let (plan, _) = decide(input, &observed, limits, &[], basis);
    let is_needed = |step: &&Step| step.action != Action::Remove && !step.is_default_route();
    match plan.steps.iter().find(is_needed) {
        Some(step) => Err(Stop::NotInEffect(step.entry.clone())),
        None => Ok(()),
    }
}

/// Reads the target and checks that these steps are in effect.
async fn verify(steps: &[&Step], input: &TargetInput, bench: Bench<'_>) -> Result<(), Stop> {
    let observed = observe(input, bench, Surroundings::Known).await?;
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

/// Reads what is about to lose something again: it must be what the plan saw.
async fn still_as_planned(
    request: &kind::Request,
    input: &TargetInput,
    observed: &Observed,
    bench: Bench<'_>,
) -> Result<(), Stop> {
    if input.id.kind != TargetKind::RouteTable {
        let rule = |observed: &Observed| {
            let rules = observed.rules.as_ref()?;
            rules.ours.get(&request.write.entry().to_ascii_lowercase()).cloned()
        };
        let now = observe(input, bench, Surroundings::Known).await?;
        return if rule(&now) == rule(observed) {
            Ok(())
        } else {
            Err(Stop::Changed(request.write.entry().to_owned()))
        };
    }
    for step in &request.steps {
        let Some(route) = bench.arm.read_route(&input.id, &step.entry, bench.fence).await? else { continue };
        // A child route has the shape of an element of its table's list.
        let table = serde_json::json!({"location": "", "properties": {"routes": [route]}});
        let observed = kind::of(input.id.kind).observe(&input.id, &table);
        let observed = observed.map_err(|error| Stop::Unreadable(error.to_string()))?;
        let now = observed.entries.first().map(|entry| (entry.address.clone(), entry.next_hop.clone()));
        if now != step.before {
            return Err(Stop::Changed(step.entry.clone()));
        }
    }
    Ok(())
}

/// What has to be there before the rest of a plan can be done.
fn awaited(plan: &Plan, observed: &Observed) -> Option<Stop> {
    let why = plan
        .held
        .iter()
        .filter(|held| held.reason == HeldReason::Hold)
        .find_map(|held| Some((rules::not_ready(&held.step.address, observed)?, held.step.address.part()?)));
    why.map(|(why, part)| Stop::NotYet(format!("{why}, and rule {} is to name it", part.rule)))
}

/// Reads the target once more: what is left to do is what counts, not what was sent.
async fn read_back(
    input: &TargetInput,
    bench: Bench<'_>,
    applied: Vec<Applied>,
    before: Plan,
    memory: TargetMemory,
) -> Outcome {
    let (approvals, _) = bench.store.approvals();
    let basis = Basis { remembered: &memory, approvals: &approvals, now: bench.now() };
    match gather(input, bench, Surroundings::Known).await {
        Ok(gathered) => {
            let (mut plan, after) = decided(input, &gathered, basis);
            remember(bench, input, &after, false).await;
            // What is only warned of is done by now: nobody would hear of it.
            plan.warnings.extend(before.warnings.into_iter().filter(|note| note.code == GROWTH_HIGH));
            let was_sent = |step: &&Step| applied.iter().any(|applied| applied.step.line() == step.line());
            let end = match (plan.steps.iter().find(was_sent), plan.steps.first()) {
                (Some(step), _) => Stop::NotInEffect(step.entry.clone()).into(),
                (None, Some(_)) => Stop::MoreToDo.into(),
                (None, None) => awaited(&plan, &gathered.observed).map_or(End::Applied, End::from),
            };
            Outcome { plan, applied, end, seen: seen(input), memory: after }
        }
        Err(stop) => {
            let plan = Plan { steps: Vec::new(), ..before };
            Outcome { plan, applied, end: stop.into(), seen: seen(input), memory }
        }
    }
}

/// The target could not be looked at.
fn stopped_at_once(input: &TargetInput, memory: TargetMemory, stop: Stop) -> Outcome {
    let end: End = stop.into();
    let plan = match &end {
        End::Blocked { reason, failure } => Plan::blocked(input, *reason, failure.to_string()),
        _ => Plan::unknown(input),
    };
    Outcome { plan, applied: Vec::new(), end, seen: seen(input), memory }
}

fn seen(input: &TargetInput) -> BTreeMap<ObjectKey, i64> {
    input.contributions.iter().map(|contribution| (contribution.network.clone(), contribution.generation)).collect()
}
