//! Start, stop, restart, and a second process.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Counts, Doc, Sim, TABLE, assert_clean, central, east, feed, ours};

#[test]
fn sigterm_ends_soon_and_no_step_starts_after_it() {
    // A write takes ten seconds here, so that the signal comes in the middle of one.
    let sim = Sim::with(json!({"latencies": {"route": "5000s"}}));
    sim.usual(json!({}));
    let controller = sim.controller(&[]);
    controller.wait_until("the first write", || Counts::of(&sim.log(), TABLE).put_route == 1);
    let (code, took, log) = controller.terminate();
    assert_eq!(code, 0, "{log}");
    let is_under_way =
        sim.history_now(TABLE).last().unwrap().entries.iter().any(|e| e.provisioning_state != "Succeeded");
    assert!(is_under_way && took < Duration::from_secs(9), "it waited for Azure: {took:?}");
    assert!(log.contains("asked to stop"), "{log}");
    assert_eq!(Counts::of(&sim.log(), TABLE).writes(), 1);

    // Whoever comes next finishes it, once that write has ended.
    sim.set(json!({"latencies": {"route": "2s"}}));
    assert_eq!(ours(&sim.history(TABLE)).len(), 1);
    sim.once(&[]).exits(0);
    let history = sim.history(TABLE);
    assert_eq!(ours(&history).len(), 7);
    assert_clean(&history, (0..4).map(east));
    assert_eq!(Counts::of(&sim.log(), TABLE).put_route, 7, "no write twice");
}

#[test]
fn a_process_killed_at_any_step_is_finished_by_the_next() {
    for step in 1..=7 {
        let sim = Sim::with(json!({"latencies": {"route": "20s"}}));
        sim.usual(json!({}));
        let put = json!({"method": "PUT", "pathContains": "/routes/", "nth": step});
        sim.fault(json!({"match": put, "effect": {"hold": {"key": "accepted"}}}));
        let process = sim.controller(&["--once"]);
        process.wait_until("the step", || Counts::of(&sim.log(), TABLE).put_route == step);
        // It hears that the write was accepted, and not how it goes on.
        sim.fault(
            json!({"match": {"method": "GET", "pathContains": "/operations/"}, "times": 0, "effect": "withhold"}),
        );
        let polls = || sim.log().iter().filter(|entry| entry.url.contains("/operations/")).count();
        let before = polls();
        sim.release("accepted");
        process.wait_until("a poll", || polls() > before);
        drop(process);
        sim.clear_faults();
        assert_eq!(ours(&sim.history(TABLE)).len(), step);
        let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
        assert_eq!(cost.put_route, 7 - step, "only what was left");
        let history = sim.history(TABLE);
        assert_eq!(ours(&history).len(), 7);
        assert_clean(&history, (0..4).map(east).chain((0..3).map(central)));
        assert_eq!(sim.in_force("public"), 101);
    }
}

#[test]
fn two_at_once_end_in_the_same_state() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let states = ["state-a", "state-b", "state-c"];
    std::thread::scope(|scope| {
        for state in states {
            let run = ["run", "--dir", "dir", "--state", state, "--once"];
            scope.spawn({
                let sim = &sim;
                move || sim.amlnet(&run).exits(0)
            });
        }
    });
    let history = sim.history(TABLE);
    assert_eq!(ours(&history).len(), 7);
    assert_clean(&history, (0..4).map(east).chain((0..3).map(central)));
    assert_eq!(Counts::of(&sim.log(), TABLE).delete_route, 0);
}

#[test]
fn one_state_folder_has_one_writer() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let controller = sim.controller(&[]);
    controller.wait_until("the first document", || ours(&sim.history(TABLE)).len() == 7);
    let files = ["-f", "dir/ml.yaml", "-f", "dir/feed.yaml", "--state", "state"];
    let second = &["another amlnet works with this state folder", "state/lock"];
    sim.once(&[]).exits(1).says(second);
    sim.amlnet(&["run", "--dir", "dir", "--state", "state"]).exits(1).says(second);
    sim.amlnet(&[&["apply", "--yes"], &files[..]].concat()).exits(1).says(second);
    // Who only reads is welcome, and a folder of one's own is free.
    controller.signal("STOP"); // it may still note that it is done
    let before = sim.state_files();
    sim.amlnet(&[&["plan"], &files[..]].concat()).exits(0);
    assert!(sim.state_files() == before, "plan writes nothing below --state");
    sim.amlnet(&["run", "--dir", "dir", "--state", "elsewhere", "--once"]).exits(0);
    drop(controller);
    sim.once(&[]).exits(0);
}

