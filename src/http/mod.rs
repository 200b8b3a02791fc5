//! The small HTTP server of every replica: is it alive, is it ready, its metrics, and the lists for other makers'
//! firewalls.
//!
//! Everything that a client sends is bounded, and nothing that it sends changes anything. Must not decide whether the
//! replica is ready, or what stands in a list.

mod connection;
mod credentials;
mod lists;
mod page;
mod tls;
mod watched;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

pub use connection::Patience;
pub use lists::{Answer, Lists};
pub use page::{Content, Form, Page};

use self::connection::Patient;
use self::credentials::Credentials;
use self::tls::Certificates;
use self::watched::Watched;

/// Whether this replica is ready, or what it still waits for.
pub type Readiness = Result<(), String>;

/// The request line and all headers together.
const LARGEST_HEAD: usize = 16 << 10;
const MOST_HEADERS: usize = 100;
/// Whoever comes then waits.
const MOST_CONNECTIONS: usize = 512;
/// After an error of the listener, such as too many open files, the next try.
const AGAIN: Duration = Duration::from_millis(100);

/// Where and how it is served.
#[derive(Debug, Clone)]
pub struct Options {
    pub listen: SocketAddr,
    /// PEM files. With them everything is served over TLS.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// Who may fetch lists; without it, everybody.
    pub credentials: Option<PathBuf>,
}

