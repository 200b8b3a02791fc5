//! Ten thousand writes to one subscription on simulated time: how near the limiter comes to what ARM's budgets allow.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use amlnet::azure::limiter::{Figures, Kind, Limiter, Permit, Request};

const WRITES: usize = 10_000;

pub(crate) fn measure() {
    let mut limiter = Limiter::new(Figures::AZURE);
    let mut requests: Vec<Request> =
        (0..WRITES).map(|_| Request::new("00000000-0000-0000-0000-000000000001", "eastus2", Kind::Write)).collect();
    let mut events: BinaryHeap<_> = (0..WRITES).map(|index| Reverse((Duration::ZERO, index))).collect();
    let mut last = Duration::ZERO;
    while let Some(Reverse((now, index))) = events.pop() {
        match limiter.ask(&mut requests[index], now) {
            Permit::Now => last = last.max(now),
            Permit::At(time) => events.push(Reverse((time, index))),
        }
    }
    // The provider's 1,000 in five minutes ten times over; the last 800 of a window at ARM's 10 a second.
    let provider = Figures::AZURE.provider_changes as usize;
    let burst = Figures::AZURE.writes.size as usize;
    let full_windows = (WRITES / provider - 1) as f64 * 300.0;
    let bound = full_windows + (provider - burst) as f64 / Figures::AZURE.writes.per_second;
    let seconds = last.as_secs_f64();
    println!(
        "{WRITES} writes to one subscription, simulated: {seconds:.0} s, the budgets allow {bound:.0} s; ratio {:.2} (at most 1.1)",
        seconds / bound
    );
}
