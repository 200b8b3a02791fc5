//! Azure regions: every way to write one, and its documented pair.
//!
//! The table is data (`config/regions.yaml`, replaceable with `--regions`); code holds no region name.
//! Must not ask Azure: what ARM says about pairs is compared elsewhere and only ever a warning.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};

use super::service_tags::{Cloud, Document};

/// The table that is built in: what `config/regions.yaml` says, as JSON, which takes a tenth of the time to read. A test
/// compares them.
const BUILT_IN_JSON: &str = include_str!("built_in/regions.json");

/// The tags of this service tell which regions exist: every region has one.
const CLOUD_TAG: &str = "AzureCloud";

/// A region's ARM name, such as `eastus2`; for a region that only the document knows, its spelling there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct RegionName(Box<str>);

impl RegionName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RegionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the documentation says about a region's secondary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pair {
    Documented(RegionName),
    DocumentedAsNone,
    /// The documentation does not mention the region.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    name: RegionName,
    keys: Vec<String>,
    cloud: Cloud,
    pair: Pair,
}

/// The table of regions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regions {
    rows: Vec<Row>,
    by_key: BTreeMap<String, usize>,
}

/// Why a table of regions is refused.
#[derive(Debug, thiserror::Error)]
pub enum RegionsError {
    #[error("not a table of regions: {0}")]
    Syntax(String),
    #[error("region {region}: {what}")]
    Row { region: String, what: String },
}

/// A name that neither the table nor the document knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("region {text:?} is not known{}", suggestion(.nearest))]
pub struct UnknownRegion {
    pub text: String,
    pub nearest: Vec<String>,
}

fn suggestion(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(" or ")) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    regions: Vec<FileRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FileRow {
    name: String,
    display_name: String,
    cloud: Cloud,
    #[serde(default)]
    aliases: Vec<String>,
    /// Absent: nothing is documented. Null: documented that there is none.
    #[expect(clippy::option_option, reason = "absent and null say different things")]
    #[serde(default, deserialize_with = "present")]
    pair: Option<Option<String>>,
}

#[expect(clippy::option_option, reason = "absent and null say different things")]
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

