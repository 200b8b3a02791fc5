//! Exit codes and outputs: a contract, scripts depend on it.

use serde_json::{Value, json};

use crate::harness::{Sim, TABLE, assert_schema, east, feed, network, ours, route, table_id};

#[test]
fn wrong_usage_is_1_and_help_is_0() {
    let sim = Sim::start();
    for (arguments, code) in [
        (&[][..], 1),
        (&["plan"], 1),
        (&["plan", "-f"], 1),
        (&["frobnicate"], 1),
        (&["plan", "-f", "x.yaml", "--frobnicate"], 1),
        (&["plan", "-f", "x.yaml", "--installation-id", "Not-One"], 1),
        (&["plan", "-f", "x.yaml", "--cloud", "Mars"], 1),
        (&["run", "--dir", "dir", "--state", "state", "--resync", "soon"], 1),
        (&["tags", "show", "x.json"], 1),
        (&["plan", "-f", "missing.yaml"], 1),
        (&["run", "--dir", "missing", "--state", "state", "--once"], 1),
        (&["--help"], 0),
        (&["plan", "--help"], 0),
        (&["--version"], 0),
    ] {
        let ran = sim.amlnet(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.all());
        if code == 1 {
            assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{arguments:?}");
        }
    }
    assert!(sim.log().is_empty(), "nobody was asked");
}

#[test]
fn a_missing_setting_is_named_and_is_1() {
    let sim = Sim::start();
    sim.usual(json!({}));
    for (variable, said) in [
        ("AMLNET_INSTALLATION_ID", "--installation-id"),
        ("AZURE_CLIENT_SECRET", "AZURE_CLIENT_SECRET"),
        ("AZURE_TENANT_ID", "AZURE_TENANT_ID"),
    ] {
        let mut command = sim.command(&["plan", "-f", "dir/ml.yaml", "-f", "dir/feed.yaml"]);
        let output = command.env_remove(variable).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{variable}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(said), "{variable}: {stderr}");
    }
}

#[test]
fn observe_is_2_with_every_step_held_by_mode() {
    let sim = Sim::start();
    let before = sim.history(TABLE);
    sim.usual(json!({"spec": {"mode": "Observe"}}));
    for ran in [sim.plan(&["-o", "json"]), sim.apply(&["-o", "json"]), sim.once(&["-o", "json"])] {
        let target = ran.exits(2).json()["targets"][0].clone();
        assert_eq!(target["steps"], json!([]));
        let held = target["held"].as_array().unwrap();
        assert_eq!(held.len(), 7);
        assert!(held.iter().all(|held| held["reason"] == "Mode" && held["action"] == "Add"));
    }
    assert_eq!(sim.history(TABLE), before);
}

#[test]
fn a_conflict_is_3_and_wins_over_changes() {
    let sim = Sim::with_routes(vec![route("theirs", &east(1), "VirtualAppliance 10.0.1.4")]);
    sim.usual(json!({}));
    let plan = sim.plan(&["-o", "json"]).exits(3).json();
    assert_eq!(plan["summary"]["conflicts"], 1);
    assert_eq!(plan["summary"]["add"], 6);
    let conflict = &plan["targets"][0]["conflicts"][0];
    assert_eq!((&conflict["prefix"], &conflict["foreignEntry"]), (&json!(east(1)), &json!("theirs")));
    sim.apply(&[]).exits(3).says(&["left alone", "\"theirs\" sends it to VirtualAppliance 10.0.1.4"]);
    assert_eq!(ours(&sim.history(TABLE)).len(), 6);
    assert_eq!(sim.status("ml"), Value::Null, "apply without --state writes none");
}

#[test]
fn a_held_removal_alone_is_0() {
    let sim = Sim::with_routes(vec![route("amlnet.prod.20.9.0.0_26", "20.9.0.0/26", "Internet")]);
    sim.usual(json!({"spec": {"removal": null}}));
    sim.once(&[]).exits(0);
    let ran = sim.once(&["-o", "json"]).exits(0);
    let held = &ran.json()["targets"][0]["held"];
    assert_eq!((&held[0]["reason"], &held[0]["action"]), (&json!("Hold"), &json!("Remove")));
    sim.usual(json!({"spec": {"removal": {"holdFor": "0s", "approval": "Always"}}}));
    sim.once(&[]).exits(3).says(&["held, Approval"]);
    assert_eq!(ours(&sim.history(TABLE)).len(), 8);
}

#[test]
fn an_unreachable_azure_is_1() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/routeTables/"}, "times": 0,
        "effect": {"status": {"code": 502, "headers": {"x-ms-retry-after-ms": "5"}}}}));
    sim.plan(&[]).exits(1).says(&["failed: HTTP 502"]);
    sim.apply(&[]).exits(1);
}

#[test]
fn an_answer_that_is_no_table_is_1_and_never_taken_for_an_empty_one() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    let before = sim.history(TABLE);
    for body in [
        json!({}),
        json!({"location": "eastus2", "properties": {}}),
        json!({"location": "eastus2", "properties": {"routes": null}}),
        json!({"location": "eastus2", "properties": {"routes": [{"name": "x"}]}}),
        json!([]),
    ] {
        sim.clear_faults();
        sim.fault(json!({"match": {"method": "GET", "pathContains": "/routeTables/"}, "times": 0,
            "effect": {"status": {"code": 200, "body": body}}}));
        for ran in [sim.plan(&[]), sim.apply(&[]), sim.once(&[])] {
            ran.exits(1).says(&["UnreadableAnswer"]);
        }
        assert_eq!(sim.history(TABLE), before, "{body}");
    }
}

