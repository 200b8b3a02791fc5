//! The log: levels for each module, and one line for each decision, with its reasons as fields, and none while nothing
//! changes. Every line is one that docs/logs.md knows.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Controller, Counts, Doc, Sim, TABLE, central, east, feed, network, ours, route};

const JSON: [&str; 2] = ["--log-format", "json"];

/// The lines of a log, without those of the audit on standard output.
fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The lines of a controller with this message.
fn said(controller: &Controller, message: &str) -> Vec<Value> {
    lines(&controller.log()).into_iter().filter(|line| line["message"] == message).collect()
}

/// What the controller decided about the table since so many decisions.
fn decisions(controller: &Controller) -> Vec<Value> {
    let messages = ["reconciled", "nothing to write", "blocked", "waits", "failed, will be tried again"];
    let is_one = |line: &Value| messages.iter().any(|message| line["message"] == *message);
    lines(&controller.log()).into_iter().filter(is_one).collect()
}

/// Waits until the table was read so many times more.
#[track_caller]
fn look_again(sim: &Sim, controller: &Controller) {
    let reads = || Counts::of(&sim.log(), TABLE).get_table;
    let before = reads();
    controller.wait_until("more looks", || reads() >= before + 3);
}

#[test]
fn each_module_has_its_level_and_nobody_elses_lines_are_written() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let command = |level: &[&str]| {
        let mut command =
            sim.command(&[&["run", "--dir", "dir", "--state", "state", "--once"], &JSON[..], level].concat());
        command.env("RUST_LOG", "trace");
        command
    };
    let levels_of = |log: &str| -> BTreeSet<(String, String)> {
        let module = |line: &Value| {
            let target = line["target"].as_str().unwrap();
            target.split("::").nth(1).unwrap_or(target).to_owned()
        };
        lines(log).iter().map(|line| (module(line), line["level"].as_str().unwrap().to_owned())).collect()
    };
    let is_at_most = |log: &str, module: &str, allowed: &[&str]| {
        let found = levels_of(log);
        let other = found.iter().find(|(of, level)| of == module && !allowed.contains(&level.as_str()));
        assert_eq!(other, None, "{log}");
    };
    // Of the rest, RUST_LOG says nothing.
    let ran = sim.ran(command(&["--log", "warn,azure=trace,feed=info"])).exits(0);
    let found = levels_of(&ran.stderr);
    for (module, level) in [("azure", "TRACE"), ("feed", "INFO"), ("audit", "INFO")] {
        assert!(found.contains(&(module.to_owned(), level.to_owned())), "{module} {level}: {}", ran.stderr);
    }
    for module in ["app", "reconcile", "store", "commands"] {
        is_at_most(&ran.stderr, module, &["WARN", "ERROR"]);
    }
    is_at_most(&ran.stderr, "feed", &["WARN", "ERROR", "INFO"]);
    assert!(lines(&ran.stderr).iter().all(|line| line["target"].as_str().unwrap().starts_with("amlnet::")));
    // What is off stays off, also where everything else is loud.
    sim.publish(&Doc::week(2).regions(0..5, 0..3));
    let ran = sim.ran(command(&["--log", "trace,azure=off,audit=off"])).exits(0);
    let found = levels_of(&ran.stderr);
    assert!(found.iter().all(|(module, _)| module != "azure" && module != "audit"), "{found:?}");
    assert!(found.contains(&("app".to_owned(), "INFO".to_owned())), "{found:?}");
    let mut quiet = command(&[]);
    quiet.env("AMLNET_LOG", "off");
    assert_eq!(sim.ran(quiet).exits(0).stderr, "");
}

#[test]
fn a_level_or_module_that_does_not_exist_is_refused_with_those_that_do() {
    let sim = Sim::start();
    for (level, texts) in [
        ("loud", ["`loud` is no level", "off, error, warn, info, debug or trace"]),
        (
            "info,kube=debug",
            ["`kube` is no module of amlnet", "app, audit, azure, commands, feed, http, reconcile, store"],
        ),
    ] {
        sim.amlnet(&["run", "--dir", "dir", "--state", "state", "--log", level]).exits(1).says(&texts);
        let mut command = sim.command(&["version"]);
        command.env("AMLNET_LOG", level);
        sim.ran(command).exits(1).says(&texts);
    }
}

