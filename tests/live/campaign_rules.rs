//! A world of rules for the fault campaigns: an IP group, a policy with a firewall and a security group, all asked for by
//! one network; and weeks of random documents with random faults, crashes and people in it, by seed.

use std::collections::BTreeSet;

use armsim::model::log::{LogEntry, Server};
use serde_json::{Value, json};

use crate::campaign::{seeds, side_by_side};
use crate::campaign_random::{on_read, on_write};
use crate::campaign_world::Dice;
use crate::harness::groups::{asked, batch, firewall_id, group_id, marked, policy_id, storage};
use crate::harness::{Doc, Sim, network};

/// How many seeds there are in `make test`.
const SEEDS: u64 = 40;
const SOURCE: &str = "10.1.0.0/24";
/// Numbers of prefixes are below this.
const POOL: usize = 8;
/// Rules of ours in the security group: a row is one each.
const ROWS: usize = 2;

/// Where something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seat {
    Group,
    Policy,
    Security,
}

impl Seat {
    pub(crate) const ALL: [Self; 3] = [Self::Group, Self::Policy, Self::Security];

    /// What stands in the path of every request about what is ours there.
    pub(crate) fn path(self) -> String {
        match self {
            Self::Group => group_id("batch"),
            Self::Policy => format!("{}/ruleCollectionGroups/amlnet-prod", policy_id("p")),
            Self::Security => security_group(),
        }
    }

    /// Its states so far, newest last: who brought each about, and which addresses were let through.
    fn states(self, sim: &Sim) -> Vec<(String, BTreeSet<String>)> {
        let world = sim.world();
        match self {
            Self::Group => {
                let states = world.address_history(&self.path());
                states.into_iter().map(|state| (state.client, state.entries.into_iter().collect())).collect()
            }
            Self::Policy => {
                let states = world.rule_history(&self.path());
                let far = |entries: Vec<armsim::model::rule_collection_group::RuleEntry>| {
                    entries.into_iter().flat_map(|rule| rule.destinations).collect()
                };
                states.into_iter().map(|state| (state.client, far(state.entries))).collect()
            }
            Self::Security => {
                let states = world.security_history(&self.path());
                let far = |entries: Vec<armsim::model::security_rule::SecurityRuleEntry>| {
                    let ours = entries.into_iter().filter(|rule| rule.name.starts_with("amlnet.prod."));
                    ours.flat_map(|rule| rule.destination_addresses).collect()
                };
                states.into_iter().map(|state| (state.client, far(state.entries))).collect()
            }
        }
    }
}

fn security_group() -> String {
    group_id("nsg").replace("ipGroups", "networkSecurityGroups")
}

/// Prefixes in a week, by number.
#[derive(Debug, Clone)]
pub(crate) struct Week {
    batch: BTreeSet<usize>,
    storage: BTreeSet<usize>,
}

impl Week {
    pub(crate) fn new(of_batch: impl Iterator<Item = usize>, of_storage: impl Iterator<Item = usize>) -> Self {
        Self { batch: of_batch.collect(), storage: of_storage.collect() }
    }

    /// A few come, or come back, and a few go.
    fn next(&self, dice: &mut Dice) -> Self {
        let mut week = self.clone();
        for list in [&mut week.batch, &mut week.storage] {
            for _ in 0..dice.between(0, 2) {
                list.insert(dice.between(0, POOL - 1));
                let gone = dice.between(0, POOL - 1);
                if list.len() > 1 {
                    list.remove(&gone);
                }
            }
        }
        week
    }

    pub(crate) fn doc(&self, number: u64) -> Doc {
        let of_batch: Vec<String> = self.batch.iter().copied().map(batch).collect();
        let everywhere = of_batch.iter().cloned().chain(["20.2.250.0/27".to_owned()]);
        Doc::week(number)
            .tag("BatchNodeManagement", "", everywhere.collect::<Vec<_>>())
            .tag("BatchNodeManagement.EastUS2", "eastus2", of_batch)
            .tag("Storage.EastUS2", "eastus2", self.storage.iter().copied().map(storage))
            .numbered(200 + number, &format!("2026{:02}{:02}", 1 + number / 4, 1 + number % 4 * 7))
    }

