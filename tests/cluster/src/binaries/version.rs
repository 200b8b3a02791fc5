//! What a program says about its version.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::Program;
use crate::process;

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    pub(super) major: u32,
    pub(super) minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.major, self.minor)
    }
}

/// Runs it and compares. The text of the error completes "… is not used: ".
pub(super) fn check(program: &Program, binary: &Path) -> Result<(), String> {
    let mut command = Command::new(binary);
    command.args(program.version).env_remove("KUBECONFIG").current_dir("/");
    let ran = process::run(&mut command, None, PATIENCE).map_err(|error| format!("it does not run: {error}"))?;
    if !ran.status.success() {
        let said = ran.stderr.lines().next().unwrap_or_default();
        return Err(format!("asked for its version it ended with {}: {said}", ran.status));
    }
    let Some(oldest) = program.oldest else { return Ok(()) };
    match read(&ran.stdout) {
        None => Err(format!("it says no version, but {:?}", ran.stdout.lines().next().unwrap_or_default())),
        Some(version) if version < oldest => Err(format!("it is {version}, and {oldest} or newer is needed")),
        Some(version) => match program.below {
            Some(below) if version >= below => Err(format!("it is {version}, and one before {below} is needed")),
            _ => Ok(()),
        },
    }
}

/// The first word that looks like one: `Kubernetes v1.36.3`, `etcd Version: 3.6.8`, `Client Version: v1.36.3`.
fn read(text: &str) -> Option<Version> {
    text.split_whitespace().find_map(|word| {
        let mut parts = word.trim_start_matches('v').split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next()?.parse().ok()?;
        Some(Version { major, minor })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_print() {
        for (text, major, minor) in [
            ("Kubernetes v1.36.3", 1, 36),
            ("etcd Version: 3.6.8\nGit SHA: Not provided\nGo Version: go1.26.8", 3, 6),
            ("Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0", 1, 32),
            ("Client Version: v1.9.0", 1, 9),
            ("v3.22.0+g1ccb1e8", 3, 22),
            ("v4.3", 4, 3),
        ] {
            assert_eq!(read(text), Some(Version { major, minor }), "{text}");
        }
        for text in ["", "usage: kubectl", "Kubernetes v", "version one.two"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_ninth_minor_is_older_than_the_thirty_third() {
        assert!(Version { major: 1, minor: 9 } < Version { major: 1, minor: 33 });
        assert!(Version { major: 2, minor: 0 } > Version { major: 1, minor: 33 });
    }
}
