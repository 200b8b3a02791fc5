//! Scopes: what the Networks of a namespace may name, since whoever may create one directs the controller's identity.
//!
//! Must be asked before anything else is done for a Network, and must not guess: what no scope allows is refused, and
//! so is what only several scopes together would allow.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::demand::Demand;
use super::host::Host;
use super::intent::NextHop;
use super::prefix::Prefix;
use super::resource_id::{PROVIDER, ResourceId, TargetKind, is_group_name, is_guid};

/// Allows whatever may stand in its place.
const ANYTHING: &str = "*";
/// So many problems of a Network are told, and so many of what would be allowed.
const TOLD: usize = 3;
const OFFERED: usize = 8;

/// What each namespace may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(Option<Vec<Scope>>);

/// One entry: it allows what all of its lists allow together. A list that is not there allows nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub namespaces: Vec<NamespacePattern>,
    pub resource_ids: Allowed<IdPrefix>,
    pub service_tags: Allowed<TagName>,
    pub next_hops: Allowed<HopPattern>,
    pub hosts: Allowed<HostPattern>,
    pub source_ranges: Allowed<Prefix>,
}

/// One thing that a Network asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted<'a> {
    Id(&'a ResourceId),
    Tag(Cow<'a, str>),
    NextHop(NextHop),
    Host(Cow<'a, str>),
    Source(Prefix),
}

/// Why a Network is left alone. `Display` says which field asks for what, and what would be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfScope(Vec<String>);

impl fmt::Display for OutOfScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..self.0.len().min(TOLD)].join("; "))?;
        if self.0.len() > TOLD {
            write!(f, "; and {} more", self.0.len() - TOLD)?;
        }
        f.write_str(
            "; nothing of this AmlNetwork is read or written in Azure: name what is allowed, or ask whoever keeps the \
             scopes of this controller",
        )
    }
}

impl Scopes {
    /// Everybody may name anything.
    pub fn any() -> Self {
        Self(None)
    }

    /// Only what these allow.
    pub fn only(scopes: Vec<Scope>) -> Self {
        Self(Some(scopes))
    }

    pub fn is_any(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a Network of this namespace may ask for all of it.
    pub fn check(&self, namespace: &str, demands: &[Demand<'_>]) -> Result<(), OutOfScope> {
        let problems: BTreeSet<String> =
            demands.iter().filter_map(|demand| self.allows(namespace, demand).err()).collect();
        if problems.is_empty() { Ok(()) } else { Err(OutOfScope(problems.into_iter().collect())) }
    }

    /// Whether a Network of this namespace could name the target at all.
    pub fn reaches(&self, namespace: &str, id: &ResourceId) -> bool {
        let Some(scopes) = &self.0 else { return true };
        scopes.iter().any(|scope| scope.is_for(namespace) && scope.allows(&Wanted::Id(id)))
    }

    /// Whether one scope of this namespace allows all of it.
    ///
    /// # Errors
    /// The first thing that none of them allows together with what stands before it.
    pub fn allows(&self, namespace: &str, demand: &Demand<'_>) -> Result<(), String> {
        let Some(scopes) = &self.0 else { return Ok(()) };
        let mut left: Vec<&Scope> = scopes.iter().filter(|scope| scope.is_for(namespace)).collect();
        for (path, wanted) in &demand.0 {
            if left.is_empty() {
                return Err(format!("{path}: no scope is for the namespace {namespace}, so it may name nothing"));
            }
            let with: Vec<&Scope> = left.iter().copied().filter(|scope| scope.allows(wanted)).collect();
            if with.is_empty() {
                let (list, offers) = offers(&left, wanted);
                let there = if matches!(wanted, Wanted::Id(_)) { "" } else { " for this target" };
                return Err(format!(
                    "{path}: {wanted} is outside the scope of the namespace {namespace}; \
                     {list} that it may name{there}: {offers}"
                ));
            }
            left = with;
        }
        Ok(())
    }
}

/// The list of the file that a thing is looked up in, and what stands there.
fn offers(scopes: &[&Scope], wanted: &Wanted<'_>) -> (&'static str, String) {
    let texts = |texts: fn(&Scope) -> Vec<String>| -> BTreeSet<String> {
        scopes.iter().flat_map(|scope| texts(scope)).collect()
    };
    let (list, all) = match wanted {
        Wanted::Id(_) => ("resourceIds", texts(|scope| scope.resource_ids.texts())),
        Wanted::Tag(_) => ("serviceTags", texts(|scope| scope.service_tags.texts())),
        Wanted::NextHop(_) => ("nextHops", texts(|scope| scope.next_hops.texts())),
        Wanted::Host(_) => ("hosts", texts(|scope| scope.hosts.texts())),
        Wanted::Source(_) => ("sourceRanges", texts(|scope| scope.source_ranges.texts())),
    };
    let count = all.len();
    let mut offers: Vec<String> = all.into_iter().take(OFFERED).collect();
    if count > OFFERED {
        offers.push(format!("and {} more", count - OFFERED));
    }
    (list, if offers.is_empty() { "none".to_owned() } else { offers.join(", ") })
}

impl Scope {
    fn is_for(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|pattern| pattern.matches(namespace))
    }

    fn allows(&self, wanted: &Wanted<'_>) -> bool {
        match wanted {
            Wanted::Id(id) => self.resource_ids.any(|prefix| prefix.covers(id)),
            Wanted::Tag(tag) => self.service_tags.any(|name| name.0.eq_ignore_ascii_case(tag)),
            Wanted::NextHop(hop) => self.next_hops.any(|pattern| pattern.covers(hop)),
            Wanted::Host(host) => self.hosts.any(|pattern| pattern.covers(host)),
            Wanted::Source(source) => self.source_ranges.any(|range| range.contains(source)),
        }
    }
}

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Tag(text) | Self::Host(text) => f.write_str(text),
            Self::NextHop(hop) => hop.fmt(f),
            Self::Source(source) => source.fmt(f),
        }
    }
}

