//! The world file: YAML in which every key has a default and an unknown key is an error.

use super::{
    access::Role,
    faults::Fault,
    locations::Location,
    locks::{Lock, Locks},
    managed_identity::ManagedIdentity,
    policy::Policy,
    settings::{Behaviour, Discovery, Latencies, Limits, PageStyle, Settings},
    time::Time,
    token::Credentials,
    world::World,
};
use serde::Deserialize;
use std::{collections::BTreeMap, path::Path};

#[derive(Debug, thiserror::Error)]
pub enum WorldFileError {
    #[error("the world file is not what it should be: {0}")]
    Yaml(String),
    #[error("resources[{index}] ({id}): {why}")]
    Resource { index: usize, id: String, why: String },
    #[error("serviceTagFiles: {path}: {error}")]
    ServiceTagFile { path: String, error: std::io::Error },
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct WorldFile {
    resources: Vec<serde_json::Value>,
    service_tag_files: Vec<String>,
    usages: BTreeMap<String, u64>,
    locations: Option<Vec<Location>>,
    roles: Option<Vec<Role>>,
    locks: Vec<Lock>,
    policies: Vec<Policy>,
    latencies: Latencies,
    limits: Limits,
    faults: Vec<Fault>,
    page_style: PageStyle,
    usage_counts: BTreeMap<String, i64>,
    behaviour: Behaviour,
    discovery: Discovery,
    /// The first is the one that `serve` prints.
    credentials: Vec<Credentials>,
    managed_identities: Vec<ManagedIdentity>,
}

impl World {
    /// Relative paths of service tag files are taken from `base_dir`.
    pub fn from_yaml(yaml: &str, base_dir: &Path) -> Result<Self, WorldFileError> {
        let file: WorldFile = if yaml.trim().is_empty() {
            WorldFile::default()
        } else {
            serde_yaml::from_str(yaml).map_err(|error| WorldFileError::Yaml(error.to_string()))?
        };
        let settings = Settings {
            latencies: file.latencies,
            limits: file.limits,
            usages: file.usages,
            usage_counts: file.usage_counts,
            page_style: file.page_style,
            behaviour: file.behaviour,
            discovery: file.discovery,
        };
        let mut world = Self { settings, ..Self::default() };
        if let Some(locations) = file.locations {
            world.locations = locations;
        }
        world.roles = file.roles;
        world.managed_identities = file.managed_identities;
        world.policies = file.policies;
        world.locks = Locks::new(file.locks);
        if !file.credentials.is_empty() {
            world.credentials = file.credentials;
        }
        if !file.resources.is_empty() {
            world.subscriptions.clear();
        }
        for (index, resource) in file.resources.iter().enumerate() {
            world.place(Time::default(), "world", resource).map_err(|error| {
                let id = resource.get("id").and_then(serde_json::Value::as_str).unwrap_or("no id").to_owned();
                WorldFileError::Resource { index, id, why: error.response().text() }
            })?;
        }
        for path in &file.service_tag_files {
            let full = base_dir.join(path);
            world
                .download_page
                .add(&full, None)
                .map_err(|error| WorldFileError::ServiceTagFile { path: full.display().to_string(), error })?;
        }
        for fault in file.faults {
            world.add_fault(fault);
        }
        Ok(world)
    }
}
