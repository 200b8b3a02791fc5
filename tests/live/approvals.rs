//! Approvals with the real binary: what they allow, and what is said of those that allow nothing.

use serde_json::{Value, json};

use crate::harness::{Doc, Sim, TABLE, assert_clean, assert_schema, central, east, network, ours, table_id, west};

const ASK: &str = "Always";

/// Week 1 in the table, week 2 lacks the first prefix, and removals need a person.
fn waiting() -> Sim {
    let sim = Sim::start();
    sim.usual(json!({"spec": {"removal": {"approval": ASK}}}));
    sim.once(&[]).exits(0);
    sim.publish(&Doc::week(2).regions(1..4, 0..3));
    sim.once(&[]).exits(3).says(&["held, Approval", "removal.approval is Always"]);
    sim
}

/// What is said about approvals: their states.
fn states(sim: &Sim, code: i32) -> Vec<String> {
    let answer = sim.once(&["-o", "json"]).exits(code).json();
    let all = answer["approvals"].as_array().unwrap();
    all.iter().map(|approval| approval["state"].as_str().unwrap().to_owned()).collect()
}

fn is_there(sim: &Sim) -> bool {
    ours(&sim.history(TABLE)).contains(&east(0))
}

#[test]
fn what_plan_says_to_type_is_enough() {
    let sim = waiting();
    let said = sim.plan(&["--state", "state"]).exits(3).all();
    let line = said.lines().find_map(|line| line.trim().strip_prefix("to approve: amlnet ")).unwrap();
    let words: Vec<&str> = line.split(' ').chain(["--state", "state"]).collect();
    sim.amlnet(&words).exits(0).says(&["is approved until"]);
    assert_eq!(states(&sim, 0), ["Used"], "said in the run that used it");
    assert!(!is_there(&sim));
}

#[test]
fn an_approval_for_something_else_changes_nothing_and_is_said() {
    let sim = waiting();
    let hash = sim.waiting().remove(0);
    let other = format!("sha256:{}", "0".repeat(64));
    sim.approve("ml", &other);
    sim.once(&[]).exits(3).says(&["OtherPlan", "what waits is", &hash]);
    sim.approve("somebody", &hash);
    sim.once(&[]).exits(3).says(&["NoSuchSubject", "there is no AmlNetwork default/somebody"]);
    sim.amlnet(&["approve", "elsewhere/ml", "--hash", &hash, "--state", "state"]).exits(0);
    sim.once(&[]).exits(3).says(&["there is no AmlNetwork elsewhere/ml"]);
    let long_ago = ["--now", "2020-01-01T00:00:00Z", "--expires", "1h"];
    sim.amlnet(&[&["approve", "ml", "--hash", &hash, "--state", "state"], &long_ago[..]].concat()).exits(0);
    let answer = sim.once(&["-o", "json", "--now", "2020-01-02T00:00:00Z"]).exits(3).json();
    assert!(answer["approvals"].to_string().contains("Expired"), "{}", answer["approvals"]);
    assert!(is_there(&sim));
    sim.approve("ml", &hash);
    sim.once(&[]).exits(0);
    assert!(!is_there(&sim));
}

#[test]
fn a_used_approval_does_not_count_for_the_same_removal_again() {
    let sim = waiting();
    sim.approve("ml", &sim.waiting()[0]);
    sim.once(&[]).exits(0);
    sim.publish(&Doc::week(3));
    sim.once(&[]).exits(0);
    sim.publish(&Doc::week(4).regions(1..4, 0..3).numbered(102, "20250301"));
    assert!(is_there(&sim));
    let answer = sim.once(&["-o", "json"]).json();
    assert!(answer["approvals"].to_string().contains("Used"), "{}", answer["approvals"]);
    assert!(is_there(&sim));
}

