//! Stored documents that are damaged, a disk that is full, and a mirror whose address is a secret.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Doc, Sim, TABLE, assert_clean, central, east, feed, file_feed, network, ours};

/// Three documents were followed from a local file; the newest has two prefixes more than the first.
fn after_three_weeks() -> Sim {
    let sim = Sim::start();
    sim.objects("ml.yaml", &[network(json!({})), file_feed("public", "tags.json")]);
    for week in 1..=3 {
        sim.write("dir/tags.json", week_of(week).bytes());
        sim.once(&[]).exits(0);
        assert_eq!(sim.in_force("public"), 100 + week as u64);
    }
    sim
}

fn week_of(week: usize) -> Doc {
    Doc::week(week as u64).regions(0..3 + week, 0..3)
}

/// The stored documents by change number.
fn documents(sim: &Sim) -> BTreeMap<u64, PathBuf> {
    let files = sim.state_files().into_iter().filter_map(|(path, _)| {
        let name = path.file_name()?.to_str()?.to_owned();
        let number = name.strip_suffix(".json.gz")?.split('-').next()?.parse().ok()?;
        Some((number, path))
    });
    files.collect()
}

/// The files below `documents`, with their content.
fn archive(sim: &Sim) -> BTreeMap<PathBuf, Vec<u8>> {
    sim.state_files().into_iter().filter(|(path, _)| path.starts_with(sim.path("state/documents"))).collect()
}

const DAMAGES: [&[u8]; 5] = [b"", b"[{\"changeNumber\": 103,", b"{}", b"\xff\xfe", b"<html>"];

#[test]
fn without_its_index_an_older_document_is_still_older() {
    for damage in DAMAGES {
        let sim = after_three_weeks();
        let before = sim.history(TABLE);
        sim.write("state/documents/public/index.json", damage);
        for week in [1, 2] {
            sim.write("dir/tags.json", week_of(week).bytes());
            sim.once(&[]).exits(0).says(&["index.json is damaged", "older"]);
            assert_eq!(sim.history(TABLE), before, "week {week}");
            assert_eq!(sim.feed_status("public")["sources"][0]["reason"], "Older");
            assert_eq!(sim.in_force("public"), 103);
        }
        // The next one is followed, with what it no longer needs.
        sim.write("dir/tags.json", Doc::week(4).regions(1..6, 0..3).bytes());
        sim.once(&[]).exits(0);
        let history = sim.history(TABLE);
        assert_eq!(ours(&history), (1..6).map(east).chain((0..3).map(central)).collect());
        assert_clean(&history, (1..6).map(east).chain((0..3).map(central)));
        assert_eq!(sim.in_force("public"), 104);
    }
}

#[test]
fn without_index_and_documents_nothing_is_removed_and_nothing_is_stored_over_it() {
    for gone in ["removed", "damaged"] {
        let sim = after_three_weeks();
        let before = ours(&sim.history(TABLE));
        sim.write("state/documents/public/index.json", DAMAGES[1]);
        for path in documents(&sim).values() {
            match gone {
                "removed" => std::fs::remove_file(path).unwrap(),
                _ => std::fs::write(path, b"damaged").unwrap(),
            }
        }
        let left = archive(&sim);
        for doc in [week_of(1), Doc::week(4).regions(1..7, 0..3)] {
            sim.write("dir/tags.json", doc.bytes());
            sim.once(&[]).says(&["held, Hold", "state/documents/public: index.json is damaged", "moved away"]);
            assert_eq!(archive(&sim), left, "{gone}");
            assert!(ours(&sim.history(TABLE)).is_superset(&before), "{gone}");
        }
        assert!(ours(&sim.history(TABLE)).contains(&east(6)), "what is new comes");
        // The controller does no more.
        let controller = sim.controller(&["--resync", "1s"]);
        controller.wait_until("what is held", || sim.status("ml")["targets"][0]["held"] == 1);
        drop(controller);
        assert_eq!(archive(&sim), left, "{gone}");
        assert!(ours(&sim.history(TABLE)).is_superset(&before), "{gone}");
        assert_clean(&sim.history(TABLE), before);
        // A person moves it away; then it goes on as ever.
        std::fs::rename(sim.path("state/documents/public"), sim.path("away")).unwrap();
        sim.once(&[]).exits(0);
        assert_eq!(ours(&sim.history(TABLE)), (1..7).map(east).chain((0..3).map(central)).collect());
        assert_eq!(documents(&sim).keys().copied().collect::<Vec<_>>(), [104]);
    }
}

