//! One look of the loop at a target, and what is measured of it.
//!
//! Must not decide anything: `target` does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;

use super::index::Documents;
use super::remember::remember;
use super::target::{self, Bench, Intention};
use crate::domain::figures;
use crate::domain::intent::ObjectKey;
use crate::domain::outcome::Outcome;
use crate::domain::plan::TargetInput;
use crate::domain::restored::restored;
use crate::store::World;

/// How a look went.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub took: Duration,
    /// How many entries were put back that somebody else had changed.
    pub restored: usize,
    pub ended_at: Timestamp,
}

/// What is known before a look, of the documents and of the one before.
#[derive(Debug)]
pub(super) struct Before {
    /// The file dates of the contributors' documents.
    file_dates: BTreeMap<ObjectKey, Date>,
    /// Whether nothing was to be done.
    stood: bool,
}

impl Before {
    pub(super) fn of(input: &TargetInput, world: &World, documents: &Documents, last: Option<&Outcome>) -> Self {
        let dated = input.contributions.iter().filter_map(|contribution| {
            let feed = &world.networks.get(&contribution.network)?.object.intent.feed;
            Some((contribution.network.clone(), *documents.file_dates.get(feed)?))
        });
        Self { file_dates: dated.collect(), stood: last.is_some_and(Outcome::found_nothing_to_do) }
    }
}

/// Reconciles, and remembers since when additions are missing.
pub(super) async fn look(
    input: &TargetInput,
    bench: Bench<'_>,
    intention: Intention<'_>,
    before: &Before,
) -> (Outcome, Look) {
    let (remembered, started) = (bench.store.memory(&input.id), Instant::now());
    let mut outcome = target::reconcile(input, bench, intention).await;
    let restored = restored(&remembered, &outcome, before.stood);
    let awaited = figures::awaited(&outcome, |network| before.file_dates.get(network).copied());
    if awaited != outcome.memory.awaited {
        outcome.memory.awaited = awaited;
        remember(bench, input, &outcome.memory, false).await;
    }
    (outcome, Look { took: started.elapsed(), restored, ended_at: Timestamp::now() })
}
