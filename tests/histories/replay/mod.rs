//! One history: all real files in order of date, Networks and tables that people change, faults, approvals, crashes.
//!
//! amlnet's part is its own: `index`, `decide` and what they remember. Azure's part, and the order in which steps are
//! carried out, are played here; the tests with the real binary prove that it keeps that order.

#[path = "../../shared/dice.rs"]
pub(crate) mod dice;
pub(crate) mod files;
mod people;
pub(crate) mod witness;
pub(crate) mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use amlnet::api::read::Network;
use amlnet::domain::accept::{InForce, Verdict, judge};
use amlnet::domain::approval::Approval;
use amlnet::domain::decision::{Basis, decide};
use amlnet::domain::intent::{Mode, ObjectKey};
use amlnet::domain::memory::TargetMemory;
use amlnet::domain::plan::{Action, HeldReason, Limits, Observed, ObservedEntry, Plan, Step, TargetInput};
use amlnet::domain::region::Regions;
use amlnet::domain::requirement::Tables;
use amlnet::domain::scope::Scopes;
use amlnet::domain::service_tags::Cloud;
use amlnet::reconcile::index::{Absent, Documents, Memories, Setting, index};
use amlnet::store::{Held, Undecodable, World};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use self::dice::Dice;
use self::files::{Edition, Shelf};
use self::witness::{Scene, Witness, ours};
use self::world::{Map, Net, table_id};

const LIMITS: Limits = Limits { entries: 1000, tag_entries: 25, addresses: 0 };
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What all histories share.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) shelf: Shelf,
    pub(crate) regions: Arc<Regions>,
    pub(crate) requirements: Tables,
    maps: Vec<Map>,
}

impl Stage {
    /// `Err` says why there are no files.
    pub(crate) fn open() -> Result<Self, String> {
        let shelf = Shelf::open()?;
        let maps = Cloud::ALL.iter().map(|cloud| Map::of(*cloud, &shelf)).collect();
        let (regions, requirements) = (Arc::new(Regions::built_in()), Tables::BuiltIn);
        Ok(Self { shelf, regions, requirements, maps })
    }
}

#[allow(dead_code, reason = "for histories of rules; `make bench` plays those of routes alone")]
impl Stage {
    /// The regions in which every file has IPv4 prefixes of all these services.
    pub(crate) fn regions_with(&self, cloud: Cloud, services: &[&'static str]) -> Vec<&str> {
        self.maps.iter().find(|map| map.cloud == cloud).unwrap().regions_with(services)
    }
}

/// How often something happened: a history in which nothing happens proves nothing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally(pub(crate) BTreeMap<&'static str, usize>);

impl Tally {
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }
}

struct Crashed;

struct History<'a> {
    stage: &'a Stage,
    dice: Dice,
    now: Timestamp,
    nets: BTreeMap<ObjectKey, Net>,
    born: usize,
    /// The cloud of each table.
    clouds: BTreeMap<usize, Cloud>,
    entries: BTreeMap<usize, Vec<ObservedEntry>>,
    in_force: BTreeMap<Cloud, Arc<Edition>>,
    lagging: BTreeSet<Cloud>,
    down: BTreeSet<Cloud>,
    /// As the process has it, and as it stands on the disk.
    live: Memories,
    durable: BTreeMap<usize, String>,
    lost_at: Option<Timestamp>,
    approvals: Vec<Approval>,
    plans: BTreeMap<usize, Plan>,
    witness: Witness,
    tally: Tally,
}

/// Plays one history to its end. Panics where something happens that must not.
pub(crate) fn play(stage: &Stage, seed: u64) -> Tally {
    let mut history = History::new(stage, seed);
    let editions = &stage.shelf.editions;
    for (number, edition) in editions.iter().enumerate() {
        let start = noon(edition.date).max(history.now);
        let end = editions.get(number + 1).map_or(start + DAY * 60, |next| noon(next.date).max(start + DAY));
        history.now = start;
        history.offer(edition);
        history.season(number, end);
    }
    history.converge();
    history.tally
}

