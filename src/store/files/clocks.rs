//! `clocks.json`: what is remembered of every target, under a seal.
//!
//! The seal is a digest of the content. It does not keep anybody out: it tells what amlnet wrote from what somebody
//! edited. What was edited, or is gone, counts as lost: clocks and budgets start anew, and nothing is allowed by it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::memory::{BUDGET_WINDOW, TargetMemory};
use crate::domain::resource_id::ResourceId;
use crate::domain::service_tags::Digest;
use crate::store::StoreError;

const FILE: &str = "clocks.json";
/// Where a file that cannot be used is kept for a person to look at.
const UNUSABLE: &str = "clocks.json.unusable";

/// The file as it is written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sealed {
    seal: String,
    content: Content,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Content {
    /// When memory was lost, as long as targets may exist that were not looked at since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lost_at: Option<Timestamp>,
    /// By ARM id.
    targets: BTreeMap<String, TargetMemory>,
}

#[derive(Debug, Default)]
struct Kept {
    targets: BTreeMap<ResourceId, TargetMemory>,
    lost_at: Option<Timestamp>,
    /// Whether what is kept differs from the file.
    is_dirty: bool,
}

/// The memory of all targets, and its file.
#[derive(Debug)]
pub struct Clocks {
    path: PathBuf,
    kept: Mutex<Kept>,
}

impl Clocks {
    /// Reads the file in `folder`. With `expected`, a file that is not there is one that was lost.
    pub fn load(folder: &Path, expected: bool, now: Timestamp) -> Self {
        let path = folder.join(FILE);
        let found = match std::fs::read_to_string(&path) {
            Ok(text) => read(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !expected => Ok(Content::default()),
            Err(error) => Err(error.to_string()),
        };
        let kept = match found {
            Ok(content) => {
                let targets = content.targets.into_iter().filter_map(|(id, memory)| Some((id.parse().ok()?, memory)));
                let is_over = |at: &Timestamp| at.checked_add(BUDGET_WINDOW).is_ok_and(|end| end <= now);
                Kept { targets: targets.collect(), lost_at: content.lost_at.filter(|at| !is_over(at)), is_dirty: false }
            }
            Err(what) => {
                tracing::error!(
                    file = %path.display(),
                    what,
                    "what is remembered of the targets is lost; holds start anew, removals wait until 7 days are over, \
                     and changes of next hop need approval"
                );
                Kept { targets: BTreeMap::new(), lost_at: Some(now), is_dirty: true }
            }
        };
        Self { path, kept: Mutex::new(kept) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing that holds the lock can panic halfway through a change.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn memory(&self, target: &ResourceId) -> TargetMemory {
        let kept = self.kept();
        let lost = || kept.lost_at.map(TargetMemory::lost);
        kept.targets.get(target).cloned().or_else(lost).unwrap_or_default()
    }

    pub fn memories(&self) -> BTreeMap<ResourceId, TargetMemory> {
        self.kept().targets.clone()
    }

    /// Takes in what is remembered of a target; nothing is kept of one that is over.
    pub fn remember(&self, target: &ResourceId, memory: TargetMemory) {
        let mut kept = self.kept();
        if memory.is_over() {
            kept.is_dirty |= kept.targets.remove(target).is_some();
        } else if kept.targets.get(target) != Some(&memory) {
            kept.targets.insert(target.clone(), memory);
            kept.is_dirty = true;
        }
    }

    /// Brings the file up to date.
    pub fn write(&self) -> Result<(), StoreError> {
        let mut kept = self.kept();
        if !kept.is_dirty {
            return Ok(());
        }
        let targets = kept.targets.iter().map(|(id, memory)| (id.to_string(), memory.clone())).collect();
        let content = Content { lost_at: kept.lost_at, targets };
        let refuse =
            |error: serde_json::Error| StoreError { place: self.path.display().to_string(), what: error.to_string() };
        let seal = seal(&content).map_err(refuse)?;
        let text = serde_json::to_string(&Sealed { seal, content }).map_err(refuse)?;
        if kept.lost_at.is_some() {
            // Whatever stands there is kept once, for a person to look at.
            let aside = self.path.with_file_name(UNUSABLE);
            if std::fs::read_to_string(&self.path).is_ok_and(|text| read(&text).is_err()) {
                std::fs::rename(&self.path, &aside).unwrap_or_else(|error| {
                    tracing::warn!(file = %aside.display(), %error, "the file that cannot be used is not kept");
                });
            }
        }
        super::replace(&self.path, text.as_bytes())?;
        kept.is_dirty = false;
        Ok(())
    }
}

fn seal(content: &Content) -> serde_json::Result<String> {
    Ok(Digest::of(serde_json::to_string(content)?.as_bytes()).to_string())
}

fn read(text: &str) -> Result<Content, String> {
    let file: Sealed = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match seal(&file.content) {
        Ok(seal) if seal == file.seal => Ok(file.content),
        Ok(_) => Err("somebody edited it: the seal does not match".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
#[path = "clocks_tests.rs"]
mod tests;
