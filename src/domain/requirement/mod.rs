//! The documentation's tables of what Azure Machine Learning needs, as a value: editions, profiles, rows and routes.
//!
//! The tables are data (`config/requirements.yaml`); code holds no tag, host, profile or edition. Must not know
//! documents or targets: `select` says which rows a Network means, `resolve` which prefixes they have.

mod extend;
mod read;
mod resolve;
mod select;
mod template;
#[cfg(test)]
mod testing;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use super::host::Host;
use super::outbound::Port;
use super::service_tags::Cloud;

pub use read::RequirementsError;
pub use resolve::{Resolved, ResolvedRow, ResolvedTag, global, resolve, tags};
pub use select::{OpenHost, SelectError, Selection};
use template::{Form, HostTemplate};

/// The tables that are built in: what `config/requirements.yaml` says, as JSON, which takes a tenth of the time to read. A
/// test compares them.
const BUILT_IN_JSON: &str = include_str!("../built_in/requirements.json");

/// Stands for the region in hosts and names, and needs no parameter.
pub const REGION: &str = "region";

/// Which way the traffic goes, seen from the computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Direction {
    Outbound,
    Inbound,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The other end of the traffic: where outbound traffic goes, or where inbound traffic comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination<H = Host> {
    /// A service tag as the documentation or the spec spells it; `regional`: that of the Network's region.
    Tag {
        name: String,
        regional: bool,
    },
    /// A tag that Azure itself resolves and that stands in no document, such as `VirtualNetwork`.
    Platform(String),
    Hosts(Vec<H>),
}

/// Which regions' prefixes stand for a tag that cannot be used by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum PrefixesOf {
    PrimaryAndSecondary,
}

/// One row that a Network means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected<H = Host> {
    /// Unique within a selection, and kept for ever; for an additional one its name.
    pub id: String,
    pub direction: Direction,
    pub destination: Destination<H>,
    /// Other names that the documentation uses for the tag.
    pub aliases: Vec<String>,
    /// For inbound rows: the platform's tag that the traffic goes to.
    pub to: Option<String>,
    pub prefixes_of: Option<PrefixesOf>,
    pub ports: Vec<Port>,
    /// `None`: an additional one of the spec.
    pub profile: Option<String>,
    pub purpose: String,
    pub condition: Option<String>,
    pub notes: Option<String>,
    /// The section of the documentation; for an additional one the field of the spec.
    pub source: String,
    /// The name that the documentation gives the rule.
    pub rule: Option<String>,
    pub warnings: Vec<String>,
    pub clouds: Vec<Cloud>,
    pub editions: Vec<String>,
    /// The parameters, and the region, that were filled into its hosts, and with what. So the same row of two Networks
    /// is told apart where it means other hosts.
    pub filled: BTreeMap<String, String>,
}

impl<H> Selected<H> {
    /// Whether `name` (of `exclude` or of an IP group's `requirement`) means this row: its id, or, going outbound, the
    /// name of its tag. Without case, and with or without `.<region>`. An inbound row is meant by its id alone: who
    /// leaves a tag out because it is reached through a private endpoint does not speak of traffic that comes in.
    pub fn is_named(&self, name: &str) -> bool {
        let name = without_region(name);
        let aliases = self.aliases.iter().map(String::as_str);
        let tags = self.tag().into_iter().chain(aliases).filter(|_| self.direction == Direction::Outbound);
        std::iter::once(self.id.as_str()).chain(tags).any(|known| known.eq_ignore_ascii_case(name))
    }

    /// The tag's name, of the documents or of the platform.
    pub fn tag(&self) -> Option<&str> {
        match &self.destination {
            Destination::Tag { name, .. } | Destination::Platform(name) => Some(name),
            Destination::Hosts(_) => None,
        }
    }

    /// Its hosts; none for tags.
    pub fn hosts(&self) -> &[H] {
        match &self.destination {
            Destination::Hosts(hosts) => hosts,
            Destination::Tag { .. } | Destination::Platform(_) => &[],
        }
    }

    fn stands_in(&self, edition: &str, cloud: Cloud) -> bool {
        self.is_of(edition) && self.clouds.contains(&cloud)
    }

    fn is_of(&self, edition: &str) -> bool {
        self.editions.iter().any(|of| of == edition)
    }

    /// Where it stands.
    fn places(&self) -> impl Iterator<Item = (&str, Cloud)> {
        self.editions.iter().flat_map(|edition| self.clouds.iter().map(move |cloud| (edition.as_str(), *cloud)))
    }

    /// The same row with each host turned into something else.
    fn try_map<G, E>(self, map: impl FnMut(H) -> Result<G, E>) -> Result<Selected<G>, E> {
        let destination = match self.destination {
            Destination::Tag { name, regional } => Destination::Tag { name, regional },
            Destination::Platform(name) => Destination::Platform(name),
            Destination::Hosts(hosts) => Destination::Hosts(hosts.into_iter().map(map).collect::<Result<_, _>>()?),
        };
        Ok(Selected {
            destination,
            id: self.id,
            direction: self.direction,
            aliases: self.aliases,
            to: self.to,
            prefixes_of: self.prefixes_of,
            ports: self.ports,
            profile: self.profile,
            purpose: self.purpose,
            condition: self.condition,
            notes: self.notes,
            source: self.source,
            rule: self.rule,
            warnings: self.warnings,
            clouds: self.clouds,
            editions: self.editions,
            filled: self.filled,
        })
    }
}