/// A list of a scope: nothing, some patterns, or anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed<T>(Vec<Pattern<T>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern<T> {
    Anything,
    Like(T),
}

impl<T> Allowed<T> {
    pub const NOTHING: Self = Self(Vec::new());

    /// Takes in one more text of the list.
    ///
    /// # Errors
    /// What to write instead.
    pub fn add(&mut self, text: &str) -> Result<(), String>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let like = || text.parse().map(Pattern::Like).map_err(|error: T::Err| error.to_string());
        self.0.push(if text == ANYTHING { Pattern::Anything } else { like()? });
        Ok(())
    }

    fn any(&self, covers: impl Fn(&T) -> bool) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::Anything => true,
            Pattern::Like(pattern) => covers(pattern),
        })
    }

    fn texts(&self) -> Vec<String>
    where
        T: fmt::Display,
    {
        let text = |pattern: &Pattern<T>| match pattern {
            Pattern::Anything => ANYTHING.to_owned(),
            Pattern::Like(pattern) => pattern.to_string(),
        };
        self.0.iter().map(text).collect()
    }
}

/// A namespace, or the beginning of some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespacePattern {
    text: String,
    is_prefix: bool,
}

impl NamespacePattern {
    fn matches(&self, namespace: &str) -> bool {
        if self.is_prefix { namespace.starts_with(&self.text) } else { namespace == self.text }
    }
}

impl FromStr for NamespacePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (start, is_prefix) = text.strip_suffix('*').map_or((text, false), |start| (start, true));
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let is_whole = is_prefix || (!start.is_empty() && !start.ends_with('-'));
        if start.len() <= 63 && start.bytes().all(allowed) && !start.starts_with('-') && is_whole {
            return Ok(Self { text: start.to_owned(), is_prefix });
        }
        Err(format!(
            "{text:?} is no namespace; write a name of lower-case letters, digits and '-', the beginning of some names \
             and one * after it (team-b-*), or * for all"
        ))
    }
}

/// An ARM id, or whole segments from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdPrefix(String);

impl IdPrefix {
    /// Whether the id begins with these segments, in any letter case.
    fn covers(&self, id: &ResourceId) -> bool {
        let id = id.to_string();
        let mut segments = id.split('/');
        self.0.split('/').all(|own| segments.next().is_some_and(|segment| segment.eq_ignore_ascii_case(own)))
    }
}

impl fmt::Display for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for IdPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown: String = text.chars().take(300).collect();
        id_prefix(text).map_or_else(
            |what| {
                Err(format!(
                    "{shown:?} is not the beginning of an ARM id: {what}; write /subscriptions/<subscription id>, \
                     with /resourceGroups/<group> after it, and perhaps \
                     /providers/{PROVIDER}/{}/<name>, or * for all",
                    TargetKind::RouteTable.resource_type()
                ))
            },
            |()| Ok(Self(text.to_owned())),
        )
    }
}

