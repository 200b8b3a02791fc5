//! The audit: one line for each write that Azure saw, enough to rebuild every table and to undo every write.

use std::collections::BTreeMap;

use armsim::model::log::{LogEntry, Server};
use serde_json::{Value, json};

use crate::campaign_world::Dice;
use crate::harness::{Doc, Sim, TABLE, central, east, final_routes, network, table_id};

/// All lines, by target in lower case.
fn lines(sim: &Sim) -> Vec<Value> {
    let text = std::fs::read_to_string(sim.path("state/audit.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn is_write(entry: &LogEntry) -> bool {
    entry.server == Server::Arm && ["PUT", "DELETE"].contains(&entry.method.as_str())
}

fn results(sim: &Sim) -> Vec<String> {
    lines(sim).iter().map(|line| line["result"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_write_leaves_one_line_that_says_everything() {
    let sim = Sim::start();
    sim.usual(json!({"spec": {"removal": {"approval": "Always"}}}));
    sim.once(&["--now", "2026-01-05T12:00:00Z"]).exits(0);
    let adding = sim.once(&["-o", "json"]).exits(0).json()["targets"][0]["hash"].clone();
    sim.publish(&Doc::week(2).regions(1..4, 0..3));
    sim.once(&[]).exits(3);
    let hash = sim.waiting().remove(0);
    sim.approve("ml", &hash);
    sim.once(&[]).exits(0);
    let (lines, writes) = (lines(&sim), sim.log().into_iter().filter(is_write).collect::<Vec<_>>());
    assert_eq!((lines.len(), writes.len()), (8, 8));
    for (line, write) in lines.iter().zip(&writes) {
        let entry = line["entry"].as_str().unwrap();
        assert!(write.url.contains(&format!("/routes/{entry}")), "{} {line}", write.url);
        assert_eq!(line["action"], if write.method == "PUT" { "Add" } else { "Remove" });
        assert!(line["correlationId"].as_str().is_some_and(|id| id.len() == 36), "{line}");
        assert_eq!((&line["installation"], &line["contributors"]), (&json!("prod"), &json!(["default/ml"])));
        assert!(line["target"].as_str().unwrap().eq_ignore_ascii_case(TABLE));
        assert_eq!(line["result"], "Succeeded");
        assert!(line["plan"].as_str().unwrap().starts_with("sha256:"));
    }
    let first = &lines[0];
    assert_eq!(first["at"], "2026-01-05T12:00:00Z");
    assert_eq!((&first["before"], &first["after"]), (&json!(null), &json!({"prefix": east(0), "nextHop": "Internet"})));
    assert_eq!((&first["wantedBy"], &first["approvals"]), (&json!(["default/ml"]), &json!([])));
    let last = &lines[7];
    assert_eq!((&last["before"], &last["after"]), (&json!({"prefix": east(0), "nextHop": "Internet"}), &json!(null)));
    assert_eq!(last["approvals"].as_array().unwrap().len(), 1, "{last}");
    let documents = &last["documents"][0];
    assert_eq!((&documents["cloud"], &documents["changeNumber"]), (&json!("Public"), &json!(102)));
    assert_ne!(adding, json!(hash));
}

#[test]
fn writes_that_did_not_come_about_have_their_line_too() {
    let put = |nth: u64| json!({"method": "PUT", "pathContains": "/routes/", "nth": nth});
    for (effect, expected) in [
        (json!({"status": {"code": 400, "body": {"error": {"code": "Strange", "message": "no"}}}}), "Refused"),
        (json!({"failOperation": {"code": "Strange", "message": "it broke"}}), "Failed"),
    ] {
        let sim = Sim::start();
        sim.usual(json!({}));
        sim.fault(json!({"match": put(2), "effect": effect}));
        sim.once(&[]);
        sim.once(&[]);
        let (found, writes) = (results(&sim), sim.log().iter().filter(|entry| is_write(entry)).count());
        assert_eq!(found.len(), writes, "{effect}: {found:?}");
        let ended = lines(&sim).into_iter().find(|line| line["result"] == expected);
        let ended = ended.unwrap_or_else(|| panic!("{effect}: {found:?}"));
        assert_eq!(ended["code"], "Strange", "{ended}");
    }
}

#[test]
fn a_write_whose_answer_nobody_saw_has_its_line_when_the_target_is_looked_at_again() {
    for (effect, times, expected) in [(json!("withhold"), 1, "Found"), (json!("dropBefore"), 0, "NotFound")] {
        let sim = Sim::start();
        sim.usual(json!({}));
        let second = json!({"method": "PUT", "pathContains": "/routes/amlnet.prod.20.1.0.64_26"});
        sim.fault(json!({"match": second, "times": times, "effect": effect}));
        let controller = sim.controller(&[]);
        controller.wait_until("the write", || sim.log().iter().filter(|entry| is_write(entry)).count() == 2);
        controller.kill();
        assert_eq!(results(&sim), ["Succeeded"]);
        sim.clear_faults();
        sim.once(&[]).exits(0);
        assert_eq!(results(&sim)[..3], ["Succeeded", expected, "Succeeded"]);
        assert_eq!(lines(&sim)[1]["entry"].as_str().map(|entry| entry.contains("20.1.0.64")), Some(true));
    }
}

#[test]
fn nothing_secret_stands_in_the_audit() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    let text = std::fs::read_to_string(sim.path("state/audit.jsonl")).unwrap();
    assert!(!text.contains(&sim.token()) && !text.contains(&sim.secret()));
}

type Table = BTreeMap<String, (String, String)>;

/// Our routes of a table by name, as Azure has them.
fn as_it_stands(sim: &Sim, id: &str) -> Table {
    let routes = final_routes(&sim.history(id));
    let ours = routes.into_iter().filter(|(_, route)| route.name.starts_with("amlnet.prod."));
    ours.map(|(prefix, route)| (route.name, (prefix, route.hop))).collect()
}

/// The lines about a table that tell of a write which came about.
fn done(sim: &Sim, id: &str) -> Vec<Value> {
    let about = |line: &Value| {
        let is_done = ["Succeeded", "Found"].contains(&line["result"].as_str().unwrap());
        is_done && line["target"].as_str().unwrap().eq_ignore_ascii_case(id)
    };
    lines(sim).into_iter().filter(about).collect()
}

fn put(table: &mut Table, name: &Value, route: &Value) {
    let name = name.as_str().unwrap().to_owned();
    let text = |field: &str| route[field].as_str().unwrap_or_default().to_owned();
    if route.is_null() {
        table.remove(&name);
    } else {
        table.insert(name, (text("prefix"), text("nextHop")));
    }
}

/// Twenty weeks on two tables with faults and kills, all by seed.
fn long_run(seed: u64, tables: &[String; 2]) -> Sim {
    let mut dice = Dice::new(seed);
    let worlds: Vec<(&str, Vec<Value>)> = tables.iter().map(|id| (id.as_str(), vec![])).collect();
    let sim = Sim::with_tables(&worlds, json!({}));
    let ids = json!([{"id": tables[0]}, {"id": tables[1]}]);
    sim.usual(json!({"spec": {"routes": {"routeTables": ids}}}));
    for week in 2..14 {
        match dice.between(0, 3) {
            0 => {
                sim.once(&[]);
            }
            1 => {
                let effect = dice
                    .one(&[
                        json!("dropBefore"),
                        json!("dropAfterCommit"),
                        json!("lostOperation"),
                        json!({"failOperation": {"code": "InternalServerError", "message": "it broke"}}),
                        json!({"status": {"code": 500, "body": {"error": {"code": "Broken", "message": "no"}}}}),
                    ])
                    .clone();
                let method = *dice.one(&["PUT", "DELETE"]);
                let matching = json!({"method": method, "pathContains": "/routes/", "nth": dice.between(1, 5)});
                sim.fault(json!({"match": matching, "effect": effect}));
                sim.once(&[]);
            }
            _ => {
                let nth = dice.between(1, 6);
                sim.fault(
                    json!({"match": {"method": *dice.one(&["PUT", "DELETE"]), "pathContains": "/routes/", "nth": nth},
                    "effect": "withhold"}),
                );
                let from = sim.log().len();
                let crashing = sim.controller(&["--once"]);
                crashing.wait_until("the write that is withheld, or the end", || {
                    let log = sim.log();
                    log[from..].iter().filter(|entry| is_write(entry)).count() >= nth
                        || crashing.log().contains(" to add, ")
                });
                crashing.kill();
            }
        }
        sim.clear_faults();
        let (first, last) = (dice.between(0, 3), dice.between(5, 9));
        sim.publish(&Doc::week(week).regions(first..last, dice.between(0, 1)..dice.between(2, 4)));
    }
    // Somebody takes a table out, and everything it held goes.
    sim.once(&[]);
    sim.usual(json!({"spec": {"routes": {"routeTables": [{"id": tables[0]}]}}}));
    sim.once(&[]).exits(0);
    sim.approve("ml", &sim.waiting()[0]);
    sim.once(&[]).exits(0);
    sim
}

#[test]
fn every_table_of_a_long_run_is_rebuilt_from_the_audit_and_undone_by_it() {
    let tables = [TABLE.to_owned(), table_id("rt-2")];
    for seed in 0..6 {
        let sim = long_run(seed, &tables);
        let mut writes = 0;
        for id in &tables {
            let (lines, mut rebuilt) = (done(&sim, id), Table::new());
            for line in &lines {
                let before = rebuilt.get(line["entry"].as_str().unwrap()).cloned();
                let said = line["before"].as_object().map(|before| {
                    (before["prefix"].as_str().unwrap().to_owned(), before["nextHop"].as_str().unwrap().to_owned())
                });
                assert_eq!(said, before, "seed {seed}: {line}");
                put(&mut rebuilt, &line["entry"], &line["after"]);
            }
            assert_eq!(rebuilt, as_it_stands(&sim, id), "seed {seed}");
            for line in lines.iter().rev() {
                put(&mut rebuilt, &line["entry"], &line["before"]);
            }
            assert_eq!(rebuilt, Table::new(), "seed {seed}: undone");
            writes += lines.len();
        }
        assert!(writes > 40, "seed {seed}: {writes} writes");
        let open = std::fs::read_dir(sim.path("state/open")).map_or(0, Iterator::count);
        assert_eq!(open, 0, "seed {seed}: every write has found its end");
    }
}

#[test]
fn two_contributors_and_a_change_are_told() {
    let sim = Sim::start();
    sim.usual(json!({"spec": {"pairedRegion": "None"}}));
    let second = json!({"metadata": {"name": "second"}, "spec": {"region": "centralus", "pairedRegion": "None"}});
    sim.objects("second.yaml", &[network(second)]);
    sim.once(&[]).exits(0);
    let name = format!("amlnet.prod.{}", central(0).replace('/', "_"));
    let mut drifted = crate::harness::route(&name, &central(0), "None");
    drifted["id"] = json!(format!("{TABLE}/routes/{name}"));
    sim.put(drifted);
    sim.once(&[]).exits(0);
    let line = lines(&sim).pop().unwrap();
    assert_eq!((&line["action"], &line["entry"]), (&json!("Change"), &json!(name)));
    assert_eq!(line["before"], json!({"prefix": central(0), "nextHop": "None"}));
    assert_eq!(line["after"], json!({"prefix": central(0), "nextHop": "Internet"}));
    assert_eq!(line["contributors"], json!(["default/ml", "default/second"]));
    assert_eq!(line["wantedBy"], json!(["default/second"]));
}

/// Every write that the simulator saw, as method and name of the entry; a request that was repeated at once is one.
fn seen_writes(sim: &Sim) -> Vec<(String, String)> {
    let mut seen: Vec<(String, String)> = Vec::new();
    for entry in sim.log().iter().filter(|entry| is_write(entry)) {
        let path = entry.url.split('?').next().unwrap();
        let write = (entry.method.clone(), path.rsplit('/').next().unwrap().to_owned());
        if seen.last() != Some(&write) {
            seen.push(write);
        }
    }
    seen
}

fn told_writes(sim: &Sim) -> Vec<(String, String)> {
    let told = |line: &Value| {
        let method = if line["after"].is_null() { "DELETE" } else { "PUT" };
        (method.to_owned(), line["entry"].as_str().unwrap().to_owned())
    };
    lines(sim).iter().map(told).collect()
}

/// All fields, each with what it may be.
fn assert_whole(line: &Value) {
    let keys: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = ["at", "write", "installation", "target", "action", "entry", "contributors", "wantedBy", "plan"]
        .into_iter()
        .chain(["documents", "approvals", "before", "after", "result", "code", "correlationId"])
        .collect::<Vec<_>>();
    let mut keys = keys;
    keys.sort_unstable();
    expected.sort_unstable();
    assert_eq!(keys, expected, "{line}");
    assert!(line["at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{line}");
    assert!(line["documents"][0]["digest"].as_str().unwrap().starts_with("sha256:"), "{line}");
    assert!(
        ["Succeeded", "Refused", "Failed", "Found", "NotFound"].contains(&line["result"].as_str().unwrap()),
        "{line}"
    );
}

/// One fault or several on the second addition or the second removal, and how its line ends. Others follow it.
#[track_caller]
fn assert_one_line_each(method: &str, effects: &[Value], expected: &str) {
    let sim = Sim::start();
    sim.usual(json!({}));
    if method == "DELETE" {
        sim.once(&[]).exits(0);
        sim.publish(&Doc::week(2).regions(3..4, 0..3));
    }
    let name = format!("amlnet.prod.{}", east(1).replace('/', "_"));
    for effect in effects {
        let matching = json!({"method": method, "pathContains": format!("/routes/{name}")});
        sim.fault(json!({"match": matching, "effect": effect}));
    }
    let what = format!("{method} {effects:?}");
    sim.once(&[]);
    // Whatever was left open finds its end.
    sim.once(&[]).exits(0);
    sim.once(&[]).exits(0);
    let all = lines(&sim);
    all.iter().for_each(assert_whole);
    let one = all.iter().find(|line| line["entry"] == name.as_str() && line["after"].is_null() == (method == "DELETE"));
    assert_eq!(one.map(|line| &line["result"]), Some(&json!(expected)), "{what}: {:?}", results(&sim));
    assert_eq!(told_writes(&sim), seen_writes(&sim), "{what}");
    let ids: std::collections::BTreeSet<String> = all.iter().map(|line| line["write"].to_string()).collect();
    assert_eq!(ids.len(), all.len(), "{what}: each write has its own number");
    let of_azure: Vec<String> = sim.log().iter().map(|entry| entry.correlation_id.clone()).collect();
    for line in all.iter().filter(|line| line["result"] == "Succeeded") {
        let id = line["correlationId"].as_str().unwrap().to_owned();
        assert!(of_azure.contains(&id), "{what}: Azure knows no {id}");
    }
}

fn status(code: u16) -> Value {
    json!({"status": {"code": code, "body": {"error": {"code": "Strange", "message": "no"}}}})
}

#[test]
fn each_write_has_one_line_whatever_became_of_it() {
    let failed = json!({"failOperation": {"code": "Strange", "message": "it broke"}});
    for (effect, expected) in [
        (status(400), "Refused"),
        (failed, "Failed"),
        (json!("lostOperation"), "Found"),
        (json!({"throttle": {"retryAfter": 1}}), "Succeeded"),
        (json!("dropBefore"), "Succeeded"),
        (json!("dropAfterCommit"), "Succeeded"),
        (status(500), "Succeeded"),
    ] {
        assert_one_line_each("PUT", &[effect], expected);
    }
}

#[test]
fn each_removal_has_one_line_whatever_became_of_it() {
    let failed = json!({"failOperation": {"code": "Strange", "message": "it broke"}});
    for (effect, expected) in [
        (status(400), "Refused"),
        (failed, "Failed"),
        (json!("lostOperation"), "Found"),
        (json!("dropBefore"), "NotFound"),
        (json!("dropAfterCommit"), "Found"),
        (status(500), "NotFound"),
    ] {
        assert_one_line_each("DELETE", &[effect], expected);
    }
}

#[test]
fn a_write_without_an_answer_that_is_then_refused_has_its_line_too() {
    // The first try may have come about, so the refusal of the second does not end it; and other steps go on.
    assert_one_line_each("PUT", &[json!("dropBefore"), status(400)], "NotFound");
    assert_one_line_each("PUT", &[status(500), status(400)], "NotFound");
    assert_one_line_each("PUT", &[json!("dropAfterCommit"), status(400)], "Found");
}
