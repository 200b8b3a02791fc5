//! How rules lie in a network security group: which of its rules holds what, with which name and priority.
//!
//! What stands keeps its place, its name and its priority: a prefix more or less changes one rule. Must not decide what is
//! allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::rules::{Around, GroupAround, StandingRule, after, heads, lies_in};
use super::{Action, Observed, Step, TargetInput};
use crate::outbound::Priorities;
use crate::requirement::Direction;
use crate::rule::{Part, Place, Rule};

/// So many addresses one security rule holds: few enough that a change is looked over at a glance.
const CHUNK: usize = 100;

/// Where nobody asks any more, what stands keeps its priority.
const ALL: Priorities = Priorities { from: 100, to: 4096 };

/// What is to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// All of our rules afterwards, by name in lower case.
    pub standing: BTreeMap<String, StandingRule>,
    /// In order: what is added or changed, then what goes.
    pub writes: Vec<RuleWrite>,
}

/// One security rule that is written or deleted, and the steps that this carries out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleWrite {
    pub name: String,
    /// `None`: it is deleted.
    pub after: Option<StandingRule>,
    pub steps: Vec<Step>,
}

/// The range of priorities has no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Full {
    range: Priorities,
    direction: Direction,
    rules: usize,
    /// Rules of ours that go when the others are there.
    leaving: usize,
    others: Vec<String>,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { range, direction, rules, leaving, others } = self;
        let taken = match others.len() {
            0 => String::new(),
            _ => format!(", {} of which rules of others have ({})", others.len(), others.join(", ")),
        };
        let leaving = match leaving {
            0 => String::new(),
            _ => format!(", beside {leaving} that go when these are there"),
        };
        let direction = format!("{direction:?}").to_ascii_lowercase();
        write!(
            f,
            "{rules} {direction} rules do not fit into the priorities {range}{taken}{leaving}; nothing is written. Write a \
             wider priorityRange"
        )
    }
}

/// Lays the rules out that these steps are about; the others stay as they are.
///
/// # Errors
/// There are fewer free priorities than rules.
pub fn layout(input: &TargetInput, observed: &Observed, steps: &[Step]) -> Result<Layout, Full> {
    let Some(rules) = &observed.rules else { return Ok(Layout::default()) };
    let nobody = GroupAround::default();
    let around = if let Around::Group(group) = &rules.around { group } else { &nobody };
    let touched: BTreeSet<String> =
        steps.iter().filter_map(|step| Some(step.address.part()?.rule.to_ascii_lowercase())).collect();
    let then = after(observed, steps);
    let (known, mut standing) = (heads(input), rules.ours.clone());
    let mut laid = Vec::new();
    for name in &touched {
        let is_of = |rule: &StandingRule| rule.of.eq_ignore_ascii_case(name);
        let before: Vec<StandingRule> = standing.values().filter(|rule| is_of(rule)).cloned().collect();
        standing.retain(|_, rule| !is_of(rule));
        let head = known.get(name.as_str()).map(|head| (head.name.as_str(), head.direction, head.description.as_str()));
        let first = || before.first().map(|rule| (rule.of.as_str(), rule.direction, rule.description.as_str()));
        let Some((name, direction, description)) = head.or_else(first) else { continue };
        let whole = then.get(&name.to_ascii_lowercase());
        let chunks = chunks(name, &before, whole);
        laid.push((before.clone(), chunks, (name.to_owned(), direction, description.to_owned())));
    }
    let mut free = Free::new(input, around, standing.values());
    let mut writes = Vec::new();
    // Who has a place keeps it; new ones take what is left, in order of their names.
    for (before, chunks, (_, direction, _)) in &laid {
        free.wanted.extend(chunks.keys().map(|_| *direction));
        for old in before {
            let stays = chunks.keys().any(|name| old.name.eq_ignore_ascii_case(name));
            free.hold(old.direction, old.priority, stays);
        }
    }
    for (before, chunks, (of, direction, description)) in laid {
        for (name, rule) in chunks {
            let old = before.iter().find(|rule| rule.name.eq_ignore_ascii_case(&name));
            let kept = old.filter(|old| old.direction == direction && free.is_kept(direction, old.priority));
            let priority = match kept {
                Some(old) => old.priority,
                None => free.next(direction)?,
            };
            let is_new = old.is_none_or(|old| !old.is_as_written || old.rule != rule || old.priority != priority);
            let after = StandingRule {
                name: old.map_or(name, |old| old.name.clone()),
                of: of.clone(),
                priority,
                direction,
                description: old.map_or(&description, |old| &old.description).clone(),
                rule,
                is_as_written: true,
            };
            if is_new {
                let steps = carried_out(steps, &of, old.map(|old| &old.rule), &after.rule);
                let takes = old.is_some_and(|old| takes_away(&old.rule, &after.rule));
                let write = RuleWrite { name: after.name.clone(), after: Some(after.clone()), steps };
                writes.push((if takes { Turn::TakesAway } else { Turn::Gives }, write));
            }
            standing.insert(after.name.to_ascii_lowercase(), after);
        }
        for old in before.iter().filter(|old| !standing.contains_key(&old.name.to_ascii_lowercase())) {
            let steps = carried_out(steps, &of, Some(&old.rule), &Rule::default());
            writes.push((Turn::Goes, RuleWrite { name: old.name.clone(), after: None, steps }));
        }
    }
    writes.sort_by_key(|(turn, _)| *turn);
    Ok(Layout { standing, writes: writes.into_iter().map(|(_, write)| write).collect() })
}

