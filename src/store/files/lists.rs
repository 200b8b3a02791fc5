//! `lists/<namespace>.<network>.<list>.json`: the lists that are served, each under a seal.
//!
//! What was edited, or is gone, counts as lost: the list is made anew from what is needed now. Must not decide what
//! stands in a list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::domain::list::{List, ListKey};
use crate::domain::service_tags::Digest;
use crate::store::{Published, StoreError};

/// A file as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    seal: String,
    key: ListKey,
    list: List,
}

#[derive(Debug, Default)]
struct Kept {
    lists: BTreeMap<ListKey, Arc<List>>,
    /// What differs from the files.
    open: BTreeSet<ListKey>,
}

/// All lists, and their files.
#[derive(Debug)]
pub struct Lists {
    folder: PathBuf,
    kept: Mutex<Kept>,
    published: watch::Sender<Published>,
}

impl Lists {
    /// Reads what is there. The folder need not exist.
    pub fn load(folder: PathBuf) -> Self {
        let mut kept = Kept::default();
        let entries = std::fs::read_dir(&folder).into_iter().flatten();
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match read(&path) {
                Ok((key, list)) if file(&folder, &key) == path => drop(kept.lists.insert(key, Arc::new(list))),
                Ok((key, _)) => tracing::error!(file = %path.display(), list = %key, "it is not the file of this list"),
                Err(what) => {
                    tracing::error!(
                        file = %path.display(),
                        what,
                        "what is remembered of a list is lost; it is made anew, without what was to stay for a while"
                    );
                }
            }
        }
        let published = watch::Sender::new(Some(Arc::new(kept.lists.clone())));
        Self { folder, kept: Mutex::new(kept), published }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lists that are served.
    pub fn published(&self) -> watch::Receiver<Published> {
        self.published.subscribe()
    }

    pub fn all(&self) -> BTreeMap<ListKey, Arc<List>> {
        self.kept().lists.clone()
    }

    pub fn remember(&self, key: &ListKey, list: Option<List>) {
        let mut kept = self.kept();
        match list {
            Some(list) => drop(kept.lists.insert(key.clone(), Arc::new(list))),
            None => drop(kept.lists.remove(key)),
        }
        kept.open.insert(key.clone());
    }

    /// Brings the files up to date, and serves the lists. A full disk does not keep new addresses from a firewall.
    pub fn write(&self) -> Result<(), StoreError> {
        let mut kept = self.kept();
        if kept.open.is_empty() {
            return Ok(());
        }
        let mut result = Ok(());
        for key in kept.open.clone() {
            match self.write_one(&key, kept.lists.get(&key)) {
                Ok(()) => drop(kept.open.remove(&key)),
                Err(error) => result = Err(error),
            }
        }
        let lists = Arc::new(kept.lists.clone());
        self.published.send_if_modified(|published| {
            let differs = published.as_ref().is_none_or(|published| **published != *lists);
            *published = Some(lists);
            differs
        });
        result
    }

    fn write_one(&self, key: &ListKey, list: Option<&Arc<List>>) -> Result<(), StoreError> {
        let path = file(&self.folder, key);
        let refuse = |what: String| StoreError { place: path.display().to_string(), what };
        let Some(list) = list else {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(refuse(error.to_string())),
                _ => Ok(()),
            };
        };
        let list = List::clone(list);
        let seal = seal(key, &list).map_err(|error| refuse(error.to_string()))?;
        let text = serde_json::to_string(&Sealed { seal, key: key.clone(), list });
        super::replace(&path, text.map_err(|error| refuse(error.to_string()))?.as_bytes())
    }
}

/// Bytes, with room for the name of a file that is being written.
const LONGEST_NAME: usize = 200;

fn file(folder: &Path, key: &ListKey) -> PathBuf {
    let name = format!("{}.{}.{}.json", key.network.namespace, key.network.name, key.name);
    if name.len() <= LONGEST_NAME {
        return folder.join(name);
    }
    // File systems take no longer ones; the file itself says of which list it is.
    folder.join(format!("{}.json", &Digest::of(name.as_bytes()).to_string()["sha256:".len()..]))
}

fn read(path: &Path) -> Result<(ListKey, List), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let Sealed { seal: stands, key, list } = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if seal(&key, &list).map_err(|error| error.to_string())? != stands {
        return Err("somebody edited it: the seal does not match".to_owned());
    }
    Ok((key, list))
}

fn seal(key: &ListKey, list: &List) -> serde_json::Result<String> {
    Ok(Digest::of(format!("{key}\n{}", serde_json::to_string(list)?).as_bytes()).to_string())
}
