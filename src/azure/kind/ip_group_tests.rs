//! Groups as Azure writes them, and bodies as amlnet does.

use super::*;
use crate::domain::intent::Installation;
use serde_json::json;

const BASE: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network";

fn id() -> ResourceId {
    format!("{BASE}/ipGroups/ipg").parse().unwrap()
}

fn input() -> TargetInput {
    TargetInput::new(id(), "prod".parse::<Installation>().unwrap(), Vec::new())
}

fn body(addresses: &[&str], tags: &Value, state: &str) -> Value {
    json!({"location": "eastus2", "tags": tags, "type": "Microsoft.Network/IpGroups", "properties": {
        "provisioningState": state, "ipAddresses": addresses,
        "firewalls": [{"id": format!("{BASE}/azureFirewalls/f")}],
        "firewallPolicies": [{"id": format!("{BASE}/FirewallPolicies/P")}]}})
}

fn step(action: Action, address: &str) -> Step {
    Step {
        action,
        entry: address.to_owned(),
        address: address.parse().unwrap(),
        next_hop: (action != Action::Remove).then_some(NextHop::Member),
        before: None,
        purposes: BTreeSet::new(),
        wanted_by: BTreeSet::new(),
    }
}

fn written(observed: &Observed, steps: &[Step]) -> Value {
    let requests = IpGroup.requests(&input(), steps, observed).unwrap();
    let [Request { write: Write::PutIpGroup { group, .. }, .. }] = &requests[..] else { panic!("no write") };
    serde_json::to_value(&**group).unwrap()
}

#[test]
fn a_group_is_read_with_its_mark_its_users_and_addresses_in_every_form() {
    let tags = json!({"AMLNET-Installation": "prod", "team": "ml"});
    let observed =
        IpGroup.observe(&id(), &body(&["20.1.0.0/26", "10.0.0.1", "10.0.0.2-10.0.0.9"], &tags, "Succeeded")).unwrap();
    let read: Vec<(String, &str)> = observed.entries.iter().map(|e| (e.address.to_string(), e.name.as_str())).collect();
    assert_eq!(read[0], ("20.1.0.0/26".to_owned(), "20.1.0.0/26"));
    assert_eq!(read[1], ("10.0.0.1/32".to_owned(), "10.0.0.1"));
    assert_eq!(read[2], ("10.0.0.2-10.0.0.9".to_owned(), "10.0.0.2-10.0.0.9"));
    let whole = observed.whole.as_ref().unwrap();
    assert!(whole.is_marked(&input().installation) && !whole.is_marked(&"test".parse().unwrap()));
    assert_eq!(whole.tags, BTreeMap::from([("team".to_owned(), "ml".to_owned())]));
    assert_eq!(whole.users.len(), 2);
    assert!(!observed.updating && observed.entries.iter().all(|entry| !entry.failed));
}

#[test]
fn states_are_read() {
    let read = |state: &str| IpGroup.observe(&id(), &body(&["20.1.0.0/26"], &json!({}), state)).unwrap();
    assert!(read("Updating").updating && read("Deleting").updating && !read("Failed").updating);
    assert!(read("Failed").entries[0].failed);
}

#[test]
fn an_answer_without_addresses_is_not_an_empty_group() {
    let mut bodies = vec![json!({}), json!({"location": "x", "properties": {}})];
    bodies.push(json!({"location": "x", "properties": {"ipAddresses": null}}));
    bodies.push(json!({"location": "x", "properties": {"ipAddresses": [1]}}));
    bodies.push(json!({"properties": {"ipAddresses": []}}));
    for body in bodies {
        assert!(IpGroup.observe(&id(), &body).is_err(), "{body}");
    }
}

#[test]
fn one_body_holds_what_stands_what_comes_and_not_what_goes() {
    let tags = json!({"amlnet-installation": "prod", "team": "ml"});
    let observed = IpGroup.observe(&id(), &body(&["20.1.0.0/26", "20.2.0.0/26"], &tags, "Succeeded")).unwrap();
    let steps = [step(Action::Add, "20.0.0.0/26"), step(Action::Remove, "20.2.0.0/26")];
    let group = written(&observed, &steps);
    assert_eq!(group["properties"], json!({"ipAddresses": ["20.0.0.0/26", "20.1.0.0/26"]}));
    assert_eq!(group["tags"], tags);
    assert_eq!(group["location"], "eastus2");
    assert_eq!(IpGroup.requests(&input(), &[step(Action::Remove, "20.1.0.0/26"), steps[1].clone()], &observed), None);
}

#[test]
fn a_new_group_bears_the_mark() {
    let group = written(&absent("westeurope"), &[step(Action::Add, "20.0.0.0/26")]);
    assert_eq!(group["location"], "westeurope");
    assert_eq!(group["tags"], json!({"amlnet-installation": "prod"}));
}
