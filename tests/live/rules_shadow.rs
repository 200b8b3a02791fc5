//! What comes before our rules and denies or redirects what they allow: warned of in the plan, in the status and as JSON,
//! with the name of the rule.

use serde_json::{Value, json};

use crate::harness::Sim;
use crate::harness::groups::policy_id;
use crate::harness::rules::{
    NO_OP, asked_policy, bare_policy, filter, firewall_of, group_with, network_rule, usual_policy,
};
use crate::role::{role, subscription};

/// `p` with its firewall and a group of others, and whatever else there is.
fn with(more: Vec<Value>, world: Value) -> Sim {
    let sim = Sim::with_policies([usual_policy("p"), more].concat(), world);
    let profiles = json!({"spec": {"outbound": {"profiles": ["Base", "RStudio"]}}});
    sim.ask_policies(&[asked_policy("p", json!({}))], profiles);
    sim
}

/// The warnings of a plan that are about what comes before ours.
fn warnings(sim: &Sim) -> Vec<(String, String)> {
    let plan = sim.plan(&["-o", "json", "--state", "state"]).json();
    let all = plan["targets"][0]["warnings"].as_array().unwrap_or_else(|| panic!("{plan}")).clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let told = all.iter().map(|warning| (text(&warning["code"]), text(&warning["message"])));
    told.filter(|(code, _)| ["Shadowed", "Redirected", "ShadowUnknown"].contains(&code.as_str())).collect()
}

/// Exactly one warning with this code, which says all of this, everywhere where a person looks; and the rules are
/// written all the same, as a warning holds nothing back.
#[track_caller]
fn warned(sim: &Sim, code: &str, said: &[&str]) {
    for when in ["before", "after"] {
        let found = warnings(sim);
        assert_eq!(found.iter().map(|warning| warning.0.as_str()).collect::<Vec<_>>(), [code], "{when}: {found:?}");
        for text in said {
            assert!(found[0].1.contains(text), "{when}: {text:?} is missing in {:?}", found[0].1);
        }
        sim.plan(&["--state", "state"]).says(&[&[code], said].concat());
        sim.once(&[]).exits(0).says(said);
        let status = sim.policy_status("ml", "p");
        let told = |warning: &Value| warning["code"] == code && warning["message"] == found[0].1;
        assert!(status["warnings"].as_array().unwrap().iter().any(told), "{when}: {status}");
        assert_eq!(sim.rules("p").len(), 11, "{when}");
    }
    let (_, cost) = sim.policy_cost("p", || sim.once(&[]).exits(0));
    assert_eq!((cost.put, cost.list), (0, NO_OP.list));
}

