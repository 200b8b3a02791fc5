//! `amlnet apply`: plan, ask, apply with progress, report what is left.

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _, Write as _};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::{Approvals, Inputs, Place, Prepared, prepare, report, text};
use super::{Common, Exit, block_on, shows_progress};
use crate::app::{self, AppError};
use crate::azure::fence::Fence;
use crate::domain::outcome::Outcome;
use crate::domain::plan::{Step, TargetInput};
use crate::domain::resource_id::ResourceId;
use crate::reconcile::target::{Bench, Halt, Progress};
use crate::reconcile::{once, status};

pub fn apply(common: &Common, inputs: &Inputs, yes: bool) -> Result<Exit, AppError> {
    block_on(async {
        let place = Place::open(common, inputs, true).await?;
        match &place {
            Place::Files(_) => apply_at(common, inputs, yes, &place).await,
            Place::Cluster(opened) => {
                if inputs.tags.is_some() {
                    let what = "what is applied to a cluster follows the document of its feed; --tags is for plan";
                    return Err(AppError(what.to_owned()));
                }
                let work = async {
                    opened.store.take_over(common.now()).await.map_err(AppError::new)?;
                    opened.is_unchanged().await?;
                    let exit = apply_at(common, inputs, yes, &place).await;
                    opened.store.finish().await.map_err(AppError::new).and(exit)
                };
                Box::pin(opened.lead(work)).await
            }
        }
    })
}

async fn apply_at(common: &Common, inputs: &Inputs, yes: bool, place: &Place) -> Result<Exit, AppError> {
    let Prepared { arm, world, documents, setting, targets, refused } = prepare(common, inputs, place, true).await?;
    let exit =
        |outcomes: &BTreeMap<ResourceId, Outcome>| Exit::of(outcomes.values()).or_needs_person(!refused.is_empty());
    let (switch, fence) = Fence::new();
    app::stop_on_signal(switch).map_err(AppError::new)?;
    let fence = match place {
        Place::Files(_) => fence,
        Place::Cluster(opened) => app::cluster::guarded(&opened.candidate, &opened.store, fence),
    };
    let store = place.store();
    let halt = Halt::default();
    let bench = Bench { arm: &arm, store, fence: &fence, halt: &halt, place: None, clock: common.clock() };
    let planned = once::plan(&targets, bench).await;
    let approvals = |outcomes| Approvals::new(store, &world, &documents, outcomes, common.now());
    let keep_statuses = |outcomes: &BTreeMap<ResourceId, Outcome>, approvals: &Approvals| {
        let seen =
            status::Seen { world: &world, documents: &documents, outcomes, words: &approvals.words, lists: None };
        match place {
            Place::Files(_) => status::write_all(store, seen, &setting, common.now()),
            // Of the others not every target was looked at.
            Place::Cluster(opened) => status::write_some(store, &opened.chosen, seen, &setting, common.now()),
        }
        .map_err(AppError::new)
    };
    let steps: usize = planned.values().map(|outcome| outcome.plan.steps.len()).sum();
    // A write of which the last run never saw the end is looked after.
    let is_open = planned.keys().any(|id| store.audit_open(id).is_some());
    if steps == 0 && !is_open {
        begin(place, &targets).await?;
        for (id, outcome) in &planned {
            store.remember(id, outcome.memory.clone(), false).await.map_err(AppError::new)?;
        }
        let approvals = approvals(&planned);
        let kept = store.save().await.map_err(AppError::new).and(keep_statuses(&planned, &approvals));
        report(&planned, &approvals, &refused, common.format, true)?;
        kept?;
        return Ok(exit(&planned));
    }
    if !yes && steps > 0 {
        if !std::io::stdin().is_terminal() {
            let what = format!(
                "{steps} steps are to be taken and no terminal can be asked; look at them with `amlnet plan`, then add --yes"
            );
            return Err(AppError(what));
        }
        // Standard output is for the result.
        let shown = text(&planned, false);
        write!(std::io::stderr(), "{shown}").map_err(AppError::new)?;
        if !asked(steps).await? {
            return Ok(exit(&planned));
        }
        if let Place::Cluster(opened) = place {
            opened.is_unchanged().await?;
        }
    }
    begin(place, &targets).await?;
    let bars = Bars::new();
    let shown = (!yes).then_some(&planned);
    let outcomes = once::apply(&targets, bench, &bars, shown).await;
    bars.finish();
    let approvals = approvals(&outcomes);
    let kept = keep_statuses(&outcomes, &approvals);
    report(&outcomes, &approvals, &refused, common.format, true)?;
    kept?;
    Ok(exit(&outcomes))
}

/// In a cluster a Network is claimed before anything is done for it.
async fn begin(place: &Place, targets: &BTreeMap<ResourceId, TargetInput>) -> Result<(), AppError> {
    match place {
        Place::Files(_) => Ok(()),
        Place::Cluster(opened) => opened.begin(targets).await,
    }
}

/// On a thread of its own: the lease is renewed while a person thinks.
async fn asked(steps: usize) -> Result<bool, AppError> {
    let ask = move || -> std::io::Result<bool> {
        let mut error = std::io::stderr().lock();
        write!(error, "Take these {steps} steps? Only yes is a yes: ")?;
        error.flush()?;
        drop(error);
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        Ok(answer.trim().eq_ignore_ascii_case("yes"))
    };
    tokio::task::spawn_blocking(ask).await.map_err(AppError::new)?.map_err(AppError::new)
}

/// A progress bar a target, on standard error and only on a terminal.
#[derive(Debug)]
struct Bars {
    all: MultiProgress,
    bars: std::sync::Mutex<BTreeMap<ResourceId, ProgressBar>>,
}

impl Bars {
    fn new() -> Self {
        let target = if shows_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { all: MultiProgress::with_draw_target(target), bars: std::sync::Mutex::default() }
    }

    fn finish(&self) {
        // A bar that cannot be cleared stays on the screen, and that is all.
        let _ = self.all.clear();
    }
}

impl Progress for Bars {
    fn started(&self, id: &ResourceId, steps: usize) {
        let style =
            ProgressStyle::with_template("{msg:40!} [{bar:30}] {pos}/{len}").map(|style| style.progress_chars("=> "));
        let bar = self.all.add(ProgressBar::new(steps as u64).with_message(id.name.clone()));
        if let Ok(style) = style {
            bar.set_style(style);
        }
        if let Ok(mut bars) = self.bars.lock() {
            bars.insert(id.clone(), bar);
        }
    }

    fn taken(&self, id: &ResourceId, _: &Step) {
        if let Ok(bars) = self.bars.lock()
            && let Some(bar) = bars.get(id)
        {
            bar.inc(1);
        }
    }
}
