//! Contributors of one table that disagree, cannot be known for a while, or go away: what one of them may need is never
//! taken from it, and what the others need comes all the same.

use std::collections::BTreeMap;

use armsim::model::history::HistoryState;
use serde_json::{Value, json};

use crate::harness::{
    Controller, Counts, Doc, Sim, TABLE, assert_clean, central, east, feed, file_feed, final_routes, network, ours,
    west,
};

const APPLIANCE: &str = "VirtualAppliance 10.0.1.4";
const PAGE: &str = "the download page";

/// No route of ours had two next hops or two prefixes, and none went.
#[track_caller]
fn assert_none_changed(history: &[HistoryState]) {
    let mut hops: BTreeMap<String, String> = BTreeMap::new();
    for (index, state) in history.iter().enumerate() {
        let there: Vec<_> = state.entries.iter().filter(|entry| entry.name.starts_with("amlnet.prod.")).collect();
        for entry in &there {
            let address = entry.next_hop_ip_address.as_deref().unwrap_or_default();
            let is = format!("{} {} {address}", entry.address_prefix, entry.next_hop_type);
            let was = hops.entry(entry.name.clone()).or_insert_with(|| is.clone());
            assert_eq!(*was, is, "{} in state {index}", entry.name);
        }
        for name in hops.keys() {
            assert!(there.iter().any(|entry| entry.name == *name), "{name} is gone in state {index}");
        }
    }
}

/// `ml` with its own feed, a local file: prefixes of East US 2 and Central US go to the internet.
fn first(sim: &Sim, doc: &Doc) {
    sim.write("dir/own.json", doc.bytes());
    sim.objects("own-feed.yaml", &[file_feed("own", "own.json")]);
    sim.objects("ml.yaml", &[network(json!({"spec": {"feedRef": "own"}}))]);
}

/// The page answers nobody before `PAGE` is released.
fn held_page() -> Value {
    json!({"match": {"server": "downloadPage"}, "times": 0, "effect": {"hold": {"key": PAGE}}})
}

/// `second` wants the prefixes of East US 2 to go to the appliance.
fn second(change: Value) -> Value {
    let hop = json!({"type": "VirtualAppliance", "ipAddress": "10.0.1.4"});
    let mut object =
        network(json!({"metadata": {"name": "second"}, "spec": {"feedRef": "other", "pairedRegion": "None",
        "routes": {"routeTables": [{"id": TABLE, "nextHop": hop}]}}}));
    crate::harness::merge(&mut object, &change);
    object
}

/// The table holds what `second` asked for alone; then `ml` came. Nothing of it is in `state` unless `remembered`.
fn in_disagreement(feed_of_second: &Value, remembered: bool) -> Sim {
    let sim = Sim::with_routes(vec![]);
    sim.objects("second.yaml", &[second(json!({}))]);
    sim.write("dir/other.json", Doc::week(1).bytes());
    sim.objects("other-feed.yaml", std::slice::from_ref(feed_of_second));
    let state = if remembered { "state" } else { "state-before" };
    sim.amlnet(&["run", "--dir", "dir", "--state", state, "--once"]).exits(0);
    first(&sim, &Doc::week(1));
    assert_eq!(ours(&sim.history(TABLE)).len(), 4);
    sim
}

fn other_feed() -> Value {
    file_feed("other", "other.json")
}

fn typo() -> Value {
    second(json!({"spec": {"mode": "Snyc"}}))
}