#[test]
fn each_decision_leaves_one_line_and_nothing_repeats_it() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let controller = sim.controller(&[&JSON[..], &["--resync", "1s"]].concat());
    controller.wait_until("the first document", || ours(&sim.history(TABLE)).len() == 7);
    look_again(&sim, &controller);
    // What it does at first.
    let first = decisions(&controller);
    assert_eq!(first.len(), 1, "{first:#?}");
    let line = &first[0];
    assert_eq!((&line["message"], &line["level"], &line["writes"]), (&json!("reconciled"), &json!("INFO"), &json!(7)));
    assert_eq!((&line["target_id"], &line["entries"], &line["limit"]), (&json!(TABLE), &json!(10), &json!(400)));
    assert!(line["documents"].as_str().unwrap().starts_with("sha256:"), "{line}");
    let accepted = said(&controller, "a document is accepted");
    assert_eq!(accepted.len(), 1, "{accepted:?}");
    assert_eq!((&accepted[0]["feed"], &accepted[0]["change_number"]), (&json!("public"), &json!(101)));

    // Somebody takes a route away: it is put back.
    let decided = || decisions(&controller).len();
    sim.delete(&format!("{TABLE}/routes/amlnet.prod.20.1.0.0_26"));
    controller.wait_until("the word about it", || decided() == 2);
    look_again(&sim, &controller);
    let restored = decisions(&controller);
    assert_eq!(restored.len(), 2, "{restored:#?}");
    assert_eq!((&restored[1]["writes"], &restored[1]["restored"]), (&json!(1), &json!(1)), "{restored:#?}");
    assert!(ours(&sim.history(TABLE)).contains(&east(0)));

    // A source that fails, asked again and again, and one that answers again.
    sim.fault(json!({"match": {"server": "downloadPage"}, "times": 0, "effect": {"status": {"code": 503}}}));
    for _ in 0..2 {
        let asked = sim.log().len();
        sim.ask_feed();
        let is_asked = || sim.log()[asked..].iter().filter(|entry| entry.url.contains("details.aspx")).count() > 0;
        controller.wait_until("the question", is_asked);
    }
    controller.wait_until("the failure", || !said(&controller, "a source has no document to offer").is_empty());
    sim.clear_faults();
    sim.ask_feed();
    controller.wait_until("the end of it", || said(&controller, "nothing new").len() == 1);
    let failed = said(&controller, "a source has no document to offer");
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!((&failed[0]["source"], &failed[0]["reason"]), (&json!("download"), &json!("Unreachable")));

    // A lock in Azure.
    let locked = json!({"error": {"code": "ScopeLocked", "message": "The scope is locked."}});
    sim.fault(json!({"match": {"method": "PUT"}, "times": 0, "effect": {"status": {"code": 409, "body": locked}}}));
    sim.publish(&Doc::week(2).regions(0..5, 0..3));
    sim.ask_feed();
    controller.wait_until("the block", || decided() == 3);
    look_again_is_blocked(&sim, &controller);
    let blocked = decisions(&controller);
    assert_eq!(blocked.len(), 3, "{blocked:#?}");
    assert_eq!((&blocked[2]["message"], &blocked[2]["level"]), (&json!("blocked"), &json!("WARN")));
    assert_eq!((&blocked[2]["reason"], &blocked[2]["add"]), (&json!("Locked"), &json!(1)), "{}", blocked[2]);
    assert!(blocked[2]["why"].as_str().unwrap().contains("remove the lock"), "{}", blocked[2]);
    assert!(blocked[2]["correlation_id"].is_string());
    let (code, _, log) = controller.terminate();
    assert_eq!(code, 0, "{log}");
    assert_known(&log);
}

