use super::*;
use serde_json::json;

use crate::domain::outbound::Priorities;
use crate::domain::plan::Action;
use crate::domain::testing::{installation, key, table_id};

fn id() -> ResourceId {
    table_id("nsg").to_string().replace("routeTables", "networkSecurityGroups").parse().unwrap()
}

fn observe(rules: &[Value]) -> Observed {
    let group = json!({"location": "eastus2", "properties": {"securityRules": rules, "subnets": [{}], "networkInterfaces": [{}]}});
    SecurityGroup.observe(&id(), &json!({"installation": "prod", "group": group})).unwrap()
}

/// A rule as ARM shows it, with these properties instead of the usual.
fn rule(name: &str, other: &Value) -> Value {
    let mut properties = json!({"provisioningState": "Succeeded", "protocol": "Tcp", "sourcePortRange": "*",
        "destinationPortRange": "443", "sourceAddressPrefix": "10.1.0.0/24", "destinationAddressPrefix": "Storage",
        "access": "Allow", "priority": 2000, "direction": "Outbound", "sourcePortRanges": [], "destinationPortRanges": [],
        "sourceAddressPrefixes": [], "destinationAddressPrefixes": []});
    for (field, value) in other.as_object().unwrap() {
        properties[field] = value.clone();
    }
    json!({"name": name, "properties": properties})
}

fn around(observed: Observed) -> GroupAround {
    match observed.rules.unwrap().around {
        Around::Group(group) => group,
        other => panic!("{other:?}"),
    }
}

#[test]
fn chunks_are_one_rule_and_what_is_inbound_is_turned_around() {
    let inbound = json!({"direction": "Inbound", "sourceAddressPrefix": "AzureMachineLearning",
        "destinationAddressPrefix": "VirtualNetwork", "destinationPortRange": "44224"});
    let second = json!({"destinationAddressPrefix": "", "destinationAddressPrefixes": ["20.0.0.0/26", "20.1.0.7"], "priority": 2001});
    let observed = observe(&[
        rule("amlnet.prod.out.x.tcp-ip", &json!({"destinationAddressPrefix": "20.2.0.0/26"})),
        rule("AMLNET.prod.out.x.tcp-ip.2", &second),
        rule("amlnet.prod.in.y.tcp", &inbound),
    ]);
    let texts: BTreeSet<String> =
        observed.entries.iter().map(|entry| entry.address.to_string().to_lowercase()).collect();
    let expected = [
        "amlnet.prod.in.y.tcp at virtualnetwork",
        "amlnet.prod.in.y.tcp on tcp 44224",
        "amlnet.prod.in.y.tcp with azuremachinelearning",
        "amlnet.prod.out.x.tcp-ip at 10.1.0.0/24",
        "amlnet.prod.out.x.tcp-ip on tcp 443",
        "amlnet.prod.out.x.tcp-ip with 20.0.0.0/26",
        "amlnet.prod.out.x.tcp-ip with 20.1.0.7/32",
        "amlnet.prod.out.x.tcp-ip with 20.2.0.0/26",
    ];
    assert_eq!(texts, expected.map(str::to_owned).into());
    assert_eq!((observed.entries.len(), observed.subnets), (8, 2));
    assert!(observed.entries.iter().all(|entry| !entry.failed));
}

#[test]
fn rules_of_others_have_no_entries_and_are_counted() {
    let observed = observe(&[
        rule(
            "mine",
            &json!({"priority": 300, "sourceAddressPrefixes": ["10.0.0.0/8", "11.0.0.0/8"], "sourceAddressPrefix": ""}),
        ),
        rule("amlnet.test.x", &json!({"priority": 301})),
        rule("amlnet.prodx", &json!({"priority": 302, "direction": "Inbound"})),
    ]);
    assert!(observed.entries.is_empty());
    let group = around(observed);
    assert_eq!((group.sources, group.destinations, group.others.len()), (4, 3, 3));
    let taken: Vec<(Direction, u16)> = group.taken.into_keys().collect();
    assert_eq!(taken, [(Direction::Outbound, 300), (Direction::Outbound, 301), (Direction::Inbound, 302)]);
}

