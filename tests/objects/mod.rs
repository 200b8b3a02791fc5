//! Objects as people write them, good and bad, and what was answered: read by the tests that ask the API server and by
//! those that ask the reader of files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// An object and the name of its file, such as `bad/001-mode-missing`.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) name: String,
    pub(crate) yaml: String,
}

impl Object {
    pub(crate) fn is_good(&self) -> bool {
        self.name.starts_with("good/")
    }
}

/// What was said to an object: whether it was taken, and the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) accepted: bool,
    pub(crate) text: String,
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects")
}

/// All objects of a folder, by name.
pub(crate) fn all(kind: &str) -> Vec<Object> {
    let mut objects = Vec::new();
    for entry in std::fs::read_dir(folder().join(kind)).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        objects.push(Object { name: format!("{kind}/{stem}"), yaml: std::fs::read_to_string(&path).unwrap() });
    }
    objects.sort_by(|a, b| a.name.cmp(&b.name));
    objects
}

/// Good and bad ones; fewer than there should be would prove nothing.
pub(crate) fn good_and_bad() -> Vec<Object> {
    let (good, bad) = (all("good"), all("bad"));
    assert!(good.len() >= 110, "{} good objects", good.len());
    assert!(bad.len() >= 380, "{} bad objects", bad.len());
    good.into_iter().chain(bad).collect()
}

/// Answers as a text: a line with the name and the verdict, then the words, indented.
pub(crate) fn to_text(answers: &BTreeMap<String, Answer>) -> String {
    let mut text = String::new();
    for (name, answer) in answers {
        let _ = writeln!(text, "{name}: {}", if answer.accepted { "accepted" } else { "refused" });
        for line in answer.text.lines() {
            let _ = writeln!(text, "  {}", line.trim_end());
        }
    }
    text
}

pub(crate) fn from_text(text: &str) -> BTreeMap<String, Answer> {
    let mut answers: BTreeMap<String, Answer> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("  ") {
            Some(words) => {
                let answer = answers.get_mut(&current).expect("words follow a verdict");
                answer.text += words;
                answer.text.push('\n');
            }
            None => {
                let (name, verdict) = line.split_once(": ").unwrap();
                name.clone_into(&mut current);
                answers.insert(current.clone(), Answer { accepted: verdict == "accepted", text: String::new() });
            }
        }
    }
    answers
}

/// Whether golden files are written anew.
pub(crate) fn update() -> bool {
    std::env::var_os("AMLNET_UPDATE_GOLDEN").is_some_and(|value| value == "1")
}
