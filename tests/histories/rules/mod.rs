//! One history of rules: the real files of one cloud in order of date; Networks that ask for an IP group, rules in a
//! firewall policy and in a security group; people, faults, approvals, crashes.
//!
//! amlnet's part is its own: `index`, `decide`, what they remember, and the kinds, which read and write bodies. The order in
//! which steps are carried out is played here; the tests with the real binary prove that it keeps that order.

mod azure;
mod people;
mod witness;
mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use amlnet::api::read::Network;
use amlnet::azure::kind;
use amlnet::domain::accept::{InForce, Verdict, judge};
use amlnet::domain::approval::{Approval, Subject};
use amlnet::domain::decision::{Basis, decide};
use amlnet::domain::intent::{Installation, ObjectKey};
use amlnet::domain::memory::TargetMemory;
use amlnet::domain::plan::{Action, HeldReason, Limits, Observed, Plan, Step, TargetInput};
use amlnet::domain::scope::Scopes;
use amlnet::domain::service_tags::Cloud;
use amlnet::reconcile::index::{Absent, Documents, Memories, Setting, index};
use amlnet::store::{Held, Undecodable, World};
use jiff::{SignedDuration, Timestamp};

use self::azure::{Azure, End, Seat, Sides};
use self::witness::{Given, Scene, Witness};
use self::world::Net;
use crate::replay::dice::Dice;
use crate::replay::files::Edition;
use crate::replay::{Stage, Tally, noon};

const DAY: SignedDuration = SignedDuration::from_hours(24);

struct Crashed;

struct History<'a> {
    stage: &'a Stage,
    dice: Dice,
    now: Timestamp,
    cloud: Cloud,
    regions: Vec<&'a str>,
    installation: Installation,
    nets: BTreeMap<ObjectKey, Net>,
    born: usize,
    azure: Azure,
    in_force: Arc<Edition>,
    lagging: bool,
    down: bool,
    /// As the process has it, and as it stands on the disk.
    live: Memories,
    durable: BTreeMap<Seat, String>,
    was_lost: bool,
    approvals: Vec<Approval>,
    plans: BTreeMap<Seat, Plan>,
    witness: Witness,
    writes: usize,
    tally: Tally,
}

/// Plays one history to its end. Panics where something happens that must not.
pub(crate) fn play(stage: &Stage, seed: u64) -> Tally {
    let mut history = History::new(stage, seed);
    let editions: Vec<(usize, &Arc<Edition>)> = stage.shelf.of_cloud(history.cloud).collect();
    for (index, (number, edition)) in editions.iter().enumerate() {
        let start = noon(edition.date).max(history.now);
        let end = editions.get(index + 1).map_or(start + DAY * 60, |next| noon(next.1.date).max(start + DAY));
        history.now = start;
        history.offer(edition);
        history.season(*number, end);
    }
    history.converge();
    history.tally
}

impl<'a> History<'a> {
    fn new(stage: &'a Stage, seed: u64) -> Self {
        let mut dice = Dice::new(seed.wrapping_add(1_000_000));
        let cloud = *dice.one(&[Cloud::Public, Cloud::Public, Cloud::AzureGovernment, Cloud::China]);
        let (_, first) = stage.shelf.of_cloud(cloud).next().unwrap();
        let mut history = Self {
            stage,
            dice,
            now: noon(first.date),
            cloud,
            regions: stage.regions_with(cloud, &world::SERVICES),
            installation: "prod".parse().unwrap(),
            nets: BTreeMap::new(),
            born: 0,
            azure: Azure::new(),
            in_force: Arc::clone(first),
            lagging: false,
            down: false,
            live: Memories::new(),
            durable: BTreeMap::new(),
            was_lost: false,
            approvals: Vec::new(),
            plans: BTreeMap::new(),
            witness: Witness::default(),
            writes: 0,
            tally: Tally::default(),
        };
        for seat in Seat::ALL {
            history.person_at(seat);
        }
        for _ in 0..history.dice.between(1, 3) {
            history.birth();
        }
        history
    }

    fn birth(&mut self) {
        self.born += 1;
        let neighbour = self.nets.values().next().cloned();
        let net = Net::new(self.born, &self.regions, neighbour.as_ref(), &mut self.dice);
        self.nets.insert(net.key.clone(), net);
    }

