//! `approvals/`: one PlanApproval a file, written by `amlnet approve` or by hand.
//!
//! Their content counts, whatever the files are called. What cannot be read approves nothing and is said.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;

use super::folder;
use crate::api::read::{self, Approved};
use crate::domain::approval::{Approval, DEFAULT_EXPIRY};
use crate::domain::service_tags::Digest;
use crate::store::StoreError;

/// What was found: approvals, sorted, and what cannot be read.
type Found = (Vec<Approval>, Vec<StoreError>);

/// A folder of approvals, read again when one of its files is another.
#[derive(Debug)]
pub struct Approvals {
    folder: PathBuf,
    last: Mutex<Option<(Vec<Stamp>, Found)>>,
}

/// What tells a file from what it was.
type Stamp = (PathBuf, Option<SystemTime>, u64);

impl Approvals {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, last: Mutex::default() }
    }

    /// All approvals of the folder, and what cannot be read.
    pub fn load(&self) -> Found {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&self.folder);
        if let Some((known, found)) = &*last
            && *known == stamps
        {
            return found.clone();
        }
        let found = load(&self.folder);
        // A file that cannot be read now may be readable in a moment, and look the same.
        *last = found.1.is_empty().then(|| (stamps, found.clone()));
        found
    }
}

fn stamps(folder: &Path) -> Vec<Stamp> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut stamps: Vec<Stamp> = entries
        .map(|entry| {
            let metadata = std::fs::metadata(entry.path()).ok();
            let modified = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
            (entry.path(), modified, metadata.map_or(0, |metadata| metadata.len()))
        })
        .collect();
    stamps.sort();
    stamps
}

fn load(folder: &Path) -> Found {
    let (mut approvals, mut problems) = (Vec::new(), Vec::new());
    let files = match folder::scan(folder) {
        Ok(files) => files,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            problems.push(StoreError { place: folder.display().to_string(), what: error.to_string() });
            Vec::new()
        }
    };
    for file in files {
        let mut refuse = |what: String| problems.push(StoreError { place: file.path.display().to_string(), what });
        let read = file.text.as_ref().map_err(Clone::clone).and_then(|text| read::read_approvals(text));
        match read {
            Ok(objects) => {
                for object in objects {
                    match object {
                        Ok(approved) => approvals.push(approval(&approved, &file.path)),
                        Err(error) => refuse(error.to_string()),
                    }
                }
            }
            Err(error) => refuse(error),
        }
    }
    approvals.sort();
    (approvals, problems)
}

fn approval(approved: &Approved, path: &Path) -> Approval {
    let Approved { subject, hash, approved_by, expires_at, name } = approved;
    let text = format!("{subject}\n{name}\n{hash}\n{approved_by:?}\n{expires_at:?}");
    let written = || std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let written = || Timestamp::try_from(written()?).ok();
    let expires_at =
        expires_at.or_else(|| written()?.checked_add(DEFAULT_EXPIRY).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    Approval {
        id: format!("{name} {}", Digest::of(text.as_bytes()).short()),
        subject: subject.clone(),
        hash: hash.clone(),
        approved_by: approved_by.clone(),
        expires_at,
    }
}

/// Writes an approval where `load` finds it.
pub fn write(folder: &Path, name: &str, text: &str) -> Result<std::path::PathBuf, StoreError> {
    let refuse = |error: std::io::Error| StoreError { place: folder.display().to_string(), what: error.to_string() };
    std::fs::create_dir_all(folder).map_err(refuse)?;
    let path = folder.join(format!("{name}.yaml"));
    super::replace(&path, text.as_bytes())?;
    Ok(path)
}

#[cfg(test)]
#[path = "approvals_tests.rs"]
mod tests;
