//! What is remembered is edited, deleted, or somebody else's: it is said, and nothing is allowed by it.

use serde_json::json;

use crate::harness::{Counts, Doc, Ran, Sim, TABLE, east, final_routes, ours};
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

#[test]
fn clocks_of_another_installation_start_anew() {
    // The other one has seen in January that the prefix left, this one has not: its clocks are no clocks here.
    let theirs = Sim::start();
    theirs.usual(json!({"spec": {"removal": {"holdFor": "42d"}}}));
    let as_another = |now: &str| {
        theirs.once(&["--installation-id", "other", "--now", now]).exits(0);
    };
    as_another("2026-01-05T12:00:00Z");
    theirs.publish(&Doc::week(2).regions(1..4, 0..3));
    as_another("2026-01-06T12:00:00Z");
    let sim = Sim::start();
    sim.usual(json!({"spec": {"removal": {"holdFor": "42d"}}}));
    at(&sim, "2026-01-05T12:00:00Z", 0);
    sim.publish(&Doc::week(2).regions(1..4, 0..3));
    std::fs::copy(theirs.path("state/clocks.json"), sim.path("state/clocks.json")).unwrap();
    assert_starts_anew(&sim, "of another installation");
}

#[test]
fn another_installation_with_the_same_folder_takes_nothing_away() {
    let sim = held_since_january();
    let before = ours(&sim.history(TABLE));
    sim.once(&["--installation-id", "other", "--now", "2026-03-01T12:00:00Z"]);
    assert_eq!(ours(&sim.history(TABLE)), before);
    // Back again: what was forgotten meanwhile starts anew.
    sim.once(&["--now", "2026-03-02T12:00:00Z"]);
    assert_eq!(ours(&sim.history(TABLE)), before, "a hold that nobody remembers is not over");
}

/// Killed while the second removal was under way, which is the last one that the budget allows.
fn killed_under_way() -> Sim {
    let sim = Sim::start();
    sim.usual(json!({"spec": {"removal": {"budget": {"max": 2, "percent": 100}}}}));
    at(&sim, "2026-01-05T12:00:00Z", 0);
    sim.publish(&Doc::week(2).regions(3..4, 0..3));
    sim.fault(json!({"match": {"method": "DELETE", "pathContains": "/routes/", "nth": 2}, "effect": "withhold"}));
    let crashing = sim.controller(&["--once", "--now", "2026-01-06T12:00:00Z"]);
    crashing.wait_until("the second removal", || Counts::of(&sim.log(), TABLE).delete_route == 2);
    crashing.kill();
    sim.clear_faults();
    sim
}

/// Damages the log that a crash left; then no third removal may go, and it is said.
fn assert_no_third(what: &str, damage: fn(&str) -> Option<String>) {
    let sim = killed_under_way();
    let path = sim.path("state/clocks.log");
    let log = std::fs::read_to_string(&path).unwrap();
    assert!(log.contains("2026-01-06"), "{log}");
    match damage(&log) {
        Some(text) => std::fs::write(&path, text).unwrap(),
        None => std::fs::remove_file(&path).unwrap(),
    }
    let ran = sim.once(&["--now", "2026-01-06T13:00:00Z"]);
    assert_eq!(ours(&sim.history(TABLE)).len(), 5, "{what}: two are gone, and no third");
    ran.says(&["what is remembered of the targets is lost"]);
}

#[test]
fn a_log_of_clocks_that_is_gone_or_edited_is_a_loss() {
    assert_no_third("gone", |_| None);
    assert_no_third("edited", |log| Some(log.replacen("2026-01-06", "2025-01-06", 1)));
    assert_no_third("without its first line", |log| Some(log.split_inclusive('\n').skip(1).collect()));
}

#[test]
fn an_emptied_log_of_clocks_is_a_loss() {
    assert_no_third("empty", |_| Some(String::new()));
}

#[test]
fn a_log_of_clocks_without_its_last_line_is_a_loss() {
    assert_no_third("without its last line", |log| {
        let lines: Vec<&str> = log.split_inclusive('\n').collect();
        Some(lines[..lines.len() - 1].concat())
    });
}

#[test]
fn whatever_else_a_person_edits_in_the_folder_allows_no_removal() {
    for what in ["status", "audit.jsonl", "open", "documents"] {
        let sim = held_since_january();
        let before = sim.history(TABLE);
        let path = sim.path("state").join(what);
        for (file, _) in sim.state_files().into_iter().filter(|(file, _)| file.starts_with(&path)) {
            std::fs::write(file, "somebody: was here\n").unwrap();
        }
        std::fs::create_dir_all(sim.path("state/open")).unwrap();
        std::fs::write(sim.path("state/open/somebody.json"), "{}").unwrap();
        at_any(&sim, "2026-01-20T12:00:00Z");
        assert_eq!(sim.history(TABLE), before, "{what}");
        assert!(ours(&sim.history(TABLE)).contains(&east(0)), "{what}");
    }
}

/// One run, however it ends.
fn at_any(sim: &Sim, now: &str) {
    sim.once(&["--now", now]);
}

/// Nothing of ours is changed or removed by a changed spec where the table could not be read for a week after a loss.
#[track_caller]
fn assert_a_loss_waits_for_its_table(change: serde_json::Value) {
    let sim = Sim::start();
    sim.usual(json!({}));
    at(&sim, "2026-01-05T12:00:00Z", 0);
    let before = final_routes(&sim.history(TABLE));
    std::fs::remove_file(sim.path("state/clocks.json")).unwrap();
    let refused = json!({"code": 403, "body": {"error": {"code": "AuthorizationFailed", "message": "no"}}});
    let matching = json!({"method": "GET", "pathContains": "/rt-ml?"});
    sim.fault(json!({"match": matching, "times": 0, "effect": {"status": refused}}));
    for now in ["2026-01-06T12:00:00Z", "2026-01-14T12:00:00Z"] {
        at_any(&sim, now);
    }
    sim.clear_faults();
    sim.usual(json!({"spec": change}));
    at_any(&sim, "2026-01-15T12:00:00Z");
    let now = final_routes(&sim.history(TABLE));
    for (prefix, route) in &before {
        assert_eq!(now.get(prefix), Some(route), "{change}: {prefix}");
    }
}

#[test]
fn after_a_loss_a_table_that_could_not_be_read_for_a_week_keeps_its_next_hops() {
    let firewall = json!({"type": "VirtualAppliance", "ipAddress": "10.0.0.4"});
    assert_a_loss_waits_for_its_table(json!({"routes": {"routeTables": [{"id": TABLE, "nextHop": firewall}]}}));
}

#[test]
fn after_a_loss_a_table_that_could_not_be_read_for_a_week_keeps_its_entries() {
    assert_a_loss_waits_for_its_table(json!({"region": "westeurope"}));
}
