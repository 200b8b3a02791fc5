//! The model on sockets: five listeners on loopback, the clock, the log file. Answers come from the model; nothing here
//! decides about one. Must never listen where another computer could reach it.

mod control;
mod listener;
mod metadata;
mod place;
mod simulated;
mod tls;

use crate::model::{Time, World, token::Credentials, world::BaseUrls};
use axum::Router;
use serde::Serialize;
use std::{
    fs::File,
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};

#[derive(Clone, Debug)]
pub struct Options {
    /// Of ARM; the other listeners take free ports of the same address.
    pub listen: SocketAddr,
    /// Every request as one line of JSON.
    pub log: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), log: None }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{0} is not a loopback address, and the simulator listens on loopback only, or on one address of a network that \
         no default route leaves"
    )]
    NotLoopback(SocketAddr),
    #[error("cannot start listening: {0}")]
    Listen(#[from] io::Error),
    #[error("cannot make certificates: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the server did not start: {0}")]
    Start(#[from] tokio::task::JoinError),
}

/// Where everything is; as JSON it is the line that `armsim serve` prints.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    pub arm: String,
    pub login: String,
    pub metadata: String,
    pub download_page: String,
    pub ca_file: PathBuf,
    pub control: String,
    pub credentials: Credentials,
}

/// A running simulator. It stops, with all its connections, when this is dropped.
#[derive(Debug)]
pub struct Running {
    pub endpoints: Endpoints,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
    /// Holds the CA's certificate.
    _folder: tempfile::TempDir,
}

/// What all listeners share.
#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    log: Option<Mutex<File>>,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        // A panic in one request must not hide the world from the test that wants to know why.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends what was logged since `from`; a full disk must not stop the server.
    fn write_log(&self, world: &World, from: usize) {
        let Some(log) = &self.log else { return };
        let mut file = log.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in world.log().iter().skip(from) {
            if let Ok(line) = serde_json::to_string(entry) {
                let _ = writeln!(file, "{line}");
            }
        }
    }
}

impl Running {
    /// The model itself. Holding the guard stops all answers.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn now() -> Time {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

/// Starts the simulator on threads of its own, so that it answers whatever the caller's runtime is doing and ends with
/// `Running`, connections included.
pub async fn start(world: World, options: Options) -> Result<Running, Error> {
    let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("armsim").enable_all().build()?;
    let opened = runtime.spawn(open(world, options)).await.map_err(Error::from).and_then(std::convert::identity);
    match opened {
        Ok((endpoints, shared, folder)) => Ok(Running { endpoints, shared, runtime: Some(runtime), _folder: folder }),
        Err(error) => {
            // Dropped within a future, a runtime panics.
            runtime.shutdown_background();
            Err(error)
        }
    }
}

async fn open(mut world: World, options: Options) -> Result<(Endpoints, Arc<Shared>, tempfile::TempDir), Error> {
    // Asked on the thread that will listen: a network belongs to a thread.
    if !place::is_allowed(options.listen.ip()) {
        return Err(Error::NotLoopback(options.listen));
    }
    let folder = tempfile::tempdir()?;
    let ca_file = folder.path().join("armsim-ca.pem");
    let tls = tls::acceptor(&ca_file, options.listen.ip())?;
    let other = SocketAddr::new(options.listen.ip(), 0);
    let arm = TcpListener::bind(options.listen).await?;
    let login = TcpListener::bind(other).await?;
    let download = TcpListener::bind(other).await?;
    let metadata = TcpListener::bind(other).await?;
    let control = TcpListener::bind(other).await?;

    let urls = BaseUrls {
        arm: format!("https://{}", arm.local_addr()?),
        login: format!("https://{}", login.local_addr()?),
        download: format!("https://{}", download.local_addr()?),
    };
    let endpoints = Endpoints {
        arm: urls.arm.clone(),
        login: urls.login.clone(),
        metadata: format!("http://{}", metadata.local_addr()?),
        download_page: format!("{}/en-us/download/details.aspx?id=56519", urls.download),
        ca_file,
        control: format!("http://{}", control.local_addr()?),
        credentials: world.credentials().first().cloned().unwrap_or_default(),
    };
    world.set_base_urls(urls);
    world.begin_at(now());
    let log = options.log.map(|path| File::options().create(true).append(true).open(path)).transpose()?.map(Mutex::new);
    let shared = Arc::new(Shared { world: Mutex::new(world), log });

    for (listener, answer) in
        [(arm, World::handle as simulated::Answer), (login, World::handle_login), (download, World::handle_download)]
    {
        let router = simulated::router(Arc::clone(&shared), answer);
        let listener = listener::Listener::new(listener, tls.clone());
        tokio::spawn(
            axum::serve(listener, router.into_make_service_with_connect_info::<listener::Connection>()).into_future(),
        );
    }
    serve_plain(metadata, metadata::router(Arc::clone(&shared)));
    serve_plain(control, control::router(Arc::clone(&shared)));
    Ok((endpoints, shared, folder))
}

fn serve_plain(listener: TcpListener, router: Router) {
    tokio::spawn(axum::serve(listener, router).into_future());
}
