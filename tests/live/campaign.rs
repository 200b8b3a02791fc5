//! What the fault campaigns share: how many seeds, many worlds side by side, and a plan of twenty steps.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use armsim::model::history::HistoryState;
use serde_json::{Value, json};

use crate::harness::{Doc, Sim, assert_clean, central, east, feed, final_routes, network, route};

/// Worlds at work at the same time. They mostly wait: amlnet's own waits are not scaled.
const SIDE_BY_SIDE: usize = 12;

/// The seeds: `usual` of them, as many as `make faults SEEDS=…` says, or a range such as `17..18` to see one again.
pub(crate) fn seeds(usual: u64) -> Vec<u64> {
    let text = std::env::var("AMLNET_FAULT_SEEDS").ok().filter(|text| !text.is_empty());
    let Some(text) = text else { return (0..usual).collect() };
    let (first, last) = text.split_once("..").unwrap_or(("0", &text));
    let number =
        |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("AMLNET_FAULT_SEEDS: {text:?} is no number"));
    (number(first)..number(last)).collect()
}

/// Does all jobs, many at the same time, and then says of each that failed which it was.
#[track_caller]
pub(crate) fn side_by_side<J: Sync + std::fmt::Debug>(jobs: &[J], work: impl Fn(&J) + Sync) {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE.min(jobs.len()) {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if catch_unwind(AssertUnwindSafe(|| work(job))).is_err() {
                        failed.lock().unwrap().push(format!("{job:?}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {} failed (why: above):\n{}", failed.len(), jobs.len(), failed.join("\n"));
}

/// The steps of the plan in their order.
pub(crate) const ADDITIONS: usize = 12;
pub(crate) const CHANGES: usize = 4;
pub(crate) const PUTS: usize = ADDITIONS + CHANGES + 1;
pub(crate) const REMOVALS: usize = 3;
pub(crate) const STEPS: usize = PUTS + REMOVALS;

/// A table in a subscription of its own, so that what is asked about it can be told from the rest.
pub(crate) fn subscription(table: usize) -> String {
    format!("/subscriptions/0b1f6471-1bf0-4dda-aec3-{table:012}")
}

pub(crate) fn table(table: usize) -> String {
    format!("{}/resourceGroups/rg-ml/providers/Microsoft.Network/routeTables/rt-ml", subscription(table))
}

pub(crate) fn own_name(prefix: &str) -> String {
    format!("amlnet.prod.{}", prefix.replace('/', "_"))
}

pub(crate) fn needed() -> Vec<String> {
    (0..10).map(east).chain((0..6).map(central)).collect()
}

fn stale() -> Vec<String> {
    (0..REMOVALS).map(|n| format!("20.9.0.{}/26", n * 64)).collect()
}

/// Routes that are not ours, by prefix: name and next hop.
pub(crate) fn foreign() -> Vec<(String, String, String)> {
    let all = [
        ("on-premises", "10.20.0.0/16", "VirtualNetworkGateway"),
        ("amlnet.other.20.3.0.0_26", "20.3.0.0/26", "Internet"),
        ("proxy", "10.30.0.0/16", "VirtualAppliance 10.0.1.5"),
    ];
    all.map(|(name, prefix, hop)| (name.to_owned(), prefix.to_owned(), hop.to_owned())).to_vec()
}

/// Tables on which twenty steps are to be taken, and a network that wants them.
pub(crate) fn twenty_steps(tables: usize) -> Sim {
    let changed = (0..CHANGES).map(east).map(|prefix| route(&own_name(&prefix), &prefix, "VirtualAppliance 10.0.9.9"));
    let removed = stale().into_iter().map(|prefix| route(&own_name(&prefix), &prefix, "Internet"));
    let others = foreign().into_iter().map(|(name, prefix, hop)| route(&name, &prefix, &hop));
    let routes: Vec<Value> = changed.chain(removed).chain(others).collect();
    let ids: Vec<String> = (0..tables).map(table).collect();
    let all: Vec<(&str, Vec<Value>)> = ids.iter().map(|id| (id.as_str(), routes.clone())).collect();
    let sim = Sim::with_tables(&all, json!({}));
    sim.publish(&Doc::week(2).regions(0..10, 0..6));
    let targets: Vec<Value> =
        ids.iter().map(|id| json!({"id": id, "defaultRoute": {"ipAddress": "10.0.1.4"}})).collect();
    sim.objects("feed.yaml", &[feed(&sim.page(), json!({}))]);
    sim.objects("ml.yaml", &[network(json!({"spec": {"routes": {"routeTables": targets}}}))]);
    sim
}

/// By prefix: name and next hop of every route after the twenty steps.
pub(crate) fn after_twenty_steps() -> BTreeMap<String, (String, String)> {
    let ours = needed().into_iter().map(|prefix| (prefix.clone(), (own_name(&prefix), "Internet".to_owned())));
    let others = foreign().into_iter().map(|(name, prefix, hop)| (prefix, (name, hop)));
    let default = (DEFAULT.to_owned(), (own_name(DEFAULT), "VirtualAppliance 10.0.1.4".to_owned()));
    ours.chain(others).chain([default]).collect()
}

/// The table ended right, and its history is clean.
#[track_caller]
pub(crate) fn assert_ended(sim: &Sim, id: &str, expected: &BTreeMap<String, (String, String)>) {
    let history = sim.history(id);
    let ended = final_routes(&history).into_iter().map(|(prefix, route)| (prefix, (route.name, route.hop)));
    assert_eq!(&ended.collect::<BTreeMap<_, _>>(), expected, "{id}");
    assert_clean(&history, needed().into_iter().chain([DEFAULT.to_owned()]));
    assert_default_route_last(&history, &needed().into_iter().collect());
}

pub(crate) const DEFAULT: &str = "0.0.0.0/0";

/// Where amlnet adds the default route, everything that is needed has its route already: else replies to the services
/// would go to the firewall.
#[track_caller]
pub(crate) fn assert_default_route_last(history: &[HistoryState], needed: &BTreeSet<String>) {
    for pair in history.windows(2).filter(|pair| pair[1].client != "control") {
        let prefixes = |state: &HistoryState| -> BTreeSet<String> {
            state.entries.iter().map(|entry| entry.address_prefix.clone()).collect()
        };
        let (before, after) = (prefixes(&pair[0]), prefixes(&pair[1]));
        if after.contains(DEFAULT) && !before.contains(DEFAULT) {
            let missing: Vec<&String> = needed.difference(&before).filter(|prefix| *prefix != DEFAULT).collect();
            assert!(missing.is_empty(), "the default route was written while {missing:?} had no route");
        }
    }
}
