//! docs/metrics.md holds the table of `metrics::names`. `AMLNET_UPDATE_GOLDEN=1 cargo test --test pure metrics` writes it
//! anew; read the diff before you commit it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use amlnet::metrics::names::{ALL, Family, Kind, PROCESS};

use crate::support::{is_as_written, manifest_dir};

const BEGIN: &str = "<!-- table: begin -->\n";
const END: &str = "<!-- table: end -->\n";

fn table() -> String {
    let mut text = "| name | type | labels | standby | meaning |\n|---|---|---|---|---|\n".to_owned();
    for Family { name, kind, labels, on_standby, help } in ALL.into_iter().chain(&PROCESS) {
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        let standby = if *on_standby { "yes" } else { "" };
        writeln!(text, "| `{name}` | {} | {labels} | {standby} | {} |", kind.name(), help.replace('|', "\\|")).unwrap();
    }
    text
}

#[test]
fn the_page_holds_the_table() {
    let path = manifest_dir().join("docs/metrics.md");
    let committed = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = committed.split_once(BEGIN).expect("where the table begins");
    let (_, after) = rest.split_once(END).expect("where the table ends");
    let wanted = format!("{before}{BEGIN}{}{END}{after}", table());
    is_as_written("docs/metrics.md", &wanted, "the table of src/metrics");
}

#[test]
fn names_are_as_prometheus_wants_them() {
    let names: BTreeSet<&str> = ALL.iter().map(|family| family.name).collect();
    assert_eq!(names.len(), ALL.len(), "each once");
    for Family { name, kind, labels, help, .. } in ALL {
        assert!(name.starts_with("amlnet_"), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert!(help.ends_with('.') && !help.contains('\n'), "{name}: {help}");
        let is_time = name.contains("timestamp") || name.contains("duration");
        assert!(!is_time || name.ends_with("_seconds"), "{name}");
        let unique: BTreeSet<&&str> = labels.iter().collect();
        assert_eq!(unique.len(), labels.len(), "{name}");
        for label in *labels {
            assert!(
                !["prefix", "address", "message", "correlation_id", "hash", "le"].contains(label),
                "{name}: {label}"
            );
            // Prometheus would rename it to exported_….
            let of_the_scrape = ["namespace", "job", "instance", "pod", "container", "service", "endpoint", "cluster"];
            assert!(!of_the_scrape.contains(label), "{name}: {label}");
        }
    }
}
