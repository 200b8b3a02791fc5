//! IP groups: made, taken over or refused; what they hold, what that costs, and what is said about it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::groups::{
    asked, assert_group_clean, batch, group, group_id, group_writes, groups_week, marked, storage,
};
use crate::harness::{Doc, Sim, TABLE};

fn of_batch(range: std::ops::Range<usize>) -> BTreeSet<String> {
    range.map(batch).collect()
}

fn both() -> [Value; 2] {
    [asked("batch", "BatchNodeManagement"), asked("storage", "Storage")]
}

fn without_create(name: &str) -> Value {
    json!({"id": group_id(name), "requirement": "BatchNodeManagement"})
}

#[test]
fn a_missing_group_is_created_with_its_mark_and_in_one_write() {
    let sim = Sim::with_groups(vec![]);
    sim.ask_groups(&both(), json!({}));
    let plan = sim.plan(&["-o", "json"]).exits(2).json();
    let target = &plan["targets"][0];
    assert_eq!(
        (&target["kind"], &target["limit"], &target["entriesAfter"]),
        (&json!("IpGroup"), &json!(5000), &json!(4))
    );
    let step = &target["steps"][0];
    assert_eq!((&step["action"], &step["addresses"]), (&json!("Add"), &json!([batch(0)])));
    assert!(step["nextHop"].is_null(), "{step}");
    assert_eq!(step["wantedBy"], json!(["default/ml"]));
    assert_eq!(group_writes(&sim.log()), 0, "a plan writes nothing");
    sim.plan(&[]).exits(2).says(&["7 to add, 0 to change, 0 to remove", &batch(3), "BatchNodeManagement"]);

    let (_, cost) = sim.group_cost("batch", || sim.once(&[]).exits(0));
    assert_eq!((cost.1, cost.2), (1, 0));
    assert_eq!(sim.members("batch"), of_batch(0..4));
    assert_eq!(sim.members("storage"), (0..3).map(storage).collect());
    let group = sim.resource(&group_id("batch"));
    assert_eq!((&group["location"], &group["tags"]), (&json!("eastus2"), &json!({"amlnet-installation": "prod"})));

    for ran in [sim.group_cost("batch", || sim.once(&[])), sim.group_cost("batch", || sim.plan(&["--state", "state"]))]
    {
        let (ran, cost) = ran;
        ran.exits(0).says(&["nothing to do"]);
        assert_eq!(cost, (1, 0, 0), "one look, no write");
    }
}

