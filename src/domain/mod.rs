//! The pure part: no kube, HTTP, tokio, clock, environment or file. A test reads these sources and proves it.
//!
//! The way of one prefix: `service_tags` → `accept` → `resolve` → `desired` → `plan` → `guard` → (applied elsewhere)
//! → `outcome` → `project`.

pub mod accept;
pub mod desired;
pub mod effect;
pub mod guard;
pub mod intent;
pub mod outcome;
pub mod plan;
pub mod prefix;
pub mod project;
pub mod queue;
pub mod region;
pub mod render;
pub mod resolve;
pub mod resource_id;
pub mod service_tags;
pub mod tag_diff;
#[cfg(test)]
pub(crate) mod testing;
