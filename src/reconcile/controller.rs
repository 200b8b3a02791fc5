//! The loop: objects and documents in, targets reconciled, statuses out; drift found by a resync.
//!
//! One writer per target. When the fence falls no step is started, running workers end, statuses are written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Fuse, FusedFuture as _, LocalBoxFuture};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::index::{self, Documents, Setting};
use super::lists::Lists;
use super::look::{Before, Look, look};
use super::once::WORKERS;
use super::pace::{next_resync, place_when_due};
use super::places::{Place, Places};
use super::said;
use super::status;
use super::target::{Bench, Clock, Halt, Intention, Progress};
use super::watched::{self, Watched};
use crate::azure::arm::Arm;
use crate::azure::fence::Fence;
use crate::domain::approval::{Approval, Subject, Word};
use crate::domain::intent::ObjectKey;
use crate::domain::memory::TargetMemory;
use crate::domain::outcome::{self, End, Outcome};
use crate::domain::plan::{Step, TargetInput};
use crate::domain::project::NetworkStatus;
use crate::domain::queue::{Done, Queue};
use crate::domain::resource_id::ResourceId;
use crate::domain::scope::{OutOfScope, Scopes};
use crate::store::{Store, StoreError, World};

/// How often it is looked for approvals, and what is remembered is brought to where it is kept.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A target that waits for a person is looked at again after this.
const BLOCKED_AGAIN: SignedDuration = SignedDuration::from_secs(600);

/// So long the last status of a Network stands while its targets are looked at again.
const INCOMPLETE_FOR: SignedDuration = SignedDuration::from_secs(30);

/// Everything that the loop works with.
pub struct Controller<S> {
    pub store: Arc<S>,
    pub documents: watch::Receiver<Arc<Documents>>,
    /// Take the place of those in `setting` when they change.
    pub scopes: watch::Receiver<Arc<Scopes>>,
    pub arm: Arc<Arm>,
    pub setting: Setting,
    /// How often every target is read although nothing changed.
    pub resync: Duration,
}

impl<S> std::fmt::Debug for Controller<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller").field("setting", &self.setting).finish_non_exhaustive()
    }
}

/// Workers live inside the loop's own future: whoever drops it, stops them.
type Worker = LocalBoxFuture<'static, Ended>;
type Workers = FuturesUnordered<Worker>;

/// What a worker leaves.
struct Ended {
    input: TargetInput,
    outcome: Outcome,
    look: Look,
}

/// What the loop remembers.
#[derive(Default)]
struct Memory {
    world: Arc<World>,
    documents: Arc<Documents>,
    inputs: BTreeMap<ResourceId, TargetInput>,
    /// What is running, for whom, and how it is told to stop after its step.
    running: BTreeMap<ResourceId, (Halt, BTreeSet<ObjectKey>)>,
    /// The values of `amlnet.dev/reconcile-at` that are being handled, and the targets not looked at since.
    asked: BTreeMap<ObjectKey, (String, BTreeSet<ResourceId>)>,
    approvals: Vec<Approval>,
    unreadable_approvals: Vec<StoreError>,
    /// What was said about approvals.
    words: Vec<Word>,
    /// The last outcome of each target whose input is still the one that it worked on: any other says nothing.
    outcomes: BTreeMap<ResourceId, Outcome>,
    /// The last ones of targets that are to be looked at anew: what is said then is compared with them.
    former: BTreeMap<ResourceId, Outcome>,
    queue: Queue<ResourceId>,
    statuses: BTreeMap<ObjectKey, NetworkStatus>,
    /// Since when a status could only say that some target is still to be looked at.
    incomplete: BTreeMap<ObjectKey, Timestamp>,
    /// Networks that are left alone because of what they name.
    refused: BTreeMap<ObjectKey, OutOfScope>,
    lists: Lists,
    watched: Watched,
}

