//! Objects in a folder of YAML files, state in another: amlnet without Kubernetes.

pub mod approvals;
pub mod archive;
pub mod clocks;
pub mod folder;
pub mod journal;
pub mod lists;
pub mod state;

use std::path::Path;

use super::StoreError;

/// Replaces a file so that a crash or a full disk leaves either the old or the new one, whole.
fn replace(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let refuse = |error: std::io::Error| StoreError { place: path.display().to_string(), what: error.to_string() };
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".amlnet-").tempfile_in(folder).map_err(refuse)?;
    std::io::Write::write_all(&mut file, content).map_err(refuse)?;
    file.as_file().sync_all().map_err(refuse)?;
    file.persist(path).map_err(|error| refuse(error.error))?;
    // The rename itself must survive a crash too.
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(refuse)
}