#[test]
fn an_empty_group_is_taken_over_and_keeps_its_tags() {
    let tags = json!({"tags": {"owner": "network", "Cost": "12"}, "location": "centralus"});
    let sim = Sim::with_groups(vec![group("batch", &[], tags)]);
    sim.ask_groups(&[without_create("batch")], json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(sim.members("batch"), of_batch(0..4));
    let group = sim.resource(&group_id("batch"));
    assert_eq!(group["tags"], json!({"owner": "network", "Cost": "12", "amlnet-installation": "prod"}));
    assert_eq!(group["location"], "centralus", "it stays where it is");
}

#[test]
fn a_mark_in_other_letters_is_a_mark() {
    let other_case = json!({"tags": {"AMLNET-Installation": "PROD"}});
    let sim = Sim::with_groups(vec![group("batch", &[&batch(0)], other_case)]);
    sim.ask_groups(&[without_create("batch")], json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(sim.members("batch"), of_batch(0..4));
    assert_eq!(sim.resource(&group_id("batch"))["tags"], json!({"amlnet-installation": "prod"}));
}

#[test]
fn a_group_that_is_not_amlnets_is_left_as_it_is() {
    let of_other = json!({"tags": {"amlnet-installation": "test"}});
    for (what, there, said) in [
        ("foreign", group("batch", &["10.0.0.0/24"], json!({})), "holds 1 addresses that are not amlnet's"),
        ("another's", group("batch", &["10.0.0.0/24"], of_other.clone()), "belongs to installation test"),
        ("another's, empty", group("batch", &[], of_other), "belongs to installation test"),
        ("all that is needed, no mark", group("batch", &[&batch(0), &batch(1)], json!({})), "bears no mark"),
    ] {
        let sim = Sim::with_groups(vec![there]);
        sim.ask_groups(&both(), json!({}));
        let before = sim.resource(&group_id("batch"));
        for ran in [sim.plan(&[]), sim.apply(&[]), sim.once(&[])] {
            ran.exits(3).says(&["blocked, Conflict", said]);
        }
        assert_eq!(sim.resource(&group_id("batch")), before, "{what}");
        assert_eq!(sim.group_cost("batch", || sim.once(&[]).exits(3)).1, (1, 0, 0), "{what}");
        assert_eq!(sim.members("storage").len(), 3, "{what}: the other group is not kept waiting");
    }
}

#[test]
fn a_group_that_lost_its_mark_is_left_until_it_has_it_again() {
    let sim = Sim::with_groups(vec![]);
    sim.ask_groups(&[without_create("batch"), asked("storage", "Storage")], json!({}));
    sim.put(marked("batch", &[]));
    sim.once(&[]).exits(0);
    let members = of_batch(0..4).into_iter().collect::<Vec<_>>();
    let all: Vec<&str> = members.iter().map(String::as_str).collect();
    sim.put(group("batch", &all, json!({})));
    sim.publish(&groups_week(2, 0..6, 0..3));
    let said = sim.once(&[]).exits(3);
    said.says(&["blocked, Conflict", "lost its mark", "amlnet-installation: prod"]);
    assert_eq!(sim.members("batch"), of_batch(0..4));
    sim.put(marked("batch", &all));
    sim.once(&[]).exits(0);
    assert_eq!(sim.members("batch"), of_batch(0..6));
}

#[test]
fn a_missing_group_that_is_not_to_be_created_is_3() {
    let sim = Sim::with_groups(vec![]);
    sim.ask_groups(&[without_create("batch")], json!({}));
    for ran in [sim.plan(&[]), sim.once(&[])] {
        ran.exits(3).says(&["blocked, NotFound", "create: {location: …}", "correlation id"]);
    }
    assert_eq!(group_writes(&sim.log()), 0);
}

#[test]
fn a_missing_resource_group_is_3_also_with_create() {
    let sim = Sim::with_groups(vec![]);
    let elsewhere = group_id("batch").replace("rg-ml", "rg-missing");
    let asked = json!({"id": elsewhere, "requirement": "Storage", "create": {"location": "eastus2"}});
    sim.ask_groups(&[asked], json!({}));
    sim.once(&[]).exits(3).says(&["blocked, NotFound", "rg-missing"]);
    assert_eq!(group_writes(&sim.log()), 0);
}

#[test]
fn k_changed_prefixes_are_one_write_and_other_groups_are_left_alone() {
    let sim = Sim::with_groups(vec![]);
    sim.ask_groups(&both(), json!({}));
    sim.once(&[]).exits(0);
    for (week, in_batch, in_storage, of_batch_writes, of_storage_writes) in [
        (2, 0..10, 0..3, 1, 0),
        (3, 0..10, 0..3, 0, 0),
        (4, 2..11, 0..3, 1, 0),
        (5, 2..11, 1..9, 0, 1),
        (6, 5..6, 0..1, 1, 1),
    ] {
        sim.publish(&groups_week(week, in_batch.clone(), in_storage.clone()));
        let from = sim.log().len();
        sim.once(&[]).exits(0);
        let cost = |name| crate::harness::groups::group_counts(&sim.log()[from..], name);
        assert_eq!((cost("batch").1, cost("storage").1), (of_batch_writes, of_storage_writes), "week {week}");
        assert_eq!(cost("batch").2, 0, "nothing else is written");
        if of_batch_writes == 0 {
            assert_eq!(cost("batch").0, 1, "week {week}: no-op");
        }
        assert_eq!(sim.members("batch"), of_batch(in_batch), "week {week}");
        assert_eq!(sim.members("storage"), in_storage.map(storage).collect(), "week {week}");
    }
    assert_group_clean(&sim.group_states("batch"), [batch(5)], &[]);
}

#[test]
fn the_audit_tells_a_write_by_its_addresses() {
    let sim = Sim::with_groups(vec![]);
    sim.ask_groups(&[asked("batch", "BatchNodeManagement")], json!({}));
    sim.once(&[]).exits(0);
    sim.publish(&groups_week(2, 1..6, 0..3));
    sim.once(&[]).exits(0);
    let lines = crate::harness::told::lines(&sim);
    assert_eq!(lines.len(), 2);
    let last = &lines[1];
    assert_eq!(
        (&last["action"], &last["entry"], &last["result"]),
        (&json!("Write"), &json!("batch"), &json!("Succeeded"))
    );
    assert_eq!((&last["added"], &last["removed"]), (&json!([batch(4), batch(5)]), &json!([batch(0)])));
    assert_eq!(last["contributors"], json!(["default/ml"]));
    let id = last["correlationId"].as_str().unwrap();
    let write = sim.log().into_iter().find(|entry| entry.method == "PUT" && entry.correlation_id == id);
    assert!(write.is_some_and(|write| write.url.to_lowercase().contains("/ipgroups/batch")), "{last}");
    assert_eq!((&lines[0]["changed"], lines[0]["added"].as_array().unwrap().len()), (&json!(null), 4));
    sim.once(&["--log", "info"]).exits(0);
}

#[test]
fn over_5000_addresses_is_said_and_nothing_is_written() {
    let many = |count: usize| (0..count).map(|i| format!("20.{}.{}.0/24", 64 + i / 256, i % 256)).collect::<Vec<_>>();
    let sim = Sim::with_groups(vec![]);
    sim.ask_groups(&both(), json!({}));
    sim.publish(&groups_week(2, 0..4, 0..3).tag("Storage.EastUS2", "eastus2", many(5001)));
    for ran in [sim.plan(&[]), sim.once(&[])] {
        ran.exits(3).says(&["blocked, Capacity", "would hold 5001 addresses, its limit is 5000", "several groups"]);
    }
    assert_eq!(sim.members("batch").len(), 4);
    assert!(sim.resource(&group_id("storage")).is_null(), "not even created");
    sim.publish(&groups_week(3, 0..4, 0..3).tag("Storage.EastUS2", "eastus2", many(5000)));
    sim.once(&[]).exits(0).says(&["CapacityHigh", "5000 addresses of at most 5000"]);
    assert_eq!(sim.members("storage").len(), 5000);
    // Full, and one is replaced: both are one write, so there is room for it.
    let mut other = many(5001);
    other.remove(0);
    sim.publish(&groups_week(4, 0..4, 0..3).tag("Storage.EastUS2", "eastus2", other.clone()));
    sim.once(&[]).exits(0);
    assert_eq!(sim.members("storage"), other.into_iter().collect());
}

#[test]
fn near_its_limit_a_group_is_warned_of() {
    let many = (0..4000).map(|i| format!("20.{}.{}.0/24", 64 + i / 256, i % 256));
    let sim = Sim::with_groups(vec![]);
    sim.ask_groups(&[asked("storage", "Storage")], json!({}));
    sim.publish(&groups_week(2, 0..4, 0..3).tag("Storage.EastUS2", "eastus2", many));
    sim.once(&[]).exits(0).says(&["CapacityHigh", "4000 addresses of at most 5000"]);
}

#[test]
fn a_requirement_that_has_no_addresses_is_said_with_what_to_do() {
    let hosts = json!([{"name": "github", "hosts": ["github.com"], "ports": [{"protocol": "Https", "port": 443}]}]);
    for (what, asks, change, said) in [
        ("unknown", asked("x", "Strage"), json!({}), "did you mean"),
        ("hosts only", asked("x", "github"), json!({"additional": hosts}), "an IP group holds addresses only"),
        ("not chosen", asked("x", "HbiWorkspace.AzureKeyVault"), json!({}), "add its profile"),
        ("excluded", asked("x", "Storage"), json!({"exclude": ["Storage"]}), "exclude leaves it out"),
        ("not in the document", asked("x", "AzureMonitor"), json!({}), "AzureMonitor"),
        ("an edition nobody knows", asked("x", "Storage"), json!({"edition": "2031-07"}), "2031-07"),
        ("a profile nobody knows", asked("x", "Storage"), json!({"profiles": ["Bse"]}), "Bse"),
    ] {
        let sim = Sim::with_groups(vec![]);
        sim.ask_groups(&[asks], json!({"spec": {"outbound": change}}));
        for ran in [sim.plan(&[]), sim.once(&[])] {
            let ran = ran.exits(3);
            assert!(ran.all().contains(said), "{what}: {}", ran.all());
        }
        assert_eq!(group_writes(&sim.log()), 0, "{what}");
    }
}

#[test]
fn a_requirement_without_addresses_left_keeps_what_it_has() {
    let sim = Sim::with_groups(vec![]);
    sim.ask_groups(&both(), json!({}));
    sim.once(&[]).exits(0);
    sim.publish(&groups_week(2, 0..5, 0..3).without("Storage.EastUS2"));
    sim.once(&[]).exits(3).says(&["blocked, Unresolved", "Storage"]);
    assert_eq!((sim.members("storage").len(), sim.members("batch").len()), (3, 5));
    sim.publish(&groups_week(3, 0..5, 0..3).tag("Storage.EastUS2", "eastus2", ["2603:1030:40c:1::/64"]));
    sim.once(&[]).exits(3).says(&["blocked, Unresolved", "no IPv4 addresses"]);
    assert_eq!(sim.members("storage").len(), 3);
}

#[test]
fn a_row_of_the_users_own_is_a_group_too() {
    let rows = json!([{"name": "keyvault", "serviceTag": "AzureKeyVault", "regional": true,
        "ports": [{"protocol": "TCP", "port": 443}]}]);
    let sim = Sim::with_groups(vec![]);
    sim.publish(&groups_week(2, 0..4, 0..3).tag("AzureKeyVault.EastUS2", "eastus2", ["20.13.0.0/24", "20.13.1.7/32"]));
    let outbound = json!({"profiles": [], "additional": rows});
    sim.ask_groups(&[asked("keyvault", "keyvault")], json!({"spec": {"outbound": outbound}}));
    sim.once(&[]).exits(0);
    assert_eq!(sim.members("keyvault"), ["20.13.0.0/24".to_owned(), "20.13.1.7/32".to_owned()].into());
    let (_, cost) = sim.group_cost("keyvault", || sim.once(&[]).exits(0));
    assert_eq!(cost, (1, 0, 0));
}

#[test]
fn a_tag_that_another_cloud_does_not_have_is_said() {
    let sim = Sim::with_groups(vec![]);
    let government = Doc::week(2).of_cloud("AzureGovernment");
    let government =
        ["AzureCloud", "BatchNodeManagement", "AzureMachineLearning"].into_iter().fold(government, |doc, service| {
            let prefix = if service == "AzureCloud" { "20.40.0.0/16" } else { "20.40.0.0/26" };
            doc.tag(&format!("{service}.USGovVirginia"), "usgovvirginia", [prefix])
        });
    let only = |doc: Doc, service: &str| {
        let doc = ["EastUS2", "CentralUS", "WestEurope"].into_iter().fold(doc, |doc, region| {
            let name = format!("{service}.{region}");
            if doc.value().to_string().contains(&format!("\"{name}\"")) { doc.without(&name) } else { doc }
        });
        doc.tag(service, "", ["20.40.0.0/26"])
    };
    let government = only(only(government, "AzureMachineLearning"), "BatchNodeManagement");
    sim.publish_of("AzureGovernment", &government);
    let feed = crate::harness::feed(&sim.page_of("AzureGovernment"), json!({"spec": {"cloud": "AzureGovernment"}}));
    for (requirement, said) in
        [("AzureFrontDoor.FirstParty", "do not hold it in cloud AzureGovernment"), ("AzureMonitor", "AzureMonitor")]
    {
        let change = json!({"spec": {"region": "usgovvirginia", "pairedRegion": "None"}});
        sim.ask_groups(&[asked("x", requirement), asked("batch", "BatchNodeManagement")], change);
        sim.objects("feed.yaml", std::slice::from_ref(&feed));
        sim.once(&["--cloud", "AzureGovernment"]).exits(3).says(&[said]);
        assert!(sim.resource(&group_id("x")).is_null());
        assert_eq!(sim.members("batch"), ["20.40.0.0/26".to_owned()].into());
    }
}

#[test]
fn ipv6_is_left_out_with_a_note_and_alone_refused() {
    let sim = Sim::with_groups(vec![]);
    let mixed: Vec<String> = (0..3).map(storage).chain(["2603:1030:40c:1::/64".to_owned()]).collect();
    sim.publish(&groups_week(2, 0..4, 0..3).tag("Storage.EastUS2", "eastus2", mixed));
    sim.ask_groups(&[asked("storage", "Storage")], json!({"spec": {"ipFamilies": ["IPv4", "IPv6"]}}));
    sim.once(&[]).exits(0).says(&["GroupWithoutIPv6"]);
    assert_eq!(sim.members("storage"), (0..3).map(storage).collect());
    sim.ask_groups(&[asked("storage", "Storage")], json!({"spec": {"ipFamilies": ["IPv6"]}}));
    sim.plan(&[]).exits(1).says(&["IP groups hold IPv4 only; add IPv4 to ipFamilies"]);
    assert_eq!(sim.members("storage").len(), 3);
}

#[test]
fn a_group_beside_a_table_is_a_target_of_its_own() {
    let table = json!({"id": TABLE, "location": "eastus2", "properties": {"routes": []}});
    let sim = Sim::with_groups(vec![]);
    sim.put(table);
    sim.ask_groups(
        &[asked("batch", "BatchNodeManagement")],
        json!({"spec": {"routes": {"routeTables": [{"id": TABLE}]}}}),
    );
    let plan = sim.once(&["-o", "json"]).exits(0).json();
    let kinds: BTreeSet<&str> =
        plan["targets"].as_array().unwrap().iter().map(|target| target["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["IpGroup", "RouteTable"].into());
    let status = sim.status("ml");
    assert_eq!(status["targets"].as_array().unwrap().len(), 2, "{status}");
    assert!(status["targets"].as_array().unwrap().iter().all(|target| target["state"] == "InSync"), "{status}");
}
