//! What people do to our rules behind our back: it is seen, and written again as it was. What is not ours in our group
//! blocks it. Recorded answers of Azure are read without an error.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use amlnet::azure::kind;
use amlnet::domain::plan::BlockedReason;
use serde_json::{Value, json};

use crate::rules::{Azure, World, nsg_id, policy_id};
use crate::rules_shared::{FIRST, Net, batch, code, vault, world};
use crate::support::{executable, manifest_dir};

/// Our group on a policy, or our rules in a security group, to be changed.
fn written(azure: Azure) -> World {
    let is_policy = matches!(azure, Azure::Policy { .. });
    let mut additional = vec![batch(), vault()];
    additional.extend(is_policy.then(|| code(&["github.com"])));
    world(azure, &[Net { additional, ..Net::default() }])
}

fn rules(azure: &mut Azure) -> Vec<&mut Value> {
    match azure {
        Azure::Policy { ours, .. } => {
            let collections = ours.as_mut().unwrap()["properties"]["ruleCollections"].as_array_mut().unwrap();
            collections.iter_mut().flat_map(|collection| collection["rules"].as_array_mut().unwrap()).collect()
        }
        Azure::Group(rules) => rules.iter_mut().collect(),
    }
}

fn rule<'a>(azure: &'a mut Azure, part: &str) -> &'a mut Value {
    rules(azure).into_iter().find(|rule| rule["name"].as_str().unwrap().contains(part)).unwrap()
}

/// Rules in the order of their names: a rule that was deleted comes back behind the others.
fn sorted(azure: &Azure) -> Value {
    let mut body = azure.body();
    if let Some(rules) = body.pointer_mut("/group/properties/securityRules").and_then(Value::as_array_mut) {
        rules.sort_by_key(|rule| rule["name"].to_string());
    }
    body
}

/// After the change one plan brings everything back, in at most `writes` writes.
fn assert_restored(azure: Azure, what: &str, change: impl FnOnce(&mut Azure)) {
    let mut world = written(azure);
    let before = sorted(&world.azure);
    change(&mut world.azure);
    assert_ne!(sorted(&world.azure), before, "{what} changes nothing");
    let applied = world.apply();
    assert_eq!(applied.writes.len(), 1, "{what}: {}", applied.plan);
    assert_eq!(sorted(&world.azure), before, "{what}: {}", applied.plan);
    assert!(executable(&world.decide()).is_empty(), "{what}");
}

#[test]
fn a_rule_of_a_policy_that_was_changed_by_hand_is_written_again() {
    for (rule_name, field, value) in [
        ("batch", "sourceAddresses", json!(["*"])),
        ("batch", "sourceAddresses", json!(["10.1.0.0/24", "10.1.1.0-10.1.1.9"])),
        ("batch", "destinationPorts", json!(["443", "8443"])),
        ("batch", "destinationPorts", json!(["443-445"])),
        ("batch", "destinationPorts", json!(["*"])),
        ("batch", "ipProtocols", json!(["TCP", "ICMP"])),
        ("batch", "ipProtocols", json!(["TCP", "UDP"])),
        ("batch", "destinationAddresses", json!(["20.2.0.0/28"])),
        ("batch", "destinationAddresses", json!(["20.2.0.0/28", "20.2.1.0/28", "*"])),
        ("vault", "destinationFqdns", json!(["example.com"])),
        ("code", "targetFqdns", json!(["*"])),
        ("code", "fqdnTags", json!(["AzureBackup"])),
        ("code", "webCategories", json!(["Hacking"])),
        ("code", "targetUrls", json!(["github.com/x"])),
        ("code", "terminateTLS", json!(true)),
        ("code", "protocols", json!([{"protocolType": "Https", "port": 443}, {"protocolType": "Mssql", "port": 1433}])),
    ] {
        assert_restored(Azure::policy(), &format!("{rule_name} {field} {value}"), |azure| {
            rule(azure, rule_name)[field] = value;
        });
    }
}

#[test]
fn a_collection_of_ours_that_was_changed_by_hand_is_written_again() {
    let collection = |azure: &mut Azure, change: fn(&mut Value)| {
        let Azure::Policy { ours: Some(group), .. } = azure else { panic!("no group") };
        change(&mut group["properties"]["ruleCollections"][0]);
    };
    let changes: [(&str, fn(&mut Value)); 3] = [
        ("Deny", |collection| collection["action"]["type"] = json!("Deny")),
        ("another priority", |collection| collection["priority"] = json!(50)),
        ("a rule less", |collection| drop(collection["rules"].as_array_mut().unwrap().pop())),
    ];
    for (what, change) in changes {
        assert_restored(Azure::policy(), what, |azure| collection(azure, change));
    }
    assert_restored(Azure::policy(), "the group's priority", |azure| {
        let Azure::Policy { ours: Some(group), .. } = azure else { panic!("no group") };
        group["properties"]["priority"] = json!(1300);
    });
    assert_restored(Azure::policy(), "no group", |azure| {
        let Azure::Policy { ours, .. } = azure else { panic!("no policy") };
        *ours = None;
    });
}

