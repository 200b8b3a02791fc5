//! `amlnet requirements`: the documentation's rows for a region, a cloud, an edition and profiles, with the prefixes of a
//! document where one is given. Needs neither Azure nor a login, and writes nothing.

mod csv;
mod markdown;
pub mod report;
mod text;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use self::report::{Question, Report};
use super::{Exit, Output, print, print_json};
use crate::api::read::Network;
use crate::app::{self, AppError};
use crate::domain::accept;
use crate::domain::outbound::Outbound;
use crate::domain::region::{Pair, RegionName, Regions};
use crate::domain::requirement::Requirements;
use crate::domain::resolve::{Note, PairedRegion, RegionPair, region_pair};
use crate::domain::service_tags::{Cloud, Document};
use crate::feed::file;

/// What is asked for.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// The region that stands for <region>, in any spelling. Without it <region> stays as it is written.
    #[arg(long, env = "AMLNET_REGION")]
    pub region: Option<String>,
    /// Public, AzureGovernment or China; that of --tags, else Public, where nothing is said.
    #[arg(long, env = "AMLNET_CLOUD")]
    pub cloud: Option<Cloud>,
    /// Of the documentation, such as 2026-03; the newest where nothing is said.
    #[arg(long, env = "AMLNET_EDITION")]
    pub edition: Option<String>,
    /// A part of the documentation, such as Base; all of them where nothing is said. May be repeated.
    #[arg(long = "profile", value_name = "PROFILE", value_delimiter = ',', env = "AMLNET_PROFILE")]
    pub profiles: Vec<String>,
    /// Leave out what has this id or this service tag. May be repeated.
    #[arg(long, value_name = "REQUIREMENT", value_delimiter = ',', env = "AMLNET_EXCLUDE")]
    pub exclude: Vec<String>,
    /// What stands for <storage> and the like, such as storageAccount=mlstore. May be repeated.
    #[arg(
        long = "parameter",
        value_name = "NAME=VALUE",
        value_parser = parameter,
        value_delimiter = ',',
        env = "AMLNET_PARAMETER"
    )]
    pub parameters: Vec<(String, String)>,
    /// A Service Tags file: with it the prefixes of service tags are printed.
    #[arg(long, value_name = "FILE", env = "AMLNET_TAGS")]
    pub tags: Option<PathBuf>,
    /// A file with one AmlNetwork, whose region and outbound part are taken; `-` is standard input. The flags win.
    #[arg(short = 'f', value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Replaces the table of regions and pairs.
    #[arg(long, value_name = "FILE", env = "AMLNET_REGIONS")]
    pub regions: Option<PathBuf>,
    /// Replaces the tables of requirements, or adds to them where it says extends: true.
    #[arg(long, value_name = "FILE", env = "AMLNET_REQUIREMENTS")]
    pub requirements: Option<PathBuf>,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE, such as storageAccount=mlstore".to_owned()),
    }
}

/// Prints what is asked for.
pub fn requirements(options: &Options, output: Output) -> Result<Exit, AppError> {
    let report = report(options)?;
    match output {
        Output::Json => print_json(&report)?,
        Output::Text | Output::Csv | Output::Markdown => print(&table(&report, output))?,
    }
    Ok(Exit::Done)
}

/// The forms that are not JSON.
pub fn table(report: &Report, output: Output) -> String {
    match output {
        Output::Csv => csv::csv(report),
        Output::Markdown => markdown::markdown(report),
        Output::Text | Output::Json => text::text(report),
    }
}

