//! The only ARM I/O: read a resource, send one write, settle the operation that it started.
//!
//! Waits and repeats as the class of a refusal says; everything sent is idempotent. Asks the fence before each write
//! and drops every wait when the fence falls. Must not decide what is written.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use azure_core::auth::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::{RetryOptions, TransportOptions};
use azure_mgmt_network::package_2024_03::Client;
use jiff::SignedDuration;
use serde_json::Value;
use tokio::sync::watch;

use super::cached::Cached;
use super::cloud::Endpoints;
use super::error::{Class, NO_TOKEN, OPERATION_LOST, Refusal, UNREADABLE};
use super::fence::Fence;
use super::kind::Write;
use super::limiter::{Figures, Kind, Limiter, Permit, Remaining, Request};
use super::locks::Locks;
use super::measure;
use super::operation::{Operation, Progress, default_wait};
use super::transport::{self, Answer, ArmHttp, REMAINING};
use super::tries::{LONGEST_WAIT, THROTTLED_WAIT, Tries};
use crate::domain::attached::{Attached, AttachedKind};
use crate::domain::resource_id::{ResourceId, TargetKind};
use crate::metrics::Metrics;
use crate::telemetry::chain;

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

/// An operation that runs longer is left to the next reconcile, which sees `Updating` and waits. Clients that exist
/// give up after as long (docs/facts.md).
const OPERATION_LIMIT: Duration = Duration::from_secs(30 * 60);
/// A connection to one cloud's ARM.
pub struct Arm {
    pub(super) client: Client,
    http: ArmHttp,
    reqwest: reqwest::Client,
    credential: Arc<dyn TokenCredential>,
    pub(super) endpoint: url::Url,
    limiter: Mutex<Limiter>,
    /// What the limiter's clock counts from.
    started: Instant,
    /// The locations of resources that were read, by id: the network provider counts by location.
    regions: Mutex<HashMap<ResourceId, String>>,
    pub(super) cached: Cached,
    locks: Arc<Locks>,
    /// For reads that nobody stops: whoever waits for them gives up by itself.
    standing: (watch::Sender<bool>, Fence),
    metrics: Metrics,
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
        figures: Figures,
        metrics: Metrics,
    ) -> Result<Self, String> {
        let http = ArmHttp::new(reqwest.clone(), &endpoints.arm, metrics.clone());
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
            limiter: Mutex::new(Limiter::new(figures)),
            started: Instant::now(),
            regions: Mutex::default(),
            cached: Cached::default(),
            locks: Arc::default(),
            standing: Fence::new(),
            metrics,
        })
    }

    /// How far Azure's clock is ahead of this machine's.
    pub fn ahead(&self) -> SignedDuration {
        self.http.ahead()
    }

    /// Who is told what happens here.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Who writes what at the moment.
    pub fn locks(&self) -> &Arc<Locks> {
        &self.locks
    }

    /// GETs a target; of a rule collection group, its policy.
    pub async fn read(&self, id: &ResourceId, fence: &Fence) -> Result<Value, ArmError> {
        let request = Request::new(&id.subscription, &self.region(id), Kind::Read);
        let body = self
            .persist(request, fence, Tries::default(), async || {
                let ResourceId { subscription, resource_group, kind, name } = id;
                let answer = match kind {
                    TargetKind::RouteTable => {
                        let request = self.client.route_tables_client().get(resource_group, name, subscription);
                        request.send().await.map_err(into_refusal)?.into_raw_response()
                    }
                    TargetKind::IpGroup => {
                        let request = self.client.ip_groups_client().get(resource_group, name, subscription);
                        request.send().await.map_err(into_refusal)?.into_raw_response()
                    }
                    TargetKind::RuleCollectionGroup => {
                        let request = self.client.firewall_policies_client().get(resource_group, name, subscription);
                        request.send().await.map_err(into_refusal)?.into_raw_response()
                    }
                    TargetKind::SecurityGroup => {
                        let groups = self.client.network_security_groups_client();
                        let request = groups.get(resource_group, name, subscription);
                        request.send().await.map_err(into_refusal)?.into_raw_response()
                    }
                };
                read_body(answer, "GET", &id.to_string()).await
            })
            .await?;
        if let Some(location) = body["location"].as_str() {
            lock(&self.regions).insert(id.clone(), location.to_owned());
        }
        Ok(body)
    }

    /// GETs a firewall or a policy that uses a target.
    pub async fn read_attached(&self, attached: &Attached, region: &str, fence: &Fence) -> Result<Value, ArmError> {
        let request = Request::new(&attached.subscription, region, Kind::Read);
        self.persist(request, fence, Tries::default(), async || {
            let Attached { kind, subscription, resource_group, name } = attached;
            let answer = match kind {
                AttachedKind::Firewall => {
                    let request = self.client.azure_firewalls_client().get(resource_group, name, subscription);
                    request.send().await.map_err(into_refusal)?.into_raw_response()
                }
                AttachedKind::FirewallPolicy => {
                    let request = self.client.firewall_policies_client().get(resource_group, name, subscription);
                    request.send().await.map_err(into_refusal)?.into_raw_response()
                }
            };
            read_body(answer, "GET", &attached.to_string()).await
        })
        .await
    }

    /// GETs a rule collection group of a policy; `None` where there is none.
    pub async fn read_rules(&self, policy: &ResourceId, name: &str, fence: &Fence) -> Result<Option<Value>, ArmError> {
        let request = Request::new(&policy.subscription, &self.region(policy), Kind::Read);
        let found = self
            .persist(request, fence, Tries::default(), async || {
                let ResourceId { subscription, resource_group, name: policy_name, .. } = policy;
                let groups = self.client.firewall_policy_rule_collection_groups_client();
                let answer = groups.get(resource_group, policy_name, name, subscription).send().await;
                let path = format!("{policy}/ruleCollectionGroups/{name}");
                read_body(answer.map_err(into_refusal)?.into_raw_response(), "GET", &path).await
            })
            .await;
        match none_of_a_parent(found) {
            // Its policy was read a moment ago: what is not found is the group (docs/facts.md, "Refusals": not verified).
            Err(ArmError::Refused(refusal)) if refusal.status == Some(404) && refusal.code == "ResourceNotFound" => {
                Ok(None)
            }
            found => found,
        }
    }

    /// GETs one route of a table; `None` where there is none.
    pub async fn read_route(&self, table: &ResourceId, name: &str, fence: &Fence) -> Result<Option<Value>, ArmError> {
        let request = Request::new(&table.subscription, &self.region(table), Kind::Read);
        let found = self
            .persist(request, fence, Tries::default(), async || {
                let ResourceId { subscription, resource_group, name: table_name, .. } = table;
                let answer =
                    self.client.routes_client().get(resource_group, table_name, name, subscription).send().await;
                let path = format!("{table}/routes/{name}");
                read_body(answer.map_err(into_refusal)?.into_raw_response(), "GET", &path).await
            })
            .await;
        none_of_a_parent(found)
    }

    /// Sends one write. Returns when ARM has accepted it.
    pub async fn send(&self, write: &Write, fence: &Fence) -> Result<Operation, ArmError> {
        let (kind, tries) =
            if write.takes_away() { (Kind::Delete, Tries::once()) } else { (Kind::Write, Tries::default()) };
        let region = self.region(write.target());
        let request = Request::new(&write.target().subscription, &region, kind);
        self.persist(request, fence, tries, async || {
            // Before the fence is asked: a login may take longer than its word counts.
            self.credential.get_token(&[]).await.map_err(into_refusal)?;
            if !fence.asked().await {
                return Err(ArmError::Stopped);
            }
            let (method, path, raw) = super::send::request(&self.client, write).await?;
            accepted(raw, method, path, &write.target().subscription, &region).await
        })
        .await
    }

    /// Waits until an accepted write has ended, and says how.
    pub async fn settle(&self, operation: &Operation, fence: &Fence) -> Result<(), ArmError> {
        let Some(url) = &operation.url else { return Ok(()) };
        let _in_flight = self.metrics.operation(measure::kind_of(&operation.path));
        let started = Instant::now();
        let mut wait = operation.first_wait.unwrap_or_else(|| default_wait(0));
        for attempt in 1.. {
            pause(wait, fence).await?;
            let request = Request::new(&operation.subscription, &operation.region, Kind::Poll);
            let answer = self.persist(request, fence, Tries::default(), async || self.get(url).await).await;
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
                    wait = transport::retry_after(|name| answer.header(name))
                        .unwrap_or_else(|| default_wait(attempt))
                        .min(LONGEST_WAIT);
                }
            }
        }
        Ok(())
    }

    /// The Discovery API's answer as it came. One page: none with a next link was ever seen.
    pub async fn service_tags(&self, subscription: &str, location: &str) -> Result<Vec<u8>, Refusal> {
        // Without `persist`: a future that holds its closures cannot move between threads, and a feed's has to.
        for again in [true, false] {
            let mut request = Request::new(subscription, location, Kind::Read);
            self.turn(&mut request).await;
            let read = async {
                let answer = self.client.service_tags_client().list(location, subscription).send().await;
                let body = match answer {
                    Ok(answer) => answer.into_raw_response().into_body().collect().await,
                    Err(error) => Err(error),
                };
                (body.map(|body| body.to_vec()).map_err(into_refusal), REMAINING.with(Cell::get))
            };
            let (answer, remaining) = REMAINING.scope(Cell::default(), read).await;
            self.learn(&request, &remaining, answer.as_ref().err()).await;
            match answer {
                // The login was renewed.
                Err(refusal) if again && refusal.status == Some(401) => {}
                answer => return answer,
            }
        }
        Err(unreadable("GET", "", "no answer was taken".to_owned()))
    }

    /// GETs an address of ARM that the network client has no builder for.
    pub(super) async fn get(&self, url: &url::Url) -> Result<Answer, Refusal> {
        let token = self.credential.get_token(&[]).await.map_err(into_refusal)?;
        let request = self.reqwest.get(url.clone()).bearer_auth(token.token.secret()).build();
        let request = request.map_err(|error| unreadable("GET", url.path(), chain(&error)))?;
        self.http.send(request).await
    }

    /// A read that belongs to no target: of limits, locations or service tags.
    pub(super) async fn read_once<T>(
        &self,
        subscription: &str,
        region: &str,
        attempt: impl AsyncFnMut() -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let request = Request::new(subscription, region, Kind::Read);
        match self.persist(request, &self.standing.1, Tries::once(), attempt).await {
            Ok(value) => Ok(value),
            Err(ArmError::Refused(refusal)) => Err(*refusal),
            Err(ArmError::Stopped) => Err(unreadable("GET", "", "amlnet is about to end".to_owned())),
        }
    }

    /// Waits until the budgets of the subscription have room for a request.
    async fn turn(&self, request: &mut Request) {
        loop {
            let permit = lock(&self.limiter).ask(request, self.started.elapsed());
            match permit {
                Permit::Now => return,
                Permit::At(time) => {
                    let started = Instant::now();
                    tokio::time::sleep(time.saturating_sub(self.started.elapsed())).await;
                    self.metrics.throttled(started.elapsed());
                }
            }
        }
    }

    /// The location of a resource that was read before; empty for the first read.
    fn region(&self, id: &ResourceId) -> String {
        lock(&self.regions).get(id).cloned().unwrap_or_default()
    }

    /// Sends an idempotent request when the budgets allow it, and repeats it as the class of its refusals says.
    async fn persist<T, E: Into<ArmError>>(
        &self,
        mut request: Request,
        fence: &Fence,
        mut tries: Tries,
        mut attempt: impl AsyncFnMut() -> Result<T, E>,
    ) -> Result<T, ArmError> {
        let mut may_have_come_about = false;
        loop {
            // A request that is given up may still arrive: every write is idempotent and is read again by the next run.
            let (answer, remaining) = tokio::select! {
                answer = self.attempt(&mut request, &mut attempt) => answer,
                () = fence.fallen() => return Err(ArmError::Stopped),
            };
            let answer = answer.map_err(Into::into);
            let refusal = match &answer {
                Err(ArmError::Refused(refusal)) => Some(&**refusal),
                _ => None,
            };
            self.learn(&request, &remaining, refusal).await;
            let refusal = match answer {
                Ok(value) => return Ok(value),
                Err(ArmError::Refused(refusal)) => Box::new(Refusal { tried_before: may_have_come_about, ..*refusal }),
                Err(ArmError::Stopped) => return Err(ArmError::Stopped),
            };
            may_have_come_about |= refusal.leaves_it_open();
            match tries.next(&refusal) {
                Some(_) if refusal.class() == Class::Throttled => {}
                Some(wait) => {
                    let started = Instant::now();
                    let passed = pause(wait, fence).await;
                    if refusal.class() == Class::Busy {
                        self.metrics.waited_for_lock(measure::kind_of(&refusal.path), started.elapsed());
                    }
                    passed?;
                }
                None => return Err(ArmError::Refused(refusal)),
            }
        }
    }

    /// Tells the limiter what an answer says, and the credential if it was not taken.
    async fn learn(&self, request: &Request, remaining: &Remaining, refusal: Option<&Refusal>) {
        lock(&self.limiter).answered(request, remaining, self.started.elapsed());
        match refusal.map(|refusal| (refusal.class(), refusal.retry_after)) {
            // If no new login can be prepared, the next try says why.
            Some((Class::Unauthenticated, _)) => drop(self.credential.clear_cache().await),
            // A budget of the whole subscription is used up: every other request would only be refused too.
            Some((Class::Throttled, wait)) => {
                lock(&self.limiter).throttled(request, wait.unwrap_or(THROTTLED_WAIT), self.started.elapsed());
            }
            _ => {}
        }
    }

    async fn attempt<T, E>(
        &self,
        request: &mut Request,
        attempt: &mut impl AsyncFnMut() -> Result<T, E>,
    ) -> (Result<T, E>, Remaining) {
        self.turn(request).await;
        REMAINING.scope(Cell::default(), async { (attempt().await, REMAINING.with(Cell::get)) }).await
    }
}

