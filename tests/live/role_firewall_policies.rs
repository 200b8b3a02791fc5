//! The role for firewall policies in `deploy/azure`: its actions are those of the requests that amlnet sends, and no
//! others, and what happens without each of them.

use armsim::model::log::Server;
use serde_json::{Value, json};

use crate::harness::Sim;
use crate::harness::groups::{asked, policy_id};
use crate::harness::rules::{asked_policy, bare_policy, group_in, usual_policy};
use crate::role::{FIREWALL_POLICIES, IP_GROUPS, actions, asked_actions, folded, role, subscription};

/// What Azure asks for where the body of a request refers to something: no request of its own.
const JOIN: &str = "Microsoft.Network/ipGroups/join/action";

/// A policy with a firewall, based on another one.
fn world(more: Value) -> Sim {
    let mut policies = usual_policy("p");
    policies[0]["properties"]["basePolicy"] = json!({"id": policy_id("base")});
    let base = vec![bare_policy("base", json!({}))];
    let sim = Sim::with_policies([base, policies].concat(), more);
    sim.ask_policies(&[asked_policy("p", json!({}))], json!({"spec": {"deletionPolicy": "Delete"}}));
    sim
}

/// The same with rules that name an IP group.
fn with_groups(more: Value) -> Sim {
    let sim = world(more);
    let groups = [asked("batch", "BatchNodeManagement")];
    let by_groups = asked_policy("p", json!({"addressing": "IpGroups"}));
    sim.ask_policies(&[by_groups], json!({"spec": {"outbound": {"ipGroups": groups}}}));
    sim
}

#[test]
fn the_role_has_the_actions_of_the_requests_and_no_others() {
    let sim = world(json!({}));
    sim.once(&[]).exits(0);
    std::fs::remove_file(sim.path("dir/ml.yaml")).unwrap();
    sim.once(&[]).exits(0);
    assert!(sim.our_group("p").is_null(), "who deletes takes it along");
    let asked = asked_actions(&sim.log_of(Server::Arm));
    let in_file = folded(actions(FIREWALL_POLICIES));
    assert_eq!(actions(FIREWALL_POLICIES).len(), in_file.len(), "{FIREWALL_POLICIES} names none twice");
    assert_eq!(asked.into_iter().chain(folded([JOIN])).collect::<std::collections::BTreeSet<_>>(), in_file);
}

#[test]
fn it_works_with_exactly_the_role() {
    let sim = world(json!({"roles": [role(subscription(), &actions(FIREWALL_POLICIES))]}));
    sim.once(&[]).exits(0);
    assert!(sim.rules("p").len() > 5);
    std::fs::remove_file(sim.path("dir/ml.yaml")).unwrap();
    sim.once(&[]).exits(0);
    assert!(sim.our_group("p").is_null());
    assert!(sim.log().iter().all(|entry| entry.status != 403));
}

#[test]
fn rules_that_name_ip_groups_need_their_role_too() {
    let both = [role(subscription(), &actions(FIREWALL_POLICIES)), role(subscription(), &actions(IP_GROUPS))];
    let sim = with_groups(json!({"roles": both}));
    sim.once(&[]).exits(0);
    assert!(sim.log().iter().all(|entry| entry.status != 403));
    assert!(sim.our_group("p").to_string().contains("ipGroups/batch"));
    let members = sim.members("batch").len();

    let mut rest = actions(FIREWALL_POLICIES);
    rest.retain(|action| action != JOIN);
    let sim = with_groups(json!({"roles": [role(subscription(), &rest), role(subscription(), &actions(IP_GROUPS))]}));
    sim.once(&[]).exits(3).says(&["blocked, Forbidden: LinkedAuthorizationFailed", JOIN]);
    assert_eq!(sim.members("batch").len(), members, "the group was filled");
    // Rules that name no group may have been written before it was there.
    assert!(!sim.our_group("p").to_string().contains("/ipGroups/"), "{}", sim.our_group("p"));
}

#[test]
fn without_an_action_the_policy_is_blocked_or_it_is_said_what_is_not_known() {
    for (missing, code, is_written) in [
        ("Microsoft.Network/firewallPolicies/read", 3, false),
        ("Microsoft.Network/firewallPolicies/ruleCollectionGroups/read", 3, false),
        ("Microsoft.Network/firewallPolicies/ruleCollectionGroups/write", 3, false),
        ("Microsoft.Network/azureFirewalls/read", 0, true),
    ] {
        let mut rest = actions(FIREWALL_POLICIES);
        rest.retain(|action| action != missing);
        assert_eq!(rest.len() + 1, actions(FIREWALL_POLICIES).len(), "{missing}");
        let sim = world(json!({"roles": [role(subscription(), &rest)]}));
        let ran = sim.once(&[]).exits(code);
        ran.says(&[&format!("does not have authorization to perform action '{missing}'")]);
        assert_eq!(!sim.our_group("p").is_null(), is_written, "{missing}");
    }
    let delete = "Microsoft.Network/firewallPolicies/ruleCollectionGroups/delete";
    let mut rest = actions(FIREWALL_POLICIES);
    rest.retain(|action| action != delete);
    let sim = world(json!({"roles": [role(subscription(), &rest)]}));
    sim.once(&[]).exits(0);
    std::fs::remove_file(sim.path("dir/ml.yaml")).unwrap();
    sim.once(&[]).exits(3).says(&["blocked, Forbidden: AuthorizationFailed", delete]);
    assert!(!sim.our_group("p").is_null());
}

#[test]
fn what_the_parent_holds_is_unknown_without_a_role_there() {
    // At the policy itself, and at its firewall.
    let at_policy = role(&policy_id("p"), &actions(FIREWALL_POLICIES));
    let about =
        |part: &str| actions(FIREWALL_POLICIES).into_iter().filter(|action| action.contains(part)).collect::<Vec<_>>();
    let elsewhere = role(subscription(), &[about("azureFirewalls"), about("nfvOperations")].concat());
    let sim = world(json!({"roles": [at_policy, elsewhere]}));
    let ran = sim.once(&[]).exits(0);
    ran.says(&["ShadowUnknown"]);
    assert!(sim.rules("p").len() > 5, "{}", ran.all());
    assert!(!sim.resource(&group_in(&policy_id("p"), "theirs")).is_null());
}
