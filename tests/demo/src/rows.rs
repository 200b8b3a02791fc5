//! What two documents let through the firewall and the security group: the rows of the documentation's basic configuration
//! and the one of the network's own, by the documents' JSON.
//!
//! Computed on its own, as `documents` is: nothing here may come from amlnet.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;
use serde_json::Value;

use crate::documents::{OUTBOUND_TAGS, named, prefixes};
use crate::scene::SOURCES;

/// One way out: who, over which protocol and ports, to one tag or prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Opening {
    pub(crate) protocol: String,
    pub(crate) ports: BTreeSet<u16>,
    pub(crate) from: String,
    pub(crate) to: String,
}

pub(crate) type Openings = BTreeSet<Opening>;

impl Opening {
    /// The same, or wider in where it leads to.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let same = (&self.protocol, &self.ports, &self.from) == (&other.protocol, &other.ports, &other.from);
        same && (self.to == other.to || self.net().zip(other.net()).is_some_and(|(wide, net)| wide.contains(&net)))
    }

    fn net(&self) -> Option<Ipv4Net> {
        self.to.parse().ok()
    }

    pub(crate) fn describe(&self) -> String {
        let ports: Vec<String> = self.ports.iter().map(ToString::to_string).collect();
        format!("{} to {} on {} {}", self.from, self.to, self.protocol, ports.join(", "))
    }
}

/// Who writes rules, by the word for it in `networkFeatures`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Writer {
    Firewall,
    SecurityGroup,
}

impl Writer {
    fn feature(self) -> &'static str {
        match self {
            Self::Firewall => "FW",
            Self::SecurityGroup => "NSG",
        }
    }
}

/// What of the documentation's rows is not TCP 443 alone.
fn ports(tag: &str) -> Vec<(&'static str, &'static [u16])> {
    match tag {
        "AzureActiveDirectory" => vec![("TCP", &[80, 443])],
        "AzureMachineLearning" => vec![("TCP", &[443, 8787, 18881]), ("UDP", &[5831])],
        _ => vec![("TCP", &[443])],
    }
}

/// All that one document lets through: tags by name where whoever writes the rules knows them, else their prefixes.
pub(crate) fn openings(document: &Value, writer: Writer) -> Result<Openings, String> {
    let mut openings = Openings::new();
    for tag in OUTBOUND_TAGS {
        let (name, features) = named(document, tag)?;
        let is_known = features.iter().any(|feature| *feature == writer.feature());
        let places: Vec<String> = if is_known {
            vec![name.to_owned()]
        } else {
            prefixes(document, &[tag])?.iter().map(ToString::to_string).collect()
        };
        for (protocol, ports) in ports(tag) {
            openings.extend(places.iter().map(|to| Opening {
                protocol: protocol.to_owned(),
                ports: ports.iter().copied().collect(),
                from: SOURCES.to_owned(),
                to: to.clone(),
            }));
        }
    }
    Ok(openings)
}

/// Without those that another one covers.
pub(crate) fn widest(openings: &Openings) -> Openings {
    let is_covered = |one: &&Opening| openings.iter().any(|other| other != *one && other.covers(one));
    openings.iter().filter(|one| !is_covered(one)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Every tag with one prefix; of those in `unknown` the features are null.
    fn document(unknown: &[&str]) -> Value {
        let values: Vec<Value> = OUTBOUND_TAGS
            .iter()
            .enumerate()
            .map(|(number, tag)| {
                let features = if unknown.contains(tag) { Value::Null } else { json!(["NSG"]) };
                json!({"name": tag.to_uppercase(), "properties": {
                    "networkFeatures": features, "addressPrefixes": [format!("20.0.{number}.0/24"), "2603:1030::/64"]}})
            })
            .collect();
        json!({"values": values})
    }

    fn to(openings: &Openings) -> Vec<&str> {
        let mut to: Vec<&str> = openings.iter().map(|one| one.to.as_str()).collect();
        to.dedup();
        to
    }

    #[test]
    fn a_tag_stands_by_the_name_of_the_file_where_it_is_known_and_by_its_ipv4_prefixes_elsewhere() {
        let document = document(&["Storage.EastUS2"]);
        let in_group = openings(&document, Writer::SecurityGroup).unwrap();
        assert!(to(&in_group).contains(&"AZUREMONITOR") && to(&in_group).contains(&"20.0.4.0/24"), "{in_group:?}");
        let in_policy = openings(&document, Writer::Firewall).unwrap();
        assert!(in_policy.iter().all(|one| one.to.starts_with("20.0.")), "{in_policy:?}");
        // The rows, and AzureMachineLearning once more over UDP.
        assert_eq!((in_group.len(), in_policy.len()), (OUTBOUND_TAGS.len() + 1, OUTBOUND_TAGS.len() + 1));
        let udp: Vec<String> = in_group.iter().filter(|one| one.protocol == "UDP").map(Opening::describe).collect();
        assert_eq!(udp, ["10.1.0.0/24 to AZUREMACHINELEARNING on UDP 5831"]);
    }

    #[test]
    fn of_openings_the_widest_are_left() {
        let opening = |protocol: &str, to: &str| Opening {
            protocol: protocol.to_owned(),
            ports: BTreeSet::from([443]),
            from: SOURCES.to_owned(),
            to: to.to_owned(),
        };
        let all = [("TCP", "20.0.0.0/24"), ("TCP", "20.0.0.0/25"), ("UDP", "20.0.0.0/25"), ("TCP", "Storage")];
        let all: Openings = all.iter().map(|(protocol, to)| opening(protocol, to)).collect();
        let left: Vec<String> = widest(&all).iter().map(|one| format!("{} {}", one.protocol, one.to)).collect();
        assert_eq!(left, ["TCP 20.0.0.0/24", "TCP Storage", "UDP 20.0.0.0/25"]);
    }
}
