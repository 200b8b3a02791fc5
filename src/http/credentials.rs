//! Who may fetch lists: lines of `bearer <token>` or `basic <user>:<password>`.
//!
//! Only digests of them are kept, and all are compared, in a time that does not depend on what was sent. Must not let
//! any of it into a log, an error or `Debug`, and must not tell a client what was wrong.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A token shorter than this is guessed too soon.
const SHORTEST: usize = 16;

/// The digests of all that are good.
pub(super) struct Credentials(Vec<[u8; 32]>);

/// Both kinds in one text, so that the one is never good for the other.
fn digest(kind: &[u8], secret: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(kind).chain_update(b"\0").chain_update(secret).finalize().into()
}

/// Reads the file. Errors name the line and never what stands there.
pub(super) fn parse(files: &[Vec<u8>]) -> Result<Credentials, String> {
    let [file] = files else { return Err("one file is needed".to_owned()) };
    let text = std::str::from_utf8(file).map_err(|_| "the file is not UTF-8".to_owned())?;
    let mut digests = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refuse = |what: &str| Err(format!("line {}: {what}", number + 1));
        let (kind, secret) =
            line.split_once(char::is_whitespace).map_or((line, ""), |(kind, rest)| (kind, rest.trim()));
        match kind {
            "bearer" if secret.len() < SHORTEST => {
                return refuse("write `bearer`, and a token of at least 16 characters");
            }
            "bearer" if !secret.bytes().all(|byte| byte.is_ascii_graphic()) => {
                return refuse("a token is made of ASCII letters, digits and signs, without spaces");
            }
            "basic" => match secret.split_once(':') {
                Some((user, password)) if !user.is_empty() && !password.is_empty() => {}
                _ => return refuse("write `basic`, and a user and a password with a colon in between"),
            },
            "bearer" => {}
            _ => return refuse("write `bearer <token>` or `basic <user>:<password>`"),
        }
        digests.push(digest(kind.as_bytes(), secret.as_bytes()));
    }
    if digests.is_empty() {
        return Err("it holds no credentials; write lines of `bearer <token>` or `basic <user>:<password>`".to_owned());
    }
    Ok(Credentials(digests))
}

impl Credentials {
    /// Whether a request may have what it asks for.
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some(sent) = read(value) else { return false };
        let good = self.0.iter().fold(subtle::Choice::from(0), |good, known| good | known.ct_eq(&sent));
        good.into()
    }
}

fn read(value: &HeaderValue) -> Option<[u8; 32]> {
    let (scheme, secret) = value.to_str().ok()?.split_once(' ')?;
    let secret = secret.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(digest(b"bearer", secret.as_bytes()));
    }
    let decoded = STANDARD.decode(secret).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    Some(digest(b"basic", &decoded))
}

/// The same for whatever was wrong.
pub(super) fn refusal() -> Response<Full<Bytes>> {
    let mut refused = super::said(StatusCode::UNAUTHORIZED, "credentials are needed");
    for challenge in ["Basic realm=\"amlnet\", charset=\"UTF-8\"", "Bearer realm=\"amlnet\""] {
        refused.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(file: &str, header: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, header.parse().unwrap());
        parse(&[file.as_bytes().to_vec()]).unwrap().admit(&headers)
    }

    #[test]
    fn any_line_is_good_and_nothing_else() {
        let file = "# the firewalls\n\nbearer 0123456789abcdef\nbasic  fw:pass:word\nbasic fw2:x\n";
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for good in ["Bearer 0123456789abcdef", "bearer  0123456789abcdef", &basic("fw:pass:word"), &basic("fw2:x")] {
            assert!(admits(file, good), "{good}");
        }
        for bad in [
            "Bearer 0123456789abcdeF",
            "Bearer fw2:x",
            "Bearer",
            "Bearer ",
            "0123456789abcdef",
            "Basic 0123456789abcdef",
            "Basic !",
            "Digest 0123456789abcdef",
            &basic("fw:pass"),
            &basic("fw2:"),
            &basic("0123456789abcdef"),
        ] {
            assert!(!admits(file, bad), "{bad}");
        }
        assert!(!parse(&[file.as_bytes().to_vec()]).unwrap().admit(&HeaderMap::new()));
        let mut twice = HeaderMap::new();
        twice.append(AUTHORIZATION, "Bearer 0123456789abcdef".parse().unwrap());
        twice.append(AUTHORIZATION, "Bearer 0123456789abcdef".parse().unwrap());
        assert!(!parse(&[file.as_bytes().to_vec()]).unwrap().admit(&twice));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_without_the_secret() {
        for (text, why) in [
            ("", "holds no credentials"),
            ("# only this\n", "holds no credentials"),
            ("\nbearer s3cret\n", "line 2: write `bearer`, and a token of at least 16"),
            ("bearer s3cret s3cret s3cret\n", "line 1: a token is made of"),
            ("basic s3cret\n", "line 1: write `basic`, and a user and a password"),
            ("basic :s3cret\n", "line 1: write `basic`, and a user and a password"),
            ("token s3cret\n", "line 1: write `bearer <token>`"),
            ("Bearer s3crets3crets3cret\n", "line 1: write `bearer <token>`"),
        ] {
            let error = parse(&[text.as_bytes().to_vec()]).err().unwrap();
            assert!(error.contains(why) && !error.contains("s3cret"), "{error}");
        }
        assert!(parse(&[vec![0xff, b'\n']]).is_err());
    }
}
