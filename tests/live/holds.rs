//! Hold, budget and growth with the real binary, by `--now`: what waits, until when, and what then happens.

use serde_json::{Value, json};

use crate::harness::{Counts, Doc, Sim, TABLE, assert_clean, central, east, feed, ours};

/// One run at a time; the first target of its answer.
#[track_caller]
pub(crate) fn at(sim: &Sim, now: &str, code: i32) -> Value {
    sim.once(&["--now", now, "-o", "json"]).exits(code).json()["targets"][0].clone()
}

/// Reason and end of everything that is held.
pub(crate) fn held(target: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    target["held"].as_array().unwrap().iter().map(|held| (text(&held["reason"]), text(&held["until"]))).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(reason, until)| ((*reason).to_owned(), (*until).to_owned())).collect()
}

/// A table that holds week 1, on 5 January.
fn with(spec: Value) -> Sim {
    let sim = Sim::start();
    sim.usual(json!({"spec": spec}));
    at(&sim, "2026-01-05T12:00:00Z", 0);
    sim
}

#[test]
fn a_prefix_goes_when_its_hold_is_over_and_not_a_second_earlier() {
    let sim = with(json!({"removal": {"holdFor": "42d"}}));
    let all = ours(&sim.history(TABLE));
    sim.publish(&Doc::week(2).regions(1..4, 0..3));
    // A plan shows what would be, and starts no clock.
    let plan = sim.plan(&["--state", "state", "--now", "2026-01-06T08:00:00Z", "-o", "json"]).exits(0).json();
    assert_eq!(held(&plan["targets"][0])[0].0, "Hold");
    let until = "2026-02-17T12:00:00Z";
    for now in ["2026-01-06T12:00:00Z", "2026-01-20T12:00:00Z", "2026-02-17T11:59:59Z"] {
        assert_eq!(held(&at(&sim, now, 0)), pairs(&[("Hold", until)]), "{now}");
    }
    assert_eq!(ours(&sim.history(TABLE)), all);
    assert_eq!(sim.status("ml")["retiring"][0]["prefix"], east(0), "{}", sim.status("ml"));
    at(&sim, until, 0);
    assert!(!ours(&sim.history(TABLE)).contains(&east(0)));
    assert_clean(&sim.history(TABLE), (1..4).map(east).chain((0..3).map(central)));
}

#[test]
fn a_prefix_that_returns_and_leaves_again_is_held_anew() {
    let sim = with(json!({"removal": {"holdFor": "42d"}}));
    sim.publish(&Doc::week(2).regions(1..4, 0..3));
    at(&sim, "2026-01-06T12:00:00Z", 0);
    sim.publish(&Doc::week(3));
    let ((), cost) = sim.cost(TABLE, || assert_eq!(held(&at(&sim, "2026-01-20T12:00:00Z", 0)), []));
    assert_eq!(cost.writes(), 0);
    sim.publish(&Doc::week(4).regions(1..4, 0..3));
    let until = "2026-04-12T12:00:00Z";
    assert_eq!(held(&at(&sim, "2026-03-01T12:00:00Z", 0)), pairs(&[("Hold", until)]));
}

#[test]
fn what_a_changed_spec_gives_up_is_not_held() {
    let sim = with(
        json!({"removal": {"holdFor": "42d"}, "routes": {"services": ["AzureMachineLearning", "BatchNodeManagement"]}}),
    );
    assert!(ours(&sim.history(TABLE)).contains("20.11.0.0/27"));
    sim.usual(json!({"spec": {"removal": {"holdFor": "42d"}}}));
    at(&sim, "2026-01-05T13:00:00Z", 0);
    assert!(!ours(&sim.history(TABLE)).contains("20.11.0.0/27"));
}

#[test]
fn the_budget_is_counted_over_seven_days_and_restarts() {
    // 30 % of 7 entries.
    let sim = with(json!({"removal": {"budget": {"max": 10, "percent": 30}}}));
    sim.publish(&Doc::week(2).regions(3..4, 0..3));
    let until = "2026-01-13T12:00:00Z";
    assert_eq!(held(&at(&sim, "2026-01-06T12:00:00Z", 2)), pairs(&[("Budget", until)]));
    assert_eq!(ours(&sim.history(TABLE)).len(), 5);
    assert_eq!(held(&at(&sim, "2026-01-13T11:59:59Z", 2)), pairs(&[("Budget", until)]));
    at(&sim, until, 0);
    assert_eq!(ours(&sim.history(TABLE)).len(), 4);
}

