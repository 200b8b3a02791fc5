//! The Discovery API as a source: it adds what it has, takes nothing away, and says how far it is behind.

use std::collections::BTreeSet;
use std::ops::Range;

use armsim::model::log::Server;
use serde_json::{Value, json};

use crate::harness::{Doc, Ran, Sim, TABLE, assert_clean, central, east, feed, network, ours, route};

const SUBSCRIPTION: &str = "0b1f6471-1bf0-4dda-aec3-cb9272f09590";
/// A route of ours that nobody needs: what removes at all removes this.
const UNWANTED: &str = "20.9.0.0/26";
const UNWANTED_NAME: &str = "amlnet.prod.20.9.0.0_26";

fn needed(in_east: Range<usize>) -> BTreeSet<String> {
    in_east.map(east).chain((0..3).map(central)).collect()
}

fn with(mut set: BTreeSet<String>, more: &[String]) -> BTreeSet<String> {
    set.extend(more.iter().cloned());
    set
}

fn discovery() -> Value {
    json!({"discovery": {"subscriptionId": SUBSCRIPTION, "location": "eastus2"}})
}

/// A feed of these sources; `change` counts how often it was written, so that the controller asks again.
fn write_feed(sim: &Sim, sources: &[Value], at: u64) {
    let change = json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": at.to_string()}},
        "spec": {"sources": sources}});
    sim.objects("feed.yaml", &[feed("", change)]);
}

/// A simulator without foreign routes, with the usual network and a feed of these sources.
fn world(sources: impl FnOnce(&Sim) -> Vec<Value>, routes: Vec<Value>) -> Sim {
    let sim = Sim::with_routes(routes);
    sim.objects("ml.yaml", &[network(json!({}))]);
    write_feed(&sim, &sources(&sim), 0);
    sim
}

fn both(sim: &Sim) -> Vec<Value> {
    vec![json!({"download": {"pageUrl": sim.page()}}), discovery()]
}

fn alone(_: &Sim) -> Vec<Value> {
    vec![discovery()]
}

fn unwanted() -> Value {
    route(UNWANTED_NAME, UNWANTED, "Internet")
}

fn page_is_down(sim: &Sim) {
    sim.fault(json!({"match": {"server": "downloadPage"}, "times": 0, "effect": "html503"}));
}

fn discovery_answers(sim: &Sim, times: u64, effect: Value) {
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/serviceTags?"}, "times": times, "effect": effect}));
}

/// Result, reason and message of a source in the feed's status.
fn source(sim: &Sim, index: usize) -> (String, String, String) {
    let source = &sim.feed_status("public")["sources"][index];
    let text = |field: &str| source[field].as_str().unwrap_or_default().to_owned();
    (text("result"), text("reason"), text("message"))
}

fn routes_now(sim: &Sim) -> BTreeSet<String> {
    ours(&sim.history(TABLE))
}

fn asked(sim: &Sim) -> usize {
    sim.log_of(Server::Arm).iter().filter(|entry| entry.url.contains("/serviceTags?")).count()
}

#[test]
fn while_the_page_is_down_it_adds_and_nothing_is_removed() {
    let sim = world(both, vec![]);
    sim.once(&[]).exits(0);
    assert_eq!((routes_now(&sim), asked(&sim)), (needed(0..4), 0), "the page has it, so nobody else is asked");

    // The next week: two prefixes more, one less. Each `once` is a start that knows what the state folder keeps.
    sim.put(json!({"id": format!("{TABLE}/routes/{UNWANTED_NAME}"), "name": UNWANTED_NAME, "properties": unwanted()["properties"]}));
    let stays = [UNWANTED.to_owned()];
    sim.publish(&Doc::week(2).regions(1..6, 0..3));
    page_is_down(&sim);
    sim.once(&[]).says(&["until a file is accepted nothing is removed"]);
    assert_eq!(routes_now(&sim), with(needed(0..6), &stays));
    assert_eq!(source(&sim, 0).0, "Failed");
    let (result, _, message) = source(&sim, 1);
    assert_eq!(result, "Accepted", "{message}");
    assert!(message.contains("it lacks 1 prefixes of the file in force"), "{message}");
    assert_eq!(sim.in_force("public"), 101, "it is no file");

    // Down as well: a restart has what it knew, and still removes nothing.
    discovery_answers(&sim, 0, json!("html503"));
    let before = sim.history(TABLE).len();
    sim.once(&[]).says(&["until a file is accepted nothing is removed"]);
    assert_eq!(source(&sim, 1).0, "Failed");
    assert_eq!(sim.history(TABLE).len(), before);

    // The same answer adds nothing anew, and an older one takes nothing away.
    for (lag, result) in [(0, "Unchanged"), (1, "Accepted")] {
        sim.clear_faults();
        page_is_down(&sim);
        sim.set(json!({"discovery": {"lag": lag}}));
        sim.once(&[]);
        assert_eq!(source(&sim, 1).0, result, "{}", source(&sim, 1).2);
        assert_eq!(sim.history(TABLE).len(), before, "lag {lag}");
    }

    // The next file that is accepted decides alone.
    sim.clear_faults();
    let asked_before = asked(&sim);
    sim.once(&[]).exits(0);
    assert_eq!(routes_now(&sim), needed(1..6));
    assert_eq!((sim.in_force("public"), asked(&sim)), (102, asked_before));
    assert_clean(&sim.history(TABLE), needed(1..4));
}

