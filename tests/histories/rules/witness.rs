//! What may be written into rules, judged without amlnet's own rules: a record of what was needed and since when it is
//! not, against which the bodies before and after each write are held.
//!
//! Panics on a write that is not allowed, and where something needed is missing without a reason.

use std::collections::{BTreeMap, BTreeSet};

use amlnet::domain::intent::{Approval, Budget, Mode, ObjectKey, Removal};
use amlnet::domain::plan::{Action, HeldReason, Plan};
use ipnet::Ipv4Net;
use jiff::{SignedDuration, Timestamp};

use super::azure::{Allowed, Seat, Sides};
use super::world::{Need, Needs, Net, Row};
use crate::replay::files::Edition;

const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The world as it is at a look.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) nets: &'a BTreeMap<ObjectKey, Net>,
    pub(crate) edition: &'a Edition,
    /// The document may lack what the last one had.
    pub(crate) lagging: bool,
    /// There is no document now.
    pub(crate) down: bool,
    pub(crate) now: Timestamp,
}

impl Scene<'_> {
    fn on(&self, seat: Seat) -> impl Iterator<Item = &Net> {
        self.nets.values().filter(move |net| net.seats.contains(&seat))
    }

    fn unreadable(&self) -> bool {
        self.nets.values().any(|net| net.broken)
    }
}

/// An approval as a person gave it.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) seat: Seat,
    pub(crate) lines: BTreeSet<String>,
    pub(crate) expires_at: Timestamp,
}

/// What is on record about one place.
#[derive(Debug, Clone, Default)]
struct Record {
    /// As they were when the place was last looked at.
    nets: BTreeMap<ObjectKey, Net>,
    needs: BTreeMap<ObjectKey, Needs>,
    /// Since when a document lacks an address that a row had.
    left: BTreeMap<String, BTreeMap<(ObjectKey, Row), Timestamp>>,
    /// Addresses of Networks that were deleted with what is theirs.
    deleted: BTreeSet<String>,
    lost_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(crate) struct Witness {
    records: BTreeMap<Seat, Record>,
    durable: BTreeMap<Seat, Record>,
    pub(crate) given: Vec<Given>,
    /// Removals of any kind but by policy Delete. No crash takes them back.
    removals: BTreeMap<Seat, Vec<Timestamp>>,
}

/// Whether traffic from there to an address is let through, by its prefix, a wider one, or its tag.
fn lets_through(allowed: &Allowed, source: &str, prefix: &str, tag: &str) -> bool {
    let of_source: Vec<&Sides> = allowed.values().filter(|sides| sides.near.contains(source)).collect();
    if of_source.iter().any(|sides| sides.far.contains(prefix) || sides.far.contains(tag)) {
        return true;
    }
    let net: Ipv4Net = prefix.parse().unwrap();
    let wider = (1..net.prefix_len()).map(|length| Ipv4Net::new(net.addr(), length).unwrap().trunc().to_string());
    let wider: Vec<String> = wider.collect();
    of_source.iter().any(|sides| wider.iter().any(|wide| sides.far.contains(wide)))
}

fn holds(need: &Need, address: &str) -> bool {
    need.prefixes.contains(address) || need.tag == address
}

impl Record {
    fn depart(&mut self, key: &ObjectKey) {
        let net = self.nets.remove(key).unwrap();
        let needs = self.needs.remove(key).unwrap_or_default();
        let mut addresses: BTreeSet<String> =
            needs.into_values().flat_map(|need| need.prefixes.into_iter().chain([need.tag])).collect();
        for (address, by) in &mut self.left {
            let count = by.len();
            by.retain(|(of, _), _| of != key);
            if by.len() != count {
                addresses.insert(address.clone());
            }
        }
        if net.deletes && net.may_write() {
            self.deleted.extend(addresses);
        }
    }

