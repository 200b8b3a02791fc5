//! The watches: one list and one watch a kind and namespace, folded into `Objects` and published as a `World`.
//!
//! A world is published only when every list is complete. While the API server cannot be reached the last one stays.
//! Must not write anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::SelectAll;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, TypeMeta};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;

use super::objects::{self, Kind, Objects};
use crate::api::API_VERSION;
use crate::api::approval::PlanApproval;
use crate::api::feed::ServiceTagFeed;
use crate::api::network::AmlNetwork;
use crate::store::{StoreError, World};
use crate::telemetry;

/// Changes that come together are told together.
const GATHER: Duration = Duration::from_millis(100);

/// One list: an installation has thousands of objects at most.
const PAGE: u32 = 10_000;

/// Which namespaces are watched for Networks and approvals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    All,
    /// Sorted, with the controller's own among them.
    These(BTreeSet<String>),
}

/// What the watches have told so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// What is still to be listed, and what went wrong with it last.
    Listing(BTreeMap<String, Option<String>>),
    Complete,
}

/// What the objects are shared by.
pub type Shared = Arc<Mutex<Objects>>;

/// The kind as the API server knows it.
pub fn resource(kind: Kind) -> ApiResource {
    match kind {
        Kind::Network => ApiResource::erase::<AmlNetwork>(&()),
        Kind::Feed => ApiResource::erase::<ServiceTagFeed>(&()),
        Kind::Approval => ApiResource::erase::<PlanApproval>(&()),
    }
}

/// What stands at the top of an object of a kind.
pub fn types(kind: Kind) -> TypeMeta {
    TypeMeta { api_version: API_VERSION.to_owned(), kind: kind.name().to_owned() }
}

/// One kind in one namespace, or in all.
pub fn api(client: Client, kind: Kind, namespace: Option<&str>) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource(kind)),
        None => Api::all_with(client, &resource(kind)),
    }
}

/// All objects of a kind in one namespace, or in all. `None` where the user may not list them.
pub async fn list(
    client: &Client,
    kind: Kind,
    namespace: Option<&str>,
) -> Result<Option<Vec<DynamicObject>>, StoreError> {
    match api(client.clone(), kind, namespace).list(&ListParams::default()).await {
        Ok(list) => Ok(Some(list.items)),
        Err(kube::Error::Api(status)) if status.code == 403 && namespace.is_none() => Ok(None),
        // A person asks.
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let what = format!("{}; the role amlnet-viewer allows it, see deploy/rbac/people.yaml", status.message);
            Err(StoreError { place: said(&(kind, namespace.map(str::to_owned))), what })
        }
        Err(error) => {
            let place = said(&(kind, namespace.map(str::to_owned)));
            Err(StoreError { place, what: explain(&watcher::Error::InitialListFailed(error)) })
        }
    }
}

/// What is watched: a kind and a namespace, or all.
type Place = (Kind, Option<String>);

fn places(namespace: &str, namespaces: &Namespaces) -> Vec<Place> {
    let mut places = vec![(Kind::Feed, Some(namespace.to_owned()))];
    for kind in [Kind::Network, Kind::Approval] {
        match namespaces {
            Namespaces::All => places.push((kind, None)),
            Namespaces::These(names) => places.extend(names.iter().map(|name| (kind, Some(name.clone())))),
        }
    }
    places
}

fn said((kind, namespace): &Place) -> String {
    match namespace {
        Some(namespace) => format!("{} in namespace {namespace}", kind.plural()),
        None => format!("{} in all namespaces", kind.plural()),
    }
}

