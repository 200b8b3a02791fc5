//! Images for a node, as archives that container runtimes import (`docker save`'s format): no registry, no Docker.
//!
//! [`amlnet`] is what the Dockerfile describes, read from the Dockerfile, around a binary that is already built.
//! [`pause`] is what every pod needs first. Nothing here builds amlnet, downloads anything or imports an archive.

mod amlnet;
mod archive;
mod base;
mod dockerfile;
mod error;
mod pause;
mod tar;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use amlnet::amlnet;
pub use dockerfile::Dockerfile;
pub use error::Error;
pub use pause::pause;

/// One layer and how its program is started.
#[derive(Debug, Clone)]
pub struct Image {
    /// As Kubernetes spells it out: `registry/repository:tag`.
    pub name: String,
    pub config: Config,
    /// By path, without the leading slash. Folders stand before what is in them.
    files: BTreeMap<String, File>,
}

/// What the runtime is told. The names are those of the OCI image specification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    pub user: String,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub environment: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub working_folder: String,
}

#[derive(Debug, Clone)]
struct File {
    mode: u32,
    /// User and group: the base has no other pairs.
    owner: u32,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Folder,
    Text(String),
    /// Copied when the archive is written: a binary with its symbols is too large to keep in memory.
    Copy(PathBuf),
}

impl Image {
    fn new(name: &str, config: Config) -> Self {
        Self { name: name.to_owned(), config, files: BTreeMap::new() }
    }

    /// Folders above it that are missing belong to root and can be read by everyone.
    fn add(&mut self, path: &str, mode: u32, owner: u32, content: Content) {
        let path = path.trim_matches('/');
        for (at, _) in path.match_indices('/') {
            let folder = File { mode: 0o755, owner: 0, content: Content::Folder };
            self.files.entry(path[..at].to_owned()).or_insert(folder);
        }
        self.files.insert(path.to_owned(), File { mode, owner, content });
    }

    /// Writes the archive. The same image gives the same bytes.
    pub fn save(&self, archive: &Path) -> Result<(), Error> {
        archive::write(self, archive)
    }
}
