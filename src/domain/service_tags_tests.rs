//! Rules of the document: what is one, what is none, how tags are found and compared.

use serde_json::{Value, json};

use super::super::tag_diff::diff;
use super::super::testing::{self, TagRow, document, document_numbered, json_value};
use super::*;

const SMALL: [TagRow<'static>; 3] = [
    ("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8", "2603:1030::/32"]),
    ("AzureMachineLearning", "", &["20.1.0.0/26", "20.2.0.0/26"]),
    ("AzureMachineLearning.EastUS2", "eastus2", &["20.1.0.0/26"]),
];

fn small() -> String {
    serde_json::to_string_pretty(&json_value(100, &SMALL)).unwrap()
}

/// The one problem of a document whose second tag was changed by `damage`.
fn problem_after(damage: impl Fn(&mut Value)) -> String {
    let mut value = json_value(100, &SMALL);
    damage(&mut value["values"][1]);
    match Document::parse(value.to_string().as_bytes()) {
        Err(DocumentError::Invalid { problems, more: 0 }) if problems.len() == 1 => problems[0].to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn line_ends_spaces_and_a_byte_order_mark_do_not_matter() {
    let plain = Document::parse(small().as_bytes()).unwrap();
    for text in [
        small().replace('\n', "\r\n"),
        format!("\u{feff}{}", small()),
        format!("\r\n  {}\n\n", small()),
        json_value(100, &SMALL).to_string(),
    ] {
        assert_eq!(Document::parse(text.as_bytes()).unwrap(), plain);
    }
}

#[test]
fn what_is_no_document_is_refused_with_its_kind() {
    let small = small();
    let cut = |at: usize| small.as_bytes()[..at].to_vec();
    let not_utf8 = small.replace("eastus2", "\u{e9}astus2").replace('\u{e9}', "\u{1}").into_bytes();
    let not_utf8: Vec<u8> = not_utf8.into_iter().map(|byte| if byte == 1 { 0xe9 } else { byte }).collect();
    for (bytes, category, says) in [
        (cut(small.len() - 2), "Truncated", "the file ends too early (line "),
        (cut(small.len() / 2), "Truncated", "it was not downloaded completely"),
        (cut(0), "Truncated", "line 1"),
        (b"<!DOCTYPE html><html><body>Service Tags</body></html>".to_vec(), "Html", "HTML page"),
        (b"\xef\xbb\xbf \r\n<html/>".to_vec(), "Html", "download the .json file"),
        (not_utf8, "NotUtf8", "not UTF-8 (at byte "),
        (b"\x1f\x8b\x08\x00".to_vec(), "NotUtf8", "at byte 1"),
        (b"null".to_vec(), "NotJson", "not a Service Tags document"),
        (b"[]".to_vec(), "NotJson", "not a Service Tags document"),
        (b"hello".to_vec(), "NotJson", "not a Service Tags document"),
        (format!("{small} x").into_bytes(), "NotJson", "trailing"),
        (vec![b' '; MAX_DOCUMENT_BYTES + 1], "TooLarge", "more than 32 MiB"),
    ] {
        let error = Document::parse(&bytes).unwrap_err();
        assert_eq!(error.category(), category, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_truncated_document_names_the_line_where_it_ends() {
    let text = small();
    let cut: String = text.lines().take(9).collect::<Vec<_>>().join("\n");
    let Err(DocumentError::Truncated { line, .. }) = Document::parse(cut.as_bytes()) else { panic!() };
    assert_eq!(line, 9);
}

#[test]
fn every_cut_is_an_error_and_never_a_smaller_document() {
    let text = small();
    for at in 0..text.len() {
        assert!(Document::parse(&text.as_bytes()[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn wrong_types_and_missing_fields_are_refused() {
    for (path, value) in [
        ("/changeNumber", json!("100")),
        ("/changeNumber", json!(-1)),
        ("/changeNumber", json!(1.5)),
        ("/cloud", json!(1)),
        ("/cloud", Value::Null),
        ("/values", json!({})),
        ("/values/0", Value::Null),
        ("/values/0/name", json!(7)),
        ("/values/0/properties", json!([])),
        ("/values/0/properties/addressPrefixes", Value::Null),
        ("/values/0/properties/addressPrefixes", json!("20.0.0.0/8")),
        ("/values/0/properties/addressPrefixes/0", json!(20)),
        ("/values/0/properties/networkFeatures", json!("UDR")),
        ("/values/0/properties/region", json!(3)),
    ] {
        let mut document = json_value(100, &SMALL);
        *document.pointer_mut(path).unwrap() = value;
        let error = Document::parse(document.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.category(), "NotJson", "{path}: {error}");
    }
    for field in ["changeNumber", "cloud", "values"] {
        let mut document = json_value(100, &SMALL);
        document.as_object_mut().unwrap().remove(field);
        let error = Document::parse(document.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
}

#[test]
fn unknown_fields_are_ignored_and_nulls_mean_none() {
    let mut value = json_value(100, &SMALL);
    value["new"] = json!({"a": 1});
    value["values"][1]["properties"]["new"] = json!([1]);
    value["values"][1]["properties"]["region"] = Value::Null;
    value["values"][1]["properties"]["networkFeatures"] = Value::Null;
    let document = Document::parse(value.to_string().as_bytes()).unwrap();
    let tag = document.tag("AzureMachineLearning").unwrap();
    assert_eq!((&*tag.region, tag.network_features.len(), tag.is_routable()), ("", 0, false));
}

#[test]
fn what_is_wrong_inside_is_named_with_its_tag() {
    let prefixes = |list: Value| move |tag: &mut Value| tag["properties"]["addressPrefixes"] = list.clone();
    for (problem, says) in [
        (problem_after(prefixes(json!(["20.1.0.1/26"]))), "host bits set; for this length the prefix is 20.1.0.0/26"),
        (problem_after(prefixes(json!(["20.1.0.0"]))), "not a prefix in CIDR notation"),
        (problem_after(prefixes(json!(["20.1.0.0/33"]))), "not a prefix in CIDR notation"),
        (problem_after(prefixes(json!(["Internet"]))), "not a prefix in CIDR notation"),
        (problem_after(prefixes(json!(["0.0.0.0/1"]))), "0.0.0.0/1 is not a global unicast prefix"),
        (problem_after(prefixes(json!(["0.0.0.0/0"]))), "0.0.0.0/0 is not a global unicast prefix"),
        (problem_after(prefixes(json!(["10.1.0.0/16"]))), "10.1.0.0/16 is not a global unicast prefix"),
        (problem_after(prefixes(json!(["fe80::/64"]))), "fe80::/64 is not a global unicast prefix"),
        (problem_after(prefixes(json!(["20.1.0.0/26", "20.1.0.0/26"]))), "20.1.0.0/26 stands twice"),
    ] {
        assert!(problem.starts_with("tag AzureMachineLearning: ") && problem.contains(says), "{problem}");
    }
}

#[test]
fn a_regional_tag_with_half_of_the_internet_is_refused() {
    let tags: [TagRow<'_>; 1] = [("AzureMachineLearning.EastUS2", "eastus2", &["0.0.0.0/1"])];
    let error = Document::parse(testing::json(100, &tags).as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "tag AzureMachineLearning.EastUS2: 0.0.0.0/1 is not a global unicast prefix");
}

#[test]
fn bad_tag_names_are_refused() {
    let long = "a".repeat(101);
    for name in ["", " ", "A B", "A/B", "A\nB", "Azur\u{e9}", "<b>", "A%2f", "..;", &long] {
        let problem = problem_after(|tag| tag["name"] = json!(name));
        assert!(problem.starts_with("tag name ") && problem.len() < 600, "{problem}");
    }
    let mut value = json_value(100, &SMALL);
    value["values"][1]["name"] = json!("A-b_1.C2");
    assert!(Document::parse(value.to_string().as_bytes()).is_ok());
}

#[test]
fn the_same_tag_twice_is_refused_also_in_other_letter_case() {
    for name in ["AzureCloud.eastus2", "azurecloud.EASTUS2"] {
        let problem = problem_after(|tag| tag["name"] = json!(name));
        assert!(problem.to_lowercase().starts_with("tag azurecloud.eastus2 stands twice"), "{problem}");
    }
}

#[test]
fn an_unknown_cloud_is_refused() {
    for cloud in ["", "public", "Germany"] {
        let mut value = json_value(100, &SMALL);
        value["cloud"] = json!(cloud);
        let error = Document::parse(value.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), format!("cloud is {cloud:?}; known are Public, AzureGovernment and China"));
    }
}

#[test]
fn many_problems_are_cut_and_counted() {
    let mut value = json_value(100, &SMALL);
    value["values"][1]["properties"]["addressPrefixes"] = (0..1000).map(|n| format!("bad{n}")).collect();
    let error = Document::parse(value.to_string().as_bytes()).unwrap_err();
    let DocumentError::Invalid { problems, more } = &error else { panic!() };
    assert_eq!((problems.len(), *more), (20, 980));
    assert!(error.to_string().ends_with("; and 980 more"), "{error}");
}

#[test]
fn tags_are_found_without_case() {
    let document = document(&SMALL);
    for name in ["AzureMachineLearning.EastUS2", "azuremachinelearning.eastus2", "AZUREMACHINELEARNING.EASTUS2"] {
        assert_eq!(&*document.tag(name).unwrap().name, "AzureMachineLearning.EastUS2");
    }
    for name in ["", "AzureMachineLearning.", "AzureMachineLearning.EastUS", "AzureMachineLearnin"] {
        assert!(document.tag(name).is_none(), "{name}");
    }
}

#[test]
fn children_are_the_tags_below_a_service_and_nothing_else() {
    let document = document(&[
        ("Storage", "", &["20.0.0.0/26"]),
        ("Storage-Old.EastUS2", "eastus2", &["20.0.0.0/26"]),
        ("Storage.WestUS", "westus", &["20.0.0.0/26"]),
        ("storage.EastUS2", "eastus2", &["20.0.0.0/26"]),
        ("Storage2.EastUS2", "eastus2", &["20.0.0.0/26"]),
        ("StorageSyncService", "", &["20.0.0.0/26"]),
    ]);
    let names = |service: &str| document.children(service).map(|tag| &*tag.name).collect::<Vec<_>>();
    assert_eq!(names("Storage"), ["storage.EastUS2", "Storage.WestUS"]);
    assert_eq!(names("STORAGE"), ["storage.EastUS2", "Storage.WestUS"]);
    assert!(names("Stor").is_empty() && names("").is_empty() && names("Storage.WestUS").is_empty());
}

#[test]
fn service_and_suffix_are_the_parts_around_the_first_dot() {
    for (name, service, suffix) in [
        ("Storage", "Storage", None),
        ("Storage.EastUS2", "Storage", Some("EastUS2")),
        ("AzureMonitor.Core.X", "AzureMonitor", Some("Core.X")),
    ] {
        let document = document(&[(name, "", &["20.0.0.0/26"])]);
        assert_eq!((document.tags()[0].service(), document.tags()[0].suffix()), (service, suffix));
    }
}

#[test]
fn the_digest_is_of_the_content_alone() {
    let same: [TagRow<'_>; 3] = [
        ("azuremachinelearning.eastus2", "eastus2", &["20.1.0.0/26"]),
        ("AzureCloud.eastus2", "eastus2", &["2603:1030::/32", "20.0.0.0/8"]),
        ("AzureMachineLearning", "", &["20.2.0.0/26", "20.1.0.0/26"]),
    ];
    let digest = document(&SMALL).digest;
    assert_eq!(document_numbered(7, &same).digest, digest, "order, letter case and change number do not count");
    for (path, value) in [
        ("/values/1/properties/networkFeatures", json!(["API"])),
        ("/values/1/properties/addressPrefixes", json!(["20.1.0.0/26"])),
        ("/values/1/properties/addressPrefixes", json!(["20.1.0.0/26", "20.2.0.0/27"])),
        ("/values/1/name", json!("AzureMachineLearning2")),
        ("/values/1/properties/addressPrefixes", json!([])),
    ] {
        let mut changed = json_value(100, &SMALL);
        *changed.pointer_mut(path).unwrap() = value;
        assert_ne!(Document::parse(changed.to_string().as_bytes()).unwrap().digest, digest, "{path}");
    }
}

#[test]
fn a_prefix_that_moves_to_the_next_tag_changes_the_digest() {
    let before = document(&[("A", "", &["20.0.0.0/26", "20.0.1.0/26"]), ("B", "", &[])]);
    let after = document(&[("A", "", &["20.0.0.0/26"]), ("B", "", &["20.0.1.0/26"])]);
    assert_ne!(before.digest, after.digest);
}

#[test]
fn digests_print_as_sha256_and_shortly() {
    let digest = Digest::of(b"");
    assert_eq!(digest.to_string(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(digest.short(), "e3b0c44298fc");
}

#[test]
fn a_diff_goes_tag_by_tag() {
    let old = document(&[
        ("Gone", "", &["20.0.0.0/26"]),
        ("Same", "", &["20.0.0.0/26"]),
        ("Swaps", "", &["20.0.0.0/26", "20.0.1.0/26"]),
        ("Features", "", &["20.0.0.0/26"]),
    ]);
    let mut value = json_value(
        100,
        &[
            ("SAME", "", &["20.0.0.0/26"]),
            ("swaps", "", &["20.0.1.0/26", "20.0.2.0/26"]),
            ("Features", "", &["20.0.0.0/26"]),
            ("New", "", &["20.0.9.0/26"]),
        ],
    );
    value["values"][2]["properties"]["networkFeatures"] = json!(["NSG", "API"]);
    let new = Document::parse(value.to_string().as_bytes()).unwrap();
    let lines: Vec<String> = diff(&old, &new)
        .iter()
        .map(|d| format!("{} {:?} +{:?} -{:?} {}", d.name, d.change, d.added, d.removed, d.features.is_some()))
        .collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[0].starts_with("Features Changed +[] -[] true"), "{}", lines[0]);
    assert!(lines[1].starts_with("Gone Removed +[] -[") && lines[1].ends_with("false"), "{}", lines[1]);
    assert!(lines[2].starts_with("New Added +["), "{}", lines[2]);
    assert!(lines[3].starts_with("swaps Changed"), "{}", lines[3]);
    let swaps = &diff(&old, &new)[3];
    assert_eq!(
        (&*swaps.added, &*swaps.removed),
        (&[testing::prefix("20.0.2.0/26")][..], &[testing::prefix("20.0.0.0/26")][..])
    );
    let (before, after) = diff(&old, &new)[0].features.clone().unwrap();
    assert_eq!(
        (before, after),
        (["API", "FW", "NSG", "UDR"].map(str::to_owned).to_vec(), ["API", "NSG"].map(str::to_owned).to_vec(),)
    );
    assert!(diff(&old, &old).is_empty());
}

#[test]
fn equal_digests_and_an_empty_diff_mean_the_same() {
    let (a, b) = (document_numbered(1, &SMALL), document_numbered(2, &SMALL));
    assert!(a.digest == b.digest && diff(&a, &b).is_empty() && a != b);
}

#[test]
fn clouds_are_read_without_case() {
    for (text, cloud) in
        [("public", Cloud::Public), ("AZUREGOVERNMENT", Cloud::AzureGovernment), ("China", Cloud::China)]
    {
        assert_eq!(text.parse::<Cloud>().unwrap(), cloud);
    }
    assert!("Germany".parse::<Cloud>().unwrap_err().contains("write Public, AzureGovernment or China"));
}
