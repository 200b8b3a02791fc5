//! Who writes what: resources that Azure changes together have one writer at a time in this process.
//!
//! Only avoids refusals and half-done operations of our own making. Whether Azure lets a write through is Azure's word.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Resources that are being written, by their ids in lower case.
#[derive(Debug, Default)]
pub struct Locks {
    held: Mutex<BTreeSet<String>>,
    released: Notify,
}

/// The right to write some resources, until it is dropped.
#[derive(Debug)]
pub struct Exclusive {
    locks: Arc<Locks>,
    keys: BTreeSet<String>,
}

impl Locks {
    /// All of them, or none: the first one that somebody else writes.
    pub fn take(self: &Arc<Self>, keys: &BTreeSet<String>) -> Result<Exclusive, String> {
        let keys: BTreeSet<String> = keys.iter().map(|key| key.to_ascii_lowercase()).collect();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = keys.intersection(&held).next() {
            return Err(taken.clone());
        }
        held.extend(keys.iter().cloned());
        Ok(Exclusive { locks: self.clone(), keys })
    }

    /// Waits while somebody writes it; whether somebody did.
    pub async fn wait_while_held(&self, key: &str) -> bool {
        let key = key.to_ascii_lowercase();
        let mut was_held = false;
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            if !self.held.lock().unwrap_or_else(PoisonError::into_inner).contains(&key) {
                return was_held;
            }
            was_held = true;
            released.await;
        }
    }

    /// Waits until all of them are free, and takes them.
    pub async fn wait(self: &Arc<Self>, keys: &BTreeSet<String>) -> Exclusive {
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            // Before it is looked: what is released between the look and the wait wakes it too.
            released.as_mut().enable();
            if let Ok(exclusive) = self.take(keys) {
                return exclusive;
            }
            released.await;
        }
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        let mut held = self.locks.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|key| !self.keys.contains(key));
        drop(held);
        self.locks.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_shares_a_resource_has_one_writer_and_the_rest_does_not_wait() {
        let locks = Arc::new(Locks::default());
        let first = locks.take(&keys(&["group-a", "Policy"])).unwrap();
        assert_eq!(locks.take(&keys(&["group-b", "policy"])).unwrap_err(), "policy");
        let other = locks.take(&keys(&["group-b", "policy-2"])).unwrap();
        drop(first);
        assert!(locks.take(&keys(&["group-c", "policy"])).is_ok());
        drop(other);
    }

    #[tokio::test]
    async fn whoever_waits_comes_next() {
        let locks = Arc::new(Locks::default());
        let first = locks.take(&keys(&["policy"])).unwrap();
        let wanted = keys(&["policy", "group"]);
        let second = locks.wait(&wanted);
        tokio::pin!(second);
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(first);
        drop(second.await);
        assert!(locks.take(&wanted).is_ok());
    }

    #[tokio::test]
    async fn whoever_only_looks_waits_for_the_end_of_a_write_and_hears_of_it() {
        let locks = Arc::new(Locks::default());
        assert!(!locks.wait_while_held("Policy").await);
        let writer = locks.take(&keys(&["policy", "group"])).unwrap();
        let look = locks.wait_while_held("Policy");
        tokio::pin!(look);
        assert!(futures::poll!(look.as_mut()).is_pending());
        drop(writer);
        assert!(look.await);
        assert!(!locks.wait_while_held("other").await);
    }
}
