//! The archive of an image: manifest, configuration and one layer, in the layout of `docker save`.

use std::fs;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use serde_json::json;

use super::tar::{Digesting, Kind, LONGEST_PATH, Tar, digest};
use super::{Content, Error, Image};

pub(super) fn write(image: &Image, archive: &Path) -> Result<(), Error> {
    let folder = archive.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The names in the archive are digests, so the layer has to be there first.
    let layer = tempfile::NamedTempFile::new_in(folder).map_err(Error::file("cannot make a file in", folder))?;
    let layer_digest = self::layer(image, layer.path())?;
    let config = config(image, &layer_digest).to_string();
    let config_name = format!("{}.json", digest(config.as_bytes()));
    let layer_name = format!("{layer_digest}/layer.tar");
    let manifest = json!([{"Config": config_name, "RepoTags": [image.name], "Layers": [layer_name]}]).to_string();

    let refuse = || Error::file("cannot write", archive);
    let mut tar = Tar::new(BufWriter::new(fs::File::create(archive).map_err(refuse())?));
    for (name, text) in [("manifest.json", &manifest), (&config_name, &config)] {
        let size = text.len() as u64;
        tar.add(name, 0o644, 0, Kind::File { size }, &mut text.as_bytes()).map_err(refuse())?;
    }
    copy(&mut tar, &layer_name, 0o644, 0, layer.path()).map_err(refuse())?;
    tar.finish().map_err(refuse())?;
    Ok(())
}

/// Writes the layer to `path`, and gives its digest.
fn layer(image: &Image, path: &Path) -> Result<String, Error> {
    let file = fs::File::create(path).map_err(Error::file("cannot write", path))?;
    let mut tar = Tar::new(Digesting::new(BufWriter::new(file)));
    for (name, file) in &image.files {
        if name.len() >= LONGEST_PATH {
            return Err(Error::LongPath { path: name.clone() });
        }
        let (mode, owner) = (file.mode, file.owner);
        match &file.content {
            Content::Folder => tar.add(name, mode, owner, Kind::Folder, &mut io::empty()),
            Content::Text(text) => {
                tar.add(name, mode, owner, Kind::File { size: text.len() as u64 }, &mut text.as_bytes())
            }
            Content::Copy(from) => copy(&mut tar, name, mode, owner, from),
        }
        .map_err(Error::file("cannot write the layer with", Path::new(name)))?;
    }
    Ok(tar.finish().map_err(Error::file("cannot write", path))?.hex())
}

fn copy<W: Write>(tar: &mut Tar<W>, name: &str, mode: u32, owner: u32, from: &Path) -> io::Result<()> {
    let at = |source: io::Error| io::Error::new(source.kind(), format!("{}: {source}", from.display()));
    let file = fs::File::open(from).map_err(at)?;
    let size = file.metadata().map_err(at)?.len();
    tar.add(name, mode, owner, Kind::File { size }, &mut BufReader::new(file))
}

fn config(image: &Image, layer_digest: &str) -> serde_json::Value {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = &image.config;
    json!({
        "architecture": architecture,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "User": config.user,
            "Env": config.environment,
            "Entrypoint": config.entrypoint,
            "Cmd": config.command,
            "WorkingDir": config.working_folder,
            "Labels": config.labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer_digest}")]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "amlnet's tests"}],
    })
}
