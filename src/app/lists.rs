//! The lists as the HTTP server asks for them: which is known, which waits and for what, and the pages of the others.
//!
//! Must not decide what stands in a list.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use super::AppError;
use crate::domain::intent::ObjectKey;
use crate::domain::list::{List, ListKey};
use crate::domain::outbound::ListFormat;
use crate::http::{self, Answer, Content, Form, Lists, Page};
use crate::store::{Published, World};

/// Listens, and says where.
pub async fn bind(options: &http::Options) -> Result<http::Server, AppError> {
    let server = http::Server::bind(options).await.map_err(AppError)?;
    let address = server.address().map_err(AppError::new)?;
    let scheme = if server.is_https() { "https" } else { "http" };
    tracing::info!(%address, scheme, "serves /healthz, /readyz, /metrics and /lists");
    Ok(server)
}

/// A list with its address.
struct Listed {
    key: ListKey,
    list: Arc<List>,
}

fn format(form: Form) -> ListFormat {
    match form {
        Form::Plain => ListFormat::Plain,
        Form::Json => ListFormat::Json,
    }
}

impl Content for Listed {
    fn render(&self, form: Form) -> Vec<u8> {
        self.list.render(&self.key, format(form))
    }

    fn changed_at(&self, form: Form) -> Timestamp {
        self.list.changed_at(format(form))
    }
}

/// A page that was made, and what it was made of.
type Made = (Arc<List>, Arc<Page>);

/// What a replica serves.
pub struct Shelf {
    published: watch::Receiver<Published>,
    world: watch::Receiver<Arc<World>>,
    /// Whether all objects were listed: before that nobody knows which lists are named.
    is_complete: Box<dyn Fn() -> bool + Send + Sync>,
    /// Pages are made when they are first asked for.
    pages: Mutex<BTreeMap<ListKey, Made>>,
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}

impl Shelf {
    pub fn new(
        published: watch::Receiver<Published>,
        world: watch::Receiver<Arc<World>>,
        is_complete: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { published, world, is_complete: Box::new(is_complete), pages: Mutex::default() }
    }

    fn page(&self, key: ListKey, lists: &BTreeMap<ListKey, Arc<List>>, list: &Arc<List>) -> Arc<Page> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, page)) = pages.get(&key)
            && Arc::ptr_eq(of, list)
        {
            return page.clone();
        }
        let form = if list.format == ListFormat::Plain { Form::Plain } else { Form::Json };
        let page = Arc::new(Page::new(form, Listed { key: key.clone(), list: list.clone() }));
        pages.retain(|key, _| lists.contains_key(key));
        pages.insert(key, (list.clone(), page.clone()));
        page
    }

    fn absent(&self, key: &ListKey) -> Answer {
        if !(self.is_complete)() {
            return Answer::Waiting("this replica is still listing the objects".to_owned());
        }
        let world = self.world.borrow();
        let is_meant = |network: &Option<ObjectKey>| network.as_ref().is_none_or(|network| *network == key.network);
        if let Some(held) = world.networks.get(&key.network) {
            let mut lists = held.object.intent.outbound.iter().flat_map(|outbound| &outbound.lists);
            if !lists.any(|list| list.name == key.name) {
                return Answer::Unknown;
            }
            let what = "no Service Tags document was accepted yet, or the status of the AmlNetwork says what is wrong";
            return Answer::Waiting(what.to_owned());
        }
        if world.unclaimed.contains_key(&key.network) {
            return Answer::Waiting("the AmlNetwork is not claimed yet".to_owned());
        }
        match world.undecodable.iter().find(|object| is_meant(&object.network)) {
            Some(_) => Answer::Waiting("an object that may name it cannot be read".to_owned()),
            None => Answer::Unknown,
        }
    }
}

impl Lists for Shelf {
    fn find(&self, namespace: &str, network: &str, list: &str) -> Answer {
        let network = ObjectKey { namespace: namespace.to_owned(), name: network.to_owned() };
        let key = ListKey { network, name: list.to_owned() };
        let Some(lists) = self.published.borrow().clone() else {
            return Answer::Waiting("this replica is still reading what is stored".to_owned());
        };
        match lists.get(&key) {
            Some(list) => Answer::Found(self.page(key, &lists, list)),
            None => self.absent(&key),
        }
    }
}
