//! `helm lint`, and the suites beside the chart (helm-unittest).

use cluster::{HELM_UNITTEST, Helm};

use crate::tools::{chart, copy_chart, helms, value_files};

#[test]
fn lint_finds_nothing_in_the_chart_with_any_set_of_values() {
    for (generation, helm) in helms() {
        for (name, file) in value_files() {
            let said = helm.run(&["lint", "--strict", &chart(), "-f", file.to_str().unwrap()]);
            assert_eq!(said.status, 0, "{generation}, {name}: {}{}", said.stdout, said.stderr);
            assert!(said.stdout.contains("0 chart(s) failed"), "{generation}, {name}: {}", said.stdout);
        }
    }
}

#[test]
fn the_suites_of_the_chart_pass() {
    let helm = Helm::find(&HELM_UNITTEST).unwrap_or_else(|error| panic!("{error}"));
    // It makes a folder beside the suites.
    let copy = tempfile::tempdir().unwrap();
    let chart = copy_chart(copy.path());
    let suites = std::fs::read_dir(format!("{chart}/tests")).unwrap().count();
    let said = helm.run(&["--strict", "--color=false", &chart]);
    assert_eq!(said.status, 0, "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains(&format!("Test Suites: {suites} passed, {suites} total")), "{}", said.stdout);
}
