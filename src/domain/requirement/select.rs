//! Which rows a Network means: those of its edition, profiles and cloud, without what it excludes, with what it adds.
//!
//! Whatever a person may have mistyped is an error that offers near names. Must not know documents.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use super::{Destination, Direction, Parameter, REGION, Requirements, Row, Selected, nearest, suggestion};
use crate::host::Host;
use crate::outbound::{Additional, Outbound, Reach};
use crate::region::RegionName;
use crate::resolve::Note;
use crate::service_tags::Cloud;

/// A host in which placeholders may still stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenHost {
    pub text: String,
    /// The parameters that are missing.
    pub missing: BTreeSet<String>,
}

/// What a Network means, in the order of the documentation; additional ones come last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection<H = Host> {
    pub rows: Vec<Selected<H>>,
    pub notes: BTreeSet<Note>,
}

/// Why nothing can be selected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    #[error("edition {text:?} is not known; there are {}", .known.join(" and "))]
    UnknownEdition { text: String, known: Vec<String> },
    #[error("profile {text:?} is not known{}", suggestion(.nearest))]
    UnknownProfile { text: String, nearest: Vec<String> },
    #[error("profile {profile} has no rows in edition {edition} for cloud {cloud}; take it out, or write {}", .others.join(" or "))]
    EmptyProfile { profile: String, edition: String, cloud: Cloud, others: Vec<String> },
    #[error("{text:?} is neither an id nor a service tag of a row of edition {edition}{}", suggestion(.nearest))]
    UnknownName { text: String, edition: String, nearest: Vec<String> },
    #[error("parameter {text:?} is not known{}", suggestion(.nearest))]
    UnknownParameter { text: String, nearest: Vec<String> },
    #[error("parameter {name}: {value:?} cannot be {what}; write {form}")]
    BadParameter { name: String, value: String, what: String, form: &'static str },
    #[error(
        "requirement {requirement} needs the parameter {parameter} for {host}; \
         write parameters: {{{parameter}: <{what}>}}, or exclude: [{requirement}]"
    )]
    MissingParameter { requirement: String, parameter: String, what: String, host: String },
    #[error("requirement {requirement} needs a region for {host}")]
    MissingRegion { requirement: String, host: String },
    #[error("additional {name}: a row of edition {edition} has this id; give it another name")]
    TakenName { name: String, edition: String },
    #[error("requirement {requirement}: {why}")]
    BadHost { requirement: String, why: String },
}

impl Requirements {
    /// The rows that a Network means, with all placeholders filled in.
    ///
    /// # Errors
    /// What the spec says wrong or lacks, and what to write.
    pub fn select(&self, outbound: &Outbound, cloud: Cloud, region: &RegionName) -> Result<Selection, SelectError> {
        let Selection { rows, notes } = self.list(outbound, cloud, Some(region))?;
        let closed = rows.into_iter().map(|row| {
            let id = row.id.clone();
            row.try_map(|host| self.host(&id, host))
        });
        let rows = closed.collect::<Result<_, _>>()?;
        Ok(Selection { rows, notes })
    }

    /// The same where a placeholder without a parameter, and the region, may stay as they are written.
    ///
    /// # Errors
    /// What the spec says wrong.
    pub fn list(
        &self,
        outbound: &Outbound,
        cloud: Cloud,
        region: Option<&RegionName>,
    ) -> Result<Selection<OpenHost>, SelectError> {
        self.check_edition(&outbound.edition)?;
        self.check_profiles(&outbound.profiles, &outbound.edition, cloud)?;
        outbound.exclude.iter().try_for_each(|name| self.check_name(&outbound.edition, name))?;
        let values = self.values(&outbound.parameters, region)?;
        let rows = self.rows.iter().filter(|row| {
            row.stands_in(&outbound.edition, cloud)
                && row.profile.as_ref().is_some_and(|profile| outbound.profiles.contains(profile))
                && !outbound.exclude.iter().any(|name| row.is_named(name))
        });
        let mut used = BTreeSet::new();
        let mut selected: Vec<Selected<OpenHost>> = rows.map(|row| self.open(row, &values, &mut used)).collect();
        for additional in &outbound.additional {
            let mut rows = self.rows.iter().filter(|row| row.is_of(&outbound.edition));
            if rows.any(|row| row.id.eq_ignore_ascii_case(&additional.name)) {
                let (name, edition) = (additional.name.clone(), outbound.edition.clone());
                return Err(SelectError::TakenName { name, edition });
            }
            selected.push(of_spec(additional, &outbound.edition, cloud));
        }
        let notes = self.notes(outbound, &selected, &used);
        Ok(Selection { rows: selected, notes })
    }

    /// Whether a name of `exclude` or of an IP group's `requirement` means a row of an edition, in any cloud.
    ///
    /// # Errors
    /// It means none.
    pub fn check_name(&self, edition: &str, name: &str) -> Result<(), SelectError> {
        let mut rows = self.rows.iter().filter(|row| row.is_of(edition));
        if rows.any(|row| row.is_named(name)) {
            return Ok(());
        }
        let nearest = nearest(name, self.names(edition));
        Err(SelectError::UnknownName { text: name.to_owned(), edition: edition.to_owned(), nearest })
    }

    fn check_edition(&self, id: &str) -> Result<(), SelectError> {
        if self.edition(id).is_some() {
            return Ok(());
        }
        let known = self.editions.iter().map(|edition| edition.id.clone()).collect();
        Err(SelectError::UnknownEdition { text: id.to_owned(), known })
    }

