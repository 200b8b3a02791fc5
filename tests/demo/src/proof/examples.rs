//! What the tests of the proofs share: rules and what is asked of them, and the one failure that is expected.

use crate::rows::{Opening, Openings};
use crate::rules::Rule;
use crate::scene::SOURCES;

/// A rule of ours for TCP 443.
pub(super) fn rule(kind: &str, name: &str, priorities: &[u64], to: &[&str]) -> Rule {
    let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
    Rule {
        name: name.to_owned(),
        priorities: priorities.to_vec(),
        kind: kind.to_owned(),
        protocols: texts(&["Tcp"]),
        ports: texts(&["443"]),
        from: texts(&[SOURCES]),
        to: texts(to),
        in_effect: true,
    }
}

/// TCP 443 to these and to Storage.
pub(super) fn asked(to: &[&str]) -> Openings {
    let opening = |to: &&str| Opening {
        protocol: "TCP".to_owned(),
        ports: [443].into(),
        from: SOURCES.to_owned(),
        to: (*to).to_owned(),
    };
    to.iter().chain(&["Storage"]).map(opening).collect()
}

#[track_caller]
pub(super) fn only(failures: &[String], part: &str) {
    assert!(matches!(failures, [one] if one.contains(part)), "{failures:#?}");
}
