//! What must be true of the list: every answer that a firewall got, compared as text with what it should have been. Pure.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;

use super::{ordinal, stay};
use crate::list::Answer;

/// Everything that the checks rest on.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    /// What the first and the second document say.
    pub(crate) needed: [BTreeSet<Ipv4Net>; 2],
    /// Every answer, in order.
    pub(crate) answers: Vec<Answer>,
    /// How many of them came before the second document was published.
    pub(crate) before: usize,
}

pub(super) fn checks(evidence: &Evidence) -> Vec<Result<String, String>> {
    let before = evidence.before.min(evidence.answers.len());
    vec![
        served(evidence, 0, &evidence.answers[..before]),
        served(evidence, 1, &evidence.answers),
        always_whole(evidence),
        not_twice(evidence),
    ]
}

impl Evidence {
    /// Nothing leaves it here: what the first document needed stays.
    fn wanted(&self, phase: usize) -> BTreeSet<Ipv4Net> {
        self.needed[..=phase].iter().flatten().copied().collect()
    }

    /// One address a line, sorted, each once.
    fn text(&self, phase: usize) -> String {
        self.wanted(phase).iter().map(|net| net.to_string() + "\n").collect()
    }
}

fn served(evidence: &Evidence, phase: usize, answers: &[Answer]) -> Result<String, String> {
    let which = ordinal(phase);
    let Some(last) = answers.iter().rfind(|answer| answer.status == 200) else {
        return Err(format!("after the {which} document no list came"));
    };
    let (wanted, found) = (evidence.wanted(phase), last.addresses());
    if let Some(missing) = wanted.difference(&found).next() {
        return Err(format!("after the {which} document the list lacks {missing}"));
    }
    if let Some(needless) = found.difference(&wanted).next() {
        return Err(format!("after the {which} document the list holds {needless}, which no document asks for"));
    }
    if last.body != evidence.text(phase) {
        return Err(format!("after the {which} document the list is not sorted, each address on one line of its own"));
    }
    let gone = wanted.difference(&evidence.needed[phase]).count();
    let stay = stay(phase, gone);
    Ok(format!("after the {which} document the list has the {} lines that it should{stay}", wanted.len()))
}

/// Each list that came is the whole first or the whole second one, the first never after the second; before the first
/// there was none at all.
fn always_whole(evidence: &Evidence) -> Result<String, String> {
    let texts = [0, 1].map(|phase| evidence.text(phase));
    let mut reached: Option<usize> = None;
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    for (index, answer) in evidence.answers.iter().enumerate() {
        *counts.entry(answer.status).or_default() += 1;
        let lines = answer.lines();
        match (answer.status, reached) {
            (200, _) => {
                let from = reached.unwrap_or(0);
                let Some(phase) = (from..2).find(|phase| texts[*phase] == answer.body) else {
                    return Err(format!("answer {index} of the list is neither document's whole list: {lines} lines"));
                };
                reached = Some(phase);
            }
            (304, Some(_)) if answer.body.is_empty() => {}
            (503, None) => {}
            (status, _) => return Err(format!("answer {index} of the list was {status} with {lines} lines")),
        }
    }
    let told: Vec<String> = counts.iter().map(|(status, count)| format!("{count} with {status}")).collect();
    Ok(format!("no answer of the list was empty or partial: {} in all, {}", evidence.answers.len(), told.join(", ")))
}

/// An ETag stands for one list, a list has one ETag, and who has a list already does not get it again.
fn not_twice(evidence: &Evidence) -> Result<String, String> {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    let mut current: Option<&str> = None;
    let mut old_brought_new = false;
    for (index, answer) in evidence.answers.iter().enumerate() {
        let asked = answer.asked_with.as_deref();
        match answer.status {
            200 => {
                let Some(etag) = answer.etag.as_deref() else {
                    return Err(format!("answer {index} of the list has no ETag"));
                };
                if asked == Some(etag) {
                    return Err(format!("answer {index} brought the list that {etag} stands for once more"));
                }
                let other = known.iter().find(|(known, body)| (**known == etag) != (**body == answer.body));
                if let Some((other, _)) = other {
                    return Err(format!(
                        "answer {index} of the list has the ETag {etag}, after {other}: one list, one ETag"
                    ));
                }
                old_brought_new |= index >= evidence.before && asked.is_some_and(|asked| known.contains_key(asked));
                known.insert(etag, &answer.body);
                current = Some(etag);
            }
            304 if asked.is_none() || asked != current => {
                let asked = asked.unwrap_or("no ETag");
                return Err(format!("answer {index} was 304 to {asked}, which is not the list's"));
            }
            _ => {}
        }
    }
    let before = evidence.answers.iter().take(evidence.before);
    let unchanged = before.filter(|answer| answer.status == 304).count();
    let changes = evidence.text(0) != evidence.text(1);
    match (unchanged, changes, old_brought_new) {
        (0, ..) => Err("who had the first list was never told 304 before the second document".to_owned()),
        (_, true, false) => Err("the first list's ETag did not bring the second list".to_owned()),
        (_, true, true) => {
            Ok("the first list's ETag was answered with 304 until the second list came, then with 200".to_owned())
        }
        (_, false, _) => Ok("the list did not change, and its ETag was answered with 304".to_owned()),
    }
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