#[test]
fn a_security_rule_that_was_changed_by_hand_is_written_again() {
    for (field, value) in [
        ("access", json!("Deny")),
        ("sourcePortRange", json!("1024")),
        ("destinationPortRange", json!("443-445")),
        ("destinationPortRange", json!("*")),
        ("protocol", json!("Icmp")),
        ("protocol", json!("*")),
        ("sourceAddressPrefix", json!("*")),
        ("destinationAddressPrefixes", json!(["20.2.0.0/28"])),
        ("destinationAddressPrefixes", json!(["20.2.0.0/28", "20.2.1.0/28", "99.0.0.0/8"])),
        ("sourceApplicationSecurityGroups", json!([{"id": "/subscriptions/x/asg"}])),
        ("priority", json!(3000)),
        ("provisioningState", json!("Failed")),
    ] {
        let clean = |azure: &mut Azure| {
            rule(azure, "batch")["properties"][field] = value.clone();
        };
        assert_restored(Azure::group(), &format!("{field} {value}"), clean);
    }
    assert_restored(Azure::group(), "a rule less", |azure| {
        let Azure::Group(rules) = azure else { panic!("no group") };
        rules.retain(|rule| !rule["name"].as_str().unwrap().contains("batch"));
    });
}

#[test]
fn what_is_not_ours_in_our_group_blocks_it_and_is_named() {
    let stranger = json!({"ruleType": "NetworkRule", "name": "mine", "ipProtocols": ["TCP"], "sourceAddresses": ["*"],
        "destinationAddresses": ["*"], "destinationPorts": ["22"]});
    let nat = json!({"name": "nat", "ruleCollectionType": "FirewallPolicyNatRuleCollection", "priority": 300,
        "action": {"type": "Dnat"}, "rules": []});
    let changes: [(&str, Box<dyn Fn(&mut Value)>); 3] = [
        ("rule collection nat", Box::new(move |all| all.as_array_mut().unwrap().push(nat.clone()))),
        (
            "rule mine in collection amlnet-network",
            Box::new(move |all| all[0]["rules"].as_array_mut().unwrap().push(stranger.clone())),
        ),
        (
            "rule collection amlnet-network",
            Box::new(|all| all[0]["ruleCollectionType"] = json!("FirewallPolicyNatRuleCollection")),
        ),
    ];
    for (named, change) in changes {
        let mut world = written(Azure::policy());
        let Azure::Policy { ours: Some(group), .. } = &mut world.azure else { panic!("no group") };
        change(&mut group["properties"]["ruleCollections"]);
        // Something is to be done besides.
        let more = Net { sources: vec!["10.7.0.0/24"], ..Net::default() }.on(&world.azure, &FIRST);
        world.ask(vec![more]);
        let applied = world.apply();
        let blocked = applied.plan.blocked.unwrap();
        assert_eq!((blocked.reason, applied.writes.len()), (BlockedReason::Conflict, 0));
        assert!(blocked.message.contains(named) && blocked.message.contains("another group"), "{}", blocked.message);
    }
}

/// Takes a field out.
fn without(body: &Value, pointer: &str, field: &str) -> Value {
    let mut body = body.clone();
    assert!(body.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(field).is_some(), "{field}");
    body
}

#[test]
fn a_missing_list_is_no_empty_list() {
    let policy = written(Azure::policy()).azure.body();
    let group = written(Azure::group()).azure.body();
    for (id, body, pointer, field) in [
        (policy_id(), &policy, "/group/properties", "ruleCollections"),
        (policy_id(), &policy, "/group/properties/ruleCollections/0", "rules"),
        (policy_id(), &policy, "/policy", "location"),
        (policy_id(), &policy, "", "installation"),
        (nsg_id(), &group, "/group/properties", "securityRules"),
        (nsg_id(), &group, "/group", "properties"),
        (nsg_id(), &group, "/group/properties/securityRules/0", "name"),
        (nsg_id(), &group, "/group/properties/securityRules/0/properties", "priority"),
        (nsg_id(), &group, "/group/properties/securityRules/0/properties", "direction"),
        (nsg_id(), &group, "", "installation"),
    ] {
        let kind = kind::of(id.kind);
        assert!(kind.observe(&id, body).is_ok());
        let error = kind.observe(&id, &without(body, pointer, field)).unwrap_err();
        assert!(error.to_string().contains(&id.to_string()) && !error.what.is_empty(), "{field}: {error}");
    }
}

