//! A temporary folder that goes with this process, however it ends.

use std::ffi::OsStr;
use std::io::{Error as IoError, ErrorKind};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::Error;

/// Waits for the end of a pipe that only this process writes to, then removes the folder. The servers that write there
/// end at the same moment, so one try may come too early.
const REMOVER: &str = r#"
read -r _
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  rm -rf "$1" 2>/dev/null
  [ -e "$1" ] || exit 0
  sleep 0.2
done
"#;

#[derive(Debug)]
pub(crate) struct Folder {
    folder: TempDir,
    remover: Child,
}

impl Folder {
    pub(crate) fn make(prefix: &str) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir()
            .map_err(Error::file("cannot make a folder in", std::env::temp_dir()))?;
        if !folder.path().is_absolute() {
            let source = IoError::new(ErrorKind::InvalidInput, "TMPDIR has to be an absolute path");
            return Err(Error::file("cannot use", folder.path())(source));
        }
        let remover = remover(REMOVER, folder.path().as_os_str())?;
        Ok(Self { folder, remover })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.remover.stdin.take());
        // `TempDir` removes the folder as well; two that do it disturb nobody.
        let _ = self.remover.wait();
    }
}

/// Starts a script that takes `what` away when its standard input is closed: with this process, however that ends. It has a
/// process group of its own, so that Ctrl-C leaves it to its work.
pub(crate) fn remover(script: &str, what: &OsStr) -> Result<Child, Error> {
    Command::new("sh")
        .args(["-c", script, "remover"])
        .arg(what)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|source| Error::Spawn { program: "sh".to_owned(), source })
}
