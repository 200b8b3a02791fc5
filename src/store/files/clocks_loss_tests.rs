//! A memory that somebody took something away from is lost, whatever of it is left.

use super::*;
use crate::domain::memory::Clock;
use crate::domain::testing::{noon, table_id};

/// What is remembered after so many removals.
fn memory(removals: usize) -> TargetMemory {
    let unexplained = BTreeMap::from([(crate::domain::testing::address("20.1.0.0/26"), Clock::start(noon()))]);
    TargetMemory { unexplained, removals: vec![Clock::start(noon()); removals], ..TargetMemory::default() }
}

fn load(folder: &Path) -> Clocks {
    Clocks::load(folder, true, noon())
}

fn known(folder: &Path) -> TargetMemory {
    load(folder).memory(&table_id("rt"))
}

/// A folder whose file knows of two removals, and whose log of three, four and five.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let clocks = Clocks::load(folder.path(), false, noon());
    clocks.remember(&table_id("rt"), memory(2), false).unwrap();
    clocks.write().unwrap();
    for removals in 3..6 {
        clocks.remember(&table_id("rt"), memory(removals), true).unwrap();
    }
    assert_eq!(known(folder.path()), memory(5));
    folder
}

fn edit(folder: &Path, file: &str, how: impl FnOnce(&str) -> String) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, how(&text)).unwrap();
}

#[test]
fn a_file_that_was_cut_short_anywhere_is_lost() {
    let whole = std::fs::read(folder().path().join(FILE)).unwrap();
    for length in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
        let folder = folder();
        std::fs::write(folder.path().join(FILE), &whole[..length]).unwrap();
        assert_eq!(known(folder.path()), TargetMemory::lost(), "{length} of {} bytes", whole.len());
    }
}

#[test]
fn a_line_in_the_middle_of_the_log_that_is_gone_or_swapped_is_lost() {
    type Change = fn(Vec<&str>) -> Vec<&str>;
    let edits: [Change; 3] = [
        |lines| vec![lines[0], lines[2]],
        |lines| vec![lines[0], lines[2], lines[1]],
        |lines| vec![lines[0], lines[1], lines[1], lines[2]],
    ];
    for (number, change) in edits.into_iter().enumerate() {
        let folder = folder();
        edit(folder.path(), LOG, |text| change(text.lines().collect()).join("\n") + "\n");
        assert_eq!(known(folder.path()), TargetMemory::lost(), "{number}");
    }
}

#[test]
fn a_log_whose_first_line_is_gone_is_lost() {
    let folder = folder();
    edit(folder.path(), LOG, |text| text.split_inclusive('\n').skip(1).collect());
    assert_eq!(known(folder.path()), TargetMemory::lost());
}

#[test]
fn a_file_of_another_installation_beside_our_log_is_lost() {
    let (folder, other) = (folder(), tempfile::tempdir().unwrap());
    let clocks = Clocks::load(other.path(), false, noon());
    clocks.remember(&table_id("another"), memory(0), false).unwrap();
    clocks.write().unwrap();
    std::fs::copy(other.path().join(FILE), folder.path().join(FILE)).unwrap();
    assert_eq!(known(folder.path()), TargetMemory::lost());
}

#[test]
fn an_older_copy_of_the_file_beside_a_newer_log_is_lost() {
    let folder = folder();
    let copy = std::fs::read(folder.path().join(FILE)).unwrap();
    let clocks = load(folder.path());
    clocks.write().unwrap();
    clocks.remember(&table_id("rt"), memory(6), true).unwrap();
    std::fs::write(folder.path().join(FILE), copy).unwrap();
    assert_eq!(known(folder.path()), TargetMemory::lost());
}

#[test]
fn a_log_that_is_gone_is_lost() {
    let folder = folder();
    std::fs::remove_file(folder.path().join(LOG)).unwrap();
    assert_eq!(known(folder.path()), TargetMemory::lost(), "three removals would be allowed twice");
}

#[test]
fn where_both_are_gone_it_is_lost() {
    let folder = folder();
    std::fs::remove_file(folder.path().join(FILE)).unwrap();
    std::fs::remove_file(folder.path().join(LOG)).unwrap();
    assert_eq!(known(folder.path()), TargetMemory::lost());
}

