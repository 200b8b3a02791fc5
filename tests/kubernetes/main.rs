//! The controller in Kubernetes: real processes against a real API server, and the simulator over real HTTP and TLS.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]
#![allow(clippy::needless_pass_by_value, reason = "json!({…}) reads better than &json!({…}) at every call")]

#[path = "../shared/dice.rs"]
#[allow(dead_code, reason = "shared with the tests of the file mode")]
mod dice;
#[path = "../live/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests of the file mode")]
mod harness;

mod documents;
mod faults;
mod first;
mod injector;
mod life;
mod memory;
mod replica;
mod see;
mod status;
mod world;
