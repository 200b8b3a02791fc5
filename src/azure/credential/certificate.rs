//! A client certificate as a login: an assertion signed with its key, as Entra ID documents it.
//!
//! azure_identity offers client certificates only through OpenSSL, which is not linked here; it takes any assertion,
//! and this is one. Must not let the key into `Debug` or an error.

use std::time::Duration;

use async_trait::async_trait;
use azure_core_1::error::ErrorKind;
use azure_core_1::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::login::LoginError;

/// How long an assertion is good for. It is used at once; the rest is for clocks that differ.
const LIFETIME: Duration = Duration::from_secs(600);

/// Signs assertions for one application.
pub(super) struct Certificate {
    key: RsaKeyPair,
    /// Base64 of the SHA-256 of the certificate: tells Entra ID which of the application's certificates it is.
    thumbprint: String,
    client: String,
    /// The token endpoint of the tenant.
    audience: String,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads a PEM file that holds the certificate and its RSA key, without password.
    pub(super) fn read(path: &str, client: &str, tenant: &str, authority: &url::Url) -> Result<Self, LoginError> {
        let unusable = |what: String| LoginError::Unusable(format!("AZURE_CLIENT_CERTIFICATE_PATH {path}: {what}"));
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| {
            unusable("it holds no certificate in PEM form (a .pfx file has to be converted)".to_owned())
        })?;
        let key = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| unusable("it holds no private key in PEM form without password".to_owned()))?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(unusable("its key is not an RSA key; Entra ID takes no other".to_owned())),
        };
        let key = key.map_err(|error| unusable(format!("its key cannot be used: {error}")))?;
        let audience = authority.join(&format!("/{tenant}/oauth2/v2.0/token"));
        Ok(Self {
            key,
            thumbprint: URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate)),
            client: client.to_owned(),
            audience: audience.map_err(|error| unusable(error.to_string()))?.into(),
        })
    }

    /// A signed JWT. `now` in seconds since the epoch; `id` is used once.
    fn assertion(&self, now: i64, id: &str) -> Result<String, ring::error::Unspecified> {
        let expires = now.saturating_add_unsigned(LIFETIME.as_secs());
        let header = json!({"alg": "RS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = json!({"aud": self.audience, "iss": self.client, "sub": self.client, "jti": id,
            "nbf": now, "iat": now, "exp": expires});
        let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[async_trait]
impl ClientAssertion for Certificate {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core_1::Result<String> {
        let now = jiff::Timestamp::now().as_second();
        self.assertion(now, &uuid::Uuid::new_v4().to_string()).map_err(|_| {
            azure_core_1::Error::with_message(ErrorKind::Credential, "the client certificate's key cannot sign")
        })
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/client-certificate.pem");

    /// As `openssl x509 -outform der | openssl dgst -sha256` tells it.
    const THUMBPRINT: &str = "za9S_6t6WAjGQcyCd8xPSiLg9u8o1ab91GSUCzBpdTA";

    fn read(path: &str) -> Result<Certificate, LoginError> {
        let authority = url::Url::parse("https://login.microsoftonline.com/").unwrap();
        Certificate::read(path, "client", "tenant", &authority)
    }

    #[test]
    fn the_assertion_is_a_signed_token_that_names_the_certificate() {
        let certificate = read(FIXTURE).unwrap();
        let assertion = certificate.assertion(1_000, "once").unwrap();
        let parts: Vec<&str> = assertion.split('.').collect();
        let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!(json(parts[0])["x5t#S256"], THUMBPRINT);
        let claims = json(parts[1]);
        assert_eq!(claims["aud"], "https://login.microsoftonline.com/tenant/oauth2/v2.0/token");
        assert_eq!(
            (&claims["iss"], &claims["sub"], &claims["exp"]),
            (&"client".into(), &"client".into(), &1_600.into())
        );
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, certificate.key.public());
        let signed = format!("{}.{}", parts[0], parts[1]);
        public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(parts[2]).unwrap()).unwrap();
    }

    #[test]
    fn what_cannot_be_used_is_said_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(FIXTURE).unwrap();
        let start = text.find("-----BEGIN CERTIFICATE").unwrap();
        for (content, wanted) in [
            (&text[..start], "holds no certificate"),
            (&text[start..], "holds no private key"),
            ("nonsense", "holds no certificate"),
        ] {
            let path = folder.path().join("c.pem");
            std::fs::write(&path, content).unwrap();
            let error = read(path.to_str().unwrap()).unwrap_err().to_string();
            assert!(error.contains(wanted) && error.contains("c.pem"), "{error}");
        }
        assert!(read("/nowhere").is_err());
    }

    #[test]
    fn debug_shows_no_key() {
        let shown = format!("{:?}", read(FIXTURE).unwrap());
        assert!(shown.contains(THUMBPRINT) && shown.len() < 200, "{shown}");
    }
}
