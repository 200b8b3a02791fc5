//! Golden reports: what `requirements` prints for one region of a small document, in each form.
//!
//! `requirements/document.json` is the document, `requirements/NAME.*` are the reports. `AMLNET_UPDATE_GOLDEN=1 cargo
//! test --test pure requirements` writes them anew; read the diff before you commit it. What the rows say is checked
//! against their sources by `requirements_facts` and `requirements_seeds`.

use std::io::Write as _;
use std::path::PathBuf;

use amlnet::commands::Output;
use amlnet::commands::requirements::report::Report;
use amlnet::commands::requirements::{Options, report, table};
use amlnet::domain::requirement::Requirements;
use amlnet::domain::service_tags::Cloud;

use crate::support::{is_as_written, manifest_dir};

/// What the documentation says of one host or tag and one port, in one edition and cloud. Tags are written as the
/// documentation writes them, with `.<region>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fact {
    pub(crate) edition: String,
    pub(crate) cloud: &'static str,
    pub(crate) profile: String,
    pub(crate) direction: &'static str,
    pub(crate) what: String,
    pub(crate) protocol: String,
    pub(crate) port: u16,
}

/// All rows of an edition in a cloud, with their placeholders as they are written.
pub(crate) fn all(edition: &str, cloud: Cloud) -> Report {
    report(&Options { edition: Some(edition.to_owned()), cloud: Some(cloud), ..Options::default() }).unwrap()
}

/// The same, taken apart and sorted. Where two rows say the same it stands twice.
pub(crate) fn facts(edition: &str, cloud: Cloud) -> Vec<Fact> {
    let mut facts = Vec::new();
    for row in all(edition, cloud).requirements {
        let service = row.service_tag.map(|tag| if row.regional == Some(true) { tag + ".<region>" } else { tag });
        let destinations = row.hosts.unwrap_or_else(|| vec![service.or(row.platform_tag).unwrap()]);
        for what in destinations {
            facts.extend(row.ports.iter().map(|port| Fact {
                edition: edition.to_owned(),
                cloud: cloud.name(),
                profile: row.profile.clone().unwrap(),
                direction: if row.direction == "Inbound" { "Inbound" } else { "Outbound" },
                what: what.clone(),
                protocol: port.protocol.clone(),
                port: port.port,
            }));
        }
    }
    facts.sort();
    facts
}

/// A file that lies beside the repository, if it does; where it does not, that is said.
pub(crate) fn shared(path: &str) -> Option<String> {
    let path = manifest_dir().join("../shared").join(path);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            // Not `eprintln`, which the test harness swallows.
            let why = format!("skipped: {}: {error}\n", path.display());
            std::io::stderr().write_all(why.as_bytes()).unwrap();
            None
        }
    }
}

/// The cells of a row of a table in Markdown.
pub(crate) fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
    let is_rule = cells.iter().all(|cell| cell.chars().all(|c| matches!(c, '-' | ':' | ' ')) && !cell.is_empty());
    (!is_rule).then_some(cells)
}

/// `443, 8787, 18881, UDP 5831`, `Https 443`, `443<br>UDP: 5831`: TCP unless something else is said.
pub(crate) fn ports(text: &str) -> Vec<(String, u16)> {
    let mut protocol = "TCP".to_owned();
    let mut ports = Vec::new();
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        match word.parse() {
            Ok(port) => ports.push((protocol.clone(), port)),
            Err(_) if ["TCP", "UDP", "Any", "Http", "Https"].contains(&word) => word.clone_into(&mut protocol),
            Err(_) => {}
        }
    }
    ports
}

/// What is in the first more often than in the second.
pub(crate) fn missing(wanted: &[Fact], found: &[Fact]) -> Vec<String> {
    let count = |all: &[Fact], fact: &Fact| all.iter().filter(|other| *other == fact).count();
    let more = wanted.iter().filter(|fact| count(wanted, fact) > count(found, fact));
    more.map(|fact| format!("{fact:?}")).collect()
}

/// Compares both ways.
pub(crate) fn assert_same(written: &[Fact], data: &[Fact]) {
    let (lacking, more) = (missing(written, data), missing(data, written));
    assert!(lacking.is_empty(), "not in the data:\n{}", lacking.join("\n"));
    assert!(more.is_empty(), "only in the data:\n{}", more.join("\n"));
}

fn folder() -> PathBuf {
    manifest_dir().join("tests/pure/requirements")
}

/// Compares with what is committed, or writes it.
fn golden(name: &str, text: &str) {
    is_as_written(&format!("tests/pure/requirements/{name}"), text, &format!("this:\n{text}"));
}

