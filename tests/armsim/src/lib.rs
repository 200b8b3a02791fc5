//! armsim: a server that behaves like Azure Resource Manager's network provider, for tests and demonstrations.
//! `model` is the behaviour, pure; `server` puts it on sockets; `tags` makes up Service Tags documents;
//! `replay` checks the behaviour against recorded conversations.
//! Nothing here may be used to reach a real cloud, and nothing listens where another computer could reach it.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics says where"))]

pub mod model;
mod regions;
pub mod replay;
pub mod server;
pub mod tags;