    fn take_in(&mut self, seat: Seat, net: &Net, scene: Scene<'_>) {
        self.nets.insert(net.key.clone(), net.clone());
        if scene.down {
            return;
        }
        let mut needs = net.needs(seat, scene.edition);
        let old = self.needs.remove(&net.key).unwrap_or_default();
        for by in self.left.values_mut() {
            by.retain(|(of, row), _| *of != net.key || needs.contains_key(row));
        }
        for (row, need) in &mut needs {
            let Some(old) = old.get(row) else { continue };
            for prefix in &old.prefixes {
                if need.prefixes.contains(prefix) {
                    continue;
                }
                if scene.lagging {
                    need.prefixes.insert(prefix.clone());
                } else {
                    let by = self.left.entry(prefix.clone()).or_default();
                    by.entry((net.key.clone(), row.clone())).or_insert(scene.now);
                }
            }
            for (prefix, by) in &mut self.left {
                if need.prefixes.contains(prefix) {
                    by.remove(&(net.key.clone(), row.clone()));
                }
            }
        }
        self.left.retain(|_, by| !by.is_empty());
        self.deleted.retain(|address| !needs.values().any(|need| holds(need, address)));
        self.needs.insert(net.key.clone(), needs);
    }

    /// Who needs an address, of those that count.
    fn is_needed(&self, address: &str, counts: impl Fn(&Net) -> bool) -> bool {
        let of = |key: &ObjectKey| self.nets.get(key).is_some_and(&counts);
        self.needs.iter().any(|(key, needs)| of(key) && needs.values().any(|need| holds(need, address)))
    }
}

impl Witness {
    /// A place is looked at.
    pub(crate) fn see(&mut self, seat: Seat, scene: Scene<'_>) {
        let record = self.records.entry(seat).or_default();
        // A loss counts from the first look that reached the disk.
        if record.lost_at == Some(Timestamp::MAX) {
            record.lost_at = Some(scene.now);
        }
        if !scene.unreadable() {
            let gone = |key: &&ObjectKey| !scene.nets.contains_key(*key);
            for key in record.nets.keys().filter(gone).cloned().collect::<Vec<_>>() {
                record.depart(&key);
            }
        }
        for net in scene.on(seat) {
            record.take_in(seat, net, scene);
        }
    }

    pub(crate) fn saved(&mut self, seat: Seat) {
        self.durable.insert(seat, self.records.entry(seat).or_default().clone());
    }

    /// The process died: it knows what had reached the disk.
    pub(crate) fn crashed(&mut self) {
        self.records = self.durable.clone();
    }

    /// The disk is gone.
    pub(crate) fn lost(&mut self) {
        let lost = || Record { lost_at: Some(Timestamp::MAX), ..Record::default() };
        self.records = Seat::ALL.into_iter().map(|seat| (seat, lost())).collect();
        self.durable = self.records.clone();
    }

    /// Something was written.
    pub(crate) fn judge(&mut self, seat: Seat, (before, after): (&Allowed, &Allowed), plan: &Plan, scene: Scene<'_>) {
        let record = &self.records[&seat];
        for net in record.nets.values() {
            for need in record.needs.get(&net.key).into_iter().flat_map(Needs::values) {
                for (source, prefix) in net.sources(seat).iter().flat_map(|s| need.prefixes.iter().map(move |p| (s, p)))
                {
                    let had = || lets_through(before, source, prefix, &need.tag);
                    assert!(
                        lets_through(after, source, prefix, &need.tag) || !had(),
                        "at {} {seat:?}: {} needs {prefix} from {source:?}, and it was taken away",
                        scene.now,
                        net.key
                    );
                }
            }
        }
        let none = Sides::default();
        for (name, sides) in after {
            let old = before.get(name).unwrap_or(&none);
            let writes = |net: &Net| net.may_write() && scene.on(seat).any(|on| on.key == net.key);
            for far in sides.far.difference(&old.far) {
                assert!(record.is_needed(far, writes), "at {} {seat:?} {name}: nobody asked for {far}", scene.now);
            }
            let sources: BTreeSet<String> =
                record.nets.values().filter(|net| writes(net)).flat_map(|net| net.sources(seat)).collect();
            for near in sides.near.difference(&old.near) {
                assert!(sources.contains(near), "at {} {seat:?} {name}: nobody is at {near}", scene.now);
            }
            assert!(sides.ports.iter().all(|port| port == "443" || seat == Seat::Group), "{name}: {:?}", sides.ports);
        }
        for (name, old) in before {
            let sides = after.get(name).unwrap_or(&none);
            let mut gone: Vec<(&str, &String)> = old.far.difference(&sides.far).map(|far| ("with", far)).collect();
            if !sides.far.is_empty() {
                gone.extend(old.near.difference(&sides.near).map(|near| ("at", near)));
            }
            for (word, address) in gone {
                // What lies in a wider prefix of the same rule is let through all the same, and Azure takes it once.
                if word == "with" && !sides.near.is_empty() && is_covered(address, sides) {
                    continue;
                }
                if let Err(why) = self.judge_removal(seat, (name, word, address), plan, scene) {
                    panic!(
                        "at {} {seat:?} {name} loses {address}\nmust not be: {why}\nnets: {:#?}",
                        scene.now, self.records[&seat].nets
                    );
                }
            }
        }
    }