/// The outgoing rows that an IP group or a list means by a name: the row with this id, an additional one too; where there
/// is none, the rows of the documentation with this tag, and where there is none, the additional ones with it. So what
/// somebody adds never widens what a row of the documentation means.
pub fn meant<'a, H: 'a>(rows: impl Iterator<Item = &'a Selected<H>> + Clone, name: &str) -> Vec<&'a Selected<H>> {
    let outgoing = rows.filter(|row| row.direction == Direction::Outbound);
    let by_id: Vec<_> = outgoing.clone().filter(|row| row.id.eq_ignore_ascii_case(without_region(name))).collect();
    if !by_id.is_empty() {
        return by_id;
    }
    let (documented, added): (Vec<_>, Vec<_>) =
        outgoing.filter(|row| row.is_named(name)).partition(|row| row.profile.is_some());
    if documented.is_empty() { added } else { documented }
}

fn without_region(name: &str) -> &str {
    const SUFFIX: &str = ".<region>";
    match name.len().checked_sub(SUFFIX.len()).and_then(|at| name.split_at_checked(at)) {
        Some((service, suffix)) if suffix.eq_ignore_ascii_case(SUFFIX) => service,
        _ => name,
    }
}

/// One edition of the documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    pub id: String,
    pub date: jiff::civil::Date,
    pub what: String,
}

/// A group of rows that belongs to one way of using Azure Machine Learning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    pub purpose: String,
    /// Whether a Network that names no profiles means it.
    pub default: bool,
}

/// What a user says under `parameters` for a placeholder in a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub placeholder: String,
    pub what: String,
    form: Form,
}

/// Which computes a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Compute {
    PublicIp,
    NoPublicIp,
}

/// What a route is written for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteTo {
    /// The prefixes of a service in these regions.
    Prefixes {
        service_tag: String,
        of: PrefixesOf,
    },
    /// The tag by its name.
    ServiceTag(String),
    Prefix(String),
}

/// What the documentation says about one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub id: String,
    pub compute: Compute,
    pub to: RouteTo,
    pub next_hop: String,
    pub purpose: String,
    pub notes: Option<String>,
    pub source: String,
    pub clouds: BTreeSet<Cloud>,
    pub editions: BTreeSet<String>,
}

/// One row of the documentation, as the data has it.
type Row = Selected<HostTemplate>;

/// The documentation's tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirements {
    editions: Vec<Edition>,
    profiles: Vec<Profile>,
    parameters: Vec<Parameter>,
    rows: Vec<Row>,
    routes: Vec<Route>,
}

/// The tables that count. Those that are compiled in are read when somebody first asks: many networks have only routes.
#[derive(Debug, Clone)]
pub enum Tables {
    BuiltIn,
    Read(Arc<Requirements>),
}

impl Deref for Tables {
    type Target = Requirements;

    fn deref(&self) -> &Requirements {
        static BUILT_IN: LazyLock<Requirements> = LazyLock::new(Requirements::built_in);
        match self {
            Self::BuiltIn => &BUILT_IN,
            Self::Read(tables) => tables,
        }
    }
}

impl Requirements {
    /// The compiled-in tables.
    pub fn built_in() -> Self {
        Self::parse_json(BUILT_IN_JSON).expect("a test compares the compiled-in tables with their text")
    }

    /// In order of their dates.
    pub fn editions(&self) -> &[Edition] {
        &self.editions
    }

    pub fn newest_edition(&self) -> &Edition {
        self.editions.last().expect("tables without an edition are refused")
    }

    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// The profiles that have a row in an edition and a cloud.
    pub fn profiles_of(&self, edition: &str, cloud: Cloud) -> BTreeSet<String> {
        let rows = self.rows.iter().filter(|row| row.stands_in(edition, cloud));
        rows.filter_map(|row| row.profile.clone()).collect()
    }

    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// What the documentation says about routes.
    pub fn routes(&self, edition: &str, cloud: Cloud) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter(move |route| route.editions.contains(edition) && route.clouds.contains(&cloud))
    }

    fn edition(&self, id: &str) -> Option<&Edition> {
        self.editions.iter().find(|edition| edition.id == id)
    }

    /// Ids and tags of the rows of an edition, in all clouds.
    fn names(&self, edition: &str) -> BTreeSet<&str> {
        let rows = self.rows.iter().filter(|row| row.is_of(edition));
        rows.flat_map(|row| {
            let outbound = row.direction == Direction::Outbound;
            std::iter::once(row.id.as_str()).chain(row.tag().filter(|_| outbound))
        })
        .collect()
    }
}

/// What resembles a name, best first; all there is where there is little.
fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wanted = wanted.to_ascii_lowercase();
    let known: BTreeSet<&str> = known.into_iter().collect();
    let few = known.len() <= 3;
    let likeness = |name: &str| strsim::jaro_winkler(&name.to_ascii_lowercase(), &wanted);
    let mut found: Vec<(f64, &str)> =
        known.into_iter().map(|name| (likeness(name), name)).filter(|(score, _)| few || *score > 0.7).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    found.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// `; did you mean A or B?`, or nothing.
fn suggestion(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(" or ")) }
}
