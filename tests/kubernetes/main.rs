//! What a real API server says. Each test has a cluster of its own or a namespace of its own.

// A test that cannot go on fails where it stands, with the line.
#![allow(clippy::unwrap_used)]

mod crds;
#[path = "../objects/mod.rs"]
mod objects;