pub(crate) fn noon(date: Date) -> Timestamp {
    date.at(12, 0, 0, 0).in_tz("UTC").unwrap().timestamp()
}

impl<'a> History<'a> {
    fn new(stage: &'a Stage, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let count = dice.between(1, 2);
        let clouds: BTreeMap<usize, Cloud> = (1..=count)
            .map(|table| (table, *dice.one(&[Cloud::Public, Cloud::Public, Cloud::AzureGovernment, Cloud::China])))
            .collect();
        let mut history = Self {
            stage,
            dice,
            now: noon(stage.shelf.editions[0].date),
            nets: BTreeMap::new(),
            born: 0,
            entries: clouds.keys().map(|table| (*table, Vec::new())).collect(),
            clouds,
            in_force: BTreeMap::new(),
            lagging: BTreeSet::new(),
            down: BTreeSet::new(),
            live: Memories::new(),
            durable: BTreeMap::new(),
            lost_at: None,
            approvals: Vec::new(),
            plans: BTreeMap::new(),
            witness: Witness::default(),
            tally: Tally::default(),
        };
        // Every cloud has a document from the beginning; the first of each is its oldest.
        for cloud in Cloud::ALL {
            let (_, first) = stage.shelf.of_cloud(cloud).next().unwrap();
            history.in_force.insert(cloud, Arc::clone(first));
        }
        for table in history.entries.keys().copied().collect::<Vec<_>>() {
            history.person_at(table);
        }
        for _ in 0..history.dice.between(1, 3) {
            history.birth();
        }
        history
    }

