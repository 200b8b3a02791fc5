//! The only ARM I/O: read a resource, send one write, settle the operation that it started.
//!
//! Waits and repeats as the class of a refusal says; everything sent is idempotent. Asks the fence before each write
//! and drops every wait when the fence falls. Must not decide what is written.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_core::auth::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::{RetryOptions, TransportOptions};
use azure_mgmt_network::package_2024_03::{Client, models};
use futures::StreamExt as _;
use serde_json::Value;
use tokio::sync::{Mutex, watch};

use super::cloud::Endpoints;
use super::error::{Class, NO_TOKEN, OPERATION_LOST, Refusal, UNREADABLE};
use super::kind::Write;
use super::operation::{Operation, Progress, default_wait};
use super::transport::{self, Answer, ArmHttp};
use crate::domain::plan::Limits;
use crate::domain::resource_id::{ResourceId, TargetKind};
use crate::telemetry::chain;

/// Says whether writes may still be sent. Falls when the process is asked to stop.
#[derive(Debug, Clone)]
pub struct Fence(watch::Receiver<bool>);

impl Fence {
    /// A fence and the switch that drops it (by sending `false`, or by being dropped).
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(true);
        (sender, Self(receiver))
    }

    pub fn holds(&self) -> bool {
        *self.0.borrow() && self.0.has_changed().is_ok()
    }

    /// Returns when the fence has fallen.
    pub async fn fallen(&self) {
        let mut receiver = self.0.clone();
        // An error means that the switch is gone, which is a fall too.
        let _ = receiver.wait_for(|holds| !holds).await;
    }
}

/// Why something was not read or not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArmError {
    #[error("{0}")]
    Refused(Box<Refusal>),
    #[error("amlnet was asked to stop")]
    Stopped,
}

impl From<Refusal> for ArmError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// Limits and pairs change rarely; they are read again after this long.
const CACHED_FOR: Duration = Duration::from_secs(3600);
/// An operation that runs longer is left to the next reconcile, which sees `Updating` and waits. Clients that exist
/// give up after as long (docs/facts.md).
const OPERATION_LIMIT: Duration = Duration::from_secs(30 * 60);
/// A wait that ARM names is kept, but not one longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Where a busy resource names no wait.
const BUSY_WAIT: Duration = Duration::from_secs(30);

/// What the locations API names as the pairs of each region.
type Pairs = HashMap<String, Vec<String>>;

/// A connection to one cloud's ARM.
pub struct Arm {
    client: Client,
    http: ArmHttp,
    reqwest: reqwest::Client,
    credential: Arc<dyn TokenCredential>,
    endpoint: url::Url,
    /// Until when nothing is sent to a subscription that was throttled.
    pauses: Mutex<HashMap<String, Instant>>,
    limits: Mutex<HashMap<(String, String), (Instant, Limits)>>,
    pairs: Mutex<HashMap<String, (Instant, Arc<Pairs>)>>,
}

impl std::fmt::Debug for Arm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arm").field("endpoint", &self.endpoint.as_str()).finish_non_exhaustive()
    }
}

