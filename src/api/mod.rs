//! The custom resources of group `amlnet.dev`: their types, their strict reading, and the way into and out of `domain`.
//!
//! Types hold exactly the fields that work. Every rule about the *form* of a spec is in the schema or in `convert`;
//! what depends on data (does the region exist) is not asked here. Must not do I/O.

pub mod approval;
pub mod convert;
mod convert_outbound;
mod convert_security_group;
pub mod crd;
pub mod feed;
pub mod network;
pub mod outbound;
pub mod read;
pub mod reference;
pub mod rules;
mod schema;
mod schema_rules;
pub mod scopes;
pub mod security_group;
pub mod status;

/// The group and version of all our objects.
pub const API_VERSION: &str = "amlnet.dev/v1alpha1";
/// Setting it to a new value makes a feed poll, or a Network's targets reconcile, at once.
pub const RECONCILE_AT: &str = "amlnet.dev/reconcile-at";
/// The namespace of an object in a file that names none.
pub const DEFAULT_NAMESPACE: &str = "default";
