//! How fast ARM may be asked: when each request may go, so that no budget of a subscription is used up.
//!
//! A pure value: the clock is an argument, nothing sleeps or reads an answer here. Must not be told of a resource that
//! another operation holds (`Class::Busy`: 429 `RetryableErrorDueToAnotherOperation`, 409 `AnotherOperationInProgress`):
//! a lock says nothing about a budget.
//!
//! What is counted, for the one principal of this process:
//! - ARM's own buckets for reads, writes and deletes, one set a subscription. ARM's documentation: they are "per region"
//!   since 2024, and that is the region where requests reach ARM, not the resource's; one process reaches it in one.
//! - The global buckets of a subscription, which all principals share.
//! - The network provider's windows, one set for each subscription and region of the resources.
//!
//! Every request waits in the queue of its region and kind until all of them have room. A caller asks, sleeps until the
//! time it is told, and asks again, which keeps its place; so a refusal that came meanwhile reaches those who sleep.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How much of each limit is used, in percent. The rest is for clocks, for requests under way and for people.
const SHARE: u32 = 95;
/// How much of what reads and polls share is left to polls, in percent: a write that was accepted must be polled.
const FOR_POLLS: u32 = 20;
/// The network provider's sliding window (Azure's documentation 2020–2024).
const WINDOW: Duration = Duration::from_secs(300);
/// Nobody sleeps longer without asking again, but for `Retry-After`: good news must reach those who sleep, too.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A longer `Retry-After` is taken for a mistake. The longest period of a limit is an hour (China).
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// Two who wait are told times at least this far apart.
const STEP: Duration = Duration::from_millis(1);
/// Who does not ask again this long after the time it was told has gone away, and its place is given up.
const GRACE: Duration = Duration::from_secs(30);
/// A clock this much behind is only a caller that was overtaken; more is a clock that was set back.
const JITTER: Duration = Duration::from_secs(1);
/// The least time over which a refill is measured: over a shorter one, requests under way would count for too much.
const MEASURED_OVER: Duration = Duration::from_secs(10);

/// What a request does. ARM counts polls as reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Read,
    /// A look at an operation that was started.
    Poll,
    Write,
    Delete,
}

/// The budgets that ARM keeps apart.
const READS: usize = 0;
const WRITES: usize = 1;
const DELETES: usize = 2;

impl Kind {
    fn budget(self) -> usize {
        match self {
            Self::Read | Self::Poll => READS,
            Self::Write => WRITES,
            Self::Delete => DELETES,
        }
    }

    /// The percentage of a budget that this kind leaves to others.
    fn leaves(self) -> u32 {
        if self == Self::Read { FOR_POLLS } else { 0 }
    }
}

/// A token bucket: so many requests at once, and so many a second after that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    pub size: u32,
    pub per_second: f64,
}

/// The limits to start from. Answers correct what they tell about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    pub reads: Rate,
    pub writes: Rate,
    pub deletes: Rate,
    /// How many times as much all principals of a subscription may use together.
    pub global: u32,
    /// Requests to the network provider in five minutes.
    pub provider_reads: u32,
    /// Writes and deletes together.
    pub provider_changes: u32,
}

impl Figures {
    /// ARM's documentation since 2024; recorded 2025-09. Headers of 2025-10 and later show larger buckets.
    pub const AZURE: Self = Self {
        reads: Rate { size: 250, per_second: 25.0 },
        writes: Rate { size: 200, per_second: 10.0 },
        deletes: Rate { size: 200, per_second: 10.0 },
        global: 15,
        provider_reads: 10_000,
        provider_changes: 1_000,
    };
    /// ARM's documentation for China: 12,000 reads, 1,200 writes and 15,000 deletes an hour. Half of them may go at
    /// once and the other half is spread, so that no hour has more.
    pub const CHINA: Self = Self {
        reads: Rate { size: 6_000, per_second: 6_000.0 / 3600.0 },
        writes: Rate { size: 600, per_second: 600.0 / 3600.0 },
        deletes: Rate { size: 7_500, per_second: 7_500.0 / 3600.0 },
        ..Self::AZURE
    };
}

/// What an answer says is left (`x-ms-ratelimit-remaining-subscription-…`). No answer has all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Remaining {
    /// Of this principal's reads, writes and deletes. Not sent any more since 2025-10.
    principal: [Option<u32>; 3],
    /// Of the whole subscription's.
    global: [Option<u32>; 3],
}

impl Remaining {
    /// Reads an answer's headers; `header` looks one up by its name in lower case.
    pub fn read<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Self {
        let all = |prefix: &str| {
            ["reads", "writes", "deletes"]
                .map(|budget| header(&format!("x-ms-ratelimit-remaining-subscription-{prefix}{budget}")))
                .map(|text| text.and_then(|text| text.trim().parse().ok()))
        };
        Self { principal: all(""), global: all("global-") }
    }
}

