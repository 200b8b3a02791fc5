//! Stands between a replica and the API server, and answers in its place where a test wants it to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::serve::Listener;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto::ring};
use tokio_rustls::server::TlsStream;

use crate::replica::Kube;

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// Nothing is done, and this is answered.
    Answer(u16, Value),
    /// The same with headers that say when to come again.
    Later(u16),
    /// Nothing is ever answered.
    Hang,
    /// It is carried out, and the answer breaks off in the middle.
    Cut,
}

#[derive(Debug)]
struct Rule {
    method: String,
    part: String,
    left: usize,
    effect: Effect,
}

#[derive(Debug)]
struct Shared {
    api_server: String,
    client: reqwest::Client,
    rules: Mutex<Vec<Rule>>,
    /// Goes up when all watches are to end.
    watches: watch::Sender<u64>,
}

/// It ends with this value.
#[derive(Debug)]
pub(crate) struct Injector {
    shared: Arc<Shared>,
    pub(crate) kubeconfig: PathBuf,
    _runtime: tokio::runtime::Runtime,
}

struct Tls(TcpListener, TlsAcceptor);

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.0.accept().await.unwrap();
            if let Ok(stream) = self.1.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Injector {
    /// For a user of the cluster.
    pub(crate) fn before(kube: &Kube, user: &str) -> Self {
        let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        let authority = reqwest::Certificate::from_pem(kube.cluster.ca_pem().as_bytes()).unwrap();
        let client =
            reqwest::Client::builder().add_root_certificate(authority).http1_only().no_proxy().build().unwrap();
        let shared = Arc::new(Shared {
            api_server: kube.cluster.url(),
            client,
            rules: Mutex::default(),
            watches: watch::Sender::new(0),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().fallback(pass).with_state(shared.clone());
        let tls = Tls(listener, TlsAcceptor::from(Arc::new(config)));
        runtime.spawn(async move { axum::serve(tls, router).await });
        let authority = kube.sim.write("injector.pem", certified.cert.pem());
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://{address}"), "certificate-authority": authority}}],
            "users": [{"name": user, "user": {"token": kube.cluster.token(user)}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}]});
        let kubeconfig = kube.sim.write("injector.kubeconfig", config.to_string());
        Self { shared, kubeconfig, _runtime: runtime }
    }

    /// From now on, for so many requests: those of a method (empty: any) whose path and query hold this.
    pub(crate) fn inject(&self, method: &str, part: &str, times: usize, effect: Effect) {
        let rule = Rule { method: method.to_owned(), part: part.to_owned(), left: times, effect };
        self.shared.rules.lock().unwrap().push(rule);
    }

    /// How many requests are still to be hit.
    pub(crate) fn left(&self) -> usize {
        self.shared.rules.lock().unwrap().iter().map(|rule| rule.left).sum()
    }

    /// Ends all watches, as a server that restarts or a proxy with a limit does.
    pub(crate) fn drop_watches(&self) {
        self.shared.watches.send_modify(|count| *count += 1);
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let effect = {
        let mut rules = shared.rules.lock().unwrap();
        let hits = |rule: &&mut Rule| {
            rule.left > 0
                && (rule.method.is_empty() || rule.method == request.method().as_str())
                && target.contains(&rule.part)
        };
        rules.iter_mut().find(hits).map(|rule| {
            rule.left -= 1;
            rule.effect.clone()
        })
    };
    match &effect {
        Some(Effect::Answer(code, body)) => answer(*code, body.to_string() + "\n"),
        Some(Effect::Later(code)) => {
            let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                "reason": "TooManyRequests", "message": "come again"});
            let mut response = answer(*code, body.to_string());
            response.headers_mut().insert("retry-after", "1".parse().unwrap());
            response
        }
        Some(Effect::Hang) => std::future::pending().await,
        Some(Effect::Cut) => forward(&shared, request, &target, true).await,
        None => forward(&shared, request, &target, false).await,
    }
}

fn answer(code: u16, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    response
}

async fn forward(shared: &Shared, request: Request, target: &str, cut: bool) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut headers = parts.headers;
    headers.remove("host");
    headers.remove("accept-encoding");
    let url = format!("{}{target}", shared.api_server);
    let sent = shared.client.request(parts.method, url).headers(headers).body(body).send().await;
    let Ok(answered) = sent else { return answer(502, "the API server does not answer".to_owned()) };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answered.status();
    if let Some(kind) = answered.headers().get("content-type") {
        response.headers_mut().insert("content-type", kind.clone());
    }
    let mut ends = shared.watches.subscribe();
    let is_watch = target.contains("watch=true");
    let end = async move {
        if !is_watch || ends.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let bytes = answered.bytes_stream().take_until(Box::pin(end));
    *response.body_mut() = if cut {
        let broken = futures::stream::once(async { Err::<axum::body::Bytes, _>(std::io::Error::other("cut")) });
        let first = bytes.map(|part| part.map(|part| part.slice(..part.len() / 2)).map_err(std::io::Error::other));
        Body::from_stream(first.take(1).chain(broken))
    } else {
        Body::from_stream(bytes)
    };
    response
}
