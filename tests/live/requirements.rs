//! `requirements` as a user runs it: its exit codes, what it takes from an AmlNetwork, its own tables, the real files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{assert_schema, merge, network};

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs the command with nothing in its environment but what is given.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amlnet"));
    command.arg("requirements").args(arguments).env_clear().envs(variables.iter().copied());
    command.envs(std::env::vars().filter(|(name, _)| name.starts_with("LLVM_")));
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[track_caller]
fn report(arguments: &[&str]) -> Value {
    let ran = run(&[arguments, &["-o", "json"]].concat(), &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let value = serde_json::from_str(&ran.stdout).unwrap();
    assert_schema("requirements", &value);
    value
}

#[track_caller]
fn refused(arguments: &[&str], message: &str) {
    let ran = run(arguments, &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains(message), "{message:?} is not in {}", ran.stderr);
}

fn ids(report: &Value) -> Vec<&str> {
    report["requirements"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

fn row<'a>(report: &'a Value, id: &str) -> &'a Value {
    report["requirements"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap_or(&Value::Null)
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn without_flags_it_is_everything_of_the_newest_edition_in_the_public_cloud() {
    let all = report(&[]);
    assert_eq!((all["edition"].as_str(), all["cloud"].as_str()), (Some("2026-03"), Some("Public")));
    assert_eq!((&all["region"], &all["document"]), (&Value::Null, &Value::Null));
    let profiles: BTreeSet<&str> =
        all["requirements"].as_array().unwrap().iter().map(|row| row["profile"].as_str().unwrap()).collect();
    assert_eq!(profiles.len(), 12, "{profiles:?}");
    assert_eq!(row(&all, "Storage")["tag"], "Storage.<region>");
    let registry = row(&all, "KubernetesCompute.ContainerRegistry");
    assert_eq!(registry["hosts"], json!(["<acr>.azurecr.io", "<acr>.<region>.data.azurecr.io"]));
    assert_eq!(registry["missingParameters"], json!(["containerRegistry"]));
}

#[test]
fn flags_say_region_cloud_edition_profiles_parameters_and_what_is_left_out() {
    let flags = ["--region", "China East 2", "--cloud", "China", "--edition", "2023-01"];
    let china = report(&[&flags[..], &["--profile", "Base", "--profile", "HbiWorkspace"]].concat());
    assert_eq!((china["region"].as_str(), china["pairedRegion"].as_str()), (Some("chinaeast2"), Some("chinanorth2")));
    assert!(!ids(&china).iter().any(|id| id.contains("FrontDoor")));
    assert_eq!(row(&china, "MicrosoftContainerRegistry")["tag"], "MicrosoftContainerRegistry.chinaeast2");
    let hosts = report(&["--profile", "Hosts", "--parameter", "storageAccount=mlstore", "--exclude", "Hosts.Batch"]);
    assert_eq!(row(&hosts, "Hosts.Storage")["hosts"], json!(["mlstore.blob.core.windows.net"]));
    assert_eq!(row(&hosts, "Hosts.Batch"), &Value::Null);
    let variables = [
        ("AMLNET_CLOUD", "AzureGovernment"),
        ("AMLNET_REGION", "usgovtexas"),
        ("AMLNET_EDITION", "2023-01"),
        ("AMLNET_PROFILE", "Base,RPackages"),
        ("AMLNET_EXCLUDE", "Storage,AzureMonitor"),
        ("AMLNET_PARAMETER", "storageAccount=mlstore"),
    ];
    let by_variables: Value = serde_json::from_str(&run(&["-o", "json"], &variables).stdout).unwrap();
    let by_flags = report(&[
        "--cloud=AzureGovernment",
        "--region=usgovtexas",
        "--edition=2023-01",
        "--profile=Base",
        "--profile=RPackages",
        "--exclude=Storage",
        "--exclude=AzureMonitor",
        "--parameter=storageAccount=mlstore",
    ]);
    assert_eq!(by_variables, by_flags);
    assert!(ids(&by_flags).contains(&"RPackages.CRAN") && !ids(&by_flags).contains(&"AzureMonitor"));
}

#[test]
fn what_is_mistyped_ends_with_1_and_near_names() {
    refused(&["--profile", "bsae"], "did you mean Base");
    refused(&["--edition", "2026-3"], "there are 2023-01 and 2026-03");
    refused(&["--exclude", "Storag"], "did you mean Storage");
    refused(&["--region", "estus2"], "did you mean eastus2");
    refused(&["--cloud", "Mars"], "write Public, AzureGovernment or China");
    refused(&["--parameter", "storage=mlstore"], "did you mean storageAccount");
    refused(&["--parameter", "storageAccount"], "write NAME=VALUE");
    refused(&["--parameter", "storageAccount=a.b"], "write 3 to 24 lower-case letters and digits");
    refused(&["--parameter", "storageAccount=abc", "--parameter", "storageAccount=abd"], "given twice");
    refused(&["--profile", "VisualStudioCode", "--edition", "2023-01"], "write edition: \"2026-03\"");
    refused(&["--tags", "/nowhere/tags.json"], "/nowhere/tags.json");
}

#[test]
fn tables_are_for_this_command_only() {
    let ran = Command::new(env!("CARGO_BIN_EXE_amlnet")).args(["version", "-o", "csv"]).env_clear().output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8(ran.stderr).unwrap().contains("write text or json"));
    assert!(run(&["-o", "csv"], &[]).stdout.starts_with("requirement,profile,direction,"));
    assert!(run(&["-o", "markdown"], &[]).stdout.starts_with("# Azure Machine Learning"));
}

fn with_outbound(change: Value) -> Value {
    let mut outbound = json!({
        "edition": "2023-01",
        "profiles": ["Base", "RStudio"],
        "exclude": ["Storage"],
        "sourceAddresses": ["10.1.0.0/24"],
        "lists": [{"name": "all", "format": "Plain"}],
        "additional": [
            {"name": "github", "hosts": ["github.com", "*.github.com"], "ports": [{"protocol": "Https", "port": 443}]},
            {"name": "vault", "serviceTag": "AzureKeyVault", "regional": true, "ports": [{"protocol": "TCP", "port": 443}]},
        ],
    });
    merge(&mut outbound, &change);
    network(json!({"spec": {"pairedRegion": "westus3", "outbound": outbound}}))
}

#[test]
fn an_amlnetwork_says_what_it_means_and_flags_win() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "network.yaml", &with_outbound(json!({})).to_string());
    let own = report(&["-f", &file]);
    assert_eq!((own["edition"].as_str(), own["region"].as_str()), (Some("2023-01"), Some("eastus2")));
    assert_eq!(own["pairedRegion"], "westus3");
    assert!(!ids(&own).contains(&"Storage") && ids(&own).contains(&"RStudio.Images"));
    assert_eq!(row(&own, "github")["hosts"], json!(["github.com", "*.github.com"]));
    assert_eq!(
        (&row(&own, "github")["profile"], &row(&own, "vault")["tag"]),
        (&Value::Null, &json!("AzureKeyVault.eastus2"))
    );
    let newer = report(&["-f", &file, "--edition", "2026-03", "--region", "westeurope", "--exclude", "AzureMonitor"]);
    assert_eq!((newer["edition"].as_str(), newer["region"].as_str()), (Some("2026-03"), Some("westeurope")));
    assert!(!ids(&newer).contains(&"Storage") && !ids(&newer).contains(&"AzureMonitor"));
}

