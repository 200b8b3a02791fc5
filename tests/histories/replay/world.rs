//! Random Networks on random tables, and what people do to their specs.
//!
//! What a Network needs is calculated here from plain data, without amlnet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use amlnet::domain::intent::{
    Addressing, Approval, Budget, DeletionPolicy, Growth, Intent, Mode, NextHop, ObjectKey, Removal, RouteTableIntent,
};
use amlnet::domain::prefix::Family;
use amlnet::domain::resolve::PairedRegion;
use amlnet::domain::resource_id::ResourceId;
use amlnet::domain::service_tags::Cloud;

use super::dice::Dice;
use super::files::{Edition, SERVICES, Shelf};

/// Some documented pairs; the others are never asked for by `auto`.
const PAIRS: [(&str, &str); 5] = [
    ("eastus2", "centralus"),
    ("westeurope", "northeurope"),
    ("northeurope", "westeurope"),
    ("usgovvirginia", "usgovtexas"),
    ("chinaeast2", "chinanorth2"),
];

/// What can be asked for in a cloud at any time: regions, and by region the services that every file has there.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) cloud: Cloud,
    services: BTreeMap<String, Vec<&'static str>>,
    routable: Vec<&'static str>,
}

impl Map {
    pub(crate) fn of(cloud: Cloud, shelf: &Shelf) -> Self {
        let editions: Vec<&Edition> = shelf.of_cloud(cloud).map(|(_, edition)| edition.as_ref()).collect();
        let has_v4 = |tag: &str| {
            let of = |edition: &&Edition| edition.tags.get(tag).is_some_and(|all| all.iter().any(|p| !p.contains(':')));
            editions.iter().all(of)
        };
        let regions: BTreeSet<&str> =
            editions[0].tags.keys().filter_map(|tag| tag.split_once('.')).map(|(_, r)| r).collect();
        let known: BTreeSet<String> =
            amlnet::domain::region::Regions::built_in().names(cloud).map(ToString::to_string).collect();
        let services = regions
            .into_iter()
            .filter(|region| known.contains(*region))
            .filter_map(|region| {
                let of_region: Vec<&'static str> = SERVICES
                    .into_iter()
                    .filter(|service| has_v4(&format!("{}.{region}", service.to_ascii_lowercase())))
                    .collect();
                let has_both = of_region.len() > 1 && of_region[..2] == SERVICES[..2];
                has_both.then(|| (region.to_owned(), of_region))
            })
            .collect();
        let always =
            |service: &&str| editions.iter().all(|edition| edition.routable.contains(&service.to_ascii_lowercase()));
        Self { cloud, services, routable: SERVICES.into_iter().filter(always).collect() }
    }

    fn regions(&self) -> Vec<&str> {
        self.regions_with(&[])
    }

    /// The regions in which every file has all of these.
    pub(crate) fn regions_with(&self, services: &[&'static str]) -> Vec<&str> {
        let all = self.services.iter().filter(|(_, of_region)| services.iter().all(|one| of_region.contains(one)));
        all.map(|(region, _)| region.as_str()).collect()
    }
}

/// What is asked for: service, region and whether IPv6; the region is empty for a tag, the service for a default route.
pub(crate) type Ask = (String, String, bool);
/// Addresses in lower case, by what asks for them.
pub(crate) type Needs = BTreeMap<Ask, BTreeSet<String>>;

/// A route table in a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) hop: NextHop,
    pub(crate) by_tag: bool,
    pub(crate) default: Option<IpAddr>,
}

/// A Network as people wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Net {
    pub(crate) key: ObjectKey,
    pub(crate) cloud: Cloud,
    pub(crate) region: String,
    pub(crate) pair: PairedRegion,
    pub(crate) services: BTreeSet<&'static str>,
    pub(crate) v6: bool,
    pub(crate) tables: BTreeMap<usize, Table>,
    pub(crate) mode: Mode,
    pub(crate) suspended: bool,
    pub(crate) deletion_policy: DeletionPolicy,
    pub(crate) removal: Removal,
    pub(crate) growth: Growth,
    pub(crate) generation: i64,
    /// Its newest text cannot be read; this is the last good one.
    pub(crate) broken: bool,
}

pub(crate) fn table_id(number: usize) -> ResourceId {
    let text = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network";
    format!("{text}/routeTables/rt-{number}").parse().unwrap()
}

