//! The source `configMap`: a document in a ConfigMap, plain or gzip, for clusters without internet.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};

use super::explain;
use crate::domain::service_tags::Digest;
use crate::feed::{Candidate, Fetched, Source, SourceError, Validators, decode};

/// It is looked this often whether the ConfigMap is another one.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A key of a ConfigMap.
pub struct ConfigMapDocument {
    api: Api<ConfigMap>,
    /// `namespace/name`, for messages.
    place: String,
    name: String,
    key: String,
    looked: Mutex<Option<(Instant, Option<String>)>>,
}

impl std::fmt::Debug for ConfigMapDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigMapDocument").field("place", &self.place).finish_non_exhaustive()
    }
}

impl ConfigMapDocument {
    pub fn new(client: Client, namespace: &str, name: &str, key: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            place: format!("the key {key} of ConfigMap {namespace}/{name}"),
            name: name.to_owned(),
            key: key.to_owned(),
            looked: Mutex::default(),
        }
    }

    fn unreachable(&self, what: String) -> SourceError {
        SourceError::Unreachable { place: self.place.clone(), what }
    }

    /// Another one for another content, whoever wrote it.
    fn validators(&self, map: &ConfigMap) -> Validators {
        let (uid, version) = (map.metadata.uid.as_deref(), map.metadata.resource_version.as_deref());
        Validators {
            url: Digest::of(self.place.as_bytes()).to_string(),
            etag: Some(format!("{} {}", uid.unwrap_or_default(), version.unwrap_or_default())),
            last_modified: None,
        }
    }
}

#[async_trait]
impl Source for ConfigMapDocument {
    fn name(&self) -> &'static str {
        "configMap"
    }

    async fn fetch(&self, known: Option<&Validators>) -> Result<Fetched, SourceError> {
        let found = self.api.get_opt(&self.name).await.map_err(|error| self.unreachable(explain(&error)))?;
        let mut map = found.ok_or_else(|| self.unreachable("there is no such ConfigMap".to_owned()))?;
        let validators = self.validators(&map);
        if known == Some(&validators) {
            return Ok(Fetched::NotModified);
        }
        let binary = map.binary_data.as_mut().and_then(|data| data.remove(&self.key)).map(|bytes| bytes.0);
        let plain = || map.data.as_mut().and_then(|data| data.remove(&self.key)).map(String::into_bytes);
        let Some(bytes) = binary.or_else(plain) else {
            return Err(self.unreachable("the ConfigMap has no such key".to_owned()));
        };
        let (document, text) =
            decode::document(bytes).map_err(|error| SourceError::Document { place: self.place.clone(), error })?;
        Ok(Fetched::Document(Box::new(Candidate {
            document,
            text,
            published: decode::published_date(&self.key),
            strategy: "configMap".to_owned(),
            validators: Some(validators),
        })))
    }

    async fn stamp(&self) -> Option<String> {
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, stamp)) = looked
            && at.elapsed() < LOOK_EVERY
        {
            return stamp;
        }
        let found = self.api.get_metadata_opt(&self.name).await;
        // Where it cannot be looked, nothing is known to have changed.
        let before = self.looked.lock().unwrap_or_else(PoisonError::into_inner).take().and_then(|(_, stamp)| stamp);
        let stamp = match found {
            Ok(found) => found.and_then(|map| map.metadata.resource_version),
            Err(_) => before,
        };
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), stamp.clone()));
        stamp
    }
}
