//! The real files in order of date, what they say read without amlnet, and copies of them that lost or gained prefixes
//! as a bad week would.
//!
//! They lie in `SERVICE_TAGS_DIR`, or in `../shared/service-tags` beside this repository.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use amlnet::domain::service_tags::{Cloud, Document};
use ipnet::IpNet;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::dice::Dice;

/// Services whose prefixes are replayed.
pub(crate) const SERVICES: [&str; 6] =
    ["AzureMachineLearning", "BatchNodeManagement", "Storage", "Sql", "EventHub", "AzureContainerRegistry"];

/// One file: as amlnet reads it, and as plain data.
#[derive(Debug)]
pub(crate) struct Edition {
    pub(crate) name: String,
    pub(crate) date: Date,
    pub(crate) document: Arc<Document>,
    /// Prefixes by the tag's name in lower case, of `SERVICES` only.
    pub(crate) tags: BTreeMap<String, BTreeSet<String>>,
    /// Global tags that may stand in a route, in lower case.
    pub(crate) routable: BTreeSet<String>,
    text: String,
}

/// What happened to a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Damage {
    /// Some prefixes of each service are missing.
    Lost,
    /// So much is missing that the file waits for a person.
    MuchLost,
    /// Prefixes came that the next file does not have.
    Grown,
}

#[derive(Debug)]
pub(crate) struct Shelf {
    /// By date.
    pub(crate) editions: Vec<Arc<Edition>>,
    damaged: Mutex<BTreeMap<(usize, Damage), Arc<Edition>>>,
}

impl Shelf {
    /// `Err` says why there are no files.
    pub(crate) fn open() -> Result<Self, String> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/service-tags");
        let folder = std::env::var_os("SERVICE_TAGS_DIR").map_or(beside, PathBuf::from);
        if !folder.is_dir() {
            return Err(format!("skipped: no folder {}; set SERVICE_TAGS_DIR to the real files", folder.display()));
        }
        let clouds = ["public", "usgov", "china"].iter();
        let mut paths: Vec<PathBuf> = clouds
            .flat_map(|cloud| std::fs::read_dir(folder.join(cloud)).into_iter().flatten())
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
        assert_eq!(paths.len(), 19, "the real files");
        let half = paths.len() / 2;
        let read = |paths: &[PathBuf]| -> Vec<Arc<Edition>> { paths.iter().map(|path| Arc::new(read(path))).collect() };
        let editions = std::thread::scope(|scope| {
            let first = scope.spawn(|| read(&paths[..half]));
            let second = read(&paths[half..]);
            let mut all = first.join().unwrap();
            all.extend(second);
            all
        });
        Ok(Self { editions, damaged: Mutex::new(BTreeMap::new()) })
    }

    /// The same copy for the same arguments.
    pub(crate) fn damaged(&self, edition: usize, damage: Damage) -> Arc<Edition> {
        let mut damaged = self.damaged.lock().unwrap();
        let copy = || Arc::new(self.editions[edition].damaged(edition, damage));
        Arc::clone(damaged.entry((edition, damage)).or_insert_with(copy))
    }

    pub(crate) fn of_cloud(&self, cloud: Cloud) -> impl Iterator<Item = (usize, &Arc<Edition>)> {
        self.editions.iter().enumerate().filter(move |(_, edition)| edition.document.cloud == cloud)
    }
}

fn read(path: &Path) -> Edition {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let stem = path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap();
    Edition::new(stem.to_owned(), stem[..10].parse().unwrap(), text)
}

/// A prefix in the spelling that equal prefixes share.
fn canonical(prefix: &str) -> String {
    prefix.parse::<IpNet>().unwrap().trunc().to_string()
}

