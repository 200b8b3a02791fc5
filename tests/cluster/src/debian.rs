//! Programs of Debian packages that a test needs and does not require: from this machine, else unpacked into the cache.
//!
//! Nothing is installed, no script of a package runs, and no service is started; so no rights are needed. Where a program
//! cannot be had, the caller gets a sentence to skip with. Libraries that a program is linked with are not looked after.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::process;

/// Packages are tens of megabytes, and lists too.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// Where programs lie that are not on every user's PATH.
const FURTHER: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/lib/cni"];
/// Where they lie in a package.
const INSIDE: [&str; 5] = ["usr/bin", "usr/sbin", "bin", "sbin", "usr/lib/cni"];

/// Why something that a test needs is not there. The test says it, and passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip(pub String);

impl fmt::Display for Skip {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// The path of `program`: the one of this machine, or the one in Debian's `package`.
pub fn program(package: &str, program: &str) -> Result<PathBuf, Skip> {
    // To ask for a version takes a second.
    static FOUND: Mutex<BTreeMap<[String; 2], PathBuf>> = Mutex::new(BTreeMap::new());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(FURTHER.map(PathBuf::from));
    if let Some(found) = first(folders, program) {
        return Ok(found);
    }
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let key = [package, program].map(str::to_owned);
    if let Some(path) = found.get(&key) {
        return Ok(path.clone());
    }
    let path = unpacked(package, program).map_err(|why| {
        Skip(format!(
            "{program} is not installed, and Debian's package {package} cannot be had: {why}. Install it \
             (apt-get install {package}), or put {program} on PATH"
        ))
    })?;
    found.insert(key, path.clone());
    Ok(path)
}

fn first(folders: impl IntoIterator<Item = PathBuf>, program: &str) -> Option<PathBuf> {
    folders.into_iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// From the cache, which has a folder for each version of a package; nothing in it is ever changed.
fn unpacked(package: &str, program: &str) -> Result<PathBuf, String> {
    let cache = cache()?;
    make(&cache)?;
    let lock = File::create(cache.join("lock")).map_err(|error| format!("{}: {error}", cache.display()))?;
    lock.lock().map_err(|error| format!("{} cannot be locked: {error}", cache.display()))?;
    from(&Apt::default(), package, program, &cache).or_else(|first| {
        // A fresh machine has no lists of packages, or old ones; the machine's own are not touched.
        let apt = Apt::with_own_lists(&cache).map_err(|second| format!("{first}; {second}"))?;
        from(&apt, package, program, &cache)
    })
}

fn from(apt: &Apt, package: &str, program: &str, cache: &Path) -> Result<PathBuf, String> {
    let version = apt.version(package)?;
    let folder = cache.join(format!("{package}-{version}"));
    if !folder.is_dir() {
        apt.unpack(package, cache, &folder)?;
    }
    let found = first(INSIDE.map(|inside| folder.join(inside)), program);
    found.ok_or_else(|| format!("version {version} of it has no program {program}"))
}

fn cache() -> Result<PathBuf, String> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    let base = base.ok_or("there is no cache folder: neither XDG_CACHE_HOME nor HOME is set")?;
    let base = std::path::absolute(&base).unwrap_or(base);
    Ok(base.join("amlnet").join("tools"))
}

fn make(folder: &Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))
}