/// What is broken, and how.
type Break = (&'static str, fn(&Sim));

const BREAKS: [Break; 3] = [
    ("a typo", |sim| {
        sim.objects("second.yaml", &[typo()]);
    }),
    ("no YAML", |sim| {
        sim.write("dir/second.yaml", "apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nspec: [");
    }),
    ("the feed's file is missing", |sim| {
        std::fs::remove_file(sim.path("dir/other-feed.yaml")).unwrap();
    }),
];

#[test]
fn in_disagreement_no_next_hop_changes_when_one_is_broken_before_the_start() {
    let mut breaks = BREAKS.to_vec();
    breaks.push(("the feed's document is missing", |sim| std::fs::remove_file(sim.path("dir/other.json")).unwrap()));
    for remembered in [false, true] {
        for (what, broken) in &breaks {
            // What is remembered of a document does not go with its file.
            if remembered && *what == "the feed's document is missing" {
                continue;
            }
            let sim = in_disagreement(&other_feed(), remembered);
            broken(&sim);
            sim.once(&[]).exits(3);
            assert_eq!(ours(&sim.history(TABLE)).len(), 7, "{what}: what only the first needs is written");
            sim.write("dir/own.json", Doc::week(2).regions(0..4, 0..4).bytes());
            sim.once(&[]).exits(3);
            let history = sim.history(TABLE);
            assert_none_changed(&history);
            assert!(ours(&history).contains(&central(3)), "{what}: what is new comes");
            let routes = final_routes(&history);
            assert!((0..4).all(|index| routes[&east(index)].hop == APPLIANCE), "{what}: {routes:?}");
            assert!((0..4).all(|index| routes[&central(index)].hop == "Internet"), "{what}: {routes:?}");
        }
    }
}

#[test]
fn in_disagreement_no_next_hop_changes_when_one_breaks_under_the_controller() {
    for (what, broken) in BREAKS {
        let sim = in_disagreement(&other_feed(), true);
        let controller = sim.controller(&["--resync", "1s"]);
        controller.wait_until("the first additions", || ours(&sim.history(TABLE)).len() == 7);
        broken(&sim);
        match what {
            "the feed's file is missing" => {
                controller.wait_until("the loss", || sim.status("second")["targets"][0]["state"] == "Blocked");
            }
            _ => controller.wait_until("the report", || controller.log().contains("second.yaml")),
        }
        sim.write("dir/own.json", Doc::week(2).regions(0..4, 0..4).bytes());
        controller.wait_until("what is new", || ours(&sim.history(TABLE)).contains(&central(3)));
        // It is looked at again after that, with everything known that it can know.
        let looked = || Counts::of(&sim.log(), TABLE).get_table;
        let before = looked();
        controller.wait_until("two more looks", || looked() > before + 2);
        drop(controller);
        // A restart knows less than who saw it break.
        let controller = sim.controller(&["--resync", "1s"]);
        let before = looked();
        controller.wait_until("two more looks", || looked() > before + 2);
        sim.write("dir/own.json", Doc::week(3).regions(0..4, 0..5).bytes());
        controller.wait_until("what is new", || ours(&sim.history(TABLE)).contains(&central(4)));
        assert_none_changed(&sim.history(TABLE));
    }
}

#[test]
fn in_disagreement_no_next_hop_changes_while_a_feed_is_slow_at_the_first_start() {
    let sim = in_disagreement(&other_feed(), false);
    sim.objects("other-feed.yaml", &[feed(&sim.page(), json!({"metadata": {"name": "other"}}))]);
    sim.fault(held_page());
    let controller = sim.controller(&["--resync", "1s"]);
    controller.wait_until("what only the first needs", || ours(&sim.history(TABLE)).len() == 7);
    assert_eq!(sim.in_force("other"), 0, "that did not wait for the slow page");
    assert_none_changed(&sim.history(TABLE));
    sim.release(PAGE);
    controller.wait_until("the slow document", || sim.in_force("other") == 101);
    // The same state stands there while the second's needs are unknown, so the conflicts themselves are waited for.
    let conflicts = || sim.status("ml")["targets"][0]["conflicts"].as_array().map_or(0, Vec::len);
    controller.wait_until("the disagreement", || conflicts() == 4);
    assert_eq!(sim.status("ml")["targets"][0]["state"], "NeedsPerson");
    assert_none_changed(&sim.history(TABLE));
}

/// `ml` and, in West Europe, `second`: nine routes.
fn two_in_agreement(sim: &Sim) -> Controller {
    sim.usual(json!({}));
    sim.objects("second.yaml", &[in_the_west()]);
    let controller = sim.controller(&["--resync", "1s"]);
    controller.wait_until("all routes", || ours(&sim.history(TABLE)).len() == 9);
    controller.wait_until("both statuses", || {
        ["ml", "second"].iter().all(|name| sim.status(name)["targets"][0]["state"] == "InSync")
    });
    controller
}

fn in_the_west() -> Value {
    network(json!({"metadata": {"name": "second"}, "spec": {"region": "westeurope", "pairedRegion": "None"}}))
}

fn move_away(sim: &Sim) {
    std::fs::rename(sim.path("dir/second.yaml"), sim.path("dir/second.yaml.off")).unwrap();
}

fn give_up(sim: &Sim) {
    sim.approve("second", &sim.waiting()[0]);
}

fn wait_for_hold(sim: &Sim, controller: &Controller) {
    controller.wait_until("what is held", || sim.status("ml")["targets"][0]["held"] == 2);
    let message = sim.status("ml")["targets"][0]["message"].to_string();
    assert!(message.contains("default/second"), "{message}");
    let looked = || Counts::of(&sim.log(), TABLE).get_table;
    let before = looked();
    controller.wait_until("two more looks", || looked() > before + 2);
}

#[test]
fn a_network_moved_away_under_the_controller_loses_nothing_until_that_is_approved() {
    let sim = Sim::with_routes(vec![]);
    let controller = two_in_agreement(&sim);
    move_away(&sim);
    wait_for_hold(&sim, &controller);
    drop(controller);
    sim.once(&[]).exits(0).says(&["held, Approval", "default/second left it behind"]);
    assert_eq!(ours(&sim.history(TABLE)).len(), 9);
    assert_none_changed(&sim.history(TABLE));
    give_up(&sim);
    let controller = sim.controller(&["--resync", "1s"]);
    controller.wait_until("the removals", || ours(&sim.history(TABLE)).len() == 7);
    assert_clean(&sim.history(TABLE), (0..4).map(east).chain((0..3).map(central)));
}

#[test]
fn an_approval_under_the_controller_gives_a_network_up() {
    let sim = Sim::with_routes(vec![]);
    let controller = two_in_agreement(&sim);
    move_away(&sim);
    wait_for_hold(&sim, &controller);
    give_up(&sim);
    controller.wait_until("the removals", || ours(&sim.history(TABLE)).len() == 7);
    assert_clean(&sim.history(TABLE), (0..4).map(east).chain((0..3).map(central)));
}

#[test]
fn a_network_that_had_a_typo_when_it_was_moved_away_loses_nothing_either() {
    for under_the_controller in [true, false] {
        let sim = Sim::with_routes(vec![]);
        let mut controller = Some(two_in_agreement(&sim));
        if !under_the_controller {
            controller = None;
        }
        sim.objects(
            "second.yaml",
            &[{
                let mut object = in_the_west();
                crate::harness::merge(&mut object, &json!({"spec": {"mode": "Snyc"}}));
                object
            }],
        );
        match &controller {
            Some(controller) => {
                controller
                    .wait_until("the report", || sim.status("second")["conditions"][0]["reason"] == "InvalidSpec");
            }
            None => drop(sim.once(&[]).exits(3)),
        }
        move_away(&sim);
        match &controller {
            Some(controller) => {
                let looked = || Counts::of(&sim.log(), TABLE).get_table;
                let before = looked();
                controller.wait_until("more looks", || looked() > before + 3);
            }
            None => drop(sim.once(&[]).exits(0)),
        }
        let history = sim.history(TABLE);
        let what = if under_the_controller { "under the controller" } else { "between runs" };
        assert!((0..2).all(|index| ours(&history).contains(&west(index))), "{what}: {:?}", ours(&history));
        assert_none_changed(&history);
    }
}

/// The default route is in the table, and the first state with it has every one of these, in effect.
#[track_caller]
fn assert_default_came_last(history: &[HistoryState], needed: &[String]) {
    let is_default = |state: &&HistoryState| state.entries.iter().any(|entry| entry.address_prefix == "0.0.0.0/0");
    let state = history.iter().find(is_default).expect("there is a default route");
    for prefix in needed {
        let found = state.entries.iter().find(|entry| entry.address_prefix == *prefix);
        assert_eq!(found.map(|entry| entry.provisioning_state.as_str()), Some("Succeeded"), "{prefix}");
    }
}

fn with_default_route() -> Value {
    let table = json!([{"id": TABLE, "defaultRoute": {"ipAddress": "10.0.1.4"}}]);
    json!({"spec": {"routes": {"routeTables": table}}})
}

fn all_needed() -> Vec<String> {
    (0..4).map(east).chain((0..3).map(central)).chain((0..2).map(west)).collect()
}

#[test]
fn the_default_route_waits_for_a_contributor_that_is_not_known() {
    let west_of = |change: Value| {
        let mut object = in_the_west();
        crate::harness::merge(&mut object, &change);
        object
    };
    for (what, broken) in [
        ("no feed", west_of(json!({"spec": {"feedRef": "none"}}))),
        ("no region", west_of(json!({"spec": {"region": "atlantis"}}))),
        ("a typo", west_of(json!({"spec": {"mode": "Snyc"}}))),
    ] {
        let sim = Sim::with_routes(vec![]);
        sim.usual(with_default_route());
        sim.objects("second.yaml", &[broken]);
        for _ in 0..2 {
            sim.once(&[]).exits(3).says(&["0.0.0.0/0"]);
            let history = sim.history(TABLE);
            assert_eq!(ours(&history), (0..4).map(east).chain((0..3).map(central)).collect(), "{what}");
        }
        sim.objects("second.yaml", &[in_the_west()]);
        sim.once(&[]).exits(0);
        assert_default_came_last(&sim.history(TABLE), &all_needed());
    }
}

#[test]
fn the_default_route_waits_for_a_feed_that_is_slow_at_the_first_start() {
    let sim = Sim::with_routes(vec![]);
    first(&sim, &Doc::week(1));
    let mut with_default = network(with_default_route());
    crate::harness::merge(&mut with_default, &json!({"spec": {"feedRef": "own"}}));
    sim.objects("ml.yaml", &[with_default]);
    let mut second = in_the_west();
    crate::harness::merge(&mut second, &json!({"spec": {"feedRef": "other"}}));
    sim.objects("second.yaml", &[second]);
    sim.objects("other-feed.yaml", &[feed(&sim.page(), json!({"metadata": {"name": "other"}}))]);
    sim.fault(held_page());
    let controller = sim.controller(&["--resync", "1s"]);
    controller.wait_until("what is known", || ours(&sim.history(TABLE)).len() == 7);
    controller.wait_until("the status", || sim.status("ml")["targets"][0]["held"] == 1);
    assert_eq!(sim.in_force("other"), 0);
    sim.release(PAGE);
    controller.wait_until("the default route", || ours(&sim.history(TABLE)).contains("0.0.0.0/0"));
    assert_eq!(sim.in_force("other"), 101);
    assert_default_came_last(&sim.history(TABLE), &all_needed());
}

#[test]
fn the_default_route_waits_for_prefixes_that_two_disagree_about() {
    let sim = Sim::with_routes(vec![]);
    sim.usual(with_default_route());
    let second = second(json!({"spec": {"feedRef": null}}));
    sim.objects("second.yaml", &[second]);
    sim.once(&[]).exits(3);
    let history = sim.history(TABLE);
    // Without routes of their own they go on as before; a default route would send them to the firewall.
    assert_eq!(ours(&history), (0..3).map(central).collect());
}
