//! The certificate of the server, which may be replaced while it serves.
//!
//! Must not let the key into `Debug` or an error.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use super::watched::Watched;

/// A certificate with what leads to its root, and its key.
pub(super) type Certificates = Arc<CertifiedKey>;

/// Makes it of two PEM files.
pub(super) fn parse(files: &[Vec<u8>]) -> Result<Certificates, String> {
    let [certificates, key] = files else { return Err("two files are needed".to_owned()) };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificates)
        .collect::<Result<_, _>>()
        .map_err(|_| "the certificate file is not in PEM form".to_owned())?;
    if chain.is_empty() {
        return Err("the certificate file holds no certificate in PEM form".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| "the key file holds no private key in PEM form without password".to_owned())?;
    let provider = ring::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map(Arc::new).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => "the key is not that of the certificate".to_owned(),
        error => format!("the certificate cannot be used with its key: {error}"),
    })
}

/// Each connection is greeted with the pair that is in force then.
#[derive(Debug)]
struct InForce(Arc<Watched<Certificates>>);

impl ResolvesServerCert for InForce {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some((*self.0.now()).clone())
    }
}

pub(super) fn acceptor(certificates: Arc<Watched<Certificates>>) -> TlsAcceptor {
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.2 and 1.3");
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(InForce(certificates)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}
