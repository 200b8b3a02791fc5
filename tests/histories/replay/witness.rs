//! What may be written, judged without amlnet's own rules: a record of what was needed, since when it is not and why,
//! and of every approval, against which each write is held.
//!
//! Panics on a write that is not allowed, and where something needed is missing without a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use amlnet::domain::intent::{Approval, Budget, DeletionPolicy, Mode, NextHop, ObjectKey, Removal};
use amlnet::domain::plan::{Action, ObservedEntry, Plan, Step};
use amlnet::domain::service_tags::Cloud;
use jiff::{SignedDuration, Timestamp};

use super::files::Edition;
use super::world::{Ask, Needs, Net};

const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The world as it is at a look.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) nets: &'a BTreeMap<ObjectKey, Net>,
    /// In force, by cloud.
    pub(crate) editions: &'a BTreeMap<Cloud, Arc<Edition>>,
    /// Clouds whose document may lack what the last one had.
    pub(crate) lagging: &'a BTreeSet<Cloud>,
    /// Clouds without any document now.
    pub(crate) down: &'a BTreeSet<Cloud>,
    pub(crate) now: Timestamp,
}

impl Scene<'_> {
    fn unreadable(&self) -> bool {
        self.nets.values().any(|net| net.broken)
    }

    fn on(&self, table: usize) -> impl Iterator<Item = &Net> {
        self.nets.values().filter(move |net| net.tables.contains_key(&table))
    }
}

/// What is on record about one table.
#[derive(Debug, Clone, Default)]
struct Seat {
    /// As it was when the table was last looked at.
    nets: BTreeMap<ObjectKey, Net>,
    needs: BTreeMap<ObjectKey, Needs>,
    /// Since when the document of a Network lacks an address.
    left: BTreeMap<String, BTreeMap<ObjectKey, Timestamp>>,
    /// Entries of ours that nobody is known to have needed, and since when.
    strange: BTreeMap<String, Timestamp>,
    orphaned: BTreeMap<String, BTreeSet<ObjectKey>>,
    deleted: BTreeSet<String>,
    /// Given up by a change of region.
    old_region: BTreeSet<String>,
    /// Given up by any change of a spec.
    released: BTreeSet<String>,
    /// What stood when everything of an ask last did.
    applied: Needs,
    /// Regions that a Network had in full, or began with.
    followed: BTreeMap<ObjectKey, BTreeSet<String>>,
    /// Addresses that nobody needed when they came to be needed: their next hop is whatever the spec says.
    fresh: BTreeSet<String>,
    /// Networks of which something was in effect.
    established: BTreeSet<ObjectKey>,
    lost_at: Option<Timestamp>,
    /// Whether it was ever lost: amlnet may be careful for longer.
    was_lost: bool,
}

/// An approval as a person gave it.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) by: ObjectKey,
    pub(crate) table: usize,
    pub(crate) lines: BTreeSet<String>,
    pub(crate) expires_at: Timestamp,
}

#[derive(Debug, Default)]
pub(crate) struct Witness {
    seats: BTreeMap<usize, Seat>,
    durable: BTreeMap<usize, Seat>,
    pub(crate) given: Vec<Given>,
    /// Removals of any kind but by policy Delete. No crash takes them back.
    removals: BTreeMap<usize, Vec<Timestamp>>,
    /// The next hop that amlnet last wrote for an address.
    wrote: BTreeMap<(usize, String), NextHop>,
}

pub(crate) fn ours(entry: &ObservedEntry) -> bool {
    entry.name.to_ascii_lowercase().starts_with("amlnet.prod.")
}

fn text(entry: &ObservedEntry) -> String {
    entry.address.to_string().to_ascii_lowercase()
}

impl Seat {
    fn wanted(&self) -> BTreeSet<&String> {
        self.needs.values().flat_map(|needs| needs.values().flatten()).collect()
    }

    /// Who needs an address.
    fn needing(&self, address: &str) -> impl Iterator<Item = &Net> {
        let needs = move |key: &ObjectKey| self.needs.get(key).is_some_and(|n| n.values().any(|a| a.contains(address)));
        self.nets.values().filter(move |net| needs(&net.key))
    }