    fn judge_removal(
        &mut self,
        seat: Seat,
        (name, word, address): (&str, &str, &str),
        plan: &Plan,
        scene: Scene<'_>,
    ) -> Result<(), String> {
        let record = &self.records[&seat];
        if scene.unreadable() || scene.on(seat).next().is_some() && (scene.down || scene.lagging) {
            return Err("somebody unknown may need it".to_owned());
        }
        let voices: Vec<&Net> = scene.on(seat).collect();
        if let Some(net) = voices.iter().find(|net| net.mode != Mode::Sync || net.suspended) {
            return Err(format!("{} does not let anything be removed", net.key));
        }
        let is_deletion = record.deleted.contains(address) && !record.left.contains_key(address);
        if is_deletion || (word == "at" && !record.deleted.is_empty()) {
            return Ok(());
        }
        let strictest = strictest(&voices);
        let hold = SignedDuration::from_secs(i64::try_from(strictest.hold_seconds).unwrap());
        let since = record.left.get(address).and_then(|by| by.values().max().copied());
        let is_needed_elsewhere = record.is_needed(address, |_| true);
        if let Some(since) = since.filter(|since| *since + hold > scene.now && word == "with" && !is_needed_elsewhere) {
            return Err(format!("it left at {since}, and is held for {} s", strictest.hold_seconds));
        }
        let is_approved = self.approved(seat, (name, word, address), plan, scene);
        let may_pass_the_budget = strictest.approval == Approval::OverBudget && is_approved;
        if record.lost_at.is_some_and(|lost| lost + WEEK > scene.now) && !may_pass_the_budget {
            return Err("the memory is younger than a week".to_owned());
        }
        let removals = self.removals.entry(seat).or_default();
        let recent = removals.iter().filter(|at| **at + WEEK > scene.now).count();
        let Budget { max, percent } = strictest.budget;
        let share = (plan.owned_now + recent) * percent as usize / 100;
        let is_over = recent >= share.min(max as usize).max(1);
        if is_over && strictest.approval != Approval::OverBudget {
            return Err(format!("{recent} were removed in 7 days, of {} entries", plan.owned_now));
        }
        if (strictest.approval == Approval::Always || is_over) && !is_approved {
            return Err("nobody approved it".to_owned());
        }
        // A source that goes from several rules is one removal.
        if word == "with" {
            removals.push(scene.now);
        }
        Ok(())
    }

    /// Whether a person allowed that this goes. All Networks are in one namespace, so one person is enough.
    fn approved(&self, seat: Seat, (name, word, address): (&str, &str, &str), plan: &Plan, scene: Scene<'_>) -> bool {
        let text = if seat == Seat::Group { address.to_owned() } else { format!("{name} {word} {address}") };
        let is_it = |text_of: &str| text_of.eq_ignore_ascii_case(&text);
        let steps = plan.steps.iter().filter(|step| step.action == Action::Remove && is_it(&step.address.to_string()));
        let lines: BTreeSet<String> = steps.map(amlnet::domain::plan::Step::line).collect();
        let mut valid = self.given.iter().filter(|given| given.seat == seat && given.expires_at > scene.now);
        valid.any(|given| !lines.is_disjoint(&given.lines))
    }