#[test]
fn a_file_that_is_not_one_amlnetwork_with_outbound_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (network(json!({})), network(json!({"metadata": {"name": "other"}})));
    let plain = write(folder.path(), "plain.yaml", &one.to_string());
    refused(&["-f", &plain], "AmlNetwork default/ml has no outbound part");
    let both = write(folder.path(), "both.yaml", &format!("{one}\n---\n{two}\n"));
    refused(&["-f", &both], "2 AmlNetworks; give a file with one");
    let bad = with_outbound(json!({"colour": "red"}));
    refused(&["-f", &write(folder.path(), "bad.yaml", &bad.to_string())], "colour");
}

const OWN: &str = "editions: [{id: 2024-01, date: 2024-01-01, what: ours}]
profiles: [{name: Ours, for: us}]
requirements:
- id: Ours.Mirror
  direction: Outbound
  hosts: [mirror.example.org]
  ports: [{protocol: TCP, port: 8443}]
  purpose: Our own mirror.
  profile: Ours
  clouds: [Public]
  editions: [2024-01]
  source: our change request
";

#[test]
fn the_tables_can_be_replaced_or_extended_and_bad_ones_are_refused_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let own = write(folder.path(), "own.yaml", OWN);
    let replaced = report(&["--requirements", &own]);
    assert_eq!((ids(&replaced), replaced["edition"].as_str()), (vec!["Ours.Mirror"], Some("2024-01")));
    let extending = OWN.replace("editions: [{id: 2024-01, date: 2024-01-01, what: ours}]", "extends: true");
    let extending = write(folder.path(), "more.yaml", &extending.replace("[2024-01]", "[\"2026-03\"]"));
    let extended = report(&["--requirements", &extending]);
    assert!(ids(&extended).contains(&"Ours.Mirror") && ids(&extended).contains(&"Storage"));
    let variable = run(&["-o", "csv"], &[("AMLNET_REQUIREMENTS", &own)]);
    assert_eq!(variable.stdout.lines().count(), 2);
    let bad = write(folder.path(), "bad.yaml", &OWN.replace("mirror.example.org", "\"https://mirror.example.org\""));
    refused(
        &["--requirements", &bad],
        "bad.yaml: line 6: requirement Ours.Mirror: host \"https://mirror.example.org\"",
    );
}

