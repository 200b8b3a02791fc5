//! Whether Azure could hold the rules of a plan: counts and sizes against their limits.
//!
//! Must not take single steps out: a plan that does not fit is blocked as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::{self, Layout};
use super::rules::{Around, GroupAround, PolicyAround, StandingRule, after};
use super::{Action, Blocked, BlockedReason, HeldReason, Observed, Plan, Step, TargetInput};
use crate::requirement::Direction;
use crate::resolve::Note;
use crate::rule::{Place, Rule};

/// Rules of one rule collection group, in bytes of JSON (docs/facts.md, "Limits": 2 MB since July 2022).
const GROUP_BYTES: usize = 2_000_000;
/// What a rule takes besides its texts: names of fields, empty lists.
const BYTES_OF_A_RULE: usize = 400;
/// IP groups that the rules of one firewall may name (docs/facts.md, "Limits").
const IP_GROUPS: usize = 200;
/// Hosts in network rules of one firewall (docs/facts.md, "Limits").
const HOSTS_IN_NETWORK_RULES: usize = 1000;
/// Rule collection groups of a policy (docs/facts.md, "Limits").
const GROUPS_OF_A_POLICY: usize = 90;
const WARN_PERCENT: usize = 80;

/// Blocks the plan where Azure could not hold the rules; says how many there are.
pub(super) fn check_capacity(mut plan: Plan, input: &TargetInput, observed: &Observed) -> Plan {
    let Some(rules) = &observed.rules else { return plan };
    let steps: Vec<Step> = if plan.steps.is_empty() { held_by_mode(&plan) } else { plan.steps.clone() };
    let adds = steps.iter().any(|step| step.action != Action::Remove);
    let measures = match &rules.around {
        Around::Policy(policy) => of_policy(observed, policy, &steps, plan.limits.entries),
        Around::Group(group) => match layout::layout(input, observed, &steps) {
            Ok(layout) => of_group(observed, group, &layout, &plan),
            Err(full) => {
                (plan.entries_now, plan.then) = (group.others.len() + rules.ours.len(), None);
                let blocked = Blocked { reason: BlockedReason::Capacity, message: full.to_string() };
                plan.blocked.get_or_insert(blocked);
                return plan;
            }
        },
        Around::Nothing => return plan,
    };
    if let Some(first) = measures.first() {
        (plan.entries_now, plan.then) = (first.now, Some(if plan.steps.is_empty() { first.now } else { first.then }));
    }
    for Measure { what, now, then, peak, limit, advice } in measures {
        if peak > limit && peak > now && adds {
            let message = format!("{what} would be {peak}, the limit is {limit}; nothing is written. {advice}");
            plan.blocked.get_or_insert(Blocked { reason: BlockedReason::Capacity, message });
        } else if then * 100 >= limit * WARN_PERCENT {
            let message = format!("{what} will be {then} of at most {limit}");
            plan.warnings.insert(Note { code: "CapacityHigh", message });
        }
    }
    plan
}

/// What only the mode keeps from being done: mode Observe shows what would happen.
fn held_by_mode(plan: &Plan) -> Vec<Step> {
    let held = plan.held.iter().filter(|held| held.reason == HeldReason::Mode);
    held.map(|held| held.step.clone()).filter(|step| step.action != Action::Remove).collect()
}

/// Something that has a limit.
struct Measure {
    what: &'static str,
    now: usize,
    then: usize,
    /// The most that there are between two writes: what goes is there until what comes stands.
    peak: usize,
    limit: usize,
    advice: &'static str,
}

