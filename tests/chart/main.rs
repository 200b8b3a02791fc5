//! The Helm chart: its form, what it renders, and what becomes of it on a real API server, with Helm 4 and Helm 3.

// A test that cannot go on fails where it stands, with the line.
#![allow(clippy::unwrap_used)]

mod current;
mod readme;
mod refusals;
mod releases;
mod renderings;
mod tools;
mod unittest;
