//! Microsoft's download page in every style that readers of the real one met, and what it may not make us do.

use armsim::model::log::Server;
use serde_json::{Value, json};

use crate::harness::{Doc, Sim, TABLE, feed, network, ours, wait_until};

/// Status and path of the requests to the download page.
fn asked(sim: &Sim) -> Vec<(u16, String)> {
    sim.log_of(Server::DownloadPage)
        .into_iter()
        .map(|entry| (entry.status, entry.url.split('?').next().unwrap_or_default().to_owned()))
        .collect()
}

#[test]
fn every_style_of_the_page_leads_to_the_newest_file() {
    let sim = Sim::start();
    sim.publish(&Doc::week(2).regions(0..5, 0..3));
    for (style, strategy) in [
        ("both", "page, embedded"),
        ("anchors", "page, anchor"),
        ("embedded", "page, embedded"),
        ("confirmation", "page, confirmation page, anchor"),
        ("metaRefresh", "page, confirmation page, meta refresh"),
    ] {
        sim.set(json!({"pageStyle": style}));
        sim.usual(json!({"spec": {"mode": "Observe"}}));
        let state = format!("state-{style}");
        sim.amlnet(&["run", "--dir", "dir", "--state", &state, "--once"]).exits(2).says(&["change number 102"]);
        let index = std::fs::read(sim.path(&format!("{state}/documents/public/index.json"))).unwrap();
        let index: Value = serde_json::from_slice(&index).unwrap();
        assert_eq!(
            (&index[0]["changeNumber"], &index[0]["fileDate"], index[0]["strategy"].as_str()),
            (&json!(102), &json!("2025-01-15"), Some(strategy)),
            "{style}"
        );
    }
}

#[test]
fn the_feeds_status_says_how_the_file_was_found() {
    let sim = Sim::start();
    sim.set(json!({"pageStyle": "metaRefresh"}));
    sim.usual(json!({}));
    let controller = sim.controller(&[]);
    controller.wait_until("the document", || sim.in_force("public") == 101);
    let current = &sim.feed_status("public")["current"];
    assert_eq!(current["source"], "download");
    assert_eq!(current["strategy"], "page, confirmation page, meta refresh");
    assert_eq!(current["fileDate"], "2025-01-08");
    let source = &sim.feed_status("public")["sources"][0];
    assert!(source["message"].as_str().unwrap().contains("meta refresh"), "{source}");
}

#[test]
fn an_unchanged_file_is_not_downloaded_again() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let controller = sim.controller(&[]);
    controller.wait_until("the document", || sim.in_force("public") == 101);
    let first = asked(&sim);
    assert_eq!(first.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 200]);
    sim.ask_feed();
    wait_until("the second poll", || asked(&sim).len() == 4);
    let second = &asked(&sim)[2..];
    assert_eq!(second[0], first[0], "the page");
    assert_eq!(second[1], (304, first[1].1.clone()), "the file");
    controller.wait_until("its report", || sim.feed_status("public")["sources"][0]["result"] == "Unchanged");
    drop(controller);
    // What the server calls unchanged is remembered across a restart.
    sim.once(&[]);
    assert_eq!(asked(&sim).last().unwrap().0, 304);
    assert_eq!(ours(&sim.history(TABLE)).len(), 7);
}

#[test]
fn a_file_may_be_named_directly() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    let (_, path) = asked(&sim).pop().unwrap();
    let base = sim.page().split("/en-us").next().unwrap().to_owned();
    let source = json!({"spec": {"sources": [{"download": {"fileUrl": format!("{base}{path}")}}]}});
    sim.objects("feed.yaml", &[feed("", source)]);
    let before = asked(&sim).len();
    sim.amlnet(&["run", "--dir", "dir", "--state", "direct", "--once"]).exits(0);
    assert_eq!(asked(&sim)[before..], [(200, path)]);
}

#[test]
fn the_next_source_is_asked_where_one_fails() {
    let sim = Sim::start();
    sim.write("tags.json", Doc::week(2).bytes());
    let sources = json!([
        {"file": {"path": "../missing.json"}},
        {"download": {"pageUrl": sim.page()}},
        {"file": {"path": "../tags.json"}},
    ]);
    sim.objects("feed.yaml", &[feed("", json!({"spec": {"sources": sources}})), network(json!({}))]);
    sim.set(json!({"pageStyle": "html-error"}));
    sim.once(&[]).exits(0).says(&["missing.json", "no link to"]);
    assert_eq!(sim.status("ml")["document"]["changeNumber"], 102);
}

#[test]
fn a_redirect_to_elsewhere_is_refused() {
    for (location, said) in [
        ("https://example.com/ServiceTags_Public_20251201.json", "example.com is neither one of Microsoft's hosts"),
        ("https://169.254.169.254/metadata/instance", "169.254.169.254 is neither"),
        ("https://localhost/x", "localhost is neither"),
        ("http://127.0.0.1/x", "is not https"),
        ("file:///etc/passwd", "is not https"),
        ("//example.com/x", "example.com is neither"),
    ] {
        let sim = Sim::start();
        sim.usual(json!({}));
        sim.fault(json!({"match": {"server": "downloadPage"}, "times": 0,
            "effect": {"status": {"code": 302, "headers": {"location": location}}}}));
        sim.once(&[]).exits(3).says(&["Unresolved", said]);
        assert_eq!(sim.history(TABLE).len(), 1);
        assert_eq!(asked(&sim).len(), 1, "{location}");
    }
}

#[test]
fn a_redirect_of_the_mirrors_own_is_followed_and_a_ring_of_them_ends() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.fault(json!({"match": {"server": "downloadPage"}, "times": 5,
        "effect": {"status": {"code": 301, "headers": {"location": sim.page()}}}}));
    sim.plan(&[]).exits(2).says(&["7 to add"]);
    sim.fault(json!({"match": {"server": "downloadPage"}, "times": 0,
        "effect": {"status": {"code": 301, "headers": {"location": sim.page()}}}}));
    sim.plan(&[]).exits(3).says(&["more than 5 redirects"]);
}

#[test]
fn links_of_a_page_to_elsewhere_are_not_followed() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let page = "<a href=\"https://evil.example/ServiceTags_Public_20301231.json\">newest</a>";
    sim.fault(json!({"match": {"server": "downloadPage"}, "effect": {"status": {"code": 200, "body": page}}}));
    sim.plan(&[]).exits(3).says(&["evil.example is neither one of Microsoft's hosts"]);
}

#[test]
fn a_page_that_is_down_or_lies_is_said_so() {
    for (effect, said) in [
        (json!({"status": {"code": 503, "body": "<html>down</html>"}}), "503 Service Unavailable"),
        (json!({"status": {"code": 404, "body": "<html>no</html>"}}), "404 Not Found"),
        (json!({"status": {"code": 302}}), "302 Found without Location"),
        (json!({"status": {"code": 200, "body": "<html>captcha</html>"}}), "no link to a ServiceTags_Public_*.json"),
        (json!("dropBefore"), "Unresolved"),
    ] {
        let sim = Sim::start();
        sim.usual(json!({}));
        sim.fault(json!({"match": {"server": "downloadPage"}, "times": 0, "effect": effect}));
        sim.plan(&[]).exits(3).says(&[said]);
    }
}
