//! A plan as a value: the ordered steps from observed to desired, with what is held, in conflict or blocked and why.
//!
//! Printable (`render`), comparable, hashable. Must not be changed after the guards have seen it: no meaningful
//! choice is left to whoever applies it.

pub mod entries;
pub mod layout;
mod measure;
mod observed;
pub mod rules;
mod whole;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use observed::{Observed, ObservedEntry, Whole};

use super::desired::{self, Address, Contribution, DocumentId, Purpose};
use super::intent::{Installation, Mode, NextHop, ObjectKey, Removal};
use super::outbound::Priorities;
use super::resolve::Note;
use super::resource_id::{ResourceId, TargetKind};
use super::service_tags::Digest;

/// Everything that a plan for one target rests on, besides what is observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetInput {
    pub id: ResourceId,
    pub installation: Installation,
    /// Sorted by Network.
    pub contributions: Vec<Contribution>,
    /// Why somebody unknown may need what the target holds, if so: an object that cannot be read might be a contributor,
    /// or a Network that is gone was one. Nothing is taken away: no removal, no other next hop.
    pub removals_frozen: Option<String>,
    /// Why it is not known what was needed before, if so. Nothing is removed.
    pub no_memory: Option<String>,
    /// Networks that no longer name the target and are remembered to have named it.
    pub departed: BTreeMap<ObjectKey, Departure>,
    /// Networks whose entries were to be removed with them, and are no longer: somebody changed the policy meanwhile.
    pub retained: BTreeSet<ObjectKey>,
    /// Networks that took the target out of their spec before: what they left is theirs to give up.
    pub former: BTreeMap<ObjectKey, Former>,
    /// Why nothing at all is written, if so.
    pub read_only: Option<String>,
    /// Where the resource is to be created if it does not exist, by who asks for it.
    pub create: BTreeMap<ObjectKey, String>,
    /// The priorities that rules may have, by who asks for them; of a rule collection group the one that it has.
    pub priorities: BTreeMap<ObjectKey, Priorities>,
}

impl TargetInput {
    /// A target of these contributors, with nothing in the way.
    pub fn new(id: ResourceId, installation: Installation, contributions: Vec<Contribution>) -> Self {
        Self {
            id,
            installation,
            contributions,
            removals_frozen: None,
            no_memory: None,
            departed: BTreeMap::new(),
            retained: BTreeSet::new(),
            former: BTreeMap::new(),
            read_only: None,
            create: BTreeMap::new(),
            priorities: BTreeMap::new(),
        }
    }

    /// The strictest conditions for removals of everybody who has a say.
    pub fn removal(&self) -> Removal {
        let present = self.contributions.iter().map(|c| c.removal);
        desired::strictest(present.chain(self.former.values().map(|former| former.removal)))
    }
}

/// How a Network left a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Departure {
    /// Its spec names the target no longer.
    TakenOut,
    /// It was deleted; the deletionPolicy that is remembered says what becomes of its entries.
    Deleted,
    /// It is being deleted, and its spec as it is now asks to take its entries along.
    DeletedWithEntries,
}

/// A Network that once named the target, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    pub mode: Mode,
    pub suspended: bool,
    pub removal: Removal,
}

/// How many entries a target can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub entries: usize,
    /// Entries whose address is a service tag.
    pub tag_entries: usize,
    /// Addresses on one side of all security rules together.
    pub addresses: usize,
}

impl Limits {
    /// Used where the live limits cannot be read. 400 was the platform's default for ten years, later ones are
    /// higher (docs/facts.md, "Limits").
    pub const DEFAULT: Self = Self { entries: 400, tag_entries: 25, addresses: 0 };
    /// Of an IP group. No API tells it (docs/facts.md, "Limits").
    pub const IP_GROUP: Self = Self { entries: 5000, tag_entries: 0, addresses: 0 };
    /// Of the rules of one firewall policy: pairs of a source and a destination. No API tells it (docs/facts.md, "Limits").
    pub const RULE_COLLECTION_GROUP: Self = Self { entries: 20_000, tag_entries: 0, addresses: 0 };
    /// Of a security group, where the live ones cannot be read.
    pub const SECURITY_GROUP: Self = Self { entries: 1000, tag_entries: 0, addresses: 4000 };

    /// Where no live ones are known.
    pub fn of(kind: TargetKind) -> Self {
        match kind {
            TargetKind::RouteTable => Self::DEFAULT,
            TargetKind::IpGroup => Self::IP_GROUP,
            TargetKind::RuleCollectionGroup => Self::RULE_COLLECTION_GROUP,
            TargetKind::SecurityGroup => Self::SECURITY_GROUP,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    Add,
    Change,
    Remove,
}

impl Action {
    pub const ALL: [Self; 3] = [Self::Add, Self::Change, Self::Remove];

    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Change => "Change",
            Self::Remove => "Remove",
        }
    }
}