/// The newest real file of each cloud, with a region of it and its documented pair.
const REAL: [(&str, &str, &str, &str); 3] = [
    ("public", "Public", "eastus2", "centralus"),
    ("usgov", "AzureGovernment", "usgovvirginia", "usgovtexas"),
    ("china", "China", "chinaeast2", "chinanorth2"),
];

fn newest(cloud: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/service-tags");
    let folder = std::env::var_os("SERVICE_TAGS_DIR").map_or(beside, PathBuf::from).join(cloud);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        let why = format!("skipped: no folder {}; set SERVICE_TAGS_DIR to the real files\n", folder.display());
        std::io::Write::write_all(&mut std::io::stderr(), why.as_bytes()).unwrap();
        return None;
    };
    entries.map(|entry| entry.unwrap().path()).max()
}

/// Name without case to prefixes, straight from the file.
fn tags(path: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut text).unwrap();
    let document: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
    let values = document["values"].as_array().unwrap().iter();
    let of = |tag: &Value| {
        let prefixes = tag["properties"]["addressPrefixes"].as_array().unwrap().iter();
        prefixes.map(|prefix| prefix.as_str().unwrap().to_owned()).collect()
    };
    values.map(|tag| (tag["name"].as_str().unwrap().to_ascii_lowercase(), of(tag))).collect()
}

#[test]
fn the_prefixes_of_the_real_files_are_those_of_the_tags() {
    for (folder, cloud, region, pair) in REAL {
        let Some(path) = newest(folder) else { return };
        let tags = tags(&path);
        for edition in ["2023-01", "2026-03"] {
            let report = report(&["--edition", edition, "--region", region, "--tags", path.to_str().unwrap()]);
            assert_eq!((report["cloud"].as_str(), report["pairedRegion"].as_str()), (Some(cloud), Some(pair)));
            let mut compared = 0;
            for row in report["requirements"].as_array().unwrap() {
                let Some(service) = row["serviceTag"].as_str() else {
                    assert_eq!(row["prefixes"], Value::Null);
                    continue;
                };
                let of = |name: String| tags[&name.to_ascii_lowercase()].clone();
                let wanted = match (row["direction"].as_str().unwrap(), row["regional"].as_bool().unwrap()) {
                    ("Inbound", _) => &of(format!("{service}.{region}")) | &of(format!("{service}.{pair}")),
                    (_, true) => of(format!("{service}.{region}")),
                    (_, false) => of(service.to_owned()),
                };
                let found = row["prefixes"].as_array().unwrap().iter();
                let found: BTreeSet<String> = found.map(|prefix| prefix.as_str().unwrap().to_owned()).collect();
                assert_eq!(found, wanted, "{cloud} {edition} {}", row["id"]);
                compared += 1;
            }
            assert!(compared >= 9, "{compared}");
            let routes = report["routes"].as_array().unwrap();
            let replies = routes.iter().find(|route| route["addressing"] == "Prefixes").unwrap();
            assert_eq!(replies["prefixes"], row(&report, "AzureMachineLearning.Inbound")["prefixes"]);
        }
    }
}

#[test]
fn a_document_of_another_cloud_is_refused() {
    let Some(path) = newest("china") else { return };
    refused(&["--cloud", "Public", "--tags", path.to_str().unwrap()], "it is for cloud China, but Public is wanted");
}