#[test]
fn a_wrong_file_among_the_approvals_is_said_and_allows_nothing() {
    let sim = waiting();
    let hash = sim.waiting().remove(0);
    let approval = |change: Value| {
        let mut object = json!({"apiVersion": "amlnet.dev/v1alpha1", "kind": "PlanApproval",
            "metadata": {"name": "one"}, "spec": {"network": "ml", "hash": hash, "expiresAt": "2099-01-01T00:00:00Z"}});
        crate::harness::merge(&mut object, &change);
        object.to_string()
    };
    std::fs::create_dir_all(sim.path("state/approvals")).unwrap();
    for (what, text, said) in [
        ("a field", approval(json!({"spec": {"networks": "ml"}})), "unknown field networks"),
        ("no hash", approval(json!({"spec": {"hash": null}})), "hash"),
        ("half a hash", approval(json!({"spec": {"hash": &hash[..20]}})), "hash"),
        ("both", approval(json!({"spec": {"feed": "public"}})), "feed"),
        ("a version", approval(json!({"apiVersion": "amlnet.dev/v2"})), "amlnet.dev/v2"),
        ("a Network", network(json!({})).to_string(), "PlanApproval"),
        ("no YAML", "a: [".to_owned(), "approvals"),
    ] {
        std::fs::write(sim.path("state/approvals/wrong.yaml"), text).unwrap();
        sim.once(&[]).exits(3).says(&[said, "wrong.yaml"]);
        assert!(is_there(&sim), "{what}");
    }
    // Beside the Networks it is refused, as they are read by somebody else.
    std::fs::remove_file(sim.path("state/approvals/wrong.yaml")).unwrap();
    let misplaced = sim.write("dir/approval.yaml", approval(json!({})));
    let ran = sim.once(&[]);
    ran.says(&["approval.yaml", "PlanApproval"]);
    assert!(is_there(&sim));
    std::fs::rename(misplaced, sim.path("state/approvals/right.yaml")).unwrap();
    sim.once(&[]).exits(0);
    assert!(!is_there(&sim));
}

#[test]
fn on_a_shared_table_every_namespace_has_to_approve() {
    let sim = waiting();
    let second = json!({"metadata": {"name": "ml", "namespace": "other"}, "spec": {"removal": {"approval": "Never"}}});
    sim.objects("second.yaml", &[network(second)]);
    let said = sim.once(&[]).exits(3);
    said.says(&["amlnet approve default/ml --hash", "amlnet approve other/ml --hash"]);
    let hash = sim.waiting().remove(0);
    sim.approve("ml", &hash);
    sim.once(&[]).exits(3).says(&["OthersMissing", "namespaces default, other have to approve"]);
    assert!(is_there(&sim));
    sim.amlnet(&["approve", "other/ml", "--hash", &hash, "--state", "state"]).exits(0);
    sim.once(&[]).exits(0);
    assert!(!is_there(&sim));
}

#[test]
fn an_approval_covers_what_is_left_of_its_plan_and_nothing_more() {
    let sim = waiting();
    sim.publish(&Doc::week(3).regions(2..4, 0..3));
    sim.once(&[]).exits(3);
    sim.approve("ml", &sim.waiting()[0]);
    // One of the two came back, another one left.
    sim.publish(&Doc::week(4).regions(1..3, 0..3));
    let answer = sim.once(&["-o", "json"]).exits(3).json();
    assert!(answer["approvals"].to_string().contains("Outgrown"), "{}", answer["approvals"]);
    assert!(is_there(&sim));
    sim.publish(&Doc::week(5).regions(1..4, 0..3));
    sim.once(&[]).exits(0);
    assert_clean(&sim.history(TABLE), (1..4).map(east).chain((0..3).map(central)));
    assert!(!is_there(&sim));
}

#[test]
fn another_next_hop_waits_and_drift_does_not() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    let firewall = json!({"type": "VirtualAppliance", "ipAddress": "10.0.0.4"});
    let tables = json!([{"id": TABLE, "nextHop": firewall}]);
    sim.usual(json!({"spec": {"routes": {"routeTables": tables}}}));
    let before = sim.history(TABLE);
    sim.once(&[]).exits(3).says(&["held, Approval", "VirtualAppliance 10.0.0.4 instead of Internet"]);
    assert_eq!(sim.history(TABLE), before);
    sim.approve("ml", &sim.waiting()[0]);
    sim.once(&[]).exits(0);
    let hops = |sim: &Sim| -> Vec<String> {
        let routes = crate::harness::final_routes(&sim.history(TABLE));
        (0..4).map(|index| routes[&east(index)].hop.clone()).collect()
    };
    assert_eq!(hops(&sim), vec!["VirtualAppliance 10.0.0.4"; 4]);
    // Somebody else changes one: it is put back.
    let name = format!("amlnet.prod.{}", east(0).replace('/', "_"));
    let mut drifted = crate::harness::route(&name, &east(0), "Internet");
    drifted["id"] = json!(format!("{TABLE}/routes/{name}"));
    sim.put(drifted);
    sim.once(&[]).exits(0);
    assert_eq!(hops(&sim), vec!["VirtualAppliance 10.0.0.4"; 4]);
}

