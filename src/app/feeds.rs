//! The feeds of a running controller: one task each, polling at its interval, when asked, and when a local file changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::feed_figures::FeedFigures;
use crate::api::feed::ServiceTagFeedStatus;
use crate::api::read::Feed;
use crate::azure::arm::Arm;
use crate::domain::approval::{Approval, Subject};
use crate::domain::region::Regions;
use crate::domain::service_tags::Document;
use crate::feed::poll::{Judge, State as FeedState};
use crate::feed::status::{self, Asked};
use crate::feed::{Archive, Source, said};
use crate::reconcile::index::Documents;
use crate::store::files::state::State;
use crate::store::kubernetes::ClusterStore;
use crate::store::{Held, Store as _, StoreError, World};
use crate::telemetry;

/// How often local files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a poll without a good answer the next comes sooner, at first after this, doubled up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(60);

/// Where documents and the statuses of feeds are kept.
#[derive(Debug, Clone)]
pub enum Shelf {
    Files(Arc<State>),
    Cluster(Arc<ClusterStore>),
}

impl Shelf {
    fn archive(&self, feed: &str) -> Box<dyn Archive> {
        match self {
            Self::Files(state) => Box::new(state.archive(feed)),
            Self::Cluster(store) => Box::new(store.archive(feed)),
        }
    }

    fn approvals(&self) -> Vec<Approval> {
        match self {
            Self::Files(state) => state.approvals().0,
            Self::Cluster(store) => store.approvals().0,
        }
    }

    fn status(&self, feed: &str) -> Option<ServiceTagFeedStatus> {
        match self {
            Self::Files(state) => state.feed_status(feed),
            Self::Cluster(store) => store.feed_status(feed),
        }
    }

    fn cluster(&self) -> Option<&ClusterStore> {
        match self {
            Self::Files(_) => None,
            Self::Cluster(store) => Some(store),
        }
    }

    fn write_status(&self, feed: &str, status: &ServiceTagFeedStatus) -> Result<bool, StoreError> {
        match self {
            Self::Files(state) => state.write_feed_status(feed, status),
            Self::Cluster(store) => store.write_feed_status(feed, status),
        }
    }
}

/// What the feeds work with.
#[derive(Debug, Clone)]
pub struct Feeds {
    pub shelf: Shelf,
    pub regions: Arc<Regions>,
    pub ca_file: Option<PathBuf>,
    pub arm: Arc<Arm>,
    pub documents: watch::Sender<Arc<Documents>>,
}

struct Running {
    feed: Held<Feed>,
    ask: watch::Sender<Asked>,
    task: JoinHandle<()>,
}