    fn since(&self, address: &str) -> Option<Timestamp> {
        let left = self.left.get(address).and_then(|by| by.values().max().copied());
        left.max(self.strange.get(address).copied())
    }

    fn depart(&mut self, key: &ObjectKey, was_deleted: bool) {
        let (net, needs) = (self.nets.remove(key).unwrap(), self.needs.remove(key).unwrap_or_default());
        self.followed.remove(key);
        self.established.remove(key);
        let deletes =
            was_deleted && net.deletion_policy == DeletionPolicy::Delete && net.mode != Mode::Observe && !net.suspended;
        let mut addresses: BTreeSet<String> = needs.into_values().flatten().collect();
        addresses.extend(self.left.iter().filter(|(_, by)| by.contains_key(key)).map(|(address, _)| address.clone()));
        for address in addresses {
            if deletes {
                if let Some(by) = self.left.get_mut(&address) {
                    by.remove(key);
                }
                if self.nets.is_empty() || !self.released.contains(&address) {
                    self.deleted.insert(address);
                }
            } else {
                self.orphaned.entry(address).or_default().insert(key.clone());
            }
        }
        self.left.retain(|_, by| !by.is_empty());
        if self.nets.is_empty() {
            self.depart_as_last(key, deletes);
        }
    }

    /// Whoever leaves last speaks for what the others gave up, and for what nobody knows.
    fn depart_as_last(&mut self, key: &ObjectKey, deletes: bool) {
        let given_up: Vec<String> = self.released.iter().filter(|a| !self.orphaned.contains_key(*a)).cloned().collect();
        let unknown: Vec<String> = self.strange.keys().chain(self.left.keys()).cloned().collect();
        let owned = if deletes {
            self.deleted.extend(given_up);
            unknown
        } else {
            unknown.into_iter().chain(given_up).collect()
        };
        for address in owned.into_iter().filter(|address| !self.orphaned.contains_key(address)).collect::<Vec<_>>() {
            self.orphaned.insert(address, BTreeSet::from([key.clone()]));
        }
    }

    fn take_in(&mut self, table: usize, net: &Net, scene: Scene<'_>) {
        self.nets.insert(net.key.clone(), net.clone());
        if scene.down.contains(&net.cloud) {
            return;
        }
        let mut needs = net.needs(&net.tables[&table], &scene.editions[&net.cloud]);
        let all: BTreeSet<String> = needs.values().flatten().cloned().collect();
        let Some(old) = self.needs.get(&net.key).cloned() else {
            let regions = net.regions().into_iter().collect();
            self.followed.insert(net.key.clone(), regions);
            self.needs.insert(net.key.clone(), needs);
            return;
        };
        let regions = net.regions();
        for (ask, addresses) in old {
            for address in addresses.into_iter().filter(|address| !all.contains(address)) {
                if !needs.contains_key(&ask) {
                    self.released.insert(address.clone());
                    self.deleted.remove(&address);
                    if !ask.1.is_empty() && !regions.contains(&ask.1) {
                        self.old_region.insert(address.clone());
                    }
                    if let Some(by) = self.left.get_mut(&address) {
                        by.remove(&net.key);
                    }
                } else if scene.lagging.contains(&net.cloud) {
                    needs.get_mut(&ask).unwrap().insert(address);
                } else {
                    self.left.entry(address).or_default().entry(net.key.clone()).or_insert(scene.now);
                }
            }
        }
        let followed = self.followed.entry(net.key.clone()).or_default();
        followed.retain(|region| regions.contains(region));
        if !self.established.contains(&net.key) && self.lost_at.is_none() {
            followed.extend(regions);
        }
        self.needs.insert(net.key.clone(), needs);
    }

    /// Forgets what is needed again and what no longer stands.
    fn tidy(&mut self, standing: &BTreeSet<String>) {
        let wanted: BTreeSet<String> = self.wanted().into_iter().cloned().collect();
        let counts = |address: &String| standing.contains(address) && !wanted.contains(address);
        self.left.retain(|address, by| counts(address) && !by.is_empty());
        self.strange.retain(|address, _| counts(address));
        self.orphaned.retain(|address, _| counts(address));
        self.deleted.retain(counts);
        self.old_region.retain(counts);
        self.released.retain(counts);
    }
}

