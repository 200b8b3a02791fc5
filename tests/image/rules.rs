//! What the Dockerfile has to say, whatever else changes in it.

use std::collections::BTreeMap;

use cluster::image::Dockerfile;

use crate::{project, read};

fn dockerfile(build_arguments: &[(&'static str, &str)]) -> Dockerfile {
    let arguments: BTreeMap<&str, String> =
        build_arguments.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Dockerfile::read(&project("Dockerfile"), &arguments).unwrap()
}

#[test]
fn every_base_is_an_argument_pinned_by_a_digest() {
    let file = dockerfile(&[]);
    assert_eq!(file.bases.keys().collect::<Vec<_>>(), ["BASE_IMAGE", "RUST_IMAGE"]);
    for (name, image) in &file.bases {
        let (tagged, digest) = image.split_once("@sha256:").unwrap_or_else(|| panic!("{name}={image} has no digest"));
        assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}: {digest}");
        assert!(tagged.rsplit('/').next().unwrap().contains(':'), "{name}={tagged} does not say which tag it was");
        assert!(tagged.split('/').next().unwrap().contains('.'), "{name}={tagged} does not say which registry");
    }
    // Each stage starts from one of them, and from nothing that is written into its FROM.
    let moved = dockerfile(&[("RUST_IMAGE", "one"), ("BASE_IMAGE", "two")]);
    assert_eq!(moved.stages.iter().map(|stage| stage.from.as_str()).collect::<Vec<_>>(), ["one", "two"]);
}

#[test]
fn the_builder_is_the_toolchain_of_the_project() {
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    let file = dockerfile(&[]);
    assert!(file.bases["RUST_IMAGE"].contains(&format!("/rust:{channel}-")), "{:?} is not {channel}", file.bases);
}

#[test]
fn the_build_follows_the_lock_file() {
    let file = dockerfile(&[]);
    let cargo: Vec<&String> = file.stages[0].commands.iter().filter(|run| run.contains("cargo ")).collect();
    assert!(!cargo.is_empty());
    for run in cargo {
        assert!(run.contains("cargo build --locked --release"), "{run}");
    }
}

#[test]
fn the_image_runs_one_program_without_a_shell_as_a_user_that_is_not_root() {
    let file = dockerfile(&[]);
    let last = file.last();
    assert_eq!(last.user.as_deref(), Some("65532:65532"));
    assert_eq!(last.entrypoint, ["/amlnet"]);
    assert_eq!(last.command, ["run"]);
    assert_eq!(last.commands, [] as [&str; 0], "the base has no shell to run this with");
    assert!(last.from.starts_with("gcr.io/distroless/") && last.from.contains(":nonroot@"), "{}", last.from);
    let places: Vec<&str> = last.copies.iter().map(|(_, to)| to.as_str()).collect();
    assert_eq!(places, ["/amlnet", "/LICENSE"]);
}

#[test]
fn labels_say_what_it_is_and_where_it_comes_from() {
    let file = dockerfile(&[("REVISION", "0123abc")]);
    let label = |name: &str| file.last().labels[&format!("org.opencontainers.image.{name}")].as_str();
    assert_eq!(label("title"), env!("CARGO_PKG_NAME"));
    assert_eq!(label("description"), env!("CARGO_PKG_DESCRIPTION"));
    assert_eq!(label("source"), env!("CARGO_PKG_REPOSITORY"));
    assert_eq!(label("licenses"), env!("CARGO_PKG_LICENSE"));
    assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(label("revision"), "0123abc");
    assert_eq!(file.last().labels.len(), 6);
}

#[test]
fn stages_agree_on_version_and_commit() {
    let file = dockerfile(&[]);
    for name in ["VERSION", "REVISION"] {
        assert_eq!(file.stages[0].arguments[name], file.stages[1].arguments[name], "{name}");
    }
}

/// Builders without BuildKit (`az acr build`, old Dockers) refuse these.
#[test]
fn no_step_needs_buildkit() {
    let text = read("Dockerfile");
    for word in ["--mount", "--chmod", "--link", "# syntax", "<<", "TARGETARCH", "BUILDPLATFORM"] {
        let found = text.lines().find(|line| line.contains(word) && !line.starts_with("# Bases"));
        assert_eq!(found, None, "{word}");
    }
}
