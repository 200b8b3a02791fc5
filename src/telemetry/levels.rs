//! How much each part of amlnet logs, as `--log` says it: `info`, or `info,azure=debug`.
//!
//! Pure. Must not write a line.

use std::collections::BTreeMap;
use std::str::FromStr;

use tracing::Metadata;
use tracing_subscriber::filter::LevelFilter;

/// The parts that can have a level of their own: what follows `amlnet::` in the target of a line.
pub const MODULES: [&str; 8] = ["app", "audit", "azure", "commands", "feed", "http", "reconcile", "store"];

/// The lines that tell of each write.
const AUDIT: &str = "audit";

/// A level for everything, and others for some modules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels {
    base: Option<LevelFilter>,
    modules: BTreeMap<&'static str, LevelFilter>,
}

impl Levels {
    /// Where nothing is said for everything, this counts.
    #[must_use]
    pub fn or(self, base: LevelFilter) -> Self {
        Self { base: self.base.or(Some(base)), ..self }
    }

    fn base(&self) -> LevelFilter {
        self.base.unwrap_or(LevelFilter::OFF)
    }

    /// The most that any module logs.
    pub(super) fn most(&self) -> LevelFilter {
        self.modules.values().copied().chain([self.base(), LevelFilter::INFO]).max().unwrap_or(LevelFilter::OFF)
    }

    /// Whether a line is written. Nobody else's is, at any level. With `audit`, those of the audit are, unless they or
    /// all logs are off.
    pub(super) fn admit(&self, metadata: &Metadata<'_>, audit: bool) -> bool {
        let Some(path) = metadata.target().strip_prefix("amlnet") else { return false };
        let module = match path.strip_prefix("::") {
            Some(path) => path.split("::").next().unwrap_or_default(),
            None if path.is_empty() => "",
            None => return false,
        };
        let own = self.modules.get(module).copied();
        let least = match own {
            None if audit && module == AUDIT && self.base() != LevelFilter::OFF => LevelFilter::INFO,
            _ => LevelFilter::OFF,
        };
        *metadata.level() <= own.unwrap_or(self.base()).max(least)
    }
}

impl FromStr for Levels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut levels = Self::default();
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                None => {
                    if levels.base.replace(level(part)?).is_some() {
                        return Err(format!(
                            "`{part}` is a second level for everything; write one, and MODULE=LEVEL for others"
                        ));
                    }
                }
                Some((name, of_module)) => {
                    let (name, of_module) = (name.trim(), level(of_module.trim())?);
                    let known = MODULES.into_iter().find(|module| *module == name);
                    let module = known.ok_or_else(|| {
                        format!("`{name}` is no module of amlnet; its modules are {}", MODULES.join(", "))
                    })?;
                    if levels.modules.insert(module, of_module).is_some() {
                        return Err(format!("{module} has two levels; write one"));
                    }
                }
            }
        }
        Ok(levels)
    }
}

fn level(name: &str) -> Result<LevelFilter, String> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "off" => LevelFilter::OFF,
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => {
            return Err(format!(
                "`{name}` is no level; write off, error, warn, info, debug or trace, or MODULE=LEVEL for one of {}",
                MODULES.join(", ")
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn read(text: &str) -> Result<Levels, String> {
        text.parse()
    }

    #[test]
    fn a_level_for_everything_and_others_for_modules() {
        let levels = read("info,azure=debug, feed=TRACE ,reconcile=warn,audit=off").unwrap();
        assert_eq!(levels.base, Some(LevelFilter::INFO));
        let wanted = [("audit", "off"), ("azure", "debug"), ("feed", "trace"), ("reconcile", "warn")];
        assert_eq!(levels.modules, wanted.map(|(name, of_module)| (name, level(of_module).unwrap())).into());
        assert_eq!(levels.most(), LevelFilter::TRACE);
        assert_eq!(read("azure=debug").unwrap().or(LevelFilter::WARN).base(), LevelFilter::WARN);
        assert_eq!(read("error").unwrap().or(LevelFilter::WARN).base(), LevelFilter::ERROR);
    }

    #[test]
    fn what_is_not_understood_is_refused_with_what_there_is() {
        for (text, said) in [
            ("", "`` is no level; write off, error, warn, info, debug or trace"),
            ("loud", "`loud` is no level"),
            ("3", "`3` is no level"),
            ("info,", "`` is no level"),
            ("info,azure=", "`` is no level"),
            ("arm=debug", "`arm` is no module of amlnet; its modules are app, audit, azure, commands, feed, http,"),
            ("hyper=trace", "`hyper` is no module of amlnet"),
            ("azure::arm=trace", "`azure::arm` is no module of amlnet"),
            ("info,debug", "`debug` is a second level for everything"),
            ("azure=info,azure=debug", "azure has two levels"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(said), "{text}: {refused}");
        }
    }

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    #[test]
    fn the_modules_are_those_that_log() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
        let mut files = Vec::new();
        sources(root, &mut files);
        let calls = ["error", "warn", "info", "debug", "trace"].map(|level| format!("tracing::{level}!"));
        let logs = |file: &&PathBuf| {
            let text = std::fs::read_to_string(file).unwrap();
            calls.iter().any(|call| text.contains(call.as_str()))
        };
        let module = |file: &PathBuf| {
            let first = file.strip_prefix(root).unwrap().components().next().unwrap();
            first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
        };
        let mut found: BTreeSet<String> = files.iter().filter(logs).map(module).collect();
        // `main` says the last word, which no level silences, and the audit has a target of its own.
        found.remove("telemetry");
        found.insert(AUDIT.to_owned());
        assert_eq!(found, MODULES.map(str::to_owned).into());
    }
}
