//! Builders of small values for tests of the pure part. Compiled for tests only, of this package and of `amlnet`: it may
//! name what is `pub`, by way of `super`.

use std::sync::Arc;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::decision::{Basis, decide};
use super::desired::{self, Address, Ask, Contribution, Purpose, Wish, Wishes};
use super::guard::{self, Situation};
use super::intent::{
    Addressing, Approval, Budget, DeletionPolicy, Growth, Installation, Intent, Mode, NextHop, ObjectKey, Removal,
    RouteTableIntent, entry_name,
};
use super::memory::TargetMemory;
use super::plan::{Limits, Observed, ObservedEntry, Plan, TargetInput, Whole, entries};
use super::prefix::{Family, Prefix};
use super::region::{RegionName, Regions};
use super::resolve::{PairSource, PairedRegion, Unresolved};
use super::resource_id::ResourceId;
use super::service_tags::Document;

/// A tag as a test writes it: name, region, prefixes.
pub(crate) type TagRow<'a> = (&'a str, &'a str, &'a [&'a str]);

/// A Public document with these tags. Global tags (without a dot) may stand in routes.
pub(crate) fn document(tags: &[TagRow<'_>]) -> Document {
    document_numbered(100, tags)
}

/// The same with a change number of its own.
pub(crate) fn document_numbered(change_number: u64, tags: &[TagRow<'_>]) -> Document {
    Document::parse(json(change_number, tags).as_bytes()).unwrap()
}

/// The JSON text of such a document.
pub(crate) fn json(change_number: u64, tags: &[TagRow<'_>]) -> String {
    json_value(change_number, tags).to_string()
}

/// The same before it becomes text, for tests that damage it.
pub(crate) fn json_value(change_number: u64, tags: &[TagRow<'_>]) -> serde_json::Value {
    let values: Vec<serde_json::Value> = tags
        .iter()
        .map(|(name, region, prefixes)| {
            let features = (!name.contains('.')).then_some(["API", "NSG", "UDR", "FW"]);
            serde_json::json!({"name": name, "id": name, "properties": {"changeNumber": 1, "region": region,
                "regionId": 0, "platform": "Azure", "systemService": "", "addressPrefixes": prefixes,
                "networkFeatures": features}})
        })
        .collect();
    serde_json::json!({"changeNumber": change_number, "cloud": "Public", "values": values})
}

pub(crate) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// A prefix where it is one, else a service tag.
pub(crate) fn address(text: &str) -> Address {
    text.parse().map_or_else(|_| Address::Tag(text.to_owned()), Address::Prefix)
}

/// `Internet`, the address of an appliance, or anything else that may stand in a table.
pub(crate) fn hop(text: &str) -> NextHop {
    match text {
        "Internet" => NextHop::Internet,
        "member" => NextHop::Member,
        _ => text.parse().map_or_else(|_| NextHop::Other(text.to_owned()), NextHop::VirtualAppliance),
    }
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey { namespace: "ns".to_owned(), name: name.to_owned() }
}

/// The installation of all tests, `prod`.
pub(crate) fn installation() -> Installation {
    "prod".parse().unwrap()
}

pub(crate) fn table_id(name: &str) -> ResourceId {
    let text = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network";
    format!("{text}/routeTables/{name}").parse().unwrap()
}

pub(crate) fn group_id(name: &str) -> ResourceId {
    table_id(name).to_string().replace("routeTables", "ipGroups").parse().unwrap()
}

/// What is asked of an IP group.
pub(crate) fn group_input(contributions: Vec<Contribution>) -> TargetInput {
    TargetInput::new(group_id("ipg"), installation(), contributions)
}

/// An IP group that holds these.
pub(crate) fn group(addresses: &[&str], whole: Whole) -> Observed {
    let entry = |text: &&str| ObservedEntry {
        name: (*text).to_owned(),
        address: address(text),
        next_hop: NextHop::Member,
        failed: false,
    };
    let entries = addresses.iter().map(entry).collect();
    Observed { location: "eastus2".to_owned(), entries, subnets: 0, updating: false, whole: Some(whole), rules: None }
}

/// With the mark of an installation.
pub(crate) fn marked(installation: &str) -> Whole {
    Whole { owner: Some(installation.to_owned()), ..unmarked() }
}

pub(crate) fn unmarked() -> Whole {
    Whole { exists: true, failed: false, owner: None, tags: BTreeMap::new(), users: BTreeSet::new() }
}

/// A spec for eastus2 without a pair, with one table and the default service.
pub(crate) fn intent() -> Intent {
    Intent {
        security_groups: Vec::new(),
        feed: "public".to_owned(),
        region: "eastus2".to_owned(),
        paired_region: PairedRegion::None,
        mode: Mode::Sync,
        families: BTreeSet::from([Family::V4]),
        suspended: false,
        deletion_policy: DeletionPolicy::Retain,
        removal: AT_ONCE,
        growth: Growth { per_service: 40, total: 100 },
        services: vec!["AzureMachineLearning".to_owned()],
        route_tables: vec![table()],
        outbound: None,
    }
}

pub(crate) fn table() -> RouteTableIntent {
    RouteTableIntent {
        id: table_id("rt"),
        next_hop: NextHop::Internet,
        addressing: Addressing::Prefixes,
        default_route: None,
    }
}

/// Removals without hold, approval or a budget that is ever used up.
pub(crate) const AT_ONCE: Removal =
    Removal { hold_seconds: 0, budget: Budget { max: 1000, percent: 100 }, approval: Approval::Never };

/// A contribution in mode Sync that may remove at once: addresses with their next hops. 0.0.0.0/0 is a default route.
pub(crate) fn contribution(name: &str, wanted: &[(&str, &str)]) -> Contribution {
    let entries = wanted.iter().map(|(at, to)| {
        let purpose = match *at {
            "0.0.0.0/0" => Purpose::DefaultRoute,
            _ => Purpose::Service { service: "AzureMachineLearning".to_owned(), region: None, paired: false },
        };
        (address(at), Wish { next_hop: hop(to), purposes: BTreeSet::from([purpose]) })
    });
    Contribution {
        network: key(name),
        generation: 1,
        mode: Mode::Sync,
        suspended: false,
        deletion_policy: DeletionPolicy::Retain,
        removal: AT_ONCE,
        growth: Growth { per_service: 40, total: 100 },
        clocks_may_start: true,
        outcome: Ok(Arc::new(Wishes { entries: entries.collect(), ..no_wishes() })),
    }
}

/// The wishes of `intent` without its services, from a document without tags.
fn no_wishes() -> Wishes {
    let tags: [TagRow<'_>; 1] = [("AzureCloud.eastus2", "eastus2", &[])];
    desired::wishes(&Intent { services: vec![], ..intent() }, &table(), &document(&tags), &REGIONS).unwrap()
}

/// A contribution whose wishes are unknown.
pub(crate) fn unresolved(name: &str) -> Contribution {
    Contribution { outcome: Err(Unresolved::UnknownRegion("no such region".to_owned())), ..contribution(name, &[]) }
}

/// What a table on one subnet holds: name, address, next hop.
pub(crate) fn observed(routes: &[(&str, &str, &str)]) -> Observed {
    let entries = routes.iter().map(|(name, at, to)| ObservedEntry {
        name: (*name).to_owned(),
        address: address(at),
        next_hop: hop(to),
        failed: false,
    });
    Observed {
        location: "eastus2".to_owned(),
        entries: entries.collect(),
        subnets: 1,
        updating: false,
        whole: None,
        rules: None,
    }
}

pub(crate) fn input(contributions: Vec<Contribution>) -> TargetInput {
    TargetInput::new(table_id("rt"), installation(), contributions)
}

/// The plan before the guards saw it, with the default limits.
pub(crate) fn unguarded(contributions: Vec<Contribution>, observed: &Observed) -> Plan {
    entries::plan(&input(contributions), observed, Limits::DEFAULT)
}

/// The time of tests that need just one.
pub(crate) fn noon() -> jiff::Timestamp {
    "2026-01-05T12:00:00Z".parse().unwrap()
}

/// A target that is decided about again and again: what stands there, what is remembered, and what time it is.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) observed: Observed,
    pub(crate) memory: TargetMemory,
    pub(crate) approvals: Vec<super::approval::Approval>,
    pub(crate) now: jiff::Timestamp,
}

impl Scene {
    /// At noon, with nothing remembered and no route.
    pub(crate) fn empty() -> Self {
        Self { observed: observed(&[]), memory: TargetMemory::default(), approvals: Vec::new(), now: noon() }
    }

    /// Decides, and remembers.
    pub(crate) fn decide(&mut self, input: &TargetInput) -> Plan {
        let limits = Limits { entries: 1000, tag_entries: 25, addresses: 0 };
        let basis = Basis { remembered: &self.memory, approvals: &self.approvals, now: self.now };
        let (plan, memory) = decide(input, &self.observed, limits, &[], basis);
        self.memory = memory;
        plan
    }

    /// Decides, takes every step, and decides once more: what is left.
    pub(crate) fn apply(&mut self, input: &TargetInput) -> Plan {
        for step in self.decide(input).steps {
            self.observed.entries.retain(|entry| entry.name != step.entry);
            match &step.next_hop {
                None => self.memory.count_removals(&[&step], self.now),
                Some(next_hop) => {
                    let (name, address, next_hop) = (step.entry.clone(), step.address.clone(), next_hop.clone());
                    self.observed.entries.push(ObservedEntry { name, address, next_hop, failed: false });
                }
            }
            self.memory.wrote(&step);
        }
        self.decide(input)
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, days: i64) -> &mut Self {
        self.now += jiff::SignedDuration::from_hours(24 * days);
        self
    }

    /// What stands, sorted.
    pub(crate) fn stands(&self) -> BTreeSet<String> {
        self.observed.entries.iter().map(|entry| entry.address.to_string()).collect()
    }

    /// A person approves what waits, for a Network.
    pub(crate) fn approve(&mut self, plan: &Plan, network: &str, days: i64) {
        self.approvals.push(super::approval::Approval {
            id: format!("approval-{}", self.approvals.len()),
            subject: super::approval::Subject::Network(network.parse().unwrap_or_else(|_| key(network))),
            hash: plan.hash().to_string(),
            approved_by: None,
            expires_at: self.now + jiff::SignedDuration::from_hours(24 * days),
        });
    }
}

/// Prefixes of Azure Machine Learning by number.
pub(crate) fn numbered(number: usize) -> String {
    format!("20.{}.{}.0/26", number / 200, number % 200)
}

/// A Network that asks for these prefixes of Azure Machine Learning in a region.
pub(crate) fn wanting(name: &str, region: &str, numbers: impl IntoIterator<Item = usize>) -> Contribution {
    let region: super::region::RegionName =
        Regions::built_in().find(region, &document(&[])).map(|region| region.name).unwrap();
    let wishes = no_wishes();
    let entries = numbers.into_iter().map(|number| {
        let purpose = Purpose::Service {
            service: "AzureMachineLearning".to_owned(),
            region: Some(region.clone()),
            paired: false,
        };
        (address(&numbered(number)), Wish { next_hop: NextHop::Internet, purposes: BTreeSet::from([purpose]) })
    });
    let entries: std::collections::BTreeMap<_, _> = entries.collect();
    let asks = BTreeSet::from([desired::Ask::Prefixes {
        service: "azuremachinelearning".to_owned(),
        region: Some(region.to_string()),
        family: Family::V4,
    }]);
    Contribution { outcome: Ok(Arc::new(Wishes { region, asks, entries, ..wishes })), ..contribution(name, &[]) }
}

/// The guarded plan of a target that was never seen before.
pub(crate) fn guarded(input: &TargetInput, observed: &Observed, limits: Limits) -> Plan {
    let (memory, _) = TargetMemory::default().look(input, observed, noon());
    let situation = Situation { input, observed, memory: &memory, approvals: &[], now: noon() };
    guard::guard(entries::plan(input, observed, limits), situation)
}

/// What is asked for: region, service, prefixes.
pub(crate) type Asked<'a> = (&'a str, &'a str, &'a [&'a str]);

/// A contribution as `contribution` makes it, to Internet, by region and service. The first region is the primary one,
/// another one its pair.
pub(crate) fn regional(name: &str, asked: &[Asked<'_>]) -> Contribution {
    let contribution = contribution(name, &[]);
    let mut wishes = no_wishes();
    wishes.region = region(asked[0].0);
    let pair = asked.iter().map(|(name, ..)| region(name)).find(|name| *name != wishes.region);
    wishes.pair = pair.map(|name| (name, PairSource::Spec));
    for (at, service, prefixes) in asked {
        let region = region(at);
        let families = prefixes.iter().map(|text| prefix(text).family()).chain([Family::V4]);
        let ask =
            |family| Ask::Prefixes { service: service.to_ascii_lowercase(), region: Some((*at).to_owned()), family };
        wishes.asks.extend(families.map(ask));
        let paired = region != wishes.region;
        let purpose = Purpose::Service { service: (*service).to_owned(), paired, region: Some(region) };
        for text in *prefixes {
            let new = || Wish { next_hop: NextHop::Internet, purposes: BTreeSet::new() };
            wishes.entries.entry(address(text)).or_insert_with(new).purposes.insert(purpose.clone());
        }
    }
    Contribution { outcome: Ok(Arc::new(wishes)), ..contribution }
}

/// The same for the default service in eastus2.
pub(crate) fn needing(name: &str, prefixes: &[&str]) -> Contribution {
    regional(name, &[("eastus2", "AzureMachineLearning", prefixes)])
}

/// By what a need of IPv4 is remembered.
pub(crate) fn ask(region: &str, service: &str) -> Ask {
    Ask::Prefixes { service: service.to_ascii_lowercase(), region: Some(region.to_owned()), family: Family::V4 }
}

/// Read once: properties make many contributions.
static REGIONS: LazyLock<Regions> = LazyLock::new(Regions::built_in);

fn region(name: &str) -> RegionName {
    REGIONS.find(name, &document(&[])).unwrap().name
}

/// The same contribution by another document.
pub(crate) fn by_document(number: u64, contribution: Contribution) -> Contribution {
    // A document is another one by its content.
    let prefix = format!("20.{number}.0.0/16");
    let document = document_numbered(number, &[("AzureCloud.eastus2", "eastus2", &[&prefix])]);
    let wishes =
        contribution.outcome.map(|wishes| Arc::new(Wishes { document: (&document).into(), ..Wishes::clone(&wishes) }));
    Contribution { outcome: wishes, ..contribution }
}

/// An entry of ours.
pub(crate) fn ours(at: &str, to: &str) -> ObservedEntry {
    let name = entry_name(&installation(), at);
    ObservedEntry { name, address: address(at), next_hop: hop(to), failed: false }
}

/// What is done, as `Add 20.0.0.0/26`.
pub(crate) fn taken(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{:?} {}", step.action, step.address)).collect()
}
