//! Why there is no cluster. Each text says what was wrong, where, and what to do.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{action} {}: {source}", path.display())]
    File { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error(
        "there is no cache folder: neither XDG_CACHE_HOME nor HOME is set. Set one, or put the programs that \
         tests/cluster/README.md names on PATH"
    )]
    NoCache,
    #[error(
        "{program} was not found in KUBEBUILDER_ASSETS, on PATH or in {}, and cannot be built: {why}. Install Go \
         (go.mod of tests/cluster/go says which version), or put {program} on PATH",
        cache.display()
    )]
    NoGo { program: &'static str, cache: PathBuf, why: String },
    #[error("{program} cannot be built from {}: {why}", source_folder.display())]
    Build { program: &'static str, source_folder: PathBuf, why: String },
    #[error("certificates for the API server cannot be made: {0}")]
    Certificates(#[from] rcgen::Error),
    #[error("an image for the node cannot be made: {0}")]
    Image(#[from] crate::image::Error),
    #[error("no port on 127.0.0.1 could be had: {0}")]
    Port(std::io::Error),
    #[error("user {name:?} cannot be written into a token file: {why}")]
    User { name: String, why: &'static str },
    #[error("{what} of its own cannot be made: {why}")]
    Namespace { what: &'static str, why: String },
    #[error("{program} cannot be started: {source}")]
    Spawn { program: String, source: std::io::Error },
    #[error("`{command}` failed: {why}")]
    Command { command: String, why: String },
    #[error("{program} {what}. The end of its log:\n{log}")]
    Server { program: &'static str, what: String, log: String },
}

impl Error {
    /// For `map_err` on anything that was done with a file.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
