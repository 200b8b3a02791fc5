use super::*;
use crate::outbound::{Additional, Port, Priorities, Protocol, Reach};
use crate::rule::{Rule, assemble};
use crate::testing::{document, installation, intent, table_id};

const BOTH: [Direction; 2] = [Direction::Outbound, Direction::Inbound];

fn tag(name: &str, service: &str, regional: bool) -> Additional {
    let to = Reach::Tag { name: service.to_owned(), regional };
    Additional { name: name.to_owned(), to, ports: vec![Port { protocol: Protocol::Tcp, port: 443 }] }
}

fn hosts(name: &str) -> Additional {
    let to = Reach::Hosts(vec!["github.com".parse().unwrap()]);
    Additional { name: name.to_owned(), to, ports: vec![Port { protocol: Protocol::Tcp, port: 443 }] }
}

fn outbound(sources: &[&str], additional: Vec<Additional>) -> Outbound {
    let sources = sources.iter().map(|text| text.parse().unwrap()).collect();
    Outbound { edition: "2026-03".to_owned(), sources, additional, ..Outbound::default() }
}

fn asked(outbound: &Outbound, families: &[Family], directions: &[Direction]) -> Result<Wishes, Unresolved> {
    let document = document(&[
        ("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8", "2603::/16"]),
        ("AzureKeyVault", "", &["20.9.0.0/24", "2603:9::/64"]),
        ("BatchNodeManagement", "", &["20.2.0.0/28", "2603:2::/64"]),
        ("BatchNodeManagement.EastUS2", "eastus2", &["20.2.0.0/28", "2603:2::/64"]),
        ("OnlyFour.EastUS2", "eastus2", &["20.3.0.0/28"]),
    ]);
    let id = table_id("n").to_string().replace("routeTables", "networkSecurityGroups").parse().unwrap();
    let group = SecurityGroupIntent {
        id,
        directions: directions.iter().copied().collect(),
        priorities: Priorities { from: 100, to: 200 },
    };
    let intent = Intent { families: families.iter().copied().collect(), ..intent() };
    wishes(&intent, outbound, &group, &installation(), &document, &Regions::built_in(), &Requirements::built_in())
}

/// `name: sources -> far sides`, without what every name begins with.
fn shown(outbound: &Outbound, families: &[Family]) -> Vec<String> {
    let wishes = asked(outbound, families, &BOTH).unwrap();
    let texts = |places: &BTreeSet<Place>| places.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let text = |(name, rule): (String, Rule)| {
        assert!(rule.is_complete());
        format!("{}: {} -> {}", name.replace("amlnet.prod.out.additional.", ""), texts(&rule.near), texts(&rule.far))
    };
    assemble(wishes.entries.keys()).into_iter().map(text).collect()
}

fn both() -> Vec<Additional> {
    vec![tag("vault", "AzureKeyVault", false), tag("batch", "BatchNodeManagement", true)]
}

#[test]
fn a_rule_is_of_one_family() {
    let sources = outbound(&["10.1.0.0/24", "10.2.0.0/24", "2001:db8::/64"], both());
    assert_eq!(
        shown(&sources, &[Family::V4, Family::V6]),
        [
            "batch.eastus2.tcp-ip: 10.1.0.0/24 10.2.0.0/24 -> 20.2.0.0/28",
            "batch.eastus2.tcp-ip6: 2001:db8::/64 -> 2603:2::/64",
            "vault.tcp: 10.1.0.0/24 10.2.0.0/24 -> AzureKeyVault",
            "vault.tcp6: 2001:db8::/64 -> AzureKeyVault",
        ]
    );
    // IPv6 is opt-in, also where a source is.
    assert_eq!(
        shown(&sources, &[Family::V4]),
        [
            "batch.eastus2.tcp-ip: 10.1.0.0/24 10.2.0.0/24 -> 20.2.0.0/28",
            "vault.tcp: 10.1.0.0/24 10.2.0.0/24 -> AzureKeyVault",
        ]
    );
}

#[test]
fn without_sources_the_own_network_is_meant_by_rules_of_their_own() {
    assert_eq!(
        shown(&outbound(&[], both()), &[Family::V4, Family::V6]),
        [
            "batch.eastus2.tcp-ip-vnet: VirtualNetwork -> 20.2.0.0/28",
            "batch.eastus2.tcp-ip6-vnet: VirtualNetwork -> 2603:2::/64",
            "vault.tcp-vnet: VirtualNetwork -> AzureKeyVault",
        ]
    );
}

