//! A firewall policy and a network security group of a Network in a cluster: made right, followed, shown and given up.

use serde_json::{Value, json};

use crate::harness::groups::{batch, policy_id};
use crate::harness::rules::{asked_policy, bare_policy, firewall_of, foreign_group, group_in, of_policies, rules_week};
use crate::harness::security::{asked, group, nsg, of_others};
use crate::harness::{Sim, feed};
use crate::replica::Kube;

const BATCH: &str = "amlnet.prod.BatchNodeManagement.eastus2.tcp-ip";

fn kube() -> Kube {
    let theirs = of_others("theirs", 2000, json!({}));
    let resources = vec![
        bare_policy("p", json!({})),
        firewall_of("p", json!({})),
        foreign_group("p", "theirs", 400),
        group("nsg-ml", &[theirs]),
    ];
    Kube::with(Sim::with_policies(resources, json!({})))
}

/// A policy by prefixes, and the security group, with nothing that waits.
fn with_both(change: Value) -> Value {
    let spec = json!({"spec": {"networkSecurityGroups": [asked("nsg-ml", json!({}))]}});
    let mut object = of_policies(&[asked_policy("p", json!({}))], spec);
    crate::harness::merge(&mut object, &change);
    object
}

impl Kube {
    fn target(&self, id: &str) -> Value {
        let status = self.network("ml")["status"]["targets"].clone();
        let mut targets = status.as_array().into_iter().flatten();
        targets
            .find(|target| target["id"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(id)))
            .cloned()
            .unwrap_or_default()
    }

    fn rules_in_nsg(&self) -> Vec<String> {
        let rules = self.sim.resource(&nsg())["properties"]["securityRules"].clone();
        rules.as_array().unwrap().iter().map(|rule| rule["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn rules_converge_follow_the_next_document_and_go_with_their_network() {
    let kube = kube();
    kube.apply(&feed(&kube.sim.page(), json!({})));
    kube.apply(&with_both(json!({"spec": {"deletionPolicy": "Delete"}})));
    let replica = kube.replica("one", &[]);
    replica.wait_until("Ready", || kube.condition("ml", "Ready") == ("True".into(), "InSync".into()));
    let holds = |index: usize| {
        let rules = kube.sim.rules("p");
        rules
            .get(BATCH)
            .is_some_and(|rule| rule["destinationAddresses"].as_array().unwrap().contains(&json!(batch(index))))
    };
    assert!(holds(0) && holds(3) && !holds(4));
    let priorities: Vec<i64> = kube.sim.our_rules("nsg-ml").into_values().map(|rule| rule.priority).collect();
    assert!(
        !priorities.is_empty() && priorities.iter().all(|priority| (2001..=2099).contains(priority)),
        "{priorities:?}"
    );
    for (id, code) in [(policy_id("p"), None), (nsg(), Some("PriorityTaken"))] {
        let target = kube.target(&id);
        assert_eq!(target["state"], "InSync", "{target}");
        let warnings: Vec<&str> = target["warnings"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|warning| warning["code"].as_str())
            .collect();
        assert!(code.is_none_or(|code| warnings.contains(&code)), "{target}");
    }

    kube.sim.publish(&rules_week(2, 0..5, 0..3));
    kube.patch("servicetagfeeds", "public", &json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": "1"}}}));
    replica.wait_until("the new prefix", || holds(4));
    replica.wait_until("Ready again", || kube.condition("ml", "Ready") == ("True".into(), "InSync".into()));

    kube.delete("amlnetworks", "ml");
    replica.wait_until("the end of the network", || kube.network("ml").is_null());
    assert!(kube.sim.our_group("p").is_null(), "{}", kube.sim.our_group("p"));
    assert_eq!(kube.sim.resource(&group_in(&policy_id("p"), "theirs"))["properties"]["priority"], 400);
    assert_eq!(kube.rules_in_nsg(), ["theirs"]);
    replica.wait_until("nothing is remembered", || kube.memory().is_none());
}

#[test]
fn two_priorities_for_one_policy_block_it_and_both_networks_say_so() {
    let kube = kube();
    kube.apply(&feed(&kube.sim.page(), json!({})));
    kube.apply(&with_both(json!({})));
    let other = json!({"metadata": {"name": "other"}, "spec": {"outbound": {"sourceAddresses": ["10.2.0.0/24"]}}});
    kube.apply(&of_policies(&[asked_policy("p", json!({"priority": 1300}))], other));
    let replica = kube.replica("one", &[]);
    for name in ["ml", "other"] {
        let blocked = || kube.condition(name, "Blocked") == ("True".into(), "Conflict".into());
        replica.wait_until(&format!("{name} is blocked"), blocked);
        let said =
            kube.kubectl(&["get", "amln", name, "-o", "jsonpath={.status.conditions[?(@.type=='Blocked')].message}"]);
        assert!(said.contains("make them agree about priority"), "{said}");
    }
    assert!(kube.sim.our_group("p").is_null());
    kube.patch(
        "amlnetworks",
        "other",
        &json!({"spec": {"outbound": {"firewallPolicies": [asked_policy("p", json!({}))]}}}),
    );
    for name in ["ml", "other"] {
        replica.wait_until("Ready", || kube.condition(name, "Ready") == ("True".into(), "InSync".into()));
    }
    let sources = kube.sim.rules("p")[BATCH]["sourceAddresses"].clone();
    assert_eq!(sources, json!(["10.1.0.0/24", "10.2.0.0/24"]));
}