#[test]
fn the_budget_lets_one_removal_pass_at_least() {
    let sim = with(json!({"removal": {"budget": {"max": 10, "percent": 1}}}));
    sim.publish(&Doc::week(2).regions(2..4, 0..3));
    assert_eq!(held(&at(&sim, "2026-01-06T12:00:00Z", 2)), pairs(&[("Budget", "2026-01-13T12:00:00Z")]));
    assert_eq!(ours(&sim.history(TABLE)).len(), 6);
}

#[test]
fn over_the_budget_a_person_may_allow_more_where_the_spec_says_so() {
    let sim = with(json!({"removal": {"budget": {"max": 1, "percent": 100}, "approval": "OverBudget"}}));
    sim.publish(&Doc::week(2).regions(3..4, 0..3));
    let reasons: Vec<String> =
        held(&at(&sim, "2026-01-06T12:00:00Z", 3)).into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(reasons, ["Approval", "Approval"]);
    assert_eq!(ours(&sim.history(TABLE)).len(), 6);
    let plan = sim.plan(&["--state", "state", "--now", "2026-01-06T13:00:00Z", "-o", "json"]).exits(3).json();
    let hash = plan["targets"][0]["hash"].as_str().unwrap();
    sim.amlnet(&["approve", "ml", "--hash", hash, "--state", "state", "--now", "2026-01-06T13:00:00Z"]).exits(0);
    at(&sim, "2026-01-06T14:00:00Z", 0);
    assert_eq!(ours(&sim.history(TABLE)).len(), 4);
}

#[test]
fn more_new_prefixes_than_growth_allows_wait_for_a_person() {
    for (growth, in_east) in [(json!({"perService": 3}), 0..8), (json!({"total": 3}), 0..8)] {
        let sim = with(json!({"growth": growth}));
        let before = sim.history(TABLE);
        sim.publish(&Doc::week(2).regions(in_east, 0..3));
        let ran = sim.once(&[]).exits(3);
        ran.says(&[
            "held, Growth",
            "4 prefixes that the last applied document did not need",
            "amlnet approve default/ml",
        ]);
        assert_eq!(sim.history(TABLE), before);
        sim.approve("ml", &sim.waiting()[0]);
        sim.once(&[]).exits(0);
        assert_clean(&sim.history(TABLE), (0..8).map(east).chain((0..3).map(central)));
    }
}

#[test]
fn a_first_plan_a_changed_spec_and_growth_within_its_limits_wait_for_nobody() {
    let sim = with(json!({"growth": {"perService": 2, "total": 2}}));
    sim.publish(&Doc::week(2).regions(0..6, 0..3));
    sim.once(&[]).exits(0);
    let services = json!({"services": ["AzureMachineLearning", "BatchNodeManagement"]});
    sim.usual(json!({"spec": {"growth": {"perService": 1, "total": 1}, "routes": services}}));
    sim.once(&[]).exits(0);
    let batch = ["20.11.0.0/27", "20.2.250.0/27"].map(ToOwned::to_owned);
    assert_clean(&sim.history(TABLE), (0..6).map(east).chain((0..3).map(central)).chain(batch));
}

#[test]
fn plan_and_status_show_since_when_and_until_when() {
    let sim = with(json!({"removal": {"holdFor": "42d"}}));
    sim.publish(&Doc::week(2).regions(1..4, 0..3));
    at(&sim, "2026-01-06T12:00:00Z", 0);
    let plan = ["--state", "state", "--now", "2026-01-20T12:00:00Z"];
    sim.plan(&plan).exits(0).says(&["held, Hold", "2026-02-17", &east(0)]);
    let retiring = sim.status("ml")["retiring"].clone();
    assert_eq!(retiring, json!([{"prefix": east(0), "since": "2026-01-06T12:00:00Z"}]));
}

