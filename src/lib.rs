//! amlnet keeps the network around Azure Machine Learning compute correct while Microsoft's addresses change.
//!
//! `ARCHITECTURE.md` is the map. Imports go one way: `main → commands → app → reconcile → {azure, store} → feed →
//! api → domain`; `telemetry`, `metrics` and `http` are leaves.

pub mod api;
pub mod app;
pub mod azure;
pub mod commands;
/// The pure core is a package of its own, `amlnet-domain`; to the rest it is the lowest module.
pub mod domain {
    pub use amlnet_domain::*;

    /// Its tests and ours build values alike: the same file, compiled on both sides. Ours use a part of it.
    #[cfg(test)]
    #[allow(dead_code)]
    pub(crate) mod testing;
}
pub mod feed;
pub mod http;
pub mod metrics;
pub mod reconcile;
pub mod store;
pub mod telemetry;