impl Witness {
    /// A table is looked at.
    pub(crate) fn see(&mut self, table: usize, entries: &[ObservedEntry], scene: Scene<'_>) {
        let seat = self.seats.entry(table).or_default();
        // A loss counts from the first look that reached the disk.
        if seat.lost_at == Some(Timestamp::MAX) {
            seat.lost_at = Some(scene.now);
        }
        let is_whole =
            |seat: &Seat| seat.needs.values().flat_map(Needs::keys).all(|ask| seat.applied.contains_key(ask));
        if seat.lost_at.is_some_and(|lost| lost + WEEK <= scene.now) && is_whole(seat) {
            seat.lost_at = None;
        }
        let before: BTreeSet<String> = seat
            .wanted()
            .into_iter()
            .chain(seat.orphaned.keys())
            .chain(seat.left.keys())
            .chain(&seat.released)
            .cloned()
            .collect();
        let gone: Vec<ObjectKey> =
            seat.nets.keys().filter(|key| !scene.on(table).any(|net| net.key == **key)).cloned().collect();
        if !scene.unreadable() {
            for key in gone {
                seat.depart(&key, !scene.nets.contains_key(&key));
            }
        }
        for net in scene.on(table) {
            seat.take_in(table, net, scene);
        }
        let standing: BTreeSet<String> = entries.iter().filter(|entry| ours(entry)).map(text).collect();
        seat.tidy(&standing);
        let wanted: BTreeSet<String> = seat.wanted().into_iter().cloned().collect();
        seat.fresh.retain(|address| wanted.contains(address));
        if seat.lost_at.is_none() {
            seat.fresh.extend(wanted.difference(&before).cloned());
        }
        for address in standing.difference(&wanted) {
            let is_explained = seat.since(address).is_some()
                || seat.orphaned.contains_key(address)
                || seat.deleted.contains(address)
                || seat.released.contains(address);
            if !is_explained {
                seat.strange.insert(address.clone(), scene.now);
            }
        }
    }

    /// A plan was made on what `see` saw.
    pub(crate) fn settle(&mut self, table: usize, entries: &[ObservedEntry], plan: &Plan) {
        let seat = self.seats.get_mut(&table).unwrap();
        if plan.blocked.is_some() {
            return;
        }
        let conflicts = plan.conflicts.iter().map(|conflict| conflict.address.to_string().to_ascii_lowercase());
        let there: BTreeSet<String> = entries.iter().map(text).chain(conflicts).collect();
        let mut wanted = Needs::new();
        for (ask, addresses) in seat.needs.values().flatten() {
            wanted.entry(ask.clone()).or_default().extend(addresses.iter().cloned());
        }
        seat.applied.retain(|ask, _| wanted.contains_key(ask));
        for (key, needs) in &seat.needs {
            let followed = seat.followed.entry(key.clone()).or_default();
            for region in seat.nets[key].regions() {
                let mut of_region = needs.iter().filter(|(ask, _)| ask.1 == region).peekable();
                if of_region.peek().is_some() && of_region.all(|(_, addresses)| addresses.is_subset(&there)) {
                    followed.insert(region);
                }
            }
        }
        let whole = wanted.into_iter().filter(|(_, addresses)| addresses.is_subset(&there));
        seat.applied.extend(whole);
        let in_effect = seat.needs.iter().filter(|(_, needs)| needs.keys().any(|ask| seat.applied.contains_key(ask)));
        seat.established.extend(in_effect.map(|(key, _)| key.clone()));
    }

    /// What is remembered of the table has reached the disk.
    pub(crate) fn saved(&mut self, table: usize) {
        self.durable.insert(table, self.seats[&table].clone());
    }

    /// The process died: it knows what had reached the disk.
    pub(crate) fn crashed(&mut self) {
        self.seats = self.durable.clone();
    }

    /// The disk is gone.
    pub(crate) fn lost(&mut self) {
        for seat in self.seats.values_mut() {
            *seat = Seat { lost_at: Some(Timestamp::MAX), was_lost: true, ..Seat::default() };
        }
        self.durable = self.seats.clone();
    }