/// One write. Its fields say all there is to know at execution.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Step {
    pub action: Action,
    /// The entry's name in the target.
    pub entry: String,
    pub address: Address,
    /// What it will be; `None` for a removal.
    pub next_hop: Option<NextHop>,
    /// What it is; `None` for an addition.
    pub before: Option<(Address, NextHop)>,
    pub purposes: BTreeSet<Purpose>,
    pub wanted_by: BTreeSet<ObjectKey>,
}

impl Step {
    pub fn is_default_route(&self) -> bool {
        self.purposes.contains(&Purpose::DefaultRoute)
    }

    /// Whether it is about a member of an IP group, not about a route.
    pub fn is_member(&self) -> bool {
        let before = self.before.as_ref().map(|(_, hop)| hop);
        self.next_hop.as_ref().or(before) == Some(&NextHop::Member)
    }

    /// Whether it sends what has a route already somewhere else.
    pub fn moves(&self) -> bool {
        self.before.as_ref().is_some_and(|(_, before)| self.next_hop.as_ref().is_some_and(|after| after != before))
    }

    /// What the step does, in one line that is the same for the same step: what approvals and hashes rest on.
    pub fn line(&self) -> String {
        let hop = |hop: &NextHop| hop.to_string();
        let before = self.before.as_ref().map(|(address, next_hop)| format!("{address} {}", hop(next_hop)));
        let after = self.next_hop.as_ref().map(|next_hop| format!("{} {}", self.address, hop(next_hop)));
        let shown = |state: Option<String>| state.unwrap_or_else(|| "nothing".to_owned());
        format!("{:?} {}: {} -> {}", self.action, self.entry, shown(before), shown(after))
    }
}

/// The steps of a plan that need a person, and who has agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Over the target, the documents and these steps: what a person approves.
    pub hash: Digest,
    /// By `Step::line`, with the reason why each needs a person.
    pub steps: BTreeMap<String, (HeldReason, String)>,
    /// The approvals that cover all of them, by id.
    pub approved_by: BTreeSet<String>,
    /// Whether everybody who has to approve did.
    pub is_approved: bool,
    /// Networks of which one in each namespace has to approve.
    pub approvers: BTreeSet<ObjectKey>,
}

/// Why a step is not taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeldReason {
    Mode,
    Growth,
    Hold,
    Budget,
    Approval,
}

impl HeldReason {
    pub fn name(self) -> &'static str {
        match self {
            Self::Mode => "Mode",
            Self::Growth => "Growth",
            Self::Hold => "Hold",
            Self::Budget => "Budget",
            Self::Approval => "Approval",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Held {
    pub step: Step,
    pub reason: HeldReason,
    pub why: String,
    pub until: Option<Timestamp>,
    /// Whether nobody waits for the step: it may be taken, and the target is right without it.
    pub is_offer: bool,
}

/// An address that is left alone because somebody else's entry, or another Network, has it otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conflict {
    pub address: Address,
    pub foreign_entry: Option<String>,
    pub why: String,
}

/// Why nothing at all is done to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockedReason {
    Unresolved,
    Capacity,
    /// What is there is somebody else's.
    Conflict,
    NotFound,
    Locked,
    Forbidden,
    Refused,
}

impl BlockedReason {
    pub fn name(self) -> &'static str {
        match self {
            Self::Unresolved => "Unresolved",
            Self::Capacity => "Capacity",
            Self::Conflict => "Conflict",
            Self::NotFound => "NotFound",
            Self::Locked => "Locked",
            Self::Forbidden => "Forbidden",
            Self::Refused => "Refused",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Blocked {
    pub reason: BlockedReason,
    pub message: String,
}

/// The way from observed to desired for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub id: ResourceId,
    pub documents: BTreeSet<DocumentId>,
    pub limits: Limits,
    pub entries_now: usize,
    /// How many entries there will be, where that is no sum of steps.
    pub then: Option<usize>,
    /// Entries now that are ours.
    pub owned_now: usize,
    /// In the order in which they are taken.
    pub steps: Vec<Step>,
    pub held: Vec<Held>,
    pub conflicts: Vec<Conflict>,
    /// Wanted addresses for which a foreign entry with the same next hop stands: nothing to do, but watched.
    pub satisfied_by_others: Vec<(Address, String)>,
    /// Contributors whose wishes are unknown, and why.
    pub unresolved: Vec<(ObjectKey, String)>,
    pub warnings: BTreeSet<Note>,
    pub blocked: Option<Blocked>,
    /// What of this plan needs a person, if anything does.
    pub pending: Option<Pending>,
}

/// A plan in short.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counts {
    pub add: usize,
    pub change: usize,
    pub remove: usize,
    pub held: usize,
    pub conflicts: usize,
    pub blocked: usize,
}

