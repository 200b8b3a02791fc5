//! What a route table may hold before amlnet comes, and what a spec may ask of it.

use serde_json::{Value, json};

use crate::harness::{Counts, Doc, Sim, TABLE, assert_clean, central, east, final_routes, ours, route, table_id};

#[test]
fn a_table_that_does_not_exist_is_3_with_the_correlation_id() {
    let sim = Sim::start();
    let missing = table_id("rt-missing");
    sim.usual(json!({"spec": {"routes": {"routeTables": [{"id": TABLE}, {"id": missing}]}}}));
    let plan = sim.plan(&["-o", "json"]).exits(3).json();
    let target = plan["targets"].as_array().unwrap().iter().find(|t| t["id"] == missing).unwrap();
    assert_eq!(target["blocked"]["reason"], "NotFound");
    assert_eq!(target["result"]["code"], "ResourceNotFound");
    let correlation = target["result"]["correlationId"].as_str().unwrap();
    let asked = sim.log().into_iter().find(|entry| entry.correlation_id == correlation).unwrap();
    assert_eq!((asked.status, asked.url.contains("rt-missing")), (404, true));

    let applied = sim.once(&[]).exits(3);
    applied.says(&["blocked, NotFound", "check the id in the spec", "correlation id"]);
    assert_eq!(ours(&sim.history(TABLE)).len(), 7, "the other table is not kept waiting");
    assert_eq!(sim.history(&missing), [], "a table is never made");
    assert_eq!(Counts::of(&sim.log(), &missing).writes(), 0);
}

#[test]
fn a_missing_group_or_subscription_is_3_too() {
    let sim = Sim::start();
    for id in [TABLE.replace("rg-ml", "rg-x"), TABLE.replace("0b1f6471", "1b1f6471")] {
        sim.usual(json!({"spec": {"routes": {"routeTables": [{"id": id}]}}}));
        sim.apply(&[]).exits(3).says(&["blocked, NotFound", "correlation id"]);
    }
}

#[test]
fn a_table_that_would_overflow_is_left_as_it_is() {
    for (limit, mode) in [(9, "Sync"), (9, "Observe"), (3, "UpsertOnly")] {
        let sim = Sim::with(json!({"usages": {"RoutesPerRouteTable": limit}}));
        sim.usual(json!({"spec": {"mode": mode}}));
        let said = format!("would hold 10 routes, its limit is {limit}");
        for ran in [sim.plan(&[]), sim.apply(&[]), sim.once(&[])] {
            ran.exits(3).says(&["blocked, Capacity", &said]);
        }
        assert_eq!(sim.history(TABLE).len(), 1, "nothing half-applied");
        assert_eq!(Counts::of(&sim.log(), TABLE).writes(), 0);
    }
    let sim = Sim::with(json!({"usages": {"RoutesPerRouteTable": 10}}));
    sim.usual(json!({}));
    sim.once(&[]).exits(0).says(&["CapacityHigh", "10 routes of at most 10"]);
    assert_eq!(final_routes(&sim.history(TABLE)).len(), 10);
}

#[test]
fn a_limit_that_azure_enforces_but_does_not_say_stops_without_loss() {
    let sim = Sim::with(json!({"limits": {"routesPerRouteTable": 6}}));
    sim.usual(json!({}));
    sim.apply(&[]).exits(3).says(&["blocked, Capacity"]);
    let history = sim.history(TABLE);
    assert_eq!(final_routes(&history).len(), 6);
    assert_clean(&history, (0..4).map(east).chain((0..3).map(central)));
}