fn of_policy(observed: &Observed, policy: &PolicyAround, steps: &[Step], most_pairs: usize) -> Vec<Measure> {
    let (now, then) = (after(observed, []), after(observed, steps));
    let others = || policy.groups.iter().flatten();
    let pairs = |rules: &BTreeMap<String, Rule>| {
        rules
            .values()
            .filter(|rule| !rule.is_application())
            .map(|rule| rule.near.len() * (rule.far.len() + rule.hosts.len()))
            .sum::<usize>()
    };
    let of_others: usize = others().map(|group| group.pairs).sum();
    let hosts = |rules: &BTreeMap<String, Rule>| {
        rules.values().filter(|rule| !rule.is_application()).map(|rule| rule.hosts.len()).sum::<usize>()
    };
    let ip_groups = |rules: &BTreeMap<String, Rule>| {
        let ours = rules.values().flat_map(|rule| rule.near.iter().chain(&rule.far)).filter_map(|place| match place {
            Place::IpGroup(id) => Some(id.to_string().to_ascii_lowercase()),
            Place::Prefix(_) | Place::Tag(_) => None,
        });
        ours.chain(others().flat_map(|group| group.ip_groups.iter().cloned())).collect::<BTreeSet<_>>().len()
    };
    let bytes = |rules: &BTreeMap<String, Rule>| rules.iter().map(|(name, rule)| size(name, rule)).sum::<usize>();
    let groups = |exists: usize| policy.groups.as_ref().map_or(0, Vec::len) + exists;
    let exists = usize::from(policy.priority.is_some());
    vec![
        Measure {
            what: "the pairs of a source and a destination in the policy's network rules",
            now: pairs(&now) + of_others,
            then: pairs(&then) + of_others,
            peak: pairs(&then) + of_others,
            limit: most_pairs,
            advice: "Use addressing: Auto or IpGroups, or fewer and wider sourceAddresses",
        },
        Measure {
            what: "the bytes of the rule collection group",
            now: bytes(&now),
            then: bytes(&then),
            peak: bytes(&then),
            limit: GROUP_BYTES,
            advice: "Use addressing: Auto or IpGroups",
        },
        Measure {
            what: "the IP groups that the policy's rules name",
            now: ip_groups(&now),
            then: ip_groups(&then),
            peak: ip_groups(&then),
            limit: IP_GROUPS,
            advice: "Use addressing: Auto",
        },
        Measure {
            what: "the hosts in network rules",
            now: hosts(&now),
            then: hosts(&then),
            peak: hosts(&then),
            limit: HOSTS_IN_NETWORK_RULES,
            advice: "Exclude requirements with hosts on other ports than 80 and 443",
        },
        Measure {
            what: "the rule collection groups of the policy",
            now: groups(exists),
            then: groups(1),
            peak: groups(1),
            limit: GROUPS_OF_A_POLICY,
            advice: "Put rules of others together",
        },
    ]
}

/// The bytes that a rule takes in a body, about.
fn size(name: &str, rule: &Rule) -> usize {
    BYTES_OF_A_RULE + name.len() + rule.parts().map(|part| part.to_string().len() + 3).sum::<usize>()
}

fn of_group(observed: &Observed, group: &GroupAround, layout: &Layout, plan: &Plan) -> Vec<Measure> {
    let sides = |direction: Direction, rule: &Rule| match direction {
        Direction::Outbound => (rule.near.len(), rule.far.len()),
        Direction::Inbound => (rule.far.len(), rule.near.len()),
    };
    let of_standing = |rule: &StandingRule| {
        let (sources, destinations) = sides(rule.direction, &rule.rule);
        [1, sources, destinations]
    };
    let sum = |rules: &mut dyn Iterator<Item = &StandingRule>| {
        rules.map(of_standing).fold([0; 3], |sum, more| std::array::from_fn(|n| sum[n] + more[n]))
    };
    let nobody = BTreeMap::new();
    let ours = observed.rules.as_ref().map_or(&nobody, |rules| &rules.ours);
    let (now, then) = (sum(&mut ours.values()), sum(&mut layout.standing.values()));
    let (mut at, mut peak) = (now, now);
    for write in &layout.writes {
        let before = ours.get(&write.name.to_ascii_lowercase()).map_or([0; 3], of_standing);
        let after = write.after.as_ref().map_or([0; 3], of_standing);
        at = std::array::from_fn(|n| at[n] + after[n] - before[n]);
        peak = std::array::from_fn(|n| peak[n].max(at[n]));
    }
    let of_others = [group.others.len(), group.sources, group.destinations];
    let addresses = "Remove rules of others, or name fewer and wider sourceAddresses";
    [
        ("the rules of the network security group", plan.limits.entries, "Remove rules of others"),
        ("the source addresses of its rules", plan.limits.addresses, addresses),
        ("the destination addresses of its rules", plan.limits.addresses, addresses),
    ]
    .into_iter()
    .enumerate()
    .map(|(n, (what, limit, advice))| {
        let [now, then, peak] = [now, then, peak].map(|all| all[n] + of_others[n]);
        Measure { what, now, then, peak, limit, advice }
    })
    .collect()
}