/// When a rule is written: what one takes away, another may have to give before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Gives,
    TakesAway,
    Goes,
}

fn takes_away(before: &Rule, after: &Rule) -> bool {
    let stays =
        |place: &Place| holds(after, place) || matches!(place, Place::Prefix(prefix) if lies_in(prefix, &after.far));
    !(before.near.is_subset(&after.near) && before.ports.is_subset(&after.ports) && before.far.iter().all(stays))
}

/// The steps on a rule that one of its chunks carries out: those on addresses that it gets or loses, and all others.
fn carried_out(steps: &[Step], rule: &str, before: Option<&Rule>, after: &Rule) -> Vec<Step> {
    let concerns = |step: &&Step| {
        let Some(part) = step.address.part().filter(|part| part.rule.eq_ignore_ascii_case(rule)) else { return false };
        match (&part.part, step.action) {
            (Part::Far(place), Action::Remove) => before.is_some_and(|before| holds(before, place)),
            (Part::Far(place), _) => holds(after, place),
            _ => true,
        }
    };
    steps.iter().filter(concerns).cloned().collect()
}

fn holds(rule: &Rule, place: &Place) -> bool {
    let folded = |place: &Place| place.to_string().to_ascii_lowercase();
    rule.far.contains(place) || rule.far.iter().any(|other| folded(other) == folded(place))
}

/// The rules of the group that hold one rule of ours, by name: the first has the rule's name, the others a number more.
fn chunks(name: &str, before: &[StandingRule], whole: Option<&Rule>) -> BTreeMap<String, Rule> {
    let Some(whole) = whole else { return BTreeMap::new() };
    let whole = &Rule { near: one_kind(&whole.near), ..whole.clone() };
    // Azure takes no list that overlaps: what lies in a wider prefix is allowed by it.
    let is_covered = |place: &Place| matches!(place, Place::Prefix(prefix) if lies_in(prefix, &whole.far));
    let mut open: BTreeSet<Place> = whole.far.iter().filter(|place| !is_covered(place)).cloned().collect();
    let (mut chunks, mut lost): (BTreeMap<usize, BTreeSet<Place>>, BTreeMap<usize, BTreeSet<Place>>) =
        Default::default();
    for old in before {
        let Some(number) = number(name, &old.name) else { continue };
        let kept: BTreeSet<Place> = open.iter().filter(|place| holds(&old.rule, place)).cloned().collect();
        open.retain(|place| !kept.contains(place));
        let after = Rule { far: kept, ..Rule::default() };
        let gone: BTreeSet<Place> = old.rule.far.iter().filter(|place| !holds(&after, place)).cloned().collect();
        if !gone.is_empty() {
            lost.insert(number, gone);
        }
        chunks.insert(number, after.far);
    }
    chunks.retain(|_, far| !far.is_empty());
    for place in open {
        let has_room = |number: usize| {
            chunks
                .get(&number)
                .is_none_or(|far| far.len() < CHUNK && far.iter().all(|other| go_together(other, &place)))
        };
        // What takes the place of something that goes is written with it, or before it: so nothing is missing meanwhile.
        let losers: Vec<usize> =
            lost.iter().filter(|(_, gone)| gone.iter().any(|gone| overlap(gone, &place))).map(|(at, _)| *at).collect();
        // One more than there are: one of them has room.
        let mut numbers = 1..=chunks.len() + lost.len() + 1;
        let number = match losers[..] {
            [] => numbers.find(|number| has_room(*number)),
            [one] if has_room(one) => Some(one),
            _ => numbers.find(|number| has_room(*number) && !lost.contains_key(number)),
        };
        chunks.entry(number.unwrap_or(1)).or_default().insert(place);
    }
    let named = |number: usize| if number == 1 { name.to_owned() } else { format!("{name}.{number}") };
    chunks.into_iter().map(|(number, far)| (named(number), Rule { far, ..whole.clone() })).collect()
}