#[test]
fn a_rule_that_says_something_else_is_to_be_written_again() {
    for other in [
        json!({"access": "Deny"}),
        json!({"sourcePortRange": "1-2"}),
        json!({"sourcePortRange": "", "sourcePortRanges": ["1", "2"]}),
        json!({"destinationPortRange": "443-444"}),
        json!({"protocol": "Esp"}),
        json!({"destinationAddressPrefix": "20.0.0.1-20.0.0.9"}),
        json!({"sourceApplicationSecurityGroups": [{"id": "/x"}]}),
        json!({"provisioningState": "Failed"}),
    ] {
        let observed = observe(&[rule("amlnet.prod.out.x.tcp", &other)]);
        assert!(!observed.rules.unwrap().ours["amlnet.prod.out.x.tcp"].is_as_written, "{other}");
        assert!(observed.entries.iter().all(|entry| entry.failed), "{other}");
    }
}

#[test]
fn a_group_that_moves_is_updating() {
    assert!(!observe(&[rule("mine", &json!({}))]).updating);
    assert!(observe(&[rule("mine", &json!({"provisioningState": "Updating"}))]).updating);
    let group = json!({"location": "l", "properties": {"provisioningState": "Deleting", "securityRules": []}});
    assert!(SecurityGroup.observe(&id(), &json!({"installation": "prod", "group": group})).unwrap().updating);
}

#[test]
fn one_value_stands_alone_and_several_in_a_list() {
    let mut input = TargetInput::new(id(), installation(), Vec::new());
    input.priorities.insert(key("a"), Priorities { from: 2000, to: 2099 });
    let observed = observe(&[rule("amlnet.prod.out.x.tcp", &json!({}))]);
    let parts = [
        ("+", "amlnet.prod.out.x.tcp at 10.2.0.0/24"),
        ("+", "amlnet.prod.out.x.tcp on TCP 80"),
        ("-", "amlnet.prod.out.x.tcp with Storage"),
        ("+", "amlnet.prod.out.x.tcp with Storage.EastUS2"),
    ];
    let step = |(sign, text): (&str, &str)| {
        let action = if sign == "+" { Action::Add } else { Action::Remove };
        Step {
            action,
            entry: text.to_owned(),
            address: text.parse().unwrap(),
            next_hop: (action == Action::Add).then_some(NextHop::Member),
            before: None,
            purposes: BTreeSet::new(),
            wanted_by: BTreeSet::new(),
        }
    };
    let requests = SecurityGroup.requests(&input, &parts.map(step), &observed).unwrap();
    let [Request { write: Write::PutSecurityRule { name, rule, .. }, steps }] = &requests[..] else {
        panic!("{requests:?}")
    };
    assert_eq!((name.as_str(), steps.len()), ("amlnet.prod.out.x.tcp", 4));
    let body = serde_json::to_value(&**rule).unwrap();
    assert_eq!(
        body,
        json!({"name": "amlnet.prod.out.x.tcp", "properties": {"protocol": "Tcp", "sourcePortRange": "*",
            "destinationPortRanges": ["80", "443"], "sourceAddressPrefixes": ["10.1.0.0/24", "10.2.0.0/24"],
            "destinationAddressPrefix": "Storage.EastUS2", "access": "Allow", "priority": 2000, "direction": "Outbound"}})
    );
    // Without room nothing at all is written.
    input.priorities.insert(key("a"), Priorities { from: 1, to: 0 });
    assert_eq!(SecurityGroup.requests(&input, &parts.map(step), &observed), None);
}

#[test]
fn what_not_all_rules_of_one_agree_about_does_not_stand_and_is_written_again() {
    let first = json!({"destinationAddressPrefix": "20.0.0.0/26", "sourceAddressPrefix": "",
        "sourceAddressPrefixes": ["10.1.0.0/24", "10.2.0.0/24"]});
    let second = json!({"destinationAddressPrefix": "20.1.0.0/26", "priority": 2001});
    let observed = observe(&[rule("amlnet.prod.out.x.tcp-ip", &first), rule("amlnet.prod.out.x.tcp-ip.2", &second)]);
    let found: Vec<(String, bool)> =
        observed.entries.iter().map(|entry| (entry.address.part().unwrap().element(), entry.failed)).collect();
    let expected =
        [("at 10.1.0.0/24", true), ("with 20.0.0.0/26", true), ("with 20.1.0.0/26", false), ("on TCP 443", true)];
    assert_eq!(found, expected.map(|(text, failed)| (text.to_owned(), failed)));
}

#[test]
fn another_protocol_than_the_name_says_is_somebody_elses_work() {
    let observed = observe(&[rule("amlnet.prod.out.x.tcp", &json!({"protocol": "*"}))]);
    assert!(observed.entries.iter().all(|entry| entry.failed), "{observed:?}");
    let ports = observed.entries.iter().filter(|entry| matches!(entry.address.part().unwrap().part, Part::Port(_)));
    assert_eq!(ports.count(), 0);
}
