use super::*;
use crate::domain::intent::ObjectKey;
use crate::domain::outbound::Priorities;
use crate::domain::plan::{Action, Step};
use crate::domain::testing::{installation, key, table_id};

fn id() -> ResourceId {
    table_id("p").to_string().replace("routeTables", "firewallPolicies").parse().unwrap()
}

fn policy(properties: &Value) -> Value {
    json!({"id": id().to_string(), "name": "p", "location": "eastus2", "properties": properties})
}

fn observe(body: &Value) -> Observed {
    RuleCollectionGroup.observe(&id(), body).unwrap()
}

fn empty(properties: &Value) -> Value {
    json!({"installation": "prod", "group": null, "policy": policy(properties), "groups": [], "bases": []})
}

fn around(body: &Value) -> PolicyAround {
    match observe(body).rules.unwrap().around {
        Around::Policy(policy) => policy,
        other => panic!("{other:?}"),
    }
}

fn input(priority: Option<u16>) -> TargetInput {
    let mut input = TargetInput::new(id(), installation(), Vec::new());
    let of = |priority: u16| -> (ObjectKey, Priorities) { (key("a"), Priorities { from: priority, to: priority }) };
    input.priorities.extend(priority.map(of));
    let contribution = crate::domain::testing::contribution("a", &[]);
    let mut wishes = (**contribution.outcome.as_ref().unwrap()).clone();
    for name in ["amlnet.prod.n", "AllowRStudioInstall"] {
        let head = crate::domain::desired::RuleHead {
            name: name.to_owned(),
            requirement: "r".to_owned(),
            direction: Direction::Outbound,
            description: format!("{}r: what it is for", rule::mark(&installation())),
        };
        wishes.rules.insert(name.to_ascii_lowercase(), head);
    }
    let outcome = Ok(std::sync::Arc::new(wishes));
    input.contributions = vec![crate::domain::desired::Contribution { outcome, ..contribution }];
    input
}

fn steps(texts: &[&str]) -> Vec<Step> {
    let step = |text: &&str| {
        let (sign, address) = text.split_once(' ').unwrap();
        let action = if sign == "-" { Action::Remove } else { Action::Add };
        Step {
            action,
            entry: address.to_owned(),
            address: address.parse().unwrap(),
            next_hop: (action == Action::Add).then_some(NextHop::Member),
            before: None,
            purposes: BTreeSet::new(),
            wanted_by: BTreeSet::new(),
        }
    };
    texts.iter().map(step).collect()
}

const NEW: [&str; 8] = [
    "+ amlnet.prod.n at 10.1.0.0/24",
    "+ amlnet.prod.n with Storage.EastUS2",
    "+ amlnet.prod.n with 20.0.0.0/26",
    "+ amlnet.prod.n on TCP 443",
    "+ amlnet.prod.n on TCP 445",
    "+ AllowRStudioInstall at 10.1.0.0/24",
    "+ AllowRStudioInstall host ghcr.io",
    "+ AllowRStudioInstall on Https 443",
];

