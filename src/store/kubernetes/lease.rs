//! Leadership by a Lease, and the word that is asked for before each write: is this process still the leader?
//!
//! `LeaderElection` drops the leader's work when the lease is lost. But it polls the work first, so a process that was
//! frozen would go on for a moment: `while_awake` looks before that, and `Word` asks the API server before each write,
//! and measures by a clock that runs on in the meantime.
//! It avoids duplicate work. It is not the safety argument: idempotent, owned, minimal steps are.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use k8s_controller::LeaderElection;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::time::MissedTickBehavior;

use crate::store::StoreError;

/// The times of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// How long a leader that says nothing is waited for.
    pub lease: Duration,
    /// After this long without a renewal the leader gives up. Shorter than `lease`.
    pub renew: Duration,
    /// How often the lease is renewed, or looked at. Shorter than `renew`.
    pub retry: Duration,
}

impl Times {
    /// Those of client-go.
    pub const DEFAULT: Self =
        Self { lease: Duration::from_secs(15), renew: Duration::from_secs(10), retry: Duration::from_secs(2) };

    /// The limit for connecting, sending and reading each, so that an answer that counts is never older than
    /// `answer_age`.
    pub fn answer_within(self) -> Duration {
        self.renew / 4
    }

    /// Where the lease was just acquired: it was renewed no longer ago than this.
    fn answer_age(self) -> Duration {
        self.answer_within() * 3
    }

    /// # Errors
    /// What is wrong with them.
    pub fn check(self) -> Result<Self, String> {
        if self.retry < self.renew && self.renew < self.lease {
            return Ok(self);
        }
        Err("the lease's times must grow: retry period < renew deadline < lease duration".to_owned())
    }
}

/// An answer counts for this part of a retry period: who deletes a lease, or gives it away, does not wait for it to end.
const FRESH: u32 = 4;

/// Which lease it is, and who holds it here.
#[derive(Clone)]
pub struct Candidate {
    pub client: Client,
    pub namespace: String,
    pub name: String,
    pub identity: String,
    pub times: Times,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidate").field("name", &self.name).field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Candidate {
    /// Waits for the lease, then works as long as it is held. `None`: it was lost, and the work was dropped.
    pub async fn lead<F: Future>(&self, work: F) -> Option<F::Output> {
        // In a box, as whoever calls this holds a whole program.
        self.election().with_lease(Box::pin(self.while_awake(work))).await.flatten()
    }

    /// Polls `work` only where nobody else can lead yet. After a gap that is longer than a lease outlives a leader's
    /// renewals, the lease is asked for first: what the work had begun to send (a handshake, say) would go on otherwise.
    async fn while_awake<F: Future>(&self, work: F) -> Option<F::Output> {
        let margin = self.times.lease.saturating_sub(self.times.renew);
        let lease = self.word();
        let mut work = pin!(work);
        let mut beat = tokio::time::interval(margin / 4);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut awake = Instant::now();
        loop {
            let output = std::future::poll_fn(|context| {
                if awake.elapsed() > margin {
                    return Poll::Ready(None);
                }
                awake = Instant::now();
                while beat.poll_tick(context).is_ready() {}
                work.as_mut().poll(context).map(Some)
            });
            if let Some(output) = output.await {
                return Some(output);
            }
            tracing::warn!(frozen_for = ?awake.elapsed(), "this process was frozen; it goes on if it still leads");
            if !lease.is_leader().await {
                return None;
            }
            awake = Instant::now();
        }
    }

    /// What keeps this candidate from ever leading: a right that it lacks. Nothing is changed; a server that cannot be
    /// reached is no such obstacle.
    pub async fn obstacle(&self) -> Option<String> {
        let api: Api<Lease> = Api::namespaced(self.client.clone(), &self.namespace);
        let only_asked = PostParams { dry_run: true, ..PostParams::default() };
        let asked = match api.get_opt(&self.name).await {
            Ok(None) => {
                let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
                api.create(&only_asked, &Lease { metadata, ..Lease::default() }).await.map(drop)
            }
            // Its renewals tell.
            Ok(Some(lease)) if lease.spec.as_ref().is_some_and(|spec| self.holds(spec.holder_identity.as_deref())) => {
                Ok(())
            }
            Ok(Some(lease)) => api.replace(&self.name, &only_asked, &lease).await.map(drop),
            Err(error) => Err(error),
        };
        match asked {
            Err(kube::Error::Api(status)) if status.code == 401 || status.code == 403 => {
                Some(format!("the lease {} may not be used: {}", self.name, super::explain(&kube::Error::Api(status))))
            }
            _ => None,
        }
    }

