//! amlnet keeps the network around Azure Machine Learning compute correct while Microsoft's addresses change.
//!
//! `ARCHITECTURE.md` is the map. Imports go one way: `main → commands → app → reconcile → {azure, store} → feed →
//! api → domain`; `telemetry`, `metrics` and `http` are leaves.

pub mod api;
pub mod app;
pub mod azure;
pub mod commands;
pub mod domain;
pub mod feed;
pub mod http;
pub mod metrics;
pub mod reconcile;
pub mod store;
pub mod telemetry;
