//! The fence: whether this process may still write. Asked before each write, and every wait ends when it falls.

use tokio::sync::watch;

/// Says whether writes may still be sent. Falls when the process is asked to stop.
#[derive(Debug, Clone)]
pub struct Fence(watch::Receiver<bool>);

impl Fence {
    /// A fence and the switch that drops it (by sending `false`, or by being dropped).
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(true);
        (sender, Self(receiver))
    }

    pub fn holds(&self) -> bool {
        *self.0.borrow() && self.0.has_changed().is_ok()
    }

    /// Returns when the fence has fallen.
    pub async fn fallen(&self) {
        let mut receiver = self.0.clone();
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
        let (switch, fence) = Fence::new();
        drop(switch);
        fence.fallen().await;
        assert!(!fence.holds());
    }
}
