//! Writes statuses: only what differs, at most once a second an object, over conflicts; and the events of what turned.
//!
//! Holds what the status of each object should be; the latest counts. Must not decide what it says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use kube::api::PostParams;
use kube::core::DynamicObject;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::compact::Compact;
use super::events::{self, Events};
use super::objects::{Kind, Seen};
use super::watch::{Shared, api};
use crate::domain::intent::ObjectKey;
use crate::metrics::Metrics;

/// An object's status is written at most once in this time.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// After a failure; doubled up to the longest.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// It is looked this often for statuses that somebody else changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// So many statuses are written at the same time.
const AT_ONCE: usize = 16;

/// Whose status it is.
pub type Subject = (Kind, ObjectKey);

/// What the status of an object should be.
#[derive(Debug, Clone)]
struct Desired {
    status: Compact,
    /// What was sent last, and what the API server made of it: an older CRD may have cut fields.
    sent: Option<(Compact, Compact)>,
    /// Whether it may differ from what stands there.
    is_open: bool,
    not_before: Instant,
    failures: u32,
}

/// The statuses that are to be written.
pub struct Statuses {
    client: Client,
    objects: Shared,
    desired: Mutex<BTreeMap<Subject, Desired>>,
    wake: Notify,
    events: Arc<Events>,
    installation: String,
    metrics: Metrics,
}

impl std::fmt::Debug for Statuses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statuses").finish_non_exhaustive()
    }
}

impl Statuses {
    pub fn new(client: Client, objects: Shared, events: Arc<Events>, installation: &str) -> Self {
        let installation = installation.to_owned();
        let metrics = Metrics::default();
        Self { client, objects, desired: Mutex::default(), wake: Notify::new(), events, installation, metrics }
    }

    /// The same, which tells of its writes.
    #[must_use]
    pub fn told(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Subject, Desired>> {
        self.desired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the status of this object should be this.
    pub fn set(&self, subject: Subject, status: &Value) {
        let status = Compact::of(status);
        {
            let mut all = self.lock();
            let new = || Desired {
                status: Compact::default(),
                sent: None,
                is_open: true,
                not_before: Instant::now(),
                failures: 0,
            };
            let desired = all.entry(subject).or_insert_with(new);
            if desired.status == status {
                return;
            }
            desired.status = status;
            desired.is_open = true;
        }
        self.wake.notify_one();
    }

    /// Forgets everything: another replica leads, or this one begins to.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Whether a status is still to be written, now or later.
    pub fn are_open(&self) -> bool {
        let (due, next) = self.due(&[], false);
        !due.is_empty() || next.is_some()
    }

    /// Writes until it is dropped. With `flush` it ends when nothing is left that could be written now.
    pub async fn run(&self, flush: bool) {
        let mut writes = FuturesUnordered::new();
        let mut in_flight: Vec<Subject> = Vec::new();
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            let (due, next) = self.due(&in_flight, flush);
            for subject in due.into_iter().take(AT_ONCE.saturating_sub(in_flight.len())) {
                in_flight.push(subject.clone());
                writes.push(async move {
                    self.write(&subject).await;
                    subject
                });
            }
            if writes.is_empty() && flush {
                return;
            }
            tokio::select! {
                Some(subject) = writes.next() => in_flight.retain(|other| *other != subject),
                () = self.wake.notified() => {}
                _ = look.tick() => self.look(),
                () = super::sleep_until(next), if in_flight.len() < AT_ONCE => {}
            }
        }
    }

    /// Opens what does not stand as it was written, and forgets objects that are gone.
    fn look(&self) {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.lock();
        all.retain(|(kind, key), _| objects.get(*kind, key).is_some());
        for ((kind, key), desired) in all.iter_mut() {
            let stands = objects.get(*kind, key).map(|seen| &seen.status);
            desired.is_open |= desired.sent.as_ref().is_some_and(|(_, answered)| stands != Some(answered));
        }
    }

    /// What is to be written now, and when it is to be looked again.
    fn due(&self, in_flight: &[Subject], flush: bool) -> (Vec<Subject>, Option<Instant>) {
        let now = Instant::now();
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut due, mut next) = (Vec::new(), None);
        let mut all = self.lock();
        let open = all.iter_mut().filter(|(subject, desired)| desired.is_open && !in_flight.contains(subject));
        for (subject, desired) in open {
            let Some(seen) = objects.get(subject.0, &subject.1) else { continue };
            let stands = &seen.status;
            // It was handed over since it was last worked for.
            let is_of_another = !seen.installation().is_empty() && seen.installation() != self.installation;
            desired.is_open = match &desired.sent {
                Some((sent, answered)) => *sent != desired.status || stands != answered,
                None => *stands != desired.status,
            };
            if !desired.is_open || is_of_another {
                continue;
            }
            if desired.not_before <= now || (flush && desired.failures == 0) {
                due.push(subject.clone());
            } else {
                next = Some(next.map_or(desired.not_before, |next: Instant| next.min(desired.not_before)));
            }
        }
        (due, next)
    }