#[test]
fn a_log_without_its_file_is_lost_also_where_nothing_else_tells_of_work() {
    let folder = folder();
    std::fs::remove_file(folder.path().join(FILE)).unwrap();
    let clocks = Clocks::load(folder.path(), false, noon());
    assert_eq!(clocks.memory(&table_id("rt")), TargetMemory::lost());
}

#[test]
fn a_log_that_is_not_text_is_lost() {
    let folder = folder();
    std::fs::write(folder.path().join(LOG), [0xff, 0xfe, b'\n']).unwrap();
    assert_eq!(known(folder.path()), TargetMemory::lost());
}

#[test]
fn a_log_that_cannot_be_read_is_lost() {
    let folder = folder();
    std::fs::remove_file(folder.path().join(LOG)).unwrap();
    std::fs::create_dir(folder.path().join(LOG)).unwrap();
    assert_eq!(known(folder.path()), TargetMemory::lost());
}

#[test]
fn what_follows_a_line_that_a_crash_cut_short_is_read() {
    // The file could not be written anew at the start, so the log goes on where the crash ended it.
    let folder = folder();
    edit(folder.path(), LOG, |text| format!("{text}{{\"after\": \"sha256"));
    let clocks = load(folder.path());
    clocks.remember(&table_id("rt"), memory(6), true).unwrap();
    assert_eq!(known(folder.path()), memory(6));
}

#[test]
fn what_follows_a_log_that_could_not_be_taken_away_is_read() {
    let folder = folder();
    let old = std::fs::read(folder.path().join(LOG)).unwrap();
    let clocks = load(folder.path());
    clocks.write().unwrap();
    std::fs::write(folder.path().join(LOG), old).unwrap();
    clocks.remember(&table_id("rt"), memory(6), true).unwrap();
    assert_eq!(known(folder.path()), memory(6));
}

#[test]
fn an_unusable_file_is_kept_once_for_a_person_and_the_next_start_goes_on() {
    let folder = folder();
    std::fs::write(folder.path().join(FILE), "{\"seal\": \"mine\"}").unwrap();
    let clocks = load(folder.path());
    clocks.write().unwrap();
    let aside = || std::fs::read_to_string(folder.path().join(UNUSABLE)).unwrap();
    assert_eq!(aside(), "{\"seal\": \"mine\"}");
    clocks.remember(&table_id("rt"), memory(1), false).unwrap();
    clocks.write().unwrap();
    assert_eq!(aside(), "{\"seal\": \"mine\"}", "what was written since is no reason to replace it");
    assert_eq!(known(folder.path()), memory(1));
}

#[test]
fn a_lost_folder_lets_no_target_believe_that_it_is_new() {
    let folder = folder();
    std::fs::write(folder.path().join(FILE), "").unwrap();
    let clocks = load(folder.path());
    assert_eq!(clocks.memory(&table_id("never-seen")), TargetMemory::lost());
    assert!(clocks.memories().is_empty());
}

#[test]
fn a_reader_changes_nothing_on_the_disk() {
    let folder = folder();
    std::fs::write(folder.path().join(FILE), "{}").unwrap();
    let _ = load(folder.path());
    assert_eq!(std::fs::read_to_string(folder.path().join(FILE)).unwrap(), "{}");
    assert!(!folder.path().join(UNUSABLE).exists());
}

#[test]
fn what_cannot_be_written_is_said_with_its_place() {
    let folder = folder();
    let clocks = load(folder.path());
    std::fs::remove_file(folder.path().join(LOG)).unwrap();
    std::fs::create_dir(folder.path().join(LOG)).unwrap();
    let error = clocks.remember(&table_id("rt"), memory(6), true).unwrap_err();
    assert!(error.place.ends_with(LOG), "{error}");
}

#[test]
fn a_start_by_a_clock_that_runs_ahead_forgets_nothing_of_a_target_that_is_in_use() {
    // Azure's time, by which a look forgets, is not known yet.
    let folder = folder();
    let ahead = noon() + jiff::SignedDuration::from_hours(30 * 24);
    assert_eq!(Clocks::load(folder.path(), true, ahead).memory(&table_id("rt")), memory(5));
}
