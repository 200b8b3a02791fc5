//! One line for each write, also after a crash in between.

use super::*;
use crate::domain::testing::table_id;

fn line(write: &str) -> AuditLine {
    AuditLine {
        at: "2026-01-05T12:00:00Z".to_owned(),
        write: write.to_owned(),
        installation: "prod".to_owned(),
        target: table_id("rt").to_string(),
        action: "Add".to_owned(),
        entry: "amlnet.prod.20.1.0.0_26".to_owned(),
        contributors: vec!["ns/ml".to_owned()],
        wanted_by: vec!["ns/ml".to_owned()],
        plan: "sha256:0".to_owned(),
        documents: Vec::new(),
        approvals: Vec::new(),
        before: None,
        after: None,
        added: Vec::new(),
        changed: Vec::new(),
        removed: Vec::new(),
        result: String::new(),
        code: None,
        correlation_id: None,
    }
}

fn lines(folder: &Path) -> Vec<AuditLine> {
    let text = std::fs::read_to_string(folder.join(LINES)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_write_is_open_until_it_ends_and_then_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, target) = (Journal::new(folder.path()), table_id("rt"));
    journal.begin(&target, &line("one")).unwrap();
    assert_eq!(Journal::new(folder.path()).open(&target), Some(line("one")), "another process sees it");
    assert_eq!(journal.open(&table_id("other")), None);
    assert_eq!(lines(folder.path()), []);
    let ended = line("one").ended("Succeeded", None, Some("id".to_owned()));
    journal.end(&target, &ended).unwrap();
    assert_eq!((lines(folder.path()), journal.open(&target)), (vec![ended], None));
}

#[test]
fn a_line_that_stands_already_is_not_written_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, target) = (Journal::new(folder.path()), table_id("rt"));
    journal.begin(&target, &line("one")).unwrap();
    let ended = line("one").ended("Succeeded", None, None);
    journal.end(&target, &ended).unwrap();
    // A crash after the line and before what was open is taken away.
    journal.begin(&target, &line("one")).unwrap();
    journal.end(&target, &line("one").ended("Found", None, None)).unwrap();
    assert_eq!(lines(folder.path()), [ended]);
}

#[test]
fn a_line_that_a_crash_cut_short_is_taken_away_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, target) = (Journal::new(folder.path()), table_id("rt"));
    journal.end(&target, &line("one").ended("Succeeded", None, None)).unwrap();
    let path = folder.path().join(LINES);
    let mut text = std::fs::read(&path).unwrap();
    text.extend_from_slice(br#"{"at": "2026"#);
    std::fs::write(&path, text).unwrap();
    journal.end(&target, &line("two").ended("Succeeded", None, None)).unwrap();
    let writes: Vec<String> = lines(folder.path()).into_iter().map(|line| line.write).collect();
    assert_eq!(writes, ["one", "two"]);
}

#[test]
fn many_at_once_leave_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::new(folder.path());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let journal = &journal;
            scope.spawn(move || {
                for number in 0..25 {
                    let target = table_id(&format!("rt-{thread}"));
                    let line = line(&format!("{thread}.{number}."));
                    journal.begin(&target, &line).unwrap();
                    journal.end(&target, &line.ended("Succeeded", None, None)).unwrap();
                }
            });
        }
    });
    assert_eq!(lines(folder.path()).len(), 200);
}

#[test]
fn what_cannot_be_written_is_said_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(OPEN), "a file where the folder should be").unwrap();
    let error = Journal::new(folder.path()).begin(&table_id("rt"), &line("one")).unwrap_err();
    assert!(error.to_string().contains(OPEN), "{error}");
}

#[test]
fn a_write_whose_name_another_line_only_mentions_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, target) = (Journal::new(folder.path()), table_id("rt"));
    let first = AuditLine { approvals: vec!["one two".to_owned()], ..line("three") };
    journal.end(&target, &first).unwrap();
    for write in ["one", "two", "thre", "hree"] {
        journal.end(&target, &line(write)).unwrap();
    }
    assert_eq!(lines(folder.path()).len(), 5);
}

#[test]
fn a_log_longer_than_what_is_read_of_it_keeps_all_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, target) = (Journal::new(folder.path()), table_id("rt"));
    let long = "\u{e4}".repeat(1000);
    for number in 0..100 {
        let line = AuditLine { plan: long.clone(), ..line(&format!("number {number}")) };
        journal.end(&target, &line).unwrap();
    }
    assert!(std::fs::metadata(folder.path().join(LINES)).unwrap().len() > 2 * TAIL_BYTES);
    let writes: Vec<String> = lines(folder.path()).into_iter().map(|line| line.write).collect();
    assert_eq!(writes, (0..100).map(|number| format!("number {number}")).collect::<Vec<_>>());
}

#[test]
fn a_note_that_is_damaged_is_no_open_write_and_keeps_the_next_from_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, target) = (Journal::new(folder.path()), table_id("rt"));
    journal.begin(&target, &line("one")).unwrap();
    std::fs::write(journal.open_path(&target), "{").unwrap();
    assert_eq!(journal.open(&target), None);
    journal.begin(&target, &line("two")).unwrap();
    assert_eq!(journal.open(&target).map(|line| line.write), Some("two".to_owned()));
}

#[test]
fn the_last_note_of_a_write_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, target) = (Journal::new(folder.path()), table_id("rt"));
    journal.begin(&target, &line("one")).unwrap();
    let accepted = AuditLine { correlation_id: Some("id".to_owned()), ..line("one") };
    journal.begin(&target, &accepted).unwrap();
    assert_eq!(journal.open(&target), Some(accepted));
    assert_eq!(std::fs::read_dir(folder.path().join(OPEN)).unwrap().count(), 1);
}

#[test]
fn targets_do_not_share_their_open_writes_whatever_the_case_of_an_id() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::new(folder.path());
    journal.begin(&table_id("RT"), &line("one")).unwrap();
    assert!(journal.open(&table_id("rt")).is_some(), "the same table");
    assert!(journal.open(&table_id("rt2")).is_none());
}

#[test]
fn where_the_line_cannot_be_written_the_write_stays_open() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, target) = (Journal::new(folder.path()), table_id("rt"));
    journal.begin(&target, &line("one")).unwrap();
    std::fs::create_dir(folder.path().join(LINES)).unwrap();
    let error = journal.end(&target, &line("one")).unwrap_err();
    assert!(error.place.ends_with(LINES), "{error}");
    assert_eq!(journal.open(&target), Some(line("one")));
}
