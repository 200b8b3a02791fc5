//! Random Networks that ask for rules, and what people do to their specs.
//!
//! What a Network needs is calculated here from plain data, without amlnet.

use std::collections::{BTreeMap, BTreeSet};

use amlnet::api::read::{Object, read};
use amlnet::domain::intent::{Approval, Budget, DeletionPolicy, Intent, Mode, ObjectKey, Removal};
use serde_json::{Value, json};

use super::azure::Seat;
use crate::replay::dice::Dice;
use crate::replay::files::Edition;

/// Service tags that are asked for, each as a row of its own.
pub(crate) const SERVICES: [&str; 3] = ["AzureMachineLearning", "BatchNodeManagement", "Storage"];
/// The row that the IP group holds.
const OF_THE_GROUP: &str = "BatchNodeManagement";
const SOURCES: [&str; 3] = ["10.1.0.0/24", "10.1.1.0/24", "10.2.0.0/16"];

/// A row in a region.
pub(crate) type Row = (&'static str, String);

/// Addresses of a row, and the tag that may stand for them, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) prefixes: BTreeSet<String>,
    pub(crate) tag: String,
}

pub(crate) type Needs = BTreeMap<Row, Need>;

#[derive(Debug, Clone)]
pub(crate) struct Net {
    pub(crate) key: ObjectKey,
    pub(crate) generation: i64,
    region: String,
    rows: BTreeSet<&'static str>,
    sources: BTreeSet<&'static str>,
    pub(crate) seats: BTreeSet<Seat>,
    pub(crate) mode: Mode,
    pub(crate) suspended: bool,
    pub(crate) deletes: bool,
    pub(crate) removal: Removal,
    /// Its newest text cannot be read; this is the last good one.
    pub(crate) broken: bool,
    intent: Option<Intent>,
}

fn removal(dice: &mut Dice) -> Removal {
    let days = *dice.one(&[0, 3, 42, 42, 90]);
    Removal {
        hold_seconds: days * 86400,
        budget: Budget { max: *dice.one(&[10, 10, 5, 40]), percent: *dice.one(&[30, 30, 10, 100]) },
        approval: *dice.one(&[Approval::Always, Approval::OverBudget, Approval::Never, Approval::Never]),
    }
}

impl Net {
    pub(crate) fn new(number: usize, regions: &[&str], neighbour: Option<&Self>, dice: &mut Dice) -> Self {
        let own = (*dice.one(regions)).to_owned();
        let region = neighbour.filter(|_| dice.percent(60)).map_or(own, |net| net.region.clone());
        let first = *dice.one(&Seat::ALL);
        let mut net = Self {
            key: ObjectKey { namespace: "team".to_owned(), name: format!("net-{number}") },
            generation: 1,
            region,
            rows: BTreeSet::new(),
            sources: BTreeSet::new(),
            seats: Seat::ALL.into_iter().filter(|seat| *seat == first || dice.percent(60)).collect(),
            mode: *dice.one(&[Mode::Sync, Mode::Sync, Mode::Sync, Mode::UpsertOnly, Mode::Observe]),
            suspended: false,
            deletes: dice.percent(50),
            removal: removal(dice),
            broken: false,
            intent: None,
        };
        net.choose_rows(dice);
        net.choose_sources(dice);
        net
    }

    fn choose_rows(&mut self, dice: &mut Dice) {
        self.rows = SERVICES.into_iter().filter(|_| dice.percent(50)).collect();
        self.rows.insert(SERVICES[0]);
        if self.seats.contains(&Seat::Group) {
            self.rows.insert(OF_THE_GROUP);
        }
    }

    fn choose_sources(&mut self, dice: &mut Dice) {
        self.sources = SOURCES.into_iter().filter(|_| dice.percent(40)).collect();
        self.sources.insert(SOURCES[0]);
    }

    pub(crate) fn may_write(&self) -> bool {
        self.mode != Mode::Observe && !self.suspended
    }

    /// The computes' side, as it stands in that place.
    pub(crate) fn sources(&self, seat: Seat) -> BTreeSet<String> {
        if seat == Seat::Group {
            BTreeSet::from([String::new()])
        } else {
            self.sources.iter().map(ToString::to_string).collect()
        }
    }

    /// What it needs in a place, by a document. Firewalls filter IPv4, and it asks for that alone everywhere.
    pub(crate) fn needs(&self, seat: Seat, edition: &Edition) -> Needs {
        let rows = self.rows.iter().filter(|row| seat != Seat::Group || **row == OF_THE_GROUP);
        let need = |row: &&'static str| {
            let tag = format!("{}.{}", row.to_ascii_lowercase(), self.region);
            let prefixes = edition.tags[&tag].iter().filter(|prefix| !prefix.contains(':')).cloned().collect();
            ((*row, self.region.clone()), Need { prefixes, tag })
        };
        rows.map(need).collect()
    }

    pub(crate) fn intent(&mut self, feed: &str) -> Intent {
        if let Some(intent) = &self.intent {
            return intent.clone();
        }
        let ports = json!([{"protocol": "TCP", "port": 443}]);
        let row =
            |row: &&str| json!({"name": format!("own-{row}"), "serviceTag": row, "regional": true, "ports": ports});
        let mut outbound = json!({"edition": "2026-03", "profiles": [], "sourceAddresses": self.sources,
            "additional": self.rows.iter().map(row).collect::<Vec<_>>()});
        let id = |seat: Seat| seat.id().to_string();
        if self.seats.contains(&Seat::Group) {
            outbound["ipGroups"] = json!([{"id": id(Seat::Group), "requirement": format!("own-{OF_THE_GROUP}")}]);
        }
        if self.seats.contains(&Seat::Policy) {
            outbound["firewallPolicies"] =
                json!([{"id": id(Seat::Policy), "priority": 1200, "addressing": "Prefixes"}]);
        }
        let mut spec = json!({"region": self.region, "pairedRegion": "None", "mode": format!("{:?}", self.mode),
            "outbound": outbound});
        if self.seats.contains(&Seat::Security) {
            let range = json!({"from": 2000, "to": 2099});
            spec["networkSecurityGroups"] =
                json!([{"id": id(Seat::Security), "directions": ["Outbound"], "priorityRange": range}]);
        }
        let object: Value = json!({"apiVersion": "amlnet.dev/v1alpha1", "kind": "AmlNetwork",
            "metadata": {"name": self.key.name, "namespace": self.key.namespace}, "spec": spec});
        let Object::Network(network) = read(&object.to_string()).unwrap().remove(0).unwrap() else {
            panic!("{object}")
        };
        let deletion_policy = if self.deletes { DeletionPolicy::Delete } else { DeletionPolicy::Retain };
        let intent = Intent {
            feed: feed.to_owned(),
            suspended: self.suspended,
            deletion_policy,
            removal: self.removal,
            ..network.intent
        };
        self.intent = Some(intent.clone());
        intent
    }

    /// Somebody edits it.
    pub(crate) fn edit(&mut self, dice: &mut Dice) {
        self.generation += 1;
        self.intent = None;
        match dice.between(0, 5) {
            0 => self.mode = *dice.one(&[Mode::Sync, Mode::Sync, Mode::UpsertOnly, Mode::Observe]),
            1 => self.suspended = !self.suspended,
            2 => self.removal = removal(dice),
            3 => self.choose_rows(dice),
            4 => self.choose_sources(dice),
            _ => self.deletes = !self.deletes,
        }
    }

    /// Everything that it may want, at once.
    pub(crate) fn agree(&mut self) {
        self.intent = None;
        (self.mode, self.suspended, self.broken) = (Mode::Sync, false, false);
    }
}
