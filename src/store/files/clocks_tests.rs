//! What was written is read; what was edited, cut short or is gone is lost.

use super::*;
use crate::domain::memory::Clock;
use crate::domain::testing::{noon, table_id};

fn memory(removals: usize) -> TargetMemory {
    let used = std::collections::BTreeMap::from([(format!("approval-{removals}"), noon())]);
    TargetMemory { removals: vec![Clock::start(noon()); removals], used, ..kept_alive() }
}

/// Memory that is not over.
fn kept_alive() -> TargetMemory {
    let address = crate::domain::testing::address("10.0.0.0/24");
    TargetMemory {
        unexplained: std::collections::BTreeMap::from([(address, Clock::start(noon()))]),
        ..TargetMemory::default()
    }
}

fn load(folder: &Path) -> Clocks {
    Clocks::load(folder, folder.join(FILE).exists(), noon())
}

/// A folder with a file of two removals, and a log that says three.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let clocks = load(folder.path());
    clocks.remember(&table_id("rt"), memory(2), false).unwrap();
    clocks.write().unwrap();
    clocks.remember(&table_id("rt"), memory(3), true).unwrap();
    folder
}

fn is_lost(clocks: &Clocks) -> bool {
    clocks.memory(&table_id("rt")) == TargetMemory::lost() && clocks.memory(&table_id("other")) == TargetMemory::lost()
}

#[test]
fn what_is_for_good_is_there_without_another_write() {
    let folder = folder();
    assert_eq!(load(folder.path()).memory(&table_id("rt")), memory(3));
    assert_eq!(load(folder.path()).memory(&table_id("other")), TargetMemory::default());
}

#[test]
fn what_is_not_for_good_is_there_after_the_next_write() {
    let folder = folder();
    let clocks = load(folder.path());
    clocks.remember(&table_id("rt"), memory(4), false).unwrap();
    assert_eq!(load(folder.path()).memory(&table_id("rt")), memory(3));
    clocks.write().unwrap();
    assert_eq!(load(folder.path()).memory(&table_id("rt")), memory(4));
    assert!(!folder.path().join(LOG).exists(), "the file has it all");
}

#[test]
fn a_line_that_a_crash_cut_short_was_never_relied_on() {
    let folder = folder();
    let path = folder.path().join(LOG);
    let mut log = std::fs::read(&path).unwrap();
    log.extend_from_slice(br#"{"after": "sha256"#);
    std::fs::write(&path, &log).unwrap();
    assert_eq!(load(folder.path()).memory(&table_id("rt")), memory(3));
}

#[test]
fn a_log_that_was_taken_into_the_file_already_is_not_read_again() {
    let folder = folder();
    let log = std::fs::read(folder.path().join(LOG)).unwrap();
    let clocks = load(folder.path());
    clocks.remember(&table_id("rt"), memory(5), false).unwrap();
    clocks.write().unwrap();
    // A crash between writing the file and taking the log away.
    std::fs::write(folder.path().join(LOG), log).unwrap();
    assert_eq!(load(folder.path()).memory(&table_id("rt")), memory(5));
}

#[test]
fn any_edit_of_the_file_is_a_loss() {
    for (from, to) in [("2026-01-05", "2025-01-05"), ("approval-3", "approval-9"), ("\"seal\":\"", "\"seal\":\"0")] {
        let folder = folder();
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(&path, text.replace(from, to)).unwrap();
        std::fs::remove_file(folder.path().join(LOG)).unwrap();
        assert!(is_lost(&load(folder.path())), "{from}");
    }
}

#[test]
fn any_edit_of_the_log_is_a_loss() {
    let edits: [fn(String) -> String; 4] = [
        |text| text.replace("2026-01-05", "2025-01-05"),
        |text| text.replace("approval-3", "approval-9"),
        |text| text.replace('{', "["),
        |text| format!("{text}{}\n", text.trim_end()),
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let folder = folder();
        let path = folder.path().join(LOG);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, edit(text)).unwrap();
        assert!(is_lost(&load(folder.path())), "{number}");
    }
}

#[test]
fn a_file_that_is_gone_where_one_was_is_a_loss_and_a_new_folder_is_none() {
    let folder = folder();
    std::fs::remove_file(folder.path().join(FILE)).unwrap();
    assert!(is_lost(&Clocks::load(folder.path(), true, noon())));
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(Clocks::load(empty.path(), false, noon()).memory(&table_id("rt")), TargetMemory::default());
}

#[test]
fn a_loss_is_remembered_for_seven_days_for_targets_that_were_not_looked_at() {
    let folder = folder();
    std::fs::write(folder.path().join(FILE), "{}").unwrap();
    let clocks = load(folder.path());
    clocks.remember(&table_id("rt"), memory(1), false).unwrap();
    clocks.write().unwrap();
    assert!(folder.path().join(UNUSABLE).exists());
    let later = |days: i64| {
        let now = noon() + jiff::SignedDuration::from_hours(24 * days);
        Clocks::load(folder.path(), true, now).memory(&table_id("other"))
    };
    assert_eq!((later(6), later(7)), (TargetMemory::lost(), TargetMemory::default()));
    assert_eq!(load(folder.path()).memory(&table_id("rt")), memory(1));
}

#[test]
fn what_is_over_is_forgotten() {
    let folder = folder();
    let clocks = load(folder.path());
    clocks.remember(&table_id("rt"), TargetMemory::default(), true).unwrap();
    clocks.write().unwrap();
    assert!(load(folder.path()).memories().is_empty());
}
