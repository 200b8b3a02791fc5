//! One request to the API server at a time, without kubectl's start-up. HTTP/1.0, so that the answer is not chunked and
//! ends with the connection. The server's certificate is verified.

use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// What the API server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: String,
    /// What it warned of, with its `299 - ` and in quotes, as it sent it.
    pub warnings: Vec<String>,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, authority: CertificateDer<'static>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(authority).map_err(Error::other)?;
        // Not the process's default provider: tests may or may not have set one.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { address, tls: Arc::new(tls) })
    }

    /// A PATCH is a merge patch.
    pub(crate) fn send(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Result<Answer> {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        self.send_as(kind, method, path, token, &body.map(ToString::to_string).unwrap_or_default())
    }

    pub(crate) fn post_yaml(&self, path: &str, token: &str, object: &str) -> Result<Answer> {
        self.send_as("application/yaml", "POST", path, token, object)
    }

    /// Creates or changes one object by server-side apply, as kubectl's own, which has the last word.
    pub(crate) fn apply(&self, path: &str, token: &str, object: &Value) -> Result<Answer> {
        let path = format!("{path}?fieldManager=kubectl&force=true&fieldValidation=Strict");
        self.send_as("application/apply-patch+yaml", "PATCH", &path, token, &object.to_string())
    }

    fn send_as(&self, kind: &str, method: &str, path: &str, token: &str, body: &str) -> Result<Answer> {
        let socket = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let name = ServerName::from(self.address.ip());
        let connection = ClientConnection::new(self.tls.clone(), name).map_err(Error::other)?;
        let mut stream = StreamOwned::new(connection, socket);
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nAccept: application/json\r\n\
             User-Agent: cluster\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}",
            self.address
        )?;
        stream.flush()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        read(&bytes).ok_or_else(|| Error::new(ErrorKind::InvalidData, "what came back is no HTTP answer"))
    }
}

fn read(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let warnings =
        head.lines().filter_map(header).filter(|(name, _)| name == "warning").map(|(_, value)| value).collect();
    Some(Answer { status, body: body.to_owned(), warnings })
}
