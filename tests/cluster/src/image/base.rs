//! What the base image of the Dockerfile has (distroless `cc`, tag `nonroot`) as far as a program can see it: accounts,
//! name resolution, the well-known certificates, a home and a temporary folder, and the shared libraries of one binary.
//! There is no shell and no other program in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Content, Error, Image};

const NON_ROOT: u32 = 65532;
const PASSWD: &str = "\
root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin
";
const GROUP: &str = "root:x:0:\nnobody:x:65534:\ntty:x:5:\nstaff:x:50:\nnonroot:x:65532:\n";
const NAMES: &str = "hosts: files dns\n";
/// Where the bases have them, and where the machines have them that the tests run on.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

pub(super) const WORKING_FOLDER: &str = "/home/nonroot";
pub(super) const ENVIRONMENT: [&str; 2] = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
];

/// Puts all of it under `image`. `binary` decides about the libraries only.
pub(super) fn add(image: &mut Image, binary: &Path) -> Result<(), Error> {
    for (path, text) in [("etc/passwd", PASSWD), ("etc/group", GROUP), ("etc/nsswitch.conf", NAMES)] {
        image.add(path, 0o644, 0, Content::Text(text.to_owned()));
    }
    for folder in ["dev", "proc", "root", "run", "sys", "usr", "var"] {
        image.add(folder, 0o755, 0, Content::Folder);
    }
    image.add("tmp", 0o1777, 0, Content::Folder);
    image.add(WORKING_FOLDER, 0o700, NON_ROOT, Content::Folder);
    if Path::new(CERTIFICATES).is_file() {
        image.add(CERTIFICATES, 0o644, 0, Content::Copy(CERTIFICATES.into()));
    }
    for library in libraries(binary)? {
        // The name that the loader looks for, the content of whatever that name leads to.
        let path = library.to_string_lossy().into_owned();
        image.add(&path, 0o755, 0, Content::Copy(library));
    }
    Ok(())
}

/// The shared libraries and the loader, as `ldd` finds them. A static program has none.
fn libraries(binary: &Path) -> Result<Vec<PathBuf>, Error> {
    let done = Command::new("ldd").arg(binary).env("LC_ALL", "C").env_remove("LD_LIBRARY_PATH").output();
    let done = done.map_err(|source| Error::Spawn {
        program: "ldd",
        source,
        hint: "It is part of the C library (Debian: apt-get install libc-bin)",
    })?;
    let out = String::from_utf8_lossy(&done.stdout);
    let said = format!("{out}{}", String::from_utf8_lossy(&done.stderr));
    if said.contains("not a dynamic executable") || said.contains("statically linked") {
        return Ok(Vec::new());
    }
    if !done.status.success() {
        return Err(Error::Failed { program: "ldd", status: done.status, said: said.trim().to_owned() });
    }
    out.lines().filter_map(|line| library(line, binary).transpose()).collect()
}

/// One line of `ldd`: `name => path (address)`, `path (address)` for the loader, or a name without a file for what the
/// kernel gives.
fn library(line: &str, binary: &Path) -> Result<Option<PathBuf>, Error> {
    let line = line.trim();
    let (name, place) = line.split_once(" => ").unwrap_or((line, line));
    if place.starts_with("not found") {
        return Err(Error::Library { library: name.to_owned(), binary: binary.to_owned() });
    }
    Ok(place.split(" (").next().filter(|path| path.starts_with('/')).map(PathBuf::from))
}