#[test]
fn without_its_index_a_newest_document_that_cannot_be_read_is_missed() {
    for gone in ["damaged", "empty"] {
        let sim = after_three_weeks();
        let before = sim.history(TABLE);
        sim.write("state/documents/public/index.json", DAMAGES[1]);
        let content: &[u8] = if gone == "damaged" { b"damaged" } else { b"" };
        std::fs::write(&documents(&sim)[&103], content).unwrap();
        // Its predecessor does not know the newest prefix; that is no reason to take it away.
        for week in [1, 2] {
            sim.write("dir/tags.json", week_of(week).bytes());
            sim.once(&[]);
            assert!(ours(&sim.history(TABLE)).contains(&east(5)), "{gone}: week {week} removed something");
            assert_eq!(sim.history(TABLE), before, "{gone}");
        }
    }
}

/// The same command where no file can have more than so many half kilobytes.
fn on_a_small_disk(command: &Command, blocks: usize) -> Command {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).arg(command.get_program()).args(command.get_args());
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(command.get_current_dir().unwrap());
    shell
}

/// A document of 60 kB and more, compressed.
fn large(doc: Doc) -> Doc {
    let prefix = |seed: u64| {
        let bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        format!("{}.{}.{}.0/24", 64 + (bits >> 16) % 32, (bits >> 8) & 0xff, bits & 0xff)
    };
    let prefixes: std::collections::BTreeSet<String> =
        (1..60_000).map(prefix).filter(|p| !p.starts_with("100.")).collect();
    doc.tag("Sql", "", prefixes.into_iter().filter(|prefix| !prefix.starts_with("64.")))
}

/// Week 1 is stored; week 2 has a prefix more, and was followed on a disk that is too full for it.
fn after_a_full_disk() -> Sim {
    let sim = Sim::start();
    sim.objects("ml.yaml", &[network(json!({})), file_feed("public", "tags.json")]);
    sim.write("dir/tags.json", Doc::week(1).bytes());
    sim.once(&[]).exits(0);
    let stored = archive(&sim);
    sim.write("dir/tags.json", large(Doc::week(2).regions(0..5, 0..3)).bytes());
    let run = ["run", "--dir", "dir", "--state", "state", "--once"];
    let ran = sim.ran(on_a_small_disk(&sim.command(&run), 64)).exits(0);
    ran.says(&["the documents cannot be stored", "102-", "too large"]);
    let history = sim.history(TABLE);
    assert!(ours(&history).contains(&east(4)), "the routes are written all the same");
    assert_clean(&history, (0..4).map(east).chain((0..3).map(central)));
    assert!(
        stored.iter().all(|(path, content)| path.ends_with("index.json") || archive(&sim).get(path) == Some(content))
    );
    assert!(!documents(&sim).contains_key(&102));
    sim
}

#[test]
fn a_full_disk_keeps_no_routes_away_and_no_document_is_lost() {
    let sim = after_a_full_disk();
    let status = sim.feed_status("public");
    assert!(status["notStored"].as_str().unwrap().contains("102-"), "{status}");
    // The old document can be read, without any source.
    std::fs::remove_file(sim.path("dir/tags.json")).unwrap();
    sim.once(&["-o", "json"]);
    assert_eq!(sim.in_force("public"), 101);
    // When there is room again, it is stored.
    sim.write("dir/tags.json", large(Doc::week(2).regions(0..5, 0..3)).bytes());
    sim.once(&[]).exits(0);
    assert!(documents(&sim).contains_key(&102));
    assert_eq!(sim.in_force("public"), 102);
    assert_eq!(sim.feed_status("public")["notStored"], Value::Null);
}

#[test]
fn what_a_document_needed_that_could_not_be_stored_is_not_removed_for_its_predecessor() {
    let sim = after_a_full_disk();
    let before = sim.history(TABLE);
    for doc in [None, Some(Doc::week(1))] {
        match doc {
            None => std::fs::remove_file(sim.path("dir/tags.json")).unwrap(),
            Some(doc) => drop(sim.write("dir/tags.json", doc.bytes())),
        }
        sim.once(&[]);
        assert!(ours(&sim.history(TABLE)).contains(&east(4)), "the predecessor removed something");
        assert_eq!(sim.history(TABLE), before);
    }
}

#[test]
fn the_controller_writes_routes_on_a_full_disk_too() {
    let sim = Sim::start();
    sim.objects("ml.yaml", &[network(json!({})), file_feed("public", "tags.json")]);
    sim.write("dir/tags.json", large(Doc::week(1)).bytes());
    let run = ["run", "--dir", "dir", "--state", "state", "--resync", "1s"];
    let controller = sim.background(on_a_small_disk(&sim.command(&run), 64));
    controller.wait_until("the routes", || ours(&sim.history(TABLE)).len() == 7);
    controller.wait_until("the word", || controller.log().contains("the documents cannot be stored"));
    let (code, _, log) = controller.terminate();
    assert_eq!(code, 0, "{log}");
}

const SIGNATURE: &str = "sIgNaTuReOfAtEsT";
const PASSWORD: &str = "PaSsWoRdOfAtEsT";