/// What is wrong with the beginning of an id, if something is.
fn id_prefix(text: &str) -> Result<(), String> {
    let Some(rest) = text.strip_prefix('/') else { return Err("it does not begin with /".to_owned()) };
    if text.ends_with('/') {
        return Err("it ends with /, which is left out: whole segments are compared anyway".to_owned());
    }
    let segments: Vec<&str> = rest.split('/').collect();
    for segment in &segments {
        if segment.is_empty() {
            return Err("nothing stands between two /".to_owned());
        }
        if segment.contains('*') {
            return Err(format!("{segment:?} has a *, which stands alone or not at all: name each group"));
        }
        if segment.contains('%') {
            return Err(format!("{segment:?} has a %; ids are written without encoding"));
        }
        if segment.bytes().all(|c| c == b'.') {
            return Err(format!("{segment:?} leads elsewhere"));
        }
    }
    let word = |index: usize, wanted: &str| match segments.get(index) {
        Some(found) if !found.eq_ignore_ascii_case(wanted) => Err(format!("{found:?} stands where {wanted:?} belongs")),
        _ => Ok(()),
    };
    let name = |index: usize, is_good: fn(&str) -> bool, of: &str| match segments.get(index) {
        Some(found) if !is_good(found) => Err(format!("{found:?} is not the {of}")),
        _ => Ok(()),
    };
    word(0, "subscriptions")?;
    name(1, is_guid, "id of a subscription")?;
    word(2, "resourceGroups")?;
    name(3, is_group_name, "name of a resource group")?;
    word(4, "providers")?;
    word(5, PROVIDER)?;
    let types = TargetKind::ALL.map(TargetKind::resource_type);
    if let Some(found) = segments.get(6).filter(|found| !types.iter().any(|known| known.eq_ignore_ascii_case(found))) {
        let types = types.map(|known| format!("{known:?}"));
        let [others @ .., last] = &types;
        return Err(format!("{found:?} stands where {} or {last} belongs", others.join(", ")));
    }
    name(7, super::resource_id::is_network_name, "name of a resource")?;
    match segments.len() {
        1 => Err("the id of the subscription is missing".to_owned()),
        3 => Err("the name of the resource group is missing".to_owned()),
        5 => Err(format!("{PROVIDER} is missing")),
        2 | 4 | 6..=8 => Ok(()),
        _ => Err(format!("{:?} is inside a resource; a scope ends with the resource", segments[8])),
    }
}

/// A service tag by its whole name, in any letter case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagName(String);

impl fmt::Display for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TagName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_good = text.len() <= 100
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c));
        if is_good {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("{text:?} is not a service tag; write a whole name such as AzureMachineLearning, or * for all"))
    }
}

/// Where packets may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HopPattern {
    Internet,
    /// A virtual appliance with an address in this range.
    Within(Prefix),
}

impl HopPattern {
    fn covers(&self, hop: &NextHop) -> bool {
        match (self, hop) {
            (Self::Internet, NextHop::Internet) => true,
            (Self::Within(range), NextHop::VirtualAppliance(address)) => holds(range, *address),
            _ => false,
        }
    }
}

fn holds(range: &Prefix, address: IpAddr) -> bool {
    let length = if address.is_ipv4() { 32 } else { 128 };
    format!("{address}/{length}").parse().is_ok_and(|alone| range.contains(&alone))
}

impl fmt::Display for HopPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet => f.write_str("Internet"),
            Self::Within(range) => range.fmt(f),
        }
    }
}

impl FromStr for HopPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "Internet" {
            return Ok(Self::Internet);
        }
        if text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.contains(':') {
            return Err(format!("{text:?} is not a next hop; write Internet, or a range of addresses: 10.0.1.0/28"));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            let length = if address.is_ipv4() { 32 } else { 128 };
            return Err(format!("{text:?} has no length; for this one address write {address}/{length}"));
        }
        text.parse().map(Self::Within).map_err(|error: super::prefix::PrefixError| error.to_string())
    }
}

/// A host, or all hosts below a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    name: String,
    is_below: bool,
}

impl HostPattern {
    /// `*example.org` covers itself alone; `*.example.org` covers `a.example.org`, `*.a.example.org` and itself, but not `example.org`.
    fn covers(&self, host: &str) -> bool {
        if self.name.starts_with('*') || host.starts_with('*') && !host.starts_with("*.") {
            return host.eq_ignore_ascii_case(&self.name);
        }
        let (host, is_below) = host.strip_prefix("*.").map_or((host, false), |name| (name, true));
        let is_same = host.eq_ignore_ascii_case(&self.name);
        if !self.is_below {
            return is_same && !is_below;
        }
        let at = host.len().checked_sub(self.name.len() + 1);
        let is_inside = at.and_then(|at| host.get(at..)).is_some_and(|end| {
            end.strip_prefix('.').is_some_and(|end| end.eq_ignore_ascii_case(&self.name)) && at != Some(0)
        });
        is_inside || (is_same && is_below)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_below { "*." } else { "" }, self.name)
    }
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // What one row of the documentation writes; it matches other people's names too, so it is allowed by itself only.
        if text.parse::<Host>().is_ok_and(|host| host.matches_strangers()) {
            return Ok(Self { name: text.to_owned(), is_below: false });
        }
        let (name, is_below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
        };
        if name.len() <= 253 && name.contains('.') && name.split('.').all(is_label) {
            return Ok(Self { name: name.to_owned(), is_below });
        }
        Err(format!(
            "{text:?} is not a host; write a name such as pypi.org, *. and a name for all hosts below it, or * for all"
        ))
    }
}

#[cfg(test)]
#[path = "scope_tests.rs"]
mod tests;
