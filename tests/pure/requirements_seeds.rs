//! The two pages of the documentation that the edition 2023-01 stands for, read here for themselves: every row, port and
//! host of them is in the data, and nothing else is, but for the rows that are said to stand outside of what is quoted.
//!
//! They lie in `../shared/seeds` beside this repository; where they do not, these tests say so and pass.

use amlnet::domain::service_tags::Cloud;

use crate::requirements::{Fact, all, assert_same, cells, facts, missing, ports, shared};
use crate::requirements_facts;

const EDITION: &str = "2023-01";

/// The texts between backticks.
fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn fact(cloud: Cloud, profile: &str, what: &str, protocol: &str, port: u16) -> Fact {
    Fact {
        edition: EDITION.to_owned(),
        cloud: cloud.name(),
        profile: profile.to_owned(),
        direction: "Outbound",
        what: what.to_owned(),
        protocol: protocol.to_owned(),
        port,
    }
}

/// The page about outbound traffic. `no_first_party`: clouds whose files lack `AzureFrontDoor.FirstParty`.
fn read(page: &str, cloud: Cloud, no_first_party: &[Cloud]) -> Vec<Fact> {
    let mut found = Vec::new();
    let (mut profile, mut of_hosts) = ("Base", false);
    let mut targets: Vec<&str> = Vec::new();
    for line in page.lines() {
        if line.starts_with('#') {
            profile = match line.trim_start_matches('#').trim() {
                "Recommended configuration for training and deploying models" => "TrainingAndDeployment",
                "Scenario: Install RStudio on compute instance" => "RStudio",
                "Scenario: Using compute cluster or compute instance with a public IP" => "",
                other => panic!("a heading that this test does not know: {other}"),
            };
        }
        if let Some(cells) = cells(line) {
            let names = code(cells[0]);
            if names.is_empty() {
                of_hosts = cells[0].contains("Host name");
            } else if of_hosts {
                found.extend(names.iter().map(|host| fact(cloud, "PythonPackages", host, "TCP", 443)));
                let own = cells[1].split_once("you must also allow").map(|(_, rest)| code(rest)).unwrap_or_default();
                found.extend(own.iter().map(|host| fact(cloud, "PythonPackagesOwnIndex", host, "TCP", 443)));
            } else if !(cells[0].contains("Not needed in Azure China") && cloud == Cloud::China) {
                for tag in names {
                    let tag = if tag == "Frontdoor.FirstParty" { "AzureFrontDoor.FirstParty" } else { tag };
                    if tag == "AzureFrontDoor.FirstParty" && no_first_party.contains(&cloud) {
                        continue;
                    }
                    let each = ports(cells[1]).into_iter();
                    found.extend(each.map(|(protocol, port)| fact(cloud, profile, tag, &protocol, port)));
                }
            }
        } else if line.contains("__Target FQDN__") {
            targets = code(line);
        } else if line.contains("__Protocol__") {
            let each = ports(code(line)[0]);
            for (protocol, port) in each {
                found.extend(targets.iter().map(|host| fact(cloud, profile, host, &protocol, port)));
            }
        } else if line.contains("R packages") {
            found.extend(code(line).iter().map(|host| fact(cloud, "RPackages", host, "TCP", 443)));
        }
    }
    found
}

#[test]
fn the_seeds_and_the_data_say_the_same() {
    let Some(page) = shared("seeds/000_3a1b7a037ed5c64f.txt") else { return };
    let Some(outside) = shared("facts/requirements.md").map(|text| requirements_facts::Page::read(&text)) else {
        return;
    };
    for cloud in Cloud::ALL {
        let seeds = read(&page, cloud, &outside.no_first_party());
        assert!(seeds.len() >= 20, "{seeds:?}");
        let written: Vec<Fact> = seeds.iter().cloned().chain(outside.outside_of_seeds(EDITION, cloud)).collect();
        assert_same(&written, &facts(EDITION, cloud));
    }
}

