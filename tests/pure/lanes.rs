//! `make test` names every test target, each in one lane: a target that nobody names would never run.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The names of all test targets of the workspace, as cargo sees them.
fn targets() -> Vec<String> {
    let arguments = ["metadata", "--no-deps", "--offline", "--locked", "--format-version=1"];
    let ran = Command::new(env!("CARGO")).args(arguments).current_dir(ROOT).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let metadata: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let targets = packages.iter().flat_map(|package| package["targets"].as_array().unwrap());
    let tests = targets.filter(|target| target["kind"] == serde_json::json!(["test"]));
    tests.map(|target| target["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_test_target_runs_in_one_lane() {
    let makefile = std::fs::read_to_string(format!("{ROOT}/Makefile")).unwrap();
    let mut lanes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for lane in ["LIVE", "KUBERNETES", "OTHERS"] {
        let line = makefile.lines().find_map(|line| line.strip_prefix(lane)?.strip_prefix(" = "));
        for target in line.unwrap_or_else(|| panic!("the Makefile has no {lane}")).split_whitespace() {
            lanes.entry(target.to_owned()).or_default().push(lane);
        }
        let forms = [format!("$({lane}:%=--test %)"), format!("$(foreach target,$({lane}),$(CARGO) test ")];
        let runs = |line: &str| line.starts_with('\t') && forms.iter().any(|form| line.contains(form));
        assert!(makefile.lines().any(runs), "no rule runs {lane}");
        let rule = format!(" test-{}", lane.to_lowercase());
        let runs = |line: &str| line.contains("--jobs=") && line.contains(&rule);
        assert!(makefile.lines().any(runs), "`make test` does not run{rule}");
    }
    let mut targets = targets();
    targets.sort();
    assert!(targets.len() > 10, "{targets:?}");
    assert_eq!(
        lanes.keys().collect::<Vec<_>>(),
        targets.iter().collect::<Vec<_>>(),
        "add it to a lane in the Makefile"
    );
    lanes.retain(|_, lanes| lanes.len() > 1);
    assert!(lanes.is_empty(), "in more than one lane: {lanes:?}");
}
