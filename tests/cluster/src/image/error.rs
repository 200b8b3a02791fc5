//! Why there is no image. Each text says what was wrong, where, and what to do.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{action} {}: {source}", path.display())]
    File { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{}:{line}: {why}", path.display())]
    Dockerfile { path: PathBuf, line: usize, why: String },
    #[error("{program} cannot be started: {source}. {hint}")]
    Spawn { program: &'static str, source: std::io::Error, hint: &'static str },
    #[error("{program} failed ({status}): {said}")]
    Failed { program: &'static str, status: std::process::ExitStatus, said: String },
    #[error("{library}, which {} needs, was not found: run it on this machine first", binary.display())]
    Library { library: String, binary: PathBuf },
    #[error("{path:?} is too long a path for the archive: it may have 100 characters")]
    LongPath { path: String },
}

impl Error {
    /// For `map_err` on anything that was done with a file.
    pub(super) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
