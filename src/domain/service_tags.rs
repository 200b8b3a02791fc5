//! One Service Tags document as a value: parse it, look a tag up, compare two.
//!
//! Says whether a text *is* a Service Tags document. Whether it may come into force is `accept`'s question.
//! Must not read files, follow URLs or uncompress: `feed` does. Shapes and traps: docs/facts.md.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::prefix::{Prefix, PrefixError};

/// The largest document that is read, in bytes (a real one has 4.2 MB).
pub const MAX_DOCUMENT_BYTES: usize = 32 << 20;
/// More problems than this are counted, not listed.
const MAX_PROBLEMS: usize = 20;

/// The Azure cloud that a document, a region or an endpoint belongs to, spelled as the file spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Cloud {
    Public,
    AzureGovernment,
    China,
}

impl Cloud {
    pub const ALL: [Self; 3] = [Self::Public, Self::AzureGovernment, Self::China];

    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "Public",
            Self::AzureGovernment => "AzureGovernment",
            Self::China => "China",
        }
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Cloud {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|cloud| cloud.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("{text:?} is no Azure cloud; write Public, AzureGovernment or China"))
    }
}

/// SHA-256 over the sorted names, network features and prefixes: equal exactly when the content is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The first twelve hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[7..19].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A name as it is compared: without case. `AzureFrontDoor.FrontEnd` in the documentation is `.Frontend` in the file.
fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// One service tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// As the file spells it.
    pub name: Box<str>,
    /// The file's own spelling of the region; empty for a global tag. Not always the ARM location name.
    pub region: Box<str>,
    /// Where Azure lets the tag itself stand in place of prefixes: `UDR`, `NSG`, `FW` and others. Sorted; empty where
    /// the file says null.
    pub network_features: Box<[Box<str>]>,
    /// Sorted, without duplicates.
    pub prefixes: Box<[Prefix]>,
}

impl Tag {
    /// `AzureMachineLearning` of `AzureMachineLearning.EastUS2`.
    pub fn service(&self) -> &str {
        self.name.split_once('.').map_or(&*self.name, |(service, _)| service)
    }

    /// `EastUS2` of `AzureMachineLearning.EastUS2`; a dot alone does not make it a region (`AzureMonitor.Core`).
    pub fn suffix(&self) -> Option<&str> {
        self.name.split_once('.').map(|(_, suffix)| suffix)
    }

    /// Whether Azure lets the tag itself stand in a user-defined route.
    pub fn is_routable(&self) -> bool {
        self.has_feature("UDR")
    }

    /// Whether Azure Firewall knows the tag by its name.
    pub fn is_known_to_firewalls(&self) -> bool {
        self.has_feature("FW")
    }

    /// Whether network security groups know the tag by its name.
    pub fn is_known_to_security_groups(&self) -> bool {
        self.has_feature("NSG")
    }

    fn has_feature(&self, feature: &str) -> bool {
        self.network_features.iter().any(|name| &**name == feature)
    }
}

/// One parsed document. Every prefix is well-formed and global unicast, every name is unique without case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub cloud: Cloud,
    /// Grows from file to file; two different files have shared one, so it decides nothing alone.
    pub change_number: u64,
    pub digest: Digest,
    /// Sorted by name without case.
    tags: Vec<Tag>,
}

/// Why bytes are not a Service Tags document. `Display` says what was wrong and, where it helps, what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    #[error("more than {} MiB; a Service Tags file has about 4 MB", MAX_DOCUMENT_BYTES >> 20)]
    TooLarge,
    #[error("this is an HTML page, not a Service Tags file; download the .json file that the page links to")]
    Html,
    #[error("not UTF-8 (at byte {0}); a Service Tags file is JSON in UTF-8")]
    NotUtf8(usize),
    #[error("the file ends too early (line {line}, column {column}); it was not downloaded completely")]
    Truncated { line: usize, column: usize },
    #[error("not a Service Tags document: {0}")]
    NotJson(String),
    #[error("its changeNumber is {0}; that is not how {1} writes it")]
    ChangeNumber(String, &'static str),
    #[error("{}", list(.problems, *.more))]
    Invalid { problems: Vec<Problem>, more: usize },
}

impl DocumentError {
    /// A short constant for metrics, events and status.
    pub fn category(&self) -> &'static str {
        match self {
            Self::TooLarge => "TooLarge",
            Self::Html => "Html",
            Self::NotUtf8(_) => "NotUtf8",
            Self::Truncated { .. } => "Truncated",
            Self::NotJson(_) | Self::ChangeNumber(..) => "NotJson",
            Self::Invalid { .. } => "Invalid",
        }
    }
}