#[track_caller]
fn assert_silent(what: &str, text: &str) {
    for secret in [SIGNATURE, PASSWORD] {
        assert!(!text.contains(secret), "{what}: {secret} in:\n{text}");
    }
}

/// Every command at the most talkative, and every file that it leaves.
#[track_caller]
fn assert_no_word_of_the_secret(sim: &Sim, what: &str) {
    for format in ["text", "json"] {
        let logged = ["--log", "trace", "--log-format", format];
        for ran in [
            sim.plan(&logged),
            sim.plan(&[&logged[..], &["-o", "json"]].concat()),
            sim.apply(&[&logged[..], &["--state", "state"]].concat()),
            sim.once(&logged),
        ] {
            assert_silent(what, &ran.all());
        }
    }
    for (path, content) in sim.state_files() {
        assert_silent(&format!("{what}: {}", path.display()), &String::from_utf8_lossy(&content));
    }
}

/// Puts user, password and signature into an address.
fn secret_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let mark = if rest.contains('?') { '&' } else { '?' };
    format!("{scheme}://user:{PASSWORD}@{rest}{mark}sig={SIGNATURE}")
}

fn origin(sim: &Sim) -> String {
    let page = sim.page();
    let (scheme, rest) = page.split_once("://").unwrap();
    format!("{scheme}://{}", rest.split('/').next().unwrap())
}

fn mirror(sim: &Sim, source: Value) {
    sim.objects("ml.yaml", &[network(json!({}))]);
    sim.objects("feed.yaml", &[feed("", json!({"spec": {"sources": [{"download": source}]}}))]);
}

#[test]
fn a_mirrors_address_is_told_to_nobody() {
    let elsewhere = secret_url("https://mirror.invalid/file.json");
    let effects = [
        ("as it is", None),
        ("500", Some(json!({"status": {"code": 500}}))),
        ("html", Some(json!({"status": {"code": 200, "body": "<html></html>"}}))),
        ("a redirect away", Some(json!({"status": {"code": 302, "headers": {"location": elsewhere}}}))),
        ("a cut connection", Some(json!("dropBefore"))),
    ];
    for (effect, fault) in effects {
        let sim = Sim::start();
        if let Some(fault) = fault {
            sim.fault(json!({"match": {"server": "downloadPage"}, "times": 0, "effect": fault}));
        }
        for (field, url) in [
            ("pageUrl", sim.page()),
            ("fileUrl", format!("{}/no/ServiceTags_Public_20250107.json", origin(&sim))),
            ("fileUrl", "https://127.0.0.1:1/ServiceTags_Public_20250107.json".to_owned()),
        ] {
            mirror(&sim, json!({field: secret_url(&url)}));
            assert_no_word_of_the_secret(&sim, &format!("{field} {url}, {effect}"));
        }
    }
}

#[test]
fn the_controller_tells_nobody_a_mirrors_address() {
    let sim = Sim::start();
    mirror(&sim, json!({"pageUrl": secret_url(&sim.page())}));
    let controller = sim.controller(&["--log", "trace"]);
    controller.wait_until("the poll", || sim.feed_status("public")["sources"][0] != Value::Null);
    mirror(&sim, json!({"fileUrl": secret_url("https://127.0.0.1:1/file.json")}));
    controller.wait_until("the next", || sim.feed_status("public")["sources"][0]["reason"] == "Unreachable");
    let (_, _, log) = controller.terminate();
    assert_silent("the log", &log);
    for (path, content) in sim.state_files() {
        assert_silent(&path.display().to_string(), &String::from_utf8_lossy(&content));
    }
}

#[test]
fn a_redirect_that_is_no_address_is_told_to_nobody() {
    let sim = Sim::start();
    let nowhere = secret_url("https://127.0.0.1:99999/file.json");
    let effect = json!({"status": {"code": 302, "headers": {"location": nowhere}}});
    sim.fault(json!({"match": {"server": "downloadPage"}, "times": 0, "effect": effect}));
    mirror(&sim, json!({"pageUrl": sim.page()}));
    assert_no_word_of_the_secret(&sim, "a redirect");
}

#[test]
fn an_address_that_is_refused_is_told_to_nobody() {
    for (what, field, url) in [
        ("not https", "fileUrl", secret_url("http://127.0.0.1:1/file.json")),
        ("not https", "pageUrl", secret_url("http://127.0.0.1:1/page")),
        ("no URL", "fileUrl", secret_url("https://[127.0.0.1/file.json")),
        ("no URL", "pageUrl", secret_url("https://127.0.0.1:99999/page")),
    ] {
        let sim = Sim::start();
        mirror(&sim, json!({field: url}));
        assert_no_word_of_the_secret(&sim, &format!("{what}, {field}"));
    }
}