/// Watches for ever.
pub async fn watch(
    client: Client,
    namespace: &str,
    namespaces: &Namespaces,
    objects: &Shared,
    worlds: &watch::Sender<Arc<World>>,
    progress: &watch::Sender<Progress>,
) {
    let places = places(namespace, namespaces);
    let mut streams = SelectAll::new();
    for place in &places {
        let api = api(client.clone(), place.0, place.1.as_deref());
        let tagged = place.clone();
        let stream = watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff();
        streams.push(stream.map(move |event| (tagged.clone(), event)).boxed());
    }
    let mut listing: BTreeMap<String, Option<String>> = places.iter().map(|place| (said(place), None)).collect();
    let mut lists: BTreeMap<Place, Vec<DynamicObject>> = BTreeMap::new();
    let mut failing: BTreeMap<Place, String> = BTreeMap::new();
    let mut due: Option<Instant> = None;
    progress.send_replace(Progress::Listing(listing.clone()));
    loop {
        let next = tokio::select! {
            next = streams.next() => next,
            () = super::sleep_until(due) => {
                publish(objects, worlds);
                due = None;
                continue;
            }
        };
        let Some((place, event)) = next else { return };
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                let (what, why) = (said(&place), explain(&error));
                if failing.insert(place, why.clone()).as_ref() != Some(&why) {
                    tracing::warn!(what, why, "the watch failed and is tried again; what is known stays");
                }
                if let Some(last) = listing.get_mut(&what) {
                    *last = Some(why);
                    progress.send_replace(Progress::Listing(listing.clone()));
                }
                continue;
            }
        };
        // That a listing begins is said before the API server has answered.
        if !matches!(event, watcher::Event::Init) && failing.remove(&place).is_some() {
            tracing::info!(what = said(&place), "the watch goes on");
        }
        take_in(&place, event, objects, &mut lists, &mut listing);
        let differs = objects.lock().unwrap_or_else(PoisonError::into_inner).take_difference();
        if listing.is_empty() && *progress.borrow() != Progress::Complete {
            publish(objects, worlds);
            due = None;
            progress.send_replace(Progress::Complete);
        } else if differs && listing.is_empty() {
            due.get_or_insert_with(|| Instant::now() + GATHER);
        }
    }
}

fn take_in(
    place: &Place,
    event: watcher::Event<DynamicObject>,
    objects: &Shared,
    lists: &mut BTreeMap<Place, Vec<DynamicObject>>,
    listing: &mut BTreeMap<String, Option<String>>,
) {
    let mut objects = objects.lock().unwrap_or_else(PoisonError::into_inner);
    match event {
        // A list that breaks off counts for nothing.
        watcher::Event::Init => drop(lists.insert(place.clone(), Vec::new())),
        watcher::Event::InitApply(mut object) => {
            object.metadata.managed_fields = None;
            lists.entry(place.clone()).or_default().push(object);
        }
        watcher::Event::InitDone => {
            let list = lists.remove(place).unwrap_or_default();
            listing.remove(&said(place));
            objects.replace(place.0, place.1.as_deref(), &list);
        }
        watcher::Event::Apply(object) => objects.apply(place.0, &object),
        watcher::Event::Delete(object) => objects.delete(place.0, &objects::key(&object)),
    }
}

fn publish(objects: &Shared, worlds: &watch::Sender<Arc<World>>) {
    let world = objects.lock().unwrap_or_else(PoisonError::into_inner).world();
    let before = worlds.borrow().undecodable.clone();
    for problem in world.undecodable.iter().filter(|problem| !before.contains(problem)) {
        tracing::error!(%problem, "an object cannot be read; nothing is removed until it can");
    }
    worlds.send_if_modified(|current| {
        let differs = **current != world;
        *current = Arc::new(world);
        differs
    });
}

/// What a person can do about it is said where it is known.
fn explain(error: &watcher::Error) -> String {
    use watcher::Error as E;
    let status = match error {
        E::InitialListFailed(kube::Error::Api(status))
        | E::WatchStartFailed(kube::Error::Api(status))
        | E::WatchFailed(kube::Error::Api(status))
        | E::WatchError(status) => Some(status),
        _ => None,
    };
    match status {
        Some(status) if status.code == 404 => {
            "the CRD is not installed: apply the output of `amlnet crd` (or the chart with its CRDs)".to_owned()
        }
        Some(status) if status.code == 403 || status.code == 401 => {
            format!(
                "the service account may not list and watch it: {}; its Role lacks that, see deploy/rbac",
                status.message
            )
        }
        _ => telemetry::chain(error),
    }
}
