//! Lists for other makers' firewalls as the binary serves them in file mode: from the first document over the second to
//! the end of a hold, over restarts, and for who has them already.

use std::io::Read as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Answer, Controller, Doc, Sim, address, file_feed, get, network, request};

const LISTEN: [&str; 2] = ["--http-listen", "127.0.0.1:0"];

/// A Network without targets that asks for Storage, Batch and hosts, with these lists.
pub(crate) fn with_lists(lists: Value, change: Value) -> Value {
    let ports = json!([{"protocol": "Https", "port": 443}]);
    let tcp = json!([{"protocol": "TCP", "port": 443}]);
    let mut object = network(json!({"spec": {
        "routes": null,
        "removal": {"holdFor": "42d"},
        "outbound": {"edition": "2026-03", "profiles": [], "lists": lists, "additional": [
            {"name": "vault", "serviceTag": "AzureKeyVault", "ports": tcp},
            {"name": "batch", "serviceTag": "BatchNodeManagement", "regional": true, "ports": tcp},
            {"name": "github", "hosts": ["github.com", "*.github.com"], "ports": ports},
        ]},
    }}));
    crate::harness::merge(&mut object, &change);
    object
}

/// Every kind of list.
pub(crate) fn all_kinds() -> Value {
    json!([{"name": "all"}, {"name": "v4", "content": "IPv4"}, {"name": "hosts", "content": "Hosts"},
        {"name": "batch", "requirement": "BatchNodeManagement"}, {"name": "api", "format": "Json"}])
}

fn doc(week: u64, vault: &[&str]) -> Doc {
    Doc::week(week).tag("AzureKeyVault", "", vault.iter().copied())
}

fn started(sim: &Sim, more: &[&str]) -> Controller {
    sim.controller(&[&LISTEN, more].concat())
}

/// A simulator with the Network, and a feed from a file that is not there yet.
fn scene(change: Value) -> Sim {
    let sim = Sim::start();
    sim.objects("feed.yaml", &[file_feed("public", "../tags.json")]);
    sim.objects("ml.yaml", &[with_lists(all_kinds(), change)]);
    sim
}

fn list(sim: &Sim, name: &str) -> Value {
    let lists = sim.status("ml")["lists"].clone();
    let found = lists.as_array().into_iter().flatten().find(|list| list["name"] == name);
    found.cloned().unwrap_or_default()
}