    /// A document is found.
    fn offer(&mut self, edition: &Arc<Edition>) {
        let before = &self.in_force;
        let in_force = InForce { document: &before.document, file_date: before.date };
        let verdict = judge(&edition.document, edition.date, self.cloud, Some(in_force), &self.stage.regions);
        let accepted = match verdict {
            Verdict::Accepted => true,
            Verdict::Held(_) => self.dice.percent(40),
            Verdict::Unchanged => false,
            Verdict::Rejected(why) => {
                assert!(before.date > edition.date, "{}: {why}", edition.name);
                false
            }
        };
        if accepted {
            self.in_force = Arc::clone(edition);
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
                // What is done costs nothing again.
                let before = self.writes;
                let _ = self.look(true);
                assert_eq!(self.writes, before, "at {}: something was written twice", self.now);
            }
        }
    }

    fn crash(&mut self) {
        self.tally.count("crashes");
        self.live = self
            .durable
            .iter()
            .map(|(seat, text)| (seat.id(), serde_json::from_str::<TargetMemory>(text).unwrap()))
            .collect();
        self.witness.crashed();
    }

    fn lose_memory(&mut self) {
        self.tally.count("memories lost");
        self.live.clear();
        self.durable.clear();
        self.was_lost = true;
        self.witness.lost();
    }

    fn save(&mut self, seat: Seat) {
        match self.live.get(&seat.id()) {
            Some(memory) => self.durable.insert(seat, serde_json::to_string(memory).unwrap()),
            None => self.durable.remove(&seat),
        };
        self.witness.saved(seat);
    }

    fn remember(&mut self, seat: Seat, memory: TargetMemory) {
        if memory.is_over() {
            self.live.remove(&seat.id());
        } else {
            self.live.insert(seat.id(), memory);
        }
    }

    /// One run over all places. `smooth`: nothing disturbs it.
    fn look(&mut self, smooth: bool) -> Result<(), Crashed> {
        for (id, input) in self.inputs() {
            let seat = Seat::ALL.into_iter().find(|seat| seat.id() == id).unwrap();
            if self.visit(seat, &input, smooth).is_err() {
                self.crash();
                return Err(Crashed);
            }
            self.save(seat);
        }
        Ok(())
    }

    fn inputs(&mut self) -> BTreeMap<amlnet::domain::resource_id::ResourceId, TargetInput> {
        let feed = self.cloud.name();
        let held = |net: &mut Net| {
            let (key, generation, intent) = (net.key.clone(), net.generation, net.intent(feed));
            let object = Network { key: key.clone(), generation, reconcile_at: None, intent, says_edition: true };
            let broken = net.broken.then(|| "it cannot be read".to_owned());
            (key, Held { object, origin: PathBuf::from("network.yaml"), broken })
        };
        let broken = self.nets.values().filter(|net| net.broken).map(|net| Undecodable {
            place: "network.yaml".to_owned(),
            network: Some(net.key.clone()),
            generation: net.generation,
            message: "it cannot be read".to_owned(),
        });
        let undecodable = broken.collect();
        let networks = self.nets.values_mut().map(held).collect();
        let world = World { networks, feeds: BTreeMap::new(), undecodable, ..World::default() };
        let document = if self.down { Err("it is away".to_owned()) } else { Ok(Arc::clone(&self.in_force.document)) };
        let lagging = self.lagging.then(|| (feed.to_owned(), "the source lags".to_owned()));
        let documents = Documents {
            by_feed: BTreeMap::from([(feed.to_owned(), document)]),
            no_removals: lagging.into_iter().collect(),
            instead: None,
            ..Documents::default()
        };
        let setting = Setting {
            installation: self.installation.clone(),
            regions: Arc::clone(&self.stage.regions),
            requirements: self.stage.requirements.clone(),
            no_memory: None,
            absent: Absent::Deleted,
            read_only: None,
            scopes: Arc::new(Scopes::any()),
        };
        index(&world, &documents, &self.live, &setting)
    }

    fn observed(&self, seat: Seat) -> Observed {
        let remembered = self.live.get(&seat.id()).cloned().unwrap_or_default();
        self.azure.observed(seat, &self.installation).with_what_a_failure_took(&remembered, &self.installation)
    }

    fn decided(&self, input: &TargetInput, observed: &Observed) -> (Plan, TargetMemory) {
        let lost = || self.was_lost.then(TargetMemory::lost);
        let remembered = self.live.get(&input.id).cloned().or_else(lost).unwrap_or_default();
        let basis = Basis { remembered: &remembered, approvals: &self.approvals, now: self.now };
        decide(input, observed, Limits::of(input.id.kind), &[], basis)
    }

    /// Runs `look` on what the witness sees.
    fn witness(&mut self, look: impl FnOnce(&mut Witness, &Azure, Scene<'_>)) {
        let (edition, lagging, down, now) = (&*self.in_force, self.lagging, self.down, self.now);
        look(&mut self.witness, &self.azure, Scene { nets: &self.nets, edition, lagging, down, now });
    }

    fn visit(&mut self, seat: Seat, input: &TargetInput, smooth: bool) -> Result<(), Crashed> {
        let observed = self.observed(seat);
        let (plan, mut memory) = self.decided(input, &observed);
        self.witness(|witness, _, scene| witness.see(seat, scene));
        self.tally_plan(&plan);
        self.remember(seat, memory.clone());
        if !plan.steps.is_empty() {
            self.save(seat);
        }
        if let Some(blocked) = &plan.blocked {
            // Nothing but somebody's own rule in our group, or that nobody knows what is needed, may stand in the way.
            let is_strange = seat == Seat::Policy && self.azure.has_stranger();
            assert!(
                is_strange || self.down,
                "at {} {seat:?}: {blocked:?}\n{:?}\n{:?}",
                self.now,
                plan.steps,
                plan.held
            );
            self.tally.count(if is_strange { "strangers in our group" } else { "nothing known" });
        }
        if plan.blocked.is_some() || plan.steps.is_empty() {
            self.plans.insert(seat, plan);
            return Ok(());
        }
        let requests = kind::of(input.id.kind).requests(input, &plan.steps, &observed).expect("a body");
        assert!(!input.id.kind.is_whole() || requests.len() == 1, "one write of a whole body");
        for (number, request) in requests.iter().enumerate() {
            let removals: Vec<&Step> = request.steps.iter().filter(|step| step.action == Action::Remove).collect();
            let fate = if smooth { 99 } else { self.dice.between(0, 99) };
            match fate {
                0..=2 => return Err(Crashed),
                3..=6 => self.person_at(seat),
                _ => {}
            }
            // What somebody did meanwhile would be undone by a whole body; a rule is read again before it loses anything.
            let is_moved = (seat != Seat::Security || !removals.is_empty()) && number == 0;
            if is_moved && self.observed(seat) != observed {
                return Ok(());
            }
            memory.count_removals(&removals, self.now);
            self.remember(seat, memory.clone());
            self.save(seat);
            if (7..=9).contains(&fate) {
                memory.uncount_removals(&removals);
                self.remember(seat, memory);
                return Ok(());
            }
            let end = if (10..=17).contains(&fate) { End::Fails } else { End::Succeeds };
            if !self.carry_out(seat, request, &plan, end) {
                assert!(!smooth, "at {}: Azure refuses {:?}", self.now, request.write);
                memory.uncount_removals(&removals);
                self.remember(seat, memory);
                return Ok(());
            }
            let is_last = |step: &&Step| !requests[number + 1..].iter().any(|later| later.steps.contains(*step));
            for step in request.steps.iter().filter(is_last) {
                memory.wrote(step);
            }
            self.remember(seat, memory.clone());
            match fate {
                18..=20 => return Err(Crashed),
                // The answer is lost, it failed, or what is asked for changed meanwhile.
                10..=17 | 21..=22 => return Ok(()),
                _ => {}
            }
        }
        let (plan, memory) = self.decided(input, &self.observed(seat));
        self.witness(|witness, _, scene| witness.see(seat, scene));
        self.remember(seat, memory);
        // What was done may make more possible: the budget is a share of what stands.
        if smooth && !plan.steps.is_empty() {
            return self.visit(seat, input, smooth);
        }
        if smooth {
            self.witness(|witness, azure, scene| witness.complete(seat, &azure.allowed(seat), &plan, scene));
        }
        self.plans.insert(seat, plan);
        Ok(())
    }

    /// Azure's part; false where it refuses.
    fn carry_out(&mut self, seat: Seat, request: &kind::Request, plan: &Plan, end: End) -> bool {
        let before = self.azure.clone();
        if !self.azure.carry_out(&request.write, end) {
            return false;
        }
        self.writes += 1;
        self.tally.count(match (seat, end) {
            (_, End::Fails) => "failed writes",
            (Seat::Group, _) => "IP groups written",
            (Seat::Policy, _) => "policies written",
            (Seat::Security, _) => "security rules written",
        });
        for other in Seat::ALL {
            assert_eq!(before.others(other), self.azure.others(other), "{:?}", request.write);
            assert!(other == seat || before.allowed(other) == self.azure.allowed(other), "{:?}", request.write);
        }
        let (old, new) = (before.priorities(), self.azure.priorities());
        let moved: Vec<_> = old.iter().filter(|(name, at)| new.get(*name).is_some_and(|new| new != *at)).collect();
        assert!(moved.is_empty(), "priorities shift: {moved:?}");
        let (was, is) = (before.allowed(seat), self.azure.allowed(seat));
        // What Azure itself empties is not amlnet's doing.
        if !(end == End::Fails && seat == Seat::Group) {
            let is_repair = self.observed_failed(seat, &before);
            assert!(was != is || is_repair, "at {}: a write that changes nothing: {:?}", self.now, request.write);
            self.witness(|witness, _, scene| witness.judge(seat, (&was, &is), plan, scene));
            let loses = |(name, old): (&String, &Sides)| is.get(name).is_none_or(|new| !old.far.is_subset(&new.far));
            if was.iter().any(loses) {
                self.tally.count("removed from a rule");
            }
        }
        true
    }

    fn observed_failed(&self, seat: Seat, azure: &Azure) -> bool {
        let observed = azure.observed(seat, &self.installation);
        observed.whole.is_some_and(|whole| whole.failed) || observed.entries.iter().any(|entry| entry.failed)
    }

    fn tally_plan(&mut self, plan: &Plan) {
        for held in &plan.held {
            self.tally.count(match (held.reason, held.step.action) {
                (HeldReason::Mode, _) => "held by mode",
                (HeldReason::Growth, _) => "held by growth",
                (HeldReason::Hold, _) => "held by hold",
                (HeldReason::Budget, _) => "held by budget",
                (HeldReason::Approval, Action::Remove) => "removals held for approval",
                (HeldReason::Approval, _) => "others held for approval",
            });
        }
        if plan.pending.as_ref().is_some_and(|pending| pending.is_approved) {
            self.tally.count("approved");
        }
    }

    fn approve(
        &mut self,
        seat: Seat,
        by: &ObjectKey,
        hash: &str,
        lines: impl Iterator<Item = String>,
        lasts: SignedDuration,
    ) {
        let expires_at = self.now + lasts;
        self.approvals.push(Approval {
            id: format!("approval-{}", self.approvals.len()),
            subject: Subject::Network(by.clone()),
            hash: hash.to_owned(),
            approved_by: None,
            expires_at,
        });
        self.witness.given.push(Given { seat, lines: lines.collect(), expires_at });
    }

    /// Everybody agrees, everything is approved, time passes: each place lets through what is needed, and nothing else.
    fn converge(&mut self) {
        (self.lagging, self.down) = (false, false);
        self.azure.stranger(false);
        self.nets.values_mut().for_each(Net::agree);
        for week in 0..200 {
            self.plans.clear();
            let _ = self.look(true);
            let mut is_done = true;
            for (seat, plan) in self.plans.clone() {
                let is_settled = plan.pending.as_ref().is_none_or(|pending| pending.is_approved);
                let is_nobodys = is_settled && !self.nets.values().any(|net| net.seats.contains(&seat));
                is_done &= plan.steps.is_empty() && (plan.held.is_empty() || is_nobodys);
                for (by, pending) in plan.pending.iter().flat_map(|p| p.approvers.iter().map(move |by| (by, p))) {
                    self.approve(seat, by, &pending.hash.to_string(), pending.steps.keys().cloned(), DAY * 7);
                }
            }
            if is_done {
                break;
            }
            assert!(week < 199, "{:?}", self.plans);
            self.now += if week % 2 == 0 { SignedDuration::from_mins(1) } else { DAY * 7 };
        }
        for seat in Seat::ALL {
            self.witness(|_, azure, scene| Witness::ended(seat, &azure.allowed(seat), scene));
        }
    }
}