    async fn write(&self, subject: &Subject) {
        let (kind, key) = subject;
        let Some(status) = self.lock().get(subject).map(|desired| desired.status.clone()) else { return };
        let seen = self.objects.lock().unwrap_or_else(PoisonError::into_inner).get(*kind, key).cloned();
        let Some(seen) = seen else { return };
        let api = api(self.client.clone(), *kind, Some(&key.namespace));
        match replace(&api, *kind, key, &seen, &status.value()).await {
            Ok(written) => {
                self.metrics.status_written(kind.name(), true);
                let answered = written.data.get("status").map(Compact::of).unwrap_or_default();
                for event in events::of(*kind, &seen.status.value(), &status.value()) {
                    self.events.publish(*kind, key, &seen.uid, event).await;
                }
                self.objects.lock().unwrap_or_else(PoisonError::into_inner).answered(*kind, &written);
                if let Some(desired) = self.lock().get_mut(subject) {
                    desired.sent = Some((status, answered));
                    desired.not_before = Instant::now() + AT_MOST_EVERY;
                    desired.failures = 0;
                }
            }
            Err(error) => self.failed(subject, &error, &api).await,
        }
    }

    async fn failed(&self, subject: &Subject, error: &kube::Error, api: &Api<DynamicObject>) {
        let (kind, key) = subject;
        let code = if let kube::Error::Api(status) = error { status.code } else { 0 };
        let failures = {
            let mut all = self.lock();
            let Some(desired) = all.get_mut(subject) else { return };
            desired.failures = desired.failures.saturating_add(1);
            let wait = FIRST_RETRY.saturating_mul(1 << desired.failures.min(10)).min(LONGEST_RETRY);
            // Somebody else wrote the object: what is true is written over what stands there now.
            let wait = if code == 409 && desired.failures <= 3 { FIRST_RETRY } else { wait };
            desired.not_before = Instant::now() + wait;
            desired.failures
        };
        if code == 409 {
            // The watch may be behind.
            if let Ok(Some(object)) = api.get_opt(&key.name).await {
                self.objects.lock().unwrap_or_else(PoisonError::into_inner).answered(*kind, &object);
            }
        } else if code != 404 {
            self.metrics.status_written(kind.name(), false);
        }
        if code != 409 && code != 404 && failures == 1 {
            let why = super::explain(error);
            tracing::error!(object = %format!("{} {key}", kind.name()), why, "a status cannot be written; tried again");
        }
    }
}

/// Puts a status in the place of the one that was seen; a conflict where another stands there.
pub async fn replace(
    api: &Api<DynamicObject>,
    kind: Kind,
    key: &ObjectKey,
    seen: &Seen,
    status: &Value,
) -> Result<DynamicObject, kube::Error> {
    let object = json!({
        "metadata": {
            "name": key.name, "namespace": key.namespace,
            "uid": seen.uid, "resourceVersion": seen.resource_version,
        },
        "status": status,
    });
    let mut object: DynamicObject = serde_json::from_value(object).map_err(kube::Error::SerdeError)?;
    object.types = Some(super::watch::types(kind));
    api.replace_status(&key.name, &PostParams::default(), &object).await
}
