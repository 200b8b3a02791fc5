//! Every row of the documentation, traced to the rules that it is written as: on a firewall policy by tags and by
//! prefixes, and on a security group.
//!
//! What the rules should be is calculated here a second time, from the YAML of the requirements and the JSON of a document,
//! without a line of what draws rules up. The newest real document of each cloud is used where it lies in
//! `SERVICE_TAGS_DIR` or `../shared/service-tags`; a small made-up one always.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::LazyLock;

use amlnet::domain::desired::Wishes;
use amlnet::domain::intent::Intent;
use amlnet::domain::outbound::{FirewallPolicyIntent, Outbound, RuleAddressing, SecurityGroupIntent};
use amlnet::domain::prefix::Family;
use amlnet::domain::requirement::{Direction, Requirements};
use amlnet::domain::resolve::{PairedRegion, Unresolved};
use amlnet::domain::rule;
use amlnet::domain::service_tags::{Cloud, Document};
use serde_json::{Value, json};

use crate::rules::{Azure, RANGE, World, contribution, nsg_id, policy_id, within};
use crate::support::{AT_ONCE, REGIONS, intent, manifest_dir};

pub(crate) const SOURCE: &str = "10.1.0.0/24";
const EDITIONS: [&str; 2] = ["2023-01", "2026-03"];
/// Placeholder, parameter, value.
pub(crate) const VALUES: [(&str, &str, &str); 3] = [
    ("<acr>", "containerRegistry", "MlImages"),
    ("<storage>", "storageAccount", "mlstore"),
    ("<workspace id>", "workspaceId", "01234567-89ab-cdef-0123-456789abcdef"),
];

static REQUIREMENTS: LazyLock<Requirements> = LazyLock::new(Requirements::built_in);
static YAML: LazyLock<Value> = LazyLock::new(|| {
    let text = std::fs::read_to_string(manifest_dir().join("config/requirements.yaml")).unwrap();
    serde_yaml::from_str(&text).unwrap()
});

/// A document, read twice: as plain JSON, and by us; with a region of its own.
pub(crate) struct Case {
    pub(crate) cloud: Cloud,
    pub(crate) region: &'static str,
    json: Value,
    pub(crate) document: Document,
}

impl Case {
    fn new(cloud: Cloud, region: &'static str, text: &str) -> Self {
        let document = Document::parse(text.as_bytes()).unwrap();
        Self { cloud, region, json: serde_json::from_str(text).unwrap(), document }
    }

    /// The tag of the JSON with this name, compared without case.
    pub(crate) fn tag(&self, name: &str) -> Option<&Value> {
        let mut tags = self.json["values"].as_array().unwrap().iter();
        tags.find(|tag| tag["name"].as_str().unwrap().eq_ignore_ascii_case(name))
    }
}

/// The newest real files, and a small one of each cloud.
pub(crate) static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let folder = std::env::var_os("SERVICE_TAGS_DIR")
        .map_or_else(|| manifest_dir().join("../shared/service-tags"), PathBuf::from);
    let mut cases = Vec::new();
    let real = [
        (Cloud::Public, "public", "eastus2"),
        (Cloud::AzureGovernment, "usgov", "usgovvirginia"),
        (Cloud::China, "china", "chinanorth3"),
    ];
    for (cloud, name, region) in real {
        let all = std::fs::read_dir(folder.join(name)).into_iter().flatten().map(|file| file.unwrap().path());
        let Some(newest) = all.max() else {
            // Not `eprintln`, which the test harness swallows.
            let why = format!("skipped: no files in {}; set SERVICE_TAGS_DIR\n", folder.join(name).display());
            std::io::stderr().write_all(why.as_bytes()).unwrap();
            continue;
        };
        let mut text = String::new();
        flate2::read::GzDecoder::new(std::fs::File::open(newest).unwrap()).read_to_string(&mut text).unwrap();
        cases.push(Case::new(cloud, region, &text));
    }
    for (cloud, _, region) in real {
        cases.push(Case::new(cloud, region, &small(cloud, region).to_string()));
    }
    cases
});