/// All that is printed, in whatever form.
///
/// # Errors
/// What was asked wrongly, with near names; a file that cannot be used; a tag that the document lacks.
pub fn report(options: &Options) -> Result<Report, AppError> {
    let (requirements, regions) =
        (app::requirements(options.requirements.as_deref())?, app::regions(options.regions.as_deref())?);
    let document = options.tags.as_deref().map(|path| document(path, options.cloud, &regions)).transpose()?;
    let cloud = document.as_ref().map(|document| document.cloud).or(options.cloud).unwrap_or(Cloud::Public);
    let network = options.file.as_deref().map(network).transpose()?;
    let outbound = outbound(options, network.as_ref(), &requirements, cloud)?;
    let paired = network.as_ref().map_or(&PairedRegion::Auto, |network| &network.intent.paired_region);
    let region = options.region.as_deref().or(network.as_ref().map(|network| network.intent.region.as_str()));
    let mut notes = BTreeSet::new();
    let mut question =
        Question { requirements: &requirements, outbound: &outbound, cloud, region: None, secondary: None, pair: None };
    let pair: RegionPair;
    match (region, &document) {
        (Some(region), Some(document)) => {
            pair = region_pair(region, paired, &regions, document, &mut notes).map_err(AppError::new)?;
            question.region = Some(pair.primary.name.clone());
            question.secondary = pair.secondary.as_ref().map(|(region, _)| region.name.clone());
            question.pair = Some(&pair);
        }
        (Some(region), None) => {
            let (primary, secondary) = documented(region, paired, &regions, cloud)?;
            (question.region, question.secondary) = (Some(primary), secondary);
        }
        (None, Some(_)) => {
            let message = "the prefixes of regional tags need --region; those of global tags are printed".to_owned();
            notes.insert(Note { code: "RegionMissing", message });
        }
        (None, None) => {}
    }
    question.report(document.as_ref(), notes)
}

fn document(path: &Path, cloud: Option<Cloud>, regions: &Regions) -> Result<Document, AppError> {
    let document = file::read(path).map_err(|error| AppError(format!("--tags {error}")))?.document;
    accept::check(&document, cloud.unwrap_or(document.cloud), regions)
        .map_err(|error| AppError(format!("--tags {}: {error}", path.display())))?;
    Ok(document)
}

/// A region and its pair as the table has them, where no document says more.
fn documented(
    region: &str,
    paired: &PairedRegion,
    regions: &Regions,
    cloud: Cloud,
) -> Result<(RegionName, Option<RegionName>), AppError> {
    let find = |text: &str| {
        let refuse = |error| AppError(format!("{error} (a region that is newer than regions.yaml needs --tags)"));
        regions.find_documented(text, cloud).map_err(refuse)
    };
    let primary = find(region)?.name;
    let secondary = match paired {
        PairedRegion::None => None,
        PairedRegion::Named(text) => Some(find(text)?.name),
        PairedRegion::Auto => match regions.pair(&primary) {
            Pair::Documented(name) => Some(name),
            Pair::DocumentedAsNone | Pair::Unknown => None,
        },
    };
    let secondary = secondary.filter(|name| *name != primary);
    Ok((primary, secondary))
}

/// The one AmlNetwork of a file.
fn network(path: &Path) -> Result<Network, AppError> {
    let world = app::complete(app::world_of_files(&[path.to_owned()])?)?;
    let mut networks: Vec<Network> = world.networks.into_values().map(|held| held.object).collect();
    match (networks.pop(), networks.is_empty()) {
        (Some(network), true) => Ok(network),
        (found, _) => {
            let count = networks.len() + usize::from(found.is_some());
            Err(AppError(format!("-f {}: {count} AmlNetworks; give a file with one", path.display())))
        }
    }
}

fn outbound(
    options: &Options,
    network: Option<&Network>,
    requirements: &Requirements,
    cloud: Cloud,
) -> Result<Outbound, AppError> {
    let of_network = match network {
        Some(network) => Some(network.intent.outbound.clone().ok_or_else(|| {
            let key = &network.key;
            AppError(format!("AmlNetwork {key} has no outbound part, so it asks nothing of a firewall; leave -f out"))
        })?),
        None => None,
    };
    let newest = requirements.newest_edition().id.clone();
    // The edition of a text that names none is a default, which tables of one's own need not have.
    let said = of_network.as_ref().filter(|_| network.is_some_and(|network| network.says_edition));
    let edition = options.edition.clone().or_else(|| said.map(|outbound| outbound.edition.clone()));
    let edition = edition.unwrap_or(newest);
    let all = requirements.profiles_of(&edition, cloud);
    let mut outbound =
        of_network.unwrap_or(Outbound { edition: edition.clone(), profiles: all, ..Outbound::default() });
    outbound.edition = edition;
    if !options.profiles.is_empty() {
        outbound.profiles = options.profiles.iter().cloned().collect();
    }
    outbound.exclude.extend(options.exclude.iter().cloned());
    let mut given = BTreeSet::new();
    for (name, value) in &options.parameters {
        if !given.insert(name) {
            return Err(AppError(format!("--parameter {name} is given twice; give it once")));
        }
        outbound.parameters.insert(name.clone(), value.clone());
    }
    Ok(outbound)
}