/// One request on its way: first it waits, then it is sent, and a repetition waits again.
#[derive(Debug)]
pub struct Request {
    subscription: String,
    region: String,
    kind: Kind,
    place: Option<u64>,
    sent: Option<Sent>,
}

impl Request {
    /// `region` is the resource's, as an ARM name or a display name; `""` where it is not known (yet).
    pub fn new(subscription: &str, region: &str, kind: Kind) -> Self {
        let (subscription, region) = (subscription.to_ascii_lowercase(), region.to_ascii_lowercase().replace(' ', ""));
        Self { subscription, region, kind, place: None, sent: None }
    }
}

/// When a request was let go, and after how many others of its budget.
#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Duration,
    taken: u64,
}

/// The answer to `ask`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Permit {
    /// Send it now; it is counted.
    Now,
    /// Sleep until this time and ask again with the same request. Nothing is counted yet, but the place is kept.
    At(Duration),
}

/// When requests may be sent. One value for a process.
#[derive(Debug)]
pub struct Limiter {
    figures: Figures,
    latest: Duration,
    subscriptions: BTreeMap<String, Subscription>,
}

impl Limiter {
    pub fn new(figures: Figures) -> Self {
        Self { figures, latest: Duration::ZERO, subscriptions: BTreeMap::new() }
    }

    /// May `request` be sent? `now` is the time since an arbitrary start, best read while the limiter is locked.
    pub fn ask(&mut self, request: &mut Request, now: Duration) -> Permit {
        let now = self.clock(now);
        let figures = self.figures;
        let (kind, leaves, budget) = (request.kind, request.kind.leaves(), request.kind.budget());
        let subscription = self.subscription(&request.subscription);
        let region = subscription.regions.entry(request.region.clone()).or_insert_with(|| Region::new(&figures));
        let queue = region.queues.entry(kind).or_default();
        let window = if budget == READS { &mut region.reads } else { &mut region.changes };
        let (index, number) = queue.place(request.place, now);
        let wanted = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let (principal, global) = (&mut subscription.principal[budget], &mut subscription.global[budget]);
        let start = now.max(subscription.paused[budget]);
        let due = start
            .max(queue.after_the_one_before(index))
            .max(principal.ready(wanted, leaves, now))
            .max(global.ready(wanted, leaves, now))
            .max(window.ready(wanted, leaves, now));
        if due > now {
            let told = start.saturating_add(bounded(due.saturating_sub(start)));
            queue.waiting[index] = Waiting { number, due, told };
            request.place = Some(number);
            return Permit::At(told);
        }
        queue.waiting.remove(index);
        principal.take();
        global.take();
        window.take(now);
        request.place = None;
        request.sent = Some(Sent { at: now, taken: principal.taken });
        Permit::Now
    }

    /// Takes in what an answer to `request` says is left; any answer, a refusal too.
    pub fn answered(&mut self, request: &Request, remaining: &Remaining, now: Duration) {
        let now = self.clock(now);
        let subscription = self.subscription(&request.subscription);
        for budget in [READS, WRITES, DELETES] {
            // How fast a bucket fills shows only where all that is taken out of it is ours: not in a global one.
            let sent = request.sent.filter(|_| request.kind.budget() == budget);
            if let Some(remaining) = remaining.principal[budget] {
                subscription.principal[budget].observe(remaining, sent, now);
            }
            if let Some(remaining) = remaining.global[budget] {
                subscription.global[budget].observe(remaining, None, now);
            }
        }
    }

    /// `request` was refused because a budget is used up (`Class::Throttled`): nothing of that budget is sent to the
    /// subscription before `retry_after` has passed, and then at the steady pace, for others use the budget too.
    pub fn throttled(&mut self, request: &Request, retry_after: Duration, now: Duration) {
        let now = self.clock(now);
        let subscription = self.subscription(&request.subscription);
        let budget = request.kind.budget();
        let until = now.saturating_add(retry_after.min(LONGEST_PAUSE)).max(subscription.paused[budget]);
        subscription.paused[budget] = until;
        subscription.principal[budget].refused(request.kind.leaves(), until);
    }

    fn subscription(&mut self, id: &str) -> &mut Subscription {
        self.subscriptions.entry(id.to_owned()).or_insert_with(|| Subscription::new(&self.figures))
    }