#[test]
fn another_region_waits_and_its_new_entries_come_first() {
    let sim = Sim::with_routes(vec![]);
    sim.usual(json!({"spec": {"pairedRegion": "None"}}));
    sim.once(&[]).exits(0);
    let before = sim.history(TABLE);
    sim.usual(json!({"spec": {"region": "westeurope", "pairedRegion": "None"}}));
    sim.once(&[]).exits(3).says(&["did not follow region westeurope before", "its region is no longer asked for"]);
    assert_eq!(sim.history(TABLE), before);
    let from = sim.log().len();
    sim.approve("ml", &sim.waiting()[0]);
    sim.once(&[]).exits(0);
    let methods: Vec<String> = sim.log()[from..]
        .iter()
        .filter(|entry| entry.url.contains("/routes/") && entry.method != "GET")
        .map(|entry| entry.method.clone())
        .collect();
    assert_eq!(methods, ["PUT", "PUT", "DELETE", "DELETE", "DELETE", "DELETE"]);
    assert_eq!(ours(&sim.history(TABLE)), (0..2).map(west).collect());
}

#[test]
fn another_pair_waits_while_the_first_region_goes_on() {
    let sim = Sim::with_routes(vec![]);
    sim.usual(json!({"spec": {"pairedRegion": "None"}}));
    sim.once(&[]).exits(0);
    sim.usual(json!({"spec": {"pairedRegion": "westeurope"}}));
    sim.publish(&Doc::week(2).regions(0..5, 0..3));
    sim.once(&[]).exits(3).says(&["did not follow region westeurope before"]);
    assert_eq!(ours(&sim.history(TABLE)), (0..5).map(east).collect(), "additions do not wait for it");
    sim.approve("ml", &sim.waiting()[0]);
    sim.once(&[]).exits(0);
    assert_eq!(ours(&sim.history(TABLE)), (0..5).map(east).chain((0..2).map(west)).collect());
}

#[test]
fn a_held_document_comes_into_force_when_a_person_approves_its_digest() {
    let sim = Sim::start();
    sim.usual(json!({}));
    sim.once(&[]).exits(0);
    sim.publish(&Doc::week(2).without("Storage").regions(0..5, 0..3));
    sim.once(&[]);
    let held = sim.feed_status("public");
    assert_eq!(sim.in_force("public"), 101);
    assert!(held["held"]["reason"].as_str().unwrap().starts_with("250 of 279 prefixes are gone"), "{held}");
    let digest = held["held"]["digest"].as_str().unwrap().to_owned();
    let wrong = format!("sha256:{}", "1".repeat(64));
    sim.amlnet(&["approve", "--feed", "public", "--hash", &wrong, "--state", "state"]).exits(0);
    sim.ask_feed();
    sim.once(&[]).says(&["no held document has this digest"]);
    assert_eq!(sim.in_force("public"), 101);
    sim.amlnet(&["approve", "--feed", "public", "--hash", &digest, "--state", "state"]).exits(0);
    sim.ask_feed();
    sim.once(&[]).exits(0);
    assert_eq!(sim.in_force("public"), 102);
    assert!(ours(&sim.history(TABLE)).contains(&east(4)));
}

const BATCH: &str = "20.11.0.0/27";

