//! What changes rarely and is read once an hour: limits of tables, and ARM's own word about region pairs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_mgmt_network::package_2024_03::models;
use futures::StreamExt as _;
use serde_json::Value;
use tokio::sync::Mutex;

use super::arm::{Arm, into_refusal, read_body, unreadable};
use super::error::Refusal;
use crate::domain::attached::Attached;
use crate::domain::plan::Limits;
use crate::domain::resource_id::TargetKind;

/// The network client's own version of the API.
const POLICY_API: &str = "api-version=2024-03-01";
/// Limits and pairs change rarely; they are read again after this long.
const CACHED_FOR: Duration = Duration::from_secs(3600);
/// What the locations API names as the pairs of each region.
type Pairs = HashMap<String, Vec<String>>;

/// The answers, with the time at which each was read.
#[derive(Debug, Default)]
pub(super) struct Cached {
    limits: Mutex<HashMap<(String, String), (Instant, Usages)>>,
    pairs: Mutex<HashMap<String, (Instant, Arc<Pairs>)>>,
    /// Rule collection groups of policies, and policies that others are based on, by id.
    groups: Mutex<HashMap<Attached, (Instant, Value)>>,
    policies: Mutex<HashMap<Attached, (Instant, Value)>>,
}

/// Limits by the names that ARM gives them.
type Usages = HashMap<String, usize>;

/// The limits of a kind of target among these; the documented ones where ARM says none.
fn limits_of(kind: TargetKind, usages: &Usages) -> Limits {
    let or = |name: &str, default: usize| usages.get(name).copied().unwrap_or(default);
    let documented = Limits::of(kind);
    match kind {
        TargetKind::RouteTable => Limits {
            entries: or("RoutesPerRouteTable", documented.entries),
            tag_entries: or("RoutesWithServiceTagPerRouteTable", documented.tag_entries),
            ..documented
        },
        TargetKind::SecurityGroup => Limits {
            entries: or("SecurityRulesPerNetworkSecurityGroup", documented.entries),
            addresses: or("SecurityRuleAddressesOrPortsPerNetworkSecurityGroup", documented.addresses),
            ..documented
        },
        TargetKind::IpGroup | TargetKind::RuleCollectionGroup => documented,
    }
}

impl Arm {
    /// The live limits of a kind of target in a location, cached. Where they cannot be read: the last known, else the
    /// defaults, and why.
    pub async fn limits(&self, kind: TargetKind, subscription: &str, location: &str) -> (Limits, Option<Refusal>) {
        let key = (subscription.to_ascii_lowercase(), location.to_ascii_lowercase());
        if let Some((read, limits)) = self.cached.limits.lock().await.get(&key)
            && read.elapsed() < CACHED_FOR
        {
            return (limits_of(kind, limits), None);
        }
        match self.read_limits(subscription, location).await {
            Ok(usages) => {
                let limits = limits_of(kind, &usages);
                self.cached.limits.lock().await.insert(key, (Instant::now(), usages));
                (limits, None)
            }
            Err(refusal) => {
                tracing::debug!(%refusal, location, "the limits cannot be read");
                // What was known before is better than the defaults, and it is asked again at the next reconcile.
                let known = self.cached.limits.lock().await.get(&key).map(|(_, usages)| limits_of(kind, usages));
                (known.unwrap_or(Limits::of(kind)), Some(refusal))
            }
        }
    }

    async fn read_limits(&self, subscription: &str, location: &str) -> Result<Usages, Refusal> {
        let read = self.read_once(subscription, location, async || {
            let mut limits = Usages::new();
            let mut pages = self.client.usages_client().list(location, subscription).into_stream();
            while let Some(page) = pages.next().await {
                for usage in page.map_err(into_refusal)?.value {
                    let (name, limit) = read_usage(&usage);
                    limits.insert(name.to_owned(), limit);
                }
            }
            Ok(limits)
        });
        read.await
    }

    /// The rule collection groups of a policy, as an array, cached unless they are to be read anew.
    pub async fn rule_collection_groups(&self, policy: &Attached, anew: bool) -> Result<Value, Refusal> {
        let known =
            self.cached.groups.lock().await.get(policy).filter(|(read, _)| read.elapsed() < CACHED_FOR).cloned();
        if let Some((_, groups)) = known.filter(|_| !anew) {
            return Ok(groups);
        }
        let mut url = Some(self.endpoint.clone());
        if let Some(url) = &mut url {
            url.set_path(&format!("{policy}/ruleCollectionGroups"));
            url.set_query(Some(POLICY_API));
        }
        let mut all = Vec::new();
        while let Some(page) = url.take() {
            let answer = self.read_once(&policy.subscription, "", async || self.get(&page).await).await?;
            let json: Value = serde_json::from_slice(&answer.body)
                .map_err(|error| unreadable("GET", page.path(), error.to_string()))?;
            let list = json["value"].as_array();
            let list = list.ok_or_else(|| unreadable("GET", page.path(), "it has no value".to_owned()))?;
            all.extend(list.iter().cloned());
            let next = json["nextLink"].as_str().and_then(|link| link.parse::<url::Url>().ok());
            // The login is for ARM alone.
            url = next.filter(|next| next.origin() == self.endpoint.origin());
        }
        let groups = Value::Array(all);
        self.cached.groups.lock().await.insert(policy.clone(), (Instant::now(), groups.clone()));
        Ok(groups)
    }

    /// A policy that others are based on, cached.
    pub async fn policy(&self, policy: &Attached) -> Result<Value, Refusal> {
        let known =
            self.cached.policies.lock().await.get(policy).filter(|(read, _)| read.elapsed() < CACHED_FOR).cloned();
        if let Some((_, body)) = known {
            return Ok(body);
        }
        let body = self
            .read_once(&policy.subscription, "", async || {
                let policies = self.client.firewall_policies_client();
                let request = policies.get(&policy.resource_group, &policy.name, &policy.subscription);
                let answer = request.send().await.map_err(into_refusal)?.into_raw_response();
                read_body(answer, "GET", &policy.to_string()).await
            })
            .await?;
        self.cached.policies.lock().await.insert(policy.clone(), (Instant::now(), body.clone()));
        Ok(body)
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
