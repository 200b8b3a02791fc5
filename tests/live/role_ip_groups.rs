//! The role for IP groups in `deploy/azure`: its actions are those of the requests that amlnet sends, and no others, and
//! what happens without each of them.

use armsim::model::log::Server;
use serde_json::{Value, json};

use crate::harness::Sim;
use crate::harness::groups::{asked, batch, group, group_writes, marked, policy};
use crate::role::{IP_GROUPS, actions, asked_actions, folded, role, subscription};

/// A group to fill that a policy with a firewall uses, and one to create.
fn world(more: Value) -> Sim {
    let resources = [vec![marked("batch", &[&batch(0)])], policy("p", &["batch"])].concat();
    let sim = Sim::with_groups_in(resources, more);
    let mut storage = asked("storage", "Storage");
    storage["create"] = json!({"location": "eastus2"});
    sim.ask_groups(&[asked("batch", "BatchNodeManagement"), storage], json!({}));
    sim
}

#[test]
fn the_role_has_the_actions_of_the_requests_and_no_others() {
    let sim = world(json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(asked_actions(&sim.log_of(Server::Arm)), folded(actions(IP_GROUPS)));
}

#[test]
fn it_works_with_exactly_the_role() {
    let sim = world(json!({"roles": [role(subscription(), &actions(IP_GROUPS))]}));
    sim.once(&[]).exits(0);
    assert_eq!((sim.members("batch").len(), sim.members("storage").len()), (4, 3));
    assert!(sim.log().iter().all(|entry| entry.status != 403));
}

#[test]
fn without_an_action_the_group_is_blocked_or_the_log_says_what_is_not_known() {
    for (missing, code, writes) in [
        ("Microsoft.Network/ipGroups/read", 3, 0),
        ("Microsoft.Network/ipGroups/write", 3, 0),
        ("Microsoft.Network/firewallPolicies/read", 0, 2),
        ("Microsoft.Network/azureFirewalls/read", 0, 2),
    ] {
        let mut rest = actions(IP_GROUPS);
        rest.retain(|action| action != missing);
        assert_eq!(rest.len() + 1, actions(IP_GROUPS).len(), "{missing}");
        let sim = world(json!({"roles": [role(subscription(), &rest)]}));
        let ran = sim.once(&[]).exits(code);
        ran.says(&[&format!("does not have authorization to perform action '{missing}'")]);
        let accepted = sim.log().into_iter().filter(|entry| entry.status < 300).collect::<Vec<_>>();
        assert_eq!(group_writes(&accepted), writes, "{missing}");
    }
}

#[test]
fn it_writes_no_other_group_than_those_that_are_named() {
    let sim = world(json!({}));
    sim.put(group("other", &["10.9.0.0/24"], json!({})));
    sim.once(&[]).exits(0);
    assert_eq!(sim.members("other").len(), 1);
}