    /// After a run that nothing disturbed: what is needed stands, or there is a reason.
    pub(crate) fn complete(&self, seat: Seat, allowed: &Allowed, plan: &Plan, scene: Scene<'_>) {
        let record = &self.records[&seat];
        assert!(plan.steps.is_empty() && plan.blocked.is_none(), "at {} {seat:?}: {plan:?}", scene.now);
        let waits = |address: &str| {
            let is_it =
                |text: &str| text == address || text.to_ascii_lowercase().ends_with(&format!(" with {address}"));
            plan.held.iter().any(|held| {
                held.reason == HeldReason::Approval
                    && held.step.action == Action::Add
                    && is_it(&held.step.address.to_string())
            })
        };
        for net in record.nets.values().filter(|net| net.may_write() && scene.on(seat).any(|on| on.key == net.key)) {
            let now = net.needs(seat, scene.edition);
            for (row, need) in record.needs.get(&net.key).into_iter().flatten() {
                // What a lagging source no longer has is kept where it stands, and written nowhere.
                let is_carried = |prefix: &String| !now.get(row).is_some_and(|need| need.prefixes.contains(prefix));
                for (source, prefix) in net.sources(seat).iter().flat_map(|s| need.prefixes.iter().map(move |p| (s, p)))
                {
                    assert!(
                        lets_through(allowed, source, prefix, &need.tag)
                            || scene.down
                            || is_carried(prefix)
                            || waits(prefix),
                        "at {} {seat:?}: {} needs {prefix} from {source:?}, held: {:?}",
                        scene.now,
                        net.key,
                        plan.held
                    );
                }
            }
        }
    }

    /// In the end each place lets through what is needed, and nothing else.
    pub(crate) fn ended(seat: Seat, allowed: &Allowed, scene: Scene<'_>) {
        let nets: Vec<&Net> = scene.on(seat).collect();
        if nets.is_empty() {
            return;
        }
        let needs: Vec<(&Net, Needs)> = nets.iter().map(|net| (*net, net.needs(seat, scene.edition))).collect();
        for (net, needs) in &needs {
            for (source, need) in net.sources(seat).iter().flat_map(|s| needs.values().map(move |need| (s, need))) {
                let is_missing = |prefix: &&String| !lets_through(allowed, source, prefix, &need.tag);
                let missing: Vec<&String> = need.prefixes.iter().filter(is_missing).collect();
                assert!(missing.is_empty(), "{seat:?}: {} needs {missing:?} from {source:?}", net.key);
            }
        }
        for (name, sides) in allowed {
            for (near, far) in sides.near.iter().flat_map(|near| sides.far.iter().map(move |far| (near, far))) {
                // The sources of a row are those of everybody who asks for it.
                let asks = |row: &Row| {
                    needs.iter().any(|(net, needs)| needs.contains_key(row) && net.sources(seat).contains(near))
                };
                let is_asked =
                    needs.iter().flat_map(|(_, needs)| needs).any(|(row, need)| holds(need, far) && asks(row));
                assert!(is_asked, "{seat:?} {name}: nobody needs {far} from {near:?}");
            }
        }
    }
}

/// Whether a wider prefix of the same rule holds an address.
fn is_covered(address: &str, sides: &Sides) -> bool {
    let Ok(net) = address.parse::<Ipv4Net>() else { return false };
    sides.far.iter().filter_map(|far| far.parse::<Ipv4Net>().ok()).any(|far| far.contains(&net))
}

fn strictest(voices: &[&Net]) -> Removal {
    let default =
        Removal { hold_seconds: 42 * 86400, budget: Budget { max: 10, percent: 30 }, approval: Approval::Always };
    let mut all = voices.iter().map(|net| net.removal);
    let first = all.next().unwrap_or(default);
    all.fold(first, |a, b| Removal {
        hold_seconds: a.hold_seconds.max(b.hold_seconds),
        budget: Budget { max: a.budget.max.min(b.budget.max), percent: a.budget.percent.min(b.budget.percent) },
        approval: [Approval::Always, Approval::OverBudget]
            .into_iter()
            .find(|approval| [a.approval, b.approval].contains(approval))
            .unwrap_or(Approval::Never),
    })
}
