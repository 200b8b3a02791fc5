//! Approvals: a person's word for the steps of one plan, or for one held document.
//!
//! An approval names a hash; whatever else is in a plan is not covered. Must not know where approvals are kept.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::intent::ObjectKey;
use super::memory::TargetMemory;
use super::plan::{HeldReason, Pending, Plan};

/// An approval stands this long unless it says otherwise.
pub const DEFAULT_EXPIRY: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Nothing is said any more of an approval that expired so long ago.
pub const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Whose plan or document is approved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    Network(ObjectKey),
    Feed(String),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Network(key) => write!(f, "AmlNetwork {key}"),
            Self::Feed(name) => write!(f, "ServiceTagFeed {name}"),
        }
    }
}

/// What somebody wrote down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Approval {
    /// The same for the same approval only: one that was used does not count again.
    pub id: String,
    pub subject: Subject,
    /// `sha256:…` of what waits, or of a document.
    pub hash: String,
    pub approved_by: Option<String>,
    pub expires_at: Timestamp,
}

impl Approval {
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }
}

/// Decides who has approved the steps of `steps`; `None` where nothing needs a person.
pub fn pending(
    plan: &Plan,
    steps: BTreeMap<String, (HeldReason, String)>,
    approvers: BTreeSet<ObjectKey>,
    approvals: &[Approval],
    memory: &TargetMemory,
    now: Timestamp,
) -> Option<Pending> {
    if steps.is_empty() {
        return None;
    }
    let hash = plan.hash_of(steps.keys().cloned().collect());
    let text = hash.to_string();
    let covers = |approval: &Approval| {
        let as_shown = approval.hash == text;
        let shown = memory.waiting.iter().find(|waiting| waiting.hash == approval.hash);
        let among = shown.is_some_and(|shown| steps.keys().all(|line| shown.steps.contains(line)));
        (as_shown || among) && !approval.is_expired(now) && !memory.used.contains_key(&approval.id)
    };
    let valid: Vec<(&ObjectKey, &Approval)> = approvals
        .iter()
        .filter_map(|approval| match &approval.subject {
            Subject::Network(key) => Some((key, approval)),
            Subject::Feed(_) => None,
        })
        .filter(|(key, approval)| approvers.contains(*key) && covers(approval))
        .collect();
    let namespaces = |keys: &mut dyn Iterator<Item = &ObjectKey>| -> BTreeSet<String> {
        keys.map(|key| key.namespace.clone()).collect()
    };
    let (needed, given) = (namespaces(&mut approvers.iter()), namespaces(&mut valid.iter().map(|(key, _)| *key)));
    Some(Pending {
        hash,
        steps,
        approved_by: valid.iter().map(|(_, approval)| approval.id.clone()).collect(),
        is_approved: !needed.is_empty() && needed.is_subset(&given),
        approvers,
    })
}

/// What became of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It covers what waits, and was or will be acted upon.
    InForce,
    /// It covers what waits, but another namespace has to approve too.
    OthersMissing,
    Used,
    Expired,
    /// Nothing of this hash waits for this Network.
    OtherPlan,
    /// What it was given for has grown.
    Outgrown,
    /// There is no such Network, or no such feed.
    NoSuchSubject,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::InForce => "InForce",
            Self::OthersMissing => "OthersMissing",
            Self::Used => "Used",
            Self::Expired => "Expired",
            Self::OtherPlan => "OtherPlan",
            Self::Outgrown => "Outgrown",
            Self::NoSuchSubject => "NoSuchSubject",
        }
    }

    /// Whether the approval changes nothing, so that whoever gave it should know.
    pub fn is_idle(self) -> bool {
        !matches!(self, Self::InForce)
    }
}

/// What is to be said about one approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub approval: Approval,
    pub state: State,
    pub message: String,
}

/// What to say about the approval of a document, by the digests of what is in force and what is held.
pub fn word_about_document(approval: &Approval, in_force: Option<&str>, held: Option<&str>, now: Timestamp) -> Word {
    let (state, message) = if in_force == Some(&approval.hash) {
        (State::Used, "the document is in force".to_owned())
    } else if approval.is_expired(now) {
        (State::Expired, format!("it expired at {}; approve again if it is still wanted", approval.expires_at))
    } else if held == Some(&approval.hash) {
        (State::InForce, "it covers the document that waits".to_owned())
    } else {
        let waits = held.map_or_else(|| "none is held".to_owned(), |held| format!("what is held is {held}"));
        (State::OtherPlan, format!("no held document has this digest; {waits}"))
    };
    Word { approval: approval.clone(), state, message }
}

/// One target as far as approvals are concerned.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    pub plan: &'a Plan,
    pub memory: &'a TargetMemory,
}

/// What to say about the approval of a Network's plan. `targets` are all that were looked at.
pub fn word(approval: &Approval, networks: &BTreeSet<ObjectKey>, targets: &[Seen<'_>], now: Timestamp) -> Option<Word> {
    let Subject::Network(key) = &approval.subject else { return None };
    let say = |state, message: String| Some(Word { approval: approval.clone(), state, message });
    let knows = |seen: &&Seen<'_>| seen.memory.waiting.iter().any(|waiting| waiting.hash == approval.hash);
    let pending = |seen: &Seen<'_>| seen.plan.pending.clone().filter(|pending| pending.approvers.contains(key));
    if targets.iter().any(|seen| seen.memory.used.contains_key(&approval.id)) {
        return say(State::Used, "it was used, or what was remembered of it is lost; it counts no more".to_owned());
    }
    if approval.is_expired(now) {
        return say(
            State::Expired,
            format!("it expired at {}; approve again if it is still wanted", approval.expires_at),
        );
    }
    for found in targets.iter().filter_map(pending) {
        // One that came after the look that made the plan wait is not among those that the plan counts.
        if found.approved_by.contains(&approval.id) || found.hash.to_string() == approval.hash {
            let namespaces: BTreeSet<&str> = found.approvers.iter().map(|key| key.namespace.as_str()).collect();
            if found.is_approved || namespaces.len() == 1 {
                return say(State::InForce, "it covers what waits".to_owned());
            }
            let list = namespaces.into_iter().collect::<Vec<_>>().join(", ");
            return say(
                State::OthersMissing,
                format!("the target is shared: namespaces {list} have to approve, each for itself"),
            );
        }
    }
    let is_remembered = |memory: &TargetMemory| memory.contributors.contains_key(key) || memory.owners().contains(key);
    if !networks.contains(key) && !targets.iter().any(|seen| is_remembered(seen.memory)) {
        return say(State::NoSuchSubject, format!("there is no AmlNetwork {key}"));
    }
    if let Some(found) = targets.iter().filter(knows).find_map(pending) {
        return say(State::Outgrown, format!("the plan has changed since; what waits now is {}", found.hash));
    }
    let waiting: Vec<String> = targets.iter().filter_map(pending).map(|found| found.hash.to_string()).collect();
    let now_waiting =
        if waiting.is_empty() { "nothing waits".to_owned() } else { format!("what waits is {}", waiting.join(", ")) };
    say(State::OtherPlan, format!("no plan of {key} has this hash; {now_waiting}"))
}

#[cfg(test)]
#[path = "approval_tests.rs"]
mod tests;
