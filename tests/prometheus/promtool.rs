//! What promtool says of the rules, and of their tests. Where it cannot be had, that is said.

use std::path::PathBuf;
use std::process::Command;

use crate::{cases, rules};

#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn promtool() -> Option<PathBuf> {
    match cluster::debian::program("prometheus", "promtool") {
        Ok(path) => Some(path),
        Err(skip) => {
            eprintln!("skipped: {skip}");
            None
        }
    }
}

#[track_caller]
fn agrees(promtool: &PathBuf, arguments: &[&str], files: &[String]) {
    let ran = Command::new(promtool).args(arguments).args(files).current_dir(rules::path("")).output().unwrap();
    let said = [&ran.stdout, &ran.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat();
    assert!(ran.status.success(), "promtool {} ended with {}:\n{said}", arguments.join(" "), ran.status);
}

#[test]
fn promtool_accepts_the_rules() {
    if let Some(promtool) = promtool() {
        agrees(
            &promtool,
            &["check", "rules", "--lint=all", "--lint-fatal"],
            &["deploy/prometheus/alerts.yaml".to_owned()],
        );
    }
}

#[test]
fn alerts_fire_when_they_should() {
    if let Some(promtool) = promtool() {
        agrees(&promtool, &["test", "rules"], &cases::files());
    }
}
