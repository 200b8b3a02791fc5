//! What is known about a target before anything is decided: what it holds, its limits, and what stands around it.
//!
//! Reads only. Must not decide anything.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::stop::{Stop, is_hidden, missing};
use super::target::Bench;
use crate::azure::arm::{Arm, ArmError};
use crate::azure::error::{Class, Refusal};
use crate::azure::kind;
use crate::domain::attached::Attached;
use crate::domain::effect;
use crate::domain::outcome::Failure;
use crate::domain::plan::{Limits, Observed, TargetInput};
use crate::domain::resolve::Note;
use crate::domain::resource_id::{ResourceId, TargetKind};
use crate::domain::rule::{Part, Place};

/// What is known about a target before anything is decided.
pub(super) struct Gathered {
    pub(super) observed: Observed,
    pub(super) limits: Limits,
    pub(super) notes: Vec<Note>,
}

/// Whether what others have in the same policy is read anew, or may be known for up to an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surroundings {
    Known,
    Anew,
}

pub(super) async fn gather(input: &TargetInput, bench: Bench<'_>, freshness: Surroundings) -> Result<Gathered, Stop> {
    let observed = observe(input, bench, freshness).await?;
    tokio::select! {
        (limits, notes) = surroundings(input, bench.arm, &observed) => Ok(Gathered { observed, limits, notes }),
        () = bench.fence.fallen() => Err(ArmError::Stopped.into()),
    }
}

/// What is read once an hour: limits and ARM's own word about pairs.
async fn surroundings(input: &TargetInput, arm: &Arm, observed: &Observed) -> (Limits, Vec<Note>) {
    let kind = input.id.kind;
    if matches!(kind, TargetKind::IpGroup | TargetKind::RuleCollectionGroup) {
        return (Limits::of(kind), Vec::new());
    }
    let (limits, refusal) = arm.limits(kind, &input.id.subscription, &observed.location).await;
    let mut notes: Vec<Note> = refusal.into_iter().map(|refusal| limits_unknown(kind, &refusal, limits)).collect();
    if kind != TargetKind::RouteTable {
        return (limits, notes);
    }
    for wishes in input.contributions.iter().filter_map(|c| c.outcome.as_ref().ok()).filter(|w| w.pair_is_automatic) {
        if let Some(by_arm) = arm.paired_region(&input.id.subscription, wishes.region.as_str()).await {
            notes.extend(effect::pair_differs(wishes, &by_arm));
        }
    }
    (limits, notes)
}

fn limits_unknown(kind: TargetKind, refusal: &Refusal, limits: Limits) -> Note {
    let code = refusal.failure().code;
    let (entries, what) =
        (limits.entries, if kind == TargetKind::RouteTable { "routes a table" } else { "rules a group" });
    let message = format!("the limits cannot be read ({code}), so {entries} {what} are assumed");
    Note { code: "LimitsUnknown", message }
}

pub(super) async fn observe(
    input: &TargetInput,
    bench: Bench<'_>,
    surroundings: Surroundings,
) -> Result<Observed, Stop> {
    let body = match bench.arm.read(&input.id, bench.fence).await {
        Err(ArmError::Refused(refusal))
            if input.id.kind == TargetKind::IpGroup && refusal.class() == Class::NotFound =>
        {
            return missing(input, &refusal).map(|location| kind::ip_group::absent(&location));
        }
        body => body?,
    };
    let body = match input.id.kind {
        TargetKind::RouteTable | TargetKind::IpGroup => body,
        TargetKind::SecurityGroup => json!({"installation": input.installation.as_str(), "group": body}),
        TargetKind::RuleCollectionGroup => with_rules(input, body, bench, surroundings).await?,
    };
    let observed = kind::of(input.id.kind).observe(&input.id, &body);
    let observed = observed.map_err(|error| Stop::Unreadable(error.to_string()))?;
    Ok(observed.with_what_a_failure_took(&bench.store.memory(&input.id), &input.installation))
}

