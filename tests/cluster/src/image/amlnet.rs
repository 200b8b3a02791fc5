//! amlnet's image as the Dockerfile at the top of the project describes it: the same user, program, command, labels and
//! places. The binary comes ready built, and the base is made of this machine's libraries.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Config, Content, Dockerfile, Error, Image, base};

const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The image named `name` around `binary`, which may be a debug build: what differs from a released image is the base's
/// origin, and no more than that.
pub fn amlnet(name: &str, binary: &Path) -> Result<Image, Error> {
    let binary = std::fs::canonicalize(binary).map_err(Error::file("cannot find", binary))?;
    let dockerfile = Dockerfile::read(&Path::new(PROJECT).join("Dockerfile"), &BTreeMap::new())?;
    let stage = dockerfile.last();
    let refuse = |why: String| Error::Dockerfile { path: dockerfile.path.clone(), line: 1, why };

    let mut environment: Vec<String> = base::ENVIRONMENT.map(ToOwned::to_owned).into();
    environment.extend(stage.environment.iter().map(|(name, value)| format!("{name}={value}")));
    let config = Config {
        user: stage.user.clone().ok_or_else(|| refuse("the last stage has no USER".to_owned()))?,
        entrypoint: stage.entrypoint.clone(),
        command: stage.command.clone(),
        environment,
        labels: stage.labels.clone(),
        working_folder: stage.working_folder.clone().unwrap_or_else(|| base::WORKING_FOLDER.to_owned()),
    };
    let mut image = Image::new(name, config);
    base::add(&mut image, &binary)?;
    for (from, to) in &stage.copies {
        let (content, mode) = match from.rsplit('/').next() {
            Some("amlnet") => (binary.clone(), 0o755),
            Some("LICENSE") => (PathBuf::from(PROJECT).join("LICENSE"), 0o644),
            _ => return Err(refuse(format!("COPY {from}: the tests do not know what it is; teach it to them"))),
        };
        image.add(to, mode, 0, Content::Copy(content));
    }
    Ok(image)
}
