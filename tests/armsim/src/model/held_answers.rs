//! Answers that are kept until their key is released. Knows the released keys and whom to wake; the answers themselves
//! are the server's, and nothing here waits. Apart from the faults, so that what is held outlives them.

use super::world::World;
use std::{
    collections::{BTreeMap, BTreeSet},
    task::{Poll, Waker},
};

#[derive(Clone, Debug, Default)]
pub(super) struct HeldAnswers {
    released: BTreeSet<String>,
    waiting: BTreeMap<String, Vec<Waker>>,
}

impl World {
    /// Lets every answer with this key go, those that are yet to be held included.
    pub fn release_answers(&mut self, key: &str) {
        self.held_answers.released.insert(key.to_owned());
        for waker in self.held_answers.waiting.remove(key).unwrap_or_default() {
            waker.wake();
        }
    }

    /// Whether an answer with this key may go; while it may not, `waker` is remembered.
    pub fn poll_released(&mut self, key: &str, waker: &Waker) -> Poll<()> {
        if self.held_answers.released.contains(key) {
            return Poll::Ready(());
        }
        let waiting = self.held_answers.waiting.entry(key.to_owned()).or_default();
        if !waiting.iter().any(|known| known.will_wake(waker)) {
            waiting.push(waker.clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn who_waits_is_woken_once_by_its_own_key() {
        let mut world = World::default();
        let (one, two) = (Arc::<Woken>::default(), Arc::<Woken>::default());
        let woken = || (one.0.load(Ordering::SeqCst), two.0.load(Ordering::SeqCst));
        let (first, second) = (Waker::from(Arc::clone(&one)), Waker::from(Arc::clone(&two)));
        for (key, waker) in [("a", &first), ("a", &first), ("a", &second), ("b", &second)] {
            assert!(world.poll_released(key, waker).is_pending(), "{key}");
        }
        world.release_answers("c");
        assert_eq!(woken(), (0, 0));
        world.release_answers("a");
        assert_eq!(woken(), (1, 1));
        assert!(world.poll_released("a", &first).is_ready() && world.poll_released("b", &second).is_pending());
        world.release_answers("b");
        assert_eq!(woken(), (1, 2));
    }

    #[test]
    fn what_is_released_first_is_never_held_and_stays_released() {
        let mut world = World::default();
        world.release_answers("a");
        world.clear_faults();
        for _ in 0..2 {
            assert!(world.poll_released("a", Waker::noop()).is_ready());
        }
    }
}
