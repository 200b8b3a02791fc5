use futures::executor::block_on;

use super::*;
use crate::domain::service_tags::Document;
use crate::domain::testing;

fn text(number: u64, prefix: &str) -> String {
    testing::json(number, &[("AzureMachineLearning", "", &[prefix])])
}

fn record(text: &str) -> Record {
    let document = Document::parse(text.as_bytes()).unwrap();
    Record {
        change_number: document.change_number,
        file_date: jiff::civil::date(2025, 1, 6),
        date_is_published: true,
        digest: document.digest.to_string(),
        accepted_at: jiff::Timestamp::UNIX_EPOCH,
        source: "file".into(),
        strategy: "file".into(),
        tags: 1,
        prefixes: 1,
        validators: None,
    }
}

fn archive() -> (tempfile::TempDir, FileArchive) {
    let folder = tempfile::tempdir().unwrap();
    let archive = FileArchive::new(folder.path().join("public"));
    (folder, archive)
}

fn store(archive: &FileArchive, text: &str) -> Vec<u64> {
    block_on(archive.store(&record(text), text.as_bytes())).unwrap().iter().map(|record| record.change_number).collect()
}

fn newest(archive: &FileArchive) -> Option<u64> {
    block_on(archive.load()).unwrap().0.map(|accepted| accepted.document.change_number)
}

#[test]
fn the_newest_and_two_predecessors_are_kept() {
    let (_folder, archive) = archive();
    assert_eq!(newest(&archive), None);
    for number in 1..=5 {
        store(&archive, &text(number, &format!("20.0.{number}.0/24")));
    }
    assert_eq!(block_on(archive.load()).unwrap().1.iter().map(|r| r.change_number).collect::<Vec<_>>(), [5, 4, 3]);
    assert_eq!(newest(&archive), Some(5));
    assert_eq!(std::fs::read_dir(&archive.folder).unwrap().count(), 4);
}

#[test]
fn two_documents_with_one_change_number_are_both_kept() {
    let (_folder, archive) = archive();
    store(&archive, &text(346, "20.0.1.0/24"));
    assert_eq!(store(&archive, &text(346, "20.0.2.0/24")), [346, 346]);
}

#[test]
fn a_damaged_file_gives_way_to_its_predecessor() {
    let (_folder, archive) = archive();
    let (old, new) = (text(1, "20.0.1.0/24"), text(2, "20.0.2.0/24"));
    store(&archive, &old);
    store(&archive, &new);
    std::fs::write(archive.folder.join(file_name(&record(&new))), b"damaged").unwrap();
    assert_eq!(newest(&archive), Some(1));
    std::fs::copy(archive.folder.join(file_name(&record(&old))), archive.folder.join(file_name(&record(&new))))
        .unwrap();
    assert_eq!(newest(&archive), Some(1), "a valid document under another's name does not count");
}

#[test]
fn a_crash_before_the_index_leaves_the_old_document() {
    let (_folder, archive) = archive();
    store(&archive, &text(1, "20.0.1.0/24"));
    // What a crash leaves: the new file without its entry, and a temporary one.
    std::fs::write(archive.folder.join("2-0000000000000000.json.gz"), b"half").unwrap();
    std::fs::write(archive.folder.join(".amlnet-x"), b"half").unwrap();
    assert_eq!(newest(&archive), Some(1));
    assert_eq!(store(&archive, &text(3, "20.0.3.0/24")), [3, 1]);
}

#[test]
fn a_damaged_index_is_rebuilt_from_the_documents() {
    let (_folder, archive) = archive();
    store(&archive, &text(1, "20.0.1.0/24"));
    store(&archive, &text(2, "20.0.2.0/24"));
    std::fs::write(archive.folder.join(INDEX), b"[{").unwrap();
    assert_eq!(newest(&archive), Some(2));
    assert_eq!(store(&archive, &text(3, "20.0.3.0/24")), [3, 2, 1]);
}

#[test]
fn where_index_and_documents_are_lost_nothing_is_stored_over_them() {
    let (_folder, archive) = archive();
    let first = text(1, "20.0.1.0/24");
    store(&archive, &first);
    std::fs::write(archive.folder.join(INDEX), b"[{").unwrap();
    std::fs::remove_file(archive.folder.join(file_name(&record(&first)))).unwrap();
    assert!(block_on(archive.load()).unwrap_err().to_string().contains("moved away"));
    let other = text(2, "20.0.2.0/24");
    assert!(block_on(archive.store(&record(&other), other.as_bytes())).is_err());
    assert!(block_on(archive.load()).is_err(), "the next start says it too");
}