fn service_of(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

impl Edition {
    fn new(name: String, date: Date, text: String) -> Self {
        let json: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
        let (mut tags, mut routable) = (BTreeMap::new(), BTreeSet::new());
        for tag in json["values"].as_array().unwrap() {
            let (tag_name, properties) = (tag["name"].as_str().unwrap(), &tag["properties"]);
            if !SERVICES.contains(&service_of(tag_name)) {
                continue;
            }
            let listed = properties["addressPrefixes"].as_array().unwrap();
            let prefixes = listed.iter().map(|prefix| canonical(prefix.as_str().unwrap())).collect();
            tags.insert(tag_name.to_ascii_lowercase(), prefixes);
            if properties["networkFeatures"].as_array().is_some_and(|all| all.contains(&json!("UDR"))) {
                routable.insert(tag_name.to_ascii_lowercase());
            }
        }
        let document = Arc::new(Document::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}")));
        Self { name, date, document, tags, routable, text }
    }

    fn damaged(&self, seed: usize, damage: Damage) -> Self {
        let mut dice = Dice::new(seed as u64 * 3 + damage as u64);
        let mut json: Value = serde_json::from_str(self.text.trim_start_matches('\u{feff}')).unwrap();
        let new = if damage == Damage::Grown { new_prefixes(&json, &mut dice) } else { BTreeMap::new() };
        // The first prefix of a tag stays, wherever its service has it: a tag is never empty.
        let kept: BTreeSet<(String, String)> = json["values"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|tag| {
                let first = tag["properties"]["addressPrefixes"].get(0)?.as_str()?;
                Some((service_of(tag["name"].as_str()?).to_owned(), first.to_owned()))
            })
            .collect();
        // A prefix is lost wherever its service has it.
        let mut lost: BTreeMap<(String, String), bool> = BTreeMap::new();
        for tag in json["values"].as_array_mut().unwrap() {
            let name = tag["name"].as_str().unwrap().to_owned();
            let service = service_of(&name).to_owned();
            let prefixes = tag["properties"]["addressPrefixes"].as_array_mut().unwrap();
            let chance = match damage {
                Damage::Lost if SERVICES.contains(&service.as_str()) => 25,
                Damage::MuchLost if service != "AzureCloud" => 60,
                _ => 0,
            };
            prefixes.retain(|prefix| {
                let key = (service.clone(), prefix.as_str().unwrap().to_owned());
                chance == 0 || kept.contains(&key) || !*lost.entry(key).or_insert_with(|| dice.percent(chance))
            });
            let more = new.iter().filter(|((of, region), _)| {
                *of == service && (name == service || name.eq_ignore_ascii_case(&format!("{of}.{region}")))
            });
            prefixes.extend(more.flat_map(|(_, more)| more).map(|prefix| json!(prefix)));
        }
        let date = self.date.saturating_add(jiff::Span::new().days(3));
        Self::new(format!("{} {damage:?}", self.name), date, json.to_string())
    }
}

/// One to eight new prefixes for each regional tag of Azure Machine Learning and Azure Batch, within their region.
fn new_prefixes(json: &Value, dice: &mut Dice) -> BTreeMap<(String, String), Vec<String>> {
    let mut clouds: BTreeMap<String, Vec<IpNet>> = BTreeMap::new();
    let values = json["values"].as_array().unwrap();
    for tag in values {
        if let Some(region) = tag["name"].as_str().unwrap().strip_prefix("AzureCloud.") {
            let listed = tag["properties"]["addressPrefixes"].as_array().unwrap();
            let wide = listed.iter().map(|prefix| prefix.as_str().unwrap().parse::<IpNet>().unwrap());
            let wide = wide.filter(|net| matches!(net, IpNet::V4(net) if net.prefix_len() <= 20)).collect();
            clouds.insert(region.to_ascii_lowercase(), wide);
        }
    }
    let mut new = BTreeMap::new();
    for tag in values {
        let name = tag["name"].as_str().unwrap();
        let Some((service @ ("AzureMachineLearning" | "BatchNodeManagement"), region)) = name.split_once('.') else {
            continue;
        };
        let Some(IpNet::V4(wide)) = clouds.get(&region.to_ascii_lowercase()).and_then(|nets| nets.last()).copied()
        else {
            continue;
        };
        // The two services take from opposite ends.
        let start = if service == "AzureMachineLearning" { 0 } else { 64 };
        let subnets = wide.subnets(30).unwrap().skip(start).take(dice.between(1, 8));
        new.insert((service.to_owned(), region.to_owned()), subnets.map(|net| net.to_string()).collect());
    }
    new
}
