//! The control groups of a node's containers: one name below every hierarchy, removed when the node is gone.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Error;
use crate::folder::remover;

/// Of names in control groups and of folders, with the process that they belong to.
const PREFIX: &str = "amlnet-node-";
const ROOT: &str = "/sys/fs/cgroup";

/// Waits for the end of a pipe that only this process writes to. The kernel ends the containers at the same moment, and
/// a group that still has processes cannot be removed, so the first tries may come too early.
const REMOVER: &str = r#"
read -r _
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
  left=
  for group in "/sys/fs/cgroup/$1" /sys/fs/cgroup/*/"$1"; do
    [ -d "$group" ] || continue
    find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null
    [ -d "$group" ] && left=yes
  done
  [ -z "$left" ] && exit 0
  sleep 0.1
done
"#;

#[derive(Debug)]
pub(super) struct Cgroups {
    name: String,
    remover: Child,
}

impl Cgroups {
    /// Under a name that no other node has. What is below is the kubelet's matter.
    pub(super) fn make() -> Result<Self, Error> {
        static NODES: AtomicU32 = AtomicU32::new(1);
        let name = format!("{PREFIX}{}-{}", std::process::id(), NODES.fetch_add(1, Ordering::Relaxed));
        let remover = remover(REMOVER, name.as_ref())?;
        let made = Self { name, remover };
        for hierarchy in hierarchies() {
            let path = hierarchy.join(&made.name);
            std::fs::create_dir(&path).map_err(Error::file("cannot make", path))?;
        }
        Ok(made)
    }

    /// As the kubelet wants it, from the root of each hierarchy.
    pub(super) fn path(&self) -> String {
        format!("/{}", self.name)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        drop(self.remover.stdin.take());
        // Without a child to wait for there is nothing left to remove.
        let _ = self.remover.wait();
    }
}

/// One folder for all controllers, or in version 1 one for each; there may be a link to some of them.
fn hierarchies() -> Vec<PathBuf> {
    let root = PathBuf::from(ROOT);
    if root.join("cgroup.controllers").exists() { vec![root] } else { subfolders(&root) }
}

/// The prefix of a folder's name, by which the next run knows whose it was.
pub(super) fn folder_prefix() -> String {
    format!("{PREFIX}{}-", std::process::id())
}

/// Removes groups and folders of processes that are gone: whoever killed them may have killed their removers too.
pub(super) fn sweep() {
    for folder in hierarchies().into_iter().chain([std::env::temp_dir()]) {
        for path in subfolders(&folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
            let Some(owner) = owner.filter(|owner| !Path::new(&format!("/proc/{owner}")).exists()) else { continue };
            let removed = if path.starts_with(ROOT) { remove_group(&path) } else { std::fs::remove_dir_all(&path) };
            if let Err(error) = removed {
                super::say(&format!("{} of process {owner}, which is gone, stays: {error}", path.display()));
            }
        }
    }
}

/// A group goes when those below it are gone; the files in it are not files.
fn remove_group(path: &Path) -> std::io::Result<()> {
    for below in subfolders(path) {
        remove_group(&below)?;
    }
    std::fs::remove_dir(path)
}

fn subfolders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_left_is_swept_when_the_process_is_gone() {
        // No kernel numbers a process so high.
        let [left, used] = [4_194_305, std::process::id()].map(|owner| {
            let folder = std::env::temp_dir().join(format!("{PREFIX}{owner}-test"));
            std::fs::create_dir_all(folder.join("var-lib")).unwrap();
            folder
        });
        sweep();
        assert!(!left.exists() && used.exists());
        std::fs::remove_dir_all(used).unwrap();
    }
}
