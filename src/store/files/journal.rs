//! `audit.jsonl`, and `open/`: the writes of which it is not known yet how they ended.
//!
//! A write is noted under `open/` before it is sent, and becomes a line when its end is known, so that there is exactly
//! one line for each, also when the process dies in between. The folder is given up to a person: nothing reads it back.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::domain::resource_id::ResourceId;
use crate::domain::service_tags::Digest;
use crate::store::StoreError;
use crate::store::audit::AuditLine;

const LINES: &str = "audit.jsonl";
const OPEN: &str = "open";
/// A line is shorter than this; the last one may have been cut short by a crash.
const TAIL_BYTES: u64 = 64 << 10;

/// The audit of a state folder.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    /// One writer at a time, so that lines stay whole.
    writing: Mutex<()>,
}

impl Journal {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), writing: Mutex::default() }
    }

    fn open_path(&self, target: &ResourceId) -> PathBuf {
        let name = Digest::of(target.to_string().to_ascii_lowercase().as_bytes()).to_string();
        self.folder.join(OPEN).join(format!("{}.json", &name["sha256:".len()..]))
    }

    fn refuse(path: &Path, what: &std::io::Error) -> StoreError {
        StoreError { place: path.display().to_string(), what: super::explain(what) }
    }

    pub fn begin(&self, target: &ResourceId, line: &AuditLine) -> Result<(), StoreError> {
        let path = self.open_path(target);
        let text = serde_json::to_vec(line).map_err(|error| Self::refuse(&path, &error.into()))?;
        std::fs::create_dir_all(self.folder.join(OPEN)).map_err(|error| Self::refuse(&path, &error))?;
        // It has to survive the process, not the machine: no sync, which would cost more than the write itself.
        let next = path.with_extension("next");
        std::fs::write(&next, text).and_then(|()| std::fs::rename(&next, &path)).map_err(|error| {
            // What stood there before still does; half of a note says nothing.
            let _ = std::fs::remove_file(&next);
            Self::refuse(&path, &error)
        })
    }

    pub fn open(&self, target: &ResourceId) -> Option<AuditLine> {
        let text = std::fs::read(self.open_path(target)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Appends the line, once, whatever was left half done before.
    pub fn end(&self, target: &ResourceId, line: &AuditLine) -> Result<(), StoreError> {
        let path = self.folder.join(LINES);
        let text = serde_json::to_string(line).map_err(|error| Self::refuse(&path, &error.into()))? + "\n";
        {
            let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            append(&path, line, text.as_bytes()).map_err(|error| Self::refuse(&path, &error))?;
        }
        let open = self.open_path(target);
        match std::fs::remove_file(&open) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Self::refuse(&open, &error)),
            _ => Ok(()),
        }
    }
}

/// Appends a line unless the write stands there already; a line that a crash cut short is taken away first.
fn append(path: &Path, of: &AuditLine, line: &[u8]) -> std::io::Result<()> {
    let mut file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    // What a crash left open may have its line far above.
    let was_open = ["Found", "NotFound"].contains(&of.result.as_str());
    file.seek(SeekFrom::Start(if was_open { 0 } else { length.saturating_sub(TAIL_BYTES) }))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if String::from_utf8_lossy(&tail[..whole]).contains(&format!("\"write\":\"{}\"", of.write)) {
        return Ok(());
    }
    let end = length - (tail.len() - whole) as u64;
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end))?;
    file.write_all(line).inspect_err(|_| {
        // A full disk: what could not be written whole is not left half.
        let _ = file.set_len(end);
    })
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
