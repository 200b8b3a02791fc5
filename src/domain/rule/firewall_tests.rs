use std::collections::BTreeMap;

use super::*;
use crate::outbound::{Additional, IpGroupIntent, Reach};
use crate::rule::{Rule, assemble};
use crate::testing::{document, group_id, installation, intent, table_id};

fn port(protocol: Protocol, port: u16) -> Port {
    Port { protocol, port }
}

fn hosts(name: &str, hosts: &[&str], ports: &[Port]) -> Additional {
    let to = Reach::Hosts(hosts.iter().map(|host| host.parse().unwrap()).collect());
    Additional { name: name.to_owned(), to, ports: ports.to_vec() }
}

fn tag(name: &str, service: &str, regional: bool, ports: &[Port]) -> Additional {
    Additional { name: name.to_owned(), to: Reach::Tag { name: service.to_owned(), regional }, ports: ports.to_vec() }
}

fn outbound(additional: Vec<Additional>) -> Outbound {
    let sources = ["10.1.0.0/24", "2001:db8::/64"].iter().map(|text| text.parse().unwrap()).collect();
    Outbound { edition: "2026-03".to_owned(), sources, additional, ..Outbound::default() }
}

fn asked(outbound: &Outbound, addressing: RuleAddressing, intent: &Intent) -> Result<Wishes, Unresolved> {
    let document = document(&[
        ("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8"]),
        ("AzureKeyVault", "", &["20.9.0.0/24", "2603:9::/64"]),
        ("BatchNodeManagement", "", &["20.2.0.0/28"]),
        ("BatchNodeManagement.EastUS2", "eastus2", &["20.2.0.0/28", "2603:2::/64"]),
        ("OnlySix.EastUS2", "eastus2", &["2603:3::/64"]),
    ]);
    let id = table_id("p").to_string().replace("routeTables", "firewallPolicies").parse().unwrap();
    let policy = FirewallPolicyIntent { id, priority: 1200, addressing };
    wishes(intent, outbound, &policy, &installation(), &document, &Regions::built_in(), &Requirements::built_in())
}

/// Rules by what stands behind `amlnet.prod.additional.`
fn rules(additional: Vec<Additional>, addressing: RuleAddressing) -> BTreeMap<String, Rule> {
    let wishes = asked(&outbound(additional), addressing, &intent()).unwrap();
    let short = |name: String| name.replace("amlnet.prod.additional.", "");
    assemble(wishes.entries.keys()).into_iter().map(|(name, rule)| (short(name), rule)).collect()
}

fn far(rule: &Rule) -> Vec<String> {
    rule.far.iter().map(ToString::to_string).chain(rule.hosts.iter().map(ToString::to_string)).collect()
}

fn ports(rule: &Rule) -> Vec<String> {
    rule.ports.iter().map(ToString::to_string).collect()
}

#[test]
fn hosts_are_application_rules_on_80_and_443_and_network_rules_elsewhere() {
    let many = [port(Protocol::Tcp, 80), port(Protocol::Tcp, 443), port(Protocol::Tcp, 22), port(Protocol::Udp, 53)];
    let rules = rules(vec![hosts("code", &["github.com", "*.github.com"], &many)], RuleAddressing::Auto);
    let names: Vec<&str> = rules.keys().map(String::as_str).collect();
    assert_eq!(names, ["code.http", "code.https-wide", "code.tcp-fqdn", "code.udp-fqdn"]);
    let patterns = ["*.github.com".to_owned(), "github.com".to_owned()];
    assert_eq!(far(&rules["code.http"]), patterns);
    assert_eq!(ports(&rules["code.http"]), ["Http 80", "Https 443"]);
    assert_eq!(
        (far(&rules["code.https-wide"]), ports(&rules["code.https-wide"])),
        (vec![patterns[0].clone()], vec!["Https 22".to_owned()])
    );
    assert_eq!(
        (far(&rules["code.tcp-fqdn"]), ports(&rules["code.tcp-fqdn"])),
        (vec![patterns[1].clone()], vec!["TCP 22".to_owned()])
    );
    assert_eq!(
        (far(&rules["code.udp-fqdn"]), ports(&rules["code.udp-fqdn"])),
        (vec![patterns[1].clone()], vec!["UDP 53".to_owned()])
    );
    assert!(rules.values().all(Rule::is_complete));
    // Azure Firewall filters IPv4.
    assert!(rules.values().all(|rule| rule.near.iter().map(ToString::to_string).eq(["10.1.0.0/24".to_owned()])));
}

#[test]
fn a_port_that_is_said_to_be_http_stays_so_wherever_it_is() {
    let ports_of = [port(Protocol::Http, 8080), port(Protocol::Https, 8443)];
    let rules = rules(vec![hosts("code", &["*.github.com"], &ports_of)], RuleAddressing::Auto);
    assert_eq!(rules.keys().collect::<Vec<_>>(), ["code.http"]);
    assert_eq!(ports(&rules["code.http"]), ["Http 8080", "Https 8443"]);
}

