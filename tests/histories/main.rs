//! Histories: sixteen months of real files, played by seed with people, faults, approvals and crashes.
//!
//! A failure names its seed; `AMLNET_SEEDS=17..18` plays it again, `make histories SEEDS=10000` plays more.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod additions;
mod replay;

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};

use replay::{Stage, Tally, play};

/// How many seeds there are in `make test`.
const SEEDS: u64 = 120;

/// What must have happened somewhere in so many histories.
const HAPPENS: [&str; 15] = [
    "added",
    "changed",
    "removed",
    "held by mode",
    "held by growth",
    "held by hold",
    "held by budget",
    "additions held for approval",
    "next hops held for approval",
    "removals held for approval",
    "approved",
    "documents held",
    "crashes",
    "memories lost",
    "Networks deleted",
];

fn stage() -> Option<&'static Stage> {
    static STAGE: LazyLock<Option<Stage>> = LazyLock::new(|| match Stage::open() {
        Ok(stage) => Some(stage),
        Err(why) => {
            // Not `eprintln`, which the test harness swallows.
            std::io::stderr().write_all(format!("{why}\n").as_bytes()).unwrap();
            None
        }
    });
    STAGE.as_ref()
}

/// `SEEDS` of them, as many as `AMLNET_SEEDS` says, or a range such as `17..18`.
fn seeds() -> std::ops::Range<u64> {
    let text = std::env::var("AMLNET_SEEDS").ok().filter(|text| !text.is_empty());
    let Some(text) = text else { return 0..SEEDS };
    let (first, last) = text.split_once("..").unwrap_or(("0", &text));
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("AMLNET_SEEDS: {text:?} is no number"));
    number(first)..number(last)
}

fn add(all: &mut Tally, more: Tally) {
    for (what, times) in more.0 {
        *all.0.entry(what).or_default() += times;
    }
}

#[test]
fn histories() {
    let Some(stage) = stage() else { return };
    let seeds = seeds();
    let (next, failed, tally) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()), Mutex::new(Tally::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    match catch_unwind(AssertUnwindSafe(|| play(stage, seed))) {
                        Ok(played) => add(&mut tally.lock().unwrap(), played),
                        Err(_) => failed.lock().unwrap().push(seed),
                    }
                }
            });
        }
    });
    let (failed, tally) = (failed.into_inner().unwrap(), tally.into_inner().unwrap());
    assert!(failed.is_empty(), "{} of {} failed (why: above): {failed:?}", failed.len(), seeds.end - seeds.start);
    if seeds.end - seeds.start >= SEEDS {
        let never: Vec<_> = HAPPENS.iter().filter(|what| !tally.0.contains_key(*what)).collect();
        assert!(never.is_empty(), "never happened: {never:?}; what did: {:?}", tally.0);
    }
    // What `make histories` shows.
    std::io::stdout().write_all(format!("{:?}\n", tally.0).as_bytes()).unwrap();
}

#[test]
fn the_same_seed_is_the_same_history() {
    let Some(stage) = stage() else { return };
    assert_eq!(play(stage, 5), play(stage, 5));
}
