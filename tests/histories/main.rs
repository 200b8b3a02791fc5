//! Histories: sixteen months of real files, played by seed with people, faults, approvals and crashes.
//!
//! A failure names its seed; `AMLNET_SEEDS=17..18` plays it again, `make histories SEEDS=10000` plays more.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod additions;
mod replay;
mod rules;

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};

use replay::{Stage, Tally, play};

/// How many seeds there are in `make test`: of route tables, and of rules.
const SEEDS: u64 = 80;
const SEEDS_OF_RULES: u64 = 60;

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

/// What must have happened somewhere in so many histories of rules.
const HAPPENS_WITH_RULES: [&str; 14] = [
    "IP groups written",
    "policies written",
    "security rules written",
    "failed writes",
    "held by mode",
    "held by hold",
    "held by budget",
    "removals held for approval",
    "approved",
    "crashes",
    "memories lost",
    "Networks deleted",
    "removed from a rule",
    "strangers in our group",
];

/// `usual` of them, as many as `AMLNET_SEEDS` says, or a range such as `17..18`.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let text = std::env::var("AMLNET_SEEDS").ok().filter(|text| !text.is_empty());
    let Some(text) = text else { return 0..usual };
    let (first, last) = text.split_once("..").unwrap_or(("0", &text));
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("AMLNET_SEEDS: {text:?} is no number"));
    number(first)..number(last)
}

fn add(all: &mut Tally, more: Tally) {
    for (what, times) in more.0 {
        *all.0.entry(what).or_default() += times;
    }
}

/// Plays all of them, as many at a time as there are cores; says which failed, and what never happened.
fn play_all(usual: u64, happens: &[&str], play: impl Fn(&Stage, u64) -> Tally + Sync) {
    let Some(stage) = stage() else { return };
    let seeds = seeds(usual);
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
    if seeds.end - seeds.start >= usual {
        let never: Vec<_> = happens.iter().filter(|what| !tally.0.contains_key(*what)).collect();
        assert!(never.is_empty(), "never happened: {never:?}; what did: {:?}", tally.0);
    }
    // What `make histories` shows.
    std::io::stdout().write_all(format!("{:?}\n", tally.0).as_bytes()).unwrap();
}

#[test]
fn histories() {
    play_all(SEEDS, &HAPPENS, play);
}

#[test]
fn histories_of_rules() {
    play_all(SEEDS_OF_RULES, &HAPPENS_WITH_RULES, rules::play);
}

#[test]
fn the_same_seed_is_the_same_history() {
    let Some(stage) = stage() else { return };
    assert_eq!(play(stage, 5), play(stage, 5));
    assert_eq!(rules::play(stage, 5), rules::play(stage, 5));
}