#[test]
fn a_restart_without_internet_goes_on_with_the_stored_document() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    sim.publish(&Doc::week(2).regions(0..5, 0..3));
    sim.once(&[]).exits(0);
    // Somebody empties the table, and the internet is away in one of several ways.
    sim.delete(&format!("{TABLE}/routes/amlnet.prod.20.1.1.0_26"));
    sim.fault(json!({"match": {"server": "downloadPage"}, "times": 0, "effect": "dropBefore"}));
    let controller = sim.controller(&[]);
    controller.wait_until("the missing route", || ours(&sim.history(TABLE)).contains(&east(4)));
    controller.wait_until("the report", || sim.feed_status("public")["sources"][0]["reason"] == "Unreachable");
    assert_eq!(sim.in_force("public"), 102);
    drop(controller);

    sim.clear_faults();
    sim.objects("feed.yaml", &[feed("https://127.0.0.1:1/page", json!({}))]);
    let history = sim.history(TABLE);
    sim.once(&[]).exits(0).says(&["a source has no document to offer"]);
    assert_eq!(sim.history(TABLE), history);
}

#[test]
fn a_damaged_stored_document_removes_nothing() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    sim.publish(&Doc::week(2).regions(0..5, 0..3));
    sim.once(&[]).exits(0);
    let before = sim.history(TABLE);
    let stored = sim.state_files();
    let (newest, _) =
        stored.iter().find(|(path, _)| path.file_name().unwrap().to_string_lossy().starts_with("102-")).unwrap();
    std::fs::write(newest, b"damaged").unwrap();
    // The page is away too: the predecessor does not know the fifth prefix, and is no reason to take it away.
    sim.set(json!({"pageStyle": "html-error"}));
    sim.once(&[]).says(&["a stored document cannot be read"]);
    assert_eq!(sim.history(TABLE), before);
}

#[test]
fn after_the_newest_document_was_damaged_an_older_one_still_is_old() {
    for (what, served) in [("the predecessor", Doc::week(1)), ("one in between", Doc::week(2).regions(0..5, 0..3))] {
        let sim = Sim::start();
        sim.usual(json!({}));
        sim.once(&[]).exits(0);
        sim.publish(&Doc::week(3).regions(0..6, 0..3));
        sim.once(&[]).exits(0);
        let before = sim.history(TABLE);
        let stored = sim.state_files();
        let (newest, _) = stored.iter().find(|(path, _)| path.to_string_lossy().contains("/103-")).unwrap();
        std::fs::write(newest, b"damaged").unwrap();
        // Twice, because the page lists the file before too, and the newest date wins.
        sim.publish(&served);
        sim.publish(&served);
        sim.once(&[]).says(&["a stored document cannot be read"]);
        sim.once(&[]);
        assert_eq!(sim.history(TABLE), before, "{what} removed something");
        // A new document is followed as ever.
        sim.publish(&Doc::week(4).regions(1..6, 0..3));
        sim.once(&[]).exits(0);
        let history = sim.history(TABLE);
        assert_eq!(ours(&history), (1..6).map(east).chain((0..3).map(central)).collect(), "{what}");
        assert_clean(&history, (1..6).map(east));
    }
}

#[test]
fn a_damaged_index_of_documents_changes_nothing() {
    for damage in [&b"[{"[..], b"", b"{}", b"\xff"] {
        let sim = Sim::start();
        sim.usual(json!({}));
        sim.once(&[]).exits(0);
        let before = sim.history(TABLE);
        let index = sim.write("state/documents/public/index.json", damage);
        sim.set(json!({"pageStyle": "html-error"}));
        // It is rebuilt from the documents that it named, so an older one is still an older one.
        sim.once(&[]).exits(0);
        assert_eq!(sim.history(TABLE), before);
        // With the page back, everything is as it was.
        sim.set(json!({"pageStyle": "both"}));
        sim.once(&[]).exits(0);
        assert_eq!(sim.history(TABLE), before);
        assert!(std::fs::read_to_string(index).unwrap().contains("\"changeNumber\": 101"));
    }
}

#[test]
fn without_any_document_nothing_is_done_and_the_reason_is_said() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.set(json!({"pageStyle": "html-error"}));
    let before = sim.history(TABLE);
    for ran in [sim.plan(&[]), sim.apply(&[]), sim.once(&[])] {
        ran.exits(3).says(&["Unresolved", "no link to a ServiceTags_Public_*.json file was found"]);
    }
    assert_eq!(sim.history(TABLE), before);
    assert_eq!(sim.status("ml")["targets"][0]["state"], "Blocked");
}
