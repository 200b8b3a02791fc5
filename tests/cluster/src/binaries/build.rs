//! Builds the programs from the Go modules that `go/` pins, into a cache outside the clone.
//!
//! One folder of the cache holds what one state of those files gives with one Go; nothing in it is ever changed, so it
//! can be deleted at any time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{API_SERVER, Binaries, ETCD, KUBECTL, Program, absolute, say, version};
use crate::{Error, process};

/// Everything that decides what is built. The version of Kubernetes itself is read from its go.mod.
const MODULES: [&str; 2] = ["etcd", "kubernetes"];
const FILES: [&str; 3] = ["go.mod", "go.sum", "tools.go"];
/// A debug build on a slow machine took eight minutes; one that hangs has to end.
const PATIENCE: Duration = Duration::from_secs(45 * 60);

/// Builds all three, whatever is on PATH.
pub fn build() -> Result<Binaries, Error> {
    Ok(Binaries { kube_apiserver: cached(&API_SERVER)?, etcd: cached(&ETCD)?, kubectl: cached(&KUBECTL)? })
}

/// The program from the cache, built if it is not there yet.
pub(super) fn cached(program: &'static Program) -> Result<PathBuf, Error> {
    let cache = cache()?;
    let folder = cache.join(key(&go(program, &cache)?)?);
    let binary = folder.join(program.name);
    if binary.is_file() {
        return Ok(binary);
    }
    std::fs::create_dir_all(&folder).map_err(Error::file("cannot make", &folder))?;
    let lock_file = folder.join("lock");
    let lock = File::create(&lock_file).map_err(Error::file("cannot make", &lock_file))?;
    lock.lock().map_err(Error::file("cannot lock", &lock_file))?;
    // Another process may have built it while this one waited for the lock.
    if !binary.is_file() {
        compile(program, &folder, &binary)?;
    }
    Ok(binary)
}

fn cache() -> Result<PathBuf, Error> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache"))).ok_or(Error::NoCache)?;
    Ok(absolute(&base).join("amlnet").join("cluster"))
}

fn sources(module: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(module)
}

/// `go` in the folder of a module, with nothing of the user's settings that would change what is built.
fn command(module: &str) -> Command {
    let mut command = Command::new("go");
    command.current_dir(sources(module)).env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=readonly").env("GOWORK", "off");
    command.env_remove("GOOS").env_remove("GOARCH").env_remove("GOEXPERIMENT");
    command
}

/// Go's version and the architecture, as one text.
fn go(program: &'static Program, cache: &Path) -> Result<String, Error> {
    let ran = process::run(command(program.module).args(["env", "GOVERSION", "GOOS", "GOARCH"]), None, PATIENCE);
    let none = |why| Error::NoGo { program: program.name, cache: cache.to_owned(), why };
    match ran {
        Err(error) => Err(none(format!("`go` cannot be run ({error})"))),
        Ok(ran) if !ran.status.success() => Err(none(format!("`go env` says: {}", ran.stderr.trim()))),
        Ok(ran) => Ok(ran.stdout),
    }
}

fn key(go: &str) -> Result<String, Error> {
    let mut hash = Sha256::new();
    hash.update(go);
    for program in [&API_SERVER, &ETCD, &KUBECTL] {
        hash.update(arguments(program, Path::new(program.name))?.join("\n"));
    }
    for module in MODULES {
        for file in FILES {
            let text = read(&sources(module).join(file))?;
            hash.update(format!("{module}/{file} {}\n{text}", text.len()));
        }
    }
    let hash: u64 = hash.finalize().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Ok(format!("{hash:016x}"))
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(Error::file("cannot read", path))
}

/// Without the version that Kubernetes' own scripts set, the server calls itself v0.0.0, and version checks fail.
fn arguments(program: &Program, to: &Path) -> Result<Vec<String>, Error> {
    let mut link = "-s -w".to_owned();
    if program.module == "kubernetes" {
        let path = sources(program.module).join("go.mod");
        let text = read(&path)?;
        let version = text.lines().find_map(|line| line.trim().strip_prefix("require k8s.io/kubernetes v"));
        let mut parts = version.unwrap_or_default().split('.');
        let (Some(version), Some(major), Some(minor)) = (version, parts.next(), parts.next()) else {
            let why = "its go.mod has no line `require k8s.io/kubernetes vX.Y.Z`".to_owned();
            return Err(Error::Build { program: program.name, source_folder: sources(program.module), why });
        };
        for (name, value) in [("gitVersion", format!("v{version}").as_str()), ("gitMajor", major), ("gitMinor", minor)]
        {
            link = format!("{link} -X k8s.io/component-base/version.{name}={value}");
        }
    }
    let to = to.to_string_lossy().into_owned();
    let fixed = ["build", "-trimpath", "-buildvcs=false", "-ldflags", &link, "-o", &to, program.package];
    Ok(fixed.map(str::to_owned).to_vec())
}

/// Into a temporary name, tried, and renamed: half a build is never taken for a whole one.
fn compile(program: &'static Program, folder: &Path, binary: &Path) -> Result<(), Error> {
    say(&format!("building {} into {} (minutes, once)", program.name, folder.display()));
    let failed = |why| Error::Build { program: program.name, source_folder: sources(program.module), why };
    let half = tempfile::Builder::new()
        .prefix("half-")
        .tempdir_in(folder)
        .map_err(Error::file("cannot make a folder in", folder))?;
    let built = half.path().join(program.name);
    let ran = process::run(command(program.module).args(arguments(program, &built)?), None, PATIENCE)
        .map_err(|error| failed(error.to_string()))?;
    if !ran.status.success() {
        return Err(failed(format!("`go build` ended with {}:\n{}", ran.status, ran.stderr.trim())));
    }
    version::check(program, &built).map_err(|why| failed(format!("what was built cannot be used: {why}")))?;
    std::fs::rename(&built, binary).map_err(Error::file("cannot write", binary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_in_the_cache_depends_on_go_and_is_a_plain_name() {
        let one = key("go1.26.8\nlinux\namd64\n").unwrap();
        assert_eq!(one, key("go1.26.8\nlinux\namd64\n").unwrap());
        assert_ne!(one, key("go1.26.8\nlinux\narm64\n").unwrap());
        assert!(one.len() == 16 && one.chars().all(|char| char.is_ascii_hexdigit()), "{one}");
    }

    #[test]
    fn the_server_is_told_the_version_that_go_mod_pins() {
        let arguments = arguments(&API_SERVER, Path::new("out")).unwrap().join(" ");
        assert!(arguments.contains("version.gitVersion=v1."), "{arguments}");
        assert!(arguments.contains("version.gitMajor=1 "), "{arguments}");
    }
}