/// What Azure takes as one side: prefixes that do not overlap, or one tag. A tag beside prefixes is somebody else's work.
fn one_kind(places: &BTreeSet<Place>) -> BTreeSet<Place> {
    let is_prefix = |place: &&Place| matches!(place, Place::Prefix(_));
    if !places.iter().any(|place| is_prefix(&place)) {
        return places.iter().filter(|place| !is_everything(place)).chain(places).take(1).cloned().collect();
    }
    let is_covered = |place: &Place| matches!(place, Place::Prefix(prefix) if lies_in(prefix, places));
    places.iter().filter(is_prefix).filter(|place| !is_covered(place)).cloned().collect()
}

fn is_everything(place: &Place) -> bool {
    matches!(place, Place::Tag(tag) if tag == "*")
}

/// Whether one security rule may hold both: one tag a rule, one family a rule.
fn go_together(a: &Place, b: &Place) -> bool {
    matches!((a, b), (Place::Prefix(a), Place::Prefix(b)) if a.family() == b.family())
}

fn overlap(a: &Place, b: &Place) -> bool {
    matches!((a, b), (Place::Prefix(a), Place::Prefix(b)) if a.contains(b) || b.contains(a))
}

/// Which of the rules that hold a rule of ours this is.
fn number(name: &str, chunk: &str) -> Option<usize> {
    let (name, chunk) = (name.to_ascii_lowercase(), chunk.to_ascii_lowercase());
    if name == chunk { Some(1) } else { chunk.strip_prefix(&name)?.strip_prefix('.')?.parse().ok() }
}

/// The rule of ours that a security rule belongs to: its name without the number.
pub fn rule_of(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((rule, number)) if !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()) => rule,
        _ => name,
    }
}

/// The priorities that are still free.
struct Free {
    range: Priorities,
    /// Rules of others, and ours as they stand: what is deleted in the end has its priority until then.
    taken: BTreeSet<(Direction, u16)>,
    kept: BTreeSet<(Direction, u16)>,
    /// Of rules that go, once the others are written.
    leaving: BTreeSet<(Direction, u16)>,
    others: Vec<(Direction, String)>,
    /// The directions of all of our rules that there are to be.
    wanted: Vec<Direction>,
}

impl Free {
    fn new<'a>(input: &TargetInput, around: &GroupAround, stay: impl Iterator<Item = &'a StandingRule>) -> Self {
        let range = input.priorities.values().next().copied().unwrap_or(ALL);
        let of_others = around.taken.iter().filter(|((_, priority), _)| range.contains(*priority));
        let mut free = Self {
            range,
            others: of_others.map(|((direction, _), name)| (*direction, name.clone())).collect(),
            taken: around.taken.keys().copied().collect(),
            kept: BTreeSet::new(),
            leaving: BTreeSet::new(),
            wanted: Vec::new(),
        };
        for rule in stay {
            free.hold(rule.direction, rule.priority, true);
            free.wanted.push(rule.direction);
        }
        free
    }

    /// The place of a rule that stands. Nobody else gets it, though the rule may go: it goes last.
    fn hold(&mut self, direction: Direction, priority: u16, stays: bool) {
        if self.taken.insert((direction, priority)) && self.range.contains(priority) {
            let held = if stays { &mut self.kept } else { &mut self.leaving };
            held.insert((direction, priority));
        }
    }

    fn is_kept(&self, direction: Direction, priority: u16) -> bool {
        self.kept.contains(&(direction, priority))
    }

    fn next(&mut self, direction: Direction) -> Result<u16, Full> {
        let free = (self.range.from..=self.range.to).find(|priority| !self.taken.contains(&(direction, *priority)));
        let Some(priority) = free else {
            let others = self.others.iter().filter(|(of, _)| *of == direction).map(|(_, name)| name.clone()).collect();
            let rules = self.wanted.iter().filter(|of| **of == direction).count();
            let leaving = self.leaving.iter().filter(|(of, _)| *of == direction).count();
            return Err(Full { range: self.range, direction, rules, leaving, others });
        };
        self.taken.insert((direction, priority));
        Ok(priority)
    }
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