/// What is blocked is looked at again in ten minutes only, or when somebody asks.
#[track_caller]
fn look_again_is_blocked(sim: &Sim, controller: &Controller) {
    for time in ["once", "twice"] {
        let reads = || Counts::of(&sim.log(), TABLE).get_table;
        let before = reads();
        sim.objects("ml.yaml", &[network(json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": time}}}))]);
        controller.wait_until("another look", || reads() > before);
        controller.wait_until("its end", || sim.status("ml")["lastHandledReconcileAt"] == time);
    }
}

#[test]
fn what_is_held_in_conflict_or_approved_is_said_with_its_numbers() {
    let theirs = route("theirs", &central(0), "VirtualAppliance 10.0.0.4");
    let sim = Sim::with_tables(&[(TABLE, vec![theirs])], json!({}));
    sim.usual(json!({"spec": {"mode": "Observe"}}));
    let controller = sim.controller(&[&JSON[..], &["--resync", "1s"]].concat());
    let decided = || decisions(&controller).len();
    controller.wait_until("the plan", || decided() == 1);
    look_again(&sim, &controller);
    let held = decisions(&controller);
    assert_eq!(held.len(), 1, "{held:#?}");
    assert_eq!((&held[0]["message"], &held[0]["level"]), (&json!("nothing to write"), &json!("WARN")));
    assert_eq!((&held[0]["held"], &held[0]["conflicts"]), (&json!("Mode:6"), &json!(1)), "{}", held[0]);
    assert_eq!(held[0]["reason"], "Conflict");

    // What a removal needs.
    let removal = json!({"holdFor": "0s", "budget": {"max": 1000, "percent": 100}, "approval": "Always"});
    sim.delete(&format!("{TABLE}/routes/theirs"));
    sim.objects("ml.yaml", &[network(json!({"spec": {"removal": removal}}))]);
    controller.wait_until("the routes", || ours(&sim.history(TABLE)).len() == 7);
    sim.publish(&Doc::week(2).regions(1..4, 0..3));
    sim.ask_feed();
    let waiting = || decisions(&controller).into_iter().find(|line| line["held"] == "Approval:1");
    controller.wait_until("the word about the approval", || waiting().is_some());
    let line = waiting().unwrap();
    assert_eq!((&line["level"], &line["reason"]), (&json!("WARN"), &json!("Approval")), "{line}");
    sim.approve("ml", line["hash"].as_str().unwrap());
    controller.wait_until("the removal", || !ours(&sim.history(TABLE)).contains(&east(0)));
    controller.wait_until("the word about it", || !said(&controller, "an approval was used").is_empty());
    look_again(&sim, &controller);
    let (code, _, log) = controller.terminate();
    assert_eq!(code, 0, "{log}");
    assert_known(&log);
    let about = |message: &str| lines(&log).iter().filter(|line| line["message"] == message).count();
    assert_eq!((about("an approval was used"), about("an approval changes nothing")), (1, 0), "{log}");
    let last = lines(&log).into_iter().rfind(|line| line["message"] == "reconciled").unwrap();
    assert_eq!(last["writes"], 1, "{last}");
}

#[test]
fn what_cannot_be_kept_is_said_once_with_what_to_do() {
    let sim = Sim::start();
    sim.usual(json!({}));
    std::fs::create_dir(sim.state()).unwrap();
    // Nobody may write there, not even root.
    std::os::unix::fs::symlink("/proc/self", sim.path("state/documents")).unwrap();
    let controller = sim.controller(&[&JSON[..], &["--resync", "1s"]].concat());
    controller.wait_until("the routes", || ours(&sim.history(TABLE)).len() == 7);
    let not_stored = || said(&controller, "the documents cannot be stored; a restart without internet would lack them");
    controller.wait_until("the word about it", || !not_stored().is_empty());
    for _ in 0..3 {
        let asked = sim.log().len();
        sim.ask_feed();
        let is_asked = || sim.log()[asked..].iter().any(|entry| entry.url.contains("details.aspx"));
        controller.wait_until("the question", is_asked);
    }
    look_again(&sim, &controller);
    assert_eq!(not_stored().len(), 1, "{:?}", not_stored());
    sim.objects("feed.yaml", &[feed(&sim.page(), json!({}))]);
    let (_, _, log) = controller.terminate();
    assert_known(&log);
}

/// The rows of docs/logs.md: message, level, fields.
fn documented() -> Vec<(String, String, BTreeSet<String>)> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/logs.md")).unwrap();
    let mut rows = Vec::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [message, level, _, fields] = cells[..] else { continue };
        for level in level.split(", ") {
            let fields = fields.split([' ', ',']).filter(|field| !field.is_empty());
            let fields = fields.map(|field| field.trim_matches('`').to_owned()).collect();
            rows.push((message.trim_matches('`').to_owned(), level.to_owned(), fields));
        }
    }
    assert!(rows.len() > 40, "docs/logs.md has a table");
    rows
}

/// Every line that was written stands in the documentation, with its level and its fields.
#[track_caller]
fn assert_known(log: &str) {
    let rows = documented();
    for line in lines(log).iter().filter(|line| !["DEBUG", "TRACE"].iter().any(|level| line["level"] == *level)) {
        let level = line["level"].as_str().unwrap().to_lowercase();
        let row = rows.iter().find(|(message, of, _)| line["message"] == message.as_str() && *of == level);
        let (.., fields) = row.unwrap_or_else(|| panic!("docs/logs.md does not have: {line}"));
        for field in line.as_object().unwrap().keys() {
            let is_of_all = ["timestamp", "level", "target", "message"].contains(&field.as_str());
            assert!(is_of_all || fields.contains(field), "docs/logs.md lacks the field {field} of: {line}");
        }
    }
}
