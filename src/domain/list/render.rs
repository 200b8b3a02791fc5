//! A list as the bytes that are served.
//!
//! The same list gives the same bytes on every replica. Must not look at a clock.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::{Followed, List, ListKey};
use crate::host::Host;
use crate::intent::ObjectKey;
use crate::outbound::ListFormat;
use crate::prefix::{Family, Prefix};

impl List {
    /// The bytes that are served.
    pub fn render(&self, key: &ListKey, format: ListFormat) -> Vec<u8> {
        match format {
            ListFormat::Plain => self.plain(),
            ListFormat::Json => self.json(key),
        }
    }

    /// One a line and nothing else: some firewalls know no comments.
    fn plain(&self) -> Vec<u8> {
        let prefixes = self.state.prefixes();
        let lines = prefixes.iter().map(Prefix::to_string);
        let lines = lines.chain(self.state.hosts.iter().map(Host::to_string));
        lines.map(|line| line + "\n").collect::<String>().into_bytes()
    }

    fn json(&self, key: &ListKey) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Json<'a> {
            network: &'a ObjectKey,
            list: &'a str,
            document: &'a Followed,
            changed_at: Timestamp,
            ipv4: Vec<Prefix>,
            ipv6: Vec<Prefix>,
            hosts: &'a BTreeSet<Host>,
        }
        let (ipv4, ipv6) = self.state.prefixes().into_iter().partition(|prefix| prefix.family() == Family::V4);
        let json = Json {
            network: &key.network,
            list: &key.name,
            document: &self.state.document,
            changed_at: self.state.changed_at,
            ipv4,
            ipv6,
            hosts: &self.state.hosts,
        };
        let mut bytes = serde_json::to_vec(&json).expect("texts and numbers are JSON");
        bytes.push(b'\n');
        bytes
    }
}