/// What of a feed its status answers to.
fn asked(held: &Held<Feed>) -> Asked {
    let Feed { generation, reconcile_at, .. } = &held.object;
    Asked { generation: *generation, reconcile_at: reconcile_at.clone(), invalid: held.broken.clone() }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Feeds {
    /// Keeps one task a feed as the world changes. Never returns.
    pub async fn run(self, mut worlds: watch::Receiver<Arc<World>>) {
        let mut running: BTreeMap<String, Running> = BTreeMap::new();
        loop {
            let world = worlds.borrow_and_update().clone();
            let gone: Vec<String> = running.keys().filter(|name| !world.feeds.contains_key(*name)).cloned().collect();
            for name in gone {
                if let Some(mut gone) = running.remove(&name) {
                    gone.task.abort();
                    // It may be about to show something.
                    let _ = (&mut gone.task).await;
                }
                self.arm.metrics().show_feed(&name, None);
            }
            self.forget(&world);
            for (name, held) in &world.feeds {
                match running.get_mut(name) {
                    Some(task) if task.feed.object.intent == held.object.intent && task.feed.origin == held.origin => {
                        let asked = asked(held);
                        task.ask.send_if_modified(|before| {
                            let differs = *before != asked;
                            *before = asked;
                            differs
                        });
                        task.feed = held.clone();
                    }
                    _ => {
                        let (ask, asked) = watch::channel(asked(held));
                        let task = tokio::spawn(self.clone().one(name.clone(), held.clone(), asked));
                        running.insert(name.clone(), Running { feed: held.clone(), ask, task });
                    }
                }
            }
            if worlds.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    async fn one(self, name: String, held: Held<Feed>, mut asked: watch::Receiver<Asked>) {
        let intent = &held.object.intent;
        let archive = self.shelf.archive(&name);
        let archive = Some(&*archive);
        let mut state = FeedState::restore(archive, intent.cloud).await;
        let mut figures = FeedFigures::default();
        figures.found(&state);
        self.arm.metrics().show_feed(&name, Some(figures.samples(&name, &state)));
        said::restored(&name, &state);
        self.publish(&name, &state);
        let sources = loop {
            match super::sources(intent, &held.origin, self.ca_file.as_deref(), &self.arm, self.shelf.cluster()) {
                Ok(sources) => break sources,
                Err(error) => {
                    if telemetry::is_news("sources", &name, &error) {
                        tracing::error!(feed = name, %error, "the feed's sources cannot be used, will be tried again");
                    }
                    if state.current.is_none() {
                        self.publish_found(&name, Err(error.to_string()), None, None);
                    }
                }
            }
            tokio::time::sleep(FIRST_RETRY).await;
        };
        let mut failures = 0;
        loop {
            let stamps = stamps(&sources).await;
            let answers_to = asked.borrow_and_update().clone();
            let approved = self.approved(&name);
            let judge =
                Judge { cloud: intent.cloud, regions: &self.regions, now: Timestamp::now(), approved: &approved };
            let before = state.report.clone();
            state = state.poll(&sources, archive, judge).await;
            figures.polled(&state, Timestamp::now());
            self.arm.metrics().show_feed(&name, Some(figures.samples(&name, &state)));
            said::polled(&name, &before, &state);
            let good = state.report.lines.iter().any(|line| line.result.is_good());
            self.report(&name, &state, &answers_to);
            self.say_about_approvals(&name, &state);
            self.publish(&name, &state);
            failures = if good { 0 } else { failures + 1 };
            let wait =
                next_poll(intent.interval, failures, state.current.as_ref().map_or(0, |c| c.record.change_number));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                Ok(()) = asked.changed() => {}
                () = changed(&sources, &stamps) => {}
                () = self.approved_otherwise(&name, &approved) => {}
            }
        }
    }

    /// The documents that somebody has approved for a feed.
    fn approved(&self, name: &str) -> BTreeSet<String> {
        super::approved_documents(&self.shelf.approvals(), name, Timestamp::now())
    }

    /// Returns when somebody has approved another document.
    async fn approved_otherwise(&self, name: &str, before: &BTreeSet<String>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if !self.approved(name).is_subset(before) {
                return;
            }
        }
    }

    /// Says which approvals of documents change nothing.
    fn say_about_approvals(&self, name: &str, state: &FeedState) {
        for approval in
            self.shelf.approvals().into_iter().filter(|approval| approval.subject == Subject::Feed(name.to_owned()))
        {
            said::approval(name, &super::word_about_document(&approval, state, Timestamp::now()));
        }
    }

    fn report(&self, name: &str, state: &FeedState, asked: &Asked) {
        if state.report.not_stored.is_some() {
            self.arm.metrics().not_kept("Document");
        }
        let status = status::of(state, asked, self.shelf.status(name).as_ref(), Timestamp::now());
        match self.shelf.write_status(name, &status) {
            Ok(false) => {}
            Ok(true) => self.arm.metrics().status_written("ServiceTagFeed", true),
            Err(error) => {
                self.arm.metrics().status_written("ServiceTagFeed", false);
                tracing::error!(feed = name, %error, "the status cannot be written");
            }
        }
    }

    fn publish(&self, name: &str, state: &FeedState) {
        let file_date = state.current.as_ref().map(|current| current.record.file_date);
        self.publish_found(name, super::in_force(state), state.no_removals.as_ref(), file_date);
    }

    /// Makes a document known, or why there is none; wakes nobody where nothing changed.
    fn publish_found(
        &self,
        name: &str,
        found: Result<Arc<Document>, String>,
        no_removals: Option<&String>,
        file_date: Option<Date>,
    ) {
        self.documents.send_if_modified(|current| {
            let same = match (current.by_feed.get(name), &found) {
                (Some(Ok(old)), Ok(new)) => old.digest == new.digest && old.change_number == new.change_number,
                (Some(Err(old)), Err(new)) => old == new,
                _ => false,
            };
            let same = same && current.no_removals.get(name) == no_removals;
            if !same {
                let mut documents = (**current).clone();
                documents.by_feed.insert(name.to_owned(), found);
                documents.no_removals.remove(name);
                documents.no_removals.extend(no_removals.map(|why| (name.to_owned(), why.clone())));
                documents.file_dates.remove(name);
                documents.file_dates.extend(file_date.map(|date| (name.to_owned(), date)));
                *current = Arc::new(documents);
            }
            !same
        });
    }

    /// Forgets the documents of feeds that are gone.
    fn forget(&self, world: &World) {
        self.documents.send_if_modified(|current| {
            let gone = current.by_feed.keys().any(|name| !world.feeds.contains_key(name));
            if gone {
                let mut documents = (**current).clone();
                documents.by_feed.retain(|name, _| world.feeds.contains_key(name));
                documents.file_dates.retain(|name, _| world.feeds.contains_key(name));
                *current = Arc::new(documents);
            }
            gone
        });
    }
}

/// The interval, spread by up to a tenth so that installations do not ask at the same time; sooner after failures.
fn next_poll(interval: Duration, failures: u32, salt: u64) -> Duration {
    if failures > 0 {
        return FIRST_RETRY.saturating_mul(2_u32.saturating_pow(failures.min(16) - 1)).min(interval);
    }
    let percent = u32::try_from((u64::from(std::process::id()) ^ salt) % 21).unwrap_or(10);
    interval * (90 + percent) / 100
}

async fn stamps(sources: &[Box<dyn Source>]) -> Vec<Option<String>> {
    let mut stamps = Vec::new();
    for source in sources {
        stamps.push(source.stamp().await);
    }
    stamps
}

/// Returns when a local source differs from what it was.
async fn changed(sources: &[Box<dyn Source>], before: &[Option<String>]) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if stamps(sources).await != before {
            return;
        }
    }
}