#[test]
fn a_list_is_served_from_the_first_document_on_and_keeps_what_left_it() {
    let sim = scene(json!({}));
    let controller = started(&sim, &[]);
    let at = address(&controller);
    assert_eq!((get(at, "/healthz").text(), get(at, "/readyz").text()), ("ok\n", "ok\n"));
    let waiting = get(at, "/lists/default/ml/all");
    assert_eq!((waiting.status, waiting.header("retry-after").is_empty()), (503, false), "{}", waiting.text());
    assert!(waiting.text().contains("nothing to serve yet"), "{}", waiting.text());
    for path in
        ["/lists/default/ml/other", "/lists/default/other/all", "/lists/other/ml/all", "/lists/default/ml/all.csv"]
    {
        assert_eq!(get(at, path).status, 404, "{path}");
    }
    controller.wait_until("the status", || list(&sim, "all")["state"] == "Waiting");
    assert!(list(&sim, "all")["message"].as_str().unwrap().contains("no Service Tags document"));
    assert_eq!(sim.status("ml")["conditions"][0]["reason"], "ListWaiting");

    sim.write("tags.json", doc(1, &["20.60.1.0/24", "20.60.0.0/24", "104.40.0.0/13", "2603:1030::/48"]).bytes());
    controller.wait_until("the first list", || get(at, "/lists/default/ml/all").status == 200);
    let addresses = ["20.11.0.0/27", "20.60.0.0/24", "20.60.1.0/24", "104.40.0.0/13"];
    let hosts = ["*.github.com", "github.com"];
    let first = get(at, "/lists/default/ml/all");
    assert_eq!(first.lines(), [&addresses[..], &hosts].concat());
    assert!(first.text().ends_with('\n'));
    assert_eq!(get(at, "/lists/default/ml/v4.txt").lines(), addresses);
    assert_eq!(get(at, "/lists/default/ml/hosts").lines(), hosts);
    assert_eq!(get(at, "/lists/default/ml/batch").lines(), ["20.11.0.0/27"]);
    let api = get(at, "/lists/default/ml/api");
    assert_eq!(api.header("content-type"), "application/json");
    let api: Value = serde_json::from_slice(&api.body).unwrap();
    assert_eq!((&api["ipv4"], &api["hosts"], &api["ipv6"]), (&json!(addresses), &json!(hosts), &json!([])));
    assert_eq!(api["document"]["changeNumber"], 101);
    assert_eq!((&api["network"], &api["list"]), (&json!("default/ml"), &json!("api")));
    controller.wait_until("the status", || list(&sim, "all")["state"] == "Served");
    assert_eq!(list(&sim, "all")["ipv4"], 4);
    assert_eq!(sim.status("ml")["conditions"][0]["status"], "True");

    // What is new comes, what left stays, and a restart forgets neither.
    sim.write("tags.json", doc(2, &["20.60.1.0/24", "20.60.2.0/24", "104.40.0.0/13"]).bytes());
    controller.wait_until("the second list", || get(at, "/lists/default/ml/all").body != first.body);
    let both = ["20.11.0.0/27", "20.60.0.0/24", "20.60.1.0/24", "20.60.2.0/24", "104.40.0.0/13"];
    let second = get(at, "/lists/default/ml/v4");
    assert_eq!(second.lines(), both);
    controller.wait_until("the status", || list(&sim, "v4")["retiring"] == 1);
    let etag = second.header("etag").to_owned();
    controller.kill();
    std::fs::remove_file(sim.path("tags.json")).unwrap();
    let controller = started(&sim, &[]);
    let again = get(address(&controller), "/lists/default/ml/v4");
    assert_eq!(
        (again.lines(), again.header("etag"), again.header("last-modified")),
        (second.lines(), etag.as_str(), second.header("last-modified"))
    );

    // The hold ends by the clock alone, and a list that nobody names is gone.
    let fewer = json!([{"name": "v4", "content": "IPv4"}]);
    sim.objects("ml.yaml", &[with_lists(fewer, json!({"spec": {"removal": {"holdFor": "1s"}}}))]);
    let at = address(&controller);
    controller.wait_until("the end of the hold", || {
        get(at, "/lists/default/ml/v4").lines() == ["20.11.0.0/27", "20.60.1.0/24", "20.60.2.0/24", "104.40.0.0/13"]
    });
    controller.wait_until("the end of the other", || get(at, "/lists/default/ml/all").status == 404);
    controller.wait_until("its file", || !sim.state().join("lists/default.ml.all.json").exists());
    std::fs::remove_file(sim.path("dir/ml.yaml")).unwrap();
    controller.wait_until("the end of the last", || get(at, "/lists/default/ml/v4").status == 404);
}