/// A server that listens, and does not answer yet.
pub struct Server {
    listener: TcpListener,
    certificates: Option<Arc<Watched<Certificates>>>,
    credentials: Option<Arc<Watched<Credentials>>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// What is measured, of whatever it is.
pub trait Figures: Send + Sync {
    /// Everything, in the text format of Prometheus.
    fn text(&self) -> Bytes;
    /// A request for one of the paths that there are was answered with this status.
    fn answered(&self, path: &'static str, code: u16);
}

/// What is served.
#[derive(Clone)]
pub struct Contents {
    pub readiness: watch::Receiver<Readiness>,
    pub lists: Arc<dyn Lists>,
    pub figures: Arc<dyn Figures>,
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contents").field("readiness", &self.readiness).finish_non_exhaustive()
    }
}

/// What every request sees.
struct Shared {
    contents: Contents,
    credentials: Option<Arc<Watched<Credentials>>>,
}

impl Server {
    /// Reads the files and listens.
    ///
    /// # Errors
    /// What is wrong with which option.
    pub async fn bind(options: &Options) -> Result<Self, String> {
        let certificates = match (&options.certificate, &options.key) {
            (Some(certificate), Some(key)) => {
                let files = vec![certificate.clone(), key.clone()];
                let what = "--http-certificate and --http-key";
                Some(Arc::new(Watched::read(what, files, tls::parse)?))
            }
            (None, None) => None,
            (Some(_), None) => return Err("--http-certificate needs --http-key, the key that belongs to it".to_owned()),
            (None, Some(_)) => return Err("--http-key needs --http-certificate, what it is the key of".to_owned()),
        };
        let credentials = match &options.credentials {
            Some(file) => Some(Arc::new(Watched::read("--http-credentials", vec![file.clone()], credentials::parse)?)),
            None => None,
        };
        if credentials.is_some() && certificates.is_none() {
            tracing::warn!(
                "lists are served without TLS, so whoever listens on the way reads the credentials; add \
                 --http-certificate and --http-key, or let a proxy on this machine do it"
            );
        }
        let listener = TcpListener::bind(options.listen)
            .await
            .map_err(|error| format!("--http-listen {}: {}", options.listen, explain(&error)))?;
        Ok(Self { listener, certificates, credentials })
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    pub fn is_https(&self) -> bool {
        self.certificates.is_some()
    }

    /// Answers until it is dropped.
    pub async fn serve(self, contents: Contents, patience: Patience) {
        let shared = Arc::new(Shared { contents, credentials: self.credentials.clone() });
        let acceptor = self.certificates.clone().map(tls::acceptor);
        let rereading = async {
            tokio::join!(watched::follow(self.certificates.as_deref()), watched::follow(self.credentials.as_deref()));
        };
        let accepting = async {
            let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
            let mut connections = JoinSet::new();
            loop {
                while connections.try_join_next().is_some() {}
                let Ok(place) = places.clone().acquire_owned().await else { return };
                let stream = match self.listener.accept().await {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a connection cannot be accepted");
                        tokio::time::sleep(AGAIN).await;
                        continue;
                    }
                };
                let (shared, acceptor) = (shared.clone(), acceptor.clone());
                // Where places run short, nobody keeps one for long: probes come through the same door.
                let patience =
                    if places.available_permits() < MOST_CONNECTIONS / 2 { patience.in_a_hurry() } else { patience };
                connections.spawn(async move {
                    // Small answers wait for nothing.
                    let _ = stream.set_nodelay(true);
                    match acceptor {
                        None => converse(stream, shared, patience).await,
                        Some(acceptor) => {
                            let greeted = tokio::time::timeout(patience.head, acceptor.accept(stream)).await;
                            if let Ok(Ok(stream)) = greeted {
                                converse(stream, shared, patience).await;
                            }
                        }
                    }
                    drop(place);
                });
            }
        };
        tokio::join!(rereading, accepting);
    }
}

/// Why nobody can listen there, and what to do.
fn explain(error: &std::io::Error) -> String {
    let advice = match error.kind() {
        std::io::ErrorKind::AddrInUse => "; another program listens there: end it, or name another address",
        std::io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need a right that amlnet does not have: name another"
        }
        std::io::ErrorKind::AddrNotAvailable => "; this machine has no such address: 0.0.0.0 stands for all of them",
        _ => "",
    };
    format!("{error}{advice}")
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(stream: S, shared: Arc<Shared>, patience: Patience) {
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move {
            let answer = answer(&request, &shared);
            shared.contents.figures.answered(known(request.uri().path()), answer.status().as_u16());
            Ok::<_, Infallible>(answer)
        }
    });
    let stream = TokioIo::new(Patient::new(stream, patience));
    let connection = hyper::server::conn::http1::Builder::new()
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        // `Patient` has its own, which tell a slow head from a connection that is kept.
        .header_read_timeout(None)
        .serve_connection(stream, service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The answer to one request.
fn answer(request: &Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let has_body = request.headers().contains_key(TRANSFER_ENCODING)
        || request.headers().get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    if has_body {
        // What follows is not read, so the connection is of no use any more.
        let mut refused = said(StatusCode::PAYLOAD_TOO_LARGE, "nothing is taken here: send the request without a body");
        refused.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return refused;
    }
    let path = request.uri().path();
    let is_list = known(path) == "lists";
    if let (true, Some(credentials)) = (is_list, &shared.credentials)
        && !credentials.now().admit(request.headers())
    {
        return credentials::refusal();
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refused = said(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD: nothing can be changed here");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        "/healthz" => said(StatusCode::OK, "ok"),
        "/readyz" => match &*shared.contents.readiness.borrow() {
            Ok(()) => said(StatusCode::OK, "ok"),
            Err(why) => said(StatusCode::SERVICE_UNAVAILABLE, why),
        },
        "/metrics" => measured(shared.contents.figures.text()),
        _ if is_list => lists::answer(request, &*shared.contents.lists),
        _ => said(StatusCode::NOT_FOUND, "there is nothing here; lists are at /lists/<namespace>/<AmlNetwork>/<list>"),
    }
}

/// Which of the paths that there are it is.
fn known(path: &str) -> &'static str {
    match path {
        "/healthz" => "healthz",
        "/readyz" => "readyz",
        "/metrics" => "metrics",
        _ if path == "/lists" || path.starts_with("/lists/") => "lists",
        _ => "other",
    }
}

fn measured(text: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    response
}

/// A sentence.
fn said(status: StatusCode, sentence: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{sentence}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests;
