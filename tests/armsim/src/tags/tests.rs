//! The made-up documents are good ones: full size, valid, obeying the identity, and changing as the real ones do.

use super::{document::Document, estate::Estate};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};

fn documents(seed: u64, weeks: u32) -> Vec<Document> {
    let mut estate = Estate::new(seed);
    let mut documents = vec![estate.document(None)];
    for week in 1..weeks {
        estate.pass_week(week);
        documents.push(estate.document(documents.last()));
    }
    documents
}

fn prefixes(document: &Document, tag: &str) -> BTreeSet<IpNet> {
    document.tag(tag).map(|tag| tag.properties.address_prefixes.iter().copied().collect()).unwrap_or_default()
}

fn regional<'a>(document: &'a Document, service: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let of_service = move |name: &str| name.strip_prefix(service).is_some_and(|rest| rest.starts_with('.'));
    document
        .values
        .iter()
        .filter(move |tag| of_service(&tag.name))
        .map(|tag| (tag.name.as_str(), tag.properties.region.as_str()))
}

#[test]
fn a_document_has_full_size_and_only_good_prefixes() {
    let document = &documents(1, 1)[0];
    let count: usize = document.values.iter().map(|tag| tag.properties.address_prefixes.len()).sum();
    assert!((2_900..3_200).contains(&document.values.len()), "{} tags", document.values.len());
    assert!((92_000..98_000).contains(&count), "{count} prefixes");
    let names: BTreeSet<String> = document.values.iter().map(|tag| tag.name.to_ascii_lowercase()).collect();
    assert_eq!(names.len(), document.values.len());
    let public: Vec<IpNet> =
        ["20.0.0.0/8", "40.64.0.0/10", "52.128.0.0/9", "2603:1030::/24"].map(|net| net.parse().unwrap()).to_vec();
    for tag in &document.values {
        let list = &tag.properties.address_prefixes;
        assert!(!list.is_empty(), "{}", tag.name);
        assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), list.len(), "{} repeats a prefix", tag.name);
        for prefix in list {
            assert_eq!(prefix.trunc(), *prefix, "host bits");
            assert!(public.iter().any(|net| net.contains(prefix)), "{prefix}");
        }
    }
}

#[test]
fn the_identity_holds_week_after_week() {
    for document in documents(2, 10).into_iter().step_by(3) {
        let mut clouds = BTreeMap::new();
        for (name, region) in regional(&document, "AzureCloud") {
            clouds.insert(region, prefixes(&document, name));
        }
        for service in ["AzureMachineLearning", "BatchNodeManagement"] {
            let global = prefixes(&document, service);
            let mut count = 0;
            for (name, region) in regional(&document, service) {
                let inside = global
                    .iter()
                    .filter(|prefix| clouds[region].iter().any(|net| net.contains(*prefix)))
                    .copied()
                    .collect();
                assert_eq!(prefixes(&document, name), inside, "{name}");
                count += 1;
            }
            assert!(count >= 69, "{count} regions of {service}");
            for prefix in global {
                let shortest = if prefix.addr().is_ipv4() { 26 } else { 122 };
                assert!(prefix.prefix_len() >= shortest, "{service} has {prefix}");
            }
        }
    }
}

#[test]
fn regions_are_written_as_in_the_real_file() {
    let document = &documents(1, 1)[0];
    let france = document.tag("AzureMachineLearning.FranceCentral").unwrap();
    assert_eq!(france.properties.region, "centralfrance");
    assert_eq!(france.properties.network_features, None);
    assert!(document.tag("AzureCloud.centralfrance").is_some());
    let json = serde_json::to_string(&document.tag("BatchNodeManagement.EastUS2").unwrap()).unwrap();
    let start = "{\"name\":\"BatchNodeManagement.EastUS2\",\"id\":\"BatchNodeManagement.EastUS2\",\"properties\":{\"changeNumber\":1,\"region\":\"eastus2\",\"regionId\":2,\"platform\":\"Azure\",\"systemService\":\"BatchNodeManagement\",\"addressPrefixes\":[";
    assert!(json.starts_with(start), "{json}");
    assert!(json.ends_with("],\"networkFeatures\":[\"API\",\"NSG\"]}}"), "{json}");
}

#[test]
fn weeks_change_what_real_weeks_changed() {
    let weeks = documents(3, 10);
    let count = |week: usize, tag: &str| prefixes(&weeks[week], tag).len();
    for region in ["EastUS2", "CentralUS", "CanadaEast"] {
        let tag = format!("AzureMachineLearning.{region}");
        assert_eq!(count(1, &tag), count(0, &tag) + 10, "{tag}");
    }
    let grown =
        regional(&weeks[1], "AzureMachineLearning").filter(|(name, _)| count(1, name) == count(0, name) + 10).count();
    assert!((30..60).contains(&grown), "{grown} regions grew");
    assert_eq!(weeks[1].change_number, weeks[0].change_number + 1);
    // A tag's number tells of its own change.
    assert_eq!(weeks[1].tag("AzureMachineLearning.EastUS2").unwrap().properties.change_number, 2);

    assert!(weeks[1].tag("AzureUpdateDelivery.Alpha").is_some() && weeks[2].tag("AzureUpdateDelivery.Alpha").is_none());
    assert_eq!(weeks[3].change_number, weeks[2].change_number);
    assert_ne!(weeks[3].values, weeks[2].values);

    let eastus2 = |week: usize| prefixes(&weeks[week], "AzureMachineLearning.EastUS2");
    let gone: Vec<IpNet> = eastus2(3).difference(&eastus2(4)).copied().collect();
    assert_eq!(gone.len(), 1);
    assert!(!eastus2(5).contains(&gone[0]) && eastus2(6).contains(&gone[0]));
    assert_eq!(count(5, "LogicApps.CentralUS"), 11);
    assert!(weeks[5].tag("AzureMachineLearning.DenmarkEast").is_none());
    assert!(weeks[6].tag("AzureMachineLearning.DenmarkEast").is_some());
    assert!(
        prefixes(&weeks[6], "AzureMachineLearning").difference(&prefixes(&weeks[7], "AzureMachineLearning")).count()
            == 4
    );
    assert!(weeks[8].change_number > weeks[0].change_number);
}

#[test]
fn one_seed_gives_one_sequence() {
    assert_eq!(documents(5, 3), documents(5, 3));
    assert_ne!(documents(5, 1), documents(6, 1));
}

#[test]
fn files_are_named_by_monday() {
    let folder = tempfile::tempdir().unwrap();
    let paths = super::write(1, 2, &folder.path().join("new")).unwrap();
    let names: Vec<_> = paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["ServiceTags_Public_20250106.json", "ServiceTags_Public_20250113.json"]);
    let text = std::fs::read_to_string(&paths[1]).unwrap();
    assert!(text.starts_with("{\n  \"changeNumber\": 331,\n  \"cloud\": \"Public\",\n  \"values\": [\n    {\n      \"name\": \"ActionGroup\","));
}
