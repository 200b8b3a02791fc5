//! The proof: what must be true of the recorded history, whoever wrote it. Pure; knows nothing of amlnet.
//!
//! The route table stands here; the others have evidence of their own.

mod around;
pub(crate) mod group;
pub(crate) mod list;
pub(crate) mod policy;
pub(crate) mod rules;
pub(crate) mod security;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ipnet::Ipv4Net;

use crate::record::{Entry, Request, State};

/// Everything that the checks of the table rest on.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    /// What the first and the second document need.
    pub(crate) needed: [BTreeSet<Ipv4Net>; 2],
    /// The needed prefix for which somebody else has a route.
    pub(crate) conflict: Ipv4Net,
    /// Every state of the table, from before anything was done.
    pub(crate) history: Vec<State>,
    /// The index of the state in which the first document was in force.
    pub(crate) converged: usize,
    /// The requests while planning, for the first document, and for the second.
    pub(crate) requests: [Vec<Request>; 3],
    /// What else may be written, with what lies below it; the other proofs look at that.
    pub(crate) others: Vec<String>,
}

/// One thing that was looked at: what held, or what did not.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) result: Result<String, String>,
}

impl Check {
    pub(crate) fn holds(&self) -> bool {
        self.result.is_ok()
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.result {
            Ok(what) => write!(f, "ok    {what}"),
            Err(what) => write!(f, "FAIL  {what}"),
        }
    }
}

/// What the proof is about.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) table: Evidence,
    pub(crate) group: group::Evidence,
    pub(crate) list: list::Evidence,
    pub(crate) policy: (rules::Evidence, policy::Surroundings),
    pub(crate) security: rules::Evidence,
}

/// Looks at everything; no check depends on another.
pub(crate) fn all(whole: &Whole) -> Vec<Check> {
    let mut checks = checks(&whole.table);
    let (policy, surroundings) = &whole.policy;
    let others = [
        group::checks(&whole.group),
        policy::checks(policy, surroundings),
        security::checks(&whole.security),
        list::checks(&whole.list),
    ];
    checks.extend(others.into_iter().flatten().map(|result| Check { result }));
    checks
}

/// Of the table.
fn checks(evidence: &Evidence) -> Vec<Check> {
    let last = evidence.history.len().saturating_sub(1);
    [
        plan_wrote_nothing(evidence),
        complete(evidence, 0, evidence.converged),
        complete(evidence, 1, last),
        never_missing(evidence),
        foreign_untouched(evidence),
        nothing_needless(evidence),
        one_put_each(evidence, 0),
        one_put_each(evidence, 1),
    ]
    .into_iter()
    .map(|result| Check { result })
    .collect()
}

fn ordinal(phase: usize) -> &'static str {
    if phase == 0 { "first" } else { "second" }
}

/// What is said of what left the document and is kept.
fn stay(phase: usize, gone: usize) -> String {
    match (phase, gone) {
        (0, _) => String::new(),
        (_, 0) => "; none of them left the document".to_owned(),
        _ => format!("; {gone} of them left the document and stay"),
    }
}

/// Whether a state has a route of ours to the internet for the prefix.
pub(crate) fn is_there(entries: &[Entry], prefix: Ipv4Net) -> bool {
    entries.iter().any(|entry| entry.is_ours() && entry.net() == Some(prefix) && entry.leads_to_internet())
}

impl Evidence {
    /// What amlnet has to keep for a document: all that it needs but the conflict.
    fn wanted(&self, phase: usize) -> BTreeSet<Ipv4Net> {
        self.needed[phase].iter().copied().filter(|prefix| *prefix != self.conflict).collect()
    }

    fn state(&self, index: usize) -> &[Entry] {
        self.history.get(index).map_or(&[], |state| &state.entries)
    }
}

fn plan_wrote_nothing(evidence: &Evidence) -> Result<String, String> {
    let writes: Vec<&Request> = evidence.requests[0].iter().filter(|request| request.is_write()).collect();
    match writes.first() {
        None => Ok("`amlnet plan` wrote nothing".to_owned()),
        Some(first) => {
            Err(format!("`amlnet plan` wrote {} times, first {} {}", writes.len(), first.method, first.path))
        }
    }
}

fn complete(evidence: &Evidence, phase: usize, index: usize) -> Result<String, String> {
    let (wanted, entries) = (evidence.wanted(phase), evidence.state(index));
    let missing: Vec<Ipv4Net> = wanted.iter().copied().filter(|prefix| !is_there(entries, *prefix)).collect();
    let (which, needed, conflict) = (ordinal(phase), evidence.needed[phase].len(), evidence.conflict);
    if missing.is_empty() {
        Ok(format!(
            "after the {which} document: {} of {needed} needed prefixes lead to the internet; \
             the other one, {conflict}, is the conflict",
            wanted.len()
        ))
    } else {
        Err(format!(
            "after the {which} document these needed prefixes have no route to the internet: {}",
            join(&missing)
        ))
    }
}