    /// A write is about to be sent, to a table that holds `entries`.
    pub(crate) fn judge(&self, table: usize, entries: &[ObservedEntry], plan: &Plan, step: &Step, scene: Scene<'_>) {
        let why = match step.action {
            Action::Remove => self.judge_removal(table, plan, step, scene),
            Action::Add => self.judge_addition(table, entries, step, scene),
            Action::Change => self.judge_change(table, entries, step, scene),
        };
        if let Err(why) = why {
            let seat = &self.seats[&table];
            let nets: Vec<String> = seat.nets.values().map(|net| format!("{net:?}")).collect();
            panic!("at {} rt-{table}: {}\nmust not be: {why}\n{}", scene.now, step.line(), nets.join("\n"));
        }
    }

    /// After a write: `removals` and next hops as amlnet left them.
    pub(crate) fn wrote(&mut self, table: usize, step: &Step, now: Timestamp) {
        let address = step.address.to_string().to_ascii_lowercase();
        match &step.next_hop {
            Some(hop) => {
                self.seats.get_mut(&table).unwrap().fresh.remove(&address);
                self.wrote.insert((table, address), hop.clone());
            }
            None => {
                if !self.is_deletion(table, &address) {
                    self.removals.entry(table).or_default().push(now);
                }
                self.wrote.remove(&(table, address));
            }
        }
    }

    fn is_deletion(&self, table: usize, address: &str) -> bool {
        let seat = &self.seats[&table];
        seat.deleted.contains(address) && !seat.orphaned.contains_key(address) && seat.since(address).is_none()
    }

    /// Whether a person allowed this step: one in each namespace that has a say.
    fn approved(&self, table: usize, step: &Step, scene: Scene<'_>) -> bool {
        let (seat, line) = (&self.seats[&table], step.line());
        let owners = seat.orphaned.values().flatten();
        let mut namespaces: BTreeSet<&str> = scene.on(table).map(|net| net.key.namespace.as_str()).collect();
        let may: BTreeSet<&ObjectKey> = scene.on(table).map(|net| &net.key).chain(owners).collect();
        if let Some(by) = seat.orphaned.get(&step.address.to_string().to_ascii_lowercase()) {
            namespaces.extend(by.iter().map(|key| key.namespace.as_str()));
        }
        let valid = |given: &&Given| {
            given.table == table
                && given.lines.contains(&line)
                && given.expires_at > scene.now
                && may.contains(&given.by)
        };
        let given: BTreeSet<&str> = self.given.iter().filter(valid).map(|given| given.by.namespace.as_str()).collect();
        // Where only what was left behind stands, whoever left it may speak for all of it.
        if namespaces.is_empty() { !given.is_empty() } else { namespaces.is_subset(&given) }
    }

    fn judge_removal(&self, table: usize, plan: &Plan, step: &Step, scene: Scene<'_>) -> Result<(), String> {
        let seat = &self.seats[&table];
        let address = step.address.to_string().to_ascii_lowercase();
        if let Some(net) = seat.needing(&address).next() {
            return Err(format!("{} needs it", net.key));
        }
        let clouds: BTreeSet<Cloud> = scene.on(table).map(|net| net.cloud).collect();
        if scene.unreadable() || clouds.iter().any(|c| scene.down.contains(c) || scene.lagging.contains(c)) {
            return Err("somebody unknown may need it".to_owned());
        }
        let owners: BTreeSet<&ObjectKey> = seat.orphaned.values().flatten().collect();
        let owners = owners.into_iter().filter_map(|key| scene.nets.get(key));
        let voices: Vec<&Net> = scene.on(table).chain(owners).collect();
        if let Some(net) = voices.iter().find(|net| net.mode != Mode::Sync || net.suspended) {
            return Err(format!("{} does not let anything be removed", net.key));
        }
        if self.is_deletion(table, &address) {
            return Ok(());
        }
        let strictest = strictest(&voices);
        let hold = SignedDuration::from_secs(i64::try_from(strictest.hold_seconds).unwrap());
        if let Some(since) = seat.since(&address).filter(|since| *since + hold > scene.now) {
            return Err(format!("it left at {since}, and is held for {} s", strictest.hold_seconds));
        }
        let may_pass_the_budget = strictest.approval == Approval::OverBudget && self.approved(table, step, scene);
        if seat.lost_at.is_some_and(|lost| lost + WEEK > scene.now) && !may_pass_the_budget {
            return Err("the memory is younger than a week".to_owned());
        }
        let recent = self.removals.get(&table).into_iter().flatten().filter(|at| **at + WEEK > scene.now).count();
        let Budget { max, percent } = strictest.budget;
        let share = (plan.owned_now + recent) * percent as usize / 100;
        let is_over = recent >= share.min(max as usize).max(1);
        if is_over && strictest.approval != Approval::OverBudget {
            return Err(format!("{recent} were removed in 7 days, of {} entries", plan.owned_now));
        }
        let needs_person = strictest.approval == Approval::Always
            || is_over
            || seat.orphaned.contains_key(&address)
            || (seat.old_region.contains(&address) && seat.since(&address).is_none());
        if needs_person && !self.approved(table, step, scene) {
            return Err("nobody approved it".to_owned());
        }
        Ok(())
    }