    fn check_profiles(&self, profiles: &BTreeSet<String>, edition: &str, cloud: Cloud) -> Result<(), SelectError> {
        let there = self.profiles_of(edition, cloud);
        for profile in profiles {
            let known = self.profiles.iter().map(|known| known.name.as_str());
            if !known.clone().any(|name| name == profile) {
                return Err(SelectError::UnknownProfile { text: profile.clone(), nearest: nearest(profile, known) });
            }
            if !there.contains(profile) {
                let rows =
                    self.rows.iter().filter(|row| row.profile.as_ref() == Some(profile) && row.clouds.contains(&cloud));
                let others: BTreeSet<String> = rows.flat_map(|row| &row.editions).cloned().collect();
                let mut others: Vec<String> = others.into_iter().map(|other| format!("edition: \"{other}\"")).collect();
                if others.is_empty() {
                    others.push("another cloud".to_owned());
                }
                let (profile, edition) = (profile.clone(), edition.to_owned());
                return Err(SelectError::EmptyProfile { profile, edition, cloud, others });
            }
        }
        Ok(())
    }

    /// What stands for each placeholder.
    fn values(
        &self,
        parameters: &BTreeMap<String, String>,
        region: Option<&RegionName>,
    ) -> Result<BTreeMap<String, String>, SelectError> {
        let mut values: BTreeMap<String, String> =
            region.map(|region| (REGION.to_owned(), region.to_string())).into_iter().collect();
        for (name, value) in parameters {
            let Some(parameter) = self.parameters.iter().find(|parameter| parameter.name == *name) else {
                let nearest = nearest(name, self.parameters.iter().map(|parameter| parameter.name.as_str()));
                return Err(SelectError::UnknownParameter { text: name.clone(), nearest });
            };
            if let Err(form) = parameter.form.check(value) {
                let (name, value, what) = (name.clone(), value.clone(), parameter.what.clone());
                return Err(SelectError::BadParameter { name, value, what, form });
            }
            values.insert(parameter.placeholder.clone(), value.clone());
        }
        Ok(values)
    }

    fn open(&self, row: &Row, values: &BTreeMap<String, String>, used: &mut BTreeSet<String>) -> Selected<OpenHost> {
        let mut stands = BTreeMap::new();
        let opened = row.clone().try_map(|template| {
            let placeholders = template.placeholders();
            let filled = template.fill(|placeholder| values.get(placeholder).cloned());
            stands.extend(placeholders.iter().filter_map(|placeholder| {
                // As it stands in the host: MlImages and mlimages are one registry.
                Some((self.parameter_of(placeholder), values.get(placeholder)?.to_ascii_lowercase()))
            }));
            used.extend(placeholders);
            let missing = filled.missing.iter().map(|placeholder| self.parameter_of(placeholder)).collect();
            Ok::<_, Infallible>(OpenHost { text: filled.text, missing })
        });
        let Ok(opened) = opened;
        Selected { filled: stands, ..opened }
    }

    fn parameter_of(&self, placeholder: &str) -> String {
        let parameter = self.parameters.iter().find(|parameter| parameter.placeholder == placeholder);
        parameter.map_or(placeholder, |parameter| &parameter.name).to_owned()
    }

    fn host(&self, requirement: &str, host: OpenHost) -> Result<Host, SelectError> {
        let requirement = requirement.to_owned();
        let Some(missing) = host.missing.first() else {
            return host.text.parse().map_err(|why| SelectError::BadHost { requirement, why: format!("{why}") });
        };
        Err(match self.parameters.iter().find(|parameter| parameter.name == *missing) {
            Some(Parameter { name, what, .. }) => SelectError::MissingParameter {
                requirement,
                parameter: name.clone(),
                what: what.clone(),
                host: host.text,
            },
            None => SelectError::MissingRegion { requirement, host: host.text },
        })
    }

    fn notes(&self, outbound: &Outbound, selected: &[Selected<OpenHost>], used: &BTreeSet<String>) -> BTreeSet<Note> {
        let unused = self.parameters.iter().filter(|parameter| {
            outbound.parameters.contains_key(&parameter.name) && !used.contains(&parameter.placeholder)
        });
        let unused = unused.map(|parameter| Note {
            code: "ParameterNotUsed",
            message: format!("parameter {} is used by no requirement of this selection", parameter.name),
        });
        let warnings = selected.iter().flat_map(|row| row.warnings.iter().map(move |text| (row, text)));
        let warnings = warnings
            .map(|(row, text)| Note { code: "RequirementWarning", message: format!("requirement {}: {text}", row.id) });
        unused.chain(warnings).collect()
    }
}

/// What the spec adds, as a row.
fn of_spec(additional: &Additional, edition: &str, cloud: Cloud) -> Selected<OpenHost> {
    let destination = match &additional.to {
        Reach::Tag { name, regional } => Destination::Tag { name: name.clone(), regional: *regional },
        Reach::Hosts(hosts) => {
            let open = |host: &Host| OpenHost { text: host.to_string(), missing: BTreeSet::new() };
            Destination::Hosts(hosts.iter().map(open).collect())
        }
    };
    Selected {
        id: additional.name.clone(),
        direction: Direction::Outbound,
        destination,
        aliases: Vec::new(),
        to: None,
        prefixes_of: None,
        ports: additional.ports.clone(),
        profile: None,
        purpose: "Added by the AmlNetwork.".to_owned(),
        condition: None,
        notes: None,
        source: "additional".to_owned(),
        rule: None,
        warnings: Vec::new(),
        clouds: vec![cloud],
        editions: vec![edition.to_owned()],
        filled: BTreeMap::new(),
    }
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
