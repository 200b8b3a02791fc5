//! Plans for targets that hold one entry per address: route tables, and IP groups, which are written as a whole.
//!
//! Compares desired with observed and says what to add, change and remove, and what is in conflict. Must not hold
//! anything back: the guards do. Nothing unowned is ever changed, removed or adopted.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Action, Blocked, BlockedReason, Conflict, HeldReason, Limits, Observed, ObservedEntry, Plan, Step, TargetInput,
};
use super::{measure, rules};
use crate::desired::{Address, Desired, DesiredEntry};
use crate::effect;
use crate::intent::{NextHop, ObjectKey, entry_name};
use crate::resolve::Note;
use crate::resource_id::TargetKind;

/// A table this full is warned of.
const WARN_PERCENT: usize = 80;

/// The unguarded plan.
pub fn plan(input: &TargetInput, observed: &Observed, limits: Limits) -> Plan {
    let unresolved = super::unresolved(&input.contributions);
    if unresolved.len() == input.contributions.len() && !unresolved.is_empty() {
        let reasons: BTreeSet<String> = unresolved.iter().map(|(key, why)| format!("{key}: {why}")).collect();
        let message = reasons.into_iter().collect::<Vec<_>>().join("; ");
        let ours = observed.ours(&input.installation).count();
        let plan = Plan {
            entries_now: observed.entries.len(),
            owned_now: ours,
            limits,
            ..Plan::blocked(input, BlockedReason::Unresolved, message)
        };
        return measure::check_capacity(plan, input, observed);
    }
    if let Some(blocked) = super::whole::refusal(input, observed) {
        let entries_now = observed.entries.len();
        return Plan { entries_now, limits, blocked: Some(blocked), ..Plan::unknown(input) };
    }
    if let Some(blocked) = rules::refusal(input, observed) {
        let plan = Plan { limits, blocked: Some(blocked), ..Plan::unknown(input) };
        return measure::check_capacity(plan, input, observed);
    }
    let observed = &rules::with_misplaced(input, observed);
    let mut desired = Desired::union(&input.contributions);
    let mut findings = Findings::default();
    findings.conflicts.extend(rules::disputed(&desired));
    findings.conflicts.extend(rules::without_proxy(&mut desired, observed));
    if input.id.kind == TargetKind::SecurityGroup {
        rules::leave_out_covered(&mut desired);
    }
    findings.changes.extend(rules::priority_step(input, observed));
    let table = Table::new(input, observed, &desired);
    for (address, hops) in &desired.contradictions {
        findings.conflicts.push(contradiction(address, hops));
    }
    for (address, entry) in &desired.entries {
        findings.compare(address, entry, &table);
    }
    let mut warnings: BTreeSet<_> =
        input.contributions.iter().filter_map(|c| c.outcome.as_ref().ok()).flat_map(|w| w.notes.clone()).collect();
    warnings.append(&mut findings.warnings.drain(..).collect());
    let steps = findings.ordered_steps(removals(&table, &desired));
    match input.id.kind {
        TargetKind::IpGroup => warnings.extend(super::whole::warnings(observed)),
        TargetKind::RuleCollectionGroup | TargetKind::SecurityGroup => {
            warnings.extend(rules::warnings(input, observed, &desired, &steps));
        }
        TargetKind::RouteTable => warnings.extend(effect::warnings(&desired, observed, &input.installation)),
    }
    warnings.extend(effect::settings_differ(input));
    findings.conflicts.sort();
    Plan {
        id: input.id.clone(),
        documents: super::documents(&input.contributions),
        limits,
        entries_now: observed.entries.len(),
        then: None,
        owned_now: table.ours.len(),
        steps,
        held: Vec::new(),
        conflicts: findings.conflicts,
        satisfied_by_others: findings.satisfied,
        unresolved,
        warnings,
        blocked: None,
        pending: None,
    }
}

/// What the table holds, by owner and address.
struct Table<'a> {
    input: &'a TargetInput,
    ours: BTreeMap<Address, &'a ObservedEntry>,
    /// Ours by name, in lower case.
    named: BTreeMap<String, &'a ObservedEntry>,
    foreign: BTreeMap<Address, &'a ObservedEntry>,
    /// Every address that some contributor wants, also where they contradict each other.
    wanted: BTreeSet<Address>,
}