    /// The time that counts. Where the clock was set back, no time has passed.
    fn clock(&mut self, now: Duration) -> Duration {
        let behind = self.latest.saturating_sub(now);
        if behind > JITTER {
            self.subscriptions.values_mut().for_each(|subscription| subscription.set_back(behind));
            self.latest = now;
        }
        self.latest = self.latest.max(now);
        self.latest
    }
}

/// Waits up to 48 s are told as they are. Longer ones end within 60 s, in their order, and the caller asks again.
fn bounded(wait: Duration) -> Duration {
    let (exact, rest) = (LONGEST_WAIT * 4 / 5, (LONGEST_WAIT / 5).as_secs_f64());
    match wait.saturating_sub(exact).as_secs_f64() {
        0.0 => wait,
        excess => exact + Duration::from_secs_f64(rest * excess / (excess + rest)),
    }
}

#[derive(Debug)]
struct Subscription {
    principal: [Bucket; 3],
    global: [Bucket; 3],
    /// Until when nothing of a budget is sent.
    paused: [Duration; 3],
    regions: BTreeMap<String, Region>,
}

impl Subscription {
    fn new(figures: &Figures) -> Self {
        let (rates, factor) = ([figures.reads, figures.writes, figures.deletes], figures.global);
        let times = |rate: Rate| Rate { size: rate.size * factor, per_second: rate.per_second * f64::from(factor) };
        Self {
            principal: rates.map(Bucket::new),
            global: rates.map(times).map(Bucket::new),
            paused: [Duration::ZERO; 3],
            regions: BTreeMap::new(),
        }
    }

    fn set_back(&mut self, by: Duration) {
        let back = |time: &mut Duration| *time = time.saturating_sub(by);
        self.paused.iter_mut().for_each(back);
        for bucket in self.principal.iter_mut().chain(&mut self.global) {
            back(&mut bucket.at);
            bucket.seen = None;
        }
        for region in self.regions.values_mut() {
            for slot in region.reads.slots.iter_mut().chain(&mut region.changes.slots) {
                back(&mut slot.first);
                back(&mut slot.last);
            }
            for waiting in region.queues.values_mut().flat_map(|queue| &mut queue.waiting) {
                back(&mut waiting.due);
                back(&mut waiting.told);
            }
        }
    }
}

#[derive(Debug)]
struct Region {
    reads: Window,
    changes: Window,
    queues: BTreeMap<Kind, Queue>,
}

impl Region {
    fn new(figures: &Figures) -> Self {
        let window = |limit| Window { limit, used: 0, slots: VecDeque::new() };
        let (reads, changes) = (window(figures.provider_reads), window(figures.provider_changes));
        Self { reads, changes, queues: BTreeMap::new() }
    }
}

/// Who waits, in the order in which they first asked.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    /// When its turn is expected.
    due: Duration,
    /// When it was told to ask again.
    told: Duration,
}

impl Queue {
    /// Finds a place, or takes one at the end.
    fn place(&mut self, place: Option<u64>, now: Duration) -> (usize, u64) {
        let gone = |first: &Waiting| Some(first.number) != place && first.told.saturating_add(GRACE) < now;
        while self.waiting.front().is_some_and(gone) {
            self.waiting.pop_front();
        }
        let kept = place.and_then(|number| self.waiting.binary_search_by_key(&number, |waiting| waiting.number).ok());
        if let (Some(index), Some(number)) = (kept, place) {
            return (index, number);
        }
        let number = self.next;
        self.next += 1;
        self.waiting.push_back(Waiting { number, due: now, told: now });
        (self.waiting.len() - 1, number)
    }

    /// Not before the one in front. One that is late is not waited for: its request stays reserved.
    fn after_the_one_before(&self, index: usize) -> Duration {
        let before = index.checked_sub(1).and_then(|before| self.waiting.get(before));
        before.map_or(Duration::ZERO, |before| before.due.saturating_add(STEP))
    }
}

/// A token bucket as we believe it to be. `size` and `per_second` are the server's, `level` is what we may use of it.
#[derive(Debug)]
struct Bucket {
    known: Rate,
    size: f64,
    per_second: f64,
    level: f64,
    /// When `level` was right. Later than now only during a pause.
    at: Duration,
    /// How many were ever taken.
    taken: u64,
    /// The most that an answer said was left: what is kept for polls is a part of no more than that, or a bucket that is
    /// smaller than documented would be kept for them as a whole.
    shown: Option<f64>,
    seen: Option<Seen>,
}

/// The answer from which the refill is being measured.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Duration,
    sent: Duration,
    remaining: f64,
    taken: u64,
}

/// The part of a limit that is used.
fn share(whole: f64) -> f64 {
    whole * f64::from(SHARE) / 100.0
}