/// The bodies of recorded answers in which a URL holds `part`; none, with a word, where there are no recordings.
fn recorded(file: &str, part: &str) -> Vec<Value> {
    let folder = std::env::var_os("ARM_RECORDINGS_DIR")
        .map_or_else(|| manifest_dir().join("../shared/arm-recordings"), PathBuf::from);
    let path = folder.join(file);
    let Ok(file) = std::fs::File::open(&path) else {
        // Not `eprintln`, which the test harness swallows.
        let why = format!("skipped: no file {}; set ARM_RECORDINGS_DIR to the recordings\n", path.display());
        std::io::stderr().write_all(why.as_bytes()).unwrap();
        return Vec::new();
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let is_meant = |one: &Value| {
        one["method"] != "DELETE"
            && one["url"].as_str().unwrap().to_lowercase().contains(&part.to_lowercase())
            && one["response_body"]["properties"].is_object()
    };
    all.filter(is_meant).map(|mut one| one["response_body"].take()).collect()
}

const POLICIES: [&str; 3] = [
    "policy-rcg-draft-deploy-2025.jsonl.gz",
    "policy-rules-with-ip-groups-2025.jsonl.gz",
    "firewall-policy-rcg-live-firewall-2025-03-01.jsonl.gz",
];

#[test]
fn recorded_rule_collection_groups_are_read() {
    let (mut read, mut with_rules) = (0, 0);
    for file in POLICIES {
        let policy = json!({"id": policy_id().to_string(), "name": "p", "location": "westus2", "properties": {}});
        for group in recorded(file, "/ruleCollectionGroups/") {
            let observe = |own: &Value, groups: Value| {
                let body =
                    json!({"installation": "prod", "group": own, "policy": policy, "groups": groups, "bases": []});
                kind::of(policy_id().kind).observe(&policy_id(), &body)
            };
            // As a group of somebody else.
            let beside = observe(&Value::Null, json!([group])).unwrap();
            assert!(beside.entries.is_empty() && !beside.whole.unwrap().exists);
            // As ours: nothing in it is.
            let Some(collections) = group["properties"]["ruleCollections"].as_array() else { continue };
            let ours = observe(&group, json!([group])).unwrap();
            let rules = ours.rules.unwrap();
            assert!(ours.entries.is_empty() && rules.ours.is_empty(), "{group}");
            assert_eq!(rules.strangers.len(), collections.len(), "{:?}", rules.strangers);
            (read, with_rules) = (read + 1, with_rules + usize::from(!collections.is_empty()));
        }
    }
    assert!([(0, 0)].contains(&(read, with_rules)) || (read > 20 && with_rules > 15), "{read} {with_rules}");
}

#[test]
fn recorded_policies_and_security_groups_are_read() {
    let mut read = BTreeSet::new();
    for file in POLICIES {
        for policy in recorded(file, "/firewallPolicies/") {
            if policy["type"]
                .as_str()
                .is_some_and(|kind| kind.eq_ignore_ascii_case("Microsoft.Network/FirewallPolicies"))
            {
                let body = json!({"installation": "prod", "group": null, "policy": policy, "groups": [], "bases": []});
                let observed = kind::of(policy_id().kind).observe(&policy_id(), &body).unwrap();
                assert_eq!(observed.location, policy["location"].as_str().unwrap());
                read.insert(file);
            }
        }
    }
    for file in ["nsg-crud-2024-03-01.jsonl.gz", "azcli-nsg-plural-prefixes-2023.jsonl.gz"] {
        for group in recorded(file, "/networkSecurityGroups/") {
            let Some(rules) = group["properties"]["securityRules"].as_array() else { continue };
            let body = json!({"installation": "prod", "group": group});
            let observed = kind::of(nsg_id().kind).observe(&nsg_id(), &body).unwrap();
            assert!(observed.entries.is_empty());
            let amlnet::domain::plan::rules::Around::Group(around) = observed.rules.unwrap().around else {
                panic!("no group")
            };
            assert_eq!((around.others.len(), around.taken.len()), (rules.len(), rules.len()), "{group}");
            read.insert(file);
        }
    }
    assert!([0, 5].contains(&read.len()), "{read:?}");
}