/// A child is gone only where its parent still stands: ARM has another code for a missing parent.
fn none_of_a_parent(found: Result<Value, ArmError>) -> Result<Option<Value>, ArmError> {
    match found {
        Ok(value) => Ok(Some(value)),
        Err(ArmError::Refused(refusal)) if refusal.status == Some(404) && refusal.code == "NotFound" => Ok(None),
        Err(error) => Err(error),
    }
}

/// A panic while one of these is held is a bug of ours that has ended the process's work already.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn pause(wait: Duration, fence: &Fence) -> Result<(), ArmError> {
    tokio::select! {
        () = tokio::time::sleep(wait) => Ok(()),
        () = fence.fallen() => Err(ArmError::Stopped),
    }
}

pub(super) async fn read_body(raw: azure_core::Response, method: &str, path: &str) -> Result<Value, Refusal> {
    let (_, headers, body) = raw.deconstruct();
    let correlation_id = headers.get_optional_str(&"x-ms-correlation-request-id".into()).map(str::to_owned);
    let body = body.collect().await.map_err(into_refusal)?;
    serde_json::from_slice(&body)
        .map_err(|error| Refusal { correlation_id, ..unreadable(method, path, error.to_string()) })
}

/// What an accepted write says about its operation.
async fn accepted(
    raw: azure_core::Response,
    method: &str,
    path: String,
    subscription: &str,
    region: &str,
) -> Result<Operation, ArmError> {
    let (_, headers, body) = raw.deconstruct();
    let header = |name: &'static str| headers.get_optional_str(&name.into());
    let first_wait = transport::retry_after(header);
    let url = header("azure-asyncoperation").or_else(|| header("location")).map(str::to_owned);
    let correlation_id = header("x-ms-correlation-request-id").map(str::to_owned);
    let body = body.collect().await.map_err(into_refusal)?;
    let state = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    // A write that changes nothing is complete at once, though it names an operation. A deletion shows what it deletes.
    let complete = method != "DELETE" && state["properties"]["provisioningState"].as_str() == Some("Succeeded");
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
        region: region.to_owned(),
    })
}

pub(super) fn unreadable(method: &str, path: &str, message: String) -> Refusal {
    Refusal {
        method: method.to_owned(),
        path: path.to_owned(),
        status: None,
        code: UNREADABLE.to_owned(),
        details: Vec::new(),
        message,
        retry_after: None,
        correlation_id: None,
        tried_before: false,
    }
}

/// Our own refusal comes through the network client untouched; what else it reports has no request of its own.
#[expect(clippy::needless_pass_by_value, reason = "so that map_err takes it as it is")]
pub(super) fn into_refusal(error: azure_core::Error) -> Refusal {
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return refusal.clone();
    }
    let code = if matches!(error.kind(), ErrorKind::Credential) { NO_TOKEN } else { UNREADABLE };
    Refusal { code: code.to_owned(), ..unreadable("login", "", error.to_string()) }
}
