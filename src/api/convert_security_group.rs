//! `spec.networkSecurityGroups`, from the API types to `domain::outbound`.
//!
//! What the schema and its rules say is checked again as far as `domain` relies on it.

use std::collections::BTreeSet;

use super::convert::FieldError;
use super::rules::security_group as rules;
use super::security_group::{self as api, NetworkSecurityGroup};
use crate::domain::outbound::{Priorities, SecurityGroupIntent};
use crate::domain::requirement::Direction;
use crate::domain::resource_id::{ResourceId, TargetKind};

/// What Azure takes for a priority of a security rule.
const PRIORITIES: std::ops::RangeInclusive<u16> = 100..=4096;

/// Validates the network security groups of a spec.
pub(super) fn security_groups(groups: &[NetworkSecurityGroup]) -> Result<Vec<SecurityGroupIntent>, FieldError> {
    let mut seen = BTreeSet::new();
    let one = |(index, group): (usize, &NetworkSecurityGroup)| {
        let at = |field: &str| format!("spec.networkSecurityGroups[{index}].{field}");
        let id = ResourceId::parse(&group.id, TargetKind::SecurityGroup)
            .map_err(|error| FieldError::new(at("id"), error.to_string()))?;
        if !seen.insert(id.clone()) {
            return Err(FieldError::new(at("id"), rules::ONCE_SAYS));
        }
        let directions = directions(&group.directions, &at("directions"))?;
        let priorities = priorities(group.priority_range, &at("priorityRange"))?;
        Ok(SecurityGroupIntent { id, directions, priorities })
    };
    groups.iter().enumerate().map(one).collect()
}

fn directions(asked: &[api::Direction], path: &str) -> Result<BTreeSet<Direction>, FieldError> {
    let mut directions = BTreeSet::new();
    for direction in asked {
        let is_new = directions.insert(match direction {
            api::Direction::Outbound => Direction::Outbound,
            api::Direction::Inbound => Direction::Inbound,
        });
        if !is_new {
            return Err(FieldError::new(path, format!("{direction:?} stands twice; write it once")));
        }
    }
    if directions.is_empty() {
        return Err(FieldError::new(path, "it is empty; write Outbound, Inbound or both, or leave the field out"));
    }
    Ok(directions)
}

fn priorities(range: api::PriorityRange, path: &str) -> Result<Priorities, FieldError> {
    let api::PriorityRange { from, to } = range;
    for (field, priority) in [("from", from), ("to", to)] {
        if !PRIORITIES.contains(&priority) {
            let what = format!("{priority} is not a priority; write one from 100 to 4096");
            return Err(FieldError::new(format!("{path}.{field}"), what));
        }
    }
    if from > to {
        return Err(FieldError::new(path, rules::RANGE_SAYS));
    }
    Ok(Priorities { from, to })
}