/// What all spellings of a region have in common: `East US 2`, `EastUS2` and `eastus2` become `eastus2`.
fn key(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

impl Regions {
    /// The compiled-in table.
    pub fn built_in() -> Self {
        let file: File = serde_json::from_str(BUILT_IN_JSON).expect("a test compares it with its text");
        Self::of(file).expect("a test reads its text")
    }

    /// Reads a table in the form of `config/regions.yaml`.
    pub fn parse(yaml: &str) -> Result<Self, RegionsError> {
        Self::of(serde_yaml::from_str(yaml).map_err(|e| RegionsError::Syntax(e.to_string()))?)
    }

    fn of(file: File) -> Result<Self, RegionsError> {
        let mut table = Self { rows: Vec::new(), by_key: BTreeMap::new() };
        for row in file.regions {
            table.add(row)?;
        }
        table.check_pairs()?;
        Ok(table)
    }

    fn add(&mut self, row: FileRow) -> Result<(), RegionsError> {
        let refuse = |what: String| Err(RegionsError::Row { region: row.name.clone(), what });
        if row.name.is_empty() || key(&row.name) != row.name {
            return refuse("name must be an ARM location name: lower-case letters and digits".into());
        }
        let mut keys = vec![row.name.clone()];
        for spelling in row.aliases.iter().chain([&row.display_name]) {
            let spelling = key(spelling);
            if !keys.contains(&spelling) {
                keys.push(spelling);
            }
        }
        for spelling in &keys {
            if let Some(other) = self.by_key.insert(spelling.clone(), self.rows.len()) {
                return refuse(format!("{spelling:?} already names {}", self.rows[other].name));
            }
        }
        self.rows.push(Row {
            name: RegionName(row.name.as_str().into()),
            keys,
            cloud: row.cloud,
            pair: match row.pair {
                None => Pair::Unknown,
                Some(None) => Pair::DocumentedAsNone,
                Some(Some(name)) => Pair::Documented(RegionName(name.into())),
            },
        });
        Ok(())
    }

    fn check_pairs(&self) -> Result<(), RegionsError> {
        for row in &self.rows {
            let Pair::Documented(pair) = &row.pair else { continue };
            let refuse = |what: String| Err(RegionsError::Row { region: row.name.to_string(), what });
            match self.rows.iter().find(|other| other.name == *pair) {
                None => return refuse(format!("its pair {pair} is not in the table")),
                Some(other) if other.cloud != row.cloud => {
                    return refuse(format!("its pair {pair} belongs to another cloud"));
                }
                Some(_) if *pair == row.name => return refuse("it cannot be its own pair".into()),
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn row(&self, text: &str) -> Option<&Row> {
        self.by_key.get(&key(text)).map(|&index| &self.rows[index])
    }

    /// All ARM names of a cloud, in the order of the table.
    pub fn names(&self, cloud: Cloud) -> impl Iterator<Item = &RegionName> {
        self.rows.iter().filter(move |row| row.cloud == cloud).map(|row| &row.name)
    }

    /// The documented pair of a region.
    pub fn pair(&self, region: &RegionName) -> Pair {
        self.row(region.as_str()).map_or(Pair::Unknown, |row| row.pair.clone())
    }

    /// Finds a region in any of its spellings, in the table (of the document's cloud) or else in the document.
    pub fn find(&self, text: &str, document: &Document) -> Result<Region, UnknownRegion> {
        if let Ok(region) = self.find_documented(text, document.cloud) {
            return Ok(region);
        }
        let wanted = key(text);
        let of_document = document.tags().iter().find(|tag| {
            tag.service().eq_ignore_ascii_case(CLOUD_TAG) && tag.suffix().is_some() && key(&tag.region) == wanted
                || tag.suffix().is_some_and(|suffix| key(suffix) == wanted) && self.is_new_region(&tag.region, document)
        });
        match of_document {
            Some(tag) if !wanted.is_empty() => {
                let mut spellings = vec![wanted.clone(), key(&tag.region)];
                spellings.dedup();
                Ok(Region { name: RegionName(wanted.into()), spellings, documented: false })
            }
            _ => Err(UnknownRegion { text: text.to_owned(), nearest: self.nearest(&wanted, document.cloud) }),
        }
    }

    /// Finds a region in any of its spellings, in the table alone: for where there is no document.
    pub fn find_documented(&self, text: &str, cloud: Cloud) -> Result<Region, UnknownRegion> {
        match self.row(text).filter(|row| row.cloud == cloud) {
            Some(row) => Ok(Region { name: row.name.clone(), spellings: row.keys.clone(), documented: true }),
            None => Err(UnknownRegion { text: text.to_owned(), nearest: self.nearest(&key(text), cloud) }),
        }
    }

    /// Whether the document has an `AzureCloud` tag for a region that the table lacks.
    fn is_new_region(&self, region: &str, document: &Document) -> bool {
        let region = key(region);
        !self.by_key.contains_key(&region) && document.children(CLOUD_TAG).any(|tag| key(&tag.region) == region)
    }

    fn nearest(&self, wanted: &str, cloud: Cloud) -> Vec<String> {
        let known = self.rows.iter().filter(|row| row.cloud == cloud);
        let mut scored: Vec<(f64, String)> = known
            .map(|row| {
                let best = row.keys.iter().map(|k| strsim::jaro_winkler(k, wanted)).fold(0.0, f64::max);
                (best, row.name.to_string())
            })
            .filter(|(score, _)| *score > 0.75)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        scored.into_iter().take(3).map(|(_, name)| name).collect()
    }
}

/// A region that exists, with every spelling that a document may use for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    pub name: RegionName,
    spellings: Vec<String>,
    /// False for a region that only the document knows.
    pub documented: bool,
}

impl Region {
    /// Whether `text` (a tag's suffix or a tag's `region`) names this region.
    pub fn is_named(&self, text: &str) -> bool {
        let text = key(text);
        !text.is_empty() && self.spellings.contains(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::document;
    use super::*;

    #[test]
    fn the_compiled_in_table_holds_the_documented_pairs() {
        let table = Regions::built_in();
        let pair = |text: &str| match table.pair(&table.row(text).unwrap().name) {
            Pair::Documented(name) => name.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(pair("East US 2"), "centralus");
        assert_eq!(pair("brazilsouth"), "southcentralus");
        assert_eq!(pair("southcentralus"), "northcentralus");
        assert_eq!(pair("usgovvirginia"), "usgovtexas");
        assert_eq!(pair("usgovtexas"), "usgovarizona");
        assert_eq!(pair("chinanorth3"), "chinaeast3");
        assert_eq!(pair("qatarcentral"), "DocumentedAsNone");
        assert_eq!(pair("denmarkeast"), "Unknown");
    }

    #[test]
    fn a_region_is_found_in_every_spelling() {
        let (table, document) = (Regions::built_in(), document(&[("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8"])]));
        for text in ["francecentral", "France Central", "FranceCentral", "centralfrance", "france-central"] {
            assert_eq!(table.find(text, &document).unwrap().name.as_str(), "francecentral", "{text}");
        }
    }

    #[test]
    fn a_misspelt_region_gets_the_nearest_names() {
        let document = document(&[("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8"])]);
        let error = Regions::built_in().find("estus2", &document).unwrap_err();
        assert!(error.to_string().starts_with(r#"region "estus2" is not known; did you mean eastus2 or "#), "{error}");
        assert!(Regions::built_in().find("", &document).is_err());
        let error = Regions::built_in().find_documented("usgov virgina", Cloud::AzureGovernment).unwrap_err();
        assert_eq!(error.nearest[0], "usgovvirginia");
        assert!(Regions::built_in().find("chinaeast2", &document).is_err(), "another cloud's region");
    }

    #[test]
    fn a_region_that_only_the_document_knows_is_used_in_both_of_its_spellings() {
        let document = document(&[
            ("AzureCloud.newe", "newe", &["20.0.0.0/8"]),
            ("AzureMachineLearning.NewEast", "newe", &["20.1.0.0/26"]),
        ]);
        for text in ["NewEast", "new east", "newe"] {
            let region = Regions::built_in().find(text, &document).unwrap();
            assert!(!region.documented && region.is_named("newe"), "{text}");
        }
        assert!(Regions::built_in().find("NewEast", &document).unwrap().is_named("NewEast"));
    }

    #[test]
    fn a_suffix_that_is_no_region_is_not_taken_for_one() {
        let document = document(&[
            ("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8"]),
            ("Storage.EastUS2Stage", "eastus2", &["20.1.0.0/26"]),
            ("AzureMonitor.Core", "", &["20.2.0.0/26"]),
        ]);
        assert!(Regions::built_in().find("Core", &document).is_err());
        assert!(Regions::built_in().find("EastUS2Stage", &document).is_err());
    }

    #[test]
    fn a_bad_table_is_refused_with_the_row() {
        let row = |rest: &str| format!("regions:\n- {{name: a1, displayName: A 1, cloud: Public{rest}}}\n");
        assert!(Regions::parse(&row(", pair: b1")).unwrap_err().to_string().contains("region a1: its pair b1"));
        assert!(Regions::parse(&row(", pair: a1")).is_err());
        assert!(Regions::parse(&row(", colour: red")).is_err());
        assert!(Regions::parse("regions: []\nregions: []").is_err());
    }
}
