//! Keeps what is known of a target over restarts.
//!
//! Must not decide what follows where that fails: whoever writes does.

use super::said;
use super::target::Bench;
use crate::domain::memory::TargetMemory;
use crate::domain::plan::TargetInput;

/// Remembers; where that fails, what depends on it is not done, and the rest goes on.
pub(super) async fn remember(bench: Bench<'_>, input: &TargetInput, memory: &TargetMemory, for_good: bool) {
    let remembered = bench.store.remember(&input.id, memory.clone(), for_good).await;
    if remembered.is_err() {
        bench.arm.metrics().not_kept("Memory");
    }
    said::kept(&input.id, remembered.as_ref().err().map(|error| error as _));
}
