//! All targets once: what `plan`, `apply` and `run --once` do.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::places::Places;
use super::target::{self, Bench, Intention, Progress};
use crate::domain::outcome::{End, Outcome};
use crate::domain::plan::{Step, TargetInput};
use crate::domain::resource_id::ResourceId;

/// Targets at work at the same time, those that only wait for Azure not counted. Writes to one table are serial; unrelated
/// tables do not wait for each other.
pub const WORKERS: usize = 32;
/// How often a target that has to wait is tried again before it is reported as it stands.
const TRIES: usize = 5;
/// The longest wait between two tries.
const LONGEST_WAIT: u64 = 60;

/// Plans all targets.
pub async fn plan(inputs: &BTreeMap<ResourceId, TargetInput>, bench: Bench<'_>) -> BTreeMap<ResourceId, Outcome> {
    let work =
        inputs.iter().map(async |(id, input)| (id.clone(), target::reconcile(input, bench, Intention::Plan).await));
    futures::stream::iter(work).buffer_unordered(WORKERS).collect().await
}

/// Applies all targets; with `shown`, only the steps that a person has seen.
pub async fn apply(
    inputs: &BTreeMap<ResourceId, TargetInput>,
    bench: Bench<'_>,
    progress: &dyn Progress,
    shown: Option<&BTreeMap<ResourceId, Outcome>>,
) -> BTreeMap<ResourceId, Outcome> {
    let places = Places::new(WORKERS);
    let work = inputs.iter().map(async |(id, input)| {
        let steps = shown.map(|shown| shown.get(id).map_or(&[][..], |outcome| &outcome.plan.steps));
        let place = places.take().await;
        // Made when its turn has come: a thousand of them that wait take little memory.
        let work = Box::pin(apply_one(input, Bench { place: Some(&place), ..bench }, progress, steps));
        (id.clone(), work.await)
    });
    let outcomes = work.collect::<FuturesUnordered<_>>().collect().await;
    if let Err(error) = bench.store.save().await {
        super::said::kept(&"all targets", Some(&error));
    }
    outcomes
}

async fn apply_one(input: &TargetInput, bench: Bench<'_>, progress: &dyn Progress, shown: Option<&[Step]>) -> Outcome {
    let mut applied = Vec::new();
    let mut tries = 0;
    loop {
        tries += 1;
        let mut outcome = target::reconcile(input, bench, Intention::Apply { progress, shown }).await;
        applied.append(&mut outcome.applied);
        let wait = match &outcome.end {
            End::Waiting { seconds: Some(seconds), .. } if tries < TRIES => *seconds,
            _ => {
                let end = if outcome.end == End::Planned && !applied.is_empty() { End::Applied } else { outcome.end };
                return Outcome { applied, end, ..outcome };
            }
        };
        let pause = async {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(wait.min(LONGEST_WAIT))) => {}
                () = bench.fence.fallen() => {}
            }
        };
        bench.leave_for(Duration::ZERO, pause).await;
    }
}