#[test]
fn golden_reports_are_as_written() {
    let profiles = ["Base", "PythonPackages", "RStudio", "KubernetesCompute"];
    let options = Options {
        region: Some("East US 2".to_owned()),
        profiles: profiles.map(str::to_owned).to_vec(),
        parameters: vec![("storageAccount".to_owned(), "mlstore".to_owned())],
        exclude: vec!["AzureMonitor".to_owned()],
        tags: Some(folder().join("document.json")),
        edition: Some("2026-03".to_owned()),
        ..Options::default()
    };
    let found = report(&options).unwrap();
    golden("eastus2.json", &(serde_json::to_string_pretty(&found).unwrap() + "\n"));
    for (name, output) in
        [("eastus2.txt", Output::Text), ("eastus2.csv", Output::Csv), ("eastus2.md", Output::Markdown)]
    {
        golden(name, &table(&found, output));
    }
}

#[test]
fn a_golden_report_of_the_older_edition_without_a_region() {
    let options = Options {
        profiles: vec!["Base".to_owned(), "PythonPackages".to_owned()],
        edition: Some("2023-01".to_owned()),
        cloud: Some(Cloud::China),
        ..Options::default()
    };
    golden("china.txt", &table(&report(&options).unwrap(), Output::Text));
}

#[test]
fn each_line_of_the_csv_has_the_columns_of_its_head() {
    let text = table(&all("2026-03", Cloud::Public), Output::Csv);
    let columns = |line: &str| line.split('"').step_by(2).map(|plain| plain.matches(',').count()).sum::<usize>();
    let head = columns(text.lines().next().unwrap());
    assert!(head > 5 && text.lines().count() > 80);
    for line in text.lines() {
        assert_eq!(columns(line), head, "{line}");
    }
}

#[test]
fn the_conditions_and_the_warning_of_the_documentation_are_said() {
    let row = |edition: &str, id: &str| {
        let rows = all(edition, Cloud::Public).requirements;
        rows.into_iter().find(|row| row.id == id).unwrap()
    };
    assert_eq!(row("2023-01", "AzureMonitor").condition, None);
    assert!(row("2026-03", "AzureMonitor").condition.unwrap().contains("not secured"));
    assert!(row("2026-03", "Storage").notes.unwrap().contains("exfiltrate"));
    assert!(row("2023-01", "PythonPackages.PyTorch").warnings[0].contains("*pytorch.org"));
    assert!(row("2026-03", "PythonPackages.PyTorch").warnings.is_empty());
    assert_eq!(row("2026-03", "RStudio.Images").rule.as_deref(), Some("AllowRStudioInstall"));
}

/// `docs/requirements.md` names what the data has, and its example is read.
#[test]
fn the_page_about_requirements_agrees_with_the_data() {
    let page = std::fs::read_to_string(manifest_dir().join("docs/requirements.md")).unwrap();
    let tables = Requirements::built_in();
    let profiles = tables.profiles().iter().map(|profile| &profile.name);
    let editions = tables.editions().iter().map(|edition| &edition.id);
    let parameters = tables.parameters().iter().map(|parameter| &parameter.name);
    for name in profiles.chain(editions).chain(parameters) {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
    let csv = table(&all("2026-03", Cloud::Public), Output::Csv);
    for column in csv.lines().next().unwrap().split(',') {
        assert!(page.contains(&format!("`{column}`")), "{column}");
    }
    let example = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let extended = Requirements::parse(example).unwrap();
    assert!(extended.profiles_of("2026-03", Cloud::China).contains("Mirror"));
}

/// The schema of AmlNetwork cannot read the data, but what it says of it has to be true.
#[test]
fn the_defaults_of_the_custom_resource_are_those_of_the_data() {
    let text = std::fs::read_to_string(manifest_dir().join("config/crd/amlnetworks.yaml")).unwrap();
    let crd: serde_json::Value = serde_yaml::from_str(&text).unwrap();
    let outbound = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/outbound/properties";
    let properties = crd.pointer(outbound).unwrap();
    let tables = Requirements::built_in();
    assert_eq!(properties["edition"]["default"], tables.newest_edition().id.as_str());
    let default: Vec<&str> =
        tables.profiles().iter().filter(|profile| profile.default).map(|profile| profile.name.as_str()).collect();
    assert_eq!(properties["profiles"]["default"], serde_json::json!(default));
    let (profiles, parameters) = (&properties["profiles"]["description"], &properties["parameters"]["description"]);
    for profile in tables.profiles() {
        assert!(profiles.as_str().unwrap().contains(&profile.name), "{}", profile.name);
    }
    for parameter in tables.parameters() {
        let said = format!("{} for <{}>", parameter.name, parameter.placeholder);
        assert!(parameters.as_str().unwrap().contains(&said), "{said}");
    }
}
