//! The answer of the Discovery API that was recorded in 2023: it is read and acceptable, and without any regional tag of
//! Azure Machine Learning every region gets what is calculated here straight from the JSON.
//!
//! It lies in `ARM_RECORDINGS_DIR`, or in `../shared/arm-recordings` beside this repository; where it does not, these
//! tests say so and pass.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::LazyLock;

use amlnet::domain::accept;
use amlnet::domain::resolve::{Unresolved, regional};
use amlnet::domain::service_tags::{Cloud, Document};
use serde_json::Value;

use crate::support::{REGIONS, manifest_dir};

const FILE: &str = "azcli-service-tags-discovery-2023.jsonl.gz";
const SERVICE: &str = "AzureMachineLearning";

/// The recorded answer, read twice: as plain JSON, and by us.
static RECORDED: LazyLock<Option<(Value, Document)>> = LazyLock::new(|| {
    let folder = std::env::var_os("ARM_RECORDINGS_DIR")
        .map_or_else(|| manifest_dir().join("../shared/arm-recordings"), PathBuf::from);
    let path = folder.join(FILE);
    let Ok(file) = std::fs::File::open(&path) else {
        // Not `eprintln`, which the test harness swallows.
        let why = format!("skipped: no file {}; set ARM_RECORDINGS_DIR to the recordings\n", path.display());
        std::io::stderr().write_all(why.as_bytes()).unwrap();
        return None;
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let interactions = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let is_answer = |interaction: &Value| interaction["url"].as_str().unwrap().contains("/serviceTags?");
    let mut interaction = { interactions }.find(is_answer).unwrap();
    assert_eq!(interaction["status"], 200);
    let body = interaction["response_body"].take();
    let document = Document::parse_discovery(body.to_string().as_bytes()).unwrap();
    Some((body, document))
});

fn tags(json: &Value) -> impl Iterator<Item = (&str, BTreeSet<&str>)> {
    json["values"].as_array().unwrap().iter().map(|tag| {
        let prefixes = tag["properties"]["addressPrefixes"].as_array().unwrap();
        (tag["name"].as_str().unwrap(), prefixes.iter().map(|prefix| prefix.as_str().unwrap()).collect())
    })
}

/// A prefix as a number: width of the address, leading bits, length.
fn parts(prefix: &str) -> (u32, u128, u32) {
    let (address, length) = prefix.split_once('/').unwrap();
    let (width, bits) = match address.parse().unwrap() {
        IpAddr::V4(v4) => (32, u128::from(u32::from(v4))),
        IpAddr::V6(v6) => (128, u128::from(v6)),
    };
    (width, bits, length.parse().unwrap())
}

fn is_within(narrow: &str, wide: &str) -> bool {
    let ((width, bits, length), (wide_width, wide_bits, wide_length)) = (parts(narrow), parts(wide));
    let rest = wide_width - wide_length;
    // A shift by all bits has no result: then nothing is left to differ.
    width == wide_width && length >= wide_length && bits.checked_shr(rest) == wide_bits.checked_shr(rest)
}

#[test]
fn the_recorded_answer_is_read_and_acceptable() {
    let Some((json, document)) = RECORDED.as_ref() else { return };
    assert_eq!(accept::check(document, Cloud::Public, &REGIONS), Ok(()));
    assert_eq!(json["changeNumber"].as_str().unwrap(), document.change_number.to_string());
    let prefixes: usize = tags(json).map(|(_, prefixes)| prefixes.len()).sum();
    assert_eq!((document.tags().len(), document.prefix_count()), (tags(json).count(), prefixes));
    assert!(tags(json).count() > 800, "it is the whole answer");
    assert!(Document::parse(json.to_string().as_bytes()).is_err(), "and no published file");
}

#[test]
fn it_has_no_regional_tag_of_azure_machine_learning() {
    let Some((json, document)) = RECORDED.as_ref() else { return };
    let names: Vec<&str> = tags(json).map(|(name, _)| name).filter(|name| name.starts_with(SERVICE)).collect();
    assert_eq!(names, [SERVICE]);
    assert!(document.children(SERVICE).next().is_none());
}

#[test]
fn every_region_gets_the_global_tag_within_its_cloud_or_an_error() {
    let Some((json, document)) = RECORDED.as_ref() else { return };
    let (_, global) = tags(json).find(|(name, _)| *name == SERVICE).unwrap();
    let clouds: Vec<(&str, BTreeSet<&str>)> =
        tags(json).filter_map(|(name, prefixes)| Some((name.strip_prefix("AzureCloud.")?, prefixes))).collect();
    let mut found_in = 0;
    for (suffix, cloud) in &clouds {
        let inside = |prefix: &&&str| cloud.iter().any(|wide| is_within(prefix, wide));
        let expected: BTreeSet<String> = global.iter().filter(inside).map(ToString::to_string).collect();
        let region = REGIONS.find(suffix, document).unwrap();
        let mut notes = BTreeSet::new();
        let found = regional(SERVICE, &region, document, &mut notes);
        if expected.is_empty() {
            let nothing = |error: &Unresolved| matches!(error, Unresolved::NothingFound { .. });
            assert!(found.as_ref().is_err_and(nothing), "{suffix}: {found:?}");
            continue;
        }
        found_in += 1;
        let found: Vec<String> = found.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{suffix}: each once");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{suffix}");
        let codes: Vec<&str> = notes.iter().map(|note| note.code).collect();
        assert_eq!(codes, ["RegionalTagMissing"], "{suffix}");
    }
    // What a look at the recording shows: every region but a staging one or two has something.
    assert!(clouds.len() == 50 && found_in > 40, "{found_in} of {}", clouds.len());
}
