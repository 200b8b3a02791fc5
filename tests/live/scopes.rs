//! Scopes: whoever names more than his namespace may is refused before Azure is asked anything, and changes nothing for
//! others.

use armsim::model::log::Server;
use serde_json::{Value, json};

use crate::harness::{
    Controller, Doc, Sim, TABLE, assert_clean, assert_schema, central, east, network, ours, table_id,
};

const SUBSCRIPTION: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590";

/// A scopes file with these entries over what `ml` needs.
fn scopes(sim: &Sim, entries: &[Value]) {
    let entry = |change: &Value| {
        let mut entry = json!({"namespaces": ["default"], "resourceIds": [SUBSCRIPTION],
            "serviceTags": ["AzureMachineLearning"], "nextHops": ["Internet"]});
        crate::harness::merge(&mut entry, change);
        entry
    };
    let entries: Vec<Value> = entries.iter().map(entry).collect();
    sim.write("scopes.yaml", json!({"scopes": entries}).to_string());
}

const WITH: [&str; 2] = ["--scopes", "scopes.yaml"];

/// How often ARM, or the login that leads there, was asked.
fn asked(sim: &Sim) -> usize {
    sim.log().iter().filter(|entry| entry.server != Server::DownloadPage).count()
}

fn of_table(sim: &Sim, id: &str) -> usize {
    sim.log().iter().filter(|entry| entry.url.to_lowercase().contains(&id.to_lowercase())).count()
}

fn table(change: Value) -> Value {
    let mut table = json!({"id": TABLE});
    crate::harness::merge(&mut table, &change);
    json!({"spec": {"routes": {"routeTables": [table]}}})
}

#[test]
fn what_is_outside_is_refused_before_anybody_is_asked() {
    let firewall = json!({"nextHop": {"type": "VirtualAppliance", "ipAddress": "10.0.1.4"}});
    let default_route = json!({"defaultRoute": {"ipAddress": "10.0.2.4"}});
    let ids = |id: String| json!({"resourceIds": [id]});
    let group = |name: &str| format!("{SUBSCRIPTION}/resourceGroups/{name}");
    let at_id = "spec.routes.routeTables[0].id: /subscriptions/";
    for (what, entry, change, said) in [
        ("another subscription", ids(SUBSCRIPTION.replace("0b1f", "0b1e")), json!({}), at_id),
        ("another group", ids(group("rg-other")), json!({}), at_id),
        ("the beginning of a group's name", ids(group("rg-m")), json!({}), at_id),
        ("a group whose name begins alike", ids(group("rg-ml2")), json!({}), at_id),
        ("the beginning of a table's name", ids(TABLE[..TABLE.len() - 1].to_owned()), json!({}), at_id),
        ("a table whose name begins alike", ids(format!("{TABLE}2")), json!({}), at_id),
        ("another namespace", json!({"namespaces": ["team-*", "defaul", "default-*"]}), json!({}), "no scope is for"),
        ("moved to another namespace", json!({}), json!({"metadata": {"namespace": "team"}}), "no scope is for"),
        ("a tag", json!({"serviceTags": ["Storage"]}), json!({}), "spec.routes.services[0]: AzureMachineLearning is"),
        (
            "the global tag, where one region's is allowed",
            json!({"serviceTags": ["AzureMachineLearning.EastUS2"]}),
            table(json!({"addressing": "ServiceTag"})),
            "spec.routes.services[0]: AzureMachineLearning is",
        ),
        ("no tag at all", json!({"serviceTags": null}), json!({}), "may name for this target: none"),
        ("an appliance", json!({}), table(firewall.clone()), "nextHop: VirtualAppliance 10.0.1.4 is outside"),
        ("the internet", json!({"nextHops": ["10.0.1.0/24"]}), json!({}), "nextHop: Internet is outside"),
        (
            "a default route",
            json!({"nextHops": ["Internet", "10.0.1.0/24"]}),
            table(default_route),
            "defaultRoute.ipAddress: VirtualAppliance 10.0.2.4 is outside",
        ),
        (
            "one table of two",
            ids(TABLE.to_owned()),
            json!({"spec": {"routes": {"routeTables": [{"id": TABLE}, {"id": table_id("rt-other")}]}}}),
            "routeTables[1].id: /subscriptions/",
        ),
    ] {
        let sim = Sim::start();
        let before = sim.history(TABLE);
        scopes(&sim, &[entry]);
        sim.usual(change.clone());
        let state = [&WITH[..], &["--state", "state"]].concat();
        for ran in [sim.plan(&WITH), sim.plan(&state), sim.apply(&state), sim.once(&WITH)] {
            let ran = ran.exits(3);
            assert!(ran.all().contains(said) && ran.all().contains("OutOfScope"), "{what}: {}", ran.all());
        }
        assert_eq!(asked(&sim), 0, "{what}: somebody was asked");
        assert_eq!(sim.history(TABLE), before, "{what}");
        let namespace = change["metadata"]["namespace"].as_str().unwrap_or("default");
        let file = sim.state().join("status").join(format!("{namespace}.ml.yaml"));
        let status = std::fs::read_to_string(file).unwrap();
        assert!(status.contains("OutOfScope") && status.contains(said), "{what}: {status}");
    }
}