#[test]
fn prefixes_that_others_route_already_are_satisfied_or_left_in_conflict() {
    let theirs = [
        route("same-hop", &east(0), "Internet"),
        route("other-hop", &east(1), "VirtualAppliance 10.0.1.4"),
        route("none", &east(2), "None"),
        route("amlnet.other.20.2.0.0_26", &central(0), "Internet"),
        route("AMLNET.PROD1.20.2.0.64_26", &central(1), "None"),
        route("amlnet.prod", "20.99.0.0/26", "Internet"),
        route("amlnet.pro.20.98.0.0_26", "20.98.0.0/26", "Internet"),
    ];
    let sim = Sim::with_routes(theirs.to_vec());
    sim.usual(json!({}));
    let target = sim.once(&["-o", "json"]).exits(3).json()["targets"][0].clone();
    let conflicts: Vec<(&str, &str)> = target["conflicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["prefix"].as_str().unwrap(), c["foreignEntry"].as_str().unwrap()))
        .collect();
    let (second, third, of_others) = (east(1), east(2), central(1));
    assert_eq!(conflicts, [(&*second, "other-hop"), (&*third, "none"), (&*of_others, "AMLNET.PROD1.20.2.0.64_26")]);
    let history = sim.history(TABLE);
    assert_eq!(ours(&history), [east(3), central(2)].into());
    assert_clean(&history, theirs.iter().map(|r| r["properties"]["addressPrefix"].as_str().unwrap()));
    // Once the foreign route goes, ours comes.
    sim.delete(&format!("{TABLE}/routes/other-hop"));
    sim.once(&[]).exits(3);
    assert_eq!(ours(&sim.history(TABLE)), [east(1), east(3), central(2)].into());
}

#[test]
fn ownership_is_the_name_without_case() {
    let sim = Sim::with_routes(vec![
        route("AMLNET.Prod.20.1.0.0_26", &east(0), "Internet"),
        route("Amlnet.PROD.20.9.0.0_26", "20.9.0.0/26", "Internet"),
    ]);
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    let history = sim.history(TABLE);
    let routes = final_routes(&history);
    assert_eq!(routes[&east(0)].name, "AMLNET.Prod.20.1.0.0_26", "what is right is not written again");
    assert!(!routes.contains_key("20.9.0.0/26"));
    assert_eq!(routes.len(), 7);
}

#[test]
fn the_default_route_comes_last_and_only_after_the_rest_was_read_back() {
    let sim = Sim::with_routes(vec![]);
    let table = json!({"id": TABLE, "defaultRoute": {"ipAddress": "10.0.1.4"}});
    sim.usual(json!({"spec": {"routes": {"routeTables": [table]}}}));
    sim.once(&[]).exits(0);
    let log = sim.log();
    let about_table = log.iter().filter(|entry| entry.url.contains("/routeTables/rt-ml"));
    let order: Vec<(String, bool)> =
        about_table.map(|entry| (entry.method.clone(), entry.url.contains("amlnet.prod.0.0.0.0_0"))).collect();
    let last = order.iter().rposition(|(method, _)| method == "PUT").unwrap();
    let puts = order.iter().filter(|(method, _)| method == "PUT").count();
    assert_eq!((puts, &order[last]), (8, &("PUT".to_owned(), true)));
    assert_eq!(order[last - 1], ("GET".to_owned(), false), "read back before");
    let history = sim.history(TABLE);
    let with_default = |state: &armsim::model::history::HistoryState| {
        state.entries.iter().any(|entry| entry.address_prefix == "0.0.0.0/0")
    };
    let first = history.iter().position(with_default).unwrap();
    assert_eq!(history[first].entries.len(), 8, "nothing was sent to the firewall before replies had their way");
    assert_eq!(final_routes(&history)["0.0.0.0/0"].hop, "VirtualAppliance 10.0.1.4");
}

#[test]
fn the_default_route_is_not_written_where_the_rest_did_not_come_into_effect() {
    let sim = Sim::with_routes(vec![]);
    let table = json!({"id": TABLE, "defaultRoute": {"ipAddress": "10.0.1.4"}});
    sim.usual(json!({"spec": {"routes": {"routeTables": [table]}}}));
    sim.fault(json!({"match": {"method": "PUT", "pathContains": "20.2.0.128_26"}, "times": 0,
        "effect": {"failOperation": {"code": "RoutesLimitReached", "message": "full"}}}));
    sim.once(&[]).exits(3);
    let routes = final_routes(&sim.history(TABLE));
    assert_eq!((routes.len(), routes.contains_key("0.0.0.0/0")), (6, false));
}

#[test]
fn only_a_default_route_is_possible() {
    let sim = Sim::with_routes(vec![route("theirs", "10.20.0.0/16", "VnetLocal")]);
    let table = json!({"id": TABLE, "defaultRoute": {"ipAddress": "10.0.1.4"}});
    sim.usual(json!({"spec": {"routes": {"services": [], "routeTables": [table]}}}));
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
    assert_eq!(cost.writes(), 1);
    let history = sim.history(TABLE);
    assert_eq!(ours(&history), ["0.0.0.0/0".to_owned()].into());
    assert_clean(&history, ["0.0.0.0/0"]);
}

#[test]
fn a_foreign_default_route_elsewhere_is_a_conflict() {
    let sim = Sim::start();
    for (address, code) in [("10.0.1.4", 0), ("10.0.1.5", 3)] {
        let table = json!({"id": TABLE, "defaultRoute": {"ipAddress": address}});
        sim.usual(json!({"spec": {"routes": {"routeTables": [table]}}}));
        sim.once(&[]).exits(code);
        assert!(!ours(&sim.history(TABLE)).contains("0.0.0.0/0"), "{address}");
    }
}

#[test]
fn service_tags_may_stand_for_their_prefixes_at_most_25_in_a_table() {
    let by_tag = |services: Value| {
        let table = json!({"id": TABLE, "addressing": "ServiceTag"});
        json!({"spec": {"routes": {"services": services, "routeTables": [table]}}})
    };
    let tags = |count: usize| -> Vec<Value> {
        (0..count).map(|i| route(&format!("tag-{i}"), &format!("Storage.Region{i}"), "Internet")).collect()
    };
    let sim = Sim::with_routes(tags(23));
    sim.usual(by_tag(json!(["AzureMachineLearning", "BatchNodeManagement"])));
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
    assert_eq!(cost.writes(), 2);
    let history = sim.history(TABLE);
    let route = &final_routes(&history)["AzureMachineLearning"];
    assert_eq!((&*route.name, &*route.hop), ("amlnet.prod.AzureMachineLearning", "Internet"));
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
    assert_eq!(cost.writes(), 0, "a tag is recognised when it is read again");

    let sim = Sim::with_routes(tags(24));
    sim.usual(by_tag(json!(["AzureMachineLearning", "BatchNodeManagement"])));
    sim.once(&[]).exits(3).says(&["blocked, Capacity", "26 routes by service tag, its limit is 25"]);
    assert_eq!(sim.history(TABLE).len(), 1);

    // A tag without UDR among its features cannot stand in a route.
    sim.usual(by_tag(json!(["AzureMachineLearning.EastUS2"])));
    sim.once(&[]).exits(3).says(&["cannot stand in a route", "addressing: Prefixes"]);
}

#[test]
fn ipv6_is_written_only_where_it_is_asked_for() {
    let v6 = "2603:1030:40c:1::2c0/122";
    let sim = Sim::with_routes(vec![]);
    let list = (0..4).map(east).chain([v6.to_owned()]).collect();
    let pair = (0..3).map(central).chain(["2603:1030:10:1::/122".to_owned()]).collect();
    sim.publish(&Doc::week(2).lists(list, pair));
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(ours(&sim.history(TABLE)).len(), 7);
    sim.usual(json!({"spec": {"ipFamilies": ["IPv4", "IPv6"]}}));
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
    assert_eq!(cost.put_route, 2);
    assert_eq!(final_routes(&sim.history(TABLE))[v6].name, "amlnet.prod.2603-1030-40c-1--2c0_122");
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
    assert_eq!(cost.writes(), 0, "an IPv6 prefix is recognised when it is read again");
    // Opting out is a removal like any other.
    sim.usual(json!({"spec": {"ipFamilies": ["IPv4"]}}));
    let (_, cost) = sim.cost(TABLE, || sim.once(&[]).exits(0));
    assert_eq!((cost.delete_route, ours(&sim.history(TABLE)).len()), (2, 7));
    // A family that the service does not have in a region is never taken for "nothing needed".
    sim.publish(&Doc::week(3));
    sim.usual(json!({"spec": {"ipFamilies": ["IPv6"]}}));
    sim.once(&[]).exits(3).says(&["has no prefixes for region eastus2"]);
    assert_eq!(ours(&sim.history(TABLE)).len(), 7);
}

#[test]
fn warnings_say_what_makes_the_routes_useless() {
    let sim = Sim::with_routes(vec![
        route("default", "0.0.0.0/0", "Internet"),
        route("narrow", "20.1.0.0/28", "VirtualAppliance 10.0.1.4"),
    ]);
    sim.usual(json!({}));
    sim.plan(&[]).exits(2).says(&[
        "DefaultRouteToInternet",
        "MoreSpecificRoute",
        "\"narrow\" sends 20.1.0.0/28 of 20.1.0.0/26",
    ]);
}