/// Writes the network with or without the second service: what is removed is the same each time, under the same hash.
fn ask_for_batch(sim: &Sim, is_asked_for: bool) {
    let services = if is_asked_for {
        json!(["AzureMachineLearning", "BatchNodeManagement"])
    } else {
        json!(["AzureMachineLearning"])
    };
    sim.usual(
        json!({"spec": {"pairedRegion": "None", "removal": {"approval": ASK}, "routes": {"services": services}}}),
    );
}

/// A removal that was approved and done; then the route was added again, and waits again for its removal. The hash.
fn used_and_waiting_again() -> (Sim, String) {
    let sim = Sim::start();
    ask_for_batch(&sim, true);
    sim.once(&[]).exits(0);
    ask_for_batch(&sim, false);
    sim.once(&[]).exits(3);
    let hash = sim.waiting().remove(0);
    sim.amlnet(&["approve", "ml", "--hash", &hash, "--state", "state", "--expires", "60d"]).exits(0);
    sim.once(&[]).exits(0);
    assert!(!ours(&sim.history(TABLE)).contains(BATCH));
    ask_for_batch(&sim, true);
    sim.once(&[]).exits(0);
    assert!(ours(&sim.history(TABLE)).contains(BATCH));
    ask_for_batch(&sim, false);
    (sim, hash)
}

#[test]
fn the_same_hash_a_second_time_needs_a_second_approval() {
    let (sim, hash) = used_and_waiting_again();
    assert_eq!(states(&sim, 3), ["Used"]);
    assert_eq!(sim.waiting(), std::slice::from_ref(&hash), "it is the same plan");
    assert!(ours(&sim.history(TABLE)).contains(BATCH));
    sim.approve("ml", &hash);
    sim.once(&[]).exits(0);
    assert!(!ours(&sim.history(TABLE)).contains(BATCH));
}

#[test]
fn with_lost_clocks_an_approval_that_was_used_does_not_count_again() {
    let (sim, _) = used_and_waiting_again();
    std::fs::remove_file(sim.path("state/clocks.json")).unwrap();
    sim.once(&[]).says(&["what is remembered of the targets is lost"]);
    // When the budget lets removals pass again, and the hold of what is unexplained is over.
    let later = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_hours(9 * 24)).unwrap();
    sim.once(&["--now", &later.to_string()]);
    assert!(ours(&sim.history(TABLE)).contains(BATCH), "nobody has approved this removal");
}

#[test]
fn an_approval_of_another_network_counts_for_nothing() {
    let other = table_id("rt-2");
    let sim = Sim::with_tables(&[(TABLE, vec![]), (&other, vec![])], json!({}));
    sim.usual(json!({"spec": {"removal": {"approval": ASK}}}));
    let second = json!({"metadata": {"name": "second"}, "spec": {"routes": {"routeTables": [{"id": other}]}}});
    sim.objects("second.yaml", &[network(second)]);
    sim.once(&[]).exits(0);
    sim.publish(&Doc::week(2).regions(1..4, 0..3));
    sim.once(&[]).exits(3);
    let hash = sim.waiting().remove(0);
    sim.approve("second", &hash);
    assert_eq!(states(&sim, 3), ["OtherPlan"]);
    assert!(is_there(&sim));
}

