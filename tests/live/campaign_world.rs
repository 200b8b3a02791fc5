//! Random worlds of the seeded campaign: tables, routes of others, networks, weekly documents; and what each table
//! needs, calculated without amlnet.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::campaign::{DEFAULT, own_name};
pub(crate) use crate::dice::Dice;
use crate::harness::{Doc, Sim, central, east, network, route, table_id, west};

/// Prefixes of Azure Machine Learning in a week, by number.
#[derive(Debug, Clone)]
pub(crate) struct Week {
    east: BTreeSet<usize>,
    central: BTreeSet<usize>,
}

/// Numbers of prefixes are below this.
const POOL: usize = 10;

impl Week {
    /// The document that every simulator starts with.
    fn first() -> Self {
        Self { east: (0..4).collect(), central: (0..3).collect() }
    }

    /// A few come, or come back, and a few go.
    fn next(&self, dice: &mut Dice) -> Self {
        let mut week = self.clone();
        for list in [&mut week.east, &mut week.central] {
            for _ in 0..dice.between(0, 2) {
                list.insert(dice.between(0, POOL - 1));
            }
            for _ in 0..dice.between(0, 2) {
                let gone = dice.between(0, POOL - 1);
                if list.len() > 1 {
                    list.remove(&gone);
                }
            }
        }
        week
    }

    pub(crate) fn doc(&self, number: usize) -> Doc {
        let list =
            |numbers: &BTreeSet<usize>, prefix: fn(usize) -> String| numbers.iter().copied().map(prefix).collect();
        Doc::week(number as u64 + 1).lists(list(&self.east, east), list(&self.central, central))
    }

    fn of(&self, region: &str) -> BTreeSet<String> {
        match region {
            "eastus2" => self.east.iter().copied().map(east).collect(),
            "centralus" => self.central.iter().copied().map(central).collect(),
            "westeurope" => (0..2).map(west).collect(),
            _ => BTreeSet::new(),
        }
    }
}

#[derive(Debug)]
struct Network {
    region: &'static str,
    pair: &'static str,
    mode: &'static str,
    removal: (&'static str, &'static str),
    tables: BTreeSet<usize>,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) id: String,
    pub(crate) hop: String,
    default: Option<&'static str>,
    routes: Vec<(String, String, String)>,
}

/// A world and all its weeks.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) tables: Vec<Table>,
    networks: Vec<Network>,
    pub(crate) weeks: Vec<Week>,
}

/// Every prefix that can be needed, and those of ours that never are.
pub(crate) fn pool() -> Vec<String> {
    (0..POOL).map(east).chain((0..POOL).map(central)).chain((0..2).map(west)).collect()
}

pub(crate) fn stale() -> Vec<String> {
    (0..3).map(|n| format!("20.9.0.{}/26", n * 64)).collect()
}

impl Plan {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let count = dice.between(1, 3);
        let networks = networks(dice, count);
        let mut weeks = vec![Week::first()];
        for _ in 1..dice.between(5, 10) {
            weeks.push(weeks.last().unwrap().next(dice));
        }
        let tables = (0..count).map(|n| table(dice, n, &networks)).collect();
        Self { tables, networks, weeks }
    }

    fn contributors(&self, table: usize) -> impl Iterator<Item = &Network> {
        self.networks.iter().filter(move |network| network.tables.contains(&table))
    }

    fn union<'a>(&self, networks: impl Iterator<Item = &'a Network>, week: usize) -> BTreeSet<String> {
        let regions = networks.flat_map(|network| [network.region, network.pair]);
        regions.flat_map(|region| self.weeks[week].of(region)).collect()
    }

    /// What somebody needs in a table.
    pub(crate) fn needed(&self, table: usize, week: usize) -> BTreeSet<String> {
        let default = self.tables[table].default.map(|_| DEFAULT.to_owned());
        self.union(self.contributors(table), week).into_iter().chain(default).collect()
    }

    /// What of that may be written: by prefix, the next hop.
    pub(crate) fn written(&self, table: usize, week: usize) -> BTreeMap<String, String> {
        let writers = self.contributors(table).filter(|network| network.mode != "Observe");
        let hop = &self.tables[table].hop;
        let prefixes = self.union(writers, week).into_iter().map(|prefix| (prefix, hop.clone()));
        let default = self.tables[table].default;
        prefixes.chain(default.map(|at| (DEFAULT.to_owned(), format!("VirtualAppliance {at}")))).collect()
    }

    /// How many routes of ours a table starts with.
    pub(crate) fn owned_at_first(&self, table: usize) -> usize {
        self.tables[table].routes.iter().filter(|(name, ..)| name.starts_with("amlnet.prod.")).count()
    }

    /// Whether all networks of a table let routes be removed at once.
    pub(crate) fn removes(&self, table: usize) -> bool {
        self.contributors(table).all(|network| network.mode == "Sync" && network.removal == ("0s", "Never"))
    }

    pub(crate) fn build(&self) -> Sim {
        let routes = |table: &Table| -> Vec<Value> {
            table.routes.iter().map(|(name, prefix, hop)| route(name, prefix, hop)).collect()
        };
        let tables: Vec<(&str, Vec<Value>)> =
            self.tables.iter().map(|table| (table.id.as_str(), routes(table))).collect();
        let sim = Sim::with_tables(&tables, json!({}));
        sim.objects("feed.yaml", &[crate::harness::feed(&sim.page(), json!({}))]);
        for (n, wish) in self.networks.iter().enumerate() {
            let tables: Vec<Value> = wish.tables.iter().map(|table| self.target(*table)).collect();
            let spec = json!({"region": wish.region, "pairedRegion": wish.pair, "mode": wish.mode,
                "removal": {"holdFor": wish.removal.0, "budget": {"max": 1000, "percent": 100},
                    "approval": wish.removal.1},
                "routes": {"routeTables": tables}});
            let name = format!("n{n}");
            sim.objects(&format!("{name}.yaml"), &[network(json!({"metadata": {"name": name}, "spec": spec}))]);
        }
        sim
    }

    fn target(&self, table: usize) -> Value {
        let Table { id, hop, default, .. } = &self.tables[table];
        let next_hop = match hop.split_once(' ') {
            Some((kind, address)) => json!({"type": kind, "ipAddress": address}),
            None => json!({"type": hop}),
        };
        let default = default.map(|at| json!({"ipAddress": at}));
        json!({"id": id, "nextHop": next_hop, "defaultRoute": default})
    }
}

