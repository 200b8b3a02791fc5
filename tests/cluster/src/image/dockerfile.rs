//! Reads a Dockerfile: which bases it names, and what its last stage puts into the image and says about it. It knows the
//! instructions that such a stage may have here and refuses every other, so nothing is left out in silence.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Error;

#[derive(Debug)]
pub struct Dockerfile {
    pub path: PathBuf,
    /// Arguments before the first stage: what the bases are. Defaults only.
    pub bases: BTreeMap<String, String>,
    pub stages: Vec<Stage>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stage {
    pub from: String,
    pub name: Option<String>,
    pub arguments: BTreeMap<String, String>,
    /// Source in the build stage, place in the image.
    pub copies: Vec<(String, String)>,
    /// What a stage runs, as it is written.
    pub commands: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub environment: BTreeMap<String, String>,
    pub user: Option<String>,
    pub working_folder: Option<String>,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
}

impl Dockerfile {
    pub fn read(path: &Path, build_arguments: &BTreeMap<&str, String>) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::file("cannot read", path))?;
        Self::parse(path, &text, build_arguments)
    }

    /// `build_arguments` are what `--build-arg` would give.
    pub fn parse(path: &Path, text: &str, build_arguments: &BTreeMap<&str, String>) -> Result<Self, Error> {
        let mut file = Self { path: path.to_owned(), bases: BTreeMap::new(), stages: Vec::new() };
        for (line, instruction) in instructions(text) {
            let refuse = |why: String| Error::Dockerfile { path: path.to_owned(), line, why };
            file.follow(&instruction, build_arguments).map_err(refuse)?;
        }
        if file.stages.is_empty() {
            return Err(Error::Dockerfile { path: path.to_owned(), line: 1, why: "there is no FROM".to_owned() });
        }
        Ok(file)
    }

    /// The stage that becomes the image.
    pub fn last(&self) -> &Stage {
        self.stages.last().expect("parse refuses a file without a stage")
    }

    fn follow(&mut self, instruction: &str, build_arguments: &BTreeMap<&str, String>) -> Result<(), String> {
        let (word, rest) = instruction.split_once(char::is_whitespace).unwrap_or((instruction, ""));
        let (word, rest) = (word.to_ascii_uppercase(), rest.trim());
        if word == "FROM" {
            let mut words = rest.split_whitespace();
            let from = substituted(words.next().unwrap_or_default(), &self.bases)?;
            let name = words.next().and_then(|_| words.next()).map(ToOwned::to_owned);
            self.stages.push(Stage { from, name, ..Stage::default() });
            return Ok(());
        }
        let Some(stage) = self.stages.last_mut() else {
            if word != "ARG" {
                return Err(format!("{word} stands before the first FROM"));
            }
            let (name, default) = rest.split_once('=').ok_or("a base has to have a default")?;
            let value = build_arguments.get(name).map_or(default, String::as_str);
            self.bases.insert(name.to_owned(), value.to_owned());
            return Ok(());
        };
        stage.follow(&word, rest, build_arguments)
    }
}

impl Stage {
    fn follow(&mut self, word: &str, rest: &str, build_arguments: &BTreeMap<&str, String>) -> Result<(), String> {
        let text = |text: &str| substituted(text, &self.arguments);
        match word {
            "ARG" => {
                let (name, default) = rest.split_once('=').unwrap_or((rest, ""));
                let value = build_arguments.get(name).map_or(default, String::as_str);
                self.arguments.insert(name.to_owned(), value.to_owned());
            }
            "LABEL" => self.labels.extend(pairs(&text(rest)?)?),
            "ENV" => self.environment.extend(pairs(&text(rest)?)?),
            "USER" => self.user = Some(text(rest)?),
            "WORKDIR" => self.working_folder = Some(text(rest)?),
            "COPY" => {
                let words: Vec<&str> = rest.split_whitespace().filter(|word| !word.starts_with("--")).collect();
                let [from, to] = words[..] else {
                    return Err(format!("COPY {rest} has to name one source and one place"));
                };
                self.copies.push((from.to_owned(), to.to_owned()));
            }
            "RUN" => self.commands.push(rest.to_owned()),
            "ENTRYPOINT" => self.entrypoint = list(rest)?,
            "CMD" => self.command = list(rest)?,
            other => {
                return Err(format!("{other} is not known to the tests, so they would leave it out: teach it to them"));
            }
        }
        Ok(())
    }
}

/// Instructions with the number of their first line; continued lines are joined, comments are left out.
fn instructions(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (part, more) = line.strip_suffix('\\').map_or((line, false), |part| (part.trim_end(), true));
        match found.last_mut().filter(|_| continues) {
            Some((_, instruction)) => {
                instruction.push(' ');
                instruction.push_str(part);
            }
            None => found.push((index + 1, part.to_owned())),
        }
        continues = more;
    }
    found
}

/// `${NAME}` becomes its value; the form without braces and one without a value are refused.
fn substituted(text: &str, values: &BTreeMap<String, String>) -> Result<String, String> {
    let mut parts = text.split('$');
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part
            .strip_prefix('{')
            .and_then(|part| part.split_once('}'))
            .ok_or_else(|| format!("write ${{NAME}}, not ${part}"))?;
        let value = values.get(name).ok_or_else(|| format!("{name} is used, and no ARG of this stage declares it"))?;
        result.push_str(value);
        result.push_str(rest);
    }
    Ok(result)
}

/// `name="value" …`, the quotes optional where there is no space.
fn pairs(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut pairs = BTreeMap::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or_else(|| format!("{rest} has no value"))?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(|| format!("the value of {name} has no end"))?,
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        pairs.insert(name.to_owned(), value.to_owned());
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// The form without a shell, which the image has not.
fn list(text: &str) -> Result<Vec<String>, String> {
    serde_json::from_str(text).map_err(|_| format!("{text} needs a shell: write it as [\"program\", \"argument\"]"))
}
