//! What must be true of rules, whoever holds them: what they let through at every moment, and that each keeps its name and
//! its priority. Pure; knows nothing of amlnet.
//!
//! What is particular to a policy and to a security group stands in `policy` and `security`.

use super::{ordinal, stay};
use crate::record::Request;
use crate::rows::{Openings, widest};
use crate::rules::{Rule, RuleState, openings};

/// Everything that the checks of one resource rest on.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    /// In words.
    pub(crate) what: &'static str,
    pub(crate) id: String,
    /// What the first and the second document ask for.
    pub(crate) asked: [Openings; 2],
    /// Whether Azure takes a prefix beside one that it lies in.
    pub(crate) may_overlap: bool,
    /// The rules before anything was done.
    pub(crate) begin: Vec<Rule>,
    /// Every state since.
    pub(crate) history: Vec<RuleState>,
    /// The index of the state in which the first document was in force.
    pub(crate) converged: usize,
    /// The requests while planning, for the first document, and for the second.
    pub(crate) requests: [Vec<Request>; 3],
}

pub(super) fn checks(evidence: &Evidence) -> Vec<Result<String, String>> {
    vec![holds(evidence, 0), holds(evidence, 1), never_missing(evidence), stable(evidence), foreign_untouched(evidence)]
}

/// What has to be let through: nothing leaves it here, so what the first document asked for stays.
pub(crate) fn wanted(asked: &[Openings; 2], phase: usize, may_overlap: bool) -> Openings {
    let all = asked[..=phase].iter().flatten().cloned().collect();
    if may_overlap { all } else { widest(&all) }
}

impl Evidence {
    pub(super) fn wanted(&self, phase: usize) -> Openings {
        wanted(&self.asked, phase, self.may_overlap)
    }

    /// The rules when a phase began.
    pub(super) fn before(&self, phase: usize) -> &[Rule] {
        if phase == 0 { &self.begin } else { self.state(self.converged) }
    }

    /// The rules when a phase had ended.
    pub(super) fn after(&self, phase: usize) -> &[Rule] {
        self.state(if phase == 0 { self.converged } else { self.history.len().saturating_sub(1) })
    }

    fn state(&self, index: usize) -> &[Rule] {
        self.history.get(index).map_or(&[], |state| &state.rules)
    }
}

fn ours(rules: &[Rule]) -> impl Iterator<Item = &Rule> {
    rules.iter().filter(|rule| rule.is_ours())
}

fn holds(evidence: &Evidence, phase: usize) -> Result<String, String> {
    let (which, what, rules) = (ordinal(phase), evidence.what, evidence.after(phase));
    let (wanted, found) = (evidence.wanted(phase), openings(rules));
    if let Some(missing) = wanted.difference(&found).next() {
        return Err(format!("after the {which} document {what} lacks {}", missing.describe()));
    }
    if let Some(needless) = found.difference(&wanted).next() {
        let needless = needless.describe();
        return Err(format!("after the {which} document {what} lets through {needless}, which no document asks for"));
    }
    if let Some(rule) = ours(rules).find(|rule| rule.openings().is_empty()) {
        return Err(format!("after the {which} document our rule {} lets nothing through: {}", rule.name, rule.kind));
    }
    let gone = wanted.difference(&evidence.asked[phase]).count();
    let prefixes: usize = ours(rules).map(Rule::prefixes).sum();
    Ok(format!(
        "after the {which} document {what} lets through what it should and nothing else: {} rules of ours with {} \
         destinations, {prefixes} of which are prefixes{}",
        ours(rules).count(),
        ours(rules).map(|rule| rule.to.len()).sum::<usize>(),
        stay(phase, gone)
    ))
}

/// From its first appearance, and at the latest from the first document's convergence, to the end.
fn never_missing(evidence: &Evidence) -> Result<String, String> {
    let (what, first, all) = (evidence.what, evidence.wanted(0), evidence.wanted(1));
    let mut seen = Openings::new();
    for (index, state) in evidence.history.iter().enumerate() {
        let now = openings(&state.rules);
        let is_open = |one: &&_| now.iter().any(|other| other.covers(one));
        let at = &state.at;
        let due = if index >= evidence.converged { &first } else { &seen };
        if let Some(missing) = due.iter().find(|one| !is_open(one)) {
            return Err(format!("{} was missing from {what} in state {index}, at {at}", missing.describe()));
        }
        if let Some(needless) = now.iter().find(|one| !all.iter().any(|other| other.covers(one))) {
            let needless = needless.describe();
            return Err(format!(
                "{what} let through {needless}, which no document asks for, in state {index}, at {at}"
            ));
        }
        seen.extend(first.iter().filter(is_open).cloned());
    }
    Ok(format!(
        "{what} never lost one of the {} ways out once it was there, and opened no other, in any of all {} states",
        first.len(),
        evidence.history.len()
    ))
}

fn stable(evidence: &Evidence) -> Result<String, String> {
    let (what, then, now) = (evidence.what, evidence.after(0), evidence.after(1));
    for rule in ours(then) {
        let Some(same) = now.iter().find(|other| other.name == rule.name) else {
            return Err(format!("our rule {} of {what} is gone after the second document", rule.name));
        };
        if same.priorities != rule.priorities {
            let (before, after) = (&rule.priorities, &same.priorities);
            return Err(format!("the priority of our rule {} went from {before:?} to {after:?}", rule.name));
        }
    }
    let count = ours(then).count();
    Ok(format!("each of the {count} rules in {what} kept its name and its priority with the second document"))
}

/// A rule that is not ours, without what changes by itself.
fn foreign(rules: &[Rule]) -> Vec<Rule> {
    let mut foreign: Vec<Rule> = rules.iter().filter(|rule| !rule.is_ours()).cloned().collect();
    for rule in &mut foreign {
        rule.in_effect = true;
    }
    foreign.sort();
    foreign
}

fn foreign_untouched(evidence: &Evidence) -> Result<String, String> {
    let (what, before) = (evidence.what, foreign(&evidence.begin));
    for (index, state) in evidence.history.iter().enumerate() {
        let now = foreign(&state.rules);
        if now != before {
            let changed = before.iter().find(|rule| !now.contains(rule));
            let name = changed.or_else(|| now.iter().find(|rule| !before.contains(rule))).map(|rule| &rule.name);
            let (name, at) = (name.map_or("a rule", String::as_str), &state.at);
            return Err(format!(
                "{name} of other people was changed, removed or added in {what}, state {index}, at {at}"
            ));
        }
    }
    Ok(match before.len() {
        0 => format!("beside our rules {what} never held another one"),
        count => format!("none of the {count} rules of other people in {what} was touched, in any state"),
    })
}