impl<'a> Table<'a> {
    fn new(input: &'a TargetInput, observed: &'a Observed, desired: &Desired) -> Self {
        let (ours, foreign): (Vec<_>, Vec<_>) =
            observed.entries.iter().partition(|entry| observed.owns(entry, &input.installation));
        let by_address = |list: Vec<&'a ObservedEntry>| list.into_iter().map(|e| (e.address.folded(), e)).collect();
        Self {
            input,
            named: ours.iter().map(|entry| (entry.name.to_ascii_lowercase(), *entry)).collect(),
            ours: by_address(ours),
            foreign: by_address(foreign),
            wanted: desired.all().map(Address::folded).collect(),
        }
    }

    /// The name of our entry for an address. A member of a group has no name but itself.
    fn name(&self, address: &Address) -> String {
        let text = address.to_string();
        if self.input.id.kind == TargetKind::RouteTable { entry_name(&self.input.installation, &text) } else { text }
    }

    /// The entry of ours that bears this name, whatever its address is.
    fn named(&self, name: &str) -> Option<&'a ObservedEntry> {
        self.named.get(&name.to_ascii_lowercase()).copied()
    }
}

#[derive(Default)]
struct Findings {
    additions: Vec<Step>,
    changes: Vec<Step>,
    conflicts: Vec<Conflict>,
    satisfied: Vec<(Address, String)>,
    warnings: Vec<Note>,
}

impl Findings {
    /// | table holds for the address      | finding                                         |
    /// |----------------------------------|-------------------------------------------------|
    /// | ours, same next hop              | nothing                                         |
    /// | ours, other next hop or failed   | change                                          |
    /// | foreign, same next hop           | satisfied                                       |
    /// | foreign, other next hop          | conflict                                        |
    /// | nothing, our name free           | add                                             |
    /// | nothing, our name elsewhere      | change back, or conflict where that one is wanted |
    fn compare(&mut self, address: &Address, entry: &DesiredEntry, table: &Table<'_>) {
        if let Some(ours) = table.ours.get(&address.folded()) {
            if ours.next_hop != entry.next_hop || ours.failed {
                self.changes.push(step(Action::Change, ours.name.clone(), address, entry, Some(ours)));
            }
        } else if let Some(foreign) = table.foreign.get(&address.folded()) {
            if foreign.next_hop == entry.next_hop {
                self.satisfied.push((address.clone(), foreign.name.clone()));
                if foreign.failed {
                    let message = format!(
                        "route {:?} for {address} is not ours, and Azure failed to put it into effect",
                        foreign.name
                    );
                    self.warnings.push(Note { code: "ForeignRouteFailed", message });
                }
            } else {
                self.conflicts.push(Conflict {
                    address: address.clone(),
                    foreign_entry: Some(foreign.name.clone()),
                    why: format!(
                        "route {:?} sends it to {}, {} is wanted; it is not ours and stays. \
                         Remove that route, then amlnet adds its own",
                        foreign.name, foreign.next_hop, entry.next_hop
                    ),
                });
            }
        } else {
            let name = table.name(address);
            match table.named(&name) {
                None => self.additions.push(step(Action::Add, name, address, entry, None)),
                Some(other) if !table.wanted.contains(&other.address.folded()) => {
                    self.changes.push(step(Action::Change, other.name.clone(), address, entry, Some(other)));
                }
                Some(other) => self.conflicts.push(Conflict {
                    address: address.clone(),
                    foreign_entry: Some(other.name.clone()),
                    why: format!(
                        "somebody gave our route {:?} the address {}, which is needed too; delete that route, \
                         then both are written anew",
                        other.name, other.address
                    ),
                }),
            }
        }
    }

    /// Additions, changes, the default route, removals; sorted within.
    fn ordered_steps(&mut self, removals: Vec<Step>) -> Vec<Step> {
        let mut steps: Vec<Step> = self.additions.drain(..).chain(self.changes.drain(..)).collect();
        steps.sort_by(|a, b| {
            let key = |step: &Step| (step.is_default_route(), step.action);
            key(a).cmp(&key(b)).then_with(|| a.address.cmp(&b.address))
        });
        steps.extend(removals);
        steps
    }
}

fn step(action: Action, name: String, address: &Address, entry: &DesiredEntry, before: Option<&ObservedEntry>) -> Step {
    Step {
        action,
        entry: name,
        address: address.clone(),
        next_hop: Some(entry.next_hop.clone()),
        before: before.map(|entry| (entry.address.clone(), entry.next_hop.clone())),
        purposes: entry.purposes.clone(),
        wanted_by: entry.wanted_by.clone(),
    }
}

