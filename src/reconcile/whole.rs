//! A target that is written as a whole: all its steps in one write, with whatever uses it.
//!
//! The firewalls and policies that use an IP group change with it: they have one writer at a time, and must be at rest
//! before and in order afterwards. Must not decide which steps are taken.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::gather::{Surroundings as Freshness, observe};
use super::stop::Stop;
use super::target::{Bench, Course, requests, without_removals};
use super::write::write;
use crate::azure::arm::ArmError;
use crate::azure::locks::Exclusive;
use crate::azure::measure;
use crate::domain::attached::{Attached, AttachedKind};
use crate::domain::memory::TargetMemory;
use crate::domain::outcome::Applied;
use crate::domain::plan::{Action, Observed, Plan, TargetInput};
use crate::domain::rule::{Part, Place};
use crate::telemetry;

/// A firewall takes 190 to 254 s with a change of a policy (docs/facts.md, "Durations"), and several changes may queue.
const SETTLES_WITHIN: Duration = Duration::from_secs(30 * 60);
/// How often a firewall or a policy that is being updated is looked at; what ARM asks of those who poll operations of
/// this provider.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// A chain of policies that refer to each other ends somewhere; Azure allows one parent.
const MOST_ATTACHED: usize = 200;
/// What is not known of what it may not read, in the log.
const HIDDEN: &str = "hidden";
/// IP groups that one firewall may use (docs/facts.md, "Limits").
const GROUPS_OF_A_FIREWALL: usize = 200;

/// What uses a target, with its state.
#[derive(Debug, Default)]
struct Surroundings(BTreeMap<Attached, State>);

impl Surroundings {
    fn first(&self, wanted: &State) -> Option<&Attached> {
        self.0.iter().find(|(_, state)| *state == wanted).map(|(attached, _)| attached)
    }

    fn moving(&self) -> Option<&Attached> {
        self.first(&State::Moving)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    AtRest,
    Moving,
    Failed,
    /// It may not be read.
    Unknown,
}

/// Takes all steps of the plan in one write.
pub(super) async fn take_all(
    plan: &Plan,
    input: &TargetInput,
    bench: Bench<'_>,
    course: Course<'_>,
) -> Result<(), Stop> {
    let Course { observed, progress, applied, memory } = course;
    let mut surroundings = look_around(observed, bench).await?;
    let _exclusive = exclusively(plan, input, &surroundings, bench).await?;
    if surroundings.moving().is_some() {
        // It may have been a write of our own, which has ended by now.
        surroundings = look_around(observed, bench).await?;
    }
    if let Some(attached) = surroundings.moving() {
        return Err(Stop::Busy(format!("the {} {} is being updated", attached.kind, attached.name)));
    }
    // Under the lock, and right before the write: what somebody did meanwhile would be undone by a whole body.
    if observe(input, bench, Freshness::Anew).await? != *observed {
        return Err(Stop::Changed(input.id.name.clone()));
    }
    let removals: Vec<_> = plan.steps.iter().filter(|step| step.action == Action::Remove).collect();
    if bench.halt.is_pulled() {
        return Err(Stop::Halted);
    }
    // Counted before they are sent: what a crash keeps from being counted would be allowed twice.
    memory.count_removals(&removals, bench.now());
    memory.unsettled = !surroundings.0.is_empty();
    let mut forgetful = None;
    if !removals.is_empty() || memory.unsettled {
        match bench.store.remember(&input.id, memory.clone(), true).await {
            Err(error) if !removals.is_empty() => {
                bench.arm.metrics().not_kept("Memory");
                memory.uncount_removals(&removals);
                forgetful = Some(Stop::Forgetful(error));
            }
            Err(error) => {
                bench.arm.metrics().not_kept("Memory");
                super::said::kept(&input.id, Some(&error));
            }
            Ok(()) => {}
        }
    }
    // What cannot be counted is not taken away; what is needed comes all the same.
    let (removals, plan) = match &forgetful {
        Some(_) => (Vec::new(), &without_removals(plan)),
        None => (removals, plan),
    };
    if let Some(stop) = forgetful.take_if(|_| plan.steps.is_empty()) {
        return Err(stop);
    }
    for request in &requests(plan, input, observed)? {
        let operation = match write(plan, input, request, bench).await {
            Ok(operation) => operation,
            Err(stop) => {
                if stop.says_that_nothing_came_about() {
                    memory.uncount_removals(&removals);
                }
                return Err(stop);
            }
        };
        for step in &request.steps {
            memory.wrote(step);
            progress.taken(&input.id, step);
            applied.push(Applied { step: step.clone(), correlation_id: operation.clone() });
        }
    }
    settle(observed, bench, memory).await?;
    forgetful.map_or(Ok(()), Err)
}

/// Waits until whatever uses the target is in order after a write, also one of a process that ended meanwhile.
pub(super) async fn settle(observed: &Observed, bench: Bench<'_>, memory: &mut TargetMemory) -> Result<(), Stop> {
    if memory.unsettled {
        settled(observed, bench).await?;
        memory.unsettled = false;
    }
    Ok(())
}

/// Waits until whatever uses the target is at rest again, and says what is not in order.
async fn settled(observed: &Observed, bench: Bench<'_>) -> Result<(), Stop> {
    let started = Instant::now();
    loop {
        let surroundings = look_around(observed, bench).await?;
        let Some(moving) = surroundings.moving() else {
            let failed = surroundings.first(&State::Failed);
            return failed.map_or(Ok(()), |failed| Err(Stop::AttachedFailed(failed.clone())));
        };
        if started.elapsed() > SETTLES_WITHIN {
            return Err(Stop::Busy(format!("the {} {} is still being updated", moving.kind, moving.name)));
        }
        let pause = async {
            tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => Ok(()),
                () = bench.fence.fallen() => Err(ArmError::Stopped),
            }
        };
        bench.leave_for(Duration::ZERO, pause).await?;
    }
}