#[test]
fn a_controller_takes_additions_and_lets_the_next_file_decide() {
    let sim = world(both, vec![unwanted()]);
    // It starts without a page: what the API has is used, and what was there stays.
    page_is_down(&sim);
    let controller = sim.controller(&[]);
    controller.wait_until("the first additions", || routes_now(&sim).is_superset(&needed(0..4)));
    assert!(source(&sim, 1).2.contains("is used until there is a file"), "{}", source(&sim, 1).2);
    sim.publish(&Doc::week(2).regions(1..6, 0..3));
    write_feed(&sim, &both(&sim), 1);
    controller.wait_until("more additions", || routes_now(&sim).contains(&east(5)));
    assert_eq!(routes_now(&sim), with(needed(0..6), &[UNWANTED.to_owned()]));
    controller.kill();
    // After a restart, and with a file that is the first.
    let controller = sim.controller(&[]);
    controller.wait_until("a poll", || asked(&sim) == 3);
    sim.clear_faults();
    write_feed(&sim, &both(&sim), 2);
    controller.wait_until("the file's word", || routes_now(&sim) == needed(1..6));
    assert_eq!(sim.in_force("public"), 102);
    assert_clean(&sim.history(TABLE), needed(1..4));
}

#[test]
fn alone_it_converges_without_any_regional_tag() {
    let sim = world(alone, vec![unwanted()]);
    sim.plan(&[]).exits(2).says(&["7 to add", "RegionalTagMissing"]);
    let ran = sim.once(&[]);
    ran.says(&["RegionalTagMissing", "the document has no regional tag; the global tag within AzureCloud is used"]);
    assert_eq!(routes_now(&sim), with(needed(0..4), &[UNWANTED.to_owned()]));
    assert!(source(&sim, 0).2.contains("of its own numbering is used until there is a file"), "{}", source(&sim, 0).2);
    // Week after week, only more.
    sim.publish(&Doc::week(2).regions(2..7, 0..3));
    sim.once(&[]);
    assert_eq!(routes_now(&sim), with(needed(0..7), &[UNWANTED.to_owned()]));
    assert_clean(&sim.history(TABLE), needed(0..4));
}

/// What it answers is refused or fails: said with this, with nothing in force or with week 1 in force.
fn refused(prepare: impl Fn(&Sim), sources: &Value, reason: &str, said: &[&str]) {
    let sim = world(|_| vec![sources.clone()], vec![unwanted()]);
    prepare(&sim);
    let ran: Ran = sim.once(&[]).exits(3);
    ran.says(&["Unresolved"]);
    ran.says(said);
    assert_eq!(sim.history(TABLE).len(), 1);

    let sim = world(both, vec![]);
    sim.once(&[]).exits(0);
    prepare(&sim);
    page_is_down(&sim);
    write_feed(&sim, &[both(&sim)[0].clone(), sources.clone()], 1);
    let before = sim.history(TABLE).len();
    sim.once(&[]).exits(0).says(said);
    assert_eq!(source(&sim, 1).1, reason, "{}", source(&sim, 1).2);
    assert_eq!(sim.history(TABLE).len(), before);
}

#[test]
fn an_empty_answer_is_refused_with_the_reason() {
    let empty = |sim: &Sim| sim.set(json!({"discovery": {"empty": true}}));
    refused(
        empty,
        &discovery(),
        "MissingTag",
        &["its change number 104 is rejected: it has no tag AzureMachineLearning"],
    );
}

#[test]
fn a_wrong_subscription_is_refused_with_arms_code() {
    let wrong = "99999999-9999-4999-8999-999999999999";
    let source = json!({"discovery": {"subscriptionId": wrong, "location": "eastus2"}});
    let said = ["SubscriptionNotFound", wrong, "check the id in the spec"];
    refused(|_| (), &source, "Unreachable", &said);
}

#[test]
fn what_stands_between_is_no_document() {
    let page = |sim: &Sim| discovery_answers(sim, 0, json!({"status": {"code": 200, "body": "<html>captcha</html>"}}));
    refused(page, &discovery(), "Html", &["Discovery API", "this is an HTML page"]);
}

#[test]
fn a_token_that_is_no_longer_taken_is_renewed_once() {
    let sim = world(alone, vec![]);
    let error = json!({"error": {"code": "ExpiredAuthenticationToken", "message": "expired"}});
    discovery_answers(&sim, 1, json!({"status": {"code": 401, "body": error}}));
    sim.once(&[]).exits(0);
    assert_eq!(asked(&sim), 2);
    let tokens = sim.log_of(Server::Login).iter().filter(|entry| entry.method == "POST").count();
    assert_eq!(tokens, 2, "the one at the start, and a new one after the refusal");
    assert_eq!(routes_now(&sim), needed(0..4));
}
