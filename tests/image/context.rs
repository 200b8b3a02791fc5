//! What reaches the builder: everything that the build reads, and nothing else.

use std::fs;
use std::process::Command;

use crate::{project, read};

/// The paths that .dockerignore lets through. Its first rule shuts everything out.
fn let_through() -> Vec<String> {
    let text = read(".dockerignore");
    let mut rules = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(rules.next(), Some("*"), "the first rule of .dockerignore");
    rules.map(|rule| rule.strip_prefix('!').unwrap_or_else(|| panic!("{rule} shuts out again")).to_owned()).collect()
}

fn passes(path: &str, rules: &[String]) -> bool {
    rules.iter().any(|rule| path == rule || path.strip_prefix(rule.as_str()).is_some_and(|rest| rest.starts_with('/')))
}

#[test]
fn builds_folders_history_and_secrets_stay_outside() {
    let rules = let_through();
    for path in
        ["target/release/amlnet", ".git/config", ".state/clocks.json", "tests/live/main.rs", ".env", "docs/image.md"]
    {
        assert!(!passes(path, &rules), "{path} reaches the builder");
    }
    for rule in &rules {
        assert!(project(rule).exists(), "{rule} of .dockerignore is not there");
        assert!(!rule.contains('*'), "{rule}: old builders do not look below folders for patterns");
    }
}

/// Cargo reads the manifests and the main files of all members, whatever it builds.
#[test]
fn the_manifests_that_reach_the_builder_are_whole() {
    let rules = let_through();
    let folder = tempfile::tempdir().unwrap();
    let mut open = vec![project("")];
    let mut copied = 0;
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(project("")).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                let wanted = rules.iter().any(|rule| rule.starts_with(&format!("{name}/"))) || passes(&name, &rules);
                if wanted {
                    open.push(path);
                }
            } else if passes(&name, &rules) {
                let to = folder.path().join(&name);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(&path, to).unwrap();
                copied += 1;
            }
        }
    }
    assert!(copied > 100, "{copied} files");
    let done = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--locked", "--offline", "--format-version", "1"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let members = metadata["workspace_members"].as_array().unwrap().len();
    assert_eq!(members, metadata["packages"].as_array().unwrap().len());
    assert!(members > 1, "the workspace has more members than amlnet");

    // What the sources include from outside their folder has to be there too.
    let mut sources = vec![folder.path().join("src")];
    while let Some(at) = sources.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for included in text.split("include_str!(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                let file = at.join(included);
                assert!(file.is_file(), "{} includes {included}, which .dockerignore shuts out", path.display());
            }
        }
    }
}