    fn judge_addition(
        &self,
        table: usize,
        entries: &[ObservedEntry],
        step: &Step,
        scene: Scene<'_>,
    ) -> Result<(), String> {
        let seat = &self.seats[&table];
        let address = step.address.to_string().to_ascii_lowercase();
        self.judge_hop(table, &address, step, scene)?;
        if entries.iter().any(|entry| text(entry) == address) {
            return Err("there is a route for it".to_owned());
        }
        if step.is_default_route() {
            let without = seat
                .wanted()
                .into_iter()
                .find(|wanted| **wanted != address && !entries.iter().any(|entry| text(entry) == **wanted));
            if let Some(without) = without {
                return Err(format!("{without} has no route yet"));
            }
        }
        match self.why_a_person(table, entries, &address, |seat| seat.lost_at.is_some()) {
            Some(why) if !self.approved(table, step, scene) => Err(why),
            _ => Ok(()),
        }
    }

    /// Why an addition needs a person, if it does.
    fn why_a_person(
        &self,
        table: usize,
        entries: &[ObservedEntry],
        address: &str,
        is_lost: impl Fn(&Seat) -> bool,
    ) -> Option<String> {
        let seat = &self.seats[&table];
        let asks = |key: &ObjectKey| {
            let of: Vec<&Ask> =
                seat.needs[key].iter().filter(|(_, a)| a.contains(address)).map(|(ask, _)| ask).collect();
            of
        };
        let is_new_region =
            |net: &Net| asks(&net.key).iter().all(|ask| !ask.1.is_empty() && !seat.followed[&net.key].contains(&ask.1));
        if seat.needing(address).all(is_new_region) {
            return Some("it is for a region that was not followed before".to_owned());
        }
        let standing: BTreeSet<String> = entries.iter().filter(|entry| ours(entry)).map(text).collect();
        let mut grown: BTreeMap<(&str, &str), BTreeSet<&String>> = BTreeMap::new();
        for (ask, addresses) in seat.needs.values().flatten().filter(|(ask, _)| !ask.1.is_empty()) {
            let before = seat.applied.get(ask).or(is_lost(seat).then_some(&standing));
            if let Some(before) = before {
                let place = grown.entry((ask.0.as_str(), ask.1.as_str())).or_default();
                place.extend(addresses.iter().filter(|address| !before.contains(*address)));
            }
        }
        let limits = || seat.nets.values().filter(|net| seat.needs.contains_key(&net.key)).map(|net| net.growth);
        let per_service = limits().map(|growth| growth.per_service).min().unwrap_or_default() as usize;
        let total = limits().map(|growth| growth.total).min().unwrap_or_default() as usize;
        let wanted = address.to_owned();
        if let Some((place, new)) = grown.iter().find(|(_, new)| new.len() > per_service && new.contains(&wanted)) {
            return Some(format!("{place:?} grew by {}, {per_service} are allowed", new.len()));
        }
        let all: BTreeSet<&String> = grown.values().flatten().copied().collect();
        (all.len() > total && all.contains(&wanted)).then(|| format!("{} are new, {total} are allowed", all.len()))
    }