#[test]
fn what_is_inside_works_in_any_letter_case_and_by_the_variable() {
    let sim = Sim::with_routes(vec![]);
    scopes(
        &sim,
        &[
            json!({"resourceIds": [TABLE.to_uppercase()], "serviceTags": ["AZUREMACHINELEARNING"], "namespaces": ["def*"]}),
        ],
    );
    sim.usual(json!({}));
    let mut command = sim.command(&["run", "--dir", "dir", "--state", "state", "--once", "-o", "json"]);
    command.env("AMLNET_SCOPES", "scopes.yaml");
    let plan = sim.ran(command).exits(0).json();
    assert_schema("plan", &plan);
    assert_eq!(plan["outOfScope"], json!([]));
    assert_eq!(ours(&sim.history(TABLE)).len(), 7);
    sim.plan(&WITH).exits(0);
    scopes(&sim, &[json!({"namespaces": ["other"]})]);
    let plan = sim.plan(&["--scopes", "scopes.yaml", "-o", "json"]).exits(3).json();
    assert_schema("plan", &plan);
    assert_eq!((&plan["outOfScope"][0]["network"], &plan["targets"]), (&json!("default/ml"), &json!([])));
    let condition = |status: &Value, kind: &str| {
        let all = status["conditions"].as_array().unwrap();
        let found = all.iter().find(|condition| condition["type"] == kind).unwrap();
        (found["status"].clone(), found["reason"].clone())
    };
    sim.once(&WITH).exits(3);
    let status = sim.status("ml");
    assert_eq!(condition(&status, "Ready"), (json!("False"), json!("OutOfScope")));
    assert_eq!(condition(&status, "Blocked"), (json!("True"), json!("OutOfScope")));
    assert_eq!(condition(&status, "Reconciling").0, json!("False"));
}

#[test]
fn an_id_that_would_lead_elsewhere_is_no_id_whatever_the_scope() {
    for id in [
        format!("{TABLE}/"),
        format!("{TABLE}/routes/x"),
        TABLE.replace("/rt-ml", "/../../../../rg-other/providers/Microsoft.Network/routeTables/rt"),
        TABLE.replace("rg-ml", "rg-ml/.."),
        TABLE.replace("rt-ml", "rt-ml%2f..%2frt-other"),
        TABLE.replace("rg-ml", "rg-ml%2Fproviders"),
        TABLE.replace("rg-ml", "%72g-ml"),
        TABLE.replace("rg-ml", "rg-m\u{217c}"),
        TABLE.replace("resourceGroups", "re\u{17f}ourceGroups"),
        TABLE.replace("/resourceGroups", "//resourceGroups"),
        format!("{TABLE}?x=/resourceGroups/rg-other"),
    ] {
        let sim = Sim::start();
        scopes(&sim, &[json!({})]);
        sim.usual(table(json!({"id": id})));
        sim.plan(&WITH).exits(1).says(&["spec.routes.routeTables[0].id"]);
        sim.once(&WITH).exits(3);
        assert_eq!(asked(&sim), 0, "{id}");
    }
}