#[test]
fn the_json_names_every_approval_also_one_that_cannot_be_read() {
    let sim = waiting();
    let hash = sim.waiting().remove(0);
    sim.approve("ml", &format!("sha256:{}", "0".repeat(64)));
    std::fs::write(sim.path("state/approvals/zz.yaml"), "kind: Nothing").unwrap();
    for answer in [sim.once(&["-o", "json"]), sim.plan(&["--state", "state", "-o", "json"])] {
        let answer = answer.exits(3).json();
        assert_schema("plan", &answer);
        let said: Vec<&str> =
            answer["approvals"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
        assert_eq!(said, ["OtherPlan", "Unreadable"]);
        assert!(answer["approvals"][0]["message"].as_str().unwrap().contains(&hash), "{answer}");
    }
    assert!(is_there(&sim));
}

#[test]
fn a_controller_that_runs_sees_an_approval_and_says_what_it_cannot_use() {
    let sim = waiting();
    let hash = sim.waiting().remove(0);
    let controller = sim.controller(&[]);
    controller.wait_until("the status", || sim.status("ml").to_string().contains(&hash));
    std::fs::write(sim.path("state/approvals/zz.yaml"), "kind: Nothing").unwrap();
    sim.approve("ml", &format!("sha256:{}", "0".repeat(64)));
    controller.wait_until("a word about each", || {
        let log = controller.log();
        log.contains("zz.yaml") && log.contains("OtherPlan")
    });
    assert!(is_there(&sim));
    sim.approve("ml", &hash);
    controller.wait_until("the removal", || !is_there(&sim));
    assert_eq!(controller.terminate().0, 0);
    assert_clean(&sim.history(TABLE), (1..4).map(east).chain((0..3).map(central)));
}

#[test]
fn apply_goes_by_the_approvals_of_its_state_folder() {
    let sim = waiting();
    let hash = sim.waiting().remove(0);
    sim.apply(&["--state", "state"]).exits(3).says(&["held, Approval"]);
    assert!(is_there(&sim));
    sim.approve("ml", &hash);
    // Without the folder it knows of no approval, and removes nothing in any case.
    sim.apply(&[]);
    assert!(is_there(&sim));
    sim.apply(&["--state", "state"]).exits(0);
    assert!(!is_there(&sim));
}

#[test]
fn with_lost_clocks_a_next_hop_that_was_approved_once_is_not_approved_again() {
    let sim = Sim::start();
    let ask = |hop: Value| sim.usual(json!({"spec": {"routes": {"routeTables": [{"id": TABLE, "nextHop": hop}]}}}));
    let firewall = || json!({"type": "VirtualAppliance", "ipAddress": "10.0.0.4"});
    ask(json!({"type": "Internet"}));
    sim.once(&[]).exits(0);
    for hop in [firewall(), json!({"type": "Internet"})] {
        ask(hop);
        sim.once(&[]).exits(3);
        sim.approve("ml", &sim.waiting()[0]);
        sim.once(&[]).exits(0);
    }
    std::fs::remove_file(sim.path("state/clocks.json")).unwrap();
    let before = sim.history(TABLE);
    ask(firewall());
    sim.once(&[]).says(&["what is remembered of the targets is lost"]);
    assert_eq!(sim.history(TABLE), before, "each approval was used");
}

#[test]
fn an_approval_that_a_loss_made_void_can_be_given_anew() {
    let sim = waiting();
    sim.approve("ml", &sim.waiting()[0]);
    std::fs::remove_file(sim.path("state/clocks.json")).unwrap();
    let lost = sim.once(&[]);
    lost.says(&["what is remembered of the targets is lost"]);
    assert!(is_there(&sim));
    // A week later only the word of a person is missing.
    let later = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_hours(8 * 24)).unwrap().to_string();
    sim.once(&["--now", &later]).exits(3);
    let plan = sim.plan(&["--state", "state", "--now", &later, "-o", "json"]).exits(3).json();
    let hash = plan["targets"][0]["hash"].as_str().unwrap();
    sim.amlnet(&["approve", "ml", "--hash", hash, "--state", "state", "--now", &later]).exits(0);
    sim.once(&["--now", &later]).exits(0);
    assert!(!is_there(&sim));
}

#[test]
fn an_approval_that_a_loss_made_void_is_not_said_to_be_done() {
    let sim = waiting();
    sim.approve("ml", &sim.waiting()[0]);
    std::fs::remove_file(sim.path("state/clocks.json")).unwrap();
    let said = sim.once(&[]).all();
    assert!(is_there(&sim));
    assert!(!said.contains("what it stood for is done"), "nothing of it was done:\n{said}");
}

#[test]
fn a_running_controller_names_an_approval_that_it_cannot_read() {
    let sim = waiting();
    let controller = sim.controller(&[]);
    controller.wait_until("the first look", || controller.log().contains("nothing to write"));
    std::fs::create_dir_all(sim.path("state/approvals")).unwrap();
    std::fs::write(sim.path("state/approvals/wrong.yaml"), "a: [").unwrap();
    controller.wait_until("the word about it", || controller.log().contains("wrong.yaml"));
    controller.terminate();
    assert!(is_there(&sim));
}