#[test]
fn where_nothing_comes_before_nothing_is_said() {
    let allow = filter("allow", 100, "Allow", vec![network_rule("all", "*", "*")]);
    let elsewhere = filter("elsewhere", 110, "Deny", vec![network_rule("other-port", "20.11.0.0/24", "22")]);
    let later = filter("later", 100, "Deny", vec![network_rule("all", "*", "*")]);
    let groups = vec![
        group_with("p", "elsewhere", 300, elsewhere),
        group_with("p", "later", 65_000, later),
        group_with("p", "after-all", 64_000, allow),
    ];
    // Application rules come after every network rule, so a denial behind ours is before those.
    let sim = with(groups, json!({}));
    sim.ask_policies(&[asked_policy("p", json!({}))], json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(warnings(&sim), []);
    assert_eq!(sim.policy_status("ml", "p")["warnings"], json!([]));
}

#[test]
fn a_group_with_a_lower_number_that_denies_is_named() {
    let deny = filter("no-storage", 100, "Deny", vec![network_rule("storage", "20.12.0.0/16", "443")]);
    let sim = with(vec![group_with("p", "early", 200, deny)], json!({}));
    warned(
        &sim,
        "Shadowed",
        &["rule p/early/no-storage/storage", "denies what \"amlnet.prod.Storage.eastus2.tcp-ip\" allows"],
    );
    // A priority before it ends it.
    sim.ask_policies(&[asked_policy("p", json!({"priority": 150}))], json!({}));
    sim.once(&[]).exits(0);
    assert_eq!(warnings(&sim), []);
}

#[test]
fn a_part_that_is_denied_is_said_to_be_a_part() {
    let deny = filter("c", 100, "Deny", vec![network_rule("r", "20.12.0.0/24", "443")]);
    let sim = with(vec![group_with("p", "early", 200, deny)], json!({}));
    warned(
        &sim,
        "Shadowed",
        &["rule p/early/c/r denies part of what", "amlnet.prod.Storage.eastus2.tcp-ip", "20.12.0.0/24"],
    );
}

#[test]
fn a_parent_in_another_resource_group_denies_before_all_of_ours() {
    let parent_id = policy_id("parent").replace("rg-ml", "rg-hub");
    let mut parent = bare_policy("parent", json!({}));
    parent["id"] = json!(parent_id);
    let deny = filter("no-batch", 100, "Deny", vec![network_rule("batch", "20.11.0.0/16", "443")]);
    let mut group = group_with("parent", "platform", 60_000, deny);
    group["id"] = json!(format!("{parent_id}/ruleCollectionGroups/platform"));
    let child = bare_policy("p", json!({"properties": {"basePolicy": {"id": parent_id}}}));
    let sim = with(vec![parent, group, child], json!({}));
    warned(
        &sim,
        "Shadowed",
        &[
            "rule parent/platform/no-batch/batch",
            "denies what \"amlnet.prod.BatchNodeManagement.eastus2.tcp-ip\" allows",
        ],
    );
}

#[test]
fn a_network_rule_that_denies_comes_before_our_application_rules_whatever_its_number() {
    let deny = filter("c", 100, "Deny", vec![network_rule("no-web", "*", "443")]);
    let sim = with(vec![group_with("p", "late", 64_000, deny)], json!({}));
    warned(&sim, "Shadowed", &["rule p/late/c/no-web denies what \"AllowRStudioInstall\" allows"]);
}

#[test]
fn a_translation_is_a_redirection() {
    let rule = json!({"name": "dnat", "ruleType": "NatRule", "ipProtocols": ["TCP"], "sourceAddresses": ["*"],
        "destinationAddresses": ["20.12.0.0/24"], "destinationPorts": ["443"], "translatedAddress": "10.0.0.9",
        "translatedPort": "443"});
    let collection = json!({"name": "nat", "priority": 100, "ruleCollectionType": "FirewallPolicyNatRuleCollection",
        "action": {"type": "DNAT"}, "rules": [rule]});
    let sim = with(vec![group_with("p", "nat", 65_000, collection)], json!({}));
    warned(&sim, "Redirected", &["rule p/nat/nat/dnat redirects part of what", "amlnet.prod.Storage.eastus2.tcp-ip"]);
}

#[test]
fn a_rule_whose_destination_is_not_known_well_enough_may_deny() {
    let mut rule = network_rule("by-tag", "Internet2", "443");
    rule["destinationAddresses"] = json!([]);
    rule["destinationIpGroups"] = json!([crate::harness::groups::group_id("unreadable")]);
    let deny = filter("c", 100, "Deny", vec![rule]);
    let sim = with(vec![group_with("p", "early", 200, deny)], json!({}));
    warned(&sim, "ShadowUnknown", &["rule p/early/c/by-tag may deny", "not known well enough"]);
}

const MAY: [&str; 6] = [
    "Microsoft.Network/firewallPolicies/read",
    "Microsoft.Network/firewallPolicies/ruleCollectionGroups/read",
    "Microsoft.Network/firewallPolicies/ruleCollectionGroups/write",
    "Microsoft.Network/firewallPolicies/ruleCollectionGroups/delete",
    "Microsoft.Network/azureFirewalls/read",
    "Microsoft.Network/locations/nfvOperations/read",
];

fn may(actions: &[&str]) -> Vec<String> {
    actions.iter().map(ToString::to_string).collect()
}

#[test]
fn what_may_not_be_read_is_unknown_and_the_missing_permission_is_named() {
    let parent_id = policy_id("parent").replace("rg-ml", "rg-hub");
    let mut parent = bare_policy("parent", json!({}));
    parent["id"] = json!(parent_id);
    let child = bare_policy("p", json!({"properties": {"basePolicy": {"id": parent_id}}}));
    // Everything on its own resource group, nothing on that of the parent.
    let group = subscription().to_owned() + "/resourceGroups/rg-ml";
    let sim = with(vec![parent, child], json!({"roles": [role(&group, &may(&MAY))]}));
    warned(
        &sim,
        "ShadowUnknown",
        &[
            "whether other rules come before ours is not known",
            "Microsoft.Network/firewallPolicies/read",
            "inherits from",
        ],
    );
    assert!(sim.log().iter().any(|entry| entry.status == 403));
}

#[test]
fn groups_that_may_not_be_listed_are_unknown() {
    let sim = with(vec![], json!({}));
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/ruleCollectionGroups?"}, "times": 0,
        "effect": {"status": {"code": 403, "body": {"error": {"code": "AuthorizationFailed", "message": "may not"}}}}}));
    warned(
        &sim,
        "ShadowUnknown",
        &["AuthorizationFailed", "Microsoft.Network/firewallPolicies/ruleCollectionGroups/read"],
    );
}

#[test]
fn a_policy_that_no_firewall_uses_is_said_to_be_without_effect() {
    let sim = Sim::with_policies(vec![bare_policy("p", json!({}))], json!({}));
    sim.ask_policies(&[asked_policy("p", json!({}))], json!({}));
    sim.once(&[]).exits(0).says(&["NotUsed", "no firewall uses the policy"]);
    sim.put(firewall_of("p", json!({})));
    let ran = sim.once(&[]).exits(0);
    assert!(!ran.all().contains("NotUsed"), "{}", ran.all());
}

#[test]
fn who_has_no_right_to_read_or_write_the_group_is_blocked() {
    for missing in [MAY[0], MAY[1], MAY[2]] {
        let rest: Vec<&str> = MAY.into_iter().filter(|action| *action != missing).collect();
        let sim = with(vec![], json!({"roles": [role(subscription(), &may(&rest))]}));
        sim.once(&[]).exits(3).says(&["blocked, Forbidden", missing, "grant amlnet's identity the role"]);
        assert!(sim.our_group("p").is_null(), "{missing}");
    }
    let sim = with(vec![], json!({"roles": [role(subscription(), &may(&MAY))]}));
    sim.once(&[]).exits(0);
    assert!(sim.log().iter().all(|entry| entry.status != 403));
}