    fn holds(&self, holder: Option<&str>) -> bool {
        holder == Some(&self.identity)
    }

    /// Who leads now, if somebody does, by the clock of this machine.
    pub async fn holder(&self) -> Result<Option<String>, StoreError> {
        let api: Api<Lease> = Api::namespaced(self.client.clone(), &self.namespace);
        let found = api.get_opt(&self.name).await.map_err(|error| StoreError {
            place: format!("the lease {}/{}", self.namespace, self.name),
            what: super::explain(&error),
        })?;
        let spec = found.and_then(|lease| lease.spec).unwrap_or_default();
        let lasts = jiff::SignedDuration::from_secs(spec.lease_duration_seconds.unwrap_or_default().into());
        let ends = spec.renew_time.and_then(|renewed| renewed.0.checked_add(lasts).ok());
        let holder = spec.holder_identity.filter(|holder| !holder.is_empty());
        Ok(holder.filter(|_| ends.is_some_and(|ends| ends > jiff::Timestamp::now())))
    }

    /// Gives the lease up if it is held, so that another replica need not wait for its end.
    pub async fn release(&self) {
        self.election().release().await;
    }

    fn election(&self) -> LeaderElection {
        let Times { lease, renew, retry } = self.times;
        LeaderElection::new(self.client.clone(), &self.namespace, &self.name, &self.identity)
            .with_lease_duration(lease)
            .with_renew_deadline(renew)
            .with_retry_period(retry)
    }

    /// Whoever asks for the word of this candidate's leadership. To be called as the first thing that a leader does.
    pub fn word(&self) -> Word {
        let api = Api::namespaced(self.client.clone(), &self.namespace);
        let acquired = Instant::now().checked_sub(self.times.answer_age()).unwrap_or_else(Instant::now);
        let known = Known { renewed: String::new(), since: acquired, asked: acquired };
        Word { api, candidate: self.clone(), known: Mutex::new(known) }
    }
}

/// What is known of the lease.
#[derive(Debug, Clone)]
struct Known {
    /// As it stands in the lease, whatever clock wrote it.
    renewed: String,
    /// The lease was renewed no earlier than this.
    since: Instant,
    /// When it was asked for last.
    asked: Instant,
}

/// Says whether the lease is still held.
#[derive(Debug)]
pub struct Word {
    api: Api<Lease>,
    candidate: Candidate,
    known: Mutex<Known>,
}

impl Word {
    /// Whether this process is the leader for certain. Asks the API server unless it was asked a moment ago.
    ///
    /// A renewal that was not there when it was asked last happened after that; one that was is as old as when it was
    /// first seen. So no clock but this process's own monotonic one counts.
    pub async fn is_leader(&self) -> bool {
        let Times { renew, retry, .. } = self.candidate.times;
        let started = Instant::now();
        loop {
            let before = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let is_fresh = !before.renewed.is_empty() && before.asked.elapsed() < retry / FRESH;
            if is_fresh && before.since.elapsed() < renew {
                return true;
            }
            let asked = Instant::now();
            let left = renew.saturating_sub(started.elapsed());
            let lease = match tokio::time::timeout(left, self.api.get_opt(&self.candidate.name)).await {
                Ok(Ok(Some(lease))) => lease,
                Ok(Ok(None)) | Err(_) => return false,
                Ok(Err(error)) => {
                    tracing::warn!(why = super::explain(&error), "the lease cannot be looked at; nothing is written");
                    if started.elapsed() >= renew {
                        return false;
                    }
                    tokio::time::sleep(retry / 4).await;
                    continue;
                }
            };
            let spec = lease.spec.unwrap_or_default();
            if !self.candidate.holds(spec.holder_identity.as_deref()) {
                return false;
            }
            let renewed = format!("{:?}", spec.renew_time);
            let since = if before.renewed == renewed { before.since } else { before.asked };
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Known { renewed, since, asked };
            if since.elapsed() < renew {
                return true;
            }
            if started.elapsed() >= renew {
                return false;
            }
            // The next renewal tells.
            tokio::time::sleep(retry / 4).await;
        }
    }
}