    fn judge_change(
        &self,
        table: usize,
        entries: &[ObservedEntry],
        step: &Step,
        scene: Scene<'_>,
    ) -> Result<(), String> {
        let address = step.address.to_string().to_ascii_lowercase();
        self.judge_hop(table, &address, step, scene)?;
        let entry =
            entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(&step.entry)).filter(|entry| ours(entry));
        let Some(entry) = entry else { return Err("no such entry of ours".to_owned()) };
        if text(entry) != address {
            let needed = self.seats[&table].needing(&text(entry)).next();
            return needed.map_or(Ok(()), |net| Err(format!("{} needs what stands there", net.key)));
        }
        let is_fresh = self.seats[&table].fresh.contains(&address);
        let as_written = !is_fresh && self.wrote.get(&(table, address)) == Some(&entry.next_hop);
        let moves = Some(&entry.next_hop) != step.next_hop.as_ref();
        if moves && as_written && !self.approved(table, step, scene) {
            return Err(format!("nobody approved another next hop than {}", entry.next_hop));
        }
        Ok(())
    }

    /// Everybody who needs the address wants that next hop, and one of them may have it written.
    fn judge_hop(&self, table: usize, address: &str, step: &Step, scene: Scene<'_>) -> Result<(), String> {
        let seat = &self.seats[&table];
        // Whoever names the table no longer, but has not been given up yet, has no say about what is added.
        let names = |net: &&Net| scene.on(table).any(|named| named.key == net.key);
        let needing: Vec<&Net> = seat.needing(address).filter(names).collect();
        if let Some(net) = needing.iter().find(|net| Some(net.wanted_hop(table, address)) != step.next_hop) {
            return Err(format!("{} wants it otherwise", net.key));
        }
        let may = |net: &&Net| net.mode != Mode::Observe && !net.suspended;
        if needing.iter().any(may) { Ok(()) } else { Err("nobody who needs it lets it be written".to_owned()) }
    }

    /// After a run that nothing disturbed: what is needed stands, or there is a reason.
    pub(crate) fn complete(&self, table: usize, entries: &[ObservedEntry], plan: &Plan, scene: Scene<'_>) {
        let seat = &self.seats[&table];
        assert!(plan.steps.is_empty() && plan.blocked.is_none(), "at {} rt-{table}: {plan:?}", scene.now);
        for address in seat.wanted() {
            let names = |net: &&Net| scene.on(table).any(|named| named.key == net.key);
            let needing: Vec<&Net> = seat.needing(address).filter(names).collect();
            let hops: BTreeSet<NextHop> = needing.iter().map(|net| net.wanted_hop(table, address)).collect();
            let is_written = needing.iter().any(|net| net.mode != Mode::Observe && !net.suspended);
            let is_known = needing.iter().all(|net| !scene.down.contains(&net.cloud));
            let is_carried = !needing.iter().any(|net| {
                net.needs(&net.tables[&table], &scene.editions[&net.cloud]).values().any(|all| all.contains(address))
            });
            let stands = entries.iter().any(|entry| text(entry) == *address);
            let is_refused =
                plan.conflicts.iter().any(|conflict| conflict.address.to_string().eq_ignore_ascii_case(address));
            let waits =
                self.why_a_person(table, entries, address, |seat| seat.was_lost).is_some() || address == "0.0.0.0/0";
            let is_explained = !is_written || !is_known || is_carried || is_refused || hops.len() > 1 || waits;
            let (now, held) = (scene.now, &plan.held);
            assert!(stands || is_explained, "at {now} rt-{table}: {address} is needed and missing, held: {held:?}");
        }
    }
}

fn strictest(voices: &[&Net]) -> Removal {
    let default =
        Removal { hold_seconds: 42 * 86400, budget: Budget { max: 10, percent: 30 }, approval: Approval::Always };
    let mut all = voices.iter().map(|net| net.removal);
    let first = all.next().unwrap_or(default);
    all.fold(first, |a, b| Removal {
        hold_seconds: a.hold_seconds.max(b.hold_seconds),
        budget: Budget { max: a.budget.max.min(b.budget.max), percent: a.budget.percent.min(b.budget.percent) },
        approval: if [a.approval, b.approval].contains(&Approval::Always) {
            Approval::Always
        } else if [a.approval, b.approval].contains(&Approval::OverBudget) {
            Approval::OverBudget
        } else {
            Approval::Never
        },
    })
}
