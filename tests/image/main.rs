//! The image: the rules of its Dockerfile, what reaches the builder, how large it is, and the same file system as an
//! archive. No Docker: the image that tests run is made from the Dockerfile by `cluster::image`.

// A test that cannot go on fails where it stands, with the line.
#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stderr, reason = "the size, and why a check is skipped")]

mod archive;
mod build;
mod context;
mod rules;
mod size;

use std::path::{Path, PathBuf};

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
