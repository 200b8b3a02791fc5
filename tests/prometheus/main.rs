//! The rules for Prometheus: promtool's verdict and tests, and that rules, pages and metrics mean the same things.

// A test that cannot go on fails where it stands, with the line.
#![allow(clippy::unwrap_used)]

mod cases;
mod expression;
mod names;
mod pages;
mod promtool;
mod rules;
