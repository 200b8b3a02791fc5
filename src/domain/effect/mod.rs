//! What makes a correct table useless, or worse: reported as warnings, never acted on.
//!
//! Must not change a plan. Codes are constants that scripts and alerts may rely on.

pub mod element;
pub mod firewall;
mod pattern;
mod range;
pub mod security_group;
mod set;
mod tags;
pub mod traffic;

use super::desired::{Address, Contribution, Desired, Wishes};
use super::intent::{Installation, NextHop};
use super::plan::{Observed, ObservedEntry, TargetInput};
use super::prefix::Prefix;
use super::resolve::Note;

/// More findings of a kind than this are counted, not listed.
const LISTED: usize = 5;

pub fn warnings(desired: &Desired, observed: &Observed, installation: &Installation) -> Vec<Note> {
    let foreign: Vec<&ObservedEntry> = observed.entries.iter().filter(|e| !observed.owns(e, installation)).collect();
    [no_subnet(observed), more_specific(desired, &foreign), default_route(desired, observed)]
        .into_iter()
        .flatten()
        .collect()
}

/// Contributors that do not agree about removals: the careful one wins, and the other should know.
pub fn settings_differ(input: &TargetInput) -> Option<Note> {
    let first = input.contributions.first()?.removal;
    if input.contributions.iter().all(|c| c.removal == first) {
        return None;
    }
    let of = |c: &Contribution| format!("{}: {}", c.network, c.removal);
    let all: Vec<String> = input.contributions.iter().map(of).collect();
    Some(Note {
        code: "RemovalSettingsDiffer",
        message: format!("{}; the strictest of each counts: {}", all.join("; "), input.removal()),
    })
}

/// The first few, and how many more there are.
fn listed(mut found: Vec<String>, between: &str) -> String {
    let more = found.len().saturating_sub(LISTED);
    found.truncate(LISTED);
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{tail}", found.join(between))
}

fn no_subnet(observed: &Observed) -> Option<Note> {
    (observed.subnets == 0).then(|| Note {
        code: "NoSubnet",
        message: "the table is associated with no subnet, so its routes have no effect".to_owned(),
    })
}

/// Azure takes the longest match: a foreign route inside a needed prefix takes part of its packets elsewhere.
fn more_specific(desired: &Desired, foreign: &[&ObservedEntry]) -> Option<Note> {
    let mut found = Vec::new();
    for entry in foreign {
        let Address::Prefix(narrow) = &entry.address else {
            continue;
        };
        let wide = desired.entries.iter().find_map(|(address, wanted)| match address {
            Address::Prefix(wide)
                if !wanted.is_default_route()
                    && wide != narrow
                    && wide.contains(narrow)
                    && wanted.next_hop != entry.next_hop =>
            {
                Some(wide)
            }
            _ => None,
        });
        if let Some(wide) = wide {
            found.push(format!("{:?} sends {narrow} of {wide} to {}", entry.name, entry.next_hop));
        }
    }
    if found.is_empty() {
        return None;
    }
    Some(Note {
        code: "MoreSpecificRoute",
        message: format!("routes of others take precedence: {}", listed(found, "; ")),
    })
}

/// None in the table says nothing: it may come by BGP.
fn default_route(desired: &Desired, observed: &Observed) -> Option<Note> {
    let address = Address::Prefix(Prefix::DEFAULT_V4);
    if desired.entries.contains_key(&address) {
        return None;
    }
    let entry = observed.entries.iter().find(|entry| entry.address == address)?;
    match &entry.next_hop {
        NextHop::Internet => Some(Note {
            code: "DefaultRouteToInternet",
            message: format!("{:?} sends 0.0.0.0/0 to Internet, so routes to the services change nothing", entry.name),
        }),
        NextHop::Other(kind) if kind == "None" => Some(Note {
            code: "DefaultRouteToNowhere",
            message: format!("{:?} drops everything that has no route of its own", entry.name),
        }),
        // A gateway or an appliance may lead to the firewall.
        NextHop::VirtualAppliance(_) | NextHop::Other(_) | NextHop::Member => None,
    }
}

/// Where ARM's locations API names other pairs than the documentation. The documentation counts.
pub fn pair_differs(wishes: &Wishes, by_arm: &[String]) -> Option<Note> {
    let documented = wishes.pair.as_ref().map(|(name, _)| name.as_str());
    let agrees = match documented {
        Some(name) => by_arm.iter().any(|other| other.eq_ignore_ascii_case(name)),
        None => by_arm.is_empty(),
    };
    (wishes.pair_is_automatic && !agrees).then(|| Note {
        code: "PairDiffers",
        message: format!(
            "the documentation pairs {} with {}, ARM's locations API with {}; the documentation counts. \
             Set pairedRegion to say otherwise",
            wishes.region,
            documented.unwrap_or("none"),
            if by_arm.is_empty() { "none".to_owned() } else { by_arm.join(", ") }
        ),
    })
}
