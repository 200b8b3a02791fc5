use super::*;
use crate::outbound::{Additional, Port, Protocol, Reach};
use crate::region::Regions;
use crate::requirement::testing::{TABLES, outbound};
use crate::resolve::{PairedRegion, region_pair};
use crate::testing::{TagRow, document, prefix};

const TAGS: &[TagRow<'_>] = &[
    ("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8"]),
    ("AzureCloud.centralus", "centralus", &["40.0.0.0/8"]),
    ("AzureActiveDirectory", "", &["13.64.0.0/16"]),
    ("AzureMachineLearning", "", &["20.1.0.0/26", "40.1.0.0/26"]),
    ("AzureMachineLearning.EastUS2", "eastus2", &["20.1.0.0/26"]),
    ("AzureMachineLearning.CentralUS", "centralus", &["40.1.0.0/26"]),
    ("BatchNodeManagement", "", &["20.2.0.0/26"]),
    ("AzureResourceManager", "", &["13.65.0.0/16"]),
    ("Storage", "", &["20.3.0.0/16", "40.3.0.0/16"]),
    ("Storage.EastUS2", "eastus2", &["20.3.0.0/16"]),
    ("Storage.CentralUS", "centralus", &["40.3.0.0/16"]),
    ("AzureFrontDoor.Frontend", "", &["13.66.0.0/16"]),
    ("AzureFrontDoor.FirstParty", "", &["13.67.0.0/16"]),
    ("MicrosoftContainerRegistry", "", &["13.68.0.0/16"]),
    ("AzureMonitor", "", &["13.69.0.0/16"]),
];

fn resolved(outbound: &Outbound, tags: &[TagRow<'_>]) -> Result<Resolved, Unresolved> {
    let document = document(tags);
    let mut notes = BTreeSet::new();
    let pair = region_pair("eastus2", &PairedRegion::Auto, &Regions::built_in(), &document, &mut notes).unwrap();
    resolve(outbound, &TABLES, &pair, &document)
}

fn row<'a>(resolved: &'a Resolved, id: &str) -> &'a ResolvedRow {
    resolved.rows.iter().find(|row| row.selected.id == id).unwrap()
}

#[test]
fn a_global_tag_stays_global_and_a_regional_one_is_the_primary_regions() {
    let found = resolved(&outbound(&["Base"]), TAGS).unwrap();
    let global = &row(&found, "AzureMachineLearning").tags[0];
    assert_eq!((global.region.as_ref(), global.prefixes.len()), (None, 2));
    let storage = &row(&found, "Storage").tags[0];
    assert_eq!(storage.name.as_deref(), Some("Storage.EastUS2"));
    assert_eq!(storage.region.as_ref().map(RegionName::as_str), Some("eastus2"));
    assert_eq!(storage.prefixes, [prefix("20.3.0.0/16")]);
    let door = &row(&found, "AzureFrontDoor.FrontEnd").tags[0];
    assert_eq!(door.service, "AzureFrontDoor.Frontend", "as the document spells it");
}

#[test]
fn inbound_has_the_primary_and_the_secondary_region() {
    let found = resolved(&outbound(&["Base"]), TAGS).unwrap();
    let inbound = row(&found, "AzureMachineLearning.Inbound");
    let regions: Vec<&str> = inbound.tags.iter().map(|tag| tag.region.as_ref().unwrap().as_str()).collect();
    assert_eq!(regions, ["eastus2", "centralus"]);
    assert_eq!(inbound.prefixes(), [prefix("20.1.0.0/26"), prefix("40.1.0.0/26")]);
}

#[test]
fn a_regional_tag_that_is_missing_is_found_by_the_identity_and_has_no_name() {
    let found = resolved(&outbound(&["Base"]), TAGS).unwrap();
    let batch = &row(&found, "BatchNodeManagement").tags[0];
    assert_eq!(batch.prefixes, [prefix("20.2.0.0/26")]);
    assert!(found.notes.iter().any(|note| note.code == "RegionalTagMissing"), "{:?}", found.notes);
}

fn without(name: &str) -> Vec<TagRow<'static>> {
    TAGS.iter().filter(|(tag, ..)| !tag.starts_with(name)).copied().collect()
}

#[test]
fn a_tag_that_the_document_lacks_is_an_error_and_exclude_leaves_it_out() {
    let tags = without("AzureFrontDoor.FirstParty");
    assert_eq!(
        resolved(&outbound(&["Base"]), &tags).unwrap_err().to_string(),
        "requirement AzureFrontDoor.FirstParty: there is no service tag AzureFrontDoor.FirstParty in change number 100 \
         for cloud Public; exclude: [AzureFrontDoor.FirstParty] leaves it out"
    );
    let excluded = Outbound { exclude: ["Frontdoor.FirstParty".to_owned()].into(), ..outbound(&["Base"]) };
    assert!(resolved(&excluded, &tags).is_ok());
    let regional = resolved(&outbound(&["Base"]), &without("Storage")).unwrap_err().to_string();
    assert!(regional.starts_with("requirement Storage: there is no service tag Storage in"), "{regional}");
}

#[test]
fn a_region_without_prefixes_is_an_error() {
    let error = resolved(&outbound(&["Base"]), &without("Storage.EastUS2")).unwrap_err().to_string();
    assert!(
        error.starts_with("requirement Storage: service tag Storage has no prefixes for region eastus2"),
        "{error}"
    );
}

#[test]
fn an_additional_tag_is_resolved_too_and_a_mistyped_one_gets_near_names() {
    let additional = |name: &str, regional| {
        let to = Reach::Tag { name: name.to_owned(), regional };
        let ports = vec![Port { protocol: Protocol::Tcp, port: 443 }];
        Outbound { additional: vec![Additional { name: "mine".to_owned(), to, ports }], ..outbound(&["Base"]) }
    };
    let found = resolved(&additional("storage", true), TAGS).unwrap();
    assert_eq!(row(&found, "mine").tags[0].name.as_deref(), Some("Storage.EastUS2"));
    let error = resolved(&additional("Storag", false), TAGS).unwrap_err().to_string();
    assert!(error.starts_with("requirement mine: there is no service tag Storag in change"), "{error}");
    assert!(error.contains("write another under additional; did you mean Storage or "), "{error}");
}

#[test]
fn what_select_refuses_says_that_it_is_about_outbound() {
    let error = resolved(&outbound(&["Bsae"]), TAGS).unwrap_err().to_string();
    assert_eq!(error, "outbound: profile \"Bsae\" is not known; did you mean Base?");
}

#[test]
fn hosts_and_tags_of_the_platform_have_no_prefixes() {
    let found = resolved(&outbound(&["PrivateEndpoints", "RPackages"]), TAGS).unwrap();
    assert!(found.rows.iter().all(|row| row.tags.is_empty()) && found.rows.len() == 2);
}
