//! The 19 real files: each is accepted, each answer equals one that is calculated here straight from the JSON.
//!
//! They lie in `SERVICE_TAGS_DIR`, or in `../shared/service-tags` beside this repository; where they do not, these
//! tests say so and pass.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::LazyLock;

use amlnet::domain::accept::{self, InForce, Rejection, Verdict, judge};
use amlnet::domain::desired::{self, Address};
use amlnet::domain::intent::Intent;
use amlnet::domain::service_tags::{Cloud, Document};
use amlnet::domain::tag_diff::{TagChange, diff};
use jiff::civil::Date;
use serde_json::Value;

use crate::support::{AT_ONCE, REGIONS, intent, manifest_dir, table};

const SERVICES: [&str; 2] = ["AzureMachineLearning", "BatchNodeManagement"];

/// One real file, read twice: by us, and as plain JSON.
struct File {
    /// Such as `public/2025-02-23_change346`.
    name: String,
    collected: Date,
    text: String,
    json: Value,
    document: Document,
}

fn files() -> &'static [File] {
    static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
        let folder = std::env::var_os("SERVICE_TAGS_DIR")
            .map_or_else(|| manifest_dir().join("../shared/service-tags"), PathBuf::from);
        if !folder.is_dir() {
            // Not `eprintln`, which the test harness swallows.
            let why = format!("skipped: no folder {}; set SERVICE_TAGS_DIR to the real files\n", folder.display());
            std::io::stderr().write_all(why.as_bytes()).unwrap();
            return Vec::new();
        }
        let mut paths: Vec<PathBuf> = ["public", "usgov", "china"]
            .iter()
            .flat_map(|cloud| std::fs::read_dir(folder.join(cloud)).into_iter().flatten())
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        paths.iter().map(|path| read(path)).collect()
    });
    &FILES
}

fn read(path: &std::path::Path) -> File {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let cloud = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
    let stem = path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap();
    File {
        name: format!("{cloud}/{stem}"),
        collected: stem[..10].parse().unwrap(),
        json: serde_json::from_str(&text).unwrap(),
        document: Document::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{stem}: {error}")),
        text,
    }
}

fn file(name: &str) -> Option<&'static File> {
    files().iter().find(|file| file.name == name)
}

#[test]
fn all_files_are_there_and_accepted_as_their_own_cloud() {
    assert!([0, 19].contains(&files().len()), "{} files", files().len());
    for file in files() {
        let document = &file.document;
        assert_eq!(accept::check(document, document.cloud, &REGIONS), Ok(()), "{}", file.name);
        assert_eq!(judge(document, file.collected, document.cloud, None, &REGIONS), Verdict::Accepted, "{}", file.name);
        for other in Cloud::ALL {
            let wrong = matches!(accept::check(document, other, &REGIONS), Err(Rejection::WrongCloud { .. }));
            assert_eq!(wrong, other != document.cloud, "{} as {other}", file.name);
        }
        let values = file.json["values"].as_array().unwrap();
        let prefixes: usize = values.iter().map(|tag| prefixes_of(tag).len()).sum();
        assert_eq!((document.tags().len(), document.prefix_count()), (values.len(), prefixes), "{}", file.name);
    }
}

#[test]
fn line_ends_do_not_change_the_digest() {
    for file in files().iter().filter(|file| !file.name.starts_with("public") || file.name.contains("346")) {
        let lf = file.text.replace("\r\n", "\n");
        for text in [lf.replace('\n', "\r\n"), lf] {
            assert_eq!(Document::parse(text.as_bytes()).unwrap().digest, file.document.digest, "{}", file.name);
        }
    }
}

#[test]
fn the_two_files_with_change_number_346_differ_by_37_tags() {
    let (Some(old), Some(new)) = (file("public/2025-02-23_change346"), file("public/2025-03-09_change346")) else {
        return;
    };
    assert_eq!((old.document.change_number, new.document.change_number), (346, 346));
    assert_ne!(old.document.digest, new.document.digest);
    let changes: Vec<TagChange> = diff(&old.document, &new.document).iter().map(|tag| tag.change).collect();
    let count = |change| changes.iter().filter(|found| **found == change).count();
    let found = (count(TagChange::Added), count(TagChange::Removed), count(TagChange::Changed));
    assert_eq!(found, (37, 0, 123), "37 tags came, and 123 of the others have other prefixes");
    let in_force = InForce { document: &old.document, file_date: old.collected };
    let verdict = judge(&new.document, new.collected, new.document.cloud, Some(in_force), &REGIONS);
    assert_eq!(verdict, Verdict::Accepted);
}

