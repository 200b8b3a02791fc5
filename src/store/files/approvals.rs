//! `approvals/`: one PlanApproval a file, written by `amlnet approve` or by hand.
//!
//! Their content counts, whatever the files are called. What cannot be read approves nothing and is said.

use std::path::Path;

use jiff::Timestamp;

use super::folder;
use crate::api::read::{self, Approved};
use crate::domain::approval::{Approval, DEFAULT_EXPIRY};
use crate::domain::service_tags::Digest;
use crate::store::StoreError;

/// All approvals of the folder, sorted, and what cannot be read.
pub fn load(folder: &Path) -> (Vec<Approval>, Vec<StoreError>) {
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
