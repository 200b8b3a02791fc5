//! `clocks.json`: what is remembered of every target, under a seal; and `clocks.log`: what was remembered since.
//!
//! What must not be forgotten is one line of the log, synced; from time to time all of it becomes the file anew.
//! The seal is a digest of the content. It does not keep anybody out: it tells what amlnet wrote from what somebody
//! edited. What was edited, or is gone, counts as lost: clocks and budgets start anew, and nothing is allowed by it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::approval::Approval;
use crate::domain::memory::{BUDGET_WINDOW, TargetMemory};
use crate::domain::resource_id::ResourceId;
use crate::domain::service_tags::Digest;
use crate::store::StoreError;

const FILE: &str = "clocks.json";
const LOG: &str = "clocks.log";
/// The seal of the last line of the log.
const LAST: &str = "clocks.last";
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
    /// Approvals that were there when memory was lost: some of them may have been used. By id, until they expire.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    forfeited: BTreeMap<String, Timestamp>,
    /// Whose memory it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    installation: Option<String>,
    /// Whether lines of the log follow on this file. Where they are gone, something was forgotten.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    log_follows: bool,
    /// The seal of the last line of the log that this file took in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    took: Option<String>,
    /// By ARM id.
    targets: BTreeMap<String, TargetMemory>,
}

/// A line of the log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    /// The seal of what this line follows: the file, or the line before.
    after: String,
    seal: String,
    target: String,
    memory: TargetMemory,
}

#[derive(Debug, Default)]
struct Kept {
    /// The seal of the file, or of the last line of the log.
    seal: String,
    targets: BTreeMap<ResourceId, TargetMemory>,
    lost_at: Option<Timestamp>,
    forfeited: BTreeMap<String, Timestamp>,
    installation: Option<String>,
    /// Whether the loss was found just now.
    is_fresh_loss: bool,
    /// Whether what is kept differs from the file.
    is_dirty: bool,
    /// Whether the file says that lines of the log follow on it.
    log_follows: bool,
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
        // An empty file is written too: from then on a missing one is a lost one.
        let is_new = !path.exists();
        let kept = match found(&path, expected) {
            Ok((Content { lost_at, targets, log_follows, forfeited, installation, .. }, seal, has_log)) => {
                let is_forgotten = |memory: &TargetMemory| {
                    let mut memory = memory.clone();
                    memory.forget_old(now);
                    memory.is_over()
                };
                let targets = targets.into_iter().filter(|(_, memory)| !is_forgotten(memory));
                let targets = targets.filter_map(|(id, memory)| Some((id.parse().ok()?, memory)));
                let is_over = |at: &Timestamp| at.checked_add(BUDGET_WINDOW).is_ok_and(|end| end <= now);
                let lost_at = lost_at.filter(|at| !is_over(at));
                Kept {
                    targets: targets.collect(),
                    lost_at,
                    forfeited,
                    installation,
                    is_dirty: is_new || has_log,
                    seal,
                    log_follows,
                    ..Kept::default()
                }
            }
            Err(what) => lost(&path, &what, now),
        };
        Self { path, kept: Mutex::new(kept) }
    }

    /// For this installation: the memory of another one is none. `approvals` are those that are there now; where memory
    /// was lost they count no more, as some of them may have been used.
    #[must_use]
    pub fn of(self, installation: &str, approvals: &[Approval], now: Timestamp) -> Self {
        let mut kept = self.kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = kept.installation.take().filter(|other| other != installation) {
            kept = lost(&self.path, &format!("it is of installation {other}, this is {installation}"), now);
        }
        if kept.is_fresh_loss {
            kept.forfeited = approvals.iter().map(|given| (given.id.clone(), given.expires_at)).collect();
        }
        kept.installation = Some(installation.to_owned());
        Self { path: self.path, kept: Mutex::new(kept) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing that holds the lock can panic halfway through a change.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn memory(&self, target: &ResourceId) -> TargetMemory {
        let kept = self.kept();
        let lost = || kept.lost_at.map(|_| TargetMemory { used: kept.forfeited.clone(), ..TargetMemory::lost() });
        kept.targets.get(target).cloned().or_else(lost).unwrap_or_default()
    }

    pub fn memories(&self) -> BTreeMap<ResourceId, TargetMemory> {
        self.kept().targets.clone()
    }

    /// Takes in what is remembered of a target; nothing is kept of one that is over. With `for_good` it is on the disk
    /// when this returns.
    pub fn remember(&self, target: &ResourceId, memory: TargetMemory, for_good: bool) -> Result<(), StoreError> {
        let mut kept = self.kept();
        let is_known =
            kept.targets.get(target) == Some(&memory) || memory.is_over() && !kept.targets.contains_key(target);
        if !is_known {
            kept.is_dirty = true;
            if memory.is_over() {
                kept.targets.remove(target);
            } else {
                kept.targets.insert(target.clone(), memory.clone());
            }
        }
        if !for_good {
            return Ok(());
        }
        let log = self.path.with_file_name(LOG);
        let refuse = |what: String| StoreError { place: log.display().to_string(), what };
        if !kept.log_follows {
            // The log is there before the file says so, so that one that is missing afterwards was taken away.
            std::fs::File::create(&log)
                .and_then(|file| file.sync_all())
                .map_err(|error| refuse(super::explain(&error)))?;
            super::replace(&self.path.with_file_name(LAST), b"")?;
            self.replace(&mut kept, true)?;
        }
        let after = kept.seal.clone();
        let seal = seal_of_line(&after, &target.to_string(), &memory).map_err(|error| refuse(error.to_string()))?;
        let line = Line { after, seal: seal.clone(), target: target.to_string(), memory };
        let text = serde_json::to_string(&line).map_err(|error| refuse(error.to_string()))? + "\n";
        append(&log, text.as_bytes()).map_err(|error| refuse(super::explain(&error)))?;
        super::replace(&self.path.with_file_name(LAST), seal.as_bytes())?;
        kept.seal = seal;
        kept.is_dirty = true;
        Ok(())
    }

    /// Brings the file up to date.
    pub fn write(&self) -> Result<(), StoreError> {
        let mut kept = self.kept();
        if !kept.is_dirty {
            return Ok(());
        }
        self.replace(&mut kept, false)?;
        let _ = std::fs::remove_file(self.path.with_file_name(LAST));
        let log = self.path.with_file_name(LOG);
        match std::fs::remove_file(&log) {
            // Whatever is left of it follows another seal, and is not read.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError { place: log.display().to_string(), what: super::explain(&error) })
            }
            _ => Ok(()),
        }
    }

    /// Writes all of it anew.
    fn replace(&self, kept: &mut Kept, log_follows: bool) -> Result<(), StoreError> {
        let targets = kept.targets.iter().map(|(id, memory)| (id.to_string(), memory.clone())).collect();
        let took = kept.log_follows.then(|| kept.seal.clone());
        let (forfeited, installation) = (kept.forfeited.clone(), kept.installation.clone());
        let content = Content { lost_at: kept.lost_at, forfeited, installation, log_follows, took, targets };
        let refuse =
            |error: serde_json::Error| StoreError { place: self.path.display().to_string(), what: error.to_string() };
        let seal = seal(&content).map_err(refuse)?;
        let text = serde_json::to_string(&Sealed { seal: seal.clone(), content }).map_err(refuse)?;
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
        (kept.seal, kept.is_dirty, kept.log_follows) = (seal, false, log_follows);
        Ok(())
    }
}

