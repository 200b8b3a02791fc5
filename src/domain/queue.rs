//! When to reconcile which target: debounce, re-run when dirtied, back-off per key.
//!
//! A pure value: the clock is an argument, nothing sleeps here.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// Wait this long for more changes to the same key …
pub const DEBOUNCE: SignedDuration = SignedDuration::from_secs(2);
/// … but not longer than this after the first.
pub const DEBOUNCE_LIMIT: SignedDuration = SignedDuration::from_secs(10);
/// The first retry after a failure; doubled each time up to the last.
pub const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(5);
pub const LAST_RETRY: SignedDuration = SignedDuration::from_secs(300);

/// How a run ended, as far as the queue cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    Finished,
    /// Try again with back-off.
    Failed,
    /// Try again, not before this time has passed; later each time, so that two writers do not fight at full speed.
    After(SignedDuration),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Entry {
    due: Option<Timestamp>,
    first_offer: Option<Timestamp>,
    running: bool,
    failures: u32,
}

impl Entry {
    /// The wait before the next try: doubled each time, up to the last.
    fn again(&mut self, first: SignedDuration) -> SignedDuration {
        self.failures = (self.failures + 1).min(16);
        let doubled = first.saturating_mul(1_i32 << (self.failures - 1));
        doubled.min(LAST_RETRY.max(first))
    }
}

/// Keys with the times at which they are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue<K> {
    entries: BTreeMap<K, Entry>,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> Queue<K> {
    /// Something changed for `key`: run it after the debounce.
    pub fn offer(&mut self, key: K, now: Timestamp) {
        let entry = self.entries.entry(key).or_default();
        let first = *entry.first_offer.get_or_insert(now);
        entry.due = Some(later(now, DEBOUNCE).min(later(first, DEBOUNCE_LIMIT)));
        entry.failures = 0;
    }

    /// Run `key` at `at`, unless it is due before.
    pub fn schedule(&mut self, key: K, at: Timestamp) {
        let entry = self.entries.entry(key).or_default();
        entry.due = Some(entry.due.map_or(at, |due| due.min(at)));
    }

    /// Forget `key`, unless it runs (then it is forgotten when it is done).
    pub fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.due = None;
            entry.first_offer = None;
            if !entry.running {
                self.entries.remove(key);
            }
        }
    }

    /// Takes the key that has been due longest. A key that runs is not handed out again before it is done.
    pub fn next(&mut self, now: Timestamp) -> Option<K> {
        let due = self.entries.iter().filter(|(_, entry)| !entry.running);
        let (_, key) = due
            .filter_map(|(key, entry)| Some((entry.due.filter(|due| *due <= now)?, key)))
            .min_by_key(|(due, _)| *due)?;
        let key = key.clone();
        let entry = self.entries.get_mut(&key)?;
        *entry = Entry { running: true, failures: entry.failures, ..Entry::default() };
        Some(key)
    }

    /// When `next` will have something, if nothing else happens.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.entries.values().filter(|entry| !entry.running).filter_map(|entry| entry.due).min()
    }

    /// How many keys are due and not running, and since when the first of them is.
    pub fn overdue(&self, now: Timestamp) -> (usize, Option<Timestamp>) {
        let due = self.entries.values().filter(|entry| !entry.running).filter_map(|entry| entry.due);
        due.filter(|due| *due <= now).fold((0, None), |(count, oldest), due| {
            (count + 1, Some(oldest.map_or(due, |oldest: Timestamp| oldest.min(due))))
        })
    }

    pub fn running(&self) -> usize {
        self.entries.values().filter(|entry| entry.running).count()
    }

    /// A run ended. What was offered meanwhile stays due.
    pub fn done(&mut self, key: &K, done: Done, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.running = false;
        let retry = match done {
            Done::Finished => {
                entry.failures = 0;
                None
            }
            Done::After(wait) => Some(entry.again(wait)),
            Done::Failed => Some(entry.again(FIRST_RETRY)),
        };
        if let Some(retry) = retry {
            let at = later(now, retry);
            entry.due = Some(entry.due.map_or(at, |due| due.min(at)));
        }
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn offers_are_debounced_but_not_for_ever() {
        let mut queue = Queue::default();
        for second in 0..20 {
            queue.offer("rt", at(second));
        }
        assert_eq!(queue.next_due(), Some(at(10)));
        assert_eq!(queue.next(at(9)), None);
        assert_eq!(queue.next(at(10)), Some("rt"));
    }

    #[test]
    fn a_running_key_is_not_handed_out_twice_and_runs_again_when_dirtied() {
        let mut queue = Queue::default();
        queue.offer("rt", at(0));
        assert_eq!(queue.next(at(2)), Some("rt"));
        queue.offer("rt", at(3));
        assert_eq!(queue.next(at(60)), None);
        queue.done(&"rt", Done::Finished, at(60));
        assert_eq!(queue.next(at(60)), Some("rt"));
        queue.done(&"rt", Done::Finished, at(61));
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn failures_back_off_to_five_minutes_and_a_success_starts_anew() {
        let mut queue = Queue::default();
        queue.schedule("rt", at(0));
        let (mut now, mut waits) = (0, Vec::new());
        for _ in 0..9 {
            assert_eq!(queue.next(at(now)), Some("rt"));
            queue.done(&"rt", Done::Failed, at(now));
            let due = queue.next_due().unwrap().as_second();
            waits.push(due - now);
            now = due;
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(queue.next(at(now)), Some("rt"));
        queue.done(&"rt", Done::Finished, at(now));
        queue.schedule("rt", at(now));
        queue.next(at(now));
        queue.done(&"rt", Done::Failed, at(now));
        assert_eq!(queue.next_due(), Some(at(now + 5)));
    }

    #[test]
    fn the_longest_due_goes_first_and_a_removed_key_is_forgotten() {
        let mut queue = Queue::default();
        queue.schedule("b", at(1));
        queue.schedule("a", at(2));
        queue.schedule("c", at(0));
        queue.remove(&"c");
        assert_eq!([queue.next(at(5)), queue.next(at(5)), queue.next(at(5))], [Some("b"), Some("a"), None]);
    }

    #[test]
    fn what_is_due_and_not_running_is_overdue() {
        let mut queue = Queue::default();
        queue.schedule("a", at(1));
        queue.schedule("b", at(2));
        queue.schedule("c", at(9));
        assert_eq!((queue.overdue(at(0)), queue.running()), ((0, None), 0));
        assert_eq!((queue.overdue(at(5)), queue.running()), ((2, Some(at(1))), 0));
        queue.next(at(5));
        queue.offer("a", at(3));
        assert_eq!((queue.overdue(at(5)), queue.running()), ((1, Some(at(2))), 1));
    }

    #[test]
    fn a_requested_wait_is_kept_and_grows() {
        let mut queue = Queue::default();
        queue.schedule("rt", at(0));
        let (mut now, mut waits) = (0, Vec::new());
        for _ in 0..5 {
            queue.next(at(now));
            queue.done(&"rt", Done::After(SignedDuration::from_secs(42)), at(now));
            let due = queue.next_due().unwrap().as_second();
            waits.push(due - now);
            now = due;
        }
        assert_eq!(waits, [42, 84, 168, 300, 300]);
        let long = SignedDuration::from_secs(600);
        queue.next(at(now));
        queue.done(&"rt", Done::After(long), at(now));
        assert_eq!(queue.next_due(), Some(at(now + 600)), "a longer wait is not cut short");
    }
}
