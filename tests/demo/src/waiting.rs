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
use crate::rows::Openings;
use crate::rules::{Rule, RuleState, openings};
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
    pub(crate) policy_states: usize,
    pub(crate) security_states: usize,
    /// When the last request was seen.
    pub(crate) heard: Instant,
}

/// What has to be there in the end.
#[derive(Debug)]
pub(crate) struct Goal {
    pub(crate) routes: BTreeSet<Ipv4Net>,
    pub(crate) grouped: BTreeSet<Ipv4Net>,
    pub(crate) listed: BTreeSet<Ipv4Net>,
    pub(crate) policy: Openings,
    pub(crate) security: Openings,
}

/// When a resource was first and last seen in another state than `Succeeded`.
pub(crate) type Unsettled = BTreeMap<String, (Instant, Instant)>;

pub(crate) async fn mark(simulator: &Simulator, ids: &Ids) -> Result<Mark, String> {
    Ok(Mark {
        requests: simulator.requests().await?.len(),
        states: simulator.history(&ids.table).await?.len(),
        group_states: simulator.group_history(&ids.group).await?.len(),
        policy_states: simulator.policy_history(&ids.own_rules).await?.len(),
        security_states: simulator.security_history(&ids.security).await?.len(),
        heard: Instant::now(),
    })
}

/// Where the provisioning state of a resource stands.
pub(crate) fn provisioning(resource: &Value) -> &str {
    resource["properties"]["provisioningState"].as_str().unwrap_or_default()
}

/// Waits until a document was fetched; table, group, policy, security group and list hold what is wanted; all is in effect;
/// and nothing was asked for a while. Fetches the list all the time, as a firewall does, only more often.
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
        let policy = simulator.policy_history(&ids.own_rules).await?;
        let security = simulator.security_history(&ids.security).await?;
        let mut at_rest = true;
        for id in ids.around_the_group().into_iter().chain(ids.around_the_rules()) {
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
        let rules = |states: &[RuleState]| states.last().map(|state| state.rules.clone()).unwrap_or_default();
        let secured = rules(&security);
        let closed = |wanted: &Openings, rules: &[Rule]| wanted.difference(&openings(rules)).count();
        let (in_policy, in_group) = (closed(&goal.policy, &rules(&policy)), closed(&goal.security, &secured));
        let in_effect = entries.iter().all(|entry| entry.in_effect) && secured.iter().all(|rule| rule.in_effect);
        let complete = missing + not_grouped + not_listed + in_policy + in_group == 0;
        if fetched && complete && at_rest && in_effect && heard.elapsed() >= SILENCE {
            let mark = Mark {
                requests: requests.len(),
                states: history.len(),
                group_states: group.len(),
                policy_states: policy.len(),
                security_states: security.len(),
                heard,
            };
            return Ok((mark, unsettled));
        }
        if Instant::now() > deadline {
            let lacks = |place: &str, missing: usize, of: usize| {
                (missing > 0).then(|| format!("{missing} of {of} entries that {place} should have are missing"))
            };
            let why = [
                (!fetched).then(|| "it has not fetched the document".to_owned()),
                lacks("the table", missing, goal.routes.len()),
                lacks("the group", not_grouped, goal.grouped.len()),
                lacks("the list", not_listed, goal.listed.len()),
                lacks("the policy", in_policy, goal.policy.len()),
                lacks("the security group", in_group, goal.security.len()),
            ];
            let why = why.into_iter().flatten().next();
            let why = why.unwrap_or_else(|| "all is complete, but requests or operations do not end".to_owned());
            let within = CONVERGE_WITHIN.as_secs();
            return Err(controller.failed(&format!("amlnet has not converged within {within} s: {why}")));
        }
        sleep(LOOK_EVERY).await;
    }
}
