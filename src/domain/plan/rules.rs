//! What is particular to targets that hold rules: our rule collection group in a firewall policy, and our rules in a
//! network security group.
//!
//! Whose they are, which priorities they have, and what Azure cannot hold. Must not look at what is desired beyond names.

use std::collections::{BTreeMap, BTreeSet};

use super::layout;
use super::{Action, Blocked, BlockedReason, Conflict, Observed, ObservedEntry, Step, TargetInput};
use crate::desired::{Address, Desired, RuleHead};
use crate::effect::element::Known;
use crate::effect::{firewall, security_group};
use crate::intent::NextHop;
use crate::outbound::Priorities;
use crate::prefix::Prefix;
use crate::requirement::Direction;
use crate::resolve::Note;
use crate::resource_id::TargetKind;
use crate::rule::{Part, Place, Rule, assemble};

/// What is known of a target's rules besides the parts of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Ours, by their names in lower case.
    pub ours: BTreeMap<String, StandingRule>,
    /// What stands in our own rule collection group and is not amlnet's, in words.
    pub strangers: Vec<String>,
    pub around: Around,
}

/// One of our rules as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingRule {
    pub name: String,
    /// What it is part of, where a rule is spread over several; its own name otherwise.
    pub of: String,
    /// Of security rules.
    pub priority: u16,
    pub direction: Direction,
    pub description: String,
    pub rule: Rule,
    /// Whether all of it is as amlnet writes rules; otherwise it is written again.
    pub is_as_written: bool,
}

/// What surrounds our rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Around {
    #[default]
    Nothing,
    Policy(PolicyAround),
    Group(GroupAround),
}

/// The policy that our rule collection group belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyAround {
    /// Of our group, where it exists.
    pub priority: Option<u16>,
    pub dns_proxy: bool,
    /// Whether Azure failed to put the policy into effect.
    pub failed: bool,
    /// Firewalls that use it, directly or through a child.
    pub is_used: bool,
    /// The other groups of the policy; `None` where they cannot be read.
    pub groups: Option<Vec<OtherGroup>>,
    /// The policies whose rules meet ours, topmost first, the one that holds ours last; or why they are not known.
    pub chain: Result<Vec<firewall::Policy>, String>,
    /// IP groups that rules are to name and cannot yet, by id in lower case, and why.
    pub not_ready: BTreeMap<String, String>,
}

impl Default for PolicyAround {
    fn default() -> Self {
        let chain = Ok(Vec::new());
        let not_ready = BTreeMap::new();
        Self { priority: None, dns_proxy: false, failed: false, is_used: false, groups: None, chain, not_ready }
    }
}

/// Another rule collection group of the same policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OtherGroup {
    pub name: String,
    pub priority: u16,
    /// Pairs of a source and a destination in its network rules.
    pub pairs: usize,
    /// The IP groups that it names, in lower case.
    pub ip_groups: BTreeSet<String>,
}

/// Other people's rules in a security group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupAround {
    /// The priorities that they have, by direction, with the rule's name.
    pub taken: BTreeMap<(Direction, u16), String>,
    pub others: Vec<security_group::Other>,
    pub sources: usize,
    pub destinations: usize,
}

/// Why nothing is written, if so.
pub(super) fn refusal(input: &TargetInput, observed: &Observed) -> Option<Blocked> {
    let rules = observed.rules.as_ref()?;
    let blocked = |message: String| Some(Blocked { reason: BlockedReason::Conflict, message });
    let wanted: BTreeSet<&Priorities> = input.priorities.values().collect();
    if wanted.len() > 1 {
        let each: Vec<String> =
            input.priorities.iter().map(|(network, range)| format!("{network} wants {range}")).collect();
        let what = if input.id.kind == TargetKind::SecurityGroup { "priorityRange" } else { "priority" };
        return blocked(format!("{}; make them agree about {what}", each.join(", ")));
    }
    if !rules.strangers.is_empty() {
        return blocked(format!(
            "the rule collection group amlnet-{} is amlnet's alone, and a whole is written at a time; move what is not \
             amlnet's to another group: {}",
            input.installation,
            rules.strangers.join(", ")
        ));
    }
    let Around::Policy(policy) = &rules.around else { return None };
    let priority = wanted.first().map(|range| range.from)?;
    let taken = policy.groups.iter().flatten().find(|group| group.priority == priority)?;
    blocked(format!(
        "priority {priority} is taken by the rule collection group {} of the same policy; choose another under \
         outbound.firewallPolicies",
        taken.name
    ))
}

/// The same with every rule marked that has to be written again for its priority.
pub(super) fn with_misplaced(input: &TargetInput, observed: &Observed) -> Observed {
    let mut observed = observed.clone();
    let (Some(rules), Some(range)) = (&mut observed.rules, input.priorities.values().next()) else { return observed };
    if input.id.kind != TargetKind::SecurityGroup {
        return observed;
    }
    let mut again = BTreeSet::new();
    for rule in rules.ours.values_mut().filter(|rule| !range.contains(rule.priority)) {
        rule.is_as_written = false;
        again.extend(rule.rule.parts().map(|part| (rule.of.to_ascii_lowercase(), part)));
    }
    for entry in &mut observed.entries {
        let part = entry.address.part().map(|part| (part.rule.to_ascii_lowercase(), part.part.clone()));
        entry.failed |= part.is_some_and(|part| again.contains(&part));
    }
    observed
}

