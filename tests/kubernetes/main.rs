//! The controller in Kubernetes: real processes against a real API server, and the simulator over real HTTP and TLS.
//! Each test has a namespace of its own, or a cluster.

// A test that cannot go on fails where it stands, with the line.
#![allow(clippy::unwrap_used)]
#![allow(clippy::needless_pass_by_value, reason = "so that calls stay short")]

mod approvals;
mod commands;
mod crds;
#[path = "../shared/dice.rs"]
#[allow(dead_code, reason = "shared with the tests of the file mode")]
mod dice;
mod docs;
mod docs_pages;
mod docs_runbooks;
mod documents;
mod faults;
mod first;
#[path = "../live/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests of the file mode")]
mod harness;
mod injector;
mod leader;
mod leader_clock;
mod leader_cut;
mod leader_ended;
mod leader_frozen;
mod leader_lease;
mod life;
mod lists;
mod manifests;
mod memory;
mod metrics;
#[path = "../objects/mod.rs"]
mod objects;
mod rbac;
mod reader;
mod replica;
mod rules;
mod see;
mod status;
mod world;
