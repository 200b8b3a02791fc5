//! The cluster crate from outside: what a test may rely on when it uses it.

#![allow(clippy::unwrap_used, reason = "the functions that tests share are tests too")]
#![allow(clippy::print_stderr, reason = "figures of the start, for who asks with --nocapture")]

mod access;
mod binaries;
mod ends;
mod image;
mod node;
mod objects;
mod proxy;

use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until `condition` holds, and fails when it does not in time.
#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