/// A policy with our group in it, the policies above it, and the groups of them all.
async fn with_rules(
    input: &TargetInput,
    policy: Value,
    bench: Bench<'_>,
    surroundings: Surroundings,
) -> Result<Value, Stop> {
    let Bench { arm, fence, .. } = bench;
    let own = Attached::parse(&input.id.to_string());
    let anew = surroundings == Surroundings::Anew;
    let read_around = async {
        let groups = match &own {
            Some(own) => arm.rule_collection_groups(own, anew).await,
            None => Ok(Value::Null),
        };
        (groups, bases(&policy, arm).await)
    };
    let (groups, bases) = tokio::select! {
        around = read_around => around,
        () = fence.fallen() => return Err(ArmError::Stopped.into()),
    };
    let unknown = groups.as_ref().err().map(why);
    // Last, so that little time is left for somebody to write into it before a whole body is written over it.
    let name = kind::rule_collection_group::name(&input.installation);
    let mut group = arm.read_rules(&input.id, &name, fence).await?;
    let named = newly_named(input, group.as_ref());
    let not_ready = ip_groups_not_ready(input, &named, bench).await?;
    if !named.is_empty() {
        group = arm.read_rules(&input.id, &name, fence).await?;
    }
    Ok(json!({
        "installation": input.installation.as_str(),
        "group": group,
        "policy": policy,
        "groups": groups.unwrap_or(Value::Null),
        "groupsUnknown": unknown,
        "bases": bases,
        "groupsNotReady": not_ready,
    }))
}

/// IP groups that rules are to name and do not name yet.
fn newly_named<'a>(input: &'a TargetInput, group: Option<&Value>) -> BTreeSet<&'a ResourceId> {
    let standing = group.map(|group| group.to_string().to_ascii_lowercase()).unwrap_or_default();
    let wishes = input.contributions.iter().filter_map(|contribution| contribution.outcome.as_ref().ok());
    let parts = wishes.flat_map(|wishes| wishes.entries.keys()).filter_map(|address| address.part());
    parts
        .filter_map(|part| match &part.part {
            Part::Far(Place::IpGroup(id)) => Some(id),
            _ => None,
        })
        .filter(|id| !standing.contains(&format!("{:?}", id.to_string().to_ascii_lowercase())))
        .collect()
}

/// Which of these IP groups no rule may name yet, and why: they must be ours and hold something. A rule with an empty one
/// is skipped, and one with somebody else's addresses would let more through than was asked for.
async fn ip_groups_not_ready(
    input: &TargetInput,
    named: &BTreeSet<&ResourceId>,
    bench: Bench<'_>,
) -> Result<BTreeMap<String, String>, Stop> {
    let mut not_ready = BTreeMap::new();
    for id in named {
        let why = match bench.arm.read(id, bench.fence).await {
            Ok(body) => {
                let group = kind::of(TargetKind::IpGroup).observe(id, &body);
                let group = group.map_err(|error| Stop::Unreadable(error.to_string()))?;
                match &group.whole {
                    _ if group.entries.is_empty() => "holds nothing yet",
                    Some(whole) if !whole.is_marked(&input.installation) => "is not amlnet's",
                    Some(whole) if whole.failed => "is in state Failed",
                    _ if group.updating => "is being updated",
                    _ => continue,
                }
            }
            Err(ArmError::Refused(refusal)) if refusal.class() == Class::NotFound => "does not exist yet",
            Err(error) if is_hidden(&error) => "may not be read",
            Err(error) => return Err(error.into()),
        };
        not_ready.insert(id.to_string().to_ascii_lowercase(), format!("the IP group {} {why}", id.name));
    }
    Ok(not_ready)
}

/// Without the id of the conversation: the same refusal is the same each time, or the target would seem to change.
fn why(refusal: &Refusal) -> String {
    Failure { correlation_id: None, ..refusal.failure() }.to_string()
}

/// The policies that a policy is based on, nearest first, each with its groups. Azure allows one parent.
async fn bases(policy: &Value, arm: &Arm) -> Value {
    let mut bases = Vec::new();
    let base = |policy: &Value| Attached::parse(policy["properties"]["basePolicy"]["id"].as_str()?);
    let mut next = base(policy);
    while let Some(attached) = next.take().filter(|_| bases.len() < 5) {
        let read = match arm.policy(&attached).await {
            Ok(body) => arm.rule_collection_groups(&attached, false).await.map(|groups| (body, groups)),
            Err(refusal) => Err(refusal),
        };
        match read {
            Ok((body, groups)) => {
                next = base(&body);
                bases.push(json!({"policy": body, "groups": groups}));
            }
            Err(refusal) => bases.push(json!({"unknown": why(&refusal), "id": attached.to_string()})),
        }
    }
    Value::Array(bases)
}