/// From its first appearance, and at the latest from the first document's convergence, to the end.
fn never_missing(evidence: &Evidence) -> Result<String, String> {
    let kept: BTreeSet<Ipv4Net> = evidence.wanted(0).intersection(&evidence.wanted(1)).copied().collect();
    for prefix in &kept {
        let mut seen = false;
        for (index, state) in evidence.history.iter().enumerate() {
            let there = is_there(&state.entries, *prefix);
            seen |= there;
            if !there && (seen || index >= evidence.converged) {
                let at = &state.at;
                return Err(format!(
                    "{prefix}, needed before and after, was missing in state {index} of the table, at {at}"
                ));
            }
        }
    }
    Ok(format!(
        "none of the {} prefixes needed before and after was ever missing since convergence (states looked at: {})",
        kept.len(),
        evidence.history.len().saturating_sub(evidence.converged)
    ))
}

/// A route's name, prefix, next hop and next hop address.
type Facts<'a> = (&'a str, &'a str, &'a str, Option<&'a str>);

fn foreign(entries: &[Entry]) -> BTreeSet<Facts<'_>> {
    entries
        .iter()
        .filter(|entry| !entry.is_ours())
        .map(|entry| {
            (entry.name.as_str(), entry.prefix.as_str(), entry.next_hop.as_str(), entry.next_hop_ip.as_deref())
        })
        .collect()
}

fn foreign_untouched(evidence: &Evidence) -> Result<String, String> {
    let before = foreign(evidence.state(0));
    for (index, state) in evidence.history.iter().enumerate() {
        let now = foreign(&state.entries);
        if let Some((name, prefix, ..)) = before.difference(&now).next() {
            return Err(format!(
                "other people's route {name} for {prefix} was changed or removed in state {index}, at {}",
                state.at
            ));
        }
        if let Some((name, prefix, ..)) = now.difference(&before).next() {
            return Err(format!(
                "a route {name} for {prefix} that is not ours was added in state {index}, at {}",
                state.at
            ));
        }
    }
    Ok(format!(
        "none of the {} routes of other people was changed or removed, nor one added, in any of all {} states",
        before.len(),
        evidence.history.len()
    ))
}

fn nothing_needless(evidence: &Evidence) -> Result<String, String> {
    let wanted: BTreeSet<Ipv4Net> = evidence.wanted(0).union(&evidence.wanted(1)).copied().collect();
    let ours = evidence.history.iter().flat_map(|state| &state.entries).filter(|entry| entry.is_ours());
    for entry in ours {
        let needed = entry.net().is_some_and(|prefix| wanted.contains(&prefix));
        if !needed || !entry.leads_to_internet() {
            return Err(format!(
                "our route {} sends {} to {}, which nothing needs",
                entry.name,
                entry.prefix,
                entry.hop()
            ));
        }
    }
    Ok("every route of ours was for a needed prefix, and led to the internet, in every state".to_owned())
}

fn one_put_each(evidence: &Evidence, phase: usize) -> Result<String, String> {
    let before = evidence.state(if phase == 0 { 0 } else { evidence.converged });
    let new: BTreeSet<Ipv4Net> =
        evidence.wanted(phase).into_iter().filter(|prefix| !is_there(before, *prefix)).collect();
    let by_name: BTreeMap<String, Ipv4Net> = evidence
        .history
        .iter()
        .flat_map(|state| &state.entries)
        .filter_map(|entry| Some((entry.name.to_ascii_lowercase(), entry.net()?)))
        .collect();
    let mut puts: BTreeMap<Ipv4Net, usize> = BTreeMap::new();
    let writes = evidence.requests[phase + 1].iter().filter(|request| request.is_write());
    let is_other = |request: &&Request| evidence.others.iter().any(|id| request.is_on(id) || request.is_below(id));
    for request in writes.filter(|request| !is_other(request)) {
        let prefix = by_name.get(&request.last().to_ascii_lowercase());
        match prefix {
            Some(prefix) if request.method == "PUT" && new.contains(prefix) => *puts.entry(*prefix).or_default() += 1,
            _ => {
                return Err(format!("a write that no new prefix explains: {} {}", request.method, request.path));
            }
        }
    }
    for prefix in &new {
        match puts.get(prefix).copied().unwrap_or(0) {
            1 => {}
            count => return Err(format!("the new prefix {prefix} cost {count} PUTs, not 1")),
        }
    }
    let which = ordinal(phase);
    Ok(match new.len() {
        0 => format!("the {which} document: no prefix was new to the table, and no route was written"),
        count => format!(
            "the {which} document: {count} new prefixes cost the table {count} PUTs, one each, and nothing unknown was written"
        ),
    })
}

fn join(prefixes: &[Ipv4Net]) -> String {
    prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "proof_tests.rs"]
mod tests;
