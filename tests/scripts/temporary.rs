//! The folder of `make test` for what tests write: `tests/temporary.sh`.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What the script prints, with TMPDIR or none, where a folder takes the place of the one in memory, and so many KiB are
/// plenty.
fn folder(tmpdir: Option<&Path>, memory: &Path, kib: u64) -> PathBuf {
    let mut command = Command::new("sh");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/temporary.sh")).arg(std::process::id().to_string());
    command.env_remove("TMPDIR").env("MEMORY_FOLDER", memory).env("MEMORY_KIB", kib.to_string());
    if let Some(tmpdir) = tmpdir {
        command.env("TMPDIR", tmpdir);
    }
    let ran = command.output().unwrap();
    assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?}");
    let text = String::from_utf8(ran.stdout).unwrap();
    let folder = PathBuf::from(text.strip_suffix('\n').unwrap());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "{text}");
    folder
}

fn temporary() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn who_sets_tmpdir_gets_it() {
    let (wanted, memory) = (temporary(), temporary());
    let [one, two] = [0, 1].map(|_| folder(Some(wanted.path()), memory.path(), 0));
    assert_eq!([one.parent(), two.parent()], [Some(wanted.path()); 2]);
    assert_ne!(one, two);
}

#[cfg(target_os = "linux")]
#[test]
fn it_is_in_memory_where_there_is_plenty() {
    let memory = temporary();
    assert_eq!(folder(None, memory.path(), 0).parent(), Some(memory.path()));
}

#[test]
fn without_memory_or_enough_of_it_it_is_among_temporary_files() {
    let memory = temporary();
    for (place, kib) in [(memory.path(), u64::from(u32::MAX) * 1024), (&memory.path().join("missing"), 0)] {
        let found = folder(None, place, kib);
        assert_eq!(found.parent(), Some(Path::new("/tmp")));
        std::fs::remove_dir(found).unwrap();
    }
    assert_eq!(std::fs::read_dir(memory.path()).unwrap().count(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_process_left_that_is_gone_does_not_stay_in_memory() {
    let (wanted, memory) = (temporary(), temporary());
    // Above what Linux gives to any process.
    let [gone, there, other] =
        ["amlnet-test-4194305.abcdef", &format!("amlnet-test-{}.abcdef", std::process::id()), "other"]
            .map(|name| memory.path().join(name));
    for folder in [&gone, &there, &other] {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("file"), "").unwrap();
    }
    folder(Some(wanted.path()), memory.path(), 0);
    assert_eq!([&gone, &there, &other].map(|folder| folder.exists()), [false, true, true]);
}
