//! The image that tests run on a node: the same file system and settings as the Dockerfile's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use cluster::image::{self, Dockerfile};
use serde_json::{Value, json};

use crate::project;

const NAME: &str = "docker.io/library/amlnet:test";
const PROGRAM: &str = env!("CARGO_BIN_EXE_amlnet");

#[test]
fn the_archive_is_what_the_dockerfile_says() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("amlnet.tar");
    let image = image::amlnet(NAME, Path::new(PROGRAM)).unwrap();
    image.save(&archive).unwrap();
    unpack(&archive, folder.path());
    let manifest: Value = parse(&folder.path().join("manifest.json"));
    assert_eq!(manifest[0]["RepoTags"], json!([NAME]));
    let config = parse(&folder.path().join(manifest[0]["Config"].as_str().unwrap()));
    let config = &config["config"];

    let dockerfile = Dockerfile::read(&project("Dockerfile"), &BTreeMap::new()).unwrap();
    let last = dockerfile.last();
    assert_eq!(config["User"], json!(last.user));
    assert_eq!(config["Entrypoint"], json!(last.entrypoint));
    assert_eq!(config["Cmd"], json!(last.command));
    assert_eq!(config["Labels"], json!(last.labels));

    let layer = folder.path().join(manifest[0]["Layers"][0].as_str().unwrap());
    let listed = list(&layer);
    for (_, place) in &last.copies {
        assert!(listed.contains_key(place.trim_start_matches('/')), "{place} is missing: {listed:?}");
    }
    assert_eq!(listed["amlnet"], "-rwxr-xr-x 0/0");
    assert_eq!(listed["tmp/"], "drwxrwxrwt 0/0");
    assert_eq!(listed["home/nonroot/"], "drwx------ 65532/65532");
    for path in listed.keys() {
        let name = path.rsplit('/').next().unwrap();
        assert!(!["sh", "bash", "busybox", "dash"].contains(&name), "{path} is a shell");
    }

    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    unpack(&layer, &root);
    runs_in(&root);
}

/// With nothing but the image's files, and as its user.
fn runs_in(root: &Path) {
    let mut command = Command::new("chroot");
    command.arg("--userspec=65532:65532").arg(root).args(["/amlnet", "version"]).env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout != b"0\n" {
        eprintln!("not run in its own file system: only root can change to one");
        return;
    }
    // The folder above is for its owner alone, as temporary folders are, and the image's user has to get through.
    let above = root.parent().unwrap();
    fs::set_permissions(above, std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let expected = format!("amlnet {} (", env!("CARGO_PKG_VERSION"));
    assert!(said.starts_with(&expected), "{said}{}", String::from_utf8_lossy(&done.stderr));
}

fn parse(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn unpack(archive: &Path, folder: &Path) {
    let done = Command::new("tar").arg("--extract").arg("--file").arg(archive).arg("--directory").arg(folder).output();
    let done = done.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Mode and owner by path.
fn list(layer: &Path) -> BTreeMap<String, String> {
    let done = Command::new("tar").args(["--list", "--verbose", "--numeric-owner", "--file"]).arg(layer).output();
    let text = String::from_utf8(done.unwrap().stdout).unwrap();
    text.lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words[5].to_owned(), format!("{} {}", words[0], words[1]))
        })
        .collect()
}