/// Entries of ours that nobody wants. An address in contradiction is frozen, and so is one that a change takes over.
fn removals(table: &Table<'_>, desired: &Desired) -> Vec<Step> {
    let missing = desired.entries.keys().filter(|address| {
        !table.ours.contains_key(&address.folded()) && !table.foreign.contains_key(&address.folded())
    });
    let names: BTreeSet<String> = missing.map(|address| table.name(address).to_ascii_lowercase()).collect();
    let taken_over = |entry: &ObservedEntry| names.contains(&entry.name.to_ascii_lowercase());
    let rule_of = |address: &Address| address.part().map(|part| part.rule.to_ascii_lowercase());
    let wanted_rules: BTreeSet<String> = table.wanted.iter().filter_map(rule_of).collect();
    let is_far = |address: &&Address| address.part().is_some_and(|part| part.part.is_far());
    let about_something: BTreeSet<String> = table.ours.keys().filter(is_far).filter_map(rule_of).collect();
    let unwanted = table.ours.iter().filter(|(key, entry)| {
        !table.wanted.contains(key) && !taken_over(entry) && !rules::is_implied(entry, &wanted_rules, &about_something)
    });
    unwanted
        .map(|(_, entry)| Step {
            action: Action::Remove,
            entry: entry.name.clone(),
            address: entry.address.clone(),
            next_hop: None,
            before: Some((entry.address.clone(), entry.next_hop.clone())),
            purposes: BTreeSet::new(),
            wanted_by: BTreeSet::new(),
        })
        .collect()
}

fn contradiction(address: &Address, hops: &BTreeSet<(NextHop, ObjectKey)>) -> Conflict {
    let wants: Vec<String> = hops.iter().map(|(hop, network)| format!("{network} wants {hop}")).collect();
    Conflict {
        address: address.clone(),
        foreign_entry: None,
        why: format!("{}; a prefix can have one next hop, so nothing is done to it. Make them agree", wants.join(", ")),
    }
}

/// Blocks the plan as a whole where the peak (what stands now and all additions) would not fit; warns at 80 %. What is
/// written as a whole has no moment in between: what the same write takes away makes room.
///
/// Where every addition is held, those held by mode count, so that mode Observe shows what would happen; otherwise they do
/// not, so that one Network's Observe cannot stop another's additions to a shared table.
pub fn check_capacity(mut plan: Plan, input: &TargetInput, observed: &Observed) -> Plan {
    if observed.rules.is_some() {
        return measure::check_capacity(plan, input, observed);
    }
    let is_tag = |address: &Address| matches!(address, Address::Tag(_));
    let is_addition = |step: &&Step| step.action == Action::Add;
    let mut additions: Vec<&Step> = plan.steps.iter().filter(is_addition).collect();
    if additions.is_empty() {
        let by_mode = plan.held.iter().filter(|held| held.reason == HeldReason::Mode);
        additions = by_mode.map(|held| &held.step).filter(is_addition).collect();
    }
    let is_removal = |step: &&Step| step.action == Action::Remove;
    let makes_room = if plan.id.kind.is_whole() { plan.steps.iter().filter(is_removal).count() } else { 0 };
    let routes = (observed.entries.len().saturating_sub(makes_room), additions.len());
    let tags = (
        observed.entries.iter().filter(|entry| is_tag(&entry.address)).count(),
        additions.iter().filter(|step| is_tag(&step.address)).count(),
    );
    let limits = plan.limits;
    let kind = plan.id.kind;
    let all = (routes, limits.entries, kind.entries());
    let by_tag = (!kind.is_whole()).then_some((tags, limits.tag_entries, "routes by service tag"));
    for ((now, more), limit, what) in [Some(all), by_tag].into_iter().flatten() {
        let peak = now + more;
        if peak > limit && more > 0 {
            let advice = match kind {
                TargetKind::RouteTable => "Remove routes of others, or have the limit raised",
                _ => "Give what it holds to several groups, by requirement",
            };
            let message =
                format!("the {kind} would hold {peak} {what}, its limit is {limit}; nothing is written. {advice}");
            plan.blocked.get_or_insert(Blocked { reason: BlockedReason::Capacity, message });
        } else if peak * 100 >= limit * WARN_PERCENT {
            let message = format!("the {kind} will hold {peak} {what} of at most {limit}");
            plan.warnings.insert(Note { code: "CapacityHigh", message });
        }
    }
    plan
}

#[cfg(test)]
#[path = "entries_tests.rs"]
mod tests;
