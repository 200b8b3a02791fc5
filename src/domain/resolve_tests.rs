//! Rules of resolving: regional tag, identity, pair, tags by name. Nothing found is an error.

use super::super::testing::{TagRow, document, document_numbered, prefix};
use super::*;

const TAGS: [TagRow<'static>; 13] = [
    ("AzureCloud.centralus", "centralus", &["40.0.0.0/8"]),
    ("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8", "2603:1030::/32"]),
    ("AzureCloud.newe", "newe", &["50.0.0.0/8"]),
    ("AzureCloud.qatarcentral", "qatarcentral", &["60.0.0.0/8"]),
    ("AzureMachineLearning", "", &["20.1.0.0/26", "20.2.0.0/26", "2603:1030:1::/122", "40.1.0.0/26", "50.1.0.0/26"]),
    ("AzureMachineLearning.CentralUS", "centralus", &["40.1.0.0/26"]),
    ("AzureMachineLearning.EastUS2", "eastus2", &["20.1.0.0/26", "20.2.0.0/26", "2603:1030:1::/122"]),
    ("AzureMachineLearning.NewEast", "newe", &["50.1.0.0/26"]),
    ("AzureMonitor.Core", "", &["20.9.0.0/26"]),
    ("AzureResourceManager", "", &["20.8.0.0/26", "40.8.0.0/26"]),
    ("BatchNodeManagement", "", &["20.3.0.0/26"]),
    ("Storage", "", &["20.4.0.0/16", "40.4.0.0/16"]),
    ("Storage.EastUS2", "eastus2", &["20.4.0.0/16", "20.5.0.0/16"]),
];