#[test]
fn json_is_one_value_on_standard_output_and_keeps_to_its_schema() {
    let sim = Sim::with_routes(vec![
        route("theirs", &east(1), "VirtualAppliance 10.0.1.4"),
        route("amlnet.prod.20.9.0.0_26", "20.9.0.0/26", "Internet"),
    ]);
    sim.usual(json!({}));
    let plan = sim.plan(&["-o", "json", "--log", "trace"]).exits(3).json();
    assert_schema("plan", &plan);
    assert_eq!(plan["document"]["cloud"], "Public");
    assert_eq!(plan["document"]["changeNumber"], 101);
    let target = &plan["targets"][0];
    assert_eq!((&target["id"], &target["kind"], &target["limit"]), (&json!(TABLE), &json!("RouteTable"), &json!(400)));
    assert_eq!((&target["entriesNow"], &target["entriesAfter"]), (&json!(2), &json!(8)));
    assert_eq!(
        target["steps"][0],
        json!({"action": "Add", "entry": "amlnet.prod.20.1.0.0_26", "prefix": "20.1.0.0/26", "nextHop": "Internet",
            "before": null, "service": "AzureMachineLearning", "region": "eastus2", "wantedBy": ["default/ml"]})
    );
    assert!(target["hash"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!((&target["blocked"], &target["result"]), (&Value::Null, &Value::Null));
    assert_eq!(target["held"][0]["reason"], "Hold", "without --state nothing is removed");

    let applied = sim.apply(&["-o", "json"]).exits(3).json();
    assert_schema("plan", &applied);
    let result = &applied["targets"][0]["result"];
    assert_eq!(result["state"], "NeedsPerson", "what could be done was done, a conflict is left");
    assert_eq!(result["applied"].as_array().unwrap().len(), 6);
    assert_eq!(result["applied"][0]["correlationId"].as_str().unwrap().len(), 36);

    let once = sim.once(&["-o", "json"]).exits(3).json();
    assert_schema("plan", &once);
    assert_eq!(once["targets"][0]["result"]["applied"][0]["action"], "Remove");
}

#[test]
fn a_plan_reads_like_a_diff_by_table_service_and_region() {
    let other = table_id("rt-other");
    let foreign = vec![route("theirs", &east(1), "VirtualAppliance 10.0.1.4"), route("same", &east(2), "Internet")];
    let sim = Sim::with_tables(&[(TABLE, foreign), (&other, vec![])], json!({}));
    let services = json!(["AzureMachineLearning", "BatchNodeManagement"]);
    sim.usual(json!({"spec": {"routes": {"services": services, "routeTables": [{"id": TABLE}, {"id": other}]}}}));
    let text = sim.plan(&[]).exits(3).stdout;
    let lines = [
        format!("route table {TABLE}"),
        "  2 -> 9 of at most 400 routes".to_owned(),
        "  AzureMachineLearning eastus2".to_owned(),
        "    + 20.1.0.0/26            -> Internet                 amlnet.prod.20.1.0.0_26".to_owned(),
        "  AzureMachineLearning centralus".to_owned(),
        "  BatchNodeManagement eastus2".to_owned(),
        "  left alone".to_owned(),
        "  already there, not ours".to_owned(),
        "    = 20.1.0.128/26          same".to_owned(),
        format!("route table {other}"),
    ];
    let mut rest = text.as_str();
    for line in &lines {
        let Some((_, after)) = rest.split_once(&format!("{line}\n")) else {
            // Services of one table stand in the order of their prefixes.
            assert!(text.contains(line.as_str()), "{line:?} is missing in\n{text}");
            continue;
        };
        if line.starts_with("route table") {
            rest = after;
        }
    }
    let summary =
        "2 targets: 16 to add, 0 to change, 0 to remove; 0 held, 1 in conflict, 0 blocked; a person is needed";
    assert_eq!(text.lines().last(), Some(summary), "{text}");
    assert!(!text.contains('\u{1b}'), "no colour where no terminal is");
}

#[test]
fn apply_without_a_terminal_needs_yes() {
    let sim = Sim::start();
    let before = sim.history(TABLE);
    let (feed, network) = sim.usual(json!({}));
    let files = [feed.to_str().unwrap(), network.to_str().unwrap()];
    sim.amlnet(&["apply", "-f", files[0], "-f", files[1]]).exits(1).says(&["7 steps", "--yes"]);
    assert_eq!(sim.history(TABLE), before);
}

#[test]
fn objects_may_come_from_standard_input_and_the_document_from_a_file() {
    let sim = Sim::start();
    let document = sim.write("ServiceTags_Public_20250107.json", crate::harness::Doc::week(1).bytes());
    let text = network(json!({})).to_string();
    let plan = ["plan", "-f", "-", "--tags", document.to_str().unwrap()];
    sim.amlnet_with_input(&plan, &text).exits(2).says(&["7 to add"]);
    let gzipped = sim.write("tags.json.gz", crate::harness::gzip(&crate::harness::Doc::week(1).bytes()));
    let plan = ["plan", "-f", "-", "--tags", gzipped.to_str().unwrap()];
    sim.amlnet_with_input(&plan, &text).exits(2).says(&["7 to add"]);
    let both = format!("{text}\n---\n{}", feed(&sim.page(), json!({})));
    sim.amlnet_with_input(&["plan", "-f", "-"], &both).exits(2).says(&["7 to add"]);
    let china = ["plan", "-f", "-", "--tags", document.to_str().unwrap(), "--cloud", "China"];
    sim.amlnet_with_input(&china, &text).exits(1).says(&["cloud Public, but China is wanted"]);
}
