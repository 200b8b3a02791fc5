//! What is remembered is edited, deleted, or somebody else's: it is said, and nothing is allowed by it.

use serde_json::json;

use crate::harness::{Doc, Ran, Sim, TABLE, ours};
use crate::holds::{at, held};

/// A removal whose hold began on 6 January and is over on 17 February.
fn held_since_january() -> Sim {
    let sim = Sim::start();
    sim.usual(json!({"spec": {"removal": {"holdFor": "42d"}}}));
    at(&sim, "2026-01-05T12:00:00Z", 0);
    sim.publish(&Doc::week(2).regions(1..4, 0..3));
    at(&sim, "2026-01-06T12:00:00Z", 0);
    sim
}

/// In March, when the hold is long over.
fn in_march(sim: &Sim) -> Ran {
    sim.once(&["--now", "2026-03-01T12:00:00Z"])
}

fn assert_starts_anew(sim: &Sim, what: &str) {
    let before = sim.history(TABLE);
    let ran = in_march(sim);
    ran.says(&["what is remembered of the targets is lost"]);
    assert_eq!(sim.history(TABLE), before, "{what}");
    let restarted = held(&at(sim, "2026-03-02T12:00:00Z", 0));
    assert_eq!(restarted, [("Hold".to_owned(), "2026-04-12T12:00:00Z".to_owned())], "{what}");
    assert_eq!(sim.history(TABLE), before, "{what}");
    at(sim, "2026-04-12T12:00:00Z", 0);
    assert_eq!(ours(&sim.history(TABLE)).len(), 6, "{what}: in the end it goes");
}

#[test]
fn clocks_that_somebody_edited_start_anew() {
    let sim = held_since_january();
    let path = sim.path("state/clocks.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("2026-01-06T12:00:00Z"), "{text}");
    std::fs::write(&path, text.replace("2026-01-06", "2025-01-06")).unwrap();
    assert_starts_anew(&sim, "edited");
    assert!(sim.path("state/clocks.json.unusable").exists(), "what was there is kept");
}

#[test]
fn clocks_that_are_gone_cut_short_or_no_clocks_start_anew() {
    for what in ["gone", "empty", "half", "other"] {
        let sim = held_since_january();
        let path = sim.path("state/clocks.json");
        let text = std::fs::read(&path).unwrap();
        match what {
            "gone" => std::fs::remove_file(&path).unwrap(),
            "empty" => std::fs::write(&path, b"").unwrap(),
            "half" => std::fs::write(&path, &text[..text.len() / 2]).unwrap(),
            _ => std::fs::write(&path, b"{\"clocks\": {}}").unwrap(),
        }
        assert_starts_anew(&sim, what);
    }
}

#[test]
fn with_lost_clocks_no_removal_is_within_the_budget_for_a_week() {
    let sim = held_since_january();
    std::fs::remove_file(sim.path("state/clocks.json")).unwrap();
    // No hold any more, so only the budget is in the way.
    sim.usual(json!({"spec": {"removal": {"holdFor": "0s"}}}));
    let until = "2026-03-08T12:00:00Z";
    assert_eq!(held(&at(&sim, "2026-03-01T12:00:00Z", 2)), [("Budget".to_owned(), until.to_owned())]);
    assert_eq!(ours(&sim.history(TABLE)).len(), 7);
    at(&sim, until, 0);
    assert_eq!(ours(&sim.history(TABLE)).len(), 6);
}