impl Bucket {
    fn new(known: Rate) -> Self {
        let size = f64::from(known.size);
        let (per_second, level) = (known.per_second, share(size));
        Self { known, size, per_second, level, at: Duration::ZERO, taken: 0, seen: None, shown: None }
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.level = (self.level + passed * share(self.per_second)).min(share(self.size));
        self.at = self.at.max(now);
    }

    /// The time from which `requests` more may be sent.
    fn ready(&mut self, requests: u32, leaves: u32, now: Duration) -> Duration {
        self.refill(now);
        let missing = f64::from(requests) + self.kept(leaves) - self.level;
        let wait = Duration::try_from_secs_f64(missing / share(self.per_second)).unwrap_or(LONGEST_PAUSE);
        // A millionth of a request is only what arithmetic loses.
        if missing < 1e-6 { now } else { self.at.saturating_add(wait) }
    }

    /// What a kind leaves to others.
    fn kept(&self, leaves: u32) -> f64 {
        share(self.shown.map_or(self.size, |shown| shown.min(self.size))) * f64::from(leaves) / 100.0
    }

    fn take(&mut self) {
        self.level -= 1.0;
        self.taken += 1;
    }

    /// The server says how many are left. Fewer than we believe counts at once. More than a bucket of our size can hold
    /// makes it larger, and a refill that was seen to be faster makes it faster; never beyond what was seen.
    fn observe(&mut self, remaining: u32, sent: Option<Sent>, now: Duration) {
        self.refill(now);
        // During a pause, Retry-After is the better word.
        if now < self.at {
            return;
        }
        let remaining = f64::from(remaining);
        self.shown = Some(self.shown.map_or(remaining, |shown| shown.max(remaining)));
        if remaining > self.size {
            self.level += share(remaining - self.size);
            self.size = remaining;
            self.seen = None;
        }
        // However little is left, the next request goes within ten seconds, if only to hear how it stands.
        let usable = (remaining - self.size + share(self.size)).max(-10.0 * share(self.per_second));
        self.level = self.level.min(usable);
        let long_ago = |seen: Seen| now.saturating_sub(seen.at) >= MEASURED_OVER;
        let Some(sent) = sent.filter(|_| self.seen.is_none_or(long_ago)) else { return };
        if let Some(seen) = self.seen {
            // Surely taken between the two answers, over the longest time that may lie between them.
            let taken = u32::try_from(sent.taken.saturating_sub(seen.taken)).unwrap_or(0);
            let gained = remaining - seen.remaining + f64::from(taken);
            self.per_second = self.per_second.max(gained / now.saturating_sub(seen.sent).as_secs_f64());
        }
        self.seen = Some(Seen { at: now, sent: sent.at.min(now), remaining, taken: self.taken });
    }

    /// It was empty after all: what was learnt about it is forgotten, and the first request goes at `until`.
    fn refused(&mut self, leaves: u32, until: Duration) {
        (self.size, self.per_second) = (f64::from(self.known.size), self.known.per_second);
        self.level = 1.0 + self.kept(leaves);
        self.at = until;
        self.seen = None;
    }
}

/// A sliding window of five minutes.
#[derive(Debug)]
struct Window {
    limit: u32,
    used: u32,
    slots: VecDeque<Slot>,
}

/// Requests that were sent within a tenth of a second. They leave the window with the last of them.
#[derive(Debug)]
struct Slot {
    first: Duration,
    last: Duration,
    count: u32,
}

impl Window {
    /// The time from which `requests` more may be sent, as far as the next five minutes tell.
    fn ready(&mut self, requests: u32, leaves: u32, now: Duration) -> Duration {
        while let Some(slot) = self.slots.front().filter(|slot| slot.last.saturating_add(WINDOW) <= now) {
            self.used -= slot.count;
            self.slots.pop_front();
        }
        let allowed = self.limit * SHARE / 100 * (100 - leaves) / 100;
        let excess = self.used.saturating_add(requests).saturating_sub(allowed);
        if excess == 0 {
            return now;
        }
        let mut leaving = 0;
        let enough = |slot: &&Slot| {
            leaving += slot.count;
            leaving >= excess
        };
        let slot = if excess > self.used { None } else { self.slots.iter().find(enough) };
        slot.map_or(now, |slot| slot.last).saturating_add(WINDOW)
    }

    fn take(&mut self, now: Duration) {
        self.used += 1;
        match self.slots.back_mut().filter(|slot| now.saturating_sub(slot.first) < Duration::from_millis(100)) {
            Some(slot) => (slot.last, slot.count) = (now, slot.count + 1),
            None => self.slots.push_back(Slot { first: now, last: now, count: 1 }),
        }
    }
}

#[cfg(test)]
#[path = "limiter_tests.rs"]
mod tests;