#[test]
fn run_once_keeps_lists_that_a_server_serves_later() {
    let sim = scene(json!({"spec": {"removal": {"holdFor": "7d"}}}));
    let once = |week: u64, vault: &[&str], now: &str| {
        sim.write("tags.json", doc(week, vault).bytes());
        sim.once(&["--now", now]).exits(0);
    };
    once(1, &["20.60.0.0/24", "20.60.1.0/24"], "2026-05-04T10:00:00Z");
    once(2, &["20.60.1.0/24"], "2026-05-11T10:00:00Z");
    once(3, &["20.60.1.0/24", "20.60.3.0/24"], "2026-05-18T09:00:00Z");
    assert_eq!(list(&sim, "v4")["retiring"], 1);
    once(3, &["20.60.1.0/24", "20.60.3.0/24"], "2026-05-18T10:00:00Z");
    assert_eq!((&list(&sim, "v4")["retiring"], &list(&sim, "v4")["ipv4"]), (&json!(0), &json!(3)));
    let file: Value =
        serde_json::from_slice(&std::fs::read(sim.state().join("lists/default.ml.v4.json")).unwrap()).unwrap();
    assert_eq!(file["list"]["state"]["changedAt"], "2026-05-18T10:00:00Z");
    let controller = started(&sim, &[]);
    let served = get(address(&controller), "/lists/default/ml/v4");
    assert_eq!(served.lines(), ["20.11.0.0/27", "20.60.1.0/24", "20.60.3.0/24"]);
    assert_eq!(served.header("last-modified"), "Mon, 18 May 2026 10:00:00 GMT");
}

#[test]
fn what_stops_a_network_leaves_its_list_standing() {
    let sim = scene(json!({}));
    sim.write("tags.json", doc(1, &["20.60.0.0/24"]).bytes());
    let controller = started(&sim, &[]);
    let at = address(&controller);
    controller.wait_until("the list", || get(at, "/lists/default/ml/v4").status == 200);
    let before = get(at, "/lists/default/ml/v4");
    let stands = |why: &str| {
        controller.wait_until(why, || {
            let list = list(&sim, "v4");
            list["state"] == "Stands" && list["message"].as_str().unwrap().contains(why)
        });
        assert_eq!(get(at, "/lists/default/ml/v4").body, before.body);
    };
    sim.objects("ml.yaml", &[with_lists(all_kinds(), json!({"spec": {"suspend": true}}))]);
    stands("suspended");
    sim.objects("ml.yaml", &[with_lists(all_kinds(), json!({"spec": {"outbound": {"profiles": ["Bse"]}}}))]);
    stands("Bse");
    sim.write("dir/ml.yaml", "apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nspec: [");
    controller.wait_until("the broken file", || controller.log().contains("ml.yaml"));
    assert_eq!(get(at, "/lists/default/ml/v4").body, before.body);
    sim.objects("ml.yaml", &[with_lists(all_kinds(), json!({}))]);
    controller.wait_until("the end of it", || list(&sim, "v4")["state"] == "Served");
    assert_eq!(get(at, "/lists/default/ml/v4").header("etag"), before.header("etag"));

    // Somebody edits what is kept: it is no list any more, and is made anew.
    let file = sim.state().join("lists/default.ml.v4.json");
    let text = std::fs::read_to_string(&file).unwrap();
    controller.terminate();
    std::fs::write(&file, text.replace("20.60.0.0/24", "20.66.0.0/24")).unwrap();
    let controller = started(&sim, &[]);
    let at = address(&controller);
    controller.wait_until("the list", || get(at, "/lists/default/ml/v4").status == 200);
    assert_eq!(get(at, "/lists/default/ml/v4").body, before.body);
    assert!(controller.log().contains("what is remembered of a list is lost"), "{}", controller.log());
}