#[test]
fn a_later_file_follows_an_earlier_one_and_never_the_reverse() {
    for pair in files().windows(2).filter(|pair| pair[0].document.cloud == pair[1].document.cloud) {
        let [old, new] = pair else { unreachable!() };
        let judged = |file: &File, in_force: &File| {
            let in_force = InForce { document: &in_force.document, file_date: in_force.collected };
            judge(&file.document, file.collected, file.document.cloud, Some(in_force), &REGIONS)
        };
        assert_eq!(judged(new, old), Verdict::Accepted, "{} after {}", new.name, old.name);
        assert!(
            matches!(judged(old, new), Verdict::Rejected(Rejection::Older { .. })),
            "{} after {}",
            old.name,
            new.name
        );
        assert_eq!(judged(old, old), Verdict::Unchanged);
    }
}

#[test]
fn every_region_of_the_document_is_found() {
    for file in files() {
        for tag in file.document.children("AzureCloud") {
            let region = REGIONS.find(&tag.region, &file.document);
            assert!(region.is_ok_and(|region| region.is_named(&tag.region)), "{}: {}", file.name, tag.name);
        }
        for service in SERVICES {
            for tag in file.document.children(service) {
                let region = REGIONS.find(tag.suffix().unwrap(), &file.document).unwrap();
                assert!(region.is_named(&tag.region), "{}: {} is in {}", file.name, tag.name, tag.region);
            }
        }
    }
}

#[test]
fn names_are_found_without_case() {
    for file in files() {
        for tag in file.document.tags() {
            for name in [tag.name.to_uppercase(), tag.name.to_lowercase()] {
                assert_eq!(file.document.tag(&name), Some(tag), "{}", file.name);
            }
        }
    }
    let Some(file) = file("public/2025-11-09_change376") else {
        return;
    };
    assert_eq!(&*file.document.tag("AzureFrontDoor.FrontEnd").unwrap().name, "AzureFrontDoor.Frontend");
}

// From here on the same answers are calculated a second time, without a line of amlnet's code.

/// A network as two numbers, first and last address, and its text.
#[derive(Clone)]
struct Net<'a> {
    v6: bool,
    first: u128,
    last: u128,
    text: &'a str,
}

impl<'a> Net<'a> {
    fn read(text: &'a str) -> Self {
        let (address, length) = text.split_once('/').unwrap();
        let length: u32 = length.parse().unwrap();
        let (v6, first, bits) = match address.parse().unwrap() {
            IpAddr::V4(address) => (false, u128::from(u32::from(address)), 32),
            IpAddr::V6(address) => (true, u128::from(address), 128),
        };
        let size = 1_u128.checked_shl(bits - length).map_or(u128::MAX, |size| size - 1);
        Self { v6, first, last: first + size, text }
    }

    fn is_within(&self, other: &Self) -> bool {
        self.v6 == other.v6 && self.first >= other.first && self.last <= other.last
    }
}

fn prefixes_of(tag: &Value) -> Vec<&str> {
    tag["properties"]["addressPrefixes"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn tags_of<'a>(json: &'a Value, service: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let below = move |tag: &'a Value| Some((tag["name"].as_str()?.strip_prefix(service)?.strip_prefix('.')?, tag));
    json["values"].as_array().unwrap().iter().filter_map(below)
}

/// The global tag within `AzureCloud.<region>`, by the region's spelling in the file.
fn by_identity<'a>(json: &'a Value, service: &str, region: &str) -> BTreeSet<&'a str> {
    let in_region = tags_of(json, "AzureCloud").filter(|(_, tag)| tag["properties"]["region"] == *region);
    let cloud: Vec<Net<'_>> = in_region.flat_map(|(_, tag)| prefixes_of(tag)).map(Net::read).collect();
    let global = json["values"].as_array().unwrap().iter().find(|tag| tag["name"] == *service).unwrap();
    let all = prefixes_of(global).into_iter().map(Net::read);
    all.filter(|net| cloud.iter().any(|wide| net.is_within(wide))).map(|net| net.text).collect()
}

