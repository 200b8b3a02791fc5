//! What is remembered of one target as a ConfigMap: compressed, under a seal over the plain text.
//!
//! Older versions wrote the text itself, which is still read. Must not talk to the API server, and must not decide what a
//! loss means.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;

use super::{labels, packed};
use crate::domain::memory::TargetMemory;
use crate::domain::resource_id::ResourceId;
use crate::domain::service_tags::Digest;
use crate::store::StoreError;
use crate::store::audit::AuditLine;

/// What its label says.
pub(super) const HOLDS: &str = "memory";
const TARGET: &str = "target";
const SEAL: &str = "seal";
const MEMORY: Key = Key { packed: "memory.json.gz", plain: "memory.json" };
const OPEN: Key = Key { packed: "open.json.gz", plain: "open.json" };

/// Where a text stands: in `binaryData`, or in `data` as older versions wrote it.
#[derive(Debug, Clone, Copy)]
struct Key {
    packed: &'static str,
    plain: &'static str,
}

/// What a ConfigMap tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) memory: TargetMemory,
    /// A write of which it is not known how it ended.
    pub(super) open: Option<AuditLine>,
}

/// A ConfigMap that was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Whole(ResourceId, Box<Remembered>),
    /// Of this target, but it is not what amlnet wrote.
    Damaged(ResourceId, String),
    /// Of nobody knows which target.
    Nameless(String),
}

/// The name of a target's ConfigMap.
pub(super) fn name(installation: &str, id: &ResourceId) -> String {
    let digest = Digest::of(id.to_string().to_ascii_lowercase().as_bytes()).to_string();
    format!("amlnet-{installation}-target-{}", &digest["sha256:".len()..][..20])
}

fn seal(installation: &str, target: &str, memory: &[u8], open: &[u8]) -> String {
    let head = format!("{installation}\n{target}\n");
    Digest::of(&[head.as_bytes(), memory, b"\n", open].concat()).to_string()
}

/// Writes a ConfigMap. `open` is a write of which it is not known how it ended.
pub(super) fn write(
    installation: &str,
    id: &ResourceId,
    memory: &TargetMemory,
    open: Option<&AuditLine>,
) -> Result<ConfigMap, StoreError> {
    let place = name(installation, id);
    let refuse = |what: String| StoreError { place: place.clone(), what };
    let memory = serde_json::to_vec(memory).map_err(|error| refuse(error.to_string()))?;
    let open = open.map(serde_json::to_vec).transpose().map_err(|error| refuse(error.to_string()))?.unwrap_or_default();
    let target = id.to_string();
    let seal = seal(installation, &target, &memory, &open);
    let mut binary_data = BTreeMap::new();
    for (key, text) in [(MEMORY, memory), (OPEN, open)].into_iter().filter(|(_, text)| !text.is_empty()) {
        binary_data.insert(key.packed.to_owned(), ByteString(packed::pack(&text).map_err(refuse)?));
    }
    let size: usize = binary_data.values().map(|bytes| bytes.0.len()).sum();
    if size > packed::LARGEST {
        return Err(refuse(format!(
            "what is remembered of {id} is {size} bytes even compressed, and a ConfigMap takes {}; let fewer Networks \
             share it, or let it name service tags or IP groups in place of prefixes",
            packed::LARGEST
        )));
    }
    let metadata = ObjectMeta {
        name: Some(place.clone()),
        labels: Some(labels::of(installation, HOLDS)),
        ..ObjectMeta::default()
    };
    let data = BTreeMap::from([(SEAL.to_owned(), seal), (TARGET.to_owned(), target)]);
    Ok(ConfigMap { metadata, data: Some(data), binary_data: Some(binary_data), ..ConfigMap::default() })
}

/// Reads a ConfigMap.
pub(super) fn read(installation: &str, map: &ConfigMap) -> Found {
    let own = map.metadata.name.as_deref().unwrap_or_default();
    let text = |key: &str| map.data.as_ref().and_then(|data| data.get(key)).map(String::as_str).unwrap_or_default();
    let Ok(id) = text(TARGET).parse::<ResourceId>() else {
        return Found::Nameless(format!("{own} does not say of which target it is"));
    };
    if name(installation, &id) != own {
        return Found::Nameless(format!("{own} is not the ConfigMap of {id}"));
    }
    let plain = |key: Key| match map.binary_data.as_ref().and_then(|data| data.get(key.packed)) {
        Some(bytes) => packed::unpack(&bytes.0).map_err(|error| format!("{own}: {}: {error}", key.packed)),
        None => Ok(text(key.plain).as_bytes().to_vec()),
    };
    let (memory, open) = match (plain(MEMORY), plain(OPEN)) {
        (Ok(memory), Ok(open)) => (memory, open),
        (Err(why), _) | (_, Err(why)) => return Found::Damaged(id, why),
    };
    if text(SEAL) != seal(installation, text(TARGET), &memory, &open) {
        return Found::Damaged(id, format!("{own} is not what was written"));
    }
    let open = (!open.is_empty()).then(|| serde_json::from_slice(&open)).transpose();
    match (serde_json::from_slice(&memory), open) {
        (Ok(memory), Ok(open)) => Found::Whole(id, Box::new(Remembered { memory, open })),
        (Err(error), _) | (_, Err(error)) => Found::Damaged(id, format!("{own}: {error}")),
    }
}

#[cfg(test)]
#[path = "memory_map_tests.rs"]
mod tests;