    /// What is needed in a place.
    pub(crate) fn needs(&self, seat: Seat) -> BTreeSet<String> {
        let of_storage = self.storage.iter().copied().map(storage).filter(|_| seat != Seat::Group);
        self.batch.iter().copied().map(batch).chain(of_storage).collect()
    }
}

fn their_group() -> Value {
    let rule = json!({"ruleType": "NetworkRule", "name": "batch", "sourceAddresses": [SOURCE], "ipProtocols": ["TCP"],
        "destinationIpGroups": [group_id("batch")], "destinationPorts": ["22"]});
    json!({"id": format!("{}/ruleCollectionGroups/theirs", policy_id("p")), "properties": {"priority": 500,
        "ruleCollections": [{"ruleCollectionType": "FirewallPolicyFilterRuleCollection", "name": "c", "priority": 100,
            "action": {"type": "Allow"}, "rules": [rule]}]}})
}

fn rule(name: &str, priority: usize, far: &str) -> Value {
    json!({"name": name, "properties": {"priority": priority, "direction": "Outbound", "access": "Allow",
        "protocol": "Tcp", "sourceAddressPrefix": SOURCE, "sourcePortRange": "*", "destinationAddressPrefix": far,
        "destinationPortRange": "443"}})
}

/// The three places with one stale rule of ours and rules of others, and a network that wants them.
pub(crate) fn rules_world(first: &Week) -> Sim {
    let policy = json!({"id": policy_id("p"), "location": "eastus2"});
    let firewall = json!({"id": firewall_id("fw"), "location": "eastus2",
        "properties": {"firewallPolicy": {"id": policy_id("p")}}});
    let rules =
        [rule("theirs", 2001, "10.9.0.0/16"), rule("amlnet.prod.out.additional.gone.tcp-ip", 2002, "20.9.0.0/26")];
    let security = json!({"id": security_group(), "location": "eastus2", "properties": {"securityRules": rules}});
    let sim = Sim::with_groups(vec![marked("batch", &["20.9.0.0/26"]), policy, their_group(), firewall, security]);
    sim.publish(&first.doc(1));
    let ports = json!([{"protocol": "TCP", "port": 443}]);
    let row = |tag: &str| json!({"name": format!("own-{tag}"), "serviceTag": tag, "regional": true, "ports": ports});
    let outbound = json!({"edition": "2026-03", "profiles": [], "sourceAddresses": [SOURCE],
        "additional": [row("BatchNodeManagement"), row("Storage")],
        "ipGroups": [asked("batch", "own-BatchNodeManagement")],
        "firewallPolicies": [{"id": policy_id("p"), "priority": 1200, "addressing": "Prefixes"}]});
    let group = json!({"id": security_group(), "priorityRange": {"from": 2000, "to": 2099}});
    sim.usual(json!({}));
    let spec = json!({"spec": {"routes": null, "outbound": outbound, "networkSecurityGroups": [group]}});
    sim.objects("ml.yaml", &[network(spec)]);
    sim
}

/// Writes that Azure took, in a place.
pub(crate) fn writes(sim: &Sim, seat: Seat) -> usize {
    let path = seat.path().to_ascii_lowercase();
    let log = sim.log_of(Server::Arm);
    let is_write = |entry: &&LogEntry| entry.method != "GET" && (200..300).contains(&entry.status);
    log.iter().filter(is_write).filter(|entry| entry.url.to_ascii_lowercase().starts_with(&path)).count()
}

pub(crate) fn all_writes(sim: &Sim) -> Vec<usize> {
    Seat::ALL.into_iter().map(|seat| writes(sim, seat)).collect()
}

/// Everything lets through what is needed and nothing else, and what others have is as it was.
#[track_caller]
pub(crate) fn assert_ended(sim: &Sim, week: &Week, of_others: &[&str]) {
    for seat in Seat::ALL {
        let states = seat.states(sim);
        assert_eq!(states.last().map(|state| &state.1), Some(&week.needs(seat)), "{seat:?}");
    }
    for id in [group_id("batch"), policy_id("p"), firewall_id("fw"), security_group()] {
        assert_eq!(sim.resource(&id)["properties"]["provisioningState"], "Succeeded", "{id}");
    }
    let theirs = their_group();
    let standing = sim.resource(theirs["id"].as_str().unwrap());
    let rule = |group: &Value| group["properties"]["ruleCollections"][0]["rules"][0].clone();
    for field in ["name", "sourceAddresses", "destinationIpGroups", "destinationPorts"] {
        assert_eq!(rule(&standing)[field], rule(&theirs)[field], "{field}");
    }
    let rules = sim.resource(&security_group())["properties"]["securityRules"].clone();
    let names = rules.as_array().unwrap().iter().map(|rule| rule["name"].as_str().unwrap());
    let others: BTreeSet<&str> = names.filter(|name| !name.starts_with("amlnet.prod.")).collect();
    assert_eq!(others, of_others.iter().copied().chain(["theirs"]).collect());
}