/// The tags with some replaced (same name) or added, and without those that have no prefix list.
fn tags(changes: &[(&'static str, Option<&'static [&'static str]>)]) -> Document {
    let mut rows: Vec<TagRow<'_>> = TAGS.to_vec();
    for (name, prefixes) in changes {
        let region = TAGS.iter().find(|row| row.0 == *name).map_or("eastus2", |row| row.1);
        rows.retain(|row| row.0 != *name);
        rows.extend(prefixes.map(|prefixes| (*name, region, prefixes)));
    }
    document(&rows)
}

/// The prefixes as text, or the error; then the codes of the notes.
fn resolved(service: &str, region: &str, document: &Document) -> (Result<String, String>, Vec<&'static str>) {
    let region = Regions::built_in().find(region, document).unwrap();
    let mut notes = BTreeSet::new();
    let found = regional(service, &region, document, &mut notes).map_err(|error| error.to_string());
    let text = found.map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    (text, notes.into_iter().map(|note| note.code).collect())
}

#[track_caller]
fn found(service: &str, region: &str, document: &Document, prefixes: &str, notes: &[&str]) {
    assert_eq!(resolved(service, region, document), (Ok(prefixes.to_owned()), notes.to_vec()), "{service} {region}");
}

#[track_caller]
fn refused(service: &str, region: &str, document: &Document, says: &str) {
    let error = resolved(service, region, document).0.unwrap_err();
    assert!(error.contains(says), "{error}");
}

const EASTUS2: &str = "20.1.0.0/26 20.2.0.0/26 2603:1030:1::/122";

#[test]
fn the_regional_tag_answers_without_a_note() {
    for region in ["eastus2", "East US 2", "EASTUS2"] {
        found("AzureMachineLearning", region, &tags(&[]), EASTUS2, &[]);
    }
    found("azuremachinelearning", "eastus2", &tags(&[]), EASTUS2, &[]);
    found("Storage", "eastus2", &tags(&[]), "20.4.0.0/16 20.5.0.0/16", &[]);
}

#[test]
fn a_missing_regional_tag_is_replaced_by_the_identity_and_told() {
    let document = tags(&[("AzureMachineLearning.EastUS2", None)]);
    found("AzureMachineLearning", "eastus2", &document, EASTUS2, &["RegionalTagMissing"]);
    found("BatchNodeManagement", "eastus2", &document, "20.3.0.0/26", &["RegionalTagMissing"]);
}

#[test]
fn where_tag_and_identity_differ_both_are_used_and_told() {
    for (regional, expected) in [
        (&["20.1.0.0/26", "20.7.0.0/26"][..], "20.1.0.0/26 20.2.0.0/26 20.7.0.0/26 2603:1030:1::/122"),
        (&["20.1.0.0/26"], EASTUS2),
        (&[], EASTUS2),
    ] {
        let document = tags(&[("AzureMachineLearning.EastUS2", Some(regional))]);
        found("AzureMachineLearning", "eastus2", &document, expected, &["RegionalTagDiffers"]);
    }
}

#[test]
fn the_note_counts_both_sides() {
    let document = tags(&[("AzureMachineLearning.EastUS2", Some(&[]))]);
    let region = Regions::built_in().find("eastus2", &document).unwrap();
    let mut notes = BTreeSet::new();
    regional("AzureMachineLearning", &region, &document, &mut notes).unwrap();
    assert_eq!(
        notes.first().unwrap().message,
        "AzureMachineLearning for eastus2: the regional tag has 0 prefixes, the global tag within AzureCloud has 3; \
         both are used"
    );
}

#[test]
fn no_other_service_has_the_fallback() {
    refused("Storage", "centralus", &tags(&[]), "service tag Storage has no prefixes for region centralus");
    refused("Storage", "eastus2", &tags(&[("Storage.EastUS2", Some(&[]))]), "nothing is changed until it has");
}

#[test]
fn a_region_without_the_service_is_an_error_and_never_empty() {
    refused("AzureMachineLearning", "qatarcentral", &tags(&[]), "has no prefixes for region qatarcentral");
    refused("BatchNodeManagement", "centralus", &tags(&[]), "has no prefixes for region centralus");
    let gone = tags(&[("BatchNodeManagement", None)]);
    refused(
        "BatchNodeManagement",
        "eastus2",
        &gone,
        "there is no service tag BatchNodeManagement in change number 100",
    );
    refused("NoSuchService", "eastus2", &tags(&[]), "there is no service tag NoSuchService");
}

#[test]
fn a_tag_that_no_region_has_gives_all_its_prefixes_and_a_note() {
    found("AzureResourceManager", "eastus2", &tags(&[]), "20.8.0.0/26 40.8.0.0/26", &["TagWithoutRegions"]);
    found("AzureMonitor.Core", "eastus2", &tags(&[]), "20.9.0.0/26", &["TagWithoutRegions"]);
    found("Storage.EastUS2", "centralus", &tags(&[]), "20.4.0.0/16 20.5.0.0/16", &["TagWithoutRegions"]);
    refused("AzureMonitor", "eastus2", &tags(&[]), "has no prefixes for region eastus2");
}

#[test]
fn a_child_that_is_no_region_is_not_used_for_one() {
    let document = tags(&[("Storage.EastUS2Stage", Some(&["20.6.0.0/16"]))]);
    found("Storage", "eastus2", &document, "20.4.0.0/16 20.5.0.0/16", &[]);
}

#[test]
fn a_region_that_only_the_document_knows_is_used() {
    found("AzureMachineLearning", "NewEast", &tags(&[]), "50.1.0.0/26", &[]);
    // By the short form the regional tag is not found, but the identity gives the same.
    assert_eq!(resolved("AzureMachineLearning", "newe", &tags(&[])).0.unwrap(), "50.1.0.0/26");
}

/// Primary, secondary with its source, and the codes of the notes.
fn pair_of(region: &str, paired: &PairedRegion) -> Result<(String, Option<String>, Vec<&'static str>), String> {
    let mut notes = BTreeSet::new();
    let pair = region_pair(region, paired, &Regions::built_in(), &tags(&[]), &mut notes).map_err(|e| e.to_string())?;
    let secondary = pair.secondary.map(|(region, source)| format!("{} {source}", region.name));
    Ok((pair.primary.name.to_string(), secondary, notes.into_iter().map(|note| note.code).collect()))
}

#[test]
fn the_pair_is_documented_named_or_none() {
    let named = |text: &str| PairedRegion::Named(text.to_owned());
    for (region, paired, primary, secondary, notes) in [
        ("East US 2", PairedRegion::Auto, "eastus2", Some("centralus Documentation"), &[][..]),
        ("eastus2", PairedRegion::None, "eastus2", None, &[]),
        ("eastus2", named("qatar central"), "eastus2", Some("qatarcentral Spec"), &[]),
        ("eastus2", named("EastUS2"), "eastus2", None, &[]),
        ("brazilsouth", PairedRegion::Auto, "brazilsouth", Some("southcentralus Documentation"), &[]),
        ("qatarcentral", PairedRegion::Auto, "qatarcentral", None, &[]),
        ("denmarkeast", PairedRegion::Auto, "denmarkeast", None, &["NoPairDocumented"]),
        ("denmarkeast", PairedRegion::None, "denmarkeast", None, &[]),
        ("New East", PairedRegion::Auto, "neweast", None, &["NoPairDocumented", "RegionNotDocumented"]),
        ("New East", named("eastus2"), "neweast", Some("eastus2 Spec"), &["RegionNotDocumented"]),
    ] {
        let expected = (primary.to_owned(), secondary.map(str::to_owned), notes.to_vec());
        assert_eq!(pair_of(region, &paired), Ok(expected), "{region}");
    }
}

#[test]
fn an_unknown_region_names_the_field_and_the_nearest() {
    let named = PairedRegion::Named("centrlus".to_owned());
    for (region, paired, says) in [
        ("estus2", &PairedRegion::Auto, r#"region: region "estus2" is not known; did you mean eastus2 or "#),
        ("eastus2", &named, r#"pairedRegion: region "centrlus" is not known; did you mean centralus or "#),
        ("", &PairedRegion::Auto, "region: "),
        ("chinaeast", &PairedRegion::Auto, r#"region: region "chinaeast" is not known"#),
    ] {
        let error = pair_of(region, paired).unwrap_err();
        assert!(error.starts_with(says), "{error}");
    }
}

#[test]
fn primary_comes_first() {
    let mut notes = BTreeSet::new();
    let pair = region_pair("eastus2", &PairedRegion::Auto, &Regions::built_in(), &tags(&[]), &mut notes).unwrap();
    assert_eq!(pair.regions().map(|region| region.name.as_str()).collect::<Vec<_>>(), ["eastus2", "centralus"]);
}

#[test]
fn only_a_tag_with_udr_stands_in_a_route_and_in_the_documents_spelling() {
    let document = tags(&[]);
    assert_eq!(&*routable_tag("azuremachinelearning", &document).unwrap().name, "AzureMachineLearning");
    for (service, says) in [
        (
            "AzureMachineLearning.EastUS2",
            "cannot stand in a route (its networkFeatures lack UDR); use addressing: Prefixes",
        ),
        ("AzureMachineLearning.Nowhere", "there is no service tag AzureMachineLearning.Nowhere"),
    ] {
        let error = routable_tag(service, &document).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn errors_name_the_change_number_and_cloud() {
    let document = document_numbered(376, &TAGS);
    let error = routable_tag("NoSuchService", &document).unwrap_err().to_string();
    assert_eq!(error, "there is no service tag NoSuchService in change number 376 for cloud Public");
}

#[test]
fn prefixes_come_sorted_and_once() {
    let mut document_tags = TAGS.to_vec();
    document_tags.push(("AzureMachineLearning.east-us-2", "eastus2", &["20.1.0.0/26", "20.0.1.0/26"]));
    let document = document(&document_tags);
    let region = Regions::built_in().find("eastus2", &document).unwrap();
    let list = regional("AzureMachineLearning", &region, &document, &mut BTreeSet::new()).unwrap();
    assert_eq!(list, ["20.0.1.0/26", "20.1.0.0/26", "20.2.0.0/26", "2603:1030:1::/122"].map(prefix));
}
