//! The pure part: no kube, HTTP, tokio, clock, environment or file. A test reads these sources and proves it.
//!
//! The way of one prefix: `service_tags` → `accept` → `resolve` → `desired` → `plan` → `guard` → (applied elsewhere)
//! → `outcome` → `project`.

/// Serde of a type by its text, as keys of JSON objects need it.
macro_rules! by_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub mod accept;
pub mod address;
pub mod approval;
pub mod ask;
pub mod attached;
pub mod cover;
pub mod decision;
pub mod demand;
pub mod desired;
pub mod effect;
pub mod figures;
pub mod guard;
pub mod host;
pub mod intent;
pub mod list;
pub mod members;
pub mod memory;
pub mod outbound;
pub mod outcome;
pub mod plan;
pub mod prefix;
pub mod project;
pub mod queue;
pub mod region;
pub mod render;
pub mod requirement;
pub mod resolve;
pub mod resource_id;
pub mod restored;
pub mod rule;
pub mod scope;
pub mod service_tags;
pub mod tag_diff;
#[cfg(test)]
pub(crate) mod testing;
