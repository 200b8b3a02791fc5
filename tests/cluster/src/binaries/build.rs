//! Builds the programs from the Go modules that `go/` pins, into a cache outside the clone.
//!
//! One folder of the cache holds one program, as one state of its module gives it with one Go: another program in the
//! module, or another module, leaves it where it is. Nothing in it is ever changed, so it can be deleted at any time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{Program, absolute, say, version};
use crate::{Error, process};

/// A debug build on a slow machine took eight minutes; one that hangs has to end.
const PATIENCE: Duration = Duration::from_secs(45 * 60);

/// The program from the cache, built if it is not there yet.
pub(super) fn cached(program: &'static Program) -> Result<PathBuf, Error> {
    let cache = cache()?;
    let folder = cache.join(format!("{}-{}", program.name, key(program, &go(program, &cache)?)?));
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
    // Limits for the programs that tests run would keep a linker collecting garbage.
    command.env_remove("GOGC").env_remove("GOMEMLIMIT");
    command.env_remove("GOOS").env_remove("GOARCH").env_remove("GOEXPERIMENT");
    command
}

/// Go's version and the architecture, as one text.
fn go(program: &'static Program, cache: &Path) -> Result<String, Error> {
    let ran = process::run(command(program.module).args(["env", "GOVERSION", "GOOS", "GOARCH"]), None, PATIENCE);
    let none = |why| Error::NoGo { program: program.name, cache: cache.to_owned(), why };
    match ran {
        Err(_) if !sources(program.module).is_dir() => Err(Error::Build {
            program: program.name,
            source_folder: sources(program.module),
            why: "the folder is not there. A checkout that was moved has to be built again".to_owned(),
        }),
        Err(error) => Err(none(format!("`go` cannot be run ({error})"))),
        Ok(ran) if !ran.status.success() => Err(none(format!("`go env` says: {}", ran.stderr.trim()))),
        Ok(ran) => Ok(ran.stdout),
    }
}

/// Everything that decides what is built. go.sum only confirms what go.mod says, and both may grow with another program
/// of the module.
fn key(program: &Program, go: &str) -> Result<String, Error> {
    let mut hash = Sha256::new();
    hash.update(go);
    hash.update(arguments(program, Path::new(program.name))?.join("\n"));
    hash.update(go_mod(program)?);
    let hash: u64 = hash.finalize().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Ok(format!("{hash:016x}"))
}

fn go_mod(program: &Program) -> Result<String, Error> {
    let path = sources(program.module).join("go.mod");
    std::fs::read_to_string(&path).map_err(Error::file("cannot read", &path))
}

fn arguments(program: &Program, to: &Path) -> Result<Vec<String>, Error> {
    let mut link = "-s -w".to_owned();
    let modules = go_mod(program)?;
    for (variable, module, value) in program.linked {
        let required = |line: &str| {
            let text = line.trim();
            let rest = text.strip_prefix("require ").unwrap_or(text).strip_prefix(module)?;
            rest.strip_prefix(" v").map(|rest| rest.split_whitespace().next().unwrap_or_default().to_owned())
        };
        let Some(value) = modules.lines().find_map(required).and_then(|version| value(&version)) else {
            let why = format!("its go.mod has no line `{module} vX.Y.Z`");
            return Err(Error::Build { program: program.name, source_folder: sources(program.module), why });
        };
        link = format!("{link} -X {variable}={value}");
    }
    let to = to.to_string_lossy().into_owned();
    // What a debugger would want is left out when it is linked; not to make it takes a sixth less time.
    let fixed = ["build", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags", &link, "-o", &to];
    let mut arguments = fixed.map(str::to_owned).to_vec();
    if !program.tags.is_empty() {
        arguments.push(format!("-tags={}", program.tags));
    }
    arguments.push(program.package.to_owned());
    Ok(arguments)
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
    use super::super::{API_SERVER, HELM_3, PROGRAMS};
    use super::*;

    #[test]
    fn the_folder_in_the_cache_depends_on_go_and_is_a_plain_name() {
        let one = key(&API_SERVER, "go1.26.8\nlinux\namd64\n").unwrap();
        assert_eq!(one, key(&API_SERVER, "go1.26.8\nlinux\namd64\n").unwrap());
        assert_ne!(one, key(&API_SERVER, "go1.26.8\nlinux\narm64\n").unwrap());
        assert!(one.len() == 16 && one.chars().all(|char| char.is_ascii_hexdigit()), "{one}");
    }

    #[test]
    fn programs_are_told_the_versions_that_go_mod_pins() {
        let server = arguments(&API_SERVER, Path::new("out")).unwrap().join(" ");
        assert!(server.contains("version.gitVersion=v1."), "{server}");
        assert!(server.contains("version.gitMajor=1 "), "{server}");
        let helm = arguments(&HELM_3, Path::new("out")).unwrap().join(" ");
        assert!(helm.contains("chartutil.k8sVersionMinor=3"), "{helm}");
    }

    #[test]
    fn every_program_is_named_by_the_tools_file_of_its_module() {
        for program in PROGRAMS {
            let tools = std::fs::read_to_string(sources(program.module).join("tools.go")).unwrap();
            assert!(tools.contains(&format!("_ \"{}\"", program.package)), "{}", program.name);
        }
    }
}
