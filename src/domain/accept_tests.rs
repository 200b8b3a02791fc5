//! Rules of acceptance: what never comes into force, what waits for a person, what is nothing new.

use serde_json::json;

use super::super::testing::{TagRow, document, document_numbered, json_value, prefix};
use super::*;

const GOOD: [TagRow<'static>; 6] = [
    ("AzureCloud", "", &["20.0.0.0/8", "40.0.0.0/8"]),
    ("AzureCloud.centralfrance", "centralfrance", &["40.0.0.0/8"]),
    ("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8", "2603:1030::/32"]),
    ("AzureMachineLearning", "", &["20.1.0.0/26", "40.1.0.0/26", "2603:1030:1::/122"]),
    ("AzureMachineLearning.EastUS2", "eastus2", &["20.1.0.0/26", "2603:1030:1::/122"]),
    ("AzureMachineLearning.FranceCentral", "centralfrance", &["40.1.0.0/26"]),
];

fn with(changes: &[TagRow<'_>]) -> Document {
    let mut tags: Vec<TagRow<'_>> = GOOD.to_vec();
    for row in changes {
        tags.retain(|(name, ..)| name != &row.0);
        tags.push(*row);
    }
    document(&tags)
}

fn without(names: &[&str]) -> Document {
    document(&GOOD.into_iter().filter(|(name, ..)| !names.contains(name)).collect::<Vec<_>>())
}

fn judged_alone(document: &Document) -> Verdict {
    judge(document, date(1), Cloud::Public, None, &Regions::built_in())
}

fn date(day: i8) -> Date {
    Date::constant(2026, 1, day)
}

/// A document of one big tag beside the needed ones: the prefixes `from..to`, numbered.
fn bulk(change_number: u64, from: u16, to: u16) -> Document {
    let texts: Vec<String> = (from..to).map(|n| format!("30.{}.{}.0/24", n / 256, n % 256)).collect();
    let prefixes: Vec<&str> = texts.iter().map(String::as_str).collect();
    let tags: Vec<TagRow<'_>> = GOOD.into_iter().chain([("Storage", "", &prefixes[..])]).collect();
    document_numbered(change_number, &tags)
}

fn judged_after(old: (&Document, Date), new: (&Document, Date)) -> Verdict {
    let in_force = InForce { document: old.0, file_date: old.1 };
    judge(new.0, new.1, Cloud::Public, Some(in_force), &Regions::built_in())
}

#[test]
fn a_good_document_is_accepted_when_none_is_in_force() {
    assert_eq!(judged_alone(&with(&[])), Verdict::Accepted);
}

#[test]
fn every_rejection_has_its_case() {
    let aml = "AzureMachineLearning";
    let all_regions = ["AzureCloud.eastus2", "AzureCloud.centralfrance"];
    let wide =
        |tag: &str, at: &str, shortest| Rejection::MaskTooShort { tag: tag.into(), prefix: prefix(at), shortest };
    let outside = |tag: &str, at: &str, region: &str| Rejection::OutsideRegion {
        tag: tag.into(),
        prefix: prefix(at),
        region: region.into(),
    };
    for (document, rejection) in [
        (without(&[aml]), Rejection::MissingTag(aml)),
        (without(&all_regions), Rejection::MissingTag("AzureCloud.<region>")),
        (with(&[(aml, "", &["20.1.0.0/23"])]), wide(aml, "20.1.0.0/23", 24)),
        (with(&[(aml, "", &["2603:1030:1::/111"])]), wide(aml, "2603:1030:1::/111", 112)),
        (
            with(&[("AzureMachineLearning.EastUS2", "eastus2", &["20.0.0.0/9"])]),
            wide("AzureMachineLearning.EastUS2", "20.0.0.0/9", 24),
        ),
        (with(&[("BatchNodeManagement", "", &["20.0.0.0/8"])]), wide("BatchNodeManagement", "20.0.0.0/8", 24)),
        (
            with(&[("azuremachinelearning.eastus2x", "eastus2", &["20.0.0.0/16"])]),
            wide("azuremachinelearning.eastus2x", "20.0.0.0/16", 24),
        ),
        (
            with(&[("AzureMachineLearning.EastUS2", "eastus2", &["40.1.0.0/26"])]),
            outside("AzureMachineLearning.EastUS2", "40.1.0.0/26", "eastus2"),
        ),
        (
            with(&[("BatchNodeManagement.FranceCentral", "centralfrance", &["20.1.0.0/26"])]),
            outside("BatchNodeManagement.FranceCentral", "20.1.0.0/26", "francecentral"),
        ),
        (
            with(&[("BatchNodeManagement.WestUS", "westus", &["20.1.0.0/26"])]),
            outside("BatchNodeManagement.WestUS", "20.1.0.0/26", "westus"),
        ),
        (
            with(&[("BatchNodeManagement.Nowhere", "", &["20.1.0.0/26"])]),
            outside("BatchNodeManagement.Nowhere", "20.1.0.0/26", "Nowhere"),
        ),
    ] {
        assert_eq!(judged_alone(&document), Verdict::Rejected(rejection));
    }
}

#[test]
fn masks_at_the_limit_are_accepted() {
    let edge = with(&[
        ("AzureMachineLearning", "", &["20.1.0.0/24", "2603:1030:1::/112"]),
        ("AzureMachineLearning.EastUS2", "eastus2", &["20.1.0.0/24", "2603:1030:1::/112"]),
        ("AzureMachineLearning.FranceCentral", "centralfrance", &[]),
    ]);
    assert_eq!(judged_alone(&edge), Verdict::Accepted);
}

#[test]
fn containment_is_asked_of_no_other_service() {
    let other =
        with(&[("EventHub.EastUS2", "eastus2", &["40.0.0.0/8"]), ("Storage.Nowhere", "nowhere", &["30.0.0.0/8"])]);
    assert_eq!(judged_alone(&other), Verdict::Accepted);
}

#[test]
fn a_regional_tag_that_lies_about_its_region_is_rejected() {
    // Resolving goes by the name, so containment in the region that the tag claims proves nothing.
    let poisoned = with(&[("AzureMachineLearning.EastUS2", "centralfrance", &["40.1.0.0/26"])]);
    assert!(matches!(judged_alone(&poisoned), Verdict::Rejected(_)), "{:?}", judged_alone(&poisoned));
}

#[test]
fn another_clouds_document_is_rejected() {
    let mut value = json_value(100, &GOOD);
    for (name, cloud) in [("AzureGovernment", Cloud::AzureGovernment), ("China", Cloud::China)] {
        value["cloud"] = json!(name);
        let document = Document::parse(value.to_string().as_bytes()).unwrap();
        let rejection = Rejection::WrongCloud { found: cloud, expected: Cloud::Public };
        assert_eq!(judged_alone(&document), Verdict::Rejected(rejection));
    }
}

#[test]
fn change_number_and_file_date_decide_what_is_older_and_content_what_is_new() {
    let (a, b) = (bulk(100, 0, 100), bulk(100, 0, 101));
    let numbered = |n: u64| bulk(n, 0, 101);
    let same = |n: u64| bulk(n, 0, 100);
    for (new, day, expected) in [
        (same(100), 10, "Unchanged"),
        (same(99), 9, "Unchanged"),
        (same(100), 11, "Accepted"),
        (same(101), 17, "Accepted"),
        (b, 10, "Accepted"),
        (numbered(100), 11, "Accepted"),
        (numbered(101), 10, "Accepted"),
        (numbered(101), 9, "Accepted"),
        (numbered(100), 9, "Rejected"),
        (numbered(99), 10, "Rejected"),
        (numbered(99), 31, "Rejected"),
    ] {
        let verdict = judged_after((&a, date(10)), (&new, date(day)));
        assert!(format!("{verdict:?}").starts_with(expected), "{} {day}: {verdict:?}", new.change_number);
    }
}

#[test]
fn an_older_document_is_rejected_with_both_numbers() {
    let verdict = judged_after((&bulk(346, 0, 10), date(10)), (&bulk(345, 0, 11), date(20)));
    let Verdict::Rejected(rejection) = verdict else { panic!("{verdict:?}") };
    assert_eq!(
        rejection.to_string(),
        "it is older (change number 345, 2026-01-20) than the one in force (change number 346, 2026-01-10)"
    );
}

#[test]
fn more_than_a_fifth_of_the_prefixes_gone_waits_for_a_person() {
    // GOOD has 11 prefixes, so 89 more make 100.
    let old = bulk(100, 0, 89);
    assert_eq!(old.prefix_count(), 100);
    for (new, expected) in [
        (bulk(101, 20, 89), Verdict::Accepted),
        (bulk(101, 21, 89), Verdict::Held(HeldReason::Shrunk { before: 100, gone: 21 })),
        (bulk(101, 25, 114), Verdict::Held(HeldReason::Shrunk { before: 100, gone: 25 })),
        (bulk(101, 20, 1000), Verdict::Accepted),
        (bulk(101, 89, 1000), Verdict::Held(HeldReason::Shrunk { before: 100, gone: 89 })),
        (bulk(101, 0, 1000), Verdict::Accepted),
    ] {
        let verdict = judged_after((&old, date(1)), (&new, date(8)));
        assert_eq!(verdict, expected, "{} prefixes", new.prefix_count());
    }
}

#[test]
fn a_prefix_that_only_moved_to_another_tag_counts_as_gone() {
    let moved = |name| {
        let tags: Vec<TagRow<'_>> =
            GOOD.into_iter().chain([(name, "", &["30.0.0.0/24", "30.0.1.0/24", "30.0.2.0/24"][..])]).collect();
        document_numbered(101, &tags)
    };
    let verdict = judged_after((&moved("Storage"), date(1)), (&moved("Sql"), date(8)));
    assert_eq!(verdict, Verdict::Held(HeldReason::Shrunk { before: 14, gone: 3 }));
}

#[test]
fn what_must_hold_of_every_document_is_asked_before_its_age() {
    let verdict = judged_after((&bulk(346, 0, 10), date(10)), (&without(&["AzureMachineLearning"]), date(1)));
    assert_eq!(verdict, Verdict::Rejected(Rejection::MissingTag("AzureMachineLearning")));
}

#[test]
fn cloud_prefixes_go_by_the_region_of_the_tag_not_by_its_name() {
    let document = with(&[("AzureCloud.odd", "eastus2", &["50.0.0.0/8"])]);
    let region = Regions::built_in().find("East US 2", &document).unwrap();
    assert_eq!(cloud_prefixes(&document, &region), ["20.0.0.0/8", "2603:1030::/32", "50.0.0.0/8"].map(prefix));
    let france = Regions::built_in().find("francecentral", &document).unwrap();
    assert_eq!(cloud_prefixes(&document, &france), [prefix("40.0.0.0/8")]);
}

#[test]
fn the_identity_is_claimed_of_two_services_only() {
    for (service, expected) in [
        ("AzureMachineLearning", true),
        ("batchnodemanagement", true),
        ("Storage", false),
        ("AzureMachineLearning.EastUS2", false),
        ("", false),
    ] {
        assert_eq!(obeys_identity(service), expected, "{service}");
    }
}