fn networks(dice: &mut Dice, tables: usize) -> Vec<Network> {
    let count = dice.between(1, 3);
    let mut networks: Vec<Network> = (0..count)
        .map(|_| {
            let (region, pair) = *dice.one(&[
                ("eastus2", "centralus"),
                ("eastus2", "None"),
                ("centralus", "eastus2"),
                ("centralus", "None"),
                ("westeurope", "None"),
            ]);
            let mode = *dice.one(&["Sync", "Sync", "Sync", "Sync", "Sync", "Sync", "UpsertOnly", "Observe"]);
            let calm = [("0s", "Never"); 6];
            let removal = *dice.one(&[&calm[..], &[("0s", "Always"), ("42d", "Never")]].concat());
            let tables = (0..tables).filter(|_| dice.percent(60)).collect();
            Network { region, pair, mode, removal, tables }
        })
        .collect();
    for table in 0..tables {
        if networks.iter().all(|network| !network.tables.contains(&table)) {
            let at = dice.between(0, count - 1);
            networks[at].tables.insert(table);
        }
    }
    networks.retain(|network| !network.tables.is_empty());
    networks
}

/// A table with routes of others, routes of ours that nobody needs, and ours with a wrong next hop.
fn table(dice: &mut Dice, number: usize, networks: &[Network]) -> Table {
    let hop = (*dice.one(&["Internet", "Internet", "VirtualAppliance 10.0.1.7"])).to_owned();
    let watched = networks.iter().any(|network| network.tables.contains(&number) && network.mode == "Observe");
    let default = (!watched && dice.percent(30)).then_some("10.0.1.4");
    let mut routes = vec![
        ("on-premises".to_owned(), "10.20.0.0/16".to_owned(), "VirtualNetworkGateway".to_owned()),
        ("amlnet.other.10.30.0.0_16".to_owned(), "10.30.0.0/16".to_owned(), "Internet".to_owned()),
    ];
    if default.is_none() && dice.percent(50) {
        routes.push(("default".to_owned(), DEFAULT.to_owned(), "VirtualAppliance 10.0.1.4".to_owned()));
    }
    let mut free = pool();
    for kind in ["same", "other", "ours", "ours"] {
        if dice.percent(50) {
            let prefix = free.remove(dice.between(0, free.len() - 1));
            let (name, hop) = match kind {
                "same" => ("theirs-same".to_owned(), hop.clone()),
                "other" => ("theirs-other".to_owned(), "None".to_owned()),
                _ => (own_name(&prefix), (*dice.one(&[hop.as_str(), "VirtualAppliance 10.0.9.9"])).to_owned()),
            };
            routes.push((name, prefix, hop));
        }
    }
    for prefix in stale() {
        if dice.percent(40) {
            routes.push((own_name(&prefix), prefix, "Internet".to_owned()));
        }
    }
    Table { id: table_id(&format!("rt-{number}")), hop, default, routes }
}