/// The change of our group's priority, if it is to have another one.
pub(super) fn priority_step(input: &TargetInput, observed: &Observed) -> Option<Step> {
    let Around::Policy(PolicyAround { priority: Some(now), .. }) = &observed.rules.as_ref()?.around else {
        return None;
    };
    let wanted = input.priorities.values().next()?.from;
    (wanted != *now).then(|| Step {
        action: Action::Change,
        entry: "priority".to_owned(),
        address: Address::Priority(wanted),
        next_hop: Some(NextHop::Member),
        before: Some((Address::Priority(*now), NextHop::Member)),
        purposes: BTreeSet::new(),
        wanted_by: input.priorities.keys().cloned().collect(),
    })
}

/// Rules that several Networks ask for with different content.
pub(super) fn disputed(desired: &Desired) -> impl Iterator<Item = Conflict> + '_ {
    desired.disputes.iter().filter_map(|dispute| {
        let networks: Vec<String> = dispute.networks.iter().map(ToString::to_string).collect();
        let why = format!(
            "{} ask for the rule with different destinations, ports or addressing; together they would let through more \
             than each asks for, so nothing is done to it. Make them agree, or give additional requirements names of their \
             own",
            networks.join(" and ")
        );
        let address = dispute.parts.iter().find(|part| part.part().is_some_and(|part| part.part.is_far()))?;
        Some(Conflict { address: address.clone(), foreign_entry: None, why })
    })
}

/// Takes rules out that the policy cannot carry out, and says so: network rules with hosts need its DNS proxy.
pub(super) fn without_proxy(desired: &mut Desired, observed: &Observed) -> Vec<Conflict> {
    let Some(Around::Policy(PolicyAround { dns_proxy: false, .. })) =
        observed.rules.as_ref().map(|rules| &rules.around)
    else {
        return Vec::new();
    };
    let standing: BTreeSet<Address> = observed.entries.iter().map(|entry| entry.address.folded()).collect();
    let rules = assemble(desired.entries.keys());
    let by_name = |rule: &Rule| !rule.hosts.is_empty() && !rule.is_application();
    let mut conflicts = Vec::new();
    for name in rules.into_iter().filter(|(_, rule)| by_name(rule)).map(|(name, _)| name) {
        let of_rule = |address: &Address| address.part().is_some_and(|part| part.rule.eq_ignore_ascii_case(&name));
        let parts: BTreeSet<Address> = desired.entries.keys().filter(|address| of_rule(address)).cloned().collect();
        if parts.iter().all(|part| standing.contains(&part.folded())) {
            continue;
        }
        let Some(far) = parts.iter().find(|part| part.part().is_some_and(|part| part.part.is_far())) else { continue };
        let requirements: BTreeSet<String> = desired.entries[far].purposes.iter().map(ToString::to_string).collect();
        let why = format!(
            "hosts on other ports than 80 and 443 need network rules, and these need the policy's DNS proxy, which is off; \
             turn it on (dnsSettings.enableProxy), or leave the requirement out with exclude: [{}]",
            requirements.into_iter().collect::<Vec<_>>().join(", ")
        );
        conflicts.push(Conflict { address: far.clone(), foreign_entry: None, why });
        desired.frozen.extend(parts.iter().cloned());
        desired.entries.retain(|address, _| !parts.contains(address));
    }
    conflicts
}

/// Why a part of a rule cannot be written yet: it names an IP group that is not ready.
pub fn not_ready<'a>(address: &Address, observed: &'a Observed) -> Option<&'a str> {
    let Around::Policy(policy) = &observed.rules.as_ref()?.around else { return None };
    let Part::Far(Place::IpGroup(id)) = &address.part()?.part else { return None };
    policy.not_ready.get(&id.to_string().to_ascii_lowercase()).map(String::as_str)
}

/// Leaves prefixes out that lie in another one of the same rule: Azure refuses lists that overlap in a security rule
/// (docs/facts.md, "Where service tags are allowed").
pub(super) fn leave_out_covered(desired: &mut Desired) {
    let covered: Vec<Address> = {
        let rules = assemble(desired.entries.keys());
        desired.entries.keys().filter(|address| is_covered(address, &rules)).cloned().collect()
    };
    desired.entries.retain(|address, _| !covered.contains(address));
    desired.frozen.extend(covered);
}

