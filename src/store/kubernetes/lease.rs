//! Leadership by a Lease, and the word that is asked for before each write: is this process still the leader?
//!
//! `LeaderElection` drops the leader's work when the lease is lost. But it polls the work first, so a process that was
//! frozen would go on for a moment; `Word` asks the API server, and measures by a clock that runs on in the meantime.
//! It avoids duplicate work. It is not the safety argument: idempotent, owned, minimal steps are.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_controller::LeaderElection;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};

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
        self.election().with_lease(work).await
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
            let is_fresh = !before.renewed.is_empty() && before.asked.elapsed() < retry;
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
            if spec.holder_identity.as_deref() != Some(&self.candidate.identity) {
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