fn put(input: &TargetInput, texts: &[&str], observed: &Observed) -> Value {
    match &RuleCollectionGroup.requests(input, &steps(texts), observed).unwrap()[..] {
        [Request { write: Write::PutRuleCollectionGroup { group, name, .. }, .. }] => {
            assert_eq!(name, "amlnet-prod");
            serde_json::to_value(&**group).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_body_has_a_collection_of_each_type_and_every_rule_its_mark() {
    let body = put(&input(Some(1200)), &NEW, &observe(&empty(&json!({}))));
    let description = "amlnet prod: r: what it is for";
    assert_eq!(
        body,
        json!({"properties": {"priority": 1200, "ruleCollections": [
            {"ruleCollectionType": "FirewallPolicyFilterRuleCollection", "name": "amlnet-network", "priority": 100,
                "action": {"type": "Allow"}, "rules": [{"ruleType": "NetworkRule", "name": "amlnet.prod.n",
                    "description": description, "ipProtocols": ["TCP"], "sourceAddresses": ["10.1.0.0/24"],
                    "destinationAddresses": ["20.0.0.0/26", "Storage.EastUS2"], "destinationPorts": ["443", "445"]}]},
            {"ruleCollectionType": "FirewallPolicyFilterRuleCollection", "name": "amlnet-application", "priority": 200,
                "action": {"type": "Allow"}, "rules": [{"ruleType": "ApplicationRule", "name": "AllowRStudioInstall",
                    "description": description, "sourceAddresses": ["10.1.0.0/24"], "targetFqdns": ["ghcr.io"],
                    "protocols": [{"protocolType": "Https", "port": 443}]}]},
        ]}})
    );
}

#[test]
fn what_was_written_is_read_again_and_another_installation_sees_strangers() {
    let body = put(&input(Some(1200)), &NEW, &observe(&empty(&json!({}))));
    let seen = |installation: &str| {
        let body = json!({"installation": installation, "group": body, "policy": policy(&json!({})), "groups": [],
            "bases": []});
        observe(&body)
    };
    let ours = seen("prod");
    let rules = ours.rules.unwrap();
    assert_eq!((ours.entries.len(), rules.ours.len(), rules.strangers.len()), (8, 2, 0));
    assert!(rules.ours.values().all(|rule| rule.is_as_written) && ours.entries.iter().all(|entry| !entry.failed));
    assert_eq!(seen("test").rules.unwrap().strangers.len(), 2);
}

#[test]
fn the_last_rule_takes_the_group_along() {
    let body = put(&input(Some(1200)), &NEW[..4], &observe(&empty(&json!({}))));
    let body = json!({"installation": "prod", "group": body, "policy": policy(&json!({})), "groups": [], "bases": []});
    let gone = ["- amlnet.prod.n with Storage.EastUS2", "- amlnet.prod.n with 20.0.0.0/26"];
    let requests = RuleCollectionGroup.requests(&input(None), &steps(&gone), &observe(&body)).unwrap();
    let [Request { write, steps }] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((write.takes_away(), write.entry(), steps.len()), (true, "amlnet-prod", 2));
    // Whoever asks for no priority any more leaves it as it is.
    let left = put(&input(None), &gone[..1], &observe(&body));
    assert_eq!(left["properties"]["priority"], 1200);
}

#[test]
fn states_are_seen() {
    let with = |group: &str, policy: &str| {
        let body = empty(&json!({"provisioningState": policy}));
        let group = json!({"properties": {"priority": 1, "provisioningState": group, "ruleCollections": []}});
        observe(&json!({"installation": "prod", "group": group, "policy": body["policy"], "groups": [], "bases": []}))
    };
    for (group, policy, updating, failed) in [
        ("Succeeded", "Succeeded", false, false),
        ("Updating", "Succeeded", true, false),
        ("Succeeded", "updating", true, false),
        ("Deleting", "Succeeded", true, false),
        ("Failed", "Succeeded", false, true),
    ] {
        let observed = with(group, policy);
        assert_eq!((observed.updating, observed.whole.unwrap().failed), (updating, failed), "{group} {policy}");
    }
    assert!(around(&empty(&json!({"provisioningState": "Failed"}))).failed);
}

#[test]
fn a_child_without_settings_of_its_own_has_the_dns_proxy_of_its_parents() {
    let on = json!({"dnsSettings": {"enableProxy": true}});
    let off = json!({"dnsSettings": {"enableProxy": false}});
    let none = json!({});
    for (own, parents, expected) in [
        (&on, vec![], true),
        (&none, vec![], false),
        (&none, vec![&on], true),
        (&off, vec![&on], false),
        (&none, vec![&none, &on], true),
        (&none, vec![&off, &on], false),
    ] {
        let mut body = empty(own);
        let base = |properties: &&Value| json!({"policy": policy(properties), "groups": []});
        body["bases"] = parents.iter().map(base).collect();
        assert_eq!(around(&body).dns_proxy, expected, "{own} {parents:?}");
    }
}

#[test]
fn groups_of_others_are_counted_and_ours_is_not_among_them() {
    let rule = json!({"ruleType": "NetworkRule", "name": "r", "sourceAddresses": ["a", "b"], "destinationFqdns": ["c"],
        "destinationIpGroups": ["/subscriptions/s/IPG"], "destinationAddresses": []});
    let group = |name: &str| {
        json!({"name": name, "properties": {"priority": 300, "ruleCollections": [
        {"ruleCollectionType": FILTER, "name": "c", "priority": 1, "action": {"type": "Allow"}, "rules": [rule]}]}})
    };
    let mut body = empty(&json!({"firewalls": [{"id": "/fw"}]}));
    body["groups"] = json!([group("other"), group("AMLNET-prod")]);
    let policy = around(&body);
    let groups = policy.groups.unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!((groups[0].name.as_str(), groups[0].priority, groups[0].pairs), ("other", 300, 4));
    assert_eq!(groups[0].ip_groups, BTreeSet::from(["/subscriptions/s/ipg".to_owned()]));
    assert!(policy.is_used);
    // What cannot be read is no empty list.
    body["groups"] = Value::Null;
    body["groupsUnknown"] = json!("may not be read");
    let unknown = around(&body);
    assert_eq!((unknown.groups, unknown.chain), (None, Err("may not be read".to_owned())));
}