#[test]
fn a_changed_page_is_noticed() {
    let Some(page) = shared("seeds/000_3a1b7a037ed5c64f.txt") else { return };
    let data = facts(EDITION, Cloud::Public);
    let as_it_is = read(&page, Cloud::Public, &[]);
    assert_eq!(missing(&as_it_is, &data), Vec::<String>::new());
    for (from, to) in [
        ("18881<br>UDP: 5831", "18882<br>UDP: 5831"),
        ("UDP: 5831", "5831"),
        ("`BatchNodeManagement.<region>`", "`BatchNodeManagement`"),
        ("`*.anaconda.org`", "`*.anaconda.net`"),
        ("`pkg-containers.githubusercontent.com`", "`containers.githubusercontent.com`"),
        ("`Https:443`", "`Https:8443`"),
        ("`*.pythonhosted.org`", "`pythonhosted.org`"),
        ("`cloud.r-project.org`", "`r-project.org`"),
    ] {
        assert!(page.contains(from), "{from}");
        let changed = read(&page.replace(from, to), Cloud::Public, &[]);
        assert!(!missing(&changed, &data).is_empty(), "{from} -> {to}");
    }
}

#[test]
fn the_name_of_the_rule_is_kept() {
    let Some(page) = shared("seeds/000_3a1b7a037ed5c64f.txt") else { return };
    let line = page.lines().find(|line| line.contains("__Name__")).unwrap();
    let name = line.rsplit(':').next().unwrap().trim();
    let rows = all(EDITION, Cloud::Public).requirements;
    let row = rows.iter().find(|row| row.rule.as_deref() == Some(name)).unwrap();
    assert_eq!(row.profile.as_deref(), Some("RStudio"));
}

#[test]
fn the_routes_of_the_seeds_are_in_the_data() {
    let (Some(outbound), Some(routes)) =
        (shared("seeds/000_3a1b7a037ed5c64f.txt"), shared("seeds/004_a0cd2779d5195957.txt"))
    else {
        return;
    };
    let data = all(EDITION, Cloud::Public).routes;
    // Without a public IP.
    let (_, rest) = outbound.split_once("with an address prefix of ").unwrap();
    let prefix = rest.split_whitespace().next().unwrap().trim_end_matches('.');
    let default = data.iter().find(|route| route.prefix.as_deref() == Some(prefix)).unwrap();
    assert_eq!((default.compute.as_str(), default.next_hop.as_str()), ("NoPublicIp", "VirtualAppliance"));
    assert!(outbound.contains("__Azure Virtual Network NAT with a public IP__"));
    assert!(default.notes.as_ref().unwrap().contains("NAT gateway"), "nothing is written for it");
    // With a public IP: by the tag, as the command line has it.
    let command = routes.lines().find(|line| line.starts_with("az network route-table route create")).unwrap();
    let value = |flag: &str| {
        let mut words = command.split_whitespace().skip_while(|word| *word != flag);
        words.nth(1).unwrap().to_owned()
    };
    let (tag, hop) = (value("--address-prefix"), value("--next-hop-type"));
    let by = |addressing: &str| {
        let of_tag = |route: &&_| is_of(route, &tag, addressing);
        data.iter().find(of_tag).unwrap()
    };
    assert_eq!(by("ServiceTag").next_hop, hop);
    // With a public IP: by addresses of both regions.
    assert!(routes.contains("both the __primary__ and __secondary__ regions"));
    assert!(routes.contains(&format!("`{tag}.<region>`")) && routes.contains("__Next hop type__ to __Internet__"));
    assert_eq!((by("Prefixes").next_hop.as_str(), by("Prefixes").compute.as_str()), ("Internet", "PublicIp"));
    assert_eq!(data.len(), 3);
}

fn is_of(route: &amlnet::commands::requirements::report::RouteOutput, tag: &str, addressing: &str) -> bool {
    route.service_tag.as_deref() == Some(tag) && route.addressing.as_deref() == Some(addressing)
}