/// A document with every tag that the documentation names; every third one is known to no firewall, every fourth to no
/// security group.
fn small(cloud: Cloud, region: &str) -> Value {
    let names: BTreeSet<(&str, bool)> =
        rows().filter_map(|row| Some((row["serviceTag"].as_str()?, row["regional"] == true))).collect();
    let mut values = vec![json!({"name": format!("AzureCloud.{region}"), "id": "x", "properties": {"changeNumber": 1,
        "region": region, "regionId": 0, "platform": "Azure", "systemService": "",
        "addressPrefixes": ["20.0.0.0/8", "2603:1030::/32"], "networkFeatures": null}})];
    let tag = |name: &str, region: &str, number: usize, prefixes: &[String]| {
        let features: Vec<&str> = [("API", 1), ("FW", 3), ("NSG", 4)]
            .iter()
            .filter(|(_, skipped)| *skipped == 1 || !number.is_multiple_of(*skipped))
            .map(|(name, _)| *name)
            .collect();
        json!({"name": name, "id": name, "properties": {"changeNumber": 1, "region": region, "regionId": 0,
            "platform": "Azure", "systemService": "", "addressPrefixes": prefixes, "networkFeatures": features}})
    };
    let services: BTreeSet<&str> = names.iter().map(|(name, _)| *name).collect();
    for (number, name) in services.into_iter().enumerate() {
        let prefixes = [
            format!("20.{number}.0.0/24"),
            format!("20.{number}.0.128/26"),
            format!("20.{number}.2.0/27"),
            format!("2603:1030:{number:x}::/64"),
        ];
        values.push(tag(name, "", number, &prefixes));
        if !name.contains('.') {
            values.push(tag(&format!("{name}.{region}"), region, number + 1, &prefixes));
        }
    }
    json!({"changeNumber": 7, "cloud": cloud.name(), "values": values})
}

fn rows() -> impl Iterator<Item = &'static Value> {
    YAML["requirements"].as_array().unwrap().iter()
}

fn has(list: &Value, text: &str) -> bool {
    list.as_array().unwrap().iter().any(|item| item == text)
}

/// The rows of an edition, a cloud and a profile; of all profiles where none is given.
pub(crate) fn rows_of(edition: &str, cloud: Cloud, profile: Option<&str>) -> Vec<&'static Value> {
    let is_meant = |row: &&Value| {
        has(&row["editions"], edition)
            && has(&row["clouds"], cloud.name())
            && profile.is_none_or(|profile| row["profile"] == profile)
    };
    rows().filter(is_meant).collect()
}

fn ports(row: &Value) -> Vec<(String, u16)> {
    let port = |port: &Value| {
        (port["protocol"].as_str().unwrap().to_owned(), u16::try_from(port["port"].as_u64().unwrap()).unwrap())
    };
    row["ports"].as_array().unwrap().iter().map(port).collect()
}

/// A rule as this test thinks it should be: kind or direction, sources, far sides, ports.
type Expected = (String, BTreeSet<String>, BTreeSet<String>, BTreeSet<(String, u16)>);

#[derive(Default)]
struct Calculated {
    rules: BTreeMap<String, Expected>,
    /// Row and what of it cannot be written.
    left_out: Vec<(String, String)>,
}

impl Calculated {
    fn add(&mut self, name: String, kind: &str, sources: &[&str], far: &[String], port: (&str, u16)) {
        let rule = self.rules.entry(name).or_default();
        kind.clone_into(&mut rule.0);
        rule.1.extend(sources.iter().map(|source| (*source).to_owned()));
        rule.2.extend(far.iter().cloned());
        rule.3.insert((port.0.to_owned(), port.1));
    }
}

/// A row's tag in the JSON.
fn tag<'a>(case: &'a Case, row: &Value) -> &'a Value {
    tag_of(case, row, row["regional"] == true)
}

fn tag_of<'a>(case: &'a Case, row: &Value, regional: bool) -> &'a Value {
    let service = row["serviceTag"].as_str().unwrap();
    let of_region = |tag: &&Value| {
        let name = tag["name"].as_str().unwrap().to_lowercase();
        let rest = name.strip_prefix(&service.to_lowercase());
        rest.is_some_and(|rest| rest.starts_with('.')) && tag["properties"]["region"] == case.region
    };
    let found =
        if regional { case.json["values"].as_array().unwrap().iter().find(of_region) } else { case.tag(service) };
    found.unwrap_or_else(|| panic!("{} lacks {row}", case.cloud))
}

pub(crate) fn knows(tag: &Value, who: &str) -> bool {
    tag["properties"]["networkFeatures"].as_array().is_some_and(|features| features.iter().any(|name| name == who))
}

