//! A folder of YAML files as a `World`.
//!
//! A file that no longer parses leaves its objects as they were last good, and is reported. A folder that cannot be
//! read changes nothing. Must not follow sub-folders: `--dir` is flat.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::api::read::{self, Object};
use crate::domain::intent::ObjectKey;
use crate::store::{Held, Undecodable, World};

/// A file with more than this is refused.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// How often the folder is looked at. Looking, rather than being told by the kernel, also works on network file
/// systems, bind mounts and the links that Kubernetes swaps in a mounted ConfigMap.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The text of a file, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileText {
    pub path: PathBuf,
    pub text: Result<String, String>,
}

/// Reads the YAML files of a folder, sorted by name.
pub fn scan(folder: &Path) -> std::io::Result<Vec<FileText>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let is_yaml = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("yaml") || e.eq_ignore_ascii_case("yml"));
        if is_yaml && !name.starts_with('.') && !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths.into_iter().map(|path| read_file(&path)).collect())
}

/// Reads one file.
pub fn read_file(path: &Path) -> FileText {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    let text = read
        .map_err(|error| error.to_string())
        .and_then(|length| {
            if length as u64 > MAX_FILE_BYTES {
                return Err(format!("the file has more than {} MiB", MAX_FILE_BYTES >> 20));
            }
            Ok(bytes)
        })
        .and_then(|bytes| String::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}")));
    FileText { path: path.to_owned(), text }
}

/// Puts the objects of all files together. What cannot be read now is taken from `previous`, marked as broken.
pub fn assemble(files: &[FileText], previous: &World) -> World {
    let mut world = World::default();
    for file in files {
        match file.text.as_ref().map_err(Clone::clone).and_then(|text| read::read(text)) {
            Ok(objects) => {
                let mut nameless = None;
                for object in objects {
                    match object {
                        Ok(object) => add(&mut world, &file.path, object),
                        Err(error) => {
                            let network = match &error.key {
                                Some((kind, key)) if kind == "AmlNetwork" => Some(key.clone()),
                                _ => None,
                            };
                            if error.key.is_none() {
                                nameless = Some(error.to_string());
                            }
                            if let Some((kind, key)) = &error.key {
                                keep(&mut world, previous, &file.path, &error.to_string(), Some((kind, key)));
                            }
                            report(&mut world, &file.path, network, error.to_string());
                        }
                    }
                }
                if let Some(why) = nameless {
                    // An object without a readable name may be any of those that came from this file.
                    keep(&mut world, previous, &file.path, &why, None);
                }
            }
            Err(why) => {
                keep(&mut world, previous, &file.path, &why, None);
                report(&mut world, &file.path, None, why);
            }
        }
    }
    world
}

/// Networks whose texts name no edition of the documentation keep the one that they were first read with: a newer amlnet
/// must not change rules by itself. An API server writes the default into the object; a file stays as it is.
pub fn keep_editions(world: &mut World, known: impl Fn(&ObjectKey) -> Option<String>) {
    for (key, held) in &mut world.networks {
        if let Some(outbound) = held.object.intent.outbound.as_mut().filter(|_| !held.object.says_edition)
            && let Some(edition) = known(key)
        {
            outbound.edition = edition;
        }
    }
}

fn report(world: &mut World, path: &Path, network: Option<ObjectKey>, message: String) {
    world.undecodable.push(Undecodable { place: path.display().to_string(), network, generation: 0, message });
}

fn add(world: &mut World, path: &Path, object: Object) {
    let held = |origin: &Path| origin.to_owned();
    let twice = match object {
        Object::Network(network) => match world.networks.get(&network.key) {
            Some(other) => Some((Some(network.key.clone()), network.key.to_string(), other.origin.clone())),
            None => {
                let held = Held { origin: held(path), object: *network, broken: None };
                world.networks.insert(held.object.key.clone(), held);
                None
            }
        },
        Object::Feed(feed) => match world.feeds.get(&feed.key.name) {
            Some(other) => Some((None, feed.key.name.clone(), other.origin.clone())),
            None => {
                let name = feed.key.name.clone();
                world.feeds.insert(name, Held { origin: held(path), object: feed, broken: None });
                None
            }
        },
    };
    if let Some((key, name, other)) = twice {
        report(
            world,
            path,
            key,
            format!("{name} stands also in {}; that one counts. Remove one of them", other.display()),
        );
    }
}

/// Takes over what `previous` had from this file (or the one object `only`) and what is not there already.
fn keep(world: &mut World, previous: &World, path: &Path, why: &str, only: Option<(&str, &ObjectKey)>) {
    for (key, held) in &previous.networks {
        let meant = only.is_none_or(|(kind, name)| kind == "AmlNetwork" && name == key);
        if meant && held.origin == path && !world.networks.contains_key(key) {
            world
                .networks
                .insert(key.clone(), Held { broken: Some(format!("{}: {why}", path.display())), ..held.clone() });
        }
    }
    for (name, held) in &previous.feeds {
        let meant = only.is_none_or(|(kind, key)| kind == "ServiceTagFeed" && key.name == *name);
        if meant && held.origin == path && !world.feeds.contains_key(name) {
            world
                .feeds
                .insert(name.clone(), Held { broken: Some(format!("{}: {why}", path.display())), ..held.clone() });
        }
    }
}

/// Watches a folder until the receivers are gone. Publishes only worlds that differ.
pub async fn watch(folder: PathBuf, sender: watch::Sender<Arc<World>>, edition: impl Fn(&ObjectKey) -> Option<String>) {
    let mut files = Vec::new();
    let mut said = BTreeSet::new();
    let mut unreadable = None;
    loop {
        match scan(&folder) {
            Ok(found) if found != files => {
                let mut world = assemble(&found, &sender.borrow());
                keep_editions(&mut world, &edition);
                let problems: BTreeSet<String> = world.undecodable.iter().map(ToString::to_string).collect();
                for problem in problems.difference(&said) {
                    tracing::error!(problem, "an object cannot be read; nothing is removed until it can");
                }
                said = problems;
                files = found;
                sender.send_if_modified(|current| {
                    let differs = **current != world;
                    *current = Arc::new(world);
                    differs
                });
            }
            Ok(_) => unreadable = None,
            Err(error) => {
                if unreadable.as_ref() != Some(&error.kind()) {
                    tracing::error!(folder = %folder.display(), %error, "the folder cannot be read; nothing changes");
                }
                unreadable = Some(error.kind());
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = sender.closed() => return,
        }
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
