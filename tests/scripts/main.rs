//! The scripts that people run, each against a stand-in for the command that it calls. No network, and nothing is built.

// A test that cannot go on fails where it stands, with the line.
#![allow(clippy::unwrap_used)]

mod identity;
mod temporary;