impl Plan {
    /// The plan of a target that could not be looked at.
    pub fn unknown(input: &TargetInput) -> Self {
        Self {
            id: input.id.clone(),
            documents: documents(&input.contributions),
            limits: Limits::of(input.id.kind),
            entries_now: 0,
            then: None,
            owned_now: 0,
            steps: Vec::new(),
            held: Vec::new(),
            conflicts: Vec::new(),
            satisfied_by_others: Vec::new(),
            unresolved: unresolved(&input.contributions),
            warnings: BTreeSet::new(),
            blocked: None,
            pending: None,
        }
    }

    /// A plan that says only why nothing can be planned.
    pub fn blocked(input: &TargetInput, reason: BlockedReason, message: String) -> Self {
        Self { blocked: Some(Blocked { reason, message }), ..Self::unknown(input) }
    }

    /// The steps that will be taken: none of a blocked plan.
    fn to_take(&self) -> &[Step] {
        if self.blocked.is_some() { &[] } else { &self.steps }
    }

    fn count(&self, action: Action) -> usize {
        self.to_take().iter().filter(|step| step.action == action).count()
    }

    /// How many entries the target will have when all steps are taken.
    pub fn entries_after(&self) -> usize {
        let sum = (self.entries_now + self.count(Action::Add)).saturating_sub(self.count(Action::Remove));
        self.then.unwrap_or(sum)
    }

    /// Moves the steps that `verdict` holds from `steps` to `held`.
    #[must_use]
    pub fn hold(self, verdict: impl Fn(&Step) -> Option<(HeldReason, String)>) -> Self {
        self.hold_until(|step| verdict(step).map(|(reason, why)| (reason, why, None)))
    }

    /// The same where a time may end it.
    #[must_use]
    pub fn hold_until(
        mut self,
        mut verdict: impl FnMut(&Step) -> Option<(HeldReason, String, Option<Timestamp>)>,
    ) -> Self {
        let (mut kept, mut held) = (Vec::new(), std::mem::take(&mut self.held));
        for step in self.steps {
            match verdict(&step) {
                Some((reason, why, until)) => held.push(Held { step, reason, why, until, is_offer: false }),
                None => kept.push(step),
            }
        }
        Self { steps: kept, held, ..self }
    }

    /// The plan in short. What a blocked plan would do is not counted: it is not done.
    pub fn counts(&self) -> Counts {
        Counts {
            add: self.count(Action::Add),
            change: self.count(Action::Change),
            remove: self.count(Action::Remove),
            held: self.held.len(),
            conflicts: self.conflicts.len(),
            blocked: usize::from(self.blocked.is_some()),
        }
    }

    /// All steps, taken or held.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().chain(self.held.iter().map(|held| &held.step))
    }

    /// Identifies the plan: over the target, the documents and every step, taken or held, with its value before.
    pub fn identity(&self) -> Digest {
        // The same steps are the same plan, whichever of them are held today.
        self.hash_of(self.all_steps().map(Step::line).collect())
    }

    /// What a person names: what waits for approval where something needs it, else the plan as a whole.
    pub fn hash(&self) -> Digest {
        self.pending.as_ref().map_or_else(|| self.identity(), |pending| pending.hash)
    }

    /// Over the target, the documents and these steps.
    pub fn hash_of(&self, lines: BTreeSet<String>) -> Digest {
        let head = std::iter::once(self.id.to_string().to_ascii_lowercase());
        let documents = self.documents.iter().map(|document| document.digest.to_string());
        let text: Vec<String> = head.chain(documents).chain(lines).collect();
        Digest::of(text.join("\n").as_bytes())
    }

    fn holds_for(&self, reasons: &[HeldReason]) -> bool {
        self.held.iter().any(|held| reasons.contains(&held.reason) && !held.is_offer)
    }

    /// What is left to do or to decide.
    pub fn standing(&self) -> Standing {
        let waits = self.holds_for(&[HeldReason::Approval, HeldReason::Growth]);
        if self.blocked.is_some() || waits || !self.conflicts.is_empty() || !self.unresolved.is_empty() {
            Standing::NeedsPerson
        } else if !self.steps.is_empty() || self.holds_for(&[HeldReason::Mode, HeldReason::Budget]) {
            Standing::Changes
        } else {
            Standing::Done
        }
    }
}

/// What a plan leaves: the exit code of `plan` and `apply` is the greatest of its targets'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing to do, or only steps that wait for their time.
    Done,
    /// Steps to take, or held by mode.
    Changes,
    /// An approval, a conflict or a blocked target.
    NeedsPerson,
}

/// The documents that the contributors rest on.
pub fn documents(contributions: &[Contribution]) -> BTreeSet<DocumentId> {
    contributions.iter().filter_map(|c| c.outcome.as_ref().ok()).map(|wishes| wishes.document).collect()
}

/// The contributors whose wishes are unknown.
pub fn unresolved(contributions: &[Contribution]) -> Vec<(ObjectKey, String)> {
    let failed = contributions.iter().filter_map(|c| c.outcome.as_ref().err().map(|error| (c, error)));
    failed.map(|(c, error)| (c.network.clone(), error.to_string())).collect()
}
