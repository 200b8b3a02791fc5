//! One list as it is served: in two forms, plain and gzip, each made once and then kept.
//!
//! Must not know what a list is made of: whoever puts it here says how its bytes come about.

use std::sync::OnceLock;

use bytes::Bytes;
use http::HeaderValue;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use sha2::{Digest as _, Sha256};

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Plain,
    Json,
}

impl Form {
    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Plain => "text/plain; charset=utf-8",
            Self::Json => "application/json",
        })
    }
}

/// What a page is made of.
pub trait Content: Send + Sync {
    /// Its bytes. The same whenever it is asked.
    fn render(&self, form: Form) -> Vec<u8>;
    /// When they changed last, in whole seconds.
    fn changed_at(&self, form: Form) -> Timestamp;
}

/// A list that is served.
pub struct Page {
    /// Where the address has no ending.
    pub(super) form: Form,
    content: Box<dyn Content>,
    plain: OnceLock<Representation>,
    json: OnceLock<Representation>,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page").field("form", &self.form).finish_non_exhaustive()
    }
}

impl Page {
    pub fn new(form: Form, content: impl Content + 'static) -> Self {
        Self { form, content: Box::new(content), plain: OnceLock::new(), json: OnceLock::new() }
    }

    pub(super) fn representation(&self, form: Form) -> &Representation {
        let kept = match form {
            Form::Plain => &self.plain,
            Form::Json => &self.json,
        };
        kept.get_or_init(|| Representation::new(self.content.render(form), self.content.changed_at(form)))
    }
}

/// What is sent for one form.
pub(super) struct Representation {
    pub(super) identity: Coded,
    /// `None` where it is not smaller.
    pub(super) gzip: Option<Coded>,
    pub(super) changed_at: Timestamp,
    pub(super) last_modified: Option<HeaderValue>,
}

/// Bytes with their validator.
pub(super) struct Coded {
    pub(super) bytes: Bytes,
    pub(super) etag: HeaderValue,
}

impl Representation {
    fn new(bytes: Vec<u8>, changed_at: Timestamp) -> Self {
        let gzip = gzip(&bytes).ok().filter(|coded| coded.len() < bytes.len()).map(Coded::new);
        let printed = DateTimePrinter::new().timestamp_to_rfc9110_string(&changed_at).ok();
        let last_modified = printed.and_then(|text| text.parse().ok());
        Self { identity: Coded::new(bytes), gzip, changed_at, last_modified }
    }
}

impl Coded {
    fn new(bytes: Vec<u8>) -> Self {
        let digest = Sha256::digest(&bytes);
        let half: [u8; 16] = std::array::from_fn(|at| digest[at]);
        let tag = format!("\"{:032x}\"", u128::from_be_bytes(half));
        let etag = HeaderValue::from_str(&tag).expect("hexadecimal digits in quotes");
        Self { bytes: bytes.into(), etag }
    }
}

/// Without name and time, so that every replica makes the same bytes.
fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Write as _;
    let mut encoder = flate2::GzBuilder::new().mtime(0).write(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