    fn map(&self, cloud: Cloud) -> &'a Map {
        self.stage.maps.iter().find(|map| map.cloud == cloud).unwrap()
    }

    fn tables_of(&self, cloud: Cloud) -> Vec<usize> {
        self.clouds.iter().filter(|(_, of)| **of == cloud).map(|(table, _)| *table).collect()
    }

    fn birth(&mut self) {
        let tables: Vec<usize> = self.clouds.keys().copied().collect();
        let cloud = self.clouds[self.dice.one(&tables)];
        self.born += 1;
        let neighbours: Vec<Net> = self.nets.values().cloned().collect();
        let net = Net::new(self.born, self.map(cloud), &self.tables_of(cloud), &neighbours, &mut self.dice);
        self.nets.insert(net.key.clone(), net);
    }

    /// A document is found.
    fn offer(&mut self, edition: &Arc<Edition>) {
        let cloud = edition.document.cloud;
        let before = &self.in_force[&cloud];
        let in_force = InForce { document: &before.document, file_date: before.date };
        let accepted = match judge(&edition.document, edition.date, cloud, Some(in_force), &self.stage.regions) {
            Verdict::Accepted => true,
            Verdict::Held(_) => {
                self.tally.count("documents held");
                self.dice.percent(40)
            }
            Verdict::Unchanged => false,
            Verdict::Rejected(why) => {
                assert!(before.date > edition.date, "{}: {why}", edition.name);
                false
            }
        };
        if accepted {
            self.in_force.insert(cloud, Arc::clone(edition));
        }
    }

    /// The time until the next file.
    fn season(&mut self, number: usize, end: Timestamp) {
        let looks = self.dice.between(2, 4);
        let days = usize::try_from((end.as_second() - self.now.as_second()) / 86400).unwrap();
        let start = self.now;
        let mut moments: Vec<usize> = (1..looks).map(|_| self.dice.between(0, days.max(1) - 1)).collect();
        moments.sort_unstable();
        for (index, moment) in std::iter::once(0).chain(moments).enumerate() {
            let moment = start + DAY * i32::try_from(moment).unwrap();
            self.now = self.now.max(moment + SignedDuration::from_mins(i64::try_from(index).unwrap() * 10));
            self.happen(number);
            let smooth = self.dice.percent(50);
            let _ = self.look(smooth);
            self.people_approve();
            if self.dice.percent(60) {
                self.now += SignedDuration::from_mins(1);
                let _ = self.look(true);
            }
        }
    }

    fn crash(&mut self) {
        self.tally.count("crashes");
        self.live = self
            .durable
            .iter()
            .map(|(table, text)| (table_id(*table), serde_json::from_str::<TargetMemory>(text).unwrap()))
            .collect();
        self.witness.crashed();
    }

    fn save(&mut self, table: usize) {
        match self.live.get(&table_id(table)) {
            Some(memory) => self.durable.insert(table, serde_json::to_string(memory).unwrap()),
            None => self.durable.remove(&table),
        };
        self.witness.saved(table);
    }

    fn remember(&mut self, table: usize, memory: TargetMemory) {
        if memory.is_over() {
            self.live.remove(&table_id(table));
        } else {
            self.live.insert(table_id(table), memory);
        }
    }

    /// One run over all tables. `smooth`: nothing disturbs it.
    fn look(&mut self, smooth: bool) -> Result<(), Crashed> {
        for (id, input) in self.inputs() {
            let table = self.clouds.keys().copied().find(|table| table_id(*table) == id).unwrap();
            if self.visit(table, &input, smooth).is_err() {
                self.crash();
                return Err(Crashed);
            }
        }
        for table in self.clouds.keys().copied().collect::<Vec<_>>() {
            if self.plans.contains_key(&table) {
                self.save(table);
            }
        }
        Ok(())
    }

    fn inputs(&self) -> BTreeMap<amlnet::domain::resource_id::ResourceId, TargetInput> {
        let held = |net: &Net| {
            let object = Network {
                key: net.key.clone(),
                generation: net.generation,
                reconcile_at: None,
                intent: net.intent(),
                says_edition: true,
            };
            let broken = net.broken.then(|| "it cannot be read".to_owned());
            (net.key.clone(), Held { object, origin: PathBuf::from("network.yaml"), broken })
        };
        let broken = self.nets.values().filter(|net| net.broken).map(|net| Undecodable {
            place: "network.yaml".to_owned(),
            network: Some(net.key.clone()),
            generation: net.generation,
            message: "it cannot be read".to_owned(),
        });
        let world = World {
            networks: self.nets.values().map(held).collect(),
            feeds: BTreeMap::new(),
            undecodable: broken.collect(),
            ..World::default()
        };
        let document = |(cloud, edition): (&Cloud, &Arc<Edition>)| {
            let is_down = self.down.contains(cloud);
            let document = if is_down { Err("it is away".to_owned()) } else { Ok(Arc::clone(&edition.document)) };
            (cloud.name().to_owned(), document)
        };
        let lagging = self.lagging.iter().map(|cloud| (cloud.name().to_owned(), "the source lags".to_owned()));
        let documents = Documents {
            by_feed: self.in_force.iter().map(document).collect(),
            no_removals: lagging.collect(),
            instead: None,
            ..Documents::default()
        };
        let setting = Setting {
            installation: "prod".parse().unwrap(),
            regions: Arc::clone(&self.stage.regions),
            requirements: self.stage.requirements.clone(),
            no_memory: None,
            absent: Absent::Deleted,
            read_only: None,
            scopes: Arc::new(Scopes::any()),
        };
        index(&world, &documents, &self.live, &setting)
    }

    fn decided(&self, table: usize, input: &TargetInput) -> (Plan, TargetMemory) {
        let lost = || self.lost_at.map(|_| TargetMemory::lost());
        let remembered = self.live.get(&input.id).cloned().or_else(lost).unwrap_or_default();
        let basis = Basis { remembered: &remembered, approvals: &self.approvals, now: self.now };
        decide(input, &self.observed(table), LIMITS, &[], basis)
    }

    fn observed(&self, table: usize) -> Observed {
        Observed {
            location: "westeurope".to_owned(),
            entries: self.entries[&table].clone(),
            subnets: 1,
            updating: false,
            whole: None,
            rules: None,
        }
    }

    /// Runs `look` on what the witness sees.
    fn witness<T>(&mut self, look: impl FnOnce(&mut Witness, &[ObservedEntry], Scene<'_>) -> T, table: usize) -> T {
        let scene = Scene {
            nets: &self.nets,
            editions: &self.in_force,
            lagging: &self.lagging,
            down: &self.down,
            now: self.now,
        };
        look(&mut self.witness, &self.entries[&table], scene)
    }

    fn visit(&mut self, table: usize, input: &TargetInput, smooth: bool) -> Result<(), Crashed> {
        let (plan, mut memory) = self.decided(table, input);
        self.witness(|witness, entries, scene| witness.see(table, entries, scene), table);
        self.witness(|witness, entries, _| witness.settle(table, entries, &plan), table);
        self.tally_plan(&plan);
        self.remember(table, memory.clone());
        if !plan.steps.is_empty() {
            self.save(table);
        }
        if plan.blocked.is_some() || plan.steps.is_empty() {
            self.plans.insert(table, plan);
            return Ok(());
        }
        for step in &plan.steps {
            let is_removal = step.action == Action::Remove;
            if step.is_default_route() {
                let (again, _) = self.decided(table, input);
                let needed = |step: &&Step| step.action != Action::Remove && !step.is_default_route();
                if again.steps.iter().any(|step| needed(&step)) {
                    return Ok(());
                }
            }
            if is_removal {
                let entry = self.entries[&table].iter().find(|entry| entry.name.eq_ignore_ascii_case(&step.entry));
                if entry.map(|entry| (entry.address.clone(), entry.next_hop.clone())) != step.before {
                    return Ok(());
                }
                memory.count_removals(&[step], self.now);
                self.remember(table, memory.clone());
                self.save(table);
            }
            let fate = if smooth { 99 } else { self.dice.between(0, 99) };
            match fate {
                0..=1 => return Err(Crashed),
                2..=4 => {
                    if is_removal {
                        memory.uncount_removals(&[step]);
                        self.remember(table, memory.clone());
                    }
                    return Ok(());
                }
                5..=7 => self.person_at(table),
                _ => {}
            }
            self.witness(|witness, entries, scene| witness.judge(table, entries, &plan, step, scene), table);
            if !self.carry_out(table, step, fate == 8) {
                return Ok(());
            }
            memory.wrote(step);
            self.remember(table, memory.clone());
            self.tally.count(match step.action {
                Action::Add => "added",
                Action::Change => "changed",
                Action::Remove => "removed",
            });
            match fate {
                9..=10 => return Err(Crashed),
                // The answer is lost, or what is asked for changed meanwhile.
                8 | 11..=12 => return Ok(()),
                _ => {}
            }
        }
        let (plan, memory) = self.decided(table, input);
        self.witness(|witness, entries, scene| witness.see(table, entries, scene), table);
        self.witness(|witness, entries, _| witness.settle(table, entries, &plan), table);
        self.remember(table, memory);
        // What was done may make more possible: the budget is a share of what stands.
        if smooth && !plan.steps.is_empty() {
            return self.visit(table, input, smooth);
        }
        if smooth {
            self.witness(|witness, entries, scene| witness.complete(table, entries, &plan, scene), table);
        }
        self.plans.insert(table, plan);
        Ok(())
    }

    /// Azure's part; false where it refuses.
    fn carry_out(&mut self, table: usize, step: &Step, fails: bool) -> bool {
        let entries = self.entries.get_mut(&table).unwrap();
        let foreign: Vec<ObservedEntry> = entries.iter().filter(|entry| !ours(entry)).cloned().collect();
        assert!(step.entry.to_ascii_lowercase().starts_with("amlnet.prod."), "{}", step.line());
        let at = entries.iter().position(|entry| entry.name.eq_ignore_ascii_case(&step.entry));
        let Some(next_hop) = step.next_hop.clone() else {
            at.map(|at| entries.remove(at));
            self.witness.wrote(table, step, self.now);
            return true;
        };
        let is_same = |entry: &ObservedEntry| entry.address.folded() == step.address.folded();
        if entries.iter().enumerate().any(|(other, entry)| Some(other) != at && is_same(entry)) {
            return false;
        }
        let entry = ObservedEntry { name: step.entry.clone(), address: step.address.clone(), next_hop, failed: fails };
        match at {
            Some(at) => entries[at] = entry,
            None => entries.push(entry),
        }
        let after: Vec<ObservedEntry> = entries.iter().filter(|entry| !ours(entry)).cloned().collect();
        assert_eq!(foreign, after, "{}", step.line());
        self.witness.wrote(table, step, self.now);
        true
    }

    fn tally_plan(&mut self, plan: &Plan) {
        for held in &plan.held {
            self.tally.count(match (held.reason, held.step.action) {
                (HeldReason::Mode, _) => "held by mode",
                (HeldReason::Growth, _) => "held by growth",
                (HeldReason::Hold, _) => "held by hold",
                (HeldReason::Budget, _) => "held by budget",
                (HeldReason::Approval, Action::Add) => "additions held for approval",
                (HeldReason::Approval, Action::Change) => "next hops held for approval",
                (HeldReason::Approval, Action::Remove) => "removals held for approval",
            });
        }
        if plan.pending.as_ref().is_some_and(|pending| pending.is_approved) {
            self.tally.count("approved");
        }
    }

    /// Everybody agrees, everything is approved, time passes: each table holds what is needed, and nothing else of ours.
    fn converge(&mut self) {
        self.lagging.clear();
        self.down.clear();
        let agreed: BTreeMap<usize, world::Table> = self
            .clouds
            .keys()
            .filter_map(|table| Some((*table, self.nets.values().find_map(|net| net.tables.get(table))?.clone())))
            .collect();
        for net in self.nets.values_mut() {
            (net.mode, net.suspended, net.broken) = (Mode::Sync, false, false);
            for (number, table) in &mut net.tables {
                table.hop = agreed[number].hop.clone();
                table.default = table.default.and(agreed[number].default);
            }
        }
        for week in 0..200 {
            let _ = self.look(true);
            let mut is_done = true;
            for (table, plan) in self.plans.clone() {
                // What strangers put where nobody is left is nobody's to decide.
                let is_nobodys = plan.pending.is_none() && !agreed.contains_key(&table);
                is_done &= plan.steps.is_empty() && (plan.held.is_empty() || is_nobodys);
                // Somebody looks at what amlnet must not decide.
                for conflict in &plan.conflicts {
                    let name = conflict.foreign_entry.clone().unwrap();
                    self.entries.get_mut(&table).unwrap().retain(|entry| entry.name != name);
                    is_done = false;
                }
                if let Some(pending) = plan.pending {
                    for by in &pending.approvers {
                        let lines = pending.steps.keys().cloned().collect();
                        self.approve(table, by, &pending.hash.to_string(), lines, DAY * 7);
                    }
                }
            }
            if is_done {
                break;
            }
            assert!(week < 199, "{:?}", self.plans);
            self.now += if week % 2 == 0 { SignedDuration::from_mins(1) } else { DAY * 7 };
            self.plans.clear();
        }
        for table in self.clouds.keys() {
            let mut needed: BTreeSet<String> = BTreeSet::new();
            for net in self.nets.values().filter(|net| net.tables.contains_key(table)) {
                needed.extend(net.needs(&net.tables[table], &self.in_force[&net.cloud]).into_values().flatten());
            }
            let entries = &self.entries[table];
            let text = |entry: &ObservedEntry| entry.address.to_string().to_ascii_lowercase();
            let all: BTreeSet<String> = entries.iter().map(text).collect();
            let of_ours: BTreeSet<String> = entries.iter().filter(|entry| ours(entry)).map(text).collect();
            if agreed.contains_key(table) {
                assert!(needed.is_subset(&all), "rt-{table}");
                assert!(of_ours.is_subset(&needed), "rt-{table}");
            }
        }
    }
}
