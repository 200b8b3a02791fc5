//! Rules of what a table should hold: one Network's wishes, and the union over all.

use std::collections::BTreeSet;

use super::super::resolve::PairedRegion;
use super::super::testing::{AT_ONCE, TagRow, address, contribution, document, hop, intent, key, table, unresolved};
use super::*;

const TAGS: [TagRow<'static>; 8] = [
    ("AzureCloud.centralus", "centralus", &["40.0.0.0/8"]),
    ("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8", "2603:1030::/32"]),
    ("AzureMachineLearning", "", &["20.1.0.0/26", "2603:1030:1::/122", "40.1.0.0/26"]),
    ("AzureMachineLearning.CentralUS", "centralus", &["40.1.0.0/26"]),
    ("AzureMachineLearning.EastUS2", "eastus2", &["20.1.0.0/26", "2603:1030:1::/122"]),
    ("Storage", "", &["20.4.0.0/16"]),
    ("Storage.EastUS2", "eastus2", &["20.1.0.0/26", "20.4.0.0/16"]),
    ("Storage.CentralUS", "centralus", &["40.4.0.0/16"]),
];

fn wished(intent: &Intent, table: &RouteTableIntent) -> Result<Wishes, Unresolved> {
    wishes(intent, table, &document(&TAGS), &Regions::built_in())
}

/// `address -> hop (purposes)`, one a line.
fn lines(wishes: &Wishes) -> Vec<String> {
    let line = |(address, wish): (&Address, &Wish)| {
        let purposes: Vec<String> = wish.purposes.iter().map(ToString::to_string).collect();
        format!("{address} -> {} ({})", wish.next_hop, purposes.join(", "))
    };
    wishes.entries.iter().map(line).collect()
}

#[test]
fn a_network_wishes_for_its_service_in_its_region() {
    let wishes = wished(&intent(), &table()).unwrap();
    assert_eq!(lines(&wishes), ["20.1.0.0/26 -> Internet (AzureMachineLearning eastus2)"]);
    assert!(wishes.pair.is_none() && wishes.notes.is_empty());
    assert_eq!(wishes.document, DocumentId::from(&document(&TAGS)));
}

#[test]
fn the_pair_is_wished_for_too() {
    let auto = Intent { paired_region: PairedRegion::Auto, ..intent() };
    let wishes = wished(&auto, &table()).unwrap();
    assert_eq!(
        lines(&wishes),
        [
            "20.1.0.0/26 -> Internet (AzureMachineLearning eastus2)",
            "40.1.0.0/26 -> Internet (AzureMachineLearning centralus (paired))",
        ]
    );
    let (name, source) = wishes.pair.unwrap();
    assert_eq!((name.as_str(), source), ("centralus", PairSource::Documentation));
}

