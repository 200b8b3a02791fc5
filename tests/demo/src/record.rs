//! What the simulator recorded, as values: the states of the route table and of the IP group, and the requests of its
//! clients.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;

use ipnet::Ipv4Net;
use serde_json::Value;

use crate::scene::Ids;

/// The start of the name of every route that amlnet may touch here: `amlnet.<installation id>.`.
const OURS: &str = "amlnet.demo.";

/// One route in one state of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) prefix: String,
    pub(crate) next_hop: String,
    pub(crate) next_hop_ip: Option<String>,
    /// Azure has put it into effect.
    pub(crate) in_effect: bool,
}

impl Entry {
    pub(crate) fn is_ours(&self) -> bool {
        self.name.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS))
    }

    /// None for a route by service tag, or an IPv6 one.
    pub(crate) fn net(&self) -> Option<Ipv4Net> {
        self.prefix.parse().ok()
    }

    pub(crate) fn leads_to_internet(&self) -> bool {
        self.next_hop == "Internet" && self.next_hop_ip.is_none()
    }

    /// The next hop as text.
    pub(crate) fn hop(&self) -> String {
        match &self.next_hop_ip {
            Some(ip) => format!("{} {ip}", self.next_hop),
            None => self.next_hop.clone(),
        }
    }
}

/// The table at one moment.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) at: String,
    pub(crate) entries: Vec<Entry>,
}

/// The IP group at one moment.
#[derive(Debug, Clone)]
pub(crate) struct GroupState {
    pub(crate) at: String,
    /// As they were written.
    pub(crate) addresses: Vec<String>,
}

impl GroupState {
    /// The addresses that are IPv4; an address alone is a prefix of one address.
    pub(crate) fn nets(&self) -> BTreeSet<Ipv4Net> {
        self.addresses.iter().filter_map(|text| net(text)).collect()
    }
}

pub(crate) fn net(text: &str) -> Option<Ipv4Net> {
    text.parse().ok().or_else(|| text.parse::<Ipv4Addr>().ok().map(Ipv4Net::from))
}

/// One request to one of the simulator's servers.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) server: String,
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    pub(crate) status: u64,
}

impl Request {
    pub(crate) fn is_arm(&self) -> bool {
        self.server == "arm"
    }

    /// Whether it asked ARM to change something, whatever came of it.
    pub(crate) fn is_write(&self) -> bool {
        self.is_arm() && self.method != "GET" && self.method != "HEAD"
    }

    /// Whether it brought a weekly document.
    pub(crate) fn is_document(&self) -> bool {
        self.server == "downloadPage"
            && self.status == 200
            && Path::new(&self.path).extension().is_some_and(|end| end == "json")
    }

    pub(crate) fn is_on(&self, id: &str) -> bool {
        self.is_arm() && self.path.eq_ignore_ascii_case(id)
    }

    pub(crate) fn is_below(&self, id: &str) -> bool {
        self.path.get(..id.len()).is_some_and(|start| start.eq_ignore_ascii_case(id))
            && self.path[id.len()..].starts_with('/')
    }

    /// The last part of the path: a route's name where a route was asked for.
    pub(crate) fn last(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// How many requests there were of each kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) reads: usize,
    pub(crate) polls: usize,
    pub(crate) puts: usize,
    pub(crate) group_reads: usize,
    pub(crate) group_polls: usize,
    pub(crate) group_puts: usize,
    /// Of the firewall and its policy.
    pub(crate) user_reads: usize,
    /// Of the other policy, with all that is in it, and of its firewall.
    pub(crate) policy_reads: usize,
    pub(crate) policy_puts: usize,
    pub(crate) security_reads: usize,
    pub(crate) security_puts: usize,
    pub(crate) other_writes: usize,
    pub(crate) other_reads: usize,
    pub(crate) downloads: usize,
}

impl Tally {
    pub(crate) fn of(requests: &[Request], ids: &Ids) -> Self {
        let mut tally = Self::default();
        for request in requests {
            let is_on = |id: &String| request.is_on(id);
            let is_at_or_below = |id: &String| request.is_on(id) || request.is_below(id);
            // The operations of IP groups and policies have a name of their own.
            let is_poll_of = |kind: &str| request.path.contains(kind);
            let count = match (request.server.as_str(), request.method.as_str()) {
                ("arm", "PUT") if is_on(&ids.group) => &mut tally.group_puts,
                ("arm", "PUT") if is_on(&ids.own_rules) => &mut tally.policy_puts,
                ("arm", "PUT") if request.is_below(&ids.table) => &mut tally.puts,
                ("arm", "PUT") if request.is_below(&ids.security) => &mut tally.security_puts,
                ("arm", "GET") if is_on(&ids.table) => &mut tally.reads,
                ("arm", "GET") if is_on(&ids.group) => &mut tally.group_reads,
                ("arm", "GET") if is_on(&ids.policy) || is_on(&ids.firewall) => &mut tally.user_reads,
                ("arm", "GET") if is_at_or_below(&ids.own_policy) || is_on(&ids.own_firewall) => {
                    &mut tally.policy_reads
                }
                ("arm", "GET") if is_at_or_below(&ids.security) => &mut tally.security_reads,
                ("arm", "GET") if is_poll_of("/nfvOperation") => &mut tally.group_polls,
                ("arm", "GET") if is_poll_of("/operation") => &mut tally.polls,
                ("arm", "GET" | "HEAD") => &mut tally.other_reads,
                ("arm", _) => &mut tally.other_writes,
                ("downloadPage", _) => &mut tally.downloads,
                _ => continue,
            };
            *count += 1;
        }
        tally
    }