#[test]
fn who_has_a_list_is_told_so_in_every_form() {
    let sim = scene(json!({}));
    let many: Vec<String> = (0..200).map(|n| format!("20.60.{n}.0/24")).collect();
    let document = Doc::week(1).tag("AzureKeyVault", "", many);
    sim.write("tags.json", document.bytes());
    let controller = started(&sim, &[]);
    let at = address(&controller);
    controller.wait_until("the list", || get(at, "/lists/default/ml/v4").status == 200);
    for path in ["/lists/default/ml/v4", "/lists/default/ml/v4.txt", "/lists/default/ml/v4.json"] {
        let whole = get(at, path);
        let with = |headers: &[(&str, &str)]| request(at, "GET", path, headers);
        assert!(whole.header("etag").starts_with('"'), "{path}: a strong one");
        let gzip = with(&[("Accept-Encoding", "gzip")]);
        assert_eq!((gzip.header("content-encoding"), gzip.header("vary")), ("gzip", "Accept-Encoding"));
        assert_ne!(gzip.header("etag"), whole.header("etag"));
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&gzip.body[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, whole.body);
        assert!(gzip.body.len() * 2 < whole.body.len(), "{} of {}", gzip.body.len(), whole.body.len());
        let (etag, modified) = (whole.header("etag"), whole.header("last-modified"));
        let has_it = [
            with(&[("If-None-Match", etag)]),
            with(&[("If-Modified-Since", modified)]),
            with(&[("If-None-Match", gzip.header("etag")), ("Accept-Encoding", "gzip")]),
            request(at, "HEAD", path, &[("If-None-Match", etag)]),
        ];
        for answer in &has_it {
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{answer:?}");
            assert!(!answer.header("etag").is_empty() && answer.header("last-modified") == modified);
        }
        let head = request(at, "HEAD", path, &[]);
        assert_eq!((head.status, head.body.len()), (200, 0));
        for name in
            ["etag", "last-modified", "content-type", "content-length", "cache-control", "x-content-type-options"]
        {
            assert!(!head.header(name).is_empty(), "{path}: {name}");
            assert_eq!(head.header(name), whole.header(name), "{path}: {name}");
        }
        let range = with(&[("Range", "bytes=0-9")]);
        assert_eq!((range.status, &range.body), (200, &whole.body), "no part of a list is served");
    }
}

/// What firewalls do, as a well-known client does it.
#[test]
fn curl_fetches_a_list_once_and_again_only_when_it_changed() {
    if Command::new("curl").arg("--version").output().is_err() {
        std::io::Write::write_all(&mut std::io::stderr(), b"skipped: there is no curl\n").unwrap();
        return;
    }
    let sim = scene(json!({}));
    sim.write("tags.json", doc(1, &["20.60.0.0/24"]).bytes());
    let controller = started(&sim, &[]);
    let at = address(&controller);
    controller.wait_until("the list", || get(at, "/lists/default/ml/v4").status == 200);
    let (file, etag) = (sim.path("fetched"), sim.path("etag"));
    let curl = |more: &[&str]| {
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--compressed",
            "--remote-time",
            "-w",
            "%{http_code}",
        ]);
        command.arg("--output").arg(&file).args(more).arg(format!("http://{at}/lists/default/ml/v4"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let (etag, fetched) = (etag.to_str().unwrap(), file.to_str().unwrap());
    let by_etag = ["--etag-compare", etag, "--etag-save", etag];
    assert_eq!(curl(&by_etag), "200");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "20.11.0.0/27\n20.60.0.0/24\n");
    assert_eq!(curl(&by_etag), "304");
    assert_eq!(curl(&["--time-cond", fetched]), "304");
    sim.write("tags.json", doc(2, &["20.60.0.0/24", "20.60.1.0/24"]).bytes());
    controller.wait_until("the second list", || get(at, "/lists/default/ml/v4").lines().len() == 3);
    assert_eq!(curl(&["--time-cond", fetched]), "200");
    assert_eq!(curl(&by_etag), "200");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "20.11.0.0/27\n20.60.0.0/24\n20.60.1.0/24\n");
}

/// Kept for the other tests of lists.
pub(crate) fn served(change: Value, more: &[&str]) -> (Sim, Controller) {
    let sim = scene(change);
    sim.write("tags.json", doc(1, &["20.60.0.0/24"]).bytes());
    let controller = started(&sim, more);
    controller.wait_until("the list", || list(&sim, "v4")["state"] == "Served");
    (sim, controller)
}

/// What `served` serves as `v4`.
pub(crate) fn assert_served(answer: &Answer) {
    assert_eq!(answer.lines(), ["20.11.0.0/27", "20.60.0.0/24"]);
}
