use super::*;
use crate::outbound::{FirewallPolicyIntent, Priorities, RuleAddressing};
use crate::resource_id::ResourceId;
use crate::scope::{Allowed, Scope, Scopes};
use crate::testing;

const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/rg-a";

fn id(resource_type: &str, name: &str) -> ResourceId {
    format!("{GROUP}/providers/Microsoft.Network/{resource_type}/{name}").parse().unwrap()
}

fn policy() -> FirewallPolicyIntent {
    let id = id("firewallPolicies", "afwp");
    FirewallPolicyIntent { id, priority: 1200, addressing: RuleAddressing::Auto }
}

fn security_group(directions: &[Direction]) -> SecurityGroupIntent {
    SecurityGroupIntent {
        id: id("networkSecurityGroups", "nsg"),
        directions: directions.iter().copied().collect(),
        priorities: Priorities { from: 2000, to: 2099 },
    }
}

/// Without route tables.
fn intent(profiles: &[&str], policies: Vec<FirewallPolicyIntent>, groups: Vec<SecurityGroupIntent>) -> Intent {
    let outbound = Outbound {
        edition: "2026-03".to_owned(),
        profiles: profiles.iter().map(|name| (*name).to_owned()).collect(),
        sources: vec!["10.1.0.0/24".parse().unwrap()],
        firewall_policies: policies,
        ..Outbound::default()
    };
    let (services, route_tables) = (Vec::new(), Vec::new());
    Intent { outbound: Some(outbound), security_groups: groups, services, route_tables, ..testing::intent() }
}

/// What is asked of the one target, as texts: the path without what is asked there, by it.
fn asked(intent: &Intent) -> Vec<(String, String)> {
    let demands = demands(intent, &Requirements::built_in(), &Regions::built_in(), Some(Cloud::Public));
    assert_eq!(demands.len(), 1, "one target");
    let text = |(path, wanted): &(String, Wanted<'_>)| {
        let kind = match wanted {
            Wanted::Id(_) => "id",
            Wanted::Tag(_) => "tag",
            Wanted::NextHop(_) => "hop",
            Wanted::Host(_) => "host",
            Wanted::Source(_) => "source",
        };
        (path.clone(), format!("{kind} {wanted}"))
    };
    demands[0].0.iter().map(text).collect()
}

fn has(asked: &[(String, String)], path: &str, what: &str) -> bool {
    asked.iter().any(|(at, wanted)| at == path && wanted == what)
}

#[test]
fn a_policy_asks_for_its_id_the_tags_and_hosts_that_go_out_and_the_sources() {
    let asked = asked(&intent(&["Base", "PythonPackages", "PrivateEndpoints"], vec![policy()], Vec::new()));
    assert_eq!(asked[0], ("spec.outbound.firewallPolicies[0].id".to_owned(), format!("id {}", policy().id)));
    for what in ["tag AzureMachineLearning", "tag BatchNodeManagement", "host pypi.org", "host *.anaconda.com"] {
        assert!(has(&asked, "spec.outbound.profiles", what), "{what} in {asked:?}");
    }
    assert!(has(&asked, "spec.outbound.sourceAddresses[0]", "source 10.1.0.0/24"));
    assert!(!asked.iter().any(|(_, wanted)| wanted == "tag VirtualNetwork"), "no firewall knows it: {asked:?}");
}

#[test]
fn a_row_that_is_left_out_or_comes_in_is_not_asked_for() {
    let mut without = intent(&["Base"], vec![policy()], Vec::new());
    without.outbound.as_mut().unwrap().exclude = ["Storage".to_owned(), "AzureMachineLearning".to_owned()].into();
    let asked = asked(&without);
    assert!(has(&asked, "spec.outbound.profiles", "tag BatchNodeManagement"));
    for gone in ["tag Storage", "tag AzureMachineLearning"] {
        assert!(!has(&asked, "spec.outbound.profiles", gone), "{gone} in {asked:?}");
    }
}

#[test]
fn a_security_group_asks_for_tags_of_its_directions_and_for_no_hosts() {
    let of = |directions: &[Direction]| {
        asked(&intent(&["Base", "PythonPackages", "PrivateEndpoints"], Vec::new(), vec![security_group(directions)]))
    };
    let outbound = of(&[Direction::Outbound]);
    let expected = format!("id {}", security_group(&[]).id);
    assert_eq!(outbound[0], ("spec.networkSecurityGroups[0].id".to_owned(), expected));
    for what in ["tag BatchNodeManagement", "tag Storage", "tag VirtualNetwork"] {
        assert!(has(&outbound, "spec.outbound.profiles", what), "{what} in {outbound:?}");
    }
    assert!(has(&outbound, "spec.outbound.sourceAddresses[0]", "source 10.1.0.0/24"));
    assert!(!outbound.iter().any(|(_, wanted)| wanted.starts_with("host ")), "{outbound:?}");
    let inbound = of(&[Direction::Inbound]);
    let tags: Vec<&str> = inbound.iter().filter_map(|(_, wanted)| wanted.strip_prefix("tag ")).collect();
    assert_eq!(tags, ["AzureMachineLearning"]);
    assert_eq!(of(&[Direction::Outbound, Direction::Inbound]), outbound, "the tag that comes in goes out as well");
}

#[test]
fn a_scope_has_to_allow_what_goes_into_a_policy_and_a_security_group() {
    fn list<T: std::str::FromStr<Err: std::fmt::Display>>(texts: &[&str]) -> Allowed<T> {
        let mut list = Allowed::NOTHING;
        for text in texts {
            list.add(text).unwrap();
        }
        list
    }
    let check = |ids: &[&str], hosts: &[&str], intent: &Intent| {
        let scope = Scope {
            namespaces: vec!["team".parse().unwrap()],
            resource_ids: list(ids),
            service_tags: list(&["*"]),
            next_hops: Allowed::NOTHING,
            hosts: list(hosts),
            source_ranges: list(&["10.1.0.0/16"]),
        };
        let demands = demands(intent, &Requirements::built_in(), &Regions::built_in(), Some(Cloud::Public));
        Scopes::only(vec![scope]).check("team", &demands).map_err(|why| why.to_string())
    };
    let of_policy = intent(&["PythonPackages"], vec![policy()], Vec::new());
    let of_group = intent(&["PythonPackages"], Vec::new(), vec![security_group(&[Direction::Outbound])]);
    let policies = format!("{GROUP}/providers/Microsoft.Network/firewallPolicies");
    let groups = format!("{GROUP}/providers/Microsoft.Network/networkSecurityGroups");
    assert_eq!(check(&[&policies], &["*"], &of_policy), Ok(()));
    assert_eq!(check(&[&groups], &[], &of_group), Ok(()));
    for (refused, said) in [
        (check(&[&groups], &["*"], &of_policy), "spec.outbound.firewallPolicies[0].id: "),
        (check(&[&policies], &["*"], &of_group), "spec.networkSecurityGroups[0].id: "),
        (check(&[&policies], &["*.example.org"], &of_policy), "hosts that it may name for this target: *.example.org"),
    ] {
        let refused = refused.unwrap_err();
        assert!(refused.contains(said), "{refused}");
    }
}