#[test]
fn what_no_rule_can_say_is_said_in_a_note() {
    let all = vec![
        hosts("udp", &["*.example.com"], &[port(Protocol::Udp, 5831)]),
        hosts("wide", &["*.example.com"], &[port(Protocol::Tcp, 8787)]),
    ];
    let wishes = asked(&outbound(all), RuleAddressing::Auto, &intent()).unwrap();
    let said = |code: &str| {
        wishes.notes.iter().filter(|note| note.code == code).map(|note| note.message.clone()).collect::<String>()
    };
    assert!(said("NotOnFirewalls").contains("requirement udp: *.example.com on UDP 5831"), "{:?}", wishes.notes);
    assert!(said("PatternAsHttps").contains("requirement wide: *.example.com on port 8787"), "{:?}", wishes.notes);
    let six = Intent { families: [FAMILY, Family::V6].into(), ..intent() };
    let wishes = asked(&outbound(vec![hosts("a", &["a.b"], &[port(Protocol::Tcp, 443)])]), RuleAddressing::Auto, &six);
    assert!(wishes.unwrap().notes.iter().any(|note| note.code == "FirewallWithoutIPv6"));
}

#[test]
fn a_tag_is_named_where_firewalls_know_it_and_written_out_where_they_do_not() {
    let both = [port(Protocol::Tcp, 443), port(Protocol::Tcp, 80), port(Protocol::Udp, 1)];
    let all = || {
        vec![
            tag("vault", "azurekeyvault", false, &both),
            tag("batch", "BatchNodeManagement", true, &[port(Protocol::Any, 443)]),
        ]
    };
    let by_name = rules(all(), RuleAddressing::Auto);
    let names: Vec<&str> = by_name.keys().map(String::as_str).collect();
    assert_eq!(names, ["batch.eastus2.any-ip", "vault.tcp", "vault.udp"]);
    assert_eq!(
        (far(&by_name["vault.tcp"]), ports(&by_name["vault.tcp"])),
        (vec!["AzureKeyVault".to_owned()], vec!["TCP 80".to_owned(), "TCP 443".to_owned()])
    );
    assert_eq!(far(&by_name["batch.eastus2.any-ip"]), ["20.2.0.0/28"]);
    let written_out = rules(all(), RuleAddressing::Prefixes);
    assert_eq!(far(&written_out["vault.tcp-ip"]), ["20.9.0.0/24"]);
    assert_eq!(written_out.len(), 3);
}

#[test]
fn rows_with_a_group_go_through_it_and_the_others_do_not() {
    let all = vec![
        tag("vault", "AzureKeyVault", false, &[port(Protocol::Tcp, 443)]),
        tag("batch", "BatchNodeManagement", true, &[port(Protocol::Tcp, 443)]),
    ];
    let group = |name: &str| IpGroupIntent { id: group_id(name), requirement: "batch".to_owned(), create: None };
    let outbound = Outbound { ip_groups: vec![group("one"), group("two")], ..outbound(all) };
    let wishes = asked(&outbound, RuleAddressing::IpGroups, &intent()).unwrap();
    let rules = assemble(wishes.entries.keys());
    assert_eq!(
        rules["amlnet.prod.additional.batch.eastus2.tcp-group"].far,
        [group_id("one"), group_id("two")].map(Place::IpGroup).into()
    );
    assert!(rules.contains_key("amlnet.prod.additional.vault.tcp"));
    // A group that the addressing does not ask for changes nothing.
    let auto = asked(&outbound, RuleAddressing::Auto, &intent()).unwrap();
    assert!(assemble(auto.entries.keys()).contains_key("amlnet.prod.additional.batch.eastus2.tcp-ip"));
}

#[test]
fn what_cannot_be_written_is_refused_with_what_to_do() {
    let https = [port(Protocol::Tcp, 443)];
    let refused = |outbound: &Outbound| asked(outbound, RuleAddressing::Auto, &intent()).unwrap_err().to_string();
    let only_six =
        Outbound { sources: vec!["2001:db8::/64".parse().unwrap()], ..outbound(vec![hosts("a", &["a.b"], &https)]) };
    assert!(refused(&only_six).contains("sourceAddresses has no IPv4 range"), "{}", refused(&only_six));
    assert!(refused(&Outbound { sources: vec![], ..only_six.clone() }).contains("write the computes' subnets"));
    let nothing = outbound(vec![hosts("udp", &["*.a.b"], &[port(Protocol::Udp, 1)])]);
    assert!(refused(&nothing).contains("choose profiles"), "{}", refused(&nothing));
    let no_v4 = outbound(vec![tag("six", "OnlySix", true, &https)]);
    assert!(
        refused(&no_v4).contains("requirement six") && refused(&no_v4).contains("no IPv4 addresses"),
        "{}",
        refused(&no_v4)
    );
    let missing = outbound(vec![tag("x", "AzureKeyVaut", false, &https)]);
    assert!(refused(&missing).contains("AzureKeyVault"), "{}", refused(&missing));
}

#[test]
fn every_rule_has_a_head_that_bears_the_mark() {
    let wishes =
        asked(&outbound(vec![hosts("code", &["a.b"], &[port(Protocol::Tcp, 22)])]), RuleAddressing::Auto, &intent())
            .unwrap();
    let rules = assemble(wishes.entries.keys());
    assert_eq!(rules.keys().collect::<Vec<_>>(), wishes.rules.keys().collect::<Vec<_>>());
    for head in wishes.rules.values() {
        assert!(head.description.starts_with("amlnet prod: code: ") && head.direction == Direction::Outbound);
        assert!(head.name.starts_with("amlnet.prod."));
    }
}