#[test]
fn whoever_was_never_allowed_changes_nothing_for_his_neighbour() {
    let sim = Sim::with_routes(vec![]);
    let other = table_id("rt-other");
    scopes(&sim, &[json!({})]);
    sim.usual(json!({}));
    sim.once(&WITH).exits(0);
    let tables = json!([{"id": TABLE}, {"id": other}]);
    let intruder = json!({"metadata": {"name": "second", "namespace": "team"},
        "spec": {"region": "westeurope", "routes": {"routeTables": tables}}});
    sim.objects("second.yaml", &[network(intruder)]);
    sim.publish(&Doc::week(2).regions(1..5, 0..3));
    let ran = sim.once(&WITH).exits(3);
    assert!(!ran.all().contains("held, Hold"), "{}", ran.all());
    let expected = (1..5).map(east).chain((0..3).map(central)).collect();
    assert_eq!(ours(&sim.history(TABLE)), expected, "its removals go on, and nothing of the intruder comes");
    assert_eq!(of_table(&sim, &other), 0);
}

#[test]
fn a_scope_that_is_narrowed_later_removes_nothing_and_asks_nothing() {
    let sim = Sim::with_routes(vec![]);
    scopes(&sim, &[json!({})]);
    let (_, path) = sim.usual(json!({"spec": {"deletionPolicy": "Delete"}}));
    sim.once(&WITH).exits(0);
    let before = sim.history(TABLE);
    let narrow = || scopes(&sim, &[json!({"resourceIds": [format!("{SUBSCRIPTION}/resourceGroups/rg-other")]})]);
    narrow();
    let far = asked(&sim);
    sim.publish(&Doc::week(2).regions(1..5, 0..3));
    sim.once(&WITH).exits(3).says(&["default/ml is left alone, OutOfScope"]);
    sim.objects("ml.yaml", &[network(table(json!({"id": table_id("rt-elsewhere")})))]);
    sim.once(&WITH).exits(3);
    std::fs::remove_file(&path).unwrap();
    sim.once(&WITH).exits(0);
    assert_eq!(asked(&sim), far, "nobody was asked");
    assert_eq!(sim.history(TABLE), before);
    // Allowed again, what it left goes by its own rules.
    scopes(&sim, &[json!({})]);
    sim.once(&WITH).exits(0);
    assert_eq!(ours(&sim.history(TABLE)).len(), 0);
}

#[test]
fn what_a_neighbour_needed_when_it_was_allowed_stays_and_freezes_removals_only_there() {
    let sim = Sim::with_tables(&[(TABLE, vec![]), (&table_id("rt-own"), vec![])], json!({}));
    let team = json!({"namespaces": ["team"]});
    scopes(&sim, &[json!({}), team.clone()]);
    let own = json!([{"id": TABLE}, {"id": table_id("rt-own")}]);
    sim.usual(json!({"spec": {"pairedRegion": "None", "routes": {"routeTables": own}}}));
    let second = json!({"metadata": {"name": "second", "namespace": "team"},
        "spec": {"region": "centralus", "pairedRegion": "None"}});
    sim.objects("second.yaml", &[network(second)]);
    sim.once(&WITH).exits(0);
    scopes(&sim, &[json!({}), json!({"namespaces": ["team"], "resourceIds": [table_id("rt-theirs")]})]);
    sim.publish(&Doc::week(2).regions(1..5, 1..4));
    let ran = sim.once(&WITH).exits(3);
    let told = ran.all();
    assert!(told.contains("the scope of the AmlNetwork team/second allows this target no longer"), "{told}");
    let history = sim.history(TABLE);
    let expected = (0..5).map(east).chain((0..3).map(central)).collect();
    assert_eq!(ours(&history), expected, "nothing is removed, what is new for the other comes");
    assert_clean(&history, (0..4).map(east).chain((0..3).map(central)));
    assert_eq!(ours(&sim.history(&table_id("rt-own"))), (1..5).map(east).collect(), "elsewhere removals go on");
}