fn hop(dice: &mut Dice) -> NextHop {
    dice.one(&[NextHop::Internet, NextHop::Internet, appliance(4), appliance(5)]).clone()
}

fn appliance(last: u8) -> NextHop {
    NextHop::VirtualAppliance(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)))
}

fn removal(dice: &mut Dice) -> Removal {
    let days = *dice.one(&[0, 3, 42, 42, 42, 90]);
    Removal {
        hold_seconds: days * 86400,
        budget: Budget { max: *dice.one(&[10, 10, 5, 40]), percent: *dice.one(&[30, 30, 10, 100]) },
        approval: *dice.one(&[Approval::Always, Approval::OverBudget, Approval::Never, Approval::Never]),
    }
}

fn growth(dice: &mut Dice) -> Growth {
    *dice.one(&[
        Growth { per_service: 40, total: 100 },
        Growth { per_service: 40, total: 100 },
        Growth { per_service: 4, total: 100 },
        Growth { per_service: 40, total: 6 },
    ])
}

fn table(dice: &mut Dice, can_be_tag: bool) -> Table {
    let default = dice.percent(30).then(|| IpAddr::V4(Ipv4Addr::new(10, 0, 0, 4)));
    Table { hop: hop(dice), by_tag: can_be_tag && dice.percent(15), default }
}

impl Net {
    /// A Network on some of `tables`, which are all of the cloud of `map`. `neighbours` are the other Networks.
    pub(crate) fn new(number: usize, map: &Map, tables: &[usize], neighbours: &[Net], dice: &mut Dice) -> Self {
        let regions = map.regions();
        let region = (*dice.one(&regions)).to_owned();
        let namespace = (*dice.one(&["team-a", "team-a", "team-b"])).to_owned();
        let mut net = Self {
            key: ObjectKey { namespace, name: format!("net-{number}") },
            cloud: map.cloud,
            pair: PairedRegion::None,
            services: BTreeSet::new(),
            region,
            v6: dice.percent(30),
            tables: BTreeMap::new(),
            mode: *dice.one(&[Mode::Sync, Mode::Sync, Mode::Sync, Mode::UpsertOnly, Mode::Observe]),
            suspended: false,
            deletion_policy: *dice.one(&[DeletionPolicy::Retain, DeletionPolicy::Delete]),
            removal: removal(dice),
            growth: growth(dice),
            generation: 1,
            broken: false,
        };
        // Neighbours that follow the same region share entries.
        if let Some(neighbour) = neighbours.iter().find(|net| net.cloud == map.cloud).filter(|_| dice.percent(40)) {
            net.region = neighbour.region.clone();
        }
        net.choose_pair(map, dice);
        net.choose_services(map, dice);
        let first = *dice.one(tables);
        let by_tag_is_possible = net.services.iter().all(|service| map.routable.contains(service));
        for number in tables.iter().filter(|number| **number == first || dice.percent(25)).collect::<Vec<_>>() {
            let mut table = table(dice, by_tag_is_possible);
            if let Some(shared) = neighbours.iter().find_map(|net| net.tables.get(number)) {
                // Mostly people agree.
                if dice.percent(85) {
                    (table.hop, table.default) = (shared.hop.clone(), shared.default);
                }
            }
            net.tables.insert(*number, table);
        }
        net
    }

    fn choose_pair(&mut self, map: &Map, dice: &mut Dice) {
        let auto = PAIRS.iter().find(|(region, pair)| *region == self.region && map.services.contains_key(*pair));
        self.pair = match dice.between(0, 2) {
            0 if auto.is_some() => PairedRegion::Auto,
            0 | 1 => PairedRegion::None,
            _ => PairedRegion::Named((*dice.one(&map.regions())).to_owned()),
        };
        if self.pair == PairedRegion::Named(self.region.clone()) {
            self.pair = PairedRegion::None;
        }
    }

    fn choose_services(&mut self, map: &Map, dice: &mut Dice) {
        let of = |region: &String| map.services[region].iter().copied().collect::<BTreeSet<_>>();
        let offered = self.regions().iter().map(of).reduce(|a, b| &a & &b).unwrap_or_default();
        let mut services: BTreeSet<&'static str> =
            offered.iter().copied().filter(|s| SERVICES[..2].contains(s) || dice.percent(20)).collect();
        if dice.percent(20) {
            services.remove("BatchNodeManagement");
        }
        if self.tables.values().any(|table| table.by_tag) {
            services.retain(|service| map.routable.contains(service));
        }
        self.services = services;
    }