    pub(crate) fn writes(&self) -> usize {
        self.puts + self.group_puts + self.policy_puts + self.security_puts + self.other_writes
    }
}

/// The answer of `/history`.
pub(crate) fn states(answer: &Value) -> Result<Vec<State>, String> {
    list(answer)?
        .iter()
        .map(|state| {
            let entries = list(&state["entries"])?.iter().map(entry).collect::<Result<_, _>>()?;
            let at = text(state, "at")?;
            Ok(State { at, entries })
        })
        .collect()
}

/// The answer of `/history` for an IP group.
pub(crate) fn group_states(answer: &Value) -> Result<Vec<GroupState>, String> {
    let address = |value: &Value| {
        let text = value.as_str().map(str::to_owned);
        text.ok_or_else(|| format!("the simulator sent an address that is no text: {value}"))
    };
    list(answer)?
        .iter()
        .map(|state| {
            let addresses = list(&state["entries"])?.iter().map(address).collect::<Result<_, _>>()?;
            Ok(GroupState { at: text(state, "at")?, addresses })
        })
        .collect()
}

fn entry(value: &Value) -> Result<Entry, String> {
    Ok(Entry {
        name: text(value, "name")?,
        prefix: text(value, "addressPrefix")?,
        next_hop: text(value, "nextHopType")?,
        next_hop_ip: value["nextHopIpAddress"].as_str().map(str::to_owned),
        in_effect: text(value, "provisioningState")? == "Succeeded",
    })
}

/// The answer of `/log`.
pub(crate) fn requests(answer: &Value) -> Result<Vec<Request>, String> {
    list(answer)?
        .iter()
        .map(|line| {
            let url = text(line, "url")?;
            Ok(Request {
                server: text(line, "server")?,
                method: text(line, "method")?,
                path: url.split('?').next().unwrap_or_default().to_owned(),
                status: line["status"].as_u64().unwrap_or(0),
            })
        })
        .collect()
}

pub(crate) fn list(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("the simulator sent no list: {value}"))
}

pub(crate) fn text(value: &Value, key: &str) -> Result<String, String> {
    let found = value[key].as_str().map(str::to_owned);
    found.ok_or_else(|| format!("the simulator sent no {key}: {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn requests_are_counted_by_kind() {
        let line = |server: &str, method: &str, url: &str| json!({"server": server, "method": method, "url": url, "status": 200});
        let ids = Ids::new();
        let Ids { table, group, firewall, own_rules, security, .. } = &ids;
        let log = json!([
            line("arm", "GET", &format!("{}?api-version=1", table.to_uppercase())),
            line("arm", "PUT", &format!("{table}/routes/a?api-version=1")),
            line("arm", "GET", "/x/locations/eastus2/operations/1?t=2"),
            line("arm", "GET", "/x/locations/eastus2/usages"),
            line("arm", "DELETE", &format!("{table}/routes/a")),
            line("login", "POST", "/token"),
            line("downloadPage", "GET", "/a.json"),
            line("arm", "GET", &format!("{group}?api-version=1")),
            line("arm", "PUT", &format!("{group}?api-version=1")),
            line("arm", "GET", "/x/locations/eastus2/nfvOperations/1?t=2"),
            line("arm", "GET", firewall),
            line("arm", "PUT", own_rules),
            line("arm", "GET", own_rules),
            line("arm", "PUT", &format!("{security}/securityRules/a")),
            line("arm", "GET", security),
        ]);
        let requests = requests(&log).unwrap();
        let one_each = Tally {
            reads: 1,
            polls: 1,
            puts: 1,
            group_reads: 1,
            group_polls: 1,
            group_puts: 1,
            user_reads: 1,
            policy_reads: 1,
            policy_puts: 1,
            security_reads: 1,
            security_puts: 1,
            other_writes: 1,
            other_reads: 1,
            downloads: 1,
        };
        let tally = Tally::of(&requests, &ids);
        assert_eq!((tally.writes(), tally), (5, one_each));
        assert_eq!(requests.iter().filter(|request| request.is_write()).count(), 5);
        assert!(requests[6].is_document());
        assert_eq!(requests[1].last(), "a");
    }

    #[test]
    fn states_are_read_and_ours_are_known_by_name_without_case() {
        let route = |name: &str| json!({"name": name, "addressPrefix": "1.0.0.0/8", "nextHopType": "Internet", "provisioningState": "Updating"});
        let states =
            states(&json!([{"at": "t", "entries": [route("Amlnet.DEMO.x"), route("amlnet.other.x")]}])).unwrap();
        let ours: Vec<bool> = states[0].entries.iter().map(Entry::is_ours).collect();
        assert_eq!(ours, [true, false]);
        assert!(!states[0].entries[0].in_effect);
    }

    #[test]
    fn states_of_a_group_are_read_and_an_address_alone_is_a_prefix() {
        let states = group_states(&json!([{"at": "t", "entries": ["20.0.0.0/28", "20.0.1.1", "fe80::/64"]}])).unwrap();
        let nets: Vec<String> = states[0].nets().iter().map(ToString::to_string).collect();
        assert_eq!((states[0].addresses.len(), nets), (3, vec!["20.0.0.0/28".to_owned(), "20.0.1.1/32".to_owned()]));
        assert!(group_states(&json!([{"at": "t", "entries": [1]}])).unwrap_err().contains("no text"));
    }
}