/// Starts anew, and says why.
fn lost(path: &Path, what: &str, now: Timestamp) -> Kept {
    tracing::error!(
        file = %path.display(),
        what,
        "what is remembered of the targets is lost; holds start anew, removals wait until 7 days are over, changes of \
         next hop need approval, and approvals have to be given anew"
    );
    Kept { lost_at: Some(now), is_fresh_loss: true, is_dirty: true, ..Kept::default() }
}

fn seal(content: &Content) -> serde_json::Result<String> {
    Ok(Digest::of(serde_json::to_string(content)?.as_bytes()).to_string())
}

fn seal_of_line(after: &str, target: &str, memory: &TargetMemory) -> serde_json::Result<String> {
    Ok(Digest::of(format!("{after}\n{target}\n{}", serde_json::to_string(memory)?).as_bytes()).to_string())
}

/// Appends a line; one that a crash or a full disk cut short is taken away.
fn append(path: &Path, line: &[u8]) -> std::io::Result<()> {
    use std::io::{Read as _, Write as _};
    let mut file = std::fs::File::options().create(true).append(true).read(true).open(path)?;
    let mut log = Vec::new();
    file.read_to_end(&mut log)?;
    let end = log.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1);
    file.set_len(end)?;
    file.write_all(line).and_then(|()| file.sync_data()).inspect_err(|_| {
        let _ = file.set_len(end);
    })
}

/// What file and log say together, the seal of the last of them, and whether there is a log.
fn found(path: &Path, expected: bool) -> Result<(Content, String, bool), String> {
    let (mut content, mut last) = match std::fs::read_to_string(path) {
        Ok(text) => read(&text)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !expected => {
            let is_alone = std::fs::metadata(path.with_file_name(LOG)).is_ok_and(|log| log.len() > 0);
            return if is_alone { Err(format!("{LOG} is there without {FILE}")) } else { Ok(Default::default()) };
        }
        Err(error) => return Err(error.to_string()),
    };
    let log = match std::fs::read(path.with_file_name(LOG)) {
        Ok(log) => log,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !content.log_follows => {
            return Ok((content, last, false));
        }
        Err(error) => return Err(format!("{LOG}: {error}")),
    };
    // The end of a line that a crash cut short was never relied on.
    let whole = log.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = log[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines: Vec<Line> =
        lines.map(serde_json::from_slice).collect::<Result<_, _>>().map_err(|error| format!("{LOG}: {error}"))?;
    if !content.log_follows {
        // A crash after the file took it in, and before it was taken away.
        let is_known = lines.last().is_none_or(|line| content.took.as_ref() == Some(&line.seal));
        return if is_known { Ok((content, last, true)) } else { Err(format!("{LOG}: it does not belong to {FILE}")) };
    }
    let mut seals = vec![last.clone()];
    for line in lines {
        let seal = seal_of_line(&last, &line.target, &line.memory).map_err(|error| error.to_string())?;
        if line.after != last || line.seal != seal {
            return Err(format!("{LOG}: somebody edited it: a seal does not match"));
        }
        last = seal;
        seals.push(last.clone());
        content.targets.insert(line.target, line.memory);
    }
    // The last seal is noted after its line: a crash in between leaves the one before, or none for the first line.
    let noted = std::fs::read_to_string(path.with_file_name(LAST)).map_err(|error| format!("{LAST}: {error}"))?;
    let expected = seals.iter().rev().take(2).any(|seal| *seal == noted) || noted.is_empty() && seals.len() <= 2;
    if expected { Ok((content, last, true)) } else { Err(format!("{LOG}: lines at its end are gone")) }
}

fn read(text: &str) -> Result<(Content, String), String> {
    let file: Sealed = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match seal(&file.content) {
        Ok(seal) if seal == file.seal => Ok((file.content, seal)),
        Ok(_) => Err("somebody edited it: the seal does not match".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
#[path = "clocks_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "clocks_loss_tests.rs"]
mod loss_tests;
