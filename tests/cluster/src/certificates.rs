//! Keys and certificates of one cluster: an authority, the API server's certificate, the key of service accounts.
//!
//! The API server could sign for itself, but every client would have to trust whatever it finds in a folder; and RSA
//! keys take their time. The certificates are valid from 1975 to 4096, so a test may step the clock.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;

use crate::Error;

pub(crate) const AUTHORITY: &str = "ca.crt";
pub(crate) const SERVER: &str = "server.crt";
pub(crate) const SERVER_KEY: &str = "server.key";
pub(crate) const ACCOUNTS: &str = "service-accounts.pub";
pub(crate) const ACCOUNTS_KEY: &str = "service-accounts.key";

/// The authority's certificate, twice.
#[derive(Debug)]
pub(crate) struct Authority {
    pub(crate) pem: String,
    pub(crate) der: CertificateDer<'static>,
}

/// Writes all files into `folder`. The authority's key is forgotten.
pub(crate) fn write(folder: &Path) -> Result<Authority, Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "amlnet test cluster");
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let authority_key = KeyPair::generate()?;
    let certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);

    // On a node it has an address of its own.
    let names = ["127.0.0.1", "10.96.0.1", "localhost", "kubernetes.default.svc", "kubernetes.default", "kubernetes"];
    let mut server = CertificateParams::new(names.map(str::to_owned))?;
    server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    server.use_authority_key_identifier_extension = true;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server_key = KeyPair::generate()?;
    let accounts = KeyPair::generate()?;

    let files = [
        (AUTHORITY, certificate.pem()),
        (SERVER, server.signed_by(&server_key, &issuer)?.pem()),
        (SERVER_KEY, server_key.serialize_pem()),
        (ACCOUNTS, accounts.public_key_pem()),
        (ACCOUNTS_KEY, accounts.serialize_pem()),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(Error::file("cannot write", path))?;
    }
    Ok(Authority { pem: certificate.pem(), der: certificate.der().clone() })
}