impl Arm {
    pub fn new(
        endpoints: &Endpoints,
        credential: Arc<dyn TokenCredential>,
        reqwest: reqwest::Client,
    ) -> Result<Self, String> {
        let http = ArmHttp::new(reqwest.clone(), &endpoints.arm);
        let client = Client::builder(credential.clone())
            .endpoint(endpoints.arm.clone())
            .retry(RetryOptions::none())
            .transport(TransportOptions::new(Arc::new(http.clone())))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            client,
            http,
            reqwest,
            credential,
            endpoint: endpoints.arm.clone(),
            pauses: Mutex::default(),
            limits: Mutex::default(),
            pairs: Mutex::default(),
        })
    }

    /// GETs a target.
    pub async fn read(&self, id: &ResourceId, fence: &Fence) -> Result<Value, ArmError> {
        self.persist(&id.subscription, fence, Tries::default(), async || {
            let ResourceId { subscription, resource_group, kind, name } = id;
            let answer = match kind {
                TargetKind::RouteTable => {
                    self.client.route_tables_client().get(resource_group, name, subscription).send()
                }
            };
            read_body(answer.await.map_err(into_refusal)?.into_raw_response(), "GET", &id.to_string()).await
        })
        .await
    }

    /// GETs one route of a table; `None` where there is none.
    pub async fn read_route(&self, table: &ResourceId, name: &str, fence: &Fence) -> Result<Option<Value>, ArmError> {
        let found = self
            .persist(&table.subscription, fence, Tries::default(), async || {
                let ResourceId { subscription, resource_group, name: table_name, .. } = table;
                let answer =
                    self.client.routes_client().get(resource_group, table_name, name, subscription).send().await;
                let path = format!("{table}/routes/{name}");
                read_body(answer.map_err(into_refusal)?.into_raw_response(), "GET", &path).await
            })
            .await;
        match found {
            Ok(value) => Ok(Some(value)),
            // The child is gone only where its parent still stands: ARM has another code for a missing parent.
            Err(ArmError::Refused(refusal)) if refusal.status == Some(404) && refusal.code == "NotFound" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends one write. Returns when ARM has accepted it.
    pub async fn send(&self, write: &Write, fence: &Fence) -> Result<Operation, ArmError> {
        let tries = if write.takes_away() { Tries::once() } else { Tries::default() };
        self.persist(write.subscription(), fence, tries, async || {
            if !fence.holds() {
                return Err(ArmError::Stopped);
            }
            let (method, path, raw) = match write {
                Write::PutRoute { table, name, route } => {
                    let ResourceId { subscription, resource_group, name: table_name, .. } = table;
                    let routes = self.client.routes_client();
                    let request =
                        routes.create_or_update(resource_group, table_name, name, (**route).clone(), subscription);
                    let answer = request.send().await.map_err(into_refusal)?;
                    ("PUT", format!("{table}/routes/{name}"), answer.into_raw_response())
                }
                Write::DeleteRoute { table, name } => {
                    let ResourceId { subscription, resource_group, name: table_name, .. } = table;
                    let request = self.client.routes_client().delete(resource_group, table_name, name, subscription);
                    let answer = request.send().await.map_err(into_refusal)?;
                    ("DELETE", format!("{table}/routes/{name}"), answer.into_raw_response())
                }
            };
            accepted(raw, method, path, write.subscription()).await
        })
        .await
    }

    /// Waits until an accepted write has ended, and says how.
    pub async fn settle(&self, operation: &Operation, fence: &Fence) -> Result<(), ArmError> {
        let Some(url) = &operation.url else { return Ok(()) };
        let started = Instant::now();
        let mut wait = operation.first_wait.unwrap_or_else(|| default_wait(0));
        for attempt in 1.. {
            pause(wait, fence).await?;
            let answer =
                self.persist(&operation.subscription, fence, Tries::default(), async || self.get(url).await).await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(ArmError::Refused(refusal)) if refusal.status == Some(404) => {
                    return Err(operation.refusal(OPERATION_LOST, "ARM no longer knows the operation".into()).into());
                }
                Err(error) => return Err(error),
            };
            // The older kind of operation says that it has ended with a status and no body.
            let progress = match (answer.status, answer.body.is_empty()) {
                (202, true) => Ok(Progress::Running),
                (_, true) => Ok(Progress::Succeeded),
                (_, false) => operation.progress(&answer.body),
            };
            match progress {
                Ok(Progress::Succeeded) => return Ok(()),
                Ok(Progress::Failed(refusal)) => return Err(refusal.into()),
                Ok(Progress::Running) | Err(_) if started.elapsed() > OPERATION_LIMIT => {
                    let message = format!("it still runs after {} minutes", OPERATION_LIMIT.as_secs() / 60);
                    return Err(operation.refusal(OPERATION_LOST, message).into());
                }
                Ok(Progress::Running) | Err(_) => {
                    wait = transport::retry_after(&answer).unwrap_or_else(|| default_wait(attempt)).min(LONGEST_WAIT);
                }
            }
        }
        Ok(())
    }

    /// The live limits of route tables in a location, cached. Where they cannot be read: the last known, else the
    /// defaults, and why.
    pub async fn limits(&self, subscription: &str, location: &str) -> (Limits, Option<Refusal>) {
        let key = (subscription.to_ascii_lowercase(), location.to_ascii_lowercase());
        if let Some((read, limits)) = self.limits.lock().await.get(&key)
            && read.elapsed() < CACHED_FOR
        {
            return (*limits, None);
        }
        match self.read_limits(subscription, location).await {
            Ok(limits) => {
                self.limits.lock().await.insert(key, (Instant::now(), limits));
                (limits, None)
            }
            Err(refusal) => {
                // What was known before is better than the defaults, and it is asked again at the next reconcile.
                let known = self.limits.lock().await.get(&key).map(|(_, limits)| *limits);
                (known.unwrap_or(Limits::DEFAULT), Some(refusal))
            }
        }
    }

    async fn read_limits(&self, subscription: &str, location: &str) -> Result<Limits, Refusal> {
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
    }

    /// The Discovery API's answer as it came. One page: none with a next link was ever seen.
    pub async fn service_tags(&self, subscription: &str, location: &str) -> Result<Vec<u8>, Refusal> {
        let request = self.client.service_tags_client().list(location, subscription);
        let raw = request.send().await.map_err(into_refusal)?.into_raw_response();
        Ok(raw.into_body().collect().await.map_err(into_refusal)?.to_vec())
    }

    /// What ARM's locations API names as the pair of a region, cached. `None`: not known, or not readable.
    pub async fn paired_region(&self, subscription: &str, region: &str) -> Option<Vec<String>> {
        let key = subscription.to_ascii_lowercase();
        let known = self.pairs.lock().await.get(&key).filter(|(read, _)| read.elapsed() < CACHED_FOR).cloned();
        let pairs = match known {
            Some((_, pairs)) => pairs,
            None => {
                let pairs = Arc::new(self.read_pairs(subscription).await.unwrap_or_else(|error| {
                    tracing::debug!(%error, "the locations cannot be read, so pairs are not compared");
                    HashMap::new()
                }));
                self.pairs.lock().await.insert(key, (Instant::now(), pairs.clone()));
                pairs
            }
        };
        pairs.get(region).cloned()
    }

    async fn read_pairs(&self, subscription: &str) -> Result<Pairs, ArmError> {
        let mut url = self.endpoint.clone();
        url.set_path(&format!("/subscriptions/{subscription}/locations"));
        url.set_query(Some("api-version=2022-12-01"));
        let answer = self.get(&url).await?;
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

    /// GETs an address of ARM that the network client has no builder for.
    async fn get(&self, url: &url::Url) -> Result<Answer, ArmError> {
        let token = self.credential.get_token(&[]).await.map_err(into_refusal)?;
        let request = self.reqwest.get(url.clone()).bearer_auth(token.token.secret()).build();
        let request = request.map_err(|error| unreadable("GET", url.path(), chain(&error)))?;
        Ok(self.http.send(request).await?)
    }

    async fn wait_out_pause(&self, subscription: &str, fence: &Fence) -> Result<(), ArmError> {
        let until = self.pauses.lock().await.get(&subscription.to_ascii_lowercase()).copied();
        match until.and_then(|until| until.checked_duration_since(Instant::now())) {
            Some(rest) => pause(rest, fence).await,
            None => Ok(()),
        }
    }

    /// Repeats an idempotent request as the class of its refusals says.
    async fn persist<T, E: Into<ArmError>>(
        &self,
        subscription: &str,
        fence: &Fence,
        mut tries: Tries,
        mut attempt: impl AsyncFnMut() -> Result<T, E>,
    ) -> Result<T, ArmError> {
        loop {
            self.wait_out_pause(subscription, fence).await?;
            // A request that is given up may still arrive: every write is idempotent and is read again by the next run.
            let answer = tokio::select! {
                answer = attempt() => answer,
                () = fence.fallen() => return Err(ArmError::Stopped),
            };
            let refusal = match answer.map_err(Into::into) {
                Ok(value) => return Ok(value),
                Err(ArmError::Refused(refusal)) => refusal,
                Err(ArmError::Stopped) => return Err(ArmError::Stopped),
            };
            if refusal.class() == Class::Unauthenticated {
                // If no new login can be prepared, the next try says why.
                let _ = self.credential.clear_cache().await;
            }
            match tries.next(&refusal) {
                Some(wait) if refusal.class() == Class::Throttled => {
                    // A budget of the whole subscription is used up: every other request would only be refused too.
                    let mut pauses = self.pauses.lock().await;
                    let until = pauses.entry(subscription.to_ascii_lowercase()).or_insert_with(Instant::now);
                    *until = (*until).max(Instant::now() + wait);
                }
                Some(wait) => pause(wait, fence).await?,
                None => return Err(ArmError::Refused(refusal)),
            }
        }
    }
}

/// How often each class was met for one request.
#[derive(Debug, Default)]
struct Tries {
    busy: u32,
    throttled: u32,
    transient: u32,
    unauthenticated: u32,
}

impl Tries {
    /// For a removal: what was read before it says nothing any more after a wait, so only the login is repeated.
    fn once() -> Self {
        Self { busy: u32::MAX, throttled: u32::MAX, transient: u32::MAX, unauthenticated: 0 }
    }

    /// How long to wait before the next try; `None`: give up.
    fn next(&mut self, refusal: &Refusal) -> Option<Duration> {
        let (count, most, default) = match refusal.class() {
            Class::Busy => (&mut self.busy, 20, BUSY_WAIT),
            Class::Throttled => (&mut self.throttled, 10, Duration::from_secs(10)),
            Class::Transient => (&mut self.transient, 4, Duration::from_secs(1)),
            Class::Unauthenticated => (&mut self.unauthenticated, 1, Duration::ZERO),
            Class::Stale | Class::NotFound | Class::Blocked(_) | Class::Refused => return None,
        };
        if *count >= most {
            return None;
        }
        let own = if refusal.class() == Class::Transient { default * 2_u32.pow(*count) } else { default };
        *count += 1;
        Some(refusal.retry_after.unwrap_or(own).min(LONGEST_WAIT))
    }
}

async fn pause(wait: Duration, fence: &Fence) -> Result<(), ArmError> {
    tokio::select! {
        () = tokio::time::sleep(wait) => Ok(()),
        () = fence.fallen() => Err(ArmError::Stopped),
    }
}

async fn read_body(raw: azure_core::Response, method: &str, path: &str) -> Result<Value, Refusal> {
    let body = raw.into_body().collect().await.map_err(into_refusal)?;
    serde_json::from_slice(&body).map_err(|error| unreadable(method, path, error.to_string()))
}

/// What an accepted write says about its operation.
async fn accepted(
    raw: azure_core::Response,
    method: &str,
    path: String,
    subscription: &str,
) -> Result<Operation, ArmError> {
    let (_, headers, body) = raw.deconstruct();
    let header = |name: &'static str| headers.get_optional_str(&name.into()).map(str::to_owned);
    let number = |name: &'static str| header(name).and_then(|text| text.parse::<u64>().ok());
    let milliseconds = number("x-ms-retry-after-ms").or_else(|| number("retry-after-ms"));
    let first_wait = milliseconds.map(Duration::from_millis).or_else(|| number("retry-after").map(Duration::from_secs));
    let url = header("azure-asyncoperation").or_else(|| header("location"));
    let correlation_id = header("x-ms-correlation-request-id");
    let body = body.collect().await.map_err(into_refusal)?;
    let state = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    // A write that changes nothing is complete at once, though it names an operation.
    let complete = state["properties"]["provisioningState"].as_str() == Some("Succeeded");
    let url = match url.filter(|_| !complete) {
        Some(text) => Some(url::Url::parse(&text).map_err(|error| {
            ArmError::from(unreadable(method, &path, format!("the operation's address cannot be read: {error}")))
        })?),
        None => None,
    };
    Ok(Operation {
        url,
        first_wait,
        correlation_id,
        method: method.to_owned(),
        path,
        subscription: subscription.to_owned(),
    })
}

fn read_usage(usage: &models::Usage) -> (&str, usize) {
    (usage.name.value.as_deref().unwrap_or_default(), usize::try_from(usage.limit).unwrap_or(0))
}

fn unreadable(method: &str, path: &str, message: String) -> Refusal {
    Refusal {
        method: method.to_owned(),
        path: path.to_owned(),
        status: None,
        code: UNREADABLE.to_owned(),
        details: Vec::new(),
        message,
        retry_after: None,
        correlation_id: None,
    }
}

/// Our own refusal comes through the network client untouched; what else it reports has no request of its own.
#[expect(clippy::needless_pass_by_value, reason = "so that map_err takes it as it is")]
fn into_refusal(error: azure_core::Error) -> Refusal {
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return refusal.clone();
    }
    let code = if matches!(error.kind(), ErrorKind::Credential) { NO_TOKEN } else { UNREADABLE };
    Refusal { code: code.to_owned(), ..unreadable("login", "", error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, code: &str, retry_after: Option<u64>) -> Refusal {
        Refusal {
            status: Some(status),
            code: code.into(),
            retry_after: retry_after.map(Duration::from_secs),
            ..unreadable("PUT", "/x", String::new())
        }
    }

    #[test]
    fn waits_are_as_arm_names_them_and_end() {
        let mut tries = Tries::default();
        let busy = refusal(429, "RetryableErrorDueToAnotherOperation", Some(14));
        assert_eq!(tries.next(&busy), Some(Duration::from_secs(14)));
        assert_eq!(tries.next(&refusal(409, "AnotherOperationInProgress", None)), Some(BUSY_WAIT));
        let transient = refusal(503, "", None);
        let waits: Vec<Option<u64>> = (0..5).map(|_| tries.next(&transient).map(|wait| wait.as_secs())).collect();
        assert_eq!(waits, [Some(1), Some(2), Some(4), Some(8), None]);
        assert_eq!(tries.next(&refusal(429, "", Some(100_000))), Some(LONGEST_WAIT));
        let unauthenticated = refusal(401, "", None);
        assert_eq!([tries.next(&unauthenticated), tries.next(&unauthenticated)], [Some(Duration::ZERO), None]);
        assert_eq!(tries.next(&refusal(403, "AuthorizationFailed", None)), None);
        assert_eq!(tries.next(&refusal(412, "", None)), None);
    }

    #[tokio::test]
    async fn a_fence_falls_when_it_is_told_to_or_its_switch_is_gone() {
        let (switch, fence) = Fence::new();
        assert!(fence.holds());
        switch.send(false).unwrap();
        fence.fallen().await;
        assert!(!fence.holds());
        let (switch, fence) = Fence::new();
        drop(switch);
        fence.fallen().await;
        assert!(!fence.holds());
    }
}
