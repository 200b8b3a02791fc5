//! The role for security groups in `deploy/azure`: its actions are those of the requests that amlnet sends, and no
//! others, and what happens without each of them.

use armsim::model::log::Server;
use serde_json::{Value, json};

use crate::harness::Sim;
use crate::harness::security::{NsgCounts, group, nsg, nsg_id, of_others, one_rule, rules_week};
use crate::role::{SECURITY_GROUPS, actions, asked_actions, folded, role, subscription};

/// A group in which a rule of ours is left that nobody needs: one comes, one goes.
fn world(more: Value) -> Sim {
    let unwanted = of_others("amlnet.prod.out.additional.old.tcp", 2050, json!({}));
    let resources = vec![group("nsg-ml", &[unwanted]), group("nsg-other", &[of_others("theirs", 300, json!({}))])];
    let sim = Sim::with_nsgs(resources, more);
    sim.ask_nsg(one_rule(json!({})));
    sim
}

#[test]
fn security_groups_role_has_the_actions_of_the_requests_and_no_others() {
    let sim = world(json!({}));
    sim.once(&[]).exits(0);
    sim.publish_rules(&rules_week(3, 1..6));
    sim.once(&[]).exits(0);
    let cost = NsgCounts::of(&sim.log(), "nsg-ml");
    assert_eq!((cost.put, cost.delete), (2, 1));
    let asked = asked_actions(&sim.log_of(Server::Arm));
    assert_eq!(asked, folded(actions(SECURITY_GROUPS)), "{SECURITY_GROUPS}");
    assert_eq!(actions(SECURITY_GROUPS).len(), asked.len(), "{SECURITY_GROUPS} names none twice");
}

#[test]
fn security_groups_role_is_enough() {
    let sim = world(json!({"roles": [role(subscription(), &actions(SECURITY_GROUPS))]}));
    sim.once(&[]).exits(0);
    assert_eq!((sim.our_rules("nsg-ml").len(), sim.far().len()), (1, 4));
    assert!(sim.log().iter().all(|entry| entry.status != 403));
}

#[test]
fn security_groups_role_at_one_group_and_reader_above_writes_nowhere_else() {
    let roles = json!({"roles": [role(&nsg(), &actions(SECURITY_GROUPS)), role(subscription(), &["*/read"])]});
    let sim = world(roles);
    let asked = |id: String| json!({"id": id, "priorityRange": {"from": 2000, "to": 2099}});
    sim.ask_nsgs(&[asked(nsg()), asked(nsg_id("nsg-other"))], one_rule(json!({})));
    sim.once(&[]).exits(3).says(&["blocked, Forbidden: AuthorizationFailed", "securityRules/write", "nsg-other"]);
    assert_eq!((sim.our_rules("nsg-ml").len(), sim.our_rules("nsg-other").len()), (1, 0));
}

#[test]
fn security_groups_role_without_an_action_is_refused_by_its_name() {
    let blocked = "blocked, Forbidden: AuthorizationFailed";
    for (missing, code, said, rules) in [
        ("Microsoft.Network/networkSecurityGroups/read", 3, blocked, 1),
        ("Microsoft.Network/networkSecurityGroups/securityRules/write", 3, blocked, 1),
        ("Microsoft.Network/networkSecurityGroups/securityRules/delete", 3, blocked, 2),
        // Nothing waits for it: the documented limits count.
        (
            "Microsoft.Network/locations/usages/read",
            0,
            "LimitsUnknown: the limits cannot be read (AuthorizationFailed)",
            1,
        ),
    ] {
        let mut rest = actions(SECURITY_GROUPS);
        rest.retain(|action| action != missing);
        assert_eq!(rest.len() + 1, actions(SECURITY_GROUPS).len(), "{missing} is in {SECURITY_GROUPS}");
        let sim = world(json!({"roles": [role(subscription(), &rest)]}));
        let ran = sim.once(&[]).exits(code);
        ran.says(&[said]);
        if !missing.contains("usages") {
            ran.says(&[&format!("does not have authorization to perform action '{missing}'")]);
        }
        assert_eq!(sim.our_rules("nsg-ml").len(), rules, "{missing}");
    }
}

/// The simulator asks for no permission here, so a fault stands for ARM's refusal.
#[test]
fn security_groups_role_without_polls_stops_after_the_first_write() {
    let sim = world(json!({}));
    let action = "Microsoft.Network/locations/operations/read";
    let message = format!("The client does not have authorization to perform action '{action}' over scope");
    let body = json!({"error": {"code": "AuthorizationFailed", "message": message}});
    sim.fault(json!({"match": {"method": "GET", "pathContains": "/operations/"}, "times": 0,
        "effect": {"status": {"code": 403, "body": body}}}));
    let (ran, cost) = sim.nsg_cost("nsg-ml", || sim.once(&[]).exits(3));
    ran.says(&["blocked, Forbidden: AuthorizationFailed", action]);
    assert_eq!((cost.put, cost.delete), (1, 0));
}