#[test]
fn the_discovery_api_starts_no_clock() {
    let sim = Sim::start();
    sim.usual(json!({"spec": {"removal": {"holdFor": "42d"}}}));
    let subscription = TABLE.split('/').nth(2).unwrap();
    let discovery = json!({"discovery": {"subscriptionId": subscription, "location": "eastus2"}});
    let sources = json!([{"download": {"pageUrl": sim.page()}}, discovery]);
    sim.objects("feed.yaml", &[feed("", json!({"spec": {"sources": sources}}))]);
    at(&sim, "2026-01-05T12:00:00Z", 0);
    sim.publish(&Doc::week(2).regions(1..5, 0..3));
    sim.fault(json!({"match": {"server": "downloadPage"}, "times": 0, "effect": "html503"}));
    for now in ["2026-01-06T12:00:00Z", "2026-03-01T11:00:00Z"] {
        at(&sim, now, 0);
        assert_eq!(ours(&sim.history(TABLE)), (0..5).map(east).chain((0..3).map(central)).collect(), "{now}");
    }
    // Half a year after Discovery was without it, the page says so too, and the clock begins.
    sim.clear_faults();
    let until = "2026-08-12T12:00:00Z";
    assert_eq!(held(&at(&sim, "2026-07-01T12:00:00Z", 0)), pairs(&[("Hold", until)]));
    assert_eq!(ours(&sim.history(TABLE)).len(), 8);
}

#[test]
fn three_of_ten_go_each_week_also_when_it_crashes_in_between() {
    let sim = Sim::with_routes(vec![]);
    sim.usual(json!({"spec": {"pairedRegion": "None", "removal": {"budget": {"max": 3, "percent": 100}}}}));
    sim.publish(&Doc::week(2).regions(0..10, 0..3));
    at(&sim, "2026-01-05T12:00:00Z", 0);
    sim.publish(&Doc::week(3).regions(8..10, 0..3));
    // The second removal comes about, and nobody hears of it.
    sim.fault(json!({"match": {"method": "DELETE", "pathContains": "/routes/", "nth": 2}, "effect": "withhold"}));
    let crashing = sim.controller(&["--once", "--now", "2026-01-06T12:00:00Z"]);
    crashing.wait_until("the second removal", || Counts::of(&sim.log(), TABLE).delete_route == 2);
    crashing.kill();
    sim.clear_faults();
    let (second, third) = ("2026-01-13T12:00:00Z", "2026-01-20T12:00:00Z");
    let rest =
        pairs(&[("Budget", second), ("Budget", second), ("Budget", second), ("Budget", third), ("Budget", third)]);
    for now in ["2026-01-06T12:00:00Z", "2026-01-07T12:00:00Z", "2026-01-13T11:59:59Z"] {
        assert_eq!(held(&at(&sim, now, 2)), rest, "{now}");
        assert_eq!(ours(&sim.history(TABLE)).len(), 7, "{now}");
    }
    assert_eq!(held(&at(&sim, second, 2)), rest[3..]);
    assert_eq!(ours(&sim.history(TABLE)).len(), 4);
    at(&sim, third, 0);
    assert_eq!(ours(&sim.history(TABLE)), (8..10).map(east).collect());
}

#[test]
fn approved_growth_that_grew_again_waits_and_other_places_go_on() {
    let sim = with(json!({"growth": {"perService": 3}}));
    sim.publish(&Doc::week(2).regions(0..8, 0..4));
    sim.once(&[]).exits(3);
    assert_eq!(ours(&sim.history(TABLE)), (0..4).map(east).chain((0..4).map(central)).collect());
    sim.approve("ml", &sim.waiting()[0]);
    sim.publish(&Doc::week(3).regions(0..9, 0..4));
    sim.once(&[]).exits(3).says(&["held, Growth", "Outgrown"]);
    assert_eq!(ours(&sim.history(TABLE)).len(), 8, "not even those that were approved");
    sim.approve("ml", &sim.waiting()[0]);
    sim.once(&[]).exits(0);
    assert_clean(&sim.history(TABLE), (0..9).map(east).chain((0..4).map(central)));
    assert_eq!(ours(&sim.history(TABLE)).len(), 13);
}
