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

/// What went wrong with a file, and what to do where that is known. The same whenever it is the same: names of temporary
/// files are left out.
fn explain(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    let text = error.to_string();
    let text = text.split(" at path \"").next().unwrap_or_default();
    let advice = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the volume is full: make room, or give it more",
        ErrorKind::ReadOnlyFilesystem => "the volume is read-only: mount it so that amlnet may write",
        ErrorKind::PermissionDenied => "let the user that amlnet runs as write there (in a pod: fsGroup)",
        _ => return text.to_owned(),
    };
    format!("{text}; {advice}")
}

/// Replaces a file so that a crash or a full disk leaves either the old or the new one, whole.
fn replace(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let refuse = |error: std::io::Error| StoreError { place: path.display().to_string(), what: explain(&error) };
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".amlnet-").tempfile_in(folder).map_err(refuse)?;
    std::io::Write::write_all(&mut file, content).map_err(refuse)?;
    file.as_file().sync_all().map_err(refuse)?;
    file.persist(path).map_err(|error| refuse(error.error))?;
    // The rename itself must survive a crash too.
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::explain;

    #[test]
    fn what_can_be_done_is_said_and_no_name_that_changes() {
        for (kind, said) in [
            (ErrorKind::StorageFull, "the volume is full"),
            (ErrorKind::ReadOnlyFilesystem, "the volume is read-only"),
            (ErrorKind::PermissionDenied, "let the user that amlnet runs as write there"),
        ] {
            assert!(explain(&Error::from(kind)).contains(said));
        }
        let named = Error::other("it failed at path \"/state/.amlnet-Ab12\"");
        assert_eq!(explain(&named), "it failed");
    }
}
