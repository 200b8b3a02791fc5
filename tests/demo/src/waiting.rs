//! Waiting until the controller has done its work, by looking at the simulator and at the list; never for longer than a
//! deadline.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use serde_json::Value;
use tokio::time::sleep;

use crate::controller::Controller;
use crate::list::{Answer, Reader};
use crate::proof::is_there;
use crate::record::{Entry, GroupState, Request};
use crate::scene::Ids;
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
    pub(crate) group_states: usize,
    /// When the last request was seen.
    pub(crate) heard: Instant,
}

/// What has to be there in the end.
#[derive(Debug)]
pub(crate) struct Goal {
    pub(crate) routes: BTreeSet<Ipv4Net>,
    pub(crate) grouped: BTreeSet<Ipv4Net>,
    pub(crate) listed: BTreeSet<Ipv4Net>,
}

/// When a resource was first and last seen in another state than `Succeeded`.
pub(crate) type Unsettled = BTreeMap<String, (Instant, Instant)>;

pub(crate) async fn mark(simulator: &Simulator, ids: &Ids) -> Result<Mark, String> {
    Ok(Mark {
        requests: simulator.requests().await?.len(),
        states: simulator.history(&ids.table).await?.len(),
        group_states: simulator.group_history(&ids.group).await?.len(),
        heard: Instant::now(),
    })
}

/// Where the provisioning state of a resource stands.
pub(crate) fn provisioning(resource: &Value) -> &str {
    resource["properties"]["provisioningState"].as_str().unwrap_or_default()
}

/// Waits until a document was fetched; table, group and list hold what is wanted; all is in effect; and nothing was asked
/// for a while. Fetches the list all the time, as a firewall does, only more often.
pub(crate) async fn converged(
    simulator: &Simulator,
    ids: &Ids,
    controller: &mut Controller,
    reader: &mut Reader,
    since: Mark,
    goal: &Goal,
) -> Result<(Mark, Unsettled), String> {
    let deadline = Instant::now() + CONVERGE_WITHIN;
    let (mut heard, mut last) = (Instant::now(), usize::MAX);
    let mut unsettled = Unsettled::new();
    loop {
        controller.still_runs()?;
        let requests = simulator.requests().await?;
        let history = simulator.history(&ids.table).await?;
        let group = simulator.group_history(&ids.group).await?;
        let mut at_rest = true;
        for id in ids.around_the_group() {
            if provisioning(&simulator.resource(id).await?) != "Succeeded" {
                at_rest = false;
                let now = Instant::now();
                unsettled.entry(id.to_owned()).or_insert((now, now)).1 = now;
            }
        }
        reader.again().await?;
        if requests.len() != last {
            (heard, last) = (Instant::now(), requests.len());
        }
        let entries: &[Entry] = history.last().map_or(&[], |state| &state.entries);
        let fetched = requests[since.requests..].iter().any(Request::is_document);
        let missing = goal.routes.iter().filter(|prefix| !is_there(entries, **prefix)).count();
        let grouped = group.last().map(GroupState::nets).unwrap_or_default();
        let not_grouped = goal.grouped.difference(&grouped).count();
        let listed = reader.list().map(Answer::addresses).unwrap_or_default();
        let not_listed = goal.listed.difference(&listed).count();
        let settled = at_rest && entries.iter().all(|entry| entry.in_effect);
        let complete = missing + not_grouped + not_listed == 0;
        if fetched && complete && settled && heard.elapsed() >= SILENCE {
            let (requests, states, group_states) = (requests.len(), history.len(), group.len());
            return Ok((Mark { requests, states, group_states, heard }, unsettled));
        }
        if Instant::now() > deadline {
            let lacks = |place: &str, missing: usize, of: &BTreeSet<Ipv4Net>| {
                format!("{missing} of {} prefixes that {place} should have are missing", of.len())
            };
            let why = if !fetched {
                "it has not fetched the document".to_owned()
            } else if missing > 0 {
                lacks("the table", missing, &goal.routes)
            } else if not_grouped > 0 {
                lacks("the group", not_grouped, &goal.grouped)
            } else if not_listed > 0 {
                lacks("the list", not_listed, &goal.listed)
            } else {
                "all is complete, but requests or operations do not end".to_owned()
            };
            let within = CONVERGE_WITHIN.as_secs();
            return Err(controller.failed(&format!("amlnet has not converged within {within} s: {why}")));
        }
        sleep(LOOK_EVERY).await;
    }
}
