//! The image that a pod's first container comes from: a static program that waits.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Config, Content, Error, Image};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/pause/pause.c");

/// Compiles the program into `folder`, which has to stay until the image is saved.
pub fn pause(name: &str, folder: &Path) -> Result<Image, Error> {
    let program: PathBuf = folder.join("pause");
    let done = Command::new("cc").args(["-static", "-Os", "-s", "-o"]).arg(&program).arg(SOURCE).output().map_err(
        |source| Error::Spawn {
            program: "cc",
            source,
            hint: "Install a C compiler with its static library (Debian: apt-get install gcc libc6-dev)",
        },
    )?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        return Err(Error::Failed { program: "cc", status: done.status, said });
    }
    let program = fs::canonicalize(&program).map_err(Error::file("cannot find", &program))?;
    let config = Config {
        user: "65535:65535".to_owned(),
        entrypoint: vec!["/pause".to_owned()],
        working_folder: "/".to_owned(),
        ..Config::default()
    };
    let mut image = Image::new(name, config);
    image.add("pause", 0o755, 0, Content::Copy(program));
    Ok(image)
}