#[test]
fn families_are_opted_into() {
    for (families, expected) in [
        (&[Family::V4][..], &["20.1.0.0/26"][..]),
        (&[Family::V6], &["2603:1030:1::/122"]),
        (&[Family::V4, Family::V6], &["20.1.0.0/26", "2603:1030:1::/122"]),
    ] {
        let intent = Intent { families: families.iter().copied().collect(), ..intent() };
        let wishes = wished(&intent, &table()).unwrap();
        let found: Vec<String> = wishes.entries.keys().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_region_without_a_prefix_of_the_family_is_an_error() {
    let only_v6 = Intent { families: BTreeSet::from([Family::V6]), paired_region: PairedRegion::Auto, ..intent() };
    let error = wished(&only_v6, &table()).unwrap_err().to_string();
    assert!(error.contains("AzureMachineLearning (IPv6) has no prefixes for region centralus"), "{error}");
}

#[test]
fn a_prefix_that_serves_two_services_is_one_entry_with_two_purposes() {
    let two = Intent { services: vec!["AzureMachineLearning".into(), "Storage".into()], ..intent() };
    assert_eq!(
        lines(&wished(&two, &table()).unwrap()),
        [
            "20.1.0.0/26 -> Internet (AzureMachineLearning eastus2, Storage eastus2)",
            "20.4.0.0/16 -> Internet (Storage eastus2)",
        ]
    );
}

#[test]
fn the_default_route_leads_to_the_firewall_and_the_rest_to_the_next_hop() {
    let table =
        RouteTableIntent { default_route: Some("10.0.1.4".parse().unwrap()), next_hop: hop("10.0.9.9"), ..table() };
    assert_eq!(
        lines(&wished(&intent(), &table).unwrap()),
        [
            "0.0.0.0/0 -> VirtualAppliance 10.0.1.4 (default route)",
            "20.1.0.0/26 -> VirtualAppliance 10.0.9.9 (AzureMachineLearning eastus2)",
        ]
    );
    let none = Intent { services: vec![], ..intent() };
    assert_eq!(lines(&wished(&none, &table).unwrap()), ["0.0.0.0/0 -> VirtualAppliance 10.0.1.4 (default route)"]);
}

#[test]
fn by_service_tag_one_entry_stands_for_all_regions() {
    let table = RouteTableIntent { addressing: Addressing::ServiceTag, ..table() };
    let two = Intent { services: vec!["storage".into(), "AzureMachineLearning".into()], ..intent() };
    assert_eq!(
        lines(&wished(&two, &table).unwrap()),
        [
            "AzureMachineLearning -> Internet (AzureMachineLearning by service tag)",
            "Storage -> Internet (Storage by service tag)",
        ]
    );
    let regional = Intent { services: vec!["Storage.EastUS2".into()], ..intent() };
    assert!(matches!(wished(&regional, &table), Err(Unresolved::NotRoutable { .. })));
}

#[test]
fn whatever_is_not_found_makes_the_whole_wish_an_error() {
    let services = |list: &[&str]| Intent { services: list.iter().map(ToString::to_string).collect(), ..intent() };
    for (intent, says) in [
        (services(&["AzureMachineLearning", "NoSuchTag"]), "there is no service tag NoSuchTag"),
        (services(&["AzureMachineLearning", "BatchNodeManagement"]), "there is no service tag BatchNodeManagement"),
        (Intent { region: "nowhere".into(), ..intent() }, "region: region \"nowhere\" is not known"),
        (
            Intent { paired_region: PairedRegion::Named("qatarcentral".into()), ..intent() },
            "has no prefixes for region qatarcentral",
        ),
    ] {
        let error = wished(&intent, &table()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn the_union_holds_what_any_contributor_wants() {
    let union = Desired::union(&[
        contribution("a", &[("20.1.0.0/26", "Internet"), ("20.2.0.0/26", "Internet")]),
        contribution("b", &[("20.2.0.0/26", "Internet"), ("20.3.0.0/26", "10.0.0.4")]),
        unresolved("c"),
    ]);
    let found: Vec<String> = union
        .entries
        .iter()
        .map(|(address, entry)| {
            let names: Vec<&str> = entry.wanted_by.iter().map(|key| key.name.as_str()).collect();
            format!("{address} -> {} for {}", entry.next_hop, names.join(" and "))
        })
        .collect();
    assert_eq!(
        found,
        [
            "20.1.0.0/26 -> Internet for a",
            "20.2.0.0/26 -> Internet for a and b",
            "20.3.0.0/26 -> VirtualAppliance 10.0.0.4 for b",
        ]
    );
    assert!(union.contradictions.is_empty());
}

#[test]
fn two_next_hops_for_one_address_freeze_that_address_only() {
    let union = Desired::union(&[
        contribution("a", &[("20.1.0.0/26", "Internet"), ("20.2.0.0/26", "Internet")]),
        contribution("b", &[("20.1.0.0/26", "10.0.0.4")]),
        contribution("c", &[("20.1.0.0/26", "Internet")]),
    ]);
    assert_eq!(union.entries.keys().collect::<Vec<_>>(), [&address("20.2.0.0/26")]);
    let expected = [(hop("Internet"), key("a")), (hop("Internet"), key("c")), (hop("10.0.0.4"), key("b"))];
    assert_eq!(union.contradictions[&address("20.1.0.0/26")], BTreeSet::from(expected));
}

#[test]
fn a_default_route_is_known_by_its_purpose() {
    let union = Desired::union(&[contribution("a", &[("0.0.0.0/0", "10.0.0.4"), ("20.1.0.0/26", "Internet")])]);
    let flags: Vec<bool> = union.entries.values().map(DesiredEntry::is_default_route).collect();
    assert_eq!(flags, [true, false]);
}

#[test]
fn nobody_wants_nothing() {
    assert_eq!(Desired::union(&[]), Desired::default());
    assert_eq!(Desired::union(&[unresolved("a")]), Desired::default());
}

#[test]
fn the_strictest_condition_for_removals_counts() {
    let of = |hold_seconds, approval| Contribution {
        removal: Removal { hold_seconds, approval, ..AT_ONCE },
        ..contribution("a", &[])
    };
    let (never, always) = (Approval::Never, Approval::Always);
    for (list, hold_seconds, approval) in [
        (vec![of(0, never)], 0, never),
        (vec![of(0, never), of(7, never)], 7, never),
        (vec![of(9, never), of(0, always)], 9, always),
    ] {
        assert_eq!(strictest(list.iter().map(|c| c.removal)), Removal { hold_seconds, approval, ..AT_ONCE });
    }
    let tight = |max, percent| Removal { budget: Budget { max, percent }, ..AT_ONCE };
    assert_eq!(strictest([tight(5, 80), tight(9, 10)]), tight(5, 10), "each limit for itself");
    let nobody = strictest([]);
    assert_eq!((nobody.hold_seconds, nobody.approval), (42 * 86400, always), "as where nothing is said");
}

#[test]
fn an_address_reads_what_it_prints() {
    for text in
        ["20.1.0.0/26", "2603:1030:1::/122", "Storage.EastUS2", "10.0.0.1-10.0.0.9", "10.7.1.4/16", "10.0.0.0/33"]
    {
        let address = address(text);
        assert_eq!((address.to_string(), text.parse()), (text.to_owned(), Ok(address)));
    }
    assert!("".parse::<Address>().is_err());
}