/// One thing that is wrong inside a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("cloud is {0:?}; known are Public, AzureGovernment and China")]
    UnknownCloud(String),
    #[error("tag name {0:?} is not made of letters, digits, '.', '-' and '_'")]
    BadTagName(String),
    #[error("tag {0} stands twice (names are compared without case)")]
    DuplicateTag(String),
    #[error("tag {tag}: {error}")]
    BadPrefix { tag: String, error: PrefixError },
    #[error("tag {tag}: {prefix} is not a global unicast prefix")]
    NotGlobal { tag: String, prefix: Prefix },
    #[error("tag {tag}: {prefix} stands twice")]
    DuplicatePrefix { tag: String, prefix: Prefix },
}

fn list(problems: &[Problem], more: usize) -> String {
    let mut text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if more > 0 {
        text.push(format!("and {more} more"));
    }
    text.join("; ")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDocument<'a> {
    #[serde(borrow)]
    change_number: RawNumber<'a>,
    #[serde(borrow)]
    cloud: Cow<'a, str>,
    #[serde(borrow)]
    values: Vec<RawTag<'a>>,
}

/// A number in the file, a text in the Discovery API.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawNumber<'a> {
    Number(u64),
    Text(#[serde(borrow)] Cow<'a, str>),
}

#[derive(Deserialize)]
struct RawTag<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    properties: RawProperties<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawProperties<'a> {
    #[serde(borrow, default)]
    region: Option<Cow<'a, str>>,
    #[serde(borrow)]
    address_prefixes: Vec<RawText<'a>>,
    #[serde(borrow, default)]
    network_features: Option<Vec<RawText<'a>>>,
}

/// `Vec<Cow<str>>` always owns; this borrows where the JSON has no escapes.
#[derive(Deserialize)]
struct RawText<'a>(#[serde(borrow)] Cow<'a, str>);

impl Document {
    /// Reads the JSON text of a published file (a byte order mark is ignored, line ends do not matter).
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let raw = Self::read(bytes)?;
        match &raw.change_number {
            RawNumber::Number(number) => {
                let number = *number;
                Self::from_raw(raw, number)
            }
            RawNumber::Text(text) => Err(DocumentError::ChangeNumber(format!("the text {text:?}"), "a published file")),
        }
    }

    /// Reads an answer of the Service Tag Discovery API. Its change number is a text and has a numbering of its own.
    pub fn parse_discovery(bytes: &[u8]) -> Result<Self, DocumentError> {
        let raw = Self::read(bytes)?;
        let number = match &raw.change_number {
            RawNumber::Text(text) => text.parse().map_err(|_| format!("the text {text:?}")),
            RawNumber::Number(number) => Err(format!("the number {number}")),
        };
        match number {
            Ok(number) => Self::from_raw(raw, number),
            Err(found) => Err(DocumentError::ChangeNumber(found, "the Discovery API")),
        }
    }

    fn read(bytes: &[u8]) -> Result<RawDocument<'_>, DocumentError> {
        if bytes.len() > MAX_DOCUMENT_BYTES {
            return Err(DocumentError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|e| DocumentError::NotUtf8(e.valid_up_to()))?;
        let text = text.trim_start_matches('\u{feff}');
        if text.trim_start().starts_with('<') {
            return Err(DocumentError::Html);
        }
        serde_json::from_str(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Eof => DocumentError::Truncated { line: error.line(), column: error.column() },
            _ => DocumentError::NotJson(error.to_string()),
        })
    }

    fn from_raw(raw: RawDocument<'_>, change_number: u64) -> Result<Self, DocumentError> {
        let mut problems = Problems::default();
        let cloud = Cloud::ALL.into_iter().find(|cloud| cloud.name() == raw.cloud);
        if cloud.is_none() {
            problems.add(Problem::UnknownCloud(raw.cloud.into_owned()));
        }
        let mut tags: Vec<Tag> = raw.values.into_iter().map(|tag| read_tag(tag, &mut problems)).collect();
        tags.sort_by_cached_key(|tag| fold(&tag.name));
        for pair in tags.windows(2) {
            if pair[0].name.eq_ignore_ascii_case(&pair[1].name) {
                problems.add(Problem::DuplicateTag(pair[1].name.to_string()));
            }
        }
        match (cloud, problems.list.is_empty()) {
            (Some(cloud), true) => Ok(Self { cloud, change_number, digest: digest(&tags), tags }),
            _ => Err(DocumentError::Invalid { problems: problems.list, more: problems.more }),
        }
    }

    /// All tags, sorted by name without case.
    pub fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// The tag of this name, compared without case.
    pub fn tag(&self, name: &str) -> Option<&Tag> {
        let key = fold(name);
        let found = self.tags.binary_search_by(|tag| tag.name.bytes().map(|b| b.to_ascii_lowercase()).cmp(key.bytes()));
        found.ok().map(|index| &self.tags[index])
    }

    /// The tags `service.<anything>`, compared without case.
    pub fn children(&self, service: &str) -> impl Iterator<Item = &Tag> {
        let start = fold(service) + ".";
        let first = self.tags.partition_point(|tag| fold(&tag.name) < start);
        self.tags[first..].iter().take_while(move |tag| fold(&tag.name).starts_with(&start))
    }

    /// This document with what `other` has more: tags, and prefixes of tags. Nothing is taken away, and what this
    /// document says besides counts (cloud, change number, regions and features of tags).
    #[must_use]
    pub fn with_additions_of(&self, other: &Self) -> Self {
        let mut tags = self.tags.clone();
        for more in &other.tags {
            match self.tags.binary_search_by_key(&fold(&more.name), |tag| fold(&tag.name)) {
                Ok(index) => {
                    let both: BTreeSet<Prefix> = tags[index].prefixes.iter().chain(&more.prefixes).copied().collect();
                    tags[index].prefixes = both.into_iter().collect();
                }
                Err(_) => tags.push(more.clone()),
            }
        }
        tags.sort_by_cached_key(|tag| fold(&tag.name));
        Self { cloud: self.cloud, change_number: self.change_number, digest: digest(&tags), tags }
    }

    /// The number of prefixes of all tags together, each tag counted for itself.
    pub fn prefix_count(&self) -> usize {
        self.tags.iter().map(|tag| tag.prefixes.len()).sum()
    }
}

