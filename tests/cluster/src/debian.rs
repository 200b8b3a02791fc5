//! Programs of Debian packages: where this computer has them, else from the package itself, unpacked into the cache.
//! Nothing is installed and no service is started, so it needs no rights; but it needs apt, and the network once.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::{Error, binaries, process};

const PATIENCE: Duration = Duration::from_secs(300);
/// Where Debian puts programs, also those that are on nobody's PATH.
const FOLDERS: [&str; 7] = ["usr/bin", "usr/sbin", "bin", "sbin", "usr/lib/cni", "usr/libexec/cni", "opt/cni/bin"];

/// Why something cannot be done on this computer, for a test that then does without.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Skip(pub String);

/// The first of: a folder in PATH, the folders where Debian would put it, the cache, the package.
pub fn program(package: &str, program: &str) -> Result<PathBuf, Skip> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let here = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|binary| binary.is_file());
    if let Some(binary) = here.or_else(|| below(Path::new("/"), program)) {
        return Ok(binary);
    }
    let missing = |why: String| {
        Skip(format!("{program} is not on PATH, and cannot be had from the Debian package {package}: {why}"))
    };
    let folder = unpacked(package).map_err(missing)?;
    below(&folder, program).ok_or_else(|| missing(format!("it is not in {}", folder.display())))
}

fn below(root: &Path, program: &str) -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| root.join(folder).join(program)).find(|binary| binary.is_file())
}

/// The folder of the cache that has the content of the package. To have a newer one, delete it.
fn unpacked(package: &str) -> Result<PathBuf, String> {
    let said = |error: Error| error.to_string();
    // A program of one release may not run on another.
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or("unknown").trim_matches('"').to_owned()
    };
    let name = format!("{}-{}-{}", field("ID"), field("VERSION_ID"), std::env::consts::ARCH);
    let cache = binaries::cache().map_err(said)?.join("debian").join(name);
    let folder = cache.join(package);
    if folder.is_dir() {
        return Ok(folder);
    }
    std::fs::create_dir_all(&cache).map_err(Error::file("cannot make", &cache)).map_err(said)?;
    let lock_file = cache.join("lock");
    let lock = File::create(&lock_file).map_err(Error::file("cannot make", &lock_file)).map_err(said)?;
    lock.lock().map_err(Error::file("cannot lock", &lock_file)).map_err(said)?;
    // Another process may have unpacked it while this one waited for the lock.
    if !folder.is_dir() {
        unpack(package, &cache, &folder)?;
    }
    Ok(folder)
}

/// Under a temporary name, then renamed: half a package is never taken for a whole one.
fn unpack(package: &str, cache: &Path, to: &Path) -> Result<(), String> {
    let made = tempfile::Builder::new().prefix("half-").tempdir_in(cache);
    let half = made.map_err(|error| format!("cannot make a folder in {}: {error}", cache.display()))?;
    binaries::say(&format!("unpacking the Debian package {package} into {}", to.display()));
    let download = || {
        let mut command = Command::new("apt-get");
        command.args(["download", "-q", "-o", "APT::Sandbox::User=root", package]).current_dir(half.path());
        run(command)
    };
    // A fresh computer has no list of packages, or an old one; only root may fetch it.
    download().or_else(|first| {
        let mut update = Command::new("apt-get");
        update.args(["update", "-q"]);
        run(update).map_err(|_| first)?;
        download()
    })?;
    let files = std::fs::read_dir(half.path()).map_err(|error| error.to_string())?;
    let mut files = files.filter_map(Result::ok).map(|entry| entry.path());
    let archive = files.find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let archive = archive.ok_or_else(|| "`apt-get download` left no file".to_owned())?;
    let content = half.path().join("content");
    let mut command = Command::new("dpkg-deb");
    command.arg("-x").arg(archive).arg(&content);
    run(command)?;
    std::fs::rename(&content, to).map_err(|error| format!("cannot write {}: {error}", to.display()))
}

fn run(mut command: Command) -> Result<(), String> {
    let name = format!(
        "`{}{}`",
        command.get_program().to_string_lossy(),
        command.get_args().take(1).map(|argument| format!(" {}", argument.to_string_lossy())).collect::<String>()
    );
    match process::run(&mut command, None, PATIENCE) {
        Err(error) => Err(format!("{name} does not run: {error}")),
        Ok(ran) if !ran.status.success() => Err(format!("{name} says: {}", ran.stderr.trim())),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_there_is_found_without_its_package() {
        let found = program("no-package-has-this-name", "sh").unwrap();
        assert!(found.is_file(), "{}", found.display());
    }
}