/// Waits for its turn. Other targets are worked on meanwhile.
async fn exclusively(
    plan: &Plan,
    input: &TargetInput,
    surroundings: &Surroundings,
    bench: Bench<'_>,
) -> Result<Exclusive, Stop> {
    // An IP group that a rule is about to name must not change in the middle of that.
    let groups = plan.steps.iter().filter_map(|step| match &step.address.part()?.part {
        Part::Far(Place::IpGroup(id)) => Some(id.to_string()),
        _ => None,
    });
    let around = surroundings.0.keys().map(ToString::to_string);
    let keys: BTreeSet<String> = around.chain([input.id.to_string()]).chain(groups).collect();
    match bench.arm.locks().take(&keys) {
        Ok(exclusive) => return Ok(exclusive),
        Err(key) => tracing::debug!(target_id = %input.id, key, "waits for its turn: another write changes this too"),
    }
    let turn = async {
        tokio::select! {
            exclusive = bench.arm.locks().wait(&keys) => Ok(exclusive),
            () = bench.halt.pulled() => Err(Stop::Halted),
            () = bench.fence.fallen() => Err(ArmError::Stopped.into()),
        }
    };
    let started = Instant::now();
    let taken = bench.leave_for(Duration::ZERO, turn).await;
    bench.arm.metrics().waited_for_lock(measure::kind_of_target(input.id.kind), started.elapsed());
    taken
}

/// Reads the firewalls and policies that use the target, and those that belong to them.
async fn look_around(observed: &Observed, bench: Bench<'_>) -> Result<Surroundings, Stop> {
    let mut found = Surroundings::default();
    let mut open: Vec<Attached> = observed.whole.iter().flat_map(|whole| whole.users.iter().cloned()).collect();
    while let Some(attached) = open.pop() {
        if found.0.contains_key(&attached) {
            continue;
        }
        if found.0.len() >= MOST_ATTACHED {
            if telemetry::is_news("attached", &attached, &"") {
                let most = MOST_ATTACHED;
                tracing::warn!(%attached, most, "too many firewalls and policies change with the group; not looked at");
            }
            continue;
        }
        let body = match bench.arm.read_attached(&attached, &observed.location, bench.fence).await {
            Ok(body) => {
                telemetry::is_over(HIDDEN, &attached);
                body
            }
            Err(error) if super::stop::is_hidden(&error) => {
                if telemetry::is_news(HIDDEN, &attached, &"") {
                    tracing::warn!(%attached, %error, "whether it is in order after a write is not known");
                }
                found.0.insert(attached, State::Unknown);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if attached.kind == AttachedKind::Firewall {
            let groups = groups_of(&body);
            if groups > GROUPS_OF_A_FIREWALL {
                return Err(Stop::TooManyGroups { firewall: attached.name, groups, most: GROUPS_OF_A_FIREWALL });
            }
        }
        open.extend(belongings(&body));
        found.0.insert(attached, state(&body));
    }
    Ok(found)
}

fn state(body: &Value) -> State {
    match body["properties"]["provisioningState"].as_str() {
        Some("Updating" | "Deleting") => State::Moving,
        Some("Failed") => State::Failed,
        _ => State::AtRest,
    }
}

/// The firewalls of a policy, its children and its parent: a change of one changes all of them.
fn belongings(body: &Value) -> Vec<Attached> {
    let properties = &body["properties"];
    let lists = ["firewalls", "childPolicies"].into_iter().filter_map(|list| properties[list].as_array());
    let ids = lists.flatten().chain([&properties["basePolicy"], &properties["firewallPolicy"]]);
    ids.filter_map(|reference| Attached::parse(reference["id"].as_str()?)).collect()
}

/// How many IP groups the rules of a classic firewall name.
fn groups_of(body: &Value) -> usize {
    let properties = &body["properties"];
    let collections = ["networkRuleCollections", "applicationRuleCollections", "natRuleCollections"];
    let rules = collections.into_iter().filter_map(|list| properties[list].as_array()).flatten();
    let rules = rules.filter_map(|collection| collection["properties"]["rules"].as_array()).flatten();
    let named = rules.flat_map(|rule| ["sourceIpGroups", "destinationIpGroups"].map(|list| rule[list].as_array()));
    let ids = named.flatten().flatten().filter_map(|group| Some(group.as_str()?.to_ascii_lowercase()));
    ids.collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
#[path = "whole_tests.rs"]
mod tests;