/// Whether a prefix lies in another one on the same side of its rule.
pub fn is_covered(address: &Address, rules: &BTreeMap<String, Rule>) -> bool {
    let Some(rule) = address.part().and_then(|part| rules.get(&part.rule.to_ascii_lowercase())) else { return false };
    match address.part().map(|part| &part.part) {
        Some(Part::Far(Place::Prefix(prefix))) => lies_in(prefix, &rule.far),
        Some(Part::Near(Place::Prefix(prefix))) => lies_in(prefix, &rule.near),
        _ => false,
    }
}

/// Whether a prefix lies in another one of these.
pub fn lies_in(prefix: &Prefix, places: &BTreeSet<Place>) -> bool {
    places.iter().any(|place| matches!(place, Place::Prefix(wide) if wide != prefix && wide.contains(prefix)))
}

/// What may make correct rules useless, as far as the target itself tells.
pub(super) fn warnings(input: &TargetInput, observed: &Observed, desired: &Desired, steps: &[Step]) -> BTreeSet<Note> {
    let wishes = || input.contributions.iter().filter_map(|contribution| contribution.outcome.as_ref().ok());
    let tags = wishes().flat_map(|wishes| wishes.reach.clone()).collect();
    let known = Known { tags: &tags, groups: &BTreeMap::new() };
    match observed.rules.as_ref().map(|rules| &rules.around) {
        Some(Around::Policy(policy)) => {
            let ours = firewall::OurGroup {
                name: format!("amlnet-{}", input.installation),
                priority: input
                    .priorities
                    .values()
                    .next()
                    .map(|range| range.from)
                    .or(policy.priority)
                    .unwrap_or_default(),
                rules: named(input, assemble(desired.entries.keys())),
            };
            let mut notes = firewall::shadows(&ours, policy.chain.as_deref().map_err(String::as_str), &known);
            notes.extend(of_the_policy(policy));
            notes
        }
        Some(Around::Group(group)) => {
            let Ok(layout) = layout::layout(input, observed, steps) else { return BTreeSet::new() };
            let ours: Vec<security_group::Ours> = layout
                .standing
                .into_values()
                .map(|StandingRule { name, priority, direction, rule, .. }| security_group::Ours {
                    name,
                    priority,
                    direction,
                    rule,
                })
                .collect();
            let mut notes = security_group::shadows(&ours, &group.others, &known);
            let directions = ours.iter().map(|rule| rule.direction).collect();
            let range = input.priorities.values().next();
            notes.extend(range.and_then(|range| security_group::in_range(*range, &directions, &group.others)));
            if observed.subnets == 0 {
                let message =
                    "the group is associated with no subnet and no network interface, so its rules have no effect";
                notes.insert(Note { code: "NotUsed", message: message.to_owned() });
            }
            notes
        }
        Some(Around::Nothing) | None => BTreeSet::new(),
    }
}

/// Rules by the names that they have in Azure.
fn named(input: &TargetInput, rules: BTreeMap<String, Rule>) -> BTreeMap<String, Rule> {
    let heads = heads(input);
    let name = |key: String| heads.get(key.as_str()).map_or(key.clone(), |head| head.name.clone());
    rules.into_iter().map(|(key, rule)| (name(key), rule)).collect()
}

fn of_the_policy(policy: &PolicyAround) -> Vec<Note> {
    let mut notes = Vec::new();
    if policy.failed {
        let message =
            "the policy is in state Failed; a write of any of its groups may repair it, and may fail too".to_owned();
        notes.push(Note { code: "PolicyFailed", message });
    }
    if !policy.is_used {
        let message = "no firewall uses the policy, so its rules have no effect".to_owned();
        notes.push(Note { code: "NotUsed", message });
    }
    notes
}

/// What is to be known of each rule that somebody asks for, by its name in lower case.
pub fn heads(input: &TargetInput) -> BTreeMap<&str, &RuleHead> {
    let wishes = input.contributions.iter().filter_map(|contribution| contribution.outcome.as_ref().ok());
    wishes.flat_map(|wishes| &wishes.rules).map(|(name, head)| (name.as_str(), head)).collect()
}

/// The parts of our rules when these steps have been taken.
pub fn after<'a>(observed: &Observed, steps: impl IntoIterator<Item = &'a Step>) -> BTreeMap<String, Rule> {
    let mut parts: BTreeMap<Address, Address> =
        observed.entries.iter().map(|entry| (entry.address.folded(), entry.address.clone())).collect();
    for step in steps {
        match step.action {
            Action::Remove => drop(parts.remove(&step.address.folded())),
            Action::Add | Action::Change => drop(parts.insert(step.address.folded(), step.address.clone())),
        }
    }
    let mut rules = assemble(parts.values());
    rules.retain(|_, rule| rule.is_complete());
    rules
}

/// Removals of parts of rules: where nobody wants anything of a rule, its far side, with which the rest goes.
pub(super) fn is_implied(entry: &ObservedEntry, wanted_rules: &BTreeSet<String>, far_of: &BTreeSet<String>) -> bool {
    let Some(part) = entry.address.part() else { return false };
    let rule = part.rule.to_ascii_lowercase();
    !part.part.is_far() && !wanted_rules.contains(&rule) && far_of.contains(&rule)
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