/// The addresses that are let through now.
pub(crate) fn standing(sim: &Sim, seat: Seat) -> BTreeSet<String> {
    seat.states(sim).pop().map(|state| state.1).unwrap_or_default()
}

struct Campaign {
    weeks: Vec<Week>,
    sim: Sim,
    dice: Dice,
    faults: usize,
    deeds: usize,
    /// Rules that people wrote into the security group.
    of_others: Vec<String>,
    /// By week: how many states each place had when it began.
    began: Vec<Vec<usize>>,
    /// By week: the oldest week whose document may have been in force when it began.
    in_force: Vec<usize>,
}

#[test]
fn campaign_of_random_weeks_of_rules() {
    side_by_side(&seeds(SEEDS), |seed| campaign(*seed));
}

fn campaign(seed: u64) {
    let mut dice = Dice::new(seed.wrapping_add(77_000));
    let mut weeks = vec![Week::new(0..4, 0..3)];
    for _ in 1..dice.between(4, 7) {
        weeks.push(weeks.last().unwrap().next(&mut dice));
    }
    let sim = rules_world(&weeks[0]);
    let (began, in_force, of_others) = (Vec::new(), Vec::new(), Vec::new());
    let mut campaign = Campaign { weeks, sim, dice, faults: 0, deeds: 0, of_others, began, in_force };
    for week in 0..campaign.weeks.len() {
        campaign.week(week);
    }
    campaign.converges();
    campaign.check();
}

impl Campaign {
    fn week(&mut self, week: usize) {
        if week > 0 {
            self.sim.publish(&self.weeks[week].doc(week as u64 + 1));
        }
        // The first document has change number 201.
        let in_force = usize::try_from(self.sim.in_force("public").saturating_sub(201)).unwrap();
        self.in_force.push(in_force.min(week));
        self.began.push(Seat::ALL.into_iter().map(|seat| seat.states(&self.sim).len()).collect());
        self.sim.clear_faults();
        if self.dice.percent(30) {
            self.deed();
        }
        match self.dice.between(0, 9) {
            0..2 => drop(self.sim.once(&[])),
            2..7 => {
                for _ in 0..self.dice.between(1, 2) {
                    self.fault();
                }
                self.sim.once(&[]);
            }
            _ => self.crash(),
        }
    }

    fn fault(&mut self) {
        let seat = *self.dice.one(&Seat::ALL);
        let nth = self.dice.between(1, 2);
        let (matching, effect) = match self.dice.between(0, 9) {
            0..6 => {
                let method = if seat == Seat::Security { *self.dice.one(&["PUT", "PUT", "DELETE"]) } else { "PUT" };
                (json!({"method": method, "pathContains": seat.path(), "nth": nth}), self.on_write(seat))
            }
            6 | 7 => (json!({"method": "GET", "pathContains": seat.path(), "nth": nth}), on_read(&mut self.dice)),
            8 => (json!({"method": "GET", "pathContains": "perations/", "nth": nth}), on_read(&mut self.dice)),
            _ => {
                let path = if seat == Seat::Policy { policy_id("p") } else { firewall_id("fw") };
                (json!({"method": "GET", "pathContains": path, "nth": nth}), on_read(&mut self.dice))
            }
        };
        self.faults += 1;
        self.sim.fault(json!({"match": matching, "effect": effect}));
    }

    fn on_write(&mut self, seat: Seat) -> Value {
        let fails_attached = self.dice.percent(50);
        match seat {
            Seat::Group if self.dice.percent(25) => json!({"ipGroupsUpdateFailed": {"failsAttached": fails_attached}}),
            Seat::Policy if self.dice.percent(25) => {
                json!({"firewallPolicyUpdateFailed": {"failsAttached": fails_attached}})
            }
            _ => on_write(&mut self.dice),
        }
    }