impl<S: Store + 'static> Controller<S> {
    /// Works until the fence falls.
    pub async fn run(mut self, fence: Fence) {
        let mut memory = Memory::default();
        let mut worlds = self.store.world();
        let (mut workers, places) = (Workers::new(), Places::new(WORKERS));
        worlds.mark_changed();
        self.documents.mark_changed();
        let mut look = tokio::time::interval(LOOK_EVERY);
        // Beside the workers, which a slow disk or API server must not stop.
        let mut saving = Fuse::terminated();
        while fence.holds() {
            let due = memory.queue.next_due();
            tokio::select! {
                Ok(()) = worlds.changed() => {
                    let world = worlds.borrow_and_update().clone();
                    self.take_in(&mut memory, world, None);
                }
                Ok(()) = self.documents.changed() => {
                    let documents = self.documents.borrow_and_update().clone();
                    self.take_in(&mut memory, worlds.borrow().clone(), Some(documents));
                }
                Ok(()) = self.scopes.changed() => {
                    self.setting.scopes = self.scopes.borrow_and_update().clone();
                    self.take_in(&mut memory, worlds.borrow().clone(), None);
                }
                place = place_when_due(&places, due) => {
                    if let Some(id) = memory.queue.next(Timestamp::now()) {
                        workers.extend(self.start(&mut memory, &id, place, fence.clone()));
                    }
                }
                Some(ended) = workers.next() => self.ended(&mut memory, ended),
                _ = look.tick() => {
                    self.look_at_approvals(&mut memory);
                    self.look_at_lists(&mut memory);
                    self.say_what_takes_long(&mut memory);
                    self.show(&mut memory);
                    if saving.is_terminated() {
                        saving = save(self.store.clone(), self.arm.clone()).boxed_local().fuse();
                    }
                }
                () = &mut saving => {}
                () = fence.fallen() => break,
            }
            // However much there is to do, the lease has to be renewed in between.
            tokio::task::yield_now().await;
        }
        while let Some(ended) = workers.next().await {
            self.ended(&mut memory, ended);
        }
        if !saving.is_terminated() {
            saving.await;
        }
        save(self.store.clone(), self.arm.clone()).await;
    }

    /// A new world or new documents: queue the targets for which something changed.
    fn take_in(&self, memory: &mut Memory, world: Arc<World>, documents: Option<Arc<Documents>>) {
        let now = Timestamp::now();
        let asked = asked_again(&memory.world, &world);
        said::networks(&memory.world, &world);
        memory.world = world;
        if let Some(documents) = documents {
            memory.documents = documents;
        }
        self.store.forget_statuses(&memory.world);
        let refused = index::out_of_scope(&memory.world, &self.setting);
        for (network, why) in refused.iter().filter(|(network, why)| memory.refused.get(*network) != Some(*why)) {
            said::out_of_scope(network, why);
        }
        memory.refused = refused;
        memory.lists.look(&*self.store, &memory.world, &memory.documents, &self.setting, now);
        let inputs = index::index(&memory.world, &memory.documents, &self.store.memories(), &self.setting);
        for (id, input) in &inputs {
            if memory.inputs.get(id) != Some(input) || input.contributions.iter().any(|c| asked.contains(&c.network)) {
                memory.queue.offer(id.clone(), now);
            }
        }
        for (id, old) in &memory.inputs {
            match inputs.get(id) {
                None => {
                    memory.queue.remove(id);
                    memory.outcomes.remove(id);
                    memory.former.remove(id);
                    if let Some((halt, _)) = memory.running.get(id) {
                        halt.pull();
                    }
                }
                Some(new) if new != old => {
                    if let Some((halt, _)) = memory.running.get(id) {
                        halt.pull();
                    }
                    memory.former.extend(memory.outcomes.remove_entry(id));
                }
                Some(_) => {}
            }
        }
        memory.inputs = inputs;
        memory.watched.changed();
        Self::note_who_asked(memory);
        self.let_go(memory);
        self.write_statuses(memory, &status::networks(&memory.world));
        memory.statuses.retain(|key, _| {
            memory.world.networks.contains_key(key)
                || !memory.world.undecodable.is_empty()
                || memory.world.leaving.contains_key(key)
        });
    }

    /// An approval that came or went concerns the targets of its Network.
    fn look_at_approvals(&self, memory: &mut Memory) {
        let (approvals, problems) = self.store.approvals();
        for problem in problems.iter().filter(|problem| !memory.unreadable_approvals.contains(problem)) {
            tracing::error!(%problem, "an approval cannot be read, and approves nothing");
        }
        if memory.unreadable_approvals != problems {
            memory.watched.changed();
        }
        memory.unreadable_approvals = problems;
        if approvals == memory.approvals {
            return;
        }
        let now = Timestamp::now();
        let differing = approvals.iter().filter(|approval| !memory.approvals.contains(approval));
        let gone = memory.approvals.iter().filter(|approval| !approvals.contains(approval));
        let subjects: BTreeSet<&ObjectKey> = differing
            .chain(gone)
            .filter_map(|approval| match &approval.subject {
                Subject::Network(key) => Some(key),
                Subject::Feed(_) => None,
            })
            .collect();
        for id in memory.inputs.keys() {
            let named = |target: &TargetMemory| {
                target.contributors.keys().chain(target.owners()).any(|key| subjects.contains(key))
            };
            if named(&self.store.memory(id)) {
                memory.queue.offer(id.clone(), now);
            }
        }
        memory.approvals = approvals;
        say_about_approvals(memory);
    }

    /// Lists change with the time as well, when a hold is over.
    fn look_at_lists(&self, memory: &mut Memory) {
        let now = Timestamp::now();
        if memory.lists.is_due(now) {
            memory.lists.look(&*self.store, &memory.world, &memory.documents, &self.setting, now);
            self.write_statuses(memory, &status::networks(&memory.world));
        }
    }

    fn start(&self, memory: &mut Memory, id: &ResourceId, place: Place, fence: Fence) -> Option<Worker> {
        let input = memory.inputs.get(id).cloned()?;
        let (arm, store, halt) = (self.arm.clone(), self.store.clone(), Halt::default());
        let contributors = input.contributions.iter().map(|contribution| contribution.network.clone()).collect();
        memory.running.insert(id.clone(), (halt.clone(), contributors));
        let before = Before::of(&input, &memory.world, &memory.documents, memory.outcomes.get(id));
        let work = async move {
            let (place, clock) = (Some(&place), Clock(None));
            let bench = Bench { arm: &arm, store: &*store, fence: &fence, halt: &halt, place, clock };
            let intention = Intention::Apply { progress: &Logged, shown: None };
            let (outcome, look) = look(&input, bench, intention, &before).await;
            Ended { input, outcome, look }
        };
        Some(work.boxed_local())
    }

    fn ended(&self, memory: &mut Memory, Ended { input, outcome, look }: Ended) {
        let id = input.id.clone();
        let is_current = memory.inputs.get(&id) == Some(&input);
        self.count(&outcome, look);
        memory.watched.looked(&outcome, look, is_current);
        let now = Timestamp::now();
        memory.running.remove(&id);
        let former = memory.former.remove(&id);
        said::decision(&id, &outcome, memory.outcomes.get(&id).or(former.as_ref()), look.restored);
        let done = match &outcome.end {
            End::Planned | End::Applied => Done::Finished,
            End::Waiting { seconds, .. } => {
                Done::After(SignedDuration::from_secs(i64::try_from(seconds.unwrap_or(10)).unwrap_or(10)))
            }
            End::Blocked { .. } => Done::After(BLOCKED_AGAIN),
            End::Failed(_) => Done::Failed,
        };
        if matches!(outcome.end, End::Waiting { .. } | End::Failed(_)) {
            self.arm.metrics().retried();
        }
        memory.queue.done(&id, done, now);
        if !memory.inputs.contains_key(&id) {
            memory.queue.remove(&id);
            return;
        }
        if done == Done::Finished {
            memory.queue.schedule(id.clone(), next_resync(&id, self.resync, now));
        }
        let mut networks: Vec<ObjectKey> =
            memory.inputs[&id].contributions.iter().map(|contribution| contribution.network.clone()).collect();
        networks.extend(memory.world.leaving.keys().cloned());
        for (_, open) in memory.asked.values_mut() {
            open.remove(&id);
        }
        if is_current {
            let before = memory.outcomes.insert(id, outcome.clone());
            say_about_approvals(memory);
            let is_named_by = |memory: &TargetMemory| -> BTreeSet<ObjectKey> {
                memory.contributors.keys().chain(memory.owners()).cloned().collect()
            };
            let before = before.map(|before| is_named_by(&before.memory));
            if before.is_some_and(|before| before != is_named_by(&outcome.memory)) || outcome.memory.is_over() {
                // Somebody came or went: what is looked at may be another target.
                let world = memory.world.clone();
                self.take_in(memory, world, None);
            }
        }
        self.let_go(memory);
        self.write_statuses(memory, &networks);
    }

    /// Counts what a look at a target did.
    fn count(&self, outcome: &Outcome, look: Look) {
        let (kind, metrics) = (outcome.plan.id.kind.name(), self.arm.metrics());
        metrics.reconciled(kind, watched::result(outcome), look.took);
        for applied in &outcome.applied {
            metrics.wrote(kind, applied.step.action.name());
        }
    }

    /// Makes known how everything stands.
    fn show(&self, memory: &mut Memory) {
        let Memory { world, inputs, outcomes, statuses, unreadable_approvals, watched, queue, .. } = memory;
        let unreadable_approvals = unreadable_approvals.len();
        let seen = watched::Seen { world, inputs, outcomes, statuses, unreadable_approvals };
        watched.show(self.arm.metrics(), queue, seen);
    }

    /// Takes in which values of `amlnet.dev/reconcile-at` were not handled before.
    fn note_who_asked(memory: &mut Memory) {
        let Memory { world, inputs, asked, .. } = memory;
        asked.retain(|key, _| world.networks.contains_key(key));
        for (key, held) in &world.networks {
            let Some(value) = &held.object.reconcile_at else { continue };
            if asked.get(key).is_some_and(|(known, _)| known == value) {
                continue;
            }
            let named = held.object.intent.asked().map(|asked| asked.id().clone());
            asked.insert(key.clone(), (value.clone(), named.filter(|id| inputs.contains_key(id)).collect()));
        }
    }

    /// Lets go of Networks that are leaving and of which nothing is left.
    fn let_go(&self, memory: &Memory) {
        if memory.world.leaving.is_empty() {
            return;
        }
        let memories = self.store.memories();
        let names = |target: &TargetMemory, key: &ObjectKey| {
            target.contributors.contains_key(key) || target.deleting.values().any(|owner| owner == key)
        };
        for (key, leaving) in &memory.world.leaving {
            let works_for_it = memory.running.values().any(|(_, networks)| networks.contains(key));
            // Whose entries stay need not wait for Azure: who is gone is seen to have left at the next look.
            let waits = leaving.deletes && memories.values().any(|target| names(target, key));
            if !works_for_it && !waits {
                self.store.release(key);
            }
        }
    }

    /// What stood until now is not believed for ever.
    fn say_what_takes_long(&self, memory: &mut Memory) {
        let now = Timestamp::now();
        let is_long = |since: &Timestamp| since.duration_until(now) >= INCOMPLETE_FOR;
        let keys: Vec<ObjectKey> =
            memory.incomplete.iter().filter(|(_, since)| is_long(since)).map(|(key, _)| key.clone()).collect();
        self.write_statuses(memory, &keys);
    }

    fn write_statuses(&self, memory: &mut Memory, networks: &[ObjectKey]) {
        let Memory { world, documents, outcomes, statuses, words, asked, incomplete, lists, watched, .. } = memory;
        for key in networks {
            let written = || self.store.read_status(key).map(|written| status::restore(&self.setting, &written));
            let old = statuses.get(key).cloned().or_else(written);
            let now = Timestamp::now();
            let seen = status::Seen { world, documents, outcomes, words, lists: Some(lists.standings()) };
            let mut new = status::of_network(key, seen, &self.setting, old.as_ref(), now);
            if let (Some(new), Some((value, open))) = (&mut new, asked.get(key))
                && open.is_empty()
            {
                new.handled = Some(value.clone());
            }
            let Some(new) = new.filter(|new| Some(new) != statuses.get(key)) else {
                continue;
            };
            // What stands there is as true as before until the targets were looked at; but not for long.
            let says_the_same = |old: &NetworkStatus| Some(old.observed_generation) == new.generation();
            if new.is_complete() || !old.as_ref().is_some_and(says_the_same) {
                incomplete.remove(key);
            } else if incomplete.entry(key.clone()).or_insert(now).duration_until(now) < INCOMPLETE_FOR {
                watched.found(key, old.as_ref());
                continue;
            }
            match self.store.write_status(key, &(&new).into()) {
                Ok(written) => {
                    statuses.insert(key.clone(), new);
                    watched.changed();
                    if written {
                        self.arm.metrics().status_written("AmlNetwork", true);
                    }
                }
                Err(error) => {
                    self.arm.metrics().status_written("AmlNetwork", false);
                    tracing::error!(network = %key, %error, "the status cannot be written");
                }
            }
        }
    }
}

