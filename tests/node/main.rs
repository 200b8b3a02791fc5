//! amlnet as its users meet it: the chart, the image and Prometheus on a real Kubernetes node, and a simulated Azure that
//! the pods reach over TLS. Where this computer cannot run a node, all of it is skipped and says why.

// A test that cannot go on fails where it stands, with the line.
#![allow(clippy::unwrap_used)]
#![allow(clippy::needless_pass_by_value, reason = "so that calls stay short")]
#![allow(clippy::print_stderr, reason = "figures, for who asks with --nocapture")]

mod bad_values;
#[path = "../shared/dice.rs"]
#[allow(dead_code, reason = "shared with the tests of the file mode")]
mod dice;
mod first_hour;
#[path = "../live/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests of the file mode")]
mod harness;
mod release;
mod upgrade;
mod watched;