#[derive(Default)]
struct Problems {
    list: Vec<Problem>,
    more: usize,
}

impl Problems {
    fn add(&mut self, problem: Problem) {
        if self.list.len() < MAX_PROBLEMS {
            self.list.push(problem);
        } else {
            self.more += 1;
        }
    }
}

fn read_tag(raw: RawTag<'_>, problems: &mut Problems) -> Tag {
    let name = raw.name;
    let well_formed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
    if name.is_empty() || name.len() > 100 || !name.bytes().all(well_formed) {
        problems.add(Problem::BadTagName(name.chars().take(100).collect()));
    }
    let mut prefixes = Vec::with_capacity(raw.properties.address_prefixes.len());
    for RawText(text) in &raw.properties.address_prefixes {
        match text.parse::<Prefix>() {
            Ok(prefix) if prefix.is_global_unicast() => prefixes.push(prefix),
            Ok(prefix) => problems.add(Problem::NotGlobal { tag: name.to_string(), prefix }),
            Err(error) => problems.add(Problem::BadPrefix { tag: name.to_string(), error }),
        }
    }
    prefixes.sort_unstable();
    for pair in prefixes.windows(2) {
        if pair[0] == pair[1] {
            problems.add(Problem::DuplicatePrefix { tag: name.to_string(), prefix: pair[0] });
        }
    }
    let features: BTreeSet<Box<str>> =
        raw.properties.network_features.unwrap_or_default().into_iter().map(|RawText(t)| t.into()).collect();
    Tag {
        name: name.into(),
        region: raw.properties.region.unwrap_or_default().into(),
        network_features: features.into_iter().collect(),
        prefixes: prefixes.into(),
    }
}

/// Over names without case, features and prefixes, each list preceded by its length so that no two contents agree.
fn digest(tags: &[Tag]) -> Digest {
    let mut hash = Sha256::new();
    let mut buffer = Vec::with_capacity(4096);
    for tag in tags {
        buffer.clear();
        let put = |buffer: &mut Vec<u8>, text: &str| {
            buffer.extend_from_slice(&(text.len() as u64).to_be_bytes());
            buffer.extend_from_slice(text.as_bytes());
        };
        put(&mut buffer, &fold(&tag.name));
        buffer.extend_from_slice(&(tag.network_features.len() as u64).to_be_bytes());
        for feature in &tag.network_features {
            put(&mut buffer, feature);
        }
        buffer.extend_from_slice(&(tag.prefixes.len() as u64).to_be_bytes());
        for prefix in &tag.prefixes {
            let (bytes, length) = prefix.digest_bytes();
            buffer.extend_from_slice(&bytes[..length]);
        }
        hash.update(&buffer);
    }
    Digest(hash.finalize().into())
}

#[cfg(test)]
#[path = "service_tags_tests.rs"]
mod tests;