#[test]
fn hosts_are_left_to_the_firewall_and_said() {
    let all = [both(), vec![hosts("code")]].concat();
    let wishes = asked(&outbound(&["10.1.0.0/24"], all), &[Family::V4], &BOTH).unwrap();
    let note = wishes.notes.iter().find(|note| note.code == "HostsNotInGroup").unwrap();
    assert!(note.message.ends_with("left to the firewall: code"), "{}", note.message);
    assert!(!assemble(wishes.entries.keys()).keys().any(|name| name.contains("code")));
}

#[test]
fn what_cannot_be_written_is_refused_with_what_to_do() {
    let refused = |outbound: &Outbound, families: &[Family], directions: &[Direction]| {
        asked(outbound, families, directions).unwrap_err().to_string()
    };
    let only_hosts = outbound(&["10.1.0.0/24"], vec![hosts("code")]);
    let why = refused(&only_hosts, &[Family::V4], &BOTH);
    assert!(why.contains("(Outbound, Inbound)") && why.contains("choose profiles with service tags"), "{why}");
    // Additional ones go out.
    let inbound = refused(&outbound(&["10.1.0.0/24"], both()), &[Family::V4], &[Direction::Inbound]);
    assert!(inbound.contains("(Inbound)"), "{inbound}");
    let four = outbound(&["2001:db8::/64"], vec![tag("four", "OnlyFour", true)]);
    let why = refused(&four, &[Family::V4, Family::V6], &BOTH);
    assert!(why.contains("requirement four") && why.contains("sourceAddresses"), "{why}");
}

#[test]
fn inbound_traffic_comes_from_the_tag_to_the_own_network() {
    let text = crate::testing::json(
        1,
        &[
            ("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8"]),
            ("AzureCloud.centralus", "centralus", &["40.0.0.0/8"]),
            ("AzureMachineLearning", "", &["20.1.0.0/26", "40.1.0.0/26"]),
            ("AzureMachineLearning.EastUS2", "eastus2", &["20.1.0.0/26"]),
            ("AzureMachineLearning.CentralUS", "centralus", &["40.1.0.0/26"]),
        ],
    );
    let inbound = |text: &str| {
        let document = Document::parse(text.as_bytes()).unwrap();
        let id = table_id("n").to_string().replace("routeTables", "networkSecurityGroups").parse().unwrap();
        let directions = BTreeSet::from([Direction::Inbound]);
        let group = SecurityGroupIntent { id, directions, priorities: Priorities { from: 100, to: 200 } };
        let intent = Intent { paired_region: resolve::PairedRegion::Auto, ..intent() };
        let outbound = Outbound { profiles: ["Base".to_owned()].into(), ..outbound(&["10.1.0.0/24"], vec![]) };
        let wishes = wishes(
            &intent,
            &outbound,
            &group,
            &installation(),
            &document,
            &Regions::built_in(),
            &Requirements::built_in(),
        )
        .unwrap();
        assert!(wishes.rules.values().all(|head| head.direction == Direction::Inbound));
        assemble(wishes.entries.keys())
    };
    let by_name = inbound(&text);
    let rule = &by_name["amlnet.prod.in.azuremachinelearning.inbound.tcp"];
    assert_eq!(
        (rule.near.clone(), rule.far.clone()),
        ([Place::Tag(NETWORK.to_owned())].into(), [Place::Tag("AzureMachineLearning".to_owned())].into())
    );
    assert_eq!(rule.ports.iter().map(ToString::to_string).collect::<Vec<_>>(), ["TCP 44224"]);
    // Where security groups do not know the tag: the prefixes of both regions, a rule each.
    let by_prefixes = inbound(&text.replace("\"NSG\",", ""));
    let far =
        |region: &str| by_prefixes[&format!("amlnet.prod.in.azuremachinelearning.inbound.{region}.tcp-ip")].far.clone();
    assert_eq!(far("eastus2"), [Place::Prefix("20.1.0.0/26".parse().unwrap())].into());
    assert_eq!(far("centralus"), [Place::Prefix("40.1.0.0/26".parse().unwrap())].into());
    assert_eq!(by_prefixes.len(), 2);
}
