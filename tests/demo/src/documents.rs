//! The two weekly documents: where they come from, and which prefixes they say are needed.
//!
//! Reads them on its own: nothing here may come from amlnet, because the proof rests on it.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use ipnet::Ipv4Net;
use serde_json::Value;

use crate::rows::{self, Openings, Writer};
use crate::show::say;

/// The workspace's region and its documented pair.
pub(crate) const TAGS: [&str; 2] = ["AzureMachineLearning.EastUS2", "AzureMachineLearning.CentralUS"];
/// What the IP group holds.
pub(crate) const GROUP_TAG: &str = "Storage.EastUS2";
/// What the list, the policy and the security group are about: every outbound row of the documentation's basic
/// configuration, edition 2026-03, and the network's own row.
pub(crate) const OUTBOUND_TAGS: [&str; 10] = [
    "AzureActiveDirectory",
    "AzureMachineLearning",
    "BatchNodeManagement.EastUS2",
    "AzureResourceManager",
    "Storage.EastUS2",
    "AzureFrontDoor.FrontEnd",
    "MicrosoftContainerRegistry",
    "AzureFrontDoor.FirstParty",
    "AzureMonitor",
    "AzureMachineLearning.EastUS2",
];
/// Made-up documents lie so many weeks apart that the tables, the group and the list change.
const WEEKS: &str = "12";
/// Six months apart: both regions of the pair changed between them, and so did the region's Storage.
const PREFERRED: [&str; 2] = ["2025-11-09_change376.json.gz", "2026-05-06_change398.reconstructed.json.gz"];

/// One weekly document.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) path: PathBuf,
    pub(crate) change_number: u64,
    /// The IPv4 prefixes of the region's own tag.
    own: BTreeSet<Ipv4Net>,
    /// The IPv4 prefixes of both tags: the table's.
    pub(crate) needed: BTreeSet<Ipv4Net>,
    /// The group's.
    pub(crate) grouped: BTreeSet<Ipv4Net>,
    /// The list's.
    pub(crate) listed: BTreeSet<Ipv4Net>,
    /// The policy's, and the security group's.
    pub(crate) policy: Openings,
    pub(crate) security: Openings,
}

/// The older document first. Real ones where there are any, else made-up ones in `folder`.
pub(crate) async fn choose(armsim: &Path, folder: &Path) -> Result<[Document; 2], String> {
    let set = std::env::var_os("SERVICE_TAGS_DIR").filter(|value| !value.is_empty());
    let place = set.map_or_else(|| PathBuf::from("../shared/service-tags"), PathBuf::from);
    let (old, new) = if let Some(found) = find(&place) {
        found
    } else {
        say(&format!(
            "There are no two real documents in {}, so these two were made by `armsim tags --seed 1 --weeks {WEEKS}`.",
            place.display()
        ));
        make(armsim, folder).await?
    };
    Ok([load(&old)?, load(&new)?])
}

/// The preferred two, else the two newest Public ones by change number.
fn find(place: &Path) -> Option<(PathBuf, PathBuf)> {
    let folders = [place.join("public"), place.to_owned()];
    for folder in &folders {
        let [old, new] = PREFERRED.map(|name| folder.join(name));
        if old.is_file() && new.is_file() {
            return Some((old, new));
        }
    }
    folders.iter().find_map(|folder| {
        let mut found: Vec<(u64, PathBuf)> = std::fs::read_dir(folder)
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| is_document(path))
            .filter_map(|path| Some((public_change_number(&path)?, path)))
            .collect();
        found.sort();
        let (newest, new) = found.pop()?;
        let (_, old) = found.into_iter().rfind(|(number, _)| *number < newest)?;
        Some((old, new))
    })
}

fn is_document(path: &Path) -> bool {
    let packed = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gz"));
    let name = if packed { path.with_extension("") } else { path.to_owned() };
    name.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"))
}

/// The change number of a document of the Public cloud.
fn public_change_number(path: &Path) -> Option<u64> {
    let document = read(path).ok()?;
    (document.get("cloud")?.as_str()? == "Public").then_some(document.get("changeNumber")?.as_u64()?)
}

