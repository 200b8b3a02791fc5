//! The fence: whether this process may still write. Asked before each write, and every wait ends when it falls.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::watch;

/// Somebody who knows whether this process may still write: it is asked before each write.
pub type Word = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// Says whether writes may still be sent. Falls when the process is asked to stop.
#[derive(Clone)]
pub struct Fence {
    holds: watch::Receiver<bool>,
    word: Option<Word>,
}

impl std::fmt::Debug for Fence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fence").field("holds", &self.holds()).finish_non_exhaustive()
    }
}

impl Fence {
    /// A fence and the switch that drops it (by sending `false`, or by being dropped).
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(true);
        (sender, Self { holds: receiver, word: None })
    }

    /// The same fence, which also asks somebody.
    #[must_use]
    pub fn with_word(self, word: Word) -> Self {
        Self { word: Some(word), ..self }
    }

    pub fn holds(&self) -> bool {
        *self.holds.borrow() && self.holds.has_changed().is_ok()
    }

    /// Whether a write may be sent now.
    pub async fn asked(&self) -> bool {
        if !self.holds() {
            return false;
        }
        match &self.word {
            Some(word) => tokio::select! {
                word = word() => word && self.holds(),
                () = self.fallen() => false,
            },
            None => true,
        }
    }

    /// Returns when the fence has fallen.
    pub async fn fallen(&self) {
        let mut receiver = self.holds.clone();
        // An error means that the switch is gone, which is a fall too.
        let _ = receiver.wait_for(|holds| !holds).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_fence_falls_when_it_is_told_to_or_its_switch_is_gone() {
        let (switch, fence) = Fence::new();
        assert!(fence.holds());
        switch.send(false).unwrap();
        fence.fallen().await;
        assert!(!fence.holds());
        let (_switch, fence) = Fence::new();
        assert!(fence.clone().with_word(Arc::new(|| Box::pin(async { true }))).asked().await);
        assert!(!fence.with_word(Arc::new(|| Box::pin(async { false }))).asked().await);
        let (switch, fence) = Fence::new();
        let fence = fence.with_word(Arc::new(|| Box::pin(std::future::pending())));
        drop(switch);
        assert!(!fence.asked().await, "nobody waits for a word that does not matter any more");
        fence.fallen().await;
        assert!(!fence.holds());
    }
}
