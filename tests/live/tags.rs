//! `tags check`, `show` and `diff`: they need neither Azure nor a login.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::documents::bad_documents;
use crate::harness::{Doc, assert_schema, east, gzip};

struct Output {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Output {
    /// Standard output as one JSON value that keeps to its schema.
    fn json(&self, schema: &str) -> Value {
        let value = serde_json::from_str(&self.stdout).unwrap();
        assert_schema(schema, &value);
        value
    }
}

/// Runs a command with an empty environment.
fn amlnet(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amlnet"));
    command.args(arguments).env_clear();
    command.envs(std::env::vars().filter(|(name, _)| name.starts_with("LLVM_")));
    let output = command.output().unwrap();
    Output {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn check_says_yes_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let mut windows = vec![0xef, 0xbb, 0xbf];
    windows.extend(String::from_utf8(Doc::week(1).bytes()).unwrap().replace('\n', "\r\n").into_bytes());
    for (name, bytes) in [
        ("plain.json", Doc::week(1).bytes()),
        ("tags.json.gz", gzip(&Doc::week(1).bytes())),
        ("windows.json", windows),
        ("china.json", Doc::week(1).of_cloud("China").bytes()),
    ] {
        let path = write(folder.path(), name, &bytes);
        let text = amlnet(&["tags", "check", &path]);
        assert_eq!((text.code, text.stderr.as_str()), (0, ""), "{name}");
        let first = text.stdout.lines().next().unwrap();
        assert_eq!(first, format!("{path}: acceptable"));
        assert!(text.stdout.contains("change number 101, 12 tags, 279 prefixes\nsha256:"), "{}", text.stdout);
        let json = amlnet(&["tags", "check", &path, "-o", "json"]).json("tags-check");
        assert_eq!((&json["acceptable"], &json["problem"]), (&json!(true), &Value::Null));
        assert_eq!((&json["tags"], &json["prefixes"]), (&json!(12), &json!(279)));
    }
}

#[test]
fn check_says_no_with_1_and_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    for (name, _, _, message, bytes) in bad_documents() {
        // These are bad only beside what is in force, or for another cloud.
        if ["older", "shrunk", "other-cloud"].contains(&name) {
            continue;
        }
        let path = write(folder.path(), name, &bytes);
        let text = amlnet(&["tags", "check", &path]);
        assert_eq!((text.code, text.stdout.as_str()), (1, ""), "{name}");
        assert!(text.stderr.contains(message) && text.stderr.contains(&path), "{name}: {}", text.stderr);
        let json = amlnet(&["tags", "check", &path, "-o", "json"]);
        assert_eq!(json.code, 1, "{name}");
        assert_eq!(json.json("tags-check")["acceptable"], false, "{name}");
        assert!(json.json("tags-check")["problem"].as_str().unwrap().contains(message), "{name}");
    }
    let missing = amlnet(&["tags", "check", "/nowhere/tags.json"]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("/nowhere/tags.json: No such file"), "{}", missing.stderr);
}

#[test]
fn show_finds_tags_without_case_and_names_what_is_near() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "tags.json", &Doc::week(1).bytes());
    let text = amlnet(&["tags", "show", &path, "azuremachinelearning.eastus2", "BatchNodeManagement"]);
    assert_eq!(text.code, 0);
    let expected = "AzureMachineLearning.EastUS2 (eastus2; usable nowhere by name; 4 prefixes)\n  20.1.0.0/26\n  20.1.0.64/26\n  20.1.0.128/26\n  20.1.0.192/26\n\
                    BatchNodeManagement (no region; API, FW, NSG, UDR; 2 prefixes)\n  20.2.250.0/27\n  20.11.0.0/27\n";
    assert_eq!(text.stdout, expected);
    let json = amlnet(&["tags", "show", &path, "AzureMachineLearning.EastUS2", "-o", "json"]).json("tags-show");
    assert_eq!(json["document"]["changeNumber"], 101);
    let prefixes: Vec<String> = (0..4).map(east).collect();
    assert_eq!(
        json["tags"],
        json!([{"name": "AzureMachineLearning.EastUS2", "region": "eastus2", "networkFeatures": [], "prefixes": prefixes}])
    );
    let unknown = amlnet(&["tags", "show", &path, "AzureMachineLerning"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (1, ""));
    assert!(unknown.stderr.contains("did you mean AzureMachineLearning or"), "{}", unknown.stderr);
}

#[test]
fn diff_compares_content_tag_by_tag() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, doc: &Doc| write(folder.path(), name, &doc.bytes());
    let old = file("old.json", &Doc::week(1));
    let changed =
        Doc::week(2).regions(1..5, 0..3).without("BatchNodeManagement.EastUS2").tag("Sql", "", ["40.255.0.0/16"]);
    let new = file("new.json", &changed);
    let text = amlnet(&["tags", "diff", &old, &new]);
    assert_eq!(text.code, 2);
    let expected = "Public: change number 101 -> 102\n\
        AzureMachineLearning (changed, +1 -1)\n  + 20.1.1.0/26\n  - 20.1.0.0/26\n\
        AzureMachineLearning.EastUS2 (changed, +1 -1)\n  + 20.1.1.0/26\n  - 20.1.0.0/26\n\
        BatchNodeManagement.EastUS2 (tag is gone, +0 -1)\n  - 20.11.0.0/27\n\
        Sql (new tag, +1 -0)\n  + 40.255.0.0/16\n\
        1 tags new, 1 gone, 2 changed; 3 prefixes added, 3 removed\n";
    assert_eq!(text.stdout, expected);
    let json = amlnet(&["tags", "diff", &old, &new, "-o", "json"]);
    assert_eq!((json.code, json.json("tags-diff")["same"].clone()), (2, json!(false)));
    assert_eq!(
        json.json("tags-diff")["tags"][2],
        json!({"name": "BatchNodeManagement.EastUS2", "change": "Removed", "added": [], "removed": ["20.11.0.0/27"],
            "features": null})
    );

    // Another number alone is no difference.
    let same = file("same.json", &Doc::week(1).numbered(500, "20250108"));
    let text = amlnet(&["tags", "diff", &old, &same]);
    assert_eq!(text.code, 0);
    assert!(text.stdout.contains("0 tags new, 0 gone, 0 changed"), "{}", text.stdout);
    let china = file("china.json", &Doc::week(2).of_cloud("China"));
    let refused = amlnet(&["tags", "diff", &old, &china]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains("two clouds, Public and China"), "{}", refused.stderr);
}