/// Debian's package tools, with the machine's lists or with others.
#[derive(Debug, Default)]
struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn with_own_lists(cache: &Path) -> Result<Self, String> {
        let (lists, archives) = (cache.join("apt/lists"), cache.join("apt/archives"));
        make(&lists.join("partial"))?;
        make(&archives.join("partial"))?;
        let options =
            [("Dir::State::Lists", &lists), ("Dir::Cache", &cache.join("apt")), ("Dir::Cache::archives", &archives)];
        let options = options.map(|(name, folder)| format!("-o{name}={}", folder.display()));
        let apt = Self { options: options.to_vec() };
        apt.run("apt-get", &["-qq", "update"], cache)?;
        Ok(apt)
    }

    fn run(&self, tool: &str, arguments: &[&str], folder: &Path) -> Result<String, String> {
        let mut command = Command::new(tool);
        // Root would hand the download to a user who may not write here.
        command.args(&self.options).arg("-oAPT::Sandbox::User=").args(arguments);
        self::run(command.current_dir(folder))
    }

    fn version(&self, package: &str) -> Result<String, String> {
        let said = self.run("apt-cache", &["policy", package], Path::new("/"))?;
        candidate(&said).ok_or_else(|| format!("apt-cache knows no version of {package}"))
    }

    /// Into a temporary name, and renamed: half a package is never taken for a whole one.
    fn unpack(&self, package: &str, cache: &Path, to: &Path) -> Result<(), String> {
        let half = tempfile::Builder::new().prefix("half-").tempdir_in(cache).map_err(|error| error.to_string())?;
        self.run("apt-get", &["-qq", "download", package], half.path())?;
        let files = std::fs::read_dir(half.path()).map_err(|error| error.to_string())?;
        let file = files.flatten().next().ok_or("apt-get download left no file")?.path();
        let tree = half.path().join("tree");
        run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&tree).current_dir("/"))?;
        std::fs::rename(&tree, to).map_err(|error| format!("{} cannot be written: {error}", to.display()))
    }
}

fn run(command: &mut Command) -> Result<String, String> {
    let line =
        format!("{} {}", command.get_program().display(), command.get_args().last().unwrap_or_default().display());
    let ran = process::run(command.env("LC_ALL", "C"), None, PATIENCE);
    match ran {
        Err(error) => Err(format!("`{line}` cannot be run ({error})")),
        Ok(ran) if !ran.status.success() => {
            let said = ran.stderr.lines().find(|line| line.starts_with("E:")).or(ran.stderr.lines().next());
            Err(format!("`{line}` ended with {}: {}", ran.code(), said.unwrap_or_default()))
        }
        Ok(ran) => Ok(ran.stdout),
    }
}

/// What would be installed, from what `apt-cache policy` prints. An epoch's colon does not belong into a name.
fn candidate(policy: &str) -> Option<String> {
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate:"))?.trim();
    (version != "(none)").then(|| version.replace(':', "%3a"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_what_would_be_installed() {
        let policy = "prometheus:\n  Installed: (none)\n  Candidate: 2.42.0+ds-5+deb12u1\n  Version table:\n";
        assert_eq!(candidate(policy).as_deref(), Some("2.42.0+ds-5+deb12u1"));
        assert_eq!(candidate("runc:\n  Candidate: 1:1.0").as_deref(), Some("1%3a1.0"));
        assert_eq!(candidate("nothing:\n  Installed: (none)\n  Candidate: (none)\n"), None);
        assert_eq!(candidate(""), None);
    }

    #[test]
    fn the_first_folder_that_has_it_counts() {
        let root = tempfile::tempdir().unwrap();
        let [one, two, three] = ["one", "two", "three"].map(|name| root.path().join(name));
        for folder in [&two, &three] {
            std::fs::create_dir_all(folder.join("folder")).unwrap();
            std::fs::write(folder.join("tool"), "").unwrap();
        }
        let folders = [one, two.clone(), three];
        assert_eq!(first(folders.clone(), "tool"), Some(two.join("tool")));
        assert_eq!(first(folders, "folder"), None, "a folder is no program");
    }

    #[test]
    fn what_a_package_lacks_is_said() {
        let cache = tempfile::tempdir().unwrap();
        let apt = Apt { options: vec!["-oDir::State::Lists=/nonexistent".to_owned()] };
        let why = from(&apt, "prometheus", "promtool", cache.path()).unwrap_err();
        let no_apt = why.starts_with("`apt-cache prometheus` cannot be run");
        assert!(no_apt || why == "apt-cache knows no version of prometheus", "{why}");
    }
}