    /// SIGKILL while an answer about a place is awaited, if it comes to that.
    fn crash(&mut self) {
        let (seat, nth) = (*self.dice.one(&Seat::ALL), self.dice.between(1, 6));
        let path = seat.path().to_ascii_lowercase();
        self.faults += 1;
        self.sim.fault(json!({"match": {"pathContains": path, "nth": nth}, "effect": "withhold"}));
        let from = self.sim.log().len();
        let crashing = self.sim.controller(&["--once"]);
        crashing.wait_until("the answer that is withheld, or the end", || {
            let log = self.sim.log();
            let asked = log[from..].iter().filter(|entry| entry.url.to_ascii_lowercase().contains(&path)).count();
            asked >= nth || crashing.log().contains(" to add, ")
        });
        drop(crashing);
    }

    /// What a person does while nothing runs.
    fn deed(&mut self) {
        self.deeds += 1;
        match self.dice.between(0, 3) {
            0 => {
                let path = Seat::Policy.path();
                if !self.sim.resource(&path).is_null() {
                    self.sim.delete(&path);
                }
            }
            1 => {
                let rules = self.sim.resource(&security_group())["properties"]["securityRules"].clone();
                let mut names = rules.as_array().unwrap().iter().map(|rule| rule["name"].as_str().unwrap().to_owned());
                if let Some(name) = names.find(|name| name.starts_with("amlnet.prod.")) {
                    self.sim.delete(&format!("{}/securityRules/{name}", security_group()));
                }
            }
            2 => self.sim.put(marked("batch", &[&batch(0)])),
            _ => {
                let name = format!("mine-{}", self.deeds);
                let mut theirs = rule(&name, 2050 + self.deeds, "10.8.0.0/16");
                theirs["id"] = json!(format!("{}/securityRules/{name}", security_group()));
                self.sim.put(theirs);
                self.of_others.push(name);
            }
        }
    }

    /// Without faults, a few runs do all that is left, and the next one nothing.
    fn converges(&mut self) {
        self.sim.clear_faults();
        for run in 0..=3 {
            let before = all_writes(&self.sim);
            let ran = self.sim.once(&[]);
            if ran.code == 0 && all_writes(&self.sim) == before {
                return;
            }
            assert!(run < 3, "it does not come to rest:\n{}", ran.all());
        }
    }

    fn check(&self) {
        let last = self.weeks.last().unwrap();
        assert_ended(&self.sim, last, &self.of_others.iter().map(String::as_str).collect::<Vec<_>>());
        for (at, seat) in Seat::ALL.into_iter().enumerate() {
            self.check_weeks(at, seat);
            // A document costs one write of a body, or one of each rule; so does whatever a person undoes, and a fault.
            let each = if seat == Seat::Security { ROWS } else { 1 };
            let stale = usize::from(seat == Seat::Security);
            let bound = each * self.weeks.len() + stale + self.deeds + self.faults;
            let writes = writes(&self.sim, seat);
            assert!(writes <= bound, "{seat:?}: {writes} writes, {bound} are allowed");
        }
    }

    /// In no week was anything lost that all documents need which may have been in force then. What Azure lost in an
    /// operation that it let fail, and what people took, was not amlnet's doing.
    fn check_weeks(&self, at: usize, seat: Seat) {
        let states = seat.states(&self.sim);
        for (week, began) in self.began.iter().enumerate() {
            let ends = self.began.get(week + 1).map_or(states.len(), |began| began[at]);
            let mut needed = self.weeks[week].needs(seat);
            for older in self.in_force[week]..week {
                let then = self.weeks[older].needs(seat);
                needed.retain(|prefix| then.contains(prefix));
            }
            for pair in states[began[at].max(1) - 1..ends].windows(2) {
                let ((_, had), (client, has)) = (&pair[0], &pair[1]);
                if client == "control" || (seat == Seat::Group && has.is_empty()) {
                    continue;
                }
                let lost: Vec<_> = had.difference(has).filter(|prefix| needed.contains(*prefix)).collect();
                assert!(lost.is_empty(), "{seat:?}, week {week}: {lost:?} went");
            }
        }
    }
}
