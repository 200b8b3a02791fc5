//! What changes rarely and is read once an hour: limits of tables, and ARM's own word about region pairs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_mgmt_network::package_2024_03::models;
use futures::StreamExt as _;
use serde_json::Value;
use tokio::sync::Mutex;

use super::arm::{Arm, into_refusal};
use super::error::Refusal;
use crate::domain::plan::Limits;

/// Limits and pairs change rarely; they are read again after this long.
const CACHED_FOR: Duration = Duration::from_secs(3600);
/// What the locations API names as the pairs of each region.
type Pairs = HashMap<String, Vec<String>>;

/// The answers, with the time at which each was read.
#[derive(Debug, Default)]
pub(super) struct Cached {
    limits: Mutex<HashMap<(String, String), (Instant, Limits)>>,
    pairs: Mutex<HashMap<String, (Instant, Arc<Pairs>)>>,
}

impl Arm {
    /// The live limits of route tables in a location, cached. Where they cannot be read: the last known, else the
    /// defaults, and why.
    pub async fn limits(&self, subscription: &str, location: &str) -> (Limits, Option<Refusal>) {
        let key = (subscription.to_ascii_lowercase(), location.to_ascii_lowercase());
        if let Some((read, limits)) = self.cached.limits.lock().await.get(&key)
            && read.elapsed() < CACHED_FOR
        {
            return (*limits, None);
        }
        match self.read_limits(subscription, location).await {
            Ok(limits) => {
                self.cached.limits.lock().await.insert(key, (Instant::now(), limits));
                (limits, None)
            }
            Err(refusal) => {
                tracing::debug!(%refusal, location, "the limits cannot be read");
                // What was known before is better than the defaults, and it is asked again at the next reconcile.
                let known = self.cached.limits.lock().await.get(&key).map(|(_, limits)| *limits);
                (known.unwrap_or(Limits::DEFAULT), Some(refusal))
            }
        }
    }

    async fn read_limits(&self, subscription: &str, location: &str) -> Result<Limits, Refusal> {
        let read = self.read_once(subscription, location, async || {
            let mut limits = Limits::DEFAULT;
            let mut pages = self.client.usages_client().list(location, subscription).into_stream();
            while let Some(page) = pages.next().await {
                for usage in page.map_err(into_refusal)?.value {
                    let (name, limit) = read_usage(&usage);
                    match name {
                        "RoutesPerRouteTable" => limits.entries = limit,
                        "RoutesWithServiceTagPerRouteTable" => limits.tag_entries = limit,
                        _ => {}
                    }
                }
            }
            Ok(limits)
        });
        read.await
    }

    /// What ARM's locations API names as the pair of a region, cached. `None`: not known, or not readable.
    pub async fn paired_region(&self, subscription: &str, region: &str) -> Option<Vec<String>> {
        let key = subscription.to_ascii_lowercase();
        let known = self.cached.pairs.lock().await.get(&key).filter(|(read, _)| read.elapsed() < CACHED_FOR).cloned();
        let pairs = match known {
            Some((_, pairs)) => pairs,
            None => {
                let pairs = Arc::new(self.read_pairs(subscription).await.unwrap_or_else(|error| {
                    tracing::debug!(%error, "the locations cannot be read, so pairs are not compared");
                    HashMap::new()
                }));
                self.cached.pairs.lock().await.insert(key, (Instant::now(), pairs.clone()));
                pairs
            }
        };
        pairs.get(region).cloned()
    }

    async fn read_pairs(&self, subscription: &str) -> Result<Pairs, Refusal> {
        let mut url = self.endpoint.clone();
        url.set_path(&format!("/subscriptions/{subscription}/locations"));
        url.set_query(Some("api-version=2022-12-01"));
        let answer = self.read_once(subscription, "", async || self.get(&url).await).await?;
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let name = |value: &Value| value["name"].as_str().map(str::to_owned);
        let locations = json["value"].as_array().into_iter().flatten();
        Ok(locations
            .filter_map(|location| {
                let metadata = &location["metadata"];
                // Logical regions (`europe`) have no pairs; a physical one without any says that it has none.
                let pairs = metadata["pairedRegion"].as_array().cloned();
                let pairs = pairs.or((metadata["regionType"].as_str() == Some("Physical")).then(Vec::new))?;
                Some((name(location)?, pairs.iter().filter_map(name).collect()))
            })
            .collect())
    }
}

fn read_usage(usage: &models::Usage) -> (&str, usize) {
    (usage.name.value.as_deref().unwrap_or_default(), usize::try_from(usage.limit).unwrap_or(0))
}
