//! Azure Resource Manager: the only place that talks to it.
//!
//! `Arm` reads, sends and settles; `kind` turns answers into observations and steps into writes.
//! Must not decide what is written. Must not let a token into a log, an error or a file.

pub mod arm;
mod cached;
pub mod cloud;
pub mod credential;
pub mod discovery;
pub mod error;
pub mod fence;
pub mod kind;
pub mod limiter;
pub mod locks;
pub mod measure;
pub mod operation;
mod send;
pub mod transport;
mod tries;