/// Brings what is remembered to where it is kept.
async fn save<S: Store>(store: Arc<S>, arm: Arc<Arm>) {
    let saved = store.save().await;
    if saved.is_err() {
        arm.metrics().not_kept("Memory");
    }
    said::kept(&"all targets", saved.as_ref().err().map(|error| error as _));
}

/// Networks whose `amlnet.dev/reconcile-at` was set anew.
fn asked_again(old: &World, new: &World) -> BTreeSet<ObjectKey> {
    let asked = new.networks.iter().filter(|(key, held)| {
        let before = old.networks.get(*key).map(|held| &held.object.reconcile_at);
        before.is_some_and(|before| *before != held.object.reconcile_at)
    });
    asked.map(|(key, _)| key.clone()).collect()
}

/// Progress in the log.
#[derive(Debug)]
struct Logged;

impl Progress for Logged {
    fn started(&self, id: &ResourceId, steps: usize) {
        tracing::debug!(target_id = %id, steps, "applying a plan");
    }

    fn taken(&self, _: &ResourceId, _: &Step) {}
}

/// Says what became of approvals, once each time that it changes.
fn say_about_approvals(memory: &mut Memory) {
    let networks = memory.world.networks.keys().cloned().collect();
    let words = outcome::words(&memory.approvals, &networks, memory.outcomes.values(), Timestamp::now());
    for word in words.iter().filter(|word| !memory.words.contains(word)) {
        said::approval(word);
    }
    memory.words = words;
}
