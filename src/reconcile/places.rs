//! Who is at work: as many targets as there are places. Whoever only waits gives his place to somebody else meanwhile.
//!
//! Must not know what is waited for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All places, and those who queue for one, first come first served.
#[derive(Debug, Clone)]
pub struct Places(Arc<Semaphore>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Place {
    all: Places,
    /// `None` while whoever has it waits.
    held: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Places {
    pub fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }

    /// Waits for a place.
    pub async fn take(&self) -> Place {
        Place { all: self.clone(), held: Mutex::new(self.permit().await) }
    }

    /// There always is one in the end: the semaphore is never closed.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.0.clone().acquire_owned().await.ok()
    }
}

impl Place {
    /// Waits for `what`. Where it takes longer than `patience`, somebody else works meanwhile.
    pub async fn leave_for<T>(&self, patience: Duration, what: impl Future<Output = T>) -> T {
        tokio::pin!(what);
        if let Ok(value) = tokio::time::timeout(patience, &mut what).await {
            return value;
        }
        drop(self.held().take());
        let value = what.await;
        let permit = self.all.permit().await;
        *self.held() = permit;
        value
    }

    /// A panic while it is held has ended the work that it was for.
    fn held(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_leaves_his_place_and_takes_one_again_before_he_goes_on() {
        let places = Places::new(1);
        let first = places.take().await;
        let second = places.take();
        tokio::pin!(second);
        assert!(poll!(second.as_mut()).is_pending(), "there is one place");
        let operation = Notify::new();
        let waiting = first.leave_for(Duration::ZERO, operation.notified());
        tokio::pin!(waiting);
        // Once to see that it takes long, once more where the timer says so a little later.
        let second = loop {
            assert!(poll!(waiting.as_mut()).is_pending());
            if let std::task::Poll::Ready(second) = poll!(second.as_mut()) {
                break second;
            }
            tokio::task::yield_now().await;
        };
        operation.notify_one();
        assert!(poll!(waiting.as_mut()).is_pending(), "somebody else is in his place");
        drop(second);
        waiting.await;
        let third = places.take();
        tokio::pin!(third);
        assert!(poll!(third.as_mut()).is_pending(), "it is taken again");
    }

    #[tokio::test]
    async fn a_short_wait_keeps_the_place() {
        let places = Places::new(1);
        let first = places.take().await;
        let next = places.take();
        tokio::pin!(next);
        assert!(poll!(next.as_mut()).is_pending());
        assert_eq!(first.leave_for(Duration::from_secs(600), async { 7 }).await, 7);
        assert!(poll!(next.as_mut()).is_pending());
        drop(first);
        next.await;
    }
}
