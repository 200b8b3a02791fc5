//! What an IP group should hold, from documents and from the compiled-in requirements.

use super::*;
use crate::outbound::{Additional, Port, Protocol, Reach};
use crate::testing;

const DOCUMENT: [testing::TagRow<'_>; 8] = [
    ("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8", "2603::/16"]),
    ("AzureMachineLearning", "", &["20.1.0.0/26", "20.9.0.0/26"]),
    ("AzureMonitor", "", &["20.7.0.0/24", "2603:7::/48"]),
    ("Storage", "", &["20.2.0.0/24", "21.2.0.0/24"]),
    ("Storage.EastUS2", "eastus2", &["20.2.0.0/24", "2603:2::/48"]),
    ("Storage.CentralUS", "centralus", &["21.2.0.0/24"]),
    ("BatchNodeManagement", "", &["2603:5::/48"]),
    ("BatchNodeManagement.EastUS2", "eastus2", &["2603:5::/48"]),
];

fn outbound(profiles: &[&str]) -> Outbound {
    Outbound {
        edition: "2026-03".to_owned(),
        profiles: profiles.iter().map(ToString::to_string).collect(),
        ..Outbound::default()
    }
}

fn group(requirement: &str) -> IpGroupIntent {
    IpGroupIntent { id: testing::group_id("ipg"), requirement: requirement.to_owned(), create: None }
}

fn asked(outbound: &Outbound, requirement: &str) -> Result<Wishes, Unresolved> {
    let (document, regions) = (testing::document(&DOCUMENT), Regions::built_in());
    let intent = Intent { families: BTreeSet::from([Family::V4, Family::V6]), ..testing::intent() };
    wishes(&intent, outbound, &group(requirement), &document, &regions, &Requirements::built_in())
}

fn addresses(wishes: &Wishes) -> Vec<String> {
    wishes.entries.keys().map(ToString::to_string).collect()
}

#[test]
fn a_global_tag_stays_global_and_a_regional_one_is_the_primary_regions() {
    let base = outbound(&["Base"]);
    assert_eq!(addresses(&asked(&base, "AzureMachineLearning").unwrap()), ["20.1.0.0/26", "20.9.0.0/26"]);
    let storage = asked(&base, "storage").unwrap();
    assert_eq!(addresses(&storage), ["20.2.0.0/24"], "IPv4 only, of eastus2 only");
    assert!(storage.notes.iter().any(|note| note.code == "GroupWithoutIPv6"));
    let wish = storage.entries.values().next().unwrap();
    assert_eq!(wish.next_hop, NextHop::Member);
    assert_eq!(wish.purposes.iter().map(ToString::to_string).collect::<Vec<_>>(), ["Storage eastus2"]);
}

#[test]
fn a_name_means_the_row_with_that_id_and_else_the_rows_with_that_tag() {
    let both = outbound(&["Base", "StorageFirewall"]);
    for (name, row) in [("Storage", "Storage eastus2"), ("StorageFirewall.Storage", "StorageFirewall.Storage eastus2")]
    {
        let asked = asked(&both, name).unwrap();
        let purposes = &asked.entries.values().next().unwrap().purposes;
        assert_eq!(purposes.iter().map(ToString::to_string).collect::<Vec<_>>(), [row]);
    }
    let by_tag = asked(&outbound(&["StorageFirewall"]), "Storage").unwrap();
    assert_eq!(addresses(&by_tag), ["20.2.0.0/24"]);
    // What the user adds under a name of his own widens nothing else.
    let wide = Additional {
        name: "files".to_owned(),
        to: Reach::Tag { name: "Storage".to_owned(), regional: false },
        ports: vec![Port { protocol: Protocol::Tcp, port: 445 }],
    };
    let with = Outbound { additional: vec![wide], ..outbound(&["Base"]) };
    assert_eq!(addresses(&asked(&with, "Storage").unwrap()), ["20.2.0.0/24"]);
    assert_eq!(addresses(&asked(&with, "files").unwrap()), ["20.2.0.0/24", "21.2.0.0/24"]);
}

#[test]
fn what_is_added_can_stand_in_a_group_too() {
    let tag = |name: &str, regional| Additional {
        name: "more".to_owned(),
        to: Reach::Tag { name: name.to_owned(), regional },
        ports: vec![Port { protocol: Protocol::Tcp, port: 443 }],
    };
    let with = |additional: Additional| Outbound { additional: vec![additional], ..outbound(&[]) };
    assert_eq!(addresses(&asked(&with(tag("Storage", false)), "more").unwrap()), ["20.2.0.0/24", "21.2.0.0/24"]);
    assert_eq!(addresses(&asked(&with(tag("Storage", true)), "more").unwrap()), ["20.2.0.0/24"]);
    let error = asked(&with(tag("Storrage", true)), "more").unwrap_err().to_string();
    assert!(error.contains("Storrage") && error.contains("did you mean Storage"), "{error}");
}

#[test]
fn nothing_found_is_an_error_that_says_what_to_write() {
    for (profiles, requirement, said) in [
        (&["Base"][..], "StorageFirewall.Storage", "add its profile"),
        (&["Base"], "Storrage", "did you mean Storage"),
        (&["RStudio"], "RStudio.Images", "hosts belong into a list"),
        (&["Base"], "BatchNodeManagement", "it has no IPv4 addresses"),
        (&["Base"], "AzureResourceManager", "exclude: [AzureResourceManager]"),
        (&["Bases"], "Storage", "did you mean Base"),
    ] {
        let error = asked(&outbound(profiles), requirement).unwrap_err().to_string();
        assert!(error.contains(said), "{requirement}: {error}");
    }
    let excluded = Outbound { exclude: BTreeSet::from(["Storage".to_owned()]), ..outbound(&["Base"]) };
    assert!(asked(&excluded, "Storage").unwrap_err().to_string().contains("exclude leaves it out"));
    let old = Outbound { edition: "2019-01".to_owned(), ..outbound(&["Base"]) };
    assert!(asked(&old, "Storage").unwrap_err().to_string().contains("2023-01"), "the known editions are told");
}
