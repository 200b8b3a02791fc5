//! What must be true of our rules in a network security group besides what `rules` looks at: one write a rule that changes,
//! priorities in the range that was given, and a form that Azure takes. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::ordinal;
use super::rules::{self, Evidence};
use crate::rules::Rule;
use crate::scene::PRIORITIES;

/// What one rule holds at most.
const MOST: usize = 100;

pub(super) fn checks(evidence: &Evidence) -> Vec<Result<String, String>> {
    let mut checks = rules::checks(evidence);
    checks.extend([
        one_write_each(evidence, 0),
        one_write_each(evidence, 1),
        well_formed(evidence),
        in_effect(evidence),
    ]);
    checks
}

/// The rules that are new or other than before, by name.
fn changed<'a>(before: &[Rule], after: &'a [Rule]) -> BTreeSet<&'a str> {
    let settled = |rule: &Rule| Rule { in_effect: true, ..rule.clone() };
    let is_known = |rule: &&Rule| before.iter().any(|other| settled(other) == settled(rule));
    after.iter().filter(|rule| !is_known(rule)).map(Rule::last).collect()
}

fn one_write_each(evidence: &Evidence, phase: usize) -> Result<String, String> {
    let (which, what) = (ordinal(phase), evidence.what);
    let changed = changed(evidence.before(phase), evidence.after(phase));
    let mut puts: BTreeMap<&str, usize> = changed.iter().map(|name| (*name, 0)).collect();
    let is_ours = |path: &str| path.eq_ignore_ascii_case(&evidence.id);
    for write in evidence.requests[phase + 1].iter().filter(|one| one.is_write()) {
        if !is_ours(&write.path) && !write.is_below(&evidence.id) {
            continue;
        }
        match puts.get_mut(write.last()) {
            Some(count) if write.method == "PUT" && !is_ours(&write.path) => *count += 1,
            _ => return Err(format!("a write that no changed rule explains: {} {}", write.method, write.path)),
        }
    }
    if let Some((name, count)) = puts.iter().find(|(_, count)| **count != 1) {
        return Err(format!("the {which} document: the changed rule {name} cost {count} PUTs, not 1"));
    }
    Ok(match changed.len() {
        0 => format!("the {which} document: no rule of {what} changed, and none was written"),
        1 => format!("the {which} document: one new or changed rule of {what} cost one PUT"),
        count => format!("the {which} document: {count} new or changed rules of {what} cost {count} PUTs, one each"),
    })
}

fn well_formed(evidence: &Evidence) -> Result<String, String> {
    let [from, to] = PRIORITIES;
    for (index, state) in evidence.history.iter().enumerate() {
        let fault = |rule: &Rule, what: &str| {
            let (name, at) = (&rule.name, &state.at);
            Err(format!("our rule {name} {what} in state {index}, at {at}"))
        };
        for rule in state.rules.iter().filter(|rule| rule.is_ours()) {
            let is_in_range = matches!(rule.priorities.as_slice(), [one] if (from..=to).contains(one));
            if !is_in_range {
                return fault(rule, &format!("has a priority outside {from} to {to}: {:?}", rule.priorities));
            }
            let same = |other: &&Rule| other.priorities == rule.priorities && other.kind.starts_with("Outbound");
            if state.rules.iter().filter(same).count() > 1 {
                return fault(rule, "shares its priority with another one");
            }
            if rule.prefixes() != rule.to.len() && rule.to.len() != 1 {
                return fault(rule, "holds a tag beside something else");
            }
            if rule.to.len() > MOST {
                return fault(rule, &format!("holds {} prefixes, more than {MOST}", rule.to.len()));
            }
        }
    }
    Ok(format!(
        "our rules always had priorities of their own from {from} to {to}, and one tag or at most {MOST} prefixes each"
    ))
}

fn in_effect(evidence: &Evidence) -> Result<String, String> {
    match evidence.after(1).iter().find(|rule| !rule.in_effect) {
        Some(rule) => Err(format!("in the end the rule {} is not in effect", rule.name)),
        None => Ok(format!("in the end all rules of {} are in effect", evidence.what)),
    }
}

#[cfg(test)]
#[path = "security_tests.rs"]
mod tests;