async fn make(armsim: &Path, folder: &Path) -> Result<(PathBuf, PathBuf), String> {
    let output = tokio::process::Command::new(armsim)
        .args(["tags", "--seed", "1", "--weeks", WEEKS, "--out"])
        .arg(folder)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("{} cannot be started: {error}", armsim.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match (output.status.success(), text.lines().collect::<Vec<_>>().as_slice()) {
        (true, [old, .., new]) => Ok((PathBuf::from(old), PathBuf::from(new))),
        _ => Err(format!("`armsim tags` made no two documents: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

fn load(path: &Path) -> Result<Document, String> {
    let named = |why: String| format!("{}: {why}", path.display());
    let document = read(path).map_err(named)?;
    let change_number = document.get("changeNumber").and_then(Value::as_u64);
    Ok(Document {
        path: path.to_owned(),
        change_number: change_number.ok_or_else(|| named("there is no changeNumber".to_owned()))?,
        own: prefixes(&document, &TAGS[..1]).map_err(named)?,
        needed: prefixes(&document, &TAGS).map_err(named)?,
        grouped: prefixes(&document, &[GROUP_TAG]).map_err(named)?,
        listed: prefixes(&document, &OUTBOUND_TAGS).map_err(named)?,
        policy: rows::openings(&document, Writer::Firewall).map_err(named)?,
        security: rows::openings(&document, Writer::SecurityGroup).map_err(named)?,
    })
}

fn read(path: &Path) -> Result<Value, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    let decoded = if bytes.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(bytes.as_slice()).read_to_string(&mut text)
    } else {
        bytes.as_slice().read_to_string(&mut text)
    };
    decoded.map_err(|error| error.to_string())?;
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| error.to_string())
}

/// A tag, found without case. One that is missing is an error.
fn tag<'a>(document: &'a Value, name: &str) -> Result<&'a Value, String> {
    let values = document.get("values").and_then(Value::as_array).ok_or("there is no list `values`")?;
    let is_it = |value: &&Value| value["name"].as_str().is_some_and(|other| other.eq_ignore_ascii_case(name));
    values.iter().find(is_it).ok_or_else(|| format!("there is no tag {name}"))
}

/// A tag's name as the document spells it, and where it may be used by that name.
pub(crate) fn named<'a>(document: &'a Value, name: &str) -> Result<(&'a str, Vec<&'a str>), String> {
    let tag = tag(document, name)?;
    let features = tag["properties"]["networkFeatures"].as_array().into_iter().flatten();
    Ok((tag["name"].as_str().unwrap_or_default(), features.filter_map(Value::as_str).collect()))
}

/// The IPv4 prefixes of tags.
pub(crate) fn prefixes(document: &Value, tags: &[&str]) -> Result<BTreeSet<Ipv4Net>, String> {
    let mut needed = BTreeSet::new();
    for name in tags {
        let prefixes = tag(document, name)?["properties"]["addressPrefixes"].as_array();
        let prefixes = prefixes.ok_or_else(|| format!("the tag {name} has no addressPrefixes"))?;
        needed.extend(prefixes.iter().filter_map(Value::as_str).filter_map(|text| text.parse::<Ipv4Net>().ok()));
    }
    Ok(needed)
}

/// A prefix that both documents need, the region's own rather than its pair's: somebody else's route for it is what amlnet has to leave alone.
pub(crate) fn common_prefix(documents: &[Document; 2]) -> Result<Ipv4Net, String> {
    let [old, new] = documents;
    let mut common = old.own.intersection(&new.own).chain(old.needed.intersection(&new.needed));
    common.next().copied().ok_or_else(|| "the two documents have no needed prefix in common".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tag(name: &str, prefixes: &[&str]) -> Value {
        json!({"name": name, "properties": {"addressPrefixes": prefixes}})
    }

    #[test]
    fn needed_is_both_tags_found_without_case_and_ipv4_only() {
        let document = json!({"values": [
            tag("azuremachinelearning.eastus2", &["20.1.2.0/24", "2603:1030::/64"]),
            tag("AzureMachineLearning.CentralUS", &["13.89.0.0/28", "20.1.2.0/24"]),
            tag("AzureMachineLearning.WestUS", &["40.0.0.0/28"]),
        ]});
        let found: Vec<String> = prefixes(&document, &TAGS).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found, ["13.89.0.0/28", "20.1.2.0/24"]);
    }

    #[test]
    fn a_missing_tag_is_named() {
        let document = json!({"values": [tag("AzureMachineLearning.EastUS2", &["20.1.2.0/24"])]});
        assert_eq!(prefixes(&document, &TAGS).unwrap_err(), "there is no tag AzureMachineLearning.CentralUS");
    }

    #[test]
    fn the_two_newest_public_documents_are_found_with_and_without_the_sub_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("public")).unwrap();
        for (name, cloud, number) in [("a", "Public", 9), ("b", "Public", 11), ("c", "Public", 10), ("d", "China", 99)]
        {
            let text = json!({"cloud": cloud, "changeNumber": number}).to_string();
            std::fs::write(folder.path().join("public").join(format!("{name}.json")), text).unwrap();
        }
        for place in [folder.path().to_owned(), folder.path().join("public")] {
            let (old, new) = find(&place).unwrap();
            assert!(old.ends_with("c.json") && new.ends_with("b.json"), "{old:?} {new:?}");
        }
    }
}