#[test]
fn a_file_that_cannot_be_used_stops_the_command_before_anything_is_done() {
    let sim = Sim::start();
    sim.usual(json!({}));
    for (text, said) in [
        (String::new(), "not a scopes file"),
        ("scopes: []".to_owned(), "scopes: it is empty"),
        (format!("scopes:\n- namespaces: [a]\n  resourceIds: [{SUBSCRIPTION}/]\n  nextHops: [Internet]\n"), "line 3: "),
        ("scopes:\n- namespace: [a]\n".to_owned(), "unknown field"),
    ] {
        sim.write("scopes.yaml", text);
        for ran in [sim.plan(&WITH), sim.apply(&WITH), sim.once(&WITH)] {
            ran.exits(1).says(&["--scopes scopes.yaml: ", said]);
        }
    }
    std::fs::remove_file(sim.path("scopes.yaml")).unwrap();
    sim.once(&WITH).exits(1).says(&["--scopes scopes.yaml: "]);
    sim.once(&["--scopes", ""]).exits(1);
    scopes(&sim, &[json!({})]);
    sim.plan(&["--scopes", "scopes.yaml", "--allow-any-scope"]).exits(1).says(&["leave one of them out"]);
    assert!(sim.log().is_empty(), "nobody was asked");
    sim.plan(&["--allow-any-scope"]).exits(2);
}

#[test]
fn the_controller_says_it_leaves_it_alone_and_goes_on_when_the_network_is_inside() {
    let sim = Sim::with_routes(vec![]);
    scopes(&sim, &[json!({"resourceIds": [TABLE]})]);
    sim.usual(table(json!({"id": table_id("rt-other")})));
    let controller = sim.controller(&WITH);
    let is_left = || sim.status("ml")["conditions"][0]["reason"] == "OutOfScope";
    controller.wait_until("the status says so", is_left);
    controller.wait_until("a document", || sim.in_force("public") > 0);
    assert!(controller.log().contains("it names something outside its scope"), "{}", controller.log());
    assert_eq!(asked(&sim), 0);
    sim.usual(json!({}));
    controller.wait_until("the routes", || ours(&sim.history_now(TABLE)).len() == 7);
    // And back: what it needed stays, and the table is looked at no more.
    controller.wait_until("it is in step", || sim.status("ml")["conditions"][0]["reason"] == "InSync");
    sim.usual(json!({"spec": {"routes": {"routeTables": [{"id": TABLE}, {"id": table_id("rt-other")}]}}}));
    controller.wait_until("the status says so again", is_left);
    the_next_document_changes_nothing(&sim, controller);
}

#[test]
fn a_scopes_file_that_changes_counts_at_once_and_one_that_cannot_be_read_changes_nothing() {
    let sim = Sim::with_routes(vec![]);
    scopes(&sim, &[json!({"namespaces": ["other"]})]);
    sim.usual(json!({}));
    let controller = sim.controller(&WITH);
    let reason = || sim.status("ml")["conditions"][0]["reason"].clone();
    controller.wait_until("it is outside", || reason() == "OutOfScope");
    assert_eq!(asked(&sim), 0);
    scopes(&sim, &[json!({})]);
    controller.wait_until("it is inside", || reason() == "InSync");
    assert_eq!(ours(&sim.history(TABLE)).len(), 7);
    // What nobody can read does not open anything, and closes nothing either.
    std::fs::remove_file(sim.path("scopes.yaml")).unwrap();
    let stays = "the last ones stay in force";
    controller.wait_until("it is said", || controller.log().contains(stays));
    sim.write("scopes.yaml", "scopes: []");
    controller.wait_until("it is said again", || controller.log().contains("scopes: it is empty"));
    sim.objects("second.yaml", &[network(json!({"metadata": {"name": "second", "namespace": "team"}}))]);
    let second = || std::fs::read_to_string(sim.state().join("status/team.second.yaml")).unwrap_or_default();
    controller.wait_until("the second is refused", || second().contains("OutOfScope"));
    assert_eq!(reason(), "InSync");
    scopes(&sim, &[json!({"resourceIds": [table_id("rt-other")]})]);
    controller.wait_until("it is outside again", || reason() == "OutOfScope");
    the_next_document_changes_nothing(&sim, controller);
}

/// Whoever is outside is not looked at for a new document either, and what it needed stays.
#[track_caller]
fn the_next_document_changes_nothing(sim: &Sim, controller: Controller) {
    let asked_before = asked(sim);
    sim.publish(&Doc::week(2).regions(1..5, 0..3));
    sim.ask_feed();
    controller.wait_until("the next document", || sim.in_force("public") == 102);
    let (code, _, log) = controller.terminate();
    assert_eq!((code, asked(sim)), (0, asked_before), "{log}");
    assert_eq!(ours(&sim.history(TABLE)).len(), 7);
}