pub(crate) fn v4(tag: &Value) -> Vec<String> {
    let all = tag["properties"]["addressPrefixes"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    all.filter(|text| !text.contains(':')).map(str::to_owned).collect()
}

/// `amlnet.prod.<row>[.<region>].<ending>`.
fn name(side: &str, row: &Value, case: &Case, ending: &str) -> String {
    let mut words = vec!["amlnet.prod", side, row["id"].as_str().unwrap()];
    let of_hosts = row["hosts"].to_string();
    if row["regional"] == true {
        words.push(case.region);
    }
    let mut filled: Vec<(&str, String)> = VALUES
        .iter()
        .filter(|(placeholder, ..)| of_hosts.contains(placeholder))
        .map(|(_, parameter, value)| (*parameter, value.to_lowercase()))
        .collect();
    if of_hosts.contains("<region>") {
        filled.push(("region", case.region.to_owned()));
    }
    filled.sort();
    words.extend(filled.iter().map(|(_, value)| value.as_str()));
    words.push(ending);
    words.retain(|word| !word.is_empty());
    words.join(".")
}

fn on_firewall(case: &Case, rows: &[&Value], addressing: RuleAddressing) -> Calculated {
    let mut all = Calculated::default();
    for row in rows.iter().filter(|row| row["direction"] == "Outbound") {
        let id = row["id"].as_str().unwrap().to_owned();
        if let Some(platform) = row["platformTag"].as_str() {
            all.left_out.push((id, platform.to_owned()));
            continue;
        }
        if row["serviceTag"].is_string() {
            let tag = tag(case, row);
            let by_name = knows(tag, "FW") && addressing == RuleAddressing::Auto;
            let far = if by_name { vec![tag["name"].as_str().unwrap().to_owned()] } else { v4(tag) };
            for (protocol, port) in ports(row) {
                let ending = protocol.to_lowercase() + if by_name { "" } else { "-ip" };
                all.add(name("", row, case, &ending), "NetworkRule", &[SOURCE], &far, (&protocol, port));
            }
            continue;
        }
        for host in row["hosts"].as_array().unwrap() {
            let mut host = host.as_str().unwrap().replace("<region>", case.region);
            for (placeholder, _, value) in VALUES {
                host = host.replace(placeholder, &value.to_lowercase());
            }
            let far = [host.clone()];
            let app = |all: &mut Calculated, protocol: &str, port: u16, ending: &str| {
                let named = row["rule"].as_str().map(str::to_owned);
                let name = named.unwrap_or_else(|| name("", row, case, ending));
                all.add(name, "ApplicationRule", &[SOURCE], &far, (protocol, port));
            };
            for (protocol, port) in ports(row) {
                match (protocol.as_str(), port) {
                    ("Http" | "Https", _) => app(&mut all, &protocol, port, "http"),
                    ("TCP" | "Any", 443) => app(&mut all, "Https", 443, "http"),
                    ("TCP" | "Any", 80) => app(&mut all, "Http", 80, "http"),
                    ("UDP", _) if host.starts_with('*') => all.left_out.push((id.clone(), host.clone())),
                    _ if host.starts_with('*') => app(&mut all, "Https", port, "https-wide"),
                    _ => {
                        let name = name("", row, case, &format!("{}-fqdn", protocol.to_lowercase()));
                        all.add(name, "NetworkRule", &[SOURCE], &far, (&protocol, port));
                    }
                }
            }
        }
    }
    all
}

/// Without those that lie in another one.
pub(crate) fn widest(mut prefixes: Vec<String>) -> Vec<String> {
    let all = prefixes.clone();
    prefixes.retain(|one| !all.iter().any(|wide| wide != one && within(one, wide)));
    prefixes
}

fn on_security_group(case: &Case, rows: &[&Value]) -> Calculated {
    let mut all = Calculated::default();
    for row in rows {
        let id = row["id"].as_str().unwrap().to_owned();
        let inbound = row["direction"] == "Inbound";
        let (side, kind) = if inbound { ("in", "Inbound") } else { ("out", "Outbound") };
        let near = row["to"].as_str().unwrap_or(SOURCE);
        let mut by_region = false;
        let (far, how) = if let Some(platform) = row["platformTag"].as_str() {
            (vec![platform.to_owned()], "")
        } else if row["serviceTag"].is_string() {
            let global = tag(case, row);
            // Inbound by prefixes: those of the regions of the Network.
            by_region = inbound && !knows(global, "NSG");
            let tag = if by_region { tag_of(case, row, true) } else { global };
            if knows(tag, "NSG") {
                (vec![tag["name"].as_str().unwrap().to_owned()], "")
            } else {
                (widest(v4(tag)), "-ip")
            }
        } else {
            all.left_out.push((id, String::new()));
            continue;
        };
        for (protocol, port) in ports(row) {
            let ending = protocol.to_lowercase() + how;
            let ending = if by_region { format!("{}.{ending}", case.region) } else { ending };
            all.add(name(side, row, case, &ending), kind, &[near], &far, (&protocol, port));
        }
    }
    all
}

/// What stands after amlnet wrote it, by the name without the number of a chunk.
fn found(azure: &Azure) -> BTreeMap<String, Expected> {
    let mut found: BTreeMap<String, Expected> = BTreeMap::new();
    for (name, rule) in azure.ours() {
        let kind =
            if matches!(azure, Azure::Policy { .. }) { &rule["ruleType"] } else { &rule["properties"]["direction"] };
        let number = name.rsplit_once('.').filter(|(_, last)| last.parse::<usize>().is_ok());
        let name = number.map_or(name.clone(), |(whole, _)| whole.to_owned());
        let entry = found.entry(name).or_default();
        kind.as_str().unwrap().clone_into(&mut entry.0);
        for one in azure.permissions_of(rule) {
            let (near, far) = if one.inbound { (one.destination, one.source) } else { (one.source, one.destination) };
            entry.1.insert(near);
            entry.2.insert(far);
            let protocol = match one.protocol.as_str() {
                "Tcp" => "TCP",
                "Udp" => "UDP",
                "*" => "Any",
                other => other,
            };
            entry.3.insert((protocol.to_owned(), one.port));
        }
    }
    found
}

fn spec(case: &Case, edition: &str, rows: &[&Value]) -> (Intent, Outbound) {
    let intent = Intent {
        region: case.region.to_owned(),
        paired_region: PairedRegion::None,
        families: BTreeSet::from([Family::V4]),
        ..intent(&[], AT_ONCE)
    };
    let outbound = Outbound {
        edition: edition.to_owned(),
        profiles: rows.iter().map(|row| row["profile"].as_str().unwrap().to_owned()).collect(),
        parameters: VALUES.iter().map(|(_, name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        sources: vec![SOURCE.parse().unwrap()],
        ..Outbound::default()
    };
    (intent, outbound)
}

/// Carries the wishes out in an empty target. What stands then is at rest.
pub(crate) fn written(azure: Azure, wishes: Wishes) -> Azure {
    let mut world = World::new(azure, vec![contribution("ml", AT_ONCE, Ok(wishes))]);
    let plan = world.settle();
    assert_eq!((plan.blocked.as_ref(), plan.conflicts.len()), (None, 0), "{plan}");
    world.azure
}

fn shortened(name: &str) -> bool {
    name.len() > 74
}

/// Compares rule by rule. A name that is too long is kept up to its end, which is made of a digest.
fn assert_same(what: &str, expected: &BTreeMap<String, Expected>, found: &BTreeMap<String, Expected>) {
    let mut left = found.clone();
    for (name, rule) in expected {
        let key = if shortened(name) {
            let start = |key: &&String| key.len() <= 74 && key[..50] == name[..50] && left[*key] == *rule;
            left.keys().find(start).cloned()
        } else {
            Some(name.clone())
        };
        let other = key.and_then(|key| left.remove(&key));
        assert_eq!(other.as_ref(), Some(rule), "{what}: {name}; there are {:?}", found.keys().collect::<Vec<_>>());
    }
    assert!(left.is_empty(), "{what}: nothing asks for {left:?}");
}

/// Edition, profile or all of them, and their rows, as far as a cloud has any.
fn selections(case: &Case) -> Vec<(&'static str, String, Vec<&'static Value>)> {
    let mut all = Vec::new();
    for edition in EDITIONS {
        let profiles: BTreeSet<&str> =
            rows_of(edition, case.cloud, None).iter().map(|row| row["profile"].as_str().unwrap()).collect();
        assert!(profiles.len() >= 7, "{profiles:?}");
        all.push((edition, "all".to_owned(), rows_of(edition, case.cloud, None)));
        for profile in profiles {
            all.push((edition, profile.to_owned(), rows_of(edition, case.cloud, Some(profile))));
        }
    }
    all
}

pub(crate) fn firewall(
    case: &Case,
    edition: &str,
    rows: &[&Value],
    addressing: RuleAddressing,
) -> Result<Wishes, Unresolved> {
    let (intent, outbound) = spec(case, edition, rows);
    let policy = FirewallPolicyIntent { id: policy_id(), priority: 1200, addressing };
    let prod = "prod".parse().unwrap();
    rule::firewall::wishes(&intent, &outbound, &policy, &prod, &case.document, &REGIONS, &REQUIREMENTS)
}

pub(crate) fn security_group(case: &Case, edition: &str, rows: &[&Value]) -> Result<Wishes, Unresolved> {
    let (intent, outbound) = spec(case, edition, rows);
    let directions = BTreeSet::from([Direction::Outbound, Direction::Inbound]);
    let group = SecurityGroupIntent { id: nsg_id(), directions, priorities: RANGE };
    let prod = "prod".parse().unwrap();
    rule::security::wishes(&intent, &outbound, &group, &prod, &case.document, &REGIONS, &REQUIREMENTS)
}

/// What cannot be written is said, by row.
fn assert_said(what: &str, left_out: &[(String, String)], wishes: &Wishes) {
    for (row, of_it) in left_out {
        let says = |code: &str, text: &str| {
            ["NotOnFirewalls", "HostsNotInGroup"].contains(&code) && text.contains(row.as_str()) && text.contains(of_it)
        };
        assert!(wishes.notes.iter().any(|note| says(note.code, &note.message)), "{what}: {row} {of_it}");
    }
    let codes = wishes.notes.iter().filter(|note| note.code == "NotOnFirewalls").count();
    assert!(left_out.len() >= codes, "{what}: {:?}", wishes.notes);
}

fn check_firewalls(addressing: RuleAddressing) {
    let mut rules = 0;
    for case in CASES.iter() {
        for (edition, profile, rows) in selections(case) {
            let what = format!("{} {} {edition} {profile} {addressing:?}", case.cloud, case.document.change_number);
            let expected = on_firewall(case, &rows, addressing);
            let wishes = match firewall(case, edition, &rows, addressing) {
                Ok(wishes) => wishes,
                // Nothing of it is for firewalls.
                Err(why) => {
                    assert!(expected.rules.is_empty() && why.to_string().contains("nothing of it"), "{what}: {why}");
                    continue;
                }
            };
            assert_said(&what, &expected.left_out, &wishes);
            assert_same(&what, &expected.rules, &found(&written(Azure::policy(), wishes)));
            rules += expected.rules.len();
        }
    }
    assert!(rules > 300, "{rules} rules compared");
}

#[test]
fn every_row_stands_in_the_rules_of_a_firewall_by_tag_where_it_knows_the_tag() {
    check_firewalls(RuleAddressing::Auto);
}

#[test]
fn every_row_stands_in_the_rules_of_a_firewall_by_prefixes() {
    check_firewalls(RuleAddressing::Prefixes);
}

#[test]
fn every_row_with_a_tag_stands_in_the_rules_of_a_security_group_and_hosts_are_reported() {
    let mut rules = 0;
    for case in CASES.iter() {
        for (edition, profile, rows) in selections(case) {
            let what = format!("{} {} {edition} {profile}", case.cloud, case.document.change_number);
            let expected = on_security_group(case, &rows);
            let wishes = match security_group(case, edition, &rows) {
                Ok(wishes) => wishes,
                Err(why) => {
                    assert!(expected.rules.is_empty() && why.to_string().contains("no hosts"), "{what}: {why}");
                    continue;
                }
            };
            assert_said(&what, &expected.left_out, &wishes);
            assert_same(&what, &expected.rules, &found(&written(Azure::group(), wishes)));
            rules += expected.rules.len();
        }
    }
    assert!(rules > 100, "{rules} rules compared");
}

/// `seeds/000…`, "Scenario: Install RStudio on compute instance": name, source, target, protocol, kind.
#[test]
fn the_rule_for_rstudio_is_as_documented() {
    for case in CASES.iter() {
        for edition in EDITIONS {
            let rows = rows_of(edition, case.cloud, Some("RStudio"));
            let azure = written(Azure::policy(), firewall(case, edition, &rows, RuleAddressing::Auto).unwrap());
            let rules = azure.ours();
            assert_eq!(rules.keys().collect::<Vec<_>>(), ["AllowRStudioInstall"]);
            let rule = rules["AllowRStudioInstall"];
            assert_eq!(rule["ruleType"], "ApplicationRule");
            assert_eq!(rule["sourceAddresses"], json!([SOURCE]));
            assert_eq!(rule["targetFqdns"], json!(["ghcr.io", "pkg-containers.githubusercontent.com"]));
            assert_eq!(rule["protocols"], json!([{"protocolType": "Https", "port": 443}]));
        }
    }
}
