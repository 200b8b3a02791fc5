//! The same bad documents over HTTPS, one after the other in front of one controller.

use serde_json::json;

use crate::documents::bad_documents;
use crate::harness::{Doc, Sim, TABLE, assert_clean, central, east, ours};

#[test]
fn a_bad_download_changes_nothing_and_the_next_good_one_is_followed() {
    let sim = Sim::start();
    sim.publish(&Doc::week(2));
    sim.usual(json!({}));
    let controller = sim.controller(&["--resync", "2s"]);
    controller.wait_until("the good document", || ours(&sim.history(TABLE)).len() == 7);
    controller.wait_until("its status", || sim.status("ml")["targets"][0]["state"] == "InSync");
    let before = sim.history(TABLE);
    for (week, (name, result, reason, message, bytes)) in (3..).zip(bad_documents()) {
        if name == "older" {
            // The page lists the file before, too, and the newer date wins: twice, then both are old.
            sim.publish_bytes(&Doc::week(1).date, &bytes);
            sim.publish_bytes(&Doc::week(1).date, &bytes);
        } else {
            sim.publish_bytes(&Doc::week(week).date, &bytes);
        }
        sim.ask_feed();
        controller.wait_until(&format!("{name} is {result} for {reason}"), || {
            let source = sim.feed_status("public")["sources"][0].clone();
            source["result"] == result
                && source["reason"] == reason
                && source["message"].as_str().unwrap().contains(message)
        });
        assert_eq!(sim.in_force("public"), 102, "{name}");
        assert_eq!(sim.history(TABLE), before, "{name}");
    }
    sim.publish(&Doc::week(40).regions(0..5, 0..3));
    sim.ask_feed();
    controller.wait_until("the next good document", || ours(&sim.history(TABLE)).contains(&east(4)));
    let history = sim.history(TABLE);
    assert_eq!(history.len(), before.len() + 2, "nothing happened in between");
    assert_clean(&history, (0..4).map(east).chain((0..3).map(central)));
}

#[test]
fn an_older_file_by_its_name_and_number_is_refused_whatever_the_page_says() {
    let sim = Sim::start();
    sim.publish(&Doc::week(5).regions(0..6, 0..3));
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    let before = sim.history(TABLE);
    // The same number under an older date, an older number under a newer date, both older.
    for (number, date) in [(105, "20250101"), (104, "20251201"), (90, "20240101")] {
        // The page lists the file before, too, and the newer date wins: twice, then both are as they are meant.
        sim.publish(&Doc::week(1).numbered(number, date));
        sim.publish(&Doc::week(1).numbered(number, date));
        sim.once(&[]).exits(0).says(&["is rejected", "older"]);
        assert_eq!(sim.history(TABLE), before, "{number} {date}");
    }
}