    /// Primary first.
    pub(crate) fn regions(&self) -> Vec<String> {
        let pair = match &self.pair {
            PairedRegion::None => None,
            PairedRegion::Named(region) => Some(region.clone()),
            PairedRegion::Auto => PAIRS.iter().find(|(of, _)| *of == self.region).map(|(_, pair)| (*pair).to_owned()),
        };
        std::iter::once(self.region.clone()).chain(pair).collect()
    }

    /// What it needs in a table, by a document.
    pub(crate) fn needs(&self, table: &Table, edition: &Edition) -> Needs {
        let mut needs = Needs::new();
        for service in self.services.iter().map(|service| service.to_ascii_lowercase()) {
            if table.by_tag {
                needs.insert((service.clone(), String::new(), false), BTreeSet::from([service]));
                continue;
            }
            for region in self.regions() {
                let all = &edition.tags[&format!("{service}.{region}")];
                for v6 in [false, true].into_iter().filter(|v6| !v6 || self.v6) {
                    let of_family = all.iter().filter(|prefix| prefix.contains(':') == v6).cloned().collect();
                    needs.insert((service.clone(), region.clone(), v6), of_family);
                }
            }
        }
        if table.default.is_some() {
            needs.insert((String::new(), String::new(), false), BTreeSet::from(["0.0.0.0/0".to_owned()]));
        }
        needs
    }

    /// The next hop it wants for an address of that table.
    pub(crate) fn wanted_hop(&self, table: usize, address: &str) -> NextHop {
        let table = &self.tables[&table];
        match table.default {
            Some(firewall) if address == "0.0.0.0/0" => NextHop::VirtualAppliance(firewall),
            _ => table.hop.clone(),
        }
    }

    pub(crate) fn intent(&self) -> Intent {
        let tables = self.tables.iter().map(|(number, table)| RouteTableIntent {
            id: table_id(*number),
            next_hop: table.hop.clone(),
            addressing: if table.by_tag { Addressing::ServiceTag } else { Addressing::Prefixes },
            default_route: table.default,
        });
        Intent {
            security_groups: Vec::new(),
            feed: self.cloud.name().to_owned(),
            region: self.region.clone(),
            paired_region: self.pair.clone(),
            mode: self.mode,
            suspended: self.suspended,
            deletion_policy: self.deletion_policy,
            families: if self.v6 { BTreeSet::from([Family::V4, Family::V6]) } else { BTreeSet::from([Family::V4]) },
            removal: self.removal,
            growth: self.growth,
            services: self.services.iter().map(ToString::to_string).collect(),
            route_tables: tables.collect(),
            outbound: None,
        }
    }

    /// Somebody edits it.
    pub(crate) fn edit(&mut self, map: &Map, tables: &[usize], dice: &mut Dice) {
        self.generation += 1;
        let numbers: Vec<usize> = self.tables.keys().copied().collect();
        match dice.between(0, 9) {
            0 => self.mode = *dice.one(&[Mode::Sync, Mode::Sync, Mode::UpsertOnly, Mode::Observe]),
            1 => self.suspended = !self.suspended,
            2 => self.removal = removal(dice),
            3 => self.growth = growth(dice),
            4 => {
                self.region = (*dice.one(&map.regions())).to_owned();
                self.choose_pair(map, dice);
                self.choose_services(map, dice);
            }
            5 => {
                self.choose_pair(map, dice);
                self.choose_services(map, dice);
            }
            6 => self.choose_services(map, dice),
            7 => self.tables.get_mut(dice.one(&numbers)).unwrap().hop = hop(dice),
            8 if numbers.len() > 1 => {
                self.tables.remove(dice.one(&numbers));
            }
            8 => {
                let by_tag_is_possible = self.services.iter().all(|service| map.routable.contains(service));
                let number = *dice.one(tables);
                self.tables.entry(number).or_insert_with(|| table(dice, by_tag_is_possible));
            }
            _ => {
                let policy = self.deletion_policy;
                self.deletion_policy = match policy {
                    DeletionPolicy::Retain => DeletionPolicy::Delete,
                    DeletionPolicy::Delete => DeletionPolicy::Retain,
                };
            }
        }
    }
}
