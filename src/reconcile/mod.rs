//! From objects and documents to targets, and one target at a time to the state it should have.
//!
//! `plan`, `apply` and `run` all go through `target::reconcile`; nothing else does the work twice.

pub mod controller;
mod gather;
pub mod index;
pub mod lists;
pub mod look;
pub mod once;
mod pace;
pub mod places;
mod remember;
mod said;
pub mod status;
mod stop;
pub mod target;
pub mod watched;
mod whole;
mod write;