/// A service's prefixes by region, as the regional tags say: the file's region to (suffix, prefixes).
fn by_tags<'a>(json: &'a Value, service: &'a str) -> BTreeMap<&'a str, (&'a str, BTreeSet<&'a str>)> {
    let row = |(suffix, tag): (&'a str, &'a Value)| {
        (tag["properties"]["region"].as_str().unwrap(), (suffix, prefixes_of(tag).into_iter().collect()))
    };
    tags_of(json, service).map(row).collect()
}

/// Name, aliases and pair of each region, straight from the YAML: alias or name to name, name to pair.
fn pair_table() -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let yaml = std::fs::read_to_string(manifest_dir().join("config/regions.yaml")).unwrap();
    let table: Value = serde_yaml::from_str(&yaml).unwrap();
    let (mut names, mut pairs) = (BTreeMap::new(), BTreeMap::new());
    for row in table["regions"].as_array().unwrap() {
        let name = row["name"].as_str().unwrap().to_owned();
        for alias in row["aliases"].as_array().into_iter().flatten() {
            names.insert(alias.as_str().unwrap().to_owned(), name.clone());
        }
        if let Some(pair) = row["pair"].as_str() {
            pairs.insert(name.clone(), pair.to_owned());
        }
        names.insert(name.clone(), name);
    }
    (names, pairs)
}

fn wished(document: &Document, service: &str, region: &str) -> Result<BTreeSet<String>, String> {
    let intent = Intent { region: region.to_owned(), ..intent(&[service], AT_ONCE) };
    let wishes = desired::wishes(&intent, &table(), document, &REGIONS).map_err(|error| error.to_string())?;
    Ok(wishes.entries.keys().map(Address::to_string).collect())
}

#[test]
fn the_identity_holds_for_every_region_of_both_services() {
    for file in files() {
        for service in SERVICES {
            for (region, (suffix, prefixes)) in by_tags(&file.json, service) {
                assert_eq!(prefixes, by_identity(&file.json, service, region), "{} {service}.{suffix}", file.name);
            }
        }
    }
}

/// Compares the wishes of every region with the table of the regional tags, for primary and pair.
fn check_wishes(file: &File, document: &Document, service: &str) -> usize {
    let (names, pairs) = pair_table();
    let tags = by_tags(&file.json, service);
    let own_name = |region: &str, suffix: &str| names.get(region).cloned().unwrap_or_else(|| suffix.to_lowercase());
    let by_name: BTreeMap<String, &BTreeSet<&str>> =
        tags.iter().map(|(region, (suffix, prefixes))| (own_name(region, suffix), prefixes)).collect();
    for (suffix, name) in tags.iter().map(|(region, (suffix, _))| (suffix, own_name(region, suffix))) {
        let found = wished(document, service, suffix);
        let what = format!("{} {service}.{suffix}", file.name);
        let pair = pairs.get(&name);
        if let Some(pair) = pair.filter(|pair| !by_name.contains_key(*pair)) {
            let error = found.expect_err(&what);
            assert!(
                error.contains(&format!("for region {pair} ")) || error.contains("pairedRegion: "),
                "{what}: {error}"
            );
            continue;
        }
        let regions = std::iter::once(&name).chain(pair);
        let expected: BTreeSet<String> =
            regions.flat_map(|name| by_name[name].iter().map(ToString::to_string)).collect();
        assert_eq!(found.as_ref(), Ok(&expected), "{what}");
    }
    tags.len()
}

#[test]
fn the_wishes_of_every_region_and_its_pair_are_those_of_an_independent_calculation() {
    let compared: usize =
        files().iter().flat_map(|file| SERVICES.map(|service| check_wishes(file, &file.document, service))).sum();
    assert!(files().is_empty() || compared > 1500, "{compared} regions");
}

#[test]
fn without_regional_tags_the_wishes_are_the_same() {
    for file in files() {
        let mut json = file.json.clone();
        json["values"].as_array_mut().unwrap().retain(|tag| {
            let name = tag["name"].as_str().unwrap();
            !SERVICES.iter().any(|service| name.strip_prefix(service).is_some_and(|rest| rest.starts_with('.')))
        });
        let document = Document::parse(json.to_string().as_bytes()).unwrap();
        assert!(document.children(SERVICES[0]).next().is_none());
        for service in SERVICES {
            check_wishes(file, &document, service);
        }
    }
}
