//! Reads the tables of the documentation, strictly: a mistake names the line, the row and what to write instead.
//!
//! What the rows mean for a Network is `select`'s matter.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Deserialize;
use serde_yaml::Spanned;

use super::extend::without;
use super::template::{Form, HostTemplate};
use super::{
    Compute, Destination, Direction, Edition, Parameter, PrefixesOf, Profile, REGION, Requirements, Route, RouteTo,
    Row, nearest, suggestion,
};
use crate::outbound::{Port, Protocol};
use crate::prefix::Prefix;
use crate::service_tags::Cloud;

/// Names of rules are made of ids, and Azure allows 80 characters.
const MAX_ID: usize = 50;

/// Why tables of requirements are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequirementsError {
    #[error("not tables of requirements: {0}")]
    Syntax(String),
    #[error("{}{path}: {what}", .line.map(|line| format!("line {line}: ")).unwrap_or_default())]
    Field { line: Option<u64>, path: String, what: String },
}

type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Whether the file adds to what is compiled in, or takes its place.
    #[serde(default)]
    extends: bool,
    #[serde(default)]
    editions: Vec<FileEdition>,
    #[serde(default)]
    profiles: Vec<FileProfile>,
    #[serde(default)]
    parameters: Vec<FileParameter>,
    #[serde(default)]
    requirements: Vec<FileRow>,
    #[serde(default)]
    routes: Vec<FileRoute>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEdition {
    id: Text,
    date: Text,
    what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileProfile {
    name: Text,
    #[serde(rename = "for")]
    purpose: String,
    #[serde(default)]
    default: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileParameter {
    name: Text,
    placeholder: String,
    form: Form,
    what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FileRow {
    id: Text,
    direction: Direction,
    service_tag: Option<Text>,
    regional: Option<bool>,
    platform_tag: Option<Text>,
    hosts: Option<Vec<Text>>,
    #[serde(default)]
    aliases: Vec<Text>,
    to: Option<Text>,
    prefixes_of: Option<PrefixesOf>,
    ports: Vec<FilePort>,
    purpose: String,
    profile: Text,
    clouds: Vec<Cloud>,
    editions: Vec<Text>,
    condition: Option<String>,
    notes: Option<String>,
    warning: Option<String>,
    rule: Option<String>,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePort {
    protocol: FileProtocol,
    port: Spanned<u16>,
}

#[derive(Clone, Copy, Deserialize)]
enum FileProtocol {
    #[serde(rename = "TCP")]
    Tcp,
    #[serde(rename = "UDP")]
    Udp,
    Any,
    Http,
    Https,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FileRoute {
    id: Text,
    compute: Compute,
    service_tag: Option<Text>,
    addressing: Option<FileAddressing>,
    prefixes_of: Option<PrefixesOf>,
    prefix: Option<Text>,
    next_hop: FileNextHop,
    purpose: String,
    clouds: Vec<Cloud>,
    editions: Vec<Text>,
    notes: Option<String>,
    source: String,
}

#[derive(Clone, Copy, Deserialize)]
enum FileAddressing {
    Prefixes,
    ServiceTag,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum FileNextHop {
    Internet,
    VirtualAppliance,
}

/// A place in the file that something is wrong with.
struct At {
    line: u64,
    path: String,
}

impl At {
    fn of<T>(text: &Spanned<T>, path: impl Into<String>) -> Self {
        Self { line: text.referenced.line(), path: path.into() }
    }

    fn refuse<T>(&self, what: impl Into<String>) -> Result<T, RequirementsError> {
        Err(RequirementsError::Field { line: Some(self.line), path: self.path.clone(), what: what.into() })
    }
}

impl Requirements {
    /// Reads tables in the form of `config/requirements.yaml`. With `extends: true` they add to the compiled-in ones.
    ///
    /// # Errors
    /// The first mistake, with its line.
    pub fn parse(yaml: &str) -> Result<Self, RequirementsError> {
        let file = read(yaml)?;
        let base = if file.extends { Self::built_in() } else { Self::default() };
        base.with(file)
    }

    /// Reads whole tables in the same form as JSON. What is wrong there has no line.
    pub(super) fn parse_json(json: &str) -> Result<Self, RequirementsError> {
        let file: File = serde_json::from_str(json).map_err(|error| RequirementsError::Syntax(error.to_string()))?;
        Self::default().with(file)
    }

    /// These tables with those of a file: its entries are added, and take the places of entries that have their ids.
    ///
    /// # Errors
    /// The first mistake, with its line.
    pub fn extended(self, yaml: &str) -> Result<Self, RequirementsError> {
        self.with(read(yaml)?)
    }

    fn with(mut self, file: File) -> Result<Self, RequirementsError> {
        each_once(file.editions.iter().map(|edition| &edition.id), "editions")?;
        each_once(file.profiles.iter().map(|profile| &profile.name), "profiles")?;
        each_once(file.parameters.iter().map(|parameter| &parameter.name), "parameters")?;
        for edition in file.editions {
            let edition = read_edition(&edition)?;
            self.editions.retain(|known| known.id != edition.id);
            self.editions.push(edition);
        }
        self.editions.sort_by(|a, b| a.date.cmp(&b.date).then_with(|| a.id.cmp(&b.id)));
        for FileProfile { name, purpose, default } in file.profiles {
            At::of(&name, "profile").word(&name.value)?;
            let profile = Profile { name: name.value, purpose, default };
            match self.profiles.iter_mut().find(|known| known.name == profile.name) {
                Some(known) => *known = profile,
                None => self.profiles.push(profile),
            }
        }
        for parameter in file.parameters {
            self.add_parameter(parameter)?;
        }
        let rows: Vec<(u64, Row)> = file.requirements.into_iter().map(|row| self.row(row)).collect::<Result<_, _>>()?;
        unique(&rows)?;
        let (_, rows): (Vec<u64>, Vec<Row>) = rows.into_iter().unzip();
        self.rows = self.rows.into_iter().flat_map(|row| without(row, &rows)).collect();
        self.rows.extend(rows);
        each_once(file.routes.iter().map(|route| &route.id), "routes")?;
        for route in file.routes {
            let route = self.route(route)?;
            self.routes.retain(|known| !known.id.eq_ignore_ascii_case(&route.id));
            self.routes.push(route);
        }
        let lists = [("editions", self.editions.is_empty()), ("requirements", self.rows.is_empty())];
        match lists.into_iter().find(|(_, is_empty)| *is_empty) {
            Some((path, _)) => {
                let what = "it is missing or empty; write it, or extends: true where the file adds to what is built in";
                Err(RequirementsError::Field { line: None, path: path.to_owned(), what: what.to_owned() })
            }
            None => Ok(self),
        }
    }

    fn add_parameter(&mut self, file: FileParameter) -> Result<(), RequirementsError> {
        let at = At::of(&file.name, format!("parameter {}", file.name.value));
        at.word(&file.name.value)?;
        let placeholder = file.placeholder;
        if placeholder.is_empty() || placeholder == REGION || placeholder.contains(['<', '>']) {
            return at.refuse(format!("placeholder {placeholder:?} is empty, is <{REGION}>, or holds '<' or '>'"));
        }
        self.parameters.retain(|known| known.name != file.name.value);
        if let Some(other) = self.parameters.iter().find(|known| known.placeholder == placeholder) {
            return at.refuse(format!("placeholder <{placeholder}> belongs to parameter {} already", other.name));
        }
        self.parameters.push(Parameter { name: file.name.value, placeholder, what: file.what, form: file.form });
        Ok(())
    }

    fn row(&self, file: FileRow) -> Result<(u64, Row), RequirementsError> {
        let at = At::of(&file.id, format!("requirement {}", file.id.value));
        at.id(&file.id.value)?;
        let destination = self.destination(&file, &at)?;
        if file.direction == Direction::Outbound && (file.to.is_some() || file.prefixes_of.is_some()) {
            return at.refuse("to and prefixesOf belong to direction: Inbound; leave them out");
        }
        if file.direction == Direction::Inbound && !matches!(destination, Destination::Tag { .. }) {
            return at.refuse("inbound traffic comes from a serviceTag; write it");
        }
        for alias in file.aliases.iter().chain(&file.to) {
            At::of(alias, &*at.path).tag(&alias.value)?;
        }
        if !file.aliases.is_empty() && matches!(destination, Destination::Hosts(_)) {
            return at.refuse("aliases are other names of a serviceTag; leave them out");
        }
        let ports = ports(&file.ports, matches!(destination, Destination::Hosts(_)), &at)?;
        if !self.profiles.iter().any(|profile| profile.name == file.profile.value) {
            let near = suggestion(&nearest(&file.profile.value, self.profiles.iter().map(|known| known.name.as_str())));
            let what = format!("profile {:?} is not one of the list profiles{near}", file.profile.value);
            return At::of(&file.profile, at.path).refuse(what);
        }
        let (clouds, editions) = (clouds(&file.clouds, &at)?, self.read_editions(&file.editions, &at)?);
        for (field, text) in [("purpose", &file.purpose), ("source", &file.source)] {
            if text.trim().is_empty() {
                return at.refuse(format!("{field} is empty; say it in a sentence"));
            }
        }
        let row = Row {
            id: file.id.value,
            direction: file.direction,
            destination,
            aliases: file.aliases.into_iter().map(|alias| alias.value).collect(),
            to: file.to.map(|to| to.value),
            prefixes_of: file.prefixes_of,
            ports,
            profile: Some(file.profile.value),
            purpose: file.purpose,
            condition: file.condition,
            notes: file.notes,
            source: file.source,
            rule: file.rule,
            warnings: file.warning.into_iter().collect(),
            clouds: clouds.into_iter().collect(),
            editions: editions.into_iter().collect(),
            filled: BTreeMap::new(),
        };
        Ok((at.line, row))
    }

    fn destination(&self, file: &FileRow, at: &At) -> Result<Destination<HostTemplate>, RequirementsError> {
        match (&file.service_tag, &file.platform_tag, &file.hosts, file.regional) {
            (Some(tag), None, None, Some(regional)) => {
                At::of(tag, &*at.path).tag(&tag.value)?;
                Ok(Destination::Tag { name: tag.value.clone(), regional })
            }
            (Some(_), None, None, None) => {
                at.refuse("regional is missing; write true for the region's own tag, or false")
            }
            (None, _, _, Some(_)) => at.refuse("regional belongs to a serviceTag; leave it out"),
            (None, Some(tag), None, None) => {
                At::of(tag, &*at.path).tag(&tag.value)?;
                Ok(Destination::Platform(tag.value.clone()))
            }
            (None, None, Some(hosts), None) => {
                each_once(hosts.iter(), &at.path)?;
                if hosts.is_empty() {
                    return at.refuse("hosts is empty; write at least one");
                }
                let parse = |host: &Text| match HostTemplate::parse(&host.value, &self.parameters) {
                    Ok(host) => Ok(host),
                    Err(what) => At::of(host, &*at.path).refuse(what),
                };
                Ok(Destination::Hosts(hosts.iter().map(parse).collect::<Result<_, _>>()?))
            }
            _ => at.refuse("write exactly one of serviceTag, platformTag and hosts"),
        }
    }

    fn read_editions(&self, editions: &[Text], at: &At) -> Result<BTreeSet<String>, RequirementsError> {
        if editions.is_empty() {
            return at.refuse("editions is empty; write at least one");
        }
        each_once(editions.iter(), &at.path)?;
        for edition in editions {
            if self.edition(&edition.value).is_none() {
                let known: Vec<&str> = self.editions.iter().map(|known| known.id.as_str()).collect();
                let what = format!("edition {:?} is not in the list editions ({})", edition.value, known.join(", "));
                return At::of(edition, &*at.path).refuse(what);
            }
        }
        Ok(editions.iter().map(|edition| edition.value.clone()).collect())
    }

    fn route(&self, file: FileRoute) -> Result<Route, RequirementsError> {
        let at = At::of(&file.id, format!("route {}", file.id.value));
        at.id(&file.id.value)?;
        let to = match (file.service_tag, file.addressing, file.prefixes_of, file.prefix) {
            (Some(tag), Some(FileAddressing::Prefixes), Some(of), None) => {
                At::of(&tag, &*at.path).tag(&tag.value)?;
                RouteTo::Prefixes { service_tag: tag.value, of }
            }
            (Some(tag), Some(FileAddressing::ServiceTag), None, None) => {
                At::of(&tag, &*at.path).tag(&tag.value)?;
                RouteTo::ServiceTag(tag.value)
            }
            (None, None, None, Some(prefix)) => match prefix.value.parse::<Prefix>() {
                Ok(_) => RouteTo::Prefix(prefix.value),
                Err(why) => return At::of(&prefix, at.path).refuse(format!("prefix: {why}")),
            },
            _ => {
                return at.refuse(
                    "write serviceTag with addressing: Prefixes and prefixesOf, serviceTag with addressing: ServiceTag, \
                     or prefix",
                );
            }
        };
        Ok(Route {
            clouds: clouds(&file.clouds, &at)?,
            editions: self.read_editions(&file.editions, &at)?,
            id: file.id.value,
            compute: file.compute,
            to,
            next_hop: format!("{:?}", file.next_hop),
            purpose: file.purpose,
            notes: file.notes,
            source: file.source,
        })
    }
}

fn read(yaml: &str) -> Result<File, RequirementsError> {
    let options = serde_yaml::options! { strict_booleans: true };
    serde_yaml::from_str_with_options(yaml, options).map_err(|error| RequirementsError::Syntax(error.to_string()))
}

fn read_edition(file: &FileEdition) -> Result<Edition, RequirementsError> {
    let at = At::of(&file.id, format!("edition {}", file.id.value));
    let is_month = file.id.value.len() == 7 && format!("{}-01", file.id.value).parse::<Date>().is_ok();
    if !is_month {
        return at.refuse("an edition is a year and a month; write such as 2026-03");
    }
    match file.date.value.parse() {
        Ok(date) => Ok(Edition { id: file.id.value.clone(), date, what: file.what.clone() }),
        Err(_) => {
            At::of(&file.date, at.path).refuse(format!("date {:?} is no date; write 2026-03-19", file.date.value))
        }
    }
}

impl At {
    fn id(&self, id: &str) -> Result<(), RequirementsError> {
        let inner = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-');
        let begins = id.starts_with(|c: char| c.is_ascii_alphabetic());
        let ends = id.ends_with(|c: char| c.is_ascii_alphanumeric());
        if begins && ends && id.len() <= MAX_ID && id.bytes().all(inner) {
            return Ok(());
        }
        self.refuse(format!(
            "an id is at most {MAX_ID} letters, digits, '.' and '-', the first a letter and the last no '.' or '-'"
        ))
    }

    fn word(&self, text: &str) -> Result<(), RequirementsError> {
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
        if begins && text.len() <= 60 && text.bytes().all(|c| c.is_ascii_alphanumeric()) {
            return Ok(());
        }
        self.refuse(format!("{text:?} must be at most 60 letters and digits, the first a letter"))
    }

    fn tag(&self, name: &str) -> Result<(), RequirementsError> {
        if name.contains('<') {
            return self
                .refuse(format!("tag {name:?} holds a placeholder; write the name without it, and regional: true"));
        }
        let inner = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
        if !name.is_empty() && name.len() <= 100 && name.bytes().all(inner) {
            return Ok(());
        }
        self.refuse(format!("tag {name:?} must be letters, digits, '.', '-' and '_', at most 100"))
    }
}

fn ports(file: &[FilePort], to_hosts: bool, at: &At) -> Result<Vec<Port>, RequirementsError> {
    if file.is_empty() {
        return at.refuse("ports is empty; write such as [{protocol: TCP, port: 443}]");
    }
    let mut ports: Vec<Port> = Vec::new();
    for FilePort { protocol, port } in file {
        let at = At::of(port, &*at.path);
        let protocol = match protocol {
            FileProtocol::Tcp => Protocol::Tcp,
            FileProtocol::Udp => Protocol::Udp,
            FileProtocol::Any => Protocol::Any,
            FileProtocol::Http => Protocol::Http,
            FileProtocol::Https => Protocol::Https,
        };
        if matches!(protocol, Protocol::Http | Protocol::Https) && !to_hosts {
            return at.refuse("Http and Https are for hosts; write TCP for a tag");
        }
        let port = Port { protocol, port: port.value };
        if port.port == 0 {
            return at.refuse("port 0 is none; write 1 to 65535");
        }
        if ports.contains(&port) {
            return at.refuse(format!("{port} stands twice; write it once"));
        }
        ports.push(port);
    }
    Ok(ports)
}

fn clouds(clouds: &[Cloud], at: &At) -> Result<BTreeSet<Cloud>, RequirementsError> {
    let set: BTreeSet<Cloud> = clouds.iter().copied().collect();
    match (set.is_empty(), set.len() < clouds.len()) {
        (true, _) => at.refuse("clouds is empty; write some of Public, AzureGovernment and China"),
        (_, true) => at.refuse("a cloud stands twice; write it once"),
        _ => Ok(set),
    }
}

/// Without case, as names are compared everywhere.
fn each_once<'a>(texts: impl Iterator<Item = &'a Text>, path: &str) -> Result<(), RequirementsError> {
    let mut seen = BTreeSet::new();
    for text in texts {
        if !seen.insert(text.value.to_ascii_lowercase()) {
            return At::of(text, path).refuse(format!("{:?} stands twice; write it once", text.value));
        }
    }
    Ok(())
}

/// For one edition and one cloud an id stands once.
fn unique(rows: &[(u64, Row)]) -> Result<(), RequirementsError> {
    let mut seen = BTreeSet::new();
    for (line, row) in rows {
        for (edition, cloud) in row.places() {
            if !seen.insert((row.id.to_ascii_lowercase(), edition.to_owned(), cloud)) {
                let at = At { line: *line, path: format!("requirement {}", row.id) };
                let what = "an id stands once for each edition and cloud; give one of the two another";
                return at.refuse(format!("another entry has this id in edition {edition} for cloud {cloud}; {what}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
