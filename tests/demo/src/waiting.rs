//! Waiting until the controller has done its work, by looking at the simulator; never for longer than a deadline.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use tokio::time::sleep;

use crate::controller::Controller;
use crate::proof::is_there;
use crate::record::{Entry, Request};
use crate::simulator::Simulator;

const CONVERGE_WITHIN: Duration = Duration::from_secs(25);
/// Longer than amlnet waits for further changes before it acts (2 s).
const SILENCE: Duration = Duration::from_millis(2500);
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// How much was recorded up to a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) requests: usize,
    pub(crate) states: usize,
    /// When the last request was seen.
    pub(crate) heard: Instant,
}

pub(crate) async fn mark(simulator: &Simulator, table: &str) -> Result<Mark, String> {
    Ok(Mark {
        requests: simulator.requests().await?.len(),
        states: simulator.history(table).await?.len(),
        heard: Instant::now(),
    })
}

/// Waits until a document was fetched, the table holds every wanted prefix, and nothing was asked for a while.
pub(crate) async fn converged(
    simulator: &Simulator,
    table: &str,
    controller: &mut Controller,
    since: Mark,
    wanted: &BTreeSet<Ipv4Net>,
) -> Result<Mark, String> {
    let deadline = Instant::now() + CONVERGE_WITHIN;
    let (mut heard, mut last) = (Instant::now(), usize::MAX);
    loop {
        controller.still_runs()?;
        let requests = simulator.requests().await?;
        let history = simulator.history(table).await?;
        let entries: &[Entry] = history.last().map_or(&[], |state| &state.entries);
        let fetched = requests[since.requests..].iter().any(Request::is_document);
        let missing = wanted.iter().filter(|prefix| !is_there(entries, **prefix)).count();
        if requests.len() != last {
            (heard, last) = (Instant::now(), requests.len());
        }
        let settled = entries.iter().all(|entry| entry.in_effect);
        if fetched && missing == 0 && settled && heard.elapsed() >= SILENCE {
            return Ok(Mark { requests: requests.len(), states: history.len(), heard });
        }
        if Instant::now() > deadline {
            let why = if !fetched {
                "it has not fetched the document".to_owned()
            } else if missing > 0 {
                format!("{missing} of {} prefixes that it should have written are missing", wanted.len())
            } else {
                "the table is complete, but requests do not end".to_owned()
            };
            let within = CONVERGE_WITHIN.as_secs();
            return Err(controller.failed(&format!("amlnet has not converged within {within} s: {why}")));
        }
        sleep(LOOK_EVERY).await;
    }
}
